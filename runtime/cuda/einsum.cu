/* einsum.cu: sums of products over arbitrary axes, and sums of sliding blocks. A thread a result.
 */

//$ for t in f32 f64 i32 i64 u32 u64
static ctc_dim ctc_einsum_$t_blocks(ctc_dim kept, const ctc_dim *kept_extent) {
  return ctc_blocks_for(ctc_count_of(kept, kept_extent), CTC_TEAM_THREADS);
}

/* y[o] = sum over s of a[o, s] * b[o, s]: the index o runs over `kept` axes, s over `summed` ones;
 * a_kept … hold how far an operand moves along each axis. b may be missing. */
CTC_DEVICE void ctc_einsum_$t(const $T *a, const $T *b, $T *y, ctc_dim kept,
                              const ctc_dim *kept_extent, const ctc_dim *a_kept,
                              const ctc_dim *b_kept, ctc_dim summed, const ctc_dim *sum_extent,
                              const ctc_dim *a_sum, const ctc_dim *b_sum) {
  const ctc_dim o = ctc_thread_of(CTC_TEAM_THREADS), terms = ctc_count_of(summed, sum_extent);
  ctc_dim rest = o, at_a = 0, at_b = 0;
  if (o >= ctc_count_of(kept, kept_extent)) return;
  for (ctc_dim d = kept - 1; d >= 0; d--) {
    at_a += rest % kept_extent[d] * a_kept[d];
    at_b += rest % kept_extent[d] * b_kept[d];
    rest /= kept_extent[d];
  }
  $T sum = 0;
  for (ctc_dim s = 0; s < terms; s++) {
    ctc_dim left = s, from_a = at_a, from_b = at_b;
    for (ctc_dim d = summed - 1; d >= 0; d--) {
      from_a += left % sum_extent[d] * a_sum[d];
      from_b += left % sum_extent[d] * b_sum[d];
      left /= sum_extent[d];
    }
    sum = sum + (b ? a[from_a] * b[from_b] : a[from_a]);
  }
  y[o] = sum;
}
//$ end

//$ for t in f32 f64
static ctc_dim ctc_col2im_$t_blocks(ctc_dim planes, ctc_dim rank, const ctc_dim *image) {
  return ctc_blocks_for(planes * ctc_count_of(rank, image), CTC_TEAM_THREADS);
}

/* x: [planes, taps, places], y: [planes, image…]; a pixel is the sum of the taps of all places that
 * lie on it. rank sizes each in image, block (product: taps), count (product: places), stride,
 * dilation, pad (at the begin). */
CTC_DEVICE void ctc_col2im_$t(const $T *x, $T *y, ctc_dim planes, ctc_dim rank,
                              const ctc_dim *image, const ctc_dim *block, const ctc_dim *count,
                              const ctc_dim *stride, const ctc_dim *dilation, const ctc_dim *pad) {
  const ctc_dim pixels = ctc_count_of(rank, image), at = ctc_thread_of(CTC_TEAM_THREADS);
  const ctc_dim taps = ctc_count_of(rank, block), places = ctc_count_of(rank, count);
  if (at >= planes * pixels) return;
  $T sum = 0;
  x += at / pixels * taps * places;
  for (ctc_dim tap = 0; tap < taps; tap++) {
    ctc_dim pixel = at % pixels, rest = tap, place = 0, run = 1;
    int there = 1;
    for (ctc_dim d = rank - 1; d >= 0; d--) {
      const ctc_dim off = pixel % image[d] + pad[d] - rest % block[d] * dilation[d];
      there = there && off >= 0 && off % stride[d] == 0 && off / stride[d] < count[d];
      place += off / stride[d] * run;
      run *= count[d];
      pixel /= image[d];
      rest /= block[d];
    }
    if (there) sum += x[tap * places + place];
  }
  y[at] = sum;
}
//$ end
