/* dim_poly.c: sums and products of symbolic integers as polynomials, and exact division of
 * polynomials. */
#include "ir/dim_internal.h"

#include <stdlib.h>

/* Graded lexicographic order, largest first: a higher degree, then the earlier atoms. It is
 * compatible with products, which polynomial division needs. Negative if `a` comes first. */
static int monomial_compare(Term a, Term b) {
  if (a.degree != b.degree) return b.degree - a.degree;
  for (int i = 0; i < a.degree; i++)
    if (a.factors[i] != b.factors[i]) return a.factors[i]->id < b.factors[i]->id ? -1 : 1;
  return 0;
}

static int compare_terms(const void *a, const void *b) {
  return monomial_compare(*(const Term *)a, *(const Term *)b);
}

Dim sum_of_terms(DimPool *pool, TermList *terms) {
  if (terms->count > 1) qsort(terms->items, terms->count, sizeof(Term), compare_terms);
  size_t kept = 0;
  for (size_t i = 0; i < terms->count; i++) {
    Term term = terms->items[i];
    if (kept && monomial_compare(terms->items[kept - 1], term) == 0) {
      int64_t *sum = &terms->items[kept - 1].coefficient;
      if (__builtin_add_overflow(*sum, term.coefficient, sum)) return pool->overflow;
    } else {
      if (kept && terms->items[kept - 1].coefficient == 0) kept--;
      terms->items[kept++] = term;
    }
  }
  if (kept && terms->items[kept - 1].coefficient == 0) kept--;
  return intern_sum(pool, terms->items, (int)kept);
}

Dim dim_of_term(DimPool *pool, Term term) {
  return intern_sum(pool, &term, term.coefficient != 0);
}

Dim dim_of_atom(DimPool *pool, Atom *atom) {
  Atom **factors = ARENA_NEW(pool->arena, Atom *);
  factors[0] = atom;
  return dim_of_term(pool, (Term){1, 1, factors});
}

Atom *dim_atom(Dim dim) {
  if (dim->term_count != 1) return NULL;
  Term term = dim->terms[0];
  return term.coefficient == 1 && term.degree == 1 ? term.factors[0] : NULL;
}

Atom *dim_atom_of_kind(Dim dim, AtomKind kind) {
  Atom *atom = dim_atom(dim);
  return atom && atom->kind == kind ? atom : NULL;
}

static void push_terms(DimPool *pool, TermList *list, Dim dim) {
  for (int i = 0; i < dim->term_count; i++) vec_push(pool->arena, list, dim->terms[i]);
}

Dim dim_add(DimPool *pool, Dim a, Dim b) {
  if (a->overflow || b->overflow) return pool->overflow;
  if (a->term_count == 0) return b;
  if (b->term_count == 0) return a;
  TermList terms = {0};
  push_terms(pool, &terms, a);
  push_terms(pool, &terms, b);
  return sum_of_terms(pool, &terms);
}

/* The factors of both, merged. A comparison is 0 or 1, so it is its own square. */
static Atom *const *merge_factors(DimPool *pool, Term a, Term b, int *degree) {
  if (a.degree == 0 || b.degree == 0) {
    *degree = a.degree + b.degree;
    return a.degree ? a.factors : b.factors;
  }
  Atom **merged = ARENA_ARRAY(pool->arena, Atom *, a.degree + b.degree);
  int i = 0, j = 0, n = 0;
  while (i < a.degree || j < b.degree) {
    bool from_a = j == b.degree || (i < a.degree && a.factors[i]->id <= b.factors[j]->id);
    Atom *atom = from_a ? a.factors[i++] : b.factors[j++];
    bool is_truth = atom->kind == ATOM_EQUAL || atom->kind == ATOM_LESS;
    if (!(is_truth && n && merged[n - 1] == atom)) merged[n++] = atom;
  }
  *degree = n;
  return merged;
}

Dim dim_mul(DimPool *pool, Dim a, Dim b) {
  if (a->overflow || b->overflow) return pool->overflow;
  if (dim_is(a, 1)) return b;
  if (dim_is(b, 1)) return a;
  TermList terms = {0};
  for (int i = 0; i < a->term_count; i++)
    for (int j = 0; j < b->term_count; j++) {
      Term x = a->terms[i], y = b->terms[j], product;
      if (__builtin_mul_overflow(x.coefficient, y.coefficient, &product.coefficient))
        return pool->overflow;
      product.factors = merge_factors(pool, x, y, &product.degree);
      vec_push(pool->arena, &terms, product);
    }
  return sum_of_terms(pool, &terms);
}

Dim dim_addi(DimPool *pool, Dim a, int64_t b) {
  return dim_add(pool, a, dim_const(pool, b));
}

Dim dim_muli(DimPool *pool, Dim a, int64_t b) {
  return dim_mul(pool, a, dim_const(pool, b));
}

Dim dim_sub(DimPool *pool, Dim a, Dim b) {
  return a == b && !a->overflow ? dim_const(pool, 0) : dim_add(pool, a, dim_muli(pool, b, -1));
}

Dim dim_product(DimPool *pool, const Dim *dims, size_t count) {
  Dim product = dim_const(pool, 1);
  for (size_t i = 0; i < count; i++) product = dim_mul(pool, product, dims[i]);
  return product;
}

/* ---- division ---- */

int64_t floor_div_i64(int64_t a, int64_t b) {
  int64_t quotient = a / b;
  return a % b < 0 ? quotient - 1 : quotient;
}

int64_t gcd_i64(int64_t a, int64_t b) {
  uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
  while (y) {
    uint64_t rest = x % y;
    x = y;
    y = rest;
  }
  return x > INT64_MAX ? 1 : (int64_t)x; /* only INT64_MIN alone: 1 divides it, too */
}

static int64_t content(Dim dim, int min_degree) {
  int64_t result = 0;
  for (int i = 0; i < dim->term_count; i++)
    if (dim->terms[i].degree >= min_degree) result = gcd_i64(result, dim->terms[i].coefficient);
  return result;
}

int64_t dim_content(Dim dim) {
  return content(dim, 0);
}

int64_t dim_content_of_variables(Dim dim) {
  return content(dim, 1);
}

int64_t dim_constant_part(Dim dim) {
  if (dim->term_count == 0 || dim->terms[dim->term_count - 1].degree) return 0;
  return dim->terms[dim->term_count - 1].coefficient;
}

/* The factors of `a` that are (or are not) among those of `b`, each as often as it has a partner
 * there. */
static Term split_factors(DimPool *pool, Term a, Term b, bool common) {
  Atom **kept = ARENA_ARRAY(pool->arena, Atom *, a.degree);
  int n = 0;
  for (int i = 0, j = 0; i < a.degree; i++) {
    while (j < b.degree && b.factors[j]->id < a.factors[i]->id) j++;
    bool paired = j < b.degree && b.factors[j] == a.factors[i];
    if (paired) j++;
    if (paired == common) kept[n++] = a.factors[i];
  }
  return (Term){1, n, kept};
}

bool term_divide(DimPool *pool, Term a, Term b, Term *quotient) {
  if (b.degree > a.degree || (b.coefficient == -1 && a.coefficient == INT64_MIN)) return false;
  if (a.coefficient % b.coefficient != 0) return false;
  *quotient = b.degree ? split_factors(pool, a, b, false) : a;
  quotient->coefficient = a.coefficient / b.coefficient;
  return quotient->degree == a.degree - b.degree;
}

Term dim_common_term(DimPool *pool, Dim a, Dim b) {
  Dim both[2] = {a, b};
  Term common = a->term_count ? a->terms[0] : b->terms[0];
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < both[k]->term_count && common.degree; i++)
      common = split_factors(pool, common, both[k]->terms[i], true);
  common.coefficient = gcd_i64(dim_content(a), dim_content(b));
  return common;
}

/* Long division by leading terms; gives up as soon as one does not divide. */
bool dim_divide_exact(DimPool *pool, Dim a, Dim b, Dim *quotient) {
  enum { MOST_STEPS = 64 };
  Dim rest = a, sum = dim_const(pool, 0);
  for (int step = 0; step < MOST_STEPS && rest->term_count; step++) {
    Term lead = rest->terms[0], part;
    if (!term_divide(pool, lead, b->terms[0], &part)) return false;
    Dim piece = dim_of_term(pool, part);
    sum = dim_add(pool, sum, piece);
    rest = dim_sub(pool, rest, dim_mul(pool, piece, b));
    if (rest->overflow || sum->overflow) return false;
    if (rest->term_count && monomial_compare(rest->terms[0], lead) <= 0) return false;
  }
  *quotient = sum;
  /* Checked, because products of comparisons shrink (see merge_factors). */
  return rest->term_count == 0 && dim_mul(pool, sum, b) == a;
}
