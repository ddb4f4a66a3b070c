/* dim_range.c: what is known of a symbolic integer: interval arithmetic and proofs of `>= 0` built
 * on it.
 *
 * INT64_MIN and INT64_MAX as ends of an interval mean "no bound"; results beyond int64 become that.
 * As everywhere, a divisor is taken to be not 0. */
#include "ir/dim_internal.h"

static const DimRange unbounded = {INT64_MIN, INT64_MAX};

static bool is_infinite(int64_t value) {
  return value == INT64_MIN || value == INT64_MAX;
}

static int64_t min_i64(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static int64_t max_i64(int64_t a, int64_t b) {
  return a > b ? a : b;
}

/* A low end of INT64_MAX (or a high end of INT64_MIN) would mean "no bound" on the wrong side. */
static DimRange make_range(int64_t low, int64_t high) {
  return (DimRange){min_i64(low, INT64_MAX - 1), max_i64(high, INT64_MIN + 1)};
}

/* Product of two ends. */
static int64_t multiply_ends(int64_t a, int64_t b) {
  int64_t product;
  if (a == 0 || b == 0) return 0;
  if (!is_infinite(a) && !is_infinite(b) && !__builtin_mul_overflow(a, b, &product)) return product;
  return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
}

static DimRange multiply_ranges(DimRange a, DimRange b) {
  int64_t ll = multiply_ends(a.low, b.low), lh = multiply_ends(a.low, b.high);
  int64_t hl = multiply_ends(a.high, b.low), hh = multiply_ends(a.high, b.high);
  return make_range(min_i64(min_i64(ll, lh), min_i64(hl, hh)),
                    max_i64(max_i64(ll, lh), max_i64(hl, hh)));
}

/* Sum of two low ends or of two high ends; `none` is what "no bound" is on that side. */
static int64_t add_ends(int64_t a, int64_t b, int64_t none) {
  int64_t sum;
  if (a == none || b == none) return none;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a < 0 ? INT64_MIN : INT64_MAX;
}

static DimRange add_ranges(DimRange a, DimRange b) {
  return make_range(add_ends(a.low, b.low, INT64_MIN), add_ends(a.high, b.high, INT64_MAX));
}

static DimRange join_ranges(DimRange a, DimRange b) {
  return (DimRange){min_i64(a.low, b.low), max_i64(a.high, b.high)};
}

static int64_t negate_end(int64_t a) {
  if (a == INT64_MIN) return INT64_MAX;
  return a == INT64_MAX ? INT64_MIN : -a;
}

static DimRange absolute_range(DimRange a) {
  if (a.low >= 0) return a;
  int64_t low = negate_end(a.low), high = negate_end(a.high);
  return a.high <= 0 ? (DimRange){high, low} : (DimRange){0, max_i64(low, a.high)};
}

/* One end of floor(a / b) for b >= 1; an infinite b brings a quotient of 0 or -1. */
static int64_t divide_end(int64_t a, int64_t b) {
  if (is_infinite(a)) return a;
  if (b == INT64_MAX) return a < 0 ? -1 : 0;
  return floor_div_i64(a, b);
}

static DimRange divide_ranges(DimRange a, DimRange b) {
  if (b.low < 0) { /* |a / b| <= |a|; rounding down cannot leave that, since it is an integer */
    int64_t most = absolute_range(a).high;
    return (DimRange){negate_end(most), most};
  }
  int64_t least = max_i64(b.low, 1), most = max_i64(b.high, 1);
  return make_range(divide_end(a.low, a.low < 0 ? least : most),
                    divide_end(a.high, a.high < 0 ? most : least));
}

static DimRange mod_range(DimRange a, DimRange b) {
  DimRange range = {0, 0};
  if (b.high > 0) range.high = b.high == INT64_MAX ? INT64_MAX : b.high - 1;
  if (b.low < 0) range.low = b.low == INT64_MIN ? INT64_MIN : b.low + 1;
  if (b.low >= 0 && a.low >= 0) range.high = min_i64(range.high, a.high);
  return range;
}

static DimRange range_of(Dim dim, unsigned stamp);

static DimRange symbol_range(const DimSymbol *symbol, unsigned stamp) {
  DimRange range = {symbol->low, symbol->high};
  if (symbol->bound) range.high = min_i64(range.high, range_of(symbol->bound, stamp).high);
  return range;
}

static DimRange extreme_range(const Atom *atom, unsigned stamp) {
  DimRange range = range_of(atom->args[0], stamp);
  for (int i = 1; i < atom->arg_count; i++) {
    DimRange other = range_of(atom->args[i], stamp);
    if (atom->kind == ATOM_MIN)
      range = (DimRange){min_i64(range.low, other.low), min_i64(range.high, other.high)};
    else
      range = (DimRange){max_i64(range.low, other.low), max_i64(range.high, other.high)};
  }
  return range;
}

static DimRange comparison_range(const Atom *atom, unsigned stamp) {
  DimRange a = range_of(atom->args[0], stamp), b = range_of(atom->args[1], stamp);
  DimRange range = {0, 1};
  if (atom->kind == ATOM_EQUAL) {
    if (a.high < b.low || b.high < a.low) range.high = 0;
    if (a.low == a.high && b.low == b.high && a.low == b.low) range.low = 1;
  } else {
    if (a.low >= b.high) range.high = 0;
    if (a.high < b.low) range.low = 1;
  }
  return range;
}

static DimRange select_range(const Atom *atom, unsigned stamp) {
  DimRange condition = range_of(atom->args[0], stamp);
  DimRange if_true = range_of(atom->args[1], stamp), if_false = range_of(atom->args[2], stamp);
  if (condition.low > 0 || condition.high < 0) return if_true;
  if (condition.low == 0 && condition.high == 0) return if_false;
  return join_ranges(if_true, if_false);
}

static DimRange compute_atom_range(const Atom *atom, unsigned stamp) {
  switch (atom->kind) {
  case ATOM_SYMBOL: return symbol_range(atom->symbol, stamp);
  case ATOM_FLOORDIV:
    return divide_ranges(range_of(atom->args[0], stamp), range_of(atom->args[1], stamp));
  case ATOM_MOD: return mod_range(range_of(atom->args[0], stamp), range_of(atom->args[1], stamp));
  case ATOM_MIN:
  case ATOM_MAX: return extreme_range(atom, stamp);
  case ATOM_EQUAL:
  case ATOM_LESS: return comparison_range(atom, stamp);
  case ATOM_SELECT: return select_range(atom, stamp);
  }
  return unbounded;
}

static DimRange atom_range(Atom *atom, unsigned stamp) {
  if (atom->range_stamp != stamp) {
    atom->range = compute_atom_range(atom, stamp);
    atom->range_stamp = stamp;
  }
  return atom->range;
}

/* x to the power n: an even power is one of |x|. */
static DimRange power_range(DimRange x, int n) {
  DimRange size = absolute_range(x), range = n % 2 ? x : (DimRange){1, 1};
  for (int i = n % 2; i < n; i++) range = multiply_ranges(range, size);
  return range;
}

static DimRange term_range(Term term, unsigned stamp) {
  DimRange range = {term.coefficient, term.coefficient};
  for (int i = 0, n; i < term.degree; i += n) {
    for (n = 1; i + n < term.degree && term.factors[i + n] == term.factors[i];) n++;
    range = multiply_ranges(range, power_range(atom_range(term.factors[i], stamp), n));
  }
  return range;
}

static DimRange range_of(Dim dim, unsigned stamp) {
  if (dim->overflow) return unbounded;
  DimRange range = {0, 0};
  for (int i = 0; i < dim->term_count; i++)
    range =
        i ? add_ranges(range, term_range(dim->terms[i], stamp)) : term_range(dim->terms[i], stamp);
  return range;
}

DimRange dim_range(Dim dim) {
  return range_of(dim, ++dim->pool->stamp);
}

/* ---- proofs ---- */

/* dim with its term i, coefficient * atom * others, replaced by factor * by * others (factor
 * instead of the coefficient). */
static Dim replace_in_term(DimPool *pool, Dim dim, int i, const Atom *atom, int64_t factor,
                           Dim by) {
  Term term = dim->terms[i];
  Dim others = dim_const(pool, factor);
  bool skipped = false;
  for (int j = 0; j < term.degree; j++) {
    if (term.factors[j] == atom && !skipped)
      skipped = true;
    else
      others = dim_mul(pool, others, dim_of_atom(pool, term.factors[j]));
  }
  Dim rest = dim_sub(pool, dim, dim_of_term(pool, term));
  return dim_add(pool, rest, dim_mul(pool, others, by));
}

/* A place where a bound of an atom may be put in: term i of dim, falling or rising with the atom.
 */
typedef struct {
  DimPool *pool;
  Dim dim;
  int term, depth;
  const Atom *atom;
  int64_t coefficient;
} ProofSite;

static bool prove_with(const ProofSite *site, int64_t factor, Dim by) {
  Dim weaker = replace_in_term(site->pool, site->dim, site->term, site->atom, factor, by);
  return dim_prove_nonnegative(site->pool, weaker, site->depth - 1);
}

/* With all (or any one) of the atom's args from `first` on put in. */
static bool prove_with_args(const ProofSite *site, int first, bool all) {
  for (int i = first; i < site->atom->arg_count; i++)
    if (prove_with(site, site->coefficient, site->atom->args[i]) != all) return !all;
  return all;
}

/* x - (c-1) <= c*floordiv(x, c) <= x, and floordiv(x, y) <= x for x >= 0 and y >= 1. */
static bool prove_with_quotient(const ProofSite *site) {
  Dim x = site->atom->args[0], y = site->atom->args[1];
  DimRange y_range = dim_range(y);
  bool falls = site->coefficient < 0;
  if (dim_is_const(y) && dim_value(y) > 0 && site->coefficient % dim_value(y) == 0) {
    Dim by = falls ? x : dim_addi(site->pool, x, 1 - dim_value(y));
    if (prove_with(site, site->coefficient / dim_value(y), by)) return true;
  }
  return falls && y_range.low >= 0 && dim_range(x).low >= 0 &&
         prove_with(site, site->coefficient, x);
}

/* mod(x, y) <= x for x >= 0, and <= y - 1, both for y >= 1. */
static bool prove_with_remainder(const ProofSite *site) {
  Dim x = site->atom->args[0], y = site->atom->args[1];
  if (site->coefficient > 0 || dim_range(y).low < 0) return false;
  if (dim_range(x).low >= 0 && prove_with(site, site->coefficient, x)) return true;
  return prove_with(site, site->coefficient, dim_addi(site->pool, y, -1));
}

static bool prove_at(const ProofSite *site) {
  switch (site->atom->kind) {
  case ATOM_MIN: return prove_with_args(site, 0, site->coefficient > 0);
  case ATOM_MAX: return prove_with_args(site, 0, site->coefficient < 0);
  case ATOM_SELECT: return prove_with_args(site, 1, true);
  case ATOM_FLOORDIV: return prove_with_quotient(site);
  case ATOM_MOD: return prove_with_remainder(site);
  default: return false;
  }
}

/* Whether the factors other than number j cannot turn the sign of the term. */
static bool others_nonnegative(DimPool *pool, Term term, int j) {
  for (int k = 0; k < term.degree; k++)
    if (k != j && dim_range(dim_of_atom(pool, term.factors[k])).low < 0) return false;
  return true;
}

bool dim_prove_nonnegative(DimPool *pool, Dim dim, int depth) {
  enum { MOST_TERMS_DEEP = 12 }; /* the tries grow with terms^depth */
  if (dim->overflow) return false;
  if (dim_range(dim).low >= 0) return true;
  if (dim->term_count > MOST_TERMS_DEEP && depth > 1) depth = 1;
  for (int i = 0; depth > 0 && i < dim->term_count; i++) {
    Term term = dim->terms[i];
    for (int j = 0; j < term.degree; j++) {
      ProofSite site = {pool, dim, i, depth, term.factors[j], term.coefficient};
      if (site.atom->kind == ATOM_SYMBOL || !others_nonnegative(pool, term, j)) continue;
      if (prove_at(&site)) return true;
    }
  }
  return false;
}

bool dim_known_ge(DimPool *pool, Dim a, Dim b) {
  return dim_prove_nonnegative(pool, dim_sub(pool, a, b), PROOF_DEPTH);
}
