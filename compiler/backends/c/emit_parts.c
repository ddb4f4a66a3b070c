/* emit_parts.c: how many threads share a step.
 *
 * A fork and join costs about 0.1 us. A step is split into parts of PART_PS or more, so one that
 * takes less than twice as long stays on the thread that runs the model. */
#include "backends/c/emit.h"

#include "passes/cost.h"

/* Picoseconds, for one core with vectors of 256 bits or more; a factor of two does not matter. */
enum {
  PART_PS = 1000000,
  MOST_PARTS = 1024,
  ACCESS_PS = 50,     /* an element that is read or written where the one before it was */
  SCATTERED_PS = 400, /* or somewhere else */
  VECTOR_PS = 50,     /* an operation on an element, as vectors */
  SCALAR_PS = 1000,   /* one by one, perhaps in libm */
  FLOP_PS = 8,        /* of a kernel */
  BYTE_PS = 15,       /* that a kernel moves */
  UNKNOWN_PS = 250,   /* likewise, if nobody knows its flops */
};

static int64_t access_ps(const LoopNest *nest, const Access *access) {
  if (nest->rank == 0) return ACCESS_PS;
  Dim stride = access->stride[nest->rank - 1];
  return dim_is(stride, 0) || dim_is(stride, 1) ? ACCESS_PS : SCATTERED_PS;
}

static Dim nest_ps(DimPool *dims, const LoopNest *nest) {
  int64_t element = 0;
  for (size_t i = 0; i < nest->loads.count; i++) element += access_ps(nest, &nest->loads.items[i]);
  for (size_t i = 0; i < nest->stores.count; i++)
    element += access_ps(nest, &nest->stores.items[i].access);
  for (size_t i = 0; i < nest->ops.count; i++)
    element += nest->ops.items[i].function->vector ? VECTOR_PS : SCALAR_PS;
  return dim_muli(dims, dim_product(dims, nest->extent, (size_t)nest->rank), element);
}

static Dim kernel_ps(DimPool *dims, const Step *step) {
  StepCost cost = step_cost(dims, step);
  if (!cost.flops) return dim_muli(dims, cost.bytes, UNKNOWN_PS);
  return dim_add(dims, dim_muli(dims, cost.flops, FLOP_PS), dim_muli(dims, cost.bytes, BYTE_PS));
}

/* A kernel with memory for each part has it for so many. */
static bool has_scratch(const Step *step) {
  return step->kernel && kernel_takes(step->kernel, PARAM_PART);
}

Dim emit_most_parts(Emitter *e, const Step *step) {
  DimPool *dims = e->c->dims;
  int64_t most = has_scratch(step) ? e->options->threads : MOST_PARTS;
  if (e->options->threads < 2) return dim_const(dims, 1);
  if (e->options->split_all) return dim_const(dims, most);
  Dim time = step->kind == STEP_NEST ? nest_ps(dims, step->nest) : kernel_ps(dims, step);
  Dim parts = dim_floordiv(dims, time, dim_const(dims, PART_PS));
  return dim_min(dims, parts, dim_const(dims, most));
}
