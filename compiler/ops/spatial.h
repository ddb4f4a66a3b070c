/* spatial.h: what convolutions, pools, normalisations and resizing share: sliding windows over up
 * to three spatial axes, and checks.
 *
 * A 1-D or 2-D operator is treated as a 3-D one whose leading axes have size 1, so that each kernel
 * is written once. */
#ifndef CTC_OPS_SPATIAL_H
#define CTC_OPS_SPATIAL_H

#include "ops/op.h"

enum { SPATIAL_AXES = 3 };

/* A window that slides over the spatial axes. Axes that the operator does not have come first: size
 * 1, no padding. Positions: output o, tap k reads input o * stride + k * dilation - pad_begin. */
typedef struct {
  int axes; /* of the operator: 1, 2 or 3 */
  Dim in[SPATIAL_AXES], out[SPATIAL_AXES], kernel[SPATIAL_AXES];
  Dim stride[SPATIAL_AXES], dilation[SPATIAL_AXES];
  Dim pad_begin[SPATIAL_AXES], pad_end[SPATIAL_AXES];
} Window;

/* How the size of the output follows from the window. */
typedef enum {
  WINDOW_FLOOR,     /* convolution, pooling: incomplete windows at the end are dropped */
  WINDOW_CEIL,      /* pooling with ceil_mode: they are kept unless they lie in the padding */
  WINDOW_TRANSPOSE, /* transposed convolution: the sizes change roles */
} WindowKind;

/* The window of `node` (attributes strides, dilations, pads, auto_pad, and output_padding,
 * output_shape of WINDOW_TRANSPOSE) on `x` [n, channels, spatial…] with `kernel`, one size a
 * spatial axis. Sets every member; reports what does not fit. */
MUST_CHECK bool window_read(Compilation *c, const Node *node, const Value *x, const Dim *kernel,
                            WindowKind kind, Window *window);
/* The sizes of the attribute kernel_shape as `kernel`, one a spatial axis of `x`. */
MUST_CHECK bool window_kernel_attr(Compilation *c, const Node *node, const Value *x, Dim *kernel);
/* Demands a rank of 3, 4 or 5. */
MUST_CHECK bool window_check_rank(Compilation *c, const Node *node, const Value *x);
/* Sets the type of output `index`: [n, channels, window->out…]. */
void window_set_output(Compilation *c, Node *node, int index, DType dtype, Dim n, Dim channels,
                       const Window *window);
/* Whether the window reads each element once, in place: 1x1, stride 1, no padding. */
bool window_is_flat(const Window *window);
/* Merges the axes of such a window into one long one; leaves others as they are. */
void window_flatten(Compilation *c, Window *window);
/* The arguments `in, out, kernel, stride, dilation, pad` of a kernel, arrays of three each. */
void window_args(Lower *l, Step *step, const Window *window);
/* Product of the three sizes. */
Dim window_volume(Compilation *c, const Dim *sizes);

/* The position of the string attribute `attr` in `names`, which NULL ends; `missing` stands for
 * an absent one. */
MUST_CHECK bool read_name(Compilation *c, const Node *node, const char *attr, const char *missing,
                          const char *const *names, int *found);
/* Demands that a value is of a float type. */
MUST_CHECK bool require_float(Compilation *c, const Node *node, const Value *value);
/* Product of dims [first, last) of the value's shape. */
Dim shape_product(Compilation *c, const Value *value, int first, int last);

#endif
