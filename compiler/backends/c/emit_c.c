/* emit_c.c: puts the parts of model.c and model.h together from their templates. */
#include "backends/c/emit_c.h"

#include "backends/c/emit.h"
#include "base/file.h"
#include "version.h"

#include <inttypes.h>
#include <string.h>

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
  return emit_comment_safe(e, str_text(&out));
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
  scope_text(scope, "NAME", emit_upper_case(e, e->prefix));
  scope_text(scope, "GUARD",
             arena_printf(e->arena, "CTC_MODEL_%s_H", emit_upper_case(e, e->prefix)));
  scope_text(scope, "header_name", header_name);
  scope_text(scope, "source_name", base_name(e->options->output));
  scope_text(
      scope, "title",
      emit_comment_safe(e, c->graph->name && c->graph->name[0] ? c->graph->name : e->prefix));
  scope_text(scope, "title_literal",
             emit_quoted(e, c->graph->name && c->graph->name[0] ? c->graph->name : e->prefix));
  scope_text(scope, "version", CTC_VERSION);
  scope_bool(scope, "trace", e->options->trace);
  scope_bool(scope, "profile", e->options->profile);
  scope_textf(scope, "hash", "%016" PRIx64, c->model_hash);
  scope_text(scope, "options", options_text(e));
  scope_bool(scope, "incbin", mode == WEIGHTS_INCBIN && e->weights_bytes);
  scope_bool(scope, "weights_pointer", mode == WEIGHTS_FILE);
  scope_bool(scope, "needs_weights", mode == WEIGHTS_FILE && e->weights_bytes);
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

static bool has_strings(const Program *program) {
  for (size_t i = 0; i < program->buffers.count; i++)
    if (program->buffers.items[i]->dtype == DT_STRING) return true;
  return false;
}

/* What stands for an element of a tensor of strings. */
static void bind_strings(Emitter *e, Scope *scope) {
  bool strings = has_strings(e->program);
  scope_bool(scope, "strings", strings);
  if (strings) emit_need_name(e, "ctc_text");
}

/* A definition of the runtime; with --line-directives, where a plugin's was written. */
static void add_chunk(Emitter *e, Str *out, const RuntimeChunk *chunk) {
  bool located = chunk->file && e->options->line_directives;
  if (located) str_addf(out, "#line %d %s\n", chunk->line, emit_quoted(e, chunk->file));
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

bool emit_expand(Emitter *e, const char *name, const Scope *scope, Str *out) {
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
    str_addf(&out, "#line %d %s", line + 1, emit_quoted(e, file));
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
  e->printer = e->backend->printer;
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

/* NULL after an error. */
static Scope *bind_everything(Emitter *e, const char *header_name, const char *weights_name) {
  Scope *scope = scope_create(e->arena, NULL);
  if (e->backend->begin) e->backend->begin(e);
  emit_bind_ports(e, scope);
  emit_bind_signatures(e, scope);
  emit_bind_run(e, scope);
  if (e->backend->finish && !e->backend->finish(e, scope)) return NULL;
  bind_head(e, scope, header_name, weights_name); /* all constants are known */
  scope_text(scope, "tasks", str_text(&e->task_text));
  scope_text(scope, "weights", WEIGHTS_MARK);
  bind_strings(e, scope);
  bind_runtime(e, scope);
  scope_bool(scope, "threads", e->backend->wants_threads && e->options->threads > 1);
  return scope;
}

/* Those of all programs. */
static const TemplatePart common_parts[] = {{"ports_types", "ports_types.h"},
                                            {"ports_macros", "ports_macros.h"},
                                            {"plan_function", "plan.c"},
                                            {"ports_functions", "ports_functions.c"},
                                            {"ports_tables", "ports_tables.c"},
                                            {"ports_declarations", "ports_functions.h"},
                                            {"status_codes", "status_codes.h"},
                                            {"status_texts", "status_texts.c"},
                                            {"weights_text", "weights.c"},
                                            {"strings_check", "strings.c"},
                                            {0}};

/* The parts that templates name. */
static bool bind_parts(Emitter *e, const TemplatePart *parts, Scope *scope) {
  for (const TemplatePart *part = parts; part->name; part++) {
    Str text = str_in(e->arena);
    if (!emit_expand(e, part->file, scope, &text)) return false;
    scope_text(scope, part->name, str_text(&text));
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
  return emit_identifier(arena, options->prefix ? options->prefix : stem);
}

static const TemplatePart c_parts[] = {{"threads_types", "threads.h"},
                                       {"threads_tasks", "threads.c"},
                                       {"threads_pools", "pool.c"},
                                       {0}};

static const Backend c_backend = {.source_template = "model.c",
                                  .header_template = "model.h",
                                  .parts = c_parts,
                                  .printer = &c_printer,
                                  .wants_threads = true};

bool emit_c(const Program *program, const Options *options) {
  return emit_program(program, options, &c_backend);
}

bool emit_program(const Program *program, const Options *options, const Backend *backend) {
  Compilation *c = program->compilation;
  Emitter e = {
      .backend = backend, .c = c, .program = program, .options = options, .arena = c->arena};
  const char *stem = without_extension(c->arena, options->output);
  const char *header = arena_printf(c->arena, "%s.h", stem);
  const char *weights = arena_printf(c->arena, "%s.weights", stem);
  e.prefix = emit_c_prefix(options, c->arena);
  prepare(&e);
  Scope *scope = bind_everything(&e, base_name(header), base_name(weights));
  Str source_text = str_in(c->arena), header_text = str_in(c->arena);
  if (!scope || !bind_parts(&e, common_parts, scope) || !bind_parts(&e, backend->parts, scope))
    return false;
  if (!emit_expand(&e, backend->source_template, scope, &source_text)) return false;
  if (!emit_expand(&e, backend->header_template, scope, &header_text)) return false;
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
  if (!emit_expand(&e, template, scope, &text) ||
      !file_write_begin(&writer, path, e.arena, c->diag))
    return false;
  fputs(restore_lines(&e, str_text(&text), base_name(path)), writer.stream);
  return file_write_commit(&writer, c->diag);
}
