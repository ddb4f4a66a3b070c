/* compose.c: the nodes that take the place of a composed operator's node. */
#include "ops/compose.h"

#include "ops/schema.h"

/* --- composing a node --- */

static bool is_typed(const Value *value) {
  return value->dtype != DT_NONE && value->rank >= 0;
}

/* Values that the composer made take the names of the node's outputs. */
static void name_outputs(const Node *node, int first_id, Value *const *out) {
  for (int i = 0; i < node->output_count; i++) {
    if (!node->outputs[i] || out[i]->id < first_id) continue;
    out[i]->name = node->outputs[i]->name;
    out[i]->declared = node->outputs[i]->declared;
  }
}

/* What the composer demanded of sizes is checked at the last node. */
static void hand_on_checks(Compilation *c, const Node *node, const Graph *body) {
  if (!node->checks.count || !body->nodes.count) return;
  Node *last = body->nodes.items[body->nodes.count - 1];
  last->checks.count = 0;
  for (size_t i = 0; i < node->checks.count; i++)
    vec_push(c->arena, &last->checks, node->checks.items[i]);
  last->given_checks = (int)node->checks.count;
}

/* Types of the outputs of a new node. */
static void type_node(Composer *k, Node *node) {
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i] && !is_typed(node->inputs[i])) k->failed = true;
  if (!k->failed && (!check_input_types(k->c, node) || !node->op->infer(k->c, node)))
    k->failed = true;
}

static Value **make_part(Composer *k, const NewNode *what) {
  NewNode part = *what;
  part.origin = k->node;
  Node *node = graph_add(k->c, k->body, &part);
  CTC_ASSERT(node->op);
  type_node(k, node);
  return node->outputs;
}

/* The body with its outputs set, or NULL after an error. */
static Graph *compose(Compilation *c, Node *node) {
  Graph *body = graph_create(c, node->op_type, node->graph);
  Composer k = {.c = c, .node = node, .body = body, .stem = node->op_type, .make = make_part};
  Value **out = ARENA_ARRAY(c->arena, Value *, node->output_count + 1);
  int first_id = c->next_value_id;
  node->checks.count = (size_t)node->given_checks;
  if (!node->op->compose(&k, node, out) || k.failed) return NULL;
  for (int i = 0; i < node->output_count; i++) {
    CTC_ASSERT(out[i] || !node->outputs[i]);
    vec_push(c->arena, &body->outputs, out[i]);
  }
  name_outputs(node, first_id, out);
  hand_on_checks(c, node, body);
  return body;
}

bool infer_composed(Compilation *c, Node *node) {
  const Graph *body = compose(c, node);
  if (!body) return false;
  for (int i = 0; i < node->output_count; i++) {
    const Value *from = body->outputs.items[i];
    if (node->outputs[i]) value_set_type(c, node->outputs[i], from->dtype, from->rank, from->shape);
  }
  return true;
}

Graph *select_composed(Compilation *c, const Node *node) {
  Diag silent = {0}, *loud = c->diag;
  c->diag = &silent;
  Graph *body = check_input_types(c, node) ? compose(c, (Node *)(uintptr_t)node) : NULL;
  c->diag = loud;
  return body;
}

/* --- nodes --- */

Value **compose_node(Composer *k, const char *domain, const char *op_type, Values in, Attrs attrs,
                     int outputs) {
  return compose_version(k, domain, op_type, schema_newest(domain), in, attrs, outputs);
}

Value **compose_version(Composer *k, const char *domain, const char *op_type, int version,
                        Values in, Attrs attrs, int outputs) {
  while (in.count && !in.items[in.count - 1]) in.count--;
  return k->make(k, &(NewNode){.domain = domain,
                               .op_type = op_type,
                               .version = version,
                               .in = in,
                               .attrs = attrs,
                               .outputs = outputs,
                               .output = arena_printf(k->c->arena, "%s/%s", k->stem, op_type)});
}

Value *compose_op(Composer *k, const char *op_type, Values in, Attrs attrs) {
  return compose_node(k, "", op_type, in, attrs, 1)[0];
}

static void take_nodes(Composer *k, const Graph *graph) {
  for (size_t i = 0; i < graph->nodes.count; i++) {
    Node *node = graph->nodes.items[i];
    node->graph = k->body;
    for (int a = 0; a < node->attr_count; a++)
      if (node->attrs[a].graph) node->attrs[a].graph->parent = k->body;
    vec_push(k->c->arena, &k->body->nodes, node);
    infer_types(k->c, node);
  }
}

Value *compose_body(Composer *k, const Graph *body, Value *x) {
  if (body->inputs.count != 1 || body->outputs.count != 1) {
    k->failed = true;
    node_error(k->c, k->node, "the body '%s' must have one input and one output",
               body->name ? body->name : "");
    return x;
  }
  Graph *copy = graph_clone(k->c, body, &x);
  take_nodes(k, copy);
  Value *y = copy->outputs.items[0];
  if (!is_typed(y)) value_set_type(k->c, y, x->dtype, x->rank, x->shape);
  return y;
}

/* --- constants --- */

Value *compose_tensor(Composer *k, const Tensor *tensor) {
  return value_constant(k->c, arena_printf(k->c->arena, "%s/constant", k->stem), tensor);
}

Value *compose_number(Composer *k, DType dtype, double value) {
  if (dtype == DT_NONE) return value_create(k->c, k->stem); /* after an error */
  return compose_tensor(k, tensor_from_reals(k->c->arena, dtype, 0, NULL, &value));
}

Value *compose_ints(Composer *k, const int64_t *values, int count) {
  return compose_tensor(k, tensor_i64(k->c->arena, values, count));
}

/* --- short forms --- */

Value *compose_reshape(Composer *k, Value *x, const int64_t *shape, int count) {
  return compose_op(k, "Reshape", IN(x, compose_ints(k, shape, count)), NO_ATTRS);
}

Value *compose_transpose(Composer *k, Value *x, const int64_t *perm, int count) {
  return compose_op(k, "Transpose", IN(x), WITH(attr_ints("perm", perm, count)));
}

Value *compose_unsqueeze(Composer *k, Value *x, int64_t axis) {
  return compose_op(k, "Unsqueeze", IN(x, compose_ints(k, &axis, 1)), NO_ATTRS);
}

Value *compose_squeeze(Composer *k, Value *x, int64_t axis) {
  return compose_op(k, "Squeeze", IN(x, compose_ints(k, &axis, 1)), NO_ATTRS);
}

Value *compose_slice(Composer *k, Value *x, int64_t axis, int64_t start, int64_t end) {
  return compose_op(
      k, "Slice",
      IN(x, compose_ints(k, &start, 1), compose_ints(k, &end, 1), compose_ints(k, &axis, 1)),
      NO_ATTRS);
}

Value *compose_cast(Composer *k, Value *x, DType dtype) {
  if (x->dtype == dtype) return x;
  return compose_op(k, "Cast", IN(x), WITH(attr_int("to", dtype_info(dtype)->onnx_code)));
}

Value *compose_binary(Composer *k, const char *op_type, Value *a, Value *b) {
  return compose_op(k, op_type, IN(a, b), NO_ATTRS);
}

Value *compose_size(Composer *k, Value *x, int64_t axis) {
  return compose_op(k, "Shape", IN(x), WITH(attr_int("start", axis), attr_int("end", axis + 1)));
}
