/* folder.c: whether a path stays inside a folder, by its text and with symbolic links followed. */
#include "frontends/common/folder.h"

#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Whether a relative path stays below its start, by its text. */
static bool stays_inside(const char *path) {
  if (*path == '/' || *path == '\0') return false;
  for (const char *part = path; part; part = strchr(part, '/')) {
    part += *part == '/';
    if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) return false;
  }
  return true;
}

static bool begins_with_folder(const char *path, const char *folder) {
  size_t length = strlen(folder);
  while (length && folder[length - 1] == '/') length--;
  return strncmp(folder, path, length) == 0 && path[length] == '/';
}

static bool resolves_inside(const char *folder, const char *resolved) {
  char *real_folder = realpath(folder, NULL);
  bool inside = real_folder && begins_with_folder(resolved, real_folder);
  free(real_folder);
  return inside;
}

const char *folder_file(Arena *arena, Diag *diag, const char *where, const char *phrase,
                        const char *model, const char *location) {
  char *folder = path_folder(arena, model), *path = arena_printf(arena, "%s/%s", folder, location);
  if (!stays_inside(location)) {
    diag_error(diag, where, "%s '%s', which is not in the model's folder", phrase, location);
    return NULL;
  }
  char *resolved = realpath(path, NULL);
  if (!resolved) {
    diag_error(diag, where, "%s '%s', which cannot be read: %s", phrase, path, strerror(errno));
    return NULL;
  }
  bool inside = resolves_inside(folder, resolved);
  free(resolved);
  if (inside) return path;
  diag_error(diag, where, "%s '%s', a link out of the model's folder", phrase, path);
  diag_hint(diag, "copy the file into the model's folder");
  return NULL;
}
