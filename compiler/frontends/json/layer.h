/* layer.h: from one layer of a JSON model to nodes: what the files layer_….c are written with.
 *
 * A layer type is one row of the table in layers.c, a definition in schema/model.schema.json, and a
 * function that appends nodes:
 *
 *   void build_softmin(Layer *l) {
 *     Value *negative = layer_op(l, "Neg", IN(l->inputs[0]), NO_ATTRS);
 *     l->outputs[0] = layer_op(l, "Softmax", IN(negative), WITH(attr_int("axis", layer_int(l,
 * "dim"))));
 *   }
 *
 * Every value is typed as soon as it is made, if that can be told: a function may look at rank,
 * dtype and shape. After an error (layer_error, a weight that is missing) it goes on: values
 * without a type are passed over in silence. The schema was checked before, so that fields have the
 * types, ranges and lengths that it says. */
#ifndef CTC_FRONTENDS_JSON_LAYER_H
#define CTC_FRONTENDS_JSON_LAYER_H

#include "ops/compose.h"
#include "reader.h"

enum { LAYER_VALUES = 64, SPATIAL = 3 };

typedef struct Layer Layer;

/* The field of a layer that is an attribute of an operator. */
typedef struct {
  const char *field, *attribute;
} FieldAttr;

typedef struct {
  const char *type;
  void (*build)(Layer *l);
  int least_inputs, most_inputs, outputs; /* outputs: at most */
  int dims;                               /* spatial axes, for families that differ in it */
  const char *op;                         /* for families that differ in an operator */
  const FieldAttr *attrs;                 /* ended by a row without a field */
  const OpDef *plugin;                    /* of layers of plugins */
} LayerType;

struct Layer {
  Composer k; /* first: its nodes are checked as those of a file are */
  JsonReader *r;
  const LayerType *type;
  const JsonValue *json;
  const JsonValue *fields; /* of the schema: field → schema with its default */
  const char *name, *where;
  DType dtype; /* of the first input that is of floats; float32 if there is none */
  Value **inputs;
  int input_count;
  Value **outputs; /* the functions set as many as wanted, at most type->outputs */
  int wanted;      /* outputs that have a name */
};

/* The row of a layer type, of ctc or of a plugin; NULL if there is none. */
const LayerType *layer_type_find(const JsonReader *r, const char *type);
/* The layer type nearest to a misspelt one, or NULL. */
const char *layer_type_suggest(const JsonReader *r, const char *type);

/* ---- fields: what the layer says, else the default of the schema ---- */

const JsonValue *layer_field(const Layer *l, const char *key); /* NULL: neither, or null */
int64_t layer_int(const Layer *l, const char *key);
double layer_real(const Layer *l, const char *key);
bool layer_bool(const Layer *l, const char *key);
const char *layer_text(const Layer *l, const char *key); /* NULL if it is no text */
/* A list of `count` integers; a single number stands for all of them. */
void layer_ints(const Layer *l, const char *key, int count, int64_t *out);
/* A list of integers of any length; a single number is a list of one. */
const int64_t *layer_list(const Layer *l, const char *key, int *count);

/* An error at field `key` of the layer, or at the layer itself (NULL). */
void layer_error(Layer *l, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- values ---- */

/* The layer's parameter `name` in the weight file, of that shape; without a type after an error. */
Value *layer_weight(Layer *l, const char *name, int rank, const int64_t *dims);
Value *layer_weight1(Layer *l, const char *name, int64_t size);
Value *layer_weight2(Layer *l, const char *name, int64_t rows, int64_t columns);
/* The parameter of any shape; NULL if it is optional and not there. */
Value *layer_any_weight(Layer *l, const char *name, bool optional);
/* Constants: a number, or `count` of them, of the layer's dtype. */
Value *layer_scalar(Layer *l, double value);
Value *layer_fill(Layer *l, int64_t count, double value);
/* The rank of a value; 0, and the layer fails, if it is not known. */
int layer_rank(Layer *l, const Value *value);
/* `axis` of a value of that rank made non-negative; an error at `key` if there is none. */
int layer_axis(Layer *l, const char *key, int64_t axis, int rank);

/* ---- nodes: those of ops/compose.h, appended by l->k ---- */

/* What a layer of that name appends nodes with. */
Composer layer_composer(JsonReader *r, const char *name);
/* A node of ai.onnx; its output. NULL inputs are omitted ones, what attributes point to is copied.
 */
Value *layer_op(Layer *l, const char *op_type, Values inputs, Attrs attrs);
/* The same with several outputs. */
Value **layer_ops(Layer *l, const char *op_type, Values inputs, Attrs attrs, int outputs);
/* Its outputs are those of the layer, as many as wanted. */
void layer_give(Layer *l, Value *const *outputs);
/* The version that a layer means that says none: the domain's newest, or that of a plugin. */
int layer_newest(Layer *l, const char *domain, const char *op_type);

/* ---- short forms of frequent nodes ---- */

Value *layer_concat(Layer *l, Values inputs, int64_t axis);
/* The sizes of axes start … end - 1 as a list of integers. */
Value *layer_sizes(Layer *l, Value *x, int64_t start, int64_t end);
/* The layer's input [N, C, …] of `dims` spatial axes: a single sample gets a batch axis, and its
 * result loses it again. */
Value *layer_batched(Layer *l, int dims, bool *added);
Value *layer_unbatched(Layer *l, Value *y, bool added);
/* x W^T + b: W is [out, in], b [out] or NULL. */
Value *layer_linear(Layer *l, Value *x, Value *weight, Value *bias);

/* An attribute from a JSON value, of the kind that the operator table says; false after an error.
 * (layer_onnx.c) */
MUST_CHECK bool layer_attr(Layer *l, const char *domain, const char *op_type, int version,
                           const char *name, const JsonValue *value, Attr *attr);

/* ---- the layers ---- */

void build_convolution(Layer *l);
void build_transposed_convolution(Layer *l);
void build_linear(Layer *l);
void build_bilinear(Layer *l);
void build_embedding(Layer *l);
void build_gdn(Layer *l);

void build_batch_norm(Layer *l);
void build_instance_norm(Layer *l);
void build_layer_norm(Layer *l);
void build_rms_norm(Layer *l);
void build_group_norm(Layer *l);
void build_local_response_norm(Layer *l);

void build_max_pool(Layer *l);
void build_avg_pool(Layer *l);
void build_lp_pool(Layer *l);
void build_adaptive_avg_pool(Layer *l);
void build_adaptive_max_pool(Layer *l);

void build_operator(Layer *l);
void build_identity(Layer *l);
void build_clip(Layer *l);
void build_relu6(Layer *l);
void build_silu(Layer *l);
void build_log_sigmoid(Layer *l);
void build_hardsigmoid(Layer *l);
void build_softplus(Layer *l);
void build_tanhshrink(Layer *l);
void build_softshrink(Layer *l);
void build_softmin(Layer *l);
void build_softmax2d(Layer *l);
void build_threshold(Layer *l);
void build_glu(Layer *l);
void build_prelu(Layer *l);
void build_rsqrt(Layer *l);

void build_flatten(Layer *l);
void build_unflatten(Layer *l);
void build_reshape(Layer *l);
void build_expand(Layer *l);
void build_permute(Layer *l);
void build_transpose(Layer *l);
void build_squeeze(Layer *l);
void build_unsqueeze(Layer *l);
void build_slice(Layer *l);
void build_select(Layer *l);
void build_split(Layer *l);
void build_chunk(Layer *l);
void build_stack(Layer *l);
void build_pad(Layer *l);
void build_pixel_shuffle(Layer *l);
void build_pixel_unshuffle(Layer *l);
void build_channel_shuffle(Layer *l);
void build_upsample(Layer *l);
void build_reduction(Layer *l);
void build_arg_reduction(Layer *l);

void build_lstm(Layer *l);
void build_gru(Layer *l);
void build_rnn(Layer *l);
void build_multihead_attention(Layer *l);
void build_encoder_layer(Layer *l);

void build_onnx(Layer *l);
void build_constant(Layer *l);
void build_parameter(Layer *l);
void build_plugin(Layer *l);

#endif
