/* emit.h: what the parts of the C backend share while one program is printed. */
#ifndef CTC_BACKENDS_C_EMIT_H
#define CTC_BACKENDS_C_EMIT_H

#include "backends/template.h"
#include "ir/program.h"
#include "options.h"

/* How a symbol of the program is known to the caller. */
typedef enum { DIM_GIVEN, DIM_CAPACITY, DIM_RESULT } CallerDimKind;

typedef struct {
  const DimSymbol *symbol;
  CallerDimKind kind;
  Dim capacity; /* DIM_CAPACITY: the symbol that stands for the capacity given by the caller */
} CallerDim;

/* A constant array of the emitted program. */
typedef struct {
  const Tensor *tensor;
  const char *name;  /* C identifier */
  const char *label; /* of the value, for the comment */
  int64_t offset;    /* in the weights file; -1: an array of its own */
  int64_t device_at; /* behind the start of the constants on a device; -1: not there */
} Weight;

/* An expression in the caller's dims that the run function computes once. */
typedef struct {
  Dim dim;
  const char *name;
} SizeName;

typedef struct Emitter Emitter;

/* How steps are printed: as C on the caller's memory, or for a GPU. */
typedef struct {
  /* A pointer to a buffer, see emit_pointer. */
  const char *(*pointer)(Emitter *e, const Buffer *buffer, DType dtype, Dim offset, bool writable);
  void (*kernel)(Emitter *e, Str *out, const Step *step, int depth);
  void (*nest)(Emitter *e, Str *out, const Step *step, int depth);
  /* Adds what has to be done before the host can read an element (NULL: the first one), and
   * returns the expression for it. NULL: nothing has to be done. */
  const char *(*fetch)(Emitter *e, Str *out, const Buffer *buffer, Dim element, int depth);
} StepPrinter;

/* A template whose text others have as $name. */
typedef struct {
  const char *name, *file;
} TemplatePart;

/* What makes a file of a program. */
typedef struct {
  const char *source_template, *header_template;
  const TemplatePart *parts; /* besides those of all programs, ended by a name NULL; each may name
                                those before it */
  const StepPrinter *printer;
  bool wants_threads; /* the program can share its steps among threads of the caller's */
  /* Called before anything is printed, and when all steps are: binds what else the templates name.
   * NULL: nothing. */
  void (*begin)(Emitter *e);
  bool (*finish)(Emitter *e, Scope *scope);
} Backend;

struct Emitter {
  const Backend *backend;
  const StepPrinter *printer;
  struct CudaEmitter *cuda; /* of backends/cuda */
  Compilation *c;
  const Program *program;
  const Options *options;
  Arena *arena;
  const char *prefix; /* of external symbols: "lenet" */
  Vec(CallerDim) dims;
  Map names; /* C identifiers taken */
  const char **input_names, **output_names;
  bool name_sizes; /* emit_dim gives expressions a name */
  Vec(SizeName) sizes;
  /* Weights: one entry a distinct constant, and which one a buffer uses. */
  Vec(Weight) weights;
  Weight **weight_of; /* by buffer id */
  int64_t weights_bytes;
  /* Tasks: functions that are shared by text. */
  Str task_text;
  Map task_by_text;
  int task_count;
  bool *chunk_used;      /* runtime chunks that are needed */
  Map defined;           /* c_name of each symbol that has a variable in the run function */
  const Node *last_node; /* named by the last comment */
};

/* emit_names.c */
/* `wanted` with `_` in place of what an identifier cannot have. */
const char *emit_identifier(Arena *arena, const char *wanted);
/* A C identifier made from `wanted`, not yet taken, and taken from now on. */
const char *emit_name(Emitter *e, const char *wanted);
/* A macro's name, unique: names that differ in case only would be one macro. */
const char *emit_macro_name(Emitter *e, const char *text);
const char *emit_upper_case(Emitter *e, const char *text);
/* `text` as a C string literal. */
const char *emit_quoted(Emitter *e, const char *text);
/* `text` without what would end a comment. */
const char *emit_comment_safe(Emitter *e, const char *text);
/* `dim` as a C expression: of the name of a variable that holds it, or written out. */
const char *emit_dim(Emitter *e, Dim dim);
const char *emit_plain_dim(Emitter *e, Dim dim);
/* The variable of the run function that holds `dim`, or NULL. */
const char *emit_size_name(const Emitter *e, Dim dim);
/* Marks a runtime definition and everything it needs. */
void emit_need_chunk(Emitter *e, int chunk);
/* Likewise, by name; asserts that there is such a definition. */
void emit_need_name(Emitter *e, const char *name);

/* emit_ports.c: binds what templates say of inputs, outputs, dims and the plan. */
void emit_bind_ports(Emitter *e, Scope *scope);
/* emit_run.c: the parameters of the run function, and its body. */
void emit_bind_signatures(Emitter *e, Scope *scope);
void emit_bind_run(Emitter *e, Scope *scope);

/* emit_dims.c: the symbols that the caller sees. */
void emit_collect_dims(Emitter *e);
/* The entry of a symbol, or NULL if the caller does not see it. */
const CallerDim *emit_caller_dim(const Emitter *e, const DimSymbol *symbol);
/* `dim` with open data symbols replaced by the capacities that the caller gave for them. */
Dim emit_with_capacities(Emitter *e, Dim dim);
/* Declarations `const int64_t N = dims[0];` of the symbols that `text` mentions. */
void emit_dim_locals(Emitter *e, Str *out, const char *text, bool capacities_as_values);

/* emit_weights.c */
void emit_collect_weights(Emitter *e);
/* Declarations of the weights, written straight to the file. */
void emit_weights(Emitter *e, FILE *out);
/* Those of the weights file, at their offsets. */
void emit_weights_file(Emitter *e, FILE *out);
/* The array as an expression. */
const char *emit_weight_pointer(Emitter *e, const Weight *weight);
/* One more constant array; the expression for it. */
const char *emit_add_weight(Emitter *e, const Tensor *tensor, const char *label);
/* Whether the weight was declared as a union whose member v is the array. */
bool emit_weight_is_union(const Emitter *e, const Weight *weight);

/* emit_task.c: a task while its text is put together. */
typedef struct {
  Emitter *e;
  Vec(const char *) pointers; /* that the caller passes, as expressions of the run function */
  Vec(Dim) sizes;             /* likewise */
  bool device;             /* a function for a GPU: pointers and sizes are parameters p0, n0 … */
  Vec(const char *) types; /* of these pointers */
} Task;
/* Passes a tensor; the expression for it inside the task. */
const char *task_pointer(Task *task, DType dtype, bool writable, const char *expression);
/* A size inside the task: a literal, or passed. */
const char *task_size(Task *task, Dim dim);
/* How the units of a task are shared out. */
typedef struct {
  Dim units;
  Dim most_parts; /* less than 2: all units are done where the model runs */
} Split;
/* Makes the function (or finds one with the same body), and adds a call that does all units. */
void task_call(Task *task, Str *out, const char *stem, const char *body, Split split, int depth);
/* An argument inside the task; NULL: one that is nobody's, see ir/kernel.h. */
const char *task_argument(Task *task, const Step *step, size_t i);
/* Adds `const ctc_dim a3[2] = …;` to the body, the array that argument i stands for. */
void task_array(Task *task, Str *body, const Arg *arg, size_t i);
void emit_kernel_task(Emitter *e, Str *out, const Step *step, int depth);

/* emit_parts.c: the number of threads that a step is worth, from the time that it takes. */
Dim emit_most_parts(Emitter *e, const Step *step);

/* emit_nest.c: the task for a loop nest, and a call of it. */
void emit_nest_call(Emitter *e, Str *out, const Step *step, int depth);
/* Its parts: `const float *x0 = …;` for every access, `const float t0 = …;` for every operation,
 * and all that is done to one element. */
void emit_nest_pointers(Task *task, Str *out, const LoopNest *nest);
void emit_nest_ops(Task *task, Str *out, const LoopNest *nest, int depth);
void emit_nest_element(Task *task, Str *out, const LoopNest *nest, int depth);
/* A name that says what the nest does: its last operation, or "copy". */
const char *emit_nest_stem(Emitter *e, const LoopNest *nest);
/* An operand of the nest as an expression. */
const char *emit_operand(Task *task, const Operand *operand);

/* emit_vector.c: the ops of a nest on vectors: `const ctc_v t0 = ctc_add_v(v0, v1);` */
void emit_vector_ops(Emitter *e, Str *out, const LoopNest *nest);
const char *emit_vector_operand(Emitter *e, const Operand *operand);

/* emit_c.c */
MUST_CHECK bool emit_program(const Program *program, const Options *options,
                             const Backend *backend);
MUST_CHECK bool emit_expand(Emitter *e, const char *name, const Scope *scope, Str *out);

/* emit_steps.c: the body of the run function. */
extern const StepPrinter c_printer;
/* `const ctc_dim a3[2] = …;` for the arguments of that kind: all, or those at the positions `only`,
 * ended by -1. */
void emit_arrays(Emitter *e, Str *out, const Step *step, const int *only, int depth);
/* Whether an argument is a number, or an array of numbers, known while compiling. */
bool emit_is_literal(const Arg *arg);
void emit_block(Emitter *e, Str *out, const Block *block, int depth);
/* Whether the number of iterations of a loop is stored: someone reads it. */
bool emit_sets_trips(const Emitter *e, const Step *step);
/* A pointer to a buffer: `AT(float, 128)`, `in_x`, `w_3`; writable or not. `offset` (elements) may
 * be NULL. */
const char *emit_pointer(Emitter *e, const Buffer *buffer, DType dtype, Dim offset, bool writable);
/* Where a workspace buffer begins, in bytes: "128", or an expression of the run function. */
const char *emit_place(Emitter *e, const Buffer *buffer);
void emit_indent(Str *out, int depth);
/* The buffer whose memory `buffer` lives in. */
const Buffer *emit_home(const Buffer *buffer);
/* A floating literal; NAN and INFINITY where it is not finite. */
const char *emit_real(Emitter *e, double value, DType dtype);

#endif
