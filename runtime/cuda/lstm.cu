/* lstm.cu: a time step of a recurrent layer in f32 (runtime/lstm.c, for where things lie).
 *
 * A block has a few hidden units of a direction and up to 8 sequences. A lane has one unit of one
 * gate, so that a warp reads whole 32-byte sectors of the panels of R; the depth is split over the
 * warps, and their sums are added in shared memory in the order of the warps. The weights of a
 * piece of the depth are loaded before the block waits for the states. */

enum { ctc_lstm_step_f32_threads = 256 };
enum { ctc_gru_reset_f32_threads = 256 };
enum { ctc_gru_step_f32_threads = 256 };
enum { ctc_rnn_step_f32_threads = 256 };

enum {
  CTC_RECURRENT_WARPS = 8,
  CTC_RECURRENT_BATCH = 8,   /* the most sequences of a block */
  CTC_RECURRENT_DEPTH = 256, /* of the states in shared memory: 32 a warp */
  CTC_RECURRENT_PANEL = 32   /* columns of a panel of R */
};

/* Shared memory of a block. */
typedef struct {
  float states[CTC_RECURRENT_BATCH * CTC_RECURRENT_DEPTH];
  float parts[CTC_RECURRENT_WARPS * CTC_RECURRENT_BATCH * 32];
  float sums[CTC_RECURRENT_BATCH * 32]; /* [sequence][gate][unit] */
} ctc_recurrent_room;

/* Hidden units of a block for which `gates` gates are multiplied. */
CTC_BOTH ctc_dim ctc_recurrent_units(ctc_dim gates) {
  return gates == 1 ? 32 : gates == 2 ? 16 : 8;
}

/* Sequences of a block. */
CTC_BOTH ctc_dim ctc_recurrent_group(ctc_dim batch) {
  return batch == 1 ? 1 : CTC_RECURRENT_BATCH;
}

CTC_BOTH ctc_dim ctc_recurrent_grid(ctc_dim directions, ctc_dim batch, ctc_dim hidden,
                                    ctc_dim gates) {
  const ctc_dim units = ctc_recurrent_units(gates), group = ctc_recurrent_group(batch);
  return directions * ((hidden + units - 1) / units) * ((batch + group - 1) / group);
}

static ctc_dim ctc_lstm_step_f32_blocks(ctc_dim directions, ctc_dim batch, ctc_dim hidden) {
  return ctc_recurrent_grid(directions, batch, hidden, 4);
}

static ctc_dim ctc_gru_reset_f32_blocks(ctc_dim directions, ctc_dim batch, ctc_dim hidden) {
  return ctc_recurrent_grid(directions, batch, hidden, 2);
}

static ctc_dim ctc_gru_step_f32_blocks(ctc_dim directions, ctc_dim batch, ctc_dim hidden,
                                       ctc_dim gates) {
  return ctc_recurrent_grid(directions, batch, hidden, gates);
}

static ctc_dim ctc_rnn_step_f32_blocks(ctc_dim directions, ctc_dim batch, ctc_dim hidden) {
  return ctc_recurrent_grid(directions, batch, hidden, 1);
}

/* The part of a layer that a block has, and how all of it is laid out (runtime/lstm.c). */
typedef struct {
  ctc_dim steps, directions, batch, hidden, gates, x_time, x_batch, y_time, y_batch, y_direction;
  ctc_dim reversed, step;
  ctc_dim direction, sequence, unit; /* the first ones */
} ctc_recurrent_part;

/* The block's part; `multiplied` of the gates are. */
CTC_DEVICE void ctc_recurrent_place(ctc_recurrent_part *part, ctc_dim multiplied) {
  const ctc_dim units = ctc_recurrent_units(multiplied), block = (ctc_dim)blockIdx.x;
  const ctc_dim groups = (part->hidden + units - 1) / units, rest = block / groups;
  const ctc_dim group = ctc_recurrent_group(part->batch);
  part->unit = block % groups * units;
  part->direction = rest % part->directions;
  part->sequence = rest / part->directions * group;
}

/* The number of sequence b of the direction among the rows of states, cells and products. */
CTC_DEVICE ctc_dim ctc_recurrent_index(const ctc_recurrent_part &part, ctc_dim b) {
  return part.direction * part.batch + b;
}

/* The states before the step, or after it. */
CTC_DEVICE ctc_dim ctc_recurrent_half(const ctc_recurrent_part &part, ctc_dim after) {
  const ctc_dim half = part.directions * part.batch * part.hidden;
  return (part.step + after) % 2 * half;
}

/* room.states[b][k - from] of the block's sequences from h, zeros behind the last sequence and the
 * depth. */
template <int BATCH>
CTC_DEVICE void ctc_recurrent_take(const ctc_recurrent_part &part, const float *h, float *states,
                                   ctc_dim from) {
  for (int at = (int)threadIdx.x; at < BATCH * CTC_RECURRENT_DEPTH;
       at += 32 * CTC_RECURRENT_WARPS) {
    const ctc_dim b = part.sequence + at / CTC_RECURRENT_DEPTH;
    const ctc_dim k = from + at % CTC_RECURRENT_DEPTH;
    states[at] = b < part.batch && k < part.hidden
                     ? h[ctc_recurrent_index(part, b) * part.hidden + k]
                     : 0.0f;
  }
}

/* room.sums = the products of h [directions, batch, hidden] with the block's units of GATES gates
 * of R, of which `first` is the first one. */
template <int BATCH, int GATES>
CTC_DEVICE void ctc_recurrent_multiply(const ctc_recurrent_part &part, const float *h,
                                       const float *r, ctc_dim first, ctc_recurrent_room *room) {
  const int units = GATES == 1 ? 32 : GATES == 2 ? 16 : 8;
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  const ctc_dim panels = (part.hidden + CTC_RECURRENT_PANEL - 1) / CTC_RECURRENT_PANEL;
  const ctc_dim gate = part.direction * part.gates + first + lane / units;
  const ctc_dim unit = part.unit + lane % units;
  const bool there = lane / units < GATES && unit < part.hidden;
  const float *column =
      r + (gate * panels + unit / CTC_RECURRENT_PANEL) * CTC_RECURRENT_PANEL * part.hidden +
      unit % CTC_RECURRENT_PANEL;
  float acc[BATCH];
#pragma unroll
  for (int b = 0; b < BATCH; b++) acc[b] = 0;
  for (ctc_dim from = 0; from < part.hidden; from += CTC_RECURRENT_DEPTH) {
    const ctc_dim k = from + warp * 32;
    float weight[32];
#pragma unroll
    for (int i = 0; i < 32; i++)
      weight[i] = there && k + i < part.hidden ? column[(k + i) * CTC_RECURRENT_PANEL] : 0.0f;
    __syncthreads();
    ctc_recurrent_take<BATCH>(part, h, room->states, from);
    __syncthreads();
#pragma unroll
    for (int b = 0; b < BATCH; b++) {
      const float *state = room->states + b * CTC_RECURRENT_DEPTH + warp * 32;
#pragma unroll
      for (int i = 0; i < 32; i++) acc[b] += weight[i] * state[i];
    }
  }
#pragma unroll
  for (int b = 0; b < BATCH; b++) room->parts[(warp * BATCH + b) * 32 + lane] = acc[b];
  __syncthreads();
  for (int at = (int)threadIdx.x; at < BATCH * 32; at += 32 * CTC_RECURRENT_WARPS) {
    float sum = 0;
#pragma unroll
    for (int w = 0; w < CTC_RECURRENT_WARPS; w++) sum += room->parts[w * BATCH * 32 + at];
    room->sums[at] = sum;
  }
  __syncthreads();
}

/* The products for one sequence or up to 8. */
template <int GATES>
CTC_DEVICE void ctc_recurrent_products_of(const ctc_recurrent_part &part, const float *h,
                                          const float *r, ctc_dim first, ctc_recurrent_room *room) {
  if (part.batch == 1)
    ctc_recurrent_multiply<1, GATES>(part, h, r, first, room);
  else
    ctc_recurrent_multiply<CTC_RECURRENT_BATCH, GATES>(part, h, r, first, room);
}

/* What a thread has of a step: hidden unit j of sequence b; `time` is -1 after its end. */
typedef struct {
  ctc_dim b, j, time, x, state, y; /* x, state, y: of gate 0 of j in these arrays */
  const float *sums;               /* of gate 0; gates are `units` apart */
} ctc_recurrent_cell;

/* Cell number `at` of a block with `units` units; false if there is none. */
CTC_DEVICE bool ctc_recurrent_cell_at(const ctc_recurrent_part &part, const int32_t *lengths,
                                      const ctc_recurrent_room *room, int at, int units,
                                      ctc_recurrent_cell *cell) {
  const ctc_dim group = ctc_recurrent_group(part.batch);
  cell->b = part.sequence + at / units;
  cell->j = part.unit + at % units;
  if (at >= group * units || cell->b >= part.batch || cell->j >= part.hidden) return false;
  cell->time =
      ctc_rnn_time(lengths, cell->b, part.step, part.steps, part.reversed + part.direction);
  cell->x = (cell->time < 0 ? 0 : cell->time) * part.x_time + cell->b * part.x_batch +
            part.direction * part.gates * part.hidden + cell->j;
  cell->y = (cell->time < 0 ? part.step : cell->time) * part.y_time + cell->b * part.y_batch +
            part.direction * part.y_direction + cell->j;
  cell->state = ctc_recurrent_index(part, cell->b) * part.hidden + cell->j;
  cell->sums = room->sums + at / units * 32 + at % units;
  return true;
}

/* The output and the new state: the old one and 0 after the end of a sequence. */
CTC_DEVICE void ctc_recurrent_store(const ctc_recurrent_part &part, const ctc_recurrent_cell &cell,
                                    const float *states, float value, float *y,
                                    float *next_states) {
  const float old = states[ctc_recurrent_half(part, 0) + cell.state];
  next_states[ctc_recurrent_half(part, 1) + cell.state] = cell.time < 0 ? old : value;
  if (y) y[cell.y] = cell.time < 0 ? 0.0f : value;
}

CTC_DEVICE float ctc_recurrent_sigmoid(float x) {
  return 1.0f / (1.0f + expf(-x));
}

/* A step of an LSTM: 8 hidden units with their 4 gates a block. `products` is not used. */
CTC_DEVICE void ctc_lstm_step_f32(const float *x, const float *r, const int32_t *lengths,
                                  const float *states, const float *cells_before, float *y,
                                  float *next_states, float *cells, float *products, ctc_dim steps,
                                  ctc_dim directions, ctc_dim batch, ctc_dim hidden, ctc_dim x_time,
                                  ctc_dim x_batch, ctc_dim y_time, ctc_dim y_batch,
                                  ctc_dim y_direction, ctc_dim reversed, ctc_dim step) {
  __shared__ ctc_recurrent_room room;
  ctc_recurrent_part part = {steps,   directions,  batch,    hidden, 4, x_time, x_batch, y_time,
                             y_batch, y_direction, reversed, step,   0, 0,      0};
  ctc_recurrent_cell cell;
  (void)cells_before, (void)products;
  ctc_recurrent_place(&part, 4);
  ctc_recurrent_products_of<4>(part, states + ctc_recurrent_half(part, 0), r, 0, &room);
  if (!ctc_recurrent_cell_at(part, lengths, &room, (int)threadIdx.x, 8, &cell)) return;
  const float *in = x + cell.x;
  const float *sums = cell.sums;
  float h = 0;
  if (cell.time >= 0) {
    const float take = ctc_recurrent_sigmoid(in[0] + sums[0]);
    const float out = ctc_recurrent_sigmoid(in[hidden] + sums[8]);
    const float keep = ctc_recurrent_sigmoid(in[2 * hidden] + sums[16]);
    const float c = keep * cells[cell.state] + take * tanhf(in[3 * hidden] + sums[24]);
    cells[cell.state] = c;
    h = out * tanhf(c);
  }
  ctc_recurrent_store(part, cell, states, h, y, next_states);
}

/* The gates z and r of a GRU's step and reset = r * h: 16 hidden units a block. */
CTC_DEVICE void ctc_gru_reset_f32(const float *x, const float *r, const int32_t *lengths,
                                  const float *states, float *reset, float *products, ctc_dim steps,
                                  ctc_dim directions, ctc_dim batch, ctc_dim hidden, ctc_dim x_time,
                                  ctc_dim x_batch, ctc_dim reversed, ctc_dim step) {
  __shared__ ctc_recurrent_room room;
  ctc_recurrent_part part = {steps, directions, batch,    hidden, 3, x_time, x_batch, 0,
                             0,     0,          reversed, step,   0, 0,      0};
  ctc_recurrent_cell cell;
  ctc_recurrent_place(&part, 2);
  const float *h = states + ctc_recurrent_half(part, 0);
  ctc_recurrent_products_of<2>(part, h, r, 0, &room);
  if (!ctc_recurrent_cell_at(part, lengths, &room, (int)threadIdx.x, 16, &cell)) return;
  products[ctc_recurrent_index(part, cell.b) * 3 * hidden + cell.j] = cell.sums[0];
  reset[cell.state] = ctc_recurrent_sigmoid(x[cell.x + hidden] + cell.sums[16]) * h[cell.state];
}

/* A step of a GRU. With `reset` the products of gate z are those of ctc_gru_reset_f32 and a block
 * has 32 hidden units; otherwise 8 with their 3 gates. */
CTC_DEVICE void ctc_gru_step_f32(const float *x, const float *r, const int32_t *lengths,
                                 const float *states, const float *reset, const float *inner_bias,
                                 const float *products_before, float *y, float *next_states,
                                 float *products, ctc_dim steps, ctc_dim directions, ctc_dim batch,
                                 ctc_dim hidden, ctc_dim x_time, ctc_dim x_batch, ctc_dim y_time,
                                 ctc_dim y_batch, ctc_dim y_direction, ctc_dim reversed,
                                 ctc_dim step, ctc_dim gates) {
  __shared__ ctc_recurrent_room room;
  ctc_recurrent_part part = {steps,   directions,  batch,    hidden, 3, x_time, x_batch, y_time,
                             y_batch, y_direction, reversed, step,   0, 0,      0};
  ctc_recurrent_cell cell;
  (void)products_before;
  ctc_recurrent_place(&part, gates);
  const float *h = states + ctc_recurrent_half(part, 0);
  if (gates == 1)
    ctc_recurrent_products_of<1>(part, reset, r, 2, &room);
  else
    ctc_recurrent_products_of<3>(part, h, r, 0, &room);
  const int units = gates == 1 ? 32 : 8;
  if (!ctc_recurrent_cell_at(part, lengths, &room, (int)threadIdx.x, units, &cell)) return;
  const float *in = x + cell.x;
  const float *before = products + ctc_recurrent_index(part, cell.b) * 3 * hidden + cell.j;
  const float update = ctc_recurrent_sigmoid(in[0] + (gates == 1 ? before[0] : cell.sums[0]));
  float inner = gates == 1 ? cell.sums[0] : cell.sums[16];
  if (inner_bias) inner += inner_bias[part.direction * hidden + cell.j];
  if (gates != 1) inner *= ctc_recurrent_sigmoid(in[hidden] + cell.sums[8]);
  const float next = tanhf(in[2 * hidden] + inner);
  ctc_recurrent_store(part, cell, states, next + update * (h[cell.state] - next), y, next_states);
}

/* A step of an RNN: 32 hidden units a block. `products` is not used. */
CTC_DEVICE void ctc_rnn_step_f32(const float *x, const float *r, const int32_t *lengths,
                                 const float *states, float *y, float *next_states, float *products,
                                 ctc_dim steps, ctc_dim directions, ctc_dim batch, ctc_dim hidden,
                                 ctc_dim x_time, ctc_dim x_batch, ctc_dim y_time, ctc_dim y_batch,
                                 ctc_dim y_direction, ctc_dim reversed, ctc_dim step) {
  __shared__ ctc_recurrent_room room;
  ctc_recurrent_part part = {steps,   directions,  batch,    hidden, 1, x_time, x_batch, y_time,
                             y_batch, y_direction, reversed, step,   0, 0,      0};
  ctc_recurrent_cell cell;
  (void)products;
  ctc_recurrent_place(&part, 1);
  ctc_recurrent_products_of<1>(part, states + ctc_recurrent_half(part, 0), r, 0, &room);
  if (!ctc_recurrent_cell_at(part, lengths, &room, (int)threadIdx.x, 32, &cell)) return;
  ctc_recurrent_store(part, cell, states, tanhf(x[cell.x] + cell.sums[0]), y, next_states);
}
