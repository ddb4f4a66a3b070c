/* reduce.c: reductions over one axis of a tensor seen as [outer, n, inner]; several axes are
 * reduced one after another.
 *
 * Where inner is 1 the n elements of a row are folded in CTC_FOLD_LANES partial results that take
 * turns, over blocks of CTC_FOLD_BLOCK; otherwise whole rows of `inner` elements are folded into
 * a partial row for each CTC_FOLD_ROWS of them. So long f32 sums lose few digits, the loops have
 * no dependent chains, and the order is the same in every run. Those of f32 are
 * in reduce_fast.c. */

enum { CTC_FOLD_LANES = 16, CTC_FOLD_BLOCK = 4096, CTC_FOLD_ROWS = 128, CTC_FOLD_TILE = 64 };

/* Elements of a row that are taken at a time, of those that remain. */
static inline ctc_dim ctc_tile_width(ctc_dim rest) {
  return rest < CTC_FOLD_TILE ? rest : (ctc_dim)CTC_FOLD_TILE;
}

/* a + |x|: one step of a sum of magnitudes */
//$ for t in f32 f64 i32 i64 u32 u64
static inline $T ctc_addabs_$t($T a, $T x) { return ctc_add_$t(a, ctc_abs_$t(x)); }

/* a + x^2: one step of a sum of squares */
static inline $T ctc_addsquare_$t($T a, $T x) { return ctc_add_$t(a, ctc_mul_$t(x, x)); }

//$ end
/* --- what a fold begins with, and how two partial results are joined --- */

//$ for t in f32 f64 i32 i64 u32 u64
//$ for f in add addabs addsquare
static inline $T ctc_start_$f_$t(void) { return 0; }

static inline $T ctc_join_$f_$t($T a, $T b) { return ctc_add_$t(a, b); }

//$ end
static inline $T ctc_start_mul_$t(void) { return 1; }

static inline $T ctc_join_mul_$t($T a, $T b) { return ctc_mul_$t(a, b); }

//$ end
//$ for t in f32 f64 i8 i32 i64 u8 u32 u64 bool
//$ for f in max min
static inline $T ctc_join_$f_$t($T a, $T b) { return ctc_$f_$t(a, b); }

//$ end
//$ end
static inline float ctc_start_max_f32(void) { return -HUGE_VALF; }

static inline double ctc_start_max_f64(void) { return -HUGE_VAL; }

static inline int8_t ctc_start_max_i8(void) { return INT8_MIN; }

static inline int32_t ctc_start_max_i32(void) { return INT32_MIN; }

static inline int64_t ctc_start_max_i64(void) { return INT64_MIN; }

//$ for t in u8 u32 u64 bool
static inline $T ctc_start_max_$t(void) { return 0; }

//$ end
static inline float ctc_start_min_f32(void) { return HUGE_VALF; }

static inline double ctc_start_min_f64(void) { return HUGE_VAL; }

static inline int8_t ctc_start_min_i8(void) { return INT8_MAX; }

static inline int32_t ctc_start_min_i32(void) { return INT32_MAX; }

static inline int64_t ctc_start_min_i64(void) { return INT64_MAX; }

static inline uint8_t ctc_start_min_u8(void) { return UINT8_MAX; }

static inline uint32_t ctc_start_min_u32(void) { return UINT32_MAX; }

static inline uint64_t ctc_start_min_u64(void) { return UINT64_MAX; }

static inline ctc_bool ctc_start_min_bool(void) { return 1; }

/* --- kernels --- */

/* The fold (ctc_add, ctc_mul …) of x[0 … n-1]. */
//$ for f in add mul addabs addsquare
//$ for t in f64
static inline $T ctc_row_$f_$t(const $T *x, ctc_dim n) {
  $T total = ctc_start_$f_$t(), part[CTC_FOLD_LANES];
  ctc_dim i = 0;
  while (n - i >= CTC_FOLD_LANES) {
    ctc_dim end = n - i > CTC_FOLD_BLOCK ? i + CTC_FOLD_BLOCK : n;
    for (int k = 0; k < CTC_FOLD_LANES; k++) part[k] = ctc_start_$f_$t();
    for (; end - i >= CTC_FOLD_LANES; i += CTC_FOLD_LANES)
      for (int k = 0; k < CTC_FOLD_LANES; k++) part[k] = ctc_$f_$t(part[k], x[i + k]);
    for (int k = 0; k < CTC_FOLD_LANES; k++) total = ctc_join_$f_$t(total, part[k]);
  }
  for (i = n - n % CTC_FOLD_LANES; i < n; i++) total = ctc_$f_$t(total, x[i]);
  return total;
}

//$ end
//$ end
/* The order does not matter for integers: one partial result. (gcc 12 -O3 gets several of them
 * wrong where the fold wraps through an unsigned type.) */
//$ for f in add mul addabs addsquare
//$ for t in i32 i64 u32 u64
static inline $T ctc_row_$f_$t(const $T *x, ctc_dim n) {
  $T total = ctc_start_$f_$t();
  for (ctc_dim i = 0; i < n; i++) total = ctc_$f_$t(total, x[i]);
  return total;
}

//$ end
//$ end
//$ for f in add mul addabs addsquare
//$ for t in f64 i32 i64 u32 u64
/* y[j] = the fold of x[i][j] over i < n, for j < width of a row of `inner` elements; width is at
 * most CTC_FOLD_TILE. */
static inline void ctc_columns_$f_$t(const $T *x, $T *y, ctc_dim n, ctc_dim inner, ctc_dim width) {
  $T part[CTC_FOLD_TILE];
  for (ctc_dim j = 0; j < width; j++) y[j] = ctc_start_$f_$t();
  for (ctc_dim i = 0; i < n;) {
    ctc_dim end = n - i > CTC_FOLD_ROWS ? i + CTC_FOLD_ROWS : n;
    for (ctc_dim j = 0; j < width; j++) part[j] = ctc_start_$f_$t();
    for (; i < end; i++)
      for (ctc_dim j = 0; j < width; j++) part[j] = ctc_$f_$t(part[j], x[i * inner + j]);
    for (ctc_dim j = 0; j < width; j++) y[j] = ctc_join_$f_$t(y[j], part[j]);
  }
}

/* The fold over the middle axis: x is [outer, n, inner], y is [outer, inner]. */
static void ctc_reduce_$f_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n, ctc_dim inner) {
  for (ctc_dim o = 0; o < outer; o++, x += n * inner, y += inner) {
    if (inner == 1) {
      y[0] = ctc_row_$f_$t(x, n);
      continue;
    }
    for (ctc_dim j = 0; j < inner; j += CTC_FOLD_TILE)
      ctc_columns_$f_$t(x + j, y + j, n, inner, ctc_tile_width(inner - j));
  }
}

//$ end
//$ end
/* The largest or smallest of x[0 … n-1]. */
//$ for f in max min
//$ for t in f64 i8 i32 i64 u8 u32 u64 bool
static inline $T ctc_row_$f_$t(const $T *x, ctc_dim n) {
  $T total = ctc_start_$f_$t(), part[CTC_FOLD_LANES];
  ctc_dim i = 0;
  while (n - i >= CTC_FOLD_LANES) {
    ctc_dim end = n - i > CTC_FOLD_BLOCK ? i + CTC_FOLD_BLOCK : n;
    for (int k = 0; k < CTC_FOLD_LANES; k++) part[k] = ctc_start_$f_$t();
    for (; end - i >= CTC_FOLD_LANES; i += CTC_FOLD_LANES)
      for (int k = 0; k < CTC_FOLD_LANES; k++) part[k] = ctc_$f_$t(part[k], x[i + k]);
    for (int k = 0; k < CTC_FOLD_LANES; k++) total = ctc_join_$f_$t(total, part[k]);
  }
  for (i = n - n % CTC_FOLD_LANES; i < n; i++) total = ctc_$f_$t(total, x[i]);
  return total;
}

/* y[j] = the largest or smallest of x[i][j] over i < n, for j < width of a row of `inner`
 * elements; width is at most CTC_FOLD_TILE. */
static inline void ctc_columns_$f_$t(const $T *x, $T *y, ctc_dim n, ctc_dim inner, ctc_dim width) {
  $T part[CTC_FOLD_TILE];
  for (ctc_dim j = 0; j < width; j++) y[j] = ctc_start_$f_$t();
  for (ctc_dim i = 0; i < n;) {
    ctc_dim end = n - i > CTC_FOLD_ROWS ? i + CTC_FOLD_ROWS : n;
    for (ctc_dim j = 0; j < width; j++) part[j] = ctc_start_$f_$t();
    for (; i < end; i++)
      for (ctc_dim j = 0; j < width; j++) part[j] = ctc_$f_$t(part[j], x[i * inner + j]);
    for (ctc_dim j = 0; j < width; j++) y[j] = ctc_join_$f_$t(y[j], part[j]);
  }
}

/* The largest or smallest over the middle axis: x is [outer, n, inner], y is [outer, inner]. */
static void ctc_reduce_$f_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n, ctc_dim inner) {
  for (ctc_dim o = 0; o < outer; o++, x += n * inner, y += inner) {
    if (inner == 1) {
      y[0] = ctc_row_$f_$t(x, n);
      continue;
    }
    for (ctc_dim j = 0; j < inner; j += CTC_FOLD_TILE)
      ctc_columns_$f_$t(x + j, y + j, n, inner, ctc_tile_width(inner - j));
  }
}

//$ end
//$ end
/* log(sum(e^x)) over the middle axis: x is [outer, n, inner], y is [outer, inner]. The largest
 * element is taken out, so that no exponential overflows. */
//$ for t in f32 f64
static void ctc_reduce_logsumexp_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n, ctc_dim inner) {
  for (ctc_dim o = 0; o < outer; o++, x += n * inner, y += inner)
    for (ctc_dim j = 0; j < inner; j++) {
      $T most = ctc_start_max_$t(), sum = 0;
      for (ctc_dim i = 0; i < n; i++) most = ctc_max_$t(most, x[i * inner + j]);
      $T base = ctc_isinf_$t(most) ? 0 : most;
      for (ctc_dim i = 0; i < n; i++) sum += ctc_exp_$t(x[i * inner + j] - base);
      y[j] = base + ctc_log_$t(sum);
    }
}
//$ end

/* Whether `a` is a larger (arg_max) or smaller (arg_min) element than `b`; NaN is before every
 * number. */
//$ for t in f32 f64
static inline ctc_bool ctc_wins_max_$t($T a, $T b) { return a > b || (a != a && b == b); }

static inline ctc_bool ctc_wins_min_$t($T a, $T b) { return a < b || (a != a && b == b); }
//$ end

//$ for t in i8 i16 i32 i64 u8 u16 u32 u64
static inline ctc_bool ctc_wins_max_$t($T a, $T b) { return a > b; }

static inline ctc_bool ctc_wins_min_$t($T a, $T b) { return a < b; }

//$ end
/* Index of the largest or smallest element along the middle axis: x is [outer, n, inner], y is
 * [outer, inner]. Of equal ones the first, or the last if `last_wins` is not 0. The first NaN counts
 * as the largest and smallest. */
//$ for f in max min
//$ for t in f32 f64 i8 i16 i32 i64 u8 u16 u32 u64
static void ctc_arg$f_$t(const $T *x, int64_t *y, ctc_dim outer, ctc_dim n, ctc_dim inner,
                         ctc_dim last_wins) {
  for (ctc_dim o = 0; o < outer; o++, x += n * inner, y += inner)
    for (ctc_dim j = 0; j < inner; j++) {
      ctc_dim best = 0;
      for (ctc_dim i = 1; i < n; i++) {
        $T a = x[i * inner + j], b = x[best * inner + j];
        if (ctc_wins_$f_$t(a, b) || (last_wins && !ctc_wins_$f_$t(b, a))) best = i;
      }
      y[j] = best;
    }
}
//$ end
//$ end

/* Running sum (add) or product (mul) along the middle axis; x and y are [outer, n, inner].
 * `exclusive`: without the element itself. `reverse`: from the end. */
//$ for f in add mul
//$ for t in f32 f64 i32 i64 u32 u64
static void ctc_cumulate_$f_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n, ctc_dim inner,
                               ctc_dim exclusive, ctc_dim reverse) {
  for (ctc_dim o = 0; o < outer; o++, x += n * inner, y += n * inner)
    for (ctc_dim j = 0; j < inner; j++) {
      $T total = ctc_start_$f_$t();
      for (ctc_dim i = 0; i < n; i++) {
        ctc_dim at = (reverse ? n - 1 - i : i) * inner + j;
        $T next = ctc_$f_$t(total, x[at]);
        y[at] = exclusive ? total : next;
        total = next;
      }
    }
}
//$ end
//$ end

/* Determinants of `count` matrices [n, n], by elimination with row exchanges in `work`, which has
 * room for one matrix. */
//$ for t in f32 f64
static void ctc_det_$t(const $T *x, $T *y, $T *work, ctc_dim count, ctc_dim n) {
  for (ctc_dim m = 0; m < count; m++, x += n * n) {
    $T det = 1;
    for (ctc_dim i = 0; i < n * n; i++) work[i] = x[i];
    for (ctc_dim p = 0; p < n; p++) {
      ctc_dim pivot = p;
      for (ctc_dim i = p + 1; i < n; i++)
        if (ctc_abs_$t(work[i * n + p]) > ctc_abs_$t(work[pivot * n + p])) pivot = i;
      if (pivot != p) det = -det;
      for (ctc_dim j = p; j < n && pivot != p; j++) {
        $T swapped = work[p * n + j];
        work[p * n + j] = work[pivot * n + j];
        work[pivot * n + j] = swapped;
      }
      det *= work[p * n + p];
      if (work[p * n + p] == 0) break;
      for (ctc_dim i = p + 1; i < n; i++) {
        $T factor = work[i * n + p] / work[p * n + p];
        for (ctc_dim j = p + 1; j < n; j++) work[i * n + j] -= factor * work[p * n + j];
      }
    }
    y[m] = det;
  }
}
//$ end
