/* matmul.c: products of matrices.
 *
 * The inner loops add multiples of rows of B to rows of Y: they run over contiguous memory, so that
 * compilers turn them into vector instructions at -O2 without any help. Two rows of Y and four of B
 * at a time keep loads, stores and arithmetic in balance; columns and depth are cut into blocks so
 * that the part of B in use (16 KiB in f32) stays in the first-level cache. Every element of Y is
 * summed in order of rising k. */

/* Blocks of B: columns, and rows for one pass. The first loops of the helpers below have constant
 * lengths, which is what lets gcc vectorise them at -O2. */
enum {
  CTC_MATMUL_COLUMNS = 256,
  CTC_MATMUL_DEPTH = 16,
  CTC_MATMUL_WIDE = 64,
  CTC_MATMUL_LANES = 16
};

/* y[0..n) and y[y_row..] += 4 rows of B, b_row elements apart, times the numbers of the two rows p,
 * q of A. */
//$ for t in f32 f64 i32 i64 u32 u64
static inline void ctc_add_rows_2x4_$t(const $T *CTC_RESTRICT p, const $T *CTC_RESTRICT q,
                                       const $T *CTC_RESTRICT b0, ctc_dim b_row,
                                       $T *CTC_RESTRICT y0, $T *CTC_RESTRICT y1, ctc_dim n) {
  const $T p0 = p[0], p1 = p[1], p2 = p[2], p3 = p[3], q0 = q[0], q1 = q[1], q2 = q[2], q3 = q[3];
  const $T *CTC_RESTRICT b1 = b0 + b_row;
  const $T *CTC_RESTRICT b2 = b1 + b_row;
  const $T *CTC_RESTRICT b3 = b2 + b_row;
  ctc_dim left = n;
  for (; left >= CTC_MATMUL_WIDE; left -= CTC_MATMUL_WIDE) {
    for (int j = 0; j < CTC_MATMUL_WIDE; j++) {
      y0[j] = y0[j] + p0 * b0[j] + p1 * b1[j] + p2 * b2[j] + p3 * b3[j];
      y1[j] = y1[j] + q0 * b0[j] + q1 * b1[j] + q2 * b2[j] + q3 * b3[j];
    }
    b0 += CTC_MATMUL_WIDE, b1 += CTC_MATMUL_WIDE, b2 += CTC_MATMUL_WIDE, b3 += CTC_MATMUL_WIDE;
    y0 += CTC_MATMUL_WIDE, y1 += CTC_MATMUL_WIDE;
  }
  for (; left >= CTC_MATMUL_LANES; left -= CTC_MATMUL_LANES) {
    for (int j = 0; j < CTC_MATMUL_LANES; j++) {
      y0[j] = y0[j] + p0 * b0[j] + p1 * b1[j] + p2 * b2[j] + p3 * b3[j];
      y1[j] = y1[j] + q0 * b0[j] + q1 * b1[j] + q2 * b2[j] + q3 * b3[j];
    }
    b0 += CTC_MATMUL_LANES, b1 += CTC_MATMUL_LANES, b2 += CTC_MATMUL_LANES, b3 += CTC_MATMUL_LANES;
    y0 += CTC_MATMUL_LANES, y1 += CTC_MATMUL_LANES;
  }
  for (ctc_dim j = 0; j < left; j++) {
    y0[j] = y0[j] + p0 * b0[j] + p1 * b1[j] + p2 * b2[j] + p3 * b3[j];
    y1[j] = y1[j] + q0 * b0[j] + q1 * b1[j] + q2 * b2[j] + q3 * b3[j];
  }
}
//$ end

/* y[0..n) += 4 rows of B times the four numbers p. */
//$ for t in f32 f64 i32 i64 u32 u64
static inline void ctc_add_rows_1x4_$t(const $T *CTC_RESTRICT p, const $T *CTC_RESTRICT b0,
                                       ctc_dim b_row, $T *CTC_RESTRICT y, ctc_dim n) {
  const $T p0 = p[0], p1 = p[1], p2 = p[2], p3 = p[3];
  const $T *CTC_RESTRICT b1 = b0 + b_row;
  const $T *CTC_RESTRICT b2 = b1 + b_row;
  const $T *CTC_RESTRICT b3 = b2 + b_row;
  ctc_dim left = n;
  for (; left >= CTC_MATMUL_LANES; left -= CTC_MATMUL_LANES) {
    for (int j = 0; j < CTC_MATMUL_LANES; j++)
      y[j] = y[j] + p0 * b0[j] + p1 * b1[j] + p2 * b2[j] + p3 * b3[j];
    b0 += CTC_MATMUL_LANES, b1 += CTC_MATMUL_LANES, b2 += CTC_MATMUL_LANES, b3 += CTC_MATMUL_LANES;
    y += CTC_MATMUL_LANES;
  }
  for (ctc_dim j = 0; j < left; j++)
    y[j] = y[j] + p0 * b0[j] + p1 * b1[j] + p2 * b2[j] + p3 * b3[j];
}
//$ end

/* y[0..n) += p * b[0..n). */
//$ for t in f32 f64 i32 i64 u32 u64
static inline void ctc_add_row_$t($T p, const $T *CTC_RESTRICT b, $T *CTC_RESTRICT y, ctc_dim n) {
  ctc_dim left = n;
  for (; left >= CTC_MATMUL_LANES; left -= CTC_MATMUL_LANES) {
    for (int j = 0; j < CTC_MATMUL_LANES; j++) y[j] = y[j] + p * b[j];
    b += CTC_MATMUL_LANES, y += CTC_MATMUL_LANES;
  }
  for (ctc_dim j = 0; j < left; j++) y[j] = y[j] + p * b[j];
}
//$ end

/* Sum of x[i] * y[i], in 16 partial sums (i modulo 16) that are added up in order at the end. */
//$ for t in f32 f64 i32 i64 u32 u64
static inline $T ctc_dot_$t(const $T *CTC_RESTRICT x, const $T *CTC_RESTRICT y, ctc_dim n) {
  $T part[CTC_MATMUL_LANES] = {0}, sum = 0;
  ctc_dim i = 0;
  for (; i + CTC_MATMUL_LANES <= n; i += CTC_MATMUL_LANES)
    for (int j = 0; j < CTC_MATMUL_LANES; j++) part[j] = part[j] + x[i + j] * y[i + j];
  for (int j = 0; j < CTC_MATMUL_LANES; j++) sum = sum + part[j];
  for (i = n - n % CTC_MATMUL_LANES; i < n; i++) sum = sum + x[i] * y[i];
  return sum;
}
//$ end

/* `count` numbers of a row of A, a_col elements apart, times alpha. */
//$ for t in f32 f64 i32 i64 u32 u64
static inline void ctc_take_row_$t(const $T *a, ctc_dim a_col, $T alpha, ctc_dim count, $T *p) {
  for (ctc_dim i = 0; i < count; i++) p[i] = alpha * a[i * a_col];
}
//$ end

/* Y[m x n] += A[m x k] * B[k x n] for one block of B: rows of Y and B lie y_row and b_row elements
 * apart. */
//$ for t in f32 f64 i32 i64 u32 u64
static inline void ctc_matmul_block_$t(const $T *a, const $T *b, $T *y, ctc_dim m, ctc_dim n,
                                       ctc_dim k, ctc_dim a_row, ctc_dim a_col, ctc_dim b_row,
                                       ctc_dim y_row, $T alpha) {
  $T p[4], q[4];
  ctc_dim i = 0;
  for (; i + 2 <= m; i += 2) {
    const $T *ai = a + i * a_row;
    $T *yi = y + i * y_row;
    ctc_dim l = 0;
    for (; l + 4 <= k; l += 4) {
      ctc_take_row_$t(ai + l * a_col, a_col, alpha, 4, p);
      ctc_take_row_$t(ai + a_row + l * a_col, a_col, alpha, 4, q);
      ctc_add_rows_2x4_$t(p, q, b + l * b_row, b_row, yi, yi + y_row, n);
    }
    for (l = k - k % 4; l < k; l++) {
      ctc_add_row_$t(alpha * ai[l * a_col], b + l * b_row, yi, n);
      ctc_add_row_$t(alpha * ai[a_row + l * a_col], b + l * b_row, yi + y_row, n);
    }
  }
  if (i < m) {
    const $T *ai = a + i * a_row;
    ctc_dim l = 0;
    for (; l + 4 <= k; l += 4) {
      ctc_take_row_$t(ai + l * a_col, a_col, alpha, 4, p);
      ctc_add_rows_1x4_$t(p, b + l * b_row, b_row, y + i * y_row, n);
    }
    for (l = k - k % 4; l < k; l++) ctc_add_row_$t(alpha * ai[l * a_col], b + l * b_row, y + i * y_row, n);
  }
}
//$ end

/* Y[m x n] += alpha * A[m x k] * B[k x n]. Element (i, l) of A is a[i * a_row + l * a_col]; the
 * rows of B and Y are contiguous and b_row and y_row elements apart. */
//$ for t in f32 f64 i32 i64 u32 u64
static inline void ctc_matmul_add_$t(const $T *a, const $T *b, $T *y, ctc_dim m, ctc_dim n,
                                     ctc_dim k, ctc_dim a_row, ctc_dim a_col, ctc_dim b_row,
                                     ctc_dim y_row, $T alpha) {
  if (n == 1 && a_col == 1 && b_row == 1) {
    for (ctc_dim i = 0; i < m; i++)
      y[i * y_row] = y[i * y_row] + alpha * ctc_dot_$t(a + i * a_row, b, k);
    return;
  }
  /* With few rows B is only streamed through once: long stretches of it are best. */
  ctc_dim columns = n, depth = k;
  if (m > 2) columns = CTC_MATMUL_COLUMNS, depth = CTC_MATMUL_DEPTH;
  for (ctc_dim j = 0; j < n; j += columns) {
    ctc_dim width = n - j < columns ? n - j : columns;
    for (ctc_dim l = 0; l < k; l += depth) {
      ctc_dim rows = k - l < depth ? k - l : depth;
      ctc_matmul_block_$t(a + l * a_col, b + l * b_row + j, y + j, m, width, rows, a_row, a_col,
                          b_row, y_row, alpha);
    }
  }
}
//$ end

/* Y[m x n] = A[m x k] * B[k x n]. */
//$ for t in f32 f64 i32 i64 u32 u64
static void ctc_matmul_$t(const $T *a, const $T *b, $T *y, ctc_dim m, ctc_dim n, ctc_dim k) {
  for (ctc_dim i = 0; i < m * n; i++) y[i] = 0;
  ctc_matmul_add_$t(a, b, y, m, n, k, k, 1, n, n, 1);
}
//$ end

/* One product Y[m x n] = alpha * A * B[k x n] for every index of the `rank` dims `batch`. The
 * matrices of A and B at index i begin at sum(i[d] * a_step[d]) and sum(i[d] * b_step[d]) (steps
 * are 0 where broadcast), those of Y follow each other. Element (i, l) of a matrix of A is at i *
 * a_row + l * a_col. */
//$ for t in f32 f64 i32 i64 u32 u64
static void ctc_matmul_batch_$t(const $T *a, const $T *b, $T *y, ctc_dim m, ctc_dim n, ctc_dim k,
                                ctc_dim a_row, ctc_dim a_col, double alpha, ctc_dim rank,
                                const ctc_dim *batch, const ctc_dim *a_step,
                                const ctc_dim *b_step) {
  ctc_dim count = 1;
  for (ctc_dim d = 0; d < rank; d++) count *= batch[d];
  for (ctc_dim i = 0; i < count * m * n; i++) y[i] = 0;
  for (ctc_dim i = 0; i < count; i++) {
    ctc_dim rest = i, at_a = 0, at_b = 0;
    for (ctc_dim d = rank - 1; d >= 0; d--) {
      at_a += rest % batch[d] * a_step[d];
      at_b += rest % batch[d] * b_step[d];
      rest /= batch[d];
    }
    ctc_matmul_add_$t(a + at_a, b + at_b, y + i * m * n, m, n, k, a_row, a_col, n, n, ($T)alpha);
  }
}
//$ end

/* Y[m x n] = alpha * A * B[k x n] + beta * C. Element (i, l) of A is a[i * a_row + l * a_col],
 * element (i, j) of C is c[i * c_row + j * c_col]; C may be omitted. */
//$ for t in f32 f64 i32 i64 u32 u64
static void ctc_gemm_$t(const $T *a, const $T *b, const $T *c, $T *y, ctc_dim m, ctc_dim n,
                        ctc_dim k, ctc_dim a_row, ctc_dim a_col, ctc_dim c_row, ctc_dim c_col,
                        double alpha, double beta) {
  const $T scale = ($T)beta;
  for (ctc_dim i = 0; i < m; i++)
    for (ctc_dim j = 0; j < n; j++) y[i * n + j] = c ? ($T)(scale * c[i * c_row + j * c_col]) : 0;
  ctc_matmul_add_$t(a, b, y, m, n, k, a_row, a_col, n, n, ($T)alpha);
}
//$ end
