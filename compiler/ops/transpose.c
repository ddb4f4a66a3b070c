/* transpose.c: Transpose, Concat, Split, Expand, Tile: copies with affine addressing, as loop
 * nests.
 *
 *   y = Transpose(x[N, 3, H, W], perm=[0, 2, 3, 1])   =>   y[n][h][w][c] = x[n*3*H*W + c*H*W + h*W
 * + w] */
#include "ops/content.h"
#include "ops/movement.h"

#include <inttypes.h>
#include <string.h>

/* --- Transpose --- */

static bool read_perm(Compilation *c, const Node *node, int rank, int *perm) {
  size_t count;
  const int64_t *given = node_ints(node, "perm", &count);
  bool seen[MAX_RANK] = {false};
  if (given && (int)count != rank)
    return node_error(c, node, "perm has %zu entries, but the input has rank %d", count, rank);
  for (int d = 0; d < rank; d++) {
    if (!given) {
      perm[d] = rank - 1 - d;
    } else {
      if (!infer_axis(c, node, given[d], rank, &perm[d])) return false;
      if (seen[perm[d]]) return node_error(c, node, "perm names axis %d twice", perm[d]);
      seen[perm[d]] = true;
    }
  }
  return true;
}

bool transpose_perm(Compilation *c, const Node *node, int *perm) {
  return read_perm(c, node, node_in(node, 0)->rank, perm);
}

static bool infer_transpose(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Value *y = node_out(node, 0);
  int perm[MAX_RANK];
  Dim shape[MAX_RANK];
  int64_t dims[MAX_RANK], dense[MAX_RANK], stride[MAX_RANK];
  if (!require_movable(c, node) || !read_perm(c, node, x->rank, perm)) return false;
  for (int d = 0; d < x->rank; d++) shape[d] = x->shape[perm[d]];
  value_set_type(c, y, x->dtype, x->rank, shape);
  if (!const_shape(x, dims)) return true;
  const_strides(dims, x->rank, dense);
  for (int d = 0; d < x->rank; d++) stride[d] = dense[perm[d]];
  content_move(c, y, x, 0, stride);
  return true;
}

/* Whether only axes of size 1 change their place. */
static bool keeps_order(const Value *x, const int *perm) {
  int last = -1;
  for (int d = 0; d < x->rank; d++) {
    if (dim_is(x->shape[perm[d]], 1)) continue;
    if (perm[d] < last) return false;
    last = perm[d];
  }
  return true;
}

static bool lower_transpose(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  int perm[MAX_RANK];
  Dim dense[MAX_RANK], stride[MAX_RANK];
  if (!read_perm(l->c, node, x->rank, perm)) return false;
  if (keeps_order(x, perm)) {
    lower_alias(l, y, x);
    return true;
  }
  nest_strides(l->c, x->rank, x->shape, dense);
  for (int d = 0; d < x->rank; d++) stride[d] = dense[perm[d]];
  lower_copy(l, y, x, NULL, stride);
  return true;
}

/* [N, C, H, W] to or from [N, H, W, C]: pixels of 16 channels are moved in one piece. */
static const int to_last[4] = {0, 2, 3, 1}, from_last[4] = {0, 3, 1, 2};

static BlockedUse blocked_transpose(Compilation *c, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  BlockedUse use = {.answer = BLOCKED_NO};
  int perm[MAX_RANK];
  if (x->rank != 4 || !read_perm(c, node, x->rank, perm)) return use;
  if (memcmp(perm, to_last, sizeof to_last) == 0 && blocked_possible(x))
    use = (BlockedUse){.answer = BLOCKED_CAN, .first_input = true, .row_output = true};
  if (memcmp(perm, from_last, sizeof from_last) == 0 && blocked_possible(y))
    use.answer = BLOCKED_CAN;
  return use;
}

static bool lower_blocked_transpose(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  const Value *value = x->blocked ? x : y, *other = x->blocked ? y : x;
  DimPool *p = l->c->dims;
  Dim h = other->shape[1], w = other->shape[2], c = other->shape[3];
  Dim row = dim_mul(p, w, c), one = dim_const(p, 1);
  Dim stride[4] = {dim_mul(p, h, row), one, row, c};
  blocked_copy(l, value, lower_buffer(l, other), stride, y->blocked != NULL);
  return true;
}

DEFINE_OP(Transpose) = {.name = "Transpose",
                        .infer = infer_transpose,
                        .lower = lower_transpose,
                        .blocked = blocked_transpose,
                        .lower_blocked = lower_blocked_transpose};

/* --- Concat --- */

/* Every input but the first must agree with it except on the axis. */
static bool check_concat(Compilation *c, const Node *node, const Value *first, const Value *x,
                         int axis, Dim *shape) {
  if (x->dtype != first->dtype || x->rank != first->rank)
    return node_error(c, node, "the inputs differ in type or rank");
  for (int d = 0; d < x->rank; d++) {
    if (d == axis) continue;
    if (!infer_require_equal(c, node, shape[d], x->shape[d], "dims beside the axis")) return false;
    if (dim_is_const(x->shape[d])) shape[d] = x->shape[d];
  }
  return true;
}

/* The content of the output: rows of every input in turn. */
static void concat_content(Compilation *c, const Node *node, int axis) {
  Value *y = node_out(node, 0);
  int64_t dims[MAX_RANK], outer = 1, filled = 0;
  if (!content_fits(value_count(c, y)) || !const_shape(y, dims)) return;
  int64_t count = dim_value(value_count(c, y));
  Dim *content = ARENA_ARRAY(c->arena, Dim, count);
  for (int d = 0; d < axis; d++) outer *= dims[d];
  for (int64_t o = 0; o < outer; o++)
    for (int i = 0; i < node->input_count; i++) {
      const Dim *part = content_of(c, node->inputs[i]);
      if (!part) return;
      int64_t own = dim_value(value_count(c, node->inputs[i])) / outer;
      for (int64_t k = 0; k < own; k++) content[filled++] = part[o * own + k];
    }
  infer_content(c, y, content, count);
}

static bool infer_concat(Compilation *c, Node *node) {
  const Value *first = node_in(node, 0);
  Value *y = node_out(node, 0);
  Dim shape[MAX_RANK];
  int axis;
  if (!require_movable(c, node) ||
      !infer_axis(c, node, node_int(node, "axis", 1), first->rank, &axis))
    return false;
  for (int d = 0; d < first->rank; d++) shape[d] = first->shape[d];
  for (int i = 1; i < node->input_count; i++) {
    if (!check_concat(c, node, first, node->inputs[i], axis, shape)) return false;
    shape[axis] = dim_add(c->dims, shape[axis], node->inputs[i]->shape[axis]);
  }
  value_set_type(c, y, first->dtype, first->rank, shape);
  concat_content(c, node, axis);
  return true;
}

static bool lower_concat(Lower *l, const Node *node) {
  const Value *y = node_out(node, 0);
  Dim stride[MAX_RANK], dense[MAX_RANK], at = dim_const(l->c->dims, 0);
  int axis = (int)node_int(node, "axis", 1);
  if (axis < 0) axis += y->rank;
  if (node->input_count == 1) {
    lower_alias(l, y, node_in(node, 0));
    return true;
  }
  nest_strides(l->c, y->rank, y->shape, stride);
  for (int i = 0; i < node->input_count; i++) {
    const Value *x = node->inputs[i];
    if (dim_is(value_count(l->c, x), 0)) continue;
    LoopNest *nest = lower_nest(l, x->rank, x->shape);
    nest_strides(l->c, x->rank, x->shape, dense);
    Operand value = nest_load_at(l, nest, lower_buffer(l, x), NULL, dense);
    nest_store_at(l, nest, lower_buffer(l, y), dim_mul(l->c->dims, at, stride[axis]), stride,
                  value);
    at = dim_add(l->c->dims, at, x->shape[axis]);
  }
  return true;
}

/* Of channels. */
static BlockedUse blocked_concat(Compilation *c, const Node *node) {
  const Value *y = node_out(node, 0);
  int64_t axis = node_int(node, "axis", 1);
  BlockedUse use = {.answer = BLOCKED_CAN, .all_inputs = true, .same_halo = true};
  bool fits = blocked_possible(y) && (axis < 0 ? axis + y->rank : axis) == 1;
  for (int i = 0; i < node->input_count; i++) fits = fits && blocked_possible(node->inputs[i]);
  if (!fits) use.answer = BLOCKED_NO;
  (void)c;
  return use;
}

static bool lower_blocked_concat(Lower *l, const Node *node) {
  int64_t at = 0;
  for (int i = 0; i < node->input_count; i++) {
    int64_t channels = dim_value(node->inputs[i]->shape[1]);
    blocked_copy_channels(l, node_out(node, 0), at, node->inputs[i], 0, channels);
    at += channels;
  }
  return true;
}

DEFINE_OP(Concat) = {.name = "Concat",
                     .infer = infer_concat,
                     .lower = lower_concat,
                     .blocked = blocked_concat,
                     .lower_blocked = lower_blocked_concat};

/* --- Split --- */

/* Parts that the node names one by one (input 1, or attribute `split`). *parts is NULL if it does
 * not. */
static bool named_parts(Compilation *c, const Node *node, Dim size, const Dim **parts) {
  const int64_t *given;
  size_t listed;
  int count;
  *parts = NULL;
  if (node_in(node, 1)) {
    if (!infer_elements(c, node, 1, 0, INT64_MAX, parts, &count)) return false;
  } else if ((given = node_ints(node, "split", &listed))) {
    Dim *dims = ARENA_ARRAY(c->arena, Dim, listed);
    for (size_t i = 0; i < listed; i++) dims[i] = dim_const(c->dims, given[i]);
    *parts = dims;
    count = (int)listed;
  } else {
    return true;
  }
  Dim sum = dim_const(c->dims, 0);
  if (count != node->output_count)
    return node_error(c, node, "split names %d parts, but there are %d outputs", count,
                      node->output_count);
  for (int i = 0; i < count; i++) {
    if (dim_is_const((*parts)[i]) && dim_value((*parts)[i]) < 0)
      return node_error(c, node, "split holds %" PRId64, dim_value((*parts)[i]));
    sum = dim_add(c->dims, sum, (*parts)[i]);
  }
  return infer_require_equal(c, node, sum, size, "the sum of split and the size of the axis");
}

/* Equal parts; from opset 18 on the last ones may be smaller. */
static bool equal_parts(Compilation *c, const Node *node, Dim size, const Dim **parts) {
  DimPool *pool = c->dims;
  int count = (int)node_int(node, "num_outputs", node->output_count);
  if (count < node->output_count || count < 1)
    return node_error(c, node, "num_outputs is %d, but there are %d outputs", count,
                      node->output_count);
  Dim number = dim_const(pool, count), zero = dim_const(pool, 0);
  Dim part = dim_ceildiv(pool, size, number);
  Dim *dims = ARENA_ARRAY(c->arena, Dim, count);
  if (node->version < 18 &&
      !infer_require_equal(c, node, dim_mod(pool, size, number), zero,
                           "the rest of dividing the axis by the number of outputs, and 0,"))
    return false;
  bool even = node->version < 18 || dim_is(dim_mod(pool, size, number), 0);
  for (int i = 0; i < count; i++) {
    Dim rest = dim_sub(pool, size, dim_muli(pool, part, i));
    dims[i] =
        even ? dim_floordiv(pool, size, number) : dim_max(pool, dim_min(pool, part, rest), zero);
  }
  *parts = dims;
  return true;
}

static bool split_parts(Compilation *c, const Node *node, int *axis, const Dim **parts) {
  const Value *x = node_in(node, 0);
  if (!infer_axis(c, node, node_int(node, "axis", 0), x->rank, axis) ||
      !named_parts(c, node, x->shape[*axis], parts))
    return false;
  return *parts || equal_parts(c, node, x->shape[*axis], parts);
}

static bool infer_split(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Dim shape[MAX_RANK];
  int64_t dims[MAX_RANK], stride[MAX_RANK], at = 0;
  const Dim *parts;
  int axis;
  if (!require_movable(c, node) || !split_parts(c, node, &axis, &parts)) return false;
  for (int d = 0; d < x->rank; d++) shape[d] = x->shape[d];
  bool known = const_shape(x, dims);
  if (known) const_strides(dims, x->rank, stride);
  for (int i = 0; i < node->output_count; i++) {
    shape[axis] = parts[i];
    known = known && dim_is_const(parts[i]);
    if (node->outputs[i]) {
      value_set_type(c, node->outputs[i], x->dtype, x->rank, shape);
      if (known) content_move(c, node->outputs[i], x, at * stride[axis], stride);
    }
    if (known) at += dim_value(parts[i]);
  }
  return true;
}

bool split_part(Compilation *c, const Node *node, int output, int *axis, Dim *first) {
  const Dim *parts;
  size_t checks = node->checks.count;
  if (!split_parts(c, node, axis, &parts)) return false;
  ((Node *)node)->checks.count = checks; /* the checks stand already */
  *first = dim_const(c->dims, 0);
  for (int i = 0; i < output; i++) *first = dim_add(c->dims, *first, parts[i]);
  return true;
}

static bool lower_split(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0);
  Dim stride[MAX_RANK], at = dim_const(l->c->dims, 0);
  const Dim *parts;
  int axis;
  size_t checks = node->checks.count;
  if (!split_parts(l->c, node, &axis, &parts)) return false;
  ((Node *)node)->checks.count = checks; /* the checks stand already */
  nest_strides(l->c, x->rank, x->shape, stride);
  for (int i = 0; i < node->output_count; i++) {
    Dim offset = dim_mul(l->c->dims, at, stride[axis]);
    bool wanted = node->outputs[i] && !node->outputs[i]->constant;
    if (wanted) lower_copy(l, node->outputs[i], x, offset, stride);
    at = dim_add(l->c->dims, at, parts[i]);
  }
  return true;
}

/* Of channels. */
static BlockedUse blocked_split(Compilation *c, const Node *node) {
  const Value *x = node_in(node, 0);
  BlockedUse use = {
      .answer = BLOCKED_CAN, .first_input = true, .same_halo = true, .all_outputs = true};
  int64_t axis = node_int(node, "axis", 0);
  bool fits = blocked_possible(x) && (axis < 0 ? axis + x->rank : axis) == 1;
  for (int i = 0; i < node->output_count; i++)
    fits = fits && node->outputs[i] && blocked_possible(node->outputs[i]);
  if (!fits) use.answer = BLOCKED_NO;
  (void)c;
  return use;
}

static bool lower_blocked_split(Lower *l, const Node *node) {
  int64_t at = 0;
  for (int i = 0; i < node->output_count; i++) {
    int64_t channels = dim_value(node->outputs[i]->shape[1]);
    blocked_copy_channels(l, node->outputs[i], 0, node_in(node, 0), at, channels);
    at += channels;
  }
  return true;
}

DEFINE_OP(Split) = {.name = "Split",
                    .infer = infer_split,
                    .lower = lower_split,
                    .blocked = blocked_split,
                    .lower_blocked = lower_blocked_split};

/* --- Expand --- */

/* Dim of the output where the input has `own` and the target asks for `asked` (1 and -1: as it is).
 */
static bool expand_dim(Compilation *c, const Node *node, Dim own, Dim asked, Dim *dim) {
  DimPool *pool = c->dims;
  Dim one = dim_const(pool, 1);
  *dim = own;
  if (own == asked || dim_is(asked, 1) || dim_is(asked, -1)) return true;
  *dim = asked;
  if (dim_is(own, 1)) return true;
  if (dim_is_const(own) && dim_is_const(asked))
    return node_error(c, node, "a dim of %" PRId64 " cannot be expanded to %" PRId64,
                      dim_value(own), dim_value(asked));
  Dim fits = dim_add(pool, dim_equal(pool, own, asked), dim_equal(pool, own, one));
  if (dim_is_const(asked) && dim_value(asked) > 1)
    return infer_require(c, node, fits, "a dim can be expanded only from 1");
  *dim = dim_range(own).low > 1 ? own : dim_max(pool, own, asked);
  fits = dim_add(pool, fits, dim_equal(pool, asked, one));
  return infer_require(c, node, fits, "a dim can be expanded only from 1");
}

static void expand_content(Compilation *c, Value *y, const Value *x) {
  int64_t dims[MAX_RANK], dense[MAX_RANK], stride[MAX_RANK] = {0};
  int lead = y->rank - x->rank;
  if (!const_shape(x, dims)) return;
  const_strides(dims, x->rank, dense);
  for (int d = 0; d < x->rank; d++) stride[lead + d] = dims[d] == 1 ? 0 : dense[d];
  content_move(c, y, x, 0, stride);
}

static bool infer_expand(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Value *y = node_out(node, 0);
  const Dim *asked;
  Dim shape[MAX_RANK], one = dim_const(c->dims, 1);
  int count;
  if (!require_movable(c, node) || !infer_elements(c, node, 1, 0, INT64_MAX, &asked, &count))
    return false;
  int rank = count > x->rank ? count : x->rank;
  if (rank > MAX_RANK)
    return node_error(c, node, "a rank of %d is not supported (at most %d)", rank, MAX_RANK);
  for (int d = 0; d < rank; d++) {
    Dim own = d < rank - x->rank ? one : x->shape[d - (rank - x->rank)];
    Dim target = d < rank - count ? one : asked[d - (rank - count)];
    if (!expand_dim(c, node, own, target, &shape[d])) return false;
  }
  value_set_type(c, y, x->dtype, rank, shape);
  expand_content(c, y, x);
  return true;
}

static bool lower_expand(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  if (value_count(l->c, x) == value_count(l->c, y)) {
    lower_alias(l, y, x);
    return true;
  }
  LoopNest *nest = lower_nest(l, y->rank, y->shape);
  nest_store(l, nest, y, nest_load(l, nest, x));
  return true;
}

DEFINE_OP(Expand) = {
    .name = "Expand", .flags = OP_KEEPS, .infer = infer_expand, .lower = lower_expand};

/* --- Tile --- */

/* Repetitions of each axis. Opset 1 names one axis and its number in two inputs. */
static bool tile_repeats(Compilation *c, const Node *node, const Dim **repeats) {
  const Value *x = node_in(node, 0);
  int count;
  if (node->version >= 6) {
    if (!infer_elements(c, node, 1, 0, INT64_MAX, repeats, &count)) return false;
    return count == x->rank ||
           node_error(c, node, "repeats has %d elements, but the input has rank %d", count,
                      x->rank);
  }
  const int64_t *tiles, *axes;
  size_t tile_count, axis_count;
  bool present;
  int axis;
  if (!infer_const_ints(c, node, 1, NULL, &present, &tiles, &tile_count) ||
      !infer_const_ints(c, node, 2, NULL, &present, &axes, &axis_count))
    return false;
  if (tile_count != 1 || axis_count != 1)
    return node_error(c, node, "tiles and axis must be single numbers");
  if (!infer_axis(c, node, axes[0], x->rank, &axis)) return false;
  Dim *all = ARENA_ARRAY(c->arena, Dim, x->rank);
  for (int d = 0; d < x->rank; d++) all[d] = dim_const(c->dims, d == axis ? tiles[0] : 1);
  *repeats = all;
  return true;
}

static void tile_content(Compilation *c, Value *y, const Value *x) {
  int64_t dims[MAX_RANK], out[MAX_RANK];
  if (x->rank != 1 || !const_shape(x, dims) || !const_shape(y, out) || !content_of(c, x) ||
      x->constant || !content_fits(y->shape[0]))
    return;
  Dim *content = ARENA_ARRAY(c->arena, Dim, out[0]);
  for (int64_t i = 0; i < out[0]; i++) content[i] = content_of(c, x)[i % dims[0]];
  infer_content(c, y, content, out[0]);
}

static bool infer_tile(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Value *y = node_out(node, 0);
  const Dim *repeats;
  Dim shape[MAX_RANK];
  if (!require_movable(c, node) || !tile_repeats(c, node, &repeats)) return false;
  for (int d = 0; d < x->rank; d++) {
    if (dim_is_const(repeats[d]) && dim_value(repeats[d]) < 0)
      return node_error(c, node, "repeats holds %" PRId64, dim_value(repeats[d]));
    shape[d] = dim_mul(c->dims, x->shape[d], repeats[d]);
  }
  value_set_type(c, y, x->dtype, x->rank, shape);
  tile_content(c, y, x);
  return true;
}

/* A tiled axis becomes two loops: over the repetitions (stride of the input 0), and over the axis.
 */
static bool lower_tile(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  const Dim *repeats;
  Dim in[MAX_RANK], out[MAX_RANK], extent[MAX_RANK], load[MAX_RANK], store[MAX_RANK];
  int loops = 0;
  if (!tile_repeats(l->c, node, &repeats)) return false;
  nest_strides(l->c, x->rank, x->shape, in);
  nest_strides(l->c, y->rank, y->shape, out);
  for (int d = 0; d < x->rank; d++) {
    bool repeated = !dim_is(repeats[d], 1), long_axis = !dim_is(x->shape[d], 1);
    if (loops + repeated + long_axis > MAX_RANK)
      return node_error(l->c, node, "too many axes are repeated");
    if (repeated) {
      extent[loops] = repeats[d];
      load[loops] = dim_const(l->c->dims, 0);
      store[loops++] = dim_mul(l->c->dims, out[d], x->shape[d]);
    }
    if (long_axis) {
      extent[loops] = x->shape[d];
      load[loops] = in[d];
      store[loops++] = out[d];
    }
  }
  LoopNest *nest = lower_nest(l, loops, extent);
  Operand value = nest_load_at(l, nest, lower_buffer(l, x), NULL, load);
  nest_store_at(l, nest, lower_buffer(l, y), NULL, store, value);
  return true;
}

DEFINE_OP(Tile) = {.name = "Tile", .flags = OP_KEEPS, .infer = infer_tile, .lower = lower_tile};
