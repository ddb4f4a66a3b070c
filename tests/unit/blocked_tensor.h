/* blocked_tensor.h: tensors in blocks of 16 channels for the tests of kernels: random numbers
 * inside, zeros around the planes, NaN where no kernel may look; and an epilogue that uses all of
 * its arguments. */
#ifndef CTC_TESTS_BLOCKED_TENSOR_H
#define CTC_TESTS_BLOCKED_TENSOR_H

#include "vector_test.h"

enum { GUARD = 64 };

/* A blocked tensor with zeros around its planes. */
typedef struct {
  ctc_dim n, c, h, w, halo_h, halo_w;
  ctc_dim blocks, image, plane, row, count;
  float *memory, *pixel; /* with the guards; pixel (0, 0) */
} Blocked;

static inline ctc_dim from_to(ctc_dim low, ctc_dim high) {
  return low + rand() % (high - low + 1);
}

static inline float number(void) {
  return (float)(rand() % 2001 - 1000) / 1000.0f;
}

static inline float *numbers(ctc_dim count) {
  float *p = malloc((size_t)(count + 1) * sizeof *p);
  assert_non_null(p);
  for (ctc_dim i = 0; i < count; i++) p[i] = number();
  return p;
}

static inline float *at(const Blocked *t, ctc_dim n, ctc_dim c, ctc_dim h, ctc_dim w) {
  return t->pixel + (n * t->image + c / 16 * t->plane + h * t->row + w * 16 + c % 16);
}

static inline Blocked blocked(ctc_dim n, ctc_dim c, ctc_dim h, ctc_dim w, ctc_dim halo_h,
                              ctc_dim halo_w) {
  Blocked t = {.n = n, .c = c, .h = h, .w = w, .halo_h = halo_h, .halo_w = halo_w};
  t.blocks = (c + 15) / 16;
  t.row = (w + 2 * halo_w) * 16;
  t.plane = (h + 2 * halo_h) * t.row;
  t.image = t.blocks * t.plane;
  t.count = n * t.image;
  t.memory = malloc((size_t)(t.count + 2 * GUARD) * sizeof(float));
  assert_non_null(t.memory);
  for (ctc_dim i = 0; i < t.count + 2 * GUARD; i++) t.memory[i] = NAN;
  t.pixel = t.memory + GUARD + halo_h * t.row + halo_w * 16;
  for (ctc_dim i = 0; i < n; i++)
    for (ctc_dim k = 0; k < c; k++)
      for (ctc_dim y = -halo_h; y < h + halo_h; y++)
        for (ctc_dim x = -halo_w; x < w + halo_w; x++) *at(&t, i, k, y, x) = 0;
  return t;
}

static inline Blocked random_blocked(ctc_dim n, ctc_dim c, ctc_dim h, ctc_dim w, ctc_dim halo_h,
                                     ctc_dim halo_w) {
  Blocked t = blocked(n, c, h, w, halo_h, halo_w);
  for (ctc_dim i = 0; i < n; i++)
    for (ctc_dim k = 0; k < c; k++)
      for (ctc_dim y = 0; y < h; y++)
        for (ctc_dim x = 0; x < w; x++) *at(&t, i, k, y, x) = number();
  return t;
}

/* An element of x, 0 outside of it. */
static inline double padded(const Blocked *x, ctc_dim n, ctc_dim c, ctc_dim h, ctc_dim w) {
  bool inside = h >= 0 && h < x->h && w >= 0 && w < x->w;
  return inside ? (double)*at(x, n, c, h, w) : 0;
}

static inline void check(float value, double expected, double tolerance) {
  if (!(fabs((double)value - expected) <= tolerance))
    fail_msg("%.9g instead of %.9g", (double)value, expected);
}

/* Nothing was written around y's planes. */
static inline void check_frame(const Blocked *y) {
  for (int i = 0; i < GUARD; i++) {
    assert_true(isnan(y->memory[i]));
    assert_true(isnan(y->memory[GUARD + y->count + i]));
  }
  for (ctc_dim n = 0; n < y->n; n++)
    for (ctc_dim c = 0; c < y->c; c++)
      for (ctc_dim h = -y->halo_h; h < y->h + y->halo_h; h++)
        for (ctc_dim w = -y->halo_w; w < y->w + y->halo_w; w++)
          if (h < 0 || h >= y->h || w < 0 || w >= y->w) assert_true(*at(y, n, c, h, w) == 0);
}

/* An epilogue: value + operand at the same place + number of its channel. */
static inline ctc_v add_both(ctc_v value, const float *const *operands, ctc_dim place,
                             ctc_dim channel, int count) {
  return value + ctc_v_load_n(operands[0] + place, count) +
         ctc_v_load_n(operands[1] + channel, count);
}

/* What add_both reads, for a result like y. */
typedef struct {
  Blocked other;
  float *channels;
  const float *operands[2];
} Extra;

static inline Extra extra_for(const Blocked *y) {
  Extra e = {.other = random_blocked(y->n, y->c, y->h, y->w, y->halo_h, y->halo_w)};
  e.channels = numbers(y->blocks * 16);
  e.operands[0] = e.other.pixel;
  e.operands[1] = e.channels;
  return e;
}

static inline double extra_at(const Extra *e, ctc_dim n, ctc_dim c, ctc_dim h, ctc_dim w) {
  return (double)*at(&e->other, n, c, h, w) + (double)e->channels[c];
}

#endif
