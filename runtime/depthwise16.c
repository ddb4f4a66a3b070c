/* depthwise16.c: depthwise convolution of values in the blocked layout.
 *
 * Each channel has its own kernel, so the 16 channels of a pixel are vectors that never meet: an
 * output pixel is the sum over the taps of weights * input pixel. Weights are [blocks, kernel_h,
 * kernel_w, 16]. A tile of one row or of two rows of pixels is kept in registers. The input rows
 * are taken one after another, each for both rows of the tile.
 *
 * Units are rows of the output: image, block, row. */

/* F(0) … F(6): the pixels of a tile's row. */
#define CTC_DEPTHWISE_EACH(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6)

/* What does not change from tile to tile. */
typedef struct {
  ctc_dim kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, x_row, y_row;
} ctc_depthwise_shape;

/* The sums of a tile: pixels of the upper and of the lower row. */
typedef struct {
  ctc_v p0, p1, p2, p3, p4, p5, p6, q0, q1, q2, q3, q4, q5, q6;
} ctc_depthwise_sums;

/* Adds tap `k` of an input row to the tile's upper row with weights `u`, to the lower one with `v`;
 * either may be null. */
static inline CTC_INLINE void ctc_depthwise_tap(ctc_depthwise_sums *t, const float *x,
                                                const float *u, const float *v,
                                                const ctc_depthwise_shape *s, ctc_dim k, int n) {
  const float *from = x + k * s->dilation_w * 16;
  const ctc_v upper = ctc_v_load((u ? u : v) + k * 16), lower = ctc_v_load((v ? v : u) + k * 16);
#define CTC_DEPTHWISE_ADD(i)                                  \
  if (n > i) {                                                \
    ctc_v value = ctc_v_load(from + i * 16 * s->stride_w);    \
    if (u) t->p##i += upper * value;                          \
    if (v) t->q##i += lower * value;                          \
  }
  CTC_DEPTHWISE_EACH(CTC_DEPTHWISE_ADD)
}

/* Adds input row `row`, counted in steps of the dilation from the tile's first one, which is tap
 * `row` of the upper output row and tap `row - stride` of the lower one. */
static inline CTC_INLINE void ctc_depthwise_row(ctc_depthwise_sums *t, const float *x,
                                                const float *w, const ctc_depthwise_shape *s,
                                                ctc_dim row, int upper, int lower, int n) {
  const float *from = x + row * s->dilation_h * s->x_row;
  const float *u = upper ? w + row * s->kernel_w * 16 : NULL;
  const float *v = lower ? w + (row - s->stride_h) * s->kernel_w * 16 : NULL;
  for (ctc_dim k = 0; k < s->kernel_w; k++) ctc_depthwise_tap(t, from, u, v, s, k, n);
}

/* The same for 3 taps. */
static inline CTC_INLINE void ctc_depthwise_row3(ctc_depthwise_sums *t, const float *x,
                                                 const float *w, const ctc_depthwise_shape *s,
                                                 ctc_dim row, int upper, int lower, int n) {
  const float *from = x + row * s->x_row;
  const float *u = upper ? w + row * 48 : NULL, *v = lower ? w + (row - s->stride_h) * 48 : NULL;
  ctc_depthwise_tap(t, from, u, v, s, 0, n);
  ctc_depthwise_tap(t, from, u, v, s, 1, n);
  ctc_depthwise_tap(t, from, u, v, s, 2, n);
}

/* Both rows of a tile, of a kernel without dilation. */
static inline CTC_INLINE void ctc_depthwise_two_rows(ctc_depthwise_sums *t, const float *x,
                                                     const float *w, const ctc_depthwise_shape *s,
                                                     int n) {
  const ctc_dim kernel = s->kernel_h, stride = s->stride_h;
  if (kernel == 3 && s->kernel_w == 3 && stride <= 2) {
    ctc_depthwise_row3(t, x, w, s, 0, 1, 0, n);
    if (stride == 1) ctc_depthwise_row3(t, x, w, s, 1, 1, 1, n);
    if (stride == 2) ctc_depthwise_row3(t, x, w, s, 1, 1, 0, n);
    ctc_depthwise_row3(t, x, w, s, 2, 1, 1, n);
    ctc_depthwise_row3(t, x, w, s, 3, 0, 1, n);
    if (stride == 2) ctc_depthwise_row3(t, x, w, s, 4, 0, 1, n);
  } else {
    const ctc_dim above = ctc_min_dim(stride, kernel), below = ctc_max_dim(stride, kernel);
    for (ctc_dim row = 0; row < above; row++) ctc_depthwise_row(t, x, w, s, row, 1, 0, n);
    for (ctc_dim row = above; row < kernel; row++) ctc_depthwise_row(t, x, w, s, row, 1, 1, n);
    for (ctc_dim row = below; row < kernel + stride; row++)
      ctc_depthwise_row(t, x, w, s, row, 0, 1, n);
  }
}

/* `n` pixels of one row or two. */
static inline CTC_INLINE void ctc_depthwise_tile(const float *x, const float *w, float *y,
                                                 ctc_epilogue epilogue,
                                                 const float *const *operands,
                                                 const ctc_depthwise_shape *s, ctc_dim at,
                                                 ctc_dim channel, int rows, int n) {
  ctc_depthwise_sums t;
#define CTC_DEPTHWISE_BEGIN(i) t.p##i = t.q##i = ctc_v_set(0.0f);
  CTC_DEPTHWISE_EACH(CTC_DEPTHWISE_BEGIN)
  if (rows == 2)
    ctc_depthwise_two_rows(&t, x, w, s, n);
  else
    for (ctc_dim row = 0; row < s->kernel_h; row++) ctc_depthwise_row(&t, x, w, s, row, 1, 0, n);
#define CTC_DEPTHWISE_END(sum, offset)                                            \
  if (epilogue) sum = epilogue(sum, operands, at + (offset), channel, CTC_LANES); \
  ctc_v_store(y + (offset), sum);
#define CTC_DEPTHWISE_UPPER(i) \
  if (n > i) { CTC_DEPTHWISE_END(t.p##i, i * 16) }
  CTC_DEPTHWISE_EACH(CTC_DEPTHWISE_UPPER)
#define CTC_DEPTHWISE_LOWER(i) \
  if (n > i && rows == 2) { CTC_DEPTHWISE_END(t.q##i, s->y_row + i * 16) }
  CTC_DEPTHWISE_EACH(CTC_DEPTHWISE_LOWER)
}

/* As many tiles of `n` pixels as fit into the columns from `column`; returns where they end. */
static inline CTC_INLINE ctc_dim ctc_depthwise_tiles(
    const float *x, const float *w, float *y, ctc_epilogue epilogue, const float *const *operands,
    const ctc_depthwise_shape *s, ctc_dim at, ctc_dim channel, ctc_dim column, ctc_dim columns,
    int rows, int n) {
  for (; column + n <= columns; column += n)
    ctc_depthwise_tile(x + column * s->stride_w * 16, w, y + column * 16, epilogue, operands, s,
                       at + column * 16, channel, rows, n);
  return column;
}

/* One row or two. */
static inline CTC_INLINE void ctc_depthwise_rows(const float *x, const float *w, float *y,
                                                 ctc_epilogue epilogue,
                                                 ctc_epilogue_row epilogue_row,
                                                 const float *const *operands,
                                                 const ctc_depthwise_shape *s, ctc_dim at,
                                                 ctc_dim channel, ctc_dim columns, int rows) {
  for (int lane = 0; lane < 16; lane += CTC_LANES) {
    ctc_dim column = 0;
#define CTC_DEPTHWISE_TILES(n)                                                               \
  column = ctc_depthwise_tiles(x + lane, w + lane, y + lane, epilogue, operands, s, at + lane, \
                               channel + lane, column, columns, rows, n);
    if (CTC_TILE == 14) { CTC_DEPTHWISE_TILES(7) }
    CTC_DEPTHWISE_TILES(4)
    CTC_DEPTHWISE_TILES(2)
    CTC_DEPTHWISE_TILES(1)
    for (int row = 0; epilogue_row && row < rows; row++)
      epilogue_row(y - at, operands, at + row * s->y_row + lane, channel + lane, CTC_LANES, 16,
                   columns);
  }
}

/* x points at what the first tap of the first output reads, y at the first output. */
static CTC_KERNEL void ctc_depthwise16_f32(
    const float *x, const float *w, float *y, ctc_epilogue epilogue, ctc_epilogue_row epilogue_row,
    const float *const *operands, ctc_dim blocks, ctc_dim rows, ctc_dim columns,
    ctc_dim kernel_h, ctc_dim kernel_w, ctc_dim stride_h, ctc_dim stride_w, ctc_dim dilation_h, ctc_dim dilation_w, ctc_dim x_image,
    ctc_dim x_block, ctc_dim x_row, ctc_dim y_image, ctc_dim y_block, ctc_dim y_row, ctc_dim first,
    ctc_dim last) {
  const ctc_depthwise_shape shape = {kernel_h,   kernel_w,   stride_h, stride_w,
                                     dilation_h, dilation_w, x_row,    y_row};
  for (ctc_dim unit = first; unit < last; unit++) {
    ctc_dim row = unit % rows, block = unit / rows % blocks, image = unit / rows / blocks;
    ctc_dim at = image * y_image + block * y_block + row * y_row;
    const float *from = x + (image * x_image + block * x_block + row * stride_h * x_row);
    const float *weights = w + block * kernel_h * kernel_w * 16;
    if (dilation_h == 1 && row + 1 < rows && unit + 1 < last) {
      unit++;
      ctc_depthwise_rows(from, weights, y + at, epilogue, epilogue_row, operands, &shape, at,
                         block * 16, columns, 2);
    } else {
      ctc_depthwise_rows(from, weights, y + at, epilogue, epilogue_row, operands, &shape, at,
                         block * 16, columns, 1);
    }
  }
}
