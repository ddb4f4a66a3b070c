/* attention_narrow.h: Attention of 16-bit floats as the standard writes it out. */
#ifndef CTC_OPS_ATTENTION_NARROW_H
#define CTC_OPS_ATTENTION_NARROW_H

#include "ops/compose.h"

/* Inputs and outputs of Attention. */
enum { IN_Q, IN_K, IN_V, IN_MASK, IN_PAST_KEY, IN_PAST_VALUE, IN_LENGTHS };
enum { OUT_Y, OUT_PRESENT_KEY, OUT_PRESENT_VALUE, OUT_SCORES };

/* The nodes, each of which rounds its results, unless a wider softmax_precision is given: then, and
 * where heads or sizes are not known, NULL. */
Graph *select_narrow_attention(Compilation *c, const Node *node);
bool compose_narrow_attention(Composer *k, const Node *node, Value **out);

#endif
