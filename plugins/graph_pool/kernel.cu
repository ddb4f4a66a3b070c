/* kernel.cu: rows of nodes to rows of graphs on a GPU, a thread a number of y. */

//$ for t in f32 f64
static ctc_dim graphpool_$t_blocks(ctc_dim F, ctc_dim G) {
  return ctc_blocks_for(G * F, 256);
}
//$ end

//$ for t in f32 f64
CTC_DEVICE void graphpool_$t(const $T *x, const int64_t *starts, $T *y, ctc_dim aggregation,
                             ctc_dim N, ctc_dim F, ctc_dim G, int *status) {
  const ctc_dim at = (ctc_dim)blockIdx.x * 256 + (ctc_dim)threadIdx.x;
  if (at >= G * F) return;
  const ctc_dim g = at / F;
  if (!graphpool_is_range(starts, g, N)) {
    *status = CTC_BAD_INDEX;
    return;
  }
  const ctc_dim n = (ctc_dim)(starts[g + 1] - starts[g]);
  const $T *column = x + (ctc_dim)starts[g] * F + at % F;
  $T value = n > 0 ? column[0] : 0;
  for (ctc_dim i = 1; i < n; i++)
    value = aggregation == GRAPHPOOL_MAX ? ctc_max_$t(value, column[i * F])
                                         : value + column[i * F];
  y[at] = aggregation == GRAPHPOOL_MEAN && n > 1 ? value / ($T)n : value;
}
//$ end
