/* dim_eval.c: the number that a symbolic integer is for given values of its symbols. */
#include "ir/dim_internal.h"

static int64_t eval(Dim dim, const int64_t *values, bool *ok);

static int64_t fail(bool *ok) {
  *ok = false;
  return 0;
}

/* floor(a / b) if `quotient`, else a - b*floor(a / b). */
static int64_t eval_division(int64_t a, int64_t b, bool quotient, bool *ok) {
  if (b == 0) return fail(ok);
  if (b == -1) {
    if (!quotient) return 0;
    return a == INT64_MIN ? fail(ok) : -a;
  }
  int64_t rest = a % b;
  bool down = rest != 0 && (rest < 0) != (b < 0);
  if (quotient) return a / b - down;
  return down ? rest + b : rest;
}

static int64_t eval_extreme(const Atom *atom, const int64_t *values, bool *ok) {
  int64_t result = eval(atom->args[0], values, ok);
  for (int i = 1; i < atom->arg_count; i++) {
    int64_t other = eval(atom->args[i], values, ok);
    if (atom->kind == ATOM_MIN ? other < result : other > result) result = other;
  }
  return result;
}

static int64_t eval_atom(const Atom *atom, const int64_t *values, bool *ok) {
  if (atom->kind == ATOM_SYMBOL) return values[atom->symbol->index];
  if (atom->kind == ATOM_MIN || atom->kind == ATOM_MAX) return eval_extreme(atom, values, ok);
  int64_t a = eval(atom->args[0], values, ok);
  if (atom->kind == ATOM_SELECT) return eval(atom->args[a ? 1 : 2], values, ok);
  int64_t b = eval(atom->args[1], values, ok);
  if (atom->kind == ATOM_EQUAL) return a == b;
  if (atom->kind == ATOM_LESS) return a < b;
  return eval_division(a, b, atom->kind == ATOM_FLOORDIV, ok);
}

static int64_t eval(Dim dim, const int64_t *values, bool *ok) {
  if (dim->overflow || !*ok) return fail(ok);
  int64_t sum = 0;
  for (int i = 0; i < dim->term_count; i++) {
    int64_t product = dim->terms[i].coefficient;
    for (int j = 0; j < dim->terms[i].degree; j++) {
      int64_t factor = eval_atom(dim->terms[i].factors[j], values, ok);
      if (__builtin_mul_overflow(product, factor, &product)) return fail(ok);
    }
    if (__builtin_add_overflow(sum, product, &sum)) return fail(ok);
  }
  return *ok ? sum : 0;
}

int64_t dim_eval(Dim dim, const int64_t *values, bool *ok) {
  *ok = true;
  return eval(dim, values, ok);
}
