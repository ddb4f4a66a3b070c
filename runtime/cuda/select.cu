/* select.cu: elements chosen by their values (runtime/select.c). A block goes through the flags from
 * the first to the last and counts those that are set, so that each of them knows its place. */

enum { CTC_SELECT_THREADS = 512 };
enum { ctc_count_true_threads = 512 };
enum { ctc_nonzero_threads = 512 };
enum { ctc_compress_threads = 512 };

/* How many of the block's threads before this one have a flag that is set; *all: how many of all. */
CTC_DEVICE int ctc_select_before(bool flag, int *all) {
  __shared__ int counts[CTC_SELECT_THREADS / 32];
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  const unsigned set = __ballot_sync(0xffffffffu, flag);
  int before = __popc(set & ((1u << lane) - 1));
  if (lane == 0) counts[warp] = __popc(set);
  __syncthreads();
  *all = 0;
  for (int i = 0; i < CTC_SELECT_THREADS / 32; i++) {
    if (i == warp) before += *all;
    *all += counts[i];
  }
  __syncthreads();
  return before;
}

static ctc_dim ctc_count_true_blocks(ctc_dim n) { return n >= 0; }

/* One block. */
CTC_DEVICE void ctc_count_true(const ctc_bool *x, int64_t *count, ctc_dim n) {
  __shared__ ctc_dim counts[CTC_SELECT_THREADS / 32];
  ctc_dim found = 0;
  for (ctc_dim i = (ctc_dim)threadIdx.x; i < n; i += CTC_SELECT_THREADS) found += x[i] != 0;
  for (int step = 16; step > 0; step /= 2) found += __shfl_xor_sync(0xffffffffu, found, step);
  counts[threadIdx.x / 32] = found;
  __syncthreads();
  if (threadIdx.x != 0) return;
  found = 0;
  for (int i = 0; i < CTC_SELECT_THREADS / 32; i++) found += counts[i];
  *count = found;
}

static ctc_dim ctc_nonzero_blocks(ctc_dim found) { return found > 0; }

/* One block. */
CTC_DEVICE void ctc_nonzero(const ctc_bool *x, int64_t *y, ctc_dim rank, const ctc_dim *dims,
                            ctc_dim found) {
  ctc_dim n = 1, row = 0;
  for (ctc_dim d = 0; d < rank; d++) n *= dims[d];
  for (ctc_dim from = 0; from < n && row < found; from += CTC_SELECT_THREADS) {
    const ctc_dim i = from + (ctc_dim)threadIdx.x;
    const bool flag = i < n && x[i] != 0;
    int all;
    const ctc_dim at = row + ctc_select_before(flag, &all);
    ctc_dim rest = i;
    for (ctc_dim d = rank - 1; flag && at < found && d >= 0; d--) {
      y[d * found + at] = rest % dims[d];
      rest /= dims[d];
    }
    row += all;
  }
}

static ctc_dim ctc_compress_blocks(ctc_dim outer) { return outer; }

/* A row a block. */
CTC_DEVICE void ctc_compress(const void *x, const ctc_bool *flags, void *y, ctc_dim outer, ctc_dim n,
                             ctc_dim length, ctc_dim block) {
  const unsigned char *from = (const unsigned char *)x;
  unsigned char *to = (unsigned char *)y;
  const ctc_dim o = (ctc_dim)blockIdx.x;
  ctc_dim total = 0, row;
  int all;
  (void)outer;
  for (ctc_dim i = 0; o > 0 && i < length; i += CTC_SELECT_THREADS) {
    const ctc_dim at = i + (ctc_dim)threadIdx.x;
    ctc_select_before(at < length && flags[at], &all);
    total += all;
  }
  row = o * total;
  for (ctc_dim i = 0; i < length; i += CTC_SELECT_THREADS) {
    const ctc_dim at = i + (ctc_dim)threadIdx.x;
    const bool flag = at < length && flags[at];
    const ctc_dim place = row + ctc_select_before(flag, &all);
    if (flag)
      ctc_move_element(to + (size_t)place * (size_t)block,
                       from + (size_t)(o * n + at) * (size_t)block, block);
    row += all;
  }
}

static ctc_dim ctc_reverse_sequence_blocks(ctc_dim batch, ctc_dim time) { return batch * time; }

/* A step of a sequence a block. */
CTC_DEVICE void ctc_reverse_sequence(const void *x, const int64_t *lengths, void *y, ctc_dim batch,
                                     ctc_dim time, ctc_dim batch_stride, ctc_dim time_stride,
                                     ctc_dim block, int *status) {
  const ctc_dim b = (ctc_dim)blockIdx.x / time, t = (ctc_dim)blockIdx.x % time;
  const int64_t length = lengths[b];
  (void)batch;
  if (length < 0 || length > time) {
    *status = CTC_BAD_INDEX;
    return;
  }
  const ctc_dim source = t < length ? (ctc_dim)length - 1 - t : t;
  const unsigned char *from = (const unsigned char *)x + (size_t)b * (size_t)batch_stride;
  unsigned char *to = (unsigned char *)y + (size_t)b * (size_t)batch_stride;
  from += (size_t)source * (size_t)time_stride;
  to += (size_t)t * (size_t)time_stride;
  if (block % 4 == 0 && batch_stride % 4 == 0 && time_stride % 4 == 0) {
    for (ctc_dim i = (ctc_dim)threadIdx.x; i < block / 4; i += 256)
      ((uint32_t *)to)[i] = ((const uint32_t *)from)[i];
  } else {
    for (ctc_dim i = (ctc_dim)threadIdx.x; i < block; i += 256) to[i] = from[i];
  }
}
