/* cli.h: what the subcommands share: options, loading a model, exit codes. */
#ifndef CTC_CLI_CLI_H
#define CTC_CLI_CLI_H

#include "io/npz.h"
#include "ir/interpret.h"
#include "options.h"

enum { EXIT_OK = 0, EXIT_MODEL = 1, EXIT_USAGE = 2 };

/* One option of a subcommand; rows of a table from which parsing, --help, the man page and shell
 * completion follow. */
typedef enum {
  OPTION_TEXT, /* const char **target */
  OPTION_FLAG, /* bool *target */
  OPTION_REAL, /* double *target */
  OPTION_CALL, /* handler(cli, value) */
} OptionKind;

typedef struct Cli Cli;

typedef struct {
  const char *name;       /* "--output" */
  const char *short_name; /* "-o" or NULL */
  const char *value; /* "FILE": what stands behind it; NULL for flags. Starts with FILE or DIR where
                        it is one */
  OptionKind kind;
  size_t offset; /* of the target in Cli */
  bool (*handler)(Cli *cli, const char *value);
  const char *help;
  const char *words; /* the values there are, separated by blanks, for completion; NULL: any */
} OptionRow;

/* Everything that a subcommand may be told. */
struct Cli {
  Arena *arena;
  Diag diag;
  Options options;
  const char *command;
  /* Options beyond one compilation. */
  const char *output;
  const char *reference, *inputs_file, *cc, *cflags, *target, *stage;
  double rtol, atol, seconds, rows;
  int run_threads;    /* of the emitted program */
  double seed, calls; /* of `plugin check` */
  bool shared, memory, help, quiet, keep, dynamic, json, markdown, every_step, cpu_time;
  bool elementwise;
  Vec(const char *) input_files; /* -i name=file */
  Vec(const char *) arguments;   /* what is not an option */
  Vec(const char *) dump_after, disabled, plugins;
  Vec(DimOption) dims;
  Vec(ShapeOption) shapes;
  Vec(SetOption) sets;
};

typedef struct {
  const char *name;      /* "compile"; "plugin new": one of a family of commands */
  const char *arguments; /* "MODEL.onnx"; "DIR…": one or more; "" if there is none */
  const char *summary;   /* one line */
  int (*run)(Cli *cli);
  const OptionRow *const *groups; /* ended by NULL; each group ended by a row without a name */
  const char *example;
  const char *words; /* the values of the argument, as in OptionRow; NULL: a file */
} Command;

extern const Command cli_commands[];
extern const int cli_command_count;

/* Groups of options (cli/options.c). */
extern const OptionRow cli_general_options[], cli_model_options[], cli_emit_options[],
    cli_optimize_options[], cli_target_options[], cli_cuda_options[], cli_output_options[],
    cli_ops_options[], cli_pass_options[], cli_data_options[], cli_verify_options[],
    cli_bench_options[], cli_build_options[], cli_cc_options[], cli_run_threads_options[],
    cli_inspect_options[], cli_plugin_options[], cli_new_options[], cli_check_options[];

/* Parses argv behind the subcommand into `cli`. False (after a message) on a usage error. */
MUST_CHECK bool cli_parse(Cli *cli, const Command *command, int argc, char **argv);
/* The words of a row, the names of the passes put in. */
const char *cli_words(Arena *arena, const char *words);
/* "plugin" of "plugin new"; NULL of a command that is one word. */
const char *cli_family(Arena *arena, const Command *command);
/* Whether it is the first row of its family. */
bool cli_begins_family(Arena *arena, const Command *command);
/* The last words of a family's names: "list check new". */
const char *cli_family_words(Arena *arena, const char *family);
void cli_help(FILE *out, const Command *command);
void cli_usage(FILE *out);

/* Reads the model named by the first argument; NULL after diagnostics. */
Compilation *cli_load(Cli *cli);
/* Reads it and runs all passes; *program is planned. */
MUST_CHECK bool cli_compile(Cli *cli, Compilation **c, Program **program);
/* EXIT_MODEL after errors, else EXIT_OK; prints how many were not shown. */
int cli_finish(Cli *cli);

/* Whether a file can be made at `path`: reports a folder that is not there, before any long work.
 */
MUST_CHECK bool cli_check_output(Cli *cli, const char *path);

/* Names given to --dump-after, --stop-after and --disable-pass: reports those that are none. */
MUST_CHECK bool cli_check_passes(Cli *cli);

/* A line about what is going on, on a terminal only; "%s" of "" takes it away. */
void cli_progress(Cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The program's inputs, in order, from --inputs/--reference archives and -i files; keys `NAME` or
 * `in:NAME`. Reports names that no input has, missing inputs, and wrong types. */
MUST_CHECK bool cli_inputs(Cli *cli, const Program *program, const TensorList *archive,
                           const Tensor ***inputs);

/* The same with made-up numbers: floats in [-1, 1), small integers; open sizes are small. */
MUST_CHECK bool cli_random_inputs(Cli *cli, const Program *program, const Tensor ***inputs);
/* Reports a run of the interpreter that failed; returns false. */
bool cli_run_failed(Cli *cli, Compilation *c, const RunResult *result);

int cli_compile_command(Cli *cli);
int cli_build_command(Cli *cli);
int cli_run_command(Cli *cli);
int cli_verify_command(Cli *cli);
int cli_bench_command(Cli *cli);
int cli_inspect_command(Cli *cli);
int cli_ops_command(Cli *cli);
int cli_completion_command(Cli *cli);
int cli_man_command(Cli *cli);
int cli_plugin_list_command(Cli *cli);
int cli_plugin_check_command(Cli *cli);
int cli_plugin_new_command(Cli *cli);

#endif
