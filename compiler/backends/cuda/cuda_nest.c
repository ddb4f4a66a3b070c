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
  str_addf(&body, "  ctc_dim i = (ctc_dim)blockIdx.x * %d + (ctc_dim)threadIdx.x;\n", NEST_THREADS);
  str_addf(&body, "  if (i >= %s) return;\n", task_size(&t, count));
  add_indices(&t, &body, nest);
  emit_nest_element(&t, &body, nest, 1);
  const char *name = cuda_function(&t, emit_nest_stem(e, nest),
                                   arena_printf(e->arena, "%d", NEST_THREADS), 0, str_text(&body));
  cuda_to_host(e);
  Dim blocks = dim_ceildiv(e->c->dims, count, dim_const(e->c->dims, NEST_THREADS));
  cuda_launch(&t, out, name, emit_dim(e, blocks), depth);
}
