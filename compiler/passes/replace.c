/* replace.c: nodes of built-in operators that a plugin computes become nodes of the plugin's
 * operator:
 *
 *   Conv(x, w) with group = 1   =>   VendorConv(x, w)
 */
#include "passes/passes.h"

#include "ops/op.h"

static const OpDef *find_replacement(Compilation *c, const Node *node) {
  for (size_t i = 0; i < c->plugin_ops.count; i++) {
    const OpDef *op = c->plugin_ops.items[i];
    if (op->replaces && op->replaces(c, op, node)) return op;
  }
  return NULL;
}

static void replace_in_graph(Compilation *c, Graph *graph) {
  for (size_t i = 0; i < graph->nodes.count; i++) {
    Node *node = graph->nodes.items[i];
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph) replace_in_graph(c, node->attrs[k].graph);
    const OpDef *op = find_replacement(c, node);
    if (!op) continue;
    node->op = op;
    node->domain = op->domain;
    node->op_type = op->name;
    node->version = op->schema->since;
  }
}

bool pass_replace(Compilation *c) {
  if (c->plugin_ops.count) replace_in_graph(c, c->graph);
  return true;
}
