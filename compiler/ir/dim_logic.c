/* dim_logic.c: taking conditions apart, for the analysis of loops. */
#include "ir/dim_internal.h"

/* The atom that `dim` consists of, or NULL. */
static const Atom *single_atom(Dim dim) {
  if (dim->overflow || dim->term_count != 1) return NULL;
  const Term *term = &dim->terms[0];
  return term->coefficient == 1 && term->degree == 1 ? term->factors[0] : NULL;
}

bool dim_split_less(Dim condition, Dim *left, Dim *right) {
  const Atom *atom = single_atom(condition);
  if (!atom || atom->kind != ATOM_LESS) return false;
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
