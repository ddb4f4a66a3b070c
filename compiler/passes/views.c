/* views.c: copies that only move a tensor into or out of a part of another one vanish: the smaller
 * tensor lives in the larger one from the start.
 *
 *   y[16:48] = x  (Concat)   every use of x becomes a use of y + 16
 *   x = y[16:48]  (Split)    likewise, if y does not change afterwards
 *
 * In the first case the writers of y must share it without overlap: they write as many elements as
 * it has. The copy must be a nest that moves all of x in order (the same strides on both sides), in
 * the outermost block. */
#include "passes/passes.h"

#include <string.h>

/* How a buffer is used in the outermost block. */
typedef struct {
  int first_write, last_write; /* positions of steps, -1: none */
  int writers;
  bool elsewhere; /* used in a nested block, or by control flow */
  bool output;    /* of the program */
} Uses;

typedef struct {
  Program *program;
  DimPool *pool;
  Uses *uses; /* by buffer id */
  int64_t
      *written; /* by buffer id: elements that the steps write in the whole program; -1: unknown */
  int position;
  bool nested;
} Views;

static void note_use(BufferUse use, void *context) {
  Views *v = context;
  Uses *uses = &v->uses[use.buffer->id];
  if (v->nested) uses->elsewhere = true;
  if (!use.writes) return;
  if (uses->first_write < 0) uses->first_write = v->position;
  if (uses->last_write != v->position) uses->writers++;
  uses->last_write = v->position;
}

static void note_step(Step *step, void *context) {
  step_visit_buffers(step, note_use, context);
}

static void note_uses(Views *v) {
  const Program *program = v->program;
  for (size_t i = 0; i < program->buffers.count; i++)
    v->uses[i] = (Uses){.first_write = -1, .last_write = -1};
  for (size_t i = 0; i < program->body->steps.count; i++) {
    Step *step = program->body->steps.items[i];
    v->position = (int)i;
    v->nested = step->kind != STEP_KERNEL && step->kind != STEP_NEST;
    step_visit_steps(step, note_step, v);
  }
  for (size_t i = 0; i < program->outputs.count; i++)
    v->uses[program->outputs.items[i].buffer->id].output = true;
}

/* --- copies --- */

/* The elements of a tensor without its halo, as a constant; -1 if they are not known. */
static int64_t content_count(const Buffer *buffer) {
  if (!buffer->halo) return dim_is_const(buffer->count) ? dim_value(buffer->count) : -1;
  const Halo *halo = buffer->halo;
  if (!dim_is_const(halo->planes) || !dim_is_const(halo->height) || !dim_is_const(halo->width))
    return -1;
  return dim_value(halo->planes) * dim_value(halo->height) * dim_value(halo->width) *
         BLOCK_CHANNELS;
}

static void add_written(Views *v, const Buffer *buffer, Dim count) {
  int64_t *written = &v->written[buffer->id];
  *written = count && dim_is_const(count) && *written >= 0 ? *written + dim_value(count) : -1;
}

static void count_written(Views *v, const Step *step) {
  if (step->kind == STEP_NEST)
    for (size_t i = 0; i < step->nest->stores.count; i++)
      add_written(v, step->nest->stores.items[i].access.buffer,
                  dim_product(v->pool, step->nest->extent, (size_t)step->nest->rank));
  bool result = true; /* the first tensor that a kernel writes */
  for (size_t i = 0; i < step->args.count; i++) {
    if (step->args.items[i].kind != PARAM_OUT || !step->args.items[i].buffer) continue;
    add_written(v, step->args.items[i].buffer, result ? step->results.count : NULL);
    result = false;
  }
}

static bool is_plain_copy(const LoopNest *nest) {
  if (nest->loads.count != 1 || nest->stores.count != 1 || nest->ops.count != 0) return false;
  const Access *from = &nest->loads.items[0], *to = &nest->stores.items[0].access;
  if (nest->stores.items[0].value.kind != OPERAND_LOAD || from->dtype != to->dtype) return false;
  if (from->buffer == to->buffer || !dim_is_const(from->offset) || !dim_is_const(to->offset))
    return false;
  for (int d = 0; d < nest->rank; d++)
    if (!dim_is(nest->extent[d], 1) && from->stride[d] != to->stride[d]) return false;
  return true;
}

/* Whether the copy moves all of `part`, and `part` fits into `whole` at `shift`. */
static bool is_part(const Views *v, const LoopNest *nest, const Buffer *part, const Buffer *whole,
                    int64_t shift) {
  Dim moved = dim_product(v->pool, nest->extent, (size_t)nest->rank);
  if (part->kind != BUFFER_WORKSPACE || v->uses[part->id].output || v->uses[part->id].elsewhere)
    return false;
  if (!dim_is_const(moved) || !dim_is_const(part->count) || !dim_is_const(whole->count))
    return false;
  if (part->dtype != whole->dtype || dim_value(moved) != content_count(part)) return false;
  return shift >= 0 && shift + dim_value(part->count) <= dim_value(whole->count);
}

/* --- substitution --- */

typedef struct {
  const Buffer *part;
  Buffer *whole;
  Dim shift;
  DimPool *pool;
} Change;

static void change(const Change *c, Buffer **buffer, Dim *offset) {
  if (*buffer != c->part) return;
  *buffer = c->whole;
  *offset = *offset ? dim_add(c->pool, *offset, c->shift) : c->shift;
}

static void change_nest(const Change *c, LoopNest *nest) {
  for (size_t i = 0; i < nest->loads.count; i++)
    change(c, &nest->loads.items[i].buffer, &nest->loads.items[i].offset);
  for (size_t i = 0; i < nest->stores.count; i++)
    change(c, &nest->stores.items[i].access.buffer, &nest->stores.items[i].access.offset);
}

static void change_block(const Change *c, Block *block) {
  for (size_t i = 0; i < block->steps.count; i++) {
    Step *step = block->steps.items[i];
    if (!step) continue;
    for (size_t k = 0; k < step->args.count; k++)
      if (step->args.items[k].buffer)
        change(c, &step->args.items[k].buffer, &step->args.items[k].offset);
    if (step->nest) change_nest(c, step->nest);
    if (step->epilogue) change_nest(c, step->epilogue);
  }
}

/* Makes one copy vanish; false if there is none that can. */
static bool remove_copy(Views *v, Block *block, int position) {
  const LoopNest *nest = block->steps.items[position]->nest;
  const Access *load = &nest->loads.items[0], *store = &nest->stores.items[0].access;
  Buffer *from = load->buffer, *to = store->buffer;
  int64_t shift = dim_value(store->offset) - dim_value(load->offset);
  const Uses *from_uses = &v->uses[from->id], *to_uses = &v->uses[to->id];
  Change c = {.pool = v->pool};
  if (to->kind == BUFFER_WORKSPACE && !to_uses->elsewhere &&
      v->written[to->id] == content_count(to) && from_uses->last_write < position &&
      is_part(v, nest, from, to, shift)) {
    c.part = from;
    c.whole = to;
    c.shift = dim_const(v->pool, shift);
  } else if (to_uses->writers == 1 && from_uses->last_write < position && !from_uses->elsewhere &&
             is_part(v, nest, to, from, -shift)) {
    c.part = to;
    c.whole = from;
    c.shift = dim_const(v->pool, -shift);
  } else {
    return false;
  }
  block->steps.items[position] = NULL;
  change_block(&c, block);
  for (size_t i = (size_t)position; i + 1 < block->steps.count; i++)
    block->steps.items[i] = block->steps.items[i + 1];
  block->steps.count--;
  return true;
}

bool pass_views(Program *program) {
  Compilation *c = program->compilation;
  Views v = {.program = program,
             .pool = c->dims,
             .uses = ARENA_ARRAY(c->arena, Uses, program->buffers.count + 1),
             .written = ARENA_ARRAY(c->arena, int64_t, program->buffers.count + 1)};
  Block *block = program->body;
  for (size_t i = 0; i < block->steps.count; i++) count_written(&v, block->steps.items[i]);
  note_uses(&v);
  for (int i = (int)block->steps.count - 1; i >= 0; i--) {
    const Step *step = block->steps.items[i];
    if (step->kind == STEP_NEST && is_plain_copy(step->nest) && remove_copy(&v, block, i))
      note_uses(&v);
  }
  return true;
}
