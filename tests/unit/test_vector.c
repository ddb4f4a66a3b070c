/* test_vector.c: the vector forms of the scalar functions (runtime/vector_scalar.c, vector_math.c)
 * against those, on special values and on floats of all sizes. Built once for each vector width
 * that the target has (see Makefile). */
#include "vector_test.h"

/* Every STEP-th bit pattern: 1/4 million numbers. */
enum { STEP = 16381, PAIR_STEP = 5, PAIRS = 90 };

static const float special[] = {
    0.0f,       -0.0f,        1.0f,        -1.0f,        0.5f,    -0.5f,      1.5f,
    -1.5f,      2.5f,         -2.5f,       3.0f,         -3.0f,   8388607.5f, -8388607.5f,
    8388609,    -16777216.0f, 1e-40f,      -1e-40f,      FLT_MIN, -FLT_MIN,   FLT_MAX,
    -FLT_MAX,   1e-20f,       -1e-20f,     88.7f,        88.73f,  -87.3f,     -87.4f,
    -103.9f,    -104.5f,      20.0f,       -20.0f,       9.0f,    -9.1f,      INFINITY,
    -INFINITY,  NAN,          0.49999997f, -0.49999997f, 1e4f,    0.75f,      1.4999999f,
    3.1415927f, -1.5707964f,  100000.0f,   6.0f,
};
enum { SPECIALS = sizeof special / sizeof *special };

static float number_at(uint32_t i) {
  uint32_t bits = (i - SPECIALS) * (uint32_t)STEP;
  float x;
  if (i < SPECIALS) return special[i];
  memcpy(&x, &bits, sizeof x);
  return x;
}
static const uint32_t number_count = SPECIALS + UINT32_MAX / STEP;

/* --- comparing --- */

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static bool same(float a, float b) {
  return (a != a && b != b) || bits_of(a) == bits_of(b);
}

/* Distance from the exact result in units of its last place as a float; infinite if only one is
 * NaN. */
static double ulps(float value, double exact) {
  if (value != value || exact != exact) return (value != value) == (exact != exact) ? 0 : INFINITY;
  float near = (float)exact;
  if (isinf(near) || isinf(value)) {
    bool edge = fabs(exact) > 3.4028e38 && fabs(exact) < 3.4029e38;
    return value == near || edge ? 0 : INFINITY;
  }
  double unit = ldexp(1, (near == 0 || fabsf(near) < FLT_MIN ? -126 : ilogbf(near)) - 23);
  return fabs(value - exact) / unit;
}

/* --- operators of one operand, and masks --- */

typedef ctc_v (*Unary)(ctc_v x);
typedef float (*UnaryScalar)(float x);

static const struct {
  const char *name;
  Unary vector;
  UnaryScalar scalar;
} exact_unary[] = {
#define EXACT(f)                                                                                   \
  { #f, ctc_##f##_v, ctc_##f##_f32 }
    EXACT(neg),   EXACT(abs),  EXACT(reciprocal), EXACT(square), EXACT(cube),     EXACT(sign),
    EXACT(round), EXACT(ceil), EXACT(floor),      EXACT(relu),   EXACT(softsign), EXACT(sqrt),
    EXACT(tan),   EXACT(asin), EXACT(atanh),      EXACT(log1p),
};

/* The same number in all lanes but one, so that a lane that looks at its neighbours is found. */
static float apply(Unary vector, float x, int lane) {
  float lanes[CTC_LANES];
  for (int i = 0; i < CTC_LANES; i++) lanes[i] = i == lane ? x : -x;
  ctc_v_store(lanes, vector(ctc_v_load(lanes)));
  return lanes[lane];
}

static void test_exact_unary(void **state) {
  (void)state;
  for (size_t f = 0; f < sizeof exact_unary / sizeof *exact_unary; f++)
    for (uint32_t i = 0; i < number_count; i++) {
      float x = number_at(i), expected = exact_unary[f].scalar(x);
      float found = apply(exact_unary[f].vector, x, (int)(i % CTC_LANES));
      if (!same(found, expected))
        fail_msg("%s(%a) = %a, not %a", exact_unary[f].name, x, found, expected);
    }
}

/* --- of two and three --- */

typedef ctc_v (*Binary)(ctc_v a, ctc_v b);
typedef float (*BinaryScalar)(float a, float b);

static const struct {
  const char *name;
  Binary vector;
  BinaryScalar scalar;
} exact_binary[] = {
    EXACT(add),       EXACT(sub),   EXACT(mul),
    EXACT(div),       EXACT(max),   EXACT(min),
    EXACT(leakyrelu), EXACT(prelu), EXACT(thresholdedrelu),
    EXACT(pow),       EXACT(fmod),  EXACT(mod),
};

/* Pairs of special values, and of numbers of all sizes. */
static float pair_member(int i) {
  return i < SPECIALS ? special[i] : number_at((uint32_t)i * 2900u);
}

static void test_exact_binary(void **state) {
  (void)state;
  for (size_t f = 0; f < sizeof exact_binary / sizeof *exact_binary; f++)
    for (int i = 0; i < PAIRS; i++)
      for (int k = 0; k < PAIRS; k++) {
        float a = pair_member(i), b = pair_member(k), expected = exact_binary[f].scalar(a, b);
        ctc_v result = exact_binary[f].vector(ctc_v_set(a), ctc_v_set(b));
        float found = ctc_v_largest(result);
        if (!same(found, expected) && expected == expected)
          fail_msg("%s(%a, %a) = %a, not %a", exact_binary[f].name, a, b, found, expected);
        if (expected != expected) assert_true(ctc_vi_any(ctc_v_isnan(result)));
      }
}

static void test_exact_ternary(void **state) {
  (void)state;
  for (int i = 0; i < PAIRS; i++)
    for (int k = 0; k < PAIRS; k++)
      for (int j = 0; j < PAIRS; j += PAIR_STEP) {
        float x = pair_member(i), a = pair_member(k), b = pair_member(j);
        float lanes[CTC_LANES];
        ctc_v_store(lanes, ctc_clip_v(ctc_v_set(x), ctc_v_set(a), ctc_v_set(b)));
        if (!same(lanes[0], ctc_clip_f32(x, a, b))) fail_msg("clip(%a, %a, %a)", x, a, b);
        ctc_v_store(lanes, ctc_shrink_v(ctc_v_set(x), ctc_v_set(a), ctc_v_set(b)));
        if (!same(lanes[0], ctc_shrink_f32(x, a, b))) fail_msg("shrink(%a, %a, %a)", x, a, b);
      }
}

/* All lanes are a condition's value. */
static bool is_mask(ctc_vi mask, ctc_bool expected) {
  int32_t lanes[CTC_LANES];
  memcpy(lanes, &mask, sizeof lanes);
  for (int i = 0; i < CTC_LANES; i++)
    if (lanes[i] != -(int32_t)expected) return false;
  return true;
}

static const struct {
  const char *name;
  ctc_vi (*vector)(ctc_v a, ctc_v b);
  ctc_bool (*scalar)(float a, float b);
} comparisons[] = {EXACT(less), EXACT(lessorequal), EXACT(greater), EXACT(greaterorequal),
                   EXACT(equal)};

static const struct {
  const char *name;
  ctc_vi (*vector)(ctc_v x);
  ctc_bool (*scalar)(float x);
} kinds[] = {EXACT(isnan),
             EXACT(isposinf),
             EXACT(isneginf),
             EXACT(isinf),
             {"cast to bool", ctc_cast_f32_vb, ctc_cast_f32_bool}};

static void test_masks(void **state) {
  (void)state;
  for (int i = 0; i < PAIRS; i++) {
    float a = pair_member(i);
    for (size_t f = 0; f < sizeof kinds / sizeof *kinds; f++)
      if (!is_mask(kinds[f].vector(ctc_v_set(a)), kinds[f].scalar(a)))
        fail_msg("%s(%a)", kinds[f].name, a);
    for (int k = 0; k < PAIRS; k++) {
      float b = pair_member(k);
      for (size_t f = 0; f < sizeof comparisons / sizeof *comparisons; f++)
        if (!is_mask(comparisons[f].vector(ctc_v_set(a), ctc_v_set(b)),
                     comparisons[f].scalar(a, b)))
          fail_msg("%s(%a, %a)", comparisons[f].name, a, b);
    }
  }
}

static void test_truth(void **state) {
  (void)state;
  for (int i = 0; i < 8; i++) {
    ctc_bool a = i & 1, b = i >> 1 & 1, c = i >> 2 & 1;
    ctc_vi va = ctc_vi_set(-a), vb = ctc_vi_set(-b), vc = ctc_vi_set(-c);
    assert_true(is_mask(ctc_and_vb(va, vb), ctc_and_bool(a, b)));
    assert_true(is_mask(ctc_or_vb(va, vb), ctc_or_bool(a, b)));
    assert_true(is_mask(ctc_xor_vb(va, vb), ctc_xor_bool(a, b)));
    assert_true(is_mask(ctc_equal_vb(va, vb), ctc_equal_bool(a, b)));
    assert_true(is_mask(ctc_not_vb(va), ctc_not_bool(a)));
    assert_true(is_mask(ctc_where_vb(va, vb, vc), ctc_where_bool(a, b, c)));
    assert_true(ctc_v_sum(ctc_cast_bool_v(va)) == (float)a * CTC_LANES);
    assert_true(ctc_v_sum(ctc_where_v(va, ctc_v_set(3), ctc_v_set(NAN))) == 3.0f * CTC_LANES || !a);
  }
}

/* --- transcendental functions: distance from the result in double --- */

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

static double softplus(double x) {
  return (x < 0 ? 0 : x) + log1p(exp(-fabs(x)));
}

static double mish(double x) {
  return x * tanh(softplus(x));
}

static double gelu(double x) {
  return x < -40 ? 0 : x * 0.5 * erfc(-x * 0.70710678118654752440);
}

static double gelu_tanh(double x) {
  return x * sigmoid(1.5957691216057307 * (x + 0.044715 * x * x * x));
}

static ctc_v swish_1_7(ctc_v x) {
  return ctc_swish_v(x, ctc_v_set(1.75f));
}

static double swish_exact(double x) {
  return x * sigmoid(1.75 * x);
}

static ctc_v elu_1_5(ctc_v x) {
  return ctc_elu_v(x, ctc_v_set(1.5f));
}

static double elu_exact(double x) {
  return x < 0 ? 1.5 * expm1(x) : x;
}

static ctc_v celu_1_5(ctc_v x) {
  return ctc_celu_v(x, ctc_v_set(1.5f));
}

static double celu_exact(double x) {
  return x < 0 ? 1.5 * expm1(x / 1.5) : x;
}

static ctc_v selu(ctc_v x) {
  return ctc_selu_v(x, ctc_v_set(1.5f), ctc_v_set(1.25f));
}

static double selu_exact(double x) {
  return 1.25 * elu_exact(x);
}

static ctc_v hardsigmoid(ctc_v x) {
  return ctc_hardsigmoid_v(x, ctc_v_set(0.25f), ctc_v_set(0.5f));
}

static double hardsigmoid_exact(double x) {
  double line = x * 0.25 + 0.5;
  return line < 0 ? 0 : line > 1 ? 1 : line;
}

static double hardswish_exact(double x) {
  double line = x / 6 + 0.5;
  return x * (line < 0 ? 0 : line > 1 ? 1 : line);
}

static const struct {
  const char *name;
  Unary vector;
  double (*exact)(double x);
  /* Greatest error in ulp; what is below `absolute` may be off by that. */
  double ulps, absolute;
} functions[] = {
    {"exp", ctc_exp_v, exp, 1.1, 0},
    {"expm1", ctc_expm1_v, expm1, 2, 0},
    {"log", ctc_log_v, log, 1.2, 0},
    {"sin", ctc_sin_v, sin, 2, 1e-9},
    {"cos", ctc_cos_v, cos, 2, 1e-9},
    {"tanh", ctc_tanh_v, tanh, 6, 0},
    {"erf", ctc_erf_v, erf, 6, 0},
    {"sigmoid", ctc_sigmoid_v, sigmoid, 2.5, 0},
    {"softplus", ctc_softplus_v, softplus, 3, 0},
    {"mish", ctc_mish_v, mish, 6, 1e-36},
    {"gelu", ctc_gelu_v, gelu, 3, 2e-7},
    {"gelutanh", ctc_gelutanh_v, gelu_tanh, 4, 6e-7},
    {"swish", swish_1_7, swish_exact, 4, 6e-7},
    {"elu", elu_1_5, elu_exact, 3, 0},
    {"celu", celu_1_5, celu_exact, 4, 0},
    {"selu", selu, selu_exact, 4, 0},
    {"hardsigmoid", hardsigmoid, hardsigmoid_exact, 1, 6e-8},
    {"hardswish", ctc_hardswish_v, hardswish_exact, 3, 6e-7},
};

static void test_functions(void **state) {
  (void)state;
  for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
    double worst = 0;
    for (uint32_t i = 0; i < number_count; i++) {
      float x = number_at(i), found = apply(functions[f].vector, x, (int)(i % CTC_LANES));
      double exact = functions[f].exact(x), error = ulps(found, exact);
      if (fabs(found - exact) <= functions[f].absolute) continue;
      if (error > worst) worst = error;
      if (error > functions[f].ulps)
        fail_msg("%s(%a) = %a, not %a: %.2f ulp", functions[f].name, x, found, exact, error);
    }
    if (getenv("VERBOSE")) print_message("%s: %.2f ulp\n", functions[f].name, worst);
  }
}

static double sigmoid_error(float found, float x, double *squares) {
  double error = fabs(found - sigmoid(x));
  *squares += error * error;
  return error;
}

/* Logits near 0, where the sum 1 + e^-x is rounded coarsely: rounding the result alone errs by up
 * to 1.5e-8 below 0 and 3e-8 above; the root of the mean square is 0.9e-8 and 1.7e-8. */
static void test_sigmoid_near_0(void **state) {
  (void)state;
  enum { COUNT = 100000 };
  for (int above = 0; above < 2; above++) {
    double worst = above ? 4.8e-8 : 3.3e-8, mean = above ? 2.1e-8 : 1.4e-8;
    double squares = 0, scalar_squares = 0;
    for (int i = 0; i < COUNT; i++) {
      float x = ((float)i + 0.5f) * 0.125f / COUNT * (above ? 1 : -1);
      float found = apply(ctc_sigmoid_v, x, i % CTC_LANES);
      assert_true(sigmoid_error(found, x, &squares) < worst);
      assert_true(sigmoid_error(ctc_sigmoid_f32(x), x, &scalar_squares) < worst);
    }
    assert_true(sqrt(squares / COUNT) < mean && sqrt(scalar_squares / COUNT) < mean);
  }
}

/* A probability or a sine above 1 would give NaN further on. */
static void test_bounds(void **state) {
  (void)state;
  for (uint32_t i = 0; i < number_count; i++) {
    float x = fabsf(number_at(i));
    if (x != x) continue;
    assert_true(apply(ctc_tanh_v, x, 0) <= 1 && apply(ctc_erf_v, x, 0) <= 1);
    assert_true(apply(ctc_sigmoid_v, x, 0) <= 1 && ctc_sigmoid_f32(x) <= 1);
  }
}

/* As the definitions have it: some of them are NaN at -infinity. */
static void test_infinities(void **state) {
  (void)state;
  static const float infinities[] = {INFINITY, -INFINITY, NAN};
  for (size_t i = 0; i < 3; i++) {
    float x = infinities[i];
    assert_true(same(apply(ctc_sigmoid_v, x, 0), ctc_sigmoid_f32(x)));
    assert_true(same(apply(ctc_gelutanh_v, x, 0), ctc_gelutanh_f32(x)));
    assert_true(same(apply(ctc_mish_v, x, 0), ctc_mish_f32(x)));
    assert_true(same(apply(ctc_softplus_v, x, 0), ctc_softplus_f32(x)));
    assert_true(same(apply(ctc_hardswish_v, x, 0), ctc_hardswish_f32(x)));
  }
}

/* --- parts of vectors, sums --- */

static void test_parts(void **state) {
  (void)state;
  float from[CTC_LANES], to[CTC_LANES + 1], sum = 0;
  for (int i = 0; i < CTC_LANES; i++) from[i] = (float)(i * i + 1);
  for (int count = 0; count <= CTC_LANES; count++) {
    for (int i = 0; i <= CTC_LANES; i++) to[i] = -1;
    ctc_v part = ctc_v_load_n(from, count);
    assert_true(ctc_v_sum(part) == sum);
    assert_true(ctc_v_largest(part) == (count ? from[count - 1] : 0));
    ctc_v_store_n(to, part, count);
    for (int i = 0; i <= CTC_LANES; i++) assert_true(to[i] == (i < count ? from[i] : -1));
    if (count < CTC_LANES) sum += from[count];
  }
}

static void test_gathered(void **state) {
  (void)state;
  float from[3 * CTC_LANES], lanes[CTC_LANES];
  ctc_bool truth[3 * CTC_LANES], back[CTC_LANES + 1];
  for (int i = 0; i < 3 * CTC_LANES; i++) from[i] = (float)i, truth[i] = i % 3 == 1 || i % 7 == 0;
  for (int count = 0; count <= CTC_LANES; count++) {
    ctc_v_store(lanes, ctc_v_gather(from, 3, count));
    for (int i = 0; i < CTC_LANES; i++) assert_true(lanes[i] == (i < count ? (float)(3 * i) : 0));
    for (int stride = 1; stride <= 3; stride += 2) {
      ctc_vi mask =
          stride == 1 ? ctc_vi_load_bool(truth, count) : ctc_vi_gather_bool(truth, stride, count);
      memset(back, 9, sizeof back);
      ctc_vi_store_bool(back, mask, count);
      for (int i = 0; i <= CTC_LANES; i++)
        assert_int_equal(back[i], i < count ? truth[i * stride] : 9);
    }
  }
}

/* Planes of all sizes around the squares that they are made of. */
static void test_transposed(void **state) {
  (void)state;
  enum { MOST = 2 * CTC_LANES + 1, WIDE = MOST + 2 };
  float x[MOST * WIDE], y[MOST * WIDE];
  for (int i = 0; i < MOST * WIDE; i++) x[i] = (float)i;
  for (int rows = 0; rows <= MOST; rows++)
    for (int columns = 0; columns <= MOST; columns++) {
      for (int i = 0; i < MOST * WIDE; i++) y[i] = -1;
      ctc_transpose_plane(x, WIDE, y, WIDE, 0, rows, 0, columns);
      for (int c = 0; c < MOST; c++)
        for (int r = 0; r < WIDE; r++)
          assert_true(y[c * WIDE + r] == (r < rows && c < columns ? x[r * WIDE + c] : -1));
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_exact_unary),   cmocka_unit_test(test_exact_binary),
      cmocka_unit_test(test_exact_ternary), cmocka_unit_test(test_masks),
      cmocka_unit_test(test_truth),         cmocka_unit_test(test_functions),
      cmocka_unit_test(test_bounds),        cmocka_unit_test(test_infinities),
      cmocka_unit_test(test_parts),         cmocka_unit_test(test_gathered),
      cmocka_unit_test(test_transposed),    cmocka_unit_test(test_sigmoid_near_0),
  };
  print_message("%d lanes\n", CTC_LANES);
  if (machine_has_them()) return cmocka_run_group_tests(tests, NULL, NULL);
  print_message("this machine has no registers of that width\n");
  return 0;
}
