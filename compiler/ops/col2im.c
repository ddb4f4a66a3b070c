/* col2im.c: Col2Im: an image as the sum of its sliding blocks.
 *
 *   x [N, C * 2 * 2, 9], image_shape [4, 4], block_shape [2, 2]   =>   y [N, C, 4, 4], one kernel
 * call */
#include "ops/elementwise.h"
#include "ops/movement.h"

typedef struct {
  int rank; /* of the image */
  const Dim *image, *block;
  Dim stride[MAX_RANK], dilation[MAX_RANK], pad[MAX_RANK];
  Dim count[MAX_RANK]; /* places of the block along each axis */
} Blocks;

/* The attribute's entry, or `missing`. */
static bool attr_entries(Compilation *c, const Node *node, const char *name, int count,
                         int64_t missing, Dim *entries) {
  size_t listed;
  const int64_t *given = node_ints(node, name, &listed);
  if (given && (int)listed != count)
    return node_error(c, node, "attribute '%s' has %zu entries instead of %d", name, listed, count);
  for (int i = 0; i < count; i++) entries[i] = dim_const(c->dims, given ? given[i] : missing);
  return true;
}

/* count = (image + pads - dilation * (block - 1) - 1) / stride + 1 */
static bool read_blocks(Compilation *c, const Node *node, Blocks *blocks) {
  DimPool *pool = c->dims;
  Dim pads[2 * MAX_RANK];
  int block_rank;
  if (!infer_elements(c, node, 1, 0, INT64_MAX, &blocks->image, &blocks->rank) ||
      !infer_elements(c, node, 2, 1, INT64_MAX, &blocks->block, &block_rank))
    return false;
  if (blocks->rank != block_rank || blocks->rank + 2 > MAX_RANK)
    return node_error(c, node, "image_shape and block_shape must have the same length, at most %d",
                      MAX_RANK - 2);
  if (!attr_entries(c, node, "strides", block_rank, 1, blocks->stride) ||
      !attr_entries(c, node, "dilations", block_rank, 1, blocks->dilation) ||
      !attr_entries(c, node, "pads", 2 * block_rank, 0, pads))
    return false;
  for (int d = 0; d < block_rank; d++) {
    Dim padded = dim_add(pool, blocks->image[d], dim_add(pool, pads[d], pads[d + block_rank]));
    Dim reach = dim_mul(pool, blocks->dilation[d], dim_addi(pool, blocks->block[d], -1));
    Dim room = dim_addi(pool, dim_sub(pool, padded, reach), -1);
    blocks->count[d] = dim_addi(pool, dim_floordiv(pool, room, blocks->stride[d]), 1);
    blocks->pad[d] = pads[d];
  }
  return true;
}

static bool infer_col2im(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Blocks blocks;
  Dim shape[MAX_RANK];
  if (x->rank != 3) return node_error(c, node, "the input must have rank 3");
  if (elementwise_dtype("col2im", x->dtype) == DT_NONE)
    return node_error(c, node, "elements of type %s are not supported", dtype_info(x->dtype)->name);
  if (!read_blocks(c, node, &blocks)) return false;
  Dim taps = dim_product(c->dims, blocks.block, (size_t)blocks.rank);
  shape[0] = x->shape[0];
  Dim channels = dim_floordiv(c->dims, x->shape[1], taps);
  shape[1] = infer_own_dim(c, node, node_out(node, 0), 1, channels, x->shape[1]);
  for (int d = 0; d < blocks.rank; d++) shape[2 + d] = blocks.image[d];
  value_set_type(c, node_out(node, 0), x->dtype, blocks.rank + 2, shape);
  return infer_require_equal(c, node, x->shape[1], dim_mul(c->dims, channels, taps),
                             "the channels of the input and a multiple of the block's size") &&
         infer_require_equal(c, node, x->shape[2],
                             dim_product(c->dims, blocks.count, (size_t)blocks.rank),
                             "the blocks of the input and those that fit into the image");
}

static bool lower_col2im(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  DType dtype = elementwise_dtype("col2im", x->dtype);
  Blocks blocks;
  if (!read_blocks(l->c, node, &blocks)) return false;
  lower_own_dims(l, y);
  Buffer *in = compute_input(l, x, dtype), *out = compute_output(l, y, dtype);
  Step *step = lower_kernel(l, "col2im", dtype);
  arg_buffer(l, step, in);
  arg_buffer(l, step, out);
  arg_dim(l, step, dims_between(l->c, y, 0, 2));
  arg_int(l, step, blocks.rank);
  arg_dims(l, step, blocks.image, blocks.rank);
  arg_dims(l, step, blocks.block, blocks.rank);
  arg_dims(l, step, blocks.count, blocks.rank);
  arg_dims(l, step, blocks.stride, blocks.rank);
  arg_dims(l, step, blocks.dilation, blocks.rank);
  arg_dims(l, step, blocks.pad, blocks.rank);
  compute_done(l, y, out);
  return true;
}

DEFINE_OP(Col2Im) = {.name = "Col2Im", .infer = infer_col2im, .lower = lower_col2im};
