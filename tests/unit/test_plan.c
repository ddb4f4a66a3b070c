/* test_plan.c: packing, lifetimes, in-place reuse, symbolic offsets and the order of steps. */
#include "passes/arena_plan.h"
#include "passes/liveness.h"
#include "passes/passes.h"
#include "passes/plan_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* --- random numbers, the same on every run --- */

static uint64_t seed = 88172645463325252u;

static int random_below(int limit) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (int)((seed >> 20) % (uint64_t)limit);
}

/* --- packing --- */

static bool overlap(int64_t a, int64_t a_size, int64_t b, int64_t b_size) {
  return a < b + b_size && b < a + a_size;
}

static void check_blocks(const ArenaBlock *blocks, int count, int64_t total) {
  int64_t top = 0;
  for (int i = 0; i < count; i++) {
    const ArenaBlock *a = &blocks[i];
    assert_true(a->offset >= 0 && a->offset % 64 == 0);
    if (a->offset + a->size > top) top = a->offset + a->size;
    for (int j = 0; j < i; j++) {
      const ArenaBlock *b = &blocks[j];
      if (a->first <= b->last && b->first <= a->last)
        assert_false(overlap(a->offset, a->size, b->offset, b->size));
    }
  }
  assert_int_equal(top, total);
}

/* `count` blocks; one in `rare` lives long. */
static void pack_random(int count, int rare, double most_over_bound) {
  ArenaBlock *blocks = calloc((size_t)count, sizeof *blocks);
  for (int i = 0; i < count; i++) {
    int first = random_below(count);
    int length = random_below(rare) ? random_below(4) : random_below(count);
    int last = first + length < count ? first + length : count - 1;
    blocks[i] =
        (ArenaBlock){64 * (int64_t)(1 + random_below(1 << random_below(16))), first, last, 0};
  }
  int64_t bound = arena_plan_bound(blocks, count, NULL);
  int64_t total = arena_plan(blocks, count);
  check_blocks(blocks, count, total);
  assert_true(total >= bound);
  assert_true((double)total <= most_over_bound * (double)bound);
  free(blocks);
}

static void test_pack_random(void **state) {
  (void)state;
  for (int round = 0; round < 200; round++) pack_random(1 + random_below(12), 3, 1.35);
  for (int round = 0; round < 20; round++) pack_random(100, 10, 1.10);
  pack_random(1500, 20, 1.05);
}

static void test_pack_bound(void **state) {
  (void)state;
  ArenaBlock blocks[] = {{128, 0, 1, 0}, {64, 1, 2, 0}, {256, 2, 3, 0}, {64, 5, 9, 0}};
  int position = -1;
  assert_int_equal(arena_plan_bound(blocks, 4, &position), 320);
  assert_int_equal(position, 2);
  assert_int_equal(arena_plan(blocks, 4), 320);
  check_blocks(blocks, 4, 320);
  assert_int_equal(arena_plan(blocks, 0), 0);
  assert_int_equal(arena_plan_bound(blocks, 0, NULL), 0);
}

/* All live at once: packed without a gap, in any order. */
static void test_pack_dense(void **state) {
  (void)state;
  enum { COUNT = 700 };
  ArenaBlock blocks[COUNT];
  int64_t sum = 0;
  for (int i = 0; i < COUNT; i++) {
    blocks[i] = (ArenaBlock){64 * (1 + i % 9), 0, 3, 0};
    sum += blocks[i].size;
  }
  assert_int_equal(arena_plan(blocks, COUNT), sum);
  check_blocks(blocks, COUNT, sum);
}

/* --- programs made by hand --- */

typedef struct {
  Arena *arena;
  Diag diag;
  Compilation c;
  Program program;
} Fixture;

static Fixture *fixture_create(void) {
  Arena *arena = arena_create();
  Fixture *f = ARENA_NEW(arena, Fixture);
  f->arena = arena;
  f->c =
      (Compilation){.arena = arena, .diag = &f->diag, .dims = dim_pool_create(arena), .file = "m"};
  f->program = (Program){.compilation = &f->c, .body = ARENA_NEW(arena, Block)};
  return f;
}

static Dim number(Fixture *f, int64_t value) {
  return dim_const(f->c.dims, value);
}

static Buffer *buffer_of(Fixture *f, DType dtype, Dim count) {
  Buffer *buffer = ARENA_NEW(f->arena, Buffer);
  *buffer =
      (Buffer){.id = (int)f->program.buffers.count, .dtype = dtype, .count = count, .name = "b"};
  vec_push(f->arena, &f->program.buffers, buffer);
  return buffer;
}

static Buffer *floats(Fixture *f, int64_t count) {
  return buffer_of(f, DT_F32, number(f, count));
}

static Step *add_step(Fixture *f, Block *block, StepKind kind) {
  Step *step = ARENA_NEW(f->arena, Step);
  step->kind = kind;
  vec_push(f->arena, &block->steps, step);
  return step;
}

static void add_arg(Fixture *f, Step *step, ParamKind kind, Buffer *buffer) {
  Arg arg = {.kind = kind, .buffer = buffer};
  if (buffer) vec_push(f->arena, &step->args, arg);
}

/* A kernel that reads up to two buffers and writes one. */
static Step *call(Fixture *f, Block *block, Buffer *a, Buffer *b, Buffer *out) {
  Step *step = add_step(f, block, STEP_KERNEL);
  add_arg(f, step, PARAM_IN, a);
  add_arg(f, step, PARAM_IN, b);
  add_arg(f, step, PARAM_OUT, out);
  return step;
}

/* for i < n, j < m: out[i*m + j] = in[i*in_i + j*in_j + offset] */
static LoopNest *nest(Fixture *f, Buffer *in, Buffer *out, int64_t n, int64_t m, int64_t in_i,
                      int64_t in_j, int64_t offset) {
  Step *step = add_step(f, f->program.body, STEP_NEST);
  LoopNest *made = step->nest = ARENA_NEW(f->arena, LoopNest);
  made->rank = 2;
  made->extent[0] = number(f, n);
  made->extent[1] = number(f, m);
  Access load = {.buffer = in,
                 .dtype = in->dtype,
                 .offset = number(f, offset),
                 .stride = {number(f, in_i), number(f, in_j)}};
  NestStore store = {.access = {.buffer = out,
                                .dtype = out->dtype,
                                .offset = number(f, 0),
                                .stride = {number(f, m), number(f, 1)}},
                     .value = {.kind = OPERAND_LOAD, .dtype = in->dtype}};
  vec_push(f->arena, &made->loads, load);
  vec_push(f->arena, &made->stores, store);
  return made;
}

static void check_interval(const Buffer *buffer, int first, int last) {
  assert_int_equal(buffer->first, first);
  assert_int_equal(buffer->last, last);
}

static void fixture_destroy(Fixture *f) {
  arena_destroy(f->arena);
}

/* --- lifetimes --- */

static void test_straight(void **state) {
  (void)state;
  Fixture *f = fixture_create();
  Buffer *a = floats(f, 100), *b = floats(f, 50), *c = floats(f, 10), *unused = floats(f, 5);
  call(f, f->program.body, NULL, NULL, a);
  call(f, f->program.body, a, NULL, b);
  call(f, f->program.body, b, a, c);
  assert_true(pass_plan(&f->program));
  check_interval(a, 0, 2);
  check_interval(b, 1, 2);
  check_interval(c, 2, 2);
  check_interval(unused, -1, -1);
  assert_int_equal(dim_value(a->capacity), 400);
  assert_int_equal(dim_value(f->program.workspace_bytes), 448 + 256 + 64);
  assert_int_equal(f->program.plan.count, 0);
  assert_ptr_equal(step_at_position(&f->program, 1), f->program.body->steps.items[1]);
  assert_null(step_at_position(&f->program, 3));
  fixture_destroy(f);
}

/*  0 before = …
 *  1 loop while(condition)
 *  2   local = f(before)
 *  3   carried = g(carried, local)
 *  4   condition = h(local)
 *  5   inside = …           read in the inner loop only
 *  6   loop
 *  7     deep = k(inside)
 *  8   end
 *  9   after = …            used behind the loop
 * 10 end
 * 11 … = after */
static void test_loops(void **state) {
  (void)state;
  Fixture *f = fixture_create();
  Buffer *before = floats(f, 1), *local = floats(f, 2), *carried = floats(f, 3);
  Buffer *condition = buffer_of(f, DT_BOOL, number(f, 1)), *inside = floats(f, 4);
  Buffer *deep = floats(f, 5), *after = floats(f, 6);
  Block *top = f->program.body, *body = ARENA_NEW(f->arena, Block);
  Block *inner = ARENA_NEW(f->arena, Block);
  call(f, top, NULL, NULL, before);
  Step *loop = add_step(f, top, STEP_LOOP);
  loop->buffer = condition;
  loop->body = body;
  call(f, body, before, NULL, local);
  call(f, body, carried, local, carried);
  call(f, body, local, NULL, condition);
  call(f, body, NULL, NULL, inside);
  Step *second = add_step(f, body, STEP_LOOP);
  second->body = inner;
  call(f, inner, inside, NULL, deep);
  call(f, body, NULL, NULL, after);
  call(f, top, after, NULL, floats(f, 7));
  assert_int_equal(compute_liveness(&f->program), 12);
  check_interval(before, 0, 10);
  check_interval(local, 2, 4);
  check_interval(carried, 1, 10);
  check_interval(condition, 1, 10);
  check_interval(inside, 5, 8);
  check_interval(deep, 7, 7);
  check_interval(after, 1, 11);
  assert_ptr_equal(step_at_position(&f->program, 7), inner->steps.items[0]);
  assert_null(step_at_position(&f->program, 8));
  assert_ptr_equal(step_at_position(&f->program, 9), body->steps.items[5]);
  fixture_destroy(f);
}

/* In a loop: the epilogue of a kernel stores its result in y[16 …] and adds y[0 …], which the
 * iteration before wrote; what it loads from y[16 …] is the result itself. */
static Buffer *loop_with_views(Fixture *f, int64_t loaded) {
  Buffer *x = floats(f, 16), *y = floats(f, 32), *local = floats(f, 8);
  Block *top = f->program.body, *body = ARENA_NEW(f->arena, Block);
  call(f, top, NULL, NULL, x); /* 0 */
  LoopNest *add = nest(f, y, y, 4, 4, 4, 1, loaded);
  add->stores.items[0].access.offset = number(f, 16);
  top->steps.count--;                            /* the nest is an epilogue, not a step */
  add_step(f, top, STEP_LOOP)->body = body;      /* 1 … 4 */
  call(f, body, x, NULL, local);                 /* 2 */
  call(f, body, local, NULL, y)->epilogue = add; /* 3 */
  call(f, body, y, NULL, floats(f, 1));          /* 4, end of the loop 5 */
  compute_liveness(&f->program);
  return y;
}

static void test_epilogue_of_views(void **state) {
  (void)state;
  Fixture *f = fixture_create();
  check_interval(loop_with_views(f, 0), 1, 5);
  fixture_destroy(f);
  f = fixture_create();
  check_interval(loop_with_views(f, 16), 3, 4);
  fixture_destroy(f);
}

/* In a loop: `one` is written in one branch only and read later, so an older iteration's value may
 * be seen; `both` is not. Locals of the two branches are never live together. */
static void test_branches(void **state) {
  (void)state;
  Fixture *f = fixture_create();
  Buffer *flag = buffer_of(f, DT_BOOL, number(f, 1)), *one = floats(f, 16), *both = floats(f, 16);
  Buffer *left = floats(f, 16), *right = floats(f, 16);
  Block *body = ARENA_NEW(f->arena, Block), *yes = ARENA_NEW(f->arena, Block);
  Block *no = ARENA_NEW(f->arena, Block);
  add_step(f, f->program.body, STEP_LOOP)->body = body; /* 0 … 8 */
  call(f, body, NULL, NULL, flag);                      /* 1 */
  Step *branch = add_step(f, body, STEP_IF);            /* 2 */
  branch->buffer = flag;
  branch->then_block = yes;
  branch->else_block = no;
  call(f, yes, NULL, NULL, left);          /* 3 */
  call(f, yes, left, one, both);           /* 4 */
  call(f, no, NULL, NULL, right);          /* 5 */
  call(f, no, right, NULL, both);          /* 6 */
  call(f, no, NULL, NULL, one);            /* 7 */
  call(f, body, both, NULL, floats(f, 1)); /* 8, end of the loop 9 */
  assert_int_equal(compute_liveness(&f->program), 10);
  check_interval(left, 3, 4);
  check_interval(right, 5, 6);
  check_interval(both, 4, 8);
  check_interval(one, 0, 9);
  fixture_destroy(f);
}

/* --- in place --- */

/* x -> nest -> y, with y used afterwards; returns whether y went into x. */
static bool merges(DType from, DType to, int64_t in_i, int64_t in_j, int64_t offset, bool keep) {
  Fixture *f = fixture_create();
  Buffer *x = buffer_of(f, from, number(f, 12)), *y = buffer_of(f, to, number(f, 12));
  call(f, f->program.body, NULL, NULL, x);
  nest(f, x, y, 3, 4, in_i, in_j, offset);
  call(f, f->program.body, y, keep ? x : NULL, floats(f, 1));
  assert_true(pass_plan(&f->program));
  bool merged = y->merged_into == x;
  if (merged) {
    assert_ptr_equal(x->offset, y->offset);
    check_interval(x, 0, 2);
    assert_int_equal(dim_value(f->program.workspace_bytes), 128);
  }
  fixture_destroy(f);
  return merged;
}

static void test_in_place(void **state) {
  (void)state;
  assert_true(merges(DT_F32, DT_F32, 4, 1, 0, false));
  assert_true(merges(DT_BOOL, DT_U8, 4, 1, 0, false));
  assert_false(merges(DT_F32, DT_F32, 4, 1, 0, true));  /* x is needed later */
  assert_false(merges(DT_F32, DT_F32, 1, 3, 0, false)); /* transposed */
  assert_false(merges(DT_F32, DT_F32, 0, 1, 0, false)); /* broadcast */
  assert_false(merges(DT_F32, DT_F32, 4, 1, 1, false)); /* shifted */
  assert_false(merges(DT_F32, DT_F64, 4, 1, 0, false)); /* wider */
  assert_false(merges(DT_F32, DT_I32, 4, 1, 0, false)); /* C forbids to see one as the other */
}

/* x -> y -> z -> output of a kernel: one piece of memory. */
static void test_in_place_chain(void **state) {
  (void)state;
  Fixture *f = fixture_create();
  Buffer *x = floats(f, 12), *y = floats(f, 12), *z = floats(f, 12);
  call(f, f->program.body, NULL, NULL, x);
  nest(f, x, y, 3, 4, 4, 1, 0);
  nest(f, y, z, 3, 4, 4, 1, 0);
  call(f, f->program.body, z, NULL, floats(f, 12));
  assert_true(pass_plan(&f->program));
  assert_ptr_equal(buffer_owner(z), x);
  check_interval(x, 0, 3);
  assert_int_equal(dim_value(f->program.workspace_bytes), 128);
  fixture_destroy(f);
}

/* A nest that also reads x elsewhere, one that writes the same element twice, and one whose x lives
 * in a loop must not. */
static void test_in_place_refused(void **state) {
  (void)state;
  Fixture *f = fixture_create();
  Buffer *x = floats(f, 12), *y = floats(f, 12);
  call(f, f->program.body, NULL, NULL, x);
  LoopNest *two = nest(f, x, y, 3, 4, 4, 1, 0);
  Access other = two->loads.items[0];
  other.offset = number(f, 3);
  vec_push(f->arena, &two->loads, other);
  assert_true(pass_plan(&f->program));
  assert_null(y->merged_into);
  two->loads.count = 1;
  assert_true(pass_plan(&f->program));
  assert_ptr_equal(y->merged_into, x);
  two->loads.items[0].stride[0] = two->stores.items[0].access.stride[0] = number(f, 0);
  assert_true(pass_plan(&f->program));
  assert_null(y->merged_into);
  fixture_destroy(f);
}

/* --- symbolic plans --- */

static void check_program(const Program *program, const int64_t *values) {
  bool ok = true;
  int64_t workspace = dim_eval(program->workspace_bytes, values, &ok);
  for (size_t i = 0; i < program->buffers.count; i++) {
    Buffer *a = program->buffers.items[i];
    int64_t a_offset = dim_eval(a->offset, values, &ok);
    int64_t a_size = dim_eval(a->capacity, values, &ok);
    assert_true(dim_is_const(a->offset) || dim_symbol(a->offset));
    assert_true(ok && a_offset >= 0 && a_offset % PLAN_ALIGNMENT == 0);
    assert_true(a_offset + a_size <= workspace);
    for (size_t j = 0; j < i; j++) {
      Buffer *b = program->buffers.items[j];
      if (a->first > b->last || b->first > a->last) continue;
      assert_false(overlap(a_offset, a_size, dim_eval(b->offset, values, &ok),
                           dim_eval(b->capacity, values, &ok)));
    }
  }
}

/* A size of the form c, c*N, c*N*M or c*N + d*M + e. */
static Dim random_count(Fixture *f, Dim n, Dim m) {
  DimPool *pool = f->c.dims;
  int64_t c = 1 + random_below(1 << random_below(10));
  switch (random_below(4)) {
  case 0: return number(f, c * 16);
  case 1: return dim_muli(pool, n, c);
  case 2: return dim_muli(pool, dim_mul(pool, n, m), 1 + c / 32);
  default:
    return dim_addi(pool, dim_add(pool, dim_muli(pool, n, c), dim_muli(pool, m, random_below(50))),
                    random_below(3) - 1);
  }
}

/* A chain of kernels, each reading its predecessor and one older result. */
static Fixture *random_program(int steps, bool batch_only) {
  Fixture *f = fixture_create();
  Dim n = dim_input(f->c.dims, "N"), m = dim_input(f->c.dims, "M");
  for (int i = 0; i < steps; i++) {
    Dim count =
        batch_only ? dim_muli(f->c.dims, n, 16 * (1 + random_below(64))) : random_count(f, n, m);
    Buffer *out = buffer_of(f, DT_F32, count);
    Buffer *last = i ? f->program.buffers.items[i - 1] : NULL;
    int back = 1 + random_below(random_below(8) ? 4 : 40);
    Buffer *older = i >= back ? f->program.buffers.items[i - back] : NULL;
    call(f, f->program.body, last, older, out);
  }
  return f;
}

static void test_symbolic(void **state) {
  (void)state;
  for (int round = 0; round < 25; round++) {
    Fixture *f = random_program(10 + random_below(120), false);
    assert_true(pass_plan(&f->program));
    int64_t *values = plan_nominal_values(&f->program, f->arena);
    check_program(&f->program, values);
    bool ok = true;
    int64_t bound = plan_lower_bound(&f->program, values, NULL);
    int64_t workspace = dim_eval(f->program.workspace_bytes, values, &ok);
    assert_true(ok && workspace >= bound && (double)workspace <= 1.1 * (double)bound);
    int n = dim_find_symbol(f->c.dims, "N")->index, m = dim_find_symbol(f->c.dims, "M")->index;
    for (int trial = 0; trial < 20; trial++) {
      values[n] = trial < 2 ? trial : random_below(1 << random_below(12));
      values[m] = trial < 1 ? trial : random_below(1 << random_below(12));
      assert_true(plan_evaluate(&f->program, values));
      check_program(&f->program, values);
    }
    fixture_destroy(f);
  }
}

static bool is_plan_symbol(const DimSymbol *symbol, void *context) {
  (void)context;
  return symbol->kind == SYMBOL_DATA;
}

/* With a batch dimension only, everything scales: no variables are needed, and the plan is as good
 * for every batch. */
static void test_batch(void **state) {
  (void)state;
  Fixture *f = random_program(80, true);
  assert_true(pass_plan(&f->program));
  for (size_t i = 0; i < f->program.plan.count; i++)
    assert_false(dim_any_symbol(f->program.plan.items[i].value, is_plan_symbol, NULL));
  int64_t *values = plan_nominal_values(&f->program, f->arena);
  for (int64_t batch = 1; batch < 2000; batch *= 3) {
    values[dim_find_symbol(f->c.dims, "N")->index] = batch;
    assert_true(plan_evaluate(&f->program, values));
    check_program(&f->program, values);
    bool ok = true;
    assert_true((double)dim_eval(f->program.workspace_bytes, values, &ok) <=
                1.05 * (double)plan_lower_bound(&f->program, values, NULL));
  }
  fixture_destroy(f);
}

/* Dims with a limit give a constant plan, at the limit. */
static void test_bounded(void **state) {
  (void)state;
  Fixture *f = fixture_create();
  Dim n = dim_input(f->c.dims, "N");
  dim_find_symbol(f->c.dims, "N")->high = 512;
  Buffer *a = buffer_of(f, DT_F32, dim_muli(f->c.dims, n, 3));
  call(f, f->program.body, NULL, NULL, a);
  assert_true(pass_plan(&f->program));
  assert_int_equal(dim_value(a->capacity), 512 * 3 * 4);
  assert_int_equal(dim_value(f->program.workspace_bytes), 512 * 3 * 4);
  fixture_destroy(f);
}

static void test_too_large(void **state) {
  (void)state;
  Fixture *f = fixture_create();
  call(f, f->program.body, NULL, NULL, floats(f, INT64_MAX / 2));
  assert_false(pass_plan(&f->program));
  assert_int_equal(f->diag.errors, 1);
  fixture_destroy(f);
  f = fixture_create();
  for (int i = 0; i < 3; i++) call(f, f->program.body, NULL, NULL, floats(f, INT64_MAX / 9));
  assert_false(pass_plan(&f->program));
  assert_int_equal(f->diag.errors, 1);
  fixture_destroy(f);
}

/* --- order of steps --- */

/* Four large tensors are made first and reduced to small ones later: reducing each at once needs a
 * quarter. */
static void test_schedule(void **state) {
  (void)state;
  enum { COUNT = 4 };
  Fixture *f = fixture_create();
  Block *body = f->program.body;
  Buffer *large[COUNT], *small[COUNT];
  for (int i = 0; i < COUNT; i++) call(f, body, NULL, NULL, large[i] = floats(f, 4096));
  for (int i = 0; i < COUNT; i++) call(f, body, large[i], NULL, small[i] = floats(f, 16));
  Step *last = add_step(f, body, STEP_KERNEL);
  for (int i = 0; i < COUNT; i++) add_arg(f, last, PARAM_IN, small[i]);
  assert_true(pass_schedule(&f->program));
  assert_true(pass_plan(&f->program));
  assert_int_equal(body->steps.count, 2 * COUNT + 1);
  assert_ptr_equal(body->steps.items[2 * COUNT], last);
  for (int i = 0; i < COUNT; i++) assert_true(large[i]->first < small[i]->first);
  assert_true(dim_value(f->program.workspace_bytes) <= 16384 + COUNT * 64);
  fixture_destroy(f);
}

/* A random program, with definitions and checks in it, keeps every order that matters. */
static void check_dependencies(Fixture *f, Step *const *before, size_t count) {
  Step **after = f->program.body->steps.items;
  int *position = ARENA_ARRAY(f->arena, int, count);
  for (size_t i = 0; i < count; i++) {
    position[i] = -1;
    for (size_t k = 0; k < count; k++)
      if (after[k] == before[i]) position[i] = (int)k;
    assert_true(position[i] >= 0);
  }
  for (size_t i = 0; i < count; i++) {
    for (size_t k = i + 1; k < count; k++) {
      const Step *x = before[i], *y = before[k];
      bool depends = x->kind == STEP_CHECK;
      if (x->kind == STEP_DEFINE && y->kind == STEP_KERNEL)
        depends =
            y->args.items[0].kind == PARAM_DIM && dim_mentions(y->args.items[0].dim, x->symbol);
      const Buffer *made = x->kind == STEP_KERNEL ? x->args.items[x->args.count - 1].buffer : NULL;
      for (size_t a = 0; made && a < y->args.count; a++)
        depends = depends || y->args.items[a].buffer == made;
      if (made && y->buffer == made) depends = true;
      if (depends) assert_true(position[i] < position[k]);
    }
  }
}

static void test_schedule_dependencies(void **state) {
  (void)state;
  for (int round = 0; round < 30; round++) {
    Fixture *f = fixture_create();
    Block *body = f->program.body;
    Dim defined = NULL;
    for (int i = 0; i < 60; i++) {
      size_t made = f->program.buffers.count;
      int what = random_below(12);
      if (what == 0 && made) {
        Step *step = add_step(f, body, STEP_DEFINE);
        defined = dim_data(f->c.dims, "n", 0, 100, NULL);
        step->symbol = dim_symbol(defined);
        step->buffer = f->program.buffers.items[random_below((int)made)];
        step->element = number(f, 0);
      } else if (what == 1 && defined) {
        add_step(f, body, STEP_CHECK)->value = defined;
      } else {
        Step *step = add_step(f, body, STEP_KERNEL);
        Arg dim = {.kind = PARAM_DIM, .dim = defined ? defined : number(f, 1)};
        vec_push(f->arena, &step->args, dim);
        for (int a = 0; a < 2 && made; a++)
          if (random_below(3))
            add_arg(f, step, PARAM_IN, f->program.buffers.items[random_below((int)made)]);
        bool again = made && random_below(8) == 0;
        Buffer *out = again ? f->program.buffers.items[random_below((int)made)]
                            : floats(f, 1 + random_below(1 << random_below(14)));
        add_arg(f, step, PARAM_OUT, out);
      }
    }
    size_t count = body->steps.count;
    Step **before = arena_copy(f->arena, body->steps.items, count * sizeof *before);
    assert_true(pass_plan(&f->program));
    int64_t *values = plan_nominal_values(&f->program, f->arena);
    int64_t old = plan_lower_bound(&f->program, values, NULL);
    assert_true(pass_schedule(&f->program));
    assert_true(pass_plan(&f->program));
    assert_true(plan_lower_bound(&f->program, values, NULL) <= old);
    assert_int_equal(body->steps.count, count);
    check_dependencies(f, before, count);
    fixture_destroy(f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pack_random),
      cmocka_unit_test(test_pack_bound),
      cmocka_unit_test(test_pack_dense),
      cmocka_unit_test(test_straight),
      cmocka_unit_test(test_loops),
      cmocka_unit_test(test_branches),
      cmocka_unit_test(test_epilogue_of_views),
      cmocka_unit_test(test_in_place),
      cmocka_unit_test(test_in_place_chain),
      cmocka_unit_test(test_in_place_refused),
      cmocka_unit_test(test_symbolic),
      cmocka_unit_test(test_batch),
      cmocka_unit_test(test_bounded),
      cmocka_unit_test(test_too_large),
      cmocka_unit_test(test_schedule),
      cmocka_unit_test(test_schedule_dependencies),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
