/* compare.c: comparison of tensors within tolerances. */
#include "cli/compare.h"

#include <math.h>

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

Comparison compare_tensors(const Tensor *got, const Tensor *wanted, double rtol, double atol,
                           const bool *mask) {
  Comparison result = {.same_type = same_type(got, wanted)};
  bool exact = !dtype_is_float(wanted->dtype);
  double worst = 0;
  for (int64_t i = 0; result.same_type && i < wanted->count; i++) {
    if (mask && !mask[i]) continue;
    double a = tensor_real(got, i), b = tensor_real(wanted, i), e;
    if (exact)
      e = tensor_int(got, i) == tensor_int(wanted, i) ? 0 : INFINITY;
    else
      e = excess(a, b, rtol, atol);
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
