/* layer_recurrent.c: LSTM, GRU and RNN with the parameters of PyTorch.
 *
 * Of each layer k and direction there are weight_ih_lk [gates * H, in], weight_hh_lk [gates * H, H]
 * and two biases, with `_reverse` behind the names of the second direction. ONNX has the gates in
 * another order, both directions in one tensor, and the two biases in one. */
#include "layer.h"

#include <inttypes.h>

enum { GATES = 4 };

typedef struct {
  const char *op;
  int gates;
  int order[GATES]; /* ONNX's gate g is PyTorch's order[g] */
  bool cell;        /* a second state */
} Cell;

static const Cell lstm = {"LSTM", 4, {0, 3, 1, 2}, true}; /* i o f c from i f g o */
static const Cell gru = {"GRU", 3, {1, 0, 2}, false};     /* z r h from r z n */
static const Cell rnn = {"RNN", 1, {0}, false};

typedef struct {
  Layer *l;
  const Cell *cell;
  int64_t input_size, hidden;
  int layers, directions;
  bool bias, batch_first, unbatched;
  Value *gate_rows; /* order of the rows of a weight */
  Value *states[2]; /* [layers * directions, N, H], or NULL */
} Recurrent;

static Value *order_of_rows(const Recurrent *r) {
  int64_t *rows = ARENA_ARRAY(r->l->r->arena, int64_t, r->cell->gates * r->hidden);
  for (int64_t g = 0; g < r->cell->gates; g++)
    for (int64_t h = 0; h < r->hidden; h++)
      rows[g * r->hidden + h] = r->cell->order[g] * r->hidden + h;
  return compose_ints(&r->l->k, rows, (int)(r->cell->gates * r->hidden));
}

static const char *parameter(const Recurrent *r, const char *kind, int layer, int direction) {
  return arena_printf(r->l->r->arena, "%s_l%d%s", kind, layer, direction ? "_reverse" : "");
}

static Value *sorted(const Recurrent *r, Value *weight) {
  return layer_op(r->l, "Gather", IN(weight, r->gate_rows), WITH(attr_int("axis", 0)));
}

/* One tensor of a direction, with an axis for the directions in front. */
static Value *read_matrix(const Recurrent *r, const char *kind, int layer, int direction,
                          int64_t columns) {
  Value *weight = layer_weight2(r->l, parameter(r, kind, layer, direction),
                                r->cell->gates * r->hidden, columns);
  return compose_unsqueeze(&r->l->k, sorted(r, weight), 0);
}

static Value *read_bias(const Recurrent *r, int layer, int direction) {
  int64_t size = r->cell->gates * r->hidden;
  Value *input = layer_weight1(r->l, parameter(r, "bias_ih", layer, direction), size);
  Value *hidden = layer_weight1(r->l, parameter(r, "bias_hh", layer, direction), size);
  Value *both = layer_concat(r->l, IN(sorted(r, input), sorted(r, hidden)), 0);
  return compose_unsqueeze(&r->l->k, both, 0);
}

typedef struct {
  Value *w, *r, *b;
} CellWeights;

static CellWeights read_layer(const Recurrent *r, int layer) {
  Value *w[2], *h[2], *b[2];
  int64_t in = layer ? r->hidden * r->directions : r->input_size;
  for (int d = 0; d < r->directions; d++) {
    w[d] = read_matrix(r, "weight_ih", layer, d, in);
    h[d] = read_matrix(r, "weight_hh", layer, d, r->hidden);
    b[d] = r->bias ? read_bias(r, layer, d) : NULL;
  }
  return (CellWeights){layer_concat(r->l, (Values){w, r->directions}, 0),
                       layer_concat(r->l, (Values){h, r->directions}, 0),
                       r->bias ? layer_concat(r->l, (Values){b, r->directions}, 0) : NULL};
}

/* ---- the options of the operator ---- */

static int read_attrs(const Recurrent *r, Attr *attrs) {
  static const char *const relu[2] = {"Relu", "Relu"};
  const char *function = layer_text(r->l, "nonlinearity");
  int count = 0;
  attrs[count++] = attr_int("hidden_size", r->hidden);
  attrs[count++] = attr_text("direction", r->directions == 2 ? "bidirectional" : "forward");
  if (r->cell == &gru) attrs[count++] = attr_int("linear_before_reset", 1);
  if (function && strcmp(function, "relu") == 0)
    attrs[count++] = (Attr){.name = "activations",
                            .kind = ATTR_STRINGS,
                            .count = (size_t)r->directions,
                            .strings = relu};
  return count;
}

static Value *initial(const Recurrent *r, int which, int layer) {
  Value *all = r->states[which];
  if (!all || r->layers == 1) return all;
  return compose_slice(&r->l->k, all, 0, layer * r->directions, (layer + 1) * r->directions);
}

/* [L, directions, N, H] to [L, N, directions * H] */
static Value *join_directions(const Recurrent *r, Value *y) {
  if (r->directions == 1) return compose_squeeze(&r->l->k, y, 1);
  Value *turned = compose_transpose(&r->l->k, y, (int64_t[]){0, 2, 1, 3}, 4);
  return compose_reshape(&r->l->k, turned, (int64_t[]){0, 0, -1}, 3);
}

/* ---- the layer ---- */

/* [L, N, features], whatever the layer was given; states with an axis for the batch. */
static Value *prepare_inputs(Recurrent *r) {
  Layer *l = r->l;
  Value *x = l->inputs[0];
  r->unbatched = x->rank == 2;
  for (int i = 0; i < 2; i++) {
    r->states[i] = i + 1 < l->input_count ? l->inputs[i + 1] : NULL;
    if (r->states[i] && r->unbatched) r->states[i] = compose_unsqueeze(&l->k, r->states[i], 1);
  }
  if (r->unbatched) return compose_unsqueeze(&l->k, x, 1);
  return r->batch_first ? compose_transpose(&l->k, x, (int64_t[]){1, 0, 2}, 3) : x;
}

static Value *finish_output(const Recurrent *r, Value *y) {
  if (r->unbatched) return compose_squeeze(&r->l->k, y, 1);
  return r->batch_first ? compose_transpose(&r->l->k, y, (int64_t[]){1, 0, 2}, 3) : y;
}

static Value *finish_state(const Recurrent *r, Value **states) {
  Value *all = layer_concat(r->l, (Values){states, r->layers}, 0);
  return r->unbatched ? compose_squeeze(&r->l->k, all, 1) : all;
}

static void run_layers(Recurrent *r) {
  Layer *l = r->l;
  Attr attrs[GATES];
  int attr_count = read_attrs(r, attrs), outputs = l->wanted > 1 ? (r->cell->cell ? 3 : 2) : 1;
  Value *x = prepare_inputs(r);
  Value **hidden = ARENA_ARRAY(l->r->arena, Value *, r->layers + 1);
  Value **cells = ARENA_ARRAY(l->r->arena, Value *, r->layers + 1);
  for (int k = 0; k < r->layers && !l->k.failed; k++) {
    CellWeights weights = read_layer(r, k);
    Value **y = layer_ops(l, r->cell->op,
                          IN(x, weights.w, weights.r, weights.b, NULL, initial(r, 0, k),
                             r->cell->cell ? initial(r, 1, k) : NULL),
                          (Attrs){attrs, attr_count}, outputs);
    x = join_directions(r, y[0]);
    hidden[k] = y[1];
    cells[k] = outputs > 2 ? y[2] : NULL;
  }
  if (l->k.failed) return;
  l->outputs[0] = finish_output(r, x);
  if (outputs > 1) l->outputs[1] = finish_state(r, hidden);
  if (outputs > 2) l->outputs[2] = finish_state(r, cells);
}

static void build(Layer *l, const Cell *cell) {
  Recurrent r = {.l = l,
                 .cell = cell,
                 .input_size = layer_int(l, "input_size"),
                 .hidden = layer_int(l, "hidden_size"),
                 .layers = (int)layer_int(l, "num_layers"),
                 .directions = layer_bool(l, "bidirectional") ? 2 : 1,
                 .bias = layer_bool(l, "bias"),
                 .batch_first = layer_bool(l, "batch_first")};
  if (cell->cell && l->input_count == 2) {
    layer_error(l, "inputs", "an %s takes both states, or none", cell->op);
    return;
  }
  r.gate_rows = order_of_rows(&r);
  run_layers(&r);
}

void build_lstm(Layer *l) {
  build(l, &lstm);
}

void build_gru(Layer *l) {
  build(l, &gru);
}

void build_rnn(Layer *l) {
  build(l, &rnn);
}
