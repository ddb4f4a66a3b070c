/* scan_batch.c: Scan of opset 8, whose tensors all have a batch dim in front, as two newer ones:
 * one over the batch, and in its body one over the sequence.
 *
 *   Scan8(lens [N], state [N, …], x [N, T, …])  =>
 *     for each n: Scan(state[n], x[n])
 *
 * With lengths, the inner body also counts its steps. From step lens[n] on, the states stay what
 * they are and the outputs are 0. */
#include "ops/scan_batch.h"

#include "ops/new_node.h"

#include <string.h>

enum { SCAN_VERSION = 11, CHOOSE_VERSION = 16 };

/* A node with one output, which is returned. */
static Value *compute(Compilation *c, Graph *graph, const char *op_type, Values in) {
  NewNode node = {
      .op_type = op_type, .version = CHOOSE_VERSION, .in = in, .outputs = 1, .output = op_type};
  return graph_add(c, graph, &node)->outputs[0];
}

static Value *integer_value(Compilation *c, int64_t number) {
  return value_constant(c, "number", tensor_scalar_int(c->arena, DT_I64, number));
}

/* A Scan like `node`, the last `scanned` inputs of which are cut along axis 0. */
static Node *append_scan(Compilation *c, Graph *graph, const Node *like, Graph *body, Values in,
                         int scanned) {
  body->parent = graph;
  return graph_add(
      c, graph,
      &(NewNode){.op_type = "Scan",
                 .version = SCAN_VERSION,
                 .in = in,
                 .attrs = WITH(attr_graph("body", body), attr_int("num_scan_inputs", scanned)),
                 .outputs = (int)body->outputs.count,
                 .output = "Scan",
                 .origin = like});
}

/* The body with one more state in front, the number of the step, that does nothing from step
 * `length` on. */
static Graph *body_until(Compilation *c, const Graph *original, int states, Value *length) {
  Graph *body = graph_clone(c, original, NULL), before = *body;
  Value *step = value_create(c, "step"), *zero = integer_value(c, 0);
  memset(&body->inputs, 0, sizeof body->inputs);
  memset(&body->outputs, 0, sizeof body->outputs);
  vec_push(c->arena, &body->inputs, step);
  for (size_t i = 0; i < before.inputs.count; i++)
    vec_push(c->arena, &body->inputs, before.inputs.items[i]);
  Value *runs = compute(c, body, "Less", IN(step, length));
  vec_push(c->arena, &body->outputs, compute(c, body, "Add", IN(step, integer_value(c, 1))));
  for (int i = 0; i < (int)before.outputs.count; i++) {
    Value *result = before.outputs.items[i];
    Value *instead =
        i < states ? before.inputs.items[i] : compute(c, body, "CastLike", IN(zero, result));
    vec_push(c->arena, &body->outputs, compute(c, body, "Where", IN(runs, result, instead)));
  }
  return body;
}

/* Entry i of the attribute says that input i is read from its end. */
static bool reads_backward(const Node *node) {
  size_t count;
  const int64_t *directions = node_ints(node, "directions", &count);
  for (size_t i = 0; i < count; i++)
    if (directions[i]) return true;
  return false;
}

/* What is done for one entry of the batch: inputs and outputs are those of the node, without their
 * first dim. */
static Graph *batch_body(Compilation *c, const Node *node, int states) {
  Graph *batch = graph_create(c, "batch", node->graph), *body = node_body(node, "body");
  Value **inputs = ARENA_ARRAY(c->arena, Value *, node->input_count + 1);
  int scanned = node->input_count - 1 - states, count = 0;
  Value *length = node_in(node, 0) ? value_create(c, "length") : NULL;
  if (length) {
    vec_push(c->arena, &batch->inputs, length);
    inputs[count++] = integer_value(c, 0);
    body = body_until(c, body, states, length);
  }
  for (int i = 1; i < node->input_count; i++) {
    inputs[count] = value_create(c, node->inputs[i]->name);
    vec_push(c->arena, &batch->inputs, inputs[count++]);
  }
  Node *scan = append_scan(c, batch, node, body, (Values){inputs, count}, scanned);
  const Attr *directions = node_attr(node, "directions");
  if (directions) {
    Attr renamed = *directions;
    renamed.name = "scan_input_directions";
    node_set_attr(c, scan, renamed);
  }
  for (int i = length != NULL; i < scan->output_count; i++)
    vec_push(c->arena, &batch->outputs, scan->outputs[i]);
  return batch;
}

Graph *scan_over_batch(Compilation *c, const Node *node) {
  const Graph *body = node_body(node, "body");
  int states = node->input_count - 1 - (int)node_int(node, "num_scan_inputs", 1);
  if (node->version >= 9 || states < 0 || (int)body->inputs.count != node->input_count - 1 ||
      (int)body->outputs.count < states || (node_in(node, 0) && reads_backward(node)))
    return NULL;
  for (int i = 1; i < node->input_count; i++)
    if (!node->inputs[i] || node->inputs[i]->rank < 1) return NULL;
  Graph *graph = graph_create(c, "scan", node->graph), *batch = batch_body(c, node, states);
  int first = node_in(node, 0) ? 0 : 1, count = node->input_count - first;
  Node *scan = append_scan(c, graph, node, batch, (Values){node->inputs + first, count}, count);
  for (int i = 0; i < scan->output_count; i++)
    vec_push(c->arena, &graph->outputs, scan->outputs[i]);
  return graph;
}
