/* program.h: what a graph is lowered to: an ordered list of steps, each one kernel call or loop
 * nest, on buffers.
 *
 * Interpreter and backends only execute or print a program; they decide nothing. Every tensor is
 * dense and row-major in its buffer. Sizes and offsets are symbolic (ir/dim.h); those of a static
 * model are constants. */
#ifndef CTC_IR_PROGRAM_H
#define CTC_IR_PROGRAM_H

#include "ir/graph.h"
#include "ir/kernel.h"

typedef enum {
  BUFFER_WORKSPACE,
  BUFFER_INPUT,    /* the caller's input number `index` */
  BUFFER_OUTPUT,   /* the caller's output number `index` */
  BUFFER_CONSTANT, /* `constant` */
} BufferKind;

/* The zeros around the planes of a blocked tensor: `planes` of (height + 2 * rows) * (width + 2 *
 * columns) * 16 floats, of which the outer `rows` and `columns` on each side are the halo. */
typedef struct Halo {
  Dim planes, height, width;
  int64_t rows, columns;
} Halo;

typedef struct Buffer {
  int id; /* position in program->buffers */
  BufferKind kind;
  DType dtype;
  Dim count;    /* elements it holds, as an expression */
  Dim capacity; /* bytes to reserve, from dim_upper(count): in input symbols and open data symbols
                   only */
  int index;
  const Tensor *constant;
  const char *name;        /* of the value it was made for, for comments */
  const struct Halo *halo; /* that has to be zero once something was written; NULL: none */
  bool lasting;            /* in use until the run ends: strings of other buffers point into it */
  /* Filled in by the memory planner. `first`/`last`: positions of the first and last use in the
   * numbered program. */
  int first, last;
  Dim offset; /* bytes from the start of the workspace: a constant or a lone variable of the
                 program's plan */
  /* In-place reuse: this buffer lives in that one's memory; NULL: its own. */
  struct Buffer *merged_into;
} Buffer;

/* One argument of a kernel call, in the order of the kernel's parameters. */
typedef struct {
  ParamKind kind;
  Buffer *buffer; /* PARAM_IN, PARAM_OUT; NULL is passed as a null pointer (an omitted optional
                     input) */
  Dim offset;     /* of the tensor in the buffer, in elements; NULL means 0 */
  Dim dim;
  const Dim *dims;
  int dim_count;
  double real;
} Arg;

/* Where a loop nest reads or writes: element offset + sum(index[d] * stride[d]). */
typedef struct {
  Buffer *buffer;
  DType dtype;
  Dim offset;
  Dim stride[MAX_RANK];
} Access;

typedef enum {
  OPERAND_LOAD, /* input access number `index` */
  OPERAND_TEMP, /* result of operation number `index` */
  OPERAND_REAL, /* the number `real`, converted to `dtype` */
  OPERAND_INT,  /* the integer expression `dim`, converted to `dtype` */
  OPERAND_LOOP, /* the loop index of dimension `index`, as int64 */
} OperandKind;

typedef struct {
  OperandKind kind;
  DType dtype;
  int index;
  double real;
  Dim dim;
} Operand;

enum { MAX_OPERANDS = 8 };

typedef struct {
  const Kernel *function; /* a scalar function */
  Operand args[MAX_OPERANDS];
  int arg_count;
} NestOp;

typedef struct {
  Access access;
  Operand value;
} NestStore;

/* for (i0 < extent[0]) … for (ik < extent[k]) { loads; operations; stores }: elementwise operations
 * with broadcasting, and every copy with affine addressing (Transpose, Slice, Concat, Expand, Pad
 * …). A store may overwrite a buffer that the nest loads only with the very same access. */
typedef struct {
  int rank;
  Dim extent[MAX_RANK];
  const Value *blocked; /* while lowering: loops over [N, C / 16, H, W, 16] of this value
                           (ops/blocked.h); NULL: others */
  Vec(Access) loads;
  Vec(NestOp) ops;
  Vec(NestStore) stores;
} LoopNest;

/* Where a kernel that takes an epilogue puts its results, seen from its result pointer. Row-major
 * [rows, columns]: channels = block = columns, plane NULL. Blocked [images, channels / 16, height,
 * width, 16]: block 16, plane = elements from a block of channels to the next one. Planes
 * [images, channels, plane]: block 1; neighbouring results are of one channel. */
typedef struct {
  Dim count; /* all results, lanes that pad the last block too */
  Dim plane;
  Dim block;
} Results;

/* How an epilogue reads a tensor: not at all in a way that it could; where the result is; at the
 * result's channel; one number for all. */
typedef enum { READS_OTHERWISE, READS_RESULT, READS_CHANNEL, READS_NUMBER } EpilogueRead;

typedef struct Block Block;

typedef enum {
  STEP_KERNEL,
  STEP_NEST,
  STEP_DEFINE, /* symbol = expression, or an element of a buffer */
  STEP_CHECK,  /* fails with a status unless the expression is non-zero */
  STEP_IF,
  STEP_LOOP,
} StepKind;

typedef struct Step {
  StepKind kind;
  int number;          /* see program_number_steps */
  const Node *node;    /* where it comes from, for comments; may be NULL */
  const char *comment; /* a line for people, or NULL */
  /* STEP_KERNEL */
  const Kernel *kernel;
  Vec(Arg) args;
  Dim units;       /* of work, for kernels with PARAM_FIRST and PARAM_LAST */
  Dim flops;       /* of a plugin's kernel; NULL: see passes/cost.h */
  const char *why; /* this kernel and not another one, for people, or NULL */
  /* What is done to each result before it is stored, for kernels with PARAM_EPILOGUE; NULL:
   * nothing. A nest that loads and stores the kernel's result (its first PARAM_OUT) in place, and
   * may load other tensors: at the same place, at the result's channel, or one number for all. */
  LoopNest *epilogue;
  Results results; /* of kernels with PARAM_EPILOGUE */
  /* STEP_NEST */
  LoopNest *nest;
  Vec(const Node *) fused; /* nodes whose nests were taken into this one, in order, for comments */
  /* STEP_DEFINE: symbol = value, or, if buffer is set, buffer[element] (of integers or bools) */
  const DimSymbol *symbol;
  Dim value;
  Buffer *buffer;
  Dim element;
  /* STEP_CHECK: `value` must be non-zero; `comment` says what is wrong otherwise */
  /* STEP_IF: buffer[0] (bool) chooses */
  Block *then_block, *else_block;
  /* STEP_LOOP: for (symbol = 0; symbol < value && buffer[0]; symbol++) body; value NULL: no trip
   * limit; buffer NULL: no condition (read before each iteration). Afterwards trips = iterations
   * made. */
  Block *body;
  const DimSymbol *trips;
} Step;

struct Block {
  Vec(Step *) steps;
};

/* An input or output of the program. */
typedef struct {
  const char *name;
  DType dtype;
  int rank;
  const Dim *shape;
  Buffer *buffer;
  const char *note; /* see Value.note */
} Port;

/* A variable of the memory plan: symbol = value, computed in order at the start of a run, before
 * any step. */
typedef struct {
  const DimSymbol *symbol;
  Dim value; /* in input symbols, open data symbols and earlier entries */
} PlanEntry;

typedef struct Program {
  Compilation *compilation;
  Vec(Buffer *) buffers;
  Vec(Port) inputs;
  Vec(Port) outputs;
  Block *body;
  /* After planning; both may use the variables of `plan`. */
  Vec(PlanEntry) plan;
  Dim workspace_bytes;
} Program;

/* A use of a buffer by a step (not looking into nested blocks). */
typedef struct {
  Buffer *buffer;
  bool reads, writes;
} BufferUse;
/* Calls visit for each buffer the step itself reads or writes. */
void step_visit_buffers(const Step *step, void (*visit)(BufferUse use, void *context),
                        void *context);

/* Calls visit for the step and, behind it, for all steps inside of it, in the order in which they
 * are printed. */
void step_visit_steps(Step *step, void (*visit)(Step *step, void *context), void *context);
/* The same for all steps of a block; NULL: a block without steps. */
void block_visit_steps(const Block *block, void (*visit)(Step *step, void *context), void *context);
/* Calls visit for each use of a buffer by these steps. */
void block_visit_buffers(const Block *block, void (*visit)(BufferUse use, void *context),
                         void *context);

/* Whether the lanes of a vector of results are of one channel. */
bool results_are_planes(const Results *results);

/* How `access`, a load of `nest`, would be read if the nest were the epilogue of a kernel with
 * those results: compared with the nest's store. */
EpilogueRead epilogue_read(const Results *results, const LoopNest *nest, const Access *access);

/* Whether `load` of an epilogue takes the kernel's result, and not another part of the same buffer
 * (a tensor beside it, of which both are views). */
bool epilogue_loads_result(const LoopNest *epilogue, const Access *load);

/* Numbers all steps in the order in which they are printed, from 0; returns how many there are. */
int program_number_steps(const Program *program);

/* Bytes of all constants that the steps use. */
int64_t program_weights_bytes(const Program *program);

void program_print(Str *out, const Program *program);
/* Checks the invariants: arguments fit the kernels' parameters, accesses have the right dtypes,
 * symbols are defined before use. Asserts. */
void program_verify(const Program *program);

#endif
