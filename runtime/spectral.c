/* spectral.c: discrete Fourier transforms and mel filters. Transforms are computed in double:
 * directly for most lengths, by halving (radix 2) for powers of two. */

#define CTC_PI 3.14159265358979323846

/* table[i] = cos(2 pi i / n), table[n + i] = sin(2 pi i / n). */
static inline void ctc_dft_table(double *table, ctc_dim n) {
  for (ctc_dim i = 0; i < n; i++) {
    double angle = 2 * CTC_PI * (double)i / (double)n;
    table[i] = cos(angle);
    table[n + i] = sin(angle);
  }
}

/* Copies x (re, then im, n numbers each) to y in bit-reversed order; n is a power of two. */
static inline void ctc_dft_shuffle(const double *x, double *y, ctc_dim n) {
  ctc_dim reversed = 0;
  for (ctc_dim i = 0; i < n; i++) {
    y[reversed] = x[i];
    y[n + reversed] = x[n + i];
    ctc_dim bit = n >> 1;
    while (bit > 0 && (reversed & bit)) {
      reversed ^= bit;
      bit >>= 1;
    }
    reversed |= bit;
  }
}

/* Radix 2: blocks of size 1, 2, 4 … of the shuffled y are joined in pairs. */
static inline void ctc_dft_halving(const double *x, double *y, const double *table, ctc_dim n,
                                   double sign) {
  double *re = y, *im = y + n;
  ctc_dft_shuffle(x, y, n);
  for (ctc_dim half = 1; half < n; half *= 2) {
    for (ctc_dim start = 0; start < n; start += 2 * half) {
      for (ctc_dim k = 0; k < half; k++) {
        ctc_dim i = start + k, j = i + half, turn = k * (n / (2 * half));
        double c = table[turn], s = sign * table[n + turn];
        double re_j = re[j] * c - im[j] * s, im_j = re[j] * s + im[j] * c;
        re[j] = re[i] - re_j;
        im[j] = im[i] - im_j;
        re[i] += re_j;
        im[i] += im_j;
      }
    }
  }
}

/* y[k] = sum of x[i] e^(sign 2 pi i k sqrt(-1) / n) for k < count. x and y hold n real, then n
 * imaginary parts. */
static inline void ctc_dft_line(const double *x, double *y, const double *table, ctc_dim n,
                                ctc_dim count, double sign) {
  if (n > 0 && (n & (n - 1)) == 0) {
    ctc_dft_halving(x, y, table, n, sign);
    return;
  }
  for (ctc_dim k = 0; k < count; k++) {
    double re = 0, im = 0;
    for (ctc_dim i = 0, turn = 0; i < n; i++) {
      double c = table[turn], s = sign * table[n + turn];
      re += x[i] * c - x[n + i] * s;
      im += x[i] * s + x[n + i] * c;
      turn += k;
      if (turn >= n) turn -= n;
    }
    y[k] = re;
    y[n + k] = im;
  }
}

/* Fills the conjugate half of the spectrum of a real signal: x[n - k] = conj(x[k]). */
static inline void ctc_dft_mirror(double *x, ctc_dim n) {
  for (ctc_dim k = 1; k < n - k; k++) {
    x[n - k] = x[k];
    x[n + n - k] = -x[n + k];
  }
  if (n > 0) x[n] = 0; /* what must be real is */
  if (n > 0 && n % 2 == 0) x[n + n / 2] = 0;
}

/* DFT along the middle axis: x [outer, extent, inner, parts] to y [outer, count, inner, out_parts],
 * parts being 1 (real) or 2. The signal is cut or filled with 0 to `length`. With `half` an inverse
 * transform takes the first half of a spectrum. work: 6 * length numbers. */
//$ for t in f32 f64
static void ctc_dft_$t(const $T *x, $T *y, double *work, ctc_dim outer, ctc_dim extent,
                       ctc_dim inner, ctc_dim parts, ctc_dim length, ctc_dim count,
                       ctc_dim out_parts, ctc_dim inverse, ctc_dim half) {
  double *table = work, *from = table + 2 * length, *to = from + 2 * length;
  ctc_dim known = half ? length / 2 + 1 : length;
  ctc_dft_table(table, length);
  for (ctc_dim line = 0; line < outer * inner; line++) {
    ctc_dim o = line / inner, i = line % inner;
    for (ctc_dim k = 0; k < length; k++) {
      const $T *at = x + ((o * extent + k) * inner + i) * parts;
      int there = k < extent && k < known;
      from[k] = there ? (double)at[0] : 0;
      from[length + k] = there && parts == 2 ? (double)at[1] : 0;
    }
    if (half) ctc_dft_mirror(from, length);
    ctc_dft_line(from, to, table, length, count, inverse ? 1 : -1);
    for (ctc_dim k = 0; k < count; k++) {
      $T *at = y + ((o * count + k) * inner + i) * out_parts;
      double scale = inverse ? 1 / (double)length : 1;
      at[0] = ($T)(to[k] * scale);
      if (out_parts == 2) at[1] = ($T)(to[length + k] * scale);
    }
  }
}
//$ end

/* STFT: x [batch, samples, parts] to y [batch, frames, count, 2]. Frame f begins at f * step, is
 * `length` long and is multiplied with window [window_length] (may be missing). work: 6 * length
 * numbers. */
//$ for t in f32 f64
static void ctc_stft_$t(const $T *x, const $T *window, $T *y, double *work, ctc_dim batch,
                        ctc_dim samples, ctc_dim parts, ctc_dim frames, ctc_dim step,
                        ctc_dim length, ctc_dim window_length, ctc_dim count) {
  double *table = work, *from = table + 2 * length, *to = from + 2 * length;
  ctc_dft_table(table, length);
  for (ctc_dim line = 0; line < batch * frames; line++) {
    const $T *frame = x + (line / frames * samples + line % frames * step) * parts;
    for (ctc_dim k = 0; k < length; k++) {
      double weight = !window ? 1 : k < window_length ? (double)window[k] : 0;
      from[k] = weight * (double)frame[k * parts];
      from[length + k] = parts == 2 ? weight * (double)frame[k * parts + 1] : 0;
    }
    ctc_dft_line(from, to, table, length, count, -1);
    for (ctc_dim k = 0; k < count; k++) {
      y[(line * count + k) * 2] = ($T)to[k];
      y[(line * count + k) * 2 + 1] = ($T)to[length + k];
    }
  }
}
//$ end

/* The spectrum's bin of edge i of the filters, which are spread evenly over the mel scale 2595
 * log10(1 + f / 700). */
static inline ctc_dim ctc_mel_bin(ctc_dim i, ctc_dim filters, ctc_dim length, ctc_dim rate,
                                  double low, double high) {
  double from = 2595 * log10(1 + low / 700), to = 2595 * log10(1 + high / 700);
  double mel = from + (double)i * (to - from) / (double)(filters + 2);
  double frequency = 700 * (pow(10, mel / 2595) - 1);
  return (ctc_dim)floor((double)(length + 1) * frequency / (double)rate);
}

/* MelWeightMatrix: y [length / 2 + 1, filters], triangles between neighbouring edges. low, high:
 * one number each. */
static int ctc_mel_weights_f64(const int64_t *rate, const float *low, const float *high, double *y,
                               ctc_dim filters, ctc_dim length) {
  ctc_dim bins = length / 2 + 1;
  for (ctc_dim i = 0; i < bins * filters; i++) y[i] = 0;
  for (ctc_dim f = 0; f < filters; f++) {
    ctc_dim left = ctc_mel_bin(f, filters, length, *rate, (double)*low, (double)*high);
    ctc_dim middle = ctc_mel_bin(f + 1, filters, length, *rate, (double)*low, (double)*high);
    ctc_dim right = ctc_mel_bin(f + 2, filters, length, *rate, (double)*low, (double)*high);
    if (left < 0 || right > bins || middle >= bins) return CTC_BAD_INDEX;
    if (left == middle) y[middle * filters + f] = 1;
    for (ctc_dim j = left; left < middle && j <= middle; j++)
      y[j * filters + f] = (double)(j - left) / (double)(middle - left);
    for (ctc_dim j = middle; j < right; j++)
      y[j * filters + f] = (double)(right - j) / (double)(right - middle);
  }
  return CTC_OK;
}
