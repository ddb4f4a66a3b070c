/* blocked.c: geometry and loops of values in the blocked layout, and the operator that converts
 * from and to it. */
#include "ops/blocked.h"

#include "ops/op.h"

#include <string.h>

enum { BLOCKED_RANK = 5 }; /* loops: image, block, row, column, lane */

/* --- what can be blocked --- */

bool blocked_possible(const Value *value) {
  return value && !value->constant && value->dtype == DT_F32 &&
         (value->rank == 3 || value->rank == 4) && dim_is_const(value->shape[1]) &&
         dim_value(value->shape[1]) > 0;
}

/* Dim i, counted from the last one, or 1 if there is none. */
static bool is_one(const Value *value, int from_end) {
  return from_end >= value->rank || dim_is(value->shape[value->rank - 1 - from_end], 1);
}

/* Whether blocked_load can read the value while looping over `out`: its dims are those of `out` or
 * known to be 1. */
static bool can_load(Compilation *c, const Value *value, const Value *out) {
  if (dim_is(value_count(c, value), 1)) return true;
  if (value->dtype != DT_F32 || value->rank > out->rank) return false;
  if (!value->constant && (!blocked_possible(value) || value->rank != out->rank)) return false;
  for (int i = 0; i < value->rank; i++)
    if (!is_one(value, i) && value->shape[value->rank - 1 - i] != out->shape[out->rank - 1 - i])
      return false;
  if (value->constant) /* rearranged while compiling */
    for (int i = 0; i < value->rank; i++)
      if (!dim_is_const(value->shape[i])) return false;
  return true;
}

BlockedUse blocked_pointwise(Compilation *c, const Node *node) {
  const Value *out = node_out(node, 0);
  BlockedUse use = {.answer = BLOCKED_CAN, .all_inputs = true, .same_halo = true};
  bool fits = out && blocked_possible(out) && node->version >= 7;
  for (int i = 1; i < node->output_count; i++) fits = fits && !node->outputs[i];
  for (int i = 0; i < node->input_count && fits; i++)
    fits = !node->inputs[i] || can_load(c, node->inputs[i], out);
  if (!fits) use.answer = BLOCKED_NO;
  return use;
}

bool node_is_blocked(const Node *node) {
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i] && node->inputs[i]->blocked) return true;
  for (int i = 0; i < node->output_count; i++)
    if (node->outputs[i] && node->outputs[i]->blocked) return true;
  return false;
}

/* --- geometry --- */

BlockedShape blocked_shape(Compilation *c, const Value *value) {
  DimPool *p = c->dims;
  BlockedShape s = {.n = value->shape[0], .c = value->shape[1]};
  s.h = value->rank == 4 ? value->shape[2] : dim_const(p, 1);
  s.w = value->shape[value->rank - 1];
  s.blocks = (dim_value(s.c) + BLOCK_CHANNELS - 1) / BLOCK_CHANNELS;
  if (value->blocked) memcpy(s.halo, value->blocked->halo, sizeof s.halo);
  s.row = dim_muli(p, dim_addi(p, s.w, 2 * s.halo[1]), BLOCK_CHANNELS);
  s.plane = dim_mul(p, s.row, dim_addi(p, s.h, 2 * s.halo[0]));
  s.image = dim_muli(p, s.plane, s.blocks);
  s.origin = dim_addi(p, dim_muli(p, s.row, s.halo[0]), s.halo[1] * BLOCK_CHANNELS);
  return s;
}

Dim blocked_count(Compilation *c, const Value *value) {
  BlockedShape s = blocked_shape(c, value);
  return dim_mul(c->dims, s.n, s.image);
}

const Halo *blocked_halo(Compilation *c, const Value *value) {
  BlockedShape s = blocked_shape(c, value);
  if (s.halo[0] == 0 && s.halo[1] == 0) return NULL;
  Halo *halo = ARENA_NEW(c->arena, Halo);
  *halo = (Halo){.planes = dim_muli(c->dims, s.n, s.blocks),
                 .height = s.h,
                 .width = s.w,
                 .rows = s.halo[0],
                 .columns = s.halo[1]};
  return halo;
}

Dim blocked_results(Compilation *c, const BlockedShape *s) {
  Dim pixels = dim_mul(c->dims, s->h, s->w);
  return dim_mul(c->dims, s->n, dim_muli(c->dims, pixels, s->blocks * BLOCK_CHANNELS));
}

void blocked_strides(Compilation *c, const BlockedShape *s, Dim *stride) {
  stride[0] = s->image;
  stride[1] = s->plane;
  stride[2] = s->row;
  stride[3] = dim_const(c->dims, BLOCK_CHANNELS);
  stride[4] = dim_const(c->dims, 1);
}

/* --- loops --- */

LoopNest *blocked_nest(Lower *l, const Value *out) {
  BlockedShape s = blocked_shape(l->c, out);
  DimPool *p = l->c->dims;
  Dim extent[BLOCKED_RANK] = {s.n, dim_const(p, s.blocks), s.h, s.w, dim_const(p, BLOCK_CHANNELS)};
  LoopNest *nest = lower_nest(l, BLOCKED_RANK, extent);
  nest->blocked = out;
  return nest;
}

/* A dim of the constant, its last ones aligned with H and W; 1 where it has none. */
static int64_t constant_dim(const Tensor *tensor, int from_end) {
  int leading = tensor->rank - 1 - from_end;
  return leading < 0 ? 1 : tensor->dims[leading];
}

/* The constant as [N, blocks, H, W, 16] with zeros in the padding; sizes in dims[5]. Of a constant
 * without channels the blocks and lanes are 1. */
static const Tensor *rearranged(Lower *l, const Tensor *tensor, int spatial, int64_t *dims) {
  int64_t w = constant_dim(tensor, 0), h = spatial == 2 ? constant_dim(tensor, 1) : 1;
  int64_t c = constant_dim(tensor, spatial), n = constant_dim(tensor, spatial + 1);
  int64_t lanes = c == 1 ? 1 : BLOCK_CHANNELS, blocks = (c + lanes - 1) / lanes;
  const int64_t shape[BLOCKED_RANK] = {n, blocks, h, w, lanes};
  void *data;
  Tensor *result = tensor_create(l->c->arena, DT_F32, BLOCKED_RANK, shape, &data);
  const float *from = tensor_as(l->c->arena, tensor, DT_F32)->data;
  for (int64_t i = 0; i < n * c; i++)
    for (int64_t k = 0; k < h * w; k++)
      ((float *)data)[((i / c * blocks + i % c / lanes) * h * w + k) * lanes + i % c % lanes] =
          from[i * h * w + k];
  memcpy(dims, shape, sizeof shape);
  return result;
}

/* stride = 0 in the loops along which the value has size 1; not in loops of one iteration, so that
 * it is read with the strides with which it was written. */
static Operand load_broadcast(Lower *l, LoopNest *nest, Buffer *buffer, Dim offset, const Dim *size,
                              Dim *stride) {
  for (int d = 0; d < BLOCKED_RANK; d++)
    if (dim_is(size[d], 1) && !dim_is(nest->extent[d], 1)) stride[d] = dim_const(l->c->dims, 0);
  return nest_load_at(l, nest, buffer, offset, stride);
}

static Operand load_constant(Lower *l, LoopNest *nest, const Value *value) {
  int64_t dims[BLOCKED_RANK];
  Dim size[BLOCKED_RANK], stride[BLOCKED_RANK];
  Tensor aligned = *tensor_align(l->c->arena, value->constant);
  const Tensor *tensor = rearranged(l, &aligned, nest->blocked->rank - 2, dims);
  for (int d = 0; d < BLOCKED_RANK; d++) size[d] = dim_const(l->c->dims, dims[d]);
  nest_strides(l->c, BLOCKED_RANK, size, stride);
  return load_broadcast(l, nest, lower_constant(l, tensor, value->name), NULL, size, stride);
}

Operand blocked_load(Lower *l, LoopNest *nest, const Value *value) {
  Dim stride[BLOCKED_RANK], one = dim_const(l->c->dims, 1);
  if (value->constant && value->constant->count != 1) return load_constant(l, nest, value);
  if (!value->blocked) {
    CTC_ASSERT(dim_is(value_count(l->c, value), 1));
    for (int d = 0; d < BLOCKED_RANK; d++) stride[d] = dim_const(l->c->dims, 0);
    return nest_load_at(l, nest, lower_buffer(l, value), NULL, stride);
  }
  BlockedShape s = blocked_shape(l->c, value);
  blocked_strides(l->c, &s, stride);
  bool spread = dim_is(s.c, 1) && !dim_is(nest->blocked->shape[1], 1);
  Dim size[BLOCKED_RANK] = {s.n, dim_const(l->c->dims, s.blocks), s.h, s.w,
                            spread ? one : dim_const(l->c->dims, BLOCK_CHANNELS)};
  return load_broadcast(l, nest, lower_buffer(l, value), s.origin, size, stride);
}

void blocked_store(Lower *l, LoopNest *nest, const Value *value, Operand operand) {
  Dim stride[BLOCKED_RANK];
  BlockedShape s = blocked_shape(l->c, value);
  blocked_strides(l->c, &s, stride);
  nest_store_at(l, nest, lower_buffer(l, value), s.origin, stride, operand);
}

Buffer *blocked_channels(Lower *l, const Tensor *tensor, const char *name) {
  int64_t count = (tensor->count + BLOCK_CHANNELS - 1) / BLOCK_CHANNELS * BLOCK_CHANNELS;
  void *data;
  Tensor *padded = tensor_create(l->c->arena, DT_F32, 1, &count, &data);
  const Tensor *numbers = tensor_as(l->c->arena, tensor_align(l->c->arena, tensor), DT_F32);
  memcpy(data, numbers->data, (size_t)tensor->count * sizeof(float));
  return lower_constant(l, padded, name);
}

Buffer *blocked_scratch(Lower *l, const Value *value) {
  return lower_scratch(l, DT_F32, blocked_count(l->c, value), value->name);
}

void blocked_add_bias(Lower *l, const Value *value, Buffer *raw, const Tensor *bias) {
  DimPool *p = l->c->dims;
  Dim stride[BLOCKED_RANK], zero = dim_const(p, 0);
  BlockedShape s = blocked_shape(l->c, value);
  blocked_strides(l->c, &s, stride);
  LoopNest *nest = blocked_nest(l, value);
  Operand args[2] = {nest_load_at(l, nest, raw, s.origin, stride)};
  if (bias) {
    Dim channel[BLOCKED_RANK] = {zero, dim_const(p, BLOCK_CHANNELS), zero, zero, dim_const(p, 1)};
    Buffer *numbers = blocked_channels(l, bias, arena_printf(l->c->arena, "%s.bias", value->name));
    args[1] = nest_load_at(l, nest, numbers, NULL, channel);
    args[0] = nest_apply(l, nest, "add", DT_F32, args, 2);
  }
  blocked_store(l, nest, value, args[0]);
}

/* --- Reorder: the same value in the other layout --- */

static bool infer_reorder(Compilation *c, Node *node) {
  infer_same(c, node, 0, 0);
  return true;
}

/* Whether both layouts are the same memory: one pixel, whole blocks, no halo. */
static bool is_same_memory(const BlockedShape *s) {
  return dim_is(s->h, 1) && dim_is(s->w, 1) && s->halo[0] == 0 && s->halo[1] == 0 &&
         dim_value(s->c) % BLOCK_CHANNELS == 0;
}

/* `lanes` lanes of `blocks` blocks, from block `first` on, of the blocked value and the strided
 * tensor. */
static void copy_lanes(Lower *l, const Value *value, Buffer *other, const Dim *stride,
                       bool to_blocked, int64_t first, int64_t blocks, int64_t lanes) {
  DimPool *p = l->c->dims;
  BlockedShape s = blocked_shape(l->c, value);
  if (blocks == 0 || lanes == 0) return;
  Dim extent[BLOCKED_RANK] = {s.n, dim_const(p, blocks), s.h, s.w, dim_const(p, lanes)};
  Dim blocked[BLOCKED_RANK],
      strided[BLOCKED_RANK] = {stride[0], dim_muli(p, stride[1], BLOCK_CHANNELS), stride[2],
                               stride[3], stride[1]};
  blocked_strides(l->c, &s, blocked);
  Dim at = dim_add(p, s.origin, dim_muli(p, s.plane, first));
  Dim other_at = dim_muli(p, stride[1], first * BLOCK_CHANNELS);
  LoopNest *nest = lower_nest(l, BLOCKED_RANK, extent);
  Buffer *own = lower_buffer(l, value);
  if (to_blocked)
    nest_store_at(l, nest, own, at, blocked, nest_load_at(l, nest, other, other_at, strided));
  else
    nest_store_at(l, nest, other, other_at, strided, nest_load_at(l, nest, own, at, blocked));
}

/* Zeros in the lanes behind the last channel: what is computed of them should be the same in every
 * run. */
static void clear_lanes(Lower *l, const Value *value, int64_t used) {
  DimPool *p = l->c->dims;
  BlockedShape s = blocked_shape(l->c, value);
  Dim stride[BLOCKED_RANK], one = dim_const(p, 1);
  Dim extent[BLOCKED_RANK] = {s.n, one, s.h, s.w, dim_const(p, BLOCK_CHANNELS - used)};
  blocked_strides(l->c, &s, stride);
  Dim at = dim_add(p, s.origin, dim_muli(p, s.plane, s.blocks - 1));
  LoopNest *nest = lower_nest(l, BLOCKED_RANK, extent);
  nest_store_at(l, nest, lower_buffer(l, value), dim_addi(p, at, used), stride,
                operand_real(DT_F32, 0));
}

void blocked_copy(Lower *l, const Value *value, Buffer *other, const Dim *stride, bool to_blocked) {
  int64_t channels = dim_value(value->shape[1]);
  int64_t whole = channels / BLOCK_CHANNELS, rest = channels % BLOCK_CHANNELS;
  copy_lanes(l, value, other, stride, to_blocked, 0, whole, BLOCK_CHANNELS);
  copy_lanes(l, value, other, stride, to_blocked, whole, rest ? 1 : 0, rest);
  if (to_blocked && rest) clear_lanes(l, value, rest);
}

/* A piece of blocked_copy_channels that stays inside of blocks on both sides: the same lanes of
 * `blocks` blocks. */
static void copy_piece(Lower *l, const Value *to, int64_t to_channel, const Value *from,
                       int64_t from_channel, int64_t blocks, int64_t lanes) {
  DimPool *p = l->c->dims;
  if (blocks == 0 || lanes == 0) return;
  const Value *values[2] = {from, to};
  int64_t channels[2] = {from_channel, to_channel};
  Dim stride[2][BLOCKED_RANK], at[2];
  BlockedShape s;
  for (int i = 0; i < 2; i++) {
    s = blocked_shape(l->c, values[i]);
    blocked_strides(l->c, &s, stride[i]);
    at[i] = dim_add(p, s.origin, dim_muli(p, s.plane, channels[i] / BLOCK_CHANNELS));
    at[i] = dim_addi(p, at[i], channels[i] % BLOCK_CHANNELS);
  }
  Dim extent[BLOCKED_RANK] = {s.n, dim_const(p, blocks), s.h, s.w, dim_const(p, lanes)};
  LoopNest *nest = lower_nest(l, BLOCKED_RANK, extent);
  nest_store_at(l, nest, lower_buffer(l, to), at[1], stride[1],
                nest_load_at(l, nest, lower_buffer(l, from), at[0], stride[0]));
}

void blocked_copy_channels(Lower *l, const Value *to, int64_t to_channel, const Value *from,
                           int64_t from_channel, int64_t count) {
  int64_t shift = from_channel % BLOCK_CHANNELS + to_channel % BLOCK_CHANNELS;
  int64_t blocks = count / BLOCK_CHANNELS, rest = count % BLOCK_CHANNELS;
  CTC_ASSERT(from_channel % BLOCK_CHANNELS == 0 || to_channel % BLOCK_CHANNELS == 0);
  bool both_end = to_channel + count == dim_value(to->shape[1]) &&
                  from_channel + count == dim_value(from->shape[1]);
  if (shift == 0 && rest && both_end) blocks++, rest = 0; /* what pads the last block, too */
  int64_t left = BLOCK_CHANNELS - shift, done = blocks * BLOCK_CHANNELS;
  int64_t first = rest < left ? rest : left;
  copy_piece(l, to, to_channel, from, from_channel, blocks, left);
  copy_piece(l, to, to_channel + left, from, from_channel + left, blocks, shift);
  copy_piece(l, to, to_channel + done, from, from_channel + done, 1, first);
  copy_piece(l, to, to_channel + done + left, from, from_channel + done + left, 1, rest - first);
}

static bool lower_reorder(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  CTC_ASSERT(!x->blocked != !y->blocked);
  BlockedShape s = blocked_shape(l->c, x->blocked ? x : y);
  if (is_same_memory(&s)) {
    lower_alias(l, y, x);
    return true;
  }
  DimPool *p = l->c->dims;
  Dim area = dim_mul(p, s.h, s.w);
  Dim stride[4] = {dim_mul(p, s.c, area), area, s.w, dim_const(p, 1)};
  bool to_blocked = y->blocked != NULL;
  blocked_copy(l, to_blocked ? y : x, lower_buffer(l, to_blocked ? x : y), stride, to_blocked);
  return true;
}

/* Made by the layout pass only. */
DEFINE_OP(Reorder) = {
    .domain = INTERNAL_DOMAIN, .name = "Reorder", .infer = infer_reorder, .lower = lower_reorder};
