/* attention.c: Attention (opset 23 and later): multi-head, grouped and cross attention, with masks
 * and key-value caches.
 *
 * Q, K and V are [batch, heads, length, size] or [batch, length, heads * size]; the kernel reads
 * both by strides. With past keys and values the whole cache (present_key, present_value) is put
 * together first. What the fused kernel can do is its work; the plain one knows every option.
 * 16-bit floats that are to be rounded at each step are another graph (attention_narrow.h). */
#include "ops/attention_fused.h"
#include "ops/attention_narrow.h"
#include "ops/matmul.h"

#include <math.h>
#include <string.h>

typedef struct {
  bool flat;                          /* rank 3 */
  Dim batch, rows, fresh, past, keys; /* queries; keys of K, before it, and both */
  Dim heads, kv_heads, size, v_size;
} Shapes;

static bool read_heads(Compilation *c, const Node *node, Shapes *s) {
  const Value *q = node_in(node, IN_Q), *k = node_in(node, IN_K), *v = node_in(node, IN_V);
  DimPool *p = c->dims;
  if (!s->flat) {
    s->heads = q->shape[1];
    s->kv_heads = k->shape[1];
    s->size = dim_known(q->shape[3], k->shape[3]);
    s->v_size = v->shape[3];
    return true;
  }
  int64_t heads = node_int(node, "q_num_heads", 0), kv_heads = node_int(node, "kv_num_heads", 0);
  if (heads < 1 || kv_heads < 1)
    return node_error(c, node, "inputs with three dims need q_num_heads and kv_num_heads");
  s->heads = dim_const(p, heads);
  s->kv_heads = dim_const(p, kv_heads);
  s->size =
      dim_known(dim_floordiv(p, q->shape[2], s->heads), dim_floordiv(p, k->shape[2], s->kv_heads));
  s->v_size = dim_floordiv(p, v->shape[2], s->kv_heads);
  return true;
}

static bool read_shapes(Compilation *c, const Node *node, Shapes *s) {
  const Value *q = node_in(node, IN_Q), *k = node_in(node, IN_K), *v = node_in(node, IN_V);
  const Value *past = node_in(node, IN_PAST_KEY);
  if (q->rank != k->rank || q->rank != v->rank || (q->rank != 3 && q->rank != 4))
    return node_error(c, node, "Q, K and V must have three or four dims, all the same");
  if ((past != NULL) != (node_in(node, IN_PAST_VALUE) != NULL) || (past && past->rank != 4))
    return node_error(c, node, "past_key and past_value must be given together, with four dims");
  s->flat = q->rank == 3;
  s->batch = q->shape[0];
  s->rows = q->shape[s->flat ? 1 : 2];
  s->fresh = k->shape[s->flat ? 1 : 2];
  s->past = past ? past->shape[2] : dim_const(c->dims, 0);
  s->keys = dim_add(c->dims, s->past, s->fresh);
  return read_heads(c, node, s);
}

static bool infer_attention(Compilation *c, Node *node) {
  Shapes s;
  const Value *q = node_in(node, IN_Q), *v = node_in(node, IN_V), *mask = node_in(node, IN_MASK);
  if (!read_shapes(c, node, &s)) return false;
  if (mask && (mask->rank < 1 || mask->rank > 4))
    return node_error(c, node, "attn_mask must have one to four dims");
  Dim y[] = {s.batch, s.heads, s.rows, s.v_size};
  Dim flat[] = {s.batch, s.rows, dim_mul(c->dims, s.heads, s.v_size)};
  Dim key[] = {s.batch, s.kv_heads, s.keys, s.size},
      value[] = {s.batch, s.kv_heads, s.keys, s.v_size};
  Dim scores[] = {s.batch, s.heads, s.rows, s.keys};
  value_set_type(c, node_out(node, OUT_Y), q->dtype, s.flat ? 3 : 4, s.flat ? flat : y);
  if (node_out(node, OUT_PRESENT_KEY))
    value_set_type(c, node_out(node, OUT_PRESENT_KEY), q->dtype, 4, key);
  if (node_out(node, OUT_PRESENT_VALUE))
    value_set_type(c, node_out(node, OUT_PRESENT_VALUE), v->dtype, 4, value);
  if (node_out(node, OUT_SCORES))
    value_set_type(c, node_out(node, OUT_SCORES), q->dtype, 4, scores);
  return true;
}

/* --- lowering --- */

/* Strides over batch, head and row of a tensor with `heads` heads of `rows` rows of `size` numbers.
 */
static void head_steps(Compilation *c, bool flat, Dim heads, Dim rows, Dim size, Dim *steps) {
  DimPool *p = c->dims;
  steps[0] = dim_mul(p, heads, dim_mul(p, rows, size));
  steps[1] = flat ? size : dim_mul(p, rows, size);
  steps[2] = flat ? dim_mul(p, heads, size) : size;
}

/* Copies `rows` rows of each head of `value` to row `first` and following of a cache [batch, heads,
 * all, size]. */
static void copy_to_cache(Lower *l, const Shapes *s, const Value *value, bool flat, Dim rows,
                          Dim size, Dim first, Buffer *cache) {
  DimPool *p = l->c->dims;
  Dim one = dim_const(p, 1), extent[] = {s->batch, s->kv_heads, rows, size};
  Dim read[4] = {0}, write[4] = {0};
  head_steps(l->c, flat, s->kv_heads, rows, size, read);
  head_steps(l->c, false, s->kv_heads, s->keys, size, write);
  read[3] = write[3] = one;
  LoopNest *nest = lower_nest(l, 4, extent);
  Operand element = nest_load_at(l, nest, lower_buffer(l, value), NULL, read);
  nest_store_at(l, nest, cache, dim_mul(p, first, size), write, element);
}

/* K or V: the input itself, or the cache that is put together from it. */
typedef struct {
  Buffer *buffer;
  Dim steps[3];
} Source;

static Source take_source(Lower *l, const Node *node, const Shapes *s, int input, int past_input,
                          int output, Dim size, DType dtype) {
  const Value *fresh = node_in(node, input), *past = node_in(node, past_input);
  const Value *present = node_out(node, output);
  Source source;
  bool flat = s->flat && !past && !present;
  head_steps(l->c, flat, s->kv_heads, s->keys, size, source.steps);
  if (!past && !present) {
    source.buffer = compute_input(l, fresh, dtype);
    return source;
  }
  Dim count = dim_product(l->c->dims, (Dim[]){s->batch, s->kv_heads, s->keys, size}, 4);
  source.buffer =
      present ? compute_output(l, present, dtype) : lower_scratch(l, dtype, count, "cache");
  if (past)
    copy_to_cache(l, s, past, false, s->past, size, dim_const(l->c->dims, 0), source.buffer);
  copy_to_cache(l, s, fresh, s->flat, s->fresh, size, s->past, source.buffer);
  if (present) compute_done(l, present, source.buffer);
  return source;
}

/* Strides of the mask over batch, head, row and key. */
static void mask_steps(Lower *l, const Value *mask, Dim *steps) {
  Dim dense[MAX_RANK], zero = dim_const(l->c->dims, 0), one = dim_const(l->c->dims, 1);
  for (int d = 0; d < 4; d++) steps[d] = zero;
  if (!mask) return;
  nest_strides(l->c, mask->rank, mask->shape, dense);
  for (int d = 0; d < mask->rank; d++) {
    Dim single = dim_equal(l->c->dims, mask->shape[d], one);
    steps[4 - mask->rank + d] = dim_select(l->c->dims, single, zero, dense[d]);
  }
}

/* The buffers of a call. */
typedef struct {
  DType dtype;
  Buffer *q, *mask, *allowed, *lengths, *y, *scores, *line;
  Source k, v;
} Buffers;

static void arg_buffers(Lower *l, Step *step, const Buffers *b) {
  arg_buffer(l, step, b->q);
  arg_buffer(l, step, b->k.buffer);
  arg_buffer(l, step, b->v.buffer);
  arg_buffer(l, step, b->mask);
  arg_buffer(l, step, b->allowed);
  arg_buffer(l, step, b->lengths);
  arg_buffer(l, step, b->y);
  arg_buffer(l, step, b->scores);
  arg_buffer(l, step, b->line);
}

static void arg_shapes(Lower *l, Step *step, const Node *node, const Shapes *s, const Buffers *b) {
  const Value *mask = node_in(node, IN_MASK);
  Dim q_step[3], y_step[3], mask_step[4];
  head_steps(l->c, s->flat, s->heads, s->rows, s->size, q_step);
  head_steps(l->c, s->flat, s->heads, s->rows, s->v_size, y_step);
  mask_steps(l, mask, mask_step);
  arg_dim(l, step, s->batch);
  arg_dim(l, step, s->heads);
  arg_dim(l, step, s->kv_heads);
  arg_dim(l, step, s->rows);
  arg_dim(l, step, s->keys);
  arg_dim(l, step, s->size);
  arg_dim(l, step, s->v_size);
  arg_dims(l, step, q_step, 3);
  arg_dims(l, step, b->k.steps, 3);
  arg_dims(l, step, b->v.steps, 3);
  arg_dims(l, step, y_step, 3);
  arg_dims(l, step, mask_step, 4);
  arg_dim(l, step, mask ? mask->shape[mask->rank - 1] : s->keys);
}

/* 1 / sqrt(size) unless the node gives it. */
static bool read_scale(Lower *l, const Node *node, const Shapes *s, double *scale) {
  const Attr *attr = node_attr(node, "scale");
  if (attr) return *scale = attr->f, true;
  if (!dim_is_const(s->size))
    return node_error(l->c, node,
                      "the size of the heads must be known when compiling, or scale be given");
  *scale = 1.0 / sqrt((double)dim_value(s->size));
  return true;
}

/* --- by the fused kernel --- */

/* A mask must cover all keys: the fused kernel does not bar those beyond its end. */
static bool can_fuse(const Node *node, const Shapes *s, DType dtype) {
  const Value *mask = node_in(node, IN_MASK);
  if (mask && mask->shape[mask->rank - 1] != s->keys) return false;
  return dtype == DT_F32 && !node_in(node, IN_LENGTHS) && !node_out(node, OUT_SCORES) &&
         node_float(node, "softcap", 0.0f) <= 0 && node_int(node, "left_window_size", -1) < 0 &&
         node_int(node, "right_window_size", -1) < 0;
}

/* Numbers to add for truth values: 0 where a query may see the key. */
static Buffer *numbers_of_allowed(Lower *l, const Value *mask) {
  Dim stride[MAX_RANK];
  Buffer *numbers = lower_scratch(l, DT_F32, value_count(l->c, mask), "mask");
  nest_strides(l->c, mask->rank, mask->shape, stride);
  LoopNest *nest = lower_nest(l, mask->rank, mask->shape);
  Operand args[3] = {nest_load_at(l, nest, lower_buffer(l, mask), NULL, stride),
                     operand_real(DT_F32, 0), operand_real(DT_F32, -INFINITY)};
  nest_store_at(l, nest, numbers, NULL, stride, nest_apply(l, nest, "where", DT_F32, args, 3));
  return numbers;
}

/* Steps over [batch, kv head, query head of it, row, column] from those over batch, head, row and
 * column; `heads` of the tensor belong to one kv head (0: it has kv heads only). */
static AttentionPlace group_place(Compilation *c, const Dim *steps, Dim column, Dim heads) {
  DimPool *p = c->dims;
  bool shared = dim_is(heads, 0);
  AttentionPlace place = {.offset = dim_const(p, 0)};
  place.step[0] = steps[0];
  place.step[1] = shared ? steps[1] : dim_mul(p, steps[1], heads);
  place.step[2] = shared ? dim_const(p, 0) : steps[1];
  place.step[3] = steps[2];
  place.step[4] = column;
  return place;
}

static void lower_by_fused(Lower *l, const Node *node, const Shapes *s, const Buffers *b,
                           double scale) {
  Compilation *c = l->c;
  Dim q_step[3], y_step[3], mask_step[4], zero = dim_const(c->dims, 0), one = dim_const(c->dims, 1);
  Dim group = dim_floordiv(c->dims, s->heads, s->kv_heads);
  AttentionPlan plan = {.rank = 3,
                        .stack = {s->batch, s->kv_heads, group},
                        .rows = s->rows,
                        .keys = s->keys,
                        .size = s->size,
                        .v_size = s->v_size,
                        .scale = scale,
                        .causal = node_int(node, "is_causal", 0) != 0,
                        .diagonal = s->past,
                        .safety = BARRED_ZERO};
  head_steps(c, s->flat, s->heads, s->rows, s->size, q_step);
  head_steps(c, s->flat, s->heads, s->rows, s->v_size, y_step);
  mask_steps(l, node_in(node, IN_MASK), mask_step);
  plan.q = group_place(c, q_step, one, group);
  plan.k = group_place(c, b->k.steps, one, zero);
  plan.v = group_place(c, b->v.steps, one, zero);
  plan.y = group_place(c, y_step, one, group);
  plan.mask = group_place(c, mask_step, mask_step[3], group);
  Buffer *mask = b->allowed ? numbers_of_allowed(l, node_in(node, IN_MASK)) : b->mask;
  lower_fused_attention(l, &plan, b->q, b->k.buffer, b->v.buffer, mask, b->y);
}

static bool lower_attention(Lower *l, const Node *node) {
  Shapes s;
  double scale = 1;
  if (!read_shapes(l->c, node, &s) || !read_scale(l, node, &s, &scale)) return false;
  const Value *mask = node_in(node, IN_MASK), *lengths = node_in(node, IN_LENGTHS);
  const Value *out = node_out(node, OUT_Y), *scores = node_out(node, OUT_SCORES);
  Buffers b = {.dtype = compute_dtype(out->dtype)};
  b.q = compute_input(l, node_in(node, IN_Q), b.dtype);
  b.k = take_source(l, node, &s, IN_K, IN_PAST_KEY, OUT_PRESENT_KEY, s.size, b.dtype);
  b.v = take_source(l, node, &s, IN_V, IN_PAST_VALUE, OUT_PRESENT_VALUE, s.v_size, b.dtype);
  if (mask && mask->dtype == DT_BOOL)
    b.allowed = lower_buffer(l, mask);
  else if (mask)
    b.mask = compute_input(l, mask, b.dtype);
  if (lengths) b.lengths = lower_buffer(l, lengths);
  b.y = compute_output(l, out, b.dtype);
  if (can_fuse(node, &s, b.dtype)) {
    lower_by_fused(l, node, &s, &b, scale);
    compute_done(l, out, b.y);
    return true;
  }
  if (scores) b.scores = compute_output(l, scores, b.dtype);
  b.line = lower_scratch(l, b.dtype, s.keys, "scores of a row");
  Step *step = lower_kernel(l, "attention", b.dtype);
  arg_buffers(l, step, &b);
  arg_shapes(l, step, node, &s, &b);
  arg_real(l, step, scale);
  arg_real(l, step, node_float(node, "softcap", 0.0f));
  arg_int(l, step, node_int(node, "qk_matmul_output_mode", 0));
  arg_int(l, step, node_int(node, "is_causal", 0));
  arg_dim(l, step, s.past);
  arg_int(l, step, node_int(node, "left_window_size", -1));
  arg_int(l, step, node_int(node, "right_window_size", -1));
  compute_done(l, out, b.y);
  if (scores) compute_done(l, scores, b.scores);
  return true;
}

DEFINE_OP(Attention) = {
    .name = "Attention",
    .flags = OP_PRODUCT,
    .infer = infer_attention,
    .lower = lower_attention,
    .select = select_narrow_attention,
    .compose = compose_narrow_attention,
};
