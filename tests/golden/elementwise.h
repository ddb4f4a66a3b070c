/* elementwise.h: test
 *
 * Made by ctc; do not edit.
 * Options: --weights=auto
 */
#ifndef CTC_MODEL_ELEMENTWISE_H
#define CTC_MODEL_ELEMENTWISE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* … */

enum {
  ELEMENTWISE_OK = 0,
  ELEMENTWISE_BAD_ARGUMENT = 1,       /* a null or misaligned pointer */
  ELEMENTWISE_BAD_SHAPE = 2,          /* sizes that contradict each other or the model's limits */
  ELEMENTWISE_BAD_INDEX = 3,          /* an index tensor points outside of its data */
  ELEMENTWISE_CAPACITY_TOO_SMALL = 5, /* a data-dependent size exceeds its capacity */
  ELEMENTWISE_WORKSPACE_TOO_SMALL = 4
};

/* Entries of dims[]. */
enum {
  ELEMENTWISE_DIM_N = 0, /* N: given by the caller */
  ELEMENTWISE_DIM_COUNT = 1
};

/* Inputs: */
/*   x: float32[N, 4] */
/* Outputs: */
/*   y: float32[N, 4] */

#define ELEMENTWISE_ALIGNMENT 64 /* of the workspace */
#define ELEMENTWISE_WORKSPACE_BYTES 0

/* Runs the model once. Inputs and outputs are dense and row-major; the workspace is memory of the caller's, its contents mean
 * nothing before and after. Returns ELEMENTWISE_OK or another status; several threads may run the model at once with a
 * workspace each. */
int elementwise_run(const float *in_x, float *out_y, int64_t *dims, void *workspace, size_t workspace_bytes);
/* The same on several threads, with the same results; on one if `threads` is NULL. */
int elementwise_run_threads(ctc_threads *threads, const float *in_x, float *out_y, int64_t *dims, void *workspace, size_t workspace_bytes);

/* If elementwise.c is compiled with -DCTC_POOL: threads that wait for runs, `threads` with the caller's
 * own. Returns how many there are: fewer if the system gives no more. One run at a time uses them. */
int32_t elementwise_pool_start(ctc_pool *pool, int32_t threads);
void elementwise_pool_stop(ctc_pool *pool);

/* Workspace needed for these dims (bytes). */
int64_t elementwise_workspace_bytes(const int64_t *dims);
/* Upper bounds of the data-dependent dims that have one, from the others. */
void elementwise_bounds(int64_t *dims);
/* Dims of all inputs, then all outputs, one after another. */
void elementwise_shapes(const int64_t *dims, int64_t *shapes);
const char *elementwise_status_text(int status);

extern const ctc_model elementwise_model;

#ifdef __cplusplus
}
#endif
#endif
