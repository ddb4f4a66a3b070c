/* attention_fused.h: softmax(scale * Q K^T + mask) V as one kernel (runtime/attention_fused.c) that
 * reads and writes its tensors by strides. */
#ifndef CTC_OPS_ATTENTION_FUSED_H
#define CTC_OPS_ATTENTION_FUSED_H

#include "ops/lower.h"

/* A query whose scores are all -infinity: weights NaN as Softmax has them; zeros instead of NaN
 * weights; zeros, but NaN scores stay. The numbers are those of the kernel. */
typedef enum { BARRED_NAN, NAN_ZERO, BARRED_ZERO } AttentionSafety;

enum { MAX_STACK = 6 };

/* Where a tensor lies: its first element and the steps along each dim of the stack, then from row
 * to row and from column to column. */
typedef struct {
  Dim offset;
  Dim step[MAX_STACK + 2];
} AttentionPlace;

/* A stack of heads. Rows and columns: queries and size (Q), keys and size (K), keys and v_size (V),
 * queries and keys (mask), queries and v_size (Y). */
typedef struct {
  int rank;
  Dim stack[MAX_STACK];
  Dim rows, keys, size, v_size;
  AttentionPlace q, k, v, mask, y;
  double scale;
  bool replaces; /* numbers of the mask below 0 take the place of scores, instead of being added */
  bool causal;   /* query i sees the keys up to i + diagonal */
  Dim diagonal;
  AttentionSafety safety;
} AttentionPlan;

/* `mask` may be NULL. */
void lower_fused_attention(Lower *l, const AttentionPlan *plan, Buffer *q, Buffer *k, Buffer *v,
                           Buffer *mask, Buffer *y);

#endif
