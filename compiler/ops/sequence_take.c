/* sequence_take.c: the operators that take sequences apart: SequenceAt, SequenceLength,
 * ConcatFromSequence, those of optional values, and what a caller gives. */
#include "ops/movement.h"
#include "ops/new_node.h"
#include "ops/sequence.h"

#include <inttypes.h>
#include <string.h>

/* --- elements that are known --- */

/* A node behind those of `graph`, and its only output. */
static Value *apply(Compilation *c, Graph *graph, const char *op_type, int version, Values in,
                    Attrs attrs) {
  NewNode new = {.op_type = op_type,
                 .version = version,
                 .in = in,
                 .attrs = attrs,
                 .outputs = 1,
                 .output = arena_printf(c->arena, "%s#%d", op_type, c->next_node_index)};
  return graph_add(c, graph, &new)->outputs[0];
}

/* A list of one integer. */
static Value *list_of(Compilation *c, int64_t number) {
  return value_constant(c, "", tensor_i64(c->arena, &number, 1));
}

/* Part `part` of a SplitToSequence without sizes: x at that place of the axis. */
static Value *cut_one(Compilation *c, Graph *graph, const Node *split, int64_t axis, int64_t part) {
  bool dropped = node_int(split, "keepdims", 1) == 0;
  Value *index =
      dropped ? value_constant(c, "", tensor_scalar_int(c->arena, DT_I64, part)) : list_of(c, part);
  return apply(c, graph, "Gather", 13, IN(node_in(split, 0), index), WITH(attr_int("axis", axis)));
}

/* A part of parts with sizes. */
static Value *cut_sized(Compilation *c, Graph *graph, const Node *split, int64_t axis,
                        int64_t part) {
  Value *x = node_in(split, 0), *sizes = node_in(split, 1);
  if (sizes->rank == 0) {
    int64_t size = dim_value(sizes->content[0]);
    Value *start = list_of(c, part * size), *end = list_of(c, (part + 1) * size);
    return apply(c, graph, "Slice", 13, IN(x, start, end, list_of(c, axis)), NO_ATTRS);
  }
  Node *node = graph_add(c, graph,
                         &(NewNode){.op_type = "Split",
                                    .version = 13,
                                    .in = IN(x, sizes),
                                    .attrs = WITH(attr_int("axis", axis)),
                                    .outputs = (int)sizes->content_count});
  const char *name = arena_printf(c->arena, "Split#%d", node->index);
  return node_set_output(node, (int)part, value_create(c, name));
}

/* The element as a value; what computes it is appended to `graph`. */
static Value *item_value(Compilation *c, Graph *graph, const SequenceItem *item) {
  if (item->value) return item->value;
  int64_t axis = node_int(item->split, "axis", 0);
  return node_in(item->split, 1) ? cut_sized(c, graph, item->split, axis, item->part)
                                 : cut_one(c, graph, item->split, axis, item->part);
}

/* Nodes that take the place of `node`, whose only result is `value`. */
static Graph *answer(Compilation *c, Graph *graph, Value *value) {
  vec_push(c->arena, &graph->outputs, value);
  return graph;
}

/* --- elements that are found while the program runs --- */

/* The rank of the elements; where nothing tells it, what the file declares for the result, which
 * has `extra` dims more. */
static bool element_rank(Compilation *c, const Node *node, const Sequence *sequence, int extra,
                         int *rank) {
  const DeclaredType *declared = node_out(node, 0)->declared;
  *rank = sequence->rank;
  if (*rank >= 0) return true;
  if (declared && declared->rank >= extra) {
    *rank = declared->rank - extra;
    return true;
  }
  if (sequence->rank == RANK_OPEN)
    return node_error(c, node,
                      "nothing was put into the sequence, so that its elements have no rank");
  node_error(c, node, "the rank of the sequence's elements is not known when compiling");
  return diag_hint(c->diag, "declare the shape of the sequence's elements, or of the result '%s'",
                   node_out(node, 0)->name);
}

/* What is known of the size of axis d. */
static Dim known_size(const Sequence *sequence, int d) {
  return sequence->rank >= 0 ? sequence->size[d] : NULL;
}

/* A size that is never smaller than that of axis d, or NULL: what is known of all elements, or what
 * all data leave if the other sizes are known. */
static Dim size_bound(Compilation *c, const Value *data, const Sequence *sequence, int rank,
                      int d) {
  Dim others = dim_const(c->dims, 1);
  if (sequence->rank >= 0 && sequence->bound[d]) return sequence->bound[d];
  for (int k = 0; k < rank; k++) {
    if (k == d) continue;
    Dim size = known_size(sequence, k);
    if (!size || dim_range(size).low < 1) return NULL;
    others = dim_mul(c->dims, others, size);
  }
  return dim_floordiv(c->dims, data->shape[0], others);
}

/* --- SequenceAt --- */

enum { AT_DATA, AT_SHAPES, AT_POSITION };

static Graph *select_at(Compilation *c, const Node *node) {
  const Sequence *sequence = sequence_of(node_in(node, AT_DATA));
  int64_t at = -1;
  if (!sequence_position(node, AT_POSITION, sequence, sequence->count, &at)) return NULL;
  Graph *graph = graph_create(c, "", node->graph);
  return answer(c, graph, item_value(c, graph, &sequence->items[at]));
}

/* A position that is known to be outside of a sequence whose length is known. */
static bool check_position(Compilation *c, const Node *node) {
  const Value *position = node_in(node, AT_POSITION);
  Dim length = node_in(node, AT_SHAPES)->shape[0],
      at = position->content ? position->content[0] : NULL;
  if (!at || !dim_is_const(at) || !dim_is_const(length)) return true;
  int64_t number = dim_value(at), count = dim_value(length);
  if (number >= -count && number < count) return true;
  return node_error(c, node, "position %" PRId64 " is outside of a sequence of %" PRId64, number,
                    count);
}

static bool infer_at(Compilation *c, Node *node) {
  const Value *data = node_in(node, AT_DATA);
  const Sequence *sequence = sequence_of(data);
  Value *y = node_out(node, 0);
  Dim shape[MAX_RANK];
  int rank;
  if (!require_movable(c, node) || !sequence_check_position(c, node, AT_POSITION) ||
      !check_position(c, node) || !element_rank(c, node, sequence, 0, &rank))
    return false;
  for (int d = 0; d < rank; d++) {
    shape[d] = known_size(sequence, d);
    if (!shape[d]) shape[d] = infer_data_dim(c, y, d, size_bound(c, data, sequence, rank, d));
  }
  value_set_type(c, y, data->dtype, rank, shape);
  return true;
}

/* Stops the run if the element at hand has another rank than the one that was declared. */
static void check_rank(Lower *l, Buffer *shapes, Dim row, int rank) {
  Dim found = dim_data(l->c->dims, "rank", 0, INT64_MAX, dim_const(l->c->dims, SEQUENCE_RANK));
  lower_define_element(l, dim_symbol(found), shapes, row);
  lower_check(l, dim_equal(l->c->dims, found, dim_const(l->c->dims, rank)),
              "an element of another rank than the declared one");
}

static bool lower_at(Lower *l, const Node *node) {
  const Value *data = node_in(node, AT_DATA), *shapes = node_in(node, AT_SHAPES);
  const Value *y = node_out(node, 0);
  const Sequence *sequence = sequence_of(data);
  DimPool *pool = l->c->dims;
  Dim most = dim_addi(pool, shapes->shape[0], -1);
  SequencePlace place = lower_sequence_place(l, node, AT_POSITION, most);
  Dim row = dim_muli(pool, place.index, SEQUENCE_ROW);
  if (sequence->rank < 0) check_rank(l, lower_buffer(l, shapes), row, y->rank);
  for (int d = 0; d < y->rank; d++)
    if (!known_size(sequence, d))
      lower_define_element(l, dim_symbol(y->shape[d]), lower_buffer(l, shapes),
                           dim_addi(pool, row, d + 1));
  lower_copy_part(l, lower_buffer(l, y), NULL, lower_buffer(l, data), place.offset,
                  value_count(l->c, y));
  return true;
}

DEFINE_OP(SequenceAt) = {.name = "SequenceAt",
                         .flags = OP_COMPOUND,
                         .select = select_at,
                         .infer = infer_at,
                         .lower = lower_at};

/* --- ConcatFromSequence --- */

/* All parts of one SplitToSequence along the same axis, in order: their data, or NULL. */
static Value *uncut(const Node *node, const Sequence *sequence, bool new_axis) {
  const Node *split = sequence->items[0].split;
  if (!split || sequence->count != sequence_of(node_out(split, 0))->count) return NULL;
  bool dropped = !node_in(split, 1) && node_int(split, "keepdims", 1) == 0;
  int64_t axis = node_int(node, "axis", 0), cut = node_int(split, "axis", 0);
  int rank = node_in(split, 0)->rank;
  if (dropped != new_axis || (axis < 0 ? axis + rank : axis) != (cut < 0 ? cut + rank : cut))
    return NULL;
  for (int64_t i = 0; i < sequence->count; i++)
    if (sequence->items[i].split != split || sequence->items[i].part != i) return NULL;
  return node_in(split, 0);
}

static Graph *select_concat(Compilation *c, const Node *node) {
  const Sequence *sequence = sequence_of(node_in(node, 0));
  bool new_axis = node_int(node, "new_axis", 0) != 0;
  if (!sequence->items || !node_out(node, 0) || sequence->count == 0) return NULL;
  Graph *graph = graph_create(c, "", node->graph);
  Value *whole = uncut(node, sequence, new_axis);
  if (whole) return answer(c, graph, whole);
  Value **parts = ARENA_ARRAY(c->arena, Value *, sequence->count);
  const int64_t axis = node_int(node, "axis", 0);
  for (int64_t i = 0; i < sequence->count; i++) {
    parts[i] = item_value(c, graph, &sequence->items[i]);
    if (new_axis)
      parts[i] = apply(c, graph, "Unsqueeze", 11, IN(parts[i]), WITH(attr_ints("axes", &axis, 1)));
  }
  Values all = {parts, (int)sequence->count};
  return answer(c, graph, apply(c, graph, "Concat", 13, all, WITH(attr_int("axis", axis))));
}

/* What the elements are joined along. */
typedef struct {
  int rank, axis; /* of the elements; axis of the result */
  bool new_axis;
} Joint;

static bool read_joint(Compilation *c, const Node *node, Joint *joint) {
  joint->new_axis = node_int(node, "new_axis", 0) != 0;
  return element_rank(c, node, sequence_of(node_in(node, 0)), joint->new_axis, &joint->rank) &&
         infer_axis(c, node, node_int(node, "axis", 0), joint->rank + joint->new_axis,
                    &joint->axis);
}

/* The axis of an element that becomes axis d of the result, -1 for the new one. */
static int joined_axis(const Joint *joint, int d) {
  if (!joint->new_axis || d < joint->axis) return d;
  return d == joint->axis ? -1 : d - 1;
}

/* The sum of the sizes along the axis, if all have one size. */
static Dim joined_size(Compilation *c, const Node *node, const Joint *joint, int d) {
  const Sequence *sequence = sequence_of(node_in(node, 0));
  Dim length = node_in(node, 1)->shape[0];
  int own = joined_axis(joint, d);
  if (own < 0) return length;
  Dim size = known_size(sequence, own);
  return size && d == joint->axis ? dim_mul(c->dims, size, length) : size;
}

static Dim joined_bound(Compilation *c, const Node *node, const Joint *joint, int d) {
  const Value *data = node_in(node, 0);
  const Sequence *sequence = sequence_of(data);
  int own = joined_axis(joint, d);
  Sequence loose = *sequence;
  if (d != joint->axis) return size_bound(c, data, sequence, joint->rank, own);
  if (sequence->rank >= 0) loose.bound[own] = NULL;
  Dim all = size_bound(c, data, &loose, joint->rank, own), most = NULL;
  if (sequence->rank >= 0 && sequence->bound[own])
    most = dim_mul(c->dims, sequence->bound[own], node_in(node, 1)->shape[0]);
  return all ? all : most;
}

static bool infer_concat_from(Compilation *c, Node *node) {
  const Value *data = node_in(node, 0);
  Value *y = node_out(node, 0);
  Dim shape[MAX_RANK];
  Joint joint;
  if (!require_movable(c, node)) return false;
  if (dim_is(node_in(node, 1)->shape[0], 0)) return node_error(c, node, "the sequence is empty");
  if (!read_joint(c, node, &joint)) return false;
  for (int d = 0; d < joint.rank + joint.new_axis; d++) {
    shape[d] = joined_size(c, node, &joint, d);
    if (!shape[d]) shape[d] = infer_data_dim(c, y, d, joined_bound(c, node, &joint, d));
  }
  value_set_type(c, y, data->dtype, joint.rank + joint.new_axis, shape);
  return true;
}

/* Finds the sizes that are not known before, and checks that the elements fit together. */
static void lower_joined_sizes(Lower *l, const Node *node, const Joint *joint) {
  const Value *shapes = node_in(node, 1), *y = node_out(node, 0);
  Buffer *sizes = lower_scratch(l, DT_I64, dim_const(l->c->dims, joint->rank + 1), "sizes");
  Step *step = lower_kernel(l, "sequence_joined", DT_NONE);
  arg_in(l, step, shapes);
  arg_buffer(l, step, sizes);
  arg_dim(l, step, shapes->shape[0]);
  arg_int(l, step, joint->rank);
  arg_int(l, step, joint->new_axis ? -1 : joint->axis);
  for (int d = 0; d < y->rank; d++)
    if (!joined_size(l->c, node, joint, d))
      lower_define_element(l, dim_symbol(y->shape[d]), sizes,
                           dim_const(l->c->dims, joined_axis(joint, d)));
}

/* Elements of one size: y[o][i][…] = data[i][o][…]. */
static void lower_even_join(Lower *l, const Node *node, const Joint *joint) {
  const Value *y = node_out(node, 0);
  DimPool *pool = l->c->dims;
  Dim outer = dims_between(l->c, y, 0, joint->axis), length = node_in(node, 1)->shape[0];
  Dim one = dim_const(pool, 1), inner = dims_between(l->c, y, joint->axis + 1, y->rank);
  Dim size = joint->new_axis ? one : sequence_of(node_in(node, 0))->size[joint->axis];
  Dim width = dim_mul(pool, size, inner);
  const Dim extent[] = {length, outer, width}, from[] = {dim_mul(pool, outer, width), width, one};
  const Dim to[] = {width, dim_mul(pool, length, width), one};
  LoopNest *nest = lower_nest(l, 3, extent);
  Operand element = nest_load_at(l, nest, lower_buffer(l, node_in(node, 0)), NULL, from);
  nest_store_at(l, nest, lower_buffer(l, y), NULL, to, element);
}

/* Elements whose sizes along the axis differ. */
static void lower_uneven_join(Lower *l, const Node *node, const Joint *joint) {
  const Value *data = node_in(node, 0), *shapes = node_in(node, 1), *y = node_out(node, 0);
  Dim inner = dim_muli(l->c->dims, dims_between(l->c, y, joint->axis + 1, y->rank),
                       element_bytes(y->dtype));
  Step *step = lower_kernel(l, "sequence_join", DT_NONE);
  arg_in(l, step, data);
  arg_in(l, step, shapes);
  arg_out(l, step, y);
  arg_dim(l, step, shapes->shape[0]);
  arg_int(l, step, joint->axis);
  arg_dim(l, step, dims_between(l->c, y, 0, joint->axis));
  arg_dim(l, step, inner);
  arg_dim(l, step, dim_mul(l->c->dims, y->shape[joint->axis], inner));
}

static bool lower_concat_from(Lower *l, const Node *node) {
  const Value *data = node_in(node, 0), *y = node_out(node, 0);
  Dim each = sequence_each(l->c, sequence_of(data));
  Joint joint;
  if (!read_joint(l->c, node, &joint)) return false;
  if (!each) lower_joined_sizes(l, node, &joint);
  bool first = dim_is(dims_between(l->c, y, 0, joint.axis), 1);
  if (first) /* the data are in order already */
    lower_alias(l, y, data);
  else if (each || joint.new_axis)
    lower_even_join(l, node, &joint);
  else
    lower_uneven_join(l, node, &joint);
  return true;
}

DEFINE_OP(ConcatFromSequence) = {.name = "ConcatFromSequence",
                                 .flags = OP_COMPOUND,
                                 .select = select_concat,
                                 .infer = infer_concat_from,
                                 .lower = lower_concat_from};

/* --- SequenceLength, OptionalHasElement: a number that follows from the length --- */

static bool set_number(Compilation *c, Node *node, DType dtype, Dim number) {
  value_set_type(c, node_out(node, 0), dtype, 0, NULL);
  infer_content(c, node_out(node, 0), &number, 1);
  return true;
}

static bool infer_length(Compilation *c, Node *node) {
  return set_number(c, node, DT_I64, node_in(node, 1)->shape[0]);
}

static bool infer_has_element(Compilation *c, Node *node) {
  Dim none = dim_const(c->dims, 0);
  return set_number(c, node, DT_BOOL, dim_less(c->dims, none, node_in(node, 1)->shape[0]));
}

static bool lower_number(Lower *l, const Node *node) {
  const Value *y = node_out(node, 0);
  LoopNest *nest = lower_nest(l, 0, NULL);
  nest_store(l, nest, y, operand_int(y->dtype, y->content[0]));
  return true;
}

DEFINE_OP(SequenceLength) = {
    .name = "SequenceLength", .flags = OP_COMPOUND, .infer = infer_length, .lower = lower_number};
DEFINE_OP(OptionalHasElement) = {.name = "OptionalHasElement",
                                 .flags = OP_COMPOUND,
                                 .infer = infer_has_element,
                                 .lower = lower_number};

/* --- OptionalGetElement of a sequence, and sequences of the caller: the same with a check --- */

static void same_sequence(Compilation *c, Node *node) {
  for (int i = 0; i < 2; i++)
    if (node_out(node, i)) infer_same(c, node, i, i);
  if (node_out(node, 0)) node_out(node, 0)->sequence = node_in(node, 0)->sequence;
}

static bool lower_same(Lower *l, const Node *node) {
  for (int i = 0; i < 2; i++)
    if (node_out(node, i) && !node_out(node, i)->constant)
      lower_alias(l, node_out(node, i), node_in(node, i));
  return true;
}

enum { GET_PRESENT = 2 };

static bool infer_get_element(Compilation *c, Node *node) {
  Dim present = value_element(c, node_in(node, GET_PRESENT), 0, 0, 1);
  same_sequence(c, node);
  return infer_require(c, node, present, "the optional value is not there");
}

DEFINE_OP(OptionalGetElement) = {.name = "OptionalGetElement",
                                 .flags = OP_COMPOUND,
                                 .infer = infer_get_element,
                                 .lower = lower_same};

/* The declared sizes of elements, -1 for open ones. */
static bool infer_given(Compilation *c, Node *node) {
  size_t rank;
  const int64_t *sizes = node_ints(node, "sizes", &rank);
  Sequence given = {.rank = sizes ? (int)rank : RANK_UNKNOWN};
  for (int d = 0; d < given.rank; d++)
    if (sizes[d] >= 0) given.size[d] = given.bound[d] = dim_const(c->dims, sizes[d]);
  same_sequence(c, node);
  if (node_out(node, 0)) node_out(node, 0)->sequence = arena_copy(c->arena, &given, sizeof given);
  return true;
}

static bool lower_given(Lower *l, const Node *node) {
  const Value *data = node_in(node, 0), *shapes = node_in(node, 1);
  Dim one = dim_const(l->c->dims, 1),
      known = dim_data(l->c->dims, "total", 0, INT64_MAX, data->shape[0]);
  Buffer *total = lower_scratch(l, DT_I64, one, "total");
  size_t rank;
  const int64_t *sizes = node_ints(node, "sizes", &rank);
  Step *step = lower_kernel(l, "sequence_check", DT_NONE);
  arg_in(l, step, shapes);
  arg_buffer(l, step, total);
  arg_dim(l, step, shapes->shape[0]);
  arg_dim(l, step, data->shape[0]);
  arg_int(l, step, sizes ? (int64_t)rank : -1);
  arg_ints(l, step, sizes, (int)rank);
  lower_define_element(l, dim_symbol(known), total, dim_const(l->c->dims, 0));
  /* The kernel said so; this is why it is not left out. */
  lower_check(l, dim_equal(l->c->dims, known, data->shape[0]), "shapes and data of a sequence");
  return lower_same(l, node);
}

DEFINE_OP(SequenceGiven) = {.domain = INTERNAL_DOMAIN,
                            .name = "SequenceGiven",
                            .flags = OP_COMPOUND,
                            .infer = infer_given,
                            .lower = lower_given};

/* --- what front ends make of others (frontends/onnx/compound.c) --- */

DEFINE_OP(Optional) = {.name = "Optional", .flags = OP_COMPOUND};
DEFINE_OP(SequenceMap) = {.name = "SequenceMap", .flags = OP_COMPOUND | OP_BODY};
