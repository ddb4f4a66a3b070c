/* pattern_match.c: nodes that fit a pattern of a plugin become a node of the plugin's operator.
 *
 * A pattern is compared from the node that makes the layer's output 0 upwards. Results between its
 * nodes must have no other use. Nodes whose two inputs may trade places are tried in all orders. In
 * the end the layer itself must accept what was found, with nothing left to checks at run time. */
#include "plugins/plugin.h"

#include "ops/schema.h"
#include "passes/match.h"

#include <string.h>

typedef struct {
  Compilation *c;
  const Plugin *plugin;
  const PluginPattern *pattern;
  const int *uses;
  const Graph *graph; /* all nodes must be in it */
  unsigned swapped;   /* bit i: the inputs of commutative node number i trade places */
  Node **nodes;       /* by node of the pattern */
  Value **values, **inputs;
  const Attr **attrs; /* of the layer; NULL: not said */
} Match;

/* --- attributes --- */

static bool same_attr(const Attr *a, const Attr *b) {
  if (a == b) return true;
  if (a->kind != b->kind || a->count != b->count) return false;
  switch (a->kind) {
  case ATTR_INT: return a->i == b->i;
  case ATTR_FLOAT: return a->f == b->f;
  case ATTR_STRING: return a->s_length == b->s_length && memcmp(a->s, b->s, a->s_length) == 0;
  case ATTR_INTS: return !a->count || memcmp(a->ints, b->ints, a->count * sizeof *a->ints) == 0;
  case ATTR_FLOATS:
    for (size_t i = 0; i < a->count; i++)
      if (a->floats[i] != b->floats[i]) return false;
    return true;
  default: return false;
  }
}

static bool is_element(const JsonValue *json, const Attr *attr, size_t i) {
  if (json->kind != JSON_NUMBER) return false;
  if (attr->kind == ATTR_INTS) return json->is_integer && json->integer == attr->ints[i];
  return (float)json->number == attr->floats[i];
}

/* Whether the attribute is what a descriptor says. */
static bool is_literal(const Attr *attr, const JsonValue *json) {
  bool list = attr->kind == ATTR_INTS || attr->kind == ATTR_FLOATS;
  if (list != (json->kind == JSON_ARRAY)) return false;
  if (list && json->count != attr->count) return false;
  for (size_t i = 0; list && i < attr->count; i++)
    if (!is_element(json->items[i], attr, i)) return false;
  if (list) return true;
  if (json->kind == JSON_BOOL) return attr->kind == ATTR_INT && attr->i == json->boolean;
  if (json->kind == JSON_STRING)
    return attr->kind == ATTR_STRING && attr->s_length == json->length &&
           memcmp(attr->s, json->string, json->length) == 0;
  if (json->kind != JSON_NUMBER) return false;
  return attr->kind == ATTR_INT ? json->is_integer && json->integer == attr->i
                                : attr->kind == ATTR_FLOAT && attr->f == (float)json->number;
}

/* Lists that say nothing if all their numbers are these: their length depends on the node. */
static const struct {
  const char *name;
  int64_t number;
} neutral_lists[] = {{"strides", 1}, {"dilations", 1}, {"pads", 0}, {"output_padding", 0}};

static const int64_t *neutral_number(const char *name) {
  for (size_t i = 0; i < sizeof neutral_lists / sizeof *neutral_lists; i++)
    if (strcmp(neutral_lists[i].name, name) == 0) return &neutral_lists[i].number;
  return NULL;
}

static bool is_neutral_list(const Attr *attr) {
  const int64_t *neutral = attr->kind == ATTR_INTS ? neutral_number(attr->name) : NULL;
  for (size_t i = 0; neutral && i < attr->count; i++)
    if (attr->ints[i] != *neutral) return false;
  return neutral != NULL;
}

/* The literal of an attribute that the node leaves out, where that has no default in the table. */
static bool is_neutral_literal(const char *name, const JsonValue *json) {
  const int64_t *neutral = json->kind == JSON_ARRAY ? neutral_number(name) : NULL;
  for (size_t i = 0; neutral && i < json->count; i++)
    if (!json->items[i]->is_integer || json->items[i]->integer != *neutral) return false;
  return neutral != NULL;
}

/* Attributes that a pattern does not name must say what they say when they are left out. A
 * kernel_shape that may be left out repeats the shape of the weights. */
static bool says_nothing(const Node *node, const Attr *attr) {
  const OperatorSchema *schema = schema_find(node->domain, node->op_type, node->version);
  const SchemaAttr *known = schema ? schema_attr(schema, attr->name) : NULL;
  if (!known) return false;
  if (known->missing) return same_attr(attr, known->missing);
  return is_neutral_list(attr) || (strcmp(attr->name, "kernel_shape") == 0 && !known->required);
}

/* The layer's attribute `index` is that of a node. */
static bool bind_attr(Match *m, int index, const Attr *given) {
  const PluginAttr *own = &m->plugin->attrs.items[index];
  if (own->kind != given->kind) return false;
  if (m->attrs[index]) return same_attr(m->attrs[index], given);
  Attr *named = arena_copy(m->c->arena, given, sizeof *given);
  named->name = own->name;
  m->attrs[index] = named;
  return true;
}

static const PatternAttr *find_pattern_attr(const PatternNode *node, const char *name) {
  for (size_t i = 0; i < node->attrs.count; i++)
    if (strcmp(node->attrs.items[i].name, name) == 0) return &node->attrs.items[i];
  return NULL;
}

static bool match_attr(Match *m, const PatternNode *wanted, const Node *node, const Attr *attr) {
  const PatternAttr *named = find_pattern_attr(wanted, attr->name);
  int own = wanted->same_attrs ? plugin_find_attr(m->plugin, attr->name) : -1;
  if (named && named->value) return is_literal(attr, named->value);
  if (named) return bind_attr(m, named->attr, attr);
  return own >= 0 ? bind_attr(m, own, attr) : says_nothing(node, attr);
}

static bool match_attrs(Match *m, const PatternNode *wanted, const Node *node) {
  for (int i = 0; i < node->attr_count; i++)
    if (!match_attr(m, wanted, node, &node->attrs[i])) return false;
  for (size_t i = 0; i < wanted->attrs.count; i++) {
    const PatternAttr *attr = &wanted->attrs.items[i];
    if (attr->value && !node_attr(node, attr->name) && !is_neutral_literal(attr->name, attr->value))
      return false;
  }
  return true;
}

/* --- nodes --- */

static bool match_node(Match *m, int number, Node *node);

static bool match_input(Match *m, int index, Value *value) {
  if (!value) return m->plugin->inputs.items[index].optional && !m->inputs[index];
  if (m->inputs[index]) return m->inputs[index] == value;
  m->inputs[index] = value;
  return true;
}

static bool match_constant_attr(Match *m, int index, const Value *value) {
  double number;
  if (!is_number(value, &number)) return false;
  bool real = m->plugin->attrs.items[index].kind == ATTR_FLOAT;
  if (!real && number != (double)(int64_t)number) return false;
  Attr attr = real ? attr_float("", number) : attr_int("", (int64_t)number);
  return bind_attr(m, index, &attr);
}

static bool match_slot(Match *m, const PatternSlot *slot, Value *value) {
  double number;
  const PatternValue *made;
  switch (slot->kind) {
  case SLOT_INPUT: return match_input(m, slot->index, value);
  case SLOT_ATTR: return match_constant_attr(m, slot->index, value);
  case SLOT_NUMBER:
    return is_number(value, &number) &&
           (number == slot->number || (float)number == (float)slot->number);
  case SLOT_NONE: return !value;
  case SLOT_VALUE:
    made = &m->pattern->values.items[slot->index];
    return value && value->producer && value->producer_output == made->position &&
           match_node(m, made->node, value->producer);
  }
  return false;
}

static bool is_swapped(const Match *m, int number) {
  int place = 0;
  for (int i = 0; i < number; i++) place += m->pattern->nodes.items[i].commutative;
  return m->pattern->nodes.items[number].commutative && m->swapped >> place & 1;
}

static bool match_outputs(Match *m, const PatternNode *wanted, const Node *node) {
  for (int i = 0; i < node->output_count; i++) {
    int value = i < (int)wanted->outputs.count ? wanted->outputs.items[i] : -1;
    Value *made = node->outputs[i];
    if (value >= 0) m->values[value] = made;
    if (value < 0 && made && m->uses[made->id]) return false;
  }
  return true;
}

static bool match_node(Match *m, int number, Node *node) {
  const PatternNode *wanted = &m->pattern->nodes.items[number];
  if (m->nodes[number]) return m->nodes[number] == node;
  if (strcmp(wanted->op, node->op_type) != 0 || strcmp(wanted->domain, node->domain) != 0)
    return false;
  m->nodes[number] = node;
  if (node->graph != m->graph || node->input_count > (int)wanted->inputs.count) return false;
  if (!match_attrs(m, wanted, node) || !match_outputs(m, wanted, node)) return false;
  bool swap = is_swapped(m, number);
  for (int i = 0; i < (int)wanted->inputs.count; i++)
    if (!match_slot(m, &wanted->inputs.items[i], node_in(node, swap ? 1 - i : i))) return false;
  return true;
}

/* --- what lies between the nodes --- */

static int node_count(const Match *m) {
  return (int)m->pattern->nodes.count;
}

/* An output that an inner node makes will be made where `root` stands: nobody needs it before. */
static bool is_needed_before(const Match *m, const Node *root, const Value *value) {
  const Graph *graph = root->graph;
  for (size_t i = 0; i < graph->nodes.count && graph->nodes.items[i] != root; i++) {
    const Node *node = graph->nodes.items[i];
    bool used = false;
    for (int k = 0; k < node->input_count; k++) used = used || node->inputs[k] == value;
    for (int k = 0; k < node->attr_count; k++)
      used = used || (node->attrs[k].graph && graph_uses(node->attrs[k].graph, value));
    if (used && !is_among(m->nodes, node_count(m), node)) return true;
  }
  return false;
}

static bool is_closed_match(const Match *m, const Node *root) {
  for (size_t i = 0; i < m->pattern->values.count; i++) {
    const PatternValue *value = &m->pattern->values.items[i];
    const Value *made = m->values[i];
    if (!made) continue;
    if (value->output < 0 && m->uses[made->id] != uses_among(m->nodes, node_count(m), made))
      return false;
    if (value->output > 0 && is_needed_before(m, root, made)) return false;
  }
  return true;
}

/* --- constants of other shapes --- */

/* The names in the shape that the constant has in the nodes. */
static bool bind_shape(Match *m, const PluginTensor *shaped, const Value *value,
                       ExpressionValue *values) {
  const char *error;
  if (shaped->rank != value->rank) return false;
  for (int d = 0; d < value->rank; d++) {
    int name = shaped->shape[d].binds;
    if (name >= 0 && !values[name].number) values[name].number = value->shape[d];
  }
  for (int d = 0; d < value->rank; d++)
    if (expression_value(m->c->dims, shaped->shape[d].value, values, &error) != value->shape[d])
      return false;
  return true;
}

static Value *reshaped(Match *m, int input) {
  const PluginTensor *tensor = &m->plugin->inputs.items[input];
  Value *value = m->inputs[input];
  ExpressionValue *values = ARENA_ARRAY(m->c->arena, ExpressionValue, m->plugin->names.count + 1);
  int64_t dims[MAX_RANK] = {0}, count = 1;
  const char *error;
  if (!value->constant || !bind_shape(m, m->pattern->shapes[input], value, values)) return NULL;
  for (int d = 0; d < tensor->rank; d++) {
    const Expression *entry = tensor->shape[d].is_rest ? NULL : tensor->shape[d].value;
    Dim dim = entry ? expression_value(m->c->dims, entry, values, &error) : NULL;
    if (!dim || !dim_is_const(dim) || dim_value(dim) < 0) return NULL;
    dims[d] = dim_value(dim);
    count *= dims[d];
  }
  if (count != value->constant->count) return NULL;
  Tensor *made = arena_copy(m->c->arena, value->constant, sizeof *made);
  made->rank = tensor->rank;
  memcpy(made->dims, dims, sizeof dims);
  Value *result = value_constant(m->c, value->name, made);
  result->is_parameter = value->is_parameter;
  return result;
}

static bool reshape_inputs(Match *m) {
  for (size_t i = 0; i < m->plugin->inputs.count; i++) {
    if (!m->pattern->shapes[i] || !m->inputs[i]) continue;
    m->inputs[i] = reshaped(m, (int)i);
    if (!m->inputs[i]) return false;
  }
  return true;
}

/* --- the layer --- */

static void set_attrs(const Match *m, Node *node) {
  node->attrs = ARENA_ARRAY(m->c->arena, Attr, m->plugin->attrs.count + 1);
  node->attr_count = 0;
  for (size_t i = 0; i < m->plugin->attrs.count; i++)
    if (m->attrs[i]) node->attrs[node->attr_count++] = *m->attrs[i];
}

/* `root` as the layer's node. */
static Node made_node(const Match *m, const Node *root) {
  const Plugin *p = m->plugin;
  Node made = *root;
  made.op = &p->op;
  made.domain = p->domain;
  made.op_type = p->name;
  made.version = p->version;
  made.inputs = m->inputs;
  made.input_count = (int)p->inputs.count;
  made.output_count = (int)p->outputs.count;
  made.outputs = ARENA_ARRAY(m->c->arena, Value *, p->outputs.count + 1);
  for (size_t i = 0; i < m->pattern->values.count; i++) {
    int output = m->pattern->values.items[i].output;
    if (output >= 0) made.outputs[output] = m->values[i];
  }
  memset(&made.checks, 0, sizeof made.checks);
  set_attrs(m, &made);
  return made;
}

/* Whether the kernel makes what inference found of the node's outputs. */
static bool same_outputs(const PluginNode *n, const PluginFunction *f) {
  Dim shape[MAX_RANK];
  for (int i = 0; i < n->node->output_count; i++) {
    const PluginTensor *tensor = &n->plugin->outputs.items[i];
    const Value *value = node_out(n->node, i);
    int rank = plugin_shape(n, tensor, shape);
    if (!value) continue;
    if (rank != value->rank || plugin_dtype(f, tensor->type, tensor->dtype) != value->dtype)
      return false;
    for (int d = 0; d < rank; d++)
      if (shape[d] != value->shape[d]) return false;
  }
  return true;
}

/* All of it must be certain now: nothing is left to checks at run time. */
static bool fits_layer(const Match *m, const Node *node) {
  PluginNode n;
  for (size_t i = 0; i < m->plugin->attrs.count; i++)
    if (m->plugin->attrs.items[i].required && !m->attrs[i]) return false;
  if (!plugin_bind(&n, m->c, m->plugin, node) || !plugin_check(&n) || node->checks.count)
    return false;
  const PluginFunction *f = plugin_function(&n);
  return plugin_holds(&n, m->pattern->condition) && f && same_outputs(&n, f);
}

static bool fits_silently(const Match *m, const Node *node) {
  Diag silent = {0}, *told = m->c->diag;
  m->c->diag = &silent;
  bool fits = fits_layer(m, node);
  m->c->diag = told;
  return fits;
}

/* `root` becomes the layer; the other nodes lose what they use and what the layer makes now. */
static void commit(const Match *m, Node *root, Node *made) {
  inherit_checks(m->c, m->nodes, node_count(m), root);
  for (int i = 0; i < node_count(m); i++)
    if (m->nodes[i] != root) m->nodes[i]->input_count = 0;
  for (int i = 0; i < made->output_count; i++) {
    Value *value = made->outputs[i];
    if (!value) continue;
    value->producer->outputs[value->producer_output] = NULL;
    value->producer = root;
    value->producer_output = i;
  }
  made->checks = root->checks;
  *root = *made;
}

/* --- patterns --- */

static Match start_match(Compilation *c, const Plugin *p, const PluginPattern *pattern,
                         unsigned swapped) {
  Match m = {.c = c, .plugin = p, .pattern = pattern, .swapped = swapped};
  m.nodes = ARENA_ARRAY(c->arena, Node *, pattern->nodes.count + 1);
  m.values = ARENA_ARRAY(c->arena, Value *, pattern->values.count + 1);
  m.inputs = ARENA_ARRAY(c->arena, Value *, p->inputs.count + 1);
  m.attrs = ARENA_ARRAY(c->arena, const Attr *, p->attrs.count + 1);
  for (size_t i = 0; i < p->attrs.count; i++) m.attrs[i] = pattern->attrs[i];
  return m;
}

static bool replace_by(Match *m, int last, Node *root) {
  if (!match_node(m, last, root) || !is_closed_match(m, root) || !reshape_inputs(m)) return false;
  Node made = made_node(m, root);
  if (!fits_silently(m, &made)) return false;
  commit(m, root, &made);
  return true;
}

static int last_node(const PluginPattern *pattern) {
  for (size_t i = 0; i < pattern->values.count; i++)
    if (pattern->values.items[i].output == 0) return pattern->values.items[i].node;
  return 0;
}

static int commutative_nodes(const PluginPattern *pattern) {
  int count = 0;
  for (size_t i = 0; i < pattern->nodes.count; i++) count += pattern->nodes.items[i].commutative;
  return count;
}

bool plugin_replaces(Compilation *c, const OpDef *op, Node *node, const int *uses) {
  const Plugin *p = op->row;
  for (size_t i = 0; i < p->patterns.count; i++) {
    const PluginPattern *pattern = &p->patterns.items[i];
    int last = last_node(pattern);
    if (strcmp(pattern->nodes.items[last].op, node->op_type) != 0) continue;
    for (unsigned order = 0; order < 1U << commutative_nodes(pattern); order++) {
      Match m = start_match(c, p, pattern, order);
      m.uses = uses;
      m.graph = node->graph;
      if (replace_by(&m, last, node)) return true;
    }
  }
  return false;
}
