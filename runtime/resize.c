/* resize.c: Resize and Upsample one axis at a time, GridSample, and RoiAlign.
 *
 * Resizing an axis takes two steps: a table says for each output position which inputs it blends and with which weights, then all
 * rows are blended by that table. */

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
enum { CTC_NEAREST_PREFER_FLOOR, CTC_NEAREST_PREFER_CEIL, CTC_NEAREST_FLOOR, CTC_NEAREST_CEIL, CTC_NEAREST_SIMPLE };

/* Position in an input of `in` elements of element o of an output of `out`, which is scale * in rounded. roi: begin and end of the part that
 * CTC_RESIZE_TF_CROP takes, as fractions. */
static inline float ctc_resize_position(ctc_dim o, float scale, float in, float out,
                                        ctc_dim coordinate, const float *roi) {
  float at = (float)o, wide = scale * in;
  switch (coordinate) {
  case CTC_RESIZE_HALF_PIXEL: return (at + 0.5f) / scale - 0.5f;
  case CTC_RESIZE_PYTORCH_HALF_PIXEL: return out > 1.0f ? (at + 0.5f) / scale - 0.5f : 0.0f;
  case CTC_RESIZE_ALIGN_CORNERS:
    return wide > 1.0f ? at * (in - 1.0f) / (wide - 1.0f) : 0.0f;
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

static inline ctc_dim ctc_clamp_index(ctc_dim i, ctc_dim n) { return i < 0 ? 0 : i < n ? i : n - 1; }

/* index, weight [taps]: the inputs around position x. `shrink` < 1 widens the filter (antialiasing). Weights of what lies
 * outside are 0 if exclude_outside; otherwise the edge counts instead. */
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

/* index, weight [out, taps] of an axis. The scale is scales[number] or, if scales is null, `scale` or, if that is 0, p / q. roi: begin of the crop on each of
 * `axes` axes, then the ends; or null. A first index of -1 marks an output that lies outside of the crop. weight is null for
 * CTC_RESIZE_NEAREST, whose taps are 1. */
static void ctc_resize_table(const float *roi, const float *scales, int64_t *index, float *weight,
                             ctc_dim in, ctc_dim out, ctc_dim taps, ctc_dim number, ctc_dim axes,
                             double scale, ctc_dim p, ctc_dim q,
                             ctc_dim mode, ctc_dim coordinate,
                             ctc_dim rounding, double cubic_a, ctc_dim antialias,
                             ctc_dim exclude_outside) {
  float factor = scales ? scales[number] : scale > 0.0 ? (float)scale : (float)p / (float)q,
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
/* y [outer, out, inner] from x [outer, in, inner] by a table; where index[…][0] is -1, y is `outside`. */
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

/* How GridSample treats positions outside of the data. */
enum { CTC_GRID_ZEROS, CTC_GRID_BORDER, CTC_GRID_REFLECTION };

//$ for t in f32 f64
/* x mirrored at low and high until it lies between them. */
static inline $T ctc_grid_reflect_$t($T x, $T low, $T high) {
  $T range = high - low;
  if (range <= 0) return low;
  $T turns, off = x < low ? low - x : x > high ? x - high : 0;
  if (off <= 0) return x;
  turns = ($T)floor((double)(off / range));
  off -= turns * range;
  int even = fmod((double)turns, 2.0) < 0.5;
  return x < low ? (even ? low + off : high - off) : (even ? high - off : low + off);
}

/* A position in pixels, of g in [-1, 1], on an axis of n pixels. */
static inline $T ctc_grid_position_$t($T g, ctc_dim n, ctc_dim align_corners) {
  return align_corners ? (g + 1) / 2 * ($T)(n - 1) : ((g + 1) * ($T)n - 1) / 2;
}

/* The position where padding mode finds data; for CTC_GRID_ZEROS as it is. */
static inline $T ctc_grid_pad_$t($T x, ctc_dim n, ctc_dim align_corners, ctc_dim padding) {
  $T low = align_corners ? 0 : ($T)-0.5, high = align_corners ? ($T)(n - 1) : ($T)n - ($T)0.5;
  if (padding == CTC_GRID_REFLECTION) x = ctc_grid_reflect_$t(x, low, high);
  if (padding != CTC_GRID_ZEROS) x = x < 0 ? 0 : x > ($T)(n - 1) ? ($T)(n - 1) : x;
  return x;
}

/* The pixel that stands for i, or -1 for zero. */
static inline ctc_dim ctc_grid_pixel_$t(ctc_dim i, ctc_dim n, ctc_dim align_corners,
                                        ctc_dim padding) {
  if (i >= 0 && i < n) return i;
  if (padding == CTC_GRID_ZEROS) return -1;
  return ctc_clamp_index((ctc_dim)ctc_grid_pad_$t(($T)i, n, align_corners, padding), n);
}

/* at, w [4]: pixels and weights of an axis at position x; returns how many there are. */
static inline int ctc_grid_taps_$t($T x, ctc_dim n, ctc_dim mode, ctc_dim align_corners,
                                   ctc_dim padding, double a, ctc_dim *at, $T *w) {
  int count = mode == CTC_RESIZE_NEAREST ? 1 : mode == CTC_RESIZE_LINEAR ? 2 : 4;
  if (mode != CTC_RESIZE_CUBIC) x = ctc_grid_pad_$t(x, n, align_corners, padding);
  if (!(x > -1e9 && x < 1e9)) x = -1e6;
  $T base = count == 1 ? ($T)rint((double)x) : ($T)floor((double)x);
  for (int t = 0; t < count; t++) {
    ctc_dim step = t - (count == 4);
    $T off = x - base - ($T)step, far = off < 0 ? -off : off;
    at[t] = ctc_grid_pixel_$t((ctc_dim)base + step, n, align_corners, padding);
    w[t] = count == 1 ? 1 : count == 2 ? 1 - far : ($T)ctc_resize_weight((float)far, mode, (float)a);
  }
  return count;
}

/* GridSample: x [n, channels, in], grid [n, out, axes] with the last axis of the data first, y [n, channels, out]. `in` and `out` have three
 * sizes (2-D: a leading 1), axes is 2 or 3. */
static void ctc_grid_sample_$t(const $T *x, const $T *grid, $T *y, ctc_dim n, ctc_dim channels,
                               ctc_dim axes, ctc_dim mode, ctc_dim padding, ctc_dim align_corners,
                               double cubic_a, const ctc_dim *in, const ctc_dim *out) {
  ctc_dim in_size = in[0] * in[1] * in[2], out_size = out[0] * out[1] * out[2];
  for (ctc_dim p = 0; p < n * out_size; p++) {
    ctc_dim at[3][4] = {{0}}, image = p / out_size;
    $T w[3][4] = {{1}};
    int count[3] = {1, 1, 1};
    for (ctc_dim k = 0; k < axes; k++) {
      $T position = ctc_grid_position_$t(grid[p * axes + k], in[2 - k], align_corners);
      count[2 - k] = ctc_grid_taps_$t(position, in[2 - k], mode, align_corners, padding, cubic_a,
                                      at[2 - k], w[2 - k]);
    }
    for (ctc_dim c = image * channels; c < (image + 1) * channels; c++) {
      $T sum = 0;
      for (int i = 0; i < count[0]; i++)
        for (int j = 0; j < count[1]; j++)
          for (int k = 0; k < count[2]; k++)
            if (at[0][i] >= 0 && at[1][j] >= 0 && at[2][k] >= 0)
              sum += w[0][i] * w[1][j] * w[2][k] *
                     x[c * in_size + (at[0][i] * in[1] + at[1][j]) * in[2] + at[2][k]];
      y[c * out_size + p % out_size] = sum;
    }
  }
}

/* The plane x [height, width] at (h, w), bilinear; 0 outside. If `largest`, the largest of the four weighted pixels instead of their sum. */
static inline $T ctc_roi_sample_$t(const $T *x, ctc_dim height, ctc_dim width, $T h, $T w,
                                   ctc_dim largest) {
  if (h < -1 || h > ($T)height || w < -1 || w > ($T)width) return 0;
  h = h < 0 ? 0 : h;
  w = w < 0 ? 0 : w;
  ctc_dim top = (ctc_dim)h, left = (ctc_dim)w;
  if (top >= height - 1) h = ($T)(top = height - 1);
  if (left >= width - 1) w = ($T)(left = width - 1);
  ctc_dim below = top + 1 < height ? top + 1 : top, right = left + 1 < width ? left + 1 : left;
  $T v = h - ($T)top, u = w - ($T)left;
  $T part[4];
  part[0] = (1 - v) * (1 - u) * x[top * width + left];
  part[1] = (1 - v) * u * x[top * width + right];
  part[2] = v * (1 - u) * x[below * width + left];
  part[3] = v * u * x[below * width + right];
  if (!largest) return part[0] + part[1] + part[2] + part[3];
  $T best = part[0];
  for (int i = 1; i < 4; i++) best = part[i] > best ? part[i] : best;
  return best;
}

/* RoiAlign: x [images, channels, height, width], rois [count, 4] as (x1, y1, x2, y2), y [count, channels, out_h, out_w]: the mean (or maximum) over
 * sampling * sampling points of each bin; sampling 0 chooses as many as the bin has pixels. */
static int ctc_roi_align_$t(const $T *x, const $T *rois, const int64_t *images, $T *y,
                            ctc_dim image_count, ctc_dim channels, ctc_dim height, ctc_dim width,
                            ctc_dim count, ctc_dim out_h, ctc_dim out_w, ctc_dim sampling,
                            ctc_dim maximum, ctc_dim half_pixel, double spatial_scale) {
  $T scale = ($T)spatial_scale, off = half_pixel ? ($T)0.5 : 0;
  for (ctc_dim r = 0; r < count; r++) {
    const $T *roi = rois + 4 * r;
    if (images[r] < 0 || images[r] >= image_count) return CTC_BAD_INDEX;
    $T left = roi[0] * scale - off, top = roi[1] * scale - off;
    $T wide = roi[2] * scale - off - left, high = roi[3] * scale - off - top;
    if (!half_pixel) {
      wide = wide < 1 ? 1 : wide;
      high = high < 1 ? 1 : high;
    }
    $T bin_h = high / ($T)out_h, bin_w = wide / ($T)out_w;
    ctc_dim points_h = sampling > 0 ? sampling : (ctc_dim)ceil((double)bin_h);
    ctc_dim points_w = sampling > 0 ? sampling : (ctc_dim)ceil((double)bin_w);
    ctc_dim points = points_h * points_w > 0 ? points_h * points_w : 1;
    for (ctc_dim at = 0; at < channels * out_h * out_w; at++) {
      const $T *plane = x + (images[r] * channels + at / (out_h * out_w)) * height * width;
      $T h = top + ($T)(at / out_w % out_h) * bin_h, w = left + ($T)(at % out_w) * bin_w, sum = 0;
      for (ctc_dim i = 0; i < points_h; i++) {
        for (ctc_dim j = 0; j < points_w; j++) {
          $T v = ctc_roi_sample_$t(plane, height, width,
                                   h + (($T)i + ($T)0.5) * bin_h / ($T)points_h,
                                   w + (($T)j + ($T)0.5) * bin_w / ($T)points_w, maximum);
          if (!maximum)
            sum += v;
          else if ((i == 0 && j == 0) || v > sum)
            sum = v;
        }
      }
      y[r * channels * out_h * out_w + at] = maximum ? sum : sum / ($T)points;
    }
  }
  return CTC_OK;
}
//$ end
