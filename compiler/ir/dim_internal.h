/* dim_internal.h: how symbolic integers are stored; shared by the dim*.c files only.
 *
 * An expression is a sum of terms, a term is a coefficient times atoms, an atom is a symbol or an
 * operation that does not distribute. Atoms and expressions are interned: equal ones are the same
 * pointer. The normal form of a sum:
 *   - terms in falling order of their monomials (see monomial_compare), so a constant comes last;
 *   - no two terms with the same monomial, no coefficient 0; the expression 0 has no terms;
 *   - the factors of a term rise by id, repeated for powers. */
#ifndef CTC_IR_DIM_INTERNAL_H
#define CTC_IR_DIM_INTERNAL_H

#include "base/map.h"
#include "base/vec.h"
#include "ir/dim.h"

typedef enum {
  ATOM_SYMBOL,
  ATOM_FLOORDIV, /* args: dividend, divisor */
  ATOM_MOD,      /* likewise */
  ATOM_MIN,      /* two or more args, rising by id */
  ATOM_MAX,      /* likewise */
  ATOM_EQUAL,    /* args: left, right; neither has terms with a negative coefficient */
  ATOM_LESS,     /* likewise */
  ATOM_SELECT,   /* args: condition, if true, if false */
} AtomKind;

typedef struct Atom {
  AtomKind kind;
  int id; /* order of creation */
  uint64_t hash;
  DimSymbol *symbol; /* ATOM_SYMBOL */
  int arg_count;
  const Dim *args;
  bool has_data; /* mentions a data symbol */
  int size;      /* see dim_size */
  /* Results of the walk in progress: valid where the stamp is that of the walk, so that shared
   * parts are visited once. */
  unsigned range_stamp, memo_stamp;
  DimRange range;
  Dim memo[2];
} Atom;

typedef struct {
  int64_t coefficient;
  int degree; /* number of factors */
  Atom *const *factors;
} Term;

struct DimNode {
  DimPool *pool;
  int id; /* order of creation */
  uint64_t hash;
  bool overflow, has_data;
  int size;
  int term_count;
  const Term *terms;
};

/* Interned things by hash, open addressing; the capacity is a power of two. */
typedef struct {
  void **slots;
  uint64_t *hashes;
  size_t count, capacity;
} InternSet;

struct DimPool {
  Arena *arena;
  InternSet atoms, nodes;
  int next_atom, next_node;
  unsigned stamp;
  Vec(DimSymbol *) symbols;
  Vec(Atom *) symbol_atoms; /* by symbol index */
  Map by_name, c_names;
  Dim overflow;
};

typedef Vec(Term) TermList;

/* dim.c */
Dim intern_sum(DimPool *pool, const Term *terms,
               int count); /* terms in normal form; copied if new */
Dim intern_atom(DimPool *pool, AtomKind kind, int arg_count, const Dim *args);

/* dim_poly.c */
Dim sum_of_terms(DimPool *pool,
                 TermList *terms); /* any order, like terms allowed; sorts in place */
Dim dim_of_term(DimPool *pool, Term term);
Dim dim_of_atom(DimPool *pool, Atom *atom);
/* The expression's only atom if it is just that (coefficient 1), else NULL. */
Atom *dim_atom(Dim dim);
/* Likewise, and of this kind. */
Atom *dim_atom_of_kind(Dim dim, AtomKind kind);
/* a / b without remainder; false if b does not divide a term by term. */
bool term_divide(DimPool *pool, Term a, Term b, Term *quotient);
/* a / b as polynomials; false if there is a remainder. */
bool dim_divide_exact(DimPool *pool, Dim a, Dim b, Dim *quotient);
/* Greatest common divisor of the coefficients of all terms (0 for the expression 0). */
int64_t dim_content(Dim dim);
/* Likewise without the constant term. */
int64_t dim_content_of_variables(Dim dim);
int64_t gcd_i64(int64_t a, int64_t b);
/* The largest term that divides every term of both. */
Term dim_common_term(DimPool *pool, Dim a, Dim b);
int64_t dim_constant_part(Dim dim);
int64_t floor_div_i64(int64_t a, int64_t b); /* b > 0 */

/* dim_range.c */
/* Whether dim >= 0 can be shown: by its range, or after replacing min, max, … by what bounds them,
 * `depth` times. */
bool dim_prove_nonnegative(DimPool *pool, Dim dim, int depth);
enum { PROOF_DEPTH = 2 };

#endif
