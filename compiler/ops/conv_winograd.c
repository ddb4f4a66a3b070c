/* conv_winograd.c: blocked 3x3 convolutions by Winograd's algorithm (runtime/winograd.c): when it
 * pays, and for how many tiles at a time.
 *
 * It has fewer multiplications than direct convolution (4 times for tiles of 4 x 4 outputs, 2.25
 * for 2 x 2), but more weights to load, and transforms. */
#include "ops/conv_blocked.h"

#include "options.h"

/* The machine, for the estimates. Tiles are handled in registers up to REGISTER_TILES at a time, or
 * NARROW_TILES where there are fewer registers. */
enum {
  REGISTER_TILES = 14,
  NARROW_TILES = 6,
  CACHE_FLOATS = 230000,
  SHARED_CACHE_FLOATS = 4000000,
  MOST_SCRATCH_FLOATS = 500000 /* that a thread has for tiles and products, as a rule */
};
static const double cache_rate = 45, shared_cache_rate = 25, memory_rate = 9; /* floats a ns */
enum { MOST_BLOCKS = 16 };                                                    /* that are tried */

/* A convolution as products of matrices. */
typedef struct {
  int64_t m, points; /* outputs along an axis of a tile; (m + 2)^2 */
  double tiles;      /* of an image; a guess where its size is not known */
  double in, out;    /* channels, in whole blocks */
  double weights;    /* transformed ones */
} Plan;

static double round_up(double value, double unit) {
  double times = value / unit, whole = (double)(int64_t)times;
  return (whole < times ? whole + 1 : whole) * unit;
}

static bool fits(const BlockedConv *conv) {
  for (int i = 0; i < 2; i++)
    if (conv->kernel[i] != 3 || conv->stride[i] != 1 || conv->dilation[i] != 1) return false;
  return !conv->transposed && conv->groups == 1 && conv->may_grow;
}

static Plan plan_of(const BlockedConv *conv, int64_t m) {
  Plan plan = {.m = m, .points = (m + 2) * (m + 2)};
  Dim rows = conv->out_size[0], columns = conv->out_size[1];
  plan.tiles = blocked_conv_pixels(conv) / (double)(m * m);
  if (dim_is_const(rows) && dim_is_const(columns))
    plan.tiles = round_up((double)dim_value(rows) / (double)m, 1) *
                 round_up((double)dim_value(columns) / (double)m, 1);
  plan.in = round_up((double)conv->in, BLOCK_CHANNELS);
  plan.out = round_up((double)conv->out, BLOCK_CHANNELS);
  plan.weights = (double)(plan.points * conv->in) * plan.out;
  return plan;
}

/* Share of the peak that products with so many tiles reach, over wide registers and narrow ones:
 * the program is compiled for either. */
static double product_share(double tiles) {
  double wide = tiles / round_up(tiles / REGISTER_TILES, 1);
  double narrow = tiles / round_up(tiles / NARROW_TILES, 1);
  return 0.7 * (wide >= 8 ? 0.9 : 0.11 * wide) + 0.3 * 0.9 * narrow / NARROW_TILES;
}

/* Floats a nanosecond of data of that size that is used again and again. */
static double reuse_rate(double floats) {
  if (floats <= CACHE_FLOATS) return cache_rate;
  return floats <= SHARED_CACHE_FLOATS ? shared_cache_rate : memory_rate;
}

/* Nanoseconds for loading the weights once a block of tiles. Tiles and products go back and forth
 * for each 32 output channels, unless they stay in the cache. */
static double loading_time(const Plan *plan, double block) {
  double blocks = round_up(plan->tiles / block, 1), groups = round_up(plan->out / 32, 1);
  double inputs = (double)plan->points * block * plan->in;
  double products = (double)plan->points * block * 32, resident = inputs + products;
  double again = reuse_rate(plan->weights + resident);
  double time = plan->weights / memory_rate + (blocks - 1) * plan->weights / again;
  if (resident > CACHE_FLOATS)
    time += blocks * (inputs * (1 + groups) + 2 * products * groups) / reuse_rate(resident);
  return time;
}

/* Nanoseconds for the products with `block` tiles at a time: loading is hidden behind computing,
 * but for a part. */
static double products_time(const Plan *plan, double block) {
  double flops = 2 * (double)plan->points * plan->tiles * plan->in * plan->out;
  if (plan->out <= BLOCK_CHANNELS) flops *= 1.15;
  double loading = loading_time(plan, block);
  double computing = blocked_conv_time(flops, product_share(block), 0);
  return computing > loading ? computing + 0.2 * loading : loading + 0.2 * computing;
}

static bool block_fits(const Plan *plan, double block) {
  return block <= plan->tiles &&
         (double)plan->points * block * (plan->in + 32) <= MOST_SCRATCH_FLOATS;
}

/* The number of tiles at a time that takes least. */
static double best_block(const Plan *plan) {
  double best = plan->tiles < REGISTER_TILES ? plan->tiles : REGISTER_TILES;
  if (best < 1) best = 1;
  double least = products_time(plan, best);
  for (int i = 1; i <= MOST_BLOCKS; i++) {
    const double candidates[] = {round_up(plan->tiles / i, 1), i * REGISTER_TILES};
    for (int k = 0; k < 2; k++) {
      if (candidates[k] < 1 || !block_fits(plan, candidates[k])) continue;
      double time = products_time(plan, candidates[k]);
      if (time < least) best = candidates[k], least = time;
    }
  }
  return best;
}

static double winograd_cost(const BlockedConv *conv, int64_t m) {
  if (!fits(conv)) return -1;
  Plan plan = plan_of(conv, m);
  double input_tile = m == 4 ? 40 : 18, output_tile = m == 4 ? 35 : 15; /* ns, 16 channels */
  double transforms = plan.tiles * (plan.in * input_tile + plan.out * output_tile) / BLOCK_CHANNELS;
  return transforms + products_time(&plan, best_block(&plan));
}

static Buffer *pack(Lower *l, const BlockedConv *conv, const Plan *plan) {
  float *packed;
  const int64_t numbers[] = {conv->out, conv->in, plan->m};
  int64_t count = plan->points * conv->in * ((conv->out + 31) / 32 * 32);
  Buffer *buffer = blocked_conv_packed(l, conv, count, &packed);
  blocked_conv_pack("pack_winograd", blocked_conv_weights(l, conv), packed, numbers, 3);
  return buffer;
}

/* Memory for the transformed tiles and products of each thread: ctc_winograd16_f32 says how much.
 */
static Buffer *scratch_for(Lower *l, const Plan *plan, int64_t block) {
  int64_t inputs = (int64_t)plan->in * block + BLOCK_CHANNELS, products = 32 * block + 16;
  int64_t parts = l->c->options->threads > 1 ? l->c->options->threads : 1;
  Dim count = dim_const(l->c->dims, parts * plan->points * (inputs + products));
  return lower_scratch(l, DT_F32, count, "transformed tiles");
}

/* ceil(tiles of all images / block) * ceil(out / 32) */
static Dim units_of(Lower *l, const BlockedConv *conv, int64_t m, int64_t block) {
  DimPool *p = l->c->dims;
  Dim tiles = conv->x->shape[0];
  for (int i = 0; i < 2; i++)
    tiles = dim_mul(p, tiles, dim_ceildiv(p, conv->out_size[i], dim_const(p, m)));
  return dim_muli(p, dim_ceildiv(p, tiles, dim_const(p, block)), (conv->out + 31) / 32);
}

static void lower_winograd(Lower *l, const BlockedConv *conv, Buffer *out, int64_t m) {
  Plan plan = plan_of(conv, m);
  int64_t block = (int64_t)best_block(&plan);
  BlockedShape x = blocked_shape(l->c, conv->x), y = blocked_shape(l->c, conv->y);
  Buffer *weights = pack(l, conv, &plan), *scratch = scratch_for(l, &plan, block);
  Step *step = lower_kernel(l, "winograd16", DT_F32);
  arg_buffer_at(l, step, lower_buffer(l, conv->x), blocked_conv_origin(l->c, conv));
  arg_buffer(l, step, weights);
  arg_buffer_at(l, step, out, y.origin);
  arg_buffer(l, step, scratch);
  arg_int(l, step, m);
  arg_dim(l, step, x.n);
  arg_int(l, step, conv->in);
  arg_int(l, step, conv->out);
  for (int i = 0; i < 2; i++) arg_dim(l, step, conv->out_size[i]);
  arg_int(l, step, block);
  blocked_conv_strides(l, step, &x);
  blocked_conv_strides(l, step, &y);
  step_units(step, units_of(l, conv, m, block));
  blocked_conv_results(l, step, conv);
}

static double cost4(const BlockedConv *conv) {
  return winograd_cost(conv, 4);
}

static double cost2(const BlockedConv *conv) {
  return winograd_cost(conv, 2);
}

static void lower4(Lower *l, const BlockedConv *conv, Buffer *out) {
  lower_winograd(l, conv, out, 4);
}

static void lower2(Lower *l, const BlockedConv *conv, Buffer *out) {
  lower_winograd(l, conv, out, 2);
}

const BlockedMethod conv_winograd4 = {
    .name = "Winograd F(4x4)", .cost = cost4, .halo = blocked_conv_halo, .lower = lower4};
const BlockedMethod conv_winograd2 = {
    .name = "Winograd F(2x2)", .cost = cost2, .halo = blocked_conv_halo, .lower = lower2};
