/* matmul.c: MatMul, Gemm and their fused forms.
 *
 * Products in f32 go to ops/gemm_packed.c, which takes both factors with any strides. Other types
 * and very small products have kernels that want B with contiguous rows: a transposed B is a
 * constant that is turned while compiling, or copied. A transposed A only changes the strides with
 * which the kernel reads it. Stacks of matrices that meet a single B are one tall matrix. */
#include "ops/matmul.h"

#include "ops/compose.h"
#include "ops/gemm_packed.h"

#include <string.h>

/* --- shared with other families --- */

Tensor *tensor_transposed(Arena *arena, const Tensor *tensor, const int *perm) {
  int64_t dims[MAX_RANK], stride[MAX_RANK], index[MAX_RANK] = {0}, run = 1;
  int rank = tensor->rank;
  for (int d = rank - 1; d >= 0; d--) {
    stride[d] = run;
    run *= tensor->dims[d];
  }
  for (int d = 0; d < rank; d++) dims[d] = tensor->dims[perm[d]];
  void *data;
  Tensor *result = tensor_create(arena, tensor->dtype, rank, dims, &data);
  size_t bytes = dtype_info(tensor->dtype)->bytes;
  for (int64_t i = 0; i < tensor->count; i++) {
    int64_t from = 0;
    for (int d = 0; d < rank; d++) from += index[d] * stride[perm[d]];
    memcpy((char *)data + (size_t)i * bytes, (const char *)tensor->data + (size_t)from * bytes,
           bytes);
    for (int d = rank - 1; d >= 0 && ++index[d] == dims[d]; d--) index[d] = 0;
  }
  return result;
}

/* A constant as [batch, rows, cols] turned to [batch, cols, rows]. */
static Buffer *constant_transposed(Lower *l, const Value *value, DType dtype, Dim batch, Dim rows,
                                   Dim cols) {
  Tensor matrix = *tensor_as(l->c->arena, value->constant, dtype);
  matrix.rank = 3;
  matrix.dims[0] = dim_value(batch);
  matrix.dims[1] = dim_value(rows);
  matrix.dims[2] = dim_value(cols);
  return lower_constant(l, tensor_transposed(l->c->arena, &matrix, (const int[]){0, 2, 1}),
                        arena_printf(l->c->arena, "%s.T", value->name));
}

Buffer *compute_transposed(Lower *l, const Value *value, DType dtype, Dim batch, Dim rows,
                           Dim cols) {
  DimPool *p = l->c->dims;
  bool constant = value->constant && dim_is_const(batch) && dim_is_const(rows) &&
                  dim_is_const(cols) && (value->dtype == dtype || dtype_is_float(dtype));
  if (constant) return constant_transposed(l, value, dtype, batch, rows, cols);
  Dim matrix = dim_mul(p, rows, cols), one = dim_const(p, 1);
  Dim extent[] = {batch, cols, rows}, read[] = {matrix, one, cols}, write[] = {matrix, rows, one};
  Buffer *turned = lower_scratch(l, dtype, value_count(l->c, value), value->name);
  LoopNest *nest = lower_nest(l, 3, extent);
  Operand element = nest_load_at(l, nest, lower_buffer(l, value), NULL, read);
  nest_store_at(l, nest, turned, NULL, write, element);
  return turned;
}

void lower_matmul(Lower *l, Buffer *a, Buffer *b, Buffer *y, Dim m, Dim n, Dim k) {
  Step *step = lower_kernel(l, "matmul", y->dtype);
  arg_buffer(l, step, a);
  arg_buffer(l, step, b);
  arg_buffer(l, step, y);
  arg_dim(l, step, m);
  arg_dim(l, step, n);
  arg_dim(l, step, k);
}

/* --- checks --- */

/* Whether there is a kernel for the dtype. */
static bool check_dtypes(Compilation *c, const Node *node) {
  DType dtype = node_in(node, 0)->dtype;
  for (int i = 1; i < node->input_count; i++)
    if (node_in(node, i) && node_in(node, i)->dtype != dtype)
      return node_error(c, node, "the inputs have different types");
  if (!kernel_find_typed("matmul", compute_dtype(dtype)))
    return node_error(c, node, "%s matrices are not supported", dtype_info(dtype)->name);
  return true;
}

/* --- MatMul and FusedMatMul --- */

/* The matrix part of the two operands. */
static void read_matrices(Compilation *c, const Node *node, const Value *a, const Value *b,
                          Product *product) {
  Dim one = dim_const(c->dims, 1);
  *product = (Product){.alpha = node_float(node, "alpha", 1.0f),
                       .turn_a = node_int(node, "transA", 0) != 0 && a->rank > 1,
                       .turn_b = node_int(node, "transB", 0) != 0 && b->rank > 1,
                       .a_batch = a->rank > 2 ? a->rank - 2 : 0,
                       .b_batch = b->rank > 2 ? b->rank - 2 : 0};
  Dim a_rows = a->rank > 1 ? a->shape[a->rank - 2] : one, a_cols = a->shape[a->rank - 1];
  Dim b_cols = b->rank > 1 ? b->shape[b->rank - 1] : one;
  Dim b_rows = b->shape[b->rank > 1 ? b->rank - 2 : 0];
  product->m = product->turn_a ? a_cols : a_rows;
  product->k_of_a = product->turn_a ? a_rows : a_cols;
  product->n = product->turn_b ? b_rows : b_cols;
  product->k_of_b = product->turn_b ? b_cols : b_rows;
  product->k = dim_known(product->k_of_a, product->k_of_b);
}

bool product_read(Compilation *c, const Node *node, const Value *a, const Value *b,
                  Product *product) {
  if (a->rank < 1 || b->rank < 1)
    return node_error(c, node, "the inputs must have at least one dim");
  read_matrices(c, node, a, b, product);
  Value a_batch = *a, b_batch = *b, *both[] = {&a_batch, &b_batch};
  a_batch.rank = product->a_batch;
  b_batch.rank = product->b_batch;
  return infer_broadcast(c, node, both, 2, &product->batch_rank, product->batch);
}

bool product_infer(Compilation *c, const Node *node, const Value *a, const Value *b, Value *out,
                   DType dtype) {
  Product product;
  if (!product_read(c, node, a, b, &product)) return false;
  if (!infer_require_equal(c, node, product.k_of_a, product.k_of_b,
                           "the columns of the left and the rows of the right matrix"))
    return false;
  Dim shape[MAX_RANK];
  int rank = product.batch_rank;
  memcpy(shape, product.batch, (size_t)rank * sizeof(Dim));
  if (a->rank > 1) shape[rank++] = product.m;
  if (b->rank > 1) shape[rank++] = product.n;
  value_set_type(c, out, dtype, rank, shape);
  return true;
}

static bool infer_matmul(Compilation *c, Node *node) {
  const Value *a = node_in(node, 0);
  return check_dtypes(c, node) &&
         product_infer(c, node, a, node_in(node, 1), node_out(node, 0), a->dtype);
}

/* Whether the `count` dims at `dims` are all 1. */
static bool all_ones(const Dim *dims, int count) {
  for (int i = 0; i < count; i++)
    if (!dim_is(dims[i], 1)) return false;
  return true;
}

void product_steps(Compilation *c, const Product *product, const Value *value, int own_rank,
                   Dim size, Dim *steps) {
  DimPool *p = c->dims;
  Dim zero = dim_const(p, 0), run = size;
  for (int d = product->batch_rank - 1; d >= 0; d--) {
    int own = d - (product->batch_rank - own_rank);
    steps[d] = zero;
    if (own < 0) continue;
    Dim extent = value->shape[own];
    bool spread = extent != product->batch[d] && dim_range(extent).low <= 1;
    if (spread && dim_is(extent, 1)) continue;
    steps[d] = spread ? dim_select(p, dim_equal(p, extent, dim_const(p, 1)), zero, run) : run;
    run = dim_mul(p, run, extent);
  }
}

static void lower_stack(Lower *l, const Node *node, const Product *product, Buffer *a, Buffer *b,
                        Buffer *y) {
  DimPool *p = l->c->dims;
  const Value *left = node_in(node, 0), *right = node_in(node, 1);
  Dim batch[MAX_RANK], a_step[MAX_RANK], b_step[MAX_RANK], one = dim_const(p, 1);
  Dim a_size = dim_mul(p, product->m, product->k), b_size = dim_mul(p, product->k, product->n);
  int rank = product->batch_rank;
  memcpy(batch, product->batch, (size_t)rank * sizeof(Dim));
  product_steps(l->c, product, left, product->a_batch, a_size, a_step);
  product_steps(l->c, product, right, product->b_batch, b_size, b_step);
  Dim count = dim_product(p, batch, (size_t)rank);
  bool plain = dim_product(p, left->shape, (size_t)product->a_batch) == count &&
               dim_product(p, right->shape, (size_t)product->b_batch) == count;
  if (plain && rank > 1) {
    rank = 1;
    batch[0] = count;
    a_step[0] = a_size;
    b_step[0] = b_size;
  }
  Step *step = lower_kernel(l, "matmul_batch", y->dtype);
  arg_buffer(l, step, a);
  arg_buffer(l, step, b);
  arg_buffer(l, step, y);
  arg_dim(l, step, product->m);
  arg_dim(l, step, product->n);
  arg_dim(l, step, product->k);
  arg_dim(l, step, product->turn_a ? one : product->k);
  arg_dim(l, step, product->turn_a ? product->m : one);
  arg_real(l, step, product->alpha);
  arg_int(l, step, rank);
  arg_dims(l, step, batch, rank);
  arg_dims(l, step, a_step, rank);
  arg_dims(l, step, b_step, rank);
}

/* --- products in f32 with any strides --- */

/* The dims that a stack runs over, and the strides of both factors and the result along them. */
typedef struct {
  int rank;
  Dim extent[MAX_RANK], a[MAX_RANK], b[MAX_RANK], y[MAX_RANK];
} StackDims;

/* The stride of `value`, whose first `own_rank` dims are batch dims, along batch dim d. */
static Dim batch_stride(Compilation *c, const Product *product, const Value *value, int own_rank,
                        const Dim *stride, int d) {
  int own = d - (product->batch_rank - own_rank);
  Dim zero = dim_const(c->dims, 0);
  if (own < 0) return zero;
  Dim extent = value->shape[own];
  if (extent == product->batch[d] || dim_range(extent).low > 1) return stride[own];
  return dim_select(c->dims, dim_equal(c->dims, extent, dim_const(c->dims, 1)), zero, stride[own]);
}

/* Whether the strides along dims d and d + 1 are those of one dim. */
static bool dims_join(Compilation *c, const StackDims *s, int d) {
  DimPool *p = c->dims;
  Dim run = s->extent[d + 1];
  return s->a[d] == dim_mul(p, s->a[d + 1], run) && s->b[d] == dim_mul(p, s->b[d + 1], run) &&
         s->y[d] == dim_mul(p, s->y[d + 1], run);
}

static void drop_dim(StackDims *s, int d) {
  size_t rest = (size_t)(s->rank - d - 1) * sizeof(Dim);
  memmove(s->extent + d, s->extent + d + 1, rest);
  memmove(s->a + d, s->a + d + 1, rest);
  memmove(s->b + d, s->b + d + 1, rest);
  memmove(s->y + d, s->y + d + 1, rest);
  s->rank--;
}

/* Drops dims of size 1 and joins dims that run on. */
static void simplify_dims(Compilation *c, StackDims *s) {
  for (int d = s->rank - 1; d >= 0; d--)
    if (dim_is(s->extent[d], 1)) drop_dim(s, d);
  for (int d = s->rank - 2; d >= 0; d--) {
    if (!dims_join(c, s, d)) continue;
    s->extent[d + 1] = dim_mul(c->dims, s->extent[d], s->extent[d + 1]);
    drop_dim(s, d);
  }
}

/* A single B: matrices of A below each other are one tall matrix. Single rows always are: the step
 * from one to the next is what it is. */
static void take_rows(Compilation *c, StackDims *s, ProductSizes *sizes, Matrices *a) {
  DimPool *p = c->dims;
  while (s->rank > 0) {
    int d = s->rank - 1;
    if (dim_is(sizes->m, 1)) a->row = s->a[d];
    bool below = dim_is(s->b[d], 0) && s->a[d] == dim_mul(p, a->row, sizes->m) &&
                 s->y[d] == dim_mul(p, sizes->n, sizes->m);
    if (!below) return;
    sizes->m = dim_mul(p, sizes->m, s->extent[d]);
    s->rank--;
  }
}

/* The matrix part of a factor with those strides; a vector has a single row or, `standing`, a
 * single column. */
static void matrix_strides(const Value *value, const Dim *stride, bool turn, bool standing,
                           Matrices *m) {
  Dim last = stride[value->rank - 1], above = value->rank > 1 ? stride[value->rank - 2] : last;
  bool swap = turn || (standing && value->rank == 1);
  m->row = swap ? last : above;
  m->col = swap ? above : last;
}

/* The stack's two outermost dims as those of the kernels; false if there are more. */
static bool set_stack(Compilation *c, const StackDims *s, ProductSizes *sizes, Matrices *a,
                      Matrices *b, Matrices *y) {
  Dim zero = dim_const(c->dims, 0);
  if (s->rank > 2) return false;
  int o = s->rank - 2, i = s->rank - 1;
  sizes->outer = s->rank > 1 ? s->extent[o] : dim_const(c->dims, 1);
  sizes->inner = s->rank > 0 ? s->extent[i] : dim_const(c->dims, 1);
  a->outer = s->rank > 1 ? s->a[o] : zero;
  b->outer = s->rank > 1 ? s->b[o] : zero;
  y->outer = s->rank > 1 ? s->y[o] : zero;
  a->inner = s->rank > 0 ? s->a[i] : zero;
  b->inner = s->rank > 0 ? s->b[i] : zero;
  y->inner = s->rank > 0 ? s->y[i] : zero;
  return true;
}

/* y = y * scale (1: nothing to do), from `raw` to the value. */
static void scale_result(Lower *l, const Value *out, Buffer *raw, double scale) {
  Dim stride[MAX_RANK];
  LoopNest *nest = lower_nest(l, out->rank, out->shape);
  nest_strides(l->c, out->rank, out->shape, stride);
  Operand args[] = {nest_load_at(l, nest, raw, NULL, stride), operand_real(DT_F32, scale)};
  Operand scaled = nest_apply(l, nest, "mul", DT_F32, args, 2);
  nest_store(l, nest, out, nest_cast(l, nest, scaled, out->dtype));
}

/* The product by panels; false if they are not worth it. */
static bool lower_by_panels(Lower *l, const Node *node, const Product *product) {
  DimPool *p = l->c->dims;
  const Value *left = node_in(node, 0), *right = node_in(node, 1), *out = node_out(node, 0);
  Dim a_stride[MAX_RANK], b_stride[MAX_RANK], run = dim_mul(p, product->m, product->n);
  Matrices a = {.buffer = strided_input(l, left, a_stride)};
  Matrices b = {.buffer = strided_input(l, right, b_stride)};
  Matrices y = {.row = product->n, .col = dim_const(p, 1)};
  ProductSizes sizes = {.m = product->m, .n = product->n, .k = product->k};
  StackDims dims = {.rank = product->batch_rank};
  matrix_strides(left, a_stride, product->turn_a, false, &a);
  matrix_strides(right, b_stride, product->turn_b, true, &b);
  for (int d = dims.rank - 1; d >= 0; d--) {
    dims.extent[d] = product->batch[d];
    dims.a[d] = batch_stride(l->c, product, left, product->a_batch, a_stride, d);
    dims.b[d] = batch_stride(l->c, product, right, product->b_batch, b_stride, d);
    dims.y[d] = run;
    run = dim_mul(p, run, product->batch[d]);
  }
  simplify_dims(l->c, &dims);
  take_rows(l->c, &dims, &sizes, &a);
  if (!set_stack(l->c, &dims, &sizes, &a, &b, &y) || !product_is_fast(l, &sizes, &b)) return false;
  bool direct = product->alpha == 1.0 && out->dtype == DT_F32;
  y.buffer =
      direct ? lower_buffer(l, out) : lower_scratch(l, DT_F32, value_count(l->c, out), out->name);
  lower_product(l, &sizes, &a, &b, &y);
  if (!direct && product->alpha == 1.0) compute_done(l, out, y.buffer);
  if (product->alpha != 1.0) scale_result(l, out, y.buffer, product->alpha);
  return true;
}

static bool lower_matmul_node(Lower *l, const Node *node) {
  const Value *left = node_in(node, 0), *right = node_in(node, 1), *out = node_out(node, 0);
  Product product;
  if (!product_read(l->c, node, left, right, &product)) return false;
  DimPool *p = l->c->dims;
  DType dtype = compute_dtype(out->dtype);
  if (dtype == DT_F32 && lower_by_panels(l, node, &product)) return true;
  Buffer *a = compute_input(l, left, dtype);
  Dim stack = dim_product(p, right->shape, (size_t)product.b_batch);
  Buffer *b = product.turn_b ? compute_transposed(l, right, dtype, stack, product.n, product.k)
                             : compute_input(l, right, dtype);
  Buffer *y = compute_output(l, out, dtype);
  bool one_b = all_ones(right->shape, product.b_batch);
  if (one_b && !product.turn_a && product.alpha == 1.0) {
    Dim above = dim_product(p, product.batch, (size_t)product.batch_rank);
    lower_matmul(l, a, b, y, dim_mul(p, above, product.m), product.n, product.k);
  } else {
    lower_stack(l, node, &product, a, b, y);
  }
  compute_done(l, out, y);
  return true;
}

DEFINE_OP(MatMul) = {
    .name = "MatMul", .flags = OP_PRODUCT, .infer = infer_matmul, .lower = lower_matmul_node};
/* A factor of which axis 0 stands inside: [m, batch …, k] to [batch …, m, k]. */
static Value *move_batch(Composer *k, Value *factor) {
  int64_t perm[MAX_RANK];
  int rank = factor->rank;
  if (rank < 3) return factor;
  for (int d = 0; d < rank - 2; d++) perm[d] = d + 1;
  perm[rank - 2] = 0;
  perm[rank - 1] = rank - 1;
  return compose_transpose(k, factor, perm, rank);
}

static bool moves_batch(const Node *node) {
  return node_int(node, "transBatchA", 0) || node_int(node, "transBatchB", 0);
}

/* The transpositions stay out of the product, which reads through them. */
static bool compose_moved_matmul(Composer *k, const Node *node, Value **out) {
  Value *a = node_in(node, 0), *b = node_in(node, 1);
  if (node_int(node, "transBatchA", 0)) a = move_batch(k, a);
  if (node_int(node, "transBatchB", 0)) b = move_batch(k, b);
  out[0] = compose_node(k, MICROSOFT, "FusedMatMul", IN(a, b),
                        WITH(attr_float("alpha", node_float(node, "alpha", 1)),
                             attr_int("transA", node_int(node, "transA", 0)),
                             attr_int("transB", node_int(node, "transB", 0))),
                        1)[0];
  return true;
}

static bool infer_fused_matmul(Compilation *c, Node *node) {
  return moves_batch(node) ? infer_composed(c, node) : infer_matmul(c, node);
}

static Graph *select_fused_matmul(Compilation *c, const Node *node) {
  return moves_batch(node) ? select_composed(c, node) : NULL;
}

DEFINE_OP(FusedMatMul) = {.domain = MICROSOFT,
                          .name = "FusedMatMul",
                          .flags = OP_PRODUCT,
                          .infer = infer_fused_matmul,
                          .select = select_fused_matmul,
                          .compose = compose_moved_matmul,
                          .lower = lower_matmul_node};
DEFINE_OP(TransposeMatMul) = {.domain = MICROSOFT,
                              .name = "TransposeMatMul",
                              .flags = OP_PRODUCT,
                              .infer = infer_matmul,
                              .lower = lower_matmul_node};

/* --- Gemm --- */

/* Whether C of shape [..] can be broadcast to [m, n] without growing it. */
static bool check_addend(Compilation *c, const Node *node, Dim m, Dim n) {
  const Value *addend = node_in(node, 2);
  if (!addend) return true;
  if (addend->rank > 2) return node_error(c, node, "C must have at most two dims");
  Dim target[] = {m, n};
  for (int i = 0; i < addend->rank; i++) {
    Dim own = addend->shape[addend->rank - 1 - i], wanted = target[1 - i];
    bool fits = own == wanted || dim_is(own, 1) || !dim_is_const(own) || !dim_is_const(wanted);
    if (!fits) return node_error(c, node, "C cannot be broadcast to the shape of the product");
    Dim allowed = dim_less(c->dims, dim_const(c->dims, 1), own); /* own > 1: own must be wanted */
    Dim same = dim_equal(c->dims, own, wanted);
    NodeCheck check = {dim_max(c->dims, same, dim_not(c->dims, allowed)),
                       "C must fit to the shape of the product"};
    if (!dim_is(check.condition, 1) && own != wanted)
      vec_push(c->arena, &((Node *)node)->checks, check);
  }
  return true;
}

static bool infer_gemm(Compilation *c, Node *node) {
  const Value *a = node_in(node, 0), *b = node_in(node, 1);
  if (!check_dtypes(c, node)) return false;
  if (a->rank != 2 || b->rank != 2) return node_error(c, node, "A and B must have two dims");
  int turn_a = node_int(node, "transA", 0) != 0, turn_b = node_int(node, "transB", 0) != 0;
  Dim shape[] = {a->shape[turn_a], b->shape[1 - turn_b]};
  if (!infer_require_equal(c, node, a->shape[1 - turn_a], b->shape[turn_b],
                           "the columns of the left and the rows of the right matrix"))
    return false;
  if (!check_addend(c, node, shape[0], shape[1])) return false;
  value_set_type(c, node_out(node, 0), a->dtype, 2, shape);
  return true;
}

/* The step of C along an axis of extent `own`: 0 where it is broadcast. */
static Dim addend_step(Compilation *c, Dim own, Dim step) {
  if (dim_range(own).low > 1) return step;
  return dim_select(c->dims, dim_equal(c->dims, own, dim_const(c->dims, 1)), dim_const(c->dims, 0),
                    step);
}

/* The strides of C (may be NULL) along the rows and columns of the product. */
static void addend_steps(Compilation *c, const Value *addend, Dim *row, Dim *col) {
  int rank = addend ? addend->rank : 0;
  *row = *col = dim_const(c->dims, 0);
  if (rank > 0) *col = addend_step(c, addend->shape[rank - 1], dim_const(c->dims, 1));
  if (rank > 1) *row = addend_step(c, addend->shape[0], addend->shape[1]);
}

/* y = alpha * product + beta * C as a nest that the kernel of the product can take over. */
static void add_addend(Lower *l, const Node *node, Buffer *product, Buffer *sum, Buffer *y,
                       double beta) {
  const Value *out = node_out(node, 0), *addend = node_in(node, 2);
  double alpha = node_float(node, "alpha", 1.0f);
  Dim stride[MAX_RANK], sum_stride[2];
  LoopNest *nest = lower_nest(l, 2, out->shape);
  nest_strides(l->c, 2, out->shape, stride);
  Operand result = nest_load_at(l, nest, product, NULL, stride);
  Operand scaled[] = {result, operand_real(DT_F32, alpha)};
  if (alpha != 1.0) result = nest_apply(l, nest, "mul", DT_F32, scaled, 2);
  if (sum) {
    addend_steps(l->c, addend, &sum_stride[0], &sum_stride[1]);
    Operand weighted[] = {nest_load_at(l, nest, sum, NULL, sum_stride), operand_real(DT_F32, beta)};
    Operand terms[] = {result, weighted[0]};
    if (beta != 1.0) terms[1] = nest_apply(l, nest, "mul", DT_F32, weighted, 2);
    result = nest_apply(l, nest, "add", DT_F32, terms, 2);
  }
  nest_store_at(l, nest, y, NULL, stride, result);
}

/* The same by panels; false if they are not worth it. */
static bool lower_gemm_by_panels(Lower *l, const Node *node, const Value *addend, Buffer *y) {
  DimPool *p = l->c->dims;
  const Value *left = node_in(node, 0), *right = node_in(node, 1), *out = node_out(node, 0);
  bool turn_a = node_int(node, "transA", 0) != 0, turn_b = node_int(node, "transB", 0) != 0;
  Dim a_stride[MAX_RANK], b_stride[MAX_RANK], one = dim_const(p, 1), zero = dim_const(p, 0);
  Matrices a = {.buffer = strided_input(l, left, a_stride), .outer = zero, .inner = zero};
  Matrices b = {.buffer = strided_input(l, right, b_stride), .outer = zero, .inner = zero};
  Matrices to = {.buffer = y, .row = out->shape[1], .col = one, .outer = zero, .inner = zero};
  Dim depth = dim_known(left->shape[!turn_a], right->shape[turn_b]);
  ProductSizes sizes = {out->shape[0], out->shape[1], depth, one, one};
  matrix_strides(left, a_stride, turn_a, false, &a);
  matrix_strides(right, b_stride, turn_b, true, &b);
  if (!product_is_fast(l, &sizes, &b)) return false;
  bool plain = !addend && node_float(node, "alpha", 1.0f) == 1.0f;
  if (!plain) to.buffer = lower_scratch(l, DT_F32, value_count(l->c, out), out->name);
  lower_product(l, &sizes, &a, &b, &to);
  if (!plain)
    add_addend(l, node, to.buffer, addend ? compute_input(l, addend, DT_F32) : NULL, y,
               node_float(node, "beta", 1.0f));
  return true;
}

/* The product of the node's A and B plus C into `y`. */
static void lower_gemm_into(Lower *l, const Node *node, Buffer *y) {
  const Value *left = node_in(node, 0), *right = node_in(node, 1), *addend = node_in(node, 2);
  double beta = node_float(node, "beta", 1.0f);
  bool turn_a = node_int(node, "transA", 0) != 0, turn_b = node_int(node, "transB", 0) != 0;
  Dim one = dim_const(l->c->dims, 1), row, col;
  if (beta == 0.0) addend = NULL;
  if (y->dtype == DT_F32 && lower_gemm_by_panels(l, node, addend, y)) return;
  Buffer *a = compute_input(l, left, y->dtype);
  Buffer *b = turn_b ? compute_transposed(l, right, y->dtype, one, right->shape[0], right->shape[1])
                     : compute_input(l, right, y->dtype);
  Buffer *sum = addend ? compute_input(l, addend, y->dtype) : NULL;
  Step *step = lower_kernel(l, "gemm", y->dtype);
  arg_buffer(l, step, a);
  arg_buffer(l, step, b);
  arg_buffer(l, step, sum);
  arg_buffer(l, step, y);
  arg_dim(l, step, left->shape[turn_a]);
  arg_dim(l, step, right->shape[!turn_b]);
  arg_dim(l, step, left->shape[!turn_a]);
  arg_dim(l, step, turn_a ? one : left->shape[1]);
  arg_dim(l, step, turn_a ? left->shape[1] : one);
  addend_steps(l->c, addend, &row, &col);
  arg_dim(l, step, row);
  arg_dim(l, step, col);
  arg_real(l, step, node_float(node, "alpha", 1.0f));
  arg_real(l, step, beta);
}

static bool lower_gemm(Lower *l, const Node *node) {
  const Value *out = node_out(node, 0);
  Buffer *y = compute_output(l, out, compute_dtype(out->dtype));
  lower_gemm_into(l, node, y);
  compute_done(l, out, y);
  return true;
}

DEFINE_OP(Gemm) = {.name = "Gemm", .flags = OP_PRODUCT, .infer = infer_gemm, .lower = lower_gemm};

/* --- FusedGemm: Gemm followed by an activation --- */

static const struct {
  const char *name, *function;
  float alpha;
  bool has_alpha;
} fused_activations[] = {
    {"Relu", "relu", 0, false},
    {"Sigmoid", "sigmoid", 0, false},
    {"Tanh", "tanh", 0, false},
    {"LeakyRelu", "leakyrelu", 0.01f, true},
};

static int fused_activation(const Node *node) {
  const char *name = node_string(node, "activation", "");
  for (int i = 0; i < (int)(sizeof fused_activations / sizeof *fused_activations); i++)
    if (strcmp(fused_activations[i].name, name) == 0) return i;
  return -1;
}

static bool infer_fused_gemm(Compilation *c, Node *node) {
  const char *name = node_string(node, "activation", "");
  if (*name && fused_activation(node) < 0)
    return node_error(c, node, "the activation '%s' is not supported", name);
  if (*name && !dtype_is_float(node_in(node, 0)->dtype))
    return node_error(c, node, "elements of type %s have no activation",
                      dtype_info(node_in(node, 0)->dtype)->name);
  return infer_gemm(c, node);
}

static bool lower_fused_gemm(Lower *l, const Node *node) {
  const Value *out = node_out(node, 0);
  DType dtype = compute_dtype(out->dtype);
  int which = fused_activation(node);
  if (which < 0) return lower_gemm(l, node);
  Buffer *y = lower_scratch(l, dtype, value_count(l->c, out), out->name);
  lower_gemm_into(l, node, y);
  Dim stride[MAX_RANK];
  LoopNest *nest = lower_nest(l, out->rank, out->shape);
  nest_strides(l->c, out->rank, out->shape, stride);
  Operand args[2] = {nest_load_at(l, nest, y, NULL, stride)};
  args[1] =
      operand_real(dtype, node_float(node, "activation_alpha", fused_activations[which].alpha));
  int count = fused_activations[which].has_alpha ? 2 : 1;
  nest_store(l, nest, out,
             nest_apply(l, nest, fused_activations[which].function, dtype, args, count));
  return true;
}

DEFINE_OP(FusedGemm) = {.domain = MICROSOFT,
                        .name = "FusedGemm",
                        .flags = OP_PRODUCT,
                        .infer = infer_fused_gemm,
                        .lower = lower_fused_gemm};
