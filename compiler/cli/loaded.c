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

/* As templates/threads.h declares them. */
typedef struct LoadedThreads {
  int32_t count;
  void (*run)(struct LoadedThreads *self, int32_t parts, void (*part)(void *context, int32_t index),
              void *context);
} LoadedThreads;

typedef struct {
  LoadedThreads threads;
  int64_t space[64 * 16 + 64];
} LoadedPool;

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
  int (*run_threads)(LoadedThreads *threads, const void *const *inputs, void *const *outputs,
                     int64_t *dims, void *workspace, int64_t workspace_bytes, const void *weights);
} LoadedModel;

enum { MOST_PORTS = 256, MOST_DIMS = 256, GUARD = 4096 };

/* Memory that parent and child share: everything that the run writes. */
typedef struct {
  int status;
  int64_t dims[MOST_DIMS];
} Shared;

typedef struct {
  Cli *cli;
  const Loaded *loaded;
  const LoadedModel *model;
  int64_t *shapes;
  Shared *shared;
  void *outputs[MOST_PORTS];
  void *workspace; /* shared, where strings of outputs may lie in it; else NULL */
  const void *weights;
  int32_t (*start_pool)(LoadedPool *pool, int32_t threads); /* NULL: it has no pool */
  int trace[2];                                             /* a pipe; -1: not tracing */
} Session;

struct LoadedRun {
  Session *session;
  void *library;
  const void *inputs[MOST_PORTS];
  void *workspace;
  int64_t workspace_bytes;
};

void *loaded_shared(int64_t bytes) {
  void *memory =
      mmap(NULL, (size_t)bytes + GUARD, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
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
  int64_t bytes = (int64_t)dtype_info(s->loaded->program->outputs.items[index].dtype)->bytes;
  for (int d = 0; d < s->model->outputs[index].rank; d++) bytes *= shape[d];
  return bytes;
}

/* The caller's dims: by name, from the values that the interpreter found. */
static bool set_dims(Session *s) {
  DimPool *pool = s->loaded->program->compilation->dims;
  for (int i = 0; i < s->model->dim_count; i++) {
    const DimSymbol *symbol = dim_find_symbol(pool, s->model->dims[i].name);
    if (!symbol)
      return diag_error(&s->cli->diag, "ctc", "the emitted model asks for an unknown dim '%s'",
                        s->model->dims[i].name);
    s->shared->dims[i] = s->loaded->symbols[symbol->index];
  }
  s->model->bounds(s->shared->dims);
  s->model->shapes(s->shared->dims, s->shapes);
  return true;
}

/* On as many threads as the user wants. The pool starts with the first run, and ends with the
 * process. */
int loaded_once(LoadedRun *run) {
  static LoadedPool pool;
  static bool started;
  Session *s = run->session;
  const LoadedModel *model = s->model;
  int64_t *dims = s->shared->dims, bytes = run->workspace_bytes;
  if (s->cli->run_threads <= 1 || !s->start_pool || !model->run_threads)
    return s->shared->status =
               model->run(run->inputs, s->outputs, dims, run->workspace, bytes, s->weights);
  if (!started) s->start_pool(&pool, s->cli->run_threads);
  started = true;
  return s->shared->status = model->run_threads(&pool.threads, run->inputs, s->outputs, dims,
                                                run->workspace, bytes, s->weights);
}

void *loaded_symbol(const LoadedRun *run, const char *name) {
  return dlsym(run->library, name);
}

static void run_once(LoadedRun *run, void *context) {
  (void)context;
  loaded_once(run);
}

static void run_in_child(Session *s, void *library, void (*body)(LoadedRun *run, void *context),
                         void *context) {
  LoadedRun run = {.session = s, .library = library};
  if (s->trace[0] >= 0) close(s->trace[0]);
  for (int i = 0; i < s->model->input_count; i++) run.inputs[i] = s->loaded->inputs[i]->data;
  int64_t bytes = run.workspace_bytes = s->model->workspace_bytes(s->shared->dims);
  unsigned char *workspace = s->workspace;
  if (!workspace) workspace = aligned_alloc(64, (size_t)(bytes + 127) / 64 * 64);
  run.workspace = workspace;
  if (!workspace) _exit(3);
  /* What the workspace holds must not matter: not zero, and not the same everywhere. */
  for (int64_t i = 0; i < bytes; i++) workspace[i] = (unsigned char)(0xA5 + i);
  body(&run, context);
  _exit(0);
}

static bool wait_for_child(Session *s, pid_t child) {
  int code;
  if (child < 0 || waitpid(child, &code, 0) < 0)
    return diag_error(&s->cli->diag, "ctc", "cannot start a process");
  if (WIFSIGNALED(code))
    return diag_error(&s->cli->diag, s->cli->options.model,
                      "the emitted program crashed (signal %d)", WTERMSIG(code));
  if (WEXITSTATUS(code) != 0)
    return diag_error(&s->cli->diag, s->cli->options.model,
                      "the emitted program could not be run (code %d)", WEXITSTATUS(code));
  if (s->shared->status != 0)
    return diag_error(&s->cli->diag, s->cli->options.model,
                      "the emitted program returned status %d: %s", s->shared->status,
                      s->model->status_text(s->shared->status));
  return true;
}

static void take_output(Session *s, int index, const Tensor **outputs) {
  const Port *port = &s->loaded->program->outputs.items[index];
  void *data;
  outputs[index] =
      tensor_create(s->cli->arena, port->dtype, port->rank, output_shape(s, index), &data);
  memcpy(data, s->outputs[index], (size_t)tensor_bytes(outputs[index]));
  /* Texts lie in the library or the workspace, which are at the same places in the child, and are
   * about to go. */
  if (port->dtype == DT_STRING) tensor_keep_texts(s->cli->arena, data, outputs[index]->count);
}

static bool gives_texts(const Session *s) {
  const Program *program = s->loaded->program;
  for (size_t i = 0; i < program->outputs.count; i++)
    if (program->outputs.items[i].dtype == DT_STRING) return true;
  return false;
}

static bool prepare(Session *s) {
  const LoadedModel *model = s->model;
  int ranks = 0;
  s->shared = loaded_shared(sizeof(Shared));
  if (!s->shared || model->dim_count > MOST_DIMS || model->output_count > MOST_PORTS ||
      model->input_count > MOST_PORTS)
    return diag_error(&s->cli->diag, "ctc", "too many dims or tensors, or no memory");
  for (int i = 0; i < model->input_count; i++) ranks += model->inputs[i].rank;
  for (int i = 0; i < model->output_count; i++) ranks += model->outputs[i].rank;
  s->shapes = ARENA_ARRAY(s->cli->arena, int64_t, ranks + 1);
  if (!set_dims(s)) return false;
  for (int i = 0; i < model->output_count; i++)
    if (!(s->outputs[i] = loaded_shared(output_bytes(s, i))))
      return diag_error(&s->cli->diag, "ctc", "no memory for output %d", i);
  if (gives_texts(s) &&
      !(s->workspace = loaded_shared(model->workspace_bytes(s->shared->dims) + 64)))
    return diag_error(&s->cli->diag, "ctc", "no memory for the workspace");
  return true;
}

/* Opens the library and makes everything ready for a child that runs it; *library is to be closed
 * in any case. */
static bool begin(Session *s, Cli *cli, const Loaded *loaded, void **library) {
  FileView view = {0};
  *s = (Session){.cli = cli, .loaded = loaded, .trace = {-1, -1}};
  *library = NULL;
  if (loaded->weights && !file_map(loaded->weights, &view, &cli->diag)) return false;
  s->weights = view.data;
  *library = dlopen(loaded->path, RTLD_NOW | RTLD_LOCAL);
  if (!*library) return diag_error(&cli->diag, loaded->path, "cannot load it: %s", dlerror());
  s->model = dlsym(*library, arena_printf(cli->arena, "%s_model", loaded->prefix));
  if (!s->model || s->model->abi_version != 1)
    return diag_error(&cli->diag, loaded->path, "it has no descriptor %s_model of ABI 1",
                      loaded->prefix);
  void *start = dlsym(*library, arena_printf(cli->arena, "%s_pool_start", loaded->prefix));
  memcpy(&s->start_pool, &start, sizeof start);
  return prepare(s);
}

static void end(void *library) {
  if (library) dlclose(library);
}

static pid_t start_child(Session *s, void *library, void (*body)(LoadedRun *run, void *context),
                         void *context) {
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) run_in_child(s, library, body, context);
  return child;
}

bool loaded_repeat(Cli *cli, const Loaded *loaded, void (*body)(LoadedRun *run, void *context),
                   void *context) {
  Session s;
  void *library;
  bool ok = begin(&s, cli, loaded, &library) &&
            wait_for_child(&s, start_child(&s, library, body, context));
  end(library);
  return ok;
}

bool loaded_run(Cli *cli, const Loaded *loaded, const Tensor **outputs) {
  Session s;
  void *library;
  bool ok = begin(&s, cli, loaded, &library) &&
            wait_for_child(&s, start_child(&s, library, run_once, NULL));
  if (ok) {
    s.model->shapes(s.shared->dims, s.shapes);
    for (int i = 0; i < s.model->output_count; i++) take_output(&s, i, outputs);
  }
  end(library);
  return ok;
}

/* --- tracing --- */

static void write_all(int fd, const void *data, size_t bytes) {
  for (const char *at = data; bytes > 0;) {
    ssize_t done = write(fd, at, bytes);
    if (done <= 0) _exit(0); /* nobody reads any more */
    at += done;
    bytes -= (size_t)done;
  }
}

/* In the child: templates/trace.c calls it. */
static void send_record(void *context, int32_t step, int32_t buffer, const void *data,
                        int64_t bytes) {
  const Session *s = context;
  TraceRecord record = {step, buffer, bytes > 0 ? bytes : 0};
  write_all(s->trace[1], &record, sizeof record);
  write_all(s->trace[1], data, (size_t)record.bytes);
}

typedef void (*TraceHook)(void *context, int32_t step, int32_t buffer, const void *data,
                          int64_t bytes);

static bool set_hook(Session *s, void *library) {
  TraceHook *hook = dlsym(library, "ctc_trace_hook");
  void **context = dlsym(library, "ctc_trace_context");
  if (!hook || !context) return diag_error(&s->cli->diag, s->loaded->path, "it cannot be traced");
  *hook = send_record;
  *context = s;
  return pipe(s->trace) == 0 || diag_error(&s->cli->diag, "ctc", "cannot make a pipe");
}

bool loaded_trace(Cli *cli, const Loaded *loaded, void (*follow)(int fd, void *context),
                  void *context) {
  Session s;
  void *library;
  bool ok = begin(&s, cli, loaded, &library) && set_hook(&s, library);
  if (ok) {
    pid_t child = start_child(&s, library, run_once, NULL);
    close(s.trace[1]);
    follow(s.trace[0], context);
    close(s.trace[0]);
    ok = child > 0 && waitpid(child, NULL, 0) == child;
  }
  end(library);
  return ok;
}
