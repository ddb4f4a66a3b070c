/* liveness.c: lifetimes of workspace buffers, and in-place reuse.
 *
 * A lifetime is one interval of positions, from the first to the last use in the numbered program.
 * Loops need care, as their bodies run again and again:
 *
 *   p    loop                     x is written before the loop and read in it: live until q, the
 * next iteration reads it too. p+1    y = f(x)               y stays inside of one iteration: its
 * interval is as it would be without a loop. p+2    s = g(s, y)            s is read before it is
 * written in the body: carried, live from p to q. q    end of the loop
 *
 * Branches need none: what is local to the then-branch and what is local to the else-branch have
 * disjoint intervals; what is written in both and used later is live from its first write on, which
 * covers the else-branch. */
#include "passes/liveness.h"

#include <string.h>

typedef struct {
  int begin, end; /* positions before and behind the body */
} LoopSpan;

typedef Vec(BufferUse) UseList;

typedef struct {
  Program *program;
  int position;
  bool *written;       /* by buffer id: on every way to this position something was written */
  Vec(Buffer *) trail; /* buffers marked in `written`, in order, for taking marks back */
  bool *exposed;       /* by buffer id: read somewhere before it was written */
  Vec(LoopSpan) loops; /* inner ones before the ones around them */
  Arena *arena;
  UseList uses; /* of the step at hand */
} Walk;

static void collect_use(BufferUse use, void *context) {
  Walk *walk = context;
  if (use.buffer->kind == BUFFER_WORKSPACE) vec_push(walk->arena, &walk->uses, use);
}

static void touch(Buffer *buffer, int position) {
  if (buffer->first < 0) buffer->first = position;
  buffer->last = position;
}

/* Reads come before writes in a step. */
static void visit_uses(Walk *walk, const Step *step) {
  walk->uses.count = 0;
  step_visit_buffers(step, collect_use, walk);
  for (size_t i = 0; i < walk->uses.count; i++) {
    BufferUse use = walk->uses.items[i];
    touch(use.buffer, walk->position);
    if (use.reads && !walk->written[use.buffer->id]) walk->exposed[use.buffer->id] = true;
  }
  for (size_t i = 0; i < walk->uses.count; i++) {
    Buffer *buffer = walk->uses.items[i].buffer;
    if (!walk->uses.items[i].writes || walk->written[buffer->id]) continue;
    walk->written[buffer->id] = true;
    vec_push(walk->arena, &walk->trail, buffer);
  }
}

static void walk_block(Walk *walk, const Block *block);

/* What only one of the branches writes does not count as written behind the If. */
static void walk_if(Walk *walk, const Step *step) {
  size_t before = walk->trail.count;
  if (step->then_block) walk_block(walk, step->then_block);
  size_t then_count = walk->trail.count - before;
  Buffer **then_written = ARENA_ARRAY(walk->arena, Buffer *, then_count + 1);
  if (then_count)
    memcpy(then_written, walk->trail.items + before, then_count * sizeof *then_written);
  for (size_t i = 0; i < then_count; i++) walk->written[then_written[i]->id] = false;
  walk->trail.count = before;
  if (step->else_block) walk_block(walk, step->else_block);
  size_t kept = before;
  bool *both = ARENA_ARRAY(walk->arena, bool, walk->program->buffers.count + 1);
  for (size_t i = 0; i < then_count; i++) both[then_written[i]->id] = true;
  for (size_t i = before; i < walk->trail.count; i++) {
    Buffer *buffer = walk->trail.items[i];
    if (both[buffer->id])
      walk->trail.items[kept++] = buffer;
    else
      walk->written[buffer->id] = false;
  }
  walk->trail.count = kept;
}

/* The loop reads its condition again behind the body. */
static void walk_loop(Walk *walk, const Step *step) {
  int begin = walk->position;
  if (step->body) walk_block(walk, step->body);
  walk->position++;
  if (step->buffer && step->buffer->kind == BUFFER_WORKSPACE) touch(step->buffer, walk->position);
  LoopSpan span = {begin, walk->position};
  vec_push(walk->arena, &walk->loops, span);
}

static void walk_block(Walk *walk, const Block *block) {
  for (size_t i = 0; i < block->steps.count; i++) {
    const Step *step = block->steps.items[i];
    walk->position++;
    visit_uses(walk, step);
    if (step->kind == STEP_IF) walk_if(walk, step);
    if (step->kind == STEP_LOOP) walk_loop(walk, step);
  }
}

/* Extends the lifetime over the loop if the buffer is used in the loop and outside of it, or
 * carried around. */
static void extend_over_loop(Buffer *buffer, LoopSpan loop, bool exposed) {
  bool apart = buffer->last < loop.begin || buffer->first > loop.end;
  bool inside = buffer->first > loop.begin && buffer->last < loop.end;
  if (buffer->first < 0 || apart || (inside && !exposed)) return;
  if (buffer->first > loop.begin) buffer->first = loop.begin;
  if (buffer->last < loop.end) buffer->last = loop.end;
}

int compute_liveness(Program *program) {
  Arena *arena = arena_create();
  size_t count = program->buffers.count;
  Walk walk = {.program = program,
               .position = -1,
               .written = ARENA_ARRAY(arena, bool, count + 1),
               .exposed = ARENA_ARRAY(arena, bool, count + 1),
               .arena = arena};
  for (size_t i = 0; i < count; i++) {
    Buffer *buffer = program->buffers.items[i];
    buffer->first = buffer->last = -1;
    buffer->merged_into = NULL;
  }
  walk_block(&walk, program->body);
  for (size_t l = 0; l < walk.loops.count; l++)
    for (size_t i = 0; i < count; i++)
      extend_over_loop(program->buffers.items[i], walk.loops.items[l], walk.exposed[i]);
  for (size_t i = 0; i < program->outputs.count; i++) {
    Buffer *buffer = program->outputs.items[i].buffer;
    if (buffer->kind == BUFFER_WORKSPACE && buffer->first >= 0) buffer->last = walk.position;
  }
  for (size_t i = 0; i < count; i++) {
    Buffer *buffer = program->buffers.items[i];
    if (buffer->lasting && buffer->first >= 0) buffer->last = walk.position;
  }
  int positions = walk.position + 1;
  arena_destroy(arena);
  return positions;
}

typedef struct {
  void (*visit)(const Step *step, int position, void *context);
  void *context;
  int next; /* position of the next step */
} PositionVisitor;

/* The same numbering as walk_block. */
static void visit_positions(PositionVisitor *v, const Block *block) {
  for (size_t i = 0; block && i < block->steps.count; i++) {
    const Step *step = block->steps.items[i];
    v->visit(step, v->next++, v->context);
    visit_positions(v, step->then_block);
    visit_positions(v, step->else_block);
    visit_positions(v, step->body);
    if (step->kind == STEP_LOOP) v->next++;
  }
}

typedef struct {
  int position;
  const Step *step;
} Wanted;

static void find_step(const Step *step, int position, void *context) {
  Wanted *wanted = context;
  if (position == wanted->position) wanted->step = step;
}

const Step *step_at_position(const Program *program, int position) {
  Wanted wanted = {position, NULL};
  PositionVisitor visitor = {find_step, &wanted, 0};
  visit_positions(&visitor, program->body);
  return wanted.step;
}

/* --- in-place reuse --- */

Buffer *buffer_owner(Buffer *buffer) {
  while (buffer->merged_into) buffer = buffer->merged_into;
  return buffer;
}

/* Loops that run at most once do not matter for where an access goes. */
static bool matters(const LoopNest *nest, int d) {
  return !dim_is(nest->extent[d], 1);
}

static bool same_offset(Dim a, Dim b) {
  return a == b || ((!a || dim_is(a, 0)) && (!b || dim_is(b, 0)));
}

static bool same_access(const LoopNest *nest, const Access *a, const Access *b) {
  if (!same_offset(a->offset, b->offset)) return false;
  if (strcmp(dtype_info(a->dtype)->c_type, dtype_info(b->dtype)->c_type) != 0) return false;
  for (int d = 0; d < nest->rank; d++)
    if (matters(nest, d) && a->stride[d] != b->stride[d]) return false;
  return true;
}

/* Whether the access never comes to the same element twice: sorted by stride, each stride is the
 * product of the extents of the loops inside of it. */
static bool visits_once(DimPool *pool, const LoopNest *nest, const Access *access) {
  bool used[MAX_RANK] = {false};
  Dim expected = dim_const(pool, 1);
  int left = 0;
  for (int d = 0; d < nest->rank; d++) left += matters(nest, d);
  for (; left > 0; left--) {
    int d = nest->rank - 1;
    while (d >= 0 && (used[d] || !matters(nest, d) || access->stride[d] != expected)) d--;
    if (d < 0) return false;
    used[d] = true;
    expected = dim_mul(pool, expected, nest->extent[d]);
  }
  return true;
}

/* Whether every load of `from` and every store of `to` in the nest has this access, and neither is
 * used the other way round. */
static bool only_this_access(const LoopNest *nest, const Access *access, const Buffer *from,
                             const Buffer *to) {
  for (size_t i = 0; i < nest->loads.count; i++) {
    const Access *load = &nest->loads.items[i];
    if (load->buffer == to) return false;
    if (load->buffer == from && !same_access(nest, load, access)) return false;
  }
  for (size_t i = 0; i < nest->stores.count; i++) {
    const Access *store = &nest->stores.items[i].access;
    if (store->buffer == from) return false;
    if (store->buffer == to && !same_access(nest, store, access)) return false;
  }
  return true;
}

typedef struct {
  Program *program;
  bool *taken; /* by buffer id: another buffer was merged into it */
} Merger;

static bool can_merge(const Merger *m, const LoopNest *nest, const Access *store, Buffer *from,
                      int position) {
  Buffer *to = store->buffer;
  return from && from != to && from->kind == BUFFER_WORKSPACE && !m->taken[from->id] &&
         from->last == position && from->first < position && from->capacity == to->capacity &&
         only_this_access(nest, store, from, to);
}

static void merge_store(Merger *m, const LoopNest *nest, const Access *store, int position) {
  Buffer *to = store->buffer;
  if (!to || to->kind != BUFFER_WORKSPACE || to->merged_into || to->first != position) return;
  if (!visits_once(m->program->compilation->dims, nest, store)) return;
  for (size_t i = 0; i < nest->loads.count; i++) {
    Buffer *from = nest->loads.items[i].buffer;
    if (!can_merge(m, nest, store, from, position)) continue;
    to->merged_into = from;
    m->taken[from->id] = true;
    return;
  }
}

static void merge_step(const Step *step, int position, void *context) {
  if (step->kind != STEP_NEST) return;
  for (size_t s = 0; s < step->nest->stores.count; s++)
    merge_store(context, step->nest, &step->nest->stores.items[s].access, position);
}

/* `first`/`last` stay each buffer's own while merging, so that a chain a <- b <- c is found link by
 * link; afterwards the owner gets the lifetime of the whole chain. */
void merge_in_place(Program *program) {
  Arena *arena = arena_create();
  Merger m = {program, ARENA_ARRAY(arena, bool, program->buffers.count + 1)};
  PositionVisitor visitor = {merge_step, &m, 0};
  visit_positions(&visitor, program->body);
  for (size_t i = 0; i < program->buffers.count; i++) {
    Buffer *buffer = program->buffers.items[i];
    Buffer *owner = buffer_owner(buffer);
    if (owner != buffer && buffer->last > owner->last) owner->last = buffer->last;
  }
  arena_destroy(arena);
}
