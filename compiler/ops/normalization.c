/* normalization.c: operators that shift and scale by statistics: of the training data
 * (BatchNormalization) or of the input itself. */
#include "ops/normalization.h"

#include "ops/spatial.h"

#include <math.h>
#include <string.h>

/* Sets the type of output 0 to that of input 0, which must be of a float type and have `least` axes
 * or more. */
static bool infer_like_input(Compilation *c, Node *node, int least) {
  const Value *x = node_in(node, 0);
  if (!require_float(c, node, x)) return false;
  if (x->rank < least)
    return node_error(c, node, "the input must have rank %d or more, not %d", least, x->rank);
  if (node_out(node, 0)) value_set_type(c, node_out(node, 0), x->dtype, x->rank, x->shape);
  return true;
}

/* Demands that input `index`, if there, has `count` elements. */
static bool require_count(Compilation *c, const Node *node, int index, Dim count,
                          const char *what) {
  const Value *value = node_in(node, index);
  return !value || infer_require_equal(c, node, value_count(c, value), count, what);
}

/* --- BatchNormalization --- */

/* Elements of x that share a scale: [n, channels, inner]. In opset 1 to 8 spatial=0 gives each
 * position its own. */
static void batch_norm_axes(Compilation *c, const Node *node, Dim *n, Dim *channels, Dim *inner) {
  const Value *x = node_in(node, 0);
  bool spatial = node_int(node, "spatial", 1) != 0;
  *n = x->shape[0];
  *channels = shape_product(c, x, x->rank > 1 ? 1 : 0, spatial && x->rank > 1 ? 2 : x->rank);
  *inner = shape_product(c, x, spatial ? 2 : x->rank, x->rank);
  if (x->rank == 1) *n = dim_const(c->dims, 1);
}

static bool is_training(const Node *node) {
  return node_int(node, "training_mode", 0) != 0;
}

/* In training mode outputs 1 and 2 are the running statistics. Before opset 14 the presence of
 * outputs asked for it. */
static bool check_outputs(Compilation *c, const Node *node) {
  int last = 4;
  while (last > 0 && !node_out(node, last)) last--;
  if (last <= (is_training(node) ? 2 : 0)) return true;
  node_error(c, node, "batch statistics are an output only with training_mode=1");
  return diag_hint(c->diag, "export the model for inference, with one output");
}

static bool infer_batch_norm(Compilation *c, Node *node) {
  Dim n, channels, inner;
  if (!check_outputs(c, node) || !infer_like_input(c, node, 1)) return false;
  batch_norm_axes(c, node, &n, &channels, &inner);
  for (int i = 1; i < 5; i++)
    if (!require_count(c, node, i, channels,
                       "channels and elements of scale, bias, mean and variance"))
      return false;
  for (int i = 1; i < 3; i++)
    if (node_out(node, i))
      value_set_type(c, node_out(node, i), node_in(node, 2 + i)->dtype, 1, &channels);
  return true;
}

/* factor = scale / sqrt(variance + epsilon), shift = bias - mean * factor, in `dtype`. */
static void fold_statistics(Lower *l, const Node *node, DType dtype, const Tensor **made) {
  const Tensor *in[5];
  void *data[2];
  double epsilon = (double)node_float(node, "epsilon", 1e-5f);
  for (int i = 1; i < 5; i++) in[i] = node_in(node, i)->constant;
  int64_t count = in[1]->count;
  for (int k = 0; k < 2; k++) made[k] = tensor_create(l->c->arena, dtype, 1, &count, &data[k]);
  for (int64_t i = 0; i < count; i++) {
    double f = tensor_real(in[1], i) / sqrt(tensor_real(in[4], i) + epsilon);
    double numbers[2] = {f, tensor_real(in[2], i) - tensor_real(in[3], i) * f};
    for (int k = 0; k < 2; k++) {
      if (dtype == DT_F64)
        ((double *)data[k])[i] = numbers[k];
      else
        ((float *)data[k])[i] = (float)numbers[k];
    }
  }
}

static const char *const statistics_names[2] = {"scale of each channel", "shift of each channel"};

/* y = x * factor + shift as a loop nest, computed in `dtype`. */
static void lower_scale_shift(Lower *l, const Node *node, DType dtype) {
  const Tensor *made[2];
  Buffer *x = lower_buffer(l, node_in(node, 0)), *by[2];
  Dim extent[3], stride[3], zero = dim_const(l->c->dims, 0), one = dim_const(l->c->dims, 1);
  fold_statistics(l, node, dtype, made);
  for (int k = 0; k < 2; k++) by[k] = lower_constant(l, made[k], statistics_names[k]);
  batch_norm_axes(l->c, node, &extent[0], &extent[1], &extent[2]);
  int rank = dim_is(extent[2], 1) ? 2 : 3;
  const Dim by_channel[3] = {zero, one, zero};
  nest_strides(l->c, rank, extent, stride);
  LoopNest *nest = lower_nest(l, rank, extent);
  Operand value = nest_cast(l, nest, nest_load_at(l, nest, x, NULL, stride), dtype);
  Operand scaled[2] = {value, nest_load_at(l, nest, by[0], NULL, by_channel)};
  Operand shifted[2] = {nest_apply(l, nest, "mul", dtype, scaled, 2),
                        nest_load_at(l, nest, by[1], NULL, by_channel)};
  value = nest_apply(l, nest, "add", dtype, shifted, 2);
  nest_store_at(l, nest, lower_buffer(l, node_out(node, 0)), NULL, stride, value);
}

/* With constant statistics, in one nest. */
static BlockedUse blocked_batch_norm(Compilation *c, const Node *node) {
  BlockedUse use = {.answer = BLOCKED_CAN, .first_input = true, .same_halo = true};
  bool fits = blocked_possible(node_out(node, 0)) && !is_training(node);
  for (int i = 1; i < 5; i++) fits = fits && node_in(node, i)->constant;
  if (!fits) use.answer = BLOCKED_NO;
  (void)c;
  return use;
}

static bool lower_blocked_batch_norm(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  static const char *const stems[2] = {"mul", "add"};
  DimPool *p = l->c->dims;
  Dim zero = dim_const(p, 0);
  const Dim by_channel[5] = {zero, dim_const(p, BLOCK_CHANNELS), zero, zero, dim_const(p, 1)};
  const Tensor *made[2];
  fold_statistics(l, node, DT_F32, made);
  LoopNest *nest = lower_pointwise(l, y);
  Operand value = nest_load(l, nest, x);
  for (int k = 0; k < 2; k++) {
    Buffer *numbers = blocked_channels(l, made[k], statistics_names[k]);
    Operand args[2] = {value, nest_load_at(l, nest, numbers, NULL, by_channel)};
    value = nest_apply(l, nest, stems[k], DT_F32, args, 2);
  }
  nest_store(l, nest, y, value);
  return true;
}

static void lower_batch_kernel(Lower *l, const Node *node, DType dtype, Buffer *const *in) {
  Dim axes[3];
  Buffer *out = compute_output(l, node_out(node, 0), dtype);
  batch_norm_axes(l->c, node, &axes[0], &axes[1], &axes[2]);
  Step *step = lower_kernel(l, "batch_norm", dtype);
  for (int i = 0; i < 5; i++) arg_buffer(l, step, in[i]);
  arg_buffer(l, step, out);
  for (int i = 0; i < 3; i++) arg_dim(l, step, axes[i]);
  arg_real(l, step, (double)node_float(node, "epsilon", 1e-5f));
  compute_done(l, node_out(node, 0), out);
}

/* running = old * momentum + now * (1 - momentum), each of [channels] */
static void lower_running(Lower *l, const Node *node, int output, DType dtype, Buffer *old,
                          Buffer *now) {
  const Value *y = node_out(node, output);
  if (!y) return;
  double momentum = (double)node_float(node, "momentum", 0.9f);
  Dim one = dim_const(l->c->dims, 1);
  LoopNest *nest = lower_nest(l, 1, y->shape);
  Operand before[2] = {nest_load_at(l, nest, old, NULL, &one), operand_real(dtype, momentum)};
  Operand after[2] = {nest_load_at(l, nest, now, NULL, &one), operand_real(dtype, 1 - momentum)};
  Operand sum[2] = {nest_apply(l, nest, "mul", dtype, before, 2),
                    nest_apply(l, nest, "mul", dtype, after, 2)};
  nest_store(l, nest, y, nest_apply(l, nest, "add", dtype, sum, 2));
}

/* Statistics of the batch itself take the place of inputs 3 and 4. */
static void lower_training(Lower *l, const Node *node, DType dtype, Buffer **in) {
  Dim axes[3];
  Buffer *old[2] = {in[3], in[4]};
  batch_norm_axes(l->c, node, &axes[0], &axes[1], &axes[2]);
  in[3] = lower_scratch(l, dtype, axes[1], "means");
  in[4] = lower_scratch(l, dtype, axes[1], "variances");
  Step *step = lower_kernel(l, "batch_statistics", dtype);
  arg_buffer(l, step, in[0]);
  arg_buffer(l, step, in[3]);
  arg_buffer(l, step, in[4]);
  for (int i = 0; i < 3; i++) arg_dim(l, step, axes[i]);
  for (int i = 0; i < 2; i++) lower_running(l, node, 1 + i, dtype, old[i], in[3 + i]);
}

static bool lower_batch_norm(Lower *l, const Node *node) {
  Buffer *in[5];
  DType dtype = compute_dtype(node_in(node, 0)->dtype);
  bool constant = !is_training(node);
  for (int i = 1; i < 5; i++) constant &= node_in(node, i)->constant != NULL;
  if (constant) return lower_scale_shift(l, node, dtype), true;
  for (int i = 0; i < 5; i++) in[i] = compute_input(l, node_in(node, i), dtype);
  if (is_training(node)) lower_training(l, node, dtype, in);
  lower_batch_kernel(l, node, dtype, in);
  return true;
}

/* --- InstanceNormalization, GroupNormalization --- */

static bool infer_instance_norm(Compilation *c, Node *node) {
  if (!infer_like_input(c, node, 3)) return false;
  Dim channels = node_in(node, 0)->shape[1];
  return require_count(c, node, 1, channels, "channels and elements of scale") &&
         require_count(c, node, 2, channels, "channels and elements of the bias");
}

/* Before opset 21 scale and bias belong to groups; models that give one a channel exist all the
 * same. */
static bool scales_by_group(Compilation *c, const Node *node, int64_t groups) {
  return node->version < 21 && dim_is(value_count(c, node_in(node, 1)), groups);
}

static bool infer_group_norm(Compilation *c, Node *node) {
  if (!infer_like_input(c, node, 2)) return false;
  Dim channels = node_in(node, 0)->shape[1];
  int64_t groups = node_int(node, "num_groups", 0);
  if (groups < 1) return node_error(c, node, "attribute 'num_groups' must be at least 1");
  if (dim_is_const(channels) && dim_value(channels) % groups)
    return node_error(c, node, "%lld channels cannot be split into num_groups=%lld",
                      (long long)dim_value(channels), (long long)groups);
  if (scales_by_group(c, node, groups)) channels = dim_const(c->dims, groups);
  return require_count(c, node, 1, channels, "channels and elements of scale") &&
         require_count(c, node, 2, channels, "channels and elements of the bias");
}

static bool lower_groups(Lower *l, const Node *node, Dim groups, Dim channels, bool by_group) {
  const Value *x = node_in(node, 0);
  DType dtype = compute_dtype(x->dtype);
  Buffer *in[3], *out = compute_output(l, node_out(node, 0), dtype);
  for (int i = 0; i < 3; i++) in[i] = compute_input(l, node_in(node, i), dtype);
  Step *step = lower_kernel(l, "group_norm", dtype);
  for (int i = 0; i < 3; i++) arg_buffer(l, step, in[i]);
  arg_buffer(l, step, out);
  arg_dim(l, step, x->shape[0]);
  arg_dim(l, step, groups);
  arg_dim(l, step, channels);
  arg_dim(l, step, shape_product(l->c, x, 2, x->rank));
  arg_int(l, step, by_group);
  arg_real(l, step, (double)node_float(node, "epsilon", 1e-5f));
  step_units(step, dim_mul(l->c->dims, x->shape[0], groups));
  compute_done(l, node_out(node, 0), out);
  return true;
}

static bool lower_instance_norm(Lower *l, const Node *node) {
  return lower_groups(l, node, node_in(node, 0)->shape[1], dim_const(l->c->dims, 1), false);
}

static bool lower_group_norm(Lower *l, const Node *node) {
  int64_t count = node_int(node, "num_groups", 1);
  Dim groups = dim_const(l->c->dims, count);
  Dim channels = dim_floordiv(l->c->dims, node_in(node, 0)->shape[1], groups);
  return lower_groups(l, node, groups, channels, scales_by_group(l->c, node, count));
}

/* --- normalisation of rows: LayerNormalization, RMSNormalization and their relatives --- */

/* What the operators of this kind differ in. */
typedef struct {
  bool centred;    /* subtracts the mean, too */
  bool adds_skip;  /* inputs x, skip, scale, [bias,] [sum bias]: rows of x + skip are normalised */
  int scale, bias; /* inputs, -1: none */
  int sum_bias;    /* likewise, added to x + skip */
  int mean, inverse, sum; /* outputs, -1: none */
  float epsilon;          /* default of the attribute */
} RowNorm;

static const RowNorm *row_norm(const Node *node) {
  return node->op->row;
}

static const Value *optional_in(const Node *node, int index) {
  return index < 0 ? NULL : node_in(node, index);
}

static Value *optional_out(const Node *node, int index) {
  return index < 0 ? NULL : node_out(node, index);
}

static bool first_axis(Compilation *c, const Node *node, int *axis) {
  const Value *x = node_in(node, 0);
  return infer_axis(c, node, row_norm(node)->adds_skip ? -1 : node_int(node, "axis", -1), x->rank,
                    axis);
}

/* Demands that a value can be broadcast to x. */
static bool check_broadcast(Compilation *c, const Node *node, const Value *value) {
  const Value *x = node_in(node, 0);
  if (!value) return true;
  if (value->rank > x->rank)
    return node_error(c, node, "'%s' has more axes than the input", value->name);
  for (int i = 0; i < value->rank; i++) {
    Dim own = value->shape[value->rank - 1 - i], other = x->shape[x->rank - 1 - i];
    if (!dim_is(own, 1) && dim_is_const(own) && dim_is_const(other) && own != other)
      return node_error(c, node, "'%s' cannot be broadcast to the shape of the input", value->name);
  }
  return true;
}

/* The dtype of means and inverse deviations. */
static DType statistics_dtype(const Node *node) {
  DType stash = dtype_from_onnx((int)node_int(node, "stash_type", 1));
  return dtype_is_float(stash) ? stash : DT_F32;
}

static bool infer_row_norm(Compilation *c, Node *node) {
  const RowNorm *row = row_norm(node);
  const Value *x = node_in(node, 0);
  Dim shape[MAX_RANK];
  int axis;
  if (!infer_like_input(c, node, 1) || !first_axis(c, node, &axis)) return false;
  if (!check_broadcast(c, node, optional_in(node, row->scale)) ||
      !check_broadcast(c, node, optional_in(node, row->bias)) ||
      !check_broadcast(c, node, optional_in(node, row->sum_bias)) ||
      !check_broadcast(c, node, row->adds_skip ? node_in(node, 1) : NULL))
    return false;
  for (int i = 0; i < x->rank; i++) shape[i] = i < axis ? x->shape[i] : dim_const(c->dims, 1);
  Value *statistics[2] = {optional_out(node, row->mean), optional_out(node, row->inverse)};
  for (int i = 0; i < 2; i++)
    if (statistics[i]) value_set_type(c, statistics[i], statistics_dtype(node), x->rank, shape);
  Value *sum = optional_out(node, row->sum);
  if (sum) value_set_type(c, sum, x->dtype, x->rank, x->shape);
  return true;
}

/* The data to normalise, in `dtype`: x, or x + skip + bias, which becomes an output, too. */
static Buffer *row_input(Lower *l, const Node *node, DType dtype) {
  const RowNorm *row = row_norm(node);
  const Value *x = node_in(node, 0), *bias = optional_in(node, row->sum_bias);
  const Value *sum = optional_out(node, row->sum);
  if (!row->adds_skip) return compute_input(l, x, dtype);
  Buffer *rows = sum ? compute_output(l, sum, dtype)
                     : lower_scratch(l, dtype, value_count(l->c, x), "input + skip");
  Dim stride[MAX_RANK];
  nest_strides(l->c, x->rank, x->shape, stride);
  LoopNest *nest = lower_nest(l, x->rank, x->shape);
  Operand terms[2] = {nest_load(l, nest, x), nest_load(l, nest, node_in(node, 1))};
  terms[0] = nest_apply(l, nest, "add", dtype, terms, 2);
  if (bias) {
    terms[1] = nest_load(l, nest, bias);
    terms[0] = nest_apply(l, nest, "add", dtype, terms, 2);
  }
  nest_store_at(l, nest, rows, NULL, stride, terms[0]);
  if (sum) compute_done(l, sum, rows);
  return rows;
}

bool fits_row(const Value *value, const Value *x, int axis) {
  int lead = value->rank - (x->rank - axis);
  for (int i = 0; i < lead; i++)
    if (!dim_is(value->shape[i], 1)) return false;
  for (int i = 0; i < x->rank - axis; i++)
    if (lead + i < 0 ? !dim_is(x->shape[axis + i], 1)
                     : value->shape[lead + i] != x->shape[axis + i])
      return false;
  return true;
}

/* y = y * scale + bias, both broadcast; either may be NULL. */
static void lower_scale_bias(Lower *l, const Value *y, Buffer *buffer, DType dtype,
                             const Value *scale, const Value *bias) {
  Dim stride[MAX_RANK];
  const Value *operands[2] = {scale, bias};
  static const char *const stems[2] = {"mul", "add"};
  nest_strides(l->c, y->rank, y->shape, stride);
  LoopNest *nest = lower_nest(l, y->rank, y->shape);
  Operand value = nest_load_at(l, nest, buffer, NULL, stride);
  for (int i = 0; i < 2; i++) {
    if (!operands[i]) continue;
    Operand args[2] = {value, nest_load(l, nest, operands[i])};
    value = nest_apply(l, nest, stems[i], dtype, args, 2);
  }
  nest_store_at(l, nest, buffer, NULL, stride, value);
}

static bool lower_row_norm(Lower *l, const Node *node) {
  const RowNorm *row = row_norm(node);
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  const Value *scale = optional_in(node, row->scale), *bias = optional_in(node, row->bias);
  const Value *statistics[2] = {optional_out(node, row->mean), optional_out(node, row->inverse)};
  DType dtype = compute_dtype(x->dtype);
  int axis;
  if (!first_axis(l->c, node, &axis)) return false;
  bool inside = (!scale || fits_row(scale, x, axis)) && (!bias || fits_row(bias, x, axis));
  Buffer *in = row_input(l, node, dtype);
  Buffer *factors = inside ? compute_input(l, scale, dtype) : NULL;
  Buffer *shifts = inside ? compute_input(l, bias, dtype) : NULL;
  Buffer *out = compute_output(l, y, dtype), *notes[2];
  for (int i = 0; i < 2; i++) notes[i] = compute_output(l, statistics[i], dtype);
  Step *step = lower_kernel(l, row->centred ? "layer_norm" : "rms_norm", dtype);
  arg_buffer(l, step, in);
  arg_buffer(l, step, factors);
  if (row->centred) arg_buffer(l, step, shifts);
  arg_buffer(l, step, out);
  if (row->centred) arg_buffer(l, step, notes[0]);
  arg_buffer(l, step, notes[1]);
  arg_dim(l, step, shape_product(l->c, x, 0, axis));
  arg_dim(l, step, shape_product(l->c, x, axis, x->rank));
  arg_real(l, step, (double)node_float(node, "epsilon", row->epsilon));
  step_units(step, shape_product(l->c, x, 0, axis));
  if (!inside) lower_scale_bias(l, y, out, dtype, scale, bias);
  compute_done(l, y, out);
  for (int i = 0; i < 2; i++) compute_done(l, statistics[i], notes[i]);
  return true;
}

/* --- LRN, LpNormalization, MeanVarianceNormalization --- */

static bool infer_lrn(Compilation *c, Node *node) {
  if (node_int(node, "size", 0) < 1)
    return node_error(c, node, "attribute 'size' must be at least 1");
  return infer_like_input(c, node, 2);
}

static bool lower_lrn(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0);
  DType dtype = compute_dtype(x->dtype);
  Buffer *in = compute_input(l, x, dtype), *out = compute_output(l, node_out(node, 0), dtype);
  Step *step = lower_kernel(l, "lrn", dtype);
  arg_buffer(l, step, in);
  arg_buffer(l, step, out);
  arg_dim(l, step, x->shape[0]);
  arg_dim(l, step, x->shape[1]);
  arg_dim(l, step, shape_product(l->c, x, 2, x->rank));
  arg_int(l, step, node_int(node, "size", 1));
  arg_real(l, step, (double)node_float(node, "alpha", 1e-4f));
  arg_real(l, step, (double)node_float(node, "beta", 0.75f));
  arg_real(l, step, (double)node_float(node, "bias", 1.0f));
  compute_done(l, node_out(node, 0), out);
  return true;
}

static bool infer_lp_norm(Compilation *c, Node *node) {
  int axis;
  int64_t p = node_int(node, "p", 2);
  if (p != 1 && p != 2) return node_error(c, node, "p=%lld is not supported: 1 or 2", (long long)p);
  return infer_like_input(c, node, 1) &&
         infer_axis(c, node, node_int(node, "axis", -1), node_in(node, 0)->rank, &axis);
}

static bool lower_lp_norm(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0);
  DType dtype = compute_dtype(x->dtype);
  int axis;
  if (!infer_axis(l->c, node, node_int(node, "axis", -1), x->rank, &axis)) return false;
  Buffer *in = compute_input(l, x, dtype), *out = compute_output(l, node_out(node, 0), dtype);
  Step *step = lower_kernel(l, "lp_norm", dtype);
  arg_buffer(l, step, in);
  arg_buffer(l, step, out);
  arg_dim(l, step, shape_product(l->c, x, 0, axis));
  arg_dim(l, step, x->shape[axis]);
  arg_dim(l, step, shape_product(l->c, x, axis + 1, x->rank));
  arg_int(l, step, node_int(node, "p", 2));
  compute_done(l, node_out(node, 0), out);
  return true;
}

/* Attribute axes as flags, one an axis of the input. */
static bool read_axes(Compilation *c, const Node *node, int64_t *reduced) {
  static const int64_t missing[] = {0, 2, 3};
  size_t count;
  int rank = node_in(node, 0)->rank, axis;
  const int64_t *axes = node_ints(node, "axes", &count);
  if (!axes) {
    axes = missing;
    count = 3;
  }
  memset(reduced, 0, MAX_RANK * sizeof *reduced);
  for (size_t i = 0; i < count; i++) {
    if (!infer_axis(c, node, axes[i], rank, &axis)) return false;
    reduced[axis] = 1;
  }
  return true;
}

static bool infer_mean_variance_norm(Compilation *c, Node *node) {
  int64_t reduced[MAX_RANK];
  return infer_like_input(c, node, 1) && read_axes(c, node, reduced);
}

static bool lower_mean_variance_norm(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0);
  DType dtype = compute_dtype(x->dtype);
  int64_t reduced[MAX_RANK];
  Dim groups = dim_const(l->c->dims, 1);
  if (!read_axes(l->c, node, reduced)) return false;
  for (int i = 0; i < x->rank; i++)
    if (!reduced[i]) groups = dim_mul(l->c->dims, groups, x->shape[i]);
  Buffer *in = compute_input(l, x, dtype), *out = compute_output(l, node_out(node, 0), dtype);
  Buffer *mean = lower_scratch(l, dtype, groups, "means");
  Buffer *deviation = lower_scratch(l, dtype, groups, "deviations");
  Step *step = lower_kernel(l, "mean_variance_norm", dtype);
  arg_buffer(l, step, in);
  arg_buffer(l, step, out);
  arg_buffer(l, step, mean);
  arg_buffer(l, step, deviation);
  arg_dim(l, step, value_count(l->c, x));
  arg_dim(l, step, groups);
  arg_int(l, step, x->rank);
  arg_dims(l, step, x->shape, x->rank);
  arg_ints(l, step, reduced, x->rank);
  compute_done(l, node_out(node, 0), out);
  return true;
}

/* --- the operators --- */

static const RowNorm layer_norm = {.centred = true,
                                   .scale = 1,
                                   .bias = 2,
                                   .sum_bias = -1,
                                   .mean = 1,
                                   .inverse = 2,
                                   .sum = -1,
                                   .epsilon = 1e-5f};
static const RowNorm rms_norm = {
    .scale = 1, .bias = -1, .sum_bias = -1, .mean = -1, .inverse = 1, .sum = -1, .epsilon = 1e-5f};
static const RowNorm skip_layer_norm = {.centred = true,
                                        .adds_skip = true,
                                        .scale = 2,
                                        .bias = 3,
                                        .sum_bias = 4,
                                        .mean = 1,
                                        .inverse = 2,
                                        .sum = 3,
                                        .epsilon = 1e-12f};
static const RowNorm skip_rms_norm = {.adds_skip = true,
                                      .scale = 2,
                                      .bias = -1,
                                      .sum_bias = 3,
                                      .mean = 1,
                                      .inverse = 2,
                                      .sum = 3,
                                      .epsilon = 1e-12f};

DEFINE_OP(BatchNormalization) = {.name = "BatchNormalization",
                                 .infer = infer_batch_norm,
                                 .lower = lower_batch_norm,
                                 .blocked = blocked_batch_norm,
                                 .lower_blocked = lower_blocked_batch_norm};
DEFINE_OP(InstanceNormalization) = {
    .name = "InstanceNormalization", .infer = infer_instance_norm, .lower = lower_instance_norm};
DEFINE_OP(GroupNormalization) = {
    .name = "GroupNormalization", .infer = infer_group_norm, .lower = lower_group_norm};
DEFINE_OP(LayerNormalization) = {.name = "LayerNormalization",
                                 .flags = OP_EARLY,
                                 .infer = infer_row_norm,
                                 .lower = lower_row_norm,
                                 .row = &layer_norm};
DEFINE_OP(RMSNormalization) = {
    .name = "RMSNormalization", .infer = infer_row_norm, .lower = lower_row_norm, .row = &rms_norm};
DEFINE_OP(SimplifiedLayerNormalization) = {.name = "SimplifiedLayerNormalization",
                                           .infer = infer_row_norm,
                                           .lower = lower_row_norm,
                                           .row = &rms_norm};
DEFINE_OP(SkipLayerNormalization) = {.domain = MICROSOFT,
                                     .name = "SkipLayerNormalization",
                                     .infer = infer_row_norm,
                                     .lower = lower_row_norm,
                                     .row = &skip_layer_norm};
DEFINE_OP(SkipSimplifiedLayerNormalization) = {.domain = MICROSOFT,
                                               .name = "SkipSimplifiedLayerNormalization",
                                               .infer = infer_row_norm,
                                               .lower = lower_row_norm,
                                               .row = &skip_rms_norm};
DEFINE_OP(LRN) = {.name = "LRN", .infer = infer_lrn, .lower = lower_lrn};
DEFINE_OP(LpNormalization) = {
    .name = "LpNormalization", .infer = infer_lp_norm, .lower = lower_lp_norm};
DEFINE_OP(MeanVarianceNormalization) = {.name = "MeanVarianceNormalization",
                                        .infer = infer_mean_variance_norm,
                                        .lower = lower_mean_variance_norm};
