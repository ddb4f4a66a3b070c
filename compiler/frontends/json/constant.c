/* constant.c: nested lists of numbers as a tensor: [[1, 2, 3], [4, 5, 6]] is of shape [2, 3]. */
#include "reader.h"

#include "frontends/common/inputs.h"

#include <inttypes.h>

typedef struct {
  JsonReader *r;
  DType dtype;
  int rank;
  int64_t dims[MAX_RANK];
  char *next; /* where the next element goes */
} Constant;

/* The shape by the first element of each list. */
static bool read_shape(Constant *k, const JsonValue *value) {
  for (; value->kind == JSON_ARRAY; value = value->items[0]) {
    if (k->rank == MAX_RANK)
      return json_error(&k->r->file, value, "rank above %d; ctc takes at most that", MAX_RANK);
    k->dims[k->rank++] = (int64_t)value->count;
    if (value->count == 0) break;
  }
  return true;
}

static bool in_range(const DTypeInfo *info, int64_t value) {
  int bits = (int)info->bytes * 8;
  if (info->kind == KIND_UINT) return value >= 0 && (bits == 64 || value >> bits == 0);
  if (bits == 64) return true;
  int64_t limit = INT64_C(1) << (bits - 1);
  return value >= -limit && value < limit;
}

static bool store(Constant *k, const JsonValue *value) {
  const DTypeInfo *info = dtype_info(k->dtype);
  if (info->kind == KIND_FLOAT && value->kind == JSON_NUMBER) {
    literal_store_real(value->number, k->dtype, k->next);
  } else if (info->kind == KIND_BOOL && value->kind == JSON_BOOL) {
    *k->next = value->boolean;
  } else if (dtype_is_integer(k->dtype) && value->kind == JSON_NUMBER && value->is_integer &&
             in_range(info, value->integer)) {
    memcpy(k->next, &value->integer, info->bytes); /* little-endian */
  } else {
    return json_error(&k->r->file, value, "not a value of type %s", info->name);
  }
  k->next += info->bytes;
  return true;
}

/* All lists of one depth are of one length; so there are as many elements as the shape says, and
 * no more memory is asked for than the text could hold. */
static bool check_nesting(const Constant *k, const JsonValue *value, int axis) {
  if (axis == k->rank)
    return value->kind != JSON_ARRAY || json_error(&k->r->file, value, "a list is no element");
  if (value->kind != JSON_ARRAY || (int64_t)value->count != k->dims[axis])
    return json_error(&k->r->file, value, "must be a list of %" PRId64 ", as the first one is",
                      k->dims[axis]);
  for (size_t i = 0; i < value->count; i++)
    if (!check_nesting(k, value->items[i], axis + 1)) return false;
  return true;
}

static bool fill(Constant *k, const JsonValue *value, int axis) {
  if (axis == k->rank) return store(k, value);
  for (size_t i = 0; i < value->count; i++)
    if (!fill(k, value->items[i], axis + 1)) return false;
  return true;
}

const Tensor *constant_read(JsonReader *r, const JsonValue *value, DType dtype) {
  Constant k = {.r = r, .dtype = dtype};
  void *data;
  if (!read_shape(&k, value) || !check_nesting(&k, value, 0)) return NULL;
  Tensor *tensor = tensor_create(r->arena, dtype, k.rank, k.dims, &data);
  k.next = data;
  return fill(&k, value, 0) ? tensor : NULL;
}
