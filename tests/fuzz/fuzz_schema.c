/* fuzz_schema.c: any JSON text as a schema, and another one (behind a zero byte) that it checks;
 * what it finds must not depend on whether it is asked to tell it (libFuzzer). */
#include "fuzz.h"

#include "io/json_schema.h"

static bool parse(FuzzPart text, Arena *arena, Diag *diag, JsonFile *file) {
  return json_parse("fuzz.json", (const char *)text.data, text.size, arena, diag, file);
}

static void check(const JsonFile *text, const JsonFile *document) {
  int errors = text->diag->errors;
  const JsonSchema *schema = json_schema_compile(text);
  EXPECT(!schema == (text->diag->errors > errors));
  if (!schema) return;
  errors = document->diag->errors;
  bool ok = json_schema_check(schema, document, document->root);
  EXPECT(ok == (document->diag->errors == errors));
  EXPECT(ok == json_schema_check(schema, document, document->root)); /* it changes nothing */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  Diag diag = {.out = NULL};
  JsonFile schema, document;
  FuzzPart first = fuzz_part(&data, &size), second = fuzz_part(&data, &size);
  if (parse(first, arena, &diag, &schema) && parse(second, arena, &diag, &document))
    check(&schema, &document);
  arena_destroy(arena);
  return 0;
}
