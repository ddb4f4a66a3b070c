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
