/* diverge.h: which step of a program computes something else in the emitted C than in the
 * interpreter. */
#ifndef CTC_CLI_DIVERGE_H
#define CTC_CLI_DIVERGE_H

#include "cli/compare.h"
#include "cli/loaded.h"

typedef enum {
  DIVERGE_NOWHERE, /* every step is within tolerance */
  DIVERGE_DATA,    /* `step` wrote other data */
  DIVERGE_SIZE,    /* `step` wrote more or less than the interpreter's did */
  DIVERGE_PATH, /* the emitted program did not come to `step`: other branches, other trip counts, or
                   it ended */
} DivergeKind;

typedef struct {
  DivergeKind kind;
  const Step *step;
  const Buffer *buffer;  /* not for DIVERGE_PATH */
  Comparison comparison; /* DIVERGE_DATA */
  int64_t count;         /* elements written */
  int steps;             /* of the whole program */
} Divergence;

/* Runs the library, which was emitted with options.trace, and the interpreter step by step, and
 * finds the first step that differs. False after a message. */
MUST_CHECK bool find_divergence(Cli *cli, const Loaded *loaded, Divergence *result);

#endif
