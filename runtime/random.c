/* random.c: random numbers without state: number i of a stream is a hash of the stream's seed and
 * i.
 *
 * A run therefore always gives the same numbers for a seed, on every machine (normal ones as far
 * as libm agrees). */

/* 64 random bits: two rounds of multiplying and folding the seed and the position together. */
static inline uint64_t ctc_random_bits(uint64_t seed, uint64_t index) {
  uint64_t z = seed * UINT64_C(0xd1342543de82ef95) + (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
  for (int round = 0; round < 2; round++) {
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  }
  return z ^ (z >> 31);
}

/* Evenly distributed in [0, 1), a multiple of 2^-53. */
static inline double ctc_random_unit(ctc_dim seed, ctc_dim index) {
  uint64_t bits = ctc_random_bits((uint64_t)seed, (uint64_t)index);
  return (double)(bits >> 11) * (1.0 / 9007199254740992.0);
}

/* n numbers evenly distributed in [low, high). */
//$ for t in f32 f64
static void ctc_random_uniform_$t($T *y, ctc_dim n, ctc_dim seed, double low, double high) {
  for (ctc_dim i = 0; i < n; i++) y[i] = ($T)(low + ctc_random_unit(seed, i) * (high - low));
}
//$ end

/* n numbers of the normal distribution, by the Box-Muller formula sqrt(-2 log u) cos(2 pi v). */
//$ for t in f32 f64
static void ctc_random_normal_$t($T *y, ctc_dim n, ctc_dim seed, double mean, double scale) {
  for (ctc_dim i = 0; i < n; i++) {
    double u = 1 - ctc_random_unit(seed, 2 * i), v = ctc_random_unit(seed, 2 * i + 1);
    y[i] = ($T)(mean + scale * sqrt(-2 * log(u)) * cos(6.28318530717958647692 * v));
  }
}
//$ end

/* n times 1 with the probability given, else 0. */
//$ for t in f32 f64
static void ctc_random_bernoulli_$t(const $T *probability, ctc_bool *y, ctc_dim n, ctc_dim seed) {
  for (ctc_dim i = 0; i < n; i++) y[i] = ctc_random_unit(seed, i) < (double)probability[i];
}
//$ end

/* For each row of x [rows, classes], the logarithms of weights, `samples` classes drawn with
 * replacement: y [rows, samples]. */
//$ for t in f32 f64
static void ctc_random_multinomial_$t(const $T *x, int64_t *y, ctc_dim rows, ctc_dim classes,
                                      ctc_dim samples, ctc_dim seed) {
  for (ctc_dim r = 0; r < rows; r++, x += classes, y += samples) {
    double most = (double)x[0], total = 0;
    for (ctc_dim k = 1; k < classes; k++) most = (double)x[k] > most ? (double)x[k] : most;
    for (ctc_dim k = 0; k < classes; k++) total += exp((double)x[k] - most);
    for (ctc_dim i = 0; i < samples; i++) {
      double left = ctc_random_unit(seed, r * samples + i) * total;
      ctc_dim drawn = 0;
      for (; drawn < classes - 1; drawn++) {
        left -= exp((double)x[drawn] - most);
        if (left < 0) break;
      }
      y[i] = drawn;
    }
  }
}
//$ end

/* Dropout. While `training`, each element is kept with probability 1 - ratio (missing: 1/2) and
 * then divided by that, so that the mean stays; mask = whether it was kept. y or mask may be
 * missing. */
//$ for t in f32 f64
static void ctc_random_dropout_$t(const $T *x, const double *ratio, const ctc_bool *training, $T *y,
                                  ctc_bool *mask, ctc_dim n, ctc_dim seed) {
  const double dropped = !training[0] ? 0 : ratio ? ratio[0] : 0.5;
  const $T scale = ($T)(1 / (1 - dropped));
  for (ctc_dim i = 0; i < n; i++) {
    const ctc_bool kept = ctc_random_unit(seed, i) >= dropped;
    if (y) y[i] = kept ? x[i] * scale : 0;
    if (mask) mask[i] = kept;
  }
}
//$ end
