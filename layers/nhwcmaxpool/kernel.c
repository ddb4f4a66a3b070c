/* kernel.c: maximum pooling with the channels last */

/* A unit is a row of results. The channels are the inner loop, which the C compiler vectorises. */
//$ for t in i8 u8
static void nhwcmaxpool_$t(const $T *x, $T *y, const ctc_dim *kernel_shape, const ctc_dim *strides,
                           const ctc_dim *dilations, ctc_dim top, ctc_dim left, ctc_dim H, ctc_dim W, ctc_dim C,
                           ctc_dim OH, ctc_dim OW, ctc_dim first, ctc_dim last) {
  for (ctc_dim unit = first; unit < last; unit++)
    for (ctc_dim ow = 0; ow < OW; ow++) {
      const $T *image = x + unit / OH * H * W * C;
      $T *to = y + (unit * OW + ow) * C;
      for (ctc_dim c = 0; c < C; c++) to[c] = nhwcmaxpool_least_$t();
      for (ctc_dim kh = 0; kh < kernel_shape[0]; kh++)
        for (ctc_dim kw = 0; kw < kernel_shape[1]; kw++) {
          const ctc_dim h = unit % OH * strides[0] + kh * dilations[0] - top;
          const ctc_dim w = ow * strides[1] + kw * dilations[1] - left;
          if (h < 0 || h >= H || w < 0 || w >= W) continue;
          const $T *from = image + (h * W + w) * C;
          for (ctc_dim c = 0; c < C; c++) to[c] = from[c] > to[c] ? from[c] : to[c];
        }
    }
}
//$ end

static inline int8_t nhwcmaxpool_least_i8(void) { return INT8_MIN; }

static inline uint8_t nhwcmaxpool_least_u8(void) { return 0; }
