/* $source_name: $title
 *
 * Made by ctc $version from a model with hash $hash; do not edit.
$options
 *
 * C99 and libm, no heap, no globals that change. Compile with optimisation (-O2 or -O3 -march=…).
 */
#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic ignored "-Woverlength-strings"
#endif

//$ if threads
#if defined(CTC_POOL) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200112L /* for clock_gettime */
#endif

//$ end
//$ if strict
/* A product and a sum stay two roundings at every optimisation level. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

//$ end
#include "$header_name"

$runtime_head
$strings_check
//$ if blas
/* Large products of matrices: link with -l$blas_library. */
#define CTC_BLAS
#ifdef __cplusplus
extern "C"
#endif
void cblas_sgemm(int order, int turn_a, int turn_b, int m, int n, int k, float alpha, const float *a, int a_row,
                 const float *b, int b_row, float beta, float *c, int c_row);
//$ end
//$ if threads
#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef CTC_POOL
#include <pthread.h>
#include <sched.h>
#include <time.h>
#endif
//$ end
//$ if trace
void ctc_trace(int32_t step, int32_t buffer, const void *data, int64_t bytes);
//$ end
//$ if profile
void ctc_profile(int32_t step);
//$ end

/* --- kernels --- */

$runtime

/* --- weights --- */

$weights_text

/* --- the steps of this model --- */

$tasks

//$ if threads
/* --- threads --- */

//$ if parallel
$threads_tasks

//$ end
$threads_pools

//$ end
/* --- the model --- */

#define CTC_AT(T, offset) ((T *)(void *)(ws + (offset)))

//$ if plan
$plan_function

//$ end
//$ if threads
int $model_run_threads(ctc_threads *threads, $signature) {
//$ if !parallel
  (void)threads;
//$ end
//$ else
int $model_run($signature) {
//$ end
//$ if uses_workspace
  char *ws = (char *)workspace;
//$ else
  (void)workspace;
  (void)workspace_bytes;
//$ end
//$ if plan
  int64_t at[$plan_count];
//$ end
//$ if uses_status
  int status = CTC_OK;
//$ end
$run_locals
$run_checks
$run_sizes
//$ if profile
  ctc_profile(-1);
//$ end
$body
$run_results
  return CTC_OK;
}

//$ if threads
int $model_run($signature) {
#ifdef _OPENMP
  ctc_threads threads = ctc_openmp_threads();
  return $model_run_threads(&threads, $arguments);
#else
  return $model_run_threads(NULL, $arguments);
#endif
}

//$ end
//$ if static_workspace
int $model_run_static($static_signature) {
  static union {
    char bytes[$workspace_bytes + 64]; /* the start is rounded up to 64 */
    double aligned;
  } space;
  char *start = space.bytes;
  return $model_run($static_call);
}

//$ end
$ports_functions

const char *$model_status_text(int status) {
  switch (status) {
$status_texts
  case CTC_WORKSPACE_TOO_SMALL: return "the workspace is too small";
  default: return "unknown status";
  }
}

static int $model_run_any(const void *const *inputs, void *const *outputs, int64_t *dims, void *workspace,
                          int64_t workspace_bytes, const void *weights) {
  (void)inputs;
  (void)dims;
  (void)weights;
  if (workspace_bytes < 0) return CTC_WORKSPACE_TOO_SMALL;
  return $model_run($any_call);
}

//$ if threads
static int $model_run_threads_any(ctc_threads *threads, const void *const *inputs, void *const *outputs,
                                  int64_t *dims, void *workspace, int64_t workspace_bytes,
                                  const void *weights) {
  (void)inputs;
  (void)dims;
  (void)weights;
  if (workspace_bytes < 0) return CTC_WORKSPACE_TOO_SMALL;
  return $model_run_threads(threads, $any_call);
}

//$ end

$ports_tables

const ctc_model $model_model = {
    CTC_MODEL_ABI,
    $title_literal,
    $input_count,
    $output_count,
    $dim_count,
    $inputs_pointer,
    $model_outputs,
    $dims_pointer,
    $model_bounds,
    $model_shapes,
    $model_workspace_bytes,
    $model_run_any,
    $model_status_text,
    64,
    $weights_bytes,
//$ if threads
    $model_run_threads_any,
//$ else
    NULL,
//$ end
    $compound_count,
    $compounds_pointer,
};
