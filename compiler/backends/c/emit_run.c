/* emit_run.c: the run function, for the template: its parameters, checks and steps. */
#include "backends/c/emit.h"

#include <inttypes.h>
#include <string.h>

static void add_parameter(Str *out, const char *text) {
  if (out->length) str_add(out, ", ");
  str_add(out, text);
}

/* The C type of a pointer to the elements, as headers can say it. */
static const char *pointer_type(Emitter *e, DType dtype, bool writable) {
  if (dtype == DT_STRING) return writable ? "const char **" : "const char *const *";
  return arena_printf(e->arena, writable ? "%s *" : "const %s *", dtype_info(dtype)->c_type);
}

/* Parameters of the run function, and what its callers in the templates pass. */
void emit_bind_signatures(Emitter *e, Scope *scope) {
  const Program *p = e->program;
  Str full = str_in(e->arena), any = str_in(e->arena), fixed = str_in(e->arena),
      call = str_in(e->arena);
  for (size_t i = 0; i < p->inputs.count; i++) {
    const char *type = pointer_type(e, p->inputs.items[i].dtype, false);
    add_parameter(&full, arena_printf(e->arena, "%s%s", type, e->input_names[i]));
    add_parameter(&any, arena_printf(e->arena, "(%s)inputs[%zu]", type, i));
    add_parameter(&call, e->input_names[i]);
  }
  for (size_t i = 0; i < p->outputs.count; i++) {
    const char *type = pointer_type(e, p->outputs.items[i].dtype, true);
    add_parameter(&full, arena_printf(e->arena, "%s%s", type, e->output_names[i]));
    add_parameter(&any, arena_printf(e->arena, "(%s)outputs[%zu]", type, i));
    add_parameter(&call, e->output_names[i]);
  }
  if (e->dims.count) {
    add_parameter(&full, "int64_t *dims");
    add_parameter(&any, "dims");
    add_parameter(&call, "dims");
  }
  scope_textf(scope, "tensor_parameters", "%s%s", str_text(&full), full.length ? "," : "");
  scope_textf(scope, "tensor_arguments", "%s%s", str_text(&any), any.length ? "," : "");
  str_add(&fixed, str_text(&full));
  add_parameter(&full, "void *workspace");
  add_parameter(&full, "size_t workspace_bytes");
  add_parameter(&any, "workspace");
  add_parameter(&any, "(size_t)workspace_bytes");
  Str arguments = str_in(e->arena);
  str_add(&arguments, str_text(&call));
  add_parameter(&arguments, "workspace");
  add_parameter(&arguments, "workspace_bytes");
  add_parameter(&call, "(void *)(start + (64 - (uintptr_t)start % 64) % 64)");
  add_parameter(&call, "sizeof space.bytes - 64");
  if (e->options->weights == WEIGHTS_FILE) {
    add_parameter(&full, "const void *weights");
    add_parameter(&fixed, "const void *weights");
    add_parameter(&any, "weights");
    add_parameter(&call, "weights");
    add_parameter(&arguments, "weights");
  }
  scope_text(scope, "signature", str_text(&full));
  scope_text(scope, "static_signature", fixed.length ? str_text(&fixed) : "void");
  scope_text(scope, "static_call", str_text(&call));
  scope_text(scope, "arguments", str_text(&arguments));
  scope_text(scope, "any_call", str_text(&any));
}

static void add_pointer_checks(Emitter *e, Str *out, const Port *ports, size_t count,
                               const char **names) {
  for (size_t i = 0; i < count; i++) {
    size_t size = dtype_info(ports[i].dtype)->bytes;
    str_addf(out, "  if (%s == NULL", names[i]);
    if (size > 1) str_addf(out, " || (uintptr_t)%s %% %zu != 0", names[i], size);
    str_add(out, ") return CTC_BAD_ARGUMENT;\n");
  }
  (void)e;
}

/* Sizes beyond int32 are refused even where the model has no limit, so that products of a few of
 * them do not overflow. */
static void add_dim_checks(Emitter *e, Str *out) {
  for (size_t i = 0; i < e->dims.count; i++) {
    const CallerDim *entry = &e->dims.items[i];
    if (entry->kind == DIM_RESULT) continue;
    str_addf(out, "  if (dims[%zu] < %" PRId64, i,
             entry->kind == DIM_GIVEN && entry->symbol->low > 0 ? entry->symbol->low : 0);
    int64_t high = entry->symbol->high < INT32_MAX ? entry->symbol->high : INT32_MAX;
    str_addf(out, " || dims[%zu] > %s", i, emit_dim(e, dim_const(e->c->dims, high)));
    str_add(out, ") return CTC_BAD_SHAPE;\n");
  }
}

static void bind_checks(Emitter *e, Scope *scope, bool uses_workspace) {
  const Program *p = e->program;
  Str out = str_in(e->arena);
  add_pointer_checks(e, &out, p->inputs.items, p->inputs.count, e->input_names);
  add_pointer_checks(e, &out, p->outputs.items, p->outputs.count, e->output_names);
  add_dim_checks(e, &out);
  if (uses_workspace) {
    str_add(&out, "  if (ws == NULL || (uintptr_t)ws % 64 != 0) return CTC_BAD_ARGUMENT;\n");
    bool planned = p->plan.count > 0 || !dim_is_const(p->workspace_bytes);
    if (planned)
      str_addf(
          &out,
          "  if ((uint64_t)%s_plan(dims, at) > workspace_bytes) return CTC_WORKSPACE_TOO_SMALL;\n",
          e->prefix);
    else
      str_addf(&out, "  if (workspace_bytes < %s) return CTC_WORKSPACE_TOO_SMALL;\n",
               emit_dim(e, p->workspace_bytes));
  }
  if (e->options->weights == WEIGHTS_FILE && e->backend->wants_threads)
    str_add(
        &out,
        e->weights_bytes
            ? "  if (weights == NULL || (uintptr_t)weights % 64 != 0) return CTC_BAD_ARGUMENT;\n"
            : "  (void)weights;\n");
  scope_text(scope, "run_checks", str_text(&out));
}

typedef struct {
  Emitter *e;
  Str text;
} DataLocals;

/* Variables of the data symbols that the step sets. */
static void add_data_locals(Step *step, void *context) {
  DataLocals *locals = context;
  Emitter *e = locals->e;
  const DimSymbol *symbols[] = {step->symbol, emit_sets_trips(e, step) ? step->trips : NULL};
  for (int k = 0; k < 2; k++) {
    if (!symbols[k] || map_get(&e->defined, symbols[k]->c_name)) continue;
    map_set(&e->defined, symbols[k]->c_name, e);
    str_addf(&locals->text, "  int64_t %s = 0;\n", symbols[k]->c_name);
  }
}

void emit_bind_run(Emitter *e, Scope *scope) {
  Str body = str_in(e->arena), locals = str_in(e->arena), results = str_in(e->arena);
  DataLocals data = {e, str_in(e->arena)};
  e->defined = map_in(e->arena);
  block_visit_steps(e->program->body, add_data_locals, &data);
  if (e->options->trace || e->options->profile) program_number_steps(e->program);
  Str sizes = str_in(e->arena);
  e->name_sizes = true;
  emit_block(e, &body, e->program->body, 1);
  e->name_sizes = false;
  for (size_t i = 0; i < e->sizes.count; i++)
    str_addf(&sizes, "  const int64_t %s = %s;\n", e->sizes.items[i].name,
             emit_plain_dim(e, e->sizes.items[i].dim));
  for (size_t i = 0; i < e->dims.count; i++)
    if (e->dims.items[i].kind != DIM_GIVEN)
      str_addf(&results, "  dims[%zu] = %s;\n", i, e->dims.items[i].symbol->c_name);
  emit_dim_locals(e, &locals, arena_printf(e->arena, "%s%s", str_text(&sizes), str_text(&body)),
                  false);
  scope_text(scope, "run_sizes", str_text(&sizes));
  str_add(&locals, str_text(&data.text));
  bool uses_workspace = strstr(str_text(&body), "CTC_AT(") != NULL;
  scope_bool(scope, "uses_workspace", uses_workspace);
  scope_bool(scope, "parallel", strstr(str_text(&body), "ctc_parallel(") != NULL);
  scope_bool(scope, "uses_status", strstr(str_text(&body), "status = ") != NULL);
  scope_text(scope, "run_locals", str_text(&locals));
  scope_text(scope, "run_results", str_text(&results));
  scope_text(scope, "body", str_text(&body));
  bind_checks(e, scope, uses_workspace);
}
