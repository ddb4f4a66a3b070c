/* literal.c: the text of --set as a tensor. */
#include "frontends/common/inputs.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- floats of 16 bits, rounded to nearest, ties to even ---- */

static uint32_t float_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static uint16_t to_bfloat(float value) {
  uint32_t bits = float_bits(value);
  if (value != value) return 0x7fc0;
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* A half is m * 2^(e - 10) with |m| in [1024, 2048); below 2^-14 e stays -14. */
static uint16_t to_half(float value) {
  uint16_t sign = (uint16_t)(float_bits(value) >> 16 & 0x8000);
  int exponent;
  if (value != value) return 0x7e00;
  float size = fabsf(value);
  if (size >= 65520.0f) return sign | 0x7c00;
  frexpf(size, &exponent); /* size is in [2^(exponent-1), 2^exponent) */
  if (exponent < -13) exponent = -13;
  long mantissa = lrintf(ldexpf(size, 11 - exponent));
  long biased = size < ldexpf(1, -14) ? 0 : exponent + 14;
  return (uint16_t)(sign | (biased ? (biased << 10) + (mantissa - 1024) : mantissa));
}

/* ---- one number ---- */

void literal_store_real(double value, DType dtype, void *out) {
  float single = (float)value;
  uint16_t half = dtype == DT_F16 ? to_half(single) : to_bfloat(single);
  switch (dtype) {
  case DT_F64: memcpy(out, &value, sizeof value); break;
  case DT_F32: memcpy(out, &single, sizeof single); break;
  default: memcpy(out, &half, sizeof half); break;
  }
}

static bool parse_float(const char *text, DType dtype, void *out) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end) return false;
  literal_store_real(value, dtype, out);
  return true;
}

static bool parse_int(const char *text, DType dtype, void *out) {
  int bits = (int)dtype_info(dtype)->bytes * 8;
  char *end;
  errno = 0;
  int64_t value = strtoll(text, &end, 10);
  if (errno || end == text || *end) return false;
  if (bits < 64 && (value < -(INT64_C(1) << (bits - 1)) || value >= INT64_C(1) << (bits - 1)))
    return false;
  memcpy(out, &value, dtype_info(dtype)->bytes); /* little-endian */
  return true;
}

static bool parse_uint(const char *text, DType dtype, void *out) {
  int bits = (int)dtype_info(dtype)->bytes * 8;
  char *end;
  errno = 0;
  uint64_t value = strtoull(text, &end, 10);
  if (errno || end == text || *end || strchr(text, '-')) return false;
  if (bits < 64 && value >> bits) return false;
  memcpy(out, &value, dtype_info(dtype)->bytes);
  return true;
}

static bool parse_bool(const char *text, void *out) {
  bool yes = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
  if (!yes && strcmp(text, "0") != 0 && strcmp(text, "false") != 0) return false;
  *(uint8_t *)out = yes;
  return true;
}

static bool parse_one(const char *text, DType dtype, void *out) {
  switch (dtype_info(dtype)->kind) {
  case KIND_FLOAT: return parse_float(text, dtype, out);
  case KIND_INT: return parse_int(text, dtype, out);
  case KIND_UINT: return parse_uint(text, dtype, out);
  case KIND_BOOL: return parse_bool(text, out);
  case KIND_OTHER: break;
  }
  if (dtype != DT_STRING) return false;
  memcpy(out, &text, sizeof text);
  return true;
}

/* ---- the list ---- */

static int64_t count_pieces(const char *text) {
  int64_t count = 1;
  for (; *text; text++) count += *text == ',';
  return count;
}

const Tensor *literal_read(Compilation *c, const char *where, const char *text, DType dtype,
                           int rank, const int64_t *dims) {
  enum { COUNT_LIMIT = 1 << 26 };
  int64_t count, pieces = count_pieces(text);
  void *data;
  if (!tensor_count(dims, rank, &count) || count > COUNT_LIMIT) {
    diag_error(c->diag, where, "the input is too big to be given as text");
    return NULL;
  }
  if (pieces != 1 && pieces != count) {
    diag_error(c->diag, where, "%lld values for %lld elements", (long long)pieces,
               (long long)count);
    diag_hint(c->diag, "give one value for all, or one for each, separated by commas");
    return NULL;
  }
  Tensor *tensor = tensor_create(c->arena, dtype, rank, dims, &data);
  size_t bytes = dtype_info(dtype)->bytes;
  uint8_t first[16];
  for (int64_t i = 0; i < pieces; i++) {
    size_t length = strcspn(text, ",");
    char *piece = arena_strndup(c->arena, text, length);
    void *out = count ? (uint8_t *)data + (size_t)i * bytes : first;
    if (!parse_one(piece, dtype, out)) {
      diag_error(c->diag, where, "'%s' is not a value of type %s", piece, dtype_info(dtype)->name);
      return NULL;
    }
    text += length + (text[length] == ',');
  }
  for (int64_t i = 1; pieces == 1 && i < count; i++)
    memcpy((uint8_t *)data + (size_t)i * bytes, data, bytes);
  return tensor;
}
