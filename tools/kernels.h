/* kernels.h: what the parts of the tool `kernels` share: the definitions and functions found in
 * runtime/.
 *
 *   kernels.c        command line, order of the definitions
 *   kernels_read.c   expands a file, splits it into definitions, finds the names that they define
 * and use kernels_proto.c  reads prototypes: which functions are kernels, and their parameters
 *   kernels_write.c  prints the generated C */
#ifndef CTC_TOOLS_KERNELS_H
#define CTC_TOOLS_KERNELS_H

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
  Vec(struct Chunk *) uses; /* chunks whose names occur in it */
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
} Function;

typedef struct {
  Arena *arena;
  Diag diag;
  Vec(const char *) files;
  Vec(Chunk *) chunks;  /* as they were found */
  Vec(Chunk *) ordered; /* so that each stands behind those it needs */
  Vec(Function *) functions;
  Map definitions; /* name → Chunk */
} Runtime;

/* "runtime/x.c:12": where token or line `offset` of a chunk was written. */
const char *chunk_where(Runtime *runtime, const Chunk *chunk, int offset);

/* Adds the definitions of a file. False after an error. */
MUST_CHECK bool read_runtime_file(Runtime *runtime, const char *path);
/* Adds the function that the tokens of `chunk` define, if it is a kernel or a scalar function.
 * `name` is the position of its name. */
MUST_CHECK bool read_prototype(Runtime *runtime, Chunk *chunk, size_t name);

MUST_CHECK bool write_kernel_files(Runtime *runtime, const char *folder);

#endif
