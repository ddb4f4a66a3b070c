/* dim.h: symbolic integers: dimensions, and the contents of small integer tensors that carry
 * shapes.
 *
 * An expression is immutable and hash-consed in its pool: two expressions that normalise to the
 * same form are the same pointer, so `a == b` decides equality as far as we can prove it. Sums and
 * products are kept as polynomials with integer coefficients over atoms; an atom is a symbol or one
 * of the operations that do not distribute (floordiv, mod, min, max, select, comparisons). So
 * `(N*12*64) / (N*64)` is `12`, and `N + 3 - N` is `3`.
 *
 * Arithmetic that would overflow int64 gives the expression `dim_overflow`, which prints as
 * "overflow", propagates, and is reported by the verifier: sizes never wrap. */
#ifndef CTC_IR_DIM_H
#define CTC_IR_DIM_H

#include "base/arena.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

typedef const struct DimNode *Dim;
typedef struct DimPool DimPool;

typedef enum {
  SYMBOL_INPUT, /* a dimension of a graph input: the caller gives it */
  SYMBOL_DATA, /* computed while the program runs (a count, a trip count, an element of a tensor) */
} SymbolKind;

typedef struct DimSymbol {
  const char *name;   /* as the user knows it: the ONNX dim_param, or made from the value's name */
  const char *c_name; /* a unique C identifier made from it */
  int index;          /* position in the pool's list of symbols */
  SymbolKind kind;
  int64_t low, high; /* known range; high is INT64_MAX if there is none */
  /* SYMBOL_DATA only: an expression in other symbols that is never smaller, or NULL. A data symbol
   * without one and with high == INT64_MAX is "open": its capacity is given by the caller of the
   * emitted program. */
  Dim bound;
  /* SYMBOL_DATA that a node sets to an expression in other symbols: that expression, and the graph
   * of the node; else NULL. */
  Dim definition;
  const void *scope;
} DimSymbol;

DimPool *dim_pool_create(Arena *arena);

Dim dim_const(DimPool *pool, int64_t value);
/* The input symbol called `name`, made at first use with range [0, INT64_MAX]. */
Dim dim_input(DimPool *pool, const char *name);
/* A new data symbol; `name` is made unique by a number behind it. */
Dim dim_data(DimPool *pool, const char *name, int64_t low, int64_t high, Dim bound);

Dim dim_add(DimPool *pool, Dim a, Dim b);
Dim dim_sub(DimPool *pool, Dim a, Dim b);
Dim dim_mul(DimPool *pool, Dim a, Dim b);
Dim dim_floordiv(DimPool *pool, Dim a,
                 Dim b); /* rounds to minus infinity; b must not be the constant 0 */
Dim dim_ceildiv(DimPool *pool, Dim a, Dim b); /* -floordiv(-a, b) */
Dim dim_mod(DimPool *pool, Dim a, Dim b);     /* a - b*floordiv(a, b), sign of b */
Dim dim_min(DimPool *pool, Dim a, Dim b);
Dim dim_max(DimPool *pool, Dim a, Dim b);
Dim dim_equal(DimPool *pool, Dim a, Dim b); /* 1 or 0 */
Dim dim_less(DimPool *pool, Dim a, Dim b);  /* a < b: 1 or 0 */
Dim dim_not(DimPool *pool, Dim a);          /* 1 if a is 0, else 0 */
Dim dim_select(DimPool *pool, Dim condition, Dim if_true, Dim if_false);
/* Short forms with a constant on the right. */
Dim dim_addi(DimPool *pool, Dim a, int64_t b);
Dim dim_muli(DimPool *pool, Dim a, int64_t b);
/* The product of `count` expressions (1 for none). */
Dim dim_product(DimPool *pool, const Dim *dims, size_t count);

bool dim_is_const(Dim dim);          /* a constant, and not the overflow mark */
bool dim_is(Dim dim, int64_t value); /* the constant `value` */
int64_t dim_value(Dim dim);          /* asserts dim_is_const */
/* Of two sizes that will be equal the one that says more while compiling. */
Dim dim_known(Dim a, Dim b);
bool dim_is_overflow(Dim dim); /* holds the overflow mark */
int dim_terms(Dim dim);        /* of the sum that it is; of a product at most
                                * those of one factor times those of the other */
/* Terms when it is written out, with those of everything in it: what is shared counts wherever it
 * occurs. At most DIM_SIZE_MOST. */
int dim_size(Dim dim);
enum { DIM_SIZE_MOST = 1 << 30 };
const DimSymbol *dim_symbol(Dim dim); /* its symbol if the expression is just one, else NULL */
/* The (mutable) symbol of that name, or NULL. */
DimSymbol *dim_find_symbol(DimPool *pool, const char *name);
size_t dim_symbol_count(const DimPool *pool);
DimSymbol *dim_symbol_at(DimPool *pool, size_t index);
Dim dim_of_symbol(DimPool *pool, const DimSymbol *symbol);

/* Gives a symbol a value or a range once known (`--dim`, an If whose condition tells). Expressions
 * made before stay as they are until dim_refresh; those made after see it. Fixing makes every later
 * use of the symbol that constant. */
void dim_fix(DimPool *pool, DimSymbol *symbol, int64_t value);
/* `dim` rebuilt with what is known of its symbols now. */
Dim dim_refresh(DimPool *pool, Dim dim);
/* `dim` with each occurrence of `symbol` replaced by `by`. */
Dim dim_substitute(DimPool *pool, Dim dim, const DimSymbol *symbol, Dim by);

/* What is known: interval arithmetic over the symbols' ranges. INT64_MIN / INT64_MAX stand for "no
 * bound". */
typedef struct {
  int64_t low, high;
} DimRange;
DimRange dim_range(Dim dim);
bool dim_known_ge(DimPool *pool, Dim a, Dim b); /* a >= b for all values in range */
/* An expression that is never smaller than `dim` for any value of the bounded data symbols in it:
 * data symbols with a bound are replaced by it (or, where the expression falls with the symbol, by
 * their lower range). What remains are input symbols and open data symbols (which then stand for
 * the caller's capacity). Constants where `high` is finite and there is no `bound`. */
Dim dim_upper(DimPool *pool, Dim dim);

/* Whether `dim` mentions `symbol`, or any symbol for which `wanted` is true. */
bool dim_mentions(Dim dim, const DimSymbol *symbol);
bool dim_any_symbol(Dim dim, bool (*wanted)(const DimSymbol *symbol, void *context), void *context);

/* Whether `dim` mentions a data symbol: its value is not known before the run. */
bool dim_has_data(Dim dim);
/* Whether nothing limits a data symbol, so that the caller has to give its capacity. */
bool dim_symbol_is_open(const DimSymbol *symbol);
/* If `condition` is one comparison left < right (as dim_less keeps it), its sides. */
bool dim_split_less(Dim condition, Dim *left, Dim *right);
/* The factors of a product with coefficient 1 (a conjunction of conditions is one): their number,
 * at most `most`; 0 if `dim` is a sum of several terms, has another coefficient or more factors.
 * The constant 1 has the one factor 1. */
int dim_factors(DimPool *pool, Dim dim, Dim *factors, int most);

/* The value with symbol i = values[i]. Division by zero and overflow give `*ok = false` and 0. */
int64_t dim_eval(Dim dim, const int64_t *values, bool *ok);

/* As people read it: `2*N + 1`, `min(N, 512)`. */
void dim_print(Str *out, Dim dim);
/* As a C expression over variables called symbol->c_name and helper functions ctc_floordiv,
 * ctc_mod, ctc_min_dim, ctc_max_dim (runtime/dims.c); parenthesised where needed; constants as
 * plain literals (INT64_C(…) beyond 32 bits). */
void dim_print_c(Str *out, Dim dim);
/* `[1, N, 2*N + 1]` */
void dims_print(Str *out, const Dim *dims, int rank);

#endif
