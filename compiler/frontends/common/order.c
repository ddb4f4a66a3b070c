/* order.c: depth first from each thing in turn, what it needs before itself. The stack is explicit,
 * for a list of a million nodes may be in reverse. */
#include "frontends/common/order.h"

typedef struct {
  int item;
  size_t next; /* position in needs */
} Frame;

typedef enum { NEW, OPEN, DONE } State;

typedef struct {
  const Needs *needs;
  Frame *stack;
  size_t depth;
  State *states;
  int *result;
  size_t done;
} Walk;

static void push(Walk *walk, int item) {
  walk->states[item] = OPEN;
  walk->stack[walk->depth++] = (Frame){item, walk->needs->first[item]};
}

/* Puts the part of the stack from `item` to its top into the result; the number of things. */
static size_t take_cycle(Walk *walk, int item) {
  size_t from = walk->depth;
  while (walk->stack[from - 1].item != item) from--;
  for (size_t i = from - 1; i < walk->depth; i++)
    walk->result[i - (from - 1)] = walk->stack[i].item;
  return walk->depth - (from - 1);
}

/* The length of a cycle, 0 if there is none. */
static size_t visit(Walk *walk, int start) {
  if (walk->states[start] == NEW) push(walk, start);
  while (walk->depth) {
    Frame *top = &walk->stack[walk->depth - 1];
    if (top->next == walk->needs->first[top->item + 1]) {
      walk->states[top->item] = DONE;
      walk->result[walk->done++] = top->item;
      walk->depth--;
      continue;
    }
    int need = walk->needs->needs[top->next++];
    if (walk->states[need] == OPEN) return take_cycle(walk, need);
    if (walk->states[need] == NEW) push(walk, need);
  }
  return 0;
}

bool topological_order(Arena *arena, const Needs *needs, int **order, size_t *cycle) {
  Walk walk = {.needs = needs,
               .stack = ARENA_ARRAY(arena, Frame, needs->count + 1),
               .states = ARENA_ARRAY(arena, State, needs->count + 1),
               .result = ARENA_ARRAY(arena, int, needs->count + 1)};
  *order = walk.result;
  *cycle = 0;
  for (size_t i = 0; i < needs->count && !*cycle; i++) *cycle = visit(&walk, (int)i);
  return *cycle == 0;
}
