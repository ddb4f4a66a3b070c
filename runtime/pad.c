/* pad.c: padding that repeats or mirrors the input. */

/* The position in [0, n) that stands at position i of the endless padded axis. Mode 0 repeats the edge: a a|abc|c c; 1 mirrors
 * without repeating the edge: c b|abc|b a; 2 repeats all: b c|abc|a b. */
static inline ctc_dim ctc_padded_index(ctc_dim i, ctc_dim n, ctc_dim mode) {
  if (i >= 0 && i < n) return i;
  if (mode == 0 || n == 1) return i < 0 ? 0 : n - 1;
  ctc_dim period = mode == 1 ? 2 * (n - 1) : n, rest = i % period;
  if (rest < 0) rest += period;
  return rest < n ? rest : period - rest;
}

/* y[i] = x[padded position of i - before], by axis; x has the shape `in`, y `out`. Elements of `bytes` bytes. */
static void ctc_pad(const void *x, void *y, ctc_dim rank, const ctc_dim *in, const ctc_dim *out,
                    const ctc_dim *before, ctc_dim mode, ctc_dim bytes) {
  const unsigned char *from = (const unsigned char *)x;
  unsigned char *to = (unsigned char *)y;
  ctc_dim at[16] = {0}, rows = 1, width = rank > 0 ? out[rank - 1] : 1;
  for (ctc_dim d = 0; d + 1 < rank; d++) rows *= out[d];
  for (ctc_dim row = 0; row < rows; row++) {
    ctc_dim base = 0;
    for (ctc_dim d = 0; d + 1 < rank; d++)
      base = base * in[d] + ctc_padded_index(at[d] - before[d], in[d], mode);
    for (ctc_dim i = 0; i < width; i++, to += bytes) {
      ctc_dim own = rank > 0 ? ctc_padded_index(i - before[rank - 1], in[rank - 1], mode) : 0;
      ctc_dim line = rank > 0 ? in[rank - 1] : 1;
      ctc_move_element(to, from + (base * line + own) * bytes, bytes);
    }
    for (ctc_dim d = rank - 2; d >= 0; d--) {
      if (++at[d] < out[d]) break;
      at[d] = 0;
    }
  }
}
