/* lower.c: appending steps to a program: arguments, loop nests, buffers. */
#include "ops/lower.h"

#include "ops/blocked.h"
#include "ops/op.h"

#include <string.h>

/* --- buffers --- */

static Buffer *new_buffer(Lower *l, BufferKind kind, DType dtype, Dim count, const char *name) {
  Buffer *buffer = ARENA_NEW(l->c->arena, Buffer);
  *buffer = (Buffer){.id = (int)l->program->buffers.count,
                     .kind = kind,
                     .dtype = dtype,
                     .count = count,
                     .name = name,
                     .first = -1,
                     .last = -1};
  vec_push(l->c->arena, &l->program->buffers, buffer);
  return buffer;
}

/* The place where the buffer of `value` is remembered. */
static Buffer **buffer_slot(Lower *l, const Value *value) {
  if (value->id >= l->buffer_capacity) {
    int capacity = value->id * 2 + 64;
    Buffer **grown = ARENA_ARRAY(l->c->arena, Buffer *, capacity);
    if (l->buffer_capacity)
      memcpy(grown, l->buffers, (size_t)l->buffer_capacity * sizeof(Buffer *));
    l->buffers = grown;
    l->buffer_capacity = capacity;
  }
  return &l->buffers[value->id];
}

Buffer *lower_buffer(Lower *l, const Value *value) {
  Buffer **slot = buffer_slot(l, value);
  if (*slot) return *slot;
  if (value->constant) return *slot = lower_constant(l, value->constant, value->name);
  Dim count = value->blocked ? blocked_count(l->c, value) : value_count(l->c, value);
  *slot = new_buffer(l, BUFFER_WORKSPACE, value->dtype, count, value->name);
  if (value->blocked) (*slot)->halo = blocked_halo(l->c, value);
  return *slot;
}

void lower_alias(Lower *l, const Value *out, const Value *in) {
  Buffer *buffer = lower_buffer(l, in);
  *buffer_slot(l, out) = buffer;
}

Buffer *lower_scratch(Lower *l, DType dtype, Dim count, const char *name) {
  return new_buffer(l, BUFFER_WORKSPACE, dtype, count, name);
}

Buffer *lower_wanted(Lower *l, const Value *value, DType dtype, Dim count, const char *name) {
  return value ? lower_buffer(l, value) : lower_scratch(l, dtype, count, name);
}

Buffer *lower_constant(Lower *l, const Tensor *tensor, const char *name) {
  Buffer *buffer =
      new_buffer(l, BUFFER_CONSTANT, tensor->dtype, dim_const(l->c->dims, tensor->count), name);
  buffer->constant = tensor_align(l->c->arena, tensor);
  return buffer;
}

/* --- steps and kernel calls --- */

Step *lower_step(Lower *l, StepKind kind) {
  Step *step = ARENA_NEW(l->c->arena, Step);
  step->kind = kind;
  step->node = l->node;
  vec_push(l->c->arena, &l->block->steps, step);
  return step;
}

/* Adds the arguments that are due and that whoever calls the kernel fills in. */
static void add_implicit(Lower *l, Step *step) {
  while ((int)step->args.count < step->kernel->param_count &&
         step->kernel->params[step->args.count].kind >= PARAM_EPILOGUE) {
    Arg arg = {.kind = step->kernel->params[step->args.count].kind};
    vec_push(l->c->arena, &step->args, arg);
  }
}

static void add_arg(Lower *l, Step *step, Arg arg) {
  vec_push(l->c->arena, &step->args, arg);
  add_implicit(l, step);
}

Step *lower_kernel(Lower *l, const char *stem, DType dtype) {
  const Kernel *kernel = dtype == DT_NONE ? kernel_find(arena_printf(l->c->arena, "ctc_%s", stem))
                                          : kernel_find_typed(stem, dtype);
  if (!kernel) fprintf(stderr, "ctc: no kernel ctc_%s_%s\n", stem, dtype_info(dtype)->short_name);
  CTC_ASSERT(kernel != NULL);
  return lower_call(l, kernel);
}

Step *lower_call(Lower *l, const Kernel *kernel) {
  Step *step = lower_step(l, STEP_KERNEL);
  step->kernel = kernel;
  step->units = dim_const(l->c->dims, 1);
  add_implicit(l, step);
  return step;
}

void step_units(Step *step, Dim units) {
  step->units = units;
}

void step_row_results(Lower *l, Step *step, Dim rows, Dim columns) {
  step->results = (Results){.count = dim_mul(l->c->dims, rows, columns), .block = columns};
}

void step_plane_results(Lower *l, Step *step, Dim count, Dim plane) {
  step->results = (Results){.count = count, .plane = plane, .block = dim_const(l->c->dims, 1)};
}

void step_blocked_results(Lower *l, Step *step, Dim count, Dim plane) {
  step->results = (Results){.count = count, .plane = plane, .block = dim_const(l->c->dims, 16)};
}

/* The kind that the kernel expects for the argument about to be added. */
static ParamKind next_kind(const Step *step) {
  if ((int)step->args.count >= step->kernel->param_count)
    fprintf(stderr, "ctc: too many arguments for %s\n", step->kernel->name);
  CTC_ASSERT((int)step->args.count < step->kernel->param_count);
  return step->kernel->params[step->args.count].kind;
}

void arg_buffer_at(Lower *l, Step *step, Buffer *buffer, Dim offset) {
  ParamKind kind = next_kind(step);
  CTC_ASSERT(kind == PARAM_IN || kind == PARAM_OUT);
  Arg arg = {.kind = kind, .buffer = buffer, .offset = offset};
  add_arg(l, step, arg);
}

void arg_buffer(Lower *l, Step *step, Buffer *buffer) {
  arg_buffer_at(l, step, buffer, NULL);
}

void arg_in(Lower *l, Step *step, const Value *value) {
  CTC_ASSERT(next_kind(step) == PARAM_IN);
  arg_buffer(l, step, value ? lower_buffer(l, value) : NULL);
}

void arg_out(Lower *l, Step *step, const Value *value) {
  CTC_ASSERT(next_kind(step) == PARAM_OUT);
  arg_buffer(l, step, value ? lower_buffer(l, value) : NULL);
}

void arg_dim(Lower *l, Step *step, Dim dim) {
  CTC_ASSERT(next_kind(step) == PARAM_DIM);
  Arg arg = {.kind = PARAM_DIM, .dim = dim};
  add_arg(l, step, arg);
}

void arg_int(Lower *l, Step *step, int64_t value) {
  arg_dim(l, step, dim_const(l->c->dims, value));
}

void arg_dims(Lower *l, Step *step, const Dim *dims, int count) {
  CTC_ASSERT(next_kind(step) == PARAM_DIMS);
  Dim *copy = ARENA_ARRAY(l->c->arena, Dim, count ? count : 1);
  copy[0] = dim_const(l->c->dims, 0);
  if (count) memcpy(copy, dims, (size_t)count * sizeof(Dim));
  Arg arg = {.kind = PARAM_DIMS, .dims = copy, .dim_count = count ? count : 1};
  add_arg(l, step, arg);
}

void arg_ints(Lower *l, Step *step, const int64_t *values, int count) {
  Dim *dims = ARENA_ARRAY(l->c->arena, Dim, count ? count : 1);
  for (int i = 0; i < count; i++) dims[i] = dim_const(l->c->dims, values[i]);
  arg_dims(l, step, dims, count);
}

void arg_real(Lower *l, Step *step, double value) {
  CTC_ASSERT(next_kind(step) == PARAM_REAL);
  Arg arg = {.kind = PARAM_REAL, .real = value};
  add_arg(l, step, arg);
}

/* --- loop nests --- */

LoopNest *lower_pointwise(Lower *l, const Value *out) {
  return out->blocked ? blocked_nest(l, out) : lower_nest(l, out->rank, out->shape);
}

LoopNest *lower_nest(Lower *l, int rank, const Dim *extent) {
  CTC_ASSERT(rank >= 0 && rank <= MAX_RANK);
  Step *step = lower_step(l, STEP_NEST);
  step->nest = ARENA_NEW(l->c->arena, LoopNest);
  step->nest->rank = rank;
  for (int i = 0; i < rank; i++) step->nest->extent[i] = extent[i];
  return step->nest;
}

void nest_strides(Compilation *c, int rank, const Dim *shape, Dim *stride) {
  Dim run = dim_const(c->dims, 1);
  for (int i = rank - 1; i >= 0; i--) {
    stride[i] = run;
    run = dim_mul(c->dims, run, shape[i]);
  }
}

/* Stride of a dim `own` with dense stride `dense` when read over a loop of `extent` iterations. */
static Dim broadcast_stride(Compilation *c, Dim own, Dim dense, Dim extent) {
  Dim zero = dim_const(c->dims, 0);
  if (dim_is(own, 1)) return zero;
  if (own == extent || dim_range(own).low > 1) return dense;
  return dim_select(c->dims, dim_equal(c->dims, own, dim_const(c->dims, 1)), zero, dense);
}

Operand nest_load(Lower *l, LoopNest *nest, const Value *value) {
  Dim dense[MAX_RANK], stride[MAX_RANK];
  if (value->constant && value->constant->count == 1 &&
      (value->dtype == DT_F32 || value->dtype == DT_F64))
    return operand_real(value->dtype, tensor_real(value->constant, 0));
  if (nest->blocked) return blocked_load(l, nest, value);
  CTC_ASSERT(value->rank <= nest->rank);
  nest_strides(l->c, value->rank, value->shape, dense);
  int lead = nest->rank - value->rank;
  for (int i = 0; i < nest->rank; i++)
    stride[i] =
        i < lead ? dim_const(l->c->dims, 0)
                 : broadcast_stride(l->c, value->shape[i - lead], dense[i - lead], nest->extent[i]);
  return nest_load_at(l, nest, lower_buffer(l, value), NULL, stride);
}

Operand nest_load_number(Lower *l, LoopNest *nest, const Value *value) {
  Operand literal;
  if (value->constant && operand_literal(l->c, value->constant, &literal)) return literal;
  if (value->content && dtype_is_integer(value->dtype))
    return operand_int(value->dtype, value->content[0]);
  return nest_load_first(l, nest, lower_buffer(l, value));
}

Operand nest_load_first(Lower *l, LoopNest *nest, Buffer *buffer) {
  Dim still[MAX_RANK];
  for (int d = 0; d < nest->rank; d++) still[d] = dim_const(l->c->dims, 0);
  return nest_load_at(l, nest, buffer, NULL, still);
}

static Access make_access(Lower *l, const LoopNest *nest, Buffer *buffer, Dim offset,
                          const Dim *stride) {
  Access access = {.buffer = buffer, .dtype = buffer->dtype};
  access.offset = offset ? offset : dim_const(l->c->dims, 0);
  for (int i = 0; i < nest->rank; i++) access.stride[i] = stride[i];
  return access;
}

Operand nest_load_at(Lower *l, LoopNest *nest, Buffer *buffer, Dim offset, const Dim *stride) {
  Access access = make_access(l, nest, buffer, offset, stride);
  vec_push(l->c->arena, &nest->loads, access);
  return (Operand){
      .kind = OPERAND_LOAD, .dtype = buffer->dtype, .index = (int)nest->loads.count - 1};
}

bool operand_literal(Compilation *c, const Tensor *tensor, Operand *operand) {
  DType dtype = tensor->dtype;
  if (dtype_info(dtype)->kind == KIND_OTHER) return false;
  if (dtype_is_float(dtype))
    *operand = operand_real(dtype == DT_F64 ? DT_F64 : DT_F32, tensor_real(tensor, 0));
  else
    *operand = operand_int(dtype, dim_const(c->dims, tensor_int(tensor, 0)));
  return true;
}

Operand operand_real(DType dtype, double value) {
  return (Operand){.kind = OPERAND_REAL, .dtype = dtype, .real = value};
}

Operand operand_int(DType dtype, Dim value) {
  return (Operand){.kind = OPERAND_INT, .dtype = dtype, .dim = value};
}

Operand operand_loop(int dimension) {
  return (Operand){.kind = OPERAND_LOOP, .dtype = DT_I64, .index = dimension};
}

/* Appends a call whose operands have the parameters' dtypes already. */
static Operand push_op(Lower *l, LoopNest *nest, const Kernel *function, const Operand *args,
                       int count, DType dtype) {
  NestOp op = {.function = function, .arg_count = count};
  for (int i = 0; i < count; i++) op.args[i] = args[i];
  vec_push(l->c->arena, &nest->ops, op);
  return (Operand){.kind = OPERAND_TEMP, .dtype = dtype, .index = (int)nest->ops.count - 1};
}

/* Whether the dtype's numbers are stored in bits that C arithmetic cannot use. */
static bool is_short_float(DType dtype) {
  return dtype == DT_F16 || dtype == DT_BF16;
}

const Kernel *cast_find(const char *stem, DType from, DType to) {
  char start[64];
  snprintf(start, sizeof start, "%s_%s", stem, dtype_info(from)->short_name);
  return kernel_find_typed(start, to);
}

static const Kernel *find_cast(DType from, DType to) {
  return cast_find("cast", from, to);
}

DType cast_between(DType from, DType to) {
  if (from == to || find_cast(from, to)) return to;
  if (dtype_is_integer(from) && find_cast(DT_I64, to)) return DT_I64;
  return find_cast(from, DT_F32) && find_cast(DT_F32, to) ? DT_F32 : DT_NONE;
}

Operand nest_cast(Lower *l, LoopNest *nest, Operand value, DType to) {
  if (value.dtype == to) return value;
  if (value.kind == OPERAND_REAL || value.kind == OPERAND_INT) {
    DType literal = dtype_is_narrow(to) ? DT_F32 : is_short_float(to) ? value.dtype : to;
    value.dtype = literal;
    if (literal == to) return value;
  }
  DType between = cast_between(value.dtype, to);
  CTC_ASSERT(between != DT_NONE);
  if (between != to) value = nest_cast(l, nest, value, between);
  return push_op(l, nest, find_cast(value.dtype, to), &value, 1, to);
}

Operand nest_call(Lower *l, LoopNest *nest, const Kernel *function, const Operand *args,
                  int count) {
  CTC_ASSERT(function->is_scalar && function->param_count == count && count <= MAX_OPERANDS);
  Operand converted[MAX_OPERANDS];
  for (int i = 0; i < count; i++)
    converted[i] = nest_cast(l, nest, args[i], function->params[i].dtype);
  return push_op(l, nest, function, converted, count, function->result);
}

Operand nest_apply(Lower *l, LoopNest *nest, const char *stem, DType dtype, const Operand *args,
                   int count) {
  const Kernel *function = kernel_find_typed(stem, dtype);
  DType compute = dtype;
  if (!function && is_short_float(dtype)) {
    compute = DT_F32;
    function = kernel_find_typed(stem, DT_F32);
  }
  if (!function)
    fprintf(stderr, "ctc: no scalar function ctc_%s_%s\n", stem, dtype_info(dtype)->short_name);
  CTC_ASSERT(function != NULL);
  Operand result = nest_call(l, nest, function, args, count);
  return compute == dtype || function->result != DT_F32 ? result
                                                        : nest_cast(l, nest, result, dtype);
}

void nest_store_at(Lower *l, LoopNest *nest, Buffer *buffer, Dim offset, const Dim *stride,
                   Operand operand) {
  NestStore store = {.access = make_access(l, nest, buffer, offset, stride),
                     .value = nest_cast(l, nest, operand, buffer->dtype)};
  vec_push(l->c->arena, &nest->stores, store);
}

void nest_store(Lower *l, LoopNest *nest, const Value *value, Operand operand) {
  Dim stride[MAX_RANK];
  if (nest->blocked) {
    blocked_store(l, nest, value, operand);
    return;
  }
  nest_strides(l->c, nest->rank, nest->extent, stride);
  nest_store_at(l, nest, lower_buffer(l, value), NULL, stride, operand);
}

void lower_copy(Lower *l, const Value *out, const Value *in, Dim offset, const Dim *stride) {
  LoopNest *nest = lower_nest(l, out->rank, out->shape);
  nest_store(l, nest, out, nest_load_at(l, nest, lower_buffer(l, in), offset, stride));
}

void lower_copy_buffer(Lower *l, Buffer *to, Buffer *from, Dim count) {
  lower_copy_part(l, to, NULL, from, NULL, count);
}

void lower_copy_part(Lower *l, Buffer *to, Dim to_first, Buffer *from, Dim from_first, Dim count) {
  Dim one = dim_const(l->c->dims, 1);
  LoopNest *nest = lower_nest(l, 1, &count);
  nest_store_at(l, nest, to, to_first, &one, nest_load_at(l, nest, from, from_first, &one));
}

/* --- others --- */

Buffer *lower_converted(Lower *l, const Value *value, DType dtype) {
  Buffer *from = lower_buffer(l, value);
  if (value->dtype == dtype) return from;
  Buffer *to = lower_scratch(l, dtype, value_count(l->c, value), value->name);
  lower_copy_buffer(l, to, from, to->count);
  return to;
}

const Tensor *tensor_as(Arena *arena, const Tensor *tensor, DType dtype) {
  if (tensor->dtype == dtype) return tensor;
  void *data;
  Tensor *result = tensor_create(arena, dtype, tensor->rank, tensor->dims, &data);
  CTC_ASSERT(dtype == DT_F32 || dtype == DT_F64);
  for (int64_t i = 0; i < tensor->count; i++) {
    double number = tensor_real(tensor, i);
    if (dtype == DT_F32)
      ((float *)data)[i] = (float)number;
    else
      ((double *)data)[i] = number;
  }
  return result;
}

DType compute_dtype(DType dtype) {
  return is_short_float(dtype) ? DT_F32 : dtype;
}

Buffer *compute_input(Lower *l, const Value *value, DType dtype) {
  if (!value) return NULL;
  if (value->constant && value->dtype != dtype && (dtype == DT_F32 || dtype == DT_F64))
    return lower_constant(l, tensor_as(l->c->arena, value->constant, dtype), value->name);
  return lower_converted(l, value, dtype);
}

Buffer *compute_output(Lower *l, const Value *value, DType dtype) {
  if (!value) return NULL;
  if (value->dtype == dtype) return lower_buffer(l, value);
  return lower_scratch(l, dtype, value_count(l->c, value), value->name);
}

void compute_done(Lower *l, const Value *value, Buffer *computed) {
  if (value && computed != lower_buffer(l, value))
    lower_copy_buffer(l, lower_buffer(l, value), computed, value_count(l->c, value));
}

void lower_check(Lower *l, Dim condition, const char *what) {
  Step *step = lower_step(l, STEP_CHECK);
  step->value = condition;
  step->comment = what;
}

void lower_define(Lower *l, const DimSymbol *symbol, Dim value) {
  Step *step = lower_step(l, STEP_DEFINE);
  step->symbol = symbol;
  step->value = value;
}

void lower_define_element(Lower *l, const DimSymbol *symbol, Buffer *buffer, Dim element) {
  Step *step = lower_step(l, STEP_DEFINE);
  step->symbol = symbol;
  step->buffer = buffer;
  step->element = element;
}

/* --- graphs --- */

/* Data symbols that are elements of `value` get their numbers as soon as it is there. */
static void define_loads(Lower *l, const Value *value) {
  for (size_t i = 0; i < value->loads.count; i++) {
    const DimSymbol *symbol = dim_symbol(value->loads.items[i].symbol);
    lower_define_element(l, symbol, lower_buffer(l, value),
                         dim_const(l->c->dims, value->loads.items[i].index));
  }
}

bool lower_graph(Lower *l, Graph *graph, Block *block) {
  Block *outer = l->block;
  const Node *outer_node = l->node;
  bool ok = true;
  l->block = block;
  for (size_t i = 0; i < graph->inputs.count; i++) define_loads(l, graph->inputs.items[i]);
  for (size_t i = 0; i < graph->nodes.count && ok; i++) {
    const Node *node = l->node = graph->nodes.items[i];
    CTC_ASSERT(node->op && node->op->lower);
    ok = lower_node(l, node);
  }
  l->block = outer;
  l->node = outer_node;
  return ok;
}

bool lower_node(Lower *l, const Node *node) {
  const Node *outer = l->node;
  l->node = node;
  lower_node_checks(l, node);
  bool blocked = node->op->lower_blocked && node_is_blocked(node);
  bool ok = blocked ? node->op->lower_blocked(l, node) : node->op->lower(l, node);
  for (int k = 0; k < node->output_count && ok; k++)
    if (node->outputs[k] && !node->outputs[k]->constant) define_loads(l, node->outputs[k]);
  l->node = outer;
  return ok;
}

void lower_node_checks(Lower *l, const Node *node) {
  for (size_t i = 0; i < node->checks.count; i++)
    lower_check(l, node->checks.items[i].condition, node->checks.items[i].what);
}

static void lower_inputs(Lower *l, const Graph *graph) {
  for (size_t i = 0; i < graph->inputs.count; i++) {
    const Value *value = graph->inputs.items[i];
    Buffer *buffer =
        new_buffer(l, BUFFER_INPUT, value->dtype, value_count(l->c, value), value->name);
    buffer->index = (int)i;
    *buffer_slot(l, value) = buffer;
    Port port = {.name = value->name,
                 .dtype = value->dtype,
                 .rank = value->rank,
                 .shape = value->shape,
                 .buffer = buffer};
    vec_push(l->c->arena, &l->program->inputs, port);
  }
}

/* Graph outputs are written straight to the caller's memory where one buffer serves one output;
 * inputs, constants and buffers that serve two outputs are copied at the end. */
static void lower_outputs(Lower *l, const Graph *graph) {
  for (size_t i = 0; i < graph->outputs.count; i++) {
    const Value *value = graph->outputs.items[i];
    Buffer *buffer = lower_buffer(l, value);
    bool direct = buffer->kind == BUFFER_WORKSPACE && buffer->dtype == value->dtype &&
                  buffer->count == value_count(l->c, value);
    if (direct) {
      buffer->kind = BUFFER_OUTPUT;
    } else {
      Buffer *copy =
          new_buffer(l, BUFFER_OUTPUT, value->dtype, value_count(l->c, value), value->name);
      lower_copy_buffer(l, copy, buffer, copy->count);
      buffer = copy;
    }
    buffer->index = (int)i;
    Port port = {.name = l->c->output_names ? l->c->output_names[i] : value->name,
                 .dtype = value->dtype,
                 .rank = value->rank,
                 .shape = value->shape,
                 .buffer = buffer,
                 .note = value->note};
    vec_push(l->c->arena, &l->program->outputs, port);
  }
}

Program *lower_begin(Compilation *c, Lower *l) {
  Program *program = ARENA_NEW(c->arena, Program);
  program->compilation = c;
  program->body = ARENA_NEW(c->arena, Block);
  *l = (Lower){.c = c, .program = program, .block = program->body};
  return program;
}

bool lower_program(Compilation *c, Program **program) {
  Lower l;
  *program = lower_begin(c, &l);
  lower_inputs(&l, c->graph);
  for (size_t i = 0; i < c->assumptions.count; i++)
    lower_check(&l, c->assumptions.items[i].condition, c->assumptions.items[i].what);
  if (!lower_graph(&l, c->graph, (*program)->body)) return false;
  lower_outputs(&l, c->graph);
  return true;
}
