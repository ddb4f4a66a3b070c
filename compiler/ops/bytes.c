/* bytes.c: operators on the *byte form* of quantised tensors, made by pass quantize: unsigned bytes
 * with channels as the last axis. */
#include "ops/quantize.h"

#include <string.h>

/* Elements of a unit of work of ctc_int8_add. */
enum { UNIT_ELEMENTS = 1024 };

/* --- ToBytes, FromBytes: from and to tensors of any sign with channels as the second axis --- */

static void move_channels(const Value *x, bool last, Dim *shape) {
  memcpy(shape, x->shape, (size_t)x->rank * sizeof(Dim));
  if (x->rank < 3) return;
  for (int d = 1; d < x->rank; d++)
    shape[d] =
        last ? x->shape[d + 1 < x->rank ? d + 1 : 1] : x->shape[d == 1 ? x->rank - 1 : d - 1];
}

static bool infer_to_bytes(Compilation *c, Node *node) {
  Dim shape[MAX_RANK];
  const Value *x = node_in(node, 0);
  move_channels(x, true, shape);
  value_set_type(c, node_out(node, 0), DT_U8, x->rank, shape);
  return true;
}

static bool infer_from_bytes(Compilation *c, Node *node) {
  Dim shape[MAX_RANK];
  const Value *x = node_in(node, 0);
  move_channels(x, false, shape);
  DType to = node_int(node, "signed", 0) ? DT_I8 : DT_U8;
  value_set_type(c, node_out(node, 0), to, x->rank, shape);
  return true;
}

/* Loops over the tensor with channels second. */
static void lower_moved(Lower *l, const Value *x, const Value *y, const Value *plain,
                        const Value *bytes) {
  int rank = plain->rank;
  Dim own[MAX_RANK], last[MAX_RANK], stride[MAX_RANK];
  nest_strides(l->c, rank, plain->shape, own);
  nest_strides(l->c, rank, bytes->shape, last);
  for (int d = 0; d < rank; d++)
    stride[d] = rank < 3 || d == 0 ? last[d] : last[d == 1 ? rank - 1 : d - 1];
  LoopNest *nest = lower_nest(l, rank, plain->shape);
  Operand level = nest_load_at(l, nest, lower_buffer(l, x), NULL, x == plain ? own : stride);
  if (x->dtype != y->dtype)
    level = nest_apply(l, nest, x->dtype == DT_I8 ? "flip_i8" : "flip_u8", y->dtype, &level, 1);
  nest_store_at(l, nest, lower_buffer(l, y), NULL, y == plain ? own : stride, level);
}

static bool lower_to_bytes(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  lower_moved(l, x, y, x, y);
  return true;
}

static bool lower_from_bytes(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  lower_moved(l, x, y, y, x);
  return true;
}

DEFINE_OP(ToBytes) = {
    .domain = INTERNAL_DOMAIN, .name = "ToBytes", .infer = infer_to_bytes, .lower = lower_to_bytes};
DEFINE_OP(FromBytes) = {.domain = INTERNAL_DOMAIN,
                        .name = "FromBytes",
                        .infer = infer_from_bytes,
                        .lower = lower_from_bytes};

/* FlipBytes: signed bytes that have channels last already. */
static bool infer_flip(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  value_set_type(c, node_out(node, 0), DT_U8, x->rank, x->shape);
  return true;
}

static bool lower_flip(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  LoopNest *nest = lower_nest(l, x->rank, x->shape);
  Operand level = nest_load(l, nest, x);
  nest_store(l, nest, y, nest_apply(l, nest, "flip_i8", DT_U8, &level, 1));
  return true;
}

DEFINE_OP(FlipBytes) = {
    .domain = INTERNAL_DOMAIN, .name = "FlipBytes", .infer = infer_flip, .lower = lower_flip};

/* --- ByteAdd: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero; all but a and b constant
 * --- */

static bool infer_byte_add(Compilation *c, Node *node) {
  infer_same(c, node, 0, 0);
  return true;
}

static float real_input(const Node *node, int i) {
  return (float)tensor_real(node_in(node, i)->constant, 0);
}

static int64_t integer_input(const Node *node, int i) {
  return tensor_int(node_in(node, i)->constant, 0);
}

static bool lower_byte_add(Lower *l, const Node *node) {
  const Value *y = node_out(node, 0);
  Dim count = value_count(l->c, y);
  float y_scale = real_input(node, 6);
  Step *step = lower_kernel(l, "int8_add", DT_U8);
  arg_in(l, step, node_in(node, 0));
  arg_in(l, step, node_in(node, 3));
  arg_out(l, step, y);
  arg_dim(l, step, count);
  arg_real(l, step, real_input(node, 1) / y_scale);
  arg_real(l, step, real_input(node, 4) / y_scale);
  arg_int(l, step, integer_input(node, 2));
  arg_int(l, step, integer_input(node, 5));
  arg_int(l, step, integer_input(node, 7));
  arg_int(l, step, node_int(node, "low", 0));
  arg_int(l, step, node_int(node, "high", 255));
  step_units(step, dim_ceildiv(l->c->dims, count, dim_const(l->c->dims, UNIT_ELEMENTS)));
  return true;
}

DEFINE_OP(ByteAdd) = {
    .domain = INTERNAL_DOMAIN, .name = "ByteAdd", .infer = infer_byte_add, .lower = lower_byte_add};
