/* cast.c: ctc_cast_A_B, one element of dtype A as dtype B, for all pairs of numbers and bool.
 *
 * Float to integer truncates towards zero. What does not fit has a defined result: i32, i64 and
 * u64 take the nearest limit (NaN: the lowest value), the narrower ones the low bits of the i32
 * or i64 result, as x86 compilers do it. Integer to integer keeps the low bits. To bool is x !=
 * 0. f16 and bf16 go through f32. */

/* x != 0 */
//$ for t in f32 f64 i8 i16 i32 i64 u8 u16 u32 u64
static inline ctc_bool ctc_cast_$t_bool($T x) { return x != 0; }
//$ end

static inline ctc_bool ctc_cast_bool_bool(ctc_bool x) { return x; }

//$ for t in i8 i16 i32 i64 u8 u16 u32 u64 bool
//$ for u in i8 i16 i32 i64 u8 u16 u32 u64 f32 f64
static inline $U ctc_cast_$t_$u($T x) { return ($U)x; }
//$ end
//$ end

//$ for t in f32 f64
//$ for u in f32 f64
static inline $U ctc_cast_$t_$u($T x) { return ($U)x; }
//$ end
//$ end

/* Truncated; the conversion sees only numbers that fit, so that it is always defined. */
//$ for t in f32 f64
static inline int32_t ctc_cast_$t_i32($T x) {
  $T low = ($T)-2147483648.0, high = ($T)2147483648.0;
  $T fitting = x >= high ? 0 : x > low ? x : low;
  int32_t truncated = (int32_t)fitting;
  return x >= high ? INT32_MAX : truncated;
}
//$ end

/* Truncated; the conversion sees only numbers that fit, so that it is always defined. */
//$ for t in f32 f64
static inline int64_t ctc_cast_$t_i64($T x) {
  $T low = ($T)-9223372036854775808.0, high = ($T)9223372036854775808.0;
  $T fitting = x >= high ? 0 : x > low ? x : low;
  int64_t truncated = (int64_t)fitting;
  return x >= high ? INT64_MAX : truncated;
}
//$ end

/* Truncated; negative numbers wrap as those of i64 do. */
//$ for t in f32 f64
static inline uint64_t ctc_cast_$t_u64($T x) {
  $T half = ($T)9223372036854775808.0;
  if (x >= half + half) return UINT64_MAX;
  if (x >= half) return (uint64_t)ctc_cast_$t_i64(x - half) + ((uint64_t)1 << 63);
  return (uint64_t)ctc_cast_$t_i64(x);
}
//$ end

//$ for t in f32 f64
//$ for u in i8 i16 u8 u16
static inline $U ctc_cast_$t_$u($T x) { return ($U)ctc_cast_$t_i32(x); }
//$ end

static inline uint32_t ctc_cast_$t_u32($T x) { return (uint32_t)ctc_cast_$t_i64(x); }
//$ end

static inline float ctc_cast_f16_f32(uint16_t x) { return ctc_half_to_float(x); }

static inline float ctc_cast_bf16_f32(uint16_t x) { return ctc_bfloat_to_float(x); }

static inline uint16_t ctc_cast_f32_f16(float x) { return ctc_float_to_half(x); }

static inline uint16_t ctc_cast_f32_bf16(float x) { return ctc_float_to_bfloat(x); }

//$ for h in f16 bf16
//$ for t in f64 i8 i16 i32 i64 u8 u16 u32 u64 bool
static inline $T ctc_cast_$h_$t(uint16_t x) { return ctc_cast_f32_$t(ctc_cast_$h_f32(x)); }

static inline uint16_t ctc_cast_$t_$h($T x) { return ctc_cast_f32_$h(ctc_cast_$t_f32(x)); }

//$ end
//$ for t in f16 bf16
static inline uint16_t ctc_cast_$h_$t(uint16_t x) { return ctc_cast_f32_$t(ctc_cast_$h_f32(x)); }
//$ end
//$ end

/* The same bits as an element of another type. */
//$ for t in f32 i32 u32
//$ for u in f32 i32 u32
static inline $U ctc_bitcast_$t_$u($T x) {
  $U y;
  memcpy(&y, &x, sizeof y);
  return y;
}
//$ end
//$ end

/* The same bits as an element of another type. */
//$ for t in f64 i64 u64
//$ for u in f64 i64 u64
static inline $U ctc_bitcast_$t_$u($T x) {
  $U y;
  memcpy(&y, &x, sizeof y);
  return y;
}
//$ end
//$ end

/* The same bits as an element of another type. */
//$ for t in f16 bf16 i16 u16
//$ for u in f16 bf16 i16 u16
static inline $U ctc_bitcast_$t_$u($T x) {
  $U y;
  memcpy(&y, &x, sizeof y);
  return y;
}
//$ end
//$ end

/* The same bits as an element of another type. */
//$ for t in i8 u8 bool
//$ for u in i8 u8 bool
static inline $U ctc_bitcast_$t_$u($T x) {
  $U y;
  memcpy(&y, &x, sizeof y);
  return y;
}
//$ end
//$ end
