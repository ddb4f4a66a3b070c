/* layer_pool.c: pooling over windows, and adaptive pooling to a given size. */
#include "layer.h"

#include <inttypes.h>

typedef struct {
  int dims;
  int64_t kernel[SPATIAL], stride[SPATIAL], pads[2 * SPATIAL];
} Window;

/* Without a stride it is the kernel size. Padding must be at most half the kernel. */
static Window read_window(Layer *l) {
  Window w = {.dims = l->type->dims};
  layer_ints(l, "kernel_size", w.dims, w.kernel);
  layer_ints(l, layer_field(l, "stride") ? "stride" : "kernel_size", w.dims, w.stride);
  layer_ints(l, "padding", w.dims, w.pads);
  for (int i = 0; i < w.dims; i++) {
    w.pads[w.dims + i] = w.pads[i];
    if (w.pads[i] > w.kernel[i] / 2 && !l->k.failed)
      layer_error(l, "padding", "padding %" PRId64 " is more than half of the kernel size %" PRId64,
                  w.pads[i], w.kernel[i]);
  }
  return w;
}

void build_max_pool(Layer *l) {
  Window w = read_window(l);
  int64_t dilation[SPATIAL];
  bool added;
  layer_ints(l, "dilation", w.dims, dilation);
  if (l->k.failed) return;
  Value *y = layer_op(
      l, "MaxPool", IN(layer_batched(l, l->type->dims, &added)),
      WITH(attr_ints("kernel_shape", w.kernel, w.dims), attr_ints("strides", w.stride, w.dims),
           attr_ints("pads", w.pads, 2 * w.dims), attr_ints("dilations", dilation, w.dims),
           attr_int("ceil_mode", layer_bool(l, "ceil_mode"))));
  l->outputs[0] = layer_unbatched(l, y, added);
}

/* divisor_override: the mean over all of the window, zeros around the input too, becomes a sum. */
void build_avg_pool(Layer *l) {
  Window w = read_window(l);
  int64_t divisor = layer_int(l, "divisor_override"), area = 1;
  bool added, ceil_mode = layer_bool(l, "ceil_mode");
  for (int i = 0; i < w.dims; i++) area *= w.kernel[i];
  if (divisor && ceil_mode)
    layer_error(l, "divisor_override", "divisor_override and ceil_mode exclude each other");
  if (l->k.failed) return;
  bool include = divisor || layer_bool(l, "count_include_pad");
  Value *y =
      layer_op(l, "AveragePool", IN(layer_batched(l, l->type->dims, &added)),
               WITH(attr_ints("kernel_shape", w.kernel, w.dims),
                    attr_ints("strides", w.stride, w.dims), attr_ints("pads", w.pads, 2 * w.dims),
                    attr_int("ceil_mode", ceil_mode), attr_int("count_include_pad", include)));
  if (divisor)
    y = layer_op(l, "Mul", IN(y, layer_scalar(l, (double)area / (double)divisor)), NO_ATTRS);
  l->outputs[0] = layer_unbatched(l, y, added);
}

/* (area * mean(x^p))^(1/p), with the sign of the sum. */
void build_lp_pool(Layer *l) {
  Window w = read_window(l);
  double p = layer_real(l, "norm_type"), area = 1;
  bool added;
  for (int i = 0; i < w.dims; i++) area *= (double)w.kernel[i];
  if (l->k.failed) return;
  Value *powers =
      layer_op(l, "Pow", IN(layer_batched(l, w.dims, &added), layer_scalar(l, p)), NO_ATTRS);
  Value *mean = layer_op(l, "AveragePool", IN(powers),
                         WITH(attr_ints("kernel_shape", w.kernel, w.dims),
                              attr_ints("strides", w.stride, w.dims),
                              attr_int("ceil_mode", layer_bool(l, "ceil_mode"))));
  Value *sum = layer_op(l, "Mul", IN(mean, layer_scalar(l, area)), NO_ATTRS);
  Value *size = layer_op(l, "Abs", IN(sum), NO_ATTRS),
        *sign = layer_op(l, "Sign", IN(sum), NO_ATTRS);
  Value *root = layer_op(l, "Pow", IN(size, layer_scalar(l, 1 / p)), NO_ATTRS);
  l->outputs[0] = layer_unbatched(l, layer_op(l, "Mul", IN(sign, root), NO_ATTRS), added);
}

/* ---- adaptive ---- */

/* Sizes of the input and of the output; 0: an open size of the input, an output that keeps it. */
typedef struct {
  int64_t in[SPATIAL], out[SPATIAL];
  bool ones, divides; /* all outputs are 1; all inputs are multiples of them */
} Adaptive;

static bool read_adaptive(Layer *l, const Value *x, Adaptive *a) {
  const JsonValue *size = layer_field(l, "output_size");
  int dims = l->type->dims;
  *a = (Adaptive){.ones = true, .divides = true};
  if (x->rank != dims + 2) {
    if (x->rank >= 0)
      layer_error(l, NULL, "the input must be of rank %d or %d", dims + 1, dims + 2);
    l->k.failed = true;
    return false;
  }
  for (int i = 0; i < dims; i++) {
    const JsonValue *one = size->kind == JSON_ARRAY ? size->items[i] : size;
    Dim dim = x->shape[2 + i];
    a->in[i] = dim_is_const(dim) ? dim_value(dim) : 0;
    a->out[i] = one->kind == JSON_NULL ? a->in[i] : one->integer;
    if (a->out[i] != 1) a->ones = false;
    if (!a->in[i] || !a->out[i] || a->in[i] % a->out[i]) a->divides = false;
  }
  return true;
}

static Value *pool_evenly(Layer *l, const char *op, Value *x, const Adaptive *a) {
  int64_t kernel[SPATIAL];
  for (int i = 0; i < l->type->dims; i++) kernel[i] = a->in[i] / a->out[i];
  return layer_op(l, op, IN(x),
                  WITH(attr_ints("kernel_shape", kernel, l->type->dims),
                       attr_ints("strides", kernel, l->type->dims)));
}

/* [in, out]: column o is the mean over floor(o in/out) … ceil((o + 1) in/out) - 1. */
static Value *mean_matrix(Layer *l, int64_t in, int64_t out) {
  void *data;
  Tensor *tensor = tensor_create(l->r->arena, DT_F32, 2, (int64_t[]){in, out}, &data);
  for (int64_t o = 0; o < out; o++) {
    int64_t start = o * in / out, end = ((o + 1) * in + out - 1) / out;
    for (int64_t i = start; i < end; i++)
      ((float *)data)[i * out + o] = 1.0f / (float)(end - start);
  }
  Value *matrix = compose_tensor(&l->k, tensor);
  if (l->dtype == DT_F32) return matrix;
  return layer_op(l, "Cast", IN(matrix), WITH(attr_int("to", dtype_info(l->dtype)->onnx_code)));
}

/* Means of windows that overlap, axis by axis as products with matrices. */
static Value *pool_by_matrices(Layer *l, Value *x, const Adaptive *a) {
  int dims = l->type->dims, rank = dims + 2;
  for (int i = 0; i < dims; i++) {
    int64_t perm[2 + SPATIAL];
    if (a->in[i] == a->out[i]) continue;
    for (int d = 0; d < rank; d++) perm[d] = d;
    perm[2 + i] = rank - 1; /* the axis and the last one change places, twice */
    perm[rank - 1] = 2 + i;
    x = compose_transpose(&l->k, x, perm, rank);
    x = layer_op(l, "MatMul", IN(x, mean_matrix(l, a->in[i], a->out[i])), NO_ATTRS);
    x = compose_transpose(&l->k, x, perm, rank);
  }
  return x;
}

static bool check_sizes_known(Layer *l, const Adaptive *a) {
  enum { LARGEST = 1 << 24 }; /* elements of a matrix */
  for (int i = 0; i < l->type->dims; i++) {
    const JsonValue *size = layer_field(l, "output_size");
    if (size->kind == JSON_ARRAY && size->items[i]->kind == JSON_NULL) continue; /* stays */
    if (!a->in[i]) {
      layer_error(l, "output_size",
                  "size %d of the input is not known: give it with --shape or --dim", 2 + i);
      return false;
    }
    if (a->in[i] > LARGEST / a->out[i]) {
      layer_error(l, "output_size", "the sizes are too large");
      return false;
    }
  }
  return true;
}

void build_adaptive_avg_pool(Layer *l) {
  Adaptive a;
  bool added;
  Value *x = layer_batched(l, l->type->dims, &added), *y;
  if (!read_adaptive(l, x, &a)) return;
  if (a.ones)
    y = layer_op(l, "GlobalAveragePool", IN(x), NO_ATTRS);
  else if (a.divides)
    y = pool_evenly(l, "AveragePool", x, &a);
  else if (check_sizes_known(l, &a))
    y = pool_by_matrices(l, x, &a);
  else
    return;
  l->outputs[0] = layer_unbatched(l, y, added);
}

void build_adaptive_max_pool(Layer *l) {
  Adaptive a;
  bool added;
  Value *x = layer_batched(l, l->type->dims, &added), *y;
  if (!read_adaptive(l, x, &a)) return;
  if (!a.ones && !a.divides) {
    layer_error(l, "output_size", "the sizes of the input must be known multiples of output_size");
    return;
  }
  y = a.ones ? layer_op(l, "GlobalMaxPool", IN(x), NO_ATTRS) : pool_evenly(l, "MaxPool", x, &a);
  l->outputs[0] = layer_unbatched(l, y, added);
}
