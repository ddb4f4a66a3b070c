/* fuse_attention.c: two products with a softmax between them become one node.
 *
 *   S = MatMul(Q, K^T) · scale + mask        where the values between them have no other use
 *   P = Softmax(S, last axis)           =>   ctc.Attention(Q, K, V, mask)
 *   Y = MatMul(P, V)
 *
 * Scales may be on Q, K or S. A mask is added, or chosen in place of scores (Where); one that is
 * constant and bars exactly the keys behind the query is not read at all. Transposes, reshapes and
 * parts around Q, K, V and Y become strides (ops/view.h). */
#include "passes/passes.h"

#include "ops/attention_fused.h"
#include "ops/matmul.h"
#include "ops/new_node.h"
#include "ops/view.h"
#include "passes/match.h"
#include "passes/uses.h"

#include <math.h>
#include <string.h>

/* Nodes around one of the operands. */
enum { MOST_MOVES = 12 };

/* A mask that bars a key completely: nothing is left of e^score. */
static const double BARRED = -1e9;

/* A mask made of another value: turned, or numbers for a condition. */
typedef struct {
  const Value *from;
  double if_true, if_false; /* both 1: turned */
  Value *made;
} MadeMask;

typedef struct {
  Compilation *c;
  Graph *graph;
  ValueUses uses;
  Vec(Node *) made;    /* nodes to put in front of the attention */
  Vec(MadeMask) masks; /* made before, for other attentions */
} Fuser;

/* What was found around a softmax. */
typedef struct {
  Taken taken;
  Node *softmax, *scores, *product; /* the first and the second product */
  Value *left, *right;              /* of the first product */
  bool turn_right;                  /* it is K, not K^T */
  Value *values;                    /* of the second product */
  bool turned_result;               /* which is V^T P^T */
  double scale;
  Value *mask;
  View mask_view; /* over the product's shape */
  bool replaces;
  AttentionSafety safety;
} Match;

static bool is_product(const Node *node) {
  return is_op(node, "MatMul") ||
         (node && strcmp(node->domain, MICROSOFT) == 0 &&
          strcmp(node->op_type, "FusedMatMul") == 0 && !node_int(node, "transBatchA", 0) &&
          !node_int(node, "transBatchB", 0));
}

/* The node of this graph that alone uses the value, or NULL. */
static Node *consumer(const Fuser *f, const Value *value) {
  return only_consumer(&f->uses, f->graph, value);
}

/* Mul or Div by a number, which must not change the shape: the factor. */
static Value *scaled_input(const Node *node, double *factor) {
  double number;
  bool mul = is_op(node, "Mul"), div = is_op(node, "Div");
  if (!mul && !div) return NULL;
  for (int i = 0; i < 2; i++) {
    Value *x = node->inputs[i];
    if (i == 1 && !mul) return NULL;
    if (!is_number(node->inputs[1 - i], &number) || !same_shape(x, node->outputs[0])) continue;
    *factor *= mul ? number : 1 / number;
    return x;
  }
  return NULL;
}

/* --- from the softmax up to the first product --- */

static bool last_dim_stays(const Value *x, const Value *y) {
  return x->rank > 1 && y->rank > 1 && x->shape[x->rank - 1] == y->shape[y->rank - 1];
}

/* A node that leaves the scores as they are, seen as rows of keys. */
static bool keeps_rows(const Node *node) {
  return view_moves(node) &&
         (is_op(node, "Reshape") || is_op(node, "Identity") || is_op(node, "Squeeze") ||
          is_op(node, "Unsqueeze") || is_op(node, "Dropout") || is_op(node, "Cast")) &&
         last_dim_stays(node->inputs[0], node->outputs[0]);
}

static bool is_score_node(const Node *node) {
  double ignored = 1;
  return is_product(node) || keeps_rows(node) || is_op(node, "Add") || is_op(node, "Where") ||
         scaled_input(node, &ignored) != NULL;
}

/* Which of two inputs of `node` holds the scores: -1 if neither can. */
static int score_input(const Fuser *f, const Node *node, int first, int second) {
  const int which[] = {first, second};
  for (int i = 0; i < 2; i++) {
    const Value *x = node->inputs[which[i]];
    if (consumer(f, x) && is_score_node(x->producer) && same_shape(x, node->outputs[0]))
      return which[i];
  }
  return -1;
}

/* The mask is read over scores of that shape. */
static bool set_mask(Fuser *f, Match *m, Value *mask, const Value *scores, bool replaces) {
  if (m->mask || m->scale != 1 || mask->dtype != DT_F32) return false;
  m->mask = mask;
  m->replaces = replaces;
  m->mask_view = view_whole(f->c, mask);
  return view_broadcast(f->c, &m->mask_view, scores->rank, scores->shape);
}

static Value *find_mask(const Fuser *f, const Value *from, double if_true, double if_false) {
  for (size_t i = 0; i < f->masks.count; i++) {
    const MadeMask *mask = &f->masks.items[i];
    if (mask->from == from && mask->if_true == if_true && mask->if_false == if_false)
      return mask->made;
  }
  return NULL;
}

static Value *keep_mask(Fuser *f, const Value *from, double if_true, double if_false, Value *made) {
  MadeMask mask = {from, if_true, if_false, made};
  vec_push(f->c->arena, &f->masks, mask);
  return made;
}

/* A node with inputs in the graph of the fuser, to be put in front of the attention. */
static Node *make_node(Fuser *f, const Node *like, const char *op_type, Values in, Attrs attrs) {
  NewNode new = {.op_type = op_type,
                 .version = like->domain[0] ? 13 : like->version,
                 .in = in,
                 .attrs = attrs,
                 .outputs = 1,
                 .output = like->outputs[0]->name};
  Node *node = node_new(f->c, f->graph, &new);
  vec_push(f->c->arena, &f->made, node);
  return node;
}

static Value *number_value(Compilation *c, double number) {
  return value_constant(c, "number", tensor_scalar_f32(c->arena, (float)number));
}

/* Where(condition, …) with constants: the mask as numbers, computed while compiling. */
static Value *constant_choice(Compilation *c, const Value *condition, double if_true,
                              double if_false) {
  const Tensor *from = condition->constant;
  void *data;
  Tensor *tensor = tensor_create(c->arena, DT_F32, from->rank, from->dims, &data);
  for (int64_t i = 0; i < from->count; i++)
    ((float *)data)[i] = (float)(tensor_int(from, i) ? if_true : if_false);
  return value_constant(c, condition->name, tensor);
}

/* Where(condition, if_true, if_false) of two numbers. */
static Value *choice(Fuser *f, const Node *like, Value *condition, double if_true,
                     double if_false) {
  Value *known = find_mask(f, condition, if_true, if_false);
  if (known) return known;
  if (condition->constant)
    return keep_mask(f, condition, if_true, if_false,
                     constant_choice(f->c, condition, if_true, if_false));
  Value *yes = number_value(f->c, if_true), *no = number_value(f->c, if_false);
  Node *node = make_node(f, like, "Where", IN(condition, yes, no), NO_ATTRS);
  value_set_type(f->c, node->outputs[0], DT_F32, condition->rank, condition->shape);
  return keep_mask(f, condition, if_true, if_false, node->outputs[0]);
}

/* Where(condition, scores, number) or the other way round. */
static Value *take_where(Fuser *f, Match *m, Node *node) {
  int i = score_input(f, node, 1, 2);
  double fill;
  if (i < 0 || !is_number(node->inputs[3 - i], &fill) || !(fill < 0)) return NULL;
  Value *mask = choice(f, node, node->inputs[0], i == 1 ? 0 : fill, i == 1 ? fill : 0);
  return set_mask(f, m, mask, node->outputs[0], true) ? node->inputs[i] : NULL;
}

static Value *take_add(Fuser *f, Match *m, Node *node) {
  int i = score_input(f, node, 0, 1);
  if (i < 0 || !set_mask(f, m, node->inputs[1 - i], node->outputs[0], false)) return NULL;
  return node->inputs[i];
}

/* Takes the node that makes the scores `s` (as the softmax sees them); the scores in front of it.
 */
static Value *step_up(Fuser *f, Match *m, Node *node) {
  Value *x = NULL;
  if (keeps_rows(node)) {
    x = node->inputs[0];
    if (m->mask && !view_reshape(f->c, &m->mask_view, x->rank, x->shape)) return NULL;
  } else if (is_op(node, "Where")) {
    x = take_where(f, m, node);
  } else if (is_op(node, "Add")) {
    x = take_add(f, m, node);
  } else {
    x = scaled_input(node, &m->scale);
  }
  return x && take(&m->taken, node) ? x : NULL;
}

static bool match_scores(Fuser *f, Match *m) {
  Value *s = m->softmax->inputs[0];
  while (s && consumer(f, s) && s->producer && s->producer->graph == f->graph) {
    if (is_product(s->producer)) {
      m->scores = s->producer;
      return s->rank > 1 && take(&m->taken, m->scores);
    }
    s = step_up(f, m, s->producer);
  }
  return false;
}

/* --- from the softmax down to the second product --- */

/* Where(IsNaN(p), 0, p) behind the softmax: its result. */
static Value *take_safe(Fuser *f, Match *m, Value *p) {
  if (p->id >= f->uses.known || f->uses.counts[p->id] != 2) return p;
  Node *where = f->uses.consumers[p->id];
  if (is_op(where, "IsNaN")) where = consumer(f, where->outputs[0]);
  if (!is_op(where, "Where") || where->inputs[2] != p || where->graph != f->graph) return p;
  Node *test = where->inputs[0]->producer;
  double zero = 1;
  if (!is_op(test, "IsNaN") || test->inputs[0] != p || !consumer(f, test->outputs[0])) return p;
  if (!is_number(where->inputs[1], &zero) || zero != 0 || !take(&m->taken, where)) return p;
  m->safety = NAN_ZERO;
  return where->outputs[0];
}

static bool swaps_last_two(Compilation *c, const Node *node) {
  View view = view_whole(c, node->inputs[0]);
  int rank = view.rank;
  for (int d = 0; d < rank; d++)
    view.axes[d] = (ViewAxis){1, {{dim_const(c->dims, d), NULL}}}; /* marks each axis */
  if (rank < 2 || !is_op(node, "Transpose") || !view_through(c, &view, node, node->outputs[0]))
    return false;
  for (int d = 0; d < rank; d++) {
    int from = d < rank - 2 ? d : 2 * rank - 3 - d;
    if (!dim_is(view.axes[d].digits[0].extent, from)) return false;
  }
  return true;
}

/* The product takes p as P (left), or as P^T (right). */
static bool match_product(Match *m, Node *node, const Value *p, bool turned) {
  bool left = node->inputs[0] == p, fused = node->domain[0] != '\0';
  if (node->inputs[0] == node->inputs[1] || p->rank != node->outputs[0]->rank) return false;
  if (fused && (node_float(node, "alpha", 1.0f) != 1.0f || node_int(node, "transA", 0)))
    return false;
  bool turn_b = fused && node_int(node, "transB", 0);
  if (left ? turned || turn_b : turned == turn_b) return false;
  m->product = node;
  m->values = node->inputs[left];
  m->turned_result = !left;
  return m->values->rank >= 2 && take(&m->taken, node);
}

static bool match_values(Fuser *f, Match *m) {
  Value *p = take_safe(f, m, m->softmax->outputs[0]);
  bool turned = false;
  for (;;) {
    Node *node = consumer(f, p);
    if (!node) return false;
    if (is_product(node)) return match_product(m, node, p, turned);
    if (!turned && swaps_last_two(f->c, node) && view_moves(node))
      turned = true;
    else if (turned || !keeps_rows(node))
      return false;
    if (!take(&m->taken, node)) return false;
    p = node->outputs[0];
  }
}

/* --- views of the operands --- */

/* Whether the last two axes are described by one stride each. */
static bool is_readable(const View *view) {
  return view->rank >= 2 && view->axes[view->rank - 1].count <= 1 &&
         view->axes[view->rank - 2].count <= 1;
}

/* `value` as a view of what is as far up as it can be read from, through scalings, too. `made` are
 * the nodes passed, the last one first. */
static View operand_view(Fuser *f, Match *m, Value *value, double *scale) {
  Node *nodes[MOST_MOVES];
  Value *outputs[MOST_MOVES + 1];
  double factors[MOST_MOVES + 1] = {1};
  int count = 0;
  outputs[0] = value;
  while (count < MOST_MOVES && value->producer) {
    Node *node = value->producer;
    double factor = 1;
    Value *x = view_moves(node) ? node->inputs[0] : scaled_input(node, &factor);
    if (!x) break;
    factors[count + 1] = factors[count] * factor;
    nodes[count++] = node;
    outputs[count] = value = x;
  }
  for (int start = count; start > 0; start--) {
    View view = view_whole(f->c, outputs[start]);
    int i = start - 1;
    for (; i >= 0; i--)
      if (view_moves(nodes[i]) && !view_through(f->c, &view, nodes[i], outputs[i])) break;
    if (i >= 0 || !is_readable(&view) || m->taken.count + start > MOST_TAKEN) continue;
    for (i = 0; i < start; i++) take(&m->taken, nodes[i]);
    *scale *= factors[start];
    return view;
  }
  return view_whole(f->c, outputs[0]);
}

static void swap_last_two(View *view) {
  ViewAxis *axes = view->axes + view->rank - 2, first = axes[0];
  axes[0] = axes[1];
  axes[1] = first;
}

/* The product's result as a view of the value furthest down that only moves it; *last is the node
 * that makes that. */
static View result_view(Fuser *f, Match *m, Node **last) {
  Node *nodes[MOST_MOVES];
  int count = 0;
  Value *value = m->product->outputs[0];
  for (Node *node; count < MOST_MOVES && (node = consumer(f, value)); count++) {
    if (!view_moves(node) || node->inputs[0] != value) break;
    nodes[count] = node;
    value = node->outputs[0];
  }
  for (; count > 0; count--) {
    View view = view_whole(f->c, nodes[count - 1]->outputs[0]);
    int i = count - 1;
    while (i >= 0 && view_back(f->c, &view, nodes[i])) i--;
    if (i >= 0 || !is_readable(&view) || m->taken.count + count > MOST_TAKEN) continue;
    for (i = 0; i < count; i++) take(&m->taken, nodes[i]);
    *last = nodes[count - 1];
    return view;
  }
  *last = m->product;
  return view_whole(f->c, m->product->outputs[0]);
}

/* --- masks --- */

/* Element [row][key] of a constant mask that is the same for the whole stack. */
static double mask_number(const Match *m, int64_t row, int64_t key) {
  const View *v = &m->mask_view;
  const ViewAxis *rows = &v->axes[v->rank - 2], *keys = &v->axes[v->rank - 1];
  int64_t at = dim_value(v->offset);
  if (rows->count) at += row * dim_value(rows->digits[0].stride);
  if (keys->count) at += key * dim_value(keys->digits[0].stride);
  return tensor_real(m->mask->constant, at);
}

/* If the mask is 0 for keys up to row + diagonal and bars all others: that diagonal, else -1. */
static int64_t causal_diagonal(const Match *m, int64_t rows, int64_t keys) {
  int64_t diagonal = 0;
  while (diagonal + 1 < keys && mask_number(m, 0, diagonal + 1) == 0) diagonal++;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < keys; j++) {
      double number = mask_number(m, i, j);
      if (j <= i + diagonal ? number != 0 : !(number <= BARRED)) return -1;
    }
  return diagonal;
}

/* Drops a constant mask that is causal. */
static void find_causal(Compilation *c, Match *m, AttentionPlan *plan) {
  View *v = &m->mask_view;
  plan->diagonal = dim_const(c->dims, 0);
  if (!m->mask || !m->mask->constant || !is_readable(v)) return;
  if (!dim_is_const(plan->rows) || !dim_is_const(plan->keys)) return;
  for (int d = 0; d < v->rank - 2; d++)
    for (int i = 0; i < v->axes[d].count; i++)
      if (!dim_is(v->axes[d].digits[i].stride, 0)) return;
  int64_t diagonal = causal_diagonal(m, dim_value(plan->rows), dim_value(plan->keys));
  if (diagonal < 0) return;
  plan->causal = true;
  plan->diagonal = dim_const(c->dims, diagonal);
  m->mask = NULL;
}

/* A mask with its last two axes in the other order, made once for all attentions that use it. */
static Value *turned_mask(Fuser *f, const Node *like, Value *mask) {
  int perm[MAX_RANK];
  int64_t list[MAX_RANK];
  Dim shape[MAX_RANK];
  Value *known = find_mask(f, mask, 1, 1);
  if (known) return known;
  for (int d = 0; d < mask->rank; d++) {
    list[d] = perm[d] = d < mask->rank - 2 ? d : 2 * mask->rank - 3 - d;
    shape[d] = mask->shape[perm[d]];
  }
  if (mask->constant) {
    const Tensor *turned = tensor_transposed(f->c->arena, mask->constant, perm);
    return keep_mask(f, mask, 1, 1, value_constant(f->c, mask->name, turned));
  }
  Attrs attrs = WITH(attr_ints("perm", list, mask->rank));
  Node *node = make_node(f, like, "Transpose", IN(mask), attrs);
  value_set_type(f->c, node->outputs[0], DT_F32, mask->rank, shape);
  return keep_mask(f, mask, 1, 1, node->outputs[0]);
}

/* The kernel reads neighbouring queries at once: a mask that differs from row to row is turned, so
 * that they lie beside each other. */
static void turn_mask(Fuser *f, Match *m) {
  View *v = &m->mask_view;
  if (!m->mask) return;
  ViewAxis *rows = &v->axes[v->rank - 2], *keys = &v->axes[v->rank - 1];
  const Value *mask = m->mask;
  if (!rows->count || mask->rank < 2 || rows->count > 1 || keys->count != 1) return;
  Dim height = mask->shape[mask->rank - 2], width = mask->shape[mask->rank - 1];
  if (rows->digits[0].stride != width || !dim_is(keys->digits[0].stride, 1)) return;
  if (rows->digits[0].extent != height || keys->digits[0].extent != width) return;
  m->mask = turned_mask(f, m->product, m->mask);
  rows->digits[0].stride = dim_const(f->c->dims, 1);
  keys->digits[0].stride = height;
}

/* --- the plan --- */

static Dim axis_stride(Compilation *c, const ViewAxis *axis) {
  return axis->count ? axis->digits[0].stride : dim_const(c->dims, 1);
}

static void set_place(Compilation *c, const View *view, AttentionPlace *place) {
  int n = 0;
  place->offset = view->offset;
  for (int d = 0; d < view->rank - 2; d++)
    for (int i = 0; i < view->axes[d].count; i++) place->step[n++] = view->axes[d].digits[i].stride;
  place->step[n++] = axis_stride(c, &view->axes[view->rank - 2]);
  place->step[n] = axis_stride(c, &view->axes[view->rank - 1]);
}

/* Gives all views the same stack. */
static bool set_stack(Compilation *c, View *const *views, int count, AttentionPlan *plan) {
  const View *first = views[0];
  for (int d = 0; d < first->rank - 2; d++) {
    if (!view_agree(c, views, count, d)) return false;
    for (int i = 0; i < first->axes[d].count; i++) {
      if (plan->rank == MAX_STACK) return false;
      plan->stack[plan->rank++] = first->axes[d].digits[i].extent;
    }
  }
  return true;
}

/* Makes [batch …, rows, columns] of a view whose batch is of another form or broadcast. */
static bool fit_batch(Compilation *c, View *view, int rank, const Dim *batch) {
  Dim shape[MAX_RANK];
  for (int d = 0; d < rank - 2; d++) shape[d] = batch[d];
  for (int d = 0; d < 2; d++) {
    const ViewAxis *axis = &view->axes[view->rank - 2 + d];
    shape[rank - 2 + d] = axis->count ? axis->digits[0].extent : dim_const(c->dims, 1);
  }
  return view_broadcast(c, view, rank, shape) || view_reshape(c, view, rank, shape);
}

/* Whether an operand is worth packing each time: not weights, which MatMul packs while compiling.
 */
static bool is_weights(const View *view) {
  return view->base->constant != NULL;
}

typedef struct {
  View q, k, v, y, mask;
} Views;

static bool set_plan(Fuser *f, Match *m, Views *w, AttentionPlan *plan) {
  Compilation *c = f->c;
  const Value *scores = m->scores->outputs[0];
  int rank = scores->rank;
  plan->rows = scores->shape[rank - 2];
  plan->keys = scores->shape[rank - 1];
  plan->size = m->left->shape[m->left->rank - 1];
  plan->v_size = m->turned_result ? m->values->shape[m->values->rank - 2]
                                  : m->values->shape[m->values->rank - 1];
  plan->safety = m->safety;
  plan->replaces = m->replaces;
  find_causal(c, m, plan);
  turn_mask(f, m);
  w->mask = m->mask_view;
  View *views[] = {&w->q, &w->k, &w->v, &w->y, &w->mask};
  int count = m->mask ? 5 : 4;
  for (int i = 0; i < count; i++)
    if (!fit_batch(c, views[i], rank, scores->shape)) return false;
  if (m->mask && !is_readable(&w->mask)) return false;
  if (!set_stack(c, views, count, plan)) return false;
  set_place(c, &w->q, &plan->q);
  set_place(c, &w->k, &plan->k);
  set_place(c, &w->v, &plan->v);
  set_place(c, &w->y, &plan->y);
  AttentionPlace none = {.offset = dim_const(c->dims, 0)};
  for (int i = 0; i < MAX_STACK + 2; i++) none.step[i] = dim_const(c->dims, 0);
  plan->mask = none;
  if (m->mask) set_place(c, &w->mask, &plan->mask);
  if (m->mask && !w->mask.axes[rank - 2].count) plan->mask.step[plan->rank] = none.step[0];
  if (m->mask && !w->mask.axes[rank - 1].count) plan->mask.step[plan->rank + 1] = none.step[0];
  return true;
}

/* --- the new node --- */

/* In place of `last`, with the checks of all nodes whose work it does. */
static void make_attention(Fuser *f, const Match *m, const Views *w, const AttentionPlan *plan,
                           Node *last, Node *node) {
  Compilation *c = f->c;
  Value **inputs = ARENA_ARRAY(c->arena, Value *, 4);
  const View *views[] = {&w->q, &w->k, &w->v};
  for (int i = 0; i < 3; i++) inputs[i] = (Value *)(uintptr_t)views[i]->base;
  inputs[3] = m->mask;
  node->name = m->softmax->name;
  node->domain = INTERNAL_DOMAIN;
  node->op_type = "Attention";
  node->op = op_internal("Attention");
  node->version = 1;
  node->index = m->softmax->index;
  node->inputs = inputs;
  node->input_count = 4;
  node->outputs = ARENA_ARRAY(c->arena, Value *, 1);
  node->output_count = 1;
  node_set_output(node, 0, last->outputs[0]);
  node->graph = f->graph;
  node->plan = arena_copy(c->arena, plan, sizeof *plan);
  inherit_checks(c, m->taken.nodes, m->taken.count, node);
}

static bool is_last_axis(const Node *softmax) {
  int rank = softmax->inputs[0]->rank;
  int64_t axis = node_int(softmax, "axis", softmax->version >= 13 ? -1 : 1);
  return axis == -1 || axis == rank - 1;
}

/* What surrounds the softmax, if it is an attention. */
static bool match(Fuser *f, Node *softmax, Match *m) {
  *m = (Match){.softmax = softmax, .scale = 1};
  const Value *s = node_in(softmax, 0);
  if (!is_op(softmax, "Softmax") || s->dtype != DT_F32 || s->rank < 2 || !is_last_axis(softmax))
    return false;
  if (!take(&m->taken, softmax) || !match_scores(f, m) || !match_values(f, m)) return false;
  const Node *product = m->scores;
  bool fused = product->domain[0] != '\0';
  m->left = product->inputs[0];
  m->right = product->inputs[1];
  if (m->left->rank < 2 || m->right->rank < 2) return false;
  if (fused && node_int(product, "transA", 0)) return false;
  if (fused) m->scale *= (double)node_float(product, "alpha", 1.0f);
  m->turn_right = fused && node_int(product, "transB", 0);
  return true;
}

/* The node that takes the place of *last, or NULL. */
static Node *fuse(Fuser *f, Node *softmax, Node **last) {
  Match m;
  Views w;
  AttentionPlan plan = {0};
  if (!match(f, softmax, &m)) return NULL;
  w.q = operand_view(f, &m, m.left, &m.scale);
  w.k = operand_view(f, &m, m.right, &m.scale);
  if (!m.turn_right) swap_last_two(&w.k);
  double v_scale = 1;
  w.v = operand_view(f, &m, m.values, &v_scale);
  if (m.turned_result) swap_last_two(&w.v);
  w.y = result_view(f, &m, last);
  if (m.turned_result) swap_last_two(&w.y);
  if (v_scale != 1 || is_weights(&w.k) || is_weights(&w.v)) return NULL;
  if (!set_plan(f, &m, &w, &plan)) return NULL;
  plan.scale = m.scale;
  Node *node = ARENA_NEW(f->c->arena, Node);
  make_attention(f, &m, &w, &plan, *last, node);
  return node;
}

/* --- the graph --- */

/* Puts what was made for `anchor` (NULL: for values that are there from the start) behind it. */
static void emit_made(Fuser *f, const Node *anchor) {
  for (size_t i = 0; i < f->made.count; i++) {
    Node *node = f->made.items[i];
    const Node *producer = node->inputs[0]->producer;
    if (producer && producer->graph != f->graph) producer = NULL;
    if (producer != anchor) continue;
    vec_push(f->c->arena, &f->graph->nodes, node);
    emit_made(f, node);
  }
}

static void fuse_graph(Fuser *f, Graph *graph);

/* Attentions of the graphs in a node. */
static void fuse_bodies(const Fuser *f, const Node *node) {
  for (int k = 0; k < node->attr_count; k++) {
    if (!node->attrs[k].graph) continue;
    Fuser inner = {.c = f->c, .uses = f->uses};
    fuse_graph(&inner, node->attrs[k].graph);
  }
}

static void fuse_graph(Fuser *f, Graph *graph) {
  size_t count = graph->nodes.count;
  Node **nodes = graph->nodes.items;
  f->graph = graph;
  for (size_t i = 0; i < count; i++) {
    Node *last = NULL, *made = fuse(f, nodes[i], &last);
    for (size_t k = 0; made && k < count; k++)
      if (nodes[k] == last) nodes[k] = made;
    fuse_bodies(f, nodes[i]);
  }
  if (f->made.count == 0) return;
  memset(&graph->nodes, 0, sizeof graph->nodes);
  emit_made(f, NULL);
  for (size_t i = 0; i < count; i++) {
    vec_push(f->c->arena, &graph->nodes, nodes[i]);
    emit_made(f, nodes[i]);
  }
}

bool pass_fuse_attention(Compilation *c) {
  Fuser f = {.c = c, .uses = find_value_uses(c)};
  fuse_graph(&f, c->graph);
  graph_remove_dead(c, c->graph);
  return true;
}
