/* cuda.h: what the parts of the CUDA backend share while one program is printed. */
#ifndef CTC_BACKENDS_CUDA_CUDA_H
#define CTC_BACKENDS_CUDA_CUDA_H

#include "backends/c/emit.h"
#include "backends/cuda/emit_cuda.h"

/* A __global__ function of the kernel text. */
typedef struct {
  const char *name;
  const char *threads; /* of a block: an expression of the host's */
} DeviceFunction;

/* A library of --cuda-libs. */
typedef struct {
  int number; /* among device_libraries */
  int steps;  /* that it may do */
} CudaLibrary;

typedef struct CudaEmitter {
  Str text;    /* functors and __global__ functions, behind the definitions that they use */
  Map by_text; /* what follows the name → the name */
  int count;
  Vec(DeviceFunction) functions;
  bool *used, *host_used;       /* definitions in the kernel text; in the host's part */
  int64_t constant_bytes;       /* of all constants on the device */
  Vec(const Buffer *) uploads;  /* a buffer for each constant on the device */
  Vec(const char *) host_names; /* of what runs on the host, each once */
  size_t most_parameters;       /* of any kernel */
  bool fetches, statuses;
  Vec(CudaLibrary) libraries;
  Vec(int) library_steps; /* of each step that a library may do: which one of `libraries` */
} CudaEmitter;

/* Makes definitions that are needed from here on part of the kernel text, or of the host's part. */
void cuda_to_device(Emitter *e);
void cuda_to_host(Emitter *e);

/* cuda_function.c: the name of a __global__ function with that body, made or found again. `threads`
 * is an expression for the host and the device; a multiprocessor has to have room for `blocks` of
 * them, 0: for as many as the compiler of the GPU likes. */
const char *cuda_function(Task *task, const char *stem, const char *threads, int blocks,
                          const char *body);
/* A functor for an epilogue: "epilogue_3{p4, p5}". */
const char *cuda_epilogue(Task *task, const Step *step);

/* cuda_steps.c */
extern const StepPrinter cuda_printer;
/* An argument of a kernel as an expression of the host's: an address, a size or a number. Arrays
 * have names, see emit_arrays. */
const char *cuda_host_argument(Emitter *e, const Step *step, size_t i);
/* The text of a launch: `blocks` is an expression of the host's. */
void cuda_launch(Task *task, Str *out, const char *function, const char *blocks, int depth);
/* For kernels with a thread for each of `count` items, `threads` a block: begins the body with the
 * declaration of `item` (of type `type`), and makes and launches the function. */
void cuda_begin_items(Task *task, Str *body, const char *type, const char *item, int threads,
                      Dim count);
void cuda_launch_items(Task *task, Str *out, const char *stem, const char *body, int threads,
                       Dim count, int depth);

/* cuda_nest.c */
void cuda_print_nest(Emitter *e, Str *out, const Step *step, int depth);

/* cuda_library.c: libraries that do what kernels do, where a program finds them. */
/* Whether --cuda-libs has names of libraries only. */
MUST_CHECK bool cuda_check_libraries(Compilation *c, const char *list);
void cuda_choose_libraries(Emitter *e, const char *list);
/* The library that may do the step, among e->cuda->libraries; or -1. */
int cuda_library_of(const Emitter *e, const Step *step);
/* Adds its call, where `function` does the step otherwise; the expression that tells if it did. */
const char *cuda_print_library_call(Emitter *e, Str *out, const Step *step, const char *function,
                                    int depth);
void cuda_bind_libraries(Emitter *e, Scope *scope);

/* cuda_host.c: a step on the host, between copies. */
void cuda_print_host_step(Emitter *e, Str *out, const Step *step, int depth);

#endif
