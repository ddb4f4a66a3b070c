/* main.c: the command line: a table of subcommands. */
#include "cli/cli.h"
#include "version.h"

#include <string.h>

/* The option groups of each command, in the order of --help. */
#define GROUPS(name, ...)                                                                          \
  static const OptionRow *const name##_groups[] = {__VA_ARGS__, cli_general_options, NULL}

GROUPS(compile, cli_output_options, cli_emit_options, cli_target_options, cli_cuda_options,
       cli_model_options, cli_plugin_options, cli_optimize_options, cli_pass_options);
GROUPS(build, cli_output_options, cli_build_options, cli_cc_options, cli_emit_options,
       cli_model_options, cli_plugin_options, cli_optimize_options, cli_pass_options);
GROUPS(run, cli_data_options, cli_output_options, cli_target_options, cli_model_options,
       cli_plugin_options, cli_optimize_options, cli_pass_options);
GROUPS(verify, cli_verify_options, cli_data_options, cli_run_threads_options, cli_cc_options,
       cli_emit_options, cli_model_options, cli_plugin_options, cli_optimize_options,
       cli_pass_options);
GROUPS(bench, cli_bench_options, cli_data_options, cli_run_threads_options, cli_cc_options,
       cli_emit_options, cli_model_options, cli_plugin_options, cli_optimize_options,
       cli_pass_options);
GROUPS(inspect, cli_inspect_options, cli_target_options, cli_model_options, cli_plugin_options,
       cli_optimize_options, cli_pass_options);
GROUPS(ops, cli_ops_options);
GROUPS(plugin_list, cli_plugin_options);
GROUPS(plugin_check, cli_check_options, cli_cc_options);
GROUPS(plugin_new, cli_new_options);
static const OptionRow *const plain_groups[] = {cli_general_options, NULL};

const Command cli_commands[] = {
    {"compile", "MODEL", "write the model as one C or CUDA program", .run = cli_compile_command,
     compile_groups, "ctc compile model.onnx -o model.c"},
    {"build", "MODEL", "compile it and run the C compiler: a program or a shared library",
     .run = cli_build_command, build_groups, "ctc build model.onnx -o model && ./model input.npy"},
    {"run", "MODEL", "run the model inside ctc", .run = cli_run_command, run_groups,
     "ctc run model.onnx --inputs in.npz -o out.npz"},
    {"verify", "MODEL", "compare the emitted C with the interpreter or a reference",
     .run = cli_verify_command, verify_groups, "ctc verify model.onnx --reference ref.npz"},
    {"bench", "MODEL", "time the emitted program, as a whole and step by step",
     .run = cli_bench_command, bench_groups, "ctc bench model.onnx --cflags '-O2 -march=native'"},
    {"inspect", "MODEL", "print what ctc makes of a model", .run = cli_inspect_command,
     inspect_groups, "ctc inspect model.onnx --memory"},
    {"ops", "", "list the operators that ctc supports", .run = cli_ops_command, ops_groups,
     "ctc ops"},
    {"plugin new", "NAME", "write a folder with a layer of one's own to start from",
     .run = cli_plugin_new_command, plugin_new_groups, "ctc plugin new MyNorm"},
    {"plugin check", "DIR…", "test plugins: warnings, cases, random calls, gradient",
     .run = cli_plugin_check_command, plugin_check_groups, "ctc plugin check mynorm"},
    {"plugin list", "", "list the plugins that are found here", .run = cli_plugin_list_command,
     plugin_list_groups, "ctc plugin list --plugin mynorm"},
    {"completion", "SHELL", "print a script that makes the shell complete ctc's options",
     .run = cli_completion_command, plain_groups,
     "ctc completion bash > /etc/bash_completion.d/ctc", "bash zsh fish"},
    {"man", "", "print the manual page", .run = cli_man_command, plain_groups,
     "ctc man | man -l -"},
};
const int cli_command_count = sizeof cli_commands / sizeof *cli_commands;

/* The command that the words of argv name, of which there are *words. */
static const Command *find_command(int argc, char **argv, int *words) {
  for (int i = 0; i < cli_command_count; i++) {
    const char *name = cli_commands[i].name, *blank = strchr(name, ' ');
    size_t first = strcspn(name, " ");
    if (strlen(argv[0]) != first || strncmp(name, argv[0], first) != 0) continue;
    *words = blank ? 2 : 1;
    if (!blank || (argc > 1 && strcmp(blank + 1, argv[1]) == 0)) return &cli_commands[i];
  }
  return NULL;
}

static const char *typed_name(Arena *arena, int argc, char **argv) {
  bool family = argc > 1 && *cli_family_words(arena, argv[0]);
  return family ? arena_printf(arena, "%s %s", argv[0], argv[1]) : argv[0];
}

/* Of `ctc plugin`, the commands that begin so. */
static int family_usage(Arena *arena, int argc, char **argv) {
  bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
  FILE *out = help ? stdout : stderr;
  fprintf(out, "usage: ctc %s COMMAND [OPTION]… [ARGUMENT]…\n\ncommands:\n", argv[0]);
  for (int i = 0; i < cli_command_count; i++) {
    const char *family = cli_family(arena, &cli_commands[i]);
    if (family && strcmp(family, argv[0]) == 0)
      fprintf(out, "  %-12s %s\n", cli_commands[i].name, cli_commands[i].summary);
  }
  return help ? EXIT_OK : EXIT_USAGE;
}

static int unknown_command(Arena *arena, int argc, char **argv) {
  const char **names = ARENA_ARRAY(arena, const char *, cli_command_count);
  if (*cli_family_words(arena, argv[0]) && (argc < 2 || argv[1][0] == '-'))
    return family_usage(arena, argc, argv);
  for (int i = 0; i < cli_command_count; i++) names[i] = cli_commands[i].name;
  const char *name = typed_name(arena, argc, argv);
  const char *near = str_nearest(name, names, (size_t)cli_command_count);
  fprintf(stderr, "ctc: error: there is no command '%s'\n", name);
  if (near)
    fprintf(stderr, "  hint: did you mean '%s'?\n", near);
  else
    cli_usage(stderr);
  return EXIT_USAGE;
}

/* How many arguments there must be. */
static bool check_count(const Cli *cli, const Command *command) {
  const char *end = strstr(command->arguments, "…");
  size_t wanted = command->arguments[0] ? 1 : 0, count = cli->arguments.count;
  if (end ? count >= wanted : count == wanted) return true;
  fprintf(stderr, "ctc: error: %s takes %s%zu argument%s, not %zu\n  hint: ctc %s --help\n",
          command->name, end ? "at least " : "", wanted, wanted == 1 ? "" : "s", count,
          command->name);
  return false;
}

static int run_command(Cli *cli, const Command *command, int argc, char **argv) {
  if (!cli_parse(cli, command, argc, argv)) return EXIT_USAGE;
  if (cli->help) {
    cli_help(stdout, command);
    return EXIT_OK;
  }
  if (!check_count(cli, command)) return EXIT_USAGE;
  return cli_check_passes(cli) ? command->run(cli) : EXIT_USAGE;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    cli_usage(stderr);
    return EXIT_USAGE;
  }
  if (strcmp(argv[1], "--version") == 0) {
    puts("ctc " CTC_VERSION);
    return EXIT_OK;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
      strcmp(argv[1], "help") == 0) {
    cli_usage(stdout);
    return EXIT_OK;
  }
  Arena *arena = arena_create();
  Cli cli = {.arena = arena,
             .diag = {.out = stderr},
             .options.threads = OPTIONS_DEFAULT_THREADS,
             .run_threads = 1,
             .rtol = 1e-3,
             .atol = 1e-4,
             .rows = 20,
             .seed = -1,
             .calls = 200};
  int words = 1;
  const Command *command = find_command(argc - 1, argv + 1, &words);
  cli.command = command ? command->name : argv[1];
  int status = command ? run_command(&cli, command, argc - 1 - words, argv + 1 + words)
                       : unknown_command(arena, argc - 1, argv + 1);
  arena_destroy(arena);
  return status;
}
