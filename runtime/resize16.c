/* resize16.c: resizing rows and columns of blocked tensors (blocked.c) by the tables of resize.c.
 *
 * An output pixel blends taps_h rows of taps_w pixels each: first the pixels of a row, then the
 * rows. Units are rows of the output: image, block, row. */

/* The blend of `taps` pixels of a row, one vector of each. */
static inline CTC_INLINE ctc_v ctc_resize_pixels(const float *x, const int64_t *index,
                                                 const float *weight, ctc_dim taps) {
  ctc_v sum = ctc_v_load(x + index[0] * 16);
  if (weight) sum = weight[0] * sum;
  for (ctc_dim t = 1; t < taps; t++) sum += weight[t] * ctc_v_load(x + index[t] * 16);
  return sum;
}

/* x and y point at pixel (0, 0). index_h, weight_h [out_h, taps_h], index_w, weight_w [out_w,
 * taps_w]; without weights, there is one tap, which counts as it is. */
static CTC_KERNEL void ctc_resize16_f32(const float *x, const int64_t *index_h,
                                        const float *weight_h, const int64_t *index_w,
                                        const float *weight_w, float *y, ctc_epilogue epilogue,
                                        const float *const *operands, ctc_dim blocks, ctc_dim out_h,
                                        ctc_dim out_w, ctc_dim taps_h, ctc_dim taps_w,
                                        ctc_dim x_image, ctc_dim x_block, ctc_dim x_row,
                                        ctc_dim y_image, ctc_dim y_block, ctc_dim y_row,
                                        ctc_dim first, ctc_dim last) {
  for (ctc_dim unit = first; unit < last; unit++) {
    const ctc_dim row = unit % out_h, block = unit / out_h % blocks, image = unit / out_h / blocks;
    const float *plane = x + (image * x_image + block * x_block);
    const ctc_dim to = image * y_image + block * y_block + row * y_row;
    const int64_t *rows = index_h + row * taps_h;
    const float *weights = weight_h ? weight_h + row * taps_h : NULL;
    for (ctc_dim column = 0; column < out_w; column++) {
      const int64_t *columns = index_w + column * taps_w;
      const float *shares = weight_w ? weight_w + column * taps_w : NULL;
      for (int lane = 0; lane < 16; lane += CTC_LANES) {
        const float *from = plane + lane;
        const ctc_dim at = to + column * 16 + lane;
        ctc_v sum = ctc_resize_pixels(from + rows[0] * x_row, columns, shares, taps_w);
        if (weights) sum = weights[0] * sum;
        for (ctc_dim t = 1; t < taps_h; t++)
          sum += weights[t] * ctc_resize_pixels(from + rows[t] * x_row, columns, shares, taps_w);
        if (epilogue) sum = epilogue(sum, operands, at, block * 16 + lane, CTC_LANES);
        ctc_v_store(y + at, sum);
      }
    }
  }
}
