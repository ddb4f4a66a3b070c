/* matmul_integer.c: products of quantised matrices: MatMulInteger, QLinearMatMul and
 * com.microsoft's relatives.
 *
 * All are one integer product (levels minus zero points, summed in int32), followed, except for
 * MatMulInteger, by a loop nest that scales the sums and stores them as levels or as floats. */
#include "ops/matmul.h"
#include "ops/quantize.h"
#include "ops/quantized.h"

#include <string.h>

/* Positions of the inputs; -1: there is none. */
typedef struct {
  int a, b, a_scale, b_scale, a_zero, b_zero;
  int bias; /* int32, added to the sums, if the result is quantised; otherwise added to the scaled
               result */
  int y_scale, y_zero; /* of the result */
  bool dynamic;        /* A is float32 and quantised while the program runs */
  bool sums;           /* the result is the int32 sums … */
  bool real;           /* … as floats */
} IntegerRow;

static const IntegerRow row_integer = {0, 1, -1, -1, 2, 3, -1, -1, -1, false, true, false};
static const IntegerRow row_real = {0, 1, -1, -1, 2, 3, -1, -1, -1, false, true, true};
static const IntegerRow row_linear = {0, 3, 1, 4, 2, 5, -1, 6, 7, false, false, false};
static const IntegerRow row_to_float = {0, 1, 2, 3, 4, 5, 6, -1, -1, false, false, false};
static const IntegerRow row_dynamic = {0, 1, -1, 2, -1, 3, 4, -1, -1, true, false, false};
static const IntegerRow row_gemm = {0, 3, 1, 4, 2, 5, 6, 7, 8, false, false, false};

/* --- inference --- */

/* The type of the result. */
static DType result_dtype(const Node *node, const IntegerRow *row) {
  if (row->sums) return row->real ? DT_F32 : DT_I32;
  const Value *zero = node_in(node, row->y_zero), *scale = node_in(node, row->y_scale);
  if (zero) return zero->dtype;
  if (scale) return node_in(node, row->a)->dtype;
  return node_in(node, row->b_scale)->dtype;
}

static bool is_byte(const Value *value) {
  return value->dtype == DT_U8 || value->dtype == DT_I8;
}

/* A zero point or scale: one number, one for each of the `n` rows or columns, or such a list for
 * each matrix. */
static bool check_parameter(Compilation *c, const Node *node, int input, Dim n, bool by_row) {
  const Value *value = node_in(node, input);
  if (!value || value->rank == 0) return true;
  int last = value->rank - 1, own = by_row && last > 0 ? last - 1 : last;
  if (value->rank > 1 && !dim_is(value->shape[by_row ? last : last - 1], 1))
    return node_error(c, node, "input %d must have one number for each %s", input,
                      by_row ? "row" : "column");
  if (dim_is(value->shape[own], 1)) return true;
  return infer_require_equal(c, node, value->shape[own], n,
                             "the numbers of zero points or scales and of rows or columns");
}

static bool infer_integer(Compilation *c, Node *node) {
  const IntegerRow *row = node->op->row;
  const Value *a = node_in(node, row->a), *b = node_in(node, row->b);
  DType dtype = result_dtype(node, row);
  if ((row->dynamic ? a->dtype != DT_F32 : !is_byte(a)) || !is_byte(b))
    return node_error(c, node, "the matrices must be uint8 or int8");
  bool quantized = dtype == DT_U8 || dtype == DT_I8;
  if (!row->sums && !quantized && !dtype_is_float(dtype))
    return node_error(c, node, "a result of type %s is not supported", dtype_info(dtype)->name);
  Product product;
  if (!product_read(c, node, a, b, &product)) return false;
  if (!check_parameter(c, node, row->a_zero, product.m, true) ||
      !check_parameter(c, node, row->a_scale, product.m, true) ||
      !check_parameter(c, node, row->b_zero, product.n, false) ||
      !check_parameter(c, node, row->b_scale, product.n, false))
    return false;
  return product_infer(c, node, a, b, node_out(node, 0), dtype);
}

/* --- the integer product --- */

/* One of the two factors. */
typedef struct {
  const Value *value;
  Buffer *levels, *zero; /* zero NULL: 0 */
  Dim zero_step;         /* from row to row (A) or column to column (B) */
  Dim batch[MAX_RANK], zero_batch[MAX_RANK];
} Factor;

/* Steps of the zero point; `n` is the number of rows or columns. */
static void zero_steps(Lower *l, const Product *product, const Value *zero, Dim n, Factor *factor) {
  factor->zero_step = dim_const(l->c->dims, 0);
  for (int d = 0; d < product->batch_rank; d++) factor->zero_batch[d] = factor->zero_step;
  if (!zero || dim_is(value_count(l->c, zero), 1)) return;
  factor->zero_step = dim_const(l->c->dims, 1);
  if (zero->rank > 2) product_steps(l->c, product, zero, zero->rank - 2, n, factor->zero_batch);
}

/* Levels and zero point of a factor with `rows` x `cols` matrices, stored the other way round if
 * `turn`. */
static void take_factor(Lower *l, const Product *product, const Value *zero, Dim rows, Dim cols,
                        bool turn, Dim n, Factor *factor) {
  DimPool *p = l->c->dims;
  const Value *value = factor->value;
  int own = value->rank > 2 ? value->rank - 2 : 0;
  Dim count = dim_product(p, value->shape, (size_t)own);
  if (!factor->levels)
    factor->levels = turn ? compute_transposed(l, value, value->dtype, count, cols, rows)
                          : lower_buffer(l, value);
  if (zero) factor->zero = lower_buffer(l, zero);
  zero_steps(l, product, zero, n, factor);
  product_steps(l->c, product, value, own, dim_mul(p, rows, cols), factor->batch);
}

static void lower_sums(Lower *l, const Product *product, const Factor *a, const Factor *b,
                       Buffer *sums) {
  const char *stem =
      arena_printf(l->c->arena, "matmul_integer_%s", dtype_info(a->levels->dtype)->short_name);
  Step *step = lower_kernel(l, stem, b->levels->dtype);
  int rank = product->batch_rank;
  arg_buffer(l, step, a->levels);
  arg_buffer(l, step, b->levels);
  arg_buffer(l, step, a->zero);
  arg_buffer(l, step, b->zero);
  arg_buffer(l, step, sums);
  arg_dim(l, step, product->m);
  arg_dim(l, step, product->n);
  arg_dim(l, step, product->k);
  arg_dim(l, step, a->zero_step);
  arg_dim(l, step, b->zero_step);
  arg_int(l, step, rank);
  arg_dims(l, step, product->batch, rank);
  arg_dims(l, step, a->batch, rank);
  arg_dims(l, step, b->batch, rank);
  arg_dims(l, step, a->zero_batch, rank);
  arg_dims(l, step, b->zero_batch, rank);
}

/* --- scaling --- */

/* A scale over the result's dims: by row (A, Y) or by column (B). */
static Operand load_scale(Lower *l, LoopNest *nest, const Value *scale, bool by_row) {
  Dim stride[MAX_RANK], one = dim_const(l->c->dims, 1);
  if (dim_is(value_count(l->c, scale), 1)) return nest_load_number(l, nest, scale);
  for (int d = 0; d < nest->rank; d++) stride[d] = dim_const(l->c->dims, 0);
  if (!by_row || scale->rank > 1 || nest->rank < 2) return nest_load(l, nest, scale);
  stride[nest->rank - 2] = one;
  return nest_load_at(l, nest, lower_buffer(l, scale), NULL, stride);
}

/* x * y or x / y in f32, while compiling if both are literals. */
static Operand combine(Lower *l, LoopNest *nest, const char *stem, Operand x, Operand y) {
  Operand args[] = {x, y};
  bool divide = strcmp(stem, "div") == 0;
  if (x.kind == OPERAND_REAL && y.kind == OPERAND_REAL) {
    float left = (float)x.real, right = (float)y.real;
    return operand_real(DT_F32, divide ? left / right : left * right);
  }
  return nest_apply(l, nest, stem, DT_F32, args, 2);
}

/* a_scale * b_scale * alpha / y_scale; that of a dynamic A is in `a_scale`. */
static Operand whole_scale(Lower *l, LoopNest *nest, const Node *node, const IntegerRow *row,
                           Buffer *a_scale, double alpha) {
  Dim none[MAX_RANK];
  for (int d = 0; d < nest->rank; d++) none[d] = dim_const(l->c->dims, 0);
  Operand scale = a_scale ? nest_load_at(l, nest, a_scale, NULL, none)
                          : load_scale(l, nest, node_in(node, row->a_scale), true);
  scale = combine(l, nest, "mul", scale, load_scale(l, nest, node_in(node, row->b_scale), false));
  if (alpha != 1.0) scale = combine(l, nest, "mul", scale, operand_real(DT_F32, alpha));
  const Value *y_scale = node_in(node, row->y_scale);
  return y_scale ? combine(l, nest, "div", scale, load_scale(l, nest, y_scale, true)) : scale;
}

/* `sums` are int32, or, if the result is a float, may be floats. */
static void lower_scaled(Lower *l, const Node *node, const IntegerRow *row, Buffer *sums,
                         Buffer *a_scale, double alpha) {
  const Value *y = node_out(node, 0), *bias = node_in(node, row->bias);
  const Value *zero = node_in(node, row->y_zero);
  Dim dense[MAX_RANK];
  LoopNest *nest = lower_nest(l, y->rank, y->shape);
  nest_strides(l->c, y->rank, y->shape, dense);
  Operand scale = whole_scale(l, nest, node, row, a_scale, alpha);
  Operand sum = nest_load_at(l, nest, sums, NULL, dense);
  bool whole_bias = bias && bias->dtype == DT_I32;
  if (whole_bias) {
    Operand args[] = {sum, nest_load(l, nest, bias)};
    sum = nest_apply(l, nest, "add", DT_I32, args, 2);
  }
  if (quantized_dtype(y->dtype)) {
    Operand args[] = {sum, scale,
                      zero ? nest_load(l, nest, zero)
                           : operand_int(y->dtype, dim_const(l->c->dims, 0))};
    nest_store(l, nest, y, nest_apply(l, nest, "requantize", y->dtype, args, 3));
    return;
  }
  Operand result = combine(l, nest, "mul", nest_cast(l, nest, sum, DT_F32), scale);
  if (bias && !whole_bias) {
    Operand args[] = {result, nest_load(l, nest, bias)};
    result = nest_apply(l, nest, "add", DT_F32, args, 2);
  }
  nest_store(l, nest, y, nest_cast(l, nest, result, y->dtype));
}

/* --- the fast kernels: B is constant and one matrix, A has one zero point --- */

static bool is_single_constant(const Value *value) {
  return value && value->constant && value->constant->count == 1;
}

/* Whether the kernel itself can make levels: scales, bias and the zero point of y are known. */
static bool has_known_scales(const Node *node, const IntegerRow *row, int64_t columns) {
  const Value *b_scale = node_in(node, row->b_scale), *bias = node_in(node, row->bias);
  const Value *y_zero = node_in(node, row->y_zero), *a_zero = node_in(node, row->a_zero);
  if (row->y_scale < 0 || !is_single_constant(node_in(node, row->y_scale))) return false;
  if (!is_single_constant(node_in(node, row->a_scale)) || !b_scale || !b_scale->constant)
    return false;
  if (b_scale->constant->count != 1 && b_scale->constant->count != columns) return false;
  if (y_zero && !is_single_constant(y_zero)) return false;
  if (!bias) return true;
  return bias->constant && bias->dtype == DT_I32 &&
         (bias->constant->count == columns || bias->constant->count == 1) &&
         (!a_zero || a_zero->constant);
}

static bool is_fast(Compilation *c, const Node *node, const IntegerRow *row,
                    const Product *product) {
  const Value *a = node_in(node, row->a), *b = node_in(node, row->b);
  const Value *a_zero = node_in(node, row->a_zero), *b_zero = node_in(node, row->b_zero);
  Value levels = *a;
  if (row->dynamic) levels.dtype = DT_U8;
  if (!byte_conv_fits(&levels, a_zero, b, b_zero) || product->turn_a || a->rank < 2) return false;
  if (b->rank < 2 || !dim_is_const(product->n) || !dim_is_const(product->k)) return false;
  if (b_zero && b_zero->constant->count != 1 && b_zero->constant->count != dim_value(product->n))
    return false;
  if (dim_value(product->n) < 1 || dim_value(product->k) < 1) return false;
  return dim_is(dim_product(c->dims, b->shape, (size_t)product->b_batch), 1);
}

static const float *make_scales(Lower *l, const Node *node, const IntegerRow *row, double alpha,
                                int64_t columns) {
  const Tensor *b = node_in(node, row->b_scale)->constant;
  float a = (float)tensor_real(node_in(node, row->a_scale)->constant, 0);
  float y = (float)tensor_real(node_in(node, row->y_scale)->constant, 0);
  float *scales = ARENA_ARRAY(l->c->arena, float, columns);
  for (int64_t i = 0; i < columns; i++) {
    scales[i] = a * (float)tensor_real(b, b->count > 1 ? i : 0);
    if (alpha != 1.0) scales[i] *= (float)alpha;
    scales[i] /= y;
  }
  return scales;
}

/* One bias for each column. */
static const Tensor *spread_bias(Lower *l, const Value *bias, int64_t columns) {
  void *data;
  if (!bias || bias->constant->count == columns) return bias ? bias->constant : NULL;
  Tensor *spread = tensor_create(l->c->arena, DT_I32, 1, &columns, &data);
  for (int64_t i = 0; i < columns; i++)
    ((int32_t *)data)[i] = (int32_t)tensor_int(bias->constant, 0);
  return spread;
}

static void lower_fast(Lower *l, const Node *node, const IntegerRow *row, const Product *product,
                       Factor *a, Buffer *a_scale) {
  const Value *y = node_out(node, 0), *b_zero = node_in(node, row->b_zero);
  const Value *a_zero = node_in(node, row->a_zero);
  DimPool *p = l->c->dims;
  int64_t columns = dim_value(product->n);
  Dim rows = dim_mul(p, dim_product(p, product->batch, (size_t)product->batch_rank), product->m);
  ByteConv conv = {.x = a->levels ? a->levels : lower_buffer(l, a->value),
                   .x_zero = a_zero ? lower_buffer(l, a_zero) : a->zero,
                   .w = node_in(node, row->b)->constant,
                   .w_zero = b_zero ? b_zero->constant : NULL};
  byte_conv_product(l, &conv, rows, dim_value(product->k), columns, product->turn_b);
  bool levels = has_known_scales(node, row, columns) && quantized_dtype(y->dtype);
  if (levels) {
    const Value *zero = node_in(node, row->y_zero);
    conv.bias = spread_bias(l, node_in(node, row->bias), columns);
    conv.scale = make_scales(l, node, row, product->alpha, columns);
    conv.y_zero = zero ? tensor_int(zero->constant, 0) : 0;
    level_range(y->dtype, &conv.low, &conv.high);
    conv.low = node_int(node, "low", conv.low);
    conv.high = node_int(node, "high", conv.high);
  }
  if (levels || row->sums) {
    conv.y = lower_buffer(l, y);
    byte_conv_lower(l, &conv);
    return;
  }
  const Value *bias = node_in(node, row->bias);
  bool whole = quantized_dtype(y->dtype) || (bias && bias->dtype == DT_I32);
  conv.y = lower_scratch(l, whole ? DT_I32 : DT_F32, value_count(l->c, y), "sums");
  byte_conv_lower(l, &conv);
  lower_scaled(l, node, row, conv.y, a_scale, product->alpha);
}

/* --- lowering --- */

static bool lower_integer(Lower *l, const Node *node) {
  const IntegerRow *row = node->op->row;
  Factor a = {.value = node_in(node, row->a)}, b = {.value = node_in(node, row->b)};
  Product product;
  if (!product_read(l->c, node, a.value, b.value, &product)) return false;
  const Value *y = node_out(node, 0);
  Dim one = dim_const(l->c->dims, 1);
  Buffer *a_scale = NULL;
  if (row->dynamic) {
    a_scale = lower_scratch(l, DT_F32, one, "scale");
    a.zero = lower_scratch(l, DT_U8, one, "zero");
    a.levels = lower_scratch(l, DT_U8, value_count(l->c, a.value), "levels");
    lower_dynamic_range(l, a.value, a_scale, a.zero);
    lower_dynamic_levels(l, a.value, a_scale, a.zero, a.levels);
  }
  if (target_of(l->c)->panels && is_fast(l->c, node, row, &product)) {
    lower_fast(l, node, row, &product, &a, a_scale);
    return true;
  }
  take_factor(l, &product, node_in(node, row->a_zero), product.m, product.k, product.turn_a,
              product.m, &a);
  take_factor(l, &product, node_in(node, row->b_zero), product.k, product.n, product.turn_b,
              product.n, &b);
  bool own = row->sums && !row->real;
  Buffer *sums = own ? lower_buffer(l, y) : lower_scratch(l, DT_I32, value_count(l->c, y), "sums");
  lower_sums(l, &product, &a, &b, sums);
  if (row->real) {
    Dim count = value_count(l->c, y);
    LoopNest *nest = lower_nest(l, 1, &count);
    Operand sum = nest_load_at(l, nest, sums, NULL, &one);
    nest_store_at(l, nest, lower_buffer(l, y), NULL, &one, nest_cast(l, nest, sum, DT_F32));
  }
  if (!row->sums) lower_scaled(l, node, row, sums, a_scale, product.alpha);
  return true;
}

#define INTEGER_OPERATOR(where, operator, data)                                                    \
  { .domain = where, .name = operator, .infer = infer_integer, .lower = lower_integer, .row = data }

DEFINE_OP(MatMulInteger) = INTEGER_OPERATOR(NULL, "MatMulInteger", &row_integer);
DEFINE_OP(QLinearMatMul) = INTEGER_OPERATOR(NULL, "QLinearMatMul", &row_linear);
DEFINE_OP(MatMulIntegerToFloat) = INTEGER_OPERATOR(MICROSOFT, "MatMulIntegerToFloat",
                                                   &row_to_float);
DEFINE_OP(DynamicQuantizeMatMul) = INTEGER_OPERATOR(MICROSOFT, "DynamicQuantizeMatMul",
                                                    &row_dynamic);
DEFINE_OP(QGemm) = INTEGER_OPERATOR(MICROSOFT, "QGemm", &row_gemm);
/* Made by pass quantize only: the sums of MatMulInteger as floats, and QGemm whose levels are
 * limited to [low, high]. */
DEFINE_OP(ProductReal) = INTEGER_OPERATOR(INTERNAL_DOMAIN, "ProductReal", &row_real);
DEFINE_OP(ByteGemm) = INTEGER_OPERATOR(INTERNAL_DOMAIN, "ByteGemm", &row_gemm);
