/* int8.c: matrix products and convolutions of tensors of bytes, summed in int32.
 *
 * One factor, the activations, has unsigned bytes, the other one, the weights, signed bytes; bytes
 * of the other kind are flipped (128 is added or taken off, from the zero point too). Products of
 * levels less their zero points follow from those of the levels alone:
 *
 *   sum (x - x_zero)(w - w_zero) = sum x w - x_zero (sum w - taps w_zero) - w_zero sum x
 *
 * The second term is one number an output channel: the sums start there. The third one needs the
 * sum over the window, and is left out where w_zero is 0.
 *
 * Activations are [n][rows][columns][channels] with x_zero around the rows and columns, so that no
 * tap has to be checked; a matrix is such a tensor with one column. Weights are packed to [output
 * channels / 16][kernel rows][runs / 4][16 outputs][4 inputs], where a run is what a tap (or a whole
 * kernel row, if it has no gaps) reads in one go, with zeros up to whole fours. What lies behind a
 * run is read, too, and multiplied by zero: activations end with 3 bytes more.
 *
 * The tiles are those of conv16.c: up to CTC_INT8_TILE pixels times two vectors of output channels.
 * Units of work: pairs of blocks of 16 output channels, times groups of rows. */

/* The instruction that adds the products of four bytes each to the lanes of an int32 vector, or (x86
 * without it) that multiplies and adds two 16-bit numbers. */
#if CTC_LANES == 16 && defined(__AVX512VNNI__)
#define CTC_INT8_DOT(sum, x, w) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w))
#elif CTC_LANES == 8 && defined(__AVXVNNI__)
#define CTC_INT8_DOT(sum, x, w) __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w))
#elif CTC_LANES == 4 && defined(__aarch64__) && defined(__ARM_FEATURE_MATMUL_INT8)
#define CTC_INT8_DOT(sum, x, w)                                                                   \
  __asm__("usdot %0.4s, %2.16b, %1.16b" : "+w"(sum) : "w"(w), "w"(x))
#elif CTC_LANES == 16 && defined(__AVX512BW__)
#define CTC_INT8_PAIRS(y, x, w) __asm__("vpmaddwd %2, %1, %0" : "=v"(y) : "v"(x), "v"(w))
#elif CTC_LANES == 8 && defined(__AVX2__)
#define CTC_INT8_PAIRS(y, x, w) __asm__("vpmaddwd %2, %1, %0" : "=x"(y) : "x"(x), "x"(w))
#elif CTC_LANES == 4 && defined(__SSE2__)
#define CTC_INT8_PAIRS(y, x, w) __asm__("pmaddwd %2, %0" : "=x"(y) : "0"(x), "x"(w))
#endif

/* Without the instruction the weights need registers in which to be taken apart. */
#if defined(CTC_INT8_DOT) || CTC_LANES == 16 || CTC_TILE < 4
#define CTC_INT8_TILE CTC_TILE
#else
#define CTC_INT8_TILE 4
#endif

/* Bytes between the weights in use and those that are brought into the cache. */
#define CTC_INT8_AHEAD 1024

/* f(0) … f(13): once a pixel of the largest tile. */
#define CTC_INT8_PIXELS(f)                                                                        \
  f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13)

/* Vectors of other numbers than floats and 32-bit integers. */
#if CTC_LANES > 1
#define CTC_VECTOR_OF(bytes) __attribute__((vector_size(bytes)))
#define CTC_CONVERT(v, type) __builtin_convertvector(v, type)
#define CTC_ANYWHERE __attribute__((aligned(1), may_alias))
#else
#define CTC_ANYWHERE
#define CTC_VECTOR_OF(bytes)
#define CTC_CONVERT(v, type) ((type)(v))
#endif

/* As many bytes as a vector has lanes. */
typedef CTC_VECTOR_OF(CTC_LANES) uint8_t ctc_vb;

/* The same, anywhere in memory. */
#if CTC_LANES > 1
#define CTC_BYTES_AT(p) (*(const ctc_vb_anywhere *)(const void *)(p))
#else
#define CTC_BYTES_AT(p) (*(p))
#endif

typedef CTC_VECTOR_OF(CTC_LANES) CTC_ANYWHERE uint8_t ctc_vb_anywhere;

/* A whole vector of 16-bit numbers. */
typedef CTC_VECTOR_OF(CTC_LANES * 4) int16_t ctc_vh;

/* Byte k of each lane: of the weights with its sign, of the activations without. */
#define CTC_INT8_SIGNED(w, k) ((ctc_vi)((ctc_vu)(w) << (24 - 8 * (k))) >> 24)

#define CTC_INT8_UNSIGNED(x, k) ((ctc_vi)((ctc_vu)(x) >> (8 * (k)) & 255u))

/* Bytes 0 and 2, or 1 and 3, of each lane as 16-bit numbers. */
#if defined(CTC_INT8_PAIRS)
#define CTC_INT8_WEIGHTS(w, odd) ((ctc_vi)(((ctc_vh)(w) << (odd ? 0 : 8)) >> 8))
#define CTC_INT8_LEVELS(x, odd) ((ctc_vi)((ctc_vu)(x) >> (odd ? 8 : 0) & 0x00ff00ffu))
#endif

/* sum + the products of the four bytes of each lane. */
static CTC_KERNEL ctc_vi ctc_int8_dot(ctc_vi sum, ctc_vi x, ctc_vi w) {
#if defined(CTC_INT8_DOT)
  CTC_INT8_DOT(sum, x, w);
  return sum;
#elif defined(CTC_INT8_PAIRS)
  ctc_vi even, odd;
  CTC_INT8_PAIRS(even, CTC_INT8_LEVELS(x, 0), CTC_INT8_WEIGHTS(w, 0));
  CTC_INT8_PAIRS(odd, CTC_INT8_LEVELS(x, 1), CTC_INT8_WEIGHTS(w, 1));
  return sum + (even + odd);
#else
  return sum + CTC_INT8_UNSIGNED(x, 0) * CTC_INT8_SIGNED(w, 0) +
         CTC_INT8_UNSIGNED(x, 1) * CTC_INT8_SIGNED(w, 1) +
         CTC_INT8_UNSIGNED(x, 2) * CTC_INT8_SIGNED(w, 2) +
         CTC_INT8_UNSIGNED(x, 3) * CTC_INT8_SIGNED(w, 3);
#endif
}

/* Four bytes, in every lane. */
static CTC_KERNEL ctc_vi ctc_int8_four(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, sizeof four);
  return ctc_vi_set(four);
}

static CTC_KERNEL ctc_vi ctc_int8_load(const void *p) {
  ctc_vi v;
  memcpy(&v, p, sizeof v);
  return v;
}

/* CTC_LANES bytes as numbers. (gcc does not find the instructions by itself.) */
static CTC_KERNEL ctc_vi ctc_int8_widen(const uint8_t *p) {
  ctc_vi v;
#if CTC_LANES == 16
  __asm__("vpmovzxbd %1, %0" : "=v"(v) : "m"(CTC_BYTES_AT(p)));
#elif CTC_LANES == 8 && defined(__AVX2__)
  __asm__("vpmovzxbd %1, %0" : "=x"(v) : "m"(CTC_BYTES_AT(p)));
#elif CTC_LANES == 4 && defined(__SSE2__)
  const ctc_vi zero = {0};
  __asm__("movd %1, %0\n\tpunpcklbw %2, %0\n\tpunpcklwd %2, %0"
          : "=&x"(v)
          : "m"(CTC_BYTES_AT(p)), "x"(zero));
#else
  v = CTC_CONVERT(CTC_BYTES_AT(p), ctc_vi);
#endif
  return v;
}

/* The low bytes of all lanes. */
static inline CTC_INLINE void ctc_int8_store(uint8_t *p, ctc_vi v) {
#if CTC_LANES == 4 && defined(__SSE2__)
  ctc_vi packed = v & 255;
  __asm__("packssdw %0, %0\n\tpackuswb %0, %0" : "+x"(packed));
  memcpy(p, &packed, 4);
#else
  ctc_vb bytes;
#if CTC_LANES == 16
  __asm__("vpmovdb %1, %0" : "=v"(bytes) : "v"(v));
#elif CTC_LANES == 8 && defined(__AVX2__)
  const ctc_vi low = v & 255;
  __asm__("vextracti128 %2, %t1, %x0\n\tvpackssdw %x0, %x1, %x0\n\tvpackuswb %x0, %x0, %x0"
          : "=&x"(v)
          : "x"(low), "i"(1));
  memcpy(&bytes, &v, sizeof bytes);
#else
  bytes = CTC_CONVERT(v, ctc_vb);
#endif
  memcpy(p, &bytes, sizeof bytes);
#endif
}

/* The low bytes of the first `count` lanes. */
static inline CTC_INLINE void ctc_int8_store_n(uint8_t *p, ctc_vi v, int count) {
  uint8_t lanes[CTC_LANES];
  if (count >= CTC_LANES) {
    ctc_int8_store(p, v);
    return;
  }
  ctc_int8_store(lanes, v);
  for (int i = 0; i < CTC_LANES && i < count; i++) p[i] = lanes[i];
}

/* The level nearest to x, ties to even, within [low, high] before `zero` is added: as a number that
 * fits a byte. Adding a large number leaves no room for fractions; the limits are integers, so it
 * is all the same that they come first. */
static CTC_KERNEL ctc_vi ctc_int8_level(ctc_v x, float low, float high, int32_t zero) {
  x = ctc_v_min(ctc_v_set(high), ctc_v_max(ctc_v_set(low), x));
  return ctc_v_rounded_int(x + CTC_ROUNDER) + zero;
}

/* What results become. */
enum { CTC_INT8_SUMS, CTC_INT8_REALS, CTC_INT8_BYTES };

/* How sums are finished and where they go. A *slot* is a channel's place in arrays of one number a
 * channel, each group of channels filled up to whole blocks of 16; a *pixel* counts outputs without
 * gaps. */
typedef struct {
  int form;
  const int32_t *start;   /* of each slot: where sums start */
  const int32_t *w_zero;  /* of each slot, and … */
  const int32_t *windows; /* … of each pixel the sum over its window; null: there is no w_zero */
  const float *scale;     /* of each slot; null: 1 */
  float low, high;        /* of bytes, less `zero` */
  int32_t zero;
  int32_t *sums;
  float *reals;
  uint8_t *bytes;
  ctc_epilogue epilogue;
  const float *const *operands;
} ctc_int8_finish;

/* One vector of sums, of `count` channels, to element `at`. */
static inline CTC_INLINE void ctc_int8_put(const ctc_int8_finish *f, ctc_vi sum, ctc_dim at,
                                           ctc_dim channel, ctc_dim slot, ctc_dim pixel,
                                           int count) {
  if (count <= 0) return;
  if (f->windows) sum -= ctc_int8_load(f->w_zero + slot) * f->windows[pixel];
  if (f->form == CTC_INT8_SUMS) {
    int32_t lanes[CTC_LANES];
    memcpy(lanes, &sum, sizeof lanes);
    if (count >= CTC_LANES)
      memcpy(f->sums + at, lanes, sizeof lanes);
    else
      for (int i = 0; i < CTC_LANES && i < count; i++) f->sums[at + i] = lanes[i];
    return;
  }
  ctc_v value = CTC_CONVERT(sum, ctc_v);
  if (f->scale) value = value * ctc_v_load(f->scale + slot);
  if (f->form == CTC_INT8_REALS) {
    if (f->epilogue) value = f->epilogue(value, f->operands, at, channel, count);
    ctc_v_store_n(f->reals + at, value, count);
  } else {
    ctc_int8_store_n(f->bytes + at, ctc_int8_level(value, f->low, f->high, f->zero), count);
  }
}

/* How inputs and weights are walked over. Steps are counted in elements. */
typedef struct {
  ctc_dim kh, x_kh; /* rows of the kernel, */
  ctc_dim kw, x_kw; /* runs in a row, */
  ctc_dim quads;    /* fours in a run */
  ctc_dim x_pixel, x_line; /* from an output pixel to its neighbours */
  ctc_dim y_pixel, y_line;
  ctc_dim columns; /* of the output */
  ctc_dim w_vector, y_vector; /* from the first vector of a tile to the second */
  ctc_dim channels;           /* channels from here on are padding */
  ctc_int8_finish finish;
} ctc_int8_walk;

/* Where something lies: input, result, pixel. */
typedef struct {
  const uint8_t *x;
  ctc_dim at, pixel;
} ctc_int8_place;

static CTC_KERNEL ctc_int8_place ctc_int8_move(const ctc_int8_walk *walk, ctc_int8_place place,
                                               ctc_dim lines, ctc_dim pixels) {
  place.x += lines * walk->x_line + pixels * walk->x_pixel;
  place.at += lines * walk->y_line + pixels * walk->y_pixel;
  place.pixel += lines * walk->columns + pixels;
  return place;
}

/* Pixel i of a tile: o is where its input lies. */
#define CTC_INT8_BEGIN(i)                                                                         \
  ctc_vi p##i = start_p, q##i = start_q;                                                          \
  const ctc_dim o##i = n > (i) ? (i) / columns * walk->x_line + (i) % columns * walk->x_pixel : 0;

/* Four inputs of each pixel, times the weights a and b. */
#define CTC_INT8_ADD(i)                                                                           \
  if ((i) < CTC_INT8_TILE && n > (i)) {                                                           \
    const ctc_vi v = ctc_int8_four(from + o##i);                                                  \
    p##i = ctc_int8_dot(p##i, v, a);                                                              \
    if (vectors > 1) q##i = ctc_int8_dot(q##i, v, b);                                             \
  }

#define CTC_INT8_END(i)                                                                           \
  if ((i) < CTC_INT8_TILE && n > (i)) {                                                           \
    const ctc_int8_place to = ctc_int8_move(walk, place, (i) / columns, (i) % columns);           \
    ctc_int8_put(&walk->finish, p##i, to.at, channel, slot, to.pixel, count_p);                   \
    if (vectors > 1)                                                                              \
      ctc_int8_put(&walk->finish, q##i, to.at + walk->y_vector, channel + CTC_LANES,              \
                   slot + CTC_LANES, to.pixel, count_q);                                          \
  }

/* Lanes from `channel` on that are channels. */
static inline CTC_INLINE int ctc_int8_count(const ctc_int8_walk *walk, ctc_dim channel) {
  const ctc_dim rest = walk->channels - channel;
  return rest >= CTC_LANES ? CTC_LANES : (int)rest;
}

/* n <= CTC_INT8_TILE pixels in rows of `columns`, times `vectors` (1 or 2) of output channels. */
static inline CTC_INLINE void ctc_int8_tile(const ctc_int8_walk *walk, ctc_int8_place place,
                                            const int8_t *w, ctc_dim channel, ctc_dim slot,
                                            ctc_dim n, ctc_dim columns, int vectors) {
  const int count_p = ctc_int8_count(walk, channel);
  const int count_q = vectors > 1 ? ctc_int8_count(walk, channel + CTC_LANES) : 0;
  const ctc_vi start_p = ctc_int8_load(walk->finish.start + slot);
  const ctc_vi start_q = vectors > 1 ? ctc_int8_load(walk->finish.start + slot + CTC_LANES) : start_p;
  CTC_INT8_PIXELS(CTC_INT8_BEGIN)
  for (ctc_dim kh = 0; kh < walk->kh; kh++) {
    for (ctc_dim kw = 0; kw < walk->kw; kw++) {
      const uint8_t *from = place.x + (kh * walk->x_kh + kw * walk->x_kw);
      for (ctc_dim k = 0; k < walk->quads; k++, from += 4, w += 64) {
        CTC_PREFETCH(w + CTC_INT8_AHEAD);
        if (CTC_LANES == 16 && vectors > 1) CTC_PREFETCH(w + walk->w_vector + CTC_INT8_AHEAD);
        const ctc_vi a = ctc_int8_load(w);
        const ctc_vi b = vectors > 1 ? ctc_int8_load(w + walk->w_vector) : a;
        CTC_INT8_PIXELS(CTC_INT8_ADD)
      }
    }
  }
  CTC_INT8_PIXELS(CTC_INT8_END)
}

/* `columns` columns down all `rows`, in tiles that differ by at most one row. */
static inline CTC_INLINE void ctc_int8_column(const ctc_int8_walk *walk, ctc_int8_place place,
                                              const int8_t *w, ctc_dim channel, ctc_dim slot,
                                              ctc_dim rows, ctc_dim columns, int vectors) {
  const ctc_dim most = columns < CTC_INT8_TILE ? CTC_INT8_TILE / columns : 1;
  const ctc_dim tiles = (rows + most - 1) / most, size = rows / tiles, higher = rows % tiles;
  for (ctc_dim i = 0; i < higher; i++)
    ctc_int8_tile(walk, ctc_int8_move(walk, place, i * (size + 1), 0), w, channel, slot,
                  (size + 1) * columns, columns, vectors);
  for (ctc_dim i = higher; i < tiles; i++)
    ctc_int8_tile(walk, ctc_int8_move(walk, place, i * size + higher, 0), w, channel, slot,
                  size * columns, columns, vectors);
}

/* rows x columns pixels. The tiles' columns differ by at most one. */
static inline CTC_INLINE void ctc_int8_area(const ctc_int8_walk *walk, ctc_int8_place place,
                                            const int8_t *w, ctc_dim channel, ctc_dim slot,
                                            ctc_dim rows, ctc_dim columns, int vectors) {
  const ctc_dim tiles = (columns + CTC_INT8_TILE - 1) / CTC_INT8_TILE;
  const ctc_dim size = columns / tiles, wider = columns % tiles;
  for (ctc_dim i = 0; i < wider; i++)
    ctc_int8_column(walk, ctc_int8_move(walk, place, 0, i * (size + 1)), w, channel, slot, rows,
                    size + 1, vectors);
  for (ctc_dim i = wider; i < tiles; i++)
    ctc_int8_column(walk, ctc_int8_move(walk, place, 0, i * size + wider), w, channel, slot, rows,
                    size, vectors);
}

/* As ctc_int8_area, for up to 32 output channels from `channel` on; w_block is the step from the
 * weights of 16 channels to those of the next. Rows without a gap between them are one. */
static inline CTC_INLINE void ctc_int8_channels(ctc_int8_walk *walk, ctc_int8_place place,
                                                const int8_t *w, ctc_dim channel, ctc_dim slot,
                                                ctc_dim rows, ctc_dim w_block, ctc_dim y_block) {
  ctc_dim columns = walk->columns;
  const int whole =
      walk->x_line == columns * walk->x_pixel && walk->y_line == columns * walk->y_pixel;
  if (rows <= 0 || columns <= 0) return;
  if (whole) {
    columns *= rows;
    rows = 1;
  }
  walk->w_vector = CTC_LANES == 16 ? w_block : 4 * CTC_LANES;
  walk->y_vector = CTC_LANES == 16 ? y_block : CTC_LANES;
  for (int c = 0; c < 32 && channel + c < walk->channels; c += 2 * CTC_LANES) {
    const int8_t *from = w + (c / 16 * w_block + c % 16 * 4);
    ctc_int8_place to = place;
    to.at += c / 16 * y_block + c % 16;
    if (CTC_LANES < 16 || channel + 16 < walk->channels)
      ctc_int8_area(walk, to, from, channel + c, slot + c, rows, columns, 2);
    else
      ctc_int8_area(walk, to, from, channel + c, slot + c, rows, columns, 1);
  }
}

static CTC_KERNEL ctc_int8_finish ctc_int8_finish_of(int form, const int32_t *start,
                                                     const int32_t *w_zero, const int32_t *windows,
                                                     const float *scale) {
  ctc_int8_finish f;
  memset(&f, 0, sizeof f);
  f.form = form;
  f.start = start;
  f.w_zero = w_zero;
  f.windows = windows;
  f.scale = scale;
  return f;
}

/* The limits of bytes: levels [low, high] with that zero point. */
static inline CTC_INLINE void ctc_int8_limits(ctc_int8_finish *f, ctc_dim zero, ctc_dim low,
                                              ctc_dim high) {
  f->zero = (int32_t)zero;
  f->low = (float)(low - zero);
  f->high = (float)(high - zero);
}

/* The units [first, last) of a convolution (see ctc_int8_conv_i32). */
static inline CTC_INLINE void ctc_int8_units(const uint8_t *x, const int8_t *w,
                                             const ctc_int8_finish *finish, ctc_dim groups, ctc_dim in_channels,
                                             ctc_dim out_channels, ctc_dim oh, ctc_dim ow,
                                             ctc_dim kh, ctc_dim kw, ctc_dim sh, ctc_dim sw,
                                             ctc_dim dh, ctc_dim dw, ctc_dim rows, ctc_dim x_image,
                                             ctc_dim x_row, ctc_dim x_pixel, ctc_dim y_image,
                                             ctc_dim y_row, ctc_dim y_pixel, ctc_dim y_block,
                                             ctc_dim first, ctc_dim last) {
  const ctc_dim blocks = (out_channels + 15) / 16, pairs = (blocks + 1) / 2;
  const int joined = dw == 1 && groups == 1 && x_pixel == in_channels;
  const ctc_dim run = joined ? kw * in_channels : in_channels, runs = joined ? 1 : kw;
  const ctc_dim quads = (run + 3) / 4, w_block = kh * runs * quads * 64;
  const ctc_dim row_groups = (oh + rows - 1) / rows;
  for (ctc_dim unit = first; unit < last; unit++) {
    const ctc_dim r = unit % row_groups * rows, pair = unit / row_groups % (pairs * groups);
    const ctc_dim image = unit / row_groups / (pairs * groups);
    const ctc_dim g = pair / pairs, block = pair % pairs * 2;
    const ctc_dim count = oh % rows == 0 || r + rows <= oh ? rows : oh - r;
    const ctc_dim channel = g * out_channels + block * 16;
    ctc_int8_walk walk;
    ctc_int8_place place;
    walk.kh = kh;
    walk.x_kh = dh * x_row;
    walk.kw = runs;
    walk.x_kw = dw * x_pixel;
    walk.quads = quads;
    walk.x_pixel = sw * x_pixel;
    walk.x_line = sh * x_row;
    walk.y_pixel = y_pixel;
    walk.y_line = y_row;
    walk.columns = ow;
    walk.channels = (g + 1) * out_channels;
    walk.finish = *finish;
    place.x = x + (image * x_image + r * walk.x_line + g * in_channels);
    place.at = image * y_image + r * y_row +
               (groups == 1 ? block * y_block : channel / 16 * y_block + channel % 16);
    place.pixel = (image * oh + r) * ow;
    ctc_int8_channels(&walk, place, w + (g * blocks + block) * w_block, channel,
                      (g * blocks + block) * 16, count, w_block, y_block);
  }
}

/* A convolution. x: the input that tap (0, 0) of output (0, 0) reads. in_channels and out_channels
 * are those of one of `groups`. A block of 16 output channels is y_block behind the one before.
 * Units: n * groups * ceil(out_channels / 32) * ceil(oh / rows). This one writes the sums. */
static CTC_KERNEL void ctc_int8_conv_i32(
    const uint8_t *x, const int8_t *w, const int32_t *start, const int32_t *w_zero,
    const int32_t *windows, int32_t *y, ctc_dim groups, ctc_dim in_channels,
    ctc_dim out_channels, ctc_dim oh, ctc_dim ow, ctc_dim kh, ctc_dim kw, ctc_dim sh, ctc_dim sw,
    ctc_dim dh, ctc_dim dw, ctc_dim rows, ctc_dim x_image, ctc_dim x_row, ctc_dim x_pixel,
    ctc_dim y_image, ctc_dim y_row, ctc_dim y_pixel, ctc_dim y_block, ctc_dim first, ctc_dim last) {
  ctc_int8_finish finish = ctc_int8_finish_of(CTC_INT8_SUMS, start, w_zero, windows, NULL);
  finish.sums = y;
  ctc_int8_units(x, w, &finish, groups, in_channels, out_channels, oh, ow, kh, kw, sh, sw, dh, dw,
                 rows, x_image, x_row, x_pixel, y_image, y_row, y_pixel, y_block, first, last);
}

/* The sums times `scale` (null: 1). */
static CTC_KERNEL void ctc_int8_conv_f32(
    const uint8_t *x, const int8_t *w, const int32_t *start, const int32_t *w_zero,
    const int32_t *windows, const float *scale, float *y, ctc_epilogue epilogue,
    const float *const *operands, ctc_dim groups, ctc_dim in_channels,
    ctc_dim out_channels, ctc_dim oh, ctc_dim ow, ctc_dim kh, ctc_dim kw, ctc_dim sh, ctc_dim sw,
    ctc_dim dh, ctc_dim dw, ctc_dim rows, ctc_dim x_image, ctc_dim x_row, ctc_dim x_pixel,
    ctc_dim y_image, ctc_dim y_row, ctc_dim y_pixel, ctc_dim y_block, ctc_dim first, ctc_dim last) {
  ctc_int8_finish finish = ctc_int8_finish_of(CTC_INT8_REALS, start, w_zero, windows, scale);
  finish.reals = y;
  finish.epilogue = epilogue;
  finish.operands = operands;
  ctc_int8_units(x, w, &finish, groups, in_channels, out_channels, oh, ow, kh, kw, sh, sw, dh, dw,
                 rows, x_image, x_row, x_pixel, y_image, y_row, y_pixel, y_block, first, last);
}

/* The sums times `scale` as levels. */
//$ for t in u8 i8
static CTC_KERNEL void ctc_int8_conv_$t(
    const uint8_t *x, const int8_t *w, const int32_t *start, const int32_t *w_zero,
    const int32_t *windows, const float *scale, $T *y, ctc_dim zero, ctc_dim low, ctc_dim high,
    ctc_dim groups, ctc_dim in_channels, ctc_dim out_channels, ctc_dim oh, ctc_dim ow,
    ctc_dim kh, ctc_dim kw, ctc_dim sh, ctc_dim sw, ctc_dim dh, ctc_dim dw, ctc_dim rows,
    ctc_dim x_image, ctc_dim x_row, ctc_dim x_pixel, ctc_dim y_image, ctc_dim y_row,
    ctc_dim y_pixel, ctc_dim y_block, ctc_dim first, ctc_dim last) {
  ctc_int8_finish finish = ctc_int8_finish_of(CTC_INT8_BYTES, start, w_zero, windows, scale);
  finish.bytes = (uint8_t *)y;
  ctc_int8_limits(&finish, zero, low, high);
  ctc_int8_units(x, w, &finish, groups, in_channels, out_channels, oh, ow, kh, kw, sh, sw, dh, dw,
                 rows, x_image, x_row, x_pixel, y_image, y_row, y_pixel, y_block, first, last);
}
//$ end

/* Weights for ctc_int8_conv: w[g * w_group + o * w_out + i * w_in + a * w_kh + b * w_kw], for output
 * o, input i and tap (a, b) of group g, with the zero points w_zero[(g * out + o) * zero_step]
 * (null: 0), to the packed form; unsigned ones less 128. Per slot: `zeros` are the zero points of
 * the packed weights, `sums` the sums of the packed weights less their zero points. */
//$ for t in u8 i8
static void ctc_pack_int8_$t(const $T *w, const $T *w_zero, int8_t *packed, int32_t *zeros,
                             int32_t *sums, ctc_dim groups, ctc_dim in, ctc_dim out, ctc_dim kh,
                             ctc_dim kw, ctc_dim joined, ctc_dim w_group, ctc_dim w_out,
                             ctc_dim w_in, ctc_dim w_kh, ctc_dim w_kw, ctc_dim zero_step) {
  const ctc_dim blocks = (out + 15) / 16, run = joined ? kw * in : in, runs = joined ? 1 : kw;
  const ctc_dim quads = (run + 3) / 4, block = kh * runs * quads * 64;
  const int32_t shift = ($T)-1 < 0 ? 0 : 128;
  memset(packed, 0, (size_t)(groups * blocks * block));
  for (ctc_dim slot = 0; slot < groups * blocks * 16; slot++) {
    const ctc_dim g = slot / (blocks * 16), o = slot % (blocks * 16);
    int32_t sum = 0, zero = 0;
    zeros[slot] = sums[slot] = 0;
    if (o >= out) continue;
    if (w_zero) zero = w_zero[(g * out + o) * zero_step];
    for (ctc_dim a = 0; a < kh; a++) {
      for (ctc_dim b = 0; b < kw; b++) {
        const $T *from = w + (g * w_group + o * w_out + a * w_kh + b * w_kw);
        for (ctc_dim i = 0; i < in; i++) {
          const ctc_dim at = joined ? b * in + i : i;
          const ctc_dim quad = (a * runs + (joined ? 0 : b)) * quads + at / 4;
          const int32_t level = from[i * w_in];
          packed[slot / 16 * block + quad * 64 + slot % 16 * 4 + at % 4] = (int8_t)(level - shift);
          sum += level - zero;
        }
      }
    }
    zeros[slot] = zero - shift;
    sums[slot] = sum;
  }
}
//$ end

/* Where sums start: start[slot] = -x_zero * sums[slot], for x_zero as an unsigned byte. */
//$ for t in u8 i8
static void ctc_int8_start_$t(const $T *x_zero, const int32_t *sums, int32_t *start,
                              ctc_dim slots) {
  const int32_t zero = x_zero[0] + (($T)-1 < 0 ? 128 : 0);
  for (ctc_dim i = 0; i < slots; i++) start[i] = -zero * sums[i];
}
//$ end

/* The sum of `count` bytes. */
static inline CTC_INLINE int32_t ctc_int8_sum(const uint8_t *p, ctc_dim count) {
  const ctc_vi ones = ctc_vi_set(0x01010101);
  ctc_vi sum = ctc_vi_set(0);
  int32_t lanes[CTC_LANES], total = 0;
  for (ctc_dim i = 0; i + 4 * CTC_LANES <= count; i += 4 * CTC_LANES)
    sum = ctc_int8_dot(sum, ctc_int8_load(p + i), ones);
  memcpy(lanes, &sum, sizeof lanes);
  for (int i = 0; i < CTC_LANES; i++) total += lanes[i];
  for (ctc_dim i = count - count % (4 * CTC_LANES); i < count; i++) total += p[i];
  return total;
}

/* y[pixel] = the sum over the window of each output pixel, for one group. Units: n * oh. */
static void ctc_int8_windows_i32(const uint8_t *x, int32_t *y, ctc_dim in_channels, ctc_dim oh,
                                 ctc_dim ow, ctc_dim kh, ctc_dim kw, ctc_dim sh, ctc_dim sw,
                                 ctc_dim dh, ctc_dim dw, ctc_dim x_image, ctc_dim x_row,
                                 ctc_dim x_pixel, ctc_dim first, ctc_dim last) {
  const int joined = dw == 1 && x_pixel == in_channels;
  const ctc_dim run = joined ? kw * in_channels : in_channels, runs = joined ? 1 : kw;
  for (ctc_dim line = first; line < last; line++) {
    const uint8_t *from = x + (line / oh * x_image + line % oh * sh * x_row);
    for (ctc_dim i = 0; i < ow; i++, from += sw * x_pixel) {
      int32_t sum = 0;
      for (ctc_dim a = 0; a < kh; a++)
        for (ctc_dim b = 0; b < runs; b++)
          sum += ctc_int8_sum(from + (a * dh * x_row + b * dw * x_pixel), run);
      y[line * ow + i] = sum;
    }
  }
}

/* Copies x, whose elements (image, channel, row, column) are x_n, x_c, x_h and 1 * x_w apart, to
 * y [n][padded_h][padded_w][channels] as unsigned bytes, `top` rows and `left` columns from the
 * start, with the zero point around (null: 0). Units: n * padded_h. */
//$ for t in u8 i8
static void ctc_int8_pad_$t(const $T *x, const $T *zero, uint8_t *y, ctc_dim channels, ctc_dim h,
                            ctc_dim w, ctc_dim x_n, ctc_dim x_c, ctc_dim x_h, ctc_dim x_w,
                            ctc_dim top, ctc_dim left, ctc_dim padded_h, ctc_dim padded_w,
                            ctc_dim first, ctc_dim last) {
  const int flip = ($T)-1 < 0 ? 128 : 0;
  const int around = (zero ? zero[0] : 0) + flip;
  for (ctc_dim line = first; line < last; line++) {
    const ctc_dim row = line % padded_h - top;
    const $T *from = x + (line / padded_h * x_n + row * x_h);
    uint8_t *to = y + line * padded_w * channels;
    if (row < 0 || row >= h) {
      memset(to, around, (size_t)(padded_w * channels));
      continue;
    }
    memset(to, around, (size_t)(left * channels));
    to += left * channels;
    if (x_c == 1 && x_w == channels && flip == 0)
      memcpy(to, from, (size_t)(w * channels));
    else if (x_c == 1 && x_w == channels)
      for (ctc_dim i = 0; i < w * channels; i++) to[i] = (uint8_t)(from[i] + flip);
    else
      for (ctc_dim c = 0; c < channels; c++)
        for (ctc_dim i = 0; i < w; i++)
          to[i * channels + c] = (uint8_t)(from[c * x_c + i * x_w] + flip);
    memset(to + w * channels, around, (size_t)((padded_w - left - w) * channels));
  }
}
//$ end

/* Signed bytes as unsigned ones, and back: the zero point moves by 128 as well. */
static inline uint8_t ctc_flip_i8_u8(int8_t level) { return (uint8_t)(level + 128); }

static inline int8_t ctc_flip_u8_i8(uint8_t level) { return (int8_t)(level - 128); }

/* y = the level of a_scale * (a - a_zero) + b_scale * (b - b_zero), where the scales are those of a
 * and b over that of y. Units: 1024 elements. */
static CTC_KERNEL void ctc_int8_add_u8(const uint8_t *a, const uint8_t *b, uint8_t *y, ctc_dim n,
                                       float a_scale, float b_scale, ctc_dim a_zero, ctc_dim b_zero,
                                       ctc_dim zero, ctc_dim low, ctc_dim high, ctc_dim first,
                                       ctc_dim last) {
  const float least = (float)(low - zero), most = (float)(high - zero);
  const float shift = -(a_scale * (float)a_zero + b_scale * (float)b_zero);
  const ctc_dim end = n < last * 1024 ? n : last * 1024, whole = end - end % CTC_LANES;
  ctc_dim i = first * 1024;
  for (; i < whole; i += CTC_LANES) {
    ctc_v sum = CTC_CONVERT(ctc_int8_widen(a + i), ctc_v) * a_scale;
    sum = sum + CTC_CONVERT(ctc_int8_widen(b + i), ctc_v) * b_scale + shift;
    ctc_int8_store(y + i, ctc_int8_level(sum, least, most, (int32_t)zero));
  }
  for (i = whole > first * 1024 ? whole : first * 1024; i < end; i++) {
    float sum = (float)a[i] * a_scale + ((float)b[i] * b_scale + shift);
    sum = sum < least ? least : sum > most ? most : sum;
    y[i] = (uint8_t)(rintf(sum) + (float)zero);
  }
}

/* The levels of x. Units: 1024 elements. */
//$ for t in u8 i8
static CTC_KERNEL void ctc_int8_quantize_$t(const float *x, const float *scale, const $T *zero,
                                            $T *y, ctc_dim n, ctc_dim first, ctc_dim last) {
  const int32_t shift = zero ? zero[0] : 0, lowest = ($T)-1 < 0 ? -128 : 0;
  const float low = (float)(lowest - shift), high = (float)(lowest + 255 - shift);
  const ctc_dim end = n < last * 1024 ? n : last * 1024;
  for (ctc_dim i = first * 1024; i < end; i += CTC_LANES) {
    const int count = end - i < CTC_LANES ? (int)(end - i) : CTC_LANES;
    const ctc_v v = ctc_v_load_n(x + i, count) / ctc_v_set(scale[0]);
    ctc_int8_store_n((uint8_t *)y + i, ctc_int8_level(v, low, high, shift), count);
  }
}
//$ end
