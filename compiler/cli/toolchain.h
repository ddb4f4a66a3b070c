/* toolchain.h: running the C compiler on emitted files. */
#ifndef CTC_CLI_TOOLCHAIN_H
#define CTC_CLI_TOOLCHAIN_H

#include "cli/cli.h"

/* A fresh folder for temporary files, in $TMPDIR or /tmp; NULL after a message. */
char *toolchain_folder(Cli *cli);
/* Removes the folder with everything in it, or, with --keep, says where it is. */
void toolchain_done(Cli *cli, const char *folder);
/* Compiles `source` (and `extra`, unless NULL) to `output`: a shared library or an executable. Says
 * what the compiler said if it fails. */
MUST_CHECK bool toolchain_compile(Cli *cli, const char *source, const char *extra,
                                  const char *output, bool shared);

/* Runs `argv`, ended by NULL; what it writes to stderr goes to the file `log`. The exit status; -1:
 * it was ended by a signal, or could not be started. */
int toolchain_run(const char *const *argv, const char *log);

#endif
