/* graph.c: building, copying and rewiring graphs. */
#include "ir/graph.h"

#include <string.h>

Graph *graph_create(Compilation *c, const char *name, Graph *parent) {
  Graph *graph = ARENA_NEW(c->arena, Graph);
  graph->name = name;
  graph->parent = parent;
  return graph;
}

/* A node with room for its inputs and outputs, in no graph's list yet. inputs[0] may be looked at
 * also where there is none. */
static Node *create_node(Compilation *c, Graph *graph, int input_count, int output_count) {
  Node *node = ARENA_NEW(c->arena, Node);
  node->input_count = input_count;
  node->output_count = output_count;
  node->inputs = ARENA_ARRAY(c->arena, Value *, input_count + 1);
  node->outputs = ARENA_ARRAY(c->arena, Value *, output_count);
  node->graph = graph;
  return node;
}

Node *node_create(Compilation *c, Graph *graph, const char *domain, const char *op_type,
                  int version, int input_count, int output_count) {
  Node *node = create_node(c, graph, input_count, output_count);
  node->domain = domain;
  node->op_type = op_type;
  node->name = "";
  node->version = version;
  node->index = c->next_node_index++;
  return node;
}

Node *graph_append(Compilation *c, Graph *graph, const char *domain, const char *op_type,
                   int version, int input_count, int output_count) {
  Node *node = node_create(c, graph, domain, op_type, version, input_count, output_count);
  vec_push(c->arena, &graph->nodes, node);
  return node;
}

/* ---- copying ---- */

/* From values of the original to their copies: open addressing by id, never more than half full. */
typedef struct {
  Compilation *c;
  Value **from, **to;
  size_t capacity; /* a power of two */
} CopyMap;

static size_t copy_slot(const CopyMap *map, const Value *value) {
  size_t i = (size_t)value->id * 0x9e3779b1u & (map->capacity - 1);
  while (map->from[i] && map->from[i] != value) i = (i + 1) & (map->capacity - 1);
  return i;
}

static void copy_put(CopyMap *map, Value *from, Value *to) {
  size_t i = copy_slot(map, from);
  map->from[i] = from;
  map->to[i] = to;
}

/* The copy of a value, or the value itself if it belongs to an outer graph. */
static Value *copy_get(const CopyMap *map, Value *value) {
  if (!value) return NULL;
  size_t i = copy_slot(map, value);
  return map->from[i] ? map->to[i] : value;
}

/* Values that a graph and the graphs in it define. */
static size_t count_definitions(const Graph *graph) {
  size_t count = graph->inputs.count;
  for (size_t i = 0; i < graph->nodes.count; i++) {
    const Node *node = graph->nodes.items[i];
    count += (size_t)node->output_count;
    for (int j = 0; j < node->attr_count; j++)
      if (node->attrs[j].kind == ATTR_GRAPH) count += count_definitions(node->attrs[j].graph);
  }
  return count;
}

static CopyMap copy_map_create(Compilation *c, const Graph *graph) {
  CopyMap map = {.c = c, .capacity = 16};
  while (map.capacity < 2 * count_definitions(graph)) map.capacity *= 2;
  map.from = ARENA_ARRAY(c->arena, Value *, map.capacity);
  map.to = ARENA_ARRAY(c->arena, Value *, map.capacity);
  return map;
}

/* A fresh value like `value`. Outputs of nodes are inferred again, unless they are constants. */
static Value *copy_value(CopyMap *map, Value *value, bool infer_again) {
  Value *copy = value_create(map->c, value->name);
  int id = copy->id;
  *copy = *value;
  copy->id = id;
  copy->producer = NULL;
  copy->is_input = false;
  copy->loads.items =
      arena_copy(map->c->arena, value->loads.items, value->loads.count * sizeof(ElementLoad));
  copy->loads.capacity = value->loads.count;
  if (infer_again && !value->constant) {
    copy->dtype = DT_NONE;
    copy->rank = -1;
    copy->shape = NULL;
    copy->content = NULL;
    copy->content_count = 0;
    copy->sequence = NULL;
  }
  copy_put(map, value, copy);
  return copy;
}

static Graph *copy_graph(CopyMap *map, const Graph *graph, Graph *parent, Value *const *inputs);

static Node *copy_node(CopyMap *map, const Node *node, Graph *graph) {
  Node *copy = create_node(map->c, graph, node->input_count, node->output_count);
  Value **in = copy->inputs, **out = copy->outputs;
  *copy = *node;
  copy->inputs = in;
  copy->outputs = out;
  copy->graph = graph;
  copy->plan = NULL;
  copy->checks.items =
      arena_copy(map->c->arena, node->checks.items, (size_t)node->given_checks * sizeof(NodeCheck));
  copy->checks.count = copy->checks.capacity = (size_t)node->given_checks;
  for (int i = 0; i < node->input_count; i++) in[i] = copy_get(map, node->inputs[i]);
  copy->attrs = arena_copy(map->c->arena, node->attrs, (size_t)node->attr_count * sizeof(Attr));
  for (int i = 0; i < node->attr_count; i++)
    if (node->attrs[i].kind == ATTR_GRAPH)
      copy->attrs[i].graph = copy_graph(map, node->attrs[i].graph, graph, NULL);
  for (int i = 0; i < node->output_count; i++) {
    if (!node->outputs[i]) continue;
    out[i] = copy_value(map, node->outputs[i], true);
    out[i]->producer = node->outputs[i]->producer ? copy : NULL; /* constants may have lost it */
    out[i]->producer_output = i;
  }
  return copy;
}

static Graph *copy_graph(CopyMap *map, const Graph *graph, Graph *parent, Value *const *inputs) {
  Arena *arena = map->c->arena;
  Graph *copy = graph_create(map->c, graph->name, parent);
  for (size_t i = 0; i < graph->inputs.count; i++) {
    Value *input = graph->inputs.items[i];
    if (inputs) copy_put(map, input, inputs[i]);
    vec_push(arena, &copy->inputs, inputs ? inputs[i] : copy_value(map, input, false));
  }
  for (size_t i = 0; i < graph->nodes.count; i++) {
    Node *node = copy_node(map, graph->nodes.items[i], copy);
    vec_push(arena, &copy->nodes, node);
  }
  for (size_t i = 0; i < graph->outputs.count; i++) {
    Value *output = copy_get(map, graph->outputs.items[i]);
    vec_push(arena, &copy->outputs, output);
  }
  return copy;
}

Graph *graph_clone(Compilation *c, const Graph *graph, Value *const *inputs) {
  CopyMap map = copy_map_create(c, graph);
  return copy_graph(&map, graph, graph->parent, inputs);
}

/* ---- rewiring ---- */

static void replace_in_node(Node *node, Value *from, Value *to) {
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i] == from) node->inputs[i] = to;
  for (int i = 0; i < node->attr_count; i++)
    if (node->attrs[i].kind == ATTR_GRAPH) graph_replace_uses(node->attrs[i].graph, from, to);
}

void graph_replace_uses(Graph *graph, Value *from, Value *to) {
  for (size_t i = 0; i < graph->nodes.count; i++) replace_in_node(graph->nodes.items[i], from, to);
  for (size_t i = 0; i < graph->outputs.count; i++)
    if (graph->outputs.items[i] == from) graph->outputs.items[i] = to;
}

static bool node_uses(const Node *node, const Value *value) {
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i] == value) return true;
  for (int i = 0; i < node->attr_count; i++)
    if (node->attrs[i].kind == ATTR_GRAPH && graph_uses(node->attrs[i].graph, value)) return true;
  return false;
}

bool graph_uses(const Graph *graph, const Value *value) {
  for (size_t i = 0; i < graph->nodes.count; i++)
    if (node_uses(graph->nodes.items[i], value)) return true;
  for (size_t i = 0; i < graph->outputs.count; i++)
    if (graph->outputs.items[i] == value) return true;
  return false;
}
