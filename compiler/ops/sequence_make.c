/* sequence_make.c: the operators that make sequences: SequenceConstruct, SequenceEmpty,
 * SequenceInsert, SequenceErase, SplitToSequence.
 *
 *   data, shapes = SequenceConstruct(x[2, 3], y[4])
 *     data = x's 6 elements, y's 4        shapes = [[2, 2, 3, 0 …], [1, 4, 0 …]] */
#include "ops/movement.h"
#include "ops/sequence.h"

/* More elements are not followed one by one. */
enum { MOST_ITEMS = 1024 };

/* Sets the types of a sequence that a node makes. */
static void set_sequence(Compilation *c, Node *node, DType dtype, Dim total, Dim length,
                         Sequence sequence) {
  const Dim rows[] = {length, dim_const(c->dims, SEQUENCE_ROW)};
  if (sequence.count > MOST_ITEMS) sequence.items = NULL;
  Value *data = node_out(node, 0);
  if (data) value_set_type(c, data, dtype, 1, &total);
  if (data) data->sequence = arena_copy(c->arena, &sequence, sizeof sequence);
  if (node_out(node, 1)) value_set_type(c, node_out(node, 1), DT_I64, 2, rows);
}

/* A row of `shapes`. */
static void shape_row(Compilation *c, const Value *x, Dim row[SEQUENCE_ROW]) {
  for (int i = 0; i < SEQUENCE_ROW; i++)
    row[i] = i > 0 && i <= x->rank ? x->shape[i - 1] : dim_const(c->dims, i == 0 ? x->rank : 0);
}

static bool check_element(Compilation *c, const Node *node, const Value *x, DType dtype) {
  if (x->dtype != dtype)
    return node_error(c, node, "the elements of the sequence are %s, but '%s' is %s",
                      dtype_info(dtype)->name, x->name, dtype_info(x->dtype)->name);
  if (x->rank > SEQUENCE_RANK)
    return node_error(c, node, "'%s' has rank %d; elements of sequences have at most %d", x->name,
                      x->rank, SEQUENCE_RANK);
  return true;
}

/* --- SequenceConstruct, SequenceEmpty --- */

static bool infer_construct(Compilation *c, Node *node) {
  int count = node->input_count;
  DType dtype = count ? node_in(node, 0)->dtype : dtype_from_onnx((int)node_int(node, "dtype", 1));
  SequenceItem *items = ARENA_ARRAY(c->arena, SequenceItem, count + 1);
  Dim total = dim_const(c->dims, 0);
  Dim *rows = ARENA_ARRAY(c->arena, Dim, count * SEQUENCE_ROW + 1);
  const Sequence *known = NULL;
  if (dtype == DT_NONE) return node_error(c, node, "attribute 'dtype' is no element type");
  if (!require_movable(c, node)) return false;
  for (int i = 0; i < count; i++) {
    Value *x = node_in(node, i);
    if (!check_element(c, node, x, dtype)) return false;
    const Sequence type = sequence_element_type(x);
    known = sequence_join(c, known, &type);
    items[i].value = x;
    total = dim_add(c->dims, total, value_count(c, x));
    shape_row(c, x, rows + i * SEQUENCE_ROW);
  }
  Sequence sequence = known ? *known : (Sequence){.rank = RANK_OPEN};
  sequence.items = items;
  sequence.count = count;
  set_sequence(c, node, dtype, total, dim_const(c->dims, count), sequence);
  if (node_out(node, 1) && content_fits(value_count(c, node_out(node, 1))))
    infer_content(c, node_out(node, 1), rows, count * SEQUENCE_ROW);
  return true;
}

/* The elements of `x` to a place in the data of a sequence. */
static void copy_in(Lower *l, const Value *data, Dim at, const Value *x) {
  Dim count = value_count(l->c, x);
  if (!dim_is(count, 0))
    lower_copy_part(l, lower_buffer(l, data), at, lower_buffer(l, x), NULL, count);
}

/* The row of `x` to its place. */
static void write_row(Lower *l, const Value *shapes, Dim index, const Value *x) {
  Dim row[SEQUENCE_ROW], first = dim_muli(l->c->dims, index, SEQUENCE_ROW);
  shape_row(l->c, x, row);
  LoopNest *nest = lower_nest(l, 0, NULL);
  for (int i = 0; i < SEQUENCE_ROW; i++)
    nest_store_at(l, nest, lower_buffer(l, shapes), dim_addi(l->c->dims, first, i), NULL,
                  operand_int(DT_I64, row[i]));
}

static bool lower_construct(Lower *l, const Node *node) {
  const Value *data = node_out(node, 0), *shapes = node_out(node, 1);
  Dim at = dim_const(l->c->dims, 0);
  for (int i = 0; i < node->input_count; i++) {
    const Value *x = node_in(node, i);
    if (data) copy_in(l, data, at, x);
    if (shapes && !shapes->constant) write_row(l, shapes, dim_const(l->c->dims, i), x);
    at = dim_add(l->c->dims, at, value_count(l->c, x));
  }
  return true;
}

DEFINE_OP(SequenceConstruct) = {.name = "SequenceConstruct",
                                .flags = OP_COMPOUND,
                                .infer = infer_construct,
                                .lower = lower_construct};
DEFINE_OP(SequenceEmpty) = {.name = "SequenceEmpty",
                            .flags = OP_COMPOUND,
                            .infer = infer_construct,
                            .lower = lower_construct};

/* --- SequenceInsert --- */

enum { INSERT_DATA, INSERT_SHAPES, INSERT_ELEMENT, INSERT_POSITION };

/* The items with one more among them, or NULL. */
static const SequenceItem *insert_item(Compilation *c, const Sequence *sequence, int64_t at,
                                       Value *x) {
  if (!sequence->items || at < 0 || at > sequence->count) return NULL;
  SequenceItem *items = ARENA_ARRAY(c->arena, SequenceItem, sequence->count + 1);
  for (int64_t i = 0; i < sequence->count; i++) items[i + (i >= at)] = sequence->items[i];
  items[at].value = x;
  return items;
}

static bool infer_insert(Compilation *c, Node *node) {
  const Value *data = node_in(node, INSERT_DATA), *shapes = node_in(node, INSERT_SHAPES);
  Value *x = node_in(node, INSERT_ELEMENT);
  const Sequence *before = sequence_of(data);
  int64_t at = before->count;
  if (!require_movable(c, node) || !check_element(c, node, x, data->dtype) ||
      !sequence_check_position(c, node, INSERT_POSITION))
    return false;
  const Sequence type = sequence_element_type(x);
  Sequence after = *sequence_join(c, before, &type);
  bool known = sequence_position(node, INSERT_POSITION, before, before->count + 1, &at);
  after.items = known ? insert_item(c, before, at, x) : NULL;
  after.count = before->count + 1;
  set_sequence(c, node, data->dtype, dim_add(c->dims, data->shape[0], value_count(c, x)),
               dim_addi(c->dims, shapes->shape[0], 1), after);
  return true;
}

/* Elements [first, first + count) of a buffer to another place in another one. */
static void copy_part(Lower *l, const Value *to, Dim to_first, const Value *from, Dim from_first,
                      Dim count) {
  Buffer *source = lower_buffer(l, from), *target = lower_buffer(l, to);
  if (dim_is(count, 0) || source == target) return; /* in place */
  lower_copy_part(l, target, to_first, source, from_first, count);
}

/* Copies all but a gap: to[0, at) = from[0, at), to[at + to_gap, …) = from[at + from_gap, …).
 * Sizes in elements. */
static void copy_around(Lower *l, const Value *to, Dim to_gap, const Value *from, Dim from_gap,
                        Dim at) {
  DimPool *pool = l->c->dims;
  Dim zero = dim_const(pool, 0), end = dim_add(pool, at, from_gap);
  copy_part(l, to, zero, from, zero, at);
  copy_part(l, to, dim_add(pool, at, to_gap), from, end,
            dim_sub(pool, value_count(l->c, from), end));
}

static bool lower_insert(Lower *l, const Node *node) {
  const Value *data = node_in(node, INSERT_DATA), *shapes = node_in(node, INSERT_SHAPES);
  const Value *x = node_in(node, INSERT_ELEMENT);
  const Value *more = node_out(node, 0), *rows = node_out(node, 1);
  DimPool *pool = l->c->dims;
  Dim zero = dim_const(pool, 0), row = dim_const(pool, SEQUENCE_ROW);
  SequencePlace place = {shapes->shape[0], data->shape[0], zero};
  if (node_in(node, INSERT_POSITION))
    place = lower_sequence_place(l, node, INSERT_POSITION, shapes->shape[0]);
  else if (sequence_grows_in_place(node)) {
    lower_alias(l, more, data);
    lower_alias(l, rows, shapes);
  }
  if (more) copy_around(l, more, value_count(l->c, x), data, zero, place.offset);
  if (more) copy_in(l, more, place.offset, x);
  if (rows) copy_around(l, rows, row, shapes, zero, dim_mul(pool, place.index, row));
  if (rows) write_row(l, rows, place.index, x);
  return true;
}

DEFINE_OP(SequenceInsert) = {
    .name = "SequenceInsert", .flags = OP_COMPOUND, .infer = infer_insert, .lower = lower_insert};

/* --- SequenceErase --- */

enum { ERASE_DATA, ERASE_SHAPES, ERASE_POSITION };

static const SequenceItem *erase_item(Compilation *c, const Sequence *sequence, int64_t at) {
  if (!sequence->items) return NULL;
  SequenceItem *items = ARENA_ARRAY(c->arena, SequenceItem, sequence->count);
  for (int64_t i = 0; i < sequence->count; i++)
    if (i != at) items[i - (i > at)] = sequence->items[i];
  return items;
}

static bool infer_erase(Compilation *c, Node *node) {
  const Value *data = node_in(node, ERASE_DATA), *shapes = node_in(node, ERASE_SHAPES);
  const Sequence *before = sequence_of(data);
  DimPool *pool = c->dims;
  Dim zero = dim_const(pool, 0), total = data->shape[0], each = sequence_each(c, before);
  int64_t at = before->count - 1;
  if (!require_movable(c, node) || !sequence_check_position(c, node, ERASE_POSITION)) return false;
  if (dim_is(shapes->shape[0], 0)) return node_error(c, node, "the sequence is empty");
  Sequence after = *before;
  bool known = sequence_position(node, ERASE_POSITION, before, before->count, &at);
  after.items = known ? erase_item(c, before, at) : NULL;
  after.count = before->count - 1;
  if (each)
    total = dim_max(pool, dim_sub(pool, total, each), zero);
  else if (node_out(node, 0))
    total = infer_data_dim(c, node_out(node, 0), 0, total);
  set_sequence(c, node, data->dtype, total,
               dim_max(pool, dim_addi(pool, shapes->shape[0], -1), zero), after);
  return true;
}

static bool lower_erase(Lower *l, const Node *node) {
  const Value *data = node_in(node, ERASE_DATA), *shapes = node_in(node, ERASE_SHAPES);
  const Value *less = node_out(node, 0), *rows = node_out(node, 1);
  DimPool *pool = l->c->dims;
  Dim zero = dim_const(pool, 0), row = dim_const(pool, SEQUENCE_ROW);
  Dim most = dim_addi(pool, shapes->shape[0], -1);
  SequencePlace place = lower_sequence_place(l, node, ERASE_POSITION, most);
  if (less && !sequence_each(l->c, sequence_of(data)))
    lower_define(l, dim_symbol(less->shape[0]), dim_sub(pool, data->shape[0], place.count));
  if (less) copy_around(l, less, zero, data, place.count, place.offset);
  if (rows) copy_around(l, rows, zero, shapes, row, dim_mul(pool, place.index, row));
  return true;
}

DEFINE_OP(SequenceErase) = {
    .name = "SequenceErase", .flags = OP_COMPOUND, .infer = infer_erase, .lower = lower_erase};

/* --- SplitToSequence --- */

/* x seen as [outer, n, inner], cut along n. */
typedef struct {
  int axis;
  bool dropped; /* parts are without the axis */
  Dim outer, n, inner;
  Dim part;        /* the size of each part but the last one; NULL: they are named */
  const Dim *each; /* the sizes of named parts; NULL: not known while compiling */
  Dim length;      /* how many parts there are */
} Cut;

/* A list of sizes. */
static bool named_cut(Compilation *c, const Node *node, Cut *cut) {
  const Value *split = node_in(node, 1);
  int count;
  if (split->rank != 1) return node_error(c, node, "split must be a number or a list of numbers");
  cut->length = split->shape[0];
  if (!dim_is_const(cut->length) || dim_value(cut->length) > MOST_ITEMS) return true;
  if (!infer_elements(c, node, 1, 0, INT64_MAX, &cut->each, &count)) return false;
  Dim sum = dim_const(c->dims, 0);
  for (int i = 0; i < count; i++) sum = dim_add(c->dims, sum, cut->each[i]);
  return infer_require_equal(c, node, sum, cut->n, "the sum of split and the size of the axis");
}

/* Parts of one size. */
static bool equal_cut(Compilation *c, const Node *node, Cut *cut) {
  const Dim *size;
  int count;
  cut->part = dim_const(c->dims, 1);
  if (node_in(node, 1)) {
    if (!infer_elements(c, node, 1, 1, INT64_MAX, &size, &count)) return false;
    cut->part = size[0];
    if (!infer_require(c, node, dim_less(c->dims, dim_const(c->dims, 0), cut->part),
                       "split must be positive"))
      return false;
  } else {
    cut->dropped = node_int(node, "keepdims", 1) == 0;
  }
  cut->length = dim_ceildiv(c->dims, cut->n, cut->part);
  return true;
}

static bool read_cut(Compilation *c, const Node *node, Cut *cut) {
  const Value *x = node_in(node, 0), *split = node_in(node, 1);
  *cut = (Cut){0};
  if (!infer_axis(c, node, node_int(node, "axis", 0), x->rank, &cut->axis)) return false;
  cut->outer = dims_between(c, x, 0, cut->axis);
  cut->n = x->shape[cut->axis];
  cut->inner = dims_between(c, x, cut->axis + 1, x->rank);
  return split && split->rank > 0 ? named_cut(c, node, cut) : equal_cut(c, node, cut);
}

/* The size of all parts along the axis, NULL if they differ. */
static Dim common_part(Compilation *c, const Cut *cut) {
  if (cut->part) {
    bool even = dim_is(cut->part, 1) || dim_is(dim_mod(c->dims, cut->n, cut->part), 0);
    return even ? cut->part : NULL;
  }
  for (int64_t i = 0; cut->each && i < dim_value(cut->length); i++)
    if (cut->each[i] != cut->each[0]) return NULL;
  return cut->each && !dim_is(cut->length, 0) ? cut->each[0] : NULL;
}

static Sequence parts_type(Compilation *c, const Value *x, const Cut *cut) {
  Sequence type = {.rank = x->rank - cut->dropped};
  for (int d = 0, k = 0; d < x->rank; d++) {
    if (d == cut->axis && cut->dropped) continue;
    bool cuts = d == cut->axis;
    type.size[k] = cuts ? common_part(c, cut) : x->shape[d];
    type.bound[k] = type.size[k] ? type.size[k] : x->shape[d];
    if (cuts && cut->part && !type.size[k])
      type.bound[k] = dim_min(c->dims, cut->part, x->shape[d]);
    k++;
  }
  return type;
}

/* The parts as items, if their sizes are known. */
static void name_parts(Compilation *c, const Node *node, const Cut *cut, Sequence *type) {
  bool known = cut->each || (dim_is_const(cut->n) && dim_is_const(cut->part));
  if (!known || dim_value(cut->length) > MOST_ITEMS) return;
  type->count = dim_value(cut->length);
  SequenceItem *items = ARENA_ARRAY(c->arena, SequenceItem, type->count + 1);
  for (int64_t i = 0; i < type->count; i++) items[i] = (SequenceItem){.split = node, .part = i};
  type->items = items;
}

static bool infer_split_to(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Cut cut;
  if (!require_movable(c, node) || !check_element(c, node, x, x->dtype) ||
      !sequence_check_position(c, node, 1) || !read_cut(c, node, &cut))
    return false;
  Sequence type = parts_type(c, x, &cut);
  name_parts(c, node, &cut, &type);
  Dim length = cut.length;
  if (cut.part && node_out(node, 1))
    length = infer_own_dim(c, node, node_out(node, 1), 0, length, cut.n);
  set_sequence(c, node, x->dtype, value_count(c, x), length, type);
  return true;
}

/* `count` chunks of [outer, width] that begin at `first` of the axis, one after another. */
static void copy_chunks(Lower *l, const Node *node, const Cut *cut, Dim first, Dim count,
                        Dim part) {
  DimPool *pool = l->c->dims;
  Dim width = dim_mul(pool, part, cut->inner), line = dim_mul(pool, cut->n, cut->inner);
  const Dim extent[] = {count, cut->outer, width}, from[] = {width, line, dim_const(pool, 1)};
  const Dim to[] = {dim_mul(pool, cut->outer, width), width, dim_const(pool, 1)};
  Dim skipped = dim_mul(pool, first, cut->inner);
  if (dim_is(count, 0) || dim_is(part, 0)) return;
  LoopNest *nest = lower_nest(l, 3, extent);
  Operand element = nest_load_at(l, nest, lower_buffer(l, node_in(node, 0)), skipped, from);
  nest_store_at(l, nest, lower_buffer(l, node_out(node, 0)), dim_mul(pool, skipped, cut->outer), to,
                element);
}

static void lower_parts(Lower *l, const Node *node, const Cut *cut) {
  const Value *x = node_in(node, 0), *split = node_in(node, 1);
  DimPool *pool = l->c->dims;
  if (cut->part) {
    Dim whole = dim_floordiv(pool, cut->n, cut->part), one = dim_const(pool, 1);
    copy_chunks(l, node, cut, dim_const(pool, 0), whole, cut->part);
    copy_chunks(l, node, cut, dim_mul(pool, whole, cut->part), one,
                dim_mod(pool, cut->n, cut->part));
    return;
  }
  Step *step = lower_kernel(l, "sequence_split", split->dtype);
  arg_in(l, step, x);
  arg_in(l, step, split);
  arg_out(l, step, node_out(node, 0));
  arg_dim(l, step, cut->length);
  arg_dim(l, step, cut->outer);
  arg_dim(l, step, cut->n);
  arg_dim(l, step, dim_muli(pool, cut->inner, element_bytes(x->dtype)));
}

static void lower_part_rows(Lower *l, const Node *node, const Cut *cut) {
  const Value *x = node_in(node, 0), *split = cut->part ? NULL : node_in(node, 1);
  Step *step = lower_kernel(l, "sequence_rows", split ? split->dtype : DT_I64);
  arg_in(l, step, split);
  arg_out(l, step, node_out(node, 1));
  arg_dim(l, step, cut->length);
  arg_dim(l, step, cut->part ? cut->part : dim_const(l->c->dims, 0));
  arg_dim(l, step, cut->n);
  arg_int(l, step, cut->axis);
  arg_int(l, step, cut->dropped);
  arg_int(l, step, x->rank);
  arg_dims(l, step, x->shape, x->rank);
}

static bool lower_split_to(Lower *l, const Node *node) {
  Cut cut;
  size_t checks = node->checks.count;
  if (!read_cut(l->c, node, &cut)) return false;
  ((Node *)(uintptr_t)node)->checks.count = checks; /* the checks stand already */
  if (node_out(node, 1)) lower_own_dims(l, node_out(node, 1));
  if (node_out(node, 0)) lower_parts(l, node, &cut);
  if (node_out(node, 1)) lower_part_rows(l, node, &cut);
  return true;
}

DEFINE_OP(SplitToSequence) = {.name = "SplitToSequence",
                              .flags = OP_COMPOUND,
                              .infer = infer_split_to,
                              .lower = lower_split_to};
