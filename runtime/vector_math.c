/* vector_math.c: exponential, logarithm, roots, trigonometry and their kin on vectors: without a
 * branch, without libm. `ctc_exp_v` is the vector form of scalar.c's ctc_exp_f32: NaN comes out
 * where NaN goes in, infinities and zeros as there.
 *
 * The polynomials come from tools/fit_vector_math.py. Greatest errors, in units of the last place,
 * found by tests/unit/test_vector.c over all floats in steps: exp 1, log 1, expm1 2, sigmoid 3,
 * tanh 5, erf 5, sin and cos 2. */

/* --- pieces --- */

/* Adding and subtracting 1.5 * 2^23 rounds a number below 2^22 to an integer, ties to even; the sum's
 * low bits are that integer. */
#define CTC_ROUNDER 12582912.0f

/* ln 2, in two parts of which the first has few bits: its product with a small integer is exact. */
#define CTC_LN2_HIGH 0.693145752f

#define CTC_LN2_LOW 1.42860677e-6f

/* The integer in the low bits of `rounder + CTC_ROUNDER`. */
static CTC_KERNEL ctc_vi ctc_v_rounded_int(ctc_v sum) {
  return ctc_v_bits(sum) - ctc_v_bits(ctc_v_set(CTC_ROUNDER));
}

/* 2^n for n in [-127, 127]; 0 for -127. */
static CTC_KERNEL ctc_v ctc_v_power_of_2(ctc_vi n) {
  return ctc_v_from_bits((ctc_vi)((ctc_vu)(n + 127) << 23));
}

/* x 2^n for n in [-252, 254], where `sum` is n + CTC_ROUNDER: infinite or subnormal where it must
 * be. */
static CTC_KERNEL ctc_v ctc_v_scale(ctc_v x, ctc_v sum) {
#if CTC_LANES == 16 && CTC_HAS(__builtin_ia32_scalefps512_mask)
  return __builtin_ia32_scalefps512_mask(x, sum - CTC_ROUNDER, x, CTC_ALL_LANES, 4);
#else
  ctc_vi n = ctc_v_rounded_int(sum), half = n >> 1;
  return x * ctc_v_power_of_2(half) * ctc_v_power_of_2(n - half);
#endif
}

/* x 2^n for n in [-150, 103], where `sum` is n + CTC_ROUNDER: subnormal where it must be. The shift
 * leaves nothing of the sum but n. */
static CTC_KERNEL ctc_v ctc_v_scale_down(ctc_v x, ctc_v sum) {
#if CTC_LANES == 16 && CTC_HAS(__builtin_ia32_scalefps512_mask)
  return ctc_v_scale(x, sum);
#else
  ctc_vu raised = ((ctc_vu)ctc_v_bits(sum) << 23) + (ctc_vu)ctc_vi_set((127 + 24) << 23);
  return x * (ctc_v_from_bits((ctc_vi)raised) * 5.9604644775390625e-8f);
#endif
}

/* (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2 */
static CTC_KERNEL ctc_v ctc_v_exp_tail(ctc_v r) {
  ctc_v q = r * 0.00138189388f + 0.00836870354f;
  q = q * r + 0.0416682884f;
  q = q * r + 0.166665196f;
  return q * r + 0.49999994f;
}

/* f + f^2 q(f) = log(1 + f) for f in [-1/4, 1/2]: q */
static CTC_KERNEL ctc_v ctc_v_log_tail(ctc_v f) {
  ctc_v q = f * -0.0451336652f + 0.104710363f;
  q = q * f - 0.131640807f;
  q = q * f + 0.144779921f;
  q = q * f - 0.166469321f;
  q = q * f + 0.199908346f;
  q = q * f - 0.250001073f;
  q = q * f + 0.333334506f;
  return q * f - 0.5f;
}

/* k ln 2 + log(1 + f) */
static CTC_KERNEL ctc_v ctc_v_log_sum(ctc_vi k, ctc_v f) {
#if CTC_LANES > 1
  ctc_v n = __builtin_convertvector(k, ctc_v);
#else
  float n = (float)k;
#endif
  ctc_v tail = ctc_v_log_tail(f) * (f * f) + n * CTC_LN2_LOW;
  return n * CTC_LN2_HIGH + (tail + f);
}

/* The k for which x / 2^k lies in [3/4, 3/2), x > 0. */
static CTC_KERNEL ctc_vi ctc_v_exponent(ctc_v x) {
  return (ctc_vi)((ctc_vu)ctc_v_bits(x) - (ctc_vu)ctc_v_bits(ctc_v_set(0.75f))) >> 23;
}

/* --- exponentials --- */

/* e^x = 2^n e^r, n = x / ln 2 rounded. Beyond the bounds nothing changes any more; a NaN passes
 * them. */
static CTC_KERNEL ctc_v ctc_exp_v(ctc_v x) {
  x = ctc_v_min(ctc_v_set(89.0f), ctc_v_max(ctc_v_set(-104.0f), x));
  ctc_v sum = x * 1.44269504f + CTC_ROUNDER, n = sum - CTC_ROUNDER;
  ctc_v r = x - n * CTC_LN2_HIGH;
  r = r - n * CTC_LN2_LOW;
  ctc_v q = ctc_v_exp_tail(r) * r + 1.0f;
  return ctc_v_scale(q * r + 1.0f, sum);
}

/* e^x - 1 = 2^n (e^r - 1) + (2^n - 1), computed at half the size: 2^128 does not exist. */
static CTC_KERNEL ctc_v ctc_expm1_v(ctc_v x) {
  ctc_v near = ctc_v_min(ctc_v_set(89.0f), ctc_v_max(ctc_v_set(-18.0f), x));
  ctc_v sum = near * 1.44269504f + CTC_ROUNDER, n = sum - CTC_ROUNDER;
  ctc_v r = near - n * CTC_LN2_HIGH;
  r = r - n * CTC_LN2_LOW;
  ctc_v power = ctc_v_power_of_2(ctc_v_rounded_int(sum) - 1);
  ctc_v grown = ctc_v_exp_tail(r) * (r * r) + r;
  return (grown * power + (power - 0.5f)) * 2.0f;
}

/* e^x / (e^x + 1), where e^x = 2^n (q + p) / (q - p) and p / q = tanh(r / 2): one division in all.
 * Near 0 the sum is 2 q: q begins with 15/16, so that what is rounded lies just below a power of 2,
 * where floats are closest. (The sum 1 + e^-x lies just above 2 where x < 0.) */
static CTC_KERNEL ctc_v ctc_sigmoid_v(ctc_v x) {
  x = ctc_v_min(ctc_v_set(30.0f), ctc_v_max(ctc_v_set(-104.0f), x));
  ctc_v sum = x * 1.44269504f + CTC_ROUNDER, n = sum - CTC_ROUNDER;
  ctc_v r = x - n * CTC_LN2_HIGH;
  r = r - n * CTC_LN2_LOW;
  ctc_v s = r * r;
  ctc_v p = (s * 0.00780242309f + 0.46875f) * r;
  ctc_v q = s * 0.0937297791f + 0.9375f;
  ctc_v power = ctc_v_scale_down(q + p, sum);
  return power / (power + (q - p));
}

/* x sigmoid(alpha x) */
static CTC_KERNEL ctc_v ctc_swish_v(ctc_v x, ctc_v alpha) {
  return x / (1.0f + ctc_exp_v(-alpha * x));
}

/* x tanh(log(1 + e^x)) = x n / (n + 2), n = e^x (e^x + 2); from 20 on the fraction is 1 */
static CTC_KERNEL ctc_v ctc_mish_v(ctc_v x) {
  ctc_v e = ctc_exp_v(ctc_v_min(ctc_v_set(20.0f), x)), n = e * (e + 2.0f);
  return x * (n / (n + 2.0f));
}

/* alpha (e^x - 1) below 0 */
static CTC_KERNEL ctc_v ctc_elu_v(ctc_v x, ctc_v alpha) {
  return ctc_v_select(ctc_v_less(x, ctc_v_set(0)), alpha * ctc_expm1_v(x), x);
}

/* alpha (e^(x / alpha) - 1) below 0 */
static CTC_KERNEL ctc_v ctc_celu_v(ctc_v x, ctc_v alpha) {
  return ctc_v_select(ctc_v_less(x, ctc_v_set(0)), alpha * ctc_expm1_v(x / alpha), x);
}

/* gamma * elu(x) */
static CTC_KERNEL ctc_v ctc_selu_v(ctc_v x, ctc_v alpha, ctc_v gamma) {
  return gamma * ctc_elu_v(x, alpha);
}

/* --- logarithms --- */

/* -inf at 0, NaN below; subnormals are scaled up first. */
static CTC_KERNEL ctc_v ctc_log_v(ctc_v x) {
  const ctc_v zero = ctc_v_set(0), infinity = ctc_v_set(INFINITY);
  ctc_vi tiny = ctc_v_less(x, ctc_v_set(FLT_MIN));
  ctc_v scaled = ctc_v_select(tiny, x * 8388608.0f, x);
  ctc_vi k = ctc_v_exponent(scaled);
  ctc_v mantissa = ctc_v_from_bits((ctc_vi)((ctc_vu)ctc_v_bits(scaled) - ((ctc_vu)k << 23)));
  ctc_v result = ctc_v_log_sum(k - (tiny & 23), mantissa - 1.0f);
  ctc_v outside = ctc_v_select(ctc_v_less(x, zero), ctc_v_set(NAN), x);
  outside = ctc_v_select(ctc_v_equal(x, zero), -infinity, outside);
  return ctc_v_select(ctc_v_less(zero, x) & ctc_v_less(x, infinity), result, outside);
}

/* log(1 + x) for x in [0, 1]: 1 + x = 2^k (1 + f), f = x / 2^k + (1 / 2^k - 1) without rounding 1 +
 * x. */
static CTC_KERNEL ctc_v ctc_v_log1p_unit(ctc_v x) {
  ctc_vi k = ctc_v_exponent(x + 1.0f);
  ctc_v scale = ctc_v_power_of_2(-k);
  return ctc_v_log_sum(k, x * scale + (scale - 1.0f));
}

/* log(e^x + 1) = max(x, 0) + log(1 + e^-|x|) */
static CTC_KERNEL ctc_v ctc_softplus_v(ctc_v x) {
  return ctc_v_max(ctc_v_set(0), x) + ctc_v_log1p_unit(ctc_exp_v(-ctc_v_abs(x)));
}

/* --- tanh, erf and the activations made of them --- */

/* Kept in [-bound, bound]; NaN stays. */
static CTC_KERNEL ctc_v ctc_v_clamp(ctc_v x, float bound) {
  return ctc_v_min(ctc_v_set(bound), ctc_v_max(ctc_v_set(-bound), x));
}

/* x p(x^2) / q(x^2), a fit up to 9.02. There tanh is 1; the fraction grows on, and is above 1 at 9.6
 * whatever was rounded. */
static CTC_KERNEL ctc_v ctc_tanh_v(ctc_v x) {
  x = ctc_v_clamp(x, 9.6f);
  ctc_v s = x * x;
  ctc_v p = s * 1.33190072e-08f + 2.0583424e-05f;
  p = p * s + 0.00349403266f;
  p = p * s + 0.133797139f;
  p = p * s + 1.0f;
  ctc_v q = s * 7.76199272e-07f + 0.000328308815f;
  q = q * s + 0.0258710627f;
  q = q * s + 0.467130303f;
  q = q * s + 1.0f;
  return ctc_v_clamp(p * x / q, 1);
}

/* x p(x^2) / q(x^2), a fit up to 3.93, where erf is 1; above 1 at 4.1. */
static CTC_KERNEL ctc_v ctc_erf_v(ctc_v x) {
  x = ctc_v_clamp(x, 4.1f);
  ctc_v s = x * x;
  ctc_v p = s * 2.04217508e-06f + 0.000284801674f;
  p = p * s + 0.00377964298f;
  p = p * s + 0.0527899526f;
  p = p * s + 0.190783456f;
  p = p * s + 1.12837899f;
  ctc_v q = s * 3.80040874e-05f + 0.0011652055f;
  q = q * s + 0.0149973761f;
  q = q * s + 0.114257239f;
  q = q * s + 0.502409935f;
  q = q * s + 1.0f;
  return ctc_v_clamp(p * x / q, 1);
}

/* x (1 + erf(x / sqrt 2)) / 2 = max(x, 0) - a erfc(a / sqrt 2) / 2, a = |x|: nothing cancels. erfc is
 * e^(a q(a)), a fit up to 5; further on it is below 1e-6 and falls, to 0 at 12. */
static CTC_KERNEL ctc_v ctc_gelu_v(ctc_v x) {
  ctc_v a = ctc_v_min(ctc_v_set(12.0f), ctc_v_abs(x));
  ctc_v q = a * -1.26441864e-06f + 1.96029723e-05f;
  q = q * a - 9.62460545e-05f;
  q = q * a - 0.000164385419f;
  q = q * a + 0.00497331377f;
  q = q * a - 0.0364315026f;
  q = q * a - 0.318287611f;
  q = q * a - 0.797886252f;
  return ctc_v_max(ctc_v_set(0), x) - 0.5f * a * ctc_exp_v(q * a);
}

/* x (1 + tanh(u)) / 2 = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3) */
static CTC_KERNEL ctc_v ctc_gelutanh_v(ctc_v x) {
  ctc_v inner = x * (x * x * -0.0713548162726f - 1.59576912160573f);
  return x / (1.0f + ctc_exp_v(inner));
}

/* --- trigonometry --- */

/* Whether some lane is set. */
static CTC_KERNEL ctc_bool ctc_vi_any(ctc_vi mask) {
#if CTC_LANES == 16 && CTC_HAS(__builtin_ia32_cvtd2mask512) && defined(__AVX512DQ__)
  return __builtin_ia32_cvtd2mask512(mask) != 0;
#elif CTC_LANES == 8 && CTC_HAS(__builtin_ia32_movmskps256)
  return __builtin_ia32_movmskps256(ctc_v_from_bits(mask)) != 0;
#else
  int32_t lanes[CTC_LANES], any = 0;
  memcpy(lanes, &mask, sizeof lanes);
  for (int i = 0; i < CTC_LANES; i++) any |= lanes[i];
  return any != 0;
#endif
}

/* x = n pi / 2 + r, |r| <= pi / 4, for |x| <= 10000: pi / 2 in three parts, of which the first two
 * have 11 bits, so that their products with n are exact. *sum is n + CTC_ROUNDER. */
static CTC_KERNEL ctc_v ctc_v_reduce_angle(ctc_v x, ctc_v *sum) {
  *sum = x * 0.636619772f + CTC_ROUNDER;
  ctc_v n = *sum - CTC_ROUNDER, r = x - n * 1.5703125f;
  r = r - n * 4.83751297e-4f;
  return r - n * 7.54979013e-8f;
}

/* The sine of r + quarter * pi / 2. */
static CTC_KERNEL ctc_v ctc_v_sine(ctc_v r, ctc_vi quarter) {
  ctc_v s = r * r;
  ctc_v sine = s * 2.83253962e-06f - 0.000198530659f;
  sine = sine * s + 0.0083333794f;
  sine = (sine * s - 0.166666672f) * (s * r) + r;
  ctc_v cosine = s * 2.44321036e-05f - 0.00138873083f;
  cosine = cosine * s + 0.0416666456f;
  cosine = (cosine * s - 0.5f) * s + 1.0f;
  ctc_v size = ctc_v_select(-(quarter & 1), cosine, sine);
  return ctc_v_from_bits(ctc_v_bits(size) ^ (ctc_vi)((ctc_vu)(quarter & 2) << 30));
}

/* Where an angle is large, infinite or NaN, libm does them all. */
//$ for f in sin cos
static CTC_KERNEL ctc_v ctc_$f_v(ctc_v x) {
  ctc_v sum, r = ctc_v_reduce_angle(x, &sum);
  if (ctc_vi_any(~ctc_v_less(ctc_v_abs(x), ctc_v_set(10000.0f)))) {
    float lanes[CTC_LANES];
    ctc_v_store(lanes, x);
    for (int i = 0; i < CTC_LANES; i++) lanes[i] = ctc_$f_f32(lanes[i]);
    return ctc_v_load(lanes);
  }
  return ctc_v_sine(r, ctc_v_rounded_int(sum) + CTC_QUARTERS_$f);
}
//$ end

/* What is added to the angle, in quarters of the circle. */
#define CTC_QUARTERS_sin 0

#define CTC_QUARTERS_cos 1

/* --- powers of one half --- */

#if CTC_LANES == 16 && CTC_HAS(__builtin_ia32_sqrtps512_mask)
#define CTC_SQRT(x) __builtin_ia32_sqrtps512_mask(x, x, CTC_ALL_LANES, 4)
#elif CTC_LANES == 16 && CTC_HAS(__builtin_ia32_sqrtps512)
#define CTC_SQRT(x) __builtin_ia32_sqrtps512(x, 4)
#elif CTC_LANES == 8 && CTC_HAS(__builtin_ia32_sqrtps256)
#define CTC_SQRT(x) __builtin_ia32_sqrtps256(x)
#elif CTC_LANES == 4 && defined(__SSE2__) && CTC_HAS(__builtin_ia32_sqrtps)
#define CTC_SQRT(x) __builtin_ia32_sqrtps(x)
#elif CTC_LANES == 4 && CTC_HAS(__builtin_aarch64_sqrtv4sf)
#define CTC_SQRT(x) __builtin_aarch64_sqrtv4sf(x)
#else
#define CTC_SQRT(x) ctc_v_sqrt_lanes(x)
#endif

/* One lane after the other. */
static CTC_KERNEL ctc_v ctc_v_sqrt_lanes(ctc_v x) {
  float lanes[CTC_LANES];
  ctc_v_store(lanes, x);
  for (int i = 0; i < CTC_LANES; i++) lanes[i] = sqrtf(lanes[i]);
  return ctc_v_load(lanes);
}

static CTC_KERNEL ctc_v ctc_sqrt_v(ctc_v x) { return CTC_SQRT(x); }

/* --- the others, a lane after the other, so that a loop nest with one of them is still vectors ---
 */

//$ for f in tan asin acos atan sinh cosh asinh acosh atanh log1p
static CTC_KERNEL ctc_v ctc_$f_v(ctc_v x) {
  float lanes[CTC_LANES];
  ctc_v_store(lanes, x);
  for (int i = 0; i < CTC_LANES; i++) lanes[i] = ctc_$f_f32(lanes[i]);
  return ctc_v_load(lanes);
}

//$ end
//$ for f in pow fmod mod
static CTC_KERNEL ctc_v ctc_$f_v(ctc_v a, ctc_v b) {
  float left[CTC_LANES], right[CTC_LANES];
  ctc_v_store(left, a);
  ctc_v_store(right, b);
  for (int i = 0; i < CTC_LANES; i++) left[i] = ctc_$f_f32(left[i], right[i]);
  return ctc_v_load(left);
}

//$ end
