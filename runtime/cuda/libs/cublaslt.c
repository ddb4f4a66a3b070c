/* cublaslt.c: products of f32 matrices by cuBLASLt, of CUDA 11 to 13 (cublasLt.h;
 * docs.nvidia.com/cuda/cublas).
 *
 * Its matrices lie column by column: a row-major Y = A * B is Y' = B' * A' to it, whose left factor
 * is our right one. A matrix with contiguous rows is its own transpose there, as it is wanted; one
 * with contiguous columns is turned once more. */

/* Numbers of library_types.h, cublas_api.h and cublasLt.h, by their names there. */
enum {
  CTC_CUDA_R_32F = 0,
  CTC_CUBLAS_OP_N = 0,
  CTC_CUBLAS_OP_T = 1,
  CTC_CUBLAS_COMPUTE_32F = 68,
  CTC_CUBLAS_COMPUTE_32F_FAST_16F = 74,
  CTC_CUBLAS_COMPUTE_32F_FAST_16BF = 75,
  CTC_CUBLAS_COMPUTE_32F_FAST_TF32 = 77,
  CTC_CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT = 5,
  CTC_CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET = 6,
  CTC_CUBLASLT_MATMUL_DESC_TRANSA = 3,
  CTC_CUBLASLT_MATMUL_DESC_TRANSB = 4,
  CTC_CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1,
  CTC_CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5,
  CTC_CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES = 6,
  CTC_CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES = 7,
  CTC_CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES = 8
};

/* What it multiplies, by precision. */
static const int ctc_cublaslt_compute[] = {CTC_CUBLAS_COMPUTE_32F, CTC_CUBLAS_COMPUTE_32F_FAST_TF32,
                                           CTC_CUBLAS_COMPUTE_32F_FAST_16F,
                                           CTC_CUBLAS_COMPUTE_32F_FAST_16BF};

/* cublasLtMatmulHeuristicResult_t: an algorithm. */
typedef struct {
  uint64_t algo[8];
  size_t workspaceSize;
  int state;
  float wavesCount;
  int reserved[4];
} ctc_cublaslt_result;

/* Its functions; all return 0 or an error. */
typedef struct {
  int (*create)(void **handle);
  int (*destroy)(void *handle);
  int (*product)(void **product, int compute, int scale);
  int (*set_product)(void *product, int attribute, const void *value, size_t bytes);
  int (*end_product)(void *product);
  int (*layout)(void **layout, int type, uint64_t rows, uint64_t columns, int64_t step);
  int (*set_layout)(void *layout, int attribute, const void *value, size_t bytes);
  int (*end_layout)(void *layout);
  int (*wish)(void **wish);
  int (*set_wish)(void *wish, int attribute, const void *value, size_t bytes);
  int (*end_wish)(void *wish);
  int (*choose)(void *handle, void *product, void *a, void *b, void *c, void *d, void *wish,
                int wanted, ctc_cublaslt_result *results, int *found);
  int (*multiply)(void *handle, void *product, const void *alpha, const void *a, void *a_layout,
                  const void *b, void *b_layout, const void *beta, const void *c, void *c_layout,
                  void *d, void *d_layout, const void *algorithm, void *workspace, size_t bytes,
                  void *stream);
} ctc_cublaslt;

static const ctc_library_function ctc_cublaslt_functions[] = {
    {"cublasLtCreate", offsetof(ctc_cublaslt, create)},
    {"cublasLtDestroy", offsetof(ctc_cublaslt, destroy)},
    {"cublasLtMatmulDescCreate", offsetof(ctc_cublaslt, product)},
    {"cublasLtMatmulDescSetAttribute", offsetof(ctc_cublaslt, set_product)},
    {"cublasLtMatmulDescDestroy", offsetof(ctc_cublaslt, end_product)},
    {"cublasLtMatrixLayoutCreate", offsetof(ctc_cublaslt, layout)},
    {"cublasLtMatrixLayoutSetAttribute", offsetof(ctc_cublaslt, set_layout)},
    {"cublasLtMatrixLayoutDestroy", offsetof(ctc_cublaslt, end_layout)},
    {"cublasLtMatmulPreferenceCreate", offsetof(ctc_cublaslt, wish)},
    {"cublasLtMatmulPreferenceSetAttribute", offsetof(ctc_cublaslt, set_wish)},
    {"cublasLtMatmulPreferenceDestroy", offsetof(ctc_cublaslt, end_wish)},
    {"cublasLtMatmulAlgoGetHeuristic", offsetof(ctc_cublaslt, choose)},
    {"cublasLtMatmul", offsetof(ctc_cublaslt, multiply)},
    {NULL, 0}};

static const char *const ctc_cublaslt_files[] = {"libcublasLt.so.13", "libcublasLt.so.12",
                                                 "libcublasLt.so.11", "libcublasLt.so", NULL};

static int ctc_cublaslt_open(ctc_library *library) {
  const ctc_cublaslt *lt = (const ctc_cublaslt *)library->functions;
  return lt->create(&library->handle) == 0;
}

static void ctc_cublaslt_close(ctc_library *library) {
  const ctc_cublaslt *lt = (const ctc_cublaslt *)library->functions;
  lt->destroy(library->handle);
}

/* The objects of a step: the product, and the layouts of its factors and its result. */
enum { CTC_CUBLASLT_PRODUCT, CTC_CUBLASLT_LEFT, CTC_CUBLASLT_RIGHT, CTC_CUBLASLT_RESULT };

static void ctc_cublaslt_forget(ctc_library_step *step) {
  const ctc_cublaslt *lt = (const ctc_cublaslt *)step->library->functions;
  for (int i = 0; i < CTC_LIBRARY_OBJECTS; i++) {
    void *object = step->objects[i];
    if (object) (i == CTC_CUBLASLT_PRODUCT ? lt->end_product : lt->end_layout)(object);
    step->objects[i] = NULL;
  }
}

static const ctc_library_kind ctc_cublaslt_library = {
    "cublaslt",        ctc_cublaslt_files,  ctc_cublaslt_functions, sizeof(ctc_cublaslt),
    ctc_cublaslt_open, ctc_cublaslt_close, ctc_cublaslt_forget};

/* A factor or the result: a rows x columns matrix of ours. `step`: from a row (of a `turned` one:
 * from a column) to the next, 0: it does not lie in such a way. `next`: from a matrix to the next,
 * `skip`: from the first one of a call to that of the next call. */
typedef struct {
  ctc_dim rows, columns, step, next, skip;
  int turned;
} ctc_cublaslt_matrix;

/* A matrix with element (r, c) at r * row + c * col. */
static ctc_cublaslt_matrix ctc_cublaslt_read(ctc_dim rows, ctc_dim columns, ctc_dim row,
                                             ctc_dim col) {
  ctc_cublaslt_matrix matrix = {rows, columns, 0, 0, 0, 0};
  const ctc_dim by_row = rows > 1 ? row : columns, by_column = columns > 1 ? col : rows;
  if ((col == 1 || columns == 1) && by_row >= columns) {
    matrix.step = by_row;
  } else if ((row == 1 || rows == 1) && by_column >= rows) {
    matrix.step = by_column;
    matrix.turned = 1;
  }
  return matrix;
}

/* Products that are spaced evenly, which one call can do, and how many calls there are. */
typedef struct {
  ctc_dim count, calls;
} ctc_cublaslt_batch;

/* Calls for products that are not spaced evenly; with more of them, kernels of ctc's own are
 * better. */
enum { CTC_CUBLASLT_CALLS = 8 };

/* outer * inner products as calls; their matrices get `next` and `skip`. 0 calls: too many. */
static ctc_cublaslt_batch ctc_cublaslt_spread(ctc_dim outer, ctc_dim inner,
                                              ctc_cublaslt_matrix **matrix,
                                              const ctc_dim *by_outer, const ctc_dim *by_inner) {
  int even = 1;
  for (int i = 0; i < 3; i++) even = even && by_outer[i] == inner * by_inner[i];
  const int one = outer == 1 || inner == 1 || even; /* call does it all */
  const int inside = outer == 1 || (inner > 1 && (even || outer <= inner)); /* inner in a call */
  const ctc_dim calls = one ? 1 : inside ? outer : inner;
  ctc_cublaslt_batch batch = {outer * inner / calls, calls <= CTC_CUBLASLT_CALLS ? calls : 0};
  for (int i = 0; i < 3; i++) {
    matrix[i]->next = inside ? by_inner[i] : by_outer[i];
    matrix[i]->skip = inside ? by_outer[i] : by_inner[i];
  }
  return batch;
}

/* The layout of `count` matrices for object number `object` of a step; whether it could be made. */
static int ctc_cublaslt_describe(ctc_library_step *step, int object,
                                 const ctc_cublaslt_matrix *matrix, ctc_dim count) {
  const ctc_cublaslt *lt = (const ctc_cublaslt *)step->library->functions;
  const ctc_dim high = matrix->turned ? matrix->rows : matrix->columns;
  const ctc_dim wide = matrix->turned ? matrix->columns : matrix->rows;
  const int32_t batch = (int32_t)count;
  void **layout = &step->objects[object];
  return lt->layout(layout, CTC_CUDA_R_32F, (uint64_t)high, (uint64_t)wide, matrix->step) == 0 &&
         lt->set_layout(*layout, CTC_CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch) ==
             0 &&
         lt->set_layout(*layout, CTC_CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &matrix->next,
                        sizeof matrix->next) == 0;
}

/* Tells what an algorithm may use: how the left and right factor and the result are aligned. */
static int ctc_cublaslt_wishes(const ctc_cublaslt *lt, void *wish, const ctc_dim *alignment) {
  const uint64_t bytes = CTC_LIBRARY_WORKSPACE;
  static const int attributes[] = {CTC_CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
                                   CTC_CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                                   CTC_CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
                                   CTC_CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
  int ok =
      lt->set_wish(wish, CTC_CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes) == 0;
  for (int i = 0; i < 4; i++) {
    const uint32_t least = (uint32_t)alignment[i < 2 ? i : 2];
    ok = ok && lt->set_wish(wish, attributes[i], &least, sizeof least) == 0;
  }
  return ok;
}

/* Asks for an algorithm; whether there is one. */
static int ctc_cublaslt_choose(ctc_library_step *step, const ctc_dim *alignment) {
  const ctc_cublaslt *lt = (const ctc_cublaslt *)step->library->functions;
  ctc_cublaslt_result result;
  void *wish = NULL, **objects = step->objects;
  int found = 0;
  memset(&result, 0, sizeof result);
  if (lt->wish(&wish) != 0) return 0;
  if (!ctc_cublaslt_wishes(lt, wish, alignment) ||
      lt->choose(step->library->handle, objects[CTC_CUBLASLT_PRODUCT], objects[CTC_CUBLASLT_LEFT],
                 objects[CTC_CUBLASLT_RIGHT], objects[CTC_CUBLASLT_RESULT],
                 objects[CTC_CUBLASLT_RESULT], wish, 1, &result, &found) != 0)
    found = 0;
  lt->end_wish(wish);
  memcpy(step->choice, result.algo, sizeof result.algo);
  return found > 0 && result.state == 0 && result.workspaceSize <= CTC_LIBRARY_WORKSPACE;
}

/* Describes products of `left` and `right`, and chooses how they are done; whether it can be. */
static int ctc_cublaslt_plan(ctc_library_step *step, const ctc_cublaslt_matrix *left,
                             const ctc_cublaslt_matrix *right, const ctc_cublaslt_matrix *result,
                             ctc_dim count, const ctc_dim *alignment) {
  const ctc_cublaslt *lt = (const ctc_cublaslt *)step->library->functions;
  const int32_t turn_left = left->turned ? CTC_CUBLAS_OP_T : CTC_CUBLAS_OP_N;
  const int32_t turn_right = right->turned ? CTC_CUBLAS_OP_T : CTC_CUBLAS_OP_N;
  void **product = &step->objects[CTC_CUBLASLT_PRODUCT];
  ctc_cublaslt_forget(step);
  return lt->product(product, ctc_cublaslt_compute[step->library->precision], CTC_CUDA_R_32F) ==
             0 &&
         lt->set_product(*product, CTC_CUBLASLT_MATMUL_DESC_TRANSA, &turn_left,
                         sizeof turn_left) == 0 &&
         lt->set_product(*product, CTC_CUBLASLT_MATMUL_DESC_TRANSB, &turn_right,
                         sizeof turn_right) == 0 &&
         ctc_cublaslt_describe(step, CTC_CUBLASLT_LEFT, left, count) &&
         ctc_cublaslt_describe(step, CTC_CUBLASLT_RIGHT, right, count) &&
         ctc_cublaslt_describe(step, CTC_CUBLASLT_RESULT, result, count) &&
         ctc_cublaslt_choose(step, alignment);
}

/* The products of one call; whether they were put into the stream. */
static int ctc_cublaslt_multiply(ctc_library_step *step, uint64_t left, uint64_t right,
                                 uint64_t result) {
  const ctc_library *library = step->library;
  const ctc_cublaslt *lt = (const ctc_cublaslt *)library->functions;
  const float one = 1.0f, zero = 0.0f;
  void **objects = step->objects, *to = (void *)(uintptr_t)result;
  return lt->multiply(library->handle, objects[CTC_CUBLASLT_PRODUCT], &one,
                      (const void *)(uintptr_t)left, objects[CTC_CUBLASLT_LEFT],
                      (const void *)(uintptr_t)right, objects[CTC_CUBLASLT_RIGHT], &zero, to,
                      objects[CTC_CUBLASLT_RESULT], to, objects[CTC_CUBLASLT_RESULT], step->choice,
                      library->workspace, CTC_LIBRARY_WORKSPACE, library->stream) == 0;
}

static int ctc_product_f32_cublaslt(ctc_library_step *step, uint64_t a, uint64_t b, uint64_t y,
                                    ctc_dim m, ctc_dim n, ctc_dim k, ctc_dim a_row, ctc_dim a_col,
                                    ctc_dim b_row, ctc_dim b_col, ctc_dim y_row, ctc_dim outer,
                                    ctc_dim inner, ctc_dim a_outer, ctc_dim a_inner,
                                    ctc_dim b_outer, ctc_dim b_inner, ctc_dim y_outer,
                                    ctc_dim y_inner) {
  if (m < 1 || n < 1 || k < 1 || outer < 1 || inner < 1) return 0;
  ctc_cublaslt_matrix right = ctc_cublaslt_read(m, k, a_row, a_col);
  ctc_cublaslt_matrix left = ctc_cublaslt_read(k, n, b_row, b_col);
  ctc_cublaslt_matrix result = ctc_cublaslt_read(m, n, y_row, 1);
  ctc_cublaslt_matrix *matrices[] = {&left, &right, &result};
  const ctc_dim by_outer[] = {b_outer, a_outer, y_outer}, by_inner[] = {b_inner, a_inner, y_inner};
  const ctc_cublaslt_batch batch =
      ctc_cublaslt_spread(outer, inner, matrices, by_outer, by_inner);
  const uint64_t from[] = {b, a, y};
  ctc_dim alignment[3];
  for (int i = 0; i < 3; i++)
    alignment[i] = ctc_library_alignment(
        batch.calls == 1 ? from[i] : from[i] | (uint64_t)matrices[i]->skip * sizeof(float));
  const ctc_dim key[] = {m,       n,       k,       a_row,   a_col,   b_row,        b_col,
                         y_row,   outer,   inner,   a_outer, a_inner, b_outer,      b_inner,
                         y_outer, y_inner, alignment[0], alignment[1], alignment[2]};
  if (ctc_library_is_new(step, key, (int)(sizeof key / sizeof *key)))
    step->chosen = left.step > 0 && right.step > 0 && result.step > 0 && batch.calls > 0 &&
                   ctc_library_fits(m) && ctc_library_fits(n) && ctc_library_fits(k) &&
                   ctc_library_fits(batch.count) &&
                   ctc_cublaslt_plan(step, &left, &right, &result, batch.count, alignment);
  for (ctc_dim c = 0; c < batch.calls && step->chosen; c++)
    step->chosen = ctc_cublaslt_multiply(step, b + (uint64_t)(c * left.skip) * sizeof(float),
                                         a + (uint64_t)(c * right.skip) * sizeof(float),
                                         y + (uint64_t)(c * result.skip) * sizeof(float));
  return step->chosen;
}
