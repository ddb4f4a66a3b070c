/* schemas.h: files of schema/ that are part of ctc, as they were when it was built. */
#ifndef CTC_IO_SCHEMAS_H
#define CTC_IO_SCHEMAS_H

#include "io/json_schema.h"

/* The file called `name`, parsed. */
void embedded_json(const char *name, Arena *arena, Diag *diag, JsonFile *file);
/* The schema called `name` ("model.schema.json"), its text in *file. */
const JsonSchema *schema_embedded(const char *name, Arena *arena, Diag *diag, JsonFile *file);

#endif
