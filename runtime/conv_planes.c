/* conv_planes.c: convolutions of f32 with few output channels, from row-major to row-major.
 *
 * Where a blocked convolution would compute channels that are padding, the lanes are pixels: a tile
 * is up to four vectors of neighbouring pixels of a row times up to eight output channels, and each
 * step of the reduction multiplies vectors of inputs by one number a channel. So the columns' stride
 * must be 1. Nothing is checked along the row: a padded input has its zeros in memory.
 *
 * Weights are [groups][channels, by eight][reduction][up to eight channels]. Units of work: n *
 * groups * rows. */

/* Channels of a block of weights. */
#define CTC_PLANES_BLOCK 8

/* Channels of a tile: what the registers hold. */
#if CTC_TILE == 14
#define CTC_PLANES_CHANNELS 8
#else
#define CTC_PLANES_CHANNELS 4
#endif

/* f(0) … f(7): once a channel of the largest tile. */
#define CTC_PLANES_EACH(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7)

/* How a unit's inputs and weights are walked over and where its results go, in elements. */
typedef struct {
  ctc_dim in, x_plane;              /* the reduction: input channels, */
  ctc_dim kh, x_kh;                 /* rows of the kernel, */
  ctc_dim kw, x_kw;                 /* columns of the kernel */
  ctc_dim channels, channel;        /* of the results: how many, the first one */
  ctc_dim y_plane;
  float *y;
  ctc_epilogue epilogue;
  const float *const *operands;
} ctc_planes_walk;

/* One vector of results, `count` of them. */
static inline CTC_INLINE void ctc_planes_put(const ctc_planes_walk *walk, ctc_v value, ctc_dim at,
                                             ctc_dim channel, int count) {
  if (walk->epilogue) value = walk->epilogue(value, walk->operands, at, channel, count);
  ctc_v_store_n(walk->y + at, value, count);
}

#define CTC_PLANES_BEGIN(i) ctc_v a##i = ctc_v_set(0), b##i = a##i, c##i = a##i, d##i = a##i;

/* One input of each pixel, times the weight of channel i. */
#define CTC_PLANES_ADD(i)                      \
  if ((i) < channels) {                        \
    const ctc_v v = ctc_v_set(w[i]);           \
    a##i += u0 * v;                            \
    if (vectors > 1) b##i += u1 * v;           \
    if (vectors > 2) c##i += u2 * v;           \
    if (vectors > 3) d##i += u3 * v;           \
  }

/* The results of channel i. */
#define CTC_PLANES_END(i)                                                                  \
  if ((i) < channels) {                                                                    \
    const ctc_dim to = at + (e + (i)) * walk->y_plane, c = walk->channel + e + (i);        \
    ctc_planes_put(walk, a##i, to, c, vectors > 1 ? CTC_LANES : last);                     \
    if (vectors > 1)                                                                       \
      ctc_planes_put(walk, b##i, to + CTC_LANES, c, vectors > 2 ? CTC_LANES : last);       \
    if (vectors > 2)                                                                       \
      ctc_planes_put(walk, c##i, to + 2 * CTC_LANES, c, vectors > 3 ? CTC_LANES : last);   \
    if (vectors > 3) ctc_planes_put(walk, d##i, to + 3 * CTC_LANES, c, last);              \
  }

/* Channels e … e + channels of `vectors` vectors of pixels, `last` pixels in the last one. x: what
 * the first tap of the first pixel reads; w: the weights, `width` a step; at: where the first
 * pixel's first channel goes. */
static inline CTC_INLINE void ctc_planes_tile(const ctc_planes_walk *walk, const float *x,
                                              const float *w, ctc_dim width, ctc_dim at, ctc_dim e,
                                              ctc_dim channels, ctc_dim vectors, int last) {
  CTC_PLANES_EACH(CTC_PLANES_BEGIN)
  for (ctc_dim i = 0; i < walk->in; i++) {
    for (ctc_dim kh = 0; kh < walk->kh; kh++) {
      const float *from = x + (i * walk->x_plane + kh * walk->x_kh);
      for (ctc_dim kw = 0; kw < walk->kw; kw++, from += walk->x_kw, w += width) {
#define CTC_PLANES_LOAD(v)                                                   \
  (v) >= vectors ? u0                                                        \
                 : ctc_v_load_n(from + (v)*CTC_LANES,                        \
                                (v) + 1 < vectors ? CTC_LANES : last)
        const ctc_v u0 = ctc_v_load_n(from, vectors > 1 ? CTC_LANES : last);
        const ctc_v u1 = CTC_PLANES_LOAD(1), u2 = CTC_PLANES_LOAD(2), u3 = CTC_PLANES_LOAD(3);
        CTC_PLANES_EACH(CTC_PLANES_ADD)
      }
    }
  }
  CTC_PLANES_EACH(CTC_PLANES_END)
}

/* A row of `columns` pixels: tiles of up to `most` vectors. */
static inline CTC_INLINE void ctc_planes_row(const ctc_planes_walk *walk, const float *x,
                                             const float *w, ctc_dim width, ctc_dim at, ctc_dim e,
                                             ctc_dim channels, ctc_dim columns, ctc_dim most) {
  const ctc_dim size = most * CTC_LANES, rest = columns % size, whole = columns - rest;
  for (ctc_dim i = 0; i < whole; i += size)
    ctc_planes_tile(walk, x + i, w, width, at + i, e, channels, most, CTC_LANES);
  if (rest > 0)
    ctc_planes_tile(walk, x + whole, w, width, at + whole, e, channels,
                    (rest - 1) / CTC_LANES + 1, (int)((rest - 1) % CTC_LANES) + 1);
}

/* Vectors of pixels that fill the registers, with so many channels. */
static inline CTC_INLINE ctc_dim ctc_planes_vectors(ctc_dim channels) {
  if (2 * channels <= CTC_PLANES_CHANNELS) return 4;
  return CTC_PLANES_CHANNELS == 8 ? 3 : 2;
}

/* All channels of a row of pixels. */
static inline CTC_INLINE void ctc_planes_channels(const ctc_planes_walk *walk, const float *x,
                                                  const float *w, ctc_dim at, ctc_dim columns) {
  const ctc_dim most = CTC_PLANES_CHANNELS, steps = walk->in * walk->kh * walk->kw;
  const ctc_dim rest = walk->channels % most, whole = walk->channels - rest;
  const ctc_dim blocks = walk->channels / CTC_PLANES_BLOCK * CTC_PLANES_BLOCK;
  for (ctc_dim e = 0; e < whole; e += most) {
    const ctc_dim block = e / CTC_PLANES_BLOCK * CTC_PLANES_BLOCK;
    const ctc_dim width = block < blocks ? CTC_PLANES_BLOCK : walk->channels - blocks;
    ctc_planes_row(walk, x, w + block * steps + (e - block), width, at, e, most, columns,
                   ctc_planes_vectors(most));
  }
  if (rest)
    ctc_planes_row(walk, x, w + blocks * steps + (whole - blocks), walk->channels - blocks, at,
                   whole, rest, columns, ctc_planes_vectors(rest));
}

/* x [n][groups * in][x_plane], y [n][groups * out][oh][ow]; in and out channels of a group. x: what
 * tap (0, 0) of output (0, 0) reads. The columns' stride is 1. Units: n * groups * oh. */
static CTC_KERNEL void ctc_conv_planes_f32(const float *x, const float *w, float *y,
                                           ctc_epilogue epilogue, const float *const *operands,
                                           ctc_dim groups, ctc_dim in, ctc_dim out, ctc_dim oh,
                                           ctc_dim ow, ctc_dim kh, ctc_dim kw, ctc_dim stride,
                                           ctc_dim dh, ctc_dim dw, ctc_dim x_plane, ctc_dim x_row,
                                           ctc_dim first, ctc_dim last) {
  ctc_planes_walk walk = {in, x_plane, kh, dh * x_row, kw,       dw,
                          out, 0,      oh * ow, y,     epilogue, operands};
  for (ctc_dim unit = first; unit < last; unit++) {
    const ctc_dim row = unit % oh, planes = unit / oh, g = planes % groups;
    walk.channel = g * out;
    ctc_planes_channels(&walk, x + (planes * in * x_plane + row * stride * x_row),
                        w + g * out * in * kh * kw, planes * out * walk.y_plane + row * ow, ow);
  }
}

/* Weights for ctc_conv_planes: w [groups][out][steps] to [groups][out, by eight][steps][up to eight
 * channels]; steps = in * kh * kw. */
static void ctc_pack_conv_planes_f32(const float *w, float *packed, ctc_dim groups, ctc_dim out,
                                     ctc_dim steps) {
  for (ctc_dim g = 0; g < groups; g++, packed += out * steps) {
    for (ctc_dim e = 0; e < out; e++, w += steps) {
      const ctc_dim block = e / CTC_PLANES_BLOCK * CTC_PLANES_BLOCK;
      const ctc_dim width = ctc_min_dim(CTC_PLANES_BLOCK, out - block);
      for (ctc_dim s = 0; s < steps; s++)
        packed[block * steps + s * width + (e - block)] = w[s];
    }
  }
}
