/* man.c: `ctc man`: the manual page, from the tables of commands and options. */
#include "cli/cli.h"

#include "version.h"

#include <string.h>

/* Text as roff, which is ASCII: minus signs stay minus signs, and a line does not start with a
 * request. */
static void print_text(const char *text) {
  static const char dots[] = "…";
  if (*text == '.' || *text == '\'') fputs("\\&", stdout);
  for (; *text; text++) {
    if (strncmp(text, dots, sizeof dots - 1) == 0) {
      fputs("...", stdout);
      text += sizeof dots - 2;
    } else if (*text == '-')
      fputs("\\-", stdout);
    else if (*text == '\\')
      fputs("\\e", stdout);
    else
      putchar(*text);
  }
}

static void print_line(const char *macro, const char *text) {
  if (*macro) printf("%s ", macro);
  print_text(text);
  putchar('\n');
}

static void print_option(const OptionRow *row) {
  printf(".TP\n.B ");
  if (row->short_name) {
    print_text(row->short_name);
    printf("\\fR, \\fB");
  }
  print_text(row->name);
  if (row->value) printf(" \\fI%s", row->value);
  puts("\\fR");
  print_line("", row->help);
}

static void print_command(const Command *command) {
  printf(".SS ctc %s ", command->name);
  print_line("", command->arguments);
  print_line("", command->summary);
  for (int g = 0; command->groups[g]; g++)
    for (const OptionRow *row = command->groups[g]; row->name; row++)
      if (command->groups[g] != cli_general_options) print_option(row);
  if (command->example) {
    puts(".PP\nExample:\n.PP\n.RS");
    print_line("", command->example);
    puts(".RE");
  }
}

static void print_statuses(void) {
  static const char *const rows[][2] = {
      {"0", "It worked."},
      {"1", "The model is wrong or not supported, a file cannot be read or written, or verify "
            "found a difference."},
      {"2", "The command line cannot be understood."},
      {"70", "ctc itself is wrong: please report it, with the model."},
  };
  puts(".SH EXIT STATUS");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    printf(".TP\n.B %s\n", rows[i][0]);
    print_line("", rows[i][1]);
  }
}

int cli_man_command(Cli *cli) {
  puts(".TH CTC 1 \"\" \"ctc " CTC_VERSION "\"\n.SH NAME\nctc \\- compile neural networks to C");
  puts(".SH SYNOPSIS\n.B ctc\n.I COMMAND\n[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]");
  puts(".SH DESCRIPTION\nReads a model in the ONNX format and writes one C99 program that computes "
       "it, with the weights in\n"
       "it and without a heap, stdio or a library other than libm.");
  puts(".SH OPTIONS OF EVERY COMMAND");
  for (const OptionRow *row = cli_general_options; row->name; row++) print_option(row);
  puts(".SH COMMANDS");
  for (int i = 0; i < cli_command_count; i++) print_command(&cli_commands[i]);
  print_statuses();
  puts(".SH ENVIRONMENT\n.TP\n.B CC\nthe C compiler that build and verify run, unless \\-\\-cc "
       "names one\n"
       ".TP\n.B TMPDIR\nwhere build and verify make their temporary files");
  return cli_finish(cli);
}
