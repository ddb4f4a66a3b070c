/* npz.c: numpy's format 1.0 to 3.0 (numpy/lib/format.py documents it), in zip archives through
 * libzip. */
#include "io/npz.h"

#include "base/file.h"
#include "base/str.h"
#include "io/npz_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

/* --- the header --- */

typedef struct {
  char descr[32];
  bool fortran;
  int rank;
  int64_t dims[MAX_RANK];
} Header;

/* The text behind `key` in the header's dictionary, or NULL. */
static const char *field(const char *text, const char *key) {
  const char *at = strstr(text, key);
  if (!at) return NULL;
  at = strchr(at + strlen(key), ':');
  if (!at) return NULL;
  at++;
  while (*at == ' ') at++;
  return at;
}

static bool parse_shape(const char *at, Header *header) {
  if (*at++ != '(') return false;
  while (*at && *at != ')') {
    char *end;
    long long dim = strtoll(at, &end, 10);
    if (end == at || dim < 0 || header->rank == MAX_RANK) return false;
    header->dims[header->rank++] = dim;
    for (at = end; *at == ',' || *at == ' ' || *at == 'L';) at++;
  }
  return *at == ')';
}

/* {'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), } */
static bool parse_header(const char *text, Header *header) {
  const char *descr = field(text, "'descr'"), *order = field(text, "'fortran_order'");
  const char *shape = field(text, "'shape'");
  if (!descr || !order || !shape || *descr != '\'') return false;
  size_t length = strcspn(descr + 1, "'");
  if (length >= sizeof header->descr) return false;
  memcpy(header->descr, descr + 1, length);
  header->fortran = strncmp(order, "True", 4) == 0;
  return parse_shape(shape, header);
}

/* Where the data of the .npy file in `bytes` starts, behind its header; 0 if it is not one. */
static size_t read_header(const uint8_t *bytes, size_t size, Arena *arena, Header *header) {
  *header = (Header){.rank = 0};
  if (size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0) return 0;
  bool wide = bytes[6] >= 2;
  size_t start = wide ? 12 : 10;
  if (size < start) return 0;
  size_t length = bytes[8] | (size_t)bytes[9] << 8;
  if (wide) length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
  if (length > size - start) return 0;
  char *text = arena_strndup(arena, (const char *)bytes + start, length);
  return parse_header(text, header) ? start + length : 0;
}

/* --- arrays --- */

/* Row-major copy of a column-major array. */
static void turn_round(const Header *header, size_t size, const char *from, char *to,
                       int64_t count) {
  int64_t index[MAX_RANK] = {0};
  for (int64_t i = 0; i < count; i++) {
    int64_t at = 0;
    for (int d = header->rank - 1; d >= 0; d--) at = at * header->dims[d] + index[d];
    memcpy(to + (size_t)i * size, from + (size_t)at * size, size);
    for (int d = header->rank - 1; d >= 0 && ++index[d] == header->dims[d]; d--) index[d] = 0;
  }
}

/* The elements as strings; NULL if they are no texts. */
static const void *read_texts(const void *bytes, int64_t width, int64_t count, Arena *arena) {
  const char **texts = ARENA_ARRAY(arena, const char *, count + 1);
  return npz_text_read(bytes, width, count, arena, texts) ? texts : NULL;
}

static bool parse_array(const char *where, const uint8_t *bytes, size_t size, Arena *arena,
                        NamedTensor *result, Diag *diag) {
  Header header;
  int64_t count;
  size_t start = read_header(bytes, size, arena, &header);
  if (!start) return diag_error(diag, where, "not an array in numpy's .npy format");
  if (!tensor_count(header.dims, header.rank, &count))
    return diag_error(diag, where, "the array is too large");
  result->descr = arena_strdup(arena, header.descr);
  result->bytes = arena_copy(arena, bytes + start, size - start);
  result->byte_count = size - start;
  result->tensor = NULL;
  int64_t width = npz_text_width(header.descr);
  DType dtype = width ? DT_STRING : dtype_from_npy(header.descr);
  if (dtype == DT_NONE || (!width && dtype_info(dtype)->kind == KIND_OTHER)) return true;
  size_t element = dtype_info(dtype)->bytes, stored = width ? 4 * (size_t)width : element;
  if ((uint64_t)count > (size - start) / stored)
    return diag_error(diag, where, "the array is truncated");
  const void *from = bytes + start;
  if (width && !(from = read_texts(from, width, count, arena)))
    return diag_error(diag, where, "the array holds what is no character, or a 0 within a text");
  void *data;
  result->tensor = tensor_create(arena, dtype, header.rank, header.dims, &data);
  if (header.fortran && header.rank > 1)
    turn_round(&header, element, from, data, count);
  else if (count)
    memcpy(data, from, (size_t)count * element);
  return true;
}

bool npy_read(const char *path, Arena *arena, NamedTensor *result, Diag *diag) {
  FileView view;
  if (!file_map(path, &view, diag)) return false;
  *result = (NamedTensor){.name = path_stem(arena, path)};
  return parse_array(path, view.data, view.size, arena, result, diag);
}

/* --- archives --- */

/* What the members of an archive can hold together: deflate makes at most 1032 bytes of one. */
static uint64_t most_bytes(const char *path) {
  enum { MOST_GROWTH = 1032 };
  struct stat info;
  return stat(path, &info) == 0 ? (uint64_t)info.st_size * MOST_GROWTH : 0;
}

/* `*left`: what the members may hold that are not read yet. */
static bool read_member(zip_t *zip, zip_uint64_t index, const char *path, uint64_t *left,
                        Arena *arena, TensorList *list, Diag *diag) {
  zip_stat_t info;
  if (zip_stat_index(zip, index, 0, &info) != 0 || !(info.valid & ZIP_STAT_SIZE))
    return diag_error(diag, path, "cannot read member %" PRIu64, (uint64_t)index);
  if (info.size > *left)
    return diag_error(diag, path,
                      "member %" PRIu64 " says that it has %" PRIu64
                      " bytes, more than the file can hold",
                      (uint64_t)index, (uint64_t)info.size);
  *left -= info.size;
  size_t length = strlen(info.name);
  if (length > 4 && strcmp(info.name + length - 4, ".npy") == 0) length -= 4;
  NamedTensor named = {.name = arena_strndup(arena, info.name, length)};
  const char *where = arena_printf(arena, "%s: '%s'", path, named.name);
  uint8_t *bytes = malloc(info.size ? info.size : 1);
  zip_file_t *file = zip_fopen_index(zip, index, 0);
  bool ok = bytes && file && zip_fread(file, bytes, info.size) == (zip_int64_t)info.size;
  if (!ok) diag_error(diag, where, "cannot read it: %s", zip_strerror(zip));
  ok = ok && parse_array(where, bytes, info.size, arena, &named, diag);
  if (file) zip_fclose(file);
  free(bytes);
  if (ok) vec_push(arena, list, named);
  return ok;
}

bool npz_read(const char *path, Arena *arena, TensorList *list, Diag *diag) {
  int code;
  zip_t *zip = zip_open(path, ZIP_RDONLY, &code);
  if (!zip) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    diag_error(diag, path, "cannot read it as an .npz archive: %s", zip_error_strerror(&error));
    zip_error_fini(&error);
    return false;
  }
  bool ok = true;
  uint64_t left = most_bytes(path);
  zip_int64_t count = zip_get_num_entries(zip, 0);
  for (zip_int64_t i = 0; i < count && ok; i++)
    ok = read_member(zip, (zip_uint64_t)i, path, &left, arena, list, diag);
  zip_discard(zip);
  return ok;
}

const NamedTensor *tensor_list_find(const TensorList *list, const char *name) {
  for (size_t i = 0; i < list->count; i++)
    if (strcmp(list->items[i].name, name) == 0) return &list->items[i];
  return NULL;
}

/* A whole .npy file in the arena. `width`: code points of an element, of tensors of strings. */
static char *format_array(const Tensor *tensor, int64_t width, Arena *arena, size_t *size) {
  Str text = str_in(arena);
  const char *descr =
      width ? arena_printf(arena, "<U%" PRId64, width) : dtype_info(tensor->dtype)->npy;
  str_addf(&text, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
  for (int d = 0; d < tensor->rank; d++) str_addf(&text, "%" PRId64 ", ", tensor->dims[d]);
  str_add(&text, "), }");
  while ((10 + text.length + 1) % 64 != 0) str_add(&text, " ");
  str_add(&text, "\n");
  size_t data = (size_t)(width ? 4 * width * tensor->count : tensor_bytes(tensor));
  *size = 10 + text.length + data;
  char *file = arena_alloc(arena, *size, 1);
  memcpy(file, "\x93NUMPY\x01\x00", 8);
  file[8] = (char)(text.length & 255);
  file[9] = (char)(text.length >> 8);
  memcpy(file + 10, text.text, text.length);
  if (width)
    npz_text_write(tensor, width, file + 10 + text.length);
  else if (data)
    memcpy(file + 10 + text.length, tensor->data, data);
  return file;
}

static bool add_member(zip_t *zip, const NamedTensor *named, Arena *arena) {
  size_t size;
  bool texts = named->tensor->dtype == DT_STRING;
  char *file = format_array(named->tensor, texts ? npz_text_most(named->tensor) : 0, arena, &size);
  zip_source_t *source = zip_source_buffer(zip, file, size, 0);
  const char *name = arena_printf(arena, "%s.npy", named->name);
  zip_int64_t index = source ? zip_file_add(zip, name, source, ZIP_FL_OVERWRITE) : -1;
  if (index < 0) {
    if (source) zip_source_free(source);
    return false;
  }
  return zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_STORE, 0) == 0;
}

/* Texts that have no code points cannot be written. */
static bool check_texts(const char *path, const TensorList *list, Diag *diag) {
  for (size_t i = 0; i < list->count; i++) {
    const Tensor *tensor = list->items[i].tensor;
    if (tensor && tensor->dtype == DT_STRING && !npz_text_most(tensor))
      return diag_error(diag, path, "'%s' holds text that is not UTF-8", list->items[i].name);
  }
  return true;
}

bool npz_write(const char *path, const TensorList *list, Arena *arena, Diag *diag) {
  int code;
  if (!check_texts(path, list, diag)) return false;
  zip_t *zip =
      zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code); /* libzip writes beside and renames */
  if (!zip) return diag_error(diag, path, "cannot write it");
  bool ok = true;
  for (size_t i = 0; i < list->count && ok; i++)
    if (list->items[i].tensor) ok = add_member(zip, &list->items[i], arena);
  if (ok && zip_close(zip) == 0) return true;
  diag_error(diag, path, "cannot write it: %s", zip_strerror(zip));
  zip_discard(zip);
  return false;
}
