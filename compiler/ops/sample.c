/* sample.c: operators that read images at positions that are data: GridSample, RoiAlign,
 * MaxRoiPool. */
#include "ops/spatial.h"

#include <string.h>

/* --- GridSample --- */

/* Names of opset 16 (bilinear, bicubic) and 20 (linear, cubic). */
static const char *const grid_modes[] = {"nearest", "linear", "cubic", NULL};
static const char *const old_grid_modes[] = {"nearest", "bilinear", "bicubic", NULL};
static const char *const padding_names[] = {"zeros", "border", "reflection", NULL};

static bool read_grid_modes(Compilation *c, const Node *node, int *mode, int *padding) {
  bool old = node->version < 20 || strncmp(node_string(node, "mode", ""), "bi", 2) == 0;
  return read_name(c, node, "mode", old ? "bilinear" : "linear", old ? old_grid_modes : grid_modes,
                   mode) &&
         read_name(c, node, "padding_mode", "zeros", padding_names, padding);
}

static bool infer_grid_sample(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *grid = node_in(node, 1);
  Dim shape[5];
  int mode, padding;
  if (!require_float(c, node, x) || !read_grid_modes(c, node, &mode, &padding)) return false;
  if ((x->rank != 4 && x->rank != 5) || grid->rank != x->rank)
    return node_error(c, node, "input and grid must both have rank 4 or 5");
  if (!infer_require_equal(c, node, x->shape[0], grid->shape[0],
                           "batches of the input and of the grid") ||
      !infer_require_equal(c, node, grid->shape[x->rank - 1], dim_const(c->dims, x->rank - 2),
                           "the grid's coordinates and the spatial axes"))
    return false;
  for (int i = 0; i < x->rank; i++) shape[i] = i < 2 ? x->shape[i] : grid->shape[i - 1];
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, shape);
  return true;
}

static bool lower_grid_sample(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *grid = node_in(node, 1), *y = node_out(node, 0);
  DType dtype = compute_dtype(x->dtype);
  Dim one = dim_const(l->c->dims, 1);
  Dim in[SPATIAL_AXES] = {one, one, one}, out[SPATIAL_AXES] = {one, one, one};
  int mode, padding, axes = x->rank - 2;
  if (!read_grid_modes(l->c, node, &mode, &padding)) return false;
  for (int i = 0; i < axes; i++) {
    in[SPATIAL_AXES - axes + i] = x->shape[2 + i];
    out[SPATIAL_AXES - axes + i] = grid->shape[1 + i];
  }
  Buffer *data = compute_input(l, x, dtype), *points = compute_input(l, grid, dtype);
  Buffer *result = compute_output(l, y, dtype);
  Step *step = lower_kernel(l, "grid_sample", dtype);
  arg_buffer(l, step, data);
  arg_buffer(l, step, points);
  arg_buffer(l, step, result);
  arg_dim(l, step, x->shape[0]);
  arg_dim(l, step, x->shape[1]);
  arg_int(l, step, axes);
  arg_int(l, step, mode);
  arg_int(l, step, padding);
  arg_int(l, step, node_int(node, "align_corners", 0));
  arg_real(l, step, -0.75);
  arg_dims(l, step, in, SPATIAL_AXES);
  arg_dims(l, step, out, SPATIAL_AXES);
  compute_done(l, y, result);
  return true;
}

/* --- RoiAlign --- */

static const char *const roi_modes[] = {"avg", "max", NULL};
static const char *const roi_coordinates[] = {"output_half_pixel", "half_pixel", NULL};

static bool read_roi_modes(Compilation *c, const Node *node, int *mode, int *coordinate) {
  const char *missing = node->version < 16 ? "output_half_pixel" : "half_pixel";
  return read_name(c, node, "mode", "avg", roi_modes, mode) &&
         read_name(c, node, "coordinate_transformation_mode", missing, roi_coordinates, coordinate);
}

static bool infer_roi_align(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *rois = node_in(node, 1), *images = node_in(node, 2);
  int mode, coordinate;
  if (!require_float(c, node, x) || !read_roi_modes(c, node, &mode, &coordinate)) return false;
  if (x->rank != 4 || rois->rank != 2 || images->rank != 1)
    return node_error(c, node, "the input must have rank 4, the rois rank 2, their images rank 1");
  if (!infer_require_equal(c, node, rois->shape[1], dim_const(c->dims, 4),
                           "numbers of a roi and 4") ||
      !infer_require_equal(c, node, rois->shape[0], images->shape[0], "rois and images"))
    return false;
  Dim shape[4] = {rois->shape[0], x->shape[1],
                  dim_const(c->dims, node_int(node, "output_height", 1)),
                  dim_const(c->dims, node_int(node, "output_width", 1))};
  value_set_type(c, node_out(node, 0), x->dtype, 4, shape);
  return true;
}

static bool lower_roi_align(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *rois = node_in(node, 1), *y = node_out(node, 0);
  DType dtype = compute_dtype(x->dtype);
  int mode, coordinate;
  if (!read_roi_modes(l->c, node, &mode, &coordinate)) return false;
  Buffer *data = compute_input(l, x, dtype), *boxes = compute_input(l, rois, dtype);
  Buffer *images = compute_input(l, node_in(node, 2), DT_I64), *out = compute_output(l, y, dtype);
  Step *step = lower_kernel(l, "roi_align", dtype);
  arg_buffer(l, step, data);
  arg_buffer(l, step, boxes);
  arg_buffer(l, step, images);
  arg_buffer(l, step, out);
  for (int i = 0; i < 4; i++) arg_dim(l, step, x->shape[i]);
  arg_dim(l, step, rois->shape[0]);
  arg_dim(l, step, y->shape[2]);
  arg_dim(l, step, y->shape[3]);
  arg_int(l, step, node_int(node, "sampling_ratio", 0));
  arg_int(l, step, mode);
  arg_int(l, step, coordinate);
  arg_real(l, step, (double)node_float(node, "spatial_scale", 1.0f));
  compute_done(l, y, out);
  return true;
}

/* --- MaxRoiPool --- */

static bool read_pooled_shape(Compilation *c, const Node *node, const int64_t **shape) {
  size_t count;
  *shape = node_ints(node, "pooled_shape", &count);
  return (*shape && count == 2 && (*shape)[0] > 0 && (*shape)[1] > 0) ||
         node_error(c, node, "attribute 'pooled_shape' must hold two positive sizes");
}

static bool infer_max_roi_pool(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *rois = node_in(node, 1);
  const int64_t *pooled;
  if (!require_float(c, node, x) || !read_pooled_shape(c, node, &pooled)) return false;
  if (x->rank != 4 || rois->rank != 2)
    return node_error(c, node, "the input must have rank 4, the rois rank 2");
  if (!infer_require_equal(c, node, rois->shape[1], dim_const(c->dims, 5),
                           "numbers of a roi and 5"))
    return false;
  Dim shape[4] = {rois->shape[0], x->shape[1], dim_const(c->dims, pooled[0]),
                  dim_const(c->dims, pooled[1])};
  value_set_type(c, node_out(node, 0), x->dtype, 4, shape);
  return true;
}

static bool lower_max_roi_pool(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *rois = node_in(node, 1), *y = node_out(node, 0);
  DType dtype = compute_dtype(x->dtype);
  Buffer *data = compute_input(l, x, dtype), *boxes = compute_input(l, rois, dtype);
  Buffer *out = compute_output(l, y, dtype);
  Step *step = lower_kernel(l, "max_roi_pool", dtype);
  arg_buffer(l, step, data);
  arg_buffer(l, step, boxes);
  arg_buffer(l, step, out);
  for (int i = 0; i < 4; i++) arg_dim(l, step, x->shape[i]);
  arg_dim(l, step, rois->shape[0]);
  arg_dim(l, step, y->shape[2]);
  arg_dim(l, step, y->shape[3]);
  arg_real(l, step, (double)node_float(node, "spatial_scale", 1.0f));
  compute_done(l, y, out);
  return true;
}

DEFINE_OP(GridSample) = {
    .name = "GridSample", .infer = infer_grid_sample, .lower = lower_grid_sample};
DEFINE_OP(GridSampleContrib) = {.domain = "com.microsoft",
                                .name = "GridSample",
                                .infer = infer_grid_sample,
                                .lower = lower_grid_sample};
DEFINE_OP(RoiAlign) = {.name = "RoiAlign", .infer = infer_roi_align, .lower = lower_roi_align};
DEFINE_OP(MaxRoiPool) = {
    .name = "MaxRoiPool", .infer = infer_max_roi_pool, .lower = lower_max_roi_pool};
