/* softmax.c: Softmax, LogSoftmax, Hardmax.
 *
 * Since opset 13 along one axis; before that, the axes from `axis` on are taken together:
 *
 *   Softmax-11 of x[2, 3, 4] with axis = 1   =>   ctc_softmax_f32(x, y, outer = 2, n = 12, inner =
 * 1) */
#include "ops/axis.h"
#include "ops/elementwise.h"
#include "ops/op.h"

/* What rows of the table differ in. */
typedef struct {
  const char *stem;
  const char *narrow; /* of the kernel for 16-bit floats, whose steps are rounded; NULL: none */
} Row;

static bool softmax_view(Compilation *c, const Node *node, AxisView *view) {
  const Value *x = node_in(node, 0);
  bool single = node->version >= 13;
  int axis = 0;
  bool scalar = x->rank == 0; /* taken as one row of one element */
  int64_t given = node_int(node, "axis", single ? -1 : 1);
  bool all_outer = !single && given == x->rank; /* [all, 1] */
  if (!scalar && !all_outer && !infer_axis(c, node, given, x->rank, &axis)) return false;
  if (all_outer) axis = x->rank;
  int end = single && !scalar ? axis + 1 : x->rank;
  *view = axis_view(c, x->rank, x->shape, axis, end);
  return true;
}

static bool infer_softmax(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  AxisView view;
  if (!dtype_is_float(x->dtype))
    return node_error(c, node, "elements of type %s are not supported", dtype_info(x->dtype)->name);
  if (!softmax_view(c, node, &view)) return false;
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, x->shape);
  return true;
}

/* Binary digits of a 16-bit float. */
static int digits_of(DType dtype) {
  return dtype == DT_F16 ? 11 : 8;
}

static bool lower_softmax(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  const Row *row = node->op->row;
  AxisView view;
  if (!softmax_view(l->c, node, &view)) return false;
  DType dtype = elementwise_dtype(row->stem, x->dtype);
  bool narrow = row->narrow && (x->dtype == DT_F16 || x->dtype == DT_BF16);
  Buffer *from = compute_input(l, x, dtype), *to = compute_output(l, y, dtype);
  Step *step = lower_kernel(l, narrow ? row->narrow : row->stem, dtype);
  arg_buffer(l, step, from);
  arg_buffer(l, step, to);
  arg_axis_view(l, step, view);
  if (narrow) arg_int(l, step, digits_of(x->dtype));
  step_units(step, axis_units(l->c, view));
  compute_done(l, y, to);
  return true;
}

static const Row row_softmax = {"softmax", "softmax_narrow"}, row_logsoftmax = {"logsoftmax", NULL},
                 row_hardmax = {"hardmax", NULL};

DEFINE_OP(Softmax) = {
    .name = "Softmax", .infer = infer_softmax, .lower = lower_softmax, .row = &row_softmax};
DEFINE_OP(LogSoftmax) = {
    .name = "LogSoftmax", .infer = infer_softmax, .lower = lower_softmax, .row = &row_logsoftmax};
DEFINE_OP(Hardmax) = {
    .name = "Hardmax", .infer = infer_softmax, .lower = lower_softmax, .row = &row_hardmax};
