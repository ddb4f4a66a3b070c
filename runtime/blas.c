/* blas.c: products of f32 matrices that a CBLAS library does (`--blas`). The emitted program defines
 * CTC_BLAS and declares cblas_sgemm; without it, as in ctc itself, three loops give the same
 * results. */

/* One product, as cblas_sgemm has it: of a pair of strides one is 1. */
static inline void ctc_one_product(const float *a, const float *b, float *y, ctc_dim m, ctc_dim n,
                                    ctc_dim k, ctc_dim a_row, ctc_dim a_col, ctc_dim b_row,
                                    ctc_dim b_col, ctc_dim y_row) {
#ifdef CTC_BLAS
  enum { ROW_MAJOR = 101, AS_IT_IS = 111, TURNED = 112 };
  const int turn_a = a_col != 1, turn_b = b_col != 1;
  const ctc_dim a_wide = turn_a ? m : k, b_wide = turn_b ? k : n;
  const ctc_dim a_step = turn_a ? a_col : a_row, b_step = turn_b ? b_col : b_row;
  /* The step of a single row may be anything, but sgemm wants it as long as the row. */
  cblas_sgemm(ROW_MAJOR, turn_a ? TURNED : AS_IT_IS, turn_b ? TURNED : AS_IT_IS, (int)m, (int)n,
              (int)k, 1.0f, a, (int)(a_step > a_wide ? a_step : a_wide), b,
              (int)(b_step > b_wide ? b_step : b_wide), 0.0f, y, (int)y_row);
#else
  for (ctc_dim i = 0; i < m; i++) {
    float *row = y + i * y_row;
    for (ctc_dim j = 0; j < n; j++) row[j] = 0;
    for (ctc_dim l = 0; l < k; l++) {
      const float f = a[i * a_row + l * a_col];
      for (ctc_dim j = 0; j < n; j++) row[j] += f * b[l * b_row + j * b_col];
    }
  }
#endif
}

/* Y[m x n] = A[m x k] * B[k x n] for each of outer * inner products: matrix (o, i) of A begins at o
 * * a_outer + i * a_inner and has element (r, l) at r * a_row + l * a_col; B and Y likewise, the
 * rows of Y are contiguous. */
static void ctc_product_f32(const float *a, const float *b, float *y, ctc_dim m, ctc_dim n,
                              ctc_dim k, ctc_dim a_row, ctc_dim a_col, ctc_dim b_row,
                              ctc_dim b_col, ctc_dim y_row, ctc_dim outer, ctc_dim inner,
                              ctc_dim a_outer, ctc_dim a_inner, ctc_dim b_outer, ctc_dim b_inner,
                              ctc_dim y_outer, ctc_dim y_inner) {
  for (ctc_dim o = 0; o < outer; o++)
    for (ctc_dim i = 0; i < inner; i++)
      ctc_one_product(a + o * a_outer + i * a_inner, b + o * b_outer + i * b_inner,
                       y + o * y_outer + i * y_inner, m, n, k, a_row, a_col, b_row, b_col, y_row);
}
