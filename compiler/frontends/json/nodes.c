/* nodes.c: "layers" (each takes the output of the one before) and "nodes" (a graph by names). */
#include "layer.h"

#include "frontends/common/order.h"

#include <inttypes.h>

/* A layer of the file before it is built. */
typedef struct {
  const JsonValue *json;
  const LayerType *type; /* NULL: there is none, which was reported */
  const char *name;
  const char **outputs;
  int output_count;
} Item;

typedef struct {
  JsonReader *r;
  Item *items;
  size_t count;
  Map producers; /* name → index + 1 */
} Items;

/* ---- names ---- */

static bool check_type(JsonReader *r, const JsonValue *layer) {
  const JsonValue *type = json_member(layer, "type");
  if (!type || type->kind != JSON_STRING || layer_type_find(r, type->string)) return true;
  json_error(&r->file, type, "there is no layer type '%s'", type->string);
  return diag_did_you_mean(r->c->diag, layer_type_suggest(r, type->string));
}

bool layer_types_check(JsonReader *r) {
  static const char *const lists[] = {"layers", "nodes"};
  bool ok = true;
  for (int k = 0; k < 2; k++) {
    const JsonValue *list = json_member(r->file.root, lists[k]);
    for (size_t i = 0; list && list->kind == JSON_ARRAY && i < list->count; i++)
      ok = check_type(r, list->items[i]) && ok;
  }
  return ok;
}

/* A node's outputs are called as "outputs" says, or its only one like the node. */
static void read_names(JsonReader *r, Item *item, size_t index) {
  const JsonValue *name = json_member(item->json, "name"),
                  *outputs = json_member(item->json, "outputs");
  item->name = name ? name->string : arena_printf(r->arena, "%zu", index);
  item->output_count = outputs ? (int)outputs->count : 1;
  item->outputs = ARENA_ARRAY(r->arena, const char *, item->output_count + 1);
  item->outputs[0] = item->name;
  for (size_t i = 0; outputs && i < outputs->count; i++)
    item->outputs[i] = outputs->items[i]->string;
}

static const JsonValue *place_of_output(const Item *item, int i) {
  const JsonValue *outputs = json_member(item->json, "outputs");
  const JsonValue *name = json_member(item->json, "name");
  return outputs ? outputs->items[i] : name ? name : item->json;
}

static bool define_names(Items *all, size_t index) {
  const Item *item = &all->items[index];
  JsonReader *r = all->r;
  bool ok = true;
  for (int i = 0; i < item->output_count; i++) {
    const char *name = item->outputs[i];
    if (!*name) continue;
    if (map_get(&r->values, name) || map_get(&all->producers, name))
      ok = json_error(&r->file, place_of_output(item, i), "there is a value called '%s' already",
                      name);
    else
      map_set(&all->producers, name, (void *)(uintptr_t)(index + 1));
  }
  if (item->type && item->output_count > item->type->outputs)
    ok = json_error(&r->file, json_member(item->json, "outputs"),
                    "%s has at most %d output%s, not %d", item->type->type, item->type->outputs,
                    item->type->outputs > 1 ? "s" : "", item->output_count);
  return ok;
}

static bool collect(Items *all, const JsonValue *list) {
  bool ok = true;
  all->count = list->count;
  all->items = ARENA_ARRAY(all->r->arena, Item, list->count + 1);
  all->producers = map_in(all->r->arena);
  for (size_t i = 0; i < list->count; i++) {
    all->items[i].json = list->items[i];
    all->items[i].type = layer_type_find(all->r, json_member(list->items[i], "type")->string);
    read_names(all->r, &all->items[i], i);
    ok = define_names(all, i) && ok;
  }
  return ok;
}

/* ---- building ---- */

/* What a layer computes with: the type of its first input of floats. */
static DType float_type(Value *const *values, int count) {
  for (int i = 0; i < count; i++)
    if (values[i] && dtype_is_float(values[i]->dtype)) return values[i]->dtype;
  return DT_F32;
}

static bool check_inputs(const JsonReader *r, const Item *item, int count) {
  const LayerType *type = item->type;
  const JsonValue *inputs = json_member(item->json, "inputs");
  int limit = count < type->least_inputs ? type->least_inputs : type->most_inputs;
  if (count >= type->least_inputs && count <= type->most_inputs) return true;
  return json_error(&r->file, inputs ? inputs : item->json, "%s takes %s%d input%s, not %d",
                    type->type,
                    type->least_inputs == type->most_inputs ? ""
                    : count < type->least_inputs            ? "at least "
                                                            : "at most ",
                    limit, limit == 1 ? "" : "s", count);
}

/* After an error too: an output without a type is passed over in silence by its users. */
static void define_outputs(JsonReader *r, const Item *item, Value *const *outputs) {
  for (int i = 0; i < item->output_count; i++) {
    const char *name = item->outputs[i];
    Value *value = outputs ? outputs[i] : NULL;
    if (!*name || map_get(&r->values, name)) continue;
    if (!value) value = value_create(r->c, name);
    if (value->producer && value->producer->name == item->name) value->name = name;
    map_set(&r->values, name, value);
  }
}

static bool build(JsonReader *r, const Item *item, Value **inputs, int count) {
  const JsonValue *schema = item->type ? json_member(r->layer_schemas, item->type->type) : NULL;
  if (!item->type || !check_inputs(r, item, count)) {
    define_outputs(r, item, NULL);
    return false;
  }
  Layer l = {.k = layer_composer(r, item->name),
             .r = r,
             .type = item->type,
             .json = item->json,
             .fields = json_member(schema, "properties"),
             .name = item->name,
             .where = json_where(&r->file, item->json),
             .dtype = float_type(inputs, count),
             .inputs = inputs,
             .input_count = count,
             .outputs = ARENA_ARRAY(r->arena, Value *, LAYER_VALUES),
             .wanted = item->output_count};
  int errors = r->c->diag->errors;
  item->type->build(&l);
  for (int i = 0; i < l.wanted && i < item->type->outputs && !l.k.failed; i++)
    if (!l.outputs[i] && *item->outputs[i])
      layer_error(&l, "outputs", "%s has no output %d here", item->type->type, i);
  define_outputs(r, item, l.outputs);
  return r->c->diag->errors == errors;
}

/* ---- a sequence ---- */

static bool build_sequence(Items *all) {
  JsonReader *r = all->r;
  const JsonValue *inputs = json_member(r->file.root, "inputs");
  if (inputs->count != 1)
    return json_error(&r->file, inputs, "a model of \"layers\" has one input, not %zu",
                      inputs->count);
  const char *last = json_member(inputs->items[0], "name")->string;
  bool ok = true;
  for (size_t i = 0; i < all->count; i++) {
    Value **input = ARENA_ARRAY(r->arena, Value *, 1);
    input[0] = map_get(&r->values, last);
    if (json_member(all->items[i].json, "inputs"))
      ok = json_error(&r->file, json_member(all->items[i].json, "inputs"),
                      "a layer takes the output of the one before; \"nodes\" name their inputs");
    ok = build(r, &all->items[i], input, 1) && ok;
    last = all->items[i].outputs[0];
  }
  return ok;
}

/* The output of the last layer, under the name that "outputs" gives it. */
static bool sequence_output(Items *all) {
  JsonReader *r = all->r;
  const JsonValue *names = json_member(r->file.root, "outputs");
  const Item *last = all->count ? &all->items[all->count - 1] : NULL;
  Value *value = last ? map_get(&r->values, last->outputs[0]) : NULL;
  if (names && names->count != 1)
    return json_error(&r->file, names, "a model of \"layers\" has one output, not %zu",
                      names->count);
  if (!value) return false;
  r->c->output_names = ARENA_ARRAY(r->arena, const char *, 1);
  r->c->output_names[0] = names ? names->items[0]->string : "output";
  vec_push(r->arena, &r->graph->outputs, value);
  return true;
}

/* ---- a graph ---- */

static const char *suggest_value(const Items *all, const char *name) {
  Arena *arena = all->r->arena;
  Vec(const char *) names = {0};
  const Map *maps[] = {&all->r->values, &all->producers, &all->r->weights};
  for (int m = 0; m < 3; m++)
    for (size_t i = 0; i < maps[m]->capacity; i++)
      if (maps[m]->entries[i].key) vec_push(arena, &names, maps[m]->entries[i].key);
  return str_nearest(name, names.items, names.count);
}

/* The value of that name: an input, an output of a node, or a tensor of a weight file. */
static Value *find_value(const Items *all, const JsonValue *name) {
  JsonReader *r = all->r;
  Value *value = map_get(&r->values, name->string);
  if (!value) value = weights_find(r, name->string);
  if (value) return value;
  json_error(&r->file, name, "'%s' is no input, no output of a node and no weight", name->string);
  diag_did_you_mean(r->c->diag, suggest_value(all, name->string));
  value = value_create(r->c, name->string);
  map_set(&r->values, name->string, value);
  return NULL;
}

static bool build_node(const Items *all, const Item *item) {
  JsonReader *r = all->r;
  const JsonValue *names = json_member(item->json, "inputs");
  int count = names ? (int)names->count : 0;
  Value **inputs = ARENA_ARRAY(r->arena, Value *, count + 1);
  bool ok = true;
  for (int i = 0; i < count; i++) {
    if (names->items[i]->kind == JSON_NULL || !names->items[i]->length) continue;
    inputs[i] = find_value(all, names->items[i]);
    if (inputs[i]) continue;
    inputs[i] = map_get(&r->values, names->items[i]->string);
    ok = false;
  }
  while (count && !inputs[count - 1]) count--;
  return build(r, item, inputs, count) && ok;
}

static Needs needs_of(const Items *all) {
  Arena *arena = all->r->arena;
  Vec(int) needs = {0};
  size_t *first = ARENA_ARRAY(arena, size_t, all->count + 1);
  for (size_t i = 0; i < all->count; i++) {
    const JsonValue *inputs = json_member(all->items[i].json, "inputs");
    first[i] = needs.count;
    for (size_t k = 0; inputs && k < inputs->count; k++) {
      const char *name = inputs->items[k]->kind == JSON_STRING ? inputs->items[k]->string : "";
      uintptr_t producer = (uintptr_t)map_get(&all->producers, name);
      if (producer) vec_push(arena, &needs, (int)producer - 1);
    }
  }
  first[all->count] = needs.count;
  return (Needs){all->count, needs.items, first};
}

static bool report_cycle(const Items *all, const int *members, size_t count) {
  enum { SHOWN = 5 };
  Str text = str_in(all->r->arena);
  for (size_t i = 0; i < count && i < SHOWN; i++)
    str_addf(&text, "%s'%s'", i ? ", " : "", all->items[members[i]].name);
  if (count > SHOWN) str_addf(&text, " and %zu more", count - SHOWN);
  return json_error(&all->r->file, all->items[members[0]].json,
                    "nodes wait for each other (a cycle): %s", str_text(&text));
}

static bool build_graph(Items *all) {
  int *order;
  size_t cycle;
  bool ok = true;
  Needs needs = needs_of(all);
  if (!topological_order(all->r->arena, &needs, &order, &cycle)) {
    for (size_t i = 0; i < all->count; i++) define_outputs(all->r, &all->items[i], NULL);
    return report_cycle(all, order, cycle);
  }
  for (size_t i = 0; i < all->count; i++) ok = build_node(all, &all->items[order[i]]) && ok;
  return ok;
}

static bool graph_outputs(Items *all) {
  JsonReader *r = all->r;
  const JsonValue *names = json_member(r->file.root, "outputs");
  bool ok = true;
  r->c->output_names = ARENA_ARRAY(r->arena, const char *, names->count);
  for (size_t i = 0; i < names->count; i++) {
    Value *value = find_value(all, names->items[i]);
    r->c->output_names[i] = names->items[i]->string;
    if (value) vec_push(r->arena, &r->graph->outputs, value);
    ok = ok && value;
  }
  return ok;
}

/* ---- both ---- */

bool layers_read(JsonReader *r) {
  const JsonValue *layers = json_member(r->file.root, "layers");
  Items all = {.r = r};
  bool ok = collect(&all, layers ? layers : json_member(r->file.root, "nodes"));
  ok = (layers ? build_sequence(&all) : build_graph(&all)) && ok;
  return (layers ? sequence_output(&all) : graph_outputs(&all)) && ok;
}
