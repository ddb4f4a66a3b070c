/* microsoft.c: operators of onnxruntime that are a few of ai.onnx's. (Attention is in
 * microsoft_attention.c.) */
#include "ops/compose.h"

#include <string.h>

static Value *sum(Composer *k, Value *a, Value *b) {
  return b ? compose_binary(k, "Add", a, b) : a;
}

/* The operator of the same name in ai.onnx with the node's inputs. */
static bool compose_namesake(Composer *k, const Node *node, Attrs attrs, Value **out) {
  Value **results =
      compose_node(k, "", node->op_type, node_inputs(node), attrs, node->output_count);
  for (int i = 0; i < node->output_count; i++) out[i] = results[i];
  return true;
}

static bool compose_same(Composer *k, const Node *node, Value **out) {
  return compose_namesake(k, node, node_attrs(node), out);
}

static bool compose_gather_nd(Composer *k, const Node *node, Value **out) {
  Value *indices = compose_cast(k, node_in(node, 1), DT_I64);
  out[0] = compose_op(k, "GatherND", IN(node_in(node, 0), indices), NO_ATTRS);
  return true;
}

/* Range, of which the step may be left out. */
static bool compose_range(Composer *k, const Node *node, Value **out) {
  Value *start = node_in(node, 0), *step = node_in(node, 2);
  if (!step) step = compose_number(k, start->dtype, 1);
  out[0] = compose_op(k, "Range", IN(start, node_in(node, 1), step), NO_ATTRS);
  return true;
}

/* Outputs: the elements in the order in which they occur, where each one went, how often it is. */
static bool compose_unique(Composer *k, const Node *node, Value **out) {
  Value **found =
      compose_node(k, "", "Unique", IN(node_in(node, 0)), WITH(attr_int("sorted", 0)), 4);
  static const int outputs[] = {0, 2, 3};
  for (int i = 0; i < node->output_count && i < 3; i++) out[i] = found[outputs[i]];
  return true;
}

DEFINE_COMPOSED(MicrosoftGatherND, MICROSOFT, "GatherND", compose_gather_nd);
DEFINE_COMPOSED(MicrosoftPad, MICROSOFT, "Pad", compose_same);
DEFINE_COMPOSED(MicrosoftRange, MICROSOFT, "Range", compose_range);
DEFINE_COMPOSED(MicrosoftTrilu, MICROSOFT, "Trilu", compose_same);
DEFINE_COMPOSED(MicrosoftUnique, MICROSOFT, "Unique", compose_unique);

/* --- shapes and picks --- */

static bool compose_expand_dims(Composer *k, const Node *node, Value **out) {
  Value *axis = compose_cast(k, node_in(node, 1), DT_I64);
  axis = compose_reshape(k, axis, (int64_t[]){1}, 1);
  const Tensor *known = node_in(node, 1)->constant;
  if (known && known->count == 1) axis = compose_ints(k, (int64_t[]){tensor_int(known, 0)}, 1);
  out[0] = compose_op(k, "Unsqueeze", IN(node_in(node, 0), axis), NO_ATTRS);
  return true;
}

/* What padding_idx and scale_grad_by_freq say matters to training only. */
static bool compose_embedding(Composer *k, const Node *node, Value **out) {
  out[0] =
      compose_op(k, "Gather", IN(node_in(node, 0), node_in(node, 1)), WITH(attr_int("axis", 0)));
  return true;
}

DEFINE_COMPOSED(ExpandDims, MICROSOFT, "ExpandDims", compose_expand_dims);
DEFINE_COMPOSED(TorchEmbedding, MICROSOFT, "TorchEmbedding", compose_embedding);

/* --- sums with something behind them --- */

static bool compose_bias_add(Composer *k, const Node *node, Value **out) {
  out[0] = sum(k, sum(k, node_in(node, 0), node_in(node, 1)), node_in(node, 2));
  return true;
}

/* (x + bias), its first half times gelu of its second half */
static bool compose_bias_split_gelu(Composer *k, const Node *node, Value **out) {
  Value *x = sum(k, node_in(node, 0), node_in(node, 1));
  Value **halves = compose_node(k, "", "Split", IN(x),
                                WITH(attr_int("axis", -1), attr_int("num_outputs", 2)), 2);
  out[0] = compose_binary(k, "Mul", halves[0], compose_op(k, "Gelu", IN(halves[1]), NO_ATTRS));
  return true;
}

/* softmax(x + bias) over the axes from `axis` on together */
static bool compose_bias_softmax(Composer *k, const Node *node, Value **out) {
  Value *x = node_in(node, 0);
  int axis;
  if (!infer_axis(k->c, node, node_int(node, "axis", 1), x->rank, &axis)) return false;
  Value *y = sum(k, x, node_in(node, 1));
  bool last = axis == x->rank - 1;
  if (!last) y = compose_op(k, "Flatten", IN(y), WITH(attr_int("axis", axis)));
  y = compose_op(k, "Softmax", IN(y), WITH(attr_int("axis", -1)));
  Value *shape = compose_op(k, "Shape", IN(x), NO_ATTRS);
  out[0] = last ? y : compose_op(k, "Reshape", IN(y, shape), NO_ATTRS);
  return true;
}

static bool compose_gemm_gelu(Composer *k, const Node *node, Value **out) {
  Value *y = compose_binary(k, "MatMul", node_in(node, 0), node_in(node, 1));
  out[0] = compose_op(k, "Gelu", IN(sum(k, y, node_in(node, 2))),
                      WITH(attr_text("approximate", "tanh")));
  return true;
}

DEFINE_COMPOSED(BiasAdd, MICROSOFT, "BiasAdd", compose_bias_add);
DEFINE_COMPOSED(BiasSplitGelu, MICROSOFT, "BiasSplitGelu", compose_bias_split_gelu);
DEFINE_COMPOSED(BiasSoftmax, MICROSOFT, "BiasSoftmax", compose_bias_softmax);
DEFINE_COMPOSED(GemmFastGelu, MICROSOFT, "GemmFastGelu", compose_gemm_gelu);

/* FusedMatMul's attributes, then an operator of one input with activation_alpha … as its own. */
static bool compose_matmul_activation(Composer *k, const Node *node, Value **out) {
  static const char *const renamed[][2] = {{"activation_alpha", "alpha"},
                                           {"activation_beta", "beta"},
                                           {"activation_gamma", "gamma"},
                                           {"activation_axis", "axis"}};
  const char *name = node_string(node, "activation", "");
  const OpDef *op = op_find("", name);
  if (!op || !op->infer) return node_error(k->c, node, "activation='%s' is not supported", name);
  Value *y = compose_node(k, MICROSOFT, "FusedMatMul", IN(node_in(node, 0), node_in(node, 1)),
                          node_attrs(node), 1)[0];
  Attr attrs[4];
  int count = 0;
  for (int i = 0; i < 4; i++) {
    const Attr *given = node_attr(node, renamed[i][0]);
    if (!given) continue;
    attrs[count] = *given;
    attrs[count++].name = renamed[i][1];
  }
  out[0] = compose_op(k, name, IN(y), (Attrs){attrs, count});
  return true;
}

DEFINE_COMPOSED(FusedMatMulActivation, MICROSOFT, "FusedMatMulActivation",
                compose_matmul_activation);

/* --- channels last --- */

static Value *channels_first(Composer *k, Value *x) {
  return compose_transpose(k, x, (int64_t[]){0, 3, 1, 2}, 4);
}

static Value *channels_last(Composer *k, Value *x) {
  return compose_transpose(k, x, (int64_t[]){0, 2, 3, 1}, 4);
}

static bool check_images(Compilation *c, const Node *node) {
  return node_in(node, 0)->rank == 4 || node_error(c, node, "the input must have four dims");
}

/* Groups of channels normalised, and x * sigmoid(x) if the node asks for that. */
static Value *group_norm(Composer *k, const Node *node, Value *x) {
  DType dtype = x->dtype;
  bool last = node_int(node, "channels_last", 1) != 0;
  Value *scale = compose_cast(k, node_in(node, 1), dtype);
  Value *bias = compose_cast(k, node_in(node, 2), dtype);
  Value *y = compose_op(k, "GroupNormalization", IN(last ? channels_first(k, x) : x, scale, bias),
                        WITH(attr_int("num_groups", node_int(node, "groups", 1)),
                             attr_float("epsilon", (double)node_float(node, "epsilon", 1e-5f))));
  if (node_int(node, "activation", 0)) y = compose_op(k, "Swish", IN(y), NO_ATTRS);
  return last ? channels_last(k, y) : y;
}

static bool compose_group_norm(Composer *k, const Node *node, Value **out) {
  if (!check_images(k->c, node)) return false;
  out[0] = group_norm(k, node, node_in(node, 0));
  return true;
}

/* The same of x + skip + bias, which is an output, too; skip is [N, H, W, C], [N, 1, 1, C] or [N,
 * C].
 */
static bool compose_skip_group_norm(Composer *k, const Node *node, Value **out) {
  Value *skip = node_in(node, 3);
  if (!check_images(k->c, node)) return false;
  if (!node_int(node, "channels_last", 1))
    return node_error(k->c, node, "channels_last=0 is not supported");
  if (skip->rank == 2) skip = compose_unsqueeze(k, compose_unsqueeze(k, skip, 1), 1);
  Value *x = sum(k, sum(k, node_in(node, 0), skip), node_in(node, 4));
  out[0] = group_norm(k, node, x);
  if (node->output_count > 1) out[1] = x;
  return true;
}

static bool compose_nhwc_conv(Composer *k, const Node *node, Value **out) {
  Value *z = node_in(node, 3);
  if (!check_images(k->c, node)) return false;
  Value *in[] = {channels_first(k, node_in(node, 0)), node_in(node, 1), node_in(node, 2),
                 z ? channels_first(k, z) : NULL};
  in[1] = channels_first(k, in[1]);
  out[0] = channels_last(
      k, compose_node(k, MICROSOFT, "FusedConv", (Values){in, 4}, node_attrs(node), 1)[0]);
  return true;
}

DEFINE_COMPOSED(GroupNorm, MICROSOFT, "GroupNorm", compose_group_norm);
DEFINE_COMPOSED(SkipGroupNorm, MICROSOFT, "SkipGroupNorm", compose_skip_group_norm);
DEFINE_COMPOSED(NhwcFusedConv, MICROSOFT, "NhwcFusedConv", compose_nhwc_conv);

/* Pads that are an input, which has to be known. */
static bool compose_dynamic_pads(Composer *k, const Node *node, Value **out) {
  bool present;
  const int64_t *pads;
  size_t count;
  if (!infer_const_ints(k->c, node, 2, NULL, &present, &pads, &count)) return false;
  Attr *attrs = ARENA_ARRAY(k->c->arena, Attr, node->attr_count + 1);
  memcpy(attrs, node->attrs, (size_t)node->attr_count * sizeof *attrs);
  attrs[node->attr_count] = attr_ints("pads", pads, (int)count);
  out[0] = compose_op(k, "ConvTranspose", IN(node_in(node, 0), node_in(node, 1), node_in(node, 3)),
                      (Attrs){attrs, node->attr_count + (present ? 1 : 0)});
  return true;
}

DEFINE_COMPOSED(ConvTransposeWithDynamicPads, MICROSOFT, "ConvTransposeWithDynamicPads",
                compose_dynamic_pads);

/* That of ai.onnx; with these numbers it is another one. */
static bool compose_causal_conv(Composer *k, const Node *node, Value **out) {
  static const struct {
    const char *name;
    int64_t only;
  } known[] = {{"channels_last", 0}, {"dilation", 1}, {"ndim", 1}, {"state_window", 0}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (node_int(node, known[i].name, known[i].only) != known[i].only)
      return node_error(k->c, node, "%s=%lld is not supported", known[i].name,
                        (long long)node_int(node, known[i].name, 0));
  const char *activation = node_string(node, "activation", "none");
  return compose_namesake(k, node, WITH(attr_text("activation", activation)), out);
}

DEFINE_COMPOSED(MicrosoftCausalConv, MICROSOFT, "CausalConvWithState", compose_causal_conv);

/* --- integers --- */

/* int32 for signed types, uint32 for others. */
static DType wide_integer(DType dtype) {
  return dtype_info(dtype)->kind == KIND_INT ? DT_I32 : DT_U32;
}

static bool compose_integer_sum(Composer *k, const Node *node, Value **out) {
  size_t count;
  const int64_t *axes = node_ints(node, "axes", &count);
  Value *x = compose_cast(k, node_in(node, 0), wide_integer(node_in(node, 0)->dtype));
  out[0] = compose_op(k, "ReduceSum", IN(x, compose_ints(k, axes, (int)count)),
                      WITH(attr_int("keepdims", node_int(node, "keepdims", 1))));
  return true;
}

/* The product is of unsigned numbers where both factors are. */
static bool compose_matmul_16(Composer *k, const Node *node, Value **out) {
  Value *a = node_in(node, 0), *b = node_in(node, 1);
  DType dtype = a->dtype == DT_U16 && b->dtype == DT_U16 ? DT_U32 : DT_I32;
  out[0] = compose_binary(k, "MatMul", compose_cast(k, a, dtype), compose_cast(k, b, dtype));
  return true;
}

static bool compose_quantized_where(Composer *k, const Node *node, Value **out) {
  Value *sides[2];
  for (int i = 0; i < 2; i++)
    sides[i] = compose_op(
        k, "DequantizeLinear",
        IN(node_in(node, 1 + 3 * i), node_in(node, 2 + 3 * i), node_in(node, 3 + 3 * i)), NO_ATTRS);
  Value *y = compose_op(k, "Where", IN(node_in(node, 0), sides[0], sides[1]), NO_ATTRS);
  out[0] = compose_op(k, "QuantizeLinear", IN(y, node_in(node, 7), node_in(node, 8)), NO_ATTRS);
  return true;
}

DEFINE_COMPOSED(MatMulInteger16, MICROSOFT, "MatMulInteger16", compose_matmul_16);
DEFINE_COMPOSED(QLinearWhere, MICROSOFT, "QLinearWhere", compose_quantized_where);
DEFINE_COMPOSED(ReduceSumInteger, MICROSOFT, "ReduceSumInteger", compose_integer_sum);

/* --- transforms of real numbers: the last signal_ndim axes, complex numbers as pairs behind them
 * --- */

static Value *transformed(Composer *k, Value *x, int64_t axis, bool inverse, bool half) {
  return compose_op(k, "DFT", IN(x, NULL, compose_number(k, DT_I64, (double)axis)),
                    WITH(attr_int("inverse", inverse), attr_int("onesided", half)));
}

static bool read_signal(Compilation *c, const Node *node, int extra, int64_t *dims) {
  *dims = node_int(node, "signal_ndim", 1);
  if (node_int(node, "normalized", 0) || !node_int(node, "onesided", 1))
    return node_error(c, node, "normalized=1 and onesided=0 are not supported");
  return (*dims >= 1 && *dims <= 3 && node_in(node, 0)->rank >= *dims + extra) ||
         node_error(c, node, "signal_ndim must be 1 to 3, and at most the dims of the input");
}

static bool compose_rfft(Composer *k, const Node *node, Value **out) {
  int64_t dims, last = node_in(node, 0)->rank - 1;
  if (!read_signal(k->c, node, 0, &dims)) return false;
  Value *y = transformed(k, compose_unsqueeze(k, node_in(node, 0), last + 1), last, false, true);
  for (int64_t i = 1; i < dims; i++) y = transformed(k, y, last - i, false, false);
  out[0] = y;
  return true;
}

/* Frequencies [… n / 2 + 1, 2] and behind them the conjugates of all but the first and last one,
 * from the end. */
static Value *whole_spectrum(Composer *k, Value *x, int64_t axis) {
  const int64_t begin = -2, end = 0, step = -1, two = 2;
  const double signs[] = {1, -1};
  if (k->failed) return x;
  Value *turned = compose_op(k, "Slice",
                             IN(x, compose_ints(k, &begin, 1), compose_ints(k, &end, 1),
                                compose_ints(k, &axis, 1), compose_ints(k, &step, 1)),
                             NO_ATTRS);
  Value *sign = compose_tensor(k, tensor_from_reals(k->c->arena, x->dtype, 1, &two, signs));
  Value *parts[] = {x, compose_binary(k, "Mul", turned, sign)};
  return compose_op(k, "Concat", (Values){parts, 2}, WITH(attr_int("axis", axis)));
}

static bool compose_irfft(Composer *k, const Node *node, Value **out) {
  int64_t dims, last = node_in(node, 0)->rank - 2;
  Value *x = node_in(node, 0);
  if (!read_signal(k->c, node, 1, &dims)) return false;
  for (int64_t i = 1; i < dims; i++) x = transformed(k, x, last - i, true, false);
  Value *y = transformed(k, whole_spectrum(k, x, last), last, true, false);
  out[0] = compose_squeeze(k, compose_slice(k, y, last + 1, 0, 1), last + 1);
  return true;
}

DEFINE_COMPOSED(Irfft, MICROSOFT, "Irfft", compose_irfft);
DEFINE_COMPOSED(Rfft, MICROSOFT, "Rfft", compose_rfft);
