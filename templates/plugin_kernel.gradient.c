/* gradient.c: from the gradient of y that of x, for training: (grad_y - y * (y . grad_y)) / length */

$each_type
static void $prefix_gradient_$t(const $T *x, const $T *y, const $T *grad_y, $T *grad_x, float epsilon, ctc_dim N,
                                ctc_dim C) {
  for (ctc_dim n = 0; n < N; n++) {
    const $T length = $prefix_length_$t(x + n * C, C, epsilon);
    $T dot = 0;
    for (ctc_dim c = 0; c < C; c++) dot += y[n * C + c] * grad_y[n * C + c];
    for (ctc_dim c = 0; c < C; c++) grad_x[n * C + c] = (grad_y[n * C + c] - y[n * C + c] * dot) / length;
  }
}
$end
