/* prune.c: removes steps whose results nobody reads: data symbols that no size mentions, and
 * tensors that are never read. */
#include "passes/passes.h"

typedef struct {
  bool *symbols; /* by index: mentioned somewhere */
  bool *read;    /* by buffer id */
} Live;

static bool mark_symbol(const DimSymbol *symbol, void *context) {
  ((Live *)context)->symbols[symbol->index] = true;
  return false;
}

static void mark_dim(Live *live, Dim dim) {
  if (dim) dim_any_symbol(dim, mark_symbol, live);
}

static void mark_read(BufferUse use, void *context) {
  if (use.reads) ((Live *)context)->read[use.buffer->id] = true;
}

static void mark_access(Live *live, const Access *access, int rank) {
  mark_dim(live, access->offset);
  for (int d = 0; d < rank; d++) mark_dim(live, access->stride[d]);
}

static void mark_nest(Live *live, const LoopNest *nest) {
  for (int d = 0; d < nest->rank; d++) mark_dim(live, nest->extent[d]);
  for (size_t i = 0; i < nest->loads.count; i++)
    mark_access(live, &nest->loads.items[i], nest->rank);
  for (size_t i = 0; i < nest->stores.count; i++) {
    mark_access(live, &nest->stores.items[i].access, nest->rank);
    mark_dim(live, nest->stores.items[i].value.dim);
  }
  for (size_t i = 0; i < nest->ops.count; i++)
    for (int k = 0; k < nest->ops.items[i].arg_count; k++)
      mark_dim(live, nest->ops.items[i].args[k].dim);
}

static void mark_args(Live *live, const Step *step) {
  for (size_t i = 0; i < step->args.count; i++) {
    const Arg *arg = &step->args.items[i];
    mark_dim(live, arg->offset);
    mark_dim(live, arg->dim);
    for (int k = 0; k < arg->dim_count; k++) mark_dim(live, arg->dims[k]);
  }
}

static void mark_step(Step *step, void *context) {
  Live *live = context;
  step_visit_buffers(step, mark_read, live);
  mark_dim(live, step->value);
  mark_dim(live, step->element);
  mark_args(live, step);
  if (step->nest) mark_nest(live, step->nest);
}

static void mark_writes(BufferUse use, void *context) {
  const Live *live = ((void **)context)[0];
  bool *needed = ((void **)context)[1];
  bool outside = use.buffer->kind == BUFFER_OUTPUT || use.buffer->lasting;
  if (use.writes && (live->read[use.buffer->id] || outside)) *needed = true;
}

static bool is_needed(const Live *live, const Step *step) {
  if (step->kind == STEP_DEFINE) return live->symbols[step->symbol->index];
  if (step->kind != STEP_KERNEL && step->kind != STEP_NEST) return true;
  bool needed = false;
  void *context[] = {(void *)(uintptr_t)live, &needed};
  step_visit_buffers(step, mark_writes, context);
  return needed;
}

static bool prune_block(const Live *live, Block *block) {
  size_t kept = 0;
  bool changed = false;
  for (size_t i = 0; i < block->steps.count; i++) {
    Step *step = block->steps.items[i];
    if (step->then_block) changed |= prune_block(live, step->then_block);
    if (step->else_block) changed |= prune_block(live, step->else_block);
    if (step->body) changed |= prune_block(live, step->body);
    /* The capacity of an open symbol is what the loop has to keep to. */
    if (step->trips && !live->symbols[step->trips->index] && !dim_symbol_is_open(step->trips))
      step->trips = NULL;
    if (is_needed(live, step)) block->steps.items[kept++] = step;
  }
  changed |= kept < block->steps.count;
  block->steps.count = kept;
  return changed;
}

/* A check whose condition was checked earlier in the same block, its symbols unchanged since, tells
 * nothing. */
static void drop_repeated_checks(Compilation *c, Block *block) {
  Vec(Dim) seen = {0};
  size_t kept = 0;
  for (size_t i = 0; i < block->steps.count; i++) {
    Step *step = block->steps.items[i];
    bool repeated = false;
    if (step->then_block) drop_repeated_checks(c, step->then_block);
    if (step->else_block) drop_repeated_checks(c, step->else_block);
    if (step->body) drop_repeated_checks(c, step->body);
    if (step->kind == STEP_DEFINE || step->kind == STEP_IF || step->kind == STEP_LOOP)
      seen.count = 0;
    if (step->kind == STEP_CHECK) {
      for (size_t k = 0; k < seen.count; k++) repeated = repeated || seen.items[k] == step->value;
      if (!repeated) vec_push(c->arena, &seen, step->value);
    }
    if (!repeated) block->steps.items[kept++] = step;
  }
  block->steps.count = kept;
}

static void mark_ports(Live *live, const Program *program) {
  for (size_t i = 0; i < program->outputs.count; i++)
    for (int d = 0; d < program->outputs.items[i].rank; d++)
      mark_dim(live, program->outputs.items[i].shape[d]);
}

bool pass_prune(Program *program) {
  Compilation *c = program->compilation;
  bool changed = true;
  drop_repeated_checks(c, program->body);
  while (changed) {
    Live live = {ARENA_ARRAY(c->arena, bool, dim_symbol_count(c->dims) + 1),
                 ARENA_ARRAY(c->arena, bool, program->buffers.count + 1)};
    block_visit_steps(program->body, mark_step, &live);
    mark_ports(&live, program);
    changed = prune_block(&live, program->body);
  }
  return true;
}
