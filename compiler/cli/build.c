/* build.c: `ctc build`: emits C and runs the C compiler on it. */
#include "backends/c/emit_c.h"
#include "base/file.h"
#include "cli/toolchain.h"

#include <string.h>

int cli_build_command(Cli *cli) {
  Compilation *c;
  Program *program;
  const char *stem = path_stem(cli->arena, cli->arguments.items[0]);
  const char *output = cli->output;
  if (!output) output = arena_printf(cli->arena, "%s.so", stem);
  if (!cli->options.prefix) cli->options.prefix = path_stem(cli->arena, output);
  if (!cli_compile(cli, &c, &program)) return cli_finish(cli);
  char *folder = toolchain_folder(cli);
  if (!folder) return cli_finish(cli);
  const char *source = arena_printf(cli->arena, "%s/model.c", folder);
  cli->options.output = source;
  bool ok = emit_c(program, &cli->options) && toolchain_compile(cli, source, NULL, output, true);
  if (!cli->keep) toolchain_remove_folder(cli, folder);
  if (ok && !cli->quiet) fprintf(stderr, "%s: shared library, descriptor %s_model\n", output, cli->options.prefix);
  return cli_finish(cli);
}
