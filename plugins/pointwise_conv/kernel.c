/* kernel.c: a convolution with 1x1 filters is a product of matrices, y[n] = w x[n] + b. Here the
 * runtime does it; a vendor's library would be called in the same place. */

//$ for t in f32 f64
static void pointwiseconv_$t(const $T *x, const $T *w, const $T *b, $T *y, ctc_dim C, ctc_dim K,
                             ctc_dim H, ctc_dim W, ctc_dim first, ctc_dim last) {
  const ctc_dim places = H * W;
  for (ctc_dim n = first; n < last; n++) {
    $T *to = y + n * K * places;
    for (ctc_dim k = 0; k < K; k++)
      for (ctc_dim i = 0; i < places; i++) to[k * places + i] = b ? b[k] : 0;
    ctc_matmul_add_$t(w, x + n * C * places, to, K, places, C, C, 1, places, places, 1);
  }
}
//$ end
