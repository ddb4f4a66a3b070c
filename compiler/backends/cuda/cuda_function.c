/* cuda_function.c: functions of the kernel text.
 *
 *   extern "C" __global__ void __launch_bounds__(256) conv_3(const float *__restrict__ p0, …)
 *
 * calls a device function with literals for all sizes that are known, so that the compiler of the
 * GPU specialises it. Steps with the same text share one. */
#include "backends/cuda/cuda.h"

#include <string.h>

void cuda_to_device(Emitter *e) {
  e->chunk_used = e->cuda->used;
}

void cuda_to_host(Emitter *e) {
  e->chunk_used = e->cuda->host_used;
}

/* The name of what was printed as `stem` with that text, or a new one; *made says which. */
static const char *shared_name(Emitter *e, const char *stem, const char *rest, bool *made) {
  CudaEmitter *cuda = e->cuda;
  const char *key = arena_printf(e->arena, "%s %s", stem, rest);
  const char *name = map_get(&cuda->by_text, key);
  *made = name == NULL;
  if (name) return name;
  char *fresh = arena_printf(e->arena, "%s_%d", stem, ++cuda->count);
  map_set(&cuda->by_text, key, fresh);
  return fresh;
}

/* Whether two parameters are the same memory: the caller passes the same expression. */
static bool has_twin(const Task *task, size_t i) {
  for (size_t k = 0; k < task->pointers.count; k++)
    if (k != i && strcmp(task->pointers.items[k], task->pointers.items[i]) == 0) return true;
  return false;
}

static void add_parameters(const Task *task, Str *out) {
  const char *comma = "";
  for (size_t i = 0; i < task->pointers.count; i++, comma = ", ")
    str_addf(out, "%s%s%sp%zu", comma, task->types.items[i],
             has_twin(task, i) ? "" : "__restrict__ ", i);
  for (size_t i = 0; i < task->sizes.count; i++, comma = ", ")
    str_addf(out, "%sconst ctc_dim n%zu", comma, i);
}

const char *cuda_function(Task *task, const char *stem, const char *threads, int blocks,
                          const char *body) {
  Emitter *e = task->e;
  CudaEmitter *cuda = e->cuda;
  Str rest = str_in(e->arena);
  bool made;
  const char *bounds = blocks ? arena_printf(e->arena, "%s, %d", threads, blocks) : threads;
  str_add(&rest, "(");
  add_parameters(task, &rest);
  str_addf(&rest, ") {\n%s}\n\n", body);
  const char *name =
      shared_name(e, stem, arena_printf(e->arena, "%s %s", bounds, str_text(&rest)), &made);
  if (!made) return name;
  DeviceFunction function = {name, threads};
  vec_push(e->arena, &cuda->functions, function);
  str_addf(&cuda->text, "extern \"C\" __global__ void __launch_bounds__(%s) %s%s", bounds, name,
           str_text(&rest));
  return name;
}

/* --- epilogues --- */

/* A load of an epilogue; `operand` counts the tensors besides the result. */
static void add_load(Str *text, const Step *step, size_t load, size_t *operand) {
  const LoopNest *nest = step->epilogue;
  const Access *access = &nest->loads.items[load];
  static const char *const index[] = {
      [READS_RESULT] = "at", [READS_CHANNEL] = "channel", [READS_NUMBER] = "0"};
  if (epilogue_loads_result(nest, access)) {
    str_addf(text, "    const float v%zu = value;\n", load);
    return;
  }
  EpilogueRead read = epilogue_read(&step->results, nest, access);
  str_addf(text, "    const float v%zu = q%zu[%s];\n", load, (*operand)++, index[read]);
}

/* Members, and the operator that finishes a result. */
static const char *functor_text(Task *task, const Step *step, size_t *operands) {
  Emitter *e = task->e;
  const LoopNest *nest = step->epilogue;
  Str loads = str_in(e->arena), text = str_in(e->arena);
  for (size_t i = 0; i < nest->loads.count; i++) add_load(&loads, step, i, operands);
  str_add(&text, " {\n");
  for (size_t i = 0; i < *operands; i++) str_addf(&text, "  const float *q%zu;\n", i);
  str_addf(&text,
           "  __device__ __forceinline__ float operator()(float value, ctc_dim at, ctc_dim "
           "channel) const {\n    (void)at, (void)channel, (void)value;\n%s",
           str_text(&loads));
  emit_nest_ops(task, &text, nest, 2);
  str_addf(&text, "    return %s;\n  }\n};\n\n", emit_operand(task, &nest->stores.items[0].value));
  return str_text(&text);
}

const char *cuda_epilogue(Task *task, const Step *step) {
  Emitter *e = task->e;
  if (!step->epilogue) return "ctc_no_epilogue{}";
  const LoopNest *nest = step->epilogue;
  size_t operands = 0;
  bool made;
  const char *text = functor_text(task, step, &operands);
  const char *name = shared_name(e, "epilogue", text, &made);
  if (made) str_addf(&e->cuda->text, "struct %s%s", name, text);
  Str value = str_in(e->arena);
  const char *comma = "";
  str_addf(&value, "%s{", name);
  for (size_t i = 0; i < nest->loads.count; i++) {
    const Access *access = &nest->loads.items[i];
    if (epilogue_loads_result(nest, access)) continue;
    const char *pointer = emit_pointer(e, access->buffer, DT_F32, access->offset, false);
    str_addf(&value, "%s%s", comma, task_pointer(task, DT_F32, false, pointer));
    comma = ", ";
  }
  str_add(&value, "}");
  return str_text(&value);
}
