/* softmax.c: Softmax, LogSoftmax and Hardmax along the middle axis of [outer, n, inner]. y may be
 * x itself.
 *
 * The largest element is subtracted first, so that no exponential overflows. Where inner is not
 * 1, CTC_FOLD_TILE neighbours are computed side by side. f32 is in softmax_fast.c. */

/* y = e^(x - max) / sum(e^(x - max)) of one row of n elements. */
//$ for t in f64
static inline void ctc_softmax_row_$t(const $T *x, $T *y, ctc_dim n) {
  $T most = ctc_row_max_$t(x, n);
  for (ctc_dim i = 0; i < n; i++) y[i] = ctc_exp_$t(x[i] - most);
  $T sum = ctc_row_add_$t(y, n);
  for (ctc_dim i = 0; i < n; i++) y[i] /= sum;
}

/* The same for `width` columns of n elements, `inner` apart; width is at most CTC_FOLD_TILE. */
static inline void ctc_softmax_columns_$t(const $T *x, $T *y, ctc_dim n, ctc_dim inner,
                                          ctc_dim width) {
  $T most[CTC_FOLD_TILE], sum[CTC_FOLD_TILE];
  ctc_columns_max_$t(x, most, n, inner, width);
  for (ctc_dim j = 0; j < width; j++) sum[j] = 0;
  for (ctc_dim i = 0; i < n; i++)
    for (ctc_dim j = 0; j < width; j++) {
      $T e = ctc_exp_$t(x[i * inner + j] - most[j]);
      sum[j] += e;
      y[i * inner + j] = e;
    }
  for (ctc_dim i = 0; i < n; i++)
    for (ctc_dim j = 0; j < width; j++) y[i * inner + j] /= sum[j];
}

/* y = e^(x - max) / sum(e^(x - max)) along the middle axis. */
static void ctc_softmax_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n, ctc_dim inner) {
  for (ctc_dim o = 0; o < outer; o++, x += n * inner, y += n * inner) {
    if (inner == 1) ctc_softmax_row_$t(x, y, n);
    for (ctc_dim j = 0; j < inner && inner > 1; j += CTC_FOLD_TILE)
      ctc_softmax_columns_$t(x + j, y + j, n, inner, ctc_tile_width(inner - j));
  }
}

//$ end
/* y = x - max - log(sum(e^(x - max))) of one row of n elements. */
//$ for t in f64
static inline void ctc_logsoftmax_row_$t(const $T *x, $T *y, ctc_dim n) {
  $T most = ctc_row_max_$t(x, n), sum = 0;
  for (ctc_dim i = 0; i < n; i++) sum += ctc_exp_$t(x[i] - most);
  $T shift = ctc_log_$t(sum);
  for (ctc_dim i = 0; i < n; i++) y[i] = x[i] - most - shift;
}

/* The same for `width` columns of n elements, `inner` apart; width is at most CTC_FOLD_TILE. */
static inline void ctc_logsoftmax_columns_$t(const $T *x, $T *y, ctc_dim n, ctc_dim inner,
                                             ctc_dim width) {
  $T most[CTC_FOLD_TILE], sum[CTC_FOLD_TILE];
  ctc_columns_max_$t(x, most, n, inner, width);
  for (ctc_dim j = 0; j < width; j++) sum[j] = 0;
  for (ctc_dim i = 0; i < n; i++)
    for (ctc_dim j = 0; j < width; j++) sum[j] += ctc_exp_$t(x[i * inner + j] - most[j]);
  for (ctc_dim j = 0; j < width; j++) sum[j] = ctc_log_$t(sum[j]);
  for (ctc_dim i = 0; i < n; i++)
    for (ctc_dim j = 0; j < width; j++) y[i * inner + j] = x[i * inner + j] - most[j] - sum[j];
}

/* y = x - max - log(sum(e^(x - max))) along the middle axis. */
static void ctc_logsoftmax_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n, ctc_dim inner) {
  for (ctc_dim o = 0; o < outer; o++, x += n * inner, y += n * inner) {
    if (inner == 1) ctc_logsoftmax_row_$t(x, y, n);
    for (ctc_dim j = 0; j < inner && inner > 1; j += CTC_FOLD_TILE)
      ctc_logsoftmax_columns_$t(x + j, y + j, n, inner, ctc_tile_width(inner - j));
  }
}

//$ end
/* y = 1 at the first of the largest elements, 0 elsewhere */
//$ for t in f32 f64
static void ctc_hardmax_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n, ctc_dim inner) {
  for (ctc_dim o = 0; o < outer; o++, x += n * inner, y += n * inner)
    for (ctc_dim j = 0; j < inner; j++) {
      ctc_dim best = 0;
      for (ctc_dim i = 1; i < n; i++)
        if (ctc_wins_max_$t(x[i * inner + j], x[best * inner + j])) best = i;
      for (ctc_dim i = 0; i < n; i++) y[i * inner + j] = i == best;
    }
}
//$ end
