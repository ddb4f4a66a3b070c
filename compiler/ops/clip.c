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

DEFINE_OP(Clip) = {.name = "Clip",
                   .flags = OP_ELEMENTWISE,
                   .infer = infer_clip,
                   .lower = lower_clip,
                   .blocked = blocked_pointwise};

/* --- Pow --- */

/* The powers that are functions of one argument: x^2 and x^3 as products, as numpy computes them; a
 * square root, though that of -infinity is NaN where the power is infinite.
 * The identity has no function. */
typedef struct {
  double exponent;
  const char *stem;
} Power;

static const Power powers[] = {
    {2, "square"}, {3, "cube"}, {0.5, "sqrt"}, {-1, "reciprocal"}, {1, NULL},
};

/* The power if the exponent is one known number and there is a function for the dtype, else NULL.
 */
static const Power *known_power(const Node *node, DType dtype) {
  const Tensor *exponent = node_in(node, 1)->constant;
  if (!exponent || exponent->count != 1) return NULL;
  for (size_t i = 0; i < sizeof powers / sizeof *powers; i++)
    if (powers[i].exponent == tensor_real(exponent, 0))
      return !powers[i].stem || kernel_find_typed(powers[i].stem, dtype) ? &powers[i] : NULL;
  return NULL;
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

/* Whether a float holds the exponents, so that none changes its parity: all of such a type, or
 * those that are known. */
static bool floats_hold(const Value *exponent) {
  const Tensor *known = exponent->constant;
  if (exponent->dtype != DT_F64 &&
      !(dtype_is_integer(exponent->dtype) && dtype_info(exponent->dtype)->bytes >= 4))
    return true;
  for (int64_t i = 0; known && i < known->count; i++)
    if ((float)tensor_real(known, i) != tensor_real(known, i)) return false;
  return known != NULL;
}

/* Integers to a power that is a float are computed in f64 and truncated. */
static DType pow_dtype(const Node *node) {
  DType base = node_in(node, 0)->dtype, exponent = node_in(node, 1)->dtype;
  if (dtype_is_integer(base) && dtype_is_float(exponent)) return DT_F64;
  DType dtype = elementwise_dtype("pow", base);
  return dtype == DT_F32 && !floats_hold(node_in(node, 1)) ? DT_F64 : dtype;
}

static bool lower_pow(Lower *l, const Node *node) {
  const Value *y = node_out(node, 0);
  Value *operands[2];
  if (!elementwise_operands(l->c, node, operands)) return false;
  DType dtype = pow_dtype(node);
  const Power *power = known_power(node, dtype);
  LoopNest *nest = lower_pointwise(l, y);
  Operand args[2] = {nest_cast(l, nest, nest_load(l, nest, operands[0]), dtype)};
  if (!power) args[1] = nest_cast(l, nest, nest_load(l, nest, operands[1]), dtype);
  if (!power || power->stem)
    args[0] = nest_apply(l, nest, power ? power->stem : "pow", dtype, args, power ? 1 : 2);
  nest_store(l, nest, y, args[0]);
  return true;
}

DEFINE_OP(Pow) = {.name = "Pow",
                  .flags = OP_ELEMENTWISE,
                  .infer = infer_pow,
                  .lower = lower_pow,
                  .blocked = blocked_pointwise};
