/* attention.cu: softmax(scale * Q K^T + mask) V without the matrix of all scores.
 *
 * A block has a tile of queries of one head and a slice of the columns of V. Its warps share the
 * keys, 32 at a time: each keeps the largest score, the sum of the weights and the weighted rows of
 * V of the keys that it has seen, and rescales them when a larger score comes (online softmax). In
 * the end the warps' parts are brought to the same largest score and added in the order of the
 * warps.
 *
 *   scores    a lane a key: s[i] = sum over d of Q[i][d] * K[lane][d], K through shared memory
 *   weights   e^(s[i] - largest), to shared memory
 *   results   a lane a column (or several): acc[i][c] += weight[i][j] * V[j][c * 32 + lane]
 *
 * One query (decoding) is a tile of 1, so that the keys of a head are shared by 8 warps. */

enum { ctc_attention_fused_f32_threads = 256 };

enum {
  CTC_ATTENTION_WARPS = 8,
  CTC_ATTENTION_DEPTH = 128, /* of the queries in shared memory at a time */
  CTC_ATTENTION_CHUNK = 32,  /* depth of the keys in shared memory at a time */
  CTC_ATTENTION_PITCH = 36,  /* from key to key there: 16-byte loads of 8 lanes meet all banks */
  CTC_ATTENTION_TALL = 16,   /* the most queries of a tile */
  CTC_ATTENTION_STAGE = 32 * CTC_ATTENTION_PITCH,
  CTC_ATTENTION_ROOM = CTC_ATTENTION_TALL * CTC_ATTENTION_DEPTH +
                       CTC_ATTENTION_WARPS * (CTC_ATTENTION_STAGE + 2 * CTC_ATTENTION_TALL)
};

/* Heads of a stack. */
CTC_BOTH ctc_dim ctc_attention_heads(ctc_dim rank, const ctc_dim *stack) {
  ctc_dim heads = 1;
  for (ctc_dim i = 0; i < rank; i++) heads *= stack[i];
  return heads;
}

/* Columns of V of a slice. */
CTC_BOTH ctc_dim ctc_attention_width(ctc_dim v_size) {
  return v_size <= 32 ? 32 : v_size <= 64 ? 64 : 128;
}

CTC_BOTH ctc_dim ctc_attention_slices(ctc_dim v_size) {
  return (v_size + ctc_attention_width(v_size) - 1) / ctc_attention_width(v_size);
}

/* Queries of a tile: tall ones read K and V less often, low ones make more blocks where there are
 * too few for a large GPU, and need fewer registers where slices are wide. */
CTC_BOTH ctc_dim ctc_attention_queries(ctc_dim heads, ctc_dim rows, ctc_dim v_size) {
  const ctc_dim enough = 128, tiles = (rows + CTC_ATTENTION_TALL - 1) / CTC_ATTENTION_TALL;
  return rows == 1 ? 1 : v_size <= 64 && heads * tiles >= enough ? CTC_ATTENTION_TALL : 8;
}

static ctc_dim ctc_attention_fused_f32_blocks(ctc_dim rank, const ctc_dim *stack, ctc_dim rows,
                                              ctc_dim v_size) {
  const ctc_dim heads = ctc_attention_heads(rank, stack);
  const ctc_dim queries = ctc_attention_queries(heads, rows, v_size);
  return heads * ((rows + queries - 1) / queries) * ctc_attention_slices(v_size);
}

/* Queries of a tile * 256 + columns of V of a slice. */
CTC_BOTH int ctc_attention_fused_f32_form(ctc_dim rank, const ctc_dim *stack, ctc_dim rows,
                                          ctc_dim v_size) {
  const ctc_dim heads = ctc_attention_heads(rank, stack);
  return (int)(ctc_attention_queries(heads, rows, v_size) * 256 + ctc_attention_width(v_size));
}

/* What a block works on: pointers to its head and first query, `rows` queries, the keys that they
 * see, columns of V of its slice. */
typedef struct {
  const float *q, *k, *v, *mask;
  float *y;
  ctc_dim q_row, q_column, k_row, k_column, v_row, v_column, mask_row, mask_column, y_row, y_column;
  ctc_dim rows, keys, size, columns, diagonal;
  float scale;
  int replaces, causal, safe, empty;
} ctc_attention_tile_f32;

/* queries[i][d - from] = scale * Q[i][d], zeros behind the last row and column; all threads. */
CTC_DEVICE void ctc_attention_take_queries(const ctc_attention_tile_f32 &tile, float *queries,
                                           int count, ctc_dim from) {
  const ctc_dim left = tile.size - from;
  const int depth = left < CTC_ATTENTION_DEPTH ? ((int)left + 31) / 32 * 32 : CTC_ATTENTION_DEPTH;
  for (int at = (int)threadIdx.x; at < count * depth; at += 32 * CTC_ATTENTION_WARPS) {
    const int i = at / depth, d = at % depth;
    const bool there = i < tile.rows && d < left;
    queries[i * CTC_ATTENTION_DEPTH + d] =
        there ? tile.q[i * tile.q_row + (from + d) * tile.q_column] * tile.scale : 0.0f;
  }
}

/* to[key][d]: up to 32 keys and 32 columns of K from `from` on, zeros behind `keys` and `depth`; a
 * warp. */
CTC_DEVICE void ctc_attention_take_keys(const float *from, float *to, ctc_dim row, ctc_dim column,
                                        ctc_dim keys, ctc_dim depth) {
  const int lane = (int)threadIdx.x % 32;
  if (column == 1 && depth >= CTC_ATTENTION_CHUNK && row % 4 == 0 && (size_t)from % 16 == 0) {
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const int key = i * 4 + lane / 8, d = lane % 8 * 4;
      float4 four = {0, 0, 0, 0};
      if (key < keys) four = *(const float4 *)(from + key * row + d);
      *(float4 *)(to + key * CTC_ATTENTION_PITCH + d) = four;
    }
  } else if (row == 1 && column != 1) {
#pragma unroll 8
    for (int d = 0; d < CTC_ATTENTION_CHUNK; d++)
      to[lane * CTC_ATTENTION_PITCH + d] =
          lane < keys && d < depth ? from[lane + d * column] : 0.0f;
  } else {
#pragma unroll 8
    for (int key = 0; key < 32; key++)
      to[key * CTC_ATTENTION_PITCH + lane] =
          key < keys && lane < depth ? from[key * row + lane * column] : 0.0f;
  }
}

/* score[i] += Q[i] * K[lane] over `depth` columns of both. */
template <int QUERIES>
CTC_DEVICE void ctc_attention_add_scores(const float *queries, const float *keys, float *score,
                                         ctc_dim depth) {
  const float *key = keys + threadIdx.x % 32 * CTC_ATTENTION_PITCH;
#pragma unroll(QUERIES < CTC_ATTENTION_TALL ? 2 : 1) /* two steps of a tall tile would spill */
  for (int d = 0; d < CTC_ATTENTION_CHUNK && d < depth; d += 4) {
    const float4 k = *(const float4 *)(key + d);
#pragma unroll
    for (int i = 0; i < QUERIES; i++) {
      const float4 q = *(const float4 *)(queries + i * CTC_ATTENTION_DEPTH + d);
      score[i] += q.x * k.x + q.y * k.y + q.z * k.z + q.w * k.w;
    }
  }
}

/* The score of query i and key j with the mask. */
CTC_DEVICE float ctc_attention_mask_score(const ctc_attention_tile_f32 &tile, float score, int i,
                                          ctc_dim j) {
  if (j >= tile.keys) return -INFINITY;
  if (tile.mask && i < tile.rows) {
    const float m = tile.mask[i * tile.mask_row + j * tile.mask_column];
    score = !tile.replaces ? score + m : m < 0 ? m : score;
  }
  return tile.causal && j > i + tile.diagonal ? -INFINITY : score;
}

/* The largest of a warp's numbers; NaN does not count. */
CTC_DEVICE float ctc_attention_largest(float x) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
  return x;
}

/* The sum of a warp's numbers. */
CTC_DEVICE float ctc_attention_total(float x) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

/* e^(before - after) for two largest scores: what sums change by. 1 if both are -infinity. */
CTC_DEVICE float ctc_attention_factor(float before, float after) {
  return before == after ? 1.0f : expf(before - after);
}

/* acc[i][c] += weight[i][j] * V[j][c * 32 + lane] for up to 32 keys. */
template <int QUERIES, int COLUMNS>
CTC_DEVICE void ctc_attention_add_values(const ctc_attention_tile_f32 &tile, const float *weights,
                                         float (*acc)[COLUMNS], ctc_dim first) {
  const int lane = (int)threadIdx.x % 32;
  const ctc_dim left = tile.keys - first;
  const float *v = tile.v + first * tile.v_row + lane * tile.v_column;
#pragma unroll 1
  for (int j = 0; j < 32 && j < left; j += 4) {
    float value[4][COLUMNS];
#pragma unroll
    for (int r = 0; r < 4; r++)
#pragma unroll
      for (int c = 0; c < COLUMNS; c++)
        value[r][c] = j + r < left && c * 32 + lane < tile.columns
                          ? v[(j + r) * tile.v_row + c * 32 * tile.v_column]
                          : 0.0f;
#pragma unroll
    for (int i = 0; i < QUERIES; i++) {
      const float4 w = *(const float4 *)(weights + i * 32 + j);
#pragma unroll
      for (int c = 0; c < COLUMNS; c++)
        acc[i][c] += w.x * value[0][c] + w.y * value[1][c] + w.z * value[2][c] + w.w * value[3][c];
    }
  }
}

/* Result number `column` of query i: the sum over the warps, divided by that of the weights. */
CTC_DEVICE void ctc_attention_put(const ctc_attention_tile_f32 &tile, const float *parts,
                                  const float *sums, int part, int count, int i, ctc_dim column) {
  float result = 0, sum = 0;
#pragma unroll
  for (int w = 0; w < CTC_ATTENTION_WARPS; w++) {
    result += parts[w * CTC_ATTENTION_STAGE + part];
    sum += sums[w * count + i];
  }
  result *= 1.0f / sum;
  if (tile.empty || (tile.safe == CTC_ATTENTION_ZERO && !(sum > 0)) ||
      (tile.safe == CTC_ATTENTION_ZERO_IF_BARRED && sum == 0))
    result = 0;
  if (i < tile.rows && column < tile.columns)
    tile.y[i * tile.y_row + column * tile.y_column] = result;
}

/* A tile of QUERIES queries and 32 * COLUMNS columns of V. */
template <int QUERIES, int COLUMNS>
CTC_DEVICE void ctc_attention_block_f32(const ctc_attention_tile_f32 &tile, float *room) {
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  float *queries = room, *stages = room + CTC_ATTENTION_TALL * CTC_ATTENTION_DEPTH;
  float *mosts = stages + CTC_ATTENTION_WARPS * CTC_ATTENTION_STAGE;
  float *sums = mosts + CTC_ATTENTION_WARPS * QUERIES, *stage = stages + warp * CTC_ATTENTION_STAGE;
  float most = -INFINITY; /* of query number `lane` */
  float sum[QUERIES], acc[QUERIES][COLUMNS];
#pragma unroll
  for (int i = 0; i < QUERIES; i++) {
    sum[i] = 0;
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) acc[i][c] = 0;
  }
  const bool whole = tile.size <= CTC_ATTENTION_DEPTH; /* queries stay in shared memory */
  if (whole) ctc_attention_take_queries(tile, queries, QUERIES, 0);
  __syncthreads();
  for (ctc_dim first = 0; first < tile.keys; first += 32 * CTC_ATTENTION_WARPS) {
    const ctc_dim key = first + 32 * warp;
    if (whole && key >= tile.keys) break;
    float score[QUERIES];
#pragma unroll
    for (int i = 0; i < QUERIES; i++) score[i] = 0;
    for (ctc_dim d = 0; d < tile.size; d += CTC_ATTENTION_CHUNK) {
      const int part = (int)(d % CTC_ATTENTION_DEPTH);
      if (!whole && part == 0) {
        __syncthreads();
        ctc_attention_take_queries(tile, queries, QUERIES, d);
        __syncthreads();
      }
      __syncwarp();
      ctc_attention_take_keys(tile.k + key * tile.k_row + d * tile.k_column, stage, tile.k_row,
                              tile.k_column, tile.keys - key, tile.size - d);
      __syncwarp();
      ctc_attention_add_scores<QUERIES>(queries + part, stage, score, tile.size - d);
    }
    __syncwarp();
#pragma unroll
    for (int i = 0; i < QUERIES; i++) {
      score[i] = ctc_attention_mask_score(tile, score[i], i, key + lane);
      const float before = __shfl_sync(0xffffffffu, most, i);
      const float larger = fmaxf(before, ctc_attention_largest(score[i]));
      const float factor = ctc_attention_factor(before, larger);
      const float weight = expf(score[i] - (larger == -INFINITY ? 0.0f : larger));
      if (lane == i) most = larger;
      sum[i] = sum[i] * factor + weight;
#pragma unroll
      for (int c = 0; c < COLUMNS; c++) acc[i][c] *= factor;
      stage[i * 32 + lane] = weight;
    }
    __syncwarp();
    ctc_attention_add_values<QUERIES, COLUMNS>(tile, stage, acc, key);
  }
#pragma unroll
  for (int i = 0; i < QUERIES; i++) sum[i] = ctc_attention_total(sum[i]);
  if (lane < QUERIES) mosts[warp * QUERIES + lane] = most;
  __syncthreads();
#pragma unroll
  for (int i = 0; i < QUERIES; i++) {
    float larger = -INFINITY;
#pragma unroll
    for (int w = 0; w < CTC_ATTENTION_WARPS; w++) larger = fmaxf(larger, mosts[w * QUERIES + i]);
    const float factor = ctc_attention_factor(mosts[warp * QUERIES + i], larger);
    if (lane == 0) sums[warp * QUERIES + i] = sum[i] * factor;
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) acc[i][c] *= factor;
  }
#pragma unroll
  for (int c = 0; c < COLUMNS; c++) {
#pragma unroll
    for (int i = 0; i < QUERIES; i++) stage[i * 32 + lane] = acc[i][c];
    __syncthreads();
    for (int at = (int)threadIdx.x; at < QUERIES * 32; at += 32 * CTC_ATTENTION_WARPS)
      ctc_attention_put(tile, stages, sums, at, QUERIES, at / 32, c * 32 + at % 32);
    __syncthreads();
  }
}

/* A block a tile of queries of a head and slice of V; scratch is not used. */
template <int FORM>
CTC_DEVICE void ctc_attention_fused_f32(const float *q, const float *k, const float *v,
                                        const float *mask, float *y, float *scratch, ctc_dim rank,
                                        const ctc_dim *stack, const ctc_dim *q_step,
                                        const ctc_dim *k_step, const ctc_dim *v_step,
                                        const ctc_dim *mask_step, const ctc_dim *y_step,
                                        ctc_dim rows, ctc_dim keys, ctc_dim size, ctc_dim v_size,
                                        double scale, ctc_dim replaces, ctc_dim causal,
                                        ctc_dim diagonal, ctc_dim safe) {
  __shared__ float4 room[CTC_ATTENTION_ROOM / 4];
  const ctc_dim queries = ctc_attention_queries(ctc_attention_heads(rank, stack), rows, v_size);
  const ctc_dim slices = ctc_attention_slices(v_size), tiles = (rows + queries - 1) / queries;
  const ctc_dim width = ctc_attention_width(v_size), unit = (ctc_dim)blockIdx.x;
  const ctc_dim slice = unit % slices, head = unit / slices / tiles;
  const ctc_dim row = unit / slices % tiles * queries;
  ctc_attention_tile_f32 tile;
  (void)scratch;
  tile.q_row = q_step[rank];
  tile.q_column = q_step[rank + 1];
  tile.k_row = k_step[rank];
  tile.k_column = k_step[rank + 1];
  tile.v_row = v_step[rank];
  tile.v_column = v_step[rank + 1];
  tile.mask_row = mask_step[rank];
  tile.mask_column = mask_step[rank + 1];
  tile.y_row = y_step[rank];
  tile.y_column = y_step[rank + 1];
  tile.q = q + ctc_place_of(head, rank, stack, q_step) + row * tile.q_row;
  tile.k = k + ctc_place_of(head, rank, stack, k_step);
  tile.v = v + ctc_place_of(head, rank, stack, v_step) + slice * width * tile.v_column;
  tile.y = y + ctc_place_of(head, rank, stack, y_step) + row * tile.y_row +
           slice * width * tile.y_column;
  tile.mask =
      mask ? mask + ctc_place_of(head, rank, stack, mask_step) + row * tile.mask_row : mask;
  tile.rows = rows - row < queries ? rows - row : queries;
  tile.keys = causal && row + queries + diagonal < keys ? row + queries + diagonal : keys;
  tile.size = size;
  tile.columns = v_size - slice * width;
  tile.diagonal = row + diagonal;
  tile.scale = (float)scale;
  tile.replaces = replaces != 0;
  tile.causal = causal != 0;
  tile.safe = (int)safe;
  tile.empty = keys == 0;
#define CTC_ATTENTION_FORM(tall, columns)                                                          \
  CTC_IF_FORM(FORM, queries * 256 + width, (tall) * 256 + (columns) * 32)                          \
  ctc_attention_block_f32<tall, columns>(tile, (float *)room);
  CTC_ATTENTION_FORM(1, 1)
  CTC_ATTENTION_FORM(1, 2)
  CTC_ATTENTION_FORM(1, 4)
  CTC_ATTENTION_FORM(8, 1)
  CTC_ATTENTION_FORM(8, 2)
  CTC_ATTENTION_FORM(8, 4)
  CTC_ATTENTION_FORM(CTC_ATTENTION_TALL, 1)
  CTC_ATTENTION_FORM(CTC_ATTENTION_TALL, 2)
#undef CTC_ATTENTION_FORM
}

/* --- with everything that operator Attention knows: a query a block --- */

//$ for t in f32 f64
enum { ctc_attention_$t_threads = 128 };
//$ end

//$ for t in f32 f64
static ctc_dim ctc_attention_$t_blocks(ctc_dim batch, ctc_dim heads, ctc_dim rows) {
  return batch * heads * rows;
}
//$ end

/* The product of two rows by 8 neighbouring lanes; each of them has it. */
//$ for t in f32 f64
CTC_DEVICE $T ctc_attention_dot_$t(const $T *x, const $T *y, ctc_dim n) {
  $T sum = 0;
  for (ctc_dim d = (ctc_dim)(threadIdx.x % 8); d < n; d += 8) sum += x[d] * y[d];
#pragma unroll
  for (int step = 4; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  return sum;
}
//$ end

/* The largest or the sum of the 128 numbers of a block, one a thread; room: 4 numbers. */
//$ for t in f32 f64
CTC_DEVICE $T ctc_attention_join_$t($T x, $T *room, bool largest) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    const $T other = __shfl_xor_sync(0xffffffffu, x, step);
    x = !largest ? x + other : other > x || x != x ? other : x;
  }
  __syncthreads();
  if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = x;
  __syncthreads();
  x = room[0];
#pragma unroll
  for (int i = 1; i < 4; i++) x = !largest ? x + room[i] : room[i] > x || x != x ? room[i] : x;
  return x;
}
//$ end

/* Parameters: runtime/attention.c; `scores` is not used. Scores are made 128 at a time, by 8 lanes
 * each; y holds the sums of the rows of V so far. */
//$ for t in f32 f64
CTC_DEVICE void ctc_attention_$t(const $T *q, const $T *k, const $T *v, const $T *mask,
                                 const ctc_bool *allowed, const int64_t *lengths, $T *y, $T *qk,
                                 $T *scores, ctc_dim batch, ctc_dim heads, ctc_dim kv_heads,
                                 ctc_dim rows, ctc_dim keys, ctc_dim size, ctc_dim v_size,
                                 const ctc_dim *q_step, const ctc_dim *k_step,
                                 const ctc_dim *v_step, const ctc_dim *y_step,
                                 const ctc_dim *mask_step, ctc_dim mask_columns, double scale,
                                 double softcap, ctc_dim mode, ctc_dim causal, ctc_dim past,
                                 ctc_dim left, ctc_dim right) {
  __shared__ $T tile[128], room[4], start[1];
  const int thread = (int)threadIdx.x;
  const $T nothing = -($T)INFINITY, cap = ($T)softcap;
  const ctc_dim line = (ctc_dim)blockIdx.x;
  const ctc_dim i = line % rows, h = line / rows % heads, b = line / rows / heads;
  const ctc_dim group = h / (heads / kv_heads), length = lengths ? (ctc_dim)lengths[b] : keys;
  const ctc_dim place = i + (lengths ? length - rows : past);
  const ctc_dim mask_at = b * mask_step[0] + h * mask_step[1] + i * mask_step[2];
  const $T *query = q + b * q_step[0] + h * q_step[1] + i * q_step[2];
  const $T *key = k + b * k_step[0] + group * k_step[1];
  const $T *value = v + b * v_step[0] + group * v_step[1];
  $T *out = y + b * y_step[0] + h * y_step[1] + i * y_step[2];
  $T *copy = qk ? qk + line * keys : qk;
  $T most = nothing, sum = 0;
  (void)batch, (void)scores;
  for (ctc_dim d = thread; d < v_size; d += 128) out[d] = 0;
  for (ctc_dim first = 0; first < keys; first += 128) {
    for (int part = 0; part < 128; part += 16) {
      const ctc_dim j = first + part + thread / 8;
      $T score = j < keys ? ctc_attention_dot_$t(query, key + j * k_step[2], size)
                          : ctc_attention_dot_$t(query, key, 0);
      if (thread % 8 != 0) continue;
      tile[part + thread / 8] = score * ($T)scale;
    }
    __syncthreads();
    const ctc_dim j = first + thread;
    $T score = nothing;
    if (j < keys) {
      score = tile[thread];
      if (copy && mode == 0) copy[j] = score;
      if (cap > 0) score = cap * CTC_TANH_$t(score / cap);
      if (copy && mode == 1) copy[j] = score;
      bool barred = j >= length || ((mask || allowed) && j >= mask_columns);
      if (causal && j > place) barred = true;
      if ((left >= 0 && j < place - left) || (right >= 0 && j > place + right)) barred = true;
      if (!barred && allowed) barred = !allowed[mask_at + j * mask_step[3]];
      if (!barred && mask) score += mask[mask_at + j * mask_step[3]];
      score = barred ? nothing : score;
      if (copy && mode >= 2) copy[j] = score;
      if (j == 0) start[0] = score;
    }
    const $T found = ctc_attention_join_$t(score, room, true);
    const $T larger = found > most ? found : most;
    const $T factor = larger == most ? 1 : CTC_EXP_$t(most - larger);
    const $T weight = CTC_EXP_$t(score - (larger == nothing ? 0 : larger));
    most = larger;
    tile[thread] = weight;
    sum = sum * factor + ctc_attention_join_$t(weight, room, false);
    for (ctc_dim d = thread; d < v_size; d += 128) {
      $T total = out[d] * factor;
      for (int r = 0; r < 128 && first + r < keys; r++)
        total += tile[r] * value[(first + r) * v_step[2] + d];
      out[d] = total;
    }
    __syncthreads();
  }
  /* As ctc_attention_weights: a first score that is NaN is the largest one; all -infinity: zeros.
   */
  if (keys > 0 && start[0] != start[0]) most = start[0];
  const bool masked = most == nothing;
  for (ctc_dim d = thread; d < v_size; d += 128)
    out[d] = masked ? 0 : sum > 0 ? out[d] / sum : out[d];
  for (ctc_dim j = thread; copy && mode == 3 && j < keys; j += 128) {
    const $T weight = masked ? 0 : CTC_EXP_$t(copy[j] - most);
    copy[j] = !masked && sum > 0 ? weight / sum : weight;
  }
}
//$ end
