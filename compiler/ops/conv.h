/* conv.h: what the files of the convolutions share. */
#ifndef CTC_OPS_CONV_H
#define CTC_OPS_CONV_H

#include "ops/spatial.h"

/* Which inputs an operator of this family has where (its OpDef.row). -1: none. */
typedef struct {
  int weight, bias;
  WindowKind kind;
} ConvRow;

/* What a convolution works on; `ic` and `oc` are channels of one group. */
typedef struct {
  Window window;
  Dim n, ic, oc;
  int64_t groups;
} Conv;

/* Reads attributes and shapes; reports what does not fit. */
MUST_CHECK bool conv_read(Compilation *c, const Node *node, Conv *conv);
/* Reads the convolution and sets the type of its output. */
MUST_CHECK bool conv_infer(Compilation *c, Node *node, DType dtype);
/* act(value) as the attributes of FusedConv say; `value` of nodes without activation. */
Operand conv_activation(Lower *l, LoopNest *nest, const Node *node, Operand value);

#endif
