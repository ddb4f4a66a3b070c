/* operator_facts.c: what `ctc ops` tells of an operator: versions and types from the operator
 * table, and what was measured (tests/operator_evidence.py): types that ctc refuses, dims that it
 * must know, counts of tests. */
#include "cli/operator_facts.h"

#include "io/schemas.h"
#include "ops/derivative.h"

#include <limits.h>
#include <string.h>

#define BIT(dtype) (UINT64_C(1) << (dtype))

/* Types that mostly go together. */
static const struct {
  const char *name;
  uint64_t dtypes;
} groups[] = {
    {"f", BIT(DT_F16) | BIT(DT_BF16) | BIT(DT_F32) | BIT(DT_F64)},
    {"i", BIT(DT_I8) | BIT(DT_I16) | BIT(DT_I32) | BIT(DT_I64) | BIT(DT_U8) | BIT(DT_U16) |
              BIT(DT_U32) | BIT(DT_U64)},
    {"b", BIT(DT_BOOL)},
    {"s", BIT(DT_STRING)},
    {"q", BIT(DT_I4) | BIT(DT_U4) | BIT(DT_I2) | BIT(DT_U2)},
    {"m", BIT(DT_F8E4M3FN) | BIT(DT_F8E4M3FNUZ) | BIT(DT_F8E5M2) | BIT(DT_F8E5M2FNUZ)},
    {"e", BIT(DT_F8E8M0)},
    {"m4", BIT(DT_F4E2M1)},
    {"m6", BIT(DT_F6E2M3) | BIT(DT_F6E3M2)},
    {"c", BIT(DT_C64) | BIT(DT_C128)},
};
enum { GROUPS = sizeof groups / sizeof *groups };

static void add_word(Str *out, const char *word) {
  str_addf(out, "%s%s", out->length ? " " : "", word);
}

static void add_dtypes(Str *out, uint64_t dtypes) {
  for (int d = DT_NONE + 1; d < DT_COUNT; d++)
    if (dtypes & BIT(d)) add_word(out, dtype_info((DType)d)->short_name);
}

/* Whole groups by their names. */
static const char *types_text(Arena *arena, uint64_t dtypes, bool other) {
  Str out = str_in(arena);
  for (int i = 0; i < GROUPS; i++) {
    if ((dtypes & groups[i].dtypes) == groups[i].dtypes)
      add_word(&out, groups[i].name);
    else
      add_dtypes(&out, dtypes & groups[i].dtypes);
  }
  if (other) add_word(&out, "seq");
  return str_text(&out);
}

const char *operator_types_legend(Arena *arena) {
  Str out = str_in(arena);
  for (int i = 0; i < GROUPS; i++) {
    Str members = str_in(arena);
    add_dtypes(&members, groups[i].dtypes);
    str_addf(&out, "%s`%s` %s", i ? "; " : "", groups[i].name, str_text(&members));
  }
  return str_text(&out);
}

/* --- the operator table --- */

static const char *domain_of(const OpDef *op) {
  return op->domain ? op->domain : "";
}

static bool describes(const OperatorSchema *row, const OpDef *op) {
  return strcmp(row->domain, domain_of(op)) == 0 && strcmp(row->name, op->name) == 0;
}

static const char *versions_of(Arena *arena, const OpDef *op) {
  Str out = str_in(arena);
  for (int i = 0; i < operator_table_count; i++)
    if (describes(&operator_table[i], op))
      str_addf(&out, "%s%d", out.length ? ", " : "", operator_table[i].since);
  if (!out.length && op->schema) str_addf(&out, "%d", op->schema->since);
  return str_text(&out);
}

/* The row of the newest version that is not deprecated, or NULL. */
static const OperatorSchema *newest_of(const OpDef *op) {
  const OperatorSchema *found = op->schema;
  for (int i = 0; i < operator_table_count; i++)
    if (describes(&operator_table[i], op) && !operator_table[i].deprecated)
      found = &operator_table[i];
  return found;
}

/* --- types --- */

/* The type of some parameters, and what it may be. */
typedef struct {
  const char *id, *types;
  bool varies;
} Variable;

typedef Vec(Variable) Variables;

/* Types of a variable that ctc refuses. */
static uint64_t refused(const JsonValue *facts, const char *id) {
  const JsonValue *names = json_member(json_member(facts, "refused"), id);
  uint64_t dtypes = 0;
  for (size_t i = 0; names && i < names->count; i++)
    dtypes |= BIT(dtype_from_name(names->items[i]->string));
  return dtypes;
}

static bool is_one_type(const SchemaParam *param) {
  return !param->other && (param->dtypes & (param->dtypes - 1)) == 0;
}

static void add_variables(Arena *arena, const JsonValue *facts, const SchemaParam *params,
                          int count, Variables *variables) {
  for (int i = 0; i < count; i++) {
    bool known = false;
    for (size_t k = 0; k < variables->count; k++)
      known |= strcmp(variables->items[k].id, params[i].type_id) == 0;
    if (known) continue;
    uint64_t dtypes = params[i].dtypes & ~refused(facts, params[i].type_id);
    Variable variable = {params[i].type_id, types_text(arena, dtypes, params[i].other),
                         !strchr(params[i].type_id, '(') && !is_one_type(&params[i])};
    vec_push(arena, variables, variable);
  }
}

/* "T1 T2: f; U: i b"; the types alone if all are the same. */
static const char *join_variables(Arena *arena, const Variables *variables) {
  Str out = str_in(arena);
  size_t kinds = 0;
  for (size_t i = 0; i < variables->count; i++) {
    const char *types = variables->items[i].types;
    bool said = false;
    for (size_t k = 0; k < i; k++) said |= strcmp(variables->items[k].types, types) == 0;
    if (said) continue;
    str_addf(&out, "%s%s", kinds++ ? "; " : "", variables->items[i].id);
    for (size_t k = i + 1; k < variables->count; k++)
      if (strcmp(variables->items[k].types, types) == 0) add_word(&out, variables->items[k].id);
    str_addf(&out, ": %s", types);
  }
  return kinds == 1 ? variables->items[0].types : str_text(&out);
}

static const char *types_of(Arena *arena, const JsonValue *facts, const OpDef *op) {
  const OperatorSchema *row = newest_of(op);
  Variables all = {0}, varying = {0};
  if (!row) return "";
  add_variables(arena, facts, row->inputs, row->input_count, &all);
  add_variables(arena, facts, row->outputs, row->output_count, &all);
  for (size_t i = 0; i < all.count; i++)
    if (all.items[i].varies) vec_push(arena, &varying, all.items[i]);
  return join_variables(arena, varying.count ? &varying : &all);
}

/* --- what was measured --- */

static void add_texts(Str *out, const JsonValue *texts, const char *before) {
  for (size_t i = 0; texts && i < texts->count; i++)
    str_addf(out, "%s%s", i ? ", " : before, texts->items[i]->string);
}

static const char *dims_of(Arena *arena, const JsonValue *facts) {
  const JsonValue *measured = json_member(facts, "measured");
  Str out = str_in(arena);
  if (!facts || (measured && !measured->boolean)) return "";
  str_add(&out, "all");
  add_texts(&out, json_member(facts, "known"), " but ");
  add_texts(&out, json_member(facts, "constant"), "; constants: ");
  return str_text(&out);
}

const JsonValue *operator_evidence(Arena *arena, Diag *diag) {
  JsonFile file;
  embedded_json("operator_evidence.json", arena, diag, &file);
  return json_member(file.root, "operators");
}

OperatorFacts operator_facts(Arena *arena, const JsonValue *evidence, const OpDef *op) {
  const char *name = op->domain ? arena_printf(arena, "%s.%s", op->domain, op->name) : op->name;
  const JsonValue *facts = json_member(evidence, name);
  Str tests = str_in(arena);
  add_texts(&tests, json_member(facts, "others"), "");
  return (OperatorFacts){
      .name = name,
      .versions = versions_of(arena, op),
      .types = types_of(arena, facts, op),
      .dims = dims_of(arena, facts),
      .tests = str_text(&tests),
      .cases = (int)json_member_number(facts, "cases", 0),
      .derivative = derivative_find(domain_of(op), op->name) != NULL,
  };
}
