/* order.h: things that need each other, in an order in which each comes behind what it needs. */
#ifndef CTC_FRONTENDS_COMMON_ORDER_H
#define CTC_FRONTENDS_COMMON_ORDER_H

#include "base/arena.h"
#include "base/diag.h"

/* Thing i needs the things needs[first[i]] … needs[first[i + 1] - 1]. */
typedef struct {
  size_t count;
  const int *needs;
  const size_t *first; /* count + 1 */
} Needs;

/* The positions 0 … count - 1, sorted, as near to their own order as can be: a sorted list stays as
 * it is, and in others a thing moves only as far as it must. False if there is a cycle: then
 * *order holds its *cycle members, each needing the next one. */
MUST_CHECK bool topological_order(Arena *arena, const Needs *needs, int **order, size_t *cycle);

#endif
