/* expression.c: reads and evaluates expressions (the language is described in expression.h). */
#include "plugins/expression.h"

#include "base/diag.h"
#include "base/vec.h"

#include <ctype.h>
#include <string.h>

typedef enum {
  EX_NUMBER,
  EX_NAME,
  EX_ELEMENT, /* of list `name`: args[0] */
  EX_NOT,
  EX_NEGATE,
  EX_OR,
  EX_AND,
  EX_EQUAL,
  EX_DIFFERENT,
  EX_AT_MOST,
  EX_AT_LEAST,
  EX_LESS,
  EX_MORE,
  EX_ADD,
  EX_SUBTRACT,
  EX_MULTIPLY,
  EX_DIVIDE,
  EX_REMAINDER,
  EX_MIN,
  EX_MAX,
  EX_CEILDIV,
} ExpressionKind;

struct Expression {
  ExpressionKind kind;
  int64_t number;
  int name;
  const Expression *args[2];
};

typedef struct {
  Arena *arena;
  const char *text;
  size_t length, at;
  ExpressionNames names;
  ExpressionError *error;
  int depth;
} Parser;

/* --- reading --- */

/* Keeps the first error. */
static const Expression *fail_at(Parser *p, size_t at, const char *message) {
  if (!p->error->message) *p->error = (ExpressionError){.at = at, .message = message};
  return NULL;
}

static char peek(Parser *p) {
  while (p->at < p->length && (p->text[p->at] == ' ' || p->text[p->at] == '\t')) p->at++;
  return p->at < p->length ? p->text[p->at] : '\0';
}

/* Passes `text` if it comes next. */
static bool take(Parser *p, const char *text) {
  size_t length = strlen(text);
  peek(p);
  if (p->length - p->at < length || memcmp(p->text + p->at, text, length) != 0) return false;
  p->at += length;
  return true;
}

static const Expression *make(Parser *p, ExpressionKind kind, const Expression *a,
                              const Expression *b) {
  Expression *made = ARENA_NEW(p->arena, Expression);
  *made = (Expression){.kind = kind, .args = {a, b}};
  return made;
}

static const Expression *parse_or(Parser *p);

static const Expression *parse_number(Parser *p) {
  size_t start = p->at;
  int64_t number = 0;
  bool fits = true;
  for (; p->at < p->length && isdigit((unsigned char)p->text[p->at]); p->at++)
    fits = fits && !__builtin_mul_overflow(number, 10, &number) &&
           !__builtin_add_overflow(number, p->text[p->at] - '0', &number);
  if (!fits) return fail_at(p, start, "the number does not fit into 64 bits");
  if (p->at < p->length && (isalpha((unsigned char)p->text[p->at]) || p->text[p->at] == '.'))
    return fail_at(p, p->at, "only whole numbers are allowed");
  Expression *made = ARENA_NEW(p->arena, Expression);
  *made = (Expression){.kind = EX_NUMBER, .number = number};
  return made;
}

static const struct {
  const char *name;
  ExpressionKind kind;
  bool open; /* takes more than two */
} functions[] = {{"min", EX_MIN, true}, {"max", EX_MAX, true}, {"ceildiv", EX_CEILDIV, false}};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

/* f(a, b, c) is f(f(a, b), c). */
static const Expression *parse_call(Parser *p, int function, size_t start) {
  const Expression *value = parse_or(p);
  int count = 1;
  for (; value && take(p, ","); count++) {
    const Expression *next = parse_or(p);
    if (!next) return NULL;
    value = make(p, functions[function].kind, value, next);
  }
  if (!value) return NULL;
  if (!take(p, ")")) return fail_at(p, p->at, "a ')' is missing");
  if (count < 2 || (count > 2 && !functions[function].open))
    return fail_at(
        p, start, functions[function].open ? "it needs two values or more" : "it needs two values");
  return value;
}

static const Expression *unknown_name(Parser *p, size_t start, const char *name) {
  const char **known = ARENA_ARRAY(p->arena, const char *, p->names.count + FUNCTIONS);
  size_t count = 0;
  for (size_t i = 0; i < p->names.count; i++) known[count++] = p->names.items[i].name;
  for (int i = 0; i < FUNCTIONS; i++) known[count++] = functions[i].name;
  bool first = !p->error->message;
  fail_at(p, start, arena_printf(p->arena, "unknown name '%s'", name));
  if (first) p->error->near = str_nearest(name, known, count);
  return NULL;
}

/* `name`, or `name[index]` of a list. */
static const Expression *parse_known(Parser *p, int name, size_t start) {
  Expression *made = ARENA_NEW(p->arena, Expression);
  *made = (Expression){.kind = EX_NAME, .name = name};
  if (!take(p, "["))
    return p->names.items[name].is_list ? fail_at(p, start, "a list: write which element, NAME[0]")
                                        : made;
  if (!p->names.items[name].is_list) return fail_at(p, start, "it is no list");
  made->kind = EX_ELEMENT;
  made->args[0] = parse_or(p);
  if (!made->args[0]) return NULL;
  return take(p, "]") ? made : fail_at(p, p->at, "a ']' is missing");
}

static const Expression *parse_name(Parser *p) {
  size_t start = p->at;
  while (p->at < p->length && (isalnum((unsigned char)p->text[p->at]) || p->text[p->at] == '_'))
    p->at++;
  const char *name = arena_strndup(p->arena, p->text + start, p->at - start);
  for (int i = 0; i < FUNCTIONS; i++)
    if (strcmp(functions[i].name, name) == 0 && take(p, "(")) return parse_call(p, i, start);
  for (size_t i = 0; i < p->names.count; i++)
    if (strcmp(p->names.items[i].name, name) == 0) return parse_known(p, (int)i, start);
  return unknown_name(p, start, name);
}

static const Expression *parse_operand(Parser *p) {
  char c = peek(p);
  if (take(p, "(")) {
    const Expression *value = parse_or(p);
    return !value || take(p, ")") ? value : fail_at(p, p->at, "a ')' is missing");
  }
  if (isdigit((unsigned char)c)) return parse_number(p);
  if (isalpha((unsigned char)c) || c == '_') return parse_name(p);
  if (p->at == p->length) return fail_at(p, p->at, "a value is missing at the end");
  return fail_at(p, p->at, "a value is expected here");
}

static const Expression *parse_unary(Parser *p) {
  ExpressionKind kind = take(p, "-") ? EX_NEGATE : take(p, "!") ? EX_NOT : EX_NUMBER;
  if (kind == EX_NUMBER) return parse_operand(p);
  if (++p->depth > EXPRESSION_DEPTH) return fail_at(p, p->at, "it is nested too deep");
  const Expression *value = parse_unary(p);
  p->depth--;
  return value ? make(p, kind, value, NULL) : NULL;
}

/* The operators, by precedence; of two that begin alike the longer one comes first. */
enum { LEVELS = 6, OPERATORS_A_LEVEL = 4 };
static const struct {
  const char *text;
  ExpressionKind kind;
} operators[LEVELS][OPERATORS_A_LEVEL] = {
    {{"||", EX_OR}},
    {{"&&", EX_AND}},
    {{"==", EX_EQUAL}, {"!=", EX_DIFFERENT}},
    {{"<=", EX_AT_MOST}, {">=", EX_AT_LEAST}, {"<", EX_LESS}, {">", EX_MORE}},
    {{"+", EX_ADD}, {"-", EX_SUBTRACT}},
    {{"*", EX_MULTIPLY}, {"/", EX_DIVIDE}, {"%", EX_REMAINDER}},
};

static const Expression *parse_level(Parser *p, int level) {
  if (level == LEVELS) return parse_unary(p);
  const Expression *value = parse_level(p, level + 1);
  for (int i = 0; value && i < OPERATORS_A_LEVEL && operators[level][i].text;) {
    if (!take(p, operators[level][i].text)) {
      i++;
      continue;
    }
    const Expression *right = parse_level(p, level + 1);
    value = right ? make(p, operators[level][i].kind, value, right) : NULL;
    i = 0;
  }
  return value;
}

static const Expression *parse_or(Parser *p) {
  if (++p->depth > EXPRESSION_DEPTH) return fail_at(p, p->at, "it is nested too deep");
  const Expression *value = parse_level(p, 0);
  p->depth--;
  return value;
}

const Expression *expression_parse(Arena *arena, const char *text, size_t length,
                                   ExpressionNames names, ExpressionError *error) {
  Parser p = {.arena = arena, .text = text, .length = length, .names = names, .error = error};
  *error = (ExpressionError){0};
  if (length > EXPRESSION_LENGTH) {
    fail_at(&p, EXPRESSION_LENGTH,
            arena_printf(arena, "it is longer than %d characters", EXPRESSION_LENGTH));
    return NULL;
  }
  const Expression *value = parse_or(&p);
  peek(&p);
  return value && p.at < length ? fail_at(&p, p.at, "an operator is expected here") : value;
}

/* --- evaluating --- */

enum { MOST_TERMS = 1000, MOST_SIZE = 10000 };

typedef struct {
  DimPool *pool;
  const ExpressionValue *values;
  const char *error;
} Evaluation;

static Dim fail_value(Evaluation *e, const char *message) {
  if (!e->error) e->error = message;
  return NULL;
}

static Dim truth(DimPool *pool, Dim value) {
  return dim_not(pool, dim_not(pool, value));
}

static Dim apply(Evaluation *e, ExpressionKind kind, Dim a, Dim b) {
  DimPool *pool = e->pool;
  if (kind == EX_MULTIPLY && (int64_t)dim_terms(a) * dim_terms(b) > MOST_TERMS)
    return fail_value(e, "an expression of too many terms");
  bool divides = kind == EX_DIVIDE || kind == EX_REMAINDER || kind == EX_CEILDIV;
  if (divides && dim_is(b, 0)) return fail_value(e, "a division by zero");
  switch (kind) {
  case EX_NOT: return dim_not(pool, a);
  case EX_NEGATE: return dim_muli(pool, a, -1);
  case EX_OR: return dim_max(pool, truth(pool, a), truth(pool, b));
  case EX_AND: return dim_mul(pool, truth(pool, a), truth(pool, b));
  case EX_EQUAL: return dim_equal(pool, a, b);
  case EX_DIFFERENT: return dim_not(pool, dim_equal(pool, a, b));
  case EX_AT_MOST: return dim_not(pool, dim_less(pool, b, a));
  case EX_AT_LEAST: return dim_not(pool, dim_less(pool, a, b));
  case EX_LESS: return dim_less(pool, a, b);
  case EX_MORE: return dim_less(pool, b, a);
  case EX_ADD: return dim_add(pool, a, b);
  case EX_SUBTRACT: return dim_sub(pool, a, b);
  case EX_MULTIPLY: return dim_mul(pool, a, b);
  case EX_DIVIDE: return dim_floordiv(pool, a, b);
  case EX_REMAINDER: return dim_mod(pool, a, b);
  case EX_MIN: return dim_min(pool, a, b);
  case EX_MAX: return dim_max(pool, a, b);
  case EX_CEILDIV: return dim_ceildiv(pool, a, b);
  default: return NULL;
  }
}

static Dim evaluate(Evaluation *e, const Expression *x);

static Dim element(Evaluation *e, const Expression *x) {
  const ExpressionValue *list = &e->values[x->name];
  Dim index = evaluate(e, x->args[0]);
  if (!index) return NULL;
  if (!dim_is_const(index)) return fail_value(e, "which element of a list must be a constant");
  if (dim_value(index) < 0 || (uint64_t)dim_value(index) >= list->count)
    return fail_value(e, "an element beyond the end of a list");
  return list->list[dim_value(index)];
}

static Dim evaluate(Evaluation *e, const Expression *x) {
  Dim args[2] = {NULL, NULL}, value;
  if (x->kind == EX_NUMBER) return dim_const(e->pool, x->number);
  if (x->kind == EX_ELEMENT) return element(e, x);
  if (x->kind == EX_NAME)
    return e->values[x->name].number ? e->values[x->name].number
                                     : fail_value(e, "a size that is not known");
  for (int i = 0; i < 2 && x->args[i]; i++)
    if (!(args[i] = evaluate(e, x->args[i]))) return NULL;
  value = apply(e, x->kind, args[0], args[1]);
  if (value && dim_is_overflow(value)) return fail_value(e, "a number beyond 64 bits");
  if (value && dim_size(value) > MOST_SIZE) return fail_value(e, "an expression of too many terms");
  return value;
}

Dim expression_value(DimPool *pool, const Expression *expression, const ExpressionValue *values,
                     const char **error) {
  Evaluation e = {.pool = pool, .values = values};
  Dim value = evaluate(&e, expression);
  *error = e.error;
  return value;
}

bool expression_uses(const Expression *x, int name) {
  if (!x) return false;
  bool own = (x->kind == EX_NAME || x->kind == EX_ELEMENT) && x->name == name;
  return own || expression_uses(x->args[0], name) || expression_uses(x->args[1], name);
}

int expression_name(const Expression *expression) {
  return expression->kind == EX_NAME ? expression->name : -1;
}
