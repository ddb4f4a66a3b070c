/* gated.c: units whose one half opens and closes the other one. */
#include "ops/compose.h"

/* SwiGLU: a * sigmoid(alpha * a) * b */
static bool compose_swiglu(Composer *k, const Node *node, Value **out) {
  Value *a = node_in(node, 0), *b = node_in(node, 1);
  if (a->rank != b->rank) return node_error(k->c, node, "the inputs must have one shape");
  for (int d = 0; d < a->rank; d++)
    if (!infer_require_equal(k->c, node, a->shape[d], b->shape[d], "dims of both inputs"))
      return false;
  double alpha = (double)node_float(node, "alpha", 1);
  Value *gate = compose_op(k, "Swish", IN(a), WITH(attr_float("alpha", alpha)));
  out[0] = compose_binary(k, "Mul", gate, b);
  return true;
}

DEFINE_COMPOSED(SwiGLU, NULL, "SwiGLU", compose_swiglu);
