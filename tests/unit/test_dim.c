/* test_dim.c: symbolic integers: identities of the normal form, ranges, bounds, text, and random
 * expressions compared with plain C arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "ir/dim.h"

#include <stdio.h>
#include <string.h>

static Arena *arena;
static DimPool *pool;
static Dim n, m, k; /* input symbols N, M, K */

static int setup(void **state) {
  (void)state;
  arena = arena_create();
  pool = dim_pool_create(arena);
  n = dim_input(pool, "N");
  m = dim_input(pool, "M");
  k = dim_input(pool, "K");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  arena_destroy(arena);
  return 0;
}

/* ---- short forms ---- */

static Dim num(int64_t value) {
  return dim_const(pool, value);
}
static Dim add(Dim a, Dim b) {
  return dim_add(pool, a, b);
}
static Dim sub(Dim a, Dim b) {
  return dim_sub(pool, a, b);
}
static Dim mul(Dim a, Dim b) {
  return dim_mul(pool, a, b);
}
static Dim divide(Dim a, Dim b) {
  return dim_floordiv(pool, a, b);
}
static Dim mod(Dim a, Dim b) {
  return dim_mod(pool, a, b);
}
static Dim least(Dim a, Dim b) {
  return dim_min(pool, a, b);
}
static Dim most(Dim a, Dim b) {
  return dim_max(pool, a, b);
}
static Dim addi(Dim a, int64_t b) {
  return dim_addi(pool, a, b);
}
static Dim muli(Dim a, int64_t b) {
  return dim_muli(pool, a, b);
}
static Dim divi(Dim a, int64_t b) {
  return dim_floordiv(pool, a, dim_const(pool, b));
}
static Dim modi(Dim a, int64_t b) {
  return dim_mod(pool, a, dim_const(pool, b));
}

static const char *text(Dim dim) {
  Str out = str_in(arena);
  dim_print(&out, dim);
  return str_text(&out);
}

static const char *c_text(Dim dim) {
  Str out = str_in(arena);
  dim_print_c(&out, dim);
  return str_text(&out);
}

/* Equal as pointers; the texts are shown if not. */
static void check_same(Dim a, Dim b, int line) {
  if (a == b) return;
  fail_msg("line %d: '%s' is not '%s'", line, text(a), text(b));
}
#define SAME(a, b) check_same((a), (b), __LINE__)

static void check_range(Dim dim, int64_t low, int64_t high, int line) {
  DimRange range = dim_range(dim);
  if (range.low == low && range.high == high) return;
  fail_msg("line %d: the range of '%s' is %lld .. %lld", line, text(dim), (long long)range.low,
           (long long)range.high);
}
#define RANGE(dim, low, high) check_range((dim), (low), (high), __LINE__)

/* ---- polynomials ---- */

static void test_constants(void **state) {
  (void)state;
  SAME(num(5), add(num(2), num(3)));
  assert_true(dim_is_const(num(0)));
  assert_int_equal(dim_value(num(-7)), -7);
  assert_true(dim_is(num(4), 4));
  assert_false(dim_is(n, 4));
  assert_false(dim_is_const(n));
  assert_null(dim_symbol(addi(n, 1)));
  assert_string_equal(dim_symbol(n)->name, "N");
}

static void test_sums_and_products(void **state) {
  (void)state;
  SAME(add(n, m), add(m, n));
  SAME(sub(addi(n, 3), n), num(3));
  SAME(mul(addi(n, 1), addi(n, -1)), addi(mul(n, n), -1));
  SAME(mul(add(n, m), k), add(mul(k, m), mul(n, k)));
  SAME(sub(n, n), num(0));
  SAME(mul(n, num(0)), num(0));
  SAME(add(n, n), muli(n, 2));
  Dim dims[] = {n, num(3), m};
  SAME(dim_product(pool, dims, 3), muli(mul(m, n), 3));
  SAME(dim_product(pool, NULL, 0), num(1));
}

static void test_overflow(void **state) {
  (void)state;
  Dim big = num(INT64_MAX);
  assert_true(dim_is_overflow(addi(big, 1)));
  assert_true(dim_is_overflow(muli(muli(n, INT64_MAX), 2)));
  Dim overflow = addi(big, 1);
  assert_true(dim_is_overflow(add(overflow, n)));
  assert_true(dim_is_overflow(sub(overflow, overflow)));
  assert_true(dim_is_overflow(divide(n, overflow)));
  assert_true(dim_is_overflow(least(overflow, n)));
  assert_true(dim_is_overflow(dim_equal(pool, overflow, overflow)));
  assert_true(dim_is_overflow(dim_upper(pool, overflow)));
  assert_true(dim_is_overflow(dim_refresh(pool, overflow)));
  assert_false(dim_is_const(overflow));
  assert_false(dim_known_ge(pool, overflow, n));
  assert_true(dim_is_overflow(divi(n, 0)));
  assert_true(dim_is_overflow(divi(num(INT64_MIN), -1)));
  assert_string_equal(text(overflow), "overflow");
  bool ok = true;
  assert_int_equal(dim_eval(overflow, NULL, &ok), 0);
  assert_false(ok);
}

/* ---- division ---- */

static void test_floordiv_cancels(void **state) {
  (void)state;
  SAME(divide(muli(mul(n, m), 384), muli(n, 384)), m);
  SAME(divide(muli(n, 12 * 64), muli(n, 64)), num(12));
  SAME(divide(muli(n, 768), num(12)), muli(n, 64));
  SAME(divide(muli(addi(n, 1), 64), addi(n, 1)), num(64));
  SAME(divide(mul(add(n, m), add(n, k)), add(m, n)), add(n, k));
  SAME(divide(addi(mul(n, n), -1), addi(n, 1)), addi(n, -1));
  SAME(divide(n, n), num(1));
  SAME(divide(n, num(1)), n);
  SAME(divide(num(0), n), num(0));
  SAME(divide(mul(n, m), mul(n, k)), divide(m, k));
  SAME(divide(muli(n, 2), muli(m, 4)), divide(n, muli(m, 2)));
  SAME(divide(add(mul(n, m), k), m), add(n, divide(k, m)));
  SAME(divide(muli(n, -1), muli(m, -1)), divide(n, m));
}

static void test_floordiv_by_constant(void **state) {
  (void)state;
  SAME(divi(num(-7), 2), num(-4));
  SAME(divi(num(7), -2), num(-4));
  SAME(divi(addi(muli(n, 4), 3), 4), n);
  SAME(divi(addi(n, 2), 2), addi(divi(n, 2), 1));
  SAME(addi(divi(addi(n, -1), 2), 1), divi(addi(n, 1), 2));
  SAME(divi(muli(n, 3), 2), add(n, divi(n, 2)));
  SAME(divi(divi(n, 2), 3), divi(n, 6));
  SAME(divi(addi(divi(addi(n, 1), 2), 1), 2), divi(addi(n, 3), 4));
  SAME(divi(addi(muli(n, 4), 2), 6), divi(addi(muli(n, 2), 1), 3));
  SAME(dim_ceildiv(pool, n, num(2)), divi(addi(n, 1), 2));
  SAME(dim_ceildiv(pool, num(7), num(2)), num(4));
  SAME(muli(divi(muli(n, -1), 2), -1), divi(addi(n, 1), 2));
  SAME(dim_ceildiv(pool, mul(n, m), n), m);
}

static void test_mod(void **state) {
  (void)state;
  SAME(modi(num(-7), 4), num(1));
  SAME(modi(num(7), -4), num(-1));
  SAME(modi(muli(n, 8), 4), num(0));
  SAME(mod(mul(n, m), n), num(0));
  SAME(mod(mul(addi(n, 1), m), addi(n, 1)), num(0));
  SAME(modi(addi(n, 5), 4), modi(addi(n, 1), 4));
  SAME(modi(modi(n, 8), 4), modi(n, 4));
  SAME(modi(muli(n, 2), 4), muli(modi(n, 2), 2));
  SAME(modi(addi(muli(n, 2), 7), 4), addi(muli(modi(addi(n, 1), 2), 2), 1));
  SAME(mod(add(mul(n, k), m), n), mod(m, n));
  SAME(mod(n, num(1)), num(0));
  SAME(modi(modi(n, 4), 7), modi(n, 4));
}

static void test_decided_by_range(void **state) {
  (void)state;
  Dim small = dim_data(pool, "small", 0, 9, NULL);
  SAME(divi(small, 10), num(0));
  SAME(divi(addi(small, -10), 10), num(-1));
  SAME(modi(small, 10), small);
  SAME(modi(addi(small, 20), 10), small);
  SAME(divide(modi(n, 4), addi(m, 4)), num(0));
  SAME(dim_less(pool, small, num(10)), num(1));
  SAME(dim_less(pool, num(9), small), num(0));
  SAME(dim_equal(pool, small, num(10)), num(0));
  SAME(dim_equal(pool, muli(n, 2), addi(muli(m, 4), 1)), num(0));
  SAME(least(small, num(9)), small);
  SAME(most(small, num(9)), num(9));
}

/* ---- min, max, comparisons, select ---- */

static void test_min_max(void **state) {
  (void)state;
  SAME(least(n, n), n);
  SAME(least(n, m), least(m, n));
  SAME(least(least(n, m), k), least(n, least(m, k)));
  SAME(least(least(n, m), n), least(n, m));
  SAME(least(num(3), num(5)), num(3));
  SAME(most(least(n, num(5)), num(9)), num(9));
  SAME(least(addi(n, 1), addi(n, 3)), addi(n, 1));
  SAME(most(n, num(0)), n);
  SAME(least(n, most(n, m)), n);
  SAME(most(n, least(n, m)), n);
  SAME(least(n, divi(n, 2)), divi(n, 2));
  SAME(least(least(n, num(8)), num(4)), least(n, num(4)));
}

static void test_comparisons(void **state) {
  (void)state;
  SAME(dim_equal(pool, n, n), num(1));
  SAME(dim_equal(pool, n, addi(n, 1)), num(0));
  SAME(dim_equal(pool, n, m), dim_equal(pool, m, n));
  SAME(dim_equal(pool, muli(n, 2), num(6)), dim_equal(pool, n, num(3)));
  SAME(dim_less(pool, n, addi(n, 1)), num(1));
  SAME(dim_less(pool, n, num(0)), num(0));
  SAME(dim_less(pool, muli(n, 2), num(7)), dim_less(pool, n, num(4)));
  Dim less = dim_less(pool, n, m), equal = dim_equal(pool, n, m);
  SAME(dim_not(pool, less), dim_less(pool, m, addi(n, 1)));
  SAME(dim_not(pool, dim_not(pool, less)), less);
  SAME(dim_not(pool, dim_not(pool, equal)), equal);
  SAME(dim_equal(pool, less, num(1)), less);
  SAME(dim_less(pool, num(0), equal), equal);
  SAME(mul(equal, equal), equal);
  SAME(dim_not(pool, num(3)), num(0));
  RANGE(equal, 0, 1);
}

static void test_select(void **state) {
  (void)state;
  Dim less = dim_less(pool, n, m), equal = dim_equal(pool, n, m);
  SAME(dim_select(pool, num(1), n, m), n);
  SAME(dim_select(pool, num(0), n, m), m);
  SAME(dim_select(pool, addi(n, 1), k, m), k);
  SAME(dim_select(pool, less, k, k), k);
  SAME(dim_select(pool, less, n, m), least(n, m));
  SAME(dim_select(pool, less, m, n), most(n, m));
  SAME(dim_select(pool, equal, n, m), m);
  SAME(dim_select(pool, equal, num(1), num(0)), equal);
  SAME(dim_select(pool, equal, num(0), num(1)), dim_not(pool, equal));
  SAME(dim_select(pool, dim_not(pool, equal), k, num(7)), dim_select(pool, equal, num(7), k));
  SAME(dim_select(pool, num(1), n, divi(m, 0)), n);
}

/* ---- ranges and bounds ---- */

static void test_ranges(void **state) {
  (void)state;
  Dim a = dim_data(pool, "a", -3, 5, NULL), b = dim_data(pool, "b", 2, 4, NULL);
  RANGE(n, 0, INT64_MAX);
  RANGE(muli(n, -1), INT64_MIN, 0);
  RANGE(addi(n, 5), 5, INT64_MAX);
  RANGE(sub(n, m), INT64_MIN, INT64_MAX);
  RANGE(mul(a, a), 0, 25);
  RANGE(mul(a, b), -12, 20);
  RANGE(divide(a, b), -2, 2);
  RANGE(divide(n, b), 0, INT64_MAX);
  RANGE(modi(n, 8), 0, 7);
  RANGE(mod(a, b), 0, 3);
  RANGE(mod(n, m), 0, INT64_MAX);
  RANGE(least(n, b), 0, 4);
  RANGE(most(n, b), 2, INT64_MAX);
  RANGE(divi(addi(n, -3), 2), -2, INT64_MAX);
  RANGE(dim_data(pool, "c", 0, INT64_MAX, b), 0, 4);
  RANGE(muli(dim_data(pool, "d", 0, INT64_MAX / 2, NULL), 4), 0, INT64_MAX);
}

static void test_known_ge(void **state) {
  (void)state;
  assert_true(dim_known_ge(pool, n, num(0)));
  assert_false(dim_known_ge(pool, n, num(1)));
  assert_true(dim_known_ge(pool, add(n, m), n));
  assert_true(dim_known_ge(pool, n, least(n, num(512))));
  assert_true(dim_known_ge(pool, most(n, m), m));
  assert_true(dim_known_ge(pool, n, divi(n, 3)));
  assert_true(dim_known_ge(pool, n, modi(n, 3)));
  assert_true(dim_known_ge(pool, n, muli(divi(n, 2), 2)));
  assert_true(dim_known_ge(pool, mul(n, m), mul(m, least(n, k))));
  assert_true(dim_known_ge(pool, muli(divi(addi(n, 7), 8), 8), n));
  assert_false(dim_known_ge(pool, muli(divi(addi(n, 6), 8), 8), n));
  assert_false(dim_known_ge(pool, n, m));
  assert_false(dim_known_ge(pool, divi(n, 3), n));
}

static void test_upper(void **state) {
  (void)state;
  Dim count = dim_data(pool, "count", 0, INT64_MAX, mul(n, m));
  Dim flag = dim_data(pool, "flag", 0, 1, NULL), open = dim_data(pool, "open", 0, INT64_MAX, NULL);
  Dim wild = dim_data(pool, "wild", INT64_MIN, INT64_MAX, NULL);
  Dim inner = dim_data(pool, "inner", 2, INT64_MAX, addi(count, 1));
  SAME(dim_upper(pool, add(n, m)), add(n, m));
  SAME(dim_upper(pool, count), mul(n, m));
  SAME(dim_upper(pool, inner), addi(mul(n, m), 1));
  SAME(dim_upper(pool, muli(count, 3)), muli(mul(n, m), 3));
  SAME(dim_upper(pool, sub(k, count)), k);
  SAME(dim_upper(pool, sub(k, inner)), addi(k, -2));
  SAME(dim_upper(pool, mul(flag, k)), k);
  SAME(dim_upper(pool, open), open);
  SAME(dim_upper(pool, sub(k, open)), k);
  SAME(dim_upper(pool, divi(count, 2)), divi(mul(n, m), 2));
  SAME(dim_upper(pool, modi(wild, 8)), num(7));
  SAME(dim_upper(pool, modi(open, 8)), least(open, num(7)));
  SAME(dim_upper(pool, least(count, num(5))), least(mul(n, m), num(5)));
  SAME(dim_upper(pool, most(count, k)), most(mul(n, m), k));
  SAME(dim_upper(pool, most(num(0), least(wild, k))), most(num(0), least(wild, k)));
  SAME(dim_upper(pool, sub(k, most(num(0), least(wild, m)))), k);
  SAME(dim_upper(pool, sub(k, most(wild, num(1)))), addi(k, -1));
  SAME(dim_upper(pool, dim_select(pool, dim_equal(pool, flag, num(1)), n, k)), most(n, k));
  assert_true(dim_is_overflow(dim_upper(pool, muli(wild, -1))));
}

/* ---- symbols ---- */

static void test_symbols(void **state) {
  (void)state;
  SAME(dim_input(pool, "N"), n);
  Dim first = dim_data(pool, "N", 0, 5, NULL), second = dim_data(pool, "N", 0, 5, NULL);
  assert_string_equal(dim_symbol(first)->name, "N.1");
  assert_string_equal(dim_symbol(second)->name, "N.2");
  assert_ptr_equal(dim_find_symbol(pool, "N"), dim_symbol(n));
  assert_ptr_equal(dim_find_symbol(pool, "N.2"), dim_symbol(second));
  assert_null(dim_find_symbol(pool, "none"));
  assert_int_equal(dim_symbol_count(pool), 5);
  assert_ptr_equal(dim_symbol_at(pool, 3), dim_symbol(first));
  SAME(dim_of_symbol(pool, dim_symbol(first)), first);
  assert_true(dim_mentions(divi(add(n, least(m, num(4))), 3), dim_symbol(m)));
  assert_false(dim_mentions(add(n, k), dim_symbol(m)));
}

static void test_c_names(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"batch_size", "batch_size"},
      {"unk__330", "unk__330"},
      {"p2o.DynamicDimension.0", "p2o_DynamicDimension_0"},
      {"batch-size", "batch_size_2"},
      {"int", "int_"},
      {"class", "class_"},
      {"ctc_n", "d_ctc_n"},
      {"3d", "d_3d"},
      {"ctc.m", "d_ctc_m"},
      {"", "dim"},
      {"_hidden", "d__hidden"},
      {"\xc3\xa9t\xc3\xa9", "d___t__"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const DimSymbol *symbol = dim_symbol(dim_input(pool, cases[i][0]));
    assert_string_equal(symbol->name, cases[i][0]);
    assert_string_equal(symbol->c_name, cases[i][1]);
  }
}

static void test_fix_and_refresh(void **state) {
  (void)state;
  Dim before = add(mul(n, m), least(n, num(8)));
  dim_fix(pool, dim_find_symbol(pool, "N"), 4);
  SAME(dim_input(pool, "N"), num(4));
  RANGE(n, 4, 4);
  SAME(dim_refresh(pool, before), addi(muli(m, 4), 4));
  SAME(dim_refresh(pool, m), m);
  SAME(dim_substitute(pool, divi(addi(m, 1), 2), dim_symbol(m), addi(muli(k, 2), 1)), addi(k, 1));
  dim_find_symbol(pool, "M")->high = 8;
  SAME(dim_refresh(pool, least(k, most(m, num(9)))), least(k, num(9)));
}

/* ---- text ---- */

static void test_print(void **state) {
  (void)state;
  assert_string_equal(text(addi(muli(n, 2), 1)), "2*N + 1");
  assert_string_equal(text(addi(n, -1)), "N - 1");
  assert_string_equal(text(sub(num(1), n)), "-N + 1");
  assert_string_equal(text(least(n, num(512))), "min(N, 512)");
  assert_string_equal(text(num(-3)), "-3");
  assert_string_equal(text(muli(divi(addi(n, 1), 2), 3)), "3*((N + 1) // 2)");
  assert_string_equal(text(dim_less(pool, n, m)), "(N < M)");
  Str out = str_in(arena);
  Dim dims[] = {num(1), n, addi(muli(n, 2), 1)};
  dims_print(&out, dims, 3);
  assert_string_equal(str_text(&out), "[1, N, 2*N + 1]");
}

static void test_print_c(void **state) {
  (void)state;
  assert_string_equal(c_text(n), "N");
  assert_string_equal(c_text(addi(muli(n, 2), 1)), "(2 * N + 1)");
  assert_string_equal(c_text(muli(n, 2)), "(2 * N)");
  assert_string_equal(c_text(divi(addi(n, 1), 2)), "ctc_floordiv(N + 1, 2)");
  assert_string_equal(c_text(modi(n, 3)), "ctc_mod(N, 3)");
  assert_string_equal(c_text(dim_equal(pool, n, m)), "((N) == (M))");
  assert_string_equal(c_text(num(7)), "7");
  assert_string_equal(c_text(num(INT64_C(1) << 40)), "INT64_C(1099511627776)");
  assert_string_equal(c_text(num(-(INT64_C(1) << 40))), "-INT64_C(1099511627776)");
  assert_string_equal(c_text(num(INT64_MIN)), "(-INT64_C(9223372036854775807) - 1)");
  Dim three = least(least(n, m), k);
  assert_string_equal(c_text(three), "ctc_min_dim(N, ctc_min_dim(M, K))");
  Dim choice = dim_select(pool, dim_less(pool, n, num(3)), muli(m, 2), k);
  assert_string_equal(c_text(choice), "(((N) < (3)) ? (2 * M) : K)");
  Dim nonzero = dim_select(pool, modi(n, 3), m, k);
  assert_string_equal(c_text(nonzero), "(ctc_mod(N, 3) != 0 ? M : K)");
}

/* ---- random expressions ---- */

/* An operation of the random program: entry i combines entries a, b, c before it. The first ones
 * are symbols and constants. */
typedef enum {
  LEAF_SYMBOL,
  LEAF_CONSTANT,
  ADD,
  SUB,
  MUL,
  DIV,
  CEILDIV,
  MOD,
  MIN,
  MAX,
  EQUAL,
  LESS,
  NOT,
  SELECT,
  KINDS
} Kind;
typedef struct {
  Kind kind;
  int a, b, c;
  int64_t constant;
} Entry;
enum { SYMBOLS = 3, CONSTANTS = 4, LEAVES = SYMBOLS + CONSTANTS, ENTRIES = LEAVES + 12 };

static uint64_t random_state = 88172645463325252u;

static int random_below(int limit) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (int)((random_state >> 20) % (uint64_t)limit);
}

static void random_program(Entry *entries) {
  for (int i = 0; i < ENTRIES; i++) {
    Entry *e = &entries[i];
    *e = (Entry){0};
    if (i < SYMBOLS) {
      e->kind = LEAF_SYMBOL;
      e->a = i;
    } else if (i < LEAVES) {
      e->kind = LEAF_CONSTANT;
      e->constant = random_below(14) - 4;
    } else {
      e->kind = (Kind)(ADD + random_below(KINDS - ADD));
      e->a = random_below(i);
      e->b = random_below(i);
      e->c = random_below(i);
    }
  }
}

static Dim build_entry(const Entry *e, const Dim *built, const Dim *symbols) {
  Dim a = built[e->a], b = built[e->b];
  switch (e->kind) {
  case LEAF_SYMBOL: return symbols[e->a];
  case LEAF_CONSTANT: return num(e->constant);
  case ADD: return add(a, b);
  case SUB: return sub(a, b);
  case MUL: return mul(a, b);
  case DIV: return divide(a, b);
  case CEILDIV: return dim_ceildiv(pool, a, b);
  case MOD: return mod(a, b);
  case MIN: return least(a, b);
  case MAX: return most(a, b);
  case EQUAL: return dim_equal(pool, a, b);
  case LESS: return dim_less(pool, a, b);
  case NOT: return dim_not(pool, a);
  case SELECT: return dim_select(pool, a, b, built[e->c]);
  case KINDS: break;
  }
  return NULL;
}

/* The same in plain C; *ok becomes false if it divides by zero or grows so large that products
 * could overflow. */
static int64_t plain_floor(int64_t a, int64_t b, bool *ok) {
  if (b == 0) return *ok = false;
  int64_t q = a / b;
  while (q * b > a && b > 0) q--;
  while (q * b < a && b < 0) q--;
  return q;
}

static int64_t plain_entry(const Entry *e, const int64_t *values, const int64_t *symbols,
                           bool *ok) {
  int64_t a = values[e->a], b = values[e->b];
  switch (e->kind) {
  case LEAF_SYMBOL: return symbols[e->a];
  case LEAF_CONSTANT: return e->constant;
  case ADD: return a + b;
  case SUB: return a - b;
  case MUL: return a * b;
  case DIV: return plain_floor(a, b, ok);
  case CEILDIV: return -plain_floor(-a, b, ok);
  case MOD: return a - b * plain_floor(a, b, ok);
  case MIN: return a < b ? a : b;
  case MAX: return a > b ? a : b;
  case EQUAL: return a == b;
  case LESS: return a < b;
  case NOT: return a == 0;
  case SELECT: return a ? b : values[e->c];
  case KINDS: break;
  }
  return 0;
}

/* The values of the program up to the first entry that fails or leaves +-2^20; gives how many they
 * are. */
static int plain_program(const Entry *entries, const int64_t *symbols, int64_t *values) {
  bool ok = true;
  for (int i = 0; i < ENTRIES; i++) {
    values[i] = plain_entry(&entries[i], values, symbols, &ok);
    if (!ok || values[i] > 1 << 20 || values[i] < -(1 << 20)) return i;
  }
  return ENTRIES;
}

static void check_entry(Dim dim, Dim upper, const int64_t *symbols, int64_t expected) {
  bool ok;
  int64_t value = dim_eval(dim, symbols, &ok);
  if (!ok || value != expected)
    fail_msg("%s at %lld, %lld, %lld: %lld, not %lld", text(dim), (long long)symbols[0],
             (long long)symbols[1], (long long)symbols[2], (long long)value, (long long)expected);
  DimRange range = dim_range(dim);
  if (value < range.low || value > range.high)
    fail_msg("%s: %lld is not in its range %lld .. %lld", text(dim), (long long)value,
             (long long)range.low, (long long)range.high);
  if (dim_is_overflow(upper)) return; /* no bound */
  int64_t bound = dim_eval(upper, symbols, &ok);
  if (!ok || bound < value)
    fail_msg("%s at %lld, %lld, %lld is above its bound %s", text(dim), (long long)symbols[0],
             (long long)symbols[1], (long long)symbols[2], text(upper));
}

/* Symbols: X an input; Y a data symbol of -6 .. 9; Z a data symbol of 1 .. X + 2. Returns samples
 * that could be compared. */
static int check_random_program(void) {
  Dim x = dim_input(pool, "X");
  Dim symbols[SYMBOLS] = {x, dim_data(pool, "Y", -6, 9, NULL),
                          dim_data(pool, "Z", 1, INT64_MAX, addi(x, 2))};
  Entry entries[ENTRIES];
  Dim built[ENTRIES], uppers[ENTRIES], refreshed[ENTRIES];
  random_program(entries);
  for (int i = 0; i < ENTRIES; i++) {
    built[i] = build_entry(&entries[i], built, symbols);
    uppers[i] = dim_upper(pool, built[i]);
    refreshed[i] = dim_refresh(pool, built[i]);
  }
  int compared = 0;
  for (int sample = 0; sample < 20; sample++) {
    int64_t values[ENTRIES], numbers[SYMBOLS];
    numbers[0] = random_below(sample < 10 ? 5 : 40);
    numbers[1] = random_below(16) - 6;
    numbers[2] = 1 + random_below((int)numbers[0] + 2);
    int valid = plain_program(entries, numbers, values);
    compared += valid - LEAVES;
    for (int i = 0; i < valid; i++) {
      check_entry(built[i], uppers[i], numbers, values[i]);
      check_entry(refreshed[i], uppers[i], numbers, values[i]);
    }
  }
  return compared;
}

static void test_random_programs(void **state) {
  int compared = 0;
  for (int i = 0; i < 4000; i++) {
    teardown(state);
    arena = arena_create();
    pool = dim_pool_create(arena);
    compared += check_random_program();
  }
  assert_true(compared > 200000);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(test_constants),
      TEST(test_sums_and_products),
      TEST(test_overflow),
      TEST(test_floordiv_cancels),
      TEST(test_floordiv_by_constant),
      TEST(test_mod),
      TEST(test_decided_by_range),
      TEST(test_min_max),
      TEST(test_comparisons),
      TEST(test_select),
      TEST(test_ranges),
      TEST(test_known_ge),
      TEST(test_upper),
      TEST(test_symbols),
      TEST(test_c_names),
      TEST(test_fix_and_refresh),
      TEST(test_print),
      TEST(test_print_c),
      TEST(test_random_programs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
