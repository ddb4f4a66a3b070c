/* external.c: weights in files beside the model. */
#include "reader.h"

#include "frontends/common/folder.h"

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

/* Maps the file at its first use. */
static const FileView *external_file(Reader *r, const char *where, const char *what,
                                     const char *location) {
  FileView *view = map_get(&r->external, location);
  if (view) return view;
  const char *phrase = arena_printf(r->arena, "%s: its data is in", what);
  const char *path = folder_file(r->arena, r->c->diag, where, phrase, r->path, location);
  view = ARENA_NEW(r->arena, FileView);
  if (!path || !file_map(path, view, r->c->diag)) return NULL;
  map_set(&r->external, location, view);
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
