/* fuse_normalization.c: normalisations of rows that are written out become one node.
 *
 *   d = x - ReduceMean(x)                      over the last axes
 *   y = d / Sqrt(ReduceMean(d * d) + epsilon)          =>  LayerNormalization(x, scale, bias)
 *   z = y * scale + bias                               =>  RMSNormalization(x, scale) where d is x
 *
 * 1 / Sqrt may be computed first, and the scale be multiplied with that. The form of TensorFlow is
 *
 *   g = scale / Sqrt(…),  z = x * g + (bias - ReduceMean(x) * g)
 *
 * A scale or bias that is not one number for each element of a row stays an operation behind. */
#include "passes/passes.h"

#include "ops/normalization.h"
#include "ops/op.h"
#include "passes/match.h"
#include "passes/uses.h"

typedef struct {
  Compilation *c;
  Graph *graph;
  ValueUses uses;
} Fuser;

/* What was found so far of one normalisation. */
typedef struct {
  Taken taken;
  const Graph *graph; /* of all nodes */
  bool centred;       /* a mean is looked for */
  Value *x, *mean;    /* mean: NULL unless centred */
  const Value *off;   /* x - mean as the variance has it, or x */
  int axis;           /* the first one of a row */
  double epsilon;
  Value *scale, *bias; /* NULL: none */
} Norm;

/* The producer of `value` if it is that operator; it becomes part of the normalisation. */
static Node *take_producer(Norm *m, const Value *value, const char *op_type) {
  Node *node = value->producer;
  if (!is_op(node, op_type) || node->graph != m->graph || !take(&m->taken, node)) return NULL;
  return node;
}

static bool is_value(const Value *value, double wanted) {
  double number;
  return is_number(value, &number) && number == wanted;
}

/* --- the statistics --- */

/* The axes of a reduction, marked; false if they are not known. */
static bool mark_axes(Compilation *c, const Node *reduce, bool *marked) {
  const int64_t *axes;
  size_t count;
  bool present;
  int rank = node_in(reduce, 0)->rank, axis;
  if (node_in(reduce, 1) && !node_in(reduce, 1)->constant) return false;
  if (!infer_const_ints(c, reduce, 1, "axes", &present, &axes, &count)) return false;
  bool all = count == 0 && !node_int(reduce, "noop_with_empty_axes", 0);
  for (int d = 0; d < rank; d++) marked[d] = all;
  for (size_t i = 0; i < count; i++) {
    if (!infer_axis(c, reduce, axes[i], rank, &axis)) return false;
    marked[axis] = true;
  }
  return true;
}

/* Whether the last axes are reduced, at least one, and stay as 1: the first of them. */
static bool reduces_rows(Compilation *c, const Node *reduce, int *axis) {
  bool marked[MAX_RANK];
  int rank = node_in(reduce, 0)->rank, first = rank;
  if (!node_int(reduce, "keepdims", 1) || !mark_axes(c, reduce, marked)) return false;
  while (first > 0 && marked[first - 1]) first--;
  for (int d = 0; d < first; d++)
    if (marked[d]) return false;
  *axis = first;
  return first < rank;
}

/* What `value` is the square of. */
static Value *squared(Norm *m, const Value *value) {
  Node *node = take_producer(m, value, "Mul");
  if (node) return node->inputs[0] == node->inputs[1] ? node->inputs[0] : NULL;
  node = take_producer(m, value, "Pow");
  return node && is_value(node->inputs[1], 2) ? node->inputs[0] : NULL;
}

/* mean = ReduceMean(x) along the rows of the variance */
static bool match_mean(Compilation *c, Norm *m, Value *x, Value *mean) {
  int axis;
  Node *reduce = take_producer(m, mean, "ReduceMean");
  m->x = x;
  m->mean = mean;
  return reduce && reduce->inputs[0] == x && reduces_rows(c, reduce, &axis) && axis == m->axis;
}

/* value = ReduceMean(off * off) */
static bool match_variance(Compilation *c, Norm *m, const Value *value) {
  Node *reduce = take_producer(m, value, "ReduceMean");
  Value *off = NULL;
  if (reduce && reduces_rows(c, reduce, &m->axis)) off = squared(m, reduce->inputs[0]);
  m->off = m->x = off;
  if (!off || !m->centred) return off != NULL;
  Node *sub = take_producer(m, off, "Sub");
  return sub && match_mean(c, m, sub->inputs[0], sub->inputs[1]);
}

/* value = variance + epsilon */
static bool match_sum(Compilation *c, Norm *m, const Value *value) {
  Node *add = take_producer(m, value, "Add");
  for (int i = 0; add && i < 2; i++)
    if (is_number(add->inputs[i], &m->epsilon)) return match_variance(c, m, add->inputs[1 - i]);
  return false;
}

static bool match_root(Compilation *c, Norm *m, const Value *value) {
  Node *node = take_producer(m, value, "Sqrt");
  if (node) return match_sum(c, m, node->inputs[0]);
  node = take_producer(m, value, "Pow");
  return node && is_value(node->inputs[1], 0.5) && match_sum(c, m, node->inputs[0]);
}

/* value = 1 / Sqrt(…) */
static bool match_inverse(Compilation *c, Norm *m, const Value *value) {
  Node *node = take_producer(m, value, "Reciprocal");
  if (node) return match_root(c, m, node->inputs[0]);
  node = take_producer(m, value, "Div");
  if (node) return is_value(node->inputs[0], 1) && match_root(c, m, node->inputs[1]);
  node = take_producer(m, value, "Pow");
  return node && is_value(node->inputs[1], -0.5) && match_sum(c, m, node->inputs[0]);
}

/* value = 1 / Sqrt(…), or that times a scale. */
static bool match_gain(Compilation *c, Norm *m, const Value *value) {
  Norm start = *m;
  if (match_inverse(c, m, value)) return true;
  for (int i = 0; i < 2; i++) {
    *m = start;
    Node *mul = take_producer(m, value, "Mul");
    if (!mul) return false;
    m->scale = mul->inputs[1 - i];
    if (match_inverse(c, m, mul->inputs[i]) && fits_row(m->scale, m->x, m->axis)) return true;
  }
  return false;
}

/* --- the forms of the result --- */

/* Whether `value` is what the statistics were taken of, less the mean. */
static bool match_off(Norm *m, const Value *value) {
  if (value == m->off) return true;
  Node *sub = m->centred ? take_producer(m, value, "Sub") : NULL;
  return sub && sub->inputs[0] == m->x && sub->inputs[1] == m->mean;
}

/* (x - mean) / root */
static bool match_quotient(Compilation *c, Norm *m, const Node *node) {
  return match_root(c, m, node->inputs[1]) && match_off(m, node->inputs[0]);
}

/* (x - mean) * gain */
static bool match_product(Compilation *c, Norm *m, const Node *node) {
  Norm start = *m;
  for (int i = 0; i < 2; i++, *m = start)
    if (match_gain(c, m, node->inputs[i]) && match_off(m, node->inputs[1 - i])) return true;
  return false;
}

/* value = a * b */
static bool is_product_of(Norm *m, const Value *value, const Value *a, const Value *b) {
  Node *mul = take_producer(m, value, "Mul");
  return mul && ((mul->inputs[0] == a && mul->inputs[1] == b) ||
                 (mul->inputs[0] == b && mul->inputs[1] == a));
}

/* value = x * gain; the gain, or NULL */
static const Value *match_scaled(Compilation *c, Norm *m, const Value *value) {
  Norm start = *m;
  for (int i = 0; i < 2; i++, *m = start) {
    Node *mul = take_producer(m, value, "Mul");
    if (!mul) return NULL;
    if (match_gain(c, m, mul->inputs[i]) && m->centred && mul->inputs[1 - i] == m->x)
      return mul->inputs[i];
  }
  return NULL;
}

/* value = bias - mean * gain */
static bool match_shift(Norm *m, const Value *value, const Value *gain) {
  Node *sub = take_producer(m, value, "Sub");
  if (!sub || !is_product_of(m, sub->inputs[1], m->mean, gain)) return false;
  m->bias = sub->inputs[0];
  return fits_row(m->bias, m->x, m->axis);
}

/* x * gain + (bias - mean * gain) */
static bool match_shifted(Compilation *c, Norm *m, const Node *node) {
  Norm start = *m;
  for (int i = 0; i < 2; i++, *m = start) {
    const Value *gain = match_scaled(c, m, node->inputs[i]);
    if (gain && match_shift(m, node->inputs[1 - i], gain)) return true;
  }
  return false;
}

/* x * gain - mean * gain */
static bool match_difference(Compilation *c, Norm *m, const Node *node) {
  const Value *gain = match_scaled(c, m, node->inputs[0]);
  return gain && is_product_of(m, node->inputs[1], m->mean, gain);
}

static const struct {
  const char *op_type;
  bool (*match)(Compilation *c, Norm *m, const Node *node);
} forms[] = {
    {"Div", match_quotient},
    {"Mul", match_product},
    {"Add", match_shifted},
    {"Sub", match_difference},
};
enum { FORM_COUNT = sizeof forms / sizeof *forms };

/* The operators hold epsilon as a float. */
static bool can_compute(const Norm *m) {
  return dtype_is_float(m->x->dtype) &&
         (m->x->dtype != DT_F64 || (double)(float)m->epsilon == m->epsilon);
}

/* Whether `node` computes a normalisation of rows. Without a mean to find, what it normalises may
 * be centred before. */
static bool match(const Fuser *f, Node *node, Norm *m) {
  for (int form = 0; form < FORM_COUNT; form++)
    for (int centred = 1; centred >= 0 && is_op(node, forms[form].op_type); centred--) {
      *m = (Norm){.graph = f->graph, .centred = centred};
      if (take(&m->taken, node) && forms[form].match(f->c, m, node) && can_compute(m) &&
          same_shape(m->x, node->outputs[0]) && is_closed(&m->taken, node, f->uses.counts))
        return true;
    }
  return false;
}

/* --- scale and bias behind --- */

/* The other operand of the only node that uses the result of *last, if that is `op_type` and the
 * operand fits rows; *last becomes that node. */
static Value *row_operand(const Fuser *f, Norm *m, const char *op_type, Node **last) {
  const Value *y = (*last)->outputs[0];
  Node *node = only_consumer(&f->uses, f->graph, y);
  if (!is_op(node, op_type) || !same_shape(y, node->outputs[0])) return NULL;
  Value *operand = node->inputs[node->inputs[0] == y];
  if (!fits_row(operand, m->x, m->axis) || !take(&m->taken, node)) return NULL;
  *last = node;
  return operand;
}

static Node *take_scale_bias(const Fuser *f, Norm *m, Node *last) {
  if (!m->scale && !m->bias) m->scale = row_operand(f, m, "Mul", &last);
  if (m->centred && !m->bias) m->bias = row_operand(f, m, "Add", &last);
  return last;
}

/* --- the new node --- */

/* What the nodes use has other users now. */
static void forget_uses(Fuser *f, const Taken *taken) {
  for (int i = 0; i < taken->count; i++)
    for (int k = 0; k < taken->nodes[i]->input_count; k++)
      if (taken->nodes[i]->inputs[k]) f->uses.counts[taken->nodes[i]->inputs[k]->id]++;
}

/* `node`, the last one, computes it all; the others are dead. */
static void become_norm(Fuser *f, const Norm *m, Node *node) {
  Arena *arena = f->c->arena;
  const Attr attrs[] = {
      attr_int("axis", m->axis),
      attr_float("epsilon", m->epsilon),
  };
  Value *inputs[] = {m->x, m->scale, m->bias};
  inherit_checks(f->c, m->taken.nodes, m->taken.count, node);
  node->op_type = m->centred ? "LayerNormalization" : "RMSNormalization";
  node->op = op_find("", node->op_type);
  node->inputs = arena_copy(arena, inputs, sizeof inputs);
  node->input_count = m->centred ? 3 : 2;
  node->attrs = arena_copy(arena, attrs, sizeof attrs);
  node->attr_count = 2;
}

static void fuse_graph(Fuser *f, Graph *graph) {
  f->graph = graph;
  for (size_t i = 0; i < graph->nodes.count; i++) {
    Norm m;
    if (!match(f, graph->nodes.items[i], &m)) continue;
    Node *last = take_scale_bias(f, &m, graph->nodes.items[i]);
    forget_uses(f, &m.taken);
    become_norm(f, &m, last);
  }
  for (size_t i = 0; i < graph->nodes.count; i++)
    for (int k = 0; k < graph->nodes.items[i]->attr_count; k++)
      if (graph->nodes.items[i]->attrs[k].graph)
        fuse_graph(f, graph->nodes.items[i]->attrs[k].graph);
}

bool pass_fuse_normalization(Compilation *c) {
  Fuser f = {.c = c, .uses = find_value_uses(c)};
  fuse_graph(&f, c->graph);
  graph_remove_dead(c, c->graph);
  return true;
}
