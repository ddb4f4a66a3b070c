/* external.c: weights in files beside the model. Only files inside the model's folder are read: a
 * model from somewhere else must not be able to name any file of the system. */
#include "reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *entry(const Onnx__TensorProto *proto, const char *key) {
  for (size_t i = 0; i < proto->n_external_data; i++)
    if (strcmp(text_or_empty(proto->external_data[i]->key), key) == 0)
      return text_or_empty(proto->external_data[i]->value);
  return NULL;
}

/* Entry `key` as a number, `missing` if it is not there. */
static bool number(const Onnx__TensorProto *proto, const char *key, size_t missing, size_t *out) {
  const char *text = entry(proto, key);
  *out = missing;
  if (!text) return true;
  char *end;
  errno = 0;
  if (*text < '0' || *text > '9') return false;
  *out = (size_t)strtoull(text, &end, 10);
  return errno == 0 && *end == '\0';
}

/* Whether a relative path stays below its start, by its text. */
static bool stays_inside(const char *path) {
  if (*path == '/' || *path == '\0') return false;
  for (const char *part = path; part; part = strchr(part, '/')) {
    part += *part == '/';
    if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) return false;
  }
  return true;
}

/* The same with symbolic links followed. */
static bool resolves_inside(const char *folder, const char *path) {
  char *real_folder = realpath(folder, NULL), *real_path = realpath(path, NULL);
  bool inside = false;
  if (real_folder && real_path) {
    size_t length = strlen(real_folder);
    while (length && real_folder[length - 1] == '/') length--;
    inside = strncmp(real_folder, real_path, length) == 0 && real_path[length] == '/';
  }
  free(real_folder);
  free(real_path);
  return inside;
}

/* Maps the file at its first use. */
static const FileView *external_file(Reader *r, const char *where, const char *what,
                                     const char *location) {
  char *folder = path_folder(r->arena, r->path);
  char *path = arena_printf(r->arena, "%s/%s", folder, location);
  FileView *view = map_get(&r->external, path);
  if (view) return view;
  char *resolved = realpath(path, NULL);
  if (!resolved) {
    diag_error(r->c->diag, where, "%s: its data is in '%s', which cannot be read: %s", what, path,
               strerror(errno));
    return NULL;
  }
  free(resolved);
  if (!resolves_inside(folder, path)) {
    diag_error(r->c->diag, where, "%s: its data is in '%s', a link out of the model's folder", what,
               path);
    diag_hint(r->c->diag, "copy the file into the model's folder");
    return NULL;
  }
  view = ARENA_NEW(r->arena, FileView);
  if (!file_map(path, view, r->c->diag)) return NULL;
  map_set(&r->external, path, view);
  return view;
}

bool external_data(Reader *r, const char *where, const char *what, const Onnx__TensorProto *proto,
                   const uint8_t **data, size_t *size, bool *exact) {
  Diag *diag = r->c->diag;
  const char *location = entry(proto, "location");
  size_t offset, length;
  if (!location || !number(proto, "offset", 0, &offset) ||
      !number(proto, "length", SIZE_MAX, &length))
    return diag_error(diag, where, "%s: location, offset or length of its data is missing or wrong",
                      what);
  if (!stays_inside(location))
    return diag_error(diag, where, "%s: its data is in '%s', which is not in the model's folder",
                      what, location);
  const FileView *view = external_file(r, where, what, location);
  if (!view) return false;
  if (offset > view->size || (length != SIZE_MAX && length > view->size - offset))
    return diag_error(diag, where, "%s: its data is at byte %zu of '%s', which has %zu bytes", what,
                      offset, location, view->size);
  *data = view->data + offset;
  *exact = length != SIZE_MAX;
  *size = length == SIZE_MAX ? view->size - offset : length;
  return true;
}
