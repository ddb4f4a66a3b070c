/* narrow.c: where one row of a computed tensor is used, the other rows are not computed.
 *
 *   y = Gather(MatMul(Relu(x[1, 197, 64]), w), 0)   =>   y = MatMul(Relu(Gather(x, 0)), w)
 *
 * Classifiers that read the state of their first or last token end like this. The row is followed
 * from the Gather back through operators that make each row of their result from one row of an
 * input: products, elementwise ones, normalisations and softmaxes of rows, moves. All uses of a
 * value must need that row only; where this is not so, or where the rows meet, the row is gathered.
 * The axis stays, with size 1. It is done where it makes a product smaller. */
#include "passes/passes.h"

#include "ops/new_node.h"
#include "ops/spatial.h"
#include "passes/match.h"
#include "passes/uses.h"

#include <string.h>

enum { MOST_INPUTS = 8, SHARED = -1 };

/* A node of which one row is computed. */
typedef struct {
  Node *node;
  int axis;             /* of its result */
  int own[MOST_INPUTS]; /* of each input: the axis of the row, or SHARED: it is needed as it is */
} Narrowed;

typedef struct {
  Compilation *c;
  Graph *graph;
  const ValueUses *uses;
  int *row_uses, *axes; /* by value id: how many of the uses need one row, along which axis */
  Value **rows;         /* by value id: the row, once it is gathered */
  Vec(Narrowed) region; /* from the Gather backwards */
  Vec(Node *) made;
  Value *index; /* [1] */
} Narrower;

/* --- which row of its inputs an operator needs for a row of its result --- */

typedef bool (*RowRule)(Compilation *c, const Node *node, int axis, int *own);

/* Every input that is not the same for all rows. */
static bool elementwise_rows(Compilation *c, const Node *node, int axis, int *own) {
  const Value *y = node->outputs[0];
  (void)c;
  if (node->version < 7 && node->input_count > 1 && !node->domain[0]) return false;
  for (int i = 0; i < node->input_count; i++) {
    const Value *x = node->inputs[i];
    int at = x ? x->rank - y->rank + axis : SHARED;
    own[i] = at < 0 || dim_is(x->shape[at], 1) ? SHARED : at;
    if (own[i] >= 0 && x->shape[at] != y->shape[axis]) return false;
  }
  return true;
}

/* Of the left matrix, or of a stack of them that all have the same right one. */
static bool matmul_rows(Compilation *c, const Node *node, int axis, int *own) {
  const Value *a = node->inputs[0], *b = node->inputs[1], *y = node->outputs[0];
  (void)c;
  if (a->rank < 2 || b->rank < 2 || axis > y->rank - 2) return false;
  if (axis < y->rank - 2 && b->rank > 2) return false;
  own[0] = axis - (y->rank - a->rank);
  return own[0] >= 0 && a->shape[own[0]] == y->shape[axis];
}

static bool gemm_rows(Compilation *c, const Node *node, int axis, int *own) {
  const Value *bias = node_in(node, 2);
  (void)c;
  if (axis != 0 || node_int(node, "transA", 0)) return false;
  own[0] = 0;
  return !bias || bias->rank < 2 || dim_is(bias->shape[0], 1);
}

/* Those that work along axes from `axis` on. */
static bool last_axes_rows(Compilation *c, const Node *node, int axis, int *own) {
  int64_t first = node_int(node, "axis", -1);
  (void)c;
  if (first < 0) first += node->inputs[0]->rank;
  own[0] = axis;
  return axis < first;
}

static bool softmax_rows(Compilation *c, const Node *node, int axis, int *own) {
  return (node->version >= 13 || node_attr(node, "axis")) && last_axes_rows(c, node, axis, own);
}

static bool transpose_rows(Compilation *c, const Node *node, int axis, int *own) {
  size_t count;
  const int64_t *perm = node_ints(node, "perm", &count);
  (void)c;
  own[0] = perm ? (int)perm[axis] : node->inputs[0]->rank - 1 - axis;
  return true;
}

/* The axis of the input with the same steps between rows. */
static bool view_rows(Compilation *c, const Node *node, int axis, int *own) {
  const Value *x = node->inputs[0], *y = node->outputs[0];
  const Dim before = shape_product(c, y, 0, axis);
  for (int i = 0; i < x->rank && own[0] == SHARED; i++)
    if (x->shape[i] == y->shape[axis] && shape_product(c, x, 0, i) == before) own[0] = i;
  return own[0] >= 0;
}

/* Whether size `at` of a Reshape is copied from its input. */
static bool copies_size(const Tensor *sizes, int at) {
  return at < sizes->count && tensor_int(sizes, at) == 0;
}

/* The size of the axis must be a number that can be changed, or follow from others; no other one
 * may be a copy of what becomes 1. */
static bool reshape_rows(Compilation *c, const Node *node, int axis, int *own) {
  const Value *shape = node_in(node, 1);
  if (!shape || !shape->constant || node_int(node, "allowzero", 0)) return false;
  if (!view_rows(c, node, axis, own)) return false;
  return own[0] == axis ||
         (!copies_size(shape->constant, axis) && !copies_size(shape->constant, own[0]));
}

static bool named_axes_rows(Compilation *c, const Node *node, int axis, int *own) {
  return (node_in(node, 1) || node_attr(node, "axes")) && view_rows(c, node, axis, own);
}

static const struct {
  const char *op_type;
  RowRule rule;
} rules[] = {
    {"MatMul", matmul_rows},
    {"Gemm", gemm_rows},
    {"LayerNormalization", last_axes_rows},
    {"RMSNormalization", last_axes_rows},
    {"Softmax", softmax_rows},
    {"LogSoftmax", softmax_rows},
    {"Transpose", transpose_rows},
    {"Reshape", reshape_rows},
    {"Squeeze", named_axes_rows},
    {"Unsqueeze", named_axes_rows},
};

static RowRule find_rule(const Node *node) {
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    if (is_op(node, rules[i].op_type)) return rules[i].rule;
  return node->op->flags & OP_ELEMENTWISE ? elementwise_rows : NULL;
}

static bool can_narrow(const Narrower *n, const Node *node, int axis, int *own) {
  RowRule rule = find_rule(node);
  for (int i = 0; i < MOST_INPUTS; i++) own[i] = SHARED;
  for (int i = 1; i < node->output_count; i++)
    if (node->outputs[i]) return false;
  return rule && node->input_count <= MOST_INPUTS && node->checks.count == 0 &&
         rule(n->c, node, axis, own);
}

/* --- the nodes that only one row is needed of --- */

/* One more use of the value needs a row only. Rows along another axis are no rows. */
static void mark(Narrower *n, const Value *value, int axis) {
  if (value->id >= n->uses->known) return;
  if (n->row_uses[value->id] == 0) n->axes[value->id] = axis;
  if (n->axes[value->id] == axis) n->row_uses[value->id]++;
}

static bool is_needed(const Narrower *n, const Node *node) {
  const Value *y = node_out(node, 0);
  return y && y->id < n->uses->known && n->row_uses[y->id] > 0 &&
         n->row_uses[y->id] == n->uses->counts[y->id];
}

/* The region behind which nodes[root] gathers; whether it holds a product. */
static bool find_region(Narrower *n, size_t root, const Value *data, int axis) {
  bool product = false;
  mark(n, data, axis);
  for (size_t i = root; i-- > 0;) {
    Narrowed found = {.node = n->graph->nodes.items[i]};
    if (!is_needed(n, found.node)) continue;
    found.axis = n->axes[found.node->outputs[0]->id];
    if (!can_narrow(n, found.node, found.axis, found.own)) continue;
    for (int k = 0; k < found.node->input_count; k++)
      if (found.own[k] >= 0) mark(n, found.node->inputs[k], found.own[k]);
    product = product || (found.node->op->flags & OP_PRODUCT);
    vec_push(n->c->arena, &n->region, found);
  }
  return product;
}

/* --- the rewrite --- */

static bool is_in_region(const Narrower *n, const Node *node) {
  for (size_t i = 0; node && i < n->region.count; i++)
    if (n->region.items[i].node == node) return true;
  return false;
}

/* The row of a value that is computed whole; NULL after an error. */
static Value *gather_row(Narrower *n, Value *value, int axis) {
  bool first = value->id < n->uses->known && n->axes[value->id] == axis;
  if (first && n->rows[value->id]) return n->rows[value->id];
  Node *node = node_new(n->c, n->graph,
                        &(NewNode){.op_type = "Gather",
                                   .version = 13,
                                   .in = IN(value, n->index),
                                   .attrs = WITH(attr_int("axis", axis)),
                                   .outputs = 1,
                                   .output = value->name});
  Value *row = node->outputs[0];
  if (!node->op->infer(n->c, node)) return NULL;
  vec_push(n->c->arena, &n->made, node);
  if (first) n->rows[value->id] = row;
  return row;
}

/* A Reshape's sizes are a constant, in which that of the axis becomes 1 (0 and -1 stay true). */
static void change_size(Narrower *n, const Narrowed *at) {
  const Tensor *old = at->node->inputs[1]->constant;
  int64_t sizes[MAX_RANK];
  for (int64_t i = 0; i < old->count; i++) sizes[i] = tensor_int(old, i);
  if (sizes[at->axis] > 0) sizes[at->axis] = 1;
  at->node->inputs[1] =
      value_constant(n->c, at->node->inputs[1]->name, tensor_i64(n->c->arena, sizes, old->count));
}

/* Inputs come before: those of the region have been narrowed. */
static bool narrow_node(Narrower *n, const Narrowed *at) {
  Node *node = at->node;
  node->inputs =
      arena_copy(n->c->arena, node->inputs, (size_t)node->input_count * sizeof *node->inputs);
  for (int k = 0; k < node->input_count; k++) {
    if (at->own[k] < 0 || is_in_region(n, node->inputs[k]->producer)) continue;
    node->inputs[k] = gather_row(n, node->inputs[k], at->own[k]);
    if (!node->inputs[k]) return false;
  }
  if (is_op(node, "Reshape")) change_size(n, at);
  vec_push(n->c->arena, &n->made, node);
  return node->op->infer(n->c, node);
}

/* The Gather takes the only row that is left. */
static void take_first(Compilation *c, Node *gather) {
  const Value *old = gather->inputs[1];
  const int64_t zero = 0;
  Tensor *index = arena_copy(c->arena, tensor_i64(c->arena, &zero, 1), sizeof *index);
  index->rank = old->constant->rank;
  Value *const inputs[] = {gather->inputs[0], value_constant(c, old->name, index)};
  gather->inputs = arena_copy(c->arena, inputs, sizeof inputs);
}

/* All nodes anew, those of the region narrowed, with what they gather in front of them. */
static bool rewrite(Narrower *n, Node *gather) {
  Graph *graph = n->graph;
  size_t left = n->region.count;
  for (size_t i = 0; i < graph->nodes.count; i++) {
    Node *node = graph->nodes.items[i];
    if (left == 0 || n->region.items[left - 1].node != node)
      vec_push(n->c->arena, &n->made, node);
    else if (!narrow_node(n, &n->region.items[--left]))
      return false;
  }
  take_first(n->c, gather);
  graph->nodes.count = 0;
  for (size_t i = 0; i < n->made.count; i++) vec_push(n->c->arena, &graph->nodes, n->made.items[i]);
  return true;
}

/* --- the graph --- */

/* Whether it takes one row of several out of a value that nobody else uses. */
static bool takes_row(const Node *node, const ValueUses *uses, int *axis) {
  const Value *data = node_in(node, 0), *index = node_in(node, 1);
  if (!is_op(node, "Gather") || !data->producer || data->constant || data->id >= uses->known)
    return false;
  if (!index->constant || index->constant->count != 1 || uses->counts[data->id] != 1) return false;
  *axis = (int)node_int(node, "axis", 0);
  if (*axis < 0) *axis += data->rank;
  return data->producer->graph == node->graph && !dim_is(data->shape[*axis], 1) &&
         find_rule(data->producer);
}

static Narrower start(Compilation *c, Graph *graph, const Node *gather, const ValueUses *uses) {
  const int64_t index = tensor_int(gather->inputs[1]->constant, 0);
  return (Narrower){
      .c = c,
      .graph = graph,
      .uses = uses,
      .row_uses = ARENA_ARRAY(c->arena, int, uses->known + 1),
      .axes = ARENA_ARRAY(c->arena, int, uses->known + 1),
      .rows = ARENA_ARRAY(c->arena, Value *, uses->known + 1),
      .index = value_constant(c, gather->inputs[1]->name, tensor_i64(c->arena, &index, 1))};
}

static bool narrow_graph(Compilation *c, Graph *graph, const ValueUses *uses) {
  for (size_t i = graph->nodes.count; i-- > 0;) {
    Node *node = graph->nodes.items[i];
    int axis;
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph && !narrow_graph(c, node->attrs[k].graph, uses)) return false;
    if (!takes_row(node, uses, &axis)) continue;
    Narrower n = start(c, graph, node, uses);
    if (!find_region(&n, i, node->inputs[0], axis)) continue;
    if (!rewrite(&n, node)) return false;
    i = graph->nodes.count; /* it has grown; this Gather takes all there is now */
  }
  return true;
}

bool pass_narrow(Compilation *c) {
  graph_remove_dead(c, c->graph);
  const ValueUses uses = find_value_uses(c);
  return narrow_graph(c, c->graph, &uses);
}
