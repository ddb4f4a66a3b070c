/* derivatives.c: the derivatives of operators: a table, and the rules that its rows share.
 *
 * In formulas a, b, c are the inputs, y is the output, g the gradient by the output, and other
 * names are attributes. A formula gives the gradient by its input before it is summed over what was
 * broadcast. In those of reductions y and g have all axes, n is how many numbers make one of y. */
#include "ops/derivative.h"
#include "ops/formula.h"

#include <string.h>

/* --- help for rules --- */

static Value *shape_of(Composer *k, Value *x) {
  return compose_op(k, "Shape", IN(x), NO_ATTRS);
}

static Value *in_shape_of(Composer *k, Value *value, Value *x) {
  return compose_op(k, "Reshape", IN(value, shape_of(k, x)), WITH(attr_int("allowzero", 1)));
}

static Value *spread(Composer *k, Value *value, Value *x) {
  return compose_op(k, "Expand", IN(value, shape_of(k, x)), NO_ATTRS);
}

Value *compose_filled(Composer *k, Value *x, double number) {
  return spread(k, compose_number(k, x->dtype, number), x);
}

static Value *sum_over(Composer *k, Value *x, const int64_t *axes, int count, bool keep) {
  if (count == 0) return x;
  return compose_op(k, "ReduceSum", IN(x, compose_ints(k, axes, count)),
                    WITH(attr_int("keepdims", keep)));
}

/* The places 0, 1, … of x's elements, in x's shape. */
static Value *places_of(Composer *k, Value *x) {
  Value *count = compose_op(k, "Size", IN(x), NO_ATTRS);
  Value *places = compose_op(
      k, "Range", IN(compose_number(k, DT_I64, 0), count, compose_number(k, DT_I64, 1)), NO_ATTRS);
  return in_shape_of(k, places, x);
}

/* x's gradient: that of what was taken from x, added at the places that it was taken from. */
static Value *put_back(Composer *k, Value *x, Value *places, Value *gradient) {
  Value *flat = compose_ints(k, (int64_t[]){-1}, 1),
        *column = compose_ints(k, (int64_t[]){-1, 1}, 2);
  Value *sums = compose_op(k, "ScatterND",
                           IN(compose_op(k, "Reshape", IN(compose_filled(k, x, 0), flat), NO_ATTRS),
                              compose_op(k, "Reshape", IN(places, column), NO_ATTRS),
                              compose_op(k, "Reshape", IN(gradient, flat), NO_ATTRS)),
                           WITH(attr_text("reduction", "add")));
  return in_shape_of(k, sums, x);
}

/* A gradient of x broadcast, summed to the shape of x; by places where it cannot be told along
 * which axes that was. */
static Value *sum_to(Composer *k, Value *gradient, Value *x) {
  int64_t axes[MAX_RANK];
  int count = 0, extra = gradient->rank - x->rank;
  if (k->failed) return gradient;
  for (int d = 0; d < gradient->rank; d++) {
    Dim wide = gradient->shape[d], own = d < extra ? NULL : x->shape[d - extra];
    if (own == wide) continue;
    if (own && !dim_is(own, 1))
      return put_back(k, x, spread(k, places_of(k, x), gradient), gradient);
    axes[count++] = d;
  }
  gradient = sum_over(k, gradient, axes, count, true);
  return extra > 0 ? in_shape_of(k, gradient, x) : gradient;
}

/* --- elementwise operators --- */

static double attribute(const Backward *b, const char *name) {
  const Node *node = b->node;
  const Attr *given = node_attr(node, name);
  const OperatorSchema *schema = op_schema(b->k->c, node->domain, node->op_type, node->version);
  const SchemaAttr *row = schema_attr(schema, name);
  const Attr *attr = given ? given : row ? row->missing : NULL;
  CTC_ASSERT(attr && attr->kind == ATTR_FLOAT);
  return (double)attr->f;
}

/* In the dtype of the gradient, unless it is a condition. */
static Value *as_number(const Backward *b, Value *x) {
  return x->dtype == DT_BOOL ? x : compose_cast(b->k, x, b->from[0]->dtype);
}

static Value *elementwise_name(void *context, const char *name) {
  const Backward *b = context;
  if (name[1]) return compose_number(b->k, b->from[0]->dtype, attribute(b, name));
  if (*name == 'g') return b->from[0];
  if (*name == 'y') return b->node->outputs[0];
  return as_number(b, b->node->inputs[*name - 'a']);
}

static bool elementwise(Backward *b, const char *const *formulas) {
  DType dtype = b->from[0]->dtype;
  FormulaNames names = {elementwise_name, b};
  for (int i = 0; i < b->node->input_count; i++) {
    if (!b->wanted[i]) continue;
    Value *x = b->node->inputs[i];
    if (i > 2 || !formulas[i]) return false;
    Value *whole = compose_formula(b->k, formulas[i], dtype, names);
    whole = sum_to(b->k, spread(b->k, whole, b->node->outputs[0]), x);
    b->to[i] = compose_cast(b->k, whole, x->dtype);
  }
  return true;
}

/* Sum and Mean of any number of inputs: g / count each. */
static bool added(Backward *b, const char *const *formulas) {
  double count = formulas[0] ? 1 : b->node->input_count;
  Value *part =
      compose_binary(b->k, "Div", b->from[0], compose_number(b->k, b->from[0]->dtype, count));
  for (int i = 0; i < b->node->input_count; i++)
    if (b->wanted[i]) b->to[i] = sum_to(b->k, part, b->node->inputs[i]);
  return true;
}

/* 1 where x is the chosen one y. */
static Value *is_chosen(const Backward *b, Value *x, Value *y) {
  return compose_cast(b->k, compose_binary(b->k, "Equal", x, y), b->from[0]->dtype);
}

/* Max and Min: those inputs that are the result share the gradient. */
static bool chosen(Backward *b, const char *const *formulas) {
  Value *y = b->node->outputs[0], *count = NULL;
  (void)formulas;
  for (int i = 0; i < b->node->input_count; i++) {
    Value *one = is_chosen(b, b->node->inputs[i], y);
    count = count ? compose_binary(b->k, "Add", count, one) : one;
  }
  Value *share = compose_binary(b->k, "Div", b->from[0], count);
  for (int i = 0; i < b->node->input_count; i++) {
    Value *x = b->node->inputs[i];
    Value *part = compose_binary(b->k, "Mul", share, is_chosen(b, x, y));
    if (b->wanted[i]) b->to[i] = sum_to(b->k, part, x);
  }
  return true;
}

/* Gelu by its two formulas. */
static bool gelu(Backward *b, const char *const *formulas) {
  bool tanh = strcmp(node_string(b->node, "approximate", "none"), "tanh") == 0;
  return elementwise(b, formulas + tanh);
}

static bool dropout(Backward *b, const char *const *formulas) {
  const Value *training = node_in(b->node, 2);
  if (training && !(training->constant && tensor_int(training->constant, 0) == 0)) return false;
  b->to[0] = b->from[0];
  (void)formulas;
  return b->from[0] != NULL;
}

/* --- reductions --- */

/* Axes of a reduction, as attribute or input; all if there are none. False: not known. */
static bool reduced_axes(const Backward *b, int64_t *axes, int *count) {
  const Value *x = b->node->inputs[0];
  bool present;
  const int64_t *given;
  size_t known;
  if (!infer_const_ints(b->k->c, b->node, 1, "axes", &present, &given, &known)) return false;
  bool all = !present || (known == 0 && !node_int(b->node, "noop_with_empty_axes", 0));
  *count = all ? x->rank : (int)known;
  for (int i = 0; i < *count; i++) axes[i] = all ? i : given[i] < 0 ? given[i] + x->rank : given[i];
  return true;
}

typedef struct {
  Backward *b;
  int64_t axes[MAX_RANK];
  int count;
} Reduction;

/* With the axes that were dropped. */
static Value *with_axes(const Reduction *r, Value *y) {
  Composer *k = r->b->k;
  if (node_int(r->b->node, "keepdims", 1) || !r->count) return y;
  return compose_op(k, "Unsqueeze", IN(y, compose_ints(k, r->axes, r->count)), NO_ATTRS);
}

/* How many numbers make one of y. */
static Value *reduced_count(const Reduction *r) {
  Composer *k = r->b->k;
  Value *x = r->b->node->inputs[0], *count = compose_number(k, DT_I64, 1);
  for (int i = 0; i < r->count; i++)
    count = compose_binary(k, "Mul", count, compose_squeeze(k, compose_size(k, x, r->axes[i]), 0));
  return compose_cast(k, count, x->dtype);
}

static Value *reduction_name(void *context, const char *name) {
  const Reduction *r = context;
  const Backward *b = r->b;
  if (*name == 'n') return reduced_count(r);
  if (*name == 'g') return with_axes(r, b->from[0]);
  return *name == 'y' ? with_axes(r, b->node->outputs[0]) : b->node->inputs[0];
}

static bool reduction(Backward *b, const char *const *formulas) {
  Reduction r = {.b = b};
  Value *x = b->node->inputs[0];
  if (!reduced_axes(b, r.axes, &r.count)) return false;
  FormulaNames names = {reduction_name, &r};
  b->to[0] = spread(b->k, compose_formula(b->k, formulas[0], x->dtype, names), x);
  return true;
}

/* ReduceMax and ReduceMin: those that are the result share the gradient. */
static bool reduction_chosen(Backward *b, const char *const *formulas) {
  Reduction r = {.b = b};
  Value *x = b->node->inputs[0];
  (void)formulas;
  if (!reduced_axes(b, r.axes, &r.count)) return false;
  Value *one = is_chosen(b, x, with_axes(&r, b->node->outputs[0]));
  Value *share = compose_binary(b->k, "Div", with_axes(&r, b->from[0]),
                                sum_over(b->k, one, r.axes, r.count, true));
  b->to[0] = compose_binary(b->k, "Mul", one, share);
  return true;
}

/* Softmax: y (g - sum g y), LogSoftmax: g - e^y sum g, along the axis, or before opset 13 all axes
 * from it on. */
static bool softmax(Backward *b, const char *const *formulas) {
  Composer *k = b->k;
  Value *y = b->node->outputs[0], *g = b->from[0];
  bool single = b->node->version >= 13, logarithm = formulas[0] != NULL;
  int64_t axis = node_int(b->node, "axis", single ? -1 : 1), axes[MAX_RANK];
  int count = 0;
  if (axis < 0) axis += y->rank;
  for (int64_t d = axis; d < (single ? axis + 1 : y->rank); d++) axes[count++] = d;
  if (!count) return false;
  Value *weights = logarithm ? compose_op(k, "Exp", IN(y), NO_ATTRS) : y;
  Value *weighted = compose_binary(k, "Mul", g, y);
  Value *sum = sum_over(k, logarithm ? g : weighted, axes, count, true);
  if (logarithm)
    b->to[0] = compose_binary(k, "Sub", g, compose_binary(k, "Mul", weights, sum));
  else
    b->to[0] = compose_binary(k, "Mul", y, compose_binary(k, "Sub", g, sum));
  return true;
}

/* --- products --- */

static Value *turned(Composer *k, Value *x) {
  int64_t perm[MAX_RANK];
  if (k->failed) return x;
  for (int d = 0; d < x->rank; d++) perm[d] = d;
  perm[x->rank - 1] = x->rank - 2;
  perm[x->rank - 2] = x->rank - 1;
  return compose_transpose(k, x, perm, x->rank);
}

/* A = G B^T and B = A^T G; vectors are a row on the left, a column on the right. */
static bool matmul(Backward *b, const char *const *formulas) {
  Composer *k = b->k;
  Value *left = b->node->inputs[0], *right = b->node->inputs[1], *g = b->from[0];
  Value *rows = left->rank == 1 ? compose_unsqueeze(k, left, 0) : left;
  Value *columns = right->rank == 1 ? compose_unsqueeze(k, right, 1) : right;
  (void)formulas;
  if (left->rank == 1) g = compose_unsqueeze(k, g, right->rank == 1 ? 0 : -2);
  if (right->rank == 1) g = compose_unsqueeze(k, g, -1);
  if (b->wanted[0]) {
    Value *sum = sum_to(k, compose_binary(k, "MatMul", g, turned(k, columns)), rows);
    b->to[0] = rows == left ? sum : compose_squeeze(k, sum, 0);
  }
  if (b->wanted[1]) {
    Value *sum = sum_to(k, compose_binary(k, "MatMul", turned(k, rows), g), columns);
    b->to[1] = columns == right ? sum : compose_squeeze(k, sum, 1);
  }
  return true;
}

static Value *gemm_product(const Backward *b, Value *left, bool turn_left, Value *right,
                           bool turn_right) {
  return compose_op(b->k, "Gemm", IN(left, right),
                    WITH(attr_float("alpha", (double)node_float(b->node, "alpha", 1)),
                         attr_int("transA", turn_left), attr_int("transB", turn_right)));
}

/* Y = alpha A B + beta C, A and B turned or not. */
static bool gemm(Backward *b, const char *const *formulas) {
  Composer *k = b->k;
  Value *left = b->node->inputs[0], *right = b->node->inputs[1], *g = b->from[0];
  bool turn_a = node_int(b->node, "transA", 0) != 0, turn_b = node_int(b->node, "transB", 0) != 0;
  (void)formulas;
  if (b->wanted[0])
    b->to[0] = turn_a ? gemm_product(b, right, turn_b, g, true)
                      : gemm_product(b, g, false, right, !turn_b);
  if (b->wanted[1])
    b->to[1] =
        turn_b ? gemm_product(b, g, true, left, turn_a) : gemm_product(b, left, !turn_a, g, false);
  if (b->node->input_count < 3 || !b->wanted[2]) return true;
  Value *beta = compose_number(k, g->dtype, (double)node_float(b->node, "beta", 1));
  b->to[2] = sum_to(k, compose_binary(k, "Mul", g, beta), b->node->inputs[2]);
  return true;
}

/* --- shapes --- */

/* The same data in another shape or type. */
static bool reshaped(Backward *b, const char *const *formulas) {
  Value *x = b->node->inputs[0];
  (void)formulas;
  b->to[0] = in_shape_of(b->k, compose_cast(b->k, b->from[0], x->dtype), x);
  return true;
}

static bool expanded(Backward *b, const char *const *formulas) {
  (void)formulas;
  b->to[0] = sum_to(b->k, b->from[0], b->node->inputs[0]);
  return true;
}

static bool transposed(Backward *b, const char *const *formulas) {
  size_t count;
  const int64_t *perm = node_ints(b->node, "perm", &count);
  int rank = b->node->inputs[0]->rank;
  int64_t back[MAX_RANK];
  (void)formulas;
  for (int d = 0; d < rank; d++) back[perm ? perm[d] : rank - 1 - d] = d;
  b->to[0] = compose_transpose(b->k, b->from[0], back, rank);
  return true;
}

/* The sizes of values along an axis, as one list. */
static Value *sizes_along(Composer *k, Value *const *values, int count, int64_t axis) {
  Value **sizes = ARENA_ARRAY(k->c->arena, Value *, count);
  for (int i = 0; i < count; i++) sizes[i] = compose_size(k, values[i], axis);
  return compose_op(k, "Concat", (Values){sizes, count}, WITH(attr_int("axis", 0)));
}

static int64_t axis_of(const Backward *b, int64_t missing) {
  int64_t axis = node_int(b->node, "axis", missing);
  return axis < 0 ? axis + b->node->inputs[0]->rank : axis;
}

static bool concatenated(Backward *b, const char *const *formulas) {
  Composer *k = b->k;
  int count = b->node->input_count;
  int64_t axis = axis_of(b, 1);
  Value *sizes = sizes_along(k, b->node->inputs, count, axis);
  Value **parts =
      compose_node(k, "", "Split", IN(b->from[0], sizes), WITH(attr_int("axis", axis)), count);
  (void)formulas;
  for (int i = 0; i < count; i++) b->to[i] = parts[i];
  return true;
}

static bool split(Backward *b, const char *const *formulas) {
  Composer *k = b->k;
  int count = b->node->output_count;
  Value **parts = ARENA_ARRAY(k->c->arena, Value *, count);
  (void)formulas;
  for (int i = 0; i < count; i++) {
    if (!b->node->outputs[i]) return false;
    parts[i] = b->from[i] ? b->from[i] : compose_filled(k, b->node->outputs[i], 0);
  }
  b->to[0] = compose_op(k, "Concat", (Values){parts, count}, WITH(attr_int("axis", axis_of(b, 0))));
  return true;
}

/* The node itself with another first input. */
static Value *again(const Backward *b, Value *x) {
  const Node *node = b->node;
  Value **inputs = ARENA_ARRAY(b->k->c->arena, Value *, node->input_count);
  for (int i = 0; i < node->input_count; i++) inputs[i] = i ? node->inputs[i] : x;
  return compose_version(b->k, node->domain, node->op_type, node->version,
                         (Values){inputs, node->input_count},
                         (Attrs){node->attrs, node->attr_count}, 1)[0];
}

/* What takes elements of its first input: it is applied to their places, and the gradients are
 * added at the places that come out. */
static bool moved(Backward *b, const char *const *formulas) {
  Value *x = b->node->inputs[0];
  (void)formulas;
  for (int i = 1; i < b->node->input_count; i++)
    if (b->wanted[i]) return false;
  b->to[0] = put_back(b->k, x, again(b, places_of(b->k, x)), b->from[0]);
  return true;
}

/* --- the table --- */

#define TANH_OF_SOFTPLUS "Tanh(Softplus(a))"
#define GELU_TANH "Tanh(0.7978845608028654 * (a + 0.044715 * a * a * a))"

static const Derivative derivatives[] = {
    {"Abs", elementwise, {"g * Sign(a)"}},
    {"Acos", elementwise, {"-g / Sqrt(1 - a * a)"}},
    {"Acosh", elementwise, {"g / Sqrt(a * a - 1)"}},
    {"Add", elementwise, {"g", "g"}},
    {"Asin", elementwise, {"g / Sqrt(1 - a * a)"}},
    {"Asinh", elementwise, {"g / Sqrt(a * a + 1)"}},
    {"Atan", elementwise, {"g / (1 + a * a)"}},
    {"Atanh", elementwise, {"g / (1 - a * a)"}},
    {"Cast", reshaped, {NULL}},
    {"CastLike", reshaped, {NULL}},
    {"Ceil", elementwise, {"0 * g"}},
    {"Celu", elementwise, {"Where(a > 0, g, g * Exp(a / alpha))"}},
    {"Clip", elementwise, {"Where(a == y, g, 0)"}},
    {"Concat", concatenated, {NULL}},
    {"Cos", elementwise, {"-g * Sin(a)"}},
    {"Cosh", elementwise, {"g * Sinh(a)"}},
    {"DepthToSpace", moved, {NULL}},
    {"Div", elementwise, {"g / b", "-g * y / b"}},
    {"Dropout", dropout, {NULL}},
    {"Elu", elementwise, {"Where(a > 0, g, g * (y + alpha))"}},
    {"Erf", elementwise, {"g * 1.1283791670955126 * Exp(-a * a)"}},
    {"Exp", elementwise, {"g * y"}},
    {"Expand", expanded, {NULL}},
    {"Flatten", reshaped, {NULL}},
    {"Floor", elementwise, {"0 * g"}},
    {"Gather", moved, {NULL}},
    {"GatherElements", moved, {NULL}},
    {"GatherND", moved, {NULL}},
    {"Gelu",
     gelu,
     {"g * (0.5 + 0.5 * Erf(a * 0.7071067811865476) + a * 0.3989422804014327 * Exp(-0.5 * a * a))",
      "g * (0.5 + 0.5 * " GELU_TANH " + 0.5 * a * (1 - " GELU_TANH " * " GELU_TANH
      ") * 0.7978845608028654 * (1 + 0.134145 * a * a))"}},
    {"Gemm", gemm, {NULL}},
    {"HardSigmoid", elementwise, {"Where(y > 0, Where(y < 1, g * alpha, 0), 0)"}},
    {"HardSwish", elementwise, {"Where(a < -3, 0, Where(a > 3, g, g * (2 * a + 3) / 6))"}},
    {"Identity", reshaped, {NULL}},
    {"LeakyRelu", elementwise, {"Where(a > 0, g, alpha * g)"}},
    {"Log", elementwise, {"g / a"}},
    {"LogSoftmax", softmax, {"logarithm"}},
    {"MatMul", matmul, {NULL}},
    {"Max", chosen, {NULL}},
    {"Mean", added, {NULL}},
    {"Min", chosen, {NULL}},
    {"Mish",
     elementwise,
     {"g * (" TANH_OF_SOFTPLUS " + a * Sigmoid(a) * (1 - " TANH_OF_SOFTPLUS " * " TANH_OF_SOFTPLUS
      "))"}},
    {"Mul", elementwise, {"g * b", "g * a"}},
    {"Neg", elementwise, {"-g"}},
    {"PRelu", elementwise, {"Where(a > 0, g, b * g)", "Where(a > 0, 0, a * g)"}},
    {"Pow",
     elementwise,
     {"Where(b == 0, 0, g * b * Pow(a, b - 1))", "Where(a > 0, g * y * Log(a), 0)"}},
    {"Reciprocal", elementwise, {"-g * y * y"}},
    {"ReduceL1", reduction, {"g * Sign(a)"}},
    {"ReduceL2", reduction, {"g * a / y"}},
    {"ReduceLogSum", reduction, {"g / Exp(y)"}},
    {"ReduceLogSumExp", reduction, {"g * Exp(a - y)"}},
    {"ReduceMax", reduction_chosen, {NULL}},
    {"ReduceMean", reduction, {"g / n"}},
    {"ReduceMin", reduction_chosen, {NULL}},
    {"ReduceSum", reduction, {"g"}},
    {"ReduceSumSquare", reduction, {"2 * g * a"}},
    {"Relu", elementwise, {"Where(a > 0, g, 0)"}},
    {"Reshape", reshaped, {NULL}},
    {"ReverseSequence", moved, {NULL}},
    {"Round", elementwise, {"0 * g"}},
    {"Selu", elementwise, {"Where(a > 0, g * gamma, g * (y + alpha * gamma))"}},
    {"Sigmoid", elementwise, {"g * y * (1 - y)"}},
    {"Sign", elementwise, {"0 * g"}},
    {"Sin", elementwise, {"g * Cos(a)"}},
    {"Sinh", elementwise, {"g * Cosh(a)"}},
    {"Slice", moved, {NULL}},
    {"Softmax", softmax, {NULL}},
    {"Softplus", elementwise, {"g * Sigmoid(a)"}},
    {"Softsign", elementwise, {"g / ((1 + Abs(a)) * (1 + Abs(a)))"}},
    {"SpaceToDepth", moved, {NULL}},
    {"Split", split, {NULL}},
    {"Sqrt", elementwise, {"0.5 * g / y"}},
    {"Squeeze", reshaped, {NULL}},
    {"Sub", elementwise, {"g", "-g"}},
    {"Sum", added, {"one"}},
    {"Swish", elementwise, {"g * (Sigmoid(alpha * a) + alpha * y * (1 - Sigmoid(alpha * a)))"}},
    {"Tan", elementwise, {"g * (1 + y * y)"}},
    {"Tanh", elementwise, {"g * (1 - y * y)"}},
    {"ThresholdedRelu", elementwise, {"Where(a > alpha, g, 0)"}},
    {"Tile", moved, {NULL}},
    {"Transpose", transposed, {NULL}},
    {"Unsqueeze", reshaped, {NULL}},
    {"Where", elementwise, {NULL, "Where(a, g, 0)", "Where(a, 0, g)"}},
};

const Derivative *derivative_find(const char *domain, const char *op_type) {
  if (*domain) return NULL;
  for (size_t i = 0; i < sizeof derivatives / sizeof *derivatives; i++)
    if (strcmp(derivatives[i].op_type, op_type) == 0) return &derivatives[i];
  return NULL;
}
