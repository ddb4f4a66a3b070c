/* normalization.c: kernels that shift and scale by statistics of the data.
 *
 * Means and variances take two passes; 1 / sqrt(variance + epsilon) is rounded once. Sums of rows
 * run in eight partial sums, which the C compiler can keep in vectors; those of f32 are in
 * normalization_fast.c. */

//$ for t in f64
/* ((p0 + p4) + (p2 + p6)) + ((p1 + p5) + (p3 + p7)) */
static inline $T ctc_norm_join_$t(const $T *p) {
  return ((p[0] + p[4]) + (p[2] + p[6])) + ((p[1] + p[5]) + (p[3] + p[7]));
}

/* Sum of x[n]. */
static inline $T ctc_norm_sum_$t(const $T *x, ctc_dim n) {
  $T part[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  ctc_dim i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; k++) part[k] += x[i + k];
  for (i = n - n % 8; i < n; i++) part[i % 8] += x[i];
  return ctc_norm_join_$t(part);
}

/* Sum of (x[n] - mean)^2. */
static inline $T ctc_norm_squares_$t(const $T *x, $T mean, ctc_dim n) {
  $T part[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  ctc_dim i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; k++) part[k] += (x[i + k] - mean) * (x[i + k] - mean);
  for (i = n - n % 8; i < n; i++) part[i % 8] += (x[i] - mean) * (x[i] - mean);
  return ctc_norm_join_$t(part);
}

/* y[i] = x[i] * factor + shift */
static inline void ctc_norm_apply_$t(const $T *CTC_RESTRICT x, $T *CTC_RESTRICT y, $T factor,
                                     $T shift, ctc_dim n) {
  for (ctc_dim i = 0; i < n; i++) y[i] = x[i] * factor + shift;
}

/* y[i] = (x[i] - mean) * factor * scale[i] + bias[i]; scale and bias may be null. */
static inline void ctc_norm_row_$t(const $T *CTC_RESTRICT x, const $T *CTC_RESTRICT scale,
                                   const $T *CTC_RESTRICT bias, $T *CTC_RESTRICT y, $T mean,
                                   $T factor, ctc_dim n) {
  for (ctc_dim i = 0; i < n; i++)
    y[i] = (x[i] - mean) * factor * (scale ? scale[i] : 1) + (bias ? bias[i] : 0);
}

//$ end
//$ for t in f32 f64
/* x, y [n, channels, inner]: y = (x - mean) / sqrt(variance + epsilon) * scale + bias, each of
 * [channels]. */
static void ctc_batch_norm_$t(const $T *x, const $T *scale, const $T *bias, const $T *mean,
                              const $T *variance, $T *y, ctc_dim n, ctc_dim channels, ctc_dim inner,
                              double epsilon) {
  for (ctc_dim row = 0; row < n * channels; row++) {
    ctc_dim c = row % channels;
    $T factor = scale[c] / ($T)sqrt((double)(variance[c] + ($T)epsilon));
    ctc_norm_apply_$t(x + row * inner, y + row * inner, factor, bias[c] - mean[c] * factor, inner);
  }
}

/* mean and variance [channels] of x [n, channels, inner]. */
static void ctc_batch_statistics_$t(const $T *x, $T *mean, $T *variance, ctc_dim n,
                                    ctc_dim channels, ctc_dim inner) {
  for (ctc_dim c = 0; c < channels; c++) {
    $T sum = 0, squares = 0;
    for (ctc_dim i = 0; i < n; i++) sum += ctc_norm_sum_$t(x + (i * channels + c) * inner, inner);
    mean[c] = sum / ($T)(n * inner);
    for (ctc_dim i = 0; i < n; i++)
      squares += ctc_norm_squares_$t(x + (i * channels + c) * inner, mean[c], inner);
    variance[c] = squares / ($T)(n * inner);
  }
}

/* x, y [n, groups, channels, inner], each of n * groups parts normalised: y = (x - mean) /
 * sqrt(variance + epsilon) * scale + bias. scale and bias are [groups, channels], or [groups] if
 * by_group. The parts are units of work. */
static CTC_KERNEL void ctc_group_norm_$t(const $T *x, const $T *scale, const $T *bias, $T *y,
                                         ctc_dim n, ctc_dim groups, ctc_dim channels, ctc_dim inner,
                                         ctc_dim by_group, double epsilon, ctc_dim first,
                                         ctc_dim last) {
  ctc_dim size = channels * inner;
  (void)n;
  for (ctc_dim part = first; part < last; part++) {
    const $T *from = x + part * size;
    $T *to = y + part * size;
    $T mean = ctc_norm_sum_$t(from, size) / ($T)size;
    $T variance = ctc_norm_squares_$t(from, mean, size) / ($T)size;
    $T factor = ($T)(1 / sqrt((double)variance + epsilon));
    for (ctc_dim c = 0; c < channels; c++) {
      ctc_dim at = by_group ? part % groups : part % groups * channels + c;
      $T f = factor * scale[at];
      ctc_norm_apply_$t(from + c * inner, to + c * inner, f, bias[at] - mean * f, inner);
    }
  }
}

/* x, y [rows, n]: y = (x - mean) / sqrt(variance + epsilon) * scale + bias along rows. scale, bias
 * [n] may be null; so may means and inverses [rows], to which mean and 1 / sqrt(variance + epsilon)
 * are written. The rows are units of work. */
static CTC_KERNEL void ctc_layer_norm_$t(const $T *x, const $T *scale, const $T *bias, $T *y,
                                         $T *means, $T *inverses, ctc_dim rows, ctc_dim n,
                                         double epsilon, ctc_dim first, ctc_dim last) {
  (void)rows;
  for (ctc_dim row = first; row < last; row++) {
    const $T *from = x + row * n;
    $T mean = ctc_norm_sum_$t(from, n) / ($T)n;
    $T variance = ctc_norm_squares_$t(from, mean, n) / ($T)n;
    $T factor = ($T)(1 / sqrt((double)variance + epsilon));
    if (means) means[row] = mean;
    if (inverses) inverses[row] = factor;
    ctc_norm_row_$t(from, scale, bias, y + row * n, mean, factor, n);
  }
}

/* x, y [rows, n]: y = x / sqrt(mean of x^2 + epsilon) * scale along rows. scale [n] may be null, so
 * may inverses [rows], to which 1 / sqrt(…) is written. The rows are units of work. */
static CTC_KERNEL void ctc_rms_norm_$t(const $T *x, const $T *scale, $T *y, $T *inverses,
                                       ctc_dim rows, ctc_dim n, double epsilon, ctc_dim first,
                                       ctc_dim last) {
  (void)rows;
  for (ctc_dim row = first; row < last; row++) {
    $T mean = ctc_norm_squares_$t(x + row * n, 0, n) / ($T)n;
    $T factor = ($T)(1 / sqrt((double)mean + epsilon));
    if (inverses) inverses[row] = factor;
    ctc_norm_row_$t(x + row * n, scale, NULL, y + row * n, 0, factor, n);
  }
}

/* base^(-beta), faster for the usual 0.75 */
static inline $T ctc_lrn_power_$t($T base, double beta) {
  if (beta != 0.75) return ($T)pow((double)base, -beta);
  $T root = ($T)sqrt((double)base);
  return 1 / (root * ($T)sqrt((double)root));
}

/* LRN on x, y [n, channels, inner]: y = x / (bias + alpha / size * sum of x^2 over `size`
 * neighbouring channels)^beta. */
static void ctc_lrn_$t(const $T *CTC_RESTRICT x, $T *CTC_RESTRICT y, ctc_dim n, ctc_dim channels,
                       ctc_dim inner, ctc_dim size, double alpha, double beta, double bias) {
  $T share = ($T)(alpha / (double)size);
  for (ctc_dim row = 0; row < n * channels; row++) {
    ctc_dim c = row % channels, before = (size - 1) / 2, after = size - 1 - before;
    ctc_dim from = c < before ? -c : -before;
    ctc_dim to = c + after < channels ? after : channels - 1 - c;
    $T *out = y + row * inner;
    const $T *own = x + row * inner;
    for (ctc_dim i = 0; i < inner; i++) out[i] = 0;
    for (ctc_dim k = from; k <= to; k++)
      for (ctc_dim i = 0; i < inner; i++) out[i] += own[k * inner + i] * own[k * inner + i];
    for (ctc_dim i = 0; i < inner; i++)
      out[i] = own[i] * ctc_lrn_power_$t(($T)bias + share * out[i], beta);
  }
}

/* LpNormalization on x, y [outer, n, inner] along n: y = x / (sum of |x|^p)^(1/p), p 1 or 2; 0
 * where that is 0. */
static void ctc_lp_norm_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n, ctc_dim inner, ctc_dim p) {
  for (ctc_dim at = 0; at < outer * inner; at++) {
    const $T *from = x + at / inner * n * inner + at % inner;
    $T *to = y + at / inner * n * inner + at % inner;
    $T sum = 0;
    for (ctc_dim i = 0; i < n; i++) {
      $T v = from[i * inner];
      sum += p == 1 ? (v < 0 ? -v : v) : v * v;
    }
    $T norm = p == 1 ? sum : ($T)sqrt((double)sum);
    for (ctc_dim i = 0; i < n; i++) to[i * inner] = norm > 0 ? from[i * inner] / norm : 0;
  }
}

/* MeanVarianceNormalization on x, y [dims…], rank axes: y = (x - mean) / (deviation + 1e-9) over
 * the axes whose reduced[] is 1. `mean` and `deviation` are scratch of [groups], the product of the
 * other axes' sizes. */
static void ctc_mean_variance_norm_$t(const $T *x, $T *y, $T *mean, $T *deviation, ctc_dim count,
                                      ctc_dim groups, ctc_dim rank, const ctc_dim *dims,
                                      const ctc_dim *reduced) {
  for (ctc_dim g = 0; g < groups; g++) mean[g] = deviation[g] = 0;
  for (int pass = 0; pass < 3; pass++) {
    for (ctc_dim i = 0; i < count; i++) {
      ctc_dim group = 0, rest = i, step = 1;
      for (ctc_dim a = rank - 1; a >= 0; rest /= dims[a], a--) {
        if (reduced[a]) continue;
        group += rest % dims[a] * step;
        step *= dims[a];
      }
      $T off = x[i] - mean[group];
      if (pass == 0) mean[group] += x[i] / ($T)(count / groups);
      if (pass == 1) deviation[group] += off * off / ($T)(count / groups);
      if (pass == 2) y[i] = off / (deviation[group] + ($T)1e-9);
    }
    if (pass == 1)
      for (ctc_dim g = 0; g < groups; g++) deviation[g] = ($T)sqrt((double)deviation[g]);
  }
}
//$ end
