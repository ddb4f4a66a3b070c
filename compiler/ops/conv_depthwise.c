/* conv_depthwise.c: blocked convolutions with a kernel of its own for each channel: the kernel of
 * runtime/depthwise16.c. */
#include "ops/conv_blocked.h"

static double depthwise_cost(const BlockedConv *conv) {
  if (conv->transposed || conv->groups == 1 || conv->in != 1 || conv->out != 1) return -1;
  double taps = (double)(conv->kernel[0] * conv->kernel[1]);
  double channels = (double)((conv->groups + BLOCK_CHANNELS - 1) / BLOCK_CHANNELS * BLOCK_CHANNELS);
  return blocked_conv_time(2 * taps * channels * blocked_conv_pixels(conv), 0.7, taps * channels);
}

/* [blocks, kernel, 16], zeros in the last block's padding. */
static Buffer *pack(Lower *l, const BlockedConv *conv, int64_t blocks) {
  float *packed;
  const float *weights = blocked_conv_weights(l, conv);
  int64_t taps = conv->kernel[0] * conv->kernel[1];
  Buffer *buffer = blocked_conv_packed(l, conv, blocks * taps * BLOCK_CHANNELS, &packed);
  for (int64_t c = 0; c < conv->groups; c++)
    for (int64_t k = 0; k < taps; k++)
      packed[(c / BLOCK_CHANNELS * taps + k) * BLOCK_CHANNELS + c % BLOCK_CHANNELS] =
          weights[c * taps + k];
  return buffer;
}

static void lower_depthwise(Lower *l, const BlockedConv *conv, Buffer *out) {
  DimPool *p = l->c->dims;
  BlockedShape x = blocked_shape(l->c, conv->x), y = blocked_shape(l->c, conv->y);
  Buffer *weights = pack(l, conv, y.blocks);
  Step *step = lower_kernel(l, "depthwise16", DT_F32);
  arg_buffer_at(l, step, lower_buffer(l, conv->x), blocked_conv_origin(l->c, conv));
  arg_buffer(l, step, weights);
  arg_buffer_at(l, step, out, y.origin);
  arg_int(l, step, y.blocks);
  blocked_conv_window(l, step, conv);
  blocked_conv_strides(l, step, &x);
  blocked_conv_strides(l, step, &y);
  step_units(step, dim_mul(p, dim_muli(p, y.n, y.blocks), conv->out_size[0]));
  blocked_conv_results(l, step, conv);
}

const BlockedMethod conv_depthwise = {.name = "depthwise",
                                      .cost = depthwise_cost,
                                      .halo = blocked_conv_halo,
                                      .lower = lower_depthwise};
