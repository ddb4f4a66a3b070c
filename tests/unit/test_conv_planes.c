/* test_conv_planes.c: the convolutions of runtime/conv_planes.c, from row-major to row-major,
 * against plain loops in double: random sizes around the tile's, groups, several images, work cut
 * in two, and sizes that are literals. Built once for each vector width (see Makefile). */
#include "blocked_tensor.h"

enum { ROUNDS = 150 };

/* A convolution; channels of a group. */
typedef struct {
  ctc_dim n, groups, in, out, oh, ow, kh, kw, sh, dh, dw;
} Conv;

static Conv random_conv(void) {
  Conv c = {.n = from_to(1, 2), .groups = from_to(1, 3)};
  c.in = from_to(1, 5), c.out = rand() % 2 ? from_to(1, 8) : from_to(1, 19);
  c.kh = from_to(1, 3), c.kw = rand() % 4 ? from_to(1, 3) : from_to(1, 20);
  c.sh = from_to(1, 3);
  c.dh = from_to(1, 2), c.dw = from_to(1, 2);
  c.oh = from_to(1, 4), c.ow = rand() % 2 ? from_to(1, 20) : from_to(1, 150);
  return c;
}

/* The size of an input plane. */
static ctc_dim height_of(const Conv *c) {
  return (c->oh - 1) * c->sh + (c->kh - 1) * c->dh + 1;
}

static ctc_dim width_of(const Conv *c) {
  return c->ow - 1 + (c->kw - 1) * c->dw + 1;
}

static double product(const Conv *c, const float *x, const float *w, ctc_dim n, ctc_dim o,
                      ctc_dim i, ctc_dim tap, ctc_dim h, ctc_dim v) {
  ctc_dim g = o / c->out, a = tap / c->kw, b = tap % c->kw, plane = height_of(c) * width_of(c);
  const float *from = x + ((n * c->groups + g) * c->in + i) * plane;
  return (double)from[(h * c->sh + a * c->dh) * width_of(c) + v + b * c->dw] *
         (double)w[(o * c->in + i) * c->kh * c->kw + tap];
}

/* value + what is at the same place + the number of its channel */
static ctc_v add_planes(ctc_v value, const float *const *operands, ctc_dim at, ctc_dim channel,
                        int count) {
  assert_true(count >= 1 && count <= CTC_LANES);
  return value + ctc_v_load_n(operands[0] + at, count) + ctc_v_set(operands[1][channel]);
}

typedef void (*Runner)(const Conv *c, const float *x, const float *packed, float *y,
                       const float *const *operands, ctc_dim first, ctc_dim last);

static void run_any(const Conv *c, const float *x, const float *packed, float *y,
                    const float *const *operands, ctc_dim first, ctc_dim last) {
  ctc_conv_planes_f32(x, packed, y, add_planes, operands, c->groups, c->in, c->out, c->oh, c->ow,
                      c->kh, c->kw, c->sh, c->dh, c->dw, height_of(c) * width_of(c), width_of(c),
                      first, last);
}

static void check_conv(const Conv *c, Runner run) {
  ctc_dim taps = c->kh * c->kw, channels = c->groups * c->out, plane = c->oh * c->ow;
  ctc_dim count = c->n * channels * plane;
  float *x = numbers(c->n * c->groups * c->in * height_of(c) * width_of(c));
  float *w = numbers(channels * c->in * taps), *packed = numbers(channels * c->in * taps);
  float *other = numbers(count), *bias = numbers(channels), *y = numbers(count + 2 * GUARD);
  const float *operands[] = {other, bias};
  ctc_pack_conv_planes_f32(w, packed, c->groups, c->out, c->in * taps);
  for (ctc_dim i = 0; i < count + 2 * GUARD; i++) y[i] = NAN;
  ctc_dim units = c->n * c->groups * c->oh;
  ctc_dim cut = from_to(0, units);
  run(c, x, packed, y + GUARD, operands, cut, units);
  run(c, x, packed, y + GUARD, operands, 0, cut);
  for (ctc_dim i = 0; i < count; i++) {
    double sum = (double)other[i] + (double)bias[i / plane % channels];
    for (ctc_dim k = 0; k < c->in * taps; k++)
      sum += product(c, x, w, i / plane / channels, i / plane % channels, k / taps, k % taps,
                     i % plane / c->ow, i % c->ow);
    check(y[GUARD + i], sum, 1e-4);
  }
  for (int i = 0; i < GUARD; i++) assert_true(isnan(y[i]) && isnan(y[GUARD + count + i]));
  free(x), free(w), free(packed), free(other), free(bias), free(y);
}

static void test_random(void **state) {
  (void)state;
  for (int round = 0; round < ROUNDS; round++) {
    Conv c = random_conv();
    check_conv(&c, run_any);
  }
}

/* 3 channels to OUT, 3x5, rows of 77: literals, as in emitted programs. */
#define LITERAL(out)                                                                               \
  static void plain_##out(const Conv *c, const float *x, const float *packed, float *y,            \
                          const float *const *operands, ctc_dim first, ctc_dim last) {             \
    (void)c;                                                                                       \
    ctc_conv_planes_f32(x, packed, y, add_planes, operands, 1, 3, out, 4, 77, 3, 5, 1, 1, 1, 486,  \
                        81, first, last);                                                          \
  }
LITERAL(1)
LITERAL(2)
LITERAL(8)
LITERAL(11)

static void test_literal_sizes(void **state) {
  static const struct {
    ctc_dim out;
    Runner run;
  } rows[] = {{1, plain_1}, {2, plain_2}, {8, plain_8}, {11, plain_11}};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    Conv c = {1, 1, 3, rows[i].out, 4, 77, 3, 5, 1, 1, 1};
    check_conv(&c, rows[i].run);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random),
      cmocka_unit_test(test_literal_sizes),
  };
  if (!machine_has_them()) return 0;
  srand(1);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
