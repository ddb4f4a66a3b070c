/* infer_graph.c: type and shape inference of a whole graph, folding what is constant on the way.
 *
 * Nodes are taken in order. A node whose inputs are all constants is run at once by the
 * interpreter; a node that can tell which of its bodies will run (an If with a known condition) is
 * replaced by that body's nodes, so that a dead branch is never looked at. All errors are reported:
 * outputs of a node that failed take the types that the file declares, or stay untyped; nodes that
 * depend on untyped values are passed over in silence. */
#include "ops/op.h"

#include "ir/interpret.h"
#include "options.h"

#include <string.h>

/* Folding must not blow up the program: larger results of small inputs (an Expand of a scalar) stay
 * computed at run time. */
enum { FOLD_BYTES_FREE = 1 << 16, FOLD_GROWTH = 2 };

static bool is_typed(const Value *value) {
  return value->dtype != DT_NONE && value->rank >= 0;
}

static bool inputs_typed(const Node *node) {
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i] && !is_typed(node->inputs[i])) return false;
  return true;
}

/* --- folding --- */

/* Bytes of the node's inputs if all are constants, else -1. */
static int64_t constant_input_bytes(const Node *node) {
  int64_t bytes = 0;
  for (int i = 0; i < node->input_count; i++) {
    if (!node->inputs[i]) continue;
    if (!node->inputs[i]->constant) return -1;
    bytes += tensor_bytes(node->inputs[i]->constant);
  }
  return bytes;
}

/* Bytes of the outputs that are not constant yet; -1 if there are none, or a shape is not constant.
 */
static int64_t open_output_bytes(Compilation *c, const Node *node) {
  int64_t bytes = 0;
  bool any = false;
  for (int i = 0; i < node->output_count; i++) {
    Value *value = node->outputs[i];
    if (!value || value->constant) continue;
    Dim count = value_count(c, value);
    if (!dim_is_const(count)) return -1;
    bytes += dim_value(count) * (int64_t)dtype_info(value->dtype)->bytes;
    any = true;
  }
  return any ? bytes : -1;
}

/* Sets the run's outputs as constants; they are copied because the run's arena goes away. */
static void take_constants(Compilation *c, const Node *node, const Tensor *const *results) {
  int next = 0;
  for (int i = 0; i < node->output_count; i++) {
    if (!node->outputs[i] || node->outputs[i]->constant) continue;
    const Tensor *result = results[next++];
    void *data;
    Tensor *copy = tensor_create(c->arena, result->dtype, result->rank, result->dims, &data);
    memcpy(data, result->data, (size_t)tensor_bytes(result));
    if (result->dtype == DT_STRING) tensor_keep_texts(c->arena, data, result->count);
    value_set_constant(c, node->outputs[i], copy);
  }
}

/* A program of this node alone whose outputs are the outputs that are not constant yet. */
static bool lower_alone(Compilation *c, const Node *node, Program **program) {
  Lower l;
  *program = lower_begin(c, &l);
  if (!lower_node(&l, node)) return false;
  for (int i = 0; i < node->output_count; i++) {
    Value *value = node->outputs[i];
    if (!value || value->constant) continue;
    Port port = {.name = value->name,
                 .dtype = value->dtype,
                 .rank = value->rank,
                 .shape = value->shape,
                 .buffer = lower_buffer(&l, value)};
    vec_push(c->arena, &(*program)->outputs, port);
  }
  return true;
}

/* Constants have no producer. */
static void settle_constants(Node *node) {
  for (int i = 0; i < node->output_count; i++)
    if (node->outputs[i] && node->outputs[i]->constant) {
      node->outputs[i]->producer = NULL;
      node->outputs[i]->folded = node;
    }
}

bool infer_fold(Compilation *c, Node *node) {
  enum { MOST = 64 };
  Program *program;
  const Tensor *results[MOST] = {0};
  if (node->output_count > MOST) return true;
  if (!lower_alone(c, node, &program)) return false;
  Arena *scratch = arena_create();
  RunResult result;
  bool ok = interpret(program, NULL, results, scratch, &result, NULL, NULL);
  if (ok)
    take_constants(c, node, results);
  else
    node_error(c, node, "running it on its constant inputs failed: %s",
               result.message ? result.message : "unknown reason");
  arena_destroy(scratch);
  settle_constants(node);
  return ok;
}

bool op_can_fold(const OpDef *op) {
  return !(op->flags & (OP_RANDOM | OP_BODY | OP_FOREIGN)) && op->lower;
}

static bool can_fold(Compilation *c, const Node *node) {
  if (!op_can_fold(node->op)) return false;
  int64_t in = constant_input_bytes(node), out = open_output_bytes(c, node);
  return in >= 0 && out >= 0 && out <= FOLD_BYTES_FREE + FOLD_GROWTH * in;
}

/* --- one node --- */

static bool outputs_constant(const Node *node) {
  for (int i = 0; i < node->output_count; i++)
    if (node->outputs[i] && !node->outputs[i]->constant) return false;
  return true;
}

static void check_typed(const Node *node) {
  for (int i = 0; i < node->output_count; i++)
    if (node->outputs[i] && !is_typed(node->outputs[i])) {
      fprintf(stderr, "ctc: %s leaves its output %d without a type\n", node->op_type, i);
      CTC_ASSERT(false && "inference sets every output");
    }
}

/* Types, then constants. *gone: the node is not needed any more. */
static bool infer_node(Compilation *c, Node *node, bool *gone) {
  *gone = false;
  if (!node->op) {
    const char *domain = node->domain[0] ? node->domain : "ai.onnx";
    return diag_error(c->diag, node_where(c, node),
                      "operator %s of domain %s (version %d) is not supported", node->op_type,
                      domain, node->version);
  }
  if (!inputs_typed(node)) return true;
  node->checks.count = (size_t)node->given_checks;
  CTC_ASSERT(node->op->infer);
  if (!check_input_types(c, node) || !node->op->infer(c, node)) return false;
  check_typed(node);
  if (can_fold(c, node) && !infer_fold(c, node)) return false;
  *gone = outputs_constant(node) && node->output_count > 0;
  settle_constants(node);
  return true;
}

static void forget_types(Node *node) {
  for (int i = 0; i < node->output_count; i++) {
    Value *value = node->outputs[i];
    if (!value) continue;
    value->dtype = DT_NONE;
    value->rank = -1;
  }
}

void infer_types(Compilation *c, Node *node) {
  Diag *diag = c->diag, silent = {.out = NULL};
  if (!node->op || !inputs_typed(node)) return;
  c->diag = &silent;
  if (!check_input_types(c, node) || !node->op->infer(c, node)) forget_types(node);
  c->diag = diag;
}

/* --- after an error --- */

static void use_declared_type(Compilation *c, Value *value) {
  const DeclaredType *declared = value->declared;
  Dim shape[MAX_RANK];
  if (!declared || is_typed(value)) return;
  for (int d = 0; d < declared->rank; d++) {
    const char *name = declared->names[d];
    if (!name) name = arena_printf(c->arena, "%s.%d", value->name, d);
    shape[d] =
        declared->dims[d] >= 0 ? dim_const(c->dims, declared->dims[d]) : dim_input(c->dims, name);
  }
  value_set_type(c, value, declared->dtype, declared->rank, shape);
}

/* Inputs that could not be inferred take the types that the file declares, unless shapes were given
 * on the command line that the file does not know of. Nothing is compiled any more: this only finds
 * more errors. */
static void go_on_with_declared_types(Compilation *c, const Node *node) {
  if (c->options && c->options->shape_count) return;
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i]) use_declared_type(c, node->inputs[i]);
}

/* --- the whole graph --- */

/* `inner`, of a body, takes the place of `outer`, and its name, too, which an output of the model
 * keeps; a value from outside of the body has its own. */
static void take_place(Graph *graph, Value *outer, Value *inner, const Graph *body) {
  if (inner->producer && inner->producer->graph == body) inner->name = outer->name;
  graph_replace_uses(graph, outer, inner);
}

/* Puts the nodes of `body` at position `at` in place of the node there, whose outputs become the
 * body's. */
static void splice_body(Compilation *c, Graph *graph, size_t at, Graph *body) {
  Node *node = graph->nodes.items[at];
  for (int i = 0; i < node->output_count && (size_t)i < body->outputs.count; i++)
    if (node->outputs[i]) take_place(graph, node->outputs[i], body->outputs.items[i], body);
  size_t tail = graph->nodes.count - at - 1, extra = body->nodes.count;
  Node **items = ARENA_ARRAY(c->arena, Node *, at + extra + tail + 1);
  memcpy(items, graph->nodes.items, at * sizeof(Node *));
  for (size_t i = 0; i < extra; i++) {
    items[at + i] = body->nodes.items[i];
    items[at + i]->graph = graph;
    for (int k = 0; k < items[at + i]->attr_count; k++)
      if (items[at + i]->attrs[k].graph) items[at + i]->attrs[k].graph->parent = graph;
  }
  memcpy(items + at + extra, graph->nodes.items + at + 1, tail * sizeof(Node *));
  graph->nodes.items = items;
  graph->nodes.count = at + extra + tail;
  graph->nodes.capacity = at + extra + tail + 1;
}

/* After an error somewhere before it, a body's results may be of types that nobody knows. */
static bool outputs_typed(const Graph *graph) {
  for (size_t i = 0; i < graph->outputs.count; i++)
    if (!is_typed(graph->outputs.items[i])) return false;
  return true;
}

bool infer_graph(Compilation *c, Graph *graph) {
  int errors = c->diag->errors;
  size_t kept = 0;
  for (size_t i = 0; i < graph->nodes.count; i++) {
    Node *node = graph->nodes.items[i];
    if (c->diag->errors) go_on_with_declared_types(c, node);
    Graph *body =
        node->op && node->op->select && inputs_typed(node) ? node->op->select(c, node) : NULL;
    if (body) {
      splice_body(c, graph, i, body);
      i--; /* wraps at 0, and the loop's increment brings it back */
      continue;
    }
    bool gone = false;
    if (!infer_node(c, node, &gone)) continue;
    if (!gone) graph->nodes.items[kept++] = node;
    /* Keep the not yet visited part where it is: kept <= i always. */
  }
  graph->nodes.count = kept;
  return c->diag->errors == errors && outputs_typed(graph);
}
