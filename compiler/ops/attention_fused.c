/* attention_fused.c: the node that the pass fuse-attention makes of two products and a softmax. */
#include "ops/attention_fused.h"

#include "ops/op.h"
#include "options.h"

/* As in runtime/attention_fused.c. */
enum { ATTENTION_BLOCK = 32 };

/* Memory for each part: turned queries, scores, panels of V, two rows of numbers. */
static Dim scratch_count(Lower *l, const AttentionPlan *plan) {
  DimPool *p = l->c->dims;
  int64_t parts = l->c->options && l->c->options->threads > 1 ? l->c->options->threads : 1;
  Dim panels = dim_ceildiv(p, plan->v_size, dim_const(p, ATTENTION_BLOCK));
  Dim rows = dim_mul(p, plan->keys, dim_addi(p, panels, 1));
  rows = dim_addi(p, dim_add(p, rows, plan->size), 2);
  return dim_muli(p, rows, parts * ATTENTION_BLOCK);
}

void lower_fused_attention(Lower *l, const AttentionPlan *plan, Buffer *q, Buffer *k, Buffer *v,
                           Buffer *mask, Buffer *y) {
  DimPool *p = l->c->dims;
  int steps = plan->rank + 2;
  Dim block = dim_const(p, ATTENTION_BLOCK);
  Dim heads = dim_product(p, plan->stack, (size_t)plan->rank);
  /* On a GPU the scores stay in registers and shared memory. */
  bool device = target_of(l->c)->device && kernel_find_typed("attention_fused", DT_F32)->device;
  Buffer *scratch = device ? NULL : lower_scratch(l, DT_F32, scratch_count(l, plan), "scores");
  Step *step = lower_kernel(l, "attention_fused", DT_F32);
  arg_buffer_at(l, step, q, plan->q.offset);
  arg_buffer_at(l, step, k, plan->k.offset);
  arg_buffer_at(l, step, v, plan->v.offset);
  arg_buffer_at(l, step, mask, mask ? plan->mask.offset : NULL);
  arg_buffer_at(l, step, y, plan->y.offset);
  arg_buffer(l, step, scratch);
  arg_int(l, step, plan->rank);
  arg_dims(l, step, plan->stack, plan->rank);
  arg_dims(l, step, plan->q.step, steps);
  arg_dims(l, step, plan->k.step, steps);
  arg_dims(l, step, plan->v.step, steps);
  arg_dims(l, step, plan->mask.step, steps);
  arg_dims(l, step, plan->y.step, steps);
  arg_dim(l, step, plan->rows);
  arg_dim(l, step, plan->keys);
  arg_dim(l, step, plan->size);
  arg_dim(l, step, plan->v_size);
  arg_real(l, step, plan->scale);
  arg_int(l, step, plan->replaces);
  arg_int(l, step, plan->causal);
  arg_dim(l, step, plan->diagonal);
  arg_int(l, step, plan->safety);
  step_units(step, dim_mul(p, heads, dim_ceildiv(p, plan->rows, block)));
  step->why = "the matrix of scores is never made as a whole";
}

/* The pass has set the output's type. */
static bool infer_fused(Compilation *c, Node *node) {
  (void)c;
  return node->plan != NULL;
}

static bool lower_fused(Lower *l, const Node *node) {
  Buffer *buffers[4] = {NULL};
  for (int i = 0; i < 4; i++)
    if (node_in(node, i)) buffers[i] = lower_buffer(l, node_in(node, i));
  lower_fused_attention(l, node->plan, buffers[0], buffers[1], buffers[2], buffers[3],
                        lower_buffer(l, node_out(node, 0)));
  return true;
}

/* Made by the pass fuse-attention only. Inputs: what Q, K, V and the mask lie in. */
DEFINE_OP(FusedAttention) = {
    .domain = INTERNAL_DOMAIN, .name = "Attention", .infer = infer_fused, .lower = lower_fused};
