/* compile.c: `ctc compile`: a model as one C or CUDA program. */
#include "cli/cli.h"

#include "backends/c/emit_c.h"
#include "backends/cuda/emit_cuda.h"
#include "base/file.h"
#include "ir/target.h"

#include <inttypes.h>
#include <sys/stat.h>

static const char *language(const Cli *cli) {
  return cli->options.target->device ? "CUDA" : "C";
}

static void summary(const Cli *cli, const Program *program) {
  struct stat info;
  const char *output = cli->options.output;
  if (cli->quiet || stat(output, &info) != 0) return;
  Str bytes = str_in(cli->arena);
  if (program->workspace_bytes) dim_print(&bytes, program->workspace_bytes);
  if (dim_is_const(program->workspace_bytes))
    fprintf(stderr, "%s: %.2f MB of %s, workspace %s bytes\n", output, (double)info.st_size / 1e6,
            language(cli), str_text(&bytes));
  else
    fprintf(stderr, "%s: %.2f MB of %s, workspace depends on the dims\n", output,
            (double)info.st_size / 1e6, language(cli));
}

/* Options that programs of the other kind do not have. */
static bool options_fit(Cli *cli) {
  const Options *o = &cli->options;
  const struct {
    const char *name;
    bool given, device;
  } options[] = {
      {"--cuda-arch", o->cuda_arch != NULL, true},
      {"--cuda-libs", o->cuda_libs != NULL, true},
      {"--precision", o->precision != PRECISION_F32, true},
      {"--blas", o->blas != NULL, false},
      {"--static-workspace", o->static_workspace, false},
  };
  bool ok = true;
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    if (options[i].given && options[i].device != o->target->device) {
      diag_error(&cli->diag, o->output, "%s is for programs in %s", options[i].name,
                 options[i].device ? "CUDA" : "C");
      ok = diag_hint(&cli->diag, "name the output FILE.%s, or leave %s out",
                     options[i].device ? "cu" : "c", options[i].name);
    }
  return ok;
}

static bool emit_for_target(const Program *program, const Options *options) {
  return options->target->device ? emit_cuda(program, options) : emit_c(program, options);
}

int cli_compile_command(Cli *cli) {
  Compilation *c;
  Program *program;
  if (!cli->options.output)
    cli->options.output =
        arena_printf(cli->arena, "%s.c", path_stem(cli->arena, cli->arguments.items[0]));
  if (!cli->options.target) cli->options.target = target_of_file(cli->options.output);
  if (!options_fit(cli) || !cli_check_output(cli, cli->options.output)) return cli_finish(cli);
  if (!cli_compile(cli, &c, &program)) return cli_finish(cli);
  if (!program || cli->options.stop_after) return cli_finish(cli);
  if (emit_for_target(program, &cli->options)) summary(cli, program);
  return cli_finish(cli);
}
