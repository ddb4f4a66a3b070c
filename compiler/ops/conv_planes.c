/* conv_planes.c: convolutions with few output channels, from row-major to row-major: the kernels of
 * runtime/conv_planes.c, whose lanes are pixels. */
#include "ops/conv_blocked.h"

/* Pixels of the widest vector, and channels of a tile. */
enum { LANES = 16, TILE = 8 };

/* --- choosing --- */

/* A vector of inputs is loaded for as many multiplications as the tile has channels. What is around
 * this convolution may be blocked: then its results are converted (read and written), and its
 * input, which gets its zeros in a second copy. */
static double planes_cost(const BlockedConv *conv) {
  if (conv->transposed || conv->stride[1] != 1) return -1;
  double taps = (double)(conv->kernel[0] * conv->kernel[1]);
  double channels = (double)(conv->groups * conv->out);
  double tile = conv->out < TILE ? (double)conv->out : TILE;
  double pixels = blocked_conv_area(conv->out_size), columns = blocked_conv_size(conv->out_size[1]);
  double filled = columns / ((double)((int64_t)(columns + LANES - 1) / LANES) * LANES);
  double flops = 2 * channels * (double)conv->in * taps * pixels / filled;
  double copies = conv->row_input ? 0 : blocked_conv_is_padded(conv) ? 2 : 1;
  double moved = pixels * channels +
                 copies * blocked_conv_area(conv->in_size) * (double)(conv->groups * conv->in);
  return blocked_conv_time(flops, 0.95 * tile / (tile + 1), 0) + blocked_conv_time(0, 1, 2 * moved);
}

/* --- lowering --- */

static Buffer *pack(Lower *l, const BlockedConv *conv) {
  float *packed;
  int64_t steps = conv->in * conv->kernel[0] * conv->kernel[1];
  const int64_t numbers[] = {conv->groups, conv->out, steps};
  Buffer *buffer = blocked_conv_packed(l, conv, conv->groups * conv->out * steps, &packed);
  blocked_conv_pack("pack_conv_planes", blocked_conv_weights(l, conv), packed, numbers, 3);
  return buffer;
}

static void lower_planes(Lower *l, const BlockedConv *conv, Buffer *out) {
  DimPool *p = l->c->dims;
  Dim size[2], skipped;
  Buffer *x = blocked_conv_row_input(l, conv, size, &skipped), *weights = pack(l, conv);
  Step *step = lower_kernel(l, "conv_planes", DT_F32);
  arg_buffer_at(l, step, x, skipped);
  arg_buffer(l, step, weights);
  arg_buffer(l, step, out);
  arg_int(l, step, conv->groups);
  arg_int(l, step, conv->in);
  arg_int(l, step, conv->out);
  for (int i = 0; i < 2; i++) arg_dim(l, step, conv->out_size[i]);
  for (int i = 0; i < 2; i++) arg_int(l, step, conv->kernel[i]);
  arg_int(l, step, conv->stride[0]);
  for (int i = 0; i < 2; i++) arg_int(l, step, conv->dilation[i]);
  arg_dim(l, step, dim_mul(p, size[0], size[1]));
  arg_dim(l, step, size[1]);
  step_units(step, dim_mul(p, dim_muli(p, conv->x->shape[0], conv->groups), conv->out_size[0]));
  Dim plane = dim_mul(p, conv->out_size[0], conv->out_size[1]);
  bool lone = conv->groups * conv->out == 1; /* planes follow each other by images */
  step_plane_results(l, step, value_count(l->c, conv->y), lone ? NULL : plane);
}

const BlockedMethod conv_planes = {.name = "planes",
                                   .row_input = true,
                                   .row_output = true,
                                   .cost = planes_cost,
                                   .lower = lower_planes};
