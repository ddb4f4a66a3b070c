/* rotary.c: RotaryEmbedding of ai.onnx and of com.microsoft: pairs of numbers of each head turned
 * by angles that depend on the position of the row.
 *
 *   y1 = x1 cos - x2 sin,  y2 = x1 sin + x2 cos
 *
 * x1 and x2 are the halves of the first `rotary_embedding_dim` numbers of a head, or (interleaved)
 * those at even and at odd places. The numbers behind them stay what they are. */
#include "ops/movement.h"

#include <string.h>

/* Where an operator has its inputs. */
typedef struct {
  int positions, cos, sin;
} RotaryForm;

static const RotaryForm standard_form = {.positions = 3, .cos = 1, .sin = 2};
static const RotaryForm microsoft_form = {.positions = 1, .cos = 2, .sin = 3};

typedef struct {
  const Value *x, *positions, *cos, *sin;
  Dim batch, heads, rows, size;
  Dim half;    /* pairs */
  Dim step[4]; /* of x and y over batch, head, row, number */
} Rotary;

/* [batch, heads, rows, size], or [batch, rows, heads * size]. Microsoft's operator finds out about
 * the heads from the pairs if it is not told. */
static bool read_heads(Compilation *c, const Node *node, Rotary *r) {
  DimPool *p = c->dims;
  int64_t heads = node_int(node, "num_heads", 0);
  bool flat = r->x->rank == 3;
  if (!flat && r->x->rank != 4) return node_error(c, node, "input 0 must have three or four dims");
  if (flat && heads < 1 && node->op->row == &standard_form)
    return node_error(c, node, "an input with three dims needs num_heads");
  r->batch = r->x->shape[0];
  r->rows = r->x->shape[flat ? 1 : 2];
  Dim width = r->x->shape[flat ? 2 : 3];
  r->size = !flat       ? width
            : heads > 0 ? dim_floordiv(p, width, dim_const(p, heads))
                        : dim_muli(p, r->cos->shape[r->cos->rank - 1], 2);
  if (flat && !infer_require(c, node, dim_less(p, dim_const(p, 0), r->size),
                             "there are more heads than numbers in a row"))
    return false;
  r->heads = flat ? dim_floordiv(p, width, r->size) : r->x->shape[1];
  r->step[0] = dim_mul(p, r->heads, dim_mul(p, r->rows, r->size));
  r->step[1] = flat ? r->size : dim_mul(p, r->rows, r->size);
  r->step[2] = flat ? width : r->size;
  r->step[3] = dim_const(p, 1);
  return !flat || infer_require_equal(c, node, dim_mul(p, r->heads, r->size), width,
                                      "heads times their size and the last dim");
}

static bool read_rotary(Compilation *c, const Node *node, Rotary *r) {
  const RotaryForm *form = node->op->row;
  *r = (Rotary){.x = node_in(node, 0),
                .positions = node_in(node, form->positions),
                .cos = node_in(node, form->cos),
                .sin = node_in(node, form->sin)};
  if (r->cos->rank != (r->positions ? 2 : 3) || r->sin->rank != r->cos->rank)
    return node_error(c, node, "cos_cache and sin_cache must have %d dims", r->positions ? 2 : 3);
  if (!read_heads(c, node, r)) return false;
  int64_t given = node_int(node, "rotary_embedding_dim", 0);
  r->half = given > 0 ? dim_const(c->dims, given / 2)
                      : dim_floordiv(c->dims, r->size, dim_const(c->dims, 2));
  Dim too_small = dim_less(c->dims, r->size, dim_muli(c->dims, r->half, 2));
  return infer_require(c, node, dim_not(c->dims, too_small),
                       "the heads are smaller than what is turned");
}

/* Positions are one for each row, or one number: that of row 0 of every batch item. */
static bool is_offset(const Rotary *r) {
  return r->positions->rank == 1;
}

static bool check_caches(Compilation *c, const Node *node, const Rotary *r) {
  const Value *caches[] = {r->cos, r->sin};
  for (int i = 0; i < 2; i++) {
    const Dim *shape = caches[i]->shape;
    if (!infer_require_equal(c, node, shape[caches[i]->rank - 1], r->half,
                             "pairs of the caches and of the heads"))
      return false;
    if (!infer_require_equal(c, node, shape[0], r->positions ? r->cos->shape[0] : r->batch,
                             "sizes of the caches") ||
        (!r->positions && !infer_require_equal(c, node, shape[1], r->rows, "rows of the caches")))
      return false;
  }
  return true;
}

static bool check_positions(Compilation *c, const Node *node, const Rotary *r) {
  if (!r->positions) return true;
  if (is_offset(r))
    return infer_require_equal(c, node, r->positions->shape[0], dim_const(c->dims, 1),
                               "positions and 1");
  if (r->positions->rank != 2) return node_error(c, node, "position_ids must have two dims");
  return infer_require_equal(c, node, r->positions->shape[0], r->batch, "batch sizes") &&
         infer_require_equal(c, node, r->positions->shape[1], r->rows, "positions and rows");
}

static bool infer_rotary(Compilation *c, Node *node) {
  Rotary r;
  if (!read_rotary(c, node, &r) || !check_caches(c, node, &r) || !check_positions(c, node, &r))
    return false;
  value_set_type(c, node_out(node, 0), r.x->dtype, r.x->rank, r.x->shape);
  return true;
}

/* --- lowering --- */

/* first, first + 1, … for each row */
static Buffer *positions_from(Lower *l, const Rotary *r) {
  Dim one = dim_const(l->c->dims, 1);
  Buffer *positions = lower_scratch(l, DT_I64, r->rows, "positions");
  LoopNest *nest = lower_nest(l, 1, &r->rows);
  Operand terms[] = {nest_load_number(l, nest, r->positions), operand_loop(0)};
  nest_store_at(l, nest, positions, NULL, &one, nest_apply(l, nest, "add", DT_I64, terms, 2));
  return positions;
}

/* The rows of a cache that the positions name: [batch, rows, half], or [rows, half]. */
static Buffer *picked_rows(Lower *l, const Rotary *r, const Value *cache, Buffer *positions) {
  DimPool *p = l->c->dims;
  Dim picks = is_offset(r) ? r->rows : dim_mul(p, r->batch, r->rows);
  Buffer *rows = lower_scratch(l, cache->dtype, dim_mul(p, picks, r->half), cache->name);
  Step *step = lower_kernel(l, "gather", DT_I64);
  arg_in(l, step, cache);
  arg_buffer(l, step, positions);
  arg_buffer(l, step, rows);
  arg_int(l, step, 1);
  arg_dim(l, step, cache->shape[0]);
  arg_dim(l, step, picks);
  arg_dim(l, step, dim_muli(p, r->half, element_bytes(cache->dtype)));
  return rows;
}

/* Angles and what they turn, in one loop nest over batch, heads, rows and pairs. */
typedef struct {
  Lower *l;
  LoopNest *nest;
  DType dtype;
} Turn;

static Operand load(const Turn *t, Buffer *buffer, Dim offset, const Dim *step) {
  return nest_cast(t->l, t->nest, nest_load_at(t->l, t->nest, buffer, offset, step), t->dtype);
}

/* a * b + c * d, or a * b - c * d */
static Operand two_products(const Turn *t, const char *join, Operand a, Operand b, Operand c,
                            Operand d) {
  Operand first[] = {a, b}, second[] = {c, d};
  Operand terms[] = {nest_apply(t->l, t->nest, "mul", t->dtype, first, 2),
                     nest_apply(t->l, t->nest, "mul", t->dtype, second, 2)};
  return nest_apply(t->l, t->nest, join, t->dtype, terms, 2);
}

static void lower_turn(Lower *l, const Node *node, const Rotary *r, Buffer *cos, Buffer *sin) {
  DimPool *p = l->c->dims;
  bool mixed = node_int(node, "interleaved", 0) != 0, shared = r->positions && is_offset(r);
  const Dim extent[] = {r->batch, r->heads, r->rows, r->half}, zero = dim_const(p, 0);
  Dim angle[] = {shared ? zero : dim_mul(p, r->rows, r->half), zero, r->half, dim_const(p, 1)};
  Dim step[4], other = mixed ? dim_const(p, 1) : r->half;
  memcpy(step, r->step, sizeof step);
  step[3] = dim_const(p, mixed ? 2 : 1);
  Buffer *x = lower_buffer(l, r->x), *y = lower_buffer(l, node_out(node, 0));
  Turn t = {l, lower_nest(l, 4, extent), compute_dtype(r->x->dtype)};
  Operand x1 = load(&t, x, NULL, step), x2 = load(&t, x, other, step);
  Operand c = load(&t, cos, NULL, angle), s = load(&t, sin, NULL, angle);
  nest_store_at(l, t.nest, y, NULL, step, two_products(&t, "sub", x1, c, x2, s));
  nest_store_at(l, t.nest, y, other, step, two_products(&t, "add", x1, s, x2, c));
}

/* What lies behind the pairs. */
static void lower_rest(Lower *l, const Node *node, const Rotary *r) {
  Dim turned = dim_muli(l->c->dims, r->half, 2), rest = dim_sub(l->c->dims, r->size, turned);
  if (dim_is(rest, 0)) return;
  const Dim extent[] = {r->batch, r->heads, r->rows, rest};
  LoopNest *nest = lower_nest(l, 4, extent);
  Operand x = nest_load_at(l, nest, lower_buffer(l, r->x), turned, r->step);
  nest_store_at(l, nest, lower_buffer(l, node_out(node, 0)), turned, r->step, x);
}

static bool lower_rotary(Lower *l, const Node *node) {
  Rotary r;
  if (!read_rotary(l->c, node, &r)) return false;
  Buffer *angles[2] = {NULL};
  if (r.positions) {
    Buffer *positions = is_offset(&r) ? positions_from(l, &r) : lower_indices(l, r.positions);
    angles[0] = picked_rows(l, &r, r.cos, positions);
    angles[1] = picked_rows(l, &r, r.sin, positions);
  } else {
    angles[0] = lower_buffer(l, r.cos);
    angles[1] = lower_buffer(l, r.sin);
  }
  lower_turn(l, node, &r, angles[0], angles[1]);
  lower_rest(l, node, &r);
  return true;
}

DEFINE_OP(RotaryEmbedding) = {
    .name = "RotaryEmbedding", .infer = infer_rotary, .lower = lower_rotary, .row = &standard_form};
DEFINE_OP(MicrosoftRotaryEmbedding) = {.domain = MICROSOFT,
                                       .name = "RotaryEmbedding",
                                       .infer = infer_rotary,
                                       .lower = lower_rotary,
                                       .row = &microsoft_form};
