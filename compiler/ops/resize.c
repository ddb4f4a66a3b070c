/* resize.c: Resize and Upsample, DepthToSpace and SpaceToDepth.
 *
 * Resizing is separable: each axis that changes is resized by itself, the last one first, with a
 * table of inputs and weights (runtime/resize.c). Sizes may be symbolic: a scale is taken as a
 * fraction p / q, so that the size is floordiv(in * p, q). */
#include "ops/movement.h"
#include "ops/spatial.h"

#include <math.h>
#include <string.h>

/* Positions in these lists are the codes of runtime/resize.c. */

static const char *const mode_names[] = {"nearest", "linear", "cubic", NULL};
static const char *const coordinate_names[] = {
    "asymmetric",         "half_pixel",           "pytorch_half_pixel",   "align_corners",
    "tf_crop_and_resize", "half_pixel_symmetric", "tf_half_pixel_for_nn", NULL};
static const char *const nearest_names[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                            "ceil", NULL};
static const char *const policy_names[] = {"stretch", "not_larger", "not_smaller", NULL};

enum { MODE_NEAREST, MODE_LINEAR, MODE_CUBIC };
enum { COORDINATE_ASYMMETRIC, COORDINATE_TF_CROP = 4 };
enum { NEAREST_SIMPLE = 4 };
enum { POLICY_STRETCH, POLICY_NOT_LARGER, POLICY_NOT_SMALLER };

/* --- Resize and Upsample: reading --- */

/* One axis. */
typedef struct {
  Dim in, out;
  double scale; /* 0: p / q */
  Dim p, q;
  int number; /* position among the listed axes */
  bool resized;
} ResizeAxis;

typedef struct {
  int mode, coordinate, nearest, policy;
  bool antialias, exclude_outside;
  double cubic_a, outside;
  int axis_count; /* that attribute axes lists, or all */
  int axes[MAX_RANK];
  ResizeAxis axis[MAX_RANK];
  Value *scales; /* if they are only known when the program runs */
} Resize;

/* An input that is there and not empty, else NULL. */
static Value *filled_input(Compilation *c, const Node *node, int index) {
  Value *value = node_in(node, index);
  return value && !dim_is(value_count(c, value), 0) ? value : NULL;
}

static bool is_upsample(const Node *node) {
  return strcmp(node->op_type, "Upsample") == 0;
}

/* Upsample and Resize 10 know one way to map positions only. */
static bool is_simple(const Node *node) {
  return is_upsample(node) || node->version < 11;
}

static bool read_modes(Compilation *c, const Node *node, Resize *r) {
  bool simple = is_simple(node);
  const char *coordinate = simple ? "asymmetric" : "half_pixel";
  r->antialias = node_int(node, "antialias", 0) != 0;
  r->exclude_outside = node_int(node, "exclude_outside", 0) != 0;
  r->cubic_a = (double)node_float(node, "cubic_coeff_a", -0.75f);
  r->outside = (double)node_float(node, "extrapolation_value", 0.0f);
  if (strcmp(node_string(node, "mode", "nearest"), "bilinear") == 0)
    r->mode = MODE_LINEAR;
  else if (!read_name(c, node, "mode", "nearest", mode_names, &r->mode))
    return false;
  if (!read_name(c, node, "coordinate_transformation_mode", coordinate, coordinate_names,
                 &r->coordinate) ||
      !read_name(c, node, "nearest_mode", "round_prefer_floor", nearest_names, &r->nearest) ||
      !read_name(c, node, "keep_aspect_ratio_policy", "stretch", policy_names, &r->policy))
    return false;
  if (simple) r->nearest = NEAREST_SIMPLE;
  if (r->mode == MODE_NEAREST) r->antialias = r->exclude_outside = false;
  return true;
}

static bool read_axes(Compilation *c, const Node *node, Resize *r) {
  const Value *x = node_in(node, 0);
  size_t count;
  const int64_t *axes = node_ints(node, "axes", &count);
  if (count > (size_t)x->rank)
    return node_error(c, node, "attribute 'axes' lists %zu axes, but the input has rank %d", count,
                      x->rank);
  r->axis_count = count ? (int)count : x->rank;
  for (int i = 0; i < r->axis_count; i++) {
    r->axes[i] = i;
    if (count && !infer_axis(c, node, axes[i], x->rank, &r->axes[i])) return false;
  }
  for (int i = 0; i < x->rank; i++)
    r->axis[i] = (ResizeAxis){.in = x->shape[i],
                              .out = x->shape[i],
                              .scale = 1,
                              .p = dim_const(c->dims, 1),
                              .q = dim_const(c->dims, 1)};
  for (int i = 0; i < r->axis_count; i++) r->axis[r->axes[i]].number = i;
  return true;
}

/* The fraction p / q with the smallest q that is `scale` in float, by continued fractions; false if
 * none is found. */
static bool as_fraction(double scale, int64_t *p, int64_t *q) {
  int64_t p0 = 0, q0 = 1, p1 = 1, q1 = 0;
  double rest = scale;
  for (int i = 0; i < 24; i++) {
    double whole = floor(rest);
    if (whole > 1e9) return false;
    int64_t p2 = (int64_t)whole * p1 + p0, q2 = (int64_t)whole * q1 + q0;
    if (q2 > 1 << 24 || p2 > 1LL << 40) return false;
    p0 = p1, q0 = q1, p1 = p2, q1 = q2;
    if ((float)((double)p1 / (double)q1) == (float)scale) return *p = p1, *q = q1, true;
    rest = 1.0 / (rest - whole);
  }
  return false;
}

/* floor(in * scale): in float where the size is known, as others compute it too; else as a
 * fraction. */
static bool scaled_size(Compilation *c, const Node *node, Dim in, double scale, Dim *out) {
  int64_t p, q;
  if (!(scale > 0)) return node_error(c, node, "scale %g is not positive", scale);
  if (dim_is_const(in)) {
    float size = (float)dim_value(in) * (float)scale;
    if (size > 1e12f) return node_error(c, node, "scale %g is too large", scale);
    return *out = dim_const(c->dims, (int64_t)size), true;
  }
  if (!as_fraction(scale, &p, &q)) return node_error(c, node, "scale %g is too large", scale);
  *out = dim_floordiv(c->dims, dim_muli(c->dims, in, p), dim_const(c->dims, q));
  return true;
}

/* The scales, one a listed axis: of a constant input or an attribute. */
static bool read_scales(Compilation *c, const Node *node, const Value *input, int count,
                        double *scales) {
  size_t given;
  const float *list = node_floats(node, "scales", &given);
  if (node_attr(node, "height_scale") && count == 4) {
    scales[0] = scales[1] = 1;
    scales[2] = (double)node_float(node, "height_scale", 1);
    scales[3] = (double)node_float(node, "width_scale", 1);
    return true;
  }
  if (input) given = (size_t)input->constant->count;
  if (!input && !list) return node_error(c, node, "there are neither scales nor sizes");
  if (given != (size_t)count)
    return node_error(c, node, "there are %zu scales for %d axes", given, count);
  for (int i = 0; i < count; i++)
    scales[i] = input ? tensor_real(input->constant, i) : (double)list[i];
  return true;
}

/* end - begin of the part of an axis that tf_crop_and_resize takes. */
static bool crop_share(Compilation *c, const Node *node, const Resize *r, int i, double *share) {
  const Value *roi = node_in(node, 1);
  *share = 1;
  if (r->coordinate != COORDINATE_TF_CROP) return true;
  if (!roi->constant || roi->constant->count != 2 * r->axis_count)
    return node_error(c, node,
                      "tf_crop_and_resize with scales needs a constant roi of two numbers an axis");
  *share = tensor_real(roi->constant, r->axis_count + i) - tensor_real(roi->constant, i);
  return true;
}

/* The size of output axis `axis`, known when the program runs: the symbol that an earlier inference
 * made, or a new one. */
static Dim runtime_size(Compilation *c, const Value *y, int axis) {
  const DimSymbol *known = y->rank > axis ? dim_symbol(y->shape[axis]) : NULL;
  if (known && known->kind == SYMBOL_DATA) return y->shape[axis];
  return dim_data(c->dims, arena_printf(c->arena, "%s.%d", y->name, axis), 0, INT64_MAX, NULL);
}

static bool apply_runtime_scales(Compilation *c, const Node *node, Value *input, Resize *r) {
  if (r->coordinate == COORDINATE_TF_CROP)
    return node_error(c, node, "tf_crop_and_resize needs scales that are known when compiling");
  if (!infer_require_equal(c, node, value_count(c, input), dim_const(c->dims, r->axis_count),
                           "the number of scales and of axes"))
    return false;
  r->scales = input;
  for (int i = 0; i < r->axis_count; i++) {
    ResizeAxis *axis = &r->axis[r->axes[i]];
    axis->out = runtime_size(c, node_out(node, 0), r->axes[i]);
    axis->scale = 0;
    axis->resized = true;
  }
  return true;
}

static bool apply_scales(Compilation *c, const Node *node, Value *input, Resize *r) {
  double scales[MAX_RANK], share;
  if (input && !input->constant) return apply_runtime_scales(c, node, input, r);
  if (!read_scales(c, node, input, r->axis_count, scales)) return false;
  for (int i = 0; i < r->axis_count; i++) {
    ResizeAxis *axis = &r->axis[r->axes[i]];
    axis->scale = scales[i];
    if (!crop_share(c, node, r, i, &share)) return false;
    if (!scaled_size(c, node, axis->in, scales[i] * share, &axis->out)) return false;
    axis->resized = scales[i] != 1.0 || r->coordinate == COORDINATE_TF_CROP;
  }
  return true;
}

/* One scale p / q for all axes, the smallest or largest that the sizes ask for: out = floor(in * p
 * / q + 1/2). */
static void keep_aspect_ratio(Compilation *c, Resize *r) {
  DimPool *pool = c->dims;
  Dim p = NULL, q = NULL, one = dim_const(pool, 1), two = dim_const(pool, 2);
  for (int i = 0; i < r->axis_count; i++) {
    const ResizeAxis *axis = &r->axis[r->axes[i]];
    Dim in = dim_max(pool, axis->in, one);
    Dim left = p ? dim_mul(pool, axis->out, q) : one, right = p ? dim_mul(pool, p, in) : two;
    bool smallest = r->policy == POLICY_NOT_LARGER || !p;
    Dim better = smallest ? dim_less(pool, left, right) : dim_less(pool, right, left);
    p = p ? dim_select(pool, better, axis->out, p) : axis->out;
    q = q ? dim_select(pool, better, in, q) : in;
  }
  for (int i = 0; i < r->axis_count; i++) {
    ResizeAxis *axis = &r->axis[r->axes[i]];
    Dim twice = dim_add(pool, dim_muli(pool, dim_mul(pool, axis->in, p), 2), q);
    axis->out = dim_floordiv(pool, twice, dim_muli(pool, q, 2));
    axis->p = p;
    axis->q = q;
    axis->resized = p != q;
  }
}

static bool apply_sizes(Compilation *c, const Node *node, int input, Resize *r) {
  const Dim *sizes;
  int count;
  if (!infer_elements(c, node, input, 0, INT64_MAX, &sizes, &count)) return false;
  if (count != r->axis_count)
    return node_error(c, node, "there are %d sizes for %d axes", count, r->axis_count);
  for (int i = 0; i < count; i++) {
    ResizeAxis *axis = &r->axis[r->axes[i]];
    axis->out = axis->p = sizes[i];
    axis->q = axis->in;
    axis->scale = 0;
    axis->resized = axis->out != axis->in || r->coordinate == COORDINATE_TF_CROP;
  }
  if (r->policy != POLICY_STRETCH) keep_aspect_ratio(c, r);
  return true;
}

/* Resize 10 and Upsample: x, scales; later: x, roi, scales, sizes. */
static bool read_resize(Compilation *c, const Node *node, Resize *r) {
  r->scales = NULL;
  if (!read_modes(c, node, r) || !read_axes(c, node, r)) return false;
  Value *sizes = is_simple(node) ? NULL : filled_input(c, node, 3);
  Value *scales = filled_input(c, node, is_simple(node) ? 1 : 2);
  if (sizes && scales) return node_error(c, node, "only one of scales and sizes may be given");
  if (r->coordinate == COORDINATE_TF_CROP && !filled_input(c, node, 1))
    return node_error(c, node, "tf_crop_and_resize needs the input roi");
  return sizes ? apply_sizes(c, node, 3, r) : apply_scales(c, node, scales, r);
}

static bool infer_resize(Compilation *c, Node *node) {
  Resize r;
  Dim shape[MAX_RANK];
  const Value *x = node_in(node, 0);
  if (!require_movable(c, node) || !read_resize(c, node, &r)) return false;
  if (x->dtype == DT_STRING)
    return node_error(c, node, "elements of type %s cannot be resized", dtype_info(x->dtype)->name);
  for (int i = 0; i < x->rank; i++) shape[i] = r.axis[i].out;
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, shape);
  return true;
}

/* --- Resize and Upsample: lowering --- */

/* Inputs that an output blends: the filter's width, 2 or 4, widened by 1 / scale for antialiasing.
 */
static Dim tap_count(Compilation *c, const Resize *r, const ResizeAxis *axis) {
  int64_t reach = r->mode == MODE_CUBIC ? 2 : 1;
  if (r->mode == MODE_NEAREST) return dim_const(c->dims, 1);
  if (!r->antialias) return dim_const(c->dims, 2 * reach);
  if (axis->scale > 0)
    return dim_const(c->dims, 2 * (int64_t)ceil((double)reach / fmin(axis->scale, 1.0)));
  Dim out = dim_max(c->dims, axis->out, dim_const(c->dims, 1));
  Dim wide = dim_ceildiv(c->dims, dim_muli(c->dims, axis->in, reach), out);
  return dim_muli(c->dims, dim_max(c->dims, wide, dim_const(c->dims, reach)), 2);
}

/* Inputs in f32, NULL where they do not count. */
typedef struct {
  Buffer *roi, *scales;
} ResizeInputs;

/* The table of one axis. */
typedef struct {
  Buffer *index, *weight;
  Dim taps;
} ResizeTable;

static ResizeTable lower_table(Lower *l, const Resize *r, const ResizeAxis *axis,
                               const ResizeInputs *inputs) {
  ResizeTable table = {.taps = tap_count(l->c, r, axis)};
  Dim count = dim_mul(l->c->dims, axis->out, table.taps);
  table.index = lower_scratch(l, DT_I64, count, "positions to blend");
  if (r->mode != MODE_NEAREST) table.weight = lower_scratch(l, DT_F32, count, "their weights");
  Step *step = lower_kernel(l, "resize_table", DT_NONE);
  arg_buffer(l, step, inputs->roi);
  arg_buffer(l, step, inputs->scales);
  arg_buffer(l, step, table.index);
  arg_buffer(l, step, table.weight);
  arg_dim(l, step, axis->in);
  arg_dim(l, step, axis->out);
  arg_dim(l, step, table.taps);
  arg_int(l, step, axis->number);
  arg_int(l, step, r->axis_count);
  arg_real(l, step, axis->scale);
  arg_dim(l, step, axis->p);
  arg_dim(l, step, axis->q);
  arg_int(l, step, r->mode);
  arg_int(l, step, r->coordinate);
  arg_int(l, step, r->nearest);
  arg_real(l, step, r->cubic_a);
  arg_int(l, step, r->antialias);
  arg_int(l, step, r->exclude_outside);
  return table;
}

/* Resizes axis `a` of `from`, which has the shape `now`, into `to`. */
static void lower_axis(Lower *l, const Resize *r, int a, int rank, const Dim *now,
                       const ResizeInputs *inputs, Buffer *from, Buffer *to) {
  const ResizeAxis *axis = &r->axis[a];
  ResizeTable table = lower_table(l, r, axis, inputs);
  bool nearest = r->mode == MODE_NEAREST;
  Step *step = lower_kernel(l, nearest ? "resize_pick" : "resize_blend", from->dtype);
  arg_buffer(l, step, from);
  arg_buffer(l, step, table.index);
  if (!nearest) arg_buffer(l, step, table.weight);
  arg_buffer(l, step, to);
  arg_dim(l, step, dim_product(l->c->dims, now, (size_t)a));
  arg_dim(l, step, axis->in);
  arg_dim(l, step, axis->out);
  arg_dim(l, step, dim_product(l->c->dims, now + a + 1, (size_t)(rank - 1 - a)));
  if (!nearest) arg_dim(l, step, table.taps);
  arg_real(l, step, r->outside);
}

/* The dtype that rows are blended in; copies keep theirs unless they must write numbers into 16-bit
 * floats. */
static DType resize_dtype(const Resize *r, DType dtype) {
  bool is_short = dtype == DT_F16 || dtype == DT_BF16;
  if (r->mode == MODE_NEAREST && !(is_short && r->coordinate == COORDINATE_TF_CROP)) return dtype;
  if (dtype_is_float(dtype)) return compute_dtype(dtype);
  return dtype_info(dtype)->bytes > 2 ? DT_F64 : DT_F32;
}

/* y = buffer, rounded and cut to the range of y's integers. */
static void store_integers(Lower *l, const Value *y, Buffer *buffer) {
  Dim count = value_count(l->c, y), one = dim_const(l->c->dims, 1);
  int bits = 8 * (int)dtype_info(y->dtype)->bytes;
  bool negative = dtype_info(y->dtype)->kind == KIND_INT;
  double top = bits == 64 ? 9.2e18 : ldexp(1, negative ? bits - 1 : bits) - 1;
  LoopNest *nest = lower_nest(l, 1, &count);
  Operand args[3] = {nest_load_at(l, nest, buffer, NULL, &one)};
  args[0] = nest_apply(l, nest, "round", buffer->dtype, args, 1);
  args[1] = operand_real(buffer->dtype, negative ? -top - (bits < 64) : 0);
  args[2] = operand_real(buffer->dtype, top);
  nest_store_at(l, nest, lower_buffer(l, y), NULL, &one,
                nest_apply(l, nest, "clip", buffer->dtype, args, 3));
}

/* Computes the sizes that follow from scales known only now. */
static void define_sizes(Lower *l, const Resize *r, Buffer *scales) {
  Dim in[MAX_RANK];
  for (int i = 0; i < r->axis_count; i++) in[i] = r->axis[r->axes[i]].in;
  Buffer *sizes = lower_scratch(l, DT_I64, dim_const(l->c->dims, r->axis_count), "sizes");
  Step *step = lower_kernel(l, "resize_sizes", DT_NONE);
  arg_buffer(l, step, scales);
  arg_buffer(l, step, sizes);
  arg_int(l, step, r->axis_count);
  arg_dims(l, step, in, r->axis_count);
  for (int i = 0; i < r->axis_count; i++)
    lower_define_element(l, dim_symbol(r->axis[r->axes[i]].out), sizes, dim_const(l->c->dims, i));
}

static bool lower_resize(Lower *l, const Node *node) {
  Resize r;
  Dim now[MAX_RANK];
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  if (!read_resize(l->c, node, &r)) return false;
  int left = 0;
  for (int i = 0; i < x->rank; i++) {
    left += r.axis[i].resized;
    now[i] = x->shape[i];
  }
  if (left == 0) return lower_alias(l, y, x), true;
  DType dtype = resize_dtype(&r, x->dtype);
  ResizeInputs inputs = {.scales = compute_input(l, r.scales, DT_F32)};
  if (r.coordinate == COORDINATE_TF_CROP) inputs.roi = compute_input(l, node_in(node, 1), DT_F32);
  if (r.scales) define_sizes(l, &r, inputs.scales);
  Buffer *from = compute_input(l, x, dtype), *to = NULL;
  for (int a = x->rank - 1; a >= 0; a--) {
    if (!r.axis[a].resized) continue;
    now[a] = r.axis[a].out;
    Dim count = dim_product(l->c->dims, now, (size_t)x->rank);
    to = --left == 0 ? compute_output(l, y, dtype) : lower_scratch(l, dtype, count, "resized axis");
    lower_axis(l, &r, a, x->rank, now, &inputs, from, to);
    from = to;
  }
  if (y->dtype != to->dtype && !dtype_is_float(y->dtype))
    store_integers(l, y, to);
  else
    compute_done(l, y, to);
  return true;
}

/* --- of blocked values --- */

/* Rows and columns only, without a crop, in one step. */
static BlockedUse blocked_resize_use(Compilation *c, const Node *node) {
  Resize r;
  const Value *x = node_in(node, 0);
  BlockedUse use = {.answer = BLOCKED_NO, .first_input = true};
  if (!blocked_possible(x) || !blocked_possible(node_out(node, 0)) || !read_resize(c, node, &r))
    return use;
  bool resized = false, fits = r.coordinate != COORDINATE_TF_CROP && !r.axis[0].resized;
  for (int a = 2; a < x->rank; a++) resized = resized || r.axis[a].resized;
  if (fits && resized && !r.axis[1].resized) use.answer = BLOCKED_CAN;
  return use;
}

static void arg_strides(Lower *l, Step *step, const BlockedShape *s) {
  arg_dim(l, step, s->image);
  arg_dim(l, step, s->plane);
  arg_dim(l, step, s->row);
}

/* A tensor of rank 3 has one row. */
static bool lower_blocked_resize(Lower *l, const Node *node) {
  Resize r;
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  DimPool *p = l->c->dims;
  Dim one = dim_const(p, 1);
  if (!read_resize(l->c, node, &r)) return false;
  ResizeInputs inputs = {.scales = compute_input(l, r.scales, DT_F32)};
  if (r.scales) define_sizes(l, &r, inputs.scales);
  ResizeAxis row = {.in = one, .out = one, .scale = 1, .p = one, .q = one};
  ResizeTable rows = lower_table(l, &r, x->rank == 4 ? &r.axis[2] : &row, &inputs);
  ResizeTable columns = lower_table(l, &r, &r.axis[x->rank - 1], &inputs);
  BlockedShape from = blocked_shape(l->c, x), to = blocked_shape(l->c, y);
  Step *step = lower_kernel(l, "resize16", DT_F32);
  arg_buffer_at(l, step, lower_buffer(l, x), from.origin);
  arg_buffer(l, step, rows.index);
  arg_buffer(l, step, rows.weight);
  arg_buffer(l, step, columns.index);
  arg_buffer(l, step, columns.weight);
  arg_buffer_at(l, step, lower_buffer(l, y), to.origin);
  arg_int(l, step, to.blocks);
  arg_dim(l, step, to.h);
  arg_dim(l, step, to.w);
  arg_dim(l, step, rows.taps);
  arg_dim(l, step, columns.taps);
  arg_strides(l, step, &from);
  arg_strides(l, step, &to);
  step_units(step, dim_mul(p, dim_muli(p, to.n, to.blocks), to.h));
  step_blocked_results(l, step, blocked_results(l->c, &to), to.plane);
  return true;
}

/* --- DepthToSpace, SpaceToDepth --- */

/* The axes of both as one loop nest: n, channel, h, block h, w, block w; `deep` are strides of [n,
 * c, h, w] with the blocks in the channels, `wide` those of [n, c, h * b, w * b]. */
typedef struct {
  Dim extent[6], deep[6], wide[6];
} Blocks;

static bool check_blocks(Compilation *c, const Node *node, int64_t *size) {
  const Value *x = node_in(node, 0);
  *size = node_int(node, "blocksize", 0);
  if (*size < 1) return node_error(c, node, "attribute 'blocksize' must be at least 1");
  if (x->rank != 4) return node_error(c, node, "the input must have rank 4, not %d", x->rank);
  const char *mode = node_string(node, "mode", "DCR");
  return strcmp(mode, "DCR") == 0 || strcmp(mode, "CRD") == 0 ||
         node_error(c, node, "mode='%s' is unknown: DCR or CRD", mode);
}

static bool channel_counts_first(const Node *node) {
  return strcmp(node_string(node, "mode", "DCR"), "CRD") == 0;
}

/* `channels`, `h`, `w`: sizes without the blocks. In column-row-depth order the channel counts
 * slower than the block. */
static void block_axes(Compilation *c, Dim n, Dim channels, Dim h, Dim w, int64_t size,
                       bool channel_first, Blocks *blocks) {
  DimPool *p = c->dims;
  Dim b = dim_const(p, size), plane = dim_mul(p, h, w);
  Dim area = dim_mul(p, b, b), all = dim_mul(p, dim_mul(p, channels, area), plane);
  Dim block = channel_first ? plane : dim_mul(p, channels, plane);
  const Dim extent[6] = {n, channels, h, b, w, b};
  const Dim deep[6] = {all,
                       channel_first ? dim_mul(p, area, plane) : plane,
                       w,
                       dim_mul(p, b, block),
                       dim_const(p, 1),
                       block};
  Dim row = dim_mul(p, w, b);
  const Dim wide[6] = {all, dim_mul(p, area, plane), dim_mul(p, row, b), row, b, dim_const(p, 1)};
  memcpy(blocks->extent, extent, sizeof extent);
  memcpy(blocks->deep, deep, sizeof deep);
  memcpy(blocks->wide, wide, sizeof wide);
}

static void copy_blocks(Lower *l, const Node *node, const Dim *extent, const Dim *from,
                        const Dim *to) {
  LoopNest *nest = lower_nest(l, 6, extent);
  Buffer *in = lower_buffer(l, node_in(node, 0)), *out = lower_buffer(l, node_out(node, 0));
  nest_store_at(l, nest, out, NULL, to, nest_load_at(l, nest, in, NULL, from));
}

static bool infer_depth_to_space(Compilation *c, Node *node) {
  int64_t size;
  if (!check_blocks(c, node, &size)) return false;
  const Value *x = node_in(node, 0);
  if (dim_is_const(x->shape[1]) && dim_value(x->shape[1]) % (size * size))
    return node_error(c, node, "the channels are no multiple of blocksize squared");
  Dim shape[4] = {x->shape[0], dim_floordiv(c->dims, x->shape[1], dim_const(c->dims, size * size)),
                  dim_muli(c->dims, x->shape[2], size), dim_muli(c->dims, x->shape[3], size)};
  value_set_type(c, node_out(node, 0), x->dtype, 4, shape);
  return true;
}

static bool lower_depth_to_space(Lower *l, const Node *node) {
  Blocks blocks;
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  block_axes(l->c, x->shape[0], y->shape[1], x->shape[2], x->shape[3],
             node_int(node, "blocksize", 1), channel_counts_first(node), &blocks);
  copy_blocks(l, node, blocks.extent, blocks.deep, blocks.wide);
  return true;
}

static bool infer_space_to_depth(Compilation *c, Node *node) {
  int64_t size;
  if (!check_blocks(c, node, &size)) return false;
  const Value *x = node_in(node, 0);
  Dim shape[4] = {x->shape[0], dim_muli(c->dims, x->shape[1], size * size)};
  for (int i = 2; i < 4; i++) {
    if (dim_is_const(x->shape[i]) && dim_value(x->shape[i]) % size)
      return node_error(c, node, "height and width must be multiples of blocksize");
    shape[i] = dim_floordiv(c->dims, x->shape[i], dim_const(c->dims, size));
  }
  value_set_type(c, node_out(node, 0), x->dtype, 4, shape);
  return true;
}

static bool lower_space_to_depth(Lower *l, const Node *node) {
  Blocks blocks;
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  block_axes(l->c, x->shape[0], x->shape[1], y->shape[2], y->shape[3],
             node_int(node, "blocksize", 1), channel_counts_first(node), &blocks);
  copy_blocks(l, node, blocks.extent, blocks.wide, blocks.deep);
  return true;
}

DEFINE_OP(Resize) = {.name = "Resize",
                     .infer = infer_resize,
                     .lower = lower_resize,
                     .blocked = blocked_resize_use,
                     .lower_blocked = lower_blocked_resize};
DEFINE_OP(Upsample) = {.name = "Upsample",
                       .infer = infer_resize,
                       .lower = lower_resize,
                       .blocked = blocked_resize_use,
                       .lower_blocked = lower_blocked_resize};
DEFINE_OP(DepthToSpace) = {
    .name = "DepthToSpace", .infer = infer_depth_to_space, .lower = lower_depth_to_space};
DEFINE_OP(SpaceToDepth) = {
    .name = "SpaceToDepth", .infer = infer_space_to_depth, .lower = lower_space_to_depth};
