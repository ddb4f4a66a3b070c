/* winograd.c: 3x3 convolution with stride 1 of blocked values by Winograd's algorithm.
 *
 * A tile of m x m outputs (m = 4 or 2) needs n x n inputs, n = m + 2. Input tiles, kernels and the
 * products are taken to a domain where the convolution is n * n products of numbers:
 *
 *   Y = A' [ (G g G') .* (B' d B) ] A
 *
 * which sums over input channels as n * n matrix products. The matrices belong to the points 0, 1,
 * -1 for m = 2, and 0, +-sqrt(1/2), +-sqrt(2) for m = 4, which keep the error as small as that of
 * direct convolution. Kernels are transformed while compiling:
 *   weights  [ceil(out / 32), n * n, in, 32]
 * and inputs for a block of tiles at a time, so that they stay in the cache:
 *   inputs   [n * n, ceil(in / 16), tiles, 16]
 *   products [n * n, tiles, 32]
 * for 32 output channels at a time.
 *
 * Units are the pairs of a block of tiles and 32 output channels; a part transforms the inputs of a
 * block once for all its units. Tiles are numbered over all images. */

#define CTC_SQRT_HALF 0.70710678118654752440
#define CTC_SQRT_TWO 1.41421356237309504880

/* G of m = 4 and of m = 2: n rows. */
static const double ctc_winograd4_kernel[6][3] = {
    {1.0, 0.0, 0.0},
    {-2.0 / 3.0, -CTC_SQRT_TWO / 3.0, -1.0 / 3.0},
    {-2.0 / 3.0, CTC_SQRT_TWO / 3.0, -1.0 / 3.0},
    {1.0 / 6.0, CTC_SQRT_TWO / 6.0, 1.0 / 3.0},
    {1.0 / 6.0, -CTC_SQRT_TWO / 6.0, 1.0 / 3.0},
    {0.0, 0.0, 1.0}};

static const double ctc_winograd2_kernel[4][3] = {
    {1.0, 0.0, 0.0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0.0, 0.0, 1.0}};

/* u [ceil(out / 32), n * n, in, 32] from kernels w [out, in, 3, 3]; zeros for channels that there
 * are not. */
static void ctc_pack_winograd_f32(const float *w, float *u, ctc_dim out, ctc_dim in, ctc_dim m) {
  const ctc_dim n = m + 2, slice = in * 32;
  const double(*g)[3] = m == 4 ? ctc_winograd4_kernel : ctc_winograd2_kernel;
  for (ctc_dim o = 0; o < (out + 31) / 32 * 32; o++) {
    for (ctc_dim i = 0; i < in; i++) {
      const float *k = o < out ? w + (o * in + i) * 9 : NULL;
      float *to = u + (o / 32 * n * n * slice + i * 32 + o % 32);
      for (ctc_dim r = 0; r < n; r++) {
        double row[3];
        for (int c = 0; c < 3; c++)
          row[c] = k ? g[r][0] * (double)k[c] + g[r][1] * (double)k[3 + c] +
                           g[r][2] * (double)k[6 + c]
                     : 0.0;
        for (ctc_dim c = 0; c < n; c++)
          to[(r * n + c) * slice] =
              (float)(row[0] * g[c][0] + row[1] * g[c][1] + row[2] * g[c][2]);
      }
    }
  }
}

/* What does not change from tile to tile. */
typedef struct {
  ctc_dim m;                              /* outputs of a tile along an axis */
  ctc_dim in, out;                        /* channels */
  ctc_dim rows, columns;                  /* of the output */
  ctc_dim tile_rows, tile_columns, tiles; /* tiles of an image; of a block at most */
  ctc_dim x_image, x_block, x_row, y_image, y_block, y_row;
  ctc_dim input_slice, product_slice; /* elements from one of the n * n products to the next */
} ctc_winograd_shape;

/* Where a tile lies. */
typedef struct {
  ctc_dim image, row, column; /* of the output */
} ctc_winograd_tile;

static inline ctc_winograd_tile ctc_winograd_locate(const ctc_winograd_shape *s, ctc_dim tile) {
  ctc_winograd_tile at;
  at.image = tile / (s->tile_rows * s->tile_columns);
  at.row = tile / s->tile_columns % s->tile_rows * s->m;
  at.column = tile % s->tile_columns * s->m;
  return at;
}

/* The tile behind it: divisions would cost as much as a transform. */
static inline CTC_INLINE ctc_winograd_tile ctc_winograd_next(const ctc_winograd_shape *s,
                                                             ctc_winograd_tile at) {
  at.column += s->m;
  if (at.column < s->columns) return at;
  at.column = 0;
  at.row += s->m;
  if (at.row < s->rows) return at;
  at.row = 0;
  at.image++;
  return at;
}

/* --- inputs --- */

/* B' of m = 4 times x0 … x5. */
#define CTC_WINOGRAD4_INPUT                                                      \
  const ctc_v even1 = x4 - 2.0f * x2, odd1 = (float)CTC_SQRT_HALF * x3 - (float)CTC_SQRT_TWO * x1; \
  const ctc_v even2 = x4 - 0.5f * x2, odd2 = (float)CTC_SQRT_TWO * x3 - (float)CTC_SQRT_HALF * x1; \
  const ctc_v r0 = x0 + x4 - 2.5f * x2, r1 = even1 + odd1, r2 = even1 - odd1;    \
  const ctc_v r3 = even2 + odd2, r4 = even2 - odd2, r5 = x1 + x5 - 2.5f * x3;

/* v[(row * 6 + column) * slice] = B' d B for the 6 x 6 pixels from x, lanes of one vector. */
static inline void ctc_winograd4_input(const float *x, float *v, ctc_dim x_row, ctc_dim slice) {
  ctc_v t[6][6];
  for (int c = 0; c < 6; c++, x += 16) {
    const ctc_v x0 = ctc_v_load(x), x1 = ctc_v_load(x + x_row), x2 = ctc_v_load(x + 2 * x_row);
    const ctc_v x3 = ctc_v_load(x + 3 * x_row), x4 = ctc_v_load(x + 4 * x_row);
    const ctc_v x5 = ctc_v_load(x + 5 * x_row);
    CTC_WINOGRAD4_INPUT
    t[0][c] = r0, t[1][c] = r1, t[2][c] = r2, t[3][c] = r3, t[4][c] = r4, t[5][c] = r5;
  }
  for (int r = 0; r < 6; r++, v += 6 * slice) {
    const ctc_v x0 = t[r][0], x1 = t[r][1], x2 = t[r][2], x3 = t[r][3], x4 = t[r][4], x5 = t[r][5];
    CTC_WINOGRAD4_INPUT
    ctc_v_store(v, r0), ctc_v_store(v + slice, r1), ctc_v_store(v + 2 * slice, r2);
    ctc_v_store(v + 3 * slice, r3), ctc_v_store(v + 4 * slice, r4), ctc_v_store(v + 5 * slice, r5);
  }
}

/* The same for m = 2. */
static inline void ctc_winograd2_input(const float *x, float *v, ctc_dim x_row, ctc_dim slice) {
  ctc_v t[4][4];
  for (int c = 0; c < 4; c++, x += 16) {
    const ctc_v x0 = ctc_v_load(x), x1 = ctc_v_load(x + x_row), x2 = ctc_v_load(x + 2 * x_row);
    const ctc_v x3 = ctc_v_load(x + 3 * x_row);
    t[0][c] = x0 - x2, t[1][c] = x1 + x2, t[2][c] = x2 - x1, t[3][c] = x3 - x1;
  }
  for (int r = 0; r < 4; r++, v += 4 * slice) {
    const ctc_v x0 = t[r][0], x1 = t[r][1], x2 = t[r][2], x3 = t[r][3];
    ctc_v_store(v, x0 - x2), ctc_v_store(v + slice, x1 + x2);
    ctc_v_store(v + 2 * slice, x2 - x1), ctc_v_store(v + 3 * slice, x3 - x1);
  }
}

/* The pixels of a tile at the ragged edge, those outside as zeros: to [6, 6, 16]. */
static inline void ctc_winograd_edge(const float *x, float *to, ctc_dim x_row, ctc_dim rows,
                                     ctc_dim columns) {
  memset(to, 0, 6 * 6 * 16 * sizeof *to);
  for (ctc_dim r = 0; r < rows; r++)
    memcpy(to + r * 6 * 16, x + r * x_row, (size_t)columns * 16 * sizeof *to);
}

/* Transforms 16 channels of the tile from x into v. */
static inline void ctc_winograd_input(const float *x, float *v, const ctc_winograd_shape *s,
                                      ctc_winograd_tile at) {
  const ctc_dim n = s->m + 2, rows = ctc_min_dim(n, s->rows + 2 - at.row);
  const ctc_dim columns = ctc_min_dim(n, s->columns + 2 - at.column);
  const int whole = rows == n && columns == n;
  float edge[6 * 6 * 16];
  const ctc_dim row = whole ? s->x_row : 6 * 16;
  if (!whole) ctc_winograd_edge(x, edge, s->x_row, rows, columns);
  for (int lane = 0; lane < 16; lane += CTC_LANES) {
    const float *from = (whole ? x : edge) + lane;
    if (s->m == 4)
      ctc_winograd4_input(from, v + lane, row, s->input_slice);
    else
      ctc_winograd2_input(from, v + lane, row, s->input_slice);
  }
}

/* Transforms all channels of tiles [begin, end) into v. */
static inline void ctc_winograd_inputs(const float *x, float *v, const ctc_winograd_shape *s,
                                       ctc_dim begin, ctc_dim end) {
  const ctc_winograd_tile start = ctc_winograd_locate(s, begin);
  for (ctc_dim c = 0; c < s->in; c += 16, x += s->x_block, v += s->tiles * 16) {
    ctc_winograd_tile at = start;
    for (ctc_dim tile = begin; tile < end; tile++, at = ctc_winograd_next(s, at))
      ctc_winograd_input(x + (at.image * s->x_image + at.row * s->x_row + at.column * 16),
                         v + (tile - begin) * 16, s, at);
  }
}

/* --- products --- */

#define CTC_WINOGRAD_EACH(F) \
  F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13)

/* product [n, 32] = v [in, n] * u [in, 32] for one vector of columns or two; v in blocks of 16
 * channels, `block` elements apart. Asks for the weights `ahead` elements further. */
static inline CTC_INLINE void ctc_winograd_rows(const float *v, const float *u, float *product,
                                                ctc_dim in, ctc_dim block, ctc_dim ahead,
                                                int vectors, int n) {
#define CTC_WINOGRAD_BEGIN(i) ctc_v p##i = ctc_v_set(0.0f), q##i = p##i;
  CTC_WINOGRAD_EACH(CTC_WINOGRAD_BEGIN)
  for (ctc_dim c = 0; c < in; c += 16, v += block) {
    const ctc_dim channels = ctc_min_dim(16, in - c);
    const float *x = v;
    for (const float *end = u + channels * 32; u < end; u += 32, x++) {
      const ctc_v u0 = ctc_v_load(u), u1 = vectors > 1 ? ctc_v_load(u + CTC_LANES) : u0;
      CTC_PREFETCH(u + ahead);
      if (vectors > 1 && CTC_LANES == 16) CTC_PREFETCH(u + (ahead + 16));
#define CTC_WINOGRAD_ADD(i)         \
  if (n > i) {                      \
    const float value = x[i * 16];  \
    p##i += u0 * value;             \
    if (vectors > 1) q##i += u1 * value; \
  }
      CTC_WINOGRAD_EACH(CTC_WINOGRAD_ADD)
    }
  }
#define CTC_WINOGRAD_END(i)                                            \
  if (n > i) {                                                         \
    ctc_v_store(product + i * 32, p##i);                               \
    if (vectors > 1) ctc_v_store(product + i * 32 + CTC_LANES, q##i);  \
  }
  CTC_WINOGRAD_EACH(CTC_WINOGRAD_END)
}

/* The same for `n` <= CTC_TILE tiles and `columns`, a multiple of 16, at most 32. */
static inline void ctc_winograd_product(const float *v, const float *u, float *product, ctc_dim in,
                                        ctc_dim block, ctc_dim ahead, ctc_dim columns, ctc_dim n) {
  for (ctc_dim c = 0; c < columns; c += 2 * CTC_LANES) {
    const int vectors = columns - c >= 2 * CTC_LANES ? 2 : 1;
#define CTC_WINOGRAD_CASE(i)                                                                     \
  if (i < CTC_TILE && n == i + 1) {                                                              \
    if (vectors == 2)                                                                            \
      ctc_winograd_rows(v, u + c, product + c, in, block, ahead, 2, i + 1);                      \
    else if (CTC_LANES == 16)                                                                    \
      ctc_winograd_rows(v, u + c, product + c, in, block, ahead, 1, i + 1);                      \
  }
    CTC_WINOGRAD_EACH(CTC_WINOGRAD_CASE)
  }
}

/* All n * n products of `tiles` tiles with the weights `u` of 32 output channels. */
static inline void ctc_winograd_products(const float *v, const float *u, float *product,
                                         const ctc_winograd_shape *s, ctc_dim tiles,
                                         ctc_dim columns) {
  const ctc_dim points = (s->m + 2) * (s->m + 2), groups = (tiles + (CTC_TILE - 1)) / CTC_TILE;
  for (ctc_dim p = 0; p < points; p++, u += s->in * 32) {
    const float *from = v + p * s->input_slice;
    float *to = product + p * s->product_slice;
    for (ctc_dim g = 0; g < groups; g++) {
      const ctc_dim begin = tiles * g / groups, end = tiles * (g + 1) / groups;
      ctc_winograd_product(from + begin * 16, u, to + begin * 32, s->in, s->tiles * 16, s->in * 32,
                           columns, end - begin);
    }
  }
}

/* --- outputs --- */

/* A' of m = 4 times x0 … x5. */
#define CTC_WINOGRAD4_OUTPUT                                                              \
  const ctc_v sum1 = x1 + x2, sum2 = x3 + x4, odd1 = x1 - x2, odd2 = x3 - x4;             \
  const ctc_v r0 = x0 + sum1 + sum2, r2 = 0.5f * sum1 + 2.0f * sum2;                      \
  const ctc_v r1 = (float)CTC_SQRT_HALF * odd1 + (float)CTC_SQRT_TWO * odd2;              \
  const ctc_v r3 = x5 + (float)(0.5 * CTC_SQRT_HALF) * odd1 + (float)(2.0 * CTC_SQRT_TWO) * odd2;

#define CTC_WINOGRAD_STORE(r, c)                                                           \
  if (columns > c) {                                                                       \
    ctc_v value = r;                                                                       \
    if (epilogue) value = epilogue(value, operands, at + c * 16, channel, CTC_LANES);      \
    ctc_v_store(y + c * 16, value);                                                        \
  }

/* Rows and columns of A' M A that lie inside, lanes of one vector. */
static inline CTC_INLINE void ctc_winograd4_output(const float *product, float *y,
                                                   ctc_epilogue epilogue,
                                                   const float *const *operands, ctc_dim slice,
                                                   ctc_dim y_row, ctc_dim rows, ctc_dim columns,
                                                   ctc_dim at, ctc_dim channel) {
  ctc_v t[4][6];
  for (int c = 0; c < 6; c++, product += slice) {
    const ctc_v x0 = ctc_v_load(product), x1 = ctc_v_load(product + 6 * slice);
    const ctc_v x2 = ctc_v_load(product + 12 * slice), x3 = ctc_v_load(product + 18 * slice);
    const ctc_v x4 = ctc_v_load(product + 24 * slice), x5 = ctc_v_load(product + 30 * slice);
    CTC_WINOGRAD4_OUTPUT
    t[0][c] = r0, t[1][c] = r1, t[2][c] = r2, t[3][c] = r3;
  }
  for (int r = 0; r < 4 && r < rows; r++, y += y_row, at += y_row) {
    const ctc_v x0 = t[r][0], x1 = t[r][1], x2 = t[r][2], x3 = t[r][3], x4 = t[r][4], x5 = t[r][5];
    CTC_WINOGRAD4_OUTPUT
    CTC_WINOGRAD_STORE(r0, 0)
    CTC_WINOGRAD_STORE(r1, 1)
    CTC_WINOGRAD_STORE(r2, 2)
    CTC_WINOGRAD_STORE(r3, 3)
  }
}

/* The same for m = 2. */
static inline CTC_INLINE void ctc_winograd2_output(const float *product, float *y,
                                                   ctc_epilogue epilogue,
                                                   const float *const *operands, ctc_dim slice,
                                                   ctc_dim y_row, ctc_dim rows, ctc_dim columns,
                                                   ctc_dim at, ctc_dim channel) {
  ctc_v t[2][4];
  for (int c = 0; c < 4; c++, product += slice) {
    const ctc_v x0 = ctc_v_load(product), x1 = ctc_v_load(product + 4 * slice);
    const ctc_v x2 = ctc_v_load(product + 8 * slice), x3 = ctc_v_load(product + 12 * slice);
    t[0][c] = x0 + x1 + x2, t[1][c] = x1 - x2 + x3;
  }
  for (int r = 0; r < 2 && r < rows; r++, y += y_row, at += y_row) {
    const ctc_v x0 = t[r][0], x1 = t[r][1], x2 = t[r][2], x3 = t[r][3];
    CTC_WINOGRAD_STORE(x0 + x1 + x2, 0)
    CTC_WINOGRAD_STORE(x1 - x2 + x3, 1)
  }
}

/* Tiles [begin, end) of `columns` output channels from `channel` on. */
static inline CTC_INLINE void ctc_winograd_outputs(const float *product, float *y,
                                                   ctc_epilogue epilogue,
                                                   const float *const *operands,
                                                   const ctc_winograd_shape *s, ctc_dim begin,
                                                   ctc_dim end, ctc_dim channel, ctc_dim columns) {
  const ctc_winograd_tile start = ctc_winograd_locate(s, begin);
  for (ctc_dim c = 0; c < columns; c += CTC_LANES) {
    const ctc_dim plane = (channel + c) / 16 * s->y_block + c % 16;
    ctc_winograd_tile to = start;
    for (ctc_dim tile = begin; tile < end; tile++, to = ctc_winograd_next(s, to)) {
      const ctc_dim at = plane + to.image * s->y_image + to.row * s->y_row + to.column * 16;
      const ctc_dim inside_rows = s->rows - to.row, inside_columns = s->columns - to.column;
      const float *from = product + ((tile - begin) * 32 + c);
      if (s->m == 4)
        ctc_winograd4_output(from, y + at, epilogue, operands, s->product_slice, s->y_row,
                             inside_rows, inside_columns, at, channel + c);
      else
        ctc_winograd2_output(from, y + at, epilogue, operands, s->product_slice, s->y_row,
                             inside_rows, inside_columns, at, channel + c);
    }
  }
}

/* --- all of it --- */

/* Elements from one of the n * n slices to the next: an odd number of cache lines, because
 * the slices are used side by side. */
static inline ctc_dim ctc_winograd_slice(ctc_dim elements) {
  return elements / 16 % 2 ? elements : elements + 16;
}

/* m: 4 or 2. tiles: of a block at most. x points at what the first tap of the first output reads;
 * scratch has, a part, n * n * (slice(ceil(in / 16) * tiles * 16) + slice(tiles * 32)) elements. */
static CTC_KERNEL void ctc_winograd16_f32(const float *x, const float *u, float *y, float *scratch,
                                          ctc_epilogue epilogue, const float *const *operands,
                                          ctc_dim m, ctc_dim images, ctc_dim in, ctc_dim out,
                                          ctc_dim rows, ctc_dim columns, ctc_dim tiles,
                                          ctc_dim x_image, ctc_dim x_block, ctc_dim x_row,
                                          ctc_dim y_image, ctc_dim y_block, ctc_dim y_row,
                                          ctc_dim part, ctc_dim first, ctc_dim last) {
  const ctc_dim points = (m + 2) * (m + 2), groups = (out + 31) / 32;
  const ctc_winograd_shape s = {m,
                                in,
                                out,
                                rows,
                                columns,
                                (rows + m - 1) / m,
                                (columns + m - 1) / m,
                                tiles,
                                x_image,
                                x_block,
                                x_row,
                                y_image,
                                y_block,
                                y_row,
                                ctc_winograd_slice((in + 15) / 16 * tiles * 16),
                                ctc_winograd_slice(tiles * 32)};
  const ctc_dim total = images * s.tile_rows * s.tile_columns, blocks = (total + tiles - 1) / tiles;
  float *inputs = scratch + part * points * (s.input_slice + s.product_slice);
  float *products = inputs + points * s.input_slice;
  ctc_dim ready = -1;
  for (ctc_dim unit = first; unit < last; unit++) {
    const ctc_dim block = unit / groups, channel = unit % groups * 32;
    const ctc_dim begin = total * block / blocks, end = total * (block + 1) / blocks;
    const ctc_dim width = ctc_min_dim(32, (out + 15) / 16 * 16 - channel);
    if (block != ready) ctc_winograd_inputs(x, inputs, &s, begin, end);
    ready = block;
    ctc_winograd_products(inputs, u + channel * points * in, products, &s, end - begin, width);
    ctc_winograd_outputs(products, y, epilogue, operands, &s, begin, end, channel, width);
  }
}
