/* tensor_read.c: TensorProto and SparseTensorProto to Tensor.
 *
 * raw_data and files beside the model become slices of the mapping; lists of exactly the right C
 * type are used where they were unpacked; everything else is converted. Packed elements (six,
 * four or two bits) get a byte each. */
#include "reader.h"
#include "wire.h"

/* Where typed elements are. */
typedef enum { IN_FLOAT, IN_INT32, IN_INT64, IN_DOUBLE, IN_UINT64, IN_STRING } List;

typedef struct {
  List list;
  uint8_t per_element; /* numbers in the list for one element (complex: 2) */
  uint8_t bits;        /* of an element in raw_data, 0 for strings */
} Storage;

static const Storage storages[DT_COUNT] = {
    [DT_F32] = {IN_FLOAT, 1, 32},     [DT_F64] = {IN_DOUBLE, 1, 64},
    [DT_F16] = {IN_INT32, 1, 16},     [DT_BF16] = {IN_INT32, 1, 16},
    [DT_I8] = {IN_INT32, 1, 8},       [DT_I16] = {IN_INT32, 1, 16},
    [DT_I32] = {IN_INT32, 1, 32},     [DT_I64] = {IN_INT64, 1, 64},
    [DT_U8] = {IN_INT32, 1, 8},       [DT_U16] = {IN_INT32, 1, 16},
    [DT_U32] = {IN_UINT64, 1, 32},    [DT_U64] = {IN_UINT64, 1, 64},
    [DT_BOOL] = {IN_INT32, 1, 8},     [DT_STRING] = {IN_STRING, 1, 0},
    [DT_C64] = {IN_FLOAT, 2, 64},     [DT_C128] = {IN_DOUBLE, 2, 128},
    [DT_F8E4M3FN] = {IN_INT32, 1, 8}, [DT_F8E4M3FNUZ] = {IN_INT32, 1, 8},
    [DT_F8E5M2] = {IN_INT32, 1, 8},   [DT_F8E5M2FNUZ] = {IN_INT32, 1, 8},
    [DT_F8E8M0] = {IN_INT32, 1, 8},   [DT_U4] = {IN_INT32, 1, 4},
    [DT_I4] = {IN_INT32, 1, 4},       [DT_F4E2M1] = {IN_INT32, 1, 4},
    [DT_U2] = {IN_INT32, 1, 2},       [DT_I2] = {IN_INT32, 1, 2},
    [DT_F6E2M3] = {IN_INT32, 1, 6},   [DT_F6E3M2] = {IN_INT32, 1, 6},
};

static const struct {
  const char *name;
  size_t width; /* bytes of one entry as unpacked */
} lists[] = {
    [IN_FLOAT] = {"float_data", 4},   [IN_INT32] = {"int32_data", 4},
    [IN_INT64] = {"int64_data", 8},   [IN_DOUBLE] = {"double_data", 8},
    [IN_UINT64] = {"uint64_data", 8}, [IN_STRING] = {"string_data", sizeof(ProtobufCBinaryData)},
};

/* A tensor being read. */
typedef struct {
  Reader *r;
  const char *where, *what;
  const Onnx__TensorProto *proto;
  Tensor *tensor;
  Storage storage;
} Reading;

/* "float32[3, 4]" */
static const char *type_text(const Reading *in) {
  Str text = str_in(in->r->arena);
  str_addf(&text, "%s[", dtype_info(in->tensor->dtype)->name);
  for (int i = 0; i < in->tensor->rank; i++)
    str_addf(&text, "%s%lld", i ? ", " : "", (long long)in->tensor->dims[i]);
  str_add(&text, "]");
  return str_text(&text);
}

static bool is_packed(const Reading *in) {
  return in->storage.bits && in->storage.bits < 8;
}

static bool wrong_size(const Reading *in, size_t have, const char *unit, int64_t need) {
  return diag_error(in->r->c->diag, in->where, "%s: %zu %s for %s, which needs %lld", in->what,
                    have, unit, type_text(in), (long long)need);
}

/* Checks dims and data_type. */
static bool read_type(Reading *in) {
  const Onnx__TensorProto *proto = in->proto;
  Diag *diag = in->r->c->diag;
  Tensor *tensor = in->tensor;
  tensor->dtype = dtype_from_onnx(proto->data_type);
  if (tensor->dtype == DT_NONE)
    return diag_error(diag, in->where, "%s: unknown element type %d", in->what, proto->data_type);
  if (proto->n_dims > MAX_RANK)
    return diag_error(diag, in->where, "%s: rank %zu; ctc takes at most %d", in->what,
                      proto->n_dims, MAX_RANK);
  tensor->rank = (int)proto->n_dims;
  for (int i = 0; i < tensor->rank; i++) tensor->dims[i] = proto->dims[i];
  if (!tensor_count(tensor->dims, tensor->rank, &tensor->count) || tensor->count > INT64_MAX / 128)
    return diag_error(diag, in->where, "%s: %s is not a possible size", in->what, type_text(in));
  in->storage = storages[tensor->dtype];
  return true;
}

/* Elements of less than a byte, the first in the lowest bits, to one a byte. */
static void unpack_bits(const Reading *in, const uint8_t *packed, size_t stride, uint8_t *out) {
  unsigned bits = in->storage.bits, mask = (1u << bits) - 1;
  bool is_signed = in->tensor->dtype == DT_I4 || in->tensor->dtype == DT_I2;
  for (int64_t i = 0; i < in->tensor->count; i++) {
    size_t byte = (size_t)i * bits / 8;
    unsigned shift = (unsigned)((size_t)i * bits % 8), value = packed[byte * stride] >> shift;
    if (shift + bits > 8) value |= (unsigned)packed[(byte + 1) * stride] << (8 - shift);
    value &= mask;
    if (is_signed && value >> (bits - 1)) value |= 0xffu & ~mask;
    out[i] = (uint8_t)value;
  }
}

static int64_t packed_bytes(const Reading *in) {
  return in->tensor->count / 8 * in->storage.bits +
         (in->tensor->count % 8 * in->storage.bits + 7) / 8;
}

/* Bools are 0 or 1 in ctc; a file may hold other bytes. */
static const void *clean_bools(Arena *arena, const uint8_t *data, size_t count) {
  size_t i = 0;
  while (i < count && data[i] <= 1) i++;
  if (i == count) return data;
  uint8_t *copy = arena_copy(arena, data, count);
  for (i = 0; i < count; i++) copy[i] = copy[i] != 0;
  return copy;
}

/* Elements as the bytes of a file. `exact`: there must not be more of them than needed. */
static bool read_bytes(Reading *in, const uint8_t *data, size_t size, bool exact) {
  int64_t need = packed_bytes(in);
  if (in->tensor->dtype == DT_STRING)
    return diag_error(in->r->c->diag, in->where, "%s: strings cannot be in raw data", in->what);
  if (exact ? size != (size_t)need : size < (size_t)need)
    return wrong_size(in, size, "bytes of data", need);
  in->tensor->data = data;
  if (is_packed(in)) {
    uint8_t *out = arena_alloc_big(in->r->arena, (size_t)in->tensor->count);
    unpack_bits(in, data, 1, out);
    in->tensor->data = out;
  } else if (in->tensor->dtype == DT_BOOL) {
    in->tensor->data = clean_bools(in->r->arena, data, (size_t)need);
  }
  return true;
}

static bool read_raw(Reading *in) {
  WireSlice slice;
  CTC_ASSERT(in->proto->raw_data.len == sizeof slice);
  memcpy(&slice, in->proto->raw_data.data, sizeof slice);
  return read_bytes(in, in->r->file.data + slice.offset, (size_t)slice.size, true);
}

static const void *list_of(const Onnx__TensorProto *proto, List list, size_t *count) {
  switch (list) {
  case IN_FLOAT: *count = proto->n_float_data; return proto->float_data;
  case IN_INT32: *count = proto->n_int32_data; return proto->int32_data;
  case IN_INT64: *count = proto->n_int64_data; return proto->int64_data;
  case IN_DOUBLE: *count = proto->n_double_data; return proto->double_data;
  case IN_UINT64: *count = proto->n_uint64_data; return proto->uint64_data;
  case IN_STRING: *count = proto->n_string_data; return proto->string_data;
  }
  return NULL;
}

static void read_strings(Reading *in, const ProtobufCBinaryData *texts) {
  const char **out = ARENA_ARRAY(in->r->arena, const char *, in->tensor->count + 1);
  for (int64_t i = 0; i < in->tensor->count; i++)
    out[i] = arena_strndup(in->r->arena, (const char *)texts[i].data, texts[i].len);
  in->tensor->data = out;
}

/* The low `bytes` bytes of each entry of a list of integers. */
static void narrow(Reading *in, const uint8_t *entries, size_t width, size_t bytes) {
  uint8_t *out = arena_alloc_big(in->r->arena, (size_t)in->tensor->count * bytes);
  for (int64_t i = 0; i < in->tensor->count; i++)
    memcpy(out + (size_t)i * bytes, entries + (size_t)i * width, bytes);
  in->tensor->data = in->tensor->dtype == DT_BOOL
                         ? clean_bools(in->r->arena, out, (size_t)in->tensor->count)
                         : out;
}

static bool read_list(Reading *in) {
  Storage storage = in->storage;
  size_t have = 0, width = lists[storage.list].width;
  const void *entries = list_of(in->proto, storage.list, &have);
  int64_t need = is_packed(in) ? packed_bytes(in) : in->tensor->count * storage.per_element;
  if (have != (size_t)need)
    return wrong_size(in, have,
                      arena_printf(in->r->arena, "values in %s", lists[storage.list].name), need);
  if (storage.list == IN_STRING) {
    read_strings(in, entries);
  } else if (is_packed(in)) {
    uint8_t *out = arena_alloc_big(in->r->arena, (size_t)in->tensor->count);
    unpack_bits(in, entries, width, out);
    in->tensor->data = out;
  } else if (width * storage.per_element * 8 == storage.bits) {
    in->tensor->data = entries;
  } else {
    narrow(in, entries, width, storage.bits / 8);
  }
  return true;
}

static bool read_data(Reading *in) {
  const Onnx__TensorProto *proto = in->proto;
  if (proto->segment)
    return diag_error(in->r->c->diag, in->where, "%s: tensors cut into segments are not supported",
                      in->what);
  if (proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
    const uint8_t *data;
    size_t size;
    bool exact;
    return external_data(in->r, in->where, in->what, proto, &data, &size, &exact) &&
           read_bytes(in, data, size, exact);
  }
  return proto->has_raw_data ? read_raw(in) : read_list(in);
}

const Tensor *tensor_read(Reader *r, const char *where, const char *what,
                          const Onnx__TensorProto *proto) {
  static const uint64_t nothing[2];
  Reading in = {
      .r = r, .where = where, .what = what, .proto = proto, .tensor = ARENA_NEW(r->arena, Tensor)};
  if (!read_type(&in) || !read_data(&in)) return NULL;
  if (in.tensor->count == 0) in.tensor->data = nothing;
  return in.tensor;
}

/* ---- sparse tensors ---- */

enum { EXPANDED_LIMIT = 1 << 28 };

/* The flat position of entry i, -1 if it is outside of the tensor. */
static int64_t flat_index(const Tensor *dense, const Tensor *indices, int64_t i) {
  if (indices->rank == 1) {
    int64_t at = tensor_int(indices, i);
    return at >= 0 && at < dense->count ? at : -1;
  }
  int64_t at = 0;
  for (int axis = 0; axis < dense->rank; axis++) {
    int64_t index = tensor_int(indices, i * dense->rank + axis);
    if (index < 0 || index >= dense->dims[axis]) return -1;
    at = at * dense->dims[axis] + index;
  }
  return at;
}

static bool check_sparse(Reader *r, const char *where, const char *what, const Tensor *values,
                         const Tensor *indices, const Tensor *dense) {
  Diag *diag = r->c->diag;
  if (values->rank != 1 || values->dtype == DT_STRING)
    return diag_error(diag, where, "%s: the values of a sparse tensor must be a list of numbers",
                      what);
  bool flat = indices->rank == 1 && indices->dims[0] == values->count;
  bool full =
      indices->rank == 2 && indices->dims[0] == values->count && indices->dims[1] == dense->rank;
  if (indices->dtype != DT_I64 || (!flat && !full))
    return diag_error(diag, where,
                      "%s: the indices of %lld sparse values must be int64 of shape [%lld] or "
                      "[%lld, %d]",
                      what, (long long)values->count, (long long)values->count,
                      (long long)values->count, dense->rank);
  return true;
}

/* Whether the size of the dense tensor is sane; a few bytes of a file must not ask for all memory.
 */
static bool check_expanded(Reader *r, const char *where, const char *what, Tensor *dense) {
  if (!tensor_count(dense->dims, dense->rank, &dense->count) || dense->count > EXPANDED_LIMIT ||
      (r->expanded += tensor_bytes(dense)) > EXPANDED_LIMIT)
    return diag_error(r->c->diag, where, "%s: too big as a dense tensor (all together %d MiB)",
                      what, EXPANDED_LIMIT >> 20);
  return true;
}

const Tensor *sparse_read(Reader *r, const char *where, const char *what,
                          const Onnx__SparseTensorProto *proto) {
  Tensor shape = {0};
  if (!proto->values || !proto->indices || proto->n_dims > MAX_RANK) {
    diag_error(r->c->diag, where, "%s: not a sparse tensor that ctc can read", what);
    return NULL;
  }
  const Tensor *values = tensor_read(r, where, what, proto->values);
  const Tensor *indices = tensor_read(r, where, what, proto->indices);
  if (!values || !indices) return NULL;
  shape.dtype = values->dtype;
  shape.rank = (int)proto->n_dims;
  for (int i = 0; i < shape.rank; i++) shape.dims[i] = proto->dims[i];
  if (!check_expanded(r, where, what, &shape) ||
      !check_sparse(r, where, what, values, indices, &shape))
    return NULL;
  void *data;
  Tensor *dense = tensor_create(r->arena, shape.dtype, shape.rank, shape.dims, &data);
  size_t bytes = dtype_info(shape.dtype)->bytes;
  for (int64_t i = 0; i < values->count; i++) {
    int64_t at = flat_index(dense, indices, i);
    if (at < 0) {
      diag_error(r->c->diag, where, "%s: index %lld is outside of the tensor", what, (long long)i);
      return NULL;
    }
    memcpy((char *)data + (size_t)at * bytes, (const char *)values->data + (size_t)i * bytes,
           bytes);
  }
  return dense;
}
