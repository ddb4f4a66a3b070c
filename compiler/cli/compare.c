/* compare.c: comparison of tensors within tolerances. */
#include "cli/compare.h"

#include <math.h>
#include <string.h>

static bool same_type(const Tensor *a, const Tensor *b) {
  if (a->rank != b->rank || a->dtype != b->dtype) return false;
  for (int d = 0; d < a->rank; d++)
    if (a->dims[d] != b->dims[d]) return false;
  return true;
}

/* Difference over tolerance: at most 1 is right. */
static double excess(double got, double wanted, double rtol, double atol) {
  if (got == wanted || (isnan(got) && isnan(wanted))) return 0;
  double difference = fabs(got - wanted), allowed = atol + rtol * fabs(wanted);
  if (isnan(difference) || isinf(difference)) return INFINITY;
  return allowed > 0 ? difference / allowed : INFINITY;
}

/* How wrong element i is, as in excess(); *a and *b get the numbers, if they are numbers. */
static double element_excess(const Tensor *got, const Tensor *wanted, int64_t i, double rtol,
                             double atol, double *a, double *b) {
  const DTypeInfo *info = dtype_info(wanted->dtype);
  *a = *b = 0;
  if (wanted->dtype == DT_STRING) {
    const char *left = ((const char *const *)got->data)[i],
               *right = ((const char *const *)wanted->data)[i];
    return left && right && strcmp(left, right) == 0 ? 0 : INFINITY;
  }
  if (info->kind == KIND_OTHER) /* stored in a byte or so, compared as it is */
    return memcmp((const char *)got->data + (size_t)i * info->bytes,
                  (const char *)wanted->data + (size_t)i * info->bytes, info->bytes) == 0
               ? 0
               : INFINITY;
  *a = tensor_real(got, i);
  *b = tensor_real(wanted, i);
  if (info->kind == KIND_FLOAT) return excess(*a, *b, rtol, atol);
  return tensor_int(got, i) == tensor_int(wanted, i) ? 0 : INFINITY;
}

Comparison compare_tensors(const Tensor *got, const Tensor *wanted, double rtol, double atol,
                           const bool *mask) {
  Comparison result = {.same_type = same_type(got, wanted)};
  double worst = 0;
  for (int64_t i = 0; result.same_type && i < wanted->count; i++) {
    if (mask && !mask[i]) continue;
    double a, b, e = element_excess(got, wanted, i, rtol, atol, &a, &b);
    if (fabs(a - b) > result.difference) result.difference = fabs(a - b);
    result.wrong += e > 1;
    if (e <= worst) continue;
    worst = e;
    result.worst = i;
    result.got = a;
    result.wanted = b;
  }
  return result;
}
