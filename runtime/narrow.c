/* narrow.c: casts of the 8-bit floats and of the types with less than 8 bits, which are stored
 * one element a byte.
 *
 * To and from f32 only; other types go through it. Floats are rounded to nearest, ties to even.
 * ctc_cast_… keeps what is too large at the largest number, ctc_castopen_… makes it infinite, or
 * NaN where the type has no infinity. */

/* The magnitude with this code in a format of `mantissa` stored bits and exponent bias `bias`. */
static inline float ctc_decode_small(unsigned code, int mantissa, int bias) {
  int exponent = (int)(code >> mantissa), digits = (int)(code & ((1u << mantissa) - 1u));
  if (exponent == 0) return ldexpf((float)digits, 1 - bias - mantissa);
  return ldexpf((float)(digits + (1 << mantissa)), exponent - bias - mantissa);
}

/* The code of a finite magnitude in such a format; codes go on beyond the largest number that the
 * format has. */
static inline unsigned ctc_encode_small(float magnitude, int mantissa, int bias) {
  int exponent;
  float fraction = frexpf(magnitude, &exponent); /* 1/2 <= fraction < 1, or 0 */
  exponent = fraction > 0 && exponent > 2 - bias ? exponent - 1 : 1 - bias;
  float digits = nearbyintf(ldexpf(magnitude, mantissa - exponent));
  return ((unsigned)(exponent + bias - 1) << mantissa) + (unsigned)digits;
}

/* An 8-bit float: sign and code; `beyond` stands for what is larger than the code `largest`.
 * Formats whose NaN is 0x80 have no -0. */
static inline uint8_t ctc_encode_f8(float x, int mantissa, int bias, unsigned largest,
                                    unsigned beyond, unsigned nan) {
  unsigned sign = x < 0 || (x == 0 && 1 / x < 0) ? 0x80u : 0u;
  if (x != x) return (uint8_t)nan;
  unsigned code = fabsf(x) > FLT_MAX ? largest + 1u : ctc_encode_small(fabsf(x), mantissa, bias);
  if (code > largest) code = beyond;
  return (uint8_t)(code == 0 && nan == 0x80u ? 0u : sign | code);
}

/* 4 bits of exponent, 3 of mantissa, no infinity. */
static inline float ctc_cast_f8e4m3fn_f32(uint8_t x) {
  if ((x & 0x7f) == 0x7f) return ctc_float_of_bits(0x7fc00000u);
  return (x & 0x80 ? -1.0f : 1.0f) * ctc_decode_small(x & 0x7fu, 3, 7);
}

static inline uint8_t ctc_cast_f32_f8e4m3fn(float x) {
  return ctc_encode_f8(x, 3, 7, 0x7e, 0x7e, 0x7f);
}

static inline uint8_t ctc_castopen_f32_f8e4m3fn(float x) {
  return ctc_encode_f8(x, 3, 7, 0x7e, 0x7f, 0x7f);
}

/* 4 bits of exponent, 3 of mantissa, no infinity, no -0. */
static inline float ctc_cast_f8e4m3fnuz_f32(uint8_t x) {
  if (x == 0x80) return ctc_float_of_bits(0x7fc00000u);
  return (x & 0x80 ? -1.0f : 1.0f) * ctc_decode_small(x & 0x7fu, 3, 8);
}

static inline uint8_t ctc_cast_f32_f8e4m3fnuz(float x) {
  return ctc_encode_f8(x, 3, 8, 0x7f, 0x7f, 0x80);
}

static inline uint8_t ctc_castopen_f32_f8e4m3fnuz(float x) {
  return ctc_encode_f8(x, 3, 8, 0x7f, 0x80, 0x80);
}

/* 5 bits of exponent, 2 of mantissa: the upper half of an f16. */
static inline float ctc_cast_f8e5m2_f32(uint8_t x) { return ctc_half_to_float((uint16_t)(x << 8)); }

static inline uint8_t ctc_cast_f32_f8e5m2(float x) {
  return ctc_encode_f8(x, 2, 15, 0x7b, 0x7b, 0x7e);
}

static inline uint8_t ctc_castopen_f32_f8e5m2(float x) {
  return ctc_encode_f8(x, 2, 15, 0x7b, 0x7c, 0x7e);
}

/* 5 bits of exponent, 2 of mantissa, no infinity, no -0. */
static inline float ctc_cast_f8e5m2fnuz_f32(uint8_t x) {
  if (x == 0x80) return ctc_float_of_bits(0x7fc00000u);
  return (x & 0x80 ? -1.0f : 1.0f) * ctc_decode_small(x & 0x7fu, 2, 16);
}

static inline uint8_t ctc_cast_f32_f8e5m2fnuz(float x) {
  return ctc_encode_f8(x, 2, 16, 0x7f, 0x7f, 0x80);
}

static inline uint8_t ctc_castopen_f32_f8e5m2fnuz(float x) {
  return ctc_encode_f8(x, 2, 16, 0x7f, 0x80, 0x80);
}

/* Powers of two, 2^(code - 127); 0xff is NaN. */
static inline float ctc_cast_f8e8m0_f32(uint8_t x) {
  return x == 0xff ? ctc_float_of_bits(0x7fc00000u) : ldexpf(1.0f, (int)x - 127);
}

/* The exponent of x, rounded up if `mode` is 1, to nearest if it is 0, down if it is -1; the sign
 * is lost. */
static inline uint8_t ctc_power_f8e8m0(float x, int32_t mode, int32_t saturate) {
  uint32_t bits = ctc_float_bits(x), exponent = (bits >> 23) & 0xffu, rest = bits & 0x7fffffu;
  uint32_t tie = exponent > 0 ? 0x400000u : 0x400001u; /* the least rest that nearest rounds up */
  uint32_t up = mode > 0 ? rest != 0 : mode == 0 && rest >= tie;
  if (exponent == 0xffu || (exponent == 0xfeu && saturate)) return (uint8_t)exponent;
  return (uint8_t)(exponent + up);
}

static inline uint8_t ctc_cast_f32_f8e8m0(float x) { return ctc_power_f8e8m0(x, 1, 1); }

/* 2 bits of exponent, 1 of mantissa: 0, 0.5, 1, 1.5, 2, 3, 4, 6. */
static inline float ctc_cast_f4e2m1_f32(uint8_t x) {
  return (x & 8 ? -1.0f : 1.0f) * ctc_decode_small(x & 7u, 1, 1);
}

/* There is no NaN; it becomes -0. */
static inline uint8_t ctc_cast_f32_f4e2m1(float x) {
  uint8_t code = ctc_encode_f8(x, 1, 1, 7, 7, 0x88);
  return (uint8_t)((code >> 4) | (code & 7));
}

/* 2 bits of exponent, 3 of mantissa: up to 7.5. */
static inline float ctc_cast_f6e2m3_f32(uint8_t x) {
  return (x & 32 ? -1.0f : 1.0f) * ctc_decode_small(x & 31u, 3, 1);
}

/* There is no NaN; it becomes -0. */
static inline uint8_t ctc_cast_f32_f6e2m3(float x) {
  uint8_t code = ctc_encode_f8(x, 3, 1, 31, 31, 0xa0);
  return (uint8_t)((code >> 2 & 32) | (code & 31));
}

/* 3 bits of exponent, 2 of mantissa: up to 28. */
static inline float ctc_cast_f6e3m2_f32(uint8_t x) {
  return (x & 32 ? -1.0f : 1.0f) * ctc_decode_small(x & 31u, 2, 3);
}

/* There is no NaN; it becomes -0. */
static inline uint8_t ctc_cast_f32_f6e3m2(float x) {
  uint8_t code = ctc_encode_f8(x, 2, 3, 31, 31, 0xa0);
  return (uint8_t)((code >> 2 & 32) | (code & 31));
}

/* The low 4 (2) bits of an integer; floats are truncated first. */
static inline uint8_t ctc_cast_i64_u4(int64_t x) { return (uint8_t)(x & 15); }

static inline uint8_t ctc_cast_i64_u2(int64_t x) { return (uint8_t)(x & 3); }

static inline int8_t ctc_cast_i64_i4(int64_t x) {
  return (int8_t)((int)(x & 15) - (x & 8 ? 16 : 0));
}

static inline int8_t ctc_cast_i64_i2(int64_t x) {
  return (int8_t)((int)(x & 3) - (x & 2 ? 4 : 0));
}

/* Bits above the lowest 4 (2) do not count. */
//$ for t in i4 u4 i2 u2
static inline $T ctc_cast_f32_$t(float x) { return ctc_cast_i64_$t(ctc_cast_f32_i64(x)); }

static inline float ctc_cast_$t_f32($T x) { return (float)ctc_cast_i64_$t(x); }
//$ end

/* --- quantising --- */

/* The level of x. Scales make levels fit: there is no zero point but 0. */
//$ for t in f8e4m3fn f8e4m3fnuz f8e5m2 f8e5m2fnuz
static inline $T ctc_quantize_f32_$t(float x, float scale, $T zero) {
  (void)zero;
  return ctc_cast_f32_$t(x / scale);
}

static inline $T ctc_quantizeopen_f32_$t(float x, float scale, $T zero) {
  (void)zero;
  return ctc_castopen_f32_$t(x / scale);
}

/* The real number of a level. */
static inline float ctc_dequantize_$t_f32($T level, float scale, $T zero) {
  (void)zero;
  return ctc_cast_$t_f32(level) * scale;
}
//$ end

/* The level of x; the zero point, of little use, is one of the numbers. */
//$ for t in f4e2m1 f6e2m3 f6e3m2
static inline $T ctc_quantize_f32_$t(float x, float scale, $T zero) {
  return ctc_cast_f32_$t(x / scale + ctc_cast_$t_f32(zero));
}

/* The real number of a level. */
static inline float ctc_dequantize_$t_f32($T level, float scale, $T zero) {
  return (ctc_cast_$t_f32(level) - ctc_cast_$t_f32(zero)) * scale;
}
//$ end

/* The real number of a level. */
//$ for t in i4 u4 i2 u2
static inline float ctc_dequantize_$t_f32($T level, float scale, $T zero) {
  return (ctc_cast_$t_f32(level) - ctc_cast_$t_f32(zero)) * scale;
}
//$ end
