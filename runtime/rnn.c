/* rnn.c: recurrent layers: RNN, GRU and LSTM, one direction a call.
 *
 * The products of all inputs with W are made beforehand by one matrix product; a kernel here runs
 * over the time steps, adds h * R and applies the gates. Step s of a sequence handles time s, or
 * length - 1 - s when reversed; sequences that are shorter than the longest have 0 as their outputs
 * from their length on. */

/* Activation functions of the gates; alpha and beta are parameters of some. */
enum {
  CTC_RNN_TANH,
  CTC_RNN_SIGMOID,
  CTC_RNN_RELU,
  CTC_RNN_AFFINE,           /* alpha * x + beta */
  CTC_RNN_LEAKY_RELU,       /* x < 0 ? alpha * x : x */
  CTC_RNN_THRESHOLDED_RELU, /* x >= alpha ? x : 0 */
  CTC_RNN_SCALED_TANH,      /* alpha * tanh(beta * x) */
  CTC_RNN_HARD_SIGMOID,     /* min(max(alpha * x + beta, 0), 1) */
  CTC_RNN_ELU,              /* x < 0 ? alpha * (exp(x) - 1) : x */
  CTC_RNN_SOFTSIGN,         /* x / (1 + |x|) */
  CTC_RNN_SOFTPLUS          /* log(1 + exp(x)) */
};

/* Functions of libm by dtype, for the text that serves both. */
#define CTC_EXP_f32 expf
#define CTC_EXP_f64 exp
#define CTC_TANH_f32 tanhf
#define CTC_TANH_f64 tanh
#define CTC_LOG1P_f32 log1pf
#define CTC_LOG1P_f64 log1p
#define CTC_RINT_f32 rintf
#define CTC_RINT_f64 rint
#define CTC_FABS_f32 fabsf
#define CTC_FABS_f64 fabs

/* The activations that are rare: x for unknown ones. */
//$ for t in f32 f64
static inline $T ctc_rnn_function_$t($T x, ctc_dim code, $T alpha, $T beta) {
  switch (code) {
  case CTC_RNN_RELU: return x > 0 ? x : 0;
  case CTC_RNN_AFFINE: return alpha * x + beta;
  case CTC_RNN_LEAKY_RELU: return x < 0 ? alpha * x : x;
  case CTC_RNN_THRESHOLDED_RELU: return x >= alpha ? x : 0;
  case CTC_RNN_SCALED_TANH: return alpha * CTC_TANH_$t(beta * x);
  case CTC_RNN_HARD_SIGMOID: {
    $T line = alpha * x + beta;
    return line < 0 ? 0 : line > 1 ? 1 : line;
  }
  case CTC_RNN_ELU: return x < 0 ? alpha * (CTC_EXP_$t(x) - 1) : x;
  case CTC_RNN_SOFTSIGN: return x / (1 + CTC_FABS_$t(x));
  case CTC_RNN_SOFTPLUS: return (x > 0 ? x : 0) + CTC_LOG1P_$t(CTC_EXP_$t(-CTC_FABS_$t(x)));
  default: return x;
  }
}
//$ end

/* x[i] = activation number `which` of x[i], limited to [-clip, clip] before that if clip > 0.
 * `tuning` holds alpha and beta of each activation and may be missing where none has any. */
//$ for t in f32 f64
static inline void ctc_rnn_activate_$t($T *x, ctc_dim n, $T clip, const ctc_dim *functions,
                                       const $T *tuning, ctc_dim which) {
  ctc_dim code = functions[which];
  for (ctc_dim i = 0; clip > 0 && i < n; i++)
    x[i] = x[i] > clip ? clip : x[i] < -clip ? -clip : x[i];
  if (code == CTC_RNN_SIGMOID) {
    for (ctc_dim i = 0; i < n; i++) x[i] = ctc_sigmoid_$t(x[i]);
  } else if (code == CTC_RNN_TANH) {
    for (ctc_dim i = 0; i < n; i++) x[i] = CTC_TANH_$t(x[i]);
  } else {
    $T alpha = tuning ? tuning[which * 2] : 0, beta = tuning ? tuning[which * 2 + 1] : 0;
    for (ctc_dim i = 0; i < n; i++) x[i] = ctc_rnn_function_$t(x[i], code, alpha, beta);
  }
}
//$ end

/* The time that step s of sequence b handles, or -1 after its end. Without lengths all are `steps`
 * long. */
static inline ctc_dim ctc_rnn_time(const int32_t *lengths, ctc_dim b, ctc_dim s, ctc_dim steps,
                                   ctc_dim reverse) {
  ctc_dim length = lengths ? lengths[b] : steps;
  if (s >= length) return -1;
  return reverse ? length - 1 - s : s;
}

/* The state of `batch` sequences: that given (sequence b at b * row), or 0. */
//$ for t in f32 f64
static inline void ctc_rnn_start_$t($T *state, const $T *given, ctc_dim batch, ctc_dim hidden,
                                    ctc_dim row) {
  for (ctc_dim b = 0; b < batch; b++)
    for (ctc_dim j = 0; j < hidden; j++) state[b * hidden + j] = given ? given[b * row + j] : 0;
}
//$ end

/* Writes the state to an output (sequence b at b * row), if somebody asked for it. */
//$ for t in f32 f64
static inline void ctc_rnn_finish_$t($T *out, const $T *state, ctc_dim batch, ctc_dim hidden,
                                     ctc_dim row) {
  for (ctc_dim b = 0; out && b < batch; b++)
    memcpy(out + b * row, state + b * hidden, (size_t)hidden * sizeof($T));
}
//$ end

/* Writes the output of step s, which handled `time` of sequence b: the state, or 0 after the end of
 * the sequence. */
//$ for t in f32 f64
static inline void ctc_rnn_put_$t($T *y, const $T *state, ctc_dim time, ctc_dim s, ctc_dim hidden,
                                  ctc_dim y_time) {
  if (!y) return;
  $T *to = y + (time < 0 ? s : time) * y_time;
  for (ctc_dim j = 0; j < hidden; j++) to[j] = time < 0 ? 0 : state[j];
}
//$ end

/* The sum of the two halves of a bias [2 * n], or 0. */
//$ for t in f32 f64
static inline void ctc_rnn_bias_$t($T *sum, const $T *bias, ctc_dim n) {
  for (ctc_dim j = 0; j < n; j++) sum[j] = bias ? bias[j] + bias[n + j] : 0;
}
//$ end

/* gates[b] = xw[time, b] + bias for each sequence at step s; 0 after its end. A gate row has n
 * numbers. */
//$ for t in f32 f64
static inline void ctc_rnn_inputs_$t($T *gates, const $T *xw, const $T *bias,
                                     const int32_t *lengths, ctc_dim s, ctc_dim steps,
                                     ctc_dim batch, ctc_dim n, ctc_dim x_time, ctc_dim x_batch,
                                     ctc_dim reverse) {
  for (ctc_dim b = 0; b < batch; b++) {
    ctc_dim time = ctc_rnn_time(lengths, b, s, steps, reverse);
    const $T *from = xw + (time < 0 ? 0 : time) * x_time + b * x_batch;
    for (ctc_dim j = 0; j < n; j++) gates[b * n + j] = time < 0 ? 0 : from[j] + bias[j];
  }
}
//$ end

/* RNN: h = f(x W + h R + bias).
 *
 * xw: X * W transposed, time t of sequence b at t * x_time + b * x_batch, `hidden` numbers. rt: R
 * transposed [hidden x hidden]. bias [2 * hidden] may be missing, as may lengths [batch], h0, y and
 * yh. Time t of sequence b of y is at t * y_time + b * y_batch; h0 and yh hold sequence b at b *
 * state_row. scratch: (2 * batch + 1) * hidden numbers. */
//$ for t in f32 f64
static void ctc_rnn_$t(const $T *xw, const $T *rt, const $T *bias, const int32_t *lengths,
                       const $T *h0, $T *y, $T *yh, $T *scratch, ctc_dim steps, ctc_dim batch,
                       ctc_dim hidden, ctc_dim x_time, ctc_dim x_batch, ctc_dim y_time,
                       ctc_dim y_batch, ctc_dim state_row, ctc_dim reverse, double clip,
                       const ctc_dim *functions, const $T *tuning) {
  $T *h = scratch, *next = h + batch * hidden, *both = next + batch * hidden;
  ctc_rnn_bias_$t(both, bias, hidden);
  ctc_rnn_start_$t(h, h0, batch, hidden, state_row);
  for (ctc_dim s = 0; s < steps; s++) {
    ctc_rnn_inputs_$t(next, xw, both, lengths, s, steps, batch, hidden, x_time, x_batch, reverse);
    ctc_matmul_add_$t(h, rt, next, batch, hidden, hidden, hidden, 1, hidden, hidden, 1);
    for (ctc_dim b = 0; b < batch; b++) {
      ctc_dim time = ctc_rnn_time(lengths, b, s, steps, reverse);
      if (time >= 0) {
        ctc_rnn_activate_$t(next + b * hidden, hidden, ($T)clip, functions, tuning, 0);
        memcpy(h + b * hidden, next + b * hidden, (size_t)hidden * sizeof($T));
      }
      ctc_rnn_put_$t(y ? y + b * y_batch : y, h + b * hidden, time, s, hidden, y_time);
    }
  }
  ctc_rnn_finish_$t(yh, h, batch, hidden, state_row);
}
//$ end

/* GRU, gates in the order z, r, h:
 *
 *   z = f(x Wz + h Rz + bz)     r = f(x Wr + h Rr + br)     h' = (1 - z) * n + z * h
 *   n = g(x Wh + (r * h) Rh + bh), or with linear_before_reset g(x Wh + wbh + r * (h Rh + rbh))
 *
 * Arguments as for RNN, with 3 * hidden numbers a row of xw, rt [hidden x 3 * hidden] and bias [6 *
 * hidden]. scratch: (6 * batch + 3) * hidden numbers. */
//$ for t in f32 f64
static void ctc_gru_$t(const $T *xw, const $T *rt, const $T *bias, const int32_t *lengths,
                       const $T *h0, $T *y, $T *yh, $T *scratch, ctc_dim steps, ctc_dim batch,
                       ctc_dim hidden, ctc_dim x_time, ctc_dim x_batch, ctc_dim y_time,
                       ctc_dim y_batch, ctc_dim state_row, ctc_dim reverse, double clip,
                       const ctc_dim *functions, const $T *tuning, ctc_dim linear_before_reset) {
  const ctc_dim n = 3 * hidden;
  $T *h = scratch, *gates = h + batch * hidden, *inner = gates + batch * n;
  $T *reset = inner + batch * hidden, *both = reset + batch * hidden;
  const $T *inner_bias = bias && linear_before_reset ? bias + 5 * hidden : NULL;
  ctc_rnn_bias_$t(both, bias, n);
  for (ctc_dim j = 0; inner_bias && j < hidden; j++) both[2 * hidden + j] = bias[2 * hidden + j];
  ctc_rnn_start_$t(h, h0, batch, hidden, state_row);
  for (ctc_dim s = 0; s < steps; s++) {
    ctc_rnn_inputs_$t(gates, xw, both, lengths, s, steps, batch, n, x_time, x_batch, reverse);
    ctc_matmul_add_$t(h, rt, gates, batch, 2 * hidden, hidden, hidden, 1, n, n, 1);
    for (ctc_dim b = 0; b < batch; b++) {
      $T *g = gates + b * n;
      ctc_rnn_activate_$t(g, 2 * hidden, ($T)clip, functions, tuning, 0);
      for (ctc_dim j = 0; j < hidden; j++) {
        reset[b * hidden + j] =
            linear_before_reset ? h[b * hidden + j] : g[hidden + j] * h[b * hidden + j];
        inner[b * hidden + j] = inner_bias ? inner_bias[j] : 0;
      }
    }
    ctc_matmul_add_$t(reset, rt + 2 * hidden, inner, batch, hidden, hidden, hidden, 1, n, hidden,
                      1);
    for (ctc_dim b = 0; b < batch; b++) {
      $T *g = gates + b * n, *next = g + 2 * hidden, *state = h + b * hidden;
      ctc_dim time = ctc_rnn_time(lengths, b, s, steps, reverse);
      for (ctc_dim j = 0; j < hidden; j++)
        next[j] += inner[b * hidden + j] * (linear_before_reset ? g[hidden + j] : 1);
      ctc_rnn_activate_$t(next, hidden, ($T)clip, functions, tuning, 1);
      for (ctc_dim j = 0; time >= 0 && j < hidden; j++)
        state[j] = (1 - g[j]) * next[j] + g[j] * state[j];
      ctc_rnn_put_$t(y ? y + b * y_batch : y, state, time, s, hidden, y_time);
    }
  }
  ctc_rnn_finish_$t(yh, h, batch, hidden, state_row);
}
//$ end

/* One sequence's step of an LSTM: gates (i, o, f, c; 4 * hidden numbers before activation) update
 * the states c and h. */
//$ for t in f32 f64
static inline void ctc_lstm_cell_$t($T *gates, $T *c, $T *h, ctc_dim hidden, const $T *peephole,
                                    $T clip, const ctc_dim *functions, const $T *tuning,
                                    ctc_dim input_forget) {
  $T *in = gates, *out = in + hidden, *forget = out + hidden, *cell = forget + hidden;
  for (ctc_dim j = 0; peephole && j < hidden; j++) {
    in[j] += peephole[j] * c[j];
    forget[j] += peephole[2 * hidden + j] * c[j];
  }
  ctc_rnn_activate_$t(in, hidden, clip, functions, tuning, 0);
  if (!input_forget) ctc_rnn_activate_$t(forget, hidden, clip, functions, tuning, 0);
  ctc_rnn_activate_$t(cell, hidden, clip, functions, tuning, 1);
  for (ctc_dim j = 0; j < hidden; j++) {
    $T keep = input_forget ? 1 - in[j] : forget[j];
    c[j] = keep * c[j] + in[j] * cell[j];
    h[j] = c[j];
  }
  for (ctc_dim j = 0; peephole && j < hidden; j++) out[j] += peephole[hidden + j] * c[j];
  ctc_rnn_activate_$t(out, hidden, clip, functions, tuning, 0);
  /* Not limited: onnxruntime limits what goes into the gates only. */
  ctc_rnn_activate_$t(h, hidden, 0, functions, tuning, 2);
  for (ctc_dim j = 0; j < hidden; j++) h[j] *= out[j];
}
//$ end

/* q[i] = x[i] rounded to the nearest of 256 levels that cover the range of x and 0 (what
 * DynamicQuantizeLinear and DequantizeLinear make of x). */
//$ for t in f32 f64
static inline void ctc_rnn_round_$t($T *q, const $T *x, ctc_dim n) {
  $T low = 0, high = 0;
  for (ctc_dim i = 0; i < n; i++) {
    if (x[i] < low) low = x[i];
    if (x[i] > high) high = x[i];
  }
  $T step = (high - low) / 255;
  if (!(step > 0)) step = 1;
  $T zero = CTC_RINT_$t(-low / step);
  for (ctc_dim i = 0; i < n; i++) {
    $T level = CTC_RINT_$t(x[i] / step) + zero;
    q[i] = ((level < 0 ? 0 : level > 255 ? 255 : level) - zero) * step;
  }
}
//$ end

/* LSTM, gates in the order i, o, f, c:
 *
 *   i = f(x Wi + h Ri + Pi * c + bi)   f = f(x Wf + h Rf + Pf * c + bf)   c' = f * c + i * g(x Wc +
 * h Rc + bc) o = f(x Wo + h Ro + Po * c' + bo)  h' = o * h(c')                     with
 * input_forget: f = 1 - i
 *
 * Arguments as for RNN, with 4 * hidden numbers a row of xw, rt [hidden x 4 * hidden], bias [8 *
 * hidden] and peephole [3 * hidden] (order i, o, f; may be missing). With `rounded` h enters the
 * product rounded to 256 levels. scratch: (7 * batch + 4) * hidden numbers. */
//$ for t in f32 f64
static void ctc_lstm_$t(const $T *xw, const $T *rt, const $T *bias, const int32_t *lengths,
                        const $T *h0, const $T *c0, const $T *peephole, $T *y, $T *yh, $T *yc,
                        $T *scratch, ctc_dim steps, ctc_dim batch, ctc_dim hidden, ctc_dim x_time,
                        ctc_dim x_batch, ctc_dim y_time, ctc_dim y_batch, ctc_dim state_row,
                        ctc_dim reverse, double clip, const ctc_dim *functions, const $T *tuning,
                        ctc_dim input_forget, ctc_dim rounded) {
  const ctc_dim n = 4 * hidden;
  $T *h = scratch, *c = h + batch * hidden, *gates = c + batch * hidden, *both = gates + batch * n;
  $T *factor = rounded ? both + n : h;
  ctc_rnn_bias_$t(both, bias, n);
  ctc_rnn_start_$t(h, h0, batch, hidden, state_row);
  ctc_rnn_start_$t(c, c0, batch, hidden, state_row);
  for (ctc_dim s = 0; s < steps; s++) {
    ctc_rnn_inputs_$t(gates, xw, both, lengths, s, steps, batch, n, x_time, x_batch, reverse);
    if (rounded) ctc_rnn_round_$t(factor, h, batch * hidden);
    ctc_matmul_add_$t(factor, rt, gates, batch, n, hidden, hidden, 1, n, n, 1);
    for (ctc_dim b = 0; b < batch; b++) {
      ctc_dim time = ctc_rnn_time(lengths, b, s, steps, reverse);
      if (time >= 0)
        ctc_lstm_cell_$t(gates + b * n, c + b * hidden, h + b * hidden, hidden, peephole, ($T)clip,
                         functions, tuning, input_forget);
      ctc_rnn_put_$t(y ? y + b * y_batch : y, h + b * hidden, time, s, hidden, y_time);
    }
  }
  ctc_rnn_finish_$t(yh, h, batch, hidden, state_row);
  ctc_rnn_finish_$t(yc, c, batch, hidden, state_row);
}
//$ end

/* y = x rounded to the nearest of 256 levels that cover its range and 0. */
static void ctc_round_to_levels_f32(const float *x, float *y, ctc_dim n) {
  ctc_rnn_round_f32(y, x, n);
}
