/* shape.c: operators that look at a shape or give the same data another one.
 *
 * Shape and Size become content (expressions), so chains that compute shapes leave nothing in the
 * program. The others are views: the output shares the buffer of the input.
 *
 *   y = Reshape(x float[N, 12, 64], [0, -1])   =>   y is x, float[N, 768] */
#include "ops/movement.h"

#include <inttypes.h>
#include <string.h>

static bool lower_view(Lower *l, const Node *node) {
  lower_alias(l, node_out(node, 0), node_in(node, 0));
  return true;
}

/* A view whose dims may depend on data. */
static bool lower_sized_view(Lower *l, const Node *node) {
  lower_own_dims(l, node_out(node, 0));
  return lower_view(l, node);
}

/* --- Identity --- */

static bool infer_identity(Compilation *c, Node *node) {
  infer_same(c, node, 0, 0);
  return true;
}

DEFINE_OP(Identity) = {
    .name = "Identity", .flags = OP_KEEPS, .infer = infer_identity, .lower = lower_view};

/* --- Shape, Size --- */

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

static bool infer_shape(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  int64_t start = node_int(node, "start", 0), end = node_int(node, "end", x->rank);
  start = clamp(start < 0 ? start + x->rank : start, 0, x->rank);
  end = clamp(end < 0 ? end + x->rank : end, start, x->rank);
  Dim count = dim_const(c->dims, end - start);
  value_set_type(c, node_out(node, 0), DT_I64, 1, &count);
  infer_content(c, node_out(node, 0), x->shape + start, end - start);
  return true;
}

static bool infer_size(Compilation *c, Node *node) {
  Dim count = value_count(c, node_in(node, 0));
  value_set_type(c, node_out(node, 0), DT_I64, 0, NULL);
  infer_content(c, node_out(node, 0), &count, 1);
  return true;
}

static bool lower_known(Lower *l, const Node *node) {
  lower_content(l, node_out(node, 0));
  return true;
}

DEFINE_OP(Shape) = {.name = "Shape", .infer = infer_shape, .lower = lower_known};
DEFINE_OP(Size) = {.name = "Size", .infer = infer_size, .lower = lower_known};

/* --- Reshape --- */

typedef struct {
  const Dim *asked; /* elements of the target */
  int rank;
  int free;    /* position of the constant -1, or -1 */
  int unknown; /* position of the only element that is read while the program runs, if it is the
                  only one; else -1 */
  Dim total;   /* elements of the input */
} Target;

static bool is_data(const DimSymbol *symbol, void *context) {
  (void)context;
  return symbol->kind == SYMBOL_DATA;
}

static bool depends_on_data(Dim element) {
  return dim_any_symbol(element, is_data, NULL);
}

/* Whether the element may turn out to be a mark (0 or -1) instead of a size: it was read from a
 * tensor. Counts and expressions in the caller's dims are sizes. */
static bool may_be_mark(Dim element) {
  return dim_range(element).low < 0 && depends_on_data(element);
}

static bool read_target(Compilation *c, const Node *node, Target *target) {
  if (node->version >= 5)
    return infer_elements(c, node, 1, -1, INT64_MAX, &target->asked, &target->rank);
  size_t count;
  const int64_t *shape = node_ints(node, "shape", &count);
  if (!shape) return node_error(c, node, "attribute 'shape' is missing");
  Dim *asked = ARENA_ARRAY(c->arena, Dim, count);
  for (size_t i = 0; i < count; i++) asked[i] = dim_const(c->dims, shape[i]);
  target->asked = asked;
  target->rank = (int)count;
  return true;
}

/* Checks the constants of the target and finds `free` and `unknown`. */
static bool scan_target(Compilation *c, const Node *node, Target *target) {
  int unknown = 0, unknown_at = -1;
  target->free = -1;
  if (target->rank > MAX_RANK)
    return node_error(c, node, "a rank of %d is not supported (at most %d)", target->rank,
                      MAX_RANK);
  for (int i = 0; i < target->rank; i++) {
    Dim element = target->asked[i];
    if (dim_is(element, -1) && target->free >= 0)
      return node_error(c, node, "the target shape has more than one -1");
    if (dim_is_const(element) && dim_value(element) < -1)
      return node_error(c, node, "the target shape holds %" PRId64, dim_value(element));
    if (dim_is(element, -1)) target->free = i;
    if (depends_on_data(element)) unknown++, unknown_at = i;
  }
  target->unknown = unknown == 1 && target->free < 0 ? unknown_at : -1;
  return true;
}

/* The size that an element asks for; the element -1 counts as 1, so that it does not matter in the
 * product of the others. */
static bool asked_size(Compilation *c, const Node *node, const Value *x, Dim element, int i,
                       Dim *size) {
  DimPool *pool = c->dims;
  bool copies = node_int(node, "allowzero", 0) == 0;
  if (dim_is(element, 0) && copies && i >= x->rank)
    return node_error(c, node, "the target shape holds 0 at %d, but the input has rank %d", i,
                      x->rank);
  *size = element;
  if (copies && i < x->rank && (dim_is(element, 0) || may_be_mark(element)))
    *size = dim_select(pool, dim_equal(pool, element, dim_const(pool, 0)), x->shape[i], element);
  if (may_be_mark(element) || dim_is(element, -1))
    *size =
        dim_select(pool, dim_equal(pool, element, dim_const(pool, -1)), dim_const(pool, 1), *size);
  return true;
}

/* Where exactly one size is read at run time, it follows from the others, so that the shape depends
 * on the input only. */
static bool solve_unknown(Compilation *c, const Node *node, const Target *target, Dim inferred,
                          Dim *size) {
  DimPool *pool = c->dims;
  Dim element = target->asked[target->unknown];
  Dim fits = dim_equal(pool, *size, inferred);
  if (dim_range(element).low < 0)
    fits = dim_add(pool, fits, dim_equal(pool, element, dim_const(pool, -1)));
  *size = inferred;
  return infer_require(c, node, fits, "the target shape does not fit the number of elements");
}

static bool target_shape(Compilation *c, const Node *node, const Target *target, Dim *shape) {
  const Value *x = node_in(node, 0);
  DimPool *pool = c->dims;
  Dim others = dim_const(pool, 1);
  for (int i = 0; i < target->rank; i++) {
    if (!asked_size(c, node, x, target->asked[i], i, &shape[i])) return false;
    if (i != target->unknown) others = dim_mul(pool, others, shape[i]);
  }
  if (dim_is(others, 0)) {
    if (target->free >= 0 && !dim_is(target->total, 0))
      return node_error(c, node, "the dim given as -1 cannot be told beside a dim of size 0");
    if (target->free >= 0) shape[target->free] = dim_const(pool, 0);
    return true;
  }
  Dim inferred = dim_floordiv(pool, target->total, others);
  if (target->unknown >= 0)
    return solve_unknown(c, node, target, inferred, &shape[target->unknown]);
  for (int i = 0; i < target->rank; i++) {
    Dim element = target->asked[i];
    if (dim_is(element, -1))
      shape[i] = inferred;
    else if (may_be_mark(element))
      shape[i] =
          dim_select(pool, dim_equal(pool, element, dim_const(pool, -1)), inferred, shape[i]);
  }
  return true;
}

static bool infer_reshape(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Value *y = node_out(node, 0);
  Target target = {.total = value_count(c, x)};
  Dim shape[MAX_RANK];
  if (!read_target(c, node, &target) || !scan_target(c, node, &target) ||
      !target_shape(c, node, &target, shape))
    return false;
  Dim count = dim_product(c->dims, shape, (size_t)target.rank);
  for (int d = 0; d < target.rank; d++) shape[d] = infer_own_dim(c, node, y, d, shape[d], NULL);
  value_set_type(c, y, x->dtype, target.rank, shape);
  content_reshape(c, y, x);
  return infer_require_equal(c, node, target.total, count,
                             "the numbers of elements before and after");
}

DEFINE_OP(Reshape) = {
    .name = "Reshape", .flags = OP_KEEPS, .infer = infer_reshape, .lower = lower_sized_view};

/* --- Flatten, Squeeze, Unsqueeze --- */

static bool infer_flatten(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  int64_t axis = node_int(node, "axis", 1);
  if (axis < -x->rank || axis > x->rank)
    return node_error(c, node, "axis %" PRId64 " is outside of [%d, %d]", axis, -x->rank, x->rank);
  int split = (int)(axis < 0 ? axis + x->rank : axis);
  const Dim shape[] = {dims_between(c, x, 0, split), dims_between(c, x, split, x->rank)};
  value_set_type(c, node_out(node, 0), x->dtype, 2, shape);
  content_reshape(c, node_out(node, 0), x);
  return true;
}

DEFINE_OP(Flatten) = {
    .name = "Flatten", .flags = OP_KEEPS, .infer = infer_flatten, .lower = lower_view};

/* The axes that the node names (input 1 or attribute), as expressions. *axes is NULL if it names
 * none. */
static bool read_axes(Compilation *c, const Node *node, int64_t low, int64_t high, const Dim **axes,
                      int *count) {
  *axes = NULL;
  *count = 0;
  if (node_in(node, 1)) return infer_elements(c, node, 1, low, high, axes, count);
  size_t listed;
  const int64_t *given = node_ints(node, "axes", &listed);
  if (!given) return true;
  Dim *dims = ARENA_ARRAY(c->arena, Dim, listed);
  for (size_t i = 0; i < listed; i++) dims[i] = dim_const(c->dims, given[i]);
  *axes = dims;
  *count = (int)listed;
  return true;
}

/* named[d]: 1 where one of the axes is d, else 0. */
static bool mark_axes(Compilation *c, const Node *node, int rank, const Dim *axes, int count,
                      Dim *named) {
  for (int d = 0; d < rank; d++) named[d] = dim_const(c->dims, 0);
  for (int i = 0; i < count; i++) {
    int axis;
    if (dim_is_const(axes[i]) && !infer_axis(c, node, dim_value(axes[i]), rank, &axis))
      return false;
    for (int d = 0; d < rank; d++)
      named[d] = dim_add(c->dims, named[d], names_axis(c, axes[i], d, rank));
  }
  for (int d = 0; d < rank; d++)
    if (dim_is_const(named[d]) && dim_value(named[d]) > 1)
      return node_error(c, node, "axis %d is named twice", d);
  return true;
}

/* The dim of `shape` at the position of the k-th of those axes, counted from 0, for which
 * skipped[d] is 0. */
static Dim kept_dim(Compilation *c, const Dim *shape, const Dim *skipped, int rank, int k) {
  DimPool *pool = c->dims;
  Dim result = NULL, before = dim_const(pool, 0); /* axes that are kept before d */
  for (int d = 0; d < rank; d++) {
    Dim kept = dim_sub(pool, dim_const(pool, 1), skipped[d]);
    Dim here = dim_mul(pool, kept, dim_equal(pool, before, dim_const(pool, k)));
    if (!dim_is(here, 0)) result = result ? dim_select(pool, here, shape[d], result) : shape[d];
    before = dim_add(pool, before, kept);
  }
  return result ? result : dim_const(pool, 1);
}

/* The largest dim, as a bound of a dim that is one of them. */
static Dim largest_dim(Compilation *c, const Value *x) {
  Dim largest = dim_const(c->dims, 1);
  for (int d = 0; d < x->rank; d++) largest = dim_max(c->dims, largest, x->shape[d]);
  return largest;
}

/* Sets the type of the view; dims that depend on axes read at run time are symbols of their own. */
static void set_view(Compilation *c, Node *node, int rank, Dim *shape) {
  const Value *x = node_in(node, 0);
  Value *y = node_out(node, 0);
  for (int d = 0; d < rank; d++)
    shape[d] = infer_own_dim(c, node, y, d, shape[d], largest_dim(c, x));
  value_set_type(c, y, x->dtype, rank, shape);
  content_reshape(c, y, x);
}

static bool infer_squeeze(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Dim shape[MAX_RANK], dropped[MAX_RANK], one = dim_const(c->dims, 1);
  const Dim *axes;
  int rank = 0, count;
  if (!read_axes(c, node, -x->rank, x->rank - 1, &axes, &count) ||
      !mark_axes(c, node, x->rank, axes, count, dropped))
    return false;
  for (int d = 0; d < x->rank; d++) {
    if (!axes && dim_is(x->shape[d], 1)) dropped[d] = one, count++;
    /* The rank must be known now, so a dim that is not known to be 1 stays, and must not be 1 in
     * the end. */
    if (!axes && !dim_is(x->shape[d], 1) &&
        !infer_require(c, node, dim_not(c->dims, dim_equal(c->dims, x->shape[d], one)),
                       "Squeeze without axes met a dim of 1 that was not known when compiling (fix "
                       "it with --dim)"))
      return false;
    Dim left = dim_select(c->dims, dropped[d], x->shape[d], one);
    if (!infer_require_equal(c, node, left, one, "a squeezed dim and 1")) return false;
  }
  for (; rank < x->rank - count; rank++)
    shape[rank] = kept_dim(c, x->shape, dropped, x->rank, rank);
  set_view(c, node, rank, shape);
  return true;
}

/* Dim d of the output is 1 where d is added, else the next one of the input. */
static bool infer_unsqueeze(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  DimPool *pool = c->dims;
  Dim shape[MAX_RANK], added[MAX_RANK], own = dim_const(pool, 0);
  const Dim *axes;
  int count;
  if (!read_axes(c, node, -MAX_RANK, MAX_RANK - 1, &axes, &count)) return false;
  int rank = x->rank + count;
  if (rank > MAX_RANK)
    return node_error(c, node, "a rank of %d is not supported (at most %d)", rank, MAX_RANK);
  if (!mark_axes(c, node, rank, axes, count, added)) return false;
  for (int d = 0; d < rank; d++) {
    Dim next = dim_const(pool, 1);
    for (int k = 0; k < x->rank; k++)
      next = dim_select(pool, dim_equal(pool, own, dim_const(pool, k)), x->shape[k], next);
    shape[d] = dim_select(pool, added[d], dim_const(pool, 1), next);
    own = dim_add(pool, own, dim_sub(pool, dim_const(pool, 1), added[d]));
  }
  set_view(c, node, rank, shape);
  return true;
}

DEFINE_OP(Squeeze) = {
    .name = "Squeeze", .flags = OP_KEEPS, .infer = infer_squeeze, .lower = lower_sized_view};
DEFINE_OP(Unsqueeze) = {
    .name = "Unsqueeze", .flags = OP_KEEPS, .infer = infer_unsqueeze, .lower = lower_sized_view};
