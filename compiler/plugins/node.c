/* node.c: a node against the descriptor of its operator: attributes, dimensions, sizes, checks. */
#include "plugins/plugin.h"

#include <inttypes.h>
#include <string.h>

/* --- attributes --- */

const Attr *plugin_attr(const PluginNode *n, const PluginAttr *attr) {
  const Attr *given = node_attr(n->node, attr->name);
  return given && given->kind == attr->kind ? given : &attr->missing;
}

int plugin_choice(const PluginAttr *attr, const char *text) {
  for (size_t i = 0; attr->choices && i < attr->choices->count; i++)
    if (strcmp(attr->choices->items[i]->string, text) == 0) return (int)i;
  return -1;
}

static bool choice_error(const PluginNode *n, const PluginAttr *attr, const char *value) {
  Str choices = str_in(n->c->arena);
  Vec(const char *) names = {0};
  for (size_t i = 0; i < attr->choices->count; i++) {
    const JsonValue *choice = attr->choices->items[i];
    const char *text = choice->kind == JSON_STRING
                           ? choice->string
                           : arena_printf(n->c->arena, "%g", choice->number);
    str_addf(&choices, "%s%s", i ? ", " : "", text);
    vec_push(n->c->arena, &names, text);
  }
  node_error(n->c, n->node, "attribute '%s' cannot be %s", attr->name, value);
  return diag_hint(n->c->diag, "it can be %s", str_text(&choices));
}

static bool check_number(const PluginNode *n, const PluginAttr *attr, double value) {
  const char *text = arena_printf(n->c->arena, "%g", value);
  bool single = attr->kind == ATTR_FLOAT || attr->kind == ATTR_FLOATS; /* as the model has them */
  double low = single ? (double)(float)attr->minimum : attr->minimum;
  double high = single ? (double)(float)attr->maximum : attr->maximum;
  if (attr->is_bool && value != 0 && value != 1)
    return node_error(n->c, n->node, "attribute '%s' must be 0 or 1, but is %s", attr->name, text);
  if (!(value >= low))
    return node_error(n->c, n->node, "attribute '%s' must be at least %g, but is %s", attr->name,
                      attr->minimum, text);
  if (!(value <= high))
    return node_error(n->c, n->node, "attribute '%s' must be at most %g, but is %s", attr->name,
                      attr->maximum, text);
  for (size_t i = 0; attr->choices && !attr->is_bool && i < attr->choices->count; i++) {
    double choice = attr->choices->items[i]->number;
    if (value == choice || (single && (float)value == (float)choice)) return true;
  }
  return !attr->choices || attr->is_bool || choice_error(n, attr, text);
}

static bool bind_attr(PluginNode *n, const PluginAttr *attr) {
  const Attr *given = plugin_attr(n, attr);
  ExpressionValue *values = n->values;
  DimPool *pool = n->c->dims;
  bool ok = true;
  if (given->kind == ATTR_INT) {
    values[attr->value].number = dim_const(pool, given->i);
    return check_number(n, attr, (double)given->i);
  }
  if (given->kind == ATTR_FLOAT) return check_number(n, attr, (double)given->f);
  if (given->kind == ATTR_STRING) {
    int choice = plugin_choice(attr, given->s);
    values[attr->value].number = dim_const(pool, choice);
    return choice >= 0 || choice_error(n, attr, arena_printf(n->c->arena, "'%s'", given->s));
  }
  Dim *list = ARENA_ARRAY(n->c->arena, Dim, given->count + 1);
  for (size_t i = 0; i < given->count; i++) {
    bool ints = given->kind == ATTR_INTS;
    list[i] = dim_const(pool, ints ? given->ints[i] : 0);
    ok = check_number(n, attr, ints ? (double)given->ints[i] : (double)given->floats[i]) && ok;
  }
  if (attr->value >= 0) values[attr->value] = (ExpressionValue){NULL, list, given->count};
  values[attr->count].number = dim_const(pool, (int64_t)given->count);
  return ok;
}

/* --- dimensions --- */

/* "the shape of input 0 'x'" is [N, C, ...]: as the descriptor writes it. */
static const char *shape_text(const PluginNode *n, const PluginTensor *tensor) {
  const JsonValue *shape = json_member(tensor->json, "shape");
  Str out = str_in(n->c->arena);
  str_add(&out, "[");
  for (size_t i = 0; i < shape->count; i++) {
    const JsonValue *entry = shape->items[i];
    if (i) str_add(&out, ", ");
    if (entry->kind == JSON_STRING)
      str_add(&out, entry->string);
    else
      str_addf(&out, "%" PRId64, entry->integer);
  }
  str_add(&out, "]");
  return str_text(&out);
}

static bool rank_fits(const PluginTensor *tensor, int rank) {
  return tensor->rest < 0 ? rank == tensor->rank : rank >= tensor->rank - 1;
}

/* Gives names their values, and "..." its dims, at first sight. */
static bool bind_shape(PluginNode *n, int i) {
  const PluginTensor *tensor = &n->plugin->inputs.items[i];
  const Value *value = node_in(n->node, i);
  if (!value || tensor->any_shape) return true;
  if (!rank_fits(tensor, value->rank))
    return node_error(n->c, n->node, "input %d ('%s') must have the shape %s", i, tensor->name,
                      shape_text(n, tensor));
  bool first = tensor->rest >= 0 && n->rest_rank < 0;
  if (first) n->rest_rank = 0;
  for (int d = 0; d < value->rank; d++) {
    const PluginDim *entry = plugin_entry(tensor, value->rank, d);
    if (entry->is_rest && first) n->rest[n->rest_rank++] = value->shape[d];
    if (entry->binds < 0) continue;
    if (!n->values[entry->binds].number) n->values[entry->binds].number = value->shape[d];
  }
  return true;
}

/* A dimension that only an input has that was left out is 0. */
static void bind_left_out(PluginNode *n, const PluginTensor *tensor) {
  for (int d = 0; d < tensor->rank; d++) {
    int name = tensor->shape[d].binds;
    if (name >= 0 && !n->values[name].number) n->values[name].number = dim_const(n->c->dims, 0);
  }
}

bool plugin_bind_sizes(PluginNode *n) {
  if (n->plugin->rest >= 0)
    n->values[n->plugin->rest].number = dim_product(n->c->dims, n->rest, (size_t)n->rest_rank);
  if (n->plugin->rest_short >= 0) n->values[n->plugin->rest_short] = n->values[n->plugin->rest];
  const Plugin *p = n->plugin;
  for (size_t i = 0; i < p->sizes.count; i++) {
    const PluginSize *size = &p->sizes.items[i];
    const char *name = p->names.items[size->name].name;
    n->values[size->name].number =
        plugin_value(n, size->value, arena_printf(n->c->arena, "'%s'", name));
    if (!n->values[size->name].number) return false;
  }
  return true;
}

static bool too_many(const PluginNode *n, const char *sort, int count, size_t most) {
  return (size_t)count > most && !node_error(n->c, n->node, "%d %ss, but %s has at most %zu", count,
                                             sort, n->plugin->name, most);
}

bool plugin_bind_attrs(PluginNode *n, Compilation *c, const Plugin *plugin, const Node *node) {
  bool ok = true;
  *n = (PluginNode){.c = c, .plugin = plugin, .node = node, .rest_rank = -1};
  n->values = ARENA_ARRAY(c->arena, ExpressionValue, plugin->names.count + 1);
  for (size_t i = 0; i < plugin->attrs.count; i++) ok = bind_attr(n, &plugin->attrs.items[i]) && ok;
  return ok;
}

bool plugin_bind(PluginNode *n, Compilation *c, const Plugin *plugin, const Node *node) {
  bool ok = plugin_bind_attrs(n, c, plugin, node);
  if (too_many(n, "input", node->input_count, plugin->inputs.count) ||
      too_many(n, "output", node->output_count, plugin->outputs.count))
    return false;
  for (size_t i = 0; i < plugin->inputs.count; i++) {
    if (!node_in(node, (int)i) && !plugin->inputs.items[i].optional)
      return node_error(c, node, "input %zu ('%s') of %s is missing", i,
                        plugin->inputs.items[i].name, plugin->name);
    ok = bind_shape(n, (int)i) && ok;
  }
  if (!ok) return false;
  for (size_t i = 0; i < plugin->inputs.count; i++)
    if (!node_in(node, (int)i)) bind_left_out(n, &plugin->inputs.items[i]);
  return plugin_bind_sizes(n);
}

/* --- values --- */

Dim plugin_value(const PluginNode *n, const Expression *expression, const char *what) {
  const char *error;
  Dim value = expression_value(n->c->dims, expression, n->values, &error);
  if (!value) node_error(n->c, n->node, "%s of %s: %s", what, n->plugin->name, error);
  return value;
}

bool plugin_holds(const PluginNode *n, const Expression *condition) {
  if (!condition) return true;
  Dim value = plugin_value(n, condition, "the condition");
  return value && dim_is_const(value) && !dim_is(value, 0);
}

static Dim entry_value(const PluginNode *n, const PluginTensor *tensor, const PluginDim *entry) {
  return plugin_value(n, entry->value,
                      arena_printf(n->c->arena, "the shape of '%s'", tensor->name));
}

/* --- checks --- */

/* Dim `d` of input `i` is `expected`. */
static bool require_dim(PluginNode *n, int i, int d, Dim expected) {
  const PluginTensor *tensor = &n->plugin->inputs.items[i];
  const char *what = arena_printf(n->c->arena, "dim %d of input %d ('%s') and what %s says of it",
                                  d, i, tensor->name, shape_text(n, tensor));
  return infer_require_equal(n->c, n->node, node_in(n->node, i)->shape[d], expected, what);
}

/* Input `i`, which may have any shape, has as many elements as the descriptor's shape. */
static bool check_count(PluginNode *n, int i) {
  const PluginTensor *tensor = &n->plugin->inputs.items[i];
  const Value *value = node_in(n->node, i);
  DimPool *pool = n->c->dims;
  Dim shape[MAX_RANK];
  int rank = plugin_shape(n, tensor, shape);
  if (rank < 0) return false;
  return infer_require_equal(n->c, n->node, dim_product(pool, value->shape, (size_t)value->rank),
                             dim_product(pool, shape, (size_t)rank),
                             arena_printf(n->c->arena, "the elements of input %d ('%s') and of %s",
                                          i, tensor->name, shape_text(n, tensor)));
}

static bool check_shape(PluginNode *n, int i) {
  const PluginTensor *tensor = &n->plugin->inputs.items[i];
  const Value *value = node_in(n->node, i);
  if (!value) return true;
  if (tensor->any_shape) return check_count(n, i);
  if (tensor->rest >= 0 && value->rank - tensor->rank + 1 != n->rest_rank)
    return node_error(n->c, n->node,
                      "\"...\" stands for %d dims of input %d ('%s'), but for %d before",
                      value->rank - tensor->rank + 1, i, tensor->name, n->rest_rank);
  bool ok = true;
  for (int d = 0; d < value->rank; d++) {
    const PluginDim *entry = plugin_entry(tensor, value->rank, d);
    Dim expected = entry->is_rest ? n->rest[d - tensor->rest] : entry_value(n, tensor, entry);
    ok = expected && require_dim(n, i, d, expected) && ok;
  }
  return ok;
}

static void add_check(PluginNode *n, Dim condition, const char *what) {
  NodeCheck check = {condition, what};
  vec_push(n->c->arena, &((Node *)(uintptr_t)n->node)->checks, check);
}

/* A condition that cannot be decided now is checked when the program runs. */
static bool require(PluginNode *n, Dim condition, const char *what) {
  if (dim_is(condition, 0)) return node_error(n->c, n->node, "%s", what);
  DimRange range = dim_range(condition);
  if (range.low > 0 || range.high < 0) return true;
  if (!dim_is_const(condition)) add_check(n, condition, what);
  return true;
}

bool plugin_check(PluginNode *n) {
  bool ok = true;
  for (size_t i = 0; i < n->plugin->inputs.count; i++) ok = check_shape(n, (int)i) && ok;
  for (size_t i = 0; i < n->plugin->checks.count && ok; i++) {
    const PluginCheck *check = &n->plugin->checks.items[i];
    Dim condition = plugin_value(n, check->condition, "a check");
    ok = condition && require(n, condition, check->message);
  }
  return ok;
}

/* --- results --- */

const PluginFunction *plugin_function(const PluginNode *n) {
  const Plugin *p = n->plugin;
  for (size_t i = 0; i < p->functions.count; i++) {
    bool fits = true;
    for (size_t k = 0; k < p->inputs.count; k++) {
      const PluginTensor *tensor = &p->inputs.items[k];
      const Value *value = node_in(n->node, (int)k);
      fits = fits && (!value || value->dtype == plugin_dtype(&p->functions.items[i], tensor->type,
                                                             tensor->dtype));
    }
    if (fits) return &p->functions.items[i];
  }
  return NULL;
}

int plugin_shape(const PluginNode *n, const PluginTensor *tensor, Dim *shape) {
  int rank = 0, wanted = tensor->rank + (tensor->rest >= 0 ? n->rest_rank - 1 : 0);
  if (wanted > MAX_RANK) {
    node_error(n->c, n->node, "'%s' would have more than %d dims", tensor->name, MAX_RANK);
    return -1;
  }
  for (int d = 0; d < tensor->rank; d++) {
    const PluginDim *entry = &tensor->shape[d];
    for (int k = 0; entry->is_rest && k < n->rest_rank; k++) shape[rank++] = n->rest[k];
    if (entry->is_rest) continue;
    shape[rank] = entry_value(n, tensor, entry);
    if (!shape[rank]) return -1;
    if (dim_is_const(shape[rank]) && dim_value(shape[rank]) < 0) {
      node_error(n->c, n->node, "dim %d of '%s' would be %" PRId64, rank, tensor->name,
                 dim_value(shape[rank]));
      return -1;
    }
    rank++;
  }
  return rank;
}
