/* tensor.h: a constant tensor: dtype, shape and bytes. */
#ifndef CTC_IR_TENSOR_H
#define CTC_IR_TENSOR_H

#include "base/arena.h"
#include "base/diag.h"
#include "ir/dtype.h"

#include <stdint.h>

enum { MAX_RANK = 12 };

/* Row-major, little-endian, dense. `data` is owned by an arena or is a slice of a mapped file; it
 * is never written after the tensor was made. It may be unaligned when it is such a slice: kernels
 * need tensor_align first. */
typedef struct {
  DType dtype;
  int rank;
  int64_t dims[MAX_RANK];
  int64_t count; /* product of dims */
  const void
      *data; /* count * bytes of dtype; for DT_STRING `count` pointers to NUL-terminated text */
} Tensor;

/* A zeroed tensor in the arena (64-aligned), its data writable through *data. Asserts that count
 * does not overflow. */
Tensor *tensor_create(Arena *arena, DType dtype, int rank, const int64_t *dims, void **data);
Tensor *tensor_scalar_f32(Arena *arena, float value);
/* Of an integer dtype or bool, which can hold the value. */
Tensor *tensor_scalar_int(Arena *arena, DType dtype, int64_t value);
/* One number an element, as the cast of the runtime makes it from a double. They must be within the
 * range of integer dtypes. */
Tensor *tensor_from_reals(Arena *arena, DType dtype, int rank, const int64_t *dims,
                          const double *values);
Tensor *tensor_i64(Arena *arena, const int64_t *values, int64_t count); /* rank 1 */
/* Product of dims in *count; false if it overflows or a dim is negative. */
MUST_CHECK bool tensor_count(const int64_t *dims, int rank, int64_t *count);
int64_t tensor_bytes(const Tensor *tensor);
/* Element i as an integer or a double, from any numeric dtype. */
int64_t tensor_int(const Tensor *tensor, int64_t i);
double tensor_real(const Tensor *tensor, int64_t i);
/* Copies strings into the arena, as the memory in which they lie is about to be freed. */
void tensor_keep_texts(Arena *arena, const char **texts, int64_t count);
/* The tensor with its data aligned to 64, copied if it was not. */
const Tensor *tensor_align(Arena *arena, const Tensor *tensor);
/* Storage of f16 and bf16 as numbers. */
float half_to_float(uint16_t bits);
float bfloat_to_float(uint16_t bits);

#endif
