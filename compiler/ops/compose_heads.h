/* compose_heads.h: short forms of nodes around an attention that is composed. */
#ifndef CTC_OPS_COMPOSE_HEADS_H
#define CTC_OPS_COMPOSE_HEADS_H

#include "ops/compose.h"

/* The size of an axis as a number of its own. */
Value *compose_length(Composer *k, Value *x, int64_t axis);
/* 0, 1, …, n - 1 */
Value *compose_range(Composer *k, Value *n);
/* x with axes of size 1 from axis `first` to `last`. */
Value *compose_ones(Composer *k, Value *x, int64_t first, int64_t last);
/* [B, L, heads * D] as [B, heads, L, D]; others stay. */
Value *compose_heads(Composer *k, Value *x, int64_t heads);
/* [B, heads, L, D] as [B, L, heads * D] */
Value *compose_rows(Composer *k, Value *x);
/* [B, heads, L, D] with each head `times` times; D must be known. */
Value *compose_repeated_heads(Composer *k, Value *x, int64_t heads, int64_t times);

#endif
