/* steps.h: steps as people know them, and the list of them (`ctc inspect --stage steps`). */
#ifndef CTC_CLI_STEPS_H
#define CTC_CLI_STEPS_H

#include "cli/cli.h"

/* Name of the kernel without ctc_, or "loop nest". */
const char *step_kernel_name(const Step *step);
/* The nodes that it does: `Conv + Relu 'features.1'`. */
const char *step_nodes(Arena *arena, const Step *step);
/* A line a step: flops, bytes, where it runs (of a program for a GPU), kernel, nodes, why that
 * kernel. */
void steps_print(Cli *cli, const Program *program);

#endif
