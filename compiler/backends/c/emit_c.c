/* emit_c.c: puts the parts of model.c and model.h together from their templates. */
#include "backends/c/emit_c.h"

#include "backends/c/emit.h"
#include "base/file.h"
#include "version.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* --- names --- */

static const char *identifier(Arena *arena, const char *wanted) {
  Str out = str_in(arena);
  if (isdigit((unsigned char)wanted[0])) str_add(&out, "_");
  for (const char *ch = wanted; *ch && out.length < 60; ch++)
    str_add_n(&out, isalnum((unsigned char)*ch) ? ch : "_", 1);
  return out.length ? str_text(&out) : "_";
}

const char *emit_name(Emitter *e, const char *wanted) {
  const char *base = identifier(e->arena, wanted), *name = base;
  for (int i = 2; map_get(&e->names, name); i++) name = arena_printf(e->arena, "%s_%d", base, i);
  map_set(&e->names, name, e);
  return name;
}

static const char *upper_case(Emitter *e, const char *text) {
  char *copy = arena_strdup(e->arena, text);
  for (char *ch = copy; *ch; ch++) *ch = (char)toupper((unsigned char)*ch);
  return copy;
}

/* A macro's name, unique: names that differ in case only would be one macro. */
static const char *macro_name(Emitter *e, const char *text) {
  return emit_name(e, upper_case(e, text));
}

/* `text` as a C string literal. */
static const char *quoted(Emitter *e, const char *text) {
  if (!text) return "NULL";
  Str out = str_in(e->arena);
  str_add(&out, "\"");
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') str_add(&out, "\\");
    if ((unsigned char)*text < ' ' || (unsigned char)*text > 126 || *text == '?')
      str_addf(&out, "\\%03o", (unsigned char)*text);
    else
      str_add_n(&out, text, 1);
  }
  str_add(&out, "\"");
  return str_text(&out);
}

/* `text` without what would end a comment. */
static const char *comment_safe(Emitter *e, const char *text) {
  char *copy = arena_strdup(e->arena, text);
  for (char *ch = copy; *ch; ch++)
    if ((unsigned char)*ch < ' ' || *ch == '\\' || (ch[0] == '*' && ch[1] == '/') ||
        (ch[0] == '/' && ch[1] == '*'))
      *ch = '_';
  return copy;
}

static const char *plain_dim(Emitter *e, Dim dim) {
  Str out = str_in(e->arena);
  dim_print_c(&out, dim);
  static const char *const helpers[] = {"ctc_floordiv", "ctc_mod", "ctc_min_dim", "ctc_max_dim"};
  for (size_t i = 0; i < sizeof helpers / sizeof *helpers; i++) {
    const Kernel *helper = strstr(str_text(&out), helpers[i]) ? kernel_find(helpers[i]) : NULL;
    if (helper) emit_need_chunk(e, helper->chunk);
  }
  return str_text(&out);
}

const char *emit_size_name(const Emitter *e, Dim dim) {
  for (size_t i = 0; i < e->sizes.count; i++)
    if (e->sizes.items[i].dim == dim) return e->sizes.items[i].name;
  return NULL;
}

/* Inside the run function, expressions in the caller's dims are computed once, before the steps. */
static const char *named_size(Emitter *e, Dim dim) {
  const char *name = emit_size_name(e, dim);
  if (name) return name;
  SizeName made = {dim, emit_name(e, arena_printf(e->arena, "size_%zu", e->sizes.count + 1))};
  vec_push(e->arena, &e->sizes, made);
  return made.name;
}

const char *emit_dim(Emitter *e, Dim dim) {
  bool simple = dim_is_const(dim) || dim_symbol(dim);
  if (e->name_sizes && !simple && !dim_has_data(dim)) return named_size(e, dim);
  return plain_dim(e, dim);
}

void emit_need_chunk(Emitter *e, int chunk) {
  if (chunk < 0 || e->chunk_used[chunk]) return;
  e->chunk_used[chunk] = true;
  for (const int *need = kernel_chunk(e->c->library, chunk)->needs; need && *need >= 0; need++)
    emit_need_chunk(e, *need);
}

void emit_need_name(Emitter *e, const char *name) {
  int i = 0;
  while (i < runtime_chunk_count && strcmp(runtime_chunks[i].names[0], name) != 0) i++;
  CTC_ASSERT(i < runtime_chunk_count);
  emit_need_chunk(e, i);
}

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
    scope_text(item, "name", comment_safe(e, port->name));
    scope_text(item, "type", comment_safe(e, shape_text(e, port)));
    scope_text(item, "note",
               port->note ? comment_safe(e, arena_printf(e->arena, " (%s)", port->note)) : "");
    scope_text(item, "note_literal", quoted(e, port->note));
    scope_text(item, "literal", quoted(e, port->name));
    scope_textf(item, "code", "%d", dtype_info(port->dtype)->onnx_code);
    scope_textf(item, "rank", "%d", port->rank);
    scope_text(item, "macro", macro_name(e, arena_printf(e->arena, "%s_%s", e->prefix, names[i])));
    scope_text(item, "elements", dim_is_const(elements) ? emit_dim(e, elements) : "");
  }
}

/* --- dims --- */

static const char *dim_comment(Emitter *e, const CallerDim *entry) {
  static const char *const kinds[] = {
      "given by the caller", "data-dependent: a capacity before the run, the size after it",
      "data-dependent: the size after the run"};
  return comment_safe(e, arena_printf(e->arena, "%s: %s", entry->symbol->name, kinds[entry->kind]));
}

static void bind_dims(Emitter *e, Scope *scope) {
  scope_list(scope, "dims");
  for (size_t i = 0; i < e->dims.count; i++) {
    const CallerDim *entry = &e->dims.items[i];
    const DimSymbol *symbol = entry->symbol;
    Scope *item = scope_item(scope, "dims");
    scope_text(item, "macro",
               macro_name(e, arena_printf(e->arena, "%s_DIM_%s", e->prefix, symbol->c_name)));
    scope_textf(item, "index", "%zu", i);
    scope_text(item, "comment", dim_comment(e, entry));
    scope_text(item, "literal", quoted(e, symbol->name));
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

/* --- the run function --- */

static void add_parameter(Str *out, const char *text) {
  if (out->length) str_add(out, ", ");
  str_add(out, text);
}

/* Parameters of the run function; `suffix` those behind the tensors. */
static void bind_signatures(Emitter *e, Scope *scope) {
  const Program *p = e->program;
  Str full = str_in(e->arena), any = str_in(e->arena), fixed = str_in(e->arena),
      call = str_in(e->arena);
  for (size_t i = 0; i < p->inputs.count; i++) {
    const char *type = dtype_info(p->inputs.items[i].dtype)->c_type;
    add_parameter(&full, arena_printf(e->arena, "const %s *%s", type, e->input_names[i]));
    add_parameter(&any, arena_printf(e->arena, "(const %s *)inputs[%zu]", type, i));
    add_parameter(&call, e->input_names[i]);
  }
  for (size_t i = 0; i < p->outputs.count; i++) {
    const char *type = dtype_info(p->outputs.items[i].dtype)->c_type;
    add_parameter(&full, arena_printf(e->arena, "%s *%s", type, e->output_names[i]));
    add_parameter(&any, arena_printf(e->arena, "(%s *)outputs[%zu]", type, i));
    add_parameter(&call, e->output_names[i]);
  }
  if (e->dims.count) {
    add_parameter(&full, "int64_t *dims");
    add_parameter(&any, "dims");
    add_parameter(&call, "dims");
  }
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
  if (e->options->weights == WEIGHTS_FILE)
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

static void bind_run(Emitter *e, Scope *scope) {
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
             plain_dim(e, e->sizes.items[i].dim));
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

/* --- head --- */

/* The options as the user would type them, a line each. */
static const char *options_text(Emitter *e) {
  const Options *o = e->options;
  Str out = str_in(e->arena);
  str_add(&out, " * Options:");
  for (size_t i = 0; i < o->dim_count; i++)
    str_addf(&out, " --dim '%s%s%" PRId64 "'", o->dims[i].name,
             o->dims[i].fixed ? "=" : "<=", o->dims[i].value);
  for (size_t i = 0; i < o->shape_count; i++) {
    str_addf(&out, " --shape %s=", o->shapes[i].input);
    for (int d = 0; d < o->shapes[i].rank; d++)
      str_addf(&out, d ? "x%" PRId64 : "%" PRId64, o->shapes[i].dims[d]);
  }
  for (size_t i = 0; i < o->set_count; i++)
    str_addf(&out, " --set %s=%s", o->sets[i].input, o->sets[i].text);
  for (size_t i = 0; i < o->plugin_count; i++) str_addf(&out, " --plugin %s", o->plugins[i]);
  static const char *const modes[] = {"auto", "array", "string", "incbin", "file"};
  str_addf(&out, " --weights=%s", modes[o->weights]);
  if (o->static_workspace) str_add(&out, " --static-workspace");
  if (o->threads != OPTIONS_DEFAULT_THREADS) str_addf(&out, " --threads=%d", o->threads);
  return comment_safe(e, str_text(&out));
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static void bind_head(Emitter *e, Scope *scope, const char *header_name, const char *weights_name) {
  const Compilation *c = e->c;
  WeightsMode mode = e->options->weights;
  bool external = mode == WEIGHTS_FILE || mode == WEIGHTS_INCBIN;
  scope_text(scope, "model", e->prefix);
  scope_text(scope, "NAME", upper_case(e, e->prefix));
  scope_text(scope, "GUARD", arena_printf(e->arena, "CTC_MODEL_%s_H", upper_case(e, e->prefix)));
  scope_text(scope, "header_name", header_name);
  scope_text(scope, "source_name", base_name(e->options->output));
  scope_text(scope, "title",
             comment_safe(e, c->graph->name && c->graph->name[0] ? c->graph->name : e->prefix));
  scope_text(scope, "title_literal",
             quoted(e, c->graph->name && c->graph->name[0] ? c->graph->name : e->prefix));
  scope_text(scope, "version", CTC_VERSION);
  scope_bool(scope, "trace", e->options->trace);
  scope_bool(scope, "profile", e->options->profile);
  scope_textf(scope, "hash", "%016" PRIx64, c->model_hash);
  scope_text(scope, "options", options_text(e));
  scope_bool(scope, "incbin", mode == WEIGHTS_INCBIN && e->weights_bytes);
  scope_bool(scope, "weights_pointer", mode == WEIGHTS_FILE);
  scope_text(scope, "weights_file", external ? weights_name : "");
  scope_textf(scope, "weights_bytes", "%" PRId64, mode == WEIGHTS_FILE ? e->weights_bytes : 0);
  scope_bool(scope, "strict", e->options->strict);
  scope_bool(scope, "blas", e->options->blas != NULL);
  scope_text(scope, "blas_library", e->options->blas ? e->options->blas : "");
  scope_bool(scope, "static_workspace",
             e->options->static_workspace && dim_is_const(e->program->workspace_bytes));
  scope_textf(scope, "input_count", "%zu", e->program->inputs.count);
  scope_textf(scope, "output_count", "%zu", e->program->outputs.count);
  scope_text(scope, "inputs_pointer",
             e->program->inputs.count ? arena_printf(e->arena, "%s_inputs", e->prefix) : "NULL");
}

/* What stands for the weights, and for the line that brings line numbers back, until the text is
 * written. The weights come last. */
#define WEIGHTS_MARK "@ctc-weights@"
#define LINE_MARK "@ctc-line@"

/* Definitions that the templates and loop nests use. */
static void need_basics(Emitter *e) {
  static const char *const names[] = {"CTC_ALIGNED", "CTC_OK", "CTC_RESTRICT", "ctc_dim"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) emit_need_name(e, names[k]);
}

/* A definition; with --line-directives, where a plugin's was written. */
static void add_chunk(Emitter *e, Str *out, const RuntimeChunk *chunk) {
  bool located = chunk->file && e->options->line_directives;
  if (located) str_addf(out, "#line %d %s\n", chunk->line, quoted(e, chunk->file));
  str_addf(out, "%s%s\n", chunk->text, located ? LINE_MARK "\n" : "");
}

/* Headers that a definition of a plugin needs, each once. */
static void add_includes(Emitter *e, Str *head, Map *included, const RuntimeChunk *chunk) {
  for (const char *const *header = chunk->includes; header && *header; header++) {
    if (!map_get(included, *header)) str_addf(head, "#include %s\n", *header);
    map_set(included, *header, e);
  }
}

/* The runtime definitions in use, and the includes that stand before them. */
static void bind_runtime(Emitter *e, Scope *scope) {
  Str head = str_in(e->arena), rest = str_in(e->arena);
  Map included = map_in(e->arena);
  need_basics(e);
  for (int i = 0; i < kernel_chunk_count(e->c->library); i++) {
    const RuntimeChunk *chunk = kernel_chunk(e->c->library, i);
    bool prelude = i == 0;
    if (prelude) str_add(&head, chunk->text);
    if (prelude || !e->chunk_used[i]) continue;
    add_includes(e, &head, &included, chunk);
    add_chunk(e, &rest, chunk);
  }
  scope_text(scope, "runtime_head", str_text(&head));
  scope_text(scope, "runtime", str_text(&rest));
}

/* --- files --- */

static bool expand(Emitter *e, const char *name, const Scope *scope, Str *out) {
  const char *file, *text;
  return template_load(e->options->templates, name, e->arena, &file, &text, e->c->diag) &&
         template_expand(file, text, scope, out, NULL, e->c->diag);
}

/* Lines of LINE_MARK become #line directives for the lines behind them. */
static const char *restore_lines(Emitter *e, const char *text, const char *file) {
  Str out = str_in(e->arena);
  const char *from = text, *mark;
  int line = 1;
  if (!e->options->line_directives) return text;
  for (; (mark = strstr(text, LINE_MARK)); text = mark + strlen(LINE_MARK)) {
    for (const char *at = text; at < mark; at++) line += *at == '\n';
    str_add_n(&out, from, (size_t)(mark - from));
    str_addf(&out, "#line %d %s", line + 1, quoted(e, file));
    from = mark + strlen(LINE_MARK);
  }
  str_add(&out, from);
  return str_text(&out);
}

static void write_text(Emitter *e, FILE *out, const char *text) {
  const char *mark = strstr(text, WEIGHTS_MARK);
  if (mark) {
    fwrite(text, 1, (size_t)(mark - text), out);
    emit_weights(e, out);
    text = mark + strlen(WEIGHTS_MARK);
  }
  fputs(text, out);
}

/* "dir/model.c" -> "dir/model" */
static const char *without_extension(Arena *arena, const char *path) {
  const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
  bool has = dot && (!slash || dot > slash + 1) && dot != path;
  return arena_strndup(arena, path, has ? (size_t)(dot - path) : strlen(path));
}

/* The names that plugins define; those of the runtime begin with ctc_. */
static void take_plugin_names(Emitter *e) {
  for (int i = runtime_chunk_count; i < kernel_chunk_count(e->c->library); i++)
    for (const char *const *name = kernel_chunk(e->c->library, i)->names; *name; name++)
      map_set(&e->names, *name, e);
}

static void prepare(Emitter *e) {
  const Program *p = e->program;
  static const char *const taken[] = {"dims",  "workspace", "workspace_bytes", "weights", "ws",
                                      "at",    "status",    "shapes",          "inputs",  "outputs",
                                      "space", "start",     "threads"};
  e->names = map_in(e->arena);
  e->task_by_text = map_in(e->arena);
  e->task_text = str_in(e->arena);
  e->chunk_used = ARENA_ARRAY(e->arena, bool, kernel_chunk_count(e->c->library) + 1);
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) emit_name(e, taken[i]);
  take_plugin_names(e);
  for (size_t i = 0; i < dim_symbol_count(e->c->dims); i++)
    map_set(&e->names, dim_symbol_at(e->c->dims, i)->c_name, e);
  e->input_names = ARENA_ARRAY(e->arena, const char *, p->inputs.count + 1);
  e->output_names = ARENA_ARRAY(e->arena, const char *, p->outputs.count + 1);
  emit_collect_dims(e);
  emit_collect_weights(e);
}

static Scope *bind_everything(Emitter *e, const char *header_name, const char *weights_name) {
  const Program *p = e->program;
  Scope *scope = scope_create(e->arena, NULL);
  bind_head(e, scope, header_name, weights_name);
  bind_ports(e, scope, "inputs", p->inputs.items, p->inputs.count, e->input_names, "in_");
  bind_ports(e, scope, "outputs", p->outputs.items, p->outputs.count, e->output_names, "out_");
  bind_dims(e, scope);
  bind_bounds(e, scope);
  bind_shapes(e, scope);
  bind_plan(e, scope);
  bind_signatures(e, scope);
  bind_run(e, scope);
  scope_text(scope, "tasks", str_text(&e->task_text));
  scope_text(scope, "weights", WEIGHTS_MARK);
  bind_runtime(e, scope);
  scope_bool(scope, "threads", e->options->threads > 1);
  return scope;
}

/* The parts of the templates that only programs for several threads have. */
static bool bind_threads(Emitter *e, Scope *scope) {
  static const char *const files[] = {"threads.h", "threads.c", "pool.c"};
  static const char *const names[] = {"threads_types", "threads_tasks", "threads_pools"};
  for (int i = 0; i < 3; i++) {
    Str text = str_in(e->arena);
    if (!expand(e, files[i], scope, &text)) return false;
    scope_text(scope, names[i], str_text(&text));
  }
  return true;
}

/* All files at once: they appear together or not at all. */
static bool write_files(Emitter *e, const char *source, const char *header, const char *weights,
                        const char *source_text, const char *header_text) {
  enum { SOURCE, HEADER, WEIGHTS };
  const char *const paths[] = {source, header, weights};
  FileWriter writers[3];
  size_t count = weights ? 3 : 2;
  for (size_t i = 0; i < count; i++) {
    if (file_write_begin(&writers[i], paths[i], e->arena, e->c->diag)) continue;
    while (i-- > 0) file_write_abort(&writers[i]);
    return false;
  }
  write_text(e, writers[SOURCE].stream, source_text);
  fputs(header_text, writers[HEADER].stream);
  if (weights) emit_weights_file(e, writers[WEIGHTS].stream);
  return file_write_commit_all(writers, count, e->c->diag);
}

const char *emit_c_prefix(const Options *options, Arena *arena) {
  const char *stem = base_name(without_extension(arena, options->output));
  return identifier(arena, options->prefix ? options->prefix : stem);
}

bool emit_c(const Program *program, const Options *options) {
  Compilation *c = program->compilation;
  Emitter e = {.c = c, .program = program, .options = options, .arena = c->arena};
  const char *stem = without_extension(c->arena, options->output);
  const char *header = arena_printf(c->arena, "%s.h", stem);
  const char *weights = arena_printf(c->arena, "%s.weights", stem);
  e.prefix = emit_c_prefix(options, c->arena);
  prepare(&e);
  Scope *scope = bind_everything(&e, base_name(header), base_name(weights));
  Str source_text = str_in(c->arena), header_text = str_in(c->arena);
  if (!bind_threads(&e, scope)) return false;
  if (!expand(&e, "model.c", scope, &source_text)) return false;
  if (!expand(&e, "model.h", scope, &header_text)) return false;
  bool external = options->weights == WEIGHTS_FILE || options->weights == WEIGHTS_INCBIN;
  return write_files(&e, options->output, header, external && e.weights_bytes ? weights : NULL,
                     restore_lines(&e, str_text(&source_text), base_name(options->output)),
                     str_text(&header_text));
}

bool emit_c_around(Compilation *c, const Options *options, const int *chunks, size_t count,
                   const char *template, Scope *scope, const char *path) {
  Emitter e = {.c = c, .options = options, .arena = c->arena};
  Str text = str_in(c->arena);
  FileWriter writer;
  e.chunk_used = ARENA_ARRAY(e.arena, bool, kernel_chunk_count(c->library) + 1);
  for (size_t i = 0; i < count; i++) emit_need_chunk(&e, chunks[i]);
  bind_runtime(&e, scope);
  if (!expand(&e, template, scope, &text) || !file_write_begin(&writer, path, e.arena, c->diag))
    return false;
  fputs(restore_lines(&e, str_text(&text), base_name(path)), writer.stream);
  return file_write_commit(&writer, c->diag);
}
