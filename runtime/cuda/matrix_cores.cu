/* matrix_cores.cu: tiles of products by the matrix instructions of sm_80 and later. CTC_PRECISION
 * says how the operands are rounded: 1 tf32, 2 f16, 3 bf16; sums are f32. 0, or no such
 * instructions: the tiles of product.cu multiply f32. */

#if defined(CTC_PRECISION) && CTC_PRECISION > 0 && (defined(CTC_ON_CPU) || __CUDA_ARCH__ >= 800)
#define CTC_MATRIX_CORES CTC_PRECISION
#else
#define CTC_MATRIX_CORES 0
#endif

/* Numbers in a word of 32 bits of an operand. */
#define CTC_PACKED (CTC_MATRIX_CORES > 1 ? 2 : 1)

/* Two numbers, rounded, in a word: the first one below. With tf32 only the first one. */
CTC_DEVICE unsigned ctc_pack(float low, float high) {
  unsigned word = 0;
#if CTC_MATRIX_CORES == 1 && defined(CTC_ON_CPU)
  memcpy(&word, &low, sizeof word);
  word = (word & 0x7f800000u) == 0x7f800000u ? word : (word + 0x1000u) & 0xffffe000u;
#elif CTC_MATRIX_CORES == 2 && defined(CTC_ON_CPU)
  word = (unsigned)ctc_float_to_half(high) << 16 | ctc_float_to_half(low);
#elif CTC_MATRIX_CORES == 3 && defined(CTC_ON_CPU)
  word = (unsigned)ctc_float_to_bfloat(high) << 16 | ctc_float_to_bfloat(low);
#elif CTC_MATRIX_CORES == 1
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(low));
#elif CTC_MATRIX_CORES == 2
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
#elif CTC_MATRIX_CORES == 3
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
#endif
  return word;
}

/* The sum of products of what two words hold: on the CPU. */
CTC_DEVICE float ctc_packed_product(unsigned a, unsigned b) {
  float x = 0, y = 0;
#if CTC_MATRIX_CORES == 1 && defined(CTC_ON_CPU)
  memcpy(&x, &a, sizeof x);
  memcpy(&y, &b, sizeof y);
#elif CTC_MATRIX_CORES == 2 && defined(CTC_ON_CPU)
  x = ctc_half_to_float((uint16_t)a), y = ctc_half_to_float((uint16_t)b);
  return x * y + ctc_half_to_float((uint16_t)(a >> 16)) * ctc_half_to_float((uint16_t)(b >> 16));
#elif CTC_MATRIX_CORES == 3 && defined(CTC_ON_CPU)
  x = ctc_bfloat_to_float((uint16_t)a), y = ctc_bfloat_to_float((uint16_t)b);
  return x * y +
         ctc_bfloat_to_float((uint16_t)(a >> 16)) * ctc_bfloat_to_float((uint16_t)(b >> 16));
#endif
  return x * y;
}

/* c[16 x 8] += a[16 x 8 words] * b[8 words x 8], of a warp. Lane 4 g + t has of a the words (g, t),
 * (g + 8, t), (g, t + 4), (g + 8, t + 4), of b (t, g) and (t + 4, g), of c (g, 2 t), (g, 2 t + 1),
 * (g + 8, 2 t), (g + 8, 2 t + 1). */
CTC_DEVICE void ctc_multiply_add(float *c, const unsigned *a, const unsigned *b) {
#if CTC_MATRIX_CORES == 0
  c[0] += ctc_packed_product(a[0], b[0]);
#elif defined(CTC_ON_CPU)
  const int g = (int)threadIdx.x % 32 / 4, t = (int)threadIdx.x % 4;
  for (int k = 0; k < 4; k++)
    for (int half = 0; half < 2; half++) {
      const unsigned top = __shfl_sync(0xffffffffu, a[2 * half], 4 * g + k);
      const unsigned bottom = __shfl_sync(0xffffffffu, a[2 * half + 1], 4 * g + k);
      const unsigned left = __shfl_sync(0xffffffffu, b[half], 8 * t + k);
      const unsigned right = __shfl_sync(0xffffffffu, b[half], 8 * t + 4 + k);
      c[0] += ctc_packed_product(top, left), c[1] += ctc_packed_product(top, right);
      c[2] += ctc_packed_product(bottom, left), c[3] += ctc_packed_product(bottom, right);
    }
#else
#if CTC_MATRIX_CORES == 1
#define CTC_MULTIPLY "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
#elif CTC_MATRIX_CORES == 2
#define CTC_MULTIPLY "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
#else
#define CTC_MULTIPLY "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
#endif
  asm(CTC_MULTIPLY "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#undef CTC_MULTIPLY
#endif
}

/* Places what a thread has loaded of an operand in a stage [words of the depth][SIDE + 8]. */
template <int SIDE, int DEPTH, class Operand>
CTC_DEVICE void ctc_cores_place(const Operand &operand, const float (*v)[4], unsigned *stage) {
  const int fours = SIDE * DEPTH / 4, thread = (int)threadIdx.x, packed = CTC_PACKED;
#pragma unroll
  for (int i = 0; i * 256 < fours; i++) {
    if (fours % 256 != 0 && thread + i * 256 >= fours) continue;
    int s, d;
    operand.template place<SIDE, DEPTH>(thread + i * 256, &s, &d);
    unsigned *to = stage + d / packed * (SIDE + 8) + s;
    if (operand.is_lengthwise()) {
#pragma unroll
      for (int k = 0; k < 4; k += packed)
        to[k / packed * (SIDE + 8)] = ctc_pack(v[i][k], v[i][k + packed - 1]);
    } else if (packed == 1) {
#pragma unroll
      for (int k = 0; k < 4; k++) to[k] = ctc_pack(v[i][k], v[i][k]);
    } else {
#pragma unroll
      for (int k = 0; k < 4; k++)
        ((unsigned short *)(to + k))[d % 2] = (unsigned short)ctc_pack(v[i][k], v[i][k]);
    }
  }
}

/* One step of 8 words of the depth: HIGH x WIDE results of a warp. */
template <int ROWS, int COLUMNS, int HIGH, int WIDE>
CTC_DEVICE void ctc_cores_step(const unsigned *left, const unsigned *right,
                               float (*sum)[WIDE / 8][4]) {
  const int g = (int)threadIdx.x % 32 / 4, t = (int)threadIdx.x % 4;
  unsigned b[WIDE / 8][2];
#pragma unroll
  for (int j = 0; j < WIDE / 8; j++) {
    b[j][0] = right[t * (COLUMNS + 8) + j * 8 + g];
    b[j][1] = right[(t + 4) * (COLUMNS + 8) + j * 8 + g];
  }
#pragma unroll
  for (int i = 0; i < HIGH / 16; i++) {
    const unsigned *from = left + i * 16 + g;
    const unsigned a[4] = {from[t * (ROWS + 8)], from[t * (ROWS + 8) + 8],
                           from[(t + 4) * (ROWS + 8)], from[(t + 4) * (ROWS + 8) + 8]};
#pragma unroll
    for (int j = 0; j < WIDE / 8; j++) ctc_multiply_add(sum[i][j], a, b[j]);
  }
}

/* ctc_tile_product by matrix instructions: HIGH x WIDE results a warp. */
template <int ROWS, int COLUMNS, int HIGH, int WIDE, int DEPTH, int SPLIT, class Left, class Right,
          class Store>
CTC_DEVICE void ctc_cores_product(const Left &left, const Right &right, ctc_dim depth,
                                  float *shared, const Store &store) {
  const int words = DEPTH / CTC_PACKED, left_stage = words * (ROWS + 8);
  const int stage = left_stage + words * (COLUMNS + 8), steps = words / 8 / SPLIT;
  const int warps = 8 / SPLIT, group = (int)threadIdx.x / 32 / warps;
  const int warp = (int)threadIdx.x / 32 % warps, across = COLUMNS / WIDE;
  const int row = warp / across * HIGH, column = warp % across * WIDE;
  const int g = (int)threadIdx.x % 32 / 4, t = (int)threadIdx.x % 4;
  unsigned *const pool = (unsigned *)shared;
  float sum[HIGH / 16][WIDE / 8][4], next_left[(ROWS * DEPTH + 1023) / 1024][4];
  float next_right[(COLUMNS * DEPTH + 1023) / 1024][4];
#pragma unroll
  for (int i = 0; i < HIGH / 16; i++)
#pragma unroll
    for (int j = 0; j < WIDE / 8; j++)
#pragma unroll
      for (int k = 0; k < 4; k++) sum[i][j][k] = 0.0f;
  ctc_tile_fetch<ROWS, DEPTH>(left, 0, depth, next_left);
  ctc_tile_fetch<COLUMNS, DEPTH>(right, 0, depth, next_right);
  ctc_cores_place<ROWS, DEPTH>(left, next_left, pool);
  ctc_cores_place<COLUMNS, DEPTH>(right, next_right, pool + left_stage);
  __syncthreads();
  int turn = 0;
  for (ctc_dim start = 0; start < depth; start += DEPTH) {
    const int more = start + DEPTH < depth;
    if (more) {
      ctc_tile_fetch<ROWS, DEPTH>(left, start + DEPTH, depth, next_left);
      ctc_tile_fetch<COLUMNS, DEPTH>(right, start + DEPTH, depth, next_right);
    }
#pragma unroll
    for (int step = 0; step < steps; step++) {
      const int word = (group * steps + step) * 8;
      const unsigned *from = pool + turn * stage;
      ctc_cores_step<ROWS, COLUMNS, HIGH, WIDE>(
          from + word * (ROWS + 8) + row, from + left_stage + word * (COLUMNS + 8) + column, sum);
    }
    turn ^= 1;
    if (more) {
      ctc_cores_place<ROWS, DEPTH>(left, next_left, pool + turn * stage);
      ctc_cores_place<COLUMNS, DEPTH>(right, next_right, pool + turn * stage + left_stage);
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < HIGH / 16; i++)
#pragma unroll
    for (int j = 0; j < WIDE / 8; j++)
#pragma unroll
      for (int k = 0; k < 4; k += 2) {
        const int to = row + i * 16 + g + k * 4, at = column + j * 8 + 2 * t;
        if (SPLIT == 1) {
          store(to, at, sum[i][j] + k, 2);
        } else {
          shared[(group * ROWS + to) * COLUMNS + at] = sum[i][j][k];
          shared[(group * ROWS + to) * COLUMNS + at + 1] = sum[i][j][k + 1];
        }
      }
  if (SPLIT > 1) ctc_tile_sum<ROWS, COLUMNS, SPLIT>(shared, store);
}
