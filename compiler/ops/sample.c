/* sample.c: operators that read images at positions that are data: GridSample, RoiAlign,
 * MaxRoiPool, CropAndResize; and AffineGrid, which makes such positions. */
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

/* --- AffineGrid: y[n, …, i] = theta[n, i, :] . (x, y, [z,] 1) for each place of an image --- */

static bool infer_affine_grid(Compilation *c, Node *node) {
  const Value *theta = node_in(node, 0);
  const Dim *size;
  int count;
  if (!require_float(c, node, theta) || !infer_elements(c, node, 1, 0, INT64_MAX, &size, &count))
    return false;
  int axes = count - 2;
  if (theta->rank != 3 || (axes != 2 && axes != 3))
    return node_error(c, node, "theta must have rank 3, size 4 or 5 elements");
  if (!infer_require_equal(c, node, theta->shape[0], size[0], "batches of theta and of size") ||
      !infer_require_equal(c, node, theta->shape[1], dim_const(c->dims, axes),
                           "rows of theta and spatial axes") ||
      !infer_require_equal(c, node, theta->shape[2], dim_const(c->dims, axes + 1),
                           "columns of theta and spatial axes + 1"))
    return false;
  Dim shape[5] = {size[0]};
  for (int i = 0; i < axes; i++) shape[1 + i] = size[2 + i];
  shape[1 + axes] = dim_const(c->dims, axes);
  value_set_type(c, node_out(node, 0), theta->dtype, axes + 2, shape);
  return true;
}

/* Of place j among n, the middle at 0: (2 j - (n - 1)) / n; with the corners at -1 and 1 the
 * divisor is n - 1. */
static Operand grid_coordinate(Lower *l, LoopNest *nest, DType dtype, int loop, bool corners) {
  DimPool *p = l->c->dims;
  Dim n = nest->extent[loop], last = dim_addi(p, n, -1), one = dim_const(p, 1);
  Operand twice[] = {operand_loop(loop), operand_int(DT_I64, dim_const(p, 2))};
  Operand apart[] = {nest_apply(l, nest, "mul", DT_I64, twice, 2), operand_int(DT_I64, last)};
  Operand quotient[] = {nest_cast(l, nest, nest_apply(l, nest, "sub", DT_I64, apart, 2), dtype),
                        operand_int(dtype, corners ? dim_max(p, last, one) : n)};
  return nest_apply(l, nest, "div", dtype, quotient, 2);
}

/* Row `row` of theta times the coordinates, the last axis first, plus its last number. */
static Operand grid_row(Lower *l, LoopNest *nest, DType dtype, Buffer *theta, const Dim *step,
                        int row, int axes, const Operand *coordinates) {
  Operand sum = {.kind = OPERAND_REAL};
  for (int i = axes; i >= 0; i--) {
    Dim at = dim_const(l->c->dims, row * (axes + 1) + i);
    Operand factor = nest_cast(l, nest, nest_load_at(l, nest, theta, at, step), dtype);
    Operand product[] = {factor, coordinates[axes - 1 - (i < axes ? i : 0)]};
    Operand terms[] = {sum, i < axes ? nest_apply(l, nest, "mul", dtype, product, 2) : factor};
    sum = i < axes ? nest_apply(l, nest, "add", dtype, terms, 2) : factor;
  }
  return sum;
}

static bool lower_affine_grid(Lower *l, const Node *node) {
  const Value *y = node_out(node, 0);
  DimPool *p = l->c->dims;
  int axes = y->rank - 2;
  bool corners = node_int(node, "align_corners", 0) != 0;
  DType dtype = compute_dtype(y->dtype);
  Buffer *theta = lower_buffer(l, node_in(node, 0)), *out = lower_buffer(l, y);
  Dim dense[5], step[4] = {dim_const(p, axes * (axes + 1))};
  Operand coordinates[3];
  nest_strides(l->c, y->rank, y->shape, dense);
  LoopNest *nest = lower_nest(l, axes + 1, y->shape);
  for (int i = 0; i < axes; i++) {
    step[1 + i] = dim_const(p, 0);
    coordinates[i] = grid_coordinate(l, nest, dtype, 1 + i, corners);
  }
  for (int row = 0; row < axes; row++)
    nest_store_at(l, nest, out, dim_const(p, row), dense,
                  grid_row(l, nest, dtype, theta, step, row, axes, coordinates));
  return true;
}

DEFINE_OP(AffineGrid) = {
    .name = "AffineGrid", .infer = infer_affine_grid, .lower = lower_affine_grid};

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

/* The kernel with what all have that sample boxes of images: tensors, and their shapes. */
static Step *lower_boxes(Lower *l, const Node *node, const char *stem, DType dtype, Buffer *out) {
  const Value *x = node_in(node, 0), *boxes = node_in(node, 1), *y = node_out(node, 0);
  Buffer *in[] = {compute_input(l, x, dtype), compute_input(l, boxes, dtype),
                  compute_input(l, node_in(node, 2), DT_I64)};
  Step *step = lower_kernel(l, stem, dtype);
  for (size_t i = 0; i < sizeof in / sizeof *in; i++) arg_buffer(l, step, in[i]);
  arg_buffer(l, step, out);
  for (int i = 0; i < 4; i++) arg_dim(l, step, x->shape[i]);
  arg_dim(l, step, boxes->shape[0]);
  arg_dim(l, step, y->shape[2]);
  arg_dim(l, step, y->shape[3]);
  return step;
}

static bool lower_roi_align(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  DType dtype = compute_dtype(x->dtype);
  int mode, coordinate;
  if (!read_roi_modes(l->c, node, &mode, &coordinate)) return false;
  Buffer *out = compute_output(l, y, dtype);
  Step *step = lower_boxes(l, node, "roi_align", dtype, out);
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

/* --- CropAndResize: boxes (y1, x1, y2, x2) of images, between 0 and 1 --- */

static const char *const crop_modes[] = {"nearest", "bilinear", NULL};

static bool infer_crop(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *rois = node_in(node, 1), *images = node_in(node, 2);
  const Dim *size;
  int count, mode;
  if (!require_float(c, node, x) || !read_name(c, node, "mode", "bilinear", crop_modes, &mode) ||
      !infer_elements(c, node, 3, 0, INT32_MAX, &size, &count))
    return false;
  if (x->rank != 4 || rois->rank != 2 || images->rank != 1 || count != 2)
    return node_error(c, node, "the input must have rank 4, the rois rank 2, crop_size 2 elements");
  if (!infer_require_equal(c, node, rois->shape[1], dim_const(c->dims, 4),
                           "numbers of a roi and 4") ||
      !infer_require_equal(c, node, rois->shape[0], images->shape[0], "rois and images"))
    return false;
  Dim shape[4] = {rois->shape[0], x->shape[1], size[0], size[1]};
  value_set_type(c, node_out(node, 0), x->dtype, 4, shape);
  return true;
}

static bool lower_crop(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  DType dtype = compute_dtype(x->dtype);
  int mode;
  if (!read_name(l->c, node, "mode", "bilinear", crop_modes, &mode)) return false;
  Buffer *out = compute_output(l, y, dtype);
  Step *step = lower_boxes(l, node, "crop_and_resize", dtype, out);
  arg_int(l, step, mode);
  arg_real(l, step, (double)node_float(node, "extrapolation_value", 0));
  compute_done(l, y, out);
  return true;
}

DEFINE_OP(CropAndResize) = {
    .domain = MICROSOFT, .name = "CropAndResize", .infer = infer_crop, .lower = lower_crop};
DEFINE_OP(GridSample) = {
    .name = "GridSample", .infer = infer_grid_sample, .lower = lower_grid_sample};
DEFINE_OP(GridSampleContrib) = {.domain = MICROSOFT,
                                .name = "GridSample",
                                .infer = infer_grid_sample,
                                .lower = lower_grid_sample};
DEFINE_OP(RoiAlign) = {.name = "RoiAlign", .infer = infer_roi_align, .lower = lower_roi_align};
DEFINE_OP(MaxRoiPool) = {
    .name = "MaxRoiPool", .infer = infer_max_roi_pool, .lower = lower_max_roi_pool};
