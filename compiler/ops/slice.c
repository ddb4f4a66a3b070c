/* slice.c: Slice: a regular part of the input, as a copy with an offset and strides.
 *
 *   y = x[1:-1, ::-2]   =>   y[i][j] = x[(1 + i) * n + (n - 1 - 2 * j)] */
#include "ops/movement.h"

#include <inttypes.h>

/* Ends beyond this mean "all of it", whatever the size of the axis. */
enum { FAR = INT32_MAX };

/* A slice of each axis: elements first, first + step, … `count` of them. */
typedef struct {
  Dim first[MAX_RANK], count[MAX_RANK];
  int64_t step[MAX_RANK];
} Ranges;

/* `position` of an axis of `size` as an index in [low, high]: negative ones count from the end. */
static Dim clamp_position(Compilation *c, Dim position, Dim size, Dim low, Dim high) {
  DimPool *pool = c->dims;
  if (dim_is_const(position) && dim_value(position) >= FAR) return high;
  if (dim_is_const(position) && dim_value(position) <= -(int64_t)FAR) return low;
  Dim index = index_from_end(c, position, size);
  return dim_max(pool, dim_min(pool, index, high), low);
}

/* Elements start, start + step, … before end: ceil((end - start) / step), not negative. */
static void set_range(Compilation *c, Ranges *ranges, int axis, Dim size, Dim start, Dim end,
                      int64_t step) {
  DimPool *pool = c->dims;
  Dim zero = dim_const(pool, 0), last = dim_addi(pool, size, -1);
  Dim from = step > 0 ? clamp_position(c, start, size, zero, size)
                      : clamp_position(c, start, size, zero, last);
  Dim to = step > 0 ? clamp_position(c, end, size, zero, size)
                    : clamp_position(c, end, size, dim_const(pool, -1), last);
  Dim distance = step > 0 ? dim_sub(pool, to, from) : dim_sub(pool, from, to);
  Dim steps = dim_ceildiv(pool, distance, dim_const(pool, step > 0 ? step : -step));
  ranges->first[axis] = from;
  ranges->count[axis] = dim_max(pool, steps, zero);
  ranges->step[axis] = step;
}

/* The node's lists: expressions for starts and ends, constants for axes and steps. */
typedef struct {
  const Dim *starts, *ends;
  const int64_t *axes, *steps;
  size_t count;
} SliceLists;

static const Dim *attr_dims(Compilation *c, const Node *node, const char *name, size_t *count) {
  const int64_t *values = node_ints(node, name, count);
  Dim *dims = ARENA_ARRAY(c->arena, Dim, *count);
  for (size_t i = 0; i < *count; i++) dims[i] = dim_const(c->dims, values[i]);
  return dims;
}

static bool read_lists(Compilation *c, const Node *node, SliceLists *lists) {
  size_t ends, axes, steps = 0;
  bool has_axes, has_steps = false;
  if (node->version < 10) {
    lists->starts = attr_dims(c, node, "starts", &lists->count);
    lists->ends = attr_dims(c, node, "ends", &ends);
  } else {
    int count;
    if (!infer_elements(c, node, 1, INT64_MIN, INT64_MAX, &lists->starts, &count)) return false;
    lists->count = (size_t)count;
    if (!infer_elements(c, node, 2, INT64_MIN, INT64_MAX, &lists->ends, &count)) return false;
    ends = (size_t)count;
  }
  if (!infer_const_ints(c, node, 3, "axes", &has_axes, &lists->axes, &axes) ||
      !infer_const_ints(c, node, 4, NULL, &has_steps, &lists->steps, &steps))
    return false;
  if (!has_axes) lists->axes = NULL;
  if (!has_steps) lists->steps = NULL;
  bool fits = ends == lists->count && (!has_axes || axes == lists->count) &&
              (!has_steps || steps == lists->count);
  return fits || node_error(c, node, "starts, ends, axes and steps differ in length");
}

static bool read_ranges(Compilation *c, const Node *node, Ranges *ranges) {
  const Value *x = node_in(node, 0);
  SliceLists lists;
  bool seen[MAX_RANK] = {false};
  if (!read_lists(c, node, &lists)) return false;
  for (int d = 0; d < x->rank; d++) {
    ranges->first[d] = dim_const(c->dims, 0);
    ranges->count[d] = x->shape[d];
    ranges->step[d] = 1;
  }
  for (size_t i = 0; i < lists.count; i++) {
    int axis;
    int64_t step = lists.steps ? lists.steps[i] : 1;
    if (!infer_axis(c, node, lists.axes ? lists.axes[i] : (int64_t)i, x->rank, &axis)) return false;
    if (seen[axis]) return node_error(c, node, "axis %d is sliced twice", axis);
    if (step == 0 || step < -(int64_t)FAR)
      return node_error(c, node, "a step of %" PRId64 " is not possible", step);
    seen[axis] = true;
    set_range(c, ranges, axis, x->shape[axis], lists.starts[i], lists.ends[i], step);
  }
  return true;
}

/* Content of the slice, where every range is constant. */
static void slice_content(Compilation *c, Value *y, const Value *x, const Ranges *ranges) {
  int64_t dims[MAX_RANK], stride[MAX_RANK], offset = 0;
  if (!const_shape(x, dims)) return;
  const_strides(dims, x->rank, stride);
  for (int d = 0; d < x->rank; d++) {
    if (!dim_is_const(ranges->first[d])) return;
    offset += dim_value(ranges->first[d]) * stride[d];
    stride[d] *= ranges->step[d];
  }
  content_move(c, y, x, offset, stride);
}

static bool infer_slice(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Ranges ranges;
  if (!require_movable(c, node) || !read_ranges(c, node, &ranges)) return false;
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, ranges.count);
  slice_content(c, node_out(node, 0), x, &ranges);
  return true;
}

static bool is_whole(const Value *x, const Value *y, const Ranges *ranges) {
  for (int d = 0; d < x->rank; d++)
    if (x->shape[d] != y->shape[d] || ranges->step[d] != 1) return false;
  return true;
}

static bool lower_slice(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  DimPool *pool = l->c->dims;
  Ranges ranges;
  Dim stride[MAX_RANK], offset = dim_const(pool, 0);
  if (!read_ranges(l->c, node, &ranges)) return false;
  if (is_whole(x, y, &ranges)) {
    lower_alias(l, y, x);
    return true;
  }
  nest_strides(l->c, x->rank, x->shape, stride);
  for (int d = 0; d < x->rank; d++) {
    offset = dim_add(pool, offset, dim_mul(pool, ranges.first[d], stride[d]));
    stride[d] = dim_muli(pool, stride[d], ranges.step[d]);
  }
  lower_copy(l, y, x, offset, stride);
  return true;
}

DEFINE_OP(Slice) = {.name = "Slice", .infer = infer_slice, .lower = lower_slice};
