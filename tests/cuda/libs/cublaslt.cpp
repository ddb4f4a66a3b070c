/* cublaslt.cpp: a stand-in for libcublasLt: products of f32 matrices that lie column by column. It
 * takes what cublasLt.h documents, and of that only what programs of ctc use. */
#include "library.h"
#include <map>
#include <math.h>
#include <set>
#include <vector>

/* cublasStatus_t */
enum {
  SUCCESS = 0,
  NOT_INITIALIZED = 1,
  INVALID_VALUE = 7,
  EXECUTION_FAILED = 13,
  NOT_SUPPORTED = 15
};
enum { R_32F = 0 };

struct Product {
  int compute, scale;
  int32_t turn[2]; /* CUBLAS_OP_N, CUBLAS_OP_T of A and B */
};

struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t step;
  int32_t batch;
  int64_t next;

  bool is_wrong() const {
    return type != R_32F || rows < 1 || columns < 1 || step < (int64_t)rows || batch < 1;
  }
  size_t floats() const {
    return (size_t)((batch - 1) * next + (int64_t)(columns - 1) * step + (int64_t)rows);
  }
  std::string text() const {
    return std::to_string(rows) + "x" + std::to_string(columns) + "/" + std::to_string(step) + "*" +
           std::to_string(batch) + "+" + std::to_string(next);
  }
};

struct Wish {
  uint64_t workspace;
  uint32_t alignment[4];
};

struct Algorithm {
  std::string problem; /* for which it was given */
  Wish wish;
};

struct Result {
  uint64_t algo[8];
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};

static std::set<const void *> handles, products, layouts, wishes;
static std::map<uint64_t, Algorithm> algorithms;
static const size_t WORKSPACE = 1 << 16;
static const uint64_t MARK = 0x637462;

template <class T> static int create(std::set<const void *> &all, T **made, T value) {
  if (!made) return INVALID_VALUE;
  *made = new T(value);
  all.insert(*made);
  return SUCCESS;
}

template <class T> static int destroy(std::set<const void *> &all, T *one) {
  if (!all.erase(one)) return INVALID_VALUE;
  delete one;
  return SUCCESS;
}

/* Sets a member, if as many bytes are given. */
template <class T> static int set(T &member, const void *value, size_t bytes) {
  if (!value || bytes != sizeof member) return INVALID_VALUE;
  member = *(const T *)value;
  return SUCCESS;
}

CTC_API int cublasLtCreate(int **handle) {
  if (!has_context() || refuses("create")) return NOT_INITIALIZED;
  return create(handles, handle, 0);
}

CTC_API int cublasLtDestroy(int *handle) {
  if (products.size() || layouts.size() || wishes.size()) record("something was not destroyed");
  return destroy(handles, handle);
}

CTC_API int cublasLtMatmulDescCreate(Product **product, int compute, int scale) {
  static const std::set<int> known = {68, 74, 75, 77}; /* CUBLAS_COMPUTE_32F, …_FAST_16F, … */
  if (!known.count(compute) || scale != R_32F) return INVALID_VALUE;
  return create(products, product, {compute, scale, {0, 0}});
}

CTC_API int cublasLtMatmulDescSetAttribute(Product *product, int attribute, const void *value,
                                           size_t bytes) {
  enum { TRANSA = 3, TRANSB = 4 };
  if (!products.count(product) || (attribute != TRANSA && attribute != TRANSB))
    return INVALID_VALUE;
  int32_t &turn = product->turn[attribute - TRANSA];
  int status = set(turn, value, bytes);
  return status ? status : turn == 0 || turn == 1 ? SUCCESS : INVALID_VALUE;
}

CTC_API int cublasLtMatmulDescDestroy(Product *product) {
  return destroy(products, product);
}

CTC_API int cublasLtMatrixLayoutCreate(Layout **layout, int type, uint64_t rows, uint64_t columns,
                                       int64_t step) {
  return create(layouts, layout, {type, rows, columns, step, 1, 0});
}

CTC_API int cublasLtMatrixLayoutSetAttribute(Layout *layout, int attribute, const void *value,
                                             size_t bytes) {
  enum { BATCH_COUNT = 5, STRIDED_BATCH_OFFSET = 6 };
  if (!layouts.count(layout)) return INVALID_VALUE;
  if (attribute == BATCH_COUNT) return set(layout->batch, value, bytes);
  if (attribute == STRIDED_BATCH_OFFSET) return set(layout->next, value, bytes);
  return INVALID_VALUE;
}

CTC_API int cublasLtMatrixLayoutDestroy(Layout *layout) {
  return destroy(layouts, layout);
}

CTC_API int cublasLtMatmulPreferenceCreate(Wish **wish) {
  return create(wishes, wish, {0, {256, 256, 256, 256}});
}

CTC_API int cublasLtMatmulPreferenceSetAttribute(Wish *wish, int attribute, const void *value,
                                                 size_t bytes) {
  enum { MAX_WORKSPACE_BYTES = 1, MIN_ALIGNMENT_A_BYTES = 5 };
  if (!wishes.count(wish)) return INVALID_VALUE;
  if (attribute == MAX_WORKSPACE_BYTES) return set(wish->workspace, value, bytes);
  int operand = attribute - MIN_ALIGNMENT_A_BYTES;
  return operand >= 0 && operand < 4 ? set(wish->alignment[operand], value, bytes) : INVALID_VALUE;
}

CTC_API int cublasLtMatmulPreferenceDestroy(Wish *wish) {
  return destroy(wishes, wish);
}

/* Whether the operands are those of products op(A) * op(B) + C = D. */
static bool fits(const Product *p, const Layout *a, const Layout *b, const Layout *c,
                 const Layout *d) {
  if (!products.count(p)) return false;
  for (const Layout *layout : {a, b, c, d})
    if (!layouts.count(layout) || layout->is_wrong() || layout->batch != d->batch) return false;
  uint64_t m = p->turn[0] ? a->columns : a->rows, k = p->turn[0] ? a->rows : a->columns;
  uint64_t n = p->turn[1] ? b->rows : b->columns, depth = p->turn[1] ? b->columns : b->rows;
  /* Results behind each other, or side by side. */
  bool apart = d->batch == 1 || d->next >= (int64_t)(d->columns - 1) * d->step + (int64_t)d->rows ||
               (d->next >= (int64_t)d->rows && d->next * d->batch <= d->step);
  return apart && depth == k && d->rows == m && d->columns == n && c->rows == m && c->columns == n;
}

static std::string problem_text(const Product *p, const Layout *a, const Layout *b,
                                const Layout *d) {
  return "compute " + std::to_string(p->compute) + " A" + (p->turn[0] ? "' " : " ") + a->text() +
         " B" + (p->turn[1] ? "' " : " ") + b->text() + " D " + d->text();
}

CTC_API int cublasLtMatmulAlgoGetHeuristic(int *handle, Product *p, Layout *a, Layout *b, Layout *c,
                                           Layout *d, Wish *wish, int wanted, Result *results,
                                           int *found) {
  if (!handles.count(handle) || !wishes.count(wish) || wanted < 1 || !results || !found)
    return INVALID_VALUE;
  *found = 0;
  if (!fits(p, a, b, c, d)) {
    record("cublasLtMatmulAlgoGetHeuristic was asked for what does not fit");
    return INVALID_VALUE;
  }
  if (refuses("choose") || wish->workspace < WORKSPACE) return NOT_SUPPORTED;
  uint64_t number = algorithms.size() + 1;
  algorithms[number] = {problem_text(p, a, b, d), *wish};
  results[0] = {{MARK, number}, WORKSPACE, SUCCESS, 1.0f, {0}};
  *found = 1;
  return SUCCESS;
}

static double element(const float *from, const Layout &layout, bool turned, int64_t row,
                      int64_t column) {
  return from[turned ? column + row * layout.step : row + column * layout.step];
}

/* The products, one after the other; the workspace is left in disorder. */
static void multiply(Product p, Layout a, Layout b, Layout d, const float *from_a,
                     const float *from_b, float *to, float *workspace) {
  int64_t depth = (int64_t)(p.turn[0] ? a.rows : a.columns);
  for (size_t i = 0; i < WORKSPACE / sizeof(float); i++) workspace[i] = NAN;
  for (int64_t i = 0; i < d.batch; i++)
    for (int64_t column = 0; column < (int64_t)d.columns; column++)
      for (int64_t row = 0; row < (int64_t)d.rows; row++) {
        double sum = 0;
        for (int64_t k = 0; k < depth; k++)
          sum += element(from_a + i * a.next, a, p.turn[0], row, k) *
                 element(from_b + i * b.next, b, p.turn[1], k, column);
        to[i * d.next + column * d.step + row] = (float)sum;
      }
}

static bool is_aligned(const void *from, uint32_t alignment) {
  return alignment > 0 && (uintptr_t)from % alignment == 0;
}

CTC_API int cublasLtMatmul(int *handle, Product *p, const float *alpha, const float *a,
                           Layout *a_layout, const float *b, Layout *b_layout, const float *beta,
                           const float *c, Layout *c_layout, float *d, Layout *d_layout,
                           const uint64_t *algo, float *workspace, size_t bytes, CUstream stream) {
  if (!handles.count(handle) || !alpha || !beta || *alpha != 1.0f || *beta != 0.0f || c != d ||
      c_layout != d_layout || !fits(p, a_layout, b_layout, c_layout, d_layout))
    return INVALID_VALUE;
  if (!algo || algo[0] != MARK || !algorithms.count(algo[1])) return INVALID_VALUE;
  const Algorithm &algorithm = algorithms[algo[1]];
  const uint32_t *alignment = algorithm.wish.alignment;
  std::string problem = problem_text(p, a_layout, b_layout, d_layout);
  bool there = on_device(a, a_layout->floats() * 4) && on_device(b, b_layout->floats() * 4) &&
               on_device(d, d_layout->floats() * 4) && on_device(workspace, bytes);
  bool aligned = is_aligned(a, alignment[0]) && is_aligned(b, alignment[1]) &&
                 is_aligned(c, alignment[2]) && is_aligned(d, alignment[3]);
  if (algorithm.problem != problem || !there || !aligned || bytes < WORKSPACE) {
    record("cublasLtMatmul was called otherwise than its algorithm is for");
    return INVALID_VALUE;
  }
  if (refuses("call")) return EXECUTION_FAILED;
  Product product = *p;
  Layout left = *a_layout, right = *b_layout, result = *d_layout;
  if (!add_work(stream, problem,
                [=] { multiply(product, left, right, result, a, b, d, workspace); }))
    return EXECUTION_FAILED;
  record("cublasLtMatmul " + problem);
  return SUCCESS;
}
