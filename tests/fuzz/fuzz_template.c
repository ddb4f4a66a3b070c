/* fuzz_template.c: any text as a template, expanded with names of each kind: texts, conditions,
 * lists with items, words that bind more names; a known line for each line of the result
 * (libFuzzer). */
#include "fuzz.h"

#include "backends/template.h"

#include <string.h>

static bool bind_more(Scope *item, const char *variable, const char *word) {
  if (strcmp(word, "f32") != 0) return false;
  if (strcmp(variable, "t") == 0) scope_text(item, "T", "float");
  return true;
}

static Scope *known_names(Arena *arena) {
  Scope *outer = scope_create(arena, NULL), *scope = scope_create(arena, outer);
  scope_on_word(outer, bind_more);
  scope_text(outer, "name", "net");
  scope_text(outer, "empty", "");
  scope_text(outer, "lines", "one\n\n  two\n");
  scope_bool(outer, "yes", true);
  scope_bool(scope, "no", false);
  scope_list(scope, "none");
  for (int i = 0; i < 3; i++) {
    Scope *item = scope_item(scope, "inputs");
    scope_textf(item, "type", "t%d", i);
    scope_bool(item, "last", i == 2);
    for (int k = 0; k < i; k++) scope_textf(scope_item(item, "dims"), "size", "%d", k);
  }
  return scope;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  Diag diag = {.out = NULL};
  Str out = str_in(arena);
  TemplateLines lines = {0};
  const char *text = arena_strndup(arena, (const char *)data, size);
  int last = 1;
  for (const char *at = text; *at; at++) last += *at == '\n';
  bool ok = template_expand("fuzz.c", text, known_names(arena), &out, &lines, &diag);
  EXPECT(ok == (diag.errors == 0));
  size_t count = 0;
  for (size_t i = 0; i < out.length; i++) count += out.text[i] == '\n';
  if (ok) EXPECT(count == lines.lines.count);
  for (size_t i = 0; i < lines.lines.count; i++)
    EXPECT(lines.lines.items[i] >= 1 && lines.lines.items[i] <= last);
  arena_destroy(arena);
  return 0;
}
