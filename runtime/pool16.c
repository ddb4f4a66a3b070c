/* pool16.c: pooling of blocked tensors (blocked.c): over windows, and over whole planes.
 *
 * A window's taps that lie outside of the input do not count, whatever the halo holds: rows and
 * columns are clipped. Windows that lie inside are taken four pixels at a time.
 *
 * Units are rows of the output (image, block, row), or planes where a whole one becomes a pixel. */

/* What does not change from row to row. */
typedef struct {
  ctc_dim in_h, in_w, out_w, kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_h,
      pad_w, pad_h_end, pad_w_end, x_row;
  int max;           /* the largest one, not the mean */
  int count_padding; /* the mean is over the taps in the padding too */
  ctc_epilogue epilogue;
  const float *const *operands;
} ctc_pool_shape;

/* Taps [low, high) of a window, and how many of them the mean is over. */
typedef struct {
  ctc_dim low, high, count;
} ctc_pool_taps;

/* The first tap that reads at or behind 0, if tap 0 reads at `start`. */
static inline ctc_dim ctc_pool_first(ctc_dim start, ctc_dim kernel, ctc_dim dilation) {
  return start >= 0 ? 0 : ctc_min_dim(kernel, (dilation - 1 - start) / dilation);
}

static inline ctc_pool_taps ctc_pool_range(ctc_dim start, ctc_dim kernel, ctc_dim dilation,
                                           ctc_dim in, ctc_dim pad, ctc_dim pad_end,
                                           int count_padding) {
  ctc_pool_taps taps;
  taps.low = ctc_pool_first(start, kernel, dilation);
  taps.high = ctc_max_dim(taps.low, ctc_pool_first(start - in, kernel, dilation));
  taps.count = taps.high - taps.low;
  if (count_padding)
    taps.count = ctc_pool_first(start - in - pad_end, kernel, dilation) -
                 ctc_pool_first(start + pad, kernel, dilation);
  return taps;
}

/* n <= 4 neighbouring pixels whose windows have the same taps; x: what tap (0, 0) of the first one
 * would read. */
static inline CTC_INLINE void ctc_pool_pixels(const float *x, float *y, const ctc_pool_shape *s,
                                              ctc_pool_taps rows, ctc_pool_taps columns, ctc_dim at,
                                              ctc_dim channel, int n) {
  const ctc_v start = ctc_v_set(s->max ? -INFINITY : 0.0f);
  ctc_v p0 = start, p1 = start, p2 = start, p3 = start;
  for (ctc_dim kh = rows.low; kh < rows.high; kh++) {
    for (ctc_dim kw = columns.low; kw < columns.high; kw++) {
      const float *from = x + (kh * s->dilation_h * s->x_row + kw * s->dilation_w * 16);
#define CTC_POOL_ADD(i)                                               \
  if (n > i) {                                                        \
    const ctc_v value = ctc_v_load(from + i * s->stride_w * 16);      \
    p##i = s->max ? ctc_v_max(value, p##i) : p##i + value;            \
  }
      CTC_POOL_ADD(0)
      CTC_POOL_ADD(1)
      CTC_POOL_ADD(2)
      CTC_POOL_ADD(3)
    }
  }
  const ctc_dim taps = rows.count * columns.count;
  const float count = taps > 0 ? (float)taps : 1.0f;
#define CTC_POOL_END(i)                                                                          \
  if (n > i) {                                                                                   \
    if (!s->max) p##i = p##i / count;                                                            \
    if (s->epilogue) p##i = s->epilogue(p##i, s->operands, at + i * 16, channel, CTC_LANES);     \
    ctc_v_store(y + (at + i * 16), p##i);                                                        \
  }
  CTC_POOL_END(0)
  CTC_POOL_END(1)
  CTC_POOL_END(2)
  CTC_POOL_END(3)
}

/* Pixels [begin, end) of a row, one by one. */
static inline CTC_INLINE void ctc_pool_border(const float *x, float *y, const ctc_pool_shape *s,
                                              ctc_pool_taps rows, ctc_dim at, ctc_dim channel,
                                              ctc_dim begin, ctc_dim end) {
  for (ctc_dim c = begin; c < end; c++) {
    const ctc_dim start = c * s->stride_w - s->pad_w;
    const ctc_pool_taps columns =
        ctc_pool_range(start, s->kernel_w, s->dilation_w, s->in_w, s->pad_w, s->pad_w_end,
                       s->count_padding);
    ctc_pool_pixels(x + start * 16, y, s, rows, columns, at + c * 16, channel, 1);
  }
}

/* A row of the output, one vector of each pixel; x: column 0 of its first row, which may lie above
 * the input. */
static inline CTC_INLINE void ctc_pool_row(const float *x, float *y, const ctc_pool_shape *s,
                                           ctc_pool_taps rows, ctc_dim at, ctc_dim channel) {
  const ctc_dim reach = (s->kernel_w - 1) * s->dilation_w + 1, room = s->in_w + s->pad_w - reach;
  const ctc_dim low = ctc_min_dim(s->out_w, (s->pad_w + s->stride_w - 1) / s->stride_w);
  const ctc_dim inside = room < 0 ? 0 : room / s->stride_w + 1;
  const ctc_dim high = ctc_max_dim(low, ctc_min_dim(s->out_w, inside));
  const ctc_dim whole = low + (high - low) / 4 * 4;
  const ctc_pool_taps columns = {0, s->kernel_w, s->kernel_w};
  ctc_pool_border(x, y, s, rows, at, channel, 0, low);
  for (ctc_dim c = low; c < whole; c += 4)
    ctc_pool_pixels(x + (c * s->stride_w - s->pad_w) * 16, y, s, rows, columns, at + c * 16, channel,
                    4);
  ctc_pool_border(x, y, s, rows, at, channel, whole, s->out_w);
}

/* Units [first, last) of either kind of pool. */
static inline CTC_INLINE void ctc_pool_units(const float *x, float *y, const ctc_pool_shape *s,
                                             ctc_dim blocks, ctc_dim out_h, ctc_dim x_image,
                                             ctc_dim x_block, ctc_dim y_image, ctc_dim y_block,
                                             ctc_dim y_row, ctc_dim first, ctc_dim last) {
  for (ctc_dim unit = first; unit < last; unit++) {
    const ctc_dim row = unit % out_h, block = unit / out_h % blocks, image = unit / out_h / blocks;
    const ctc_dim start = row * s->stride_h - s->pad_h;
    const ctc_pool_taps rows = ctc_pool_range(start, s->kernel_h, s->dilation_h, s->in_h, s->pad_h,
                                              s->pad_h_end, s->count_padding);
    const ctc_dim from = image * x_image + block * x_block + start * s->x_row;
    const ctc_dim at = image * y_image + block * y_block + row * y_row;
    for (int lane = 0; lane < 16; lane += CTC_LANES)
      ctc_pool_row(x + (from + lane), y, s, rows, at + lane, block * 16 + lane);
  }
}

/* x and y point at pixel (0, 0). */
static CTC_KERNEL void ctc_max_pool16_f32(
    const float *x, float *y, ctc_epilogue epilogue, const float *const *operands, ctc_dim blocks,
    ctc_dim in_h, ctc_dim in_w, ctc_dim out_h, ctc_dim out_w, ctc_dim kernel_h, ctc_dim kernel_w,
    ctc_dim stride_h, ctc_dim stride_w, ctc_dim dilation_h, ctc_dim dilation_w, ctc_dim pad_h,
    ctc_dim pad_w, ctc_dim x_image, ctc_dim x_block, ctc_dim x_row, ctc_dim y_image,
    ctc_dim y_block, ctc_dim y_row, ctc_dim first, ctc_dim last) {
  const ctc_pool_shape s = {in_h,  in_w,       out_w,      kernel_h, kernel_w, stride_h,
                            stride_w, dilation_h, dilation_w, pad_h,    pad_w,    0,
                            0,     x_row,      1,          0,        epilogue, operands};
  ctc_pool_units(x, y, &s, blocks, out_h, x_image, x_block, y_image, y_block, y_row, first, last);
}

/* The mean of a window's taps in the input or, if count_padding, in the padded input. */
static CTC_KERNEL void ctc_average_pool16_f32(
    const float *x, float *y, ctc_epilogue epilogue, const float *const *operands,
    ctc_dim count_padding, ctc_dim blocks, ctc_dim in_h, ctc_dim in_w, ctc_dim out_h, ctc_dim out_w,
    ctc_dim kernel_h, ctc_dim kernel_w, ctc_dim stride_h, ctc_dim stride_w, ctc_dim dilation_h,
    ctc_dim dilation_w, ctc_dim pad_h, ctc_dim pad_w, ctc_dim pad_h_end, ctc_dim pad_w_end,
    ctc_dim x_image, ctc_dim x_block, ctc_dim x_row, ctc_dim y_image, ctc_dim y_block,
    ctc_dim y_row, ctc_dim first, ctc_dim last) {
  const ctc_pool_shape s = {in_h,      in_w,       out_w,      kernel_h, kernel_w,
                            stride_h,  stride_w,   dilation_h, dilation_w, pad_h,
                            pad_w,     pad_h_end,  pad_w_end,  x_row,    0,
                            count_padding != 0, epilogue,   operands};
  ctc_pool_units(x, y, &s, blocks, out_h, x_image, x_block, y_image, y_block, y_row, first, last);
}

/* The largest element, or the sum, of one vector of each of h x w pixels, in four parts. */
static inline CTC_INLINE ctc_v ctc_pool_plane(const float *x, ctc_dim h, ctc_dim w, ctc_dim x_row,
                                              int max) {
  const ctc_v start = ctc_v_set(max ? -INFINITY : 0.0f);
  ctc_v p0 = start, p1 = start, p2 = start, p3 = start;
  for (ctc_dim r = 0; r < h; r++, x += x_row) {
    const ctc_dim whole = w - w % 4;
#define CTC_POOL_TAKE(p, i)                              \
  {                                                      \
    const ctc_v value = ctc_v_load(x + (i) * 16);        \
    p = max ? ctc_v_max(value, p) : p + value;           \
  }
    for (ctc_dim c = 0; c < whole; c += 4) {
      CTC_POOL_TAKE(p0, c)
      CTC_POOL_TAKE(p1, c + 1)
      CTC_POOL_TAKE(p2, c + 2)
      CTC_POOL_TAKE(p3, c + 3)
    }
    for (ctc_dim c = whole; c < w; c++) CTC_POOL_TAKE(p0, c)
  }
  return max ? ctc_v_max(ctc_v_max(p0, p1), ctc_v_max(p2, p3)) : (p0 + p1) + (p2 + p3);
}

/* max: the largest pixel of each plane, otherwise the mean. */
static CTC_KERNEL void ctc_global_pool16_f32(const float *x, float *y, ctc_epilogue epilogue,
                                             const float *const *operands, ctc_dim max,
                                             ctc_dim blocks, ctc_dim h, ctc_dim w, ctc_dim x_image,
                                             ctc_dim x_block, ctc_dim x_row, ctc_dim y_image,
                                             ctc_dim y_block, ctc_dim first, ctc_dim last) {
  for (ctc_dim unit = first; unit < last; unit++) {
    const ctc_dim block = unit % blocks, image = unit / blocks;
    for (int lane = 0; lane < 16; lane += CTC_LANES) {
      const ctc_dim at = image * y_image + block * y_block + lane;
      const float *from = x + (image * x_image + block * x_block + lane);
      ctc_v value = ctc_pool_plane(from, h, w, x_row, max != 0);
      if (!max) value = value / (float)(h * w);
      if (epilogue) value = epilogue(value, operands, at, block * 16 + lane, CTC_LANES);
      ctc_v_store(y + at, value);
    }
  }
}
