/* test_cost.c: flops and bytes of steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "passes/cost.h"

#include <stdio.h>
#include <string.h>

static bool has_parameter(const Kernel *kernel, const char *name, size_t length) {
  if (strncmp(name, "units", length) == 0) return true; /* of the step */
  for (int i = 0; i < kernel->param_count; i++)
    if (strlen(kernel->params[i].name) == length &&
        strncmp(kernel->params[i].name, name, length) == 0)
      return true;
  return false;
}

/* Some kernel begins with the stem, and every one of those for floats has the parameters. */
static void test_rows_fit_the_kernels(void **state) {
  (void)state;
  for (int row = 0; row < kernel_cost_count; row++) {
    const KernelCost *cost = &kernel_costs[row];
    const Kernel *kernel = kernel_find_typed(cost->stem, DT_F32);
    int seen = kernel != NULL;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "ctc_%s_", cost->stem);
    for (int i = 0; i < kernel_count && !seen; i++)
      if (strncmp(kernels[i].name, prefix, strlen(prefix)) == 0) kernel = &kernels[i], seen = 1;
    if (!seen) fail_msg("no kernel '%s'", cost->stem);
    for (const char *at = cost->sum; *at;) {
      size_t length = strcspn(at, " ");
      if (*at != '+' && strcmp(cost->sum, "node") != 0 && !has_parameter(kernel, at, length))
        fail_msg("%s has no parameter '%.*s'", kernel->name, (int)length, at);
      at += length + (at[length] == ' ');
    }
  }
}

static Buffer *buffer(Arena *arena, DimPool *pool, int64_t count) {
  Buffer *made = ARENA_NEW(arena, Buffer);
  made->dtype = DT_F32;
  made->count = dim_const(pool, count);
  return made;
}

static Arg tensor(ParamKind kind, Buffer *of) {
  return (Arg){.kind = kind, .buffer = of};
}
static Arg number(DimPool *pool, int64_t value) {
  return (Arg){.kind = PARAM_DIM, .dim = dim_const(pool, value)};
}

/* (3 x 7) * (7 x 5), into y. */
static Step product(Arena *arena, DimPool *pool, Buffer *y) {
  Step step = {.kind = STEP_KERNEL, .kernel = kernel_find("ctc_matmul_f32")};
  assert_non_null(step.kernel);
  vec_push(arena, &step.args, tensor(PARAM_IN, buffer(arena, pool, 3 * 7)));
  vec_push(arena, &step.args, tensor(PARAM_IN, buffer(arena, pool, 7 * 5)));
  vec_push(arena, &step.args, tensor(PARAM_OUT, y));
  vec_push(arena, &step.args, number(pool, 3));
  vec_push(arena, &step.args, number(pool, 5));
  vec_push(arena, &step.args, number(pool, 7));
  return step;
}

static void test_product_of_matrices(void **state) {
  (void)state;
  Arena *arena = arena_create();
  DimPool *pool = dim_pool_create(arena);
  Step step = product(arena, pool, buffer(arena, pool, 3 * 5));
  StepCost cost = step_cost(pool, &step);
  assert_true(dim_is(cost.flops, 2 * 3 * 5 * 7));
  assert_true(dim_is(cost.bytes, 4 * (3 * 7 + 7 * 5 + 3 * 5)));
  arena_destroy(arena);
}

/* The epilogue adds what lies in front of the result in the same buffer: that is loaded, the result
 * itself is not. */
static void test_epilogue(void **state) {
  (void)state;
  Arena *arena = arena_create();
  DimPool *pool = dim_pool_create(arena);
  Buffer *y = buffer(arena, pool, 2 * 15);
  Step step = product(arena, pool, y);
  StepCost alone = step_cost(pool, &step);
  LoopNest nest = {.rank = 1, .extent = {dim_const(pool, 15)}};
  Access result = {y, DT_F32, dim_const(pool, 15), {dim_const(pool, 1)}}, other = result;
  other.offset = dim_const(pool, 0);
  NestOp add = {.arg_count = 2};
  NestStore store = {.access = result};
  vec_push(arena, &nest.loads, result);
  vec_push(arena, &nest.loads, other);
  vec_push(arena, &nest.ops, add);
  vec_push(arena, &nest.stores, store);
  step.epilogue = &nest;
  StepCost cost = step_cost(pool, &step);
  assert_ptr_equal(cost.flops, dim_addi(pool, alone.flops, 15));
  assert_ptr_equal(cost.bytes, dim_addi(pool, alone.bytes, 4 * 15));
  arena_destroy(arena);
}

/* y[i, j] = x[i, j] + b[j]: b is read once, however often it is used. */
static void test_nest_with_a_broadcast(void **state) {
  (void)state;
  Arena *arena = arena_create();
  DimPool *pool = dim_pool_create(arena);
  Dim zero = dim_const(pool, 0), one = dim_const(pool, 1), n = dim_input(pool, "n");
  LoopNest nest = {.rank = 2, .extent = {n, dim_const(pool, 10)}};
  Access x = {.dtype = DT_F32, .offset = zero, .stride = {dim_const(pool, 10), one}}, b = x;
  b.stride[0] = zero;
  NestOp add = {.arg_count = 2};
  NestStore store = {.access = x};
  vec_push(arena, &nest.loads, x);
  vec_push(arena, &nest.loads, b);
  vec_push(arena, &nest.ops, add);
  vec_push(arena, &nest.stores, store);
  Step step = {.kind = STEP_NEST, .nest = &nest};
  StepCost cost = step_cost(pool, &step);
  assert_ptr_equal(cost.flops, dim_muli(pool, n, 10));
  assert_ptr_equal(cost.bytes, dim_addi(pool, dim_muli(pool, n, 80), 40));
  arena_destroy(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rows_fit_the_kernels),
      cmocka_unit_test(test_product_of_matrices),
      cmocka_unit_test(test_epilogue),
      cmocka_unit_test(test_nest_with_a_broadcast),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
