/* loaded.c: calls an emitted model through its descriptor. */
#include "cli/loaded.h"

#include "base/file.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The descriptor as templates/model.h declares it (ABI 1). */
typedef struct {
  const char *name;
  int32_t dtype, rank;
  const char *note;
} LoadedPort;

typedef struct {
  const char *name;
  int64_t low, high;
  int32_t kind;
} LoadedDim;

typedef struct {
  uint32_t abi_version;
  const char *name;
  int32_t input_count, output_count, dim_count;
  const LoadedPort *inputs, *outputs;
  const LoadedDim *dims;
  void (*bounds)(int64_t *dims);
  void (*shapes)(const int64_t *dims, int64_t *shapes);
  int64_t (*workspace_bytes)(const int64_t *dims);
  int (*run)(const void *const *inputs, void *const *outputs, int64_t *dims, void *workspace,
             int64_t workspace_bytes, const void *weights);
  const char *(*status_text)(int status);
  int32_t alignment;
  int64_t weights_bytes;
} LoadedModel;

enum { MOST_PORTS = 256, MOST_DIMS = 256, GUARD = 4096 };

/* Memory that parent and child share: everything that the run writes. */
typedef struct {
  int status;
  int64_t dims[MOST_DIMS];
} Shared;

typedef struct {
  Cli *cli;
  const LoadedModel *model;
  const Program *program;
  int64_t *shapes;
  Shared *shared;
  void *outputs[MOST_PORTS];
  const void *weights;
} Session;

static void *shared_memory(int64_t bytes) {
  void *memory = mmap(NULL, (size_t)bytes + GUARD, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

static const int64_t *output_shape(const Session *s, int index) {
  const int64_t *shape = s->shapes;
  for (int i = 0; i < s->model->input_count; i++) shape += s->model->inputs[i].rank;
  for (int i = 0; i < index; i++) shape += s->model->outputs[i].rank;
  return shape;
}

static int64_t output_bytes(const Session *s, int index) {
  const int64_t *shape = output_shape(s, index);
  int64_t bytes = (int64_t)dtype_info(s->program->outputs.items[index].dtype)->bytes;
  for (int d = 0; d < s->model->outputs[index].rank; d++) bytes *= shape[d];
  return bytes;
}

/* The caller's dims: by name, from the values that the interpreter found. */
static bool set_dims(Session *s, const int64_t *symbols) {
  DimPool *pool = s->program->compilation->dims;
  for (int i = 0; i < s->model->dim_count; i++) {
    const DimSymbol *symbol = dim_find_symbol(pool, s->model->dims[i].name);
    if (!symbol) return diag_error(&s->cli->diag, "ctc", "the emitted model asks for an unknown dim '%s'",
                                   s->model->dims[i].name);
    s->shared->dims[i] = symbols[symbol->index];
  }
  s->model->bounds(s->shared->dims);
  s->model->shapes(s->shared->dims, s->shapes);
  return true;
}

static void run_in_child(Session *s, const Tensor *const *inputs) {
  const void *data[MOST_PORTS];
  for (int i = 0; i < s->model->input_count; i++) data[i] = inputs[i]->data;
  int64_t bytes = s->model->workspace_bytes(s->shared->dims);
  void *workspace = aligned_alloc(64, (size_t)(bytes + 127) / 64 * 64);
  if (!workspace) _exit(3);
  /* What the workspace holds must not matter: not zero, and not the same everywhere. */
  for (int64_t i = 0; i < bytes; i++) ((unsigned char *)workspace)[i] = (unsigned char)(0xA5 + i);
  s->shared->status = s->model->run(data, s->outputs, s->shared->dims, workspace, bytes, s->weights);
  _exit(0);
}

static bool wait_for_child(Session *s, pid_t child) {
  int code;
  if (child < 0 || waitpid(child, &code, 0) < 0)
    return diag_error(&s->cli->diag, "ctc", "cannot start a process");
  if (WIFSIGNALED(code))
    return diag_error(&s->cli->diag, s->cli->options.model, "the emitted program crashed (signal %d)",
                      WTERMSIG(code));
  if (WEXITSTATUS(code) != 0)
    return diag_error(&s->cli->diag, s->cli->options.model, "the emitted program could not be run (code %d)",
                      WEXITSTATUS(code));
  if (s->shared->status != 0)
    return diag_error(&s->cli->diag, s->cli->options.model, "the emitted program returned status %d: %s",
                      s->shared->status, s->model->status_text(s->shared->status));
  return true;
}

static void take_output(Session *s, int index, const Tensor **outputs) {
  const Port *port = &s->program->outputs.items[index];
  void *data;
  outputs[index] =
      tensor_create(s->cli->arena, port->dtype, port->rank, output_shape(s, index), &data);
  memcpy(data, s->outputs[index], (size_t)tensor_bytes(outputs[index]));
}

static bool run_session(Session *s, const Tensor *const *inputs, const int64_t *symbols,
                        const Tensor **outputs) {
  int ranks = 0;
  for (int i = 0; i < s->model->input_count; i++) ranks += s->model->inputs[i].rank;
  for (int i = 0; i < s->model->output_count; i++) ranks += s->model->outputs[i].rank;
  s->shapes = ARENA_ARRAY(s->cli->arena, int64_t, ranks + 1);
  s->shared = shared_memory(sizeof(Shared));
  if (!s->shared || s->model->dim_count > MOST_DIMS || s->model->output_count > MOST_PORTS ||
      s->model->input_count > MOST_PORTS)
    return diag_error(&s->cli->diag, "ctc", "too many dims or tensors, or no memory");
  if (!set_dims(s, symbols)) return false;
  for (int i = 0; i < s->model->output_count; i++)
    if (!(s->outputs[i] = shared_memory(output_bytes(s, i))))
      return diag_error(&s->cli->diag, "ctc", "no memory for output %d", i);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) run_in_child(s, inputs);
  if (!wait_for_child(s, child)) return false;
  s->model->shapes(s->shared->dims, s->shapes);
  for (int i = 0; i < s->model->output_count; i++) take_output(s, i, outputs);
  return true;
}

bool loaded_run(Cli *cli, const char *path, const char *prefix, const Program *program,
                const Tensor *const *inputs, const int64_t *symbols, const char *weights,
                const Tensor **outputs) {
  Session session = {.cli = cli, .program = program};
  FileView view = {0};
  if (weights && !file_map(weights, &view, &cli->diag)) return false;
  session.weights = view.data;
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) return diag_error(&cli->diag, path, "cannot load it: %s", dlerror());
  session.model = dlsym(library, arena_printf(cli->arena, "%s_model", prefix));
  bool ok = session.model && session.model->abi_version == 1;
  if (!ok) diag_error(&cli->diag, path, "it has no descriptor %s_model of ABI 1", prefix);
  ok = ok && run_session(&session, inputs, symbols, outputs);
  dlclose(library);
  return ok;
}
