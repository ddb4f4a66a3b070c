/* cost.h: what a step does, in floating-point operations and in bytes that it has to move at least.
 *
 * Counted is the arithmetic of the operator, not that of the algorithm: a convolution by Winograd's
 * method has the same flops as the direct one, so that times can be compared. */
#ifndef CTC_PASSES_COST_H
#define CTC_PASSES_COST_H

#include "ir/program.h"

typedef struct {
  Dim flops; /* a multiply-add counts 2; NULL: not known */
  Dim bytes; /* every tensor that is read or written, once */
} StepCost;

StepCost step_cost(DimPool *pool, const Step *step);

/* The rows of the table of kernels, for its test: `stem` of a kernel's name, and the sum of
 * products of its parameters. */
typedef struct {
  const char *stem;
  int factor;
  const char *sum;
} KernelCost;
extern const KernelCost kernel_costs[];
extern const int kernel_cost_count;

#endif
