/* program.c: visiting, printing and verifying programs. */
#include "ir/program.h"

#include <string.h>

static void visit_one(void (*visit)(BufferUse, void *), void *context, Buffer *buffer, bool reads,
                      bool writes) {
  if (buffer) visit((BufferUse){buffer, reads, writes}, context);
}

bool epilogue_loads_result(const LoopNest *epilogue, const Access *load) {
  const Access *store = &epilogue->stores.items[0].access;
  bool both_first =
      (!load->offset || dim_is(load->offset, 0)) && (!store->offset || dim_is(store->offset, 0));
  return load->buffer == store->buffer && (load->offset == store->offset || both_first);
}

/* A kernel may read what it writes (accumulators, scratch), so a written argument counts as written
 * only: what was in it before the call is never needed, unless the same buffer is also an input. */
static void visit_kernel(const Step *step, void (*visit)(BufferUse, void *), void *context) {
  for (size_t i = 0; i < step->args.count; i++) {
    const Arg *arg = &step->args.items[i];
    if (arg->kind == PARAM_IN) visit_one(visit, context, arg->buffer, true, false);
    if (arg->kind == PARAM_OUT) visit_one(visit, context, arg->buffer, false, true);
  }
  if (!step->epilogue) return;
  for (size_t i = 0; i < step->epilogue->loads.count; i++) {
    const Access *load = &step->epilogue->loads.items[i];
    if (!epilogue_loads_result(step->epilogue, load))
      visit_one(visit, context, load->buffer, true, false);
  }
}

static void visit_nest(const LoopNest *nest, void (*visit)(BufferUse, void *), void *context) {
  for (size_t i = 0; i < nest->loads.count; i++)
    visit_one(visit, context, nest->loads.items[i].buffer, true, false);
  for (size_t i = 0; i < nest->stores.count; i++)
    visit_one(visit, context, nest->stores.items[i].access.buffer, false, true);
}

void step_visit_buffers(const Step *step, void (*visit)(BufferUse use, void *context),
                        void *context) {
  switch (step->kind) {
  case STEP_KERNEL: visit_kernel(step, visit, context); break;
  case STEP_NEST: visit_nest(step->nest, visit, context); break;
  case STEP_DEFINE:
  case STEP_IF:
  case STEP_LOOP: visit_one(visit, context, step->buffer, true, false); break;
  case STEP_CHECK: break;
  }
}

void step_visit_steps(Step *step, void (*visit)(Step *step, void *context), void *context) {
  visit(step, context);
  block_visit_steps(step->then_block, visit, context);
  block_visit_steps(step->else_block, visit, context);
  block_visit_steps(step->body, visit, context);
}

void block_visit_steps(const Block *block, void (*visit)(Step *step, void *context),
                       void *context) {
  for (size_t i = 0; block && i < block->steps.count; i++)
    step_visit_steps(block->steps.items[i], visit, context);
}

typedef struct {
  void (*visit)(BufferUse use, void *context);
  void *context;
} BufferVisitor;

static void visit_buffers(Step *step, void *context) {
  const BufferVisitor *visitor = context;
  step_visit_buffers(step, visitor->visit, visitor->context);
}

void block_visit_buffers(const Block *block, void (*visit)(BufferUse use, void *context),
                         void *context) {
  BufferVisitor visitor = {visit, context};
  block_visit_steps(block, visit_buffers, &visitor);
}

bool results_are_planes(const Results *results) {
  return results->plane && dim_is(results->block, 1);
}

/* The stride with which a tensor that has one number a channel must be read along loop `d` of the
 * nest: 1 among the lanes of a block, the block's size from block to block, 0 elsewhere; -1 where a
 * loop runs over lanes of several blocks. */
static int64_t channel_stride(const Results *results, const LoopNest *nest, int d) {
  Dim stride = nest->stores.items[0].access.stride[d], extent = nest->extent[d];
  if (dim_is(stride, 1) && !results_are_planes(results)) return extent == results->block ? 1 : -1;
  if (!results->plane || stride != results->plane) return 0;
  for (int outer = 0; outer < d; outer++) /* one block only: the loop over images looks the same */
    if (nest->stores.items[0].access.stride[outer] == stride) return 0;
  return dim_value(results->block);
}

static bool reads_channel(const Results *results, const LoopNest *nest, const Access *access) {
  for (int d = 0; d < nest->rank; d++)
    if (!dim_is_const(access->stride[d]) ||
        dim_value(access->stride[d]) != channel_stride(results, nest, d))
      return false;
  return true;
}

EpilogueRead epilogue_read(const Results *results, const LoopNest *nest, const Access *access) {
  const Access *store = &nest->stores.items[0].access;
  bool same = true, number = true;
  for (int d = 0; d < nest->rank; d++) {
    same = same && access->stride[d] == store->stride[d];
    number = number && dim_is(access->stride[d], 0);
  }
  if (number) return READS_NUMBER;
  if (same) return READS_RESULT;
  return reads_channel(results, nest, access) ? READS_CHANNEL : READS_OTHERWISE;
}

static void number_step(Step *step, void *context) {
  int *next = context;
  step->number = (*next)++;
}

int program_number_steps(const Program *program) {
  int count = 0;
  block_visit_steps(program->body, number_step, &count);
  return count;
}

typedef struct {
  bool *seen; /* by buffer id */
  int64_t bytes;
} WeightSum;

static void add_weight(BufferUse use, void *context) {
  WeightSum *sum = context;
  if (use.buffer->kind != BUFFER_CONSTANT || sum->seen[use.buffer->id]) return;
  sum->seen[use.buffer->id] = true;
  sum->bytes += tensor_bytes(use.buffer->constant);
}

int64_t program_weights_bytes(const Program *program) {
  WeightSum sum = {ARENA_ARRAY(program->compilation->arena, bool, program->buffers.count + 1), 0};
  block_visit_buffers(program->body, add_weight, &sum);
  return sum.bytes;
}

/* --- printing --- */

static void print_buffer(Str *out, const Buffer *buffer, Dim offset) {
  static const char *const prefixes[] = {"b", "in", "out", "c"};
  if (!buffer) {
    str_add(out, "none");
    return;
  }
  bool port = buffer->kind == BUFFER_INPUT || buffer->kind == BUFFER_OUTPUT;
  str_addf(out, "%%%s%d", prefixes[buffer->kind], port ? buffer->index : buffer->id);
  if (offset && !dim_is(offset, 0)) {
    str_add(out, "+");
    dim_print(out, offset);
  }
}

static void print_arg(Str *out, const Arg *arg) {
  switch (arg->kind) {
  case PARAM_IN:
  case PARAM_OUT: print_buffer(out, arg->buffer, arg->offset); break;
  case PARAM_DIM: dim_print(out, arg->dim); break;
  case PARAM_DIMS: dims_print(out, arg->dims, arg->dim_count); break;
  case PARAM_REAL:
  case PARAM_SCALAR: str_addf(out, "%g", arg->real); break;
  case PARAM_EPILOGUE:
  case PARAM_EPILOGUE_ROW:
  case PARAM_OPERANDS:
  case PARAM_PART:
  case PARAM_FIRST:
  case PARAM_LAST: break;
  }
}

static void print_access(Str *out, const Access *access, int rank) {
  print_buffer(out, access->buffer, access->offset);
  dims_print(out, access->stride, rank);
}

static void print_operand(Str *out, const Operand *operand) {
  switch (operand->kind) {
  case OPERAND_LOAD: str_addf(out, "x%d", operand->index); break;
  case OPERAND_TEMP: str_addf(out, "t%d", operand->index); break;
  case OPERAND_REAL: str_addf(out, "%.9g", operand->real); break;
  case OPERAND_INT: dim_print(out, operand->dim); break;
  case OPERAND_LOOP: str_addf(out, "i%d", operand->index); break;
  }
}

static void print_nest(Str *out, const LoopNest *nest, const char *indent) {
  str_add(out, "for ");
  dims_print(out, nest->extent, nest->rank);
  str_add(out, "\n");
  for (size_t i = 0; i < nest->loads.count; i++) {
    str_addf(out, "%s    x%zu = ", indent, i);
    print_access(out, &nest->loads.items[i], nest->rank);
    str_add(out, "\n");
  }
  for (size_t i = 0; i < nest->ops.count; i++) {
    const NestOp *op = &nest->ops.items[i];
    str_addf(out, "%s    t%zu = %s(", indent, i, op->function->name);
    for (int k = 0; k < op->arg_count; k++) {
      if (k) str_add(out, ", ");
      print_operand(out, &op->args[k]);
    }
    str_add(out, ")\n");
  }
  for (size_t i = 0; i < nest->stores.count; i++) {
    str_addf(out, "%s    ", indent);
    print_access(out, &nest->stores.items[i].access, nest->rank);
    str_add(out, " = ");
    print_operand(out, &nest->stores.items[i].value);
    str_add(out, "\n");
  }
}

static void print_block(Str *out, const Block *block, int depth);

static void print_step(Str *out, const Step *step, int depth) {
  char indent[64];
  snprintf(indent, sizeof indent, "%*s", depth < 30 ? depth * 2 : 60, "");
  str_add(out, indent);
  switch (step->kind) {
  case STEP_KERNEL:
    str_addf(out, "%s(", step->kernel->name);
    for (size_t i = 0; i < step->args.count; i++) {
      if (i) str_add(out, ", ");
      print_arg(out, &step->args.items[i]);
    }
    str_add(out, ")\n");
    break;
  case STEP_NEST: print_nest(out, step->nest, indent); break;
  case STEP_DEFINE:
    str_addf(out, "%s = ", step->symbol->name);
    if (step->buffer) {
      print_buffer(out, step->buffer, NULL);
      str_add(out, "[");
      dim_print(out, step->element);
      str_add(out, "]");
    } else {
      dim_print(out, step->value);
    }
    str_add(out, "\n");
    break;
  case STEP_CHECK:
    str_add(out, "check ");
    dim_print(out, step->value);
    str_addf(out, "  # %s\n", step->comment ? step->comment : "");
    break;
  case STEP_IF:
    str_add(out, "if ");
    print_buffer(out, step->buffer, NULL);
    str_add(out, "\n");
    print_block(out, step->then_block, depth + 1);
    str_addf(out, "%selse\n", indent);
    print_block(out, step->else_block, depth + 1);
    break;
  case STEP_LOOP:
    str_addf(out, "loop %s < ", step->symbol->name);
    if (step->value) dim_print(out, step->value);
    if (step->buffer) {
      str_add(out, " while ");
      print_buffer(out, step->buffer, NULL);
    }
    str_add(out, "\n");
    print_block(out, step->body, depth + 1);
    break;
  }
}

static void print_block(Str *out, const Block *block, int depth) {
  for (size_t i = 0; i < block->steps.count; i++) print_step(out, block->steps.items[i], depth);
}

static void print_port(Str *out, const char *kind, const Port *port) {
  str_addf(out, "%s '%s' %s", kind, port->name, dtype_info(port->dtype)->name);
  dims_print(out, port->shape, port->rank);
  str_add(out, " = ");
  print_buffer(out, port->buffer, NULL);
  str_add(out, "\n");
}

void program_print(Str *out, const Program *program) {
  for (size_t i = 0; i < program->inputs.count; i++)
    print_port(out, "input", &program->inputs.items[i]);
  for (size_t i = 0; i < program->outputs.count; i++)
    print_port(out, "output", &program->outputs.items[i]);
  for (size_t i = 0; i < program->buffers.count; i++) {
    const Buffer *buffer = program->buffers.items[i];
    bool unused = program->workspace_bytes && buffer->first < 0;
    if (buffer->kind != BUFFER_WORKSPACE || unused) continue;
    str_addf(out, "buffer %%b%d %s[", buffer->id, dtype_info(buffer->dtype)->name);
    dim_print(out, buffer->count);
    str_add(out, "]");
    if (buffer->offset) {
      str_add(out, " at ");
      dim_print(out, buffer->offset);
    }
    if (buffer->merged_into) {
      str_add(out, " in ");
      print_buffer(out, buffer->merged_into, NULL);
    }
    str_addf(out, "  # %s\n", buffer->name ? buffer->name : "");
  }
  print_block(out, program->body, 0);
}

/* --- verifying --- */

/* Tensors of bool are uint8_t, those of f16 and bf16 uint16_t: kernels made for the storage type
 * take them. */
static bool same_storage(DType a, DType b) {
  return strcmp(dtype_info(a)->c_type, dtype_info(b)->c_type) == 0;
}

static void verify_kernel(const Step *step) {
  const Kernel *kernel = step->kernel;
  CTC_ASSERT(kernel && !kernel->is_scalar);
  CTC_ASSERT((int)step->args.count == kernel->param_count);
  for (int i = 0; i < kernel->param_count; i++) {
    const Arg *arg = &step->args.items[i];
    const KernelParam *param = &kernel->params[i];
    CTC_ASSERT(arg->kind == param->kind);
    if (arg->buffer && param->dtype != DT_NONE)
      CTC_ASSERT(same_storage(arg->buffer->dtype, param->dtype));
    if (arg->kind == PARAM_OUT && arg->buffer) CTC_ASSERT(arg->buffer->kind != BUFFER_CONSTANT);
    if (arg->kind == PARAM_DIM) CTC_ASSERT(arg->dim != NULL);
    if (arg->kind == PARAM_LAST) CTC_ASSERT(step->units != NULL);
  }
  if (step->epilogue) CTC_ASSERT(step->epilogue->stores.count == 1);
}

static void verify_operand(const LoopNest *nest, size_t op, const Operand *operand, DType dtype) {
  CTC_ASSERT(same_storage(operand->dtype, dtype));
  if (operand->kind == OPERAND_LOAD) CTC_ASSERT((size_t)operand->index < nest->loads.count);
  if (operand->kind == OPERAND_TEMP) CTC_ASSERT((size_t)operand->index < op);
  if (operand->kind == OPERAND_LOOP) CTC_ASSERT(operand->index < nest->rank);
}

static void verify_nest(const LoopNest *nest) {
  CTC_ASSERT(nest->rank >= 0 && nest->rank <= MAX_RANK);
  for (size_t i = 0; i < nest->ops.count; i++) {
    const NestOp *op = &nest->ops.items[i];
    CTC_ASSERT(op->function && op->function->is_scalar);
    CTC_ASSERT(op->arg_count == op->function->param_count);
    for (int k = 0; k < op->arg_count; k++)
      verify_operand(nest, i, &op->args[k], op->function->params[k].dtype);
  }
  for (size_t i = 0; i < nest->stores.count; i++) {
    const NestStore *store = &nest->stores.items[i];
    CTC_ASSERT(store->access.buffer->kind != BUFFER_CONSTANT);
    CTC_ASSERT(same_storage(store->access.dtype, store->access.buffer->dtype));
    verify_operand(nest, nest->ops.count, &store->value, store->access.dtype);
  }
}

static void verify_step(Step *step, void *context) {
  (void)context;
  if (step->kind == STEP_KERNEL) verify_kernel(step);
  if (step->kind == STEP_NEST) verify_nest(step->nest);
  if (step->kind == STEP_DEFINE) CTC_ASSERT(step->symbol && (step->value || step->buffer));
  if (step->kind == STEP_IF) CTC_ASSERT(step->buffer && step->then_block && step->else_block);
  if (step->kind == STEP_LOOP) CTC_ASSERT(step->body);
}

void program_verify(const Program *program) {
  block_visit_steps(program->body, verify_step, NULL);
}
