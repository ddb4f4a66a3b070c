/* pad.h: what passes want to know of a Pad. */
#ifndef CTC_OPS_PAD_H
#define CTC_OPS_PAD_H

#include "ops/op.h"

/* Whether `node` puts zeros around its input and nothing else, as many as a program of any size
 * has: before[d] and after[d] >= 0 of them along axis d (room for MAX_RANK). Inference has
 * succeeded before. */
MUST_CHECK bool pad_zeros(Compilation *c, const Node *node, int64_t *before, int64_t *after);

#endif
