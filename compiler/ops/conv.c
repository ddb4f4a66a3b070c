/* conv.c: Conv, ConvTranspose and com.microsoft FusedConv; inference of all convolutions.
 *
 * Weights are [output channels, input channels / group, kernel…]; of ConvTranspose [input channels,
 * output channels / group, kernel…]. Any dim may be symbolic. */
#include "ops/conv.h"
#include "ops/conv_blocked.h"

#include <string.h>

/* --- inference --- */

static bool check_kernel_attr(Compilation *c, const Node *node, const Value *w) {
  size_t count;
  const int64_t *sizes = node_ints(node, "kernel_shape", &count);
  if (!sizes || count == 0) return true;
  if (count != (size_t)w->rank - 2)
    return node_error(c, node,
                      "attribute 'kernel_shape' has %zu sizes, but the weight has %d spatial axes",
                      count, w->rank - 2);
  for (size_t i = 0; i < count; i++)
    if (!infer_require_equal(c, node, dim_const(c->dims, sizes[i]), w->shape[2 + i],
                             "attribute 'kernel_shape' and the weight's sizes"))
      return false;
  return true;
}

/* total / groups; an error if it is known and not a multiple. */
static bool per_group(Compilation *c, const Node *node, Dim total, int64_t groups, Dim *result) {
  if (dim_is_const(total) && dim_value(total) % groups != 0)
    return node_error(c, node, "%lld channels cannot be split into %lld groups",
                      (long long)dim_value(total), (long long)groups);
  *result = dim_floordiv(c->dims, total, dim_const(c->dims, groups));
  return true;
}

static bool read_channels(Compilation *c, const Node *node, const Value *x, const Value *w,
                          bool transposed, Conv *conv) {
  conv->n = x->shape[0];
  conv->groups = node_int(node, "group", 1);
  if (conv->groups < 1) return node_error(c, node, "attribute 'group' must be at least 1");
  if (transposed) {
    conv->oc = w->shape[1];
    return infer_require_equal(c, node, x->shape[1], w->shape[0],
                               "channels of the input and of the weight") &&
           per_group(c, node, w->shape[0], conv->groups, &conv->ic);
  }
  conv->ic = w->shape[1];
  return infer_require_equal(c, node, x->shape[1], dim_muli(c->dims, conv->ic, conv->groups),
                             "channels of the input and of the weight") &&
         per_group(c, node, w->shape[0], conv->groups, &conv->oc);
}

static const ConvRow *conv_row(const Node *node) {
  return node->op->row;
}

bool conv_read(Compilation *c, const Node *node, Conv *conv) {
  const ConvRow *row = conv_row(node);
  const Value *x = node_in(node, 0), *w = node_in(node, row->weight);
  if (!window_check_rank(c, node, x)) return false;
  if (w->rank != x->rank)
    return node_error(c, node, "the weight has rank %d, but the input has rank %d", w->rank,
                      x->rank);
  return check_kernel_attr(c, node, w) &&
         read_channels(c, node, x, w, row->kind == WINDOW_TRANSPOSE, conv) &&
         window_read(c, node, x, w->shape + 2, row->kind, &conv->window);
}

static Dim all_outputs(Compilation *c, const Conv *conv) {
  return dim_muli(c->dims, conv->oc, conv->groups);
}

static bool check_bias(Compilation *c, const Node *node, const Conv *conv) {
  const Value *bias = conv_row(node)->bias < 0 ? NULL : node_in(node, conv_row(node)->bias);
  return !bias || infer_require_equal(c, node, value_count(c, bias), all_outputs(c, conv),
                                      "elements of the bias and output channels");
}

bool conv_infer(Compilation *c, Node *node, DType dtype) {
  Conv conv;
  if (!conv_read(c, node, &conv) || !check_bias(c, node, &conv)) return false;
  window_set_output(c, node, 0, dtype, conv.n, all_outputs(c, &conv), &conv.window);
  return true;
}

static bool infer_conv(Compilation *c, Node *node) {
  return require_float(c, node, node_in(node, 0)) && conv_infer(c, node, node_in(node, 0)->dtype);
}

/* --- lowering --- */

static void arg_channels(Lower *l, Step *step, const Conv *conv) {
  arg_dim(l, step, conv->n);
  arg_int(l, step, conv->groups);
  arg_dim(l, step, conv->ic);
  arg_dim(l, step, conv->oc);
}

/* The sizes of the pieces that ctc_conv_columns and ctc_conv_transpose_rows work on: 32 KiB of f32
 * and less, which stay in a first-level cache. */
enum { COLUMN_TAPS = 64, ROW_BLOCK = 16, PIECE = 128 };
/* Convolutions of fewer products do without the scratch memory. */
enum { FEW_PRODUCTS = 1000000 };

/* How a convolution is computed. */
typedef enum {
  CONV_DIRECT,  /* row by row, without scratch memory */
  CONV_PLAIN,   /* as a matrix product on the input */
  CONV_COLUMNS, /* as a matrix product on gathered inputs, or (transposed) with results that are
                   spread */
} ConvMethod;

static Dim taps_of(Compilation *c, const Conv *conv) {
  return dim_mul(c->dims, conv->ic, window_volume(c, conv->window.kernel));
}

static ConvMethod choose_method(Compilation *c, const Conv *conv, bool transposed) {
  if (!target_of(c)->columns) return CONV_DIRECT;
  if (!transposed && window_is_flat(&conv->window)) return CONV_PLAIN;
  Dim taps = taps_of(c, conv), channels = all_outputs(c, conv);
  Dim positions = window_volume(c, transposed ? conv->window.in : conv->window.out);
  Dim products = dim_mul(c->dims, dim_mul(c->dims, taps, channels), positions);
  bool few = dim_is_const(products) && dim_value(products) < FEW_PRODUCTS;
  Dim shared = transposed ? conv->ic : conv->oc;
  bool narrow = (dim_is_const(shared) && dim_value(shared) < 4) ||
                (dim_is_const(taps) && dim_value(taps) < 8);
  return few || narrow ? CONV_DIRECT : CONV_COLUMNS;
}

/* x, weight, bias, y, scratch, channels, and the sizes of a piece of the scratch memory: `depth` by
 * at most PIECE of `positions`. */
static void lower_pieces(Lower *l, const char *stem, const Conv *conv, bool scratch, Dim depth,
                         Dim positions, Buffer *const *in, Buffer *out) {
  DimPool *p = l->c->dims;
  Dim piece = dim_max(p, dim_min(p, positions, dim_const(p, PIECE)), dim_const(p, 1));
  depth = dim_max(p, depth, dim_const(p, 1));
  Buffer *work =
      scratch ? lower_scratch(l, out->dtype, dim_mul(p, depth, piece), "part of a convolution")
              : NULL;
  Step *step = lower_kernel(l, stem, out->dtype);
  for (int i = 0; i < 3; i++) arg_buffer(l, step, in[i]);
  arg_buffer(l, step, out);
  arg_buffer(l, step, work);
  arg_channels(l, step, conv);
  arg_dim(l, step, depth);
  arg_dim(l, step, piece);
  window_args(l, step, &conv->window);
}

static void lower_columns(Lower *l, const Conv *conv, ConvMethod method, Buffer *const *in,
                          Buffer *out) {
  Dim taps = dim_min(l->c->dims, taps_of(l->c, conv), dim_const(l->c->dims, COLUMN_TAPS));
  lower_pieces(l, "conv_columns", conv, method == CONV_COLUMNS, taps,
               window_volume(l->c, conv->window.out), in, out);
}

static void lower_rows(Lower *l, const Conv *conv, Buffer *const *in, Buffer *out) {
  lower_pieces(l, "conv_transpose_rows", conv, true, dim_const(l->c->dims, ROW_BLOCK),
               window_volume(l->c, conv->window.in), in, out);
}

static void lower_direct(Lower *l, const char *stem, const Conv *conv, Buffer *const *in,
                         Buffer *out) {
  Step *step = lower_kernel(l, stem, out->dtype);
  for (int i = 0; i < 3; i++) arg_buffer(l, step, in[i]);
  arg_buffer(l, step, out);
  arg_channels(l, step, conv);
  window_args(l, step, &conv->window);
  bool lone = dim_is(all_outputs(l->c, conv), 1); /* planes follow each other by images */
  step_plane_results(l, step, out->count, lone ? NULL : window_volume(l->c, conv->window.out));
}

static bool lower_float_conv(Lower *l, const Node *node, bool transposed) {
  Conv conv;
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  DType dtype = compute_dtype(x->dtype);
  if (row_conv_lower(l, node)) return true;
  if (!conv_read(l->c, node, &conv)) return false;
  window_flatten(l->c, &conv.window);
  Buffer *in[3];
  for (int i = 0; i < 3; i++) in[i] = compute_input(l, node_in(node, i), dtype);
  Buffer *out = compute_output(l, y, dtype);
  ConvMethod method = choose_method(l->c, &conv, transposed);
  if (method == CONV_DIRECT)
    lower_direct(l, transposed ? "conv_transpose" : "conv", &conv, in, out);
  else if (transposed)
    lower_rows(l, &conv, in, out);
  else
    lower_columns(l, &conv, method, in, out);
  compute_done(l, y, out);
  return true;
}

static bool lower_conv(Lower *l, const Node *node) {
  return lower_float_conv(l, node, false);
}

static bool lower_conv_transpose(Lower *l, const Node *node) {
  return lower_float_conv(l, node, true);
}

/* --- FusedConv --- */

/* The activations of FusedConv: scalar functions with the numbers of attribute activation_params
 * behind the operand. */
static const struct {
  const char *name, *stem;
  int param_count;
  double missing[2];
} activations[] = {
    {"Relu", "relu", 0, {0, 0}},
    {"Tanh", "tanh", 0, {0, 0}},
    {"Sigmoid", "sigmoid", 0, {0, 0}},
    {"LeakyRelu", "leakyrelu", 1, {0.01, 0}},
    {"Clip", "clip", 2, {-3.402823466e38, 3.402823466e38}},
    {"HardSigmoid", "hardsigmoid", 2, {0.2, 0.5}},
    {"HardSwish", "hardswish", 0, {0, 0}},
};

/* The row of `activations` that the node asks for, -1 for none; false if there is no such
 * activation. */
static bool find_activation(Compilation *c, const Node *node, int *found) {
  const char *name = node_string(node, "activation", "");
  *found = -1;
  if (name[0] == 0) return true;
  for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
    if (strcmp(activations[i].name, name) == 0) return *found = (int)i, true;
  return node_error(c, node, "activation='%s' is not supported", name);
}

static bool infer_fused_conv(Compilation *c, Node *node) {
  int activation;
  const Value *z = node_in(node, 3);
  if (!find_activation(c, node, &activation) || !infer_conv(c, node)) return false;
  const Value *y = node_out(node, 0);
  if (z && z->rank != y->rank)
    return node_error(c, node, "input Z must have the rank of the output");
  for (int i = 0; z && i < y->rank; i++)
    if (!infer_require_equal(c, node, z->shape[i], y->shape[i],
                             "dims of input Z and of the output"))
      return false;
  return true;
}

/* With parameters from the attribute or their defaults. */
Operand conv_activation(Lower *l, LoopNest *nest, const Node *node, Operand value) {
  size_t given;
  int row;
  if (!find_activation(l->c, node, &row) || row < 0) return value;
  const float *params = node_floats(node, "activation_params", &given);
  Operand args[3] = {value};
  for (int i = 0; i < activations[row].param_count; i++)
    args[1 + i] = operand_real(value.dtype,
                               (size_t)i < given ? (double)params[i] : activations[row].missing[i]);
  return nest_apply(l, nest, activations[row].stem, value.dtype, args,
                    1 + activations[row].param_count);
}

/* y = act(y + z) in place, one long loop. */
static bool lower_fused_conv(Lower *l, const Node *node) {
  int activation;
  const Value *y = node_out(node, 0), *z = node_in(node, 3);
  if (!find_activation(l->c, node, &activation) || !lower_conv(l, node)) return false;
  if (activation < 0 && !z) return true;
  Dim count = value_count(l->c, y), one = dim_const(l->c->dims, 1);
  Buffer *buffer = lower_buffer(l, y), *residual = z ? lower_buffer(l, z) : NULL;
  LoopNest *nest = lower_nest(l, 1, &count);
  Operand value = nest_load_at(l, nest, buffer, NULL, &one);
  if (z) {
    Operand args[2] = {value, nest_load_at(l, nest, residual, NULL, &one)};
    value = nest_apply(l, nest, "add", y->dtype, args, 2);
  }
  value = conv_activation(l, nest, node, value);
  nest_store_at(l, nest, buffer, NULL, &one, value);
  return true;
}

/* --- the operators --- */

static const ConvRow conv_plain = {.weight = 1, .bias = 2, .kind = WINDOW_FLOOR};
static const ConvRow conv_transposed = {.weight = 1, .bias = 2, .kind = WINDOW_TRANSPOSE};

DEFINE_OP(Conv) = {.name = "Conv",
                   .flags = OP_PRODUCT,
                   .infer = infer_conv,
                   .lower = lower_conv,
                   .blocked = blocked_conv_use,
                   .lower_blocked = blocked_conv_lower,
                   .row = &conv_plain};
DEFINE_OP(ConvTranspose) = {.name = "ConvTranspose",
                            .flags = OP_PRODUCT,
                            .infer = infer_conv,
                            .lower = lower_conv_transpose,
                            .blocked = blocked_conv_use,
                            .lower_blocked = blocked_conv_lower,
                            .row = &conv_transposed};
DEFINE_OP(FusedConv) = {.domain = MICROSOFT,
                        .name = "FusedConv",
                        .flags = OP_PRODUCT,
                        .infer = infer_fused_conv,
                        .lower = lower_fused_conv,
                        .blocked = blocked_conv_use,
                        .lower_blocked = blocked_conv_lower,
                        .row = &conv_plain};
