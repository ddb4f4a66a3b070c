/* json_schema_check.c: whether a JSON value is as a schema wants it, and what is wrong if not.
 *
 * A check is silent while it only tries (the branches of anyOf, a condition): it ends at the first
 * problem then. Problems of the other checks are collected and told in the order of the text. */
#include "io/json_schema_internal.h"

#include "base/str.h"
#include "base/vec.h"

#include <float.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* After as many the check goes on silently, and so ends soon. */
enum { MOST_PROBLEMS = 1000 };

/* Schemas that refer to schemas can mean a number of checks that doubles with each: at most as many
 * for a value, and for the whole. */
enum { CHECKS_A_VALUE = 1000, CHECKS_FREE = 100000 };

typedef struct {
  const JsonValue *value;
  int line, column; /* of the value or its key */
  size_t order;     /* in which it was found */
  const char *message;
} Problem;

typedef struct {
  const JsonFile *file;
  Arena *arena;
  size_t checks, most_checks; /* done so far; beyond the most all fail at once */
  bool silent;
  Vec(Problem) problems;
  regex_t *patterns; /* by JsonPattern.index, compiled when first needed, freed at the end */
  bool *compiled;
} Check;

typedef bool Part(Check *c, const JsonSchema *schema, const JsonValue *value);

static bool check(Check *c, const JsonSchema *schema, const JsonValue *value);

/* --- problems --- */

static bool problem_in(Check *c, const JsonValue *value, int line, int column, const char *format,
                       va_list args) {
  if (c->silent) return false;
  Problem problem = {.value = value, .line = line, .column = column, .order = c->problems.count};
  problem.message = arena_vprintf(c->arena, format, args);
  vec_push(c->arena, &c->problems, problem);
  c->silent = c->problems.count >= MOST_PROBLEMS;
  return false;
}

/* All return false. */
static bool problem(Check *c, const JsonValue *value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool problem(Check *c, const JsonValue *value, const char *format, ...) {
  va_list args;
  va_start(args, format);
  problem_in(c, value, value->line, value->column, format, args);
  va_end(args);
  return false;
}

static bool key_problem(Check *c, const JsonMember *member, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool key_problem(Check *c, const JsonMember *member, const char *format, ...) {
  va_list args;
  va_start(args, format);
  problem_in(c, member->value, member->line, member->column, format, args);
  va_end(args);
  return false;
}

static bool missing_key(Check *c, const JsonValue *object, const char *key) {
  return problem(c, object, "the key \"%s\" is missing", key);
}

/* Nobody reads more suggestions than errors, and each takes time. */
static const char *suggestion(Check *c, const char *word, const char *const *names, size_t count) {
  if (c->silent || c->problems.count >= DIAG_LIMIT) return "";
  const char *near = str_nearest(word, names, count);
  return near ? arena_printf(c->arena, ": did you mean \"%s\"?", near) : "";
}

/* Tries without telling problems. */
static bool holds(Check *c, const JsonSchema *schema, const JsonValue *value) {
  bool silent = c->silent;
  c->silent = true;
  bool ok = check(c, schema, value);
  c->silent = silent;
  return ok;
}

/* --- what a schema wants, in words --- */

/* Adds `item` and what separates it from those before: "a, b or c". */
static void add_alternative(Str *str, size_t index, size_t count, const char *item) {
  if (index) str_add(str, index + 1 < count ? ", " : " or ");
  str_add(str, item);
}

static const char *types_in_words(Check *c, unsigned types) {
  static const char *const names[] = {"null",     "a boolean", "a number",  "a string",
                                      "an array", "an object", "an integer"};
  Str words = str_in(c->arena);
  size_t count = (size_t)__builtin_popcount(types), index = 0;
  for (unsigned i = 0; i <= JSON_INTEGER; i++)
    if (types >> i & 1) add_alternative(&words, index++, count, names[i]);
  return str_text(&words);
}

static const char *choices_in_words(Check *c, const JsonValue *choices) {
  enum { LISTED = 8 };
  if (choices->count > LISTED) return arena_printf(c->arena, "one of %zu values", choices->count);
  Str words = str_in(c->arena);
  for (size_t i = 0; i < choices->count; i++)
    add_alternative(&words, i, choices->count, json_show(c->arena, choices->items[i]));
  return str_text(&words);
}

/* NULL: nothing short can be said. */
static const char *in_words(Check *c, const JsonSchema *schema) {
  if (schema->title) return schema->title;
  if (schema->constant) return json_show(c->arena, schema->constant);
  if (schema->choices) return choices_in_words(c, schema->choices);
  if (schema->types) return types_in_words(c, schema->types);
  return schema->reference ? in_words(c, schema->reference) : NULL;
}

static const char *alternatives_in_words(Check *c, const SchemaList *list) {
  Str words = str_in(c->arena);
  for (size_t i = 0; i < list->count; i++) {
    const char *one = in_words(c, list->items[i]);
    if (!one) return NULL;
    add_alternative(&words, i, list->count, one);
  }
  return str_text(&words);
}

/* --- any value --- */

/* A number of at least 2^63 has no int64_t but is whole. */
static bool fits_types(unsigned types, const JsonValue *value) {
  if (types >> value->kind & 1) return true;
  bool whole = value->kind == JSON_NUMBER && (value->is_integer || fabs(value->number) >= 0x1p63);
  return whole && types >> JSON_INTEGER & 1;
}

static bool check_type(Check *c, const JsonSchema *schema, const JsonValue *value) {
  if (!schema->types || fits_types(schema->types, value)) return true;
  if (c->silent) return false;
  return problem(c, value, "expected %s, not %s", types_in_words(c, schema->types),
                 json_show(c->arena, value));
}

/* The texts among `values`. */
static size_t texts_of(Check *c, const JsonValue *values, const char ***texts) {
  size_t count = 0;
  *texts = ARENA_ARRAY(c->arena, const char *, values->count);
  for (size_t i = 0; i < values->count; i++)
    if (values->items[i]->kind == JSON_STRING) (*texts)[count++] = values->items[i]->string;
  return count;
}

static bool check_choices(Check *c, const JsonSchema *schema, const JsonValue *value) {
  const char **texts;
  const JsonValue *choices = schema->choices;
  if (!choices) return true;
  for (size_t i = 0; i < choices->count; i++)
    if (json_equal(choices->items[i], value)) return true;
  if (c->silent) return false;
  size_t count = texts_of(c, choices, &texts);
  return problem(c, value, "expected %s, not %s%s", choices_in_words(c, choices),
                 json_show(c->arena, value),
                 value->kind == JSON_STRING ? suggestion(c, value->string, texts, count) : "");
}

static bool check_constant(Check *c, const JsonSchema *schema, const JsonValue *value) {
  if (!schema->constant || json_equal(schema->constant, value)) return true;
  if (c->silent) return false;
  return problem(c, value, "expected %s, not %s", json_show(c->arena, schema->constant),
                 json_show(c->arena, value));
}

/* --- numbers and counts --- */

/* As numbers, whole ones exactly. */
static int compare(const JsonValue *a, const JsonValue *b) {
  if (a->is_integer && b->is_integer) return json_compare(a, b);
  return a->number < b->number ? -1 : a->number > b->number;
}

/* Decimal fractions have no exact float64: 0.0075 / 0.0001 is 75.00000000000001. */
static bool is_multiple(const JsonValue *value, const JsonValue *of) {
  if (value->is_integer && of->is_integer) return value->integer % of->integer == 0;
  double quotient = value->number / of->number;
  if (!isfinite(quotient)) return fmod(value->number, of->number) == 0;
  return fabs(quotient - rint(quotient)) <= 4 * DBL_EPSILON * fabs(quotient);
}

static bool check_number(Check *c, const JsonSchema *schema, const JsonValue *value) {
  const struct {
    const JsonValue *bound;
    int least, most; /* results of compare(value, bound) that are fine */
    const char *words;
  } limits[] = {
      {schema->minimum, 0, 1, "at least"},
      {schema->exclusive_minimum, 1, 1, "more than"},
      {schema->maximum, -1, 0, "at most"},
      {schema->exclusive_maximum, -1, -1, "less than"},
  };
  bool ok = true;
  if (value->kind != JSON_NUMBER) return true;
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    const JsonValue *bound = limits[i].bound;
    int order = bound ? compare(value, bound) : limits[i].least;
    if (order < limits[i].least || order > limits[i].most)
      ok = problem(c, value, "must be %s %s, not %s", limits[i].words, json_show(c->arena, bound),
                   json_show(c->arena, value));
  }
  if (schema->multiple_of && !is_multiple(value, schema->multiple_of))
    ok = problem(c, value, "must be a multiple of %s, not %s",
                 json_show(c->arena, schema->multiple_of), json_show(c->arena, value));
  return ok;
}

/* `least` and `most` are the schema's, or NULL; `what` is in the singular. */
static bool check_count(Check *c, const JsonValue *value, size_t count, const JsonValue *least,
                        const JsonValue *most, const char *what) {
  const JsonValue *bound = NULL;
  if (least && (int64_t)count < least->integer) bound = least;
  if (most && (int64_t)count > most->integer) bound = most;
  if (!bound) return true;
  return problem(c, value, "%s %s %s%s, has %zu",
                 bound == least ? "needs at least" : "can have at most", json_show(c->arena, bound),
                 what, bound->integer == 1 ? "" : "s", count);
}

/* --- texts --- */

static bool matches(Check *c, const JsonPattern *pattern, const char *text, size_t length) {
  if (strlen(text) != length) return false; /* POSIX's texts end at a character 0 */
  regex_t *compiled = &c->patterns[pattern->index];
  if (!c->compiled[pattern->index]) {
    int code = regcomp(compiled, pattern->posix, REG_EXTENDED | REG_NOSUB);
    CTC_ASSERT(code == 0); /* it went well when the schema was read */
    c->compiled[pattern->index] = true;
  }
  return regexec(compiled, text, 0, NULL, 0) == 0;
}

static bool check_text(Check *c, const JsonSchema *schema, const JsonValue *value) {
  if (value->kind != JSON_STRING) return true;
  size_t characters = 0;
  for (size_t i = 0; i < value->length; i++)
    characters += ((unsigned char)value->string[i] & 0xC0) != 0x80;
  bool ok = check_count(c, value, characters, schema->min_length, schema->max_length, "character");
  if (schema->pattern && !matches(c, schema->pattern, value->string, value->length))
    ok = problem(c, value, "%s does not match %s", json_show(c->arena, value),
                 schema->pattern->source);
  return ok;
}

/* --- arrays --- */

static bool check_items(Check *c, const JsonSchema *schema, const JsonValue *value) {
  bool ok = true;
  for (size_t i = 0; i < value->count && (ok || !c->silent); i++) {
    bool first = i < schema->prefix_items.count;
    const JsonSchema *item = first ? schema->prefix_items.items[i] : schema->items;
    if (item && item->never)
      return problem(c, value->items[i], "no more than %zu items are allowed", i);
    if (item) ok = check(c, item, value->items[i]) && ok;
  }
  return ok;
}

static bool check_contains(Check *c, const JsonSchema *schema, const JsonValue *value) {
  size_t count = 0;
  if (!schema->contains) return true;
  for (size_t i = 0; i < value->count; i++) count += holds(c, schema->contains, value->items[i]);
  if (!count && !schema->min_contains)
    return problem(c, value, "none of the items is what one of them must be");
  return check_count(c, value, count, schema->min_contains, schema->max_contains, "matching item");
}

static int compare_items(const void *a, const void *b) {
  const JsonValue *one = *(const JsonValue *const *)a, *other = *(const JsonValue *const *)b;
  int order = json_compare(one, other);
  return order ? order : one->index < other->index ? -1 : 1;
}

/* Equal items are neighbours when sorted. */
static bool check_unique(Check *c, const JsonSchema *schema, const JsonValue *value) {
  bool ok = true;
  if (!schema->unique_items || !schema->unique_items->boolean || value->count < 2) return true;
  const JsonValue **sorted =
      arena_copy(c->arena, value->items, value->count * sizeof *value->items);
  qsort(sorted, value->count, sizeof *sorted, compare_items);
  for (size_t i = 1; i < value->count && (ok || !c->silent); i++)
    if (json_equal(sorted[i - 1], sorted[i]))
      ok = problem(c, sorted[i], "the same as item %zu", sorted[i - 1]->index);
  return ok;
}

static bool check_array(Check *c, const JsonSchema *schema, const JsonValue *value) {
  if (value->kind != JSON_ARRAY) return true;
  bool ok = check_count(c, value, value->count, schema->min_items, schema->max_items, "item");
  ok = check_items(c, schema, value) && ok;
  ok = check_contains(c, schema, value) && ok;
  return check_unique(c, schema, value) && ok;
}

/* --- objects --- */

static bool unknown_key(Check *c, const JsonSchema *schema, const JsonMember *member) {
  if (c->silent) return false;
  const JsonValue *known = schema->properties.object;
  size_t count = known ? known->count : 0;
  const char **names = ARENA_ARRAY(c->arena, const char *, count);
  for (size_t i = 0; i < count; i++) names[i] = known->members[i].key;
  return key_problem(c, member, "unknown key %s%s",
                     json_show_text(c->arena, member->key, member->key_length),
                     suggestion(c, member->key, names, count));
}

/* A member by the schema of its key. */
static bool check_property(Check *c, const JsonSchema *property, const JsonMember *member) {
  if (!property->never) return check(c, property, member->value);
  return key_problem(c, member, "the key %s is not allowed here",
                     json_show_text(c->arena, member->key, member->key_length));
}

static bool check_member(Check *c, const JsonSchema *schema, const JsonMember *member) {
  const JsonSchema *property =
      schema_map_find(&schema->properties, member->key, member->key_length);
  bool ok = !property || check_property(c, property, member), known = property != NULL;
  const SchemaMap *by_pattern = &schema->pattern_properties;
  for (size_t i = 0; by_pattern->object && i < by_pattern->object->count; i++)
    if (matches(c, by_pattern->patterns[i], member->key, member->key_length)) {
      ok = check_property(c, by_pattern->schemas[i], member) && ok;
      known = true;
    }
  if (known || !schema->additional_properties) return ok;
  if (schema->additional_properties->never) return unknown_key(c, schema, member);
  return check(c, schema->additional_properties, member->value);
}

/* The key as a value that schemas can look at. */
static bool check_name(Check *c, const JsonSchema *schema, const JsonMember *member) {
  JsonValue *name = ARENA_NEW(c->arena, JsonValue);
  *name = (JsonValue){.kind = JSON_STRING,
                      .line = member->line,
                      .column = member->column,
                      .parent = member->value->parent,
                      .key = member->key,
                      .index = member->value->index,
                      .string = member->key,
                      .length = member->key_length};
  return check(c, schema, name);
}

static bool check_members(Check *c, const JsonSchema *schema, const JsonValue *value) {
  bool ok = true;
  for (size_t i = 0; i < value->count && (ok || !c->silent); i++) {
    const JsonMember *member = &value->members[i];
    ok = check_member(c, schema, member) && ok;
    if (schema->property_names) ok = check_name(c, schema->property_names, member) && ok;
  }
  return ok;
}

static bool has(const JsonValue *object, const JsonValue *key) {
  return json_find(object, key->string, key->length) != NULL;
}

static bool check_required(Check *c, const JsonSchema *schema, const JsonValue *value) {
  bool ok = true;
  const JsonValue *keys = schema->required;
  for (size_t i = 0; keys && i < keys->count; i++)
    if (!has(value, keys->items[i])) ok = missing_key(c, value, keys->items[i]->string);
  return ok;
}

static bool check_dependent(Check *c, const JsonSchema *schema, const JsonValue *value) {
  bool ok = true;
  const JsonValue *lists = schema->dependent_required;
  for (size_t i = 0; lists && i < lists->count; i++) {
    const JsonMember *list = &lists->members[i];
    if (!json_find(value, list->key, list->key_length)) continue;
    for (size_t k = 0; k < list->value->count; k++)
      if (!has(value, list->value->items[k]))
        ok = problem(c, value, "\"%s\" needs the key \"%s\" beside it", list->key,
                     list->value->items[k]->string);
  }
  const JsonValue *schemas = schema->dependent_schemas.object;
  for (size_t i = 0; schemas && i < schemas->count; i++)
    if (json_find(value, schemas->members[i].key, schemas->members[i].key_length))
      ok = check(c, schema->dependent_schemas.schemas[i], value) && ok;
  return ok;
}

static bool check_object(Check *c, const JsonSchema *schema, const JsonValue *value) {
  if (value->kind != JSON_OBJECT) return true;
  bool ok =
      check_count(c, value, value->count, schema->min_properties, schema->max_properties, "key");
  ok = check_required(c, schema, value) && ok;
  ok = check_members(c, schema, value) && ok;
  return check_dependent(c, schema, value) && ok;
}

/* --- choices by a key --- */

/* What some of several schemas want the member `key` to be: texts, each with its schema. */
typedef struct {
  const char *key;
  Vec(const char *) texts;
  Vec(size_t) owners; /* index of the schema */
} Switch;

/* The texts that `property` allows are added; false if it allows anything else. */
static bool add_texts(Check *c, const JsonSchema *property, size_t owner, Switch *result) {
  const JsonValue *one = property->constant, *several = property->choices;
  const JsonValue *const *values = several ? several->items : &one;
  size_t count = several ? several->count : one ? 1 : 0;
  if (!count && property->reference) return add_texts(c, property->reference, owner, result);
  for (size_t i = 0; i < count; i++) {
    if (values[i]->kind != JSON_STRING) return false;
    vec_push(c->arena, &result->texts, values[i]->string);
    vec_push(c->arena, &result->owners, owner);
  }
  return count > 0;
}

static const JsonSchema *property_of(const JsonSchema *schema, const char *key) {
  for (; schema; schema = schema->reference) {
    const JsonSchema *property = schema_map_find(&schema->properties, key, strlen(key));
    if (property) return property;
  }
  return NULL;
}

static bool switches_by(Check *c, const SchemaList *list, const char *key, Switch *result) {
  *result = (Switch){.key = key};
  for (size_t i = 0; i < list->count; i++) {
    const JsonSchema *property = property_of(list->items[i], key);
    if (!property || !add_texts(c, property, i, result)) return false;
  }
  return true;
}

/* Finds a key whose text chooses among the schemas. */
static bool find_switch(Check *c, const SchemaList *list, Switch *result) {
  for (const JsonSchema *first = list->items[0]; first; first = first->reference) {
    const JsonValue *keys = first->properties.object;
    for (size_t i = 0; keys && i < keys->count; i++)
      if (switches_by(c, list, keys->members[i].key, result)) return true;
  }
  return false;
}

/* How many schemas want the text that `value` has; `owner`: the last of them. */
static size_t chosen_by(const Switch *by, const JsonValue *value, size_t *owner) {
  size_t count = 0;
  for (size_t i = 0; i < by->texts.count; i++)
    if (value->kind == JSON_STRING && strcmp(by->texts.items[i], value->string) == 0) {
      *owner = by->owners.items[i];
      count++;
    }
  return count;
}

/* The member that should choose is missing, no text, or an unknown one. */
static bool bad_choice(Check *c, const Switch *by, const JsonValue *object) {
  const JsonValue *value = json_member(object, by->key);
  if (!value) return missing_key(c, object, by->key);
  if (value->kind != JSON_STRING)
    return problem(c, value, "expected a string, not %s", json_show(c->arena, value));
  return problem(c, value, "unknown %s %s%s", by->key, json_show(c->arena, value),
                 suggestion(c, value->string, by->texts.items, by->texts.count));
}

/* --- schemas for the same value --- */

static bool check_reference(Check *c, const JsonSchema *schema, const JsonValue *value) {
  return !schema->reference || check(c, schema->reference, value);
}

static bool check_all(Check *c, const JsonSchema *schema, const JsonValue *value) {
  bool ok = true;
  for (size_t i = 0; i < schema->all_of.count && (ok || !c->silent); i++)
    ok = check(c, schema->all_of.items[i], value) && ok;
  return ok;
}

/* The types that `schema` allows, looking through references; 0: any. */
static unsigned types_of(const JsonSchema *schema) {
  unsigned types = schema->types;
  for (; !types && schema; schema = schema->reference) types = schema->types;
  return types;
}

/* The only one of the schemas that allows the value's type, or NULL. */
static const JsonSchema *only_by_type(const SchemaList *list, const JsonValue *value) {
  const JsonSchema *only = NULL;
  for (size_t i = 0; i < list->count; i++) {
    unsigned types = types_of(list->items[i]);
    if (types && !fits_types(types, value)) continue;
    if (only) return NULL;
    only = list->items[i];
  }
  return only;
}

/* None of `list` takes the value: tells the errors of the one that is meant, if that is clear. */
static bool no_alternative(Check *c, const SchemaList *list, const JsonValue *value) {
  Switch by;
  size_t owner;
  if (c->silent) return false;
  if (value->kind == JSON_OBJECT && find_switch(c, list, &by)) {
    const JsonValue *choice = json_member(value, by.key);
    size_t count = choice ? chosen_by(&by, choice, &owner) : 0;
    if (count == 0) return bad_choice(c, &by, value);
    if (count == 1) return check(c, list->items[owner], value);
  }
  const JsonSchema *only = only_by_type(list, value);
  if (only) return check(c, only, value);
  const char *words = alternatives_in_words(c, list);
  if (words) return problem(c, value, "expected %s, not %s", words, json_show(c->arena, value));
  return problem(c, value, "is none of the %zu things that it could be", list->count);
}

static bool check_any(Check *c, const JsonSchema *schema, const JsonValue *value) {
  for (size_t i = 0; i < schema->any_of.count; i++)
    if (holds(c, schema->any_of.items[i], value)) return true;
  return !schema->any_of.count || no_alternative(c, &schema->any_of, value);
}

static bool check_one(Check *c, const JsonSchema *schema, const JsonValue *value) {
  size_t count = 0;
  for (size_t i = 0; i < schema->one_of.count; i++)
    count += holds(c, schema->one_of.items[i], value);
  if (count == 1 || !schema->one_of.count) return true;
  if (count == 0) return no_alternative(c, &schema->one_of, value);
  return problem(c, value, "can be understood in %zu ways, must be one of them only", count);
}

static bool check_not(Check *c, const JsonSchema *schema, const JsonValue *value) {
  if (!schema->negated || !holds(c, schema->negated, value)) return true;
  if (c->silent) return false;
  const char *words = in_words(c, schema->negated);
  return words ? problem(c, value, "must not be %s", words) : problem(c, value, "is not allowed");
}

/* The conditions of "if … else if … else false" as alternatives; empty if it ends otherwise. */
static SchemaList conditions_of(Check *c, const JsonSchema *schema) {
  Vec(const JsonSchema *) list = {0};
  for (; schema && schema->condition; schema = schema->otherwise)
    vec_push(c->arena, &list, schema->condition);
  bool closed = schema && schema->never;
  return (SchemaList){list.items, closed ? list.count : 0};
}

/* Whether the only problem to tell is that nothing known is chosen: then it has been told. A
 * condition on a member holds where there is no such member, which hides what is wrong. */
static bool told_bad_choice(Check *c, const JsonSchema *schema, const JsonValue *value) {
  Switch by;
  size_t owner;
  SchemaList first = {&schema->condition, 1}, list = conditions_of(c, schema);
  if (!list.count) list = first;
  if (value->kind != JSON_OBJECT || !find_switch(c, &list, &by)) return false;
  const JsonValue *choice = json_member(value, by.key);
  if (choice && (list.count == 1 || chosen_by(&by, choice, &owner))) return false;
  bad_choice(c, &by, value);
  return true;
}

static bool check_condition(Check *c, const JsonSchema *schema, const JsonValue *value) {
  if (!schema->condition) return true;
  const JsonSchema *branch =
      holds(c, schema->condition, value) ? schema->consequence : schema->otherwise;
  if (!branch || holds(c, branch, value)) return true;
  if (c->silent || told_bad_choice(c, schema, value)) return false;
  return check(c, branch, value);
}

/* --- the whole --- */

static bool check(Check *c, const JsonSchema *schema, const JsonValue *value) {
  static Part *const parts[] = {
      check_constant,  check_choices, check_number, check_text, check_array, check_object,
      check_reference, check_all,     check_any,    check_one,  check_not,   check_condition,
  };
  if (++c->checks > c->most_checks) return false;
  if (schema->never) return problem(c, value, "nothing is allowed here");
  bool ok = check_type(c, schema, value);
  if (!ok) return false; /* what else is wrong follows from that */
  for (size_t i = 0; i < sizeof parts / sizeof *parts && (ok || !c->silent); i++)
    ok = parts[i](c, schema, value) && ok;
  return ok;
}

static int compare_problems(const void *a, const void *b) {
  const Problem *one = a, *other = b;
  if (one->line != other->line) return one->line < other->line ? -1 : 1;
  if (one->column != other->column) return one->column < other->column ? -1 : 1;
  return one->order < other->order ? -1 : 1;
}

/* Several schemas may say the same about one value. */
static bool told_before(const Check *c, size_t index) {
  const Problem *problem = &c->problems.items[index];
  for (size_t i = index; i-- > 0;) {
    const Problem *before = &c->problems.items[i];
    if (before->line != problem->line || before->column != problem->column) return false;
    if (strcmp(before->message, problem->message) == 0) return true;
  }
  return false;
}

static void tell_problems(Check *c) {
  qsort(c->problems.items, c->problems.count, sizeof(Problem), compare_problems);
  for (size_t i = 0; i < c->problems.count; i++) {
    const Problem *problem = &c->problems.items[i];
    if (told_before(c, i)) continue;
    JsonValue place = *problem->value;
    place.line = problem->line;
    place.column = problem->column;
    json_error(c->file, &place, "%s", problem->message);
  }
}

static size_t count_values(const JsonValue *value) {
  size_t count = 1;
  for (size_t i = 0; value->kind == JSON_ARRAY && i < value->count; i++)
    count += count_values(value->items[i]);
  for (size_t i = 0; value->kind == JSON_OBJECT && i < value->count; i++)
    count += count_values(value->members[i].value);
  return count;
}

bool json_schema_check(const JsonSchema *schema, const JsonFile *file, const JsonValue *value) {
  Check c = {.file = file, .arena = file->arena};
  c.most_checks = CHECKS_FREE + CHECKS_A_VALUE * count_values(value);
  c.patterns = ARENA_ARRAY(c.arena, regex_t, schema->pattern_count);
  c.compiled = ARENA_ARRAY(c.arena, bool, schema->pattern_count);
  bool ok = check(&c, schema, value);
  bool finished = c.checks <= c.most_checks;
  CTC_ASSERT(!finished || ok == (c.problems.count == 0));
  if (!finished) ok = json_error(file, value, "the schema takes too long to check it");
  if (finished && c.problems.count) tell_problems(&c);
  for (size_t i = 0; i < schema->pattern_count; i++)
    if (c.compiled[i]) regfree(&c.patterns[i]);
  return ok;
}
