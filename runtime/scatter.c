/* scatter.c: elements replaced, or combined with others, at positions given by index tensors. Where
 * an index occurs more than once the updates are applied in their order. */

/* y (shape `dims`, a copy of the data): y[…indices[…i…]…] = updates[…i…] for i in shape `picks`;
 * the index takes the place of coordinate `axis`. Elements of `bytes` bytes. */
static int ctc_scatter_elements(void *y, const int64_t *indices, const void *updates, ctc_dim rank,
                                const ctc_dim *dims, const ctc_dim *picks, ctc_dim axis,
                                ctc_dim bytes) {
  const unsigned char *from = (const unsigned char *)updates;
  unsigned char *to = (unsigned char *)y;
  ctc_dim at[16] = {0}, stride[16], count = 1, run = 1, base = 0;
  for (ctc_dim d = rank - 1; d >= 0; d--) {
    stride[d] = run;
    run *= dims[d];
    count *= picks[d];
  }
  for (ctc_dim i = 0; i < count; i++) {
    ctc_dim index = ctc_resolve_index(indices[i], dims[axis]);
    if (index < 0) return CTC_BAD_INDEX;
    ctc_move_element(to + (base + index * stride[axis]) * bytes, from + i * bytes, bytes);
    for (ctc_dim d = rank - 1; d >= 0; d--) {
      ctc_dim step = d == axis ? 0 : stride[d];
      base += step;
      if (++at[d] < picks[d]) break;
      base -= step * picks[d];
      at[d] = 0;
    }
  }
  return CTC_OK;
}

/* y (shape [dims…] of blocks, a copy of the data): the block at indices[p] becomes updates[p];
 * indices: [picks, depth]. */
static int ctc_scatter_nd(void *y, const int64_t *indices, const void *updates, ctc_dim picks,
                          ctc_dim depth, const ctc_dim *dims, ctc_dim block) {
  const unsigned char *from = (const unsigned char *)updates;
  unsigned char *to = (unsigned char *)y;
  for (ctc_dim p = 0; p < picks; p++, indices += depth) {
    ctc_dim position = 0;
    for (ctc_dim d = 0; d < depth; d++) {
      ctc_dim index = ctc_resolve_index(indices[d], dims[d]);
      if (index < 0) return CTC_BAD_INDEX;
      position = position * dims[d] + index;
    }
    ctc_move_element(to + position * block, from + p * block, block);
  }
  return CTC_OK;
}

/* y [batch, outer, rows] of blocks of `block` bytes, a copy of the data: rows indices[b], indices[b]
 * + 1, … (0 without indices) of batch item b become those of updates [batch, outer, count]. Behind
 * the last row comes the first one if `circular`. */
static int ctc_tensor_scatter(void *y, const int64_t *indices, const void *updates, ctc_dim batch,
                              ctc_dim outer, ctc_dim rows, ctc_dim count, ctc_dim block,
                              ctc_dim circular) {
  const unsigned char *from = (const unsigned char *)updates;
  unsigned char *to = (unsigned char *)y;
  for (ctc_dim b = 0; b < batch; b++) {
    ctc_dim begin = indices ? indices[b] : 0;
    if (circular && rows > 0) begin = ctc_mod(begin, rows);
    if (begin < 0 || (!circular && begin > rows - count)) return CTC_BAD_INDEX;
    for (ctc_dim o = 0; o < outer; o++, from += count * block, to += rows * block)
      for (ctc_dim i = 0; i < count; i++) {
        ctc_dim row = begin + i < rows ? begin + i : begin + i - rows;
        memcpy(to + row * block, from + i * block, (size_t)block);
      }
  }
  return CTC_OK;
}

//$ for t in f32 f64 i8 i16 i32 i64 u8 u16 u32 u64
/* What becomes of element `a` with the update `b`. */
static inline $T ctc_scatter_combine_$t($T a, $T b, ctc_dim reduction) {
  switch (reduction) {
  case 1: return ctc_add_$t(a, b);
  case 2: return ctc_mul_$t(a, b);
  case 3: return ctc_min_$t(a, b);
  case 4: return ctc_max_$t(a, b);
  default: return b;
  }
}

/* As ctc_scatter_elements, but the elements are combined. */
static int ctc_scatter_elements_$t($T *y, const int64_t *indices, const $T *updates, ctc_dim rank,
                                   const ctc_dim *dims, const ctc_dim *picks, ctc_dim axis,
                                   ctc_dim reduction) {
  ctc_dim at[16] = {0}, stride[16], count = 1, run = 1, base = 0;
  for (ctc_dim d = rank - 1; d >= 0; d--) {
    stride[d] = run;
    run *= dims[d];
    count *= picks[d];
  }
  for (ctc_dim i = 0; i < count; i++) {
    ctc_dim index = ctc_resolve_index(indices[i], dims[axis]);
    if (index < 0) return CTC_BAD_INDEX;
    $T *element = y + base + index * stride[axis];
    *element = ctc_scatter_combine_$t(*element, updates[i], reduction);
    for (ctc_dim d = rank - 1; d >= 0; d--) {
      ctc_dim step = d == axis ? 0 : stride[d];
      base += step;
      if (++at[d] < picks[d]) break;
      base -= step * picks[d];
      at[d] = 0;
    }
  }
  return CTC_OK;
}

/* As ctc_scatter_nd, with blocks of `block` elements, but the elements are combined. */
static int ctc_scatter_nd_$t($T *y, const int64_t *indices, const $T *updates, ctc_dim picks,
                             ctc_dim depth, const ctc_dim *dims, ctc_dim block, ctc_dim reduction) {
  for (ctc_dim p = 0; p < picks; p++, indices += depth) {
    ctc_dim position = 0;
    for (ctc_dim d = 0; d < depth; d++) {
      ctc_dim index = ctc_resolve_index(indices[d], dims[d]);
      if (index < 0) return CTC_BAD_INDEX;
      position = position * dims[d] + index;
    }
    $T *target = y + position * block;
    for (ctc_dim i = 0; i < block; i++)
      target[i] = ctc_scatter_combine_$t(target[i], updates[p * block + i], reduction);
  }
  return CTC_OK;
}
//$ end
