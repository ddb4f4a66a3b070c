/* select.c: elements chosen by their values. */

/* count[0] = how many of the n flags are not 0. */
static void ctc_count_true(const ctc_bool *x, int64_t *count, ctc_dim n) {
  ctc_dim found = 0;
  for (ctc_dim i = 0; i < n; i++) found += x[i] != 0;
  *count = found;
}

/* y [rank, found]: the coordinates of the flags that are not 0, in row-major order; x has the shape
 * `dims`. */
static void ctc_nonzero(const ctc_bool *x, int64_t *y, ctc_dim rank, const ctc_dim *dims,
                        ctc_dim found) {
  ctc_dim n = 1, row = 0;
  for (ctc_dim d = 0; d < rank; d++) n *= dims[d];
  for (ctc_dim i = 0; i < n && row < found; i++) {
    ctc_dim rest = i;
    if (!x[i]) continue;
    for (ctc_dim d = rank - 1; d >= 0; d--) {
      y[d * found + row] = rest % dims[d];
      rest /= dims[d];
    }
    row++;
  }
}

/* y = the blocks of `block` bytes of x [outer, n] whose flag, one for each of the first `length`
 * columns, is not 0. */
static void ctc_compress(const void *x, const ctc_bool *flags, void *y, ctc_dim outer, ctc_dim n,
                         ctc_dim length, ctc_dim block) {
  const unsigned char *from = (const unsigned char *)x;
  unsigned char *to = (unsigned char *)y;
  for (ctc_dim o = 0; o < outer; o++, from += n * block)
    for (ctc_dim i = 0; i < length; i++)
      if (flags[i]) {
        ctc_move_element(to, from + i * block, block);
        to += block;
      }
}

/* y[b][t] = x[b][lengths[b] - 1 - t] for t < lengths[b], x[b][t] behind; steps of `block` bytes,
 * `batch_stride` and `time_stride` bytes apart. */
static int ctc_reverse_sequence(const void *x, const int64_t *lengths, void *y, ctc_dim batch,
                                ctc_dim time, ctc_dim batch_stride, ctc_dim time_stride,
                                ctc_dim block) {
  const unsigned char *from = (const unsigned char *)x;
  unsigned char *to = (unsigned char *)y;
  for (ctc_dim b = 0; b < batch; b++) {
    ctc_dim length = (ctc_dim)lengths[b];
    if (length < 0 || length > time) return CTC_BAD_INDEX;
    for (ctc_dim t = 0; t < time; t++) {
      ctc_dim source = t < length ? length - 1 - t : t;
      ctc_move_element(to + b * batch_stride + t * time_stride,
                       from + b * batch_stride + source * time_stride, block);
    }
  }
  return CTC_OK;
}

//$ for t in f32 f64 i8 i16 i32 i64 u8 u16 u32 u64
/* Compares columns a and b of x [outer, n, inner]: negative, 0 or positive. */
static inline int ctc_compare_columns_$t(const $T *x, ctc_dim a, ctc_dim b, ctc_dim outer,
                                         ctc_dim n, ctc_dim inner) {
  for (ctc_dim o = 0; o < outer; o++)
    for (ctc_dim i = 0; i < inner; i++) {
      $T left = x[(o * n + a) * inner + i], right = x[(o * n + b) * inner + i];
      if (left < right) return -1;
      if (left > right) return 1;
    }
  return 0;
}

/* Whether column a comes before column b; equal ones stay in the order of their positions. */
static inline int ctc_column_before_$t(const $T *x, ctc_dim a, ctc_dim b, ctc_dim outer, ctc_dim n,
                                       ctc_dim inner) {
  int order = ctc_compare_columns_$t(x, a, b, outer, n, inner);
  return order ? order < 0 : a < b;
}

/* Moves the column at the root of a heap of `count` entries of `order` down to where it belongs;
 * the last column is at the root of a complete heap. */
static inline void ctc_sink_column_$t(const $T *x, int64_t *order, ctc_dim at, ctc_dim count,
                                      ctc_dim outer, ctc_dim n, ctc_dim inner) {
  int64_t column = order[at];
  for (ctc_dim child = 2 * at + 1; child < count; child = 2 * at + 1) {
    if (child + 1 < count &&
        ctc_column_before_$t(x, order[child], order[child + 1], outer, n, inner))
      child++;
    if (!ctc_column_before_$t(x, column, order[child], outer, n, inner)) break;
    order[at] = order[child];
    at = child;
  }
  order[at] = column;
}

/* The different columns of x [outer, n, inner]: first[k] is where the k-th of them stands first,
 * counts[k] how often it stands; inverse[i] = k for every column i; total[0] = their number.
 * Sorted, or else in the order of their first places. order: scratch, n entries. All arrays have
 * room for n. */
static void ctc_unique_$t(const $T *x, int64_t *order, int64_t *first, int64_t *inverse,
                          int64_t *counts, int64_t *total, ctc_dim outer, ctc_dim n, ctc_dim inner,
                          ctc_dim sorted) {
  ctc_dim found = 0;
  for (ctc_dim i = 0; i < n; i++) order[i] = i;
  for (ctc_dim i = n / 2 - 1; i >= 0; i--) ctc_sink_column_$t(x, order, i, n, outer, n, inner);
  for (ctc_dim last = n - 1; last > 0; last--) { /* heap sort */
    int64_t largest = order[0];
    order[0] = order[last];
    order[last] = largest;
    ctc_sink_column_$t(x, order, 0, last, outer, n, inner);
  }
  for (ctc_dim i = 0; i < n; i++) { /* the first of equal ones comes first */
    int fresh = i == 0 || ctc_compare_columns_$t(x, order[i - 1], order[i], outer, n, inner) != 0;
    if (fresh) first[found++] = order[i];
    inverse[order[i]] = found - 1;
  }
  if (!sorted) { /* first[k] stands at its own place: mark it there, and number the marks */
    ctc_dim next = 0;
    for (ctc_dim i = 0; i < n; i++) order[i] = first[inverse[i]];
    for (ctc_dim i = 0; i < n; i++) {
      inverse[i] = order[i] == i ? next : inverse[order[i]];
      if (order[i] == i) first[next++] = i;
    }
  }
  for (ctc_dim k = 0; k < found; k++) counts[k] = 0;
  for (ctc_dim i = 0; i < n; i++) counts[inverse[i]]++;
  *total = found;
}
//$ end
