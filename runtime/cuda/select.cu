/* select.cu: elements chosen by their values, in their order.
 *
 * The flags are taken in chunks of CTC_SELECT_CHUNK, a block each. A block counts the flags before
 * its chunk for itself, so that no blocks wait for each other. */

enum { CTC_SELECT_CHUNK = 4096, CTC_SELECT_RUN = 16, CTC_SELECT_AT_A_TIME = 1024 };

/* How many of the flags first … last - 1 are not 0. For the whole block. */
CTC_DEVICE ctc_dim ctc_select_count(const ctc_bool *x, ctc_dim first, ctc_dim last, int threads) {
  int32_t found = 0;
#pragma unroll 4
  for (ctc_dim i = first + (ctc_dim)threadIdx.x; i < last; i += threads) found += x[i] != 0;
  return (ctc_dim)ctc_team_add_i32(found, ctc_team_block(0, threads));
}

/* A thread's flags in the block's chunk, from `first` to before `last`, and how many before them
 * are not 0. */
typedef struct {
  ctc_dim first, last, before;
} ctc_select_run;

/* For n flags. */
CTC_DEVICE ctc_select_run ctc_select_part(const ctc_bool *x, ctc_dim n) {
  const ctc_dim chunk = (ctc_dim)blockIdx.x * CTC_SELECT_CHUNK;
  const ctc_dim start = chunk + (ctc_dim)threadIdx.x * CTC_SELECT_RUN;
  ctc_select_run run = {start, start + CTC_SELECT_RUN < n ? start + CTC_SELECT_RUN : n, 0};
  int32_t own = 0, all;
  for (ctc_dim i = run.first; i < run.last; i++) own += x[i] != 0;
  run.before = ctc_select_count(x, 0, chunk, CTC_TEAM_THREADS);
  run.before += ctc_block_before_add_i32(own, &all);
  return run;
}

enum { ctc_count_true_threads = 1024 };

static ctc_dim ctc_count_true_blocks(void) {
  return 1;
}

/* count[0] = how many of the n flags are not 0. */
CTC_DEVICE void ctc_count_true(const ctc_bool *x, int64_t *count, ctc_dim n) {
  const ctc_dim found = ctc_select_count(x, 0, n, CTC_SELECT_AT_A_TIME);
  if (threadIdx.x == 0) *count = found;
}

static ctc_dim ctc_nonzero_blocks(ctc_dim rank, const ctc_dim *dims) {
  return ctc_blocks_for(ctc_count_of(rank, dims), CTC_SELECT_CHUNK);
}

/* y [rank, found]: the coordinates of the flags that are not 0, in row-major order; x has the shape
 * `dims`. */
CTC_DEVICE void ctc_nonzero(const ctc_bool *x, int64_t *y, ctc_dim rank, const ctc_dim *dims,
                            ctc_dim found) {
  const ctc_select_run run = ctc_select_part(x, ctc_count_of(rank, dims));
  ctc_dim row = run.before;
  for (ctc_dim i = run.first; i < run.last && row < found; i++) {
    ctc_dim rest = i;
    if (!x[i]) continue;
    for (ctc_dim d = rank - 1; d >= 0; d--) {
      y[d * found + row] = rest % dims[d];
      rest /= dims[d];
    }
    row++;
  }
}

static ctc_dim ctc_compress_blocks(ctc_dim outer, ctc_dim length) {
  return outer > 0 ? ctc_blocks_for(length, CTC_SELECT_CHUNK) : 0;
}

/* y = the blocks of `block` bytes of x [outer, n] whose flag, one for each of the first `length`
 * columns, is not 0. */
CTC_DEVICE void ctc_compress(const void *x, const ctc_bool *flags, void *y, ctc_dim outer,
                             ctc_dim n, ctc_dim length, ctc_dim block) {
  __shared__ ctc_dim taken[CTC_SELECT_CHUNK];
  const ctc_dim unit = ctc_unit_of(block), units = block / unit;
  const ctc_select_run run = ctc_select_part(flags, length);
  const ctc_dim all = ctc_select_count(flags, 0, length, CTC_TEAM_THREADS);
  const ctc_dim chunk = (ctc_dim)blockIdx.x * CTC_SELECT_CHUNK;
  const ctc_dim before = ctc_select_count(flags, 0, chunk, CTC_TEAM_THREADS);
  const ctc_dim end = chunk + CTC_SELECT_CHUNK < length ? chunk + CTC_SELECT_CHUNK : length;
  const ctc_dim count = ctc_select_count(flags, chunk, end, CTC_TEAM_THREADS);
  ctc_dim next = run.before - before;
  for (ctc_dim i = run.first; i < run.last; i++)
    if (flags[i]) taken[next++] = i;
  __syncthreads();
  for (ctc_dim at = (ctc_dim)threadIdx.x; at < outer * count * units; at += CTC_TEAM_THREADS) {
    const ctc_dim o = at / units / count, k = at / units % count;
    const ctc_dim from = (o * n + taken[k]) * units + at % units;
    const ctc_dim to = (o * all + before + k) * units + at % units;
    ctc_move_unit((unsigned char *)y + (size_t)to * unit,
                  (const unsigned char *)x + (size_t)from * unit, unit);
  }
}

static ctc_dim ctc_reverse_sequence_blocks(ctc_dim batch, ctc_dim time, ctc_dim block) {
  return ctc_blocks_for(batch * time * (block / ctc_unit_of(block)), CTC_TEAM_THREADS);
}

/* y[b][t] = x[b][lengths[b] - 1 - t] for t < lengths[b], x[b][t] behind; steps of `block` bytes,
 * `batch_stride` and `time_stride` bytes apart. */
CTC_DEVICE void ctc_reverse_sequence(const void *x, const int64_t *lengths, void *y, ctc_dim batch,
                                     ctc_dim time, ctc_dim batch_stride, ctc_dim time_stride,
                                     ctc_dim block, int *status) {
  const ctc_dim unit = ctc_unit_of(block), units = block / unit;
  const ctc_dim at = ctc_thread_of(CTC_TEAM_THREADS);
  if (at >= batch * time * units) return;
  const ctc_dim b = at / units / time, t = at / units % time;
  const int64_t length = lengths[b];
  if (length < 0 || length > time) {
    *status = CTC_BAD_INDEX;
    return;
  }
  const ctc_dim source = t < length ? (ctc_dim)length - 1 - t : t;
  const size_t start = (size_t)b * batch_stride + (size_t)(at % units) * unit;
  ctc_move_unit((unsigned char *)y + start + (size_t)t * time_stride,
                (const unsigned char *)x + start + (size_t)source * time_stride, unit);
}
