/* json_model.h: reading ctc's own JSON model into a graph (docs/json-model.md). */
#ifndef CTC_FRONTENDS_JSON_JSON_MODEL_H
#define CTC_FRONTENDS_JSON_JSON_MODEL_H

#include "ir/graph.h"

/* Whether the file at `path` is a JSON model: by its name, or because its text begins with a brace.
 */
bool json_model_is(const char *path);

/* Reads the model at `path` and its weights into c->graph, as onnx_read does. Reports every error
 * it finds, with line, column and JSON pointer, and returns false if there was one. */
MUST_CHECK bool json_model_read(Compilation *c, const char *path);

#endif
