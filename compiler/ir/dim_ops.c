/* dim_ops.c: the operations on symbolic integers that are not polynomial, with their
 * simplifications.
 *
 * A divisor is taken to be not 0, as it is in every program that runs without an error: so `N*seq /
 * N` is `seq`. (With an empty batch, ONNX's Reshape takes the same view: it copies dimensions, it
 * does not divide by them.) */
#include "ir/dim_internal.h"

static bool provably_ge(DimPool *pool, Dim a, Dim b) {
  return dim_prove_nonnegative(pool, dim_sub(pool, a, b), PROOF_DEPTH);
}

static Dim negate(DimPool *pool, Dim a) {
  return dim_muli(pool, a, -1);
}

static Dim make_binary(DimPool *pool, AtomKind kind, Dim a, Dim b) {
  return intern_atom(pool, kind, 2, (Dim[]){a, b});
}

/* Every term divided by `divisor`, which divides all of them. */
static Dim divide_terms(DimPool *pool, Dim dim, Term divisor) {
  TermList terms = {0};
  for (int i = 0; i < dim->term_count; i++) {
    Term quotient = dim->terms[i];
    if (!term_divide(pool, dim->terms[i], divisor, &quotient)) return pool->overflow;
    vec_push(pool->arena, &terms, quotient);
  }
  return sum_of_terms(pool, &terms);
}

/* Divides both by what all their terms have in common, and gives that. */
static Term cancel_common(DimPool *pool, Dim *a, Dim *b) {
  Term common = dim_common_term(pool, *a, *b);
  *a = divide_terms(pool, *a, common);
  *b = divide_terms(pool, *b, common);
  return common;
}

/* dim = quotient * divisor + rest, term by term: the terms that the one-term divisor divides, and
 * the others. */
static void split_divisible(DimPool *pool, Dim dim, Term divisor, Dim *quotient, Dim *rest) {
  TermList whole = {0}, others = {0};
  for (int i = 0; i < dim->term_count; i++) {
    Term part;
    if (term_divide(pool, dim->terms[i], divisor, &part))
      vec_push(pool->arena, &whole, part);
    else
      vec_push(pool->arena, &others, dim->terms[i]);
  }
  *quotient = sum_of_terms(pool, &whole);
  *rest = sum_of_terms(pool, &others);
}

/* dim = divisor * quotient + rest by coefficients. The constant of the rest is in [0, divisor); the
 * other coefficients too if `floored`, otherwise they are rounded to zero, which keeps their signs
 * for the range. */
static void split_coefficients(DimPool *pool, Dim dim, int64_t divisor, bool floored, Dim *quotient,
                               Dim *rest) {
  TermList whole = {0}, others = {0};
  for (int i = 0; i < dim->term_count; i++) {
    Term part = dim->terms[i], left = part;
    bool down = floored || part.degree == 0;
    left.coefficient = part.coefficient % divisor;
    if (down && left.coefficient < 0) left.coefficient += divisor;
    part.coefficient = down ? floor_div_i64(part.coefficient, divisor) : part.coefficient / divisor;
    if (part.coefficient) vec_push(pool->arena, &whole, part);
    if (left.coefficient) vec_push(pool->arena, &others, left);
  }
  *quotient = sum_of_terms(pool, &whole);
  *rest = sum_of_terms(pool, &others);
}

/* (g*x + k) gives x + floor(k/g), for g dividing all coefficients but that of the constant k. */
static Dim shrink(DimPool *pool, Dim dim, int64_t g) {
  Dim quotient, rest;
  split_coefficients(pool, dim, g, true, &quotient, &rest);
  return quotient;
}

/* Whether dim / divisor rounds down to one number for the whole range; then *quotient is it. */
static bool quotient_by_range(Dim dim, int64_t divisor, int64_t *quotient) {
  DimRange range = dim_range(dim);
  if (range.low == INT64_MIN || range.high == INT64_MAX) return false;
  *quotient = floor_div_i64(range.low, divisor);
  return *quotient == floor_div_i64(range.high, divisor);
}

/* ---- floordiv ---- */

/* floordiv(floordiv(x, y) + k, c) = floordiv(x + k*y, y*c) for y, c > 0; NULL if `dim` has another
 * form. */
static Dim merge_nested_division(DimPool *pool, Dim dim, int64_t divisor) {
  int64_t constant = dim_constant_part(dim);
  Atom *inner =
      dim_atom_of_kind(dim_addi(pool, dim, constant == INT64_MIN ? 0 : -constant), ATOM_FLOORDIV);
  if (!inner || !dim_is_const(inner->args[1])) return NULL;
  Dim shifted = dim_add(pool, inner->args[0], dim_muli(pool, inner->args[1], constant));
  Dim product = dim_muli(pool, inner->args[1], divisor);
  if (shifted->overflow || product->overflow) return NULL;
  return dim_floordiv(pool, shifted, product);
}

/* a / c for a constant c > 1. Each step gives a smaller problem of the same kind, until none
 * applies. */
static Dim floordiv_constant(DimPool *pool, Dim a, int64_t c) {
  Dim quotient, rest;
  split_coefficients(pool, a, c, false, &quotient, &rest);
  if (quotient->term_count)
    return dim_add(pool, quotient, dim_floordiv(pool, rest, dim_const(pool, c)));
  int64_t by_range;
  if (quotient_by_range(a, c, &by_range)) return dim_const(pool, by_range);
  int64_t common = gcd_i64(dim_content_of_variables(a), c);
  if (common > 1) return dim_floordiv(pool, shrink(pool, a, common), dim_const(pool, c / common));
  if (a->terms[0].coefficient < 0) { /* floor(-x / c) = -floor((x + c - 1) / c) */
    Dim mirrored = dim_sub(pool, dim_const(pool, c - 1), a);
    return negate(pool, dim_floordiv(pool, mirrored, dim_const(pool, c)));
  }
  Dim merged = merge_nested_division(pool, a, c);
  return merged ? merged : make_binary(pool, ATOM_FLOORDIV, a, dim_const(pool, c));
}

/* a / b for a b with symbols in it. */
static Dim floordiv_symbolic(DimPool *pool, Dim a, Dim b) {
  Dim quotient, rest;
  if (b->term_count == 1) {
    split_divisible(pool, a, b->terms[0], &quotient, &rest);
    if (quotient->term_count) return dim_add(pool, quotient, dim_floordiv(pool, rest, b));
  } else if (dim_divide_exact(pool, a, b, &quotient)) {
    return quotient;
  }
  DimRange a_range = dim_range(a);
  if (a_range.low >= 0 && provably_ge(pool, b, dim_addi(pool, a, 1))) return dim_const(pool, 0);
  if (a_range.high < 0 && provably_ge(pool, b, negate(pool, a))) return dim_const(pool, -1);
  Atom *inner = dim_atom_of_kind(a, ATOM_FLOORDIV);
  if (inner && dim_range(b).low >= 0) { /* floor(floor(x / y) / b) = floor(x / (y*b)) for b > 0 */
    Dim product = dim_mul(pool, inner->args[1], b);
    if (!product->overflow) return dim_floordiv(pool, inner->args[0], product);
  }
  return make_binary(pool, ATOM_FLOORDIV, a, b);
}

Dim dim_floordiv(DimPool *pool, Dim a, Dim b) {
  if (a->overflow || b->overflow || b->term_count == 0) return pool->overflow;
  if (a->term_count == 0) return a;
  if (a == b) return dim_const(pool, 1);
  if (b->terms[0].coefficient < 0) {
    a = negate(pool, a);
    b = negate(pool, b);
    if (a->overflow || b->overflow) return pool->overflow;
  }
  cancel_common(pool, &a, &b);
  if (!dim_is_const(b)) return floordiv_symbolic(pool, a, b);
  int64_t divisor = dim_value(b);
  if (divisor == 1) return a;
  if (dim_is_const(a)) return dim_const(pool, floor_div_i64(dim_value(a), divisor));
  return floordiv_constant(pool, a, divisor);
}

Dim dim_ceildiv(DimPool *pool, Dim a, Dim b) {
  if (dim_is_const(b) && dim_value(b) > 0) {
    Dim shifted = dim_addi(pool, a, dim_value(b) - 1);
    if (!shifted->overflow) return dim_floordiv(pool, shifted, b);
  }
  return negate(pool, dim_floordiv(pool, negate(pool, a), b));
}

/* ---- mod ---- */

/* a mod c for a constant c > 1. */
static Dim mod_constant(DimPool *pool, Dim a, int64_t c) {
  Dim quotient, rest, divisor = dim_const(pool, c);
  int64_t by_range;
  if (quotient_by_range(a, c, &by_range)) {
    Dim shifted = dim_sub(pool, a, dim_muli(pool, divisor, by_range));
    if (!shifted->overflow) return shifted;
  }
  split_coefficients(pool, a, c, true, &quotient, &rest);
  if (rest != a) return dim_mod(pool, rest, divisor);
  int64_t common = gcd_i64(dim_content_of_variables(a), c);
  if (common > 1) { /* mod(g*x + k, g*c) = g*mod(x + floor(k/g), c) + mod(k, g) */
    int64_t k = dim_constant_part(a);
    Dim inner = dim_mod(pool, shrink(pool, a, common), dim_const(pool, c / common));
    return dim_addi(pool, dim_muli(pool, inner, common), k % common);
  }
  Atom *inner = dim_atom_of_kind(a, ATOM_MOD);
  if (inner && dim_is(dim_mod(pool, inner->args[1], divisor), 0))
    return dim_mod(pool, inner->args[0], divisor);
  return make_binary(pool, ATOM_MOD, a, divisor);
}

/* a mod b for a b with symbols in it. */
static Dim mod_symbolic(DimPool *pool, Dim a, Dim b) {
  Dim quotient, rest;
  if (b->term_count == 1) {
    split_divisible(pool, a, b->terms[0], &quotient, &rest);
    if (quotient->term_count) return dim_mod(pool, rest, b);
  } else if (dim_divide_exact(pool, a, b, &quotient)) {
    return dim_const(pool, 0);
  }
  DimRange a_range = dim_range(a);
  if (a_range.low >= 0 && provably_ge(pool, b, dim_addi(pool, a, 1))) return a;
  if (a_range.high < 0 && provably_ge(pool, b, negate(pool, a))) return dim_add(pool, a, b);
  return make_binary(pool, ATOM_MOD, a, b);
}

Dim dim_mod(DimPool *pool, Dim a, Dim b) {
  if (a->overflow || b->overflow || b->term_count == 0) return pool->overflow;
  if (a->term_count == 0 || a == b) return dim_const(pool, 0);
  if (b->terms[0].coefficient < 0) { /* mod(a, b) = -mod(-a, -b) */
    a = negate(pool, a);
    b = negate(pool, b);
    return a->overflow || b->overflow ? pool->overflow : negate(pool, dim_mod(pool, a, b));
  }
  Term common = cancel_common(pool, &a, &b); /* mod(g*a, g*b) = g*mod(a, b) */
  Dim result;
  if (!dim_is_const(b))
    result = mod_symbolic(pool, a, b);
  else if (dim_is(b, 1))
    result = dim_const(pool, 0);
  else
    result = mod_constant(pool, a, dim_value(b));
  return dim_mul(pool, result, dim_of_term(pool, common));
}

/* ---- min and max ---- */

typedef Vec(Dim) DimList;

/* The args of `dim` if it is an operation of this kind, else itself. */
static void push_flat(DimPool *pool, DimList *list, Dim dim, AtomKind kind) {
  Atom *atom = dim_atom_of_kind(dim, kind);
  if (!atom)
    vec_push(pool->arena, list, dim);
  else
    for (int i = 0; i < atom->arg_count; i++) vec_push(pool->arena, list, atom->args[i]);
}

/* Whether the extreme of a and b is always a. */
static bool always_wins(DimPool *pool, AtomKind kind, Dim a, Dim b) {
  return kind == ATOM_MIN ? provably_ge(pool, b, a) : provably_ge(pool, a, b);
}

/* Adds a candidate to a list of candidates of which none is known to beat another; keeps the list
 * so. */
static void add_candidate(DimPool *pool, AtomKind kind, DimList *list, Dim dim) {
  size_t kept = 0;
  for (size_t i = 0; i < list->count; i++)
    if (always_wins(pool, kind, list->items[i], dim)) return;
  for (size_t i = 0; i < list->count; i++)
    if (!always_wins(pool, kind, dim, list->items[i])) list->items[kept++] = list->items[i];
  list->count = kept;
  vec_push(pool->arena, list, dim);
}

static void sort_by_id(DimList *list) {
  for (size_t i = 1; i < list->count; i++)
    for (size_t j = i; j > 0 && list->items[j]->id < list->items[j - 1]->id; j--) {
      Dim swapped = list->items[j];
      list->items[j] = list->items[j - 1];
      list->items[j - 1] = swapped;
    }
}

static Dim extreme(DimPool *pool, AtomKind kind, Dim a, Dim b) {
  if (a->overflow || b->overflow) return pool->overflow;
  if (a == b) return a;
  DimList all = {0}, candidates = {0};
  push_flat(pool, &all, a, kind);
  push_flat(pool, &all, b, kind);
  for (size_t i = 0; i < all.count; i++) add_candidate(pool, kind, &candidates, all.items[i]);
  if (candidates.count == 1) return candidates.items[0];
  sort_by_id(&candidates);
  return intern_atom(pool, kind, (int)candidates.count, candidates.items);
}

Dim dim_min(DimPool *pool, Dim a, Dim b) {
  return extreme(pool, ATOM_MIN, a, b);
}

Dim dim_max(DimPool *pool, Dim a, Dim b) {
  return extreme(pool, ATOM_MAX, a, b);
}

/* ---- comparisons ---- */

/* Whether the value is always 0 or 1. */
static bool is_truth(Dim dim) {
  DimRange range = dim_range(dim);
  return range.low >= 0 && range.high <= 1;
}

/* `dim == 0` or `0 < dim`, with the terms that have a minus sign moved to the other side. */
static Dim make_comparison(DimPool *pool, AtomKind kind, Dim dim) {
  TermList plus = {0}, minus = {0};
  for (int i = 0; i < dim->term_count; i++) {
    Term term = dim->terms[i];
    if (term.coefficient == INT64_MIN) return pool->overflow;
    if (term.coefficient >= 0) {
      vec_push(pool->arena, &plus, term);
    } else {
      term.coefficient = -term.coefficient;
      vec_push(pool->arena, &minus, term);
    }
  }
  Dim larger = sum_of_terms(pool, &plus), smaller = sum_of_terms(pool, &minus);
  if (kind == ATOM_EQUAL) return make_binary(pool, kind, larger, smaller);
  return make_binary(pool, kind, smaller, larger);
}

/* If `dim` is "q is 0" for a truth value q: q, else NULL. */
static Dim negated_truth(Dim dim) {
  Atom *atom = dim_atom_of_kind(dim, ATOM_EQUAL);
  if (!atom) return NULL;
  if (atom->args[1]->term_count == 0 && is_truth(atom->args[0])) return atom->args[0];
  return NULL;
}

/* "truth is 0" for a truth value. */
static Dim negate_truth(DimPool *pool, Dim truth) {
  Dim inner = negated_truth(truth);
  if (inner) return inner;
  Atom *less = dim_atom_of_kind(truth, ATOM_LESS);
  if (less) return dim_less(pool, less->args[1], dim_addi(pool, less->args[0], 1));
  return make_comparison(pool, ATOM_EQUAL, truth);
}

/* Whether dim is never 0. */
static bool is_never_zero(DimPool *pool, Dim dim) {
  int64_t content = dim_content_of_variables(dim);
  if (content > 1 && dim_constant_part(dim) % content != 0) return true;
  return dim_prove_nonnegative(pool, dim_addi(pool, dim, -1), PROOF_DEPTH) ||
         dim_prove_nonnegative(pool, dim_sub(pool, dim_const(pool, -1), dim), PROOF_DEPTH);
}

Dim dim_equal(DimPool *pool, Dim a, Dim b) {
  Dim difference = dim_sub(pool, a, b);
  if (difference->overflow) return pool->overflow;
  if (dim_is_const(difference)) return dim_const(pool, difference->term_count == 0);
  if (is_never_zero(pool, difference)) return dim_const(pool, 0);
  int64_t content = dim_content(difference);
  if (difference->terms[0].coefficient < 0) content = -content;
  difference = divide_terms(pool, difference, (Term){.coefficient = content});
  if (difference->overflow) return pool->overflow;
  if (is_truth(difference)) return negate_truth(pool, difference);
  Dim one_more = dim_addi(pool, difference, 1);
  if (!one_more->overflow && is_truth(one_more)) return one_more; /* truth - 1 is 0 */
  return make_comparison(pool, ATOM_EQUAL, difference);
}

Dim dim_less(DimPool *pool, Dim a, Dim b) {
  Dim difference = dim_sub(pool, b, a); /* a < b: this is at least 1 */
  if (difference->overflow) return pool->overflow;
  if (dim_is_const(difference)) return dim_const(pool, dim_value(difference) > 0);
  Dim margin = dim_addi(pool, difference, -1); /* a < b: this is at least 0 */
  if (margin->overflow) return pool->overflow;
  if (dim_prove_nonnegative(pool, margin, PROOF_DEPTH)) return dim_const(pool, 1);
  if (dim_prove_nonnegative(pool, negate(pool, difference), PROOF_DEPTH)) return dim_const(pool, 0);
  int64_t content = dim_content_of_variables(margin);
  if (content > 1) margin = shrink(pool, margin, content); /* g*x + k >= 0: x + floor(k/g) >= 0 */
  difference = dim_addi(pool, margin, 1);
  if (difference->overflow) return pool->overflow;
  if (is_truth(difference)) return difference;
  Dim opposite = negate(pool, margin);
  if (!opposite->overflow && is_truth(opposite)) return negate_truth(pool, opposite);
  return make_comparison(pool, ATOM_LESS, difference);
}

Dim dim_not(DimPool *pool, Dim a) {
  return dim_equal(pool, a, dim_const(pool, 0));
}

/* ---- select ---- */

/* select(a < b, a, b) = min(a, b), and with the branches swapped max(a, b); NULL if it is neither.
 * The comparison may have moved terms, so the differences are compared. */
static Dim select_as_extreme(DimPool *pool, Dim condition, Dim if_true, Dim if_false) {
  Atom *less = dim_atom_of_kind(condition, ATOM_LESS);
  if (!less) return NULL;
  Dim compared = dim_sub(pool, less->args[1], less->args[0]);
  Dim chosen = dim_sub(pool, if_false, if_true);
  if (compared->overflow || chosen->overflow) return NULL;
  if (chosen == compared) return dim_min(pool, if_true, if_false);
  if (chosen == negate(pool, compared)) return dim_max(pool, if_true, if_false);
  return NULL;
}

/* select(a == b, a, b) = b; NULL if it is something else. */
static Dim select_same(DimPool *pool, Dim condition, Dim if_true, Dim if_false) {
  Atom *equal = dim_atom_of_kind(condition, ATOM_EQUAL);
  if (!equal) return NULL;
  Dim compared = dim_sub(pool, equal->args[1], equal->args[0]);
  Dim chosen = dim_sub(pool, if_false, if_true);
  if (compared->overflow || chosen->overflow) return NULL;
  return chosen == compared || chosen == negate(pool, compared) ? if_false : NULL;
}

Dim dim_select(DimPool *pool, Dim condition, Dim if_true, Dim if_false) {
  if (condition->overflow) return pool->overflow;
  DimRange range = dim_range(condition);
  if (range.low > 0 || range.high < 0) return if_true;
  if (range.low == 0 && range.high == 0) return if_false;
  if (if_true->overflow || if_false->overflow) return pool->overflow;
  if (if_true == if_false) return if_true;
  Dim opposite = negated_truth(condition);
  if (opposite) return dim_select(pool, opposite, if_false, if_true);
  if (is_truth(condition) && dim_is(if_true, 1) && dim_is(if_false, 0)) return condition;
  if (dim_is(if_true, 0) && dim_is(if_false, 1)) return dim_not(pool, condition);
  Dim simpler = select_as_extreme(pool, condition, if_true, if_false);
  if (!simpler) simpler = select_same(pool, condition, if_true, if_false);
  if (simpler) return simpler;
  return intern_atom(pool, ATOM_SELECT, 3, (Dim[]){condition, if_true, if_false});
}
