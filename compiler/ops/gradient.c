/* gradient.c: Gradient of ai.onnx.preview.training: dy/dx for each x of `xs`, in reverse mode.
 *
 *   Gradient(x…, z…; the values named by xs…, zs…, y)
 *
 * The front end adds what the attributes name to the inputs. The nodes between xs, zs and y are
 * visited backwards; each hands the gradients of its outputs to its inputs (derivatives.c), by
 * nodes that take the place of this one. Where an input is not the value that its name means, the
 * nodes between are copied first, with the inputs in place of the named values. */
#include "ops/derivative.h"

#include <string.h>

typedef struct {
  Composer *k;
  const Node *node;
  int xs, variables; /* their number; with zs */
  Value *y;
} Gradient;

static Value *given(const Gradient *g, int i) {
  return node_in(g->node, i);
}

static Value *named(const Gradient *g, int i) {
  return node_in(g->node, g->variables + i);
}

static bool read_gradient(Composer *k, const Node *node, Gradient *g) {
  const Attr *xs = node_attr(node, "xs"), *zs = node_attr(node, "zs");
  *g = (Gradient){.k = k, .node = node, .xs = (int)xs->count};
  g->variables = g->xs + (zs ? (int)zs->count : 0);
  if (node->input_count != 2 * g->variables + 1)
    return node_error(k->c, node, "%d inputs for %d names in xs and zs",
                      node->input_count - g->variables - 1, g->variables);
  if (node->output_count > g->xs)
    return node_error(k->c, node, "%d outputs for %d names in xs", node->output_count, g->xs);
  g->y = named(g, g->variables);
  return true;
}

/* --- the nodes between variables and y --- */

enum { UNSEEN, INDEPENDENT, DEPENDENT };

/* Which values depend on a variable, by value id, and the nodes that make them, in order. */
typedef struct {
  char *state;
  Vec(Node *) nodes;
  bool real; /* follow numbers that have derivatives only */
} Walk;

/* The node that made a value, also a constant. */
static Node *maker(const Value *value) {
  return value->producer ? value->producer : (Node *)(uintptr_t)value->folded;
}

static bool depends(Compilation *c, Walk *w, const Value *value) {
  char *state = &w->state[value->id];
  if (*state != UNSEEN) return *state == DEPENDENT;
  *state = INDEPENDENT;
  Node *node = maker(value);
  if (!node || (w->real && !dtype_is_float(value->dtype))) return false;
  bool found = false;
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i] && depends(c, w, node->inputs[i])) found = true;
  if (!found) return false;
  for (int i = 0; i < node->output_count; i++)
    if (node->outputs[i]) w->state[node->outputs[i]->id] = DEPENDENT;
  vec_push(c->arena, &w->nodes, node);
  return true;
}

/* `real`: numbers only, and xs only. */
static Walk walk_from(const Gradient *g, const Value *y, Value *const *variables, bool real) {
  Compilation *c = g->k->c;
  Walk w = {.state = ARENA_ARRAY(c->arena, char, c->next_value_id), .real = real};
  for (int i = g->variables; i-- > 0;)
    w.state[variables[i]->id] = i < g->xs || !real ? DEPENDENT : INDEPENDENT;
  depends(c, &w, y);
  return w;
}

/* --- with other values than those that are named --- */

static Node *copy_node(const Gradient *g, const Node *node, Value **copies) {
  Compilation *c = g->k->c;
  Node *copy = graph_append(c, g->k->body, node->domain, node->op_type, node->version,
                            node->input_count, node->output_count);
  Value **inputs = copy->inputs, **outputs = copy->outputs;
  *copy = *node;
  copy->inputs = inputs, copy->outputs = outputs;
  copy->graph = g->k->body;
  copy->checks.items = NULL;
  copy->checks.count = copy->checks.capacity = 0;
  copy->given_checks = 0;
  for (int i = 0; i < node->input_count; i++)
    inputs[i] = node->inputs[i] ? copies[node->inputs[i]->id] : NULL;
  for (int i = 0; i < node->output_count; i++) {
    if (!node->outputs[i]) continue;
    outputs[i] = value_create(c, node->outputs[i]->name);
    outputs[i]->producer = copy;
    outputs[i]->producer_output = i;
  }
  return copy;
}

/* y as a function of the inputs. */
static Value *recomputed(const Gradient *g, Value *const *variables) {
  Compilation *c = g->k->c;
  int known = c->next_value_id;
  Walk w = walk_from(g, g->y, variables, false);
  Value **copies = ARENA_ARRAY(c->arena, Value *, known);
  for (int i = 0; i < g->variables; i++) copies[variables[i]->id] = given(g, i);
  for (size_t n = 0; n < w.nodes.count; n++) {
    const Node *node = w.nodes.items[n];
    for (int i = 0; i < node->input_count; i++) {
      Value *x = node->inputs[i];
      if (x && !copies[x->id]) copies[x->id] = x;
    }
    Node *copy = copy_node(g, node, copies);
    infer_types(c, copy);
    for (int i = 0; i < node->output_count; i++)
      if (node->outputs[i]) copies[node->outputs[i]->id] = copy->outputs[i];
  }
  return copies[g->y->id] ? copies[g->y->id] : g->y;
}

static Value *value_of(const Gradient *g, Value **variables) {
  bool same = true;
  for (int i = 0; i < g->variables; i++) {
    variables[i] = named(g, i);
    same = same && given(g, i) == named(g, i);
  }
  if (same) return g->y;
  Value *y = recomputed(g, variables);
  for (int i = 0; i < g->variables; i++) variables[i] = given(g, i);
  return y;
}

/* --- backwards --- */

/* Adds a gradient to those that came to a value before. */
static void collect(Composer *k, Value **sum, Value *gradient) {
  *sum = *sum ? compose_binary(k, "Add", *sum, gradient) : gradient;
}

static bool no_derivative(const Gradient *g, const Node *node) {
  node_error(g->k->c, node, "no derivative of %s is known, which the gradient of '%s' needs",
             node->op_type, g->y->name);
  return g->k->failed = true, false;
}

/* Hands the gradients of a node's outputs to its inputs. */
static bool step_back(const Gradient *g, const Walk *w, const Node *node, Value **gradients) {
  Arena *arena = g->k->c->arena;
  const Derivative *derivative = derivative_find(node->domain, node->op_type);
  Value **from = ARENA_ARRAY(arena, Value *, node->output_count + 1);
  Value **to = ARENA_ARRAY(arena, Value *, node->input_count + 1);
  bool *wanted = ARENA_ARRAY(arena, bool, node->input_count + 1), any = false;
  for (int i = 0; i < node->output_count; i++) {
    from[i] = node->outputs[i] ? gradients[node->outputs[i]->id] : NULL;
    any = any || from[i];
  }
  if (!any) return true;
  for (int i = 0; i < node->input_count; i++) {
    const Value *x = node->inputs[i];
    wanted[i] = x && w->state[x->id] == DEPENDENT && dtype_is_float(x->dtype);
  }
  Backward b = {g->k, node, from, to, wanted};
  if (!derivative || !derivative->rule(&b, derivative->formulas)) return no_derivative(g, node);
  for (int i = 0; i < node->input_count; i++)
    if (wanted[i] && to[i]) collect(g->k, &gradients[node->inputs[i]->id], to[i]);
  return true;
}

static bool compose_gradient(Composer *k, const Node *node, Value **out) {
  Gradient g;
  if (!read_gradient(k, node, &g)) return false;
  Value **variables = ARENA_ARRAY(k->c->arena, Value *, g.variables + 1);
  Value *y = value_of(&g, variables);
  Walk w = walk_from(&g, y, variables, true);
  Value **gradients = ARENA_ARRAY(k->c->arena, Value *, k->c->next_value_id);
  if (!dtype_is_float(y->dtype))
    return node_error(k->c, node, "'%s' is no tensor of floats", g.y->name);
  gradients[y->id] = compose_filled(k, y, 1);
  for (size_t n = w.nodes.count; n-- > 0;)
    if (!step_back(&g, &w, w.nodes.items[n], gradients)) return false;
  for (int i = 0; i < node->output_count; i++) {
    Value *gradient = gradients[variables[i]->id];
    out[i] = gradient ? gradient : compose_filled(k, variables[i], 0);
  }
  return true;
}

/* The front end puts the values with these names behind the inputs. */
static const char *const naming[] = {"xs", "zs", "y", NULL};

DEFINE_OP(Gradient) = {
    .domain = "ai.onnx.preview.training",
    .name = "Gradient",
    .naming = naming,
    .infer = infer_composed,
    .select = select_composed,
    .compose = compose_gradient,
};
