/* products.c: a matrix product of ctc's and the same one by cblas_sgemm, in turns.
 *
 * bench/products.py loads it as a library. The program is one of ctc's with a hook behind each step (templates/profile.c):
 * of a convolution the steps count that multiply, not those that bring its tensors into another layout. */
#define _POSIX_C_SOURCE 200809L
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { MOST_STEPS = 64, TRIES = 200 };

typedef int Run(const void *const *inputs, void *const *outputs, int64_t *dims, void *workspace, int64_t workspace_bytes, const void *weights);
typedef void Sgemm(int order, int turn_a, int turn_b, int m, int n, int k, float alpha, const float *a, int a_row, const float *b, int b_row,
                   float beta, float *y, int y_row);
typedef void Hook(void *context, int32_t step);

/* Products y[m x n] = a[m x k] * b, `batch` of them one behind the other; b is [k x n], or [n x k] if turned. */
typedef struct {
  Run *run;
  const void *const *inputs;
  void *const *outputs;
  int64_t *dims;
  void *workspace;
  int64_t workspace_bytes;
  const void *weights;
  Hook **hook;
  void **hook_context;
  int64_t every_step;         /* all steps count: no hook is needed */
  uint8_t counts[MOST_STEPS]; /* which ones do otherwise */
  Sgemm *sgemm;
  const float *a, *b;
  float *y;
  int64_t batch, m, n, k, turned;
} Product;

typedef struct {
  const Product *product;
  double last, sum;
} Steps;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void take_time(void *context, int32_t step) {
  Steps *steps = context;
  double time = now();
  if (step >= 0 && step < MOST_STEPS && steps->product->counts[step]) steps->sum += time - steps->last;
  steps->last = now();
}

/* What a step that does nothing would seem to take: the least of some tries. */
static double hook_cost(const Product *p, int32_t step) {
  double least = 1e9;
  for (int i = 0; i < TRIES; i++) {
    Steps steps = {p, now(), 0};
    take_time(&steps, step);
    steps.sum = 0;
    take_time(&steps, step);
    if (steps.sum < least) least = steps.sum;
  }
  return least;
}

static double hooks_cost(const Product *p) {
  double sum = 0;
  for (int32_t i = 0; i < MOST_STEPS; i++)
    if (p->counts[i]) sum += hook_cost(p, i);
  return sum;
}

/* Nanoseconds a run; below 0: the run fails. */
static double own_time(const Product *p, int64_t calls, double hooks) {
  Steps steps = {p, 0, 0};
  double start = now();
  if (!p->every_step) {
    *p->hook_context = &steps;
    *p->hook = take_time;
  }
  for (int64_t i = 0; i < calls; i++)
    if (p->run(p->inputs, p->outputs, p->dims, p->workspace, p->workspace_bytes, p->weights) != 0) return -1;
  return (p->every_step ? now() - start : steps.sum) / (double)calls - hooks;
}

static double blas_time(const Product *p, int64_t calls) {
  enum { ROW_MAJOR = 101, AS_IT_IS = 111, TURNED = 112 };
  double start = now();
  for (int64_t i = 0; i < calls; i++)
    for (int64_t s = 0; s < p->batch; s++)
      p->sgemm(ROW_MAJOR, AS_IT_IS, p->turned ? TURNED : AS_IT_IS, (int)p->m, (int)p->n, (int)p->k, 1, p->a + s * p->m * p->k, (int)p->k,
               p->b + s * p->k * p->n, (int)(p->turned ? p->k : p->n), 0, p->y + s * p->m * p->n, (int)p->n);
  return (now() - start) / (double)calls;
}

int products_time(const Product *product, int64_t own_calls, int64_t blas_calls, int64_t rounds, double *own, double *blas);

/* own[rounds] and blas[rounds]: nanoseconds a product. Returns whether all runs were good. */
int products_time(const Product *product, int64_t own_calls, int64_t blas_calls, int64_t rounds, double *own, double *blas) {
  double hooks = product->every_step ? 0 : hooks_cost(product);
  for (int64_t i = 0; i < rounds; i++) {
    own[i] = own_time(product, own_calls, hooks);
    if (own[i] < 0) return 0;
    blas[i] = blas_time(product, blas_calls);
  }
  return 1;
}
