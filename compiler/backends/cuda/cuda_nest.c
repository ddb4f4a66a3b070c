/* cuda_nest.c: a loop nest as a kernel, with a thread for each element. */
#include "backends/cuda/cuda.h"

enum { NEST_THREADS = 256 };

/* i0 … from the number of the element. */
static void add_indices(Task *t, Str *out, const LoopNest *nest) {
  for (int d = nest->rank - 1; d > 0; d--)
    str_addf(out, "  const ctc_dim i%d = i %% %s;\n  i /= %s;\n", d, task_size(t, nest->extent[d]),
             task_size(t, nest->extent[d]));
  if (nest->rank > 0) str_add(out, "  const ctc_dim i0 = i;\n");
}

void cuda_print_nest(Emitter *e, Str *out, const Step *step, int depth) {
  Task t = {.e = e, .device = true};
  const LoopNest *nest = step->nest;
  Dim count = dim_product(e->c->dims, nest->extent, (size_t)nest->rank);
  Str body = str_in(e->arena);
  cuda_to_device(e);
  emit_nest_pointers(&t, &body, nest);
  cuda_begin_items(&t, &body, "ctc_dim", "i", NEST_THREADS, count);
  add_indices(&t, &body, nest);
  emit_nest_element(&t, &body, nest, 1);
  cuda_launch_items(&t, out, emit_nest_stem(e, nest), str_text(&body), NEST_THREADS, count, depth);
}
