/* matmul.c: MatMul, Gemm and their fused forms.
 *
 * B is always handed to the kernels with contiguous rows: a transposed B is a constant that is
 * turned while compiling, or copied. A transposed A only changes the strides with which the kernel
 * reads it. Stacks of matrices that meet a single B are one tall matrix. */
#include "ops/matmul.h"

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
  product->k = product->turn_a ? a_rows : a_cols;
  product->n = product->turn_b ? b_rows : b_cols;
  product->k_of_b = product->turn_b ? b_cols : b_rows;
}

bool product_read(Compilation *c, const Node *node, const Value *a, const Value *b,
                  Product *product) {
  if (a->rank < 1 || b->rank < 1)
    return node_error(c, node, "the inputs must have at least one dim");
  if (node_int(node, "transBatchA", 0) || node_int(node, "transBatchB", 0))
    return node_error(c, node, "transBatchA and transBatchB are not supported");
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
  if (!infer_require_equal(c, node, product.k, product.k_of_b,
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

static bool lower_matmul_node(Lower *l, const Node *node) {
  const Value *left = node_in(node, 0), *right = node_in(node, 1), *out = node_out(node, 0);
  Product product;
  if (!product_read(l->c, node, left, right, &product)) return false;
  DimPool *p = l->c->dims;
  DType dtype = compute_dtype(out->dtype);
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

DEFINE_OP(MatMul) = {.name = "MatMul", .infer = infer_matmul, .lower = lower_matmul_node};
DEFINE_OP(FusedMatMul) = {.domain = "com.microsoft",
                          .name = "FusedMatMul",
                          .infer = infer_matmul,
                          .lower = lower_matmul_node};
DEFINE_OP(TransposeMatMul) = {.domain = "com.microsoft",
                              .name = "TransposeMatMul",
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

static void arg_addend_steps(Lower *l, Step *step, const Value *addend) {
  Dim one = dim_const(l->c->dims, 1), row = dim_const(l->c->dims, 0), col = row;
  int rank = addend ? addend->rank : 0;
  if (rank > 0) col = addend_step(l->c, addend->shape[rank - 1], one);
  if (rank > 1) row = addend_step(l->c, addend->shape[0], addend->shape[1]);
  arg_dim(l, step, row);
  arg_dim(l, step, col);
}

/* The product of the node's A and B plus C into `y`. */
static void lower_gemm_into(Lower *l, const Node *node, Buffer *y) {
  const Value *left = node_in(node, 0), *right = node_in(node, 1), *addend = node_in(node, 2);
  double beta = node_float(node, "beta", 1.0f);
  bool turn_a = node_int(node, "transA", 0) != 0, turn_b = node_int(node, "transB", 0) != 0;
  Dim one = dim_const(l->c->dims, 1);
  if (beta == 0.0) addend = NULL;
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
  arg_addend_steps(l, step, addend);
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

DEFINE_OP(Gemm) = {.name = "Gemm", .infer = infer_gemm, .lower = lower_gemm};

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

DEFINE_OP(FusedGemm) = {.domain = "com.microsoft",
                        .name = "FusedGemm",
                        .infer = infer_fused_gemm,
                        .lower = lower_fused_gemm};
