/* operator_table.c: a build tool that turns the operator tables of schema/ into C.
 *
 *   operator_table schema/onnx_operators.json schema/microsoft_operators.json > operator_table.c
 *
 * The form of its input is told in draw_operators.py, that of its output in compiler/ops/schema.h.
 */
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *domain, *name;
  json_int_t since;
  json_t *json;
} Row;

static Row *rows;
static size_t row_count;

static void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("operator_table: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(1);
}

/* Names of the table's words in C. */
typedef struct {
  const char *word, *c;
} Word;

static const Word attr_kinds[] = {
    {"int", "ATTR_INT"},       {"float", "ATTR_FLOAT"},         {"string", "ATTR_STRING"},
    {"tensor", "ATTR_TENSOR"}, {"graph", "ATTR_GRAPH"},         {"ints", "ATTR_INTS"},
    {"floats", "ATTR_FLOATS"}, {"strings", "ATTR_STRINGS"},     {"tensors", "ATTR_TENSORS"},
    {"graphs", "ATTR_OTHER"},  {"sparse_tensor", "ATTR_OTHER"}, {"type_proto", "ATTR_OTHER"},
};
static const Word param_kinds[] = {
    {"single", "ARITY_SINGLE"},
    {"optional", "ARITY_OPTIONAL"},
    {"variadic", "ARITY_VARIADIC"},
    {"mixed", "ARITY_MIXED"},
};
/* The standard writes two types otherwise than numpy (and dtype.def) does. */
static const Word dtypes[] = {
    {"float", "DT_F32"},
    {"double", "DT_F64"},
#define X(id, short_name, name, c_type, bytes, onnx, npy, kind) {name, #id},
#include "ir/dtype.def"
#undef X
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *translate(const Word *words, size_t count, const char *word) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(words[i].word, word) == 0) return words[i].c;
  return NULL;
}

static const char *text_at(json_t *list, size_t index) {
  const char *text = json_string_value(json_array_get(list, index));
  if (!text) fail("a text is missing in %s", json_dumps(list, JSON_COMPACT));
  return text;
}

static void print_text(const char *text) {
  putchar('"');
  for (; *text; text++)
    if (*text == '"' || *text == '\\' || (unsigned char)*text < ' ')
      printf("\\%03o", (unsigned)(unsigned char)*text);
    else
      putchar(*text);
  putchar('"');
}

/* Prints a set of types like "float int64 seq(tensor(float))" as a mask and whether it holds
 * anything else. */
static void print_types(const char *set) {
  char *copy = strdup(set), *rest = NULL;
  int other = 0;
  fputs("0", stdout);
  for (char *type = strtok_r(copy, " ", &rest); type; type = strtok_r(NULL, " ", &rest)) {
    const char *c = translate(dtypes, COUNT(dtypes), type);
    if (c) printf("|B(%s)", c);
    other |= strchr(type, '(') != NULL;
  }
  printf(",%d", other);
  free(copy);
}

static void print_params(const Row *row, size_t index, const char *member) {
  json_t *param, *types = json_object_get(row->json, "types");
  json_t *params = json_object_get(row->json, member);
  size_t i;
  if (json_array_size(params) == 0) return;
  printf("static const SchemaParam %s_%zu[] = {\n", member, index);
  json_array_foreach(params, i, param) {
    const char *type = text_at(param, 1);
    const char *kind = json_array_size(param) > 2 ? text_at(param, 2) : "single";
    const char *set = json_string_value(json_object_get(types, type));
    const char *c = translate(param_kinds, COUNT(param_kinds), kind);
    if (!c) fail("%s: unknown kind of parameter '%s'", row->name, kind);
    printf("  {");
    print_text(text_at(param, 0));
    printf(",%s,%d,", c, (int)json_integer_value(json_array_get(param, 3)));
    print_types(set ? set : type);
    printf(",");
    print_text(type);
    printf("},\n");
  }
  printf("};\n");
}

static void print_value(json_t *value) {
  if (json_is_string(value))
    print_text(json_string_value(value));
  else if (json_is_real(value))
    printf("(float)%.17g", json_real_value(value));
  else
    printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
}

static void print_list(const char *type, size_t index, size_t i, json_t *list) {
  json_t *item;
  size_t k;
  printf("static const %s list_%zu_%zu[] = {", type, index, i);
  json_array_foreach(list, k, item) {
    print_value(item);
    putchar(',');
  }
  printf("};\n");
}

/* The default of attribute i of row `index` as an Attr. */
static void print_default(const Row *row, size_t index, size_t i, json_t *attr) {
  static const struct {
    const char *kind, *member, *type; /* type of the elements of lists */
  } members[] = {{"int", "i", NULL},
                 {"float", "f", NULL},
                 {"string", "s", NULL},
                 {"ints", "ints", "int64_t"},
                 {"floats", "floats", "float"},
                 {"strings", "strings", "char *const"}};
  const char *kind = text_at(attr, 1);
  json_t *value = json_array_get(attr, 3);
  size_t m = 0;
  while (m < COUNT(members) && strcmp(members[m].kind, kind) != 0) m++;
  if (m == COUNT(members)) fail("%s: a default of kind '%s'", row->name, kind);
  size_t count = json_is_array(value) ? json_array_size(value) : 1;
  if (json_is_array(value) && count) print_list(members[m].type, index, i, value);
  printf("static const Attr default_%zu_%zu = {.name = \"%s\", .kind = %s, .count = %zu", index, i,
         text_at(attr, 0), translate(attr_kinds, COUNT(attr_kinds), kind), count);
  if (json_is_string(value)) printf(", .s_length = %zu", strlen(json_string_value(value)));
  if (count) printf(", .%s = ", members[m].member);
  if (count && json_is_array(value))
    printf("list_%zu_%zu", index, i);
  else if (count)
    print_value(value);
  printf("};\n");
}

static void print_attrs(const Row *row, size_t index) {
  json_t *attr, *attrs = json_object_get(row->json, "attributes");
  size_t i;
  if (json_array_size(attrs) == 0) return;
  json_array_foreach(attrs, i, attr) {
    if (json_array_size(attr) > 3) print_default(row, index, i, attr);
  }
  printf("static const SchemaAttr attributes_%zu[] = {\n", index);
  json_array_foreach(attrs, i, attr) {
    const char *c = translate(attr_kinds, COUNT(attr_kinds), text_at(attr, 1));
    if (!c) fail("%s: unknown kind of attribute '%s'", row->name, text_at(attr, 1));
    printf("  {\"%s\",%s,%d,", text_at(attr, 0), c, json_array_size(attr) == 3);
    if (json_array_size(attr) > 3)
      printf("&default_%zu_%zu},\n", index, i);
    else
      printf("NULL},\n");
  }
  printf("};\n");
}

static void print_row(const Row *row, size_t index) {
  static const char *const members[] = {"inputs", "outputs", "attributes"};
  printf("  {\"%s\",\"%s\",%d,%d", row->domain, row->name, (int)row->since,
         json_is_true(json_object_get(row->json, "deprecated")));
  for (size_t m = 0; m < COUNT(members); m++) {
    if (json_array_size(json_object_get(row->json, members[m])))
      printf(",%s_%zu", members[m], index);
    else
      printf(",NULL");
  }
  for (size_t m = 0; m < COUNT(members); m++)
    printf(",%zu", json_array_size(json_object_get(row->json, members[m])));
  printf("},\n");
}

static int compare_rows(const void *left, const void *right) {
  const Row *a = left, *b = right;
  int order = strcmp(a->domain, b->domain);
  if (!order) order = strcmp(a->name, b->name);
  return order ? order : (a->since > b->since) - (a->since < b->since);
}

static void collect(json_t *domain) {
  json_t *operator;
  size_t i;
  json_array_foreach(json_object_get(domain, "operators"), i, operator) {
    rows = realloc(rows, (row_count + 1) * sizeof *rows);
    if (!rows) fail("out of memory");
    rows[row_count++] = (Row){json_string_value(json_object_get(domain, "domain")),
                              json_string_value(json_object_get(operator, "name")),
                              json_integer_value(json_object_get(operator, "since")), operator};
  }
}

static void print_domains(json_t **files, int count) {
  json_t *domain;
  size_t i;
  int total = 0, ir_version = 0;
  printf("const SchemaDomain schema_domains[] = {\n");
  for (int f = 0; f < count; f++) {
    json_array_foreach(json_object_get(files[f], "domains"), i, domain) {
      printf("  {\"%s\",%d},\n", json_string_value(json_object_get(domain, "domain")),
             (int)json_integer_value(json_object_get(domain, "newest")));
      total++;
    }
    int version = (int)json_integer_value(json_object_get(files[f], "ir_version"));
    if (version > ir_version) ir_version = version;
  }
  printf("};\nconst int schema_domain_count = %d;\n", total);
  printf("const int schema_ir_version = %d;\n", ir_version);
}

static void print_table(void) {
  qsort(rows, row_count, sizeof *rows, compare_rows);
  printf("/* Generated by tools/operator_table.c; do not edit. */\n#include \"ops/schema.h\"\n\n"
         "#define B(dtype) (UINT64_C(1) << (dtype))\n\n");
  for (size_t i = 0; i < row_count; i++) {
    print_params(&rows[i], i, "inputs");
    print_params(&rows[i], i, "outputs");
    print_attrs(&rows[i], i);
  }
  printf("const OperatorSchema operator_table[] = {\n");
  for (size_t i = 0; i < row_count; i++) print_row(&rows[i], i);
  printf("};\nconst int operator_table_count = %zu;\n", row_count);
}

int main(int argc, char **argv) {
  if (argc < 2) fail("give the tables as arguments");
  json_t **files = calloc((size_t)argc, sizeof *files);
  if (!files) fail("out of memory");
  for (int f = 1; f < argc; f++) {
    json_error_t error;
    json_t *domain;
    size_t i;
    files[f - 1] = json_load_file(argv[f], 0, &error);
    if (!files[f - 1]) fail("%s:%d: %s", argv[f], error.line, error.text);
    json_array_foreach(json_object_get(files[f - 1], "domains"), i, domain) collect(domain);
  }
  print_table();
  print_domains(files, argc - 1);
  return ferror(stdout) || fflush(stdout) != 0;
}
