/* softmax_fast.c: Softmax and LogSoftmax for f32, with vectors. y may be x itself.
 *
 * A row is read three times: for its largest element, for the exponentials and their sum, and to
 * scale them. Where inner is not 1, each lane is a column of its own. A unit of work is one row, or
 * up to CTC_FOLD_TILE columns. */

/* e^x for x <= 0, 0 below -88; NaN stays. */
static CTC_KERNEL ctc_v ctc_v_exp_below(ctc_v x) {
  x = ctc_v_max(ctc_v_set(-88.0f), x);
  ctc_v sum = x * 1.44269504f + CTC_ROUNDER, n = sum - CTC_ROUNDER;
  ctc_v r = x - n * CTC_LN2_HIGH;
  r = r - n * CTC_LN2_LOW;
  ctc_v q = ctc_v_exp_tail(r) * r + 1.0f;
  return (q * r + 1.0f) * ctc_v_power_of_2(ctc_v_rounded_int(sum));
}

/* The largest of x[0 … n-1]; NaN is passed over or kept, as it comes. */
static CTC_KERNEL float ctc_v_row_largest(const float *x, ctc_dim n) {
  const float low = -HUGE_VALF;
  ctc_v a = ctc_v_set(low), b = a;
  ctc_dim i = 0;
  for (; i + 2 * CTC_LANES <= n; i += 2 * CTC_LANES) {
    a = ctc_v_max(a, ctc_v_load(x + i));
    b = ctc_v_max(b, ctc_v_load(x + i + CTC_LANES));
  }
  if (i + CTC_LANES <= n) {
    a = ctc_v_max(a, ctc_v_load(x + i));
    i += CTC_LANES;
  }
  if (i < n) b = ctc_v_max(b, ctc_v_load_or(x + i, (int)(n - i), low));
  return ctc_v_largest(ctc_v_max(a, b));
}

/* y = e^(x - most), unless y is null; returns the sum. */
static CTC_KERNEL float ctc_v_row_exp(const float *x, float *y, float most, ctc_dim n) {
  ctc_v a = ctc_v_set(0), b = a, e, f;
  ctc_dim i = 0;
  for (; i + 2 * CTC_LANES <= n; i += 2 * CTC_LANES) {
    e = ctc_v_exp_below(ctc_v_load(x + i) - most);
    f = ctc_v_exp_below(ctc_v_load(x + i + CTC_LANES) - most);
    if (y) ctc_v_store(y + i, e);
    if (y) ctc_v_store(y + i + CTC_LANES, f);
    a += e;
    b += f;
  }
  for (; i < n; i += CTC_LANES) {
    int count = ctc_rest(n - i);
    e = ctc_v_exp_below(ctc_v_load_or(x + i, count, -HUGE_VALF) - most);
    if (y) ctc_v_store_n(y + i, e, count);
    a += e;
  }
  return ctc_v_sum(a + b);
}

/* One row; NaN and a row of -inf come out as NaN. */
static inline CTC_INLINE void ctc_v_softmax_row(const float *x, float *y, ctc_dim n,
                                                ctc_dim logarithm) {
  float most = ctc_v_row_largest(x, n), sum = ctc_v_row_exp(x, logarithm ? NULL : y, most, n);
  float scale = 1 / sum, shift = logarithm ? logf(sum) : 0;
  const float *from = logarithm ? x : y;
  ctc_dim i = 0;
  for (; i + CTC_LANES <= n; i += CTC_LANES) {
    ctc_v v = ctc_v_load(from + i);
    ctc_v_store(y + i, logarithm ? v - most - shift : v * scale);
  }
  if (i < n) {
    ctc_v v = ctc_v_load_part(from + i, (int)(n - i));
    ctc_v_store_part(y + i, logarithm ? v - most - shift : v * scale, (int)(n - i));
  }
}

/* `count` columns of n elements, `inner` apart. */
static inline CTC_INLINE void ctc_v_softmax_columns(const float *x, float *y, ctc_dim n,
                                                    ctc_dim inner, ctc_dim logarithm, int count) {
  ctc_v most = ctc_v_set(-HUGE_VALF), sum = ctc_v_set(0);
  for (ctc_dim i = 0; i < n; i++) most = ctc_v_max(most, ctc_v_load_n(x + i * inner, count));
  for (ctc_dim i = 0; i < n; i++) {
    ctc_v e = ctc_v_exp_below(ctc_v_load_n(x + i * inner, count) - most);
    if (!logarithm) ctc_v_store_n(y + i * inner, e, count);
    sum += e;
  }
  ctc_v scale = 1.0f / sum, shift = ctc_log_v(sum);
  for (ctc_dim i = 0; i < n; i++) {
    if (logarithm)
      ctc_v_store_n(y + i * inner, ctc_v_load_n(x + i * inner, count) - most - shift, count);
    else
      ctc_v_store_n(y + i * inner, ctc_v_load_n(y + i * inner, count) * scale, count);
  }
}

/* Along the middle axis of [outer, n, inner]. */
static inline CTC_INLINE void ctc_v_softmax(const float *x, float *y, ctc_dim n, ctc_dim inner,
                                            ctc_dim logarithm, ctc_dim first, ctc_dim last) {
  ctc_dim tiles = (inner + CTC_FOLD_TILE - 1) / CTC_FOLD_TILE;
  for (ctc_dim unit = first; unit < last; unit++) {
    ctc_dim start = unit / tiles * n * inner, j = unit % tiles * CTC_FOLD_TILE;
    ctc_dim end = j + ctc_tile_width(inner - j);
    if (inner == 1) {
      ctc_v_softmax_row(x + start, y + start, n, logarithm);
      continue;
    }
    for (; j + CTC_LANES <= end; j += CTC_LANES)
      ctc_v_softmax_columns(x + start + j, y + start + j, n, inner, logarithm, CTC_LANES);
    if (j < end)
      ctc_v_softmax_columns(x + start + j, y + start + j, n, inner, logarithm, (int)(end - j));
  }
}

/* y = e^(x - max) / sum(e^(x - max)). Units: outer * ceil(inner / CTC_FOLD_TILE). */
static CTC_KERNEL void ctc_softmax_f32(const float *x, float *y, ctc_dim outer, ctc_dim n,
                                       ctc_dim inner, ctc_dim first, ctc_dim last) {
  (void)outer;
  ctc_v_softmax(x, y, n, inner, 0, first, last);
}

/* y = x - max - log(sum(e^(x - max))). Units: outer * ceil(inner / CTC_FOLD_TILE). */
static CTC_KERNEL void ctc_logsoftmax_f32(const float *x, float *y, ctc_dim outer, ctc_dim n,
                                          ctc_dim inner, ctc_dim first, ctc_dim last) {
  (void)outer;
  ctc_v_softmax(x, y, n, inner, 1, first, last);
}
