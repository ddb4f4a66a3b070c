/* rnn.cu: recurrent layers with any activations, all time steps of one direction a call
 * (runtime/rnn.c, for formulas and parameters).
 *
 * Sequences do not depend on each other: a block has one, goes through its steps, and keeps its
 * states in the scratch memory, which has the places of the C kernels. Threads share the columns
 * of R. */

enum { CTC_RNN_THREADS = 512 };

//$ for t in f32 f64
enum { ctc_rnn_$t_threads = 512 };
enum { ctc_gru_$t_threads = 512 };
enum { ctc_lstm_$t_threads = 512 };
//$ end
enum { ctc_round_to_levels_f32_threads = 512 };

//$ for t in f32 f64
static ctc_dim ctc_rnn_$t_blocks(ctc_dim batch) {
  return batch;
}
//$ end

//$ for t in f32 f64
static ctc_dim ctc_gru_$t_blocks(ctc_dim batch) {
  return batch;
}
//$ end

/* Rounded states have levels that all sequences share: one block has them all. */
//$ for t in f32 f64
static ctc_dim ctc_lstm_$t_blocks(ctc_dim batch, ctc_dim rounded) {
  return rounded && batch > 0 ? 1 : batch;
}
//$ end

static ctc_dim ctc_round_to_levels_f32_blocks(ctc_dim n) {
  return n > 0;
}

/* state[j] = given[j], or 0. */
//$ for t in f32 f64
CTC_DEVICE void ctc_rnn_take_$t($T *state, const $T *given, ctc_dim hidden) {
  for (ctc_dim j = (ctc_dim)threadIdx.x; j < hidden; j += CTC_RNN_THREADS)
    state[j] = given ? given[j] : 0;
}
//$ end

/* Column j of h R: the sum over k of h[k] * r[k * row + j]. */
//$ for t in f32 f64
CTC_DEVICE $T ctc_rnn_column_$t(const $T *h, const $T *r, ctc_dim hidden, ctc_dim row, ctc_dim j) {
  $T sum = 0;
#pragma unroll 8
  for (ctc_dim k = 0; k < hidden; k++) sum += h[k] * r[k * row + j];
  return sum;
}
//$ end

/* One number after activation number `which`. */
//$ for t in f32 f64
CTC_DEVICE $T ctc_rnn_activated_$t($T x, $T clip, const ctc_dim *functions, const $T *tuning,
                                   ctc_dim which) {
  ctc_rnn_activate_$t(&x, 1, clip, functions, tuning, which);
  return x;
}
//$ end

/* The place of output j of step s, which handles `time`. */
//$ for t in f32 f64
CTC_DEVICE void ctc_rnn_output_$t($T *y, $T value, ctc_dim time, ctc_dim s, ctc_dim y_time,
                                  ctc_dim j) {
  if (y) y[(time < 0 ? s : time) * y_time + j] = time < 0 ? 0 : value;
}
//$ end

/* RNN: a sequence a block. */
//$ for t in f32 f64
CTC_DEVICE void ctc_rnn_$t(const $T *xw, const $T *rt, const $T *bias, const int32_t *lengths,
                           const $T *h0, $T *y, $T *yh, $T *scratch, ctc_dim steps, ctc_dim batch,
                           ctc_dim hidden, ctc_dim x_time, ctc_dim x_batch, ctc_dim y_time,
                           ctc_dim y_batch, ctc_dim state_row, ctc_dim reverse, double clip,
                           const ctc_dim *functions, const $T *tuning) {
  const ctc_dim b = (ctc_dim)blockIdx.x, start = (ctc_dim)threadIdx.x;
  $T *h = scratch + b * hidden, *next = scratch + (batch + b) * hidden;
  ctc_rnn_take_$t(h, h0 ? h0 + b * state_row : h0, hidden);
  __syncthreads();
  for (ctc_dim s = 0; s < steps; s++) {
    const ctc_dim time = ctc_rnn_time(lengths, b, s, steps, reverse);
    const $T *in = xw + (time < 0 ? 0 : time) * x_time + b * x_batch;
    for (ctc_dim j = start; j < hidden && time >= 0; j += CTC_RNN_THREADS) {
      const $T sum = in[j] + (bias ? bias[j] + bias[hidden + j] : 0) +
                     ctc_rnn_column_$t(h, rt, hidden, hidden, j);
      next[j] = ctc_rnn_activated_$t(sum, ($T)clip, functions, tuning, 0);
    }
    __syncthreads();
    for (ctc_dim j = start; j < hidden; j += CTC_RNN_THREADS) {
      if (time >= 0) h[j] = next[j];
      ctc_rnn_output_$t(y ? y + b * y_batch : y, h[j], time, s, y_time, j);
    }
    __syncthreads();
  }
  for (ctc_dim j = start; yh && j < hidden; j += CTC_RNN_THREADS) yh[b * state_row + j] = h[j];
}
//$ end

/* The gates z and r of a sequence's step, after activation, and what the third product takes:
 * r * h, or h with linear_before_reset. */
//$ for t in f32 f64
CTC_DEVICE void ctc_gru_gates_$t($T *gates, $T *reset, const $T *in, const $T *h, const $T *rt,
                                 const $T *bias, ctc_dim hidden, $T clip, const ctc_dim *functions,
                                 const $T *tuning, ctc_dim linear) {
  const ctc_dim n = 3 * hidden;
  for (ctc_dim j = (ctc_dim)threadIdx.x; j < 2 * hidden; j += CTC_RNN_THREADS) {
    const $T sum =
        in[j] + (bias ? bias[j] + bias[n + j] : 0) + ctc_rnn_column_$t(h, rt, hidden, n, j);
    const $T gate = ctc_rnn_activated_$t(sum, clip, functions, tuning, 0);
    gates[j] = gate;
    if (j >= hidden) reset[j - hidden] = linear ? h[j - hidden] : gate * h[j - hidden];
  }
}
//$ end

/* GRU: a sequence a block. */
//$ for t in f32 f64
CTC_DEVICE void ctc_gru_$t(const $T *xw, const $T *rt, const $T *bias, const int32_t *lengths,
                           const $T *h0, $T *y, $T *yh, $T *scratch, ctc_dim steps, ctc_dim batch,
                           ctc_dim hidden, ctc_dim x_time, ctc_dim x_batch, ctc_dim y_time,
                           ctc_dim y_batch, ctc_dim state_row, ctc_dim reverse, double clip,
                           const ctc_dim *functions, const $T *tuning,
                           ctc_dim linear_before_reset) {
  const ctc_dim b = (ctc_dim)blockIdx.x, start = (ctc_dim)threadIdx.x, n = 3 * hidden;
  $T *h = scratch + b * hidden, *gates = scratch + batch * hidden + b * n;
  $T *reset = scratch + 5 * batch * hidden + b * hidden;
  const bool linear = linear_before_reset != 0;
  ctc_rnn_take_$t(h, h0 ? h0 + b * state_row : h0, hidden);
  __syncthreads();
  for (ctc_dim s = 0; s < steps; s++) {
    const ctc_dim time = ctc_rnn_time(lengths, b, s, steps, reverse);
    const $T *in = xw + (time < 0 ? 0 : time) * x_time + b * x_batch;
    if (time >= 0)
      ctc_gru_gates_$t(gates, reset, in, h, rt, bias, hidden, ($T)clip, functions, tuning, linear);
    __syncthreads();
    for (ctc_dim j = start; j < hidden; j += CTC_RNN_THREADS) {
      if (time >= 0) {
        const $T outer = bias ? bias[2 * hidden + j] : 0, own = bias ? bias[5 * hidden + j] : 0;
        $T inner = ctc_rnn_column_$t(reset, rt + 2 * hidden, hidden, n, j) + own;
        if (linear) inner *= gates[hidden + j];
        const $T next = ctc_rnn_activated_$t(in[2 * hidden + j] + outer + inner, ($T)clip,
                                             functions, tuning, 1);
        h[j] = (1 - gates[j]) * next + gates[j] * h[j];
      }
      ctc_rnn_output_$t(y ? y + b * y_batch : y, h[j], time, s, y_time, j);
    }
    __syncthreads();
  }
  for (ctc_dim j = start; yh && j < hidden; j += CTC_RNN_THREADS) yh[b * state_row + j] = h[j];
}
//$ end

/* The least and the largest of a block's numbers and 0, in bounds[0] and [1]; room: 2 a warp. */
//$ for t in f32 f64
CTC_DEVICE void ctc_rnn_bounds_$t(const $T *x, ctc_dim n, $T *room, $T *bounds) {
  $T low = 0, high = 0;
  for (ctc_dim i = (ctc_dim)threadIdx.x; i < n; i += CTC_RNN_THREADS) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    const $T lower = __shfl_xor_sync(0xffffffffu, low, step);
    const $T higher = __shfl_xor_sync(0xffffffffu, high, step);
    low = lower < low ? lower : low;
    high = higher > high ? higher : high;
  }
  if (threadIdx.x % 32 == 0) {
    room[threadIdx.x / 32 * 2] = low;
    room[threadIdx.x / 32 * 2 + 1] = high;
  }
  __syncthreads();
  bounds[0] = bounds[1] = 0;
  for (int i = 0; i < CTC_RNN_THREADS / 32; i++) {
    bounds[0] = room[i * 2] < bounds[0] ? room[i * 2] : bounds[0];
    bounds[1] = room[i * 2 + 1] > bounds[1] ? room[i * 2 + 1] : bounds[1];
  }
  __syncthreads();
}
//$ end

/* q = x rounded to the nearest of 256 levels that cover its range and 0 (ctc_rnn_round); a block.
 */
//$ for t in f32 f64
CTC_DEVICE void ctc_rnn_levels_$t($T *q, const $T *x, ctc_dim n, $T *room) {
  $T bounds[2];
  ctc_rnn_bounds_$t(x, n, room, bounds);
  $T step = (bounds[1] - bounds[0]) / 255;
  if (!(step > 0)) step = 1;
  const $T zero = CTC_RINT_$t(-bounds[0] / step);
  for (ctc_dim i = (ctc_dim)threadIdx.x; i < n; i += CTC_RNN_THREADS) {
    const $T level = CTC_RINT_$t(x[i] / step) + zero;
    q[i] = ((level < 0 ? 0 : level > 255 ? 255 : level) - zero) * step;
  }
}
//$ end

/* Hidden unit j of an LSTM's step: gates (before activation) `hidden` apart, its cell and state. */
//$ for t in f32 f64
CTC_DEVICE void ctc_lstm_unit_$t(const $T *gates, $T *c, $T *h, const $T *peephole, ctc_dim hidden,
                                 ctc_dim j, $T clip, const ctc_dim *functions, const $T *tuning,
                                 ctc_dim input_forget) {
  const $T old = *c;
  const $T before_in = gates[0] + (peephole ? peephole[j] * old : 0);
  const $T before_forget = gates[2 * hidden] + (peephole ? peephole[2 * hidden + j] * old : 0);
  const $T in = ctc_rnn_activated_$t(before_in, clip, functions, tuning, 0);
  const $T keep =
      input_forget ? 1 - in : ctc_rnn_activated_$t(before_forget, clip, functions, tuning, 0);
  const $T next =
      keep * old + in * ctc_rnn_activated_$t(gates[3 * hidden], clip, functions, tuning, 1);
  const $T before_out = gates[hidden] + (peephole ? peephole[hidden + j] * next : 0);
  const $T out = ctc_rnn_activated_$t(before_out, clip, functions, tuning, 0);
  *c = next;
  *h = out * ctc_rnn_activated_$t(next, clip, functions, tuning, 2);
}
//$ end

/* LSTM: a sequence a block, or all of them if their states are rounded. */
//$ for t in f32 f64
CTC_DEVICE void ctc_lstm_$t(const $T *xw, const $T *rt, const $T *bias, const int32_t *lengths,
                            const $T *h0, const $T *c0, const $T *peephole, $T *y, $T *yh, $T *yc,
                            $T *scratch, ctc_dim steps, ctc_dim batch, ctc_dim hidden,
                            ctc_dim x_time, ctc_dim x_batch, ctc_dim y_time, ctc_dim y_batch,
                            ctc_dim state_row, ctc_dim reverse, double clip,
                            const ctc_dim *functions, const $T *tuning, ctc_dim input_forget,
                            ctc_dim rounded) {
  __shared__ $T room[CTC_RNN_THREADS / 16];
  const ctc_dim n = 4 * hidden, start = (ctc_dim)threadIdx.x;
  const ctc_dim first = rounded ? 0 : (ctc_dim)blockIdx.x, count = rounded ? batch : 1;
  $T *h = scratch, *c = h + batch * hidden, *gates = c + batch * hidden;
  $T *factor = rounded ? gates + batch * n + n : h;
  for (ctc_dim b = first; b < first + count; b++) {
    ctc_rnn_take_$t(h + b * hidden, h0 ? h0 + b * state_row : h0, hidden);
    ctc_rnn_take_$t(c + b * hidden, c0 ? c0 + b * state_row : c0, hidden);
  }
  __syncthreads();
  for (ctc_dim s = 0; s < steps; s++) {
    if (rounded) ctc_rnn_levels_$t(factor, h, batch * hidden, room);
    __syncthreads();
    for (ctc_dim at = first * n + start; at < (first + count) * n; at += CTC_RNN_THREADS) {
      const ctc_dim b = at / n, j = at % n, time = ctc_rnn_time(lengths, b, s, steps, reverse);
      if (time < 0) continue;
      gates[at] = xw[time * x_time + b * x_batch + j] + (bias ? bias[j] + bias[n + j] : 0) +
                  ctc_rnn_column_$t(factor + b * hidden, rt, hidden, n, j);
    }
    __syncthreads();
    for (ctc_dim at = first * hidden + start; at < (first + count) * hidden;
         at += CTC_RNN_THREADS) {
      const ctc_dim b = at / hidden, j = at % hidden;
      const ctc_dim time = ctc_rnn_time(lengths, b, s, steps, reverse);
      if (time >= 0)
        ctc_lstm_unit_$t(gates + b * n + j, c + at, h + at, peephole, hidden, j, ($T)clip,
                         functions, tuning, input_forget);
      ctc_rnn_output_$t(y ? y + b * y_batch : y, h[at], time, s, y_time, j);
    }
    __syncthreads();
  }
  for (ctc_dim at = first * hidden + start; at < (first + count) * hidden; at += CTC_RNN_THREADS) {
    const ctc_dim out = at / hidden * state_row + at % hidden;
    if (yh) yh[out] = h[at];
    if (yc) yc[out] = c[at];
  }
}
//$ end

/* y = x rounded to 256 levels; one block. */
CTC_DEVICE void ctc_round_to_levels_f32(const float *x, float *y, ctc_dim n) {
  __shared__ float room[CTC_RNN_THREADS / 16];
  ctc_rnn_levels_f32(y, x, n, room);
}
