/* descriptor.c: layer.json as a Plugin: what the schema cannot say is checked here. */
#include "plugins/descriptor.h"

#include "io/json_attr.h"
#include "io/schemas.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* --- values --- */

/* Items of a list that may be left out. */
static size_t list_count(const JsonValue *list) {
  return list ? list->count : 0;
}

/* --- names --- */

static bool is_identifier(const char *text) {
  if (!isalpha((unsigned char)*text) && *text != '_') return false;
  while (isalnum((unsigned char)*text) || *text == '_') text++;
  return *text == '\0';
}

/* What C, expressions and kernels mean by themselves. */
static bool is_reserved(const char *name) {
  static const char *const words[] = {"first", "last",    "part",   "operands", "rest", "min",
                                      "max",   "ceildiv", "double", "float",    "int",  "void",
                                      "const", "static",  "for",    "if",       "else", "return",
                                      "while", "do",      "char",   "long",     "short"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(words[i], name) == 0) return true;
  return false;
}

/* All names of a descriptor may be parameters of the kernel: each stands for one thing. */
static bool take_name(Reader *r, const JsonValue *at, const char *name) {
  const JsonValue *other = map_get(&r->taken, name);
  if (is_reserved(name)) return json_error(r->file, at, "the name '%s' is reserved", name);
  if (other) {
    json_error(r->file, at, "the name '%s' is used twice", name);
    return diag_note(r->file->diag, "the other one is at %s", json_where(r->file, other));
  }
  map_set(&r->taken, name, (void *)(uintptr_t)at);
  return true;
}

/* Gives expressions a name; its position. */
static int add_name(Reader *r, const JsonValue *at, const char *name, bool is_list) {
  ExpressionName made = {name, is_list};
  vec_push(r->arena, &r->plugin->names, made);
  vec_push(r->arena, &r->places, at);
  return (int)r->plugin->names.count - 1;
}

static bool knows_name(const Reader *r, const char *name) {
  for (size_t i = 0; i < r->plugin->names.count; i++)
    if (strcmp(r->plugin->names.items[i].name, name) == 0) return true;
  return false;
}

/* --- expressions --- */

static bool expression_error(Reader *r, const JsonValue *at, const char *text,
                             const ExpressionError *error) {
  json_error(r->file, at, "'%s': %s (character %zu)", text, error->message, error->at + 1);
  return diag_did_you_mean(r->file->diag, error->near);
}

/* NULL after an error. */
static const Expression *read_expression(Reader *r, const JsonValue *json) {
  ExpressionError error;
  ExpressionNames names = {r->plugin->names.items, r->plugin->names.count};
  bool number = json->kind == JSON_NUMBER;
  if (number && !json->is_integer) {
    json_error(r->file, json, "the number does not fit into 64 bits");
    return NULL;
  }
  const char *text =
      number ? arena_printf(r->arena, "%lld", (long long)json->integer) : json->string;
  const Expression *made =
      expression_parse(r->arena, text, number ? strlen(text) : json->length, names, &error);
  if (!made) expression_error(r, json, text, &error);
  return made;
}

const Expression *read_expression_member(Reader *r, const JsonValue *object, const char *key,
                                         bool *ok) {
  const JsonValue *json = object ? json_member(object, key) : NULL;
  const Expression *made = json ? read_expression(r, json) : NULL;
  if (json && !made) *ok = false;
  return made;
}

/* --- types --- */

static DType dtype_by_name(const char *name) {
  for (int i = 1; i < DT_COUNT; i++) {
    const DTypeInfo *info = dtype_info((DType)i);
    if (info->kind != KIND_OTHER && strcmp(info->name, name) == 0) return (DType)i;
  }
  return DT_NONE;
}

static bool read_types(Reader *r, const JsonValue *root) {
  const JsonValue *dtypes = json_member(root, "dtypes");
  bool ok = true;
  for (size_t i = 0; i < (dtypes ? dtypes->count : 0); i++) {
    const JsonMember *member = &dtypes->members[i];
    PluginType type = {.name = member->key};
    if (dtype_by_name(type.name) != DT_NONE)
      ok = json_error(r->file, member->value, "'%s' is an element type, not a variable", type.name);
    for (size_t k = 0; k < member->value->count; k++)
      vec_push(r->arena, &type.dtypes, dtype_by_name(member->value->items[k]->string));
    vec_push(r->arena, &r->plugin->types, type);
  }
  if (dtypes && dtypes->count > PLUGIN_TYPES)
    ok = json_error(r->file, dtypes, "more than %d type variables", PLUGIN_TYPES);
  return ok;
}

/* A type variable, or an element type. */
static bool read_type(Reader *r, const JsonValue *object, int *type, DType *dtype) {
  const JsonValue *json = json_member(object, "dtype");
  Vec(const char *) names = {0};
  *type = -1;
  *dtype = dtype_by_name(json->string);
  for (size_t i = 0; i < r->plugin->types.count; i++) {
    if (strcmp(r->plugin->types.items[i].name, json->string) == 0) *type = (int)i;
    vec_push(r->arena, &names, r->plugin->types.items[i].name);
  }
  if (*type >= 0 || *dtype != DT_NONE) return true;
  for (int i = 1; i < DT_COUNT; i++)
    if (dtype_info((DType)i)->kind != KIND_OTHER)
      vec_push(r->arena, &names, dtype_info((DType)i)->name);
  json_error(r->file, json, "'%s' is neither an element type nor one of dtypes", json->string);
  return diag_suggest(r->file->diag, json->string, names.items, names.count);
}

/* Inputs tell what the variables stand for: each must be that of one that is always there. */
static bool check_types_known(Reader *r, const JsonValue *root) {
  bool ok = true;
  for (size_t t = 0; t < r->plugin->types.count; t++) {
    bool known = false;
    for (size_t i = 0; i < r->plugin->inputs.count; i++) {
      const PluginTensor *input = &r->plugin->inputs.items[i];
      known = known || (input->type == (int)t && !input->optional);
    }
    if (!known)
      ok = json_error(r->file, json_member(root, "dtypes")->members[t].value,
                      "no input that is always there is of type '%s'",
                      r->plugin->types.items[t].name);
  }
  return ok;
}

/* --- attributes --- */

static const struct {
  const char *type;
  AttrKind kind;
  JsonKind json; /* of the value, or of an element of the list */
  const char *wanted;
} attr_types[] = {
    {"bool", ATTR_INT, JSON_BOOL, "true or false"},
    {"int", ATTR_INT, JSON_NUMBER, "an integer"},
    {"float", ATTR_FLOAT, JSON_NUMBER, "a number"},
    {"string", ATTR_STRING, JSON_STRING, "a text"},
    {"ints", ATTR_INTS, JSON_NUMBER, "a list of integers"},
    {"floats", ATTR_FLOATS, JSON_NUMBER, "a list of numbers"},
};
enum { ATTR_TYPES = sizeof attr_types / sizeof *attr_types };

static int attr_type(const char *text) {
  int i = 0;
  while (i < ATTR_TYPES - 1 && strcmp(attr_types[i].type, text) != 0) i++;
  return i;
}

static bool is_list(AttrKind kind) {
  return kind == ATTR_INTS || kind == ATTR_FLOATS;
}

/* Whether `json` is a value of the type, or an element of a list. */
static bool fits_type(int type, const JsonValue *json) {
  bool whole = attr_types[type].kind == ATTR_INT || attr_types[type].kind == ATTR_INTS;
  if (json->kind != attr_types[type].json) return false;
  return json->kind != JSON_NUMBER || !whole || json->is_integer;
}

static bool in_choices(const JsonValue *choices, const JsonValue *value) {
  for (size_t i = 0; i < choices->count; i++)
    if (json_equal(choices->items[i], value)) return true;
  return false;
}

/* One number or text of a value; `what` it is. */
static bool check_element(Reader *r, const PluginAttr *attr, int type, const JsonValue *json,
                          const char *what) {
  if (!fits_type(type, json))
    return json_error(r->file, json, "%s of '%s' must be %s", what, attr->name,
                      attr_types[type].wanted);
  if (json->kind == JSON_NUMBER && (json->number < attr->minimum || json->number > attr->maximum))
    return json_error(r->file, json, "%s of '%s' is outside of its range", what, attr->name);
  if (attr->choices && !in_choices(attr->choices, json))
    return json_error(r->file, json, "%s of '%s' is none of its values", what, attr->name);
  return true;
}

bool read_attr_value(Reader *r, const PluginAttr *attr, const JsonValue *json, const char *what,
                     Attr *made) {
  int type = attr_type(attr->type);
  bool ok = true;
  *made = (Attr){.name = attr->name, .kind = attr->kind, .count = 1};
  if (is_list(attr->kind) != (json->kind == JSON_ARRAY))
    return json_error(r->file, json, "%s of '%s' must be %s", what, attr->name,
                      attr_types[type].wanted);
  if (!is_list(attr->kind)) ok = check_element(r, attr, type, json, what);
  for (size_t i = 0; is_list(attr->kind) && i < json->count; i++)
    ok = check_element(r, attr, type, json->items[i], what) && ok;
  if (ok) *made = json_attr(r->arena, attr->name, attr->kind, json);
  return ok;
}

static bool read_default(Reader *r, PluginAttr *attr) {
  const JsonValue *json = json_member(attr->json, "default");
  attr->required = !json;
  attr->missing = (Attr){.name = attr->name, .kind = attr->kind, .count = 1};
  return !json || read_attr_value(r, attr, json, "the default", &attr->missing);
}

/* A text reaches the kernel as a position among the choices. */
static bool check_choices(Reader *r, const PluginAttr *attr, int type) {
  bool ok = true;
  if (attr->kind == ATTR_STRING && !attr->choices)
    return json_error(r->file, attr->json, "'%s' is a string: it needs an 'enum' of its values",
                      attr->name);
  for (size_t i = 0; attr->choices && i < attr->choices->count; i++)
    if (!fits_type(type, attr->choices->items[i]))
      ok = json_error(r->file, attr->choices->items[i], "a value of '%s' must be %s", attr->name,
                      attr_types[type].wanted);
  return ok;
}

static bool read_attribute(Reader *r, const JsonValue *json) {
  const JsonValue *name = json_member(json, "name");
  int type = attr_type(json_member_text(json, "type", ""));
  PluginAttr attr = {.name = name->string,
                     .json = json,
                     .type = attr_types[type].type,
                     .kind = attr_types[type].kind,
                     .is_bool = attr_types[type].json == JSON_BOOL,
                     .minimum = json_member_number(json, "minimum", -INFINITY),
                     .maximum = json_member_number(json, "maximum", INFINITY),
                     .choices = json_member(json, "enum"),
                     .value = -1,
                     .count = -1};
  bool ok = take_name(r, name, attr.name);
  if (ok && attr.kind != ATTR_FLOAT && attr.kind != ATTR_FLOATS)
    attr.value = add_name(r, name, attr.name, attr.kind == ATTR_INTS);
  if (ok && is_list(attr.kind)) {
    const char *count = arena_printf(r->arena, "%s_count", attr.name);
    ok = take_name(r, name, count);
    attr.count = add_name(r, name, count, false);
  }
  ok = check_choices(r, &attr, type) && ok;
  ok = read_default(r, &attr) && ok;
  vec_push(r->arena, &r->plugin->attrs, attr);
  return ok;
}

/* --- shapes --- */

static bool is_rest(const JsonValue *json) {
  return json->kind == JSON_STRING && strcmp(json->string, "...") == 0;
}

/* Names that stand alone in a shape of an input and mean nothing yet are dimensions. */
static bool collect_dims(Reader *r, const JsonValue *inputs, bool *has_rest) {
  bool ok = true;
  for (size_t i = 0; i < inputs->count; i++) {
    const JsonValue *shape = json_member(inputs->items[i], "shape");
    if (json_member_flag(inputs->items[i], "any_shape")) continue;
    for (size_t d = 0; d < shape->count; d++) {
      const JsonValue *json = shape->items[d];
      *has_rest = *has_rest || is_rest(json);
      if (json->kind != JSON_STRING || !is_identifier(json->string)) continue;
      if (knows_name(r, json->string)) continue;
      ok = take_name(r, json, json->string) && ok;
      add_name(r, json, json->string, false);
    }
  }
  return ok;
}

bool read_shape(Reader *r, const JsonValue *json, PluginTensor *tensor, bool binds) {
  bool ok = true;
  tensor->rank = (int)json->count;
  tensor->rest = -1;
  tensor->shape = ARENA_ARRAY(r->arena, PluginDim, json->count + 1);
  for (int d = 0; d < tensor->rank; d++) {
    PluginDim *dim = &tensor->shape[d];
    const JsonValue *entry = json->items[d];
    *dim = (PluginDim){.is_rest = is_rest(entry), .binds = -1};
    if (dim->is_rest) {
      if (tensor->rest >= 0) ok = json_error(r->file, entry, "a shape has one \"...\" at most");
      if (r->plugin->rest < 0)
        ok = json_error(r->file, entry, "no input says what \"...\" stands for");
      tensor->rest = d;
      continue;
    }
    dim->value = read_expression(r, entry);
    ok = dim->value && ok;
    int name = dim->value ? expression_name(dim->value) : -1;
    if (binds && name >= (int)r->first_dim && name < (int)r->last_dim) dim->binds = name;
  }
  return ok;
}

static bool read_tensor(Reader *r, const JsonValue *json, bool is_input, PluginTensor *tensor) {
  const JsonValue *name = json_member(json, "name");
  *tensor = (PluginTensor){.name = name->string,
                           .json = json,
                           .parameter = json_member_flag(json, "parameter"),
                           .optional = json_member_flag(json, "optional"),
                           .any_shape = json_member_flag(json, "any_shape")};
  bool ok = take_name(r, name, tensor->name);
  ok = read_type(r, json, &tensor->type, &tensor->dtype) && ok;
  return read_shape(r, json_member(json, "shape"), tensor, is_input && !tensor->any_shape) && ok;
}

/* "..." must be known when optional inputs are left out. */
static bool check_rest_known(Reader *r) {
  bool rest = r->plugin->rest < 0;
  for (size_t i = 0; i < r->plugin->inputs.count; i++) {
    const PluginTensor *input = &r->plugin->inputs.items[i];
    rest = rest || (!input->optional && !input->any_shape && input->rest >= 0);
  }
  return rest || json_error(r->file, r->places.items[r->plugin->rest],
                            "only optional inputs say what \"...\" stands for");
}

/* Names of dimensions, of the product of "...", and of sizes, in the order in which they are known.
 */
static bool read_names(Reader *r, const JsonValue *root) {
  Plugin *p = r->plugin;
  const JsonValue *inputs = json_member(root, "inputs"), *sizes = json_member(root, "sizes");
  bool has_rest = false, ok;
  p->rest = p->rest_short = -1;
  r->first_dim = p->names.count;
  ok = collect_dims(r, inputs, &has_rest);
  r->last_dim = p->names.count;
  if (has_rest) p->rest = add_name(r, inputs, "rest", false);
  if (has_rest && !knows_name(r, "S")) p->rest_short = add_name(r, inputs, "S", false);
  for (size_t i = 0; i < list_count(sizes); i++) {
    const JsonValue *name = json_member(sizes->items[i], "name");
    PluginSize size = {.value = read_expression_member(r, sizes->items[i], "value", &ok)};
    ok = take_name(r, name, name->string) && ok;
    size.name = add_name(r, name, name->string, false);
    vec_push(r->arena, &p->sizes, size);
  }
  return ok;
}

static bool read_tensors(Reader *r, const JsonValue *root) {
  const JsonValue *inputs = json_member(root, "inputs"), *outputs = json_member(root, "outputs");
  PluginTensor tensor;
  bool ok = true;
  for (size_t i = 0; i < inputs->count; i++) {
    ok = read_tensor(r, inputs->items[i], true, &tensor) && ok;
    vec_push(r->arena, &r->plugin->inputs, tensor);
  }
  for (size_t i = 0; i < outputs->count; i++) {
    ok = read_tensor(r, outputs->items[i], false, &tensor) && ok;
    vec_push(r->arena, &r->plugin->outputs, tensor);
  }
  return ok;
}

/* --- the rest --- */

static bool read_scratch(Reader *r, const JsonValue *root) {
  const JsonValue *list = json_member(root, "scratch");
  bool ok = true;
  for (size_t i = 0; i < list_count(list); i++) {
    const JsonValue *json = list->items[i], *name = json_member(json, "name");
    PluginScratch scratch = {.name = name->string, .json = json};
    ok = take_name(r, name, scratch.name) && ok;
    ok = read_type(r, json, &scratch.type, &scratch.dtype) && ok;
    scratch.count = read_expression_member(r, json, "count", &ok);
    vec_push(r->arena, &r->plugin->scratch, scratch);
  }
  return ok;
}

static bool read_checks(Reader *r, const JsonValue *root) {
  const JsonValue *list = json_member(root, "checks");
  bool ok = true;
  for (size_t i = 0; i < list_count(list); i++) {
    PluginCheck check = {.condition = read_expression_member(r, list->items[i], "condition", &ok),
                         .message = json_member_text(list->items[i], "message", "")};
    vec_push(r->arena, &r->plugin->checks, check);
  }
  return ok;
}

/* --- elementwise layers --- */

/* The entry of the output's shape that entry `d` of an input's shape is, or -1. */
static int output_entry(const Plugin *p, const PluginDim *dim) {
  const PluginTensor *output = &p->outputs.items[0];
  for (int d = 0; d < output->rank; d++) {
    const PluginDim *other = &output->shape[d];
    bool known = (dim->is_rest || dim->value) && (other->is_rest || other->value);
    if (known && plugin_same_entry(dim, other)) return d;
  }
  return -1;
}

/* The dims of each input are dims of the output, in the same order. */
static bool check_aligned(Reader *r, const PluginTensor *input) {
  int last = -1;
  for (int d = 0; d < input->rank; d++) {
    int entry = output_entry(r->plugin, &input->shape[d]);
    if (entry <= last)
      return json_error(r->file, json_member(input->json, "shape")->items[d],
                        "an elementwise layer takes dimensions of its output, in their order");
    last = entry;
  }
  return true;
}

static bool check_elementwise(Reader *r, const JsonValue *root) {
  static const char *const needless[] = {"scratch", "units"};
  Plugin *p = r->plugin;
  bool ok = true;
  if (!p->elementwise) return true;
  if (p->outputs.count != 1)
    return json_error(r->file, json_member(root, "outputs"),
                      "an elementwise layer has exactly one output");
  for (size_t i = 0; i < sizeof needless / sizeof *needless; i++)
    if (json_member(root, needless[i]))
      ok = json_error(r->file, json_member(root, needless[i]), "an elementwise layer has no %s",
                      needless[i]);
  for (size_t i = 0; i < p->inputs.count; i++) {
    if (p->inputs.items[i].any_shape)
      ok = json_error(r->file, p->inputs.items[i].json,
                      "an elementwise layer has no inputs of any shape");
    if (p->inputs.items[i].optional)
      ok = json_error(r->file, p->inputs.items[i].json,
                      "an elementwise layer has no optional inputs");
    ok = check_aligned(r, &p->inputs.items[i]) && ok;
  }
  return ok;
}

/* --- the whole file --- */

static const char *lower_case(Arena *arena, const char *text) {
  char *copy = arena_strdup(arena, text);
  for (char *at = copy; *at; at++) *at = (char)tolower((unsigned char)*at);
  return copy;
}

static bool check_identity(Reader *r, const JsonValue *root) {
  Plugin *p = r->plugin;
  const JsonValue *name = json_member(root, "name"), *domain = json_member(root, "domain");
  if (p->descriptor_text) return true; /* of layers/: it is there already */
  if (strcmp(p->prefix, "ctc") == 0)
    return json_error(r->file, name, "the name '%s' is reserved", p->name);
  if (strcmp(p->domain, INTERNAL_DOMAIN) == 0 || strncmp(p->domain, "ai.onnx", 7) == 0) {
    json_error(r->file, domain ? domain : root, "the domain '%s' is reserved", p->domain);
    return diag_hint(r->file->diag, "to compute an operator of ONNX, use 'replaces'");
  }
  const OpDef *there = op_find(p->domain, p->name);
  if (!there || there->flags & OP_LAYER) return true;
  json_error(r->file, name, "ctc has an operator %s of %s already", p->name, p->domain);
  return diag_hint(r->file->diag, "to compute it in another way, use 'replaces' and another name");
}

/* NULL if there are none. */
static const char *const *read_includes(Arena *arena, const JsonValue *list) {
  if (!list_count(list)) return NULL;
  const char **includes = ARENA_ARRAY(arena, const char *, list->count + 1);
  for (size_t i = 0; i < list->count; i++) includes[i] = list->items[i]->string;
  return includes;
}

static bool read_plugin(Reader *r, const JsonValue *root) {
  Plugin *p = r->plugin;
  const JsonValue *attrs = json_member(root, "attributes"), *cost = json_member(root, "cost");
  p->name = json_member_text(root, "name", "");
  p->prefix = p->stem = lower_case(r->arena, p->name);
  p->domain = json_member_text(root, "domain", "ctc.layers");
  p->summary = json_member_text(root, "summary", "");
  p->version = (int)json_member_number(root, "version", 1);
  p->elementwise = json_member_flag(root, "elementwise");
  p->includes = read_includes(r->arena, json_member(root, "includes"));
  bool ok = check_identity(r, root);
  ok = read_types(r, root) && ok;
  for (size_t i = 0; i < list_count(attrs); i++) ok = read_attribute(r, attrs->items[i]) && ok;
  ok = read_names(r, root) && ok;
  ok = read_tensors(r, root) && ok;
  ok = read_scratch(r, root) && ok;
  ok = read_checks(r, root) && ok;
  p->units = read_expression_member(r, root, "units", &ok);
  p->flops = read_expression_member(r, cost, "flops", &ok);
  if (!ok) return false; /* what follows would only repeat it */
  ok = check_types_known(r, root);
  ok = check_rest_known(r) && ok;
  ok = plugin_read_patterns(r, json_member(root, "replaces")) && ok;
  return check_elementwise(r, root) && ok;
}

/* The compiled schema; there is one a set of plugins. */
static const JsonSchema *layer_schema(PluginSet *set) {
  if (!set->schema)
    set->schema = schema_embedded("layer.schema.json", set->arena, set->diag,
                                  ARENA_NEW(set->arena, JsonFile));
  return set->schema;
}

bool plugin_read_descriptor(PluginSet *set, Plugin *plugin) {
  const char *path = arena_printf(set->arena, "%s/layer.json", plugin->folder);
  const char *text = plugin->descriptor_text;
  if (text ? !json_parse(path, text, strlen(text), set->arena, set->diag, &plugin->file)
           : !json_read(path, set->arena, set->diag, &plugin->file))
    return false;
  Reader r = {.set = set,
              .plugin = plugin,
              .arena = set->arena,
              .file = &plugin->file,
              .taken = map_in(set->arena)};
  const JsonValue *root = plugin->file.root;
  return json_schema_check(layer_schema(set), &plugin->file, root) && read_plugin(&r, root);
}
