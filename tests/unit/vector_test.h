/* vector_test.h: what tests of vector kernels begin with. They include the runtime as text and are
 * built once for each vector width that the target has (see Makefile). */
#ifndef CTC_TESTS_VECTOR_TEST_H
#define CTC_TESTS_VECTOR_TEST_H

#pragma GCC diagnostic ignored "-Wunused-function"
#include "runtime_all.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* Whether this machine has the registers that the test was compiled for. */
static inline bool machine_has_them(void) {
#if CTC_LANES == 16
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
#elif CTC_LANES == 8
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return true;
#endif
}

#endif
