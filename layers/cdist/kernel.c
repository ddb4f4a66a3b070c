/* kernel.c: distances between points */

/* y[m][n] = sum over k of (a[m][k] - b[n][k])^2, and its root where metric is 1. Eight partial sums: the C
 * compiler can keep them in a register. */
//$ for t in f32 f64
static void cdist_$t(const $T *a, const $T *b, $T *y, ctc_dim N, ctc_dim K, ctc_dim metric, ctc_dim first,
                     ctc_dim last) {
  for (ctc_dim m = first; m < last; m++)
    for (ctc_dim n = 0; n < N; n++) {
      const $T square = cdist_square_$t(a + m * K, b + n * K, K);
      y[m * N + n] = metric ? ctc_sqrt_$t(square) : square;
    }
}
//$ end

//$ for t in f32 f64
static inline $T cdist_square_$t(const $T *a, const $T *b, ctc_dim count) {
  $T sums[8] = {0, 0, 0, 0, 0, 0, 0, 0}, sum = 0;
  const ctc_dim whole = count - count % 8;
  for (ctc_dim k = 0; k < whole; k += 8)
    for (int i = 0; i < 8; i++) sums[i] += (a[k + i] - b[k + i]) * (a[k + i] - b[k + i]);
  for (ctc_dim k = whole; k < count; k++) sum += (a[k] - b[k]) * (a[k] - b[k]);
  for (int i = 0; i < 8; i++) sum += sums[i];
  return sum;
}
//$ end
