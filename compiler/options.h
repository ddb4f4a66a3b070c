/* options.h: what the command line sets for one compilation. */
#ifndef CTC_OPTIONS_H
#define CTC_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
  WEIGHTS_AUTO,
  WEIGHTS_ARRAY,
  WEIGHTS_STRING,
  WEIGHTS_INCBIN,
  WEIGHTS_FILE
} WeightsMode;

/* What decides between speed and size. */
typedef enum {
  OPTIMIZE_SPEED,    /* whatever is fastest, within the limits */
  OPTIMIZE_BALANCED, /* nothing that makes weights grow: no Winograd transforms, no
                         8-bit weights as floats */
  OPTIMIZE_SIZE,     /* plain kernels and row-major tensors: the least code, weights and memory */
  OPTIMIZE_COUNT,
} OptimizeMode;

/* What products and convolutions on a GPU compute with; sums are always of f32. The numbers are
 * those of CTC_PRECISION in runtime/cuda/. */
typedef enum { PRECISION_F32, PRECISION_TF32, PRECISION_F16, PRECISION_BF16 } ProductPrecision;

/* `--dim batch=1` (fixed) or `--dim seq<=512` (bounded). */
typedef struct {
  const char *name;
  bool fixed;
  int64_t value;
} DimOption;

/* `--shape input=1x3x224x224`; a negative dim leaves that one as the model says. */
typedef struct {
  const char *input;
  int rank;
  int64_t dims[12];
} ShapeOption;

/* `--set sr=16000`: an input replaced by a constant; numbers separated by commas. */
typedef struct {
  const char *input;
  const char *text;
} SetOption;

/* What the command line starts from. Scratch memory is there once a thread. */
enum { OPTIONS_DEFAULT_THREADS = 4 };

typedef struct Options {
  const char *model, *output;
  const char *prefix; /* of emitted symbols; NULL: from the output's name */
  DimOption *dims;
  size_t dim_count;
  ShapeOption *shapes;
  size_t shape_count;
  SetOption *sets;
  size_t set_count;
  const struct TargetInfo *target; /* ir/target.h; NULL: C */
  const char *cuda_arch;           /* "sm_80,sm_90": code that the program brings; NULL: none */
  const char *cuda_libs;           /* "cublaslt,cudnn": what it may use; NULL: none */
  ProductPrecision precision;
  WeightsMode weights;
  OptimizeMode optimize;
  int64_t max_workspace, max_weights; /* bytes; 0: no limit */
  int64_t max_string; /* bytes that a string of an input takes, its end included; 0: 256 */
  const char *blas;   /* a CBLAS library for large products; NULL: none */
  bool strict;        /* results that do not change with the C compiler's level */
  bool static_workspace;
  bool line_directives; /* C compilers' messages about plugins point at their kernel.c */
  int threads;  /* the most that the program is planned for; up to 1: it has nothing of threads */
  bool trace;   /* the emitted program tells what each step wrote (templates/trace.c); for `ctc
                   verify` only */
  bool profile; /* the emitted program tells that a step has ended (templates/profile.c); for `ctc
                   bench` only */
  bool verify_ir, time_passes, progress;
  bool split_all;                /* every step among threads, however small: for tests */
  const char *const *dump_after; /* pass names */
  size_t dump_after_count;
  const char *stop_after;
  const char *const *disabled_passes;
  size_t disabled_pass_count;
  const char *templates;      /* --templates DIR, or NULL */
  const char *const *plugins; /* --plugin DIR */
  size_t plugin_count;
} Options;

#endif
