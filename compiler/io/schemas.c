/* schemas.c: files of schema/ that are part of ctc, parsed. An error in one is ctc's own. */
#include "io/schemas.h"

#include "base/embedded.h"

#include <string.h>

void embedded_json(const char *name, Arena *arena, Diag *diag, JsonFile *file) {
  bool read = false;
  for (int i = 0; i < embedded_schemas_count && !read; i++) {
    const char *text = embedded_schemas[i].text;
    read = strcmp(embedded_schemas[i].name, name) == 0 &&
           json_parse(name, text, strlen(text), arena, diag, file);
  }
  CTC_ASSERT(read);
}

const JsonSchema *schema_embedded(const char *name, Arena *arena, Diag *diag, JsonFile *file) {
  embedded_json(name, arena, diag, file);
  const JsonSchema *schema = json_schema_compile(file);
  CTC_ASSERT(schema);
  return schema;
}
