/* layer.c: fields, weights and nodes of a layer. */
#include "layer.h"

#include "frontends/common/check.h"
#include "frontends/common/inputs.h"
#include "ops/op.h"
#include "ops/schema.h"

#include <inttypes.h>

/* ---- fields ---- */

const JsonValue *layer_field(const Layer *l, const char *key) {
  const JsonValue *value = json_member(l->json, key);
  if (!value) value = json_member(json_member(l->fields, key), "default");
  return value && value->kind != JSON_NULL ? value : NULL;
}

int64_t layer_int(const Layer *l, const char *key) {
  const JsonValue *value = layer_field(l, key);
  return value && value->is_integer ? value->integer : 0;
}

double layer_real(const Layer *l, const char *key) {
  const JsonValue *value = layer_field(l, key);
  return value ? value->number : 0;
}

bool layer_bool(const Layer *l, const char *key) {
  const JsonValue *value = layer_field(l, key);
  return value && value->boolean;
}

const char *layer_text(const Layer *l, const char *key) {
  const JsonValue *value = layer_field(l, key);
  return value && value->kind == JSON_STRING ? value->string : NULL;
}

const int64_t *layer_list(const Layer *l, const char *key, int *count) {
  const JsonValue *value = layer_field(l, key);
  bool list = value && value->kind == JSON_ARRAY;
  *count = !value ? 0 : list ? (int)value->count : 1;
  int64_t *out = ARENA_ARRAY(l->r->arena, int64_t, *count + 1);
  for (int i = 0; i < *count; i++) out[i] = list ? value->items[i]->integer : value->integer;
  return out;
}

void layer_ints(const Layer *l, const char *key, int count, int64_t *out) {
  int given;
  const int64_t *list = layer_list(l, key, &given);
  for (int i = 0; i < count; i++) out[i] = i < given ? list[i] : given ? list[given - 1] : 0;
}

void layer_error(Layer *l, const char *key, const char *format, ...) {
  const JsonReader *r = l->r;
  const JsonValue *at = key ? json_member(l->json, key) : NULL;
  va_list args;
  va_start(args, format);
  diag_verror(r->c->diag, json_where(&r->file, at ? at : l->json), format, args);
  va_end(args);
  l->k.failed = true;
}

/* ---- weights ---- */

/* The name in the weight file: "weights" of the layer may say another one. */
static const char *weight_name(const Layer *l, const char *name) {
  const JsonValue *other = json_member(json_member(l->json, "weights"), name);
  return other ? other->string : arena_printf(l->r->arena, "%s.%s", l->name, name);
}

static const char *shape_text(Arena *arena, int rank, const int64_t *dims) {
  Str text = str_in(arena);
  str_add(&text, "[");
  for (int i = 0; i < rank; i++) str_addf(&text, "%s%" PRId64, i ? ", " : "", dims[i]);
  str_add(&text, "]");
  return str_text(&text);
}

static void missing_weight(Layer *l, const char *name, int rank, const int64_t *dims) {
  JsonReader *r = l->r;
  const char *near = weights_suggest(r, name);
  layer_error(l, "weights", "weight '%s' %s is in no weight file", name,
              shape_text(r->arena, rank, dims));
  if (near)
    diag_did_you_mean(r->c->diag, near);
  else if (!r->weight_list.count)
    diag_hint(r->c->diag, "name the file: \"weights\": \"FILE.safetensors\" at the top");
}

static void check_weight(Layer *l, const char *name, const Value *value, int rank,
                         const int64_t *dims) {
  const Tensor *tensor = value->constant;
  Arena *arena = l->r->arena;
  bool same = tensor->rank == rank;
  for (int i = 0; i < rank && same; i++) same = tensor->dims[i] == dims[i];
  if (!same)
    layer_error(l, NULL, "weight '%s' is %s%s, but the layer takes %s", name,
                dtype_info(tensor->dtype)->name, shape_text(arena, tensor->rank, tensor->dims),
                shape_text(arena, rank, dims));
  else if (tensor->dtype != l->dtype)
    layer_error(l, NULL, "weight '%s' is of %s, but the layer computes with %s", name,
                dtype_info(tensor->dtype)->name, dtype_info(l->dtype)->name);
}

Value *layer_weight(Layer *l, const char *parameter, int rank, const int64_t *dims) {
  const char *name = weight_name(l, parameter);
  Value *value = weights_find(l->r, name);
  if (value) {
    check_weight(l, name, value, rank, dims);
    return value;
  }
  missing_weight(l, name, rank, dims);
  return value_create(l->r->c, name);
}

Value *layer_any_weight(Layer *l, const char *parameter, bool optional) {
  const char *name = weight_name(l, parameter);
  Value *value = weights_find(l->r, name);
  if (value || optional) return value;
  layer_error(l, "weights", "weight '%s' is in no weight file", name);
  diag_did_you_mean(l->r->c->diag, weights_suggest(l->r, name));
  return value_create(l->r->c, name);
}

Value *layer_weight1(Layer *l, const char *name, int64_t size) {
  return layer_weight(l, name, 1, &size);
}

Value *layer_weight2(Layer *l, const char *name, int64_t rows, int64_t columns) {
  return layer_weight(l, name, 2, (int64_t[]){rows, columns});
}

/* ---- constants ---- */

static Value *filled(Layer *l, int rank, const int64_t *dims, double value) {
  void *data;
  Tensor *tensor = tensor_create(l->r->arena, l->dtype, rank, dims, &data);
  size_t bytes = dtype_info(l->dtype)->bytes;
  for (int64_t i = 0; i < tensor->count; i++)
    literal_store_real(value, l->dtype, (char *)data + (size_t)i * bytes);
  return compose_tensor(&l->k, tensor);
}

Value *layer_scalar(Layer *l, double value) {
  return filled(l, 0, NULL, value);
}

Value *layer_fill(Layer *l, int64_t count, double value) {
  return filled(l, 1, &count, value);
}

int layer_rank(Layer *l, const Value *value) {
  if (value->rank < 0) l->k.failed = true;
  return value->rank < 0 ? 0 : value->rank;
}

int layer_axis(Layer *l, const char *key, int64_t axis, int rank) {
  if (axis >= -rank && axis < rank) return (int)(axis < 0 ? axis + rank : axis);
  if (rank) layer_error(l, key, "axis %" PRId64 " is outside of [%d, %d]", axis, -rank, rank - 1);
  l->k.failed = true;
  return 0;
}

/* ---- nodes ---- */

static const char *layer_where(const void *layer) {
  return ((const Layer *)layer)->where;
}

/* The table knows names only; what they are does not matter to it. */
static bool check(Layer *l, const NewNode *what, Attr **attrs, int *count) {
  static char given[] = "x", omitted[] = "";
  Values in = what->in;
  char **names = ARENA_ARRAY(l->r->arena, char *, in.count + what->outputs + 1);
  for (int i = 0; i < in.count + what->outputs; i++)
    names[i] = i >= in.count || in.items[i] ? given : omitted;
  NodeFacts facts = {.c = l->r->c,
                     .domain = what->domain,
                     .op_type = what->op_type,
                     .version = what->version,
                     .inputs = names,
                     .input_count = (size_t)in.count,
                     .outputs = names + in.count,
                     .output_count = (size_t)what->outputs,
                     .where = layer_where,
                     .site = l};
  return check_node(&facts, attrs, count);
}

int layer_newest(Layer *l, const char *domain, const char *op_type) {
  int newest = schema_newest(domain);
  const OperatorSchema *own = newest ? NULL : op_schema(l->r->c, domain, op_type, INT32_MAX);
  return newest ? newest : own ? own->since : 1;
}

/* In place of outputs of a node that cannot be. */
static Value **unknown_values(Layer *l, const NewNode *what) {
  Value **values = ARENA_ARRAY(l->r->arena, Value *, what->outputs + 1);
  l->k.failed = true;
  for (int i = 0; i < what->outputs; i++) values[i] = value_create(l->r->c, what->output);
  return values;
}

static Value **make_node(Composer *k, const NewNode *what) {
  Layer *l = (Layer *)k;
  NewNode plain = *what;
  int count = what->attrs.count;
  Attr *attrs = attrs_copy(l->r->arena, what->attrs);
  plain.attrs = NO_ATTRS;
  if (!check(l, what, &attrs, &count)) return unknown_values(l, what);
  Node *node = graph_add(k->c, k->body, &plain);
  node->name = l->name;
  node->where = l->where;
  node->attrs = attrs;
  node->attr_count = count;
  infer_types(k->c, node);
  return node->outputs;
}

Composer layer_composer(JsonReader *r, const char *name) {
  return (Composer){.c = r->c, .body = r->graph, .stem = name, .make = make_node};
}

Value **layer_ops(Layer *l, const char *op_type, Values inputs, Attrs attrs, int outputs) {
  return compose_node(&l->k, "", op_type, inputs, attrs, outputs);
}

Value *layer_op(Layer *l, const char *op_type, Values inputs, Attrs attrs) {
  return layer_ops(l, op_type, inputs, attrs, 1)[0];
}

void layer_give(Layer *l, Value *const *outputs) {
  memcpy(l->outputs, outputs, (size_t)l->wanted * sizeof *outputs);
}

/* ---- short forms ---- */

Value *layer_concat(Layer *l, Values inputs, int64_t axis) {
  if (inputs.count == 1) return inputs.items[0];
  return layer_op(l, "Concat", inputs, WITH(attr_int("axis", axis)));
}

Value *layer_sizes(Layer *l, Value *x, int64_t start, int64_t end) {
  return layer_op(l, "Shape", IN(x), WITH(attr_int("start", start), attr_int("end", end)));
}

Value *layer_batched(Layer *l, int dims, bool *added) {
  *added = l->inputs[0]->rank == dims + 1;
  return *added ? compose_unsqueeze(&l->k, l->inputs[0], 0) : l->inputs[0];
}

Value *layer_unbatched(Layer *l, Value *y, bool added) {
  return added ? compose_squeeze(&l->k, y, 0) : y;
}

Value *layer_linear(Layer *l, Value *x, Value *weight, Value *bias) {
  if (x->rank == 2) return layer_op(l, "Gemm", IN(x, weight, bias), WITH(attr_int("transB", 1)));
  Value *turned = compose_transpose(&l->k, weight, (int64_t[]){1, 0}, 2);
  Value *y = layer_op(l, "MatMul", IN(x, turned), NO_ATTRS);
  return bias ? layer_op(l, "Add", IN(y, bias), NO_ATTRS) : y;
}
