/* kernel.c: x + sin(alpha x)^2 / alpha */

//$ for t in f32 f64
static inline $T snake_$t($T x, $T alpha) {
  return x + ctc_square_$t(ctc_sin_$t(alpha * x)) / alpha;
}
//$ end

/* The same on vectors: only with it the layer becomes part of vector code. */
static inline ctc_v snake_v(ctc_v x, ctc_v alpha) {
  return x + ctc_square_v(ctc_sin_v(alpha * x)) / alpha;
}
