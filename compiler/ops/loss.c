/* loss.c: NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.
 *
 *   x[N, C, d…], t[N, d…]   =>   loss[n, d…] = -w[t[n, d…]] * x[n, t[n, d…], d…]
 *
 * as it is, summed up, or divided by the sum of the weights. Targets that are the ignored one have
 * no loss and no weight. The cross entropy takes x from LogSoftmax. */
#include "ops/compose.h"
#include "ops/spatial.h"

typedef enum { MEAN, SUM, NONE } LossReduction;

static const char *const reductions[] = {"mean", "sum", "none", NULL};

static bool check_shapes(Compilation *c, const Node *node) {
  const Value *x = node_in(node, 0), *target = node_in(node, 1), *weight = node_in(node, 2);
  if (x->rank < 2 || target->rank != x->rank - 1)
    return node_error(c, node, "input 0 must be [N, C, …], input 1 the same without C");
  for (int d = 0; d < target->rank; d++)
    if (!infer_require_equal(c, node, x->shape[d ? d + 1 : 0], target->shape[d],
                             "dims of the scores and of the labels"))
      return false;
  return !weight ||
         infer_require_equal(c, node, value_count(c, weight), x->shape[1], "weights and classes");
}

/* Where the target is the ignored one; NULL: none is ignored. */
static Value *ignored_targets(Composer *k, const Node *node) {
  const Attr *ignored = node_attr(node, "ignore_index");
  Value *target = node_in(node, 1);
  if (!ignored) return NULL;
  return compose_binary(k, "Equal", target, compose_number(k, target->dtype, (double)ignored->i));
}

/* x, but 0 at ignored targets. */
static Value *without_ignored(Composer *k, Value *ignored, Value *x, DType dtype) {
  if (!ignored) return x;
  return compose_op(k, "Where", IN(ignored, compose_number(k, dtype, 0), x), NO_ATTRS);
}

/* The weight of each target; NULL: all are 1. */
static Value *weights_of(Composer *k, const Node *node, Value *ignored, Value *target) {
  DType dtype = node_in(node, 0)->dtype;
  Value *weight = node_in(node, 2);
  if (weight) {
    Value *picked = compose_op(k, "Gather", IN(weight, target), WITH(attr_int("axis", 0)));
    return without_ignored(k, ignored, picked, dtype);
  }
  return ignored ? compose_cast(k, compose_op(k, "Not", IN(ignored), NO_ATTRS), dtype) : NULL;
}

static Value *sum_of_all(Composer *k, const char *op_type, Value *x) {
  return compose_op(k, op_type, IN(x), WITH(attr_int("keepdims", 0)));
}

static Value *reduced(Composer *k, LossReduction reduction, Value *loss, Value *weights) {
  if (reduction == NONE) return loss;
  if (reduction == MEAN && !weights) return sum_of_all(k, "ReduceMean", loss);
  Value *sum = sum_of_all(k, "ReduceSum", loss);
  return reduction == SUM ? sum
                          : compose_binary(k, "Div", sum, sum_of_all(k, "ReduceSum", weights));
}

/* The loss by logarithms of probabilities. */
static bool likelihood_loss(Composer *k, const Node *node, Value *x, Value **loss) {
  int reduction;
  if (!check_shapes(k->c, node) ||
      !read_name(k->c, node, "reduction", "mean", reductions, &reduction))
    return false;
  DType dtype = node_in(node, 0)->dtype;
  Value *ignored = ignored_targets(k, node);
  Value *target = without_ignored(k, ignored, node_in(node, 1), node_in(node, 1)->dtype);
  Value *picked = compose_op(k, "GatherElements", IN(x, compose_unsqueeze(k, target, 1)),
                             WITH(attr_int("axis", 1)));
  Value *y = compose_op(k, "Neg", IN(compose_squeeze(k, picked, 1)), NO_ATTRS);
  Value *weights = weights_of(k, node, ignored, target);
  y = without_ignored(k, ignored, y, dtype);
  if (node_in(node, 2)) y = compose_binary(k, "Mul", y, weights);
  *loss = reduced(k, (LossReduction)reduction, y, weights);
  return true;
}

static bool compose_likelihood_loss(Composer *k, const Node *node, Value **out) {
  return likelihood_loss(k, node, node_in(node, 0), &out[0]);
}

static bool compose_cross_entropy(Composer *k, const Node *node, Value **out) {
  if (node_in(node, 0)->rank < 2) return check_shapes(k->c, node);
  Value *x = compose_op(k, "LogSoftmax", IN(node_in(node, 0)), WITH(attr_int("axis", 1)));
  if (node->output_count > 1) out[1] = x;
  return likelihood_loss(k, node, x, &out[0]);
}

DEFINE_COMPOSED(NegativeLogLikelihoodLoss, NULL, "NegativeLogLikelihoodLoss",
                compose_likelihood_loss);
DEFINE_COMPOSED(SoftmaxCrossEntropyLoss, NULL, "SoftmaxCrossEntropyLoss", compose_cross_entropy);
