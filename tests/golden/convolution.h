/* convolution.h: test
 *
 * Made by ctc; do not edit.
 * Options: --weights=auto
 */
#ifndef CTC_MODEL_CONVOLUTION_H
#define CTC_MODEL_CONVOLUTION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* … */

enum {
  CONVOLUTION_OK = 0,
  CONVOLUTION_BAD_ARGUMENT = 1,       /* a null or misaligned pointer */
  CONVOLUTION_BAD_SHAPE = 2,          /* sizes that contradict each other or the model's limits */
  CONVOLUTION_BAD_INDEX = 3,          /* an index tensor points outside of its data */
  CONVOLUTION_CAPACITY_TOO_SMALL = 5, /* a data-dependent size exceeds its capacity */
  CONVOLUTION_WORKSPACE_TOO_SMALL = 4
};

/* Inputs: */
/*   x: float32[1, 1, 8, 8] */
#define CONVOLUTION_IN_X_ELEMENTS 64
/* Outputs: */
/*   y: float32[1, 3] */
#define CONVOLUTION_OUT_Y_ELEMENTS 3

#define CONVOLUTION_ALIGNMENT 64 /* of the workspace */
#define CONVOLUTION_WORKSPACE_BYTES 448

/* Runs the model once. Inputs and outputs are dense and row-major; the workspace is memory of the caller's, its contents mean
 * nothing before and after. Returns CONVOLUTION_OK or another status; several threads may run the model at once with a
 * workspace each. */
int convolution_run(const float *in_x, float *out_y, void *workspace, size_t workspace_bytes);
/* The same on several threads, with the same results; on one if `threads` is NULL. */
int convolution_run_threads(ctc_threads *threads, const float *in_x, float *out_y, void *workspace, size_t workspace_bytes);

/* If convolution.c is compiled with -DCTC_POOL: threads that wait for runs, `threads` with the caller's
 * own. Returns how many there are: fewer if the system gives no more. One run at a time uses them. */
int32_t convolution_pool_start(ctc_pool *pool, int32_t threads);
void convolution_pool_stop(ctc_pool *pool);

/* Dims of all inputs, then all outputs, one after another. */
void convolution_shapes(const int64_t *dims, int64_t *shapes);
const char *convolution_status_text(int status);

extern const ctc_model convolution_model;

#ifdef __cplusplus
}
#endif
#endif
