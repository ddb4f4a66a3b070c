/* normalization.cu: kernels that shift and scale by statistics of the data. Means and variances
 * take two passes; how threads share a row is in fold.cu.
 *
 * Each thread keeps its first CTC_NORM_KEPT elements of a row in registers, which are all in the
 * usual case, and reads the others again for each pass. */

enum { CTC_NORM_KEPT = 4, CTC_NORM_THREADS = 1024 };

//$ for t in f32 f64
/* Sum of the elements first, first + step … of x[n]; the first ones go to kept[], 0 behind the
 * end. */
CTC_DEVICE $T ctc_norm_take_$t(const $T *x, $T *kept, ctc_dim n, ctc_team team) {
  $T sum = 0;
#pragma unroll
  for (int k = 0; k < CTC_NORM_KEPT; k++) {
    const ctc_dim i = team.first + k * team.step;
    kept[k] = i < n ? x[i] : ($T)0;
    sum += kept[k];
  }
#pragma unroll 4
  for (ctc_dim i = team.first + CTC_NORM_KEPT * team.step; i < n; i += team.step) sum += x[i];
  return sum;
}

/* Sum of their (x - mean)^2. */
CTC_DEVICE $T ctc_norm_offs_$t(const $T *x, const $T *kept, $T mean, ctc_dim n, ctc_team team) {
  $T sum = 0;
#pragma unroll
  for (int k = 0; k < CTC_NORM_KEPT; k++) {
    const $T off = kept[k] - mean;
    if (team.first + k * team.step < n) sum += off * off;
  }
#pragma unroll 4
  for (ctc_dim i = team.first + CTC_NORM_KEPT * team.step; i < n; i += team.step) {
    const $T off = x[i] - mean;
    sum += off * off;
  }
  return sum;
}

/* y[i] = (x[i] - mean) * factor * scale[i] + bias[i]; scale and bias may be null. */
CTC_DEVICE void ctc_norm_give_$t(const $T *x, const $T *kept, const $T *scale, const $T *bias,
                                 $T *y, $T mean, $T factor, ctc_dim n, ctc_team team) {
#pragma unroll
  for (int k = 0; k < CTC_NORM_KEPT; k++) {
    const ctc_dim i = team.first + k * team.step;
    if (i < n)
      y[i] = (kept[k] - mean) * factor * (scale ? scale[i] : ($T)1) + (bias ? bias[i] : ($T)0);
  }
#pragma unroll 4
  for (ctc_dim i = team.first + CTC_NORM_KEPT * team.step; i < n; i += team.step)
    y[i] = (x[i] - mean) * factor * (scale ? scale[i] : ($T)1) + (bias ? bias[i] : ($T)0);
}

static ctc_dim ctc_layer_norm_$t_blocks(ctc_dim rows, ctc_dim n) {
  return ctc_team_blocks(rows, n, 1);
}

/* x, y [rows, n]: y = (x - mean) / sqrt(variance + epsilon) * scale + bias along rows. scale, bias
 * [n] may be null; so may means and inverses [rows]. */
CTC_DEVICE void ctc_layer_norm_$t(const $T *x, const $T *scale, const $T *bias, $T *y, $T *means,
                                  $T *inverses, ctc_dim rows, ctc_dim n, double epsilon) {
  const ctc_team team = ctc_team_join(rows, n, 1);
  $T kept[CTC_NORM_KEPT];
  x += team.start;
  const $T mean = ctc_team_add_$t(ctc_norm_take_$t(x, kept, n, team), team) / ($T)n;
  const $T squares = ctc_team_add_$t(ctc_norm_offs_$t(x, kept, mean, n, team), team);
  const $T factor = ($T)(1 / sqrt((double)(squares / ($T)n) + epsilon));
  if (means && team.leads) means[team.result] = mean;
  if (inverses && team.leads) inverses[team.result] = factor;
  ctc_norm_give_$t(x, kept, scale, bias, y + team.start, mean, factor, n, team);
}

static ctc_dim ctc_rms_norm_$t_blocks(ctc_dim rows, ctc_dim n) {
  return ctc_team_blocks(rows, n, 1);
}

/* x, y [rows, n]: y = x / sqrt(mean of x^2 + epsilon) * scale along rows. scale [n] may be null, so
 * may inverses [rows]. */
CTC_DEVICE void ctc_rms_norm_$t(const $T *x, const $T *scale, $T *y, $T *inverses, ctc_dim rows,
                                ctc_dim n, double epsilon) {
  const ctc_team team = ctc_team_join(rows, n, 1);
  $T kept[CTC_NORM_KEPT];
  x += team.start;
  ctc_norm_take_$t(x, kept, n, team);
  const $T squares = ctc_team_add_$t(ctc_norm_offs_$t(x, kept, 0, n, team), team);
  const $T factor = ($T)(1 / sqrt((double)(squares / ($T)n) + epsilon));
  if (inverses && team.leads) inverses[team.result] = factor;
  ctc_norm_give_$t(x, kept, scale, (const $T *)0, y + team.start, 0, factor, n, team);
}

/* Threads of a block, which normalises a group. */
enum { ctc_group_norm_$t_threads = 1024 };

static ctc_dim ctc_group_norm_$t_blocks(ctc_dim n, ctc_dim groups, ctc_dim channels,
                                        ctc_dim inner) {
  return channels * inner > 0 ? n * groups : 0;
}

/* x, y [n, groups, channels, inner], each of n * groups parts normalised: y = (x - mean) /
 * sqrt(variance + epsilon) * scale + bias. scale and bias are [groups, channels], or [groups] if
 * by_group. */
CTC_DEVICE void ctc_group_norm_$t(const $T *x, const $T *scale, const $T *bias, $T *y, ctc_dim n,
                                  ctc_dim groups, ctc_dim channels, ctc_dim inner, ctc_dim by_group,
                                  double epsilon) {
  const ctc_team team = ctc_team_block((ctc_dim)blockIdx.x, CTC_NORM_THREADS);
  const ctc_dim size = channels * inner, group = team.result % groups;
  $T kept[CTC_NORM_KEPT];
  x += team.result * size;
  y += team.result * size;
  const $T mean = ctc_team_add_$t(ctc_norm_take_$t(x, kept, size, team), team) / ($T)size;
  const $T squares = ctc_team_add_$t(ctc_norm_offs_$t(x, kept, mean, size, team), team);
  const $T factor = ($T)(1 / sqrt((double)(squares / ($T)size) + epsilon));
#pragma unroll 4
  for (ctc_dim i = team.first; i < size; i += team.step) {
    const ctc_dim at = by_group ? group : group * channels + i / inner;
    const $T f = factor * scale[at];
    y[i] = x[i] * f + (bias[at] - mean * f);
  }
}

static ctc_dim ctc_batch_norm_$t_blocks(ctc_dim n, ctc_dim channels, ctc_dim inner) {
  return ctc_blocks_for(n * channels * inner, CTC_TEAM_THREADS);
}

/* x, y [n, channels, inner]: y = (x - mean) / sqrt(variance + epsilon) * scale + bias, each of
 * [channels]. A thread an element. */
CTC_DEVICE void ctc_batch_norm_$t(const $T *x, const $T *scale, const $T *bias, const $T *mean,
                                  const $T *variance, $T *y, ctc_dim n, ctc_dim channels,
                                  ctc_dim inner, double epsilon) {
  const ctc_dim at = ctc_thread_of(CTC_TEAM_THREADS);
  if (at >= n * channels * inner) return;
  const ctc_dim c = at / inner % channels;
  const $T factor = scale[c] / ctc_sqrt_$t(variance[c] + ($T)epsilon);
  y[at] = x[at] * factor + (bias[c] - mean[c] * factor);
}

/* Threads of a block, which takes a channel. */
enum { ctc_batch_statistics_$t_threads = 1024 };

static ctc_dim ctc_batch_statistics_$t_blocks(ctc_dim channels) {
  return channels;
}

/* mean and variance [channels] of x [n, channels, inner]. */
CTC_DEVICE void ctc_batch_statistics_$t(const $T *x, $T *mean, $T *variance, ctc_dim n,
                                        ctc_dim channels, ctc_dim inner) {
  const ctc_team team = ctc_team_block((ctc_dim)blockIdx.x, CTC_NORM_THREADS);
  const ctc_dim size = n * inner;
  $T sum = 0, squares = 0;
  x += team.result * inner;
#pragma unroll 4
  for (ctc_dim i = team.first; i < size; i += team.step)
    sum += x[i / inner * channels * inner + i % inner];
  const $T middle = ctc_team_add_$t(sum, team) / ($T)size;
#pragma unroll 4
  for (ctc_dim i = team.first; i < size; i += team.step) {
    const $T off = x[i / inner * channels * inner + i % inner] - middle;
    squares += off * off;
  }
  squares = ctc_team_add_$t(squares, team);
  if (!team.leads) return;
  mean[team.result] = middle;
  variance[team.result] = squares / ($T)size;
}

static ctc_dim ctc_lrn_$t_blocks(ctc_dim n, ctc_dim channels, ctc_dim inner) {
  return ctc_blocks_for(n * channels * inner, CTC_TEAM_THREADS);
}

/* LRN on x, y [n, channels, inner]: y = x / (bias + alpha / size * sum of x^2 over `size`
 * neighbouring channels)^beta. A thread an element. */
CTC_DEVICE void ctc_lrn_$t(const $T *x, $T *y, ctc_dim n, ctc_dim channels, ctc_dim inner,
                           ctc_dim size, double alpha, double beta, double bias) {
  const ctc_dim at = ctc_thread_of(CTC_TEAM_THREADS);
  if (at >= n * channels * inner) return;
  const ctc_dim c = at / inner % channels, before = (size - 1) / 2, after = size - 1 - before;
  const ctc_dim from = c < before ? -c : -before;
  const ctc_dim to = c + after < channels ? after : channels - 1 - c;
  $T sum = 0;
  for (ctc_dim k = from; k <= to; k++) sum += x[at + k * inner] * x[at + k * inner];
  y[at] = x[at] * ctc_lrn_power_$t(($T)bias + ($T)(alpha / (double)size) * sum, beta);
}

static ctc_dim ctc_lp_norm_$t_blocks(ctc_dim outer, ctc_dim n, ctc_dim inner) {
  return n > 0 ? ctc_team_blocks(outer, n, inner) : 0;
}

/* LpNormalization on x, y [outer, n, inner] along n: y = x / (sum of |x|^p)^(1/p), p 1 or 2; 0
 * where that is 0. */
CTC_DEVICE void ctc_lp_norm_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n, ctc_dim inner,
                               ctc_dim p) {
  const ctc_team team = ctc_team_join(outer, n, inner);
  $T sum = 0;
  x += team.start;
  y += team.start;
#pragma unroll 4
  for (ctc_dim i = team.first; i < n; i += team.step) {
    const $T v = x[i * inner];
    sum += p == 1 ? (v < 0 ? -v : v) : v * v;
  }
  sum = ctc_team_add_$t(sum, team);
  const $T norm = p == 1 ? sum : ctc_sqrt_$t(sum);
#pragma unroll 4
  for (ctc_dim i = team.first; i < n; i += team.step)
    y[i * inner] = norm > 0 ? x[i * inner] / norm : ($T)0;
}

/* The element number i of the axes that are reduced (or, if `kept`, of the others), as an offset.
 */
CTC_DEVICE ctc_dim ctc_norm_offset_$t(ctc_dim i, ctc_dim rank, const ctc_dim *dims,
                                      const ctc_dim *reduced, int kept) {
  ctc_dim at = 0, stride = 1;
  for (ctc_dim a = rank - 1; a >= 0; stride *= dims[a], a--) {
    if ((reduced[a] != 0) == kept) continue;
    at += i % dims[a] * stride;
    i /= dims[a];
  }
  return at;
}

static ctc_dim ctc_mean_variance_norm_$t_blocks(ctc_dim count, ctc_dim groups) {
  return count > 0 ? groups : 0;
}

/* MeanVarianceNormalization on x, y [dims…], rank axes: y = (x - mean) / (deviation + 1e-9) over
 * the axes whose reduced[] is 1. A block a group; mean and deviation stay as they are. */
CTC_DEVICE void ctc_mean_variance_norm_$t(const $T *x, $T *y, $T *mean, $T *deviation,
                                          ctc_dim count, ctc_dim groups, ctc_dim rank,
                                          const ctc_dim *dims, const ctc_dim *reduced) {
  const ctc_team team = ctc_team_block((ctc_dim)blockIdx.x, CTC_TEAM_THREADS);
  const ctc_dim size = count / groups;
  const ctc_dim start = ctc_norm_offset_$t(team.result, rank, dims, reduced, 1);
  $T sum = 0, squares = 0;
  x += start;
  y += start;
  for (ctc_dim i = team.first; i < size; i += team.step)
    sum += x[ctc_norm_offset_$t(i, rank, dims, reduced, 0)];
  const $T middle = ctc_team_add_$t(sum, team) / ($T)size;
  for (ctc_dim i = team.first; i < size; i += team.step) {
    const $T off = x[ctc_norm_offset_$t(i, rank, dims, reduced, 0)] - middle;
    squares += off * off;
  }
  const $T spread = ctc_sqrt_$t(ctc_team_add_$t(squares, team) / ($T)size) + ($T)1e-9;
  for (ctc_dim i = team.first; i < size; i += team.step) {
    const ctc_dim at = ctc_norm_offset_$t(i, rank, dims, reduced, 0);
    y[at] = (x[at] - middle) / spread;
  }
}
//$ end
