/* dims.c: arithmetic on sizes, as symbolic dims use it (compiler/ir/dim.h). */

/* floor(a / b). 0 if b is 0: a size that the caller gave as 0 must not stop the program before its checks do. */
static inline ctc_dim ctc_floordiv(ctc_dim a, ctc_dim b) {
  if (b == 0) return 0;
  ctc_dim quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

/* a - b * floor(a / b): the remainder has the sign of b; 0 if b is 0. */
static inline ctc_dim ctc_mod(ctc_dim a, ctc_dim b) {
  if (b == 0) return 0;
  ctc_dim rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static inline ctc_dim ctc_min_dim(ctc_dim a, ctc_dim b) { return a < b ? a : b; }

static inline ctc_dim ctc_max_dim(ctc_dim a, ctc_dim b) { return a > b ? a : b; }
