/* layout.c: decides which values are in the blocked layout (ops/blocked.h), and puts conversions
 * where blocked and row-major nodes meet.
 *
 * Nodes that want blocked values have them. Those that can take either follow their neighbours:
 * they change sides as long as that saves conversions, whose cost is the number of elements
 * converted. The halo of a value is what its readers need; elementwise nodes have the same one on
 * all sides, so that they can be done in the store of the kernel in front of them. */
#include "passes/passes.h"

#include "ops/new_node.h"
#include "options.h"

#include <string.h>

enum { MOST_ROUNDS = 20 };

/* A node of the graph, by position. */
typedef struct {
  BlockedUse use;
  bool blocked;
} NodeSide;

/* Who uses a value (by id), and its class of values with the same halo. */
typedef struct {
  Vec(int) readers; /* positions of nodes */
  int writer;       /* position, or -1 */
  bool fixed;       /* must be row-major: graph inputs and outputs, uses in bodies */
  double elements;
  int same; /* another value's id, or its own: union-find */
  int64_t halo[2];
  Value *converted; /* the value in the other layout, once it was needed */
} ValueUse;

typedef struct {
  Compilation *c;
  Graph *graph;
  NodeSide *nodes;
  ValueUse *values;
} Layout;

/* --- what there is --- */

static double element_count(Compilation *c, const Value *value) {
  Dim count = value_count(c, value);
  return dim_is_const(count) ? (double)dim_value(count) : 1e5;
}

static void fix_body_uses(Layout *l, const Graph *body) {
  for (size_t i = 0; i < body->nodes.count; i++) {
    const Node *node = body->nodes.items[i];
    for (int k = 0; k < node->input_count; k++)
      if (node->inputs[k]) l->values[node->inputs[k]->id].fixed = true;
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph) fix_body_uses(l, node->attrs[k].graph);
  }
  for (size_t i = 0; i < body->outputs.count; i++)
    l->values[body->outputs.items[i]->id].fixed = true;
}

static void note_node(Layout *l, int position) {
  const Node *node = l->graph->nodes.items[position];
  NodeSide *side = &l->nodes[position];
  if (node->op->blocked) side->use = node->op->blocked(l->c, node);
  for (int k = 0; k < node->output_count; k++)
    if (node->outputs[k]) l->values[node->outputs[k]->id].writer = position;
  for (int k = 0; k < node->input_count; k++)
    if (node->inputs[k]) vec_push(l->c->arena, &l->values[node->inputs[k]->id].readers, position);
  for (int k = 0; k < node->attr_count; k++)
    if (node->attrs[k].graph) fix_body_uses(l, node->attrs[k].graph);
}

static void note_values(Layout *l) {
  for (int i = 0; i < l->c->next_value_id; i++) {
    l->values[i].writer = -1;
    l->values[i].same = i;
  }
  for (size_t i = 0; i < l->graph->nodes.count; i++) note_node(l, (int)i);
  for (size_t i = 0; i < l->graph->nodes.count; i++) {
    const Node *node = l->graph->nodes.items[i];
    for (int k = 0; k < node->output_count; k++)
      if (node->outputs[k])
        l->values[node->outputs[k]->id].elements = element_count(l->c, node->outputs[k]);
    for (int k = 0; k < node->input_count; k++) /* from around this body */
      if (node->inputs[k] && l->values[node->inputs[k]->id].writer < 0)
        l->values[node->inputs[k]->id].elements = element_count(l->c, node->inputs[k]);
  }
  for (size_t i = 0; i < l->graph->outputs.count; i++)
    l->values[l->graph->outputs.items[i]->id].fixed = true;
  for (size_t i = 0; i < l->graph->inputs.count; i++) {
    ValueUse *use = &l->values[l->graph->inputs.items[i]->id];
    use->elements = element_count(l->c, l->graph->inputs.items[i]);
  }
}

/* --- sides --- */

/* Whether the node, if it is blocked, takes input k blocked. */
static bool takes_blocked(const Layout *l, int position, int k) {
  const BlockedUse *use = &l->nodes[position].use;
  const Value *value = l->graph->nodes.items[position]->inputs[k];
  if (!l->nodes[position].blocked || !blocked_possible(value)) return false;
  if (use->all_inputs) return !dim_is(value_count(l->c, value), 1);
  return use->first_input && k == 0;
}

static bool value_is_blocked(const Layout *l, const Value *value) {
  int writer = l->values[value->id].writer;
  if (writer < 0) return false;
  const NodeSide *side = &l->nodes[writer];
  if (!side->blocked || side->use.row_output) return false;
  return side->use.all_outputs || l->graph->nodes.items[writer]->outputs[0] == value;
}

/* Elements that are converted for the readers of a value. */
static double conversion_cost(const Layout *l, const Value *value) {
  const ValueUse *use = &l->values[value->id];
  if (value->constant) return 0;
  bool blocked = value_is_blocked(l, value);
  if (blocked && use->fixed) return use->elements;
  for (size_t i = 0; i < use->readers.count; i++) {
    const Node *node = l->graph->nodes.items[use->readers.items[i]];
    for (int k = 0; k < node->input_count; k++)
      if (node->inputs[k] == value && takes_blocked(l, use->readers.items[i], k) != blocked)
        return use->elements;
  }
  return 0;
}

static double cost_around(const Layout *l, const Node *node) {
  double cost = 0;
  for (int k = 0; k < node->input_count; k++)
    if (node->inputs[k]) cost += conversion_cost(l, node->inputs[k]);
  for (int k = 0; k < node->output_count; k++)
    if (node->outputs[k]) cost += conversion_cost(l, node->outputs[k]);
  return cost;
}

static bool follows_blocked(const Layout *l, const Node *node) {
  for (int k = 0; k < node->input_count; k++)
    if (node->inputs[k] && value_is_blocked(l, node->inputs[k])) return true;
  return false;
}

/* Tries the other side for the node; true if that is better. */
static bool improve(Layout *l, int position) {
  NodeSide *side = &l->nodes[position];
  const Node *node = l->graph->nodes.items[position];
  double before = cost_around(l, node);
  side->blocked = !side->blocked;
  if (cost_around(l, node) < before) return true;
  side->blocked = !side->blocked;
  return false;
}

static void choose_sides(Layout *l) {
  for (size_t i = 0; i < l->graph->nodes.count; i++) {
    NodeSide *side = &l->nodes[i];
    side->blocked =
        side->use.answer == BLOCKED_WANTS ||
        (side->use.answer == BLOCKED_CAN && follows_blocked(l, l->graph->nodes.items[i]));
  }
  bool changed = true;
  for (int round = 0; round < MOST_ROUNDS && changed; round++) {
    changed = false;
    for (int i = (int)l->graph->nodes.count - 1; i >= 0; i--)
      if (l->nodes[i].use.answer == BLOCKED_CAN) changed = improve(l, i) || changed;
  }
}

/* --- halos --- */

static int find_same(const Layout *l, int id) {
  while (l->values[id].same != id) id = l->values[id].same;
  return id;
}

static void unite(Layout *l, const Value *a, const Value *b) {
  l->values[find_same(l, a->id)].same = find_same(l, b->id);
}

static bool same_shape(const Value *a, const Value *b) {
  if (a->rank != b->rank) return false;
  for (int d = 2; d < a->rank; d++)
    if (a->shape[d] != b->shape[d]) return false;
  return true;
}

static void unite_node(Layout *l, int position) {
  const Node *node = l->graph->nodes.items[position];
  const BlockedUse *use = &l->nodes[position].use;
  if (!l->nodes[position].blocked || !use->same_halo) return;
  for (int k = 0; k < node->input_count; k++)
    if (node->inputs[k] && takes_blocked(l, position, k) &&
        same_shape(node->inputs[k], node->outputs[0]))
      unite(l, node->inputs[k], node->outputs[0]);
  for (int k = 1; k < node->output_count && use->all_outputs; k++)
    if (node->outputs[k]) unite(l, node->outputs[k], node->outputs[0]);
}

static void raise_halo(Layout *l, int position) {
  const Node *node = l->graph->nodes.items[position];
  if (!takes_blocked(l, position, 0)) return;
  ValueUse *root = &l->values[find_same(l, node->inputs[0]->id)];
  for (int i = 0; i < 2; i++)
    if (l->nodes[position].use.halo[i] > root->halo[i])
      root->halo[i] = l->nodes[position].use.halo[i];
}

static const BlockedLayout *layout_of(Layout *l, const Value *value) {
  BlockedLayout *layout = ARENA_NEW(l->c->arena, BlockedLayout);
  memcpy(layout->halo, l->values[find_same(l, value->id)].halo, sizeof layout->halo);
  return layout;
}

static void mark_outputs(Layout *l, const Node *node) {
  for (int k = 0; k < node->output_count; k++) {
    Value *value = node->outputs[k];
    if (value && value_is_blocked(l, value)) value->blocked = layout_of(l, value);
  }
}

/* --- conversions --- */

typedef Vec(Node *) Nodes;

static Value *reorder(Layout *l, Value *value, bool to_blocked, Nodes *made) {
  ValueUse *use = &l->values[value->id];
  if (use->converted) return use->converted;
  Value *result = value_create(l->c, value->name);
  value_set_type(l->c, result, value->dtype, value->rank, value->shape);
  if (to_blocked) result->blocked = layout_of(l, value);
  Node *node = node_new(
      l->c, l->graph,
      &(NewNode){.op = op_internal("Reorder"), .version = 1, .in = IN(value), .outputs = 1});
  node->name = value->name;
  node_set_output(node, 0, result);
  vec_push(l->c->arena, made, node);
  return use->converted = result;
}

/* Bodies see row-major values only. */
static void convert_for_body(Layout *l, Graph *body, Nodes *made) {
  for (size_t i = 0; i < body->nodes.count; i++) {
    Node *node = body->nodes.items[i];
    for (int k = 0; k < node->input_count; k++)
      if (node->inputs[k] && node->inputs[k]->blocked)
        node->inputs[k] = reorder(l, node->inputs[k], false, made);
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph) convert_for_body(l, node->attrs[k].graph, made);
  }
  for (size_t i = 0; i < body->outputs.count; i++)
    if (body->outputs.items[i]->blocked)
      body->outputs.items[i] = reorder(l, body->outputs.items[i], false, made);
}

/* Rebuilds the list of nodes with the conversions in front of those that need them. */
static void convert(Layout *l) {
  Nodes nodes = {0};
  size_t count = l->graph->nodes.count;
  Node **old = ARENA_ARRAY(l->c->arena, Node *, count + 1);
  if (count) memcpy(old, l->graph->nodes.items, count * sizeof *old);
  for (size_t i = 0; i < count; i++) {
    for (int k = 0; k < old[i]->input_count; k++) {
      Value *value = old[i]->inputs[k];
      if (!value || value->constant) continue;
      bool wanted = takes_blocked(l, (int)i, k), is = value->blocked != NULL;
      if (wanted != is) old[i]->inputs[k] = reorder(l, value, wanted, &nodes);
    }
    for (int k = 0; k < old[i]->attr_count; k++)
      if (old[i]->attrs[k].graph) convert_for_body(l, old[i]->attrs[k].graph, &nodes);
    vec_push(l->c->arena, &nodes, old[i]);
  }
  for (size_t i = 0; i < l->graph->outputs.count; i++) {
    Value *value = l->graph->outputs.items[i];
    if (value->blocked) l->graph->outputs.items[i] = reorder(l, value, false, &nodes);
  }
  l->graph->nodes.count = 0;
  for (size_t i = 0; i < nodes.count; i++) vec_push(l->c->arena, &l->graph->nodes, nodes.items[i]);
}

/* A graph first, then the bodies of its nodes: what they get from around them is row-major by then.
 */
static void lay_out(Compilation *c, Graph *graph) {
  Layout l = {.c = c,
              .graph = graph,
              .nodes = ARENA_ARRAY(c->arena, NodeSide, graph->nodes.count + 1),
              .values = ARENA_ARRAY(c->arena, ValueUse, c->next_value_id + 1)};
  note_values(&l);
  choose_sides(&l);
  for (size_t i = 0; i < graph->nodes.count; i++) unite_node(&l, (int)i);
  for (size_t i = 0; i < graph->nodes.count; i++) raise_halo(&l, (int)i);
  for (size_t i = 0; i < graph->nodes.count; i++) mark_outputs(&l, graph->nodes.items[i]);
  convert(&l);
  for (size_t i = 0; i < graph->nodes.count; i++)
    for (int k = 0; k < graph->nodes.items[i]->attr_count; k++)
      if (graph->nodes.items[i]->attrs[k].graph) lay_out(c, graph->nodes.items[i]->attrs[k].graph);
}

bool pass_layout(Compilation *c) {
  if (c->options->optimize != OPTIMIZE_SIZE && target_of(c)->blocked) lay_out(c, c->graph);
  return true;
}
