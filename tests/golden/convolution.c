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

/* w: float32[18] */
static const CTC_ALIGNED float w_w[18] = {
    -0.75f, -0.25f, -0.5f, 0.0f, -0.25f, 0.25f, 0.0f, 0.5f,
    0.25f, 0.75f, 0.5f, -0.75f, 0.75f, -0.5f, -0.75f, -0.25f,
    -0.5f, 0.0f};

/* c: float32[2] */
static const CTC_ALIGNED float w_c[2] = {
    -0.75f, -0.5f};

/* v.panels: float32[1, 18, 32] */
static const CTC_ALIGNED union {
  char bytes[2304 + 1];
  float v[576];
} w_v_panels = {
    "\0\0@\277\0\0\0\277\0\0\200\276\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\200>\0\0\0\77\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0@\77\0\0@\277\0\0\0\277\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\200\276\0\0\0\0\0\0\200>\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\77\0\0@\77\0\0@\277\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\277\0\0\200\276\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\200>\0\0\0\77\0\0@\77\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0@\277\0\0\0\277\0\0\200\276\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\200>\0\0\0\77\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0@\77\0\0@\277\0\0\0\277\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\200\276\0\0\0\0\0\0\200>\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\77\0\0@\77\0\0@\277\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\277\0\0\200\276\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\200>\0\0\0\77\0\0@\77\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0@\277\0\0\0\277\0\0\200\276\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\200>\0\0\0\77\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0@\77\0\0@\277\0\0\0\277\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\200\276\0\0\0\0\0\0\200>\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"};



/* --- the steps of this model --- */

static CTC_KERNEL ctc_v epilogue_1(ctc_v value, const float *const *operands, ctc_dim at,
    ctc_dim channel, int count) {
  const ctc_v v0 = value;
  const ctc_v v1 = ctc_v_set(operands[0][channel]);
  (void)at;
  (void)count;
  const ctc_v t0 = ctc_add_v(v0, v1);
  const ctc_v t1 = ctc_relu_v(t0);
  return t1;
}

static void conv_planes_f32_2(void *const *p, const int64_t *n, ctc_dim part, ctc_dim first, ctc_dim last) {
  (void)n;
  (void)part;
  const float *const operands[] = {(const float *)p[3]};
  ctc_conv_planes_f32((const float *)p[0], (const float *)p[1], (float *)p[2], epilogue_1, operands, 1, 1, 2, 6, 6, 3, 3, 1, 1, 1, 64, 8, first, last);
}

static void gemv_packed_f32_3(void *const *p, const int64_t *n, ctc_dim part, ctc_dim first, ctc_dim last) {
  (void)n;
  (void)part;
  ctc_gemv_packed_f32((const float *)p[0], (const float *)p[1], (float *)p[2], NULL, NULL, 1, 3, 18, 18, 1, 3, first, last);
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
  /* n1: Relu [1, 2, 6, 6] -> [1, 2, 6, 6] */
  {
    void *const tensors[] = {(void *)(in_x), (void *)(w_w), (void *)(CTC_AT(float, 0)), (void *)(w_c)};
    conv_planes_f32_2(tensors, NULL, 0, 0, 6);
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
  {
    void *const tensors[] = {(void *)(CTC_AT(const float, 320)), (void *)(w_v_panels.v), (void *)(out_y)};
    gemv_packed_f32_3(tensors, NULL, 0, 0, 1);
  }
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
  case CTC_CAPACITY_TOO_SMALL: return "a data-dependent size exceeds its capacity";
  case CTC_WORKSPACE_TOO_SMALL: return "the workspace is too small";
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
    0,
    NULL,
};
