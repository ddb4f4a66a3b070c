/* kernel.c: rows of nodes to rows of graphs.
 *
 *   y[g] = sum, mean or maximum of x[starts[g]] … x[starts[g + 1] - 1]; 0 where there is none */

/* Values of `aggregation`. */
enum { GRAPHPOOL_SUM, GRAPHPOOL_MEAN, GRAPHPOOL_MAX };

/* Whether graph g consists of nodes that there are. */
static inline int graphpool_is_range(const int64_t *starts, ctc_dim g, ctc_dim N) {
  return starts[g] >= 0 && starts[g] <= starts[g + 1] && starts[g + 1] <= N;
}

//$ for t in f32 f64
/* The sum or maximum of n rows, at least one. */
static void graphpool_rows_$t(const $T *x, $T *y, ctc_dim aggregation, ctc_dim n, ctc_dim F) {
  for (ctc_dim f = 0; f < F; f++) y[f] = x[f];
  for (ctc_dim i = 1; i < n; i++)
    if (aggregation == GRAPHPOOL_MAX)
      for (ctc_dim f = 0; f < F; f++) y[f] = ctc_max_$t(y[f], x[i * F + f]);
    else
      ctc_add_row_$t(1, x + i * F, y, F);
}
//$ end

//$ for t in f32 f64
static int graphpool_$t(const $T *x, const int64_t *starts, $T *y, ctc_dim aggregation, ctc_dim N,
                        ctc_dim F, ctc_dim G) {
  for (ctc_dim g = 0; g < G; g++) {
    if (!graphpool_is_range(starts, g, N)) return CTC_BAD_INDEX;
    const ctc_dim n = starts[g + 1] - starts[g];
    $T *row = y + g * F;
    if (n > 0)
      graphpool_rows_$t(x + starts[g] * F, row, aggregation, n, F);
    else
      for (ctc_dim f = 0; f < F; f++) row[f] = 0;
    for (ctc_dim f = 0; f < F && aggregation == GRAPHPOOL_MEAN && n > 1; f++) row[f] /= ($T)n;
  }
  return CTC_OK;
}
//$ end
