/* test_blocks.c: kernels on blocked tensors (runtime/depthwise16.c, winograd.c, pool16.c,
 * resize16.c) against plain loops in double: random odd sizes, several images, halos, work cut in
 * two. What no kernel may use (channels that pad the last block, memory around the tensor) is NaN.
 * Built once for each vector width that the target has (see Makefile). */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "blocked_tensor.h"

enum { ROUNDS = 60 };

/* --- convolutions --- */

/* Tap sums of a convolution; weights [out, in, kh, kw]. */
typedef struct {
  ctc_dim in, kh, kw, sh, sw, dh, dw, pad_h, pad_w;
} Taps;

static double convolved(const Blocked *x, const float *w, const Taps *t, bool depthwise, ctc_dim n,
                        ctc_dim c, ctc_dim h, ctc_dim v) {
  double sum = 0;
  for (ctc_dim i = 0; i < t->in; i++)
    for (ctc_dim a = 0; a < t->kh; a++)
      for (ctc_dim b = 0; b < t->kw; b++)
        sum += (double)w[((c * t->in + i) * t->kh + a) * t->kw + b] *
               padded(x, n, depthwise ? c : i, h * t->sh + a * t->dh - t->pad_h,
                      v * t->sw + b * t->dw - t->pad_w);
  return sum;
}

static void check_convolved(const Blocked *y, const Blocked *x, const float *w, const Taps *t,
                            bool depthwise, const Extra *e, double tolerance) {
  for (ctc_dim n = 0; n < y->n; n++)
    for (ctc_dim c = 0; c < y->c; c++)
      for (ctc_dim h = 0; h < y->h; h++)
        for (ctc_dim v = 0; v < y->w; v++)
          check(*at(y, n, c, h, v),
                convolved(x, w, t, depthwise, n, c, h, v) + extra_at(e, n, c, h, v), tolerance);
  check_frame(y);
}

static void test_depthwise(void **state) {
  (void)state;
  for (int round = 0; round < ROUNDS; round++) {
    Taps t = {1,
              from_to(1, 9),
              from_to(1, 9),
              from_to(1, 3),
              from_to(1, 3),
              from_to(1, 2),
              from_to(1, 2),
              from_to(0, 3),
              from_to(0, 3)};
    if (round % 2) t.kh = t.kw = 3, t.dh = 1;
    ctc_dim oh = from_to(1, 7), ow = from_to(1, 30), halo_h = 3, halo_w = 3;
    ctc_dim reach_h = (oh - 1) * t.sh + (t.kh - 1) * t.dh + 1 - t.pad_h;
    ctc_dim reach_w = (ow - 1) * t.sw + (t.kw - 1) * t.dw + 1 - t.pad_w;
    Blocked x = random_blocked(from_to(1, 2), from_to(1, 40), ctc_max_dim(1, reach_h - halo_h),
                               ctc_max_dim(1, reach_w - halo_w), halo_h, halo_w);
    Blocked y = blocked(x.n, x.c, oh, ow, from_to(0, 1), from_to(0, 1));
    Extra e = extra_for(&y);
    float *w = numbers(x.c * t.kh * t.kw), *packed = numbers(x.blocks * t.kh * t.kw * 16);
    for (ctc_dim c = 0; c < x.c; c++)
      for (ctc_dim k = 0; k < t.kh * t.kw; k++)
        packed[(c / 16 * t.kh * t.kw + k) * 16 + c % 16] = w[c * t.kh * t.kw + k];
    ctc_dim units = x.n * x.blocks * oh, cut = from_to(0, units);
    for (int half = 0; half < 2; half++)
      ctc_depthwise16_f32(x.pixel - t.pad_h * x.row - t.pad_w * 16, packed, y.pixel,
                          EPILOGUES(round % 3 == 0), e.operands, x.blocks, oh, ow, t.kh, t.kw, t.sh,
                          t.sw, t.dh, t.dw, x.image, x.plane, x.row, y.image, y.plane, y.row,
                          half ? cut : 0, half ? units : cut);
    check_convolved(&y, &x, w, &t, true, &e, 2e-5);
    free(w), free(packed), free(x.memory), free(y.memory), free(e.other.memory), free(e.channels);
  }
}

static ctc_dim slice(ctc_dim elements) {
  return elements + 16;
}

static void test_winograd(void **state) {
  (void)state;
  for (int round = 0; round < ROUNDS; round++) {
    ctc_dim m = round % 2 ? 4 : 2, points = (m + 2) * (m + 2), tiles = from_to(1, 40);
    ctc_dim oh = from_to(1, 14), ow = from_to(1, 14), out = from_to(1, 70);
    Taps t = {from_to(1, 40), 3, 3, 1, 1, 1, 1, from_to(0, 2), from_to(0, 2)};
    ctc_dim h = oh + 2 - 2 * t.pad_h, w = ow + 2 - 2 * t.pad_w;
    if (h < 1 || w < 1) continue;
    Blocked x = random_blocked(from_to(1, 2), t.in, h, w, t.pad_h, t.pad_w);
    Blocked y = blocked(x.n, out, oh, ow, from_to(0, 1), from_to(0, 1));
    Extra e = extra_for(&y);
    float *weights = numbers(out * t.in * 9), *u = numbers(points * t.in * ((out + 31) / 32 * 32));
    ctc_pack_winograd_f32(weights, u, out, t.in, m);
    float *scratch = numbers(2 * points * (slice(x.blocks * tiles * 16) + slice(tiles * 32)));
    ctc_dim all = x.n * ((oh + m - 1) / m) * ((ow + m - 1) / m);
    ctc_dim units = (all + tiles - 1) / tiles * ((out + 31) / 32), cut = from_to(0, units);
    for (int half = 0; half < 2; half++)
      ctc_winograd16_f32(x.pixel - t.pad_h * x.row - t.pad_w * 16, u, y.pixel, scratch, add_both,
                         e.operands, m, x.n, t.in, out, oh, ow, tiles, x.image, x.plane, x.row,
                         y.image, y.plane, y.row, half, half ? cut : 0, half ? units : cut);
    check_convolved(&y, &x, weights, &t, false, &e, 1e-5 + 4e-7 * 9 * (double)t.in);
    free(weights), free(u), free(scratch), free(x.memory), free(y.memory);
    free(e.other.memory), free(e.channels);
  }
}

/* --- pools --- */

typedef struct {
  ctc_dim kernel[2], stride[2], dilation[2], pad[2], pad_end[2];
} Pool;

static double pooled(const Blocked *x, const Pool *p, bool max, bool count_padding, ctc_dim n,
                     ctc_dim c, ctc_dim h, ctc_dim w) {
  double best = -INFINITY, sum = 0;
  int taps = 0;
  for (ctc_dim a = 0; a < p->kernel[0]; a++)
    for (ctc_dim b = 0; b < p->kernel[1]; b++) {
      ctc_dim y = h * p->stride[0] + a * p->dilation[0] - p->pad[0];
      ctc_dim v = w * p->stride[1] + b * p->dilation[1] - p->pad[1];
      bool inside = y >= 0 && y < x->h && v >= 0 && v < x->w;
      bool in_padding = y < x->h + p->pad_end[0] && v < x->w + p->pad_end[1];
      if (inside) best = fmax(best, (double)*at(x, n, c, y, v));
      sum += padded(x, n, c, y, v);
      taps += count_padding ? in_padding : inside;
    }
  return max ? best : taps ? sum / taps : 0;
}

static void run_pool(const Blocked *x, const Blocked *y, const Pool *p, bool max,
                     bool count_padding, const Extra *e, ctc_dim first, ctc_dim last) {
  if (max)
    ctc_max_pool16_f32(x->pixel, y->pixel, add_both, e->operands, x->blocks, x->h, x->w, y->h, y->w,
                       p->kernel[0], p->kernel[1], p->stride[0], p->stride[1], p->dilation[0],
                       p->dilation[1], p->pad[0], p->pad[1], x->image, x->plane, x->row, y->image,
                       y->plane, y->row, first, last);
  else
    ctc_average_pool16_f32(x->pixel, y->pixel, add_both, e->operands, count_padding, x->blocks,
                           x->h, x->w, y->h, y->w, p->kernel[0], p->kernel[1], p->stride[0],
                           p->stride[1], p->dilation[0], p->dilation[1], p->pad[0], p->pad[1],
                           p->pad_end[0], p->pad_end[1], x->image, x->plane, x->row, y->image,
                           y->plane, y->row, first, last);
}

static void test_pools(void **state) {
  (void)state;
  for (int round = 0; round < 2 * ROUNDS; round++) {
    Pool p;
    bool max = round % 2, count_padding = from_to(0, 1);
    Blocked x = random_blocked(from_to(1, 2), from_to(1, 40), from_to(1, 12), from_to(1, 20),
                               from_to(0, 1), from_to(0, 1));
    ctc_dim size[2] = {x.h, x.w}, out[2];
    for (int i = 0; i < 2; i++) {
      p.kernel[i] = from_to(1, 5);
      p.stride[i] = from_to(1, 3);
      p.dilation[i] = from_to(1, 2);
      p.pad[i] = from_to(0, p.kernel[i] - 1);
      p.pad_end[i] = from_to(0, p.kernel[i] - 1);
      ctc_dim room = size[i] + p.pad[i] + p.pad_end[i] - ((p.kernel[i] - 1) * p.dilation[i] + 1);
      out[i] = room < 0 ? 1 : room / p.stride[i] + 1 + from_to(0, 1); /* as ceil_mode may */
    }
    Blocked y = blocked(x.n, x.c, out[0], out[1], from_to(0, 1), from_to(0, 1));
    Extra e = extra_for(&y);
    ctc_dim units = y.n * y.blocks * y.h, cut = from_to(0, units);
    run_pool(&x, &y, &p, max, count_padding, &e, 0, cut);
    run_pool(&x, &y, &p, max, count_padding, &e, cut, units);
    for (ctc_dim n = 0; n < y.n; n++)
      for (ctc_dim c = 0; c < y.c; c++)
        for (ctc_dim h = 0; h < y.h; h++)
          for (ctc_dim w = 0; w < y.w; w++) {
            double expected =
                pooled(&x, &p, max, count_padding, n, c, h, w) + extra_at(&e, n, c, h, w);
            if (isinf(expected)) /* an empty window */
              assert_true((double)*at(&y, n, c, h, w) == expected);
            else
              check(*at(&y, n, c, h, w), expected, 5e-6);
          }
    check_frame(&y);
    free(x.memory), free(y.memory), free(e.other.memory), free(e.channels);
  }
}

static void test_global_pools(void **state) {
  (void)state;
  for (int round = 0; round < ROUNDS; round++) {
    Blocked x = random_blocked(from_to(1, 2), from_to(1, 40), from_to(1, 12), from_to(1, 12),
                               from_to(0, 1), from_to(0, 1));
    Blocked y = blocked(x.n, x.c, 1, 1, 0, from_to(0, 1));
    Pool p = {.kernel = {x.h, x.w}, .stride = {1, 1}, .dilation = {1, 1}};
    Extra e = extra_for(&y);
    bool max = round % 2;
    ctc_dim units = x.n * x.blocks, cut = from_to(0, units);
    for (int half = 0; half < 2; half++)
      ctc_global_pool16_f32(x.pixel, y.pixel, add_both, e.operands, max, x.blocks, x.h, x.w,
                            x.image, x.plane, x.row, y.image, y.plane, half ? cut : 0,
                            half ? units : cut);
    for (ctc_dim n = 0; n < y.n; n++)
      for (ctc_dim c = 0; c < y.c; c++)
        check(*at(&y, n, c, 0, 0),
              pooled(&x, &p, max, false, n, c, 0, 0) + extra_at(&e, n, c, 0, 0), 1e-5);
    check_frame(&y);
    free(x.memory), free(y.memory), free(e.other.memory), free(e.channels);
  }
}

/* --- resize --- */

/* A table of random taps; weights NULL: one tap that counts as it is. */
static int64_t *random_table(ctc_dim in, ctc_dim out, ctc_dim taps, float **weights) {
  int64_t *index = malloc((size_t)(out * taps) * sizeof *index);
  assert_non_null(index);
  for (ctc_dim i = 0; i < out * taps; i++) index[i] = from_to(0, in - 1);
  *weights = taps == 1 ? NULL : numbers(out * taps);
  return index;
}

static void test_resize(void **state) {
  (void)state;
  for (int round = 0; round < ROUNDS; round++) {
    float *weight[2];
    ctc_dim taps = round % 2 ? 1 : from_to(2, 4);
    Blocked x = random_blocked(from_to(1, 2), from_to(1, 40), from_to(1, 9), from_to(1, 9),
                               from_to(0, 1), from_to(0, 1));
    Blocked y = blocked(x.n, x.c, from_to(1, 12), from_to(1, 12), from_to(0, 1), from_to(0, 1));
    Extra e = extra_for(&y);
    int64_t *index[2] = {random_table(x.h, y.h, taps, &weight[0]),
                         random_table(x.w, y.w, taps, &weight[1])};
    ctc_dim units = y.n * y.blocks * y.h, cut = from_to(0, units);
    for (int half = 0; half < 2; half++)
      ctc_resize16_f32(x.pixel, index[0], weight[0], index[1], weight[1], y.pixel, add_both,
                       e.operands, y.blocks, y.h, y.w, taps, taps, x.image, x.plane, x.row, y.image,
                       y.plane, y.row, half ? cut : 0, half ? units : cut);
    for (ctc_dim n = 0; n < y.n; n++)
      for (ctc_dim c = 0; c < y.c; c++)
        for (ctc_dim h = 0; h < y.h; h++)
          for (ctc_dim w = 0; w < y.w; w++) {
            double sum = extra_at(&e, n, c, h, w);
            for (ctc_dim a = 0; a < taps; a++)
              for (ctc_dim b = 0; b < taps; b++)
                sum += (double)*at(&x, n, c, index[0][h * taps + a], index[1][w * taps + b]) *
                       (taps == 1 ? 1 : (double)weight[0][h * taps + a] * weight[1][w * taps + b]);
            check(*at(&y, n, c, h, w), sum, 5e-6);
          }
    check_frame(&y);
    for (int i = 0; i < 2; i++) free(index[i]), free(weight[i]);
    free(x.memory), free(y.memory), free(e.other.memory), free(e.channels);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_depthwise), cmocka_unit_test(test_winograd),
      cmocka_unit_test(test_pools),     cmocka_unit_test(test_global_pools),
      cmocka_unit_test(test_resize),
  };
  if (!machine_has_them()) return 0;
  srand(1);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
