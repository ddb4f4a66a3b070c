/* kernel.cu: generalised divisive normalisation on a GPU.
 *
 * A block has 32 places, one a lane, and 64 channels at a time, 8 a warp. Squares of 32 channels
 * are in shared memory while gamma's numbers, the same for all lanes, run over them. */

enum { GDN_PLACES = 32, GDN_WARPS = 8, GDN_CHANNELS = 8 }; /* channels of a thread */

//$ for t in f32 f64
static ctc_dim gdn_$t_blocks(ctc_dim N, ctc_dim rest) {
  return ctc_blocks_for(N * rest, GDN_PLACES);
}
//$ end

//$ for t in f32 f64
/* Squares of channels [from, from + 32) of the block's places; x is that of channel 0. */
CTC_DEVICE void gdn_load_squares_$t(const $T *x, ctc_dim from, ctc_dim C, ctc_dim rest, bool inside,
                                    $T (*squares)[GDN_PLACES]) {
  const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
  for (int i = warp; i < 32; i += GDN_WARPS) {
    const $T value = inside && from + i < C ? x[(from + i) * rest] : 0;
    squares[i][lane] = value * value;
  }
}
//$ end

//$ for t in f32 f64
CTC_DEVICE void gdn_$t(const $T *x, const $T *beta, const $T *gamma, $T *y, $T *squares, $T *norms,
                       ctc_dim inverse, ctc_dim N, ctc_dim C, ctc_dim rest, ctc_dim tiles,
                       ctc_dim parts) {
  __shared__ $T tile[32][GDN_PLACES];
  const int warp = (int)threadIdx.x / 32;
  const ctc_dim place = (ctc_dim)blockIdx.x * GDN_PLACES + (ctc_dim)threadIdx.x % 32;
  const bool inside = place < N * rest;
  const ctc_dim start = place / rest * C * rest + place % rest;
  (void)squares, (void)norms, (void)tiles, (void)parts;
  for (ctc_dim first = 0; first < C; first += GDN_WARPS * GDN_CHANNELS) {
    $T sums[GDN_CHANNELS] = {0};
    for (ctc_dim from = 0; from < C; from += 32) {
      __syncthreads();
      gdn_load_squares_$t(x + start, from, C, rest, inside, tile);
      __syncthreads();
      for (int k = 0; k < 32 && from + k < C; k++)
        for (int j = 0; j < GDN_CHANNELS; j++) {
          const ctc_dim c = first + warp + j * GDN_WARPS;
          if (c < C) sums[j] += gamma[c * C + from + k] * tile[k][threadIdx.x % 32];
        }
    }
    for (int j = 0; j < GDN_CHANNELS && inside; j++) {
      const ctc_dim c = first + warp + j * GDN_WARPS;
      if (c >= C) break;
      const $T value = x[start + c * rest], root = ctc_sqrt_$t(sums[j] + beta[c]);
      y[start + c * rest] = inverse ? value * root : value / root;
    }
  }
}
//$ end
