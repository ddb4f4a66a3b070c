/* flex_attention.c: FlexAttention of ai.onnx.preview: attention whose scores and probabilities go
 * through graphs that the model gives.
 *
 *   Y = prob_mod(softmax(score_mod(scale * Q K^T))) V
 *
 * Without such a graph it is the operator Attention. */
#include "ops/compose_heads.h"
#include "ops/spatial.h"

#include <math.h>

enum { IN_Q, IN_K, IN_V };

static bool check_inputs(Compilation *c, const Node *node) {
  const Value *q = node_in(node, IN_Q), *k = node_in(node, IN_K), *v = node_in(node, IN_V);
  if (q->rank != 4 || k->rank != 4 || v->rank != 4)
    return node_error(c, node, "Q, K and V must have four dims");
  if (!infer_require_equal(c, node, k->shape[1], v->shape[1], "heads of K and V") ||
      !infer_require_equal(c, node, k->shape[2], v->shape[2], "lengths of K and V") ||
      !infer_require_equal(c, node, q->shape[3], k->shape[3], "sizes of Q and K"))
    return false;
  for (int i = 1; i < 4; i += 2)
    if (!dim_is_const(q->shape[i]) || !dim_is_const(k->shape[i]) || !dim_is_const(v->shape[i]))
      return node_error(c, node, "heads and their sizes must be known when compiling");
  if (dim_value(k->shape[1]) < 1 || dim_value(q->shape[1]) % dim_value(k->shape[1]))
    return node_error(c, node, "the heads of Q must be a multiple of those of K");
  return true;
}

static double scale_of(const Node *node) {
  const Attr *scale = node_attr(node, "scale");
  return scale ? (double)scale->f : 1 / sqrt((double)dim_value(node_in(node, IN_Q)->shape[3]));
}

/* In which dtype scores and probabilities are. */
static bool read_precision(Compilation *c, const Node *node, DType *dtype) {
  const Attr *given = node_attr(node, "softmax_precision");
  *dtype = given ? dtype_from_onnx((int)given->i) : compute_dtype(node_in(node, IN_Q)->dtype);
  return dtype_is_float(*dtype) ||
         node_error(c, node, "softmax_precision must be a type of floats");
}

/* scale * Q K^T, half of the scale on each side */
static Value *scores_of(Composer *k, const Node *node, Value *keys) {
  Value *q = node_in(node, IN_Q);
  Value *root = compose_number(k, q->dtype, sqrt(scale_of(node)));
  Value *turned =
      compose_transpose(k, compose_binary(k, "Mul", keys, root), (int64_t[]){0, 1, 3, 2}, 4);
  return compose_binary(k, "MatMul", compose_binary(k, "Mul", q, root), turned);
}

/* x, or what the graph of that name makes of it. */
static Value *modified(Composer *k, const Node *node, const char *name, Value *x) {
  const Graph *body = node_body(node, name);
  return body ? compose_body(k, body, x) : x;
}

static Value *written_out(Composer *k, const Node *node, DType precision) {
  Value *v = node_in(node, IN_V);
  int64_t kv_heads = dim_value(v->shape[1]);
  int64_t times = dim_value(node_in(node, IN_Q)->shape[1]) / kv_heads;
  Value *keys = compose_repeated_heads(k, node_in(node, IN_K), kv_heads, times);
  Value *scores = compose_cast(k, scores_of(k, node, keys), precision);
  scores = modified(k, node, "score_mod", scores);
  Value *weights = compose_op(k, "Softmax", IN(scores), WITH(attr_int("axis", -1)));
  weights = modified(k, node, "prob_mod", weights);
  Value *values = compose_cast(k, compose_repeated_heads(k, v, kv_heads, times), precision);
  return compose_cast(k, compose_binary(k, "MatMul", weights, values), v->dtype);
}

static bool compose_flex_attention(Composer *k, const Node *node, Value **out) {
  Value *q = node_in(node, IN_Q);
  DType precision;
  if (!check_inputs(k->c, node) || !read_precision(k->c, node, &precision)) return false;
  bool plain = !node_body(node, "score_mod") && !node_body(node, "prob_mod");
  if (plain && precision == compute_dtype(q->dtype))
    out[0] = compose_op(k, "Attention", IN(q, node_in(node, IN_K), node_in(node, IN_V)),
                        WITH(attr_float("scale", scale_of(node)),
                             attr_int("softmax_precision", dtype_info(precision)->onnx_code)));
  else
    out[0] = written_out(k, node, precision);
  return true;
}

DEFINE_COMPOSED_FLAGS(FlexAttention, "ai.onnx.preview", "FlexAttention", OP_BODY,
                      compose_flex_attention);
