/* completion.c: `ctc completion SHELL`: scripts for bash, zsh and fish, from the tables of commands
 * and options. */
#include "cli/cli.h"

#include <string.h>

/* What may stand behind an option. */
typedef enum { VALUE_NONE, VALUE_WORDS, VALUE_FILE, VALUE_FOLDER, VALUE_ANY } ValueKind;

static ValueKind kind_of(const OptionRow *row) {
  if (!row->value) return VALUE_NONE;
  if (row->words) return VALUE_WORDS;
  if (strncmp(row->value, "DIR", 3) == 0) return VALUE_FOLDER;
  return strstr(row->value, "FILE") ? VALUE_FILE : VALUE_ANY;
}

/* Calls `print` for each option of a command. */
static void each_option(Cli *cli, const Command *command,
                        void (*print)(Cli *cli, const Command *command, const OptionRow *row)) {
  for (int g = 0; command->groups[g]; g++)
    for (const OptionRow *row = command->groups[g]; row->name; row++) print(cli, command, row);
}

static void each_command(Cli *cli, void (*print)(Cli *cli, const Command *command)) {
  for (int i = 0; i < cli_command_count; i++) print(cli, &cli_commands[i]);
}

/* Prints `text` with a backslash before each character of `special`. */
static void print_escaped(const char *text, const char *special) {
  for (; *text; text++) {
    if (strchr(special, *text)) putchar('\\');
    putchar(*text);
  }
}

/* Inside single quotes: a quote ends them, stands for itself and starts them again. */
static void print_quoted(const char *text, const char *special) {
  for (; *text; text++) {
    if (strchr(special, *text)) putchar('\\');
    if (*text == '\'')
      fputs("'\\''", stdout);
    else
      putchar(*text);
  }
}

/* --- bash --- */

/* The first word of the commands, each family once. */
static void bash_name(Cli *cli, const Command *command) {
  const char *family = cli_family(cli->arena, command);
  if (!family || cli_begins_family(cli->arena, command))
    printf("%s ", family ? family : command->name);
}

/* The second word of a family. */
static void bash_family(Cli *cli, const Command *command) {
  if (!cli_begins_family(cli->arena, command)) return;
  const char *family = cli_family(cli->arena, command);
  printf("  if [ $command = %s ]; then\n    command=\"%s ${COMP_WORDS[2]}\"\n", family, family);
  printf("    if [ \"$COMP_CWORD\" -eq 2 ]; then\n      COMPREPLY=($(compgen -W \"%s\" -- "
         "\"$cur\"))\n      return\n    fi\n  fi\n",
         cli_family_words(cli->arena, family));
}

/* A case that says what comes behind the option. */
static void bash_value(Cli *cli, const Command *command, const OptionRow *row) {
  ValueKind kind = kind_of(row);
  if (kind == VALUE_NONE) return;
  printf("  \"%s:%s\"", command->name, row->name);
  if (row->short_name) printf("|\"%s:%s\"", command->name, row->short_name);
  switch (kind) {
  case VALUE_WORDS: printf(") words=\"%s\" ;;\n", cli_words(cli->arena, row->words)); break;
  case VALUE_FOLDER: puts(") COMPREPLY=($(compgen -d -- \"$cur\")); return ;;"); break;
  case VALUE_FILE: puts(") COMPREPLY=($(compgen -f -- \"$cur\")); return ;;"); break;
  default: puts(") return ;;"); break;
  }
}

static void bash_values(Cli *cli, const Command *command) {
  each_option(cli, command, bash_value);
}

static void bash_option(Cli *cli, const Command *command, const OptionRow *row) {
  (void)cli;
  (void)command;
  printf("%s ", row->name);
}

static void bash_options(Cli *cli, const Command *command) {
  printf("  \"%s\":-*) words=\"", command->name);
  each_option(cli, command, bash_option);
  puts("\" ;;");
  if (command->words) printf("  \"%s\":*) words=\"%s\" ;;\n", command->name, command->words);
}

static void print_bash(Cli *cli) {
  puts("# Completion of ctc for bash: source it, or put it into /etc/bash_completion.d.\n_ctc() {");
  puts("  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=");
  puts("  local command=${COMP_WORDS[1]}\n  COMPREPLY=()");
  printf("  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W \"");
  each_command(cli, bash_name);
  puts("--help --version\" -- \"$cur\"))\n    return\n  fi");
  each_command(cli, bash_family);
  puts("  case $command:$prev in");
  each_command(cli, bash_values);
  puts("  esac\n  [ -n \"$words\" ] || case $command:$cur in");
  each_command(cli, bash_options);
  puts(
      "  esac\n  if [ -n \"$words\" ]; then\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))");
  puts("  else\n    COMPREPLY=($(compgen -f -- \"$cur\"))\n  fi\n}\ncomplete -o filenames -F _ctc "
       "ctc");
}

/* --- zsh --- */

static void zsh_name(Cli *cli, const Command *command) {
  const char *family = cli_family(cli->arena, command);
  if (family && !cli_begins_family(cli->arena, command)) return;
  printf("    '%s:", family ? family : command->name);
  if (family) {
    printf("%s'\n", cli_family_words(cli->arena, family));
    return;
  }
  print_quoted(command->summary, ":");
  puts("'");
}

static void zsh_family(Cli *cli, const Command *command) {
  if (!cli_begins_family(cli->arena, command)) return;
  const char *family = cli_family(cli->arena, command);
  printf("  if [[ $command == %s ]]; then\n    if (( CURRENT == 2 )); then\n      compadd %s\n",
         family, cli_family_words(cli->arena, family));
  printf("      return\n    fi\n    command=\"%s $words[2]\"\n    shift words\n    (( CURRENT-- "
         "))\n  fi\n",
         family);
}

static void zsh_spec(Cli *cli, const OptionRow *row, const char *name) {
  printf("      '%s[", name);
  print_quoted(row->help, "[]:");
  putchar(']');
  switch (kind_of(row)) {
  case VALUE_NONE: break;
  case VALUE_WORDS: printf(":%s:(%s)", row->value, cli_words(cli->arena, row->words)); break;
  case VALUE_FILE: printf(":%s:_files", row->value); break;
  case VALUE_FOLDER: printf(":%s:_files -/", row->value); break;
  case VALUE_ANY: printf(":%s:", row->value); break;
  }
  puts("' \\");
}

static void zsh_option(Cli *cli, const Command *command, const OptionRow *row) {
  (void)command;
  zsh_spec(cli, row, row->name);
  if (row->short_name) zsh_spec(cli, row, row->short_name);
}

static void zsh_options(Cli *cli, const Command *command) {
  printf("  '%s')\n    _arguments \\\n", command->name);
  each_option(cli, command, zsh_option);
  if (command->words)
    printf("      ':%s:(%s)' ;;\n", command->arguments, command->words);
  else
    puts("      '*:model:_files' ;;");
}

static void print_zsh(Cli *cli) {
  puts("#compdef ctc\n# Completion of ctc for zsh: put it into a folder of $fpath as _ctc.\n_ctc() "
       "{");
  puts("  local command=$words[2]\n  local -a commands\n  commands=(");
  each_command(cli, zsh_name);
  puts("  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi");
  puts("  shift words\n  (( CURRENT-- ))");
  each_command(cli, zsh_family);
  puts("  case $command in");
  each_command(cli, zsh_options);
  puts("  esac\n}\n_ctc \"$@\"");
}

/* --- fish --- */

/* Whether the command line begins with the command, as fish asks it. */
static const char *fish_condition(Cli *cli, const Command *command) {
  const char *family = cli_family(cli->arena, command);
  if (!family) return arena_printf(cli->arena, "__fish_seen_subcommand_from %s", command->name);
  return arena_printf(cli->arena,
                      "__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from %s", family,
                      command->name + strlen(family) + 1);
}

/* The first word of a family, and its second words. */
static void fish_family(Cli *cli, const Command *command, const char *family) {
  const char *words = cli_family_words(cli->arena, family);
  if (cli_begins_family(cli->arena, command))
    printf("complete -c ctc -n __fish_use_subcommand -f -a %s -d '%s'\n", family, words);
  printf("complete -c ctc -n '__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from "
         "%s' -f -a %s",
         family, words, command->name + strlen(family) + 1);
}

static void fish_name(Cli *cli, const Command *command) {
  const char *family = cli_family(cli->arena, command);
  if (family)
    fish_family(cli, command, family);
  else
    printf("complete -c ctc -n __fish_use_subcommand -f -a %s", command->name);
  printf(" -d '");
  print_escaped(command->summary, "'\\");
  puts("'");
  if (command->words)
    printf("complete -c ctc -n '%s' -f -a '%s'\n", fish_condition(cli, command), command->words);
}

static void fish_option(Cli *cli, const Command *command, const OptionRow *row) {
  printf("complete -c ctc -n '%s' -l %s", fish_condition(cli, command), row->name + 2);
  if (row->short_name) printf(" -s %s", row->short_name + 1);
  switch (kind_of(row)) {
  case VALUE_NONE: break;
  case VALUE_WORDS: printf(" -x -a '%s'", cli_words(cli->arena, row->words)); break;
  case VALUE_FILE: printf(" -r -F"); break;
  case VALUE_FOLDER: printf(" -x -a '(__fish_complete_directories)'"); break;
  case VALUE_ANY: printf(" -x"); break;
  }
  printf(" -d '");
  print_escaped(row->help, "'\\");
  puts("'");
}

static void fish_options(Cli *cli, const Command *command) {
  each_option(cli, command, fish_option);
}

static void print_fish(Cli *cli) {
  puts("# Completion of ctc for fish: put it into ~/.config/fish/completions/ctc.fish.");
  each_command(cli, fish_name);
  each_command(cli, fish_options);
}

/* --- the command --- */

int cli_completion_command(Cli *cli) {
  static const struct {
    const char *shell;
    void (*print)(Cli *cli);
  } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
  const char *wanted = cli->arguments.items[0];
  for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
    if (strcmp(shells[i].shell, wanted) == 0) {
      shells[i].print(cli);
      return cli_finish(cli);
    }
  diag_error(&cli->diag, "ctc", "there is no completion for the shell '%s'", wanted);
  diag_hint(&cli->diag, "bash, zsh and fish are known");
  return EXIT_USAGE;
}
