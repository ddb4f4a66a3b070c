/* replace.c: nodes of built-in operators that a plugin computes become nodes of the plugin's
 * operator:
 *
 *   Conv(x, w) with group = 1            =>   VendorConv(x, w)
 *   Div(x, Sqrt(Conv(Mul(x, x), g, b)))  =>   GDN(x, b, g)
 *
 * Plugins come in the order in which they were found: what one has taken is gone for the next. */
#include "passes/passes.h"

#include "ops/op.h"
#include "passes/uses.h"

static void replace_in_graph(Compilation *c, const OpDef *op, Graph *graph, const int **uses) {
  for (size_t i = 0; i < graph->nodes.count; i++) {
    Node *node = graph->nodes.items[i];
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph) replace_in_graph(c, op, node->attrs[k].graph, uses);
    if (op->replaces(c, op, node, *uses)) *uses = find_value_uses(c).counts;
  }
}

bool pass_replace(Compilation *c) {
  for (size_t i = 0; i < c->plugin_ops.count; i++) {
    const OpDef *op = c->plugin_ops.items[i];
    if (!op->replaces) continue;
    const int *uses = find_value_uses(c).counts;
    replace_in_graph(c, op, c->graph, &uses);
    graph_remove_dead(c, c->graph);
  }
  return true;
}
