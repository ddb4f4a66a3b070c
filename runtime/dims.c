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

/* How far a tensor moves to number `index` of axes of these extents, with `step` elements each. */
static inline ctc_dim ctc_place_of(ctc_dim index, ctc_dim rank, const ctc_dim *extent,
                                   const ctc_dim *step) {
  ctc_dim at = 0;
  for (ctc_dim d = rank - 1; d >= 0; d--) {
    at += index % extent[d] * step[d];
    index /= extent[d];
  }
  return at;
}
