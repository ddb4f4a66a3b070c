/* scalar.c: the elementwise operators on one element, ctc_<operator>_<dtype>; loop nests call
 * them.
 *
 * Floats follow IEEE: nothing traps, and NaN comes out where NaN goes in. Integer arithmetic
 * wraps around; a quotient or rest of division by zero is 0. f16 and bf16 are computed in f32.
 * Shift counts of the type's width or more give 0. */

/* --- arithmetic --- */

//$ for t in f32 f64
static inline $T ctc_add_$t($T a, $T b) { return a + b; }

static inline $T ctc_sub_$t($T a, $T b) { return a - b; }

static inline $T ctc_mul_$t($T a, $T b) { return a * b; }

static inline $T ctc_div_$t($T a, $T b) { return a / b; }

static inline $T ctc_neg_$t($T x) { return -x; }

//$ end
/* Wraps around: uint64_t may overflow, and its low bits are those of the narrower type. */
//$ for t in i8 i16 i32 i64 u8 u16 u32 u64
static inline $T ctc_add_$t($T a, $T b) { return ($T)((uint64_t)a + (uint64_t)b); }

/* Wraps around. */
static inline $T ctc_sub_$t($T a, $T b) { return ($T)((uint64_t)a - (uint64_t)b); }

/* Wraps around. */
static inline $T ctc_mul_$t($T a, $T b) { return ($T)((uint64_t)a * (uint64_t)b); }

/* Wraps around. */
static inline $T ctc_neg_$t($T x) { return ($T)(0 - (uint64_t)x); }

//$ end
/* Truncated; the quotient by -1 is the negation, which wraps. */
//$ for t in i8 i16 i32 i64
static inline $T ctc_div_$t($T a, $T b) {
  if (b == 0) return 0;
  if (b == -1) return ctc_neg_$t(a);
  return ($T)(a / b);
}
//$ end

//$ for t in u8 u16 u32 u64
static inline $T ctc_div_$t($T a, $T b) {
  if (b == 0) return 0;
  return ($T)(a / b);
}
//$ end

/* The rest of truncated division: the sign of a. */
//$ for t in i8 i16 i32 i64
static inline $T ctc_fmod_$t($T a, $T b) {
  if (b == 0 || b == -1) return 0;
  return ($T)(a % b);
}

/* The rest of floored division: the sign of b. */
static inline $T ctc_mod_$t($T a, $T b) {
  $T rest = ctc_fmod_$t(a, b);
  if (rest == 0 || (rest < 0) == (b < 0)) return rest;
  return ($T)(rest + b);
}
//$ end

//$ for t in u8 u16 u32 u64
static inline $T ctc_mod_$t($T a, $T b) {
  if (b == 0) return 0;
  return ($T)(a % b);
}

static inline $T ctc_fmod_$t($T a, $T b) { return ctc_mod_$t(a, b); }

//$ end
static inline float ctc_fmod_f32(float a, float b) { return fmodf(a, b); }

static inline double ctc_fmod_f64(double a, double b) { return fmod(a, b); }

/* The rest of floored division: the sign of b. */
//$ for t in f32 f64
static inline $T ctc_mod_$t($T a, $T b) {
  $T rest = ctc_fmod_$t(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
//$ end

static inline float ctc_abs_f32(float x) { return fabsf(x); }

static inline double ctc_abs_f64(double x) { return fabs(x); }

//$ for t in i8 i16 i32 i64
static inline $T ctc_abs_$t($T x) { return x < 0 ? ctc_neg_$t(x) : x; }
//$ end

//$ for t in u8 u16 u32 u64
static inline $T ctc_abs_$t($T x) { return x; }
//$ end

/* -1, 0 or 1; zeros and NaN stay what they are. */
//$ for t in f32 f64
static inline $T ctc_sign_$t($T x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
//$ end

//$ for t in i8 i16 i32 i64
static inline $T ctc_sign_$t($T x) { return ($T)((x > 0) - (x < 0)); }
//$ end

//$ for t in u8 u16 u32 u64
static inline $T ctc_sign_$t($T x) { return x != 0; }
//$ end

//$ for t in f32 f64
static inline $T ctc_reciprocal_$t($T x) { return 1 / x; }
//$ end

/* --- the larger and the smaller --- */

/* The larger one; NaN if either is. */
//$ for t in f32 f64
static inline $T ctc_max_$t($T a, $T b) { return a > b || a != a ? a : b; }

/* The smaller one; NaN if either is. */
static inline $T ctc_min_$t($T a, $T b) { return a < b || a != a ? a : b; }
//$ end

//$ for t in i8 i16 i32 i64 u8 u16 u32 u64 bool
static inline $T ctc_max_$t($T a, $T b) { return a > b ? a : b; }

static inline $T ctc_min_$t($T a, $T b) { return a < b ? a : b; }

//$ end
/* min(max(x, low), high): high wins where the bounds are crossed; NaN stays. */
//$ for t in f32 f64 i8 i16 i32 i64 u8 u16 u32 u64
static inline $T ctc_clip_$t($T x, $T low, $T high) {
  $T raised = x < low ? low : x;
  return raised > high ? high : raised;
}
//$ end

/* --- comparing and choosing --- */

//$ for t in f32 f64 i8 i16 i32 i64 u8 u16 u32 u64
static inline ctc_bool ctc_less_$t($T a, $T b) { return a < b; }

static inline ctc_bool ctc_lessorequal_$t($T a, $T b) { return a <= b; }

static inline ctc_bool ctc_greater_$t($T a, $T b) { return a > b; }

static inline ctc_bool ctc_greaterorequal_$t($T a, $T b) { return a >= b; }

//$ end
//$ for t in f32 f64 i8 i16 i32 i64 u8 u16 u32 u64 bool
static inline ctc_bool ctc_equal_$t($T a, $T b) { return a == b; }

static inline $T ctc_where_$t(ctc_bool condition, $T a, $T b) { return condition ? a : b; }

//$ end
//$ for t in f16 bf16 string
static inline $T ctc_where_$t(ctc_bool condition, $T a, $T b) { return condition ? a : b; }
//$ end

//$ for t in f32 f64
static inline ctc_bool ctc_isnan_$t($T x) { return x != x; }
//$ end

static inline ctc_bool ctc_isposinf_f32(float x) { return x > FLT_MAX; }

static inline ctc_bool ctc_isposinf_f64(double x) { return x > DBL_MAX; }

//$ for t in f32 f64
static inline ctc_bool ctc_isneginf_$t($T x) { return ctc_isposinf_$t(-x); }

static inline ctc_bool ctc_isinf_$t($T x) { return ctc_isposinf_$t(x) || ctc_isposinf_$t(-x); }

/* For an IsInf that is asked for neither. */
static inline ctc_bool ctc_isnoinf_$t($T x) {
  (void)x;
  return 0;
}
//$ end

/* --- truth values and bits --- */

static inline ctc_bool ctc_and_bool(ctc_bool a, ctc_bool b) { return a && b; }

static inline ctc_bool ctc_or_bool(ctc_bool a, ctc_bool b) { return a || b; }

static inline ctc_bool ctc_xor_bool(ctc_bool a, ctc_bool b) { return !a != !b; }

static inline ctc_bool ctc_not_bool(ctc_bool x) { return !x; }

//$ for t in i8 i16 i32 i64 u8 u16 u32 u64
static inline $T ctc_bitwiseand_$t($T a, $T b) { return ($T)(a & b); }

static inline $T ctc_bitwiseor_$t($T a, $T b) { return ($T)(a | b); }

static inline $T ctc_bitwisexor_$t($T a, $T b) { return ($T)(a ^ b); }

static inline $T ctc_bitwisenot_$t($T x) { return ($T)~x; }

//$ end
/* By the type's width or more, or by less than nothing, all bits are shifted out. */
//$ for t in i8 i16 i32 i64 u8 u16 u32 u64
static inline $T ctc_shiftleft_$t($T x, $T count) {
  if ((uint64_t)count >= 8 * sizeof x) return 0;
  return ($T)((uint64_t)x << count);
}
//$ end

//$ for t in u8 u16 u32 u64
static inline $T ctc_shiftright_$t($T x, $T count) {
  if (count >= 8 * sizeof x) return 0;
  return ($T)(x >> count);
}
//$ end

/* Arithmetic: copies of the sign come in from the left. */
//$ for t in i8 i16 i32 i64
static inline $T ctc_shiftright_$t($T x, $T count) {
  uint64_t width = 8 * sizeof x - 1, by = (uint64_t)count < width ? (uint64_t)count : width;
  return ($T)(x < 0 ? ~(~x >> by) : x >> by);
}
//$ end

/* --- rounding, roots, exponentials, trigonometry: libm --- */

static inline float ctc_ceil_f32(float x) { return ceilf(x); }

static inline float ctc_floor_f32(float x) { return floorf(x); }

/* Ties go to the even number. */
static inline float ctc_round_f32(float x) { return nearbyintf(x); }

static inline float ctc_sqrt_f32(float x) { return sqrtf(x); }

static inline float ctc_exp_f32(float x) { return expf(x); }

static inline float ctc_log_f32(float x) { return logf(x); }

static inline float ctc_sin_f32(float x) { return sinf(x); }

static inline float ctc_cos_f32(float x) { return cosf(x); }

static inline float ctc_tan_f32(float x) { return tanf(x); }

static inline float ctc_asin_f32(float x) { return asinf(x); }

static inline float ctc_acos_f32(float x) { return acosf(x); }

static inline float ctc_atan_f32(float x) { return atanf(x); }

static inline float ctc_sinh_f32(float x) { return sinhf(x); }

static inline float ctc_cosh_f32(float x) { return coshf(x); }

static inline float ctc_tanh_f32(float x) { return tanhf(x); }

static inline float ctc_asinh_f32(float x) { return asinhf(x); }

static inline float ctc_acosh_f32(float x) { return acoshf(x); }

static inline float ctc_atanh_f32(float x) { return atanhf(x); }

static inline float ctc_erf_f32(float x) { return erff(x); }

static inline float ctc_expm1_f32(float x) { return expm1f(x); }

static inline float ctc_log1p_f32(float x) { return log1pf(x); }

static inline float ctc_pow_f32(float x, float exponent) { return powf(x, exponent); }

//$ for f in ceil floor sqrt exp log sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf expm1 log1p
static inline double ctc_$f_f64(double x) { return $f(x); }

//$ end
/* Ties go to the even number. */
static inline double ctc_round_f64(double x) { return nearbyint(x); }

static inline double ctc_pow_f64(double x, double exponent) { return pow(x, exponent); }

/* By squaring, wrapping around. Negative exponents give the truncated quotient 1 / x^-exponent, 0
 * for x = 0. */
static inline int64_t ctc_pow_i64(int64_t x, int64_t exponent) {
  uint64_t power = 1, square = (uint64_t)x;
  if (exponent < 0) return x == 1 ? 1 : x == -1 ? (exponent % 2 ? -1 : 1) : 0;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2) power *= square;
    square *= square;
  }
  return (int64_t)power;
}

static inline int32_t ctc_pow_i32(int32_t x, int32_t exponent) {
  return (int32_t)ctc_pow_i64(x, exponent);
}

//$ for t in f32 f64 i32 i64
static inline $T ctc_square_$t($T x) { return ctc_mul_$t(x, x); }

static inline $T ctc_cube_$t($T x) { return ctc_mul_$t(ctc_mul_$t(x, x), x); }

//$ end
/* --- activations --- */

/* max(x, 0) */
//$ for t in f32 f64 i8 i16 i32 i64
static inline $T ctc_relu_$t($T x) { return 0 > x ? 0 : x; }
//$ end

//$ for t in f32 f64
static inline $T ctc_leakyrelu_$t($T x, $T alpha) { return x < 0 ? alpha * x : x; }

static inline $T ctc_thresholdedrelu_$t($T x, $T alpha) { return x > alpha ? x : 0; }

/* alpha (e^x - 1) below 0 */
static inline $T ctc_elu_$t($T x, $T alpha) { return x < 0 ? alpha * ctc_expm1_$t(x) : x; }

/* alpha (e^(x / alpha) - 1) below 0 */
static inline $T ctc_celu_$t($T x, $T alpha) { return x < 0 ? alpha * ctc_expm1_$t(x / alpha) : x; }

/* gamma * elu(x) */
static inline $T ctc_selu_$t($T x, $T alpha, $T gamma) { return gamma * ctc_elu_$t(x, alpha); }

/* x moved towards 0 by `bias` outside of [-lambd, lambd], 0 inside */
static inline $T ctc_shrink_$t($T x, $T lambd, $T bias) {
  return x < -lambd ? x + bias : x > lambd ? x - bias : 0;
}

/* 1 / (1 + e^-x) = 1/2 + (1 - e^-x) / (2 + 2 e^-x): what is rounded before the last sum is small
 * near 0, where it counts. */
static inline $T ctc_sigmoid_$t($T x) {
  $T e = ctc_exp_$t(-x);
  return e > 2 ? 1 / (1 + e) : ($T)0.5 + (1 - e) / (2 + 2 * e);
}

/* alpha x + beta, kept in [0, 1] */
static inline $T ctc_hardsigmoid_$t($T x, $T alpha, $T beta) {
  return ctc_clip_$t(alpha * x + beta, 0, 1);
}

/* x hardsigmoid(x, 1/6, 1/2) */
static inline $T ctc_hardswish_$t($T x) {
  return x * ctc_hardsigmoid_$t(x, ($T)(1.0 / 6.0), ($T)0.5);
}

/* x sigmoid(alpha x) */
static inline $T ctc_swish_$t($T x, $T alpha) { return x / (1 + ctc_exp_$t(-alpha * x)); }

/* log(e^x + 1), written so that the exponential cannot overflow */
static inline $T ctc_softplus_$t($T x) {
  return ctc_relu_$t(x) + ctc_log1p_$t(ctc_exp_$t(-ctc_abs_$t(x)));
}

static inline $T ctc_softsign_$t($T x) { return x / (1 + ctc_abs_$t(x)); }

/* x tanh(softplus(x)) */
static inline $T ctc_mish_$t($T x) { return x * ctc_tanh_$t(ctc_softplus_$t(x)); }

/* x (1 + erf(x / sqrt 2)) / 2 */
static inline $T ctc_gelu_$t($T x) {
  return ($T)0.5 * x * (1 + ctc_erf_$t(x * ($T)0.70710678118654752440));
}

/* The approximation x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */
static inline $T ctc_gelutanh_$t($T x) {
  $T inner = ($T)0.79788456080286535588 * (x + ($T)0.044715 * x * x * x);
  return ($T)0.5 * x * (1 + ctc_tanh_$t(inner));
}
//$ end

/* slope x below 0 */
//$ for t in f32 f64 i32 i64
static inline $T ctc_prelu_$t($T x, $T slope) { return x < 0 ? ctc_mul_$t(slope, x) : x; }
//$ end

/* No number is below 0. */
//$ for t in u32 u64
static inline $T ctc_prelu_$t($T x, $T slope) {
  (void)slope;
  return x;
}
//$ end
