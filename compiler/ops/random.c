/* random.c: RandomNormal, RandomUniform (and …Like), Bernoulli, Multinomial, Dropout.
 *
 * The numbers are a function of the seed (the attribute, or the node's position in the model) and
 * of the position in the output: each run of the emitted program gives the same ones, and so does
 * each iteration of a loop. */
#include "ops/axis.h"
#include "ops/elementwise.h"
#include "ops/movement.h"
#include "ops/new_node.h"

#include <string.h>

/* The seed of a node: the bits of the attribute (of Dropout an integer), or a number of its own. */
static int64_t seed_of(const Node *node) {
  float given = node_float(node, "seed", 0);
  int32_t bits;
  memcpy(&bits, &given, sizeof bits);
  if (!node_attr(node, "seed")) return ((int64_t)node->index + 1) << 32;
  return node_int(node, "seed", bits);
}

/* The dtype of attribute `dtype`, else `missing`. */
static DType random_dtype(const Node *node, DType missing) {
  const Attr *attr = node_attr(node, "dtype");
  return attr ? dtype_from_onnx((int)attr->i) : missing;
}

static bool is_number(DType dtype) {
  return dtype_is_float(dtype) || dtype_is_integer(dtype);
}

static bool refuse(Compilation *c, const Node *node, DType dtype) {
  return node_error(c, node, "elements of type %s are not supported", dtype_info(dtype)->name);
}

/* --- RandomNormal, RandomUniform --- */

/* `row`: the kernel, and the attributes that it takes. */
typedef struct {
  const char *stem, *first, *second;
  float first_missing, second_missing;
} Row;

static const Row normal_row = {"random_normal", "mean", "scale", 0, 1};
static const Row uniform_row = {"random_uniform", "low", "high", 0, 1};

static bool infer_random(Compilation *c, Node *node) {
  DType dtype = random_dtype(node, DT_F32);
  size_t rank;
  const int64_t *dims = node_ints(node, "shape", &rank);
  Dim shape[MAX_RANK];
  if (!dtype_is_float(dtype)) return refuse(c, node, dtype);
  if (rank > MAX_RANK) return node_error(c, node, "more than %d dims are not supported", MAX_RANK);
  for (size_t i = 0; i < rank; i++) {
    if (dims[i] < 0) return node_error(c, node, "the shape has a negative dim");
    shape[i] = dim_const(c->dims, dims[i]);
  }
  value_set_type(c, node_out(node, 0), dtype, (int)rank, shape);
  return true;
}

static bool infer_random_like(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  DType dtype = random_dtype(node, dtype_is_float(x->dtype) ? x->dtype : DT_F32);
  if (!dtype_is_float(dtype)) return refuse(c, node, dtype);
  value_set_type(c, node_out(node, 0), dtype, x->rank, x->shape);
  return true;
}

static bool lower_random(Lower *l, const Node *node) {
  const Row *row = node->op->row;
  const Value *y = node_out(node, 0);
  DType dtype = elementwise_dtype(row->stem, y->dtype);
  Buffer *to = compute_output(l, y, dtype);
  Step *step = lower_kernel(l, row->stem, dtype);
  arg_buffer(l, step, to);
  arg_dim(l, step, value_count(l->c, y));
  arg_int(l, step, seed_of(node));
  arg_real(l, step, (double)node_float(node, row->first, row->first_missing));
  arg_real(l, step, (double)node_float(node, row->second, row->second_missing));
  compute_done(l, y, to);
  return true;
}

DEFINE_OP(RandomNormal) = {.name = "RandomNormal",
                           .flags = OP_RANDOM,
                           .infer = infer_random,
                           .lower = lower_random,
                           .row = &normal_row};
DEFINE_OP(RandomUniform) = {.name = "RandomUniform",
                            .flags = OP_RANDOM,
                            .infer = infer_random,
                            .lower = lower_random,
                            .row = &uniform_row};
DEFINE_OP(RandomNormalLike) = {.name = "RandomNormalLike",
                               .flags = OP_RANDOM,
                               .infer = infer_random_like,
                               .lower = lower_random,
                               .row = &normal_row};
DEFINE_OP(RandomUniformLike) = {.name = "RandomUniformLike",
                                .flags = OP_RANDOM,
                                .infer = infer_random_like,
                                .lower = lower_random,
                                .row = &uniform_row};

/* --- Bernoulli --- */

static bool infer_bernoulli(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  DType dtype = random_dtype(node, x->dtype);
  if (!dtype_is_float(x->dtype)) return refuse(c, node, x->dtype);
  if (!is_number(dtype) && dtype != DT_BOOL) return refuse(c, node, dtype);
  value_set_type(c, node_out(node, 0), dtype, x->rank, x->shape);
  return true;
}

static bool lower_bernoulli(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  DType dtype = elementwise_dtype("random_bernoulli", x->dtype);
  Buffer *from = compute_input(l, x, dtype), *to = compute_output(l, y, DT_BOOL);
  Step *step = lower_kernel(l, "random_bernoulli", dtype);
  arg_buffer(l, step, from);
  arg_buffer(l, step, to);
  arg_dim(l, step, value_count(l->c, y));
  arg_int(l, step, seed_of(node));
  compute_done(l, y, to);
  return true;
}

DEFINE_OP(Bernoulli) = {
    .name = "Bernoulli", .flags = OP_RANDOM, .infer = infer_bernoulli, .lower = lower_bernoulli};

/* --- Multinomial --- */

static bool infer_multinomial(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  DType dtype = random_dtype(node, DT_I32);
  if (x->rank != 2 || !dtype_is_float(x->dtype))
    return node_error(c, node, "the input must be float[rows, classes]");
  if (dtype != DT_I32 && dtype != DT_I64) return refuse(c, node, dtype);
  if (dim_is(x->shape[1], 0)) return node_error(c, node, "there are no classes to draw from");
  int64_t samples = node_int(node, "sample_size", 1);
  if (samples < 0) return node_error(c, node, "sample_size is negative");
  Dim shape[] = {x->shape[0], dim_const(c->dims, samples)};
  value_set_type(c, node_out(node, 0), dtype, 2, shape);
  return true;
}

static bool lower_multinomial(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  DType dtype = elementwise_dtype("random_multinomial", x->dtype);
  Buffer *from = compute_input(l, x, dtype), *to = compute_output(l, y, DT_I64);
  Step *step = lower_kernel(l, "random_multinomial", dtype);
  arg_buffer(l, step, from);
  arg_buffer(l, step, to);
  arg_dim(l, step, x->shape[0]);
  arg_dim(l, step, x->shape[1]);
  arg_dim(l, step, y->shape[1]);
  arg_int(l, step, seed_of(node));
  compute_done(l, y, to);
  return true;
}

DEFINE_OP(Multinomial) = {.name = "Multinomial",
                          .flags = OP_RANDOM,
                          .infer = infer_multinomial,
                          .lower = lower_multinomial};

/* --- Dropout --- */

/* Whether the node may drop something: it never does in inference, nor with a ratio of 0. Before
 * opset 12 nothing but training programs asked for more. */
static bool may_drop(const Node *node) {
  const Value *ratio = node_in(node, 1), *training = node_in(node, 2);
  if (!training || (training->constant && !tensor_int(training->constant, 0))) return false;
  return !(ratio && ratio->constant && tensor_real(ratio->constant, 0) == 0);
}

static bool infer_dropout(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  infer_same(c, node, 0, 0);
  Value *mask = node_out(node, 1);
  if (mask) value_set_type(c, mask, node->version < 7 ? x->dtype : DT_BOOL, x->rank, x->shape);
  return true;
}

static bool lower_dropout(Lower *l, const Node *node) {
  const Value *y = node_out(node, 0), *mask = node_out(node, 1);
  if (y && !y->constant) lower_alias(l, y, node_in(node, 0));
  if (mask) lower_fill(l, mask, 1);
  return true;
}

/* The same node as one of the internal operator. */
static Graph *select_dropping(Compilation *c, const Node *node) {
  if (!may_drop(node)) return NULL;
  Graph *graph = graph_create(c, "dropping", node->graph);
  Node *drops = graph_add(c, graph,
                          &(NewNode){.op = op_internal("Dropout"),
                                     .version = 1,
                                     .in = node_inputs(node),
                                     .attrs = node_attrs(node),
                                     .outputs = 2,
                                     .origin = node});
  for (int i = 0; i < 2; i++) {
    const Value *asked = node_out(node, i);
    if (asked) node_set_output(drops, i, value_create(c, asked->name));
    vec_push(c->arena, &graph->outputs, drops->outputs[i]);
  }
  return graph;
}

static bool infer_dropping(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  if (node_out(node, 0)) infer_same(c, node, 0, 0);
  if (node_out(node, 1)) value_set_type(c, node_out(node, 1), DT_BOOL, x->rank, x->shape);
  return true;
}

static bool lower_dropping(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  DType dtype = elementwise_dtype("random_dropout", x->dtype);
  Buffer *from = compute_input(l, x, dtype), *ratio = compute_input(l, node_in(node, 1), DT_F64);
  Buffer *to = compute_output(l, y, dtype);
  Step *step = lower_kernel(l, "random_dropout", dtype);
  arg_buffer(l, step, from);
  arg_buffer(l, step, ratio);
  arg_in(l, step, node_in(node, 2));
  arg_buffer(l, step, to);
  arg_out(l, step, node_out(node, 1));
  arg_dim(l, step, value_count(l->c, x));
  arg_int(l, step, seed_of(node));
  if (y) compute_done(l, y, to);
  return true;
}

DEFINE_OP(Dropout) = {.name = "Dropout",
                      .flags = OP_KEEPS,
                      .infer = infer_dropout,
                      .lower = lower_dropout,
                      .select = select_dropping};
DEFINE_OP(Dropping) = {.domain = INTERNAL_DOMAIN,
                       .name = "Dropout",
                       .flags = OP_RANDOM,
                       .infer = infer_dropping,
                       .lower = lower_dropping};
