/* product.cu: products of matrices on the device.
 *
 * Products of f32 have three forms, chosen by the sizes: a *tile* of results a block, whose
 * operands pass through shared memory and whose sums stay in registers; and for few rows (or few
 * columns) two forms that stream the larger operand once. In small tiles the warps of a block share
 * the depth, so that small products have enough blocks. The other types have a plain form. */

/* Rows and columns of the results of a block of a plain product, a thread each. */
enum { CTC_PLAIN_TILE = 16 };

/* Blocks of a plain product of m x n results. */
CTC_BOTH ctc_dim ctc_plain_tiles(ctc_dim m, ctc_dim n) {
  return (m + CTC_PLAIN_TILE - 1) / CTC_PLAIN_TILE * ((n + CTC_PLAIN_TILE - 1) / CTC_PLAIN_TILE);
}

/* The row of results of this thread in tile number `tile`. */
CTC_DEVICE ctc_dim ctc_plain_row(ctc_dim tile, ctc_dim n) {
  const ctc_dim wide = (n + CTC_PLAIN_TILE - 1) / CTC_PLAIN_TILE;
  return tile / wide * CTC_PLAIN_TILE + (ctc_dim)threadIdx.x / CTC_PLAIN_TILE;
}

/* Its column. */
CTC_DEVICE ctc_dim ctc_plain_column(ctc_dim tile, ctc_dim n) {
  const ctc_dim wide = (n + CTC_PLAIN_TILE - 1) / CTC_PLAIN_TILE;
  return tile % wide * CTC_PLAIN_TILE + (ctc_dim)threadIdx.x % CTC_PLAIN_TILE;
}

/* start + sum over l of (alpha * A(i, l)) * B(l, j), in order of rising l. Rows beyond m and
 * columns beyond n get anything. Element (i, l) of A is at i * a_row + l * a_col, B likewise. */
template <class T>
CTC_DEVICE T ctc_plain_sum(T start, T alpha, const T *a, const T *b, ctc_dim m, ctc_dim n,
                           ctc_dim k, ctc_dim a_row, ctc_dim a_col, ctc_dim b_row, ctc_dim b_col,
                           ctc_dim i, ctc_dim j) {
  __shared__ T left[CTC_PLAIN_TILE][CTC_PLAIN_TILE + 1], right[CTC_PLAIN_TILE][CTC_PLAIN_TILE + 1];
  const int row = (int)threadIdx.x / CTC_PLAIN_TILE, column = (int)threadIdx.x % CTC_PLAIN_TILE;
  T sum = start;
  for (ctc_dim l = 0; l < k; l += CTC_PLAIN_TILE) {
    left[row][column] =
        i < m && l + column < k ? alpha * a[i * a_row + (l + column) * a_col] : T(0);
    right[row][column] = j < n && l + row < k ? b[(l + row) * b_row + j * b_col] : T(0);
    __syncthreads();
    const int depth = k - l < CTC_PLAIN_TILE ? (int)(k - l) : (int)CTC_PLAIN_TILE;
    for (int d = 0; d < depth; d++) sum += left[row][d] * right[d][column];
    __syncthreads();
  }
  return sum;
}

//$ for t in f32 f64 i32 i64 u32 u64
static ctc_dim ctc_matmul_$t_blocks(ctc_dim m, ctc_dim n) {
  return ctc_plain_tiles(m, n);
}
//$ end

/* Y[m x n] = A[m x k] * B[k x n]. */
//$ for t in f32 f64 i32 i64 u32 u64
CTC_DEVICE void ctc_matmul_$t(const $T *a, const $T *b, $T *y, ctc_dim m, ctc_dim n, ctc_dim k) {
  const ctc_dim i = ctc_plain_row(blockIdx.x, n), j = ctc_plain_column(blockIdx.x, n);
  const $T sum = ctc_plain_sum<$T>(0, 1, a, b, m, n, k, k, 1, n, 1, i, j);
  if (i < m && j < n) y[i * n + j] = sum;
}
//$ end

//$ for t in f32 f64 i32 i64 u32 u64
static ctc_dim ctc_matmul_batch_$t_blocks(ctc_dim m, ctc_dim n, ctc_dim rank,
                                          const ctc_dim *batch) {
  ctc_dim count = ctc_plain_tiles(m, n);
  for (ctc_dim d = 0; d < rank; d++) count *= batch[d];
  return count;
}
//$ end

/* One product Y[m x n] = alpha * A * B[k x n] for every index of the `rank` dims `batch`: see
 * runtime/matmul.c. */
//$ for t in f32 f64 i32 i64 u32 u64
CTC_DEVICE void ctc_matmul_batch_$t(const $T *a, const $T *b, $T *y, ctc_dim m, ctc_dim n,
                                    ctc_dim k, ctc_dim a_row, ctc_dim a_col, double alpha,
                                    ctc_dim rank, const ctc_dim *batch, const ctc_dim *a_step,
                                    const ctc_dim *b_step) {
  const ctc_dim tiles = ctc_plain_tiles(m, n), product = blockIdx.x / tiles;
  const ctc_dim i = ctc_plain_row(blockIdx.x % tiles, n),
                j = ctc_plain_column(blockIdx.x % tiles, n);
  ctc_dim rest = product;
  for (ctc_dim d = rank - 1; d >= 0; d--) {
    a += rest % batch[d] * a_step[d];
    b += rest % batch[d] * b_step[d];
    rest /= batch[d];
  }
  const $T sum = ctc_plain_sum<$T>(0, ($T)alpha, a, b, m, n, k, a_row, a_col, n, 1, i, j);
  if (i < m && j < n) y[(product * m + i) * n + j] = sum;
}
//$ end

//$ for t in f32 f64 i32 i64 u32 u64
static ctc_dim ctc_gemm_$t_blocks(ctc_dim m, ctc_dim n) {
  return ctc_plain_tiles(m, n);
}
//$ end

/* Y[m x n] = alpha * A * B[k x n] + beta * C. Element (i, l) of A is a[i * a_row + l * a_col],
 * element (i, j) of C is c[i * c_row + j * c_col]; C may be omitted. */
//$ for t in f32 f64 i32 i64 u32 u64
CTC_DEVICE void ctc_gemm_$t(const $T *a, const $T *b, const $T *c, $T *y, ctc_dim m, ctc_dim n,
                            ctc_dim k, ctc_dim a_row, ctc_dim a_col, ctc_dim c_row, ctc_dim c_col,
                            double alpha, double beta) {
  const ctc_dim i = ctc_plain_row(blockIdx.x, n), j = ctc_plain_column(blockIdx.x, n);
  const int inside = i < m && j < n;
  const $T start = c && inside ? ($T)beta * c[i * c_row + j * c_col] : ($T)0;
  const $T sum = ctc_plain_sum<$T>(start, ($T)alpha, a, b, m, n, k, a_row, a_col, n, 1, i, j);
  if (inside) y[i * n + j] = sum;
}
//$ end

/* Forms of a product of f32, from the largest tiles to the smallest; then those of few rows and few
 * columns. */
enum {
  CTC_TILE_128,
  CTC_TILE_64,
  CTC_TILE_32,
  CTC_TILE_16X32,
  CTC_TILE_16,
  CTC_FEW_ROWS,
  CTC_FEW_COLUMNS
};

/* Multiprocessors that the choice of a form reckons with. */
enum { CTC_PROCESSORS = 132 };

/* Rows or columns of results up to which the larger operand is streamed. */
enum { CTC_FEW = 4 };

/* f32 of shared memory that any form needs at most. */
#define CTC_TILE_SHARED (CTC_MATRIX_CORES ? 10240 : 8192)

/* Tiles of rows x columns that cover m x n results, `batch` times. */
CTC_BOTH ctc_dim ctc_tiles(ctc_dim m, ctc_dim n, ctc_dim batch, int rows, int columns) {
  return (m + rows - 1) / rows * ((n + columns - 1) / columns) * batch;
}

/* Rows of a tile. */
CTC_BOTH int ctc_tile_rows(int form) {
  return form == CTC_TILE_128 ? 128 : form == CTC_TILE_64 ? 64 : form == CTC_TILE_32 ? 32 : 16;
}

/* Columns of a tile. */
CTC_BOTH int ctc_tile_columns(int form) {
  return form == CTC_TILE_16X32 ? 32 : ctc_tile_rows(form);
}

/* The time that a tile keeps a multiprocessor busy, as a multiple of what the arithmetic of
 * one result takes: results of a tile, more for small ones, whose operands are read more often. */
CTC_BOTH int ctc_tile_cost(int form) {
  return form == CTC_TILE_128     ? 19700
         : form == CTC_TILE_64    ? 5530
         : form == CTC_TILE_32    ? 1740
         : form == CTC_TILE_16X32 ? 1130
                                  : 770;
}

/* Whether half of a tile's rows or columns are there, or it has the fewest. */
CTC_BOTH int ctc_tile_side_suits(int side, ctc_dim size) {
  return side == 16 || 2 * size > side;
}

/* Whether tiles of that form can be the best for m x n results: where less than half of them is
 * there, smaller ones take less time. Known sizes so leave code for few forms in a kernel that has
 * any. */
CTC_BOTH int ctc_tile_suits(int form, ctc_dim m, ctc_dim n) {
  return ctc_tile_side_suits(ctc_tile_rows(form), m) &&
         ctc_tile_side_suits(ctc_tile_columns(form), n);
}

/* The form whose tiles take the least time together. */
CTC_BOTH int ctc_tile_form(ctc_dim m, ctc_dim n, ctc_dim batch) {
  int best = -1;
  int64_t least = 0;
  for (int form = CTC_TILE_128; form <= CTC_TILE_16; form++) {
    if (!ctc_tile_suits(form, m, n)) continue;
    const ctc_dim tiles = ctc_tiles(m, n, batch, ctc_tile_rows(form), ctc_tile_columns(form));
    const int64_t rounds = (tiles + CTC_PROCESSORS - 1) / CTC_PROCESSORS;
    const int64_t time = rounds * ctc_tile_cost(form);
    if (best < 0 || time < least) best = form, least = time;
  }
  return best;
}

/* The form of a product of f32. */
CTC_BOTH int ctc_product_form(ctc_dim m, ctc_dim n, ctc_dim batch) {
  if (m <= CTC_FEW && m <= n) return CTC_FEW_ROWS;
  return n <= CTC_FEW ? CTC_FEW_COLUMNS : ctc_tile_form(m, n, batch);
}

/* Warps that share the depth of a result where the streamed operand is contiguous along it. */
CTC_BOTH int ctc_few_warps(ctc_dim many, ctc_dim depth, ctc_dim batch) {
  int warps = 1;
  while (warps < 8 && many * batch * warps < 16 * CTC_PROCESSORS && depth >= 256 * warps)
    warps *= 2;
  return warps;
}

/* Threads across, four results each, where the streamed operand is contiguous the other way. */
CTC_BOTH int ctc_few_lanes(ctc_dim many, ctc_dim batch) {
  int lanes = 16;
  while (lanes > 2 && (many + 4 * lanes - 1) / (4 * lanes) * batch < CTC_PROCESSORS) lanes /= 2;
  return lanes;
}

/* Blocks of each of `batch` products with few rows or columns, `many` of the other ones. */
CTC_BOTH ctc_dim ctc_few_blocks(ctc_dim many, ctc_dim depth, ctc_dim depth_step, ctc_dim batch) {
  const int results =
      depth_step == 1 ? 8 / ctc_few_warps(many, depth, batch) : 4 * ctc_few_lanes(many, batch);
  return (many + results - 1) / results;
}

/* Whether f32 from `from` on may be loaded in fours. */
CTC_DEVICE int ctc_is_aligned(const float *from) {
  return (unsigned long long)from % 16 == 0;
}

/* v = four f32 from `from` on, `step` apart, of which `count` exist; zeros for the others.
 * `vector`: they may be loaded at once. */
CTC_DEVICE void ctc_load_four(const float *from, ctc_dim step, ctc_dim count, int vector,
                              float *v) {
  if (vector && count >= 4) {
    const float4 four = *(const float4 *)from;
    v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
  } else {
#pragma unroll
    for (int i = 0; i < 4; i++) v[i] = i < count ? from[i * step] : 0.0f;
  }
}

/* An operand of a tile: element (s, d), s along the side of the tile, is from[s * side_step + d *
 * depth_step] for s < side. Threads load fours of elements along the step that is 1, and place them
 * in a stage [depth][side + 4] of shared memory. */
struct ctc_matrix {
  const float *from;
  ctc_dim side, side_step, depth_step;
  int vector;

  __device__ __forceinline__ ctc_matrix(const float *data, ctc_dim count, ctc_dim step,
                                        ctc_dim next) {
    from = data, side = count, side_step = step, depth_step = next;
    vector = (next == 1 ? step : step == 1 ? next : 1) % 4 == 0 && ctc_is_aligned(data);
  }

  template <int SIDE, int DEPTH>
  __device__ __forceinline__ void fetch(int four, ctc_dim start, ctc_dim depth, float *v) const {
    if (depth_step == 1) {
      const int s = four / (DEPTH / 4);
      const ctc_dim d = start + four % (DEPTH / 4) * 4;
      ctc_load_four(from + (s * side_step + d), 1, s < side ? depth - d : 0, vector, v);
    } else {
      const int s = four % (SIDE / 4) * 4;
      const ctc_dim d = start + four / (SIDE / 4);
      ctc_load_four(from + (s * side_step + d * depth_step), side_step, d < depth ? side - s : 0,
                    vector, v);
    }
  }

  /* Whether the fours lie along the depth. */
  __device__ __forceinline__ int is_lengthwise() const { return depth_step == 1; }

  template <int SIDE, int DEPTH>
  __device__ __forceinline__ void place(int four, int *s, int *d) const {
    *s = depth_step == 1 ? four / (DEPTH / 4) : four % (SIDE / 4) * 4;
    *d = depth_step == 1 ? four % (DEPTH / 4) * 4 : four / (SIDE / 4);
  }
};

/* This thread's part of what a block loads of an operand for DEPTH steps from `start` on. */
template <int SIDE, int DEPTH, class Operand>
CTC_DEVICE void ctc_tile_fetch(const Operand &operand, ctc_dim start, ctc_dim depth,
                               float (*v)[4]) {
  const int fours = SIDE * DEPTH / 4, thread = (int)threadIdx.x;
#pragma unroll
  for (int i = 0; i * 256 < fours; i++)
    if (fours % 256 == 0 || thread + i * 256 < fours)
      operand.template fetch<SIDE, DEPTH>(thread + i * 256, start, depth, v[i]);
}

/* Places it in a stage of shared memory. */
template <int SIDE, int DEPTH, class Operand>
CTC_DEVICE void ctc_tile_place(const Operand &operand, const float (*v)[4], float *stage) {
  const int fours = SIDE * DEPTH / 4, thread = (int)threadIdx.x;
#pragma unroll
  for (int i = 0; i * 256 < fours; i++) {
    if (fours % 256 != 0 && thread + i * 256 >= fours) continue;
    int s, d;
    operand.template place<SIDE, DEPTH>(thread + i * 256, &s, &d);
    float *to = stage + d * (SIDE + 4) + s;
    if (operand.is_lengthwise()) {
#pragma unroll
      for (int k = 0; k < 4; k++) to[k * (SIDE + 4)] = v[i][k];
    } else {
      *(float4 *)to = make_float4(v[i][0], v[i][1], v[i][2], v[i][3]);
    }
  }
}

/* Numbers of one step of a stage: COUNT of them, in pieces of up to four that are SIDE * 4 / COUNT
 * apart, so that neighbouring threads read neighbouring pieces. */
template <int SIDE, int COUNT>
CTC_DEVICE void ctc_tile_read(const float *step, int thread, float *v) {
  const int piece = COUNT < 4 ? COUNT : 4;
#pragma unroll
  for (int i = 0; i < COUNT; i += piece) {
    const float *from = step + i * (SIDE / COUNT) + thread * piece;
    if (piece == 4) {
      const float4 four = *(const float4 *)from;
      v[i] = four.x, v[i + 1] = four.y, v[i + 2] = four.z, v[i + 3] = four.w;
    } else {
#pragma unroll
      for (int k = 0; k < piece; k++) v[i + k] = from[k];
    }
  }
}

/* The row (or column) of the tile that number i of a thread stands for. */
template <int SIDE, int COUNT> CTC_DEVICE int ctc_tile_at(int thread, int i) {
  const int piece = COUNT < 4 ? COUNT : 4;
  return i / piece * piece * (SIDE / COUNT) + thread * piece + i % piece;
}

/* Sums of what SPLIT groups of threads have left in shared [SPLIT][ROWS][COLUMNS]. */
template <int ROWS, int COLUMNS, int SPLIT, class Store>
CTC_DEVICE void ctc_tile_sum(const float *shared, const Store &store) {
  __syncthreads();
#pragma unroll
  for (int i = 0; i < ROWS * COLUMNS / 256; i++) {
    const int at = (int)threadIdx.x + i * 256;
    float total = shared[at];
#pragma unroll
    for (int g = 1; g < SPLIT; g++) total += shared[g * ROWS * COLUMNS + at];
    store(at / COLUMNS, at % COLUMNS, &total, 1);
  }
}

/* A tile of ROWS x COLUMNS results: sums of products of `left` (rows) and `right` (columns) over
 * the depth. Each of SPLIT groups of threads sums a part of every DEPTH steps, HIGH x WIDE results
 * a thread; `store` takes a row, a column and 1, 2 or 4 results of that row. */
template <int ROWS, int COLUMNS, int HIGH, int WIDE, int DEPTH, int SPLIT, class Left, class Right,
          class Store>
CTC_DEVICE void ctc_tile_product(const Left &left, const Right &right, ctc_dim depth, float *shared,
                                 const Store &store) {
  const int left_stage = DEPTH * (ROWS + 4), stage = left_stage + DEPTH * (COLUMNS + 4);
  const int thread = (int)threadIdx.x % (256 / SPLIT), group = (int)threadIdx.x / (256 / SPLIT);
  /* Threads of a warp are 4 x 8, in narrow tiles 8 x 4. */
  const int lane = thread % 32, warp = thread / 32, wide = COLUMNS / WIDE < 8 ? 4 : 8;
  const int across = COLUMNS / WIDE / wide;
  const int row = warp / across * (32 / wide) + lane / wide;
  const int column = warp % across * wide + lane % wide;
  float sum[HIGH][WIDE], next_left[(ROWS * DEPTH + 1023) / 1024][4];
  float next_right[(COLUMNS * DEPTH + 1023) / 1024][4];
#pragma unroll
  for (int i = 0; i < HIGH; i++)
#pragma unroll
    for (int j = 0; j < WIDE; j++) sum[i][j] = 0.0f;
  ctc_tile_fetch<ROWS, DEPTH>(left, 0, depth, next_left);
  ctc_tile_fetch<COLUMNS, DEPTH>(right, 0, depth, next_right);
  ctc_tile_place<ROWS, DEPTH>(left, next_left, shared);
  ctc_tile_place<COLUMNS, DEPTH>(right, next_right, shared + left_stage);
  __syncthreads();
  int turn = 0;
  for (ctc_dim start = 0; start < depth; start += DEPTH) {
    const int more = start + DEPTH < depth;
    if (more) {
      ctc_tile_fetch<ROWS, DEPTH>(left, start + DEPTH, depth, next_left);
      ctc_tile_fetch<COLUMNS, DEPTH>(right, start + DEPTH, depth, next_right);
    }
    const float *from = shared + turn * stage;
#pragma unroll 2 /* more steps at once take more registers than two blocks have */
    for (int d = 0; d < DEPTH / SPLIT; d++) {
      const int step = group * (DEPTH / SPLIT) + d;
      float p[HIGH], q[WIDE];
      ctc_tile_read<ROWS, HIGH>(from + step * (ROWS + 4), row, p);
      ctc_tile_read<COLUMNS, WIDE>(from + left_stage + step * (COLUMNS + 4), column, q);
#pragma unroll
      for (int i = 0; i < HIGH; i++)
#pragma unroll
        for (int j = 0; j < WIDE; j++) sum[i][j] += p[i] * q[j];
    }
    turn ^= 1;
    if (more) {
      ctc_tile_place<ROWS, DEPTH>(left, next_left, shared + turn * stage);
      ctc_tile_place<COLUMNS, DEPTH>(right, next_right, shared + turn * stage + left_stage);
    }
    __syncthreads();
  }
  if (SPLIT == 1) {
#pragma unroll
    for (int i = 0; i < HIGH; i++)
#pragma unroll
      for (int j = 0; j < WIDE; j += 4)
        store(ctc_tile_at<ROWS, HIGH>(row, i), ctc_tile_at<COLUMNS, WIDE>(column, j), sum[i] + j,
              4);
    return;
  }
#pragma unroll
  for (int i = 0; i < HIGH; i++)
#pragma unroll
    for (int j = 0; j < WIDE; j += 4) {
      const int at =
          ctc_tile_at<ROWS, HIGH>(row, i) * COLUMNS + ctc_tile_at<COLUMNS, WIDE>(column, j);
      *(float4 *)(shared + group * ROWS * COLUMNS + at) =
          make_float4(sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]);
    }
  ctc_tile_sum<ROWS, COLUMNS, SPLIT>(shared, store);
}

/* `count` (1, 2 or 4) results of a row, of which `left` exist, from element `at` on. The channel
 * grows by `channel_step` from one to the next. `vector`: four may be stored at once. */
template <class Epilogue>
CTC_DEVICE void ctc_tile_store(float *y, ctc_dim at, ctc_dim channel, ctc_dim channel_step,
                               ctc_dim left, const float *v, int count, int vector,
                               const Epilogue &epilogue) {
  if (count == 4 && vector && left >= 4) {
    *(float4 *)(y + at) =
        make_float4(epilogue(v[0], at, channel), epilogue(v[1], at + 1, channel + channel_step),
                    epilogue(v[2], at + 2, channel + 2 * channel_step),
                    epilogue(v[3], at + 3, channel + 3 * channel_step));
  } else {
#pragma unroll
    for (int i = 0; i < 4; i++)
      if (i < count && i < left) y[at + i] = epilogue(v[i], at + i, channel + i * channel_step);
  }
}

/* A tile of m x n results in the form `form`: see CTC_IF_FORM. */
template <int FORM, class Left, class Right, class Store>
CTC_DEVICE void ctc_tile_any(int form, ctc_dim m, ctc_dim n, const Left &left, const Right &right,
                             ctc_dim depth, float *shared, const Store &store) {
#define CTC_TILE_IN_FORM(which, product, ...)                                                      \
  if (ctc_tile_suits(which, m, n)) CTC_IF_FORM(FORM, form, which)                                  \
    product<__VA_ARGS__>(left, right, depth, shared, store);
#if CTC_MATRIX_CORES
  constexpr int deep = 64 * CTC_PACKED;
  CTC_TILE_IN_FORM(CTC_TILE_128, ctc_cores_product, 128, 128, 64, 32, 16, 1)
  CTC_TILE_IN_FORM(CTC_TILE_64, ctc_cores_product, 64, 64, 32, 32, 32, 2)
  CTC_TILE_IN_FORM(CTC_TILE_32, ctc_cores_product, 32, 32, 16, 32, 64, 4)
  CTC_TILE_IN_FORM(CTC_TILE_16X32, ctc_cores_product, 16, 32, 16, 32, deep, 8)
  CTC_TILE_IN_FORM(CTC_TILE_16, ctc_cores_product, 16, 16, 16, 16, deep, 8)
#else
  CTC_TILE_IN_FORM(CTC_TILE_128, ctc_tile_product, 128, 128, 8, 8, 8, 1)
  CTC_TILE_IN_FORM(CTC_TILE_64, ctc_tile_product, 64, 64, 8, 4, 16, 2)
  CTC_TILE_IN_FORM(CTC_TILE_32, ctc_tile_product, 32, 32, 4, 4, 32, 4)
  CTC_TILE_IN_FORM(CTC_TILE_16X32, ctc_tile_product, 16, 32, 4, 4, 64, 8)
  CTC_TILE_IN_FORM(CTC_TILE_16, ctc_tile_product, 16, 16, 2, 4, 64, 8)
#endif
#undef CTC_TILE_IN_FORM
}

/* Sums over the depth of products of `few` <= CTC_FEW vectors with `many` vectors that are
 * contiguous along the depth: vector f of the few has element d at f * few_step + d * few_depth.
 * Block number `block`; `store` takes the number of the few, that of the many, and the result. */
template <class Store>
CTC_DEVICE void ctc_few_lengthwise(const float *few_from, ctc_dim few, ctc_dim few_step,
                                   ctc_dim few_depth, const float *from, ctc_dim many,
                                   ctc_dim many_step, ctc_dim depth, int warps, ctc_dim block,
                                   float *shared, const Store &store) {
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  const ctc_dim at = block * (8 / warps) + warp / warps;
  const int vector = many_step % 4 == 0 && ctc_is_aligned(from);
  const int few_vector = few_depth == 1 && few_step % 4 == 0 && ctc_is_aligned(few_from);
  const float *row = from + at * many_step;
  float sum[CTC_FEW] = {0.0f, 0.0f, 0.0f, 0.0f};
  const ctc_dim step = warps * 128;
  for (ctc_dim d = (warp % warps * 32 + lane) * 4; d < depth && at < many; d += 4 * step) {
    float v[4][4]; /* four loads are on their way at a time */
#pragma unroll
    for (int u = 0; u < 4; u++)
      ctc_load_four(row + (d + u * step), 1, depth - d - u * step, vector, v[u]);
#pragma unroll
    for (int u = 0; u < 4; u++)
#pragma unroll
      for (int f = 0; f < CTC_FEW; f++)
        if (f < few) {
          const ctc_dim from_d = d + u * step;
          float x[4];
          ctc_load_four(few_from + (f * few_step + from_d * few_depth), few_depth, depth - from_d,
                        few_vector, x);
#pragma unroll
          for (int i = 0; i < 4; i++) sum[f] += v[u][i] * x[i];
        }
  }
#pragma unroll
  for (int f = 0; f < CTC_FEW; f++)
    if (f < few) {
#pragma unroll
      for (int width = 16; width > 0; width /= 2)
        sum[f] += __shfl_xor_sync(0xffffffffu, sum[f], width);
      if (lane == 0) shared[warp * CTC_FEW + f] = sum[f];
    }
  __syncthreads();
  if (warp % warps != 0 || lane >= few || at >= many) return;
  float total = shared[warp * CTC_FEW + lane];
  for (int i = 1; i < warps; i++) total += shared[(warp + i) * CTC_FEW + lane];
  store(lane, at, total);
}

/* The same for vectors that are contiguous the other way, or not at all: `lanes` threads side by
 * side have four each, and the others take other parts of the depth. */
template <class Store>
CTC_DEVICE void ctc_few_sidewise(const float *few_from, ctc_dim few, ctc_dim few_step,
                                 ctc_dim few_depth, const float *from, ctc_dim many,
                                 ctc_dim many_step, ctc_dim depth_step, ctc_dim depth, int lanes,
                                 ctc_dim block, float *shared, const Store &store) {
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, wide = lanes * 4;
  const int side = lane % lanes * 4, slices = 256 / lanes;
  const ctc_dim first = block * wide, left = many - first - side;
  const int vector = many_step == 1 && depth_step % 4 == 0 && ctc_is_aligned(from);
  const float *column = from + (first + side) * many_step;
  float sum[CTC_FEW][4];
#pragma unroll
  for (int f = 0; f < CTC_FEW; f++)
#pragma unroll
    for (int i = 0; i < 4; i++) sum[f][i] = 0.0f;
  for (ctc_dim d = (int)threadIdx.x / lanes; d < depth && left > 0; d += 4 * slices) {
    float v[4][4]; /* four loads are on their way at a time */
#pragma unroll
    for (int u = 0; u < 4; u++)
      ctc_load_four(column + (d + u * slices) * depth_step, many_step,
                    d + u * slices < depth ? left : 0, vector, v[u]);
#pragma unroll
    for (int u = 0; u < 4; u++)
#pragma unroll
      for (int f = 0; f < CTC_FEW; f++)
        if (f < few && d + u * slices < depth) {
          const float x = few_from[f * few_step + (d + u * slices) * few_depth];
#pragma unroll
          for (int i = 0; i < 4; i++) sum[f][i] += x * v[u][i];
        }
  }
#pragma unroll
  for (int f = 0; f < CTC_FEW; f++)
    if (f < few)
#pragma unroll
      for (int i = 0; i < 4; i++) {
        for (int width = 16; width >= lanes; width /= 2)
          sum[f][i] += __shfl_xor_sync(0xffffffffu, sum[f][i], width);
        if (lane < lanes) shared[(warp * CTC_FEW + f) * wide + side + i] = sum[f][i];
      }
  __syncthreads();
  for (int i = (int)threadIdx.x; i < few * wide; i += 256) {
    const int f = i / wide, j = i % wide;
    float total = shared[i];
#pragma unroll
    for (int w = 1; w < 8; w++) total += shared[w * CTC_FEW * wide + i];
    if (first + j < many) store(f, first + j, total);
  }
}

/* The products of block `block` of `blocks` that each of `batch` products has. */
template <class Store>
CTC_DEVICE void ctc_few_product(const float *few_from, ctc_dim few, ctc_dim few_step,
                                ctc_dim few_depth, const float *from, ctc_dim many,
                                ctc_dim many_step, ctc_dim depth_step, ctc_dim depth, ctc_dim batch,
                                ctc_dim block, float *shared, const Store &store) {
  if (depth_step == 1)
    ctc_few_lengthwise(few_from, few, few_step, few_depth, from, many, many_step, depth,
                       ctc_few_warps(many, depth, batch), block, shared, store);
  else
    ctc_few_sidewise(few_from, few, few_step, few_depth, from, many, many_step, depth_step, depth,
                     ctc_few_lanes(many, batch), block, shared, store);
}

/* Blocks of one of `batch` products. */
CTC_BOTH ctc_dim ctc_product_blocks(ctc_dim m, ctc_dim n, ctc_dim k, ctc_dim a_col, ctc_dim b_row,
                                    ctc_dim batch) {
  const int form = ctc_product_form(m, n, batch);
  if (form == CTC_FEW_ROWS) return ctc_few_blocks(n, k, b_row, batch);
  if (form == CTC_FEW_COLUMNS) return ctc_few_blocks(m, k, a_col, batch);
  return ctc_tiles(m, n, 1, ctc_tile_rows(form), ctc_tile_columns(form));
}

static ctc_dim ctc_product_f32_blocks(ctc_dim m, ctc_dim n, ctc_dim k, ctc_dim a_col, ctc_dim b_row,
                                      ctc_dim outer, ctc_dim inner) {
  return outer * inner * ctc_product_blocks(m, n, k, a_col, b_row, outer * inner);
}

/* The form of these products: CTC_TILE_128 …. */
CTC_BOTH int ctc_product_f32_form(ctc_dim m, ctc_dim n, ctc_dim outer, ctc_dim inner) {
  return ctc_product_form(m, n, outer * inner);
}

/* Y[m x n] = A[m x k] * B[k x n] for each of outer * inner products: matrix (o, i) of A begins at o
 * * a_outer + i * a_inner and has element (r, l) at r * a_row + l * a_col; B and Y likewise, the
 * rows of Y are contiguous. */
template <int FORM, class Epilogue>
CTC_DEVICE void ctc_product_f32(const float *a, const float *b, float *y, ctc_dim m, ctc_dim n,
                                ctc_dim k, ctc_dim a_row, ctc_dim a_col, ctc_dim b_row,
                                ctc_dim b_col, ctc_dim y_row, ctc_dim outer, ctc_dim inner,
                                ctc_dim a_outer, ctc_dim a_inner, ctc_dim b_outer, ctc_dim b_inner,
                                ctc_dim y_outer, ctc_dim y_inner, Epilogue epilogue) {
  __shared__ float4 pool[CTC_TILE_SHARED / 4];
  float *shared = (float *)pool;
  const ctc_dim batch = outer * inner, blocks = ctc_product_blocks(m, n, k, a_col, b_row, batch);
  const ctc_dim product = (ctc_dim)blockIdx.x / blocks, block = (ctc_dim)blockIdx.x % blocks;
  const ctc_dim o = product / inner, in = product % inner;
  const int form = ctc_product_f32_form(m, n, outer, inner);
  a += o * a_outer + in * a_inner;
  b += o * b_outer + in * b_inner;
  const ctc_dim to = o * y_outer + in * y_inner;
  if (m <= CTC_FEW) CTC_IF_FORM(FORM, form, CTC_FEW_ROWS) {
    ctc_few_product(a, m, a_row, a_col, b, n, b_col, b_row, k, batch, block, shared,
                    [&](ctc_dim i, ctc_dim j, float value) {
                      const ctc_dim at = to + i * y_row + j;
                      y[at] = epilogue(value, at, j);
                    });
    return;
  }
  if (n <= CTC_FEW) CTC_IF_FORM(FORM, form, CTC_FEW_COLUMNS) {
    ctc_few_product(b, n, b_col, b_row, a, m, a_row, a_col, k, batch, block, shared,
                    [&](ctc_dim j, ctc_dim i, float value) {
                      const ctc_dim at = to + i * y_row + j;
                      y[at] = epilogue(value, at, j);
                    });
    return;
  }
  const int high = ctc_tile_rows(form), wide = ctc_tile_columns(form);
  const ctc_dim across = (n + wide - 1) / wide;
  const ctc_dim row = block / across * high, column = block % across * wide;
  const int vector = y_row % 4 == 0 && ctc_is_aligned(y + to);
  ctc_tile_any<FORM>(form, m, n, ctc_matrix(a + row * a_row, m - row, a_row, a_col),
               ctc_matrix(b + column * b_col, n - column, b_col, b_row), k, shared,
               [&](int i, int j, const float *v, int count) {
                 const ctc_dim at = to + (row + i) * y_row + column + j;
                 if (row + i < m)
                   ctc_tile_store(y, at, column + j, 1, n - column - j, v, count, vector, epilogue);
               });
}

static ctc_dim ctc_product_f32_finish_blocks(ctc_dim m, ctc_dim n, ctc_dim outer, ctc_dim inner) {
  return ctc_blocks_for(m * n * outer * inner, 256);
}

/* Finishes products that a library has left in y: they have no gaps where there is an epilogue. */
template <class Epilogue>
CTC_DEVICE void ctc_product_f32_finish(float *y, ctc_dim m, ctc_dim n, ctc_dim outer, ctc_dim inner,
                                       Epilogue epilogue) {
  const ctc_dim at = ctc_thread_of(256);
  if (at < m * n * outer * inner) y[at] = epilogue(y[at], at, at % n);
}
