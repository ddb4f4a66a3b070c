/* match.c: questions about nodes and values for passes that look for a subgraph. */
#include "passes/match.h"

#include <string.h>

bool is_op(const Node *node, const char *op_type) {
  return node && node->domain[0] == '\0' && strcmp(node->op_type, op_type) == 0;
}

bool same_shape(const Value *a, const Value *b) {
  if (a->rank != b->rank) return false;
  for (int d = 0; d < a->rank; d++)
    if (a->shape[d] != b->shape[d]) return false;
  return true;
}

bool is_number(const Value *value, double *number) {
  bool one = value && value->constant && value->constant->count == 1 &&
             (dtype_is_float(value->dtype) || dtype_is_integer(value->dtype));
  if (one) *number = tensor_real(value->constant, 0);
  return one;
}

bool is_among(Node *const *nodes, int count, const Node *node) {
  for (int i = 0; i < count; i++)
    if (nodes[i] == node) return true;
  return false;
}

int uses_among(Node *const *nodes, int count, const Value *value) {
  int uses = 0;
  for (int i = 0; i < count; i++)
    for (int k = 0; k < nodes[i]->input_count; k++) uses += nodes[i]->inputs[k] == value;
  return uses;
}

void inherit_checks(Compilation *c, Node *const *nodes, int count, Node *node) {
  for (int i = 0; i < count; i++) {
    const Node *from = nodes[i];
    for (size_t k = 0; k < from->checks.count && from != node; k++)
      vec_push(c->arena, &node->checks, from->checks.items[k]);
  }
}

bool take(Taken *taken, Node *node) {
  if (is_among(taken->nodes, taken->count, node)) return true;
  if (taken->count == MOST_TAKEN) return false;
  taken->nodes[taken->count++] = node;
  return true;
}

bool is_closed(const Taken *taken, const Node *last, const int *uses) {
  for (int i = 0; i < taken->count; i++) {
    const Node *node = taken->nodes[i];
    for (int k = 0; k < node->output_count && node != last; k++) {
      const Value *value = node->outputs[k];
      if (value && uses[value->id] != uses_among(taken->nodes, taken->count, value)) return false;
    }
  }
  return true;
}
