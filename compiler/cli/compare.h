/* compare.h: how far two tensors are apart. */
#ifndef CTC_CLI_COMPARE_H
#define CTC_CLI_COMPARE_H

#include "ir/tensor.h"

typedef struct {
  bool same_type;     /* dtype and shape; the rest means nothing without */
  int64_t wrong;      /* elements out of tolerance */
  int64_t worst;      /* index of the worst one, by difference over tolerance */
  double difference;  /* largest absolute difference */
  double got, wanted; /* at the worst index */
} Comparison;

/* Floats: right is |got - wanted| <= atol + rtol * |wanted|, and equal infinities, and two NaNs.
 * Other types must be equal. With a `mask` (one bool an element) only the marked elements count. */
Comparison compare_tensors(const Tensor *got, const Tensor *wanted, double rtol, double atol,
                           const bool *mask);

#endif
