/* blocked.h: values in the blocked layout (BlockedLayout in ir/graph.h): what operators say of it
 * to the layout pass, and geometry and loops for lowering.
 *
 * A value [N, C, H, W] is a sequence of planes, one a block of 16 channels of an image; a pixel of
 * a plane is 16 floats. Loops over it run over [N, C / 16, H, W, 16]. */
#ifndef CTC_OPS_BLOCKED_H
#define CTC_OPS_BLOCKED_H

#include "ops/lower.h"

typedef enum {
  BLOCKED_NO,    /* all values must be row-major */
  BLOCKED_CAN,   /* as good as row-major */
  BLOCKED_WANTS, /* much faster */
} BlockedAnswer;

/* How a node would work if it were blocked. Its output 0 is blocked then, its other outputs and
 * inputs are row-major, but for what is said here. */
typedef struct {
  BlockedAnswer answer;
  bool first_input; /* input 0 is blocked */
  bool all_inputs;  /* every input that is computed at run time and has more than one element is */
  bool same_halo;   /* the output and those inputs should have the same halo */
  bool row_output;  /* output 0 is row-major nevertheless */
  bool all_outputs; /* all outputs are blocked */
  int64_t halo[2];  /* zeros that the node reads around input 0: rows above and below, columns */
} BlockedUse;

/* Whether a value could be blocked at all: float32 of rank 3 or 4 with a constant number of
 * channels, computed at run time. */
bool blocked_possible(const Value *value);
/* Of operators whose lowering is one nest from lower_pointwise, with nest_load and nest_store. */
BlockedUse blocked_pointwise(Compilation *c, const Node *node);
/* Whether one of the node's inputs or outputs is blocked. */
bool node_is_blocked(const Node *node);

/* The sizes of a value of rank 3 or 4, and the strides of a blocked one in elements; a pixel is 16
 * of them. */
typedef struct {
  Dim n, c, h, w;
  int64_t blocks;        /* ceil(c / 16) */
  Dim image, plane, row; /* strides */
  Dim origin;            /* offset of pixel (0, 0) of the first plane: behind the halo */
  int64_t halo[2];
} BlockedShape;

BlockedShape blocked_shape(Compilation *c, const Value *value);
/* Elements of its buffer. */
Dim blocked_count(Compilation *c, const Value *value);
/* What a buffer of it has to keep zero; NULL without a halo. */
const Halo *blocked_halo(Compilation *c, const Value *value);
/* Results of a kernel that writes all of the value: N * blocks * H * W * 16. */
Dim blocked_results(Compilation *c, const BlockedShape *shape);

/* For lower_pointwise, nest_load and nest_store. */
LoopNest *blocked_nest(Lower *l, const Value *out);
Operand blocked_load(Lower *l, LoopNest *nest, const Value *value);
void blocked_store(Lower *l, LoopNest *nest, const Value *value, Operand operand);
/* The strides of the loops of a blocked nest over a value of that shape. */
void blocked_strides(Compilation *c, const BlockedShape *shape, Dim *stride);

/* Copies between the blocked `value` and a buffer with strides for [N, C, H, W]. */
void blocked_copy(Lower *l, const Value *value, Buffer *other, const Dim *stride, bool to_blocked);
/* Copies channels between blocked values of the same N, H, W; one of the first channels must be a
 * multiple of 16. */
void blocked_copy_channels(Lower *l, const Value *to, int64_t to_channel, const Value *from,
                           int64_t from_channel, int64_t count);

/* One number a channel (a bias) as a constant of blocks * 16 numbers, zeros behind. */
Buffer *blocked_channels(Lower *l, const Tensor *tensor, const char *name);
/* A kernel's raw results for the blocked `value`, to which a bias is still to be added: a buffer of
 * the same layout (without the halo's zeros). */
Buffer *blocked_scratch(Lower *l, const Value *value);
/* value = raw + bias (a constant with one number a channel) or, with bias NULL, a copy: a nest that
 * the epilogue pass moves into the kernel that made `raw`. */
void blocked_add_bias(Lower *l, const Value *value, Buffer *raw, const Tensor *bias);

#endif
