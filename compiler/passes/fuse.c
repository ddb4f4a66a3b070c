/* fuse.c: a loop nest whose only result is read by one other nest becomes part of that nest.
 *
 *   for [N]: t = x + b;  y1 = t          for [N]: t = x + b; u = relu(t); y2 = u
 *   for [N]: u = relu(y1); y2 = u   =>
 *
 * Both must run over the same iterations, the consumer reading each element where the producer
 * wrote it. A nest with a single dense loop is taken over the loops of the other one if the number
 * of iterations is the same. */
#include "passes/passes.h"
#include "passes/uses.h"

#include <string.h>

enum { MOST_LOADS = 12, MOST_OPS = 48 };

typedef struct {
  Compilation *c;
  BufferUses *uses; /* by buffer id */
} Fuser;

/* --- the same iterations --- */

static bool same_access(const Access *a, const Access *b, int rank) {
  if (a->buffer != b->buffer || a->offset != b->offset) return false;
  for (int d = 0; d < rank; d++)
    if (a->stride[d] != b->stride[d]) return false;
  return true;
}

static bool same_extents(const LoopNest *a, const LoopNest *b) {
  if (a->rank != b->rank) return false;
  for (int d = 0; d < a->rank; d++)
    if (a->extent[d] != b->extent[d]) return false;
  return true;
}

static bool reads_loop_index(const LoopNest *nest) {
  for (size_t i = 0; i < nest->ops.count; i++)
    for (int k = 0; k < nest->ops.items[i].arg_count; k++)
      if (nest->ops.items[i].args[k].kind == OPERAND_LOOP) return true;
  for (size_t i = 0; i < nest->stores.count; i++)
    if (nest->stores.items[i].value.kind == OPERAND_LOOP) return true;
  return false;
}

static void spread_access(Compilation *c, Access *access, const LoopNest *like) {
  Dim run = access->stride[0];
  for (int d = like->rank - 1; d >= 0; d--) {
    access->stride[d] = run;
    run = dim_mul(c->dims, run, like->extent[d]);
  }
}

/* A copy of the one-loop `nest` over the loops of `like`, or NULL if that is not possible. */
static LoopNest *spread_over(Compilation *c, const LoopNest *nest, const LoopNest *like) {
  if (nest->rank != 1 || reads_loop_index(nest)) return NULL;
  if (dim_product(c->dims, like->extent, (size_t)like->rank) != nest->extent[0]) return NULL;
  LoopNest *copy = ARENA_NEW(c->arena, LoopNest);
  copy->rank = like->rank;
  memcpy(copy->extent, like->extent, sizeof copy->extent);
  for (size_t i = 0; i < nest->loads.count; i++) {
    Access access = nest->loads.items[i];
    spread_access(c, &access, like);
    vec_push(c->arena, &copy->loads, access);
  }
  for (size_t i = 0; i < nest->ops.count; i++) vec_push(c->arena, &copy->ops, nest->ops.items[i]);
  for (size_t i = 0; i < nest->stores.count; i++) {
    NestStore store = nest->stores.items[i];
    spread_access(c, &store.access, like);
    vec_push(c->arena, &copy->stores, store);
  }
  return copy;
}

/* --- joining --- */

/* An operand of `nest` as an operand of the joined nest, where loads and operations stand behind
 * those of the other nest. */
static Operand shifted(Operand operand, int loads, int ops) {
  if (operand.kind == OPERAND_LOAD) operand.index += loads;
  if (operand.kind == OPERAND_TEMP) operand.index += ops;
  return operand;
}

/* An operand of the consumer: loads of the producer's result become the producer's value. */
static Operand consumer_operand(const LoopNest *producer, const LoopNest *consumer,
                                Operand operand) {
  if (operand.kind == OPERAND_LOAD &&
      consumer->loads.items[operand.index].buffer == producer->stores.items[0].access.buffer)
    return producer->stores.items[0].value;
  return shifted(operand, (int)producer->loads.count, (int)producer->ops.count);
}

static LoopNest *join(Compilation *c, const LoopNest *producer, const LoopNest *consumer) {
  LoopNest *joined = ARENA_NEW(c->arena, LoopNest);
  joined->rank = consumer->rank;
  memcpy(joined->extent, consumer->extent, sizeof joined->extent);
  for (size_t i = 0; i < producer->loads.count; i++)
    vec_push(c->arena, &joined->loads, producer->loads.items[i]);
  for (size_t i = 0; i < consumer->loads.count; i++)
    vec_push(c->arena, &joined->loads, consumer->loads.items[i]);
  for (size_t i = 0; i < producer->ops.count; i++)
    vec_push(c->arena, &joined->ops, producer->ops.items[i]);
  for (size_t i = 0; i < consumer->ops.count; i++) {
    NestOp op = consumer->ops.items[i];
    for (int k = 0; k < op.arg_count; k++)
      op.args[k] = consumer_operand(producer, consumer, op.args[k]);
    vec_push(c->arena, &joined->ops, op);
  }
  for (size_t i = 0; i < consumer->stores.count; i++) {
    NestStore store = consumer->stores.items[i];
    store.value = consumer_operand(producer, consumer, store.value);
    vec_push(c->arena, &joined->stores, store);
  }
  return joined;
}

static bool operand_reads(const Operand *operand, int load) {
  return operand->kind == OPERAND_LOAD && operand->index == load;
}

static bool load_is_used(const LoopNest *nest, int load) {
  for (size_t i = 0; i < nest->ops.count; i++)
    for (int k = 0; k < nest->ops.items[i].arg_count; k++)
      if (operand_reads(&nest->ops.items[i].args[k], load)) return true;
  for (size_t i = 0; i < nest->stores.count; i++)
    if (operand_reads(&nest->stores.items[i].value, load)) return true;
  return false;
}

static void replace_load(LoopNest *nest, int from, int to) {
  for (size_t i = 0; i < nest->ops.count; i++)
    for (int k = 0; k < nest->ops.items[i].arg_count; k++)
      if (operand_reads(&nest->ops.items[i].args[k], from)) nest->ops.items[i].args[k].index = to;
  for (size_t i = 0; i < nest->stores.count; i++)
    if (operand_reads(&nest->stores.items[i].value, from)) nest->stores.items[i].value.index = to;
}

/* Loads that nobody uses go away, and equal ones become one. */
static void tidy_loads(LoopNest *nest) {
  size_t kept = 0;
  for (size_t i = 0; i < nest->loads.count; i++) {
    if (!load_is_used(nest, (int)i)) continue;
    size_t same = 0;
    while (same < kept && !same_access(&nest->loads.items[same], &nest->loads.items[i], nest->rank))
      same++;
    nest->loads.items[same] = nest->loads.items[i];
    replace_load(nest, (int)i, (int)same);
    if (same == kept) kept++;
  }
  nest->loads.count = kept;
}

/* --- conditions --- */

static bool load_reads(const LoopNest *nest, const Buffer *buffer) {
  for (size_t i = 0; i < nest->loads.count; i++)
    if (nest->loads.items[i].buffer == buffer) return true;
  return false;
}

/* Every load of the result reads it exactly where it was written. */
static bool reads_in_place(const LoopNest *producer, const LoopNest *consumer) {
  const Access *store = &producer->stores.items[0].access;
  for (size_t i = 0; i < consumer->loads.count; i++)
    if (consumer->loads.items[i].buffer == store->buffer &&
        !same_access(&consumer->loads.items[i], store, consumer->rank))
      return false;
  return true;
}

/* A nest must not overwrite what it still has to read. */
static bool stores_are_safe(const LoopNest *nest) {
  for (size_t i = 0; i < nest->stores.count; i++)
    for (size_t k = 0; k < nest->loads.count; k++)
      if (nest->loads.items[k].buffer == nest->stores.items[i].access.buffer &&
          !same_access(&nest->loads.items[k], &nest->stores.items[i].access, nest->rank))
        return false;
  return true;
}

static bool is_that_symbol(const DimSymbol *symbol, void *context) {
  return symbol == context;
}

static bool dim_has(Dim dim, const DimSymbol *symbol) {
  return dim && dim_any_symbol(dim, is_that_symbol, (void *)(uintptr_t)symbol);
}

static bool access_has(const Access *access, int rank, const DimSymbol *symbol) {
  for (int d = 0; d < rank; d++)
    if (dim_has(access->stride[d], symbol)) return true;
  return dim_has(access->offset, symbol);
}

/* Whether a size that the nest uses mentions the symbol. */
static bool nest_has(const LoopNest *nest, const DimSymbol *symbol) {
  for (int d = 0; d < nest->rank; d++)
    if (dim_has(nest->extent[d], symbol)) return true;
  for (size_t i = 0; i < nest->loads.count; i++)
    if (access_has(&nest->loads.items[i], nest->rank, symbol)) return true;
  for (size_t i = 0; i < nest->ops.count; i++)
    for (int k = 0; k < nest->ops.items[i].arg_count; k++)
      if (dim_has(nest->ops.items[i].args[k].dim, symbol)) return true;
  for (size_t i = 0; i < nest->stores.count; i++)
    if (access_has(&nest->stores.items[i].access, nest->rank, symbol) ||
        dim_has(nest->stores.items[i].value.dim, symbol))
      return true;
  return false;
}

/* A nest that is to move over other steps. */
typedef struct {
  const LoopNest *nest;
  bool conflict;
} Move;

static void check_overwrite(BufferUse use, void *context) {
  Move *move = context;
  if (use.writes && load_reads(move->nest, use.buffer)) move->conflict = true;
}

static void check_step(Step *step, void *context) {
  Move *move = context;
  step_visit_buffers(step, check_overwrite, move);
  if ((step->symbol && nest_has(move->nest, step->symbol)) ||
      (step->trips && nest_has(move->nest, step->trips)))
    move->conflict = true;
}

/* Whether the producer at `from` may as well run at `to`: nobody between them overwrites what it
 * reads or sets sizes that it uses. */
static bool can_move(const Block *block, size_t from, size_t to) {
  Move move = {block->steps.items[from]->nest, false};
  for (size_t i = from + 1; i < to && !move.conflict; i++)
    if (block->steps.items[i]) step_visit_steps(block->steps.items[i], check_step, &move);
  return !move.conflict;
}

/* The nest that results if the step at `from` is taken into the one at `to`, or NULL. */
static LoopNest *try_fuse(Fuser *f, const Block *block, size_t from, size_t to) {
  const LoopNest *producer = block->steps.items[from]->nest,
                 *consumer = block->steps.items[to]->nest;
  if (producer->stores.count != 1) return NULL;
  if (producer->loads.count + consumer->loads.count > MOST_LOADS + 1) return NULL;
  if (producer->ops.count + consumer->ops.count > MOST_OPS) return NULL;
  const Buffer *result = producer->stores.items[0].access.buffer;
  if (result->kind != BUFFER_WORKSPACE) return NULL;
  if (f->uses[result->id].writes != 1) return NULL;
  if (!same_extents(producer, consumer)) {
    const LoopNest *wider = spread_over(f->c, producer, consumer);
    if (wider)
      producer = wider;
    else
      consumer = spread_over(f->c, consumer, producer);
    if (!consumer) return NULL;
  }
  if (!reads_in_place(producer, consumer) || !can_move(block, from, to)) return NULL;
  LoopNest *joined = join(f->c, producer, consumer);
  tidy_loads(joined);
  return stores_are_safe(joined) ? joined : NULL;
}

/* The nodes of the producer stand before those that the step took in earlier: producers are found
 * from the end. */
static void note_fused(Compilation *c, Step *step, const Step *producer) {
  Step earlier = *step;
  memset(&step->fused, 0, sizeof step->fused);
  for (size_t i = 0; i < producer->fused.count; i++)
    vec_push(c->arena, &step->fused, producer->fused.items[i]);
  if (producer->node && producer->node != step->node)
    vec_push(c->arena, &step->fused, producer->node);
  for (size_t i = 0; i < earlier.fused.count; i++)
    vec_push(c->arena, &step->fused, earlier.fused.items[i]);
}

/* Buffers that both nests read have one reader less once the nests are one. */
static void merge_readers(Fuser *f, const LoopNest *producer, const LoopNest *consumer) {
  for (size_t i = 0; i < producer->loads.count; i++) {
    const Buffer *buffer = producer->loads.items[i].buffer;
    bool seen = false;
    for (size_t k = 0; k < i; k++) seen = seen || producer->loads.items[k].buffer == buffer;
    if (!seen && load_reads(consumer, buffer)) f->uses[buffer->id].reads--;
  }
}

/* Takes one producer into the nest at `to`; false if there is none to take. `writer` is, by buffer
 * id, the nest of the block that writes the buffer, or -1. */
static bool fuse_into(Fuser *f, Block *block, size_t to, const int *writer) {
  Step *step = block->steps.items[to];
  for (size_t i = 0; i < step->nest->loads.count; i++) {
    const Buffer *buffer = step->nest->loads.items[i].buffer;
    int from = writer[buffer->id];
    if (from < 0 || f->uses[buffer->id].reads != 1) continue;
    const Step *producer = block->steps.items[from];
    LoopNest *joined = try_fuse(f, block, (size_t)from, to);
    if (!joined) continue;
    merge_readers(f, producer->nest, step->nest);
    step->nest = joined;
    note_fused(f->c, step, producer);
    block->steps.items[from] = NULL;
    return true;
  }
  return false;
}

/* A nest that loads a buffer twice (x * x) is one reader. */
static void count_readers_once(Fuser *f, const Block *block) {
  for (size_t i = 0; i < block->steps.count; i++) {
    const Step *step = block->steps.items[i];
    if (step->kind != STEP_NEST) continue;
    for (size_t a = 0; a < step->nest->loads.count; a++)
      for (size_t b = 0; b < a; b++)
        if (step->nest->loads.items[a].buffer == step->nest->loads.items[b].buffer) {
          f->uses[step->nest->loads.items[a].buffer->id].reads--;
          break;
        }
  }
}

static void fuse_block(Fuser *f, Program *program, Block *block) {
  int *writer = ARENA_ARRAY(f->c->arena, int, program->buffers.count + 1);
  for (size_t i = 0; i <= program->buffers.count; i++) writer[i] = -1;
  count_readers_once(f, block);
  for (size_t i = 0; i < block->steps.count; i++) {
    Step *step = block->steps.items[i];
    if (step->then_block) fuse_block(f, program, step->then_block);
    if (step->else_block) fuse_block(f, program, step->else_block);
    if (step->body) fuse_block(f, program, step->body);
    if (step->kind != STEP_NEST) continue;
    while (fuse_into(f, block, i, writer)) continue;
    if (step->nest->stores.count == 1)
      writer[step->nest->stores.items[0].access.buffer->id] = (int)i;
  }
  remove_gaps(block);
}

bool pass_fuse(Program *program) {
  Compilation *c = program->compilation;
  Fuser fuser = {c, count_buffer_uses(program)};
  fuse_block(&fuser, program, program->body);
  return true;
}
