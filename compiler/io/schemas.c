/* schemas.c: an embedded schema, parsed and compiled. An error in it is ctc's own. */
#include "io/schemas.h"

#include "base/embedded.h"

#include <string.h>

const JsonSchema *schema_embedded(const char *name, Arena *arena, Diag *diag, JsonFile *file) {
  const JsonSchema *schema = NULL;
  for (int i = 0; i < embedded_schemas_count && !schema; i++) {
    const char *text = embedded_schemas[i].text;
    if (strcmp(embedded_schemas[i].name, name) == 0 &&
        json_parse(name, text, strlen(text), arena, diag, file))
      schema = json_schema_compile(file);
  }
  CTC_ASSERT(schema);
  return schema;
}
