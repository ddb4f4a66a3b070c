/* layer_norm.c: normalisations. */
#include "layer.h"

#include <float.h>

/* Scale and shift of `count` channels, ones and zeros for a layer without them. */
static void read_affine(Layer *l, const char *flag, int64_t count, Value **scale, Value **shift) {
  bool affine = layer_bool(l, flag);
  *scale = affine ? layer_weight1(l, "weight", count) : layer_fill(l, count, 1);
  *shift = affine ? layer_weight1(l, "bias", count) : layer_fill(l, count, 0);
}

static Value *with_running_stats(Layer *l, int64_t count, Value *scale, Value *shift) {
  Value *mean = layer_weight1(l, "running_mean", count);
  Value *variance = layer_weight1(l, "running_var", count);
  if (l->k.failed) return NULL;
  return layer_op(l, "BatchNormalization", IN(l->inputs[0], scale, shift, mean, variance),
                  WITH(attr_float("epsilon", layer_real(l, "eps"))));
}

void build_batch_norm(Layer *l) {
  int64_t count = layer_int(l, "num_features");
  Value *scale, *shift;
  read_affine(l, "affine", count, &scale, &shift);
  l->outputs[0] = with_running_stats(l, count, scale, shift);
}

void build_instance_norm(Layer *l) {
  int64_t count = layer_int(l, "num_features");
  Value *scale, *shift;
  read_affine(l, "affine", count, &scale, &shift);
  if (layer_bool(l, "track_running_stats"))
    l->outputs[0] = with_running_stats(l, count, scale, shift);
  else if (!l->k.failed)
    l->outputs[0] = layer_op(l, "InstanceNormalization", IN(l->inputs[0], scale, shift),
                             WITH(attr_float("epsilon", layer_real(l, "eps"))));
}

/* Ones of the normalised shape, for a layer without a scale. */
static Value *ones(Layer *l, const int64_t *shape, int count) {
  enum { LARGEST = 1 << 24 };
  int64_t elements = 1;
  for (int i = 0; i < count && elements <= LARGEST; i++) elements *= shape[i];
  if (elements > LARGEST) {
    layer_error(l, "normalized_shape", "more than %d elements", LARGEST);
    return NULL;
  }
  Value *flat = layer_fill(l, elements, 1);
  return count == 1 ? flat : compose_reshape(&l->k, flat, shape, count);
}

void build_layer_norm(Layer *l) {
  int count;
  const int64_t *shape = layer_list(l, "normalized_shape", &count);
  bool affine = layer_bool(l, "elementwise_affine");
  Value *scale = affine ? layer_weight(l, "weight", count, shape) : ones(l, shape, count);
  Value *shift = affine && layer_bool(l, "bias") ? layer_weight(l, "bias", count, shape) : NULL;
  if (!l->k.failed)
    l->outputs[0] =
        layer_op(l, "LayerNormalization", IN(l->inputs[0], scale, shift),
                 WITH(attr_int("axis", -count), attr_float("epsilon", layer_real(l, "eps"))));
}

/* Without `eps` it is the distance from 1 to the next number of the type. */
static double rms_epsilon(const Layer *l) {
  if (layer_field(l, "eps")) return layer_real(l, "eps");
  switch (l->dtype) {
  case DT_F64: return DBL_EPSILON;
  case DT_F16: return 0x1p-10;
  case DT_BF16: return 0x1p-7;
  default: return (double)FLT_EPSILON;
  }
}

void build_rms_norm(Layer *l) {
  int count;
  const int64_t *shape = layer_list(l, "normalized_shape", &count);
  bool affine = layer_bool(l, "elementwise_affine");
  Value *scale = affine ? layer_weight(l, "weight", count, shape) : ones(l, shape, count);
  if (!l->k.failed)
    l->outputs[0] = layer_op(l, "RMSNormalization", IN(l->inputs[0], scale),
                             WITH(attr_int("axis", -count), attr_float("epsilon", rms_epsilon(l))));
}

void build_group_norm(Layer *l) {
  int64_t groups = layer_int(l, "num_groups"), count = layer_int(l, "num_channels");
  Value *scale, *shift;
  if (count % groups) layer_error(l, "num_groups", "num_channels is no multiple of num_groups");
  read_affine(l, "affine", count, &scale, &shift);
  if (!l->k.failed)
    l->outputs[0] =
        layer_op(l, "GroupNormalization", IN(l->inputs[0], scale, shift),
                 WITH(attr_int("num_groups", groups), attr_float("epsilon", layer_real(l, "eps"))));
}

/* The windows of even sizes lie differently in ONNX. */
void build_local_response_norm(Layer *l) {
  if (layer_int(l, "size") % 2 == 0) {
    layer_error(l, "size", "only odd sizes are supported");
    return;
  }
  l->outputs[0] = layer_op(
      l, "LRN", IN(l->inputs[0]),
      WITH(attr_int("size", layer_int(l, "size")), attr_float("alpha", layer_real(l, "alpha")),
           attr_float("beta", layer_real(l, "beta")), attr_float("bias", layer_real(l, "k"))));
}
