/* axis.h: what operators that work along axes share (reductions, softmax, sorting). */
#ifndef CTC_OPS_AXIS_H
#define CTC_OPS_AXIS_H

#include "ops/lower.h"

/* A shape seen from one axis, or from one run of axes: [outer, n, inner]. */
typedef struct {
  Dim outer, n, inner;
} AxisView;

/* `shape` with the axes [begin, end) in the middle. */
AxisView axis_view(Compilation *c, int rank, const Dim *shape, int begin, int end);
/* The arguments outer, n, inner of a kernel. */
void arg_axis_view(Lower *l, Step *step, AxisView view);
/* Units of work of kernels that take a row at a time (inner = 1) or up to 64 columns: outer *
 * ceil(inner / 64). */
Dim axis_units(Compilation *c, AxisView view);

#endif
