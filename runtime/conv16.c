/* conv16.c: direct convolutions of f32 on blocked tensors, for every kernel, stride and dilation.
 *
 * A blocked tensor is [n][channels / 16][rows][columns][16 channels] with zeros around the rows and
 * columns, so that no tap has to be checked. Weights are packed to [output channels / 16][input
 * channels / 16][kernel][16 inputs][16 outputs], with zeros up to whole blocks.
 *
 * All kernels of this file walk over tiles of the output: up to CTC_TILE pixels times two vectors of
 * output channels. A tile stays in registers while the whole reduction passes (each step: two
 * vectors of weights times one number a pixel), goes through the epilogue and is stored once. The
 * weights of a tile are one or two streams from front to back; they are brought into the cache ahead
 * of their use.
 *
 * Units of work: the output channels go by pairs of blocks, the rows by groups. What a unit computes
 * does not depend on which other units run. */

/* Floats between the weights in use and those that are brought into the cache. */
#define CTC_CONV_AHEAD 1024

/* Blocks of weights of fewer floats than this are fetched before the unit that uses them. */
#define CTC_CONV_EARLY 49152

/* Products that are added up before their sum joins the others. */
#define CTC_CONV_SUM 256

/* Pixels whose sums stay in the cache while all weights pass once. */
#define CTC_CONV_FEW 256

/* Weights of more floats than this are fetched ahead for a lone pixel: from a cache the hardware
 * brings them faster by itself. */
#define CTC_CONV_CACHED 2097152

/* f(0) … f(13): once a pixel of the largest tile. */
#define CTC_CONV_PIXELS(f)                                                                        \
  f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13)

/* How inputs and weights are walked over and where results go. Steps are counted in elements. */
typedef struct {
  ctc_dim outer, x_outer;    /* the reduction: blocks of input channels, */
  ctc_dim kh, x_kh;          /* rows of the kernel, */
  ctc_dim kw, x_kw;          /* columns of the kernel, */
  ctc_dim inner, inner_last; /* neighbouring elements; in the last block of channels */
  ctc_dim x_pixel, x_line;   /* from an output pixel to its neighbours */
  ctc_dim y_pixel, y_line;
  ctc_dim w_vector, y_vector; /* from the first vector of a tile to the second */
  ctc_dim channels;           /* channels from here on are padding; */
  ctc_dim rest;               /* how many the last pair of blocks has, 0: 32 */
  ctc_dim next;               /* to the weights of the next unit, 0 if they are not fetched early */
  ctc_dim tiles;              /* done so far */
  ctc_dim first, last;        /* the blocks of input channels that are passed now */
  ctc_dim pixels, all_pixels; /* done so far, of how many; */
  float *sums;                /* their sums, if they are kept: [pixel][2 * CTC_LANES] */
  float *y;
  ctc_epilogue epilogue;
  ctc_epilogue_row epilogue_row;
  const float *const *operands;
} ctc_conv_walk;

/* How many of the vector of channels from `channel` on are no padding. */
static inline CTC_INLINE int ctc_conv_count(const ctc_conv_walk *walk, ctc_dim channel) {
  ctc_dim rest = walk->channels - channel;
  return walk->channels % 16 == 0 || rest >= CTC_LANES ? CTC_LANES : (int)rest;
}

/* One vector of results to element `at`. */
static inline CTC_INLINE void ctc_conv_put(const ctc_conv_walk *walk, ctc_v value, ctc_dim at,
                                           ctc_dim channel) {
  const int count = ctc_conv_count(walk, channel);
  if (walk->epilogue) value = walk->epilogue(value, walk->operands, at, channel, count);
  ctc_v_store(walk->y + at, value);
}

/* What is left to do with the results of a tile that have been stored, for one of its vectors of
 * channels: n pixels in rows of `columns`. */
static inline CTC_INLINE void ctc_conv_finish(const ctc_conv_walk *walk, ctc_dim at,
                                              ctc_dim channel, ctc_dim n, ctc_dim columns) {
  const int count = ctc_conv_count(walk, channel);
  for (ctc_dim i = 0; i < n; i += columns, at += walk->y_line)
    walk->epilogue_row(walk->y, walk->operands, at, channel, count, walk->y_pixel, columns);
}

/* Pixel i of a tile: o is where its input lies. */
#define CTC_CONV_BEGIN(i)                                                                         \
  ctc_v p##i = ctc_v_set(0), q##i = p##i;                                                         \
  ctc_half h##i = ctc_half_set(0);                                                                \
  const ctc_dim o##i = n > (i) ? (i) / columns * walk->x_line + (i) % columns * walk->x_pixel : 0;

/* One input of each pixel, times the weights a and b, of which the last may be a half. */
#define CTC_CONV_ADD(i)                                                                           \
  if ((i) < CTC_TILE && n > (i)) {                                                                \
    const float v = from[o##i];                                                                   \
    if (halves > 1) p##i += a * v;                                                                \
    if (halves > 3) q##i += b * v;                                                                \
    if (halves % 2) h##i += half * v;                                                             \
  }

#define CTC_CONV_END(i)                                                                           \
  if ((i) < CTC_TILE && n > (i)) {                                                                \
    const ctc_dim to = at + (i) / columns * walk->y_line + (i) % columns * walk->y_pixel;         \
    const float *sum = sums + 2 * (i) * CTC_LANES;                                                \
    ctc_conv_put(walk, ctc_v_load(sum), to, channel);                                             \
    if (halves > 2)                                                                               \
      ctc_conv_put(walk, ctc_v_load(sum + CTC_LANES), to + walk->y_vector, channel + CTC_LANES);  \
  }

/* The sums of a pixel join those of the blocks before, in memory; those of pixels that the tile does
 * not have are zeros, so that C compilers see that all of it is written. */
#define CTC_CONV_JOIN(i)                                                                          \
  if ((i) < CTC_TILE && (!walk->sums || n > (i))) {                                               \
    float *sum = sums + 2 * (i) * CTC_LANES;                                                      \
    if (halves == 1) p##i = ctc_half_widen(h##i);                                                 \
    if (halves == 3) q##i = ctc_half_widen(h##i);                                                 \
    ctc_v_store(sum, done > 0 ? ctc_v_load(sum) + p##i : p##i);                                   \
    if (halves > 2) sum += CTC_LANES;                                                             \
    if (halves > 2) ctc_v_store(sum, done > 0 ? ctc_v_load(sum) + q##i : q##i);                  \
  }

/* Blocks of input channels after which the sums are set aside: rounding errors of a sum grow with
 * its length, so they are about CTC_CONV_SUM products long. */
static CTC_KERNEL ctc_dim ctc_conv_part(const ctc_conv_walk *walk) {
  const ctc_dim taps = walk->kh * walk->kw * walk->inner;
  return taps > 0 && taps < CTC_CONV_SUM ? CTC_CONV_SUM / taps : 1;
}

/* How far before their use the weights of a stream are fetched. The first tile fetches its own; the
 * next two fetch those of the next unit, if the cache has room: memory is slower than one tile. */
static inline CTC_INLINE ctc_dim ctc_conv_ahead(const ctc_conv_walk *walk, int stream) {
  const ctc_dim own = stream * walk->w_vector + CTC_CONV_AHEAD;
  if (CTC_LANES < 16) return walk->next && walk->tiles == 1 ? walk->next : own;
  return walk->next && (walk->tiles == 1 + stream)
             ? walk->next + stream * walk->w_vector : own;
}

/* Weights to fetch while the sums are kept: each tile its share of the next blocks' weights, so that
 * memory delivers all the time. */
typedef struct {
  ctc_dim from, step; /* floats from the weights of the tile on; in each step of the reduction */
} ctc_conv_share;

static inline CTC_INLINE ctc_conv_share ctc_conv_fetch_share(const ctc_conv_walk *walk, ctc_dim n) {
  const ctc_dim taps = (walk->last - walk->first) * walk->kh * walk->kw * walk->inner;
  ctc_conv_share share;
  share.step = (16 * n + walk->all_pixels - 1) / walk->all_pixels;
  share.from = taps * 16 + taps * 16 * walk->pixels / walk->all_pixels;
  return share;
}

/* n <= CTC_TILE pixels in rows of `columns`, times `halves` (1 to 4) halves of a vector of output
 * channels. x: what the first tap of the first pixel reads; w: its weights; `at`: where its result goes. */
static inline CTC_INLINE void ctc_conv_tile(ctc_conv_walk *walk, const float *x, const float *w,
                                            ctc_dim at, ctc_dim channel, ctc_dim n, ctc_dim columns,
                                            int halves) {
  const ctc_dim ahead = ctc_conv_ahead(walk, 0), ahead2 = ctc_conv_ahead(walk, 1);
  const ctc_dim part = ctc_conv_part(walk);
  const ctc_conv_share share = ctc_conv_fetch_share(walk, n);
  float own[2 * CTC_TILE * CTC_LANES];
  float *sums = walk->sums ? walk->sums + walk->pixels * 2 * CTC_LANES : own;
  const float *fetched = w + share.from;
  ctc_dim done = walk->first;
  do {
    CTC_CONV_PIXELS(CTC_CONV_BEGIN)
    const ctc_dim end = done + part < walk->last ? done + part : walk->last;
    for (ctc_dim outer = done; outer < end; outer++) {
      const ctc_dim inner = outer + 1 < walk->outer ? walk->inner : walk->inner_last;
      for (ctc_dim kh = 0; kh < walk->kh; kh++) {
        for (ctc_dim kw = 0; kw < walk->kw; kw++) {
          const float *from = x + (outer * walk->x_outer + kh * walk->x_kh + kw * walk->x_kw);
          const float *soon = outer + 1 < walk->outer ? from + walk->x_outer : from;
          for (ctc_dim k = 0; k < inner; k++, from++, w += 16, soon += walk->x_pixel) {
            if (walk->inner == 16 && !walk->sums) CTC_PREFETCH(soon);
            CTC_PREFETCH(walk->sums ? fetched : w + ahead);
            if (CTC_LANES == 16 && halves > 2)
              CTC_PREFETCH(walk->sums ? fetched + walk->w_vector : w + ahead2);
            fetched += share.step;
            const ctc_v a = ctc_v_load(w);
            const ctc_v b = halves > 2 ? ctc_v_load(w + walk->w_vector) : a;
            const ctc_half half = ctc_half_load(halves > 2 ? w + walk->w_vector : w);
            CTC_CONV_PIXELS(CTC_CONV_ADD)
          }
          w += (walk->inner - inner) * 16;
        }
      }
    }
    CTC_CONV_PIXELS(CTC_CONV_JOIN)
    if (part < walk->outer && !walk->sums) CTC_IN_MEMORY(own);
    done += part;
  } while (done < walk->last);
  walk->tiles++;
  walk->pixels += n;
  if (walk->last < walk->outer) return;
  CTC_CONV_PIXELS(CTC_CONV_END)
  if (walk->epilogue_row) {
    ctc_conv_finish(walk, at, channel, n, columns);
    if (halves > 2)
      ctc_conv_finish(walk, at + walk->y_vector, channel + CTC_LANES, n, columns);
  }
}

/* Tiles of `columns` columns down all `rows`. They take several rows where they are narrow, and
 * differ by at most one row: what is left after tiles of full size would keep the arithmetic units
 * idle. */
static inline CTC_INLINE void ctc_conv_column(ctc_conv_walk *walk, const float *x, const float *w,
                                              ctc_dim at, ctc_dim channel, ctc_dim rows,
                                              ctc_dim columns, int halves) {
  const ctc_dim most = columns < CTC_TILE ? CTC_TILE / columns : 1;
  const ctc_dim tiles = (rows + most - 1) / most;
  const ctc_dim size = rows / tiles, higher = rows % tiles;
  for (ctc_dim i = 0; i < higher; i++) {
    const ctc_dim r = i * (size + 1);
    ctc_conv_tile(walk, x + r * walk->x_line, w, at + r * walk->y_line, channel,
                  (size + 1) * columns, columns, halves);
  }
  for (ctc_dim i = higher; i < tiles; i++) {
    const ctc_dim r = i * size + higher;
    ctc_conv_tile(walk, x + r * walk->x_line, w, at + r * walk->y_line, channel, size * columns,
                  columns, halves);
  }
}

/* rows x columns pixels. The tiles' columns differ by at most one. Where there are few registers,
 * half as many columns and two rows may fill them better. */
static inline CTC_INLINE void ctc_conv_area(ctc_conv_walk *walk, const float *x, const float *w,
                                            ctc_dim at, ctc_dim channel, ctc_dim rows,
                                            ctc_dim columns, int halves) {
  const ctc_dim whole = (columns + CTC_TILE - 1) / CTC_TILE;
  const ctc_dim narrow = (columns + CTC_TILE / 2 - 1) / (CTC_TILE / 2);
  const ctc_dim tiles = CTC_TILE < 8 && rows > 1 && narrow < 2 * whole ? narrow : whole;
  const ctc_dim size = columns / tiles, wider = columns % tiles;
  for (ctc_dim i = 0; i < wider; i++) {
    const ctc_dim c = i * (size + 1);
    ctc_conv_column(walk, x + c * walk->x_pixel, w, at + c * walk->y_pixel, channel, rows, size + 1,
                    halves);
  }
  for (ctc_dim i = wider; i < tiles; i++) {
    const ctc_dim c = i * size + wider;
    ctc_conv_column(walk, x + c * walk->x_pixel, w, at + c * walk->y_pixel, channel, rows, size,
                    halves);
  }
}

/* As ctc_conv_area. The sums of few pixels are kept while the reduction passes in parts: the weights
 * of a part then stay in the first-level cache for all tiles. */
static inline CTC_INLINE void ctc_conv_parts(ctc_conv_walk *walk, const float *x, const float *w,
                                             ctc_dim at, ctc_dim channel, ctc_dim rows,
                                             ctc_dim columns, int halves) {
  float sums[CTC_CONV_FEW * 2 * CTC_LANES];
  const int keep = CTC_LANES < 16 && walk->inner == 16 && rows * columns <= CTC_CONV_FEW &&
                   rows * columns > CTC_TILE;
  const ctc_dim part = keep ? ctc_conv_part(walk) : walk->outer;
  const ctc_dim w_step = walk->kh * walk->kw * walk->inner * 16;
  walk->sums = keep ? sums : NULL;
  walk->all_pixels = rows * columns;
  walk->tiles = 0;
  walk->first = 0;
  do {
    walk->last = walk->outer - walk->first < part ? walk->outer : walk->first + part;
    walk->pixels = 0;
    ctc_conv_area(walk, x, w + walk->first * w_step, at, channel, rows, columns, halves);
    walk->first = walk->last;
  } while (walk->first < walk->outer);
}

#define CTC_CONV_EIGHT(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7)

/* Sum i of a pixel belongs to vector i % vectors and takes every depth-th step of a run. */
#define CTC_CONV_PIXEL_BEGIN(i) ctc_v p##i = ctc_v_set(0);

#define CTC_CONV_PIXEL_ADD(i)                                                                     \
  {                                                                                               \
    const ctc_dim c = (i) % vectors * CTC_LANES;                                                  \
    const float *at_w = w + ((i) / vectors * 16 + c / 16 * w_block + c % 16);                     \
    if (fetch && (i) * CTC_LANES % 16 == 0) CTC_PREFETCH(at_w + CTC_CONV_AHEAD);                  \
    p##i += ctc_v_load(at_w) * from[(i) / vectors];                                               \
  }

#define CTC_CONV_PIXEL_LAST(i) if (left > (i) / vectors) CTC_CONV_PIXEL_ADD(i)

#define CTC_CONV_PIXEL_JOIN(i)                                                                    \
  if ((i) < vectors) {                                                                            \
    float *sum = sums + (i) * CTC_LANES;                                                          \
    ctc_v_store(sum, done > 0 ? ctc_v_load(sum) + p##i : p##i);                                   \
  }

/* Whether the taps of a pixel are one run: the blocks of input channels follow each other. */
static inline CTC_INLINE int ctc_conv_is_run(const ctc_conv_walk *walk) {
  return walk->kh == 1 && walk->kw == 1 && walk->x_outer == walk->inner;
}

/* The sums of one pixel for `vectors` (a literal: 1, 2, 4 or 8) vectors of output channels. A lone
 * pixel has too few of them to keep the arithmetic units busy, so each is made of 8 / vectors, some
 * steps of a run of inputs side by side. Weights that no cache holds are fetched ahead (`fetch`). */
static inline CTC_INLINE void ctc_conv_pixel_sums(const ctc_conv_walk *walk, const float *x,
                                                  const float *w, ctc_dim w_block, float *sums,
                                                  int vectors, int fetch) {
  const int depth = 8 / vectors, run = ctc_conv_is_run(walk);
  const ctc_dim part = ctc_conv_part(walk) * depth;
  for (ctc_dim done = 0; done < walk->outer; done += part) {
    const ctc_dim end = walk->outer - done < part ? walk->outer : done + part;
    const ctc_dim blocks = run ? end - done : 1;
    CTC_CONV_EIGHT(CTC_CONV_PIXEL_BEGIN)
    for (ctc_dim outer = done; outer < end; outer += blocks) {
      const ctc_dim padding = outer + blocks < walk->outer ? 0 : walk->inner - walk->inner_last;
      for (ctc_dim kh = 0; kh < walk->kh; kh++) {
        for (ctc_dim kw = 0; kw < walk->kw; kw++, w += padding * 16) {
          const float *from = x + (outer * walk->x_outer + kh * walk->x_kh + kw * walk->x_kw);
          ctc_dim left = blocks * walk->inner - padding;
          const float *end_w = w + left * 16;
          for (ctc_dim i = left / depth; i > 0; i--, from += depth, w += depth * 16) {
            CTC_CONV_EIGHT(CTC_CONV_PIXEL_ADD)
          }
          left %= depth;
          CTC_CONV_EIGHT(CTC_CONV_PIXEL_LAST)
          w = end_w;
        }
      }
    }
    if (vectors <= 4) p0 += p4, p1 += p5, p2 += p6, p3 += p7;
    if (vectors <= 2) p0 += p2, p1 += p3;
    if (vectors <= 1) p0 += p1;
    CTC_CONV_EIGHT(CTC_CONV_PIXEL_JOIN)
  }
}

/* One pixel, times up to 32 output channels: of the vectors of their blocks those are computed that
 * are not all padding. */
static inline CTC_INLINE void ctc_conv_pixel(const ctc_conv_walk *walk, const float *x,
                                             const float *w, ctc_dim at, ctc_dim channel,
                                             ctc_dim w_block, ctc_dim y_block) {
  const ctc_dim channels = walk->channels - channel;
  const int fetch = w_block * walk->channels > 16 * CTC_CONV_CACHED;
  float sums[32] = {0};
  if (channels <= CTC_LANES)
    ctc_conv_pixel_sums(walk, x, w, w_block, sums, 1, fetch);
  else if (CTC_LANES == 16 || channels <= 2 * CTC_LANES)
    ctc_conv_pixel_sums(walk, x, w, w_block, sums, 2, fetch);
  else if (CTC_LANES == 8 || channels <= 4 * CTC_LANES)
    ctc_conv_pixel_sums(walk, x, w, w_block, sums, 4, fetch);
  else
    ctc_conv_pixel_sums(walk, x, w, w_block, sums, 8, fetch);
  for (int c = 0; c < 32 && c / 16 * 16 < channels; c += CTC_LANES) {
    const ctc_dim to = at + c / 16 * y_block + c % 16;
    ctc_conv_put(walk, ctc_v_load(sums + c), to, channel + c);
    if (walk->epilogue_row) ctc_conv_finish(walk, to, channel + c, 1, 1);
  }
}

/* Halves of a vector for so many channels, less than four. Only half of 16 lanes is less work than
 * a vector. */
static CTC_KERNEL int ctc_conv_halves(ctc_dim channels) {
  const int halves = (int)((2 * channels + CTC_LANES - 1) / CTC_LANES);
  return CTC_LANES == 16 ? halves : (halves + 1) / 2 * 2;
}

/* As ctc_conv_area, for up to 32 output channels from `channel` on; y_block and w_block are the
 * steps from 16 channels to the next 16. Rows that follow each other without a gap are one. */
static inline CTC_INLINE void ctc_conv_channels(ctc_conv_walk *walk, const float *x, const float *w,
                                                ctc_dim at, ctc_dim channel, ctc_dim rows,
                                                ctc_dim columns, ctc_dim w_block, ctc_dim y_block) {
  const int whole = walk->x_line == columns * walk->x_pixel && walk->y_line == columns * walk->y_pixel;
  if (rows <= 0 || columns <= 0) return;
  if (whole) {
    columns *= rows;
    rows = 1;
  }
  if (CTC_LANES > 1 && rows * columns == 1 && (walk->inner == 16 || ctc_conv_is_run(walk))) {
    ctc_conv_pixel(walk, x, w, at, channel, w_block, y_block);
    return;
  }
  const ctc_dim odd = walk->rest % (2 * CTC_LANES);
  walk->next = w_block < CTC_CONV_EARLY ? 2 * w_block : 0;
  walk->w_vector = CTC_LANES == 16 ? w_block : CTC_LANES;
  walk->y_vector = CTC_LANES == 16 ? y_block : CTC_LANES;
  for (int c = 0; c < 32 && channel + c < walk->channels; c += 2 * CTC_LANES) {
    const float *from = w + (c / 16 * w_block + c % 16);
    const ctc_dim to = at + c / 16 * y_block + c % 16;
    if (odd == 0 || channel + c + 2 * CTC_LANES <= walk->channels)
      ctc_conv_parts(walk, x, from, to, channel + c, rows, columns, 4);
    else
      ctc_conv_parts(walk, x, from, to, channel + c, rows, columns, ctc_conv_halves(odd));
  }
}

/* The `rows` rows from row r of `height` on, fewer at the end: how many is a literal either way if
 * the height is one. */
static inline CTC_INLINE void ctc_conv_rows(ctc_conv_walk *walk, const float *x, const float *w,
                                            ctc_dim at, ctc_dim channel, ctc_dim height,
                                            ctc_dim rows, ctc_dim r, ctc_dim columns,
                                            ctc_dim w_block, ctc_dim y_block) {
  if (height % rows == 0 || r + rows <= height)
    ctc_conv_channels(walk, x, w, at, channel, rows, columns, w_block, y_block);
  else
    ctc_conv_channels(walk, x, w, at, channel, height % rows, columns, w_block, y_block);
}

/* Which part of the output a unit is: image, pair of blocks, group of rows. */
typedef struct {
  ctc_dim image, pair, group;
} ctc_conv_unit;

/* Groups of rows are next to each other, so that the weights of a pair stay in the cache. Of images
 * and pairs the outer ones are those that have more to load. */
static inline CTC_INLINE ctc_conv_unit ctc_conv_find_unit(ctc_dim unit, ctc_dim n, ctc_dim pairs,
                                                          ctc_dim groups, int pairs_outer) {
  ctc_conv_unit at;
  at.group = unit % groups;
  unit /= groups;
  at.pair = pairs_outer ? unit / n : unit % pairs;
  at.image = pairs_outer ? unit % n : unit / pairs;
  return at;
}

static inline CTC_INLINE ctc_dim ctc_conv_blocks(ctc_dim channels) { return (channels + 15) / 16; }

/* Whether the last 33 to 40 output channels are shared by two units as 16 and the others: up to eight
 * channels alone need a load for each multiplication. */
static inline CTC_INLINE int ctc_conv_shares(ctc_dim out_channels) {
  return out_channels > 32 && out_channels % 32 > 0 && out_channels % 32 <= 8;
}

/* Blocked to blocked. in_channels and out_channels are those of one of `groups` (whole blocks, if
 * there is more than one). x: the input that tap (0, 0) of output (0, 0) reads. Units: n * groups *
 * ceil(out_channels / 32) * ceil(oh / rows). */
static CTC_KERNEL void ctc_conv16_f32(const float *x, const float *w, float *y,
                                      ctc_epilogue epilogue, ctc_epilogue_row epilogue_row,
                                      const float *const *operands, ctc_dim n, ctc_dim groups, ctc_dim in_channels,
                                      ctc_dim out_channels, ctc_dim oh, ctc_dim ow, ctc_dim kh,
                                      ctc_dim kw, ctc_dim sh, ctc_dim sw, ctc_dim dh, ctc_dim dw,
                                      ctc_dim rows, ctc_dim x_image, ctc_dim x_block,
                                      ctc_dim x_row, ctc_dim y_image, ctc_dim y_block,
                                      ctc_dim y_row, ctc_dim first, ctc_dim last) {
  const ctc_dim in_blocks = ctc_conv_blocks(in_channels), out_blocks = ctc_conv_blocks(out_channels);
  const ctc_dim pairs = (out_blocks + 1) / 2, w_block = in_blocks * kh * kw * 256;
  const ctc_dim row_groups = (oh + rows - 1) / rows;
  const int pairs_outer = w_block * out_blocks > in_blocks * x_block;
  const int shares = ctc_conv_shares(out_channels);
  for (ctc_dim unit = first; unit < last; unit++) {
    const ctc_conv_unit u = ctc_conv_find_unit(unit, n, pairs * groups, row_groups, pairs_outer);
    const ctc_dim g = u.pair / pairs, left = pairs - 1 - u.pair % pairs;
    const ctc_dim block = g * out_blocks + u.pair % pairs * 2 - (shares && left == 0);
    const ctc_dim r = u.group * rows;
    ctc_conv_walk walk;
    walk.outer = in_blocks;
    walk.x_outer = x_block;
    walk.kh = kh;
    walk.x_kh = dh * x_row;
    walk.kw = kw;
    walk.x_kw = dw * 16;
    walk.inner = 16;
    walk.inner_last = in_channels - (in_blocks - 1) * 16;
    walk.x_pixel = sw * 16;
    walk.x_line = sh * x_row;
    walk.y_pixel = 16;
    walk.y_line = y_row;
    walk.channels = (g + 1) * out_channels;
    walk.rest = out_channels % 32 + shares * 16;
    walk.y = y;
    walk.epilogue = epilogue;
    walk.epilogue_row = epilogue_row;
    walk.operands = operands;
    const float *from = x + (u.image * x_image + g * in_blocks * x_block + r * walk.x_line);
    const ctc_dim at = u.image * y_image + block * y_block + r * y_row;
    if (shares && left == 1) {
      walk.rest = 16;
      walk.channels = block * 16 + 16;
      ctc_conv_rows(&walk, from, w + block * w_block, at, block * 16, oh, rows, r, ow, w_block,
                    y_block);
    } else {
      ctc_conv_rows(&walk, from, w + block * w_block, at, block * 16, oh, rows, r, ow, w_block,
                    y_block);
    }
  }
}

/* Weights for ctc_conv16: w [groups * out][in][taps], out and in channels of a group, to
 * [out / 16][in / 16][taps][16 in][16 out]. `merged` neighbouring groups become one, with zeros
 * where an output does not see an input: so groups that are smaller than a block get whole blocks.
 */
static void ctc_pack_conv16_f32(const float *w, float *packed, ctc_dim groups, ctc_dim out,
                                ctc_dim in, ctc_dim taps, ctc_dim merged) {
  const ctc_dim all_out = merged * out, all_in = merged * in;
  const ctc_dim out_blocks = ctc_conv_blocks(all_out), in_blocks = ctc_conv_blocks(all_in);
  memset(packed, 0,
         (size_t)(groups / merged * out_blocks * in_blocks * taps) * 256 * sizeof *packed);
  for (ctc_dim g = 0; g < groups; g++) {
    for (ctc_dim o = 0; o < out; o++) {
      const ctc_dim to = g % merged * out + o, block = g / merged * out_blocks + to / 16;
      for (ctc_dim i = 0; i < in; i++, w += taps) {
        const ctc_dim from = g % merged * in + i;
        float *p = packed + (block * in_blocks + from / 16) * taps * 256;
        for (ctc_dim t = 0; t < taps; t++) p[t * 256 + from % 16 * 16 + to % 16] = w[t];
      }
    }
  }
}

/* Row-major to blocked, for inputs of few channels: x [n][in_channels][rows][columns], weights
 * [out_channels / 16][in_channels][kh][kw][16]. x: the input that tap (0, 0) of output (0, 0) reads.
 * Units: n * ceil(out_channels / 32) * ceil(oh / rows). */
static CTC_KERNEL void ctc_conv_stem_f32(const float *x, const float *w, float *y,
                                         ctc_epilogue epilogue, ctc_epilogue_row epilogue_row,
                                         const float *const *operands, ctc_dim n, ctc_dim in_channels, ctc_dim out_channels,
                                         ctc_dim oh, ctc_dim ow, ctc_dim kh, ctc_dim kw, ctc_dim sh,
                                         ctc_dim sw, ctc_dim dh, ctc_dim dw, ctc_dim rows,
                                         ctc_dim x_image, ctc_dim x_channel, ctc_dim x_row,
                                         ctc_dim y_image, ctc_dim y_block, ctc_dim y_row,
                                         ctc_dim first, ctc_dim last) {
  const ctc_dim pairs = (ctc_conv_blocks(out_channels) + 1) / 2;
  const ctc_dim w_block = in_channels * kh * kw * 16, row_groups = (oh + rows - 1) / rows;
  for (ctc_dim unit = first; unit < last; unit++) {
    const ctc_conv_unit u = ctc_conv_find_unit(unit, n, pairs, row_groups, 0);
    const ctc_dim block = u.pair * 2;
    const ctc_dim r = u.group * rows;
    ctc_conv_walk walk;
    walk.outer = in_channels;
    walk.x_outer = x_channel;
    walk.kh = kh;
    walk.x_kh = dh * x_row;
    walk.kw = dw == 1 ? 1 : kw;
    walk.x_kw = dw;
    walk.inner = walk.inner_last = dw == 1 ? kw : 1;
    walk.x_pixel = sw;
    walk.x_line = sh * x_row;
    walk.y_pixel = 16;
    walk.y_line = y_row;
    walk.channels = out_channels;
    walk.rest = out_channels % 32;
    walk.y = y;
    walk.epilogue = epilogue;
    walk.epilogue_row = epilogue_row;
    walk.operands = operands;
    ctc_conv_rows(&walk, x + (u.image * x_image + r * walk.x_line), w + block * w_block,
                  u.image * y_image + block * y_block + r * y_row, block * 16, oh, rows, r, ow,
                  w_block, y_block);
  }
}

/* Weights for ctc_conv_stem: w [out][taps] to [out / 16][taps][16]; taps = in_channels * kh * kw. */
static void ctc_pack_conv_stem_f32(const float *w, float *packed, ctc_dim out, ctc_dim taps) {
  memset(packed, 0, (size_t)(ctc_conv_blocks(out) * taps) * 16 * sizeof *packed);
  for (ctc_dim o = 0; o < out; o++)
    for (ctc_dim t = 0; t < taps; t++) packed[(o / 16 * taps + t) * 16 + o % 16] = w[o * taps + t];
}

/* Copies planes of h x w to planes of padded_h x padded_w, `top` rows and `left` columns from their
 * start, with zeros around. Units: planes * padded_h. */
static CTC_KERNEL void ctc_pad_planes_f32(const float *x, float *y, ctc_dim h, ctc_dim w,
                                          ctc_dim top, ctc_dim left, ctc_dim padded_h,
                                          ctc_dim padded_w, ctc_dim first, ctc_dim last) {
  for (ctc_dim unit = first; unit < last; unit++) {
    const ctc_dim plane = unit / padded_h, row = unit % padded_h - top;
    float *to = y + unit * padded_w;
    if (row < 0 || row >= h) {
      memset(to, 0, (size_t)padded_w * sizeof *to);
      continue;
    }
    for (ctc_dim i = 0; i < left; i++) to[i] = 0;
    memcpy(to + left, x + (plane * h + row) * w, (size_t)w * sizeof *to);
    for (ctc_dim i = left + w; i < padded_w; i++) to[i] = 0;
  }
}

/* The outputs of a transposed convolution whose index is `phase` modulo the stride: they read the
 * taps first, first + every, … (`count` of them); tap number k of these reads the input `shift` -
 * k * step from the output's own number in the phase. */
typedef struct {
  ctc_dim first, every, count, shift, step;
} ctc_conv_phase;

static inline CTC_INLINE ctc_conv_phase ctc_conv_find_phase(ctc_dim phase, ctc_dim kernel,
                                                            ctc_dim stride, ctc_dim dilation,
                                                            ctc_dim pad) {
  ctc_conv_phase p;
  p.every = 1;
  while (p.every * dilation % stride != 0) p.every++;
  p.step = p.every * dilation / stride;
  p.first = 0;
  while (p.first < p.every && (phase + pad - p.first * dilation) % stride != 0) p.first++;
  p.count = p.first < p.every && p.first < kernel ? (kernel - 1 - p.first) / p.every + 1 : 0;
  p.shift = (phase + pad - p.first * dilation) / stride;
  return p;
}

/* Taps that belong to the phases before this one. */
static inline CTC_INLINE ctc_dim ctc_conv_taps_before(ctc_dim phase, ctc_dim kernel, ctc_dim stride,
                                                      ctc_dim dilation, ctc_dim pad) {
  ctc_dim taps = 0;
  for (ctc_dim i = 0; i < phase; i++)
    taps += ctc_conv_find_phase(i, kernel, stride, dilation, pad).count;
  return taps;
}

/* The transposed convolution, blocked to blocked: each output y[o] is the sum of x[i] * w[k] with
 * o + pad = i * stride + k * dilation. The outputs of a phase (see above) are a plain convolution of
 * stride 1 that is stored with gaps. Channels and groups as for ctc_conv16; x: the input (0, 0).
 * Units: n * groups * ceil(out_channels / 32) * sh * sw. */
static CTC_KERNEL void ctc_conv_transpose16_f32(
    const float *x, const float *w, float *y, ctc_epilogue epilogue, ctc_epilogue_row epilogue_row,
    const float *const *operands, ctc_dim n, ctc_dim groups, ctc_dim in_channels, ctc_dim out_channels, ctc_dim oh, ctc_dim ow,
    ctc_dim kh, ctc_dim kw, ctc_dim sh, ctc_dim sw, ctc_dim dh, ctc_dim dw, ctc_dim pad_h,
    ctc_dim pad_w, ctc_dim x_image, ctc_dim x_block, ctc_dim x_row, ctc_dim y_image,
    ctc_dim y_block, ctc_dim y_row, ctc_dim first, ctc_dim last) {
  const ctc_dim in_blocks = ctc_conv_blocks(in_channels), out_blocks = ctc_conv_blocks(out_channels);
  const ctc_dim pairs = (out_blocks + 1) / 2;
  for (ctc_dim unit = first; unit < last; unit++) {
    const ctc_conv_unit u = ctc_conv_find_unit(unit, n, pairs * groups, sh * sw, 1);
    const ctc_dim g = u.pair / pairs, block = g * out_blocks + u.pair % pairs * 2;
    const ctc_dim a = u.group / sw, b = u.group % sw;
    const ctc_conv_phase v = ctc_conv_find_phase(a, kh, sh, dh, pad_h);
    const ctc_conv_phase h = ctc_conv_find_phase(b, kw, sw, dw, pad_w);
    const ctc_dim before = ctc_conv_taps_before(a, kh, sh, dh, pad_h) * kw +
                           ctc_conv_taps_before(b, kw, sw, dw, pad_w) * v.count;
    const ctc_dim w_block = in_blocks * v.count * h.count * 256;
    ctc_conv_walk walk;
    walk.outer = in_blocks;
    walk.x_outer = x_block;
    walk.kh = v.count;
    walk.x_kh = -v.step * x_row;
    walk.kw = h.count;
    walk.x_kw = -h.step * 16;
    walk.inner = 16;
    walk.inner_last = in_channels - (in_blocks - 1) * 16;
    walk.x_pixel = 16;
    walk.x_line = x_row;
    walk.y_pixel = sw * 16;
    walk.y_line = sh * y_row;
    walk.channels = (g + 1) * out_channels;
    walk.rest = out_channels % 32;
    walk.y = y;
    walk.epilogue = epilogue;
    walk.epilogue_row = epilogue_row;
    walk.operands = operands;
    ctc_conv_channels(
        &walk, x + (u.image * x_image + g * in_blocks * x_block + v.shift * x_row + h.shift * 16),
        w + (before * groups * out_blocks * in_blocks * 256 + block * w_block),
        u.image * y_image + block * y_block + a * y_row + b * 16, block * 16,
        oh % sh == 0 ? oh / sh : (oh - a + sh - 1) / sh,
        ow % sw == 0 ? ow / sw : (ow - b + sw - 1) / sw, w_block, y_block);
  }
}

/* One tap of the weights below: from a group's [in][out][taps] at `w` to the tap's place in the first
 * of its blocks, behind `from` input and `to` output channels; `block` is the step from one block to
 * the next, of which there are in_blocks in a row. */
static inline void ctc_pack_tap_f32(const float *w, float *packed, ctc_dim out, ctc_dim in,
                                    ctc_dim taps, ctc_dim from, ctc_dim to, ctc_dim in_blocks,
                                    ctc_dim block) {
  for (ctc_dim i = from; i < from + in; i++)
    for (ctc_dim o = to; o < to + out; o++, w += taps)
      packed[(o / 16 * in_blocks + i / 16) * block + i % 16 * 16 + o % 16] = *w;
}

/* Weights for ctc_conv_transpose16: w [groups * in][out][kh][kw] to [phases][out / 16][in / 16]
 * [taps of the phase][16 in][16 out], with groups merged as by ctc_pack_conv16. */
static void ctc_pack_conv_transpose16_f32(const float *w, float *packed, ctc_dim groups,
                                          ctc_dim out, ctc_dim in, ctc_dim merged, ctc_dim kh,
                                          ctc_dim kw, ctc_dim sh, ctc_dim sw, ctc_dim dh,
                                          ctc_dim dw, ctc_dim pad_h, ctc_dim pad_w) {
  const ctc_dim in_blocks = ctc_conv_blocks(merged * in);
  const ctc_dim blocks = ctc_conv_blocks(merged * out) * in_blocks;
  memset(packed, 0, (size_t)(groups / merged * blocks * kh * kw) * 256 * sizeof *packed);
  for (ctc_dim phase = 0; phase < sh * sw; phase++) {
    const ctc_conv_phase v = ctc_conv_find_phase(phase / sw, kh, sh, dh, pad_h);
    const ctc_conv_phase h = ctc_conv_find_phase(phase % sw, kw, sw, dw, pad_w);
    const ctc_dim count = v.count * h.count;
    for (ctc_dim g = 0; g < groups; g++) {
      for (ctc_dim t = 0; t < count; t++) {
        const ctc_dim a = v.first + t / h.count * v.every, b = h.first + t % h.count * h.every;
        ctc_pack_tap_f32(w + g * in * out * kh * kw + a * kw + b,
                         packed + (g / merged * blocks * count + t) * 256, out, in, kh * kw,
                         g % merged * in, g % merged * out, in_blocks, count * 256);
      }
    }
    packed += groups / merged * blocks * count * 256;
  }
}
