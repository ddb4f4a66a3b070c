/* conv.cu: convolutions over up to three spatial axes on the device: layouts and parameters as in
 * runtime/conv.c.
 *
 * Convolutions of f32 are products of matrices: rows are output channels of a group, columns are
 * pixels (positions of all images), and the depth runs over the input channels and taps. The
 * columns are gathered on their way into shared memory (tiles: product.cu). What has few output
 * channels is summed directly, some pixels of some channels a thread. Of a transposed convolution,
 * the output positions with the same remainder modulo the strides are one such product: they share
 * their taps. f64 has a thread per result. */

/* Results of a block of 256 threads, one each. */
CTC_BOTH ctc_dim ctc_conv_results(ctc_dim n, ctc_dim groups, ctc_dim oc, const ctc_dim *out) {
  return n * groups * oc * out[0] * out[1] * out[2];
}

/* The result number `unit` of a convolution. */
template <class T>
CTC_DEVICE T ctc_conv_sum(const T *x, const T *w, const T *bias, ctc_dim unit, ctc_dim groups,
                          ctc_dim ic, ctc_dim oc, const ctc_dim *in, const ctc_dim *out,
                          const ctc_dim *kernel, const ctc_dim *stride, const ctc_dim *dilation,
                          const ctc_dim *pad) {
  const ctc_dim w0 = unit % out[2] * stride[2] - pad[2], row = unit / out[2];
  const ctc_dim h0 = row % out[1] * stride[1] - pad[1];
  const ctc_dim d0 = row / out[1] % out[0] * stride[0] - pad[0], plane = row / out[1] / out[0];
  const ctc_dim image = plane / oc, channel = image % groups * oc + plane % oc;
  const T *weight = w + channel * ic * kernel[0] * kernel[1] * kernel[2];
  const T *from = x + image * ic * in[0] * in[1] * in[2];
  T sum = bias ? bias[channel] : T(0);
  for (ctc_dim c = 0; c < ic; c++)
    for (ctc_dim kd = 0; kd < kernel[0]; kd++)
      for (ctc_dim kh = 0; kh < kernel[1]; kh++)
        for (ctc_dim kw = 0; kw < kernel[2]; kw++, weight++) {
          const ctc_dim d = d0 + kd * dilation[0], h = h0 + kh * dilation[1];
          const ctc_dim at = w0 + kw * dilation[2];
          if (d < 0 || d >= in[0] || h < 0 || h >= in[1] || at < 0 || at >= in[2]) continue;
          sum += *weight * from[((c * in[0] + d) * in[1] + h) * in[2] + at];
        }
  return sum;
}

/* The input position that output position `at` reads through tap k of a transposed convolution; -1
 * if there is none. */
CTC_DEVICE ctc_dim ctc_conv_source(ctc_dim at, ctc_dim k, ctc_dim in, ctc_dim stride,
                                   ctc_dim dilation, ctc_dim pad) {
  const ctc_dim from = at + pad - k * dilation;
  return from < 0 || from % stride != 0 || from / stride >= in ? -1 : from / stride;
}

/* The result number `unit` of a transposed convolution. */
template <class T>
CTC_DEVICE T ctc_conv_transpose_sum(const T *x, const T *w, const T *bias, ctc_dim unit,
                                    ctc_dim groups, ctc_dim ic, ctc_dim oc, const ctc_dim *in,
                                    const ctc_dim *out, const ctc_dim *kernel,
                                    const ctc_dim *stride, const ctc_dim *dilation,
                                    const ctc_dim *pad) {
  const ctc_dim ow = unit % out[2], row = unit / out[2], oh = row % out[1];
  const ctc_dim od = row / out[1] % out[0], plane = row / out[1] / out[0];
  const ctc_dim image = plane / oc, group = image % groups, o = plane % oc;
  const ctc_dim in_size = in[0] * in[1] * in[2], volume = kernel[0] * kernel[1] * kernel[2];
  T sum = bias ? bias[group * oc + o] : T(0);
  for (ctc_dim k = 0; k < volume; k++) {
    const ctc_dim kd = k / kernel[2] / kernel[1], kh = k / kernel[2] % kernel[1],
                  kw = k % kernel[2];
    const ctc_dim d = ctc_conv_source(od, kd, in[0], stride[0], dilation[0], pad[0]);
    const ctc_dim h = ctc_conv_source(oh, kh, in[1], stride[1], dilation[1], pad[1]);
    const ctc_dim at = ctc_conv_source(ow, kw, in[2], stride[2], dilation[2], pad[2]);
    if (d < 0 || h < 0 || at < 0) continue;
    const T *from = x + image * ic * in_size + (d * in[1] + h) * in[2] + at;
    const T *weight = w + (group * ic * oc + o) * volume + k;
    for (ctc_dim c = 0; c < ic; c++) sum += weight[c * oc * volume] * from[c * in_size];
  }
  return sum;
}

/* How a convolution is done: as a product of matrices that lie in memory (of all images with one
 * output position each, or image by image), as one of gathered pixels, or directly. */
enum { CTC_CONV_WHOLE, CTC_CONV_POINTS, CTC_CONV_GATHER, CTC_CONV_DIRECT };

/* Elements of three axes. */
CTC_BOTH ctc_dim ctc_volume(const ctc_dim *size) {
  return size[0] * size[1] * size[2];
}

/* Pixels of a row that a thread of a direct convolution has: 4 or 1. */
CTC_BOTH int ctc_direct_pixels(ctc_dim n, ctc_dim groups, ctc_dim oc, const ctc_dim *out) {
  const ctc_dim units = n * groups * oc * out[0] * out[1] * ((out[2] + 3) / 4);
  return out[2] >= 4 && units >= CTC_PROCESSORS * 256 ? 4 : 1;
}

/* Output channels that it has. */
CTC_BOTH int ctc_direct_channels(ctc_dim oc) {
  return oc % 4 == 0 ? 4 : oc % 2 == 0 ? 2 : 1;
}

/* Threads of a direct convolution. */
CTC_BOTH ctc_dim ctc_direct_units(ctc_dim n, ctc_dim groups, ctc_dim oc, const ctc_dim *out) {
  const int channels = ctc_direct_channels(oc),
            pixels = ctc_direct_pixels(n, groups, oc / channels, out);
  return n * groups * (oc / channels) * out[0] * out[1] * ((out[2] + pixels - 1) / pixels);
}

/* The kind of a convolution, CTC_CONV_… */
CTC_BOTH int ctc_conv_kind(ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc, const ctc_dim *in,
                           const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                           const ctc_dim *pad) {
  const ctc_dim taps = ctc_volume(kernel), pixels = ctc_volume(out);
  int whole = 1, points = 1;
  for (int d = 0; d < 3; d++) {
    whole = whole && out[d] == 1 && in[d] == kernel[d] && pad[d] == 0;
    points = points && kernel[d] == 1 && stride[d] == 1 && pad[d] == 0 && in[d] == out[d];
  }
  if (whole && oc > 1) return CTC_CONV_WHOLE;
  if (groups > 1 && oc <= 8) return CTC_CONV_DIRECT;
  if (points && (n == 1 || pixels >= 128)) return CTC_CONV_POINTS;
  if (oc <= CTC_FEW &&
      (ic * taps <= 64 || ctc_direct_units(n, groups, oc, out) >= CTC_PROCESSORS * 128))
    return CTC_CONV_DIRECT;
  return CTC_CONV_GATHER;
}

/* Columns of the products of a convolution of that kind. */
CTC_BOTH ctc_dim ctc_conv_columns(int kind, ctc_dim n, const ctc_dim *out) {
  return kind == CTC_CONV_POINTS ? ctc_volume(out) : n * ctc_volume(out);
}

/* Products of a convolution of that kind. */
CTC_BOTH ctc_dim ctc_conv_products(int kind, ctc_dim n, ctc_dim groups) {
  return kind == CTC_CONV_POINTS ? n * groups : groups;
}

/* The form of these products. */
CTC_BOTH int ctc_conv_form(int kind, ctc_dim oc, ctc_dim columns, ctc_dim products) {
  return kind == CTC_CONV_GATHER ? ctc_tile_form(oc, columns, products)
                                 : ctc_product_form(oc, columns, products);
}

/* Blocks of one of these products. */
CTC_BOTH ctc_dim ctc_conv_blocks(int kind, ctc_dim oc, ctc_dim depth, ctc_dim columns,
                                 ctc_dim products) {
  const int form = ctc_conv_form(kind, oc, columns, products);
  if (form == CTC_FEW_ROWS)
    return ctc_few_blocks(columns, depth, kind == CTC_CONV_WHOLE ? 1 : columns, products);
  if (form == CTC_FEW_COLUMNS) return ctc_few_blocks(oc, depth, 1, products);
  return ctc_tiles(oc, columns, 1, ctc_tile_rows(form), ctc_tile_columns(form));
}

/* Pixels as the columns of a tile. Position j of the output reads the input at j * step + first +
 * tap
 * * tap_step along each axis; what lies outside is zero. A thread has one column, of which it loads
 * four steps of the depth at a time. */
struct ctc_pixels {
  const float *from;
  ctc_dim in[3], taps[3], tap_step[3], at[3];

  __device__ __forceinline__ ctc_pixels(const float *x, ctc_dim image_size, ctc_dim images,
                                        const ctc_dim *size, const ctc_dim *out,
                                        const ctc_dim *kernel, const ctc_dim *step,
                                        const ctc_dim *first, const ctc_dim *next, ctc_dim column) {
    const ctc_dim row = column / out[2], plane = row / out[1];
    const ctc_dim image = images == 1 ? 0 : plane / out[0];
    const ctc_dim j[3] = {plane - image * out[0], row - plane * out[1], column - row * out[2]};
    from = x + image * image_size;
#pragma unroll
    for (int d = 0; d < 3; d++) {
      in[d] = size[d], taps[d] = kernel[d], tap_step[d] = next[d];
      at[d] = j[d] * step[d] + first[d];
    }
    if (column >= images * out[0] * out[1] * out[2]) at[0] = -(1 << 30);
  }

  template <int SIDE, int DEPTH>
  __device__ __forceinline__ void fetch(int four, ctc_dim start, ctc_dim depth, float *v) const {
    const ctc_dim first = start + four / SIDE * 4;
    const ctc_dim c = first / (taps[0] * taps[1] * taps[2]);
    const ctc_dim rest = first - c * (taps[0] * taps[1] * taps[2]);
    ctc_dim channel = c, kd = taps[0] == 1 ? 0 : rest / (taps[1] * taps[2]);
    ctc_dim kh = taps[1] == 1 ? 0 : rest / taps[2] % taps[1],
            kw = taps[2] == 1 ? 0 : rest % taps[2];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const ctc_dim d = at[0] + kd * tap_step[0], h = at[1] + kh * tap_step[1];
      const ctc_dim w = at[2] + kw * tap_step[2];
      const int inside = d >= 0 && d < in[0] && h >= 0 && h < in[1] && w >= 0 && w < in[2];
      v[i] = inside && first + i < depth ? from[((channel * in[0] + d) * in[1] + h) * in[2] + w]
                                         : 0.0f;
      if (++kw == taps[2]) kw = 0, kh++;
      if (kh == taps[1]) kh = 0, kd++;
      if (kd == taps[0]) kd = 0, channel++;
    }
  }

  __device__ __forceinline__ int is_lengthwise() const {
    return 1;
  }

  template <int SIDE, int DEPTH>
  __device__ __forceinline__ void place(int four, int *s, int *d) const {
    *s = four % SIDE, *d = four / SIDE * 4;
  }
};

/* This thread's results of a direct convolution, CHANNELS output channels x PIXELS of a row: unit
 * number `unit`. */
template <int CHANNELS, int PIXELS, class Epilogue>
CTC_DEVICE void ctc_conv_direct(const float *x, const float *w, const float *bias, float *y,
                                ctc_dim unit, ctc_dim groups, ctc_dim ic, ctc_dim oc,
                                const ctc_dim *in, const ctc_dim *out, const ctc_dim *kernel,
                                const ctc_dim *stride, const ctc_dim *dilation, const ctc_dim *pad,
                                const Epilogue &epilogue) {
  const ctc_dim wide = (out[2] + PIXELS - 1) / PIXELS, row = unit / wide, plane = row / out[1];
  const ctc_dim block = plane / out[0], image = block / (oc / CHANNELS);
  const ctc_dim column = (unit - row * wide) * PIXELS;
  const ctc_dim channel = image % groups * oc + block % (oc / CHANNELS) * CHANNELS;
  const ctc_dim d0 = plane % out[0] * stride[0] - pad[0], h0 = row % out[1] * stride[1] - pad[1];
  const ctc_dim w0 = column * stride[2] - pad[2], taps = ic * ctc_volume(kernel);
  float sum[CHANNELS][PIXELS];
#pragma unroll
  for (int o = 0; o < CHANNELS; o++)
#pragma unroll
    for (int i = 0; i < PIXELS; i++) sum[o][i] = bias ? bias[channel + o] : 0.0f;
  for (ctc_dim c = 0; c < ic; c++)
    for (ctc_dim kd = 0; kd < kernel[0]; kd++)
      for (ctc_dim kh = 0; kh < kernel[1]; kh++) {
        const ctc_dim d = d0 + kd * dilation[0], h = h0 + kh * dilation[1];
        if (d < 0 || d >= in[0] || h < 0 || h >= in[1]) continue;
        const float *from = x + (((image * ic + c) * in[0] + d) * in[1] + h) * in[2];
        const float *weight =
            w + channel * taps + ((c * kernel[0] + kd) * kernel[1] + kh) * kernel[2];
#pragma unroll
        for (ctc_dim kw = 0; kw < kernel[2]; kw++)
#pragma unroll
          for (int i = 0; i < PIXELS; i++) {
            const ctc_dim at = w0 + i * stride[2] + kw * dilation[2];
            const float v = at >= 0 && at < in[2] ? from[at] : 0.0f;
#pragma unroll
            for (int o = 0; o < CHANNELS; o++) sum[o][i] += weight[o * taps + kw] * v;
          }
      }
  const ctc_dim size = ctc_volume(out);
  const int vector = out[2] % 4 == 0 && ctc_is_aligned(y);
#pragma unroll
  for (int o = 0; o < CHANNELS; o++) {
    const ctc_dim at = (image * oc + block % (oc / CHANNELS) * CHANNELS + o) * size +
                       (row - block * out[0] * out[1]) * out[2] + column;
    ctc_tile_store(y, at, channel + o, 0, out[2] - column, sum[o], PIXELS, vector, epilogue);
  }
}

/* Forms of a convolution: its kind, and in which form that is done. */
enum { CTC_CONV_FORMS = 8 };

/* The form of a direct convolution, by what a thread has. */
CTC_BOTH int ctc_direct_form(int channels, int pixels) {
  return channels / 2 * 2 + pixels / 4;
}

/* The blocks of a direct convolution in the form `form`. */
template <int FORM, class Epilogue>
CTC_DEVICE void ctc_conv_direct_any(int form, const float *x, const float *w, const float *bias,
                                    float *y, ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc,
                                    const ctc_dim *in, const ctc_dim *out, const ctc_dim *kernel,
                                    const ctc_dim *stride, const ctc_dim *dilation,
                                    const ctc_dim *pad, const Epilogue &epilogue) {
  const ctc_dim unit = (ctc_dim)blockIdx.x * 256 + (ctc_dim)threadIdx.x;
  if (unit >= ctc_direct_units(n, groups, oc, out)) return;
    /* Known channels leave two of the forms, whether the row is known or not. */
#define CTC_DIRECT(high, wide)                                                                     \
  if (ctc_direct_channels(oc) == high) CTC_IF_FORM(FORM, form, ctc_direct_form(high, wide))        \
  ctc_conv_direct<high, wide>(x, w, bias, y, unit, groups, ic, oc, in, out, kernel, stride,        \
                              dilation, pad, epilogue);
  CTC_DIRECT(1, 1)
  CTC_DIRECT(2, 1)
  CTC_DIRECT(4, 1)
  CTC_DIRECT(1, 4)
  CTC_DIRECT(2, 4)
  CTC_DIRECT(4, 4)
#undef CTC_DIRECT
}

static ctc_dim ctc_conv_f32_blocks(ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc,
                                   const ctc_dim *in, const ctc_dim *out, const ctc_dim *kernel,
                                   const ctc_dim *stride, const ctc_dim *pad) {
  const int kind = ctc_conv_kind(n, groups, ic, oc, in, out, kernel, stride, pad);
  if (kind == CTC_CONV_DIRECT) return (ctc_direct_units(n, groups, oc, out) + 255) / 256;
  const ctc_dim products = ctc_conv_products(kind, n, groups);
  return products * ctc_conv_blocks(kind, oc, ic * ctc_volume(kernel),
                                    ctc_conv_columns(kind, n, out), products);
}

/* The kind * CTC_CONV_FORMS + the form of the products or of the direct convolution. */
CTC_BOTH int ctc_conv_f32_form(ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc, const ctc_dim *in,
                               const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                               const ctc_dim *pad) {
  const int kind = ctc_conv_kind(n, groups, ic, oc, in, out, kernel, stride, pad);
  const int channels = ctc_direct_channels(oc);
  const int form = kind == CTC_CONV_DIRECT
                       ? ctc_direct_form(channels, ctc_direct_pixels(n, groups, oc / channels, out))
                       : ctc_conv_form(kind, oc, ctc_conv_columns(kind, n, out),
                                       ctc_conv_products(kind, n, groups));
  return kind * CTC_CONV_FORMS + form;
}

/* A block of a convolution that is done as products, of the kind `kind` and in the form `form`. */
template <int KIND, int FORM, class Epilogue>
CTC_DEVICE void ctc_conv_products_any(int kind, int form, const float *x, const float *w,
                                      const float *bias, float *y, ctc_dim n, ctc_dim groups,
                                      ctc_dim ic, ctc_dim oc, const ctc_dim *in, const ctc_dim *out,
                                      const ctc_dim *kernel, const ctc_dim *stride,
                                      const ctc_dim *dilation, const ctc_dim *pad,
                                      const Epilogue &epilogue) {
  __shared__ float4 pool[CTC_TILE_SHARED / 4];
  float *shared = (float *)pool;
  const ctc_dim size = ctc_volume(out), depth = ic * ctc_volume(kernel);
  const ctc_dim columns = ctc_conv_columns(kind, n, out);
  const ctc_dim products = ctc_conv_products(kind, n, groups);
  const ctc_dim blocks = ctc_conv_blocks(kind, oc, depth, columns, products);
  const ctc_dim product = (ctc_dim)blockIdx.x / blocks, block = (ctc_dim)blockIdx.x % blocks;
  const ctc_dim group = product % groups, in_image = groups * ic * ctc_volume(in);
  x += product * ic * ctc_volume(in); /* of the first image, or the one at hand */
  w += group * oc * depth;
  /* Results of row o (a channel) and column j. */
  const auto store = [&](ctc_dim o, ctc_dim j, const float *v, int count) {
    const ctc_dim channel = group * oc + o, image_step = groups * oc * size;
    const int one_image = kind == CTC_CONV_POINTS || n == 1;
    if (o >= oc) return;
    const ctc_dim from = (product * oc + o) * size;
    const float start = bias ? bias[channel] : 0.0f;
    float sum[4];
#pragma unroll
    for (int i = 0; i < count; i++) sum[i] = start + v[i];
    if (one_image || size % 4 == 0) {
      const ctc_dim image = one_image ? 0 : j / size;
      ctc_tile_store(y, from + image * (image_step - size) + j, channel, 0, columns - j, sum, count,
                     ctc_is_aligned(y) && size % 4 == 0, epilogue);
    } else {
#pragma unroll
      for (int i = 0; i < count; i++) {
        const ctc_dim at = from + (j + i) / size * (image_step - size) + j + i;
        if (j + i < columns) y[at] = epilogue(sum[i], at, channel);
      }
    }
  };
  const ctc_dim next = kind == CTC_CONV_WHOLE ? in_image : 1; /* from column to column of x */
  const ctc_dim below = kind == CTC_CONV_WHOLE ? 1 : size;
  if (kind != CTC_CONV_GATHER) {
    if (oc <= CTC_FEW) CTC_IF_FORM(FORM, form, CTC_FEW_ROWS) {
      ctc_few_product(w, oc, depth, 1, x, columns, next, below, depth, products, block, shared,
                      [&](ctc_dim o, ctc_dim j, float value) { store(o, j, &value, 1); });
      return;
    }
    if (columns <= CTC_FEW) CTC_IF_FORM(FORM, form, CTC_FEW_COLUMNS) {
      ctc_few_product(x, columns, next, below, w, oc, depth, 1, depth, products, block, shared,
                      [&](ctc_dim j, ctc_dim o, float value) { store(o, j, &value, 1); });
      return;
    }
  }
  const int high = ctc_tile_rows(form), wide = ctc_tile_columns(form);
  const ctc_dim across = (columns + wide - 1) / wide;
  const ctc_dim row = block / across * high, column = block % across * wide;
  const auto put = [&](int i, int j, const float *v, int count) {
    store(row + i, column + j, v, count);
  };
  const ctc_matrix left(w + row * depth, oc - row, depth, 1);
  CTC_IF_FORM(KIND, kind, CTC_CONV_GATHER) {
    const ctc_dim first[3] = {-pad[0], -pad[1], -pad[2]};
    const ctc_pixels right(x, in_image, n, in, out, kernel, stride, first, dilation,
                           column + (int)threadIdx.x % wide);
    ctc_tile_any<FORM>(form, oc, columns, left, right, depth, shared, put);
  }
  if constexpr (KIND != CTC_CONV_GATHER)
    if (kind != CTC_CONV_GATHER) {
      const ctc_matrix right(x + column * next, columns - column, next, below);
      ctc_tile_any<FORM>(form, oc, columns, left, right, depth, shared, put);
    }
}

/* Convolution with `ic` input and `oc` output channels a group; y [n, groups * oc, out]. bias
 * [groups * oc] may be null. */
template <int FORM, class Epilogue>
CTC_DEVICE void ctc_conv_f32(const float *x, const float *w, const float *bias, float *y, ctc_dim n,
                             ctc_dim groups, ctc_dim ic, ctc_dim oc, const ctc_dim *in,
                             const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                             const ctc_dim *dilation, const ctc_dim *pad, Epilogue epilogue) {
  constexpr int KIND = FORM == CTC_ANY_FORM ? CTC_ANY_FORM : FORM / CTC_CONV_FORMS;
  constexpr int PART = FORM == CTC_ANY_FORM ? CTC_ANY_FORM : FORM % CTC_CONV_FORMS;
  const int any = ctc_conv_f32_form(n, groups, ic, oc, in, out, kernel, stride, pad);
  const int kind = any / CTC_CONV_FORMS, form = any % CTC_CONV_FORMS;
  CTC_IF_FORM(KIND, kind, CTC_CONV_DIRECT)
  ctc_conv_direct_any<PART>(form, x, w, bias, y, n, groups, ic, oc, in, out, kernel, stride,
                            dilation, pad, epilogue);
  if constexpr (KIND != CTC_CONV_DIRECT)
    if (kind != CTC_CONV_DIRECT)
      ctc_conv_products_any<KIND, PART>(kind, form, x, w, bias, y, n, groups, ic, oc, in, out,
                                        kernel, stride, dilation, pad, epilogue);
}

static ctc_dim ctc_conv_f32_finish_blocks(ctc_dim n, ctc_dim groups, ctc_dim oc,
                                          const ctc_dim *out) {
  return ctc_blocks_for(ctc_conv_results(n, groups, oc, out), 256);
}

/* Finishes sums that a library has left in y. */
template <class Epilogue>
CTC_DEVICE void ctc_conv_f32_finish(const float *bias, float *y, ctc_dim n, ctc_dim groups,
                                    ctc_dim oc, const ctc_dim *out, Epilogue epilogue) {
  const ctc_dim at = ctc_thread_of(256);
  if (at >= ctc_conv_results(n, groups, oc, out)) return;
  const ctc_dim channel = at / ctc_volume(out) % (groups * oc);
  y[at] = epilogue(bias ? y[at] + bias[channel] : y[at], at, channel);
}

static ctc_dim ctc_conv_f64_blocks(ctc_dim n, ctc_dim groups, ctc_dim oc, const ctc_dim *out) {
  return (ctc_conv_results(n, groups, oc, out) + 255) / 256;
}

CTC_DEVICE void ctc_conv_f64(const double *x, const double *w, const double *bias, double *y,
                             ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc, const ctc_dim *in,
                             const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                             const ctc_dim *dilation, const ctc_dim *pad) {
  const ctc_dim unit = (ctc_dim)blockIdx.x * 256 + (ctc_dim)threadIdx.x;
  if (unit >= ctc_conv_results(n, groups, oc, out)) return;
  y[unit] = ctc_conv_sum(x, w, bias, unit, groups, ic, oc, in, out, kernel, stride, dilation, pad);
}

/* What an axis of a transposed convolution has at output positions r, r + stride, …: the taps
 * first_tap, first_tap + tap_step … are `taps`, and position r + j * stride reads input
 * j + first through the first of them, one `next` further on through each other one. */
typedef struct {
  ctc_dim first_tap, tap_step, taps, first, next, positions;
} ctc_phase;

/* The phase of remainder r. */
CTC_DEVICE ctc_phase ctc_conv_phase(ctc_dim r, ctc_dim out, ctc_dim kernel, ctc_dim stride,
                                    ctc_dim dilation, ctc_dim pad) {
  ctc_phase phase = {0, stride, 0, 0, 0, r < out ? (out - r + stride - 1) / stride : 0};
  while (phase.first_tap < kernel && (r + pad - phase.first_tap * dilation) % stride != 0)
    phase.first_tap++;
  for (ctc_dim k = stride - 1; k > 0; k--)
    if (k * dilation % stride == 0) phase.tap_step = k;
  phase.taps = (kernel - phase.first_tap + phase.tap_step - 1) / phase.tap_step;
  phase.first = (r + pad - phase.first_tap * dilation) / stride;
  phase.next = -(phase.tap_step * dilation / stride);
  return phase;
}

/* The weights of a phase as the rows of a tile: row o has the number of input channel c and tap j
 * at c * channel_step + o * kernel elements + the tap's place. */
struct ctc_phase_weights {
  const float *from;
  ctc_dim rows, row_step, channel_step, taps[3], tap_step[3];

  template <int SIDE, int DEPTH>
  __device__ __forceinline__ void fetch(int four, ctc_dim start, ctc_dim depth, float *v) const {
    const ctc_dim first = start + four / SIDE * 4, row = four % SIDE;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const ctc_dim k = first + i, kw = k % taps[2], rest = k / taps[2], kh = rest % taps[1];
      const ctc_dim kd = rest / taps[1] % taps[0], c = rest / taps[1] / taps[0];
      const ctc_dim at = c * channel_step + row * row_step + kd * tap_step[0] + kh * tap_step[1];
      v[i] = row < rows && k < depth ? from[at + kw * tap_step[2]] : 0.0f;
    }
  }

  __device__ __forceinline__ int is_lengthwise() const {
    return 1;
  }

  template <int SIDE, int DEPTH>
  __device__ __forceinline__ void place(int four, int *s, int *d) const {
    *s = four % SIDE, *d = four / SIDE * 4;
  }
};

/* Whether the taps of a transposed convolution are done as products: with few channels a thread per
 * result is better. */
CTC_BOTH int ctc_conv_has_phases(ctc_dim ic, ctc_dim oc) {
  return ic >= 8 && oc >= 8;
}

/* Columns of a phase, at most. */
CTC_BOTH ctc_dim ctc_phase_columns(ctc_dim n, const ctc_dim *out, const ctc_dim *stride) {
  for (int d = 0; d < 3; d++) n *= (out[d] + stride[d] - 1) / stride[d];
  return n;
}

/* The form of the products of the phases. */
CTC_BOTH int ctc_phases_form(ctc_dim n, ctc_dim groups, ctc_dim oc, const ctc_dim *out,
                             const ctc_dim *stride) {
  return ctc_tile_form(oc, ctc_phase_columns(n, out, stride), groups * ctc_volume(stride));
}

/* A thread per result: what no tile has as its form. */
enum { CTC_CONV_SCATTERED = CTC_TILE_16 + 1 };

/* CTC_CONV_SCATTERED, or the form of the products. */
CTC_BOTH int ctc_conv_transpose_f32_form(ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc,
                                         const ctc_dim *out, const ctc_dim *stride) {
  return ctc_conv_has_phases(ic, oc) ? ctc_phases_form(n, groups, oc, out, stride)
                                     : (int)CTC_CONV_SCATTERED;
}

static ctc_dim ctc_conv_transpose_f32_blocks(ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc,
                                             const ctc_dim *out, const ctc_dim *stride) {
  const ctc_dim columns = ctc_phase_columns(n, out, stride), products = groups * ctc_volume(stride);
  const int form = ctc_phases_form(n, groups, oc, out, stride);
  if (!ctc_conv_has_phases(ic, oc)) return (ctc_conv_results(n, groups, oc, out) + 255) / 256;
  return ctc_tiles(oc, columns, products, ctc_tile_rows(form), ctc_tile_columns(form));
}

/* The tile of a block of a transposed convolution. */
template <int FORM, class Epilogue>
CTC_DEVICE void
ctc_conv_transpose_tile(const float *x, const float *w, const float *bias, float *y, ctc_dim n,
                        ctc_dim groups, ctc_dim ic, ctc_dim oc, const ctc_dim *in,
                        const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                        const ctc_dim *dilation, const ctc_dim *pad, const Epilogue &epilogue) {
  __shared__ float4 pool[CTC_TILE_SHARED / 4];
  const ctc_dim most = ctc_phase_columns(n, out, stride);
  const int form = ctc_phases_form(n, groups, oc, out, stride);
  const int high = ctc_tile_rows(form), wide = ctc_tile_columns(form);
  const ctc_dim across = (most + wide - 1) / wide, blocks = (oc + high - 1) / high * across;
  const ctc_dim product = (ctc_dim)blockIdx.x / blocks, block = (ctc_dim)blockIdx.x % blocks;
  const ctc_dim row = block / across * high, column = block % across * wide;
  const ctc_dim group = product / ctc_volume(stride), volume = ctc_volume(kernel);
  const ctc_dim remainder = product % ctc_volume(stride);
  const ctc_dim r[3] = {remainder / (stride[1] * stride[2]), remainder / stride[2] % stride[1],
                        remainder % stride[2]};
  const ctc_dim inner[3] = {kernel[1] * kernel[2], kernel[2], 1}, one[3] = {1, 1, 1};
  ctc_dim taps[3], first[3], next[3], positions[3], depth = ic;
  ctc_phase_weights left;
  left.from = w + (group * ic * oc + row) * volume;
  left.rows = oc - row, left.row_step = volume, left.channel_step = oc * volume;
#pragma unroll
  for (int d = 0; d < 3; d++) {
    const ctc_phase phase = ctc_conv_phase(r[d], out[d], kernel[d], stride[d], dilation[d], pad[d]);
    /* Without a tap the depth is 0; it is divided by their number all the same. */
    depth *= phase.taps, taps[d] = phase.taps > 0 ? phase.taps : 1;
    first[d] = phase.first, next[d] = phase.next, positions[d] = phase.positions;
    left.taps[d] = taps[d], left.tap_step[d] = phase.tap_step * inner[d];
    left.from += phase.first_tap * inner[d];
  }
  const ctc_dim columns = n * ctc_volume(positions), size = ctc_volume(out);
  if (column >= columns) return;
  const ctc_pixels right(x + group * ic * ctc_volume(in), groups * ic * ctc_volume(in), n, in,
                         positions, taps, one, first, next, column + (int)threadIdx.x % wide);
  ctc_tile_any<FORM>(form, oc, most, left, right, depth, (float *)pool,
                     [&](int i, int j, const float *v, int count) {
#pragma unroll
                       for (int q = 0; q < 4; q++) {
                         const ctc_dim unit = column + j + q, o = row + i;
                         if (q >= count || unit >= columns || o >= oc) continue;
                         const ctc_dim line = unit / positions[2], plane = line / positions[1];
                         const ctc_dim image = plane / positions[0], channel = group * oc + o;
                         const ctc_dim at = ((plane % positions[0] * stride[0] + r[0]) * out[1] +
                                             line % positions[1] * stride[1] + r[1]) *
                                                out[2] +
                                            unit % positions[2] * stride[2] + r[2] +
                                            (image * groups * oc + channel) * size;
                         y[at] = epilogue(bias ? v[q] + bias[channel] : v[q], at, channel);
                       }
                     });
}

/* Transposed convolution with `ic` input and `oc` output channels a group; w [groups * ic, oc,
 * kernel], y [n, groups * oc, out]. */
template <int FORM, class Epilogue>
CTC_DEVICE void ctc_conv_transpose_f32(const float *x, const float *w, const float *bias, float *y,
                                       ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc,
                                       const ctc_dim *in, const ctc_dim *out, const ctc_dim *kernel,
                                       const ctc_dim *stride, const ctc_dim *dilation,
                                       const ctc_dim *pad, Epilogue epilogue) {
  if constexpr (FORM != CTC_CONV_SCATTERED)
    if (ctc_conv_has_phases(ic, oc)) {
      ctc_conv_transpose_tile<FORM>(x, w, bias, y, n, groups, ic, oc, in, out, kernel, stride,
                                    dilation, pad, epilogue);
      return;
    }
  const ctc_dim unit = (ctc_dim)blockIdx.x * 256 + (ctc_dim)threadIdx.x;
  if (unit >= ctc_conv_results(n, groups, oc, out)) return;
  const float sum = ctc_conv_transpose_sum(x, w, bias, unit, groups, ic, oc, in, out, kernel,
                                           stride, dilation, pad);
  y[unit] = epilogue(sum, unit, unit / ctc_volume(out) % (groups * oc));
}

static ctc_dim ctc_conv_transpose_f32_finish_blocks(ctc_dim n, ctc_dim groups, ctc_dim oc,
                                                    const ctc_dim *out) {
  return ctc_conv_f32_finish_blocks(n, groups, oc, out);
}

/* Finishes sums that a library has left in y. */
template <class Epilogue>
CTC_DEVICE void ctc_conv_transpose_f32_finish(const float *bias, float *y, ctc_dim n,
                                              ctc_dim groups, ctc_dim oc, const ctc_dim *out,
                                              Epilogue epilogue) {
  ctc_conv_f32_finish(bias, y, n, groups, oc, out, epilogue);
}

static ctc_dim ctc_conv_transpose_f64_blocks(ctc_dim n, ctc_dim groups, ctc_dim oc,
                                             const ctc_dim *out) {
  return (ctc_conv_results(n, groups, oc, out) + 255) / 256;
}

CTC_DEVICE void ctc_conv_transpose_f64(const double *x, const double *w, const double *bias,
                                       double *y, ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc,
                                       const ctc_dim *in, const ctc_dim *out, const ctc_dim *kernel,
                                       const ctc_dim *stride, const ctc_dim *dilation,
                                       const ctc_dim *pad) {
  const ctc_dim unit = (ctc_dim)blockIdx.x * 256 + (ctc_dim)threadIdx.x;
  if (unit >= ctc_conv_results(n, groups, oc, out)) return;
  y[unit] = ctc_conv_transpose_sum(x, w, bias, unit, groups, ic, oc, in, out, kernel, stride,
                                   dilation, pad);
}
