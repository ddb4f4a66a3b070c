/* build.c: GraphProto to Graph: names become pointers, nodes are checked, Constant nodes become
 * values, calls are inlined, values that are no tensors become several (compound.c). */
#include "reader.h"

#include "frontends/common/check.h"
#include "ops/op.h"

enum { GRAPH_DEPTH_LIMIT = 64 };

/* ---- messages ---- */

const char *normal_domain(const char *domain) {
  return !domain || strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

const char *site_text(const Site *site) {
  const char *name = text_or_empty(site->proto->name), *op = text_or_empty(site->proto->op_type);
  Arena *arena = site->reader->arena;
  if (!*name && site->proto->n_output) name = site->proto->output[0];
  return arena_printf(arena, "%s: node '%s%s' (%s #%d)", site->reader->c->file, site->scope->prefix,
                      name, op, site->index);
}

bool site_error(const Site *site, const char *format, ...) {
  va_list args;
  va_start(args, format);
  diag_verror(site->reader->c->diag, site_text(site), format, args);
  va_end(args);
  return false;
}

/* ---- names ---- */

Value *scope_find(const Scope *scope, const char *name) {
  for (; scope; scope = scope->outer) {
    Value *value = map_get(&scope->values, name);
    if (value) return value;
  }
  return NULL;
}

bool scope_define(Scope *scope, const char *name, Value *value) {
  if (map_get(&scope->values, name)) return false;
  map_set(&scope->values, name, value);
  return true;
}

const char *scope_suggest(Reader *r, const Scope *scope, const char *name) {
  if (!errors_shown(r)) return NULL;
  Vec(const char *) names = {0};
  for (; scope; scope = scope->outer)
    for (size_t i = 0; i < scope->values.capacity; i++)
      if (scope->values.entries[i].key) vec_push(r->arena, &names, scope->values.entries[i].key);
  return str_nearest(name, names.items, names.count);
}

static const char *prefixed(Reader *r, const Scope *scope, const char *name) {
  return *scope->prefix ? arena_printf(r->arena, "%s%s", scope->prefix, name) : name;
}

/* ---- nodes ---- */

/* The value that input `name` means, NULL for an omitted one. An unknown name is reported once and
 * then defined. */
static bool find_input(const Site *site, const char *name, Value **value) {
  Reader *r = site->reader;
  *value = NULL;
  if (!*name) return true;
  *value = scope_find(site->scope, name);
  if (*value == r->omitted) *value = NULL;
  if (scope_find(site->scope, name)) return true;
  site_error(site, "input '%s' is computed by no node", name);
  diag_did_you_mean(r->c->diag, scope_suggest(r, site->scope, name));
  *value = value_create(r->c, name);
  map_set(&site->scope->values, name, *value);
  return false;
}

static bool define_output(const Site *site, const char *name, Value *value) {
  if (scope_define(site->scope, name, value)) return true;
  return site_error(site, "value '%s' is defined twice", name);
}

/* Values that attributes name (OpDef.naming). */
static void add_named(const Site *site, const Node *node, ValueList *operands, bool *known) {
  const char *const *naming = node->op ? node->op->naming : NULL;
  for (; naming && *naming; naming++) {
    const Attr *attr = node_attr(node, *naming);
    for (size_t i = 0; attr && i < attr->count; i++) {
      Value *value;
      const char *name = attr->kind == ATTR_STRINGS ? attr->strings[i] : attr->s;
      *known = find_input(site, name, &value) && *known;
      vec_push(site->reader->arena, operands, value);
    }
  }
}

/* The tensors that the names of the inputs stand for, NULL for those left out but at the end.
 * *known: all names are. */
static bool find_operands(const Site *site, const Node *node, ValueList *operands, bool *known) {
  Reader *r = site->reader;
  bool ok = *known = true;
  for (size_t i = 0; i < site->proto->n_input; i++) {
    Value *value;
    *known = find_input(site, site->proto->input[i], &value) && *known;
    ok = compound_fits(site, node->op, node->version, i, value) && ok;
    compound_push(r, value, operands);
  }
  while (operands->count && !operands->items[operands->count - 1]) operands->count--;
  add_named(site, node, operands, known);
  return ok;
}

/* The tensors of one result, from node->outputs[first] on, and what its name stands for. */
static bool make_result(const Site *site, Node *node, int first, const char *name,
                        ResultKind result) {
  Reader *r = site->reader;
  const char *full = prefixed(r, site->scope, name);
  for (int i = 0; i < compound_parts(result.slots) && *name; i++) {
    if (i >= compound_parts(result.kind)) continue;
    node_set_output(node, first + i,
                    value_create(r->c, compound_part_name(r, full, result.slots, i)));
  }
  return !*name ||
         define_output(site, name, compound_create(r, full, result.kind, node->outputs + first));
}

/* A node with what the file says of it, but no operands yet. */
static Node describe_node(const Site *site, const char *domain, int version, Attr *attrs,
                          int count) {
  const Onnx__NodeProto *proto = site->proto;
  const char *name = text_or_empty(proto->name);
  return (Node){.domain = domain,
                .op_type = proto->op_type,
                .name = *name ? prefixed(site->reader, site->scope, name) : "",
                .version = version,
                .index = site->index,
                .op = op_find_for(site->reader->c, domain, proto->op_type),
                .attrs = attrs,
                .attr_count = count,
                .graph = site->scope->graph};
}

static bool add_node(const Site *site, const char *domain, int version, Attr *attrs, int count) {
  Reader *r = site->reader;
  const Onnx__NodeProto *proto = site->proto;
  Node what = describe_node(site, domain, version, attrs, count);
  ResultKind *results = ARENA_ARRAY(r->arena, ResultKind, proto->n_output + 1);
  ValueList operands = {0};
  int outputs = 0, first = 0;
  bool ok, kinds = find_operands(site, &what, &operands, &ok);
  if (!compound_results(site, &what, attrs, count, results) || !kinds) return false;
  for (size_t i = 0; i < proto->n_output; i++) outputs += compound_parts(results[i].slots);
  Node *node = graph_append(r->c, site->scope->graph, domain, proto->op_type, version,
                            (int)operands.count, outputs);
  what.inputs = node->inputs;
  for (size_t i = 0; i < operands.count; i++) what.inputs[i] = operands.items[i];
  what.input_count = node->input_count;
  what.outputs = node->outputs;
  what.output_count = node->output_count;
  *node = what;
  for (size_t i = 0; i < proto->n_output; first += compound_parts(results[i++].slots))
    ok = make_result(site, node, first, proto->output[i], results[i]) && ok;
  return ok;
}

/* After an error: outputs are defined all the same, so that their users are not reported too. */
static bool add_placeholders(Reader *r, Scope *scope, const Onnx__NodeProto *node) {
  for (size_t i = 0; i < node->n_output; i++) {
    const char *name = node->output[i];
    if (*name && !map_get(&scope->values, name))
      map_set(&scope->values, name, value_create(r->c, name));
  }
  return false;
}

static const char *place_of(const void *site) {
  return site_text(site);
}

static bool check(const Site *site, const char *domain, int version, Attr **attrs, int *count) {
  const Onnx__NodeProto *proto = site->proto;
  NodeFacts facts = {.c = site->reader->c,
                     .domain = domain,
                     .op_type = proto->op_type,
                     .version = version,
                     .inputs = proto->input,
                     .input_count = proto->n_input,
                     .outputs = proto->output,
                     .output_count = proto->n_output,
                     .where = place_of,
                     .site = site};
  return check_node(&facts, attrs, count);
}

static bool read_node(const Site *site) {
  Reader *r = site->reader;
  const char *op_type = text_or_empty(site->proto->op_type);
  const char *domain = normal_domain(site->proto->domain);
  Attr *attrs;
  int count;
  if (!*op_type) return site_error(site, "the node has no operator");
  const Onnx__FunctionProto *function = function_find(r, site->proto);
  if (function) return function_inline(site, function);
  int version = opset_version(r, site->scope, domain);
  bool ok = attributes_read(site, &attrs, &count);
  bool made = false;
  if (!ok || !check(site, domain, version, &attrs, &count) ||
      !compound_make(site, attrs, count, &made))
    return false;
  return made || add_node(site, domain, version, attrs, count);
}

bool nodes_read(Reader *r, Scope *scope, Onnx__NodeProto **nodes, size_t count) {
  int *order, first = r->node_number;
  bool ok = true;
  if (!nodes_order(r, scope, nodes, count, &order)) {
    for (size_t i = 0; i < count; i++) add_placeholders(r, scope, nodes[i]);
    return false;
  }
  r->node_number += (int)count;
  for (size_t i = 0; i < count; i++) {
    Site site = {r, scope, nodes[order[i]], first + order[i]};
    if (!read_node(&site)) ok = add_placeholders(r, scope, site.proto);
  }
  return ok;
}

/* ---- graphs ---- */

static bool add_parameter(Reader *r, Scope *scope, const char *name, const Tensor *tensor) {
  if (!tensor) { /* reported; its users shall not be */
    map_set(&scope->values, name, value_create(r->c, name));
    return false;
  }
  Value *value = value_constant(r->c, prefixed(r, scope, name), tensor);
  value->is_parameter = true;
  if (scope_define(scope, name, value)) return true;
  return diag_error(r->c->diag, r->c->file, "initializer '%s' is there twice", name);
}

static bool read_initializers(Reader *r, Scope *scope, const Onnx__GraphProto *proto) {
  bool ok = true;
  for (size_t i = 0; i < proto->n_initializer; i++) {
    const char *name = text_or_empty(proto->initializer[i]->name);
    const char *what = arena_printf(r->arena, "initializer '%s'", name);
    const Tensor *tensor = tensor_read(r, r->c->file, what, proto->initializer[i]);
    ok = add_parameter(r, scope, name, tensor) && ok;
  }
  for (size_t i = 0; i < proto->n_sparse_initializer; i++) {
    const Onnx__SparseTensorProto *sparse = proto->sparse_initializer[i];
    const char *name = sparse->values ? text_or_empty(sparse->values->name) : "";
    const char *what = arena_printf(r->arena, "sparse initializer '%s'", name);
    ok = add_parameter(r, scope, name, sparse_read(r, r->c->file, what, sparse)) && ok;
  }
  return ok;
}

/* Inputs of a body: their types come from the node around it. */
static void read_body_inputs(Reader *r, Scope *scope, const Site *around,
                             const Onnx__GraphProto *proto) {
  for (size_t i = 0; i < proto->n_input; i++) {
    const char *name = text_or_empty(proto->input[i]->name);
    if (map_get(&scope->values, name)) continue; /* an initializer */
    const char *full = prefixed(r, scope, name);
    CompoundKind kind = compound_body_input(around, i);
    Value *parts[MOST_PARTS];
    for (int k = 0; k < compound_parts(kind); k++) {
      parts[k] = value_create(r->c, compound_part_name(r, full, kind, k));
      vec_push(r->arena, &scope->graph->inputs, parts[k]);
    }
    map_set(&scope->values, name, compound_create(r, full, kind, parts));
  }
}

/* The model's outputs become tensors; those of bodies wait for the node around them. */
static void flatten_outputs(Reader *r, Graph *graph, const Onnx__GraphProto *proto) {
  ValueList flat = {0};
  Vec(const char *) names = {0};
  for (size_t i = 0; i < graph->outputs.count; i++) {
    Value *value = graph->outputs.items[i];
    CompoundKind kind = compound_kind(r, value);
    CompoundPort port = {text_or_empty(proto->output[i]->name), kind, true, (int)flat.count};
    if (kind != COMPOUND_NONE) vec_push(r->arena, &r->c->compounds, port);
    for (int k = 0; k < compound_parts(kind); k++)
      vec_push(r->arena, &names, compound_part_name(r, port.name, kind, k));
    compound_push(r, value, &flat);
  }
  graph->outputs.count = 0;
  for (size_t i = 0; i < flat.count; i++) vec_push(r->arena, &graph->outputs, flat.items[i]);
  r->c->output_names = names.items;
}

static bool read_outputs(Reader *r, Scope *scope, const Onnx__GraphProto *proto) {
  bool ok = true;
  for (size_t i = 0; i < proto->n_output; i++) {
    const char *name = text_or_empty(proto->output[i]->name);
    Value *value = scope_find(scope, name);
    if (!value || value == r->omitted) {
      ok = diag_error(r->c->diag, r->c->file, "output '%s' of graph '%s' is computed by no node",
                      name, scope->graph->name);
      diag_did_you_mean(r->c->diag, scope_suggest(r, scope, name));
      continue;
    }
    vec_push(r->arena, &scope->graph->outputs, value);
  }
  return ok;
}

/* A subgraph if `outer` is given, else the model's graph, which is c->graph even after errors,
 * without what they concern. NULL after errors. */
Graph *graph_read(Reader *r, Scope *outer, const Site *around, const Onnx__GraphProto *proto) {
  Scope scope = {.outer = outer, .prefix = "", .opsets = &r->opsets, .values = map_in(r->arena)};
  if (outer) {
    scope.prefix = outer->prefix;
    scope.opsets = outer->opsets;
    scope.arguments = outer->arguments;
    scope.call = outer->call;
    scope.depth = outer->depth + 1;
  }
  if (scope.depth > GRAPH_DEPTH_LIMIT) {
    diag_error(r->c->diag, r->c->file, "graphs are nested more than %d deep", GRAPH_DEPTH_LIMIT);
    return NULL;
  }
  scope.graph = graph_create(r->c, text_or_empty(proto->name), outer ? outer->graph : NULL);
  bool ok = read_initializers(r, &scope, proto);
  if (outer)
    read_body_inputs(r, &scope, around, proto);
  else
    ok = inputs_read(r, &scope, proto) && ok;
  ok = nodes_read(r, &scope, proto->node, proto->n_node) && ok;
  ok = read_outputs(r, &scope, proto) && ok;
  declared_types_read(r, &scope, proto);
  if (!outer) {
    r->c->graph = scope.graph;
    if (ok) flatten_outputs(r, scope.graph, proto);
  }
  return ok ? scope.graph : NULL;
}
