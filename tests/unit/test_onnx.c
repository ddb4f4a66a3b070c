/* test_onnx.c: the ONNX front end on small models, which are written field by field here: what
 * becomes of a graph, all storages of tensors, functions, options of the command line, and one
 * error message for each way to be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frontends/onnx/onnx.h"
#include "ops/op.h"
#include "ops/schema.h"
#include "options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- writing protobuf ---- */

typedef struct {
  uint8_t data[4096];
  size_t size;
} Bytes;

static void put_varint(Bytes *bytes, uint64_t value) {
  for (; value > 127; value >>= 7) bytes->data[bytes->size++] = (uint8_t)(value | 128);
  bytes->data[bytes->size++] = (uint8_t)value;
}

static void put_int(Bytes *bytes, unsigned field, int64_t value) {
  put_varint(bytes, field << 3);
  put_varint(bytes, (uint64_t)value);
}

static void put_bytes(Bytes *bytes, unsigned field, const void *data, size_t size) {
  put_varint(bytes, field << 3 | 2);
  put_varint(bytes, size);
  memcpy(bytes->data + bytes->size, data, size);
  bytes->size += size;
}

static void put_text(Bytes *bytes, unsigned field, const char *text) {
  put_bytes(bytes, field, text, strlen(text));
}

static void put_message(Bytes *bytes, unsigned field, const Bytes *message) {
  put_bytes(bytes, field, message->data, message->size);
}

static void put_float(Bytes *bytes, unsigned field, float value) {
  put_varint(bytes, field << 3 | 5);
  memcpy(bytes->data + bytes->size, &value, sizeof value);
  bytes->size += sizeof value;
}

/* "a b c" as a repeated field; "_" is the empty name. */
static void put_names(Bytes *bytes, unsigned field, const char *names) {
  char copy[200], *rest = NULL;
  strcpy(copy, names);
  for (char *name = strtok_r(copy, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
    put_text(bytes, field, strcmp(name, "_") == 0 ? "" : name);
}

/* ---- parts of a model ---- */

enum {
  FLOAT = 1,
  UINT8 = 2,
  INT64 = 7,
  STRING = 8,
  BOOL = 9,
  FLOAT16 = 10,
  DOUBLE = 11,
  INT4 = 22
};

static Bytes node_of(const char *op, const char *inputs, const char *outputs) {
  Bytes node = {.size = 0};
  put_names(&node, 1, inputs);
  put_names(&node, 2, outputs);
  put_text(&node, 4, op);
  return node;
}

static Bytes attribute(const char *name, int type) {
  Bytes bytes = {.size = 0};
  put_text(&bytes, 1, name);
  put_int(&bytes, 20, type);
  return bytes;
}

static void add_int(Bytes *node, const char *name, int64_t value) {
  Bytes bytes = attribute(name, 2);
  put_int(&bytes, 3, value);
  put_message(node, 5, &bytes);
}

static void add_float(Bytes *node, const char *name, float value) {
  Bytes bytes = attribute(name, 1);
  put_float(&bytes, 2, value);
  put_message(node, 5, &bytes);
}

static void add_reference(Bytes *node, const char *name, int type, const char *parameter) {
  Bytes bytes = attribute(name, type);
  put_text(&bytes, 21, parameter);
  put_message(node, 5, &bytes);
}

static void add_message(Bytes *node, const char *name, int type, unsigned field,
                        const Bytes *message) {
  Bytes bytes = attribute(name, type);
  put_message(&bytes, field, message);
  put_message(node, 5, &bytes);
}

/* `dims` as text: "N 3" is a named dimension and a number, "?" is unknown; NULL for no shape at
 * all. */
static Bytes value_info(const char *name, int type, const char *dims) {
  Bytes info = {.size = 0}, tensor = {.size = 0}, shape = {.size = 0}, whole = {.size = 0};
  char copy[100] = "", *rest = NULL;
  if (dims) strcpy(copy, dims);
  for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
    Bytes dim = {.size = 0};
    if (*word >= '0' && *word <= '9')
      put_int(&dim, 1, atoi(word));
    else if (*word != '?')
      put_text(&dim, 2, word);
    put_message(&shape, 1, &dim);
  }
  put_int(&tensor, 1, type);
  if (dims) put_message(&tensor, 2, &shape);
  put_message(&whole, 1, &tensor);
  put_text(&info, 1, name);
  put_message(&info, 2, &whole);
  return info;
}

static Bytes tensor_of(const char *name, int type, int rank, const int64_t *dims) {
  Bytes tensor = {.size = 0};
  for (int i = 0; i < rank; i++) put_int(&tensor, 1, dims[i]);
  put_int(&tensor, 2, type);
  put_text(&tensor, 8, name);
  return tensor;
}

static Bytes raw_tensor(const char *name, int type, int64_t count, const void *data, size_t size) {
  Bytes tensor = tensor_of(name, type, 1, &count);
  put_bytes(&tensor, 9, data, size);
  return tensor;
}

/* A graph from x, float[N, 3], to y, into which nodes are put. */
static Bytes graph_of_x(void) {
  Bytes graph = {.size = 0}, x = value_info("x", FLOAT, "N 3"), y = value_info("y", FLOAT, NULL);
  put_text(&graph, 2, "g");
  put_message(&graph, 11, &x);
  put_message(&graph, 12, &y);
  return graph;
}

static void add_node(Bytes *graph, const char *op, const char *inputs, const char *outputs) {
  Bytes node = node_of(op, inputs, outputs);
  put_message(graph, 1, &node);
}

static void add_opset(Bytes *message, unsigned field, const char *domain, int version) {
  Bytes opset = {.size = 0};
  put_text(&opset, 1, domain);
  put_int(&opset, 2, version);
  put_message(message, field, &opset);
}

static Bytes model_of(const Bytes *graph) {
  Bytes model = {.size = 0};
  put_int(&model, 1, 8);
  put_text(&model, 2, "maker");
  put_text(&model, 3, "1.2");
  add_opset(&model, 8, "", 17);
  put_message(&model, 7, graph);
  return model;
}

/* ---- reading ---- */

static Compilation c;
static Diag diag;
static Options options;
static char *messages; /* of the last reading */
static size_t messages_size;
static Bytes kept; /* the bytes must outlive the graph */

static int setup(void **state) {
  (void)state;
  diag = (Diag){0};
  options = (Options){0};
  c = (Compilation){.arena = arena_create(), .diag = &diag, .file = "m.onnx", .options = &options};
  c.dims = dim_pool_create(c.arena);
  messages = NULL;
  return 0;
}

static int teardown(void **state) {
  (void)state;
  free(messages);
  arena_destroy(c.arena);
  return 0;
}

static bool read_at(const char *path, const Bytes *model) {
  kept = *model;
  diag.out = open_memstream(&messages, &messages_size);
  bool ok = onnx_read_bytes(&c, path, kept.data, kept.size);
  fclose(diag.out);
  diag.out = NULL;
  assert_int_equal(ok, diag.errors == 0);
  if (ok) graph_verify(&c, c.graph, false);
  return ok;
}

static void expect_read(const Bytes *model) {
  if (!read_at("m.onnx", model)) fail_msg("%s", messages);
}

/* Inference makes initializers of Constant nodes. */
static void expect_inferred(const Bytes *model) {
  expect_read(model);
  assert_true(infer_graph(&c, c.graph));
}

/* One error, which holds `text`. */
static void expect_error(const Bytes *model, const char *text) {
  assert_false(read_at("m.onnx", model));
  if (diag.errors != 1 || !strstr(messages, text))
    fail_msg("expected one error with \"%s\", but got:\n%s", text, messages);
}

static void expect_graph(const Bytes *model, const char *text) {
  expect_read(model);
  Str printed = str_in(c.arena);
  graph_print(&printed, c.graph);
  assert_string_equal(str_text(&printed), text);
}

static void expect_graph_error(const Bytes *graph, const char *text) {
  Bytes model = model_of(graph);
  expect_error(&model, text);
}

/* ---- graphs ---- */

static void test_plain(void **state) {
  (void)state;
  Bytes graph = graph_of_x();
  add_node(&graph, "Relu", "x", "a");
  add_node(&graph, "Clip", "a _ _", "y");
  Bytes model = model_of(&graph);
  expect_graph(&model, "graph g(x: float32[N, 3]) {\n"
                       "  a = Relu(x)  // #0\n"
                       "  y = Clip(a)  // #1\n"
                       "  return y\n"
                       "}\n");
  assert_string_equal(c.producer, "maker 1.2");
  assert_int_equal(c.graph->nodes.items[1]->version, 17);
  assert_int_equal(c.graph->nodes.items[1]->input_count, 1);
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < model.size; i++) hash = (hash ^ model.data[i]) * 1099511628211u;
  assert_true(c.model_hash == hash);
}

static void test_unsorted(void **state) {
  (void)state;
  Bytes graph = graph_of_x();
  add_node(&graph, "Add", "b x", "y");
  add_node(&graph, "Neg", "a", "b");
  add_node(&graph, "Relu", "x", "a");
  Bytes model = model_of(&graph);
  expect_graph(&model, "graph g(x: float32[N, 3]) {\n"
                       "  a = Relu(x)  // #2\n"
                       "  b = Neg(a)  // #1\n"
                       "  y = Add(b, x)  // #0\n"
                       "  return y\n"
                       "}\n");
}

static void test_subgraph(void **state) {
  (void)state;
  Bytes graph = graph_of_x(), branch = {.size = 0}, other = {.size = 0};
  Bytes o = value_info("o", FLOAT, NULL), cond = value_info("c", BOOL, "");
  put_text(&branch, 2, "then");
  put_text(&other, 2, "else");
  add_node(&branch, "Relu", "late", "o");
  add_node(&other, "Neg", "x", "o");
  put_message(&branch, 12, &o);
  put_message(&other, 12, &o);
  put_message(&graph, 11, &cond);
  Bytes node = node_of("If", "c", "y");
  add_message(&node, "then_branch", 5, 6, &branch);
  add_message(&node, "else_branch", 5, 6, &other);
  put_message(&graph, 1, &node);
  add_node(&graph, "Abs", "x", "late"); /* used by the branch, so it must come first */
  Bytes model = model_of(&graph);
  expect_read(&model);
  assert_int_equal(c.graph->nodes.count, 2);
  assert_string_equal(c.graph->nodes.items[0]->op_type, "Abs");
  const Node *branches = c.graph->nodes.items[1];
  const Graph *then = node_body(branches, "then_branch");
  assert_ptr_equal(then->parent, c.graph);
  assert_ptr_equal(then->nodes.items[0]->inputs[0], c.graph->nodes.items[0]->outputs[0]);
}

static void test_defaults(void **state) {
  (void)state;
  Bytes graph = graph_of_x();
  add_node(&graph, "Softmax", "x", "y");
  Bytes model = model_of(&graph);
  expect_read(&model);
  assert_int_equal(node_int(c.graph->nodes.items[0], "axis", 77), -1); /* 1 before opset 13 */
}

static void test_names(void **state) {
  (void)state;
  Bytes graph = graph_of_x();
  add_node(&graph, "Neg", "x", "hidden");
  add_node(&graph, "Relu", "hiden", "y");
  expect_graph_error(&graph, "'y' (Relu #1): error: input 'hiden' is computed by no node\n"
                             "  hint: did you mean 'hidden'?");
}

static void test_no_output(void **state) {
  (void)state;
  Bytes graph = graph_of_x();
  expect_graph_error(&graph, "output 'y' of graph 'g' is computed by no node");
}

static void test_twice(void **state) {
  (void)state;
  Bytes graph = graph_of_x();
  add_node(&graph, "Neg", "x", "y");
  add_node(&graph, "Relu", "x", "y");
  expect_graph_error(&graph, "(Relu #1): error: value 'y' is defined twice");
}

static void test_cycle(void **state) {
  (void)state;
  Bytes graph = graph_of_x();
  add_node(&graph, "Add", "x b", "a");
  add_node(&graph, "Relu", "a", "b");
  add_node(&graph, "Relu", "b", "y");
  expect_graph_error(&graph, "(a cycle): '' (Add #0), '' (Relu #1)");
}

/* ---- the operator table ---- */

static void test_table(void **state) {
  (void)state;
  assert_int_equal(schema_find("", "Softmax", 12)->since, 11);
  assert_int_equal(schema_find("ai.onnx", "Softmax", 13)->since, 13);
  assert_null(schema_find("", "Gelu", 19));
  assert_null(schema_find("", "NoSuchOperator", 19));
  assert_int_equal(schema_oldest("", "Gelu")->since, 20);
  assert_int_equal(schema_find("com.microsoft", "Gelu", 1)->since, 1);
  assert_true(schema_newest("") >= 21);
  assert_int_equal(schema_newest("nowhere"), 0);
  const OperatorSchema *concat = schema_find("", "Concat", 13);
  assert_int_equal(schema_input(concat, 5)->kind, ARITY_VARIADIC);
  assert_null(schema_output(concat, 1));
  assert_true(schema_input(concat, 0)->dtypes >> DT_F32 & 1);
  assert_false(schema_find("", "Conv", 11)->inputs[0].dtypes >> DT_I8 & 1);
  for (int i = 1; i < operator_table_count; i++) { /* sorted, or look-ups would miss rows */
    const OperatorSchema *a = &operator_table[i - 1], *b = &operator_table[i];
    int order = strcmp(a->domain, b->domain);
    if (!order) order = strcmp(a->name, b->name);
    assert_true(order < 0 || (order == 0 && a->since < b->since));
  }
}

static void test_operator_errors(void **state) {
  (void)state;
  static const struct {
    const char *op, *inputs, *attribute, *error;
  } cases[] = {
      {"Conw", "x x", NULL, "ai.onnx has no operator 'Conw'\n  hint: did you mean 'Conv'?"},
      {"Gelu", "x", NULL, "Gelu came with opset 20 of ai.onnx, but the model is of opset 17"},
      {"Conv", "x", NULL, "input 1 ('W') of Conv is missing"},
      {"Relu", "x x", NULL, "2 inputs, but Relu has at most 1"},
      {"Concat", "x", NULL, "attribute 'axis' (an integer) is missing"},
      {"Conv", "x x", "kernel_shap",
       "unknown attribute 'kernel_shap', did you mean 'kernel_shape'?"},
      {"Conv", "x x", "strides",
       "attribute 'strides' must be a list of integers, but is an integer"},
      {"Relu", "x", "whatever", "unknown attribute 'whatever'"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Bytes graph = graph_of_x(), node = node_of(cases[i].op, cases[i].inputs, "y");
    if (cases[i].attribute) add_int(&node, cases[i].attribute, 1);
    put_message(&graph, 1, &node);
    expect_graph_error(&graph, cases[i].error);
    teardown(NULL);
    setup(NULL);
  }
}

static void test_foreign_operator(void **state) {
  (void)state;
  Bytes graph = graph_of_x(), node = node_of("Whatever", "x", "y");
  put_text(&node, 7, "acme");
  add_int(&node, "any", 3);
  put_message(&graph, 1, &node);
  Bytes model = model_of(&graph);
  add_opset(&model, 8, "acme", 2);
  expect_read(&model);
  assert_null(c.graph->nodes.items[0]->op);
  assert_int_equal(c.graph->nodes.items[0]->version, 2);
}

/* ---- tensors ---- */

/* The constant that initializer `w` becomes. */
static const Tensor *read_initializer(const Bytes *tensor) {
  Bytes graph = graph_of_x();
  put_message(&graph, 5, tensor);
  add_node(&graph, "Shape", "w", "y");
  Bytes model = model_of(&graph);
  expect_read(&model);
  const Value *value = c.graph->nodes.items[0]->inputs[0];
  assert_true(value->is_parameter);
  assert_string_equal(value->name, "w");
  return value->constant;
}

static void restart(void) {
  teardown(NULL);
  setup(NULL);
}

static void test_raw_is_a_slice(void **state) {
  (void)state;
  const float values[] = {1, 2, 3};
  Bytes tensor = raw_tensor("w", FLOAT, 3, values, sizeof values);
  const Tensor *w = read_initializer(&tensor);
  assert_memory_equal(w->data, values, sizeof values);
  assert_in_range((uintptr_t)w->data, (uintptr_t)kept.data, (uintptr_t)kept.data + kept.size);
}

static void test_typed_lists(void **state) {
  (void)state;
  Bytes tensor = tensor_of("w", INT64, 1, (int64_t[]){2});
  put_int(&tensor, 7, -5); /* not packed, as old writers do it */
  put_int(&tensor, 7, 6);
  const Tensor *w = read_initializer(&tensor);
  assert_int_equal(tensor_int(w, 0), -5);
  assert_int_equal(tensor_int(w, 1), 6);
  restart();
  tensor = tensor_of("w", UINT8, 1, (int64_t[]){2});
  put_bytes(&tensor, 5, "\xff\x01\x07", 3); /* the numbers 255 and 7 */
  w = read_initializer(&tensor);
  assert_memory_equal(w->data, "\xff\x07", 2);
  restart();
  tensor = tensor_of("w", FLOAT16, 0, NULL);
  put_int(&tensor, 5, 0x3e00);
  assert_true(tensor_real(read_initializer(&tensor), 0) == 1.5);
  restart();
  tensor = tensor_of("w", STRING, 1, (int64_t[]){2});
  put_text(&tensor, 6, "one");
  put_text(&tensor, 6, "two");
  w = read_initializer(&tensor);
  assert_string_equal(((const char *const *)w->data)[1], "two");
}

static void test_small_types(void **state) {
  (void)state;
  Bytes tensor = raw_tensor("w", INT4, 3, "\x8f\x07", 2); /* -1, -8, 7 */
  const Tensor *w = read_initializer(&tensor);
  assert_memory_equal(w->data, "\xff\xf8\x07", 3);
  restart();
  tensor = raw_tensor("w", BOOL, 3, "\x00\x02\x01", 3);
  assert_memory_equal(read_initializer(&tensor)->data, "\x00\x01\x01", 3);
}

static void test_empty_tensor(void **state) {
  (void)state;
  Bytes tensor = raw_tensor("w", FLOAT, 0, "", 0);
  assert_int_equal(read_initializer(&tensor)->count, 0);
}

static void test_tensor_errors(void **state) {
  (void)state;
  const float values[9] = {0};
  Bytes graph = graph_of_x(), tensor = tensor_of("w", FLOAT, 2, (int64_t[]){3, 4});
  add_node(&graph, "Relu", "x", "y");
  Bytes start = graph;
  put_bytes(&tensor, 9, values, sizeof values);
  put_message(&graph, 5, &tensor);
  expect_graph_error(&graph, "initializer 'w': 36 bytes of data for float32[3, 4], which needs 48");
  restart();
  graph = start;
  tensor = tensor_of("w", DOUBLE, 2, (int64_t[]){INT64_C(1) << 40, INT64_C(1) << 40});
  put_message(&graph, 5, &tensor);
  expect_graph_error(&graph, "is not a possible size");
  restart();
  graph = start;
  tensor = tensor_of("w", 99, 0, NULL);
  put_message(&graph, 5, &tensor);
  expect_graph_error(&graph, "initializer 'w': unknown element type 99");
  restart();
  graph = start;
  tensor = tensor_of("w", FLOAT, 1, (int64_t[]){3});
  put_message(&graph, 5, &tensor);
  expect_graph_error(&graph, "0 values in float_data for float32[3], which needs 3");
}

static Bytes sparse_of(const char *name, int64_t last) {
  const float values[] = {1.5f, 2.5f};
  const int64_t indices[] = {1, last};
  Bytes sparse = {.size = 0}, v = raw_tensor(name, FLOAT, 2, values, sizeof values);
  Bytes i = raw_tensor("", INT64, 2, indices, sizeof indices);
  put_message(&sparse, 1, &v);
  put_message(&sparse, 2, &i);
  put_int(&sparse, 3, 2);
  put_int(&sparse, 3, 3);
  return sparse;
}

static void test_sparse(void **state) {
  (void)state;
  const float dense[] = {0, 1.5f, 0, 0, 0, 2.5f};
  Bytes graph = graph_of_x(), sparse = sparse_of("w", 5);
  put_message(&graph, 15, &sparse);
  add_node(&graph, "Add", "x w", "y");
  Bytes model = model_of(&graph);
  expect_read(&model);
  const Tensor *w = c.graph->nodes.items[0]->inputs[1]->constant;
  assert_int_equal(w->rank, 2);
  assert_memory_equal(w->data, dense, sizeof dense);
  restart();
  graph = graph_of_x();
  sparse = sparse_of("w", 6);
  put_message(&graph, 15, &sparse);
  add_node(&graph, "Relu", "x", "y");
  expect_graph_error(&graph, "index 1 is outside of the tensor");
}

static void test_constants(void **state) {
  (void)state;
  Bytes graph = graph_of_x(), node = node_of("Constant", "", "k"), sparse = sparse_of("", 5);
  add_float(&node, "value_float", 2.5f);
  put_message(&graph, 1, &node);
  node = node_of("Constant", "", "s");
  add_message(&node, "sparse_value", 11, 22, &sparse);
  put_message(&graph, 1, &node);
  add_node(&graph, "Sum", "x s k", "y");
  Bytes model = model_of(&graph);
  expect_inferred(&model);
  assert_int_equal(c.graph->nodes.count, 1);
  assert_int_equal(c.graph->nodes.items[0]->index, 2);
  const Value *const *inputs = (const Value *const *)c.graph->nodes.items[0]->inputs;
  assert_true(tensor_real(inputs[1]->constant, 5) == 2.5);
  assert_int_equal(inputs[2]->constant->rank, 0);
  assert_true(tensor_real(inputs[2]->constant, 0) == 2.5);
  assert_false(inputs[2]->is_parameter);
}

static void test_tensor_file(void **state) {
  (void)state;
  const float values[] = {1, 2, 3, 4, 5};
  char path[] = "/tmp/ctc_test_XXXXXX";
  Bytes bytes = raw_tensor("t", FLOAT, 5, values, sizeof values);
  int file = mkstemp(path);
  assert_true(file >= 0);
  assert_int_equal(write(file, bytes.data, bytes.size), (long)bytes.size);
  close(file);
  const Tensor *tensor = onnx_read_tensor(path, c.arena, &diag);
  assert_non_null(tensor);
  assert_memory_equal(tensor->data, values, sizeof values);
  assert_int_equal(truncate(path, (long)bytes.size - 1), 0);
  assert_null(onnx_read_tensor(path, c.arena, &diag));
  assert_int_equal(diag.errors, 1);
  unlink(path);
}

/* ---- external data ---- */

static void put_entry(Bytes *tensor, const char *key, const char *value) {
  Bytes entry = {.size = 0};
  put_text(&entry, 1, key);
  put_text(&entry, 2, value);
  put_message(tensor, 13, &entry);
}

static Bytes external_model(const char *location, const char *offset, const char *length) {
  Bytes graph = graph_of_x(), tensor = tensor_of("w", FLOAT, 1, (int64_t[]){2});
  put_entry(&tensor, "location", location);
  if (offset) put_entry(&tensor, "offset", offset);
  if (length) put_entry(&tensor, "length", length);
  put_int(&tensor, 14, 1);
  put_message(&graph, 5, &tensor);
  add_node(&graph, "Add", "x w", "y");
  return model_of(&graph);
}

static void expect_external_error(const char *path, const char *location, const char *offset,
                                  const char *length, const char *text) {
  restart();
  Bytes model = external_model(location, offset, length);
  assert_false(read_at(path, &model));
  if (diag.errors != 1 || !strstr(messages, text)) fail_msg("%s: %s", text, messages);
}

static void test_external(void **state) {
  (void)state;
  const float values[] = {1, 2, 3, 4};
  char folder[] = "/tmp/ctc_test_XXXXXX", path[100], weights[100], link[100];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/m.onnx", folder);
  snprintf(weights, sizeof weights, "%s/w.bin", folder);
  snprintf(link, sizeof link, "%s/link.bin", folder);
  FILE *file = fopen(weights, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(values, sizeof values, 1, file), 1);
  fclose(file);
  assert_int_equal(symlink("/etc/passwd", link), 0);
  Bytes model = external_model("w.bin", "4", "8");
  if (!read_at(path, &model)) fail_msg("%s", messages);
  const Tensor *w = c.graph->nodes.items[0]->inputs[1]->constant;
  assert_memory_equal(w->data, values + 1, 8);
  expect_external_error(path, "w.bin", "12", NULL, "4 bytes of data for float32[2]");
  expect_external_error(path, "w.bin", "12", "8", "is at byte 12 of 'w.bin', which has 16 bytes");
  expect_external_error(path, "w.bin", "99999999999999999999", "8", "missing or wrong");
  expect_external_error(path, "w.bin", "-4", "8", "missing or wrong");
  expect_external_error(path, "none.bin", NULL, NULL, "cannot be read: No such file");
  expect_external_error(path, "/etc/passwd", NULL, NULL, "not in the model's folder");
  expect_external_error(path, "a/../../x", NULL, NULL, "not in the model's folder");
  expect_external_error(path, "link.bin", NULL, NULL, "a link out of the model's folder");
  unlink(link);
  unlink(weights);
  rmdir(folder);
}

/* ---- functions ---- */

static Bytes function_of(const char *name) {
  Bytes function = {.size = 0};
  put_text(&function, 1, name);
  put_text(&function, 4, "a");
  put_text(&function, 5, "r");
  put_text(&function, 10, "my");
  add_opset(&function, 9, "", 13);
  add_opset(&function, 9, "my", 1);
  return function;
}

/* Scale(a) <factor>: k = Constant <value_float = @factor>; r = Mul(a, k) */
static Bytes scale_function(void) {
  Bytes function = function_of("Scale"), constant = node_of("Constant", "", "k");
  Bytes mul = node_of("Mul", "a k", "r");
  put_text(&function, 6, "factor");
  add_reference(&constant, "value_float", 1, "factor");
  put_message(&function, 7, &constant);
  put_message(&function, 7, &mul);
  return function;
}

/* Both(a) <second = 7>: t = Scale(a) <factor = 3>; r = Scale(t) <factor = @second> */
static Bytes both_function(void) {
  Bytes function = function_of("Both"), first = node_of("Scale", "a", "t");
  Bytes second = node_of("Scale", "t", "r"), parameter = attribute("second", 1);
  put_float(&parameter, 2, 7);
  put_message(&function, 11, &parameter);
  put_text(&first, 7, "my");
  put_text(&first, 3, "one");
  add_float(&first, "factor", 3);
  put_text(&second, 7, "my");
  put_text(&second, 3, "two");
  add_reference(&second, "factor", 1, "second");
  put_message(&function, 7, &first);
  put_message(&function, 7, &second);
  return function;
}

static Bytes call_model(const Bytes *call) {
  Bytes graph = graph_of_x(), scale = scale_function(), both = both_function();
  put_message(&graph, 1, call);
  Bytes model = model_of(&graph);
  add_opset(&model, 8, "my", 1);
  put_message(&model, 25, &scale);
  put_message(&model, 25, &both);
  return model;
}

static double factor_of(int node) {
  return tensor_real(c.graph->nodes.items[node]->inputs[1]->constant, 0);
}

static void test_function(void **state) {
  (void)state;
  Bytes call = node_of("Both", "x", "y");
  put_text(&call, 7, "my");
  put_text(&call, 3, "call");
  Bytes model = call_model(&call);
  expect_graph(&model, "graph g(x: float32[N, 3]) {\n"
                       "  call/one/k = Constant() {value_float = 3}  // #3\n"
                       "  call/t = Mul(x, call/one/k)  // #4\n"
                       "  call/two/k = Constant() {value_float = 7}  // #5\n"
                       "  y = Mul(call/t, call/two/k)  // #6\n"
                       "  return y\n"
                       "}\n");
  assert_true(infer_graph(&c, c.graph));
  assert_true(factor_of(0) == 3);
  assert_true(factor_of(1) == 7);
  assert_int_equal(c.graph->nodes.items[0]->version, 13);
  restart();
  add_float(&call, "second", 11);
  model = call_model(&call);
  expect_inferred(&model);
  assert_true(factor_of(1) == 11);
}

static void test_function_errors(void **state) {
  (void)state;
  Bytes call = node_of("Both", "x", "y");
  put_text(&call, 7, "my");
  add_float(&call, "secnd", 1);
  Bytes model = call_model(&call);
  expect_error(&model, "function 'Both' has no attribute 'secnd'\n  hint: did you mean 'second'?");
  restart();
  call = node_of("Both", "x x", "y");
  put_text(&call, 7, "my");
  model = call_model(&call);
  expect_error(&model, "2 inputs, but function 'Both' has 1");
  restart();
  Bytes loop = function_of("Loop"), inner = node_of("Loop", "a", "r");
  put_text(&inner, 7, "my");
  put_message(&loop, 7, &inner);
  call = node_of("Loop", "x", "y");
  put_text(&call, 7, "my");
  model = call_model(&call);
  put_message(&model, 25, &loop);
  expect_error(&model, "function 'Loop' calls itself");
}

/* ---- inputs and options ---- */

/* Inputs x float[N, 3], z float[N, ?], s int64[], and y = Neg(x). */
static Bytes options_model(void) {
  Bytes graph = graph_of_x(), z = value_info("z", FLOAT, "N ?"), s = value_info("s", INT64, "");
  put_message(&graph, 11, &z);
  put_message(&graph, 11, &s);
  add_node(&graph, "Neg", "x", "y");
  return model_of(&graph);
}

static void expect_inputs(const char *text) {
  Bytes model = options_model();
  expect_read(&model);
  Str list = str_in(c.arena);
  for (size_t i = 0; i < c.graph->inputs.count; i++)
    str_addf(&list, "%s%s %s", i ? ", " : "", c.graph->inputs.items[i]->name,
             value_type_text(&c, c.graph->inputs.items[i]));
  assert_string_equal(str_text(&list), text);
  restart();
}

static void expect_option_error(const char *text) {
  Bytes model = options_model();
  expect_error(&model, text);
  restart();
}

static void use_dim(const char *name, bool fixed, int64_t value) {
  static DimOption option;
  option = (DimOption){name, fixed, value};
  options.dims = &option;
  options.dim_count = 1;
}

static void use_shape(const char *input, int rank, int64_t a, int64_t b) {
  static ShapeOption option;
  option = (ShapeOption){input, rank, {a, b}};
  options.shapes = &option;
  options.shape_count = 1;
}

static void use_set(const char *input, const char *text) {
  static SetOption option;
  option = (SetOption){input, text};
  options.sets = &option;
  options.set_count = 1;
}

static void test_options(void **state) {
  (void)state;
  expect_inputs("x float32[N, 3], z float32[N, z.1], s int64[]");
  use_dim("N", true, 4);
  expect_inputs("x float32[4, 3], z float32[4, z.1], s int64[]");
  use_shape("z", 2, -1, 5);
  expect_inputs("x float32[N, 3], z float32[N, 5], s int64[]");
  use_shape("x", 2, 2, -1);
  expect_inputs("x float32[2, 3], z float32[2, z.1], s int64[]");
  use_set("s", "16000");
  expect_inputs("x float32[N, 3], z float32[N, z.1]");
}

static void test_bound(void **state) {
  (void)state;
  use_dim("N", false, 8);
  Bytes model = options_model();
  expect_read(&model);
  assert_int_equal(dim_range(c.graph->inputs.items[0]->shape[0]).high, 8);
}

static void test_set(void **state) {
  (void)state;
  use_set("x", "0.5,-1,2");
  use_dim("N", true, 1);
  Bytes model = options_model();
  expect_read(&model);
  const Tensor *x = c.graph->nodes.items[0]->inputs[0]->constant;
  assert_int_equal(x->rank, 2);
  assert_memory_equal(x->data, ((float[]){0.5f, -1, 2}), 12);
  restart();
  use_set("x", "7");
  use_dim("N", true, 2);
  expect_read(&model);
  assert_true(tensor_real(c.graph->nodes.items[0]->inputs[0]->constant, 5) == 7);
}

static void test_set_half(void **state) {
  (void)state;
  static const struct {
    const char *text;
    uint16_t bits;
  } cases[] = {{"1", 0x3c00},    {"-2.5", 0xc100}, {"65504", 0x7bff},  {"65520", 0x7c00},
               {"6e-8", 0x0001}, {"-0", 0x8000},   {"6.1e-5", 0x03ff}, {"6.103515625e-5", 0x0400},
               {"0.1", 0x2e66},  {"2049", 0x6800}, {"2051", 0x6802},   {"inf", 0x7c00}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Bytes graph = graph_of_x(), h = value_info("h", FLOAT16, "");
    put_message(&graph, 11, &h);
    add_node(&graph, "Neg", "h", "y");
    Bytes model = model_of(&graph);
    use_set("h", cases[i].text);
    expect_read(&model);
    const Tensor *tensor = c.graph->nodes.items[0]->inputs[0]->constant;
    assert_int_equal(*(const uint16_t *)tensor->data, cases[i].bits);
    restart();
  }
}

static void test_option_errors(void **state) {
  (void)state;
  use_dim("M", true, 4);
  expect_option_error("--dim: the model has no dimension 'M'");
  use_shape("xx", 2, 1, 1);
  expect_option_error("the model has no input 'xx'\n  hint: did you mean 'x'?");
  use_shape("x", 1, 1, 1);
  expect_option_error("input 'x' has rank 2, but the option has 1 sizes");
  use_set("x", "1");
  expect_option_error("size 0 of input 'x' is not known\n  hint: give it with --shape or --dim");
  use_set("s", "1.5");
  expect_option_error("'1.5' is not a value of type int64");
  use_set("s", "1,2");
  expect_option_error("2 values for 1 elements");
  use_dim("N", true, 4);
  use_shape("x", 2, 5, -1);
  expect_option_error("--dim: dimension 'N' cannot be 4, it is 5 already");
}

static void test_input_errors(void **state) {
  (void)state;
  Bytes graph = graph_of_x(), u = value_info("u", FLOAT, NULL);
  put_message(&graph, 11, &u);
  add_node(&graph, "Neg", "x", "y");
  expect_graph_error(&graph, "input 'u' (float32) has no shape in the model\n  hint: give it");
  restart();
  graph = graph_of_x();
  Bytes list = {.size = 0}, sequence = {.size = 0}, type = {.size = 0};
  put_message(&type, 4, &sequence);
  put_text(&list, 1, "q");
  put_message(&list, 2, &type);
  put_message(&graph, 11, &list);
  add_node(&graph, "Neg", "x", "y");
  expect_graph_error(&graph, "input 'q' is a sequence; ctc takes tensors, and sequences, ");
}

/* ---- files that are no models ---- */

static void expect_bytes_error(const void *data, size_t size, const char *text) {
  Bytes model = {.size = size};
  memcpy(model.data, data, size);
  expect_error(&model, text);
  restart();
}

static void test_not_a_model(void **state) {
  (void)state;
  expect_bytes_error("", 0, "not an ONNX model: the file is empty");
  expect_bytes_error("Hello, world\n", 13, "not an ONNX model (at byte 2");
  expect_bytes_error("\x89PNG\r\n\x1a\n", 8, "not an ONNX model");
  expect_bytes_error("\x08\x08", 2, "the file holds no graph");
  expect_bytes_error("\x08\x08\x3a\x50\x0a", 5,
                     "damaged at byte 2: a field of 80 bytes, but only 1");
  expect_bytes_error("\x08\x08\x3a\x00\x3a\x00", 6, "damaged at byte 4: 'graph' is there twice");
}

static void test_every_truncation(void **state) {
  (void)state;
  Bytes call = node_of("Both", "x", "y");
  put_text(&call, 7, "my");
  Bytes whole = call_model(&call);
  for (size_t size = 0; size < whole.size; size++) {
    Bytes part = whole;
    part.size = size;
    if (!read_at("m.onnx", &part)) assert_int_equal(diag.errors, 1);
    restart();
  }
}

/* Graphs within graphs, deeper than is allowed: refused before anything recurses into them. */
static void test_nesting(void **state) {
  (void)state;
  static uint8_t file[20000];
  size_t size = 0, at = sizeof file;
  for (int i = 0; i < 300;
       i++) { /* from the inside: graph = { node = { attribute = { g = … } } } */
    static const uint8_t tags[] = {6 << 3 | 2, 5 << 3 | 2, 1 << 3 | 2};
    for (int t = 0; t < 3; t++) {
      size = sizeof file - at;
      at -= 4;
      file[at] = tags[t];
      file[at + 1] = (uint8_t)(size & 127) | 128;
      file[at + 2] = (uint8_t)(size >> 7 & 127) | 128;
      file[at + 3] = (uint8_t)(size >> 14);
    }
  }
  size = sizeof file - at;
  at -= 4;
  memcpy(file + at,
         (uint8_t[]){7 << 3 | 2, (uint8_t)(size & 127) | 128, (uint8_t)(size >> 7 & 127) | 128,
                     (uint8_t)(size >> 14)},
         4);
  assert_false(onnx_read_bytes(&c, "m.onnx", file + at, sizeof file - at));
  assert_int_equal(diag.errors, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_plain),
      TEST(test_unsorted),
      TEST(test_subgraph),
      TEST(test_defaults),
      TEST(test_names),
      TEST(test_no_output),
      TEST(test_twice),
      TEST(test_cycle),
      TEST(test_table),
      TEST(test_operator_errors),
      TEST(test_foreign_operator),
      TEST(test_raw_is_a_slice),
      TEST(test_typed_lists),
      TEST(test_small_types),
      TEST(test_empty_tensor),
      TEST(test_tensor_errors),
      TEST(test_sparse),
      TEST(test_constants),
      TEST(test_external),
      TEST(test_tensor_file),
      TEST(test_function),
      TEST(test_function_errors),
      TEST(test_options),
      TEST(test_bound),
      TEST(test_set),
      TEST(test_set_half),
      TEST(test_option_errors),
      TEST(test_input_errors),
      TEST(test_not_a_model),
      TEST(test_every_truncation),
      TEST(test_nesting),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
