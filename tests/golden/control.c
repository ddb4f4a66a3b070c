/* control.c: test
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

#include "control.h"

/* … */

/* --- weights --- */



/* --- the steps of this model --- */

static void exp_f32_1(void *const *p, const int64_t *n, ctc_dim part, ctc_dim first, ctc_dim last) {
  (void)n;
  (void)part;
  const float *CTC_RESTRICT x0 = (const float *)p[0];
  float *CTC_RESTRICT y0 = (float *)p[1];
  for (int64_t i0 = first; i0 < last; i0++) {
    const float v0 = x0[i0];
    const float t0 = ctc_exp_f32(v0);
    y0[i0] = t0;
  }
}

static void neg_f32_2(void *const *p, const int64_t *n, ctc_dim part, ctc_dim first, ctc_dim last) {
  (void)n;
  (void)part;
  const float *CTC_RESTRICT x0 = (const float *)p[0];
  float *CTC_RESTRICT y0 = (float *)p[1];
  for (int64_t i0 = first; i0 < last; i0++) {
    const float v0 = x0[i0];
    const float t0 = ctc_neg_f32(v0);
    y0[i0] = t0;
  }
}

static void copy_3(void *const *p, const int64_t *n, ctc_dim part, ctc_dim first, ctc_dim last) {
  (void)n;
  (void)part;
  const float *CTC_RESTRICT x0 = (const float *)p[0];
  float *CTC_RESTRICT y0 = (float *)p[1];
  for (int64_t i0 = first; i0 < last; i0++) {
    const float v0 = x0[i0];
    y0[i0] = v0;
  }
}

static void add_f32_4(void *const *p, const int64_t *n, ctc_dim part, ctc_dim first, ctc_dim last) {
  (void)n;
  (void)part;
  const float *x0 = (const float *)p[0];
  float *y0 = (float *)p[1];
  for (int64_t i0 = first; i0 < last; i0++) {
    const float v0 = x0[i0];
    const float t0 = ctc_add_f32(v0, v0);
    y0[i0] = t0;
  }
}


/* … */

/* --- the model --- */

#define CTC_AT(T, offset) ((T *)(void *)(ws + (offset)))

int control_run_threads(ctc_threads *threads, const float *in_x, const uint8_t *in_c, const int64_t *in_n, float *out_y, void *workspace, size_t workspace_bytes) {
  (void)threads;
  char *ws = (char *)workspace;
  int64_t n = 0;
  int64_t loop_iteration = 0;
  if (in_x == NULL || (uintptr_t)in_x % 4 != 0) return CTC_BAD_ARGUMENT;
  if (in_c == NULL) return CTC_BAD_ARGUMENT;
  if (in_n == NULL || (uintptr_t)in_n % 8 != 0) return CTC_BAD_ARGUMENT;
  if (out_y == NULL || (uintptr_t)out_y % 4 != 0) return CTC_BAD_ARGUMENT;
  if (ws == NULL || (uintptr_t)ws % 64 != 0) return CTC_BAD_ARGUMENT;
  if (workspace_bytes < 64) return CTC_WORKSPACE_TOO_SMALL;
  n = (int64_t)(in_n)[0];

  /* if: If [] -> [3] */
  if (*in_c) {

    /* Exp [3] -> [3] */
    {
      void *const tensors[] = {(void *)(in_x), (void *)(CTC_AT(float, 0))};
      exp_f32_1(tensors, NULL, 0, 0, 3);
    }
  } else {

    /* Neg [3] -> [3] */
    {
      void *const tensors[] = {(void *)(in_x), (void *)(CTC_AT(float, 0))};
      neg_f32_2(tensors, NULL, 0, 0, 3);
    }
  }

  /* loop: Loop [], [3] -> [3] */
  {
    void *const tensors[] = {(void *)(CTC_AT(const float, 0)), (void *)(out_y)};
    copy_3(tensors, NULL, 0, 0, 3);
  }
  for (loop_iteration = 0; loop_iteration < ctc_max_dim(n, 0); loop_iteration++) {

    /* Add [3], [3] -> [3] */
    {
      void *const tensors[] = {(void *)(out_y), (void *)(out_y)};
      add_f32_4(tensors, NULL, 0, 0, 3);
    }
  }
  return CTC_OK;
}

int control_run(const float *in_x, const uint8_t *in_c, const int64_t *in_n, float *out_y, void *workspace, size_t workspace_bytes) {
#ifdef _OPENMP
  ctc_threads threads = ctc_openmp_threads();
  return control_run_threads(&threads, in_x, in_c, in_n, out_y, workspace, workspace_bytes);
#else
  return control_run_threads(NULL, in_x, in_c, in_n, out_y, workspace, workspace_bytes);
#endif
}

static int64_t control_workspace_bytes(const int64_t *dims) {
  (void)dims;
  return 64;
}

static void control_bounds(int64_t *dims) { (void)dims; }

void control_shapes(const int64_t *dims, int64_t *shapes) {
  (void)dims;
  (void)shapes;
  shapes[0] = 3;
  shapes[1] = 3;
}

const char *control_status_text(int status) {
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

static int control_run_any(const void *const *inputs, void *const *outputs, int64_t *dims, void *workspace,
                          int64_t workspace_bytes, const void *weights) {
  (void)inputs;
  (void)dims;
  (void)weights;
  if (workspace_bytes < 0) return CTC_WORKSPACE_TOO_SMALL;
  return control_run((const float *)inputs[0], (const uint8_t *)inputs[1], (const int64_t *)inputs[2], (float *)outputs[0], workspace, (size_t)workspace_bytes);
}

static int control_run_threads_any(ctc_threads *threads, const void *const *inputs, void *const *outputs,
                                  int64_t *dims, void *workspace, int64_t workspace_bytes,
                                  const void *weights) {
  (void)inputs;
  (void)dims;
  (void)weights;
  if (workspace_bytes < 0) return CTC_WORKSPACE_TOO_SMALL;
  return control_run_threads(threads, (const float *)inputs[0], (const uint8_t *)inputs[1], (const int64_t *)inputs[2], (float *)outputs[0], workspace, (size_t)workspace_bytes);
}


static const ctc_port control_inputs[] = {
    {"x", 1, 1, NULL},
    {"c", 9, 0, NULL},
    {"n", 7, 0, NULL},
};
static const ctc_port control_outputs[] = {
    {"y", 1, 1, NULL},
};

const ctc_model control_model = {
    CTC_MODEL_ABI,
    "test",
    3,
    1,
    0,
    control_inputs,
    control_outputs,
    NULL,
    control_bounds,
    control_shapes,
    control_workspace_bytes,
    control_run_any,
    control_status_text,
    64,
    0,
    control_run_threads_any,
    0,
    NULL,
};
