/* clean.c: removes nodes that nobody needs, and optional outputs that nobody reads (the states of
 * an LSTM, say), so that they are neither computed nor given memory. */
#include "passes/passes.h"

#include "ops/schema.h"

/* Marks every value (by id) that a node or a graph output uses. */
static void mark_used(const Graph *graph, bool *used) {
  for (size_t i = 0; i < graph->nodes.count; i++) {
    const Node *node = graph->nodes.items[i];
    for (int k = 0; k < node->input_count; k++)
      if (node->inputs[k]) used[node->inputs[k]->id] = true;
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph) mark_used(node->attrs[k].graph, used);
  }
  for (size_t i = 0; i < graph->outputs.count; i++) used[graph->outputs.items[i]->id] = true;
}

/* Whether the node gives a data symbol its value through this output. */
static bool defines_sizes(const Value *value) {
  for (int d = 0; d < value->rank; d++) {
    const DimSymbol *symbol = dim_symbol(value->shape[d]);
    if (symbol && symbol->kind == SYMBOL_DATA) return true;
  }
  return value->loads.count > 0;
}

static void drop_outputs(Node *node, const bool *used) {
  const OperatorSchema *schema = schema_find(node->domain, node->op_type, node->version);
  for (int i = 0; schema && i < node->output_count; i++) {
    const SchemaParam *param = schema_output(schema, i);
    Value *value = node->outputs[i];
    if (!value || used[value->id] || !param || param->kind != ARITY_OPTIONAL) continue;
    if (!defines_sizes(value)) node->outputs[i] = NULL;
  }
}

static void drop_in_graph(Graph *graph, const bool *used) {
  for (size_t i = 0; i < graph->nodes.count; i++) {
    Node *node = graph->nodes.items[i];
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph) drop_in_graph(node->attrs[k].graph, used);
    drop_outputs(node, used);
  }
}

bool pass_clean(Compilation *c) {
  graph_remove_dead(c, c->graph);
  bool *used = ARENA_ARRAY(c->arena, bool, c->next_value_id + 1);
  mark_used(c->graph, used);
  drop_in_graph(c->graph, used);
  return true;
}
