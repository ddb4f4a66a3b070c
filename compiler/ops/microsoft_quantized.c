/* microsoft_quantized.c: operators of onnxruntime on weights of a few bits, quantised in blocks:
 * GatherBlockQuantized, MatMulBnb4. */
#include "ops/compose.h"

/* Bytes as twice as many numbers of four bits, along the last axis. */
static Value *nibbles(Composer *k, Value *bytes, bool low_first) {
  int64_t shape[MAX_RANK] = {0};
  int last = bytes->rank - 1;
  if (k->failed) return bytes;
  Value *low = compose_binary(k, "BitwiseAnd", bytes, compose_number(k, DT_U8, 15));
  Value *high = compose_op(k, "BitShift", IN(bytes, compose_number(k, DT_U8, 4)),
                           WITH(attr_text("direction", "RIGHT")));
  Value *pair[] = {compose_unsqueeze(k, low_first ? low : high, last + 1),
                   compose_unsqueeze(k, low_first ? high : low, last + 1)};
  Value *both = compose_op(k, "Concat", (Values){pair, 2}, WITH(attr_int("axis", last + 1)));
  shape[last] = 2 * dim_value(bytes->shape[last]);
  return compose_reshape(k, both, shape, last + 1);
}

/* --- GatherBlockQuantized: rows are picked first, then made numbers --- */

enum { IN_DATA, IN_INDICES, IN_SCALES, IN_ZEROS };

typedef struct {
  int gather, quantize; /* axes of the data */
  int behind;           /* the quantised axis of what was gathered */
  int64_t size, bits;   /* of a block, of a number */
  bool packed;          /* two numbers a byte */
  int64_t count;        /* numbers along the quantised axis */
} BlockGather;

static bool read_block_gather(Compilation *c, const Node *node, BlockGather *g) {
  const Value *data = node_in(node, IN_DATA), *indices = node_in(node, IN_INDICES);
  g->size = node_int(node, "block_size", 128);
  g->bits = node_int(node, "bits", 4);
  g->packed = data->dtype == DT_U8 && g->bits == 4;
  if (!infer_axis(c, node, node_int(node, "gather_axis", 0), data->rank, &g->gather) ||
      !infer_axis(c, node, node_int(node, "quantize_axis", 1), data->rank, &g->quantize))
    return false;
  const Value *zeros = node_in(node, IN_ZEROS);
  if (g->gather == g->quantize || g->size < 1 || node_in(node, IN_SCALES)->rank != data->rank ||
      (zeros && zeros->rank != data->rank))
    return node_error(c, node, "the data cannot be gathered along the axis of the blocks");
  for (int d = 0; d < data->rank; d++)
    if (!dim_is_const(data->shape[d]) || (zeros && !dim_is_const(zeros->shape[d])))
      return node_error(c, node, "the sizes of the data must be known when compiling");
  if (g->packed && g->quantize != data->rank - 1)
    return node_error(c, node, "numbers that share a byte must be quantised along the last axis");
  g->behind = g->quantize < g->gather ? g->quantize : g->quantize + indices->rank - 1;
  g->count = dim_value(data->shape[g->quantize]) * (g->packed ? 2 : 1);
  return true;
}

static Value *rows_of(Composer *k, const BlockGather *g, Value *x) {
  return compose_op(k, "Gather", IN(x, node_in(k->node, IN_INDICES)),
                    WITH(attr_int("axis", g->gather)));
}

/* One number a block as one for each of its elements. */
static Value *spread(Composer *k, const BlockGather *g, Value *x) {
  int64_t wide[MAX_RANK], shape[MAX_RANK];
  int rank = x->rank, axis = g->behind;
  if (k->failed) return x;
  int64_t blocks = (g->count + g->size - 1) / g->size;
  for (int d = 0; d <= rank; d++) wide[d] = d == axis + 1 ? g->size : 1;
  for (int d = 0, open = 0; d < rank; d++) {
    bool known = d <= axis || dim_is_const(x->shape[d]);
    if (!known && open++)
      k->failed = !node_error(k->c, k->node, "more than one dim is open behind the blocks");
    shape[d] = d < axis ? 0 : d == axis ? blocks * g->size : known ? dim_value(x->shape[d]) : -1;
  }
  x = compose_op(k, "Expand",
                 IN(compose_unsqueeze(k, x, axis + 1), compose_ints(k, wide, rank + 1)), NO_ATTRS);
  return compose_slice(k, compose_reshape(k, x, shape, rank), axis, 0, g->count);
}

/* What numbers are counted from: an input, else the middle of unsigned bytes, else 0. */
static Value *less_zeros(Composer *k, const BlockGather *g, Value *x) {
  Value *zeros = node_in(k->node, IN_ZEROS);
  if (!zeros && node_in(k->node, IN_DATA)->dtype != DT_U8) return x;
  if (!zeros) return compose_binary(k, "Sub", x, compose_number(k, DT_F32, 1 << (g->bits - 1)));
  zeros = rows_of(k, g, zeros);
  int64_t blocks = (g->count + g->size - 1) / g->size;
  if (g->packed) zeros = compose_slice(k, nibbles(k, zeros, true), g->behind, 0, blocks);
  return compose_binary(k, "Sub", x, spread(k, g, compose_cast(k, zeros, DT_F32)));
}

static bool compose_block_gather(Composer *k, const Node *node, Value **out) {
  BlockGather g;
  if (!read_block_gather(k->c, node, &g)) return false;
  Value *scales = node_in(node, IN_SCALES), *x = rows_of(k, &g, node_in(node, IN_DATA));
  if (k->failed || x->rank + 1 > MAX_RANK) return false;
  if (g.packed) x = nibbles(k, x, true);
  x = less_zeros(k, &g, compose_cast(k, x, DT_F32));
  Value *factors = spread(k, &g, compose_cast(k, rows_of(k, &g, scales), DT_F32));
  out[0] = compose_cast(k, compose_binary(k, "Mul", x, factors), scales->dtype);
  return true;
}

DEFINE_COMPOSED(GatherBlockQuantized, MICROSOFT, "GatherBlockQuantized", compose_block_gather);

/* --- MatMulBnb4: A times the transpose of B [N, K], whose elements are places in a table --- */

enum { TABLE_SIZE = 16 };

/* Floats of four bits (a sign, two bits of exponent, one of fraction) divided by 12; quantiles of
 * the normal distribution within [-1, 1]. */
static const double tables[2][TABLE_SIZE] = {
    {0, 0.0625 / 12, 8.0 / 12, 1, 4.0 / 12, 6.0 / 12, 2.0 / 12, 3.0 / 12, -0.0, -0.0625 / 12,
     -8.0 / 12, -1, -4.0 / 12, -6.0 / 12, -2.0 / 12, -3.0 / 12},
    {-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
     -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
     0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
     0.7229568362236023, 1.0},
};

static bool compose_bnb4(Composer *k, const Node *node, Value **out) {
  int64_t columns = node_int(node, "N", 0), size = node_int(node, "K", 0);
  int64_t block = node_int(node, "block_size", 0), type = node_int(node, "quant_type", 0);
  Value *a = node_in(node, 0), *absmax = node_in(node, 2);
  const int64_t entries = TABLE_SIZE;
  if (columns < 1 || size < 1 || block < 1 || columns > INT64_MAX / size ||
      columns * size % block || columns * size % 2)
    return node_error(k->c, node, "N * K must be a multiple of block_size, and even");
  if (type < 0 || type > 1) return node_error(k->c, node, "quant_type must be 0 or 1");
  Value *bytes = compose_reshape(k, node_in(node, 1), (int64_t[]){columns * size / 2}, 1);
  if (k->failed)
    return infer_require_equal(k->c, node, value_count(k->c, node_in(node, 1)),
                               dim_const(k->c->dims, columns * size / 2),
                               "bytes of B and N * K / 2");
  Value *table =
      compose_tensor(k, tensor_from_reals(k->c->arena, DT_F32, 1, &entries, tables[type]));
  Value *places = compose_cast(k, nibbles(k, bytes, false), DT_I32);
  Value *b = compose_op(k, "Gather", IN(table, places), WITH(attr_int("axis", 0)));
  Value *factors = compose_reshape(k, compose_cast(k, absmax, DT_F32), (int64_t[]){-1, 1}, 2);
  b = compose_binary(k, "Mul", compose_reshape(k, b, (int64_t[]){-1, block}, 2), factors);
  b = compose_reshape(k, b, (int64_t[]){columns, size}, 2);
  b = compose_cast(k, compose_transpose(k, b, (int64_t[]){1, 0}, 2), a->dtype);
  out[0] = compose_binary(k, "MatMul", a, b);
  return true;
}

DEFINE_COMPOSED(MatMulBnb4, MICROSOFT, "MatMulBnb4", compose_bnb4);
