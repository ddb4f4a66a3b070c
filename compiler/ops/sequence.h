/* sequence.h: sequences of tensors, as tensors.
 *
 * A sequence is two values. `data` [total] holds the elements one after another, each row-major;
 * `shapes`, int64 [length, SEQUENCE_ROW], has a row for each: its rank, its dims, zeros. Front ends
 * give each operator these two for an operand that is a sequence, in this order, so that control
 * flow, memory and the caller meet nothing but tensors whose sizes depend on data.
 *
 * What is known of the elements is kept at `data`. Where each of them is a value that can be named
 * while compiling, SequenceAt and ConcatFromSequence take those values, and nobody asks for the two
 * tensors any more. */
#ifndef CTC_OPS_SEQUENCE_H
#define CTC_OPS_SEQUENCE_H

#include "ops/op.h"

enum { SEQUENCE_ROW = 8, SEQUENCE_RANK = SEQUENCE_ROW - 1 };
enum { RANK_OPEN = -1 /* there is no element yet */, RANK_UNKNOWN = -2 /* or they differ */ };

/* An element: `value`, or, if that is NULL, a part of what a SplitToSequence cuts. */
typedef struct {
  Value *value;
  const Node *split;
  int64_t part;
} SequenceItem;

typedef struct Sequence {
  int rank;                  /* of all elements, or RANK_… */
  Dim size[SEQUENCE_RANK];   /* of all elements; NULL: they differ, or it is not known */
  Dim bound[SEQUENCE_RANK];  /* never smaller than that of any element; NULL: not known */
  const SequenceItem *items; /* all elements; NULL: not known while compiling */
  int64_t count;             /* of the items */
} Sequence;

/* What is known of the elements of `data`; never NULL. */
const Sequence *sequence_of(const Value *data);
/* What holds for elements that are of `a` or of `b`; NULL stands for nothing. */
const Sequence *sequence_join(Compilation *c, const Sequence *a, const Sequence *b);
/* What holds where the symbols for which `inner` is true mean nothing. */
const Sequence *sequence_outside(Compilation *c, const Sequence *sequence,
                                 bool (*inner)(const DimSymbol *symbol, void *context),
                                 void *context);
bool sequence_same(const Sequence *a, const Sequence *b);
/* What holds for the one element `x`. */
Sequence sequence_element_type(const Value *x);
/* The number of elements in each tensor, NULL if they differ or that is not known. */
Dim sequence_each(Compilation *c, const Sequence *sequence);

/* Whether the element type of a position, or of sizes, in input `input` is one that ONNX has;
 * reports it. */
MUST_CHECK bool sequence_check_position(Compilation *c, const Node *node, int input);
/* Whether all items and the position in input `input` are known, and that is in [0, limit); *at,
 * which is the position where there is no such input. */
bool sequence_position(const Node *node, int input, const Sequence *sequence, int64_t limit,
                       int64_t *at);

/* An element: its number, where its data begin, how many they are. */
typedef struct {
  Dim index, offset, count;
} SequencePlace;

/* The element at the position in input `input` (left out: the last one) of the node's first two
 * inputs, found while the program runs. `most`: the largest position. */
SequencePlace lower_sequence_place(Lower *l, const Node *node, int input, Dim most);

/* Whether a SequenceInsert in a loop may write its element behind those of the carried sequence,
 * whose memory has room for all iterations: what was there before stays as it is. */
bool sequence_grows_in_place(const Node *node);

#endif
