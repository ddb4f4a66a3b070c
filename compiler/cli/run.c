/* run.c: `ctc run`: the interpreter on inputs from files, outputs to an .npz. */
#include "cli/cli.h"

static bool write_outputs(Cli *cli, const Program *program, const Tensor *const *outputs,
                          const char *path) {
  TensorList results = {0};
  for (size_t i = 0; i < program->outputs.count; i++) {
    NamedTensor named = {.name = program->outputs.items[i].name, .tensor = outputs[i]};
    vec_push(cli->arena, &results, named);
  }
  if (!npz_write(path, &results, cli->arena, &cli->diag)) return false;
  if (!cli->quiet)
    fprintf(stderr, "%s: %zu output%s\n", path, results.count, results.count == 1 ? "" : "s");
  return true;
}

static bool run(Cli *cli, const char *path) {
  Compilation *c;
  Program *program;
  TensorList archive = {0};
  const Tensor **inputs;
  RunResult result;
  if (!cli_compile(cli, &c, &program)) return false;
  if (!program || cli->options.stop_after)
    return diag_error(&cli->diag, "ctc", "run needs the whole program: leave --stop-after out");
  if (cli->inputs_file && !npz_read(cli->inputs_file, cli->arena, &archive, &cli->diag))
    return false;
  if (!cli_inputs(cli, program, &archive, &inputs)) return false;
  const Tensor **outputs = ARENA_ARRAY(cli->arena, const Tensor *, program->outputs.count + 1);
  cli_progress(cli, "running");
  bool ok = interpret(program, inputs, outputs, cli->arena, &result, NULL, NULL);
  cli_progress(cli, "%s", "");
  return ok ? write_outputs(cli, program, outputs, path) : cli_run_failed(cli, c, &result);
}

int cli_run_command(Cli *cli) {
  const char *path = cli->output ? cli->output : "out.npz";
  bool ok = cli_check_output(cli, path) && run(cli, path);
  return cli_finish(cli) == EXIT_OK && ok ? EXIT_OK : EXIT_MODEL;
}
