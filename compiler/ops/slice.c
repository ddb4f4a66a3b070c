/* slice.c: Slice: a regular part of the input, as a copy with an offset and strides.
 *
 *   y = x[1:-1, ::-2]   =>   y[i][j] = x[(1 + i) * n + (n - 1 - 2 * j)]
 *
 * Starts, ends, axes and steps may be numbers, expressions in the dims, or tensors that are read
 * while the program runs. */
#include "ops/movement.h"

#include <inttypes.h>

/* Ends beyond this mean "all of it", whatever the size of the axis. */
enum { FAR = INT32_MAX };

/* What the node asks for, a list entry each. */
typedef struct {
  const Dim *starts, *ends, *axes, *steps; /* axes and steps: NULL if not given */
  int count;
} SliceLists;

/* What that means for an axis: elements first, first + step, … `count` of them. */
typedef struct {
  Dim start, end, step;
  bool whole; /* no entry names the axis */
  Dim first, count;
} Range;

/* --- the node's lists --- */

static bool attr_list(Compilation *c, const Node *node, const char *name, const Dim **list,
                      int *count) {
  size_t listed;
  const int64_t *values = node_ints(node, name, &listed);
  Dim *dims = ARENA_ARRAY(c->arena, Dim, listed);
  for (size_t i = 0; i < listed; i++) dims[i] = dim_const(c->dims, values[i]);
  *list = values ? dims : NULL;
  *count = (int)listed;
  return true;
}

/* Input `input`, or before opset 10 the attribute. *list is NULL if it is omitted. */
static bool read_list(Compilation *c, const Node *node, int input, const char *name,
                      const Dim **list, int *count) {
  int64_t low = INT64_MIN, high = INT64_MAX;
  *list = NULL;
  if (node->version < 10) return attr_list(c, node, name, list, count);
  if (!node_in(node, input)) return true;
  if (input == 3) {
    low = -node_in(node, 0)->rank;
    high = node_in(node, 0)->rank - 1;
  }
  return infer_elements(c, node, input, low, high, list, count);
}

static bool read_lists(Compilation *c, const Node *node, SliceLists *lists) {
  int ends, axes, steps;
  if (!read_list(c, node, 1, "starts", &lists->starts, &lists->count) ||
      !read_list(c, node, 2, "ends", &lists->ends, &ends) ||
      !read_list(c, node, 3, "axes", &lists->axes, &axes) ||
      !read_list(c, node, 4, "steps", &lists->steps, &steps))
    return false;
  bool fits = ends == lists->count && (!lists->axes || axes == lists->count) &&
              (!lists->steps || steps == lists->count);
  return fits || node_error(c, node, "starts, ends, axes and steps differ in length");
}

static bool check_step(Compilation *c, const Node *node, Dim step) {
  if (dim_is_const(step) && (dim_value(step) == 0 || dim_value(step) < -(int64_t)FAR))
    return node_error(c, node, "a step of %" PRId64 " is not possible", dim_value(step));
  Dim is_zero = dim_equal(c->dims, step, dim_const(c->dims, 0));
  return infer_require(c, node, dim_not(c->dims, is_zero), "a step must not be 0");
}

/* Takes over entry i of the lists in each axis that it (perhaps) names. */
static void take_entry(Compilation *c, const SliceLists *lists, int i, Dim axis, Range *ranges,
                       int rank) {
  Dim step = lists->steps ? lists->steps[i] : dim_const(c->dims, 1);
  for (int d = 0; d < rank; d++) {
    Dim named = names_axis(c, axis, d, rank);
    if (dim_is(named, 0)) continue;
    ranges[d].whole = false;
    ranges[d].start = dim_select(c->dims, named, lists->starts[i], ranges[d].start);
    ranges[d].end = dim_select(c->dims, named, lists->ends[i], ranges[d].end);
    ranges[d].step = dim_select(c->dims, named, step, ranges[d].step);
  }
}

static bool assign_entries(Compilation *c, const Node *node, const SliceLists *lists, Range *ranges,
                           int rank) {
  bool seen[MAX_RANK] = {false};
  for (int i = 0; i < lists->count; i++) {
    Dim axis = lists->axes ? lists->axes[i] : dim_const(c->dims, i);
    int known;
    if (lists->steps && !check_step(c, node, lists->steps[i])) return false;
    if (dim_is_const(axis)) {
      if (!infer_axis(c, node, dim_value(axis), rank, &known)) return false;
      if (seen[known]) return node_error(c, node, "axis %d is sliced twice", known);
      seen[known] = true;
    }
    take_entry(c, lists, i, axis, ranges, rank);
  }
  return true;
}

/* --- the elements of an axis --- */

/* `position` of an axis of `size` as an index in [low, high]: negative ones count from the end. */
static Dim clamp_position(Compilation *c, Dim position, Dim size, Dim low, Dim high) {
  DimPool *pool = c->dims;
  if (dim_is_const(position) && dim_value(position) >= FAR) return high;
  if (dim_is_const(position) && dim_value(position) <= -(int64_t)FAR) return low;
  Dim index = index_from_end(c, position, size);
  return dim_max(pool, dim_min(pool, index, high), low);
}

/* Elements start, start + step, … before end: ceil((end - start) / step), not negative. */
static void forward_elements(Compilation *c, const Range *range, Dim size, Dim *first, Dim *count) {
  DimPool *pool = c->dims;
  Dim zero = dim_const(pool, 0);
  Dim end = clamp_position(c, range->end, size, zero, size);
  *first = clamp_position(c, range->start, size, zero, size);
  *count = dim_max(pool, dim_ceildiv(pool, dim_sub(pool, end, *first), range->step), zero);
}

/* The same to the front: the last element is that behind `end`, which may be -1. */
static void backward_elements(Compilation *c, const Range *range, Dim size, Dim *first,
                              Dim *count) {
  DimPool *pool = c->dims;
  Dim zero = dim_const(pool, 0), last = dim_addi(pool, size, -1);
  Dim end = clamp_position(c, range->end, size, dim_const(pool, -1), last);
  Dim back = dim_muli(pool, range->step, -1);
  *first = clamp_position(c, range->start, size, zero, last);
  *count = dim_max(pool, dim_ceildiv(pool, dim_sub(pool, *first, end), back), zero);
}

static void axis_elements(Compilation *c, const Range *range, Dim size, Dim *first, Dim *count) {
  DimRange step = dim_range(range->step);
  Dim back_first, back_count;
  if (step.high > 0) forward_elements(c, range, size, first, count);
  if (step.low >= 0) return;
  backward_elements(c, range, size, &back_first, &back_count);
  if (step.high > 0) {
    Dim forward = dim_less(c->dims, dim_const(c->dims, 0), range->step);
    back_first = dim_select(c->dims, forward, *first, back_first);
    back_count = dim_select(c->dims, forward, *count, back_count);
  }
  *first = back_first;
  *count = back_count;
}

static bool set_elements(Compilation *c, const Node *node, Range *range, Dim size) {
  const Value *x = node_in(node, 0);
  Dim first, count;
  axis_elements(c, range, size, &range->first, &range->count);
  DimAssumption *assumption = dims_assume(c);
  axis_elements(c, range, size, &first, &count);
  dims_restore(c, assumption);
  return infer_assumed(c, node, x, &range->first, first) &&
         infer_assumed(c, node, x, &range->count, count);
}

static bool read_ranges(Compilation *c, const Node *node, Range *ranges) {
  const Value *x = node_in(node, 0);
  SliceLists lists;
  if (!read_lists(c, node, &lists)) return false;
  for (int d = 0; d < x->rank; d++)
    ranges[d] = (Range){.start = dim_const(c->dims, 0),
                        .end = x->shape[d],
                        .step = dim_const(c->dims, 1),
                        .whole = true,
                        .first = dim_const(c->dims, 0),
                        .count = x->shape[d]};
  if (!assign_entries(c, node, &lists, ranges, x->rank)) return false;
  for (int d = 0; d < x->rank; d++)
    if (!ranges[d].whole && !set_elements(c, node, &ranges[d], x->shape[d])) return false;
  return true;
}

/* --- inference and lowering --- */

/* Content of the slice, where every range is constant. */
static void slice_content(Compilation *c, Value *y, const Value *x, const Range *ranges) {
  int64_t dims[MAX_RANK], stride[MAX_RANK], offset = 0;
  if (!const_shape(x, dims)) return;
  const_strides(dims, x->rank, stride);
  for (int d = 0; d < x->rank; d++) {
    if (!dim_is_const(ranges[d].first) || !dim_is_const(ranges[d].step)) return;
    offset += dim_value(ranges[d].first) * stride[d];
    stride[d] *= dim_value(ranges[d].step);
  }
  content_move(c, y, x, offset, stride);
}

static bool infer_slice(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Value *y = node_out(node, 0);
  Range ranges[MAX_RANK];
  Dim shape[MAX_RANK];
  if (!require_movable(c, node) || !read_ranges(c, node, ranges)) return false;
  for (int d = 0; d < x->rank; d++)
    shape[d] = infer_own_dim(c, node, y, d, ranges[d].count, x->shape[d]);
  value_set_type(c, y, x->dtype, x->rank, shape);
  slice_content(c, y, x, ranges);
  return true;
}

static bool is_whole(const Value *x, const Range *ranges) {
  for (int d = 0; d < x->rank; d++)
    if (ranges[d].count != x->shape[d] || !dim_is(ranges[d].step, 1)) return false;
  return true;
}

bool slice_axes(Compilation *c, const Node *node, Dim *first, Dim *step) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  Range ranges[MAX_RANK];
  size_t checks = node->checks.count;
  if (!read_ranges(c, node, ranges)) return false;
  ((Node *)node)->checks.count = checks; /* the checks stand already */
  for (int d = 0; d < x->rank; d++) {
    if (y->shape[d] != ranges[d].count) return false;
    first[d] = ranges[d].first;
    step[d] = ranges[d].step;
  }
  return true;
}

static bool lower_slice(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  DimPool *pool = l->c->dims;
  Range ranges[MAX_RANK];
  Dim stride[MAX_RANK], offset = dim_const(pool, 0);
  size_t checks = node->checks.count;
  if (!read_ranges(l->c, node, ranges)) return false;
  ((Node *)node)->checks.count = checks; /* the checks stand already */
  if (is_whole(x, ranges)) {
    lower_alias(l, y, x);
    return true;
  }
  lower_own_dims(l, y);
  nest_strides(l->c, x->rank, x->shape, stride);
  for (int d = 0; d < x->rank; d++) {
    offset = dim_add(pool, offset, dim_mul(pool, ranges[d].first, stride[d]));
    stride[d] = dim_mul(pool, stride[d], ranges[d].step);
  }
  lower_copy(l, y, x, offset, stride);
  return true;
}

DEFINE_OP(Slice) = {.name = "Slice", .infer = infer_slice, .lower = lower_slice};
