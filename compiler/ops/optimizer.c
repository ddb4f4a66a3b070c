/* optimizer.c: Adagrad, Adam and Momentum of ai.onnx.preview.training: one step of training for any
 * number of tensors.
 *
 *   inputs R, T, then the tensors X…, their gradients G…, and what is kept of each (accumulated
 *   gradients or squares) A…, B…; outputs the new X…, A…, B…
 *
 * R is the learning rate, T the number of steps made so far. What only depends on them is computed
 * in float64. */
#include "ops/compose.h"
#include "ops/spatial.h"

enum { IN_RATE, IN_STEPS, IN_TENSORS };

/* One tensor with what belongs to it, and the numbers of the node. */
typedef struct {
  Composer *k;
  DType dtype;
  Value *rate, *steps; /* float64 scalars */
  Value *x, *g, *state[2];
  Value *new_x, *new_state[2];
} Update;

static double number(const Update *u, const char *name, float missing) {
  return (double)node_float(u->k->node, name, missing);
}

static Value *binary(const Update *u, const char *op_type, Value *a, Value *b) {
  return compose_binary(u->k, op_type, a, b);
}

/* A number in the tensor's dtype. */
static Value *own(const Update *u, double value) {
  return compose_number(u->k, u->dtype, value);
}

static Value *wide(const Update *u, double value) {
  return compose_number(u->k, DT_F64, value);
}

/* a * factor, without the product by 1. */
static Value *scaled(const Update *u, Value *a, double factor) {
  return factor == 1 ? a : binary(u, "Mul", a, own(u, factor));
}

/* The gradient with that of the penalty on large numbers: norm * x + g */
static Value *regularized(const Update *u) {
  double norm = number(u, "norm_coefficient", 0);
  return norm == 0 ? u->g : binary(u, "Add", scaled(u, u->x, norm), u->g);
}

/* a * old + b * now */
static Value *blended(const Update *u, Value *old, double a, Value *now, double b) {
  return binary(u, "Add", scaled(u, old, a), scaled(u, now, b));
}

/* x - rate * step, the rate given in float64 */
static Value *stepped(const Update *u, Value *rate, Value *step) {
  return binary(u, "Sub", u->x, binary(u, "Mul", compose_cast(u->k, rate, u->dtype), step));
}

/* if T > 0 then a else b */
static Value *after_first(const Update *u, Value *a, Value *b) {
  return compose_op(u->k, "Where", IN(binary(u, "Greater", u->steps, wide(u, 0)), a, b), NO_ATTRS);
}

/* sqrt(squares) + epsilon */
static Value *root(const Update *u, Value *squares) {
  Value *sqrt = compose_op(u->k, "Sqrt", IN(squares), NO_ATTRS);
  return binary(u, "Add", sqrt, own(u, number(u, "epsilon", 1e-6f)));
}

/* --- the rules --- */

static void adagrad(Update *u) {
  Value *g = regularized(u);
  Value *slowed = binary(u, "Mul", u->steps, wide(u, number(u, "decay_factor", 0)));
  Value *rate = binary(u, "Div", u->rate, binary(u, "Add", slowed, wide(u, 1)));
  u->new_state[0] = binary(u, "Add", u->state[0], binary(u, "Mul", g, g));
  u->new_x = stepped(u, rate, binary(u, "Div", g, root(u, u->new_state[0])));
}

/* 1 - base^T */
static Value *bias_correction(const Update *u, double base) {
  return binary(u, "Sub", wide(u, 1), binary(u, "Pow", wide(u, base), u->steps));
}

static void adam(Update *u) {
  double alpha = number(u, "alpha", 0.9f), beta = number(u, "beta", 0.999f);
  Value *g = regularized(u);
  u->new_state[0] = blended(u, u->state[0], alpha, g, 1 - alpha);
  u->new_state[1] = blended(u, u->state[1], beta, binary(u, "Mul", g, g), 1 - beta);
  Value *factor = compose_op(u->k, "Sqrt", IN(bias_correction(u, beta)), NO_ATTRS);
  factor = binary(u, "Div", factor, bias_correction(u, alpha));
  Value *rate = after_first(u, binary(u, "Mul", u->rate, factor), u->rate);
  Value *x = stepped(u, rate, binary(u, "Div", u->new_state[0], root(u, u->new_state[1])));
  u->new_x = scaled(u, x, 1 - number(u, "norm_coefficient_post", 0));
}

static const char *const momentum_modes[] = {"standard", "nesterov", NULL};

static void momentum(Update *u) {
  double alpha = number(u, "alpha", 0), beta = number(u, "beta", 0);
  int nesterov = 0;
  if (!read_name(u->k->c, u->k->node, "mode", "", momentum_modes, &nesterov)) u->k->failed = true;
  Value *g = regularized(u);
  Value *weight = compose_cast(u->k, after_first(u, wide(u, beta), wide(u, 1)), u->dtype);
  Value *v = binary(u, "Add", scaled(u, u->state[0], alpha), binary(u, "Mul", weight, g));
  u->new_state[0] = v;
  u->new_x = stepped(u, u->rate, nesterov ? binary(u, "Add", g, scaled(u, v, alpha)) : v);
}

/* --- all tensors of a node --- */

static bool check_tensor(Compilation *c, const Node *node, const Value *x, const Value *other) {
  if (!x || !other || x->dtype != other->dtype || x->rank != other->rank)
    return node_error(c, node, "a tensor and what belongs to it differ in type or rank");
  for (int d = 0; d < x->rank; d++)
    if (!infer_require_equal(c, node, x->shape[d], other->shape[d],
                             "sizes of a tensor and of what belongs to it"))
      return false;
  return true;
}

/* A number that may be given as a list of one. */
static Value *scalar(Composer *k, Value *x) {
  return compose_cast(k, compose_reshape(k, x, NULL, 0), DT_F64);
}

/* Tensor i of n; `parts` is how many inputs belong to each: x, its gradient, what is kept of it. */
static bool update_tensor(Composer *k, const Node *node, int i, int n, int parts,
                          void (*rule)(Update *u), Value **out) {
  Update u = {.k = k};
  Value *own_inputs[4] = {NULL};
  for (int p = 0; p < parts; p++) {
    own_inputs[p] = node_in(node, IN_TENSORS + p * n + i);
    if (!check_tensor(k->c, node, own_inputs[0], own_inputs[p])) return false;
  }
  u.x = own_inputs[0];
  u.g = own_inputs[1];
  u.dtype = u.x->dtype;
  u.rate = scalar(k, node_in(node, IN_RATE));
  u.steps = scalar(k, node_in(node, IN_STEPS));
  for (int s = 0; s < parts - 2; s++) u.state[s] = own_inputs[2 + s];
  rule(&u);
  out[i] = u.new_x;
  for (int s = 0; s < parts - 2; s++) out[(s + 1) * n + i] = u.new_state[s];
  return true;
}

static bool update_all(Composer *k, const Node *node, int parts, void (*rule)(Update *u),
                       Value **out) {
  int n = (node->input_count - IN_TENSORS) / parts;
  if (n < 1 || node->input_count != IN_TENSORS + n * parts || node->output_count != n * (parts - 1))
    return node_error(k->c, node, "there must be %d inputs and %d outputs a tensor", parts,
                      parts - 1);
  for (int i = 0; i < n; i++)
    if (!update_tensor(k, node, i, n, parts, rule, out)) return false;
  return true;
}

static bool compose_adagrad(Composer *k, const Node *node, Value **out) {
  return update_all(k, node, 3, adagrad, out);
}

static bool compose_adam(Composer *k, const Node *node, Value **out) {
  return update_all(k, node, 4, adam, out);
}

static bool compose_momentum(Composer *k, const Node *node, Value **out) {
  return update_all(k, node, 3, momentum, out);
}

#define TRAINING "ai.onnx.preview.training"

DEFINE_COMPOSED(Adagrad, TRAINING, "Adagrad", compose_adagrad);
DEFINE_COMPOSED(Adam, TRAINING, "Adam", compose_adam);
DEFINE_COMPOSED(Momentum, TRAINING, "Momentum", compose_momentum);
