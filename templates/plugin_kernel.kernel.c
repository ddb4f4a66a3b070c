/* kernel.c: $name, y = x / sqrt(sum of x^2 + epsilon) for each row of x */

$each_type
static inline $T $prefix_length_$t(const $T *row, ctc_dim C, $T epsilon) {
  $T sum = epsilon;
  for (ctc_dim c = 0; c < C; c++) sum += row[c] * row[c];
  return ctc_sqrt_$t(sum);
}
$end

/* Rows `first` to `last`: threads share them. */
$each_type
static void $prefix_$t(const $T *x, $T *y, float epsilon, ctc_dim C, ctc_dim first, ctc_dim last) {
  for (ctc_dim n = first; n < last; n++) {
    const $T length = $prefix_length_$t(x + n * C, C, epsilon);
    for (ctc_dim c = 0; c < C; c++) y[n * C + c] = x[n * C + c] / length;
  }
}
$end
