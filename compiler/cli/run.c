/* run.c: `ctc run`: the interpreter on inputs from files, outputs to an .npz. */
#include "cli/cli.h"

#include "ir/interpret.h"

int cli_run_command(Cli *cli) {
  Compilation *c;
  Program *program;
  TensorList archive = {0}, results = {0};
  const Tensor **inputs;
  if (!cli_compile(cli, &c, &program)) return cli_finish(cli);
  if (cli->inputs_file && !npz_read(cli->inputs_file, cli->arena, &archive, &cli->diag))
    return cli_finish(cli);
  if (!cli_inputs(cli, program, &archive, &inputs)) return cli_finish(cli);
  const Tensor **outputs = ARENA_ARRAY(cli->arena, const Tensor *, program->outputs.count + 1);
  RunResult result;
  cli_progress(cli, "running");
  if (!interpret(program, inputs, outputs, cli->arena, &result, NULL, NULL)) {
    const char *where = result.failed && result.failed->node ? node_where(c, result.failed->node) : c->file;
    diag_error(&cli->diag, where, "%s (status %d)", result.message, result.status);
    return cli_finish(cli);
  }
  cli_progress(cli, "%s", "");
  for (size_t i = 0; i < program->outputs.count; i++) {
    NamedTensor named = {.name = program->outputs.items[i].name, .tensor = outputs[i]};
    vec_push(cli->arena, &results, named);
  }
  const char *path = cli->output ? cli->output : "out.npz";
  if (npz_write(path, &results, cli->arena, &cli->diag) && !cli->quiet)
    fprintf(stderr, "%s: %zu outputs\n", path, results.count);
  return cli_finish(cli);
}
