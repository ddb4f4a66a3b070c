/* commute.c: linear operators behind each other are done in the order that takes fewer products.
 *
 *   AveragePool(Conv(x, 1 x 1))                  =>   Conv(AveragePool(x), 1 x 1)
 *   Conv(Conv(x, per channel, 1 x 65), 22 x 1)   =>   Conv(Conv(x, 22 x 1), per channel, 1 x 65)
 *
 * A mean over pixels and a sum over channels commute: the convolution then makes as many results as
 * there are means. Two convolutions whose kernels lie along different axes commute where each
 * result comes from one channel of x: the longer kernel goes last if the other one leaves fewer
 * pixels. Nobody else may use what is between the two, and weights must be constant. */
#include "passes/match.h"
#include "passes/passes.h"
#include "passes/uses.h"

#include "ops/conv.h"
#include "ops/op.h"
#include "ops/pool.h"

#include <string.h>

/* --- what a window does along an axis --- */

/* Nothing: one tap, in place. */
static bool is_still(const Window *w, int axis) {
  return dim_is(w->kernel[axis], 1) && dim_is(w->stride[axis], 1) &&
         dim_is(w->pad_begin[axis], 0) && dim_is(w->pad_end[axis], 0);
}

static bool has_pads(const Window *w) {
  for (int i = 0; i < SPATIAL_AXES; i++)
    if (!dim_is(w->pad_begin[i], 0) || !dim_is(w->pad_end[i], 0)) return true;
  return false;
}

static bool along_different_axes(const Window *a, const Window *b) {
  for (int i = 0; i < SPATIAL_AXES; i++)
    if (!is_still(a, i) && !is_still(b, i)) return false;
  return true;
}

/* A number in place of a size: one that is open is 1, before a window and behind it. */
static double size_of(Dim size) {
  return dim_is_const(size) ? (double)dim_value(size) : 1.0;
}

static double volume(const Dim *sizes) {
  return size_of(sizes[0]) * size_of(sizes[1]) * size_of(sizes[2]);
}

/* --- the nodes --- */

/* A constant of floats, or missing. */
static bool is_f32_or_none(const Value *value) {
  return !value || (value->constant && value->dtype == DT_F32);
}

/* Conv with constant weights and no more, on f32. */
static bool is_plain_conv(const Node *node) {
  return is_op(node, "Conv") && node_in(node, 1) && is_f32_or_none(node_in(node, 1)) &&
         is_f32_or_none(node_in(node, 2)) && node_in(node, 0)->dtype == DT_F32;
}

/* `second` takes the place of `first` in front of it, all but inputs and outputs. */
static void change_places(Node *first, Node *second) {
  const Node old = *first;
  *first = *second;
  first->inputs = old.inputs, first->input_count = old.input_count;
  first->outputs = old.outputs, first->output_count = old.output_count;
  Value **inputs = second->inputs, **outputs = second->outputs;
  const int input_count = second->input_count, output_count = second->output_count;
  *second = old;
  second->inputs = inputs, second->input_count = input_count;
  second->outputs = outputs, second->output_count = output_count;
}

static void set_inputs(Compilation *c, Node *node, Value *x, Value *weights, Value *bias) {
  Value *const inputs[] = {x, weights, bias};
  node->input_count = bias ? 3 : weights ? 2 : 1;
  node->inputs = arena_copy(c->arena, inputs, (size_t)node->input_count * sizeof *inputs);
}

/* The types behind the two, which have changed places: another one between them, the same one at
 * the end. */
static bool infer_again(Compilation *c, Node *first, Node *second) {
  first->checks.count = second->checks.count = 0;
  return first->op->infer(c, first) && second->op->infer(c, second);
}

/* --- a mean of a convolution's results --- */

/* Whether each mean is over as many pixels, all of them there, and the pool leaves fewer of them.
 */
static bool is_plain_mean(Compilation *c, const Node *pool) {
  Window w;
  if (is_op(pool, "GlobalAveragePool")) return true;
  if (!is_op(pool, "AveragePool") || node_int(pool, "ceil_mode", 0)) return false;
  return pool_read(c, pool, &w) && !has_pads(&w) && volume(w.out) < volume(w.in);
}

static bool mean_first(Compilation *c, Node *conv, Node *pool, const Conv *shape) {
  for (int i = 0; i < SPATIAL_AXES; i++)
    if (!is_still(&shape->window, i)) return false;
  if (!is_plain_mean(c, pool)) return false;
  Value *x = conv->inputs[0], *between = conv->outputs[0];
  Value *weights = conv->inputs[1], *bias = node_in(conv, 2);
  change_places(conv, pool);
  set_inputs(c, conv, x, NULL, NULL);
  set_inputs(c, pool, between, weights, bias);
  return true;
}

/* --- two convolutions --- */

/* Products of one image, in this order and in the other one. */
static bool other_order_is_cheaper(const Conv *a, const Conv *b, int64_t middle, int64_t out) {
  const Window *v = &a->window, *w = &b->window;
  double now = (double)middle * volume(v->kernel) * volume(v->out) +
               (double)out * volume(w->kernel) * volume(w->out);
  double pixels = 1; /* between the two, in the other order */
  for (int i = 0; i < SPATIAL_AXES; i++) pixels *= size_of(is_still(w, i) ? v->in[i] : w->out[i]);
  double then = (double)out * (volume(w->kernel) * pixels + volume(v->kernel) * volume(w->out));
  return then < now;
}

static bool convs_commute(const Node *first, const Node *second, const Conv *a, const Conv *b) {
  const Tensor *v = first->inputs[1]->constant, *w = second->inputs[1]->constant;
  bool single = v->dims[1] == 1 && w->dims[1] == 1 && b->groups == v->dims[0];
  /* A bias in front of zeros that are put around it is not the same for all pixels. */
  bool uniform = !node_in(first, 2) || !has_pads(&b->window);
  return single && uniform && v->dims[0] > 0 && w->dims[0] > 0 &&
         along_different_axes(&a->window, &b->window) &&
         other_order_is_cheaper(a, b, v->dims[0], w->dims[0]);
}

/* The kernel of each channel of the first convolution, once for each result of the second that it
 * goes into. */
static Value *spread_kernels(Compilation *c, const Value *weights, int64_t channels) {
  const Tensor *old = tensor_align(c->arena, weights->constant);
  int64_t dims[MAX_RANK], size = old->count / old->dims[0];
  void *data;
  memcpy(dims, old->dims, sizeof dims);
  dims[0] = channels;
  Tensor *tensor = tensor_create(c->arena, DT_F32, old->rank, dims, &data);
  for (int64_t o = 0; o < channels; o++)
    memcpy((float *)data + o * size,
           (const float *)old->data + o / (channels / old->dims[0]) * size,
           (size_t)size * sizeof(float));
  return value_constant(c, weights->name, tensor);
}

/* What is added to each result in the end: bias[o] + inner[channel of o] * sum(kernel o). */
static Value *joint_bias(Compilation *c, const Node *first, const Node *second) {
  const Value *inner = node_in(first, 2), *outer = node_in(second, 2);
  const Tensor *weights = second->inputs[1]->constant;
  int64_t channels = weights->dims[0], size = weights->count / channels;
  int64_t each = channels / first->inputs[1]->constant->dims[0];
  void *data;
  if (!inner) return node_in(second, 2);
  Tensor *tensor = tensor_create(c->arena, DT_F32, 1, &channels, &data);
  for (int64_t o = 0; o < channels; o++) {
    double sum = 0;
    for (int64_t k = 0; k < size; k++) sum += tensor_real(weights, o * size + k);
    ((float *)data)[o] = (float)((outer ? tensor_real(outer->constant, o) : 0) +
                                 sum * tensor_real(inner->constant, o / each));
  }
  return value_constant(c, inner->name, tensor);
}

/* The convolution that was second sees the channels of x now, the other one each result. */
static void swap_convs(Compilation *c, Node *first, Node *second, const Conv *a) {
  const int64_t channels = second->inputs[1]->constant->dims[0];
  Value *x = first->inputs[0], *between = first->outputs[0];
  Value *weights = second->inputs[1], *spread = spread_kernels(c, first->inputs[1], channels);
  Value *bias = joint_bias(c, first, second);
  change_places(first, second);
  set_inputs(c, first, x, weights, NULL);
  set_inputs(c, second, between, spread, bias);
  node_set_attr(c, first, attr_int("group", a->groups));
  node_set_attr(c, second, attr_int("group", channels));
}

static bool swap_if_cheaper(Compilation *c, Node *first, Node *second, const Conv *a) {
  Conv b;
  if (!is_plain_conv(second) || !conv_read(c, second, &b)) return false;
  if (!convs_commute(first, second, a, &b)) return false;
  swap_convs(c, first, second, a);
  return true;
}

/* --- the graph --- */

static bool commute_graph(Compilation *c, Graph *graph, const ValueUses *uses) {
  for (size_t i = 0; i < graph->nodes.count; i++) {
    Node *first = graph->nodes.items[i];
    Conv shape;
    for (int k = 0; k < first->attr_count; k++)
      if (first->attrs[k].graph && !commute_graph(c, first->attrs[k].graph, uses)) return false;
    if (!is_plain_conv(first) || !conv_read(c, first, &shape)) continue;
    Node *second = only_consumer(uses, graph, first->outputs[0]);
    if (!second || second->inputs[0] != first->outputs[0]) continue;
    if (!mean_first(c, first, second, &shape) && !swap_if_cheaper(c, first, second, &shape))
      continue;
    if (!infer_again(c, first, second)) return false;
  }
  return true;
}

bool pass_commute(Compilation *c) {
  ValueUses uses = find_value_uses(c);
  return commute_graph(c, c->graph, &uses);
}
