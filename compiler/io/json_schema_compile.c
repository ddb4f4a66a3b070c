/* json_schema_compile.c: a JSON Schema's text as a JsonSchema.
 *
 * A table tells for each keyword how its value is read and where the result goes. References are
 * resolved when everything else has been read, so that they may point forward, and to themselves.
 */
#include "io/json_schema_internal.h"

#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "io/json_pattern.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  JsonSchema *schema;
  const JsonValue *text; /* of the "$ref" */
} Reference;

typedef struct {
  const JsonFile *file;
  Arena *arena;
  Map schemas;                  /* JsonSchema by the address of its text, written in hexadecimal */
  Map anchors;                  /* JsonValue by name */
  Vec(const JsonSchema *) made; /* what is in `schemas`, in order */
  Vec(Reference) references;
  size_t pattern_count;
} Compiler;

/* Reads the value of a keyword of `schema` into its field. False: reported. */
typedef bool KeywordReader(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field);

static const JsonSchema *schema_at(Compiler *c, const JsonValue *value);

/* --- kinds of values --- */

static bool wants(Compiler *c, const JsonValue *value, JsonKind kind) {
  JsonValue wanted = {.kind = kind};
  return value->kind == kind || json_error(c->file, value, "expected %s, not %s",
                                           json_kind_name(&wanted), json_kind_name(value));
}

static bool keep(const JsonValue *value, void *field) {
  *(const JsonValue **)field = value;
  return true;
}

static bool read_any(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)c;
  (void)schema;
  return keep(value, field);
}

static bool read_array(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)schema;
  return wants(c, value, JSON_ARRAY) && keep(value, field);
}

static bool read_bool(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)schema;
  return wants(c, value, JSON_BOOL) && keep(value, field);
}

static bool read_number(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)schema;
  return wants(c, value, JSON_NUMBER) && keep(value, field);
}

static bool read_positive(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  if (!read_number(c, schema, value, field)) return false;
  return value->number > 0 || json_error(c->file, value, "must be more than 0");
}

static bool read_count(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  if (!read_number(c, schema, value, field)) return false;
  return (value->is_integer && value->integer >= 0) ||
         json_error(c->file, value, "must be a whole number from 0 on");
}

static bool wants_texts(Compiler *c, const JsonValue *list) {
  bool ok = wants(c, list, JSON_ARRAY);
  for (size_t i = 0; ok && i < list->count; i++) ok = wants(c, list->items[i], JSON_STRING);
  return ok;
}

static bool read_texts(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)schema;
  return wants_texts(c, value) && keep(value, field);
}

static bool read_text_lists(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)schema;
  bool ok = wants(c, value, JSON_OBJECT);
  for (size_t i = 0; ok && i < value->count; i++) ok = wants_texts(c, value->members[i].value);
  return ok && keep(value, field);
}

/* --- types --- */

static bool add_type(Compiler *c, const JsonValue *value, unsigned *types) {
  static const char *const names[] = {
      [JSON_NULL] = "null",       [JSON_BOOL] = "boolean", [JSON_NUMBER] = "number",
      [JSON_STRING] = "string",   [JSON_ARRAY] = "array",  [JSON_OBJECT] = "object",
      [JSON_INTEGER] = "integer",
  };
  enum { TYPES = sizeof names / sizeof *names };
  if (!wants(c, value, JSON_STRING)) return false;
  for (unsigned i = 0; i < TYPES; i++)
    if (strcmp(names[i], value->string) == 0) {
      *types |= 1u << i;
      return true;
    }
  return json_error(c->file, value, "%s is no type", json_show(c->arena, value));
}

/* A name or a list of them. */
static bool read_types(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)schema;
  if (value->kind != JSON_ARRAY) return add_type(c, value, field);
  bool ok = true;
  for (size_t i = 0; i < value->count; i++) ok = add_type(c, value->items[i], field) && ok;
  return ok;
}

/* --- patterns --- */

static const JsonPattern *compile_pattern(Compiler *c, const JsonValue *at, const char *text,
                                          size_t length) {
  const char *problem;
  JsonPattern *pattern = ARENA_NEW(c->arena, JsonPattern);
  *pattern = (JsonPattern){.source = text, .index = c->pattern_count++};
  pattern->posix = json_pattern_translate(c->arena, text, length, &problem);
  if (pattern->posix) return pattern;
  json_error(c->file, at, "the pattern %s cannot be used: %s",
             json_show_text(c->arena, text, length), problem);
  return NULL;
}

static bool read_pattern(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)schema;
  if (!wants(c, value, JSON_STRING)) return false;
  const JsonPattern *pattern = compile_pattern(c, value, value->string, value->length);
  *(const JsonPattern **)field = pattern;
  return pattern != NULL;
}

/* --- schemas in schemas --- */

static bool read_schema(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)schema;
  const JsonSchema *inner = schema_at(c, value);
  *(const JsonSchema **)field = inner;
  return inner != NULL;
}

static bool read_schemas(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)schema;
  if (!wants(c, value, JSON_ARRAY)) return false;
  if (!value->count) return json_error(c->file, value, "needs at least one schema");
  const JsonSchema **items = ARENA_ARRAY(c->arena, const JsonSchema *, value->count);
  bool ok = true;
  for (size_t i = 0; i < value->count; i++) ok = (items[i] = schema_at(c, value->items[i])) && ok;
  *(SchemaList *)field = (SchemaList){items, value->count};
  return ok;
}

static bool read_schema_map(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)schema;
  if (!wants(c, value, JSON_OBJECT)) return false;
  const JsonSchema **schemas = ARENA_ARRAY(c->arena, const JsonSchema *, value->count);
  bool ok = true;
  for (size_t i = 0; i < value->count; i++)
    ok = (schemas[i] = schema_at(c, value->members[i].value)) && ok;
  *(SchemaMap *)field = (SchemaMap){.object = value, .schemas = schemas};
  return ok;
}

static bool read_pattern_map(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  if (!read_schema_map(c, schema, value, field)) return false;
  const JsonPattern **patterns = ARENA_ARRAY(c->arena, const JsonPattern *, value->count);
  bool ok = true;
  for (size_t i = 0; i < value->count; i++) {
    const JsonMember *member = &value->members[i];
    patterns[i] = compile_pattern(c, member->value, member->key, member->key_length);
    ok = ok && patterns[i];
  }
  ((SchemaMap *)field)->patterns = patterns;
  return ok;
}

/* "$defs": its schemas are checked, and reached by references. */
static bool read_definitions(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)field;
  SchemaMap unused;
  return read_schema_map(c, schema, value, &unused);
}

/* --- names and references --- */

static bool read_reference(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)field;
  if (!wants(c, value, JSON_STRING)) return false;
  Reference reference = {schema, value};
  vec_push(c->arena, &c->references, reference);
  return true;
}

static bool read_anchor(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)field;
  if (!wants(c, value, JSON_STRING)) return false;
  if (map_get(&c->anchors, value->string))
    return json_error(c->file, value, "the anchor %s is there twice", json_show(c->arena, value));
  map_set(&c->anchors, value->string, (void *)schema->at);
  return true;
}

static bool read_id(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)field;
  if (!wants(c, value, JSON_STRING)) return false;
  return schema->at == c->file->root ||
         json_error(c->file, value, "only the root of a schema can have an '$id' here");
}

static bool read_title(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)schema;
  if (!wants(c, value, JSON_STRING)) return false;
  *(const char **)field = value->string;
  return true;
}

static bool refuse(Compiler *c, JsonSchema *schema, const JsonValue *value, void *field) {
  (void)schema;
  (void)field;
  return json_error(c->file, value, "the keyword '%s' is not supported", value->key);
}

/* --- the keywords --- */

#define FIELD(name) offsetof(JsonSchema, name)

/* Keywords that are not here say nothing about what is valid. */
static const struct {
  const char *name;
  KeywordReader *read;
  size_t field;
} keywords[] = {
    {"type", read_types, FIELD(types)},
    {"const", read_any, FIELD(constant)},
    {"enum", read_array, FIELD(choices)},
    {"minimum", read_number, FIELD(minimum)},
    {"maximum", read_number, FIELD(maximum)},
    {"exclusiveMinimum", read_number, FIELD(exclusive_minimum)},
    {"exclusiveMaximum", read_number, FIELD(exclusive_maximum)},
    {"multipleOf", read_positive, FIELD(multiple_of)},
    {"minLength", read_count, FIELD(min_length)},
    {"maxLength", read_count, FIELD(max_length)},
    {"pattern", read_pattern, FIELD(pattern)},
    {"prefixItems", read_schemas, FIELD(prefix_items)},
    {"items", read_schema, FIELD(items)},
    {"contains", read_schema, FIELD(contains)},
    {"minItems", read_count, FIELD(min_items)},
    {"maxItems", read_count, FIELD(max_items)},
    {"minContains", read_count, FIELD(min_contains)},
    {"maxContains", read_count, FIELD(max_contains)},
    {"uniqueItems", read_bool, FIELD(unique_items)},
    {"properties", read_schema_map, FIELD(properties)},
    {"patternProperties", read_pattern_map, FIELD(pattern_properties)},
    {"additionalProperties", read_schema, FIELD(additional_properties)},
    {"propertyNames", read_schema, FIELD(property_names)},
    {"required", read_texts, FIELD(required)},
    {"dependentRequired", read_text_lists, FIELD(dependent_required)},
    {"dependentSchemas", read_schema_map, FIELD(dependent_schemas)},
    {"minProperties", read_count, FIELD(min_properties)},
    {"maxProperties", read_count, FIELD(max_properties)},
    {"allOf", read_schemas, FIELD(all_of)},
    {"anyOf", read_schemas, FIELD(any_of)},
    {"oneOf", read_schemas, FIELD(one_of)},
    {"not", read_schema, FIELD(negated)},
    {"if", read_schema, FIELD(condition)},
    {"then", read_schema, FIELD(consequence)},
    {"else", read_schema, FIELD(otherwise)},
    {"title", read_title, FIELD(title)},
    {"$ref", read_reference, 0},
    {"$defs", read_definitions, 0},
    {"$anchor", read_anchor, 0},
    {"$id", read_id, 0},
    {"$dynamicRef", refuse, 0},
    {"$dynamicAnchor", refuse, 0},
    {"unevaluatedItems", refuse, 0},
    {"unevaluatedProperties", refuse, 0},
};

static bool read_keywords(Compiler *c, JsonSchema *schema) {
  bool ok = true;
  for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
    const JsonValue *value = json_member(schema->at, keywords[i].name);
    if (value) ok = keywords[i].read(c, schema, value, (char *)schema + keywords[i].field) && ok;
  }
  return ok;
}

/* The schema that is written at `value`; each is made once. */
static const JsonSchema *schema_at(Compiler *c, const JsonValue *value) {
  char *address = arena_printf(c->arena, "%p", (const void *)value);
  JsonSchema *schema = map_get(&c->schemas, address);
  if (schema) return schema;
  if (value->kind != JSON_OBJECT && value->kind != JSON_BOOL) {
    json_error(c->file, value, "expected a schema, not %s", json_kind_name(value));
    return NULL;
  }
  schema = ARENA_NEW(c->arena, JsonSchema);
  schema->at = value;
  schema->never = value->kind == JSON_BOOL && !value->boolean;
  map_set(&c->schemas, address, schema);
  vec_push(c->arena, &c->made, schema);
  return value->kind == JSON_BOOL || read_keywords(c, schema) ? schema : NULL;
}

/* --- resolving references --- */

/* One step of a JSON pointer, decoded: "%25" is "%" (it stands in a URI), "~1" is "/", "~0" is "~".
 * `*at` goes to the next '/' or the end. */
static char *pointer_step(Arena *arena, const char **at) {
  Str text = str_in(arena);
  const char *p = *at;
  for (; *p && *p != '/'; p++) {
    char c = *p;
    if (c == '%' && strspn(p + 1, "0123456789abcdefABCDEF") >= 2) {
      const char digits[] = {p[1], p[2], 0};
      c = (char)strtol(digits, NULL, 16);
      p += 2;
    }
    if (c == '~' && (p[1] == '0' || p[1] == '1')) c = *++p == '0' ? '~' : '/';
    str_add_n(&text, &c, 1);
  }
  *at = p;
  return arena_strdup(arena, str_text(&text));
}

static const JsonValue *item_of(const JsonValue *array, const char *step) {
  size_t index = 0;
  for (const char *p = step; *p; p++) {
    if (*p < '0' || *p > '9' || index > array->count) return NULL;
    index = index * 10 + (size_t)(*p - '0');
  }
  return *step && index < array->count ? array->items[index] : NULL;
}

/* What a JSON pointer ("/$defs/size") leads to, or NULL. */
static const JsonValue *follow_pointer(Compiler *c, const char *pointer) {
  const JsonValue *value = c->file->root;
  while (value && *pointer == '/') {
    pointer++;
    const char *step = pointer_step(c->arena, &pointer);
    value = value->kind == JSON_ARRAY ? item_of(value, step) : json_member(value, step);
  }
  return value;
}

/* What "#", "#/…" or "#anchor" means, also behind the root's "$id"; NULL if it is not there. */
static const JsonValue *find_target(Compiler *c, const char *text) {
  const JsonValue *id = json_member(c->file->root, "$id");
  if (id && strncmp(text, id->string, id->length) == 0 && strchr("#", text[id->length]))
    text += id->length;
  if (!*text) return c->file->root;
  if (*text != '#') return NULL;
  text++;
  return *text && *text != '/' ? map_get(&c->anchors, text) : follow_pointer(c, text);
}

/* More may be added while it goes on: targets may stand where no keyword leads. */
static bool resolve_references(Compiler *c) {
  bool ok = true;
  for (size_t i = 0; i < c->references.count; i++) {
    Reference reference = c->references.items[i];
    const JsonValue *target = find_target(c, reference.text->string);
    if (target)
      reference.schema->reference = schema_at(c, target);
    else
      json_error(c->file, reference.text, "%s leads nowhere in this schema",
                 json_show(c->arena, reference.text));
    ok = ok && reference.schema->reference;
  }
  return ok;
}

/* --- circles --- */

enum { IN_PLACE_DEPTH = 1000 }; /* schemas applied to one value, one within the other */
enum { NEW, OPEN, DONE };       /* JsonSchema.search */

static bool leads_back(Compiler *c, const JsonSchema *schema, int depth);

static bool any_leads_back(Compiler *c, SchemaList list, int depth) {
  bool found = false;
  for (size_t i = 0; i < list.count; i++) found = leads_back(c, list.items[i], depth) || found;
  return found;
}

/* Whether checking a value by `schema` would check the same value by it again, without end. */
static bool leads_back(Compiler *c, const JsonSchema *schema, int depth) {
  if (!schema || schema->search == DONE) return false;
  if (schema->search == OPEN || depth > IN_PLACE_DEPTH) {
    json_error(c->file, schema->at, "the schema applies itself to the same value again, or nearly");
    return true;
  }
  JsonSchema *open = (JsonSchema *)schema;
  const JsonSchema *single[] = {schema->reference, schema->negated, schema->condition,
                                schema->consequence, schema->otherwise};
  SchemaList dependent = {schema->dependent_schemas.schemas, 0};
  if (schema->dependent_schemas.object) dependent.count = schema->dependent_schemas.object->count;
  open->search = OPEN;
  depth++;
  bool found = any_leads_back(c, (SchemaList){single, sizeof single / sizeof *single}, depth);
  found = any_leads_back(c, schema->all_of, depth) || found;
  found = any_leads_back(c, schema->any_of, depth) || found;
  found = any_leads_back(c, schema->one_of, depth) || found;
  found = any_leads_back(c, dependent, depth) || found;
  open->search = DONE;
  return found;
}

static bool has_circles(Compiler *c) {
  bool found = false;
  for (size_t i = 0; i < c->made.count; i++) found = leads_back(c, c->made.items[i], 0) || found;
  return found;
}

/* --- the whole --- */

const JsonSchema *json_schema_compile(const JsonFile *file) {
  Compiler c = {.file = file, .arena = file->arena};
  c.schemas = map_in(file->arena);
  c.anchors = map_in(file->arena);
  const JsonSchema *root = schema_at(&c, file->root);
  if (!root || !resolve_references(&c) || has_circles(&c)) return NULL;
  ((JsonSchema *)root)->pattern_count = c.pattern_count;
  return root;
}
