/* attention_fused.c: softmax(scale * Q K^T + mask) V for blocks of 32 queries of a head, without the
 * matrix of all scores.
 *
 * A block's scores are kept turned, [keys][32 queries]: a vector holds one key's scores for
 * neighbouring queries, so that the softmax needs no sum across lanes, K is read where it lies, and
 * only Q is turned.
 *
 *   scores[j][i] = sum over d of K[j][d] * turned Q[d][i]        tiles: keys x 2 vectors of queries
 *   weights      = e^(scores - largest of the column)            sums of the columns beside it
 *   Y[i][d]      = sum over j of weights[j][i] * V[j][d] / sum   tiles: queries x 2 vectors of V
 *
 * V is copied to panels [size / 32][keys][32] once a head. */

#define CTC_ATTENTION_BLOCK 32

/* What is added to the scores of a head. */
typedef struct {
  const float *data;   /* of the block's first query; NULL: nothing */
  ctc_dim row, column; /* steps from query to query, from key to key */
  int replaces;        /* numbers below 0 take the place of scores, others change nothing */
  int causal;          /* query i sees the keys j <= i + diagonal only */
  ctc_dim diagonal;
} ctc_attention_mask;

/* The numbers of the lanes. */
static const float ctc_attention_lane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* `count` numbers that are `step` apart, zeros behind them. */
static CTC_KERNEL ctc_v ctc_attention_gather(const float *p, ctc_dim step, ctc_dim count) {
  float lanes[CTC_LANES] = {0};
  for (int i = 0; i < CTC_LANES && i < count; i++) lanes[i] = p[i * step];
  return ctc_v_load(lanes);
}

/* V as panels of 32 columns, zeros behind the last one. */
static inline CTC_INLINE void ctc_attention_pack(const float *v, float *to, ctc_dim keys,
                                                 ctc_dim size, ctc_dim row, ctc_dim column) {
  for (ctc_dim first = 0; first < size; first += CTC_ATTENTION_BLOCK)
    for (ctc_dim j = 0; j < keys; j++, to += CTC_ATTENTION_BLOCK) {
      const float *from = v + j * row + first * column;
      const ctc_dim left = size - first;
      for (int d = 0; d < CTC_ATTENTION_BLOCK; d += CTC_LANES)
        if (column == 1 && left >= CTC_ATTENTION_BLOCK)
          ctc_v_store(to + d, ctc_v_load(from + d));
        else
          ctc_v_store(to + d, ctc_attention_gather(from + d * column, column, left - d));
    }
}

/* to[column][4 rows] = scale * from[row][4 columns], rows `row` apart, in `to` 32. */
static inline CTC_INLINE void ctc_attention_turn_square(const float *from, float *to, ctc_dim row,
                                                        float scale) {
#if CTC_LANES > 1 && CTC_HAS(__builtin_shufflevector)
  typedef __attribute__((vector_size(16))) float four;
  four a, b, c, d;
  memcpy(&a, from, sizeof a);
  memcpy(&b, from + row, sizeof b);
  memcpy(&c, from + 2 * row, sizeof c);
  memcpy(&d, from + 3 * row, sizeof d);
  const four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) * scale;
  const four cd = __builtin_shufflevector(c, d, 0, 4, 1, 5) * scale;
  const four ef = __builtin_shufflevector(a, b, 2, 6, 3, 7) * scale;
  const four gh = __builtin_shufflevector(c, d, 2, 6, 3, 7) * scale;
  a = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
  b = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
  c = __builtin_shufflevector(ef, gh, 0, 1, 4, 5);
  d = __builtin_shufflevector(ef, gh, 2, 3, 6, 7);
  memcpy(to, &a, sizeof a);
  memcpy(to + CTC_ATTENTION_BLOCK, &b, sizeof b);
  memcpy(to + 2 * CTC_ATTENTION_BLOCK, &c, sizeof c);
  memcpy(to + 3 * CTC_ATTENTION_BLOCK, &d, sizeof d);
#else
  for (int j = 0; j < 4; j++)
    for (int i = 0; i < 4; i++) to[j * CTC_ATTENTION_BLOCK + i] = from[i * row + j] * scale;
#endif
}

/* to[d][32] = scale * q of `rows` queries, zeros behind them. */
static inline CTC_INLINE void ctc_attention_turn(const float *q, float *to, ctc_dim rows,
                                                 ctc_dim size, ctc_dim row, ctc_dim column,
                                                 float scale) {
  const ctc_dim squares = column == 1 ? rows - rows % 4 : 0, whole = size - size % 4;
  for (ctc_dim i = 0; i < squares; i += 4) {
    for (ctc_dim d = 0; d < whole; d += 4)
      ctc_attention_turn_square(q + i * row + d, to + d * CTC_ATTENTION_BLOCK + i, row, scale);
    for (ctc_dim d = whole; d < size; d++)
      for (int r = 0; r < 4; r++)
        to[d * CTC_ATTENTION_BLOCK + i + r] = q[(i + r) * row + d] * scale;
  }
  for (ctc_dim i = squares; i < CTC_ATTENTION_BLOCK; i++)
    for (ctc_dim d = 0; d < size; d++)
      to[d * CTC_ATTENTION_BLOCK + i] = i < rows ? q[i * row + d * column] * scale : 0.0f;
}

/* What the steps of a block share: sizes and where things lie. */
typedef struct {
  const float *q, *k, *panels;
  float *y, *turned, *scores;
  float *most, *sums; /* of each of the 32 columns of scores */
  ctc_dim q_row, q_column, k_row, k_column, y_row, y_column;
  ctc_dim keys, size, v_size;
  ctc_dim used; /* keys that the block's queries see, rounded up to whole tiles */
  ctc_attention_mask mask;
} ctc_attention_job;

/* Scores of key j and the block's queries from `lane` on. */
static CTC_KERNEL ctc_v ctc_attention_masked(ctc_v score, ctc_attention_mask mask, ctc_dim j,
                                             int lane, ctc_dim rows) {
  if (mask.data) {
    const float *at = mask.data + j * mask.column + lane * mask.row;
    int count = rows - lane < CTC_LANES ? (int)(rows - lane) : CTC_LANES;
    ctc_v m = mask.row == 0   ? ctc_v_set(*at)
              : mask.row == 1 ? ctc_v_load_n(at, count)
                              : ctc_attention_gather(at, mask.row, count);
    score = mask.replaces ? ctc_v_select(ctc_v_less(m, ctc_v_set(0)), m, score) : score + m;
  }
  if (mask.causal) {
    ctc_v barred = ctc_v_set((float)(j - mask.diagonal - lane));
    score = ctc_v_select(ctc_v_less(ctc_v_load(ctc_attention_lane), barred), ctc_v_set(-INFINITY),
                         score);
  }
  return score;
}

/* Scores of the n keys from j on and two vectors (one if not `wide`) of queries from `lane` on;
 * most[lane] … become the largest scores so far. */
static inline CTC_INLINE void ctc_attention_scores_tile(ctc_attention_job job, ctc_dim j, int lane,
                                                        int n, int wide) {
  const float *k = job.k + j * job.k_row, *turned = job.turned + lane;
  float *scores = job.scores + j * CTC_ATTENTION_BLOCK + lane, *most = job.most + lane;
  const ctc_v zero = ctc_v_set(0);
#define CTC_DECLARE(i) ctc_v a##i = zero, b##i = zero;
  CTC_EACH_ROW(CTC_DECLARE)
#undef CTC_DECLARE
  for (ctc_dim d = 0; d < job.size; d++, k += job.k_column, turned += CTC_ATTENTION_BLOCK) {
    ctc_v w0 = ctc_v_load(turned), w1 = wide ? ctc_v_load(turned + CTC_LANES) : zero;
#define CTC_ADD(i)               \
  if (n > (i)) {                 \
    float x = k[(i) * job.k_row];    \
    a##i += w0 * x;              \
    if (wide) b##i += w1 * x;    \
  }
    CTC_EACH_ROW(CTC_ADD)
#undef CTC_ADD
  }
  ctc_v most0 = ctc_v_load(most), most1 = wide ? ctc_v_load(most + CTC_LANES) : zero;
#define CTC_STORE(i)                                                     \
  if (n > (i)) {                                                         \
    most0 = ctc_v_max(a##i, most0);                                      \
    ctc_v_store(scores + (i) * CTC_ATTENTION_BLOCK, a##i);               \
    if (wide) {                                                          \
      most1 = ctc_v_max(b##i, most1);                                    \
      ctc_v_store(scores + (i) * CTC_ATTENTION_BLOCK + CTC_LANES, b##i); \
    }                                                                    \
  }
  CTC_EACH_ROW(CTC_STORE)
#undef CTC_STORE
  ctc_v_store(most, most0);
  if (wide) ctc_v_store(most + CTC_LANES, most1);
}

/* `count` results, `step` apart. */
static inline CTC_INLINE void ctc_attention_store(float *y, ctc_v v, ctc_dim step, int count) {
  if (step == 1) {
    ctc_v_store_n(y, v, count);
    return;
  }
  float lanes[CTC_LANES];
  ctc_v_store(lanes, v);
  for (int i = 0; i < CTC_LANES && i < count; i++) y[i * step] = lanes[i];
}

/* y of the block's n queries from i on and two vectors (one if not `wide`) of columns from d on. */
static inline CTC_INLINE void ctc_attention_values_tile(ctc_attention_job job, ctc_dim i, ctc_dim d,
                                                        int n, int wide) {
  const float *weights = job.scores + i, *share = job.sums + i;
  const float *panel = job.panels + d / CTC_ATTENTION_BLOCK * job.keys * CTC_ATTENTION_BLOCK +
                       d % CTC_ATTENTION_BLOCK;
  float *y = job.y + i * job.y_row + d * job.y_column;
  const ctc_v zero = ctc_v_set(0);
#define CTC_DECLARE(i) ctc_v a##i = zero, b##i = zero;
  CTC_EACH_ROW(CTC_DECLARE)
#undef CTC_DECLARE
  for (ctc_dim j = 0; j < job.used; j++, weights += CTC_ATTENTION_BLOCK, panel += CTC_ATTENTION_BLOCK) {
    ctc_v w0 = ctc_v_load(panel), w1 = wide ? ctc_v_load(panel + CTC_LANES) : zero;
#define CTC_ADD(r)             \
  if (n > (r)) {               \
    float x = weights[r];      \
    a##r += w0 * x;            \
    if (wide) b##r += w1 * x;  \
  }
    CTC_EACH_ROW(CTC_ADD)
#undef CTC_ADD
  }
  const ctc_dim left = job.v_size - d;
  const int count0 = left < CTC_LANES ? (int)left : CTC_LANES;
  const int count1 = left < 2 * CTC_LANES ? (int)left - CTC_LANES : CTC_LANES;
#define CTC_STORE(r)                                                                              \
  if (n > (r)) {                                                                                  \
    ctc_attention_store(y + (r) * job.y_row, a##r * share[r], job.y_column, count0);                      \
    if (wide)                                                                                     \
      ctc_attention_store(y + (r) * job.y_row + CTC_LANES * job.y_column, b##r * share[r], job.y_column, count1); \
  }
  CTC_EACH_ROW(CTC_STORE)
#undef CTC_STORE
}

/* The tile with the code for its height. */
static inline CTC_INLINE void ctc_attention_scores(ctc_attention_job job, ctc_dim j, int lane,
                                                   ctc_dim n, int wide) {
  switch (n) {
#if CTC_TILE > 6
  case 14: ctc_attention_scores_tile(job, j, lane, 14, wide); break;
  case 13: ctc_attention_scores_tile(job, j, lane, 13, wide); break;
  case 12: ctc_attention_scores_tile(job, j, lane, 12, wide); break;
  case 11: ctc_attention_scores_tile(job, j, lane, 11, wide); break;
  case 10: ctc_attention_scores_tile(job, j, lane, 10, wide); break;
  case 9: ctc_attention_scores_tile(job, j, lane, 9, wide); break;
  case 8: ctc_attention_scores_tile(job, j, lane, 8, wide); break;
  case 7: ctc_attention_scores_tile(job, j, lane, 7, wide); break;
#endif
#if CTC_TILE > 4
  case 6: ctc_attention_scores_tile(job, j, lane, 6, wide); break;
  case 5: ctc_attention_scores_tile(job, j, lane, 5, wide); break;
#endif
  case 4: ctc_attention_scores_tile(job, j, lane, 4, wide); break;
  case 3: ctc_attention_scores_tile(job, j, lane, 3, wide); break;
  case 2: ctc_attention_scores_tile(job, j, lane, 2, wide); break;
  default: ctc_attention_scores_tile(job, j, lane, 1, wide); break;
  }
}

/* Likewise. */
static inline CTC_INLINE void ctc_attention_values(ctc_attention_job job, ctc_dim i, ctc_dim d,
                                                   ctc_dim n, int wide) {
  switch (n) {
#if CTC_TILE > 6
  case 14: ctc_attention_values_tile(job, i, d, 14, wide); break;
  case 13: ctc_attention_values_tile(job, i, d, 13, wide); break;
  case 12: ctc_attention_values_tile(job, i, d, 12, wide); break;
  case 11: ctc_attention_values_tile(job, i, d, 11, wide); break;
  case 10: ctc_attention_values_tile(job, i, d, 10, wide); break;
  case 9: ctc_attention_values_tile(job, i, d, 9, wide); break;
  case 8: ctc_attention_values_tile(job, i, d, 8, wide); break;
  case 7: ctc_attention_values_tile(job, i, d, 7, wide); break;
#endif
#if CTC_TILE > 4
  case 6: ctc_attention_values_tile(job, i, d, 6, wide); break;
  case 5: ctc_attention_values_tile(job, i, d, 5, wide); break;
#endif
  case 4: ctc_attention_values_tile(job, i, d, 4, wide); break;
  case 3: ctc_attention_values_tile(job, i, d, 3, wide); break;
  case 2: ctc_attention_values_tile(job, i, d, 2, wide); break;
  default: ctc_attention_values_tile(job, i, d, 1, wide); break;
  }
}

/* Scores of all keys for two vectors of queries (one if not `wide`) from `lane` on, in tiles of
 * equal height, up to one key. Where the number of keys is not known while compiling, tiles of any
 * height would be much code: full ones and single keys do. */
static inline CTC_INLINE void ctc_attention_column(ctc_attention_job job, int lane, int wide) {
  ctc_dim j = 0;
  if (!CTC_KNOWN(job.keys)) {
    for (; j + CTC_TILE <= job.used; j += CTC_TILE)
      ctc_attention_scores_tile(job, j, lane, CTC_TILE, wide);
    for (; j + 4 <= job.used; j += 4) ctc_attention_scores_tile(job, j, lane, 4, wide);
    for (; j < job.used; j++) ctc_attention_scores_tile(job, j, lane, 1, wide);
    return;
  }
  const ctc_dim tiles = job.keys > 0 ? (job.keys + CTC_TILE - 1) / CTC_TILE : 1;
  const ctc_dim low = job.keys / tiles, taller = job.keys % tiles;
  for (ctc_dim t = 0; t < taller && j < job.used; t++, j += low + 1)
    ctc_attention_scores(job, j, lane, low + 1, wide);
  for (; j < job.used; j += low) ctc_attention_scores(job, j, lane, low, wide);
}

/* Results of all `rows` queries for two vectors of columns (one if not `wide`) from d on. */
static inline CTC_INLINE void ctc_attention_results(ctc_attention_job job, ctc_dim d, ctc_dim rows,
                                                    int wide) {
  ctc_dim i = 0;
  if (!CTC_KNOWN(rows)) {
    for (; i + CTC_TILE <= rows; i += CTC_TILE)
      ctc_attention_values_tile(job, i, d, CTC_TILE, wide);
    for (; i + 4 <= rows; i += 4) ctc_attention_values_tile(job, i, d, 4, wide);
    for (; i < rows; i++) ctc_attention_values_tile(job, i, d, 1, wide);
    return;
  }
  const ctc_dim tiles = rows > 0 ? (rows + CTC_TILE - 1) / CTC_TILE : 1;
  const ctc_dim low = rows / tiles, taller = rows % tiles;
  for (ctc_dim t = 0; t < taller; t++, i += low + 1) ctc_attention_values(job, i, d, low + 1, wide);
  for (; i < rows; i += low) ctc_attention_values(job, i, d, low, wide);
}

/* The mask over the scores of a vector of queries, and the largest ones then. */
static inline CTC_INLINE void ctc_attention_bar(ctc_attention_job job, int lane, ctc_dim rows) {
  float *scores = job.scores + lane;
  ctc_v most = ctc_v_set(-INFINITY);
  for (ctc_dim j = 0; j < job.used; j++, scores += CTC_ATTENTION_BLOCK) {
    ctc_v score = ctc_attention_masked(ctc_v_load(scores), job.mask, j, lane, rows);
    most = ctc_v_max(score, most);
    ctc_v_store(scores, score);
  }
  ctc_v_store(job.most + lane, most);
}

/* What becomes of a query whose weights are NaN, because all of its scores are -infinity or one is
 * NaN: NaN; zeros; zeros in the first case only. */
enum { CTC_ATTENTION_NAN, CTC_ATTENTION_ZERO, CTC_ATTENTION_ZERO_IF_BARRED };

/* Scores become e^(score - most), sums[] their sums' inverses. */
static inline CTC_INLINE void ctc_attention_exp(ctc_attention_job job, int lane, int safe) {
  const ctc_v one = ctc_v_set(1), zero = ctc_v_set(0);
  ctc_v most = ctc_v_load(job.most + lane);
  if (safe == CTC_ATTENTION_ZERO_IF_BARRED)
    most = ctc_v_select(ctc_v_equal(most, ctc_v_set(-INFINITY)), zero, most);
  float *scores = job.scores + lane;
  ctc_v sum = zero;
  for (ctc_dim j = 0; j < job.used; j++) {
    ctc_v e = ctc_exp_v(ctc_v_load(scores + j * CTC_ATTENTION_BLOCK) - most);
    sum += e;
    ctc_v_store(scores + j * CTC_ATTENTION_BLOCK, e);
  }
  ctc_v share = job.keys > 0 ? one / sum : zero;
  if (safe == CTC_ATTENTION_ZERO_IF_BARRED)
    share = ctc_v_select(ctc_v_equal(sum, zero), zero, share);
  if (safe == CTC_ATTENTION_ZERO) {
    const ctc_vi good = ctc_v_less_equal(zero, sum);
    share = ctc_v_select(good, share, zero);
    for (ctc_dim j = 0; j < job.used; j++) {
      float *at = scores + j * CTC_ATTENTION_BLOCK;
      ctc_v_store(at, ctc_v_select(good, ctc_v_load(at), zero));
    }
  }
  ctc_v_store(job.sums + lane, share);
}

/* One block of `rows` queries. */
static inline CTC_INLINE void ctc_attention_block(ctc_attention_job job, ctc_dim rows,
                                                  float scale, int safe) {
  int lane = 0;
  for (int i = 0; i < CTC_ATTENTION_BLOCK; i++) job.most[i] = -INFINITY;
  ctc_attention_turn(job.q, job.turned, rows, job.size, job.q_row, job.q_column, scale);
  for (; rows > lane + CTC_LANES; lane += 2 * CTC_LANES) ctc_attention_column(job, lane, 1);
  if (lane < rows) ctc_attention_column(job, lane, 0);
  if (job.mask.data || job.mask.causal)
    for (lane = 0; lane < rows; lane += CTC_LANES) ctc_attention_bar(job, lane, rows);
  for (lane = 0; lane < rows; lane += CTC_LANES) ctc_attention_exp(job, lane, safe);
  ctc_dim d = 0;
  for (; job.v_size > d + CTC_LANES; d += 2 * CTC_LANES) ctc_attention_results(job, d, rows, 1);
  if (d < job.v_size) ctc_attention_results(job, d, rows, 0);
}

/* Numbers of scratch that a part needs. */
static inline ctc_dim ctc_attention_scratch(ctc_dim keys, ctc_dim size, ctc_dim v_size) {
  ctc_dim panels = (v_size + CTC_ATTENTION_BLOCK - 1) / CTC_ATTENTION_BLOCK;
  return CTC_ATTENTION_BLOCK * (keys * (panels + 1) + size + 2);
}

/* Y = softmax(scale * Q K^T + mask) V for each element of a stack of heads. Tensors are read at
 * `step`s for each dim of the stack, row (query or key), and column, which are the last two numbers of
 * the arrays. A unit is a block of 32 queries of an element. mask may be missing; causal: query i sees
 * keys up to i + diagonal, which is not negative; safe: CTC_ATTENTION_NAN and its kin. */
static CTC_KERNEL void ctc_attention_fused_f32(
    const float *q, const float *k, const float *v, const float *mask, float *y, float *scratch,
    ctc_dim rank, const ctc_dim *stack, const ctc_dim *q_step, const ctc_dim *k_step,
    const ctc_dim *v_step, const ctc_dim *mask_step, const ctc_dim *y_step, ctc_dim rows,
    ctc_dim keys, ctc_dim size, ctc_dim v_size, double scale, ctc_dim replaces, ctc_dim causal,
    ctc_dim diagonal, ctc_dim safe, ctc_dim part, ctc_dim first, ctc_dim last) {
  const ctc_dim blocks = (rows + CTC_ATTENTION_BLOCK - 1) / CTC_ATTENTION_BLOCK;
  float *room = scratch + part * ctc_attention_scratch(keys, size, v_size);
  ctc_attention_job job;
  ctc_dim packed = -1;
  job.most = room;
  job.sums = room + CTC_ATTENTION_BLOCK;
  job.turned = room + 2 * CTC_ATTENTION_BLOCK;
  job.scores = job.turned + size * CTC_ATTENTION_BLOCK;
  float *values = job.scores + keys * CTC_ATTENTION_BLOCK;
  job.panels = values;
  job.q_row = q_step[rank];
  job.q_column = q_step[rank + 1];
  job.k_row = k_step[rank];
  job.k_column = k_step[rank + 1];
  job.y_row = y_step[rank];
  job.y_column = y_step[rank + 1];
  job.keys = keys;
  job.size = size;
  job.v_size = v_size;
  job.mask.row = mask_step[rank];
  job.mask.column = mask_step[rank + 1];
  job.mask.replaces = replaces != 0;
  job.mask.causal = causal != 0;
  for (ctc_dim unit = first; unit < last; unit++) {
    const ctc_dim head = unit / blocks, row = unit % blocks * CTC_ATTENTION_BLOCK;
    if (head != packed) {
      ctc_attention_pack(v + ctc_place_of(head, rank, stack, v_step), values, keys, v_size,
                         v_step[rank], v_step[rank + 1]);
      packed = head;
    }
    job.q = q + ctc_place_of(head, rank, stack, q_step) + row * job.q_row;
    job.k = k + ctc_place_of(head, rank, stack, k_step);
    job.y = y + ctc_place_of(head, rank, stack, y_step) + row * job.y_row;
    job.mask.data =
        mask ? mask + ctc_place_of(head, rank, stack, mask_step) + row * job.mask.row : NULL;
    job.mask.diagonal = row + diagonal;
    job.used = keys;
    if (causal && job.mask.diagonal + CTC_ATTENTION_BLOCK < keys)
      job.used = job.mask.diagonal + CTC_ATTENTION_BLOCK;
    if (CTC_KNOWN(rows) && rows - row >= CTC_ATTENTION_BLOCK)
      ctc_attention_block(job, CTC_ATTENTION_BLOCK, (float)scale, (int)safe);
    else if (CTC_KNOWN(rows))
      ctc_attention_block(job, rows % CTC_ATTENTION_BLOCK, (float)scale, (int)safe);
    else
      ctc_attention_block(job, rows - row < CTC_ATTENTION_BLOCK ? rows - row : CTC_ATTENTION_BLOCK,
                          (float)scale, (int)safe);
  }
}
