/* emit_ports.c: inputs, outputs, the caller's dims, and the memory plan, for the templates. */
#include "backends/c/emit.h"

#include <inttypes.h>

/* --- ports --- */

static const char *shape_text(Emitter *e, const Port *port) {
  Str out = str_in(e->arena);
  str_add(&out, dtype_info(port->dtype)->name);
  dims_print(&out, port->shape, port->rank);
  return str_text(&out);
}

static void bind_ports(Emitter *e, Scope *scope, const char *list, const Port *ports, size_t count,
                       const char **names, const char *name_prefix) {
  scope_list(scope, list);
  for (size_t i = 0; i < count; i++) {
    const Port *port = &ports[i];
    Scope *item = scope_item(scope, list);
    names[i] = emit_name(e, arena_printf(e->arena, "%s%s", name_prefix, port->name));
    Dim elements = dim_product(e->c->dims, port->shape, (size_t)port->rank);
    scope_text(item, "name", emit_comment_safe(e, port->name));
    scope_text(item, "type", emit_comment_safe(e, shape_text(e, port)));
    scope_text(item, "note",
               port->note ? emit_comment_safe(e, arena_printf(e->arena, " (%s)", port->note)) : "");
    scope_text(item, "note_literal", emit_quoted(e, port->note));
    scope_text(item, "literal", emit_quoted(e, port->name));
    scope_textf(item, "code", "%d", dtype_info(port->dtype)->onnx_code);
    scope_textf(item, "rank", "%d", port->rank);
    scope_text(item, "macro",
               emit_macro_name(e, arena_printf(e->arena, "%s_%s", e->prefix, names[i])));
    scope_text(item, "elements", dim_is_const(elements) ? emit_dim(e, elements) : "");
  }
}

/* Inputs and outputs that are no tensors. */
static void bind_compounds(Emitter *e, Scope *scope) {
  scope_list(scope, "compounds");
  for (size_t i = 0; i < e->c->compounds.count; i++) {
    const CompoundPort *compound = &e->c->compounds.items[i];
    Scope *item = scope_item(scope, "compounds");
    scope_text(item, "literal", emit_quoted(e, compound->name));
    scope_textf(item, "kind", "%d", (int)compound->kind);
    scope_textf(item, "output", "%d", compound->is_output);
    scope_textf(item, "first", "%d", compound->first);
  }
  bool any = e->c->compounds.count > 0;
  scope_textf(scope, "compound_count", "%zu", e->c->compounds.count);
  scope_text(scope, "compounds_pointer",
             any ? arena_printf(e->arena, "%s_compounds", e->prefix) : "NULL");
}

/* --- dims --- */

static const char *dim_comment(Emitter *e, const CallerDim *entry) {
  static const char *const kinds[] = {
      "given by the caller", "data-dependent: a capacity before the run, the size after it",
      "data-dependent: the size after the run"};
  return emit_comment_safe(
      e, arena_printf(e->arena, "%s: %s", entry->symbol->name, kinds[entry->kind]));
}

static void bind_dims(Emitter *e, Scope *scope) {
  scope_list(scope, "dims");
  for (size_t i = 0; i < e->dims.count; i++) {
    const CallerDim *entry = &e->dims.items[i];
    const DimSymbol *symbol = entry->symbol;
    Scope *item = scope_item(scope, "dims");
    scope_text(item, "macro",
               emit_macro_name(e, arena_printf(e->arena, "%s_DIM_%s", e->prefix, symbol->c_name)));
    scope_textf(item, "index", "%zu", i);
    scope_text(item, "comment", dim_comment(e, entry));
    scope_text(item, "literal", emit_quoted(e, symbol->name));
    scope_textf(item, "low", "%" PRId64, symbol->low < 0 ? 0 : symbol->low);
    if (symbol->high == INT64_MAX)
      scope_text(item, "high", "-1");
    else
      scope_text(item, "high", emit_dim(e, dim_const(e->c->dims, symbol->high)));
    scope_textf(item, "kind", "%d", (int)entry->kind);
  }
  scope_textf(scope, "dim_count", "%zu", e->dims.count);
  scope_text(scope, "dims_pointer",
             e->dims.count ? arena_printf(e->arena, "%s_dims", e->prefix) : "NULL");
}

/* dims[] entries of the data-dependent sizes that have a bound. */
static void bind_bounds(Emitter *e, Scope *scope) {
  Str text = str_in(e->arena), locals = str_in(e->arena);
  for (size_t i = 0; i < e->dims.count; i++) {
    const CallerDim *entry = &e->dims.items[i];
    if (entry->kind != DIM_RESULT) continue;
    Dim bound = dim_upper(e->c->dims, dim_of_symbol(e->c->dims, entry->symbol));
    str_addf(&text, "  dims[%zu] = %s;\n", i, emit_dim(e, emit_with_capacities(e, bound)));
  }
  emit_dim_locals(e, &locals, str_text(&text), false);
  scope_text(scope, "bounds_text", str_text(&text));
  scope_text(scope, "bounds_locals", str_text(&locals));
}

static void bind_shapes(Emitter *e, Scope *scope) {
  Str text = str_in(e->arena), locals = str_in(e->arena);
  const Program *p = e->program;
  int next = 0;
  for (size_t i = 0; i < p->inputs.count + p->outputs.count; i++) {
    const Port *port =
        i < p->inputs.count ? &p->inputs.items[i] : &p->outputs.items[i - p->inputs.count];
    for (int d = 0; d < port->rank; d++)
      str_addf(&text, "  shapes[%d] = %s;\n", next++, emit_dim(e, port->shape[d]));
  }
  emit_dim_locals(e, &locals, str_text(&text), true);
  scope_text(scope, "shapes_text", str_text(&text));
  scope_text(scope, "shapes_locals", str_text(&locals));
}

/* --- the plan --- */

static bool mark_symbol(const DimSymbol *symbol, void *used) {
  ((bool *)used)[symbol->index] = true;
  return false;
}

/* Symbols that the plan's own expressions mention: only these need a variable. */
static bool *symbols_in_plan(Emitter *e) {
  const Program *p = e->program;
  bool *used = ARENA_ARRAY(e->arena, bool, dim_symbol_count(e->c->dims) + 1);
  for (size_t i = 0; i < p->plan.count; i++)
    dim_any_symbol(p->plan.items[i].value, mark_symbol, used);
  dim_any_symbol(p->workspace_bytes, mark_symbol, used);
  return used;
}

static void bind_plan(Emitter *e, Scope *scope) {
  const Program *p = e->program;
  const bool *used = symbols_in_plan(e);
  Str text = str_in(e->arena), locals = str_in(e->arena);
  for (size_t i = 0; i < p->plan.count; i++) {
    const DimSymbol *symbol = p->plan.items[i].symbol;
    if (used[symbol->index]) str_addf(&text, "  const int64_t %s =", symbol->c_name);
    str_addf(&text, "  at[%zu] = ", i);
    str_addf(&text, "%s;\n", emit_dim(e, emit_with_capacities(e, p->plan.items[i].value)));
  }
  const char *bytes = emit_dim(e, emit_with_capacities(e, p->workspace_bytes));
  str_addf(&text, "  (void)at;\n");
  emit_dim_locals(e, &locals, arena_printf(e->arena, "%s %s", str_text(&text), bytes), false);
  scope_bool(scope, "plan", p->plan.count > 0 || !dim_is_const(p->workspace_bytes));
  scope_textf(scope, "plan_count", "%zu", p->plan.count + 1);
  scope_text(scope, "plan_text", str_text(&text));
  scope_text(scope, "plan_locals", str_text(&locals));
  scope_text(scope, "workspace_bytes", bytes);
  scope_bool(scope, "static_size", dim_is_const(p->workspace_bytes));
}

void emit_bind_ports(Emitter *e, Scope *scope) {
  const Program *p = e->program;
  bind_ports(e, scope, "inputs", p->inputs.items, p->inputs.count, e->input_names, "in_");
  bind_ports(e, scope, "outputs", p->outputs.items, p->outputs.count, e->output_names, "out_");
  bind_compounds(e, scope);
  bind_dims(e, scope);
  bind_bounds(e, scope);
  bind_shapes(e, scope);
  bind_plan(e, scope);
}
