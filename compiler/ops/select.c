/* select.c: operators whose results have sizes that depend on data (NonZero, Compress, Unique), and
 * ReverseSequence.
 *
 * A size that depends on data is a data symbol: one step counts, the next ones write that many
 * elements.
 *
 *   y = NonZero(x[4, 5])   =>   count[0] = number of elements that are not 0;  n = count[0];  y[2,
 * n] = their coordinates */
#include "ops/content.h"
#include "ops/movement.h"

#include <inttypes.h>

extern const OpDef op_ConstantOfShape;

/* The symbol of a size that was made by infer_data_dim, or NULL if the size is known otherwise. */
static const DimSymbol *data_symbol(Dim dim) {
  const DimSymbol *symbol = dim_symbol(dim);
  return symbol && symbol->kind == SYMBOL_DATA ? symbol : NULL;
}

static Buffer *lower_counter(Lower *l) {
  return lower_scratch(l, DT_I64, dim_const(l->c->dims, 1), "count");
}

/* Counts the true ones among `n` flags and gives the symbol that number. */
static void lower_count(Lower *l, Buffer *flags, Dim n, const DimSymbol *symbol) {
  Buffer *count = lower_counter(l);
  Step *step = lower_kernel(l, "count_true", DT_NONE);
  arg_buffer(l, step, flags);
  arg_buffer(l, step, count);
  arg_dim(l, step, n);
  lower_define_element(l, symbol, count, dim_const(l->c->dims, 0));
}

/* --- NonZero --- */

/* Coordinates of the elements of a constant that are not 0: [rank, count]. */
static void constant_nonzero(Compilation *c, Value *y, const Tensor *x) {
  int64_t count = 0, stride[MAX_RANK], *data;
  void *memory;
  for (int64_t i = 0; i < x->count; i++) count += tensor_real(x, i) != 0;
  const int64_t dims[] = {x->rank, count};
  Tensor *result = tensor_create(c->arena, DT_I64, 2, dims, &memory);
  data = memory;
  const_strides(x->dims, x->rank, stride);
  for (int64_t i = 0, found = 0; i < x->count; i++) {
    if (tensor_real(x, i) == 0) continue;
    for (int d = 0; d < x->rank; d++) data[d * count + found] = i / stride[d] % x->dims[d];
    found++;
  }
  value_set_constant(c, y, result);
}

/* Whether all elements are known not to be 0: a shape filled with a number (exporters count with
 * NonZero of ones), or content. */
static bool has_no_zero(Compilation *c, const Value *x) {
  const Node *node = x->producer;
  if (node && node->op == &op_ConstantOfShape) {
    const Attr *value = node_attr(node, "value");
    return value && tensor_real(value->tensor, 0) != 0;
  }
  Dim total = value_count(c, x);
  const Dim *content = dim_is_const(total) ? content_of(c, x) : NULL;
  for (int64_t i = 0; content && i < dim_value(total); i++)
    if (dim_range(content[i]).low < 1) return false;
  return content != NULL;
}

static bool infer_nonzero(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Value *y = node_out(node, 0);
  if (!require_movable(c, node)) return false;
  if (dtype_info(x->dtype)->kind == KIND_OTHER)
    return node_error(c, node, "elements of type %s are not supported", dtype_info(x->dtype)->name);
  if (x->constant) {
    constant_nonzero(c, y, x->constant);
    return true;
  }
  Dim total = value_count(c, x);
  Dim count = has_no_zero(c, x) ? total : infer_data_dim(c, y, 1, total);
  const Dim shape[] = {dim_const(c->dims, x->rank), count};
  value_set_type(c, y, DT_I64, 2, shape);
  return true;
}

static bool lower_nonzero(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  Dim total = value_count(l->c, x);
  Buffer *flags = lower_converted(l, x, DT_BOOL);
  const DimSymbol *symbol = y->shape[1] == total ? NULL : data_symbol(y->shape[1]);
  if (symbol) lower_count(l, flags, total, symbol);
  Step *step = lower_kernel(l, "nonzero", DT_NONE);
  arg_buffer(l, step, flags);
  arg_out(l, step, y);
  arg_int(l, step, x->rank);
  arg_dims(l, step, x->shape, x->rank);
  arg_dim(l, step, y->shape[1]);
  return true;
}

DEFINE_OP(NonZero) = {.name = "NonZero", .infer = infer_nonzero, .lower = lower_nonzero};

/* --- Compress: y = x[condition] along an axis, or of all elements --- */

/* The input as [outer, n, inner]; without an axis [1, count, 1]. */
static bool compress_view(Compilation *c, const Node *node, Dim view[3], int *axis) {
  const Value *x = node_in(node, 0);
  const Attr *given = node_attr(node, "axis");
  *axis = -1;
  if (given && !infer_axis(c, node, given->i, x->rank, axis)) return false;
  view[0] = given ? dims_between(c, x, 0, *axis) : dim_const(c->dims, 1);
  view[1] = given ? x->shape[*axis] : value_count(c, x);
  view[2] = given ? dims_between(c, x, *axis + 1, x->rank) : dim_const(c->dims, 1);
  return true;
}

/* Elements of the axis that the condition, which may be shorter, can keep. */
static Dim compress_length(Compilation *c, const Node *node, const Dim view[3]) {
  return dim_min(c->dims, view[1], value_count(c, node_in(node, 1)));
}

static bool infer_compress(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *condition = node_in(node, 1);
  Value *y = node_out(node, 0);
  Dim view[3], shape[MAX_RANK];
  int axis;
  if (!require_movable(c, node) || !compress_view(c, node, view, &axis)) return false;
  if (condition->rank != 1) return node_error(c, node, "input 1 (condition) must have rank 1");
  Dim length = compress_length(c, node, view), kept;
  if (condition->constant && dim_is_const(length)) {
    int64_t count = 0;
    for (int64_t i = 0; i < dim_value(length); i++)
      count += tensor_int(condition->constant, i) != 0;
    kept = dim_const(c->dims, count);
  } else {
    kept = infer_data_dim(c, y, axis < 0 ? 0 : axis, length);
  }
  for (int d = 0; d < x->rank; d++) shape[d] = x->shape[d];
  shape[axis < 0 ? 0 : axis] = kept;
  value_set_type(c, y, x->dtype, axis < 0 ? 1 : x->rank, shape);
  return true;
}

static bool lower_compress(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *condition = node_in(node, 1), *y = node_out(node, 0);
  Dim view[3];
  int axis;
  if (!compress_view(l->c, node, view, &axis)) return false;
  Dim length = compress_length(l->c, node, view), kept = y->shape[axis < 0 ? 0 : axis];
  if (!dim_is_const(kept)) lower_count(l, lower_buffer(l, condition), length, data_symbol(kept));
  Step *step = lower_kernel(l, "compress", DT_NONE);
  arg_in(l, step, x);
  arg_in(l, step, condition);
  arg_out(l, step, y);
  for (int i = 0; i < 2; i++) arg_dim(l, step, view[i]);
  arg_dim(l, step, length);
  arg_dim(l, step, dim_muli(l->c->dims, view[2], element_bytes(x->dtype)));
  return true;
}

DEFINE_OP(Compress) = {.name = "Compress", .infer = infer_compress, .lower = lower_compress};

/* --- Unique --- */

enum { UNIQUE_Y, UNIQUE_FIRST, UNIQUE_INVERSE, UNIQUE_COUNTS };

static bool infer_unique(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Dim view[3], shape[MAX_RANK];
  int axis;
  if (!require_movable(c, node) || !compress_view(c, node, view, &axis)) return false;
  if (dtype_info(x->dtype)->kind == KIND_OTHER)
    return node_error(c, node, "elements of type %s are not supported", dtype_info(x->dtype)->name);
  int at = axis < 0 ? 0 : axis;
  Value *named = node_out(node, UNIQUE_Y);
  for (int i = UNIQUE_FIRST; i <= UNIQUE_COUNTS && !named; i++)
    if (i != UNIQUE_INVERSE) named = node_out(node, i);
  Dim count = named ? infer_data_dim(c, named, named == node_out(node, UNIQUE_Y) ? at : 0, view[1])
                    : view[1];
  for (int d = 0; d < x->rank; d++) shape[d] = x->shape[d];
  shape[at] = count;
  if (node_out(node, UNIQUE_Y))
    value_set_type(c, node_out(node, UNIQUE_Y), x->dtype, axis < 0 ? 1 : x->rank, shape);
  for (int i = UNIQUE_FIRST; i <= UNIQUE_COUNTS; i++)
    if (node_out(node, i))
      value_set_type(c, node_out(node, i), DT_I64, 1, i == UNIQUE_INVERSE ? &view[1] : &count);
  return true;
}

/* `out` = the first elements of `from`, as many as it has. */
static void copy_head(Lower *l, const Value *out, Buffer *from) {
  if (out) lower_copy_buffer(l, lower_buffer(l, out), from, value_count(l->c, out));
}

/* y = the columns of x [outer, n, inner] that stand first. */
static void lower_unique_columns(Lower *l, const Node *node, const Dim view[3], Buffer *first,
                                 Dim found) {
  const Value *x = node_in(node, 0);
  Step *step = lower_kernel(l, "gather", DT_I64);
  arg_in(l, step, x);
  arg_buffer(l, step, first);
  arg_out(l, step, node_out(node, UNIQUE_Y));
  arg_dim(l, step, view[0]);
  arg_dim(l, step, view[1]);
  arg_dim(l, step, found);
  arg_dim(l, step, dim_muli(l->c->dims, view[2], element_bytes(x->dtype)));
}

/* The number of different columns: the dim of an output that has one, or NULL. */
static Dim unique_found(const Node *node, int axis) {
  const Value *y = node_out(node, UNIQUE_Y), *first = node_out(node, UNIQUE_FIRST),
              *counts = node_out(node, UNIQUE_COUNTS);
  if (y) return y->shape[axis < 0 ? 0 : axis];
  return first ? first->shape[0] : counts ? counts->shape[0] : NULL;
}

static bool lower_unique(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *places = node_out(node, UNIQUE_INVERSE);
  DType dtype = x->dtype == DT_BOOL ? DT_U8 : compute_dtype(x->dtype);
  Dim view[3];
  int axis;
  if (!compress_view(l->c, node, view, &axis)) return false;
  Buffer *data = lower_converted(l, x, dtype), *count = lower_counter(l);
  Buffer *order = lower_scratch(l, DT_I64, view[1], "order");
  Buffer *first = lower_scratch(l, DT_I64, view[1], "first");
  Buffer *counts = lower_scratch(l, DT_I64, view[1], "counts");
  Buffer *inverse = lower_wanted(l, places, DT_I64, view[1], "inverse");
  Step *step = lower_kernel(l, "unique", dtype);
  Buffer *const buffers[] = {data, order, first, inverse, counts, count};
  for (int i = 0; i < 6; i++) arg_buffer(l, step, buffers[i]);
  for (int i = 0; i < 3; i++) arg_dim(l, step, view[i]);
  arg_int(l, step, node_int(node, "sorted", 1));
  Dim found = unique_found(node, axis);
  if (!found) return true;
  lower_define_element(l, data_symbol(found), count, dim_const(l->c->dims, 0));
  copy_head(l, node_out(node, UNIQUE_FIRST), first);
  copy_head(l, node_out(node, UNIQUE_COUNTS), counts);
  if (node_out(node, UNIQUE_Y)) lower_unique_columns(l, node, view, first, found);
  return true;
}

DEFINE_OP(Unique) = {.name = "Unique", .infer = infer_unique, .lower = lower_unique};

/* --- ReverseSequence: the first length[b] steps of each sequence b in reverse order --- */

static bool infer_reverse_sequence(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *lengths = node_in(node, 1);
  int64_t batch = node_int(node, "batch_axis", 1), time = node_int(node, "time_axis", 0);
  if (!require_movable(c, node)) return false;
  if (x->rank < 2 || lengths->rank != 1)
    return node_error(c, node, "the input must have rank 2 or more, the lengths rank 1");
  if (batch < 0 || batch > 1 || time < 0 || time > 1 || batch == time)
    return node_error(c, node, "batch_axis and time_axis must be 0 and 1 or 1 and 0");
  if (!infer_require_equal(c, node, x->shape[batch], lengths->shape[0],
                           "the size of batch_axis and the number of lengths"))
    return false;
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, x->shape);
  return true;
}

static bool lower_reverse_sequence(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0);
  int batch = (int)node_int(node, "batch_axis", 1), time = 1 - batch;
  Dim block = dim_muli(l->c->dims, dims_between(l->c, x, 2, x->rank), element_bytes(x->dtype));
  Step *step = lower_kernel(l, "reverse_sequence", DT_NONE);
  arg_in(l, step, x);
  arg_in(l, step, node_in(node, 1));
  arg_out(l, step, node_out(node, 0));
  arg_dim(l, step, x->shape[batch]);
  arg_dim(l, step, x->shape[time]);
  arg_dim(l, step, batch == 0 ? dim_mul(l->c->dims, x->shape[1], block) : block);
  arg_dim(l, step, batch == 0 ? block : dim_mul(l->c->dims, x->shape[1], block));
  arg_dim(l, step, block);
  return true;
}

DEFINE_OP(ReverseSequence) = {
    .name = "ReverseSequence", .infer = infer_reverse_sequence, .lower = lower_reverse_sequence};
