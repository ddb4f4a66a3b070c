/* conv.cu: convolutions over up to three spatial axes on the device: layouts and parameters as in
 * runtime/conv.c. */

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

static ctc_dim ctc_conv_f32_blocks(ctc_dim n, ctc_dim groups, ctc_dim oc, const ctc_dim *out) {
  return (ctc_conv_results(n, groups, oc, out) + 255) / 256;
}

/* Convolution with `ic` input and `oc` output channels a group; y [n, groups * oc, out]. bias
 * [groups * oc] may be null. */
template <class Epilogue>
CTC_DEVICE void ctc_conv_f32(const float *x, const float *w, const float *bias, float *y, ctc_dim n,
                             ctc_dim groups, ctc_dim ic, ctc_dim oc, const ctc_dim *in,
                             const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                             const ctc_dim *dilation, const ctc_dim *pad, Epilogue epilogue) {
  const ctc_dim unit = (ctc_dim)blockIdx.x * 256 + (ctc_dim)threadIdx.x;
  if (unit >= ctc_conv_results(n, groups, oc, out)) return;
  const float sum =
      ctc_conv_sum(x, w, bias, unit, groups, ic, oc, in, out, kernel, stride, dilation, pad);
  y[unit] = epilogue(sum, unit, unit / (out[0] * out[1] * out[2]) % (groups * oc));
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

static ctc_dim ctc_conv_transpose_f32_blocks(ctc_dim n, ctc_dim groups, ctc_dim oc,
                                             const ctc_dim *out) {
  return (ctc_conv_results(n, groups, oc, out) + 255) / 256;
}

/* Transposed convolution with `ic` input and `oc` output channels a group; w [groups * ic, oc,
 * kernel], y [n, groups * oc, out]. */
template <class Epilogue>
CTC_DEVICE void ctc_conv_transpose_f32(const float *x, const float *w, const float *bias, float *y,
                                       ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc,
                                       const ctc_dim *in, const ctc_dim *out, const ctc_dim *kernel,
                                       const ctc_dim *stride, const ctc_dim *dilation,
                                       const ctc_dim *pad, Epilogue epilogue) {
  const ctc_dim unit = (ctc_dim)blockIdx.x * 256 + (ctc_dim)threadIdx.x;
  if (unit >= ctc_conv_results(n, groups, oc, out)) return;
  const float sum = ctc_conv_transpose_sum(x, w, bias, unit, groups, ic, oc, in, out, kernel,
                                           stride, dilation, pad);
  y[unit] = epilogue(sum, unit, unit / (out[0] * out[1] * out[2]) % (groups * oc));
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
