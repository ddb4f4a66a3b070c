/* layer_conv.c: convolutions, Linear, Embedding and GDN: layers that multiply by a weight. */
#include "layer.h"

#include <inttypes.h>

/* What the convolutions share; lists have one entry for each spatial axis. */
typedef struct {
  int dims;
  int64_t in, out, groups;
  int64_t kernel[SPATIAL], stride[SPATIAL], dilation[SPATIAL];
  int64_t pads[2 * SPATIAL]; /* before each axis, then behind each, as ONNX has them */
} Convolution;

static void check_groups(Layer *l, const Convolution *v) {
  if (v->in % v->groups)
    layer_error(l, "groups", "in_channels (%" PRId64 ") is no multiple of groups (%" PRId64 ")",
                v->in, v->groups);
  if (v->out % v->groups)
    layer_error(l, "groups", "out_channels (%" PRId64 ") is no multiple of groups (%" PRId64 ")",
                v->out, v->groups);
}

static Convolution read_convolution(Layer *l) {
  Convolution v = {.dims = l->type->dims,
                   .in = layer_int(l, "in_channels"),
                   .out = layer_int(l, "out_channels"),
                   .groups = layer_int(l, "groups")};
  layer_ints(l, "kernel_size", v.dims, v.kernel);
  layer_ints(l, "stride", v.dims, v.stride);
  layer_ints(l, "dilation", v.dims, v.dilation);
  check_groups(l, &v);
  return v;
}

/* "same": as many outputs as inputs, the odd one behind; "valid": none; else so many on each side.
 */
static void read_padding(Layer *l, Convolution *v) {
  const char *text = layer_text(l, "padding");
  bool same = text && strcmp(text, "same") == 0;
  int64_t given[SPATIAL] = {0};
  if (!text) layer_ints(l, "padding", v->dims, given);
  for (int i = 0; i < v->dims; i++) {
    int64_t total = same ? v->dilation[i] * (v->kernel[i] - 1) : 2 * given[i];
    if (same && v->stride[i] != 1) {
      layer_error(l, "padding", "padding \"same\" needs stride 1");
      return;
    }
    v->pads[i] = total / 2;
    v->pads[v->dims + i] = total - total / 2;
  }
}

/* Padding with anything but zeros is a node of its own. */
static Value *pad_input(Layer *l, Value *x, Convolution *v) {
  static const char *const modes[][2] = {
      {"reflect", "reflect"}, {"replicate", "edge"}, {"circular", "wrap"}};
  const char *wanted = layer_text(l, "padding_mode"), *mode = NULL;
  int64_t axes[SPATIAL];
  for (size_t i = 0; wanted && i < sizeof modes / sizeof *modes; i++)
    if (strcmp(wanted, modes[i][0]) == 0) mode = modes[i][1];
  if (!mode) return x;
  for (int i = 0; i < v->dims; i++) axes[i] = i - v->dims;
  Value *pads = compose_ints(&l->k, v->pads, 2 * v->dims);
  memset(v->pads, 0, sizeof v->pads);
  return layer_op(l, "Pad", IN(x, pads, NULL, compose_ints(&l->k, axes, v->dims)),
                  WITH(attr_text("mode", mode)));
}

/* Weight and bias; the weight is [first, second / groups, kernel…]. */
static void read_weights(Layer *l, const Convolution *v, int64_t first, int64_t second,
                         Value **weight, Value **bias) {
  int64_t shape[2 + SPATIAL] = {first, second / v->groups};
  memcpy(shape + 2, v->kernel, sizeof v->kernel);
  *weight = layer_weight(l, "weight", 2 + v->dims, shape);
  *bias = layer_bool(l, "bias") ? layer_weight1(l, "bias", v->out) : NULL;
}

void build_convolution(Layer *l) {
  Convolution v = read_convolution(l);
  Value *weight, *bias;
  bool added;
  read_padding(l, &v);
  read_weights(l, &v, v.out, v.in, &weight, &bias);
  if (l->k.failed) return;
  Value *x = pad_input(l, layer_batched(l, v.dims, &added), &v);
  Value *y = layer_op(l, "Conv", IN(x, weight, bias),
                      WITH(attr_ints("kernel_shape", v.kernel, v.dims),
                           attr_ints("strides", v.stride, v.dims),
                           attr_ints("dilations", v.dilation, v.dims),
                           attr_ints("pads", v.pads, 2 * v.dims), attr_int("group", v.groups)));
  l->outputs[0] = layer_unbatched(l, y, added);
}

void build_transposed_convolution(Layer *l) {
  Convolution v = read_convolution(l);
  Value *weight, *bias;
  int64_t extra[SPATIAL];
  bool added;
  read_padding(l, &v);
  layer_ints(l, "output_padding", v.dims, extra);
  for (int i = 0; i < v.dims; i++)
    if (extra[i] && extra[i] >= v.stride[i] && extra[i] >= v.dilation[i] && !l->k.failed)
      layer_error(l, "output_padding", "output_padding must be less than stride or dilation");
  read_weights(l, &v, v.in, v.out, &weight, &bias);
  if (l->k.failed) return;
  Value *x = layer_batched(l, v.dims, &added);
  Value *y = layer_op(
      l, "ConvTranspose", IN(x, weight, bias),
      WITH(attr_ints("kernel_shape", v.kernel, v.dims), attr_ints("strides", v.stride, v.dims),
           attr_ints("dilations", v.dilation, v.dims), attr_ints("pads", v.pads, 2 * v.dims),
           attr_ints("output_padding", extra, v.dims), attr_int("group", v.groups)));
  l->outputs[0] = layer_unbatched(l, y, added);
}

void build_linear(Layer *l) {
  int64_t in = layer_int(l, "in_features"), out = layer_int(l, "out_features");
  Value *weight = layer_weight2(l, "weight", out, in);
  Value *bias = layer_bool(l, "bias") ? layer_weight1(l, "bias", out) : NULL;
  if (!l->k.failed) l->outputs[0] = layer_linear(l, l->inputs[0], weight, bias);
}

void build_bilinear(Layer *l) {
  int64_t out = layer_int(l, "out_features");
  Value *weight = layer_weight(
      l, "weight", 3, (int64_t[]){out, layer_int(l, "in1_features"), layer_int(l, "in2_features")});
  Value *bias = layer_bool(l, "bias") ? layer_weight1(l, "bias", out) : NULL;
  if (l->k.failed) return;
  Value *y = layer_op(l, "Einsum", IN(l->inputs[0], weight, l->inputs[1]),
                      WITH(attr_text("equation", "...i,oij,...j->...o")));
  l->outputs[0] = bias ? layer_op(l, "Add", IN(y, bias), NO_ATTRS) : y;
}

/* Its input is of integers: the table says what the layers behind it compute with. */
void build_embedding(Layer *l) {
  const JsonValue *other = json_member(json_member(l->json, "weights"), "weight");
  const char *name = other ? other->string : arena_printf(l->r->arena, "%s.weight", l->name);
  Value *table = weights_find(l->r, name);
  if (table && dtype_is_float(table->dtype)) l->dtype = table->dtype;
  table = layer_weight2(l, "weight", layer_int(l, "num_embeddings"), layer_int(l, "embedding_dim"));
  if (!l->k.failed)
    l->outputs[0] = layer_op(l, "Gather", IN(table, l->inputs[0]), WITH(attr_int("axis", 0)));
}

/* beta_i + sum_j gamma_ij s_j, with the channels on axis 1: a convolution of kernel size 1. */
static Value *mix_channels(Layer *l, Value *squares, Value *gamma, Value *beta) {
  int64_t axes[MAX_RANK];
  int rank = layer_rank(l, squares);
  if (rank == 2) return layer_linear(l, squares, gamma, beta);
  for (int i = 2; i < rank; i++) axes[i - 2] = i;
  Value *weight =
      layer_op(l, "Unsqueeze", IN(gamma, compose_ints(&l->k, axes, rank - 2)), NO_ATTRS);
  return layer_op(l, "Conv", IN(squares, weight, beta), NO_ATTRS);
}

/* Generalised divisive normalisation (Ballé et al.): y_i = x_i / sqrt(beta_i + sum_j gamma_ij
 * x_j²), its approximate inverse multiplies. x is [N, C, …]. */
void build_gdn(Layer *l) {
  int64_t channels = layer_int(l, "in_channels");
  Value *x = l->inputs[0], *beta = layer_weight1(l, "beta", channels);
  Value *gamma = layer_weight2(l, "gamma", channels, channels);
  int rank = layer_rank(l, x);
  if (!l->k.failed && rank < 2) layer_error(l, NULL, "the input must have channels");
  if (l->k.failed) return;
  Value *squares = layer_op(l, "Mul", IN(x, x), NO_ATTRS);
  Value *norm = layer_op(l, "Sqrt", IN(mix_channels(l, squares, gamma, beta)), NO_ATTRS);
  l->outputs[0] = layer_op(l, l->type->op, IN(x, norm), NO_ATTRS);
}
