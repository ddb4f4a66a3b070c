/* emit_nest.h: between the two files that print loop nests. */
#ifndef CTC_BACKENDS_C_EMIT_NEST_H
#define CTC_BACKENDS_C_EMIT_NEST_H

#include "backends/c/emit.h"

/* What is done inside of the outer loops. */
typedef enum {
  NEST_SCALAR,     /* one element */
  NEST_VECTORS,    /* vectors of floats along a loop */
  NEST_ROWS,       /* memcpy along a loop */
  NEST_TRANSPOSED, /* a plane: neighbours along one loop are written, along another one read */
  NEST_SQUARES, /* likewise, with work on them: vectors as they are read, transposed by squares */
} NestForm;

typedef struct {
  NestForm form;
  int along;  /* the loop along which results are neighbours; not NEST_SCALAR */
  int across; /* the last two: the loop along which neighbours are read */
} NestPlan;

/* The iterations of a loop, as expressions of the task. */
typedef struct {
  const char *first, *last;
  bool shared; /* a part of them, shared out among threads */
} NestRange;

NestPlan nest_plan(const LoopNest *nest);
/* The index of an access as an expression; its offset is in the pointer. */
const char *nest_index(Task *t, const LoopNest *nest, const Access *access);
/* What stands inside of the loops that the plan does not take (NEST_SCALAR excepted). */
void nest_add_inner(Task *t, Str *out, const LoopNest *nest, const NestPlan *plan,
                    const NestRange *along, const NestRange *across, const char *stem, int depth);

#endif
