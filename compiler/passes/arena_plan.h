/* arena_plan.h: packs blocks with known sizes and lifetimes into one stretch of memory; a pure
 * algorithm.
 *
 * Two blocks conflict if their lifetimes share a position; conflicting blocks must not overlap in
 * memory. */
#ifndef CTC_PASSES_ARENA_PLAN_H
#define CTC_PASSES_ARENA_PLAN_H

#include <stdint.h>

typedef struct {
  int64_t size;    /* bytes, at least 0; the sum over all blocks must fit int64_t */
  int first, last; /* positions of its lifetime, both included, 0 <= first <= last */
  int64_t offset;  /* the result: bytes from the start */
} ArenaBlock;

/* The largest sum of sizes that are live at one position: no packing can need less. If `position`
 * is not NULL it gets the first position where that happens (0 for no blocks). */
int64_t arena_plan_bound(const ArenaBlock *blocks, int count, int *position);

/* Sets every offset and returns the end of the highest block. Deterministic; the work is bounded.
 * If all sizes are multiples of a number, so are the offsets. */
int64_t arena_plan(ArenaBlock *blocks, int count);

/* The blocks that conflict with each block, itself not among them: those of block i are
 * neighbours[start[i]] up to neighbours[start[i + 1] - 1]. Both arrays are malloc'ed. */
typedef struct {
  int64_t *start;
  int *neighbours;
} ArenaConflicts;
ArenaConflicts arena_conflicts(const ArenaBlock *blocks, int count);
void arena_conflicts_free(ArenaConflicts *conflicts);

#endif
