/* json_schema.h: checks JSON values against a JSON Schema (draft 2020-12).
 *
 * All of the draft's assertions and applicators but for unevaluatedItems, unevaluatedProperties,
 * $dynamicRef, and what needs other documents ($id below the root, references to elsewhere): those
 * are refused. Patterns are those that POSIX knows as well (json_pattern.h). Annotations (title,
 * default, format …) are not looked at.
 *
 * Errors say what is wrong with the value, not which keyword failed; they call an alternative by
 * its title ("an integer or a pair of them"), if it has one. Alternatives that a text chooses, in
 * any of these forms, count as one choice, so that only the chosen one's errors are told, and an
 * unknown text gives one error with a suggestion:
 *
 *   "oneOf" or "anyOf": [{"properties": {"type": {"const": "A"}, …}}, …]
 *   "if": {"properties": {"type": {"const": "A"}}}, "then": …, "else": {"if": …, "else": false}
 *   "properties": {"type": {"enum": ["A", …]}}, "allOf": [{"if": …, "then": …}, …] */
#ifndef CTC_IO_JSON_SCHEMA_H
#define CTC_IO_JSON_SCHEMA_H

#include "io/json.h"

typedef struct JsonSchema JsonSchema;

/* The schema at the file's root, in the file's arena. NULL: it has errors, all reported. */
const JsonSchema *json_schema_compile(const JsonFile *schema);
/* Whether `value` of `file` is as the schema wants it; reports all errors, in the order in which
 * they stand in the file. */
MUST_CHECK bool json_schema_check(const JsonSchema *schema, const JsonFile *file,
                                  const JsonValue *value);

#endif
