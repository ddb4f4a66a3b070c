/* formula.h: nodes from a line of text, such as "g * Where(a > 0, 1, alpha)".
 *
 * Numbers, names, + - * / and unary -, comparisons < > ==, brackets, and operators of ai.onnx by
 * their names. */
#ifndef CTC_OPS_FORMULA_H
#define CTC_OPS_FORMULA_H

#include "ops/compose.h"

/* What names stand for; NULL: nothing. */
typedef struct {
  Value *(*find)(void *context, const char *name);
  void *context;
} FormulaNames;

/* The value of the formula; its numbers are of `dtype`. Asserts that the text is one. */
Value *compose_formula(Composer *k, const char *text, DType dtype, FormulaNames names);

#endif
