/* sort.c: TopK: the k largest or smallest elements along an axis, and their indices.
 *
 * They always come sorted (so that `sorted` = 0 needs nothing of its own), equal ones by index. k
 * may be known at run time only; it then is a data symbol that the axis bounds. */
#include "ops/axis.h"
#include "ops/elementwise.h"
#include "ops/op.h"

#include <inttypes.h>

/* Whether k is an element that is read from the input K itself when the program runs. */
static bool is_loaded(const Node *node, Dim k) {
  const Value *value = node_in(node, 1);
  for (size_t i = 0; value && i < value->loads.count; i++)
    if (value->loads.items[i].symbol == k) return true;
  return false;
}

/* k is never more than the axis is long. A k that is read here gets that as its bound, so that
 * memory is planned for it, and a check of its own (see check_loaded); of any other k it is checked
 * if it is not known. */
static void bound_k(Compilation *c, Node *node, Dim k, Dim n) {
  if (is_loaded(node, k) && !dim_mentions(n, dim_symbol(k))) {
    DimSymbol *symbol = dim_symbol_at(c->dims, (size_t)dim_symbol(k)->index);
    if (!symbol->bound) symbol->bound = n;
  }
  NodeCheck check = {dim_not(c->dims, dim_less(c->dims, n, k)),
                     "k of TopK is larger than the axis"};
  if (!dim_known_ge(c->dims, n, k)) vec_push(c->arena, &node->checks, check);
}

/* The number that is read must keep to the bound. It is read into another symbol here: the bound is
 * known of k itself, so that a condition on k would be simplified away. */
static void check_loaded(Lower *l, const Node *node, Dim n) {
  Dim given = dim_data(l->c->dims, "k", 0, INT64_MAX, NULL);
  lower_define_element(l, dim_symbol(given), lower_buffer(l, node_in(node, 1)),
                       dim_const(l->c->dims, 0));
  lower_check(l, dim_not(l->c->dims, dim_less(l->c->dims, n, given)),
              "k of TopK is larger than the axis");
}

/* k as an expression, from the attribute (opset 1) or the input. */
static bool topk_count(Compilation *c, const Node *node, Dim *k) {
  const Attr *attr = node_attr(node, "k");
  const Dim *elements;
  int count;
  if (attr) return *k = dim_const(c->dims, attr->i), true;
  if (!node_in(node, 1)) return node_error(c, node, "k is missing");
  if (!infer_elements(c, node, 1, 0, INT64_MAX, &elements, &count)) return false;
  if (count != 1) return node_error(c, node, "k must be a single number");
  *k = elements[0];
  return true;
}

static bool infer_topk(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Dim k = NULL, shape[MAX_RANK];
  int axis;
  if (elementwise_dtype("topk", x->dtype) == DT_NONE)
    return node_error(c, node, "elements of type %s are not supported", dtype_info(x->dtype)->name);
  if (!infer_axis(c, node, node_int(node, "axis", -1), x->rank, &axis) || !topk_count(c, node, &k))
    return false;
  Dim n = x->shape[axis];
  if (dim_is_const(k) && dim_is_const(n) && dim_value(k) > dim_value(n))
    return node_error(c, node, "k is %" PRId64 ", but axis %d has %" PRId64 " elements",
                      dim_value(k), axis, dim_value(n));
  if (dim_is_const(k) && dim_value(k) < 0) return node_error(c, node, "k is negative");
  bound_k(c, node, k, n);
  for (int i = 0; i < x->rank; i++) shape[i] = i == axis ? k : x->shape[i];
  if (node_out(node, 0)) value_set_type(c, node_out(node, 0), x->dtype, x->rank, shape);
  if (node_out(node, 1)) value_set_type(c, node_out(node, 1), DT_I64, x->rank, shape);
  return true;
}

/* Where the kernel writes one of its outputs: it needs both, also if one is not asked for. */
static Buffer *sorted_output(Lower *l, const Value *value, const Value *like, DType dtype) {
  if (value) return compute_output(l, value, dtype);
  return lower_scratch(l, dtype, value_count(l->c, like), like->name);
}

static bool lower_topk(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *values = node_out(node, 0), *indices = node_out(node, 1);
  const Value *shaped = values ? values : indices;
  int axis;
  if (!infer_axis(l->c, node, node_int(node, "axis", -1), x->rank, &axis)) return false;
  DType dtype = elementwise_dtype("topk", x->dtype);
  Buffer *from = compute_input(l, x, dtype), *to = sorted_output(l, values, shaped, dtype);
  Buffer *positions = sorted_output(l, indices, shaped, DT_I64);
  if (is_loaded(node, shaped->shape[axis])) check_loaded(l, node, x->shape[axis]);
  Step *step = lower_kernel(l, "topk", dtype);
  arg_buffer(l, step, from);
  arg_buffer(l, step, to);
  arg_buffer(l, step, positions);
  arg_axis_view(l, step, axis_view(l->c, x->rank, x->shape, axis, axis + 1));
  arg_dim(l, step, shaped->shape[axis]);
  arg_int(l, step, node_int(node, "largest", 1));
  compute_done(l, values, to);
  return true;
}

DEFINE_OP(TopK) = {.name = "TopK", .infer = infer_topk, .lower = lower_topk};
