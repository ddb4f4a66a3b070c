/* fill.c: operators that make tensors out of a few numbers: Constant, ConstantOfShape, Range,
 * EyeLike, Trilu, OneHot. */
#include "ops/content.h"
#include "ops/movement.h"

#include <inttypes.h>
#include <math.h>

/* --- Constant --- */

/* Its result is a constant at once: no node is left to lower. */
static bool infer_constant(Compilation *c, Node *node) {
  const Tensor *tensor = node->attr_count == 1 ? attr_tensor(c->arena, &node->attrs[0]) : NULL;
  if (!tensor)
    return node_error(c, node, "it needs exactly one attribute that holds its value, not %d",
                      node->attr_count);
  if (node_out(node, 0)) value_set_constant(c, node_out(node, 0), tensor);
  return true;
}

DEFINE_OP(Constant) = {.name = "Constant", .infer = infer_constant};

/* --- ConstantOfShape --- */

static bool infer_constant_of_shape(Compilation *c, Node *node) {
  const Attr *value = node_attr(node, "value");
  Value *y = node_out(node, 0);
  const Dim *shape;
  int rank;
  if (value && (!value->tensor || value->tensor->count != 1))
    return node_error(c, node, "attribute 'value' must hold one element");
  if (!infer_elements(c, node, 0, 0, INT64_MAX, &shape, &rank)) return false;
  if (rank > MAX_RANK)
    return node_error(c, node, "a rank of %d is not supported (at most %d)", rank, MAX_RANK);
  for (int d = 0; d < rank; d++)
    if (dim_is_const(shape[d]) && dim_value(shape[d]) < 0)
      return node_error(c, node, "the shape holds %" PRId64, dim_value(shape[d]));
  value_set_type(c, y, value ? value->tensor->dtype : DT_F32, rank, shape);
  Dim total = value_count(c, y);
  if (!content_fits(total) || !dtype_is_integer(y->dtype)) return true;
  Dim *content = ARENA_ARRAY(c->arena, Dim, dim_value(total));
  for (int64_t i = 0; i < dim_value(total); i++)
    content[i] = dim_const(c->dims, tensor_int(value->tensor, 0));
  infer_content(c, y, content, dim_value(total));
  return true;
}

/* A literal, or, of types without literals, an element of a constant. */
static Operand fill_operand(Lower *l, LoopNest *nest, const Tensor *value) {
  Operand literal;
  if (!value) return operand_real(DT_F32, 0);
  if (operand_literal(l->c, value, &literal)) return literal;
  return nest_load_first(l, nest, lower_constant(l, value, "value"));
}

static bool lower_constant_of_shape(Lower *l, const Node *node) {
  const Attr *value = node_attr(node, "value");
  const Value *y = node_out(node, 0);
  LoopNest *nest = lower_nest(l, y->rank, y->shape);
  nest_store(l, nest, y, fill_operand(l, nest, value ? value->tensor : NULL));
  return true;
}

DEFINE_OP(ConstantOfShape) = {
    .name = "ConstantOfShape", .infer = infer_constant_of_shape, .lower = lower_constant_of_shape};

/* --- Range: y[i] = start + i * delta for 0 <= i < ceil((limit - start) / delta) --- */

enum { RANGE_START, RANGE_LIMIT, RANGE_DELTA, RANGE_INPUTS };

/* The three inputs as integer expressions; elements of integer inputs are read at run time if need
 * be. */
static bool range_parts(Compilation *c, const Node *node, Dim *parts) {
  for (int i = 0; i < RANGE_INPUTS; i++) {
    Value *value = node_in(node, i);
    const Dim *content = content_of(c, value);
    if (!content && !dtype_is_integer(value->dtype)) return false;
    parts[i] = content ? content[0] : value_element(c, value, 0, INT64_MIN, INT64_MAX);
  }
  return true;
}

/* The number of elements; the sign of delta, which is not 0, decides which way to count. */
static Dim range_steps(Compilation *c, const Dim *parts) {
  DimPool *pool = c->dims;
  Dim zero = dim_const(pool, 0), delta = parts[RANGE_DELTA];
  Dim distance = dim_sub(pool, parts[RANGE_LIMIT], parts[RANGE_START]);
  DimRange range = dim_range(delta);
  Dim up = range.high > 0 ? dim_ceildiv(pool, distance, delta) : NULL;
  Dim down = range.low < 0
                 ? dim_ceildiv(pool, dim_muli(pool, distance, -1), dim_muli(pool, delta, -1))
                 : NULL;
  Dim steps = up && down ? dim_select(pool, dim_less(pool, zero, delta), up, down) : up ? up : down;
  return dim_max(pool, steps, zero);
}

static bool range_count(Compilation *c, const Node *node, const Dim *parts, Dim *count) {
  Dim is_zero = dim_equal(c->dims, parts[RANGE_DELTA], dim_const(c->dims, 0));
  if (!infer_require(c, node, dim_not(c->dims, is_zero), "delta must not be 0")) return false;
  *count = range_steps(c, parts);
  return true;
}

/* Fractions are counted in f64 here, as the kernel does at run time. */
static bool range_constant_count(const Node *node, int64_t *count) {
  double parts[RANGE_INPUTS];
  for (int i = 0; i < RANGE_INPUTS; i++) {
    if (!node_in(node, i)->constant) return false;
    parts[i] = tensor_real(node_in(node, i)->constant, 0);
  }
  double steps = ceil((parts[RANGE_LIMIT] - parts[RANGE_START]) / parts[RANGE_DELTA]);
  *count = steps > 0 ? (int64_t)steps : 0;
  return steps < 1e15; /* also false for NaN */
}

static void range_content(Compilation *c, Value *y, const Dim *parts) {
  if (!content_fits(y->shape[0])) return;
  int64_t count = dim_value(y->shape[0]);
  Dim *content = ARENA_ARRAY(c->arena, Dim, count);
  for (int64_t i = 0; i < count; i++)
    content[i] = dim_add(c->dims, parts[RANGE_START], dim_muli(c->dims, parts[RANGE_DELTA], i));
  infer_content(c, y, content, count);
}

static bool infer_range(Compilation *c, Node *node) {
  Value *y = node_out(node, 0);
  Dim parts[RANGE_INPUTS], count;
  int64_t known;
  for (int i = 0; i < RANGE_INPUTS; i++)
    if (node_in(node, i)->rank > 1 || !dim_is(value_count(c, node_in(node, i)), 1))
      return node_error(c, node, "input %d must be a single number", i);
  bool whole = range_parts(c, node, parts);
  if (whole && !range_count(c, node, parts, &count)) return false;
  if (!whole && range_constant_count(node, &known)) {
    count = dim_const(c->dims, known);
  } else if (!whole) {
    count = infer_data_dim(c, y, 0, NULL);
  }
  if (whole) count = infer_own_dim(c, node, y, 0, count, NULL);
  value_set_type(c, y, node_in(node, 0)->dtype, 1, &count);
  if (whole) range_content(c, y, parts);
  return true;
}

/* A data symbol in the shape gets its value: from the integer inputs, or by a kernel that counts.
 */
static void define_range_count(Lower *l, const Node *node) {
  const Value *y = node_out(node, 0);
  const DimSymbol *symbol = dim_symbol(y->shape[0]);
  Dim parts[RANGE_INPUTS];
  lower_own_dims(l, y);
  if (range_parts(l->c, node, parts)) return;
  if (!symbol || symbol->kind != SYMBOL_DATA) return;
  Buffer *count = lower_scratch(l, DT_I64, dim_const(l->c->dims, 1), "count");
  Buffer *numbers[RANGE_INPUTS];
  for (int i = 0; i < RANGE_INPUTS; i++) numbers[i] = lower_converted(l, node_in(node, i), DT_F64);
  Step *step = lower_kernel(l, "range_count", DT_F64);
  for (int i = 0; i < RANGE_INPUTS; i++) arg_buffer(l, step, numbers[i]);
  arg_buffer(l, step, count);
  lower_define_element(l, symbol, count, dim_const(l->c->dims, 0));
}

static bool lower_range(Lower *l, const Node *node) {
  const Value *y = node_out(node, 0);
  DType dtype = compute_dtype(y->dtype);
  define_range_count(l, node);
  LoopNest *nest = lower_nest(l, 1, y->shape);
  Operand step[2] = {
      nest_cast(l, nest, operand_loop(0), dtype),
      nest_cast(l, nest, nest_load_number(l, nest, node_in(node, RANGE_DELTA)), dtype)};
  Operand sum[2] = {
      nest_cast(l, nest, nest_load_number(l, nest, node_in(node, RANGE_START)), dtype)};
  sum[1] = nest_apply(l, nest, "mul", dtype, step, 2);
  nest_store(l, nest, y, nest_apply(l, nest, "add", dtype, sum, 2));
  return true;
}

DEFINE_OP(Range) = {.name = "Range", .infer = infer_range, .lower = lower_range};

/* --- EyeLike, Trilu: conditions on column - row --- */

/* Loop `dimension` + 1 minus loop `dimension`. */
static Operand diagonal(Lower *l, LoopNest *nest, int dimension) {
  const Operand args[] = {operand_loop(dimension + 1), operand_loop(dimension)};
  return nest_apply(l, nest, "sub", DT_I64, args, 2);
}

static bool infer_eye_like(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  const Attr *to = node_attr(node, "dtype");
  DType dtype = to ? dtype_from_onnx((int)to->i) : x->dtype;
  if (x->rank != 2) return node_error(c, node, "the input must have rank 2");
  if (dtype_info(dtype)->kind == KIND_OTHER)
    return node_error(c, node, "elements of type %s are not supported", dtype_info(dtype)->name);
  value_set_type(c, node_out(node, 0), dtype, 2, x->shape);
  return true;
}

static bool lower_eye_like(Lower *l, const Node *node) {
  const Value *y = node_out(node, 0);
  LoopNest *nest = lower_nest(l, 2, y->shape);
  const Operand args[] = {diagonal(l, nest, 0),
                          operand_int(DT_I64, dim_const(l->c->dims, node_int(node, "k", 0)))};
  Operand on = nest_apply(l, nest, "equal", DT_I64, args, 2);
  nest_store(l, nest, y, nest_cast(l, nest, on, y->dtype));
  return true;
}

DEFINE_OP(EyeLike) = {.name = "EyeLike", .infer = infer_eye_like, .lower = lower_eye_like};

static bool infer_trilu(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  if (x->rank < 2) return node_error(c, node, "the input must have rank 2 or more");
  if (dtype_info(x->dtype)->kind == KIND_OTHER)
    return node_error(c, node, "elements of type %s are not supported", dtype_info(x->dtype)->name);
  if (node_in(node, 1) && !dim_is(value_count(c, node_in(node, 1)), 1))
    return node_error(c, node, "input 1 (k) must be a single number");
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, x->shape);
  return true;
}

/* upper: what has column - row >= k stays; lower: what has column - row <= k. */
static bool lower_trilu(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *k = node_in(node, 1), *y = node_out(node, 0);
  LoopNest *nest = lower_nest(l, y->rank, y->shape);
  const Operand sides[] = {diagonal(l, nest, y->rank - 2),
                           k ? nest_load_number(l, nest, k)
                             : operand_int(DT_I64, dim_const(l->c->dims, 0))};
  const char *test = node_int(node, "upper", 1) ? "greaterorequal" : "lessorequal";
  const Operand choice[] = {nest_apply(l, nest, test, DT_I64, sides, 2), nest_load(l, nest, x),
                            operand_int(compute_dtype(x->dtype), dim_const(l->c->dims, 0))};
  nest_store(l, nest, y, nest_apply(l, nest, "where", x->dtype, choice, 3));
  return true;
}

DEFINE_OP(Trilu) = {.name = "Trilu", .infer = infer_trilu, .lower = lower_trilu};

/* --- OneHot --- */

/* A depth that is a float and only known at run time is read by lower_one_hot. */
static bool one_hot_depth(Compilation *c, const Node *node, int axis, Dim *depth) {
  Value *value = node_in(node, 1);
  const Dim *content = content_of(c, value);
  if (!dim_is(value_count(c, value), 1))
    return node_error(c, node, "input 1 (depth) must be a single number");
  if (content)
    *depth = content[0];
  else if (dtype_is_integer(value->dtype))
    *depth = value_element(c, value, 0, 0, INT64_MAX);
  else
    *depth = infer_data_dim(c, node_out(node, 0), axis, NULL);
  return true;
}

static bool infer_one_hot(Compilation *c, Node *node) {
  const Value *indices = node_in(node, 0), *values = node_in(node, 2);
  Dim shape[MAX_RANK], depth = NULL;
  int axis;
  if (indices->rank + 1 > MAX_RANK)
    return node_error(c, node, "the rank of the indices is too large");
  if (!require_movable(c, node) ||
      !infer_axis(c, node, node_int(node, "axis", -1), indices->rank + 1, &axis) ||
      !one_hot_depth(c, node, axis, &depth) ||
      !infer_require_equal(c, node, value_count(c, values), dim_const(c->dims, 2),
                           "the number of elements of input 2 (values) and 2"))
    return false;
  for (int d = 0; d <= indices->rank; d++)
    shape[d] = d < axis ? indices->shape[d] : d == axis ? depth : indices->shape[d - 1];
  value_set_type(c, node_out(node, 0), values->dtype, indices->rank + 1, shape);
  return true;
}

static bool lower_one_hot(Lower *l, const Node *node) {
  const Value *indices = node_in(node, 0), *y = node_out(node, 0);
  int axis = (int)node_int(node, "axis", -1);
  if (axis < 0) axis += y->rank;
  const Value *depth = node_in(node, 1);
  if (!dtype_is_integer(depth->dtype) && !content_of(l->c, depth))
    lower_define_element(l, dim_symbol(y->shape[axis]), lower_indices(l, depth),
                         dim_const(l->c->dims, 0));
  Buffer *positions = lower_indices(l, indices);
  Step *step = lower_kernel(l, "one_hot", DT_NONE);
  arg_buffer(l, step, positions);
  arg_in(l, step, node_in(node, 2));
  arg_out(l, step, y);
  arg_dim(l, step, dims_between(l->c, y, 0, axis));
  arg_dim(l, step, y->shape[axis]);
  arg_dim(l, step, dims_between(l->c, y, axis + 1, y->rank));
  arg_int(l, step, element_bytes(y->dtype));
  step_units(step, dims_between(l->c, y, 0, axis));
  return true;
}

DEFINE_OP(OneHot) = {.name = "OneHot", .infer = infer_one_hot, .lower = lower_one_hot};
