/* conv_direct.c: blocked convolutions without a transform: the kernels of runtime/conv16.c. */
#include "ops/conv_blocked.h"

/* Units of work that a convolution is split into at least, if it has as many rows: they are shared
 * by threads. */
enum { ENOUGH_UNITS = 16 };
/* Tiles of fewer pixels wait for their weights. */
enum { TILE_PIXELS = 6 };
/* More input channels than this are blocked before a convolution reads them. */
enum { STEM_CHANNELS = 32 };

static int64_t blocks_of(int64_t channels) {
  return (channels + BLOCK_CHANNELS - 1) / BLOCK_CHANNELS;
}

/* Groups that are joined, so that each has whole blocks: the fewest that give some, or all. */
static int64_t joined_groups(const BlockedConv *conv) {
  for (int64_t m = 1; m < conv->groups; m++)
    if (conv->groups % m == 0 && m * conv->in % BLOCK_CHANNELS == 0 &&
        m * conv->out % BLOCK_CHANNELS == 0)
      return m;
  return conv->groups;
}

static int64_t pairs_of(int64_t channels) {
  return (blocks_of(channels) + 1) / 2;
}

/* Multiplications for one pixel: with output channels up to whole blocks, and zeros between joined
 * groups. A lone block of outputs costs a little more. */
static double pixel_flops(const BlockedConv *conv, int64_t joined) {
  int64_t blocks = blocks_of(joined * conv->out);
  double per_group = 2.0 * (double)(joined * conv->in * blocks * BLOCK_CHANNELS);
  if (blocks == 1) per_group *= 1.15;
  return per_group * (double)(conv->groups / joined * conv->kernel[0] * conv->kernel[1]);
}

static double weight_floats(const BlockedConv *conv, int64_t joined) {
  return (double)(conv->groups * joined * conv->in * conv->out * conv->kernel[0] * conv->kernel[1]);
}

/* Rows that have the pixels of a tile. */
static int64_t rows_of_tile(Dim width) {
  int64_t columns = dim_is_const(width) && dim_value(width) > 0 ? dim_value(width) : TILE_PIXELS;
  return (TILE_PIXELS + columns - 1) / columns;
}

/* Rows of a unit: a divisor of the height, so that all are alike, if one is near: the largest one
 * that gives enough units, unless its tiles are small. */
static int64_t rows_of_unit(const BlockedConv *conv, int64_t units) {
  Dim height = conv->out_size[0];
  if (!dim_is_const(height) || dim_value(height) < 1) return 8;
  int64_t all = dim_value(height), fewest = rows_of_tile(conv->out_size[1]);
  int64_t most = units < ENOUGH_UNITS ? all * units / ENOUGH_UNITS : all;
  if (fewest > all) fewest = all;
  for (int64_t rows = most; rows >= fewest; rows--)
    if (all % rows == 0) return rows;
  for (int64_t rows = fewest; rows <= 2 * fewest; rows++)
    if (all % rows == 0) return rows;
  return most > fewest ? most : fewest;
}

/* Appends n … last: what the direct kernels have in common from `oh` on; x by its three strides. */
void blocked_conv_window(Lower *l, Step *step, const BlockedConv *conv) {
  for (int i = 0; i < 2; i++) arg_dim(l, step, conv->out_size[i]);
  for (int i = 0; i < 2; i++) arg_int(l, step, conv->kernel[i]);
  for (int i = 0; i < 2; i++) arg_int(l, step, conv->stride[i]);
  for (int i = 0; i < 2; i++) arg_int(l, step, conv->dilation[i]);
}

void blocked_conv_strides(Lower *l, Step *step, const BlockedShape *s) {
  arg_dim(l, step, s->image);
  arg_dim(l, step, s->plane);
  arg_dim(l, step, s->row);
}

/* n * pairs * ceil(height / rows) units */
static void set_units(Lower *l, Step *step, const BlockedConv *conv, Dim n, int64_t pairs,
                      int64_t rows) {
  DimPool *p = l->c->dims;
  Dim groups = dim_ceildiv(p, conv->out_size[0], dim_const(p, rows));
  step_units(step, dim_mul(p, dim_muli(p, n, pairs), groups));
}

/* --- direct --- */

static double direct_cost(const BlockedConv *conv) {
  int64_t joined = joined_groups(conv);
  if (conv->transposed) return -1;
  return blocked_conv_time(pixel_flops(conv, joined) * blocked_conv_pixels(conv), 0.97,
                           weight_floats(conv, joined));
}

void blocked_conv_halo(const BlockedConv *conv, int64_t *halo) {
  for (int i = 0; i < 2; i++) {
    int64_t end = conv->pad_end[i];
    if (dim_is_const(conv->out_size[i]) && dim_is_const(conv->in_size[i]))
      end = (dim_value(conv->out_size[i]) - 1) * conv->stride[i] +
            (conv->kernel[i] - 1) * conv->dilation[i] - conv->pad[i] -
            (dim_value(conv->in_size[i]) - 1);
    halo[i] = conv->pad[i] > end ? conv->pad[i] : end;
    if (halo[i] < 0) halo[i] = 0;
  }
}

static Buffer *pack_direct(Lower *l, const BlockedConv *conv, int64_t joined) {
  float *packed;
  int64_t taps = conv->kernel[0] * conv->kernel[1];
  int64_t blocks = conv->groups / joined * blocks_of(joined * conv->out);
  int64_t count = blocks * blocks_of(joined * conv->in) * taps * BLOCK_CHANNELS * BLOCK_CHANNELS;
  const int64_t numbers[] = {conv->groups, conv->out, conv->in, taps, joined};
  Buffer *buffer = blocked_conv_packed(l, conv, count, &packed);
  blocked_conv_pack("pack_conv16", blocked_conv_weights(l, conv), packed, numbers, 5);
  return buffer;
}

/* Images of one row become the rows of one image: a tile can have pixels of several. */
static void join_images(Lower *l, BlockedConv *conv, BlockedShape *x, BlockedShape *y) {
  if (conv->kernel[0] != 1 || !dim_is(conv->out_size[0], 1)) return;
  conv->out_size[0] = x->n;
  conv->stride[0] = 1;
  x->n = dim_const(l->c->dims, 1);
  x->row = x->image;
  y->row = y->image;
}

static void lower_direct(Lower *l, const BlockedConv *asked, Buffer *out) {
  BlockedConv changed = *asked;
  const BlockedConv *conv = &changed;
  int64_t joined = joined_groups(conv), groups = conv->groups / joined;
  int64_t pairs = groups * pairs_of(joined * conv->out);
  BlockedShape x = blocked_shape(l->c, conv->x), y = blocked_shape(l->c, conv->y);
  join_images(l, &changed, &x, &y);
  int64_t rows = rows_of_unit(conv, pairs);
  Buffer *weights = pack_direct(l, conv, joined);
  Step *step = lower_kernel(l, "conv16", DT_F32);
  arg_buffer_at(l, step, lower_buffer(l, conv->x), blocked_conv_origin(l->c, conv));
  arg_buffer(l, step, weights);
  arg_buffer_at(l, step, out, y.origin);
  arg_dim(l, step, x.n);
  arg_int(l, step, groups);
  arg_int(l, step, joined * conv->in);
  arg_int(l, step, joined * conv->out);
  blocked_conv_window(l, step, conv);
  arg_int(l, step, rows);
  blocked_conv_strides(l, step, &x);
  blocked_conv_strides(l, step, &y);
  set_units(l, step, conv, x.n, pairs, rows);
  blocked_conv_results(l, step, conv);
}

const BlockedMethod conv_direct = {
    .name = "direct", .cost = direct_cost, .halo = blocked_conv_halo, .lower = lower_direct};

/* --- stem: from a row-major input --- */

/* Reading single numbers costs nothing more, and blocking x first does. */
static double stem_cost(const BlockedConv *conv) {
  if (conv->transposed || conv->groups != 1 || conv->in > STEM_CHANNELS) return -1;
  return 0.9 * direct_cost(conv);
}

/* Rows or columns that the taps reach over, for `count` outputs. */
static Dim reach(Compilation *c, const BlockedConv *conv, int axis) {
  Dim last = dim_muli(c->dims, dim_addi(c->dims, conv->out_size[axis], -1), conv->stride[axis]);
  return dim_addi(c->dims, last, (conv->kernel[axis] - 1) * conv->dilation[axis] + 1);
}

bool blocked_conv_is_padded(const BlockedConv *conv) {
  int64_t halo[2];
  blocked_conv_halo(conv, halo);
  return halo[0] != 0 || halo[1] != 0;
}

/* x with zeros around it in scratch memory; its planes' sizes in size[2]. */
static Buffer *padded_input(Lower *l, const BlockedConv *conv, Dim *size) {
  DimPool *p = l->c->dims;
  int64_t begin[2];
  for (int i = 0; i < 2; i++) {
    begin[i] = conv->pad[i] > 0 ? conv->pad[i] : 0;
    size[i] = dim_max(p, dim_addi(p, reach(l->c, conv, i), begin[i] - conv->pad[i]),
                      dim_addi(p, conv->in_size[i], begin[i]));
  }
  Dim planes = dim_mul(p, conv->x->shape[0], conv->x->shape[1]);
  Dim rows = dim_mul(p, planes, size[0]);
  Buffer *padded = lower_scratch(l, DT_F32, dim_mul(p, rows, size[1]), conv->x->name);
  Step *step = lower_kernel(l, "pad_planes", DT_F32);
  arg_buffer(l, step, lower_buffer(l, conv->x));
  arg_buffer(l, step, padded);
  for (int i = 0; i < 2; i++) arg_dim(l, step, conv->in_size[i]);
  for (int i = 0; i < 2; i++) arg_int(l, step, begin[i]);
  for (int i = 0; i < 2; i++) arg_dim(l, step, size[i]);
  step_units(step, rows);
  return padded;
}

Buffer *blocked_conv_row_input(Lower *l, const BlockedConv *conv, Dim *size, Dim *skipped) {
  DimPool *p = l->c->dims;
  for (int i = 0; i < 2; i++) size[i] = conv->in_size[i];
  Buffer *x = blocked_conv_is_padded(conv) ? padded_input(l, conv, size) : lower_buffer(l, conv->x);
  *skipped = dim_const(p, 0);
  for (int i = 0; i < 2; i++)
    if (conv->pad[i] < 0)
      *skipped = dim_sub(p, *skipped, dim_muli(p, i ? dim_const(p, 1) : size[1], conv->pad[i]));
  return x;
}

static Buffer *pack_stem(Lower *l, const BlockedConv *conv) {
  float *packed;
  int64_t taps = conv->in * conv->kernel[0] * conv->kernel[1];
  const int64_t numbers[] = {conv->out, taps};
  Buffer *buffer =
      blocked_conv_packed(l, conv, blocks_of(conv->out) * taps * BLOCK_CHANNELS, &packed);
  blocked_conv_pack("pack_conv_stem", blocked_conv_weights(l, conv), packed, numbers, 2);
  return buffer;
}

static void lower_stem(Lower *l, const BlockedConv *conv, Buffer *out) {
  DimPool *p = l->c->dims;
  Dim size[2], skipped;
  int64_t pairs = pairs_of(conv->out), rows = rows_of_unit(conv, pairs);
  Buffer *x = blocked_conv_row_input(l, conv, size, &skipped);
  BlockedShape y = blocked_shape(l->c, conv->y);
  Buffer *weights = pack_stem(l, conv);
  Step *step = lower_kernel(l, "conv_stem", DT_F32);
  arg_buffer_at(l, step, x, skipped);
  arg_buffer(l, step, weights);
  arg_buffer_at(l, step, out, y.origin);
  arg_dim(l, step, conv->x->shape[0]);
  arg_int(l, step, conv->in);
  arg_int(l, step, conv->out);
  blocked_conv_window(l, step, conv);
  arg_int(l, step, rows);
  Dim plane = dim_mul(p, size[0], size[1]);
  arg_dim(l, step, dim_muli(p, plane, conv->in));
  arg_dim(l, step, plane);
  arg_dim(l, step, size[1]);
  blocked_conv_strides(l, step, &y);
  set_units(l, step, conv, conv->x->shape[0], pairs, rows);
  blocked_conv_results(l, step, conv);
}

const BlockedMethod conv_stem = {
    .name = "stem", .row_input = true, .cost = stem_cost, .lower = lower_stem};

/* --- transposed, by the phases of the stride --- */

static double phases_cost(const BlockedConv *conv) {
  int64_t joined = joined_groups(conv);
  double phases = (double)(conv->stride[0] * conv->stride[1]);
  if (!conv->transposed) return -1;
  return blocked_conv_time(pixel_flops(conv, joined) * blocked_conv_pixels(conv) / phases, 0.9,
                           weight_floats(conv, joined));
}

/* y[o] reads x[(o + pad - k * dilation) / stride]: in front of x for the last tap of the first
 * outputs; behind it for the first tap of the last ones. */
static void phases_halo(const BlockedConv *conv, int64_t *halo) {
  for (int i = 0; i < 2; i++) {
    int64_t extent = (conv->kernel[i] - 1) * conv->dilation[i];
    int64_t before = extent - conv->pad[i];
    int64_t behind = extent - conv->pad_end[i] + conv->stride[i] - 1; /* with any output_padding */
    if (dim_is_const(conv->out_size[i]) && dim_is_const(conv->in_size[i]))
      behind = dim_value(conv->out_size[i]) - 1 + conv->pad[i] -
               (dim_value(conv->in_size[i]) - 1) * conv->stride[i];
    int64_t most = before > behind ? before : behind;
    halo[i] = most > 0 ? most / conv->stride[i] : 0;
  }
}

static Buffer *pack_phases(Lower *l, const BlockedConv *conv, int64_t joined) {
  float *packed;
  int64_t taps = conv->kernel[0] * conv->kernel[1];
  int64_t blocks = conv->groups / joined * blocks_of(joined * conv->out);
  int64_t count = blocks * blocks_of(joined * conv->in) * taps * BLOCK_CHANNELS * BLOCK_CHANNELS;
  const int64_t numbers[] = {conv->groups,      conv->out,         conv->in,        joined,
                             conv->kernel[0],   conv->kernel[1],   conv->stride[0], conv->stride[1],
                             conv->dilation[0], conv->dilation[1], conv->pad[0],    conv->pad[1]};
  Buffer *buffer = blocked_conv_packed(l, conv, count, &packed);
  blocked_conv_pack("pack_conv_transpose16", blocked_conv_weights(l, conv), packed, numbers, 12);
  return buffer;
}

static void lower_phases(Lower *l, const BlockedConv *conv, Buffer *out) {
  int64_t joined = joined_groups(conv), groups = conv->groups / joined;
  int64_t units = groups * pairs_of(joined * conv->out) * conv->stride[0] * conv->stride[1];
  BlockedShape x = blocked_shape(l->c, conv->x), y = blocked_shape(l->c, conv->y);
  Buffer *weights = pack_phases(l, conv, joined);
  Step *step = lower_kernel(l, "conv_transpose16", DT_F32);
  arg_buffer_at(l, step, lower_buffer(l, conv->x), blocked_conv_origin(l->c, conv));
  arg_buffer(l, step, weights);
  arg_buffer_at(l, step, out, y.origin);
  arg_dim(l, step, conv->x->shape[0]);
  arg_int(l, step, groups);
  arg_int(l, step, joined * conv->in);
  arg_int(l, step, joined * conv->out);
  blocked_conv_window(l, step, conv);
  for (int i = 0; i < 2; i++) arg_int(l, step, conv->pad[i]);
  blocked_conv_strides(l, step, &x);
  blocked_conv_strides(l, step, &y);
  step_units(step, dim_muli(l->c->dims, conv->x->shape[0], units));
  blocked_conv_results(l, step, conv);
}

const BlockedMethod conv_by_phases = {
    .name = "phases", .cost = phases_cost, .halo = phases_halo, .lower = lower_phases};
