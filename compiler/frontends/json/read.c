/* read.c: the model file as a whole: the schema, inputs, then weights and layers. */
#include "json_model.h"

#include "base/file.h"
#include "frontends/common/inputs.h"
#include "io/schemas.h"
#include "reader.h"

#include <ctype.h>
#include <stdio.h>

bool json_model_is(const char *path) {
  const char *dot = strrchr(path, '.');
  if (dot && strcmp(dot, ".json") == 0) return true;
  FILE *file = fopen(path, "rb");
  int c = EOF;
  while (file && (c = getc(file)) != EOF && isspace(c)) continue;
  if (file) fclose(file);
  return c == '{';
}

/* ---- the schema ---- */

/* Names, texts and paths are C strings behind this. */
static bool check_zero_bytes(const JsonFile *file, const JsonValue *value) {
  bool ok = true;
  if (value->kind == JSON_STRING && strlen(value->string) != value->length)
    return json_error(file, value, "the text holds a zero byte");
  for (size_t i = 0; value->kind == JSON_ARRAY && i < value->count; i++)
    ok = check_zero_bytes(file, value->items[i]) && ok;
  for (size_t i = 0; value->kind == JSON_OBJECT && i < value->count; i++) {
    const JsonMember *member = &value->members[i];
    if (strlen(member->key) != member->key_length)
      ok = json_error(file, member->value, "the key holds a zero byte");
    ok = check_zero_bytes(file, member->value) && ok;
  }
  return ok;
}

/* Unknown types of layers do not keep the others from being built, for the errors in them. */
static bool check_model(JsonReader *r, bool *types) {
  JsonFile text;
  const JsonSchema *schema = schema_embedded("model.schema.json", r->arena, r->c->diag, &text);
  r->layer_schemas = json_member(text.root, "$defs");
  bool ok = json_schema_check(schema, &r->file, r->file.root);
  *types = layer_types_check(r);
  return check_zero_bytes(&r->file, r->file.root) && ok;
}

/* ---- inputs ---- */

static Dim read_dim(JsonReader *r, const JsonValue *size, const char *input, int axis) {
  if (size->kind == JSON_NUMBER) return dim_const(r->c->dims, size->integer);
  if (size->kind == JSON_STRING) return dim_input(r->c->dims, size->string);
  return model_inputs_open_dim(r->c, input, axis);
}

static bool read_input(JsonReader *r, const JsonValue *json, ModelInputs *all) {
  const JsonValue *dtype = json_member(json, "dtype"), *shape = json_member(json, "shape");
  ModelInput input = {.name = json_member(json, "name")->string, .dtype = DT_F32, .rank = -1};
  if (dtype) input.dtype = dtype_from_name(dtype->string);
  CTC_ASSERT(input.dtype != DT_NONE); /* the schema knows which there are */
  if (shape) {
    input.rank = (int)shape->count;
    for (int i = 0; i < input.rank; i++)
      input.shape[i] = read_dim(r, shape->items[i], input.name, i);
  }
  return model_inputs_add(all, &input) ||
         json_error(&r->file, json_member(json, "name"), "input '%s' is there twice", input.name);
}

static bool read_inputs(JsonReader *r) {
  const JsonValue *inputs = json_member(r->file.root, "inputs");
  ModelInputs all = model_inputs_in(r->c);
  bool ok = true;
  for (size_t i = 0; i < inputs->count; i++) ok = read_input(r, inputs->items[i], &all) && ok;
  return model_inputs_finish(&all, r->graph, &r->values) && ok;
}

/* ---- the model ---- */

static const char *text_of(const JsonValue *object, const char *key) {
  const JsonValue *value = json_member(object, key);
  return value ? value->string : "";
}

bool json_model_read(Compilation *c, const char *path) {
  JsonReader r = {.c = c, .arena = c->arena, .values = map_in(c->arena)};
  FileView view;
  bool types;
  if (!c->file) c->file = path;
  if (!file_map(path, &view, c->diag)) return false;
  if (!json_parse(path, (const char *)view.data, view.size, c->arena, c->diag, &r.file) ||
      !check_model(&r, &types))
    return false;
  c->model_hash = file_hash(view, FILE_HASH_START);
  c->producer = text_of(r.file.root, "producer");
  r.graph = graph_create(c, text_of(r.file.root, "name"), NULL);
  bool inputs = read_inputs(&r), weights = weights_read(&r);
  if (!weights) return false; /* each layer would miss its own */
  bool ok = layers_read(&r) && inputs && types;
  c->graph = r.graph;
  if (ok) weights_warn_unused(&r);
  return ok;
}
