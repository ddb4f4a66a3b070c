/* interpret.h: executes a program inside ctc, for constant folding, `ctc run` and `ctc verify`.
 *
 * It calls the very kernels that the emitted program contains. Each buffer gets memory of its own
 * when it is first written, so that results do not depend on the memory plan: a plan that overlaps
 * live buffers shows as a difference between this and the emitted program. */
#ifndef CTC_IR_INTERPRET_H
#define CTC_IR_INTERPRET_H

#include "ir/program.h"

typedef struct {
  int status;             /* 0, or a code of runtime/prelude.c */
  const char *message;    /* what went wrong, NULL if nothing */
  const Step *failed;     /* the step that failed */
  const int64_t *symbols; /* the value of each symbol, by index, after the run */
  const bool *defined;    /* whether it got one */
} RunResult;

/* Called after each step that was executed; may read buffers through interpret_buffer. */
typedef struct Machine Machine;
typedef void (*StepObserver)(Machine *machine, const Step *step, void *context);

/* Runs `program` on `inputs` (one tensor a port, in order; dtype and rank must fit) and makes
 * `outputs` (room for one a port) in the arena. The values of input symbols follow from the inputs'
 * shapes. False (with result->status and message) if a kernel or check fails; user errors such as
 * contradicting shapes are told in result->message, not printed. */
MUST_CHECK bool interpret(const Program *program, const Tensor *const *inputs,
                          const Tensor **outputs, Arena *arena, RunResult *result,
                          StepObserver observer, void *context);

/* The first step that ctc cannot run itself because it calls a plugin's kernel; NULL: there is
 * none.
 */
const Step *interpret_obstacle(const Program *program);
/* Runs nothing: only the values of the symbols that follow from the inputs' shapes. */
MUST_CHECK bool interpret_sizes(const Program *program, const Tensor *const *inputs, Arena *arena,
                                RunResult *result);

/* Data and element count of a buffer at this moment; NULL if it has none yet. */
const void *interpret_buffer(const Machine *machine, const Buffer *buffer, int64_t *count);
/* An expression at this moment, such as an extent of a step that was just executed. */
int64_t interpret_dim(const Machine *machine, Dim dim);

#endif
