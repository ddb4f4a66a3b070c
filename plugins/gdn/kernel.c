/* kernel.c: generalised divisive normalisation.
 *
 *   y[c] = x[c] / sqrt(n[c]),  n[c] = beta[c] + sum over k of gamma[c, k] x[k]^2
 *
 * at each place of each image; times instead of divided by if it is the inverse. Places are taken
 * in tiles of GDN_PLACES, across the images: a tile of squares [C][GDN_PLACES] is what the
 * runtime's product wants as a panel, and stays in the cache while gamma runs over it. Tiles are
 * shared out to `parts` units, each of which has memory of its own for one tile. */

enum { GDN_PLACES = CTC_PANEL }; /* 32, as layer.json says */

/* Places that follow each other in one image: `count` of them, the first at element `at` of x and
 * y, and in column `column` of the tile. Channels are `rest` elements apart. */
typedef struct {
  ctc_dim at, column, count;
} gdn_run;

/* The run that begins with place `place` of all, in column `column`. */
static inline gdn_run gdn_next_run(ctc_dim place, ctc_dim column, ctc_dim places, ctc_dim C,
                                   ctc_dim rest) {
  const ctc_dim image = place / rest, inside = place % rest;
  const ctc_dim in_tile = ctc_min_dim(GDN_PLACES - column, places - place);
  const gdn_run run = {image * C * rest + inside, column, ctc_min_dim(rest - inside, in_tile)};
  return run;
}

/* --- the squares of a tile --- */

static inline void gdn_square_row_f32(const float *x, float *squares, ctc_dim count) {
  for (ctc_dim i = 0; i < count; i += CTC_LANES) {
    const int lanes = ctc_rest(count - i);
    ctc_v_store_n(squares + i, ctc_square_v(ctc_v_load_n(x + i, lanes)), lanes);
  }
}

static inline void gdn_square_row_f64(const double *x, double *squares, ctc_dim count) {
  for (ctc_dim i = 0; i < count; i++) squares[i] = x[i] * x[i];
}

//$ for t in f32 f64
/* The squares of the places from `place` on; zeros in columns behind the last place. */
static void gdn_take_squares_$t(const $T *x, $T *squares, ctc_dim place, ctc_dim places, ctc_dim C,
                                ctc_dim rest) {
  if (places - place < GDN_PLACES)
    for (ctc_dim i = 0; i < C * GDN_PLACES; i++) squares[i] = 0;
  for (ctc_dim column = 0; column < GDN_PLACES && place + column < places;) {
    const gdn_run run = gdn_next_run(place + column, column, places, C, rest);
    for (ctc_dim c = 0; c < C; c++)
      gdn_square_row_$t(x + run.at + c * rest, squares + c * GDN_PLACES + column, run.count);
    column += run.count;
  }
}
//$ end

/* --- norms = gamma squares --- */

static inline void gdn_product_f32(const float *gamma, const float *squares, float *norms,
                                   ctc_dim C) {
  ctc_gemm_packed_f32(gamma, squares, norms, 0, 0, C, GDN_PLACES, C, C, 1, GDN_PLACES, C, 0, 1);
}

static inline void gdn_product_f64(const double *gamma, const double *squares, double *norms,
                                   ctc_dim C) {
  ctc_matmul_f64(gamma, squares, norms, C, GDN_PLACES, C);
}

/* --- the results --- */

static inline void gdn_scale_row_f32(const float *x, float beta, const float *norms, float *y,
                                     ctc_dim inverse, ctc_dim count) {
  for (ctc_dim i = 0; i < count; i += CTC_LANES) {
    const int lanes = ctc_rest(count - i);
    const ctc_v from = ctc_v_load_n(x + i, lanes);
    const ctc_v root = ctc_sqrt_v(ctc_v_load_n(norms + i, lanes) + beta);
    ctc_v_store_n(y + i, inverse ? from * root : from / root, lanes);
  }
}

static inline void gdn_scale_row_f64(const double *x, double beta, const double *norms, double *y,
                                     ctc_dim inverse, ctc_dim count) {
  for (ctc_dim i = 0; i < count; i++) {
    const double root = ctc_sqrt_f64(norms[i] + beta);
    y[i] = inverse ? x[i] * root : x[i] / root;
  }
}

//$ for t in f32 f64
/* y of the places from `place` on. */
static void gdn_scale_$t(const $T *x, const $T *beta, const $T *norms, $T *y, ctc_dim inverse,
                         ctc_dim place, ctc_dim places, ctc_dim C, ctc_dim rest) {
  for (ctc_dim column = 0; column < GDN_PLACES && place + column < places;) {
    const gdn_run run = gdn_next_run(place + column, column, places, C, rest);
    for (ctc_dim c = 0; c < C; c++)
      gdn_scale_row_$t(x + run.at + c * rest, beta[c], norms + c * GDN_PLACES + column,
                       y + run.at + c * rest, inverse, run.count);
    column += run.count;
  }
}
//$ end

//$ for t in f32 f64
static void gdn_$t(const $T *x, const $T *beta, const $T *gamma, $T *y, $T *squares, $T *norms,
                   ctc_dim inverse, ctc_dim N, ctc_dim C, ctc_dim rest, ctc_dim tiles,
                   ctc_dim parts, ctc_dim first, ctc_dim last) {
  const ctc_dim places = N * rest;
  for (ctc_dim part = first; part < last && C > 0; part++) {
    $T *own_squares = squares + part * C * GDN_PLACES, *own_norms = norms + part * C * GDN_PLACES;
    for (ctc_dim tile = part; tile < tiles; tile += parts) {
      const ctc_dim place = tile * GDN_PLACES;
      gdn_take_squares_$t(x, own_squares, place, places, C, rest);
      gdn_product_$t(gamma, own_squares, own_norms, C);
      gdn_scale_$t(x, beta, own_norms, y, inverse, place, places, C, rest);
    }
  }
}
//$ end
