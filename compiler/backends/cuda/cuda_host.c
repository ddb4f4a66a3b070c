/* cuda_host.c: steps that run on the host: what they use is copied to a mirror of the device's
 * memory before, and what they wrote back behind them. */
#include "backends/cuda/cuda.h"

#include <inttypes.h>
#include <string.h>

typedef struct {
  Emitter *e;
  Str *out;
  int depth;
  bool back;
  Vec(const Buffer *) done;
} Copies;

static const char *bytes_of(Emitter *e, const Buffer *buffer) {
  if (dim_is_const(buffer->count))
    return arena_printf(e->arena, "%" PRId64,
                        dim_value(buffer->count) * (int64_t)dtype_info(buffer->dtype)->bytes);
  return emit_dim(e, emit_with_capacities(e, buffer->capacity));
}

/* Each buffer once; whole buffers, as a step may write a part only. */
static void copy_buffer(BufferUse use, void *context) {
  Copies *copies = context;
  Emitter *e = copies->e;
  const Buffer *buffer = use.buffer;
  if (buffer->kind == BUFFER_CONSTANT || (copies->back && !use.writes)) return;
  for (size_t i = 0; i < copies->done.count; i++)
    if (copies->done.items[i] == buffer) return;
  vec_push(e->arena, &copies->done, buffer);
  emit_indent(copies->out, copies->depth);
  str_addf(copies->out, "CTC_TRY(ctc_copy_%s(gpu, %s, %s));\n", copies->back ? "back" : "to_host",
           cuda_printer.pointer(e, buffer, buffer->dtype, NULL, true), bytes_of(e, buffer));
}

static void add_copies(Emitter *e, Str *out, const Step *step, bool back, int depth) {
  Copies copies = {.e = e, .out = out, .depth = depth, .back = back};
  step_visit_buffers(step, copy_buffer, &copies);
}

/* (const float *)ctc_mirror(gpu, ws + 128) */
static const char *mirror_pointer(Emitter *e, const Buffer *buffer, DType dtype, Dim offset,
                                  bool writable) {
  if (buffer->kind == BUFFER_CONSTANT) return c_printer.pointer(e, buffer, dtype, offset, writable);
  return arena_printf(e->arena, "((%s%s *)ctc_mirror(gpu, %s))", writable ? "" : "const ",
                      dtype_info(dtype)->c_type,
                      cuda_printer.pointer(e, buffer, dtype, offset, writable));
}

static const StepPrinter mirror_printer = {.pointer = mirror_pointer};

static void note_step(Emitter *e, const Step *step) {
  CudaEmitter *cuda = e->cuda;
  const char *name =
      step->kind == STEP_NEST ? emit_nest_stem(e, step->nest) : kernel_short_name(step->kernel);
  for (size_t i = 0; i < cuda->host_names.count; i++)
    if (strcmp(cuda->host_names.items[i], name) == 0) return;
  vec_push(e->arena, &cuda->host_names, name);
}

void cuda_print_host_step(Emitter *e, Str *out, const Step *step, int depth) {
  note_step(e, step);
  add_copies(e, out, step, false, depth);
  emit_indent(out, depth);
  str_add(out, "CTC_TRY(ctc_wait(gpu));\n");
  e->printer = &mirror_printer;
  (step->kind == STEP_NEST ? c_printer.nest : c_printer.kernel)(e, out, step, depth);
  e->printer = &cuda_printer;
  add_copies(e, out, step, true, depth);
}
