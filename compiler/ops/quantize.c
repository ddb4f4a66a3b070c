/* quantize.c: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear, and com.microsoft's
 * operators that dequantise their inputs, compute in floats and quantise the result.
 *
 * Quantising is a loop nest of scalar functions, so it fuses with its neighbours. Scale and zero
 * point are read with stride 0 (one for the whole tensor), 1 (one for each index of an axis), or,
 * for blocks of `block_size` elements, over an axis cut in two. */
#include "ops/quantize.h"

#include <inttypes.h>
#include <string.h>

/* --- scales and zero points --- */

bool quantized_dtype(DType dtype) {
  return dtype == DT_U8 || dtype == DT_I8 || dtype == DT_U16 || dtype == DT_I16;
}

/* Reads scale or zero point with the given offset and strides, or, without strides, as a single
 * number. A missing zero point is 0. */
static Operand parameter(Lower *l, LoopNest *nest, const Value *value, Dim offset,
                         const Dim *stride) {
  if (!value) return operand_int(DT_I32, dim_const(l->c->dims, 0));
  if (!stride) return nest_load_number(l, nest, value);
  return nest_load_at(l, nest, lower_buffer(l, value), offset, stride);
}

Operand nest_quantize(Lower *l, LoopNest *nest, Operand x, const Value *scale, const Value *zero,
                      const Dim *stride, DType to) {
  Operand args[] = {x, parameter(l, nest, scale, NULL, stride),
                    parameter(l, nest, zero, NULL, stride)};
  return nest_apply(l, nest, "quantize_f32", to, args, 3);
}

/* "dequantize_<dtype>" */
static const char *dequantize_stem(Arena *arena, DType dtype) {
  return arena_printf(arena, "dequantize_%s", dtype_info(dtype)->short_name);
}

Operand nest_dequantize(Lower *l, LoopNest *nest, Operand level, const Value *scale,
                        const Value *zero, const Dim *stride, DType to) {
  Operand args[] = {level, parameter(l, nest, scale, NULL, stride),
                    parameter(l, nest, zero, NULL, stride)};
  return nest_apply(l, nest, dequantize_stem(l->c->arena, level.dtype), to, args, 3);
}

/* --- QuantizeLinear and DequantizeLinear --- */

/* A part of the tensor as a nest: its own dims, or, in blocks, with the axis cut into blocks and
 * the places in a block. */
typedef struct {
  int rank;
  Dim extent[MAX_RANK];
  Dim offset, stride[MAX_RANK];             /* in the tensor … */
  Dim scale_offset, scale_stride[MAX_RANK]; /* … and in scale and zero point */
} Part;

/* All of the tensor: one part, or the whole blocks and the last, shorter one. */
typedef struct {
  bool single; /* one scale for all */
  int part_count;
  Part parts[2];
} Grid;

static bool is_single(const Value *scale) {
  if (scale->rank == 0) return true;
  return scale->rank == 1 && dim_is(scale->shape[0], 1);
}

static bool read_axis(Compilation *c, const Node *node, int *axis) {
  const Value *x = node_in(node, 0);
  int64_t given = node_int(node, "axis", 1);
  if (x->rank == 1) given = 0; /* the only one; files have the default, or that of the weights */
  return infer_axis(c, node, given, x->rank, axis);
}

/* Scale with one number for each index of the axis. */
static bool axis_grid(Compilation *c, const Node *node, int axis, Grid *grid) {
  const Value *x = node_in(node, 0), *scale = node_in(node, 1);
  if (!infer_require_equal(c, node, scale->shape[0], x->shape[axis],
                           "the number of scales and the extent of the axis"))
    return false;
  for (int d = 0; d < x->rank; d++) grid->parts[0].scale_stride[d] = dim_const(c->dims, d == axis);
  return true;
}

/* Of x [.., blocks * block, ..] the `blocks` from number `first` on, each `extent` long. */
static Part block_part(Compilation *c, const Node *node, int axis, int64_t block, Dim first,
                       Dim blocks, Dim extent) {
  const Value *x = node_in(node, 0), *scale = node_in(node, 1);
  Dim own[MAX_RANK], scales[MAX_RANK];
  Part part = {.rank = x->rank + 1};
  nest_strides(c, x->rank, x->shape, own);
  nest_strides(c, scale->rank, scale->shape, scales);
  for (int d = 0, k = 0; d < x->rank; d++, k++) {
    part.extent[k] = d == axis ? blocks : x->shape[d];
    part.stride[k] = d == axis ? dim_muli(c->dims, own[d], block) : own[d];
    part.scale_stride[k] = scales[d];
    if (d != axis) continue;
    part.extent[++k] = extent;
    part.stride[k] = own[d];
    part.scale_stride[k] = dim_const(c->dims, 0);
  }
  part.offset = dim_mul(c->dims, first, dim_muli(c->dims, own[axis], block));
  part.scale_offset = dim_mul(c->dims, first, scales[axis]);
  return part;
}

/* Scale of the same rank as x, with one number for each block along the axis. */
static bool block_grid(Compilation *c, const Node *node, int axis, int64_t block, Grid *grid) {
  const Value *x = node_in(node, 0), *scale = node_in(node, 1);
  Dim zero = dim_const(c->dims, 0), one = dim_const(c->dims, 1), size = dim_const(c->dims, block);
  if (scale->rank != x->rank || block < 1)
    return node_error(
        c, node, "blocks need scales of the same rank as the data, and a block_size of 1 or more");
  if (x->rank == MAX_RANK)
    return node_error(c, node, "tensors of rank %d have no blocks", MAX_RANK);
  for (int d = 0; d < x->rank; d++) {
    Dim blocks = d == axis ? dim_ceildiv(c->dims, x->shape[d], size) : x->shape[d];
    if (!infer_require_equal(c, node, scale->shape[d], blocks,
                             "the extent of the scales and the number of blocks"))
      return false;
  }
  Dim whole = dim_floordiv(c->dims, x->shape[axis], size);
  Dim rest = dim_sub(c->dims, x->shape[axis], dim_muli(c->dims, whole, block));
  grid->parts[0] = block_part(c, node, axis, block, zero, whole, size);
  grid->parts[1] = block_part(c, node, axis, block, whole, one, rest);
  grid->part_count = dim_is(rest, 0) ? 1 : 2;
  return true;
}

static bool make_grid(Compilation *c, const Node *node, Grid *grid) {
  const Value *x = node_in(node, 0), *scale = node_in(node, 1);
  int64_t block = node_int(node, "block_size", 0);
  int axis = 0;
  *grid = (Grid){.single = is_single(scale) && block == 0, .part_count = 1};
  grid->parts[0].rank = x->rank;
  memcpy(grid->parts[0].extent, x->shape, (size_t)x->rank * sizeof(Dim));
  nest_strides(c, x->rank, x->shape, grid->parts[0].stride);
  if (grid->single) return true;
  if (!read_axis(c, node, &axis)) return false;
  if (block != 0 || scale->rank > 1) return block_grid(c, node, axis, block, grid);
  return axis_grid(c, node, axis, grid);
}

/* Appends what a node does to one element of x with the given scale and zero point. */
typedef Operand (*ElementRule)(Lower *l, const Node *node, LoopNest *nest, Operand x, Operand scale,
                               Operand zero);

static bool lower_grid(Lower *l, const Node *node, ElementRule rule) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  Grid grid;
  if (!make_grid(l->c, node, &grid)) return false;
  for (int i = 0; i < grid.part_count; i++) {
    const Part *part = &grid.parts[i];
    const Dim *stride = grid.single ? NULL : part->scale_stride;
    LoopNest *nest = lower_nest(l, part->rank, part->extent);
    Operand element = nest_load_at(l, nest, lower_buffer(l, x), part->offset, part->stride);
    Operand scale = parameter(l, nest, node_in(node, 1), part->scale_offset, stride);
    Operand zero = parameter(l, nest, node_in(node, 2), part->scale_offset, stride);
    nest_store_at(l, nest, lower_buffer(l, y), part->offset, part->stride,
                  rule(l, node, nest, element, scale, zero));
  }
  return true;
}

static bool infer_quantize(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *zero = node_in(node, 2);
  Grid grid;
  DType to = zero ? zero->dtype : dtype_from_onnx((int)node_int(node, "output_dtype", 0));
  if (to == DT_NONE) to = DT_U8;
  if (!kernel_find_typed("quantize_f32", to) || x->dtype == DT_F64)
    return node_error(c, node, "quantising %s to %s is not supported", dtype_info(x->dtype)->name,
                      dtype_info(to)->name);
  if (!make_grid(c, node, &grid)) return false;
  value_set_type(c, node_out(node, 0), to, x->rank, x->shape);
  return true;
}

/* The type in which x is divided by its scale: f32, or, from opset 23 on, that of attribute
 * `precision` or of the scale, if it has fewer bits. */
static DType quotient_dtype(const Node *node) {
  DType named = dtype_from_onnx((int)node_int(node, "precision", 0));
  if (named == DT_NONE && node->version >= 23) named = node_in(node, 1)->dtype;
  return named == DT_F16 || named == DT_BF16 ? named : DT_F32;
}

static Operand quantize_element(Lower *l, const Node *node, LoopNest *nest, Operand x,
                                Operand scale, Operand zero) {
  DType to = node_out(node, 0)->dtype, precision = quotient_dtype(node);
  bool open = !node_int(node, "saturate", 1) && kernel_find_typed("quantizeopen_f32", to);
  Operand args[] = {x, scale, zero};
  if (precision != DT_F32) {
    args[0] = nest_apply(l, nest, "div", precision, args, 2);
    args[1] = operand_real(DT_F32, 1);
  }
  return nest_apply(l, nest, open ? "quantizeopen_f32" : "quantize_f32", to, args, 3);
}

static bool lower_quantize(Lower *l, const Node *node) {
  return lower_grid(l, node, quantize_element);
}

static bool infer_dequantize(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Grid grid;
  DType to = dtype_from_onnx((int)node_int(node, "output_dtype", 0));
  if (to == DT_NONE) to = node_in(node, 1)->dtype;
  if (!kernel_find_typed(dequantize_stem(c->arena, x->dtype), DT_F32) || !dtype_is_float(to))
    return node_error(c, node, "dequantising %s to %s is not supported", dtype_info(x->dtype)->name,
                      dtype_info(to)->name);
  if (!make_grid(c, node, &grid)) return false;
  value_set_type(c, node_out(node, 0), to, x->rank, x->shape);
  return true;
}

static Operand dequantize_element(Lower *l, const Node *node, LoopNest *nest, Operand level,
                                  Operand scale, Operand zero) {
  Operand args[] = {level, scale, zero};
  const char *stem = dequantize_stem(l->c->arena, level.dtype);
  return nest_cast(l, nest, nest_apply(l, nest, stem, DT_F32, args, 3), node_out(node, 0)->dtype);
}

static bool lower_dequantize(Lower *l, const Node *node) {
  return lower_grid(l, node, dequantize_element);
}

DEFINE_OP(QuantizeLinear) = {
    .name = "QuantizeLinear", .infer = infer_quantize, .lower = lower_quantize};
DEFINE_OP(DequantizeLinear) = {
    .name = "DequantizeLinear", .infer = infer_dequantize, .lower = lower_dequantize};
DEFINE_OP(MicrosoftQuantizeLinear) = {.domain = MICROSOFT,
                                      .name = "QuantizeLinear",
                                      .infer = infer_quantize,
                                      .lower = lower_quantize};
DEFINE_OP(MicrosoftDequantizeLinear) = {.domain = MICROSOFT,
                                        .name = "DequantizeLinear",
                                        .infer = infer_dequantize,
                                        .lower = lower_dequantize};

/* --- DynamicQuantizeLinear --- */

static bool infer_dynamic(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  if (x->dtype != DT_F32) return node_error(c, node, "the input must be float32");
  if (node_out(node, 0)) value_set_type(c, node_out(node, 0), DT_U8, x->rank, x->shape);
  if (node_out(node, 1)) value_set_type(c, node_out(node, 1), DT_F32, 0, NULL);
  if (node_out(node, 2)) value_set_type(c, node_out(node, 2), DT_U8, 0, NULL);
  return true;
}

void lower_dynamic_range(Lower *l, const Value *x, Buffer *scale, Buffer *zero) {
  Step *step = lower_kernel(l, "dynamic_range_f32", DT_U8);
  arg_in(l, step, x);
  arg_buffer(l, step, scale);
  arg_buffer(l, step, zero);
  arg_dim(l, step, value_count(l->c, x));
}

/* Elements of a unit of work of the kernels on bytes. */
enum { UNIT_ELEMENTS = 1024 };

void lower_dynamic_levels(Lower *l, const Value *x, Buffer *scale, Buffer *zero, Buffer *levels) {
  Dim count = value_count(l->c, x);
  Step *step = lower_kernel(l, "int8_quantize", levels->dtype);
  arg_in(l, step, x);
  arg_buffer(l, step, scale);
  arg_buffer(l, step, zero);
  arg_buffer(l, step, levels);
  arg_dim(l, step, count);
  step_units(step, dim_ceildiv(l->c->dims, count, dim_const(l->c->dims, UNIT_ELEMENTS)));
}

static bool lower_dynamic(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0);
  Dim one = dim_const(l->c->dims, 1);
  Buffer *scale = lower_wanted(l, node_out(node, 1), DT_F32, one, "range");
  Buffer *zero = lower_wanted(l, node_out(node, 2), DT_U8, one, "range");
  lower_dynamic_range(l, x, scale, zero);
  if (node_out(node, 0))
    lower_dynamic_levels(l, x, scale, zero, lower_buffer(l, node_out(node, 0)));
  return true;
}

DEFINE_OP(DynamicQuantizeLinear) = {
    .name = "DynamicQuantizeLinear", .infer = infer_dynamic, .lower = lower_dynamic};

/* --- float operators on quantised tensors --- */

/* QLinearX as X: which inputs are tensors (each followed by its scale and zero point), and where
 * the scale of the result is. */
typedef struct {
  const char *name; /* of X */
  int version;      /* opset in which X is looked at; 0: that of the attribute `opset` */
  int inputs;       /* tensors; 0: as many as there are */
  int first;        /* position of the first tensor */
  int scale;        /* position of the scale of the result */
} FloatRow;

static const FloatRow row_add = {"Add", 14, 2, 0, 6}, row_mul = {"Mul", 14, 2, 0, 6},
                      row_sigmoid = {"Sigmoid", 13, 1, 0, 3},
                      row_leaky_relu = {"LeakyRelu", 16, 1, 0, 3},
                      row_softmax = {"Softmax", 0, 1, 0, 3},
                      row_global_average = {"GlobalAveragePool", 1, 1, 0, 3},
                      row_average = {"AveragePool", 11, 1, 0, 3},
                      row_reduce_mean = {"ReduceMean", 13, 1, 0, 3},
                      row_concat = {"Concat", 13, 0, 2, 0};

/* [N, …, C] to [N, C, …], or `back`: the float node has its channels there, whatever
 * `channels_last` says. */
static void move_channels(const Node *node, int rank, Dim *dims, bool back) {
  if (!node_int(node, "channels_last", 0)) return;
  int from = back ? 1 : rank - 1, to = back ? rank - 1 : 1, step = back ? 1 : -1;
  Dim channels = dims[from];
  for (int d = from; d != to; d += step) dims[d] = dims[d + step];
  dims[to] = channels;
}

/* Strides of a tensor of the node along the axes of the float node's. */
static void float_strides(Lower *l, const Node *node, const Value *value, Dim *stride) {
  nest_strides(l->c, value->rank, value->shape, stride);
  move_channels(node, value->rank, stride, false);
}

/* Tensors among the inputs. */
static int tensors_of(const Node *node, const FloatRow *row) {
  return row->inputs ? row->inputs : (node->input_count - row->first) / 3;
}

/* The float node that stands for `node`: its inputs and output are values of their own, in f32. */
static Node *float_node(Compilation *c, const Node *node, const FloatRow *row) {
  Node *copy = ARENA_NEW(c->arena, Node);
  *copy = *node;
  int count = tensors_of(node, row);
  copy->domain = "";
  copy->op_type = row->name;
  copy->op = op_find("", row->name);
  copy->version = row->version ? row->version : (int)node_int(node, "opset", 13);
  copy->inputs = ARENA_ARRAY(c->arena, Value *, count);
  copy->outputs = ARENA_ARRAY(c->arena, Value *, 1);
  copy->input_count = count;
  copy->output_count = 1;
  memset(&copy->checks, 0, sizeof copy->checks);
  for (int i = 0; i < count; i++) {
    const Value *from = node_in(node, row->first + i * 3);
    Value *real = copy->inputs[i] = value_create(c, from->name);
    value_set_type(c, real, DT_F32, from->rank, from->shape);
    move_channels(node, real->rank, real->shape, false);
  }
  copy->outputs[0] = value_create(c, node_out(node, 0)->name);
  return copy;
}

static bool check_float_operator(Compilation *c, const Node *node, const FloatRow *row) {
  int count = tensors_of(node, row);
  if (count < 1) return node_error(c, node, "there is no tensor with its scale and zero point");
  for (int i = 0; i < count; i++)
    if (!node_in(node, row->first + i * 3))
      return node_error(c, node, "input %d is missing", row->first + i * 3);
  if (node_int(node, "channels_last", 0) && node_in(node, row->first)->rank < 3)
    return node_error(c, node, "the input must have three dims or more");
  for (int i = 0; i <= count; i++) {
    int at = i < count ? row->first + i * 3 + 1 : row->scale;
    const Value *scale = node_in(node, at);
    if (!scale || scale->rank > 1 || (scale->rank == 1 && !dim_is(scale->shape[0], 1)))
      return node_error(c, node, "input %d must be a single scale", at);
    if (i < count && !quantized_dtype(node_in(node, at - 1)->dtype))
      return node_error(c, node, "input %d must be a tensor of small integers", at - 1);
  }
  return true;
}

static bool infer_float_operator(Compilation *c, Node *node) {
  const FloatRow *row = node->op->row;
  if (!check_float_operator(c, node, row)) return false;
  Node *copy = float_node(c, node, row);
  if (!copy->op || !copy->op->infer(c, copy)) return false;
  Value *result = copy->outputs[0];
  move_channels(node, result->rank, result->shape, true);
  value_set_type(c, node_out(node, 0), node_in(node, row->first)->dtype, result->rank,
                 result->shape);
  for (size_t i = 0; i < copy->checks.count; i++)
    vec_push(c->arena, &node->checks, copy->checks.items[i]);
  return true;
}

static bool lower_float_operator(Lower *l, const Node *node) {
  const FloatRow *row = node->op->row;
  Node *copy = float_node(l->c, node, row);
  Dim stride[MAX_RANK];
  for (int i = 0; i < copy->input_count; i++) {
    int at = row->first + i * 3;
    const Value *real = copy->inputs[i], *x = node_in(node, at);
    LoopNest *nest = lower_nest(l, real->rank, real->shape);
    float_strides(l, node, x, stride);
    Operand level = nest_load_at(l, nest, lower_buffer(l, x), NULL, stride);
    nest_store(l, nest, real,
               nest_dequantize(l, nest, level, node_in(node, at + 1), node_in(node, at + 2), NULL,
                               DT_F32));
  }
  if (!copy->op->infer(l->c, copy) || !copy->op->lower(l, copy)) return false;
  const Value *real = copy->outputs[0], *y = node_out(node, 0);
  LoopNest *nest = lower_nest(l, real->rank, real->shape);
  Operand result = nest_quantize(l, nest, nest_load(l, nest, real), node_in(node, row->scale),
                                 node_in(node, row->scale + 1), NULL, y->dtype);
  float_strides(l, node, y, stride);
  nest_store_at(l, nest, lower_buffer(l, y), NULL, stride, result);
  return true;
}

#define FLOAT_OPERATOR(operator, data)                                                             \
  {                                                                                                \
    .domain = MICROSOFT, .name = operator, .infer = infer_float_operator,                          \
    .lower = lower_float_operator, .row = data                                                     \
  }

DEFINE_OP(QLinearAdd) = FLOAT_OPERATOR("QLinearAdd", &row_add);
DEFINE_OP(QLinearMul) = FLOAT_OPERATOR("QLinearMul", &row_mul);
DEFINE_OP(QLinearSigmoid) = FLOAT_OPERATOR("QLinearSigmoid", &row_sigmoid);
DEFINE_OP(QLinearLeakyRelu) = FLOAT_OPERATOR("QLinearLeakyRelu", &row_leaky_relu);
DEFINE_OP(QLinearSoftmax) = FLOAT_OPERATOR("QLinearSoftmax", &row_softmax);
DEFINE_OP(QLinearGlobalAveragePool) = FLOAT_OPERATOR("QLinearGlobalAveragePool",
                                                     &row_global_average);
DEFINE_OP(QLinearAveragePool) = FLOAT_OPERATOR("QLinearAveragePool", &row_average);
DEFINE_OP(QLinearReduceMean) = FLOAT_OPERATOR("QLinearReduceMean", &row_reduce_mean);
DEFINE_OP(QLinearConcat) = FLOAT_OPERATOR("QLinearConcat", &row_concat);
