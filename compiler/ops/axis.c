/* axis.c: see axis.h. */
#include "ops/axis.h"

AxisView axis_view(Compilation *c, int rank, const Dim *shape, int begin, int end) {
  return (AxisView){.outer = dim_product(c->dims, shape, (size_t)begin),
                    .n = dim_product(c->dims, shape + begin, (size_t)(end - begin)),
                    .inner = dim_product(c->dims, shape + end, (size_t)(rank - end))};
}

void arg_axis_view(Lower *l, Step *step, AxisView view) {
  arg_dim(l, step, view.outer);
  arg_dim(l, step, view.n);
  arg_dim(l, step, view.inner);
}

Dim axis_units(Compilation *c, AxisView view) {
  enum { TILE = 64 }; /* CTC_FOLD_TILE of runtime/reduce.c */
  return dim_mul(c->dims, view.outer, dim_ceildiv(c->dims, view.inner, dim_const(c->dims, TILE)));
}
