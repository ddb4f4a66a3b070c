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

//$ for t in f32 f64 i8 u8
/* y[i] = max(y[i], x[i * stride]) */
static inline void ctc_pool_max_row_$t($T *CTC_RESTRICT y, const $T *CTC_RESTRICT x, ctc_dim n,
                                       ctc_dim stride) {
  if (stride == 1) {
    for (ctc_dim i = 0; i < n; i++) y[i] = x[i] > y[i] ? x[i] : y[i];
  } else {
    for (ctc_dim i = 0; i < n; i++) y[i] = x[i * stride] > y[i] ? x[i * stride] : y[i];
  }
}

/* MaxPool without indices. */
static void ctc_max_pool_$t(const $T *x, $T *y, ctc_dim planes, const ctc_dim *in,
                            const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                            const ctc_dim *dilation, const ctc_dim *pad) {
  ctc_dim in_size = in[0] * in[1] * in[2], rows = out[0] * out[1];
  for (ctc_dim r = 0; r < planes * rows; r++) {
    const $T *plane = x + r / rows * in_size;
    ctc_dim d = r % rows / out[1] * stride[0] - pad[0], h = r % out[1] * stride[1] - pad[1];
    $T *row = y + r * out[2];
    for (ctc_dim i = 0; i < out[2]; i++) row[i] = CTC_LOWEST_$t;
    for (ctc_dim kd = 0; kd < kernel[0]; kd++) {
      for (ctc_dim kh = 0; kh < kernel[1]; kh++) {
        ctc_dim id = d + kd * dilation[0], ih = h + kh * dilation[1];
        if (id < 0 || id >= in[0] || ih < 0 || ih >= in[1]) continue;
        const $T *from_row = plane + (id * in[1] + ih) * in[2];
        for (ctc_dim kw = 0; kw < kernel[2]; kw++) {
          ctc_dim shift = kw * dilation[2] - pad[2];
          ctc_dim from = ctc_window_low(shift, stride[2]);
          ctc_dim to = ctc_window_high(shift, stride[2], in[2], out[2]);
          if (from < to)
            ctc_pool_max_row_$t(row + from, from_row + (from * stride[2] + shift), to - from,
                                stride[2]);
        }
      }
    }
  }
}

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
