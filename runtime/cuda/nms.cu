/* nms.cu: non-maximum suppression, in one block: of the candidates that are left the best one is
 * kept, and drops those that it overlaps (runtime/nms.c). */

enum { CTC_NMS_THREADS = 1024 };
enum { ctc_nms_threads = 1024 };

static ctc_dim ctc_nms_blocks(ctc_dim batch) {
  return batch >= 0;
}

/* order[0..count) = the boxes above the threshold (null: all), with rising indices; the count. */
CTC_DEVICE ctc_dim ctc_nms_candidates(const float *scores, const float *threshold, int64_t *order,
                                      ctc_dim n) {
  __shared__ int counts[CTC_NMS_THREADS / 32];
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  ctc_dim count = 0;
  for (ctc_dim from = 0; from < n; from += CTC_NMS_THREADS) {
    const ctc_dim i = from + (ctc_dim)threadIdx.x;
    const bool above = i < n && (!threshold || scores[i] > *threshold);
    const unsigned set = __ballot_sync(0xffffffffu, above);
    if (lane == 0) counts[warp] = __popc(set);
    __syncthreads();
    ctc_dim before = count + __popc(set & ((1u << lane) - 1));
    for (int w = 0; w < CTC_NMS_THREADS / 32; w++) {
      if (w < warp) before += counts[w];
      count += counts[w];
    }
    if (above) order[before] = i;
    __syncthreads();
  }
  return count;
}

/* The better one of two places of `order`; -1 is none. */
CTC_DEVICE ctc_dim ctc_nms_better(const float *scores, const int64_t *order, ctc_dim a, ctc_dim b) {
  if (a < 0 || b < 0) return a < 0 ? b : a;
  return ctc_box_before(scores, order[b], order[a]) ? b : a;
}

/* The place of the best candidate that is left; -1 if there is none. All threads get it. */
CTC_DEVICE ctc_dim ctc_nms_best(const float *scores, const int64_t *order, ctc_dim count) {
  __shared__ ctc_dim places[CTC_NMS_THREADS / 32];
  ctc_dim best = -1;
  for (ctc_dim i = (ctc_dim)threadIdx.x; i < count; i += CTC_NMS_THREADS)
    if (order[i] >= 0) best = ctc_nms_better(scores, order, best, i);
#pragma unroll
  for (int step = 16; step > 0; step /= 2)
    best = ctc_nms_better(scores, order, best, __shfl_xor_sync(0xffffffffu, best, step));
  if (threadIdx.x % 32 == 0) places[threadIdx.x / 32] = best;
  __syncthreads();
  best = places[threadIdx.x % 32];
#pragma unroll
  for (int step = 16; step > 0; step /= 2)
    best = ctc_nms_better(scores, order, best, __shfl_xor_sync(0xffffffffu, best, step));
  __syncthreads();
  return best;
}

/* Parameters: runtime/nms.c. */
CTC_DEVICE void ctc_nms(const float *boxes, const float *scores, const int64_t *most,
                        const float *limit, const float *threshold, int64_t *order, int64_t *y,
                        int64_t *found, ctc_dim batch, ctc_dim classes, ctc_dim n,
                        ctc_dim centered) {
  const float allowed = limit ? *limit : 0;
  ctc_dim total = 0;
  for (ctc_dim unit = 0; unit < batch * classes; unit++) {
    const ctc_dim b = unit / classes, first = total;
    const float *all = boxes + b * n * 4, *own = scores + unit * n;
    const ctc_dim count = ctc_nms_candidates(own, threshold, order, n);
    while (most && total - first < *most) {
      const ctc_dim best = ctc_nms_best(own, order, count);
      if (best < 0) break;
      const int64_t box = order[best];
      if (threadIdx.x == 0) {
        y[total * 3] = b;
        y[total * 3 + 1] = unit % classes;
        y[total * 3 + 2] = box;
      }
      total++;
      __syncthreads();
      for (ctc_dim i = (ctc_dim)threadIdx.x; i < count; i += CTC_NMS_THREADS)
        if (i == best || (order[i] >= 0 &&
                          ctc_box_overlap(all + order[i] * 4, all + box * 4, centered) > allowed))
          order[i] = -1;
      __syncthreads();
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) *found = total;
}
