/* matmul.h: what operators that multiply matrices share. */
#ifndef CTC_OPS_MATMUL_H
#define CTC_OPS_MATMUL_H

#include "ops/op.h"

/* `value`, in `dtype`, as a matrix (or stack of `batch` matrices) [rows, cols] with rows and columns swapped: constants while compiling, others
 * by a copy. */
Buffer *compute_transposed(Lower *l, const Value *value, DType dtype, Dim batch, Dim rows,
                           Dim cols);
/* A copy of a constant with its dims in the order perm. */
Tensor *tensor_transposed(Arena *arena, const Tensor *tensor, const int *perm);

/* Appends y[m x n] = a[m x k] * b[k x n], all dense. */
void lower_matmul(Lower *l, Buffer *a, Buffer *b, Buffer *y, Dim m, Dim n, Dim k);

#endif
