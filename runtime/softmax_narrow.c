/* softmax_narrow.c: Softmax of the 16-bit floats, whose numbers are held in f32 here. As ONNX writes
 * it out, each of Sub, Exp, ReduceSum and Div gives numbers of the narrow type. As in ONNX's
 * reference, a sum of f16 is one of f32 until it is complete, while bf16 is added as bf16. `digits`
 * are the type's binary digits: 11 (f16) or 8 (bf16). */

/* x rounded to that many digits. */
static inline float ctc_narrowed(float x, ctc_dim digits) {
  return digits == 11 ? ctc_half_to_float(ctc_float_to_half(x))
                      : ctc_bfloat_to_float(ctc_float_to_bfloat(x));
}

/* a + b as a partial sum. */
static inline float ctc_narrow_add(float a, float b, ctc_dim digits) {
  return digits == 11 ? a + b : ctc_narrowed(a + b, digits);
}

/* Numbers that are added one after the other; the sums of such blocks are added in pairs, and the
 * sums of pairs …, so that rounding errors grow with the logarithm of n. */
enum { CTC_NARROW_BLOCK = 8, CTC_NARROW_LEVELS = 60 };

/* The sum of up to CTC_NARROW_BLOCK numbers, `step` apart. */
static inline float ctc_narrow_block(const float *x, ctc_dim n, ctc_dim step, ctc_dim digits) {
  float sum = x[0];
  for (ctc_dim i = 1; i < n && i < CTC_NARROW_BLOCK; i++)
    sum = ctc_narrow_add(sum, x[i * step], digits);
  return sum;
}

/* The sum of n > 0 numbers, `step` apart. waiting[l] is the sum of 2^l blocks, if bit l of their
 * number is set. */
static inline float ctc_narrow_sum(const float *x, ctc_dim n, ctc_dim step, ctc_dim digits) {
  float waiting[CTC_NARROW_LEVELS], sum = 0;
  ctc_dim blocks = (n + CTC_NARROW_BLOCK - 1) / CTC_NARROW_BLOCK, none = 1;
  for (ctc_dim b = 0; b < blocks; b++) {
    ctc_dim at = b * CTC_NARROW_BLOCK, level = 0;
    sum = ctc_narrow_block(x + at * step, n - at, step, digits);
    for (ctc_dim bits = b; bits & 1; bits >>= 1)
      sum = ctc_narrow_add(waiting[level++], sum, digits);
    waiting[level] = sum;
  }
  for (ctc_dim level = 0; level < CTC_NARROW_LEVELS && blocks >> level; level++) {
    if (!(blocks >> level & 1)) continue;
    sum = none ? waiting[level] : ctc_narrow_add(waiting[level], sum, digits);
    none = 0;
  }
  return ctc_narrowed(sum, digits);
}

/* A row of n numbers. */
static inline void ctc_softmax_narrow_row(const float *x, float *y, ctc_dim n, ctc_dim digits) {
  float most = ctc_v_row_largest(x, n);
  for (ctc_dim i = 0; i < n; i++) y[i] = ctc_narrowed(x[i] - most, digits);
  ctc_v_row_exp(y, y, 0, n);
  for (ctc_dim i = 0; i < n; i++) y[i] = ctc_narrowed(y[i], digits);
  float sum = n > 0 ? ctc_narrow_sum(y, n, 1, digits) : 0;
  for (ctc_dim i = 0; i < n; i++) y[i] = ctc_narrowed(y[i] / sum, digits);
}

/* A column of n > 0 numbers, `inner` apart. */
static inline void ctc_softmax_narrow_column(const float *x, float *y, ctc_dim n, ctc_dim inner,
                                             ctc_dim digits) {
  float most = x[0];
  for (ctc_dim i = 1; i < n; i++) most = x[i * inner] > most ? x[i * inner] : most;
  for (ctc_dim i = 0; i < n; i++) {
    float e = ctc_exp_f32(ctc_narrowed(x[i * inner] - most, digits));
    y[i * inner] = ctc_narrowed(e, digits);
  }
  float sum = ctc_narrow_sum(y, n, inner, digits);
  for (ctc_dim i = 0; i < n; i++) y[i * inner] = ctc_narrowed(y[i * inner] / sum, digits);
}

/* y = e^(x - max) / sum(e^(x - max)) along the middle axis of [outer, n, inner]; y may be x itself.
 * Units: outer * ceil(inner / CTC_FOLD_TILE). */
static CTC_KERNEL void ctc_softmax_narrow_f32(const float *x, float *y, ctc_dim outer, ctc_dim n,
                                              ctc_dim inner, ctc_dim digits, ctc_dim first,
                                              ctc_dim last) {
  ctc_dim tiles = (inner + CTC_FOLD_TILE - 1) / CTC_FOLD_TILE;
  (void)outer;
  for (ctc_dim unit = first; unit < last; unit++) {
    ctc_dim start = unit / tiles * n * inner, j = unit % tiles * CTC_FOLD_TILE;
    if (inner == 1) {
      ctc_softmax_narrow_row(x + start, y + start, n, digits);
      continue;
    }
    for (ctc_dim end = j + ctc_tile_width(inner - j); j < end && n > 0; j++)
      ctc_softmax_narrow_column(x + start + j, y + start + j, n, inner, digits);
  }
}
