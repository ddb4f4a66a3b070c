/* collapse.c: loop nests with as few loops as possible.
 *
 * A loop of one iteration goes away; two neighbouring loops become one where every access runs
 * through them as if they were one:
 *
 *   for [1, 12, 64, 64]  x[49152, 4096, 64, 1]  bias[0, 1, 0, 0]     before
 *   for [12, 4096]       x[4096, 1]             bias[1, 0]           after
 */
#include "passes/passes.h"

static bool uses_loop(const LoopNest *nest, int dimension) {
  for (size_t i = 0; i < nest->ops.count; i++)
    for (int k = 0; k < nest->ops.items[i].arg_count; k++) {
      const Operand *operand = &nest->ops.items[i].args[k];
      if (operand->kind == OPERAND_LOOP && operand->index == dimension) return true;
    }
  for (size_t i = 0; i < nest->stores.count; i++) {
    const Operand *operand = &nest->stores.items[i].value;
    if (operand->kind == OPERAND_LOOP && operand->index == dimension) return true;
  }
  return false;
}

static void renumber(Operand *operand, int removed) {
  if (operand->kind == OPERAND_LOOP && operand->index > removed) operand->index--;
}

/* Calls change for the stride arrays of all accesses. */
static void each_access(LoopNest *nest, void (*change)(Access *access, int d, int rank), int d) {
  for (size_t i = 0; i < nest->loads.count; i++) change(&nest->loads.items[i], d, nest->rank);
  for (size_t i = 0; i < nest->stores.count; i++)
    change(&nest->stores.items[i].access, d, nest->rank);
}

static void drop_stride(Access *access, int d, int rank) {
  for (int k = d; k + 1 < rank; k++) access->stride[k] = access->stride[k + 1];
}

/* Takes loop d out; what its index added to the accesses is gone, so it must be a loop of one
 * iteration or merged before. */
static void remove_loop(LoopNest *nest, int d) {
  each_access(nest, drop_stride, d);
  for (int k = d; k + 1 < nest->rank; k++) nest->extent[k] = nest->extent[k + 1];
  nest->rank--;
  for (size_t i = 0; i < nest->ops.count; i++)
    for (int k = 0; k < nest->ops.items[i].arg_count; k++) renumber(&nest->ops.items[i].args[k], d);
  for (size_t i = 0; i < nest->stores.count; i++) renumber(&nest->stores.items[i].value, d);
}

static bool runs_through(DimPool *pool, const Access *access, int d, Dim inner_extent) {
  return access->stride[d] == dim_mul(pool, access->stride[d + 1], inner_extent);
}

/* Whether loops d and d+1 can be one. */
static bool can_merge(DimPool *pool, const LoopNest *nest, int d) {
  if (uses_loop(nest, d) || uses_loop(nest, d + 1)) return false;
  for (size_t i = 0; i < nest->loads.count; i++)
    if (!runs_through(pool, &nest->loads.items[i], d, nest->extent[d + 1])) return false;
  for (size_t i = 0; i < nest->stores.count; i++)
    if (!runs_through(pool, &nest->stores.items[i].access, d, nest->extent[d + 1])) return false;
  return true;
}

void collapse_nest(DimPool *pool, LoopNest *nest) {
  for (int d = nest->rank - 1; d >= 0; d--)
    if (dim_is(nest->extent[d], 1) && !uses_loop(nest, d)) remove_loop(nest, d);
  for (int d = nest->rank - 2; d >= 0; d--) {
    if (!can_merge(pool, nest, d)) continue;
    nest->extent[d + 1] = dim_mul(pool, nest->extent[d], nest->extent[d + 1]);
    remove_loop(nest, d);
  }
}

static void collapse_step(Step *step, void *context) {
  if (step->kind == STEP_NEST) collapse_nest(context, step->nest);
}

bool pass_collapse(Program *program) {
  block_visit_steps(program->body, collapse_step, program->compilation->dims);
  return true;
}
