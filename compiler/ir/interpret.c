/* interpret.c: a program run step by step. */
#include "ir/interpret.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
  STATUS_BAD_ARGUMENT = 1,
  STATUS_BAD_SHAPE = 2, /* as in runtime/prelude.c */
  CHUNK = 256, /* iterations of the innermost loop that one pass over the operations takes */
};

typedef struct {
  void *data;
  size_t bytes;
  bool owned;
} Memory;

struct Machine {
  const Program *program;
  int64_t *symbols;
  bool *defined;
  Memory *memory; /* by buffer id */
  Arena *arena;
  RunResult *result;
  StepObserver observer;
  void *context;
};

/* --- values of expressions --- */

static bool fail(Machine *m, const Step *step, int status, const char *message) {
  m->result->status = status;
  m->result->failed = step;
  m->result->message = message;
  return false;
}

static bool undefined_symbol(const DimSymbol *symbol, void *context) {
  return !((const Machine *)context)->defined[symbol->index];
}

/* A value that must be there: all symbols are defined before they are used (program_verify). */
static int64_t eval(const Machine *m, Dim dim) {
  if (dim_is_const(dim)) return dim_value(dim);
  bool ok;
  return dim_eval(dim, m->symbols, &ok);
}

static int64_t element_of(DType dtype, const void *data, int64_t i) {
  Tensor view = {.dtype = dtype, .rank = 1, .dims = {i + 1}, .count = i + 1, .data = data};
  return tensor_int(&view, i);
}

/* --- memory --- */

static int64_t eval_if_defined(const Machine *m, Dim dim) {
  return dim_any_symbol(dim, undefined_symbol, (void *)(uintptr_t)m) ? 0 : eval(m, dim);
}

/* Elements that `buffer` needs room for now: its count, and its upper bound, because a kernel that
 * finds out how much it writes sets the symbols in the count only afterwards (what they hold may be
 * from an earlier iteration). */
static int64_t room_needed(const Machine *m, const Buffer *buffer) {
  if (dim_is_const(buffer->count)) return dim_value(buffer->count);
  int64_t count = eval_if_defined(m, buffer->count);
  int64_t most = eval_if_defined(m, dim_upper(m->program->compilation->dims, buffer->count));
  return count > most ? count : most;
}

/* Room for `count` elements in the buffer; what was there stays. */
static void *room_for(Machine *m, const Buffer *buffer, int64_t count) {
  Memory *memory = &m->memory[buffer->id];
  size_t size = dtype_info(buffer->dtype)->bytes;
  size_t bytes = (size_t)(count > 0 ? count : 0) * size + 64;
  if (memory->data && memory->bytes >= bytes) return memory->data;
  void *grown = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!grown) {
    fprintf(stderr, "ctc: out of memory (asked for %zu bytes)\n", bytes);
    exit(70);
  }
  memset(grown, 0, bytes);
  if (memory->data) memcpy(grown, memory->data, memory->bytes);
  if (memory->owned) free(memory->data);
  *memory = (Memory){grown, bytes, true};
  return grown;
}

/* Room for everything that the step at hand may write into the buffer. */
static void *writable(Machine *m, const Buffer *buffer) {
  return room_for(m, buffer, room_needed(m, buffer));
}

static const void *readable(const Machine *m, const Buffer *buffer) {
  if (buffer->kind == BUFFER_CONSTANT) return buffer->constant->data;
  CTC_ASSERT(m->memory[buffer->id].data);
  return m->memory[buffer->id].data;
}

const void *interpret_buffer(const Machine *m, const Buffer *buffer, int64_t *count) {
  *count = 0;
  if (dim_any_symbol(buffer->count, undefined_symbol, (void *)m)) return NULL;
  *count = eval(m, buffer->count);
  return buffer->kind == BUFFER_CONSTANT ? buffer->constant->data : m->memory[buffer->id].data;
}

int64_t interpret_dim(const Machine *m, Dim dim) {
  return eval(m, dim);
}

/* --- kernels --- */

static bool run_kernel(Machine *m, const Step *step) {
  enum { MOST = 64 };
  KernelArg args[MOST] = {{0}};
  int64_t *dims[MOST];
  int dims_count = 0;
  CTC_ASSERT(step->args.count <= MOST);
  for (size_t i = 0; i < step->args.count; i++) {
    const Arg *arg = &step->args.items[i];
    size_t size = arg->buffer ? dtype_info(arg->buffer->dtype)->bytes : 0;
    size_t skip = arg->buffer && arg->offset ? (size_t)eval(m, arg->offset) * size : 0;
    switch (arg->kind) {
    case PARAM_IN:
      args[i].in = arg->buffer ? (const char *)readable(m, arg->buffer) + skip : NULL;
      break;
    case PARAM_OUT:
      args[i].out = arg->buffer ? (char *)writable(m, arg->buffer) + skip : NULL;
      break;
    case PARAM_DIM: args[i].dim = eval(m, arg->dim); break;
    case PARAM_DIMS:
      dims[dims_count] = malloc((size_t)arg->dim_count * sizeof(int64_t));
      for (int k = 0; k < arg->dim_count; k++) dims[dims_count][k] = eval(m, arg->dims[k]);
      args[i].dims = dims[dims_count++];
      break;
    case PARAM_REAL:
    case PARAM_SCALAR: args[i].real = arg->real; break;
    case PARAM_EPILOGUE: /* run_step does it */
    case PARAM_EPILOGUE_ROW:
    case PARAM_OPERANDS:
    case PARAM_PART:
    case PARAM_FIRST: break;
    case PARAM_LAST: args[i].dim = eval(m, step->units); break;
    }
  }
  int status = step->kernel->call(args);
  for (int i = 0; i < dims_count; i++) free(dims[i]);
  return status == 0 || fail(m, step, status, "a kernel refused its data");
}

/* --- loop nests: the innermost loop in chunks, one operation at a time over the chunk --- */

typedef struct {
  const void *data; /* elements of the operand for this chunk */
  int64_t step;     /* 0 or 1: distance between them, in elements */
  uint64_t literal; /* storage for literals */
} Column;

typedef struct {
  const LoopNest *nest;
  int64_t extent[MAX_RANK], index[MAX_RANK];
  int64_t *load_offset, *load_stride, *store_offset, *store_stride; /* [access][rank] for strides */
  char *columns; /* CHUNK elements of 8 bytes for each load and each operation */
  int64_t loop_column[MAX_RANK][CHUNK];
} NestRun;

/* Writes number `value` in the storage of `dtype`. */
static void store_number(void *to, DType dtype, double real, int64_t integer, bool is_real) {
#define PUT(T) *(T *)to = is_real ? (T)real : (T)integer
  switch (dtype) {
  case DT_F32: PUT(float); break;
  case DT_F64: PUT(double); break;
  case DT_I8: PUT(int8_t); break;
  case DT_I16: PUT(int16_t); break;
  case DT_I32: PUT(int32_t); break;
  case DT_I64: PUT(int64_t); break;
  case DT_U8: PUT(uint8_t); break;
  case DT_U16: PUT(uint16_t); break;
  case DT_U32: PUT(uint32_t); break;
  case DT_U64: PUT(uint64_t); break;
  case DT_BOOL: *(uint8_t *)to = is_real ? real != 0 : integer != 0; break;
  default: CTC_ASSERT(false && "a literal of a number type");
  }
#undef PUT
}

static char *column_at(const NestRun *run, size_t number) {
  return run->columns + number * CHUNK * 8;
}

/* Gathers or scatters n strided elements of `size` bytes. */
static void copy_strided(char *to, int64_t to_stride, const char *from, int64_t from_stride,
                         size_t size, int64_t n) {
  if (to_stride == 1 && from_stride == 1) {
    memmove(to, from, size * (size_t)n);
    return;
  }
  for (int64_t i = 0; i < n; i++)
    memcpy(to + i * to_stride * (int64_t)size, from + i * from_stride * (int64_t)size, size);
}

static void operand_column(Machine *m, NestRun *run, const Operand *operand, int64_t n,
                           Column *column) {
  size_t loads = run->nest->loads.count;
  column->step = 1;
  switch (operand->kind) {
  case OPERAND_LOAD: column->data = column_at(run, (size_t)operand->index); break;
  case OPERAND_TEMP: column->data = column_at(run, loads + (size_t)operand->index); break;
  case OPERAND_REAL:
    store_number(&column->literal, operand->dtype, operand->real, 0, true);
    column->data = &column->literal;
    column->step = 0;
    break;
  case OPERAND_INT:
    store_number(&column->literal, operand->dtype, 0, eval(m, operand->dim), false);
    column->data = &column->literal;
    column->step = 0;
    break;
  case OPERAND_LOOP: {
    int64_t *values = run->loop_column[operand->index];
    bool inner = operand->index == run->nest->rank - 1;
    for (int64_t i = 0; i < n; i++) values[i] = run->index[operand->index] + (inner ? i : 0);
    column->data = values;
    break;
  }
  }
}

/* The element offset of an access at the current index. */
static int64_t position(const NestRun *run, const int64_t *offset, const int64_t *stride,
                        size_t access) {
  int64_t at = offset[access];
  for (int d = 0; d < run->nest->rank; d++)
    at += run->index[d] * stride[access * MAX_RANK + (size_t)d];
  return at;
}

/* n <= CHUNK iterations of the innermost loop from the current index on. */
static void run_chunk(Machine *m, NestRun *run, int64_t n) {
  const LoopNest *nest = run->nest;
  size_t inner = nest->rank ? (size_t)nest->rank - 1 : 0;
  for (size_t i = 0; i < nest->loads.count; i++) {
    const Access *access = &nest->loads.items[i];
    size_t size = dtype_info(access->dtype)->bytes;
    int64_t at = position(run, run->load_offset, run->load_stride, i);
    int64_t stride = nest->rank ? run->load_stride[i * MAX_RANK + inner] : 0;
    copy_strided(column_at(run, i), 1,
                 (const char *)readable(m, access->buffer) + at * (int64_t)size, stride, size, n);
  }
  for (size_t i = 0; i < nest->ops.count; i++) {
    const NestOp *op = &nest->ops.items[i];
    Column columns[MAX_OPERANDS];
    const void *data[MAX_OPERANDS];
    int64_t steps[MAX_OPERANDS];
    for (int k = 0; k < op->arg_count; k++) {
      operand_column(m, run, &op->args[k], n, &columns[k]);
      data[k] = columns[k].data;
      steps[k] = columns[k].step;
    }
    op->function->map(column_at(run, nest->loads.count + i), data, steps, n);
  }
  for (size_t i = 0; i < nest->stores.count; i++) {
    const NestStore *store = &nest->stores.items[i];
    size_t size = dtype_info(store->access.dtype)->bytes;
    int64_t at = position(run, run->store_offset, run->store_stride, i);
    int64_t stride = nest->rank ? run->store_stride[i * MAX_RANK + inner] : 0;
    Column column;
    operand_column(m, run, &store->value, n, &column);
    char *to = (char *)m->memory[store->access.buffer->id].data + at * (int64_t)size;
    copy_strided(to, stride, column.data, column.step, size, n);
  }
}

/* Advances the index over all loops but the innermost; false after the last. */
static bool next_row(NestRun *run) {
  for (int d = run->nest->rank - 2; d >= 0; d--) {
    if (++run->index[d] < run->extent[d]) return true;
    run->index[d] = 0;
  }
  return false;
}

static void eval_access(Machine *m, const LoopNest *nest, const Access *access, int64_t *offset,
                        int64_t *stride) {
  *offset = eval(m, access->offset);
  for (int d = 0; d < nest->rank; d++) stride[d] = eval(m, access->stride[d]);
}

/* Room for what store `i` writes: what grows in place is written beyond its present size. */
static void make_room(Machine *m, const NestRun *run, size_t i) {
  const Buffer *buffer = run->nest->stores.items[i].access.buffer;
  int64_t end = run->store_offset[i] + 1, count = room_needed(m, buffer);
  for (int d = 0; d < run->nest->rank; d++) {
    int64_t more =
        (eval(m, run->nest->extent[d]) - 1) * run->store_stride[i * MAX_RANK + (size_t)d];
    if (more > 0) end += more;
  }
  room_for(m, buffer, end > count ? end : count);
}

static NestRun *prepare_nest(Machine *m, const LoopNest *nest) {
  NestRun *run = calloc(1, sizeof *run);
  size_t loads = nest->loads.count, stores = nest->stores.count;
  run->nest = nest;
  run->load_offset = calloc(loads + stores + 1, sizeof(int64_t));
  run->load_stride = calloc((loads + stores + 1) * MAX_RANK, sizeof(int64_t));
  run->store_offset = run->load_offset + loads;
  run->store_stride = run->load_stride + loads * MAX_RANK;
  run->columns = calloc((loads + nest->ops.count + 1) * CHUNK, 8);
  for (size_t i = 0; i < loads; i++)
    eval_access(m, nest, &nest->loads.items[i], &run->load_offset[i],
                &run->load_stride[i * MAX_RANK]);
  for (size_t i = 0; i < stores; i++) {
    eval_access(m, nest, &nest->stores.items[i].access, &run->store_offset[i],
                &run->store_stride[i * MAX_RANK]);
    make_room(m, run, i);
  }
  return run;
}

static void run_nest(Machine *m, const LoopNest *nest) {
  NestRun *run = prepare_nest(m, nest);
  bool empty = false;
  for (int d = 0; d < nest->rank; d++) empty |= (run->extent[d] = eval(m, nest->extent[d])) <= 0;
  int inner = nest->rank - 1;
  int64_t length = nest->rank ? run->extent[inner] : 1;
  bool more = !empty;
  while (more) {
    for (int64_t done = 0; done < length; done += CHUNK) {
      if (nest->rank) run->index[inner] = done;
      run_chunk(m, run, length - done < CHUNK ? length - done : CHUNK);
    }
    more = next_row(run);
  }
  free(run->load_offset);
  free(run->load_stride);
  free(run->columns);
  free(run);
}

/* --- steps --- */

static void define(Machine *m, const DimSymbol *symbol, int64_t value) {
  m->symbols[symbol->index] = value;
  m->defined[symbol->index] = true;
}

static bool run_define(Machine *m, const Step *step) {
  int64_t value = step->buffer ? element_of(step->buffer->dtype, readable(m, step->buffer),
                                            eval(m, step->element))
                               : eval(m, step->value);
  define(m, step->symbol, value);
  Dim bound = step->buffer ? step->symbol->bound : NULL;
  bool bounded = bound && !dim_any_symbol(bound, undefined_symbol, m);
  int64_t high = bounded ? eval(m, bound) : step->symbol->high;
  if (value >= step->symbol->low && value <= step->symbol->high && value <= high) return true;
  return fail(m, step, STATUS_BAD_SHAPE,
              arena_printf(m->arena, "%s is %" PRId64 ", outside of [%" PRId64 ", %" PRId64 "]",
                           step->symbol->name, value, step->symbol->low, step->symbol->high));
}

static bool run_block(Machine *m, const Block *block);

static bool condition(const Machine *m, const Buffer *buffer) {
  return !buffer || *(const uint8_t *)readable(m, buffer) != 0;
}

static bool run_loop(Machine *m, const Step *step) {
  int64_t limit = step->value ? eval(m, step->value) : INT64_MAX;
  int64_t trip = 0;
  for (; trip < limit && condition(m, step->buffer); trip++) {
    if (step->symbol) define(m, step->symbol, trip);
    if (!run_block(m, step->body)) return false;
  }
  if (step->trips) define(m, step->trips, trip);
  return true;
}

static bool nest_is_callable(const LoopNest *nest) {
  for (size_t i = 0; nest && i < nest->ops.count; i++)
    if (!kernel_is_callable(nest->ops.items[i].function)) return false;
  return true;
}

static bool step_is_callable(const Step *step) {
  bool kernel = step->kind != STEP_KERNEL || kernel_is_callable(step->kernel);
  return kernel && nest_is_callable(step->nest) && nest_is_callable(step->epilogue);
}

static void find_obstacle(Step *step, void *first) {
  const Step **obstacle = first;
  if (!*obstacle && !step_is_callable(step)) *obstacle = step;
}

const Step *interpret_obstacle(const Program *program) {
  const Step *obstacle = NULL;
  block_visit_steps(program->body, find_obstacle, &obstacle);
  return obstacle;
}

static bool run_step(Machine *m, const Step *step) {
  if (!step_is_callable(step))
    return fail(m, step, STATUS_BAD_ARGUMENT,
                "the kernels of plugins run in emitted programs only, not inside ctc");
  switch (step->kind) {
  case STEP_KERNEL:
    if (!run_kernel(m, step)) return false;
    if (step->epilogue) run_nest(m, step->epilogue);
    return true;
  case STEP_NEST: run_nest(m, step->nest); return true;
  case STEP_DEFINE: return run_define(m, step);
  case STEP_CHECK:
    return eval(m, step->value) != 0 || fail(m, step, STATUS_BAD_SHAPE, step->comment);
  case STEP_IF:
    return run_block(m, condition(m, step->buffer) ? step->then_block : step->else_block);
  case STEP_LOOP: return run_loop(m, step);
  }
  return false;
}

static bool run_block(Machine *m, const Block *block) {
  for (size_t i = 0; i < block->steps.count; i++) {
    if (!run_step(m, block->steps.items[i])) return false;
    if (m->observer) m->observer(m, block->steps.items[i], m->context);
  }
  return true;
}

/* --- ports --- */

/* Takes the symbols of one input's shape from the tensor: a lone symbol is set, everything else is
 * compared. */
static bool bind_shape(Machine *m, const Port *port, const Tensor *tensor, bool compare) {
  for (int d = 0; d < port->rank; d++) {
    const DimSymbol *symbol = dim_symbol(port->shape[d]);
    if (!compare && symbol && !m->defined[symbol->index]) define(m, symbol, tensor->dims[d]);
    if (!compare || eval(m, port->shape[d]) == tensor->dims[d]) continue;
    Str text = str_in(m->arena);
    str_addf(&text, "input '%s' has dim %d = %" PRId64 ", the model says ", port->name, d,
             tensor->dims[d]);
    dim_print(&text, port->shape[d]);
    return fail(m, NULL, STATUS_BAD_SHAPE, str_text(&text));
  }
  return true;
}

static bool check_symbol_ranges(Machine *m) {
  DimPool *pool = m->program->compilation->dims;
  for (size_t i = 0; i < dim_symbol_count(pool); i++) {
    const DimSymbol *s = dim_symbol_at(pool, i);
    if (m->defined[i] && (m->symbols[i] < s->low || m->symbols[i] > s->high))
      return fail(m, NULL, STATUS_BAD_SHAPE,
                  arena_printf(m->arena, "%s is %" PRId64 ", outside of [%" PRId64 ", %" PRId64 "]",
                               s->name, m->symbols[i], s->low, s->high));
  }
  return true;
}

static bool bind_inputs(Machine *m, const Tensor *const *inputs) {
  const Program *program = m->program;
  for (int compare = 0; compare < 2; compare++) {
    for (size_t i = 0; i < program->inputs.count; i++) {
      const Port *port = &program->inputs.items[i];
      if (inputs[i]->dtype != port->dtype || inputs[i]->rank != port->rank)
        return fail(m, NULL, STATUS_BAD_SHAPE,
                    arena_printf(m->arena, "input '%s' must be %s of rank %d, but is %s of rank %d",
                                 port->name, dtype_info(port->dtype)->name, port->rank,
                                 dtype_info(inputs[i]->dtype)->name, inputs[i]->rank));
      if (!bind_shape(m, port, inputs[i], compare)) return false;
      m->memory[port->buffer->id] = (Memory){(void *)(uintptr_t)inputs[i]->data, 0, false};
    }
  }
  return check_symbol_ranges(m);
}

static void take_outputs(Machine *m, const Tensor **outputs) {
  for (size_t i = 0; i < m->program->outputs.count; i++) {
    const Port *port = &m->program->outputs.items[i];
    int64_t dims[MAX_RANK];
    for (int d = 0; d < port->rank; d++) dims[d] = eval(m, port->shape[d]);
    void *data;
    outputs[i] = tensor_create(m->arena, port->dtype, port->rank, dims, &data);
    int64_t bytes = tensor_bytes(outputs[i]);
    if (bytes) memcpy(data, readable(m, port->buffer), (size_t)bytes);
    if (port->dtype == DT_STRING) tensor_keep_texts(m->arena, data, outputs[i]->count);
  }
}

/* Nothing is known yet but what `result` will be filled with. */
static Machine make_machine(const Program *program, Arena *arena, RunResult *result) {
  size_t symbols = dim_symbol_count(program->compilation->dims);
  *result = (RunResult){0};
  Machine m = {.program = program,
               .symbols = ARENA_ARRAY(arena, int64_t, symbols + 1),
               .defined = ARENA_ARRAY(arena, bool, symbols + 1),
               .memory = ARENA_ARRAY(arena, Memory, program->buffers.count + 1),
               .arena = arena,
               .result = result};
  result->symbols = m.symbols;
  result->defined = m.defined;
  return m;
}

bool interpret_sizes(const Program *program, const Tensor *const *inputs, Arena *arena,
                     RunResult *result) {
  Machine m = make_machine(program, arena, result);
  return bind_inputs(&m, inputs);
}

bool interpret(const Program *program, const Tensor *const *inputs, const Tensor **outputs,
               Arena *arena, RunResult *result, StepObserver observer, void *context) {
  Machine m = make_machine(program, arena, result);
  m.observer = observer;
  m.context = context;
  bool ok = bind_inputs(&m, inputs) && run_block(&m, program->body);
  if (ok) take_outputs(&m, outputs);
  for (size_t i = 0; i < program->buffers.count; i++)
    if (m.memory[i].owned) free(m.memory[i].data);
  return ok;
}
