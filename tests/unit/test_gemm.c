/* test_gemm.c: products of matrices by panels (runtime/gemm.c) against three loops: random sizes,
 * strides and stacks, with sizes that the C compiler knows and with others, work cut in two. The
 * numbers are small integers, so that results are exact. Built once for each vector width that the
 * target has (see Makefile). */
#include "vector_test.h"

enum { ROUNDS = 250 };

/* One stack of products; strides of A, B and Y. */
typedef struct {
  ctc_dim m, n, k, rows, outer, inner;
  ctc_dim a_row, a_col, a_size, b_row, b_col, b_size, y_row, y_size;
  ctc_dim panels, panel_size;
  bool single_b, epilogue;
  float *a, *b, *packed, *y, *channel, *other;
} Case;

static ctc_dim below(ctc_dim n) {
  return rand() % n;
}

static float *numbers(ctc_dim count) {
  float *p = malloc((size_t)count * sizeof *p + 1);
  assert_non_null(p);
  for (ctc_dim i = 0; i < count; i++) p[i] = (float)(below(17) - 8);
  return p;
}

/* Sizes that are given stay; A is then dense, as the functions with literals below want it. */
static Case make_case(ctc_dim m, ctc_dim n, ctc_dim k, ctc_dim rows) {
  bool given = m > 0;
  Case c = {.m = m, .n = n, .k = k, .rows = rows};
  if (!given) {
    c.m = 1 + below(below(3) ? 40 : 150);
    c.n = 1 + below(100);
    c.k = below(40) ? 1 + below(70) : 0;
    c.rows = 1 + below(c.m);
  }
  c.outer = 1 + below(3);
  c.inner = 1 + below(3);
  bool turn_a = !given && below(2), turn_b = below(2);
  ctc_dim gap = given ? 0 : below(3);
  c.a_row = turn_a ? 1 : c.k + gap;
  c.a_col = turn_a ? c.m + gap : 1;
  c.a_size = c.m * c.a_row + c.k * c.a_col + 1;
  c.b_row = turn_b ? 1 : c.n + 2;
  c.b_col = turn_b ? c.k + 1 : 1;
  c.b_size = (c.n + 3) * (c.k + 3);
  c.y_row = c.n + gap;
  c.y_size = c.m * c.y_row + 3;
  c.panels = (c.n + CTC_PANEL - 1) / CTC_PANEL;
  c.panel_size = c.panels * c.k * CTC_PANEL;
  c.single_b = below(2);
  c.epilogue = below(2);
  ctc_dim count = c.outer * c.inner;
  c.a = numbers(c.a_size * count);
  c.b = numbers(c.b_size * count);
  c.packed = numbers(c.panel_size * (c.single_b ? 1 : count));
  c.y = numbers(c.y_size * count);
  c.channel = numbers(c.n);
  c.other = numbers(c.y_size * count);
  return c;
}

static void free_case(Case *c) {
  float *all[] = {c->a, c->b, c->packed, c->y, c->channel, c->other};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void pack(Case *c) {
  ctc_dim units = c->panels * (c->single_b ? 1 : c->outer * c->inner), cut = below(units + 1);
  const ctc_dim range[] = {0, cut, units};
  for (int i = 0; i < 2; i++)
    ctc_pack_panels_f32(c->b, c->packed, c->k, c->n, c->b_row, c->b_col, c->inner,
                        c->b_size * c->inner, c->b_size, range[i], range[i + 1]);
}

/* Adds a number for each channel and one for each result. */
static ctc_v add_both(ctc_v value, const float *const *operands, ctc_dim at, ctc_dim channel,
                      int count) {
  return value + ctc_v_load_n(operands[0] + channel, count) + ctc_v_load_n(operands[1] + at, count);
}

/* Every element of Y, and that nothing else was written. */
static void expect_product(const Case *c, const float *before) {
  ctc_dim count = c->outer * c->inner * c->y_size;
  float *wanted = malloc((size_t)count * sizeof *wanted);
  memcpy(wanted, before, (size_t)count * sizeof *wanted);
  for (ctc_dim s = 0; s < c->outer * c->inner; s++)
    for (ctc_dim i = 0; i < c->m; i++)
      for (ctc_dim j = 0; j < c->n; j++) {
        const float *a = c->a + s * c->a_size + i * c->a_row;
        const float *b = c->b + (c->single_b ? 0 : s * c->b_size) + j * c->b_col;
        ctc_dim at = s * c->y_size + i * c->y_row + j;
        float sum = 0;
        for (ctc_dim l = 0; l < c->k; l++) sum += a[l * c->a_col] * b[l * c->b_row];
        wanted[at] = c->epilogue ? sum + c->channel[j] + c->other[at] : sum;
      }
  assert_memory_equal(c->y, wanted, (size_t)count * sizeof *wanted);
  free(wanted);
}

typedef void Product(const Case *c, const float *const *operands, ctc_epilogue epilogue,
                     ctc_dim first, ctc_dim last);

static void with_variables(const Case *c, const float *const *operands, ctc_epilogue epilogue,
                           ctc_dim first, ctc_dim last) {
  ctc_dim size = c->single_b ? 0 : c->panel_size;
  ctc_gemm_stack_f32(c->a, c->packed, c->y, epilogue, operands, c->m, c->n, c->k, c->a_row,
                     c->a_col, c->y_row, c->rows, c->inner, c->a_size * c->inner, c->a_size,
                     size * c->inner, size, c->y_size * c->inner, c->y_size, first, last);
}

static void unpacked_variables(const Case *c, const float *const *operands, ctc_epilogue epilogue,
                               ctc_dim first, ctc_dim last) {
  ctc_dim size = c->single_b ? 0 : c->b_size;
  ctc_gemm_unpacked_f32(c->a, c->b, c->y, epilogue, operands, c->m, c->n, c->k, c->a_row, c->a_col,
                        c->y_row, c->rows, c->b_row, c->inner, c->a_size * c->inner, c->a_size,
                        size * c->inner, size, c->y_size * c->inner, c->y_size, first, last);
}

/* m, n, k, rows as literals, with and without an epilogue. */
#define EACH_LITERAL(X)                                                                            \
  X(1, 10, 7, 1)                                                                                   \
  X(1, 77, 30, 1)                                                                                  \
  X(2, 45, 33, 2)                                                                                  \
  X(3, 64, 20, 3)                                                                                  \
  X(29, 33, 40, 10)                                                                                \
  X(130, 48, 17, 65) X(14, 16, 9, 14) X(27, 100, 64, 27) X(150, 40, 1100, 150) X(5, 70, 513, 5)
#define LITERAL_CALL(EPILOGUE, M, N, K, ROWS)                                                      \
  ctc_gemm_stack_f32(c->a, c->packed, c->y, EPILOGUE, operands, M, N, K, K, 1, N, ROWS, c->inner,  \
                     c->a_size * c->inner, c->a_size, size * c->inner, size, c->y_size * c->inner, \
                     c->y_size, first, last)
#define LITERAL(M, N, K, ROWS)                                                                     \
  static void product_##M##_##N(const Case *c, const float *const *operands,                       \
                                ctc_epilogue epilogue, ctc_dim first, ctc_dim last) {              \
    ctc_dim size = c->single_b ? 0 : c->panel_size;                                                \
    if (epilogue)                                                                                  \
      LITERAL_CALL(add_both, M, N, K, ROWS);                                                       \
    else                                                                                           \
      LITERAL_CALL(NULL, M, N, K, ROWS);                                                           \
  }
EACH_LITERAL(LITERAL)

/* The same for a B as it is, of at least a panel of columns. */
#define EACH_UNPACKED(X) X(29, 32, 40, 10) X(13, 33, 9, 13) X(64, 51, 20, 64) X(5, 71, 513, 5)
#define UNPACKED_CALL(EPILOGUE, M, N, K, ROWS)                                                     \
  ctc_gemm_unpacked_f32(c->a, c->b, c->y, EPILOGUE, operands, M, N, K, K, 1, N, ROWS, (N) + 2,     \
                        c->inner, c->a_size * c->inner, c->a_size, size * c->inner, size,          \
                        c->y_size * c->inner, c->y_size, first, last)
#define UNPACKED(M, N, K, ROWS)                                                                    \
  static void unpacked_##M##_##N(const Case *c, const float *const *operands,                      \
                                 ctc_epilogue epilogue, ctc_dim first, ctc_dim last) {             \
    ctc_dim size = c->single_b ? 0 : c->b_size;                                                    \
    if (epilogue)                                                                                  \
      UNPACKED_CALL(add_both, M, N, K, ROWS);                                                      \
    else                                                                                           \
      UNPACKED_CALL(NULL, M, N, K, ROWS);                                                          \
  }
EACH_UNPACKED(UNPACKED)

typedef struct {
  ctc_dim m, n, k, rows;
  Product *product;
} Literal;

static const Literal literals[] = {
#define ROW(M, N, K, ROWS) {M, N, K, ROWS, product_##M##_##N},
    EACH_LITERAL(ROW)};

static const Literal unpacked_literals[] = {
#define UNPACKED_ROW(M, N, K, ROWS) {M, N, K, ROWS, unpacked_##M##_##N},
    EACH_UNPACKED(UNPACKED_ROW)};

static void check_case(Case *c, Product *product) {
  const float *const operands[] = {c->channel, c->other};
  ctc_dim count = c->outer * c->inner, size = count * c->y_size;
  ctc_dim units = count * c->panels * ((c->m + c->rows - 1) / c->rows), cut = below(units + 1);
  float *before = malloc((size_t)size * sizeof *before);
  memcpy(before, c->y, (size_t)size * sizeof *before);
  pack(c);
  product(c, operands, c->epilogue ? add_both : NULL, 0, cut);
  product(c, operands, c->epilogue ? add_both : NULL, cut, units);
  expect_product(c, before);
  free(before);
  free_case(c);
}

static void test_variable_sizes(void **state) {
  (void)state;
  for (int i = 0; i < ROUNDS; i++) {
    Case c = make_case(0, 0, 0, 0);
    check_case(&c, with_variables);
  }
}

static void test_literal_sizes(void **state) {
  (void)state;
  for (size_t i = 0; i < 4 * sizeof literals / sizeof *literals; i++) {
    size_t which = i / 4;
    Case c =
        make_case(literals[which].m, literals[which].n, literals[which].k, literals[which].rows);
    check_case(&c, literals[which].product);
  }
}

/* B with contiguous rows that end where its memory ends. */
static void give_rows(Case *c) {
  c->b_row = c->n + 2;
  c->b_col = 1;
  c->b_size = c->k * c->b_row;
  free(c->b);
  c->b = numbers(c->b_size * c->outer * c->inner);
}

static void test_unpacked(void **state) {
  (void)state;
  for (int i = 0; i < ROUNDS; i++) {
    Case c = make_case(1 + below(60), CTC_PANEL + below(80), 1 + below(70), 1 + below(20));
    give_rows(&c);
    check_case(&c, unpacked_variables);
  }
  for (size_t i = 0; i < 4 * sizeof unpacked_literals / sizeof *unpacked_literals; i++) {
    const Literal *l = &unpacked_literals[i / 4];
    Case c = make_case(l->m, l->n, l->k, l->rows);
    give_rows(&c);
    check_case(&c, l->product);
  }
}

static void one_or_two_rows(const Case *c, const float *const *operands, ctc_epilogue epilogue,
                            ctc_dim first, ctc_dim last) {
  ctc_gemv_packed_f32(c->a, c->packed, c->y, epilogue, operands, c->m, c->n, c->k, c->a_row,
                      c->a_col, c->y_row, first, last);
}

static void test_few_rows(void **state) {
  (void)state;
  for (int i = 0; i < ROUNDS; i++) {
    Case c = make_case(1 + below(2), 1 + below(140), 1 + below(70), 2);
    c.outer = c.inner = 1;
    check_case(&c, one_or_two_rows);
  }
}

/* y[n] = a[k] * B, b: [n][k]. */
static void test_dots(void **state) {
  (void)state;
  for (int i = 0; i < ROUNDS; i++) {
    Case c = make_case(1, 1 + below(CTC_DOTS - 1), 1 + below(150), 1);
    const float *const operands[] = {c.channel, c.other};
    ctc_epilogue epilogue = c.epilogue ? add_both : NULL;
    float *a = numbers(c.k), *b = numbers(c.n * c.k), wanted[CTC_DOTS];
    for (ctc_dim j = 0; j < c.n; j++) {
      wanted[j] = epilogue ? c.channel[j] + c.other[j] : 0;
      for (ctc_dim l = 0; l < c.k; l++) wanted[j] += a[l] * b[j * c.k + l];
    }
    ctc_gemv_dots_f32(a, b, c.y, epilogue, operands, c.n, c.k, 0, 1);
    ctc_gemv_dots_f32(a, b, c.y, epilogue, operands, c.n, c.k, 1, 1);
    assert_memory_equal(c.y, wanted, (size_t)c.n * sizeof *wanted);
    free(a);
    free(b);
    free_case(&c);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_variable_sizes), cmocka_unit_test(test_literal_sizes),
      cmocka_unit_test(test_unpacked),       cmocka_unit_test(test_few_rows),
      cmocka_unit_test(test_dots),
  };
  if (!machine_has_them()) return 0;
  srand(1);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
