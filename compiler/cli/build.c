/* build.c: `ctc build`: emits C and runs the C compiler on it, for a program or a shared library.
 */
#include "backends/c/emit_c.h"
#include "base/file.h"
#include "cli/toolchain.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is made, and where it is made before it is put in place. */
typedef struct {
  Cli *cli;
  const Program *program;
  const char *folder;  /* temporary */
  const char *output;  /* the user's */
  const char *weights; /* likewise, beside the output; NULL if they are in the program */
} Build;

static bool ends_in(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length > tail && strcmp(text + length - tail, end) == 0;
}

/* -o says it as well as --shared. */
static bool is_library(const Cli *cli) {
  static const char *const ends[] = {".so", ".dylib", ".dll"};
  for (size_t i = 0; cli->output && i < sizeof ends / sizeof *ends; i++)
    if (ends_in(cli->output, ends[i])) return true;
  return cli->shared;
}

static const char *file_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static bool make(Build *b) {
  Cli *cli = b->cli;
  Arena *arena = cli->arena;
  const char *source = arena_printf(arena, "%s/model.c", b->folder);
  const char *made = arena_printf(arena, "%s/made", b->folder);
  const char *driver = arena_printf(arena, "%s/main.c", b->folder);
  cli->options.output = source;
  if (!emit_c(b->program, &cli->options)) return false;
  if (cli->shared) return toolchain_compile(cli, source, NULL, made, true);
  return emit_c_main(b->program, &cli->options, driver, b->weights ? file_name(b->weights) : "") &&
         toolchain_compile(cli, source, driver, made, false);
}

static bool begin_copy(const Build *b, FileWriter *writer, const char *from, const char *to) {
  FileView view;
  const char *path = arena_printf(b->cli->arena, "%s/%s", b->folder, from);
  if (!file_map(path, &view, &b->cli->diag)) return false;
  if (!file_write_begin(writer, to, b->cli->arena, &b->cli->diag)) return false;
  fwrite(view.data, 1, view.size, writer->stream);
  return true;
}

/* From the temporary folder to where the user wants it: everything or nothing. */
static bool put_in_place(const Build *b) {
  FileWriter writers[2];
  size_t count = 1;
  mode_t mask = umask(0);
  umask(mask);
  /* A model without weights has no weights file. */
  bool weights =
      b->weights && access(arena_printf(b->cli->arena, "%s/model.weights", b->folder), R_OK) == 0;
  if (!begin_copy(b, &writers[0], "made", b->output)) return false;
  chmod(writers[0].temporary, 0777 & ~mask);
  if (weights && !begin_copy(b, &writers[1], "model.weights", b->weights)) {
    file_write_abort(&writers[0]);
    return false;
  }
  count += weights;
  return file_write_commit_all(writers, count, &b->cli->diag);
}

static void summary(const Build *b) {
  struct stat info;
  if (b->cli->quiet || stat(b->output, &info) != 0) return;
  double megabytes = (double)info.st_size / 1e6;
  if (b->cli->shared)
    fprintf(stderr, "%s: %.2f MB, shared library, descriptor %s_model\n", b->output, megabytes,
            emit_c_prefix(&b->cli->options, b->cli->arena));
  else
    fprintf(stderr, "%s: %.2f MB, program; %s%s --help says what it takes\n", b->output, megabytes,
            strchr(b->output, '/') ? "" : "./", b->output);
  if (b->weights && access(b->weights, R_OK) == 0) fprintf(stderr, "%s: its weights\n", b->weights);
}

/* Where the weights go with --weights=file. */
static const char *weights_path(const Build *b) {
  Arena *arena = b->cli->arena;
  if (b->cli->options.weights != WEIGHTS_FILE) return NULL;
  return arena_printf(arena, "%s/%s.weights", path_folder(arena, b->output),
                      path_stem(arena, b->output));
}

int cli_build_command(Cli *cli) {
  Compilation *c;
  Program *program;
  const char *stem = path_stem(cli->arena, cli->arguments.items[0]);
  Build b = {.cli = cli, .output = cli->output};
  cli->shared = is_library(cli);
  if (!b.output) b.output = cli->shared ? arena_printf(cli->arena, "%s.so", stem) : stem;
  cli->options.output = b.output;
  if (!cli_check_output(cli, b.output)) return cli_finish(cli);
  cli->options.prefix = emit_c_prefix(&cli->options, cli->arena);
  if (!cli_compile(cli, &c, &program)) return cli_finish(cli);
  if (!program || cli->options.stop_after) return cli_finish(cli);
  b.program = program;
  b.folder = toolchain_folder(cli);
  if (!b.folder) return cli_finish(cli);
  b.weights = weights_path(&b);
  if (make(&b) && put_in_place(&b)) summary(&b);
  toolchain_done(cli, b.folder);
  return cli_finish(cli);
}
