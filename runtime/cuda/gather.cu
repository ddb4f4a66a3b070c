/* gather.cu: elements and rows picked by index tensors, and tensors of a few known numbers. */

enum { ctc_set_dims_threads = 32 };

static ctc_dim ctc_set_dims_blocks(ctc_dim n) {
  return n > 0;
}

/* Writes small integers that follow from the sizes of the inputs. */
CTC_DEVICE void ctc_set_dims(int64_t *y, const ctc_dim *values, ctc_dim n) {
  if (threadIdx.x != 0) return;
  for (ctc_dim i = 0; i < n; i++) y[i] = values[i];
}

static ctc_dim ctc_clear_blocks(ctc_dim bytes) {
  return ctc_blocks_for(ctc_blocks_for(bytes, 16), CTC_TEAM_THREADS);
}

/* Zero bytes: 16 a thread. */
CTC_DEVICE void ctc_clear(void *y, ctc_dim bytes) {
  const ctc_unit16 zero = {{0, 0, 0, 0}};
  const ctc_dim units = ctc_blocks_for(bytes, 16), at = ctc_thread_of(CTC_TEAM_THREADS);
  unsigned char *to = (unsigned char *)y + (size_t)at * 16;
  if (at >= units) return;
  if ((at + 1 < units || bytes % 16 == 0) && ((size_t)to & 15) == 0) {
    *(ctc_unit16 *)to = zero;
    return;
  }
  for (int i = 0; i < 16 && (at + 1 < units || bytes % 16 == 0 || i < (int)(bytes % 16)); i++)
    to[i] = 0;
}

//$ for t in i32 i64
static ctc_dim ctc_gather_$t_blocks(ctc_dim outer, ctc_dim picks, ctc_dim block) {
  return ctc_blocks_for(outer * picks * (block / ctc_unit_of(block)), CTC_TEAM_THREADS);
}

/* y[o][p] = x[o][indices[p]]: x is [outer, n] blocks of `block` bytes, y is [outer, picks] blocks.
 */
CTC_DEVICE void ctc_gather_$t(const void *x, const $T *indices, void *y, ctc_dim outer, ctc_dim n,
                              ctc_dim picks, ctc_dim block, int *status) {
  const ctc_dim unit = ctc_unit_of(block), units = block / unit;
  const ctc_dim at = ctc_thread_of(CTC_TEAM_THREADS);
  if (at >= outer * picks * units) return;
  const ctc_dim pick = at / units, index = ctc_index_in((int64_t)indices[pick % picks], n);
  if (index < 0) {
    *status = CTC_BAD_INDEX;
    return;
  }
  const ctc_dim from = (pick / picks * n + index) * units + at % units;
  ctc_move_unit((unsigned char *)y + (size_t)at * unit,
                (const unsigned char *)x + (size_t)from * unit, unit);
}

static ctc_dim ctc_gather_elements_$t_blocks(ctc_dim rank, const ctc_dim *out) {
  return ctc_blocks_for(ctc_count_of(rank, out), CTC_TEAM_THREADS);
}

/* y has the shape `out` of the indices; y[…i…] = x[…indices[…i…]…], where the index takes the place
 * of coordinate `axis`. */
CTC_DEVICE void ctc_gather_elements_$t(const void *x, const $T *indices, void *y, ctc_dim rank,
                                       const ctc_dim *in, const ctc_dim *out, ctc_dim axis,
                                       ctc_dim bytes, int *status) {
  const ctc_dim at = ctc_thread_of(CTC_TEAM_THREADS);
  ctc_dim rest = at, from = 0, stride = 1;
  if (at >= ctc_count_of(rank, out)) return;
  const ctc_dim index = ctc_index_in((int64_t)indices[at], in[axis]);
  for (ctc_dim d = rank - 1; d >= 0; d--) {
    from += (d == axis ? index : rest % out[d]) * stride;
    stride *= in[d];
    rest /= out[d];
  }
  if (index < 0)
    *status = CTC_BAD_INDEX;
  else
    ctc_move_unit((unsigned char *)y + (size_t)at * bytes,
                  (const unsigned char *)x + (size_t)from * bytes, bytes);
}

static ctc_dim ctc_gather_nd_$t_blocks(ctc_dim batch, ctc_dim picks, ctc_dim block) {
  return ctc_blocks_for(batch * picks * (block / ctc_unit_of(block)), CTC_TEAM_THREADS);
}

/* x: [batch, dims[0], … dims[depth-1]] blocks of `block` bytes; indices: [batch, picks, depth]; y:
 * [batch, picks] blocks. */
CTC_DEVICE void ctc_gather_nd_$t(const void *x, const $T *indices, void *y, ctc_dim batch,
                                 ctc_dim picks, ctc_dim depth, const ctc_dim *dims, ctc_dim block,
                                 int *status) {
  const ctc_dim unit = ctc_unit_of(block), units = block / unit;
  const ctc_dim at = ctc_thread_of(CTC_TEAM_THREADS);
  if (at >= batch * picks * units) return;
  const ctc_dim pick = at / units, position = ctc_position_$t(indices + pick * depth, depth, dims);
  if (position < 0) {
    *status = CTC_BAD_INDEX;
    return;
  }
  const ctc_dim from = (pick / picks * ctc_count_of(depth, dims) + position) * units + at % units;
  ctc_move_unit((unsigned char *)y + (size_t)at * unit,
                (const unsigned char *)x + (size_t)from * unit, unit);
}
//$ end

static ctc_dim ctc_one_hot_blocks(ctc_dim outer, ctc_dim depth, ctc_dim inner) {
  return ctc_blocks_for(outer * depth * inner, CTC_TEAM_THREADS);
}

/* y: [outer, depth, inner], values[1] where the second coordinate is the index (negative ones count
 * from depth), values[0] elsewhere, and everywhere for an index outside. A thread an element. */
CTC_DEVICE void ctc_one_hot(const int64_t *indices, const void *values, void *y, ctc_dim outer,
                            ctc_dim depth, ctc_dim inner, ctc_dim bytes) {
  const ctc_dim at = ctc_thread_of(CTC_TEAM_THREADS);
  if (at >= outer * depth * inner) return;
  const ctc_dim o = at / inner / depth;
  const ctc_dim index = ctc_index_in(indices[o * inner + at % inner], depth);
  const int hot = index == at / inner % depth;
  ctc_move_unit((unsigned char *)y + (size_t)at * bytes,
                (const unsigned char *)values + (hot ? bytes : 0), bytes);
}

enum { ctc_range_count_f64_threads = 32 };

static ctc_dim ctc_range_count_f64_blocks(void) {
  return 1;
}

/* ceil((limit - start) / delta), not negative; a bad shape if that is not a number. */
CTC_DEVICE void ctc_range_count_f64(const double *start, const double *limit, const double *delta,
                                    int64_t *count, int *status) {
  const double steps = ceil((*limit - *start) / *delta);
  if (threadIdx.x != 0) return;
  if (!(steps < 9e15))
    *status = CTC_BAD_SHAPE;
  else
    *count = steps > 0 ? (int64_t)steps : 0;
}

static ctc_dim ctc_pad_blocks(ctc_dim rank, const ctc_dim *out) {
  return ctc_blocks_for(ctc_count_of(rank, out), CTC_TEAM_THREADS);
}

/* y[i] = x[padded position of i - before], by axis; x has the shape `in`, y `out`. Elements of
 * `bytes` bytes; a thread an element. */
CTC_DEVICE void ctc_pad(const void *x, void *y, ctc_dim rank, const ctc_dim *in, const ctc_dim *out,
                        const ctc_dim *before, ctc_dim mode, ctc_dim bytes) {
  const ctc_dim at = ctc_thread_of(CTC_TEAM_THREADS);
  ctc_dim rest = at, from = 0, stride = 1;
  if (at >= ctc_count_of(rank, out)) return;
  for (ctc_dim d = rank - 1; d >= 0; d--) {
    from += ctc_padded_index(rest % out[d] - before[d], in[d], mode) * stride;
    stride *= in[d];
    rest /= out[d];
  }
  ctc_move_unit((unsigned char *)y + (size_t)at * bytes,
                (const unsigned char *)x + (size_t)from * bytes, bytes);
}
