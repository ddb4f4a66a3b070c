/* normalization.h: what passes need to know of operators that normalise rows. */
#ifndef CTC_OPS_NORMALIZATION_H
#define CTC_OPS_NORMALIZATION_H

#include "ir/graph.h"

/* Whether `value` holds one number for each element of a row of x (the axes from `axis` on), in
 * order. */
bool fits_row(const Value *value, const Value *x, int axis);

#endif
