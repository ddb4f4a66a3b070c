/* fold_weights.c: what products multiply by is computed while compiling where only constants go
 * into it, also if it grows: weights that are stored in 8 bits and widened by a few nodes.
 *
 *   y = MatMul(x, Mul(Cast(levels[384, 1536]), scale))   =>   y = MatMul(x, weights[384, 1536])
 *
 * Products lay constant weights out in panels while compiling, others in every run. Only when
 * optimising for speed: it trades the size of the weights for time. */
#include "passes/passes.h"

#include "ops/op.h"
#include "options.h"

/* 4-bit levels become floats; what grows by more is no weights (a broadcast number, say). */
enum { MOST_GROWTH = 8, MOST_DEPTH = 8 };

static int64_t value_bytes(Compilation *c, const Value *value) {
  Dim count = value_count(c, value);
  return dim_is_const(count) ? dim_value(count) * (int64_t)dtype_info(value->dtype)->bytes
                             : INT64_MAX;
}

/* Bytes of the constants that the value is computed of; -1 if it is not of constants alone. */
static int64_t source_bytes(const Value *value, int depth) {
  if (value->constant) return tensor_bytes(value->constant);
  const Node *node = value->producer;
  if (!node || depth == 0 || !op_can_fold(node->op) || value->loads.count) return -1;
  int64_t bytes = 0;
  for (int i = 0; i < node->input_count; i++) {
    int64_t more = node->inputs[i] ? source_bytes(node->inputs[i], depth - 1) : 0;
    if (more < 0) return -1;
    bytes += more;
  }
  return bytes;
}

static bool fold_value(Compilation *c, Value *value) {
  if (value->constant) return true;
  Node *node = value->producer;
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i] && !fold_value(c, node->inputs[i])) return false;
  return infer_fold(c, node);
}

static bool fold_inputs(Compilation *c, const Node *node) {
  for (int i = 0; i < node->input_count; i++) {
    Value *value = node->inputs[i];
    if (!value || value->constant) continue;
    int64_t source = source_bytes(value, MOST_DEPTH);
    if (source <= 0 || value_bytes(c, value) / MOST_GROWTH > source) continue;
    if (!fold_value(c, value)) return false;
  }
  return true;
}

static bool is_folded(const Node *node) {
  for (int i = 0; i < node->output_count; i++)
    if (node->outputs[i] && !node->outputs[i]->constant) return false;
  return node->output_count > 0;
}

static bool fold_products(Compilation *c, Graph *graph) {
  for (size_t i = 0; i < graph->nodes.count; i++) {
    const Node *node = graph->nodes.items[i];
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph && !fold_products(c, node->attrs[k].graph)) return false;
    if ((node->op->flags & OP_PRODUCT) && !fold_inputs(c, node)) return false;
  }
  return true;
}

static void drop_folded(Graph *graph) {
  size_t kept = 0;
  for (size_t i = 0; i < graph->nodes.count; i++) {
    Node *node = graph->nodes.items[i];
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph) drop_folded(node->attrs[k].graph);
    if (!is_folded(node)) graph->nodes.items[kept++] = node;
  }
  graph->nodes.count = kept;
}

bool pass_fold_weights(Compilation *c) {
  if (c->options->optimize != OPTIMIZE_SPEED) return true;
  if (!fold_products(c, c->graph)) return false;
  drop_folded(c->graph);
  return true;
}
