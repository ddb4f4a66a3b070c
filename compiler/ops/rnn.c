/* rnn.c: RNN, GRU, LSTM and com.microsoft's DynamicQuantizeLSTM.
 *
 * A layer becomes, for each direction, a matrix product of the whole input with W, and a kernel
 * that runs over the time steps. W and R are turned while compiling where they are constants.
 *
 * Layers in f32 with the usual activations have kernels of their own (runtime/lstm.c): W and R in
 * panels, one product for the inputs of all directions, and a loop of steps of which each is shared
 * by the threads. */
#include "ops/gemm_packed.h"
#include "ops/matmul.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* --- the three layers as data --- */

/* What a layer is made of. */
typedef struct {
  const char *kernel;
  int gates;     /* blocks of W, R and the bias */
  int functions; /* activations of one direction */
  const char *defaults[3];
  bool has_cell;                   /* a second state */
  int scratch_rows, scratch_extra; /* scratch memory: (rows * batch + extra) * hidden */
  const char *step;                /* the kernel for one time step, with R in panels */
} Layer;

static const Layer layer_rnn = {"rnn", 1, 1, {"Tanh", NULL, NULL}, false, 2, 1, "rnn_step"};
static const Layer layer_gru = {"gru", 3, 2, {"Sigmoid", "Tanh", NULL}, false, 6, 3, "gru_step"};
static const Layer layer_lstm = {"lstm", 4, 3, {"Sigmoid", "Tanh", "Tanh"},
                                 true,   7, 4, "lstm_step"};

/* Positions of inputs; the last four are those of DynamicQuantizeLSTM. */
enum {
  IN_X,
  IN_W,
  IN_R,
  IN_BIAS,
  IN_LENGTHS,
  IN_H0,
  IN_C0,
  IN_PEEPHOLE,
  IN_W_SCALE,
  IN_W_ZERO,
  IN_R_SCALE,
  IN_R_ZERO
};

/* An activation function: its code in runtime/rnn.c and which numbers it takes from
 * activation_alpha and activation_beta. */
typedef struct {
  const char *name;
  int code; /* CTC_RNN_… */
  bool has_alpha, has_beta;
  float alpha, beta;
} Activation;

static const Activation activations[] = {
    {"Tanh", 0, false, false, 0, 0},         {"Sigmoid", 1, false, false, 0, 0},
    {"Relu", 2, false, false, 0, 0},         {"Affine", 3, true, true, 1, 0},
    {"LeakyRelu", 4, true, false, 0.01f, 0}, {"ThresholdedRelu", 5, true, false, 1, 0},
    {"ScaledTanh", 6, true, true, 1, 1},     {"HardSigmoid", 7, true, true, 0.2f, 0.5f},
    {"Elu", 8, true, false, 1, 0},           {"Softsign", 9, false, false, 0, 0},
    {"Softplus", 10, false, false, 0, 0},
};

enum { ACTIVATION_COUNT = sizeof activations / sizeof *activations, MOST_FUNCTIONS = 6 };

/* What a node says, apart from its inputs. */
typedef struct {
  const Layer *layer;
  int directions;
  bool first_reversed, batch_first;
  Dim steps, batch, input, hidden;
  int64_t functions[MOST_FUNCTIONS];
  float tuning[MOST_FUNCTIONS][2];
  bool tuned; /* some function has an alpha or beta */
} Recurrence;

/* --- attributes --- */

static bool read_direction(Compilation *c, const Node *node, Recurrence *r) {
  const char *direction = node_string(node, "direction", "forward");
  r->first_reversed = strcmp(direction, "reverse") == 0;
  r->directions = strcmp(direction, "bidirectional") == 0 ? 2 : 1;
  if (r->directions == 2 || r->first_reversed || strcmp(direction, "forward") == 0) return true;
  node_error(c, node, "direction '%s' is unknown", direction);
  return diag_hint(c->diag, "it can be forward, reverse or bidirectional");
}

static const Activation *find_activation(const char *name) {
  for (int i = 0; i < ACTIVATION_COUNT; i++)
    if (strcasecmp(activations[i].name, name) == 0) return &activations[i];
  return NULL;
}

/* The next number of a list, or the default behind its end. */
static float take(const float *list, size_t count, size_t *next, float missing) {
  return *next < count ? list[(*next)++] : missing;
}

static bool read_functions(Compilation *c, const Node *node, Recurrence *r) {
  const Attr *names = node_attr(node, "activations");
  int wanted = r->directions * r->layer->functions;
  size_t alpha_count, beta_count, next_alpha = 0, next_beta = 0;
  const float *alphas = node_floats(node, "activation_alpha", &alpha_count);
  const float *betas = node_floats(node, "activation_beta", &beta_count);
  if (names && names->count &&
      (int)names->count < wanted) /* RNN's default has more than it needs */
    return node_error(c, node, "activations has %zu names, but %d are needed", names->count,
                      wanted);
  for (int i = 0; i < wanted; i++) {
    const char *name =
        names && names->count ? names->strings[i] : r->layer->defaults[i % r->layer->functions];
    const Activation *found = find_activation(name);
    if (!found) return node_error(c, node, "the activation '%s' is not supported", name);
    r->functions[i] = found->code;
    r->tuned = r->tuned || found->has_alpha;
    r->tuning[i][0] = found->has_alpha ? take(alphas, alpha_count, &next_alpha, found->alpha) : 0;
    r->tuning[i][1] = found->has_beta ? take(betas, beta_count, &next_beta, found->beta) : 0;
  }
  return true;
}

/* From R, the rows of W or the attribute, whichever knows it: a constant W is packed by it. */
static Dim hidden_size(Compilation *c, const Node *node, int gates, bool turned) {
  Dim size = node_in(node, IN_R)->shape[turned ? 1 : 2];
  Dim rows = node_in(node, IN_W)->shape[turned ? 2 : 1];
  int64_t given = dim_is_const(rows) ? dim_value(rows) / gates : node_int(node, "hidden_size", 0);
  return given > 0 ? dim_known(size, dim_const(c->dims, given)) : size;
}

static bool read_recurrence(Compilation *c, const Node *node, Recurrence *r) {
  *r = (Recurrence){.layer = node->op->row, .batch_first = node_int(node, "layout", 0) != 0};
  const Value *x = node_in(node, IN_X), *w = node_in(node, IN_W), *recurrent = node_in(node, IN_R);
  if (x->rank != 3 || recurrent->rank != 3 || w->rank != 3)
    return node_error(c, node, "X, W and R must have three dims");
  bool turned =
      node_in(node, IN_W_SCALE) != NULL; /* quantised: R is [directions, hidden, gates * hidden] */
  r->steps = x->shape[r->batch_first];
  r->batch = x->shape[!r->batch_first];
  r->input = dim_known(x->shape[2], w->shape[turned ? 1 : 2]);
  r->hidden = hidden_size(c, node, r->layer->gates, turned);
  return read_direction(c, node, r) && read_functions(c, node, r);
}

/* --- inference --- */

static bool check_weights(Compilation *c, const Node *node, const Recurrence *r) {
  const Value *w = node_in(node, IN_W), *recurrent = node_in(node, IN_R);
  bool turned = node_in(node, IN_W_SCALE) != NULL;
  int rows = turned ? 2 : 1, cols = turned ? 1 : 2;
  Dim directions = dim_const(c->dims, r->directions);
  Dim gates = dim_muli(c->dims, r->hidden, r->layer->gates);
  return infer_require_equal(c, node, w->shape[0], directions,
                             "the directions and the first dim of W") &&
         infer_require_equal(c, node, recurrent->shape[0], directions,
                             "the directions and the first dim of R") &&
         infer_require_equal(c, node, w->shape[rows], gates,
                             "the rows of W and the size of all gates") &&
         infer_require_equal(c, node, recurrent->shape[rows], gates,
                             "the rows of R and the size of all gates") &&
         infer_require_equal(c, node, recurrent->shape[cols], r->hidden,
                             "the columns of R and the size of the hidden state") &&
         infer_require_equal(c, node, w->shape[cols], node_in(node, IN_X)->shape[2],
                             "the columns of W and the last dim of X");
}

static bool infer_recurrent(Compilation *c, Node *node) {
  Recurrence r;
  DType dtype = node_in(node, IN_X)->dtype;
  if (!read_recurrence(c, node, &r) || !check_weights(c, node, &r)) return false;
  if (!kernel_find_typed(r.layer->kernel, compute_dtype(dtype)))
    return node_error(c, node, "%s is not supported", dtype_info(dtype)->name);
  Dim directions = dim_const(c->dims, r.directions);
  Dim all[] = {r.steps, directions, r.batch, r.hidden};
  Dim all_batch_first[] = {r.batch, r.steps, directions, r.hidden};
  Dim last[] = {directions, r.batch, r.hidden},
      last_batch_first[] = {r.batch, directions, r.hidden};
  if (node_out(node, 0))
    value_set_type(c, node_out(node, 0), dtype, 4, r.batch_first ? all_batch_first : all);
  for (int i = 1; i <= 1 + r.layer->has_cell; i++)
    if (node_out(node, i))
      value_set_type(c, node_out(node, i), dtype, 3, r.batch_first ? last_batch_first : last);
  return true;
}

/* --- lowering --- */

/* The buffers of a layer; the weights are [directions, rows, gates * hidden]. */
typedef struct {
  DType dtype;
  Buffer *x, *w, *recurrent, *bias, *lengths, *h0, *c0, *peephole, *tuning;
  Buffer *y, *yh, *yc;
  Buffer *product, *scratch; /* X * W, memory of the kernel */
} LayerBuffers;

static Buffer *optional_input(Lower *l, const Node *node, int input, DType dtype) {
  const Value *value = node_in(node, input);
  return value ? compute_input(l, value, dtype) : NULL;
}

static Buffer *optional_output(Lower *l, const Node *node, int output, DType dtype) {
  const Value *value = node_out(node, output);
  return value ? compute_output(l, value, dtype) : NULL;
}

/* Whether the bias is known to be nothing but zeros. */
static bool all_zero(const Value *value) {
  if (!value || !value->constant) return value == NULL;
  for (int64_t i = 0; i < value->constant->count; i++)
    if (tensor_real(value->constant, i) != 0) return false;
  return true;
}

static Buffer *tuning_constant(Lower *l, const Recurrence *r, DType dtype) {
  if (!r->tuned) return NULL;
  void *data;
  int64_t count = (int64_t)r->directions * r->layer->functions * 2;
  Tensor *tensor = tensor_create(l->c->arena, DT_F32, 1, &count, &data);
  memcpy(data, r->tuning, (size_t)count * sizeof(float));
  return lower_constant(l, tensor_as(l->c->arena, tensor, dtype), "activation parameters");
}

static void make_buffers(Lower *l, const Node *node, const Recurrence *r, LayerBuffers *b) {
  DimPool *p = l->c->dims;
  DType dtype = b->dtype;
  Dim gates = dim_muli(p, r->hidden, r->layer->gates);
  b->bias = all_zero(node_in(node, IN_BIAS)) ? NULL : optional_input(l, node, IN_BIAS, dtype);
  b->lengths = node_in(node, IN_LENGTHS) ? lower_buffer(l, node_in(node, IN_LENGTHS)) : NULL;
  b->h0 = optional_input(l, node, IN_H0, dtype);
  b->c0 = r->layer->has_cell ? optional_input(l, node, IN_C0, dtype) : NULL;
  b->peephole = r->layer->has_cell ? optional_input(l, node, IN_PEEPHOLE, dtype) : NULL;
  b->tuning = tuning_constant(l, r, dtype);
  b->y = optional_output(l, node, 0, dtype);
  b->yh = optional_output(l, node, 1, dtype);
  b->yc = r->layer->has_cell ? optional_output(l, node, 2, dtype) : NULL;
  b->product = lower_scratch(l, dtype, dim_mul(p, dim_mul(p, r->steps, r->batch), gates), "x * W");
  Dim rows = dim_addi(p, dim_muli(p, r->batch, r->layer->scratch_rows), r->layer->scratch_extra);
  b->scratch = lower_scratch(l, dtype, dim_mul(p, rows, r->hidden), "state");
}

/* product = X * W of one direction. */
static void lower_input_product(Lower *l, const Recurrence *r, const LayerBuffers *b,
                                Dim direction) {
  DimPool *p = l->c->dims;
  Dim gates = dim_muli(p, r->hidden, r->layer->gates);
  Step *step = lower_kernel(l, "matmul", b->dtype);
  arg_buffer(l, step, b->x);
  arg_buffer_at(l, step, b->w, dim_mul(p, direction, dim_mul(p, r->input, gates)));
  arg_buffer(l, step, b->product);
  arg_dim(l, step, dim_mul(p, r->steps, r->batch));
  arg_dim(l, step, gates);
  arg_dim(l, step, r->input);
}

/* Argument: the part of `buffer` that belongs to a direction, `size` elements each. */
static void arg_part(Lower *l, Step *step, Buffer *buffer, Dim direction, Dim size) {
  arg_buffer_at(l, step, buffer, buffer ? dim_mul(l->c->dims, direction, size) : NULL);
}

static void arg_tensors(Lower *l, Step *step, const Recurrence *r, const LayerBuffers *b,
                        Dim direction) {
  DimPool *p = l->c->dims;
  Dim gates = dim_muli(p, r->hidden, r->layer->gates);
  Dim state = r->batch_first ? r->hidden : dim_mul(p, r->batch, r->hidden);
  arg_buffer(l, step, b->product);
  arg_part(l, step, b->recurrent, direction, dim_mul(p, r->hidden, gates));
  arg_part(l, step, b->bias, direction, dim_muli(p, gates, 2));
  arg_buffer(l, step, b->lengths);
  arg_part(l, step, b->h0, direction, state);
  if (r->layer->has_cell) {
    arg_part(l, step, b->c0, direction, state);
    arg_part(l, step, b->peephole, direction, dim_muli(p, r->hidden, 3));
  }
  arg_part(l, step, b->y, direction, state);
  arg_part(l, step, b->yh, direction, state);
  if (r->layer->has_cell) arg_part(l, step, b->yc, direction, state);
  arg_buffer(l, step, b->scratch);
}

/* Sizes and distances: steps, batch, hidden, x_time, x_batch, y_time, y_batch, state_row. */
static void arg_layout(Lower *l, Step *step, const Recurrence *r) {
  DimPool *p = l->c->dims;
  Dim gates = dim_muli(p, r->hidden, r->layer->gates);
  Dim row = dim_muli(p, r->hidden, r->directions);
  arg_dim(l, step, r->steps);
  arg_dim(l, step, r->batch);
  arg_dim(l, step, r->hidden);
  arg_dim(l, step, r->batch_first ? gates : dim_mul(p, r->batch, gates));
  arg_dim(l, step, r->batch_first ? dim_mul(p, r->steps, gates) : gates);
  arg_dim(l, step, r->batch_first ? row : dim_mul(p, r->batch, row));
  arg_dim(l, step, r->batch_first ? dim_mul(p, r->steps, row) : r->hidden);
  arg_dim(l, step, r->batch_first ? row : r->hidden);
}

static void lower_direction(Lower *l, const Node *node, const Recurrence *r, const LayerBuffers *b,
                            int index) {
  Dim direction = dim_const(l->c->dims, index);
  lower_input_product(l, r, b, direction);
  Step *step = lower_kernel(l, r->layer->kernel, b->dtype);
  arg_tensors(l, step, r, b, direction);
  arg_layout(l, step, r);
  arg_int(l, step, r->first_reversed || index == 1);
  arg_real(l, step, node_float(node, "clip", 0.0f));
  arg_ints(l, step, r->functions + index * r->layer->functions, r->layer->functions);
  arg_part(l, step, b->tuning, direction, dim_const(l->c->dims, r->layer->functions * 2));
}

/* The arguments behind those that all layers share. */
static void arg_rest(Lower *l, const Node *node, const Recurrence *r, bool rounded) {
  Step *step = l->block->steps.items[l->block->steps.count - 1];
  if (r->layer == &layer_gru) arg_int(l, step, node_int(node, "linear_before_reset", 0) != 0);
  if (r->layer != &layer_lstm) return;
  arg_int(l, step, node_int(node, "input_forget", 0) != 0);
  arg_int(l, step, rounded);
}

/* Steps of both directions, and the conversion of the outputs. b->x, w and recurrent are set. */
static void lower_directions(Lower *l, const Node *node, const Recurrence *r, LayerBuffers *b,
                             bool rounded) {
  make_buffers(l, node, r, b);
  for (int i = 0; i < r->directions; i++) {
    lower_direction(l, node, r, b, i);
    arg_rest(l, node, r, rounded);
  }
  if (b->y) compute_done(l, node_out(node, 0), b->y);
  if (b->yh) compute_done(l, node_out(node, 1), b->yh);
  if (b->yc) compute_done(l, node_out(node, 2), b->yc);
}

/* --- by panels --- */

static bool usual_functions(const Recurrence *r) {
  for (int i = 0; i < r->directions * r->layer->functions; i++)
    if (find_activation(r->layer->defaults[i % r->layer->functions])->code != r->functions[i])
      return false;
  return true;
}

static bool takes_panels(const Node *node, const Recurrence *r) {
  const Value *bias = node_in(node, IN_BIAS);
  return compute_dtype(node_in(node, IN_X)->dtype) == DT_F32 && usual_functions(r) &&
         node_float(node, "clip", 0.0f) == 0.0f && node_int(node, "input_forget", 0) == 0 &&
         !(r->layer->has_cell && node_in(node, IN_PEEPHOLE)) &&
         (!bias || (bias->constant && dim_is_const(r->hidden)));
}

/* Parts [from, to) of `hidden` numbers of each direction's bias, as one constant; the part as far
 * behind the biases of W that belongs to R is added to those below `both`. */
static Buffer *bias_part(Lower *l, const Node *node, const Recurrence *r, int from, int to,
                         int both) {
  const Tensor *bias = tensor_as(l->c->arena, node_in(node, IN_BIAS)->constant, DT_F32);
  int64_t hidden = dim_value(r->hidden), row = 2 * r->layer->gates * hidden;
  int64_t width = (to - from) * hidden, count = r->directions * width;
  void *data;
  Tensor *sum = tensor_create(l->c->arena, DT_F32, 1, &count, &data);
  for (int64_t i = 0; i < count; i++) {
    const float *own = (const float *)bias->data + i / width * row + from * hidden + i % width;
    ((float *)data)[i] = own[0];
    if (i % width < both * hidden) ((float *)data)[i] += own[r->layer->gates * hidden];
  }
  return lower_constant(l, sum, node_in(node, IN_BIAS)->name);
}

/* to[rows x n] = product + bias */
static void add_bias(Lower *l, Buffer *product, Buffer *bias, Buffer *to, Dim rows, Dim n) {
  Dim one = dim_const(l->c->dims, 1), zero = dim_const(l->c->dims, 0);
  Dim extent[] = {rows, n}, stride[] = {n, one}, column[] = {zero, one};
  LoopNest *nest = lower_nest(l, 2, extent);
  Operand terms[] = {nest_load_at(l, nest, product, NULL, stride),
                     nest_load_at(l, nest, bias, NULL, column)};
  nest_store_at(l, nest, to, NULL, stride, nest_apply(l, nest, "add", DT_F32, terms, 2));
}

/* X * W + bias for all directions, [rows of X, directions * gates * hidden]. linear: a GRU whose
 * last bias of R stays with its product. */
static Buffer *lower_inputs(Lower *l, const Node *node, const Recurrence *r, bool linear) {
  DimPool *p = l->c->dims;
  Dim one = dim_const(p, 1), zero = dim_const(p, 0);
  Dim n = dim_muli(p, r->hidden, r->layer->gates * r->directions);
  ProductSizes sizes = {dim_mul(p, r->steps, r->batch), n, r->input, one, one};
  Matrices x = {compute_input(l, node_in(node, IN_X), DT_F32), NULL, r->input, one, zero, zero};
  Matrices w = {compute_input(l, node_in(node, IN_W), DT_F32), NULL, one, r->input, zero, zero};
  Matrices y = {.row = n, .col = one, .outer = zero, .inner = zero};
  y.buffer = lower_scratch(l, DT_F32, dim_mul(p, sizes.m, n), "x * W");
  lower_product(l, &sizes, &x, &w, &y);
  if (all_zero(node_in(node, IN_BIAS))) return y.buffer;
  Buffer *sum = lower_scratch(l, DT_F32, y.buffer->count, "x * W + bias");
  int gates = r->layer->gates;
  add_bias(l, y.buffer, bias_part(l, node, r, 0, gates, linear ? gates - 1 : gates), sum, sizes.m,
           n);
  return sum;
}

/* R, each gate of each direction as a matrix of its own. */
static Panels recurrent_panels(Lower *l, const Node *node, const Recurrence *r) {
  DimPool *p = l->c->dims;
  Dim one = dim_const(p, 1);
  Matrices b = {.buffer = compute_input(l, node_in(node, IN_R), DT_F32),
                .row = one,
                .col = r->hidden,
                .outer = dim_const(p, 0),
                .inner = dim_mul(p, r->hidden, r->hidden)};
  ProductSizes sizes = {.n = r->hidden,
                        .k = r->hidden,
                        .outer = one,
                        .inner = dim_const(p, r->directions * r->layer->gates)};
  return lower_panels(l, &sizes, &b);
}

/* What the steps of a layer work on; shapes in runtime/lstm.c. */
typedef struct {
  const Recurrence *r;
  Buffer *x, *panels, *lengths, *y;
  Buffer *states, *cells, *products, *reset, *inner_bias; /* the last three of an LSTM, a GRU */
  Dim step;
} StepBuffers;

/* to[to_at + dense index] = from[…], or the other way round if `out`: a state [directions, batch,
 * hidden] between the caller's layout and the kernel's. from NULL: zeros. */
static void copy_state(Lower *l, const Recurrence *r, Buffer *to, Buffer *from, Dim at, bool out) {
  DimPool *p = l->c->dims;
  Dim one = dim_const(p, 1), matrix = dim_mul(p, r->batch, r->hidden);
  Dim extent[] = {dim_const(p, r->directions), r->batch, r->hidden};
  Dim dense[] = {matrix, r->hidden, one};
  Dim turned[] = {r->hidden, dim_muli(p, r->hidden, r->directions), one};
  const Dim *given = r->batch_first ? turned : dense;
  LoopNest *nest = lower_nest(l, 3, extent);
  Operand value = operand_real(DT_F32, 0);
  if (from) value = nest_load_at(l, nest, from, out ? at : NULL, out ? dense : given);
  nest_store_at(l, nest, to, out ? NULL : at, out ? given : dense, value);
}

/* steps, directions, batch, hidden, x_time, x_batch. */
static void arg_sizes(Lower *l, Step *step, const Recurrence *r) {
  DimPool *p = l->c->dims;
  Dim row = dim_muli(p, r->hidden, r->directions * r->layer->gates);
  arg_dim(l, step, r->steps);
  arg_int(l, step, r->directions);
  arg_dim(l, step, r->batch);
  arg_dim(l, step, r->hidden);
  arg_dim(l, step, r->batch_first ? row : dim_mul(p, r->batch, row));
  arg_dim(l, step, r->batch_first ? dim_mul(p, r->steps, row) : row);
}

/* y_time, y_batch, y_direction. */
static void arg_output_layout(Lower *l, Step *step, const Recurrence *r) {
  DimPool *p = l->c->dims;
  Dim row = dim_muli(p, r->hidden, r->directions);
  arg_dim(l, step, r->batch_first ? row : dim_mul(p, r->batch, row));
  arg_dim(l, step, r->batch_first ? dim_mul(p, r->steps, row) : r->hidden);
  arg_dim(l, step, r->batch_first ? r->hidden : dim_mul(p, r->batch, r->hidden));
}

/* x, r, lengths, states. */
static Step *begin_step(Lower *l, const StepBuffers *b, const char *kernel) {
  Step *step = lower_kernel(l, kernel, DT_F32);
  arg_buffer(l, step, b->x);
  arg_buffer(l, step, b->panels);
  arg_buffer(l, step, b->lengths);
  arg_buffer(l, step, b->states);
  return step;
}

/* reversed, step; units of work. */
static void end_step(Lower *l, Step *step, const StepBuffers *b) {
  arg_int(l, step, b->r->first_reversed);
  arg_dim(l, step, b->step);
  step_units(step, dim_muli(l->c->dims, panel_count(l, b->r->hidden), b->r->directions));
  step->why = "a time step; R in panels";
}

static void lower_reset(Lower *l, const StepBuffers *b) {
  Step *step = begin_step(l, b, "gru_reset");
  arg_buffer(l, step, b->reset);
  arg_buffer(l, step, b->products);
  arg_sizes(l, step, b->r);
  end_step(l, step, b);
}

static void lower_time_step(Lower *l, const StepBuffers *b) {
  const Layer *layer = b->r->layer;
  if (b->reset) lower_reset(l, b);
  Step *step = begin_step(l, b, layer->step);
  if (layer == &layer_gru) {
    arg_buffer(l, step, b->reset);
    arg_buffer(l, step, b->inner_bias);
    arg_buffer(l, step, b->reset ? b->products : NULL);
  }
  if (layer->has_cell) arg_buffer(l, step, b->cells);
  arg_buffer(l, step, b->y);
  arg_buffer(l, step, b->states);
  if (layer->has_cell) arg_buffer(l, step, b->cells);
  arg_buffer(l, step, b->products);
  arg_sizes(l, step, b->r);
  arg_output_layout(l, step, b->r);
  end_step(l, step, b);
  if (layer == &layer_gru) arg_int(l, step, b->reset ? 1 : layer->gates);
}

/* for (step = 0; step < steps; step++) a time step */
static void lower_time_loop(Lower *l, const Node *node, StepBuffers *b) {
  DimPool *p = l->c->dims;
  const char *name = node->name[0] ? node->name : node->op_type;
  Dim steps = b->r->steps;
  b->step = dim_data(p, arena_printf(l->c->arena, "%s.step", name), 0, dim_range(steps).high,
                     dim_upper(p, steps));
  Block *body = ARENA_NEW(l->c->arena, Block), *outer = l->block;
  l->block = body;
  lower_time_step(l, b);
  l->block = outer;
  Step *loop = lower_step(l, STEP_LOOP);
  loop->symbol = dim_symbol(b->step);
  loop->value = steps;
  loop->body = body;
}

static void lower_by_panels(Lower *l, const Node *node, const Recurrence *r) {
  DimPool *p = l->c->dims;
  bool gru = r->layer == &layer_gru, cell = r->layer->has_cell;
  bool linear = gru && node_int(node, "linear_before_reset", 0) != 0;
  Dim zero = dim_const(p, 0), size = dim_mul(p, r->batch, dim_muli(p, r->hidden, r->directions));
  const Value *lengths = node_in(node, IN_LENGTHS);
  StepBuffers b = {.r = r,
                   .x = lower_inputs(l, node, r, linear),
                   .panels = recurrent_panels(l, node, r).buffer,
                   .lengths = lengths ? lower_buffer(l, lengths) : NULL};
  Buffer *outputs[3] = {NULL, NULL, NULL};
  for (int i = 0; i < 2 + cell; i++) outputs[i] = optional_output(l, node, i, DT_F32);
  b.y = outputs[0];
  b.states = lower_scratch(l, DT_F32, dim_muli(p, size, 2), "states");
  b.products = lower_scratch(l, DT_F32, dim_muli(p, size, r->layer->gates), "h * R");
  if (gru && !linear) b.reset = lower_scratch(l, DT_F32, size, "r * h");
  if (linear && !all_zero(node_in(node, IN_BIAS))) b.inner_bias = bias_part(l, node, r, 5, 6, 0);
  copy_state(l, r, b.states, optional_input(l, node, IN_H0, DT_F32), zero, false);
  if (cell) {
    b.cells = lower_scratch(l, DT_F32, size, "cells");
    copy_state(l, r, b.cells, optional_input(l, node, IN_C0, DT_F32), zero, false);
  }
  lower_time_loop(l, node, &b);
  Dim last = dim_mul(p, dim_mod(p, r->steps, dim_const(p, 2)), size);
  if (outputs[1]) copy_state(l, r, outputs[1], b.states, last, true);
  if (outputs[2]) copy_state(l, r, outputs[2], b.cells, zero, true);
  for (int i = 0; i < 2 + cell; i++)
    if (outputs[i]) compute_done(l, node_out(node, i), outputs[i]);
}

static bool lower_recurrent(Lower *l, const Node *node) {
  Recurrence r;
  if (!read_recurrence(l->c, node, &r)) return false;
  DimPool *p = l->c->dims;
  if (takes_panels(node, &r)) {
    lower_by_panels(l, node, &r);
    return true;
  }
  LayerBuffers b = {.dtype = compute_dtype(node_in(node, IN_X)->dtype)};
  Dim directions = dim_const(p, r.directions), gates = dim_muli(p, r.hidden, r.layer->gates);
  b.x = compute_input(l, node_in(node, IN_X), b.dtype);
  b.w = compute_transposed(l, node_in(node, IN_W), b.dtype, directions, gates, r.input);
  b.recurrent = compute_transposed(l, node_in(node, IN_R), b.dtype, directions, gates, r.hidden);
  lower_directions(l, node, &r, &b, false);
  return true;
}

DEFINE_OP(RNN) = {.name = "RNN",
                  .flags = OP_PRODUCT,
                  .infer = infer_recurrent,
                  .lower = lower_recurrent,
                  .row = &layer_rnn};
DEFINE_OP(GRU) = {.name = "GRU",
                  .flags = OP_PRODUCT,
                  .infer = infer_recurrent,
                  .lower = lower_recurrent,
                  .row = &layer_gru};
DEFINE_OP(LSTM) = {.name = "LSTM",
                   .flags = OP_PRODUCT,
                   .infer = infer_recurrent,
                   .lower = lower_recurrent,
                   .row = &layer_lstm};

/* --- DynamicQuantizeLSTM: 8-bit weights; x and h are rounded to 256 levels before they are
 * multiplied --- */

static bool infer_quantized_lstm(Compilation *c, Node *node) {
  for (int i = IN_W; i <= IN_R_ZERO; i++) {
    bool weights = i == IN_W || i == IN_R || i >= IN_W_SCALE;
    if (weights && (!node_in(node, i) || !node_in(node, i)->constant))
      return node_error(c, node,
                        "the quantised weights, their scales and zero points must be constants");
  }
  return infer_recurrent(c, node);
}

/* Weights [directions, rows, columns] as numbers: scale * (w - zero), both by direction or by
 * direction and column. */
static Buffer *dequantized(Lower *l, const Value *weights, const Tensor *scale,
                           const Tensor *zero) {
  const Tensor *from = weights->constant;
  void *data;
  Tensor *tensor = tensor_create(l->c->arena, DT_F32, 3, from->dims, &data);
  int64_t columns = from->dims[2], matrix = from->dims[1] * columns;
  for (int64_t i = 0; i < from->count; i++) {
    int64_t direction = i / matrix, by_column = direction * columns + i % columns;
    int64_t at = scale->rank > 1 ? by_column : scale->count == 1 ? 0 : direction;
    int64_t zero_at = zero->rank > 1 ? by_column : zero->count == 1 ? 0 : direction;
    double level = tensor_real(from, i) - tensor_real(zero, zero_at);
    ((float *)data)[i] = (float)(level * tensor_real(scale, at));
  }
  return lower_constant(l, tensor, weights->name);
}

static bool lower_quantized_lstm(Lower *l, const Node *node) {
  Recurrence r;
  if (!read_recurrence(l->c, node, &r)) return false;
  const Value *x = node_in(node, IN_X);
  LayerBuffers b = {.dtype = DT_F32};
  b.x = lower_scratch(l, DT_F32, value_count(l->c, x), "rounded input");
  Step *step = lower_kernel(l, "round_to_levels", DT_F32);
  arg_in(l, step, x);
  arg_buffer(l, step, b.x);
  arg_dim(l, step, b.x->count);
  b.w = dequantized(l, node_in(node, IN_W), node_in(node, IN_W_SCALE)->constant,
                    node_in(node, IN_W_ZERO)->constant);
  b.recurrent = dequantized(l, node_in(node, IN_R), node_in(node, IN_R_SCALE)->constant,
                            node_in(node, IN_R_ZERO)->constant);
  lower_directions(l, node, &r, &b, true);
  return true;
}

DEFINE_OP(DynamicQuantizeLSTM) = {.domain = MICROSOFT,
                                  .name = "DynamicQuantizeLSTM",
                                  .infer = infer_quantized_lstm,
                                  .lower = lower_quantized_lstm,
                                  .row = &layer_lstm};
