/* sort.c: the k largest or smallest elements along an axis, in order. */

/* Whether element `a` at index i comes before element `b` at index k in the result: NaN is the
 * largest, equal ones stay in the order of their indices. */
//$ for t in f32 f64 i8 i16 i32 i64 u8 u16 u32 u64
static inline ctc_bool ctc_ranks_before_$t($T a, ctc_dim i, $T b, ctc_dim k, ctc_dim largest) {
  if (largest ? ctc_wins_max_$t(a, b) : ctc_wins_max_$t(b, a)) return 1;
  if (largest ? ctc_wins_max_$t(b, a) : ctc_wins_max_$t(a, b)) return 0;
  return i < k;
}

/* Moves (value, index) down from the root of a heap of `count` elements, `stride` apart, whose
 * root ranks last. */
static inline void ctc_heap_sink_$t($T *values, int64_t *indices, ctc_dim stride, ctc_dim count,
                                    $T value, ctc_dim index, ctc_dim largest) {
  ctc_dim at = 0;
  for (;;) {
    ctc_dim child = 2 * at + 1;
    if (child >= count) break;
    if (child + 1 < count &&
        ctc_ranks_before_$t(values[child * stride], indices[child * stride],
                            values[(child + 1) * stride], indices[(child + 1) * stride], largest))
      child++;
    if (!ctc_ranks_before_$t(value, index, values[child * stride], indices[child * stride],
                             largest))
      break;
    values[at * stride] = values[child * stride];
    indices[at * stride] = indices[child * stride];
    at = child;
  }
  values[at * stride] = value;
  indices[at * stride] = index;
}

/* Moves (value, index) up from the end of a heap of `count` elements, the last of which is free. */
static inline void ctc_heap_rise_$t($T *values, int64_t *indices, ctc_dim stride, ctc_dim count,
                                    $T value, ctc_dim index, ctc_dim largest) {
  ctc_dim at = count - 1;
  while (at > 0) {
    ctc_dim parent = (at - 1) / 2;
    if (!ctc_ranks_before_$t(values[parent * stride], indices[parent * stride], value, index,
                             largest))
      break;
    values[at * stride] = values[parent * stride];
    indices[at * stride] = indices[parent * stride];
    at = parent;
  }
  values[at * stride] = value;
  indices[at * stride] = index;
}

/* The first k elements of one line of n elements, `stride` apart in input and output: kept in a
 * heap, then taken from it. */
static inline void ctc_topk_line_$t(const $T *x, $T *values, int64_t *indices, ctc_dim n,
                                    ctc_dim stride, ctc_dim k, ctc_dim largest) {
  for (ctc_dim i = 0; i < n && k > 0; i++) {
    $T value = x[i * stride];
    if (i < k)
      ctc_heap_rise_$t(values, indices, stride, i + 1, value, i, largest);
    else if (ctc_ranks_before_$t(value, i, values[0], indices[0], largest))
      ctc_heap_sink_$t(values, indices, stride, k, value, i, largest);
  }
  for (ctc_dim last = k - 1; last > 0; last--) {
    $T value = values[last * stride];
    ctc_dim index = indices[last * stride];
    values[last * stride] = values[0];
    indices[last * stride] = indices[0];
    ctc_heap_sink_$t(values, indices, stride, last, value, index, largest);
  }
}

/* The k first elements along the middle axis of x [outer, n, inner] and their indices, both
 * [outer, k, inner], k <= n. */
static void ctc_topk_$t(const $T *x, $T *values, int64_t *indices, ctc_dim outer, ctc_dim n,
                        ctc_dim inner, ctc_dim k, ctc_dim largest) {
  for (ctc_dim o = 0; o < outer; o++, x += n * inner, values += k * inner, indices += k * inner)
    for (ctc_dim j = 0; j < inner; j++)
      ctc_topk_line_$t(x + j, values + j, indices + j, n, inner, k, largest);
}

//$ end
