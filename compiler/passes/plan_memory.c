/* plan_memory.c: sizes, lifetimes, sharing and offsets of all workspace buffers.
 *
 * A static program is packed by arena_plan, and that is all. With open symbols in the sizes:
 *   1. Every open symbol gets a nominal value, and the buffers are packed with the sizes that
 * follow.
 *   2. Of that packing only the order is kept: for two buffers that are live together, which one
 * lies below. Then
 *
 *        offset(b) = max over all a below b of (offset(a) + size(a))
 *
 *      is right for every value of the symbols, and gives the packing of step 1 (or a lower one)
 * for the nominal ones.
 *   3. An a is left out if some c lies between (a below c below b), for c's term is never smaller.
 * Offsets that are no constants become variables of the plan, computed once at the start of a run;
 * so do expressions on the way that get long. */
#include "passes/plan_memory.h"

#include "passes/arena_plan.h"
#include "passes/liveness.h"
#include "passes/passes.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
  NOMINAL = 64,        /* value of an open symbol */
  SMALL_LIMIT = 1024,  /* an upper limit up to this is taken as the nominal value */
  LONGEST_INLINE = 48, /* characters of an expression that gets no variable */
};

typedef struct {
  Program *program;
  DimPool *pool;
  Arena *arena;         /* scratch, for this pass only */
  Vec(Buffer *) owners; /* buffers with memory of their own */
  Dim *sizes;           /* of the owners, rounded up */
  ArenaBlock *blocks;   /* likewise, at nominal values */
  int count;
} Plan;

/* --- sizes --- */

static bool report_too_large(const Program *program, const Buffer *buffer) {
  Compilation *c = program->compilation;
  diag_error(c->diag, c->file, "tensor '%s' is too large to address",
             buffer->name ? buffer->name : "");
  if (dim_is_overflow(buffer->count)) return false;
  Str count = str_in(c->arena);
  dim_print(&count, buffer->count);
  return diag_note(c->diag, "it has %s elements of %s", str_text(&count),
                   dtype_info(buffer->dtype)->name);
}

/* A tensor with a dimension below 0 cannot exist; its size is taken as 0, so that it does not move
 * others. */
static Dim not_negative(DimPool *pool, Dim dim) {
  return dim_range(dim).low >= 0 ? dim : dim_max(pool, dim, dim_const(pool, 0));
}

/* A size that has a limit (all dims in it were bounded with --dim) is reserved at that limit: a
 * workspace that is a constant is worth more than one that is smaller at times. */
static Dim at_its_limit(DimPool *pool, Dim size) {
  int64_t high = dim_range(size).high;
  return dim_is_const(size) || dim_is_overflow(size) || high == INT64_MAX ? size
                                                                          : dim_const(pool, high);
}

static bool set_capacity(const Program *program, Buffer *buffer) {
  DimPool *pool = program->compilation->dims;
  size_t bytes = dtype_info(buffer->dtype)->bytes;
  Dim count = dim_upper(pool, dim_refresh(pool, buffer->count));
  Dim size = not_negative(pool, dim_muli(pool, count, bytes ? (int64_t)bytes : 1));
  buffer->capacity = at_its_limit(pool, size);
  return !dim_is_overflow(buffer->capacity) || report_too_large(program, buffer);
}

bool plan_set_capacities(Program *program) {
  bool ok = true;
  for (size_t i = 0; i < program->buffers.count; i++)
    ok = set_capacity(program, program->buffers.items[i]) && ok;
  return ok;
}

static Dim round_up(DimPool *pool, Dim size) {
  Dim units =
      dim_floordiv(pool, dim_addi(pool, size, PLAN_ALIGNMENT - 1), dim_const(pool, PLAN_ALIGNMENT));
  return dim_muli(pool, units, PLAN_ALIGNMENT);
}

/* --- nominal values --- */

static int64_t nominal_value(const DimSymbol *symbol) {
  int64_t value = symbol->high <= SMALL_LIMIT ? symbol->high : NOMINAL;
  if (value > symbol->high) value = symbol->high;
  return value < symbol->low ? symbol->low : value;
}

int64_t *plan_nominal_values(const Program *program, Arena *arena) {
  const DimPool *pool = program->compilation->dims;
  size_t count = dim_symbol_count(pool);
  int64_t *values = ARENA_ARRAY(arena, int64_t, count + 1);
  for (size_t i = 0; i < count; i++)
    values[i] = nominal_value(dim_symbol_at((DimPool *)(uintptr_t)pool, i));
  bool ok = plan_evaluate(program, values);
  (void)ok; /* at nominal values of an absurdly large model: the report shows zeros */
  return values;
}

bool plan_evaluate(const Program *program, int64_t *values) {
  bool all = true;
  for (size_t i = 0; i < program->plan.count; i++) {
    const PlanEntry *entry = &program->plan.items[i];
    bool ok = true;
    values[entry->symbol->index] = dim_eval(entry->value, values, &ok);
    all = all && ok;
  }
  return all;
}

static int64_t rounded_size(const Buffer *buffer, const int64_t *values) {
  bool ok = true;
  int64_t bytes = dim_eval(buffer->capacity, values, &ok);
  if (!ok || bytes < 0) return 0;
  return (bytes + PLAN_ALIGNMENT - 1) / PLAN_ALIGNMENT * PLAN_ALIGNMENT;
}

static bool has_memory(const Buffer *buffer) {
  return buffer->kind == BUFFER_WORKSPACE && buffer->first >= 0 && !buffer->merged_into;
}

/* The blocks of all buffers that have memory of their own, in the order of program->buffers. */
static ArenaBlock *make_blocks(const Program *program, const int64_t *values, Arena *arena,
                               int *count) {
  ArenaBlock *blocks = ARENA_ARRAY(arena, ArenaBlock, program->buffers.count + 1);
  *count = 0;
  for (size_t i = 0; i < program->buffers.count; i++) {
    const Buffer *buffer = program->buffers.items[i];
    if (!has_memory(buffer)) continue;
    blocks[(*count)++] = (ArenaBlock){rounded_size(buffer, values), buffer->first, buffer->last, 0};
  }
  return blocks;
}

int64_t plan_lower_bound(const Program *program, const int64_t *values, int *position) {
  Arena *arena = arena_create();
  int count;
  ArenaBlock *blocks = make_blocks(program, values, arena, &count);
  int64_t bound = arena_plan_bound(blocks, count, position);
  arena_destroy(arena);
  return bound;
}

/* --- symbolic offsets --- */

/* A variable of the plan with that value: an older one if there is one. */
static Dim plan_variable(Plan *plan, Dim value) {
  Program *program = plan->program;
  for (size_t i = 0; i < program->plan.count; i++)
    if (program->plan.items[i].value == value)
      return dim_of_symbol(plan->pool, program->plan.items[i].symbol);
  DimRange range = dim_range(value);
  Dim variable = dim_data(plan->pool, "place", range.low > 0 ? range.low : 0, range.high, value);
  PlanEntry entry = {dim_symbol(variable), value};
  vec_push(program->compilation->arena, &program->plan, entry);
  return variable;
}

/* The expression itself if it is short, otherwise a variable of the plan with that value. */
static Dim shorten(Plan *plan, Dim dim) {
  if (dim_is_const(dim) || dim_is_overflow(dim)) return dim;
  Str text = str_in(plan->arena);
  dim_print(&text, dim);
  return text.length <= LONGEST_INLINE ? dim : plan_variable(plan, dim);
}

/* What a buffer's offset is: a constant or a lone variable. The symbols in an expression stand for
 * capacities here, but for the real sizes in the steps of the program, so no expression may be
 * left. */
static Dim settle(Plan *plan, Dim offset) {
  const DimSymbol *symbol = dim_symbol(offset);
  for (size_t i = 0; symbol && i < plan->program->plan.count; i++)
    if (plan->program->plan.items[i].symbol == symbol) return offset;
  return dim_is_const(offset) || dim_is_overflow(offset) ? offset : plan_variable(plan, offset);
}

static Dim raise_to(Plan *plan, Dim offset, Dim end) {
  return offset == end ? offset : shorten(plan, dim_max(plan->pool, offset, end));
}

typedef struct {
  int64_t offset;
  int block;
} Place;

static int compare_places(const void *a, const void *b) {
  const Place *x = a, *y = b;
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  return x->block < y->block ? -1 : x->block > y->block;
}

/* A set of blocks, one bit each. */
static bool set_has(const uint64_t *set, int i) {
  return set[i / 64] >> (i % 64) & 1;
}
static void set_put(uint64_t *set, int i) {
  set[i / 64] |= (uint64_t)1 << (i % 64);
}
static void set_unite(uint64_t *set, const uint64_t *other, int words) {
  for (int w = 0; w < words; w++) set[w] |= other[w];
}

typedef struct {
  int *order;      /* block numbers from the lowest offset up */
  int *rank;       /* where a block stands in it */
  uint64_t *below; /* [block][words]: all that must lie below it, directly or through others */
  int words;
  Dim *ends;     /* offset + size of each block */
  bool *covered; /* something lies above it */
  int *lower;    /* room for the blocks directly below one */
} Stack;

static int compare_ints_falling(const void *a, const void *b) {
  int x = *(const int *)a, y = *(const int *)b;
  return x > y ? -1 : x < y;
}

/* The offset of block b from those below it, highest first: one that some other is known to lie on
 * adds nothing. */
static Dim stack_offset(Plan *plan, Stack *stack, const ArenaConflicts *conflicts, int b) {
  int count = 0;
  for (int64_t e = conflicts->start[b]; e < conflicts->start[b + 1]; e++) {
    int rank = stack->rank[conflicts->neighbours[e]];
    if (rank < stack->rank[b]) stack->lower[count++] = rank;
  }
  qsort(stack->lower, (size_t)count, sizeof *stack->lower, compare_ints_falling);
  uint64_t *below = stack->below + (size_t)b * (size_t)stack->words;
  Dim offset = dim_const(plan->pool, 0);
  for (int k = 0; k < count; k++) {
    int a = stack->order[stack->lower[k]];
    if (set_has(below, a)) continue;
    set_unite(below, stack->below + (size_t)a * (size_t)stack->words, stack->words);
    set_put(below, a);
    stack->covered[a] = true;
    offset = raise_to(plan, offset, stack->ends[a]);
  }
  return offset;
}

static Stack stack_create(Plan *plan) {
  size_t n = (size_t)plan->count;
  int words = plan->count / 64 + 1;
  Stack stack = {.order = ARENA_ARRAY(plan->arena, int, n + 1),
                 .rank = ARENA_ARRAY(plan->arena, int, n + 1),
                 .below = ARENA_ARRAY(plan->arena, uint64_t, n * (size_t)words + 1),
                 .words = words,
                 .ends = ARENA_ARRAY(plan->arena, Dim, n + 1),
                 .covered = ARENA_ARRAY(plan->arena, bool, n + 1),
                 .lower = ARENA_ARRAY(plan->arena, int, n + 1)};
  Place *places = ARENA_ARRAY(plan->arena, Place, n + 1);
  for (int i = 0; i < plan->count; i++) places[i] = (Place){plan->blocks[i].offset, i};
  qsort(places, n, sizeof *places, compare_places);
  for (int i = 0; i < plan->count; i++) stack.order[i] = places[i].block;
  for (int i = 0; i < plan->count; i++) stack.rank[stack.order[i]] = i;
  return stack;
}

/* Turns the nominal packing into expressions; returns the workspace. */
static Dim stack_blocks(Plan *plan) {
  Stack stack = stack_create(plan);
  ArenaConflicts conflicts = arena_conflicts(plan->blocks, plan->count);
  for (int k = 0; k < plan->count; k++) {
    int b = stack.order[k];
    Buffer *buffer = plan->owners.items[b];
    Dim offset = stack_offset(plan, &stack, &conflicts, b);
    buffer->offset = settle(plan, offset);
    stack.ends[b] = shorten(plan, dim_add(plan->pool, offset, plan->sizes[b]));
  }
  arena_conflicts_free(&conflicts);
  Dim total = dim_const(plan->pool, 0);
  for (int k = plan->count - 1; k >= 0; k--)
    if (!stack.covered[stack.order[k]]) total = raise_to(plan, total, stack.ends[stack.order[k]]);
  return total;
}

/* --- the pass --- */

static Plan plan_create(Program *program, Arena *arena) {
  Plan plan = {.program = program, .pool = program->compilation->dims, .arena = arena};
  plan.sizes = ARENA_ARRAY(arena, Dim, program->buffers.count + 1);
  const int64_t *values = plan_nominal_values(program, arena);
  plan.blocks = make_blocks(program, values, arena, &plan.count);
  for (size_t i = 0; i < program->buffers.count; i++) {
    Buffer *buffer = program->buffers.items[i];
    if (!has_memory(buffer)) continue;
    plan.sizes[plan.owners.count] = round_up(plan.pool, buffer->capacity);
    vec_push(arena, &plan.owners, buffer);
  }
  return plan;
}

/* Whether all sizes are constants; false in *fits if even their sum is beyond int64. */
static bool plan_is_static(const Plan *plan, bool *fits) {
  int64_t sum = 0;
  bool constant = true;
  *fits = true;
  for (int i = 0; i < plan->count; i++) {
    constant = constant && dim_is_const(plan->sizes[i]);
    if (__builtin_add_overflow(sum, plan->blocks[i].size, &sum)) *fits = false;
  }
  return constant;
}

static void take_offsets(const Plan *plan) {
  for (int i = 0; i < plan->count; i++)
    plan->owners.items[i]->offset = dim_const(plan->pool, plan->blocks[i].offset);
}

/* Buffers inside of another one start where that one does; those that nobody uses start at 0. */
static void set_other_offsets(Program *program) {
  for (size_t i = 0; i < program->buffers.count; i++) {
    Buffer *buffer = program->buffers.items[i];
    if (buffer->kind != BUFFER_WORKSPACE || has_memory(buffer)) continue;
    buffer->offset = buffer->merged_into ? buffer_owner(buffer)->offset
                                         : dim_const(program->compilation->dims, 0);
  }
}

static bool place_buffers(Program *program, Arena *arena) {
  Compilation *c = program->compilation;
  Plan plan = plan_create(program, arena);
  bool fits;
  bool constant = plan_is_static(&plan, &fits);
  if (!fits)
    return diag_error(c->diag, c->file, "the tensors of the model are too large to address");
  int64_t total = arena_plan(plan.blocks, plan.count);
  if (constant) {
    take_offsets(&plan);
    /* Some where no buffer has elements, too: the program takes their addresses. */
    bool empty = plan.count > 0 && total == 0;
    program->workspace_bytes = dim_const(c->dims, empty ? PLAN_ALIGNMENT : total);
  } else {
    program->workspace_bytes = stack_blocks(&plan);
  }
  if (dim_is_overflow(program->workspace_bytes))
    return diag_error(c->diag, c->file, "the workspace is too large to address");
  set_other_offsets(program);
  return true;
}

/* Sets capacity (of every buffer), first, last, merged_into and offset (of workspace buffers), and
 * the program's plan and workspace_bytes. Offsets are multiples of PLAN_ALIGNMENT. May be called
 * again after steps were changed. Sizes beyond int64 are reported. */
bool pass_plan(Program *program) {
  program->plan.count = 0;
  program->plan.items = NULL;
  program->plan.capacity = 0;
  if (!plan_set_capacities(program)) return false;
  compute_liveness(program);
  merge_in_place(program);
  Arena *arena = arena_create();
  bool ok = place_buffers(program, arena);
  arena_destroy(arena);
  return ok;
}
