/* random.cu: random numbers, a thread a number (runtime/random.c). */

//$ for f in uniform normal bernoulli
//$ for t in f32 f64
static ctc_dim ctc_random_$f_$t_blocks(ctc_dim n) { return ctc_blocks_for(n, 256); }
//$ end
//$ end

//$ for t in f32 f64
CTC_DEVICE void ctc_random_uniform_$t($T *y, ctc_dim n, ctc_dim seed, double low, double high) {
  const ctc_dim i = ctc_thread_of(256);
  if (i < n) y[i] = ($T)(low + ctc_random_unit(seed, i) * (high - low));
}
//$ end

//$ for t in f32 f64
CTC_DEVICE void ctc_random_normal_$t($T *y, ctc_dim n, ctc_dim seed, double mean, double scale) {
  const ctc_dim i = ctc_thread_of(256);
  if (i >= n) return;
  const double u = 1 - ctc_random_unit(seed, 2 * i), v = ctc_random_unit(seed, 2 * i + 1);
  y[i] = ($T)(mean + scale * sqrt(-2 * log(u)) * cos(6.28318530717958647692 * v));
}
//$ end

//$ for t in f32 f64
CTC_DEVICE void ctc_random_bernoulli_$t(const $T *probability, ctc_bool *y, ctc_dim n,
                                        ctc_dim seed) {
  const ctc_dim i = ctc_thread_of(256);
  if (i < n) y[i] = ctc_random_unit(seed, i) < (double)probability[i];
}
//$ end

//$ for t in f32 f64
enum { ctc_random_multinomial_$t_threads = 64 };
//$ end

//$ for t in f32 f64
static ctc_dim ctc_random_multinomial_$t_blocks(ctc_dim rows, ctc_dim samples) {
  return ctc_blocks_for(rows * samples, 64);
}
//$ end

/* A thread a sample. */
//$ for t in f32 f64
CTC_DEVICE void ctc_random_multinomial_$t(const $T *x, int64_t *y, ctc_dim rows, ctc_dim classes,
                                          ctc_dim samples, ctc_dim seed) {
  const ctc_dim i = ctc_thread_of(64);
  if (i >= rows * samples) return;
  const $T *row = x + i / samples * classes;
  double most = (double)row[0], total = 0;
  for (ctc_dim k = 1; k < classes; k++) most = (double)row[k] > most ? (double)row[k] : most;
  for (ctc_dim k = 0; k < classes; k++) total += exp((double)row[k] - most);
  double left = ctc_random_unit(seed, i) * total;
  ctc_dim drawn = 0;
  for (; drawn < classes - 1; drawn++) {
    left -= exp((double)row[drawn] - most);
    if (left < 0) break;
  }
  y[i] = drawn;
}
//$ end
