/* pattern_read.c: `replaces` of layer.json: patterns of nodes.
 *
 *   {"op": "Conv"}                           a node with the layer's inputs, outputs and attributes
 *   {"nodes": [{"op": "Mul", …}, …]}         several, connected by names */
#include "plugins/descriptor.h"

#include "ops/schema.h"

#include <string.h>

enum { MOST_COMMUTATIVE = 8 }; /* nodes: every choice of their orders is tried */

/* --- names --- */

static int find_input(const Plugin *p, const char *name) {
  return plugin_find_tensor(p->inputs.items, p->inputs.count, name);
}

static int find_value(const PluginPattern *pattern, const char *name) {
  for (size_t i = 0; i < pattern->values.count; i++)
    if (strcmp(pattern->values.items[i].name, name) == 0) return (int)i;
  return -1;
}

static bool attr_missing(Reader *r, const JsonValue *at, const char *name) {
  Vec(const char *) names = {0};
  for (size_t i = 0; i < r->plugin->attrs.count; i++)
    vec_push(r->arena, &names, r->plugin->attrs.items[i].name);
  json_error(r->file, at, "the layer has no attribute '%s'", name);
  return diag_suggest(r->file->diag, name, names.items, names.count);
}

/* --- operators --- */

static bool op_missing(Reader *r, const JsonValue *at, const PatternNode *node) {
  json_error(r->file, at, "ctc has no operator '%s' that could be replaced", node->op);
  return diag_did_you_mean(r->file->diag, schema_suggest(r->arena, node->domain, node->op));
}

static bool read_op(Reader *r, const JsonValue *json, PatternNode *node) {
  node->json = json;
  node->domain = json_member_text(json, "domain", "");
  node->op = json_member(json, "op")->string;
  const OpDef *op = op_find(node->domain, node->op);
  if (!op) return op_missing(r, json_member(json, "op"), node);
  node->commutative = op->flags & OP_COMMUTATIVE;
  return true;
}

/* --- a node among others --- */

static bool value_missing(Reader *r, const PluginPattern *pattern, const JsonValue *json) {
  Vec(const char *) names = {0};
  for (size_t i = 0; i < r->plugin->inputs.count; i++)
    vec_push(r->arena, &names, r->plugin->inputs.items[i].name);
  for (size_t i = 0; i < pattern->values.count; i++)
    vec_push(r->arena, &names, pattern->values.items[i].name);
  json_error(r->file, json, "'%s' is no input of the layer, and no node before makes it",
             json->string);
  return diag_suggest(r->file->diag, json->string, names.items, names.count);
}

static bool read_slot(Reader *r, PluginPattern *pattern, const JsonValue *json, PatternSlot *slot) {
  const Plugin *p = r->plugin;
  *slot = (PatternSlot){.kind = SLOT_NONE};
  if (json->kind == JSON_NULL) return true;
  if (json->kind == JSON_NUMBER) {
    *slot = (PatternSlot){.kind = SLOT_NUMBER, .number = json->number};
    return true;
  }
  slot->kind = SLOT_INPUT;
  if ((slot->index = find_input(p, json->string)) >= 0) return true;
  slot->kind = SLOT_VALUE;
  if ((slot->index = find_value(pattern, json->string)) >= 0) return true;
  slot->kind = SLOT_ATTR;
  slot->index = plugin_find_attr(p, json->string);
  if (slot->index < 0) return value_missing(r, pattern, json);
  AttrKind kind = p->attrs.items[slot->index].kind;
  return kind == ATTR_FLOAT || kind == ATTR_INT ||
         json_error(r->file, json, "attribute '%s' of the layer is no number", json->string);
}

static bool read_inputs(Reader *r, PluginPattern *pattern, PatternNode *node) {
  const JsonValue *list = json_member(node->json, "inputs");
  PatternSlot slot;
  bool ok = true;
  for (size_t i = 0; i < list->count; i++) {
    ok = read_slot(r, pattern, list->items[i], &slot) && ok;
    vec_push(r->arena, &node->inputs, slot);
  }
  node->commutative = node->commutative && list->count == 2;
  return ok;
}

static bool add_value(Reader *r, PluginPattern *pattern, PatternNode *node, const JsonValue *at,
                      PatternValue value) {
  bool ok = true;
  if (find_input(r->plugin, value.name) >= 0 || plugin_find_attr(r->plugin, value.name) >= 0)
    ok = json_error(r->file, at, "'%s' is an input or an attribute of the layer", value.name);
  if (find_value(pattern, value.name) >= 0)
    ok = json_error(r->file, at, "'%s' is made by two nodes", value.name);
  vec_push(r->arena, &node->outputs, (int)pattern->values.count);
  vec_push(r->arena, &pattern->values, value);
  return ok;
}

static bool read_outputs(Reader *r, PluginPattern *pattern, PatternNode *node) {
  const JsonValue *list = json_member(node->json, "outputs");
  const Plugin *p = r->plugin;
  bool ok = true;
  for (size_t i = 0; i < list->count; i++) {
    const JsonValue *json = list->items[i];
    if (json->kind == JSON_NULL) {
      vec_push(r->arena, &node->outputs, -1);
      continue;
    }
    PatternValue value = {.name = json->string,
                          .node = (int)pattern->nodes.count,
                          .position = (int)i,
                          .output =
                              plugin_find_tensor(p->outputs.items, p->outputs.count, json->string)};
    ok = add_value(r, pattern, node, json, value) && ok;
  }
  return ok;
}

/* {"attribute": "alpha"} */
static bool read_bound_attr(Reader *r, const JsonValue *json, const SchemaAttr *known,
                            PatternAttr *attr) {
  const JsonValue *name = json_member(json, "attribute");
  if (!name || name->kind != JSON_STRING || json->count != 1)
    return json_error(r->file, json, "expected a value, or {\"attribute\": NAME}");
  attr->attr = plugin_find_attr(r->plugin, name->string);
  if (attr->attr < 0) return attr_missing(r, name, name->string);
  const PluginAttr *own = &r->plugin->attrs.items[attr->attr];
  return own->kind == known->kind ||
         json_error(r->file, name, "attribute '%s' of the layer is not of the kind of '%s'",
                    own->name, known->name);
}

static bool unknown_attr(Reader *r, const PatternNode *node, const JsonMember *member,
                         const OperatorSchema *schema) {
  Vec(const char *) names = {0};
  for (int i = 0; i < schema->attr_count; i++) vec_push(r->arena, &names, schema->attrs[i].name);
  json_error(r->file, member->value, "%s has no attribute '%s'", node->op, member->key);
  return diag_suggest(r->file->diag, member->key, names.items, names.count);
}

static bool read_attrs(Reader *r, PatternNode *node) {
  const JsonValue *json = json_member(node->json, "attributes");
  const OperatorSchema *schema = schema_find(node->domain, node->op, schema_newest(node->domain));
  bool ok = true;
  for (size_t i = 0; i < (json ? json->count : 0); i++) {
    const JsonMember *member = &json->members[i];
    const SchemaAttr *known = schema ? schema_attr(schema, member->key) : NULL;
    PatternAttr attr = {.name = member->key, .value = member->value, .attr = -1};
    if (!known) {
      ok = schema && unknown_attr(r, node, member, schema) && ok;
      continue;
    }
    bool bound = member->value->kind == JSON_OBJECT;
    if (bound) attr.value = NULL;
    if (bound) ok = read_bound_attr(r, member->value, known, &attr) && ok;
    vec_push(r->arena, &node->attrs, attr);
  }
  return ok;
}

static bool read_node(Reader *r, PluginPattern *pattern, const JsonValue *json) {
  PatternNode node = {0};
  bool known = read_op(r, json, &node);
  bool ok = read_inputs(r, pattern, &node);
  ok = read_outputs(r, pattern, &node) && ok;
  ok = (!known || read_attrs(r, &node)) && known && ok;
  vec_push(r->arena, &pattern->nodes, node);
  return ok;
}

/* --- several nodes --- */

/* Marks the nodes that value `value` comes from. */
static void mark_sources(const PluginPattern *pattern, int value, bool *marks) {
  int number = pattern->values.items[value].node;
  const PatternNode *node = &pattern->nodes.items[number];
  if (marks[number]) return;
  marks[number] = true;
  for (size_t i = 0; i < node->inputs.count; i++)
    if (node->inputs.items[i].kind == SLOT_VALUE)
      mark_sources(pattern, node->inputs.items[i].index, marks);
}

static bool check_connected(Reader *r, const PluginPattern *pattern, int first) {
  bool *marks = ARENA_ARRAY(r->arena, bool, pattern->nodes.count + 1), ok = true;
  mark_sources(pattern, first, marks);
  for (size_t i = 0; i < pattern->nodes.count; i++)
    if (!marks[i])
      ok = json_error(r->file, pattern->nodes.items[i].json, "'%s' does not depend on this node",
                      pattern->values.items[first].name);
  return ok;
}

static bool uses_input(const PluginPattern *pattern, int input) {
  for (size_t i = 0; i < pattern->nodes.count; i++) {
    const PatternNode *node = &pattern->nodes.items[i];
    for (size_t k = 0; k < node->inputs.count; k++)
      if (node->inputs.items[k].kind == SLOT_INPUT && node->inputs.items[k].index == input)
        return true;
  }
  return false;
}

/* Everything that the layer has occurs in the nodes. */
static bool check_complete(Reader *r, const PluginPattern *pattern, const JsonValue *nodes) {
  const Plugin *p = r->plugin;
  int commutative = 0;
  bool ok = true;
  for (size_t i = 0; i < p->inputs.count; i++)
    if (!p->inputs.items[i].optional && !uses_input(pattern, (int)i))
      ok = json_error(r->file, nodes, "input '%s' of the layer does not occur",
                      p->inputs.items[i].name);
  for (size_t i = 0; i < p->outputs.count; i++)
    if (find_value(pattern, p->outputs.items[i].name) < 0)
      ok = json_error(r->file, nodes, "no node makes output '%s' of the layer",
                      p->outputs.items[i].name);
  for (size_t i = 0; i < pattern->nodes.count; i++)
    commutative += pattern->nodes.items[i].commutative;
  if (commutative > MOST_COMMUTATIVE)
    ok = json_error(r->file, nodes, "more than %d nodes whose inputs may trade places",
                    MOST_COMMUTATIVE);
  return ok && check_connected(r, pattern, find_value(pattern, p->outputs.items[0].name));
}

static bool read_nodes(Reader *r, PluginPattern *pattern, const JsonValue *nodes) {
  bool ok = true;
  for (size_t i = 0; i < nodes->count; i++) ok = read_node(r, pattern, nodes->items[i]) && ok;
  return ok && check_complete(r, pattern, nodes);
}

/* --- one node that is like the layer --- */

static bool read_single(Reader *r, PluginPattern *pattern, const JsonValue *json) {
  const Plugin *p = r->plugin;
  PatternNode node = {.same_attrs = true};
  if (!read_op(r, json, &node)) return false;
  node.commutative = node.commutative && p->inputs.count == 2;
  for (size_t i = 0; i < p->inputs.count; i++) {
    PatternSlot slot = {.kind = SLOT_INPUT, .index = (int)i};
    vec_push(r->arena, &node.inputs, slot);
  }
  for (size_t i = 0; i < p->outputs.count; i++) {
    PatternValue value = {.name = p->outputs.items[i].name, .position = (int)i, .output = (int)i};
    vec_push(r->arena, &node.outputs, (int)i);
    vec_push(r->arena, &pattern->values, value);
  }
  vec_push(r->arena, &pattern->nodes, node);
  return true;
}

/* --- what the layer gets --- */

static bool read_layer_attrs(Reader *r, PluginPattern *pattern, const JsonValue *json) {
  Plugin *p = r->plugin;
  bool ok = true;
  pattern->attrs = ARENA_ARRAY(r->arena, const Attr *, p->attrs.count + 1);
  for (size_t i = 0; i < (json ? json->count : 0); i++) {
    const JsonMember *member = &json->members[i];
    int attr = plugin_find_attr(p, member->key);
    Attr *made = ARENA_NEW(r->arena, Attr);
    if (attr < 0) {
      ok = attr_missing(r, member->value, member->key);
      continue;
    }
    ok = read_attr_value(r, &p->attrs.items[attr], member->value, "the value", made) && ok;
    pattern->attrs[attr] = made;
  }
  return ok;
}

static bool read_shapes(Reader *r, PluginPattern *pattern, const JsonValue *json) {
  const Plugin *p = r->plugin;
  bool ok = true;
  pattern->shapes = ARENA_ARRAY(r->arena, const PluginTensor *, p->inputs.count + 1);
  for (size_t i = 0; i < (json ? json->count : 0); i++) {
    const JsonMember *member = &json->members[i];
    int input = find_input(p, member->key);
    PluginTensor *shaped = ARENA_NEW(r->arena, PluginTensor);
    if (input < 0) {
      ok = json_error(r->file, member->value, "the layer has no input '%s'", member->key);
      continue;
    }
    *shaped = p->inputs.items[input];
    ok = read_shape(r, member->value, shaped, true) && ok;
    if (shaped->rest >= 0)
      ok = json_error(r->file, member->value, "a shape of a constant has no \"...\"");
    pattern->shapes[input] = shaped;
  }
  return ok;
}

static bool read_pattern(Reader *r, const JsonValue *json) {
  PluginPattern pattern = {0};
  const JsonValue *nodes = json_member(json, "nodes");
  bool ok = nodes ? read_nodes(r, &pattern, nodes) : read_single(r, &pattern, json);
  ok = read_layer_attrs(r, &pattern, json_member(json, "attributes")) && ok;
  ok = read_shapes(r, &pattern, json_member(json, "shapes")) && ok;
  pattern.condition = read_expression_member(r, json, "condition", &ok);
  vec_push(r->arena, &r->plugin->patterns, pattern);
  return ok;
}

bool plugin_read_patterns(Reader *r, const JsonValue *replaces) {
  bool ok = true;
  if (!replaces) return true;
  if (replaces->kind == JSON_OBJECT) return read_pattern(r, replaces);
  for (size_t i = 0; i < replaces->count; i++) ok = read_pattern(r, replaces->items[i]) && ok;
  return ok;
}
