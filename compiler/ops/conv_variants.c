/* conv_variants.c: DeformConv, whose taps move, and CausalConvWithState, which carries the end of
 * its input to the next call. */
#include "ops/spatial.h"

#include <string.h>

/* --- DeformConv: inputs x, weight, offset, bias, mask --- */

typedef struct {
  Window window;
  Dim ic, oc; /* channels of a group */
  int64_t groups, offset_groups;
} Deform;

static bool read_deform(Compilation *c, const Node *node, Deform *d) {
  const Value *x = node_in(node, 0), *w = node_in(node, 1);
  d->groups = node_int(node, "group", 1);
  d->offset_groups = node_int(node, "offset_group", 1);
  if (x->rank != 4 || w->rank != 4)
    return node_error(c, node, "DeformConv is supported for two spatial axes only (rank 4)");
  if (d->groups < 1 || d->offset_groups < 1)
    return node_error(c, node, "attributes 'group' and 'offset_group' must be at least 1");
  d->ic = w->shape[1];
  d->oc = dim_floordiv(c->dims, w->shape[0], dim_const(c->dims, d->groups));
  return infer_require_equal(c, node, x->shape[1], dim_muli(c->dims, d->ic, d->groups),
                             "channels of the input and of the weight") &&
         window_read(c, node, x, w->shape + 2, WINDOW_FLOOR, &d->window);
}

/* Demands that input `index` is [n, offset_groups * kernel * numbers, out…]. */
static bool check_taps(Compilation *c, const Node *node, const Deform *d, int index,
                       int64_t numbers) {
  const Value *value = node_in(node, index), *x = node_in(node, 0);
  if (!value) return true;
  if (value->rank != 4) return node_error(c, node, "'%s' must have rank 4", value->name);
  Dim channels = dim_muli(c->dims, window_volume(c, d->window.kernel), d->offset_groups * numbers);
  const Dim shape[4] = {x->shape[0], channels, d->window.out[1], d->window.out[2]};
  for (int i = 0; i < 4; i++)
    if (!infer_require_equal(c, node, value->shape[i], shape[i],
                             "dims of offset or mask and what the kernel needs"))
      return false;
  return true;
}

static bool infer_deform_conv(Compilation *c, Node *node) {
  Deform d;
  const Value *x = node_in(node, 0);
  if (!require_float(c, node, x) || !read_deform(c, node, &d) || !check_taps(c, node, &d, 2, 2) ||
      !check_taps(c, node, &d, 4, 1))
    return false;
  window_set_output(c, node, 0, x->dtype, x->shape[0], dim_muli(c->dims, d.oc, d.groups),
                    &d.window);
  return true;
}

static bool lower_deform_conv(Lower *l, const Node *node) {
  Deform d;
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  DType dtype = compute_dtype(x->dtype);
  if (!read_deform(l->c, node, &d)) return false;
  Buffer *in[5];
  for (int i = 0; i < 5; i++) in[i] = compute_input(l, node_in(node, i), dtype);
  Dim taps = dim_mul(l->c->dims, x->shape[1], window_volume(l->c, d.window.kernel));
  Buffer *column = lower_scratch(l, dtype, taps, "sampled inputs"),
         *out = compute_output(l, y, dtype);
  Step *step = lower_kernel(l, "deform_conv", dtype);
  for (int i = 0; i < 5; i++) arg_buffer(l, step, in[i]);
  arg_buffer(l, step, out);
  arg_buffer(l, step, column);
  arg_dim(l, step, x->shape[0]);
  arg_int(l, step, d.groups);
  arg_dim(l, step, d.ic);
  arg_dim(l, step, d.oc);
  arg_int(l, step, d.offset_groups);
  window_args(l, step, &d.window);
  compute_done(l, y, out);
  return true;
}

/* --- CausalConvWithState: inputs x [n, channels, length], weight [channels, 1, k], bias, past
 * state [n, channels, k - 1] --- */

static bool has_silu(const Node *node) {
  return strcmp(node_string(node, "activation", "none"), "none") != 0;
}

static bool infer_causal_conv(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *w = node_in(node, 1), *past = node_in(node, 3);
  const char *activation = node_string(node, "activation", "none");
  if (has_silu(node) && strcmp(activation, "silu") != 0 && strcmp(activation, "swish") != 0)
    return node_error(c, node, "activation='%s' is unknown: none, silu or swish", activation);
  if (x->rank != 3 || w->rank != 3) return node_error(c, node, "input and weight must have rank 3");
  if (!require_float(c, node, x) || !infer_require_equal(c, node, x->shape[1], w->shape[0],
                                                         "channels of the input and of the weight"))
    return false;
  Dim state[3] = {x->shape[0], x->shape[1], dim_addi(c->dims, w->shape[2], -1)};
  for (int i = 0; past && i < 3; i++)
    if (past->rank != 3 || !infer_require_equal(c, node, past->shape[i], state[i],
                                                "dims of the past state and of the kernel"))
      return node_error(c, node, "the past state must be [n, channels, k - 1]");
  if (node_out(node, 0)) value_set_type(c, node_out(node, 0), x->dtype, 3, x->shape);
  if (node_out(node, 1)) value_set_type(c, node_out(node, 1), x->dtype, 3, state);
  return true;
}

/* [n, channels, k - 1 + length]: the past state (or zeros), then the input. `stride` receives its
 * strides. */
static Buffer *lower_history(Lower *l, const Node *node, DType dtype, const Dim *shape,
                             Dim *stride) {
  const Value *x = node_in(node, 0), *past = node_in(node, 3);
  Dim before = dim_sub(l->c->dims, shape[2], x->shape[2]);
  Dim head[3] = {shape[0], shape[1], before};
  Buffer *history =
      lower_scratch(l, dtype, dim_product(l->c->dims, shape, 3), "past state and input");
  nest_strides(l->c, 3, shape, stride);
  LoopNest *nest = lower_nest(l, 3, head);
  nest_store_at(l, nest, history, NULL, stride,
                past ? nest_load(l, nest, past) : operand_real(dtype, 0));
  nest = lower_nest(l, 3, x->shape);
  nest_store_at(l, nest, history, before, stride, nest_load(l, nest, x));
  return history;
}

/* out = history * weight, one channel at a time. */
static void lower_depthwise(Lower *l, const Node *node, DType dtype, Buffer *history,
                            const Dim *shape, Buffer *out) {
  const Value *x = node_in(node, 0);
  Dim zero = dim_const(l->c->dims, 0), one = dim_const(l->c->dims, 1);
  Window w = {.axes = 1};
  for (int a = 0; a < SPATIAL_AXES; a++) {
    w.in[a] = w.out[a] = w.kernel[a] = w.stride[a] = w.dilation[a] = one;
    w.pad_begin[a] = zero;
  }
  w.in[SPATIAL_AXES - 1] = shape[2];
  w.out[SPATIAL_AXES - 1] = x->shape[2];
  w.kernel[SPATIAL_AXES - 1] = node_in(node, 1)->shape[2];
  Buffer *weight = compute_input(l, node_in(node, 1), dtype);
  Buffer *bias = compute_input(l, node_in(node, 2), dtype);
  Step *step = lower_kernel(l, "conv", dtype);
  arg_buffer(l, step, history);
  arg_buffer(l, step, weight);
  arg_buffer(l, step, bias);
  arg_buffer(l, step, out);
  arg_dim(l, step, x->shape[0]);
  arg_dim(l, step, x->shape[1]);
  arg_dim(l, step, one);
  arg_dim(l, step, one);
  window_args(l, step, &w);
}

/* buffer = v * sigmoid(v), in place */
static void lower_silu(Lower *l, Buffer *buffer, Dim count) {
  Dim one = dim_const(l->c->dims, 1);
  LoopNest *nest = lower_nest(l, 1, &count);
  Operand factors[2] = {nest_load_at(l, nest, buffer, NULL, &one)};
  factors[1] = nest_apply(l, nest, "sigmoid", buffer->dtype, factors, 1);
  nest_store_at(l, nest, buffer, NULL, &one, nest_apply(l, nest, "mul", buffer->dtype, factors, 2));
}

static bool lower_causal_conv(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0), *state = node_out(node, 1);
  DType dtype = compute_dtype(x->dtype);
  Dim before = dim_addi(l->c->dims, node_in(node, 1)->shape[2], -1), stride[3];
  Dim shape[3] = {x->shape[0], x->shape[1], dim_add(l->c->dims, before, x->shape[2])};
  Buffer *history = lower_history(l, node, dtype, shape, stride);
  if (y) {
    Buffer *out = compute_output(l, y, dtype);
    lower_depthwise(l, node, dtype, history, shape, out);
    if (has_silu(node)) lower_silu(l, out, value_count(l->c, y));
    compute_done(l, y, out);
  }
  if (state) {
    LoopNest *nest = lower_nest(l, 3, state->shape);
    nest_store(l, nest, state, nest_load_at(l, nest, history, x->shape[2], stride));
  }
  return true;
}

DEFINE_OP(DeformConv) = {
    .name = "DeformConv", .infer = infer_deform_conv, .lower = lower_deform_conv};
DEFINE_OP(CausalConvWithState) = {
    .name = "CausalConvWithState", .infer = infer_causal_conv, .lower = lower_causal_conv};
