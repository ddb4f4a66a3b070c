/* layer_shape.c: layers that move, cut, join, pad, enlarge or reduce. */
#include "layer.h"

#include <inttypes.h>

/* ---- shapes ---- */

/* The sizes of axes [0, first), then `sizes`, then those behind axis `last`. */
static Value *reshape_between(Layer *l, Value *x, int first, int last, const int64_t *sizes,
                              int count) {
  int rank = layer_rank(l, x), n = 0;
  Value *parts[3];
  if (first > 0) parts[n++] = layer_sizes(l, x, 0, first);
  parts[n++] = compose_ints(&l->k, sizes, count);
  if (last < rank - 1) parts[n++] = layer_sizes(l, x, last + 1, rank);
  Value *shape = layer_concat(l, (Values){parts, n}, 0);
  return layer_op(l, "Reshape", IN(x, shape), NO_ATTRS);
}

void build_flatten(Layer *l) {
  Value *x = l->inputs[0];
  int rank = layer_rank(l, x);
  if (l->k.failed) return;
  int shown = rank ? rank : 1; /* a scalar is taken as a list of one */
  int start = layer_axis(l, "start_dim", layer_int(l, "start_dim"), shown);
  int end = layer_axis(l, "end_dim", layer_int(l, "end_dim"), shown);
  if (start > end) layer_error(l, "start_dim", "start_dim lies behind end_dim");
  if (!l->k.failed) l->outputs[0] = reshape_between(l, x, start, end, (int64_t[]){-1}, 1);
}

void build_unflatten(Layer *l) {
  int count, rank = layer_rank(l, l->inputs[0]);
  const int64_t *sizes = layer_list(l, "unflattened_size", &count);
  int axis = layer_axis(l, "dim", layer_int(l, "dim"), rank);
  if (!l->k.failed) l->outputs[0] = reshape_between(l, l->inputs[0], axis, axis, sizes, count);
}

/* The size of a dimension that has a name, taken from an input of the model that has it. */
static Value *named_size(Layer *l, const JsonValue *name) {
  const Graph *graph = l->r->graph;
  for (size_t i = 0; i < graph->inputs.count; i++) {
    Value *input = graph->inputs.items[i];
    for (int d = 0; d < input->rank; d++) {
      const DimSymbol *symbol = dim_symbol(input->shape[d]);
      if (symbol && strcmp(symbol->name, name->string) == 0) return layer_sizes(l, input, d, d + 1);
    }
  }
  DimSymbol *fixed = dim_find_symbol(l->r->c->dims, name->string);
  if (fixed && fixed->low == fixed->high) return compose_ints(&l->k, &fixed->low, 1);
  l->k.failed = true;
  json_error(&l->r->file, name, "no input of the model has a dimension '%s'", name->string);
  return NULL;
}

/* A list of sizes: numbers, and names of dimensions of the model's inputs. `open` stands for -1. */
static Value *read_sizes(Layer *l, const char *key, int64_t open) {
  const JsonValue *list = layer_field(l, key);
  Value **parts = ARENA_ARRAY(l->r->arena, Value *, list->count + 1);
  if (list->count == 0) return compose_ints(&l->k, NULL, 0);
  for (size_t i = 0; i < list->count; i++) {
    const JsonValue *size = list->items[i];
    int64_t number = size->is_integer && size->integer == -1 ? open : size->integer;
    parts[i] = size->kind == JSON_STRING ? named_size(l, size) : compose_ints(&l->k, &number, 1);
  }
  if (l->k.failed) return NULL;
  return layer_concat(l, (Values){parts, (int)list->count}, 0);
}

void build_reshape(Layer *l) {
  Value *shape = read_sizes(l, "shape", -1);
  if (shape)
    l->outputs[0] = layer_op(l, "Reshape", IN(l->inputs[0], shape), WITH(attr_int("allowzero", 1)));
}

/* PyTorch's -1 keeps a size; so does ONNX's 1. */
void build_expand(Layer *l) {
  Value *shape = read_sizes(l, "shape", 1);
  if (shape) l->outputs[0] = layer_op(l, "Expand", IN(l->inputs[0], shape), NO_ATTRS);
}

void build_permute(Layer *l) {
  int count, rank = layer_rank(l, l->inputs[0]);
  const int64_t *given = layer_list(l, "dims", &count);
  int64_t perm[MAX_RANK];
  unsigned seen = 0;
  if (l->k.failed) return;
  if (count != rank) {
    layer_error(l, "dims", "the input has %d axes, not %d", rank, count);
    return;
  }
  for (int i = 0; i < count; i++) {
    perm[i] = layer_axis(l, "dims", given[i], rank);
    if (seen >> perm[i] & 1) layer_error(l, "dims", "axis %" PRId64 " is there twice", given[i]);
    seen |= 1u << perm[i];
  }
  if (!l->k.failed) l->outputs[0] = compose_transpose(&l->k, l->inputs[0], perm, count);
}

void build_transpose(Layer *l) {
  int rank = layer_rank(l, l->inputs[0]);
  int a = layer_axis(l, "dim0", layer_int(l, "dim0"), rank);
  int b = layer_axis(l, "dim1", layer_int(l, "dim1"), rank);
  int64_t perm[MAX_RANK];
  for (int i = 0; i < rank; i++) perm[i] = i == a ? b : i == b ? a : i;
  if (!l->k.failed) l->outputs[0] = compose_transpose(&l->k, l->inputs[0], perm, rank);
}

void build_squeeze(Layer *l) {
  int count, rank = layer_rank(l, l->inputs[0]), kept = 0;
  const int64_t *given = layer_list(l, "dim", &count);
  int64_t axes[MAX_RANK];
  /* PyTorch leaves axes of another size alone. */
  for (int i = 0; i < count && i < MAX_RANK; i++) {
    int axis = layer_axis(l, "dim", given[i], rank);
    if (!l->k.failed && dim_is(l->inputs[0]->shape[axis], 1)) axes[kept++] = axis;
  }
  for (int d = 0; d < rank && !count; d++)
    if (dim_is(l->inputs[0]->shape[d], 1)) axes[kept++] = d;
  if (l->k.failed) return;
  if (!kept)
    build_identity(l);
  else
    l->outputs[0] =
        layer_op(l, "Squeeze", IN(l->inputs[0], compose_ints(&l->k, axes, kept)), NO_ATTRS);
}

void build_unsqueeze(Layer *l) {
  int64_t axis = layer_axis(l, "dim", layer_int(l, "dim"), layer_rank(l, l->inputs[0]) + 1);
  if (!l->k.failed) l->outputs[0] = compose_unsqueeze(&l->k, l->inputs[0], axis);
}

/* ---- cutting and joining ---- */

void build_slice(Layer *l) {
  int64_t axis = layer_int(l, "dim"), start = layer_int(l, "start"), step = layer_int(l, "step");
  int64_t end = layer_field(l, "end") ? layer_int(l, "end") : INT64_MAX;
  l->outputs[0] =
      layer_op(l, "Slice",
               IN(l->inputs[0], compose_ints(&l->k, &start, 1), compose_ints(&l->k, &end, 1),
                  compose_ints(&l->k, &axis, 1), compose_ints(&l->k, &step, 1)),
               NO_ATTRS);
}

void build_select(Layer *l) {
  Value *index =
      compose_tensor(&l->k, tensor_scalar_int(l->r->arena, DT_I64, layer_int(l, "index")));
  l->outputs[0] =
      layer_op(l, "Gather", IN(l->inputs[0], index), WITH(attr_int("axis", layer_int(l, "dim"))));
}

static void take_outputs(Layer *l, Value **parts, int count) {
  for (int i = 0; i < count && i < l->type->outputs; i++) l->outputs[i] = parts[i];
}

static void split_by(Layer *l, int64_t axis, const int64_t *sizes, int count) {
  Value **parts = layer_ops(l, "Split", IN(l->inputs[0], compose_ints(&l->k, sizes, count)),
                            WITH(attr_int("axis", axis)), count);
  take_outputs(l, parts, count);
}

/* Pieces of `size`, the last one smaller if need be. */
static void split_evenly(Layer *l, const char *key, int axis, int64_t size) {
  Dim dim = l->inputs[0]->shape[axis];
  int64_t sizes[LAYER_VALUES], whole = dim_is_const(dim) ? dim_value(dim) : 0;
  if (!dim_is_const(dim))
    layer_error(l, "dim", "the size of axis %d is not known: give the sizes as a list", axis);
  else if (!whole || (whole - 1) / size + 1 > LAYER_VALUES)
    layer_error(l, key, "an axis of %" PRId64 " gives none or more than %d pieces", whole,
                LAYER_VALUES);
  if (l->k.failed) return;
  int count = (int)((whole - 1) / size) + 1;
  for (int i = 0; i < count; i++) sizes[i] = i < count - 1 ? size : whole - i * size;
  split_by(l, axis, sizes, count);
}

void build_split(Layer *l) {
  int count, axis = layer_axis(l, "dim", layer_int(l, "dim"), layer_rank(l, l->inputs[0]));
  const int64_t *sizes = layer_list(l, "split_size", &count);
  if (l->k.failed) return;
  if (layer_field(l, "split_size")->kind == JSON_ARRAY)
    split_by(l, axis, sizes, count);
  else
    split_evenly(l, "split_size", axis, sizes[0]);
}

void build_chunk(Layer *l) {
  int axis = layer_axis(l, "dim", layer_int(l, "dim"), layer_rank(l, l->inputs[0]));
  int64_t chunks = layer_int(l, "chunks");
  if (l->k.failed) return;
  Dim dim = l->inputs[0]->shape[axis];
  int64_t whole = dim_is_const(dim) ? dim_value(dim) : 0;
  split_evenly(l, "chunks", axis, whole ? (whole - 1) / chunks + 1 : 1);
}

/* Each input gets the new axis, then they are joined along it. */
void build_stack(Layer *l) {
  int64_t axis = layer_axis(l, "dim", layer_int(l, "dim"), layer_rank(l, l->inputs[0]) + 1);
  Value **parts = ARENA_ARRAY(l->r->arena, Value *, l->input_count + 1);
  if (l->k.failed) return;
  for (int i = 0; i < l->input_count; i++) parts[i] = compose_unsqueeze(&l->k, l->inputs[i], axis);
  l->outputs[0] =
      layer_op(l, "Concat", (Values){parts, l->input_count}, WITH(attr_int("axis", axis)));
}

/* ---- padding ---- */

/* PyTorch gives [left, right] of the last axis first, then of the one before it, … */
void build_pad(Layer *l) {
  int64_t given[2 * SPATIAL], pads[2 * SPATIAL], axes[SPATIAL];
  int dims = l->type->dims;
  layer_ints(l, "padding", 2 * dims, given);
  for (int i = 0; i < dims; i++) {
    axes[i] = -1 - i;
    pads[i] = given[2 * i];
    pads[dims + i] = given[2 * i + 1];
  }
  Value *fill =
      strcmp(l->type->op, "constant") == 0 ? layer_scalar(l, layer_real(l, "value")) : NULL;
  l->outputs[0] = layer_op(
      l, "Pad",
      IN(l->inputs[0], compose_ints(&l->k, pads, 2 * dims), fill, compose_ints(&l->k, axes, dims)),
      WITH(attr_text("mode", l->type->op)));
}

/* ---- between channels and space ---- */

void build_pixel_shuffle(Layer *l) {
  l->outputs[0] = layer_op(
      l, "DepthToSpace", IN(l->inputs[0]),
      WITH(attr_int("blocksize", layer_int(l, "upscale_factor")), attr_text("mode", "CRD")));
}

/* Axis 1 as `groups` rows: [N, groups * k, …] becomes [N, k, groups, …], flat again. */
static Value *shuffle_channels(Layer *l, Value *x, int64_t groups) {
  int64_t perm[MAX_RANK + 1] = {0, 2, 1};
  int rank = layer_rank(l, x);
  if (rank < 2 || rank >= MAX_RANK) {
    if (rank) layer_error(l, NULL, "the input must have channels");
    return x;
  }
  for (int i = 3; i <= rank; i++) perm[i] = i;
  Value *rows = reshape_between(l, x, 1, 1, (int64_t[]){groups, -1}, 2);
  Value *turned = compose_transpose(&l->k, rows, perm, rank + 1);
  return layer_op(l, "Reshape", IN(turned, layer_sizes(l, x, 0, rank)), NO_ATTRS);
}

/* ONNX puts the place within a block before the channel, PyTorch behind it. */
void build_pixel_unshuffle(Layer *l) {
  int64_t factor = layer_int(l, "downscale_factor");
  Value *blocks =
      layer_op(l, "SpaceToDepth", IN(l->inputs[0]), WITH(attr_int("blocksize", factor)));
  if (blocks->rank >= 0) l->outputs[0] = shuffle_channels(l, blocks, factor * factor);
}

void build_channel_shuffle(Layer *l) {
  l->outputs[0] = shuffle_channels(l, l->inputs[0], layer_int(l, "groups"));
}

/* ---- enlarging ---- */

/* One number for each spatial axis of x; a single one stands for all. */
static int spatial_list(Layer *l, const char *key, int dims, double *out) {
  const JsonValue *value = layer_field(l, key);
  bool list = value->kind == JSON_ARRAY;
  if (list && (int)value->count != dims)
    layer_error(l, key, "%zu numbers for %d spatial axes", value->count, dims);
  for (int i = 0; i < dims && !l->k.failed; i++)
    out[i] = list ? value->items[i]->number : value->number;
  return dims;
}

static Attrs resize_attrs(Layer *l, Attr *attrs, const int64_t *axes, int dims) {
  static const struct {
    const char *mode, *onnx;
    int dims; /* 0: any */
  } modes[] = {{"nearest", "nearest", 0},
               {"linear", "linear", 1},
               {"bilinear", "linear", 2},
               {"bicubic", "cubic", 2},
               {"trilinear", "linear", 3}};
  const char *mode = layer_text(l, "mode"), *onnx = "nearest";
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    if (strcmp(modes[i].mode, mode) != 0) continue;
    onnx = modes[i].onnx;
    if (modes[i].dims && modes[i].dims != dims)
      layer_error(l, "mode", "%s needs an input of rank %d, not %d", mode, modes[i].dims + 2,
                  dims + 2);
  }
  bool nearest = strcmp(onnx, "nearest") == 0;
  attrs[0] = attr_text("mode", onnx);
  attrs[1] =
      attr_text("coordinate_transformation_mode", nearest                          ? "asymmetric"
                                                  : layer_bool(l, "align_corners") ? "align_corners"
                                                                                   : "half_pixel");
  attrs[2] = attr_text("nearest_mode", "floor");
  attrs[3] = attr_float("cubic_coeff_a", -0.75);
  attrs[4] = attr_ints("axes", axes, dims);
  return (Attrs){attrs, 5};
}

void build_upsample(Layer *l) {
  enum { MOST = 5 };
  Value *x = l->inputs[0], *scales = NULL, *sizes = NULL;
  int dims = layer_rank(l, x) - 2;
  double numbers[SPATIAL];
  int64_t axes[SPATIAL] = {2, 3, 4}, whole[SPATIAL];
  Attr attrs[MOST];
  if (l->k.failed) return;
  if (dims < 1 || dims > SPATIAL) {
    layer_error(l, NULL, "the input must be of rank 3, 4 or 5, not %d", dims + 2);
    return;
  }
  bool by_size = layer_field(l, "size") != NULL;
  spatial_list(l, by_size ? "size" : "scale_factor", dims, numbers);
  Attrs all = resize_attrs(l, attrs, axes, dims);
  if (l->k.failed) return;
  for (int i = 0; i < dims; i++) whole[i] = (int64_t)numbers[i];
  if (by_size) {
    sizes = compose_ints(&l->k, whole, dims);
  } else {
    void *data;
    int64_t count = dims;
    Tensor *tensor = tensor_create(l->r->arena, DT_F32, 1, &count, &data);
    for (int i = 0; i < dims; i++) ((float *)data)[i] = (float)numbers[i];
    scales = compose_tensor(&l->k, tensor);
  }
  l->outputs[0] = layer_op(l, "Resize", IN(x, NULL, scales, sizes), all);
}

/* ---- reducing ---- */

/* Along the axes of "dim"; all of them if it is not there. */
void build_reduction(Layer *l) {
  int count;
  const int64_t *axes = layer_list(l, "dim", &count);
  Value *over = count ? compose_ints(&l->k, axes, count) : NULL;
  l->outputs[0] = layer_op(l, l->type->op, IN(l->inputs[0], over),
                           WITH(attr_int("keepdims", layer_bool(l, "keepdim"))));
}

/* Without "dim": the place in the flat input. */
void build_arg_reduction(Layer *l) {
  bool flat = !layer_field(l, "dim");
  Value *x = flat ? compose_reshape(&l->k, l->inputs[0], (int64_t[]){-1}, 1) : l->inputs[0];
  l->outputs[0] = layer_op(l, l->type->op, IN(x),
                           WITH(attr_int("axis", flat ? 0 : layer_int(l, "dim")),
                                attr_int("keepdims", !flat && layer_bool(l, "keepdim"))));
}
