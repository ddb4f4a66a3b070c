/* kernel.h: the runtime kernels as data: name, parameters, source text, and a way to call them from
 * inside ctc.
 *
 * The table is generated at build time from the files of runtime/ by tools/kernels.c, which expands
 * the type loops, splits the files into definitions, and reads the prototypes. So a kernel's text
 * is written once: it is compiled into ctc (constant folding, `ctc run`) and pasted into the
 * emitted program.
 *
 * What the prototype says (see docs/add-an-operator.md for the conventions of runtime/):
 *   const T *name        PARAM_IN    a tensor that is read (`const void *`: any dtype)
 *   T *name              PARAM_OUT   a tensor (or scratch memory) that is written, maybe read too
 *   ctc_dim name         PARAM_DIM   an integer: size, stride, axis, flag
 *   const ctc_dim *name  PARAM_DIMS  a small array of integers
 *   float/double name    PARAM_REAL  an attribute
 *   ctc_epilogue name    PARAM_EPILOGUE  what is done to results before they are stored, and
 *   ctc_epilogue_row name  PARAM_EPILOGUE_ROW  the same for rows of stored results: one of the two
 *                                    is given, this one for long epilogues
 *   const float *const * PARAM_OPERANDS  the tensors that it reads
 *   ctc_dim part         PARAM_PART  which of several parts of the work this call is, from 0
 *   ctc_dim first, last  PARAM_FIRST, PARAM_LAST  the units of work [first, last) to do
 * The last six are nobody's arguments: whoever calls the kernel fills them in.
 * A function whose parameters are all plain numbers and that returns a number is a *scalar
 * function*: an elementwise operation, used inside loop nests; its parameters are PARAM_SCALAR.
 * Kernels return void, or int: a status, 0 for success. */
#ifndef CTC_IR_KERNEL_H
#define CTC_IR_KERNEL_H

#include "base/arena.h"
#include "base/vec.h"
#include "ir/dtype.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum {
  PARAM_IN,
  PARAM_OUT,
  PARAM_DIM,
  PARAM_DIMS,
  PARAM_REAL,
  PARAM_SCALAR,
  PARAM_EPILOGUE,
  PARAM_EPILOGUE_ROW,
  PARAM_OPERANDS,
  PARAM_PART,
  PARAM_FIRST,
  PARAM_LAST,
} ParamKind;

typedef struct {
  ParamKind kind;
  DType dtype; /* of tensors and scalars; DT_NONE for void pointers */
  const char *name;
} KernelParam;

typedef union {
  const void *in;
  void *out;
  int64_t dim;
  const int64_t *dims;
  double real;
} KernelArg;

/* A function that takes some of a kernel's arguments. */
typedef struct {
  int chunk;            /* of its definition; -1: there is none */
  const int *arguments; /* positions among the kernel's parameters, ended by -1 */
} KernelPart;

/* How a kernel runs on a GPU: a function of the same name and parameters in runtime/cuda/. */
typedef struct {
  int chunk;            /* of its definition */
  int threads;          /* chunk that defines NAME_threads, those of a block, or -1: 256 */
  int blocks;           /* chunk that defines NAME_blocks, which runs on the host */
  const int *arguments; /* of NAME_blocks: positions among the kernel's parameters, ended by -1 */
  int form;             /* chunk that defines NAME_form, which makes the kernel's template argument
                           from sizes; or -1 */
  const int *form_arguments; /* of NAME_form, like `arguments` */
  bool epilogue;             /* its last parameter is a function that finishes results */
  const int *libraries;      /* chunk of NAME_LIBRARY for each of device_libraries, or -1; NULL: no
                                library has a form of it */
  KernelPart finish, finish_blocks; /* NAME_finish, which finishes what a library has left, and its
                                       blocks */
} DeviceKernel;

typedef struct Kernel {
  const char *name; /* "ctc_softmax_f32"; of a plugin "gdn_f32" */
  int param_count;
  const KernelParam *params;
  bool is_scalar;      /* a scalar function */
  DType result;        /* of a scalar function */
  bool returns_status; /* of a kernel */
  int chunk;           /* number of its definition, see kernel_chunk */
  /* Kernels: calls it with one argument a parameter; the status, or 0. NULL, as is `map`, for those
   * of plugins, which are not compiled into ctc. */
  int (*call)(const KernelArg *args);
  /* Scalar functions: out[i] = f(in[0][i*step[0]], …) for i < n; step[k] is 0 or 1. */
  void (*map)(void *out, const void *const *in, const int64_t *step, int64_t n);
  /* Scalar functions of floats: the function that does the same to vectors (runtime/vector.c), and
   * its definition; NULL if there is none. */
  const char *vector;
  int vector_chunk;
  const DeviceKernel *device; /* NULL: there is none */
} Kernel;

/* One top-level definition of the runtime (function, type, macro or table) as it is pasted. */
typedef struct {
  const char *const *names; /* that it defines, ended by NULL; the first one is its own */
  const char *text;
  const int *needs; /* chunks that must stand before it, ended by -1 */
  const char *file; /* of a plugin: where it was written; else NULL */
  int line;
  const char *const *includes; /* of a plugin: "<vendor.h>" …, ended by NULL; else NULL */
} RuntimeChunk;

extern const Kernel kernels[]; /* sorted by name */
extern const int kernel_count;
extern const RuntimeChunk runtime_chunks[]; /* in an order in which they can be pasted; those for a
                                               GPU come last */
extern const int runtime_chunk_count;

/* A library that does what kernels do, opened by programs when they start. */
typedef struct {
  const char *name; /* of --cuda-libs */
  int chunk;        /* that defines ctc_NAME_library */
} DeviceLibrary;

extern const DeviceLibrary device_libraries[]; /* ended by a name NULL */

/* Their names, with `between` between them. */
const char *kernel_library_names(Arena *arena, const char *between);

/* What plugins add. Their definitions are counted on from those of the runtime. */
typedef struct KernelLibrary {
  Vec(RuntimeChunk) chunks;
} KernelLibrary;

/* The definitions of the runtime and of a library (may be NULL), in an order in which they can be
 * pasted. */
int kernel_chunk_count(const KernelLibrary *library);
const RuntimeChunk *kernel_chunk(const KernelLibrary *library, int number);
/* The number of the runtime's definition that has this name of its own: not the one for a GPU that
 * may have the same. */
int kernel_chunk_named(const char *name);

/* The name without "ctc_". */
const char *kernel_short_name(const Kernel *kernel);
/* Whether a parameter is of that kind. */
bool kernel_takes(const Kernel *kernel, ParamKind kind);
/* Whether ctc itself can run it. */
bool kernel_is_callable(const Kernel *kernel);

/* The kernel of the runtime of that name, or NULL. */
const Kernel *kernel_find(const char *name);
/* `ctc_<stem>_<dtype>`, or NULL. */
const Kernel *kernel_find_typed(const char *stem, DType dtype);

#endif
