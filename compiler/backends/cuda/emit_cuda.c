/* emit_cuda.c: what model.cu has besides the steps: the kernel text, its functions, the constants
 * on the device. */
#include "backends/cuda/emit_cuda.h"

#include "backends/cuda/bake.h"

#include <inttypes.h>
#include <string.h>

static void begin(Emitter *e) {
  CudaEmitter *cuda = ARENA_NEW(e->arena, CudaEmitter);
  size_t chunks = (size_t)kernel_chunk_count(e->c->library) + 1;
  *cuda = (CudaEmitter){.text = str_in(e->arena),
                        .by_text = map_in(e->arena),
                        .used = ARENA_ARRAY(e->arena, bool, chunks),
                        .host_used = e->chunk_used};
  e->cuda = cuda;
  cuda_choose_libraries(e, e->options->cuda_libs);
  static const char *const taken[] = {"gpu",   "constants", "stream", "port",
                                      "bytes", "pointers",  "model"};
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) (void)emit_name(e, taken[i]);
}

/* --- the kernel text --- */

/* Whether the head of the kernel text has a definition of its own. */
static bool is_in_head(const RuntimeChunk *chunk) {
  static const char *const names[] = {"prelude", "ctc_dim"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(chunk->names[0], names[i]) == 0) return true;
  return false;
}

/* A definition for the device: `static …` at the start of a line is `static __device__ …`. */
static void add_device_text(Str *out, const char *text) {
  static const char start[] = "static ";
  bool marked = strstr(text, "__device__") != NULL;
  while (*text) {
    size_t length = strcspn(text, "\n");
    if (!marked && strncmp(text, start, strlen(start)) == 0) {
      str_add(out, "static __device__ ");
      str_add_n(out, text + strlen(start), length - strlen(start));
    } else {
      str_add_n(out, text, length);
    }
    str_add(out, "\n");
    text += length + (text[length] == '\n');
  }
}

static const char *definitions(Emitter *e) {
  Str out = str_in(e->arena);
  for (int i = 0; i < kernel_chunk_count(e->c->library); i++) {
    const RuntimeChunk *chunk = kernel_chunk(e->c->library, i);
    if (e->cuda->used[i] && !is_in_head(chunk)) add_device_text(&out, chunk->text);
  }
  return str_text(&out);
}

/* Sets *wide if an integer that a kernel takes, a seed for example, needs more than 31 bits. */
static void find_wide_argument(Step *step, void *wide) {
  for (size_t i = 0; step->kind == STEP_KERNEL && i < step->args.count; i++) {
    const Dim dim = step->args.items[i].kind == PARAM_DIM ? step->args.items[i].dim : NULL;
    if (dim && dim_is_const(dim) && dim_value(dim) != (int32_t)dim_value(dim)) *(bool *)wide = true;
  }
}

/* Whether a size or an offset, or another integer, may need more than 31 bits. */
static bool is_wide(const Program *program) {
  enum { MOST = INT32_MAX };
  bool wide = false;
  block_visit_steps(program->body, find_wide_argument, &wide);
  if (wide) return true;
  for (size_t i = 0; i < program->buffers.count; i++) {
    const Buffer *buffer = program->buffers.items[i];
    Dim bytes = buffer->kind == BUFFER_CONSTANT ? NULL : buffer->capacity;
    if (buffer->kind == BUFFER_CONSTANT && tensor_bytes(buffer->constant) > MOST) return true;
    if (buffer->kind != BUFFER_CONSTANT && (!bytes || !dim_is_const(bytes))) return true;
    if (bytes && dim_value(bytes) > MOST) return true;
  }
  return false;
}

/* The text as lines of a C array of strings. */
static const char *quoted_lines(Emitter *e, const char *text) {
  Str out = str_in(e->arena);
  while (*text) {
    size_t length = strcspn(text, "\n");
    const char *line = arena_strndup(e->arena, text, length);
    if (length > 0) str_addf(&out, "    %s,\n", emit_quoted(e, line));
    text += length + (text[length] == '\n');
  }
  return str_text(&out);
}

static bool bind_kernels(Emitter *e, Scope *scope) {
  Scope *text_scope = scope_create(e->arena, NULL);
  Str text = str_in(e->arena);
  static const char *const always[] = {"CTC_OK", "CTC_RESTRICT"};
  cuda_to_device(e);
  for (size_t i = 0; i < sizeof always / sizeof *always; i++) emit_need_name(e, always[i]);
  cuda_to_host(e);
  scope_textf(text_scope, "precision", "%d", (int)e->options->precision);
  scope_bool(text_scope, "strict", e->options->strict);
  scope_bool(text_scope, "wide", is_wide(e->program));
  scope_text(text_scope, "definitions", definitions(e));
  scope_text(text_scope, "functions", str_text(&e->cuda->text));
  if (!emit_expand(e, "kernels.cu", text_scope, &text) || !cuda_bake(e, scope, str_text(&text)))
    return false;
  scope_text(scope, "kernel_lines", quoted_lines(e, str_text(&text)));
  scope_list(scope, "kernels");
  for (size_t i = 0; i < e->cuda->functions.count; i++) {
    const DeviceFunction *function = &e->cuda->functions.items[i];
    Scope *item = scope_item(scope, "kernels");
    scope_text(item, "name", function->name);
    scope_text(item, "threads", function->threads);
  }
  return true;
}

/* --- constants --- */

static void bind_constants(Emitter *e, Scope *scope) {
  CudaEmitter *cuda = e->cuda;
  Str out = str_in(e->arena);
  for (size_t i = 0; i < cuda->uploads.count; i++) {
    const Buffer *buffer = cuda->uploads.items[i];
    str_addf(&out, "  CTC_TRY(ctc_upload(gpu, %" PRId64 ", %s, %" PRId64 "));\n",
             e->weight_of[buffer->id]->device_at,
             c_printer.pointer(e, buffer, buffer->dtype, NULL, false),
             tensor_bytes(buffer->constant));
  }
  scope_text(scope, "uploads", str_text(&out));
  scope_textf(scope, "constant_bytes", "%" PRId64, cuda->constant_bytes);
}

/* --- inputs and outputs --- */

/* Bytes of each input and output for the caller's dims and capacities. */
static void bind_port_bytes(Emitter *e, Scope *scope) {
  const Program *p = e->program;
  Str text = str_in(e->arena), locals = str_in(e->arena);
  for (size_t i = 0; i < p->inputs.count + p->outputs.count; i++) {
    const Port *port =
        i < p->inputs.count ? &p->inputs.items[i] : &p->outputs.items[i - p->inputs.count];
    Dim count = dim_product(e->c->dims, port->shape, (size_t)port->rank);
    Dim most = emit_with_capacities(e, dim_upper(e->c->dims, count));
    str_addf(&text, "  bytes[%zu] = ctc_gpu_bytes(%s, %zu);\n", i, emit_plain_dim(e, most),
             dtype_info(port->dtype)->bytes);
  }
  emit_dim_locals(e, &locals, str_text(&text), false);
  scope_text(scope, "port_bytes", str_text(&text));
  scope_text(scope, "port_locals", str_text(&locals));
}

/* Inputs and outputs as addresses on the device, by name, and as the caller's pointers. */
static void bind_addresses(Emitter *e, Scope *scope) {
  const Program *p = e->program;
  size_t inputs = p->inputs.count, count = inputs + p->outputs.count;
  Str names = str_in(e->arena), pointers = str_in(e->arena);
  for (size_t i = 0; i < count; i++) {
    const char *name = i < inputs ? e->input_names[i] : e->output_names[i - inputs];
    str_addf(&names, "  const uint64_t %s = port[%zu];\n  (void)%s;\n", name, i, name);
    str_addf(&pointers, "%s(void *)%s", i ? ", " : "", name);
  }
  scope_text(scope, "port_addresses", str_text(&names));
  scope_text(scope, "port_pointers", str_text(&pointers));
  scope_textf(scope, "port_count", "%zu", count);
}

static void report_host_steps(Emitter *e) {
  const CudaEmitter *cuda = e->cuda;
  Str names = str_in(e->arena);
  for (size_t i = 0; i < cuda->host_names.count; i++)
    str_addf(&names, "%s%s", i ? ", " : "", cuda->host_names.items[i]);
  if (cuda->host_names.count)
    diag_warning(e->c->diag, e->options->model ? e->options->model : e->options->output,
                 "without a form for the GPU, on the CPU between copies: %s", str_text(&names));
}

static bool finish(Emitter *e, Scope *scope) {
  const CudaEmitter *cuda = e->cuda;
  cuda_bind_libraries(e, scope);
  if (!bind_kernels(e, scope)) return false;
  bind_constants(e, scope);
  bind_port_bytes(e, scope);
  bind_addresses(e, scope);
  scope_textf(scope, "most_parameters", "%zu", cuda->most_parameters + 1);
  scope_bool(scope, "functions", cuda->functions.count > 0);
  scope_bool(scope, "host_steps", cuda->host_names.count > 0);
  scope_bool(scope, "statuses", cuda->statuses);
  scope_bool(scope, "fetches", cuda->fetches);
  scope_bool(scope, "capture", !cuda->host_names.count && !cuda->fetches);
  report_host_steps(e);
  return true;
}

static const TemplatePart parts[] = {
    {"cuda_libraries", "cuda_libraries.c"}, {"cuda_host", "cuda_host.c"}, {0}};

static const Backend cuda_backend = {.source_template = "model.cu",
                                     .header_template = "model_cuda.h",
                                     .parts = parts,
                                     .printer = &cuda_printer,
                                     .begin = begin,
                                     .finish = finish};

bool emit_cuda(const Program *program, const Options *options) {
  if (!cuda_check_libraries(program->compilation, options->cuda_libs)) return false;
  return emit_program(program, options, &cuda_backend);
}
