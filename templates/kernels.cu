/* What NVRTC, nvcc and a stand-in on a CPU all take; nothing is included by NVRTC. */
#define CTC_KERNEL_TEXT 1
#define CTC_SCALAR 1
#define CTC_PRECISION $precision
//$ if strict
#define CTC_STRICT 1 /* compiled with --fmad=false: another text, so another name in the cache */
//$ end
#ifdef __CUDACC__
#pragma nv_diag_suppress 177 /* a function that only a branch for others calls */
#endif
#ifdef __CUDACC_RTC__
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
typedef unsigned long long uintptr_t;
#define INT8_MIN (-128)
#define INT8_MAX 127
#define INT16_MIN (-32768)
#define INT16_MAX 32767
#define INT32_MIN (-2147483647 - 1)
#define INT32_MAX 2147483647
#define INT64_MIN (-9223372036854775807LL - 1)
#define INT64_MAX 9223372036854775807LL
#define UINT8_MAX 255
#define UINT16_MAX 65535
#define UINT32_MAX 4294967295U
#define UINT64_MAX 18446744073709551615ULL
#define INT32_C(x) x
#define INT64_C(x) x##LL
#define UINT32_C(x) x##U
#define UINT64_C(x) x##ULL
#define FLT_MAX 3.402823466e38f
#define FLT_MIN 1.175494351e-38f
#define FLT_EPSILON 1.19209290e-7f
#define DBL_MAX 1.7976931348623157e308
#define DBL_EPSILON 2.2204460492503131e-16
#define NAN __int_as_float(0x7fc00000)
#define INFINITY __int_as_float(0x7f800000)
#define HUGE_VALF __int_as_float(0x7f800000)
#define HUGE_VAL __longlong_as_double(0x7ff0000000000000LL)
#ifndef NULL
#define NULL 0
#endif
#else
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#endif

/* Sizes and indices: `int` where all of the program's fit. */
//$ if wide
typedef long long ctc_dim;
//$ else
typedef int ctc_dim;
//$ end

/* The end of a kernel whose results stay as they are. */
struct ctc_no_epilogue {
  __device__ __forceinline__ float operator()(float value, ctc_dim at, ctc_dim channel) const {
    (void)at, (void)channel;
    return value;
  }
};

$definitions
$functions
