/* conv.c: convolutions over up to three spatial axes (1-D and 2-D ones have leading axes of size
 * 1).
 *
 * Arrays of three: `in`, `out`, `kernel`, `stride`, `dilation`, `pad` (the padding in front of the
 * data). Output position o and tap k read the input at o * stride + k * dilation - pad; what lies
 * outside of it is zero. Layouts: data [n, channels, spatial], weights [output channels, channels
 * of the group, kernel], of transposed convolutions [channels, output channels of the group,
 * kernel].
 *
 * A row of outputs gathers the products of a weight with a row of inputs. Clipping a row to the
 * taps' valid columns happens outside of the loops that run along it. Rows are cut to pieces that
 * stay in the first-level cache, and take four taps for four channels at a time. */

/* Columns of a row that are worked on at a time. */
#define CTC_CONV_COLUMNS 512

/* One position of the kernel in one input channel: `x` is the offset of the input under column 0
 * (it may lie before the row), `w` that of the weight, and columns [low, high) are those whose
 * input exists. */
typedef struct {
  ctc_dim x, w, low, high;
} ctc_conv_tap;

/* The first output index whose input index o * stride + shift is not negative. */
static inline ctc_dim ctc_window_low(ctc_dim shift, ctc_dim stride) {
  return shift >= 0 ? 0 : (stride - 1 - shift) / stride;
}

/* Behind the last output index whose input index o * stride + shift is below `in`; at most `out`.
 */
static inline ctc_dim ctc_window_high(ctc_dim shift, ctc_dim stride, ctc_dim in, ctc_dim out) {
  ctc_dim high = in - shift <= 0 ? 0 : (in - shift + stride - 1) / stride;
  return high < out ? high : out;
}

//$ for t in f32 f64
/* y[i] += w * x[i * stride] */
static inline void ctc_conv_add_$t($T *CTC_RESTRICT y, const $T *CTC_RESTRICT x, $T w, ctc_dim n,
                                   ctc_dim stride) {
  if (stride == 1) {
    for (ctc_dim i = 0; i < n; i++) y[i] += w * x[i];
  } else {
    for (ctc_dim i = 0; i < n; i++) y[i] += w * x[i * stride];
  }
}

/* Four taps for one output channel. */
static inline void ctc_conv_add4_$t($T *CTC_RESTRICT y, const $T *CTC_RESTRICT x0,
                                    const $T *CTC_RESTRICT x1, const $T *CTC_RESTRICT x2,
                                    const $T *CTC_RESTRICT x3, const $T *CTC_RESTRICT w, ctc_dim n,
                                    ctc_dim stride) {
  $T a = w[0], b = w[1], c = w[2], d = w[3];
  if (stride == 1) {
    for (ctc_dim i = 0; i < n; i++) y[i] += (a * x0[i] + b * x1[i]) + (c * x2[i] + d * x3[i]);
  } else {
    for (ctc_dim i = 0; i < n; i++) {
      ctc_dim j = i * stride;
      y[i] += (a * x0[j] + b * x1[j]) + (c * x2[j] + d * x3[j]);
    }
  }
}

/* Four taps for four output channels: weights w[channel][tap], rows y + channel * step. */
static inline void ctc_conv_add4x4_$t($T *CTC_RESTRICT y, ctc_dim step, const $T *CTC_RESTRICT x0,
                                      const $T *CTC_RESTRICT x1, const $T *CTC_RESTRICT x2,
                                      const $T *CTC_RESTRICT x3, $T w[4][4], ctc_dim n,
                                      ctc_dim stride) {
  $T *CTC_RESTRICT y0 = y, *CTC_RESTRICT y1 = y + step, *CTC_RESTRICT y2 = y + 2 * step,
                   *CTC_RESTRICT y3 = y + 3 * step;
  for (ctc_dim i = 0; i < n; i++) {
    ctc_dim j = i * stride;
    $T a = x0[j], b = x1[j], c = x2[j], d = x3[j];
    y0[i] += (w[0][0] * a + w[0][1] * b) + (w[0][2] * c + w[0][3] * d);
    y1[i] += (w[1][0] * a + w[1][1] * b) + (w[1][2] * c + w[1][3] * d);
    y2[i] += (w[2][0] * a + w[2][1] * b) + (w[2][2] * c + w[2][3] * d);
    y3[i] += (w[3][0] * a + w[3][1] * b) + (w[3][2] * c + w[3][3] * d);
  }
}

/* Adds one tap to `channels` rows, columns [from, to). */
static inline void ctc_conv_tap_$t(const $T *x, const $T *w, ctc_dim w_step, $T *y, ctc_dim y_step,
                                   ctc_dim channels, ctc_dim stride, const ctc_conv_tap *tap,
                                   ctc_dim from, ctc_dim to) {
  if (from >= to) return;
  for (ctc_dim o = 0; o < channels; o++)
    ctc_conv_add_$t(y + o * y_step + from, x + (tap->x + from * stride), w[o * w_step + tap->w],
                    to - from, stride);
}

/* Four taps on the columns [from, to) that they share. */
static inline void ctc_conv_shared_$t(const $T *x, const $T *w, ctc_dim w_step, $T *y,
                                      ctc_dim y_step, ctc_dim channels, ctc_dim stride,
                                      const ctc_conv_tap *tap, ctc_dim from, ctc_dim to) {
  $T v[4][4];
  ctc_dim skip = from * stride;
  for (ctc_dim o = 0; o < channels; o++)
    for (int k = 0; k < 4; k++) v[o][k] = w[o * w_step + tap[k].w];
  if (channels == 4) {
    ctc_dim n = to - from;
    const $T *x0 = x + (tap[0].x + skip), *x1 = x + (tap[1].x + skip);
    const $T *x2 = x + (tap[2].x + skip), *x3 = x + (tap[3].x + skip);
    if (stride == 1)
      ctc_conv_add4x4_$t(y + from, y_step, x0, x1, x2, x3, v, n, 1);
    else
      ctc_conv_add4x4_$t(y + from, y_step, x0, x1, x2, x3, v, n, stride);
    return;
  }
  for (ctc_dim o = 0; o < channels; o++)
    ctc_conv_add4_$t(y + o * y_step + from, x + (tap[0].x + skip), x + (tap[1].x + skip),
                     x + (tap[2].x + skip), x + (tap[3].x + skip), v[o], to - from, stride);
}

/* Adds `count` <= 4 taps to the rows of `channels` <= 4 output channels: those columns that four
 * taps share in one go, the others tap by tap. */
static inline void ctc_conv_taps_$t(const $T *x, const $T *w, ctc_dim w_step, $T *y, ctc_dim y_step,
                                    ctc_dim channels, ctc_dim stride, const ctc_conv_tap *tap,
                                    int count) {
  ctc_dim from = tap[0].low, to = tap[0].high;
  for (int k = 1; k < count; k++) {
    from = tap[k].low > from ? tap[k].low : from;
    to = tap[k].high < to ? tap[k].high : to;
  }
  if (count < 4 || from >= to) {
    for (int k = 0; k < count; k++)
      ctc_conv_tap_$t(x, w, w_step, y, y_step, channels, stride, &tap[k], tap[k].low, tap[k].high);
    return;
  }
  ctc_conv_shared_$t(x, w, w_step, y, y_step, channels, stride, tap, from, to);
  for (int k = 0; k < count; k++) {
    ctc_conv_tap_$t(x, w, w_step, y, y_step, channels, stride, &tap[k], tap[k].low, from);
    ctc_conv_tap_$t(x, w, w_step, y, y_step, channels, stride, &tap[k], to, tap[k].high);
  }
}

/* Columns [first, last) of row (d, h) of `channels` <= 4 output channels. x: the group's input
 * channels of one image; w: the first of the output channels; y: the first one's row; bias may be
 * null. */
static inline void ctc_conv_piece_$t(const $T *x, const $T *w, const $T *bias, $T *y,
                                     ctc_dim y_step, ctc_dim channels, ctc_dim ic, ctc_dim d,
                                     ctc_dim h, ctc_dim first, ctc_dim last, const ctc_dim *in,
                                     const ctc_dim *kernel, const ctc_dim *stride,
                                     const ctc_dim *dilation, const ctc_dim *pad) {
  ctc_dim volume = kernel[0] * kernel[1] * kernel[2];
  ctc_conv_tap tap[4];
  int pending = 0;
  for (ctc_dim o = 0; o < channels; o++)
    for (ctc_dim i = first; i < last; i++) y[o * y_step + i] = bias ? bias[o] : 0;
  for (ctc_dim c = 0; c < ic; c++) {
    for (ctc_dim kd = 0; kd < kernel[0]; kd++) {
      ctc_dim id = d * stride[0] + kd * dilation[0] - pad[0];
      if (id < 0 || id >= in[0]) continue;
      for (ctc_dim kh = 0; kh < kernel[1]; kh++) {
        ctc_dim ih = h * stride[1] + kh * dilation[1] - pad[1];
        if (ih < 0 || ih >= in[1]) continue;
        for (ctc_dim kw = 0; kw < kernel[2]; kw++) {
          ctc_dim shift = kw * dilation[2] - pad[2];
          ctc_dim low = ctc_window_low(shift, stride[2]);
          ctc_conv_tap next;
          next.low = low > first ? low : first;
          next.high = ctc_window_high(shift, stride[2], in[2], last);
          if (next.low >= next.high) continue;
          next.x = ((c * in[0] + id) * in[1] + ih) * in[2] + shift;
          next.w = c * volume + (kd * kernel[1] + kh) * kernel[2] + kw;
          tap[pending++] = next;
          if (pending < 4) continue;
          ctc_conv_taps_$t(x, w, ic * volume, y, y_step, channels, stride[2], tap, 4);
          pending = 0;
        }
      }
    }
  }
  if (pending) ctc_conv_taps_$t(x, w, ic * volume, y, y_step, channels, stride[2], tap, pending);
}

/* Convolution with `ic` input and `oc` output channels a group; y [n, groups * oc, out]. bias
 * [groups * oc] may be null. */
static void ctc_conv_$t(const $T *x, const $T *w, const $T *bias, $T *y, ctc_dim n, ctc_dim groups,
                        ctc_dim ic, ctc_dim oc, const ctc_dim *in, const ctc_dim *out,
                        const ctc_dim *kernel, const ctc_dim *stride, const ctc_dim *dilation,
                        const ctc_dim *pad) {
  ctc_dim in_size = in[0] * in[1] * in[2], out_size = out[0] * out[1] * out[2];
  ctc_dim taps = ic * kernel[0] * kernel[1] * kernel[2];
  for (ctc_dim image = 0; image < n * groups; image++) {
    ctc_dim group = image % groups;
    const $T *xg = x + image * ic * in_size;
    for (ctc_dim o = 0; o < oc; o += 4) {
      ctc_dim channel = group * oc + o, block = oc - o < 4 ? oc - o : 4;
      $T *plane = y + (image * oc + o) * out_size;
      for (ctc_dim row = 0; row < out[0] * out[1]; row++)
        for (ctc_dim i = 0; i < out[2]; i += CTC_CONV_COLUMNS)
          ctc_conv_piece_$t(xg, w + channel * taps, bias ? bias + channel : NULL,
                            plane + row * out[2], out_size, block, ic, row / out[1], row % out[1],
                            i, out[2] - i < CTC_CONV_COLUMNS ? out[2] : i + CTC_CONV_COLUMNS, in,
                            kernel, stride, dilation, pad);
    }
  }
}

/* y[i] += sum of w[k * w_step] * x[k * step + i] over four k. Pieces of fixed length become vector
 * code at -O2 already. */
static inline void ctc_conv_row4_$t($T *CTC_RESTRICT y, const $T *CTC_RESTRICT x, ctc_dim step,
                                    const $T *w, ctc_dim w_step, ctc_dim n) {
  $T a = w[0], b = w[w_step], c = w[2 * w_step], d = w[3 * w_step];
  const $T *CTC_RESTRICT x1 = x + step, *CTC_RESTRICT x2 = x1 + step, *CTC_RESTRICT x3 = x2 + step;
  for (ctc_dim i = 0; i < n; i++) y[i] += (a * x[i] + b * x1[i]) + (c * x2[i] + d * x3[i]);
}

/* y[o * y_step + i] += sum of w[o * w_step + k * w_next] * x[k * x_step + i]: `channels` rows of n,
 * `taps` taps. */
static inline void ctc_conv_product_$t(const $T *x, ctc_dim x_step, const $T *w, ctc_dim w_step,
                                       ctc_dim w_next, $T *y, ctc_dim y_step, ctc_dim taps,
                                       ctc_dim channels, ctc_dim n) {
  for (ctc_dim first = 0; first < channels; first += 4) {
    ctc_dim last = first + 4 < channels ? first + 4 : channels, k = 0;
    for (; k + 4 <= taps; k += 4) {
      const $T *from = x + k * x_step;
      ctc_dim i = 0;
      for (; i + 16 <= n; i += 16)
        for (ctc_dim o = first; o < last; o++)
          ctc_conv_row4_$t(y + o * y_step + i, from + i, x_step, w + o * w_step + k * w_next,
                           w_next, 16);
      for (ctc_dim o = first; o < last && i < n; o++)
        ctc_conv_row4_$t(y + o * y_step + i, from + i, x_step, w + o * w_step + k * w_next, w_next,
                         n - i);
    }
    for (k = taps - taps % 4; k < taps; k++)
      for (ctc_dim o = first; o < last; o++)
        ctc_conv_add_$t(y + o * y_step, x + k * x_step, w[o * w_step + k * w_next], n, 1);
  }
}

/* columns [taps, n]: what taps first_tap … read for output positions first …, zeros outside of the
 * input. */
static inline void ctc_conv_gather_$t(const $T *x, $T *columns, ctc_dim first_tap, ctc_dim taps,
                                      ctc_dim first, ctc_dim n, const ctc_dim *in,
                                      const ctc_dim *out, const ctc_dim *kernel,
                                      const ctc_dim *stride, const ctc_dim *dilation,
                                      const ctc_dim *pad) {
  for (ctc_dim k = first_tap; k < first_tap + taps; k++) {
    ctc_dim shift = k % kernel[2] * dilation[2] - pad[2], rest = k / kernel[2];
    ctc_dim kh = rest % kernel[1], kd = rest / kernel[1] % kernel[0];
    const $T *plane = x + rest / (kernel[1] * kernel[0]) * in[0] * in[1] * in[2];
    ctc_dim low = ctc_window_low(shift, stride[2]);
    ctc_dim high = ctc_window_high(shift, stride[2], in[2], out[2]);
    for (ctc_dim at = first; at < first + n;) {
      ctc_dim row = at / out[2], w = at % out[2], end = out[2];
      if (end - w > first + n - at) end = w + (first + n - at);
      ctc_dim id = row / out[1] * stride[0] + kd * dilation[0] - pad[0];
      ctc_dim ih = row % out[1] * stride[1] + kh * dilation[1] - pad[1];
      int inside = id >= 0 && id < in[0] && ih >= 0 && ih < in[1];
      const $T *from = inside ? plane + (id * in[1] + ih) * in[2] : plane;
      ctc_dim begin = inside ? low : end, stop = high < end ? high : end;
      at += end - w;
      for (; w < begin && w < end; w++) *columns++ = 0;
      if (stride[2] == 1 && w < stop) {
        memcpy(columns, from + w + shift, (size_t)(stop - w) * sizeof *columns);
        columns += stop - w;
        w = stop;
      }
      for (; w < stop; w++) *columns++ = from[w * stride[2] + shift];
      for (; w < end; w++) *columns++ = 0;
    }
  }
}

/* The same as ctc_conv_$t, faster where there are many channels: the inputs of `tap_block` taps for
 * `piece` output positions are gathered in `columns` [tap_block, piece], so that all output
 * channels use them in long rows. columns may be null for a kernel of size 1 with stride 1 and no
 * padding, in which the input has that layout. */
static void ctc_conv_columns_$t(const $T *x, const $T *w, const $T *bias, $T *y, $T *columns,
                                ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc,
                                ctc_dim tap_block, ctc_dim piece, const ctc_dim *in,
                                const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                                const ctc_dim *dilation, const ctc_dim *pad) {
  ctc_dim in_size = in[0] * in[1] * in[2], out_size = out[0] * out[1] * out[2];
  ctc_dim taps = ic * kernel[0] * kernel[1] * kernel[2];
  for (ctc_dim image = 0; image < n * groups; image++) {
    const $T *xg = x + image * ic * in_size, *wg = w + image % groups * oc * taps;
    for (ctc_dim first = 0; first < out_size; first += piece) {
      ctc_dim count = out_size - first < piece ? out_size - first : piece;
      $T *to = y + image * oc * out_size + first;
      for (ctc_dim o = 0; o < oc; o++)
        for (ctc_dim i = 0; i < count; i++)
          to[o * out_size + i] = bias ? bias[image % groups * oc + o] : 0;
      for (ctc_dim k = 0; k < taps; k += tap_block) {
        ctc_dim block = taps - k < tap_block ? taps - k : tap_block;
        if (columns)
          ctc_conv_gather_$t(xg, columns, k, block, first, count, in, out, kernel, stride, dilation,
                             pad);
        ctc_conv_product_$t(columns ? columns : xg + k * in_size + first, columns ? count : in_size,
                            wg + k, taps, 1, to, out_size, block, oc, count);
      }
    }
  }
}

/* Adds what the plane x [in] of one input channel, spread by the weights w [kernel], gives to the
 * plane y [out]: input i and tap k go to output i * stride + k * dilation - pad. */
static inline void ctc_conv_spread_$t(const $T *x, const $T *w, $T *y, const ctc_dim *in,
                                      const ctc_dim *out, const ctc_dim *kernel,
                                      const ctc_dim *stride, const ctc_dim *dilation,
                                      const ctc_dim *pad) {
  for (ctc_dim k = 0; k < kernel[0] * kernel[1] * kernel[2]; k++) {
    ctc_dim kd = k / (kernel[1] * kernel[2]), kh = k / kernel[2] % kernel[1];
    ctc_dim shift = k % kernel[2] * dilation[2] - pad[2];
    ctc_dim from = ctc_window_low(shift, stride[2]);
    ctc_dim to = ctc_window_high(shift, stride[2], out[2], in[2]);
    for (ctc_dim row = 0; row < in[0] * in[1]; row++) {
      ctc_dim od = row / in[1] * stride[0] + kd * dilation[0] - pad[0];
      ctc_dim oh = row % in[1] * stride[1] + kh * dilation[1] - pad[1];
      if (od < 0 || od >= out[0] || oh < 0 || oh >= out[1]) continue;
      const $T *from_row = x + row * in[2];
      $T *to_row = y + (od * out[1] + oh) * out[2];
      if (stride[2] == 1) {
        for (ctc_dim i = from; i < to; i++) to_row[i + shift] += w[k] * from_row[i];
      } else {
        for (ctc_dim i = from; i < to; i++) to_row[i * stride[2] + shift] += w[k] * from_row[i];
      }
    }
  }
}

/* One tap of ctc_conv_spread for input positions first … first + n, whose products with the weight
 * are in `row`. */
static inline void ctc_conv_scatter_$t(const $T *row, $T *y, ctc_dim tap, ctc_dim first, ctc_dim n,
                                       const ctc_dim *in, const ctc_dim *out, const ctc_dim *kernel,
                                       const ctc_dim *stride, const ctc_dim *dilation,
                                       const ctc_dim *pad) {
  ctc_dim kd = tap / (kernel[1] * kernel[2]), kh = tap / kernel[2] % kernel[1];
  ctc_dim shift = tap % kernel[2] * dilation[2] - pad[2];
  ctc_dim low = ctc_window_low(shift, stride[2]);
  ctc_dim high = ctc_window_high(shift, stride[2], out[2], in[2]);
  for (ctc_dim at = first; at < first + n;) {
    ctc_dim begin = at % in[2], end = begin + (first + n - at);
    ctc_dim d = at / in[2] / in[1] * stride[0] + kd * dilation[0] - pad[0];
    ctc_dim h = at / in[2] % in[1] * stride[1] + kh * dilation[1] - pad[1];
    end = end < in[2] ? end : in[2];
    const $T *from = row + (at - first);
    at += end - begin;
    if (d < 0 || d >= out[0] || h < 0 || h >= out[1]) continue;
    $T *to = y + (d * out[1] + h) * out[2];
    ctc_dim stop = high < end ? high : end;
    for (ctc_dim i = low > begin ? low : begin; i < stop; i++)
      to[i * stride[2] + shift] += from[i - begin];
  }
}

/* Transposed convolution with `ic` input and `oc` output channels a group; w [groups * ic, oc,
 * kernel], y [n, groups * oc, out]. */
static void ctc_conv_transpose_$t(const $T *x, const $T *w, const $T *bias, $T *y, ctc_dim n,
                                  ctc_dim groups, ctc_dim ic, ctc_dim oc, const ctc_dim *in,
                                  const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                                  const ctc_dim *dilation, const ctc_dim *pad) {
  ctc_dim in_size = in[0] * in[1] * in[2], out_size = out[0] * out[1] * out[2];
  ctc_dim volume = kernel[0] * kernel[1] * kernel[2];
  for (ctc_dim plane = 0; plane < n * groups * oc; plane++) {
    ctc_dim image = plane / oc, group = image % groups, o = plane % oc;
    $T *to = y + plane * out_size;
    for (ctc_dim i = 0; i < out_size; i++) to[i] = bias ? bias[group * oc + o] : 0;
    for (ctc_dim c = 0; c < ic; c++)
      ctc_conv_spread_$t(x + (image * ic + c) * in_size, w + ((group * ic + c) * oc + o) * volume,
                         to, in, out, kernel, stride, dilation, pad);
  }
}

/* The same as ctc_conv_transpose_$t, faster where there are many channels: the products of the
 * input with `block` columns of the weights at a time, for `piece` positions, are summed over the
 * channels in `rows` [block, piece] before they are spread. */
static void ctc_conv_transpose_rows_$t(const $T *x, const $T *w, const $T *bias, $T *y, $T *rows,
                                       ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc,
                                       ctc_dim block, ctc_dim piece, const ctc_dim *in,
                                       const ctc_dim *out, const ctc_dim *kernel,
                                       const ctc_dim *stride, const ctc_dim *dilation,
                                       const ctc_dim *pad) {
  ctc_dim in_size = in[0] * in[1] * in[2], out_size = out[0] * out[1] * out[2];
  ctc_dim volume = kernel[0] * kernel[1] * kernel[2], width = oc * volume;
  for (ctc_dim image = 0; image < n * groups; image++) {
    const $T *xg = x + image * ic * in_size, *wg = w + image % groups * ic * width;
    $T *to = y + image * oc * out_size;
    for (ctc_dim o = 0; o < oc; o++)
      for (ctc_dim i = 0; i < out_size; i++)
        to[o * out_size + i] = bias ? bias[image % groups * oc + o] : 0;
    for (ctc_dim first = 0; first < in_size; first += piece) {
      ctc_dim count = in_size - first < piece ? in_size - first : piece;
      for (ctc_dim j = 0; j < width; j += block) {
        ctc_dim many = width - j < block ? width - j : block;
        for (ctc_dim i = 0; i < many * count; i++) rows[i] = 0;
        ctc_conv_product_$t(xg + first, in_size, wg + j, 1, width, rows, count, ic, many, count);
        for (ctc_dim r = 0; r < many; r++)
          ctc_conv_scatter_$t(rows + r * count, to + (j + r) / volume * out_size, (j + r) % volume,
                              first, count, in, out, kernel, stride, dilation, pad);
      }
    }
  }
}
//$ end

//$ for t in u8 i8
//$ for u in u8 i8
/* One row (d, h) of one output channel of a convolution of integers: y[i] = sum of (x - x_zero) *
 * (w - w_zero); padding counts as x_zero. */
static inline void ctc_conv_integer_row_$t_$u(const $T *x, const $U *w, int32_t *y, ctc_dim ic,
                                              ctc_dim d, ctc_dim h, ctc_dim columns, int32_t x_zero,
                                              int32_t w_zero, const ctc_dim *in,
                                              const ctc_dim *kernel, const ctc_dim *stride,
                                              const ctc_dim *dilation, const ctc_dim *pad) {
  for (ctc_dim i = 0; i < columns; i++) y[i] = 0;
  for (ctc_dim c = 0; c < ic; c++) {
    for (ctc_dim kd = 0; kd < kernel[0]; kd++) {
      ctc_dim id = d * stride[0] + kd * dilation[0] - pad[0];
      if (id < 0 || id >= in[0]) continue;
      for (ctc_dim kh = 0; kh < kernel[1]; kh++) {
        ctc_dim ih = h * stride[1] + kh * dilation[1] - pad[1];
        if (ih < 0 || ih >= in[1]) continue;
        const $T *row = x + ((c * in[0] + id) * in[1] + ih) * in[2];
        for (ctc_dim kw = 0; kw < kernel[2]; kw++) {
          ctc_dim shift = kw * dilation[2] - pad[2];
          ctc_dim from = ctc_window_low(shift, stride[2]);
          ctc_dim to = ctc_window_high(shift, stride[2], in[2], columns);
          int32_t v = w[((c * kernel[0] + kd) * kernel[1] + kh) * kernel[2] + kw] - w_zero;
          for (ctc_dim i = from; i < to; i++)
            y[i] += v * ((int32_t)row[i * stride[2] + shift] - x_zero);
        }
      }
    }
  }
}

/* ConvInteger: y [n, groups * oc, out] of int32. x_zero [1] and w_zero [1 or groups * oc, w_zeros
 * of them] may be null. */
static void ctc_conv_integer_$t_$u(const $T *x, const $U *w, const $T *x_zero, const $U *w_zero,
                                   int32_t *y, ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc,
                                   ctc_dim w_zeros, const ctc_dim *in, const ctc_dim *out,
                                   const ctc_dim *kernel, const ctc_dim *stride,
                                   const ctc_dim *dilation, const ctc_dim *pad) {
  ctc_dim rows = out[0] * out[1], in_size = in[0] * in[1] * in[2];
  ctc_dim taps = ic * kernel[0] * kernel[1] * kernel[2];
  for (ctc_dim plane = 0; plane < n * groups * oc; plane++) {
    ctc_dim image = plane / oc, channel = image % groups * oc + plane % oc;
    int32_t zero = w_zero ? w_zero[w_zeros > 1 ? channel : 0] : 0;
    for (ctc_dim row = 0; row < rows; row++)
      ctc_conv_integer_row_$t_$u(x + image * ic * in_size, w + channel * taps,
                                 y + (plane * rows + row) * out[2], ic, row / out[1], row % out[1],
                                 out[2], x_zero ? x_zero[0] : 0, zero, in, kernel, stride, dilation,
                                 pad);
  }
}

/* QLinearConv: y = round(sum * x_scale * w_scale / y_scale) + y_zero, saturated. `row` is scratch
 * of out[2] elements. w_scale and w_zero have w_scales and w_zeros elements, 1 or groups * oc; bias
 * (in units of x_scale * w_scale) and the zero points may be null. */
static void ctc_qlinear_conv_$t_$u(const $T *x, const $U *w, const int32_t *bias,
                                   const float *x_scale, const $T *x_zero, const float *w_scale,
                                   const $U *w_zero, const float *y_scale, const $T *y_zero,
                                   int32_t *row, $T *y, ctc_dim n, ctc_dim groups, ctc_dim ic,
                                   ctc_dim oc, ctc_dim w_scales, ctc_dim w_zeros, const ctc_dim *in,
                                   const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                                   const ctc_dim *dilation, const ctc_dim *pad) {
  ctc_dim rows = out[0] * out[1], in_size = in[0] * in[1] * in[2];
  ctc_dim taps = ic * kernel[0] * kernel[1] * kernel[2];
  float lowest = ($T)-1 < 0 ? -128.0f : 0.0f, highest = lowest + 255.0f;
  for (ctc_dim plane = 0; plane < n * groups * oc; plane++) {
    ctc_dim image = plane / oc, channel = image % groups * oc + plane % oc;
    float scale = x_scale[0] * w_scale[w_scales > 1 ? channel : 0] / y_scale[0];
    int32_t zero = w_zero ? w_zero[w_zeros > 1 ? channel : 0] : 0;
    for (ctc_dim r = 0; r < rows; r++) {
      $T *to = y + (plane * rows + r) * out[2];
      ctc_conv_integer_row_$t_$u(x + image * ic * in_size, w + channel * taps, row, ic, r / out[1],
                                 r % out[1], out[2], x_zero ? x_zero[0] : 0, zero, in, kernel,
                                 stride, dilation, pad);
      for (ctc_dim i = 0; i < out[2]; i++) {
        float v = rintf((float)(row[i] + (bias ? bias[channel] : 0)) * scale);
        v += y_zero ? (float)y_zero[0] : 0.0f;
        to[i] = ($T)(v < lowest ? lowest : v > highest ? highest : v);
      }
    }
  }
}
//$ end
//$ end
