/* gradient.c: partial derivatives of x + sin(alpha x)^2 / alpha */

//$ for t in f32 f64
static inline $T snake_grad_x_$t($T x, $T alpha) {
  return 1 + ctc_sin_$t(2 * alpha * x);
}

static inline $T snake_grad_alpha_$t($T x, $T alpha) {
  const $T sine = ctc_sin_$t(alpha * x) / alpha;
  return x * ctc_sin_$t(2 * alpha * x) / alpha - sine * sine;
}
//$ end
