/* gradient.c: of pooling. Each node of graph g gets grad_y[g], over the number of nodes for the
 * mean; for the maximum the first node gets it that has the maximum, feature by feature. */

//$ for t in f32 f64
/* For one graph of n nodes. */
static void graphpool_rows_gradient_$t(const $T *x, const $T *y, const $T *grad_y, $T *grad_x,
                                       ctc_dim aggregation, ctc_dim n, ctc_dim F) {
  const $T share = aggregation == GRAPHPOOL_MEAN ? 1 / ($T)n : 1;
  for (ctc_dim f = 0; f < F; f++) {
    int taken = 0;
    for (ctc_dim i = 0; i < n; i++) {
      const int takes = aggregation != GRAPHPOOL_MAX || (!taken && x[i * F + f] == y[f]);
      grad_x[i * F + f] = takes ? share * grad_y[f] : 0;
      taken = taken || takes;
    }
  }
}
//$ end

//$ for t in f32 f64
static int graphpool_gradient_$t(const $T *x, const int64_t *starts, const $T *y, const $T *grad_y,
                                 $T *grad_x, ctc_dim aggregation, ctc_dim N, ctc_dim F, ctc_dim G) {
  for (ctc_dim i = 0; i < N * F; i++) grad_x[i] = 0;
  for (ctc_dim g = 0; g < G; g++) {
    if (!graphpool_is_range(starts, g, N)) return CTC_BAD_INDEX;
    const ctc_dim first = starts[g] * F;
    graphpool_rows_gradient_$t(x + first, y + g * F, grad_y + g * F, grad_x + first, aggregation,
                               starts[g + 1] - starts[g], F);
  }
  return CTC_OK;
}
//$ end
