/* fuzz_expression.c: any text given to the expressions of plugin descriptors must be read or
 * refused, and evaluated or refused; with open sizes it must come to the same as with their values
 * (libFuzzer). */
#include "fuzz.h"

#include "plugins/expression.h"

#include "base/diag.h"

enum { NAMES = 4 };
static const ExpressionName known[NAMES] = {
    {"N", false}, {"C", false}, {"k", false}, {"pads", true}};

static void set_values(DimPool *pool, ExpressionValue *values, Dim *list, bool open) {
  for (int i = 0; i < 2; i++)
    values[i] = (ExpressionValue){.number = open ? dim_input(pool, known[i].name)
                                                 : dim_const(pool, i ? 7 : 3)};
  values[2] = (ExpressionValue){.number = dim_const(pool, -2)};
  for (int i = 0; i < 2; i++) list[i] = dim_const(pool, i + 1);
  values[3] = (ExpressionValue){NULL, list, 2};
}

/* Divisors that are 0 only for these values, and numbers beyond 64 bits, are found at run time. */
static void compare(DimPool *pool, Dim open, Dim fixed) {
  int64_t numbers[64] = {0};
  bool ok;
  for (size_t i = 0; i < dim_symbol_count(pool) && i < 64; i++)
    numbers[i] = dim_symbol_at(pool, i)->name[0] == 'N' ? 3 : 7;
  int64_t value = dim_eval(open, numbers, &ok);
  if (ok && dim_is_const(fixed) && value != dim_value(fixed))
    diag_internal(__FILE__, __LINE__, "open and fixed sizes give the same");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  DimPool *pool = dim_pool_create(arena);
  ExpressionError error;
  ExpressionValue values[NAMES];
  Dim list[2];
  ExpressionNames names = {known, NAMES};
  const Expression *made = expression_parse(arena, (const char *)data, size, names, &error);
  if (!made == !error.message) diag_internal(__FILE__, __LINE__, "the result tells of errors");
  if (made) {
    const char *open_error, *fixed_error;
    set_values(pool, values, list, false);
    Dim fixed = expression_value(pool, made, values, &fixed_error);
    set_values(pool, values, list, true);
    Dim open = expression_value(pool, made, values, &open_error);
    if (open && fixed) compare(pool, open, fixed);
  }
  arena_destroy(arena);
  return 0;
}
