/* integer.cu: products and convolutions of bytes (runtime/quantize.c, runtime/conv.c).
 *
 * A warp has a tile of 32 rows and 32 columns, a lane 8 x 4 of its results; the warps of a block
 * share the depth of a tile, 32 at a time, or have tiles of their own where there is little depth.
 * Four neighbours of the depth are one word for __dp4a. Unsigned bytes become signed ones first,
 * minus 128, as do their zero points:
 *
 *   sum of (a - za) (b - zb) = sum of a b - za * sum of b - zb * sum of a + depth * za * zb */

enum {
  CTC_INTEGER_TILE = 32, /* rows and columns of a tile, depth of a step */
  CTC_INTEGER_WARPS = 8,
  CTC_INTEGER_PITCH = 12, /* words from row to row of the staged left factor */
  CTC_INTEGER_STAGE = CTC_INTEGER_TILE * CTC_INTEGER_PITCH + 8 * CTC_INTEGER_TILE,
  CTC_INTEGER_ROOM = CTC_INTEGER_WARPS * CTC_INTEGER_TILE * CTC_INTEGER_TILE
};

/* Warps that share a tile. */
CTC_BOTH int ctc_integer_parts(ctc_dim depth) {
  return depth > 7 * CTC_INTEGER_TILE   ? 8
         : depth > 3 * CTC_INTEGER_TILE ? 4
         : depth > CTC_INTEGER_TILE     ? 2
                                        : 1;
}

/* Blocks for a matrix: tiles of rows times groups of tiles of columns. */
CTC_BOTH ctc_dim ctc_integer_grid(ctc_dim rows, ctc_dim columns, ctc_dim depth) {
  const ctc_dim width = CTC_INTEGER_WARPS / ctc_integer_parts(depth) * CTC_INTEGER_TILE;
  return (rows + CTC_INTEGER_TILE - 1) / CTC_INTEGER_TILE * ((columns + width - 1) / width);
}

/* 0x80 for bytes that are to lose 128. */
#define CTC_INTEGER_FLIP_u8 0x80
#define CTC_INTEGER_FLIP_i8 0

/* Four bytes as a word, those from `left` on 0. */
//$ for t in u8 i8
CTC_DEVICE int ctc_integer_word_$t(const $T *p, ctc_dim step, ctc_dim left) {
  unsigned word = 0;
#pragma unroll
  for (int i = 0; i < 4; i++)
    if (i < left) word |= ((unsigned)(uint8_t)p[i * step] ^ CTC_INTEGER_FLIP_$t) << (8 * i);
  return (int)word;
}
//$ end

/* The left factor: rows of `depth` bytes, one behind the other, and their zero points (null: 0). */
//$ for t in u8 i8
struct ctc_integer_rows_$t {
  const $T *a, *zeros;
  ctc_dim rows, depth, zero_step;
  __device__ int word(ctc_dim row, ctc_dim k) const {
    const $T *at = a + row * depth + k;
    if (row >= rows || k >= depth) return 0;
    if (depth % 4 == 0 && (size_t)a % 4 == 0)
      return (int)(*(const unsigned *)at ^ CTC_INTEGER_FLIP_$t * 0x01010101u);
    return ctc_integer_word_$t(at, 1, depth - k);
  }
  __device__ int zero(ctc_dim row) const {
    return (zeros && row < rows ? (int)zeros[row * zero_step] : 0) - CTC_INTEGER_FLIP_$t;
  }
};
//$ end

/* to[column] = byte `column` of each of the four rows, as words. */
CTC_DEVICE int4 ctc_integer_turn(const unsigned *row) {
  const unsigned low = __byte_perm(row[0], row[1], 0x5140),
                 high = __byte_perm(row[0], row[1], 0x7362);
  const unsigned low2 = __byte_perm(row[2], row[3], 0x5140);
  const unsigned high2 = __byte_perm(row[2], row[3], 0x7362);
  const int4 to = {(int)__byte_perm(low, low2, 0x5410), (int)__byte_perm(low, low2, 0x7632),
                   (int)__byte_perm(high, high2, 0x5410), (int)__byte_perm(high, high2, 0x7632)};
  return to;
}

/* The right factor: a matrix with `columns` bytes a row. `take` puts 32 rows of 32 columns to
 * to[quad][column]. */
//$ for t in u8 i8
struct ctc_integer_columns_$t {
  const $T *b, *zeros;
  ctc_dim columns, depth, zero_step;
  __device__ void take(int *to, ctc_dim column, ctc_dim k) const {
    const int lane = (int)threadIdx.x % 32;
    if (columns % 4 == 0 && (size_t)b % 4 == 0) {
#pragma unroll
      for (int i = 0; i < 8; i += 4)
        *(int4 *)(to + (i + lane / 8) * CTC_INTEGER_TILE + lane % 8 * 4) =
            square(column + lane % 8 * 4, k + (i + lane / 8) * 4);
    } else {
#pragma unroll
      for (int i = 0; i < 8; i++) to[i * CTC_INTEGER_TILE + lane] = word(k + i * 4, column + lane);
    }
  }
  __device__ int4 square(ctc_dim column, ctc_dim k) const {
    unsigned row[4];
#pragma unroll
    for (int i = 0; i < 4; i++)
      row[i] = column < columns && k + i < depth
                   ? *(const unsigned *)(b + (k + i) * columns + column) ^
                         CTC_INTEGER_FLIP_$t * 0x01010101u
                   : 0;
    return ctc_integer_turn(row);
  }
  __device__ int word(ctc_dim k, ctc_dim column) const {
    if (column >= columns || k >= depth) return 0;
    return ctc_integer_word_$t(b + k * columns + column, columns, depth - k);
  }
  __device__ int zero(ctc_dim column) const {
    return (zeros && column < columns ? (int)zeros[column * zero_step] : 0) - CTC_INTEGER_FLIP_$t;
  }
};
//$ end

/* The right factor of a convolution: column p is what the window of output pixel p sees; padding
 * has the level `zeros`[0] (null: 0). */
//$ for t in u8 i8
struct ctc_integer_windows_$t {
  const $T *x, *zeros;
  const ctc_dim *in, *out, *kernel, *stride, *dilation, *pad;
  ctc_dim depth;
  __device__ void take(int *to, ctc_dim column, ctc_dim k) const {
    const int lane = (int)threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < 8; i++) to[i * CTC_INTEGER_TILE + lane] = word(k + i * 4, column + lane);
  }
  __device__ int word(ctc_dim k, ctc_dim pixel) const {
    const ctc_dim rest = k / kernel[2] / kernel[1], level = zeros ? zeros[0] : 0;
    const ctc_dim left = pixel % out[2] * stride[2] - pad[2];
    const ctc_dim top = pixel / out[2] % out[1] * stride[1] - pad[1];
    const ctc_dim front = pixel / (out[2] * out[1]) * stride[0] - pad[0];
    ctc_dim kw = k % kernel[2], kh = k / kernel[2] % kernel[1], kd = rest % kernel[0];
    ctc_dim c = rest / kernel[0];
    unsigned word = 0;
    if (pixel >= out[0] * out[1] * out[2]) return 0;
#pragma unroll
    for (int i = 0; i < 4 && k + i < depth; i++) {
      const ctc_dim w = left + kw * dilation[2], h = top + kh * dilation[1];
      const ctc_dim d = front + kd * dilation[0];
      const bool inside = d >= 0 && d < in[0] && h >= 0 && h < in[1] && w >= 0 && w < in[2];
      const ctc_dim byte = inside ? x[((c * in[0] + d) * in[1] + h) * in[2] + w] : level;
      word |= (((unsigned)byte & 0xff) ^ CTC_INTEGER_FLIP_$t) << (8 * i);
      if (++kw < kernel[2]) continue;
      kw = 0;
      if (++kh < kernel[1]) continue;
      kh = 0;
      if (++kd < kernel[0]) continue;
      kd = 0;
      c++;
    }
    return (int)word;
  }
  __device__ int zero(ctc_dim pixel) const {
    (void)pixel;
    return (zeros ? (int)zeros[0] : 0) - CTC_INTEGER_FLIP_$t;
  }
  /* Whether the windows are the pixels themselves. */
  __device__ bool plain(void) const {
    bool plain = true;
    for (int i = 0; i < 3; i++) plain = plain && kernel[i] == 1 && stride[i] == 1 && pad[i] == 0;
    return plain;
  }
};
//$ end

/* 32 rows and columns of both factors from depth k on, as words: left[row][quad],
 * right[quad][column]; a warp. */
template <class Left, class Right>
CTC_DEVICE void ctc_integer_take(const Left &left, const Right &right, int *stage, ctc_dim row,
                                 ctc_dim column, ctc_dim k) {
  const int lane = (int)threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < CTC_INTEGER_TILE; i += 4)
    stage[(i + lane / 8) * CTC_INTEGER_PITCH + lane % 8] =
        left.word(row + i + lane / 8, k + lane % 8 * 4);
  right.take(stage + CTC_INTEGER_TILE * CTC_INTEGER_PITCH, column, k);
}

/* acc += the product of what is staged; a_sum and b_sum: of the rows and columns. */
CTC_DEVICE void ctc_integer_add(const int *stage, int (*acc)[4], int *a_sum, int *b_sum) {
  const int lane = (int)threadIdx.x % 32, ones = 0x01010101;
  const int *rows = stage + lane / 8 * 8 * CTC_INTEGER_PITCH;
  const int *columns = stage + CTC_INTEGER_TILE * CTC_INTEGER_PITCH + lane % 8 * 4;
#pragma unroll
  for (int half = 0; half < 8; half += 4) {
    int4 b[4];
#pragma unroll
    for (int q = 0; q < 4; q++) {
      b[q] = *(const int4 *)(columns + (half + q) * CTC_INTEGER_TILE);
      b_sum[0] = __dp4a(b[q].x, ones, b_sum[0]);
      b_sum[1] = __dp4a(b[q].y, ones, b_sum[1]);
      b_sum[2] = __dp4a(b[q].z, ones, b_sum[2]);
      b_sum[3] = __dp4a(b[q].w, ones, b_sum[3]);
    }
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const int4 four = *(const int4 *)(rows + i * CTC_INTEGER_PITCH + half);
      const int a[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
      for (int q = 0; q < 4; q++) {
        acc[i][0] = __dp4a(a[q], b[q].x, acc[i][0]);
        acc[i][1] = __dp4a(a[q], b[q].y, acc[i][1]);
        acc[i][2] = __dp4a(a[q], b[q].z, acc[i][2]);
        acc[i][3] = __dp4a(a[q], b[q].w, acc[i][3]);
        a_sum[i] = __dp4a(a[q], ones, a_sum[i]);
      }
    }
  }
}

/* put(row, column, sum) for the block's part of the product; `block`: its number among those of
 * ctc_integer_grid. room: CTC_INTEGER_ROOM numbers in shared memory. Sums may wrap around, as in C.
 */
template <class Left, class Right, class Put>
CTC_DEVICE void ctc_integer_product_of(const Left &left, const Right &right, const Put &put,
                                       int4 *room, ctc_dim columns, ctc_dim block) {
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  const int parts = ctc_integer_parts(left.depth), tiles = CTC_INTEGER_WARPS / parts;
  const ctc_dim width = tiles * CTC_INTEGER_TILE, across = (columns + width - 1) / width;
  const ctc_dim row = block / across * CTC_INTEGER_TILE, first = block % across * width;
  const ctc_dim column = first + warp / parts * CTC_INTEGER_TILE;
  int *stage = (int *)room + warp * CTC_INTEGER_STAGE, *sums = (int *)room;
  int acc[8][4] = {{0}}, a_sum[8] = {0}, b_sum[4] = {0}, depth = 0;
  for (ctc_dim k = warp % parts * CTC_INTEGER_TILE; k < left.depth; k += parts * CTC_INTEGER_TILE) {
    __syncwarp();
    ctc_integer_take(left, right, stage, row, column, k);
    __syncwarp();
    ctc_integer_add(stage, acc, a_sum, b_sum);
    depth += left.depth - k < CTC_INTEGER_TILE ? (int)(left.depth - k) : CTC_INTEGER_TILE;
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const int at = lane / 8 * 8 + i, a_zero = left.zero(row + at);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const int b_zero = right.zero(column + lane % 8 * 4 + j);
      const unsigned both = (unsigned)acc[i][j] - (unsigned)a_zero * (unsigned)b_sum[j] -
                            (unsigned)b_zero * (unsigned)a_sum[i] +
                            (unsigned)(depth * a_zero) * (unsigned)b_zero;
      sums[(warp * CTC_INTEGER_TILE + at) * CTC_INTEGER_TILE + lane % 8 * 4 + j] = (int)both;
    }
  }
  __syncthreads();
  const int size = CTC_INTEGER_TILE * CTC_INTEGER_TILE;
  for (int at = (int)threadIdx.x; at < tiles * size; at += 32 * CTC_INTEGER_WARPS) {
    const int i = at % size / CTC_INTEGER_TILE,
              j = at / size * CTC_INTEGER_TILE + at % CTC_INTEGER_TILE;
    unsigned sum = 0;
    for (int part = 0; part < parts; part++)
      sum += (unsigned)sums[(at / size * parts + part) * size + at % size];
    if (row + i < left.rows && first + j < columns) put(row + i, first + j, (int)sum);
  }
}

/* Stores sums of a matrix with `columns` a row. */
struct ctc_integer_put_sum {
  int32_t *y;
  ctc_dim columns;
  __device__ void operator()(ctc_dim row, ctc_dim column, int sum) const {
    y[row * columns + column] = sum;
  }
};

//$ for t in u8 i8
//$ for u in u8 i8
static ctc_dim ctc_matmul_integer_$t_$u_blocks(ctc_dim m, ctc_dim n, ctc_dim k, ctc_dim rank,
                                               const ctc_dim *batch) {
  ctc_dim blocks = ctc_integer_grid(m, n, k);
  for (ctc_dim d = 0; d < rank; d++) blocks *= batch[d];
  return blocks;
}
//$ end
//$ end

/* A block a group of tiles of one of the products. */
//$ for t in u8 i8
//$ for u in u8 i8
CTC_DEVICE void ctc_matmul_integer_$t_$u(const $T *a, const $U *b, const $T *a_zero,
                                         const $U *b_zero, int32_t *y, ctc_dim m, ctc_dim n,
                                         ctc_dim k, ctc_dim a_step, ctc_dim b_step, ctc_dim rank,
                                         const ctc_dim *batch, const ctc_dim *a_batch,
                                         const ctc_dim *b_batch, const ctc_dim *a_zero_batch,
                                         const ctc_dim *b_zero_batch) {
  __shared__ int4 room[CTC_INTEGER_ROOM / 4];
  const ctc_dim grid = ctc_integer_grid(m, n, k), product = (ctc_dim)blockIdx.x / grid;
  const $T *left_zero = a_zero ? a_zero + ctc_place_of(product, rank, batch, a_zero_batch) : a_zero;
  const $U *right_zero = b_zero ? b_zero + ctc_place_of(product, rank, batch, b_zero_batch) : b_zero;
  const ctc_integer_rows_$t left = {a + ctc_place_of(product, rank, batch, a_batch), left_zero, m, k,
                                    a_step};
  const ctc_integer_columns_$u right = {b + ctc_place_of(product, rank, batch, b_batch), right_zero,
                                        n, k, b_step};
  const ctc_integer_put_sum put = {y + product * m * n, n};
  ctc_integer_product_of(left, right, put, room, n, (ctc_dim)blockIdx.x % grid);
}
//$ end
//$ end

/* --- convolutions: the weights of a group times the windows of an image --- */

/* From this many output channels of a group on a tile's rows are worth it; with fewer a thread has
 * a result. */
enum { CTC_INTEGER_CHANNELS = 5 };

/* Product of the sizes of three axes. */
CTC_BOTH ctc_dim ctc_integer_volume(const ctc_dim *size) {
  return size[0] * size[1] * size[2];
}

CTC_BOTH ctc_dim ctc_integer_conv_grid(ctc_dim oc, ctc_dim ic, const ctc_dim *out,
                                       const ctc_dim *kernel) {
  const ctc_dim pixels = ctc_integer_volume(out);
  if (oc < CTC_INTEGER_CHANNELS) return (oc * pixels + 255) / 256;
  return ctc_integer_grid(oc, pixels, ic * ctc_integer_volume(kernel));
}

//$ for t in u8 i8
//$ for u in u8 i8
static ctc_dim ctc_conv_integer_$t_$u_blocks(ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc,
                                             const ctc_dim *out, const ctc_dim *kernel) {
  return n * groups * ctc_integer_conv_grid(oc, ic, out, kernel);
}
//$ end
//$ end

//$ for t in u8 i8
//$ for u in u8 i8
static ctc_dim ctc_qlinear_conv_$t_$u_blocks(ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc,
                                             const ctc_dim *out, const ctc_dim *kernel) {
  return n * groups * ctc_integer_conv_grid(oc, ic, out, kernel);
}
//$ end
//$ end

/* put(channel, pixel, sum) for the block's part of a group of an image; x and w are that group's.
 */
//$ for t in u8 i8
//$ for u in u8 i8
template <class Put>
CTC_DEVICE void ctc_integer_convolve_$t_$u(const ctc_integer_windows_$t &x,
                                           const ctc_integer_rows_$u &w, const Put &put,
                                           ctc_dim block) {
  __shared__ int4 room[CTC_INTEGER_ROOM / 4];
  const ctc_integer_columns_$t matrix = {x.x, x.zeros, ctc_integer_volume(x.out), x.depth, 0};
  const ctc_dim pixels = ctc_integer_volume(x.out), at = block * 256 + (ctc_dim)threadIdx.x;
  const ctc_dim channel = at / pixels, pixel = at % pixels;
  int sum = 0, w_sum = 0, x_sum = 0;
  if (w.rows >= CTC_INTEGER_CHANNELS && x.plain()) {
    ctc_integer_product_of(w, matrix, put, room, pixels, block);
    return;
  }
  if (w.rows >= CTC_INTEGER_CHANNELS) {
    ctc_integer_product_of(w, x, put, room, pixels, block);
    return;
  }
  if (channel >= w.rows) return;
  for (ctc_dim k = 0; k < w.depth; k += 4) {
    const int left = w.word(channel, k), right = x.word(k, pixel);
    sum = __dp4a(left, right, sum);
    w_sum = __dp4a(left, 0x01010101, w_sum);
    x_sum = __dp4a(right, 0x01010101, x_sum);
  }
  const unsigned w_zero = (unsigned)w.zero(channel), x_zero = (unsigned)x.zero(pixel);
  put(channel, pixel,
      (int)((unsigned)sum - w_zero * (unsigned)x_sum - x_zero * (unsigned)w_sum +
            (unsigned)w.depth * w_zero * x_zero));
}
//$ end
//$ end

/* The weights of the group whose first output channel this is. */
//$ for u in u8 i8
CTC_DEVICE ctc_integer_rows_$u ctc_integer_group_$u(const $U *w, const $U *zero, ctc_dim zeros,
                                                    ctc_dim channel, ctc_dim oc, ctc_dim depth) {
  const ctc_integer_rows_$u rows = {w + channel * depth, zero && zeros > 1 ? zero + channel : zero,
                                    oc, depth, zeros > 1};
  return rows;
}
//$ end

/* ConvInteger. */
//$ for t in u8 i8
//$ for u in u8 i8
CTC_DEVICE void ctc_conv_integer_$t_$u(const $T *x, const $U *w, const $T *x_zero, const $U *w_zero,
                                       int32_t *y, ctc_dim n, ctc_dim groups, ctc_dim ic,
                                       ctc_dim oc, ctc_dim w_zeros, const ctc_dim *in,
                                       const ctc_dim *out, const ctc_dim *kernel,
                                       const ctc_dim *stride, const ctc_dim *dilation,
                                       const ctc_dim *pad) {
  const ctc_dim grid = ctc_integer_conv_grid(oc, ic, out, kernel);
  const ctc_dim image = (ctc_dim)blockIdx.x / grid, channel = image % groups * oc;
  const ctc_dim depth = ic * ctc_integer_volume(kernel), pixels = ctc_integer_volume(out);
  const ctc_integer_windows_$t windows = {x + image * ic * ctc_integer_volume(in),
                                          x_zero,
                                          in,
                                          out,
                                          kernel,
                                          stride,
                                          dilation,
                                          pad,
                                          depth};
  const ctc_integer_rows_$u rows = ctc_integer_group_$u(w, w_zero, w_zeros, channel, oc, depth);
  const ctc_integer_put_sum put = {y + image * oc * pixels, pixels};
  (void)n;
  ctc_integer_convolve_$t_$u(windows, rows, put, (ctc_dim)blockIdx.x % grid);
}
//$ end
//$ end

/* Stores the levels of sums: pointers begin at the group's first channel. */
//$ for t in u8 i8
struct ctc_integer_put_level_$t {
  $T *y;
  const int32_t *bias;
  const float *x_scale, *w_scale, *y_scale;
  const $T *zero;
  ctc_dim pixels, scale_step;
  __device__ void operator()(ctc_dim channel, ctc_dim pixel, int sum) const {
    const float scale = x_scale[0] * w_scale[channel * scale_step] / y_scale[0];
    const float level = rintf((float)(sum + (bias ? bias[channel] : 0)) * scale);
    y[channel * pixels + pixel] = ctc_saturate_f32_$t(level + (zero ? (float)zero[0] : 0.0f));
  }
};
//$ end

/* QLinearConv; `row` is not used. */
//$ for t in u8 i8
//$ for u in u8 i8
CTC_DEVICE void ctc_qlinear_conv_$t_$u(const $T *x, const $U *w, const int32_t *bias,
                                       const float *x_scale, const $T *x_zero, const float *w_scale,
                                       const $U *w_zero, const float *y_scale, const $T *y_zero,
                                       int32_t *row, $T *y, ctc_dim n, ctc_dim groups, ctc_dim ic,
                                       ctc_dim oc, ctc_dim w_scales, ctc_dim w_zeros,
                                       const ctc_dim *in, const ctc_dim *out, const ctc_dim *kernel,
                                       const ctc_dim *stride, const ctc_dim *dilation,
                                       const ctc_dim *pad) {
  const ctc_dim grid = ctc_integer_conv_grid(oc, ic, out, kernel);
  const ctc_dim image = (ctc_dim)blockIdx.x / grid, channel = image % groups * oc;
  const ctc_dim depth = ic * ctc_integer_volume(kernel), pixels = ctc_integer_volume(out);
  const ctc_integer_windows_$t windows = {x + image * ic * ctc_integer_volume(in),
                                          x_zero,
                                          in,
                                          out,
                                          kernel,
                                          stride,
                                          dilation,
                                          pad,
                                          depth};
  const ctc_integer_rows_$u rows = ctc_integer_group_$u(w, w_zero, w_zeros, channel, oc, depth);
  const ctc_integer_put_level_$t put = {y + image * oc * pixels,
                                        bias ? bias + channel : bias,
                                        x_scale,
                                        w_scales > 1 ? w_scale + channel : w_scale,
                                        y_scale,
                                        y_zero,
                                        pixels,
                                        w_scales > 1};
  (void)n, (void)row;
  ctc_integer_convolve_$t_$u(windows, rows, put, (ctc_dim)blockIdx.x % grid);
}
//$ end
//$ end
