/* options.c: the options of the subcommands as tables, and their parser. */
#include "cli/cli.h"

#include "ir/kernel.h"
#include "ir/target.h"
#include "passes/passes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(member) .kind = OPTION_TEXT, .offset = offsetof(Cli, member), .handler = NULL
#define FLAG(member) .kind = OPTION_FLAG, .offset = offsetof(Cli, member), .handler = NULL
#define REAL(member) .kind = OPTION_REAL, .offset = offsetof(Cli, member), .handler = NULL
#define CALL(function) .kind = OPTION_CALL, .offset = 0, .handler = function
#define PASSES "@passes"       /* see cli_words */
#define LIBRARIES "@libraries" /* likewise */

/* --- handlers --- */

static bool bad_value(Cli *cli, const char *option, const char *value, const char *form) {
  diag_error(&cli->diag, "ctc", "%s does not understand '%s'", option, value);
  return diag_hint(&cli->diag, "write %s %s", option, form);
}

static bool parse_integer(const char *text, char **end, int64_t *value) {
  errno = 0;
  long long number = strtoll(text, end, 10);
  *value = number;
  return *end != text && errno == 0;
}

/* N=4 or N<=8; the name may itself hold '=' or '<', so the last operator counts. */
static bool handle_dim(Cli *cli, const char *text) {
  const char *form = "NAME=4 or 'NAME<=8'";
  const char *equals = strrchr(text, '=');
  if (!equals || equals == text) return bad_value(cli, "--dim", text, form);
  bool bounded = equals[-1] == '<';
  size_t length = (size_t)(equals - text) - bounded;
  char *end;
  DimOption dim = {.name = arena_strndup(cli->arena, text, length), .fixed = !bounded};
  if (!parse_integer(equals + 1, &end, &dim.value) || *end || dim.value < 0 || !length)
    return bad_value(cli, "--dim", text, form);
  vec_push(cli->arena, &cli->dims, dim);
  return true;
}

/* input=1x3x224x224; '?' leaves a dim as it is */
static bool handle_shape(Cli *cli, const char *text) {
  const char *form = "INPUT=1x3x224x224 ('?' leaves a dim as it is)";
  const char *equals = strrchr(text, '=');
  if (!equals || equals == text) return bad_value(cli, "--shape", text, form);
  ShapeOption shape = {.input = arena_strndup(cli->arena, text, (size_t)(equals - text))};
  for (const char *at = equals + 1; *at;) {
    char *end = (char *)(uintptr_t)at + 1;
    int64_t dim = -1;
    if (shape.rank == MAX_RANK || (*at != '?' && (!parse_integer(at, &end, &dim) || dim < 0)))
      return bad_value(cli, "--shape", text, form);
    shape.dims[shape.rank++] = dim;
    if (*end && *end != 'x' && *end != ',') return bad_value(cli, "--shape", text, form);
    at = *end ? end + 1 : end;
  }
  vec_push(cli->arena, &cli->shapes, shape);
  return true;
}

static bool handle_set(Cli *cli, const char *text) {
  const char *equals = strchr(text, '=');
  if (!equals || equals == text || !equals[1])
    return bad_value(cli, "--set", text, "INPUT=16000 (several numbers separated by commas)");
  SetOption set = {arena_strndup(cli->arena, text, (size_t)(equals - text)), equals + 1};
  vec_push(cli->arena, &cli->sets, set);
  return true;
}

static bool handle_weights(Cli *cli, const char *text) {
  static const char *const names[] = {"auto", "array", "string", "incbin", "file"};
  for (int i = 0; i < 5; i++)
    if (strcmp(text, names[i]) == 0) {
      cli->options.weights = (WeightsMode)i;
      return true;
    }
  return bad_value(cli, "--weights", text, "auto, array, string, incbin or file");
}

/* As many as a pool of the emitted program may have. */
static bool parse_threads(Cli *cli, const char *option, const char *text, int *threads) {
  enum { MOST = 64 };
  char *end;
  int64_t value;
  if (!parse_integer(text, &end, &value) || *end || value < 1 || value > MOST)
    return bad_value(cli, option, text, "N, from 1 to 64");
  *threads = (int)value;
  return true;
}

static bool handle_threads(Cli *cli, const char *text) {
  return parse_threads(cli, "--threads", text, &cli->options.threads);
}

static bool handle_run_threads(Cli *cli, const char *text) {
  return parse_threads(cli, "--run-threads", text, &cli->run_threads);
}

static bool handle_optimize(Cli *cli, const char *text) {
  static const char *const names[OPTIMIZE_COUNT] = {"speed", "balanced", "size"};
  for (int i = 0; i < OPTIMIZE_COUNT; i++)
    if (strcmp(text, names[i]) == 0) {
      cli->options.optimize = (OptimizeMode)i;
      return true;
    }
  return bad_value(cli, "--optimize", text, "speed, balanced or size");
}

static bool handle_target(Cli *cli, const char *text) {
  cli->options.target = target_find(text);
  return cli->options.target || bad_value(cli, "--target", text, "c or cuda");
}

static bool handle_precision(Cli *cli, const char *text) {
  static const char *const names[] = {"f32", "tf32", "f16", "bf16"};
  for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
    if (strcmp(text, names[i]) == 0) {
      cli->options.precision = (ProductPrecision)i;
      return true;
    }
  return bad_value(cli, "--precision", text, "f32, tf32, f16 or bf16");
}

/* 4096, 64k, 2m, 1g: bytes. */
static bool parse_bytes(Cli *cli, const char *option, const char *text, int64_t *bytes) {
  static const char units[] = "kmg";
  char *end;
  int64_t value;
  bool ok = parse_integer(text, &end, &value) && value > 0;
  const char *unit = ok && *end ? strchr(units, *end) : NULL;
  for (ptrdiff_t i = unit ? unit - units + 1 : 0; i > 0 && ok; i--)
    ok = !__builtin_mul_overflow(value, 1024, &value);
  if (!ok || (*end && (!unit || end[1])))
    return bad_value(cli, option, text, "BYTES, such as 65536, 64k or 2m");
  *bytes = value;
  return true;
}

static bool handle_max_string(Cli *cli, const char *text) {
  return parse_bytes(cli, "--max-string", text, &cli->options.max_string);
}

static bool handle_max_workspace(Cli *cli, const char *text) {
  return parse_bytes(cli, "--max-workspace", text, &cli->options.max_workspace);
}

static bool handle_max_weights(Cli *cli, const char *text) {
  return parse_bytes(cli, "--max-weights", text, &cli->options.max_weights);
}

static bool handle_input(Cli *cli, const char *text) {
  if (!strchr(text, '=')) return bad_value(cli, "-i", text, "NAME=FILE.npy");
  vec_push(cli->arena, &cli->input_files, text);
  return true;
}

static bool handle_dump(Cli *cli, const char *text) {
  vec_push(cli->arena, &cli->dump_after, text);
  return true;
}

static bool handle_plugin(Cli *cli, const char *text) {
  vec_push(cli->arena, &cli->plugins, text);
  return true;
}

static bool handle_disable(Cli *cli, const char *text) {
  vec_push(cli->arena, &cli->disabled, text);
  return true;
}

/* --- tables --- */

const OptionRow cli_general_options[] = {
    {"--help", "-h", NULL, FLAG(help), "this text"},
    {"--quiet", "-q", NULL, FLAG(quiet), "no progress, no summary"},
    {0},
};

const OptionRow cli_model_options[] = {
    {"--dim", NULL, "NAME=N", CALL(handle_dim),
     "fix a symbolic dim ('batch=1') or bound it ('seq<=512'); repeatable"},
    {"--shape", NULL, "INPUT=AxBxC", CALL(handle_shape), "give the shape of an input; repeatable"},
    {"--set", NULL, "INPUT=VALUE", CALL(handle_set), "make an input a constant; repeatable"},
    {"--max-string", NULL, "BYTES", CALL(handle_max_string),
     "what a string of an input takes at most, its end included (256)"},
    {"--threads", NULL, "N", CALL(handle_threads),
     "plan for up to N threads (4); 1: a program without anything of threads"},
    {0},
};

const OptionRow cli_plugin_options[] = {
    {"--plugin", NULL, "DIR", CALL(handle_plugin),
     "a layer of one's own: a folder with layer.json and kernel.c; repeatable"},
    {0},
};

const OptionRow cli_optimize_options[] = {
    {"--optimize", NULL, "MODE", CALL(handle_optimize),
     "speed; balanced: weights do not grow; size: plain kernels", "speed balanced size"},
    {"--max-workspace", NULL, "BYTES", CALL(handle_max_workspace),
     "a limit for the workspace (64k, 2m); slower kernels are taken to keep it"},
    {"--max-weights", NULL, "BYTES", CALL(handle_max_weights), "likewise for the weights"},
    {"--blas", NULL, "LIB", TEXT(options.blas),
     "leave large matrix products to cblas_sgemm of a library (openblas, blis, mkl_rt)"},
    {"--strict", NULL, NULL, FLAG(options.strict),
     "the same results at every optimisation level of the C compiler"},
    {0},
};

const OptionRow cli_target_options[] = {
    {"--target", NULL, "NAME", CALL(handle_target),
     "c, or cuda: a program for a GPU (also by the output's name, FILE.cu)", "c cuda"},
    {0},
};

const OptionRow cli_cuda_options[] = {
    {"--cuda-arch", NULL, "LIST", TEXT(options.cuda_arch),
     "compile the kernels of a .cu now, by NVRTC: sm_80,sm_90"},
    {"--cuda-libs", NULL, "LIST", TEXT(options.cuda_libs),
     "libraries that a .cu uses where they are when it starts: cublaslt,cudnn", LIBRARIES},
    {"--precision", NULL, "TYPE", CALL(handle_precision),
     "of products on a GPU: f32, tf32, f16, bf16 (sums are of f32)", "f32 tf32 f16 bf16"},
    {0},
};

const OptionRow cli_output_options[] = {
    {"--output", "-o", "FILE", TEXT(output), "the file to write"},
    {0},
};

const OptionRow cli_emit_options[] = {
    {"--prefix", NULL, "NAME", TEXT(options.prefix),
     "prefix of the emitted symbols (from the file's name)"},
    {"--weights", NULL, "MODE", CALL(handle_weights),
     "where the weights go: auto, array, string, incbin, file", "auto array string incbin file"},
    {"--static-workspace", NULL, NULL, FLAG(options.static_workspace),
     "add a run function with a static workspace of its own"},
    {"--templates", NULL, "DIR", TEXT(options.templates), "read the templates from a folder"},
    {"--line-directives", NULL, NULL, FLAG(options.line_directives),
     "C compilers' messages about a plugin point at its kernel.c"},
    {0},
};

const OptionRow cli_pass_options[] = {
    {"--dump-after", NULL, "PASS", CALL(handle_dump),
     "print the graph or program after a pass; repeatable", PASSES},
    {"--stop-after", NULL, "PASS", TEXT(options.stop_after), "run no pass behind this one", PASSES},
    {"--disable-pass", NULL, "PASS", CALL(handle_disable), "leave an optional pass out; repeatable",
     PASSES},
    {"--time-passes", NULL, NULL, FLAG(options.time_passes), "print the time of each pass"},
    {"--split-all", NULL, NULL, FLAG(options.split_all),
     "share every step among threads, however small, to test that it can be"},
    {0},
};

const OptionRow cli_data_options[] = {
    {"--inputs", NULL, "FILE.npz", TEXT(inputs_file), "inputs by name (also as 'in:NAME')"},
    {"--input", "-i", "NAME=FILE", CALL(handle_input),
     "one input from a .npy or .pb file; repeatable"},
    {0},
};

const OptionRow cli_verify_options[] = {
    {"--reference", NULL, "FILE.npz", TEXT(reference),
     "inputs as 'in:NAME' and expected outputs as 'out:NAME'"},
    {"--rtol", NULL, "X", REAL(rtol), "relative tolerance (1e-3)"},
    {"--atol", NULL, "X", REAL(atol), "absolute tolerance (1e-4)"},
    {"--dynamic", NULL, NULL, FLAG(dynamic),
     "leave symbolic dims open: do not take them from the reference"},
    {"--every-step", NULL, NULL, FLAG(every_step),
     "compare what every step writes, even if the outputs agree"},
    {"--json", NULL, NULL, FLAG(json), "print the result as one line of JSON"},
    {0},
};

const OptionRow cli_bench_options[] = {
    {"--seconds", NULL, "S", REAL(seconds), "how long to run it (1), and again step by step"},
    {"--cpu-time", NULL, NULL, FLAG(cpu_time),
     "measure CPU time: for a busy machine, and one thread"},
    {"--rows", NULL, "N", REAL(rows), "how many steps to print (20; 0: all)"},
    {"--json", NULL, NULL, FLAG(json), "print the result as one line of JSON"},
    {0},
};

const OptionRow cli_build_options[] = {
    {"--shared", NULL, NULL, FLAG(shared),
     "a shared library instead of a program (as does -o FILE.so)"},
    {"--target", NULL, "TRIPLE", TEXT(target),
     "cross compile: uses TRIPLE-gcc, or clang --target=TRIPLE"},
    {0},
};

const OptionRow cli_cc_options[] = {
    {"--cc", NULL, "COMMAND", TEXT(cc), "the C compiler ($CC, or cc)"},
    {"--cflags", NULL, "FLAGS", TEXT(cflags), "flags for it (-O2)"},
    {"--keep", NULL, NULL, FLAG(keep), "leave the emitted files where they are, and say where"},
    {0},
};

const OptionRow cli_run_threads_options[] = {
    {"--run-threads", NULL, "N", CALL(handle_run_threads),
     "run the emitted program on N threads (1)"},
    {0},
};

const OptionRow cli_inspect_options[] = {
    {"--stage", NULL, "STAGE", TEXT(stage), "what to print: graph, program, steps, summary",
     "graph program steps summary"},
    {"--memory", NULL, NULL, FLAG(memory), "the memory plan, its peak and the lower bound"},
    {0},
};

const OptionRow cli_ops_options[] = {
    {"--markdown", NULL, NULL, FLAG(markdown), "the table as a page (docs/operators.md)"},
    {0},
};

const OptionRow cli_new_options[] = {
    {"--elementwise", NULL, NULL, FLAG(elementwise),
     "a layer that computes each element by itself: a function of numbers"},
    {0},
};

const OptionRow cli_check_options[] = {
    {"--seed", NULL, "N", REAL(seed), "what the random calls start from (another one each time)"},
    {"--calls", NULL, "N", REAL(calls), "random calls of each function (200)"},
    {0},
};

static const char *pass_words(Arena *arena) {
  int count;
  const char *const *names = passes_names(&count);
  Str out = str_in(arena);
  for (int i = 0; i < count; i++) str_addf(&out, "%s%s", i ? " " : "", names[i]);
  return str_text(&out);
}

const char *cli_words(Arena *arena, const char *words) {
  if (words && strcmp(words, PASSES) == 0) return pass_words(arena);
  if (words && strcmp(words, LIBRARIES) == 0) return kernel_library_names(arena, " ");
  return words;
}

/* --- parsing --- */

static const OptionRow *find_option(const Command *command, const char *name, size_t length) {
  for (int g = 0; command->groups[g]; g++)
    for (const OptionRow *row = command->groups[g]; row->name; row++) {
      if (strlen(row->name) == length && strncmp(row->name, name, length) == 0) return row;
      if (row->short_name && strlen(row->short_name) == length &&
          strncmp(row->short_name, name, length) == 0)
        return row;
    }
  return NULL;
}

static bool unknown_option(Cli *cli, const Command *command, const char *name, size_t length) {
  Vec(const char *) names = {0};
  for (int g = 0; command->groups[g]; g++)
    for (const OptionRow *row = command->groups[g]; row->name; row++)
      vec_push(cli->arena, &names, row->name);
  const char *word = arena_strndup(cli->arena, name, length);
  diag_error(&cli->diag, "ctc", "%s has no option %s", command->name, word);
  const char *near = str_nearest(word, names.items, names.count);
  if (near) return diag_hint(&cli->diag, "did you mean %s?", near);
  return diag_hint(&cli->diag, "ctc %s --help lists them", command->name);
}

static bool apply_option(Cli *cli, const OptionRow *row, const char *value) {
  char *target = (char *)cli + row->offset, *end;
  switch (row->kind) {
  case OPTION_FLAG: *(bool *)(void *)target = true; return true;
  case OPTION_TEXT: *(const char **)(void *)target = value; return true;
  case OPTION_CALL: return row->handler(cli, value);
  case OPTION_REAL:
    *(double *)(void *)target = strtod(value, &end);
    return (end != value && !*end) || bad_value(cli, row->name, value, "a number");
  }
  return false;
}

/* One option at argv[*i], which may take the next argument as its value. */
static bool parse_option(Cli *cli, const Command *command, int argc, char **argv, int *i) {
  const char *text = argv[*i], *equals = strchr(text, '=');
  size_t length = equals && strncmp(text, "--", 2) == 0 ? (size_t)(equals - text) : strlen(text);
  const OptionRow *row = find_option(command, text, length);
  if (!row) return unknown_option(cli, command, text, length);
  bool inline_value = text[length] == '=';
  if (row->kind == OPTION_FLAG) {
    if (inline_value) return diag_error(&cli->diag, "ctc", "%s takes no value", row->name);
    return apply_option(cli, row, NULL);
  }
  if (inline_value) return apply_option(cli, row, text + length + 1);
  if (*i + 1 >= argc)
    return diag_error(&cli->diag, "ctc", "%s needs a value: %s", row->name, row->value);
  return apply_option(cli, row, argv[++*i]);
}

bool cli_parse(Cli *cli, const Command *command, int argc, char **argv) {
  bool ok = true, only_arguments = false;
  for (int i = 0; i < argc; i++) {
    if (!only_arguments && strcmp(argv[i], "--") == 0)
      only_arguments = true;
    else if (!only_arguments && argv[i][0] == '-' && argv[i][1])
      ok = parse_option(cli, command, argc, argv, &i) && ok;
    else
      vec_push(cli->arena, &cli->arguments, (const char *)argv[i]);
  }
  Options *o = &cli->options;
  o->dims = cli->dims.items;
  o->dim_count = cli->dims.count;
  o->shapes = cli->shapes.items;
  o->shape_count = cli->shapes.count;
  o->sets = cli->sets.items;
  o->set_count = cli->sets.count;
  o->plugins = cli->plugins.items;
  o->plugin_count = cli->plugins.count;
  o->dump_after = cli->dump_after.items;
  o->dump_after_count = cli->dump_after.count;
  o->disabled_passes = cli->disabled.items;
  o->disabled_pass_count = cli->disabled.count;
  o->output = cli->output;
  return ok;
}

/* --- help --- */

void cli_help(FILE *out, const Command *command) {
  fprintf(out, "usage: ctc %s [OPTION]… %s\n\n%s\n\noptions:\n", command->name, command->arguments,
          command->summary);
  for (int g = 0; command->groups[g]; g++)
    for (const OptionRow *row = command->groups[g]; row->name; row++) {
      char left[64];
      snprintf(left, sizeof left, "%s%s%s%s%s", row->short_name ? row->short_name : "",
               row->short_name ? ", " : "", row->name, row->value ? " " : "",
               row->value ? row->value : "");
      fprintf(out, "  %-26s %s\n", left, row->help);
    }
  if (command->example) fprintf(out, "\nexample:\n  %s\n", command->example);
}

/* --- families of commands --- */

const char *cli_family(Arena *arena, const Command *command) {
  size_t length = strcspn(command->name, " ");
  return command->name[length] ? arena_strndup(arena, command->name, length) : NULL;
}

static bool in_family(const Command *command, const char *family) {
  size_t length = strlen(family);
  return strncmp(command->name, family, length) == 0 && command->name[length] == ' ';
}

bool cli_begins_family(Arena *arena, const Command *command) {
  const char *family = cli_family(arena, command);
  return family && (command == cli_commands || !in_family(command - 1, family));
}

const char *cli_family_words(Arena *arena, const char *family) {
  Str words = str_in(arena);
  for (int i = 0; i < cli_command_count; i++)
    if (in_family(&cli_commands[i], family))
      str_addf(&words, "%s%s", words.length ? " " : "", cli_commands[i].name + strlen(family) + 1);
  return str_text(&words);
}

void cli_usage(FILE *out) {
  fputs("usage: ctc COMMAND [OPTION]… [ARGUMENT]…\n\ncommands:\n", out);
  for (int i = 0; i < cli_command_count; i++)
    fprintf(out, "  %-12s %s\n", cli_commands[i].name, cli_commands[i].summary);
  fputs("\n`ctc COMMAND --help` tells more; `ctc --version` the version.\n", out);
}
