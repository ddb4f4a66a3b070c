/* map.c: the operators of ai.onnx.ml that take a map: CastMap and DictVectorizer. A map is two
 * values, its keys and as many values; the front end gives operators both.
 *
 *   y[1, 3] = DictVectorizer({9: 2.5, 1: -1}) {int64_vocabulary = [5, 1, 9]}   =>   [[0, -1, 2.5]]
 */
#include "ops/movement.h"

#include <string.h>

enum { MAP_KEYS, MAP_VALUES };

static bool check_map(Compilation *c, const Node *node) {
  const Value *keys = node_in(node, MAP_KEYS), *values = node_in(node, MAP_VALUES);
  if (keys->dtype != DT_I64 || values->dtype == DT_STRING)
    return node_error(c, node, "maps with texts are not supported; keys must be int64");
  return infer_require_equal(c, node, keys->shape[0], values->shape[0],
                             "the numbers of keys and of values");
}

static bool set_row(Compilation *c, Node *node, DType dtype, Dim count) {
  const Dim shape[] = {dim_const(c->dims, 1), count};
  value_set_type(c, node_out(node, 0), dtype, 2, shape);
  return true;
}

/* What the wanted keys (NULL: 0, 1, …) stand for, into `y`. */
static void lower_lookup(Lower *l, const Node *node, Buffer *wanted, Buffer *y, Dim count) {
  const Value *keys = node_in(node, MAP_KEYS), *values = node_in(node, MAP_VALUES);
  Step *step = lower_kernel(l, "map_lookup", DT_NONE);
  arg_in(l, step, keys);
  arg_in(l, step, values);
  arg_buffer(l, step, wanted);
  arg_buffer(l, step, y);
  arg_dim(l, step, keys->shape[0]);
  arg_dim(l, step, count);
  arg_int(l, step, element_bytes(values->dtype));
}

/* --- DictVectorizer --- */

static bool infer_vectorizer(Compilation *c, Node *node) {
  size_t count;
  if (!node_ints(node, "int64_vocabulary", &count) || count == 0)
    return node_error(c, node, "only maps from int64, with int64_vocabulary, are supported");
  return check_map(c, node) &&
         set_row(c, node, node_in(node, MAP_VALUES)->dtype, dim_const(c->dims, (int64_t)count));
}

static bool lower_vectorizer(Lower *l, const Node *node) {
  const Value *y = node_out(node, 0);
  size_t count;
  const int64_t *words = node_ints(node, "int64_vocabulary", &count);
  Buffer *wanted =
      lower_constant(l, tensor_i64(l->c->arena, words, (int64_t)count), "int64_vocabulary");
  lower_lookup(l, node, wanted, lower_buffer(l, y), y->shape[1]);
  return true;
}

DEFINE_OP(DictVectorizer) = {.domain = "ai.onnx.ml",
                             .name = "DictVectorizer",
                             .flags = OP_COMPOUND,
                             .infer = infer_vectorizer,
                             .lower = lower_vectorizer};

/* --- CastMap --- */

static bool is_sparse(const Node *node) {
  return strcmp(node_string(node, "map_form", "DENSE"), "SPARSE") == 0;
}

static bool infer_cast_map(Compilation *c, Node *node) {
  static const struct {
    const char *name;
    DType dtype;
  } targets[] = {{"TO_FLOAT", DT_F32}, {"TO_INT64", DT_I64}};
  const char *to = node_string(node, "cast_to", "TO_FLOAT");
  int64_t most = node_int(node, "max_map", 1);
  if (!check_map(c, node)) return false;
  if (is_sparse(node) && most < 1) return node_error(c, node, "max_map must be positive");
  Dim count = is_sparse(node) ? dim_const(c->dims, most) : node_in(node, MAP_KEYS)->shape[0];
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
    if (strcmp(targets[i].name, to) == 0) return set_row(c, node, targets[i].dtype, count);
  return node_error(c, node, "cast_to = %s is not supported", to);
}

static bool lower_cast_map(Lower *l, const Node *node) {
  const Value *keys = node_in(node, MAP_KEYS), *values = node_in(node, MAP_VALUES);
  const Value *y = node_out(node, 0);
  Buffer *found = compute_output(l, y, values->dtype);
  if (is_sparse(node)) {
    lower_lookup(l, node, NULL, found, y->shape[1]);
  } else {
    Step *step = lower_kernel(l, "map_sorted", DT_NONE);
    arg_in(l, step, keys);
    arg_in(l, step, values);
    arg_buffer(l, step, found);
    arg_dim(l, step, keys->shape[0]);
    arg_int(l, step, element_bytes(values->dtype));
  }
  compute_done(l, y, found);
  return true;
}

DEFINE_OP(CastMap) = {.domain = "ai.onnx.ml",
                      .name = "CastMap",
                      .flags = OP_COMPOUND,
                      .infer = infer_cast_map,
                      .lower = lower_cast_map};
