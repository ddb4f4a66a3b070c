/* fuzz_json.c: any bytes given to the JSON reader must be read or refused as jansson, another
 * reader, does; what is read is then compiled as a JSON Schema and checks itself (libFuzzer). */
#define _GNU_SOURCE /* memmem */
#include "fuzz.h"

#include "io/json.h"
#include "io/json_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names that jansson.h has as well. Its macros json_is_array and the like would mean ours. */
#define JSON_OBJECT JANSSON_OBJECT
#define JSON_ARRAY JANSSON_ARRAY
#define JSON_STRING JANSSON_STRING
#define JSON_NULL JANSSON_NULL
#define json_equal jansson_equal
#include <jansson.h>
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_NULL
#undef json_equal

static void expect_same(const JsonValue *ours, const json_t *theirs);

static void expect_same_text(const char *text, size_t length, const char *theirs, size_t size) {
  EXPECT(length == size && memcmp(text, theirs, size) == 0 && text[length] == 0);
}

static void expect_same_members(const JsonValue *ours, const json_t *theirs) {
  EXPECT(ours->count == json_object_size(theirs));
  for (size_t i = 0; i < ours->count; i++) {
    const JsonMember *member = &ours->members[i];
    EXPECT(json_find(ours, member->key, member->key_length) == member);
    EXPECT(member->value->parent == ours && member->value->index == i);
    expect_same(member->value, json_object_get(theirs, member->key));
  }
}

static void expect_same(const JsonValue *ours, const json_t *theirs) {
  EXPECT(theirs);
  switch (ours->kind) {
  case JSON_NULL: EXPECT(json_typeof(theirs) == JANSSON_NULL); break;
  case JSON_BOOL: EXPECT(ours->boolean ? json_is_true(theirs) : json_is_false(theirs)); break;
  case JSON_NUMBER:
    EXPECT(json_is_real(theirs) && json_real_value(theirs) == ours->number);
    EXPECT(!ours->is_integer || (double)ours->integer == ours->number);
    break;
  case JSON_STRING:
    EXPECT(json_typeof(theirs) == JANSSON_STRING);
    expect_same_text(ours->string, ours->length, json_string_value(theirs),
                     json_string_length(theirs));
    break;
  case JSON_ARRAY:
    EXPECT(json_typeof(theirs) == JANSSON_ARRAY && ours->count == json_array_size(theirs));
    for (size_t i = 0; i < ours->count; i++) expect_same(ours->items[i], json_array_get(theirs, i));
    break;
  case JSON_OBJECT:
    EXPECT(json_typeof(theirs) == JANSSON_OBJECT);
    expect_same_members(ours, theirs);
    break;
  }
}

/* jansson reads deeper, takes 0 for what is nearly 0, knows no byte order mark, no keys with a
 * character 0, and takes a byte 0 for the end. */
static void compare_with_jansson(const uint8_t *data, size_t size, const JsonFile *file, bool ok,
                                 const char *message) {
  const size_t flags =
      JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL;
  bool bom = size >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0;
  if (bom || memchr(data, 0, size) || memmem(data, size, "\\u0000", 6)) return;
  json_error_t error;
  json_t *theirs = json_loadb((const char *)data, size, flags, &error);
  if (ok) expect_same(file->root, theirs);
  if (!ok && theirs) EXPECT(strstr(message, "levels") || strstr(message, "too small"));
  json_decref(theirs);
}

static void check_itself(const JsonFile *file) {
  int errors = file->diag->errors;
  const JsonSchema *schema = json_schema_compile(file);
  EXPECT((schema != NULL) == (file->diag->errors == errors));
  EXPECT(json_equal(file->root, file->root));
  if (!schema) return;
  bool ok = json_schema_check(schema, file, file->root);
  EXPECT(ok == (file->diag->errors == errors));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *message = NULL;
  size_t message_size;
  FILE *out = open_memstream(&message, &message_size);
  Diag diag = {.out = out};
  Arena *arena = arena_create();
  JsonFile file;
  bool ok = json_parse("fuzz.json", (const char *)data, size, arena, &diag, &file);
  EXPECT(ok == (diag.errors == 0));
  fflush(out);
  compare_with_jansson(data, size, &file, ok, message);
  if (ok) check_itself(&file);
  fclose(out);
  free(message);
  arena_destroy(arena);
  return 0;
}
