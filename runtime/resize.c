/* resize.c: Resize and Upsample, one axis at a time.
 *
 * Resizing an axis takes two steps: a table says for each output position which inputs it blends
 * and with which weights, then all rows are blended by that table. */

/* How inputs are blended. */
enum { CTC_RESIZE_NEAREST, CTC_RESIZE_LINEAR, CTC_RESIZE_CUBIC };

/* How an output position maps to an input position. */
enum {
  CTC_RESIZE_ASYMMETRIC,
  CTC_RESIZE_HALF_PIXEL,
  CTC_RESIZE_PYTORCH_HALF_PIXEL,
  CTC_RESIZE_ALIGN_CORNERS,
  CTC_RESIZE_TF_CROP,
  CTC_RESIZE_HALF_PIXEL_SYMMETRIC,
  CTC_RESIZE_TF_HALF_PIXEL
};

/* How CTC_RESIZE_NEAREST rounds; the last one is floor for upsampling and ceil for downsampling. */
enum {
  CTC_NEAREST_PREFER_FLOOR,
  CTC_NEAREST_PREFER_CEIL,
  CTC_NEAREST_FLOOR,
  CTC_NEAREST_CEIL,
  CTC_NEAREST_SIMPLE
};

/* Position in an input of `in` elements of element o of an output of `out`, which is scale * in
 * rounded. roi: begin and end of the part that CTC_RESIZE_TF_CROP takes, as fractions. */
static inline float ctc_resize_position(ctc_dim o, float scale, float in, float out,
                                        ctc_dim coordinate, const float *roi) {
  float at = (float)o, wide = scale * in;
  switch (coordinate) {
  case CTC_RESIZE_HALF_PIXEL: return (at + 0.5f) / scale - 0.5f;
  case CTC_RESIZE_PYTORCH_HALF_PIXEL: return out > 1.0f ? (at + 0.5f) / scale - 0.5f : 0.0f;
  case CTC_RESIZE_ALIGN_CORNERS: return wide > 1.0f ? at * (in - 1.0f) / (wide - 1.0f) : 0.0f;
  case CTC_RESIZE_TF_CROP:
    if (out > 1.0f)
      return roi[0] * (in - 1.0f) + at * (roi[1] - roi[0]) * (in - 1.0f) / (out - 1.0f);
    return 0.5f * (roi[0] + roi[1]) * (in - 1.0f);
  case CTC_RESIZE_HALF_PIXEL_SYMMETRIC:
    return in / 2.0f * (1.0f - out / wide) + (at + 0.5f) / scale - 0.5f;
  case CTC_RESIZE_TF_HALF_PIXEL: return (at + 0.5f) / scale;
  default: return at / scale;
  }
}

static inline ctc_dim ctc_resize_nearest(float x, float scale, ctc_dim rounding) {
  switch (rounding) {
  case CTC_NEAREST_PREFER_FLOOR: return (ctc_dim)ceilf(x - 0.5f);
  case CTC_NEAREST_PREFER_CEIL: return (ctc_dim)floorf(x + 0.5f);
  case CTC_NEAREST_FLOOR: return (ctc_dim)floorf(x);
  case CTC_NEAREST_CEIL: return (ctc_dim)ceilf(x);
  default: return (ctc_dim)(scale < 1.0f ? ceilf(x) : floorf(x));
  }
}

/* Weight of an input at distance x: a triangle, or Keys' cubic with parameter a. */
static inline float ctc_resize_weight(float x, ctc_dim mode, float a) {
  x = fabsf(x);
  if (mode == CTC_RESIZE_LINEAR) return x < 1.0f ? 1.0f - x : 0.0f;
  if (x <= 1.0f) return ((a + 2.0f) * x - (a + 3.0f)) * x * x + 1.0f;
  return x < 2.0f ? ((a * x - 5.0f * a) * x + 8.0f * a) * x - 4.0f * a : 0.0f;
}

static inline ctc_dim ctc_clamp_index(ctc_dim i, ctc_dim n) {
  return i < 0 ? 0 : i < n ? i : n - 1;
}

/* index, weight [taps]: the inputs around position x. `shrink` < 1 widens the filter
 * (antialiasing). Weights of what lies outside are 0 if exclude_outside; otherwise the edge counts
 * instead. */
static inline void ctc_resize_taps(float x, int64_t *index, float *weight, ctc_dim in, ctc_dim taps,
                                   ctc_dim mode, float shrink, float a, int normalise,
                                   ctc_dim exclude_outside) {
  float base = floorf(x), sum = 0.0f;
  for (ctc_dim t = 0; t < taps; t++) {
    ctc_dim step = t - (taps / 2 - 1), at = (ctc_dim)base + step;
    weight[t] = ctc_resize_weight(((float)step - (x - base)) * shrink, mode, a);
    if (exclude_outside && (at < 0 || at >= in)) weight[t] = 0.0f;
    index[t] = ctc_clamp_index(at, in);
    sum += weight[t];
  }
  if (normalise && sum != 0.0f)
    for (ctc_dim t = 0; t < taps; t++) weight[t] /= sum;
}

/* sizes [count]: in[i] * scales[i], rounded down. A scale that is not positive is an error. */
static int ctc_resize_sizes(const float *scales, int64_t *sizes, ctc_dim count, const ctc_dim *in) {
  for (ctc_dim i = 0; i < count; i++) {
    float size = (float)in[i] * scales[i];
    if (!(scales[i] > 0.0f) || size > 1e12f) return CTC_BAD_SHAPE;
    sizes[i] = (int64_t)size;
  }
  return CTC_OK;
}

/* index, weight [out, taps] of an axis. The scale is scales[number] or, if scales is null, `scale`
 * or, if that is 0, p / q. roi: begin of the crop on each of `axes` axes, then the ends; or null. A
 * first index of -1 marks an output that lies outside of the crop. weight is null for
 * CTC_RESIZE_NEAREST, whose taps are 1. */
static void ctc_resize_table(const float *roi, const float *scales, int64_t *index, float *weight,
                             ctc_dim in, ctc_dim out, ctc_dim taps, ctc_dim number, ctc_dim axes,
                             double scale, ctc_dim p, ctc_dim q, ctc_dim mode, ctc_dim coordinate,
                             ctc_dim rounding, double cubic_a, ctc_dim antialias,
                             ctc_dim exclude_outside) {
  float factor = scales        ? scales[number]
                 : scale > 0.0 ? (float)scale
                               : (float)p / (float)q,
        part[2] = {0.0f, 1.0f};
  float shrink = antialias && factor < 1.0f ? factor : 1.0f;
  if (roi) {
    part[0] = roi[number];
    part[1] = roi[axes + number];
  }
  for (ctc_dim o = 0; o < out; o++, index += taps) {
    float x = ctc_resize_position(o, factor, (float)in, (float)out, coordinate, part);
    if (mode == CTC_RESIZE_NEAREST) {
      index[0] = ctc_clamp_index(ctc_resize_nearest(x, factor, rounding), in);
    } else {
      ctc_resize_taps(x, index, weight + o * taps, in, taps, mode, shrink, (float)cubic_a,
                      antialias || exclude_outside, exclude_outside);
    }
    if (coordinate == CTC_RESIZE_TF_CROP && (x < 0.0f || x > (float)(in - 1))) index[0] = -1;
  }
}

//$ for t in f32 f64
/* y [outer, out, inner] from x [outer, in, inner] by a table; where index[…][0] is -1, y is
 * `outside`. */
static void ctc_resize_blend_$t(const $T *CTC_RESTRICT x, const int64_t *index, const float *weight,
                                $T *CTC_RESTRICT y, ctc_dim outer, ctc_dim in, ctc_dim out,
                                ctc_dim inner, ctc_dim taps, double outside) {
  for (ctc_dim row = 0; row < outer * out; row++, y += inner) {
    const int64_t *at = index + row % out * taps;
    const float *w = weight + row % out * taps;
    const $T *from = x + row / out * in * inner;
    if (at[0] < 0) {
      for (ctc_dim i = 0; i < inner; i++) y[i] = ($T)outside;
    } else if (taps == 2) {
      const $T *a = from + at[0] * inner, *b = from + at[1] * inner;
      $T u = ($T)w[0], v = ($T)w[1];
      for (ctc_dim i = 0; i < inner; i++) y[i] = u * a[i] + v * b[i];
    } else {
      for (ctc_dim i = 0; i < inner; i++) y[i] = 0;
      for (ctc_dim t = 0; t < taps; t++)
        for (ctc_dim i = 0; i < inner; i++) y[i] += ($T)w[t] * from[at[t] * inner + i];
    }
  }
}
//$ end

//$ for t in f32 f64 f16 bf16 i8 i16 i32 i64 u8 u16 u32 u64 bool
/* Likewise for CTC_RESIZE_NEAREST: each row is a copy. */
static void ctc_resize_pick_$t(const $T *x, const int64_t *index, $T *y, ctc_dim outer, ctc_dim in,
                               ctc_dim out, ctc_dim inner, double outside) {
  for (ctc_dim row = 0; row < outer * out; row++, y += inner) {
    ctc_dim at = index[row % out];
    const $T *from = x + (row / out * in + at) * inner;
    if (at < 0) {
      for (ctc_dim i = 0; i < inner; i++) y[i] = ($T)outside;
    } else if (inner == 1) {
      y[0] = from[0];
    } else {
      memcpy(y, from, (size_t)inner * sizeof *y);
    }
  }
}
//$ end
