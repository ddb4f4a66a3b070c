/* col2im.cu: sums of sliding blocks: a thread a pixel, which adds the taps that meet it in their
 * order. */

//$ for t in f32 f64
static ctc_dim ctc_col2im_$t_blocks(ctc_dim planes, ctc_dim rank, const ctc_dim *image) {
  return ctc_blocks_for(planes * ctc_count_of(rank, image), 256);
}
//$ end

/* The place whose tap number `tap` meets a pixel; -1 if there is none. */
CTC_DEVICE ctc_dim ctc_col2im_place(ctc_dim pixel, ctc_dim tap, ctc_dim rank, const ctc_dim *image,
                                    const ctc_dim *block, const ctc_dim *count,
                                    const ctc_dim *stride, const ctc_dim *dilation,
                                    const ctc_dim *pad) {
  ctc_dim place = 0, run = 1;
  bool inside = true;
  for (ctc_dim d = rank - 1; d >= 0; d--) {
    const ctc_dim shift = pixel % image[d] + pad[d] - tap % block[d] * dilation[d];
    inside = inside && shift >= 0 && shift % stride[d] == 0 && shift / stride[d] < count[d];
    place += shift / stride[d] * run;
    run *= count[d];
    pixel /= image[d];
    tap /= block[d];
  }
  return inside ? place : -1;
}

/* Parameters: runtime/col2im.c. */
//$ for t in f32 f64
CTC_DEVICE void ctc_col2im_$t(const $T *x, $T *y, ctc_dim planes, ctc_dim rank,
                              const ctc_dim *image, const ctc_dim *block, const ctc_dim *count,
                              const ctc_dim *stride, const ctc_dim *dilation, const ctc_dim *pad) {
  const ctc_dim at = ctc_thread_of(256), pixels = ctc_count_of(rank, image);
  const ctc_dim taps = ctc_count_of(rank, block), places = ctc_count_of(rank, count);
  if (at >= planes * pixels) return;
  const $T *plane = x + at / pixels * taps * places;
  $T sum = 0;
  for (ctc_dim tap = 0; tap < taps; tap++) {
    const ctc_dim place =
        ctc_col2im_place(at % pixels, tap, rank, image, block, count, stride, dilation, pad);
    if (place >= 0) sum += plane[tap * places + place];
  }
  y[at] = sum;
}
//$ end
