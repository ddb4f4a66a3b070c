/* pool.c: pooling over windows of up to three spatial axes, and over whole planes.
 *
 * x is [planes, in], y [planes, out]; arrays of three and positions as in conv.c. Outputs grow row
 * by row: the rows of the window are combined one after another, each clipped to its valid columns
 * outside of the loop that runs along it. */

#define CTC_LOWEST_f32 (-INFINITY)
#define CTC_LOWEST_f64 (-(double)INFINITY)
#define CTC_LOWEST_i8 INT8_MIN
#define CTC_LOWEST_u8 0

/* Numbers k in [0, kernel) with low <= start + k * dilation < high. */
static inline ctc_dim ctc_window_count(ctc_dim start, ctc_dim kernel, ctc_dim dilation, ctc_dim low,
                                       ctc_dim high) {
  ctc_dim count = 0;
  for (ctc_dim k = 0; k < kernel; k++) {
    ctc_dim at = start + k * dilation;
    count += at >= low && at < high;
  }
  return count;
}

/* The lanes 0, 2, 4 … of two vectors in a row. */
#if CTC_LANES == 16 && CTC_HAS(__builtin_shufflevector)
#define CTC_EVEN_LANES(a, b)                                                                       \
  __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#elif CTC_LANES == 8 && CTC_HAS(__builtin_shufflevector)
#define CTC_EVEN_LANES(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#elif CTC_LANES == 4 && CTC_HAS(__builtin_shufflevector)
#define CTC_EVEN_LANES(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6)
#endif

/* x[0], x[2], x[4] …: `count` numbers; reads nothing behind them. */
static inline CTC_INLINE ctc_v ctc_pool_every_second(const float *x, int count) {
#if defined(CTC_EVEN_LANES)
  const int span = 2 * count - 1, rest = span - CTC_LANES;
  const ctc_v low = ctc_v_load_n(x, span), zero = ctc_v_set(0);
  const ctc_v high = rest > 0 ? ctc_v_load_part(x + CTC_LANES, rest) : zero;
  return CTC_EVEN_LANES(low, high);
#else
  float lanes[CTC_LANES] = {0};
  for (int i = 0; i < count; i++) lanes[i] = x[2 * i];
  return ctc_v_load(lanes);
#endif
}

/* x[0], x[stride], x[2 * stride] …: `count` numbers. */
static inline CTC_INLINE ctc_v ctc_pool_take(const float *x, ctc_dim stride, int count) {
  return stride == 1 ? ctc_v_load_n(x, count) : ctc_pool_every_second(x, count);
}

/* `n` neighbouring results whose windows read columns of the input only, of the rows there are. x:
 * what tap (0, 0, 0) of the first one would read, at position d, h in the plane; stride: 1 or 2, of
 * the columns. */
static inline CTC_INLINE void ctc_max_pool_span(const float *x, float *y, ctc_dim n, ctc_dim d,
                                                ctc_dim h, const ctc_dim *in, const ctc_dim *kernel,
                                                const ctc_dim *dilation, ctc_dim stride) {
  for (ctc_dim i = 0; i < n; i += CTC_LANES, x += CTC_LANES * stride, y += CTC_LANES) {
    const int count = n - i < CTC_LANES ? (int)(n - i) : CTC_LANES;
    ctc_v result = ctc_v_set(-INFINITY);
    for (ctc_dim kd = 0; kd < kernel[0]; kd++) {
      for (ctc_dim kh = 0; kh < kernel[1]; kh++) {
        const ctc_dim id = d + kd * dilation[0], ih = h + kh * dilation[1];
        if (id < 0 || id >= in[0] || ih < 0 || ih >= in[1]) continue;
        const float *row = x + (kd * dilation[0] * in[1] + kh * dilation[1]) * in[2];
        for (ctc_dim kw = 0; kw < kernel[2]; kw++)
          result = ctc_v_max(ctc_pool_take(row + kw * dilation[2], stride, count), result);
      }
    }
    ctc_v_store_n(y, result, count);
  }
}

/* Columns of a row of results, and from which to which their windows read columns of the input
 * only. */
typedef struct {
  ctc_dim first, last;
} ctc_pool_columns;

static inline ctc_pool_columns ctc_pool_inner(const ctc_dim *in, const ctc_dim *out,
                                              const ctc_dim *kernel, const ctc_dim *stride,
                                              const ctc_dim *dilation, const ctc_dim *pad) {
  ctc_pool_columns inner = {ctc_window_low(-pad[2], stride[2]), 0};
  const ctc_dim reach = (kernel[2] - 1) * dilation[2] - pad[2];
  inner.last = ctc_window_high(reach, stride[2], in[2], out[2]);
  if (inner.last <= inner.first || stride[2] > 2) inner.first = inner.last = out[2];
  return inner;
}

/* The inner columns of a row of results at position d, h. */
static inline void ctc_max_pool_inner(const float *plane, float *y, ctc_pool_columns inner,
                                      ctc_dim d, ctc_dim h, const ctc_dim *in,
                                      const ctc_dim *kernel, const ctc_dim *stride,
                                      const ctc_dim *dilation, const ctc_dim *pad) {
  const ctc_dim n = inner.last - inner.first;
  if (n <= 0) return;
  const float *x = plane + ((d * in[1] + h) * in[2] + (inner.first * stride[2] - pad[2]));
  if (stride[2] == 1)
    ctc_max_pool_span(x, y + inner.first, n, d, h, in, kernel, dilation, 1);
  else
    ctc_max_pool_span(x, y + inner.first, n, d, h, in, kernel, dilation, 2);
}

//$ for t in f32 f64 i8 u8
/* Columns [columns.first, columns.last) of a row of results at position d, h. */
static inline void ctc_max_pool_row_$t(const $T *plane, $T *row, ctc_pool_columns columns,
                                       ctc_dim d, ctc_dim h, const ctc_dim *in, const ctc_dim *out,
                                       const ctc_dim *kernel, const ctc_dim *stride,
                                       const ctc_dim *dilation, const ctc_dim *pad) {
  for (ctc_dim i = columns.first; i < columns.last; i++) row[i] = CTC_LOWEST_$t;
  if (columns.first >= columns.last) return;
  for (ctc_dim kd = 0; kd < kernel[0]; kd++) {
    for (ctc_dim kh = 0; kh < kernel[1]; kh++) {
      ctc_dim id = d + kd * dilation[0], ih = h + kh * dilation[1];
      if (id < 0 || id >= in[0] || ih < 0 || ih >= in[1]) continue;
      const $T *x = plane + (id * in[1] + ih) * in[2];
      for (ctc_dim kw = 0; kw < kernel[2]; kw++) {
        ctc_dim shift = kw * dilation[2] - pad[2];
        ctc_dim from = ctc_max_dim(columns.first, ctc_window_low(shift, stride[2]));
        ctc_dim to = ctc_min_dim(columns.last, ctc_window_high(shift, stride[2], in[2], out[2]));
        for (ctc_dim i = from; i < to; i++)
          row[i] = x[i * stride[2] + shift] > row[i] ? x[i * stride[2] + shift] : row[i];
      }
    }
  }
}
//$ end

/* MaxPool without indices. */
static void ctc_max_pool_f32(const float *x, float *y, ctc_dim planes, const ctc_dim *in,
                             const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                             const ctc_dim *dilation, const ctc_dim *pad) {
  const ctc_dim in_size = in[0] * in[1] * in[2], rows = out[0] * out[1];
  const ctc_pool_columns inner = ctc_pool_inner(in, out, kernel, stride, dilation, pad);
  const ctc_pool_columns left = {0, inner.first}, right = {inner.last, out[2]};
  for (ctc_dim r = 0; r < planes * rows; r++, y += out[2]) {
    const float *plane = x + r / rows * in_size;
    const ctc_dim d = r % rows / out[1] * stride[0] - pad[0], h = r % out[1] * stride[1] - pad[1];
    ctc_max_pool_row_f32(plane, y, left, d, h, in, out, kernel, stride, dilation, pad);
    ctc_max_pool_inner(plane, y, inner, d, h, in, kernel, stride, dilation, pad);
    ctc_max_pool_row_f32(plane, y, right, d, h, in, out, kernel, stride, dilation, pad);
  }
}

//$ for t in f64 i8 u8
static void ctc_max_pool_$t(const $T *x, $T *y, ctc_dim planes, const ctc_dim *in,
                            const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                            const ctc_dim *dilation, const ctc_dim *pad) {
  const ctc_dim in_size = in[0] * in[1] * in[2], rows = out[0] * out[1];
  const ctc_pool_columns all = {0, out[2]};
  for (ctc_dim r = 0; r < planes * rows; r++, y += out[2]) {
    const $T *plane = x + r / rows * in_size;
    const ctc_dim d = r % rows / out[1] * stride[0] - pad[0], h = r % out[1] * stride[1] - pad[1];
    ctc_max_pool_row_$t(plane, y, all, d, h, in, out, kernel, stride, dilation, pad);
  }
}
//$ end

//$ for t in f32 f64 i8 u8
/* The offset in a plane of the largest element of the window whose first tap is at start[3]; -1 if
 * it is empty. */
static inline ctc_dim ctc_pool_best_$t(const $T *plane, const ctc_dim *start, const ctc_dim *in,
                                       const ctc_dim *kernel, const ctc_dim *dilation) {
  ctc_dim best = -1;
  for (ctc_dim k = 0; k < kernel[0] * kernel[1] * kernel[2]; k++) {
    ctc_dim d = start[0] + k / (kernel[1] * kernel[2]) * dilation[0];
    ctc_dim h = start[1] + k / kernel[2] % kernel[1] * dilation[1];
    ctc_dim w = start[2] + k % kernel[2] * dilation[2];
    if (d < 0 || d >= in[0] || h < 0 || h >= in[1] || w < 0 || w >= in[2]) continue;
    ctc_dim at = (d * in[1] + h) * in[2] + w;
    if (best < 0 || plane[at] > plane[best]) best = at;
  }
  return best;
}

/* MaxPool that also says where the largest elements are: offsets in the whole of x, with the
 * spatial axes reversed if column_major. y may be null. */
static void ctc_max_pool_indices_$t(const $T *x, $T *y, int64_t *indices, ctc_dim planes,
                                    ctc_dim column_major, const ctc_dim *in, const ctc_dim *out,
                                    const ctc_dim *kernel, const ctc_dim *stride,
                                    const ctc_dim *dilation, const ctc_dim *pad) {
  ctc_dim in_size = in[0] * in[1] * in[2], out_size = out[0] * out[1] * out[2];
  for (ctc_dim o = 0; o < planes * out_size; o++) {
    ctc_dim plane = o / out_size, start[3];
    start[0] = o % out_size / (out[1] * out[2]) * stride[0] - pad[0];
    start[1] = o / out[2] % out[1] * stride[1] - pad[1];
    start[2] = o % out[2] * stride[2] - pad[2];
    ctc_dim best = ctc_pool_best_$t(x + plane * in_size, start, in, kernel, dilation);
    if (y) y[o] = best < 0 ? CTC_LOWEST_$t : x[plane * in_size + best];
    if (column_major && best >= 0) {
      ctc_dim d = best / (in[1] * in[2]), h = best / in[2] % in[1], w = best % in[2];
      best = (w * in[1] + h) * in[0] + d;
    }
    indices[o] = best < 0 ? 0 : plane * in_size + best;
  }
}
//$ end

//$ for t in f32 f64
/* |v|^p, of a sum of which the p-th root is a norm */
static inline $T ctc_norm_power_$t($T v, double p) {
  if (p == 1.0) return v < 0 ? -v : v;
  if (p == 2.0) return v * v;
  return ($T)pow(fabs((double)v), p);
}

/* sum^(1/p) */
static inline $T ctc_norm_root_$t($T sum, double p) {
  if (p == 1.0) return sum;
  if (p == 2.0) return ($T)sqrt((double)sum);
  return ($T)pow((double)sum, 1.0 / p);
}

/* Adds the rows of all windows of row (d, h) of the output: y[i] += x[…], or |x[…]|^p if p is not
 * 0. */
static inline void ctc_pool_add_rows_$t(const $T *plane, $T *CTC_RESTRICT y, ctc_dim d, ctc_dim h,
                                        ctc_dim columns, double p, const ctc_dim *in,
                                        const ctc_dim *kernel, const ctc_dim *stride,
                                        const ctc_dim *dilation, const ctc_dim *pad) {
  for (ctc_dim i = 0; i < columns; i++) y[i] = 0;
  for (ctc_dim kd = 0; kd < kernel[0]; kd++) {
    for (ctc_dim kh = 0; kh < kernel[1]; kh++) {
      ctc_dim id = d + kd * dilation[0], ih = h + kh * dilation[1];
      if (id < 0 || id >= in[0] || ih < 0 || ih >= in[1]) continue;
      for (ctc_dim kw = 0; kw < kernel[2]; kw++) {
        ctc_dim shift = kw * dilation[2] - pad[2];
        ctc_dim from = ctc_window_low(shift, stride[2]);
        ctc_dim to = ctc_window_high(shift, stride[2], in[2], columns);
        const $T *x = plane + (id * in[1] + ih) * in[2];
        if (p != 0.0) {
          for (ctc_dim i = from; i < to; i++)
            y[i] += ctc_norm_power_$t(x[i * stride[2] + shift], p);
        } else {
          for (ctc_dim i = from; i < to; i++) y[i] += x[i * stride[2] + shift];
        }
      }
    }
  }
}

/* AveragePool: the sum of the window divided by the number of its taps in the input or, if
 * count_padding, in the padded input. */
static void ctc_average_pool_$t(const $T *x, $T *y, ctc_dim planes, ctc_dim count_padding,
                                const ctc_dim *in, const ctc_dim *out, const ctc_dim *kernel,
                                const ctc_dim *stride, const ctc_dim *dilation, const ctc_dim *pad,
                                const ctc_dim *pad_end) {
  ctc_dim in_size = in[0] * in[1] * in[2], rows = out[0] * out[1], low[3], high[3];
  for (int a = 0; a < 3; a++) {
    low[a] = count_padding ? -pad[a] : 0;
    high[a] = count_padding ? in[a] + pad_end[a] : in[a];
  }
  for (ctc_dim r = 0; r < planes * rows; r++) {
    ctc_dim d = r % rows / out[1] * stride[0] - pad[0], h = r % out[1] * stride[1] - pad[1];
    ctc_dim count = ctc_window_count(d, kernel[0], dilation[0], low[0], high[0]) *
                    ctc_window_count(h, kernel[1], dilation[1], low[1], high[1]);
    $T *row = y + r * out[2];
    ctc_pool_add_rows_$t(x + r / rows * in_size, row, d, h, out[2], 0.0, in, kernel, stride,
                         dilation, pad);
    for (ctc_dim i = 0; i < out[2]; i++) {
      ctc_dim taps =
          count * ctc_window_count(i * stride[2] - pad[2], kernel[2], dilation[2], low[2], high[2]);
      row[i] = taps > 0 ? row[i] / ($T)taps : 0;
    }
  }
}

/* LpPool: (sum of |x|^p over the window)^(1/p). */
static void ctc_lp_pool_$t(const $T *x, $T *y, ctc_dim planes, double p, const ctc_dim *in,
                           const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                           const ctc_dim *dilation, const ctc_dim *pad) {
  ctc_dim in_size = in[0] * in[1] * in[2], rows = out[0] * out[1];
  for (ctc_dim r = 0; r < planes * rows; r++) {
    $T *row = y + r * out[2];
    ctc_pool_add_rows_$t(x + r / rows * in_size, row, r % rows / out[1] * stride[0] - pad[0],
                         r % out[1] * stride[1] - pad[1], out[2], p, in, kernel, stride, dilation,
                         pad);
    for (ctc_dim i = 0; i < out[2]; i++) row[i] = ctc_norm_root_$t(row[i], p);
  }
}

/* y[plane] = mean of x[plane][n], in eight partial sums. */
static void ctc_global_average_pool_$t(const $T *x, $T *y, ctc_dim planes, ctc_dim n) {
  for (ctc_dim plane = 0; plane < planes; plane++, x += n) {
    $T part[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    ctc_dim i = 0;
    for (; i + 8 <= n; i += 8)
      for (int k = 0; k < 8; k++) part[k] += x[i + k];
    for (i = n - n % 8; i < n; i++) part[i % 8] += x[i];
    y[plane] = (((part[0] + part[4]) + (part[2] + part[6])) +
                ((part[1] + part[5]) + (part[3] + part[7]))) /
               ($T)n;
  }
}

/* y[plane] = max of x[plane][n]. */
static void ctc_global_max_pool_$t(const $T *x, $T *y, ctc_dim planes, ctc_dim n) {
  for (ctc_dim plane = 0; plane < planes; plane++, x += n) {
    $T best = CTC_LOWEST_$t;
    for (ctc_dim i = 0; i < n; i++) best = x[i] > best ? x[i] : best;
    y[plane] = best;
  }
}

/* y[plane] = (sum of |x[plane][n]|^p)^(1/p). */
static void ctc_global_lp_pool_$t(const $T *x, $T *y, ctc_dim planes, ctc_dim n, double p) {
  for (ctc_dim plane = 0; plane < planes; plane++, x += n) {
    $T sum = 0;
    for (ctc_dim i = 0; i < n; i++) sum += ctc_norm_power_$t(x[i], p);
    y[plane] = ctc_norm_root_$t(sum, p);
  }
}

/* MaxUnpool: y [size] is zero but for y[indices[i]] = x[i]. */
static int ctc_max_unpool_$t(const $T *x, const int64_t *indices, $T *y, ctc_dim n, ctc_dim size) {
  for (ctc_dim i = 0; i < size; i++) y[i] = 0;
  for (ctc_dim i = 0; i < n; i++) {
    if (indices[i] < 0 || indices[i] >= size) return CTC_BAD_INDEX;
    y[indices[i]] = x[i];
  }
  return CTC_OK;
}
//$ end
