/* reduce.c: ReduceSum and its family, ArgMax/ArgMin, CumSum/CumProd.
 *
 * The reduced axes fall into runs; each run is reduced by one kernel call on [outer, n, inner], the
 * last one first:
 *
 *   ReduceMean of x[2, 3, 4, 5] over axes 0, 2, 3
 *     =>  reduce_add [6, 20, 1], then reduce_add [1, 2, 3], then y = sum / 40 in place */
#include "ops/axis.h"
#include "ops/content.h"
#include "ops/elementwise.h"
#include "ops/op.h"
#include "ops/pool.h"

/* --- the family --- */

typedef struct {
  const char *first,
      *next;        /* kernels of the first run of axes and of those after it: sum(x^2), then sum */
  const char *post; /* scalar function at the end, or NULL */
  bool mean;        /* divided by the number of elements at the end */
  bool real;        /* integers are computed in f64 */
  ContentRule content; /* of two elements, or NULL */
  bool pools;          /* over all of a plane it is GlobalAveragePool (mean) or GlobalMaxPool */
} Row;

static bool infer_reduce(Compilation *c, Node *node);
static bool lower_reduce(Lower *l, const Node *node);
static BlockedUse blocked_reduce(Compilation *c, const Node *node);
static bool blocked_reduce_lower(Lower *l, const Node *node);

#define DEFINE_REDUCE(id, ...)                                                                     \
  const OpDef op_##id = {.name = #id,                                                              \
                         .infer = infer_reduce,                                                    \
                         .lower = lower_reduce,                                                    \
                         .blocked = blocked_reduce,                                                \
                         .lower_blocked = blocked_reduce_lower,                                    \
                         .row = &(const Row){__VA_ARGS__}}

DEFINE_REDUCE(ReduceL1, .first = "reduce_addabs", .next = "reduce_add");
DEFINE_REDUCE(ReduceL2, .first = "reduce_addsquare", .next = "reduce_add", .post = "sqrt",
              .real = true);
DEFINE_REDUCE(ReduceLogSum, .first = "reduce_add", .next = "reduce_add", .post = "log",
              .real = true);
DEFINE_REDUCE(ReduceLogSumExp, .first = "reduce_logsumexp", .next = "reduce_logsumexp",
              .real = true);
DEFINE_REDUCE(ReduceMax, .first = "reduce_max", .next = "reduce_max", .content = content_max,
              .pools = true);
DEFINE_REDUCE(ReduceMean, .first = "reduce_add", .next = "reduce_add", .mean = true, .pools = true);
DEFINE_REDUCE(ReduceMin, .first = "reduce_min", .next = "reduce_min", .content = content_min);
DEFINE_REDUCE(ReduceProd, .first = "reduce_mul", .next = "reduce_mul", .content = content_mul);
DEFINE_REDUCE(ReduceSum, .first = "reduce_add", .next = "reduce_add", .content = content_add);
DEFINE_REDUCE(ReduceSumSquare, .first = "reduce_addsquare", .next = "reduce_add");

static const Row *row_of(const Node *node) {
  return node->op->row;
}

/* The dtype to compute in, DT_NONE if there is none. */
static DType reduce_dtype(const Node *node) {
  DType dtype = node_in(node, 0)->dtype;
  if (row_of(node)->real && dtype_is_integer(dtype)) return DT_F64;
  return elementwise_dtype(row_of(node)->first, dtype);
}

/* --- inference --- */

/* An axis that is known at run time only, as an expression from 0 to rank - 1. */
static Dim wrapped_axis(Compilation *c, Dim axis, int rank) {
  Dim negative = dim_less(c->dims, axis, dim_const(c->dims, 0));
  return dim_select(c->dims, negative, dim_addi(c->dims, axis, rank), axis);
}

/* Marks one axis. */
static bool mark_axis(Compilation *c, const Node *node, Dim axis, int rank, Dim *mask) {
  int known;
  if (dim_is_const(axis)) {
    if (!infer_axis(c, node, dim_value(axis), rank, &known)) return false;
    mask[known] = dim_const(c->dims, 1);
    return true;
  }
  axis = wrapped_axis(c, axis, rank);
  for (int d = 0; d < rank; d++) {
    Dim other = dim_not(c->dims, dim_equal(c->dims, axis, dim_const(c->dims, d)));
    mask[d] = dim_not(c->dims, dim_mul(c->dims, dim_not(c->dims, mask[d]), other));
  }
  return true;
}

/* The axes that are given, by input 1 or by the attribute. */
static bool given_axes(Compilation *c, const Node *node, const Dim **axes, int *count) {
  const int64_t *known;
  size_t known_count;
  bool present;
  int rank = node_in(node, 0)->rank;
  if (node_in(node, 1)) return infer_elements(c, node, 1, -rank, rank - 1, axes, count);
  if (!infer_const_ints(c, node, 1, "axes", &present, &known, &known_count)) return false;
  Dim *constants = ARENA_ARRAY(c->arena, Dim, known_count + 1);
  for (size_t i = 0; i < known_count; i++) constants[i] = dim_const(c->dims, known[i]);
  *axes = constants;
  *count = (int)known_count;
  return true;
}

/* mask[d] is 1 if axis d is reduced, else 0; an expression if that is known at run time only.
 * *count is how many are. Without axes all are, or none if `noop_with_empty_axes` says so. */
static bool reduced_axes(Compilation *c, const Node *node, Dim *mask, int *count) {
  const Dim *axes;
  int rank = node_in(node, 0)->rank;
  if (!given_axes(c, node, &axes, count)) return false;
  bool all = *count == 0 && !node_int(node, "noop_with_empty_axes", 0);
  for (int d = 0; d < rank; d++) mask[d] = dim_const(c->dims, all);
  for (int i = 0; i < *count; i++)
    if (!mark_axis(c, node, axes[i], rank, mask)) return false;
  bool known = true;
  int marked = 0;
  for (int d = 0; d < rank; d++) {
    known = known && dim_is_const(mask[d]);
    marked += dim_is(mask[d], 1);
  }
  if (known) *count = marked;
  if (*count > rank) return node_error(c, node, "there are more axes than the input has");
  return true;
}

/* Axes that are known at run time only must differ from each other. */
static void check_axes(Compilation *c, Node *node, const Dim *mask, int count) {
  Dim marked = dim_const(c->dims, 0);
  for (int d = 0; d < node_in(node, 0)->rank; d++) marked = dim_add(c->dims, marked, mask[d]);
  NodeCheck check = {dim_equal(c->dims, marked, dim_const(c->dims, count)),
                     "the axes are not different from each other"};
  if (!dim_is(check.condition, 1)) vec_push(c->arena, &node->checks, check);
}

/* Dim `index` of the output without the reduced axes: the sum of the dims, each times whether it is
 * the one. */
static Dim kept_dim(Compilation *c, const Value *x, const Dim *mask, int index) {
  Dim before = dim_const(c->dims, 0), result = before;
  for (int d = 0; d < x->rank; d++) {
    Dim kept = dim_not(c->dims, mask[d]);
    Dim here = dim_mul(c->dims, kept, dim_equal(c->dims, before, dim_const(c->dims, index)));
    result = dim_add(c->dims, result, dim_mul(c->dims, here, x->shape[d]));
    before = dim_add(c->dims, before, kept);
  }
  return result;
}

/* The output's shape: 1, or nothing, in place of the reduced axes. Returns its rank. */
static int reduced_shape(Compilation *c, const Node *node, const Dim *mask, int count, Dim *shape) {
  const Value *x = node_in(node, 0);
  Dim one = dim_const(c->dims, 1);
  bool keep = node_int(node, "keepdims", 1) != 0;
  for (int d = 0; d < x->rank && keep; d++)
    shape[d] = dim_select(c->dims, mask[d], one, x->shape[d]);
  for (int d = 0; d < x->rank - count && !keep; d++) shape[d] = kept_dim(c, x, mask, d);
  return keep ? x->rank : x->rank - count;
}

static bool are_known(const Dim *mask, int rank) {
  for (int d = 0; d < rank; d++)
    if (!dim_is_const(mask[d])) return false;
  return true;
}

/* The largest of the dims that dim `index` of the output may be. */
static Dim largest_dim(Compilation *c, const Node *node, int count, int index) {
  const Value *x = node_in(node, 0);
  Dim most = x->shape[index];
  int last = node_int(node, "keepdims", 1) ? index : index + count;
  for (int d = index + 1; d <= last; d++) most = dim_max(c->dims, most, x->shape[d]);
  return dim_max(c->dims, most, dim_const(c->dims, 1));
}

/* Where the axes are known at run time only, the output's dims are data symbols that lowering
 * defines; they are kept in node->plan, so that inference made again finds them. */
static void use_symbols(Compilation *c, Node *node, int count, int rank, Dim *shape) {
  Dim *symbols = node->plan;
  if (!symbols) {
    node->plan = symbols = ARENA_ARRAY(c->arena, Dim, rank + 1);
    for (int d = 0; d < rank; d++) {
      const char *name = arena_printf(c->arena, "%s_dim_%d", node_out(node, 0)->name, d);
      symbols[d] = dim_data(c->dims, name, 0, INT64_MAX, largest_dim(c, node, count, d));
    }
  }
  for (int d = 0; d < rank; d++) shape[d] = symbols[d];
}

/* A list of sizes reduced to one number stays known. */
static void reduce_content(Compilation *c, const Node *node) {
  const Value *x = node_in(node, 0);
  Value *y = node_out(node, 0);
  const Dim *elements = x->rank == 1 && !x->constant ? content_of(c, x) : NULL;
  if (!elements || !row_of(node)->content || x->content_count == 0 || !dim_is(value_count(c, y), 1))
    return;
  const ContentCall call = {c->dims, node, x->dtype, y->dtype};
  Dim total = elements[0];
  for (int64_t i = 1; i < x->content_count && total; i++) {
    Dim pair[] = {total, elements[i]};
    total = row_of(node)->content(&call, pair, 2);
  }
  if (total && !dim_is_overflow(total)) infer_content(c, y, &total, 1);
}

static bool infer_reduce(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Dim mask[MAX_RANK], shape[MAX_RANK];
  int count;
  if (reduce_dtype(node) == DT_NONE)
    return node_error(c, node, "elements of type %s are not supported", dtype_info(x->dtype)->name);
  if (!reduced_axes(c, node, mask, &count)) return false;
  check_axes(c, node, mask, count);
  int rank = reduced_shape(c, node, mask, count, shape);
  if (!are_known(mask, x->rank)) use_symbols(c, node, count, rank, shape);
  value_set_type(c, node_out(node, 0), x->dtype, rank, shape);
  reduce_content(c, node);
  return true;
}

/* --- lowering --- */

/* Neighbouring axes of one kind, taken together. */
typedef struct {
  Dim size;
  bool reduced;
} Run;

/* The runs of a shape; dims that are 1 belong to none. */
static int find_runs(Compilation *c, const Value *x, const Dim *mask, Run *runs) {
  int count = 0;
  for (int i = 0; i < x->rank; i++) {
    bool reduced = dim_is(mask[i], 1);
    if (dim_is(x->shape[i], 1)) continue;
    if (count && runs[count - 1].reduced == reduced)
      runs[count - 1].size = dim_mul(c->dims, runs[count - 1].size, x->shape[i]);
    else
      runs[count++] = (Run){x->shape[i], reduced};
  }
  return count;
}

/* The view of the last reduced run, which becomes 1; [all, 1, 1] where there is none. *left is how
 * many remain. */
static AxisView take_run(Compilation *c, Run *runs, int count, int *left) {
  Dim sizes[MAX_RANK];
  int last = -1;
  *left = 0;
  for (int i = 0; i < count; i++) {
    sizes[i] = runs[i].size;
    if (runs[i].reduced) last = i;
    *left += runs[i].reduced;
  }
  if (last < 0)
    return (AxisView){dim_product(c->dims, sizes, (size_t)count), dim_const(c->dims, 1),
                      dim_const(c->dims, 1)};
  AxisView view = axis_view(c, count, sizes, last, last + 1);
  runs[last] = (Run){dim_const(c->dims, 1), false};
  --*left;
  return view;
}

/* One kernel call; returns the buffer of its result, `to` if it is the last one. */
static Buffer *reduce_view(Lower *l, const char *stem, Buffer *from, AxisView view, Buffer *to) {
  Dim size = dim_mul(l->c->dims, view.outer, view.inner);
  Buffer *result = to ? to : lower_scratch(l, from->dtype, size, from->name);
  Step *step = lower_kernel(l, stem, from->dtype);
  arg_buffer(l, step, from);
  arg_buffer(l, step, result);
  arg_axis_view(l, step, view);
  step_units(step, axis_units(l->c, view));
  return result;
}

/* Reduces run after run. */
static void reduce_runs(Lower *l, const Row *row, const Value *x, const Dim *mask, Buffer *from,
                        Buffer *to) {
  Run runs[MAX_RANK];
  int count = find_runs(l->c, x, mask, runs), left = 1;
  for (const char *stem = row->first; left > 0; stem = row->next) {
    AxisView view = take_run(l->c, runs, count, &left);
    from = reduce_view(l, stem, from, view, left > 0 ? NULL : to);
  }
}

/* Likewise where the axes are known at run time only: a call for each axis, which reduces its n
 * elements, or, if it is kept, moves them to `outer` and leaves n = 1. */
static void reduce_each(Lower *l, const Row *row, const Value *x, const Dim *mask, Buffer *from,
                        Buffer *to) {
  Dim one = dim_const(l->c->dims, 1), shape[MAX_RANK];
  for (int d = 0; d < x->rank; d++) shape[d] = x->shape[d];
  for (int d = x->rank - 1; d >= 0; d--) {
    shape[d] = dim_select(l->c->dims, mask[d], one, x->shape[d]);
    AxisView view = axis_view(l->c, x->rank, shape, d + 1, d + 1);
    view.n = dim_select(l->c->dims, mask[d], x->shape[d], one);
    from =
        reduce_view(l, d == x->rank - 1 ? row->first : row->next, from, view, d == 0 ? to : NULL);
  }
}

/* The number of elements that make one element of the output. */
static Dim reduced_count(Compilation *c, const Value *x, const Dim *mask) {
  Dim count = dim_const(c->dims, 1);
  for (int d = 0; d < x->rank; d++)
    count =
        dim_mul(c->dims, count, dim_select(c->dims, mask[d], x->shape[d], dim_const(c->dims, 1)));
  return count;
}

/* y = f(sum), in place unless y has another dtype. */
static void finish_reduce(Lower *l, const Node *node, Buffer *sum, Dim divisor) {
  const Row *row = row_of(node);
  const Value *y = node_out(node, 0);
  if (!row->post && !row->mean && sum->dtype == y->dtype) return;
  Dim one = dim_const(l->c->dims, 1);
  LoopNest *nest = lower_nest(l, 1, &sum->count);
  Operand args[] = {nest_load_at(l, nest, sum, NULL, &one), operand_int(sum->dtype, divisor)};
  Operand result = args[0];
  if (row->post) result = nest_apply(l, nest, row->post, sum->dtype, args, 1);
  if (row->mean) result = nest_apply(l, nest, "div", sum->dtype, args, 2);
  nest_store_at(l, nest, lower_buffer(l, y), NULL, &one, result);
}

/* The output's dims get their values. */
static void define_shape(Lower *l, const Node *node, const Dim *mask, int count) {
  Dim shape[MAX_RANK];
  int rank = reduced_shape(l->c, node, mask, count, shape);
  for (int d = 0; d < rank; d++) lower_define(l, dim_symbol(node_out(node, 0)->shape[d]), shape[d]);
}

static bool lower_reduce(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  Dim mask[MAX_RANK];
  int count;
  if (!reduced_axes(l->c, node, mask, &count)) return false;
  DType dtype = reduce_dtype(node);
  bool known = are_known(mask, x->rank);
  if (!known) define_shape(l, node, mask, count);
  Buffer *from = compute_input(l, x, dtype), *sum = compute_output(l, y, dtype);
  (known ? reduce_runs : reduce_each)(l, row_of(node), x, mask, from, sum);
  finish_reduce(l, node, sum, reduced_count(l->c, x, mask));
  return true;
}

/* --- planes of blocked values: a global pool --- */

static bool reduces_planes(Compilation *c, const Node *node) {
  Dim mask[MAX_RANK];
  int count;
  const Value *x = node_in(node, 0);
  if (!row_of(node)->pools || !blocked_possible(x) || !reduced_axes(c, node, mask, &count))
    return false;
  for (int d = 0; d < x->rank; d++)
    if (!dim_is(mask[d], d >= 2)) return false;
  return true;
}

/* Without the dims of size 1 the output is [N, C], which whole blocks fill as they are. */
static BlockedUse blocked_reduce(Compilation *c, const Node *node) {
  BlockedUse use = {.answer = BLOCKED_NO, .first_input = true};
  const Value *y = node_out(node, 0);
  if (!reduces_planes(c, node)) return use;
  use.row_output = !blocked_possible(y);
  if (!use.row_output || dim_value(y->shape[1]) % BLOCK_CHANNELS == 0) use.answer = BLOCKED_CAN;
  return use;
}

static bool blocked_reduce_lower(Lower *l, const Node *node) {
  lower_plane_pool(l, node_in(node, 0), node_out(node, 0), !row_of(node)->mean);
  return true;
}

/* --- ArgMax, ArgMin: `row` is the kernel's stem --- */

static bool infer_arg(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Dim mask[MAX_RANK], shape[MAX_RANK];
  int axis;
  if (elementwise_dtype(node->op->row, x->dtype) == DT_NONE)
    return node_error(c, node, "elements of type %s are not supported", dtype_info(x->dtype)->name);
  if (!infer_axis(c, node, node_int(node, "axis", 0), x->rank, &axis)) return false;
  if (dim_is(x->shape[axis], 0)) return node_error(c, node, "axis %d has no elements", axis);
  for (int d = 0; d < x->rank; d++) mask[d] = dim_const(c->dims, d == axis);
  int rank = reduced_shape(c, node, mask, 1, shape);
  value_set_type(c, node_out(node, 0), DT_I64, rank, shape);
  return true;
}

static bool lower_arg(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0);
  int axis;
  if (!infer_axis(l->c, node, node_int(node, "axis", 0), x->rank, &axis)) return false;
  DType dtype = elementwise_dtype(node->op->row, x->dtype);
  Buffer *from = compute_input(l, x, dtype);
  Step *step = lower_kernel(l, node->op->row, dtype);
  arg_buffer(l, step, from);
  arg_out(l, step, node_out(node, 0));
  arg_axis_view(l, step, axis_view(l->c, x->rank, x->shape, axis, axis + 1));
  arg_int(l, step, node_int(node, "select_last_index", 0));
  return true;
}

DEFINE_OP(ArgMax) = {.name = "ArgMax", .infer = infer_arg, .lower = lower_arg, .row = "argmax"};
DEFINE_OP(ArgMin) = {.name = "ArgMin", .infer = infer_arg, .lower = lower_arg, .row = "argmin"};

/* --- CumSum, CumProd: likewise --- */

/* The axis of input 1, which may be known at run time only. */
static bool cumulation_view(Compilation *c, const Node *node, AxisView *view) {
  const Value *x = node_in(node, 0);
  const Dim *axes;
  int count, known;
  if (x->rank == 0) return node_error(c, node, "the input has no axis");
  if (!infer_elements(c, node, 1, -x->rank, x->rank - 1, &axes, &count)) return false;
  if (count != 1) return node_error(c, node, "input 1 must be a single axis");
  if (dim_is_const(axes[0])) {
    if (!infer_axis(c, node, dim_value(axes[0]), x->rank, &known)) return false;
    *view = axis_view(c, x->rank, x->shape, known, known + 1);
    return true;
  }
  Dim axis = wrapped_axis(c, axes[0], x->rank), one = dim_const(c->dims, 1);
  *view = (AxisView){one, one, one};
  for (int d = 0; d < x->rank; d++) {
    Dim here = dim_const(c->dims, d), size = x->shape[d];
    Dim outer = dim_select(c->dims, dim_less(c->dims, here, axis), size, one);
    Dim middle = dim_select(c->dims, dim_equal(c->dims, here, axis), size, one);
    Dim inner = dim_select(c->dims, dim_less(c->dims, axis, here), size, one);
    view->outer = dim_mul(c->dims, view->outer, outer);
    view->n = dim_mul(c->dims, view->n, middle);
    view->inner = dim_mul(c->dims, view->inner, inner);
  }
  return true;
}

static bool infer_cumulate(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  AxisView view;
  if (elementwise_dtype(node->op->row, x->dtype) == DT_NONE)
    return node_error(c, node, "elements of type %s are not supported", dtype_info(x->dtype)->name);
  if (!cumulation_view(c, node, &view)) return false;
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, x->shape);
  return true;
}

static bool lower_cumulate(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  AxisView view;
  if (!cumulation_view(l->c, node, &view)) return false;
  DType dtype = elementwise_dtype(node->op->row, x->dtype);
  Buffer *from = compute_input(l, x, dtype), *to = compute_output(l, y, dtype);
  Step *step = lower_kernel(l, node->op->row, dtype);
  arg_buffer(l, step, from);
  arg_buffer(l, step, to);
  arg_axis_view(l, step, view);
  arg_int(l, step, node_int(node, "exclusive", 0));
  arg_int(l, step, node_int(node, "reverse", 0));
  compute_done(l, y, to);
  return true;
}

DEFINE_OP(CumSum) = {
    .name = "CumSum", .infer = infer_cumulate, .lower = lower_cumulate, .row = "cumulate_add"};
DEFINE_OP(CumProd) = {
    .name = "CumProd", .infer = infer_cumulate, .lower = lower_cumulate, .row = "cumulate_mul"};

/* --- Det --- */

static bool infer_det(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  if (!dtype_is_float(x->dtype) || x->rank < 2)
    return node_error(c, node, "the input must be matrices of floats");
  value_set_type(c, node_out(node, 0), x->dtype, x->rank - 2, x->shape);
  return infer_require_equal(c, node, x->shape[x->rank - 2], x->shape[x->rank - 1],
                             "rows and columns of the matrices");
}

static bool lower_det(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  DType dtype = elementwise_dtype("det", x->dtype);
  Dim n = x->shape[x->rank - 1];
  Buffer *from = compute_input(l, x, dtype), *to = compute_output(l, y, dtype);
  Buffer *work = lower_scratch(l, dtype, dim_mul(l->c->dims, n, n), "matrix");
  Step *step = lower_kernel(l, "det", dtype);
  arg_buffer(l, step, from);
  arg_buffer(l, step, to);
  arg_buffer(l, step, work);
  arg_dim(l, step, value_count(l->c, y));
  arg_dim(l, step, n);
  compute_done(l, y, to);
  return true;
}

DEFINE_OP(Det) = {.name = "Det", .infer = infer_det, .lower = lower_det};
