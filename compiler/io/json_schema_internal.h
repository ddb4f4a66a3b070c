/* json_schema_internal.h: a compiled schema, between json_schema_compile.c, which makes it, and
 * json_schema_check.c. */
#ifndef CTC_IO_JSON_SCHEMA_INTERNAL_H
#define CTC_IO_JSON_SCHEMA_INTERNAL_H

#include "io/json_schema.h"

/* In sets of types, bit 1 << JsonKind, and this one. */
enum { JSON_INTEGER = JSON_OBJECT + 1 };

typedef struct {
  const char *source; /* as the schema has it */
  const char *posix;
  size_t index; /* among all patterns of the schema */
} JsonPattern;

typedef struct {
  const JsonSchema *const *items;
  size_t count;
} SchemaList;

/* The schemas of an object's members: that of member i is schemas[i]. */
typedef struct {
  const JsonValue *object; /* NULL: there is none */
  const JsonSchema *const *schemas;
  const JsonPattern *const *patterns; /* of the keys, in patternProperties */
} SchemaMap;

/* What is not there is NULL, 0 or empty. Numbers and lists of texts stay as the schema has them;
 * they have been checked. */
struct JsonSchema {
  const JsonValue *at;
  bool never;     /* the schema `false` */
  unsigned types; /* 0: any */
  const JsonValue *constant, *choices;

  const JsonValue *minimum, *maximum, *exclusive_minimum, *exclusive_maximum, *multiple_of;
  const JsonValue *min_length, *max_length;
  const JsonPattern *pattern;

  SchemaList prefix_items;
  const JsonSchema *items, *contains;
  const JsonValue *min_items, *max_items, *min_contains, *max_contains, *unique_items;

  SchemaMap properties, pattern_properties, dependent_schemas;
  const JsonSchema *additional_properties, *property_names;
  const JsonValue *required, *dependent_required, *min_properties, *max_properties;

  const JsonSchema *reference, *negated, *condition, *consequence, *otherwise;
  SchemaList all_of, any_of, one_of;

  const char *title;    /* for messages */
  size_t pattern_count; /* of all schemas; at the root only */
  int search;           /* json_schema_compile.c: whether it has been looked at for circles */
};

/* The schema of the map that belongs to `key`, or NULL. */
static inline const JsonSchema *schema_map_find(const SchemaMap *map, const char *key,
                                                size_t length) {
  const JsonMember *member = map->object ? json_find(map->object, key, length) : NULL;
  return member ? map->schemas[member->value->index] : NULL;
}

#endif
