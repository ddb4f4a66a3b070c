/* convolution.c: test
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

#include "convolution.h"

/* … */

/* --- weights --- */

/* w: float32[2, 1, 3, 3] */
static const float w_w[18] = {
    -0.75f, -0.5f, -0.25f, 0.0f, 0.25f, 0.5f, 0.75f, -0.75f,
    -0.5f, -0.25f, 0.0f, 0.25f, 0.5f, 0.75f, -0.75f, -0.5f,
    -0.25f, 0.0f};

/* b: float32[2] */
static const float w_b[2] = {
    -0.75f, -0.5f};

/* v: float32[18, 3] */
static const float w_v[54] = {
    -0.75f, -0.5f, -0.25f, 0.0f, 0.25f, 0.5f, 0.75f, -0.75f,
    -0.5f, -0.25f, 0.0f, 0.25f, 0.5f, 0.75f, -0.75f, -0.5f,
    -0.25f, 0.0f, 0.25f, 0.5f, 0.75f, -0.75f, -0.5f, -0.25f,
    0.0f, 0.25f, 0.5f, 0.75f, -0.75f, -0.5f, -0.25f, 0.0f,
    0.25f, 0.5f, 0.75f, -0.75f, -0.5f, -0.25f, 0.0f, 0.25f,
    0.5f, 0.75f, -0.75f, -0.5f, -0.25f, 0.0f, 0.25f, 0.5f,
    0.75f, -0.75f, -0.5f, -0.25f, 0.0f, 0.25f};



/* --- the steps of this model --- */

static void relu_f32_1(void *const *p, const int64_t *n, ctc_dim part, ctc_dim first, ctc_dim last) {
  (void)n;
  (void)part;
  const float *x0 = (const float *)p[0];
  float *y0 = (float *)p[1];
  for (int64_t i0 = first; i0 < last; i0++) {
    const float v0 = x0[i0];
    const float t0 = ctc_relu_f32(v0);
    y0[i0] = t0;
  }
}


/* … */

/* --- the model --- */

#define CTC_AT(T, offset) ((T *)(void *)(ws + (offset)))

int convolution_run_threads(ctc_threads *threads, const float *in_x, float *out_y, void *workspace, size_t workspace_bytes) {
  (void)threads;
  char *ws = (char *)workspace;
  if (in_x == NULL || (uintptr_t)in_x % 4 != 0) return CTC_BAD_ARGUMENT;
  if (out_y == NULL || (uintptr_t)out_y % 4 != 0) return CTC_BAD_ARGUMENT;
  if (ws == NULL || (uintptr_t)ws % 64 != 0) return CTC_BAD_ARGUMENT;
  if (workspace_bytes < 448) return CTC_WORKSPACE_TOO_SMALL;

  /* n0: Conv [1, 1, 8, 8], [2, 1, 3, 3], [2] -> [1, 2, 6, 6] */
  {
    static const ctc_dim a8[3] = {1, 8, 8};
    static const ctc_dim a9[3] = {1, 6, 6};
    static const ctc_dim a10[3] = {1, 3, 3};
    static const ctc_dim a11[3] = {1, 1, 1};
    static const ctc_dim a12[3] = {1, 1, 1};
    static const ctc_dim a13[3] = {0, 0, 0};
    ctc_conv_f32(in_x, w_w, w_b, CTC_AT(float, 0), 1, 1, 1, 2, a8, a9, a10, a11, a12, a13);
  }

  /* n1: Relu [1, 2, 6, 6] -> [1, 2, 6, 6] */
  {
    void *const p[] = {(void *)(CTC_AT(const float, 0)), (void *)(CTC_AT(float, 0))};
    relu_f32_1(p, NULL, 0, 0, 72);
  }

  /* n2: MaxPool [1, 2, 6, 6] -> [1, 2, 3, 3] */
  {
    static const ctc_dim a3[3] = {1, 6, 6};
    static const ctc_dim a4[3] = {1, 3, 3};
    static const ctc_dim a5[3] = {1, 2, 2};
    static const ctc_dim a6[3] = {1, 2, 2};
    static const ctc_dim a7[3] = {1, 1, 1};
    static const ctc_dim a8[3] = {0, 0, 0};
    ctc_max_pool_f32(CTC_AT(const float, 0), CTC_AT(float, 320), 2, a3, a4, a5, a6, a7, a8);
  }

  /* n4: Gemm [1, 18], [18, 3] -> [1, 3] */
  ctc_gemm_f32(CTC_AT(const float, 320), w_v, NULL, out_y, 1, 3, 18, 18, 1, 0, 0, 1.0, 1.0);
  return CTC_OK;
}

int convolution_run(const float *in_x, float *out_y, void *workspace, size_t workspace_bytes) {
#ifdef _OPENMP
  ctc_threads threads = ctc_openmp_threads();
  return convolution_run_threads(&threads, in_x, out_y, workspace, workspace_bytes);
#else
  return convolution_run_threads(NULL, in_x, out_y, workspace, workspace_bytes);
#endif
}

static int64_t convolution_workspace_bytes(const int64_t *dims) {
  (void)dims;
  return 448;
}

static void convolution_bounds(int64_t *dims) { (void)dims; }

void convolution_shapes(const int64_t *dims, int64_t *shapes) {
  (void)dims;
  (void)shapes;
  shapes[0] = 1;
  shapes[1] = 1;
  shapes[2] = 8;
  shapes[3] = 8;
  shapes[4] = 1;
  shapes[5] = 3;
}

const char *convolution_status_text(int status) {
  switch (status) {
  case CTC_OK: return "ok";
  case CTC_BAD_ARGUMENT: return "a pointer is null or misaligned";
  case CTC_BAD_SHAPE: return "sizes contradict each other or the model's limits";
  case CTC_BAD_INDEX: return "an index points outside of its data";
  case CTC_WORKSPACE_TOO_SMALL: return "the workspace is too small";
  case CTC_CAPACITY_TOO_SMALL: return "a data-dependent size exceeds its capacity";
  default: return "unknown status";
  }
}

static int convolution_run_any(const void *const *inputs, void *const *outputs, int64_t *dims, void *workspace,
                          int64_t workspace_bytes, const void *weights) {
  (void)inputs;
  (void)dims;
  (void)weights;
  if (workspace_bytes < 0) return CTC_WORKSPACE_TOO_SMALL;
  return convolution_run((const float *)inputs[0], (float *)outputs[0], workspace, (size_t)workspace_bytes);
}

static int convolution_run_threads_any(ctc_threads *threads, const void *const *inputs, void *const *outputs,
                                  int64_t *dims, void *workspace, int64_t workspace_bytes,
                                  const void *weights) {
  (void)inputs;
  (void)dims;
  (void)weights;
  if (workspace_bytes < 0) return CTC_WORKSPACE_TOO_SMALL;
  return convolution_run_threads(threads, (const float *)inputs[0], (float *)outputs[0], workspace, (size_t)workspace_bytes);
}


static const ctc_port convolution_inputs[] = {
    {"x", 1, 4, NULL},
};
static const ctc_port convolution_outputs[] = {
    {"y", 1, 2, NULL},
};

const ctc_model convolution_model = {
    CTC_MODEL_ABI,
    "test",
    1,
    1,
    0,
    convolution_inputs,
    convolution_outputs,
    NULL,
    convolution_bounds,
    convolution_shapes,
    convolution_workspace_bytes,
    convolution_run_any,
    convolution_status_text,
    64,
    0,
    convolution_run_threads_any,
};
