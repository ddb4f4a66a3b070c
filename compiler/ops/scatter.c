/* scatter.c: Scatter, ScatterElements, ScatterND, TensorScatter: a copy of the data in which picked
 * elements are replaced or combined.
 *
 *   y = ScatterND(x, i, u)   =>   y = x;  y[i[m][0]][i[m][1]]… = u[m] */
#include "ops/movement.h"
#include "ops/spatial.h"

#include <inttypes.h>
#include <string.h>

/* How an update and the element there make the new element; as ctc_scatter_combine numbers them. */
typedef enum { REDUCE_NONE, REDUCE_ADD, REDUCE_MUL, REDUCE_MIN, REDUCE_MAX } Reduction;

static bool read_reduction(Compilation *c, const Node *node, Reduction *reduction) {
  static const char *const names[] = {"none", "add", "mul", "min", "max"};
  const char *name = node_string(node, "reduction", "none");
  for (int i = 0; i <= REDUCE_MAX; i++)
    if (strcmp(names[i], name) == 0) return *reduction = (Reduction)i, true;
  return node_error(c, node, "reduction '%s' is not supported", name);
}

/* Checks what all scatters have in common and sets the type of the output. */
static bool infer_scatter(Compilation *c, Node *node, const char *stem) {
  const Value *x = node_in(node, 0), *indices = node_in(node, 1), *updates = node_in(node, 2);
  Reduction reduction;
  if (!require_movable(c, node) || !read_reduction(c, node, &reduction)) return false;
  if (indices->dtype != DT_I64 && indices->dtype != DT_I32)
    return node_error(c, node, "indices of type %s are not supported",
                      dtype_info(indices->dtype)->name);
  if (updates->dtype != x->dtype) return node_error(c, node, "data and updates differ in type");
  if (reduction != REDUCE_NONE && !kernel_find_typed(stem, compute_dtype(x->dtype)))
    return node_error(c, node, "reduction of %s elements is not supported",
                      dtype_info(x->dtype)->name);
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, x->shape);
  return true;
}

static bool infer_scatter_elements(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *indices = node_in(node, 1), *updates = node_in(node, 2);
  int axis;
  if (!infer_scatter(c, node, "scatter_elements") ||
      !infer_axis(c, node, node_int(node, "axis", 0), x->rank, &axis))
    return false;
  if (indices->rank != x->rank || updates->rank != x->rank)
    return node_error(c, node, "data, indices and updates differ in rank");
  for (int d = 0; d < x->rank; d++) {
    Dim inside = dim_not(c->dims, dim_less(c->dims, x->shape[d], indices->shape[d]));
    if (!infer_require_equal(c, node, indices->shape[d], updates->shape[d],
                             "dims of indices and updates"))
      return false;
    if (d != axis && !infer_require(c, node, inside,
                                    "the indices have more elements along an axis than the data"))
      return false;
  }
  return true;
}

/* The output's buffer, holding a copy of the data; in the dtype in which the kernel computes. */
static Buffer *scatter_target(Lower *l, const Node *node, Reduction reduction) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  Buffer *target =
      reduction == REDUCE_NONE ? lower_buffer(l, y) : compute_output(l, y, compute_dtype(x->dtype));
  lower_copy_buffer(l, target, lower_buffer(l, x), value_count(l->c, x));
  return target;
}

/* A kernel call up to the arguments y, indices, updates; those without a reduction move bytes and
 * need the element's size. */
static Step *scatter_step(Lower *l, const Node *node, const char *stem, Reduction reduction,
                          Buffer *target) {
  const Value *updates = node_in(node, 2);
  DType compute = compute_dtype(updates->dtype);
  bool moves = reduction == REDUCE_NONE;
  Buffer *indices = lower_indices(l, node_in(node, 1));
  Buffer *values = moves ? lower_buffer(l, updates) : compute_input(l, updates, compute);
  Step *step = lower_kernel(l, stem, moves ? DT_NONE : compute);
  arg_buffer(l, step, target);
  arg_buffer(l, step, indices);
  arg_buffer(l, step, values);
  return step;
}

static bool lower_scatter_elements(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *indices = node_in(node, 1);
  int axis = (int)node_int(node, "axis", 0);
  Reduction reduction;
  if (!read_reduction(l->c, node, &reduction)) return false;
  Buffer *target = scatter_target(l, node, reduction);
  Step *step = scatter_step(l, node, "scatter_elements", reduction, target);
  arg_int(l, step, x->rank);
  arg_dims(l, step, x->shape, x->rank);
  arg_dims(l, step, indices->shape, x->rank);
  arg_int(l, step, axis < 0 ? axis + x->rank : axis);
  arg_int(l, step, reduction == REDUCE_NONE ? element_bytes(x->dtype) : (int64_t)reduction);
  if (reduction != REDUCE_NONE) compute_done(l, node_out(node, 0), target);
  return true;
}

DEFINE_OP(ScatterElements) = {
    .name = "ScatterElements", .infer = infer_scatter_elements, .lower = lower_scatter_elements};
DEFINE_OP(Scatter) = {
    .name = "Scatter", .infer = infer_scatter_elements, .lower = lower_scatter_elements};

/* updates: [picks…, data axes behind the indexed ones…] */
static bool infer_scatter_nd(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *indices = node_in(node, 1), *updates = node_in(node, 2);
  if (!infer_scatter(c, node, "scatter_nd")) return false;
  int last = indices->rank - 1;
  if (last < 0 || !dim_is_const(indices->shape[last]))
    return node_error(c, node, "the last dim of the indices must be known when compiling");
  int64_t depth = dim_value(indices->shape[last]);
  if (depth > x->rank || updates->rank != last + x->rank - depth)
    return node_error(
        c, node, "indices of %" PRId64 " entries do not fit the ranks of data and updates", depth);
  for (int d = 0; d < updates->rank; d++) {
    Dim expected = d < last ? indices->shape[d] : x->shape[depth + d - last];
    if (!infer_require_equal(c, node, updates->shape[d], expected,
                             "dims of the updates and of what they replace"))
      return false;
  }
  return true;
}

static bool lower_scatter_nd(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *indices = node_in(node, 1);
  int last = indices->rank - 1, depth = (int)dim_value(indices->shape[last]);
  Dim inner = dims_between(l->c, x, depth, x->rank);
  Reduction reduction;
  if (!read_reduction(l->c, node, &reduction)) return false;
  Buffer *target = scatter_target(l, node, reduction);
  Step *step = scatter_step(l, node, "scatter_nd", reduction, target);
  arg_dim(l, step, dims_between(l->c, indices, 0, last));
  arg_int(l, step, depth);
  arg_dims(l, step, x->shape, depth);
  if (reduction == REDUCE_NONE) {
    arg_dim(l, step, dim_muli(l->c->dims, inner, element_bytes(x->dtype)));
  } else {
    arg_dim(l, step, inner);
    arg_int(l, step, (int64_t)reduction);
    compute_done(l, node_out(node, 0), target);
  }
  return true;
}

DEFINE_OP(ScatterND) = {.name = "ScatterND", .infer = infer_scatter_nd, .lower = lower_scatter_nd};

/* --- TensorScatter: rows written into a cache, of batch item b from row indices[b] on --- */

static const char *const scatter_modes[] = {"linear", "circular", NULL};

static bool infer_tensor_scatter(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *update = node_in(node, 1), *indices = node_in(node, 2);
  int axis, mode;
  if (!require_movable(c, node) ||
      !infer_axis(c, node, node_int(node, "axis", -2), x->rank, &axis) ||
      !read_name(c, node, "mode", "linear", scatter_modes, &mode))
    return false;
  if (axis == 0 || update->rank != x->rank)
    return node_error(c, node, "past_cache and update must have one rank, and axis not be 0");
  for (int d = 0; d < x->rank; d++) {
    Dim inside = dim_not(c->dims, dim_less(c->dims, x->shape[d], update->shape[d]));
    if (d == axis ? !infer_require(c, node, inside, "the update is longer than the cache")
                  : !infer_require_equal(c, node, update->shape[d], x->shape[d],
                                         "dims of the cache and of the update"))
      return false;
  }
  if (indices && !infer_require_equal(c, node, value_count(c, indices), x->shape[0],
                                      "write_indices and batch items"))
    return false;
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, x->shape);
  return true;
}

static bool lower_tensor_scatter(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *update = node_in(node, 1);
  int axis = (int)node_int(node, "axis", -2), mode;
  if (axis < 0) axis += x->rank;
  if (!read_name(l->c, node, "mode", "linear", scatter_modes, &mode)) return false;
  Buffer *target = scatter_target(l, node, REDUCE_NONE);
  Step *step = lower_kernel(l, "tensor_scatter", DT_NONE);
  arg_buffer(l, step, target);
  arg_in(l, step, node_in(node, 2));
  arg_in(l, step, update);
  arg_dim(l, step, x->shape[0]);
  arg_dim(l, step, dims_between(l->c, x, 1, axis));
  arg_dim(l, step, x->shape[axis]);
  arg_dim(l, step, update->shape[axis]);
  arg_dim(l, step,
          dim_muli(l->c->dims, dims_between(l->c, x, axis + 1, x->rank), element_bytes(x->dtype)));
  arg_int(l, step, mode);
  return true;
}

DEFINE_OP(TensorScatter) = {
    .name = "TensorScatter", .infer = infer_tensor_scatter, .lower = lower_tensor_scatter};
