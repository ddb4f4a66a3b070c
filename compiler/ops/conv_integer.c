/* conv_integer.c: ConvInteger, QLinearConv, and the form of the latter that pass quantize makes,
 * ctc ByteConv.
 *
 * ByteConv has the inputs of QLinearConv; x and y are [N, spatial…, C]. Attributes low and high
 * limit the levels of y. Without y_scale y is float32. */
#include "ops/conv.h"
#include "ops/quantized.h"

#include <string.h>

/* Positions of the inputs; -1: there is none. */
typedef struct {
  ConvRow conv; /* first: OpDef.row is one for conv.c */
  int x_scale, x_zero, w_scale, w_zero, y_scale, y_zero;
  bool last; /* channels are the last axis */
} IntegerConvRow;

static const IntegerConvRow row_integer = {{1, -1, WINDOW_FLOOR}, -1, 2, -1, 3, -1, -1, false};
static const IntegerConvRow row_qlinear = {{3, 8, WINDOW_FLOOR}, 1, 2, 4, 5, 6, 7, false};
static const IntegerConvRow row_bytes = {{3, 8, WINDOW_FLOOR}, 1, 2, 4, 5, 6, 7, true};

static const IntegerConvRow *row_of(const Node *node) {
  return node->op->row;
}

/* --- inference --- */

static bool infer_conv_integer(Compilation *c, Node *node) {
  return conv_infer(c, node, DT_I32);
}

static bool infer_qlinear_conv(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *zero = node_in(node, 7);
  if (zero && zero->dtype != x->dtype)
    return node_error(c, node, "input and output must have the same dtype");
  return conv_infer(c, node, x->dtype);
}

/* A copy of a node with channels last that has them first; its checks go to the original. */
static Node *channels_first(Compilation *c, const Node *node) {
  Node *copy = arena_copy(c->arena, node, sizeof *node);
  const Value *x = node->inputs[0];
  Dim shape[MAX_RANK] = {x->shape[0], x->shape[x->rank - 1]};
  for (int d = 2; d < x->rank; d++) shape[d] = x->shape[d - 1];
  copy->inputs = ARENA_ARRAY(c->arena, Value *, node->input_count);
  copy->outputs = ARENA_ARRAY(c->arena, Value *, 1);
  memcpy(copy->inputs, node->inputs, (size_t)node->input_count * sizeof(Value *));
  copy->inputs[0] = value_create(c, x->name);
  value_set_type(c, copy->inputs[0], x->dtype, x->rank, shape);
  copy->outputs[0] = value_create(c, node->outputs[0]->name);
  memset(&copy->checks, 0, sizeof copy->checks);
  return copy;
}

static bool infer_byte_conv(Compilation *c, Node *node) {
  Node *copy = channels_first(c, node);
  const Value *scale = node_in(node, 6), *zero = node_in(node, 7);
  if (!conv_infer(c, copy, !scale ? DT_F32 : zero ? zero->dtype : DT_U8)) return false;
  const Value *y = copy->outputs[0];
  Dim shape[MAX_RANK] = {y->shape[0]};
  for (int d = 1; d < y->rank; d++) shape[d] = y->shape[d + 1 < y->rank ? d + 1 : 1];
  for (size_t i = 0; i < copy->checks.count; i++)
    vec_push(c->arena, &node->checks, copy->checks.items[i]);
  value_set_type(c, node_out(node, 0), y->dtype, y->rank, shape);
  return true;
}

/* --- kernels for everything --- */

/* `stem`_<dtype of the input>_<dtype of the weight> */
static Step *integer_kernel(Lower *l, const char *stem, const Value *x, const Value *w) {
  return lower_kernel(l, arena_printf(l->c->arena, "%s_%s", stem, dtype_info(x->dtype)->short_name),
                      w->dtype);
}

static Dim count_of(Compilation *c, const Value *value) {
  return value ? value_count(c, value) : dim_const(c->dims, 1);
}

static void arg_channels(Lower *l, Step *step, const Conv *conv) {
  arg_dim(l, step, conv->n);
  arg_int(l, step, conv->groups);
  arg_dim(l, step, conv->ic);
  arg_dim(l, step, conv->oc);
}

static void lower_plain_integer(Lower *l, const Node *node, const Conv *conv) {
  Step *step = integer_kernel(l, "conv_integer", node_in(node, 0), node_in(node, 1));
  for (int i = 0; i < 4; i++) arg_in(l, step, node_in(node, i));
  arg_out(l, step, node_out(node, 0));
  arg_channels(l, step, conv);
  arg_dim(l, step, count_of(l->c, node_in(node, 3)));
  window_args(l, step, &conv->window);
}

/* Inputs: x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias. */
static void lower_plain_qlinear(Lower *l, const Node *node, const Conv *conv) {
  static const int order[] = {0, 3, 8, 1, 2, 4, 5, 6, 7};
  Buffer *row = lower_scratch(l, DT_I32, conv->window.out[SPATIAL_AXES - 1], "sums of a row");
  Step *step = integer_kernel(l, "qlinear_conv", node_in(node, 0), node_in(node, 3));
  for (int i = 0; i < 9; i++) arg_in(l, step, node_in(node, order[i]));
  arg_buffer(l, step, row);
  arg_out(l, step, node_out(node, 0));
  arg_channels(l, step, conv);
  arg_dim(l, step, count_of(l->c, node_in(node, 4)));
  arg_dim(l, step, count_of(l->c, node_in(node, 5)));
  window_args(l, step, &conv->window);
}

/* --- the fast kernels --- */

/* The last two spatial axes of `dims`, if they are constant and not negative. */
static bool read_pair(const Dim *dims, int64_t *pair) {
  for (int i = 0; i < 2; i++) {
    Dim dim = dims[SPATIAL_AXES - 2 + i];
    if (!dim_is_const(dim) || dim_value(dim) < 0) return false;
    pair[i] = dim_value(dim);
  }
  return true;
}

/* False if there are three axes, or sizes are not known. */
static bool read_window(ByteConv *b, const Window *w) {
  for (int i = 0; i < 2; i++) {
    b->in_size[i] = w->in[SPATIAL_AXES - 2 + i];
    b->out_size[i] = w->out[SPATIAL_AXES - 2 + i];
  }
  return w->axes <= 2 && read_pair(w->kernel, b->kernel) && read_pair(w->stride, b->stride) &&
         read_pair(w->dilation, b->dilation) && read_pair(w->pad_begin, b->pad);
}

static bool is_single_constant(const Value *value) {
  return value && value->constant && value->constant->count == 1;
}

/* Scales of y, one a channel; NULL for sums. */
static const float *make_scales(Lower *l, const Node *node, const ByteConv *b) {
  const IntegerConvRow *row = row_of(node);
  if (row->w_scale < 0) return NULL;
  const Tensor *w = node_in(node, row->w_scale)->constant;
  const Value *y = node_in(node, row->y_scale);
  int64_t channels = b->groups * b->out;
  float x_scale = (float)tensor_real(node_in(node, row->x_scale)->constant, 0);
  float y_scale = y ? (float)tensor_real(y->constant, 0) : 1.0f;
  float *scales = ARENA_ARRAY(l->c->arena, float, channels + 1);
  for (int64_t i = 0; i < channels; i++)
    scales[i] = x_scale * (float)tensor_real(w, w->count > 1 ? i : 0) / y_scale;
  return scales;
}

/* Whether all scales, the zero point of y and the bias are known. */
static bool has_known_scales(const Node *node, int64_t channels) {
  const IntegerConvRow *row = row_of(node);
  if (row->w_scale < 0) return true;
  const Value *w = node_in(node, row->w_scale), *y = node_in(node, row->y_scale);
  const Value *y_zero = node_in(node, row->y_zero), *bias = node_in(node, row->conv.bias);
  const Value *x_zero = node_in(node, row->x_zero);
  if (!w || !w->constant || (w->constant->count != 1 && w->constant->count != channels))
    return false;
  if (!is_single_constant(node_in(node, row->x_scale))) return false;
  if ((y && !is_single_constant(y)) || (y_zero && !is_single_constant(y_zero))) return false;
  return !bias || (bias->constant && (!x_zero || x_zero->constant));
}

/* Whether every zero point of the weights vanishes when they become signed bytes: the kernels have
 * window sums for one group only. */
static bool zeros_vanish(const ByteConv *b) {
  int64_t middle = b->w->dtype == DT_U8 ? 128 : 0;
  for (int64_t i = 0; b->w_zero && i < b->w_zero->count; i++)
    if (tensor_int(b->w_zero, i) != middle) return false;
  return b->w_zero || middle == 0;
}

/* All but buffers and the strides of x and y; false if the fast kernels cannot do it. */
static bool read_byte_conv(const Node *node, const Conv *conv, ByteConv *b) {
  const IntegerConvRow *row = row_of(node);
  const Value *w = node_in(node, row->conv.weight), *w_zero = node_in(node, row->w_zero);
  *b = (ByteConv){.n = conv->n, .groups = conv->groups};
  if (!byte_conv_fits(node_in(node, 0), node_in(node, row->x_zero), w, w_zero)) return false;
  if (!dim_is_const(conv->ic) || !dim_is_const(conv->oc) || !read_window(b, &conv->window))
    return false;
  b->in = dim_value(conv->ic);
  b->out = dim_value(conv->oc);
  b->w = w->constant;
  b->w_zero = w_zero ? w_zero->constant : NULL;
  int64_t channels = b->groups * b->out, taps = b->kernel[0] * b->kernel[1];
  if (b->w_zero && b->w_zero->count != 1 && b->w_zero->count != channels) return false;
  if (b->in < 1 || b->out < 1 || taps < 1) return false;
  bool depthwise = b->in == 1 && b->out == 1;
  if (b->groups > 1 && !depthwise && !zeros_vanish(b)) return false;
  const int64_t w_stride[5] = {b->out * b->in * taps, b->in * taps, taps, b->kernel[1], 1};
  memcpy(b->w_stride, w_stride, sizeof w_stride);
  const Value *bias = node_in(node, row->conv.bias);
  b->bias = bias ? bias->constant : NULL;
  return has_known_scales(node, channels);
}

static void set_levels(const Node *node, ByteConv *b, DType dtype) {
  const IntegerConvRow *row = row_of(node);
  const Value *zero = node_in(node, row->y_zero);
  level_range(dtype, &b->low, &b->high);
  b->y_zero = zero ? tensor_int(zero->constant, 0) : 0;
  b->low = node_int(node, "low", b->low);
  b->high = node_int(node, "high", b->high);
}

/* Strides from image, channel, row, column to the next of a dense tensor of these sizes. */
static void dense_strides(Compilation *c, const Dim *size, int64_t channels, bool last,
                          Dim *stride) {
  DimPool *p = c->dims;
  Dim count = dim_const(p, channels), one = dim_const(p, 1);
  Dim area = dim_mul(p, size[0], size[1]);
  stride[0] = dim_mul(p, area, count);
  stride[1] = last ? one : area;
  stride[2] = last ? dim_mul(p, size[1], count) : size[1];
  stride[3] = last ? count : one;
}

/* y [N, C, H, W] from `lasts` [N, H, W, C]. */
static void turn_result(Lower *l, const ByteConv *b, const Dim *from, Buffer *lasts, Buffer *y) {
  DimPool *p = l->c->dims;
  Dim to[4];
  Dim extent[4] = {b->n, dim_const(p, b->groups * b->out), b->out_size[0], b->out_size[1]};
  dense_strides(l->c, b->out_size, b->groups * b->out, false, to);
  LoopNest *nest = lower_nest(l, 4, extent);
  nest_store_at(l, nest, y, NULL, to, nest_load_at(l, nest, lasts, NULL, from));
}

static void lower_fast(Lower *l, const Node *node, ByteConv *b) {
  const IntegerConvRow *row = row_of(node);
  const Value *x = node_in(node, 0), *x_zero = node_in(node, row->x_zero), *y = node_out(node, 0);
  Dim stride[4];
  Buffer *out = lower_buffer(l, y);
  bool pixels = dim_is(b->out_size[0], 1) && dim_is(b->out_size[1], 1);
  bool turn = !row->last && !pixels;
  b->x = lower_buffer(l, x);
  b->x_zero = x_zero ? lower_buffer(l, x_zero) : NULL;
  b->scale = make_scales(l, node, b);
  set_levels(node, b, y->dtype);
  dense_strides(l->c, b->in_size, b->groups * b->in, row->last, b->x_stride);
  dense_strides(l->c, b->out_size, b->groups * b->out, true, stride);
  b->y_stride[0] = stride[0];
  b->y_stride[1] = stride[2];
  b->y_stride[2] = stride[3];
  b->y = turn ? lower_scratch(l, y->dtype, value_count(l->c, y), y->name) : out;
  byte_conv_lower(l, b);
  if (turn) turn_result(l, b, stride, b->y, out);
}

static bool lower_first(Lower *l, const Node *node) {
  Conv conv;
  ByteConv b;
  if (!conv_read(l->c, node, &conv)) return false;
  if (target_of(l->c)->panels && read_byte_conv(node, &conv, &b)) {
    lower_fast(l, node, &b);
    return true;
  }
  window_flatten(l->c, &conv.window);
  if (row_of(node)->w_scale < 0)
    lower_plain_integer(l, node, &conv);
  else
    lower_plain_qlinear(l, node, &conv);
  return true;
}

static bool lower_last(Lower *l, const Node *node) {
  Conv conv;
  ByteConv b;
  if (!conv_read(l->c, channels_first(l->c, node), &conv)) return false;
  bool fits = read_byte_conv(node, &conv, &b);
  CTC_ASSERT(fits);
  lower_fast(l, node, &b);
  return true;
}

bool byte_conv_possible(Compilation *c, const Node *node) {
  Conv conv;
  ByteConv b;
  return conv_read(c, channels_first(c, node), &conv) && read_byte_conv(node, &conv, &b);
}

DEFINE_OP(ConvInteger) = {
    .name = "ConvInteger", .infer = infer_conv_integer, .lower = lower_first, .row = &row_integer};
DEFINE_OP(QLinearConv) = {
    .name = "QLinearConv", .infer = infer_qlinear_conv, .lower = lower_first, .row = &row_qlinear};
/* Made by pass quantize only. */
DEFINE_OP(ByteConv) = {.domain = INTERNAL_DOMAIN,
                       .name = "ByteConv",
                       .infer = infer_byte_conv,
                       .lower = lower_last,
                       .row = &row_bytes};
