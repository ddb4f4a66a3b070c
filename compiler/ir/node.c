/* node.c: what passes ask a node: attributes, inputs and outputs, its place in the model for
 * messages. */
#include "ir/graph.h"

#include <string.h>

const Attr *node_attr(const Node *node, const char *name) {
  for (int i = 0; i < node->attr_count; i++)
    if (strcmp(node->attrs[i].name, name) == 0) return &node->attrs[i];
  return NULL;
}

/* The attribute if it is there and of this kind. */
static const Attr *attr_of_kind(const Node *node, const char *name, AttrKind kind) {
  const Attr *attr = node_attr(node, name);
  return attr && attr->kind == kind ? attr : NULL;
}

int64_t node_int(const Node *node, const char *name, int64_t missing) {
  const Attr *attr = attr_of_kind(node, name, ATTR_INT);
  return attr ? attr->i : missing;
}

float node_float(const Node *node, const char *name, float missing) {
  const Attr *attr = attr_of_kind(node, name, ATTR_FLOAT);
  return attr ? attr->f : missing;
}

const char *node_string(const Node *node, const char *name, const char *missing) {
  const Attr *attr = attr_of_kind(node, name, ATTR_STRING);
  return attr ? attr->s : missing;
}

const int64_t *node_ints(const Node *node, const char *name, size_t *count) {
  const Attr *attr = attr_of_kind(node, name, ATTR_INTS);
  *count = attr ? attr->count : 0;
  return attr ? attr->ints : NULL;
}

const float *node_floats(const Node *node, const char *name, size_t *count) {
  const Attr *attr = attr_of_kind(node, name, ATTR_FLOATS);
  *count = attr ? attr->count : 0;
  return attr ? attr->floats : NULL;
}

Graph *node_body(const Node *node, const char *name) {
  const Attr *attr = attr_of_kind(node, name, ATTR_GRAPH);
  return attr ? attr->graph : NULL;
}

Attr attr_int(const char *name, int64_t value) {
  return (Attr){.name = name, .kind = ATTR_INT, .count = 1, .i = value};
}

Attr attr_float(const char *name, double value) {
  return (Attr){.name = name, .kind = ATTR_FLOAT, .count = 1, .f = (float)value};
}

Attr attr_text(const char *name, const char *value) {
  return (Attr){
      .name = name, .kind = ATTR_STRING, .count = 1, .s = value, .s_length = strlen(value)};
}

Attr attr_ints(const char *name, const int64_t *values, int count) {
  return (Attr){.name = name, .kind = ATTR_INTS, .count = (size_t)count, .ints = values};
}

Attr attr_graph(const char *name, Graph *graph) {
  return (Attr){.name = name, .kind = ATTR_GRAPH, .count = 1, .graph = graph};
}

void node_set_attr(Compilation *c, Node *node, Attr attr) {
  Attr *attrs = ARENA_ARRAY(c->arena, Attr, node->attr_count + 1);
  int count = 0;
  for (int i = 0; i < node->attr_count; i++)
    if (strcmp(node->attrs[i].name, attr.name) != 0) attrs[count++] = node->attrs[i];
  attrs[count++] = attr;
  node->attrs = attrs;
  node->attr_count = count;
}

Value *node_in(const Node *node, int i) {
  return i >= 0 && i < node->input_count ? node->inputs[i] : NULL;
}

Value *node_out(const Node *node, int i) {
  return i >= 0 && i < node->output_count ? node->outputs[i] : NULL;
}

Value *node_set_output(Node *node, int i, Value *value) {
  value->producer = node;
  value->producer_output = i;
  return node->outputs[i] = value;
}

/* ---- messages ---- */

/* "Conv", "ai.onnx.ml.Scaler" */
static const char *qualified_type(Arena *arena, const Node *node) {
  bool standard = !node->domain || !node->domain[0] || strcmp(node->domain, "ai.onnx") == 0;
  return standard ? node->op_type : arena_printf(arena, "%s.%s", node->domain, node->op_type);
}

const char *node_where(Compilation *c, const Node *node) {
  const char *type = qualified_type(c->arena, node), *file = c->file ? c->file : "model";
  if (node->where)
    return arena_printf(c->arena, "%s: node '%s' (%s)", node->where, node->name, type);
  if (node->name && node->name[0])
    return arena_printf(c->arena, "%s: node '%s' (%s #%d)", file, node->name, type, node->index);
  return arena_printf(c->arena, "%s: node #%d (%s)", file, node->index, type);
}

/* "input 0 'x' is float32[1, 3], input 2 'b' is float32[3]": those of which something is known. */
static const char *describe_inputs(Compilation *c, const Node *node) {
  Str text = str_in(c->arena);
  for (int i = 0; i < node->input_count; i++) {
    const Value *value = node->inputs[i];
    if (!value || (value->dtype == DT_NONE && value->rank < 0)) continue;
    str_addf(&text, "%sinput %d '%s' is %s", text.length ? ", " : "", i,
             value->name ? value->name : "", value_type_text(c, value));
  }
  return str_text(&text);
}

bool node_error(Compilation *c, const Node *node, const char *format, ...) {
  va_list args;
  va_start(args, format);
  diag_verror(c->diag, node_where(c, node), format, args);
  va_end(args);
  const char *inputs = describe_inputs(c, node);
  if (inputs[0]) diag_note(c->diag, "%s", inputs);
  return false;
}
