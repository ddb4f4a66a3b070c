/* sort.cu: the k largest or smallest elements along an axis, in order. */

enum { CTC_TOPK_TILE = 256 };

//$ for t in f32 f64 i8 i16 i32 i64 u8 u16 u32 u64
static ctc_dim ctc_topk_$t_blocks(ctc_dim outer, ctc_dim n, ctc_dim inner, ctc_dim k) {
  return k > 0 ? outer * inner * ctc_blocks_for(n, CTC_TOPK_TILE) : 0;
}

/* The k first elements along the middle axis of x [outer, n, inner] and their indices, both
 * [outer, k, inner], k <= n. A thread counts how many elements of its line come before its own:
 * that is the place of it. */
CTC_DEVICE void ctc_topk_$t(const $T *x, $T *values, int64_t *indices, ctc_dim outer, ctc_dim n,
                            ctc_dim inner, ctc_dim k, ctc_dim largest) {
  __shared__ $T tile[CTC_TOPK_TILE];
  const ctc_dim parts = ctc_blocks_for(n, CTC_TOPK_TILE);
  const ctc_dim line = (ctc_dim)blockIdx.x / parts, thread = (ctc_dim)threadIdx.x;
  const ctc_dim own = (ctc_dim)blockIdx.x % parts * CTC_TOPK_TILE + thread;
  const ctc_dim column = line % inner;
  x += line / inner * n * inner + column;
  const $T value = own < n ? x[own * inner] : ($T)0;
  ctc_dim place = own < n ? 0 : k;
  for (ctc_dim from = 0; from < n; from += CTC_TOPK_TILE) {
    if (from + thread < n) tile[thread] = x[(from + thread) * inner];
    __syncthreads();
    const ctc_dim count = n - from < CTC_TOPK_TILE ? n - from : (ctc_dim)CTC_TOPK_TILE;
#pragma unroll 8
    for (ctc_dim i = 0; i < count; i++)
      place += ctc_ranks_before_$t(tile[i], from + i, value, own, largest);
    __syncthreads();
  }
  if (place >= k) return;
  const ctc_dim to = (line / inner * k + place) * inner + column;
  values[to] = value;
  indices[to] = own;
}
//$ end
