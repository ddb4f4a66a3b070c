/* sample.c: reading images at positions that are data: GridSample, RoiAlign, MaxRoiPool. */

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
    w[t] = count == 1   ? 1
           : count == 2 ? 1 - far
                        : ($T)ctc_resize_weight((float)far, mode, (float)a);
  }
  return count;
}

/* GridSample: x [n, channels, in], grid [n, out, axes] with the last axis of the data first, y [n,
 * channels, out]. `in` and `out` have three sizes (2-D: a leading 1), axes is 2 or 3. */
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

/* The plane x [height, width] at (h, w), bilinear; 0 outside. If `largest`, the largest of the four
 * weighted pixels instead of their sum. */
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

/* RoiAlign: x [images, channels, height, width], rois [count, 4] as (x1, y1, x2, y2), y [count,
 * channels, out_h, out_w]: the mean (or maximum) over sampling * sampling points of each bin;
 * sampling 0 chooses as many as the bin has pixels. */
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
          $T v =
              ctc_roi_sample_$t(plane, height, width, h + (($T)i + ($T)0.5) * bin_h / ($T)points_h,
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

/* Bounds of bin i of `bins` of a roi of `size` pixels that begins at `start`, cut to [0, limit). */
static inline void ctc_roi_bin_$t(ctc_dim i, ctc_dim bins, ctc_dim start, ctc_dim size,
                                  ctc_dim limit, ctc_dim *first, ctc_dim *last) {
  $T width = ($T)size / ($T)bins;
  *first = (ctc_dim)floor((double)(($T)i * width)) + start;
  *last = (ctc_dim)ceil((double)(($T)(i + 1) * width)) + start;
  *first = *first < 0 ? 0 : *first > limit ? limit : *first;
  *last = *last < 0 ? 0 : *last > limit ? limit : *last;
}

/* MaxRoiPool: x [images, channels, height, width], rois [count, 5] as (image, x1, y1, x2, y2), y
 * [count, channels, out_h, out_w]: the largest pixel of each bin, 0 for an empty one. */
static int ctc_max_roi_pool_$t(const $T *x, const $T *rois, $T *y, ctc_dim images, ctc_dim channels,
                               ctc_dim height, ctc_dim width, ctc_dim count, ctc_dim out_h,
                               ctc_dim out_w, double spatial_scale) {
  ctc_dim edge[4], top, bottom, left, right;
  for (ctc_dim r = 0; r < count; r++) {
    const $T *roi = rois + 5 * r;
    ctc_dim image = (ctc_dim)roi[0];
    if (!(roi[0] >= 0) || image >= images) return CTC_BAD_INDEX;
    for (int i = 0; i < 4; i++)
      edge[i] = (ctc_dim)floor((double)(roi[1 + i] * ($T)spatial_scale) + 0.5);
    ctc_dim wide = edge[2] - edge[0] + 1, high = edge[3] - edge[1] + 1;
    for (ctc_dim at = 0; at < channels * out_h * out_w; at++) {
      const $T *plane = x + (image * channels + at / (out_h * out_w)) * height * width;
      ctc_roi_bin_$t(at / out_w % out_h, out_h, edge[1], high < 1 ? 1 : high, height, &top,
                     &bottom);
      ctc_roi_bin_$t(at % out_w, out_w, edge[0], wide < 1 ? 1 : wide, width, &left, &right);
      $T best = top < bottom && left < right ? plane[top * width + left] : 0;
      for (ctc_dim h = top; h < bottom; h++)
        for (ctc_dim w = left; w < right; w++)
          best = plane[h * width + w] > best ? plane[h * width + w] : best;
      y[r * channels * out_h * out_w + at] = best;
    }
  }
  return CTC_OK;
}
//$ end

/* --- CropAndResize --- */

//$ for t in f32 f64
/* Where place `i` of `n` lies between `begin` and `end` (0 and 1 are the outermost of `size` pixels);
 * one place alone lies in the middle. */
static inline $T ctc_crop_place_$t(ctc_dim i, ctc_dim n, $T begin, $T end, ctc_dim size) {
  $T wide = ($T)(size - 1);
  if (n <= 1) return ($T)0.5 * (begin + end) * wide;
  return begin * wide + ($T)i * ((end - begin) * wide / ($T)(n - 1));
}

/* The pixel at (h, w), of four neighbours or the nearest one. */
static inline $T ctc_crop_pixel_$t(const $T *plane, ctc_dim width, $T h, $T w, ctc_dim linear) {
  if (!linear) return plane[(ctc_dim)(h + ($T)0.5) * width + (ctc_dim)(w + ($T)0.5)];
  ctc_dim top = (ctc_dim)h, left = (ctc_dim)w;
  $T down = h - ($T)top, right = w - ($T)left;
  const $T *above = plane + top * width + left, *below = down > 0 ? above + width : above;
  ctc_dim next = right > 0 ? 1 : 0;
  $T upper = above[0] + (above[next] - above[0]) * right;
  $T lower = below[0] + (below[next] - below[0]) * right;
  return upper + (lower - upper) * down;
}

/* y [rois, channels, out_h, out_w]: of box (y1, x1, y2, x2) r the pixels of image images[r] of x [n,
 * channels, height, width]; `outside` where there are none. */
static int ctc_crop_and_resize_$t(const $T *x, const $T *boxes, const int64_t *images, $T *y,
                                  ctc_dim n, ctc_dim channels, ctc_dim height, ctc_dim width,
                                  ctc_dim rois, ctc_dim out_h, ctc_dim out_w, ctc_dim linear,
                                  double outside) {
  for (ctc_dim r = 0; r < rois; r++, boxes += 4) {
    if (images[r] < 0 || images[r] >= n) return CTC_BAD_INDEX;
    const $T *image = x + images[r] * channels * height * width;
    for (ctc_dim at = 0; at < channels * out_h * out_w; at++, y++) {
      const $T *plane = image + at / (out_h * out_w) * height * width;
      $T h = ctc_crop_place_$t(at / out_w % out_h, out_h, boxes[0], boxes[2], height);
      $T w = ctc_crop_place_$t(at % out_w, out_w, boxes[1], boxes[3], width);
      int inside = h >= 0 && h <= ($T)(height - 1) && w >= 0 && w <= ($T)(width - 1);
      *y = inside ? ctc_crop_pixel_$t(plane, width, h, w, linear) : ($T)outside;
    }
  }
  return CTC_OK;
}
//$ end
