/* lstm.c: recurrent layers in f32 with the usual activations, sigmoid for gates and tanh for
 * states.
 *
 * The products of all inputs with W are made beforehand, biases included; a kernel here makes one
 * time step, so that threads can share it. Unit of work: a panel's width of hidden units of a
 * direction, the products of the state with R for their gates and then their cells. R is in panels
 * (runtime/gemm.c), each gate for itself. Each step goes through its units in the other direction
 * than the one before: the part of R that was used last is still in the cache. */

/* Where things lie, for all layers; shapes in elements.
 *   x       products with W: time t, sequence b, direction d at t * x_time + b * x_batch + d * gates * hidden
 *   y       outputs: time t, sequence b, direction d at t * y_time + b * y_batch + d * y_direction; may be missing
 *   lengths [batch]: of the sequences; may be missing
 *   states  [2, directions, batch, hidden]: step s reads part s % 2 and writes the other one
 *   cells   [directions, batch, hidden], of an LSTM
 *   gates   [directions, batch, gates, hidden]: products with R
 * Direction d runs backwards if reversed + d is 1. */
typedef struct {
  const float *x;
  const int32_t *lengths;
  const float *states;
  float *y, *next_states, *products;
  ctc_dim steps, directions, batch, hidden, gates;
  ctc_dim x_time, x_batch, y_time, y_batch, y_direction, reversed, step;
} ctc_recurrence;

/* What a unit of work is: hidden units [begin, end) of a direction, their panel in each gate. */
typedef struct {
  ctc_dim direction, panel, begin, end;
} ctc_recurrent_unit;

/* A sequence of a direction at a step: the products of its input, its states before and after, its
 * products with R and its output; `time` is -1 after its end. */
typedef struct {
  const float *x, *h;
  float *next, *products, *y;
  ctc_dim time;
} ctc_recurrent_step;

/* Unit number i of [first, last), counted from the other end in every second step. */
static CTC_KERNEL ctc_recurrent_unit ctc_recurrent_unit_at(const ctc_recurrence *at, ctc_dim i,
                                                           ctc_dim first, ctc_dim last) {
  const ctc_dim panels = (at->hidden + CTC_PANEL - 1) / CTC_PANEL;
  const ctc_dim unit = at->step % 2 ? last - 1 - (i - first) : i;
  ctc_recurrent_unit found = {unit / panels, unit % panels, unit % panels * CTC_PANEL, 0};
  found.end = found.begin + CTC_PANEL < at->hidden ? found.begin + CTC_PANEL : at->hidden;
  return found;
}

static CTC_KERNEL ctc_dim ctc_recurrent_row(const ctc_recurrence *at, ctc_recurrent_unit unit,
                                            ctc_dim b) {
  return (unit.direction * at->batch + b) * at->hidden;
}

static CTC_KERNEL ctc_recurrent_step ctc_recurrent_at(const ctc_recurrence *at,
                                                      ctc_recurrent_unit unit, ctc_dim b) {
  const ctc_dim d = unit.direction, row = ctc_recurrent_row(at, unit, b);
  const ctc_dim half = at->directions * at->batch * at->hidden, now = at->step % 2;
  const ctc_dim time = ctc_rnn_time(at->lengths, b, at->step, at->steps, at->reversed + d);
  const ctc_dim x_at = (time < 0 ? 0 : time) * at->x_time + b * at->x_batch;
  const ctc_dim y_at = (time < 0 ? at->step : time) * at->y_time + b * at->y_batch;
  const ctc_recurrent_step step = {at->x + x_at + d * at->gates * at->hidden,
                                   at->states + now * half + row,
                                   at->next_states + (1 - now) * half + row,
                                   at->products + row * at->gates,
                                   at->y ? at->y + y_at + d * at->y_direction : at->y,
                                   time};
  return step;
}

/* The products of `h` [batch x hidden] with the unit's columns of one gate of R. */
static inline CTC_INLINE void ctc_recurrent_product(const ctc_recurrence *at,
                                                    ctc_recurrent_unit unit, const float *h,
                                                    const float *r, ctc_dim gate) {
  const ctc_dim hidden = at->hidden, row = at->gates * hidden;
  const ctc_dim panels = (hidden + CTC_PANEL - 1) / CTC_PANEL;
  const float *from = r + (unit.direction * at->gates + gate) * panels * CTC_PANEL * hidden;
  float *to = at->products + ctc_recurrent_row(at, unit, 0) * at->gates + gate * hidden;
  if (at->batch <= 2)
    ctc_gemv_packed_f32(h, from, to, NULL, NULL, at->batch, hidden, hidden, hidden, 1, row,
                        unit.panel, unit.panel + 1);
  else
    ctc_gemm_packed_f32(h, from, to, NULL, NULL, at->batch, hidden, hidden, hidden, 1, row,
                        at->batch, unit.panel, unit.panel + 1);
}

/* Gates [from, to) of the unit, for all sequences, from the states before the step. */
static inline CTC_INLINE void ctc_recurrent_products(const ctc_recurrence *at,
                                                     ctc_recurrent_unit unit, const float *r,
                                                     ctc_dim from, ctc_dim to) {
  const float *h = ctc_recurrent_at(at, unit, 0).h;
  for (ctc_dim gate = from; gate < to; gate++) ctc_recurrent_product(at, unit, h, r, gate);
}

/* The output of a step: the new state, or 0 after the end of the sequence, which keeps its state. */
static inline void ctc_recurrent_put(const ctc_recurrent_step *step, ctc_recurrent_unit unit) {
  const size_t bytes = (size_t)(unit.end - unit.begin) * sizeof(float);
  if (step->time < 0) memcpy(step->next + unit.begin, step->h + unit.begin, bytes);
  if (step->y && step->time >= 0) memcpy(step->y + unit.begin, step->next + unit.begin, bytes);
  if (step->y && step->time < 0) memset(step->y + unit.begin, 0, bytes);
}

/* Vector j of the gate number `gate`: the products with W and R. */
static CTC_KERNEL ctc_v ctc_recurrent_gate(const ctc_recurrent_step *step, ctc_dim hidden,
                                           ctc_dim gate, ctc_dim j, int count) {
  return ctc_v_load_n(step->x + gate * hidden + j, count) +
         ctc_v_load_n(step->products + gate * hidden + j, count);
}

/* Hidden units j … j + count of an LSTM's cell. */
static inline CTC_INLINE void ctc_lstm_cell(const ctc_recurrent_step *step, float *cell,
                                            ctc_dim hidden, ctc_dim j, int count) {
  const ctc_v in = ctc_sigmoid_v(ctc_recurrent_gate(step, hidden, 0, j, count));
  const ctc_v out = ctc_sigmoid_v(ctc_recurrent_gate(step, hidden, 1, j, count));
  const ctc_v keep = ctc_sigmoid_v(ctc_recurrent_gate(step, hidden, 2, j, count));
  const ctc_v next = ctc_tanh_v(ctc_recurrent_gate(step, hidden, 3, j, count));
  const ctc_v c = keep * ctc_v_load_n(cell + j, count) + in * next;
  ctc_v_store_n(cell + j, c, count);
  ctc_v_store_n(step->next + j, out * ctc_tanh_v(c), count);
}

/* Hidden units j … j + count of a GRU's cell. linear: h * Rh is in the third gate, to which
 * inner_bias (may be missing) belongs; otherwise (r * h) * Rh is. */
static inline CTC_INLINE void ctc_gru_cell(const ctc_recurrent_step *step, const float *inner_bias,
                                           ctc_dim linear, ctc_dim hidden, ctc_dim j, int count) {
  const ctc_v update = ctc_sigmoid_v(ctc_recurrent_gate(step, hidden, 0, j, count));
  ctc_v inner = ctc_v_load_n(step->products + 2 * hidden + j, count);
  if (inner_bias) inner = inner + ctc_v_load_n(inner_bias + j, count);
  if (linear) inner = inner * ctc_sigmoid_v(ctc_recurrent_gate(step, hidden, 1, j, count));
  const ctc_v next = ctc_tanh_v(ctc_v_load_n(step->x + 2 * hidden + j, count) + inner);
  const ctc_v h = ctc_v_load_n(step->h + j, count);
  ctc_v_store_n(step->next + j, next + update * (h - next), count);
}

/* r * h of a GRU, for the product that comes after the reset. */
static inline CTC_INLINE void ctc_gru_reset_cell(const ctc_recurrent_step *step, float *reset,
                                                 ctc_dim hidden, ctc_dim j, int count) {
  const ctc_v r = ctc_sigmoid_v(ctc_recurrent_gate(step, hidden, 1, j, count));
  ctc_v_store_n(reset + j, r * ctc_v_load_n(step->h + j, count), count);
}

/* CALL(j, count) for the vectors of a unit of work. */
#define CTC_EACH_VECTOR(unit, CALL)                                                    \
  {                                                                                    \
    ctc_dim j = (unit).begin;                                                          \
    for (; j + CTC_LANES <= (unit).end; j += CTC_LANES) CALL(j, CTC_LANES);            \
    if (j < (unit).end) CALL(j, (int)((unit).end - j));                                \
  }

/* A step of an LSTM, gates in the order i, o, f, c (formulas: runtime/rnn.c). `states` and
 * `next_states` are the same memory, cells_before and cells too. */
static CTC_KERNEL void ctc_lstm_step_f32(const float *x, const float *r, const int32_t *lengths,
                                         const float *states, const float *cells_before, float *y,
                                         float *next_states, float *cells, float *products,
                                         ctc_dim steps, ctc_dim directions, ctc_dim batch,
                                         ctc_dim hidden, ctc_dim x_time, ctc_dim x_batch,
                                         ctc_dim y_time, ctc_dim y_batch, ctc_dim y_direction,
                                         ctc_dim reversed, ctc_dim step, ctc_dim first,
                                         ctc_dim last) {
  const ctc_recurrence at = {x,       lengths, states, y,       next_states, products,
                             steps,   directions, batch, hidden, 4,          x_time,
                             x_batch, y_time, y_batch, y_direction, reversed, step};
  (void)cells_before;
  for (ctc_dim i = first; i < last; i++) {
    const ctc_recurrent_unit unit = ctc_recurrent_unit_at(&at, i, first, last);
    ctc_recurrent_products(&at, unit, r, 0, 4);
    for (ctc_dim b = 0; b < batch; b++) {
      const ctc_recurrent_step cell = ctc_recurrent_at(&at, unit, b);
      float *c = cells + ctc_recurrent_row(&at, unit, b);
#define CTC_CALL(j, count) ctc_lstm_cell(&cell, c, hidden, j, count)
      if (cell.time >= 0) CTC_EACH_VECTOR(unit, CTC_CALL)
#undef CTC_CALL
      ctc_recurrent_put(&cell, unit);
    }
  }
}

/* The gates z and r of a step of a GRU whose reset comes before the product with R, and reset =
 * r * h [directions, batch, hidden]. */
static CTC_KERNEL void ctc_gru_reset_f32(const float *x, const float *r, const int32_t *lengths,
                                         const float *states, float *reset, float *products,
                                         ctc_dim steps, ctc_dim directions, ctc_dim batch,
                                         ctc_dim hidden, ctc_dim x_time, ctc_dim x_batch,
                                         ctc_dim reversed, ctc_dim step, ctc_dim first,
                                         ctc_dim last) {
  const ctc_recurrence at = {x,       lengths,    states, NULL,   reset, products,
                             steps,   directions, batch,  hidden, 3,     x_time,
                             x_batch, 0,          0,      0,      reversed, step};
  for (ctc_dim i = first; i < last; i++) {
    const ctc_recurrent_unit unit = ctc_recurrent_unit_at(&at, i, first, last);
    ctc_recurrent_products(&at, unit, r, 0, 2);
    for (ctc_dim b = 0; b < batch; b++) {
      const ctc_recurrent_step cell = ctc_recurrent_at(&at, unit, b);
      float *to = reset + ctc_recurrent_row(&at, unit, b);
#define CTC_CALL(j, count) ctc_gru_reset_cell(&cell, to, hidden, j, count)
      CTC_EACH_VECTOR(unit, CTC_CALL)
#undef CTC_CALL
    }
  }
}

/* A step of a GRU, gates in the order z, r, h, of which the last `gates` are to be multiplied: one if
 * ctc_gru_reset_f32 made the others, and `reset`, before; three with linear_before_reset, when there
 * is no `reset` and inner_bias [directions, hidden] (may be missing) is the bias of R for the last
 * gate. */
static CTC_KERNEL void ctc_gru_step_f32(const float *x, const float *r, const int32_t *lengths,
                                        const float *states, const float *reset,
                                        const float *inner_bias, const float *products_before,
                                        float *y, float *next_states, float *products,
                                        ctc_dim steps, ctc_dim directions, ctc_dim batch,
                                        ctc_dim hidden, ctc_dim x_time, ctc_dim x_batch,
                                        ctc_dim y_time, ctc_dim y_batch, ctc_dim y_direction,
                                        ctc_dim reversed, ctc_dim step, ctc_dim gates,
                                        ctc_dim first, ctc_dim last) {
  const ctc_recurrence at = {x,       lengths, states, y,       next_states, products,
                             steps,   directions, batch, hidden, 3,          x_time,
                             x_batch, y_time, y_batch, y_direction, reversed, step};
  (void)products_before;
  for (ctc_dim i = first; i < last; i++) {
    const ctc_recurrent_unit unit = ctc_recurrent_unit_at(&at, i, first, last);
    const float *bias = inner_bias ? inner_bias + unit.direction * hidden : inner_bias;
    if (reset)
      ctc_recurrent_product(&at, unit, reset + ctc_recurrent_row(&at, unit, 0), r, 2);
    else
      ctc_recurrent_products(&at, unit, r, 3 - gates, 3);
    for (ctc_dim b = 0; b < batch; b++) {
      const ctc_recurrent_step cell = ctc_recurrent_at(&at, unit, b);
#define CTC_CALL(j, count) ctc_gru_cell(&cell, bias, reset == NULL, hidden, j, count)
      if (cell.time >= 0) CTC_EACH_VECTOR(unit, CTC_CALL)
#undef CTC_CALL
      ctc_recurrent_put(&cell, unit);
    }
  }
}

/* A step of an RNN: h = tanh(x W + h R + bias). */
static CTC_KERNEL void ctc_rnn_step_f32(const float *x, const float *r, const int32_t *lengths,
                                        const float *states, float *y, float *next_states,
                                        float *products, ctc_dim steps, ctc_dim directions,
                                        ctc_dim batch, ctc_dim hidden, ctc_dim x_time,
                                        ctc_dim x_batch, ctc_dim y_time, ctc_dim y_batch,
                                        ctc_dim y_direction, ctc_dim reversed, ctc_dim step,
                                        ctc_dim first, ctc_dim last) {
  const ctc_recurrence at = {x,       lengths, states, y,       next_states, products,
                             steps,   directions, batch, hidden, 1,          x_time,
                             x_batch, y_time, y_batch, y_direction, reversed, step};
  for (ctc_dim i = first; i < last; i++) {
    const ctc_recurrent_unit unit = ctc_recurrent_unit_at(&at, i, first, last);
    ctc_recurrent_products(&at, unit, r, 0, 1);
    for (ctc_dim b = 0; b < batch; b++) {
      const ctc_recurrent_step cell = ctc_recurrent_at(&at, unit, b);
#define CTC_CALL(j, count)                                                                         \
  ctc_v_store_n(cell.next + (j), ctc_tanh_v(ctc_recurrent_gate(&cell, hidden, 0, j, count)), count)
      if (cell.time >= 0) CTC_EACH_VECTOR(unit, CTC_CALL)
#undef CTC_CALL
      ctc_recurrent_put(&cell, unit);
    }
  }
}
