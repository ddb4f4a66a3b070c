/* reduce.c: ReduceSum and its family, ArgMax/ArgMin, CumSum/CumProd.
 *
 * The reduced axes fall into runs; each run is reduced by one kernel call on [outer, n, inner], the last one first:
 *
 *   ReduceMean of x[2, 3, 4, 5] over axes 0, 2, 3
 *     =>  reduce_add [6, 20, 1], then reduce_add [1, 2, 3], then y = sum / 40 in place */
#include "ops/axis.h"
#include "ops/content.h"
#include "ops/elementwise.h"
#include "ops/op.h"

#include <string.h>

/* --- the family --- */

typedef struct {
  const char *first, *next; /* kernels of the first run of axes and of those after it: sum(x^2), then sum */
  const char *post;         /* scalar function at the end, or NULL */
  bool mean;                /* divided by the number of elements at the end */
  bool real;                /* integers are computed in f64 */
  ContentRule content;      /* of two elements, or NULL */
} Row;

static bool infer_reduce(Compilation *c, Node *node);
static bool lower_reduce(Lower *l, const Node *node);

#define DEFINE_REDUCE(id, ...)                                                                     \
  const OpDef op_##id = {.name = #id,                                                              \
                         .infer = infer_reduce,                                                    \
                         .lower = lower_reduce,                                                    \
                         .row = &(const Row){__VA_ARGS__}}

DEFINE_REDUCE(ReduceL1, .first = "reduce_addabs", .next = "reduce_add");
DEFINE_REDUCE(ReduceL2, .first = "reduce_addsquare", .next = "reduce_add", .post = "sqrt", .real = true);
DEFINE_REDUCE(ReduceLogSum, .first = "reduce_add", .next = "reduce_add", .post = "log", .real = true);
DEFINE_REDUCE(ReduceLogSumExp, .first = "reduce_logsumexp", .next = "reduce_logsumexp", .real = true);
DEFINE_REDUCE(ReduceMax, .first = "reduce_max", .next = "reduce_max", .content = content_max);
DEFINE_REDUCE(ReduceMean, .first = "reduce_add", .next = "reduce_add", .mean = true);
DEFINE_REDUCE(ReduceMin, .first = "reduce_min", .next = "reduce_min", .content = content_min);
DEFINE_REDUCE(ReduceProd, .first = "reduce_mul", .next = "reduce_mul", .content = content_mul);
DEFINE_REDUCE(ReduceSum, .first = "reduce_add", .next = "reduce_add", .content = content_add);
DEFINE_REDUCE(ReduceSumSquare, .first = "reduce_addsquare", .next = "reduce_add");

static const Row *row_of(const Node *node) { return node->op->row; }

/* The dtype to compute in, DT_NONE if there is none. */
static DType reduce_dtype(const Node *node) {
  DType dtype = node_in(node, 0)->dtype;
  if (row_of(node)->real && dtype_is_integer(dtype)) return DT_F64;
  return elementwise_dtype(row_of(node)->first, dtype);
}

/* --- inference --- */

/* Which axes are reduced: those given, or all if none are, or none if `noop_with_empty_axes` says so. */
static bool reduced_axes(Compilation *c, const Node *node, bool *reduced) {
  const int64_t *axes;
  size_t count;
  bool present;
  int rank = node_in(node, 0)->rank, axis;
  if (!infer_const_ints(c, node, 1, "axes", &present, &axes, &count)) return false;
  bool all = count == 0 && !node_int(node, "noop_with_empty_axes", 0);
  for (int i = 0; i < rank; i++) reduced[i] = all;
  for (size_t i = 0; i < count; i++) {
    if (!infer_axis(c, node, axes[i], rank, &axis)) return false;
    reduced[axis] = true;
  }
  return true;
}

/* The output's shape: 1, or nothing, in place of the reduced axes. Returns its rank. */
static int reduced_shape(Compilation *c, const Node *node, const bool *reduced, Dim *shape) {
  const Value *x = node_in(node, 0);
  bool keep = node_int(node, "keepdims", 1) != 0;
  int rank = 0;
  for (int i = 0; i < x->rank; i++) {
    if (!reduced[i])
      shape[rank++] = x->shape[i];
    else if (keep)
      shape[rank++] = dim_const(c->dims, 1);
  }
  return rank;
}

/* A list of sizes reduced to one number stays known. */
static void reduce_content(Compilation *c, const Node *node) {
  const Value *x = node_in(node, 0);
  Value *y = node_out(node, 0);
  const Dim *elements = x->rank == 1 && !x->constant ? content_of(c, x) : NULL;
  if (!elements || !row_of(node)->content || x->content_count == 0 ||
      !dim_is(value_count(c, y), 1))
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
  bool reduced[MAX_RANK] = {0};
  Dim shape[MAX_RANK];
  if (reduce_dtype(node) == DT_NONE)
    return node_error(c, node, "elements of type %s are not supported", dtype_info(x->dtype)->name);
  if (!reduced_axes(c, node, reduced)) return false;
  int rank = reduced_shape(c, node, reduced, shape);
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
static int find_runs(Compilation *c, const Value *x, const bool *reduced, Run *runs) {
  int count = 0;
  for (int i = 0; i < x->rank; i++) {
    if (dim_is(x->shape[i], 1)) continue;
    if (count && runs[count - 1].reduced == reduced[i])
      runs[count - 1].size = dim_mul(c->dims, runs[count - 1].size, x->shape[i]);
    else
      runs[count++] = (Run){x->shape[i], reduced[i]};
  }
  return count;
}

/* The view of the last reduced run, which becomes 1; [all, 1, 1] where there is none. *left is how many remain. */
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

/* Reduces run after run; the last result goes to `to`, those before it to scratch memory. */
static void reduce_runs(Lower *l, const Node *node, const bool *reduced, DType dtype, Buffer *to) {
  const Row *row = row_of(node);
  const Value *x = node_in(node, 0);
  Run runs[MAX_RANK];
  int count = find_runs(l->c, x, reduced, runs), left = 1;
  Buffer *from = axis_input(l, x, dtype);
  for (const char *stem = row->first; left > 0; stem = row->next) {
    AxisView view = take_run(l->c, runs, count, &left);
    Dim size = dim_mul(l->c->dims, view.outer, view.inner);
    Buffer *result = left > 0 ? lower_scratch(l, dtype, size, x->name) : to;
    Step *step = lower_kernel(l, stem, dtype);
    arg_buffer(l, step, from);
    arg_buffer(l, step, result);
    arg_axis_view(l, step, view);
    from = result;
  }
}

/* The number of elements that make one element of the output. */
static Dim reduced_count(Compilation *c, const Value *x, const bool *reduced) {
  Dim count = dim_const(c->dims, 1);
  for (int i = 0; i < x->rank; i++)
    if (reduced[i]) count = dim_mul(c->dims, count, x->shape[i]);
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

static bool lower_reduce(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  bool reduced[MAX_RANK] = {0};
  if (!reduced_axes(l->c, node, reduced)) return false;
  DType dtype = reduce_dtype(node);
  Buffer *sum = axis_output(l, y, y, dtype);
  reduce_runs(l, node, reduced, dtype, sum);
  finish_reduce(l, node, sum, reduced_count(l->c, x, reduced));
  return true;
}

/* --- ArgMax, ArgMin: `row` is the kernel's stem --- */

static bool infer_arg(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  bool reduced[MAX_RANK] = {0};
  Dim shape[MAX_RANK];
  int axis;
  if (elementwise_dtype(node->op->row, x->dtype) == DT_NONE)
    return node_error(c, node, "elements of type %s are not supported", dtype_info(x->dtype)->name);
  if (!infer_axis(c, node, node_int(node, "axis", 0), x->rank, &axis)) return false;
  if (dim_is(x->shape[axis], 0)) return node_error(c, node, "axis %d has no elements", axis);
  reduced[axis] = true;
  int rank = reduced_shape(c, node, reduced, shape);
  value_set_type(c, node_out(node, 0), DT_I64, rank, shape);
  return true;
}

static bool lower_arg(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0);
  int axis;
  if (!infer_axis(l->c, node, node_int(node, "axis", 0), x->rank, &axis)) return false;
  DType dtype = elementwise_dtype(node->op->row, x->dtype);
  Buffer *from = axis_input(l, x, dtype);
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

static bool cumulation_axis(Compilation *c, const Node *node, int *axis) {
  const int64_t *values;
  size_t count;
  bool present;
  if (!infer_const_ints(c, node, 1, NULL, &present, &values, &count)) return false;
  if (count != 1) return node_error(c, node, "input 1 must be a single axis");
  return infer_axis(c, node, values[0], node_in(node, 0)->rank, axis);
}

static bool infer_cumulate(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  int axis;
  if (elementwise_dtype(node->op->row, x->dtype) == DT_NONE)
    return node_error(c, node, "elements of type %s are not supported", dtype_info(x->dtype)->name);
  if (!cumulation_axis(c, node, &axis)) return false;
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, x->shape);
  return true;
}

static bool lower_cumulate(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  int axis;
  if (!cumulation_axis(l->c, node, &axis)) return false;
  DType dtype = elementwise_dtype(node->op->row, x->dtype);
  Buffer *from = axis_input(l, x, dtype), *to = axis_output(l, y, y, dtype);
  Step *step = lower_kernel(l, node->op->row, dtype);
  arg_buffer(l, step, from);
  arg_buffer(l, step, to);
  arg_axis_view(l, step, axis_view(l->c, x->rank, x->shape, axis, axis + 1));
  arg_int(l, step, node_int(node, "exclusive", 0));
  arg_int(l, step, node_int(node, "reverse", 0));
  axis_finish(l, y, to);
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
  Buffer *from = axis_input(l, x, dtype), *to = axis_output(l, y, y, dtype);
  Buffer *work = lower_scratch(l, dtype, dim_mul(l->c->dims, n, n), "matrix");
  Step *step = lower_kernel(l, "det", dtype);
  arg_buffer(l, step, from);
  arg_buffer(l, step, to);
  arg_buffer(l, step, work);
  arg_dim(l, step, value_count(l->c, y));
  arg_dim(l, step, n);
  axis_finish(l, y, to);
  return true;
}

DEFINE_OP(Det) = {.name = "Det", .infer = infer_det, .lower = lower_det};
