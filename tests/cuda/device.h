/* device.h: CUDA C++ for the CPU: what a kernel text sees instead of nvcc's built-in declarations.
 * nvrtc.cpp writes
 *
 *     #include "device.h"
 *     namespace { TEXT }
 *     CPU_KERNEL(name, launch bounds)       for each kernel
 *
 * so that all of the text has internal linkage. A call that waits for other threads goes to the
 * machine (block.h), everything else is plain C++. */
#pragma once
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include "block.h"

#define CTC_ON_CPU 1

/* CPU_RACES: compiled with -fsanitize=thread, whose calls before each access come to the functions
 * below. */
#if defined(CPU_RACES)
#define CPU_TELLS_ACCESSES true
#define CPU_SILENT __attribute__((no_sanitize("thread")))
#else
#define CPU_TELLS_ACCESSES false
#define CPU_SILENT
#endif

/* --- this text's part of the machine --- */

static cpu_place cpu_here;
static const cpu_machine *cpu_the_machine;
alignas(1024) static char cpu_dynamic[CPU_DYNAMIC_BYTES];
extern "C" __attribute__((visibility("hidden"))) char __start_cpu_shared[], __stop_cpu_shared[];
__attribute__((section("cpu_shared"), used, aligned(16))) static char cpu_shared_first[16];

extern "C" __attribute__((visibility("default"))) const cpu_unit cpu_the_unit = {
    CPU_BUILT,         &cpu_here,   &cpu_the_machine,  __start_cpu_shared,
    __stop_cpu_shared, cpu_dynamic, CPU_TELLS_ACCESSES};

#if defined(CPU_RACES)
#define CPU_HOOK extern "C" __attribute__((no_sanitize("thread"), visibility("hidden"), used)) void
#define CPU_CODE __builtin_return_address(0)
#define CPU_ACCESS_HOOKS(n)                                                                        \
  CPU_HOOK __tsan_read##n(void *p) {                                                               \
    cpu_the_machine->access(p, n, CPU_READ, CPU_CODE);                                             \
  }                                                                                                \
  CPU_HOOK __tsan_write##n(void *p) {                                                              \
    cpu_the_machine->access(p, n, CPU_WRITE, CPU_CODE);                                            \
  }                                                                                                \
  CPU_HOOK __tsan_unaligned_read##n(void *p) {                                                     \
    cpu_the_machine->access(p, n, CPU_READ, CPU_CODE);                                             \
  }                                                                                                \
  CPU_HOOK __tsan_unaligned_write##n(void *p) {                                                    \
    cpu_the_machine->access(p, n, CPU_WRITE, CPU_CODE);                                            \
  }
CPU_ACCESS_HOOKS(1)
CPU_ACCESS_HOOKS(2)
CPU_ACCESS_HOOKS(4)
CPU_ACCESS_HOOKS(8)
CPU_ACCESS_HOOKS(16)
CPU_HOOK __tsan_read_range(void *p, unsigned long n) {
  cpu_the_machine->access(p, (unsigned)n, CPU_READ, CPU_CODE);
}
CPU_HOOK __tsan_write_range(void *p, unsigned long n) {
  cpu_the_machine->access(p, (unsigned)n, CPU_WRITE, CPU_CODE);
}
CPU_HOOK __tsan_func_entry(void *) {}
CPU_HOOK __tsan_func_exit() {}
CPU_HOOK __tsan_init() {}
#endif

CPU_SILENT static inline void cpu_tell_atomic(const void *p, unsigned bytes) {
#if defined(CPU_RACES)
  cpu_the_machine->access(p, bytes, CPU_WRITE | CPU_ATOMIC, __builtin_return_address(0));
#else
  (void)p, (void)bytes;
#endif
}

/* The entry of a kernel: arguments by address, as cuLaunchKernel gets them. */
template <auto kernel> struct cpu_entry;
template <class... P, void (*kernel)(P...)> struct cpu_entry<kernel> {
  static constexpr int parameters = sizeof...(P);
  static constexpr unsigned bytes[parameters + 1] = {sizeof(P)..., 0};
  template <int n, int... at> struct upto : upto<n - 1, n - 1, at...> {};
  template <int... at> struct upto<0, at...> {
    static void run(void **arguments) { kernel(*(P *)arguments[at]...); }
  };
  static void run(void **arguments) { upto<parameters>::run(arguments); }
};

#define CPU_KERNEL(name, bound)                                                                    \
  extern "C" __attribute__((visibility("default"))) const cpu_kernel cpu_kernel_##name = {         \
      #name, cpu_entry<&name>::run, cpu_entry<&name>::parameters, cpu_entry<&name>::bytes, bound};

/* --- the language --- */

#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__ static __attribute__((section("cpu_shared")))
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __restrict__ __restrict
#define __builtin_assume(x)

#define threadIdx (cpu_here.thread)
#define blockIdx (cpu_here.block)
#define blockDim (cpu_here.threads)
#define gridDim (cpu_here.blocks)
#define warpSize 32

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned long long cpu_u64;

/* Vectors, aligned as on the device: a misaligned access stops. */
#define CPU_VECTORS(t, T, align2, align4)                                                          \
  struct t##1 {                                                                                    \
    T x;                                                                                           \
  };                                                                                               \
  struct alignas(align2) t##2 {                                                                    \
    T x, y;                                                                                        \
  };                                                                                               \
  struct t##3 {                                                                                    \
    T x, y, z;                                                                                     \
  };                                                                                               \
  struct alignas(align4) t##4 {                                                                    \
    T x, y, z, w;                                                                                  \
  };                                                                                               \
  static inline t##1 make_##t##1(T x) {                                                            \
    return {x};                                                                                    \
  }                                                                                                \
  static inline t##2 make_##t##2(T x, T y) {                                                       \
    return {x, y};                                                                                 \
  }                                                                                                \
  static inline t##3 make_##t##3(T x, T y, T z) {                                                  \
    return {x, y, z};                                                                              \
  }                                                                                                \
  static inline t##4 make_##t##4(T x, T y, T z, T w) {                                             \
    return {x, y, z, w};                                                                           \
  }

CPU_VECTORS(char, signed char, 2, 4)
CPU_VECTORS(uchar, unsigned char, 2, 4)
CPU_VECTORS(short, short, 4, 8)
CPU_VECTORS(ushort, unsigned short, 4, 8)
CPU_VECTORS(int, int, 8, 16)
CPU_VECTORS(float, float, 8, 16)
CPU_VECTORS(double, double, 16, 16)
CPU_VECTORS(longlong, long long, 16, 16)
CPU_VECTORS(ulonglong, unsigned long long, 16, 16)
/* uint3 is there already: blockIdx is one. */
struct uint1 {
  unsigned x;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
static inline uint1 make_uint1(unsigned x) {
  return {x};
}
static inline uint2 make_uint2(unsigned x, unsigned y) {
  return {x, y};
}
static inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) {
  return {x, y, z};
}
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
  return {x, y, z, w};
}

/* --- functions in which threads wait for each other --- */

/* The call site comes in as default arguments: they are evaluated where the call stands. */
#define CPU_CALLER const char *cpu_function = __builtin_FUNCTION(), int cpu_line = __builtin_LINE()
#define CPU_SITE(what) (cpu_site{what, cpu_function, cpu_line})

static inline void __syncthreads(CPU_CALLER) {
  cpu_the_machine->barrier(CPU_SITE("__syncthreads"), 0);
}

static inline int __syncthreads_count(int predicate, CPU_CALLER) {
  return cpu_the_machine->barrier(CPU_SITE("__syncthreads_count"), predicate != 0);
}

static inline int __syncthreads_or(int predicate, CPU_CALLER) {
  return cpu_the_machine->barrier(CPU_SITE("__syncthreads_or"), predicate != 0) != 0;
}

static inline int __syncthreads_and(int predicate, CPU_CALLER) {
  return cpu_the_machine->barrier(CPU_SITE("__syncthreads_and"), predicate == 0) == 0;
}

/* Thread of the block and lane of the warp. */
static inline unsigned cpu_thread() {
  return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}

static inline int cpu_lane() {
  return (int)(cpu_thread() % CPU_WARP_LANES);
}

static inline void __syncwarp(unsigned mask = 0xffffffffu, CPU_CALLER) {
  cpu_exchange none = {nullptr, 0, CPU_FROM_NONE, nullptr};
  cpu_the_machine->warp(CPU_SITE("__syncwarp"), mask, &none);
}

static inline unsigned __activemask() {
  return cpu_the_machine->active();
}

/* All lanes' values: what a plain C form of a matrix instruction needs. */
template <class T>
static inline void cpu_warp_all(unsigned mask, T value, T all[CPU_WARP_LANES], CPU_CALLER) {
  cpu_exchange exchange = {&value, sizeof value, CPU_FROM_ALL, all};
  cpu_the_machine->warp(CPU_SITE("cpu_warp_all"), mask, &exchange);
}

template <class T>
static inline T cpu_from_lane(cpu_site site, unsigned mask, T value, int source) {
  static_assert(sizeof(T) <= 8, "shuffles move at most 8 bytes");
  T result;
  cpu_exchange exchange = {&value, sizeof value, source, &result};
  cpu_the_machine->warp(site, mask, &exchange);
  return result;
}

/* Segments of `width` lanes: a source outside of the own segment is the lane itself. */
template <class T>
static inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, CPU_CALLER) {
  int lane = cpu_lane(), first = lane & ~(width - 1);
  return cpu_from_lane(CPU_SITE("__shfl_sync"), mask, value, first + (source & (width - 1)));
}

template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, CPU_CALLER) {
  int lane = cpu_lane(), first = lane & ~(width - 1), source = lane - (int)delta;
  return cpu_from_lane(CPU_SITE("__shfl_up_sync"), mask, value, source < first ? lane : source);
}

template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                                 CPU_CALLER) {
  int lane = cpu_lane(), last = lane | (width - 1), source = lane + (int)delta;
  return cpu_from_lane(CPU_SITE("__shfl_down_sync"), mask, value, source > last ? lane : source);
}

template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int flip, int width = 32, CPU_CALLER) {
  int lane = cpu_lane(), last = lane | (width - 1), source = lane ^ flip;
  return cpu_from_lane(CPU_SITE("__shfl_xor_sync"), mask, value, source > last ? lane : source);
}

static inline unsigned cpu_ballot(cpu_site site, unsigned mask, int predicate) {
  unsigned char mine = predicate != 0, all[CPU_WARP_LANES];
  cpu_exchange exchange = {&mine, 1, CPU_FROM_ALL, all};
  cpu_the_machine->warp(site, mask, &exchange);
  unsigned bits = 0;
  for (int i = 0; i < CPU_WARP_LANES; i++) bits |= (unsigned)(all[i] == 1) << i;
  return bits & mask;
}

static inline unsigned __ballot_sync(unsigned mask, int predicate, CPU_CALLER) {
  return cpu_ballot(CPU_SITE("__ballot_sync"), mask, predicate);
}

static inline int __any_sync(unsigned mask, int predicate, CPU_CALLER) {
  return cpu_ballot(CPU_SITE("__any_sync"), mask, predicate) != 0;
}

static inline int __all_sync(unsigned mask, int predicate, CPU_CALLER) {
  return cpu_ballot(CPU_SITE("__all_sync"), mask, !predicate) == 0;
}

/* Reductions over the lanes of the mask (sm_80). */
template <class T, class Combine>
static inline T cpu_reduce(cpu_site site, unsigned mask, T value, Combine combine) {
  T all[CPU_WARP_LANES], result = value;
  cpu_exchange exchange = {&value, sizeof value, CPU_FROM_ALL, all};
  cpu_the_machine->warp(site, mask, &exchange);
  bool first = true;
  for (int i = 0; i < CPU_WARP_LANES; i++) {
    if (!(mask >> i & 1)) continue;
    result = first ? all[i] : combine(result, all[i]);
    first = false;
  }
  return result;
}

#define CPU_REDUCE(name, T, expression)                                                            \
  static inline T name(unsigned mask, T value, CPU_CALLER) {                                       \
    return cpu_reduce(CPU_SITE(#name), mask, value, [](T a, T b) -> T { return expression; });     \
  }
CPU_REDUCE(__reduce_add_sync, unsigned, a + b)
CPU_REDUCE(__reduce_min_sync, unsigned, a < b ? a : b)
CPU_REDUCE(__reduce_max_sync, unsigned, a > b ? a : b)
CPU_REDUCE(__reduce_add_sync, int, (int)((unsigned)a + (unsigned)b))
CPU_REDUCE(__reduce_min_sync, int, a < b ? a : b)
CPU_REDUCE(__reduce_max_sync, int, a > b ? a : b)
CPU_REDUCE(__reduce_and_sync, unsigned, a &b)
CPU_REDUCE(__reduce_or_sync, unsigned, a | b)
CPU_REDUCE(__reduce_xor_sync, unsigned, a ^ b)

/* Blocks run in turn and a thread goes on until it waits: an atomic is a plain update. */
static inline void __threadfence() {
  cpu_the_machine->fence();
}
static inline void __threadfence_block() {}
static inline void __threadfence_system() {
  cpu_the_machine->fence();
}

#define CPU_ATOMIC(name, T, expression)                                                            \
  CPU_SILENT static inline T name(T *p, T value) {                                                 \
    cpu_tell_atomic(p, sizeof *p);                                                                 \
    T old = *p;                                                                                    \
    *p = expression;                                                                               \
    return old;                                                                                    \
  }
#define CPU_ATOMICS(T)                                                                             \
  CPU_ATOMIC(atomicAdd, T, (T)(cpu_u64)((cpu_u64)old + (cpu_u64)value))                            \
  CPU_ATOMIC(atomicMin, T, old < value ? old : value)                                              \
  CPU_ATOMIC(atomicMax, T, old > value ? old : value)                                              \
  CPU_ATOMIC(atomicExch, T, value)                                                                 \
  CPU_ATOMIC(atomicAnd, T, (T)(old & value))                                                       \
  CPU_ATOMIC(atomicOr, T, (T)(old | value))                                                        \
  CPU_ATOMIC(atomicXor, T, (T)(old ^ value))                                                       \
  CPU_SILENT static inline T atomicCAS(T *p, T compare, T value) {                                 \
    cpu_tell_atomic(p, sizeof *p);                                                                 \
    T old = *p;                                                                                    \
    if (old == compare) *p = value;                                                                \
    return old;                                                                                    \
  }
CPU_ATOMICS(int)
CPU_ATOMICS(unsigned)
CPU_ATOMICS(unsigned long long)
CPU_ATOMIC(atomicSub, int, (int)((unsigned)old - (unsigned)value))
CPU_ATOMIC(atomicSub, unsigned, old - value)
CPU_ATOMIC(atomicInc, unsigned, old >= value ? 0 : old + 1)
CPU_ATOMIC(atomicAdd, float, old + value)
CPU_ATOMIC(atomicAdd, double, old + value)
CPU_ATOMIC(atomicExch, float, value)

/* --- memory --- */

template <class T> static inline T __ldg(const T *p) {
  return *p;
}
template <class T> static inline T __ldcg(const T *p) {
  return *p;
}
template <class T> static inline T __ldca(const T *p) {
  return *p;
}
template <class T> static inline T __ldcs(const T *p) {
  return *p;
}
template <class T> static inline void __stcg(T *p, T value) {
  *p = value;
}
template <class T> static inline void __stcs(T *p, T value) {
  *p = value;
}

/* --- bits --- */

template <class To, class From> static inline To cpu_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "same size");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

static inline int __float_as_int(float x) {
  return cpu_bits<int>(x);
}
static inline float __int_as_float(int x) {
  return cpu_bits<float>(x);
}
static inline unsigned __float_as_uint(float x) {
  return cpu_bits<unsigned>(x);
}
static inline float __uint_as_float(unsigned x) {
  return cpu_bits<float>(x);
}
static inline long long __double_as_longlong(double x) {
  return cpu_bits<long long>(x);
}
static inline double __longlong_as_double(long long x) {
  return cpu_bits<double>(x);
}

static inline int __clz(int x) {
  return x ? __builtin_clz((unsigned)x) : 32;
}
static inline int __clzll(long long x) {
  return x ? __builtin_clzll((cpu_u64)x) : 64;
}
static inline int __ffs(int x) {
  return __builtin_ffs(x);
}
static inline int __ffsll(long long x) {
  return __builtin_ffsll(x);
}
static inline int __popc(unsigned x) {
  return __builtin_popcount(x);
}
static inline int __popcll(cpu_u64 x) {
  return __builtin_popcountll(x);
}

static inline unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int i = 0; i < 32; i++) reversed |= (x >> i & 1) << (31 - i);
  return reversed;
}

/* Selector digit: which of the 8 bytes of y:x; its top bit spreads that byte's sign. */
static inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  cpu_u64 bytes = (cpu_u64)y << 32 | x;
  unsigned result = 0;
  for (int i = 0; i < 4; i++) {
    unsigned digit = selector >> (4 * i), byte = (unsigned)(bytes >> (8 * (digit & 7))) & 0xff;
    if (digit & 8) byte = byte & 0x80 ? 0xff : 0;
    result |= byte << (8 * i);
  }
  return result;
}

static inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return (unsigned)((((cpu_u64)high << 32 | low) << (shift & 31)) >> 32);
}

static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return (unsigned)(((cpu_u64)high << 32 | low) >> (shift & 31));
}

/* --- integer arithmetic --- */

static inline unsigned __umulhi(unsigned a, unsigned b) {
  return (unsigned)((cpu_u64)a * b >> 32);
}
static inline int __mulhi(int a, int b) {
  return (int)((long long)a * b >> 32);
}
static inline cpu_u64 __umul64hi(cpu_u64 a, cpu_u64 b) {
  return (cpu_u64)((unsigned __int128)a * b >> 64);
}
static inline long long __mul64hi(long long a, long long b) {
  return (long long)((__int128)a * b >> 64);
}
static inline int cpu_low24(int x) {
  return (int)((unsigned)x << 8) >> 8;
}
static inline int __mul24(int a, int b) {
  return (int)((unsigned)cpu_low24(a) * (unsigned)cpu_low24(b));
}
static inline unsigned __umul24(unsigned a, unsigned b) {
  return (a & 0xffffff) * (b & 0xffffff);
}
static inline unsigned __sad(int a, int b, unsigned c) {
  return c + (unsigned)(a < b ? b - a : a - b);
}

/* c + the sum of four products of bytes; A, B: their types. */
template <class A, class B> static inline unsigned cpu_dot4(unsigned a, unsigned b, unsigned c) {
  for (int i = 0; i < 4; i++) c += (unsigned)((int)(A)(a >> (8 * i)) * (int)(B)(b >> (8 * i)));
  return c;
}
static inline int __dp4a(int a, int b, int c) {
  return (int)cpu_dot4<signed char, signed char>((unsigned)a, (unsigned)b, (unsigned)c);
}
static inline unsigned __dp4a(unsigned a, unsigned b, unsigned c) {
  return cpu_dot4<unsigned char, unsigned char>(a, b, c);
}

#define CPU_MIN_MAX(A, B, R)                                                                       \
  static inline R min(A a, B b) {                                                                  \
    return (R)a < (R)b ? (R)a : (R)b;                                                              \
  }                                                                                                \
  static inline R max(A a, B b) {                                                                  \
    return (R)a > (R)b ? (R)a : (R)b;                                                              \
  }
CPU_MIN_MAX(int, int, int)
CPU_MIN_MAX(unsigned, unsigned, unsigned)
CPU_MIN_MAX(int, unsigned, unsigned)
CPU_MIN_MAX(unsigned, int, unsigned)
CPU_MIN_MAX(long, long, long)
CPU_MIN_MAX(unsigned long, unsigned long, unsigned long)
CPU_MIN_MAX(long, unsigned long, unsigned long)
CPU_MIN_MAX(unsigned long, long, unsigned long)
CPU_MIN_MAX(long long, long long, long long)
CPU_MIN_MAX(unsigned long long, unsigned long long, unsigned long long)
CPU_MIN_MAX(long long, unsigned long long, unsigned long long)
CPU_MIN_MAX(unsigned long long, long long, unsigned long long)
static inline float min(float a, float b) {
  return fminf(a, b);
}
static inline float max(float a, float b) {
  return fmaxf(a, b);
}
static inline double min(double a, double b) {
  return fmin(a, b);
}
static inline double max(double a, double b) {
  return fmax(a, b);
}
static inline double min(float a, double b) {
  return fmin(a, b);
}
static inline double max(float a, double b) {
  return fmax(a, b);
}
static inline double min(double a, float b) {
  return fmin(a, b);
}
static inline double max(double a, float b) {
  return fmax(a, b);
}

/* --- floating point --- */

static inline float __fmaf_rn(float a, float b, float c) {
  return fmaf(a, b, c);
}
static inline float __fadd_rn(float a, float b) {
  return a + b;
}
static inline float __fsub_rn(float a, float b) {
  return a - b;
}
static inline float __fmul_rn(float a, float b) {
  return a * b;
}
static inline float __fdiv_rn(float a, float b) {
  return a / b;
}
static inline float __fsqrt_rn(float x) {
  return sqrtf(x);
}
static inline float __frcp_rn(float x) {
  return 1 / x;
}
static inline float __frsqrt_rn(float x) {
  return (float)(1 / sqrt((double)x));
}
static inline double __fma_rn(double a, double b, double c) {
  return fma(a, b, c);
}
static inline double __dadd_rn(double a, double b) {
  return a + b;
}
static inline double __dmul_rn(double a, double b) {
  return a * b;
}
static inline double __ddiv_rn(double a, double b) {
  return a / b;
}

static inline float cpu_fast_expf(float x) {
  return expf(x);
}
static inline float cpu_fast_exp10f(float x) {
  return powf(10, x);
}
static inline float cpu_fast_logf(float x) {
  return logf(x);
}
static inline float cpu_fast_log2f(float x) {
  return log2f(x);
}
static inline float cpu_fast_log10f(float x) {
  return log10f(x);
}
static inline float cpu_fast_powf(float x, float y) {
  return powf(x, y);
}
static inline float cpu_fast_sinf(float x) {
  return sinf(x);
}
static inline float cpu_fast_cosf(float x) {
  return cosf(x);
}
static inline float cpu_fast_tanf(float x) {
  return tanf(x);
}
static inline float __fdividef(float a, float b) {
  return a / b;
}
static inline float fdividef(float a, float b) {
  return a / b;
}
static inline float __saturatef(float x) {
  return x >= 0 ? x <= 1 ? x : 1 : 0;
}
static inline float cpu_rsqrtf(float x) {
  return 1 / sqrtf(x);
}
static inline double cpu_rsqrt(double x) {
  return 1 / sqrt(x);
}
static inline float rcbrtf(float x) {
  return 1 / cbrtf(x);
}
static inline float normcdff(float x) {
  return 0.5f * erfcf(-x * 0.70710678f);
}
static inline float cpu_sinpif(float x) {
  return (float)sin(3.14159265358979323846 * x);
}
static inline float cpu_cospif(float x) {
  return (float)cos(3.14159265358979323846 * x);
}
static inline float erfcxf(float x) {
  return (float)(exp((double)x * x) * erfc((double)x));
}

/* Some C libraries have these names for themselves. */
#define __expf cpu_fast_expf
#define __exp10f cpu_fast_exp10f
#define __logf cpu_fast_logf
#define __log2f cpu_fast_log2f
#define __log10f cpu_fast_log10f
#define __powf cpu_fast_powf
#define __sinf cpu_fast_sinf
#define __cosf cpu_fast_cosf
#define __tanf cpu_fast_tanf
#define rsqrtf cpu_rsqrtf
#define rsqrt cpu_rsqrt
#define sinpif cpu_sinpif
#define cospif cpu_cospif

/* Conversions by rounding: nearest even, down, up, toward zero; out of range goes to the nearest
 * end and NaN to 0. */
static inline int cpu_to_int(double x) {
  return x != x ? 0 : x >= 2147483647.0 ? INT_MAX : x <= -2147483648.0 ? INT_MIN : (int)x;
}
static inline unsigned cpu_to_uint(double x) {
  return x != x || x <= 0 ? 0 : x >= 4294967295.0 ? UINT_MAX : (unsigned)x;
}
static inline int __float2int_rn(float x) {
  return cpu_to_int(rint((double)x));
}
static inline int __float2int_rd(float x) {
  return cpu_to_int(floor((double)x));
}
static inline int __float2int_ru(float x) {
  return cpu_to_int(ceil((double)x));
}
static inline int __float2int_rz(float x) {
  return cpu_to_int(x);
}
static inline unsigned __float2uint_rn(float x) {
  return cpu_to_uint(rint((double)x));
}
static inline unsigned __float2uint_rz(float x) {
  return cpu_to_uint(x);
}
static inline float __int2float_rn(int x) {
  return (float)x;
}
static inline float __uint2float_rn(unsigned x) {
  return (float)x;
}
static inline int __double2int_rn(double x) {
  return cpu_to_int(rint(x));
}
static inline int __double2int_rz(double x) {
  return cpu_to_int(x);
}
static inline float __double2float_rn(double x) {
  return (float)x;
}

[[noreturn]] static inline void __trap() {
  __builtin_trap();
}
static inline long long clock64() {
  return 0;
}

/* Behind __shared__, where C++ wants alignas in front. */
#define alignas(n) __attribute__((aligned(n)))
