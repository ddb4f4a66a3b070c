/* text.h: what the operators on strings share.
 *
 * New strings go to one pool, a buffer of the workspace that lives until the run ends. It is as
 * large as all strings that the program can make: their number times the most bytes of one. Those
 * of inputs have at most --max-string bytes; a run whose strings need more ends with a status. */
#ifndef CTC_OPS_TEXT_H
#define CTC_OPS_TEXT_H

#include "ops/op.h"

/* The most bytes that an element of a string tensor takes, its end included. */
int64_t text_bytes(Compilation *c, Value *value);
/* The most bytes of the strings among a node's inputs and attributes. */
int64_t text_bytes_around(Compilation *c, const Node *node);
/* The pool, with room for `count` more strings of so many bytes; NULL after an error: their number
 * has no bound. */
Buffer *lower_texts(Lower *l, const Node *node, Dim count, int64_t bytes);
/* A constant of strings: a list, or, of rank 0, a single one. */
const Tensor *text_tensor(Arena *arena, int rank, const char *const *texts, int64_t count);
/* The same string in each iteration. */
Operand nest_load_text(Lower *l, LoopNest *nest, const char *text);
/* The value broadcast to a shape. */
Buffer *lower_expanded(Lower *l, const Value *value, int rank, const Dim *shape);

#endif
