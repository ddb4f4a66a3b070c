/* cast.c: Cast, CastLike: y = x in another dtype; BitCast: the bits of x in another dtype.
 *
 * A loop nest of ctc_cast_A_B; the integers of shapes keep their content. */
#include "ops/content.h"
#include "ops/text.h"

#include <string.h>

/* The dtype asked for by attribute `to`: a code, or, in opset 1, a name such as "FLOAT". */
static DType named_target(const char *name) {
  static const struct {
    const char *name;
    DType dtype;
  } names[] = {{"FLOAT", DT_F32},    {"DOUBLE", DT_F64}, {"FLOAT16", DT_F16}, {"INT8", DT_I8},
               {"INT16", DT_I16},    {"INT32", DT_I32},  {"INT64", DT_I64},   {"UINT8", DT_U8},
               {"UINT16", DT_U16},   {"UINT32", DT_U32}, {"UINT64", DT_U64},  {"BOOL", DT_BOOL},
               {"STRING", DT_STRING}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i].name, name) == 0) return names[i].dtype;
  return DT_NONE;
}

static DType target_dtype(const Node *node) {
  const Attr *to = node_attr(node, "to");
  if (!to) return node_in(node, 1) ? node_in(node, 1)->dtype : DT_NONE;
  return to->kind == ATTR_STRING ? named_target(to->s) : dtype_from_onnx((int)to->i);
}

static bool has_cast(const char *stem, DType from, DType to) {
  return from == to || cast_find(stem, from, to) != NULL;
}

/* The dtype in which numbers of this one are written as text and read from it; DT_NONE: none. */
static DType text_dtype(DType dtype) {
  if (kernel_find_typed("text_from", dtype)) return dtype;
  DType wide = dtype_is_integer(dtype) || dtype == DT_BOOL ? DT_I64 : DT_F32;
  return has_cast("cast", dtype, wide) && has_cast("cast", wide, dtype) ? wide : DT_NONE;
}

static bool can_cast(DType from, DType to) {
  if (from == to) return true;
  if (to == DT_STRING) return text_dtype(from) != DT_NONE;
  return (from == DT_STRING ? text_dtype(to) : cast_between(from, to)) != DT_NONE;
}

static bool infer_cast(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  DType to = target_dtype(node);
  if (to == DT_NONE) return node_error(c, node, "the type to cast to is unknown");
  if (!can_cast(x->dtype, to))
    return node_error(c, node, "casting %s to %s is not supported", dtype_info(x->dtype)->name,
                      dtype_info(to)->name);
  value_set_type(c, node_out(node, 0), to, x->rank, x->shape);
  if (x->dtype != DT_STRING && to != DT_STRING)
    content_apply(c, node, content_cast, node->inputs, 1);
  return true;
}

/* Attribute `round_mode` as ctc_power_f8e8m0 takes it. */
static int64_t round_mode(const Node *node) {
  const char *mode = node_string(node, "round_mode", "up");
  return strcmp(mode, "up") == 0 ? 1 : strcmp(mode, "down") == 0 ? -1 : 0;
}

/* The last step of a cast, from a direct neighbour of `to`; attributes matter for 8-bit floats
 * only. */
static Operand cast_operand(Lower *l, const Node *node, LoopNest *nest, Operand x, DType to) {
  bool saturate = node_int(node, "saturate", 1) != 0;
  Operand args[] = {x, operand_int(DT_I32, dim_const(l->c->dims, round_mode(node))),
                    operand_int(DT_I32, dim_const(l->c->dims, saturate))};
  if (to == DT_F8E8M0) return nest_apply(l, nest, "power", to, args, 3);
  if (!saturate && has_cast("castopen", x.dtype, to))
    return nest_apply(l, nest, "castopen_f32", to, args, 1);
  return nest_cast(l, nest, x, to);
}

static int64_t cast_bytes(Compilation *c, const Node *node) {
  enum { NUMBER_BYTES = 32 };
  return node_in(node, 0)->dtype == DT_STRING ? text_bytes_around(c, node) : NUMBER_BYTES;
}

static bool lower_cast_to_text(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0);
  Value *y = node_out(node, 0);
  DType dtype = text_dtype(x->dtype);
  Dim count = value_count(l->c, x);
  Buffer *texts = lower_texts(l, node, count, text_bytes(l->c, y));
  if (!texts) return false;
  Buffer *numbers = lower_converted(l, x, dtype);
  Step *step = lower_kernel(l, "text_from", dtype);
  arg_buffer(l, step, numbers);
  arg_out(l, step, y);
  arg_buffer(l, step, texts);
  arg_dim(l, step, count);
  return true;
}

static bool lower_cast_from_text(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  DType dtype = text_dtype(y->dtype);
  Dim count = value_count(l->c, x), stride[MAX_RANK];
  bool direct = dtype == y->dtype;
  Buffer *numbers = direct ? lower_buffer(l, y) : lower_scratch(l, dtype, count, "numbers");
  Step *step = lower_kernel(l, "text_to", dtype);
  arg_in(l, step, x);
  arg_buffer(l, step, numbers);
  arg_dim(l, step, count);
  if (direct) return true;
  LoopNest *nest = lower_nest(l, y->rank, y->shape);
  nest_strides(l->c, y->rank, y->shape, stride);
  Operand value = nest_load_at(l, nest, numbers, NULL, stride);
  nest_store(l, nest, y, cast_operand(l, node, nest, value, y->dtype));
  return true;
}

static bool lower_cast(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  if (x->dtype == y->dtype) {
    lower_alias(l, y, x);
    return true;
  }
  if (y->dtype == DT_STRING) return lower_cast_to_text(l, node);
  if (x->dtype == DT_STRING) return lower_cast_from_text(l, node);
  LoopNest *nest = lower_nest(l, y->rank, y->shape);
  DType between = cast_between(x->dtype, y->dtype);
  Operand value = nest_load(l, nest, x);
  if (between != y->dtype) value = nest_cast(l, nest, value, between);
  nest_store(l, nest, y, cast_operand(l, node, nest, value, y->dtype));
  return true;
}

DEFINE_OP(Cast) = {.name = "Cast",
                   .flags = OP_KEEPS | OP_ELEMENTWISE,
                   .infer = infer_cast,
                   .lower = lower_cast,
                   .text_bytes = cast_bytes};
DEFINE_OP(CastLike) = {.name = "CastLike",
                       .flags = OP_KEEPS,
                       .infer = infer_cast,
                       .lower = lower_cast,
                       .text_bytes = cast_bytes};

/* --- BitCast --- */

static bool infer_bitcast(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  DType to = target_dtype(node);
  if (to == DT_NONE || !has_cast("bitcast", x->dtype, to))
    return node_error(c, node, "the bits of %s cannot be taken as %s", dtype_info(x->dtype)->name,
                      dtype_info(to)->name);
  value_set_type(c, node_out(node, 0), to, x->rank, x->shape);
  return true;
}

static bool lower_bitcast(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  LoopNest *nest = lower_nest(l, y->rank, y->shape);
  Operand value = nest_load(l, nest, x);
  const Kernel *bits = cast_find("bitcast", x->dtype, y->dtype);
  if (x->dtype != y->dtype) value = nest_call(l, nest, bits, &value, 1);
  nest_store(l, nest, y, value);
  return true;
}

DEFINE_OP(BitCast) = {.name = "BitCast", .infer = infer_bitcast, .lower = lower_bitcast};
