/* conv_thin.c: transposed convolutions of blocked values to so few channels that blocks of 16 would
 * be mostly empty: the results are row-major. */

enum { CTC_THIN_CHANNELS = 128 }; /* the most input channels */

/* y[o][i kh + a][j kw + b] = sum over c of x[c][i][j] w[c][o][a][b]: stride and kernel are the same,
 * so that each result comes from one pixel. Lanes are pixels of a row: its channels are transposed
 * into a tile. x: blocked, y: row-major; w: [ceil(out kh kw / 4)][in][4], zeros behind the last one.
 * Units: n * ih. */
static CTC_KERNEL void ctc_conv_transpose_thin_f32(const float *x, const float *w, float *y,
                                                   ctc_dim in_channels, ctc_dim out_channels,
                                                   ctc_dim ih, ctc_dim iw, ctc_dim kh, ctc_dim kw,
                                                   ctc_dim x_image, ctc_dim x_block, ctc_dim x_row,
                                                   ctc_dim first, ctc_dim last) {
  const ctc_dim taps = kh * kw, results = out_channels * taps;
  float tile[CTC_THIN_CHANNELS * CTC_LANES], lanes[4 * CTC_LANES];
  for (ctc_dim unit = first; unit < last; unit++) {
    const float *from = x + (unit / ih * x_image + unit % ih * x_row);
    float *to = y + (unit / ih * out_channels * ih + unit % ih) * taps * iw;
    for (ctc_dim p = 0; p < iw; p += CTC_LANES) {
      const int count = ctc_rest(iw - p);
      for (ctc_dim c = 0; c < in_channels; c += CTC_LANES)
        ctc_transpose_tile(from + (c / 16 * x_block + p * 16 + c % 16), 16, tile + c * CTC_LANES,
                           count, CTC_LANES);
      for (ctc_dim r = 0; r < results; r += 4) {
        const float *numbers = w + r * in_channels;
        ctc_v s0 = ctc_v_set(0), s1 = s0, s2 = s0, s3 = s0;
        for (ctc_dim c = 0; c < in_channels; c++, numbers += 4) {
          const ctc_v pixels = ctc_v_load(tile + c * CTC_LANES);
          s0 += pixels * numbers[0];
          s1 += pixels * numbers[1];
          s2 += pixels * numbers[2];
          s3 += pixels * numbers[3];
        }
        ctc_v_store(lanes, s0);
        ctc_v_store(lanes + CTC_LANES, s1);
        ctc_v_store(lanes + 2 * CTC_LANES, s2);
        ctc_v_store(lanes + 3 * CTC_LANES, s3);
        for (ctc_dim k = r; k < r + 4 && k < results; k++) {
          float *row = to + (k / taps * ih * taps + k % taps / kw * kw) * iw + p * kw + k % kw;
          for (int i = 0; i < count; i++) row[i * kw] = lanes[(k - r) * CTC_LANES + i];
        }
      }
    }
  }
}
