/* plugin_check.c: `ctc plugin check`: the tests of plugins, in order, and that of the cases. */
#include "cli/plugin_calls.h"

#include "cli/compare.h"
#include "cli/toolchain.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- cases --- */

bool case_trial(Checked *k, const PluginCase *given, Diag *diag, Trial *trial) {
  const Plugin *p = k->plugin;
  TrialTensor *inputs = ARENA_ARRAY(k->arena, TrialTensor, p->inputs.count + 1);
  for (size_t i = 0; i < p->inputs.count; i++) inputs[i] = trial_type(given->inputs[i]);
  return trial_begin(trial, k->arena, diag, p, given->where, given->attrs, given->attr_count) &&
         trial_inputs(trial, inputs);
}

/* Of a function of numbers, each input with an element for each of the output. */
static const Tensor *broadcast(Checked *k, const Trial *trial, int input, const Tensor *tensor) {
  TrialTensor output = trial_output(trial, 0);
  int64_t count = trial_count(&output), *at = ARENA_ARRAY(k->arena, int64_t, count + 1);
  size_t bytes = dtype_info(tensor->dtype)->bytes;
  void *data;
  Tensor *wide = tensor_create(k->arena, tensor->dtype, output.rank, output.dims, &data);
  trial_broadcast(trial, input, at);
  for (int64_t i = 0; i < count; i++)
    memcpy((char *)data + (size_t)i * bytes, (const char *)tensor->data + (size_t)at[i] * bytes,
           bytes);
  return wide;
}

void call_inputs(Checked *k, const Trial *trial, const Tensor *const *inputs, Call *call) {
  size_t count = trial->plugin->inputs.count;
  const Tensor **wide = ARENA_ARRAY(k->arena, const Tensor *, count + 1);
  call->inputs = trial->plugin->elementwise ? wide : inputs;
  for (size_t i = 0; i < count && trial->plugin->elementwise; i++)
    wide[i] = broadcast(k, trial, (int)i, inputs[i]);
}

static bool case_call(Checked *k, const PluginCase *given, Call *call) {
  Trial trial;
  if (!case_trial(k, given, &k->cli->diag, &trial)) return false;
  if (!call_of(k, &trial, call))
    return diag_error(&k->cli->diag, given->where, "%s: its sizes cannot be computed", given->name);
  call->where = given->where;
  call->name = given->name;
  call_inputs(k, &trial, given->inputs, call);
  return true;
}

static bool report_output(Checked *k, const PluginCase *given, const char *name, const Tensor *got,
                          const Tensor *wanted) {
  Diag *diag = &k->cli->diag;
  Comparison result = compare_tensors(got, wanted, given->rtol, given->atol, NULL);
  if (!result.same_type) {
    TrialTensor a = trial_type(got), b = trial_type(wanted);
    return diag_error(diag, given->where, "%s: output '%s' is %s, expected is %s", given->name,
                      name, trial_text(k->arena, &a), trial_text(k->arena, &b));
  }
  if (!result.wrong) return true;
  int digits = wanted->dtype == DT_F64 ? 15 : 7;
  diag_error(diag, given->where, "%s: element %" PRId64 " of output '%s' is %.*g, expected is %.*g",
             given->name, result.worst, name, digits, result.got, digits, result.wanted);
  return diag_note(diag, "%" PRId64 " of %" PRId64 " elements are out of tolerance", result.wrong,
                   wanted->count);
}

static bool report_case(Checked *k, const PluginCase *given, const Call *call) {
  bool ok = true;
  if (!call_report(k, call)) return false;
  if (call->status != 0)
    return diag_error(&k->cli->diag, given->where, "%s: the kernel returned status %d", given->name,
                      call->status);
  for (size_t i = 0; i < k->plugin->outputs.count; i++)
    if (given->outputs[i] && !report_output(k, given, k->plugin->outputs.items[i].name,
                                            call_output(call, (int)i), given->outputs[i]))
      ok = false;
  return ok;
}

bool check_cases(Checked *k, const char **summary) {
  size_t count = k->cases.count;
  Call *calls = ARENA_ARRAY(k->arena, Call, count + 1);
  bool ok = true;
  *summary = "none: there is no cases.json";
  if (!count) return true;
  for (size_t i = 0; i < count; i++) ok = case_call(k, &k->cases.items[i], &calls[i]) && ok;
  if (!ok || !calls_run(k, calls, count)) return false;
  for (size_t i = 0; i < count; i++) ok = report_case(k, &k->cases.items[i], &calls[i]) && ok;
  *summary = arena_printf(k->arena, "ok: %zu case%s", count, count == 1 ? "" : "s");
  return ok;
}

/* --- the command --- */

static bool check_descriptor(Checked *k, const char **summary) {
  *summary = "ok";
  return plugin_read_cases(k->set, k->plugin, &k->cases);
}

static bool check_warnings(Checked *k, const char **summary) {
  const char *languages;
  if (!calls_check_warnings(k, &languages) || !calls_build(k)) return false;
  *summary = arena_printf(k->arena, "ok: none as %s", languages);
  return true;
}

/* In their order; behind a stage that fails the next ones would fail for the same reason, but for
 * the last ones. */
static const struct {
  const char *name;
  PluginTest *run;
  bool ends; /* nothing can be done behind its failure */
} tests[] = {
    {"cases.json", check_descriptor, true}, {"warnings", check_warnings, true},
    {"cases", check_cases, false},          {"random", check_random, false},
    {"gradient", check_gradient, false},
};

static bool run_tests(Checked *k) {
  bool ok = true;
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    const char *summary = "";
    cli_progress(k->cli, "%s: %s", k->plugin->name, tests[i].name);
    bool good = tests[i].run(k, &summary);
    cli_progress(k->cli, "%s", "");
    ok = ok && good;
    fflush(stderr);
    printf("  %-12s%s\n", tests[i].name, good ? summary : "FAILED");
    fflush(stdout);
    if (!good && tests[i].ends) return false;
  }
  return ok;
}

static bool check_plugin(Cli *cli, const char *folder, uint64_t seed) {
  Checked k = {.cli = cli, .arena = cli->arena, .set = plugins_create(cli->arena, &cli->diag)};
  k.plugin = plugin_load(k.set, folder);
  k.random = seed * 0x9E3779B97F4A7C15u + 88172645463325252u;
  if (!k.plugin) return false;
  printf("%s: %s %d of %s\n", k.plugin->folder, k.plugin->name, k.plugin->version,
         k.plugin->domain);
  k.folder = toolchain_folder(cli);
  if (!k.folder) return false;
  bool ok = run_tests(&k);
  toolchain_done(cli, k.folder);
  return ok;
}

/* Another one each time, small enough to be typed. */
static double any_seed(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)((now.tv_nsec / 1000 + now.tv_sec + getpid()) % 1000000);
}

int cli_plugin_check_command(Cli *cli) {
  size_t wrong = 0;
  if (cli->seed < 0) cli->seed = any_seed();
  for (size_t i = 0; i < cli->arguments.count; i++)
    wrong += !check_plugin(cli, cli->arguments.items[i], (uint64_t)cli->seed);
  cli_finish(cli);
  if (cli->arguments.count > 1)
    printf("%zu of %zu plugins are wrong\n", wrong, cli->arguments.count);
  return wrong ? EXIT_MODEL : EXIT_OK;
}
