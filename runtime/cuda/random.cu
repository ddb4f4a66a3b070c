/* random.cu: random numbers without state: number i of a stream is a hash of the stream's seed and
 * i, the same as in runtime/random.c. A thread a number. */

/* Evenly distributed in [0, 1), a multiple of 2^-53. The index may be larger than any size. */
CTC_DEVICE double ctc_random_share(ctc_dim seed, uint64_t index) {
  return (double)(ctc_random_bits((uint64_t)seed, index) >> 11) * (1.0 / 9007199254740992.0);
}

//$ for t in f32 f64
static ctc_dim ctc_random_uniform_$t_blocks(ctc_dim n) {
  return ctc_blocks_for(n, CTC_TEAM_THREADS);
}

/* n numbers evenly distributed in [low, high). */
CTC_DEVICE void ctc_random_uniform_$t($T *y, ctc_dim n, ctc_dim seed, double low, double high) {
  const ctc_dim i = ctc_thread_of(CTC_TEAM_THREADS);
  if (i < n) y[i] = ($T)(low + ctc_random_share(seed, (uint64_t)i) * (high - low));
}

static ctc_dim ctc_random_normal_$t_blocks(ctc_dim n) {
  return ctc_blocks_for(n, CTC_TEAM_THREADS);
}

/* n numbers of the normal distribution, by the Box-Muller formula sqrt(-2 log u) cos(2 pi v). */
CTC_DEVICE void ctc_random_normal_$t($T *y, ctc_dim n, ctc_dim seed, double mean, double scale) {
  const ctc_dim i = ctc_thread_of(CTC_TEAM_THREADS);
  if (i >= n) return;
  const double u = 1 - ctc_random_share(seed, 2 * (uint64_t)i);
  const double v = ctc_random_share(seed, 2 * (uint64_t)i + 1);
  y[i] = ($T)(mean + scale * sqrt(-2 * log(u)) * cos(6.28318530717958647692 * v));
}

static ctc_dim ctc_random_bernoulli_$t_blocks(ctc_dim n) {
  return ctc_blocks_for(n, CTC_TEAM_THREADS);
}

/* n times 1 with the probability given, else 0. */
CTC_DEVICE void ctc_random_bernoulli_$t(const $T *probability, ctc_bool *y, ctc_dim n,
                                        ctc_dim seed) {
  const ctc_dim i = ctc_thread_of(CTC_TEAM_THREADS);
  if (i < n) y[i] = ctc_random_share(seed, (uint64_t)i) < (double)probability[i];
}

static ctc_dim ctc_random_multinomial_$t_blocks(ctc_dim rows, ctc_dim samples) {
  return ctc_blocks_for(rows * samples, CTC_TEAM_THREADS);
}

/* For each row of x [rows, classes], the logarithms of weights, `samples` classes drawn with
 * replacement: y [rows, samples]. */
CTC_DEVICE void ctc_random_multinomial_$t(const $T *x, int64_t *y, ctc_dim rows, ctc_dim classes,
                                          ctc_dim samples, ctc_dim seed) {
  const ctc_dim i = ctc_thread_of(CTC_TEAM_THREADS);
  if (i >= rows * samples) return;
  x += i / samples * classes;
  double most = (double)x[0], total = 0;
  for (ctc_dim k = 1; k < classes; k++) most = (double)x[k] > most ? (double)x[k] : most;
  for (ctc_dim k = 0; k < classes; k++) total += exp((double)x[k] - most);
  double left = ctc_random_share(seed, (uint64_t)i) * total;
  ctc_dim drawn = 0;
  for (; drawn < classes - 1; drawn++) {
    left -= exp((double)x[drawn] - most);
    if (left < 0) break;
  }
  y[i] = drawn;
}
//$ end
