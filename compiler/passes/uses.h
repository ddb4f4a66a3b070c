/* uses.h: who uses a value of a graph or a buffer of a program. */
#ifndef CTC_PASSES_USES_H
#define CTC_PASSES_USES_H

#include "ir/program.h"

/* Adds to uses[], by value id, how often each value is a node's input or a graph's output, bodies
 * included. */
void count_value_uses(const Graph *graph, int *uses);

/* Who uses the values that there were when it was made. */
typedef struct {
  int known;        /* ids below it have entries */
  int *counts;      /* by value id, as count_value_uses */
  Node **consumers; /* by value id: one of the nodes that use it */
} ValueUses;

ValueUses find_value_uses(Compilation *c);

/* The only node that uses the value, once and in that graph; or NULL. */
Node *only_consumer(const ValueUses *uses, const Graph *graph, const Value *value);

/* Steps that read or write a buffer, nested blocks included. */
typedef struct {
  int reads, writes;
} BufferUses;

/* By buffer id; in the compilation's arena. */
BufferUses *count_buffer_uses(const Program *program);

/* Closes the gaps that steps set to NULL leave. */
void remove_gaps(Block *block);

#endif
