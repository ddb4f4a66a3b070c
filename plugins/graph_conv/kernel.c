/* kernel.c: convolution on a graph.
 *
 *   y[i] = weight m[i] + self_weight x[i] + bias
 *   m[i] = sum, or mean, of x[j] over the edges j to i;  0 where there is none */

/* Values of `aggregation`. */
enum { GRAPHCONV_SUM, GRAPHCONV_MEAN };

//$ for t in f32 f64
/* messages[i] += x[j] for each edge j to i, in their order. */
static int graphconv_send_$t(const $T *x, const int64_t *edges, $T *messages, ctc_dim N, ctc_dim E,
                             ctc_dim F) {
  const int64_t *from = edges, *to = edges + E;
  for (ctc_dim e = 0; e < E; e++) {
    if (from[e] < 0 || from[e] >= N || to[e] < 0 || to[e] >= N) return CTC_BAD_INDEX;
    ctc_add_row_$t(1, x + from[e] * F, messages + to[e] * F, F);
  }
  return CTC_OK;
}
//$ end

//$ for t in f32 f64
/* rows[i] divided by the number of edges to i. */
static void graphconv_divide_$t($T *rows, const int64_t *edges, int64_t *degrees, ctc_dim N,
                                ctc_dim E, ctc_dim F) {
  for (ctc_dim i = 0; i < N; i++) degrees[i] = 0;
  for (ctc_dim e = 0; e < E; e++) degrees[edges[E + e]]++;
  for (ctc_dim i = 0; i < N; i++)
    for (ctc_dim f = 0; f < F && degrees[i] > 1; f++) rows[i * F + f] /= ($T)degrees[i];
}
//$ end

//$ for t in f32 f64
/* messages = m */
static int graphconv_aggregate_$t(const $T *x, const int64_t *edges, $T *messages, int64_t *degrees,
                                  ctc_dim aggregation, ctc_dim N, ctc_dim E, ctc_dim F) {
  for (ctc_dim i = 0; i < N * F; i++) messages[i] = 0;
  const int status = graphconv_send_$t(x, edges, messages, N, E, F);
  if (status == CTC_OK && aggregation == GRAPHCONV_MEAN)
    graphconv_divide_$t(messages, edges, degrees, N, E, F);
  return status;
}
//$ end

//$ for t in f32 f64
/* y[N x G] += x[N x F] weight^T; `turned` is memory for the transposed weight, whose rows are added
 * up. */
static void graphconv_linear_$t(const $T *x, const $T *weight, $T *turned, $T *y, ctc_dim N,
                                ctc_dim F, ctc_dim G) {
  for (ctc_dim g = 0; g < G; g++)
    for (ctc_dim f = 0; f < F; f++) turned[f * G + g] = weight[g * F + f];
  ctc_matmul_add_$t(x, turned, y, N, G, F, F, 1, G, G, 1);
}
//$ end

//$ for t in f32 f64
static int graphconv_$t(const $T *x, const int64_t *edges, const $T *weight, const $T *self_weight,
                        const $T *bias, $T *y, $T *messages, $T *turned, int64_t *degrees,
                        ctc_dim aggregation, ctc_dim N, ctc_dim E, ctc_dim F, ctc_dim G) {
  const int status = graphconv_aggregate_$t(x, edges, messages, degrees, aggregation, N, E, F);
  if (status != CTC_OK) return status;
  for (ctc_dim i = 0; i < N; i++)
    for (ctc_dim g = 0; g < G; g++) y[i * G + g] = bias ? bias[g] : 0;
  graphconv_linear_$t(messages, weight, turned, y, N, F, G);
  graphconv_linear_$t(x, self_weight, turned, y, N, F, G);
  return CTC_OK;
}
//$ end
