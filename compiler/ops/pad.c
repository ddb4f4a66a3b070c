/* pad.c: Pad and CenterCropPad: more (or, with negative pads, fewer) elements around the input.
 *
 * Constant padding is a fill of the whole output and a copy of the input into it; the other modes
 * call a kernel.
 *
 *   y = Pad(x[N], pads=[1, 2], value=7)   =>   y[0 .. N+3) = 7;  y[1 + i] = x[i] */
#include "ops/pad.h"

#include "ops/content.h"
#include "ops/movement.h"
#include "ops/text.h"

#include <string.h>

enum { PAD_CONSTANT = -1, PAD_EDGE, PAD_REFLECT, PAD_WRAP }; /* as ctc_pad numbers them */

/* Elements added before and after each axis; negative: removed. */
typedef struct {
  Dim before[MAX_RANK], after[MAX_RANK];
} Pads;

/* --- what the node asks for --- */

static bool pad_mode(Compilation *c, const Node *node, int *mode) {
  static const struct {
    const char *name;
    int mode;
  } modes[] = {
      {"constant", PAD_CONSTANT}, {"edge", PAD_EDGE}, {"reflect", PAD_REFLECT}, {"wrap", PAD_WRAP}};
  const char *name = node_string(node, "mode", "constant");
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
    if (strcmp(modes[i].name, name) == 0) return *mode = modes[i].mode, true;
  return node_error(c, node, "mode '%s' is not supported", name);
}

/* The list of pads: all begins, then all ends. */
static bool pad_list(Compilation *c, const Node *node, const Dim **pads, int *count) {
  if (node->version >= 11) return infer_elements(c, node, 1, INT64_MIN, INT64_MAX, pads, count);
  size_t listed;
  const int64_t *given = node_ints(node, node->version < 2 ? "paddings" : "pads", &listed);
  Dim *dims = ARENA_ARRAY(c->arena, Dim, listed);
  for (size_t i = 0; i < listed; i++) dims[i] = dim_const(c->dims, given[i]);
  *pads = dims;
  *count = (int)listed;
  return true;
}

static bool read_pads(Compilation *c, const Node *node, Pads *result) {
  const Value *x = node_in(node, 0);
  const Dim *pads, *axes = NULL;
  int count, padded = x->rank, known;
  if (!pad_list(c, node, &pads, &count) ||
      (node_in(node, 3) && !infer_elements(c, node, 3, -x->rank, x->rank - 1, &axes, &padded)))
    return false;
  if (count != 2 * padded)
    return node_error(c, node, "pads has %d elements instead of %d", count, 2 * padded);
  for (int d = 0; d < x->rank; d++) result->before[d] = result->after[d] = dim_const(c->dims, 0);
  for (int i = 0; i < padded; i++) {
    Dim axis = axes ? axes[i] : dim_const(c->dims, i);
    if (dim_is_const(axis) && !infer_axis(c, node, dim_value(axis), x->rank, &known)) return false;
    for (int d = 0; d < x->rank; d++) {
      Dim named = names_axis(c, axis, d, x->rank);
      result->before[d] = dim_select(c->dims, named, pads[i], result->before[d]);
      result->after[d] = dim_select(c->dims, named, pads[i + padded], result->after[d]);
    }
  }
  return true;
}

/* --- inference --- */

static Dim padded_size(Compilation *c, const Value *x, const Pads *pads, int axis) {
  Dim added = dim_add(c->dims, pads->before[axis], pads->after[axis]);
  return dim_add(c->dims, x->shape[axis], added);
}

/* Modes that read the input need at least one element of it. */
static bool check_source(Compilation *c, const Node *node, const Value *x) {
  for (int d = 0; d < x->rank; d++)
    if (dim_is(x->shape[d], 0) && !dim_is(node_out(node, 0)->shape[d], 0))
      return node_error(c, node, "axis %d is empty, so there is nothing to pad with", d);
  return true;
}

/* 1-D shapes are padded in exporters' code. */
static void pad_content(Compilation *c, const Node *node, const Pads *pads) {
  const Value *x = node_in(node, 0), *fill = node_in(node, 2);
  Value *y = node_out(node, 0);
  const Dim *content = x->rank == 1 && !x->constant ? content_of(c, x) : NULL;
  const Dim *filled = fill ? content_of(c, fill) : NULL;
  if (!content || (fill && !filled) || !dim_is_const(pads->before[0]) || !content_fits(y->shape[0]))
    return;
  int64_t count = dim_value(y->shape[0]), first = dim_value(pads->before[0]);
  Dim *padded = ARENA_ARRAY(c->arena, Dim, count);
  for (int64_t i = 0; i < count; i++)
    padded[i] = i >= first && i < first + dim_value(x->shape[0]) ? content[i - first]
                : filled                                         ? filled[0]
                                                                 : dim_const(c->dims, 0);
  infer_content(c, y, padded, count);
}

static bool infer_pad(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *fill = node_in(node, 2);
  Dim shape[MAX_RANK], zero = dim_const(c->dims, 0);
  Pads pads;
  int mode;
  if (!require_movable(c, node) || !pad_mode(c, node, &mode) || !read_pads(c, node, &pads))
    return false;
  if (fill && (fill->dtype != x->dtype || !dim_is(value_count(c, fill), 1)))
    return node_error(c, node,
                      "input 2 (constant_value) must be a single number of the input's type");
  for (int d = 0; d < x->rank; d++) {
    shape[d] = padded_size(c, x, &pads, d);
    if (dim_is_const(shape[d]) && dim_value(shape[d]) < 0)
      return node_error(c, node, "the pads remove more than axis %d has", d);
    if (!infer_require(c, node, dim_not(c->dims, dim_less(c->dims, shape[d], zero)),
                       "pads remove more than an axis has"))
      return false;
    shape[d] = infer_own_dim(c, node, node_out(node, 0), d, shape[d], NULL);
  }
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, shape);
  if (mode != PAD_CONSTANT) return check_source(c, node, x);
  pad_content(c, node, &pads);
  return true;
}

/* --- lowering --- */

/* The number, or string, around the input. */
static Operand fill_value(Lower *l, LoopNest *nest, const Node *node) {
  const Value *x = node_in(node, 0), *fill = node_in(node, 2);
  if (fill) return nest_load_number(l, nest, fill);
  if (x->dtype == DT_STRING) return nest_load_text(l, nest, "");
  return operand_real(x->dtype == DT_F64 ? DT_F64 : DT_F32, (double)node_float(node, "value", 0));
}

static bool is_zero_fill(const Node *node) {
  const Value *fill = node_in(node, 2);
  return fill == NULL && node_float(node, "value", 0) == 0;
}

/* Fills `y`. Types without arithmetic have no literals but 0, whose bits are 0 in all of them. */
static void lower_border(Lower *l, const Node *node) {
  const Value *y = node_out(node, 0);
  if (is_zero_fill(node) && dtype_info(y->dtype)->kind == KIND_OTHER && y->dtype != DT_STRING) {
    Step *step = lower_kernel(l, "clear", DT_NONE);
    arg_out(l, step, y);
    arg_dim(l, step, dim_muli(l->c->dims, value_count(l->c, y), element_bytes(y->dtype)));
    return;
  }
  LoopNest *nest = lower_nest(l, y->rank, y->shape);
  nest_store(l, nest, y, fill_value(l, nest, node));
}

/* Copies the part of `x` that stays into `y`: [max(0, -before), size + min(0, after)) of each axis.
 */
static void lower_interior(Lower *l, const Value *y, const Value *x, const Pads *pads) {
  DimPool *pool = l->c->dims;
  Dim zero = dim_const(pool, 0), from = zero, to = zero;
  Dim extent[MAX_RANK], load[MAX_RANK], store[MAX_RANK];
  nest_strides(l->c, x->rank, x->shape, load);
  nest_strides(l->c, y->rank, y->shape, store);
  for (int d = 0; d < x->rank; d++) {
    Dim cut = dim_max(pool, dim_muli(pool, pads->before[d], -1), zero);
    Dim kept = dim_add(pool, x->shape[d], dim_min(pool, pads->after[d], zero));
    extent[d] = dim_max(pool, dim_sub(pool, kept, cut), zero);
    from = dim_add(pool, from, dim_mul(pool, cut, load[d]));
    to = dim_add(pool, to, dim_mul(pool, dim_max(pool, pads->before[d], zero), store[d]));
  }
  LoopNest *nest = lower_nest(l, x->rank, extent);
  Operand value = nest_load_at(l, nest, lower_buffer(l, x), from, load);
  nest_store_at(l, nest, lower_buffer(l, y), to, store, value);
}

static void lower_mirrored(Lower *l, const Value *y, const Value *x, const Pads *pads, int mode) {
  Step *step = lower_kernel(l, "pad", DT_NONE);
  arg_in(l, step, x);
  arg_out(l, step, y);
  arg_int(l, step, x->rank);
  arg_dims(l, step, x->shape, x->rank);
  arg_dims(l, step, y->shape, y->rank);
  arg_dims(l, step, pads->before, x->rank);
  arg_int(l, step, mode);
  arg_int(l, step, element_bytes(x->dtype));
}

static bool adds_nothing(const Value *x, const Pads *pads) {
  for (int d = 0; d < x->rank; d++)
    if (!dim_is(pads->before[d], 0) || !dim_is(pads->after[d], 0)) return false;
  return true;
}

static bool only_removes(const Value *x, const Pads *pads) {
  for (int d = 0; d < x->rank; d++)
    if (dim_range(pads->before[d]).high > 0 || dim_range(pads->after[d]).high > 0) return false;
  return true;
}

static bool lower_pad(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  Pads pads;
  int mode;
  if (!pad_mode(l->c, node, &mode) || !read_pads(l->c, node, &pads)) return false;
  lower_own_dims(l, y);
  if (adds_nothing(x, &pads)) {
    lower_alias(l, y, x);
  } else if (mode != PAD_CONSTANT) {
    lower_mirrored(l, y, x, &pads, mode);
  } else {
    if (!only_removes(x, &pads)) lower_border(l, node);
    lower_interior(l, y, x, &pads);
  }
  return true;
}

DEFINE_OP(Pad) = {.name = "Pad", .infer = infer_pad, .lower = lower_pad};

bool pad_zeros(Compilation *c, const Node *node, int64_t *before, int64_t *after) {
  const Value *x = node_in(node, 0), *fill = node_in(node, 2);
  bool zero = fill ? fill->constant && tensor_real(fill->constant, 0) == 0 : is_zero_fill(node);
  Pads pads;
  int mode;
  if (node->op != &op_Pad || !zero || !pad_mode(c, node, &mode) || mode != PAD_CONSTANT)
    return false;
  if (!read_pads(c, node, &pads)) return false;
  for (int d = 0; d < x->rank; d++) {
    if (!dim_is_const(pads.before[d]) || !dim_is_const(pads.after[d])) return false;
    before[d] = dim_value(pads.before[d]);
    after[d] = dim_value(pads.after[d]);
    if (before[d] < 0 || after[d] < 0) return false;
  }
  return true;
}

/* --- CenterCropPad: an equal number of elements is added to (removed from) both sides; of an odd
 * number, one more at the end --- */

static bool crop_shape(Compilation *c, const Node *node, Dim *shape) {
  const Value *x = node_in(node, 0);
  size_t axis_count;
  const int64_t *axes = node_ints(node, "axes", &axis_count);
  const Dim *asked;
  int count;
  if (!infer_elements(c, node, 1, 0, INT64_MAX, &asked, &count)) return false;
  int expected = axes ? (int)axis_count : x->rank;
  if (count != expected)
    return node_error(c, node, "the shape has %d elements instead of %d", count, expected);
  for (int d = 0; d < x->rank; d++) shape[d] = x->shape[d];
  for (int i = 0; i < count; i++) {
    int axis = i;
    if (axes && !infer_axis(c, node, axes[i], x->rank, &axis)) return false;
    shape[axis] = asked[i];
  }
  return true;
}

static bool infer_center_crop_pad(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Dim shape[MAX_RANK];
  if (!require_movable(c, node) || !crop_shape(c, node, shape)) return false;
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, shape);
  return true;
}

/* before = (out - in) / 2, rounded to 0. */
static bool lower_center_crop_pad(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  DimPool *pool = l->c->dims;
  Dim two = dim_const(pool, 2), zero = dim_const(pool, 0);
  Pads pads;
  for (int d = 0; d < x->rank; d++) {
    Dim more = dim_sub(pool, y->shape[d], x->shape[d]);
    pads.before[d] =
        dim_sub(pool, dim_floordiv(pool, dim_max(pool, more, zero), two),
                dim_floordiv(pool, dim_max(pool, dim_muli(pool, more, -1), zero), two));
    pads.after[d] = dim_sub(pool, more, pads.before[d]);
  }
  if (adds_nothing(x, &pads)) {
    lower_alias(l, y, x);
    return true;
  }
  if (!only_removes(x, &pads)) lower_border(l, node);
  lower_interior(l, y, x, &pads);
  return true;
}

DEFINE_OP(CenterCropPad) = {
    .name = "CenterCropPad", .infer = infer_center_crop_pad, .lower = lower_center_crop_pad};
