/* verify.c: `ctc verify`: the emitted C, compiled and run, against the interpreter and, if there is
 * one, a reference. */
#include "backends/c/emit_c.h"
#include "base/file.h"
#include "cli/diverge.h"
#include "cli/reference.h"
#include "cli/toolchain.h"
#include "ir/interpret.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

typedef struct {
  Cli *cli;
  const Program *program;
  TensorList reference;
  const Tensor **inputs, **interpreted, **emitted; /* one a port */
  const int64_t *symbols;
  bool foreign;                           /* plugins compute in it: the interpreter cannot run it */
  json_t *json;                           /* the result, for --json */
  bool diverged;                          /* a step does, with --every-step */
  int wrong_reference, wrong_interpreter; /* outputs that differ from one or the other */
} Verify;

/* --- running --- */

/* Without the interpreter there must be something else to compare with. */
static bool check_reference(Verify *v) {
  const Step *obstacle = interpret_obstacle(v->program);
  v->foreign = obstacle != NULL;
  if (!obstacle || v->cli->reference) return true;
  const char *where = obstacle->node ? node_where(v->program->compilation, obstacle->node) : "ctc";
  diag_error(&v->cli->diag, where, "the interpreter cannot run the kernels of plugins");
  return diag_hint(&v->cli->diag, "give expected outputs with --reference FILE.npz");
}

static bool run_interpreter(Verify *v) {
  RunResult result;
  if (v->foreign) {
    bool sized = interpret_sizes(v->program, v->inputs, v->cli->arena, &result);
    v->symbols = result.symbols;
    return sized || cli_run_failed(v->cli, v->program->compilation, &result);
  }
  cli_progress(v->cli, "running the interpreter");
  bool ok = interpret(v->program, v->inputs, v->interpreted, v->cli->arena, &result, NULL, NULL);
  cli_progress(v->cli, "%s", "");
  v->symbols = result.symbols;
  return ok || cli_run_failed(v->cli, v->program->compilation, &result);
}

/* Emits and compiles the model in a folder of its own. */
static bool make_library(Verify *v, const char *folder, bool trace, Loaded *loaded) {
  Cli *cli = v->cli;
  const char *source = arena_printf(cli->arena, "%s/model.c", folder);
  const char *hook = trace ? arena_printf(cli->arena, "%s/trace.c", folder) : NULL;
  bool external = cli->options.weights == WEIGHTS_FILE;
  *loaded =
      (Loaded){.path = arena_printf(cli->arena, "%s/model.so", folder),
               .prefix = "model",
               .program = v->program,
               .inputs = v->inputs,
               .symbols = v->symbols,
               .weights = external ? arena_printf(cli->arena, "%s/model.weights", folder) : NULL};
  cli->options.output = source;
  cli->options.prefix = "model";
  cli->options.trace = trace;
  if (!emit_c(v->program, &cli->options)) return false;
  if (trace && !emit_c_support(v->program, &cli->options, "trace.c", hook)) return false;
  return toolchain_compile(cli, source, hook, loaded->path, true);
}

static bool run_emitted(Verify *v) {
  Loaded loaded;
  char *folder = toolchain_folder(v->cli);
  bool ok = folder && make_library(v, folder, false, &loaded);
  if (ok) cli_progress(v->cli, "running the emitted program");
  ok = ok && loaded_run(v->cli, &loaded, v->emitted);
  cli_progress(v->cli, "%s", "");
  if (folder) toolchain_done(v->cli, folder);
  return ok;
}

/* --- reporting outputs --- */

static const char *type_text(Cli *cli, const Tensor *tensor) {
  Str out = str_in(cli->arena);
  str_addf(&out, "%s[", dtype_info(tensor->dtype)->name);
  for (int d = 0; d < tensor->rank; d++)
    str_addf(&out, d ? ", %" PRId64 : "%" PRId64, tensor->dims[d]);
  str_add(&out, "]");
  return str_text(&out);
}

static json_t *json_number(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

static void report_json(Verify *v, const char *name, const char *against, bool ok,
                        const Comparison *result) {
  json_t *entry = json_object();
  json_object_set_new(entry, "name", json_string(name));
  json_object_set_new(entry, "against", json_string(against));
  json_object_set_new(entry, "ok", json_boolean(ok));
  json_object_set_new(entry, "same_type", json_boolean(result->same_type));
  json_object_set_new(entry, "wrong", json_integer(result->wrong));
  json_object_set_new(entry, "difference", json_number(result->difference));
  json_array_append_new(json_object_get(v->json, "outputs"), entry);
}

static void report_text(Verify *v, const char *name, const char *against, const Tensor *got,
                        const Tensor *wanted, const Comparison *result) {
  if (!result->same_type) {
    printf("%s: WRONG TYPE: %s, the %s has %s\n", name, type_text(v->cli, got), against,
           type_text(v->cli, wanted));
    return;
  }
  printf("%s: %s, against the %s: %s, largest difference %.3g", name, type_text(v->cli, got),
         against, result->wrong ? "DIFFERS" : "ok", result->difference);
  if (result->wrong)
    printf("; %" PRId64 " of %" PRId64 " elements are out of tolerance, worst at %" PRId64
           ": %.9g instead of %.9g",
           result->wrong, wanted->count, result->worst, result->got, result->wanted);
  putchar('\n');
}

/* Compares one output; true if it is right. */
static bool report(Verify *v, const char *name, const char *against, const Tensor *got,
                   const Tensor *wanted) {
  Comparison result = compare_tensors(got, wanted, v->cli->rtol, v->cli->atol, NULL);
  bool ok = result.same_type && result.wrong == 0;
  if (v->cli->json)
    report_json(v, name, against, ok, &result);
  else
    report_text(v, name, against, got, wanted, &result);
  return ok;
}

static bool agrees(const Verify *v, const Tensor *got, const Tensor *wanted) {
  Comparison result = compare_tensors(got, wanted, v->cli->rtol, v->cli->atol, NULL);
  return result.same_type && result.wrong == 0;
}

/* Every output against the reference; against the interpreter where there is none, or where they
 * differ. */
static void compare_all(Verify *v) {
  for (size_t i = 0; i < v->program->outputs.count; i++) {
    const Port *port = &v->program->outputs.items[i];
    const Tensor *wanted = reference_output(v->cli, &v->reference, port);
    const Tensor *got = v->emitted[i], *interpreted = v->interpreted[i];
    if (wanted && !report(v, port->name, "reference", got, wanted)) v->wrong_reference++;
    if (v->foreign && !wanted)
      diag_error(&v->cli->diag, v->cli->reference, "it does not hold output '%s'", port->name);
    if (v->foreign || (wanted && agrees(v, got, interpreted))) continue;
    if (!report(v, port->name, "interpreter", got, interpreted)) v->wrong_interpreter++;
  }
}

/* --- where it went wrong --- */

static const char *step_text(Verify *v, const Divergence *d) {
  const Step *step = d->step;
  const char *what = step->kind == STEP_KERNEL ? step->kernel->name : "a loop nest";
  return arena_printf(v->cli->arena, "step %d of %d, %s", step->number + 1, d->steps, what);
}

static void divergence_json(Verify *v, const Divergence *d) {
  static const char *const kinds[] = {"nowhere", "data", "size", "path"};
  json_t *entry = json_object();
  json_object_set_new(entry, "kind", json_string(kinds[d->kind]));
  if (d->step) {
    const Node *node = d->step->node;
    json_object_set_new(entry, "step", json_integer(d->step->number + 1));
    if (node)
      json_object_set_new(entry, "node", json_string(node_where(v->program->compilation, node)));
    json_object_set_new(entry, "difference", json_number(d->comparison.difference));
  }
  json_object_set_new(v->json, "first_step", entry);
}

static void divergence_text(Verify *v, const Divergence *d) {
  const Node *node = d->step ? d->step->node : NULL;
  if (d->kind == DIVERGE_NOWHERE) {
    if (v->wrong_interpreter)
      puts("no single step is out of tolerance: small differences of many steps add up");
    else
      printf("every step is ok (%d steps)\n", d->steps);
    return;
  }
  printf("first step that differs: %s\n", step_text(v, d));
  if (node) printf("  %s\n", node_where(v->program->compilation, node));
  const char *name = d->buffer && d->buffer->name ? d->buffer->name : "a buffer";
  if (d->kind == DIVERGE_PATH)
    puts("  the emitted program did not come to it: it took another branch, another number of "
         "turns, or it ended before");
  else if (d->kind == DIVERGE_SIZE)
    printf("  the emitted program wrote %" PRId64
           " elements of '%s', the interpreter another number\n",
           d->count, name);
  else
    printf("  it writes '%s' (%s, %" PRId64 " elements): %" PRId64
           " are out of tolerance, worst at %" PRId64
           ": %.9g instead of %.9g, largest difference %.3g\n",
           name, dtype_info(d->buffer->dtype)->name, d->count, d->comparison.wrong,
           d->comparison.worst, d->comparison.got, d->comparison.wanted, d->comparison.difference);
}

/* Emits the model once more, with a hook behind every step, and finds the first one that differs.
 */
static void explain_interpreter(Verify *v) {
  Loaded loaded;
  Divergence divergence;
  char *folder = toolchain_folder(v->cli);
  bool ok = folder && make_library(v, folder, true, &loaded);
  if (ok) cli_progress(v->cli, "looking for the step that differs");
  ok = ok && find_divergence(v->cli, &loaded, &divergence);
  cli_progress(v->cli, "%s", "");
  v->diverged = ok && divergence.kind != DIVERGE_NOWHERE;
  if (ok) (v->cli->json ? divergence_json : divergence_text)(v, &divergence);
  if (folder) toolchain_done(v->cli, folder);
}

static void explain(Verify *v) {
  if (v->foreign) return;
  if (v->wrong_interpreter || v->cli->every_step) explain_interpreter(v);
  if (!v->wrong_interpreter && v->wrong_reference && !v->cli->json)
    puts("only the reference differs: the interpreter agrees with the emitted program, so the C is "
         "what ctc\n"
         "understood of the model. Either an operator does something else here than where the "
         "reference was made,\n"
         "or the reference is of another model or of other inputs.");
}

/* --- the command --- */

static bool read_archives(Verify *v, TensorList *archive) {
  Cli *cli = v->cli;
  if (cli->reference) {
    if (!npz_read(cli->reference, cli->arena, &v->reference, &cli->diag)) return false;
    if (!cli->dynamic) reference_shapes(cli, &v->reference);
  }
  *archive = v->reference;
  return !cli->inputs_file || npz_read(cli->inputs_file, cli->arena, archive, &cli->diag);
}

static bool take_inputs(Verify *v, const TensorList *archive) {
  Cli *cli = v->cli;
  size_t outputs = v->program->outputs.count + 1;
  bool given = cli->reference || cli->inputs_file || cli->input_files.count;
  v->interpreted = ARENA_ARRAY(cli->arena, const Tensor *, outputs);
  v->emitted = ARENA_ARRAY(cli->arena, const Tensor *, outputs);
  return given ? cli_inputs(cli, v->program, archive, &v->inputs)
               : cli_random_inputs(cli, v->program, &v->inputs);
}

static bool verify(Verify *v) {
  Compilation *c;
  Program *program;
  TensorList archive;
  if (!read_archives(v, &archive) || !cli_compile(v->cli, &c, &program)) return false;
  if (!program || v->cli->options.stop_after)
    return diag_error(&v->cli->diag, "ctc",
                      "verify needs the whole program: leave --stop-after out");
  v->program = program;
  if (!check_reference(v) || !take_inputs(v, &archive)) return false;
  if (!run_interpreter(v) || !run_emitted(v)) return false;
  compare_all(v);
  explain(v);
  return v->wrong_reference + v->wrong_interpreter == 0 && !v->diverged;
}

static void print_json(Verify *v, bool ok) {
  double worst = 0;
  size_t i;
  json_t *entry;
  json_array_foreach(json_object_get(v->json, "outputs"), i, entry) {
    double difference = json_number_value(json_object_get(entry, "difference"));
    if (difference > worst) worst = difference;
  }
  json_object_set_new(v->json, "ok", json_boolean(ok));
  json_object_set_new(v->json, "difference", json_number(worst));
  json_object_set_new(v->json, "errors", json_integer(v->cli->diag.errors));
  json_dumpf(v->json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
  putchar('\n');
}

int cli_verify_command(Cli *cli) {
  Verify v = {.cli = cli,
              .json = json_pack("{s:s, s:[]}", "name", cli->arguments.items[0], "outputs")};
  bool ok = verify(&v) && cli->diag.errors == 0;
  if (cli->json) print_json(&v, ok);
  json_decref(v.json);
  cli_finish(cli);
  return ok ? EXIT_OK : EXIT_MODEL;
}
