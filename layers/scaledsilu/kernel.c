/* kernel.c: SiLU of a scaled number */

static inline float scaledsilu_f32(float x, float alpha) { return alpha * x * ctc_sigmoid_f32(alpha * x); }

static inline ctc_v scaledsilu_v(ctc_v x, ctc_v alpha) { return ctc_swish_v(alpha * x, ctc_v_set(1.0f)); }

/* What is between is rounded to half precision too. */
static inline uint16_t scaledsilu_f16(uint16_t x, float alpha) {
  const float z = ctc_half_to_float(ctc_float_to_half(alpha * ctc_half_to_float(x)));
  const float share = ctc_half_to_float(ctc_float_to_half(ctc_sigmoid_f32(z)));
  return ctc_float_to_half(z * share);
}

static inline uint16_t scaledsilu_bf16(uint16_t x, float alpha) {
  return ctc_float_to_bfloat(scaledsilu_f32(ctc_bfloat_to_float(x), alpha));
}
