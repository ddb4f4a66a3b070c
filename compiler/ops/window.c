/* window.c: HannWindow, HammingWindow, BlackmanWindow.
 *
 *   y[i] = a - b cos(2 pi i / n) + c cos(4 pi i / n),   n = size, or size - 1 where `periodic` is 0
 *
 * One loop nest, computed in f64. A size that is known at run time only is a data symbol. */
#include "ops/op.h"

/* `row` of the descriptors. */
typedef struct {
  double a, b, c;
} Window;

static const Window hann = {0.5, 0.5, 0}, hamming = {25.0 / 46, 21.0 / 46, 0},
                    blackman = {0.42, 0.5, 0.08};

static bool infer_window(Compilation *c, Node *node) {
  const Dim *elements;
  int count;
  DType dtype = dtype_from_onnx((int)node_int(node, "output_datatype", 1));
  if (!dtype_is_float(dtype) && !dtype_is_integer(dtype))
    return node_error(c, node, "elements of type %s are not supported", dtype_info(dtype)->name);
  if (!infer_elements(c, node, 0, 0, INT64_MAX, &elements, &count)) return false;
  if (count != 1) return node_error(c, node, "the size must be a single number");
  value_set_type(c, node_out(node, 0), dtype, 1, elements);
  return true;
}

static Operand apply2(Lower *l, LoopNest *nest, const char *stem, Operand a, Operand b) {
  Operand args[] = {a, b};
  return nest_apply(l, nest, stem, DT_F64, args, 2);
}

/* factor cos(angle times) */
static Operand cosine(Lower *l, LoopNest *nest, Operand angle, double times, double factor) {
  Operand scaled = apply2(l, nest, "mul", angle, operand_real(DT_F64, times));
  Operand value = nest_apply(l, nest, "cos", DT_F64, &scaled, 1);
  return apply2(l, nest, "mul", value, operand_real(DT_F64, factor));
}

static bool lower_window(Lower *l, const Node *node) {
  const Window *window = node->op->row;
  const Value *y = node_out(node, 0);
  Dim size = y->shape[0];
  if (!node_int(node, "periodic", 1)) size = dim_addi(l->c->dims, size, -1);
  LoopNest *nest = lower_nest(l, 1, y->shape);
  Operand turn = operand_real(DT_F64, 6.28318530717958647692);
  Operand index = nest_cast(l, nest, operand_loop(0), DT_F64);
  Operand angle =
      apply2(l, nest, "div", apply2(l, nest, "mul", index, turn), operand_int(DT_F64, size));
  Operand result =
      apply2(l, nest, "sub", operand_real(DT_F64, window->a), cosine(l, nest, angle, 1, window->b));
  if (window->c != 0) result = apply2(l, nest, "add", result, cosine(l, nest, angle, 2, window->c));
  nest_store(l, nest, y, result);
  return true;
}

DEFINE_OP(HannWindow) = {
    .name = "HannWindow", .infer = infer_window, .lower = lower_window, .row = &hann};
DEFINE_OP(HammingWindow) = {
    .name = "HammingWindow", .infer = infer_window, .lower = lower_window, .row = &hamming};
DEFINE_OP(BlackmanWindow) = {
    .name = "BlackmanWindow", .infer = infer_window, .lower = lower_window, .row = &blackman};
