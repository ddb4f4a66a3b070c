/* graph_verify.c: the invariants that every pass relies on and must keep. */
#include "ir/graph.h"

typedef enum { UNDEFINED, IN_SCOPE, OUT_OF_SCOPE } Scope;

typedef struct {
  uint8_t *scopes; /* Scope by value id */
  int value_count;
  bool typed;
} Verifier;

static void check_type(const Verifier *v, const Value *value) {
  if (!v->typed) return;
  CTC_ASSERT(value->dtype != DT_NONE && value->rank >= 0);
  for (int i = 0; i < value->rank; i++)
    CTC_ASSERT(value->shape[i] && !dim_is_overflow(value->shape[i]));
}

static void check_id(const Verifier *v, const Value *value) {
  CTC_ASSERT(value->id >= 0 && value->id < v->value_count);
}

static void define(Verifier *v, const Value *value) {
  check_id(v, value);
  CTC_ASSERT(v->scopes[value->id] == UNDEFINED); /* single definition */
  v->scopes[value->id] = IN_SCOPE;
  check_type(v, value);
}

/* Constants need no definition. */
static void check_use(const Verifier *v, const Value *value) {
  check_id(v, value);
  CTC_ASSERT(value->constant || v->scopes[value->id] == IN_SCOPE); /* topological order */
  check_type(v, value);
}

static void verify_graph(Verifier *v, const Graph *graph);

static void verify_node(Verifier *v, const Graph *graph, const Node *node) {
  CTC_ASSERT(node->graph == graph && node->op_type && node->domain && node->name);
  CTC_ASSERT(node->input_count >= 0 && node->output_count >= 0);
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i]) check_use(v, node->inputs[i]);
  for (int i = 0; i < node->attr_count; i++) {
    CTC_ASSERT(node->attrs[i].name);
    if (node->attrs[i].kind != ATTR_GRAPH) continue;
    CTC_ASSERT(node->attrs[i].graph->parent == graph);
    verify_graph(v, node->attrs[i].graph);
  }
  for (int i = 0; i < node->output_count; i++) {
    const Value *value = node->outputs[i];
    if (!value) continue;
    define(v, value);
    if (value->constant) continue;
    CTC_ASSERT(value->producer == node && value->producer_output == i);
  }
}

static void leave_scope(Verifier *v, const Value *value) {
  if (value) v->scopes[value->id] = OUT_OF_SCOPE;
}

static void verify_graph(Verifier *v, const Graph *graph) {
  for (size_t i = 0; i < graph->inputs.count; i++) {
    CTC_ASSERT(!graph->inputs.items[i]->producer);
    define(v, graph->inputs.items[i]);
  }
  for (size_t i = 0; i < graph->nodes.count; i++) verify_node(v, graph, graph->nodes.items[i]);
  for (size_t i = 0; i < graph->outputs.count; i++) check_use(v, graph->outputs.items[i]);
  for (size_t i = 0; i < graph->inputs.count; i++) leave_scope(v, graph->inputs.items[i]);
  for (size_t i = 0; i < graph->nodes.count; i++)
    for (int j = 0; j < graph->nodes.items[i]->output_count; j++)
      leave_scope(v, graph->nodes.items[i]->outputs[j]);
}

void graph_verify(Compilation *c, const Graph *graph, bool typed) {
  Verifier v = {ARENA_ARRAY(c->arena, uint8_t, c->next_value_id), c->next_value_id, typed};
  verify_graph(&v, graph);
}
