/* source.h: files of kernels, written by the rules of runtime/README.md, as definitions and
 * prototypes. They are read when ctc is built (runtime/, by tools/kernels.c), and when it runs
 * (plugins). Files for a GPU (runtime/cuda/, by the rules of runtime/cuda/README.md) as well.
 *
 *   source_read.c   expands a file, splits it into definitions, finds the names that they define
 *                   and use
 *   source_proto.c  reads prototypes: which functions are kernels, and their parameters
 *   source_order.c  which definitions need which, and an order in which they can be pasted
 *   source_device.c which kernels have a form for a GPU, or by a library there */
#ifndef CTC_KERNELS_SOURCE_H
#define CTC_KERNELS_SOURCE_H

#include "base/diag.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "ir/kernel.h"

typedef enum { TOKEN_END, TOKEN_NAME, TOKEN_OTHER } TokenKind;

/* A name, or one character of anything else that is not blank, a comment, a text or a number. */
typedef struct {
  TokenKind kind;
  const char *text; /* of a name; NULL otherwise */
  char symbol;      /* of TOKEN_OTHER */
  int line;         /* lines of the chunk before it */
} Token;

typedef Vec(Token) Tokens;

/* A definition with its comment. */
typedef struct Chunk {
  const char *file; /* "runtime/softmax.c" */
  int line;         /* where the text begins in that file */
  const char *text;
  const int *lines; /* line in the file of each line of the text */
  Tokens tokens;
  Vec(const char *) names; /* that it defines; the first one is its own */
  bool is_includes, is_function;
  size_t name;              /* position of the token that is its own name, of functions */
  Vec(struct Chunk *) uses; /* chunks whose names occur in it */
  Vec(int) outer_uses;      /* likewise, of Sources.outer */
  bool ordered, visiting;
  int index; /* in the order of pasting */
} Chunk;

typedef enum { RETURNS_VOID, RETURNS_STATUS, RETURNS_NUMBER } Returns;

/* A parameter as it is written. */
typedef struct {
  const char *name, *type; /* "x", "float" */
  bool is_const, is_pointer;
  ParamKind kind;
  DType dtype;
} Param;

/* A kernel or scalar function. */
typedef struct {
  const char *name, *result_type;
  Returns returns;
  DType result;
  Vec(Param) params;
  Chunk *chunk;
  bool on_device; /* there is a form of it for a GPU */
} Function;

/* What was found in a set of files that may use each other's definitions. */
typedef struct {
  Arena *arena;
  Diag *diag;
  const char *prefix; /* "ctc": all names begin with ctc_ or CTC_ */
  /* Definitions elsewhere that may be used too: name → position + 1. NULL: none. */
  const Map *outer;
  bool device; /* functions for a GPU: their prototypes are those of the kernels in `outer` */
  Vec(const char *) files;
  Vec(Chunk *) chunks;         /* as they were found */
  Vec(Chunk *) ordered;        /* so that each stands behind those it needs */
  Vec(Function *) functions;   /* sorted by name */
  Map definitions;             /* name → Chunk */
  Vec(const char *) libraries; /* of runtime/cuda/libs: "cublaslt" … */
} Sources;

/* "runtime/x.c:12": where token or line `offset` of a chunk was written. */
const char *chunk_where(Sources *sources, const Chunk *chunk, int offset);

/* Adds the definitions of a file. False after an error. */
MUST_CHECK bool sources_read(Sources *sources, const char *path);
/* The same for its text. */
MUST_CHECK bool sources_add(Sources *sources, const char *path, const char *text);
/* Once all files are read: orders definitions and functions. */
MUST_CHECK bool sources_order(Sources *sources);
/* Then: adds name → index + 1 of all definitions, as `outer` of others. */
void sources_add_names(const Sources *sources, Map *names);

/* Adds the function that the tokens of `chunk` define, if it is a kernel or a scalar function.
 * `name` is the position of its name. */
MUST_CHECK bool read_prototype(Sources *sources, Chunk *chunk, size_t name);
/* The parameters of a function that was not read as a kernel, with names and types only. */
Function *read_parameters(Sources *sources, Chunk *chunk);

/* Positions of parameters. */
typedef Vec(int) Positions;

/* The form of a kernel for a GPU. */
typedef struct {
  const Chunk *chunk, *threads, *blocks, *form; /* threads and form may be NULL */
  Positions arguments, form_arguments;          /* see DeviceKernel in ir/kernel.h */
  const Chunk *finish, *finish_blocks;          /* may be NULL */
  Positions finish_arguments, finish_block_arguments;
  Vec(const Chunk *) libraries; /* its form by each of Sources.libraries, or NULL */
  bool epilogue, by_library;    /* by_library: at least one of them has a form */
} DeviceForm;

/* The form of a kernel among the device sources; its chunk is NULL if there is none. False if it is
 * wrong. */
MUST_CHECK bool find_device_form(Sources *device, const Function *function, DeviceForm *form);

/* The definition of `ctc_relu_v` for the scalar function `ctc_relu_f32`, `ctc_and_vb` for
 * `ctc_and_bool`; or NULL. */
const Chunk *vector_form(Sources *sources, const Function *function);

#endif
