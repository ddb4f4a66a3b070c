/* normalization_fast.c: the f32 parts of normalization.c, with vectors. Means and variances take two
 * passes, in four vectors of partial sums that take turns. */

/* Sum of x[n]. */
static CTC_KERNEL float ctc_norm_sum_f32(const float *x, ctc_dim n) {
  ctc_v a = ctc_v_set(0), b = a, c = a, d = a;
  ctc_dim i = 0;
  for (; i + 4 * CTC_LANES <= n; i += 4 * CTC_LANES) {
    a += ctc_v_load(x + i);
    b += ctc_v_load(x + i + CTC_LANES);
    c += ctc_v_load(x + i + 2 * CTC_LANES);
    d += ctc_v_load(x + i + 3 * CTC_LANES);
  }
  for (; i + CTC_LANES <= n; i += CTC_LANES) a += ctc_v_load(x + i);
  if (i < n) b += ctc_v_load_part(x + i, (int)(n - i));
  return ctc_v_sum((a + b) + (c + d));
}

/* a + (x - mean)^2 */
static CTC_KERNEL ctc_v ctc_norm_square(ctc_v a, ctc_v x, float mean) {
  ctc_v off = x - mean;
  return a + off * off;
}

/* Sum of (x[n] - mean)^2. */
static CTC_KERNEL float ctc_norm_squares_f32(const float *x, float mean, ctc_dim n) {
  ctc_v a = ctc_v_set(0), b = a, c = a, d = a;
  ctc_dim i = 0;
  for (; i + 4 * CTC_LANES <= n; i += 4 * CTC_LANES) {
    a = ctc_norm_square(a, ctc_v_load(x + i), mean);
    b = ctc_norm_square(b, ctc_v_load(x + i + CTC_LANES), mean);
    c = ctc_norm_square(c, ctc_v_load(x + i + 2 * CTC_LANES), mean);
    d = ctc_norm_square(d, ctc_v_load(x + i + 3 * CTC_LANES), mean);
  }
  for (; i + CTC_LANES <= n; i += CTC_LANES) a = ctc_norm_square(a, ctc_v_load(x + i), mean);
  if (i < n) b = ctc_norm_square(b, ctc_v_load_or(x + i, (int)(n - i), mean), mean);
  return ctc_v_sum((a + b) + (c + d));
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
  ctc_dim i = 0;
  if (scale && bias)
    for (; i + CTC_LANES <= n; i += CTC_LANES) {
      ctc_v v = (ctc_v_load(x + i) - mean) * factor;
      ctc_v_store(y + i, v * ctc_v_load(scale + i) + ctc_v_load(bias + i));
    }
  for (; i + CTC_LANES <= n; i += CTC_LANES)
    ctc_norm_lanes(x + i, scale ? scale + i : NULL, bias ? bias + i : NULL, y + i, mean, factor,
                   CTC_LANES);
  if (i < n)
    ctc_norm_lanes(x + i, scale ? scale + i : NULL, bias ? bias + i : NULL, y + i, mean, factor,
                   (int)(n - i));
}
