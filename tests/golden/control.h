/* control.h: test
 *
 * Made by ctc; do not edit.
 * Options: --weights=auto
 */
#ifndef CTC_MODEL_CONTROL_H
#define CTC_MODEL_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* … */

enum {
  CONTROL_OK = 0,
  CONTROL_BAD_ARGUMENT = 1,       /* a null or misaligned pointer */
  CONTROL_BAD_SHAPE = 2,          /* sizes that contradict each other or the model's limits */
  CONTROL_BAD_INDEX = 3,          /* an index tensor points outside of its data */
  CONTROL_CAPACITY_TOO_SMALL = 5, /* a data-dependent size exceeds its capacity */
  CONTROL_WORKSPACE_TOO_SMALL = 4
};

/* Inputs: */
/*   x: float32[3] */
#define CONTROL_IN_X_ELEMENTS 3
/*   c: bool[] */
#define CONTROL_IN_C_ELEMENTS 1
/*   n: int64[] */
#define CONTROL_IN_N_ELEMENTS 1
/* Outputs: */
/*   y: float32[3] */
#define CONTROL_OUT_Y_ELEMENTS 3

#define CONTROL_ALIGNMENT 64 /* of the workspace */
#define CONTROL_WORKSPACE_BYTES 64

/* Runs the model once. Inputs and outputs are dense and row-major; the workspace is memory of the caller's, its contents mean
 * nothing before and after. Returns CONTROL_OK or another status; several threads may run the model at once with a
 * workspace each. */
int control_run(const float *in_x, const uint8_t *in_c, const int64_t *in_n, float *out_y, void *workspace, size_t workspace_bytes);
/* The same on several threads, with the same results; on one if `threads` is NULL. */
int control_run_threads(ctc_threads *threads, const float *in_x, const uint8_t *in_c, const int64_t *in_n, float *out_y, void *workspace, size_t workspace_bytes);

/* If control.c is compiled with -DCTC_POOL: threads that wait for runs, `threads` with the caller's
 * own. Returns how many there are: fewer if the system gives no more. One run at a time uses them. */
int32_t control_pool_start(ctc_pool *pool, int32_t threads);
void control_pool_stop(ctc_pool *pool);

/* Dims of all inputs, then all outputs, one after another. */
void control_shapes(const int64_t *dims, int64_t *shapes);
const char *control_status_text(int status);

extern const ctc_model control_model;

#ifdef __cplusplus
}
#endif
#endif
