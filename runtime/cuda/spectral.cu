/* spectral.cu: discrete Fourier transforms in double, as in runtime/spectral.c: a thread a number
 * of a spectrum. Short signals and the turns of their length are in shared memory. */

enum {
  CTC_DFT_THREADS = 128,
  CTC_DFT_SHORT = 1024 /* the longest signal in shared memory */
};

//$ for t in f32 f64
enum { ctc_dft_$t_threads = 128 };
enum { ctc_stft_$t_threads = 128 };
//$ end

/* Blocks for the `count` numbers of each line. */
CTC_BOTH ctc_dim ctc_dft_grid(ctc_dim lines, ctc_dim count) {
  return lines * ctc_blocks_for(count, CTC_DFT_THREADS);
}

//$ for t in f32 f64
static ctc_dim ctc_dft_$t_blocks(ctc_dim outer, ctc_dim inner, ctc_dim count) {
  return ctc_dft_grid(outer * inner, count);
}
//$ end

//$ for t in f32 f64
static ctc_dim ctc_stft_$t_blocks(ctc_dim batch, ctc_dim frames, ctc_dim count) {
  return ctc_dft_grid(batch * frames, count);
}
//$ end

/* A line: element i is the `extent` numbers from x on, `step` apart (with imaginary parts if
 * `parts` is 2), times window[i], 0 behind; with `half` the conjugate of element length - i in the
 * second half. */
//$ for t in f32 f64
typedef struct {
  const $T *x, *window;
  ctc_dim length, extent, step, parts, window_length;
  bool half;
} ctc_dft_line_$t;
//$ end

//$ for t in f32 f64
CTC_DEVICE void ctc_dft_element_$t(const ctc_dft_line_$t &line, ctc_dim i, double *re, double *im) {
  const bool turned = line.half && i > line.length - i;
  const bool real = line.half && (i == 0 || i == line.length - i);
  const ctc_dim from = turned ? line.length - i : i;
  const double weight = !line.window ? 1 : i < line.window_length ? (double)line.window[i] : 0;
  const $T *at = line.x + from * line.step;
  *re = *im = 0;
  if (from >= line.extent) return;
  *re = weight * (double)at[0];
  if (line.parts == 2 && !real) *im = turned ? -(double)at[1] : weight * (double)at[1];
}
//$ end

/* Number k of the spectrum of a line: the sum of element i turned by sign * i * k / length; all
 * threads of a block, which has one line. */
//$ for t in f32 f64
CTC_DEVICE void ctc_dft_number_$t(const ctc_dft_line_$t &line, ctc_dim k, double sign,
                                  double *found_re, double *found_im) {
  __shared__ double cosines[CTC_DFT_SHORT], sines[CTC_DFT_SHORT];
  __shared__ double reals[CTC_DFT_SHORT], imaginaries[CTC_DFT_SHORT];
  const ctc_dim n = line.length;
  const bool shared = n <= CTC_DFT_SHORT;
  for (ctc_dim i = (ctc_dim)threadIdx.x; shared && i < n; i += CTC_DFT_THREADS) {
    const double angle = 2 * CTC_PI * (double)i / (double)n;
    cosines[i] = cos(angle);
    sines[i] = sin(angle);
    ctc_dft_element_$t(line, i, &reals[i], &imaginaries[i]);
  }
  __syncthreads();
  double sum_re = 0, sum_im = 0;
  ctc_dim turn = 0;
  k = n > 0 ? k % n : 0;
  for (ctc_dim i = 0; i < n; i++) {
    double re, im, c, s;
    if (shared) {
      c = cosines[turn];
      s = sign * sines[turn];
      re = reals[i];
      im = imaginaries[i];
    } else {
      const double angle = 2 * CTC_PI * (double)turn / (double)n;
      c = cos(angle);
      s = sign * sin(angle);
      ctc_dft_element_$t(line, i, &re, &im);
    }
    sum_re += re * c - im * s;
    sum_im += re * s + im * c;
    turn += k;
    if (turn >= n) turn -= n;
  }
  *found_re = sum_re;
  *found_im = sum_im;
}
//$ end

/* Parameters: runtime/spectral.c; `work` is not used. */
//$ for t in f32 f64
CTC_DEVICE void ctc_dft_$t(const $T *x, $T *y, $T *work, ctc_dim outer, ctc_dim extent,
                           ctc_dim inner, ctc_dim parts, ctc_dim length, ctc_dim count,
                           ctc_dim out_parts, ctc_dim inverse, ctc_dim half) {
  const ctc_dim slices = ctc_blocks_for(count, CTC_DFT_THREADS);
  const ctc_dim unit = (ctc_dim)blockIdx.x / slices, o = unit / inner, i = unit % inner;
  const ctc_dim k = (ctc_dim)blockIdx.x % slices * CTC_DFT_THREADS + (ctc_dim)threadIdx.x;
  const ctc_dim known = half ? length / 2 + 1 : length;
  const ctc_dft_line_$t line = {x + (o * extent * inner + i) * parts,
                                NULL,
                                length,
                                extent < known ? extent : known,
                                inner * parts,
                                parts,
                                0,
                                half != 0};
  const double scale = inverse ? 1 / (double)length : 1;
  double re, im;
  (void)work, (void)outer;
  ctc_dft_number_$t(line, k, inverse ? 1 : -1, &re, &im);
  if (k >= count) return;
  $T *at = y + ((o * count + k) * inner + i) * out_parts;
  at[0] = ($T)(re * scale);
  if (out_parts == 2) at[1] = ($T)(im * scale);
}
//$ end

/* A frame a block. */
//$ for t in f32 f64
CTC_DEVICE void ctc_stft_$t(const $T *x, const $T *window, $T *y, $T *work, ctc_dim batch,
                            ctc_dim samples, ctc_dim parts, ctc_dim frames, ctc_dim step,
                            ctc_dim length, ctc_dim window_length, ctc_dim count) {
  const ctc_dim slices = ctc_blocks_for(count, CTC_DFT_THREADS);
  const ctc_dim unit = (ctc_dim)blockIdx.x / slices;
  const ctc_dim k = (ctc_dim)blockIdx.x % slices * CTC_DFT_THREADS + (ctc_dim)threadIdx.x;
  const ctc_dft_line_$t line = {x + (unit / frames * samples + unit % frames * step) * parts,
                                window,
                                length,
                                length,
                                parts,
                                parts,
                                window_length,
                                false};
  double re, im;
  (void)work, (void)batch;
  ctc_dft_number_$t(line, k, -1, &re, &im);
  if (k >= count) return;
  y[(unit * count + k) * 2] = ($T)re;
  y[(unit * count + k) * 2 + 1] = ($T)im;
}
//$ end
