/* pool_blocked.c: MaxPool, AveragePool, GlobalAveragePool and GlobalMaxPool of blocked values: the
 * kernels of runtime/pool16.c. */
#include "ops/pool.h"

#include <string.h>

BlockedUse blocked_pool_use(Compilation *c, const Node *node) {
  BlockedUse use = {.answer = BLOCKED_NO, .first_input = true};
  (void)c;
  bool indices = node->output_count > 1 && node_out(node, 1);
  if (blocked_possible(node_in(node, 0)) && blocked_possible(node_out(node, 0)) && !indices)
    use.answer = BLOCKED_CAN;
  return use;
}

/* Appends the last two of three sizes. */
static void arg_pair(Lower *l, Step *step, const Dim *sizes) {
  for (int i = SPATIAL_AXES - 2; i < SPATIAL_AXES; i++) arg_dim(l, step, sizes[i]);
}

static void arg_strides(Lower *l, Step *step, const BlockedShape *s) {
  arg_dim(l, step, s->image);
  arg_dim(l, step, s->plane);
  arg_dim(l, step, s->row);
}

/* Begins a step with x and y. */
static Step *pool_step(Lower *l, const Node *node, const char *stem) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  Step *step = lower_kernel(l, stem, DT_F32);
  arg_buffer_at(l, step, lower_buffer(l, x), blocked_shape(l->c, x).origin);
  arg_buffer_at(l, step, lower_buffer(l, y), blocked_shape(l->c, y).origin);
  return step;
}

static void arg_window(Lower *l, Step *step, const Window *w) {
  const Dim *sizes[] = {w->in, w->out, w->kernel, w->stride, w->dilation, w->pad_begin};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) arg_pair(l, step, sizes[i]);
}

/* Appends the strides; a unit is a row of the output. */
static void finish_pool(Lower *l, Step *step, const Node *node) {
  DimPool *p = l->c->dims;
  BlockedShape x = blocked_shape(l->c, node_in(node, 0)),
               y = blocked_shape(l->c, node_out(node, 0));
  arg_strides(l, step, &x);
  arg_strides(l, step, &y);
  step_units(step, dim_mul(p, dim_muli(p, y.n, y.blocks), y.h));
  step_blocked_results(l, step, blocked_results(l->c, &y), y.plane);
}

bool blocked_max_pool_lower(Lower *l, const Node *node) {
  Window w;
  if (!pool_read(l->c, node, &w)) return false;
  Step *step = pool_step(l, node, "max_pool16");
  arg_int(l, step, blocked_shape(l->c, node_out(node, 0)).blocks);
  arg_window(l, step, &w);
  finish_pool(l, step, node);
  return true;
}

bool blocked_average_pool_lower(Lower *l, const Node *node) {
  Window w;
  if (!pool_read(l->c, node, &w)) return false;
  Step *step = pool_step(l, node, "average_pool16");
  arg_int(l, step, node_int(node, "count_include_pad", 0));
  arg_int(l, step, blocked_shape(l->c, node_out(node, 0)).blocks);
  arg_window(l, step, &w);
  arg_pair(l, step, w.pad_end);
  finish_pool(l, step, node);
  return true;
}

void lower_plane_pool(Lower *l, const Value *x, const Value *y, bool max) {
  DimPool *p = l->c->dims;
  BlockedShape from = blocked_shape(l->c, x);
  Dim image = dim_const(p, from.blocks * BLOCK_CHANNELS), plane = dim_const(p, BLOCK_CHANNELS);
  Dim origin = NULL, count = dim_mul(p, from.n, image);
  if (y->blocked) {
    BlockedShape to = blocked_shape(l->c, y);
    image = to.image, plane = to.plane, origin = to.origin, count = blocked_results(l->c, &to);
  }
  Step *step = lower_kernel(l, "global_pool16", DT_F32);
  arg_buffer_at(l, step, lower_buffer(l, x), from.origin);
  arg_buffer_at(l, step, lower_buffer(l, y), origin);
  arg_int(l, step, max);
  arg_int(l, step, from.blocks);
  arg_dim(l, step, from.h);
  arg_dim(l, step, from.w);
  arg_strides(l, step, &from);
  arg_dim(l, step, image);
  arg_dim(l, step, plane);
  step_units(step, dim_muli(p, from.n, from.blocks));
  step_blocked_results(l, step, count, plane);
}

bool blocked_global_pool_lower(Lower *l, const Node *node) {
  bool max = strcmp(node->op->row, "global_max_pool") == 0;
  lower_plane_pool(l, node_in(node, 0), node_out(node, 0), max);
  return true;
}
