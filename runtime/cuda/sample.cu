/* sample.cu: reading images at positions that are data: GridSample, RoiAlign, MaxRoiPool. A thread
 * a result. */

//$ for t in f32 f64
static ctc_dim ctc_grid_sample_$t_blocks(ctc_dim n, ctc_dim channels, const ctc_dim *out) {
  return ctc_blocks_for(n * channels * out[0] * out[1] * out[2], CTC_TEAM_THREADS);
}

/* at, w [4]: pixels and weights of an axis at position x; returns how many there are. As
 * runtime/sample.c has it, with sizes as wide as they are here. */
CTC_DEVICE int ctc_sample_taps_$t($T x, ctc_dim n, ctc_dim mode, ctc_dim align_corners,
                                  ctc_dim padding, double a, ctc_dim *at, $T *w) {
  const int count = mode == CTC_RESIZE_NEAREST ? 1 : mode == CTC_RESIZE_LINEAR ? 2 : 4;
  if (mode != CTC_RESIZE_CUBIC) x = ctc_grid_pad_$t(x, n, align_corners, padding);
  if (!(x > ($T)-1e9 && x < ($T)1e9)) x = ($T)-1e6;
  const $T base = count == 1 ? ctc_round_$t(x) : ctc_floor_$t(x);
#pragma unroll
  for (int t = 0; t < 4; t++) {
    const ctc_dim step = t - (count == 4);
    const $T off = x - base - ($T)step, far = off < 0 ? -off : off;
    at[t] = t < count ? (ctc_dim)ctc_grid_pixel_$t((ctc_dim)base + step, n, align_corners, padding)
                      : (ctc_dim)-1;
    w[t] = count == 1   ? ($T)1
           : count == 2 ? 1 - far
                        : ($T)ctc_resize_weight((float)far, mode, (float)a);
  }
  return count;
}

/* GridSample: x [n, channels, in], grid [n, out, axes] with the last axis of the data first, y [n,
 * channels, out]. `in` and `out` have three sizes (2-D: a leading 1), axes is 2 or 3. */
CTC_DEVICE void ctc_grid_sample_$t(const $T *x, const $T *grid, $T *y, ctc_dim n, ctc_dim channels,
                                   ctc_dim axes, ctc_dim mode, ctc_dim padding,
                                   ctc_dim align_corners, double cubic_a, const ctc_dim *in,
                                   const ctc_dim *out) {
  const ctc_dim in_size = in[0] * in[1] * in[2], out_size = out[0] * out[1] * out[2];
  const ctc_dim result = ctc_thread_of(CTC_TEAM_THREADS), plane = result / out_size;
  if (result >= n * channels * out_size) return;
  const $T *g = grid + (plane / channels * out_size + result % out_size) * axes;
  ctc_dim at[3][4] = {{0}};
  $T w[3][4] = {{1}}, sum = 0;
  int count[3] = {1, 1, 1};
#pragma unroll
  for (int k = 0; k < 3; k++) {
    if (k >= axes) continue;
    const $T position = ctc_grid_position_$t(g[k], in[2 - k], align_corners);
    count[2 - k] = ctc_sample_taps_$t(position, in[2 - k], mode, align_corners, padding, cubic_a,
                                      at[2 - k], w[2 - k]);
  }
  x += plane * in_size;
#pragma unroll
  for (int i = 0; i < 4; i++)
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
      for (int k = 0; k < 4; k++)
        if (i < count[0] && j < count[1] && k < count[2] && at[0][i] >= 0 && at[1][j] >= 0 &&
            at[2][k] >= 0)
          sum += w[0][i] * w[1][j] * w[2][k] * x[(at[0][i] * in[1] + at[1][j]) * in[2] + at[2][k]];
  y[result] = sum;
}

static ctc_dim ctc_roi_align_$t_blocks(ctc_dim channels, ctc_dim count, ctc_dim out_h,
                                       ctc_dim out_w) {
  return ctc_blocks_for(count * channels * out_h * out_w, CTC_TEAM_THREADS);
}

/* RoiAlign: x [images, channels, height, width], rois [count, 4] as (x1, y1, x2, y2), y [count,
 * channels, out_h, out_w]: the mean (or maximum) over sampling * sampling points of each bin;
 * sampling 0 chooses as many as the bin has pixels. */
CTC_DEVICE void ctc_roi_align_$t(const $T *x, const $T *rois, const int64_t *images, $T *y,
                                 ctc_dim image_count, ctc_dim channels, ctc_dim height,
                                 ctc_dim width, ctc_dim count, ctc_dim out_h, ctc_dim out_w,
                                 ctc_dim sampling, ctc_dim maximum, ctc_dim half_pixel,
                                 double spatial_scale, int *status) {
  const ctc_dim at = ctc_thread_of(CTC_TEAM_THREADS);
  if (at >= count * channels * out_h * out_w) return;
  const ctc_dim r = at / (channels * out_h * out_w), channel = at / (out_h * out_w) % channels;
  const $T scale = ($T)spatial_scale, off = half_pixel ? ($T)0.5 : ($T)0;
  const $T *roi = rois + 4 * r;
  if (images[r] < 0 || images[r] >= image_count) {
    *status = CTC_BAD_INDEX;
    return;
  }
  const $T left = roi[0] * scale - off, top = roi[1] * scale - off;
  $T wide = roi[2] * scale - off - left, high = roi[3] * scale - off - top, sum = 0;
  if (!half_pixel) {
    wide = wide < 1 ? ($T)1 : wide;
    high = high < 1 ? ($T)1 : high;
  }
  const $T bin_h = high / ($T)out_h, bin_w = wide / ($T)out_w;
  const ctc_dim points_h = sampling > 0 ? sampling : (ctc_dim)ctc_ceil_$t(bin_h);
  const ctc_dim points_w = sampling > 0 ? sampling : (ctc_dim)ctc_ceil_$t(bin_w);
  const ctc_dim points = points_h * points_w > 0 ? points_h * points_w : 1;
  const $T *plane = x + ((ctc_dim)images[r] * channels + channel) * height * width;
  const $T h = top + ($T)(at / out_w % out_h) * bin_h, w = left + ($T)(at % out_w) * bin_w;
  for (ctc_dim i = 0; i < points_h; i++) {
    for (ctc_dim j = 0; j < points_w; j++) {
      const $T v =
          ctc_roi_sample_$t(plane, height, width, h + (($T)i + ($T)0.5) * bin_h / ($T)points_h,
                            w + (($T)j + ($T)0.5) * bin_w / ($T)points_w, maximum);
      if (!maximum)
        sum += v;
      else if ((i == 0 && j == 0) || v > sum)
        sum = v;
    }
  }
  y[at] = maximum ? sum : sum / ($T)points;
}

/* The end of a bin of a roi in pixels, cut to [0, limit]. */
CTC_DEVICE ctc_dim ctc_roi_edge_$t($T edge, ctc_dim start, ctc_dim limit) {
  const ctc_dim at = (ctc_dim)edge + start;
  return at < 0 ? 0 : at > limit ? limit : at;
}

static ctc_dim ctc_max_roi_pool_$t_blocks(ctc_dim channels, ctc_dim count, ctc_dim out_h,
                                          ctc_dim out_w) {
  return ctc_blocks_for(count * channels * out_h * out_w, CTC_TEAM_THREADS);
}

/* MaxRoiPool: x [images, channels, height, width], rois [count, 5] as (image, x1, y1, x2, y2), y
 * [count, channels, out_h, out_w]: the largest pixel of each bin, 0 for an empty one. */
CTC_DEVICE void ctc_max_roi_pool_$t(const $T *x, const $T *rois, $T *y, ctc_dim images,
                                    ctc_dim channels, ctc_dim height, ctc_dim width, ctc_dim count,
                                    ctc_dim out_h, ctc_dim out_w, double spatial_scale,
                                    int *status) {
  const ctc_dim at = ctc_thread_of(CTC_TEAM_THREADS);
  if (at >= count * channels * out_h * out_w) return;
  const ctc_dim r = at / (channels * out_h * out_w), channel = at / (out_h * out_w) % channels;
  const $T *roi = rois + 5 * r;
  if (!(roi[0] >= 0) || !(roi[0] < ($T)images)) {
    *status = CTC_BAD_INDEX;
    return;
  }
  ctc_dim edge[4];
  for (int i = 0; i < 4; i++)
    edge[i] = (ctc_dim)floor((double)(roi[1 + i] * ($T)spatial_scale) + 0.5);
  const ctc_dim wide = edge[2] - edge[0] + 1, high = edge[3] - edge[1] + 1;
  const $T bin_w = ($T)(wide < 1 ? 1 : wide) / ($T)out_w;
  const $T bin_h = ($T)(high < 1 ? 1 : high) / ($T)out_h;
  const ctc_dim row = at / out_w % out_h, column = at % out_w;
  const ctc_dim top = ctc_roi_edge_$t(ctc_floor_$t(($T)row * bin_h), edge[1], height);
  const ctc_dim bottom = ctc_roi_edge_$t(ctc_ceil_$t(($T)(row + 1) * bin_h), edge[1], height);
  const ctc_dim left = ctc_roi_edge_$t(ctc_floor_$t(($T)column * bin_w), edge[0], width);
  const ctc_dim right = ctc_roi_edge_$t(ctc_ceil_$t(($T)(column + 1) * bin_w), edge[0], width);
  const $T *plane = x + ((ctc_dim)roi[0] * channels + channel) * height * width;
  $T best = top < bottom && left < right ? plane[top * width + left] : ($T)0;
  for (ctc_dim h = top; h < bottom; h++)
    for (ctc_dim w = left; w < right; w++)
      best = plane[h * width + w] > best ? plane[h * width + w] : best;
  y[at] = best;
}
//$ end
