/* load.c: from the command line to a compiled program; inputs from files. */
#include "cli/cli.h"

#include "base/file.h"
#include "frontends/onnx/onnx.h"
#include "passes/passes.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void cli_progress(const Cli *cli, const char *format, ...) {
  if (cli->quiet || !isatty(STDERR_FILENO)) return;
  va_list args;
  va_start(args, format);
  fputs("\r\033[K", stderr);
  vfprintf(stderr, format, args);
  fflush(stderr);
  va_end(args);
}

int cli_finish(Cli *cli) {
  diag_finish(&cli->diag);
  return cli->diag.errors ? EXIT_MODEL : EXIT_OK;
}

Compilation *cli_load(Cli *cli) {
  Compilation *c = ARENA_NEW(cli->arena, Compilation);
  c->arena = cli->arena;
  c->diag = &cli->diag;
  c->dims = dim_pool_create(cli->arena);
  c->file = cli->options.model = cli->arguments.items[0];
  c->options = &cli->options;
  cli_progress(cli, "reading %s", c->file);
  bool ok = onnx_read(c, c->file);
  cli_progress(cli, "%s", "");
  return ok ? c : NULL;
}

bool cli_compile(Cli *cli, Compilation **c, Program **program) {
  *c = cli_load(cli);
  if (!*c) return false;
  cli_progress(cli, "compiling %s", (*c)->file);
  bool ok = passes_run(*c, program);
  cli_progress(cli, "%s", "");
  return ok;
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
  if (!S_ISDIR(info.st_mode)) return diag_error(&cli->diag, path, "cannot write it: '%s' is not a folder", folder);
  if (access(folder, W_OK) != 0)
    return diag_error(&cli->diag, path, "cannot write it: the folder '%s' may not be written to", folder);
  if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
    return diag_error(&cli->diag, path, "cannot write it: it is a folder");
  if (cli->arguments.count && same_file(path, cli->arguments.items[0])) {
    diag_error(&cli->diag, path, "the output would replace the model");
    return diag_hint(&cli->diag, "give another name with -o");
  }
  return true;
}

/* The tensor of `port` from the -i files, then from the archive; NULL after a message. */
static const Tensor *find_input(Cli *cli, const Port *port, const TensorList *archive) {
  for (size_t i = 0; i < cli->input_files.count; i++) {
    const char *text = cli->input_files.items[i], *equals = strrchr(text, '=');
    if (strlen(port->name) != (size_t)(equals - text) ||
        strncmp(text, port->name, (size_t)(equals - text)) != 0)
      continue;
    const char *path = equals + 1, *dot = strrchr(path, '.');
    if (dot && strcmp(dot, ".pb") == 0) return onnx_read_tensor(path, cli->arena, &cli->diag);
    NamedTensor named;
    return npy_read(path, cli->arena, &named, &cli->diag) ? named.tensor : NULL;
  }
  const NamedTensor *named = NULL;
  if (archive) named = tensor_list_find(archive, arena_printf(cli->arena, "in:%s", port->name));
  if (archive && !named) named = tensor_list_find(archive, port->name);
  if (named && named->tensor) return named->tensor;
  diag_error(&cli->diag, cli->options.model, "no data for input '%s'", port->name);
  diag_hint(&cli->diag, "give it with -i %s=FILE.npy or in an archive with --inputs", port->name);
  return NULL;
}

bool cli_inputs(Cli *cli, const Program *program, const TensorList *archive,
                const Tensor ***inputs) {
  bool ok = true;
  *inputs = ARENA_ARRAY(cli->arena, const Tensor *, program->inputs.count + 1);
  for (size_t i = 0; i < program->inputs.count; i++) {
    (*inputs)[i] = find_input(cli, &program->inputs.items[i], archive);
    ok = ok && (*inputs)[i];
  }
  return ok;
}
