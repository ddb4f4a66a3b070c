/* einsum.cu: sums of products over arbitrary axes: a thread a result, or a warp where there are few
 * results and many terms. */

/* Threads that share a result. */
CTC_BOTH ctc_dim ctc_einsum_team(ctc_dim outputs, ctc_dim terms) {
  return terms >= 64 && outputs < 65536 ? 32 : 1;
}

//$ for t in f32 f64 i32 i64 u32 u64
static ctc_dim ctc_einsum_$t_blocks(ctc_dim kept, const ctc_dim *kept_extent, ctc_dim summed,
                                    const ctc_dim *sum_extent) {
  const ctc_dim outputs = ctc_count_of(kept, kept_extent);
  const ctc_dim terms = ctc_count_of(summed, sum_extent);
  return ctc_blocks_for(outputs * ctc_einsum_team(outputs, terms), 256);
}
//$ end

/* Parameters: runtime/einsum.c. */
//$ for t in f32 f64 i32 i64 u32 u64
CTC_DEVICE void ctc_einsum_$t(const $T *a, const $T *b, $T *y, ctc_dim kept,
                              const ctc_dim *kept_extent, const ctc_dim *a_kept,
                              const ctc_dim *b_kept, ctc_dim summed, const ctc_dim *sum_extent,
                              const ctc_dim *a_sum, const ctc_dim *b_sum) {
  const ctc_dim outputs = ctc_count_of(kept, kept_extent);
  const ctc_dim terms = ctc_count_of(summed, sum_extent);
  const ctc_dim team = ctc_einsum_team(outputs, terms), thread = ctc_thread_of(256);
  const ctc_dim o = thread / team;
  if (o >= outputs) return;
  const $T *left = a + ctc_place_of(o, kept, kept_extent, a_kept);
  const $T *right = b ? b + ctc_place_of(o, kept, kept_extent, b_kept) : b;
  $T sum = 0;
  for (ctc_dim s = thread % team; s < terms; s += team) {
    const $T factor = left[ctc_place_of(s, summed, sum_extent, a_sum)];
    sum += b ? factor * right[ctc_place_of(s, summed, sum_extent, b_sum)] : factor;
  }
  for (int step = 16; team > 1 && step > 0; step /= 2)
    sum += ($T)__shfl_xor_sync(0xffffffffu, sum, step);
  if (thread % team == 0) y[o] = sum;
}
//$ end
