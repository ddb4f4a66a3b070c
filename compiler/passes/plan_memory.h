/* plan_memory.h: where each buffer lies in the workspace. The pass itself, pass_plan, is declared
 * in passes.h. */
#ifndef CTC_PASSES_PLAN_MEMORY_H
#define CTC_PASSES_PLAN_MEMORY_H

#include "ir/program.h"

#include <stdio.h>

enum { PLAN_ALIGNMENT = 64 }; /* of offsets and of the workspace, in bytes */

/* Sets the capacity of every buffer, as pass_plan does first. */
MUST_CHECK bool plan_set_capacities(Program *program);

/* A value for every symbol, by index: fixed ones as they are, others typical (64, or their upper
 * limit if that is small; within their range). For choosing between plans and for reports. Room for
 * plan variables is included; they are evaluated. */
int64_t *plan_nominal_values(const Program *program, Arena *arena);

/* Computes the variables of the plan, in order, from the values of the other symbols. False if a
 * number overflows. */
MUST_CHECK bool plan_evaluate(const Program *program, int64_t *values);

/* The largest sum of the sizes of buffers that are live at one position (into *position unless
 * NULL) for these values of the symbols: no plan for this order of steps can be smaller. Needs
 * first/last, capacity and merged_into. */
int64_t plan_lower_bound(const Program *program, const int64_t *values, int *position);

/* A table of the workspace: offset, size, lifetime and name of each buffer, at nominal values of
 * open symbols; the peak; workspace, lower bound and their ratio. Needs a planned program. */
void memory_report(FILE *out, const Program *program);

#endif
