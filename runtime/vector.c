/* vector.c: vectors of floats as wide as the target's registers.
 *
 * Kernels are written once for every width: `ctc_v` holds CTC_LANES floats, `ctc_vi` as many 32-bit
 * integers. With GCC's vector extensions (gcc, clang) the width follows the compiler's target: 16
 * lanes with AVX-512, 8 with AVX, 4 with SSE2 and NEON. Without them, or with -DCTC_SCALAR, a vector
 * is one float and the same text is plain C99. `+ - * /` work on ctc_v in every case, also between a
 * ctc_v and a float; everything else goes through the functions below. Masks are ctc_vi with all
 * bits of a lane set or clear.
 *
 * CTC_TILE is how many rows (pixels) of two vectors each a product keeps in registers: 2 * CTC_TILE
 * accumulators, two vectors of weights and a broadcast number must fit. Accumulators are named
 * variables: gcc leaves arrays of vectors in memory. */

/* Whether the compiler has that builtin. */
#if defined(__has_builtin)
#define CTC_HAS(builtin) __has_builtin(builtin)
#else
#define CTC_HAS(builtin) 0
#endif

/* The mask of all lanes, as builtins for AVX-512 take it. */
#if defined(__clang__)
#define CTC_ALL_LANES ((unsigned short)0xffff)
#else
#define CTC_ALL_LANES ((short)-1)
#endif

#if defined(CTC_SCALAR) || !defined(__GNUC__)
#define CTC_LANES 1
#elif defined(__AVX512F__)
#define CTC_LANES 16
#elif defined(__AVX__)
#define CTC_LANES 8
#elif defined(__SSE2__) || defined(__ARM_NEON)
#define CTC_LANES 4
#else
#define CTC_LANES 1
#endif

/* 16 lanes and NEON come with 32 registers, the others with 16. */
#if CTC_LANES == 16 || defined(__aarch64__)
#define CTC_TILE 14
#elif CTC_LANES == 1
#define CTC_TILE 4
#else
#define CTC_TILE 6
#endif

#if CTC_LANES > 1
#define CTC_VECTOR __attribute__((vector_size(CTC_LANES * 4)))
#else
#define CTC_VECTOR
#endif

/* Inlined wherever it is called, so that literal arguments specialise it. Some are called for some
 * widths only, of which clang warns. */
#if defined(__GNUC__)
#define CTC_INLINE __attribute__((always_inline, unused))
#else
#define CTC_INLINE
#endif

/* The array is kept in memory here. C compilers like to keep small ones in registers, which the loop
 * at hand may need more. */
#if defined(__GNUC__) && !defined(CTC_SCALAR)
#define CTC_IN_MEMORY(array) __asm__ volatile("" : "+m"(array))
#else
#define CTC_IN_MEMORY(array) (void)(array)
#endif

/* A function that is not inlined. */
#if defined(__GNUC__)
#define CTC_APART __attribute__((noinline))
#else
#define CTC_APART
#endif

/* How kernels of this kind are declared: `static CTC_KERNEL void ctc_…(…)`. */
#define CTC_KERNEL inline CTC_INLINE

/* Brings memory that is read soon into the cache. */
#if defined(__GNUC__)
#define CTC_PREFETCH(p) __builtin_prefetch(p)
#else
#define CTC_PREFETCH(p) ((void)(p))
#endif

typedef CTC_VECTOR float ctc_v;

typedef CTC_VECTOR int32_t ctc_vi;

typedef CTC_VECTOR uint32_t ctc_vu;

/* What a kernel applies to results before it stores them: bias, activation, residual … `value` are
 * `count` neighbouring results (CTC_LANES but at the end of a row) that go to element `at` of the
 * kernel's output; `channel` is the first one's channel. operands[i] are the tensors that it reads,
 * at `at`, at `channel` or at 0. A null function changes nothing. */
typedef ctc_v (*ctc_epilogue)(ctc_v value, const float *const *operands, ctc_dim at,
                              ctc_dim channel, int count);

/* The same for `n` vectors that have been stored already, from element `at` of y on with steps of
 * `step` elements, all of the same `count` channels. This is how long epilogues (exp, erf …) are
 * given to kernels that take them in this way: a loop has its constants in registers. */
typedef void (*ctc_epilogue_row)(float *y, const float *const *operands, ctc_dim at,
                                 ctc_dim channel, int count, ctc_dim step, ctc_dim n);

/* --- moving --- */

/* (Less a zero: -0 stays what it is.) */
static CTC_KERNEL ctc_v ctc_v_set(float x) {
#if CTC_LANES > 1
  const ctc_v zero = {0};
  return x - zero;
#else
  return x;
#endif
}

static CTC_KERNEL ctc_vi ctc_vi_set(int32_t x) {
#if CTC_LANES > 1
  const ctc_vi zero = {0};
  return zero + x;
#else
  return x;
#endif
}

/* Any address of a float. */
static CTC_KERNEL ctc_v ctc_v_load(const float *p) {
  ctc_v v;
  memcpy(&v, p, sizeof v);
  return v;
}

/* Any address of a float. */
static inline CTC_INLINE void ctc_v_store(float *p, ctc_v v) { memcpy(p, &v, sizeof v); }

/* Loads and stores of the first lanes, by the target's masks where it has them. */
#if CTC_LANES == 16 && CTC_HAS(__builtin_ia32_loadups512_mask)
#define CTC_LANE_MASK(count) ((unsigned short)((1u << (count)) - 1u))
#define CTC_LOAD_PART(p, count) \
  __builtin_ia32_loadups512_mask(p, ctc_v_set(0), CTC_LANE_MASK(count))
#define CTC_STORE_PART(p, v, count) __builtin_ia32_storeups512_mask(p, v, CTC_LANE_MASK(count))
#elif CTC_LANES == 8 && CTC_HAS(__builtin_ia32_maskloadps256)
#define CTC_LANE_MASK(count) ((ctc_vi)(ctc_v_lane_numbers() < ctc_vi_set(count)))
#define CTC_LOAD_PART(p, count) \
  __builtin_ia32_maskloadps256((const ctc_v *)(const void *)(p), CTC_LANE_MASK(count))
#define CTC_STORE_PART(p, v, count) \
  __builtin_ia32_maskstoreps256((ctc_v *)(void *)(p), CTC_LANE_MASK(count), v)
#else
#define CTC_LOAD_PART(p, count) ctc_v_load_lanes(p, count)
#define CTC_STORE_PART(p, v, count) ctc_v_store_lanes(p, v, count)
#endif

/* 0, 1, 2 … */
static CTC_KERNEL ctc_vi ctc_v_lane_numbers(void) {
#if CTC_LANES == 16
  const ctc_vi numbers = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif CTC_LANES == 8
  const ctc_vi numbers = {0, 1, 2, 3, 4, 5, 6, 7};
#elif CTC_LANES == 4
  const ctc_vi numbers = {0, 1, 2, 3};
#else
  const ctc_vi numbers = 0;
#endif
  return numbers;
}

/* One lane after the other. */
static CTC_KERNEL ctc_v ctc_v_load_lanes(const float *p, int count) {
  float lanes[CTC_LANES] = {0};
  for (int i = 0; i < CTC_LANES && i < count; i++) lanes[i] = p[i];
  return ctc_v_load(lanes);
}

static inline CTC_INLINE void ctc_v_store_lanes(float *p, ctc_v v, int count) {
  float lanes[CTC_LANES];
  ctc_v_store(lanes, v);
  for (int i = 0; i < CTC_LANES && i < count; i++) p[i] = lanes[i];
}

/* The first `count` lanes, less than all, zeros behind them; reads nothing else. */
static CTC_KERNEL ctc_v ctc_v_load_part(const float *p, int count) {
  return CTC_LOAD_PART(p, count);
}

/* The first `count` lanes, less than all. */
static inline CTC_INLINE void ctc_v_store_part(float *p, ctc_v v, int count) {
  CTC_STORE_PART(p, v, count);
}

/* `count` lanes, all of them where that is known while compiling. */
static CTC_KERNEL ctc_v ctc_v_load_n(const float *p, int count) {
  return count >= CTC_LANES ? ctc_v_load(p) : ctc_v_load_part(p, count);
}

static inline CTC_INLINE void ctc_v_store_n(float *p, ctc_v v, int count) {
  if (count >= CTC_LANES)
    ctc_v_store(p, v);
  else
    ctc_v_store_part(p, v, count);
}

/* --- halves --- */

/* Half a vector of 16 lanes, for what fills no more: many machines do two of these at once. Elsewhere
 * it is a vector. */
#if CTC_LANES == 16
#define CTC_HALF_VECTOR __attribute__((vector_size(32)))
#else
#define CTC_HALF_VECTOR CTC_VECTOR
#endif

typedef CTC_HALF_VECTOR float ctc_half;

static CTC_KERNEL ctc_half ctc_half_set(float x) {
#if CTC_LANES == 16
  const ctc_half zero = {0};
  return x - zero;
#else
  return ctc_v_set(x);
#endif
}

static CTC_KERNEL ctc_half ctc_half_load(const float *p) {
  ctc_half half;
  memcpy(&half, p, sizeof half);
  return half;
}

/* With zeros in the other half. */
static CTC_KERNEL ctc_v ctc_half_widen(ctc_half half) {
  ctc_v v = ctc_v_set(0);
  memcpy(&v, &half, sizeof half);
  return v;
}

/* --- bits --- */

/* The bits of the floats as integers. */
static CTC_KERNEL ctc_vi ctc_v_bits(ctc_v v) {
  ctc_vi bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}

static CTC_KERNEL ctc_v ctc_v_from_bits(ctc_vi bits) {
  ctc_v v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

/* --- comparing and choosing --- */

/* Masks; false where an operand is NaN. */
#if CTC_LANES > 1
#define CTC_MASK(condition) ((ctc_vi)(condition))
#else
#define CTC_MASK(condition) (-(int32_t)(condition))
#endif

static CTC_KERNEL ctc_vi ctc_v_less(ctc_v a, ctc_v b) { return CTC_MASK(a < b); }

static CTC_KERNEL ctc_vi ctc_v_less_equal(ctc_v a, ctc_v b) { return CTC_MASK(a <= b); }

static CTC_KERNEL ctc_vi ctc_v_equal(ctc_v a, ctc_v b) { return CTC_MASK(a == b); }

static CTC_KERNEL ctc_vi ctc_v_isnan(ctc_v a) { return CTC_MASK(a != a); }

/* a where the mask is set, b elsewhere. */
static CTC_KERNEL ctc_v ctc_v_select(ctc_vi mask, ctc_v a, ctc_v b) {
#if CTC_LANES == 1
  return mask ? a : b;
#else
  return ctc_v_from_bits((mask & ctc_v_bits(a)) | (~mask & ctc_v_bits(b)));
#endif
}

/* The hardware's maximum where there is one: the second operand if either is NaN. */
#if CTC_LANES == 1 || !defined(__GNUC__)
#define CTC_MAXIMUM(a, b) ((a) > (b) ? (a) : (b))
#define CTC_MINIMUM(a, b) ((a) < (b) ? (a) : (b))
#elif defined(__AVX512F__) && !defined(__clang__)
#define CTC_MAXIMUM(a, b) __builtin_ia32_maxps512_mask(a, b, a, CTC_ALL_LANES, 4)
#define CTC_MINIMUM(a, b) __builtin_ia32_minps512_mask(a, b, a, CTC_ALL_LANES, 4)
#elif defined(__AVX__) && !defined(__AVX512F__)
#define CTC_MAXIMUM(a, b) __builtin_ia32_maxps256(a, b)
#define CTC_MINIMUM(a, b) __builtin_ia32_minps256(a, b)
#elif defined(__SSE2__) && !defined(__AVX__)
#define CTC_MAXIMUM(a, b) __builtin_ia32_maxps(a, b)
#define CTC_MINIMUM(a, b) __builtin_ia32_minps(a, b)
#else
#define CTC_MAXIMUM(a, b) ctc_v_select(ctc_v_less(b, a), a, b)
#define CTC_MINIMUM(a, b) ctc_v_select(ctc_v_less(a, b), a, b)
#endif

/* The larger one; b if either is NaN. */
static CTC_KERNEL ctc_v ctc_v_max(ctc_v a, ctc_v b) { return CTC_MAXIMUM(a, b); }

/* The smaller one; b if either is NaN. */
static CTC_KERNEL ctc_v ctc_v_min(ctc_v a, ctc_v b) { return CTC_MINIMUM(a, b); }

static CTC_KERNEL ctc_v ctc_v_abs(ctc_v a) {
  return ctc_v_from_bits(ctc_v_bits(a) & ctc_vi_set(INT32_MAX));
}

/* --- all lanes to one number --- */

/* The lanes of a vector in another order: those half a vector (a quarter …) further on. */
#if CTC_LANES == 16 && CTC_HAS(__builtin_shufflevector)
#define CTC_LANES_ON_8(v) \
  __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
#define CTC_LANES_ON_4(v) \
  __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11)
#define CTC_LANES_ON_2(v) \
  __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
#define CTC_LANES_ON_1(v) \
  __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
#elif CTC_LANES == 8 && CTC_HAS(__builtin_shufflevector)
#define CTC_LANES_ON_4(v) __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3)
#define CTC_LANES_ON_2(v) __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5)
#define CTC_LANES_ON_1(v) __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6)
#elif CTC_LANES == 4 && CTC_HAS(__builtin_shufflevector)
#define CTC_LANES_ON_2(v) __builtin_shufflevector(v, v, 2, 3, 0, 1)
#define CTC_LANES_ON_1(v) __builtin_shufflevector(v, v, 1, 0, 3, 2)
#endif

/* The sum, by halves. */
static CTC_KERNEL float ctc_v_sum(ctc_v v) {
#if defined(CTC_LANES_ON_1)
#if defined(CTC_LANES_ON_8)
  v += CTC_LANES_ON_8(v);
#endif
#if defined(CTC_LANES_ON_4)
  v += CTC_LANES_ON_4(v);
#endif
  v += CTC_LANES_ON_2(v);
  v += CTC_LANES_ON_1(v);
  return v[0];
#else
  float lanes[CTC_LANES];
  ctc_v_store(lanes, v);
  for (int half = CTC_LANES / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return lanes[0];
#endif
}

/* The largest lane; NaN is passed over or kept, as it comes. */
static CTC_KERNEL float ctc_v_largest(ctc_v v) {
#if defined(CTC_LANES_ON_1)
#if defined(CTC_LANES_ON_8)
  v = ctc_v_max(v, CTC_LANES_ON_8(v));
#endif
#if defined(CTC_LANES_ON_4)
  v = ctc_v_max(v, CTC_LANES_ON_4(v));
#endif
  v = ctc_v_max(v, CTC_LANES_ON_2(v));
  v = ctc_v_max(v, CTC_LANES_ON_1(v));
  return v[0];
#else
  float lanes[CTC_LANES];
  ctc_v_store(lanes, v);
  for (int half = CTC_LANES / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
  return lanes[0];
#endif
}
