/* gemm.c: products of f32 matrices, Y = A * B, with B in panels of 32 columns.
 *
 * A packed B is [ceil(n / 32)][k][32], zeros beyond column n: the inner loop reads it from front to
 * back, at every width of the registers. A tile of up to CTC_TILE rows by two vectors of columns
 * stays in registers over the whole depth k; the rows of Y are cut into tiles of equal height (up
 * to one row) instead of full ones and a rest. Each element of Y is summed in order of rising k;
 * only products of one or two rows use several partial sums.
 *
 * While a panel is used, the next one is brought into the cache bit by bit: memory then delivers
 * weights all the time and not only during the first tile of a panel. */

/* Columns of a panel. */
#define CTC_PANEL 32

/* Floats: how far ahead a product of few rows asks for its weights, if there are so many that no
 * cache has them: from a cache the hardware brings them faster by itself. */
#define CTC_GEMV_AHEAD 1024
#define CTC_GEMV_CACHED 2097152

/* Whether the C compiler knows the value; only then it pays to write code for that value. */
#if defined(__GNUC__)
#define CTC_KNOWN(x) __builtin_constant_p(x)
#else
#define CTC_KNOWN(x) 0
#endif

/* M(0) … M(CTC_TILE - 1). */
#if CTC_TILE == 14
#define CTC_EACH_ROW(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13)
#elif CTC_TILE == 6
#define CTC_EACH_ROW(M) M(0) M(1) M(2) M(3) M(4) M(5)
#else
#define CTC_EACH_ROW(M) M(0) M(1) M(2) M(3)
#endif

/* Panels [first, last) of a stack of matrices B[k x n], of which matrix i begins at i / inner *
 * b_outer + i % inner * b_inner and has element (l, j) at l * b_row + j * b_col. */
static void ctc_pack_panels_f32(const float *b, float *packed, ctc_dim k, ctc_dim n, ctc_dim b_row,
                                ctc_dim b_col, ctc_dim inner, ctc_dim b_outer, ctc_dim b_inner,
                                ctc_dim first, ctc_dim last) {
  const ctc_dim panels = (n + CTC_PANEL - 1) / CTC_PANEL;
  for (ctc_dim unit = first; unit < last; unit++) {
    const ctc_dim matrix = unit / panels, j = unit % panels * CTC_PANEL;
    const ctc_dim width = n - j < CTC_PANEL ? n - j : CTC_PANEL;
    const float *from = b + matrix / inner * b_outer + matrix % inner * b_inner + j * b_col;
    float *to = packed + unit * k * CTC_PANEL;
    for (ctc_dim i = 0; i < k * CTC_PANEL && width < CTC_PANEL; i++) to[i] = 0;
    if (b_row == 1)
      ctc_transpose_plane(from, b_col, to, CTC_PANEL, 0, width, 0, k);
    else if (b_col == 1 && width == CTC_PANEL)
      for (ctc_dim l = 0; l < k; l++)
        memcpy(to + l * CTC_PANEL, from + l * b_row, CTC_PANEL * sizeof *to);
    else
      for (ctc_dim l = 0; l < k; l++)
        for (ctc_dim i = 0; i < width; i++) to[l * CTC_PANEL + i] = from[l * b_row + i * b_col];
  }
}

/* What the tiles of one product share. `b_row`: from one row of B to the next, CTC_PANEL if it is
 * packed. */
typedef struct {
  ctc_epilogue epilogue;
  const float *const *operands;
  ctc_dim k, a_row, a_col, y_row, b_row;
  int packed;
} ctc_gemm_job;

/* Where a tile works: its first row of A, its part of a panel of B, its first element of Y (element
 * `at` of the kernel's output, in column `channel`), of which `columns` columns exist, how many
 * columns of the tile lie before that element, and the weights to prefetch, `ahead_step` floats for
 * each step of k. */
typedef struct {
  const float *a, *b, *ahead;
  float *y;
  ctc_dim at, channel, columns, before, ahead_step;
} ctc_gemm_place;

/* n rows of results, `width` numbers each, through the epilogue to Y. Up to `before` numbers behind
 * them are read. */
static inline CTC_INLINE void ctc_gemm_finish(const float *results, int width, ctc_gemm_job job,
                                              ctc_gemm_place place, int n) {
  for (int i = 0; i < n; i++)
    for (int j = 0; j < width && j < place.columns; j += CTC_LANES) {
      const int count = place.columns - j < CTC_LANES ? (int)place.columns - j : CTC_LANES;
      const ctc_dim to = i * job.y_row + j;
      ctc_v v = ctc_v_load(results + i * width + place.before + j);
      if (job.epilogue) v = job.epilogue(v, job.operands, place.at + to, place.channel + j, count);
      ctc_v_store_n(place.y + to, v, count);
    }
}

/* The place `rows` rows, which are `tiles` tiles, below. */
static CTC_KERNEL ctc_gemm_place ctc_gemm_below(ctc_gemm_job job, ctc_gemm_place place,
                                                ctc_dim rows, ctc_dim tiles) {
  place.a += rows * job.a_row;
  place.y += rows * job.y_row, place.at += rows * job.y_row;
  place.ahead += tiles * job.k * place.ahead_step;
  return place;
}

/* The place `columns` columns further in the panel. */
static CTC_KERNEL ctc_gemm_place ctc_gemm_right(ctc_gemm_place place, ctc_dim columns) {
  place.b += columns, place.y += columns, place.at += columns, place.channel += columns;
  return place;
}

/* The place with the last `columns` columns of B, for a tile of `width`. A packed B has zeros behind
 * them; in a B as it is the tile begins further left, with columns that another one writes. */
static CTC_KERNEL ctc_gemm_place ctc_gemm_edge(ctc_gemm_job job, ctc_gemm_place place,
                                               ctc_dim columns, ctc_dim width) {
  place.columns = columns;
  place.before = job.packed ? 0 : width - columns;
  place.b -= place.before;
  return place;
}

/* Steps of k after which the sums of a tile are set aside: rounding errors of a sum grow with its
 * length. Rows whose sums are kept at a time: their tiles use a part of the weights one after the
 * other, while it is in the cache. */
#define CTC_GEMM_SUM 512
#if CTC_LANES > 1
#define CTC_GEMM_KEPT 128
#else
#define CTC_GEMM_KEPT CTC_TILE
#endif

/* A part of the sums of a tile: steps [begin, end) of k, and where the sums lie between two parts,
 * the two vectors of a row side by side. */
typedef struct {
  ctc_dim begin, end;
  float *sums;
} ctc_gemm_part;

/* A part of a tile of n rows (a literal) and two vectors of columns, or one if not `wide`. */
static inline CTC_INLINE void ctc_gemm_tile(ctc_gemm_job job, ctc_gemm_place place,
                                            ctc_gemm_part part, int wide, int n) {
  const ctc_v zero = ctc_v_set(0);
  const float *x = place.a + part.begin * job.a_col, *b = place.b + part.begin * job.b_row;
  const float *ahead = place.ahead + part.begin * place.ahead_step;
#define CTC_START(i) ctc_v p##i = zero, q##i = zero;
  CTC_EACH_ROW(CTC_START)
#undef CTC_START
  for (ctc_dim l = part.begin; l < part.end;
       l++, b += job.b_row, x += job.a_col, ahead += place.ahead_step) {
    const ctc_v v = ctc_v_load(b), w = wide ? ctc_v_load(b + CTC_LANES) : v;
    CTC_PREFETCH(ahead);
#define CTC_ADD(i)                          \
  if (n > (i)) {                            \
    const float f = x[(i) * job.a_row];     \
    p##i += v * f;                          \
    if (wide) q##i += w * f;                \
  }
    CTC_EACH_ROW(CTC_ADD)
#undef CTC_ADD
  }
#define CTC_TAKE_BACK(i)                                             \
  if (n > (i)) {                                                     \
    p##i += ctc_v_load(part.sums + (i) * 2 * CTC_LANES);             \
    q##i += ctc_v_load(part.sums + (i) * 2 * CTC_LANES + CTC_LANES); \
  }
  if (part.begin > 0) {
    CTC_EACH_ROW(CTC_TAKE_BACK)
  }
#undef CTC_TAKE_BACK
  if (part.end == job.k && !job.epilogue && place.columns >= 2 * CTC_LANES) {
#define CTC_PUT(i)                                            \
  if (n > (i)) {                                              \
    ctc_v_store(place.y + (i) * job.y_row, p##i);             \
    ctc_v_store(place.y + (i) * job.y_row + CTC_LANES, q##i); \
  }
    CTC_EACH_ROW(CTC_PUT)
#undef CTC_PUT
    return;
  }
#define CTC_SET_ASIDE(i)                                             \
  if (n > (i)) {                                                     \
    ctc_v_store(part.sums + (i) * 2 * CTC_LANES, p##i);              \
    ctc_v_store(part.sums + (i) * 2 * CTC_LANES + CTC_LANES, q##i);  \
  }
  CTC_EACH_ROW(CTC_SET_ASIDE)
#undef CTC_SET_ASIDE
  if (part.end == job.k) ctc_gemm_finish(part.sums, 2 * CTC_LANES, job, place, n);
}

/* The part that begins at step `begin`. */
static CTC_KERNEL ctc_gemm_part ctc_gemm_part_from(ctc_gemm_job job, ctc_dim begin, float *sums) {
  const ctc_dim left = job.k - begin;
  const ctc_gemm_part part = {begin, begin + (left < CTC_GEMM_SUM ? left : CTC_GEMM_SUM), sums};
  return part;
}

/* The highest tile. Rows of A that are a multiple of 4 KiB apart share one set of the first-level
 * cache, which has 8 to 12 places in most machines. */
static CTC_KERNEL ctc_dim ctc_gemm_most_rows(ctc_gemm_job job) {
  return job.a_row % 1024 == 0 && CTC_TILE > 10 ? 10 : CTC_TILE;
}

/* `tiles` tiles of a strip from number `first` on: those before `high_tiles` have `high` rows (a
 * literal), the others one row less. */
static inline CTC_INLINE void ctc_gemm_strip(ctc_gemm_job job, ctc_gemm_place place,
                                             ctc_gemm_part part, int wide, ctc_dim first,
                                             ctc_dim tiles, ctc_dim high, ctc_dim high_tiles) {
  for (ctc_dim i = first; i < first + tiles; i++, part.sums += high * 2 * CTC_LANES) {
    const ctc_dim row = i * high - (i > high_tiles ? i - high_tiles : 0);
    const ctc_gemm_place tile = ctc_gemm_below(job, place, row, i);
    if (i < high_tiles)
      ctc_gemm_tile(job, tile, part, wide, (int)high);
    else
      ctc_gemm_tile(job, tile, part, wide, (int)high - 1);
  }
}

/* `rows` rows of one panel of which `columns` columns exist (literals), in tiles of equal height (up
 * to one row). */
static inline CTC_INLINE void ctc_gemm_panel(ctc_gemm_job job, ctc_gemm_place place,
                                             ctc_dim columns, ctc_dim rows) {
  const ctc_dim most = ctc_gemm_most_rows(job), tiles = (rows + most - 1) / most;
  const ctc_dim high = (rows + tiles - 1) / tiles, high_tiles = tiles - (high * tiles - rows);
  const ctc_dim strip = 2 * CTC_LANES, rest = columns % strip, kept = CTC_GEMM_KEPT / high;
  const ctc_dim width = rest > CTC_LANES ? strip : CTC_LANES;
  float sums[CTC_GEMM_KEPT * CTC_PANEL + CTC_PANEL];
  place.ahead_step = job.packed ? (CTC_PANEL + tiles - 1) / tiles : 0;
  for (ctc_dim first = 0; first < tiles; first += kept) {
    const ctc_dim some = tiles - first < kept ? tiles - first : kept;
    ctc_gemm_part part = {0, 0, sums};
    do {
      ctc_gemm_place at = place;
      part = ctc_gemm_part_from(job, part.end, sums);
      at.columns = strip;
      for (ctc_dim j = 0; j < columns - rest; j += strip, part.sums += CTC_GEMM_KEPT * strip) {
        ctc_gemm_strip(job, at, part, 1, first, some, high, high_tiles);
        at = ctc_gemm_right(at, strip);
      }
      at = ctc_gemm_edge(job, at, rest, width);
      if (rest > 0) ctc_gemm_strip(job, at, part, rest > CTC_LANES, first, some, high, high_tiles);
    } while (part.end < job.k);
  }
}

/* A part of a tile of which the C compiler does not know the height: 1 or an even number. */
static inline void ctc_gemm_tile_any(ctc_gemm_job job, ctc_gemm_place place, ctc_gemm_part part,
                                     ctc_dim height) {
  switch (height) {
#if CTC_TILE > 6
  case 14: ctc_gemm_tile(job, place, part, 1, 14); break;
  case 12: ctc_gemm_tile(job, place, part, 1, 12); break;
  case 10: ctc_gemm_tile(job, place, part, 1, 10); break;
  case 8: ctc_gemm_tile(job, place, part, 1, 8); break;
#endif
#if CTC_TILE > 4
  case 6: ctc_gemm_tile(job, place, part, 1, 6); break;
#endif
  case 4: ctc_gemm_tile(job, place, part, 1, 4); break;
  case 2: ctc_gemm_tile(job, place, part, 1, 2); break;
  default: ctc_gemm_tile(job, place, part, 1, 1); break;
  }
}

/* A panel with sizes that the C compiler does not know: tiles of even heights and those of one row,
 * each with all its parts. */
static inline void ctc_gemm_panel_any(ctc_gemm_job job, ctc_gemm_place place, ctc_dim columns,
                                      ctc_dim rows) {
  const ctc_dim most = ctc_gemm_most_rows(job), tiles = (rows + most - 1) / most;
  const ctc_dim even = (rows / tiles + 1) / 2 * 2;
  float sums[(CTC_TILE + 1) * 2 * CTC_LANES];
  place.columns = columns;
  place.ahead_step = job.packed ? (CTC_PANEL + tiles - 1) / tiles : 0;
  for (; place.columns > 0; place.columns -= 2 * CTC_LANES) {
    ctc_gemm_place tile = place;
    if (place.columns < 2 * CTC_LANES)
      tile = ctc_gemm_edge(job, place, place.columns, 2 * CTC_LANES);
    for (ctc_dim left = rows, height; left > 0; left -= height) {
      ctc_gemm_part part = {0, 0, sums};
      height = left < even ? (left > 1 ? left / 2 * 2 : 1) : even;
      do {
        part = ctc_gemm_part_from(job, part.end, sums);
        ctc_gemm_tile_any(job, tile, part, height);
      } while (part.end < job.k);
      tile = ctc_gemm_below(job, tile, height, 1);
    }
    place = ctc_gemm_right(place, 2 * CTC_LANES);
  }
}

#define CTC_EACH_OF_8(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)

/* Steps of k after which the sums of a single row are set aside: rounding errors of a sum grow with
 * its length. */
#define CTC_GEMV_SUM 1024

/* One panel of a product of one or two rows: eight vectors of weights at a time, some steps of k side
 * by side, so that additions do not wait for each other. Literals: `rows`; how many vectors of the
 * panel have columns that exist (a power of two); whether weights are fetched `ahead`. */
static inline CTC_INLINE void ctc_gemv_panel(ctc_gemm_job job, ctc_gemm_place place, int rows,
                                             int vectors, int ahead) {
  const int depth = 8 / vectors;
  const ctc_v zero = ctc_v_set(0);
  const float *x = place.a, *b = place.b;
#define CTC_START(i) ctc_v p##i = zero, q##i = zero, s##i = zero, t##i = zero;
  CTC_EACH_OF_8(CTC_START)
#undef CTC_START
  ctc_dim left = job.k;
#define CTC_ADD(i)                                                                         \
  {                                                                                        \
    const float *from = b + (i) / vectors * CTC_PANEL + (i) % vectors * CTC_LANES;         \
    const float *at = x + (i) / vectors * job.a_col;                                       \
    const ctc_v w = ctc_v_load(from);                                                      \
    if (ahead && (i) * CTC_LANES % 16 == 0) CTC_PREFETCH(from + CTC_GEMV_AHEAD);           \
    p##i += w * at[0];                                                                     \
    if (rows > 1) q##i += w * at[job.a_row];                                               \
  }
#define CTC_ADD_LEFT(i) if (left > (i) / vectors) CTC_ADD(i)
#define CTC_SET_ASIDE(i) s##i += p##i, t##i += q##i, p##i = zero, q##i = zero;
  while (left >= depth) {
    const ctc_dim steps = (left < CTC_GEMV_SUM ? left : CTC_GEMV_SUM) / depth;
    for (ctc_dim i = 0; i < steps; i++, b += depth * CTC_PANEL, x += depth * job.a_col) {
      CTC_EACH_OF_8(CTC_ADD)
    }
    left -= steps * depth;
    CTC_EACH_OF_8(CTC_SET_ASIDE)
  }
  CTC_EACH_OF_8(CTC_ADD_LEFT) /* the last steps of k, fewer than `depth` */
#define CTC_TAKE_BACK(i) p##i += s##i, q##i += t##i;
  CTC_EACH_OF_8(CTC_TAKE_BACK)
#undef CTC_ADD
#undef CTC_ADD_LEFT
#undef CTC_SET_ASIDE
#undef CTC_TAKE_BACK
  if (vectors <= 4) {
    p0 += p4, p1 += p5, p2 += p6, p3 += p7;
    if (rows > 1) q0 += q4, q1 += q5, q2 += q6, q3 += q7;
  }
  if (vectors <= 2) {
    p0 += p2, p1 += p3;
    if (rows > 1) q0 += q2, q1 += q3;
  }
  if (vectors <= 1) {
    p0 += p1;
    if (rows > 1) q0 += q1;
  }
  float sums[2][CTC_PANEL];
#define CTC_PUT(i)                                                \
  if ((i) < vectors && (i) * CTC_LANES < CTC_PANEL) {             \
    ctc_v_store(sums[0] + (i) * CTC_LANES, p##i);                 \
    if (rows > 1) ctc_v_store(sums[1] + (i) * CTC_LANES, q##i);   \
  }
  CTC_EACH_OF_8(CTC_PUT)
#undef CTC_PUT
  ctc_gemm_finish(sums[0], CTC_PANEL, job, place, rows);
}

/* A panel of which `columns` columns exist: vectors beyond them are left out, if the number is a
 * literal. */
static inline CTC_INLINE void ctc_gemv_columns(ctc_gemm_job job, ctc_gemm_place place, int rows,
                                               ctc_dim columns, int ahead) {
  enum { ALL = CTC_LANES < 8 ? 8 : CTC_PANEL / CTC_LANES };
  if (CTC_KNOWN(columns) && columns <= CTC_LANES && ALL >= 2)
    ctc_gemv_panel(job, place, rows, 1, ahead);
  else if (CTC_KNOWN(columns) && columns <= 2 * CTC_LANES && ALL > 2)
    ctc_gemv_panel(job, place, rows, 2, ahead);
  else if (CTC_KNOWN(columns) && columns <= 4 * CTC_LANES && ALL > 4)
    ctc_gemv_panel(job, place, rows, 4, ahead);
  else
    ctc_gemv_panel(job, place, rows, ALL, ahead);
}

/* The sizes and steps of a stack of products: matrix number s of A begins at s / inner * a_outer +
 * s % inner * a_inner and has element (r, l) at r * a_row + l * a_col (these two are in
 * ctc_gemm_job); B and Y likewise. From one panel of B to the next it is `b_panel`. */
typedef struct {
  ctc_dim m, n, rows, inner, a_outer, a_inner, b_outer, b_inner, b_panel, y_outer, y_inner;
} ctc_gemm_stack;

/* Units of work [first, last) of a stack: `rows` rows of A (fewer at the end) times a panel of B. */
static inline CTC_INLINE void ctc_gemm_units(const float *a, const float *b, float *y,
                                             ctc_gemm_job job, ctc_gemm_stack s, ctc_dim first,
                                             ctc_dim last) {
  const ctc_dim panels = (s.n + CTC_PANEL - 1) / CTC_PANEL, chunks = (s.m + s.rows - 1) / s.rows;
  const ctc_dim full_panels = s.n / CTC_PANEL, rest = s.n % CTC_PANEL;
  const ctc_dim last_rows = s.m - (chunks - 1) * s.rows;
  for (ctc_dim unit = first; unit < last; unit++) {
    const ctc_dim panel = unit % panels, chunk = unit / panels % chunks;
    const ctc_dim outer = unit / panels / chunks / s.inner, in = unit / panels / chunks % s.inner;
    const ctc_dim at =
        outer * s.y_outer + in * s.y_inner + chunk * s.rows * job.y_row + panel * CTC_PANEL;
    const float *from = b + outer * s.b_outer + in * s.b_inner + panel * s.b_panel;
    const ctc_dim a_from = outer * s.a_outer + in * s.a_inner + chunk * s.rows * job.a_row;
    const ctc_gemm_place place = {a + a_from,
                                  from,
                                  job.packed ? from + s.b_panel : from,
                                  y + at,
                                  at,
                                  panel * CTC_PANEL,
                                  0,
                                  0,
                                  0};
    const int at_end = chunk == chunks - 1;
    if (!CTC_KNOWN(s.m) || !CTC_KNOWN(s.n))
      ctc_gemm_panel_any(job, place, panel < full_panels ? CTC_PANEL : rest,
                         at_end ? last_rows : s.rows);
    else if (panel < full_panels && !at_end)
      ctc_gemm_panel(job, place, CTC_PANEL, s.rows);
    else if (panel < full_panels)
      ctc_gemm_panel(job, place, CTC_PANEL, last_rows);
    else if (!at_end)
      ctc_gemm_panel(job, place, rest, s.rows);
    else
      ctc_gemm_panel(job, place, rest, last_rows);
  }
}

/* Y = A * B for each of a stack of products, B in panels; see ctc_gemm_stack. The rows of Y are
 * contiguous. */
static CTC_KERNEL void ctc_gemm_stack_f32(const float *a, const float *b, float *y,
                                          ctc_epilogue epilogue, const float *const *operands,
                                          ctc_dim m, ctc_dim n, ctc_dim k, ctc_dim a_row,
                                          ctc_dim a_col, ctc_dim y_row, ctc_dim rows,
                                          ctc_dim inner, ctc_dim a_outer, ctc_dim a_inner,
                                          ctc_dim b_outer, ctc_dim b_inner, ctc_dim y_outer,
                                          ctc_dim y_inner, ctc_dim first, ctc_dim last) {
  const ctc_gemm_job job = {epilogue, operands, k, a_row, a_col, y_row, CTC_PANEL, 1};
  const ctc_gemm_stack stack = {m,       n,       rows,          inner,   a_outer, a_inner,
                                b_outer, b_inner, k * CTC_PANEL, y_outer, y_inner};
  ctc_gemm_units(a, b, y, job, stack, first, last);
}

/* The same with B as it is: contiguous rows of at least CTC_PANEL columns, b_row apart. */
static CTC_KERNEL void ctc_gemm_unpacked_f32(const float *a, const float *b, float *y,
                                             ctc_epilogue epilogue, const float *const *operands,
                                             ctc_dim m, ctc_dim n, ctc_dim k, ctc_dim a_row,
                                             ctc_dim a_col, ctc_dim y_row, ctc_dim rows,
                                             ctc_dim b_row, ctc_dim inner, ctc_dim a_outer,
                                             ctc_dim a_inner, ctc_dim b_outer, ctc_dim b_inner,
                                             ctc_dim y_outer, ctc_dim y_inner, ctc_dim first,
                                             ctc_dim last) {
  const ctc_gemm_job job = {epilogue, operands, k, a_row, a_col, y_row, b_row, 0};
  const ctc_gemm_stack stack = {m,       n,       rows,      inner,   a_outer, a_inner,
                                b_outer, b_inner, CTC_PANEL, y_outer, y_inner};
  ctc_gemm_units(a, b, y, job, stack, first, last);
}

/* Y[m x n] = A[m x k] * B: as above with one matrix. */
static CTC_KERNEL void ctc_gemm_packed_f32(const float *a, const float *b, float *y,
                                           ctc_epilogue epilogue, const float *const *operands,
                                           ctc_dim m, ctc_dim n, ctc_dim k, ctc_dim a_row,
                                           ctc_dim a_col, ctc_dim y_row, ctc_dim rows,
                                           ctc_dim first, ctc_dim last) {
  ctc_gemm_stack_f32(a, b, y, epilogue, operands, m, n, k, a_row, a_col, y_row, rows, 1, 0, 0, 0, 0,
                     0, 0, first, last);
}

/* y[n] = a[k] * B, or two rows of it (`m`), a_row and y_row apart. Unit of work: a panel. */
static CTC_KERNEL void ctc_gemv_packed_f32(const float *a, const float *b, float *y,
                                           ctc_epilogue epilogue, const float *const *operands,
                                           ctc_dim m, ctc_dim n, ctc_dim k, ctc_dim a_row,
                                           ctc_dim a_col, ctc_dim y_row, ctc_dim first,
                                           ctc_dim last) {
  const ctc_gemm_job job = {epilogue, operands, k, a_row, a_col, y_row, CTC_PANEL, 1};
  const int ahead = n * k > CTC_GEMV_CACHED;
  for (ctc_dim panel = first; panel < last; panel++) {
    const ctc_dim channel = panel * CTC_PANEL, left = n - channel;
    const ctc_gemm_place place = {a,       b + channel * k, NULL, y + channel, channel,
                                  channel, left,            0,    0};
    const int narrow = n < CTC_PANEL || left < CTC_PANEL; /* the first is known while compiling */
    if (CTC_LANES == 1)
      ctc_gemm_panel_any(job, place, left < CTC_PANEL ? left : CTC_PANEL, m);
    else if (m > 1 && narrow)
      ctc_gemv_columns(job, place, 2, n % CTC_PANEL, ahead);
    else if (m > 1)
      ctc_gemv_columns(job, place, 2, CTC_PANEL, ahead);
    else if (narrow)
      ctc_gemv_columns(job, place, 1, n % CTC_PANEL, ahead);
    else
      ctc_gemv_columns(job, place, 1, CTC_PANEL, ahead);
  }
}

/* Columns below which a product of one row takes B as [n][k], a row for each column. */
#define CTC_DOTS 16

/* sums[i] = a[k] * row i of b, of `count` (1, 2 or 4) rows. */
static inline CTC_INLINE void ctc_gemv_rows(const float *a, const float *b, float *sums, ctc_dim k,
                                            int count) {
  const ctc_v zero = ctc_v_set(0);
  ctc_v p0 = zero, p1 = zero, p2 = zero, p3 = zero, q0 = zero, q1 = zero, q2 = zero, q3 = zero;
  ctc_dim l = 0;
#define CTC_EACH_OF_4(M) M(0) M(1) M(2) M(3)
#define CTC_ADD(i)                                         \
  if (count > (i)) {                                       \
    p##i += u * ctc_v_load(b + (i) * k + l);               \
    q##i += w * ctc_v_load(b + (i) * k + l + CTC_LANES);   \
  }
#define CTC_ADD_LEFT(i) if (count > (i)) p##i += u * ctc_v_load_n(b + (i) * k + l, left);
#define CTC_PUT(i) if (count > (i)) sums[i] = ctc_v_sum(p##i + q##i);
  for (; l + 2 * CTC_LANES <= k; l += 2 * CTC_LANES) {
    const ctc_v u = ctc_v_load(a + l), w = ctc_v_load(a + l + CTC_LANES);
    CTC_EACH_OF_4(CTC_ADD)
  }
  for (; l < k; l += CTC_LANES) {
    const int left = k - l < CTC_LANES ? (int)(k - l) : CTC_LANES;
    const ctc_v u = ctc_v_load_n(a + l, left);
    CTC_EACH_OF_4(CTC_ADD_LEFT)
  }
  CTC_EACH_OF_4(CTC_PUT)
#undef CTC_ADD
#undef CTC_ADD_LEFT
#undef CTC_PUT
#undef CTC_EACH_OF_4
}

/* y[n] = a[k] * B, with fewer than CTC_DOTS columns; b: [n][k]. One unit of work. */
static CTC_KERNEL void ctc_gemv_dots_f32(const float *a, const float *b, float *y,
                                         ctc_epilogue epilogue, const float *const *operands,
                                         ctc_dim n, ctc_dim k, ctc_dim first, ctc_dim last) {
  const ctc_gemm_job job = {epilogue, operands, k, k, 1, n, k, 1};
  const ctc_gemm_place place = {a, b, NULL, y, 0, 0, n, 0, 0};
  const ctc_dim fours = n / 4 * 4;
  float sums[CTC_DOTS] = {0};
  if (first >= last) return;
  for (ctc_dim j = 0; j < fours; j += 4) ctc_gemv_rows(a, b + j * k, sums + j, k, 4);
  if (n % 4 > 1) ctc_gemv_rows(a, b + fours * k, sums + fours, k, 2);
  if (n % 2) ctc_gemv_rows(a, b + (n - 1) * k, sums + n - 1, k, 1);
  ctc_gemm_finish(sums, CTC_DOTS, job, place, 1);
}
