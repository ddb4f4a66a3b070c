/* ops.c: `ctc ops`: the operators that are supported, from the registry and the operator table. */
#include "cli/cli.h"

#include "ops/op.h"
#include "ops/schema.h"

#include <string.h>

static const char *domain_of(const OpDef *op) {
  return op->domain ? op->domain : "";
}

/* "Conv", "ai.onnx.ml.Scaler" */
static const char *full_name(Arena *arena, const OpDef *op) {
  return op->domain ? arena_printf(arena, "%s.%s", op->domain, op->name) : op->name;
}

/* The opset versions that changed the operator: "1, 11, 22"; "" if nothing describes it. */
static const char *versions(Arena *arena, const OpDef *op) {
  Str out = str_in(arena);
  for (int i = 0; i < operator_table_count; i++) {
    const OperatorSchema *row = &operator_table[i];
    if (strcmp(row->domain, domain_of(op)) == 0 && strcmp(row->name, op->name) == 0)
      str_addf(&out, "%s%d", out.length ? ", " : "", row->since);
  }
  if (!out.length && op->schema) str_addf(&out, "%d", op->schema->since);
  return str_text(&out);
}

static void print_list(Cli *cli, const OpDef *const *ops, int count) {
  for (int i = 0; i < count; i++)
    printf("%-44s since opset %s\n", full_name(cli->arena, ops[i]), versions(cli->arena, ops[i]));
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

static void print_domain(Cli *cli, const char *domain, const OpDef *const *ops, int count) {
  int newest = schema_newest(domain), own = 0;
  for (int i = 0; i < count; i++) own += strcmp(domain_of(ops[i]), domain) == 0;
  if (!own) return;
  printf("\n## %s\n\n%d operators", *domain ? domain : "ai.onnx", own);
  if (newest) printf(", up to opset %d", newest);
  puts(".\n\n| operator | versions |\n| --- | --- |");
  for (int i = 0; i < count; i++)
    if (strcmp(domain_of(ops[i]), domain) == 0)
      printf("| %s | %s |\n", ops[i]->name, versions(cli->arena, ops[i]));
  print_missing(domain);
}

static void print_page(Cli *cli, const OpDef *const *ops, int count) {
  puts("# Operators\n\n"
       "What ctc compiles, by domain. The versions are the opsets in which the standard changed "
       "the operator; all of them\n"
       "are understood. Written by `ctc ops --markdown`, not by hand.");
  for (int i = 0; i < count; i++)
    if (i == 0 || strcmp(domain_of(ops[i]), domain_of(ops[i - 1])) != 0)
      print_domain(cli, domain_of(ops[i]), ops, count);
}

int cli_ops_command(Cli *cli) {
  int all, count = 0;
  const OpDef *const *list = op_list(cli->arena, &all);
  const OpDef **ops = ARENA_ARRAY(cli->arena, const OpDef *, all + 1);
  for (int i = 0; i < all; i++)
    if (strcmp(domain_of(list[i]), INTERNAL_DOMAIN) != 0) ops[count++] = list[i];
  (cli->markdown ? print_page : print_list)(cli, ops, count);
  return cli_finish(cli);
}
