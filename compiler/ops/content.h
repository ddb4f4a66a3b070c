/* content.h: how elementwise operators act on integers that carry shapes (Value.content).
 *
 * Shape → Gather → Mul → Concat → Reshape chains are followed as expressions, so that no step of
 * them is left in the program. Floats that are known to hold integers take part, because exporters
 * compute sizes in them. */
#ifndef CTC_OPS_CONTENT_H
#define CTC_OPS_CONTENT_H

#include "ir/graph.h"

/* What a rule may look at. */
typedef struct {
  DimPool *pool;
  const Node *node;
  DType from, to; /* of the first input and of the output */
} ContentCall;

/* One element of the output from one element of each input; NULL if it is not an integer that can
 * be told. Elements that are not known are NULL, but only for content_where; other rules are not
 * called then. */
typedef Dim (*ContentRule)(const ContentCall *call, const Dim *args, int count);

Dim content_abs(const ContentCall *call, const Dim *args, int count);
Dim content_add(const ContentCall *call, const Dim *args, int count); /* any number of terms */
Dim content_and(const ContentCall *call, const Dim *args, int count);
Dim content_cast(const ContentCall *call, const Dim *args, int count);
Dim content_ceil(const ContentCall *call, const Dim *args, int count);
Dim content_div(const ContentCall *call, const Dim *args, int count);
Dim content_equal(const ContentCall *call, const Dim *args, int count);
Dim content_floor(const ContentCall *call, const Dim *args, int count);
Dim content_greater(const ContentCall *call, const Dim *args, int count);
Dim content_greaterorequal(const ContentCall *call, const Dim *args, int count);
Dim content_less(const ContentCall *call, const Dim *args, int count);
Dim content_lessorequal(const ContentCall *call, const Dim *args, int count);
Dim content_max(const ContentCall *call, const Dim *args, int count);
Dim content_min(const ContentCall *call, const Dim *args, int count);
Dim content_mod(const ContentCall *call, const Dim *args, int count);
Dim content_mul(const ContentCall *call, const Dim *args, int count);
Dim content_neg(const ContentCall *call, const Dim *args, int count);
Dim content_not(const ContentCall *call, const Dim *args, int count);
Dim content_or(const ContentCall *call, const Dim *args, int count);
Dim content_relu(const ContentCall *call, const Dim *args, int count);
Dim content_round(const ContentCall *call, const Dim *args, int count);
Dim content_sub(const ContentCall *call, const Dim *args, int count);
Dim content_where(const ContentCall *call, const Dim *args, int count);
Dim content_xor(const ContentCall *call, const Dim *args, int count);

/* Sets the content of the node's output 0, whose type is set, from those of the inputs (broadcast
 * to its shape). Does nothing where that is not possible, or where all inputs are constants, which
 * folding handles. */
void content_apply(Compilation *c, Node *node, ContentRule rule, Value *const *inputs, int count);

/* The elements of a value (row-major, as many as its shape says) as expressions, or NULL if they
 * are not all known integers or are too many. */
const Dim *content_of(Compilation *c, const Value *value);

#endif
