/* uses.c: counts uses of values and buffers. */
#include "passes/uses.h"

void count_value_uses(const Graph *graph, int *uses) {
  for (size_t i = 0; i < graph->nodes.count; i++) {
    const Node *node = graph->nodes.items[i];
    for (int k = 0; k < node->input_count; k++)
      if (node->inputs[k]) uses[node->inputs[k]->id]++;
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph) count_value_uses(node->attrs[k].graph, uses);
  }
  for (size_t i = 0; i < graph->outputs.count; i++) uses[graph->outputs.items[i]->id]++;
}

static void find_consumers(const Graph *graph, Node **consumers) {
  for (size_t i = 0; i < graph->nodes.count; i++) {
    Node *node = graph->nodes.items[i];
    for (int k = 0; k < node->input_count; k++)
      if (node->inputs[k]) consumers[node->inputs[k]->id] = node;
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].graph) find_consumers(node->attrs[k].graph, consumers);
  }
}

ValueUses find_value_uses(Compilation *c) {
  ValueUses uses = {.known = c->next_value_id};
  uses.counts = ARENA_ARRAY(c->arena, int, c->next_value_id + 1);
  uses.consumers = ARENA_ARRAY(c->arena, Node *, c->next_value_id + 1);
  count_value_uses(c->graph, uses.counts);
  find_consumers(c->graph, uses.consumers);
  return uses;
}

Node *only_consumer(const ValueUses *uses, const Graph *graph, const Value *value) {
  if (value->id >= uses->known || uses->counts[value->id] != 1) return NULL;
  Node *consumer = uses->consumers[value->id];
  return consumer && consumer->graph == graph ? consumer : NULL;
}

static void count_use(BufferUse use, void *context) {
  BufferUses *uses = context;
  uses[use.buffer->id].reads += use.reads;
  uses[use.buffer->id].writes += use.writes;
}

BufferUses *count_buffer_uses(const Program *program) {
  Arena *arena = program->compilation->arena;
  BufferUses *uses = ARENA_ARRAY(arena, BufferUses, program->buffers.count + 1);
  block_visit_buffers(program->body, count_use, uses);
  return uses;
}

void remove_gaps(Block *block) {
  size_t kept = 0;
  for (size_t i = 0; i < block->steps.count; i++)
    if (block->steps.items[i]) block->steps.items[kept++] = block->steps.items[i];
  block->steps.count = kept;
}
