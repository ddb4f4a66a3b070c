/* diverge.c: the emitted program and the interpreter in step.
 *
 * The emitted program sends what each step wrote through a pipe; the interpreter's observer reads
 * it in the same order. Only elements that the step itself wrote are compared: the rest of a buffer
 * may be anything in the emitted program, whose memory is reused. */
#include "cli/diverge.h"

#include "ir/interpret.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  void *data;
  int64_t bytes;
} Copy;

typedef struct {
  Cli *cli;
  const Loaded *loaded;
  Divergence *result;
  int fd;
  bool ended;     /* nothing more to read, or found */
  bool *is_read;  /* by buffer id: some step reads it, or the caller; others are scratch memory */
  bool *in_parts; /* by buffer id: a kernel writes it from an offset on, so that we cannot tell what
                     it wrote */
  Copy *before;   /* by buffer id, for those: as the last step left it */
  Arena *scratch; /* for the step at hand */
  Machine *machine;
  const Step *step;
} Follower;

/* --- what the program does with its buffers --- */

static void note_use(BufferUse use, void *context) {
  Follower *f = context;
  if (use.reads || use.buffer->kind == BUFFER_OUTPUT) f->is_read[use.buffer->id] = true;
}

static void note_step(Step *step, void *context) {
  Follower *f = context;
  step_visit_buffers(step, note_use, f);
  for (size_t i = 0; i < step->args.count; i++) {
    const Arg *arg = &step->args.items[i];
    if (arg->kind == PARAM_OUT && arg->buffer && arg->offset && !dim_is(arg->offset, 0))
      f->in_parts[arg->buffer->id] = true;
  }
}

/* --- which elements a step wrote --- */

static void mark_store(const Follower *f, const LoopNest *nest, const Access *access, bool *mask,
                       int64_t count) {
  int64_t extent[MAX_RANK], stride[MAX_RANK], index[MAX_RANK] = {0};
  for (int d = 0; d < nest->rank; d++) {
    extent[d] = interpret_dim(f->machine, nest->extent[d]);
    stride[d] = interpret_dim(f->machine, access->stride[d]);
    if (extent[d] <= 0) return;
  }
  int64_t start = interpret_dim(f->machine, access->offset);
  for (int d = nest->rank; d >= 0;) {
    int64_t at = start;
    for (int k = 0; k < nest->rank; k++) at += index[k] * stride[k];
    if (at >= 0 && at < count) mask[at] = true;
    for (d = nest->rank - 1; d >= 0 && ++index[d] == extent[d]; d--) index[d] = 0;
  }
}

/* NULL: all of them. */
static const bool *written(const Follower *f, const Buffer *buffer, const void *data,
                           int64_t count) {
  const Step *step = f->step;
  size_t size = dtype_info(buffer->dtype)->bytes;
  const Copy *before = &f->before[buffer->id];
  if (step->kind != STEP_NEST && !f->in_parts[buffer->id]) return NULL;
  bool *mask = ARENA_ARRAY(f->scratch, bool, count + 1);
  if (step->kind == STEP_NEST) {
    for (size_t i = 0; i < step->nest->stores.count; i++)
      if (step->nest->stores.items[i].access.buffer == buffer)
        mark_store(f, step->nest, &step->nest->stores.items[i].access, mask, count);
    return mask;
  }
  /* What changed was written; what did not change may have been. New memory is zero. */
  static const char zeros[16];
  for (int64_t i = 0; i < count; i++) {
    size_t at = (size_t)i * size;
    bool known = before->data && (int64_t)(at + size) <= before->bytes;
    mask[i] =
        memcmp((const char *)data + at, known ? (const char *)before->data + at : zeros, size) != 0;
  }
  return mask;
}

static void keep_copy(Follower *f, const Buffer *buffer, const void *data, int64_t bytes) {
  Copy *before = &f->before[buffer->id];
  if (!f->in_parts[buffer->id]) return;
  if (before->bytes < bytes) *before = (Copy){arena_alloc_big(f->cli->arena, (size_t)bytes), bytes};
  memcpy(before->data, data, (size_t)bytes);
}

/* --- one record --- */

static bool read_all(int fd, void *data, size_t bytes) {
  for (char *at = data; bytes > 0;) {
    ssize_t got = read(fd, at, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    bytes -= (size_t)got;
  }
  return true;
}

static void found(Follower *f, DivergeKind kind, const Buffer *buffer, int64_t count,
                  Comparison comparison) {
  int steps = f->result->steps;
  *f->result = (Divergence){kind, f->step, buffer, comparison, count, steps};
  f->ended = true;
}

static Tensor view(DType dtype, const void *data, int64_t count) {
  return (Tensor){.dtype = dtype, .rank = 1, .dims = {count}, .count = count, .data = data};
}

static void compare_buffer(Follower *f, const Buffer *buffer, const void *emitted, int64_t bytes) {
  int64_t count, size = (int64_t)dtype_info(buffer->dtype)->bytes;
  const void *data = interpret_buffer(f->machine, buffer, &count);
  if (!data || !f->is_read[buffer->id]) return;
  if (bytes != count * size) {
    found(f, DIVERGE_SIZE, buffer, bytes / size, (Comparison){0});
    return;
  }
  const bool *mask = written(f, buffer, data, count);
  Tensor got = view(buffer->dtype, emitted, count), wanted = view(buffer->dtype, data, count);
  Comparison comparison = compare_tensors(&got, &wanted, f->cli->rtol, f->cli->atol, mask);
  if (comparison.wrong) found(f, DIVERGE_DATA, buffer, count, comparison);
  keep_copy(f, buffer, data, bytes);
}

static void follow_buffer(BufferUse use, void *context) {
  Follower *f = context;
  TraceRecord record;
  if (!use.writes || f->ended) return;
  bool got = read_all(f->fd, &record, sizeof record);
  if (!got || record.step != f->step->number || record.buffer != use.buffer->id) {
    found(f, DIVERGE_PATH, NULL, 0, (Comparison){0});
    return;
  }
  void *data = arena_alloc_big(f->scratch, (size_t)record.bytes + 1);
  if (read_all(f->fd, data, (size_t)record.bytes))
    compare_buffer(f, use.buffer, data, record.bytes);
  else
    found(f, DIVERGE_PATH, NULL, 0, (Comparison){0});
}

static void observe(Machine *machine, const Step *step, void *context) {
  Follower *f = context;
  if (f->ended || (step->kind != STEP_KERNEL && step->kind != STEP_NEST)) return;
  f->machine = machine;
  f->step = step;
  f->scratch = arena_create();
  step_visit_buffers(step, follow_buffer, f);
  arena_destroy(f->scratch);
}

static void follow(int fd, void *context) {
  Follower *f = context;
  Arena *arena = arena_create();
  RunResult result;
  const Program *program = f->loaded->program;
  const Tensor **outputs = ARENA_ARRAY(arena, const Tensor *, program->outputs.count + 1);
  f->fd = fd;
  bool ok = interpret(program, f->loaded->inputs, outputs, arena, &result, observe, f);
  (void)ok; /* it ran before */
  arena_destroy(arena);
}

bool find_divergence(Cli *cli, const Loaded *loaded, Divergence *result) {
  size_t buffers = loaded->program->buffers.count + 1;
  *result = (Divergence){.kind = DIVERGE_NOWHERE, .steps = program_number_steps(loaded->program)};
  Follower f = {.cli = cli,
                .loaded = loaded,
                .result = result,
                .is_read = ARENA_ARRAY(cli->arena, bool, buffers),
                .in_parts = ARENA_ARRAY(cli->arena, bool, buffers),
                .before = ARENA_ARRAY(cli->arena, Copy, buffers)};
  block_visit_steps(loaded->program->body, note_step, &f);
  return loaded_trace(cli, loaded, follow, &f);
}
