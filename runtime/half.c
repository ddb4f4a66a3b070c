/* half.c: the 16-bit floats f16 (IEEE binary16) and bf16 (the upper half of binary32), stored as
 * uint16_t.
 *
 * Numbers are rounded to nearest, ties to even; NaN stays NaN, infinities and subnormals are
 * kept. */

/* The bits of a float. */
static inline uint32_t ctc_float_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* The float with these bits. */
static inline float ctc_float_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* f16 to f32, exact. The 15 lower bits, moved into a float's place, are too small by 2^112,
 * subnormals included. */
static inline float ctc_half_to_float(uint16_t half) {
  uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
  uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  float scaled = ctc_float_of_bits(magnitude) * 5192296858534827628530496329220096.0f;
  uint32_t special = (half & 0x7c00) == 0x7c00 ? 0x7f800000u | magnitude : ctc_float_bits(scaled);
  return ctc_float_of_bits(special | sign);
}

/* f32 to f16. Below 2^-14, adding 1/2 moves the 10 bits that remain to the end of the float,
 * rounded by the addition. */
static inline uint16_t ctc_float_to_half(float x) {
  uint32_t bits = ctc_float_bits(x);
  uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu, half;
  if (magnitude > 0x7f800000u)
    half = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
  else if (magnitude >= 0x477ff000u)
    half = 0x7c00u;
  else if (magnitude < 0x38800000u)
    half = ctc_float_bits(ctc_float_of_bits(magnitude) + 0.5f) - 0x3f000000u;
  else
    half = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  return (uint16_t)(sign | half);
}

/* bf16 to f32, exact. */
static inline float ctc_bfloat_to_float(uint16_t bfloat) {
  return ctc_float_of_bits((uint32_t)bfloat << 16);
}

/* f32 to bf16. */
static inline uint16_t ctc_float_to_bfloat(float x) {
  uint32_t bits = ctc_float_bits(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((bits >> 16) | 0x40u);
  return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
