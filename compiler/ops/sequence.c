/* sequence.c: what is known of the elements of sequences, and where they lie. */
#include "ops/sequence.h"

extern const OpDef op_SequenceInsert;

/* --- what is known of the elements --- */

const Sequence *sequence_of(const Value *data) {
  static const Sequence unknown = {.rank = RANK_UNKNOWN};
  return data->sequence ? data->sequence : &unknown;
}

Sequence sequence_element_type(const Value *x) {
  Sequence type = {.rank = x->rank};
  for (int d = 0; d < x->rank; d++) type.size[d] = type.bound[d] = x->shape[d];
  return type;
}

static const Sequence *keep(Compilation *c, Sequence sequence) {
  return arena_copy(c->arena, &sequence, sizeof sequence);
}

const Sequence *sequence_join(Compilation *c, const Sequence *a, const Sequence *b) {
  if (!a || !b || a->rank == RANK_OPEN || b->rank == RANK_OPEN) {
    const Sequence *known = !a || (b && a->rank == RANK_OPEN) ? b : a;
    if (!known) return NULL;
    Sequence alone = *known;
    alone.items = NULL;
    return keep(c, alone);
  }
  Sequence joined = {.rank = a->rank == b->rank ? a->rank : RANK_UNKNOWN};
  for (int d = 0; d < joined.rank; d++) {
    if (a->size[d] == b->size[d]) joined.size[d] = a->size[d];
    if (a->bound[d] && b->bound[d]) joined.bound[d] = dim_max(c->dims, a->bound[d], b->bound[d]);
  }
  return keep(c, joined);
}

const Sequence *sequence_outside(Compilation *c, const Sequence *sequence,
                                 bool (*inner)(const DimSymbol *symbol, void *context),
                                 void *context) {
  if (!sequence) return NULL;
  Sequence outside = *sequence;
  outside.items = NULL;
  for (int d = 0; d < outside.rank; d++) {
    Dim *size = &outside.size[d], *bound = &outside.bound[d];
    if (*size && dim_any_symbol(*size, inner, context)) *size = NULL;
    if (*bound && dim_any_symbol(*bound, inner, context)) *bound = dim_upper(c->dims, *bound);
    if (*bound && dim_any_symbol(*bound, inner, context)) *bound = NULL;
  }
  return keep(c, outside);
}

bool sequence_same(const Sequence *a, const Sequence *b) {
  if (!a || !b || a->rank != b->rank) return a == b;
  for (int d = 0; d < a->rank; d++)
    if (a->size[d] != b->size[d] || a->bound[d] != b->bound[d]) return false;
  return true;
}

Dim sequence_each(Compilation *c, const Sequence *sequence) {
  for (int d = 0; d < sequence->rank; d++)
    if (!sequence->size[d]) return NULL;
  return sequence->rank < 0 ? NULL : dim_product(c->dims, sequence->size, (size_t)sequence->rank);
}

/* --- positions --- */

bool sequence_check_position(Compilation *c, const Node *node, int input) {
  const Value *position = node_in(node, input);
  if (!position || position->dtype == DT_I64 || position->dtype == DT_I32) return true;
  return node_error(c, node, "a position or size must be int32 or int64, but '%s' is %s",
                    position->name, dtype_info(position->dtype)->name);
}

bool sequence_position(const Node *node, int input, const Sequence *sequence, int64_t limit,
                       int64_t *at) {
  const Value *position = node_in(node, input);
  if (!sequence->items) return false;
  if (!position) return true;
  if (!position->content || position->content_count != 1 || !dim_is_const(position->content[0]))
    return false;
  *at = dim_value(position->content[0]);
  if (*at < 0) *at += sequence->count;
  return *at >= 0 && *at < limit;
}

/* Entry `index` of what ctc_sequence_place found, as a symbol. */
static Dim place_entry(Lower *l, Buffer *place, int index, const char *what, Dim bound) {
  const char *name = arena_printf(l->c->arena, "%s.%s", l->node->outputs[0]->name, what);
  Dim entry = dim_data(l->c->dims, name, 0, INT64_MAX, bound);
  lower_define_element(l, dim_symbol(entry), place, dim_const(l->c->dims, index));
  return entry;
}

SequencePlace lower_sequence_place(Lower *l, const Node *node, int input, Dim most) {
  const Value *data = node_in(node, 0), *shapes = node_in(node, 1);
  const Value *position = node_in(node, input);
  DimPool *pool = l->c->dims;
  Dim each = sequence_each(l->c, sequence_of(data));
  Buffer *place = lower_scratch(l, DT_I64, dim_const(pool, 3), "place");
  Step *step = lower_kernel(l, "sequence_place", position ? position->dtype : DT_I64);
  arg_in(l, step, shapes);
  arg_in(l, step, position);
  arg_buffer(l, step, place);
  arg_dim(l, step, shapes->shape[0]);
  arg_dim(l, step, most);
  arg_dim(l, step, each ? each : dim_const(pool, -1));
  Dim index = place_entry(l, place, 0, "index", shapes->shape[0]);
  if (each) return (SequencePlace){index, dim_mul(pool, index, each), each};
  return (SequencePlace){index, place_entry(l, place, 1, "offset", data->shape[0]),
                         place_entry(l, place, 2, "count", data->shape[0])};
}

/* --- growing in place --- */

/* The only SequenceInsert of `graph` that puts an element behind the last one of `data`; NULL if
 * there are none or several. */
static const Node *only_append(const Graph *graph, const Value *data) {
  const Node *found = NULL;
  for (size_t i = 0; i < graph->nodes.count; i++) {
    const Node *node = graph->nodes.items[i];
    bool appends = node->op == &op_SequenceInsert && node_in(node, 0) == data;
    if (!appends) continue;
    if (found || node_in(node, 3)) return NULL;
    found = node;
  }
  return found;
}

/* The position of an input of a loop's body, -1 for other values. */
static int body_input(const Graph *graph, const Value *value) {
  for (size_t i = 0; graph->parent && i < graph->inputs.count; i++)
    if (graph->inputs.items[i] == value) return (int)i;
  return -1;
}

bool sequence_grows_in_place(const Node *node) {
  const Value *start = node_in(node, 0);
  while (start->producer && start->producer->op == &op_SequenceInsert)
    start = node_in(start->producer, 0);
  int carried = body_input(node->graph, start);
  const DimSymbol *total = dim_symbol(start->shape[0]);
  if (carried < 2 || (size_t)carried > node->graph->outputs.count) return false;
  if (!total || dim_symbol_is_open(total)) return false; /* checked only behind the iteration */
  bool passed = false;
  for (const Node *next; (next = only_append(node->graph, start)); start = node_out(next, 0)) {
    if (!node_out(next, 0) || !node_out(next, 1)) return false;
    passed = passed || next == node;
    if (node->graph->outputs.items[carried - 1] == node_out(next, 0)) return passed;
  }
  return false;
}
