/* reduce.cu: reductions over the middle axis of [outer, n, inner], positions of the largest and
 * smallest elements, and running sums. How threads share the work is in fold.cu. */

//$ for f in add mul addabs addsquare
//$ for t in f32 f64 i32 i64 u32 u64
static ctc_dim ctc_reduce_$f_$t_blocks(ctc_dim outer, ctc_dim n, ctc_dim inner) {
  return ctc_team_blocks(outer, n, inner);
}

/* The fold over the middle axis: x is [outer, n, inner], y is [outer, inner]. */
CTC_DEVICE void ctc_reduce_$f_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n, ctc_dim inner) {
  const ctc_team team = ctc_team_join(outer, n, inner);
  $T part[4];
  for (int k = 0; k < 4; k++) part[k] = ctc_start_$f_$t();
  x += team.start;
  ctc_dim i = team.first;
  for (; i + 3 * team.step < n; i += 4 * team.step)
    for (int k = 0; k < 4; k++) part[k] = ctc_$f_$t(part[k], x[(i + k * team.step) * inner]);
  for (; i < n; i += team.step) part[0] = ctc_$f_$t(part[0], x[i * inner]);
  part[0] = ctc_join_$f_$t(ctc_join_$f_$t(part[0], part[2]), ctc_join_$f_$t(part[1], part[3]));
  const $T total = ctc_team_$f_$t(part[0], team);
  if (team.leads) y[team.result] = total;
}
//$ end
//$ end

//$ for f in max min
//$ for t in f32 f64 i8 i32 i64 u8 u32 u64 bool
static ctc_dim ctc_reduce_$f_$t_blocks(ctc_dim outer, ctc_dim n, ctc_dim inner) {
  return ctc_team_blocks(outer, n, inner);
}

/* The largest or smallest over the middle axis: x is [outer, n, inner], y is [outer, inner]. */
CTC_DEVICE void ctc_reduce_$f_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n, ctc_dim inner) {
  const ctc_team team = ctc_team_join(outer, n, inner);
  $T total = ctc_start_$f_$t();
  x += team.start;
#pragma unroll 4
  for (ctc_dim i = team.first; i < n; i += team.step) total = ctc_$f_$t(total, x[i * inner]);
  total = ctc_team_$f_$t(total, team);
  if (team.leads) y[team.result] = total;
}
//$ end
//$ end

//$ for t in f32 f64
static ctc_dim ctc_reduce_logsumexp_$t_blocks(ctc_dim outer, ctc_dim n, ctc_dim inner) {
  return ctc_team_blocks(outer, n, inner);
}

/* log(sum(e^x)) over the middle axis, with the largest element taken out. */
CTC_DEVICE void ctc_reduce_logsumexp_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n,
                                        ctc_dim inner) {
  const ctc_team team = ctc_team_join(outer, n, inner);
  $T most = ctc_start_max_$t(), sum = 0;
  x += team.start;
#pragma unroll 4
  for (ctc_dim i = team.first; i < n; i += team.step) most = ctc_max_$t(most, x[i * inner]);
  most = ctc_team_max_$t(most, team);
  const $T base = ctc_isinf_$t(most) ? 0 : most;
#pragma unroll 4
  for (ctc_dim i = team.first; i < n; i += team.step) sum += ctc_exp_$t(x[i * inner] - base);
  sum = ctc_team_add_$t(sum, team);
  if (team.leads) y[team.result] = base + ctc_log_$t(sum);
}
//$ end

//$ for f in max min
//$ for t in f32 f64 i8 i16 i32 i64 u8 u16 u32 u64
/* Whether element b at index k is the one to take, rather than a at index i. */
CTC_DEVICE int ctc_takes_$f_$t($T b, ctc_dim k, $T a, ctc_dim i, ctc_dim last_wins) {
  if (ctc_wins_$f_$t(b, a)) return 1;
  if (ctc_wins_$f_$t(a, b)) return 0;
  return last_wins ? k > i : k < i;
}

/* The index in the row x of the element that is taken; each thread of the team gets it. Threads
 * without elements have the first one. */
CTC_DEVICE ctc_dim ctc_team_arg$f_$t(const $T *x, ctc_dim n, ctc_dim inner, ctc_dim last_wins,
                                     ctc_team team) {
  __shared__ $T values[CTC_TEAM_MOST];
  __shared__ ctc_dim places[CTC_TEAM_MOST];
  const int column = (int)threadIdx.x % team.width;
  ctc_dim best = team.first < n ? team.first : 0;
  $T value = team.makes ? x[best * inner] : ($T)0;
#pragma unroll 4
  for (ctc_dim i = team.first + team.step; i < n; i += team.step) {
    const $T other = x[i * inner];
    if (ctc_takes_$f_$t(other, i, value, best, last_wins)) {
      value = other;
      best = i;
    }
  }
  if (team.width == CTC_TEAM_THREADS) return best;
  for (int step = team.width; step < CTC_WARP; step *= 2) {
    const $T other = ($T)__shfl_xor_sync(0xffffffffu, value, step);
    const ctc_dim place = __shfl_xor_sync(0xffffffffu, best, step);
    if (ctc_takes_$f_$t(other, place, value, best, last_wins)) {
      value = other;
      best = place;
    }
  }
  if (team.warps == 0) return best;
  if ((int)threadIdx.x % CTC_WARP < team.width) {
    values[(int)threadIdx.x / CTC_WARP * team.width + column] = value;
    places[(int)threadIdx.x / CTC_WARP * team.width + column] = best;
  }
  __syncthreads();
  value = values[column];
  best = places[column];
  for (int k = 1; k < team.warps; k++) {
    const int at = k * team.width + column;
    if (ctc_takes_$f_$t(values[at], places[at], value, best, last_wins)) {
      value = values[at];
      best = places[at];
    }
  }
  __syncthreads();
  return best;
}

static ctc_dim ctc_arg$f_$t_blocks(ctc_dim outer, ctc_dim n, ctc_dim inner) {
  return ctc_team_blocks(outer, n, inner);
}

/* Index of the largest or smallest element along the middle axis; of equal ones the first, or the
 * last if `last_wins` is not 0. The first NaN counts as the largest and smallest. */
CTC_DEVICE void ctc_arg$f_$t(const $T *x, int64_t *y, ctc_dim outer, ctc_dim n, ctc_dim inner,
                             ctc_dim last_wins) {
  const ctc_team team = ctc_team_join(outer, n, inner);
  const ctc_dim best =
      n > 1 ? ctc_team_arg$f_$t(x + team.start, n, inner, last_wins, team) : (ctc_dim)0;
  if (team.leads) y[team.result] = best;
}
//$ end
//$ end

/* Whether a thread sums a line by itself: short ones, or enough of them. Otherwise a block does. */
CTC_BOTH int ctc_cumulate_alone(ctc_dim lines, ctc_dim n) {
  return n <= 32 || lines >= (ctc_dim)CTC_ALL_SMS * 64;
}

//$ for f in add mul
//$ for t in f32 f64 i32 i64 u32 u64
/* What the threads of the block before this one have, folded; *all is what all have. */
CTC_DEVICE $T ctc_block_before_$f_$t($T x, $T *all) {
  __shared__ $T part[CTC_WARP];
  const int lane = (int)threadIdx.x % CTC_WARP, warp = (int)threadIdx.x / CTC_WARP;
  for (int step = 1; step < CTC_WARP; step *= 2) {
    const $T left = ($T)__shfl_up_sync(0xffffffffu, x, step);
    if (lane >= step) x = ctc_join_$f_$t(left, x);
  }
  if (lane == CTC_WARP - 1) part[warp] = x;
  x = ($T)__shfl_up_sync(0xffffffffu, x, 1);
  if (lane == 0) x = ctc_start_$f_$t();
  __syncthreads();
  $T before = ctc_start_$f_$t(), total = before;
  for (int k = 0; k < CTC_TEAM_THREADS / CTC_WARP; k++) {
    if (k == warp) before = total;
    total = ctc_join_$f_$t(total, part[k]);
  }
  __syncthreads();
  *all = total;
  return ctc_join_$f_$t(before, x);
}

/* One line of n elements by one thread. */
CTC_DEVICE void ctc_cumulate_line_$f_$t(const $T *x, $T *y, ctc_dim n, ctc_dim inner,
                                        ctc_dim exclusive, ctc_dim reverse) {
  $T total = ctc_start_$f_$t();
  for (ctc_dim i = 0; i < n; i++) {
    const ctc_dim at = (reverse ? n - 1 - i : i) * inner;
    const $T next = ctc_$f_$t(total, x[at]);
    y[at] = exclusive ? total : next;
    total = next;
  }
}

static ctc_dim ctc_cumulate_$f_$t_blocks(ctc_dim outer, ctc_dim n, ctc_dim inner) {
  const ctc_dim lines = n > 0 ? outer * inner : 0;
  return ctc_cumulate_alone(lines, n) ? ctc_blocks_for(lines, CTC_TEAM_THREADS) : lines;
}

/* Running sum (add) or product (mul) along the middle axis; x and y are [outer, n, inner].
 * `exclusive`: without the element itself. `reverse`: from the end. */
CTC_DEVICE void ctc_cumulate_$f_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n, ctc_dim inner,
                                   ctc_dim exclusive, ctc_dim reverse) {
  const int alone = ctc_cumulate_alone(outer * inner, n);
  const ctc_dim line = alone ? ctc_thread_of(CTC_TEAM_THREADS) : (ctc_dim)blockIdx.x;
  if (line >= outer * inner) return;
  const ctc_dim start = line / inner * n * inner + line % inner;
  if (alone) {
    ctc_cumulate_line_$f_$t(x + start, y + start, n, inner, exclusive, reverse);
    return;
  }
  $T total = ctc_start_$f_$t();
  for (ctc_dim from = 0; from < n; from += CTC_TEAM_THREADS) {
    const ctc_dim i = from + (ctc_dim)threadIdx.x;
    const ctc_dim at = start + (reverse ? n - 1 - i : i) * inner;
    const $T own = i < n ? x[at] : ctc_start_$f_$t();
    $T all;
    const $T before = ctc_join_$f_$t(total, ctc_block_before_$f_$t(own, &all));
    if (i < n) y[at] = exclusive ? before : ctc_$f_$t(before, own);
    total = ctc_join_$f_$t(total, all);
  }
}
//$ end
//$ end
