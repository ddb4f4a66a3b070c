/* product.cu: products of matrices on the device. */

/* Rows and columns of the results of a block of a plain product, a thread each. */
enum { CTC_PLAIN_TILE = 16 };

/* Blocks of a plain product of m x n results. */
CTC_BOTH ctc_dim ctc_plain_tiles(ctc_dim m, ctc_dim n) {
  return (m + CTC_PLAIN_TILE - 1) / CTC_PLAIN_TILE * ((n + CTC_PLAIN_TILE - 1) / CTC_PLAIN_TILE);
}

/* The row of results of this thread in tile number `tile`. */
CTC_DEVICE ctc_dim ctc_plain_row(ctc_dim tile, ctc_dim n) {
  const ctc_dim wide = (n + CTC_PLAIN_TILE - 1) / CTC_PLAIN_TILE;
  return tile / wide * CTC_PLAIN_TILE + (ctc_dim)threadIdx.x / CTC_PLAIN_TILE;
}

/* Its column. */
CTC_DEVICE ctc_dim ctc_plain_column(ctc_dim tile, ctc_dim n) {
  const ctc_dim wide = (n + CTC_PLAIN_TILE - 1) / CTC_PLAIN_TILE;
  return tile % wide * CTC_PLAIN_TILE + (ctc_dim)threadIdx.x % CTC_PLAIN_TILE;
}

/* start + sum over l of (alpha * A(i, l)) * B(l, j), in order of rising l. Rows beyond m and
 * columns beyond n get anything. Element (i, l) of A is at i * a_row + l * a_col, B likewise. */
template <class T>
CTC_DEVICE T ctc_plain_sum(T start, T alpha, const T *a, const T *b, ctc_dim m, ctc_dim n,
                           ctc_dim k, ctc_dim a_row, ctc_dim a_col, ctc_dim b_row, ctc_dim b_col,
                           ctc_dim i, ctc_dim j) {
  __shared__ T left[CTC_PLAIN_TILE][CTC_PLAIN_TILE + 1], right[CTC_PLAIN_TILE][CTC_PLAIN_TILE + 1];
  const int row = (int)threadIdx.x / CTC_PLAIN_TILE, column = (int)threadIdx.x % CTC_PLAIN_TILE;
  T sum = start;
  for (ctc_dim l = 0; l < k; l += CTC_PLAIN_TILE) {
    left[row][column] =
        i < m && l + column < k ? alpha * a[i * a_row + (l + column) * a_col] : T(0);
    right[row][column] = j < n && l + row < k ? b[(l + row) * b_row + j * b_col] : T(0);
    __syncthreads();
    const int depth = k - l < CTC_PLAIN_TILE ? (int)(k - l) : (int)CTC_PLAIN_TILE;
    for (int d = 0; d < depth; d++) sum += left[row][d] * right[d][column];
    __syncthreads();
  }
  return sum;
}

//$ for t in f32 f64 i32 i64 u32 u64
static ctc_dim ctc_matmul_$t_blocks(ctc_dim m, ctc_dim n) {
  return ctc_plain_tiles(m, n);
}
//$ end

/* Y[m x n] = A[m x k] * B[k x n]. */
//$ for t in f32 f64 i32 i64 u32 u64
CTC_DEVICE void ctc_matmul_$t(const $T *a, const $T *b, $T *y, ctc_dim m, ctc_dim n, ctc_dim k) {
  const ctc_dim i = ctc_plain_row(blockIdx.x, n), j = ctc_plain_column(blockIdx.x, n);
  const $T sum = ctc_plain_sum<$T>(0, 1, a, b, m, n, k, k, 1, n, 1, i, j);
  if (i < m && j < n) y[i * n + j] = sum;
}
//$ end

//$ for t in f32 f64 i32 i64 u32 u64
static ctc_dim ctc_matmul_batch_$t_blocks(ctc_dim m, ctc_dim n, ctc_dim rank,
                                          const ctc_dim *batch) {
  ctc_dim count = ctc_plain_tiles(m, n);
  for (ctc_dim d = 0; d < rank; d++) count *= batch[d];
  return count;
}
//$ end

/* One product Y[m x n] = alpha * A * B[k x n] for every index of the `rank` dims `batch`: see
 * runtime/matmul.c. */
//$ for t in f32 f64 i32 i64 u32 u64
CTC_DEVICE void ctc_matmul_batch_$t(const $T *a, const $T *b, $T *y, ctc_dim m, ctc_dim n,
                                    ctc_dim k, ctc_dim a_row, ctc_dim a_col, double alpha,
                                    ctc_dim rank, const ctc_dim *batch, const ctc_dim *a_step,
                                    const ctc_dim *b_step) {
  const ctc_dim tiles = ctc_plain_tiles(m, n), product = blockIdx.x / tiles;
  const ctc_dim i = ctc_plain_row(blockIdx.x % tiles, n),
                j = ctc_plain_column(blockIdx.x % tiles, n);
  ctc_dim rest = product;
  for (ctc_dim d = rank - 1; d >= 0; d--) {
    a += rest % batch[d] * a_step[d];
    b += rest % batch[d] * b_step[d];
    rest /= batch[d];
  }
  const $T sum = ctc_plain_sum<$T>(0, ($T)alpha, a, b, m, n, k, a_row, a_col, n, 1, i, j);
  if (i < m && j < n) y[(product * m + i) * n + j] = sum;
}
//$ end

//$ for t in f32 f64 i32 i64 u32 u64
static ctc_dim ctc_gemm_$t_blocks(ctc_dim m, ctc_dim n) {
  return ctc_plain_tiles(m, n);
}
//$ end

/* Y[m x n] = alpha * A * B[k x n] + beta * C. Element (i, l) of A is a[i * a_row + l * a_col],
 * element (i, j) of C is c[i * c_row + j * c_col]; C may be omitted. */
//$ for t in f32 f64 i32 i64 u32 u64
CTC_DEVICE void ctc_gemm_$t(const $T *a, const $T *b, const $T *c, $T *y, ctc_dim m, ctc_dim n,
                            ctc_dim k, ctc_dim a_row, ctc_dim a_col, ctc_dim c_row, ctc_dim c_col,
                            double alpha, double beta) {
  const ctc_dim i = ctc_plain_row(blockIdx.x, n), j = ctc_plain_column(blockIdx.x, n);
  const int inside = i < m && j < n;
  const $T start = c && inside ? ($T)beta * c[i * c_row + j * c_col] : ($T)0;
  const $T sum = ctc_plain_sum<$T>(start, ($T)alpha, a, b, m, n, k, a_row, a_col, n, 1, i, j);
  if (inside) y[i * n + j] = sum;
}
//$ end

static ctc_dim ctc_product_f32_blocks(ctc_dim m, ctc_dim n, ctc_dim outer, ctc_dim inner) {
  return outer * inner * ctc_plain_tiles(m, n);
}

/* Y[m x n] = A[m x k] * B[k x n] for each of outer * inner products: matrix (o, i) of A begins at o
 * * a_outer + i * a_inner and has element (r, l) at r * a_row + l * a_col; B and Y likewise, the
 * rows of Y are contiguous. */
template <class Epilogue>
CTC_DEVICE void ctc_product_f32(const float *a, const float *b, float *y, ctc_dim m, ctc_dim n,
                                ctc_dim k, ctc_dim a_row, ctc_dim a_col, ctc_dim b_row,
                                ctc_dim b_col, ctc_dim y_row, ctc_dim outer, ctc_dim inner,
                                ctc_dim a_outer, ctc_dim a_inner, ctc_dim b_outer, ctc_dim b_inner,
                                ctc_dim y_outer, ctc_dim y_inner, Epilogue epilogue) {
  const ctc_dim tiles = ctc_plain_tiles(m, n), product = blockIdx.x / tiles;
  const ctc_dim o = product / inner, in = product % inner;
  const ctc_dim i = ctc_plain_row(blockIdx.x % tiles, n),
                j = ctc_plain_column(blockIdx.x % tiles, n);
  const float sum =
      ctc_plain_sum<float>(0, 1, a + (o * a_outer + in * a_inner), b + (o * b_outer + in * b_inner),
                           m, n, k, a_row, a_col, b_row, b_col, i, j);
  const ctc_dim at = o * y_outer + in * y_inner + i * y_row + j;
  if (i < m && j < n) y[at] = epilogue(sum, at, j);
}
