/* lstm.c: recurrent layers in f32 with the usual activations, sigmoid for gates and tanh for
 * states.
 *
 * The products of all inputs with W are made beforehand, biases included; a kernel here runs over
 * the time steps of a direction. R is in panels (runtime/gemm.c). Each step goes through R in the
 * other direction than the one before: the part of R that was used last is still in the cache. */

/* Where things lie, for all layers. A direction has `gates` products with W beside each other: those
 * of time t of sequence b are at t * x_time + b * x_batch + direction * gates. Outputs: time t of
 * sequence b at t * y_time + b * y_batch + direction * state; states: sequence b at b * state_row +
 * direction * state. */
typedef struct {
  ctc_dim steps, batch, hidden, gates;
  ctc_dim x_time, x_batch, y_time, y_batch, state_row, state;
} ctc_recurrence;

/* A sequence at one step: the products of its input, its states, its products with R and its
 * output; `time` is -1 after its end. */
typedef struct {
  const float *x;
  float *h, *c, *gates, *y;
  ctc_dim time;
} ctc_recurrent_step;

/* gates[batch x n] = h[batch x hidden] * R, rows gates_row apart; the panels from the last to the
 * first if `backwards`. */
static inline CTC_INLINE void ctc_recurrent_product(const float *h, const float *r, float *gates,
                                                    ctc_dim batch, ctc_dim n, ctc_dim hidden,
                                                    ctc_dim gates_row, ctc_dim backwards) {
  const ctc_dim panels = (n + CTC_PANEL - 1) / CTC_PANEL;
  for (ctc_dim i = 0; i < panels; i++) {
    const ctc_dim panel = backwards ? panels - 1 - i : i;
    if (batch <= 2)
      ctc_gemv_packed_f32(h, r, gates, NULL, NULL, batch, n, hidden, hidden, 1, gates_row, panel,
                          panel + 1);
    else
      ctc_gemm_packed_f32(h, r, gates, NULL, NULL, batch, n, hidden, hidden, 1, gates_row, batch,
                          panel, panel + 1);
  }
}

/* The states of all sequences: those given, or 0. */
static inline void ctc_recurrent_start(float *state, const float *given, ctc_recurrence at) {
  for (ctc_dim b = 0; b < at.batch; b++)
    for (ctc_dim j = 0; j < at.hidden; j++)
      state[b * at.hidden + j] = given ? given[b * at.state_row + j] : 0;
}

/* The states to an output, if somebody asked for it. */
static inline void ctc_recurrent_finish(float *out, const float *state, ctc_recurrence at) {
  for (ctc_dim b = 0; out && b < at.batch; b++)
    memcpy(out + b * at.state_row, state + b * at.hidden, (size_t)at.hidden * sizeof *out);
}

/* Where sequence b is at step s; x and y are those of the direction. */
static CTC_KERNEL ctc_recurrent_step ctc_recurrent_at(ctc_recurrence at, const float *x,
                                                      const int32_t *lengths, float *y, ctc_dim s,
                                                      ctc_dim b, ctc_dim reverse) {
  const ctc_dim time = ctc_rnn_time(lengths, b, s, at.steps, reverse);
  const ctc_recurrent_step step = {
      x + (time < 0 ? 0 : time) * at.x_time + b * at.x_batch,      NULL, NULL, NULL,
      y ? y + (time < 0 ? s : time) * at.y_time + b * at.y_batch : y, time};
  return step;
}

/* The output of a step: the new state, or 0 after the end of the sequence. */
static inline void ctc_recurrent_put(const ctc_recurrent_step *step, ctc_dim hidden) {
  if (step->y && step->time >= 0) memcpy(step->y, step->h, (size_t)hidden * sizeof *step->y);
  if (step->y && step->time < 0) memset(step->y, 0, (size_t)hidden * sizeof *step->y);
}

/* Vector j of the gate number `gate`: the products with W and R. */
static CTC_KERNEL ctc_v ctc_recurrent_gate(const ctc_recurrent_step *step, ctc_dim hidden,
                                           ctc_dim gate, ctc_dim j, int count) {
  return ctc_v_load_n(step->x + gate * hidden + j, count) +
         ctc_v_load_n(step->gates + gate * hidden + j, count);
}

/* Units j … j + count of an LSTM's cell. */
static inline CTC_INLINE void ctc_lstm_units(const ctc_recurrent_step *step, ctc_dim hidden,
                                             ctc_dim j, int count) {
  const ctc_v in = ctc_sigmoid_v(ctc_recurrent_gate(step, hidden, 0, j, count));
  const ctc_v out = ctc_sigmoid_v(ctc_recurrent_gate(step, hidden, 1, j, count));
  const ctc_v keep = ctc_sigmoid_v(ctc_recurrent_gate(step, hidden, 2, j, count));
  const ctc_v cell = ctc_tanh_v(ctc_recurrent_gate(step, hidden, 3, j, count));
  const ctc_v c = keep * ctc_v_load_n(step->c + j, count) + in * cell;
  ctc_v_store_n(step->c + j, c, count);
  ctc_v_store_n(step->h + j, out * ctc_tanh_v(c), count);
}

/* Units j … j + count of a GRU's cell. linear: h * Rh is in the third gate, to which inner_bias (may
 * be missing) belongs; otherwise (r * h) * Rh is. */
static inline CTC_INLINE void ctc_gru_units(const ctc_recurrent_step *step, ctc_dim hidden,
                                            const float *inner_bias, ctc_dim linear, ctc_dim j,
                                            int count) {
  const ctc_v update = ctc_sigmoid_v(ctc_recurrent_gate(step, hidden, 0, j, count));
  ctc_v inner = ctc_v_load_n(step->gates + 2 * hidden + j, count);
  if (inner_bias) inner = inner + ctc_v_load_n(inner_bias + j, count);
  if (linear) inner = inner * ctc_sigmoid_v(ctc_recurrent_gate(step, hidden, 1, j, count));
  const ctc_v next = ctc_tanh_v(ctc_v_load_n(step->x + 2 * hidden + j, count) + inner);
  const ctc_v h = ctc_v_load_n(step->h + j, count);
  ctc_v_store_n(step->h + j, next + update * (h - next), count);
}

/* r * h of a GRU, for the product that comes after the reset. */
static inline CTC_INLINE void ctc_gru_reset(const ctc_recurrent_step *step, ctc_dim hidden,
                                            float *reset, ctc_dim j, int count) {
  const ctc_v r = ctc_sigmoid_v(ctc_recurrent_gate(step, hidden, 1, j, count));
  ctc_v_store_n(reset + j, r * ctc_v_load_n(step->h + j, count), count);
}

/* CALL(j, count) for all vectors of units. */
#define CTC_EACH_UNIT(hidden, CALL)                                                 \
  {                                                                                 \
    ctc_dim j = 0;                                                                  \
    for (; j + CTC_LANES <= (hidden); j += CTC_LANES) CALL(j, CTC_LANES);           \
    if (j < (hidden)) CALL(j, (int)((hidden) - j));                                 \
  }

/* LSTM, gates in the order i, o, f, c (formulas: runtime/rnn.c). Unit of work: a direction, of
 * which `reversed` (0 or 1) plus its number says whether it runs backwards. r: R in panels, r_size
 * floats a direction. lengths, h0, c0, y, yh, yc may be missing. scratch: 6 * batch * hidden floats
 * a direction. */
static CTC_KERNEL void ctc_lstm_packed_f32(const float *x, const float *r, const int32_t *lengths,
                                           const float *h0, const float *c0, float *y, float *yh,
                                           float *yc, float *scratch, ctc_dim steps, ctc_dim batch,
                                           ctc_dim hidden, ctc_dim x_time, ctc_dim x_batch,
                                           ctc_dim y_time, ctc_dim y_batch, ctc_dim state_row,
                                           ctc_dim state, ctc_dim r_size, ctc_dim reversed,
                                           ctc_dim first, ctc_dim last) {
  const ctc_recurrence at = {steps,  batch,  hidden,  4 * hidden, x_time,
                             x_batch, y_time, y_batch, state_row,  state};
  for (ctc_dim d = first; d < last; d++) {
    float *h = scratch + 6 * d * batch * hidden, *c = h + batch * hidden, *gates = c + batch * hidden;
    ctc_recurrent_start(h, h0 ? h0 + d * state : h0, at);
    ctc_recurrent_start(c, c0 ? c0 + d * state : c0, at);
    for (ctc_dim s = 0; s < steps; s++) {
      ctc_recurrent_product(h, r + d * r_size, gates, batch, at.gates, hidden, at.gates, s % 2);
      for (ctc_dim b = 0; b < batch; b++) {
        ctc_recurrent_step step = ctc_recurrent_at(at, x + d * at.gates, lengths,
                                                   y ? y + d * state : y, s, b, reversed + d);
        step.h = h + b * hidden, step.c = c + b * hidden, step.gates = gates + b * at.gates;
#define CTC_CALL(j, count) ctc_lstm_units(&step, hidden, j, count)
        if (step.time >= 0) CTC_EACH_UNIT(hidden, CTC_CALL)
#undef CTC_CALL
        ctc_recurrent_put(&step, hidden);
      }
    }
    ctc_recurrent_finish(yh ? yh + d * state : yh, h, at);
    ctc_recurrent_finish(yc ? yc + d * state : yc, c, at);
  }
}

/* GRU, gates in the order z, r, h. rh: the part of R for the last gate, rh_size floats a direction;
 * r: for the first two. inner_bias: hidden floats a direction, with linear_before_reset; may be
 * missing. scratch: 5 * batch * hidden floats a direction. The rest as for LSTM. */
static CTC_KERNEL void ctc_gru_packed_f32(const float *x, const float *r, const float *rh,
                                          const float *inner_bias, const int32_t *lengths,
                                          const float *h0, float *y, float *yh, float *scratch,
                                          ctc_dim steps, ctc_dim batch, ctc_dim hidden,
                                          ctc_dim x_time, ctc_dim x_batch, ctc_dim y_time,
                                          ctc_dim y_batch, ctc_dim state_row, ctc_dim state,
                                          ctc_dim r_size, ctc_dim rh_size, ctc_dim reversed,
                                          ctc_dim linear_before_reset, ctc_dim first,
                                          ctc_dim last) {
  const ctc_recurrence at = {steps,  batch,  hidden,  3 * hidden, x_time,
                             x_batch, y_time, y_batch, state_row,  state};
  for (ctc_dim d = first; d < last; d++) {
    float *h = scratch + 5 * d * batch * hidden, *gates = h + batch * hidden;
    float *reset = gates + batch * at.gates;
    const float *bias = inner_bias ? inner_bias + d * hidden : inner_bias;
    ctc_recurrent_start(h, h0 ? h0 + d * state : h0, at);
    for (ctc_dim s = 0; s < steps; s++) {
      ctc_recurrent_product(h, r + d * r_size, gates, batch, 2 * hidden, hidden, at.gates, s % 2);
      for (ctc_dim b = 0; b < batch && !linear_before_reset; b++) {
        ctc_recurrent_step step =
            ctc_recurrent_at(at, x + d * at.gates, lengths, NULL, s, b, reversed + d);
        step.h = h + b * hidden, step.gates = gates + b * at.gates;
#define CTC_CALL(j, count) ctc_gru_reset(&step, hidden, reset + b * hidden, j, count)
        CTC_EACH_UNIT(hidden, CTC_CALL)
#undef CTC_CALL
      }
      ctc_recurrent_product(linear_before_reset ? h : reset, rh + d * rh_size, gates + 2 * hidden,
                            batch, hidden, hidden, at.gates, s % 2);
      for (ctc_dim b = 0; b < batch; b++) {
        ctc_recurrent_step step = ctc_recurrent_at(at, x + d * at.gates, lengths,
                                                   y ? y + d * state : y, s, b, reversed + d);
        step.h = h + b * hidden, step.gates = gates + b * at.gates;
#define CTC_CALL(j, count) ctc_gru_units(&step, hidden, bias, linear_before_reset, j, count)
        if (step.time >= 0) CTC_EACH_UNIT(hidden, CTC_CALL)
#undef CTC_CALL
        ctc_recurrent_put(&step, hidden);
      }
    }
    ctc_recurrent_finish(yh ? yh + d * state : yh, h, at);
  }
}

/* RNN: h = tanh(x W + h R + bias). scratch: 2 * batch * hidden floats a direction. The rest as for
 * LSTM. */
static CTC_KERNEL void ctc_rnn_packed_f32(const float *x, const float *r, const int32_t *lengths,
                                          const float *h0, float *y, float *yh, float *scratch,
                                          ctc_dim steps, ctc_dim batch, ctc_dim hidden,
                                          ctc_dim x_time, ctc_dim x_batch, ctc_dim y_time,
                                          ctc_dim y_batch, ctc_dim state_row, ctc_dim state,
                                          ctc_dim r_size, ctc_dim reversed, ctc_dim first,
                                          ctc_dim last) {
  const ctc_recurrence at = {steps,  batch,  hidden,  hidden,    x_time,
                             x_batch, y_time, y_batch, state_row, state};
  for (ctc_dim d = first; d < last; d++) {
    float *h = scratch + 2 * d * batch * hidden, *gates = h + batch * hidden;
    ctc_recurrent_start(h, h0 ? h0 + d * state : h0, at);
    for (ctc_dim s = 0; s < steps; s++) {
      ctc_recurrent_product(h, r + d * r_size, gates, batch, hidden, hidden, hidden, s % 2);
      for (ctc_dim b = 0; b < batch; b++) {
        ctc_recurrent_step step = ctc_recurrent_at(at, x + d * hidden, lengths,
                                                   y ? y + d * state : y, s, b, reversed + d);
        step.h = h + b * hidden, step.gates = gates + b * hidden;
#define CTC_CALL(j, count)                                                                        \
  ctc_v_store_n(step.h + (j), ctc_tanh_v(ctc_recurrent_gate(&step, hidden, 0, j, count)), count)
        if (step.time >= 0) CTC_EACH_UNIT(hidden, CTC_CALL)
#undef CTC_CALL
        ctc_recurrent_put(&step, hidden);
      }
    }
    ctc_recurrent_finish(yh ? yh + d * state : yh, h, at);
  }
}
