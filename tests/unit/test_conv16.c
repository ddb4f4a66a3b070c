/* test_conv16.c: the direct convolutions of runtime/conv16.c against plain loops in double: random
 * odd sizes, groups, several images, halos, work cut in two, and sizes that are literals, as in
 * emitted programs. Built once for each vector width that the target has (see Makefile). */
#include "blocked_tensor.h"

enum { ROUNDS = 80, HALO = 8 };

/* A convolution; channels of a group. `transposed` ones spread the input. */
typedef struct {
  bool transposed;
  ctc_dim groups, joined, in, out, kh, kw, sh, sw, dh, dw, pad_h, pad_w;
} Conv;

static Conv random_conv(bool transposed) {
  static const ctc_dim small[] = {2, 4, 8};
  Conv c = {.transposed = transposed, .groups = 1, .joined = 1};
  c.in = from_to(1, 70), c.out = from_to(1, 70);
  c.kh = from_to(1, 4), c.kw = from_to(1, 4);
  c.sh = from_to(1, 3), c.sw = from_to(1, 3);
  c.dh = from_to(1, 2), c.dw = from_to(1, 2);
  c.pad_h = from_to(0, c.kh - 1), c.pad_w = from_to(0, c.kw - 1);
  int kind = (int)from_to(0, 3);
  if (kind == 1) c.groups = from_to(2, 3), c.in = 16 * from_to(1, 2), c.out = 16 * from_to(1, 3);
  if (kind == 2) {
    c.joined = small[from_to(0, 2)], c.groups = 2 * c.joined;
    c.in = 16 / c.joined, c.out = c.in * from_to(1, 2);
  }
  if (kind == 3) c.kh = c.kw = c.sh = c.sw = 1, c.pad_h = c.pad_w = 0;
  return c;
}

static float *weights_of(const Conv *c) {
  return numbers(c->groups * c->in * c->out * c->kh * c->kw);
}

/* The product of tap (a, b) of output (h, w), channels o and i of group g. */
static double product(const Conv *c, const Blocked *x, const float *weights, ctc_dim n, ctc_dim g,
                      ctc_dim o, ctc_dim i, ctc_dim a, ctc_dim b, ctc_dim h, ctc_dim w) {
  ctc_dim y = h * c->sh + a * c->dh - c->pad_h, v = w * c->sw + b * c->dw - c->pad_w;
  ctc_dim row = (g * c->out + o) * c->in + i;
  if (c->transposed) {
    y = h + c->pad_h - a * c->dh, v = w + c->pad_w - b * c->dw;
    if (y % c->sh != 0 || v % c->sw != 0) return 0;
    y /= c->sh, v /= c->sw;
    row = (g * c->in + i) * c->out + o;
  }
  return padded(x, n, g * c->in + i, y, v) * (double)weights[(row * c->kh + a) * c->kw + b];
}

static double expected(const Conv *c, const Blocked *x, const float *weights, ctc_dim n, ctc_dim o,
                       ctc_dim h, ctc_dim w) {
  double sum = 0;
  for (ctc_dim i = 0; i < c->in; i++)
    for (ctc_dim a = 0; a < c->kh; a++)
      for (ctc_dim b = 0; b < c->kw; b++)
        sum += product(c, x, weights, n, o / c->out, o % c->out, i, a, b, h, w);
  return sum;
}

static void check_results(const Conv *c, const Blocked *x, const float *weights, const Blocked *y,
                          const Extra *e) {
  for (ctc_dim n = 0; n < y->n; n++)
    for (ctc_dim o = 0; o < y->c; o++)
      for (ctc_dim h = 0; h < y->h; h++)
        for (ctc_dim w = 0; w < y->w; w++)
          check(*at(y, n, o, h, w), expected(c, x, weights, n, o, h, w) + extra_at(e, n, o, h, w),
                1e-4);
  check_frame(y);
}

/* Rows or columns of an input for `out` outputs. */
static ctc_dim input_size(ctc_dim out, ctc_dim kernel, ctc_dim stride, ctc_dim dilation,
                          ctc_dim pad) {
  return ctc_max_dim(1, (out - 1) * stride + (kernel - 1) * dilation + 1 - 2 * pad);
}

static Blocked input_for(const Conv *c, ctc_dim oh, ctc_dim ow) {
  bool bare = c->kh == 1 && c->kw == 1 && rand() % 2;
  return random_blocked(
      from_to(1, 2), c->groups * c->in, input_size(oh, c->kh, c->sh, c->dh, c->pad_h),
      input_size(ow, c->kw, c->sw, c->dw, c->pad_w), bare ? 0 : HALO, bare ? 0 : HALO);
}

static ctc_dim weight_blocks(const Conv *c) {
  return c->groups / c->joined * ctc_conv_blocks(c->joined * c->out) *
         ctc_conv_blocks(c->joined * c->in) * c->kh * c->kw * 256;
}

static ctc_dim pairs_of(const Conv *c) {
  return c->groups / c->joined * ((ctc_conv_blocks(c->joined * c->out) + 1) / 2);
}

static void release(Blocked *x, Blocked *y, Extra *e, float *weights, float *packed) {
  free(x->memory), free(y->memory), free(e->other.memory), free(e->channels);
  free(weights), free(packed);
}

/* --- blocked to blocked --- */

static void run_direct(const Conv *c, const Blocked *x, const float *packed, const Blocked *y,
                       const Extra *e, bool by_rows, ctc_dim rows, ctc_dim first, ctc_dim last) {
  ctc_conv16_f32(x->pixel - c->pad_h * x->row - c->pad_w * 16, packed, y->pixel, EPILOGUES(by_rows),
                 e->operands, x->n, c->groups / c->joined, c->joined * c->in, c->joined * c->out,
                 y->h, y->w, c->kh, c->kw, c->sh, c->sw, c->dh, c->dw, rows, x->image, x->plane,
                 x->row, y->image, y->plane, y->row, first, last);
}

static void check_direct(const Conv *c, ctc_dim oh, ctc_dim ow, bool by_rows) {
  ctc_dim rows = from_to(1, oh);
  Blocked x = input_for(c, oh, ow);
  Blocked y = blocked(x.n, c->groups * c->out, oh, ow, from_to(0, 1), from_to(0, 1));
  Extra e = extra_for(&y);
  float *weights = weights_of(c), *packed = numbers(weight_blocks(c));
  ctc_pack_conv16_f32(weights, packed, c->groups, c->out, c->in, c->kh * c->kw, c->joined);
  ctc_dim units = x.n * pairs_of(c) * ((oh + rows - 1) / rows), cut = from_to(0, units);
  run_direct(c, &x, packed, &y, &e, by_rows, rows, cut, units);
  run_direct(c, &x, packed, &y, &e, by_rows, rows, 0, cut);
  check_results(c, &x, weights, &y, &e);
  release(&x, &y, &e, weights, packed);
}

static void test_direct(void **state) {
  (void)state;
  for (int round = 0; round < ROUNDS; round++) {
    Conv c = random_conv(false);
    ctc_dim oh = from_to(1, 9), ow = from_to(1, 40);
    check_direct(&c, oh, ow, round % 3 == 0);
  }
}

/* One pixel, in some rounds of so many channels that the sums are set aside. */
static void test_lone_pixel(void **state) {
  (void)state;
  for (int round = 0; round < ROUNDS; round++) {
    Conv c = random_conv(false);
    if (round % 4 == 0 && c.groups == 1) c.in = from_to(500, 2500), c.out = from_to(1, 40);
    check_direct(&c, 1, 1, round % 3 == 0);
  }
}

/* 3x3 on 40 channels to 48, sizes as literals: `h` x `w` outputs, of a vector's tile several rows,
 * one row, a part of one, and a lone pixel. */
#define LITERAL(h, w)                                                                              \
  static void literal_##h##x##w(const Blocked *x, const float *packed, const Blocked *y,           \
                                const Extra *e) {                                                  \
    ctc_conv16_f32(x->pixel - x->row - 16, packed, y->pixel, add_both, NULL, e->operands, 1, 1,    \
                   40, 48, h, w, 3, 3, 1, 1, 1, 1, h, 3 * (h + 16) * (w + 16) * 16,                \
                   (h + 16) * (w + 16) * 16, (w + 16) * 16, 3 * h * w * 16, h * w * 16, w * 16, 0, \
                   2);                                                                             \
  }
LITERAL(7, 7)
LITERAL(3, 10)
LITERAL(2, 29)
LITERAL(1, 1)

static void test_literal_sizes(void **state) {
  static const struct {
    ctc_dim h, w;
    void (*run)(const Blocked *x, const float *packed, const Blocked *y, const Extra *e);
  } rows[] = {
      {7, 7, literal_7x7}, {3, 10, literal_3x10}, {2, 29, literal_2x29}, {1, 1, literal_1x1}};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    Conv c = {false, 1, 1, 40, 48, 3, 3, 1, 1, 1, 1, 1, 1};
    Blocked x = random_blocked(1, c.in, rows[i].h, rows[i].w, HALO, HALO);
    Blocked y = blocked(1, c.out, rows[i].h, rows[i].w, 0, 0);
    Extra e = extra_for(&y);
    float *weights = weights_of(&c), *packed = numbers(weight_blocks(&c));
    ctc_pack_conv16_f32(weights, packed, 1, c.out, c.in, 9, 1);
    rows[i].run(&x, packed, &y, &e);
    check_results(&c, &x, weights, &y, &e);
    release(&x, &y, &e, weights, packed);
  }
}

/* --- row-major to blocked --- */

/* x as planes with zeros around them: `top` rows, `left` columns, and as many at the end. */
static float *padded_planes(const Blocked *x, ctc_dim top, ctc_dim left) {
  ctc_dim h = x->h + 2 * top, w = x->w + 2 * left, planes = x->n * x->c, cut = planes * h / 3;
  float *dense = numbers(planes * x->h * x->w), *result = numbers(planes * h * w);
  for (ctc_dim p = 0; p < planes; p++)
    for (ctc_dim i = 0; i < x->h * x->w; i++)
      dense[p * x->h * x->w + i] = *at(x, p / x->c, p % x->c, i / x->w, i % x->w);
  ctc_pad_planes_f32(dense, result, x->h, x->w, top, left, h, w, cut, planes * h);
  ctc_pad_planes_f32(dense, result, x->h, x->w, top, left, h, w, 0, cut);
  free(dense);
  return result;
}

static void test_stem(void **state) {
  (void)state;
  for (int round = 0; round < ROUNDS; round++) {
    Conv c = random_conv(false);
    c.groups = c.joined = 1, c.in = from_to(1, 6);
    bool lone = round % 4 == 0;
    ctc_dim oh = lone ? 1 : from_to(1, 9), ow = lone ? 1 : from_to(1, 40), rows = from_to(1, oh);
    Blocked x = input_for(&c, oh, ow);
    Blocked y = blocked(x.n, c.out, oh, ow, from_to(0, 1), from_to(0, 1));
    Extra e = extra_for(&y);
    ctc_dim taps = c.in * c.kh * c.kw, w = x.w + 2 * HALO, plane = (x.h + 2 * HALO) * w;
    float *weights = weights_of(&c), *packed = numbers(y.blocks * taps * 16);
    float *planes = padded_planes(&x, HALO, HALO);
    ctc_pack_conv_stem_f32(weights, packed, c.out, taps);
    ctc_dim units = x.n * pairs_of(&c) * ((oh + rows - 1) / rows), cut = from_to(0, units);
    for (int half = 0; half < 2; half++)
      ctc_conv_stem_f32(planes + (HALO - c.pad_h) * w + HALO - c.pad_w, packed, y.pixel,
                        EPILOGUES(round % 3 == 0), e.operands, x.n, c.in, c.out, oh, ow, c.kh, c.kw,
                        c.sh, c.sw, c.dh, c.dw, rows, c.in * plane, plane, w, y.image, y.plane,
                        y.row, half ? cut : 0, half ? units : cut);
    check_results(&c, &x, weights, &y, &e);
    free(planes);
    release(&x, &y, &e, weights, packed);
  }
}

/* --- transposed --- */

static void run_transposed(const Conv *c, const Blocked *x, const float *packed, const Blocked *y,
                           const Extra *e, bool by_rows, ctc_dim first, ctc_dim last) {
  ctc_conv_transpose16_f32(x->pixel, packed, y->pixel, EPILOGUES(by_rows), e->operands, x->n,
                           c->groups / c->joined, c->joined * c->in, c->joined * c->out, y->h, y->w,
                           c->kh, c->kw, c->sh, c->sw, c->dh, c->dw, c->pad_h, c->pad_w, x->image,
                           x->plane, x->row, y->image, y->plane, y->row, first, last);
}

static void test_transposed(void **state) {
  (void)state;
  for (int round = 0; round < ROUNDS; round++) {
    Conv c = random_conv(true);
    ctc_dim h = from_to(1, 6), w = from_to(1, 20);
    ctc_dim oh = (h - 1) * c.sh - 2 * c.pad_h + (c.kh - 1) * c.dh + from_to(1, c.sh);
    ctc_dim ow = (w - 1) * c.sw - 2 * c.pad_w + (c.kw - 1) * c.dw + from_to(1, c.sw);
    if (oh < 1 || ow < 1) continue;
    Blocked x = random_blocked(from_to(1, 2), c.groups * c.in, h, w, HALO, HALO);
    Blocked y = blocked(x.n, c.groups * c.out, oh, ow, from_to(0, 1), from_to(0, 1));
    Extra e = extra_for(&y);
    float *weights = weights_of(&c), *packed = numbers(weight_blocks(&c));
    ctc_pack_conv_transpose16_f32(weights, packed, c.groups, c.out, c.in, c.joined, c.kh, c.kw,
                                  c.sh, c.sw, c.dh, c.dw, c.pad_h, c.pad_w);
    ctc_dim units = x.n * pairs_of(&c) * c.sh * c.sw, cut = from_to(0, units);
    run_transposed(&c, &x, packed, &y, &e, round % 3 == 0, cut, units);
    run_transposed(&c, &x, packed, &y, &e, round % 3 == 0, 0, cut);
    check_results(&c, &x, weights, &y, &e);
    release(&x, &y, &e, weights, packed);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_direct),        cmocka_unit_test(test_lone_pixel),
      cmocka_unit_test(test_literal_sizes), cmocka_unit_test(test_stem),
      cmocka_unit_test(test_transposed),
  };
  if (!machine_has_them()) return 0;
  srand(1);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
