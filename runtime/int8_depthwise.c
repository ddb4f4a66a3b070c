/* int8_depthwise.c: convolutions of bytes with one input for each output channel.
 *
 * Activations are as in int8.c; vectors run along the channels, a tile is up to 8 pixels of a row.
 * What lies behind the last channel is read, too: activations whose channels are no multiple of 16
 * end with 15 bytes more. Weights are numbers of 9 bits without a zero point, [kernel][slots]. Units: rows of the output. */

/* sum + x * w, where x has 8 bits and w 9. */
#if CTC_LANES == 16 && defined(__AVX512VNNI__)
#define CTC_INT8_MULTIPLY(sum, x, w)                                                              \
  __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w))
#elif CTC_LANES == 8 && defined(__AVXVNNI__)
#define CTC_INT8_MULTIPLY(sum, x, w)                                                              \
  __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w))
#endif

static CTC_KERNEL ctc_vi ctc_int8_multiply(ctc_vi sum, ctc_vi x, ctc_vi w) {
#if defined(CTC_INT8_MULTIPLY)
  CTC_INT8_MULTIPLY(sum, x, w);
  return sum;
#elif defined(CTC_INT8_PAIRS)
  ctc_vi product; /* the upper halves of x are zeros */
  CTC_INT8_PAIRS(product, x, w);
  return sum + product;
#else
  return sum + x * w;
#endif
}

/* f(0) … f(7): once a pixel of the largest tile. */
#define CTC_INT8_EIGHT(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7)

#define CTC_INT8_ROW_BEGIN(i) ctc_vi p##i = start;

#define CTC_INT8_ROW_ADD(i)                                                                       \
  if (n > (i))                                                                                    \
    p##i = ctc_int8_multiply(p##i, ctc_int8_widen(from + (i) * walk->x_pixel), v);

#define CTC_INT8_ROW_END(i)                                                                       \
  if (n > (i))                                                                                    \
    ctc_int8_put(&walk->finish, p##i, place.at + (i) * walk->y_pixel, channel, channel,           \
                 place.pixel + (i), count);

/* n <= 8 pixels of a row, one vector of channels. `slots` is the step from tap to tap in w. */
static inline CTC_INLINE void ctc_int8_row_tile(const ctc_int8_walk *walk, ctc_int8_place place,
                                                const int32_t *w, ctc_dim channel, ctc_dim slots,
                                                int n) {
  const int count = ctc_int8_count(walk, channel);
  const ctc_vi start = ctc_int8_load(walk->finish.start + channel);
  CTC_INT8_EIGHT(CTC_INT8_ROW_BEGIN)
  for (ctc_dim kh = 0; kh < walk->kh; kh++) {
    for (ctc_dim kw = 0; kw < walk->kw; kw++, w += slots) {
      const uint8_t *from = place.x + (kh * walk->x_kh + kw * walk->x_kw);
      const ctc_vi v = ctc_int8_load(w);
      CTC_INT8_EIGHT(CTC_INT8_ROW_ADD)
    }
  }
  CTC_INT8_EIGHT(CTC_INT8_ROW_END)
}

/* A row of outputs. */
static inline CTC_INLINE void ctc_int8_row(const ctc_int8_walk *walk, ctc_int8_place place,
                                           const int32_t *w) {
  const ctc_dim slots = (walk->channels + 15) / 16 * 16, columns = walk->columns;
  for (ctc_dim i = 0; i < columns; i += 8) {
    const ctc_dim n = columns - i < 8 ? columns - i : 8;
    for (ctc_dim c = 0; c < walk->channels; c += CTC_LANES) {
      ctc_int8_place at = ctc_int8_move(walk, place, 0, i);
      at.x += c;
      at.at += walk->y_vector ? c / 16 * walk->y_vector + c % 16 : c;
      switch (n) {
      case 8: ctc_int8_row_tile(walk, at, w + c, c, slots, 8); break;
      case 7: ctc_int8_row_tile(walk, at, w + c, c, slots, 7); break;
      case 6: ctc_int8_row_tile(walk, at, w + c, c, slots, 6); break;
      case 5: ctc_int8_row_tile(walk, at, w + c, c, slots, 5); break;
      case 4: ctc_int8_row_tile(walk, at, w + c, c, slots, 4); break;
      case 3: ctc_int8_row_tile(walk, at, w + c, c, slots, 3); break;
      case 2: ctc_int8_row_tile(walk, at, w + c, c, slots, 2); break;
      default: ctc_int8_row_tile(walk, at, w + c, c, slots, 1); break;
      }
    }
  }
}

static inline CTC_INLINE void ctc_int8_rows(const uint8_t *x, const int32_t *w,
                                            const ctc_int8_finish *finish, ctc_dim channels,
                                            ctc_dim oh, ctc_dim ow, ctc_dim kh, ctc_dim kw,
                                            ctc_dim sh, ctc_dim sw, ctc_dim dh, ctc_dim dw,
                                            ctc_dim x_image, ctc_dim x_row, ctc_dim x_pixel,
                                            ctc_dim y_image, ctc_dim y_row, ctc_dim y_pixel,
                                            ctc_dim y_block, ctc_dim first, ctc_dim last) {
  for (ctc_dim unit = first; unit < last; unit++) {
    const ctc_dim image = unit / oh, r = unit % oh;
    ctc_int8_walk walk;
    ctc_int8_place place;
    memset(&walk, 0, sizeof walk);
    walk.kh = kh;
    walk.x_kh = dh * x_row;
    walk.kw = kw;
    walk.x_kw = dw * x_pixel;
    walk.x_pixel = sw * x_pixel;
    walk.y_pixel = y_pixel;
    walk.y_vector = y_block;
    walk.columns = ow;
    walk.channels = channels;
    walk.finish = *finish;
    place.x = x + (image * x_image + r * sh * x_row);
    place.at = image * y_image + r * y_row;
    place.pixel = unit * ow;
    ctc_int8_row(&walk, place, w);
  }
}

/* As the kernels of the same forms in int8.c. */
static CTC_KERNEL void ctc_int8_depthwise_i32(
    const uint8_t *x, const int32_t *w, const int32_t *start, int32_t *y, ctc_dim channels,
    ctc_dim oh, ctc_dim ow, ctc_dim kh, ctc_dim kw, ctc_dim sh, ctc_dim sw, ctc_dim dh, ctc_dim dw,
    ctc_dim x_image, ctc_dim x_row, ctc_dim x_pixel, ctc_dim y_image, ctc_dim y_row,
    ctc_dim y_pixel, ctc_dim y_block, ctc_dim first, ctc_dim last) {
  ctc_int8_finish finish = ctc_int8_finish_of(CTC_INT8_SUMS, start, NULL, NULL, NULL);
  finish.sums = y;
  ctc_int8_rows(x, w, &finish, channels, oh, ow, kh, kw, sh, sw, dh, dw, x_image, x_row, x_pixel,
                y_image, y_row, y_pixel, y_block, first, last);
}

static CTC_KERNEL void ctc_int8_depthwise_f32(
    const uint8_t *x, const int32_t *w, const int32_t *start, const float *scale, float *y,
    ctc_epilogue epilogue, const float *const *operands, ctc_dim channels, ctc_dim oh, ctc_dim ow,
    ctc_dim kh, ctc_dim kw, ctc_dim sh, ctc_dim sw, ctc_dim dh, ctc_dim dw, ctc_dim x_image,
    ctc_dim x_row, ctc_dim x_pixel, ctc_dim y_image, ctc_dim y_row, ctc_dim y_pixel,
    ctc_dim y_block, ctc_dim first, ctc_dim last) {
  ctc_int8_finish finish = ctc_int8_finish_of(CTC_INT8_REALS, start, NULL, NULL, scale);
  finish.reals = y;
  finish.epilogue = epilogue;
  finish.operands = operands;
  ctc_int8_rows(x, w, &finish, channels, oh, ow, kh, kw, sh, sw, dh, dw, x_image, x_row, x_pixel,
                y_image, y_row, y_pixel, y_block, first, last);
}

//$ for t in u8 i8
static CTC_KERNEL void ctc_int8_depthwise_$t(
    const uint8_t *x, const int32_t *w, const int32_t *start, const float *scale, $T *y,
    ctc_dim zero, ctc_dim low, ctc_dim high, ctc_dim channels, ctc_dim oh, ctc_dim ow, ctc_dim kh,
    ctc_dim kw, ctc_dim sh, ctc_dim sw, ctc_dim dh, ctc_dim dw, ctc_dim x_image, ctc_dim x_row,
    ctc_dim x_pixel, ctc_dim y_image, ctc_dim y_row, ctc_dim y_pixel, ctc_dim y_block,
    ctc_dim first, ctc_dim last) {
  ctc_int8_finish finish = ctc_int8_finish_of(CTC_INT8_BYTES, start, NULL, NULL, scale);
  finish.bytes = (uint8_t *)y;
  ctc_int8_limits(&finish, zero, low, high);
  ctc_int8_rows(x, w, &finish, channels, oh, ow, kh, kw, sh, sw, dh, dw, x_image, x_row, x_pixel,
                y_image, y_row, y_pixel, y_block, first, last);
}
//$ end

/* Weights [channels][taps] less their zero points to [taps][slots], and their sums by slot. */
//$ for t in u8 i8
static void ctc_pack_int8_depthwise_$t(const $T *w, const $T *w_zero, int32_t *packed,
                                       int32_t *sums, ctc_dim channels, ctc_dim taps,
                                       ctc_dim zero_step) {
  const ctc_dim slots = (channels + 15) / 16 * 16;
  memset(packed, 0, (size_t)(taps * slots) * sizeof *packed);
  for (ctc_dim c = 0; c < slots; c++) {
    sums[c] = 0;
    for (ctc_dim t = 0; t < taps && c < channels; t++) {
      const int32_t level = w[c * taps + t] - (w_zero ? w_zero[c * zero_step] : 0);
      packed[t * slots + c] = level;
      sums[c] += level;
    }
  }
}
//$ end
