/* quantize.cu: the range of numbers that are stored as small integers. */

enum { ctc_dynamic_range_f32_u8_threads = 1024 };

static ctc_dim ctc_dynamic_range_f32_u8_blocks(void) {
  return 1;
}

/* Scale and zero point for which the levels 0 … 255 cover the range of x and 0; NaN is passed over.
 * One block. */
CTC_DEVICE void ctc_dynamic_range_f32_u8(const float *x, float *scale, uint8_t *zero, ctc_dim n) {
  const ctc_team team = ctc_team_block(0, 1024);
  float low = 0, high = 0;
#pragma unroll 8
  for (ctc_dim i = team.first; i < n; i += team.step) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  low = ctc_team_min_f32(low, team);
  high = ctc_team_max_f32(high, team);
  if (!team.leads) return;
  *scale = high == low ? 1.0f : (high - low) / 255.0f;
  *zero = ctc_saturate_f32_u8(rintf(-low / *scale));
}

//$ for t in u8 i8
static ctc_dim ctc_int8_quantize_$t_blocks(ctc_dim n) {
  return ctc_blocks_for(n, CTC_TEAM_THREADS);
}

/* The levels of x. A thread an element. */
CTC_DEVICE void ctc_int8_quantize_$t(const float *x, const float *scale, const $T *zero, $T *y,
                                     ctc_dim n) {
  const ctc_dim i = ctc_thread_of(CTC_TEAM_THREADS);
  if (i < n) y[i] = ctc_quantize_f32_$t(x[i], scale[0], zero ? zero[0] : ($T)0);
}
//$ end

static ctc_dim ctc_int8_add_u8_blocks(ctc_dim n) {
  return ctc_blocks_for(n, CTC_TEAM_THREADS);
}

/* y = the level of a_scale * (a - a_zero) + b_scale * (b - b_zero), where the scales are those of a
 * and b over that of y. A thread an element. */
CTC_DEVICE void ctc_int8_add_u8(const uint8_t *a, const uint8_t *b, uint8_t *y, ctc_dim n,
                                float a_scale, float b_scale, ctc_dim a_zero, ctc_dim b_zero,
                                ctc_dim zero, ctc_dim low, ctc_dim high) {
  const ctc_dim i = ctc_thread_of(CTC_TEAM_THREADS);
  const float least = (float)(low - zero), most = (float)(high - zero);
  const float shift = -(a_scale * (float)a_zero + b_scale * (float)b_zero);
  if (i >= n) return;
  const float sum = (float)a[i] * a_scale + ((float)b[i] * b_scale + shift);
  y[i] = (uint8_t)(rintf(sum < least ? least : sum > most ? most : sum) + (float)zero);
}
