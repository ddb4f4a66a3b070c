/* conv_blocked.h: convolutions of blocked values (ops/blocked.h): the ways to compute one, and the
 * choice between them.
 *
 * A way is a row of the table in conv_blocked.c: a BlockedMethod that is defined where its lowering
 * is. The cheapest one that fits is taken. */
#ifndef CTC_OPS_CONV_BLOCKED_H
#define CTC_OPS_CONV_BLOCKED_H

#include "ops/op.h"

/* A convolution over rows and columns, of f32, with constant weights; one over a single axis has
 * one row. Arrays of two: rows, columns. */
typedef struct {
  const Node *node;
  const Value *x, *y;
  const Tensor *weight; /* [groups * out, in, kernel]; of transposed ones [groups * in, out, kernel]
                         */
  const Tensor *bias;   /* one number an output channel, or NULL */
  bool transposed;
  bool may_grow;           /* packed weights may be larger than the plain ones */
  bool row_input;          /* x is row-major if the convolution can choose (the model's input) */
  int64_t groups, in, out; /* channels of a group */
  int64_t kernel[2], stride[2], dilation[2];
  int64_t pad[2], pad_end[2]; /* may be negative */
  Dim in_size[2], out_size[2];
} BlockedConv;

typedef struct {
  const char *name;
  bool row_input;  /* x stays row-major */
  bool row_output; /* y is row-major */
  /* Nanoseconds that it takes, estimated for one core; negative: it cannot do this convolution. */
  double (*cost)(const BlockedConv *conv);
  /* Zeros that it reads around x: rows above and below, columns on both sides; NULL: none. */
  void (*halo)(const BlockedConv *conv, int64_t *halo);
  /* Appends the steps that write the results, without bias, to `out`, which has the layout of y. */
  void (*lower)(Lower *l, const BlockedConv *conv, Buffer *out);
} BlockedMethod;

extern const BlockedMethod conv_direct, conv_stem, conv_by_phases, conv_depthwise, conv_winograd4,
    conv_winograd2, conv_thin, conv_planes;

/* For OpDef.blocked and OpDef.lower_blocked of Conv, ConvTranspose and FusedConv. */
BlockedUse blocked_conv_use(Compilation *c, const Node *node);
bool blocked_conv_lower(Lower *l, const Node *node);

/* For OpDef.lower: row-major, by a method for that. False if there is none: nothing was done. */
bool row_conv_lower(Lower *l, const Node *node);

/* --- for methods --- */

/* A size, and the product of rows and columns; a guess where they are not known. */
double blocked_conv_size(Dim size);
double blocked_conv_area(const Dim *size);

/* Pixels of the output; a guess where its size is not known. */
double blocked_conv_pixels(const BlockedConv *conv);
/* The longer one of computing `flops` at `share` of the machine's peak and loading `floats` from
 * memory, in nanoseconds. */
double blocked_conv_time(double flops, double share, double floats);
/* The weights of all output channels, aligned f32. */
const float *blocked_conv_weights(Lower *l, const BlockedConv *conv);
/* An empty constant for `count` repacked weights, to be filled in at *data. */
Buffer *blocked_conv_packed(Lower *l, const BlockedConv *conv, int64_t count, float **data);
/* Calls the packing function ctc_<stem>_f32(from, to, numbers…) now, while compiling. */
void blocked_conv_pack(const char *stem, const float *from, float *to, const int64_t *numbers,
                       int count);
/* Whether a tap reads beside the input. */
bool blocked_conv_is_padded(const BlockedConv *conv);
/* The row-major input with zeros around its planes, in scratch memory if it takes any: receives the
 * planes' sizes and the offset of what tap (0, 0) of output (0, 0) reads. */
Buffer *blocked_conv_row_input(Lower *l, const BlockedConv *conv, Dim *size, Dim *skipped);
/* Where x is read by tap (0, 0) of output (0, 0): an offset in its buffer. */
Dim blocked_conv_origin(Compilation *c, const BlockedConv *conv);
/* A method's `halo`: the padding, at the end as far as a tap reaches. */
void blocked_conv_halo(const BlockedConv *conv, int64_t *halo);
/* Appends the arguments oh, ow, kernel, stride, dilation, each of rows and columns. */
void blocked_conv_window(Lower *l, Step *step, const BlockedConv *conv);
/* Appends the arguments image, block, row: the strides of a blocked value. */
void blocked_conv_strides(Lower *l, Step *step, const BlockedShape *shape);
/* Says where the kernel's results lie: those of y. */
void blocked_conv_results(Lower *l, Step *step, const BlockedConv *conv);

#endif
