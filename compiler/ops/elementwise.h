/* elementwise.h: what operators made of scalar functions share. */
#ifndef CTC_OPS_ELEMENTWISE_H
#define CTC_OPS_ELEMENTWISE_H

#include "ir/graph.h"

/* The dtype in which the scalar function `stem` is computed on elements of `dtype`: that one
 * itself, or f32 for f16, bf16 and those of a byte and less, or 64-bit integers or f64 for
 * integers; DT_NONE if it is not defined for them. */
DType elementwise_dtype(const char *stem, DType dtype);
/* The node's inputs in operands[input_count], their shapes made ready for numpy broadcasting:
 * before opset 7 the second one may stand at an axis of the first one. Reports and returns false if
 * it does not fit there. */
MUST_CHECK bool elementwise_operands(Compilation *c, const Node *node, Value **operands);

#endif
