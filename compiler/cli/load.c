/* load.c: from the command line to a compiled program; inputs from files. */
#include "cli/cli.h"

#include "base/file.h"
#include "frontends/json/json_model.h"
#include "frontends/onnx/onnx.h"
#include "ir/target.h"
#include "passes/passes.h"
#include "plugins/plugin.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool shows_progress(const Cli *cli) {
  return !cli->quiet && isatty(STDERR_FILENO);
}

void cli_progress(Cli *cli, const char *format, ...) {
  if (!shows_progress(cli)) return;
  va_list args;
  va_start(args, format);
  fputs("\r\033[K", stderr);
  vfprintf(stderr, format, args);
  fflush(stderr);
  cli->diag.line_open = *format && strcmp(format, "%s") != 0;
  va_end(args);
}

int cli_finish(Cli *cli) {
  diag_finish(&cli->diag);
  return cli->diag.errors ? EXIT_MODEL : EXIT_OK;
}

static bool use_plugins(Cli *cli, Compilation *c) {
  PluginSet *set = plugins_create(cli->arena, &cli->diag);
  const Options *o = &cli->options;
  if (!plugins_find(set, o->plugins, o->plugin_count, o->model)) return false;
  plugins_use(set, c);
  return true;
}

Compilation *cli_load(Cli *cli) {
  Compilation *c = ARENA_NEW(cli->arena, Compilation);
  c->arena = cli->arena;
  c->diag = &cli->diag;
  c->dims = dim_pool_create(cli->arena);
  c->file = cli->options.model = cli->arguments.items[0];
  c->options = &cli->options;
  if (!use_plugins(cli, c)) return NULL;
  cli_progress(cli, "reading %s", c->file);
  bool ok = json_model_is(c->file) ? json_model_read(c, c->file) : onnx_read(c, c->file);
  /* What was read of a wrong model is looked at all the same, for the errors in it. */
  if (!ok && c->graph) ok = pass_infer(c) && false;
  cli_progress(cli, "%s", "");
  return ok ? c : NULL;
}

/* Names of passes on the command line must be names of passes. */
static bool check_pass(Cli *cli, const char *option, const char *name) {
  int count;
  const char *const *names = passes_names(&count);
  for (int i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return true;
  Str list = str_in(cli->arena);
  for (int i = 0; i < count; i++) str_addf(&list, "%s%s", i ? ", " : "", names[i]);
  const char *near = str_nearest(name, names, (size_t)count);
  diag_error(&cli->diag, "ctc", "%s: there is no pass '%s'", option, name);
  if (near) return diag_did_you_mean(&cli->diag, near);
  return diag_hint(&cli->diag, "the passes are %s", str_text(&list));
}

static bool check_optional(Cli *cli, const char *name) {
  return !pass_is_required(name) ||
         diag_error(&cli->diag, "ctc", "--disable-pass: %s cannot be left out", name);
}

bool cli_check_passes(Cli *cli) {
  const Options *o = &cli->options;
  bool ok = !o->stop_after || check_pass(cli, "--stop-after", o->stop_after);
  for (size_t i = 0; i < o->dump_after_count; i++)
    ok = check_pass(cli, "--dump-after", o->dump_after[i]) && ok;
  for (size_t i = 0; i < o->disabled_pass_count; i++)
    ok = check_pass(cli, "--disable-pass", o->disabled_passes[i]) &&
         check_optional(cli, o->disabled_passes[i]) && ok;
  return ok;
}

static bool compile_once(Cli *cli, Compilation **c, Program **program) {
  *c = cli_load(cli);
  if (!*c) return false;
  cli_progress(cli, "compiling %s", (*c)->file);
  bool ok = passes_run(*c, program);
  cli_progress(cli, "%s", "");
  return ok;
}

/* --- limits --- */

typedef struct {
  int64_t workspace, weights; /* bytes; 0 if the size is not a constant */
} Sizes;

static Sizes program_sizes(const Program *program) {
  int64_t weights = program_weights_bytes(program);
  Dim workspace = program->workspace_bytes;
  return (Sizes){dim_is_const(workspace) ? dim_value(workspace) : 0, weights};
}

static bool within_limits(const Options *o, Sizes sizes) {
  return (!o->max_workspace || sizes.workspace <= o->max_workspace) &&
         (!o->max_weights || sizes.weights <= o->max_weights);
}

static bool report_limits(Cli *cli, const Program *program, Sizes sizes) {
  const Options *o = &cli->options;
  if (o->max_workspace && !dim_is_const(program->workspace_bytes)) {
    diag_error(&cli->diag, o->model, "--max-workspace: the size depends on dims that are open");
    return diag_hint(&cli->diag, "bound them with --dim 'NAME<=N'");
  }
  if (o->max_workspace && sizes.workspace > o->max_workspace)
    diag_error(&cli->diag, o->model, "the workspace takes %lld bytes, the limit is %lld",
               (long long)sizes.workspace, (long long)o->max_workspace);
  if (o->max_weights && sizes.weights > o->max_weights)
    diag_error(&cli->diag, o->model, "the weights take %lld bytes, the limit is %lld",
               (long long)sizes.weights, (long long)o->max_weights);
  return cli->diag.errors == 0;
}

/* Compiles; where a limit is not kept, again with less speed. A device has threads of its own. */
bool cli_compile(Cli *cli, Compilation **c, Program **program) {
  if (cli->options.target && cli->options.target->device) cli->options.threads = 1;
  for (;;) {
    if (!compile_once(cli, c, program)) return false;
    if (!*program || !(*program)->workspace_bytes) return true; /* stopped before the plan */
    Sizes sizes = program_sizes(*program);
    if (within_limits(&cli->options, sizes) || cli->options.optimize == OPTIMIZE_SIZE)
      return report_limits(cli, *program, sizes);
    cli->options.optimize++;
  }
}

bool cli_run_failed(Cli *cli, Compilation *c, const RunResult *result) {
  const Step *step = result->failed;
  const char *where = step && step->node ? node_where(c, step->node) : c->file;
  const char *message = result->message ? result->message : "the interpreter failed";
  return diag_error(&cli->diag, where, "%s", message);
}

static bool same_file(const char *a, const char *b) {
  struct stat left, right;
  return stat(a, &left) == 0 && stat(b, &right) == 0 && left.st_dev == right.st_dev &&
         left.st_ino == right.st_ino;
}

bool cli_check_output(Cli *cli, const char *path) {
  const char *folder = path_folder(cli->arena, path);
  struct stat info;
  if (stat(folder, &info) != 0) {
    diag_error(&cli->diag, path, "cannot write it: there is no folder '%s'", folder);
    return diag_hint(&cli->diag, "make it first: mkdir -p %s", folder);
  }
  if (!S_ISDIR(info.st_mode))
    return diag_error(&cli->diag, path, "cannot write it: '%s' is not a folder", folder);
  if (access(folder, W_OK) != 0)
    return diag_error(&cli->diag, path, "cannot write it: the folder '%s' may not be written to",
                      folder);
  if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
    return diag_error(&cli->diag, path, "cannot write it: it is a folder");
  if (cli->arguments.count && same_file(path, cli->arguments.items[0])) {
    diag_error(&cli->diag, path, "the output would replace the model");
    return diag_hint(&cli->diag, "give another name with -o");
  }
  return true;
}
