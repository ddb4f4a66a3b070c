/* layers.c: the layer types: which function builds them, how many inputs and outputs they have.
 * Their fields are in schema/model.schema.json. */
#include "layer.h"

#include "ops/op.h"
#include "ops/schema.h"

/* Fields that are attributes of an operator. */
static const FieldAttr dim_axis[] = {{"dim", "axis"}, {0}};
static const FieldAttr alpha[] = {{"alpha", "alpha"}, {0}};
static const FieldAttr negative_slope[] = {{"negative_slope", "alpha"}, {0}};
static const FieldAttr approximate[] = {{"approximate", "approximate"}, {0}};
static const FieldAttr lambda[] = {{"lambd", "lambd"}, {0}};

/* One operator; its inputs are those of the layer. */
#define OPERATOR(type, op, least, most)                                                            \
  { type, build_operator, least, most, 1, 0, op, NULL, NULL }
#define OPERATOR_WITH(type, op, most, attrs)                                                       \
  { type, build_operator, 1, most, 1, 0, op, attrs, NULL }
/* One input and one output. */
#define UNARY(type, build)                                                                         \
  { type, build, 1, 1, 1, 0, NULL, NULL, NULL }
#define UNARY_OF(type, build, dims, op)                                                            \
  { type, build, 1, 1, 1, dims, op, NULL, NULL }
/* One type for each number of spatial axes. */
#define FAMILY(type, build, op)                                                                    \
  UNARY_OF(type "1d", build, 1, op), UNARY_OF(type "2d", build, 2, op),                            \
      UNARY_OF(type "3d", build, 3, op)

static const LayerType types[] = {
    FAMILY("Conv", build_convolution, NULL),
    FAMILY("ConvTranspose", build_transposed_convolution, NULL),
    UNARY("Linear", build_linear),
    {"Bilinear", build_bilinear, 2, 2, 1, 0, NULL, NULL, NULL},
    UNARY("Embedding", build_embedding),
    UNARY_OF("GDN", build_gdn, 2, "Div"),
    UNARY_OF("IGDN", build_gdn, 2, "Mul"),

    FAMILY("BatchNorm", build_batch_norm, NULL),
    FAMILY("InstanceNorm", build_instance_norm, NULL),
    UNARY("LayerNorm", build_layer_norm),
    UNARY("RMSNorm", build_rms_norm),
    UNARY("GroupNorm", build_group_norm),
    UNARY("LocalResponseNorm", build_local_response_norm),

    FAMILY("MaxPool", build_max_pool, NULL),
    FAMILY("AvgPool", build_avg_pool, NULL),
    UNARY_OF("LPPool1d", build_lp_pool, 1, NULL),
    UNARY_OF("LPPool2d", build_lp_pool, 2, NULL),
    FAMILY("AdaptiveAvgPool", build_adaptive_avg_pool, NULL),
    FAMILY("AdaptiveMaxPool", build_adaptive_max_pool, NULL),

    OPERATOR("ReLU", "Relu", 1, 1),
    UNARY("ReLU6", build_relu6),
    OPERATOR_WITH("LeakyReLU", "LeakyRelu", 1, negative_slope),
    UNARY("PReLU", build_prelu),
    OPERATOR_WITH("ELU", "Elu", 1, alpha),
    OPERATOR_WITH("CELU", "Celu", 1, alpha),
    OPERATOR("SELU", "Selu", 1, 1),
    OPERATOR_WITH("GELU", "Gelu", 1, approximate),
    UNARY("SiLU", build_silu),
    OPERATOR("Mish", "Mish", 1, 1),
    OPERATOR("Sigmoid", "Sigmoid", 1, 1),
    UNARY("LogSigmoid", build_log_sigmoid),
    OPERATOR("Tanh", "Tanh", 1, 1),
    UNARY("Softplus", build_softplus),
    OPERATOR("Softsign", "Softsign", 1, 1),
    UNARY("Softshrink", build_softshrink),
    OPERATOR_WITH("Hardshrink", "Shrink", 1, lambda),
    UNARY("Tanhshrink", build_tanhshrink),
    UNARY("Hardtanh", build_clip),
    UNARY("Hardsigmoid", build_hardsigmoid),
    OPERATOR("Hardswish", "HardSwish", 1, 1),
    UNARY("Threshold", build_threshold),
    UNARY("GLU", build_glu),
    OPERATOR_WITH("Softmax", "Softmax", 1, dim_axis),
    OPERATOR_WITH("LogSoftmax", "LogSoftmax", 1, dim_axis),
    UNARY("Softmin", build_softmin),
    UNARY("Softmax2d", build_softmax2d),
    UNARY("Dropout", build_identity),
    UNARY("Dropout1d", build_identity),
    UNARY("Dropout2d", build_identity),
    UNARY("Dropout3d", build_identity),
    UNARY("AlphaDropout", build_identity),
    UNARY("FeatureAlphaDropout", build_identity),
    UNARY("Identity", build_identity),

    UNARY("Flatten", build_flatten),
    UNARY("Unflatten", build_unflatten),
    UNARY("Reshape", build_reshape),
    UNARY("Expand", build_expand),
    UNARY("Permute", build_permute),
    UNARY("Transpose", build_transpose),
    UNARY("Squeeze", build_squeeze),
    UNARY("Unsqueeze", build_unsqueeze),
    OPERATOR_WITH("Concat", "Concat", LAYER_VALUES, dim_axis),
    {"Stack", build_stack, 1, LAYER_VALUES, 1, 0, NULL, NULL, NULL},
    UNARY("Slice", build_slice),
    UNARY("Select", build_select),
    {"Split", build_split, 1, 1, LAYER_VALUES, 0, NULL, NULL, NULL},
    {"Chunk", build_chunk, 1, 1, LAYER_VALUES, 0, NULL, NULL, NULL},
    FAMILY("ZeroPad", build_pad, "constant"),
    FAMILY("ConstantPad", build_pad, "constant"),
    FAMILY("ReflectionPad", build_pad, "reflect"),
    FAMILY("ReplicationPad", build_pad, "edge"),
    FAMILY("CircularPad", build_pad, "wrap"),
    UNARY("PixelShuffle", build_pixel_shuffle),
    UNARY("PixelUnshuffle", build_pixel_unshuffle),
    UNARY("ChannelShuffle", build_channel_shuffle),
    UNARY("Upsample", build_upsample),
    UNARY("UpsamplingNearest2d", build_upsample),
    UNARY("UpsamplingBilinear2d", build_upsample),

    {"LSTM", build_lstm, 1, 3, 3, 0, NULL, NULL, NULL},
    {"GRU", build_gru, 1, 2, 2, 0, NULL, NULL, NULL},
    {"RNN", build_rnn, 1, 2, 2, 0, NULL, NULL, NULL},
    {"MultiheadAttention", build_multihead_attention, 1, 5, 2, 0, NULL, NULL, NULL},
    UNARY("TransformerEncoderLayer", build_encoder_layer),

    OPERATOR("Add", "Add", 2, 2),
    OPERATOR("Sub", "Sub", 2, 2),
    OPERATOR("Mul", "Mul", 2, 2),
    OPERATOR("Div", "Div", 2, 2),
    OPERATOR("Pow", "Pow", 2, 2),
    OPERATOR("MatMul", "MatMul", 2, 2),
    OPERATOR("Maximum", "Max", 1, LAYER_VALUES),
    OPERATOR("Minimum", "Min", 1, LAYER_VALUES),
    OPERATOR("Equal", "Equal", 2, 2),
    OPERATOR("Greater", "Greater", 2, 2),
    OPERATOR("Less", "Less", 2, 2),
    OPERATOR("Where", "Where", 3, 3),
    OPERATOR("Abs", "Abs", 1, 1),
    OPERATOR("Neg", "Neg", 1, 1),
    OPERATOR("Sqrt", "Sqrt", 1, 1),
    UNARY("Rsqrt", build_rsqrt),
    OPERATOR("Reciprocal", "Reciprocal", 1, 1),
    OPERATOR("Exp", "Exp", 1, 1),
    OPERATOR("Log", "Log", 1, 1),
    OPERATOR("Sin", "Sin", 1, 1),
    OPERATOR("Cos", "Cos", 1, 1),
    OPERATOR("Erf", "Erf", 1, 1),
    OPERATOR("Floor", "Floor", 1, 1),
    OPERATOR("Ceil", "Ceil", 1, 1),
    OPERATOR("Round", "Round", 1, 1),
    OPERATOR("Sign", "Sign", 1, 1),
    UNARY("Clamp", build_clip),
    UNARY_OF("Mean", build_reduction, 0, "ReduceMean"),
    UNARY_OF("Sum", build_reduction, 0, "ReduceSum"),
    UNARY_OF("Prod", build_reduction, 0, "ReduceProd"),
    UNARY_OF("AMax", build_reduction, 0, "ReduceMax"),
    UNARY_OF("AMin", build_reduction, 0, "ReduceMin"),
    UNARY_OF("LogSumExp", build_reduction, 0, "ReduceLogSumExp"),
    UNARY_OF("ArgMax", build_arg_reduction, 0, "ArgMax"),
    UNARY_OF("ArgMin", build_arg_reduction, 0, "ArgMin"),
    {"IndexSelect", build_operator, 2, 2, 1, 0, "Gather", dim_axis, NULL},

    {"onnx", build_onnx, 0, LAYER_VALUES, LAYER_VALUES, 0, NULL, NULL, NULL},
    {"constant", build_constant, 0, 0, 1, 0, NULL, NULL, NULL},
    {"parameter", build_parameter, 0, 0, 1, 0, NULL, NULL, NULL},
};

enum { TYPE_COUNT = sizeof types / sizeof *types };

static const LayerType *type_of_plugin(const JsonReader *r, const OpDef *op) {
  LayerType *type = ARENA_NEW(r->arena, LayerType);
  *type = (LayerType){.type = op->name,
                      .build = build_plugin,
                      .most_inputs = LAYER_VALUES,
                      .outputs = op->schema->output_count,
                      .plugin = op};
  return type;
}

const LayerType *layer_type_find(const JsonReader *r, const char *type) {
  for (int i = 0; i < TYPE_COUNT; i++)
    if (strcmp(types[i].type, type) == 0) return &types[i];
  for (size_t i = 0; i < r->c->plugin_ops.count; i++)
    if (strcmp(r->c->plugin_ops.items[i]->name, type) == 0)
      return type_of_plugin(r, r->c->plugin_ops.items[i]);
  return NULL;
}

const char *layer_type_suggest(const JsonReader *r, const char *type) {
  size_t plugins = r->c->plugin_ops.count;
  const char **names = ARENA_ARRAY(r->arena, const char *, TYPE_COUNT + plugins);
  for (int i = 0; i < TYPE_COUNT; i++) names[i] = types[i].type;
  for (size_t i = 0; i < plugins; i++) names[TYPE_COUNT + i] = r->c->plugin_ops.items[i]->name;
  return str_nearest(type, names, TYPE_COUNT + plugins);
}
