/* compose_heads.c: axes and heads of attentions that are composed. */
#include "ops/compose_heads.h"

Value *compose_length(Composer *k, Value *x, int64_t axis) {
  return compose_squeeze(k, compose_size(k, x, axis), 0);
}

Value *compose_range(Composer *k, Value *n) {
  return compose_op(k, "Range", IN(compose_number(k, DT_I64, 0), n, compose_number(k, DT_I64, 1)),
                    NO_ATTRS);
}

Value *compose_ones(Composer *k, Value *x, int64_t first, int64_t last) {
  int64_t axes[4];
  int count = 0;
  for (int64_t axis = first; axis <= last; axis++) axes[count++] = axis;
  return compose_op(k, "Unsqueeze", IN(x, compose_ints(k, axes, count)), NO_ATTRS);
}

/* [B, L, heads * D] as [B, heads, L, D] */
Value *compose_heads(Composer *k, Value *x, int64_t heads) {
  if (x->rank != 3) return x;
  Value *split = compose_reshape(k, x, (int64_t[]){0, 0, heads, -1}, 4);
  return compose_transpose(k, split, (int64_t[]){0, 2, 1, 3}, 4);
}

/* [B, heads, L, D] as [B, L, heads * D] */
Value *compose_rows(Composer *k, Value *x) {
  Value *turned = compose_transpose(k, x, (int64_t[]){0, 2, 1, 3}, 4);
  return compose_reshape(k, turned, (int64_t[]){0, 0, -1}, 3);
}

Value *compose_repeated_heads(Composer *k, Value *x, int64_t heads, int64_t times) {
  if (times == 1) return x;
  const int64_t spread[] = {1, 1, times, 1, 1},
                shape[] = {0, heads * times, -1, dim_value(x->shape[3])};
  Value *wide = compose_unsqueeze(k, x, 2);
  wide = compose_op(k, "Expand", IN(wide, compose_ints(k, spread, 5)), NO_ATTRS);
  return compose_reshape(k, wide, shape, 4);
}
