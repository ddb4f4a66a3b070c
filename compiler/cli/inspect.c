/* inspect.c: `ctc inspect`: graph, program, memory plan. */
#include "cli/steps.h"

#include "backends/cuda/emit_cuda.h"
#include "ir/target.h"
#include "passes/plan_memory.h"

#include <string.h>

static void count_step(Step *step, void *context) {
  size_t *counts = context; /* by kind */
  counts[step->kind]++;
}

static void count_place(Step *step, void *context) {
  size_t *counts = context; /* by place */
  if (step->kind == STEP_KERNEL || step->kind == STEP_NEST) counts[cuda_place(step)]++;
}

/* Of a program for a GPU: where its steps run. */
static void print_places(const Program *program) {
  size_t counts[PLACE_COUNT] = {0};
  if (!target_of(program->compilation)->device) return;
  block_visit_steps(program->body, count_place, counts);
  printf("run on   the device %zu, the device by the C text (a thread a unit of work) %zu, the "
         "host %zu\n",
         counts[PLACE_KERNEL], counts[PLACE_UNITS], counts[PLACE_HOST]);
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
  size_t counts[STEP_LOOP + 1] = {0};
  block_visit_steps(program->body, count_step, counts);
  print_ports(cli, "input", program->inputs.items, program->inputs.count);
  print_ports(cli, "output", program->outputs.items, program->outputs.count);
  printf("steps    %zu kernel calls, %zu loop nests, %zu branches, %zu loops\n",
         counts[STEP_KERNEL], counts[STEP_NEST], counts[STEP_IF], counts[STEP_LOOP]);
  print_places(program);
  printf("weights  %.3f MB\n", weights / 1e6);
  Str bytes = str_in(cli->arena);
  dim_print(&bytes, program->workspace_bytes);
  printf("workspace %s bytes\n", str_text(&bytes));
}

static void print_graph(Cli *cli, const Compilation *c, const Program *program) {
  (void)program;
  Str text = str_in(cli->arena);
  graph_print(&text, c->graph);
  fputs(str_text(&text), stdout);
}

static void print_program(Cli *cli, const Compilation *c, const Program *program) {
  (void)c;
  Str text = str_in(cli->arena);
  program_print(&text, program);
  fputs(str_text(&text), stdout);
}

static void print_all(Cli *cli, const Compilation *c, const Program *program) {
  (void)c;
  print_summary(cli, program);
}

static void print_steps(Cli *cli, const Compilation *c, const Program *program) {
  (void)c;
  steps_print(cli, program);
}

typedef enum { NEEDS_GRAPH, NEEDS_PROGRAM, NEEDS_PLAN } Need;

typedef struct {
  const char *name;
  void (*print)(Cli *cli, const Compilation *c, const Program *program);
  Need need; /* what the passes must have made */
} Stage;

static const Stage stages[] = {
    {"graph", print_graph, NEEDS_GRAPH},
    {"program", print_program, NEEDS_PROGRAM},
    {"steps", print_steps, NEEDS_PROGRAM},
    {"summary", print_all, NEEDS_PLAN},
};
enum { STAGE_COUNT = sizeof stages / sizeof *stages };

static const Stage *find_stage(Cli *cli, const char *name) {
  const char *names[STAGE_COUNT];
  for (int i = 0; i < STAGE_COUNT; i++) {
    if (strcmp(stages[i].name, name) == 0) return &stages[i];
    names[i] = stages[i].name;
  }
  const char *near = str_nearest(name, names, STAGE_COUNT);
  diag_error(&cli->diag, "ctc", "there is no stage '%s'", name);
  if (near)
    diag_did_you_mean(&cli->diag, near);
  else
    diag_hint(&cli->diag, "stages are graph, program, steps and summary");
  return NULL;
}

static bool check_made(Cli *cli, const Program *program, Need need) {
  Need made = !program ? NEEDS_GRAPH : program->workspace_bytes ? NEEDS_PLAN : NEEDS_PROGRAM;
  return made >= need ||
         diag_error(&cli->diag, "ctc", "--stop-after %s: there is nothing to print yet",
                    cli->options.stop_after);
}

int cli_inspect_command(Cli *cli) {
  Compilation *c;
  Program *program;
  const Stage *stage = find_stage(cli, cli->stage ? cli->stage : "summary");
  if (!stage) return EXIT_USAGE;
  bool print_stage = cli->stage || !cli->memory;
  Need need = cli->memory ? NEEDS_PLAN : stage->need;
  if (need == NEEDS_GRAPH && !cli->options.stop_after) cli->options.stop_after = "clean";
  if (!cli_compile(cli, &c, &program) || !check_made(cli, program, need)) return cli_finish(cli);
  if (print_stage) stage->print(cli, c, program);
  if (cli->memory) memory_report(stdout, program);
  return cli_finish(cli);
}
