/* order.c: nodes in topological order.
 *
 * The standard demands sorted nodes, but not every exporter sorts. A subgraph uses what its nodes
 * take from outside. */
#include "reader.h"

#include "frontends/common/order.h"
#include "ops/op.h"

#include <string.h>

typedef struct {
  Reader *r;
  const Scope *scope;
  Onnx__NodeProto *const *nodes;
  size_t count;
  Map producers;  /* name → index + 1 of the node that makes it */
  Vec(int) needs; /* concatenated lists of producers */
  size_t *first;  /* of node i: needs[first[i]] … needs[first[i + 1]] */
} Order;

static void *index_pointer(size_t index) {
  return (void *)(uintptr_t)(index + 1);
}

static void add_need(Order *order, const char *name) {
  uintptr_t producer = (uintptr_t)map_get(&order->producers, name);
  if (producer) vec_push(order->r->arena, &order->needs, (int)(producer - 1));
}

/* The names that a subgraph defines, and those of the subgraphs around it. */
typedef struct Inner {
  Map names;
  const struct Inner *outer;
} Inner;

static void add_needs(Order *order, const Onnx__NodeProto *node, const Inner *inner);

static Map names_of(Reader *r, const Onnx__GraphProto *graph) {
  static char present;
  Map names = map_in(r->arena);
  for (size_t i = 0; i < graph->n_input; i++)
    map_set(&names, text_or_empty(graph->input[i]->name), &present);
  for (size_t i = 0; i < graph->n_initializer; i++)
    map_set(&names, text_or_empty(graph->initializer[i]->name), &present);
  for (size_t i = 0; i < graph->n_node; i++)
    for (size_t k = 0; k < graph->node[i]->n_output; k++)
      map_set(&names, graph->node[i]->output[k], &present);
  return names;
}

static void add_outer_need(Order *order, const char *name, const Inner *inner) {
  for (; inner; inner = inner->outer)
    if (map_get(&inner->names, name)) return;
  add_need(order, name);
}

static void add_graph_needs(Order *order, const Onnx__GraphProto *graph, const Inner *outer) {
  Inner inner = {names_of(order->r, graph), outer};
  for (size_t i = 0; i < graph->n_node; i++) add_needs(order, graph->node[i], &inner);
  for (size_t i = 0; i < graph->n_output; i++)
    add_outer_need(order, text_or_empty(graph->output[i]->name), &inner);
}

static const char *bytes_text(Reader *r, ProtobufCBinaryData bytes) {
  return arena_strndup(r->arena, (const char *)bytes.data, bytes.len);
}

/* Values that attributes name (OpDef.naming). */
static void add_named_needs(Order *order, const Onnx__NodeProto *node, const Inner *inner) {
  const OpDef *op = op_find(normal_domain(node->domain), text_or_empty(node->op_type));
  for (const char *const *naming = op ? op->naming : NULL; naming && *naming; naming++)
    for (size_t i = 0; i < node->n_attribute; i++) {
      const Onnx__AttributeProto *attr = node->attribute[i];
      if (strcmp(text_or_empty(attr->name), *naming) != 0) continue;
      for (size_t k = 0; k < attr->n_strings; k++)
        add_outer_need(order, bytes_text(order->r, attr->strings[k]), inner);
      if (attr->has_s) add_outer_need(order, bytes_text(order->r, attr->s), inner);
    }
}

/* `inner` holds the names that are defined between here and the list that is sorted. */
static void add_needs(Order *order, const Onnx__NodeProto *node, const Inner *inner) {
  for (size_t i = 0; i < node->n_input; i++) add_outer_need(order, node->input[i], inner);
  for (size_t i = 0; i < node->n_attribute; i++)
    if (node->attribute[i]->g) add_graph_needs(order, node->attribute[i]->g, inner);
  add_named_needs(order, node, inner);
}

static void collect(Order *order) {
  for (size_t i = 0; i < order->count; i++)
    for (size_t k = 0; k < order->nodes[i]->n_output; k++) {
      const char *name = order->nodes[i]->output[k];
      if (*name && !map_get(&order->producers, name) && !map_get(&order->scope->values, name))
        map_set(&order->producers, name, index_pointer(i));
    }
  for (size_t i = 0; i < order->count; i++) {
    order->first[i] = order->needs.count;
    add_needs(order, order->nodes[i], NULL);
  }
  order->first[order->count] = order->needs.count;
}

static bool report_cycle(const Order *order, const int *members, size_t count) {
  enum { SHOWN = 5 };
  Str text = str_in(order->r->arena);
  for (size_t i = 0; i < count && i < SHOWN; i++) {
    const Onnx__NodeProto *proto = order->nodes[members[i]];
    str_addf(&text, "%s'%s' (%s #%d)", i ? ", " : "", text_or_empty(proto->name),
             text_or_empty(proto->op_type), members[i]);
  }
  if (count > SHOWN) str_addf(&text, " and %zu more", count - SHOWN);
  return diag_error(order->r->c->diag, order->r->c->file, "nodes wait for each other (a cycle): %s",
                    str_text(&text));
}

bool nodes_order(Reader *r, const Scope *scope, Onnx__NodeProto *const *nodes, size_t count,
                 int **out) {
  Order order = {
      .r = r, .scope = scope, .nodes = nodes, .count = count, .producers = map_in(r->arena)};
  size_t cycle;
  order.first = ARENA_ARRAY(r->arena, size_t, count + 1);
  collect(&order);
  Needs needs = {count, order.needs.items, order.first};
  return topological_order(r->arena, &needs, out, &cycle) || report_cycle(&order, *out, cycle);
}
