/* vector_scalar.c: the elementwise operators of scalar.c that are a few instructions, on vectors:
 * ctc_relu_v is ctc_relu_f32 for CTC_LANES numbers. The results are the same, to the last bit, unless
 * the C compiler fuses a multiplication with an addition in one and not in the other. bool operands
 * and results are masks. */

/* --- arithmetic --- */

static CTC_KERNEL ctc_v ctc_add_v(ctc_v a, ctc_v b) { return a + b; }

static CTC_KERNEL ctc_v ctc_sub_v(ctc_v a, ctc_v b) { return a - b; }

static CTC_KERNEL ctc_v ctc_mul_v(ctc_v a, ctc_v b) { return a * b; }

static CTC_KERNEL ctc_v ctc_div_v(ctc_v a, ctc_v b) { return a / b; }

static CTC_KERNEL ctc_v ctc_neg_v(ctc_v x) { return -x; }

static CTC_KERNEL ctc_v ctc_abs_v(ctc_v x) { return ctc_v_abs(x); }

static CTC_KERNEL ctc_v ctc_reciprocal_v(ctc_v x) { return 1.0f / x; }

static CTC_KERNEL ctc_v ctc_square_v(ctc_v x) { return x * x; }

static CTC_KERNEL ctc_v ctc_cube_v(ctc_v x) { return x * x * x; }

/* -1, 0 or 1; zeros and NaN stay what they are. */
static CTC_KERNEL ctc_v ctc_sign_v(ctc_v x) {
  const ctc_v zero = ctc_v_set(0);
  ctc_v below = ctc_v_select(ctc_v_less(x, zero), ctc_v_set(-1), x);
  return ctc_v_select(ctc_v_less(zero, x), ctc_v_set(1), below);
}

/* --- the larger and the smaller --- */

/* The larger one; NaN if either is. */
static CTC_KERNEL ctc_v ctc_max_v(ctc_v a, ctc_v b) {
  return ctc_v_select(ctc_v_isnan(a), a, ctc_v_max(a, b));
}

/* The smaller one; NaN if either is. */
static CTC_KERNEL ctc_v ctc_min_v(ctc_v a, ctc_v b) {
  return ctc_v_select(ctc_v_isnan(a), a, ctc_v_min(a, b));
}

/* min(max(x, low), high); NaN stays. */
static CTC_KERNEL ctc_v ctc_clip_v(ctc_v x, ctc_v low, ctc_v high) {
  return ctc_v_min(high, ctc_v_max(low, x));
}

/* --- comparing and choosing --- */

static CTC_KERNEL ctc_vi ctc_less_v(ctc_v a, ctc_v b) { return ctc_v_less(a, b); }

static CTC_KERNEL ctc_vi ctc_lessorequal_v(ctc_v a, ctc_v b) { return ctc_v_less_equal(a, b); }

static CTC_KERNEL ctc_vi ctc_greater_v(ctc_v a, ctc_v b) { return ctc_v_less(b, a); }

static CTC_KERNEL ctc_vi ctc_greaterorequal_v(ctc_v a, ctc_v b) { return ctc_v_less_equal(b, a); }

static CTC_KERNEL ctc_vi ctc_equal_v(ctc_v a, ctc_v b) { return ctc_v_equal(a, b); }

static CTC_KERNEL ctc_v ctc_where_v(ctc_vi condition, ctc_v a, ctc_v b) {
  return ctc_v_select(condition, a, b);
}

static CTC_KERNEL ctc_vi ctc_isnan_v(ctc_v x) { return ctc_v_isnan(x); }

static CTC_KERNEL ctc_vi ctc_isposinf_v(ctc_v x) { return ctc_v_less(ctc_v_set(FLT_MAX), x); }

static CTC_KERNEL ctc_vi ctc_isneginf_v(ctc_v x) { return ctc_v_less(x, ctc_v_set(-FLT_MAX)); }

static CTC_KERNEL ctc_vi ctc_isinf_v(ctc_v x) {
  return ctc_v_less(ctc_v_set(FLT_MAX), ctc_v_abs(x));
}

/* --- truth values --- */

static CTC_KERNEL ctc_vi ctc_and_vb(ctc_vi a, ctc_vi b) { return a & b; }

static CTC_KERNEL ctc_vi ctc_or_vb(ctc_vi a, ctc_vi b) { return a | b; }

static CTC_KERNEL ctc_vi ctc_xor_vb(ctc_vi a, ctc_vi b) { return a ^ b; }

static CTC_KERNEL ctc_vi ctc_not_vb(ctc_vi x) { return ~x; }

static CTC_KERNEL ctc_vi ctc_equal_vb(ctc_vi a, ctc_vi b) { return ~(a ^ b); }

static CTC_KERNEL ctc_vi ctc_where_vb(ctc_vi condition, ctc_vi a, ctc_vi b) {
  return (condition & a) | (~condition & b);
}

static CTC_KERNEL ctc_v ctc_cast_bool_v(ctc_vi x) {
  return ctc_v_from_bits(x & ctc_v_bits(ctc_v_set(1)));
}

static CTC_KERNEL ctc_vi ctc_cast_f32_vb(ctc_v x) { return ~ctc_v_equal(x, ctc_v_set(0)); }

/* --- rounding --- */

/* Adding 2^23 to the size of a number rounds it to an integer, ties to even; numbers from 2^23 on
 * are integers. The sign is put back, also to zeros. */
static CTC_KERNEL ctc_v ctc_round_v(ctc_v x) {
  ctc_v size = ctc_v_abs(x), whole = (size + 8388608.0f) - 8388608.0f;
  whole = ctc_v_select(ctc_v_less(size, ctc_v_set(8388608.0f)), whole, size);
  return ctc_v_from_bits(ctc_v_bits(whole) | (ctc_v_bits(x) & ctc_vi_set(INT32_MIN)));
}

/* Rounded, less 1 where that is too large; the sign of a zero is that of x. */
static CTC_KERNEL ctc_v ctc_floor_v(ctc_v x) {
  ctc_v whole = ctc_round_v(x);
  return whole - ctc_cast_bool_v(ctc_v_less(x, whole));
}

static CTC_KERNEL ctc_v ctc_ceil_v(ctc_v x) { return -ctc_floor_v(-x); }

/* --- activations --- */

/* max(x, 0) */
static CTC_KERNEL ctc_v ctc_relu_v(ctc_v x) { return ctc_v_max(ctc_v_set(0), x); }

static CTC_KERNEL ctc_v ctc_leakyrelu_v(ctc_v x, ctc_v alpha) {
  return ctc_v_select(ctc_v_less(x, ctc_v_set(0)), alpha * x, x);
}

/* slope x below 0 */
static CTC_KERNEL ctc_v ctc_prelu_v(ctc_v x, ctc_v slope) {
  return ctc_v_select(ctc_v_less(x, ctc_v_set(0)), slope * x, x);
}

static CTC_KERNEL ctc_v ctc_thresholdedrelu_v(ctc_v x, ctc_v alpha) {
  return ctc_v_select(ctc_v_less(alpha, x), x, ctc_v_set(0));
}

/* x moved towards 0 by `bias` outside of [-lambd, lambd], 0 inside */
static CTC_KERNEL ctc_v ctc_shrink_v(ctc_v x, ctc_v lambd, ctc_v bias) {
  ctc_v above = ctc_v_select(ctc_v_less(lambd, x), x - bias, ctc_v_set(0));
  return ctc_v_select(ctc_v_less(x, -lambd), x + bias, above);
}

/* alpha x + beta, kept in [0, 1] */
static CTC_KERNEL ctc_v ctc_hardsigmoid_v(ctc_v x, ctc_v alpha, ctc_v beta) {
  return ctc_clip_v(alpha * x + beta, ctc_v_set(0), ctc_v_set(1));
}

/* x hardsigmoid(x, 1/6, 1/2) */
static CTC_KERNEL ctc_v ctc_hardswish_v(ctc_v x) {
  return x * ctc_hardsigmoid_v(x, ctc_v_set((float)(1.0 / 6.0)), ctc_v_set(0.5f));
}

static CTC_KERNEL ctc_v ctc_softsign_v(ctc_v x) { return x / (1.0f + ctc_v_abs(x)); }
