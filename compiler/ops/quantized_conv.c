/* quantized_conv.c: convolutions and products of bytes as steps: packs the weights, prepares the
 * activations, and calls the kernel that fits. See quantized.h and runtime/int8.c. */
#include "ops/quantized.h"

#include <string.h>

/* Units of work that a convolution is split into at least, if it has as many rows. */
enum { ENOUGH_UNITS = 16 };
/* Bytes that the kernels may read behind the activations. */
enum { BYTES_BEHIND = 16 };

/* The packed weights and what belongs to them, one number a slot. */
typedef struct {
  Buffer *weights;
  Buffer *zeros; /* NULL: all are 0 */
  Buffer *start;
} Packed;

/* Activations as the kernels want them: at `at` of a buffer, with channels as neighbours. */
typedef struct {
  Buffer *buffer;
  Dim image, row, pixel;
} Prepared;

void level_range(DType dtype, int64_t *low, int64_t *high) {
  *low = dtype == DT_I8 ? -128 : 0;
  *high = *low + 255;
}

static bool is_byte(DType dtype) {
  return dtype == DT_U8 || dtype == DT_I8;
}

bool byte_conv_fits(const Value *x, const Value *x_zero, const Value *w, const Value *w_zero) {
  if (!x || !w || !is_byte(x->dtype) || !is_byte(w->dtype) || !w->constant) return false;
  if (x_zero && (x_zero->constant ? x_zero->constant->count != 1 : x_zero->rank > 1)) return false;
  if (x_zero && !x_zero->constant && x_zero->rank == 1 && !dim_is(x_zero->shape[0], 1))
    return false;
  return !w_zero || w_zero->constant;
}

static bool is_depthwise(const ByteConv *conv) {
  return conv->in == 1 && conv->out == 1 && conv->groups > 1;
}

/* Whether a whole kernel row is read in one go. */
static bool is_joined(const ByteConv *conv) {
  return conv->dilation[1] == 1 && conv->groups == 1;
}

static int64_t run_of(const ByteConv *conv) {
  return is_joined(conv) ? conv->in * conv->kernel[1] : conv->in;
}

static int64_t slots_of(const ByteConv *conv) {
  int64_t channels = is_depthwise(conv) ? conv->groups : conv->out;
  int64_t slots = (channels + BLOCK_CHANNELS - 1) / BLOCK_CHANNELS * BLOCK_CHANNELS;
  return is_depthwise(conv) ? slots : slots * conv->groups;
}

/* The slot of an output channel. */
static int64_t slot_of(const ByteConv *conv, int64_t channel) {
  if (is_depthwise(conv)) return channel;
  int64_t slots = slots_of(conv) / conv->groups;
  return channel / conv->out * slots + channel % conv->out;
}

/* --- constants --- */

static Tensor *new_numbers(Lower *l, DType dtype, int64_t count, void **data) {
  return tensor_create(l->c->arena, dtype, 1, &count, data);
}

static const void *bytes_of(Lower *l, const Tensor *tensor) {
  return tensor ? tensor_align(l->c->arena, tensor)->data : NULL;
}

static void call_kernel(const char *stem, DType dtype, const void *const *in, int in_count,
                        void *const *out, int out_count, const int64_t *numbers, int count) {
  enum { MOST = 24 };
  KernelArg args[MOST];
  const Kernel *kernel = kernel_find_typed(stem, dtype);
  CTC_ASSERT(kernel && kernel->param_count == in_count + out_count + count && count < MOST - 6);
  for (int i = 0; i < in_count; i++) args[i].in = in[i];
  for (int i = 0; i < out_count; i++) args[in_count + i].out = out[i];
  for (int i = 0; i < count; i++) args[in_count + out_count + i].dim = numbers[i];
  kernel->call(args);
}

static int64_t zero_step(const ByteConv *conv) {
  return conv->w_zero && conv->w_zero->count > 1;
}

/* Weights of the depthwise kernels; the sums go to `sums`. */
static Tensor *pack_depthwise(Lower *l, const ByteConv *conv, int32_t *sums) {
  void *data;
  int64_t taps = conv->kernel[0] * conv->kernel[1];
  Tensor *packed = new_numbers(l, DT_I32, taps * slots_of(conv), &data);
  const void *in[] = {bytes_of(l, conv->w), bytes_of(l, conv->w_zero)};
  void *out[] = {data, sums};
  int64_t numbers[] = {conv->groups, taps, zero_step(conv)};
  call_kernel("pack_int8_depthwise", conv->w->dtype, in, 2, out, 2, numbers, 3);
  return packed;
}

static Tensor *pack_blocks(Lower *l, const ByteConv *conv, int32_t *zeros, int32_t *sums) {
  void *data;
  int64_t runs = is_joined(conv) ? 1 : conv->kernel[1], quads = (run_of(conv) + 3) / 4;
  int64_t count = conv->kernel[0] * runs * quads * 4 * slots_of(conv);
  Tensor *packed = new_numbers(l, DT_I8, count, &data);
  const void *in[] = {bytes_of(l, conv->w), bytes_of(l, conv->w_zero)};
  void *out[] = {data, zeros, sums};
  const int64_t *s = conv->w_stride;
  int64_t numbers[] = {conv->groups,
                       conv->in,
                       conv->out,
                       conv->kernel[0],
                       conv->kernel[1],
                       is_joined(conv),
                       s[0],
                       s[1],
                       s[2],
                       s[3],
                       s[4],
                       zero_step(conv)};
  call_kernel("pack_int8", conv->w->dtype, in, 2, out, 3, numbers, 12);
  return packed;
}

/* x_zero as an unsigned byte, if it is known. */
static int64_t known_zero(const ByteConv *conv) {
  int64_t zero = conv->x_zero ? tensor_int(conv->x_zero->constant, 0) : 0;
  return conv->x->dtype == DT_I8 ? zero + 128 : zero;
}

static bool has_known_zero(const ByteConv *conv) {
  return !conv->x_zero || conv->x_zero->kind == BUFFER_CONSTANT;
}

/* Where sums start: bias - x_zero * sums. */
static Buffer *make_start(Lower *l, const ByteConv *conv, const Tensor *sums) {
  void *data;
  int64_t slots = slots_of(conv), channels = conv->groups * conv->out;
  if (!has_known_zero(conv)) {
    CTC_ASSERT(!conv->bias);
    Buffer *start = lower_scratch(l, DT_I32, dim_const(l->c->dims, slots), "starts");
    Step *step = lower_kernel(l, "int8_start", conv->x_zero->dtype);
    arg_buffer(l, step, conv->x_zero);
    arg_buffer(l, step, lower_constant(l, sums, "sums of weights"));
    arg_buffer(l, step, start);
    arg_int(l, step, slots);
    return start;
  }
  Tensor *start = new_numbers(l, DT_I32, slots, &data);
  for (int64_t i = 0; i < slots; i++)
    ((int32_t *)data)[i] = (int32_t)(-known_zero(conv) * tensor_int(sums, i));
  for (int64_t i = 0; conv->bias && i < channels; i++)
    ((int32_t *)data)[slot_of(conv, i)] += (int32_t)tensor_int(conv->bias, i);
  return lower_constant(l, start, "starts of sums");
}

static bool any_nonzero(const int32_t *numbers, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (numbers[i] != 0) return true;
  return false;
}

static Packed pack(Lower *l, const ByteConv *conv) {
  void *zeros_data, *sums_data;
  int64_t slots = slots_of(conv);
  Packed packed = {0};
  Tensor *zeros = new_numbers(l, DT_I32, slots, &zeros_data);
  Tensor *sums = new_numbers(l, DT_I32, slots, &sums_data);
  memset(zeros_data, 0, (size_t)slots * sizeof(int32_t));
  Tensor *weights = is_depthwise(conv) ? pack_depthwise(l, conv, sums_data)
                                       : pack_blocks(l, conv, zeros_data, sums_data);
  packed.weights = lower_constant(l, weights, "weights");
  if (any_nonzero(zeros_data, slots)) packed.zeros = lower_constant(l, zeros, "zero points");
  packed.start = make_start(l, conv, sums);
  return packed;
}

static Buffer *make_scale(Lower *l, const ByteConv *conv) {
  void *data;
  if (!conv->scale) return NULL;
  Tensor *scale = new_numbers(l, DT_F32, slots_of(conv), &data);
  memset(data, 0, (size_t)slots_of(conv) * sizeof(float));
  for (int64_t i = 0; i < conv->groups * conv->out; i++)
    ((float *)data)[slot_of(conv, i)] = conv->scale[i];
  return lower_constant(l, scale, "scales");
}

/* --- activations --- */

static int64_t channels_in(const ByteConv *conv) {
  return conv->groups * conv->in;
}

/* Rows or columns that are read: the padding, the input, and as far as a tap reaches. */
static Dim padded_size(Compilation *c, const ByteConv *conv, int axis) {
  DimPool *p = c->dims;
  Dim reach = dim_muli(p, dim_addi(p, conv->out_size[axis], -1), conv->stride[axis]);
  reach = dim_addi(p, reach, (conv->kernel[axis] - 1) * conv->dilation[axis] + 1);
  return dim_max(p, reach, dim_addi(p, conv->in_size[axis], conv->pad[axis]));
}

/* Whether the kernels can read x as it is. */
static bool is_prepared(Compilation *c, const ByteConv *conv) {
  if (conv->x->dtype != DT_U8 || conv->x->kind == BUFFER_CONSTANT) return false;
  if (!dim_is(conv->x_stride[1], 1) || !dim_is(conv->x_stride[3], channels_in(conv))) return false;
  for (int i = 0; i < 2; i++)
    if (conv->pad[i] != 0 || padded_size(c, conv, i) != conv->in_size[i]) return false;
  return (is_depthwise(conv) ? channels_in(conv) % BLOCK_CHANNELS : run_of(conv) % 4) == 0;
}

static Prepared prepare(Lower *l, const ByteConv *conv) {
  DimPool *p = l->c->dims;
  Dim pixel = dim_const(p, channels_in(conv));
  if (is_prepared(l->c, conv))
    return (Prepared){conv->x, conv->x_stride[0], conv->x_stride[2], pixel};
  Dim size[2] = {padded_size(l->c, conv, 0), padded_size(l->c, conv, 1)};
  Dim row = dim_mul(p, size[1], pixel), image = dim_mul(p, size[0], row);
  Dim count = dim_addi(p, dim_mul(p, conv->n, image), BYTES_BEHIND);
  Buffer *padded = lower_scratch(l, DT_U8, count, conv->x->name);
  Step *step = lower_kernel(l, "int8_pad", conv->x->dtype);
  arg_buffer(l, step, conv->x);
  arg_buffer(l, step, conv->x_zero);
  arg_buffer(l, step, padded);
  arg_dim(l, step, pixel);
  for (int i = 0; i < 2; i++) arg_dim(l, step, conv->in_size[i]);
  for (int i = 0; i < 4; i++) arg_dim(l, step, conv->x_stride[i]);
  for (int i = 0; i < 2; i++) arg_int(l, step, conv->pad[i]);
  for (int i = 0; i < 2; i++) arg_dim(l, step, size[i]);
  step_units(step, dim_mul(p, conv->n, size[0]));
  return (Prepared){padded, image, row, pixel};
}

/* --- the kernel --- */

static void arg_window(Lower *l, Step *step, const ByteConv *conv) {
  for (int i = 0; i < 2; i++) arg_dim(l, step, conv->out_size[i]);
  for (int i = 0; i < 2; i++) arg_int(l, step, conv->kernel[i]);
  for (int i = 0; i < 2; i++) arg_int(l, step, conv->stride[i]);
  for (int i = 0; i < 2; i++) arg_int(l, step, conv->dilation[i]);
}

static void arg_prepared(Lower *l, Step *step, const Prepared *x) {
  arg_dim(l, step, x->image);
  arg_dim(l, step, x->row);
  arg_dim(l, step, x->pixel);
}

/* Sums over the windows of one group, [groups][n * rows * columns]: there are kernels for one group
 * only. */
static Buffer *lower_windows(Lower *l, const ByteConv *conv, const Prepared *x) {
  DimPool *p = l->c->dims;
  Dim lines = dim_mul(p, conv->n, conv->out_size[0]);
  Buffer *windows = lower_scratch(l, DT_I32, dim_mul(p, lines, conv->out_size[1]), "window sums");
  CTC_ASSERT(conv->groups == 1);
  Step *step = lower_kernel(l, "int8_windows", DT_I32);
  arg_buffer(l, step, x->buffer);
  arg_buffer(l, step, windows);
  arg_int(l, step, conv->in);
  arg_window(l, step, conv);
  arg_prepared(l, step, x);
  step_units(step, lines);
  return windows;
}

/* Rows of a unit: a divisor of `height` where that gives enough units, so that all are alike. */
static int64_t rows_of_unit(Dim height, int64_t units) {
  if (!dim_is_const(height) || dim_value(height) < 1) return 32;
  int64_t rows = dim_value(height), most = rows * units / ENOUGH_UNITS;
  if (units >= ENOUGH_UNITS) return rows;
  if (most < 1) return 1;
  while (rows % most != 0) most--;
  return most;
}

static void set_units(Lower *l, Step *step, const ByteConv *conv, int64_t pairs, int64_t rows) {
  DimPool *p = l->c->dims;
  Dim groups = dim_ceildiv(p, conv->out_size[0], dim_const(p, rows));
  step_units(step, dim_mul(p, dim_muli(p, conv->n, pairs), groups));
}

static void set_results(Lower *l, Step *step, const ByteConv *conv) {
  DimPool *p = l->c->dims;
  Dim pixels = dim_mul(p, conv->n, dim_mul(p, conv->out_size[0], conv->out_size[1]));
  int64_t channels = conv->groups * conv->out;
  if (dim_is(conv->y_stride[2], channels))
    step_row_results(l, step, pixels, dim_const(p, channels));
}

/* From y on: the result, what bytes are limited to. */
static void arg_results(Lower *l, Step *step, const ByteConv *conv) {
  if (conv->y->dtype != DT_I32) arg_buffer(l, step, make_scale(l, conv));
  arg_buffer(l, step, conv->y);
  if (!is_byte(conv->y->dtype)) return;
  arg_int(l, step, conv->y_zero);
  arg_int(l, step, conv->low);
  arg_int(l, step, conv->high);
}

static void arg_strides(Lower *l, Step *step, const ByteConv *conv, const Prepared *x) {
  arg_prepared(l, step, x);
  for (int i = 0; i < 3; i++) arg_dim(l, step, conv->y_stride[i]);
  arg_int(l, step, BLOCK_CHANNELS);
  if (conv->y->dtype == DT_F32) set_results(l, step, conv);
}

static void lower_depthwise(Lower *l, const ByteConv *conv, const Packed *packed,
                            const Prepared *x) {
  Step *step = lower_kernel(l, "int8_depthwise", conv->y->dtype);
  arg_buffer(l, step, x->buffer);
  arg_buffer(l, step, packed->weights);
  arg_buffer(l, step, packed->start);
  arg_results(l, step, conv);
  arg_int(l, step, conv->groups);
  arg_window(l, step, conv);
  arg_strides(l, step, conv, x);
  step_units(step, dim_mul(l->c->dims, conv->n, conv->out_size[0]));
}

static void lower_blocks(Lower *l, const ByteConv *conv, const Packed *packed, const Prepared *x) {
  int64_t pairs = conv->groups * ((conv->out + 2 * BLOCK_CHANNELS - 1) / (2 * BLOCK_CHANNELS));
  int64_t rows = rows_of_unit(conv->out_size[0], pairs);
  Buffer *windows = packed->zeros ? lower_windows(l, conv, x) : NULL;
  Step *step = lower_kernel(l, "int8_conv", conv->y->dtype);
  arg_buffer(l, step, x->buffer);
  arg_buffer(l, step, packed->weights);
  arg_buffer(l, step, packed->start);
  arg_buffer(l, step, packed->zeros);
  arg_buffer(l, step, windows);
  arg_results(l, step, conv);
  arg_int(l, step, conv->groups);
  arg_int(l, step, conv->in);
  arg_int(l, step, conv->out);
  arg_window(l, step, conv);
  arg_int(l, step, rows);
  arg_strides(l, step, conv, x);
  set_units(l, step, conv, pairs, rows);
}

void byte_conv_lower(Lower *l, const ByteConv *conv) {
  Packed packed = pack(l, conv);
  Prepared x = prepare(l, conv);
  if (is_depthwise(conv))
    lower_depthwise(l, conv, &packed, &x);
  else
    lower_blocks(l, conv, &packed, &x);
}

void byte_conv_product(Lower *l, ByteConv *conv, Dim rows, int64_t depth, int64_t columns,
                       bool turned) {
  DimPool *p = l->c->dims;
  Dim one = dim_const(p, 1), k = dim_const(p, depth), n = dim_const(p, columns);
  Dim x_image = dim_mul(p, rows, k), y_image = dim_mul(p, rows, n);
  const Dim x_stride[4] = {x_image, one, k, k}, y_stride[3] = {y_image, n, n};
  const int64_t w_stride[5] = {0, turned ? depth : 1, turned ? 1 : columns, 0, 0};
  conv->n = one;
  conv->groups = 1;
  conv->in = depth;
  conv->out = columns;
  memcpy(conv->x_stride, x_stride, sizeof x_stride);
  memcpy(conv->y_stride, y_stride, sizeof y_stride);
  memcpy(conv->w_stride, w_stride, sizeof w_stride);
  for (int i = 0; i < 2; i++) {
    conv->in_size[i] = conv->out_size[i] = i ? one : rows;
    conv->kernel[i] = conv->stride[i] = conv->dilation[i] = 1;
    conv->pad[i] = 0;
  }
}
