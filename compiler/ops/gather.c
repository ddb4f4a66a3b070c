/* gather.c: Gather, GatherElements, GatherND: elements picked by index tensors.
 *
 *   y = Gather(x[N, 768], i[T])   =>   row i[t] of x is copied to row t of y; an index outside of
 * [-N, N) stops the program
 *
 * A Gather with one known index is a slice, hence a copy with an offset. */
#include "ops/content.h"
#include "ops/movement.h"

#include <inttypes.h>

static bool check_index_type(Compilation *c, const Node *node, int input) {
  DType dtype = node_in(node, input)->dtype;
  return dtype == DT_I64 || dtype == DT_I32 ||
         node_error(c, node, "indices of type %s are not supported", dtype_info(dtype)->name);
}

/* --- Gather --- */

/* The only index, as an expression in [0, size); NULL if there are more or it is not known. */
static Dim single_index(Compilation *c, const Node *node, int axis) {
  const Value *x = node_in(node, 0), *indices = node_in(node, 1);
  if (!dim_is(value_count(c, indices), 1)) return NULL;
  const Dim *content = content_of(c, indices);
  return content ? index_from_end(c, content[0], x->shape[axis]) : NULL;
}

/* Checks the indices that are known. */
static bool check_indices(Compilation *c, const Node *node, int axis) {
  const Value *x = node_in(node, 0), *indices = node_in(node, 1);
  Dim size = x->shape[axis], index = single_index(c, node, axis);
  if (index) {
    Dim inside = dim_mul(c->dims, dim_less(c->dims, index, size),
                         dim_not(c->dims, dim_less(c->dims, index, dim_const(c->dims, 0))));
    return infer_require(c, node, inside, "the index is outside of the axis");
  }
  if (!indices->constant || !dim_is_const(size)) return true;
  for (int64_t i = 0; i < indices->constant->count; i++) {
    int64_t position = tensor_int(indices->constant, i);
    if (position < -dim_value(size) || position >= dim_value(size))
      return node_error(c, node,
                        "index %" PRId64 " is outside of axis %d, which has %" PRId64 " elements",
                        position, axis, dim_value(size));
  }
  return true;
}

/* Content where the data's is known and the indices are numbers. */
static void gather_content(Compilation *c, const Node *node, int axis) {
  const Value *x = node_in(node, 0), *indices = node_in(node, 1);
  Value *y = node_out(node, 0);
  const Dim *content = x->constant && indices->constant ? NULL : content_of(c, x);
  const Dim *positions = content_of(c, indices);
  int64_t dims[MAX_RANK], filled = 0, outer = 1, inner = 1;
  if (!content || !positions || !content_fits(value_count(c, y)) || !const_shape(x, dims)) return;
  int64_t picked = dim_value(value_count(c, indices));
  for (int d = 0; d < axis; d++) outer *= dims[d];
  for (int d = axis + 1; d < x->rank; d++) inner *= dims[d];
  Dim *result = ARENA_ARRAY(c->arena, Dim, dim_value(value_count(c, y)));
  for (int64_t o = 0; o < outer; o++)
    for (int64_t p = 0; p < picked; p++) {
      if (!dim_is_const(positions[p])) return;
      int64_t position = dim_value(positions[p]);
      if (position < 0) position += dims[axis];
      for (int64_t i = 0; i < inner; i++)
        result[filled++] = content[(o * dims[axis] + position) * inner + i];
    }
  infer_content(c, y, result, filled);
}

static bool infer_gather(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *indices = node_in(node, 1);
  Dim shape[2 * MAX_RANK];
  int axis, rank = 0;
  if (!require_movable(c, node) || !check_index_type(c, node, 1) ||
      !infer_axis(c, node, node_int(node, "axis", 0), x->rank, &axis))
    return false;
  for (int d = 0; d < axis; d++) shape[rank++] = x->shape[d];
  for (int d = 0; d < indices->rank; d++) shape[rank++] = indices->shape[d];
  for (int d = axis + 1; d < x->rank; d++) shape[rank++] = x->shape[d];
  if (rank > MAX_RANK)
    return node_error(c, node, "a rank of %d is not supported (at most %d)", rank, MAX_RANK);
  value_set_type(c, node_out(node, 0), x->dtype, rank, shape);
  if (!check_indices(c, node, axis)) return false;
  gather_content(c, node, axis);
  return true;
}

/* y[o][i] = x[o][index][i] */
static void lower_pick(Lower *l, const Value *y, const Value *x, int axis, Dim index) {
  Dim outer = dims_between(l->c, x, 0, axis), inner = dims_between(l->c, x, axis + 1, x->rank);
  const Dim extent[] = {outer, inner}, one = dim_const(l->c->dims, 1);
  const Dim load[] = {dim_mul(l->c->dims, x->shape[axis], inner), one}, store[] = {inner, one};
  LoopNest *nest = lower_nest(l, 2, extent);
  Dim offset = dim_mul(l->c->dims, index, inner);
  Operand value = nest_load_at(l, nest, lower_buffer(l, x), offset, load);
  nest_store_at(l, nest, lower_buffer(l, y), NULL, store, value);
}

bool gather_element(Compilation *c, const Node *node, int *axis, Dim *index) {
  *axis = (int)node_int(node, "axis", 0);
  if (*axis < 0) *axis += node_in(node, 0)->rank;
  *index = single_index(c, node, *axis);
  return *index != NULL;
}

static bool lower_gather(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *indices = node_in(node, 1), *y = node_out(node, 0);
  int axis = (int)node_int(node, "axis", 0);
  if (axis < 0) axis += x->rank;
  Dim index = single_index(l->c, node, axis);
  if (index) {
    lower_pick(l, y, x, axis, index);
    return true;
  }
  Step *step = lower_kernel(l, "gather", indices->dtype);
  arg_in(l, step, x);
  arg_in(l, step, indices);
  arg_out(l, step, y);
  arg_dim(l, step, dims_between(l->c, x, 0, axis));
  arg_dim(l, step, x->shape[axis]);
  arg_dim(l, step, value_count(l->c, indices));
  arg_dim(l, step,
          dim_muli(l->c->dims, dims_between(l->c, x, axis + 1, x->rank), element_bytes(x->dtype)));
  return true;
}

DEFINE_OP(Gather) = {.name = "Gather", .infer = infer_gather, .lower = lower_gather};

/* --- GatherElements: y[i][j] = x[index[i][j]][j] for axis 0 --- */

static bool infer_gather_elements(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *indices = node_in(node, 1);
  int axis;
  if (!require_movable(c, node) || !check_index_type(c, node, 1) ||
      !infer_axis(c, node, node_int(node, "axis", 0), x->rank, &axis))
    return false;
  if (indices->rank != x->rank) return node_error(c, node, "data and indices differ in rank");
  for (int d = 0; d < x->rank; d++) {
    if (d == axis) continue;
    Dim inside = dim_not(c->dims, dim_less(c->dims, x->shape[d], indices->shape[d]));
    if (!infer_require(c, node, inside,
                       "the indices have more elements along an axis than the data"))
      return false;
  }
  value_set_type(c, node_out(node, 0), x->dtype, indices->rank, indices->shape);
  return true;
}

static bool lower_gather_elements(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *indices = node_in(node, 1);
  int axis = (int)node_int(node, "axis", 0);
  Step *step = lower_kernel(l, "gather_elements", indices->dtype);
  arg_in(l, step, x);
  arg_in(l, step, indices);
  arg_out(l, step, node_out(node, 0));
  arg_int(l, step, x->rank);
  arg_dims(l, step, x->shape, x->rank);
  arg_dims(l, step, indices->shape, x->rank);
  arg_int(l, step, axis < 0 ? axis + x->rank : axis);
  arg_int(l, step, element_bytes(x->dtype));
  return true;
}

DEFINE_OP(GatherElements) = {
    .name = "GatherElements", .infer = infer_gather_elements, .lower = lower_gather_elements};

/* --- GatherND: y[b][m] = x[b][index[b][m][0]][index[b][m][1]]… --- */

static bool infer_gather_nd(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *indices = node_in(node, 1);
  int64_t batch = node_int(node, "batch_dims", 0);
  Dim shape[2 * MAX_RANK];
  int rank = 0;
  if (!require_movable(c, node) || !check_index_type(c, node, 1)) return false;
  if (indices->rank < 1 || !dim_is_const(indices->shape[indices->rank - 1]))
    return node_error(c, node, "the last dim of the indices must be known when compiling");
  int64_t depth = dim_value(indices->shape[indices->rank - 1]);
  if (batch < 0 || batch >= indices->rank || batch + depth > x->rank)
    return node_error(c, node,
                      "indices of %" PRId64 " entries with batch_dims %" PRId64 " do not fit",
                      depth, batch);
  for (int d = 0; d < batch; d++)
    if (!infer_require_equal(c, node, x->shape[d], indices->shape[d],
                             "batch dims of data and indices"))
      return false;
  for (int d = 0; d < indices->rank - 1; d++) shape[rank++] = indices->shape[d];
  for (int d = (int)(batch + depth); d < x->rank; d++) shape[rank++] = x->shape[d];
  if (rank > MAX_RANK)
    return node_error(c, node, "a rank of %d is not supported (at most %d)", rank, MAX_RANK);
  value_set_type(c, node_out(node, 0), x->dtype, rank, shape);
  return true;
}

static bool lower_gather_nd(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *indices = node_in(node, 1);
  int batch = (int)node_int(node, "batch_dims", 0), last = indices->rank - 1;
  int depth = (int)dim_value(indices->shape[last]);
  Dim inner = dims_between(l->c, x, batch + depth, x->rank);
  Step *step = lower_kernel(l, "gather_nd", indices->dtype);
  arg_in(l, step, x);
  arg_in(l, step, indices);
  arg_out(l, step, node_out(node, 0));
  arg_dim(l, step, dims_between(l->c, indices, 0, batch));
  arg_dim(l, step, dims_between(l->c, indices, batch, last));
  arg_int(l, step, depth);
  arg_dims(l, step, x->shape + batch, depth);
  arg_dim(l, step, dim_muli(l->c->dims, inner, element_bytes(x->dtype)));
  return true;
}

DEFINE_OP(GatherND) = {.name = "GatherND", .infer = infer_gather_nd, .lower = lower_gather_nd};
