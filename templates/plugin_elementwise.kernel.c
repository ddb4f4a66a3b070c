/* kernel.c: $name, a swish with one factor a channel */

$each_type
static inline $T $prefix_$t($T x, $T alpha, $T beta) {
  return alpha * x * ctc_sigmoid_$t(beta * x);
}
$end

/* The same for vectors of floats; without it all works as well, but slower. */
static inline ctc_v $prefix_v(ctc_v x, ctc_v alpha, ctc_v beta) {
  return ctc_mul_v(ctc_mul_v(alpha, x), ctc_sigmoid_v(ctc_mul_v(beta, x)));
}
