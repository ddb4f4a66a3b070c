/* tensor.c: constant tensors: making them, reading elements as numbers, alignment. */
#include "ir/tensor.h"

#include "ir/kernel.h"

#include <string.h>

enum { DATA_ALIGN = 64 };

bool tensor_count(const int64_t *dims, int rank, int64_t *count) {
  int64_t product = 1;
  bool empty = false, fits = true;
  for (int i = 0; i < rank; i++) {
    if (dims[i] < 0) return false;
    if (dims[i] == 0)
      empty = true;
    else if (__builtin_mul_overflow(product, dims[i], &product))
      fits = false;
  }
  *count = empty ? 0 : product;
  return fits || empty;
}

/* Bytes that one element takes; packed types are stored one element a byte (see dtype.def). */
static int64_t element_bytes(DType dtype) {
  size_t bytes = dtype_info(dtype)->bytes;
  return bytes ? (int64_t)bytes : 1;
}

int64_t tensor_bytes(const Tensor *tensor) {
  int64_t bytes;
  bool overflow = __builtin_mul_overflow(tensor->count, element_bytes(tensor->dtype), &bytes);
  CTC_ASSERT(!overflow);
  return bytes;
}

Tensor *tensor_create(Arena *arena, DType dtype, int rank, const int64_t *dims, void **data) {
  Tensor *tensor = ARENA_NEW(arena, Tensor);
  CTC_ASSERT(rank >= 0 && rank <= MAX_RANK);
  tensor->dtype = dtype;
  tensor->rank = rank;
  if (rank) memcpy(tensor->dims, dims, (size_t)rank * sizeof *dims);
  bool fits = tensor_count(dims, rank, &tensor->count);
  CTC_ASSERT(fits);
  *data = arena_alloc_big(arena, (size_t)tensor_bytes(tensor));
  tensor->data = *data;
  return tensor;
}

Tensor *tensor_scalar_f32(Arena *arena, float value) {
  void *data;
  Tensor *tensor = tensor_create(arena, DT_F32, 0, NULL, &data);
  memcpy(data, &value, sizeof value);
  return tensor;
}

Tensor *tensor_scalar_int(Arena *arena, DType dtype, int64_t value) {
  void *data;
  Tensor *tensor = tensor_create(arena, dtype, 0, NULL, &data);
  memcpy(data, &value, dtype_info(dtype)->bytes); /* the low ones come first */
  return tensor;
}

Tensor *tensor_i64(Arena *arena, const int64_t *values, int64_t count) {
  void *data;
  Tensor *tensor = tensor_create(arena, DT_I64, 1, &count, &data);
  if (count) memcpy(data, values, (size_t)count * sizeof *values);
  return tensor;
}

Tensor *tensor_from_reals(Arena *arena, DType dtype, int rank, const int64_t *dims,
                          const double *values) {
  void *data;
  Tensor *tensor = tensor_create(arena, dtype, rank, dims, &data);
  const char *name = arena_printf(arena, "ctc_cast_f64_%s", dtype_info(dtype)->short_name);
  const Kernel *cast = dtype == DT_F64 ? NULL : kernel_find(name);
  const void *in = values;
  const int64_t step = 1;
  CTC_ASSERT(cast || dtype == DT_F64);
  if (cast)
    cast->map(data, &in, &step, tensor->count);
  else if (tensor->count)
    memcpy(data, values, (size_t)tensor->count * sizeof *values);
  return tensor;
}

float half_to_float(uint16_t bits) {
  uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31u,
           fraction = bits & 1023u;
  uint32_t word;
  if (exponent == 31) { /* infinity, not a number */
    word = sign | 0x7f800000u | fraction << 13;
  } else if (exponent) { /* bias 15 becomes 127 */
    word = sign | (exponent + 112) << 23 | fraction << 13;
  } else { /* zero, or fraction * 2^-24 */
    float value = (float)fraction * (1.0f / 16777216.0f);
    memcpy(&word, &value, sizeof word);
    word |= sign;
  }
  float result;
  memcpy(&result, &word, sizeof result);
  return result;
}

float bfloat_to_float(uint16_t bits) {
  uint32_t word = (uint32_t)bits << 16;
  float result;
  memcpy(&result, &word, sizeof result);
  return result;
}

/* Element i, which may lie unaligned, loaded into a variable of the C type. */
#define LOAD(T, variable)                                                                          \
  T variable;                                                                                      \
  memcpy(&variable, (const char *)tensor->data + (size_t)i * sizeof(T), sizeof(T))

static void check_element(const Tensor *tensor, int64_t i) {
  CTC_ASSERT(i >= 0 && i < tensor->count);
}

#define READ_AS(kind, T, result)                                                                   \
  case kind: {                                                                                     \
    LOAD(T, value);                                                                                \
    return (result)value;                                                                          \
  }

/* The saturated integer part; not a number gives 0. */
static int64_t real_to_int(double value) {
  if (value != value) return 0;
  if (value >= 9223372036854775808.0) return INT64_MAX;
  return value < -9223372036854775808.0 ? INT64_MIN : (int64_t)value;
}

int64_t tensor_int(const Tensor *tensor, int64_t i) {
  check_element(tensor, i);
  switch (tensor->dtype) {
    READ_AS(DT_I64, int64_t, int64_t)
    READ_AS(DT_U64, uint64_t, int64_t)
    READ_AS(DT_I32, int32_t, int64_t)
    READ_AS(DT_U32, uint32_t, int64_t)
    READ_AS(DT_I16, int16_t, int64_t)
    READ_AS(DT_U16, uint16_t, int64_t)
    READ_AS(DT_I8, int8_t, int64_t)
    READ_AS(DT_I4, int8_t, int64_t)
    READ_AS(DT_I2, int8_t, int64_t)
    READ_AS(DT_U8, uint8_t, int64_t)
    READ_AS(DT_U4, uint8_t, int64_t)
    READ_AS(DT_U2, uint8_t, int64_t)
    READ_AS(DT_BOOL, uint8_t, int64_t)
  default: return real_to_int(tensor_real(tensor, i));
  }
}

double tensor_real(const Tensor *tensor, int64_t i) {
  check_element(tensor, i);
  switch (tensor->dtype) {
    READ_AS(DT_F32, float, double)
    READ_AS(DT_F64, double, double)
    READ_AS(DT_U64, uint64_t, double)
  case DT_F16: {
    LOAD(uint16_t, bits);
    return (double)half_to_float(bits);
  }
  case DT_BF16: {
    LOAD(uint16_t, bits);
    return (double)bfloat_to_float(bits);
  }
  default: break;
  }
  const DTypeInfo *info = dtype_info(tensor->dtype);
  CTC_ASSERT(dtype_is_integer(tensor->dtype) || info->kind == KIND_BOOL || info->bytes == 0);
  return (double)tensor_int(tensor, i);
}

void tensor_keep_texts(Arena *arena, const char **texts, int64_t count) {
  for (int64_t i = 0; i < count; i++) texts[i] = arena_strdup(arena, texts[i]);
}

const Tensor *tensor_align(Arena *arena, const Tensor *tensor) {
  if ((uintptr_t)tensor->data % DATA_ALIGN == 0) return tensor;
  void *data;
  Tensor *copy = tensor_create(arena, tensor->dtype, tensor->rank, tensor->dims, &data);
  if (tensor->count) memcpy(data, tensor->data, (size_t)tensor_bytes(tensor));
  return copy;
}
