/* template_load.c: where the text of a template comes from: built into ctc, or a folder while
 * templates are being written. */
#include "backends/template.h"

#include "base/embedded.h"
#include "base/file.h"

#include <string.h>

static bool load_file(const char *path, Arena *arena, const char **text, Diag *diag) {
  FileView view;
  if (!file_map(path, &view, diag)) return false;
  *text = view.size ? arena_strndup(arena, (const char *)view.data, view.size) : "";
  return true;
}

static bool unknown_template(const char *name, Arena *arena, Diag *diag) {
  const char **names = ARENA_ARRAY(arena, const char *, embedded_templates_count + 1);
  for (int i = 0; i < embedded_templates_count; i++) names[i] = embedded_templates[i].name;
  diag_error(diag, NULL, "there is no template '%s'", name);
  return diag_suggest(diag, name, names, (size_t)embedded_templates_count);
}

bool template_load(const char *folder, const char *name, Arena *arena, const char **file,
                   const char **text, Diag *diag) {
  *file = arena_printf(arena, "%s/%s", folder ? folder : "templates", name);
  if (folder) return load_file(*file, arena, text, diag);
  for (int i = 0; i < embedded_templates_count; i++) {
    if (strcmp(embedded_templates[i].name, name) != 0) continue;
    *text = embedded_templates[i].text;
    return true;
  }
  return unknown_template(name, arena, diag);
}
