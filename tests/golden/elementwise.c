/* elementwise.c: test
 *
 * Made by ctc; do not edit.
 * Options: --weights=auto
 *
 * C99 and libm, no heap, no globals that change. Compile with optimisation (-O2 or -O3 -march=…).
 */
#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic ignored "-Woverlength-strings"
#endif

#if defined(CTC_POOL) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200112L /* for clock_gettime */
#endif

#include "elementwise.h"

/* … */

/* --- weights --- */

/* scale: float32[4] */
static const CTC_ALIGNED float w_scale[4] = {
    -0.75f, -0.5f, -0.25f, 0.0f};



/* --- the steps of this model --- */

static inline CTC_INLINE void mul_f32_lanes_1(const float *x0, const float *x1, float *y0, int count) {
  const ctc_v v0 = ctc_v_load_n(x0, count);
  const ctc_v v1 = ctc_v_load_n(x1, count);
  const ctc_v t0 = ctc_mul_v(v0, v1);
  const ctc_v t1 = ctc_add_v(t0, ctc_v_set(-0.75f));
  const ctc_v t2 = ctc_sigmoid_v(t1);
  const ctc_v t3 = ctc_mul_v(t1, t2);
  ctc_v_store_n(y0, t3, count);
}

static void mul_f32_2(void *const *p, const int64_t *n, ctc_dim part, ctc_dim first, ctc_dim last) {
  (void)n;
  (void)part;
  const float *CTC_RESTRICT x0 = (const float *)p[0];
  const float *CTC_RESTRICT x1 = (const float *)p[1];
  float *CTC_RESTRICT y0 = (float *)p[2];
  for (int64_t i0 = first; i0 < last; i0++) {
    int64_t i1 = 0;
    for (; i1 + CTC_LANES <= 4; i1 += CTC_LANES)
      mul_f32_lanes_1(x0 + i0 * 4 + i1, x1 + i1, y0 + i0 * 4 + i1, CTC_LANES);
    if (i1 < 4)
      mul_f32_lanes_1(x0 + i0 * 4 + i1, x1 + i1, y0 + i0 * 4 + i1, (int)(4 - i1));
  }
}


/* … */

/* --- the model --- */

#define CTC_AT(T, offset) ((T *)(void *)(ws + (offset)))

int elementwise_run_threads(ctc_threads *threads, const float *in_x, float *out_y, int64_t *dims, void *workspace, size_t workspace_bytes) {
  (void)workspace;
  (void)workspace_bytes;
  const int64_t N = dims[0];
  if (in_x == NULL || (uintptr_t)in_x % 4 != 0) return CTC_BAD_ARGUMENT;
  if (out_y == NULL || (uintptr_t)out_y % 4 != 0) return CTC_BAD_ARGUMENT;
  if (dims[0] < 0 || dims[0] > 2147483647) return CTC_BAD_SHAPE;
  const int64_t size_1 = ctc_min_dim(ctc_floordiv(7 * N, 5000), 1024);

  /* n0: Mul [N, 4], [4] -> [N, 4] */
  /* n1: Add [N, 4], [1] -> [N, 4] */
  /* n2: Sigmoid [N, 4] -> [N, 4] */
  /* n3: Mul [N, 4], [N, 4] -> [N, 4] */
  {
    void *const tensors[] = {(void *)(in_x), (void *)(w_scale), (void *)(out_y)};
    ctc_parallel(threads, mul_f32_2, tensors, NULL, N, size_1);
  }
  return CTC_OK;
}

int elementwise_run(const float *in_x, float *out_y, int64_t *dims, void *workspace, size_t workspace_bytes) {
#ifdef _OPENMP
  ctc_threads threads = ctc_openmp_threads();
  return elementwise_run_threads(&threads, in_x, out_y, dims, workspace, workspace_bytes);
#else
  return elementwise_run_threads(NULL, in_x, out_y, dims, workspace, workspace_bytes);
#endif
}

int64_t elementwise_workspace_bytes(const int64_t *dims) {
  (void)dims;
  return 0;
}

void elementwise_bounds(int64_t *dims) {
  (void)dims;
}

void elementwise_shapes(const int64_t *dims, int64_t *shapes) {
  const int64_t N = dims[0];
  (void)dims;
  (void)shapes;
  shapes[0] = N;
  shapes[1] = 4;
  shapes[2] = N;
  shapes[3] = 4;
}

const char *elementwise_status_text(int status) {
  switch (status) {
  case CTC_OK: return "ok";
  case CTC_BAD_ARGUMENT: return "a pointer is null or misaligned";
  case CTC_BAD_SHAPE: return "sizes contradict each other or the model's limits";
  case CTC_BAD_INDEX: return "an index points outside of its data";
  case CTC_CAPACITY_TOO_SMALL: return "a data-dependent size exceeds its capacity";
  case CTC_WORKSPACE_TOO_SMALL: return "the workspace is too small";
  default: return "unknown status";
  }
}

static int elementwise_run_any(const void *const *inputs, void *const *outputs, int64_t *dims, void *workspace,
                          int64_t workspace_bytes, const void *weights) {
  (void)inputs;
  (void)dims;
  (void)weights;
  if (workspace_bytes < 0) return CTC_WORKSPACE_TOO_SMALL;
  return elementwise_run((const float *)inputs[0], (float *)outputs[0], dims, workspace, (size_t)workspace_bytes);
}

static int elementwise_run_threads_any(ctc_threads *threads, const void *const *inputs, void *const *outputs,
                                  int64_t *dims, void *workspace, int64_t workspace_bytes,
                                  const void *weights) {
  (void)inputs;
  (void)dims;
  (void)weights;
  if (workspace_bytes < 0) return CTC_WORKSPACE_TOO_SMALL;
  return elementwise_run_threads(threads, (const float *)inputs[0], (float *)outputs[0], dims, workspace, (size_t)workspace_bytes);
}


static const ctc_port elementwise_inputs[] = {
    {"x", 1, 2, NULL},
};
static const ctc_port elementwise_outputs[] = {
    {"y", 1, 2, NULL},
};
static const ctc_dim_info elementwise_dims[] = {
    {"N", 0, -1, 0},
};

const ctc_model elementwise_model = {
    CTC_MODEL_ABI,
    "test",
    1,
    1,
    1,
    elementwise_inputs,
    elementwise_outputs,
    elementwise_dims,
    elementwise_bounds,
    elementwise_shapes,
    elementwise_workspace_bytes,
    elementwise_run_any,
    elementwise_status_text,
    64,
    0,
    elementwise_run_threads_any,
    0,
    NULL,
};
