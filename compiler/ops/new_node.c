/* new_node.c: nodes that no file has. */
#include "ops/new_node.h"

#include <string.h>

Values node_inputs(const Node *node) {
  return (Values){node->inputs, node->input_count};
}

Attrs node_attrs(const Node *node) {
  return (Attrs){node->attrs, node->attr_count};
}

Attr *attrs_copy(Arena *arena, Attrs attrs) {
  Attr *copy = ARENA_ARRAY(arena, Attr, attrs.count + 1);
  for (int i = 0; i < attrs.count; i++) {
    copy[i] = attrs.items[i];
    if (copy[i].kind == ATTR_INTS)
      copy[i].ints = arena_copy(arena, copy[i].ints, copy[i].count * sizeof *copy[i].ints);
  }
  return copy;
}

Node *node_new(Compilation *c, Graph *graph, const NewNode *what) {
  const OpDef *op = what->op;
  const char *domain = op ? op->domain : what->domain, *op_type = op ? op->name : what->op_type;
  if (!domain) domain = "";
  Node *node = node_create(c, graph, domain, op_type, what->version, what->in.count, what->outputs);
  node->op = op ? op : op_find_for(c, domain, op_type);
  if (what->in.count)
    memcpy(node->inputs, what->in.items, (size_t)what->in.count * sizeof *what->in.items);
  node->attrs = attrs_copy(c->arena, what->attrs);
  node->attr_count = what->attrs.count;
  for (int i = 0; i < what->outputs && what->output; i++)
    node_set_output(node, i, value_create(c, what->output));
  if (!what->origin) return node;
  node->name = what->origin->name;
  node->where = what->origin->where;
  node->index = what->origin->index;
  return node;
}

Node *graph_add(Compilation *c, Graph *graph, const NewNode *what) {
  Node *node = node_new(c, graph, what);
  vec_push(c->arena, &graph->nodes, node);
  return node;
}
