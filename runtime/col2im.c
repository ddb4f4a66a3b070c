/* col2im.c: sums of sliding blocks: the transpose of taking an image apart into them. */

//$ for t in f32 f64 i64 u64
/* x: [planes, taps, places], y: [planes, image…]; every tap of every place is added to its pixel,
 * taps in the padding are left out. rank sizes each in image, block (product: taps), count
 * (product: places), stride, dilation, pad (at the begin). */
static void ctc_col2im_$t(const $T *x, $T *y, ctc_dim planes, ctc_dim rank, const ctc_dim *image,
                          const ctc_dim *block, const ctc_dim *count, const ctc_dim *stride,
                          const ctc_dim *dilation, const ctc_dim *pad) {
  ctc_dim pixels = 1, taps = 1, places = 1;
  for (ctc_dim d = 0; d < rank; d++) {
    pixels *= image[d];
    taps *= block[d];
    places *= count[d];
  }
  for (ctc_dim i = 0; i < planes * pixels; i++) y[i] = 0;
  for (ctc_dim plane = 0; plane < planes; plane++, y += pixels)
    for (ctc_dim tap = 0; tap < taps; tap++)
      for (ctc_dim place = 0; place < places; place++, x++) {
        ctc_dim pixel = 0, run = 1, tap_rest = tap, place_rest = place;
        int inside = 1;
        for (ctc_dim d = rank - 1; d >= 0; d--) {
          ctc_dim at =
              place_rest % count[d] * stride[d] + tap_rest % block[d] * dilation[d] - pad[d];
          inside = inside && at >= 0 && at < image[d];
          pixel += at * run;
          run *= image[d];
          place_rest /= count[d];
          tap_rest /= block[d];
        }
        if (inside) y[pixel] += *x;
      }
}
//$ end
