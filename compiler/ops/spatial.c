/* spatial.c: sliding windows over spatial axes, and calls of float kernels. See spatial.h. */
#include "ops/spatial.h"

#include <inttypes.h>
#include <string.h>

/* --- reading the attributes of a window --- */

bool window_check_rank(Compilation *c, const Node *node, const Value *x) {
  if (x->rank >= 3 && x->rank <= 2 + SPATIAL_AXES) return true;
  return node_error(c, node,
                    "input '%s' has rank %d; one to %d spatial axes (rank 3 to %d) are supported",
                    x->name, x->rank, SPATIAL_AXES, 2 + SPATIAL_AXES);
}

/* The list attribute `name` into `values` (`count` of them, `missing` where it is absent), each at
 * least `least`. */
static bool read_list(Compilation *c, const Node *node, const char *name, int count,
                      int64_t missing, int64_t least, int64_t *values) {
  size_t given;
  const int64_t *list = node_ints(node, name, &given);
  for (int i = 0; i < count; i++) values[i] = missing;
  if (!list || given == 0) return true;
  if (given != (size_t)count)
    return node_error(c, node, "attribute '%s' has %zu numbers, but %d are needed", name, given,
                      count);
  for (int i = 0; i < count; i++) {
    if (list[i] < least)
      return node_error(c, node, "attribute '%s' holds %" PRId64 ", but must be at least %" PRId64,
                        name, list[i], least);
    values[i] = list[i];
  }
  return true;
}

bool window_kernel_attr(Compilation *c, const Node *node, const Value *x, Dim *kernel) {
  int64_t sizes[SPATIAL_AXES];
  if (!window_check_rank(c, node, x)) return false;
  if (!node_attr(node, "kernel_shape"))
    return node_error(c, node, "attribute 'kernel_shape' is missing");
  if (!read_list(c, node, "kernel_shape", x->rank - 2, 1, 1, sizes)) return false;
  for (int i = 0; i < x->rank - 2; i++) kernel[i] = dim_const(c->dims, sizes[i]);
  return true;
}

typedef enum { PAD_EXPLICIT, PAD_VALID, PAD_SAME_UPPER, PAD_SAME_LOWER } AutoPad;

static bool read_auto_pad(Compilation *c, const Node *node, AutoPad *mode) {
  static const char *const names[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
  const char *text = node_string(node, "auto_pad", "NOTSET");
  for (int i = 0; i < 4; i++)
    if (strcmp(text, names[i]) == 0) return *mode = (AutoPad)i, true;
  if (text[0] == 0) return *mode = PAD_EXPLICIT, true;
  node_error(c, node, "auto_pad='%s' is unknown", text);
  return diag_hint(c->diag, "use NOTSET, VALID, SAME_UPPER or SAME_LOWER");
}

/* (kernel - 1) * dilation + 1: the inputs that a window spans. */
static Dim window_span(Compilation *c, const Window *w, int a) {
  DimPool *p = c->dims;
  return dim_addi(p, dim_mul(p, dim_addi(p, w->kernel[a], -1), w->dilation[a]), 1);
}

/* Splits `total` padding into begin and end; the odd one goes to the end if `odd_to_end`. */
static void split_padding(Compilation *c, Window *w, int a, Dim total, bool odd_to_end) {
  Dim half = dim_floordiv(c->dims, total, dim_const(c->dims, 2));
  Dim rest = dim_sub(c->dims, total, half);
  w->pad_begin[a] = odd_to_end ? half : rest;
  w->pad_end[a] = odd_to_end ? rest : half;
}

/* --- sizes of the output --- */

/* (in + pads - span) / stride + 1, rounded down or, for ceil_mode, up where the last window still
 * starts inside of input or leading padding. */
static Dim pooled_size(Compilation *c, const Window *w, int a, bool ceil_mode) {
  DimPool *p = c->dims;
  Dim padded = dim_add(p, w->in[a], dim_add(p, w->pad_begin[a], w->pad_end[a]));
  Dim room = dim_sub(p, padded, window_span(c, w, a));
  if (!ceil_mode) return dim_addi(p, dim_floordiv(p, room, w->stride[a]), 1);
  Dim last = dim_ceildiv(p, room, w->stride[a]);
  Dim starts_inside =
      dim_less(p, dim_mul(p, last, w->stride[a]), dim_add(p, w->in[a], w->pad_begin[a]));
  return dim_add(p, last, starts_inside);
}

/* The output size and padding of axis `a` of a convolution or pool. */
static void forward_axis(Compilation *c, Window *w, int a, AutoPad mode, bool ceil_mode) {
  DimPool *p = c->dims;
  if (mode == PAD_SAME_UPPER || mode == PAD_SAME_LOWER) {
    w->out[a] = dim_ceildiv(p, w->in[a], w->stride[a]);
    Dim reach =
        dim_add(p, dim_mul(p, dim_addi(p, w->out[a], -1), w->stride[a]), window_span(c, w, a));
    Dim total = dim_max(p, dim_sub(p, reach, w->in[a]), dim_const(p, 0));
    split_padding(c, w, a, total, mode == PAD_SAME_UPPER);
    return;
  }
  w->out[a] = pooled_size(c, w, a, ceil_mode);
}

/* Likewise for a transposed convolution. full = stride * (in - 1) + output_padding + span; out =
 * full - padding. `wanted` is the size of attribute output_shape or NULL. */
static void transposed_axis(Compilation *c, Window *w, int a, AutoPad mode, int64_t extra,
                            Dim wanted) {
  DimPool *p = c->dims;
  Dim full = dim_add(p, dim_mul(p, dim_addi(p, w->in[a], -1), w->stride[a]), window_span(c, w, a));
  full = dim_addi(p, full, extra);
  bool same = mode == PAD_SAME_UPPER || mode == PAD_SAME_LOWER;
  if (!wanted && same) wanted = dim_mul(p, w->in[a], w->stride[a]);
  if (!wanted) {
    w->out[a] = dim_sub(p, full, dim_add(p, w->pad_begin[a], w->pad_end[a]));
    return;
  }
  w->out[a] = wanted;
  Dim total = dim_max(p, dim_sub(p, full, wanted), dim_const(p, 0));
  split_padding(c, w, a, total, mode == PAD_SAME_UPPER);
}

/* A size that is not positive is an error where it is known, else checked when the program runs. */
static bool check_size(Compilation *c, const Node *node, Dim out) {
  if (dim_is_const(out) && dim_value(out) < 0)
    return node_error(c, node, "the window is larger than the padded input");
  if (dim_is_const(out) || dim_known_ge(c->dims, out, dim_const(c->dims, 0))) return true;
  NodeCheck check = {dim_less(c->dims, dim_const(c->dims, -1), out),
                     "the window must fit into the padded input"};
  vec_push(c->arena, &((Node *)node)->checks, check);
  return true;
}

static void window_init(Compilation *c, Window *w, int axes) {
  Dim zero = dim_const(c->dims, 0), one = dim_const(c->dims, 1);
  w->axes = axes;
  for (int i = 0; i < SPATIAL_AXES; i++) {
    w->in[i] = w->out[i] = w->kernel[i] = w->stride[i] = w->dilation[i] = one;
    w->pad_begin[i] = w->pad_end[i] = zero;
  }
}

/* The last `axes` numbers of attribute output_shape (old models give batch and channels too), or
 * NULL. */
static bool read_output_shape(Compilation *c, const Node *node, int axes, const int64_t **shape) {
  size_t count;
  const int64_t *list = node_ints(node, "output_shape", &count);
  *shape = NULL;
  if (!list || count == 0) return true;
  if (count != (size_t)axes && count != (size_t)axes + 2)
    return node_error(c, node, "attribute 'output_shape' has %zu numbers, but %d are needed", count,
                      axes);
  *shape = list + (count - (size_t)axes);
  return true;
}

/* The attributes of a window as plain numbers. */
typedef struct {
  int64_t strides[SPATIAL_AXES], dilations[SPATIAL_AXES], pads[2 * SPATIAL_AXES];
  int64_t extra[SPATIAL_AXES]; /* output_padding */
  const int64_t *wanted;       /* output_shape or NULL */
  AutoPad mode;
} WindowAttrs;

static bool read_attrs(Compilation *c, const Node *node, int axes, bool transposed,
                       WindowAttrs *attrs) {
  attrs->wanted = NULL;
  memset(attrs->extra, 0, sizeof attrs->extra);
  if (!read_list(c, node, "strides", axes, 1, 1, attrs->strides)) return false;
  if (!read_list(c, node, "dilations", axes, 1, 1, attrs->dilations)) return false;
  if (!read_list(c, node, "pads", 2 * axes, 0, INT32_MIN, attrs->pads)) return false;
  if (!read_auto_pad(c, node, &attrs->mode)) return false;
  if (attrs->mode != PAD_EXPLICIT) memset(attrs->pads, 0, sizeof attrs->pads);
  if (!transposed) return true;
  return read_list(c, node, "output_padding", axes, 0, 0, attrs->extra) &&
         read_output_shape(c, node, axes, &attrs->wanted);
}

bool window_read(Compilation *c, const Node *node, const Value *x, const Dim *kernel,
                 WindowKind kind, Window *w) {
  WindowAttrs attrs;
  int axes = x->rank - 2;
  if (!window_check_rank(c, node, x)) return false;
  if (!read_attrs(c, node, axes, kind == WINDOW_TRANSPOSE, &attrs)) return false;
  window_init(c, w, axes);
  for (int i = 0; i < axes; i++) {
    int a = SPATIAL_AXES - axes + i;
    w->in[a] = x->shape[2 + i];
    w->kernel[a] = kernel[i];
    w->stride[a] = dim_const(c->dims, attrs.strides[i]);
    w->dilation[a] = dim_const(c->dims, attrs.dilations[i]);
    w->pad_begin[a] = dim_const(c->dims, attrs.pads[i]);
    w->pad_end[a] = dim_const(c->dims, attrs.pads[axes + i]);
    Dim wanted = attrs.wanted ? dim_const(c->dims, attrs.wanted[i]) : NULL;
    if (kind == WINDOW_TRANSPOSE)
      transposed_axis(c, w, a, attrs.mode, attrs.extra[i], wanted);
    else
      forward_axis(c, w, a, attrs.mode, kind == WINDOW_CEIL);
    if (!check_size(c, node, w->out[a])) return false;
  }
  return true;
}

/* --- using a window --- */

void window_set_output(Compilation *c, Node *node, int index, DType dtype, Dim n, Dim channels,
                       const Window *w) {
  Value *y = node_out(node, index);
  Dim shape[2 + SPATIAL_AXES] = {n, channels};
  if (!y) return;
  for (int i = 0; i < w->axes; i++) shape[2 + i] = w->out[SPATIAL_AXES - w->axes + i];
  value_set_type(c, y, dtype, 2 + w->axes, shape);
}

Dim window_volume(Compilation *c, const Dim *sizes) {
  return dim_product(c->dims, sizes, SPATIAL_AXES);
}

bool window_is_flat(const Window *w) {
  bool flat = true;
  for (int a = 0; a < SPATIAL_AXES; a++)
    flat &= dim_is(w->kernel[a], 1) && dim_is(w->stride[a], 1) && dim_is(w->pad_begin[a], 0) &&
            w->out[a] == w->in[a];
  return flat;
}

void window_flatten(Compilation *c, Window *w) {
  if (!window_is_flat(w)) return;
  Dim volume = window_volume(c, w->in);
  for (int a = 0; a < SPATIAL_AXES; a++)
    w->in[a] = w->out[a] = a == SPATIAL_AXES - 1 ? volume : dim_const(c->dims, 1);
}

void window_args(Lower *l, Step *step, const Window *w) {
  arg_dims(l, step, w->in, SPATIAL_AXES);
  arg_dims(l, step, w->out, SPATIAL_AXES);
  arg_dims(l, step, w->kernel, SPATIAL_AXES);
  arg_dims(l, step, w->stride, SPATIAL_AXES);
  arg_dims(l, step, w->dilation, SPATIAL_AXES);
  arg_dims(l, step, w->pad_begin, SPATIAL_AXES);
}

/* --- attributes that are names --- */

bool read_name(Compilation *c, const Node *node, const char *attr, const char *missing,
               const char *const *names, int *found) {
  const char *text = node_string(node, attr, missing);
  for (*found = 0; names[*found]; ++*found)
    if (strcmp(names[*found], text) == 0) return true;
  node_error(c, node, "%s='%s' is not supported", attr, text);
  Str list = str_in(c->arena);
  for (int i = 0; names[i]; i++) str_addf(&list, "%s%s", i ? ", " : "", names[i]);
  return diag_hint(c->diag, "use one of %s", str_text(&list));
}

/* --- checks --- */

bool require_float(Compilation *c, const Node *node, const Value *value) {
  if (dtype_is_float(value->dtype)) return true;
  return node_error(c, node, "'%s' must be of a float type, not %s", value->name,
                    dtype_info(value->dtype)->name);
}

Dim shape_product(Compilation *c, const Value *value, int first, int last) {
  return dim_product(c->dims, value->shape + first, last > first ? (size_t)(last - first) : 0);
}
