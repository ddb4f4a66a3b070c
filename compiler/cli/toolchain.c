/* toolchain.c: the user's C compiler as a child process. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "cli/toolchain.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char *toolchain_folder(Cli *cli) {
  const char *base = getenv("TMPDIR");
  char *folder = arena_printf(cli->arena, "%s/ctc-XXXXXX", base && *base ? base : "/tmp");
  if (mkdtemp(folder)) return folder;
  diag_error(&cli->diag, folder, "cannot make a temporary folder: %s", strerror(errno));
  return NULL;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where) {
  (void)info;
  (void)kind;
  (void)where;
  return remove(path);
}

void toolchain_done(Cli *cli, const char *folder) {
  if (cli->keep)
    fprintf(stderr, "emitted files: %s\n", folder);
  else
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* "-lm", "vendor.o": linkers want them behind what needs them. */
static bool is_linked(const char *word) {
  static const char *const endings[] = {".o", ".a", ".so"};
  if (word[0] == '-') return word[1] == 'l';
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (strlen(word) > strlen(endings[i]) &&
        strcmp(word + strlen(word) - strlen(endings[i]), endings[i]) == 0)
      return true;
  return false;
}

/* Splits at blanks: flags with blanks inside are not supported. Of the compiler's flags those that
 * are linked come behind the source. */
static void add_flags(Cli *cli, const char *text, bool linked, const char **argv, int *count,
                      int most) {
  char *copy = arena_strdup(cli->arena, text), *rest = copy;
  for (char *word; (word = strtok_r(rest, " \t", &rest)) && *count < most;)
    if (is_linked(word) == linked) argv[(*count)++] = word;
}

static void add_words(Cli *cli, const char *text, const char **argv, int *count, int most) {
  add_flags(cli, text, false, argv, count, most);
}

static bool on_path(const char *program) {
  const char *path = getenv("PATH");
  char full[4096];
  while (path && *path) {
    size_t length = strcspn(path, ":");
    snprintf(full, sizeof full, "%.*s/%s", (int)length, path, program);
    if (access(full, X_OK) == 0) return true;
    path += length + (path[length] == ':');
  }
  return false;
}

/* The compiler command: --cc, else TRIPLE-gcc or clang for --target, else $CC, else cc. */
static const char *compiler_command(Cli *cli) {
  if (cli->cc && cli->target)
    return arena_printf(cli->arena, "%s --target=%s", cli->cc, cli->target);
  if (cli->cc) return cli->cc;
  if (cli->target) {
    const char *gcc = arena_printf(cli->arena, "%s-gcc", cli->target);
    return on_path(gcc) ? gcc : arena_printf(cli->arena, "clang --target=%s", cli->target);
  }
  const char *from_environment = getenv("CC");
  return from_environment && *from_environment ? from_environment : "cc";
}

/* Waits for `child`. An interrupt from the terminal ends the child; we stay, so that temporary
 * files are removed. */
static int wait_for(pid_t child) {
  struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
  int status;
  sigaction(SIGINT, &ignore, &before);
  pid_t ended = waitpid(child, &status, 0);
  sigaction(SIGINT, &before, NULL);
  return ended == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int toolchain_run(const char *const *argv, const char *log) {
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd >= 0) dup2(fd, STDERR_FILENO);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
  }
  return child < 0 ? -1 : wait_for(child);
}

static void print_log(Cli *cli, const char *log) {
  enum { MOST_LINES = 20 };
  FILE *file = fopen(log, "r");
  char line[512];
  for (int i = 0; file && i < MOST_LINES && fgets(line, sizeof line, file); i++) {
    line[strcspn(line, "\n")] = '\0';
    diag_note(&cli->diag, "%s", line);
  }
  if (file) fclose(file);
}

bool toolchain_compile(Cli *cli, const char *source, const char *extra, const char *output,
                       bool shared) {
  enum { MOST = 60 };
  const char *argv[MOST + 8];
  int count = 0;
  add_words(cli, compiler_command(cli), argv, &count, MOST);
  add_words(cli, cli->cflags ? cli->cflags : "-O2", argv, &count, MOST);
  if (cli->options.threads > 1) add_words(cli, "-DCTC_POOL -pthread", argv, &count, MOST);
  if (shared) add_words(cli, "-shared -fPIC", argv, &count, MOST);
  argv[count++] = arena_printf(cli->arena, "-Wa,-I,%s", path_folder(cli->arena, source));
  argv[count++] = "-o";
  argv[count++] = output;
  argv[count++] = source;
  if (extra) argv[count++] = extra;
  add_flags(cli, cli->cflags ? cli->cflags : "", true, argv, &count, MOST);
  if (cli->options.blas) argv[count++] = arena_printf(cli->arena, "-l%s", cli->options.blas);
  argv[count++] = "-lm";
  argv[count] = NULL;
  const char *log = arena_printf(cli->arena, "%s.log", output);
  cli_progress(cli, "compiling %s with %s", source, argv[0]);
  int status = toolchain_run(argv, log);
  cli_progress(cli, "%s", "");
  if (status == 127)
    diag_error(&cli->diag, "ctc", "cannot run the C compiler '%s'", argv[0]);
  else if (status != 0) {
    diag_error(&cli->diag, source, "the C compiler '%s' failed (status %d)", argv[0], status);
    print_log(cli, log);
    if (!cli->keep) diag_hint(&cli->diag, "--keep leaves the emitted files there");
  }
  unlink(log);
  return status == 0;
}
