/* nms.c: NonMaxSuppression. The number of boxes that are kept is a data symbol; the kernel writes
 * to scratch memory that has room for as many as there can be, and the output is a copy of the rows
 * that it filled. */
#include "ops/content.h"
#include "ops/movement.h"

enum { NMS_BOXES, NMS_SCORES, NMS_MOST, NMS_LIMIT, NMS_THRESHOLD };

/* batch * classes * min(boxes, most of a class) */
static Dim nms_bound(Compilation *c, const Node *node) {
  const Value *scores = node_in(node, NMS_SCORES), *most = node_in(node, NMS_MOST);
  Dim rows = scores->shape[2];
  if (!most) return dim_const(c->dims, 0);
  const Dim *content = content_of(c, most);
  if (content && dim_range(content[0]).low >= 0) rows = dim_min(c->dims, rows, content[0]);
  return dim_mul(c->dims, dims_between(c, scores, 0, 2), rows);
}

static bool infer_nms(Compilation *c, Node *node) {
  const Value *boxes = node_in(node, NMS_BOXES), *scores = node_in(node, NMS_SCORES);
  Value *y = node_out(node, 0);
  if (boxes->rank != 3 || scores->rank != 3)
    return node_error(c, node, "boxes and scores must have rank 3");
  for (int i = NMS_MOST; i <= NMS_THRESHOLD; i++)
    if (node_in(node, i) && !dim_is(value_count(c, node_in(node, i)), 1))
      return node_error(c, node, "input %d must be a single number", i);
  if (!infer_require_equal(c, node, boxes->shape[0], scores->shape[0],
                           "the batches of boxes and scores") ||
      !infer_require_equal(c, node, boxes->shape[1], scores->shape[2],
                           "the boxes of boxes and scores") ||
      !infer_require_equal(c, node, boxes->shape[2], dim_const(c->dims, 4),
                           "the numbers of a box and 4"))
    return false;
  Dim bound = nms_bound(c, node);
  const Dim shape[] = {dim_is(bound, 0) ? bound : infer_data_dim(c, y, 0, bound),
                       dim_const(c->dims, 3)};
  value_set_type(c, y, DT_I64, 2, shape);
  return true;
}

static bool lower_nms(Lower *l, const Node *node) {
  const Value *scores = node_in(node, NMS_SCORES), *y = node_out(node, 0);
  Dim bound = nms_bound(l->c, node);
  if (dim_is_const(y->shape[0])) return lower_buffer(l, y) != NULL; /* nothing to write */
  Buffer *rows = lower_scratch(l, DT_I64, dim_muli(l->c->dims, bound, 3), "rows");
  Buffer *count = lower_scratch(l, DT_I64, dim_const(l->c->dims, 1), "count");
  Buffer *order = lower_scratch(l, DT_I64, scores->shape[2], "order");
  Step *step = lower_kernel(l, "nms", DT_NONE);
  for (int i = NMS_BOXES; i <= NMS_THRESHOLD; i++) arg_in(l, step, node_in(node, i));
  arg_buffer(l, step, order);
  arg_buffer(l, step, rows);
  arg_buffer(l, step, count);
  for (int d = 0; d < 3; d++) arg_dim(l, step, scores->shape[d]);
  arg_int(l, step, node_int(node, "center_point_box", 0));
  lower_define_element(l, dim_symbol(y->shape[0]), count, dim_const(l->c->dims, 0));
  lower_copy_buffer(l, lower_buffer(l, y), rows, value_count(l->c, y));
  return true;
}

DEFINE_OP(NonMaxSuppression) = {
    .name = "NonMaxSuppression", .infer = infer_nms, .lower = lower_nms};
