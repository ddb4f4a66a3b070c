/* prelude.c: what every emitted program begins with. */

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef int64_t ctc_dim;

/* Element of a bool tensor: 0 or 1. */
typedef uint8_t ctc_bool;

/* C99's restrict where there is such a thing (C++ has none). */
#if defined(__GNUC__) || defined(_MSC_VER)
#define CTC_RESTRICT __restrict
#else
#define CTC_RESTRICT
#endif

/* Arrays that vectors are loaded from begin on a cache line. */
#if defined(__GNUC__)
#define CTC_ALIGNED __attribute__((aligned(64)))
#else
#define CTC_ALIGNED
#endif

/* Status codes of kernels; model.h gives them the model's prefix. */
enum {
  CTC_OK = 0,
  CTC_BAD_ARGUMENT = 1,       /* a null or misaligned pointer */
  CTC_BAD_SHAPE = 2,          /* dims that contradict each other or the bounds of the program */
  CTC_BAD_INDEX = 3,          /* an index tensor points outside of its data */
  CTC_WORKSPACE_TOO_SMALL = 4,
  CTC_CAPACITY_TOO_SMALL = 5  /* a data-dependent size exceeds the capacity given */
};
