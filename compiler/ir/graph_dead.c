/* graph_dead.c: removes nodes whose results nobody uses.
 *
 * One walk against the topological order: when a node is reached, all its users have been. A result
 * may be used in a second way: a data symbol that a node computes (a count, an element read from
 * its output) stands in the shapes of others. The first node whose outputs mention a data symbol is
 * taken to be the one that computes it. */
#include "ir/graph.h"

typedef struct {
  bool *value_used;      /* by value id */
  bool *symbol_used;     /* by symbol index */
  const Node **definers; /* likewise: the node that computes the symbol, NULL if none does */
  int removed;
} DeadWalk;

/* ---- who computes which symbol ---- */

typedef struct {
  DeadWalk *walk;
  const Node *node;
} SymbolVisit;

/* Visitors for dim_any_symbol, which stops at the first true: the first two see every symbol. */
static bool claim_symbol(const DimSymbol *symbol, void *context) {
  SymbolVisit *visit = context;
  const Node **definer = &visit->walk->definers[symbol->index];
  if (symbol->kind == SYMBOL_DATA && !*definer) *definer = visit->node;
  return false;
}

static bool use_symbol(const DimSymbol *symbol, void *context) {
  SymbolVisit *visit = context;
  visit->walk->symbol_used[symbol->index] = true;
  return false;
}

static bool is_awaited_symbol(const DimSymbol *symbol, void *context) {
  SymbolVisit *visit = context;
  return visit->walk->symbol_used[symbol->index] &&
         visit->walk->definers[symbol->index] == visit->node;
}

typedef bool (*SymbolVisitor)(const DimSymbol *symbol, void *context);

static bool visit_dims(const Dim *dims, int64_t count, SymbolVisitor visitor, SymbolVisit *visit) {
  for (int64_t i = 0; i < count; i++)
    if (!dim_is_const(dims[i]) && dim_any_symbol(dims[i], visitor, visit)) return true;
  return false;
}

/* Symbols in the shape and among the loads of a value. */
static bool visit_value(const Value *value, SymbolVisitor visitor, SymbolVisit *visit) {
  if (value->rank > 0 && visit_dims(value->shape, value->rank, visitor, visit)) return true;
  for (size_t i = 0; i < value->loads.count; i++)
    if (visit_dims(&value->loads.items[i].symbol, 1, visitor, visit)) return true;
  return false;
}

static bool visit_outputs(const Node *node, SymbolVisitor visitor, SymbolVisit *visit) {
  for (int i = 0; i < node->output_count; i++)
    if (node->outputs[i] && visit_value(node->outputs[i], visitor, visit)) return true;
  return false;
}

/* A node before its bodies: what shows in its outputs is known outside by it. */
static void find_definers(DeadWalk *walk, const Graph *graph) {
  for (size_t i = 0; i < graph->nodes.count; i++) {
    const Node *node = graph->nodes.items[i];
    SymbolVisit visit = {.walk = walk, .node = node};
    visit_outputs(node, claim_symbol, &visit);
    for (int j = 0; j < node->attr_count; j++)
      if (node->attrs[j].kind == ATTR_GRAPH) find_definers(walk, node->attrs[j].graph);
  }
}

/* ---- the walk ---- */

static void use_value(DeadWalk *walk, const Value *value) {
  if (!value || walk->value_used[value->id]) return;
  walk->value_used[value->id] = true;
  SymbolVisit visit = {.walk = walk};
  if (value->rank > 0) visit_dims(value->shape, value->rank, use_symbol, &visit);
  if (value->content) visit_dims(value->content, value->content_count, use_symbol, &visit);
}

static bool is_live(DeadWalk *walk, const Node *node) {
  for (int i = 0; i < node->output_count; i++)
    if (node->outputs[i] && walk->value_used[node->outputs[i]->id]) return true;
  SymbolVisit visit = {.walk = walk, .node = node};
  return visit_outputs(node, is_awaited_symbol, &visit);
}

static void sweep(DeadWalk *walk, Graph *graph);

/* All that a live node needs. Its outputs count as used, so that the symbols of their shapes are
 * kept. */
static void use_node(DeadWalk *walk, Node *node) {
  for (int i = 0; i < node->output_count; i++) use_value(walk, node->outputs[i]);
  SymbolVisit visit = {.walk = walk};
  for (size_t i = 0; i < node->checks.count; i++)
    visit_dims(&node->checks.items[i].condition, 1, use_symbol, &visit);
  for (int i = 0; i < node->attr_count; i++)
    if (node->attrs[i].kind == ATTR_GRAPH) sweep(walk, node->attrs[i].graph);
  for (int i = 0; i < node->input_count; i++) use_value(walk, node->inputs[i]);
}

/* Keeps the live nodes of a graph, moved to the end of its list while walking from there, then to
 * its start. */
static void sweep(DeadWalk *walk, Graph *graph) {
  for (size_t i = 0; i < graph->outputs.count; i++) use_value(walk, graph->outputs.items[i]);
  for (size_t i = 0; i < graph->inputs.count; i++) use_value(walk, graph->inputs.items[i]);
  Node **nodes = graph->nodes.items;
  size_t count = graph->nodes.count, first = count;
  for (size_t i = count; i-- > 0;) {
    if (!is_live(walk, nodes[i])) continue;
    use_node(walk, nodes[i]);
    nodes[--first] = nodes[i];
  }
  walk->removed += (int)first;
  graph->nodes.count = count - first;
  for (size_t i = first; i < count; i++) nodes[i - first] = nodes[i];
}

int graph_remove_dead(Compilation *c, Graph *graph) {
  size_t symbols = dim_symbol_count(c->dims);
  DeadWalk walk = {
      .value_used = ARENA_ARRAY(c->arena, bool, c->next_value_id),
      .symbol_used = ARENA_ARRAY(c->arena, bool, symbols),
      .definers = ARENA_ARRAY(c->arena, const Node *, symbols),
  };
  find_definers(&walk, graph);
  sweep(&walk, graph);
  return walk.removed;
}
