/* layer_activation.c: layers that are one operator, and elementwise functions of a few. */
#include "layer.h"

/* One operator; fields of the layer are its attributes. */
void build_operator(Layer *l) {
  enum { MOST = 4 };
  Attr attrs[MOST];
  int count = 0;
  for (const FieldAttr *row = l->type->attrs; row && row->field; row++) {
    const JsonValue *value = layer_field(l, row->field);
    if (!value) continue;
    CTC_ASSERT(count < MOST);
    if (!layer_attr(l, "", l->type->op, 0, row->attribute, value, &attrs[count])) return;
    count++;
  }
  Values inputs = {l->inputs, l->input_count};
  l->outputs[0] = layer_op(l, l->type->op, inputs, (Attrs){attrs, count});
}

/* Dropout and the like: nothing happens when the model runs. */
void build_identity(Layer *l) {
  l->outputs[0] = layer_op(l, "Identity", IN(l->inputs[0]), NO_ATTRS);
}

static Value *bound(Layer *l, const char *key) {
  return layer_field(l, key) ? layer_scalar(l, layer_real(l, key)) : NULL;
}

void build_clip(Layer *l) {
  Value *low = bound(l, "min_val"), *high = bound(l, "max_val");
  l->outputs[0] = layer_op(l, "Clip", IN(l->inputs[0], low, high), NO_ATTRS);
}

void build_relu6(Layer *l) {
  l->outputs[0] =
      layer_op(l, "Clip", IN(l->inputs[0], layer_scalar(l, 0), layer_scalar(l, 6)), NO_ATTRS);
}

void build_silu(Layer *l) {
  Value *gate = layer_op(l, "Sigmoid", IN(l->inputs[0]), NO_ATTRS);
  l->outputs[0] = layer_op(l, "Mul", IN(l->inputs[0], gate), NO_ATTRS);
}

/* log(1 / (1 + exp(-x))) = -softplus(-x) */
void build_log_sigmoid(Layer *l) {
  Value *negative = layer_op(l, "Neg", IN(l->inputs[0]), NO_ATTRS);
  Value *soft = layer_op(l, "Softplus", IN(negative), NO_ATTRS);
  l->outputs[0] = layer_op(l, "Neg", IN(soft), NO_ATTRS);
}

/* max(0, min(1, x / 6 + 1 / 2)) */
void build_hardsigmoid(Layer *l) {
  l->outputs[0] = layer_op(l, "HardSigmoid", IN(l->inputs[0]),
                           WITH(attr_float("alpha", 1.0 / 6), attr_float("beta", 0.5)));
}

/* log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold */
void build_softplus(Layer *l) {
  double beta = layer_real(l, "beta");
  Value *x = l->inputs[0], *factor = layer_scalar(l, beta);
  Value *scaled = beta == 1 ? x : layer_op(l, "Mul", IN(x, factor), NO_ATTRS);
  Value *soft = layer_op(l, "Softplus", IN(scaled), NO_ATTRS);
  if (beta != 1) soft = layer_op(l, "Div", IN(soft, factor), NO_ATTRS);
  Value *limit = layer_scalar(l, layer_real(l, "threshold"));
  Value *above = layer_op(l, "Greater", IN(scaled, limit), NO_ATTRS);
  l->outputs[0] = layer_op(l, "Where", IN(above, x, soft), NO_ATTRS);
}

void build_tanhshrink(Layer *l) {
  Value *tanh = layer_op(l, "Tanh", IN(l->inputs[0]), NO_ATTRS);
  l->outputs[0] = layer_op(l, "Sub", IN(l->inputs[0], tanh), NO_ATTRS);
}

/* Moves what is beyond lambda towards zero by it; what is within becomes zero. */
void build_softshrink(Layer *l) {
  double lambda = layer_real(l, "lambd");
  l->outputs[0] = layer_op(l, "Shrink", IN(l->inputs[0]),
                           WITH(attr_float("lambd", lambda), attr_float("bias", lambda)));
}

void build_softmin(Layer *l) {
  Value *negative = layer_op(l, "Neg", IN(l->inputs[0]), NO_ATTRS);
  l->outputs[0] = layer_op(l, "Softmax", IN(negative), WITH(attr_int("axis", layer_int(l, "dim"))));
}

void build_softmax2d(Layer *l) {
  l->outputs[0] = layer_op(l, "Softmax", IN(l->inputs[0]), WITH(attr_int("axis", -3)));
}

/* x where it is above the threshold, else `value` */
void build_threshold(Layer *l) {
  Value *x = l->inputs[0];
  Value *above =
      layer_op(l, "Greater", IN(x, layer_scalar(l, layer_real(l, "threshold"))), NO_ATTRS);
  l->outputs[0] =
      layer_op(l, "Where", IN(above, x, layer_scalar(l, layer_real(l, "value"))), NO_ATTRS);
}

/* The first half of the axis times the sigmoid of the second one. */
void build_glu(Layer *l) {
  Value **halves =
      layer_ops(l, "Split", IN(l->inputs[0]),
                WITH(attr_int("axis", layer_int(l, "dim")), attr_int("num_outputs", 2)), 2);
  Value *gate = layer_op(l, "Sigmoid", IN(halves[1]), NO_ATTRS);
  l->outputs[0] = layer_op(l, "Mul", IN(halves[0], gate), NO_ATTRS);
}

/* One slope for all, or one for each channel, which is axis 1. */
void build_prelu(Layer *l) {
  int64_t count = layer_int(l, "num_parameters"), shape[MAX_RANK] = {count};
  int rank = layer_rank(l, l->inputs[0]);
  Value *slope = layer_weight1(l, "weight", count);
  if (l->k.failed) return;
  for (int i = 1; i < rank; i++) shape[i] = 1;
  if (count > 1 && rank > 2) slope = compose_reshape(&l->k, slope, shape, rank - 1);
  l->outputs[0] = layer_op(l, "PRelu", IN(l->inputs[0], slope), NO_ATTRS);
}

void build_rsqrt(Layer *l) {
  Value *root = layer_op(l, "Sqrt", IN(l->inputs[0]), NO_ATTRS);
  l->outputs[0] = layer_op(l, "Reciprocal", IN(root), NO_ATTRS);
}
