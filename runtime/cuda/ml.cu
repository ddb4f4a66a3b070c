/* ml.cu: tree ensembles, linear models and feature preparation (runtime/ml.c, for parameters and
 * formulas). Most are a thread a row or an element: there is little to do.
 *
 * Tree ensembles: a block has one row or several, a thread looks for the leaf of a row in a tree,
 * and then the votes for a target are added by one thread, in the order of the trees, as in C. */

enum {
  CTC_TREE_THREADS = 256,
  CTC_TREE_SCORES = 1024 /* of a block's rows in shared memory */
};

/* Threads that look for the leaves of a row at a time. */
CTC_BOTH ctc_dim ctc_tree_group(ctc_dim trees) {
  return trees <= 32 ? 32 : trees <= 64 ? 64 : trees <= 128 ? 128 : CTC_TREE_THREADS;
}

/* Rows of a block: as many as there are groups of threads and memory for scores; 0: not even one
 * row's scores fit, the kernel's own memory serves one block. */
CTC_BOTH ctc_dim ctc_tree_rows(ctc_dim trees, ctc_dim n) {
  const ctc_dim groups = CTC_TREE_THREADS / ctc_tree_group(trees);
  return groups * n <= CTC_TREE_SCORES ? groups : n <= CTC_TREE_SCORES ? 1 : 0;
}

CTC_BOTH ctc_dim ctc_tree_grid(ctc_dim rows, ctc_dim trees, ctc_dim n) {
  const ctc_dim own = ctc_tree_rows(trees, n);
  return own > 0 ? (rows + own - 1) / own : rows > 0;
}

//$ for t in f32 f64
static ctc_dim ctc_tree_regressor_$t_blocks(ctc_dim rows, ctc_dim trees, ctc_dim n) {
  return ctc_tree_grid(rows, trees, n);
}
//$ end

//$ for t in f32 f64
static ctc_dim ctc_tree_classifier_$t_blocks(ctc_dim rows, ctc_dim trees, ctc_dim n) {
  return ctc_tree_grid(rows, trees, n);
}
//$ end

/* Votes of the leaves that a block's threads found. */
//$ for t in f32 f64
typedef struct {
  $T weight[CTC_TREE_THREADS];      /* of a leaf's first vote */
  int32_t target[CTC_TREE_THREADS]; /* of that */
  int32_t first[CTC_TREE_THREADS];  /* its place in the lists */
  int32_t count[CTC_TREE_THREADS];  /* votes of the leaf */
  $T scores[CTC_TREE_SCORES];
  uint8_t has[CTC_TREE_SCORES];
} ctc_tree_room_$t;
//$ end

/* One vote more for a target. */
//$ for t in f32 f64
CTC_DEVICE void ctc_tree_vote_$t($T weight, $T *score, uint8_t *has, ctc_dim aggregate) {
  if (aggregate == CTC_TREE_MIN)
    *score = !*has || weight < *score ? weight : *score;
  else if (aggregate == CTC_TREE_MAX)
    *score = !*has || weight > *score ? weight : *score;
  else
    *score += weight;
  *has = 1;
}
//$ end

/* scores[j] and has[j] of row x by the `group` threads from `begin` on; `there`: whether they have
 * a row. All threads of the block. */
//$ for t in f32 f64
CTC_DEVICE void ctc_tree_votes_$t(const $T *x, const int32_t *roots, const uint8_t *modes,
                                  const int32_t *features, const $T *limits, const int32_t *yes,
                                  const int32_t *no, const int32_t *targets, const $T *weights,
                                  $T *scores, uint8_t *has, ctc_tree_room_$t *room, bool there,
                                  ctc_dim trees, ctc_dim n, ctc_dim aggregate, int begin,
                                  int group) {
  const int thread = (int)threadIdx.x, own = thread - begin;
  for (ctc_dim j = own; there && j < n; j += group) {
    scores[j] = 0;
    has[j] = 0;
  }
  for (ctc_dim from = 0; from < trees; from += group) {
    if (there && from + own < trees) {
      const ctc_dim leaf = ctc_tree_leaf_$t(x, modes, features, limits, yes, no, roots[from + own]);
      const int32_t first = yes[leaf], count = no[leaf];
      room->first[thread] = first;
      room->count[thread] = count;
      room->target[thread] = count > 0 ? targets[first] : -1;
      room->weight[thread] = count > 0 ? weights[first] : 0;
    }
    __syncthreads();
    for (ctc_dim j = own; there && j < n; j += group) {
      $T score = scores[j];
      uint8_t voted = has[j];
      for (int i = begin; i < begin + group && from + i - begin < trees; i++) {
        if (room->target[i] == j) ctc_tree_vote_$t(room->weight[i], &score, &voted, aggregate);
        for (int32_t k = 1; k < room->count[i]; k++)
          if (targets[room->first[i] + k] == j)
            ctc_tree_vote_$t(weights[room->first[i] + k], &score, &voted, aggregate);
      }
      scores[j] = score;
      has[j] = voted;
    }
    __syncthreads();
  }
}
//$ end

/* Several rows a block, a group of threads a row. */
//$ for t in f32 f64
CTC_DEVICE void ctc_tree_regressor_$t(const $T *x, const int32_t *roots, const uint8_t *modes,
                                      const int32_t *features, const $T *limits, const int32_t *yes,
                                      const int32_t *no, const int32_t *targets, const $T *weights,
                                      const $T *base, $T *y, uint8_t *has, ctc_dim rows,
                                      ctc_dim columns, ctc_dim trees, ctc_dim n, ctc_dim aggregate,
                                      ctc_dim function) {
  __shared__ ctc_tree_room_$t room;
  const ctc_dim fitting = ctc_tree_rows(trees, n), together = fitting > 0 ? fitting : 1;
  const int group = (int)ctc_tree_group(trees), number = (int)threadIdx.x / group;
  const int begin = number * group;
  uint8_t *voted = fitting > 0 ? room.has + number * n : has;
  for (ctc_dim top = (ctc_dim)blockIdx.x * together; top < rows;
       top += (ctc_dim)gridDim.x * together) {
    const ctc_dim row = top + number;
    const bool there = number < together && row < rows;
    $T *scores = y + (there ? row : 0) * n;
    ctc_tree_votes_$t(x + (there ? row : 0) * columns, roots, modes, features, limits, yes, no,
                      targets, weights, scores, voted, &room, there, trees, n, aggregate, begin,
                      group);
    for (ctc_dim j = (ctc_dim)threadIdx.x - begin; there && j < n; j += group) {
      if (aggregate == CTC_TREE_AVERAGE) scores[j] /= ($T)trees;
      if (base) scores[j] += base[j];
    }
    __syncthreads();
    if (there && (int)threadIdx.x == begin) ctc_ml_transform_$t(scores, n, function);
    __syncthreads();
  }
}
//$ end

/* The class of a row with its n scores, which become final. */
//$ for t in f32 f64
CTC_DEVICE ctc_dim ctc_tree_decide_$t($T *scores, uint8_t *has, const $T *base, ctc_dim n,
                                      ctc_dim bases, ctc_dim single, ctc_dim positive,
                                      ctc_dim function) {
  ctc_dim winner = -1;
  if (n == 2) return ctc_tree_binary_$t(scores, has, base, bases, single, positive, function);
  for (ctc_dim j = 0; j < bases; j++) {
    scores[j] += base[j];
    has[j] = 1;
  }
  for (ctc_dim j = 0; j < n; j++)
    if (has[j] && (winner < 0 || scores[j] > scores[winner])) winner = j;
  ctc_ml_transform_$t(scores, n, function);
  return winner < 0 ? 0 : winner;
}
//$ end

/* Several rows a block, a group of threads a row. */
//$ for t in f32 f64
CTC_DEVICE void ctc_tree_classifier_$t(const $T *x, const int32_t *roots, const uint8_t *modes,
                                       const int32_t *features, const $T *limits,
                                       const int32_t *yes, const int32_t *no,
                                       const int32_t *targets, const $T *weights, const $T *base,
                                       const int64_t *classes, int64_t *labels, $T *y, $T *scores,
                                       uint8_t *has, ctc_dim rows, ctc_dim columns, ctc_dim trees,
                                       ctc_dim n, ctc_dim bases, ctc_dim single, ctc_dim positive,
                                       ctc_dim function) {
  __shared__ ctc_tree_room_$t room;
  const ctc_dim fitting = ctc_tree_rows(trees, n), together = fitting > 0 ? fitting : 1;
  const int group = (int)ctc_tree_group(trees), number = (int)threadIdx.x / group;
  const int begin = number * group;
  $T *found = fitting > 0 ? room.scores + number * n : scores;
  uint8_t *voted = fitting > 0 ? room.has + number * n : has;
  for (ctc_dim top = (ctc_dim)blockIdx.x * together; top < rows;
       top += (ctc_dim)gridDim.x * together) {
    const ctc_dim row = top + number;
    const bool there = number < together && row < rows;
    ctc_tree_votes_$t(x + (there ? row : 0) * columns, roots, modes, features, limits, yes, no,
                      targets, weights, found, voted, &room, there, trees, n, CTC_TREE_SUM, begin,
                      group);
    __syncthreads();
    if (there && (int)threadIdx.x == begin) {
      const ctc_dim winner =
          ctc_tree_decide_$t(found, voted, base, n, bases, single, positive, function);
      if (labels) labels[row] = n == 2 && !single ? winner : classes[winner];
    }
    __syncthreads();
    for (ctc_dim j = (ctc_dim)threadIdx.x - begin; there && y && j < n; j += group)
      y[row * n + j] = found[j];
    __syncthreads();
  }
}
//$ end

/* --- a thread a row or an element --- */

static ctc_dim ctc_ml_finish_blocks(ctc_dim rows) {
  return ctc_blocks_for(rows, 256);
}

/* A thread a row. */
CTC_DEVICE void ctc_ml_finish(float *y, ctc_dim rows, ctc_dim n, ctc_dim second, ctc_dim function) {
  const ctc_dim i = ctc_thread_of(256);
  if (i >= rows) return;
  if (second)
    ctc_ml_two_scores_f32(y + i * n, function, 1);
  else
    ctc_ml_transform_f32(y + i * n, n, function);
}

static ctc_dim ctc_ml_labels_blocks(ctc_dim rows) {
  return ctc_blocks_for(rows, 256);
}

/* A thread a row. */
CTC_DEVICE void ctc_ml_labels(const float *scores, const int64_t *classes, int64_t *labels,
                              ctc_dim rows, ctc_dim n, ctc_dim row) {
  const ctc_dim i = ctc_thread_of(256);
  if (i >= rows) return;
  const float *score = scores + i * row;
  labels[i] = classes[n == 1 ? *score > 0 : ctc_ml_best_f32(score, n)];
}

enum { ctc_ml_normalize_threads = 128 };

static ctc_dim ctc_ml_normalize_blocks(ctc_dim rows) {
  return (rows + 3) / 4;
}

/* A warp a row. */
CTC_DEVICE void ctc_ml_normalize(const float *x, float *y, ctc_dim rows, ctc_dim n, ctc_dim norm) {
  const ctc_dim row = (ctc_dim)blockIdx.x * 4 + (ctc_dim)threadIdx.x / 32;
  const int lane = (int)threadIdx.x % 32;
  if (row >= rows) return;
  const float *from = x + row * n;
  float size = norm == 0 ? -FLT_MAX : 0;
  for (ctc_dim j = lane; j < n; j += 32) {
    const float a = from[j];
    if (norm == 0) size = a > size ? a : size;
    if (norm == 1) size += fabsf(a);
    if (norm == 2) size += a * a;
  }
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    const float other = __shfl_xor_sync(0xffffffffu, size, step);
    size = norm != 0 ? size + other : other > size ? other : size;
  }
  if (norm == 2) size = sqrtf(size);
  for (ctc_dim j = lane; j < n; j += 32) y[row * n + j] = size != 0 ? from[j] / size : from[j];
}

//$ for t in i64 f32 f64
//$ for u in i64 f32 f64
static ctc_dim ctc_label_encode_$t_$u_blocks(ctc_dim n) {
  return ctc_blocks_for(n, 256);
}
//$ end
//$ end

/* A thread an element. */
//$ for t in i64 f32 f64
//$ for u in i64 f32 f64
CTC_DEVICE void ctc_label_encode_$t_$u(const $T *x, const $T *keys, const $U *values,
                                       const $U *missing, $U *y, ctc_dim n, ctc_dim count) {
  const ctc_dim i = ctc_thread_of(256);
  if (i >= n) return;
  ctc_dim k = 0;
  while (k < count && !ctc_ml_same_$t(keys[k], x[i])) k++;
  y[i] = k < count ? values[k] : *missing;
}
//$ end
//$ end

static ctc_dim ctc_ml_one_hot_blocks(ctc_dim n) {
  return ctc_blocks_for(n, 256);
}

/* A thread an element of x. */
CTC_DEVICE void ctc_ml_one_hot(const int64_t *x, const int64_t *categories, float *y, ctc_dim n,
                               ctc_dim count, ctc_dim zeros, int *status) {
  const ctc_dim i = ctc_thread_of(256);
  bool found = false;
  if (i >= n) return;
  for (ctc_dim k = 0; k < count; k++) {
    const bool same = x[i] == categories[k];
    y[i * count + k] = same ? 1.0f : 0.0f;
    found = found || same;
  }
  if (!found && !zeros) *status = CTC_BAD_INDEX;
}

static ctc_dim ctc_ml_extract_blocks(ctc_dim rows, ctc_dim count) {
  return ctc_blocks_for(rows * count, 256);
}

/* A thread an element of y. */
CTC_DEVICE void ctc_ml_extract(const void *x, const int64_t *pick, void *y, ctc_dim rows, ctc_dim n,
                               ctc_dim count, ctc_dim bytes, int *status) {
  const ctc_dim at = ctc_thread_of(256);
  if (at >= rows * count) return;
  const int64_t column = pick[at % count];
  if (column < 0 || column >= n) {
    *status = CTC_BAD_INDEX;
    return;
  }
  ctc_move_element(
      (unsigned char *)y + (size_t)at * (size_t)bytes,
      (const unsigned char *)x + (size_t)(at / count * n + (ctc_dim)column) * (size_t)bytes, bytes);
}
