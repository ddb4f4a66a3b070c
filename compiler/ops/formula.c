/* formula.c: a recursive descent parser that makes nodes.
 *
 *   comparison = sum [ ("<" | ">" | "==") sum ]      factor = "-" factor | "(" comparison ")"
 *   sum        = product { ("+" | "-") product }            | number | name
 *   product    = factor { ("*" | "/") factor }              | operator "(" comparison, … ")" */
#include "ops/formula.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  Composer *k;
  const char *at;
  DType dtype;
  FormulaNames names;
} Parser;

static Value *comparison(Parser *p);

static void skip_blanks(Parser *p) {
  while (*p->at == ' ') p->at++;
}

static bool take(Parser *p, const char *sign) {
  size_t length = strlen(sign);
  skip_blanks(p);
  if (strncmp(p->at, sign, length) != 0) return false;
  p->at += length;
  return true;
}

static void expect(Parser *p, const char *sign) {
  bool there = take(p, sign);
  CTC_ASSERT(there);
}

static Value *call(Parser *p, const char *op_type) {
  enum { MOST = 4 };
  Value *args[MOST];
  int count = 0;
  do {
    CTC_ASSERT(count < MOST);
    args[count++] = comparison(p);
  } while (take(p, ","));
  expect(p, ")");
  return compose_op(p->k, op_type, (Values){args, count}, NO_ATTRS);
}

static Value *name_or_call(Parser *p) {
  const char *start = p->at;
  while (isalnum((unsigned char)*p->at) || *p->at == '_') p->at++;
  const char *name = arena_printf(p->k->c->arena, "%.*s", (int)(p->at - start), start);
  if (take(p, "(")) return call(p, name);
  Value *value = p->names.find(p->names.context, name);
  CTC_ASSERT(value);
  return value;
}

static Value *factor(Parser *p) {
  if (take(p, "-")) return compose_op(p->k, "Neg", IN(factor(p)), NO_ATTRS);
  if (take(p, "(")) {
    Value *inner = comparison(p);
    expect(p, ")");
    return inner;
  }
  if (!isdigit((unsigned char)*p->at)) return name_or_call(p);
  char *end;
  double number = strtod(p->at, &end);
  p->at = end;
  return compose_number(p->k, p->dtype, number);
}

/* Operators of one precedence. */
typedef struct {
  const char *sign, *op_type;
} Infix;

/* The first of these that comes next, or NULL. */
static const char *take_infix(Parser *p, const Infix *signs) {
  for (; signs->sign; signs++)
    if (take(p, signs->sign)) return signs->op_type;
  return NULL;
}

static Value *chain(Parser *p, const Infix *signs, Value *(*operand)(Parser *p)) {
  Value *left = operand(p);
  for (const char *op_type; (op_type = take_infix(p, signs));)
    left = compose_binary(p->k, op_type, left, operand(p));
  return left;
}

static Value *product(Parser *p) {
  static const Infix signs[] = {{"*", "Mul"}, {"/", "Div"}, {NULL, NULL}};
  return chain(p, signs, factor);
}

static Value *sum(Parser *p) {
  static const Infix signs[] = {{"+", "Add"}, {"-", "Sub"}, {NULL, NULL}};
  return chain(p, signs, product);
}

static Value *comparison(Parser *p) {
  static const Infix signs[] = {{"<", "Less"}, {">", "Greater"}, {"==", "Equal"}, {NULL, NULL}};
  return chain(p, signs, sum);
}

Value *compose_formula(Composer *k, const char *text, DType dtype, FormulaNames names) {
  Parser p = {k, text, dtype, names};
  Value *value = comparison(&p);
  skip_blanks(&p);
  CTC_ASSERT(*p.at == '\0');
  return value;
}
