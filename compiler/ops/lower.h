/* lower.h: what an operator uses to append steps to the program.
 *
 * Example, y = softmax over the last axis:
 *
 *   Step *step = lower_kernel(l, "softmax", x->dtype);       // ctc_softmax_f32(const float *x,
 * float *y, ctc_dim rows, ctc_dim n) arg_in(l, step, x); arg_out(l, step, y); arg_dim(step, rows);
 *   arg_dim(step, n);
 */
#ifndef CTC_OPS_LOWER_H
#define CTC_OPS_LOWER_H

#include "ir/program.h"
#include "ir/target.h"

/* A constant matrix (stack of `count`) in panels for products, see ops/gemm_packed.h: where it came
 * from, so that nodes with the same weights share it. */
typedef struct {
  const void *source;
  Dim offset, row, col, k, n, count;
  bool turned; /* [n x k], not in panels */
  Buffer *buffer;
} PackedConstant;

typedef struct Lower {
  Compilation *c;
  Program *program;
  Block *block;     /* where steps are appended */
  const Node *node; /* being lowered */
  Buffer **buffers; /* of each value, by value id; grown on demand */
  int buffer_capacity;
  Vec(PackedConstant) packed;
  Buffer *texts;     /* where new strings go (ops/text.h); NULL: there are none yet */
  Step *texts_start; /* what makes it ready */
  Dim repeats;       /* how often the steps at hand run at most; NULL: once */
} Lower;

/* The buffer of a value: an input, a constant, a buffer made before, or a new workspace buffer
 * (outputs of the node at hand). */
Buffer *lower_buffer(Lower *l, const Value *value);
/* `out` is the same data as `in` (Reshape, Squeeze, Identity …): they share the buffer. */
void lower_alias(Lower *l, const Value *out, const Value *in);
/* A workspace buffer for scratch data, `count` elements. */
Buffer *lower_scratch(Lower *l, DType dtype, Dim count, const char *name);
/* The buffer of an output; scratch of so many elements if nobody asked for it. */
Buffer *lower_wanted(Lower *l, const Value *value, DType dtype, Dim count, const char *name);
/* A constant computed while compiling (repacked weights, index tables). */
Buffer *lower_constant(Lower *l, const Tensor *tensor, const char *name);

/* Appends an empty step of that kind for the node at hand (control flow; others have functions
 * below). */
Step *lower_step(Lower *l, StepKind kind);

/* --- kernel calls: arguments in the order of the kernel's parameters --- */

/* Step for `ctc_<stem>_<dtype>` (DT_NONE: `ctc_<stem>`). Asserts that the kernel exists; use
 * kernel_find_typed first where a dtype may be missing. */
Step *lower_kernel(Lower *l, const char *stem, DType dtype);
Step *lower_call(Lower *l, const Kernel *kernel);
void arg_in(Lower *l, Step *step, const Value *value); /* NULL value: null pointer */
void arg_out(Lower *l, Step *step,
             const Value *value);                      /* likewise (output that nobody asked for) */
void arg_buffer(Lower *l, Step *step, Buffer *buffer); /* scratch, constants */
void arg_buffer_at(Lower *l, Step *step, Buffer *buffer, Dim offset); /* offset in elements */
void arg_dim(Lower *l, Step *step, Dim dim);
void arg_int(Lower *l, Step *step, int64_t value);
void arg_dims(Lower *l, Step *step, const Dim *dims,
              int count); /* copied; count 0 is passed as one 0 */
void arg_ints(Lower *l, Step *step, const int64_t *values, int count);
void arg_real(Lower *l, Step *step, double value);
/* Units of work of a kernel that takes a range of them; 1 if this is not called. */
void step_units(Step *step, Dim units);
/* Where the results of a kernel with an epilogue lie: row-major [rows, columns]; row-major or
 * blocked with `count` results in planes of `plane` elements (a channel or 16 each). `plane` is
 * NULL where there is only one channel. */
void step_row_results(Lower *l, Step *step, Dim rows, Dim columns);
void step_plane_results(Lower *l, Step *step, Dim count, Dim plane);
void step_blocked_results(Lower *l, Step *step, Dim count, Dim plane);

/* --- loop nests --- */

LoopNest *lower_nest(Lower *l, int rank, const Dim *extent);
/* Loops over the elements of `out`, in its layout; nest_load and nest_store follow it. */
LoopNest *lower_pointwise(Lower *l, const Value *out);
/* Row-major strides of a shape: stride[rank-1] = 1. */
void nest_strides(Compilation *c, int rank, const Dim *shape, Dim *stride);
/* Reads `value` broadcast (numpy rules) to the nest's extents; 0 strides where its dim is 1, `dim
 * == 1 ? 0 : stride` where that is not known. A constant single float is a literal. */
Operand nest_load(Lower *l, LoopNest *nest, const Value *value);
/* Reads the single number of `value`, whatever its rank; an expression if it is known. */
Operand nest_load_number(Lower *l, LoopNest *nest, const Value *value);
/* Reads the first element of a buffer in each iteration. */
Operand nest_load_first(Lower *l, LoopNest *nest, Buffer *buffer);
/* Reads with explicit strides (one a loop) and offset (NULL: 0). */
Operand nest_load_at(Lower *l, LoopNest *nest, Buffer *buffer, Dim offset, const Dim *stride);
/* A literal with the first element of `tensor`; floats that C has no type for as f32. False: the
 * type has no literals. */
bool operand_literal(Compilation *c, const Tensor *tensor, Operand *operand);
Operand operand_real(DType dtype, double value);
Operand operand_int(DType dtype, Dim value);
Operand operand_loop(int dimension); /* int64 */
/* Applies the scalar function `ctc_<stem>_<dtype>`; operands are converted (ctc_cast_A_B) to its
 * parameters' types where they differ. For f16 and bf16 without a function of their own: computed
 * in f32 and converted back, as ONNX's reference does per operation. Asserts that it exists. */
Operand nest_apply(Lower *l, LoopNest *nest, const char *stem, DType dtype, const Operand *args,
                   int count);
/* The same for a function that is at hand. */
Operand nest_call(Lower *l, LoopNest *nest, const Kernel *function, const Operand *args, int count);
/* ctc_<stem>_<from>_<to>: a cast in one of its forms; NULL if there is none. */
const Kernel *cast_find(const char *stem, DType from, DType to);
/* The dtype that numbers go through when they are cast: `to` itself where there is a function for
 * that, f32 or i64 for others, DT_NONE if there is no way. */
DType cast_between(DType from, DType to);
Operand nest_cast(Lower *l, LoopNest *nest, Operand value, DType to);
/* Writes to `value`, which has the nest's extents as its shape. */
void nest_store(Lower *l, LoopNest *nest, const Value *value, Operand operand);
void nest_store_at(Lower *l, LoopNest *nest, Buffer *buffer, Dim offset, const Dim *stride,
                   Operand operand);
/* A nest that only copies: out[index] = in[offset + index . stride], out dense of its shape. */
void lower_copy(Lower *l, const Value *out, const Value *in, Dim offset, const Dim *stride);
/* buffer to buffer, `count` elements, both dense. */
void lower_copy_buffer(Lower *l, Buffer *to, Buffer *from, Dim count);
/* The same from and to places in them. */
void lower_copy_part(Lower *l, Buffer *to, Dim to_first, Buffer *from, Dim from_first, Dim count);

/* --- others --- */

/* A value of the same shape in another dtype, converted by a nest (for kernels that exist in f32
 * only). */
Buffer *lower_converted(Lower *l, const Value *value, DType dtype);
/* A copy of a numeric constant as f32 or f64. */
const Tensor *tensor_as(Arena *arena, const Tensor *tensor, DType dtype);
/* The dtype in which kernels compute: f32 for f16 and bf16, otherwise itself. */
DType compute_dtype(DType dtype);
/* The data of `value` in `dtype`: as it is, or converted (constants while compiling). NULL stays
 * NULL. */
Buffer *compute_input(Lower *l, const Value *value, DType dtype);
/* Where a kernel that computes in `dtype` writes `value`: its own buffer, or scratch that
 * compute_done then converts into it. NULL for an output that nobody asked for. */
Buffer *compute_output(Lower *l, const Value *value, DType dtype);
void compute_done(Lower *l, const Value *value, Buffer *computed);
void lower_check(Lower *l, Dim condition, const char *what);
void lower_define(Lower *l, const DimSymbol *symbol, Dim value);
void lower_define_element(Lower *l, const DimSymbol *symbol, Buffer *buffer, Dim element);

/* An empty program and a Lower that appends to its body. */
Program *lower_begin(Compilation *c, Lower *l);
/* The run-time checks that inference asked for at `node`, its steps, and the data symbols that its
 * outputs define. */
MUST_CHECK bool lower_node(Lower *l, const Node *node);
void lower_node_checks(Lower *l, const Node *node);
/* Lowers all nodes of a body into `block` (control flow). */
MUST_CHECK bool lower_graph(Lower *l, Graph *graph, Block *block);
/* The whole graph of the compilation as a program, not yet planned. */
MUST_CHECK bool lower_program(Compilation *c, Program **program);

#endif
