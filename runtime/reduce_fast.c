/* reduce_fast.c: the reductions of reduce.c for f32, with vectors.
 *
 * A row is folded in four vectors that take turns, joined after each CTC_FOLD_BLOCK elements; columns
 * in one vector for each CTC_LANES of them, joined after each CTC_FOLD_ROWS rows. A unit of work is
 * one row, or up to CTC_FOLD_TILE columns. */

/* Whether a lane is among the first `count`. */
static CTC_KERNEL ctc_vi ctc_v_first(int count) {
  return CTC_MASK(ctc_v_lane_numbers() < ctc_vi_set(count));
}

/* `count` lanes, behind them `filler`. */
static CTC_KERNEL ctc_v ctc_v_load_or(const float *p, int count, float filler) {
  if (count >= CTC_LANES) return ctc_v_load(p);
  return ctc_v_select(ctc_v_first(count), ctc_v_load_part(p, count), ctc_v_set(filler));
}

/* --- steps of folds, and how partial results are joined --- */

/* a + |x| */
static CTC_KERNEL ctc_v ctc_addabs_v(ctc_v a, ctc_v x) { return a + ctc_v_abs(x); }

/* a + x^2 */
static CTC_KERNEL ctc_v ctc_addsquare_v(ctc_v a, ctc_v x) { return a + x * x; }

//$ for f in add addabs addsquare
static CTC_KERNEL ctc_v ctc_join_$f_v(ctc_v a, ctc_v b) { return a + b; }

//$ end
//$ for f in mul max min
static CTC_KERNEL ctc_v ctc_join_$f_v(ctc_v a, ctc_v b) { return ctc_$f_v(a, b); }

//$ end
/* All lanes as one number. */
//$ for f in add mul addabs addsquare max min
static CTC_KERNEL float ctc_lanes_$f(ctc_v v) {
#if defined(CTC_LANES_ON_8)
  v = ctc_join_$f_v(v, CTC_LANES_ON_8(v));
#endif
#if defined(CTC_LANES_ON_4)
  v = ctc_join_$f_v(v, CTC_LANES_ON_4(v));
#endif
#if defined(CTC_LANES_ON_1)
  v = ctc_join_$f_v(v, CTC_LANES_ON_2(v));
  v = ctc_join_$f_v(v, CTC_LANES_ON_1(v));
  return v[0];
#else
  float lanes[CTC_LANES];
  ctc_v_store(lanes, v);
  for (int i = 1; i < CTC_LANES; i++) v = ctc_join_$f_v(v, ctc_v_set(lanes[i]));
  ctc_v_store(lanes, v);
  return lanes[0];
#endif
}

/* The fold of x[0 … n-1]. What fills the last vector up is what a fold begins with: it changes
 * nothing. */
static CTC_KERNEL float ctc_row_$f_f32(const float *x, ctc_dim n) {
  const ctc_v start = ctc_v_set(ctc_start_$f_f32());
  ctc_v total = start;
  for (ctc_dim i = 0; i < n;) {
    ctc_dim end = n - i > CTC_FOLD_BLOCK ? i + CTC_FOLD_BLOCK : n;
    ctc_v p0 = start, p1 = start, p2 = start, p3 = start;
    for (; end - i >= 4 * CTC_LANES; i += 4 * CTC_LANES) {
      p0 = ctc_$f_v(p0, ctc_v_load(x + i));
      p1 = ctc_$f_v(p1, ctc_v_load(x + i + CTC_LANES));
      p2 = ctc_$f_v(p2, ctc_v_load(x + i + 2 * CTC_LANES));
      p3 = ctc_$f_v(p3, ctc_v_load(x + i + 3 * CTC_LANES));
    }
    for (; end - i >= CTC_LANES; i += CTC_LANES) p0 = ctc_$f_v(p0, ctc_v_load(x + i));
    if (i < end) p1 = ctc_$f_v(p1, ctc_v_load_or(x + i, (int)(end - i), ctc_start_$f_f32()));
    i = end;
    p0 = ctc_join_$f_v(ctc_join_$f_v(p0, p2), ctc_join_$f_v(p1, p3));
    total = ctc_join_$f_v(total, p0);
  }
  return ctc_lanes_$f(total);
}

/* The fold over n rows of `count` columns, rows `inner` apart. */
static CTC_KERNEL ctc_v ctc_columns_$f_v(const float *x, ctc_dim n, ctc_dim inner, int count) {
  const ctc_v start = ctc_v_set(ctc_start_$f_f32());
  ctc_v total = start;
  for (ctc_dim begin = 0, end; begin < n; begin = end) {
    ctc_v p0 = start, p1 = start, p2 = start, p3 = start;
    ctc_dim i = begin;
    end = n - begin > CTC_FOLD_ROWS ? begin + CTC_FOLD_ROWS : n;
    for (; end - i >= 4; i += 4) {
      p0 = ctc_$f_v(p0, ctc_v_load_n(x + i * inner, count));
      p1 = ctc_$f_v(p1, ctc_v_load_n(x + (i + 1) * inner, count));
      p2 = ctc_$f_v(p2, ctc_v_load_n(x + (i + 2) * inner, count));
      p3 = ctc_$f_v(p3, ctc_v_load_n(x + (i + 3) * inner, count));
    }
    for (i = end - (end - begin) % 4; i < end; i++)
      p0 = ctc_$f_v(p0, ctc_v_load_n(x + i * inner, count));
    p0 = ctc_join_$f_v(ctc_join_$f_v(p0, p2), ctc_join_$f_v(p1, p3));
    total = ctc_join_$f_v(total, p0);
  }
  return total;
}

/* The fold over the middle axis: x is [outer, n, inner], y is [outer, inner]. Units: outer *
 * ceil(inner / CTC_FOLD_TILE). */
static CTC_KERNEL void ctc_reduce_$f_f32(const float *x, float *y, ctc_dim outer, ctc_dim n,
                                         ctc_dim inner, ctc_dim first, ctc_dim last) {
  ctc_dim tiles = (inner + CTC_FOLD_TILE - 1) / CTC_FOLD_TILE;
  (void)outer;
  for (ctc_dim unit = first; unit < last; unit++) {
    ctc_dim o = unit / tiles, j = unit % tiles * CTC_FOLD_TILE;
    ctc_dim end = j + ctc_tile_width(inner - j);
    const float *from = x + o * n * inner;
    float *to = y + o * inner;
    if (inner == 1) {
      to[0] = ctc_row_$f_f32(from, n);
      continue;
    }
    for (; j + CTC_LANES <= end; j += CTC_LANES)
      ctc_v_store(to + j, ctc_columns_$f_v(from + j, n, inner, CTC_LANES));
    if (j < end)
      ctc_v_store_n(to + j, ctc_columns_$f_v(from + j, n, inner, (int)(end - j)), (int)(end - j));
  }
}

//$ end
