/* test_graph.c: tensors, values, graphs: building, elements as expressions, copying, dead nodes,
 * messages, text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ir/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static Compilation c;
static Diag diag;

static int setup(void **state) {
  (void)state;
  diag = (Diag){0};
  c = (Compilation){.arena = arena_create(), .diag = &diag, .file = "model.onnx"};
  c.dims = dim_pool_create(c.arena);
  c.graph = graph_create(&c, "main", NULL);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  arena_destroy(c.arena);
  return 0;
}

/* ---- building ---- */

static Value *add_input(Graph *graph, const char *name, DType dtype, int rank, const Dim *shape) {
  Value *value = value_create(&c, name);
  value_set_type(&c, value, dtype, rank, shape);
  vec_push(c.arena, &graph->inputs, value);
  return value;
}

static Node *add_node(Graph *graph, const char *op_type, Value *a, Value *b, const char *output) {
  Node *node = graph_append(&c, graph, "", op_type, 13, b ? 2 : 1, 1);
  node->inputs[0] = a;
  if (b) node->inputs[1] = b;
  node->outputs[0] = value_create(&c, output);
  node->outputs[0]->producer = node;
  return node;
}

static void set_body(Node *node, Graph *body) {
  node->attrs = ARENA_NEW(c.arena, Attr);
  node->attrs[0] = (Attr){.name = "body", .kind = ATTR_GRAPH, .count = 1, .graph = body};
  node->attr_count = 1;
}

/* x -> Relu -> a; Loop-like node with a body that uses a and its own input. */
typedef struct {
  Value *x, *a, *inner_in, *inner_out, *y;
  Node *relu, *loop, *add;
  Graph *body;
} Nested;

static Nested build_nested(void) {
  Nested g;
  Dim shape[] = {dim_input(c.dims, "N"), dim_const(c.dims, 3)};
  g.x = add_input(c.graph, "x", DT_F32, 2, shape);
  g.relu = add_node(c.graph, "Relu", g.x, NULL, "a");
  g.a = g.relu->outputs[0];
  g.loop = add_node(c.graph, "Loop", g.x, NULL, "y");
  g.y = g.loop->outputs[0];
  g.body = graph_create(&c, "body", c.graph);
  g.inner_in = add_input(g.body, "state", DT_F32, 2, shape);
  g.add = add_node(g.body, "Add", g.inner_in, g.a, "state_out");
  g.inner_out = g.add->outputs[0];
  vec_push(c.arena, &g.body->outputs, g.inner_out);
  set_body(g.loop, g.body);
  vec_push(c.arena, &c.graph->outputs, g.y);
  return g;
}

/* Whether `action` ends the process as CTC_ASSERT does. */
static bool asserts(void (*action)(void)) {
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    if (!freopen("/dev/null", "w", stderr)) _exit(1);
    action();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 70;
}

/* ---- tensors ---- */

static void test_tensor_create(void **state) {
  (void)state;
  void *data;
  Tensor *tensor = tensor_create(c.arena, DT_I16, 2, (int64_t[]){2, 3}, &data);
  assert_int_equal(tensor->count, 6);
  assert_int_equal(tensor_bytes(tensor), 12);
  assert_int_equal((uintptr_t)data % 64, 0);
  ((int16_t *)data)[5] = -9;
  assert_int_equal(tensor_int(tensor, 5), -9);
  assert_true(tensor_real(tensor, 5) == -9.0);
  assert_int_equal(tensor_int(tensor, 0), 0);
  assert_true(tensor_real(tensor_scalar_f32(c.arena, 2.5f), 0) == 2.5);
  Tensor *list = tensor_i64(c.arena, (int64_t[]){4, INT64_MIN}, 2);
  assert_int_equal(list->rank, 1);
  assert_int_equal(tensor_int(list, 1), INT64_MIN);
  assert_int_equal(tensor_i64(c.arena, NULL, 0)->count, 0);
}

static void test_tensor_count(void **state) {
  (void)state;
  int64_t count;
  assert_true(tensor_count(NULL, 0, &count));
  assert_int_equal(count, 1);
  assert_true(tensor_count((int64_t[]){5, 0, 7}, 3, &count));
  assert_int_equal(count, 0);
  assert_false(tensor_count((int64_t[]){2, -1}, 2, &count));
  assert_false(tensor_count((int64_t[]){INT64_C(1) << 40, INT64_C(1) << 40}, 2, &count));
}

static void test_small_floats(void **state) {
  (void)state;
  static const struct {
    uint16_t bits;
    float value;
  } halves[] = {{0x3c00, 1.0f},          {0xc000, -2.0f},        {0x7bff, 65504.0f},
                {0x0001, 5.9604645e-8f}, {0x03ff, 6.097555e-5f}, {0x0400, 6.1035156e-5f},
                {0x3555, 0.33325195f},   {0x0000, 0.0f}};
  for (size_t i = 0; i < sizeof halves / sizeof *halves; i++)
    assert_true(half_to_float(halves[i].bits) == halves[i].value);
  assert_true(half_to_float(0x7c00) > 3e38f);
  assert_true(1.0f / half_to_float(0x8000) < 0.0f);
  assert_true(half_to_float(0x7e00) != half_to_float(0x7e00));
  assert_true(bfloat_to_float(0x3fc0) == 1.5f);
  assert_true(bfloat_to_float(0xff80) < -3e38f);
}

static void test_tensor_align(void **state) {
  (void)state;
  void *data;
  Tensor *whole = tensor_create(c.arena, DT_F32, 1, (int64_t[]){4}, &data);
  ((float *)data)[1] = 7.0f;
  assert_ptr_equal(tensor_align(c.arena, whole), whole);
  Tensor part = {.dtype = DT_F32, .rank = 1, .dims = {3}, .count = 3, .data = (char *)data + 4};
  const Tensor *aligned = tensor_align(c.arena, &part);
  assert_int_equal((uintptr_t)aligned->data % 64, 0);
  assert_true(tensor_real(aligned, 0) == 7.0);
  Tensor odd = {.dtype = DT_I64, .count = 1, .data = (char *)data + 1};
  assert_int_equal(tensor_int(&odd, 0), (int64_t)0x40e00000 << 24);
}

static void test_tensor_conversions(void **state) {
  (void)state;
  static const uint16_t half = 0x4248; /* 3.140625 */
  static const double big = 1e30;
  Tensor h = {.dtype = DT_F16, .count = 1, .data = &half},
         d = {.dtype = DT_F64, .count = 1, .data = &big};
  assert_int_equal(tensor_int(&h, 0), 3);
  assert_true(tensor_real(&h, 0) == 3.140625);
  assert_int_equal(tensor_int(&d, 0), INT64_MAX);
}

/* ---- values ---- */

static void test_constant_value(void **state) {
  (void)state;
  int64_t numbers[3];
  Value *value = value_constant(&c, "shape", tensor_i64(c.arena, (int64_t[]){2, -1, 8}, 3));
  assert_int_equal(value->dtype, DT_I64);
  assert_int_equal(value->rank, 1);
  assert_true(dim_is(value->shape[0], 3));
  assert_int_equal(value->content_count, 3);
  assert_true(value_const_ints(value, numbers));
  assert_int_equal(numbers[1], -1);
  assert_null(value_constant(&c, "f", tensor_scalar_f32(c.arena, 1))->content);
  void *data;
  Tensor *large = tensor_create(c.arena, DT_I64, 1, (int64_t[]){1025}, &data);
  ((int64_t *)data)[1024] = 6;
  Value *big = value_constant(&c, "large", large);
  assert_null(big->content);
  assert_true(dim_is(value_element(&c, big, 1024, 0, 10), 6));
  Tensor *truth = tensor_create(c.arena, DT_BOOL, 0, NULL, &data);
  *(uint8_t *)data = 1;
  assert_true(dim_is(value_constant(&c, "b", truth)->content[0], 1));
}

static void test_value_count_and_text(void **state) {
  (void)state;
  Dim shape[] = {dim_const(c.dims, 1), dim_const(c.dims, 3), dim_input(c.dims, "N")};
  Value *value = value_create(&c, "x");
  assert_int_equal(value->rank, -1);
  assert_string_equal(value_type_text(&c, value), "unknown type");
  value_set_type(&c, value, DT_F32, 3, shape);
  assert_string_equal(value_type_text(&c, value), "float32[1, 3, N]");
  assert_ptr_equal(value_count(&c, value), dim_muli(c.dims, shape[2], 3));
  assert_int_equal(value_create(&c, "y")->id, value->id + 1);
}

static void test_elements_of_small_value(void **state) {
  (void)state;
  Dim shape[] = {dim_const(c.dims, 3)};
  Value *value = value_create(&c, "shape");
  value_set_type(&c, value, DT_I64, 1, shape);
  Dim element = value_element(&c, value, 2, 1, 100);
  assert_string_equal(dim_symbol(element)->name, "shape[2]");
  assert_string_equal(dim_symbol(element)->c_name, "shape_2_");
  assert_int_equal(dim_symbol(element)->kind, SYMBOL_DATA);
  assert_int_equal(dim_range(element).low, 1);
  assert_int_equal(dim_range(element).high, 100);
  assert_int_equal(value->content_count, 3);
  assert_int_equal(value->loads.count, 3);
  assert_int_equal(dim_range(value->content[0]).low, INT64_MIN);
  assert_ptr_equal(value_element(&c, value, 2, 5, INT64_MAX), element);
  assert_int_equal(dim_range(element).low, 5);
  assert_int_equal(dim_range(element).high, 100);
  value->content = NULL; /* as before another inference */
  assert_ptr_equal(value_element(&c, value, 2, INT64_MIN, INT64_MAX), element);
  assert_int_equal(value->loads.count, 3);
  int64_t numbers[3];
  assert_false(value_const_ints(value, numbers));
}

static void test_elements_of_other_values(void **state) {
  (void)state;
  Dim n = dim_input(c.dims, "N");
  Value *scalar = value_create(&c, "trip_count__56"), *list = value_create(&c, "list");
  value_set_type(&c, scalar, DT_I64, 0, NULL);
  Dim count = value_element(&c, scalar, 0, 0, INT64_MAX);
  assert_string_equal(dim_symbol(count)->name, "trip_count__56");
  value_set_type(&c, list, DT_I64, 1, &n);
  Dim first = value_element(&c, list, 0, 0, 9), second = value_element(&c, list, 1, 0, 9);
  assert_null(list->content);
  assert_true(first != second);
  assert_ptr_equal(value_element(&c, list, 0, 0, 9), first);
  assert_int_equal(list->loads.count, 2);
  Value *flag = value_create(&c, "flag");
  value_set_type(&c, flag, DT_BOOL, 0, NULL);
  DimRange range = dim_range(value_element(&c, flag, 0, INT64_MIN, INT64_MAX));
  assert_true(range.low == 0 && range.high == 1);
  Value *known =
      value_create(&c, "known"); /* an element that is another symbol keeps its own range */
  value_set_type(&c, known, DT_I64, 0, NULL);
  known->content = &n;
  known->content_count = 1;
  assert_ptr_equal(value_element(&c, known, 0, 3, 4), n);
  assert_int_equal(dim_range(n).low, 0);
}

/* ---- graphs ---- */

static void test_append(void **state) {
  (void)state;
  Node *node = graph_append(&c, c.graph, "ai.onnx.ml", "Scaler", 3, 2, 1);
  assert_ptr_equal(node->graph, c.graph);
  assert_int_equal(node->version, 3);
  assert_int_equal(c.graph->nodes.count, 1);
  assert_null(node_in(node, 0));
  assert_null(node_in(node, 2));
  assert_null(node_in(node, -1));
  assert_null(node_out(node, 5));
  assert_int_equal(graph_append(&c, c.graph, "", "Relu", 13, 1, 1)->index, node->index + 1);
}

static void test_attributes(void **state) {
  (void)state;
  Attr attrs[] = {
      {.name = "axis", .kind = ATTR_INT, .count = 1, .i = -1},
      {.name = "alpha", .kind = ATTR_FLOAT, .count = 1, .f = 0.5f},
      {.name = "mode", .kind = ATTR_STRING, .count = 1, .s = "linear"},
      {.name = "pads", .kind = ATTR_INTS, .count = 2, .ints = (int64_t[]){1, 2}},
      {.name = "scales", .kind = ATTR_FLOATS, .count = 1, .floats = (float[]){3}},
  };
  Node node = {.attrs = attrs, .attr_count = 5};
  size_t count = 99;
  assert_int_equal(node_int(&node, "axis", 0), -1);
  assert_int_equal(node_int(&node, "none", 7), 7);
  assert_true(node_float(&node, "alpha", 1) == 0.5f);
  assert_true(node_float(&node, "beta", 1) == 1.0f);
  assert_string_equal(node_string(&node, "mode", "nearest"), "linear");
  assert_string_equal(node_string(&node, "other", "nearest"), "nearest");
  assert_int_equal(node_ints(&node, "pads", &count)[1], 2);
  assert_int_equal(count, 2);
  assert_null(node_ints(&node, "axis", &count));
  assert_int_equal(count, 0);
  assert_true(node_floats(&node, "scales", &count)[0] == 3.0f);
  assert_null(node_body(&node, "body"));
}

static void test_clone(void **state) {
  (void)state;
  Nested g = build_nested();
  Dim shape[] = {dim_const(c.dims, 2)};
  value_set_type(&c, g.inner_out, DT_F32, 1, shape);
  Graph *copy = graph_clone(&c, g.body, NULL);
  assert_int_equal(copy->nodes.count, 1);
  Node *add = copy->nodes.items[0];
  assert_true(add != g.add && add->graph == copy && copy->parent == c.graph);
  assert_int_equal(add->index, g.add->index);
  assert_ptr_equal(add->inputs[0], copy->inputs.items[0]);
  assert_true(add->inputs[0] != g.inner_in);
  assert_int_equal(add->inputs[0]->rank, 2); /* a declared type stays */
  assert_ptr_equal(add->inputs[1], g.a);     /* of the outer graph: shared */
  assert_ptr_equal(copy->outputs.items[0], add->outputs[0]);
  assert_ptr_equal(add->outputs[0]->producer, add);
  assert_int_equal(add->outputs[0]->rank, -1); /* to be inferred again */
  assert_ptr_equal(g.add->inputs[0], g.inner_in);
  assert_int_equal(g.inner_out->rank, 1);
}

static void test_clone_nested_with_inputs(void **state) {
  (void)state;
  Nested g = build_nested();
  Value *given = value_create(&c, "given");
  Graph *copy = graph_clone(&c, c.graph, &given);
  Node *loop = copy->nodes.items[1];
  Graph *body = node_body(loop, "body");
  assert_true(body != g.body && body->parent == copy);
  assert_ptr_equal(loop->inputs[0], given);
  assert_ptr_equal(copy->nodes.items[0]->inputs[0], given);
  assert_ptr_equal(body->nodes.items[0]->inputs[1], copy->nodes.items[0]->outputs[0]);
  assert_true(body->nodes.items[0]->inputs[1] != g.a);
  assert_ptr_equal(copy->outputs.items[0], loop->outputs[0]);
  assert_ptr_equal(node_body(g.loop, "body"), g.body);
}

static void test_replace_uses(void **state) {
  (void)state;
  Nested g = build_nested();
  Value *other = value_create(&c, "other");
  graph_replace_uses(c.graph, g.a, other);
  assert_ptr_equal(g.add->inputs[1], other);
  graph_replace_uses(c.graph, g.y, other);
  assert_ptr_equal(c.graph->outputs.items[0], other);
  assert_ptr_equal(g.loop->outputs[0], g.y); /* a definition, not a use */
}

static void test_remove_dead(void **state) {
  (void)state;
  Nested g = build_nested();
  Node *dead = add_node(c.graph, "Exp", g.a, NULL, "dead");
  add_node(c.graph, "Log", dead->outputs[0], NULL, "dead_too");
  add_node(g.body, "Neg", g.inner_in, NULL, "dead_inside");
  assert_int_equal(graph_remove_dead(&c, c.graph), 3);
  assert_int_equal(c.graph->nodes.count, 2);
  assert_ptr_equal(c.graph->nodes.items[0], g.relu); /* used inside the body only */
  assert_ptr_equal(c.graph->nodes.items[1], g.loop);
  assert_int_equal(g.body->nodes.count, 1);
  assert_int_equal(graph_remove_dead(&c, c.graph), 0);
  c.graph->outputs.items[0] = g.x;
  assert_int_equal(graph_remove_dead(&c, c.graph), 2);
}

static void test_dead_keeps_symbols(void **state) {
  (void)state;
  Dim n = dim_input(c.dims, "N"), count = dim_data(c.dims, "count", 0, INT64_MAX, n);
  Value *x = add_input(c.graph, "x", DT_I64, 1, &n);
  Node *non_zero = add_node(c.graph, "NonZero", x, NULL, "where");
  value_set_type(&c, non_zero->outputs[0], DT_I64, 1, &count);
  Node *gather = add_node(c.graph, "Gather", non_zero->outputs[0], x, "picked");
  value_set_type(&c, gather->outputs[0], DT_I64, 1, &count);
  Node *fill = add_node(c.graph, "ConstantOfShape", x, NULL, "filled");
  Dim twice = dim_muli(c.dims, count, 2);
  value_set_type(&c, fill->outputs[0], DT_F32, 1, &twice);
  vec_push(c.arena, &c.graph->outputs, fill->outputs[0]);
  assert_int_equal(graph_remove_dead(&c, c.graph), 1); /* Gather; NonZero computes the count */
  assert_ptr_equal(c.graph->nodes.items[0], non_zero);
  value_set_type(&c, fill->outputs[0], DT_F32, 1, &n);
  assert_int_equal(graph_remove_dead(&c, c.graph), 1);
}

static void test_dead_keeps_loads(void **state) {
  (void)state;
  Dim n = dim_input(c.dims, "N");
  Value *x = add_input(c.graph, "x", DT_I64, 1, &n);
  Node *size = add_node(c.graph, "ReduceSum", x, NULL, "size");
  value_set_type(&c, size->outputs[0], DT_I64, 0, NULL);
  Dim element = value_element(&c, size->outputs[0], 0, 0, INT64_MAX);
  Node *fill = add_node(c.graph, "ConstantOfShape", x, NULL, "filled");
  value_set_type(&c, fill->outputs[0], DT_F32, 1, &element);
  vec_push(c.arena, &c.graph->outputs, fill->outputs[0]);
  assert_int_equal(graph_remove_dead(&c, c.graph), 0);
}

/* ---- verifying ---- */

static void verify(void) {
  graph_verify(&c, c.graph, false);
}

static void test_verify_accepts(void **state) {
  (void)state;
  build_nested();
  graph_verify(&c, c.graph, false);
}

static void test_verify_rejects(void **state) {
  (void)state;
  Nested g = build_nested();
  assert_false(asserts(verify));
  Node **nodes = c.graph->nodes.items;
  nodes[0] = g.loop; /* out of order: the body uses a */
  nodes[1] = g.relu;
  assert_true(asserts(verify));
  nodes[0] = g.relu;
  nodes[1] = g.loop;
  g.relu->outputs[0] = g.y; /* defined twice */
  assert_true(asserts(verify));
  g.relu->outputs[0] = g.a;
  c.graph->outputs.items[0] = g.inner_out; /* not visible outside */
  assert_true(asserts(verify));
  c.graph->outputs.items[0] = g.y;
  g.a->producer = g.loop;
  assert_true(asserts(verify));
  g.a->producer = g.relu;
  assert_false(asserts(verify));
}

static void verify_typed(void) {
  graph_verify(&c, c.graph, true);
}

static void test_verify_types(void **state) {
  (void)state;
  Nested g = build_nested();
  assert_true(asserts(verify_typed));
  Dim one = dim_const(c.dims, 1);
  value_set_type(&c, g.a, DT_F32, 1, &one);
  value_set_type(&c, g.y, DT_F32, 1, &one);
  value_set_type(&c, g.inner_out, DT_F32, 1, &one);
  assert_false(asserts(verify_typed));
  Dim huge = dim_muli(c.dims, dim_const(c.dims, INT64_MAX), 2);
  value_set_type(&c, g.y, DT_F32, 1, &huge);
  assert_true(asserts(verify_typed));
}

/* ---- messages and text ---- */

static void test_node_where(void **state) {
  (void)state;
  Node node = {.domain = "", .op_type = "Conv", .name = "conv1", .index = 13};
  assert_string_equal(node_where(&c, &node), "model.onnx: node 'conv1' (Conv #13)");
  node.name = "";
  assert_string_equal(node_where(&c, &node), "model.onnx: node #13 (Conv)");
  node = (Node){.domain = "ai.onnx.ml", .op_type = "Scaler", .name = "s", .index = 3};
  assert_string_equal(node_where(&c, &node), "model.onnx: node 's' (ai.onnx.ml.Scaler #3)");
}

static void test_node_error(void **state) {
  (void)state;
  Dim shape[] = {dim_const(c.dims, 6), dim_const(c.dims, 1)};
  Value *x = add_input(c.graph, "x", DT_F32, 2, shape);
  Node *node = add_node(c.graph, "Conv", value_create(&c, "untyped"), x, "y");
  char *text = NULL;
  size_t size = 0;
  diag.out = open_memstream(&text, &size);
  assert_false(node_error(&c, node, "bad %d", 5));
  fclose(diag.out);
  assert_int_equal(diag.errors, 1);
  assert_non_null(strstr(text, "model.onnx: node #0 (Conv): error: bad 5"));
  assert_non_null(strstr(text, "input 1 'x' is float32[6, 1]"));
  assert_null(strstr(text, "untyped"));
  free(text);
}

static void test_print(void **state) {
  (void)state;
  Nested g = build_nested();
  g.relu->name = "act";
  Str out = str_in(c.arena);
  graph_print(&out, c.graph);
  assert_string_equal(str_text(&out), "graph main(x: float32[N, 3]) {\n"
                                      "  a = Relu(x)  // 'act' #0\n"
                                      "  y = Loop(x)  // #1\n"
                                      "    body: graph body(state: float32[N, 3]) {\n"
                                      "      state_out = Add(state, a)  // #2\n"
                                      "      return state_out\n"
                                      "    }\n"
                                      "  return y\n"
                                      "}\n");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(test_tensor_create),
      TEST(test_tensor_count),
      TEST(test_small_floats),
      TEST(test_tensor_align),
      TEST(test_tensor_conversions),
      TEST(test_constant_value),
      TEST(test_value_count_and_text),
      TEST(test_elements_of_small_value),
      TEST(test_elements_of_other_values),
      TEST(test_append),
      TEST(test_attributes),
      TEST(test_clone),
      TEST(test_clone_nested_with_inputs),
      TEST(test_replace_uses),
      TEST(test_remove_dead),
      TEST(test_dead_keeps_symbols),
      TEST(test_dead_keeps_loads),
      TEST(test_verify_accepts),
      TEST(test_verify_rejects),
      TEST(test_verify_types),
      TEST(test_node_where),
      TEST(test_node_error),
      TEST(test_print),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
