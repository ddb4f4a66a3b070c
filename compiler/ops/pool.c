/* pool.c: MaxPool, AveragePool, LpPool, the pools over whole planes, and MaxUnpool.
 *
 * x [n, channels, spatial…] is seen as n * channels planes. */
#include "ops/pool.h"

#include "ops/movement.h"

#include <string.h>

static Dim plane_count(Compilation *c, const Value *x) {
  return shape_product(c, x, 0, 2);
}

/* --- pools with windows --- */

bool pool_read(Compilation *c, const Node *node, Window *w) {
  Dim kernel[SPATIAL_AXES];
  const Value *x = node_in(node, 0);
  WindowKind kind = node_int(node, "ceil_mode", 0) ? WINDOW_CEIL : WINDOW_FLOOR;
  return window_kernel_attr(c, node, x, kernel) && window_read(c, node, x, kernel, kind, w);
}

static bool infer_pool(Compilation *c, Node *node) {
  Window w;
  const Value *x = node_in(node, 0);
  if (!pool_read(c, node, &w)) return false;
  window_set_output(c, node, 0, x->dtype, x->shape[0], x->shape[1], &w);
  window_set_output(c, node, 1, DT_I64, x->shape[0], x->shape[1], &w);
  return true;
}

static bool infer_float_pool(Compilation *c, Node *node) {
  return require_float(c, node, node_in(node, 0)) && infer_pool(c, node);
}

/* The dtype in which the largest element is looked for. */
static DType max_dtype(DType dtype) {
  return dtype == DT_I8 || dtype == DT_U8 ? dtype : compute_dtype(dtype);
}

static bool lower_max_pool(Lower *l, const Node *node) {
  Window w;
  const Value *x = node_in(node, 0), *y = node_out(node, 0), *indices = node_out(node, 1);
  DType dtype = max_dtype(x->dtype);
  if (!pool_read(l->c, node, &w)) return false;
  Buffer *in = compute_input(l, x, dtype), *out = compute_output(l, y, dtype);
  Step *step = lower_kernel(l, indices ? "max_pool_indices" : "max_pool", dtype);
  arg_buffer(l, step, in);
  arg_buffer(l, step, out);
  if (indices) arg_out(l, step, indices);
  arg_dim(l, step, plane_count(l->c, x));
  if (indices) arg_int(l, step, node_int(node, "storage_order", 0));
  window_args(l, step, &w);
  compute_done(l, y, out);
  return true;
}

/* A step of a float kernel (const T *x, T *y, ctc_dim planes, …); finish with compute_done. */
static Step *plane_kernel(Lower *l, const Node *node, const char *stem, Buffer **out) {
  const Value *x = node_in(node, 0);
  DType dtype = compute_dtype(x->dtype);
  Buffer *in = compute_input(l, x, dtype);
  *out = compute_output(l, node_out(node, 0), dtype);
  Step *step = lower_kernel(l, stem, dtype);
  arg_buffer(l, step, in);
  arg_buffer(l, step, *out);
  arg_dim(l, step, plane_count(l->c, x));
  return step;
}

static bool lower_average_pool(Lower *l, const Node *node) {
  Window w;
  Buffer *out;
  if (!pool_read(l->c, node, &w)) return false;
  Step *step = plane_kernel(l, node, "average_pool", &out);
  arg_int(l, step, node_int(node, "count_include_pad", 0));
  window_args(l, step, &w);
  arg_dims(l, step, w.pad_end, SPATIAL_AXES);
  compute_done(l, node_out(node, 0), out);
  return true;
}

/* Attribute p: a float in opset 1, an integer since. */
static double norm_order(const Node *node) {
  const Attr *attr = node_attr(node, "p");
  if (!attr) return 2;
  return attr->kind == ATTR_FLOAT ? (double)attr->f : (double)attr->i;
}

static bool lower_lp_pool(Lower *l, const Node *node) {
  Window w;
  Buffer *out;
  if (!pool_read(l->c, node, &w)) return false;
  Step *step = plane_kernel(l, node, "lp_pool", &out);
  arg_real(l, step, norm_order(node));
  window_args(l, step, &w);
  compute_done(l, node_out(node, 0), out);
  return true;
}

/* --- pools over whole planes --- */

static bool infer_global_pool(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Dim shape[MAX_RANK];
  if (!require_float(c, node, x)) return false;
  if (x->rank < 2)
    return node_error(c, node, "the input must have rank 2 or more, not %d", x->rank);
  for (int i = 0; i < x->rank; i++) shape[i] = i < 2 ? x->shape[i] : dim_const(c->dims, 1);
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, shape);
  return true;
}

static bool lower_global_pool(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0);
  Buffer *out;
  Step *step = plane_kernel(l, node, node->op->row, &out);
  arg_dim(l, step, shape_product(l->c, x, 2, x->rank));
  if (strcmp(node->op->row, "global_lp_pool") == 0) arg_real(l, step, norm_order(node));
  compute_done(l, node_out(node, 0), out);
  return true;
}

/* --- MaxUnpool --- */

/* The planes before pooling: (in - 1) * stride + kernel - pads. */
static bool read_unpool(Compilation *c, const Node *node, Window *w) {
  Dim kernel[SPATIAL_AXES];
  const Value *x = node_in(node, 0);
  return window_kernel_attr(c, node, x, kernel) &&
         window_read(c, node, x, kernel, WINDOW_TRANSPOSE, w);
}

/* Input output_shape, if it is there, gives the size instead; it must hold the planes. */
static bool infer_max_unpool(Compilation *c, Node *node) {
  Window w;
  const Dim *shape;
  int count;
  const Value *x = node_in(node, 0);
  if (!require_float(c, node, x) || !read_unpool(c, node, &w)) return false;
  window_set_output(c, node, 0, x->dtype, x->shape[0], x->shape[1], &w);
  if (!node_in(node, 2)) return true;
  if (!infer_elements(c, node, 2, 0, INT64_MAX, &shape, &count)) return false;
  if (count != x->rank)
    return node_error(c, node, "output_shape has %d numbers, but the input has rank %d", count,
                      x->rank);
  for (int i = 0; i < count; i++) {
    Dim fits = dim_not(c->dims, dim_less(c->dims, shape[i], node_out(node, 0)->shape[i]));
    NodeCheck check = {fits, "output_shape must hold the unpooled planes"};
    if (dim_is(fits, 0)) return node_error(c, node, "%s", check.what);
    if (!dim_is(fits, 1)) vec_push(c->arena, &node->checks, check);
  }
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, shape);
  return true;
}

/* y = planes in its corner, 0 elsewhere. */
static void lower_corner(Lower *l, const Value *y, Buffer *planes, const Dim *shape) {
  Dim from[MAX_RANK], to[MAX_RANK];
  nest_strides(l->c, y->rank, shape, from);
  nest_strides(l->c, y->rank, y->shape, to);
  lower_fill(l, y, 0);
  LoopNest *copy = lower_nest(l, y->rank, shape);
  Operand element = nest_cast(l, copy, nest_load_at(l, copy, planes, NULL, from), y->dtype);
  nest_store_at(l, copy, lower_buffer(l, y), NULL, to, element);
}

/* The indices are offsets in the unpooled planes, whatever output_shape says. */
static bool lower_max_unpool(Lower *l, const Node *node) {
  Window w;
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  if (!read_unpool(l->c, node, &w)) return false;
  Dim shape[2 + SPATIAL_AXES] = {x->shape[0], x->shape[1]};
  for (int i = 0; i < w.axes; i++) shape[2 + i] = w.out[SPATIAL_AXES - w.axes + i];
  Dim size = dim_product(l->c->dims, shape, (size_t)x->rank);
  DType dtype = compute_dtype(x->dtype);
  bool direct = !node_in(node, 2) && y->dtype == dtype;
  Buffer *in = compute_input(l, x, dtype);
  Buffer *out = direct ? lower_buffer(l, y) : lower_scratch(l, dtype, size, "unpooled planes");
  Step *step = lower_kernel(l, "max_unpool", dtype);
  arg_buffer(l, step, in);
  arg_in(l, step, node_in(node, 1));
  arg_buffer(l, step, out);
  arg_dim(l, step, value_count(l->c, x));
  arg_dim(l, step, size);
  if (!direct) lower_corner(l, y, out, shape);
  return true;
}

DEFINE_OP(MaxPool) = {.name = "MaxPool",
                      .infer = infer_pool,
                      .lower = lower_max_pool,
                      .blocked = blocked_pool_use,
                      .lower_blocked = blocked_max_pool_lower};
DEFINE_OP(AveragePool) = {.name = "AveragePool",
                          .infer = infer_float_pool,
                          .lower = lower_average_pool,
                          .blocked = blocked_pool_use,
                          .lower_blocked = blocked_average_pool_lower};
DEFINE_OP(LpPool) = {.name = "LpPool", .infer = infer_float_pool, .lower = lower_lp_pool};
DEFINE_OP(GlobalAveragePool) = {.name = "GlobalAveragePool",
                                .infer = infer_global_pool,
                                .lower = lower_global_pool,
                                .row = "global_average_pool",
                                .blocked = blocked_pool_use,
                                .lower_blocked = blocked_global_pool_lower};
DEFINE_OP(GlobalMaxPool) = {.name = "GlobalMaxPool",
                            .infer = infer_global_pool,
                            .lower = lower_global_pool,
                            .row = "global_max_pool",
                            .blocked = blocked_pool_use,
                            .lower_blocked = blocked_global_pool_lower};
DEFINE_OP(GlobalLpPool) = {.name = "GlobalLpPool",
                           .infer = infer_global_pool,
                           .lower = lower_global_pool,
                           .row = "global_lp_pool"};
DEFINE_OP(MaxUnpool) = {.name = "MaxUnpool", .infer = infer_max_unpool, .lower = lower_max_unpool};
