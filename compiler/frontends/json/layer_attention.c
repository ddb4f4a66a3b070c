/* layer_attention.c: attention with several heads, and the encoder layer of transformers.
 *
 *   softmax(Q K^T / sqrt(d) + mask) V for each head, of size d = E / heads
 *
 * Inside, the batch comes first: [N, L, E], in heads [N, heads, L, d]. */
#include "layer.h"

#include <inttypes.h>
#include <math.h>

typedef struct {
  Layer *l;
  const char *prefix; /* of the names of its parameters: "", "self_attn." */
  int64_t embed, heads, kdim, vdim;
  bool bias, batch_first;
  bool unbatched; /* the inputs are [L, E] */
} Attention;

enum { Q, K, V };
enum { IN_PADDING = 3, IN_MASK };

static const char *parameter(const Attention *a, const char *name) {
  return arena_printf(a->l->r->arena, "%s%s", a->prefix, name);
}

static Value *batch_first(const Attention *a, Value *x) {
  if (a->unbatched) return compose_unsqueeze(&a->l->k, x, 0);
  return a->batch_first ? x : compose_transpose(&a->l->k, x, (int64_t[]){1, 0, 2}, 3);
}

static Value *as_given(const Attention *a, Value *x) {
  if (a->unbatched) return compose_squeeze(&a->l->k, x, 0);
  return a->batch_first ? x : compose_transpose(&a->l->k, x, (int64_t[]){1, 0, 2}, 3);
}

/* ---- projections ---- */

/* Weights of Q, K and V: rows of one tensor, or three if the inputs are of other sizes. */
static void read_projections(const Attention *a, Value **weights, Value **biases) {
  static const char *const names[] = {"q_proj_weight", "k_proj_weight", "v_proj_weight"};
  const int64_t columns[] = {a->embed, a->kdim, a->vdim};
  bool one = a->kdim == a->embed && a->vdim == a->embed;
  Layer *l = a->l;
  Value *all =
      one ? layer_weight2(l, parameter(a, "in_proj_weight"), 3 * a->embed, a->embed) : NULL;
  Value *bias = a->bias ? layer_weight1(l, parameter(a, "in_proj_bias"), 3 * a->embed) : NULL;
  for (int i = Q; i <= V; i++) {
    int64_t start = i * a->embed, end = start + a->embed;
    weights[i] = one ? compose_slice(&l->k, all, 0, start, end)
                     : layer_weight2(l, parameter(a, names[i]), a->embed, columns[i]);
    biases[i] = bias ? compose_slice(&l->k, bias, 0, start, end) : NULL;
  }
}

/* [N, L, E] to [N, heads, L, d], or [N, heads, d, L] for keys. */
static Value *in_heads(const Attention *a, Value *x, bool keys) {
  Value *split = compose_reshape(&a->l->k, x, (int64_t[]){0, 0, a->heads, a->embed / a->heads}, 4);
  return compose_transpose(&a->l->k, split,
                           keys ? (int64_t[]){0, 2, 3, 1} : (int64_t[]){0, 2, 1, 3}, 4);
}

/* ---- masks ---- */

/* A mask of floats is added; one of bools says where not to look. */
static Value *apply_mask(const Attention *a, Value *scores, Value *mask) {
  if (mask->dtype == DT_BOOL)
    return layer_op(a->l, "Where", IN(mask, layer_scalar(a->l, -INFINITY), scores), NO_ATTRS);
  return layer_op(a->l, "Add", IN(scores, mask), NO_ATTRS);
}

/* [L, S] is for all; [N * heads, L, S] has one for each head. */
static Value *mask_of_heads(const Attention *a, Value *mask) {
  if (mask->rank != 3) return mask;
  Value *sizes = layer_sizes(a->l, mask, 1, 3);
  Value *shape =
      layer_concat(a->l, IN(compose_ints(&a->l->k, (int64_t[]){-1, a->heads}, 2), sizes), 0);
  return layer_op(a->l, "Reshape", IN(mask, shape), NO_ATTRS);
}

/* [N, S] (or [S]): keys that are padding. */
static Value *mask_of_keys(const Attention *a, Value *mask) {
  if (a->unbatched) mask = compose_unsqueeze(&a->l->k, mask, 0);
  Value *axes = compose_ints(&a->l->k, (int64_t[]){1, 2}, 2);
  return layer_op(a->l, "Unsqueeze", IN(mask, axes), NO_ATTRS);
}

static Value *masked(const Attention *a, Value *scores) {
  const Layer *l = a->l;
  if (l->input_count > IN_MASK && l->inputs[IN_MASK])
    scores = apply_mask(a, scores, mask_of_heads(a, l->inputs[IN_MASK]));
  if (l->input_count > IN_PADDING && l->inputs[IN_PADDING])
    scores = apply_mask(a, scores, mask_of_keys(a, l->inputs[IN_PADDING]));
  return scores;
}

/* ---- attention ---- */

/* `inputs` are Q, K and V with the batch first; so is the result. *weights is [N, heads, L, S]. */
static Value *attend(const Attention *a, Value *const *inputs, bool with_masks, Value **weights) {
  Layer *l = a->l;
  Value *w[3], *b[3], *heads[3];
  read_projections(a, w, b);
  Value *out = layer_weight2(l, parameter(a, "out_proj.weight"), a->embed, a->embed);
  Value *out_bias = a->bias ? layer_weight1(l, parameter(a, "out_proj.bias"), a->embed) : NULL;
  if (l->k.failed) return NULL;
  for (int i = Q; i <= V; i++)
    heads[i] = in_heads(a, layer_linear(l, inputs[i], w[i], b[i]), i == K);
  Value *scale = layer_scalar(l, 1 / sqrt((double)a->embed / (double)a->heads));
  Value *scores = layer_op(l, "MatMul", IN(heads[Q], heads[K]), NO_ATTRS);
  scores = layer_op(l, "Mul", IN(scores, scale), NO_ATTRS);
  if (with_masks) scores = masked(a, scores);
  *weights = layer_op(l, "Softmax", IN(scores), WITH(attr_int("axis", -1)));
  Value *y = layer_op(l, "MatMul", IN(*weights, heads[V]), NO_ATTRS);
  y = compose_transpose(&l->k, y, (int64_t[]){0, 2, 1, 3}, 4);
  return layer_linear(l, compose_reshape(&l->k, y, (int64_t[]){0, 0, a->embed}, 3), out, out_bias);
}

static bool check_heads(Layer *l, const char *key, int64_t embed, int64_t heads) {
  if (embed % heads == 0) return true;
  layer_error(l, key, "%" PRId64 " heads do not divide a size of %" PRId64, heads, embed);
  return false;
}

/* The mean over the heads, unless all of them are wanted. */
static Value *shown_weights(const Attention *a, Value *weights) {
  Layer *l = a->l;
  if (layer_bool(l, "average_attn_weights"))
    weights = layer_op(l, "ReduceMean", IN(weights, compose_ints(&l->k, (int64_t[]){1}, 1)),
                       WITH(attr_int("keepdims", 0)));
  return a->unbatched ? compose_squeeze(&l->k, weights, 0) : weights;
}

void build_multihead_attention(Layer *l) {
  int64_t embed = layer_int(l, "embed_dim");
  Attention a = {.l = l,
                 .prefix = "",
                 .embed = embed,
                 .heads = layer_int(l, "num_heads"),
                 .kdim = layer_field(l, "kdim") ? layer_int(l, "kdim") : embed,
                 .vdim = layer_field(l, "vdim") ? layer_int(l, "vdim") : embed,
                 .bias = layer_bool(l, "bias"),
                 .batch_first = layer_bool(l, "batch_first"),
                 .unbatched = l->inputs[0]->rank == 2};
  Value *inputs[3], *weights;
  if (!check_heads(l, "num_heads", a.embed, a.heads)) return;
  for (int i = Q; i <= V; i++) {
    Value *given = i < l->input_count ? l->inputs[i] : NULL;
    inputs[i] = given ? batch_first(&a, given) : inputs[i - 1]; /* itself, or the keys */
  }
  Value *y = attend(&a, inputs, true, &weights);
  if (!y) return;
  l->outputs[0] = as_given(&a, y);
  if (l->wanted > 1) l->outputs[1] = shown_weights(&a, weights);
}

/* ---- the encoder layer ---- */

static Value *norm(Layer *l, const char *name, Value *x, int64_t size) {
  Arena *arena = l->r->arena;
  Value *scale = layer_weight1(l, arena_printf(arena, "%s.weight", name), size);
  Value *shift =
      layer_bool(l, "bias") ? layer_weight1(l, arena_printf(arena, "%s.bias", name), size) : NULL;
  return layer_op(
      l, "LayerNormalization", IN(x, scale, shift),
      WITH(attr_int("axis", -1), attr_float("epsilon", layer_real(l, "layer_norm_eps"))));
}

static Value *linear(Layer *l, const char *name, Value *x, int64_t in, int64_t out) {
  Arena *arena = l->r->arena;
  Value *weight = layer_weight2(l, arena_printf(arena, "%s.weight", name), out, in);
  Value *bias =
      layer_bool(l, "bias") ? layer_weight1(l, arena_printf(arena, "%s.bias", name), out) : NULL;
  return layer_linear(l, x, weight, bias);
}

static Value *feed_forward(Layer *l, Value *x, int64_t size) {
  int64_t inner = layer_int(l, "dim_feedforward");
  bool gelu = strcmp(layer_text(l, "activation"), "gelu") == 0;
  Value *h = linear(l, "linear1", x, size, inner);
  h = layer_op(l, gelu ? "Gelu" : "Relu", IN(h), NO_ATTRS);
  return linear(l, "linear2", h, inner, size);
}

static Value *attend_to_itself(const Attention *a, Value *x) {
  Value *weights, *y = attend(a, (Value *[]){x, x, x}, false, &weights);
  return y ? y : value_create(a->l->r->c, a->l->name);
}

/* norm_first: x + f(norm(x)) for both parts; else norm(x + f(x)). */
void build_encoder_layer(Layer *l) {
  int64_t size = layer_int(l, "d_model");
  Attention a = {.l = l,
                 .prefix = "self_attn.",
                 .embed = size,
                 .heads = layer_int(l, "nhead"),
                 .kdim = size,
                 .vdim = size,
                 .bias = layer_bool(l, "bias"),
                 .batch_first = layer_bool(l, "batch_first"),
                 .unbatched = l->inputs[0]->rank == 2};
  bool first = layer_bool(l, "norm_first");
  if (!check_heads(l, "nhead", a.embed, a.heads)) return;
  Value *x = batch_first(&a, l->inputs[0]);
  Value *y = attend_to_itself(&a, first ? norm(l, "norm1", x, size) : x);
  x = layer_op(l, "Add", IN(x, y), NO_ATTRS);
  if (!first) x = norm(l, "norm1", x, size);
  y = feed_forward(l, first ? norm(l, "norm2", x, size) : x, size);
  x = layer_op(l, "Add", IN(x, y), NO_ATTRS);
  if (!first) x = norm(l, "norm2", x, size);
  if (!l->k.failed) l->outputs[0] = as_given(&a, x);
}
