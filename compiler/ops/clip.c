/* clip.c: Clip and Pow: elementwise operators whose inputs need a closer look.
 *
 *   y = Clip(x, 0, 6)   =>   for i: y[i] = ctc_clip_f32(x[i], 0, 6)
 *   y = Pow(x, 2)       =>   for i: y[i] = ctc_square_f32(x[i]) */
#include "ops/content.h"
#include "ops/elementwise.h"
#include "ops/op.h"

/* --- Clip --- */

static bool infer_clip(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  if (elementwise_dtype("clip", x->dtype) == DT_NONE)
    return node_error(c, node, "elements of type %s are not supported", dtype_info(x->dtype)->name);
  for (int i = 1; i < node->input_count; i++) {
    const Value *bound = node->inputs[i];
    if (!bound) continue;
    if (bound->rank > 1 || !dim_is(value_count(c, bound), 1))
      return node_error(c, node, "input %d must be a single number", i);
    if (bound->dtype != x->dtype)
      return node_error(c, node, "input %d has another type than input 0", i);
  }
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, x->shape);
  return true;
}

/* The bound that input `i` or attribute `name` gives. False: there is none. */
static bool load_bound(Lower *l, LoopNest *nest, const Node *node, int i, const char *name,
                       DType dtype, Operand *bound) {
  const Value *value = node_in(node, i);
  if (value)
    *bound = nest_cast(l, nest, nest_load_number(l, nest, value), dtype);
  else if (node_attr(node, name))
    *bound = operand_real(dtype, (double)node_float(node, name, 0));
  return value || node_attr(node, name);
}

/* With both bounds clip, with one of them max or min, with none a copy. */
static bool lower_clip(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  DType dtype = elementwise_dtype("clip", x->dtype);
  LoopNest *nest = lower_pointwise(l, y);
  Operand args[3] = {nest_cast(l, nest, nest_load(l, nest, x), dtype)}, bound;
  bool low = load_bound(l, nest, node, 1, "min", dtype, &args[1]);
  bool high = load_bound(l, nest, node, 2, "max", dtype, &bound);
  if (high) args[low ? 2 : 1] = bound;
  Operand result = args[0];
  if (low && high) result = nest_apply(l, nest, "clip", dtype, args, 3);
  if (low != high) result = nest_apply(l, nest, low ? "max" : "min", dtype, args, 2);
  nest_store(l, nest, y, result);
  return true;
}

DEFINE_OP(Clip) = {
    .name = "Clip", .infer = infer_clip, .lower = lower_clip, .blocked = blocked_pointwise};

/* --- Pow --- */

/* The exponent if it is one known number, else 0. */
static double constant_exponent(const Node *node) {
  const Value *exponent = node_in(node, 1);
  return exponent->constant && exponent->constant->count == 1 ? tensor_real(exponent->constant, 0)
                                                              : 0;
}

static bool infer_pow(Compilation *c, Node *node) {
  const Value *base = node_in(node, 0), *exponent = node_in(node, 1);
  Dim shape[MAX_RANK];
  int rank;
  if (elementwise_dtype("pow", base->dtype) == DT_NONE ||
      elementwise_dtype("pow", exponent->dtype) == DT_NONE)
    return node_error(c, node, "elements of these types are not supported");
  Value *operands[2];
  if (!elementwise_operands(c, node, operands) ||
      !infer_broadcast(c, node, operands, 2, &rank, shape))
    return false;
  value_set_type(c, node_out(node, 0), base->dtype, rank, shape);
  return true;
}

/* Integers to a power that is a float are computed in f64 and truncated. */
static DType pow_dtype(const Node *node) {
  DType base = node_in(node, 0)->dtype, exponent = node_in(node, 1)->dtype;
  if (dtype_is_integer(base) && dtype_is_float(exponent)) return DT_F64;
  return elementwise_dtype("pow", base);
}

/* x^2 and x^3 are products, as numpy computes them. */
static bool lower_pow(Lower *l, const Node *node) {
  const Value *y = node_out(node, 0);
  Value *operands[2];
  if (!elementwise_operands(l->c, node, operands)) return false;
  DType dtype = pow_dtype(node);
  LoopNest *nest = lower_pointwise(l, y);
  Operand args[2] = {nest_cast(l, nest, nest_load(l, nest, operands[0]), dtype)};
  double exponent = constant_exponent(node);
  const char *stem = exponent == 2 ? "square" : exponent == 3 ? "cube" : "pow";
  bool binary = exponent != 2 && exponent != 3;
  if (binary) args[1] = nest_cast(l, nest, nest_load(l, nest, operands[1]), dtype);
  nest_store(l, nest, y, nest_apply(l, nest, stem, dtype, args, binary ? 2 : 1));
  return true;
}

DEFINE_OP(Pow) = {
    .name = "Pow", .infer = infer_pow, .lower = lower_pow, .blocked = blocked_pointwise};
