/* emit_names.c: identifiers, texts and sizes of the emitted program, and which definitions of the
 * runtime it needs. */
#include "backends/c/emit.h"

#include <ctype.h>
#include <string.h>

const char *emit_identifier(Arena *arena, const char *wanted) {
  Str out = str_in(arena);
  if (isdigit((unsigned char)wanted[0])) str_add(&out, "_");
  for (const char *ch = wanted; *ch && out.length < 60; ch++)
    str_add_n(&out, isalnum((unsigned char)*ch) ? ch : "_", 1);
  return out.length ? str_text(&out) : "_";
}

const char *emit_name(Emitter *e, const char *wanted) {
  const char *base = emit_identifier(e->arena, wanted), *name = base;
  for (int i = 2; map_get(&e->names, name); i++) name = arena_printf(e->arena, "%s_%d", base, i);
  map_set(&e->names, name, e);
  return name;
}

const char *emit_upper_case(Emitter *e, const char *text) {
  char *copy = arena_strdup(e->arena, text);
  for (char *ch = copy; *ch; ch++) *ch = (char)toupper((unsigned char)*ch);
  return copy;
}

const char *emit_macro_name(Emitter *e, const char *text) {
  return emit_name(e, emit_upper_case(e, text));
}

const char *emit_quoted(Emitter *e, const char *text) {
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

const char *emit_comment_safe(Emitter *e, const char *text) {
  char *copy = arena_strdup(e->arena, text);
  for (char *ch = copy; *ch; ch++)
    if ((unsigned char)*ch < ' ' || *ch == '\\' || (ch[0] == '*' && ch[1] == '/') ||
        (ch[0] == '/' && ch[1] == '*'))
      *ch = '_';
  return copy;
}

const char *emit_plain_dim(Emitter *e, Dim dim) {
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
  return emit_plain_dim(e, dim);
}

void emit_need_chunk(Emitter *e, int chunk) {
  if (chunk < 0 || e->chunk_used[chunk]) return;
  e->chunk_used[chunk] = true;
  for (const int *need = kernel_chunk(e->c->library, chunk)->needs; need && *need >= 0; need++)
    emit_need_chunk(e, *need);
}

void emit_need_name(Emitter *e, const char *name) {
  emit_need_chunk(e, kernel_chunk_named(name));
}
