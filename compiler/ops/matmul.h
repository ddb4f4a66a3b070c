/* matmul.h: what operators that multiply matrices share. */
#ifndef CTC_OPS_MATMUL_H
#define CTC_OPS_MATMUL_H

#include "ops/op.h"

/* `value`, in `dtype`, as a matrix (or stack of `batch` matrices) [rows, cols] with rows and
 * columns swapped: constants while compiling, others by a copy. */
Buffer *compute_transposed(Lower *l, const Value *value, DType dtype, Dim batch, Dim rows,
                           Dim cols);
/* A copy of a constant with its dims in the order perm. */
Tensor *tensor_transposed(Arena *arena, const Tensor *tensor, const int *perm);

/* Appends y[m x n] = a[m x k] * b[k x n], all dense. */
void lower_matmul(Lower *l, Buffer *a, Buffer *b, Buffer *y, Dim m, Dim n, Dim k);

/* Y[batch…, m, n] = alpha * A[a_batch…, m, k] * B[b_batch…, k, n]; an operand of rank 1 has no m or
 * n of its own. */
typedef struct {
  Dim m, n, k_of_a, k_of_b, k;      /* k: of the two, which must be equal, the one that is known */
  int a_batch, b_batch, batch_rank; /* numbers of batch dims */
  Dim batch[MAX_RANK];
  bool turn_a, turn_b;
  double alpha;
} Product;

/* Reads the product of two values and the node's attributes alpha, transA and transB. Reports what
 * does not fit, except for different k. */
MUST_CHECK bool product_read(Compilation *c, const Node *node, const Value *a, const Value *b,
                             Product *product);
/* Demands that the k of both are equal and sets the type of the result. */
MUST_CHECK bool product_infer(Compilation *c, const Node *node, const Value *a, const Value *b,
                              Value *out, DType dtype);
/* Steps of a value over the batch dims, of which its first `own_rank` dims are its own: how far
 * apart its pieces of `size` elements lie, 0 where it is broadcast. */
void product_steps(Compilation *c, const Product *product, const Value *value, int own_rank,
                   Dim size, Dim *steps);

#endif
