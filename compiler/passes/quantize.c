/* quantize.c: quantised parts of a graph compute in integers.
 *
 *   DequantizeLinear -> Conv -> (Relu, Clip) -> QuantizeLinear    becomes    ByteConv
 *
 * and likewise products and sums, as well as QLinearConv and QLinearAdd. Results differ from those
 * of the floats by a level at most, where a number lies between two. An activation between product
 * and QuantizeLinear only limits the levels: rounding keeps the order.
 *
 * What is found works on values in their *byte form* (ops/bytes.c), which its neighbours take as it
 * is; ToBytes and FromBytes stand where others meet them. Levels that are signed move by 128, and
 * so do their zero points.
 *
 * MatMulInteger whose sums are cast to floats makes floats itself, so that the scaling behind it
 * goes into the store of the product. */
#include "passes/match.h"
#include "passes/passes.h"
#include "passes/uses.h"

#include "ops/new_node.h"
#include "ops/quantized.h"

#include <math.h>
#include <string.h>

typedef struct {
  Compilation *c;
  Graph *graph;
  int *uses;       /* by value id, of the graph as it was */
  Value **bytes;   /* by value id: its byte form, once there is one */
  int value_count; /* of those two */
  Vec(Node *) made;
} Quantize;

/* A tensor of levels with one scale and zero point. */
typedef struct {
  Value *levels;
  const Value *scale, *zero;
} Levels;

/* Product (or sum) up to QuantizeLinear. */
typedef struct {
  Levels result;
  Node *node;       /* whose result is quantised, behind any activation */
  double low, high; /* of the activation */
} Chain;

/* --- looking --- */

static bool is_microsoft(const Node *node, const char *op_type) {
  return node && strcmp(node->domain, MICROSOFT) == 0 && strcmp(node->op_type, op_type) == 0;
}

static bool is_byte(const Value *value) {
  return value->dtype == DT_U8 || value->dtype == DT_I8;
}

static bool is_single_constant(const Value *value) {
  return value && value->constant && value->constant->count == 1;
}

/* The levels that a QuantizeLinear or DequantizeLinear node has on its integer side. */
static bool read_levels(const Node *node, Value *levels, Levels *found) {
  *found = (Levels){levels, node_in(node, 1), node_in(node, 2)};
  if (!levels || !is_byte(levels) || !is_single_constant(found->scale)) return false;
  if (found->scale->dtype != DT_F32 || node_int(node, "block_size", 0) != 0) return false;
  return !found->zero || is_single_constant(found->zero);
}

/* value = dequantised levels */
static bool read_dequantized(const Value *value, Levels *found) {
  const Node *node = value ? value->producer : NULL;
  if (!is_op(node, "DequantizeLinear") && !is_microsoft(node, "DequantizeLinear")) return false;
  return value->dtype == DT_F32 && read_levels(node, node_in(node, 0), found);
}

static bool used_once(const Quantize *q, const Value *value) {
  return value->id < q->value_count && q->uses[value->id] == 1;
}

/* The limits of an activation that only limits; false if it is another one. */
static bool read_activation(const Node *node, double *low, double *high) {
  const Value *least = node_in(node, 1), *most = node_in(node, 2);
  if (is_op(node, "Relu")) {
    *low = fmax(*low, 0);
    return true;
  }
  if (!is_op(node, "Clip") || (least && !is_single_constant(least)) ||
      (most && !is_single_constant(most)))
    return false;
  if (node->version < 11) {
    *low = fmax(*low, (double)node_float(node, "min", -INFINITY));
    *high = fmin(*high, (double)node_float(node, "max", INFINITY));
    return true;
  }
  if (least) *low = fmax(*low, tensor_real(least->constant, 0));
  if (most) *high = fmin(*high, tensor_real(most->constant, 0));
  return true;
}

/* The node in front of a QuantizeLinear and of an activation before that. */
static bool read_chain(const Quantize *q, const Node *quantize, Chain *chain) {
  *chain = (Chain){.low = -INFINITY, .high = INFINITY};
  if (!is_op(quantize, "QuantizeLinear") && !is_microsoft(quantize, "QuantizeLinear")) return false;
  if (!read_levels(quantize, node_out(quantize, 0), &chain->result)) return false;
  const Value *value = node_in(quantize, 0);
  if (value->producer && read_activation(value->producer, &chain->low, &chain->high)) {
    if (!used_once(q, value)) return false;
    value = value->producer->inputs[0];
  }
  chain->node = value->producer;
  return chain->node && value->dtype == DT_F32 && used_once(q, value);
}

/* --- making --- */

static int64_t zero_of(const Value *zero) {
  return zero ? tensor_int(zero->constant, 0) : 0;
}

/* By what the levels of a value grow in its byte form. */
static int64_t shift_of(const Value *levels) {
  return levels->dtype == DT_I8 ? 128 : 0;
}

/* The zero point of the byte form. */
static Value *byte_zero(Quantize *q, const Levels *levels) {
  int64_t zero = zero_of(levels->zero) + shift_of(levels->levels);
  return value_constant(q->c, levels->levels->name, tensor_scalar_int(q->c->arena, DT_U8, zero));
}

static Node *make_node(Quantize *q, const Node *from, const char *op, Value *const *inputs,
                       int input_count, Value *output) {
  Node *node = node_new(q->c, q->graph,
                        &(NewNode){.op = op_internal(op),
                                   .version = 1,
                                   .in = {inputs, input_count},
                                   .outputs = 1,
                                   .origin = from});
  node->outputs[0] = output; /* `keep` makes it the node's */
  return node;
}

static void set_int(Quantize *q, Node *node, const char *name, int64_t number) {
  node_set_attr(q->c, node, attr_int(name, number));
}

static bool keep(Quantize *q, Node *node) {
  if (!node->op->infer(q->c, node)) return false;
  node_set_output(node, 0, node->outputs[0]);
  vec_push(q->c->arena, &q->made, node);
  return true;
}

/* Transpose that moves channels from the last place to the second. */
static bool brings_channels_forward(const Node *node) {
  size_t count;
  if (!is_op(node, "Transpose")) return false;
  const int64_t *perm = node_ints(node, "perm", &count);
  const Value *x = node->inputs[0];
  if (!perm || (int)count != x->rank || x->rank < 3) return false;
  if (perm[0] != 0 || perm[1] != x->rank - 1) return false;
  for (int d = 2; d < x->rank; d++)
    if (perm[d] != d - 1) return false;
  return true;
}

/* The byte form of a value, made now if need be. */
static Value *bytes_of(Quantize *q, const Node *at, Value *value) {
  if (q->bytes[value->id]) return q->bytes[value->id];
  if (value->producer && brings_channels_forward(value->producer)) {
    Value *source = value->producer->inputs[0];
    if (source->dtype == DT_U8) return q->bytes[value->id] = source;
    Value *bytes = value_create(q->c, value->name);
    Node *flip = make_node(q, at, "FlipBytes", &source, 1, bytes);
    return keep(q, flip) ? (q->bytes[value->id] = bytes) : NULL;
  }
  if (value->dtype == DT_U8 && value->rank < 3) return value;
  Value *bytes = value_create(q->c, value->name);
  Node *node = make_node(q, at, "ToBytes", &value, 1, bytes);
  return keep(q, node) ? (q->bytes[value->id] = bytes) : NULL;
}

/* `node` makes the byte form of `value`; FromBytes makes the value. */
static bool finish(Quantize *q, Node *node, Value *value) {
  if (!keep(q, node)) return false;
  q->bytes[value->id] = node->outputs[0];
  Node *back = make_node(q, node, "FromBytes", &node->outputs[0], 1, value);
  set_int(q, back, "signed", value->dtype == DT_I8);
  return keep(q, back);
}

static int64_t level_of(const Levels *levels, double real, int64_t missing) {
  if (isinf(real)) return missing;
  double scale = tensor_real(levels->scale->constant, 0);
  double level = rint((double)((float)real / (float)scale)) +
                 (double)(zero_of(levels->zero) + shift_of(levels->levels));
  return level < 0 ? 0 : level > 255 ? 255 : (int64_t)level;
}

/* Attributes low and high: the limits of the chain's activation as levels of the byte form. */
static void set_limits(Quantize *q, Node *node, const Chain *chain) {
  set_int(q, node, "low", level_of(&chain->result, chain->low, 0));
  set_int(q, node, "high", level_of(&chain->result, chain->high, 255));
}

/* --- weights and biases --- */

/* The node that makes them: folded, if they are not too large for that. */
static const Node *weights_node(const Value *value) {
  return value && value->constant ? value->folded : value ? value->producer : NULL;
}

/* Constant weights with one scale or one for each of the `channels` along an axis. */
static bool read_weights(const Value *value, int axis, int64_t channels, Levels *weights) {
  const Node *node = weights_node(value);
  if (!is_op(node, "DequantizeLinear") && !is_microsoft(node, "DequantizeLinear")) return false;
  *weights = (Levels){node_in(node, 0), node_in(node, 1), node_in(node, 2)};
  if (!weights->levels->constant || !is_byte(weights->levels)) return false;
  if (!weights->scale->constant || weights->scale->rank > 1) return false;
  if (weights->zero && !weights->zero->constant) return false;
  if (node_int(node, "block_size", 0) != 0) return false;
  if (weights->scale->constant->count == 1) return true;
  int64_t own = node_int(node, "axis", 1), rank = weights->levels->rank;
  return (own < 0 ? own + rank : own) == axis && weights->scale->constant->count == channels;
}

/* Biases below this leave room in int32 for sums of 30000 products. (Quantisers write 2^30 for
 * channels that are always 0.) */
#define MOST_BIAS 1.08e9

/* The float bias in units of x_scale * w_scale; NULL if it does not fit. */
static Value *whole_bias(Quantize *q, const Value *bias, const Levels *x, const Levels *w,
                         int64_t channels) {
  void *data;
  const Tensor *scale = w->scale->constant, *real = bias->constant;
  double x_scale = tensor_real(x->scale->constant, 0);
  Tensor *whole = tensor_create(q->c->arena, DT_I32, 1, &channels, &data);
  if (real->count != channels && real->count != 1) return NULL;
  for (int64_t i = 0; i < channels; i++) {
    double unit = x_scale * tensor_real(scale, scale->count > 1 ? i : 0);
    double level = rint(tensor_real(real, real->count > 1 ? i : 0) / unit);
    if (!(fabs(level) < MOST_BIAS)) return NULL;
    ((int32_t *)data)[i] = (int32_t)level;
  }
  return value_constant(q->c, bias->name, whole);
}

static bool is_constant_or_missing(const Value *value) {
  return !value || value->constant;
}

/* --- what can be done --- */

/* A ByteConv with those inputs and the attributes of `conv`. */
static bool make_conv(Quantize *q, const Node *conv, Value *const *inputs, const Chain *chain,
                      bool *done) {
  Value *result = chain->result.levels;
  Node *node = make_node(q, conv, "ByteConv", inputs, 9, value_create(q->c, result->name));
  node->attrs = conv->attrs;
  node->attr_count = conv->attr_count;
  set_limits(q, node, chain);
  if (!byte_conv_possible(q->c, node)) return true;
  *done = true;
  return finish(q, node, result);
}

/* Conv between DequantizeLinear and QuantizeLinear. */
static bool try_conv(Quantize *q, const Chain *chain, bool *done) {
  const Node *conv = chain->node;
  Levels x, w;
  const Value *bias = node_in(conv, 2), *weight = node_in(conv, 1);
  if (!is_op(conv, "Conv") || !read_dequantized(node_in(conv, 0), &x)) return true;
  if (x.levels->rank > 4 || !is_constant_or_missing(bias)) return true;
  if (!dim_is_const(weight->shape[0])) return true;
  int64_t channels = dim_value(weight->shape[0]);
  if (!read_weights(weight, 0, channels, &w)) return true;
  Value *whole = bias ? whole_bias(q, bias, &x, &w, channels) : NULL;
  Value *bytes = bias && !whole ? NULL : bytes_of(q, conv, x.levels);
  if (!bytes) return true;
  Value *inputs[] = {bytes,
                     (Value *)x.scale,
                     byte_zero(q, &x),
                     w.levels,
                     (Value *)w.scale,
                     (Value *)w.zero,
                     (Value *)chain->result.scale,
                     byte_zero(q, &chain->result),
                     whole};
  return make_conv(q, conv, inputs, chain, done);
}

/* MatMul or Gemm with a bias; MatMul may have it in an Add behind it. */
typedef struct {
  const Node *node;
  const Value *bias;
  bool turned;
} FloatProduct;

static bool read_product(const Quantize *q, const Node *node, FloatProduct *product) {
  *product = (FloatProduct){.node = node};
  if (is_op(node, "Gemm")) {
    product->bias = node_in(node, 2);
    product->turned = node_int(node, "transB", 0) != 0;
    return node_int(node, "transA", 0) == 0 && node_float(node, "alpha", 1) == 1.0f &&
           node_float(node, "beta", 1) == 1.0f && is_constant_or_missing(product->bias);
  }
  if (is_op(node, "Add") && node->version >= 7) {
    int constant = node->inputs[0]->constant ? 0 : 1;
    const Value *other = node->inputs[1 - constant];
    product->bias = node->inputs[constant];
    product->node = other->producer;
    if (!product->bias->constant || product->bias->rank != 1 || !used_once(q, other)) return false;
  }
  return is_op(product->node, "MatMul");
}

static bool try_product(Quantize *q, const Chain *chain, bool *done) {
  FloatProduct product;
  Levels a, b;
  if (!read_product(q, chain->node, &product)) return true;
  const Value *right = node_in(product.node, 1);
  if (!read_dequantized(node_in(product.node, 0), &a)) return true;
  if (right->rank != 2 || a.levels->rank != 2) return true;
  int axis = product.turned ? 0 : 1;
  if (!dim_is_const(right->shape[0]) || !dim_is_const(right->shape[1])) return true;
  int64_t columns = dim_value(right->shape[axis]);
  if (columns < 1 || dim_value(right->shape[1 - axis]) < 1) return true;
  if (!read_weights(right, axis, columns, &b)) return true;
  if (b.zero && b.zero->constant->count != 1 && b.zero->constant->count != columns) return true;
  Value *whole = product.bias ? whole_bias(q, product.bias, &a, &b, columns) : NULL;
  Value *bytes = product.bias && !whole ? NULL : bytes_of(q, product.node, a.levels);
  if (!bytes) return true;
  Value *result = chain->result.levels;
  Value *inputs[] = {bytes,
                     (Value *)a.scale,
                     byte_zero(q, &a),
                     b.levels,
                     (Value *)b.scale,
                     (Value *)b.zero,
                     whole,
                     (Value *)chain->result.scale,
                     byte_zero(q, &chain->result)};
  Node *node = make_node(q, product.node, "ByteGemm", inputs, 9, value_create(q->c, result->name));
  if (product.turned) set_int(q, node, "transB", 1);
  set_limits(q, node, chain);
  *done = true;
  return finish(q, node, result);
}

static bool make_add(Quantize *q, const Node *add, const Levels *a, const Levels *b,
                     const Chain *chain, bool *done) {
  Value *result = chain->result.levels;
  if (!same_shape(a->levels, b->levels) || a->levels->constant || b->levels->constant) return true;
  Value *left = bytes_of(q, add, a->levels), *right = left ? bytes_of(q, add, b->levels) : NULL;
  if (!right) return false;
  Value *inputs[] = {left,
                     (Value *)a->scale,
                     byte_zero(q, a),
                     right,
                     (Value *)b->scale,
                     byte_zero(q, b),
                     (Value *)chain->result.scale,
                     byte_zero(q, &chain->result)};
  Node *node = make_node(q, add, "ByteAdd", inputs, 8, value_create(q->c, result->name));
  set_limits(q, node, chain);
  *done = true;
  return finish(q, node, result);
}

static bool try_add(Quantize *q, const Chain *chain, bool *done) {
  Levels a, b;
  const Node *add = chain->node;
  if (!is_op(add, "Add") || add->version < 7) return true;
  if (!read_dequantized(add->inputs[0], &a) || !read_dequantized(add->inputs[1], &b)) return true;
  return make_add(q, add, &a, &b, chain, done);
}

static bool read_inputs(const Node *node, int i, Levels *found) {
  *found = (Levels){node_in(node, i), node_in(node, i + 1), node_in(node, i + 2)};
  return found->levels && is_byte(found->levels) && is_single_constant(found->scale) &&
         (!found->zero || is_single_constant(found->zero));
}

/* The result of a QLinear operator, whose scale is input i. */
static bool read_result(const Node *node, int i, Chain *chain) {
  *chain = (Chain){.low = -INFINITY, .high = INFINITY};
  chain->result = (Levels){node_out(node, 0), node_in(node, i), node_in(node, i + 1)};
  return is_byte(chain->result.levels) && is_single_constant(chain->result.scale) &&
         (!chain->result.zero || is_single_constant(chain->result.zero));
}

static bool try_qlinear_conv(Quantize *q, const Node *node, bool *done) {
  Levels x;
  Chain chain;
  if (!is_op(node, "QLinearConv") || !read_inputs(node, 0, &x) || !read_result(node, 6, &chain))
    return true;
  if (x.levels->rank > 4 || !node->inputs[3]->constant) return true;
  Value *bytes = bytes_of(q, node, x.levels);
  if (!bytes) return false;
  Value *inputs[] = {bytes,
                     (Value *)x.scale,
                     byte_zero(q, &x),
                     node->inputs[3],
                     node->inputs[4],
                     node->inputs[5],
                     (Value *)chain.result.scale,
                     byte_zero(q, &chain.result),
                     node_in(node, 8)};
  return make_conv(q, node, inputs, &chain, done);
}

static bool try_qlinear_add(Quantize *q, const Node *node, bool *done) {
  Levels a, b;
  Chain chain;
  if (!is_microsoft(node, "QLinearAdd") || !read_inputs(node, 0, &a) || !read_inputs(node, 3, &b) ||
      !read_result(node, 6, &chain))
    return true;
  return make_add(q, node, &a, &b, &chain, done);
}

/* Cast(MatMulInteger) */
static bool try_cast(Quantize *q, const Node *cast, bool *done) {
  const Node *product = is_op(cast, "Cast") ? cast->inputs[0]->producer : NULL;
  Value *result = node_out(cast, 0);
  if (!is_op(product, "MatMulInteger") || result->dtype != DT_F32) return true;
  if (!used_once(q, product->outputs[0]) || !product->inputs[1]->constant) return true;
  *done = true;
  return keep(q,
              make_node(q, product, "ProductReal", product->inputs, product->input_count, result));
}

/* Puts what can stand for the node into q->made; *done: it stands there. */
static bool try_node(Quantize *q, const Node *node, bool *done) {
  Chain chain;
  if (read_chain(q, node, &chain)) {
    if (!try_conv(q, &chain, done) || *done) return *done;
    if (!try_product(q, &chain, done) || *done) return *done;
    return try_add(q, &chain, done);
  }
  if (!try_qlinear_conv(q, node, done) || *done) return *done;
  if (!try_qlinear_add(q, node, done) || *done) return *done;
  return try_cast(q, node, done);
}

bool pass_quantize(Compilation *c) {
  Graph *graph = c->graph;
  if (!target_of(c)->panels) return true;
  Quantize q = {.c = c, .graph = graph, .value_count = c->next_value_id};
  int most = c->next_value_id + 64 * (int)graph->nodes.count + 64;
  q.uses = ARENA_ARRAY(c->arena, int, most);
  q.bytes = ARENA_ARRAY(c->arena, Value *, most);
  count_value_uses(graph, q.uses);
  for (size_t i = 0; i < graph->nodes.count; i++) {
    Node *node = graph->nodes.items[i];
    bool done = false;
    if (!try_node(&q, node, &done)) return false;
    if (!done) vec_push(c->arena, &q.made, node);
  }
  graph->nodes.count = 0;
  for (size_t i = 0; i < q.made.count; i++) vec_push(c->arena, &graph->nodes, q.made.items[i]);
  return true;
}
