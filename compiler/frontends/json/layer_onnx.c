/* layer_onnx.c: any operator of ONNX by its name; constants; tensors of the weight file. */
#include "layer.h"

#include "frontends/common/inputs.h"
#include "io/json_attr.h"
#include "ops/op.h"
#include "ops/schema.h"

#include <float.h>
#include <inttypes.h>

/* ---- attributes ---- */

static bool is_list(const JsonValue *value, AttrKind kind) {
  bool ok = value->kind == JSON_ARRAY;
  for (size_t i = 0; ok && i < value->count; i++) ok = json_is_element(value->items[i], kind);
  return ok;
}

/* {"dtype": "float32", "value": [[1, 2], [3, 4]]} */
static const Tensor *read_tensor(Layer *l, const JsonValue *value) {
  const JsonValue *dtype = json_member(value, "dtype"), *data = json_member(value, "value");
  if (!data || (dtype && dtype->kind != JSON_STRING)) return NULL;
  return constant_read(l->r, data, dtype ? dtype_from_name(dtype->string) : DT_F32);
}

/* The kind that a value shows of itself, for operators that the table does not know. */
static AttrKind guess_kind(const JsonValue *value) {
  static const AttrKind kinds[] = {ATTR_INT, ATTR_FLOAT, ATTR_STRING};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (json_is_element(value, kinds[i])) return kinds[i];
    AttrKind list = kinds[i] == ATTR_INT     ? ATTR_INTS
                    : kinds[i] == ATTR_FLOAT ? ATTR_FLOATS
                                             : ATTR_STRINGS;
    if (is_list(value, list)) return list;
  }
  return value->kind == JSON_OBJECT ? ATTR_TENSOR : ATTR_NONE;
}

static bool fits(const JsonValue *value, AttrKind kind) {
  if (kind == ATTR_TENSOR) return value->kind == JSON_OBJECT;
  bool list = kind == ATTR_INTS || kind == ATTR_FLOATS || kind == ATTR_STRINGS;
  return list ? is_list(value, kind) : json_is_element(value, kind);
}

static bool attr_error(Layer *l, const JsonValue *value, const char *name, AttrKind kind) {
  l->k.failed = true;
  return json_error(&l->r->file, value, "attribute '%s' must be %s, not %s", name,
                    attr_kind_text(kind), json_kind_name(value));
}

/* JSON's true and false are ONNX's 1 and 0. */
static const JsonValue *as_number(Arena *arena, const JsonValue *value) {
  if (value->kind != JSON_BOOL) return value;
  JsonValue *number = ARENA_NEW(arena, JsonValue);
  *number = *value;
  number->kind = JSON_NUMBER;
  number->number = value->boolean;
  number->integer = value->boolean;
  number->is_integer = true;
  return number;
}

bool layer_attr(Layer *l, const char *domain, const char *op_type, int version, const char *name,
                const JsonValue *value, Attr *attr) {
  const OperatorSchema *schema = op_schema(l->r->c, domain, op_type, version);
  const SchemaAttr *known = schema ? schema_attr(schema, name) : NULL;
  value = as_number(l->r->arena, value);
  AttrKind kind = known ? known->kind : guess_kind(value);
  *attr = (Attr){.name = name, .kind = kind};
  if (!fits(value, kind)) return attr_error(l, value, name, kind);
  *attr = json_attr(l->r->arena, name, kind, value);
  if (kind != ATTR_TENSOR) return true;
  attr->tensor = read_tensor(l, value);
  if (attr->tensor) return true;
  return attr_error(l, value, name, kind);
}

/* ---- operators ---- */

void build_onnx(Layer *l) {
  const JsonValue *given = json_member(l->json, "attributes");
  const char *domain = layer_text(l, "domain"), *op = layer_text(l, "op");
  int version = (int)layer_int(l, "version"), count = given ? (int)given->count : 0;
  Attr *attrs = ARENA_ARRAY(l->r->arena, Attr, count + 1);
  if (strcmp(domain, "ai.onnx") == 0) domain = "";
  if (!version) version = layer_newest(l, domain, op);
  for (int i = 0; i < count; i++)
    if (!layer_attr(l, domain, op, version, given->members[i].key, given->members[i].value,
                    &attrs[i]))
      l->k.failed = true;
  if (l->k.failed) return;
  layer_give(l, compose_version(&l->k, domain, op, version, (Values){l->inputs, l->input_count},
                                (Attrs){attrs, count}, l->wanted));
}

/* ---- values ---- */

void build_constant(Layer *l) {
  DType dtype = dtype_from_name(layer_text(l, "dtype"));
  const Tensor *tensor = constant_read(l->r, json_member(l->json, "value"), dtype);
  l->k.failed = !tensor;
  if (tensor) l->outputs[0] = value_constant(l->r->c, l->name, tensor);
}

/* A tensor of the weight file, called like the node or as "weight" says. */
void build_parameter(Layer *l) {
  const char *name = layer_text(l, "weight") ? layer_text(l, "weight") : l->name;
  l->outputs[0] = weights_find(l->r, name);
  if (l->outputs[0]) return;
  layer_error(l, "weight", "weight '%s' is in no weight file", name);
  diag_did_you_mean(l->r->c->diag, weights_suggest(l->r, name));
}
