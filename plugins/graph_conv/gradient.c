/* gradient.c: of graph convolution. With d = grad_y weight, over the number of edges to i if the
 * mean is taken:
 *
 *   grad_x[j] = grad_y[j] self_weight + sum of d[i] over the edges j to i
 *   grad_weight = grad_y^T m,  grad_self_weight = grad_y^T x,  grad_bias = sum of grad_y[i] */

//$ for t in f32 f64
/* gradient[G x F] = grad_y[N x G]^T rows[N x F] */
static void graphconv_weight_gradient_$t(const $T *grad_y, const $T *rows, $T *gradient, ctc_dim N,
                                         ctc_dim F, ctc_dim G) {
  for (ctc_dim i = 0; i < G * F; i++) gradient[i] = 0;
  ctc_matmul_add_$t(grad_y, rows, gradient, G, F, N, 1, G, F, F, 1);
}
//$ end

//$ for t in f32 f64
static int graphconv_gradient_$t(const $T *x, const int64_t *edges, const $T *weight,
                                 const $T *self_weight, const $T *grad_y, $T *grad_x,
                                 $T *grad_weight, $T *grad_self_weight, $T *grad_bias, $T *messages,
                                 int64_t *degrees, ctc_dim aggregation, ctc_dim N, ctc_dim E,
                                 ctc_dim F, ctc_dim G) {
  const int status = graphconv_aggregate_$t(x, edges, messages, degrees, aggregation, N, E, F);
  if (status != CTC_OK) return status;
  graphconv_weight_gradient_$t(grad_y, messages, grad_weight, N, F, G);
  graphconv_weight_gradient_$t(grad_y, x, grad_self_weight, N, F, G);
  for (ctc_dim g = 0; grad_bias && g < G; g++) {
    grad_bias[g] = 0;
    for (ctc_dim i = 0; i < N; i++) grad_bias[g] += grad_y[i * G + g];
  }
  ctc_matmul_$t(grad_y, self_weight, grad_x, N, F, G);
  ctc_matmul_$t(grad_y, weight, messages, N, F, G);
  if (aggregation == GRAPHCONV_MEAN) graphconv_divide_$t(messages, edges, degrees, N, E, F);
  for (ctc_dim e = 0; e < E; e++)
    ctc_add_row_$t(1, messages + edges[E + e] * F, grad_x + edges[e] * F, F);
  return CTC_OK;
}
//$ end
