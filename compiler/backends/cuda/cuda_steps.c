/* cuda_steps.c: the steps of a program as statements of the host's: launches, and copies for what
 * the host has to know. Buffers are addresses of the device (uint64_t). */
#include "backends/cuda/cuda.h"

#include <inttypes.h>

enum {
  UNIT_THREADS = 64,
  CONSTANT_ALIGNMENT = 256,
  /* Kernels of one form keep many numbers in registers: room for two blocks of them is enough, and
   * the compiler of the GPU would rather store some in memory than leave none for a third. With all
   * forms, and sizes that are not known, these are too few. */
  FORM_BLOCKS = 2,
  ANY_FORM_BLOCKS = 1
};

/* --- where --- */

const char *const cuda_place_names[PLACE_COUNT] = {
    [PLACE_KERNEL] = "device", [PLACE_UNITS] = "units", [PLACE_HOST] = "host"};

/* Whether a function takes strings, whose bytes are on the host: what it is called with are the
 * host's pointers. */
static bool reads_strings(const Kernel *function) {
  for (int i = 0; i < function->param_count; i++)
    if (function->params[i].dtype == DT_STRING) return true;
  return false;
}

/* Copies of strings are copies of their pointers, and run anywhere. */
static Place nest_place(const LoopNest *nest) {
  for (size_t i = 0; i < nest->ops.count; i++)
    if (reads_strings(nest->ops.items[i].function)) return PLACE_HOST;
  return PLACE_KERNEL;
}

Place cuda_place(const Step *step) {
  const Kernel *kernel = step->kernel;
  if (step->kind == STEP_NEST) return nest_place(step->nest);
  if (reads_strings(kernel)) return PLACE_HOST;
  if (kernel->device) return PLACE_KERNEL;
  bool units = kernel_takes(kernel, PARAM_LAST) && !kernel_takes(kernel, PARAM_PART);
  return units && !kernel->returns_status ? PLACE_UNITS : PLACE_HOST;
}

/* --- addresses --- */

/* Where a constant lies behind the start of all constants; it gets a place when it is first used.
 */
static int64_t constant_place(Emitter *e, const Buffer *buffer) {
  CudaEmitter *cuda = e->cuda;
  int64_t *at = &e->weight_of[buffer->id]->device_at;
  if (*at >= 0) return *at;
  *at = cuda->constant_bytes;
  int64_t bytes = tensor_bytes(buffer->constant);
  cuda->constant_bytes +=
      (bytes + CONSTANT_ALIGNMENT - 1) / CONSTANT_ALIGNMENT * CONSTANT_ALIGNMENT;
  if (bytes > 0) vec_push(e->arena, &cuda->uploads, buffer);
  return *at;
}

static const char *workspace_address(Emitter *e, const Buffer *buffer) {
  const char *form = dim_is_const(emit_home(buffer)->offset) ? "ws + %s" : "ws + (uint64_t)%s";
  return arena_printf(e->arena, form, emit_place(e, buffer));
}

static const char *device_address(Emitter *e, const Buffer *buffer, DType dtype, Dim offset,
                                  bool writable) {
  const char *base = NULL;
  (void)writable;
  buffer = buffer->kind == BUFFER_WORKSPACE ? emit_home(buffer) : buffer;
  switch (buffer->kind) {
  case BUFFER_WORKSPACE: base = workspace_address(e, buffer); break;
  case BUFFER_INPUT: base = e->input_names[buffer->index]; break;
  case BUFFER_OUTPUT: base = e->output_names[buffer->index]; break;
  case BUFFER_CONSTANT:
    base = arena_printf(e->arena, "constants + %" PRId64, constant_place(e, buffer));
    break;
  }
  if (!offset || dim_is(offset, 0)) return base;
  return arena_printf(e->arena, "%s + (uint64_t)(%zu * (%s))", base, dtype_info(dtype)->bytes,
                      emit_dim(e, offset));
}

/* --- launches --- */

static void add_list(Emitter *e, Str *out, const char *type, const char *name, Task *t,
                     bool pointers, int depth) {
  size_t count = pointers ? t->pointers.count : t->sizes.count;
  if (count == 0) return;
  emit_indent(out, depth);
  str_addf(out, "const %s %s[] = {", type, name);
  for (size_t i = 0; i < count; i++)
    str_addf(out, "%s%s", i ? ", " : "",
             pointers ? t->pointers.items[i] : emit_dim(e, t->sizes.items[i]));
  str_add(out, "};\n");
}

void cuda_launch(Task *t, Str *out, const char *function, const char *blocks, int depth) {
  Emitter *e = t->e;
  size_t parameters = t->pointers.count + t->sizes.count;
  if (parameters > e->cuda->most_parameters) e->cuda->most_parameters = parameters;
  emit_indent(out, depth);
  str_add(out, "{\n");
  add_list(e, out, "uint64_t", "tensors", t, true, depth + 1);
  add_list(e, out, "int64_t", "sizes", t, false, depth + 1);
  emit_indent(out, depth + 1);
  str_addf(out, "CTC_TRY(ctc_launch(gpu, KERNEL_%s, %s, %s, %zu, %s, %zu));\n", function, blocks,
           t->pointers.count ? "tensors" : "NULL", t->pointers.count,
           t->sizes.count ? "sizes" : "NULL", t->sizes.count);
  emit_indent(out, depth);
  str_add(out, "}\n");
}

void cuda_begin_items(Task *t, Str *body, const char *type, const char *item, int threads,
                      Dim count) {
  str_addf(body, "  %s %s = (ctc_dim)blockIdx.x * %d + (ctc_dim)threadIdx.x;\n", type, item,
           threads);
  str_addf(body, "  if (%s >= %s) return;\n", item, task_size(t, count));
}

void cuda_launch_items(Task *t, Str *out, const char *stem, const char *body, int threads,
                       Dim count, int depth) {
  Emitter *e = t->e;
  DimPool *dims = e->c->dims;
  const char *name = cuda_function(t, stem, arena_printf(e->arena, "%d", threads), 0, body);
  cuda_to_host(e);
  Dim blocks = dim_ceildiv(dims, count, dim_const(dims, threads));
  cuda_launch(t, out, name, emit_dim(e, blocks), depth);
}

/* --- kernels --- */

/* An argument inside the kernel; NULL: the function for the GPU has no such parameter. */
static const char *device_argument(Task *t, const Step *step, size_t i, bool units) {
  switch (step->args.items[i].kind) {
  case PARAM_EPILOGUE:
  case PARAM_EPILOGUE_ROW:
  case PARAM_OPERANDS: return units ? "NULL" : NULL;
  case PARAM_PART: return NULL;
  case PARAM_FIRST: return units ? "unit" : NULL;
  case PARAM_LAST: return units ? "unit + 1" : NULL;
  default: return task_argument(t, step, i);
  }
}

/* Whether the sizes that decide the form of a step's kernel are known. */
static bool is_form_known(const Step *step) {
  const DeviceKernel *device = step->kernel->device;
  for (const int *at = device->form_arguments; *at >= 0; at++)
    if (!emit_is_literal(&step->args.items[*at])) return false;
  return true;
}

/* Blocks that a processor of the GPU shall have room for; 0: as many as there can be. */
static int blocks_at_once(const Step *step) {
  if (step->kernel->device->form < 0) return 0;
  return is_form_known(step) ? FORM_BLOCKS : ANY_FORM_BLOCKS;
}

/* "<ctc_conv_f32_form(1, 64, a8)>": which of its forms the kernel has. Where a size is not known,
 * it has all of them. */
static const char *form_argument(Task *t, const Step *step) {
  const DeviceKernel *device = step->kernel->device;
  Str text = str_in(t->e->arena);
  if (device->form < 0) return "";
  if (!is_form_known(step)) {
    emit_need_name(t->e, "CTC_ANY_FORM");
    return "<CTC_ANY_FORM>";
  }
  str_addf(&text, "<%s_form(", step->kernel->name);
  for (const int *at = device->form_arguments; *at >= 0; at++)
    str_addf(&text, "%s%s", at == device->form_arguments ? "" : ", ",
             device_argument(t, step, (size_t)*at, false));
  emit_need_chunk(t->e, device->form);
  str_add(&text, ")>");
  return str_text(&text);
}

/* One more argument of a call, if there is one there, and the array that it names. */
static void add_argument(Task *t, Str *body, Str *call, const Step *step, size_t i, bool units) {
  if (step->args.items[i].kind == PARAM_DIMS) task_array(t, body, &step->args.items[i], i);
  const char *argument = device_argument(t, step, i, units);
  if (argument) str_addf(call, "%s%s", call->length ? ", " : "", argument);
}

/* The call in the kernel, with what has to stand before it. */
static void add_call(Task *t, Str *body, const Step *step, bool units) {
  Str call = str_in(t->e->arena);
  for (size_t i = 0; i < step->args.count; i++) add_argument(t, body, &call, step, i, units);
  if (!units && step->kernel->device->epilogue) str_addf(&call, ", %s", cuda_epilogue(t, step));
  if (step->kernel->returns_status) {
    vec_push(t->e->arena, &t->pointers, "gpu->status");
    vec_push(t->e->arena, &t->types, "int *");
    str_addf(&call, ", p%zu", t->pointers.count - 1);
    t->e->cuda->statuses = true;
  }
  str_addf(body, "  %s%s(%s);\n", step->kernel->name, units ? "" : form_argument(t, step),
           str_text(&call));
}

const char *cuda_host_argument(Emitter *e, const Step *step, size_t i) {
  const Arg *arg = &step->args.items[i];
  switch (arg->kind) {
  case PARAM_IN:
  case PARAM_OUT:
    return arg->buffer ? emit_pointer(e, arg->buffer, arg->buffer->dtype, arg->offset, true) : "0";
  case PARAM_DIMS: return arena_printf(e->arena, "a%zu", i);
  case PARAM_REAL: return emit_real(e, arg->real, DT_F64);
  default: return emit_dim(e, arg->dim);
  }
}

/* ctc_conv_f32_blocks(…) with the sizes that it takes: `suffix` is "_blocks". */
static const char *blocks_call(Emitter *e, const Step *step, const char *suffix, int chunk,
                               const int *arguments) {
  Str call = str_in(e->arena);
  emit_need_chunk(e, chunk);
  str_addf(&call, "%s%s(", step->kernel->name, suffix);
  for (const int *at = arguments; *at >= 0; at++)
    str_addf(&call, "%s%s", at == arguments ? "" : ", ", cuda_host_argument(e, step, (size_t)*at));
  str_add(&call, ")");
  return str_text(&call);
}

static bool take_arrays(const Step *step, const int *arguments) {
  for (const int *at = arguments; *at >= 0; at++)
    if (step->args.items[*at].kind == PARAM_DIMS) return true;
  return false;
}

static const char *threads_of(Emitter *e, const Kernel *kernel) {
  if (kernel->device->threads < 0) return "256";
  return kernel_chunk(e->c->library, kernel->device->threads)->names[0];
}

/* Whether a library leaves something to do: an epilogue, or a tensor that it does not add. */
static bool is_unfinished(const Step *step) {
  if (step->epilogue) return true;
  for (const int *at = step->kernel->device->finish.arguments; *at >= 0; at++)
    if (step->args.items[*at].kind == PARAM_IN && step->args.items[*at].buffer) return true;
  return false;
}

/* The launch that finishes what a library has left. */
static void print_finish(Emitter *e, Str *out, const Step *step, int depth) {
  Task t = {.e = e, .device = true};
  Str body = str_in(e->arena), call = str_in(e->arena);
  const DeviceKernel *device = step->kernel->device;
  cuda_to_device(e);
  emit_need_chunk(e, device->finish.chunk);
  for (const int *at = device->finish.arguments; *at >= 0; at++)
    add_argument(&t, &body, &call, step, (size_t)*at, false);
  if (device->epilogue) str_addf(&call, ", %s", cuda_epilogue(&t, step));
  str_addf(&body, "  %s_finish(%s);\n", step->kernel->name, str_text(&call));
  const char *stem = arena_printf(e->arena, "%s_finish", kernel_short_name(step->kernel));
  const char *name = cuda_function(&t, stem, "256", 0, str_text(&body));
  cuda_to_host(e);
  const KernelPart *blocks = &device->finish_blocks;
  cuda_launch(&t, out, name,
              blocks_call(e, step, "_finish_blocks", blocks->chunk, blocks->arguments), depth);
}

/* The call of a library, the launch of `function` where it did not do the step, and what it left.
 */
static void print_by_library(Task *t, Str *out, const Step *step, const char *function,
                             const char *blocks, int depth) {
  const char *done = cuda_print_library_call(t->e, out, step, function, depth);
  emit_indent(out, depth);
  str_addf(out, "if (!%s)\n", done);
  cuda_launch(t, out, function, blocks, depth);
  if (!is_unfinished(step)) return;
  emit_indent(out, depth);
  str_add(out, "else\n");
  print_finish(t->e, out, step, depth);
}

static void print_device_kernel(Emitter *e, Str *out, const Step *step, int depth) {
  Task t = {.e = e, .device = true};
  Str body = str_in(e->arena);
  const DeviceKernel *device = step->kernel->device;
  cuda_to_device(e);
  emit_need_chunk(e, device->chunk);
  emit_need_chunk(e, device->threads);
  add_call(&t, &body, step, false);
  const char *name = cuda_function(&t, kernel_short_name(step->kernel), threads_of(e, step->kernel),
                                   blocks_at_once(step), str_text(&body));
  cuda_to_host(e);
  emit_need_chunk(e, device->threads);
  bool by_library = cuda_library_of(e, step) >= 0;
  bool arrays =
      by_library ? kernel_takes(step->kernel, PARAM_DIMS) : take_arrays(step, device->arguments);
  if (arrays) {
    emit_indent(out, depth++);
    str_add(out, "{\n");
    emit_arrays(e, out, step, by_library ? NULL : device->arguments, depth);
  }
  const char *blocks = blocks_call(e, step, "_blocks", device->blocks, device->arguments);
  if (by_library) {
    print_by_library(&t, out, step, name, blocks, depth);
  } else {
    cuda_launch(&t, out, name, blocks, depth);
  }
  if (arrays) {
    emit_indent(out, --depth);
    str_add(out, "}\n");
  }
}

/* A thread for each unit of the C text. */
static void print_units(Emitter *e, Str *out, const Step *step, int depth) {
  Task t = {.e = e, .device = true};
  Str body = str_in(e->arena);
  cuda_to_device(e);
  emit_need_chunk(e, step->kernel->chunk);
  cuda_begin_items(&t, &body, "const ctc_dim", "unit", UNIT_THREADS, step->units);
  add_call(&t, &body, step, true);
  cuda_launch_items(&t, out, kernel_short_name(step->kernel), str_text(&body), UNIT_THREADS,
                    step->units, depth);
}

static void print_kernel(Emitter *e, Str *out, const Step *step, int depth) {
  switch (cuda_place(step)) {
  case PLACE_KERNEL: print_device_kernel(e, out, step, depth); break;
  case PLACE_UNITS: print_units(e, out, step, depth); break;
  case PLACE_HOST: cuda_print_host_step(e, out, step, depth); break;
  }
}

static void print_nest(Emitter *e, Str *out, const Step *step, int depth) {
  if (cuda_place(step) == PLACE_HOST)
    cuda_print_host_step(e, out, step, depth);
  else
    cuda_print_nest(e, out, step, depth);
}

/* --- what the host reads --- */

static const char *fetch(Emitter *e, Str *out, const Buffer *buffer, Dim element, int depth) {
  const DTypeInfo *info = dtype_info(buffer->dtype);
  const char *name = emit_name(e, "fetched");
  e->cuda->fetches = true;
  emit_indent(out, depth);
  str_addf(out, "%s %s;\n", info->c_type, name);
  emit_indent(out, depth);
  str_addf(out, "CTC_TRY(ctc_fetch(gpu, &%s, %s, sizeof %s));\n", name,
           emit_pointer(e, buffer, buffer->dtype, element, false), name);
  return name;
}

const StepPrinter cuda_printer = {
    .pointer = device_address, .kernel = print_kernel, .nest = print_nest, .fetch = fetch};
