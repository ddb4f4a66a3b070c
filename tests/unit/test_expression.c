/* test_expression.c: the expressions of plugin descriptors: values, precedence, open sizes, errors.
 */
#include "plugins/expression.h"

#include "base/diag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static Arena *arena;
static DimPool *pool;

static const ExpressionName names[] = {{"N", false}, {"a", false}, {"pads", true}};

static const Expression *parse(const char *text, ExpressionError *error) {
  return expression_parse(arena, text, strlen(text), (ExpressionNames){names, 3}, error);
}

/* The value for a = -7, pads = {2, 3}, and an open N. */
static Dim value_of(const char *text, const char **problem) {
  ExpressionError error;
  const Expression *made = parse(text, &error);
  if (!made) fail_msg("'%s': %s", text, error.message);
  Dim list[] = {dim_const(pool, 2), dim_const(pool, 3)};
  ExpressionValue values[] = {{.number = dim_input(pool, "N")},
                              {.number = dim_const(pool, -7)},
                              {.list = list, .count = 2}};
  return expression_value(pool, made, values, problem);
}

static void expect(const char *text, int64_t wanted) {
  const char *problem;
  Dim value = value_of(text, &problem);
  if (!value || !dim_is_const(value)) fail_msg("'%s': %s", text, problem ? problem : "is open");
  assert_int_equal(dim_value(value), wanted);
}

static void test_values(void **state) {
  (void)state;
  expect("1 + 2 * 3", 7);
  expect("(1 + 2) * 3", 9);
  expect("10 - 4 - 3", 3);
  expect("a / 2", -4);
  expect("a % 4", 1);
  expect("-a * 2", 14);
  expect("7 / 2 * 2 + 7 % 2", 7);
  expect("ceildiv(7, 2) + ceildiv(a, 2)", 1);
  expect("min(3, 1, 2) + max(3, 1, 9)", 10);
  expect("pads[0] * 10 + pads[3 - 2]", 23);
  expect("1 < 2 && 2 <= 2 && 3 > 2 && 2 >= 2 && 1 != 2 && 1 == 1", 1);
  expect("1 > 2 || 5", 1);
  expect("!5 + !0", 1);
  expect("2 && 4", 1);
  expect("1 || 0 && 0", 1);
  expect("1 + 1 == 2", 1);
  expect("9223372036854775807", INT64_MAX);
}

static void test_open_sizes(void **state) {
  const char *problem;
  (void)state;
  expect("(4 * N + 8) / 4 - N", 2);
  expect("N - N", 0);
  expect("(3 * N - 9223372036854775807) / 3 - N", -3074457345618258603);
  expect("N >= 0", 1);
  assert_ptr_equal(value_of("2 * N + N", &problem), value_of("N * 3", &problem));
  assert_false(dim_is_const(value_of("N % 2 == 0", &problem)));
}

static void expect_problem(const char *text, const char *wanted) {
  const char *problem;
  assert_null(value_of(text, &problem));
  assert_string_equal(problem, wanted);
}

static void test_problems(void **state) {
  (void)state;
  expect_problem("N / 0", "a division by zero");
  expect_problem("N % (a + 7)", "a division by zero");
  expect_problem("ceildiv(N, 0)", "a division by zero");
  expect_problem("pads[2]", "an element beyond the end of a list");
  expect_problem("pads[a]", "an element beyond the end of a list");
  expect_problem("pads[N]", "which element of a list must be a constant");
  expect_problem("9223372036854775807 * 2", "a number beyond 64 bits");
  expect_problem("9223372036854775807 + N * 0 + 1", "a number beyond 64 bits");
}

/* Each division writes what is before it twice: x * 9 / 7 is x + floor(2 x / 7). */
static void test_doubling(void **state) {
  char text[EXPRESSION_LENGTH] = "N";
  (void)state;
  for (int i = 0; i < 40; i++) strcat(text, " * 9 / 7");
  expect_problem(text, "an expression of too many terms");
}

static void expect_refused(const char *text, size_t at, const char *message, const char *near) {
  ExpressionError error;
  assert_null(parse(text, &error));
  assert_string_equal(error.message, message);
  assert_int_equal(error.at, at);
  if (near)
    assert_string_equal(error.near, near);
  else
    assert_null(error.near);
}

static void test_errors(void **state) {
  (void)state;
  expect_refused("", 0, "a value is missing at the end", NULL);
  expect_refused("1 +", 3, "a value is missing at the end", NULL);
  expect_refused("1 + * 2", 4, "a value is expected here", NULL);
  expect_refused("1 2", 2, "an operator is expected here", NULL);
  expect_refused("(1", 2, "a ')' is missing", NULL);
  expect_refused("pads[1", 6, "a ']' is missing", NULL);
  expect_refused("pads", 0, "a list: write which element, NAME[0]", NULL);
  expect_refused("N[0]", 0, "it is no list", NULL);
  expect_refused("1.5", 1, "only whole numbers are allowed", NULL);
  expect_refused("2x", 1, "only whole numbers are allowed", NULL);
  expect_refused("99999999999999999999", 0, "the number does not fit into 64 bits", NULL);
  expect_refused("1 + pad[0]", 4, "unknown name 'pad'", "pads");
  expect_refused("min(1)", 0, "it needs two values or more", NULL);
  expect_refused("ceildiv(1, 2, 3)", 0, "it needs two values", NULL);
  expect_refused("N = 1", 2, "an operator is expected here", NULL);
}

static void test_limits(void **state) {
  ExpressionError error;
  char text[EXPRESSION_LENGTH + 2];
  (void)state;
  memset(text, '(', EXPRESSION_LENGTH);
  text[EXPRESSION_LENGTH] = '\0';
  assert_null(parse(text, &error));
  assert_string_equal(error.message, "it is nested too deep");
  memset(text, '-', EXPRESSION_LENGTH);
  assert_null(parse(text, &error));
  assert_string_equal(error.message, "it is nested too deep");
  memset(text, '1', EXPRESSION_LENGTH + 1);
  text[EXPRESSION_LENGTH + 1] = '\0';
  assert_null(parse(text, &error));
}

static int set_up(void **state) {
  (void)state;
  arena = arena_create();
  pool = dim_pool_create(arena);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  arena_destroy(arena);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_values),   cmocka_unit_test(test_open_sizes),
      cmocka_unit_test(test_problems), cmocka_unit_test(test_errors),
      cmocka_unit_test(test_limits),   cmocka_unit_test(test_doubling),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
