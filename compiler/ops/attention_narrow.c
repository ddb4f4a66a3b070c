/* attention_narrow.c: Attention of 16-bit floats as the standard writes it out:
 *
 *   S = (Q * root) (K * root)^T, root = sqrt(scale); S = softcap * Tanh(S / softcap)
 *   P = Softmax(S + bias), 0 where the bias bars all keys; Y = P V
 *
 * Each of these operators gives 16-bit floats, so that its results are rounded. */
#include "ops/attention_narrow.h"

#include "ops/compose_heads.h"

#include <math.h>

/* Q, K and V in four dims, K and V with those of the past, and what is known of them. */
typedef struct {
  Value *q, *k, *v;
  int64_t heads, kv_heads, size;
} Heads;

static bool is_known(const Value *x, int axis) {
  return dim_is_const(x->shape[axis]);
}

static bool read_heads(const Node *node, Heads *h) {
  Value *q = node_in(node, IN_Q), *k = node_in(node, IN_K), *v = node_in(node, IN_V);
  int last = q->rank - 1;
  if (q->rank != k->rank || q->rank != v->rank || (q->rank != 3 && q->rank != 4)) return false;
  if (q->dtype != k->dtype || q->dtype != v->dtype) return false;
  if (!is_known(q, last) || !is_known(k, last) || !is_known(v, last)) return false;
  if (q->rank == 4 && (!is_known(q, 1) || !is_known(k, 1))) return false;
  h->q = q, h->k = k, h->v = v;
  h->heads = q->rank == 4 ? dim_value(q->shape[1]) : node_int(node, "q_num_heads", 0);
  h->kv_heads = q->rank == 4 ? dim_value(k->shape[1]) : node_int(node, "kv_num_heads", 0);
  if (h->heads < 1 || h->kv_heads < 1 || h->heads % h->kv_heads) return false;
  h->size = dim_value(q->shape[last]) / (q->rank == 4 ? 1 : h->heads);
  return true;
}

static DType softmax_dtype(const Node *node) {
  const Attr *given = node_attr(node, "softmax_precision");
  return given ? dtype_from_onnx((int)given->i) : node_in(node, IN_Q)->dtype;
}

static bool is_narrow(DType dtype) {
  return dtype == DT_F16 || dtype == DT_BF16;
}

Graph *select_narrow_attention(Compilation *c, const Node *node) {
  Heads heads;
  if (!is_narrow(node_in(node, IN_Q)->dtype) || !is_narrow(softmax_dtype(node))) return NULL;
  return read_heads(node, &heads) ? select_composed(c, node) : NULL;
}

/* The keys or values of the past and the new ones; [B, heads, L, D]. */
static Value *with_past(Composer *k, Value *fresh, int64_t heads, Value *past) {
  fresh = compose_heads(k, fresh, heads);
  return past ? compose_op(k, "Concat", IN(past, fresh), WITH(attr_int("axis", 2))) : fresh;
}

/* --- the bias --- */

/* The mask with as many columns as there are keys: the others are barred. */
static Value *whole_mask(Composer *k, Value *mask, Value *keys) {
  if (mask->shape[mask->rank - 1] == keys->shape[2]) return mask;
  Value *more =
      compose_binary(k, "Sub", compose_size(k, keys, 2), compose_size(k, mask, mask->rank - 1));
  Value *pads = compose_op(k, "Concat", IN(compose_ints(k, (int64_t[]){0}, 1), more),
                           WITH(attr_int("axis", 0)));
  double bar = mask->dtype == DT_BOOL ? 0 : -INFINITY;
  return compose_op(
      k, "Pad",
      IN(mask, pads, compose_number(k, mask->dtype, bar), compose_ints(k, (int64_t[]){-1}, 1)),
      NO_ATTRS);
}

/* `a` and `b`, either of which may be missing. */
static Value *both(Composer *k, Value *a, Value *b) {
  return a && b ? compose_binary(k, "And", a, b) : a ? a : b;
}

static Value *shifted(Composer *k, const char *op_type, Value *x, int64_t by) {
  return compose_binary(k, op_type, x, compose_number(k, DT_I64, (double)by));
}

/* Which of the keys [keys] the rows may see, for [B, 1, rows, keys]: those of causal attention, of
 * a window, and within the lengths; NULL: all. */
static Value *seen_keys(Composer *k, const Node *node, const Heads *h) {
  Value *lengths = node_in(node, IN_LENGTHS), *past = node_in(node, IN_PAST_KEY), *seen = NULL;
  int64_t left = node_int(node, "left_window_size", -1),
          right = node_int(node, "right_window_size", -1);
  bool causal = node_int(node, "is_causal", 0) != 0;
  if (!lengths && !causal && left < 0 && right < 0) return NULL;
  Value *keys = compose_range(k, compose_length(k, h->k, 2)), *rows = compose_length(k, h->q, 2);
  Value *place = compose_unsqueeze(k, compose_range(k, rows), 1);
  Value *limits = lengths ? compose_ones(k, lengths, 1, 3) : NULL;
  if (limits)
    place = compose_binary(k, "Add", place, compose_binary(k, "Sub", limits, rows));
  else if (past)
    place = compose_binary(k, "Add", place, compose_length(k, past, 2));
  if (limits) seen = compose_binary(k, "Less", keys, limits);
  if (causal) seen = both(k, seen, compose_binary(k, "LessOrEqual", keys, place));
  if (left >= 0)
    seen = both(k, seen, compose_binary(k, "GreaterOrEqual", keys, shifted(k, "Sub", place, left)));
  if (right >= 0)
    seen = both(k, seen, compose_binary(k, "LessOrEqual", keys, shifted(k, "Add", place, right)));
  return seen;
}

/* What is added to the scores; NULL: nothing. */
static Value *bias_of(Composer *k, const Node *node, const Heads *h) {
  Value *mask = node_in(node, IN_MASK), *seen = seen_keys(k, node, h);
  DType dtype = h->q->dtype;
  if (mask) mask = whole_mask(k, mask, h->k);
  if (mask && mask->dtype == DT_BOOL) {
    seen = both(k, seen, mask);
    mask = NULL;
  }
  if (mask) mask = compose_cast(k, mask, dtype);
  if (!seen) return mask;
  return compose_op(
      k, "Where",
      IN(seen, mask ? mask : compose_number(k, dtype, 0), compose_number(k, dtype, -INFINITY)),
      NO_ATTRS);
}

/* --- scores, weights, results --- */

static Value *scores_of(Composer *k, const Node *node, const Heads *h) {
  const Attr *given = node_attr(node, "scale");
  double scale = given ? (double)given->f : 1 / sqrt((double)h->size);
  Value *root = compose_number(k, h->q->dtype, sqrt(scale));
  Value *keys = compose_repeated_heads(k, h->k, h->kv_heads, h->heads / h->kv_heads);
  Value *turned =
      compose_transpose(k, compose_binary(k, "Mul", keys, root), (int64_t[]){0, 1, 3, 2}, 4);
  return compose_binary(k, "MatMul", compose_binary(k, "Mul", h->q, root), turned);
}

static Value *capped(Composer *k, Value *scores, double cap) {
  if (cap <= 0) return scores;
  Value *number = compose_number(k, scores->dtype, cap);
  Value *part = compose_op(k, "Tanh", IN(compose_binary(k, "Div", scores, number)), NO_ATTRS);
  return compose_binary(k, "Mul", part, number);
}

/* The softmax of scores that the bias has been added to. */
static Value *weights_of(Composer *k, const Node *node, Value *scores, Value *bias) {
  DType dtype = scores->dtype;
  Value *x = compose_cast(k, scores, softmax_dtype(node));
  Value *p = compose_op(k, "Softmax", IN(x), WITH(attr_int("axis", -1)));
  p = compose_cast(k, p, dtype);
  if (!bias) return p;
  Value *most = compose_op(k, "ReduceMax", IN(bias, compose_ints(k, (int64_t[]){-1}, 1)), NO_ATTRS);
  Value *barred = compose_binary(k, "Equal", most, compose_number(k, dtype, -INFINITY));
  return compose_op(k, "Where", IN(barred, compose_number(k, dtype, 0), p), NO_ATTRS);
}

bool compose_narrow_attention(Composer *k, const Node *node, Value **out) {
  enum { RAW, CAPPED, BIASED, WEIGHTS, STAGES };
  Heads h;
  Value *stages[STAGES];
  if (!read_heads(node, &h)) return false;
  h.q = compose_heads(k, h.q, h.heads);
  h.k = with_past(k, h.k, h.kv_heads, node_in(node, IN_PAST_KEY));
  h.v = with_past(k, h.v, h.kv_heads, node_in(node, IN_PAST_VALUE));
  if (k->failed) return false;
  Value *bias = bias_of(k, node, &h);
  stages[RAW] = scores_of(k, node, &h);
  stages[CAPPED] = capped(k, stages[RAW], (double)node_float(node, "softcap", 0));
  stages[BIASED] = bias ? compose_binary(k, "Add", stages[CAPPED], bias) : stages[CAPPED];
  stages[WEIGHTS] = weights_of(k, node, stages[BIASED], bias);
  Value *values = compose_repeated_heads(k, h.v, h.kv_heads, h.heads / h.kv_heads);
  Value *y = compose_binary(k, "MatMul", stages[WEIGHTS], values);
  int64_t stage = node_int(node, "qk_matmul_output_mode", 0);
  out[OUT_Y] = node_in(node, IN_Q)->rank == 3 ? compose_rows(k, y) : y;
  if (node_out(node, OUT_PRESENT_KEY)) out[OUT_PRESENT_KEY] = h.k;
  if (node_out(node, OUT_PRESENT_VALUE)) out[OUT_PRESENT_VALUE] = h.v;
  if (node_out(node, OUT_SCORES))
    out[OUT_SCORES] = stages[stage >= 0 && stage < STAGES ? stage : 0];
  return true;
}
