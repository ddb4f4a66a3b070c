/* elementwise.c: operators that compute each element of the output from one element of each input.
 *
 * One row an operator: the scalar function of runtime/scalar.c, its attributes, and how it acts on
 * integers that carry shapes. Inputs are broadcast together (numpy rules; before opset 7 by the
 * attributes `broadcast` and `axis`); lowering makes one loop nest:
 *
 *   y = LeakyRelu(x, alpha = 0.1)   =>   for i: y[i] = ctc_leakyrelu_f32(x[i], 0.1f)
 *
 * A dtype without a function of its own is computed in another one: f16, bf16 and the narrow ones
 * in f32, integers in 64 bits or f64. */
#include "ops/elementwise.h"

#include "ops/content.h"
#include "ops/op.h"
#include "options.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { MOST_ATTRS = 2, MOST_INPUTS = 256 };

/* An attribute that is passed to the scalar function behind the inputs. */
typedef struct {
  const char *name;
  float missing;        /* the default … */
  float missing_before; /* … in versions below `since` */
  int since;
} RowAttr;

typedef enum { RESULT_SAME, RESULT_BOOL } ResultType;

typedef struct {
  const char *stem; /* of the scalar function */
  /* Chooses the function by the node's attributes; NULL: always `stem`. */
  const char *(*choose)(const Node *node);
  ResultType result;
  bool variadic; /* f(f(a, b), c) … */
  bool mean;     /* of a variadic sum: divided by their number */
  bool channels; /* before opset 7 a list as input 1 belongs to the channels */
  bool biased;   /* f(a + b), b may be omitted */
  RowAttr attrs[MOST_ATTRS];
  ContentRule content; /* NULL: contents do not pass */
} Row;

static bool infer_elementwise(Compilation *c, Node *node);
static bool lower_elementwise(Lower *l, const Node *node);

#define ELEMENTWISE(id, in_domain, in_name, in_flags, ...)                                         \
  const OpDef op_##id = {.domain = in_domain,                                                      \
                         .name = in_name,                                                          \
                         .flags = OP_ELEMENTWISE | in_flags,                                       \
                         .infer = infer_elementwise,                                               \
                         .lower = lower_elementwise,                                               \
                         .blocked = blocked_pointwise,                                             \
                         .row = &(const Row){__VA_ARGS__}}
#define DEFINE_ELEMENTWISE_IN(id, domain, name, ...) ELEMENTWISE(id, domain, name, 0, __VA_ARGS__)
#define DEFINE_ELEMENTWISE(id, ...) ELEMENTWISE(id, NULL, #id, 0, __VA_ARGS__)
#define DEFINE_COMMUTATIVE(id, ...) ELEMENTWISE(id, NULL, #id, OP_COMMUTATIVE, __VA_ARGS__)

/* --- functions that attributes choose --- */

static const char *choose_mod(const Node *node) {
  return node_int(node, "fmod", 0) ? "fmod" : "mod";
}

static const char *choose_isinf(const Node *node) {
  bool negative = node_int(node, "detect_negative", 1),
       positive = node_int(node, "detect_positive", 1);
  if (negative && positive) return "isinf";
  return negative ? "isneginf" : positive ? "isposinf" : "isnoinf";
}

static const char *choose_shift(const Node *node) {
  return strcmp(node_string(node, "direction", ""), "LEFT") == 0 ? "shiftleft" : "shiftright";
}

static const char *choose_gelu(const Node *node) {
  return strcmp(node_string(node, "approximate", "none"), "tanh") == 0 ? "gelutanh" : "gelu";
}

/* --- the operators --- */

DEFINE_ELEMENTWISE(Abs, .stem = "abs", .content = content_abs);
DEFINE_ELEMENTWISE(Acos, .stem = "acos");
DEFINE_ELEMENTWISE(Acosh, .stem = "acosh");
DEFINE_COMMUTATIVE(Add, .stem = "add", .content = content_add);
DEFINE_COMMUTATIVE(And, .stem = "and", .content = content_and);
DEFINE_ELEMENTWISE(Asin, .stem = "asin");
DEFINE_ELEMENTWISE(Asinh, .stem = "asinh");
DEFINE_ELEMENTWISE(Atan, .stem = "atan");
DEFINE_ELEMENTWISE(Atanh, .stem = "atanh");
DEFINE_ELEMENTWISE(BitShift, .choose = choose_shift);
DEFINE_COMMUTATIVE(BitwiseAnd, .stem = "bitwiseand");
DEFINE_ELEMENTWISE(BitwiseNot, .stem = "bitwisenot");
DEFINE_COMMUTATIVE(BitwiseOr, .stem = "bitwiseor");
DEFINE_COMMUTATIVE(BitwiseXor, .stem = "bitwisexor");
DEFINE_ELEMENTWISE(Ceil, .stem = "ceil", .content = content_ceil);
DEFINE_ELEMENTWISE(Celu, .stem = "celu", .attrs = {{"alpha", 1.0f, 1.0f, 0}});
DEFINE_ELEMENTWISE(Cos, .stem = "cos");
DEFINE_ELEMENTWISE(Cosh, .stem = "cosh");
DEFINE_ELEMENTWISE(Div, .stem = "div", .content = content_div);
DEFINE_ELEMENTWISE(Elu, .stem = "elu", .attrs = {{"alpha", 1.0f, 1.0f, 0}});
DEFINE_COMMUTATIVE(Equal, .stem = "equal", .result = RESULT_BOOL, .content = content_equal);
DEFINE_ELEMENTWISE(Erf, .stem = "erf");
DEFINE_ELEMENTWISE(Exp, .stem = "exp");
DEFINE_ELEMENTWISE(Floor, .stem = "floor", .content = content_floor);
DEFINE_ELEMENTWISE(Gelu, .choose = choose_gelu);
DEFINE_ELEMENTWISE(Greater, .stem = "greater", .result = RESULT_BOOL, .content = content_greater);
DEFINE_ELEMENTWISE(GreaterOrEqual, .stem = "greaterorequal", .result = RESULT_BOOL,
                   .content = content_greaterorequal);
DEFINE_ELEMENTWISE(HardSigmoid, .stem = "hardsigmoid",
                   .attrs = {{"alpha", 0.2f, 0.2f, 0}, {"beta", 0.5f, 0.5f, 0}});
DEFINE_ELEMENTWISE(HardSwish, .stem = "hardswish");
DEFINE_ELEMENTWISE(IsInf, .choose = choose_isinf, .result = RESULT_BOOL);
DEFINE_ELEMENTWISE(IsNaN, .stem = "isnan", .result = RESULT_BOOL);
DEFINE_ELEMENTWISE(LeakyRelu, .stem = "leakyrelu", .attrs = {{"alpha", 0.01f, 0.01f, 0}});
DEFINE_ELEMENTWISE(Less, .stem = "less", .result = RESULT_BOOL, .content = content_less);
DEFINE_ELEMENTWISE(LessOrEqual, .stem = "lessorequal", .result = RESULT_BOOL,
                   .content = content_lessorequal);
DEFINE_ELEMENTWISE(Log, .stem = "log");
DEFINE_COMMUTATIVE(Max, .stem = "max", .variadic = true, .content = content_max);
DEFINE_COMMUTATIVE(Mean, .stem = "add", .variadic = true, .mean = true);
DEFINE_COMMUTATIVE(Min, .stem = "min", .variadic = true, .content = content_min);
DEFINE_ELEMENTWISE(Mish, .stem = "mish");
DEFINE_ELEMENTWISE(Mod, .choose = choose_mod, .content = content_mod);
DEFINE_COMMUTATIVE(Mul, .stem = "mul", .content = content_mul);
DEFINE_ELEMENTWISE(Neg, .stem = "neg", .content = content_neg);
DEFINE_ELEMENTWISE(Not, .stem = "not", .content = content_not);
DEFINE_COMMUTATIVE(Or, .stem = "or", .content = content_or);
DEFINE_ELEMENTWISE(PRelu, .stem = "prelu", .channels = true);
DEFINE_ELEMENTWISE(Reciprocal, .stem = "reciprocal");
DEFINE_ELEMENTWISE(Relu, .stem = "relu", .content = content_relu);
DEFINE_ELEMENTWISE(Round, .stem = "round", .content = content_round);
DEFINE_ELEMENTWISE(Selu, .stem = "selu",
                   .attrs = {{"alpha", 1.67326319217681884765625f, 1.6732f, 6},
                             {"gamma", 1.05070102214813232421875f, 1.0507f, 6}});
DEFINE_ELEMENTWISE(Shrink, .stem = "shrink",
                   .attrs = {{"lambd", 0.5f, 0.5f, 0}, {"bias", 0.0f, 0.0f, 0}});
DEFINE_ELEMENTWISE(Sigmoid, .stem = "sigmoid");
DEFINE_ELEMENTWISE(Sign, .stem = "sign");
DEFINE_ELEMENTWISE(Sin, .stem = "sin");
DEFINE_ELEMENTWISE(Sinh, .stem = "sinh");
DEFINE_ELEMENTWISE(Softplus, .stem = "softplus");
DEFINE_ELEMENTWISE(Softsign, .stem = "softsign");
DEFINE_ELEMENTWISE(Sqrt, .stem = "sqrt");
DEFINE_ELEMENTWISE(Sub, .stem = "sub", .content = content_sub);
DEFINE_COMMUTATIVE(Sum, .stem = "add", .variadic = true, .content = content_add);
DEFINE_ELEMENTWISE(Swish, .stem = "swish", .attrs = {{"alpha", 1.0f, 1.0f, 0}});
DEFINE_ELEMENTWISE(Tan, .stem = "tan");
DEFINE_ELEMENTWISE(Tanh, .stem = "tanh");
DEFINE_ELEMENTWISE(ThresholdedRelu, .stem = "thresholdedrelu", .attrs = {{"alpha", 1.0f, 1.0f, 0}});
DEFINE_ELEMENTWISE(Where, .stem = "where", .content = content_where);
DEFINE_COMMUTATIVE(Xor, .stem = "xor", .content = content_xor);

/* onnxruntime's own */
DEFINE_ELEMENTWISE_IN(MicrosoftBiasGelu, MICROSOFT, "BiasGelu", .stem = "gelu", .biased = true);
DEFINE_ELEMENTWISE_IN(MicrosoftFastGelu, MICROSOFT, "FastGelu", .stem = "gelutanh", .biased = true);
DEFINE_ELEMENTWISE_IN(MicrosoftGelu, MICROSOFT, "Gelu", .stem = "gelu");
DEFINE_ELEMENTWISE_IN(MicrosoftQuickGelu, MICROSOFT, "QuickGelu", .stem = "swish",
                      .attrs = {{"alpha", 1.702f, 1.702f, 0}});

/* --- types --- */

static const Row *row_of(const Node *node) {
  return node->op->row;
}

static const char *stem_of(const Node *node) {
  const Row *row = row_of(node);
  return row->choose ? row->choose(node) : row->stem;
}

/* The input whose dtype is that of the computation: of Where the second one. */
static const Value *leading_input(const Node *node) {
  return node_in(node, strcmp(stem_of(node), "where") == 0 ? 1 : 0);
}

DType elementwise_dtype(const char *stem, DType dtype) {
  bool is_short = dtype == DT_F16 || dtype == DT_BF16 || dtype_is_narrow(dtype);
  bool is_signed = dtype_info(dtype)->kind == KIND_INT;
  DType wider = is_short ? DT_F32 : is_signed ? DT_I64 : DT_U64;
  if (kernel_find_typed(stem, dtype)) return dtype;
  if (!is_short && !dtype_is_integer(dtype)) return DT_NONE;
  if (kernel_find_typed(stem, wider)) return wider;
  return !is_short && kernel_find_typed(stem, DT_F64) ? DT_F64 : DT_NONE;
}

/* --- broadcasting --- */

/* `value` with ones around its shape, so that its first dim stands at `axis` of `rank` dims: as old
 * broadcasting means it. The copy has the same id, hence the same buffer. */
static Value *aligned_at(Compilation *c, const Value *value, int axis, int rank) {
  Value *aligned = arena_copy(c->arena, value, sizeof *value);
  aligned->rank = rank;
  aligned->shape = ARENA_ARRAY(c->arena, Dim, rank + 1);
  for (int i = 0; i < rank; i++) aligned->shape[i] = dim_const(c->dims, 1);
  for (int i = 0; i < value->rank; i++) aligned->shape[axis + i] = value->shape[i];
  return aligned;
}

/* The axis of input 0 at which the first dim of input 1 stands, or -1: where they end together.
 * Before opset 7 an attribute says it; a slope of PRelu belonged to the channels. */
static int64_t old_axis(const Node *node) {
  if (node->version >= 7 || node->input_count < 2 || node->domain[0]) return -1;
  const Row *row = row_of(node);
  const Value *second = node_in(node, 1);
  if (row && row->channels) return second->rank == 1 ? 1 : -1;
  return node_int(node, "broadcast", 0) ? node_int(node, "axis", -1) : -1;
}

bool elementwise_operands(Compilation *c, const Node *node, Value **operands) {
  for (int i = 0; i < node->input_count; i++) operands[i] = node->inputs[i];
  int64_t axis = old_axis(node);
  if (axis < 0) return true;
  const Value *first = operands[0], *second = operands[1];
  if (axis + second->rank > first->rank)
    return node_error(c, node, "input 1 does not fit into input 0 at axis %d", (int)axis);
  operands[1] = aligned_at(c, second, (int)axis, first->rank);
  return true;
}

/* --- inference --- */

static bool check_inputs(Compilation *c, const Node *node) {
  if (node->input_count < 1) return node_error(c, node, "there is no input");
  if (node->input_count > MOST_INPUTS)
    return node_error(c, node, "more than %d inputs are not supported", MOST_INPUTS);
  for (int i = 0; i < node->input_count; i++)
    if (!node->inputs[i] && !(i == 1 && row_of(node)->biased))
      return node_error(c, node, "input %d is missing", i);
  DType dtype = leading_input(node)->dtype;
  if (elementwise_dtype(stem_of(node), dtype) == DT_NONE)
    return node_error(c, node, "elements of type %s are not supported", dtype_info(dtype)->name);
  return true;
}

static bool infer_elementwise(Compilation *c, Node *node) {
  const Row *row = row_of(node);
  Value *operands[MOST_INPUTS];
  Dim shape[MAX_RANK];
  int rank;
  if (!check_inputs(c, node) || !elementwise_operands(c, node, operands) ||
      !infer_broadcast(c, node, operands, node->input_count, &rank, shape))
    return false;
  Value *out = node_out(node, 0);
  value_set_type(c, out, row->result == RESULT_BOOL ? DT_BOOL : leading_input(node)->dtype, rank,
                 shape);
  if (row->content) content_apply(c, node, row->content, operands, node->input_count);
  return true;
}

/* --- lowering --- */

static Operand load_as(Lower *l, LoopNest *nest, const Value *value, DType dtype) {
  return nest_cast(l, nest, nest_load(l, nest, value), dtype);
}

/* x + the bias */
static Operand plus_bias(Lower *l, LoopNest *nest, Operand x, const Value *bias, DType dtype) {
  Operand pair[] = {x, load_as(l, nest, bias, dtype)};
  return nest_apply(l, nest, "add", dtype, pair, 2);
}

/* The arguments of the scalar function: one element of each input, then the attributes. */
static int load_arguments(Lower *l, const Node *node, LoopNest *nest, Value *const *operands,
                          DType dtype, Operand *args) {
  const Row *row = row_of(node);
  int count = 0, inputs = row->biased ? 1 : node->input_count;
  for (int i = 0; i < inputs; i++) {
    bool condition = operands[i]->dtype == DT_BOOL;
    args[count++] =
        condition ? nest_load(l, nest, operands[i]) : load_as(l, nest, operands[i], dtype);
  }
  if (row->biased && node_in(node, 1)) args[0] = plus_bias(l, nest, args[0], operands[1], dtype);
  for (int i = 0; i < MOST_ATTRS && row->attrs[i].name; i++) {
    const RowAttr *attr = &row->attrs[i];
    float missing = node->version < attr->since ? attr->missing_before : attr->missing;
    args[count++] = operand_real(dtype, (double)node_float(node, attr->name, missing));
  }
  return count;
}

/* f(f(a, b), c) …; of Mean the sum divided by the number of inputs. */
static Operand fold_inputs(Lower *l, const Node *node, LoopNest *nest, DType dtype) {
  Operand result = load_as(l, nest, node->inputs[0], dtype);
  for (int i = 1; i < node->input_count; i++) {
    Operand pair[] = {result, load_as(l, nest, node->inputs[i], dtype)};
    result = nest_apply(l, nest, stem_of(node), dtype, pair, 2);
  }
  if (!row_of(node)->mean) return result;
  Operand quotient[] = {result, operand_real(dtype, node->input_count)};
  return nest_apply(l, nest, "div", dtype, quotient, 2);
}

/* A quotient by a number is a product with its reciprocal, which processors do several times as
 * fast. It may differ by one rounding unless the number is a power of two. */
static const char *without_division(const Lower *l, const char *stem, DType dtype, Operand *args) {
  Operand *divisor = &args[1];
  if (strcmp(stem, "div") != 0 || dtype != DT_F32 || divisor->kind != OPERAND_REAL) return stem;
  double inverse = 1.0 / divisor->real;
  int exponent;
  bool exact = fabs(frexp(divisor->real, &exponent)) == 0.5;
  bool normal = fabs(inverse) >= (double)FLT_MIN && fabs(inverse) <= (double)FLT_MAX;
  if (!normal || (l->c->options->strict && !exact)) return stem;
  divisor->real = (double)(float)inverse;
  return "mul";
}

static bool lower_elementwise(Lower *l, const Node *node) {
  const Value *out = node_out(node, 0);
  const char *stem = stem_of(node);
  DType dtype = elementwise_dtype(stem, leading_input(node)->dtype);
  LoopNest *nest = lower_pointwise(l, out);
  if (row_of(node)->variadic) {
    nest_store(l, nest, out, fold_inputs(l, node, nest, dtype));
    return true;
  }
  Value *operands[MOST_INPUTS];
  Operand args[MAX_OPERANDS];
  if (!elementwise_operands(l->c, node, operands)) return false;
  int count = load_arguments(l, node, nest, operands, dtype, args);
  stem = without_division(l, stem, dtype, args);
  nest_store(l, nest, out, nest_apply(l, nest, stem, dtype, args, count));
  return true;
}
