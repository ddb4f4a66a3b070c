/* file.h: reading whole files and writing files that appear only when complete. */
#ifndef CTC_BASE_FILE_H
#define CTC_BASE_FILE_H

#include "base/arena.h"
#include "base/diag.h"

#include <stdint.h>
#include <stdio.h>

/* Bytes of a file, mapped read-only. `data` is not NUL-terminated. */
typedef struct {
  const uint8_t *data;
  size_t size;
} FileView;

/* Maps `path`. The mapping stays until the process ends (weights are slices of it). Reports and
 * returns false if the file cannot be read. An empty file gives size 0. */
MUST_CHECK bool file_map(const char *path, FileView *view, Diag *diag);

/* FNV-1a of the bytes; `start` is FILE_HASH_START or the hash of what comes before them. */
#define FILE_HASH_START UINT64_C(14695981039346656037)
uint64_t file_hash(FileView view, uint64_t start);

/* A file being written beside its final place. */
typedef struct {
  FILE *stream;
  char *path, *temporary;
} FileWriter;

MUST_CHECK bool file_write_begin(FileWriter *writer, const char *path, Arena *arena, Diag *diag);
/* Closes and renames into place; on a write error reports, removes the temporary file and returns
 * false. */
MUST_CHECK bool file_write_commit(FileWriter *writer, Diag *diag);
/* The same for files that belong together: either all of them appear or none. */
MUST_CHECK bool file_write_commit_all(FileWriter *writers, size_t count, Diag *diag);
/* Removes the temporary file; the final place is untouched. Safe after a failed begin. */
void file_write_abort(FileWriter *writer);

/* The folder part of `path` ("." if there is none) and its last part without the extension. */
char *path_folder(Arena *arena, const char *path);
char *path_stem(Arena *arena, const char *path);

#endif
