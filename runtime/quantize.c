/* quantize.c: numbers stored as small integers: real = scale * (level - zero). Rounding is to the
 * nearest level, ties to even; what lies outside of the type's range becomes its nearest end. */

/* Ends of the types' ranges. */
#define CTC_LOWEST_LEVEL_u8 0
#define CTC_LOWEST_LEVEL_i8 (-128)
#define CTC_LOWEST_LEVEL_u16 0
#define CTC_LOWEST_LEVEL_i16 (-32768)
#define CTC_LOWEST_LEVEL_u4 0
#define CTC_LOWEST_LEVEL_i4 (-8)
#define CTC_LOWEST_LEVEL_u2 0
#define CTC_LOWEST_LEVEL_i2 (-2)
#define CTC_HIGHEST_LEVEL_u8 255
#define CTC_HIGHEST_LEVEL_i8 127
#define CTC_HIGHEST_LEVEL_u16 65535
#define CTC_HIGHEST_LEVEL_i16 32767
#define CTC_HIGHEST_LEVEL_u4 15
#define CTC_HIGHEST_LEVEL_i4 7
#define CTC_HIGHEST_LEVEL_u2 3
#define CTC_HIGHEST_LEVEL_i2 1

/* The level nearest to `level`; the lowest one for NaN. */
//$ for t in u8 i8 u16 i16 u4 i4 u2 i2
static inline $T ctc_saturate_f32_$t(float level) {
  if (!(level > CTC_LOWEST_LEVEL_$t)) return CTC_LOWEST_LEVEL_$t;
  return level > CTC_HIGHEST_LEVEL_$t ? CTC_HIGHEST_LEVEL_$t : ($T)level;
}
//$ end

/* The level of x. */
//$ for t in u8 i8 u16 i16 u4 i4 u2 i2
static inline $T ctc_quantize_f32_$t(float x, float scale, $T zero) {
  return ctc_saturate_f32_$t(rintf(x / scale) + (float)zero);
}
//$ end

/* The level of the real number scale * sum, for sums of products of levels. */
//$ for t in u8 i8 u16 i16
static inline $T ctc_requantize_$t(int32_t sum, float scale, $T zero) {
  return ctc_saturate_f32_$t(rintf((float)sum * scale) + (float)zero);
}
//$ end

/* The real number of a level. */
//$ for t in u8 i8 u16 i16 i32
static inline float ctc_dequantize_$t_f32($T level, float scale, $T zero) {
  return (float)((int64_t)level - (int64_t)zero) * scale;
}
//$ end

/* Scale and zero point for which the levels 0 … 255 cover the range of x and 0. */
static void ctc_dynamic_range_f32_u8(const float *x, float *scale, uint8_t *zero, ctc_dim n) {
  const ctc_dim whole = n - n % (2 * CTC_LANES);
  ctc_v least = ctc_v_set(0), most = least, least2 = least, most2 = least;
  for (ctc_dim i = 0; i < whole; i += 2 * CTC_LANES) {
    const ctc_v a = ctc_v_load(x + i), b = ctc_v_load(x + i + CTC_LANES);
    least = ctc_v_min(a, least);
    most = ctc_v_max(a, most);
    least2 = ctc_v_min(b, least2);
    most2 = ctc_v_max(b, most2);
  }
  float low = -ctc_v_largest(-ctc_v_min(least, least2)), high = ctc_v_largest(ctc_v_max(most, most2));
  for (ctc_dim i = whole; i < n; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  *scale = high == low ? 1.0f : (high - low) / 255.0f;
  *zero = ctc_saturate_f32_u8(rintf(-low / *scale));
}

/* The part of B that ctc_matmul_integer works on at a time. */
enum { CTC_INTEGER_DEPTH = 16, CTC_INTEGER_COLUMNS = 128 };

/* panel[l * width + j] = b[l * n + j] - zero[j * zero_step]. */
//$ for u in u8 i8
static inline void ctc_integer_panel_$u(const $U *b, const $U *zero, ctc_dim zero_step,
                                        int16_t *panel, ctc_dim depth, ctc_dim width, ctc_dim n) {
  for (ctc_dim l = 0; l < depth; l++)
    for (ctc_dim j = 0; j < width; j++)
      panel[l * width + j] = (int16_t)(b[l * n + j] - (zero ? zero[j * zero_step] : 0));
}
//$ end

/* y[0..width) += the rows of a panel (depth x width) times the levels a[0..depth) - zero. */
//$ for t in u8 i8
static inline void ctc_integer_row_$t(const $T *a, $T zero, const int16_t *CTC_RESTRICT panel,
                                      int32_t *CTC_RESTRICT y, ctc_dim depth, ctc_dim width) {
  ctc_dim l = 0;
  for (; l + 2 <= depth; l += 2) {
    const int16_t p = (int16_t)(a[l] - zero), q = (int16_t)(a[l + 1] - zero);
    const int16_t *CTC_RESTRICT b0 = panel + l * width;
    const int16_t *CTC_RESTRICT b1 = b0 + width;
    ctc_dim j = 0;
    for (; j + 16 <= width; j += 16)
      for (int i = 0; i < 16; i++) y[j + i] += p * b0[j + i] + q * b1[j + i];
    for (j = width - width % 16; j < width; j++) y[j] += p * b0[j] + q * b1[j];
  }
  for (l = depth - depth % 2; l < depth; l++)
    for (ctc_dim j = 0; j < width; j++) y[j] += (a[l] - zero) * panel[l * width + j];
}
//$ end

/* y[m x n] = (A[m x k] - a_zero) * (B[k x n] - b_zero) in integers. Row i of A has the zero point
 * a_zero[i * a_step], column j of B has b_zero[j * b_step]; both may be missing. */
//$ for t in u8 i8
//$ for u in u8 i8
static inline void ctc_integer_product_$t_$u(const $T *a, const $U *b, const $T *a_zero,
                                             const $U *b_zero, int32_t *y, ctc_dim m, ctc_dim n,
                                             ctc_dim k, ctc_dim a_step, ctc_dim b_step) {
  int16_t panel[CTC_INTEGER_DEPTH * CTC_INTEGER_COLUMNS];
  for (ctc_dim i = 0; i < m * n; i++) y[i] = 0;
  for (ctc_dim j = 0; j < n; j += CTC_INTEGER_COLUMNS) {
    ctc_dim width = n - j;
    if (width > CTC_INTEGER_COLUMNS) width = CTC_INTEGER_COLUMNS;
    for (ctc_dim l = 0; l < k; l += CTC_INTEGER_DEPTH) {
      ctc_dim depth = k - l;
      if (depth > CTC_INTEGER_DEPTH) depth = CTC_INTEGER_DEPTH;
      ctc_integer_panel_$u(b + l * n + j, b_zero ? b_zero + j * b_step : b_zero, b_step, panel,
                           depth, width, n);
      for (ctc_dim i = 0; i < m; i++)
        ctc_integer_row_$t(a + i * k + l, a_zero ? a_zero[i * a_step] : ($T)0, panel, y + i * n + j,
                           depth, width);
    }
  }
}
//$ end
//$ end

/* The product of integer matrices above for every index of the `rank` dims `batch`, with steps as
 * in ctc_matmul_batch; the zero points of the matrices move with a_zero_step and b_zero_step. */
//$ for t in u8 i8
//$ for u in u8 i8
static void ctc_matmul_integer_$t_$u(const $T *a, const $U *b, const $T *a_zero, const $U *b_zero,
                                     int32_t *y, ctc_dim m, ctc_dim n, ctc_dim k, ctc_dim a_step,
                                     ctc_dim b_step, ctc_dim rank, const ctc_dim *batch,
                                     const ctc_dim *a_batch, const ctc_dim *b_batch,
                                     const ctc_dim *a_zero_batch, const ctc_dim *b_zero_batch) {
  ctc_dim count = 1;
  for (ctc_dim d = 0; d < rank; d++) count *= batch[d];
  for (ctc_dim i = 0; i < count; i++) {
    ctc_dim rest = i, at_a = 0, at_b = 0, at_a_zero = 0, at_b_zero = 0;
    for (ctc_dim d = rank - 1; d >= 0; d--) {
      ctc_dim index = rest % batch[d];
      rest /= batch[d];
      at_a += index * a_batch[d];
      at_b += index * b_batch[d];
      at_a_zero += index * a_zero_batch[d];
      at_b_zero += index * b_zero_batch[d];
    }
    ctc_integer_product_$t_$u(a + at_a, b + at_b, a_zero ? a_zero + at_a_zero : a_zero,
                              b_zero ? b_zero + at_b_zero : b_zero, y + i * m * n, m, n, k, a_step,
                              b_step);
  }
}
//$ end
//$ end
