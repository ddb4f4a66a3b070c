/* loaded.h: an emitted model, compiled as a shared library, run inside a child process of ctc. */
#ifndef CTC_CLI_LOADED_H
#define CTC_CLI_LOADED_H

#include "cli/cli.h"

/* Which library, and what it runs on. */
typedef struct {
  const char *path, *prefix;
  const Program *program;      /* that it was emitted from */
  const Tensor *const *inputs; /* one a port */
  const int64_t *symbols; /* values of the program's symbols (capacities for data-dependent ones) */
  const char *weights;    /* path of the weights file, or NULL */
} Loaded;

/* Runs it; makes one output a port in the arena. A crash of the emitted code is reported like any
 * other failure. */
MUST_CHECK bool loaded_run(Cli *cli, const Loaded *loaded, const Tensor **outputs);

/* In the child: the model, ready to run as often as wanted. */
typedef struct LoadedRun LoadedRun;
/* Runs it once more; the status. */
int loaded_once(LoadedRun *run);
/* A function or variable of the library; NULL if it has none of that name. */
void *loaded_symbol(const LoadedRun *run, const char *name);
/* Memory that the child shares with us, zeros; NULL if there is none. Stays until ctc ends. */
void *loaded_shared(int64_t bytes);
/* Calls `body` in the child, which hands results back through shared memory that `context` points
 * to. The last status of the model is reported if it is none of success. */
MUST_CHECK bool loaded_repeat(Cli *cli, const Loaded *loaded,
                              void (*body)(LoadedRun *run, void *context), void *context);

/* What a model that was emitted with options.trace tells of each buffer that a step wrote; `bytes`
 * of data follow. */
typedef struct {
  int32_t step, buffer;
  int64_t bytes;
} TraceRecord;

/* Runs it while `follow` reads the records from `fd`, which ends when the model has ended, for
 * whatever reason. */
MUST_CHECK bool loaded_trace(Cli *cli, const Loaded *loaded, void (*follow)(int fd, void *context),
                             void *context);

#endif
