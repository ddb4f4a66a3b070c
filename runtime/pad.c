/* pad.c: padding that repeats or mirrors the input. */

/* The position in [0, n) that stands at position i of the endless padded axis. Mode 0 repeats the
 * edge: a a|abc|c c; 1 mirrors without repeating the edge: c b|abc|b a; 2 repeats all: b c|abc|a b.
 */
static inline ctc_dim ctc_padded_index(ctc_dim i, ctc_dim n, ctc_dim mode) {
  if (i >= 0 && i < n) return i;
  if (mode == 0 || n == 1) return i < 0 ? 0 : n - 1;
  ctc_dim period = mode == 1 ? 2 * (n - 1) : n, rest = i % period;
  if (rest < 0) rest += period;
  return rest < n ? rest : period - rest;
}

/* One row of `width` elements: those that stand over the row x of n elements are copied together.
 */
static inline void ctc_pad_row(const unsigned char *x, unsigned char *y, ctc_dim n, ctc_dim width,
                               ctc_dim before, ctc_dim mode, ctc_dim bytes) {
  ctc_dim first = before > 0 ? before : 0, last = n + before < width ? n + before : width;
  if (first > last) first = last = 0;
  for (ctc_dim i = 0; i < first; i++)
    ctc_move_element(y + i * bytes, x + ctc_padded_index(i - before, n, mode) * bytes, bytes);
  if (last > first)
    memcpy(y + first * bytes, x + (first - before) * bytes, (size_t)((last - first) * bytes));
  for (ctc_dim i = last; i < width; i++)
    ctc_move_element(y + i * bytes, x + ctc_padded_index(i - before, n, mode) * bytes, bytes);
}

/* y[i] = x[padded position of i - before], by axis; x has the shape `in`, y `out`. Elements of
 * `bytes` bytes. */
static void ctc_pad(const void *x, void *y, ctc_dim rank, const ctc_dim *in, const ctc_dim *out,
                    const ctc_dim *before, ctc_dim mode, ctc_dim bytes) {
  const unsigned char *from = (const unsigned char *)x;
  unsigned char *to = (unsigned char *)y;
  ctc_dim at[16] = {0}, rows = 1, last = rank - 1;
  if (rank == 0) {
    ctc_move_element(to, from, bytes);
    return;
  }
  for (ctc_dim d = 0; d < last; d++) rows *= out[d];
  for (ctc_dim row = 0; row < rows; row++, to += out[last] * bytes) {
    ctc_dim source = 0;
    for (ctc_dim d = 0; d < last; d++)
      source = source * in[d] + ctc_padded_index(at[d] - before[d], in[d], mode);
    ctc_pad_row(from + source * in[last] * bytes, to, in[last], out[last], before[last], mode,
                bytes);
    for (ctc_dim d = last - 1; d >= 0; d--) {
      if (++at[d] < out[d]) break;
      at[d] = 0;
    }
  }
}
