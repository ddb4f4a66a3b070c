/* ops.c: `ctc ops`: the operators that are supported, as a list or as docs/operators.md. */
#include "cli/cli.h"
#include "cli/operator_facts.h"

#include <string.h>

static const char *domain_of(const OpDef *op) {
  return op->domain ? op->domain : "";
}

/* What is listed, and what is known of operators beyond their sources. */
typedef struct {
  Cli *cli;
  const OpDef **ops;
  int count;
  const JsonValue *evidence;
} Listing;

static OperatorFacts facts_of(const Listing *list, int i) {
  return operator_facts(list->cli->arena, list->evidence, list->ops[i]);
}

static void print_list(const Listing *list) {
  for (int i = 0; i < list->count; i++) {
    OperatorFacts facts = facts_of(list, i);
    printf("%-44s since opset %s | types %s | open dims %s | %s%d ONNX cases%s%s\n", facts.name,
           facts.versions, facts.types, *facts.dims ? facts.dims : "not measured",
           facts.derivative ? "gradient | " : "", facts.cases, *facts.tests ? ", " : "",
           facts.tests);
  }
}

/* --- the page --- */

static void print_missing(const char *domain) {
  const char *last = "", *comma = "";
  printf("\nNot supported: ");
  for (int i = 0; i < operator_table_count; i++) {
    const OperatorSchema *row = &operator_table[i];
    if (strcmp(row->domain, domain) != 0 || strcmp(row->name, last) == 0) continue;
    last = row->name;
    if (op_find(domain, row->name)) continue;
    printf("%s%s", comma, row->name);
    comma = ", ";
  }
  puts(*comma ? "." : "none is missing.");
}

static void print_row(const OpDef *op, const OperatorFacts *facts) {
  printf("| %s | %s | %s | %s | %s | %d | %s |\n", op->name, facts->versions, facts->types,
         facts->dims, facts->derivative ? "yes" : "", facts->cases, facts->tests);
}

static void print_domain(const Listing *list, const char *domain) {
  int newest = schema_newest(domain), own = 0;
  for (int i = 0; i < list->count; i++) own += strcmp(domain_of(list->ops[i]), domain) == 0;
  if (!own) return;
  printf("\n## %s\n\n%d operators", *domain ? domain : "ai.onnx", own);
  if (newest) printf(", up to opset %d", newest);
  puts(".\n\n| operator | versions | types | open dims | gradient | ONNX cases | other tests |\n"
       "| --- | --- | --- | --- | --- | ---: | --- |");
  for (int i = 0; i < list->count; i++) {
    OperatorFacts facts = facts_of(list, i);
    if (strcmp(domain_of(list->ops[i]), domain) == 0) print_row(list->ops[i], &facts);
  }
  print_missing(domain);
}

static void print_legend(Cli *cli) {
  puts("# Operators\n\n"
       "What ctc compiles, by domain. Written by `ctc ops --markdown`, not by hand.\n\n"
       "* **versions**: the opsets in which the standard changed the operator; all of them are "
       "understood.");
  printf(
      "* **types** that the newest version may have, by type variable of the standard where "
      "they differ; what ctc refuses is left out. %s; `seq`: sequences, optionals or maps too.\n",
      operator_types_legend(cli->arena));
  puts(
      "* **open dims**: which dims of inputs may be unknown while compiling; `shape[0]`, the first "
      "dim of input `shape`, must be known. Inputs whose values ctc must know are listed as "
      "constants. Empty: not measured, as the node has graphs of its own.\n"
      "* **gradient**: whether Gradient of ai.onnx.preview.training passes through it.\n"
      "* **ONNX cases**: how many cases of `onnx.backend.test` hold the operator and pass, through "
      "emitted and compiled C.\n"
      "* **other tests** in `tests/` that compare it with onnxruntime or numpy: `differential` "
      "draws any number of nodes; numbers are cases.\n"
      "\n"
      "Refused types and open dims are measured by `tests/operator_evidence.py`.");
}

static void print_page(const Listing *list) {
  print_legend(list->cli);
  for (int i = 0; i < list->count; i++)
    if (i == 0 || strcmp(domain_of(list->ops[i]), domain_of(list->ops[i - 1])) != 0)
      print_domain(list, domain_of(list->ops[i]));
}

int cli_ops_command(Cli *cli) {
  int all;
  const OpDef *const *ops = op_list(cli->arena, &all);
  Listing list = {cli, ARENA_ARRAY(cli->arena, const OpDef *, all + 1), 0,
                  operator_evidence(cli->arena, &cli->diag)};
  for (int i = 0; i < all; i++)
    if (strcmp(domain_of(ops[i]), INTERNAL_DOMAIN) != 0) list.ops[list.count++] = ops[i];
  (cli->markdown ? print_page : print_list)(&list);
  return cli_finish(cli);
}
