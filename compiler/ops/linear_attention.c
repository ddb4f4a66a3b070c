/* linear_attention.c: LinearAttention: a state of fixed size takes the place of all keys and values
 * (linear attention, gated linear attention, delta rule, gated delta rule).
 *
 *   S = e^decay * S + k (beta * (v - S^T k))^T,  y = scale * S^T q
 *
 * where update_rule leaves out the decay, the correction by beta, or both. */
#include "ops/spatial.h"

#include <math.h>

enum { IN_Q, IN_K, IN_V, IN_PAST, IN_DECAY, IN_BETA, INPUTS };
enum { OUT_Y, OUT_STATE };

/* As in runtime/linear_attention.c. */
enum { STATE_COLUMNS = 16 };

typedef struct {
  Dim batch, length, size, v_size;
  int64_t heads, kv_heads, decay_size, beta_heads;
} Shapes;

static const char *const rules[] = {"linear", "gated", "delta", "gated_delta", NULL};
enum { RULE_GATED = 1, RULE_DELTA = 2 };

/* Which of decay and beta there must be. */
static bool check_rule(Compilation *c, const Node *node) {
  int rule;
  if (!read_name(c, node, "update_rule", "gated_delta", rules, &rule)) return false;
  bool gated = rule & RULE_GATED, delta = (rule & RULE_DELTA) != 0;
  if (gated != (node_in(node, IN_DECAY) != NULL))
    return node_error(c, node, "update_rule '%s' %s the input decay", rules[rule],
                      gated ? "needs" : "does not take");
  if (delta != (node_in(node, IN_BETA) != NULL))
    return node_error(c, node, "update_rule '%s' %s the input beta", rules[rule],
                      delta ? "needs" : "does not take");
  return true;
}

/* The size of one of `heads` heads in the last axis. */
static Dim head_size(Compilation *c, const Value *value, int64_t heads) {
  return dim_floordiv(c->dims, value->shape[2], dim_const(c->dims, heads));
}

/* Numbers a head (decay) or heads (beta) that the last axis of a value has: `more` or 1. */
static bool read_last(Compilation *c, const Node *node, int input, Dim one, Dim more,
                      int64_t *count, const char *what) {
  const Value *value = node_in(node, input);
  *count = 1;
  if (!value) return true;
  if (value->rank != 3) return node_error(c, node, "%s must have three dims", what);
  if (value->shape[2] == one) return true;
  Dim all = dim_mul(c->dims, one, more);
  if (!dim_is_const(more)) return node_error(c, node, "the size of the heads must be known");
  *count = dim_value(more);
  return infer_require_equal(c, node, value->shape[2], all, what);
}

static bool read_shapes(Compilation *c, const Node *node, Shapes *s) {
  const Value *q = node_in(node, IN_Q), *k = node_in(node, IN_K), *v = node_in(node, IN_V);
  if (q->rank != 3 || k->rank != 3 || v->rank != 3)
    return node_error(c, node, "query, key and value must have three dims");
  s->heads = node_int(node, "q_num_heads", 0);
  s->kv_heads = node_int(node, "kv_num_heads", 0);
  if (s->heads < 1 || s->kv_heads < 1 || s->heads % s->kv_heads)
    return node_error(c, node, "q_num_heads must be a multiple of kv_num_heads");
  s->batch = q->shape[0];
  s->length = q->shape[1];
  s->size = head_size(c, q, s->heads);
  s->v_size = head_size(c, v, s->kv_heads);
  Dim one = dim_const(c->dims, 1), kv_heads = dim_const(c->dims, s->kv_heads);
  return read_last(c, node, IN_DECAY, kv_heads, s->size, &s->decay_size, "sizes of decay") &&
         read_last(c, node, IN_BETA, one, kv_heads, &s->beta_heads, "heads of beta");
}

static bool check_shapes(Compilation *c, const Node *node, const Shapes *s) {
  const Value *past = node_in(node, IN_PAST);
  Dim state[] = {s->batch, dim_const(c->dims, s->kv_heads), s->size, s->v_size};
  for (int i = IN_K; i < INPUTS; i++) {
    const Value *value = node_in(node, i);
    if (!value || i == IN_PAST) continue;
    if (!infer_require_equal(c, node, value->shape[0], s->batch, "batch sizes") ||
        !infer_require_equal(c, node, value->shape[1], s->length, "lengths"))
      return false;
  }
  if (past && past->rank != 4) return node_error(c, node, "past_state must have four dims");
  for (int d = 0; past && d < 4; d++)
    if (!infer_require_equal(c, node, past->shape[d], state[d], "sizes of past_state"))
      return false;
  return infer_require_equal(c, node, head_size(c, node_in(node, IN_K), s->kv_heads), s->size,
                             "sizes of the heads of query and key");
}

static bool infer_linear_attention(Compilation *c, Node *node) {
  const Value *q = node_in(node, IN_Q), *past = node_in(node, IN_PAST);
  Shapes s;
  if (!check_rule(c, node) || !read_shapes(c, node, &s) || !check_shapes(c, node, &s)) return false;
  if (node_int(node, "state_window", 0))
    return node_error(c, node, "a state_window is not supported");
  Dim y[] = {s.batch, s.length, dim_muli(c->dims, s.v_size, s.heads)};
  Dim state[] = {s.batch, dim_const(c->dims, s.kv_heads), s.size, s.v_size};
  if (node_out(node, OUT_Y)) value_set_type(c, node_out(node, OUT_Y), q->dtype, 3, y);
  if (node_out(node, OUT_STATE))
    value_set_type(c, node_out(node, OUT_STATE), past ? past->dtype : q->dtype, 4, state);
  return true;
}

/* 1 / sqrt(size) unless the node gives another one. */
static bool read_scale(Lower *l, const Node *node, const Shapes *s, double *scale) {
  *scale = (double)node_float(node, "scale", 0);
  if (*scale != 0) return true;
  if (!dim_is_const(s->size))
    return node_error(l->c, node,
                      "the size of the heads must be known when compiling, or scale be given");
  *scale = 1 / sqrt((double)dim_value(s->size));
  return true;
}

/* e^decay; NULL: there is none. */
static Buffer *lower_decay(Lower *l, const Value *decay) {
  if (!decay) return NULL;
  Dim count = value_count(l->c, decay), one = dim_const(l->c->dims, 1);
  Buffer *factors = lower_scratch(l, DT_F32, count, "decay");
  LoopNest *nest = lower_nest(l, 1, &count);
  Operand value = nest_load_at(l, nest, lower_buffer(l, decay), NULL, &one);
  nest_store_at(l, nest, factors, NULL, &one, nest_apply(l, nest, "exp", DT_F32, &value, 1));
  return factors;
}

static Buffer *output_or_scratch(Lower *l, const Value *value, Dim count) {
  return value ? compute_output(l, value, DT_F32) : lower_scratch(l, DT_F32, count, "state");
}

static void arg_shapes(Lower *l, Step *step, const Shapes *s) {
  arg_int(l, step, s->heads);
  arg_int(l, step, s->kv_heads);
  arg_dim(l, step, s->length);
  arg_dim(l, step, s->size);
  arg_dim(l, step, s->v_size);
  arg_int(l, step, s->decay_size);
  arg_int(l, step, s->beta_heads);
}

static bool lower_linear_attention(Lower *l, const Node *node) {
  DimPool *p = l->c->dims;
  Shapes s;
  double scale = 1;
  Buffer *in[INPUTS];
  if (!read_shapes(l->c, node, &s) || !read_scale(l, node, &s, &scale)) return false;
  Dim units = dim_muli(p, s.batch, s.kv_heads), numbers = dim_mul(p, s.size, s.v_size);
  for (int i = 0; i < INPUTS; i++)
    in[i] = i == IN_DECAY ? lower_decay(l, node_in(node, i))
                          : compute_input(l, node_in(node, i), DT_F32);
  Dim results = dim_muli(p, dim_mul(p, dim_mul(p, s.batch, s.length), s.v_size), s.heads);
  Buffer *y = output_or_scratch(l, node_out(node, OUT_Y), results);
  Buffer *state = output_or_scratch(l, node_out(node, OUT_STATE), dim_mul(p, units, numbers));
  Step *step = lower_kernel(l, "linear_attention", DT_F32);
  for (int i = 0; i < INPUTS; i++) arg_buffer(l, step, in[i]);
  arg_buffer(l, step, y);
  arg_buffer(l, step, state);
  arg_shapes(l, step, &s);
  arg_real(l, step, scale);
  step_units(step, dim_mul(p, units, dim_ceildiv(p, s.v_size, dim_const(p, STATE_COLUMNS))));
  compute_done(l, node_out(node, OUT_Y), y);
  compute_done(l, node_out(node, OUT_STATE), state);
  return true;
}

DEFINE_OP(LinearAttention) = {
    .name = "LinearAttention", .infer = infer_linear_attention, .lower = lower_linear_attention};
DEFINE_OP(MicrosoftLinearAttention) = {.domain = MICROSOFT,
                                       .name = "LinearAttention",
                                       .infer = infer_linear_attention,
                                       .lower = lower_linear_attention};
