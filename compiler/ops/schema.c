/* schema.c: look-ups in the operator table. */
#include "ops/schema.h"

static const char *standard(const char *domain) {
  return strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

static int compare(const OperatorSchema *row, const char *domain, const char *name) {
  int order = strcmp(row->domain, domain);
  return order ? order : strcmp(row->name, name);
}

/* The index of the first row that is not before (domain, name). */
static int lower_bound(const char *domain, const char *name) {
  int low = 0, high = operator_table_count;
  while (low < high) {
    int middle = low + (high - low) / 2;
    if (compare(&operator_table[middle], domain, name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

const OperatorSchema *schema_find(const char *domain, const char *name, int version) {
  const OperatorSchema *found = NULL;
  domain = standard(domain);
  for (int i = lower_bound(domain, name); i < operator_table_count; i++) {
    const OperatorSchema *row = &operator_table[i];
    if (compare(row, domain, name) != 0 || row->since > version) break;
    found = row;
  }
  return found;
}

const OperatorSchema *schema_oldest(const char *domain, const char *name) {
  int i = lower_bound(standard(domain), name);
  if (i == operator_table_count) return NULL;
  return compare(&operator_table[i], standard(domain), name) == 0 ? &operator_table[i] : NULL;
}

int schema_newest(const char *domain) {
  for (int i = 0; i < schema_domain_count; i++)
    if (strcmp(schema_domains[i].domain, standard(domain)) == 0) return schema_domains[i].newest;
  return 0;
}

const char *schema_suggest(Arena *arena, const char *domain, const char *name) {
  const char **names = ARENA_ARRAY(arena, const char *, operator_table_count);
  size_t count = 0;
  for (int i = 0; i < operator_table_count; i++)
    if (strcmp(operator_table[i].domain, standard(domain)) == 0)
      names[count++] = operator_table[i].name;
  return str_nearest(name, names, count);
}

const SchemaAttr *schema_attr(const OperatorSchema *schema, const char *name) {
  for (int i = 0; i < schema->attr_count; i++)
    if (strcmp(schema->attrs[i].name, name) == 0) return &schema->attrs[i];
  return NULL;
}

static const SchemaParam *param(const SchemaParam *params, int count, int i) {
  if (i < count) return &params[i];
  if (count == 0) return NULL;
  return params[count - 1].kind >= ARITY_VARIADIC ? &params[count - 1] : NULL;
}

const SchemaParam *schema_input(const OperatorSchema *schema, int i) {
  return param(schema->inputs, schema->input_count, i);
}

const SchemaParam *schema_output(const OperatorSchema *schema, int i) {
  return param(schema->outputs, schema->output_count, i);
}

const char *attr_kind_text(AttrKind kind) {
  static const char *const texts[] = {
      [ATTR_NONE] = "empty",
      [ATTR_INT] = "an integer",
      [ATTR_FLOAT] = "a float",
      [ATTR_STRING] = "a string",
      [ATTR_TENSOR] = "a tensor",
      [ATTR_GRAPH] = "a graph",
      [ATTR_INTS] = "a list of integers",
      [ATTR_FLOATS] = "a list of floats",
      [ATTR_STRINGS] = "a list of strings",
      [ATTR_TENSORS] = "a list of tensors",
      [ATTR_OTHER] = "of a kind that ctc does not use",
  };
  return texts[kind];
}
