/* gemm_packed.h: products of f32 matrices by the kernels of runtime/gemm.c. */
#ifndef CTC_OPS_GEMM_PACKED_H
#define CTC_OPS_GEMM_PACKED_H

#include "ops/lower.h"

/* A stack of outer * inner matrices: element (row, col) of matrix (o, i) is at offset + o * outer +
 * i * inner + row * row_step + col * col_step. */
typedef struct {
  Buffer *buffer; /* f32 */
  Dim offset;     /* NULL: 0 */
  Dim row, col;   /* strides, in elements */
  Dim outer, inner;
} Matrices;

/* Y[m x n] = A[m x k] * B[k x n] for each matrix of the stack. */
typedef struct {
  Dim m, n, k;
  Dim outer, inner; /* how many */
} ProductSizes;

/* A stack of matrices in panels of 32 columns, [ceil(n / 32)][k][32] each; strides 0 where a single
 * matrix serves all. */
typedef struct {
  Buffer *buffer;
  Dim outer, inner;
} Panels;

/* The value's data in f32 with the strides of its axes; looks through a Transpose in front of it,
 * so that this one need not be made. */
Buffer *strided_input(Lower *l, const Value *value, Dim *stride);

/* Whether the product is worth a fast kernel. By panels: B is a constant, or there is enough work
 * for packing it. */
bool product_is_fast(const Lower *l, const ProductSizes *sizes, const Matrices *b);
/* Appends the product where product_is_fast: by panels, by a BLAS if the user wants that, or on a
 * GPU. The rows of `y` are contiguous (its `col` is not used). */
void lower_product(Lower *l, const ProductSizes *sizes, const Matrices *a, const Matrices *b,
                   const Matrices *y);

/* Panels of `columns` columns. */
Dim panel_count(Lower *l, Dim columns);
/* Its parts. B in panels: while compiling if it is a constant, otherwise by a step. */
Panels lower_panels(Lower *l, const ProductSizes *sizes, const Matrices *b);
void lower_panel_product(Lower *l, const ProductSizes *sizes, const Matrices *a,
                         const Panels *panels, const Matrices *y);

#endif
