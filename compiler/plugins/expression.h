/* expression.h: the small integer expressions of plugin descriptors: sizes, checks, costs.
 *
 *   (H + 2 * pad - kernel) / stride + 1        C % groups == 0 && groups > 0
 *
 * Integers, names, elements of lists (`pads[0]`), and in falling precedence: ! and - before an
 * operand; * / %; + -; < <= > >=; == !=; &&; ||. Division rounds to minus infinity, % has the sign
 * of the divisor; comparisons give 1 or 0, and everything but 0 is true. Functions: min(a, b, …),
 * max(a, b, …), ceildiv(a, b).
 *
 * Values are symbolic integers (ir/dim.h), so that a size may depend on an open dim. */
#ifndef CTC_PLUGINS_EXPRESSION_H
#define CTC_PLUGINS_EXPRESSION_H

#include "ir/dim.h"

#include <stdbool.h>
#include <stddef.h>

enum { EXPRESSION_LENGTH = 500, EXPRESSION_DEPTH = 50 };

typedef struct Expression Expression;

/* What a name stands for is given by its position in the list of names. */
typedef struct {
  const char *name;
  bool is_list;
} ExpressionName;

typedef struct {
  const ExpressionName *items;
  size_t count;
} ExpressionNames;

typedef struct {
  size_t at;           /* characters before the place */
  const char *message; /* NULL: none */
  const char *near;    /* a name that may have been meant, or NULL */
} ExpressionError;

/* NULL after an error. */
const Expression *expression_parse(Arena *arena, const char *text, size_t length,
                                   ExpressionNames names, ExpressionError *error);

/* Values of the names: one number, or a list. */
typedef struct {
  Dim number; /* NULL: not known */
  const Dim *list;
  size_t count;
} ExpressionValue;

/* NULL with a message after an error: a division by zero, an element beyond the end, a number
 * beyond 64 bits, a name that is not known. */
Dim expression_value(DimPool *pool, const Expression *expression, const ExpressionValue *values,
                     const char **error);

/* Whether name number `name` occurs. */
bool expression_uses(const Expression *expression, int name);
/* The position of the name that the expression is nothing but, or -1. */
int expression_name(const Expression *expression);

#endif
