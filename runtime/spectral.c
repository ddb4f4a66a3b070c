/* spectral.c: discrete Fourier transforms and mel filters. A transform of n numbers is computed in
 * their own type, by mixed radix: n = 2 * 2 * … * 3 * 5 * …, one pass a factor. */

#define CTC_PI 3.14159265358979323846

/* table[i] = cos(2 pi i / n), table[n + i] = sin(2 pi i / n). */
//$ for t in f32 f64
static inline void ctc_dft_table_$t($T *table, ctc_dim n) {
  for (ctc_dim i = 0; i < n; i++) {
    double angle = 2 * CTC_PI * (double)i / (double)n;
    table[i] = ($T)cos(angle);
    table[n + i] = ($T)sin(angle);
  }
}
//$ end

/* `count` complex numbers times c + s sqrt(-1). */
//$ for t in f32 f64
static inline void ctc_dft_turn_$t($T *re, $T *im, ctc_dim count, $T c, $T s) {
  for (ctc_dim i = 0; i < count; i++) {
    $T turned = re[i] * c - im[i] * s;
    im[i] = re[i] * s + im[i] * c;
    re[i] = turned;
  }
}
//$ end

/* A pass by the factor 2: y[2 j] = x[j] + x[j + m], y[2 j + 1] = (x[j] - x[j + m]) w^j for j < m,
 * each of them `s` numbers side by side. */
//$ for t in f32 f64
static inline void ctc_dft_by_two_$t(const $T *x, $T *y, const $T *table, ctc_dim n, ctc_dim s,
                                     $T sign) {
  ctc_dim half = n / 2;
  for (ctc_dim j = 0; j < half / s; j++) {
    const $T *re = x + j * s, *im = re + n;
    $T *sum = y + 2 * j * s, *rest = sum + s;
    for (ctc_dim i = 0; i < s; i++) {
      sum[i] = re[i] + re[half + i];
      sum[n + i] = im[i] + im[half + i];
      rest[i] = re[i] - re[half + i];
      rest[n + i] = im[i] - im[half + i];
    }
    if (j > 0) ctc_dft_turn_$t(rest, rest + n, s, table[j * s], sign * table[n + j * s]);
  }
}
//$ end

/* x[q] and x[r - q], `apart` = n / r numbers times q and r - q from the start, become their sum and
 * their difference for 0 < q < r / 2. */
//$ for t in f32 f64
static inline void ctc_dft_pairs_$t($T *x, ctc_dim n, ctc_dim r) {
  ctc_dim apart = n / r;
  for (ctc_dim part = 0; part < 2; part++, x += n)
    for (ctc_dim q = 1; q < r - q; q++)
      for (ctc_dim i = 0; i < apart; i++) {
        $T a = x[q * apart + i], b = x[(r - q) * apart + i];
        x[q * apart + i] = a + b;
        x[(r - q) * apart + i] = a - b;
      }
}
//$ end

/* Numbers p and r - p of the transform of r numbers, of which ctc_dft_pairs made sums and
 * differences: a + b and a - b with
 *   a = x[0] + sum of (x[q] + x[r - q]) cos(2 pi p q / r)
 *   b = sum of (x[q] - x[r - q]) sin(2 pi p q / r) sqrt(-1) */
//$ for t in f32 f64
static inline void ctc_dft_number_$t(const $T *x, $T *y, $T *mirror, const $T *table, ctc_dim n,
                                     ctc_dim r, ctc_dim p, ctc_dim s, $T sign) {
  ctc_dim apart = n / r;
  for (ctc_dim i = 0; i < s; i++) {
    $T a_re = x[i], a_im = x[n + i], b_re = 0, b_im = 0;
    for (ctc_dim q = 1, turn = p; q < r - q; q++) {
      const $T *sum = x + q * apart + i, *rest = x + (r - q) * apart + i;
      $T c = table[turn * apart], d = sign * table[n + turn * apart];
      a_re += c * sum[0];
      a_im += c * sum[n];
      b_re -= d * rest[n];
      b_im += d * rest[0];
      turn += turn + p < r ? p : p - r;
    }
    y[i] = a_re + b_re;
    y[n + i] = a_im + b_im;
    mirror[i] = a_re - b_re;
    mirror[n + i] = a_im - b_im;
  }
}
//$ end

/* A pass by the odd factor r: y[r j + p] = w^(j p) sum of x[j + m q] e^(sign 2 pi p q sqrt(-1) / r),
 * each of them `s` numbers side by side. x is lost. */
//$ for t in f32 f64
static inline void ctc_dft_by_odd_$t($T *x, $T *y, const $T *table, ctc_dim n, ctc_dim r, ctc_dim s,
                                     $T sign) {
  ctc_dft_pairs_$t(x, n, r);
  for (ctc_dim j = 0; j < n / r / s; j++) {
    const $T *from = x + j * s;
    $T *to = y + r * j * s;
    for (ctc_dim i = 0; i < 2 * s; i++) {
      ctc_dim at = i < s ? i : n + i - s;
      $T sum = from[at];
      for (ctc_dim q = 1; q < r - q; q++) sum += from[at + q * (n / r)];
      to[at] = sum;
    }
    for (ctc_dim p = 1; p < r - p; p++)
      ctc_dft_number_$t(from, to + p * s, to + (r - p) * s, table, n, r, p, s, sign);
    for (ctc_dim p = 1; p < r && j > 0; p++)
      ctc_dft_turn_$t(to + p * s, to + p * s + n, s, table[j * p * s], sign * table[n + j * p * s]);
  }
}
//$ end

/* The smallest prime factor of n > 1. */
static inline ctc_dim ctc_dft_factor(ctc_dim n) {
  for (ctc_dim r = 2; r * r <= n; r++)
    if (n % r == 0) return r;
  return n;
}

/* The sums of x[i] e^(sign 2 pi i k sqrt(-1) / n), for k < n; where they are, x or y. Both hold n
 * real, then n imaginary parts, and are overwritten. */
//$ for t in f32 f64
static inline $T *ctc_dft_line_$t($T *x, $T *y, const $T *table, ctc_dim n, $T sign) {
  for (ctc_dim s = 1, r; s < n; s *= r) {
    r = ctc_dft_factor(n / s);
    if (r == 2)
      ctc_dft_by_two_$t(x, y, table, n, s, sign);
    else
      ctc_dft_by_odd_$t(x, y, table, n, r, s, sign);
    $T *other = x;
    x = y;
    y = other;
  }
  return x;
}
//$ end

/* Makes x the spectrum of a real signal: x[n - k] = conj(x[k]). */
//$ for t in f32 f64
static inline void ctc_dft_mirror_$t($T *x, ctc_dim n) {
  for (ctc_dim k = 1; k < n - k; k++) {
    x[n - k] = x[k];
    x[n + n - k] = -x[n + k];
  }
  if (n > 0) x[n] = 0; /* what must be real is */
  if (n > 0 && n % 2 == 0) x[n + n / 2] = 0;
}
//$ end

/* DFT along the middle axis: x [outer, extent, inner, parts] to y [outer, count, inner, out_parts],
 * parts being 1 (real) or 2. The signal is cut or filled with 0 to `length`. With `half` an inverse
 * transform takes the first half of a spectrum. work: 6 * length numbers. */
//$ for t in f32 f64
static void ctc_dft_$t(const $T *x, $T *y, $T *work, ctc_dim outer, ctc_dim extent,
                       ctc_dim inner, ctc_dim parts, ctc_dim length, ctc_dim count,
                       ctc_dim out_parts, ctc_dim inverse, ctc_dim half) {
  $T *table = work, *from = table + 2 * length, scale = ($T)(inverse ? 1 / (double)length : 1);
  ctc_dim known = half ? length / 2 + 1 : length;
  ctc_dft_table_$t(table, length);
  for (ctc_dim line = 0; line < outer * inner; line++) {
    ctc_dim o = line / inner, i = line % inner;
    for (ctc_dim k = 0; k < length; k++) {
      const $T *at = x + ((o * extent + k) * inner + i) * parts;
      int there = k < extent && k < known;
      from[k] = there ? at[0] : 0;
      from[length + k] = there && parts == 2 ? at[1] : 0;
    }
    if (half) ctc_dft_mirror_$t(from, length);
    $T *to = ctc_dft_line_$t(from, from + 2 * length, table, length, ($T)(inverse ? 1 : -1));
    if (parts == 1) ctc_dft_mirror_$t(to, length);
    for (ctc_dim k = 0; k < count; k++) {
      $T *at = y + ((o * count + k) * inner + i) * out_parts;
      at[0] = to[k] * scale;
      if (out_parts == 2) at[1] = to[length + k] * scale;
    }
  }
}
//$ end

/* STFT: x [batch, samples, parts] to y [batch, frames, count, 2]. Frame f begins at f * step, is
 * `length` long and is multiplied with window [window_length] (may be missing). work: 6 * length
 * numbers. */
//$ for t in f32 f64
static void ctc_stft_$t(const $T *x, const $T *window, $T *y, $T *work, ctc_dim batch,
                        ctc_dim samples, ctc_dim parts, ctc_dim frames, ctc_dim step,
                        ctc_dim length, ctc_dim window_length, ctc_dim count) {
  $T *table = work, *from = table + 2 * length;
  ctc_dft_table_$t(table, length);
  for (ctc_dim line = 0; line < batch * frames; line++) {
    const $T *frame = x + (line / frames * samples + line % frames * step) * parts;
    for (ctc_dim k = 0; k < length; k++) {
      $T weight = !window ? 1 : k < window_length ? window[k] : 0;
      from[k] = weight * frame[k * parts];
      from[length + k] = parts == 2 ? weight * frame[k * parts + 1] : 0;
    }
    $T *to = ctc_dft_line_$t(from, from + 2 * length, table, length, -1);
    if (parts == 1) ctc_dft_mirror_$t(to, length);
    for (ctc_dim k = 0; k < count; k++) {
      y[(line * count + k) * 2] = to[k];
      y[(line * count + k) * 2 + 1] = to[length + k];
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
