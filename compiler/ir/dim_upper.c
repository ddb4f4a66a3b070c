/* dim_upper.c: a bound of a symbolic integer in symbols that the caller knows beforehand: how much
 * room to keep.
 *
 * Interval arithmetic with expressions as ends. Whatever mentions no data symbol is its own lower
 * and upper end. */
#include "ir/dim_internal.h"

/* A missing end (NULL) means that there is no bound on that side. */
typedef struct {
  Dim low, high;
} Ends;

static Ends ends_of(DimPool *pool, Dim dim, unsigned stamp);

/* The smallest (largest) of the bounds, any of which may be reached: no bound if one has none. */
static Dim least(DimPool *pool, Dim a, Dim b) {
  return a && b ? dim_min(pool, a, b) : NULL;
}

static Dim most(DimPool *pool, Dim a, Dim b) {
  return a && b ? dim_max(pool, a, b) : NULL;
}

/* The better of two bounds that both hold, of which either may be missing. */
static Dim best_low(DimPool *pool, Dim a, Dim b) {
  if (!a || !b) return a ? a : b;
  return dim_max(pool, a, b);
}

static Dim best_high(DimPool *pool, Dim a, Dim b) {
  if (!a || !b) return a ? a : b;
  return dim_min(pool, a, b);
}

static bool is_nonnegative(Dim dim) {
  return dim && dim_range(dim).low >= 0;
}

static Dim multiply_or_none(DimPool *pool, Dim a, Dim b) {
  return a && b ? dim_mul(pool, a, b) : NULL;
}

/* Ends of a * b for a >= 0: each comes from one end of b and whichever end of a moves it outwards.
 */
static Ends scale_ends(DimPool *pool, Ends a, Ends b) {
  if (is_nonnegative(b.low))
    return (Ends){dim_mul(pool, a.low, b.low), multiply_or_none(pool, a.high, b.high)};
  return (Ends){
      least(pool, multiply_or_none(pool, a.low, b.low), multiply_or_none(pool, a.high, b.low)),
      most(pool, multiply_or_none(pool, a.low, b.high), multiply_or_none(pool, a.high, b.high))};
}

static Ends multiply_ends(DimPool *pool, Ends a, Ends b) {
  if (is_nonnegative(a.low)) return scale_ends(pool, a, b);
  if (is_nonnegative(b.low)) return scale_ends(pool, b, a);
  Dim ll = multiply_or_none(pool, a.low, b.low), lh = multiply_or_none(pool, a.low, b.high);
  Dim hl = multiply_or_none(pool, a.high, b.low), hh = multiply_or_none(pool, a.high, b.high);
  return (Ends){least(pool, least(pool, ll, lh), least(pool, hl, hh)),
                most(pool, most(pool, ll, lh), most(pool, hl, hh))};
}

static Dim negate(DimPool *pool, Dim dim) {
  return dim ? dim_muli(pool, dim, -1) : NULL;
}

/* An open symbol stands for its capacity above; below, only its range holds. */
static Ends symbol_ends(DimPool *pool, const DimSymbol *symbol, unsigned stamp) {
  Ends ends = {symbol->low == INT64_MIN ? NULL : dim_const(pool, symbol->low), NULL};
  if (symbol->low == symbol->high)
    ends.high = ends.low;
  else if (symbol->bound)
    ends.high = ends_of(pool, symbol->bound, stamp).high;
  else if (symbol->high != INT64_MAX)
    ends.high = dim_const(pool, symbol->high);
  else
    ends.high = dim_of_symbol(pool, symbol);
  return ends;
}

/* a / b with b >= 1: the ends of a, divided by the end of b that moves them outwards. */
static Ends quotient_ends(DimPool *pool, Ends a, Ends b, bool positive_divisor) {
  if (!positive_divisor) { /* |a / b| <= |a|, and rounding down stays within that */
    Dim size = most(pool, a.high, negate(pool, a.low));
    return (Ends){negate(pool, size), size};
  }
  Dim one = dim_const(pool, 1);
  Dim smallest = b.low ? dim_max(pool, b.low, one) : one;
  Ends ends = {NULL, NULL};
  if (a.high) {
    ends.high = dim_floordiv(pool, a.high, smallest);
    if (!is_nonnegative(a.high)) ends.high = dim_max(pool, ends.high, dim_const(pool, 0));
  }
  if (a.low) {
    ends.low = dim_floordiv(pool, a.low, smallest);
    if (b.high)
      ends.low = dim_min(pool, ends.low, dim_floordiv(pool, a.low, b.high));
    else
      ends.low = dim_min(pool, ends.low, dim_const(pool, 0));
  }
  return ends;
}

/* a mod b has the sign of b and is nearer to 0; for b > 0 and a >= 0 it is at most a. */
static Ends remainder_ends(DimPool *pool, Ends a, Ends b, bool positive_divisor) {
  Dim zero = dim_const(pool, 0);
  Dim below = b.high ? dim_addi(pool, b.high, -1) : NULL;
  if (positive_divisor)
    return (Ends){zero, is_nonnegative(a.low) ? best_high(pool, a.high, below) : below};
  Dim above = b.low ? dim_addi(pool, b.low, 1) : NULL;
  return (Ends){least(pool, above, zero), most(pool, below, zero)};
}

static Ends extreme_ends(DimPool *pool, const Atom *atom, unsigned stamp) {
  Ends ends = ends_of(pool, atom->args[0], stamp);
  for (int i = 1; i < atom->arg_count; i++) {
    Ends other = ends_of(pool, atom->args[i], stamp);
    if (atom->kind == ATOM_MIN) {
      ends.low = least(pool, ends.low, other.low);
      ends.high = best_high(pool, ends.high, other.high);
    } else {
      ends.low = best_low(pool, ends.low, other.low);
      ends.high = most(pool, ends.high, other.high);
    }
  }
  return ends;
}

static Ends select_ends(DimPool *pool, const Atom *atom, unsigned stamp) {
  Ends if_true = ends_of(pool, atom->args[1], stamp),
       if_false = ends_of(pool, atom->args[2], stamp);
  if (atom->args[0]->has_data)
    return (Ends){least(pool, if_true.low, if_false.low), most(pool, if_true.high, if_false.high)};
  Ends ends = {NULL, NULL};
  if (if_true.low && if_false.low)
    ends.low = dim_select(pool, atom->args[0], if_true.low, if_false.low);
  if (if_true.high && if_false.high)
    ends.high = dim_select(pool, atom->args[0], if_true.high, if_false.high);
  return ends;
}

static Ends compute_atom_ends(DimPool *pool, Atom *atom, unsigned stamp) {
  switch (atom->kind) {
  case ATOM_SYMBOL: return symbol_ends(pool, atom->symbol, stamp);
  case ATOM_MIN:
  case ATOM_MAX: return extreme_ends(pool, atom, stamp);
  case ATOM_EQUAL:
  case ATOM_LESS: return (Ends){dim_const(pool, 0), dim_const(pool, 1)};
  case ATOM_SELECT: return select_ends(pool, atom, stamp);
  case ATOM_FLOORDIV:
  case ATOM_MOD: break;
  }
  Ends a = ends_of(pool, atom->args[0], stamp), b = ends_of(pool, atom->args[1], stamp);
  bool positive = dim_range(atom->args[1]).low >= 0;
  return atom->kind == ATOM_MOD ? remainder_ends(pool, a, b, positive)
                                : quotient_ends(pool, a, b, positive);
}

/* Where expressions give no end, the range of numbers may. */
static Ends complete_ends(DimPool *pool, Dim dim, Ends ends) {
  DimRange range = dim_range(dim);
  if (!ends.low && range.low != INT64_MIN) ends.low = dim_const(pool, range.low);
  if (!ends.high && range.high != INT64_MAX) ends.high = dim_const(pool, range.high);
  return ends;
}

static Ends atom_ends(DimPool *pool, Atom *atom, unsigned stamp) {
  Dim self = dim_of_atom(pool, atom);
  if (!atom->has_data) return (Ends){self, self};
  if (atom->memo_stamp == stamp) return (Ends){atom->memo[0], atom->memo[1]};
  Ends ends = complete_ends(pool, self, compute_atom_ends(pool, atom, stamp));
  atom->memo_stamp = stamp;
  atom->memo[0] = ends.low;
  atom->memo[1] = ends.high;
  return ends;
}

static Ends term_ends(DimPool *pool, Term term, unsigned stamp) {
  Dim one = dim_const(pool, 1);
  Ends ends = {one, one};
  for (int i = 0; i < term.degree; i++)
    ends = multiply_ends(pool, ends, atom_ends(pool, term.factors[i], stamp));
  Ends scaled = {ends.low ? dim_muli(pool, ends.low, term.coefficient) : NULL,
                 ends.high ? dim_muli(pool, ends.high, term.coefficient) : NULL};
  return term.coefficient >= 0 ? scaled : (Ends){scaled.high, scaled.low};
}

static Ends ends_of(DimPool *pool, Dim dim, unsigned stamp) {
  if (!dim->has_data) return (Ends){dim, dim};
  Ends sum = {dim_const(pool, 0), dim_const(pool, 0)};
  for (int i = 0; i < dim->term_count; i++) {
    Ends ends = term_ends(pool, dim->terms[i], stamp);
    sum.low = sum.low && ends.low ? dim_add(pool, sum.low, ends.low) : NULL;
    sum.high = sum.high && ends.high ? dim_add(pool, sum.high, ends.high) : NULL;
  }
  return complete_ends(pool, dim, sum);
}

Dim dim_upper(DimPool *pool, Dim dim) {
  Ends ends = ends_of(pool, dim, ++pool->stamp);
  return ends.high ? ends.high : pool->overflow;
}
