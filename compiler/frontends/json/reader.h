/* reader.h: what the files of the JSON front end share. */
#ifndef CTC_FRONTENDS_JSON_READER_H
#define CTC_FRONTENDS_JSON_READER_H

#include "io/json.h"
#include "ir/graph.h"

/* A tensor of a weight file. */
typedef struct {
  const char *name, *file;
  const Tensor *tensor;
  Value *value; /* made at its first use */
} Weight;

typedef struct {
  Compilation *c;
  Arena *arena;
  JsonFile file;
  const JsonValue *layer_schemas; /* $defs of schema/model.schema.json: defaults of fields */
  Graph *graph;
  Map values;                /* name → Value: inputs, and outputs of layers */
  Map weights;               /* name → Weight */
  Vec(Weight *) weight_list; /* in the order of their files */
} JsonReader;

/* ---- weights.c ---- */
/* Reads the files that "weights" names. */
MUST_CHECK bool weights_read(JsonReader *r);
/* The tensor of that name as a value; NULL if there is none. */
Value *weights_find(JsonReader *r, const char *name);
/* The name of a tensor nearest to `name`, or NULL. */
const char *weights_suggest(JsonReader *r, const char *name);
/* A warning that counts the tensors that no layer took. */
void weights_warn_unused(JsonReader *r);

/* ---- nodes.c ---- */
/* Whether there are layers of all types that the file names; it need not be right otherwise. */
bool layer_types_check(JsonReader *r);
/* "layers" or "nodes", and "outputs". */
MUST_CHECK bool layers_read(JsonReader *r);

/* ---- constant.c ---- */
/* Nested lists of numbers (or one number) as a tensor; NULL after an error. */
const Tensor *constant_read(JsonReader *r, const JsonValue *value, DType dtype);

#endif
