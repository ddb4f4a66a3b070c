/* data_dependent.h: test
 *
 * Made by ctc; do not edit.
 * Options: --weights=auto
 */
#ifndef CTC_MODEL_DATA_DEPENDENT_H
#define CTC_MODEL_DATA_DEPENDENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* … */

enum {
  DATA_DEPENDENT_OK = 0,
  DATA_DEPENDENT_BAD_ARGUMENT = 1,       /* a null or misaligned pointer */
  DATA_DEPENDENT_BAD_SHAPE = 2,          /* sizes that contradict each other or the model's limits */
  DATA_DEPENDENT_BAD_INDEX = 3,          /* an index tensor points outside of its data */
  DATA_DEPENDENT_CAPACITY_TOO_SMALL = 5, /* a data-dependent size exceeds its capacity */
  DATA_DEPENDENT_WORKSPACE_TOO_SMALL = 4
};

/* Entries of dims[]. */
enum {
  DATA_DEPENDENT_DIM_N = 0, /* N: given by the caller */
  DATA_DEPENDENT_DIM_I_1 = 1, /* i.1: data-dependent: the size after the run */
  DATA_DEPENDENT_DIM_COUNT = 2
};

/* Inputs: */
/*   x: float32[N, 4] */
/* Outputs: */
/*   y: int64[i.1, 2] */

#define DATA_DEPENDENT_ALIGNMENT 64 /* of the workspace */

/* Runs the model once. Inputs and outputs are dense and row-major; the workspace is memory of the caller's, its contents mean
 * nothing before and after. Returns DATA_DEPENDENT_OK or another status; several threads may run the model at once with a
 * workspace each. */
int data_dependent_run(const float *in_x, int64_t *out_y, int64_t *dims, void *workspace, size_t workspace_bytes);
/* The same on several threads, with the same results; on one if `threads` is NULL. */
int data_dependent_run_threads(ctc_threads *threads, const float *in_x, int64_t *out_y, int64_t *dims, void *workspace, size_t workspace_bytes);

/* If data_dependent.c is compiled with -DCTC_POOL: threads that wait for runs, `threads` with the caller's
 * own. Returns how many there are: fewer if the system gives no more. One run at a time uses them. */
int32_t data_dependent_pool_start(ctc_pool *pool, int32_t threads);
void data_dependent_pool_stop(ctc_pool *pool);

/* Workspace needed for these dims (bytes). */
int64_t data_dependent_workspace_bytes(const int64_t *dims);
/* Upper bounds of the data-dependent dims that have one, from the others. */
void data_dependent_bounds(int64_t *dims);
/* Dims of all inputs, then all outputs, one after another. */
void data_dependent_shapes(const int64_t *dims, int64_t *shapes);
const char *data_dependent_status_text(int status);

extern const ctc_model data_dependent_model;

#ifdef __cplusplus
}
#endif
#endif
