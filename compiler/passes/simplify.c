/* simplify.c: nodes that change nothing go, and what exporters write as several nodes becomes the
 * one that it means.
 *
 *   y = Identity(x), Cast(x) to its own type, Reshape(x) to its own shape …   =>   x
 *   Conv(Pad(x, zeros around the planes))                                     =>   Conv(x), pads
 * added
 */
#include "passes/passes.h"

#include "ops/op.h"
#include "ops/pad.h"
#include "passes/match.h"

#include <string.h>

typedef struct {
  Compilation *c;
  Value **instead; /* by value id: what takes its place, or NULL */
  bool *kept;      /* by value id: outputs of graphs, and what loops and branches have noted */
} Simplifier;

/* --- nodes that change nothing --- */

static bool same_type(const Value *a, const Value *b) {
  return a->dtype == b->dtype && same_shape(a, b);
}

static void note_kept(const Graph *graph, bool *kept) {
  for (size_t i = 0; i < graph->outputs.count; i++) kept[graph->outputs.items[i]->id] = true;
  for (size_t i = 0; i < graph->nodes.count; i++) {
    const Node *node = graph->nodes.items[i];
    for (int k = 0; (node->op->flags & OP_BODY) && k < node->input_count; k++)
      if (node->inputs[k]) kept[node->inputs[k]->id] = true;
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph) note_kept(node->attrs[k].graph, kept);
  }
}

/* What a node finds out when it runs: checks, other inputs, elements of its output that give a size
 * its value. */
static bool looks_at_data(const Node *node) {
  for (int k = 1; k < node->input_count; k++)
    if (node->inputs[k] && !node->inputs[k]->constant) return true;
  return node->checks.count > 0 || node->outputs[0]->loads.count > 0;
}

static bool changes_nothing(const Simplifier *s, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  return (node->op->flags & OP_KEEPS) && x && y && same_type(x, y) && !looks_at_data(node) &&
         !s->kept[y->id];
}

/* --- zeros around the input of a convolution --- */

static bool pads_are_written(const Node *node) {
  const char *mode = node_string(node, "auto_pad", "NOTSET");
  return mode[0] == '\0' || strcmp(mode, "NOTSET") == 0 || strcmp(mode, "VALID") == 0;
}

/* Takes the zeros that `pad` puts around the planes of its input into the pads of `conv`. */
static void take_padding(Compilation *c, Node *conv, const Node *pad) {
  int64_t before[MAX_RANK], after[MAX_RANK];
  size_t given = 0, axes = (size_t)(node_in(conv, 0)->rank - 2);
  const int64_t *own = node_ints(conv, "pads", &given);
  if (!pads_are_written(conv) || !pad_zeros(c, pad, before, after)) return;
  if (before[0] || before[1] || after[0] || after[1]) return;
  bool has_own =
      own && given == 2 * axes && strcmp(node_string(conv, "auto_pad", ""), "VALID") != 0;
  int64_t *pads = ARENA_ARRAY(c->arena, int64_t, 2 * axes);
  for (size_t i = 0; i < axes; i++) {
    pads[i] = before[i + 2] + (has_own ? own[i] : 0);
    pads[axes + i] = after[i + 2] + (has_own ? own[axes + i] : 0);
  }
  node_set_attr(c, conv, attr_text("auto_pad", "NOTSET"));
  node_set_attr(c, conv, attr_ints("pads", pads, (int)(2 * axes)));
  conv->inputs[0] = pad->inputs[0];
}

/* --- the graph --- */

static void simplify_graph(Simplifier *s, Graph *graph);

/* Nodes come in order: what stands for an input is final. */
static void simplify_node(Simplifier *s, Node *node) {
  for (int k = 0; k < node->input_count; k++)
    if (node->inputs[k] && s->instead[node->inputs[k]->id])
      node->inputs[k] = s->instead[node->inputs[k]->id];
  for (int k = 0; k < node->attr_count; k++)
    if (node->attrs[k].graph) simplify_graph(s, node->attrs[k].graph);
  if (changes_nothing(s, node)) s->instead[node->outputs[0]->id] = node->inputs[0];
  const Node *before = node_in(node, 0) ? node->inputs[0]->producer : NULL;
  if (is_op(node, "Conv") && before) take_padding(s->c, node, before);
}

static void simplify_graph(Simplifier *s, Graph *graph) {
  for (size_t i = 0; i < graph->nodes.count; i++) simplify_node(s, graph->nodes.items[i]);
}

bool pass_simplify(Compilation *c) {
  Simplifier s = {c, ARENA_ARRAY(c->arena, Value *, c->next_value_id + 1),
                  ARENA_ARRAY(c->arena, bool, c->next_value_id + 1)};
  note_kept(c->graph, s.kept);
  simplify_graph(&s, c->graph);
  graph_remove_dead(c, c->graph);
  return true;
}
