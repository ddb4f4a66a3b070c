/* emit_main.c: a program around an emitted model, from templates/main.c. */
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

bool emit_c_main(const Program *program, const Options *options, const char *path,
                 const char *weights_name) {
  Compilation *c = program->compilation;
  Scope *scope = scope_create(c->arena, NULL);
  Str text = str_in(c->arena);
  const char *file, *template, *prefix = emit_c_prefix(options, c->arena);
  const char *slash = strrchr(path, '/');
  scope_text(scope, "source_name", slash ? slash + 1 : path);
  scope_text(scope, "title", prefix);
  scope_text(scope, "version", CTC_VERSION);
  scope_text(scope, "model", prefix);
  scope_text(scope, "NAME", upper_case(c->arena, prefix));
  scope_textf(scope, "header_name", "%s.h", path_stem(c->arena, options->output));
  scope_text(scope, "weights_file", weights_name);
  bind_types(scope);
  FileWriter writer;
  if (!template_load(options->templates, "main.c", c->arena, &file, &template, c->diag) ||
      !template_expand(file, template, scope, &text, NULL, c->diag) ||
      !file_write_begin(&writer, path, c->arena, c->diag))
    return false;
  fputs(str_text(&text), writer.stream);
  return file_write_commit(&writer, c->diag);
}
