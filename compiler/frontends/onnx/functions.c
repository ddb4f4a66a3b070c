/* functions.c: functions that the model itself defines, inlined at each call.
 *
 *   y = twice(x) <k = 3>          t = Mul(x, c3)        values of the body are called "call/t" in
 * messages twice(a) <k>: t, …     →      y = Add(t, t)         and the result has the caller's name
 *
 * A body sees only its inputs and attribute parameters; its operators are of the function's own
 * opset imports. */
#include "reader.h"

enum { CALL_DEPTH_LIMIT = 64, INLINED_LIMIT = 500000, LABEL_LIMIT = 48 };

static const char *function_key(Arena *arena, const char *domain, const char *name,
                                const char *overload) {
  return arena_printf(arena, "%s\n%s\n%s", normal_domain(domain), text_or_empty(name),
                      text_or_empty(overload));
}

bool functions_read(Reader *r) {
  bool ok = true;
  for (size_t i = 0; i < r->model->n_functions; i++) {
    const Onnx__FunctionProto *proto = r->model->functions[i];
    const char *key = function_key(r->arena, proto->domain, proto->name, proto->overload);
    if (map_get(&r->functions, key))
      ok = diag_error(r->c->diag, r->c->file, "function '%s' is defined twice",
                      text_or_empty(proto->name));
    map_set(&r->functions, key, (void *)(uintptr_t)proto);
  }
  return ok;
}

const Onnx__FunctionProto *function_find(Reader *r, const Onnx__NodeProto *node) {
  if (!r->functions.count) return NULL;
  return map_get(&r->functions,
                 function_key(r->arena, node->domain, node->op_type, node->overload));
}

/* ---- checks ---- */

static bool check_call(const Site *site, const Onnx__FunctionProto *function) {
  Reader *r = site->reader;
  for (const Call *call = site->scope->call; call; call = call->caller)
    if (call->function == function)
      return site_error(site, "function '%s' calls itself", text_or_empty(function->name));
  if (site->scope->call && site->scope->call->depth == CALL_DEPTH_LIMIT)
    return site_error(site, "functions call each other more than %d deep", CALL_DEPTH_LIMIT);
  if (r->inlined > INLINED_LIMIT) return false; /* reported before */
  r->inlined += 1 + function->n_node + function->n_input + function->n_attribute +
                function->n_attribute_proto + function->n_opset_import;
  if (r->inlined > INLINED_LIMIT)
    return site_error(site, "the functions of the model expand to more than %d nodes",
                      INLINED_LIMIT);
  if (site->proto->n_input > function->n_input)
    return site_error(site, "%zu inputs, but function '%s' has %zu", site->proto->n_input,
                      text_or_empty(function->name), function->n_input);
  if (site->proto->n_output > function->n_output)
    return site_error(site, "%zu outputs, but function '%s' has %zu", site->proto->n_output,
                      text_or_empty(function->name), function->n_output);
  return true;
}

/* ---- what the body sees ---- */

static void set_argument(Reader *r, Map *arguments, const char *name,
                         const Onnx__AttributeProto *proto, Scope *scope) {
  Argument *argument = ARENA_NEW(r->arena, Argument);
  *argument = (Argument){proto, scope};
  map_set(arguments, name, argument);
}

static bool check_parameter(const Site *site, const Onnx__FunctionProto *function, const Map *known,
                            const char *name) {
  if (map_get(known, name)) return true;
  site_error(site, "function '%s' has no attribute '%s'", text_or_empty(function->name), name);
  if (!errors_shown(site->reader)) return false;
  const char **names = ARENA_ARRAY(site->reader->arena, const char *, known->count + 1);
  size_t count = 0;
  for (size_t i = 0; i < known->capacity; i++)
    if (known->entries[i].key) names[count++] = known->entries[i].key;
  return diag_suggest(site->reader->c->diag, name, names, count);
}

/* Attribute parameters: what the call gives, else the default. A default's subgraphs see nothing of
 * the caller. */
static bool bind_attributes(const Site *site, const Onnx__FunctionProto *function, Scope *body,
                            Map *arguments) {
  Reader *r = site->reader;
  Map known = map_in(r->arena);
  bool ok = true;
  for (size_t i = 0; i < function->n_attribute; i++) map_set(&known, function->attribute[i], r);
  for (size_t i = 0; i < function->n_attribute_proto; i++) {
    const char *name = text_or_empty(function->attribute_proto[i]->name);
    map_set(&known, name, r);
    set_argument(r, arguments, name, function->attribute_proto[i], body);
  }
  for (size_t i = 0; i < site->proto->n_attribute; i++) {
    const Onnx__AttributeProto *given = site->proto->attribute[i];
    ok = check_parameter(site, function, &known, text_or_empty(given->name)) && ok;
    set_argument(r, arguments, text_or_empty(given->name), given, site->scope);
  }
  return ok;
}

static bool bind_inputs(const Site *site, const Onnx__FunctionProto *function, Scope *body) {
  bool ok = true;
  for (size_t i = 0; i < function->n_input; i++) {
    const char *name = i < site->proto->n_input ? site->proto->input[i] : "";
    Value *value = *name ? scope_find(site->scope, name) : site->reader->omitted;
    if (!value) {
      ok = site_error(site, "input '%s' is computed by no node", name);
      diag_did_you_mean(site->reader->c->diag, scope_suggest(site->reader, site->scope, name));
    } else if (!scope_define(body, function->input[i], value)) {
      ok = site_error(site, "function '%s' has two inputs '%s'", text_or_empty(function->name),
                      function->input[i]);
    }
  }
  return ok;
}

/* The results under the caller's names. */
static bool bind_outputs(const Site *site, const Onnx__FunctionProto *function, const Scope *body,
                         int first_id) {
  bool ok = true;
  for (size_t i = 0; i < site->proto->n_output; i++) {
    const char *name = site->proto->output[i];
    if (!*name) continue;
    Value *value = map_get(&body->values, function->output[i]);
    if (!value || value == site->reader->omitted) {
      ok = site_error(site, "function '%s' does not compute its output '%s'",
                      text_or_empty(function->name), function->output[i]);
      value = value_create(site->reader->c, name);
    }
    if (value->id >= first_id)
      value->name = arena_printf(site->reader->arena, "%s%s", site->scope->prefix, name);
    if (!scope_define(site->scope, name, value))
      ok = site_error(site, "value '%s' is defined twice", name);
  }
  return ok;
}

static const char *call_prefix(const Site *site) {
  const char *name = text_or_empty(site->proto->name);
  if (*name && strlen(name) < LABEL_LIMIT)
    return arena_printf(site->reader->arena, "%s%s/", site->scope->prefix, name);
  return arena_printf(site->reader->arena, "%s%.*s#%d/", site->scope->prefix, LABEL_LIMIT,
                      site->proto->op_type, site->index);
}

bool function_inline(const Site *site, const Onnx__FunctionProto *function) {
  Reader *r = site->reader;
  if (!check_call(site, function)) return false;
  const Call *caller = site->scope->call;
  Call call = {function, caller, caller ? caller->depth + 1 : 1};
  Map arguments = map_in(r->arena), opsets;
  Scope body = {.graph = site->scope->graph,
                .values = map_in(r->arena),
                .prefix = call_prefix(site),
                .opsets = &opsets,
                .arguments = &arguments,
                .call = &call,
                .depth = site->scope->depth};
  int first_id = r->c->next_value_id;
  const char *whose = arena_printf(r->arena, "function '%s'", text_or_empty(function->name));
  bool ok = opsets_read(r, whose, function->opset_import, function->n_opset_import, &opsets);
  ok = bind_attributes(site, function, &body, &arguments) && ok;
  ok = bind_inputs(site, function, &body) && ok;
  ok = nodes_read(r, &body, function->node, function->n_node) && ok;
  return bind_outputs(site, function, &body, first_id) && ok;
}
