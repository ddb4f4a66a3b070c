/* conv_variants.c: relatives of the convolution whose inputs are not on a regular grid. */

//$ for t in f32 f64
/* The plane x [height, width] at (h, w), bilinear; pixels outside count as 0. */
static inline $T ctc_deform_sample_$t(const $T *x, ctc_dim height, ctc_dim width, $T h, $T w) {
  if (!(h > -1 && h < ($T)height && w > -1 && w < ($T)width)) return 0;
  $T top = ($T)floor((double)h), left = ($T)floor((double)w), v = h - top, u = w - left, sum = 0;
  for (int k = 0; k < 4; k++) {
    ctc_dim row = (ctc_dim)top + k / 2, column = (ctc_dim)left + k % 2;
    if (row < 0 || row >= height || column < 0 || column >= width) continue;
    sum += (k / 2 ? v : 1 - v) * (k % 2 ? u : 1 - u) * x[row * width + column];
  }
  return sum;
}

/* DeformConv on planes; arrays of three as in conv.c with a leading axis of size 1. Tap k of output
 * position o reads the input at its regular place plus offset [n, offset_groups, kernel, 2, out],
 * times mask [n, offset_groups, kernel, out]. bias and mask may be null. `ic` and `oc` are channels
 * of a group; `column` is scratch of [groups * ic, kernel]. */
static void ctc_deform_conv_$t(const $T *x, const $T *w, const $T *offset, const $T *bias,
                               const $T *mask, $T *y, $T *column, ctc_dim n, ctc_dim groups,
                               ctc_dim ic, ctc_dim oc, ctc_dim offset_groups, const ctc_dim *in,
                               const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                               const ctc_dim *dilation, const ctc_dim *pad) {
  ctc_dim volume = kernel[1] * kernel[2], in_size = in[1] * in[2], out_size = out[1] * out[2];
  ctc_dim channels = groups * ic, share = channels / offset_groups;
  for (ctc_dim p = 0; p < n * out_size; p++) {
    ctc_dim image = p / out_size, at = p % out_size;
    for (ctc_dim c = 0; c < channels; c++) {
      for (ctc_dim k = 0; k < volume; k++) {
        ctc_dim tap = (image * offset_groups + c / share) * volume + k;
        const $T *shift = offset + tap * 2 * out_size + at;
        ctc_dim row = at / out[2] * stride[1] + k / kernel[2] * dilation[1] - pad[1];
        ctc_dim col = at % out[2] * stride[2] + k % kernel[2] * dilation[2] - pad[2];
        $T v = ctc_deform_sample_$t(x + (image * channels + c) * in_size, in[1], in[2],
                                    ($T)row + shift[0], ($T)col + shift[out_size]);
        column[c * volume + k] = mask ? v * mask[tap * out_size + at] : v;
      }
    }
    for (ctc_dim o = 0; o < groups * oc; o++) {
      const $T *from = column + o / oc * ic * volume, *weight = w + o * ic * volume;
      $T sum = bias ? bias[o] : 0;
      for (ctc_dim k = 0; k < ic * volume; k++) sum += weight[k] * from[k];
      y[(image * groups * oc + o) * out_size + at] = sum;
    }
  }
}
//$ end
