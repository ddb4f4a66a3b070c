/* bench.c: `ctc bench`: the emitted program, compiled, run and timed: the whole, and step by step.
 *
 * The time of a run is taken from the program as it is. The times of its steps are those of a
 * second build that calls a hook behind each step; what the hook costs is measured and taken off.
 */
#include "cli/bench.h"

#include "backends/c/emit_c.h"
#include "cli/loaded.h"
#include "cli/toolchain.h"
#include "passes/cost.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SAMPLES = 2000, LEAST_SAMPLES = 5, MOST_PROFILES = 99 };

typedef struct {
  Cli *cli;
  const Program *program;
  const Tensor **inputs;
  const int64_t *symbols;
  const char *folder;
  double seconds;
  BenchResult result;
} Bench;

/* The child measures with this one: wall time, or its own CPU time with --cpu-time. */
static clockid_t clock_used = CLOCK_MONOTONIC;

static double now(void) {
  struct timespec t;
  clock_gettime(clock_used, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Sorts `values`; the one below which `share` of them lie. */
static double quantile(double *values, int64_t count, double share) {
  if (count == 0) return 0;
  qsort(values, (size_t)count, sizeof *values, compare_doubles);
  return values[(int64_t)((double)(count - 1) * share + 0.5)];
}

/* --- in the child: whole runs --- */

typedef struct {
  double seconds; /* to measure for */
  int64_t count, calls;
  double ns[MOST_SAMPLES]; /* a run, each the mean of `calls` */
} Totals;

static bool sample(LoadedRun *run, int64_t calls, double *ns) {
  double start = now();
  for (int64_t i = 0; i < calls; i++)
    if (loaded_once(run) != 0) return false;
  *ns = (now() - start) / (double)calls;
  return true;
}

static void take_totals(LoadedRun *run, void *context) {
  enum { SAMPLE_NS = 50000, WARM_NS = 50000000 };
  Totals *totals = context;
  double ns = 0, start = now();
  do
    if (!sample(run, 1, &ns)) return;
  while (now() - start < WARM_NS);
  totals->calls = ns < SAMPLE_NS ? (int64_t)(SAMPLE_NS / (ns + 1)) + 1 : 1;
  start = now();
  while (totals->count < LEAST_SAMPLES ||
         (totals->count < MOST_SAMPLES && now() - start < totals->seconds * 1e9)) {
    if (!sample(run, totals->calls, &totals->ns[totals->count])) return;
    totals->count++;
  }
}

/* --- in the child: steps --- */

typedef struct {
  double seconds;
  int steps;      /* of the program */
  double last;    /* when the hook was left */
  double hook;    /* what the hook costs a step */
  int64_t count;  /* runs */
  double *ns;     /* [run][step] */
  int64_t *calls; /* [step], of one run */
} Profile;

static void take_time(void *context, int32_t step) {
  Profile *p = context;
  double time = now();
  if (step >= 0) {
    p->ns[p->count * p->steps + step] += time - p->last;
    p->calls[step]++;
  }
  p->last = now();
}

/* What a step that does nothing would seem to take. */
static double hook_cost(Profile *p) {
  enum { TRIES = 201 };
  double costs[TRIES];
  for (int i = 0; i < TRIES; i++) {
    p->ns[0] = 0;
    take_time(p, 0);
    costs[i] = p->ns[0];
    take_time(p, 0);
    costs[i] = p->ns[0] - costs[i];
  }
  p->ns[0] = 0;
  p->calls[0] = 0;
  return quantile(costs, TRIES, 0.5);
}

static void take_steps(LoadedRun *run, void *context) {
  Profile *p = context;
  void (**hook)(void *, int32_t) =
      (void (**)(void *, int32_t))loaded_symbol(run, "ctc_profile_hook");
  void **hook_context = loaded_symbol(run, "ctc_profile_context");
  if (!hook || !hook_context) return;
  for (int i = 0; i < 2; i++)
    if (loaded_once(run) != 0) return;
  p->hook = hook_cost(p);
  *hook_context = p;
  *hook = take_time;
  for (double start = now();
       p->count < LEAST_SAMPLES || (p->count < MOST_PROFILES && now() - start < p->seconds * 1e9);
       p->count++) {
    memset(p->calls, 0, sizeof *p->calls * (size_t)p->steps);
    if (loaded_once(run) != 0) return;
  }
}

/* --- building --- */

static bool build(Bench *b, bool profile, Loaded *loaded) {
  Cli *cli = b->cli;
  const char *name = profile ? "profile" : "model";
  const char *source = arena_printf(cli->arena, "%s/%s.c", b->folder, name);
  const char *hook = profile ? arena_printf(cli->arena, "%s/hook.c", b->folder) : NULL;
  bool external = cli->options.weights == WEIGHTS_FILE;
  const char *weights = arena_printf(cli->arena, "%s/%s.weights", b->folder, name);
  *loaded = (Loaded){.path = arena_printf(cli->arena, "%s/%s.so", b->folder, name),
                     .prefix = "model",
                     .program = b->program,
                     .inputs = b->inputs,
                     .symbols = b->symbols};
  cli->options.output = source;
  cli->options.prefix = "model";
  cli->options.profile = profile;
  if (!emit_c(b->program, &cli->options)) return false;
  if (profile && !emit_c_support(b->program, &cli->options, "profile.c", hook)) return false;
  /* A model without weights has no weights file. */
  if (external && access(weights, R_OK) == 0) loaded->weights = weights;
  return toolchain_compile(cli, source, hook, loaded->path, true);
}

/* --- in the parent --- */

static bool measure_totals(Bench *b) {
  Loaded loaded;
  Totals *totals = loaded_shared(sizeof *totals);
  if (!totals || !build(b, false, &loaded)) return false;
  totals->seconds = b->seconds;
  cli_progress(b->cli, "running it");
  bool ok = loaded_repeat(b->cli, &loaded, take_totals, totals);
  cli_progress(b->cli, "%s", "");
  b->result.runs = totals->count * totals->calls;
  b->result.low = quantile(totals->ns, totals->count, 0.25);
  b->result.ns = quantile(totals->ns, totals->count, 0.5);
  b->result.high = quantile(totals->ns, totals->count, 0.75);
  return ok;
}

static double value_of(const Bench *b, Dim dim) {
  bool ok = true;
  int64_t value = dim ? dim_eval(dim, b->symbols, &ok) : -1;
  return ok ? (double)value : -1;
}

/* The median over the runs of a step's time. */
static double step_time(Bench *b, const Profile *p, int number) {
  double *ns = ARENA_ARRAY(b->cli->arena, double, p->count + 1);
  for (int64_t run = 0; run < p->count; run++) ns[run] = p->ns[run * p->steps + number];
  double time = quantile(ns, p->count, 0.5) - p->hook * (double)p->calls[number];
  return time > 0 ? time : 0;
}

typedef struct {
  Bench *bench;
  const Profile *profile;
} Measured;

static void add_step_time(Step *step, void *context) {
  Bench *b = ((Measured *)context)->bench;
  const Profile *p = ((Measured *)context)->profile;
  if (step->kind != STEP_KERNEL && step->kind != STEP_NEST) return;
  StepCost cost = step_cost(b->program->compilation->dims, step);
  double calls = (double)p->calls[step->number], flops = value_of(b, cost.flops);
  b->result.steps[b->result.step_count++] = (StepTime){.step = step,
                                                       .ns = step_time(b, p, step->number),
                                                       .calls = p->calls[step->number],
                                                       .flops = flops < 0 ? -1 : flops * calls,
                                                       .bytes = value_of(b, cost.bytes) * calls};
}

static bool measure_steps(Bench *b) {
  Loaded loaded;
  int steps = program_number_steps(b->program);
  int64_t cells = (int64_t)steps * (MOST_PROFILES + 1) + 1;
  Profile *p = loaded_shared(sizeof *p);
  if (!p || !build(b, true, &loaded)) return false;
  *p = (Profile){.seconds = b->seconds, .steps = steps};
  p->ns = loaded_shared(cells * (int64_t)sizeof(double));
  p->calls = loaded_shared((steps + 1) * (int64_t)sizeof(int64_t));
  if (!p->ns || !p->calls) return false;
  cli_progress(b->cli, "running it step by step");
  bool ok = loaded_repeat(b->cli, &loaded, take_steps, p);
  cli_progress(b->cli, "%s", "");
  b->result.steps = ARENA_ARRAY(b->cli->arena, StepTime, steps + 1);
  Measured measured = {b, p};
  if (ok) block_visit_steps(b->program->body, add_step_time, &measured);
  return ok;
}

/* Not being able to is no failure: there are no shares of the peak then. */
static void measure_machine(Bench *b) {
  static const double SECONDS = 0.1;
  Cli *cli = b->cli;
  const char *source = arena_printf(cli->arena, "%s/machine.c", b->folder);
  const char *path = arena_printf(cli->arena, "%s/machine.so", b->folder);
  int errors = cli->diag.errors;
  if (!emit_c_support(b->program, &cli->options, "machine.c", source) ||
      !toolchain_compile(cli, source, NULL, path, true)) {
    cli->diag.errors = errors;
    return;
  }
  cli_progress(cli, "finding out what the processor can do");
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void (*find_out)(int32_t, double, double *) =
      library ? (void (*)(int32_t, double, double *))dlsym(library, "ctc_measure_machine") : NULL;
  if (find_out) find_out(b->cli->run_threads, SECONDS, (double *)&b->result.processor);
  cli_progress(cli, "%s", "");
  if (library) dlclose(library);
}

/* --- the command --- */

static bool take_inputs(Bench *b) {
  Cli *cli = b->cli;
  TensorList archive = {0};
  bool given = cli->inputs_file || cli->input_files.count;
  if (cli->inputs_file && !npz_read(cli->inputs_file, cli->arena, &archive, &cli->diag))
    return false;
  return given ? cli_inputs(cli, b->program, &archive, &b->inputs)
               : cli_random_inputs(cli, b->program, &b->inputs);
}

/* The interpreter finds out how large everything is, where that is open. */
static bool find_sizes(Bench *b) {
  RunResult result;
  Arena *arena = b->cli->arena;
  size_t count = dim_symbol_count(b->program->compilation->dims);
  b->symbols = ARENA_ARRAY(arena, int64_t, count + 1);
  if (count == 0) return true;
  const Tensor **outputs = ARENA_ARRAY(arena, const Tensor *, b->program->outputs.count + 1);
  cli_progress(b->cli, "finding out the sizes");
  bool ok = interpret_obstacle(b->program)
                ? interpret_sizes(b->program, b->inputs, arena, &result)
                : interpret(b->program, b->inputs, outputs, arena, &result, NULL, NULL);
  cli_progress(b->cli, "%s", "");
  b->symbols = result.symbols;
  return ok || cli_run_failed(b->cli, b->program->compilation, &result);
}

static bool bench(Bench *b) {
  Compilation *c;
  Program *program;
  Cli *cli = b->cli;
  if (!cli_compile(cli, &c, &program)) return false;
  if (!program || cli->options.stop_after)
    return diag_error(&cli->diag, "ctc", "bench needs the whole program: leave --stop-after out");
  b->program = b->result.program = program;
  if (!take_inputs(b) || !find_sizes(b)) return false;
  b->folder = toolchain_folder(cli);
  if (!b->folder) return false;
  bool ok = measure_totals(b) && measure_steps(b);
  if (ok) measure_machine(b);
  toolchain_done(cli, b->folder);
  return ok;
}

int cli_bench_command(Cli *cli) {
  if (cli->cpu_time) clock_used = CLOCK_PROCESS_CPUTIME_ID;
  Bench b = {.cli = cli, .seconds = cli->seconds > 0 ? cli->seconds : 1, .result = {.cli = cli}};
  if (!cli->cflags) cli->cflags = "-O2 -march=native";
  if (cli->options.weights == WEIGHTS_AUTO) cli->options.weights = WEIGHTS_FILE;
  if (bench(&b)) (cli->json ? bench_print_json(&b.result) : bench_print(&b.result, (int)cli->rows));
  return cli_finish(cli);
}
