/* gradient.c: of generalised divisive normalisation. With d[c] the derivative by n[c],
 *
 *   d[c] = grad_y[c] x[c] / 2 times -n[c]^(-3/2), or n[c]^(-1/2) of the inverse
 *   grad_x[k] = grad_y[k] y[k] / x[k] + 2 x[k] sum over c of gamma[c, k] d[c]
 *   grad_beta[c] = sum of d[c],  grad_gamma[c, k] = sum of d[c] x[k]^2  over all places */

//$ for t in f32 f64
/* norms becomes d, and grad_x the first of its terms: one row of a run. */
static inline void gdn_gradient_row_$t(const $T *x, $T beta, const $T *grad_y, $T *grad_x,
                                       $T *norms, ctc_dim inverse, ctc_dim count) {
  for (ctc_dim i = 0; i < count; i++) {
    const $T n = norms[i] + beta, root = ctc_sqrt_$t(n);
    grad_x[i] = inverse ? grad_y[i] * root : grad_y[i] / root;
    norms[i] = grad_y[i] * x[i] / (inverse ? 2 * root : -2 * n * root);
  }
}
//$ end

//$ for t in f32 f64
/* Column `column` and those behind it that no place belongs to have no part in sums. */
static inline void gdn_clear_columns_$t($T *tile, ctc_dim column, ctc_dim C) {
  for (ctc_dim c = 0; c < C; c++)
    for (ctc_dim i = column; i < GDN_PANEL; i++) tile[c * GDN_PANEL + i] = 0;
}
//$ end

//$ for t in f32 f64
/* norms becomes d for the places from `place` to before `end`, of one panel. */
static void gdn_gradient_panel_$t(const $T *x, const $T *beta, const $T *grad_y, $T *grad_x,
                                  $T *norms, ctc_dim inverse, ctc_dim place, ctc_dim end, ctc_dim C,
                                  ctc_dim rest) {
  ctc_dim column = 0;
  while (place + column < end) {
    const gdn_run run = gdn_next_run(place + column, end, C, rest);
    for (ctc_dim c = 0; c < C; c++)
      gdn_gradient_row_$t(x + run.at + c * rest, beta[c], grad_y + run.at + c * rest,
                          grad_x + run.at + c * rest, norms + c * GDN_PANEL + column, inverse,
                          run.count);
    column += run.count;
  }
  gdn_clear_columns_$t(norms, column, C);
}
//$ end

//$ for t in f32 f64
/* grad_x += 2 x spread, where spread = gamma^T d. */
static void gdn_gradient_spread_$t(const $T *x, const $T *spread, $T *grad_x, ctc_dim place,
                                   ctc_dim end, ctc_dim C, ctc_dim rest) {
  for (ctc_dim column = 0; place + column < end;) {
    const gdn_run run = gdn_next_run(place + column, end, C, rest);
    for (ctc_dim c = 0; c < C; c++)
      for (ctc_dim i = 0; i < run.count; i++)
        grad_x[run.at + c * rest + i] +=
            2 * x[run.at + c * rest + i] * spread[c * GDN_PANEL + column + i];
    column += run.count;
  }
}
//$ end

//$ for t in f32 f64
/* What one panel adds to the gradients of the parameters. */
static void gdn_gradient_add_$t(const $T *d, const $T *squares, $T *grad_beta, $T *grad_gamma,
                                ctc_dim C) {
  for (ctc_dim c = 0; c < C; c++) {
    const $T *row = d + c * GDN_PANEL;
    for (ctc_dim i = 0; i < GDN_PANEL; i++) grad_beta[c] += row[i];
    for (ctc_dim k = 0; k < C; k++)
      grad_gamma[c * C + k] += ctc_dot_$t(row, squares + k * GDN_PANEL, GDN_PANEL);
  }
}
//$ end

//$ for t in f32 f64
static void gdn_gradient_$t(const $T *x, const $T *beta, const $T *gamma, const $T *grad_y,
                            $T *grad_x, $T *grad_beta, $T *grad_gamma, $T *squares, $T *norms,
                            ctc_dim inverse, ctc_dim N, ctc_dim C, ctc_dim rest) {
  const ctc_dim places = N * rest;
  for (ctc_dim c = 0; c < C; c++) grad_beta[c] = 0;
  for (ctc_dim i = 0; i < C * C; i++) grad_gamma[i] = 0;
  for (ctc_dim place = 0; place < places && C > 0; place += GDN_PANEL) {
    const ctc_dim end = ctc_min_dim(place + GDN_PANEL, places);
    gdn_take_squares_$t(x, squares, place, end, C, rest);
    gdn_product_$t(gamma, squares, norms, C);
    gdn_gradient_panel_$t(x, beta, grad_y, grad_x, norms, inverse, place, end, C, rest);
    gdn_gradient_add_$t(norms, squares, grad_beta, grad_gamma, C);
    for (ctc_dim i = 0; i < C * GDN_PANEL; i++) squares[i] = 0;
    ctc_matmul_add_$t(gamma, norms, squares, C, GDN_PANEL, C, 1, C, GDN_PANEL, GDN_PANEL, 1);
    gdn_gradient_spread_$t(x, squares, grad_x, place, end, C, rest);
  }
}
//$ end
