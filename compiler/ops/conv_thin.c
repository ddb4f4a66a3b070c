/* conv_thin.c: transposed convolutions to a few channels whose kernel is as large as the stride,
 * with row-major results: the kernel of runtime/conv_thin.c. Detectors of text and masks end in
 * one. */
#include "ops/conv_blocked.h"

/* More results a pixel are faster as blocks; CTC_THIN_CHANNELS of the runtime. */
enum { MOST_OUT = 4, MOST_IN = 128, RESULTS = 4 };

static int64_t results_of(const BlockedConv *conv) {
  return conv->out * conv->kernel[0] * conv->kernel[1];
}

/* Whether each result comes from one pixel. */
static bool is_one_to_one(const BlockedConv *conv) {
  for (int i = 0; i < 2; i++) {
    bool whole = conv->kernel[i] == conv->stride[i] && conv->pad[i] == 0 && conv->pad_end[i] == 0;
    if (!whole || !dim_is_const(conv->in_size[i]) || !dim_is_const(conv->out_size[i])) return false;
    if (dim_value(conv->out_size[i]) != dim_value(conv->in_size[i]) * conv->kernel[i]) return false;
  }
  return true;
}

/* Products, and moves that transpose x. */
static double thin_cost(const BlockedConv *conv) {
  if (!conv->transposed || conv->groups != 1 || conv->out > MOST_OUT || conv->in > MOST_IN)
    return -1;
  if (!is_one_to_one(conv)) return -1;
  double pixels = blocked_conv_pixels(conv) / (double)(conv->kernel[0] * conv->kernel[1]);
  double flops = (double)(2 * results_of(conv) + 8) * (double)conv->in * pixels;
  return blocked_conv_time(flops, 0.5, (double)(results_of(conv) * conv->in));
}

/* [ceil(results / 4)][in][4] of [in][results]. */
static Buffer *pack(Lower *l, const BlockedConv *conv) {
  float *packed;
  const float *weights = blocked_conv_weights(l, conv);
  int64_t results = results_of(conv), groups = (results + RESULTS - 1) / RESULTS;
  Buffer *buffer = blocked_conv_packed(l, conv, groups * conv->in * RESULTS, &packed);
  for (int64_t c = 0; c < conv->in; c++)
    for (int64_t r = 0; r < results; r++)
      packed[(r / RESULTS * conv->in + c) * RESULTS + r % RESULTS] = weights[c * results + r];
  return buffer;
}

static void lower_thin(Lower *l, const BlockedConv *conv, Buffer *out) {
  BlockedShape x = blocked_shape(l->c, conv->x);
  Buffer *weights = pack(l, conv);
  Step *step = lower_kernel(l, "conv_transpose_thin", DT_F32);
  arg_buffer_at(l, step, lower_buffer(l, conv->x), blocked_conv_origin(l->c, conv));
  arg_buffer(l, step, weights);
  arg_buffer(l, step, out);
  arg_int(l, step, conv->in);
  arg_int(l, step, conv->out);
  for (int i = 0; i < 2; i++) arg_dim(l, step, conv->in_size[i]);
  for (int i = 0; i < 2; i++) arg_int(l, step, conv->kernel[i]);
  blocked_conv_strides(l, step, &x);
  step_units(step, dim_mul(l->c->dims, x.n, x.h));
}

const BlockedMethod conv_thin = {
    .name = "thin", .row_output = true, .cost = thin_cost, .lower = lower_thin};
