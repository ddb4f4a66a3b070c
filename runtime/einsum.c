/* einsum.c: sums of products over arbitrary axes, for what is no product of matrices. */

/* Axes that ctc_einsum can sum over. */
enum { CTC_EINSUM_AXES = 32 };

/* y[o] = sum over s of a[o, s] * b[o, s]. The index o runs over `kept` axes (y is dense over them),
 * s over `summed` ones; a_kept … hold how far an operand moves along each axis (0: it does not have
 * it; the sum of its strides for an axis named twice). b may be missing. */
//$ for t in f32 f64 i32 i64 u32 u64
static void ctc_einsum_$t(const $T *a, const $T *b, $T *y, ctc_dim kept, const ctc_dim *kept_extent,
                          const ctc_dim *a_kept, const ctc_dim *b_kept, ctc_dim summed,
                          const ctc_dim *sum_extent, const ctc_dim *a_sum, const ctc_dim *b_sum) {
  ctc_dim outputs = 1, terms = 1, index[CTC_EINSUM_AXES] = {0};
  for (ctc_dim d = 0; d < kept; d++) outputs *= kept_extent[d];
  for (ctc_dim d = 0; d < summed; d++) terms *= sum_extent[d];
  for (ctc_dim o = 0; o < outputs; o++) {
    ctc_dim rest = o, at_a = 0, at_b = 0;
    for (ctc_dim d = kept - 1; d >= 0; d--) {
      at_a += rest % kept_extent[d] * a_kept[d];
      at_b += rest % kept_extent[d] * b_kept[d];
      rest /= kept_extent[d];
    }
    $T sum = 0;
    for (ctc_dim s = 0; s < terms; s++) {
      sum = sum + (b ? a[at_a] * b[at_b] : a[at_a]);
      for (ctc_dim d = summed - 1; d >= 0; d--) {
        at_a += a_sum[d];
        at_b += b_sum[d];
        if (++index[d] < sum_extent[d]) break;
        at_a -= a_sum[d] * sum_extent[d];
        at_b -= b_sum[d] * sum_extent[d];
        index[d] = 0;
      }
    }
    y[o] = sum;
  }
}
//$ end
