/* quantized.h: convolutions and matrix products of bytes by the kernels of runtime/int8.c. */
#ifndef CTC_OPS_QUANTIZED_H
#define CTC_OPS_QUANTIZED_H

#include "ops/op.h"

/* y = finish(bias + sum of (x - x_zero) * (w - w_zero)); arrays of two: rows, columns. A matrix
 * product is one with a kernel of 1x1 over as many rows as A has, of one column each. The form of
 * the results follows from y's dtype: int32 sums; floats, which are the sums times scale; or
 * levels: sums times scale, rounded, plus y_zero, within [low, high]. */
typedef struct {
  Buffer *x;       /* uint8 or int8 */
  Buffer *x_zero;  /* one number of the same type, or NULL: 0 */
  Dim x_stride[4]; /* from image, channel, row, column to the next one, in elements */
  Dim n, in_size[2], out_size[2];
  int64_t groups, in, out; /* channels of a group */
  int64_t kernel[2], stride[2], dilation[2], pad[2];
  const Tensor *w;      /* uint8 or int8 */
  const Tensor *w_zero; /* one number, or one an output channel; NULL: 0 */
  int64_t w_stride[5];  /* from group, output, input, row, column to the next one */
  const Tensor *bias;   /* int32, one number an output channel, or NULL; x_zero must be constant */
  const float *scale;   /* one an output channel; NULL: 1 */
  int64_t y_zero, low, high;
  Buffer *y;
  Dim y_stride[3]; /* from image, row, column to the next one; channels are neighbours */
} ByteConv;

/* Whether x, its zero point and w are of types that there are kernels for, and constant where they
 * must be. */
bool byte_conv_fits(const Value *x, const Value *x_zero, const Value *w, const Value *w_zero);
/* Appends the steps. */
void byte_conv_lower(Lower *l, const ByteConv *conv);
/* Fills in sizes and strides of x[rows, depth] * w[depth, columns] = y[rows, columns], all dense; w
 * stored the other way round if `turned`. */
void byte_conv_product(Lower *l, ByteConv *conv, Dim rows, int64_t depth, int64_t columns,
                       bool turned);

/* Whether a ctc ByteConv whose inputs are typed can be lowered. */
bool byte_conv_possible(Compilation *c, const Node *node);

/* The lowest and highest level of a dtype. */
void level_range(DType dtype, int64_t *low, int64_t *high);

#endif
