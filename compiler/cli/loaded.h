/* loaded.h: an emitted model, compiled as a shared library, run inside a child process of ctc. */
#ifndef CTC_CLI_LOADED_H
#define CTC_CLI_LOADED_H

#include "cli/cli.h"

/* Runs the shared library at `path` (made from `program`) on `inputs`. `symbols` gives the values of the program's symbols by name order of the
 * library's dims (capacities for data-dependent ones). Makes the outputs in the arena. A crash of the emitted code is
 * reported like any other failure. `weights` is the path of the weights file, or NULL. */
MUST_CHECK bool loaded_run(Cli *cli, const char *path, const char *prefix, const Program *program,
                           const Tensor *const *inputs, const int64_t *symbols, const char *weights,
                           const Tensor **outputs);

#endif
