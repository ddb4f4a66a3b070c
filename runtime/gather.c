/* gather.c: elements and rows picked by index tensors. */

/* One element of `bytes` bytes; the usual sizes become single moves. */
static inline void ctc_move_element(unsigned char *to, const unsigned char *from, ctc_dim bytes) {
  switch (bytes) {
  case 1: *to = *from; break;
  case 2: memcpy(to, from, 2); break;
  case 4: memcpy(to, from, 4); break;
  case 8: memcpy(to, from, 8); break;
  default: memcpy(to, from, (size_t)bytes); break;
  }
}

/* `index` in [-size, size) as a position from the start; -1 if it is outside. */
static inline ctc_dim ctc_resolve_index(ctc_dim index, ctc_dim size) {
  if (index < 0) index += size;
  return index >= 0 && index < size ? index : -1;
}

/* Writes small integers that follow from the sizes of the inputs. */
static void ctc_set_dims(int64_t *y, const ctc_dim *values, ctc_dim n) {
  for (ctc_dim i = 0; i < n; i++) y[i] = values[i];
}

/* Zero bytes. */
static void ctc_clear(void *y, ctc_dim bytes) {
  if (bytes > 0) memset(y, 0, (size_t)bytes);
}

//$ for t in i32 i64
/* y[o][p] = x[o][indices[p]]: x is [outer, n] blocks of `block` bytes, y is [outer, picks] blocks.
 */
static int ctc_gather_$t(const void *x, const $T *indices, void *y, ctc_dim outer, ctc_dim n,
                         ctc_dim picks, ctc_dim block) {
  const unsigned char *from = (const unsigned char *)x;
  unsigned char *to = (unsigned char *)y;
  for (ctc_dim o = 0; o < outer; o++, from += n * block)
    for (ctc_dim p = 0; p < picks; p++, to += block) {
      ctc_dim index = ctc_resolve_index((ctc_dim)indices[p], n);
      if (index < 0) return CTC_BAD_INDEX;
      ctc_move_element(to, from + index * block, block);
    }
  return CTC_OK;
}

/* y has the shape `out` of the indices; y[…i…] = x[…indices[…i…]…], where the index takes the place
 * of coordinate `axis`. */
static int ctc_gather_elements_$t(const void *x, const $T *indices, void *y, ctc_dim rank,
                                  const ctc_dim *in, const ctc_dim *out, ctc_dim axis,
                                  ctc_dim bytes) {
  const unsigned char *from = (const unsigned char *)x;
  unsigned char *to = (unsigned char *)y;
  ctc_dim at[16] = {0}, stride[16], count = 1, run = 1, base = 0;
  for (ctc_dim d = rank - 1; d >= 0; d--) {
    stride[d] = run;
    run *= in[d];
    count *= out[d];
  }
  for (ctc_dim i = 0; i < count; i++) {
    ctc_dim index = ctc_resolve_index((ctc_dim)indices[i], in[axis]);
    if (index < 0) return CTC_BAD_INDEX;
    ctc_move_element(to + i * bytes, from + (base + index * stride[axis]) * bytes, bytes);
    for (ctc_dim d = rank - 1; d >= 0;
         d--) { /* base: offset of the coordinates but that of the axis */
      ctc_dim step = d == axis ? 0 : stride[d];
      base += step;
      if (++at[d] < out[d]) break;
      base -= step * out[d];
      at[d] = 0;
    }
  }
  return CTC_OK;
}

/* x: [batch, dims[0], … dims[depth-1]] blocks of `block` bytes; indices: [batch, picks, depth]; y:
 * [batch, picks] blocks. */
static int ctc_gather_nd_$t(const void *x, const $T *indices, void *y, ctc_dim batch, ctc_dim picks,
                            ctc_dim depth, const ctc_dim *dims, ctc_dim block) {
  const unsigned char *from = (const unsigned char *)x;
  unsigned char *to = (unsigned char *)y;
  ctc_dim volume = 1;
  for (ctc_dim d = 0; d < depth; d++) volume *= dims[d];
  for (ctc_dim b = 0; b < batch; b++, from += volume * block)
    for (ctc_dim p = 0; p < picks; p++, to += block, indices += depth) {
      ctc_dim position = 0;
      for (ctc_dim d = 0; d < depth; d++) {
        ctc_dim index = ctc_resolve_index((ctc_dim)indices[d], dims[d]);
        if (index < 0) return CTC_BAD_INDEX;
        position = position * dims[d] + index;
      }
      ctc_move_element(to, from + position * block, block);
    }
  return CTC_OK;
}
//$ end

/* `count` copies of one element. What is there doubles until a chunk is full; then chunks are
 * copied. */
static inline void ctc_fill_elements(unsigned char *to, const unsigned char *element, ctc_dim count,
                                     ctc_dim bytes) {
  const ctc_dim total = count * bytes, chunk = 64 * bytes < total ? 64 * bytes : total;
  ctc_dim same = 1, done = bytes;
  while (same < bytes && element[same] == element[0]) same++;
  if (total <= 0) return;
  if (same == bytes) {
    memset(to, element[0], (size_t)total);
    return;
  }
  ctc_move_element(to, element, bytes);
  while (done < chunk) {
    ctc_dim more = done < chunk - done ? done : chunk - done;
    memcpy(to + done, to, (size_t)more);
    done += more;
  }
  while (done < total) {
    ctc_dim more = chunk < total - done ? chunk : total - done;
    memcpy(to + done, to, (size_t)more);
    done += more;
  }
}

/* y: [outer, depth, inner], values[1] where the second coordinate is the index (negative ones count
 * from depth), values[0] elsewhere, and everywhere for an index outside. */
static void ctc_one_hot(const int64_t *indices, const void *values, void *y, ctc_dim outer,
                        ctc_dim depth, ctc_dim inner, ctc_dim bytes, ctc_dim first, ctc_dim last) {
  const unsigned char *off = (const unsigned char *)values;
  (void)outer;
  for (ctc_dim o = first; o < last; o++) {
    unsigned char *to = (unsigned char *)y + o * depth * inner * bytes;
    ctc_fill_elements(to, off, depth * inner, bytes);
    for (ctc_dim i = 0; i < inner; i++) {
      ctc_dim index = ctc_resolve_index((ctc_dim)indices[o * inner + i], depth);
      if (index >= 0) ctc_move_element(to + (index * inner + i) * bytes, off + bytes, bytes);
    }
  }
}

/* ceil((limit - start) / delta), not negative; a bad index status if that is not a number. */
static int ctc_range_count_f64(const double *start, const double *limit, const double *delta,
                               int64_t *count) {
  double steps = ceil((*limit - *start) / *delta);
  if (!(steps < 9e15)) return CTC_BAD_SHAPE;
  *count = steps > 0 ? (int64_t)steps : 0;
  return CTC_OK;
}
