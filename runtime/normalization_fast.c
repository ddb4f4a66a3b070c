/* normalization_fast.c: the f32 parts of normalization.c, with vectors. Means and variances take two
 * passes, in two vectors of partial sums that take turns. */

/* Sum of x[n]. */
static CTC_KERNEL float ctc_norm_sum_f32(const float *x, ctc_dim n) {
  ctc_v a = ctc_v_set(0), b = a;
  ctc_dim i = 0;
  for (; i + 2 * CTC_LANES <= n; i += 2 * CTC_LANES) {
    a += ctc_v_load(x + i);
    b += ctc_v_load(x + i + CTC_LANES);
  }
  for (; i < n; i += CTC_LANES) a += ctc_v_load_n(x + i, ctc_rest(n - i));
  return ctc_v_sum(a + b);
}

/* Sum of (x[n] - mean)^2. */
static CTC_KERNEL float ctc_norm_squares_f32(const float *x, float mean, ctc_dim n) {
  ctc_v a = ctc_v_set(0), b = a, c, d;
  ctc_dim i = 0;
  for (; i + 2 * CTC_LANES <= n; i += 2 * CTC_LANES) {
    c = ctc_v_load(x + i) - mean;
    d = ctc_v_load(x + i + CTC_LANES) - mean;
    a += c * c;
    b += d * d;
  }
  for (; i < n; i += CTC_LANES) {
    c = ctc_v_load_or(x + i, ctc_rest(n - i), mean) - mean;
    a += c * c;
  }
  return ctc_v_sum(a + b);
}

/* y[i] = x[i] * factor + shift */
static inline CTC_INLINE void ctc_norm_apply_f32(const float *x, float *y, float factor,
                                                 float shift, ctc_dim n) {
  ctc_dim i = 0;
  for (; i + CTC_LANES <= n; i += CTC_LANES)
    ctc_v_store(y + i, ctc_v_load(x + i) * factor + shift);
  if (i < n)
    ctc_v_store_part(y + i, ctc_v_load_part(x + i, (int)(n - i)) * factor + shift, (int)(n - i));
}

/* `count` lanes of the function below, to which x, scale, bias, y point. */
static inline CTC_INLINE void ctc_norm_lanes(const float *x, const float *scale, const float *bias,
                                             float *y, float mean, float factor, int count) {
  ctc_v v = (ctc_v_load_n(x, count) - mean) * factor;
  if (scale) v *= ctc_v_load_n(scale, count);
  if (bias) v += ctc_v_load_n(bias, count);
  ctc_v_store_n(y, v, count);
}

/* y[i] = (x[i] - mean) * factor * scale[i] + bias[i]; scale and bias may be null. */
static inline CTC_INLINE void ctc_norm_row_f32(const float *x, const float *scale,
                                               const float *bias, float *y, float mean,
                                               float factor, ctc_dim n) {
  for (ctc_dim i = 0; i < n; i += CTC_LANES) {
    const float *f = scale ? scale + i : NULL, *s = bias ? bias + i : NULL;
    if (i + CTC_LANES <= n)
      ctc_norm_lanes(x + i, f, s, y + i, mean, factor, CTC_LANES);
    else
      ctc_norm_lanes(x + i, f, s, y + i, mean, factor, (int)(n - i));
  }
}
