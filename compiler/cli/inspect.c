/* inspect.c: `ctc inspect`: graph, program, memory plan. */
#include "cli/cli.h"

#include "passes/plan_memory.h"

#include <string.h>

static size_t count_steps(const Block *block, StepKind kind) {
  size_t count = 0;
  for (size_t i = 0; i < block->steps.count; i++) {
    const Step *step = block->steps.items[i];
    count += step->kind == kind;
    if (step->then_block) count += count_steps(step->then_block, kind);
    if (step->else_block) count += count_steps(step->else_block, kind);
    if (step->body) count += count_steps(step->body, kind);
  }
  return count;
}

static void print_ports(Cli *cli, const char *kind, const Port *ports, size_t count) {
  for (size_t i = 0; i < count; i++) {
    Str text = str_in(cli->arena);
    dims_print(&text, ports[i].shape, ports[i].rank);
    printf("%-8s %s %s%s\n", kind, ports[i].name, dtype_info(ports[i].dtype)->name,
           str_text(&text));
  }
}

static void print_summary(Cli *cli, const Program *program) {
  double weights = 0;
  for (size_t i = 0; i < program->buffers.count; i++)
    if (program->buffers.items[i]->kind == BUFFER_CONSTANT)
      weights += (double)tensor_bytes(program->buffers.items[i]->constant);
  print_ports(cli, "input", program->inputs.items, program->inputs.count);
  print_ports(cli, "output", program->outputs.items, program->outputs.count);
  printf("steps    %zu kernel calls, %zu loop nests, %zu branches, %zu loops\n",
         count_steps(program->body, STEP_KERNEL), count_steps(program->body, STEP_NEST),
         count_steps(program->body, STEP_IF), count_steps(program->body, STEP_LOOP));
  printf("weights  %.3f MB\n", weights / 1e6);
  Str bytes = str_in(cli->arena);
  dim_print(&bytes, program->workspace_bytes);
  printf("workspace %s bytes\n", str_text(&bytes));
}

int cli_inspect_command(Cli *cli) {
  Compilation *c;
  Program *program;
  const char *stage = cli->stage ? cli->stage : cli->memory ? "memory" : "summary";
  if (strcmp(stage, "graph") == 0) cli->options.stop_after = "clean";
  if (!cli_compile(cli, &c, &program)) return cli_finish(cli);
  Str text = str_in(cli->arena);
  if (strcmp(stage, "graph") == 0)
    graph_print(&text, c->graph);
  else if (strcmp(stage, "program") == 0)
    program_print(&text, program);
  else if (strcmp(stage, "summary") == 0)
    print_summary(cli, program);
  else if (strcmp(stage, "memory") != 0) {
    diag_error(&cli->diag, "ctc", "there is no stage '%s'", stage);
    diag_hint(&cli->diag, "stages are graph, program and summary");
    return EXIT_USAGE;
  }
  fputs(str_text(&text), stdout);
  if (cli->memory) memory_report(stdout, program);
  return cli_finish(cli);
}
