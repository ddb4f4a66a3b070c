/* fold_batchnorm.c: BatchNormalization behind a convolution goes into its weights and bias.
 *
 *   y = scale * (conv(x, W) + b - mean) / sqrt(variance + epsilon) + shift
 *     = conv(x, W * f) + (b - mean) * f + shift     with f = scale / sqrt(variance + epsilon), one
 * a channel
 *
 * The convolution's result must not be used elsewhere, and everything but x must be constant. */
#include "passes/match.h"
#include "passes/passes.h"
#include "passes/uses.h"

#include <math.h>
#include <string.h>

static bool all_constant_f32(const Node *node, int from) {
  for (int i = from; i < node->input_count; i++)
    if (node->inputs[i] && (!node->inputs[i]->constant || node->inputs[i]->dtype != DT_F32))
      return false;
  return true;
}

/* Whether `norm` can go into `conv`, whose weights are W[M, C/group, …]. */
static bool can_fold(const Node *conv, const Node *norm, const int *uses) {
  if (!is_op(conv, "Conv") || uses[conv->outputs[0]->id] != 1) return false;
  if (conv->input_count < 2 || !all_constant_f32(conv, 1) || !all_constant_f32(norm, 1))
    return false;
  if (node_int(norm, "training_mode", 0) != 0 || norm->input_count < 5) return false;
  if (norm->version < 9 && node_int(norm, "spatial", 1) == 0) return false;
  for (int i = 1; i < norm->output_count; i++)
    if (norm->outputs[i]) return false;
  int64_t channels = conv->inputs[1]->constant->dims[0];
  for (int i = 1; i < 5; i++)
    if (norm->inputs[i]->constant->count != channels) return false;
  return true;
}

static Value *new_weights(Compilation *c, const Value *weights, const double *factor) {
  const Tensor *old = weights->constant;
  int64_t per_channel = old->dims[0] ? old->count / old->dims[0] : 0;
  void *data;
  Tensor *tensor = tensor_create(c->arena, DT_F32, old->rank, old->dims, &data);
  const Tensor *aligned = tensor_align(c->arena, old);
  for (int64_t i = 0; i < old->count; i++)
    ((float *)data)[i] = (float)(((const float *)aligned->data)[i] * factor[i / per_channel]);
  return value_constant(c, weights->name, tensor);
}

/* Makes `conv` compute what `norm` did. */
static void fold(Compilation *c, Node *conv, const Node *norm) {
  const Tensor *scale = norm->inputs[1]->constant, *shift = norm->inputs[2]->constant;
  const Tensor *mean = norm->inputs[3]->constant, *variance = norm->inputs[4]->constant;
  const Value *bias = node_in(conv, 2);
  double epsilon = (double)node_float(norm, "epsilon", 1e-5f);
  int64_t channels = scale->count;
  double *factor = ARENA_ARRAY(c->arena, double, channels + 1);
  void *data;
  Tensor *new_bias = tensor_create(c->arena, DT_F32, 1, &channels, &data);
  for (int64_t i = 0; i < channels; i++) {
    factor[i] = tensor_real(scale, i) / sqrt(tensor_real(variance, i) + epsilon);
    double old = bias ? tensor_real(bias->constant, i) : 0;
    ((float *)data)[i] = (float)((old - tensor_real(mean, i)) * factor[i] + tensor_real(shift, i));
  }
  Value **inputs = ARENA_ARRAY(c->arena, Value *, 3);
  inputs[0] = conv->inputs[0];
  inputs[1] = new_weights(c, conv->inputs[1], factor);
  inputs[2] = value_constant(c, norm->inputs[2]->name, new_bias);
  conv->inputs = inputs;
  conv->input_count = 3;
  conv->outputs[0] = norm->outputs[0];
  conv->outputs[0]->producer = conv;
}

static void fold_graph(Compilation *c, Graph *graph, int *uses) {
  size_t kept = 0;
  for (size_t i = 0; i < graph->nodes.count; i++) {
    Node *node = graph->nodes.items[i];
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph) fold_graph(c, node->attrs[k].graph, uses);
    Node *conv =
        is_op(node, "BatchNormalization") && node_in(node, 0) ? node->inputs[0]->producer : NULL;
    if (conv && conv->graph == graph && can_fold(conv, node, uses)) {
      fold(c, conv, node);
      continue;
    }
    graph->nodes.items[kept++] = node;
  }
  graph->nodes.count = kept;
}

bool pass_fold_batchnorm(Compilation *c) {
  int *uses = ARENA_ARRAY(c->arena, int, c->next_value_id + 1);
  count_value_uses(c->graph, uses);
  fold_graph(c, c->graph, uses);
  return true;
}
