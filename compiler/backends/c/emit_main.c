/* emit_main.c: what is linked with an emitted model: a program around it (templates/main.c), or a
 * hooks (templates/trace.c, profile.c). */
#include "backends/c/emit_c.h"

#include "backends/template.h"
#include "base/file.h"
#include "version.h"

#include <string.h>

/* The element types that a .npy file can hold. */
static void bind_types(Scope *scope) {
  scope_list(scope, "types");
  for (int i = DT_NONE + 1; i < DT_COUNT; i++) {
    const DTypeInfo *info = dtype_info((DType)i);
    if (i == DT_STRING) continue;
    Scope *item = scope_item(scope, "types");
    scope_textf(item, "code", "%d", info->onnx_code);
    scope_textf(item, "bytes", "%zu", info->bytes);
    scope_text(item, "name", info->name);
    scope_text(item, "npy", info->npy);
  }
}

static const char *upper_case(Arena *arena, const char *text) {
  char *copy = arena_strdup(arena, text);
  for (char *ch = copy; *ch; ch++)
    if (*ch >= 'a' && *ch <= 'z') *ch = (char)(*ch - 'a' + 'A');
  return copy;
}

/* Expands a template into a file. */
static bool write_template(const Program *program, const Options *options, const char *name,
                           const Scope *scope, const char *path) {
  Compilation *c = program->compilation;
  Str text = str_in(c->arena);
  const char *file, *template;
  FileWriter writer;
  if (!template_load(options->templates, name, c->arena, &file, &template, c->diag) ||
      !template_expand(file, template, scope, &text, NULL, c->diag) ||
      !file_write_begin(&writer, path, c->arena, c->diag))
    return false;
  fputs(str_text(&text), writer.stream);
  return file_write_commit(&writer, c->diag);
}

bool emit_c_main(const Program *program, const Options *options, const char *path,
                 const char *weights_name) {
  Arena *arena = program->compilation->arena;
  Scope *scope = scope_create(arena, NULL);
  const char *prefix = emit_c_prefix(options, arena), *slash = strrchr(path, '/');
  scope_text(scope, "source_name", slash ? slash + 1 : path);
  scope_text(scope, "title", prefix);
  scope_text(scope, "version", CTC_VERSION);
  scope_text(scope, "model", prefix);
  scope_text(scope, "NAME", upper_case(arena, prefix));
  scope_textf(scope, "header_name", "%s.h", path_stem(arena, options->output));
  scope_text(scope, "weights_file", weights_name);
  scope_bool(scope, "threads", options->threads > 1);
  bind_types(scope);
  return write_template(program, options, "main.c", scope, path);
}

bool emit_c_support(const Program *program, const Options *options, const char *template,
                    const char *path) {
  const Scope *scope = scope_create(program->compilation->arena, NULL);
  return write_template(program, options, template, scope, path);
}
