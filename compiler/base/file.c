/* file.c: mapped input, atomic output. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool map_descriptor(int fd, const char *path, FileView *view, Diag *diag) {
  struct stat info;
  if (fstat(fd, &info) != 0) return diag_error(diag, path, "%s", strerror(errno));
  if (!S_ISREG(info.st_mode)) return diag_error(diag, path, "not a regular file");
  *view = (FileView){.size = (size_t)info.st_size};
  if (view->size == 0) return true;
  void *data = mmap(NULL, view->size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) return diag_error(diag, path, "cannot map: %s", strerror(errno));
  view->data = data;
  return true;
}

bool file_map(const char *path, FileView *view, Diag *diag) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return diag_error(diag, path, "%s", strerror(errno));
  bool ok = map_descriptor(fd, path, view, diag);
  close(fd);
  return ok;
}

uint64_t file_hash(FileView view, uint64_t start) {
  for (size_t i = 0; i < view.size; i++) start = (start ^ view.data[i]) * UINT64_C(1099511628211);
  return start;
}

bool file_write_begin(FileWriter *writer, const char *path, Arena *arena, Diag *diag) {
  *writer = (FileWriter){.path = arena_strdup(arena, path),
                         .temporary = arena_printf(arena, "%s.%ld.tmp", path, (long)getpid())};
  writer->stream = fopen(writer->temporary, "wb");
  if (!writer->stream) return diag_error(diag, path, "cannot write: %s", strerror(errno));
  return true;
}

/* Flushes and closes; the temporary file stays if all went well. */
static bool close_stream(FileWriter *writer, Diag *diag) {
  bool bad = ferror(writer->stream) != 0;
  int saved = errno;
  if (fclose(writer->stream) != 0) {
    bad = true;
    saved = errno;
  }
  writer->stream = NULL;
  return !bad || diag_error(diag, writer->path, "cannot write: %s", strerror(saved));
}

bool file_write_commit_all(FileWriter *writers, size_t count, Diag *diag) {
  bool ok = true;
  size_t renamed = 0;
  for (size_t i = 0; i < count; i++) ok = close_stream(&writers[i], diag) && ok;
  for (; ok && renamed < count; renamed++)
    if (rename(writers[renamed].temporary, writers[renamed].path) != 0) {
      ok = diag_error(diag, writers[renamed].path, "cannot write: %s", strerror(errno));
      break;
    }
  if (ok) return true;
  for (size_t i = 0; i < count; i++) unlink(i < renamed ? writers[i].path : writers[i].temporary);
  return false;
}

bool file_write_commit(FileWriter *writer, Diag *diag) {
  return file_write_commit_all(writer, 1, diag);
}

void file_write_abort(FileWriter *writer) {
  if (!writer->stream) return;
  fclose(writer->stream);
  unlink(writer->temporary);
  writer->stream = NULL;
}

char *path_folder(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return arena_strdup(arena, ".");
  return arena_strndup(arena, path, slash == path ? 1 : (size_t)(slash - path));
}

char *path_stem(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/');
  const char *base = slash ? slash + 1 : path;
  const char *dot = strrchr(base, '.');
  return arena_strndup(arena, base, dot && dot != base ? (size_t)(dot - base) : strlen(base));
}
