/* vector_nest.c: how emitted loop nests move data besides loading and storing vectors: gathered and
 * masked lanes, truth values, transposed planes. */

/* --- lanes --- */

/* The lanes in use where `left` elements are left. */
static CTC_KERNEL int32_t ctc_rest(ctc_dim left) {
  return left < CTC_LANES ? (int32_t)left : CTC_LANES;
}

/* `count` lanes that are `stride` elements apart. */
static CTC_KERNEL ctc_v ctc_v_gather(const float *p, ctc_dim stride, int count) {
  float lanes[CTC_LANES] = {0};
  for (int i = 0; i < CTC_LANES && i < count; i++) lanes[i] = p[i * stride];
  return ctc_v_load(lanes);
}

/* Truth values as masks; false behind the first `count`. */
static CTC_KERNEL ctc_vi ctc_vi_gather_bool(const ctc_bool *p, ctc_dim stride, int count) {
  int32_t lanes[CTC_LANES] = {0};
  ctc_vi mask;
  for (int i = 0; i < CTC_LANES && i < count; i++) lanes[i] = -(int32_t)p[i * stride];
  memcpy(&mask, lanes, sizeof mask);
  return mask;
}

#if CTC_LANES > 1
#define CTC_BYTES __attribute__((vector_size(CTC_LANES)))
#else
#define CTC_BYTES
#endif

/* A byte a lane. */
typedef CTC_BYTES int8_t ctc_v_bytes;

/* Neighbours. */
static CTC_KERNEL ctc_vi ctc_vi_load_bool(const ctc_bool *p, int count) {
#if CTC_LANES > 1
  ctc_v_bytes bytes = {0};
  if (count < CTC_LANES) return ctc_vi_gather_bool(p, 1, count);
  memcpy(&bytes, p, sizeof bytes);
  return -__builtin_convertvector(bytes, ctc_vi);
#else
  return count > 0 ? -(int32_t)*p : 0;
#endif
}

static inline CTC_INLINE void ctc_vi_store_bool(ctc_bool *p, ctc_vi mask, int count) {
  ctc_bool lanes[CTC_LANES];
#if CTC_LANES > 1
  ctc_v_bytes bytes = __builtin_convertvector(mask & 1, ctc_v_bytes);
  memcpy(lanes, &bytes, sizeof lanes);
#else
  lanes[0] = mask & 1;
#endif
  if (count >= CTC_LANES)
    memcpy(p, lanes, sizeof lanes);
  else
    for (int i = 0; i < CTC_LANES && i < count; i++) p[i] = lanes[i];
}

/* --- transposed planes --- */

/* The lanes of two vectors, by turns: the first halves, the second halves. */
#if CTC_LANES == 16
#define CTC_ZIP_LOW(a, b) \
  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define CTC_ZIP_HIGH(a, b) \
  __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif CTC_LANES == 8
#define CTC_ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define CTC_ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#elif CTC_LANES == 4
#define CTC_ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define CTC_ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#endif

/* y[c y_stride + r] = x[r x_stride + c] for a square of CTC_LANES, of which `rows` rows and `columns`
 * columns are read; all of y is written, garbage where nothing was read.
 *
 * Zipping row i with row i + CTC_LANES / 2, into rows 2 i and 2 i + 1, turns the bits of the index
 * (row, lane) by one place; as often as the lane has bits, and rows are lanes. */
static inline CTC_INLINE void ctc_transpose_square(const float *x, ctc_dim x_stride, float *y,
                                                   ctc_dim y_stride, int rows, int columns) {
#if CTC_LANES > 1 && CTC_HAS(__builtin_shufflevector)
#define CTC_ROW(i) a##i = ctc_v_load_n(x + ((i) < rows ? (i) * x_stride : 0), columns)
#define CTC_ZIP(from, to, i, j, even, odd) \
  to##even = CTC_ZIP_LOW(from##i, from##j), to##odd = CTC_ZIP_HIGH(from##i, from##j)
#define CTC_PUT(from, i) ctc_v_store(y + (i) * y_stride, from##i)
#if CTC_LANES == 16
  ctc_v CTC_ROW(0), CTC_ROW(1), CTC_ROW(2), CTC_ROW(3), CTC_ROW(4), CTC_ROW(5), CTC_ROW(6),
        CTC_ROW(7), CTC_ROW(8), CTC_ROW(9), CTC_ROW(10), CTC_ROW(11), CTC_ROW(12), CTC_ROW(13),
        CTC_ROW(14), CTC_ROW(15);
  ctc_v b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15;
  CTC_ZIP(a, b, 0, 8, 0, 1), CTC_ZIP(a, b, 1, 9, 2, 3), CTC_ZIP(a, b, 2, 10, 4, 5),
        CTC_ZIP(a, b, 3, 11, 6, 7), CTC_ZIP(a, b, 4, 12, 8, 9), CTC_ZIP(a, b, 5, 13, 10, 11),
        CTC_ZIP(a, b, 6, 14, 12, 13), CTC_ZIP(a, b, 7, 15, 14, 15);
  CTC_ZIP(b, a, 0, 8, 0, 1), CTC_ZIP(b, a, 1, 9, 2, 3), CTC_ZIP(b, a, 2, 10, 4, 5),
        CTC_ZIP(b, a, 3, 11, 6, 7), CTC_ZIP(b, a, 4, 12, 8, 9), CTC_ZIP(b, a, 5, 13, 10, 11),
        CTC_ZIP(b, a, 6, 14, 12, 13), CTC_ZIP(b, a, 7, 15, 14, 15);
  CTC_ZIP(a, b, 0, 8, 0, 1), CTC_ZIP(a, b, 1, 9, 2, 3), CTC_ZIP(a, b, 2, 10, 4, 5),
        CTC_ZIP(a, b, 3, 11, 6, 7), CTC_ZIP(a, b, 4, 12, 8, 9), CTC_ZIP(a, b, 5, 13, 10, 11),
        CTC_ZIP(a, b, 6, 14, 12, 13), CTC_ZIP(a, b, 7, 15, 14, 15);
  CTC_ZIP(b, a, 0, 8, 0, 1), CTC_ZIP(b, a, 1, 9, 2, 3), CTC_ZIP(b, a, 2, 10, 4, 5),
        CTC_ZIP(b, a, 3, 11, 6, 7), CTC_ZIP(b, a, 4, 12, 8, 9), CTC_ZIP(b, a, 5, 13, 10, 11),
        CTC_ZIP(b, a, 6, 14, 12, 13), CTC_ZIP(b, a, 7, 15, 14, 15);
  CTC_PUT(a, 0), CTC_PUT(a, 1), CTC_PUT(a, 2), CTC_PUT(a, 3), CTC_PUT(a, 4), CTC_PUT(a, 5),
        CTC_PUT(a, 6), CTC_PUT(a, 7), CTC_PUT(a, 8), CTC_PUT(a, 9), CTC_PUT(a, 10), CTC_PUT(a, 11),
        CTC_PUT(a, 12), CTC_PUT(a, 13), CTC_PUT(a, 14), CTC_PUT(a, 15);
#elif CTC_LANES == 8
  ctc_v CTC_ROW(0), CTC_ROW(1), CTC_ROW(2), CTC_ROW(3), CTC_ROW(4), CTC_ROW(5), CTC_ROW(6),
        CTC_ROW(7);
  ctc_v b0, b1, b2, b3, b4, b5, b6, b7;
  CTC_ZIP(a, b, 0, 4, 0, 1), CTC_ZIP(a, b, 1, 5, 2, 3), CTC_ZIP(a, b, 2, 6, 4, 5),
        CTC_ZIP(a, b, 3, 7, 6, 7);
  CTC_ZIP(b, a, 0, 4, 0, 1), CTC_ZIP(b, a, 1, 5, 2, 3), CTC_ZIP(b, a, 2, 6, 4, 5),
        CTC_ZIP(b, a, 3, 7, 6, 7);
  CTC_ZIP(a, b, 0, 4, 0, 1), CTC_ZIP(a, b, 1, 5, 2, 3), CTC_ZIP(a, b, 2, 6, 4, 5),
        CTC_ZIP(a, b, 3, 7, 6, 7);
  CTC_PUT(b, 0), CTC_PUT(b, 1), CTC_PUT(b, 2), CTC_PUT(b, 3), CTC_PUT(b, 4), CTC_PUT(b, 5),
        CTC_PUT(b, 6), CTC_PUT(b, 7);
#elif CTC_LANES == 4
  ctc_v CTC_ROW(0), CTC_ROW(1), CTC_ROW(2), CTC_ROW(3);
  ctc_v b0, b1, b2, b3;
  CTC_ZIP(a, b, 0, 2, 0, 1), CTC_ZIP(a, b, 1, 3, 2, 3);
  CTC_ZIP(b, a, 0, 2, 0, 1), CTC_ZIP(b, a, 1, 3, 2, 3);
  CTC_PUT(a, 0), CTC_PUT(a, 1), CTC_PUT(a, 2), CTC_PUT(a, 3);
#endif
#undef CTC_ROW
#undef CTC_ZIP
#undef CTC_PUT
#else
  for (int c = 0; c < columns; c++)
    for (int r = 0; r < rows; r++) y[c * y_stride + r] = x[r * x_stride + c];
#endif
}

/* A square as a tile: tile[c CTC_LANES + r] = x[r x_stride + c]. */
static inline CTC_INLINE void ctc_transpose_tile(const float *x, ctc_dim x_stride, float *tile,
                                                 int rows, int columns) {
  if (rows == CTC_LANES && columns == CTC_LANES)
    ctc_transpose_square(x, x_stride, tile, CTC_LANES, CTC_LANES, CTC_LANES);
  else
    ctc_transpose_square(x, x_stride, tile, CTC_LANES, rows, columns);
}

/* y[c y_stride + r] = x[r x_stride + c] for rows [r0, r1) and columns [c0, c1) of x. */
static inline void ctc_transpose_plane(const float *x, ctc_dim x_stride, float *y,
                                       ctc_dim y_stride, ctc_dim r0, ctc_dim r1, ctc_dim c0,
                                       ctc_dim c1) {
  for (ctc_dim c = c0; c < c1; c += CTC_LANES)
    for (ctc_dim r = r0; r < r1; r += CTC_LANES) {
      const int rows = ctc_rest(r1 - r), columns = ctc_rest(c1 - c);
      const float *from = x + r * x_stride + c;
      float *to = y + c * y_stride + r;
      if (rows == CTC_LANES && columns == CTC_LANES) {
        ctc_transpose_square(from, x_stride, to, y_stride, CTC_LANES, CTC_LANES);
      } else {
        float tile[CTC_LANES * CTC_LANES];
        ctc_transpose_square(from, x_stride, tile, CTC_LANES, rows, columns);
        for (int k = 0; k < columns; k++)
          ctc_v_store_n(to + k * y_stride, ctc_v_load(tile + k * CTC_LANES), rows);
      }
    }
}
