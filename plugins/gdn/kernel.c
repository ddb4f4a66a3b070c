/* kernel.c: generalised divisive normalisation.
 *
 *   y[c] = x[c] / sqrt(n[c]),  n[c] = beta[c] + sum over k of gamma[c, k] x[k]^2
 *
 * at each place of each image; times instead of divided by if it is the inverse. Places are taken
 * in tiles, across the images, and these in panels of 32 as the runtime's products want them:
 * squares and norms are [panels][C][32], and stay in the cache while gamma runs over them. Two
 * panels at a time read longer pieces of x. Tiles are shared out to `parts` units, each of which
 * has memory of its own for one tile. */

enum { GDN_PANEL = CTC_PANEL, GDN_TILE = 2 * GDN_PANEL }; /* 64 places, as layer.json says */

/* Places that follow each other in one image: the first one's element of x and y in channel 0, and
 * how many they are. Channels are `rest` elements apart. */
typedef struct {
  ctc_dim at, count;
} gdn_run;

/* The run from `place` on, of places before `end`. */
static inline gdn_run gdn_next_run(ctc_dim place, ctc_dim end, ctc_dim C, ctc_dim rest) {
  const ctc_dim image = place / rest, inside = place % rest;
  const gdn_run run = {image * C * rest + inside, ctc_min_dim(rest - inside, end - place)};
  return run;
}

/* Where a tile has column `column` of channel `c`. */
static inline ctc_dim gdn_in_tile(ctc_dim c, ctc_dim column, ctc_dim C) {
  return (column / GDN_PANEL * C + c) * GDN_PANEL + column % GDN_PANEL;
}

/* How many of `left` columns from `column` on lie in its panel, at most a vector of them. */
static inline int gdn_lanes(ctc_dim column, ctc_dim left) {
  return ctc_rest(ctc_min_dim(left, GDN_PANEL - column % GDN_PANEL));
}

/* --- the squares of a tile --- */

/* Channel c of a run whose first column is `column`. */
static inline void gdn_square_row_f32(const float *x, float *squares, ctc_dim c, ctc_dim column,
                                      ctc_dim C, ctc_dim count) {
  for (ctc_dim i = 0; i < count;) {
    const int lanes = gdn_lanes(column + i, count - i);
    const ctc_v from = ctc_v_load_n(x + i, lanes);
    ctc_v_store_n(squares + gdn_in_tile(c, column + i, C), ctc_square_v(from), lanes);
    i += lanes;
  }
}

static inline void gdn_square_row_f64(const double *x, double *squares, ctc_dim c, ctc_dim column,
                                      ctc_dim C, ctc_dim count) {
  for (ctc_dim i = 0; i < count; i++) squares[gdn_in_tile(c, column + i, C)] = x[i] * x[i];
}

//$ for t in f32 f64
/* The squares of the places from `place` to before `end`; zeros in columns behind them. */
static void gdn_take_squares_$t(const $T *x, $T *squares, ctc_dim place, ctc_dim end, ctc_dim C,
                                ctc_dim rest) {
  const ctc_dim columns = end - place, full = columns / GDN_PANEL * GDN_PANEL;
  if (columns > full)
    for (ctc_dim i = 0; i < C * GDN_PANEL; i++) squares[C * full + i] = 0;
  for (ctc_dim column = 0; column < columns;) {
    const gdn_run run = gdn_next_run(place + column, end, C, rest);
    for (ctc_dim c = 0; c < C; c++)
      gdn_square_row_$t(x + run.at + c * rest, squares, c, column, C, run.count);
    column += run.count;
  }
}
//$ end

/* --- norms = gamma squares, of one panel --- */

static inline void gdn_product_f32(const float *gamma, const float *squares, float *norms,
                                   ctc_dim C) {
  ctc_gemm_packed_f32(gamma, squares, norms, 0, 0, C, GDN_PANEL, C, C, 1, GDN_PANEL, C, 0, 1);
}

static inline void gdn_product_f64(const double *gamma, const double *squares, double *norms,
                                   ctc_dim C) {
  ctc_matmul_f64(gamma, squares, norms, C, GDN_PANEL, C);
}

/* --- the results --- */

static inline void gdn_scale_row_f32(const float *x, float beta, const float *norms, float *y,
                                     ctc_dim inverse, ctc_dim c, ctc_dim column, ctc_dim C,
                                     ctc_dim count) {
  for (ctc_dim i = 0; i < count;) {
    const int lanes = gdn_lanes(column + i, count - i);
    const ctc_v from = ctc_v_load_n(x + i, lanes);
    const ctc_v norm = ctc_v_load_n(norms + gdn_in_tile(c, column + i, C), lanes) + beta;
    const ctc_v root = ctc_sqrt_v(norm);
    ctc_v_store_n(y + i, inverse ? from * root : from / root, lanes);
    i += lanes;
  }
}

static inline void gdn_scale_row_f64(const double *x, double beta, const double *norms, double *y,
                                     ctc_dim inverse, ctc_dim c, ctc_dim column, ctc_dim C,
                                     ctc_dim count) {
  for (ctc_dim i = 0; i < count; i++) {
    const double root = ctc_sqrt_f64(norms[gdn_in_tile(c, column + i, C)] + beta);
    y[i] = inverse ? x[i] * root : x[i] / root;
  }
}

//$ for t in f32 f64
/* y of the places from `place` to before `end`. */
static void gdn_scale_$t(const $T *x, const $T *beta, const $T *norms, $T *y, ctc_dim inverse,
                         ctc_dim place, ctc_dim end, ctc_dim C, ctc_dim rest) {
  for (ctc_dim column = 0; place + column < end;) {
    const gdn_run run = gdn_next_run(place + column, end, C, rest);
    for (ctc_dim c = 0; c < C; c++)
      gdn_scale_row_$t(x + run.at + c * rest, beta[c], norms, y + run.at + c * rest, inverse, c,
                       column, C, run.count);
    column += run.count;
  }
}
//$ end

//$ for t in f32 f64
static void gdn_$t(const $T *x, const $T *beta, const $T *gamma, $T *y, $T *squares, $T *norms,
                   ctc_dim inverse, ctc_dim N, ctc_dim C, ctc_dim rest, ctc_dim tiles,
                   ctc_dim parts, ctc_dim first, ctc_dim last) {
  const ctc_dim panel = C * GDN_PANEL;
  for (ctc_dim part = first; part < last && C > 0; part++) {
    $T *own_squares = squares + part * C * GDN_TILE, *own_norms = norms + part * C * GDN_TILE;
    for (ctc_dim tile = part; tile < tiles; tile += parts) {
      const ctc_dim place = tile * GDN_TILE, end = ctc_min_dim(place + GDN_TILE, N * rest);
      gdn_take_squares_$t(x, own_squares, place, end, C, rest);
      for (ctc_dim i = 0; i * GDN_PANEL < end - place; i++)
        gdn_product_$t(gamma, own_squares + i * panel, own_norms + i * panel, C);
      gdn_scale_$t(x, beta, own_norms, y, inverse, place, end, C, rest);
    }
  }
}
//$ end
