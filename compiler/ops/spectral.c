/* spectral.c: DFT, STFT and MelWeightMatrix. */
#include "ops/movement.h"
#include "ops/op.h"

#include <string.h>

/* The number of a scalar input as an expression, or `missing` if it is omitted. */
static bool scalar_input(Compilation *c, const Node *node, int input, int64_t low, Dim missing,
                         Dim *result) {
  const Value *value = node_in(node, input);
  const Dim *elements;
  int count;
  *result = missing;
  if (!value) return true;
  if (!infer_elements(c, node, input, low, INT64_MAX, &elements, &count)) return false;
  if (count != 1) return node_error(c, node, "input %d must be one number", input);
  *result = elements[0];
  return true;
}

/* --- DFT --- */

typedef struct {
  Dim axis; /* from 0 */
  bool inverse, onesided;
  Dim outer, extent, inner; /* the input seen from the axis */
  Dim length, count;        /* of the transform; elements of it that are given */
  int64_t parts, out_parts;
} Transform;

/* The axis as an expression: an attribute before opset 20, then an input. */
static bool read_axis(Compilation *c, const Node *node, Dim *axis) {
  const Value *x = node_in(node, 0);
  DimPool *p = c->dims;
  int known;
  *axis = dim_const(p, node->version < 20 ? node_int(node, "axis", 1) : -2);
  if (!scalar_input(c, node, 2, -x->rank, *axis, axis)) return false;
  if (!dim_is_const(*axis)) {
    Dim last = dim_const(p, x->rank - 1), from_end = dim_addi(p, *axis, x->rank);
    *axis = dim_select(p, dim_less(p, *axis, dim_const(p, 0)), from_end, *axis);
    NodeCheck check = {dim_less(p, *axis, last), "DFT cannot transform along this axis"};
    vec_push(c->arena, &((Node *)node)->checks, check);
    return true;
  }
  if (!infer_axis(c, node, dim_value(*axis), x->rank, &known)) return false;
  if (known == x->rank - 1)
    return node_error(c, node,
                      "the last axis holds real and imaginary parts and cannot be transformed");
  *axis = dim_const(p, known);
  return true;
}

/* Sets outer, extent and inner. The last dim (the parts) belongs to none of them. */
static void view_axis(Compilation *c, const Value *x, Transform *t) {
  DimPool *p = c->dims;
  Dim one = dim_const(p, 1);
  t->outer = t->inner = t->extent = one;
  for (int d = 0; d + 1 < x->rank; d++) {
    Dim at = dim_const(p, d), size = x->shape[d];
    t->outer = dim_mul(p, t->outer, dim_select(p, dim_less(p, at, t->axis), size, one));
    t->inner = dim_mul(p, t->inner, dim_select(p, dim_less(p, t->axis, at), size, one));
    t->extent = dim_select(p, dim_equal(p, t->axis, at), size, t->extent);
  }
}

static bool read_parts(Compilation *c, const Node *node, int64_t *parts) {
  const Value *x = node_in(node, 0);
  Dim last = x->shape[x->rank - 1];
  if (!dim_is(last, 1) && !dim_is(last, 2))
    return node_error(c, node, "the last dim must be 1 (real) or 2 (complex)");
  *parts = dim_value(last);
  return true;
}

static bool read_transform(Compilation *c, const Node *node, Transform *t) {
  const Value *x = node_in(node, 0);
  DimPool *p = c->dims;
  if (x->rank < 2) return node_error(c, node, "the input must have at least two dims");
  if (!read_axis(c, node, &t->axis) || !read_parts(c, node, &t->parts)) return false;
  t->inverse = node_int(node, "inverse", 0) != 0;
  t->onesided = node_int(node, "onesided", 0) != 0;
  bool from_half = t->inverse && t->onesided;
  view_axis(c, x, t);
  Dim extent = t->extent;
  Dim natural = from_half ? dim_muli(p, dim_addi(p, extent, -1), 2) : extent;
  if (!scalar_input(c, node, 1, 1, natural, &t->length)) return false;
  t->out_parts = from_half ? 1 : 2;
  t->count = t->length;
  if (t->onesided && !t->inverse)
    t->count = dim_addi(p, dim_floordiv(p, t->length, dim_const(p, 2)), 1);
  return true;
}

/* The largest that dim d of the result can be. */
static Dim largest_dim(Compilation *c, const Node *node, const Transform *t, int d) {
  const Value *x = node_in(node, 0);
  DimPool *p = c->dims;
  Dim most = x->shape[0];
  for (int k = 1; k + 1 < x->rank; k++) most = dim_max(p, most, x->shape[k]);
  if (t->inverse && t->onesided) most = dim_muli(p, most, 2);
  return dim_max(p, x->shape[d], node_in(node, 1) ? t->length : most);
}

static bool infer_dft(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *out = node_out(node, 0);
  DimPool *p = c->dims;
  Transform t;
  Dim shape[MAX_RANK];
  if (!read_transform(c, node, &t)) return false;
  for (int d = 0; d + 1 < x->rank; d++) {
    Dim here = dim_equal(p, t.axis, dim_const(p, d));
    Dim size = dim_select(p, here, t.count, x->shape[d]);
    shape[d] = infer_own_dim(c, node, out, d, size, largest_dim(c, node, &t, d));
  }
  shape[x->rank - 1] = dim_const(p, t.out_parts);
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, shape);
  return true;
}

static bool lower_dft(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *out = node_out(node, 0);
  DimPool *p = l->c->dims;
  Transform t;
  if (!read_transform(l->c, node, &t)) return false;
  DType dtype = compute_dtype(x->dtype);
  Buffer *in = compute_input(l, x, dtype), *y = compute_output(l, out, dtype);
  Dim longest = dim_is_const(t.axis) ? t.length : largest_dim(l->c, node, &t, 0);
  Buffer *work = lower_scratch(l, dtype, dim_muli(p, longest, 6), "transform");
  lower_own_dims(l, out);
  Step *step = lower_kernel(l, "dft", dtype);
  arg_buffer(l, step, in);
  arg_buffer(l, step, y);
  arg_buffer(l, step, work);
  arg_dim(l, step, t.outer);
  arg_dim(l, step, t.extent);
  arg_dim(l, step, t.inner);
  arg_int(l, step, t.parts);
  arg_dim(l, step, t.length);
  arg_dim(l, step, t.count);
  arg_int(l, step, t.out_parts);
  arg_int(l, step, t.inverse);
  arg_int(l, step, t.inverse && t.onesided);
  compute_done(l, out, y);
  return true;
}

DEFINE_OP(DFT) = {.name = "DFT", .infer = infer_dft, .lower = lower_dft};

/* --- STFT --- */

typedef struct {
  Dim step, length, frames, count;
  int64_t parts;
} Frames;

static bool read_frames(Compilation *c, const Node *node, Frames *f) {
  const Value *x = node_in(node, 0), *window = node_in(node, 2);
  DimPool *p = c->dims;
  if (x->rank != 2 && x->rank != 3)
    return node_error(c, node, "the signal must have two or three dims");
  if (window && window->rank != 1) return node_error(c, node, "the window must have one dim");
  Dim natural = window ? window->shape[0] : x->shape[1], one = dim_const(p, 1);
  f->parts = 1; /* also of a signal without a last dim for them */
  if (x->rank == 3 && !read_parts(c, node, &f->parts)) return false;
  if (!scalar_input(c, node, 1, 1, one, &f->step) ||
      !scalar_input(c, node, 3, 1, natural, &f->length))
    return false;
  bool onesided = node_int(node, "onesided", 1) != 0;
  if (onesided && f->parts == 2)
    return node_error(c, node, "the spectrum of a complex signal has no one side (onesided=1)");
  Dim room = dim_sub(p, x->shape[1], f->length);
  f->frames = dim_max(p, dim_addi(p, dim_floordiv(p, room, f->step), 1), dim_const(p, 0));
  f->count = onesided ? dim_addi(p, dim_floordiv(p, f->length, dim_const(p, 2)), 1) : f->length;
  return true;
}

/* Numbers of frames and bins that are only known when running get symbols of their own, bounded by
 * those of frames of one sample or one single frame. */
static bool infer_stft(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *out = node_out(node, 0);
  Frames f;
  if (!read_frames(c, node, &f)) return false;
  NodeCheck check = {dim_not(c->dims, dim_less(c->dims, x->shape[1], f.length)),
                     "the frames of STFT are longer than the signal"};
  if (dim_is(check.condition, 0))
    return node_error(c, node, "the frames are longer than the signal");
  if (!dim_is(check.condition, 1)) vec_push(c->arena, &node->checks, check);
  Dim shape[] = {x->shape[0], infer_own_dim(c, node, out, 1, f.frames, x->shape[1]),
                 infer_own_dim(c, node, out, 2, f.count, dim_addi(c->dims, x->shape[1], 1)),
                 dim_const(c->dims, 2)};
  value_set_type(c, node_out(node, 0), x->dtype, 4, shape);
  return true;
}

static bool lower_stft(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *window = node_in(node, 2), *out = node_out(node, 0);
  Frames f;
  if (!read_frames(l->c, node, &f)) return false;
  DType dtype = compute_dtype(x->dtype);
  Buffer *in = compute_input(l, x, dtype), *y = compute_output(l, out, dtype);
  Buffer *weights = window ? compute_input(l, window, dtype) : NULL;
  Dim longest = dim_is_const(f.length) ? f.length : x->shape[1];
  Buffer *work = lower_scratch(l, dtype, dim_muli(l->c->dims, longest, 6), "transform");
  lower_own_dims(l, out);
  Step *step = lower_kernel(l, "stft", dtype);
  arg_buffer(l, step, in);
  arg_buffer(l, step, weights);
  arg_buffer(l, step, y);
  arg_buffer(l, step, work);
  arg_dim(l, step, x->shape[0]);
  arg_dim(l, step, x->shape[1]);
  arg_int(l, step, f.parts);
  arg_dim(l, step, f.frames);
  arg_dim(l, step, f.step);
  arg_dim(l, step, f.length);
  arg_dim(l, step, window ? window->shape[0] : f.length);
  arg_dim(l, step, f.count);
  compute_done(l, out, y);
  return true;
}

DEFINE_OP(STFT) = {.name = "STFT", .infer = infer_stft, .lower = lower_stft};

/* --- MelWeightMatrix --- */

static bool infer_mel(Compilation *c, Node *node) {
  Dim filters, length;
  DimPool *p = c->dims;
  DType dtype = dtype_from_onnx((int)node_int(node, "output_datatype", 1));
  if (!scalar_input(c, node, 0, 0, NULL, &filters) || !scalar_input(c, node, 1, 1, NULL, &length))
    return false;
  if (!dtype_is_float(dtype) && !dtype_is_integer(dtype))
    return node_error(c, node, "output_datatype is no type of numbers");
  Dim shape[] = {dim_addi(p, dim_floordiv(p, length, dim_const(p, 2)), 1), filters};
  value_set_type(c, node_out(node, 0), dtype, 2, shape);
  return true;
}

static bool lower_mel(Lower *l, const Node *node) {
  const Value *out = node_out(node, 0);
  Dim filters, length;
  if (!scalar_input(l->c, node, 0, 0, NULL, &filters) ||
      !scalar_input(l->c, node, 1, 1, NULL, &length))
    return false;
  Buffer *rate = lower_converted(l, node_in(node, 2), DT_I64);
  Buffer *low = compute_input(l, node_in(node, 3), DT_F32);
  Buffer *high = compute_input(l, node_in(node, 4), DT_F32);
  Buffer *y = compute_output(l, out, DT_F64);
  Step *step = lower_kernel(l, "mel_weights", DT_F64);
  arg_buffer(l, step, rate);
  arg_buffer(l, step, low);
  arg_buffer(l, step, high);
  arg_buffer(l, step, y);
  arg_dim(l, step, filters);
  arg_dim(l, step, length);
  compute_done(l, out, y);
  return true;
}

DEFINE_OP(MelWeightMatrix) = {.name = "MelWeightMatrix", .infer = infer_mel, .lower = lower_mel};
