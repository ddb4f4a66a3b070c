/* gemm_packed.c: products of f32 matrices by the kernels of runtime/gemm.c: B in panels of 32
 * columns, made while compiling where B is a constant. */
#include "ops/gemm_packed.h"

#include "options.h"

#include <string.h>

enum {
  PANEL = 32,            /* columns */
  GEMV_ROWS = 2,         /* products of so few rows have a kernel of their own */
  CHUNK = 256,           /* the most rows of A that are used with panel after panel, and */
  CHUNK_FLOATS = 196608, /* the most numbers in them, so that they stay in the cache */
  OPEN_CHUNK = 112,      /* the same where the number of rows is not known: 8 tiles of 14 rows */
  LEAST_CHUNK = 26,      /* rows for which a unit of work is worth it */
  UNITS = 16,            /* units of work to aim at, so that threads get equal shares */
  DOT_COLUMNS = 16,      /* a product of one row with fewer columns, and */
  LEAST_DOT = 64,        /* at least so many, and */
  MOST_DOT = 16384,      /* fewer steps of the sum has a kernel that takes B as [n x k] */
  LEAST_ROWS = 4,        /* of A, and */
  LEAST_COLUMNS = 8,     /* of B, and */
  LEAST_WORK = 4096,     /* multiplications that make packing B at run time worth it */
  CACHE_WAY = 4096,      /* bytes: addresses so far apart share a set of the first-level cache, */
  CACHE_BYTES = 32768,   /* which holds at least so many bytes */
  BLAS_WORK = 1 << 20    /* multiplications from which on a BLAS does a product */
};

/* --- operands --- */

static bool is_transpose(const Value *value) {
  const Node *node = value->producer;
  return node && strcmp(node->op_type, "Transpose") == 0 && node->domain[0] == '\0';
}

Buffer *strided_input(Lower *l, const Value *value, Dim *stride) {
  nest_strides(l->c, value->rank, value->shape, stride);
  if (value->constant || value->dtype != DT_F32 || !is_transpose(value))
    return compute_input(l, value, DT_F32);
  const Value *from = node_in(value->producer, 0);
  if (from->blocked || value->blocked) return lower_buffer(l, value);
  Dim dense[MAX_RANK];
  size_t count;
  const int64_t *perm = node_ints(value->producer, "perm", &count);
  nest_strides(l->c, from->rank, from->shape, dense);
  for (int d = 0; d < value->rank; d++) {
    int64_t axis = perm ? perm[d] : value->rank - 1 - d;
    stride[d] = dense[axis < 0 ? axis + value->rank : axis];
  }
  return lower_buffer(l, from);
}

static bool known_below(Dim dim, int64_t limit) {
  return dim_is_const(dim) && dim_value(dim) < limit;
}

bool product_is_fast(const Lower *l, const ProductSizes *sizes, const Matrices *b) {
  if (!target_of(l->c)->panels) return true;
  if (known_below(sizes->n, 2)) return false;
  if (b->buffer->constant) return true;
  if (!dim_is(b->col, 1)) return true; /* it would be copied anyway */
  if (known_below(sizes->m, LEAST_ROWS) || known_below(sizes->n, LEAST_COLUMNS)) return false;
  if (!dim_is_const(sizes->m) || !dim_is_const(sizes->n) || !dim_is_const(sizes->k)) return true;
  return dim_value(sizes->m) * dim_value(sizes->n) * dim_value(sizes->k) >= LEAST_WORK;
}

/* --- panels --- */

Dim panel_count(Lower *l, Dim columns) {
  return dim_ceildiv(l->c->dims, columns, dim_const(l->c->dims, PANEL));
}

/* Calls the kernel that packs, on constants. */
static const Tensor *packed_tensor(Lower *l, const ProductSizes *sizes, const Matrices *b,
                                   int64_t outer, int64_t inner) {
  int64_t k = dim_value(sizes->k), n = dim_value(sizes->n), panels = (n + PANEL - 1) / PANEL;
  int64_t dims[] = {outer * inner * panels, k, PANEL};
  void *data;
  const Tensor *tensor = tensor_create(l->c->arena, DT_F32, 3, dims, &data);
  const float *from = b->buffer->constant->data;
  if (b->offset) from += dim_value(b->offset);
  KernelArg args[] = {{.in = from},
                      {.out = data},
                      {.dim = k},
                      {.dim = n},
                      {.dim = dim_value(b->row)},
                      {.dim = dim_value(b->col)},
                      {.dim = inner},
                      {.dim = dim_value(b->outer)},
                      {.dim = dim_value(b->inner)},
                      {.dim = 0},
                      {.dim = dims[0]}};
  (void)kernel_find_typed("pack_panels", DT_F32)->call(args);
  return tensor;
}

/* Packed before from the same tensor in the same way (weights that several nodes share), or NULL.
 */
static Buffer *find_packed(const Lower *l, const PackedConstant *wanted) {
  for (size_t i = 0; i < l->packed.count; i++) {
    const PackedConstant *other = &l->packed.items[i];
    if (other->source == wanted->source && other->turned == wanted->turned &&
        other->offset == wanted->offset && other->row == wanted->row && other->col == wanted->col &&
        other->k == wanted->k && other->n == wanted->n && other->count == wanted->count)
      return other->buffer;
  }
  return NULL;
}

static PackedConstant packed_key(const ProductSizes *sizes, const Matrices *b, Dim count,
                                 bool turned) {
  return (PackedConstant){.source = b->buffer->constant->data,
                          .offset = b->offset,
                          .row = b->row,
                          .col = b->col,
                          .k = sizes->k,
                          .n = sizes->n,
                          .count = count,
                          .turned = turned};
}

static Buffer *keep_packed(Lower *l, PackedConstant *packed, const Tensor *tensor,
                           const Buffer *from, const char *what) {
  packed->buffer = lower_constant(l, tensor, arena_printf(l->c->arena, "%s.%s", from->name, what));
  vec_push(l->c->arena, &l->packed, *packed);
  return packed->buffer;
}

/* The matrices outer * inner of the constant B, in panels. */
static Buffer *packed_constant(Lower *l, const ProductSizes *sizes, const Matrices *b, Dim outer,
                               Dim inner) {
  PackedConstant packed = packed_key(sizes, b, dim_mul(l->c->dims, outer, inner), false);
  Buffer *found = find_packed(l, &packed);
  if (found) return found;
  return keep_packed(l, &packed, packed_tensor(l, sizes, b, dim_value(outer), dim_value(inner)),
                     b->buffer, "panels");
}

/* The constant B[k x n] as [n x k]. */
static Buffer *turned_constant(Lower *l, const ProductSizes *sizes, const Matrices *b) {
  PackedConstant packed = packed_key(sizes, b, dim_const(l->c->dims, 1), true);
  Buffer *found = find_packed(l, &packed);
  if (found) return found;
  int64_t k = dim_value(sizes->k), n = dim_value(sizes->n), dims[] = {n, k};
  void *data;
  const Tensor *tensor = tensor_create(l->c->arena, DT_F32, 2, dims, &data);
  const float *from = b->buffer->constant->data;
  if (b->offset) from += dim_value(b->offset);
  for (int64_t j = 0; j < n; j++)
    for (int64_t i = 0; i < k; i++)
      ((float *)data)[j * k + i] = from[i * dim_value(b->row) + j * dim_value(b->col)];
  return keep_packed(l, &packed, tensor, b->buffer, "turned");
}

static Buffer *packed_by_step(Lower *l, const ProductSizes *sizes, const Matrices *b, Dim matrices,
                              Dim inner, Dim size) {
  Buffer *packed = lower_scratch(l, DT_F32, dim_mul(l->c->dims, matrices, size), "panels");
  Step *step = lower_kernel(l, "pack_panels", DT_F32);
  arg_buffer_at(l, step, b->buffer, b->offset);
  arg_buffer(l, step, packed);
  arg_dim(l, step, sizes->k);
  arg_dim(l, step, sizes->n);
  arg_dim(l, step, b->row);
  arg_dim(l, step, b->col);
  arg_dim(l, step, inner);
  arg_dim(l, step, b->outer);
  arg_dim(l, step, b->inner);
  step_units(step, dim_mul(l->c->dims, matrices, panel_count(l, sizes->n)));
  return packed;
}

Panels lower_panels(Lower *l, const ProductSizes *sizes, const Matrices *b) {
  DimPool *p = l->c->dims;
  Dim one = dim_const(p, 1), zero = dim_const(p, 0);
  Dim outer = dim_is(b->outer, 0) ? one : sizes->outer;
  Dim inner = dim_is(b->inner, 0) ? one : sizes->inner;
  Dim size = dim_mul(p, dim_muli(p, panel_count(l, sizes->n), PANEL), sizes->k);
  bool known = b->buffer->constant && dim_is_const(outer) && dim_is_const(inner);
  Panels panels = {
      .buffer = known ? packed_constant(l, sizes, b, outer, inner)
                      : packed_by_step(l, sizes, b, dim_mul(p, outer, inner), inner, size),
      .outer = outer == one ? zero : dim_mul(p, inner, size),
      .inner = inner == one ? zero : size,
  };
  return panels;
}

/* --- products --- */

/* Whether the rows of a panel, read from B as it is, stay in the first-level cache: rows that are a
 * multiple of a power of two apart meet in few of its sets. */
static bool rows_stay_cached(int64_t k, int64_t row_bytes) {
  int64_t apart = row_bytes & -row_bytes, panel = PANEL * (int64_t)sizeof(float);
  if (apart > CACHE_WAY) apart = CACHE_WAY;
  if (apart < panel) apart = panel;
  return k <= CACHE_BYTES / apart;
}

/* Whether packing B costs more than it brings: its rows are contiguous, and a unit of work has all
 * rows of A, so that it uses a panel only once. */
static bool stays_unpacked(const ProductSizes *sizes, const Matrices *b) {
  return !b->buffer->constant && dim_is(b->col, 1) && dim_is_const(b->row) &&
         dim_is_const(sizes->m) && dim_is_const(sizes->n) && dim_is_const(sizes->k) &&
         dim_value(sizes->n) >= PANEL && dim_value(sizes->m) > GEMV_ROWS &&
         dim_value(sizes->m) <= CHUNK &&
         rows_stay_cached(dim_value(sizes->k), dim_value(b->row) * (int64_t)sizeof(float));
}

static void arg_operands(Lower *l, Step *step, const Matrices *a, Buffer *b, Dim b_offset,
                         const Matrices *y) {
  arg_buffer_at(l, step, a->buffer, a->offset);
  arg_buffer_at(l, step, b, b_offset);
  arg_buffer_at(l, step, y->buffer, y->offset);
}

static void arg_sizes(Lower *l, Step *step, const ProductSizes *sizes, const Matrices *a,
                      const Matrices *y) {
  arg_dim(l, step, sizes->m);
  arg_dim(l, step, sizes->n);
  arg_dim(l, step, sizes->k);
  arg_dim(l, step, a->row);
  arg_dim(l, step, a->col);
  arg_dim(l, step, y->row);
}

/* Where the matrices of a stack begin. */
static void arg_stack(Lower *l, Step *step, const ProductSizes *sizes, const Matrices *a,
                      Dim b_outer, Dim b_inner, const Matrices *y) {
  const Dim steps[] = {sizes->inner, a->outer, a->inner, b_outer, b_inner, y->outer, y->inner};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) arg_dim(l, step, steps[i]);
}

/* Rows of A for a unit of work. */
static Dim chunk_rows(Lower *l, const ProductSizes *sizes) {
  DimPool *p = l->c->dims;
  if (!dim_is_const(sizes->m)) return dim_const(p, OPEN_CHUNK);
  Dim units = dim_mul(p, panel_count(l, sizes->n), dim_mul(p, sizes->outer, sizes->inner));
  int64_t m = dim_value(sizes->m), most = CHUNK;
  if (dim_is_const(sizes->k) && dim_value(sizes->k) * most > CHUNK_FLOATS)
    most = CHUNK_FLOATS / dim_value(sizes->k);
  if (most < LEAST_CHUNK) most = LEAST_CHUNK;
  int64_t chunks = (m + most - 1) / most;
  if (known_below(units, UNITS) && dim_value(units) > 0) {
    int64_t wanted = (UNITS + dim_value(units) - 1) / dim_value(units);
    if (wanted > m / LEAST_CHUNK) wanted = m / LEAST_CHUNK;
    if (wanted > chunks) chunks = wanted;
  }
  return dim_const(p, chunks > 0 ? (m + chunks - 1) / chunks : 1);
}

/* Results without gaps can be finished by an epilogue. */
static void set_results(Lower *l, Step *step, const ProductSizes *sizes, const Matrices *y) {
  DimPool *p = l->c->dims;
  Dim count = dim_mul(p, sizes->outer, sizes->inner), matrix = dim_mul(p, sizes->m, sizes->n);
  bool dense = y->row == sizes->n;
  if (!dim_is(count, 1))
    dense = dense && y->inner == matrix && y->outer == dim_mul(p, sizes->inner, matrix);
  if (dense) step_row_results(l, step, dim_mul(p, count, sizes->m), sizes->n);
}

void lower_panel_product(Lower *l, const ProductSizes *sizes, const Matrices *a,
                         const Panels *panels, const Matrices *y) {
  DimPool *p = l->c->dims;
  Dim count = dim_mul(p, sizes->outer, sizes->inner), units = panel_count(l, sizes->n);
  bool few = dim_is_const(sizes->m) && dim_value(sizes->m) <= GEMV_ROWS;
  bool single = dim_is(count, 1);
  Step *step = lower_kernel(l,
                            single && few ? "gemv_packed"
                            : single      ? "gemm_packed"
                                          : "gemm_stack",
                            DT_F32);
  arg_operands(l, step, a, panels->buffer, NULL, y);
  arg_sizes(l, step, sizes, a, y);
  if (!single || !few) {
    Dim rows = chunk_rows(l, sizes);
    arg_dim(l, step, rows);
    units = dim_mul(p, units, dim_mul(p, count, dim_ceildiv(p, sizes->m, rows)));
  }
  if (!single) arg_stack(l, step, sizes, a, panels->outer, panels->inner, y);
  step_units(step, units);
  step->why = few ? "few rows: B is streamed through once" : "B in panels of 32 columns";
  set_results(l, step, sizes, y);
}

static void lower_unpacked_product(Lower *l, const ProductSizes *sizes, const Matrices *a,
                                   const Matrices *b, const Matrices *y) {
  DimPool *p = l->c->dims;
  Dim rows = chunk_rows(l, sizes), count = dim_mul(p, sizes->outer, sizes->inner);
  Step *step = lower_kernel(l, "gemm_unpacked", DT_F32);
  arg_operands(l, step, a, b->buffer, b->offset, y);
  arg_sizes(l, step, sizes, a, y);
  arg_dim(l, step, rows);
  arg_dim(l, step, b->row);
  arg_stack(l, step, sizes, a, b->outer, b->inner, y);
  step_units(step, dim_mul(p, dim_mul(p, count, panel_count(l, sizes->n)),
                           dim_ceildiv(p, sizes->m, rows)));
  step->why = "small and both factors vary: B as it is";
  set_results(l, step, sizes, y);
}

/* Whether a BLAS takes the product: one of each pair of strides must be 1. */
static bool blas_takes(const Lower *l, const ProductSizes *sizes, const Matrices *a,
                       const Matrices *b) {
  bool strides =
      (dim_is(a->row, 1) || dim_is(a->col, 1)) && (dim_is(b->row, 1) || dim_is(b->col, 1));
  Dim work = dim_mul(l->c->dims, dim_mul(l->c->dims, sizes->m, sizes->n), sizes->k);
  return l->c->options->blas && strides && !known_below(work, BLAS_WORK);
}

/* By the kernel that takes both factors as they are. */
static Step *lower_plain_product(Lower *l, const ProductSizes *sizes, const Matrices *a,
                                 const Matrices *b, const Matrices *y) {
  Step *step = lower_kernel(l, "product", DT_F32);
  const Dim rest[] = {b->row,   b->col,   y->row,   sizes->outer, sizes->inner, a->outer,
                      a->inner, b->outer, b->inner, y->outer,     y->inner};
  arg_buffer_at(l, step, a->buffer, a->offset);
  arg_buffer_at(l, step, b->buffer, b->offset);
  arg_buffer_at(l, step, y->buffer, y->offset);
  arg_dim(l, step, sizes->m);
  arg_dim(l, step, sizes->n);
  arg_dim(l, step, sizes->k);
  arg_dim(l, step, a->row);
  arg_dim(l, step, a->col);
  for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) arg_dim(l, step, rest[i]);
  return step;
}

static bool is_between(Dim dim, int64_t least, int64_t limit) {
  return dim_is_const(dim) && dim_value(dim) >= least && dim_value(dim) < limit;
}

/* Whether the product is of one row with few columns of a constant. */
static bool is_dots(const ProductSizes *sizes, const Matrices *a, const Matrices *b) {
  return dim_is(sizes->m, 1) && dim_is(sizes->outer, 1) && dim_is(sizes->inner, 1) &&
         dim_is(a->col, 1) && b->buffer->constant && is_between(sizes->n, 1, DOT_COLUMNS) &&
         is_between(sizes->k, LEAST_DOT, MOST_DOT);
}

static void lower_dots(Lower *l, const ProductSizes *sizes, const Matrices *a, const Matrices *b,
                       const Matrices *y) {
  Step *step = lower_kernel(l, "gemv_dots", DT_F32);
  arg_buffer_at(l, step, a->buffer, a->offset);
  arg_buffer(l, step, turned_constant(l, sizes, b));
  arg_buffer_at(l, step, y->buffer, y->offset);
  arg_dim(l, step, sizes->n);
  arg_dim(l, step, sizes->k);
  step_units(step, dim_const(l->c->dims, 1));
  step->why = "one row, few columns: a sum for each";
  set_results(l, step, sizes, y);
}

void lower_product(Lower *l, const ProductSizes *sizes, const Matrices *a, const Matrices *b,
                   const Matrices *y) {
  if (blas_takes(l, sizes, a, b)) {
    lower_plain_product(l, sizes, a, b, y)->why = "large, and --blas";
    return;
  }
  if (!target_of(l->c)->panels) {
    set_results(l, lower_plain_product(l, sizes, a, b, y), sizes, y);
    return;
  }
  if (is_dots(sizes, a, b)) {
    lower_dots(l, sizes, a, b, y);
    return;
  }
  if (stays_unpacked(sizes, b)) {
    lower_unpacked_product(l, sizes, a, b, y);
    return;
  }
  Panels panels = lower_panels(l, sizes, b);
  lower_panel_product(l, sizes, a, &panels, y);
}
