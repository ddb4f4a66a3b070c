/* gather_rows.c: rows of a table are gathered before they are computed, not the other way round.
 *
 *   y = Gather(Mul(Cast(levels[30522, 384]), scale[30522, 1]), tokens[128])
 *     =>   y = Mul(Cast(Gather(levels, tokens)), Gather(scale, tokens))
 *
 * The table must be computed from constants by elementwise operators, and be used by Gathers only.
 * A constant that is the same for all rows stays as it is. */
#include "passes/passes.h"
#include "passes/match.h"
#include "passes/uses.h"

#include "ops/new_node.h"

#include <string.h>

enum { MOST_DEPTH = 8 };

typedef Vec(Node *) Nodes;

typedef struct {
  Compilation *c;
  int *uses;        /* of each value, by id */
  int *gathers;     /* those of them that are the data of a Gather */
  Graph *graph;     /* being rewritten */
  Nodes made;       /* its nodes */
  const Node *node; /* the Gather at hand … */
  Dim rows;         /* … the size of its axis … */
  int behind;       /* … and how many dims of the table follow that axis */
} Gatherer;

/* The axis of the table in one of the values that it is computed from; negative: it has none. */
static int own_axis(const Gatherer *g, const Value *value) {
  return value->rank - 1 - g->behind;
}

/* Whether the value is the same for all rows. */
static bool is_shared(const Gatherer *g, const Value *value) {
  int axis = own_axis(g, value);
  return axis < 0 || (dim_is(value->shape[axis], 1) && !dim_is(g->rows, 1));
}

/* --- may it be done --- */

/* Numpy broadcasting; older versions aligned by attributes. */
static bool is_elementwise(const Node *node) {
  bool broadcasts = node->input_count == 1 || node->version >= 7 || node->domain[0];
  return (node->op->flags & OP_ELEMENTWISE) && node->output_count == 1 && broadcasts;
}

static bool can_gather(const Gatherer *g, const Value *value, int depth) {
  const Node *node = value->producer;
  if (value->constant) return true;
  if (!node || depth == 0 || node->graph != g->graph || !is_elementwise(node)) return false;
  if (is_shared(g, value)) return false;
  for (int i = 0; i < node->input_count; i++) {
    const Value *input = node->inputs[i];
    if (!input) continue;
    if (!input->constant && g->uses[input->id] != 1) return false;
    if (!can_gather(g, input, depth - 1)) return false;
  }
  return true;
}

/* Fewer rows are gathered than there are, as far as that is known. */
static bool saves_rows(Compilation *c, const Gatherer *g) {
  Dim picked = value_count(c, g->node->inputs[1]);
  return dim_is_const(g->rows) && (!dim_is_const(picked) || dim_value(picked) < dim_value(g->rows));
}

/* --- the rewrite --- */

/* A node like `like` on these inputs. */
static Value *add_node(Gatherer *g, const Node *like, Value *const *inputs, Value *output,
                       const char *name) {
  Node *node = node_new(g->c, g->graph,
                        &(NewNode){.op = like->op,
                                   .version = like->version,
                                   .in = {inputs, like->input_count},
                                   .attrs = node_attrs(like),
                                   .outputs = 1,
                                   .origin = like});
  node_set_output(node, 0, output ? output : value_create(g->c, name));
  if (!node->op->infer(g->c, node)) return NULL;
  vec_push(g->c->arena, &g->made, node);
  return node->outputs[0];
}

/* Rows of a constant. */
static Value *gather_constant(Gatherer *g, Value *value) {
  Node like = *g->node;
  node_set_attr(g->c, &like, attr_int("axis", own_axis(g, value)));
  Value *const inputs[] = {value, g->node->inputs[1]};
  return add_node(g, &like, inputs, NULL, value->name);
}

/* A constant that is the same for all rows, with as many dims of size 1 as the indices have in
 * place of the one at the axis. */
static Value *spread_constant(Gatherer *g, Value *value) {
  int axis = own_axis(g, value), rank = g->node->inputs[1]->rank;
  bool number = rank > 0 && value->rank == 1; /* which some inputs must stay */
  if (axis < 0 || rank == 1 || number) return value;
  const Tensor *old = value->constant;
  Tensor *tensor = arena_copy(g->c->arena, old, sizeof *old);
  tensor->rank = 0;
  for (int d = 0; d < axis; d++) tensor->dims[tensor->rank++] = old->dims[d];
  for (int d = 0; d < rank; d++) tensor->dims[tensor->rank++] = 1;
  for (int d = axis + 1; d < old->rank; d++) tensor->dims[tensor->rank++] = old->dims[d];
  return value_constant(g->c, value->name, tensor);
}

/* The rows of a value; NULL after an error. `output`: the value to make, or NULL for a new one. */
static Value *gathered(Gatherer *g, Value *value, Value *output) {
  if (value->constant && is_shared(g, value)) return spread_constant(g, value);
  if (value->constant) return gather_constant(g, value);
  const Node *node = value->producer;
  Value **inputs = ARENA_ARRAY(g->c->arena, Value *, node->input_count + 1);
  for (int i = 0; i < node->input_count; i++) {
    if (!node->inputs[i]) continue;
    inputs[i] = gathered(g, node->inputs[i], NULL);
    if (!inputs[i]) return NULL;
  }
  return add_node(g, node, inputs, output, value->name);
}

static bool start(Gatherer *g, const Node *node) {
  const Value *table = node_in(node, 0);
  if (!is_op(node, "Gather") || table->constant || !table->producer) return false;
  int axis = (int)node_int(node, "axis", 0);
  if (axis < 0) axis += table->rank;
  g->node = node;
  g->rows = table->shape[axis];
  g->behind = table->rank - 1 - axis;
  return g->uses[table->id] == g->gathers[table->id] && saves_rows(g->c, g) &&
         can_gather(g, table, MOST_DEPTH);
}

static bool gather_in_graph(Gatherer *outer, Graph *graph) {
  Gatherer g = *outer;
  g.graph = graph;
  g.made = (Nodes){0};
  for (size_t i = 0; i < graph->nodes.count; i++) {
    Node *node = graph->nodes.items[i];
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph && !gather_in_graph(&g, node->attrs[k].graph)) return false;
    if (!start(&g, node))
      vec_push(g.c->arena, &g.made, node);
    else if (!gathered(&g, node->inputs[0], node->outputs[0]))
      return false;
  }
  graph->nodes.count = 0;
  for (size_t i = 0; i < g.made.count; i++) vec_push(g.c->arena, &graph->nodes, g.made.items[i]);
  return true;
}

static void count_gathers(const Graph *graph, int *gathers) {
  for (size_t i = 0; i < graph->nodes.count; i++) {
    const Node *node = graph->nodes.items[i];
    if (is_op(node, "Gather")) gathers[node->inputs[0]->id]++;
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph) count_gathers(node->attrs[k].graph, gathers);
  }
}

bool pass_gather_rows(Compilation *c) {
  Gatherer g = {.c = c,
                .uses = ARENA_ARRAY(c->arena, int, c->next_value_id + 1),
                .gathers = ARENA_ARRAY(c->arena, int, c->next_value_id + 1)};
  count_value_uses(c->graph, g.uses);
  count_gathers(c->graph, g.gathers);
  return gather_in_graph(&g, c->graph);
}
