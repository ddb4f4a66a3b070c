/* control.c: If, Loop and Scan. Bodies become real blocks of the program: `if` and `for` in the
 * emitted code.
 *
 * A loop carries values from one iteration to the next. Their dims may change from iteration to
 * iteration; such a dim becomes a data symbol that is set before the loop and updated at the end of
 * each iteration, so that it holds the final size afterwards. Its bound follows from the number of
 * iterations where it grows by a constant. */
#include "ops/scan_batch.h"
#include "ops/sequence.h"

#include <string.h>

/* --- If --- */

/* The content of an integer or bool scalar, or NULL. */
static Dim scalar_content(const Value *value) {
  return value && value->content && value->content_count == 1 ? value->content[0] : NULL;
}

static bool is_one_element(const Value *value) {
  for (int d = 0; d < value->rank; d++)
    if (!dim_is(value->shape[d], 1)) return false;
  return true;
}

/* Whether one value can stand for both: they have the same rank, or one element each (exporters mix
 * scalars and tensors of shape [1]). */
static bool same_kind(const Value *a, const Value *b) {
  if (a->dtype != b->dtype) return false;
  return a->rank == b->rank || (is_one_element(a) && is_one_element(b));
}

/* Whether both bodies can be typed, and give different dtypes or ranks. Nothing is printed. */
static bool branches_disagree(Compilation *c, Graph *then_body, Graph *else_body) {
  Diag silent = {0}, *loud = c->diag;
  c->diag = &silent;
  bool typed = infer_graph(c, then_body);
  typed = infer_graph(c, else_body) && typed;
  c->diag = loud;
  bool disagree = false;
  for (size_t i = 0; typed && i < then_body->outputs.count && i < else_body->outputs.count; i++)
    disagree = disagree || !same_kind(then_body->outputs.items[i], else_body->outputs.items[i]);
  return disagree;
}

/* Exporters write `squeeze if the dim is 1` as an If. Where that dim is open and the branches
 * differ in rank, no program fits both: it is compiled for the sizes where the condition holds, and
 * checks that when it runs. */
static Graph *assume_then(Compilation *c, const Node *node, Dim condition) {
  Graph *then_body = node_body(node, "then_branch"), *else_body = node_body(node, "else_branch");
  if (dim_has_data(condition)) return NULL;
  if (!branches_disagree(c, then_body, else_body)) return NULL;
  Str text = str_in(c->arena);
  dim_print(&text, condition);
  diag_warning(c->diag, node_where(c, node),
               "the branches give results of different rank; compiled for sizes with %s",
               str_text(&text));
  diag_hint(c->diag, "fix these dims with --dim or --shape to choose the branch");
  NodeCheck assumption = {condition, "sizes that the program was not compiled for"};
  vec_push(c->arena, &c->assumptions, assumption);
  return then_body;
}

static Graph *select_if(Compilation *c, const Node *node) {
  const Value *condition = node_in(node, 0);
  Dim content = scalar_content(condition);
  if (condition && condition->constant && condition->constant->count == 1)
    return node_body(node, tensor_int(condition->constant, 0) ? "then_branch" : "else_branch");
  return content ? assume_then(c, node, content) : NULL;
}

/* The dim of an output that is `a` after one branch and `b` after the other. */
static Dim merge_dim(Compilation *c, const Value *out, int axis, Dim a, Dim b) {
  if (a == b) return a;
  DimRange ra = dim_range(a), rb = dim_range(b);
  int64_t low = ra.low < rb.low ? ra.low : rb.low, high = ra.high > rb.high ? ra.high : rb.high;
  Dim bound = dim_max(c->dims, dim_upper(c->dims, a), dim_upper(c->dims, b));
  return dim_data(c->dims, arena_printf(c->arena, "%s.%d", out->name, axis), low < 0 ? 0 : low,
                  high, bound);
}

static bool is_data(const DimSymbol *symbol, void *context) {
  (void)context;
  return symbol->kind == SYMBOL_DATA;
}

static bool merge_output(Compilation *c, const Node *node, int index, const Value *a,
                         const Value *b) {
  Value *out = node->outputs[index];
  if (!same_kind(a, b)) {
    node_error(c, node, "output %d is %s after then_branch and %s after else_branch", index,
               value_type_text(c, a), value_type_text(c, b));
    return diag_hint(
        c->diag,
        "fix the dims or inputs that the condition depends on (--dim, --shape, --set), so that "
        "one branch can be chosen when compiling");
  }
  Dim shape[MAX_RANK];
  int rank = a->rank < b->rank ? a->rank : b->rank;
  for (int d = 0; d < rank; d++) shape[d] = merge_dim(c, out, d, a->shape[d], b->shape[d]);
  value_set_type(c, out, a->dtype, rank, shape);
  out->sequence = sequence_outside(c, sequence_join(c, a->sequence, b->sequence), is_data, NULL);
  return true;
}

static bool infer_if(Compilation *c, Node *node) {
  Graph *then_body = node_body(node, "then_branch"), *else_body = node_body(node, "else_branch");
  bool ok = infer_graph(c, then_body);
  ok = infer_graph(c, else_body) && ok;
  if (!ok) return false;
  for (int i = 0; i < node->output_count; i++) {
    if (!node->outputs[i]) continue;
    if ((size_t)i >= then_body->outputs.count || (size_t)i >= else_body->outputs.count)
      return node_error(c, node, "a branch has no output %d", i);
    if (!merge_output(c, node, i, then_body->outputs.items[i], else_body->outputs.items[i]))
      return false;
  }
  return true;
}

/* One branch: its nodes, then its results into the common buffers, then the dims that differ. */
static bool lower_branch(Lower *l, const Node *node, Graph *body, Block *block) {
  if (!lower_graph(l, body, block)) return false;
  Block *outer = l->block;
  l->block = block;
  for (int i = 0; i < node->output_count; i++) {
    const Value *out = node->outputs[i], *from = body->outputs.items[i];
    if (!out) continue;
    lower_copy_buffer(l, lower_buffer(l, out), lower_buffer(l, from), value_count(l->c, from));
    for (int d = 0; d < out->rank; d++)
      if (out->shape[d] != from->shape[d])
        lower_define(l, dim_symbol(out->shape[d]), from->shape[d]);
  }
  l->block = outer;
  return true;
}

static bool lower_if(Lower *l, const Node *node) {
  Block *then_block = ARENA_NEW(l->c->arena, Block), *else_block = ARENA_NEW(l->c->arena, Block);
  Buffer *condition = lower_buffer(l, node_in(node, 0));
  for (int i = 0; i < node->output_count; i++)
    if (node->outputs[i]) lower_buffer(l, node->outputs[i]);
  if (!lower_branch(l, node, node_body(node, "then_branch"), then_block)) return false;
  if (!lower_branch(l, node, node_body(node, "else_branch"), else_block)) return false;
  Step *step = lower_step(l, STEP_IF);
  step->buffer = condition;
  step->then_block = then_block;
  step->else_block = else_block;
  return true;
}

DEFINE_OP(If) = {
    .name = "If", .flags = OP_BODY, .infer = infer_if, .lower = lower_if, .select = select_if};

/* --- loops: what Loop and Scan have in common --- */

/* A value carried from iteration to iteration. */
typedef struct {
  Value *initial;         /* outside */
  Value *in, *out;        /* of the body; out is set after inference */
  Dim changing[MAX_RANK]; /* the data symbol of a dim that differs between iterations, else NULL */
  bool invariant;         /* the body hands it through unchanged */
  bool placeholder;       /* the initial value is of another type and never read */
  const Sequence *elements; /* of a sequence: what holds in all iterations; NULL: as at the start */
  int widened;              /* how often that was found to hold too little */
} Carried;

/* A tensor that is read slice by slice. */
typedef struct {
  Value *whole, *slice; /* outside; body input */
  int axis;
  bool backward;
} ScanInput;

/* A tensor that is written slice by slice. */
typedef struct {
  Value *whole; /* output of the node, may be NULL */
  Value *slice; /* body output */
  int axis;
  bool backward;
} ScanOutput;

typedef struct {
  Graph *body;      /* a copy of the node's, inferred */
  Dim iteration;    /* data symbol: number of the iteration */
  Dim trips;        /* number of iterations made, as an expression (exact) or a data symbol */
  bool exact;       /* trips is known before the loop: no condition needs to be evaluated */
  Dim limit;        /* NULL: none */
  Value *condition; /* initial condition, outside; NULL: true */
  Value *next;      /* body output: condition of the next iteration; NULL: true */
  Value *iteration_in, *condition_in; /* body inputs; NULL in Scan */
  int first_symbol, first_value;      /* those from here on were made for the body */
  int carried_count, scan_in_count, scan_out_count;
  Carried *carried;
  ScanInput *scan_in;
  ScanOutput *scan_out;
} LoopPlan;

/* `value` followed back through Identity nodes. */
static const Value *source_of(const Value *value) {
  while (value->producer && strcmp(value->producer->op_type, "Identity") == 0 &&
         value->producer->input_count == 1 && value->producer->inputs[0])
    value = value->producer->inputs[0];
  return value;
}

/* Body inputs that the body hands through are replaced by the values they start from: they are no
 * state at all. */
static void drop_invariants(LoopPlan *plan, int first_output) {
  for (int i = 0; i < plan->carried_count; i++) {
    Carried *carried = &plan->carried[i];
    const Value *out = plan->body->outputs.items[first_output + i];
    carried->invariant = source_of(out) == carried->in;
    if (carried->invariant) graph_replace_uses(plan->body, carried->in, carried->initial);
  }
}

/* Body inputs get the types of the initial values; dims that change become data symbols. Integer
 * scalars get symbolic contents, so that counters are seen. */
static void type_carried(Compilation *c, Carried *carried) {
  Dim shape[MAX_RANK];
  const Value *initial = carried->initial;
  for (int d = 0; d < initial->rank; d++)
    shape[d] = carried->changing[d] ? carried->changing[d] : initial->shape[d];
  value_set_type(c, carried->in, initial->dtype, initial->rank, shape);
  carried->in->sequence = initial->sequence;
  if (carried->invariant) return;
  carried->in->sequence =
      carried->elements ? carried->elements : sequence_join(c, initial->sequence, NULL);
  if (dtype_is_integer(initial->dtype) && initial->rank == 0)
    value_element(c, carried->in, 0, INT64_MIN, INT64_MAX);
}

/* Exporters give a variable that is first set inside of a loop any initial value. The body does not
 * read it; it takes the type of the results then, whose dims must be known before the loop. */
static bool take_result_type(Compilation *c, const LoopPlan *plan, Carried *carried) {
  const Value *out = carried->out;
  if (graph_uses(plan->body, carried->in)) return false;
  for (int d = 0; d < out->rank; d++)
    if (dim_has_data(out->shape[d])) return false;
  value_set_type(c, carried->in, out->dtype, out->rank, out->shape);
  carried->placeholder = true;
  return true;
}

/* Whether a dim of a node's output is known before the node runs. */
static bool known_before(const Value *out, Dim dim) {
  const DimSymbol *symbol = dim_symbol(dim);
  if (!symbol) return true;
  for (int i = 0; i < out->producer->input_count; i++)
    for (int d = 0; out->producer->inputs[i] && d < out->producer->inputs[i]->rank; d++)
      if (dim_mentions(out->producer->inputs[i]->shape[d], symbol)) return true;
  return false;
}

/* Whether the file declares dim `d` of an output of the body, as `wanted` if that is not NULL: then
 * it stays as it is, and is checked in each iteration. *size: what is declared. */
static bool hold_declared(Compilation *c, const Value *out, int d, Dim wanted, Dim *size) {
  const DeclaredType *declared = out->declared;
  if (!declared || declared->rank != out->rank || declared->dims[d] < 0 || !out->producer)
    return false;
  Dim wish = dim_const(c->dims, declared->dims[d]);
  if ((wanted && wish != wanted) || !known_before(out, out->shape[d]) ||
      dim_is(dim_equal(c->dims, out->shape[d], wish), 0))
    return false;
  *size = wish;
  return infer_require_equal(c, out->producer, out->shape[d], wish,
                             "the size of a result of the loop's body and the declared one");
}

/* Whether the symbol is an element of a value from outside of the body. */
static bool is_loaded_outside(const LoopPlan *plan, const Graph *graph, const DimSymbol *symbol) {
  for (size_t i = 0; i < graph->nodes.count; i++) {
    const Node *node = graph->nodes.items[i];
    for (int k = 0; k < node->input_count; k++)
      if (node->inputs[k] && node->inputs[k]->id < plan->first_value &&
          value_loads(node->inputs[k], symbol))
        return true;
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph && is_loaded_outside(plan, node->attrs[k].graph, symbol))
        return true;
  }
  return false;
}

/* Sizes that the body computes from what is outside of it are the same in each iteration. */
static bool is_set_in_body(const DimSymbol *symbol, void *context) {
  LoopPlan *plan = context;
  if (symbol->index < plan->first_symbol || symbol->kind != SYMBOL_DATA) return false;
  if (symbol->definition) return dim_any_symbol(symbol->definition, is_set_in_body, plan);
  return !is_loaded_outside(plan, plan->body, symbol);
}

/* Whether elements that the body puts into a sequence are unlike those before. */
static bool widen_elements(Compilation *c, LoopPlan *plan, Carried *carried) {
  enum { PATIENCE = 2 };
  const Sequence *before = carried->in->sequence;
  if (!before) return false;
  const Sequence *left = sequence_outside(c, carried->out->sequence, is_set_in_body, plan);
  const Sequence *all = sequence_join(c, before, left);
  if (sequence_same(all, before)) return false;
  Sequence wide = *all;
  for (int d = 0; d < wide.rank && carried->widened > PATIENCE; d++)
    if (wide.bound[d] != before->bound[d]) wide.bound[d] = NULL;
  carried->elements = arena_copy(c->arena, &wide, sizeof wide);
  carried->widened++;
  return true;
}

/* Finds dims that differ between the start of an iteration and its end. False on types that cannot
 * be carried. *changed: a dim was found that was not known to change, so the body has to be
 * inferred again. */
static bool find_changes(Compilation *c, const Node *node, LoopPlan *plan, bool *changed) {
  for (int i = 0; i < plan->carried_count; i++) {
    Carried *carried = &plan->carried[i];
    if (carried->invariant) continue;
    const Value *in = carried->in, *out = carried->out;
    if (!same_kind(in, out) && !take_result_type(c, plan, carried))
      return node_error(c, node, "the body takes '%s' as %s and leaves it as %s", in->name,
                        value_type_text(c, in), value_type_text(c, out));
    *changed = widen_elements(c, plan, carried) || *changed;
    for (int d = 0; d < in->rank && in->rank == out->rank; d++) {
      Dim size;
      if (in->shape[d] == out->shape[d] || carried->changing[d] ||
          hold_declared(c, out, d, in->shape[d], &size))
        continue;
      carried->changing[d] =
          dim_data(c->dims, arena_printf(c->arena, "%s.%d", in->name, d), 0, INT64_MAX, NULL);
      *changed = true;
    }
  }
  return true;
}

/* The coefficient-free step of symbol `s` over one iteration: *step with `after` == s + *step,
 * *step free of `s`. */
static bool is_induction(Compilation *c, Dim s, Dim after, Dim *step) {
  *step = dim_sub(c->dims, after, s);
  return !dim_mentions(*step, dim_symbol(s));
}

/* Iterations that the factor `left < right` of the next condition allows: its only varying part
 * must be a counter that rises by a positive constant. Iteration j+1 runs if s(j) + rest < 0, with
 * s(j) = start + j*step, so trips = ceildiv(-rest - start, step) + 1. *exact: the initial condition
 * is the same comparison one step earlier. */
static Dim trips_of_factor(Compilation *c, const LoopPlan *plan, Dim left, Dim right) {
  Dim difference = dim_sub(c->dims, left, right);
  for (int i = 0; i < plan->carried_count; i++) {
    const Carried *carried = &plan->carried[i];
    Dim s = carried->invariant ? NULL : scalar_content(carried->in);
    Dim after = scalar_content(carried->out), start = scalar_content(carried->initial), step, rest;
    if (!s || !after || !start || !dim_symbol(s) || !dim_mentions(difference, dim_symbol(s)))
      continue;
    if (!is_induction(c, s, after, &step) || !dim_is_const(step) || dim_value(step) <= 0) continue;
    if (!is_induction(c, s, difference, &rest)) continue;
    Dim room = dim_sub(c->dims, dim_muli(c->dims, rest, -1), start);
    return dim_addi(c->dims, dim_ceildiv(c->dims, room, step), 1);
  }
  return NULL;
}

/* Whether the body computes something that `dim` depends on: nobody knows whether it changes. */
static bool may_vary(LoopPlan *plan, Dim dim) {
  return dim_any_symbol(dim, is_set_in_body, plan);
}

/* Whether `dim` depends on what does change from iteration to iteration. */
static bool varies(const LoopPlan *plan, Dim dim) {
  if (dim_mentions(dim, dim_symbol(plan->iteration))) return true;
  for (int i = 0; i < plan->carried_count; i++) {
    const Carried *carried = &plan->carried[i];
    if (carried->invariant) continue;
    Dim s = scalar_content(carried->in);
    if (s && dim_symbol(s) && dim_mentions(dim, dim_symbol(s))) return true;
    for (int d = 0; d < carried->in->rank; d++)
      if (carried->changing[d] && dim_mentions(dim, dim_symbol(carried->changing[d]))) return true;
  }
  return false;
}

/* The initial condition, true as far as known? Its content, 1 if there is no condition. */
static Dim initial_condition(Compilation *c, const LoopPlan *plan) {
  if (!plan->condition) return dim_const(c->dims, 1);
  return scalar_content(plan->condition);
}

/* The condition after iteration j-1, with every counter at its start minus one step: equal to the
 * initial condition if that is the same test. */
static Dim condition_before(Compilation *c, const LoopPlan *plan, Dim next) {
  for (int i = 0; i < plan->carried_count; i++) {
    const Carried *carried = &plan->carried[i];
    Dim s = carried->invariant ? NULL : scalar_content(carried->in);
    Dim after = scalar_content(carried->out), start = scalar_content(carried->initial), step;
    if (!s || !dim_symbol(s) || !after || !start || !is_induction(c, s, after, &step)) continue;
    next = dim_substitute(c->dims, next, dim_symbol(s), dim_sub(c->dims, start, step));
  }
  return dim_substitute(c->dims, next, dim_symbol(plan->iteration), dim_const(c->dims, -1));
}

/* Trip count from the limit and the condition: exact where everything is understood, otherwise an
 * upper bound in *bound (NULL: none). */
static void count_trips(Compilation *c, LoopPlan *plan, Dim *bound) {
  enum { MOST = 8 };
  Dim factors[MOST], exact = plan->limit, upper = plan->limit;
  Dim next = plan->next ? scalar_content(plan->next) : dim_const(c->dims, 1);
  Dim first = initial_condition(c, plan);
  bool understood = next && first;
  int count = understood ? dim_factors(c->dims, next, factors, MOST) : 0;
  understood = understood && count > 0;
  for (int i = 0; i < count; i++) {
    Dim left, right, trips = NULL;
    if (dim_is(factors[i], 1)) continue;
    if (dim_split_less(factors[i], &left, &right)) trips = trips_of_factor(c, plan, left, right);
    if (!trips || varies(plan, trips)) {
      understood = false;
      continue;
    }
    Dim at_least_one = dim_max(c->dims, trips, dim_const(c->dims, 1));
    upper = upper ? dim_min(c->dims, upper, at_least_one) : at_least_one;
    exact = exact ? dim_min(c->dims, exact, trips) : trips;
  }
  *bound = upper ? dim_max(c->dims, upper, dim_const(c->dims, 0)) : NULL;
  bool same_test =
      understood && (dim_is(first, 1) ? dim_is(next, 1) : condition_before(c, plan, next) == first);
  plan->exact = same_test && exact;
  if (plan->exact) plan->trips = dim_max(c->dims, exact, dim_const(c->dims, 0));
}

/* A counter that rises by a constant: its range over all iterations. */
static void bound_counter(Compilation *c, const Carried *carried, Dim trips_bound) {
  Dim s = scalar_content(carried->in), after = scalar_content(carried->out), step;
  Dim start = scalar_content(carried->initial);
  if (!s || !after || !start || !dim_symbol(s) || !is_induction(c, s, after, &step)) return;
  if (!dim_is_const(step) || dim_value(step) < 0) return;
  DimSymbol *symbol = dim_find_symbol(c->dims, dim_symbol(s)->name);
  symbol->low = dim_range(start).low;
  symbol->bound = dim_upper(c->dims, dim_add(c->dims, start, dim_mul(c->dims, trips_bound, step)));
}

/* What `s`, which is `after` behind an iteration, grows by at most, if that is the same in each: an
 * If may leave it as it is, and the amount may differ. */
static bool growth_of(Compilation *c, const LoopPlan *plan, Dim s, Dim after, Dim *step) {
  if (!is_induction(c, s, after, step) && !is_induction(c, s, dim_upper(c->dims, after), step))
    return false;
  if (varies(plan, *step)) *step = dim_upper(c->dims, *step);
  return !varies(plan, *step);
}

/* Bounds of the symbols that grow by the same amount in each iteration. */
static void bound_changes(Compilation *c, LoopPlan *plan, Dim trips_bound) {
  for (int i = 0; i < plan->carried_count; i++) {
    Carried *carried = &plan->carried[i];
    if (carried->invariant || !trips_bound) continue;
    if (trips_bound != plan->trips || plan->exact) bound_counter(c, carried, trips_bound);
    for (int d = 0; d < carried->in->rank; d++) {
      Dim s = carried->changing[d], step;
      if (!s || !growth_of(c, plan, s, carried->out->shape[d], &step)) continue;
      Dim growth = dim_mul(c->dims, trips_bound, dim_max(c->dims, step, dim_const(c->dims, 0)));
      DimSymbol *symbol = dim_find_symbol(c->dims, dim_symbol(s)->name);
      symbol->bound = dim_upper(c->dims, dim_add(c->dims, carried->initial->shape[d], growth));
    }
  }
}

/* One attempt at the types of the body, from a fresh copy. */
static bool infer_body(Compilation *c, LoopPlan *plan) {
  for (int i = 0; i < plan->carried_count; i++) type_carried(c, &plan->carried[i]);
  for (int i = 0; i < plan->scan_in_count; i++) {
    const ScanInput *scan = &plan->scan_in[i];
    Dim shape[MAX_RANK];
    int rank = 0;
    for (int d = 0; d < scan->whole->rank; d++)
      if (d != scan->axis) shape[rank++] = scan->whole->shape[d];
    value_set_type(c, scan->slice, scan->whole->dtype, rank, shape);
  }
  return infer_graph(c, plan->body);
}

static void type_counters(Compilation *c, LoopPlan *plan) {
  if (plan->iteration_in) {
    value_set_type(c, plan->iteration_in, DT_I64, 0, NULL);
    infer_content(c, plan->iteration_in, &plan->iteration, 1);
  }
  if (plan->condition_in) {
    /* While the body runs, the condition is true. */
    Dim one = dim_const(c->dims, 1);
    value_set_type(c, plan->condition_in, DT_BOOL, 0, NULL);
    infer_content(c, plan->condition_in, &one, 1);
  }
}

static bool type_scan_outputs(Compilation *c, const Node *node, LoopPlan *plan) {
  for (int i = 0; i < plan->scan_out_count; i++) {
    const ScanOutput *scan = &plan->scan_out[i];
    if (!scan->whole) continue;
    Dim shape[MAX_RANK];
    int from = 0, rank = scan->slice->rank + 1;
    if (rank > MAX_RANK)
      return node_error(c, node, "scan output %d has more than %d dims", i, MAX_RANK);
    for (int d = 0; d < rank; d++) {
      if (d == scan->axis) {
        shape[d] = plan->trips;
        continue;
      }
      shape[d] = scan->slice->shape[from];
      if (may_vary(plan, shape[d]) && !hold_declared(c, scan->slice, from, NULL, &shape[d]) &&
          varies(plan, scan->slice->shape[from]))
        return node_error(c, node, "scan output %d has a shape that differs between iterations: %s",
                          i, value_type_text(c, scan->slice));
      from++;
    }
    value_set_type(c, scan->whole, scan->slice->dtype, rank, shape);
  }
  return true;
}

static void type_carried_outputs(Compilation *c, const Node *node, const LoopPlan *plan) {
  for (int i = 0; i < plan->carried_count; i++) {
    const Carried *carried = &plan->carried[i];
    Value *out = node_out(node, i);
    if (!out) continue;
    const Value *type = carried->invariant ? carried->initial : carried->in;
    value_set_type(c, out, type->dtype, type->rank, type->shape);
    out->sequence = type->sequence;
    if (carried->invariant && type->constant) value_set_constant(c, out, type->constant);
    if (carried->invariant && !type->constant && type->content)
      infer_content(c, out, type->content, type->content_count);
  }
}

/* Fills the plan for a fresh copy of the body; the operator's own rules. */
typedef bool (*PlanFiller)(Compilation *c, const Node *node, LoopPlan *plan);

/* A fresh copy of the body, with what is known already of changing dims. */
static bool restart_plan(Compilation *c, const Node *node, LoopPlan *plan, PlanFiller fill) {
  const Carried *before = plan->carried;
  plan->first_value = c->next_value_id;
  plan->body = graph_clone(c, node_body(node, "body"), NULL);
  if (!fill(c, node, plan)) return false;
  for (int i = 0; before && i < plan->carried_count; i++) {
    plan->carried[i].elements = before[i].elements;
    plan->carried[i].widened = before[i].widened;
    memcpy(plan->carried[i].changing, before[i].changing, sizeof before[i].changing);
  }
  return true;
}

/* Infers the body until the dims of the carried values settle. */
static bool infer_loop_plan(Compilation *c, Node *node, PlanFiller fill, int first_output,
                            LoopPlan **result) {
  enum { MOST_ROUNDS = 8 };
  LoopPlan *plan = *result = ARENA_NEW(c->arena, LoopPlan);
  const char *name = node->name[0] ? node->name : "loop";
  plan->first_symbol = (int)dim_symbol_count(c->dims);
  plan->iteration =
      dim_data(c->dims, arena_printf(c->arena, "%s.iteration", name), 0, INT64_MAX, NULL);
  bool changed = true;
  for (int round = 0; changed && round < MOST_ROUNDS; round++) {
    if (!restart_plan(c, node, plan, fill)) return false;
    drop_invariants(plan, first_output);
    type_counters(c, plan);
    if (!infer_body(c, plan)) return false;
    for (int i = 0; i < plan->carried_count; i++)
      plan->carried[i].out = plan->body->outputs.items[first_output + i];
    changed = false;
    if (!find_changes(c, node, plan, &changed)) return false;
  }
  return !changed || node_error(c, node, "the shapes of the carried values do not settle");
}

static void finish_trips(Compilation *c, const Node *node, LoopPlan *plan) {
  Dim bound;
  count_trips(c, plan, &bound);
  if (bound) bound = dim_upper(c->dims, bound);
  if (!plan->exact) {
    int64_t high = bound ? dim_range(bound).high : INT64_MAX;
    plan->trips =
        dim_data(c->dims, arena_printf(c->arena, "%s.trips", node->name[0] ? node->name : "loop"),
                 0, high, bound);
  }
  DimSymbol *iteration = dim_find_symbol(c->dims, dim_symbol(plan->iteration)->name);
  Dim most = dim_upper(c->dims, plan->trips);
  iteration->bound = most;
  bound_changes(c, plan, most);
}

/* The node keeps the inferred body in place of the one from the file. */
static void keep_plan(Compilation *c, Node *node, LoopPlan *plan) {
  finish_trips(c, node, plan);
  node->plan = plan;
  for (int i = 0; i < node->attr_count; i++)
    if (node->attrs[i].kind == ATTR_GRAPH) node->attrs[i].graph = plan->body;
}

static bool infer_any_loop(Compilation *c, Node *node, PlanFiller fill, int first_output) {
  LoopPlan *plan;
  if (!infer_loop_plan(c, node, fill, first_output, &plan)) return false;
  keep_plan(c, node, plan);
  type_carried_outputs(c, node, plan);
  return type_scan_outputs(c, node, plan);
}

/* --- lowering of loops --- */

/* A copy of `from` (dense, of `count` elements) unless it is in that buffer already. */
static void move_to(Lower *l, Buffer *to, Buffer *from, Dim count) {
  if (to != from) lower_copy_buffer(l, to, from, count);
}

/* slice (dense) of whole at `iteration` along `axis`; direction of the copy by `out`. */
static void lower_slice(Lower *l, const Value *whole, int axis, const Value *slice, Dim iteration,
                        bool backward, bool out) {
  DimPool *pool = l->c->dims;
  Dim dense[MAX_RANK], stride[MAX_RANK], own[MAX_RANK];
  nest_strides(l->c, whole->rank, whole->shape, dense);
  for (int d = 0, k = 0; d < whole->rank; d++)
    if (d != axis) stride[k++] = dense[d];
  Dim index =
      backward ? dim_sub(pool, dim_addi(pool, whole->shape[axis], -1), iteration) : iteration;
  Dim offset = dim_mul(pool, index, dense[axis]);
  LoopNest *nest = lower_nest(l, slice->rank, slice->shape);
  nest_strides(l->c, slice->rank, slice->shape, own);
  if (out)
    nest_store_at(l, nest, lower_buffer(l, whole), offset, stride,
                  nest_load_at(l, nest, lower_buffer(l, slice), NULL, own));
  else
    nest_store_at(l, nest, lower_buffer(l, slice), NULL, own,
                  nest_load_at(l, nest, lower_buffer(l, whole), offset, stride));
}

/* The state buffers of the carried values, filled with the initial values. */
static void lower_initial(Lower *l, const LoopPlan *plan) {
  for (int i = 0; i < plan->carried_count; i++) {
    const Carried *carried = &plan->carried[i];
    if (carried->invariant || carried->placeholder) continue;
    for (int d = 0; d < carried->in->rank; d++)
      if (carried->changing[d])
        lower_define(l, dim_symbol(carried->changing[d]), carried->initial->shape[d]);
    Buffer *state = lower_buffer(l, carried->in);
    lower_copy_buffer(l, state, lower_buffer(l, carried->initial),
                      value_count(l->c, carried->initial));
  }
}

/* Whether the buffer of a body output is the state of some carried value (or a buffer from outside
 * that must not be overwritten early). */
static bool is_state(Lower *l, const LoopPlan *plan, const Buffer *buffer) {
  for (int i = 0; i < plan->carried_count; i++)
    if (!plan->carried[i].invariant && lower_buffer(l, plan->carried[i].in) == buffer) return true;
  return false;
}

/* New values of the carried dims, all computed before any is set. */
static void lower_dim_updates(Lower *l, const LoopPlan *plan) {
  Vec(Dim) symbols = {0}, fresh = {0};
  for (int i = 0; i < plan->carried_count; i++) {
    const Carried *carried = &plan->carried[i];
    if (carried->invariant) continue;
    for (int d = 0; d < carried->in->rank; d++) {
      if (!carried->changing[d]) continue;
      const DimSymbol *symbol = dim_symbol(carried->changing[d]);
      Dim temporary = dim_data(l->c->dims, arena_printf(l->c->arena, "%s.next", symbol->name), 0,
                               INT64_MAX, carried->changing[d]);
      lower_define(l, dim_symbol(temporary), carried->out->shape[d]);
      vec_push(l->c->arena, &symbols, carried->changing[d]);
      vec_push(l->c->arena, &fresh, temporary);
    }
  }
  for (size_t i = 0; i < symbols.count; i++)
    lower_define(l, dim_symbol(symbols.items[i]), fresh.items[i]);
}

/* End of an iteration: scan outputs, new condition, new dims, new state. */
static void lower_updates(Lower *l, const LoopPlan *plan, Buffer *condition) {
  for (int i = 0; i < plan->scan_out_count; i++) {
    const ScanOutput *scan = &plan->scan_out[i];
    if (scan->whole)
      lower_slice(l, scan->whole, scan->axis, scan->slice, plan->iteration, scan->backward, true);
  }
  if (condition)
    lower_copy_buffer(l, condition, lower_buffer(l, plan->next), dim_const(l->c->dims, 1));
  Buffer **sources = ARENA_ARRAY(l->c->arena, Buffer *, plan->carried_count + 1);
  for (int i = 0; i < plan->carried_count; i++) {
    const Carried *carried = &plan->carried[i];
    if (carried->invariant) continue;
    sources[i] = lower_buffer(l, carried->out);
    if (sources[i] == lower_buffer(l, carried->in) || !is_state(l, plan, sources[i])) continue;
    Dim count = value_count(l->c, carried->out);
    Buffer *saved = lower_scratch(l, carried->out->dtype, count, carried->out->name);
    lower_copy_buffer(l, saved, sources[i], count);
    sources[i] = saved;
  }
  /* The new sizes first: the state buffers are written with them. */
  lower_dim_updates(l, plan);
  for (int i = 0; i < plan->carried_count; i++)
    if (!plan->carried[i].invariant)
      move_to(l, lower_buffer(l, plan->carried[i].in), sources[i],
              value_count(l->c, plan->carried[i].in));
}

/* A bool buffer with the initial condition, or NULL if the number of iterations is known before the
 * loop. */
static Buffer *lower_condition(Lower *l, const LoopPlan *plan) {
  if (plan->exact || !plan->next) return NULL;
  Dim one = dim_const(l->c->dims, 1);
  Buffer *condition = lower_scratch(l, DT_BOOL, one, "condition");
  if (plan->condition) {
    lower_copy_buffer(l, condition, lower_buffer(l, plan->condition), one);
  } else {
    LoopNest *nest = lower_nest(l, 1, &one);
    nest_store_at(l, nest, condition, NULL, &one, operand_int(DT_BOOL, one));
  }
  return condition;
}

/* Results that took the place of an initial value of another type exist after an iteration only. */
static void check_placeholders(Lower *l, const Node *node, const LoopPlan *plan) {
  Dim ran = dim_less(l->c->dims, dim_const(l->c->dims, 0), plan->trips);
  for (int i = 0; i < plan->carried_count; i++)
    if (plan->carried[i].placeholder && node_out(node, i)) {
      lower_check(l, ran, "a loop that makes no iteration has no result of this type");
      return;
    }
}

static bool lower_any_loop(Lower *l, const Node *node) {
  const LoopPlan *plan = node->plan;
  for (int i = 0; i < plan->scan_out_count; i++)
    if (plan->scan_out[i].whole) lower_buffer(l, plan->scan_out[i].whole);
  lower_initial(l, plan);
  Buffer *condition = lower_condition(l, plan);
  Block *body = ARENA_NEW(l->c->arena, Block), *outer = l->block;
  const Dim repeats = l->repeats;
  l->repeats = repeats ? dim_mul(l->c->dims, repeats, plan->trips) : plan->trips;
  l->block = body;
  if (plan->iteration_in) {
    LoopNest *nest = lower_nest(l, 0, NULL);
    nest_store(l, nest, plan->iteration_in, operand_int(DT_I64, plan->iteration));
  }
  for (int i = 0; i < plan->scan_in_count; i++)
    lower_slice(l, plan->scan_in[i].whole, plan->scan_in[i].axis, plan->scan_in[i].slice,
                plan->iteration, plan->scan_in[i].backward, false);
  if (!lower_graph(l, plan->body, body)) return false;
  lower_updates(l, plan, condition);
  l->block = outer;
  l->repeats = repeats;
  Step *step = lower_step(l, STEP_LOOP);
  step->symbol = dim_symbol(plan->iteration);
  step->value = plan->exact ? plan->trips : plan->limit;
  step->buffer = condition;
  step->body = body;
  step->trips = plan->exact ? NULL : dim_symbol(plan->trips);
  check_placeholders(l, node, plan);
  for (int i = 0; i < plan->carried_count; i++) {
    const Value *out = node_out(node, i);
    if (!out || out->constant) continue;
    const Carried *carried = &plan->carried[i];
    lower_alias(l, out, carried->invariant ? carried->initial : carried->in);
  }
  return true;
}

/* --- Loop --- */

static bool fill_loop(Compilation *c, const Node *node, LoopPlan *plan) {
  Graph *body = plan->body;
  int carried = node->input_count - 2;
  if (carried < 0) carried = 0;
  if ((int)body->inputs.count != carried + 2 || (int)body->outputs.count < carried + 1)
    return node_error(
        c, node,
        "the body has %zu inputs and %zu outputs; %d carried values need %d and at least %d",
        body->inputs.count, body->outputs.count, carried, carried + 2, carried + 1);
  plan->carried_count = carried;
  plan->carried = ARENA_ARRAY(c->arena, Carried, carried + 1);
  plan->iteration_in = body->inputs.items[0];
  plan->condition_in = body->inputs.items[1];
  plan->condition = node_in(node, 1);
  plan->next = body->outputs.items[0];
  for (int i = 0; i < carried; i++) {
    plan->carried[i] = (Carried){.initial = node_in(node, i + 2), .in = body->inputs.items[i + 2]};
    if (!plan->carried[i].initial) return node_error(c, node, "carried value %d is missing", i);
  }
  plan->scan_out_count = (int)body->outputs.count - 1 - carried;
  plan->scan_out = ARENA_ARRAY(c->arena, ScanOutput, plan->scan_out_count + 1);
  for (int i = 0; i < plan->scan_out_count; i++)
    plan->scan_out[i] = (ScanOutput){.whole = node_out(node, carried + i),
                                     .slice = body->outputs.items[1 + carried + i]};
  return true;
}

static bool fill_loop_limit(Compilation *c, const Node *node, LoopPlan *plan) {
  if (!fill_loop(c, node, plan)) return false;
  Value *limit = node_in(node, 0);
  if (!limit) return true;
  plan->limit = value_element(c, limit, 0, INT64_MIN, INT64_MAX);
  /* Exporters write "no limit" as the largest int64 (or int32). */
  if (dim_is_const(plan->limit) && dim_value(plan->limit) >= INT32_MAX)
    plan->limit = NULL;
  else
    plan->limit = dim_max(c->dims, plan->limit, dim_const(c->dims, 0));
  return true;
}

static bool infer_loop(Compilation *c, Node *node) {
  return infer_any_loop(c, node, fill_loop_limit, 1);
}

DEFINE_OP(Loop) = {.name = "Loop", .flags = OP_BODY, .infer = infer_loop, .lower = lower_any_loop};

/* --- Scan --- */

/* Entry i of an integer list attribute, or the default. */
static int64_t list_entry(const Node *node, const char *name, int i, int64_t missing) {
  size_t count;
  const int64_t *list = node_ints(node, name, &count);
  return list && (size_t)i < count ? list[i] : missing;
}

static bool fill_scan(Compilation *c, const Node *node, LoopPlan *plan) {
  Graph *body = plan->body;
  if (node->version < 9)
    return node_error(c, node,
                      "a Scan of opset 8 with sequence_lens that reads backward, or with "
                      "other inputs than its body has, is not supported");
  int scanned = (int)node_int(node, "num_scan_inputs", 1);
  int carried = node->input_count - scanned;
  if (scanned < 1 || carried < 0 || (int)body->inputs.count != node->input_count ||
      (int)body->outputs.count < carried)
    return node_error(
        c, node,
        "num_scan_inputs=%d does not fit %d inputs and a body with %zu inputs and %zu outputs",
        scanned, node->input_count, body->inputs.count, body->outputs.count);
  plan->carried_count = carried;
  plan->carried = ARENA_ARRAY(c->arena, Carried, carried + 1);
  for (int i = 0; i < carried; i++)
    plan->carried[i] = (Carried){.initial = node_in(node, i), .in = body->inputs.items[i]};
  plan->scan_in_count = scanned;
  plan->scan_in = ARENA_ARRAY(c->arena, ScanInput, scanned);
  for (int i = 0; i < scanned; i++) {
    ScanInput *scan = &plan->scan_in[i];
    *scan =
        (ScanInput){.whole = node_in(node, carried + i), .slice = body->inputs.items[carried + i]};
    scan->backward = list_entry(node, "scan_input_directions", i, 0) == 1;
    if (!infer_axis(c, node, list_entry(node, "scan_input_axes", i, 0), scan->whole->rank,
                    &scan->axis))
      return false;
  }
  plan->scan_out_count = (int)body->outputs.count - carried;
  plan->scan_out = ARENA_ARRAY(c->arena, ScanOutput, plan->scan_out_count + 1);
  for (int i = 0; i < plan->scan_out_count; i++)
    plan->scan_out[i] =
        (ScanOutput){.whole = node_out(node, carried + i),
                     .slice = body->outputs.items[carried + i],
                     .backward = list_entry(node, "scan_output_directions", i, 0) == 1};
  plan->limit = plan->scan_in[0].whole->shape[plan->scan_in[0].axis];
  return true;
}

/* Output axes count from the end of the output's rank, which is known only after the body was
 * inferred. */
static bool infer_scan(Compilation *c, Node *node) {
  LoopPlan *plan;
  if (!infer_loop_plan(c, node, fill_scan, 0, &plan)) return false;
  for (int i = 1; i < plan->scan_in_count; i++)
    if (!infer_require_equal(c, node, plan->limit,
                             plan->scan_in[i].whole->shape[plan->scan_in[i].axis],
                             "the lengths of the scanned inputs"))
      return false;
  for (int i = 0; i < plan->scan_out_count; i++)
    if (!infer_axis(c, node, list_entry(node, "scan_output_axes", i, 0),
                    plan->scan_out[i].slice->rank + 1, &plan->scan_out[i].axis))
      return false;
  keep_plan(c, node, plan);
  type_carried_outputs(c, node, plan);
  return type_scan_outputs(c, node, plan);
}

DEFINE_OP(Scan) = {.name = "Scan",
                   .flags = OP_BODY,
                   .infer = infer_scan,
                   .lower = lower_any_loop,
                   .select = scan_over_batch};
