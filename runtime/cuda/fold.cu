/* fold.cu: how kernels that fold along the middle axis of [outer, n, inner] share the work, and how
 * the threads join what they have.
 *
 * Results are numbered r = o * inner + j. A team of threads makes `width` neighbouring results:
 * thread t of the team works for result t % width of them, on the elements t / width, t / width +
 * step, … along the axis. Rows (inner is 1) are made one by one, short ones by a warp, long ones by
 * the block; columns 8 or 32 at a time, so that a row of them fills 32 or 128 bytes; if there are
 * enough results, or few elements, a thread makes one of its own. */

enum { CTC_WARP = 32, CTC_TEAM_THREADS = 256, CTC_TEAM_MOST = 256, CTC_ALL_SMS = 132 };

/* Blocks of `threads` threads for `count` of them. */
CTC_BOTH ctc_dim ctc_blocks_for(ctc_dim count, ctc_dim threads) {
  return (count + threads - 1) / threads;
}

/* The number of the thread in the grid, for blocks of `threads`. */
CTC_DEVICE ctc_dim ctc_thread_of(int threads) {
  return (ctc_dim)blockIdx.x * threads + (ctc_dim)threadIdx.x;
}

/* Neighbouring results that a team makes. */
CTC_BOTH ctc_dim ctc_team_width(ctc_dim outer, ctc_dim n, ctc_dim inner) {
  const ctc_dim results = outer * inner;
  if (n <= 8) return CTC_TEAM_THREADS;
  if (inner == 1) return 1;
  if (results >= (ctc_dim)CTC_ALL_SMS * CTC_TEAM_THREADS) return CTC_TEAM_THREADS;
  return results >= (ctc_dim)CTC_ALL_SMS * 64 ? 32 : 8;
}

/* Threads of a team: a warp or a block. */
CTC_BOTH int ctc_team_size(ctc_dim outer, ctc_dim n, ctc_dim inner) {
  const int small = n <= 128 || (n <= 1024 && outer >= (ctc_dim)CTC_ALL_SMS * 8);
  return inner == 1 && n > 8 && small ? (int)CTC_WARP : (int)CTC_TEAM_THREADS;
}

CTC_BOTH ctc_dim ctc_team_blocks(ctc_dim outer, ctc_dim n, ctc_dim inner) {
  const ctc_dim teams = ctc_blocks_for(outer * inner, ctc_team_width(outer, n, inner));
  return ctc_blocks_for(teams, CTC_TEAM_THREADS / ctc_team_size(outer, n, inner));
}

/* A thread's part in its team. */
typedef struct {
  ctc_dim result;      /* the number of its result */
  ctc_dim start;       /* where the elements of that begin */
  ctc_dim first, step; /* its elements along the axis */
  int width, warps;    /* of the team; 0 warps: a part of a block, which needs no barrier */
  int makes;           /* whether there is such a result */
  int leads;           /* whether it stores that */
} ctc_team;

CTC_DEVICE ctc_team ctc_team_join(ctc_dim outer, ctc_dim n, ctc_dim inner) {
  ctc_team team;
  const int size = ctc_team_size(outer, n, inner), width = (int)ctc_team_width(outer, n, inner);
  const int thread = (int)threadIdx.x % size;
  const ctc_dim number =
      (ctc_dim)blockIdx.x * (CTC_TEAM_THREADS / size) + (ctc_dim)((int)threadIdx.x / size);
  team.result = number * width + thread % width;
  team.makes = team.result < outer * inner;
  team.start = team.makes ? team.result / inner * n * inner + team.result % inner : 0;
  team.first = team.makes ? thread / width : n;
  team.step = size / width;
  team.width = width;
  team.warps = size == CTC_WARP || width == size ? 0 : size / CTC_WARP;
  team.leads = team.makes && thread < width;
  return team;
}

/* A block as a team with one result. */
CTC_DEVICE ctc_team ctc_team_block(ctc_dim result, int threads) {
  ctc_team team;
  team.result = result;
  team.start = 0;
  team.first = (ctc_dim)threadIdx.x;
  team.step = threads;
  team.width = 1;
  team.warps = threads / CTC_WARP;
  team.makes = 1;
  team.leads = threadIdx.x == 0;
  return team;
}

/* Joins what the threads of a team have for the same result; each of them gets it. The order is
 * that of a tree: the same in every run. */
template <class T, class Join>
CTC_DEVICE T ctc_team_fold(T x, ctc_team team, Join join) {
  __shared__ T part[CTC_TEAM_MOST];
  const int column = (int)threadIdx.x % team.width;
  if (team.width == CTC_TEAM_THREADS) return x;
  for (int step = team.width; step < CTC_WARP; step *= 2)
    x = join(x, (T)__shfl_xor_sync(0xffffffffu, x, step));
  if (team.warps == 0) return x;
  if ((int)threadIdx.x % CTC_WARP < team.width)
    part[(int)threadIdx.x / CTC_WARP * team.width + column] = x;
  __syncthreads();
  x = part[column];
  for (int k = 1; k < team.warps; k++) x = join(x, part[k * team.width + column]);
  __syncthreads();
  return x;
}

//$ for f in add mul addabs addsquare
//$ for t in f32 f64 i32 i64 u32 u64
CTC_DEVICE $T ctc_team_$f_$t($T x, ctc_team team) {
  return ctc_team_fold(x, team, ctc_join_$f_$t);
}
//$ end
//$ end

//$ for f in max min
//$ for t in f32 f64 i8 i32 i64 u8 u32 u64 bool
CTC_DEVICE $T ctc_team_$f_$t($T x, ctc_team team) {
  return ctc_team_fold(x, team, ctc_join_$f_$t);
}
//$ end
//$ end
