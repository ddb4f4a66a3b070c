/* halo.c: keeps the zeros around the planes of blocked values: behind the step that first writes to
 * such a value, a step clears its halo (memory in the workspace is used again and again). */
#include "passes/passes.h"

#include "ops/lower.h"

typedef struct {
  Lower lower;
  bool *done; /* by buffer id: cleared on the way to here */
  Vec(Buffer *) trail;
  Vec(Buffer *) written; /* by the step at hand, to be cleared */
} HaloPass;

static void collect_written(BufferUse use, void *context) {
  HaloPass *pass = context;
  if (!use.writes || !use.buffer->halo || pass->done[use.buffer->id]) return;
  pass->done[use.buffer->id] = true;
  vec_push(pass->lower.c->arena, &pass->trail, use.buffer);
  vec_push(pass->lower.c->arena, &pass->written, use.buffer);
}

static void add_clear(HaloPass *pass, Buffer *buffer) {
  Lower *l = &pass->lower;
  const Halo *halo = buffer->halo;
  Step *step = lower_kernel(l, "halo16", DT_F32);
  arg_buffer(l, step, buffer);
  arg_dim(l, step, halo->height);
  arg_dim(l, step, halo->width);
  arg_int(l, step, halo->rows);
  arg_int(l, step, halo->columns);
  step_units(step, halo->planes);
}

static void clear_in_block(HaloPass *pass, Block *block) {
  Block made = {0};
  size_t before = pass->trail.count;
  for (size_t i = 0; i < block->steps.count; i++) {
    Step *step = block->steps.items[i];
    vec_push(pass->lower.c->arena, &made.steps, step);
    pass->written.count = 0;
    step_visit_buffers(step, collect_written, pass);
    pass->lower.block = &made;
    pass->lower.node = step->node;
    for (size_t k = 0; k < pass->written.count; k++) add_clear(pass, pass->written.items[k]);
    if (step->then_block) clear_in_block(pass, step->then_block);
    if (step->else_block) clear_in_block(pass, step->else_block);
    if (step->body) clear_in_block(pass, step->body);
  }
  for (size_t i = before; i < pass->trail.count; i++) pass->done[pass->trail.items[i]->id] = false;
  pass->trail.count = before;
  *block = made;
}

bool pass_halo(Program *program) {
  Compilation *c = program->compilation;
  HaloPass pass = {.lower = {.c = c, .program = program},
                   .done = ARENA_ARRAY(c->arena, bool, program->buffers.count + 1)};
  clear_in_block(&pass, program->body);
  return true;
}
