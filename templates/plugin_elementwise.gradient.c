/* gradient.c: the derivatives of one result by each of its inputs, for training */

$each_type
static inline $T $prefix_grad_x_$t($T x, $T alpha, $T beta) {
  const $T s = ctc_sigmoid_$t(beta * x);
  return alpha * s * (1 + beta * x * (1 - s));
}
$end

$each_type
static inline $T $prefix_grad_alpha_$t($T x, $T beta) {
  return x * ctc_sigmoid_$t(beta * x);
}
$end
