/* data_dependent.c: test
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

#include "data_dependent.h"

/* … */

/* --- weights --- */



/* --- the steps of this model --- */

static inline CTC_INLINE void cast_f32_bool_lanes_1(const float *x0, uint8_t *y0, int count) {
  const ctc_v v0 = ctc_v_load_n(x0, count);
  const ctc_vi t0 = ctc_cast_f32_vb(v0);
  ctc_vi_store_bool(y0, t0, count);
}

static void cast_f32_bool_2(void *const *p, const int64_t *n, ctc_dim part, ctc_dim first, ctc_dim last) {
  (void)n;
  (void)part;
  const float *CTC_RESTRICT x0 = (const float *)p[0];
  uint8_t *CTC_RESTRICT y0 = (uint8_t *)p[1];
  int64_t i0 = first;
  for (; i0 + CTC_LANES <= last; i0 += CTC_LANES)
    cast_f32_bool_lanes_1(x0 + i0, y0 + i0, CTC_LANES);
  if (i0 < last)
    cast_f32_bool_lanes_1(x0 + i0, y0 + i0, (int)(last - i0));
}

static void copy_3(void *const *p, const int64_t *n, ctc_dim part, ctc_dim first, ctc_dim last) {
  (void)part;
  const int64_t *CTC_RESTRICT x0 = (const int64_t *)p[0];
  int64_t *CTC_RESTRICT y0 = (int64_t *)p[1];
  for (int64_t i0 = first; i0 < last; i0++) {
    for (int64_t i1 = 0; i1 < 2; i1++) {
      const int64_t v0 = x0[i0 + i1 * n[0]];
      y0[i0 * 2 + i1] = v0;
    }
  }
}


/* … */

/* --- the model --- */

#define CTC_AT(T, offset) ((T *)(void *)(ws + (offset)))

/* Where the buffers lie for these dims; returns the bytes needed. */
static int64_t data_dependent_plan(const int64_t *dims, int64_t *at) {
  const int64_t N = dims[0];
  (void)dims;
  at[0] = ctc_max_dim(64 * N, 64);
  (void)at;
  return (64 * ctc_floordiv(N + 15, 16) + ctc_max_dim(64 * N, 64));
}

int data_dependent_run_threads(ctc_threads *threads, const float *in_x, int64_t *out_y, int64_t *dims, void *workspace, size_t workspace_bytes) {
  char *ws = (char *)workspace;
  int64_t at[2];
  const int64_t N = dims[0];
  int64_t i_1 = 0;
  if (in_x == NULL || (uintptr_t)in_x % 4 != 0) return CTC_BAD_ARGUMENT;
  if (out_y == NULL || (uintptr_t)out_y % 8 != 0) return CTC_BAD_ARGUMENT;
  if (dims[0] < 0 || dims[0] > 2147483647) return CTC_BAD_SHAPE;
  if (ws == NULL || (uintptr_t)ws % 64 != 0) return CTC_BAD_ARGUMENT;
  if ((uint64_t)data_dependent_plan(dims, at) > workspace_bytes) return CTC_WORKSPACE_TOO_SMALL;
  const int64_t size_1 = (4 * N);
  const int64_t size_2 = ctc_min_dim(ctc_floordiv(3 * N, 5000), 1024);

  /* n0: NonZero [N, 4] -> [2, i.1] */
  {
    void *const tensors[] = {(void *)(in_x), (void *)(CTC_AT(uint8_t, at[0]))};
    ctc_parallel(threads, cast_f32_bool_2, tensors, NULL, size_1, size_2);
  }
  ctc_count_true(CTC_AT(const uint8_t, at[0]), CTC_AT(int64_t, 0), size_1);
  i_1 = (int64_t)(CTC_AT(const int64_t, 0))[0];
  if (i_1 < 0) return CTC_BAD_SHAPE;
  if (i_1 > size_1) return CTC_CAPACITY_TOO_SMALL;
  {
    const ctc_dim a3[2] = {N, 4};
    ctc_nonzero(CTC_AT(const uint8_t, at[0]), CTC_AT(int64_t, 0), 2, a3, i_1);
  }

  /* n1: Transpose [2, i.1] -> [i.1, 2] */
  {
    void *const tensors[] = {(void *)(CTC_AT(const int64_t, 0)), (void *)(out_y)};
    const int64_t sizes[] = {i_1};
    ctc_parallel(threads, copy_3, tensors, sizes, i_1, ctc_min_dim(1024, ctc_floordiv(9 * i_1, 10000)));
  }
  dims[1] = i_1;
  return CTC_OK;
}

int data_dependent_run(const float *in_x, int64_t *out_y, int64_t *dims, void *workspace, size_t workspace_bytes) {
#ifdef _OPENMP
  ctc_threads threads = ctc_openmp_threads();
  return data_dependent_run_threads(&threads, in_x, out_y, dims, workspace, workspace_bytes);
#else
  return data_dependent_run_threads(NULL, in_x, out_y, dims, workspace, workspace_bytes);
#endif
}

int64_t data_dependent_workspace_bytes(const int64_t *dims) {
  int64_t at[2];
  return data_dependent_plan(dims, at);
}

void data_dependent_bounds(int64_t *dims) {
  const int64_t N = dims[0];
  (void)dims;
  dims[1] = (4 * N);
}

void data_dependent_shapes(const int64_t *dims, int64_t *shapes) {
  const int64_t N = dims[0];
  const int64_t i_1 = dims[1];
  (void)dims;
  (void)shapes;
  shapes[0] = N;
  shapes[1] = 4;
  shapes[2] = i_1;
  shapes[3] = 2;
}

const char *data_dependent_status_text(int status) {
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

static int data_dependent_run_any(const void *const *inputs, void *const *outputs, int64_t *dims, void *workspace,
                          int64_t workspace_bytes, const void *weights) {
  (void)inputs;
  (void)dims;
  (void)weights;
  if (workspace_bytes < 0) return CTC_WORKSPACE_TOO_SMALL;
  return data_dependent_run((const float *)inputs[0], (int64_t *)outputs[0], dims, workspace, (size_t)workspace_bytes);
}

static int data_dependent_run_threads_any(ctc_threads *threads, const void *const *inputs, void *const *outputs,
                                  int64_t *dims, void *workspace, int64_t workspace_bytes,
                                  const void *weights) {
  (void)inputs;
  (void)dims;
  (void)weights;
  if (workspace_bytes < 0) return CTC_WORKSPACE_TOO_SMALL;
  return data_dependent_run_threads(threads, (const float *)inputs[0], (int64_t *)outputs[0], dims, workspace, (size_t)workspace_bytes);
}


static const ctc_port data_dependent_inputs[] = {
    {"x", 1, 2, NULL},
};
static const ctc_port data_dependent_outputs[] = {
    {"y", 7, 2, NULL},
};
static const ctc_dim_info data_dependent_dims[] = {
    {"N", 0, -1, 0},
    {"i.1", 0, -1, 2},
};

const ctc_model data_dependent_model = {
    CTC_MODEL_ABI,
    "test",
    1,
    1,
    2,
    data_dependent_inputs,
    data_dependent_outputs,
    data_dependent_dims,
    data_dependent_bounds,
    data_dependent_shapes,
    data_dependent_workspace_bytes,
    data_dependent_run_any,
    data_dependent_status_text,
    64,
    0,
    data_dependent_run_threads_any,
    0,
    NULL,
};
