/* schedule.c: orders the outermost steps for least memory.
 *
 * The steps form a graph: a step waits for the last writer of what it reads, a writer for earlier
 * readers and writers (buffers and run-time symbols alike); every step waits for the checks before
 * it. A loop or If counts as one step that uses all that its blocks use.
 *
 * List scheduling: of the steps that are ready, take the one that is best by some rule, until all
 * are placed. Finding the best order is NP-hard, so two simple rules are tried, and their orders
 * are measured with the real liveness analysis against the original order, which wins unless
 * another one needs less. */
#include "passes/passes.h"

#include "passes/liveness.h"
#include "passes/plan_memory.h"

typedef Vec(int) IntList;

typedef struct {
  IntList after;         /* steps that wait for this one */
  int waits_for;         /* steps that it waits for and that are not placed yet */
  IntList reads, writes; /* resources */
} Item;

typedef struct {
  Program *program;
  Arena *arena;
  Item *items;
  int count;
  int buffer_count, resource_count; /* resources: buffers by id, then symbols by index */
  int64_t *size;                    /* of each buffer in the workspace, 0 for others */
  int *users;                       /* of each buffer: steps that use it and are not placed yet */
  bool *live;                       /* of each buffer: has a value in the order made so far */
  int item;                         /* the one being filled */
} Scheduler;

static void add_once(Arena *arena, IntList *list, int number) {
  for (size_t i = 0; i < list->count; i++)
    if (list->items[i] == number) return;
  vec_push(arena, list, number);
}

/* --- what a step uses --- */

static bool note_symbol(const DimSymbol *symbol, void *context) {
  Scheduler *s = context;
  if (symbol->kind == SYMBOL_DATA)
    add_once(s->arena, &s->items[s->item].reads, s->buffer_count + symbol->index);
  return false;
}

static void use_dim(Scheduler *s, Dim dim) {
  if (dim) dim_any_symbol(dim, note_symbol, s);
}

static void define_symbol(Scheduler *s, const DimSymbol *symbol) {
  if (symbol) add_once(s->arena, &s->items[s->item].writes, s->buffer_count + symbol->index);
}

/* The size of a buffer may depend on symbols that the step that fills it has to know. */
static void use_buffer(BufferUse use, void *context) {
  Scheduler *s = context;
  if (use.buffer->kind == BUFFER_CONSTANT) return;
  Item *item = &s->items[s->item];
  if (use.reads) add_once(s->arena, &item->reads, use.buffer->id);
  if (use.writes) add_once(s->arena, &item->writes, use.buffer->id);
  use_dim(s, use.buffer->count);
}

static void use_access(Scheduler *s, const Access *access, int rank) {
  use_dim(s, access->offset);
  for (int d = 0; d < rank; d++) use_dim(s, access->stride[d]);
}

static void use_nest(Scheduler *s, const LoopNest *nest) {
  for (int d = 0; d < nest->rank; d++) use_dim(s, nest->extent[d]);
  for (size_t i = 0; i < nest->loads.count; i++) use_access(s, &nest->loads.items[i], nest->rank);
  for (size_t i = 0; i < nest->stores.count; i++) {
    use_access(s, &nest->stores.items[i].access, nest->rank);
    use_dim(s, nest->stores.items[i].value.dim);
  }
  for (size_t i = 0; i < nest->ops.count; i++)
    for (int k = 0; k < nest->ops.items[i].arg_count; k++)
      use_dim(s, nest->ops.items[i].args[k].dim);
}

static void use_step(Step *step, void *context) {
  Scheduler *s = context;
  step_visit_buffers(step, use_buffer, s);
  for (size_t i = 0; i < step->args.count; i++) {
    const Arg *arg = &step->args.items[i];
    use_dim(s, arg->offset);
    use_dim(s, arg->dim);
    for (int d = 0; d < arg->dim_count; d++) use_dim(s, arg->dims[d]);
  }
  if (step->nest) use_nest(s, step->nest);
  use_dim(s, step->value);
  use_dim(s, step->element);
  define_symbol(s, step->symbol);
  define_symbol(s, step->trips);
}

static void find_check(Step *step, void *context) {
  if (step->kind == STEP_CHECK) *(bool *)context = true;
}

/* --- the graph of steps --- */

static void add_edge(Scheduler *s, int from, int to) {
  IntList *after = &s->items[from].after;
  if (from == to || (after->count && after->items[after->count - 1] == to)) return;
  vec_push(s->arena, after, to);
  s->items[to].waits_for++;
}

/* Edges for what the step reads and writes. `writer`: the last writer of each resource, or -1;
 * `readers`: those since. */
static void connect(Scheduler *s, int i, int *writer, IntList *readers) {
  Item *item = &s->items[i];
  for (size_t k = 0; k < item->reads.count; k++) {
    int r = item->reads.items[k];
    if (writer[r] >= 0) add_edge(s, writer[r], i);
    vec_push(s->arena, &readers[r], i);
  }
  for (size_t k = 0; k < item->writes.count; k++) {
    int r = item->writes.items[k];
    if (writer[r] >= 0) add_edge(s, writer[r], i);
    for (size_t e = 0; e < readers[r].count; e++) add_edge(s, readers[r].items[e], i);
    readers[r].count = 0;
    writer[r] = i;
  }
}

/* All steps behind one with a check inside wait for it: they may rely on what it checks. So checks
 * keep their order, too. */
static void build_graph(Scheduler *s) {
  const Block *block = s->program->body;
  int *writer = ARENA_ARRAY(s->arena, int, s->resource_count + 1);
  IntList *readers = ARENA_ARRAY(s->arena, IntList, s->resource_count + 1);
  for (int r = 0; r < s->resource_count; r++) writer[r] = -1;
  int check = -1;
  for (int i = 0; i < s->count; i++) {
    Step *step = block->steps.items[i];
    bool checks = false;
    s->item = i;
    step_visit_steps(step, use_step, s);
    step_visit_steps(step, find_check, &checks);
    connect(s, i, writer, readers);
    if (check >= 0) add_edge(s, check, i);
    if (checks) check = i;
  }
}

/* --- list scheduling --- */

/* What placing step i now does to memory: bytes that come to life, and bytes that die behind it. */
static void effect(const Scheduler *s, int i, int64_t *born, int64_t *died) {
  const Item *item = &s->items[i];
  *born = *died = 0;
  const IntList *lists[] = {&item->reads, &item->writes};
  for (int l = 0; l < 2; l++) {
    for (size_t k = 0; k < lists[l]->count; k++) {
      int r = lists[l]->items[k];
      if (r >= s->buffer_count) continue;
      if (!s->live[r]) *born += s->size[r];
      if (s->users[r] == 1) *died += s->size[r];
    }
  }
}

static void place_step(Scheduler *s, int i, IntList *ready) {
  Item *item = &s->items[i];
  const IntList *lists[] = {&item->reads, &item->writes};
  for (int l = 0; l < 2; l++) {
    for (size_t k = 0; k < lists[l]->count; k++) {
      int r = lists[l]->items[k];
      if (r >= s->buffer_count) continue;
      s->live[r] = true;
      s->users[r]--;
    }
  }
  for (size_t k = 0; k < item->after.count; k++)
    if (--s->items[item->after.items[k]].waits_for == 0)
      vec_push(s->arena, ready, item->after.items[k]);
}

typedef enum {
  RULE_GROWTH, /* least growth of live bytes; then original order */
  RULE_RECENT, /* steps that free memory first; otherwise the one that became ready last: depth
                  first */
  RULE_COUNT
} Rule;

/* Smaller is better. */
static int64_t cost_of(const Scheduler *s, Rule rule, int i, size_t ready_index) {
  int64_t born, died;
  effect(s, i, &born, &died);
  if (rule == RULE_GROWTH) return born - died;
  return born < died ? born - died : (int64_t)0x7FFFFFFF - (int64_t)ready_index;
}

/* The order that `rule` gives, as step numbers. */
static void make_order(Scheduler *s, Rule rule, int *order) {
  int *waits = ARENA_ARRAY(s->arena, int, s->count + 1);
  for (int r = 0; r < s->buffer_count; r++) s->users[r] = s->live[r] = 0;
  IntList ready = {0};
  for (int i = 0; i < s->count; i++) {
    Item *item = &s->items[i];
    waits[i] = item->waits_for;
    if (waits[i] == 0) vec_push(s->arena, &ready, i);
    const IntList *lists[] = {&item->reads, &item->writes};
    for (int l = 0; l < 2; l++)
      for (size_t k = 0; k < lists[l]->count; k++)
        if (lists[l]->items[k] < s->buffer_count) s->users[lists[l]->items[k]]++;
  }
  for (int placed = 0; placed < s->count; placed++) {
    CTC_ASSERT(ready.count > 0);
    size_t best = 0;
    int64_t best_cost = INT64_MAX;
    for (size_t k = 0; k < ready.count; k++) {
      int64_t cost = cost_of(s, rule, ready.items[k], k);
      if (cost > best_cost || (cost == best_cost && ready.items[k] > ready.items[best])) continue;
      best = k;
      best_cost = cost;
    }
    order[placed] = ready.items[best];
    memmove(ready.items + best, ready.items + best + 1,
            (ready.count - best - 1) * sizeof *ready.items);
    ready.count--;
    place_step(s, order[placed], &ready);
  }
  for (int i = 0; i < s->count; i++) s->items[i].waits_for = waits[i];
}

/* --- the pass --- */

/* The lower bound of the workspace with the steps as they stand. */
static int64_t measure(Program *program, const int64_t *values) {
  compute_liveness(program);
  merge_in_place(program);
  return plan_lower_bound(program, values, NULL);
}

static Scheduler scheduler_create(Program *program, const int64_t *values, Arena *arena) {
  int buffers = (int)program->buffers.count;
  int symbols = (int)dim_symbol_count(program->compilation->dims);
  Scheduler s = {.program = program,
                 .arena = arena,
                 .count = (int)program->body->steps.count,
                 .buffer_count = buffers,
                 .resource_count = buffers + symbols};
  s.items = ARENA_ARRAY(arena, Item, s.count + 1);
  s.size = ARENA_ARRAY(arena, int64_t, buffers + 1);
  s.users = ARENA_ARRAY(arena, int, buffers + 1);
  s.live = ARENA_ARRAY(arena, bool, buffers + 1);
  for (int i = 0; i < buffers; i++) {
    const Buffer *buffer = program->buffers.items[i];
    bool ok = true;
    if (buffer->kind == BUFFER_WORKSPACE) s.size[i] = dim_eval(buffer->capacity, values, &ok);
  }
  build_graph(&s);
  return s;
}

/* Tries all rules; leaves the best order in the program. */
static void choose_order(Program *program, Arena *arena) {
  const int64_t *values = plan_nominal_values(program, arena);
  Scheduler s = scheduler_create(program, values, arena);
  Step **steps = program->body->steps.items;
  size_t bytes = (size_t)s.count * sizeof(Step *);
  Step **original = arena_copy(arena, steps, bytes), **best = arena_copy(arena, steps, bytes);
  int *order = ARENA_ARRAY(arena, int, s.count + 1);
  int64_t least = measure(program, values);
  for (Rule rule = 0; rule < RULE_COUNT; rule++) {
    make_order(&s, rule, order);
    for (int i = 0; i < s.count; i++) steps[i] = original[order[i]];
    int64_t bound = measure(program, values);
    if (bound >= least) continue;
    least = bound;
    memcpy(best, steps, bytes);
  }
  memcpy(steps, best, bytes);
}

/* Reorders the steps of the outermost block where that lowers the largest sum of live buffers (at
 * nominal values of open symbols, in-place reuse included). Deterministic. */
bool pass_schedule(Program *program) {
  if (program->body->steps.count < 2) return true;
  if (!plan_set_capacities(program)) return false;
  Arena *arena = arena_create();
  choose_order(program, arena);
  arena_destroy(arena);
  return true;
}
