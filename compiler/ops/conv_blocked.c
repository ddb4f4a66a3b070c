/* conv_blocked.c: Conv, FusedConv and ConvTranspose on blocked values: reads what a node asks for,
 * and chooses between the ways to compute it. */
#include "ops/conv_blocked.h"

#include "ops/conv.h"
#include "options.h"

#include <string.h>

/* What the estimates of time assume of the machine; only their relation matters. */
enum { PEAK_FLOPS_PER_NS = 250, FLOATS_PER_NS = 9 };
/* Rows and columns of an output whose size is not known. */
enum { USUAL_SIZE = 32 };
/* Blocks of values with fewer channels are mostly empty. */
enum { FEW_CHANNELS = 4 };

static const BlockedMethod *const methods[] = {
    &conv_direct,    &conv_stem,      &conv_by_phases, &conv_depthwise,
    &conv_winograd4, &conv_winograd2, &conv_thin,      &conv_planes,
};
enum { METHOD_COUNT = sizeof methods / sizeof *methods };

/* --- reading --- */

/* The last two spatial axes of `dims`, if they are constant. */
static bool read_pair(const Dim *dims, int64_t *pair) {
  for (int i = 0; i < 2; i++) {
    Dim dim = dims[SPATIAL_AXES - 2 + i];
    if (!dim_is_const(dim)) return false;
    pair[i] = dim_value(dim);
  }
  return true;
}

static bool read_window(BlockedConv *conv, const Window *w) {
  for (int i = 0; i < 2; i++) {
    conv->in_size[i] = w->in[SPATIAL_AXES - 2 + i];
    conv->out_size[i] = w->out[SPATIAL_AXES - 2 + i];
  }
  return read_pair(w->kernel, conv->kernel) && read_pair(w->stride, conv->stride) &&
         read_pair(w->dilation, conv->dilation) && read_pair(w->pad_begin, conv->pad) &&
         read_pair(w->pad_end, conv->pad_end);
}

/* Whether x is row-major in any case, or so thin that this is better. */
static bool is_row_major(Compilation *c, const Value *x) {
  if (x->blocked) return false;
  const Node *producer = x->producer;
  return !producer || !producer->op->blocked || dim_value(x->shape[1]) <= FEW_CHANNELS ||
         producer->op->blocked(c, producer).answer == BLOCKED_NO;
}

/* A f32 constant, or nothing. */
static bool is_constant_or_missing(const Value *value) {
  return !value || (value->constant && value->constant->dtype == DT_F32);
}

/* False if the node is not a BlockedConv. */
static bool read_blocked_conv(Compilation *c, const Node *node, BlockedConv *conv) {
  Conv plain;
  const Value *x = node_in(node, 0), *w = node_in(node, 1), *bias = node_in(node, 2);
  *conv = (BlockedConv){.node = node, .x = x, .y = node_out(node, 0)};
  if (!x || !conv->y || x->dtype != DT_F32 || x->rank > 4 || !blocked_possible(conv->y))
    return false;
  if (!w || !w->constant || !is_constant_or_missing(w) || !is_constant_or_missing(bias))
    return false;
  if (!dim_is_const(x->shape[1]) || !conv_read(c, node, &plain)) return false;
  if (!dim_is_const(plain.ic) || !dim_is_const(plain.oc)) return false;
  conv->transposed = strcmp(node->op->name, "ConvTranspose") == 0;
  conv->weight = w->constant;
  conv->bias = bias ? bias->constant : NULL;
  conv->row_input = is_row_major(c, x);
  conv->may_grow = c->options->optimize == OPTIMIZE_SPEED;
  conv->groups = plain.groups;
  conv->in = dim_value(plain.ic);
  conv->out = dim_value(plain.oc);
  return conv->in > 0 && conv->out > 0 && read_window(conv, &plain.window);
}

/* --- choosing --- */

static bool is_row_to_row(const BlockedMethod *method) {
  return method->row_input && method->row_output;
}

/* A method that reads a blocked x cannot if x cannot be blocked. A node without blocked values gets
 * x as it likes. */
static bool takes_input(const BlockedMethod *method, const BlockedConv *conv) {
  if (is_row_to_row(method)) return true;
  return method->row_input ? conv->row_input : blocked_possible(conv->x);
}

static const BlockedMethod *choose(const BlockedConv *conv, bool row_to_row) {
  const BlockedMethod *best = NULL;
  double least = 0;
  for (int i = 0; i < METHOD_COUNT; i++) {
    double cost = takes_input(methods[i], conv) ? methods[i]->cost(conv) : -1;
    if (cost < 0 || (best && cost >= least)) continue;
    if (is_row_to_row(methods[i]) && !row_to_row) continue;
    best = methods[i];
    least = cost;
  }
  return best;
}

BlockedUse blocked_conv_use(Compilation *c, const Node *node) {
  BlockedConv conv;
  BlockedUse use = {.answer = BLOCKED_NO};
  const BlockedMethod *method = read_blocked_conv(c, node, &conv) ? choose(&conv, true) : NULL;
  const Value *z = node_in(node, 3);
  if (!method || is_row_to_row(method)) return use;
  if (z && (method->row_input || method->row_output || !blocked_possible(z))) return use;
  use.answer = BLOCKED_WANTS;
  use.first_input = !method->row_input;
  use.row_output = method->row_output;
  use.all_inputs = z != NULL;
  if (method->halo) method->halo(&conv, use.halo);
  return use;
}

/* --- lowering --- */

static Operand add(Lower *l, LoopNest *nest, Operand a, Operand b) {
  Operand args[2] = {a, b};
  return nest_apply(l, nest, "add", DT_F32, args, 2);
}

/* y = act(raw + bias + z) */
static void finish(Lower *l, const BlockedConv *conv, Buffer *raw) {
  BlockedShape s = blocked_shape(l->c, conv->y);
  const Value *z = node_in(conv->node, 3);
  Dim stride[5], zero = dim_const(l->c->dims, 0), one = dim_const(l->c->dims, 1);
  Dim channel[5] = {zero, dim_const(l->c->dims, BLOCK_CHANNELS), zero, zero, one};
  blocked_strides(l->c, &s, stride);
  LoopNest *nest = blocked_nest(l, conv->y);
  Operand value = nest_load_at(l, nest, raw, s.origin, stride);
  if (conv->bias) {
    Buffer *bias = blocked_channels(l, conv->bias, conv->y->name);
    value = add(l, nest, value, nest_load_at(l, nest, bias, NULL, channel));
  }
  if (z) value = add(l, nest, value, nest_load(l, nest, z));
  nest_store(l, nest, conv->y, conv_activation(l, nest, conv->node, value));
}

/* y = raw + bias, both row-major. */
static void finish_rows(Lower *l, const BlockedConv *conv, Buffer *raw) {
  Dim stride[MAX_RANK], channel[MAX_RANK];
  LoopNest *nest = lower_pointwise(l, conv->y);
  nest_strides(l->c, nest->rank, nest->extent, stride);
  for (int d = 0; d < nest->rank; d++) channel[d] = dim_const(l->c->dims, d == 1);
  Operand value = nest_load_at(l, nest, raw, NULL, stride);
  Buffer *bias = lower_constant(l, conv->bias, conv->y->name);
  nest_store(l, nest, conv->y, add(l, nest, value, nest_load_at(l, nest, bias, NULL, channel)));
}

static bool has_more_to_do(const BlockedConv *conv) {
  return conv->bias || node_in(conv->node, 3) || node_string(conv->node, "activation", "")[0] != 0;
}

/* Notes at the steps from `first` on which method was taken, and the estimate that decided. */
static void explain(Lower *l, const BlockedConv *conv, const BlockedMethod *method, size_t first) {
  const char *why = arena_printf(l->c->arena, "%s: estimated at %.1f us, the least", method->name,
                                 method->cost(conv) / 1000);
  for (size_t i = first; i < l->block->steps.count; i++)
    if (l->block->steps.items[i]->units && !l->block->steps.items[i]->why)
      l->block->steps.items[i]->why = why;
}

bool blocked_conv_lower(Lower *l, const Node *node) {
  BlockedConv conv;
  const BlockedMethod *method = read_blocked_conv(l->c, node, &conv) ? choose(&conv, false) : NULL;
  CTC_ASSERT(method != NULL);
  bool more = has_more_to_do(&conv);
  Buffer *out = !more ? lower_buffer(l, conv.y)
                : method->row_output
                    ? lower_scratch(l, DT_F32, value_count(l->c, conv.y), conv.y->name)
                    : blocked_scratch(l, conv.y);
  size_t first = l->block->steps.count;
  method->lower(l, &conv, out);
  explain(l, &conv, method, first);
  if (more) (method->row_output ? finish_rows : finish)(l, &conv, out);
  return true;
}

/* The method from row-major to row-major that can do it, or NULL. */
static const BlockedMethod *row_method(const BlockedConv *conv) {
  for (int i = 0; i < METHOD_COUNT; i++)
    if (is_row_to_row(methods[i]) && methods[i]->cost(conv) >= 0) return methods[i];
  return NULL;
}

bool row_conv_lower(Lower *l, const Node *node) {
  BlockedConv conv;
  if (l->c->options->optimize == OPTIMIZE_SIZE || !target_of(l->c)->blocked ||
      !read_blocked_conv(l->c, node, &conv))
    return false;
  const BlockedMethod *method = row_method(&conv);
  if (!method) return false;
  Dim count = value_count(l->c, conv.y);
  Buffer *out = conv.bias ? lower_scratch(l, DT_F32, count, conv.y->name) : lower_buffer(l, conv.y);
  size_t first = l->block->steps.count;
  method->lower(l, &conv, out);
  explain(l, &conv, method, first);
  if (conv.bias) finish_rows(l, &conv, out);
  return true;
}

/* --- for methods --- */

double blocked_conv_size(Dim size) {
  return dim_is_const(size) ? (double)dim_value(size) : USUAL_SIZE;
}

double blocked_conv_area(const Dim *size) {
  return blocked_conv_size(size[0]) * blocked_conv_size(size[1]);
}

double blocked_conv_pixels(const BlockedConv *conv) {
  return blocked_conv_area(conv->out_size);
}

double blocked_conv_time(double flops, double share, double floats) {
  double computing = flops / (share * PEAK_FLOPS_PER_NS), loading = floats / FLOATS_PER_NS;
  return computing > loading ? computing : loading;
}

const float *blocked_conv_weights(Lower *l, const BlockedConv *conv) {
  return tensor_align(l->c->arena, conv->weight)->data;
}

Buffer *blocked_conv_packed(Lower *l, const BlockedConv *conv, int64_t count, float **data) {
  void *bytes;
  Tensor *packed = tensor_create(l->c->arena, DT_F32, 1, &count, &bytes);
  *data = bytes;
  return lower_constant(l, packed, node_in(conv->node, 1)->name);
}

enum { MOST_PACK_NUMBERS = 16 };

void blocked_conv_pack(const char *stem, const float *from, float *to, const int64_t *numbers,
                       int count) {
  const Kernel *kernel = kernel_find_typed(stem, DT_F32);
  KernelArg args[2 + MOST_PACK_NUMBERS] = {{.in = from}, {.out = to}};
  CTC_ASSERT(kernel && kernel->param_count == 2 + count && count <= MOST_PACK_NUMBERS);
  for (int i = 0; i < count; i++) args[2 + i].dim = numbers[i];
  kernel->call(args);
}

Dim blocked_conv_origin(Compilation *c, const BlockedConv *conv) {
  BlockedShape s = blocked_shape(c, conv->x);
  if (conv->transposed) return s.origin;
  Dim before =
      dim_addi(c->dims, dim_muli(c->dims, s.row, conv->pad[0]), conv->pad[1] * BLOCK_CHANNELS);
  return dim_sub(c->dims, s.origin, before);
}

void blocked_conv_results(Lower *l, Step *step, const BlockedConv *conv) {
  BlockedShape s = blocked_shape(l->c, conv->y);
  step_blocked_results(l, step, blocked_results(l->c, &s), s.plane);
}
