/* epilogue.c: a loop nest that only works on a kernel's results becomes what the kernel does to
 * them before it stores them.
 *
 *   t = conv(x, w)                          y = conv(x, w) with
 *   for …: y = relu(t + bias + r)     =>        result -> relu(result + bias + r)
 *
 * The nest must visit each result once, on a CPU with functions that have a vector form, and read
 * other tensors where the result lies, by its channel, or one number for all. */
#include "passes/passes.h"
#include "passes/uses.h"

#include <string.h>

static Arg *argument_of_kind(const Step *step, ParamKind kind) {
  for (size_t i = 0; i < step->args.count; i++)
    if (step->args.items[i].kind == kind) return &step->args.items[i];
  return NULL;
}

/* Whether the kernel has a place for an epilogue where it will run. */
static bool has_place(const Compilation *c, const Step *step) {
  const DeviceKernel *device = step->kernel->device;
  return target_of(c)->device ? device && device->epilogue
                              : argument_of_kind(step, PARAM_EPILOGUE) != NULL;
}

static bool takes_epilogue(const Compilation *c, const Step *step) {
  return step && step->kind == STEP_KERNEL && !step->epilogue && step->results.count &&
         has_place(c, step);
}

/* --- conditions --- */

static bool same_offset(Dim a, Dim b) {
  return a == b || ((!a || dim_is(a, 0)) && (!b || dim_is(b, 0)));
}

/* Whether a kernel can apply it to results: C kernels to vectors of them. */
static bool fits_results(const Compilation *c, const NestOp *op) {
  if (!op->function->vector && !target_of(c)->device) return false;
  for (int i = 0; i < op->arg_count; i++) {
    const Operand *arg = &op->args[i];
    if (arg->kind == OPERAND_INT || arg->kind == OPERAND_LOOP) return false;
    if (arg->kind == OPERAND_REAL && arg->dtype != DT_F32) return false;
  }
  return true;
}

static bool ops_fit(const Compilation *c, const LoopNest *nest) {
  for (size_t i = 0; i < nest->ops.count; i++)
    if (!fits_results(c, &nest->ops.items[i])) return false;
  OperandKind kind = nest->stores.items[0].value.kind;
  return kind == OPERAND_LOAD || kind == OPERAND_TEMP;
}

/* Whether the load fits; a load of the kernel's result must be where the nest stores. */
static bool load_fits(const Step *kernel, const LoopNest *nest, const Access *load,
                      const Arg *result) {
  if (load->dtype != DT_F32) return false;
  EpilogueRead read = epilogue_read(&kernel->results, nest, load);
  if (load->buffer == result->buffer)
    return read == READS_RESULT && same_offset(load->offset, result->offset);
  return read != READS_OTHERWISE;
}

static bool nest_fits(Compilation *c, const Step *kernel, const LoopNest *nest, const Arg *result) {
  if (nest->stores.count != 1 || nest->stores.items[0].access.dtype != DT_F32) return false;
  if (dim_product(c->dims, nest->extent, (size_t)nest->rank) != kernel->results.count) return false;
  for (size_t i = 0; i < nest->loads.count; i++)
    if (!load_fits(kernel, nest, &nest->loads.items[i], result)) return false;
  return ops_fit(c, nest);
}

typedef struct {
  const Step *from, *to;
  bool conflict;
} Move;

static bool kernel_has(const Step *kernel, const Buffer *buffer, bool only_written) {
  for (size_t i = 0; i < kernel->args.count; i++) {
    const Arg *arg = &kernel->args.items[i];
    if (arg->buffer == buffer && (!only_written || arg->kind == PARAM_OUT)) return true;
  }
  return false;
}

static bool nest_loads(const LoopNest *nest, const Buffer *buffer) {
  for (size_t i = 0; i < nest->loads.count; i++)
    if (nest->loads.items[i].buffer == buffer) return true;
  return false;
}

/* The kernel moves to the nest's place: what stands between must not write what the kernel reads,
 * nor touch its scratch. */
static void check_between(BufferUse use, void *context) {
  Move *move = context;
  if (kernel_has(move->from, use.buffer, !use.writes)) move->conflict = true;
}

static bool can_move(const Block *block, size_t from, size_t to) {
  Move move = {block->steps.items[from], block->steps.items[to], false};
  for (size_t i = from + 1; i < to; i++) {
    const Step *step = block->steps.items[i];
    if (!step) continue;
    if (step->kind != STEP_KERNEL && step->kind != STEP_NEST) return false;
    step_visit_buffers(step, check_between, &move);
    if (move.conflict) return false;
  }
  return true;
}

/* --- joining --- */

static void note_node(Compilation *c, Step *step, const Node *node) {
  if (!node || node == step->node) return;
  for (size_t i = 0; i < step->fused.count; i++)
    if (step->fused.items[i] == node) return;
  vec_push(c->arena, &step->fused, node);
}

/* A copy of the kernel's step that ends with the nest's work. */
static Step *join(Compilation *c, const Step *kernel, const Step *nest_step) {
  Step *joined = ARENA_NEW(c->arena, Step);
  *joined = *kernel;
  memset(&joined->args, 0, sizeof joined->args);
  memset(&joined->fused, 0, sizeof joined->fused);
  for (size_t i = 0; i < kernel->args.count; i++)
    vec_push(c->arena, &joined->args, kernel->args.items[i]);
  Arg *result = argument_of_kind(joined, PARAM_OUT);
  LoopNest *nest = ARENA_NEW(c->arena, LoopNest);
  *nest = *nest_step->nest;
  memset(&nest->loads, 0, sizeof nest->loads);
  const Access *store = &nest->stores.items[0].access;
  for (size_t i = 0; i < nest_step->nest->loads.count; i++) {
    const Access *load = &nest_step->nest->loads.items[i];
    vec_push(c->arena, &nest->loads, load->buffer == result->buffer ? *store : *load);
  }
  result->buffer = store->buffer;
  result->offset = store->offset;
  joined->epilogue = nest;
  joined->node = nest_step->node;
  note_node(c, joined, kernel->node);
  for (size_t i = 0; i < nest_step->fused.count; i++)
    note_node(c, joined, nest_step->fused.items[i]);
  return joined;
}

/* The kernel of the block whose result only the nest at `to` reads, and that may take it; or -1. */
static int find_kernel(const BufferUses *uses, Compilation *c, const Block *block, size_t to,
                       const int *writer) {
  const LoopNest *nest = block->steps.items[to]->nest;
  for (size_t i = 0; i < nest->loads.count; i++) {
    const Buffer *buffer = nest->loads.items[i].buffer;
    int from = writer[buffer->id];
    if (from < 0 || buffer->kind != BUFFER_WORKSPACE) continue;
    const Step *kernel = block->steps.items[from];
    if (!takes_epilogue(c, kernel) || uses[buffer->id].writes != 1) continue;
    int loads = 0;
    for (size_t k = 0; k < nest->loads.count; k++) loads += nest->loads.items[k].buffer == buffer;
    const Arg *result = argument_of_kind(kernel, PARAM_OUT);
    if (result->buffer != buffer || uses[buffer->id].reads != loads) continue;
    const Buffer *stored = nest->stores.count ? nest->stores.items[0].access.buffer : NULL;
    if (!stored || kernel_has(kernel, stored, false) || nest_loads(nest, stored)) continue;
    if (nest_fits(c, kernel, nest, result) && can_move(block, (size_t)from, to)) return from;
  }
  return -1;
}

static void join_block(const BufferUses *uses, Program *program, Block *block) {
  Compilation *c = program->compilation;
  int *writer = ARENA_ARRAY(c->arena, int, program->buffers.count + 1);
  for (size_t i = 0; i <= program->buffers.count; i++) writer[i] = -1;
  for (size_t i = 0; i < block->steps.count; i++) {
    Step *step = block->steps.items[i];
    if (step->then_block) join_block(uses, program, step->then_block);
    if (step->else_block) join_block(uses, program, step->else_block);
    if (step->body) join_block(uses, program, step->body);
    int from = step->kind == STEP_NEST ? find_kernel(uses, c, block, i, writer) : -1;
    if (from >= 0) {
      block->steps.items[i] = step = join(c, block->steps.items[from], step);
      block->steps.items[from] = NULL;
    }
    if (takes_epilogue(c, step)) writer[argument_of_kind(step, PARAM_OUT)->buffer->id] = (int)i;
  }
  remove_gaps(block);
}

bool pass_epilogue(Program *program) {
  join_block(count_buffer_uses(program), program, program->body);
  return true;
}
