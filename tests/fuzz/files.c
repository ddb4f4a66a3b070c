/* files.c: stands between the fuzz targets and what is too slow for them: files are in memory, and
 * the schemas are compiled once. The linker puts __wrap_F in the place of F (see the Makefile). */
#include "fuzz.h"

#include "base/file.h"
#include "base/vec.h"
#include "frontends/common/folder.h"
#include "io/schemas.h"

#include <string.h>

enum { FILES = 8 };

static struct {
  const char *path;
  FileView view;
} files[FILES];
static int file_count;

void fuzz_file(const char *path, const void *data, size_t size) {
  int i = 0;
  while (i < file_count && strcmp(files[i].path, path) != 0) i++;
  EXPECT(i < FILES);
  if (i == file_count) file_count++;
  files[i].path = path;
  files[i].view = (FileView){data, size};
}

FuzzPart fuzz_part(const uint8_t **data, size_t *size) {
  const uint8_t *end = *size ? memchr(*data, 0, *size) : NULL;
  FuzzPart part = {*data, end ? (size_t)(end - *data) : *size};
  size_t taken = part.size + (end != NULL);
  if (taken) *data += taken;
  *size -= taken;
  return part;
}

static const FileView *find_file(const char *path) {
  for (int i = 0; i < file_count; i++)
    if (files[i].view.data && strcmp(files[i].path, path) == 0) return &files[i].view;
  return NULL;
}

bool __wrap_file_map(const char *path, FileView *view, Diag *diag);
bool __wrap_file_map(const char *path, FileView *view, Diag *diag) {
  const FileView *file = find_file(path);
  if (!file) return diag_error(diag, path, "cannot read it");
  *view = *file;
  return true;
}

int __wrap_access(const char *path, int mode);
int __real_access(const char *path, int mode);
int __wrap_access(const char *path, int mode) {
  return find_file(path) ? 0 : __real_access(path, mode);
}

/* Those that are there are in the folder of the model, which is this one. */
const char *__wrap_folder_file(Arena *arena, Diag *diag, const char *where, const char *phrase,
                               const char *model, const char *location);
const char *__real_folder_file(Arena *arena, Diag *diag, const char *where, const char *phrase,
                               const char *model, const char *location);
const char *__wrap_folder_file(Arena *arena, Diag *diag, const char *where, const char *phrase,
                               const char *model, const char *location) {
  if (find_file(location)) return location;
  return __real_folder_file(arena, diag, where, phrase, model, location);
}

typedef struct {
  const char *name;
  JsonFile file;
  const JsonSchema *schema;
} Compiled;

const JsonSchema *__wrap_schema_embedded(const char *name, Arena *arena, Diag *diag,
                                         JsonFile *file);
const JsonSchema *__real_schema_embedded(const char *name, Arena *arena, Diag *diag,
                                         JsonFile *file);
const JsonSchema *__wrap_schema_embedded(const char *name, Arena *arena, Diag *diag,
                                         JsonFile *file) {
  static Arena *kept;
  static Vec(Compiled) compiled;
  static Diag silent;
  (void)arena;
  (void)diag;
  if (!kept) kept = arena_create();
  size_t i = 0;
  while (i < compiled.count && strcmp(compiled.items[i].name, name) != 0) i++;
  if (i == compiled.count) {
    Compiled made = {.name = arena_strdup(kept, name)};
    made.schema = __real_schema_embedded(name, kept, &silent, &made.file);
    vec_push(kept, &compiled, made);
  }
  *file = compiled.items[i].file;
  return compiled.items[i].schema;
}
