/* safetensors.c: the header's length (8 bytes, little-endian), the header as JSON, the data.
 *
 *   {"conv.weight": {"dtype": "F32", "shape": [16, 3, 3, 3], "data_offsets": [0, 1728]},
 *    "__metadata__": {"format": "pt"}}
 *
 * Offsets count from the end of the header. Nothing in the header is believed before it was
 * checked against the size of the file. */
#include "io/safetensors.h"

#include "io/json.h"

#include <inttypes.h>
#include <string.h>

enum { LENGTH_BYTES = 8 };

static const struct {
  const char *name;
  DType dtype;
} dtypes[] = {
    {"F32", DT_F32},   {"F64", DT_F64},          {"F16", DT_F16},        {"BF16", DT_BF16},
    {"I8", DT_I8},     {"I16", DT_I16},          {"I32", DT_I32},        {"I64", DT_I64},
    {"U8", DT_U8},     {"U16", DT_U16},          {"U32", DT_U32},        {"U64", DT_U64},
    {"BOOL", DT_BOOL}, {"F8_E4M3", DT_F8E4M3FN}, {"F8_E5M2", DT_F8E5M2},
};

/* A file that is being read. */
typedef struct {
  JsonFile json;
  FileView data; /* behind the header */
} Source;

static const JsonValue *member(const Source *source, const JsonValue *entry, const char *key,
                               JsonKind kind) {
  const JsonValue *value = json_member(entry, key);
  if (!value) json_error(&source->json, entry, "'%s' is missing", key);
  if (!value || value->kind == kind) return value;
  json_error(&source->json, value, "must be %s, not %s", kind == JSON_STRING ? "a text" : "a list",
             json_kind_name(value));
  return NULL;
}

static bool read_dtype(const Source *source, const JsonValue *entry, Tensor *tensor) {
  const JsonValue *value = member(source, entry, "dtype", JSON_STRING);
  if (!value) return false;
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
    if (strcmp(dtypes[i].name, value->string) == 0) tensor->dtype = dtypes[i].dtype;
  return tensor->dtype != DT_NONE ||
         json_error(&source->json, value, "unknown element type '%s'", value->string);
}

static bool is_size(const JsonValue *value) {
  return value->kind == JSON_NUMBER && value->is_integer && value->integer >= 0;
}

static bool read_shape(const Source *source, const JsonValue *entry, Tensor *tensor) {
  const JsonValue *shape = member(source, entry, "shape", JSON_ARRAY);
  if (!shape) return false;
  if (shape->count > MAX_RANK)
    return json_error(&source->json, shape, "rank %zu; ctc takes at most %d", shape->count,
                      MAX_RANK);
  tensor->rank = (int)shape->count;
  for (int i = 0; i < tensor->rank; i++) {
    if (!is_size(shape->items[i]))
      return json_error(&source->json, shape->items[i], "a size must be a whole number, 0 or more");
    tensor->dims[i] = shape->items[i]->integer;
  }
  return tensor_count(tensor->dims, tensor->rank, &tensor->count) ||
         json_error(&source->json, shape, "the tensor is too large");
}

/* ONNX and the kernels know 0 and 1 only. */
static bool check_bools(const Source *source, const JsonValue *entry, const Tensor *tensor) {
  const uint8_t *data = tensor->data;
  for (int64_t i = 0; tensor->dtype == DT_BOOL && i < tensor->count; i++)
    if (data[i] > 1)
      return json_error(&source->json, entry, "element %" PRId64 " is %d, but a bool is 0 or 1", i,
                        data[i]);
  return true;
}

static bool read_data(const Source *source, const JsonValue *entry, Tensor *tensor) {
  static const uint64_t nothing[2];
  const JsonValue *offsets = member(source, entry, "data_offsets", JSON_ARRAY);
  int64_t bytes;
  if (!offsets) return false;
  if (offsets->count != 2 || !is_size(offsets->items[0]) || !is_size(offsets->items[1]))
    return json_error(&source->json, offsets, "must be two whole numbers, 0 or more");
  int64_t begin = offsets->items[0]->integer, end = offsets->items[1]->integer;
  if (begin > end || (uint64_t)end > source->data.size)
    return json_error(&source->json, offsets,
                      "bytes %" PRId64 " to %" PRId64 ", but the file has %zu bytes of data", begin,
                      end, source->data.size);
  int64_t element = (int64_t)dtype_info(tensor->dtype)->bytes;
  if (__builtin_mul_overflow(tensor->count, element, &bytes) || bytes != end - begin)
    return json_error(&source->json, offsets,
                      "%" PRId64 " bytes, but a tensor of this type and shape takes %" PRId64,
                      end - begin, bytes);
  tensor->data = bytes ? source->data.data + begin : (const void *)nothing;
  if ((uintptr_t)tensor->data % (size_t)element) /* writers mostly align them */
    tensor->data = arena_copy(source->json.arena, tensor->data, (size_t)bytes);
  return check_bools(source, entry, tensor);
}

static bool read_entry(const Source *source, const JsonMember *entry, TensorList *list) {
  Arena *arena = source->json.arena;
  Tensor *tensor = ARENA_NEW(arena, Tensor);
  if (strcmp(entry->key, "__metadata__") == 0) return true;
  if (entry->value->kind != JSON_OBJECT)
    return json_error(&source->json, entry->value, "must be an object, not %s",
                      json_kind_name(entry->value));
  if (strlen(entry->key) != entry->key_length)
    return json_error(&source->json, entry->value, "the name holds a zero byte");
  if (!read_dtype(source, entry->value, tensor) || !read_shape(source, entry->value, tensor) ||
      !read_data(source, entry->value, tensor))
    return false;
  NamedTensor named = {
      .name = entry->key, .tensor = tensor, .descr = dtype_info(tensor->dtype)->npy};
  vec_push(arena, list, named);
  return true;
}

static uint64_t header_length(const uint8_t *bytes) {
  uint64_t length = 0;
  for (int i = LENGTH_BYTES - 1; i >= 0; i--) length = length << 8 | bytes[i];
  return length;
}

bool safetensors_read_bytes(const char *path, FileView view, Arena *arena, TensorList *list,
                            Diag *diag) {
  Source source;
  if (view.size < LENGTH_BYTES)
    return diag_error(diag, path, "not a safetensors file: it has %zu bytes", view.size);
  uint64_t length = header_length(view.data);
  if (length > view.size - LENGTH_BYTES)
    return diag_error(diag, path,
                      "not a safetensors file, or cut off: a header of %" PRIu64
                      " bytes in a file of %zu",
                      length, view.size);
  const char *header = (const char *)view.data + LENGTH_BYTES;
  if (!json_parse(path, header, (size_t)length, arena, diag, &source.json)) return false;
  if (source.json.root->kind != JSON_OBJECT)
    return json_error(&source.json, source.json.root, "the header must be an object");
  source.data =
      (FileView){view.data + LENGTH_BYTES + length, view.size - LENGTH_BYTES - (size_t)length};
  bool ok = true;
  for (size_t i = 0; i < source.json.root->count; i++)
    ok = read_entry(&source, &source.json.root->members[i], list) && ok;
  return ok;
}

bool safetensors_read(const char *path, Arena *arena, TensorList *list, Diag *diag) {
  FileView view;
  return file_map(path, &view, diag) && safetensors_read_bytes(path, view, arena, list, diag);
}
