/* dim_logic.c: questions about expressions, and taking conditions apart for the analysis of loops.
 */
#include "ir/dim_internal.h"

bool dim_has_data(Dim dim) {
  return dim->has_data;
}

bool dim_symbol_is_open(const DimSymbol *symbol) {
  return symbol->kind == SYMBOL_DATA && !symbol->bound && symbol->high == INT64_MAX;
}

bool dim_split_less(Dim condition, Dim *left, Dim *right) {
  const Atom *atom = dim_atom_of_kind(condition, ATOM_LESS);
  if (!atom) return false;
  *left = atom->args[0];
  *right = atom->args[1];
  return true;
}

int dim_factors(DimPool *pool, Dim dim, Dim *factors, int most) {
  if (dim_is(dim, 1)) return factors[0] = dim, 1;
  if (dim->overflow || dim->term_count != 1 || dim->terms[0].coefficient != 1) return 0;
  const Term *term = &dim->terms[0];
  if (term->degree > most) return 0;
  for (int i = 0; i < term->degree; i++) {
    Term one = {.coefficient = 1, .degree = 1, .factors = &term->factors[i]};
    factors[i] = intern_sum(pool, &one, 1);
  }
  return term->degree;
}
