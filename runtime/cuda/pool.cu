/* pool.cu: pooling over windows of up to three spatial axes, a thread a result, and over whole
 * planes, a warp or a block each. Arrays of three and positions as in runtime/pool.c. */

/* Numbers of the taps first <= k < last of an axis that lie in [0, in), for the first tap at
 * `start`. */
typedef struct {
  ctc_dim first, last;
} ctc_pool_taps;

CTC_DEVICE ctc_pool_taps ctc_pool_inside(ctc_dim start, ctc_dim kernel, ctc_dim dilation,
                                         ctc_dim in) {
  ctc_pool_taps taps = {0, 0};
  const ctc_dim room = in - start;
  if (start < 0) taps.first = (dilation - 1 - start) / dilation;
  if (room > 0) taps.last = (room + dilation - 1) / dilation;
  if (taps.last > kernel) taps.last = kernel;
  return taps;
}

/* Where the window of a result lies: its plane, the position of its first tap, and the taps inside.
 */
typedef struct {
  ctc_dim plane, start[3];
  ctc_pool_taps d, h, w;
} ctc_pool_window;

CTC_DEVICE ctc_pool_window ctc_pool_window_of(ctc_dim result, const ctc_dim *in, const ctc_dim *out,
                                              const ctc_dim *kernel, const ctc_dim *stride,
                                              const ctc_dim *dilation, const ctc_dim *pad) {
  ctc_pool_window window;
  window.start[2] = result % out[2] * stride[2] - pad[2];
  result /= out[2];
  window.start[1] = result % out[1] * stride[1] - pad[1];
  result /= out[1];
  window.start[0] = result % out[0] * stride[0] - pad[0];
  window.plane = result / out[0];
  window.d = ctc_pool_inside(window.start[0], kernel[0], dilation[0], in[0]);
  window.h = ctc_pool_inside(window.start[1], kernel[1], dilation[1], in[1]);
  window.w = ctc_pool_inside(window.start[2], kernel[2], dilation[2], in[2]);
  return window;
}

/* Offset of a tap in x. */
CTC_DEVICE ctc_dim ctc_pool_at(const ctc_pool_window *window, ctc_dim d, ctc_dim h, ctc_dim w,
                               const ctc_dim *in, const ctc_dim *dilation) {
  const ctc_dim row = window->start[1] + h * dilation[1];
  const ctc_dim image = window->plane * in[0] + (window->start[0] + d * dilation[0]);
  return (image * in[1] + row) * in[2] + (window->start[2] + w * dilation[2]);
}

//$ for t in f32 f64 i8 u8
static ctc_dim ctc_max_pool_$t_blocks(ctc_dim planes, const ctc_dim *out) {
  return ctc_blocks_for(planes * out[0] * out[1] * out[2], CTC_TEAM_THREADS);
}

/* MaxPool without indices. The loops over rows and columns go over all taps, so that those of a
 * known size unroll. */
CTC_DEVICE void ctc_max_pool_$t(const $T *x, $T *y, ctc_dim planes, const ctc_dim *in,
                                const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                                const ctc_dim *dilation, const ctc_dim *pad) {
  const ctc_dim result = ctc_thread_of(CTC_TEAM_THREADS);
  if (result >= planes * out[0] * out[1] * out[2]) return;
  const ctc_pool_window window = ctc_pool_window_of(result, in, out, kernel, stride, dilation, pad);
  $T best = CTC_LOWEST_$t;
  for (ctc_dim d = window.d.first; d < window.d.last; d++)
    for (ctc_dim h = 0; h < kernel[1]; h++) {
      const int inside = h >= window.h.first && h < window.h.last;
      for (ctc_dim w = 0; w < kernel[2] && inside; w++) {
        if (w < window.w.first || w >= window.w.last) continue;
        const $T v = x[ctc_pool_at(&window, d, h, w, in, dilation)];
        best = v > best ? v : best;
      }
    }
  y[result] = best;
}

static ctc_dim ctc_max_pool_indices_$t_blocks(ctc_dim planes, const ctc_dim *out) {
  return ctc_blocks_for(planes * out[0] * out[1] * out[2], CTC_TEAM_THREADS);
}

/* MaxPool that also says where the largest elements are: offsets in the whole of x, with the
 * spatial axes reversed if column_major. y may be null. */
CTC_DEVICE void ctc_max_pool_indices_$t(const $T *x, $T *y, int64_t *indices, ctc_dim planes,
                                        ctc_dim column_major, const ctc_dim *in, const ctc_dim *out,
                                        const ctc_dim *kernel, const ctc_dim *stride,
                                        const ctc_dim *dilation, const ctc_dim *pad) {
  const ctc_dim result = ctc_thread_of(CTC_TEAM_THREADS);
  if (result >= planes * out[0] * out[1] * out[2]) return;
  const ctc_pool_window window = ctc_pool_window_of(result, in, out, kernel, stride, dilation, pad);
  const ctc_dim size = in[0] * in[1] * in[2];
  ctc_dim best = -1;
  for (ctc_dim d = window.d.first; d < window.d.last; d++)
    for (ctc_dim h = window.h.first; h < window.h.last; h++)
      for (ctc_dim w = window.w.first; w < window.w.last; w++) {
        const ctc_dim at = ctc_pool_at(&window, d, h, w, in, dilation);
        if (best < 0 || x[at] > x[best]) best = at;
      }
  if (y) y[result] = best < 0 ? ($T)CTC_LOWEST_$t : x[best];
  if (column_major && best >= 0) {
    const ctc_dim at = best % size, d = at / (in[1] * in[2]), h = at / in[2] % in[1];
    best += (at % in[2] * in[1] + h) * in[0] + d - at;
  }
  indices[result] = best < 0 ? 0 : best;
}
//$ end

//$ for t in f32 f64
/* The sum of a window: of x or, if p is not 0, of |x|^p. */
CTC_DEVICE $T ctc_pool_sum_$t(const $T *x, const ctc_pool_window *window, double p,
                              const ctc_dim *in, const ctc_dim *dilation) {
  $T sum = 0;
  for (ctc_dim d = window->d.first; d < window->d.last; d++)
    for (ctc_dim h = window->h.first; h < window->h.last; h++) {
#pragma unroll 4
      for (ctc_dim w = window->w.first; w < window->w.last; w++) {
        const $T v = x[ctc_pool_at(window, d, h, w, in, dilation)];
        sum += p != 0.0 ? ctc_norm_power_$t(v, p) : v;
      }
    }
  return sum;
}

static ctc_dim ctc_average_pool_$t_blocks(ctc_dim planes, const ctc_dim *out) {
  return ctc_blocks_for(planes * out[0] * out[1] * out[2], CTC_TEAM_THREADS);
}

/* AveragePool: the sum of the window divided by the number of its taps in the input or, if
 * count_padding, in the padded input. */
CTC_DEVICE void ctc_average_pool_$t(const $T *x, $T *y, ctc_dim planes, ctc_dim count_padding,
                                    const ctc_dim *in, const ctc_dim *out, const ctc_dim *kernel,
                                    const ctc_dim *stride, const ctc_dim *dilation,
                                    const ctc_dim *pad, const ctc_dim *pad_end) {
  const ctc_dim result = ctc_thread_of(CTC_TEAM_THREADS);
  if (result >= planes * out[0] * out[1] * out[2]) return;
  const ctc_pool_window window = ctc_pool_window_of(result, in, out, kernel, stride, dilation, pad);
  ctc_dim taps = (window.d.last - window.d.first) * (window.h.last - window.h.first) *
                 (window.w.last - window.w.first);
  if (window.d.last <= window.d.first || window.h.last <= window.h.first ||
      window.w.last <= window.w.first)
    taps = 0;
  if (count_padding) {
    taps = 1;
    for (int a = 0; a < 3; a++) {
      const ctc_pool_taps padded = ctc_pool_inside(window.start[a] + pad[a], kernel[a], dilation[a],
                                                   in[a] + pad[a] + pad_end[a]);
      taps *= padded.last > padded.first ? padded.last - padded.first : 0;
    }
  }
  const $T sum = ctc_pool_sum_$t(x, &window, 0.0, in, dilation);
  y[result] = taps > 0 ? sum / ($T)taps : ($T)0;
}

static ctc_dim ctc_lp_pool_$t_blocks(ctc_dim planes, const ctc_dim *out) {
  return ctc_blocks_for(planes * out[0] * out[1] * out[2], CTC_TEAM_THREADS);
}

/* LpPool: (sum of |x|^p over the window)^(1/p). */
CTC_DEVICE void ctc_lp_pool_$t(const $T *x, $T *y, ctc_dim planes, double p, const ctc_dim *in,
                               const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                               const ctc_dim *dilation, const ctc_dim *pad) {
  const ctc_dim result = ctc_thread_of(CTC_TEAM_THREADS);
  if (result >= planes * out[0] * out[1] * out[2]) return;
  const ctc_pool_window window = ctc_pool_window_of(result, in, out, kernel, stride, dilation, pad);
  y[result] = ctc_norm_root_$t(ctc_pool_sum_$t(x, &window, p, in, dilation), p);
}

static ctc_dim ctc_global_average_pool_$t_blocks(ctc_dim planes, ctc_dim n) {
  return ctc_team_blocks(planes, n, 1);
}

/* y[plane] = mean of x[plane][n]. */
CTC_DEVICE void ctc_global_average_pool_$t(const $T *x, $T *y, ctc_dim planes, ctc_dim n) {
  const ctc_team team = ctc_team_join(planes, n, 1);
  $T sum = 0;
  x += team.start;
#pragma unroll 4
  for (ctc_dim i = team.first; i < n; i += team.step) sum += x[i];
  sum = ctc_team_add_$t(sum, team);
  if (team.leads) y[team.result] = sum / ($T)n;
}

static ctc_dim ctc_global_max_pool_$t_blocks(ctc_dim planes, ctc_dim n) {
  return ctc_team_blocks(planes, n, 1);
}

/* y[plane] = max of x[plane][n]; NaN is passed over. */
CTC_DEVICE void ctc_global_max_pool_$t(const $T *x, $T *y, ctc_dim planes, ctc_dim n) {
  const ctc_team team = ctc_team_join(planes, n, 1);
  $T best = CTC_LOWEST_$t;
  x += team.start;
#pragma unroll 4
  for (ctc_dim i = team.first; i < n; i += team.step) best = x[i] > best ? x[i] : best;
  best = ctc_team_max_$t(best, team);
  if (team.leads) y[team.result] = best;
}

static ctc_dim ctc_global_lp_pool_$t_blocks(ctc_dim planes, ctc_dim n) {
  return ctc_team_blocks(planes, n, 1);
}

/* y[plane] = (sum of |x[plane][n]|^p)^(1/p). */
CTC_DEVICE void ctc_global_lp_pool_$t(const $T *x, $T *y, ctc_dim planes, ctc_dim n, double p) {
  const ctc_team team = ctc_team_join(planes, n, 1);
  $T sum = 0;
  x += team.start;
#pragma unroll 4
  for (ctc_dim i = team.first; i < n; i += team.step) sum += ctc_norm_power_$t(x[i], p);
  sum = ctc_team_add_$t(sum, team);
  if (team.leads) y[team.result] = ctc_norm_root_$t(sum, p);
}

/* Threads of the only block. */
enum { ctc_max_unpool_$t_threads = 1024 };

static ctc_dim ctc_max_unpool_$t_blocks(ctc_dim size) {
  return size > 0;
}

/* MaxUnpool: y [size] is zero but for y[indices[i]] = x[i]. One block: of those that go to the same
 * place the last one stays, so that those that are written at a time are compared first. */
CTC_DEVICE void ctc_max_unpool_$t(const $T *x, const int64_t *indices, $T *y, ctc_dim n,
                                  ctc_dim size, int *status) {
  __shared__ int64_t places[1024];
  const int thread = (int)threadIdx.x;
  for (ctc_dim i = thread; i < size; i += 1024) y[i] = 0;
  for (ctc_dim from = 0; from < n; from += 1024) {
    const int there = from + thread < n;
    const int64_t place = there ? indices[from + thread] : -1;
    const int inside = place >= 0 && place < size;
    if (there && !inside) *status = CTC_BAD_INDEX;
    places[thread] = place;
    __syncthreads();
    int stays = inside;
    for (int k = thread + 1; k < 1024 && stays; k++) stays = places[k] != place;
    if (stays) y[place] = x[from + thread];
    __syncthreads();
  }
}
//$ end
