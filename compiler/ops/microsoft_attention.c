/* microsoft_attention.c: Attention, MultiHeadAttention, GroupQueryAttention and QAttention of
 * onnxruntime, as what stands around ai.onnx's Attention: projections, biases, packed inputs, the
 * forms of masks, caches.
 *
 * Masks of keys are numbers added to the scores, as onnxruntime has them: 0 or mask_filter_value.
 */
#include "ops/compose_heads.h"

#include <math.h>

/* What ai.onnx's Attention is given. */
typedef struct {
  Value *q, *k, *v; /* three dims all, or four all */
  Value *mask;      /* added to the scores, or bool; may be NULL */
  Value *past_key, *past_value;
  int64_t heads, kv_heads;
  bool causal;
} Attention;

enum { OUT_Y, OUT_PRESENT_KEY, OUT_PRESENT_VALUE, OUTPUTS };

/* Y, and if asked for the keys and values with those of the past. */
static Value **attend(Composer *k, const Attention *a, bool presents) {
  Attr attrs[6];
  int count = 0;
  double scale = (double)node_float(k->node, "scale", 0);
  attrs[count++] = attr_int("is_causal", a->causal);
  attrs[count++] = attr_float("softcap", (double)node_float(k->node, "softcap", 0));
  attrs[count++] = attr_int("softmax_precision", dtype_info(compute_dtype(a->q->dtype))->onnx_code);
  if (scale != 0) attrs[count++] = attr_float("scale", scale);
  if (a->q->rank == 3) {
    attrs[count++] = attr_int("q_num_heads", a->heads);
    attrs[count++] = attr_int("kv_num_heads", a->kv_heads);
  }
  return compose_node(k, "", "Attention", IN(a->q, a->k, a->v, a->mask, a->past_key, a->past_value),
                      (Attrs){attrs, count}, presents ? OUTPUTS : 1);
}

/* --- shapes --- */

/* Part `index` of axis `axis`, which is gone then. */
static Value *element_of(Composer *k, Value *x, int64_t axis, int64_t index) {
  return compose_op(k, "Gather", IN(x, compose_number(k, DT_I64, (double)index)),
                    WITH(attr_int("axis", axis)));
}

/* Keys together with those of the past. */
static Value *all_keys(Composer *k, const Attention *a) {
  Value *fresh = compose_length(k, a->k, a->k->rank == 3 ? 1 : 2);
  return a->past_key ? compose_binary(k, "Add", fresh, compose_length(k, a->past_key, 2)) : fresh;
}

/* --- masks --- */

/* 1 where key j < limits[b], for [B, 1, 1, keys]; limits is [B] of int32. */
static Value *keys_before(Composer *k, Value *keys, Value *limits) {
  Value *limit = compose_ones(k, compose_cast(k, limits, DT_I64), 1, 3);
  return compose_binary(k, "Less", compose_range(k, keys), limit);
}

/* A mask of one dim holds where the keys of each batch item end, and then where they begin. */
static Value *mask_of_limits(Composer *k, const Node *node, const Attention *a, Value *mask) {
  Dim batch = a->q->shape[0], twice = dim_muli(k->c->dims, batch, 2);
  Value *keys = all_keys(k, a);
  if (mask->shape[0] != twice) {
    if (!infer_require_equal(k->c, node, mask->shape[0], batch,
                             "numbers of a mask with one dim and batch items"))
      k->failed = true;
    return keys_before(k, keys, mask);
  }
  Value *both = compose_reshape(k, mask, (int64_t[]){2, -1}, 2);
  Value *ends = keys_before(k, keys, element_of(k, both, 0, 0));
  Value *hidden = keys_before(k, keys, element_of(k, both, 0, 1));
  return compose_binary(k, "And", ends, compose_op(k, "Not", IN(hidden), NO_ATTRS));
}

/* Of a mask [B, 1, most, most] the rows of the queries and the columns of the keys. */
static Value *mask_of_window(Composer *k, const Attention *a, Value *mask) {
  Value *zero = compose_ints(k, (int64_t[]){0}, 1), *axes[2];
  Value *past = a->past_key ? compose_size(k, a->past_key, 2) : zero;
  Value *rows = compose_binary(k, "Add", past, compose_size(k, a->q, 1));
  Value *keys = compose_unsqueeze(k, all_keys(k, a), 0);
  for (int i = 0; i < 2; i++) axes[i] = compose_ints(k, (int64_t[]){2 + i}, 1);
  mask = compose_op(k, "Slice", IN(mask, past, rows, axes[0]), NO_ATTRS);
  return compose_op(k, "Slice", IN(mask, zero, keys, axes[1]), NO_ATTRS);
}

/* Numbers to add to the scores for a mask in one of its forms. */
static Value *mask_numbers(Composer *k, const Node *node, const Attention *a, Value *mask) {
  DType dtype = a->q->dtype;
  double filter = (double)node_float(node, "mask_filter_value", -10000.0f);
  Value *seen = mask;
  if (mask->rank == 1) seen = mask_of_limits(k, node, a, mask);
  if (mask->rank == 2) seen = compose_ones(k, mask, 1, 2);
  if (mask->rank == 3) seen = compose_ones(k, mask, 1, 1);
  if (mask->rank == 4) seen = mask_of_window(k, a, mask);
  return compose_op(k, "Where",
                    IN(compose_cast(k, seen, DT_BOOL), compose_number(k, dtype, 0),
                       compose_number(k, dtype, filter)),
                    NO_ATTRS);
}

/* mask + bias, either of which may be missing */
static Value *joined_masks(Composer *k, const Node *node, const Attention *a, Value *mask,
                           Value *bias) {
  Value *numbers = mask ? mask_numbers(k, node, a, mask) : NULL;
  return numbers && bias ? compose_binary(k, "Add", numbers, bias) : numbers ? numbers : bias;
}

/* --- Attention, QAttention: one product makes Q, K and V of the input --- */

/* Widths of Q, K and V in the rows of the product. */
static bool read_widths(Compilation *c, const Node *node, const Value *rows, int64_t *widths) {
  size_t count;
  const int64_t *given = node_ints(node, "qkv_hidden_sizes", &count);
  Dim all = rows->shape[rows->rank - 1];
  if (!dim_is_const(all)) return node_error(c, node, "the width of the weights must be known");
  int64_t left = dim_value(all);
  for (int i = 0; i < 3; i++) {
    widths[i] = count == 3 ? given[i] : dim_value(all) / 3;
    if (widths[i] < 0 || widths[i] > left) left = -1;
    left -= left < 0 ? 0 : widths[i];
  }
  return left == 0 ||
         node_error(c, node, "qkv_hidden_sizes do not add up to the width of the weights");
}

static bool refuse(Compilation *c, const Node *node, const char *attr) {
  return !node_int(node, attr, 0) || node_error(c, node, "%s=1 is not supported", attr);
}

/* Inputs of the two operators; past is [2, B, heads, P, D]. */
typedef struct {
  int mask, past, bias;
} ProjectedInputs;

/* present is [2, B, heads, P + L, D] */
static Value *stacked(Composer *k, Value *keys, Value *values) {
  return compose_op(k, "Concat", IN(compose_unsqueeze(k, keys, 0), compose_unsqueeze(k, values, 0)),
                    WITH(attr_int("axis", 0)));
}

/* Attention on `rows` [B, L, widths of Q, K and V]. */
static bool attend_projected(Composer *k, const Node *node, Value *rows, const Value *weights,
                             ProjectedInputs in, Value **out) {
  int64_t widths[3], at = 0;
  Value *parts[3], *past = node_in(node, in.past), *mask = node_in(node, in.mask);
  if (!refuse(k->c, node, "do_rotary") || !refuse(k->c, node, "past_present_share_buffer") ||
      !read_widths(k->c, node, weights, widths))
    return false;
  for (int i = 0; i < 3; i++, at += widths[i - 1])
    parts[i] = compose_slice(k, rows, 2, at, at + widths[i]);
  Attention a = {.q = parts[0],
                 .k = parts[1],
                 .v = parts[2],
                 .causal = node_int(node, "unidirectional", 0) != 0};
  a.heads = a.kv_heads = node_int(node, "num_heads", 0);
  if (k->failed) return false;
  if (past) {
    a.past_key = element_of(k, past, 0, 0);
    a.past_value = element_of(k, past, 0, 1);
  }
  a.mask = joined_masks(k, node, &a, mask, node_in(node, in.bias));
  bool present = node_out(node, 1) != NULL;
  Value **results = attend(k, &a, present);
  out[0] = results[OUT_Y];
  if (present) out[1] = stacked(k, results[OUT_PRESENT_KEY], results[OUT_PRESENT_VALUE]);
  return true;
}

static bool compose_attention(Composer *k, const Node *node, Value **out) {
  const ProjectedInputs in = {.mask = 3, .past = 4, .bias = 5};
  Value *x = node_in(node, 0), *weights = node_in(node, 1), *bias = node_in(node, 2);
  if (x->rank != 3 || weights->rank != 2)
    return node_error(k->c, node, "the input must have three dims, the weights two");
  Value *rows = compose_binary(k, "MatMul", x, weights);
  if (bias) rows = compose_binary(k, "Add", rows, bias);
  return attend_projected(k, node, rows, weights, in, out);
}

static bool compose_qattention(Composer *k, const Node *node, Value **out) {
  const ProjectedInputs in = {.mask = 5, .past = 8, .bias = -1};
  Value *x = node_in(node, 0), *weights = node_in(node, 1);
  if (x->rank != 3 || weights->rank != 2)
    return node_error(k->c, node, "the input must have three dims, the weights two");
  Value *rows = compose_node(k, MICROSOFT, "MatMulIntegerToFloat",
                             IN(x, weights, node_in(node, 3), node_in(node, 4), node_in(node, 6),
                                node_in(node, 7), node_in(node, 2)),
                             NO_ATTRS, 1)[0];
  return attend_projected(k, node, rows, weights, in, out);
}

DEFINE_COMPOSED(MicrosoftAttention, MICROSOFT, "Attention", compose_attention);
DEFINE_COMPOSED(QAttention, MICROSOFT, "QAttention", compose_qattention);

/* --- MultiHeadAttention: Q, K and V are inputs, in one of several forms --- */

enum { MHA_Q, MHA_K, MHA_V, MHA_BIAS, MHA_MASK, MHA_SCORES, MHA_PAST_KEY, MHA_PAST_VALUE };

/* Part `index` of a packed input [B, L, heads, parts, D], as [B, L, heads * D]. */
static Value *unpacked(Composer *k, Value *x, int64_t index) {
  return compose_reshape(k, element_of(k, x, 3, index), (int64_t[]){0, 0, -1}, 3);
}

/* Q, K and V as three inputs. */
static bool unpack_inputs(Composer *k, const Node *node, Attention *a) {
  Value *q = node_in(node, MHA_Q), *key = node_in(node, MHA_K), *value = node_in(node, MHA_V);
  bool all = !key && !value, pair = key && !value;
  if ((all && q->rank != 5) || (pair && key->rank != 5) || (!all && q->rank != 3) ||
      (value && (!key || key->rank != value->rank || (key->rank != 3 && key->rank != 4))))
    return node_error(k->c, node, "query, key and value are in no form that is known");
  a->q = all ? unpacked(k, q, 0) : q;
  a->k = all ? unpacked(k, q, 1) : pair ? unpacked(k, key, 0) : key;
  a->v = all ? unpacked(k, q, 2) : pair ? unpacked(k, key, 1) : value;
  return !k->failed;
}

/* The bias is [Q, K, V]; keys are as wide as queries. Keys and values that come in heads have
 * theirs already. */
static bool add_biases(Composer *k, const Node *node, Attention *a) {
  Value *bias = node_in(node, MHA_BIAS);
  bool flat = a->k->rank == 3;
  if (!bias) return true;
  const Value *told = flat && dim_is_const(a->k->shape[2]) ? a->k : a->q;
  if (!dim_is_const(told->shape[2]))
    return node_error(k->c, node,
                      "with a bias, the width of the query or of the key must be known");
  int64_t width = dim_value(told->shape[2]);
  a->q = compose_binary(k, "Add", a->q, compose_slice(k, bias, 0, 0, width));
  if (!flat) return true;
  a->k = compose_binary(k, "Add", a->k, compose_slice(k, bias, 0, width, 2 * width));
  a->v = compose_binary(k, "Add", a->v, compose_slice(k, bias, 0, 2 * width, INT64_MAX));
  return true;
}

static bool compose_multi_head(Composer *k, const Node *node, Value **out) {
  enum { FIRST_UNKNOWN = 8, MOST_INPUTS = 10 };
  Attention a = {.past_key = node_in(node, MHA_PAST_KEY),
                 .past_value = node_in(node, MHA_PAST_VALUE),
                 .causal = node_int(node, "unidirectional", 0) != 0};
  for (int i = FIRST_UNKNOWN; i < MOST_INPUTS; i++)
    if (node_in(node, i)) return node_error(k->c, node, "input %d is not supported", i);
  if (node_out(node, OUTPUTS)) return node_error(k->c, node, "the output qk is not supported");
  a.heads = a.kv_heads = node_int(node, "num_heads", 0);
  if (!unpack_inputs(k, node, &a) || !add_biases(k, node, &a)) return false;
  a.mask = joined_masks(k, node, &a, node_in(node, MHA_MASK), node_in(node, MHA_SCORES));
  bool in_fours = a.k->rank == 4;
  if (in_fours) a.q = compose_heads(k, a.q, a.heads);
  bool presents = node_out(node, OUT_PRESENT_KEY) || node_out(node, OUT_PRESENT_VALUE);
  Value **results = attend(k, &a, presents);
  out[OUT_Y] = in_fours ? compose_rows(k, results[OUT_Y]) : results[OUT_Y];
  for (int i = OUT_PRESENT_KEY; i < OUTPUTS && i < node->output_count; i++)
    out[i] = presents ? results[i] : NULL;
  return true;
}

DEFINE_COMPOSED(MultiHeadAttention, MICROSOFT, "MultiHeadAttention", compose_multi_head);

/* --- GroupQueryAttention: with rotation, and caches that are as long as the longest item --- */

enum {
  GQA_Q,
  GQA_K,
  GQA_V,
  GQA_PAST_KEY,
  GQA_PAST_VALUE,
  GQA_LENGTHS,
  GQA_TOTAL,
  GQA_COS,
  GQA_SIN,
  GQA_POSITIONS,
  GQA_SCORES,
  GQA_SINK,
  GQA_KEY_SCALE,
  GQA_VALUE_SCALE,
  GQA_Q_NORM,
  GQA_K_NORM
};

/* Q, K and V [B, L, heads * D], out of one input if they come so. */
static bool split_packed(Composer *k, const Node *node, Attention *a) {
  Value *q = node_in(node, GQA_Q);
  a->heads = node_int(node, "num_heads", 0);
  a->kv_heads = node_int(node, "kv_num_heads", 0);
  if (q->rank != 3 || a->heads < 1 || a->kv_heads < 1 || !dim_is_const(q->shape[2]))
    return node_error(k->c, node, "the query must have three dims, the last one known");
  if (a->heads > dim_value(q->shape[2]) || a->kv_heads > dim_value(q->shape[2]))
    return node_error(k->c, node, "there are more heads than numbers in a row");
  a->q = q;
  a->k = node_in(node, GQA_K);
  a->v = node_in(node, GQA_V);
  if (a->k && a->v) return true;
  int64_t size = dim_value(q->shape[2]) / (a->heads + 2 * a->kv_heads);
  int64_t keys = a->heads * size, values = keys + a->kv_heads * size;
  a->q = compose_slice(k, q, 2, 0, keys);
  a->k = compose_slice(k, q, 2, keys, values);
  a->v = compose_slice(k, q, 2, values, values + a->kv_heads * size);
  return !k->failed;
}

/* What comes before the new keys of each batch item: max(lengths + 1 - L, 0), [B] of int64. */
static Value *past_lengths(Composer *k, const Node *node) {
  Value *last = compose_cast(k, node_in(node, GQA_LENGTHS), DT_I64);
  last = compose_reshape(k, last, (int64_t[]){-1}, 1);
  Value *rest = compose_binary(k, "Sub", compose_length(k, node_in(node, GQA_Q), 1),
                               compose_number(k, DT_I64, 1));
  return compose_binary(k, "Max", compose_binary(k, "Sub", last, rest),
                        compose_number(k, DT_I64, 0));
}

/* Positions of the new rows, [B, L]. */
static Value *row_positions(Composer *k, const Node *node, Value *past) {
  return compose_binary(k, "Add", compose_unsqueeze(k, past, 1),
                        compose_range(k, compose_length(k, node_in(node, GQA_Q), 1)));
}

static Value *normalised(Composer *k, Value *x, Value *scale) {
  double epsilon = (double)node_float(k->node, "qk_norm_epsilon", 1e-6f);
  if (!scale) return x;
  return compose_op(k, "RMSNormalization", IN(x, scale),
                    WITH(attr_int("axis", -1), attr_float("epsilon", epsilon)));
}

/* In heads, normalised and turned. */
static Value *prepared(Composer *k, const Node *node, Value *x, int64_t heads, Value *scale,
                       Value *positions) {
  Value *y = normalised(k, compose_heads(k, x, heads), scale);
  if (!node_int(node, "do_rotary", 0)) return y;
  const Value *cos = node_in(node, GQA_COS);
  Dim pairs = cos->shape[cos->rank - 1];
  int64_t turned = dim_is_const(pairs) ? 2 * dim_value(pairs) : 0;
  return compose_node(k, MICROSOFT, "RotaryEmbedding",
                      IN(y, positions, node_in(node, GQA_COS), node_in(node, GQA_SIN)),
                      WITH(attr_int("interleaved", node_int(node, "rotary_interleaved", 0)),
                           attr_int("rotary_embedding_dim", turned)),
                      1)[0];
}

/* Zeros behind the end of an axis; `more` is [1]. */
static Value *lengthened(Composer *k, Value *x, int axis, Value *more) {
  const int64_t zeros[2 * MAX_RANK] = {0};
  Value *parts[] = {compose_ints(k, zeros, x->rank + axis), more,
                    compose_ints(k, zeros, x->rank - axis - 1)};
  Value *pads = compose_op(k, "Concat", (Values){parts, 3}, WITH(attr_int("axis", 0)));
  return compose_op(k, "Pad", IN(x, pads), NO_ATTRS);
}

/* The cache with the new rows in their places, as long as the longest item needs; without one the
 * new rows are all there is. */
static Value *updated_cache(Composer *k, const Node *node, Value *cache, Value *fresh,
                            Value *past) {
  if (!cache) return fresh;
  Value *total = compose_cast(k, node_in(node, GQA_TOTAL), DT_I64);
  Value *more = compose_binary(k, "Sub", compose_reshape(k, total, (int64_t[]){1}, 1),
                               compose_size(k, cache, 2));
  more = compose_binary(k, "Max", more, compose_ints(k, (int64_t[]){0}, 1));
  Value *longer = lengthened(k, cache, 2, more);
  return compose_op(k, "TensorScatter", IN(longer, fresh, past), WITH(attr_int("axis", 2)));
}

/* Which keys a row sees, bool [B, 1, L, keys]: up to its own position, the last
 * `window` of them if that is not negative; or all of its batch item. */
static Value *seen_keys(Composer *k, const Node *node, Value *cache, Value *positions) {
  int64_t window = node_int(node, "local_window_size", -1);
  Value *keys = compose_range(k, compose_length(k, cache, 2));
  Value *place = compose_unsqueeze(k, compose_ones(k, positions, 1, 1), 3);
  if (!node_int(node, "causal", 1))
    place = compose_ones(k, compose_cast(k, node_in(node, GQA_LENGTHS), DT_I64), 1, 3);
  Value *seen = compose_binary(k, "LessOrEqual", keys, place);
  if (window < 0) return seen;
  Value *begin = compose_binary(k, "Sub", place, compose_number(k, DT_I64, (double)window));
  return compose_binary(k, "And", seen, compose_binary(k, "Greater", keys, begin));
}

/* What the node adds to the scores, with zeros for the keys of the cache that are not used yet. */
static Value *padded_bias(Composer *k, const Node *node, Value *cache) {
  Value *bias = node_in(node, GQA_SCORES);
  if (!bias || bias->shape[3] == cache->shape[2]) return bias;
  Value *more = compose_binary(k, "Sub", compose_size(k, cache, 2), compose_size(k, bias, 3));
  return lengthened(k, bias, 3, more);
}

/* Numbers to add to the scores, [B, 1 or heads, L, keys]. */
static Value *score_numbers(Composer *k, const Node *node, const Attention *a) {
  Value *bias = padded_bias(k, node, a->k);
  DType dtype = a->q->dtype;
  return compose_op(
      k, "Where",
      IN(a->mask, bias ? bias : compose_number(k, dtype, 0), compose_number(k, dtype, -INFINITY)),
      NO_ATTRS);
}

static Value *with_zero_row(Composer *k, Value *x) {
  return lengthened(k, x, 2, compose_ints(k, (int64_t[]){1}, 1));
}

static bool has_sink(const Node *node) {
  return node_in(node, GQA_SINK) || node_int(node, "smooth_softmax", -1) > 0;
}

/* 0, or, where each head may have scores of its own, one for each, [1, heads, 1, 1]. */
static Value *zero_score(Composer *k, const Node *node, const Attention *a) {
  const int64_t shape[] = {1, a->heads, 1, 1};
  if (!node_in(node, GQA_SCORES)) return compose_number(k, a->q->dtype, 0);
  const double *zeros = ARENA_ARRAY(k->c->arena, double, a->heads);
  return compose_tensor(k, tensor_from_reals(k->c->arena, a->q->dtype, 4, shape, zeros));
}

/* One more key of zeros, whose score is the sink of the head (or 0): it takes its part of the
 * weights, and its value adds nothing. */
static void add_sink(Composer *k, const Node *node, Value *positions, Attention *a) {
  DType dtype = a->q->dtype;
  Value *sink = node_in(node, GQA_SINK), *column = zero_score(k, node, a);
  if (sink) column = compose_ones(k, compose_unsqueeze(k, sink, 0), 2, 3);
  Value *rows = compose_unsqueeze(k, compose_ones(k, compose_cast(k, positions, dtype), 1, 1), 3);
  rows = compose_binary(k, "Mul", rows, compose_number(k, dtype, 0));
  Value *zeros = compose_binary(k, "Mul", column, compose_number(k, dtype, 0));
  Value *parts[] = {compose_binary(k, "Add", score_numbers(k, node, a), zeros),
                    compose_binary(k, "Add", rows, column)};
  a->mask = compose_op(k, "Concat", (Values){parts, 2}, WITH(attr_int("axis", 3)));
  a->k = with_zero_row(k, a->k);
  a->v = with_zero_row(k, a->v);
}

static bool check_group_query(Compilation *c, const Node *node) {
  for (int i = GQA_KEY_SCALE; i <= GQA_VALUE_SCALE; i++)
    if (node_in(node, i)) return node_error(c, node, "input %d is not supported", i);
  if (node_out(node, OUTPUTS)) return node_error(c, node, "the output qk is not supported");
  if (node_int(node, "do_rotary", 0) && (!node_in(node, GQA_COS) || !node_in(node, GQA_SIN)))
    return node_error(c, node, "do_rotary needs cos_cache and sin_cache");
  return refuse(c, node, "sliding_window_cache");
}

static bool compose_group_query(Composer *k, const Node *node, Value **out) {
  Attention a = {0};
  if (!check_group_query(k->c, node) || !split_packed(k, node, &a)) return false;
  Value *past = past_lengths(k, node), *places = row_positions(k, node, past);
  Value *positions = node_in(node, GQA_POSITIONS) ? node_in(node, GQA_POSITIONS) : places;
  a.q = prepared(k, node, a.q, a.heads, node_in(node, GQA_Q_NORM), positions);
  Value *keys = prepared(k, node, a.k, a.kv_heads, node_in(node, GQA_K_NORM), positions);
  Value *values = compose_heads(k, a.v, a.kv_heads);
  a.k = updated_cache(k, node, node_in(node, GQA_PAST_KEY), keys, past);
  a.v = updated_cache(k, node, node_in(node, GQA_PAST_VALUE), values, past);
  if (k->failed) return false;
  a.mask = seen_keys(k, node, a.k, places);
  if (node->output_count > OUT_PRESENT_KEY) out[OUT_PRESENT_KEY] = a.k;
  if (node->output_count > OUT_PRESENT_VALUE) out[OUT_PRESENT_VALUE] = a.v;
  if (has_sink(node))
    add_sink(k, node, places, &a);
  else if (node_in(node, GQA_SCORES))
    a.mask = score_numbers(k, node, &a);
  out[OUT_Y] = compose_rows(k, attend(k, &a, false)[OUT_Y]);
  return true;
}

DEFINE_COMPOSED(GroupQueryAttention, MICROSOFT, "GroupQueryAttention", compose_group_query);
