/* cases.c: reads cases.json. The schema says what it looks like; names, element types, the numbers
 * of elements and their ranges are checked here. */
#include "plugins/cases.h"

#include "io/json_attr.h"
#include "io/schemas.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  Arena *arena;
  const Plugin *plugin;
  JsonFile file;
} Reader;

/* --- tensors --- */

/* The range of an integer type, as numbers that a double can hold. */
static void integer_range(DType dtype, double *low, double *high) {
  const DTypeInfo *info = dtype_info(dtype);
  int bits = (int)info->bytes * 8;
  *low = info->kind == KIND_INT ? -ldexp(1, bits - 1) : 0;
  *high = info->kind == KIND_BOOL ? 1 : ldexp(1, info->kind == KIND_INT ? bits - 1 : bits) - 1;
}

/* A number, or one of the texts that stand for those that JSON has not. */
static bool read_number(Reader *r, const JsonValue *json, DType dtype, double *number) {
  static const struct {
    const char *text;
    double value;
  } texts[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
  double low, high;
  *number = json->kind == JSON_BOOL ? json->boolean : json->number;
  if (dtype_is_float(dtype)) {
    if (json->kind == JSON_NUMBER) return true;
    for (size_t i = 0; json->kind == JSON_STRING && i < sizeof texts / sizeof *texts; i++)
      if (strcmp(texts[i].text, json->string) == 0) {
        *number = texts[i].value;
        return true;
      }
    return json_error(&r->file, json,
                      "an element must be a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
  }
  integer_range(dtype, &low, &high);
  bool whole = (json->kind == JSON_NUMBER && json->is_integer) ||
               (json->kind == JSON_BOOL && dtype == DT_BOOL);
  if (whole && *number >= low && *number <= high) return true;
  return json_error(&r->file, json, "%s is no element of type %s", json_show(r->arena, json),
                    dtype_info(dtype)->name);
}

typedef struct {
  double *numbers;
  int64_t *integers;
  int64_t count; /* so far */
} Elements;

/* Flat or nested lists. */
static bool read_elements(Reader *r, const JsonValue *json, DType dtype, Elements *elements) {
  bool ok = true;
  for (size_t i = 0; json->kind == JSON_ARRAY && i < json->count; i++)
    ok = read_elements(r, json->items[i], dtype, elements) && ok;
  if (json->kind == JSON_ARRAY) return ok;
  int64_t at = elements->count++;
  elements->integers[at] = json->kind == JSON_BOOL ? json->boolean : json->integer;
  return read_number(r, json, dtype, &elements->numbers[at]);
}

/* Numbers in lists, however nested. */
static int64_t count_elements(const JsonValue *json) {
  int64_t count = json->kind != JSON_ARRAY;
  for (size_t i = 0; json->kind == JSON_ARRAY && i < json->count; i++)
    count += count_elements(json->items[i]);
  return count;
}

static const Tensor *read_tensor(Reader *r, const JsonValue *json) {
  DType dtype = dtype_from_name(json_member(json, "dtype")->string);
  const JsonValue *shape = json_member(json, "shape"), *data = json_member(json, "data");
  int64_t dims[MAX_RANK];
  Elements elements = {0};
  int64_t most, given = count_elements(data);
  for (size_t d = 0; d < shape->count; d++) dims[d] = shape->items[d]->integer;
  if (!tensor_count(dims, (int)shape->count, &most)) {
    json_error(&r->file, shape, "the tensor is too large");
    return NULL;
  }
  if (given != most) {
    json_error(&r->file, data, "it has %lld elements, its shape %lld", (long long)given,
               (long long)most);
    return NULL;
  }
  /* No more memory than the text has elements. */
  elements.numbers = ARENA_ARRAY(r->arena, double, given + 1);
  elements.integers = ARENA_ARRAY(r->arena, int64_t, given + 1);
  if (!read_elements(r, data, dtype, &elements)) return NULL;
  Tensor *tensor = tensor_from_reals(r->arena, dtype, (int)shape->count, dims, elements.numbers);
  if (dtype == DT_I64) tensor->data = elements.integers; /* a double has not all of them */
  return tensor;
}

static bool unknown_name(Reader *r, const JsonMember *member, const char *what,
                         const char *const *names, size_t count) {
  const Plugin *p = r->plugin;
  json_error(&r->file, member->value, "%s has no %s '%s'", p->name, what, member->key);
  return diag_suggest(r->file.diag, member->key, names, count);
}

/* Tensors by the names of `tensors`, into `values`. */
static bool read_tensors(Reader *r, const JsonValue *json, const char *what,
                         const PluginTensor *tensors, size_t count, const Tensor **values) {
  const char **names = ARENA_ARRAY(r->arena, const char *, count + 1);
  bool ok = true;
  for (size_t i = 0; i < count; i++) names[i] = tensors[i].name;
  for (size_t m = 0; m < json->count; m++) {
    int i = plugin_find_tensor(tensors, count, json->members[m].key);
    if (i < 0)
      ok = unknown_name(r, &json->members[m], what, names, count);
    else
      ok = (values[i] = read_tensor(r, json->members[m].value)) != NULL && ok;
  }
  return ok;
}

static bool check_inputs_there(Reader *r, const JsonValue *json) {
  bool ok = true;
  for (size_t i = 0; i < r->plugin->inputs.count; i++) {
    const PluginTensor *input = &r->plugin->inputs.items[i];
    if (!input->optional && !json_member(json, input->name))
      ok = json_error(&r->file, json, "the input '%s' is missing", input->name);
  }
  return ok;
}

/* --- attributes --- */

static bool wrong_attr(Reader *r, const PluginAttr *attr, const JsonValue *json,
                       const char *wanted) {
  return json_error(&r->file, json, "attribute '%s' must be %s, not %s", attr->name, wanted,
                    json_show(r->arena, json));
}

static bool check_list(Reader *r, const PluginAttr *attr, const JsonValue *json) {
  bool whole = attr->kind == ATTR_INTS;
  if (json->kind != JSON_ARRAY) return wrong_attr(r, attr, json, "a list of numbers");
  for (size_t i = 0; i < json->count; i++)
    if (!json_is_element(json->items[i], attr->kind))
      return wrong_attr(r, attr, json->items[i],
                        whole ? "a list of integers" : "a list of numbers");
  return true;
}

static bool check_attr(Reader *r, const PluginAttr *attr, const JsonValue *json) {
  if (attr->kind == ATTR_INTS || attr->kind == ATTR_FLOATS) return check_list(r, attr, json);
  if (attr->is_bool && json->kind == JSON_BOOL) return true;
  return json_is_element(json, attr->kind) || wrong_attr(r, attr, json,
                                                         attr->kind == ATTR_INT     ? "an integer"
                                                         : attr->kind == ATTR_FLOAT ? "a number"
                                                                                    : "a text");
}

static bool read_attr(Reader *r, const PluginAttr *attr, const JsonValue *json, Attr *made) {
  if (!check_attr(r, attr, json)) return false;
  *made = json_attr(r->arena, attr->name, attr->kind, json);
  return true;
}

static bool read_attrs(Reader *r, const JsonValue *root, PluginCase *made) {
  const JsonValue *json = json_member(root, "attributes");
  const Plugin *p = r->plugin;
  const char **names = ARENA_ARRAY(r->arena, const char *, p->attrs.count + 1);
  bool ok = true;
  for (size_t i = 0; i < p->attrs.count; i++) names[i] = p->attrs.items[i].name;
  made->attrs = ARENA_ARRAY(r->arena, Attr, p->attrs.count + 1);
  for (size_t i = 0; json && i < json->count; i++) {
    int attr = plugin_find_attr(p, json->members[i].key);
    if (attr < 0)
      ok = unknown_name(r, &json->members[i], "attribute", names, p->attrs.count);
    else
      ok = read_attr(r, &p->attrs.items[attr], json->members[i].value,
                     &made->attrs[made->attr_count++]) &&
           ok;
  }
  for (size_t i = 0; i < p->attrs.count; i++)
    if (p->attrs.items[i].required && !(json && json_member(json, names[i])))
      ok = json_error(&r->file, json ? json : root, "the attribute '%s' is missing", names[i]);
  return ok;
}

/* --- cases --- */

static bool read_case(Reader *r, const JsonValue *json, PluginCase *made) {
  const Plugin *p = r->plugin;
  const JsonValue *name = json_member(json, "name");
  *made = (PluginCase){.where = json_where(&r->file, json),
                       .rtol = json_member_number(json, "rtol", 1e-5),
                       .atol = json_member_number(json, "atol", 1e-6)};
  made->name = name ? arena_printf(r->arena, "case %zu '%s'", json->index, name->string)
                    : arena_printf(r->arena, "case %zu", json->index);
  made->inputs = ARENA_ARRAY(r->arena, const Tensor *, p->inputs.count + 1);
  made->outputs = ARENA_ARRAY(r->arena, const Tensor *, p->outputs.count + 1);
  bool ok = read_attrs(r, json, made);
  ok = read_tensors(r, json_member(json, "inputs"), "input", p->inputs.items, p->inputs.count,
                    made->inputs) &&
       ok;
  ok = check_inputs_there(r, json_member(json, "inputs")) && ok;
  return read_tensors(r, json_member(json, "outputs"), "output", p->outputs.items, p->outputs.count,
                      made->outputs) &&
         ok;
}

bool plugin_read_cases(PluginSet *set, const Plugin *plugin, PluginCases *cases) {
  const char *path = arena_printf(set->arena, "%s/cases.json", plugin->folder);
  Reader r = {.arena = set->arena, .plugin = plugin};
  bool ok = true;
  JsonFile schema;
  *cases = (PluginCases){0};
  if (access(path, F_OK) != 0) return true;
  if (!json_read(path, set->arena, set->diag, &r.file)) return false;
  if (!json_schema_check(schema_embedded("cases.schema.json", set->arena, set->diag, &schema),
                         &r.file, r.file.root))
    return false;
  const JsonValue *list = json_member(r.file.root, "cases");
  for (size_t i = 0; i < list->count; i++) {
    PluginCase made;
    ok = read_case(&r, list->items[i], &made) && ok;
    vec_push(set->arena, cases, made);
  }
  return ok;
}
