/* liveness.h: when each workspace buffer is in use, and which buffers can share memory in place. */
#ifndef CTC_PASSES_LIVENESS_H
#define CTC_PASSES_LIVENESS_H

#include "ir/program.h"

/* Numbers the steps in execution order (a nested block where it stands: then-branch, else-branch,
 * loop body) and sets first/last of every workspace buffer; -1 if it is never used. A loop has one
 * position before its body and one behind it; what a loop carries from one iteration to the next,
 * or from outside, is live through all of it. Returns the number of positions. */
int compute_liveness(Program *program);

/* Sets merged_into where a loop nest can write its result over an operand that dies in it; the
 * owner's lifetime is extended. Needs liveness and capacities. */
void merge_in_place(Program *program);

/* The step with that number; NULL for the position behind a loop's body or one that is not there.
 */
const Step *step_at_position(const Program *program, int position);

/* The buffer in whose memory `buffer` lives: itself, or the end of the chain of merges. */
Buffer *buffer_owner(Buffer *buffer);

#endif
