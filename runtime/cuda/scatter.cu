/* scatter.cu: elements replaced, or combined with others, at positions given by index tensors.
 * Where an index occurs more than once the updates are applied in their order.
 *
 * ScatterElements: updates meet only along the axis. A thread has a line of updates along it and a
 * range of the positions there: it goes through the line's indices and applies those in its range.
 * ScatterND: a warp takes a part of an update. If others go to the same position, the last one is
 * written; of those that are combined, the first one applies all. */

enum { CTC_SCATTER_RUN = 16, CTC_SCATTER_UNITS = 128 };

/* Lines of updates: their number without that along the axis. */
CTC_BOTH ctc_dim ctc_scatter_lines(ctc_dim rank, const ctc_dim *picks, ctc_dim axis) {
  ctc_dim lines = 1;
  for (ctc_dim d = 0; d < rank; d++)
    if (d != axis) lines *= picks[d];
  return lines;
}

/* Parts that the positions along the axis are in: enough to fill the device, and not more than a
 * part for each CTC_SCATTER_RUN updates of a line. */
CTC_BOTH ctc_dim ctc_scatter_parts(ctc_dim lines, ctc_dim positions, ctc_dim picks) {
  ctc_dim parts = lines > 0 ? ctc_blocks_for((ctc_dim)CTC_ALL_SMS * CTC_TEAM_THREADS, lines) : 1;
  if (parts > ctc_blocks_for(picks, CTC_SCATTER_RUN))
    parts = ctc_blocks_for(picks, CTC_SCATTER_RUN);
  if (parts > positions) parts = positions;
  return parts > 0 ? parts : 1;
}

CTC_BOTH ctc_dim ctc_scatter_blocks(ctc_dim rank, const ctc_dim *dims, const ctc_dim *picks,
                                    ctc_dim axis) {
  const ctc_dim lines = ctc_scatter_lines(rank, picks, axis);
  const ctc_dim parts = ctc_scatter_parts(lines, dims[axis], picks[axis]);
  return picks[axis] > 0 ? ctc_blocks_for(lines * parts, CTC_TEAM_THREADS) : 0;
}

/* A thread's line: where it begins in y and in the updates, its steps there, and the positions from
 * `low` to before `high` along the axis. */
typedef struct {
  ctc_dim y, update, y_step, update_step, low, high;
} ctc_scatter_line;

/* Neighbouring threads have neighbouring lines or, if these lie apart, parts of the same one. Lines
 * behind the last one have no positions. */
CTC_DEVICE ctc_scatter_line ctc_scatter_line_of(ctc_dim rank, const ctc_dim *dims,
                                                const ctc_dim *picks, ctc_dim axis) {
  ctc_scatter_line line = {0, 0, 1, 1, 0, 0};
  const ctc_dim lines = ctc_scatter_lines(rank, picks, axis);
  const ctc_dim parts = ctc_scatter_parts(lines, dims[axis], picks[axis]);
  const ctc_dim thread = ctc_thread_of(CTC_TEAM_THREADS), length = (dims[axis] + parts - 1) / parts;
  const ctc_dim part = axis == rank - 1 ? thread % parts : thread / lines;
  ctc_dim rest = axis == rank - 1 ? thread / parts : thread % lines, y_run = 1, run = 1;
  if (thread >= lines * parts) return line;
  for (ctc_dim d = rank - 1; d >= 0; y_run *= dims[d], run *= picks[d], d--) {
    if (d == axis) {
      line.y_step = y_run;
      line.update_step = run;
      continue;
    }
    line.y += rest % picks[d] * y_run;
    line.update += rest % picks[d] * run;
    rest /= picks[d];
  }
  line.low = part * length;
  line.high = line.low + length;
  return line;
}

/* The indices i … i + 3 of the n of a line: positions along the axis, -1 for those outside, -2
 * behind the end. They are read before anything is written: reads wait for each other less then. */
CTC_DEVICE void ctc_scatter_take(const int64_t *indices, ctc_dim *index, ctc_dim i, ctc_dim n,
                                 ctc_dim step, ctc_dim size) {
#pragma unroll
  for (int k = 0; k < 4; k++)
    index[k] = i + k < n ? ctc_index_in(indices[(i + k) * step], size) : (ctc_dim)-2;
}

static ctc_dim ctc_scatter_elements_blocks(ctc_dim rank, const ctc_dim *dims, const ctc_dim *picks,
                                           ctc_dim axis) {
  return ctc_scatter_blocks(rank, dims, picks, axis);
}

/* y (shape `dims`, a copy of the data): y[…indices[…i…]…] = updates[…i…] for i in shape `picks`;
 * the index takes the place of coordinate `axis`. Elements of `bytes` bytes. */
CTC_DEVICE void ctc_scatter_elements(void *y, const int64_t *indices, const void *updates,
                                     ctc_dim rank, const ctc_dim *dims, const ctc_dim *picks,
                                     ctc_dim axis, ctc_dim bytes, int *status) {
  const ctc_scatter_line line = ctc_scatter_line_of(rank, dims, picks, axis);
  if (line.low >= line.high) return;
  for (ctc_dim i = 0; i < picks[axis]; i += 4) {
    ctc_dim index[4];
    ctc_scatter_take(indices + line.update, index, i, picks[axis], line.update_step, dims[axis]);
#pragma unroll
    for (int k = 0; k < 4; k++) {
      const ctc_dim from = line.update + (i + k) * line.update_step;
      if (index[k] == -1) *status = CTC_BAD_INDEX;
      if (index[k] >= line.low && index[k] < line.high)
        ctc_move_unit((unsigned char *)y + (size_t)(line.y + index[k] * line.y_step) * bytes,
                      (const unsigned char *)updates + (size_t)from * bytes, bytes);
    }
  }
}

/* Warps of a scattered block of `units` units. */
CTC_BOTH ctc_dim ctc_scatter_shares(ctc_dim units) {
  return ctc_blocks_for(units, CTC_SCATTER_UNITS);
}

CTC_BOTH ctc_dim ctc_scatter_nd_warps(ctc_dim picks, ctc_dim units) {
  const ctc_dim warps = picks * ctc_scatter_shares(units);
  return ctc_blocks_for(warps, CTC_TEAM_THREADS / CTC_WARP);
}

/* Whether one of the updates from `begin` to before `end` goes to `position`; the same for the
 * whole warp. */
CTC_DEVICE int ctc_scatter_meets(const int64_t *indices, ctc_dim position, ctc_dim begin,
                                 ctc_dim end, ctc_dim depth, const ctc_dim *dims) {
  int found = 0;
  for (ctc_dim p = begin + (ctc_dim)((int)threadIdx.x % CTC_WARP); p < end && !found; p += CTC_WARP)
    found = ctc_position_i64(indices + p * depth, depth, dims) == position;
  for (int step = 1; step < CTC_WARP; step *= 2) found |= __shfl_xor_sync(0xffffffffu, found, step);
  return found;
}

static ctc_dim ctc_scatter_nd_blocks(ctc_dim picks, ctc_dim block) {
  return ctc_scatter_nd_warps(picks, block / ctc_unit_of(block));
}

/* y (shape [dims…] of blocks, a copy of the data): the block at indices[p] becomes updates[p];
 * indices: [picks, depth]. */
CTC_DEVICE void ctc_scatter_nd(void *y, const int64_t *indices, const void *updates, ctc_dim picks,
                               ctc_dim depth, const ctc_dim *dims, ctc_dim block, int *status) {
  const ctc_dim unit = ctc_unit_of(block), units = block / unit, shares = ctc_scatter_shares(units);
  const ctc_dim warp = ctc_thread_of(CTC_TEAM_THREADS) / CTC_WARP, p = warp / shares;
  if (p >= picks) return;
  const ctc_dim position = ctc_position_i64(indices + p * depth, depth, dims);
  if (position < 0) *status = CTC_BAD_INDEX;
  if (position < 0 || ctc_scatter_meets(indices, position, p + 1, picks, depth, dims)) return;
  const ctc_dim first = warp % shares * CTC_SCATTER_UNITS;
  for (ctc_dim i = (ctc_dim)((int)threadIdx.x % CTC_WARP); i < CTC_SCATTER_UNITS; i += CTC_WARP)
    if (first + i < units)
      ctc_move_unit((unsigned char *)y + (size_t)(position * units + first + i) * unit,
                    (const unsigned char *)updates + (size_t)(p * units + first + i) * unit, unit);
}

//$ for t in f32 f64 i8 i16 i32 i64 u8 u16 u32 u64
static ctc_dim ctc_scatter_elements_$t_blocks(ctc_dim rank, const ctc_dim *dims,
                                              const ctc_dim *picks, ctc_dim axis) {
  return ctc_scatter_blocks(rank, dims, picks, axis);
}

/* As ctc_scatter_elements, but the elements are combined. */
CTC_DEVICE void ctc_scatter_elements_$t($T *y, const int64_t *indices, const $T *updates,
                                        ctc_dim rank, const ctc_dim *dims, const ctc_dim *picks,
                                        ctc_dim axis, ctc_dim reduction, int *status) {
  const ctc_scatter_line line = ctc_scatter_line_of(rank, dims, picks, axis);
  if (line.low >= line.high) return;
  for (ctc_dim i = 0; i < picks[axis]; i += 4) {
    ctc_dim index[4];
    ctc_scatter_take(indices + line.update, index, i, picks[axis], line.update_step, dims[axis]);
#pragma unroll
    for (int k = 0; k < 4; k++) {
      const ctc_dim from = line.update + (i + k) * line.update_step;
      if (index[k] == -1) *status = CTC_BAD_INDEX;
      if (index[k] < line.low || index[k] >= line.high) continue;
      $T *element = y + line.y + index[k] * line.y_step;
      *element = ctc_scatter_combine_$t(*element, updates[from], reduction);
    }
  }
}

static ctc_dim ctc_scatter_nd_$t_blocks(ctc_dim picks, ctc_dim block) {
  return ctc_scatter_nd_warps(picks, block);
}

/* As ctc_scatter_nd, with blocks of `block` elements, but the elements are combined. */
CTC_DEVICE void ctc_scatter_nd_$t($T *y, const int64_t *indices, const $T *updates, ctc_dim picks,
                                  ctc_dim depth, const ctc_dim *dims, ctc_dim block,
                                  ctc_dim reduction, int *status) {
  const ctc_dim shares = ctc_scatter_shares(block);
  const ctc_dim warp = ctc_thread_of(CTC_TEAM_THREADS) / CTC_WARP, p = warp / shares;
  if (p >= picks) return;
  const ctc_dim position = ctc_position_i64(indices + p * depth, depth, dims);
  if (position < 0) *status = CTC_BAD_INDEX;
  if (position < 0 || ctc_scatter_meets(indices, position, 0, p, depth, dims)) return;
  const int others = ctc_scatter_meets(indices, position, p + 1, picks, depth, dims);
  const ctc_dim first = warp % shares * CTC_SCATTER_UNITS;
  for (ctc_dim i = (ctc_dim)((int)threadIdx.x % CTC_WARP); i < CTC_SCATTER_UNITS; i += CTC_WARP) {
    if (first + i >= block) continue;
    $T value = y[position * block + first + i];
    for (ctc_dim q = p; q < picks && (others || q == p); q++)
      if (q == p || ctc_position_i64(indices + q * depth, depth, dims) == position)
        value = ctc_scatter_combine_$t(value, updates[q * block + first + i], reduction);
    y[position * block + first + i] = value;
  }
}
//$ end
