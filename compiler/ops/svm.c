/* svm.c: SVMRegressor and SVMClassifier of ai.onnx.ml. Without support vectors they are linear
 * models (ops/ml.c knows those, too). */
#include "ops/ml.h"

#include <inttypes.h>
#include <string.h>

typedef struct {
  Dim rows, columns;
  int64_t kind, count, features; /* of the kernel function; vectors; numbers of each */
  const float *vectors, *coefficients, *rho;
  size_t coefficient_count, rho_count;
  double gamma, coef0, degree;
} Machine;

/* As CTC_SVM_… of runtime/ml_svm.c; -1: unknown. */
static int64_t kernel_kind(const Node *node) {
  static const char *const names[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};
  for (int i = 0; i < 4; i++)
    if (strcmp(names[i], node_string(node, "kernel_type", "LINEAR")) == 0) return i;
  return -1;
}

/* `count` vectors; 0: there is one for each of `targets`, and the kernel function is linear. */
static bool read_machine(Compilation *c, const Node *node, int64_t count, int64_t targets,
                         Machine *m) {
  size_t params, vectors;
  const float *kernel = node_floats(node, "kernel_params", &params);
  *m = (Machine){.kind = count ? kernel_kind(node) : 0, .count = count};
  m->coefficients = node_floats(node, "coefficients", &m->coefficient_count);
  m->rho = node_floats(node, "rho", &m->rho_count);
  m->vectors = node_floats(node, "support_vectors", &vectors);
  if (count == 0) {
    m->vectors = m->coefficients;
    vectors = m->coefficient_count;
    m->count = targets;
  }
  if (params == 3) {
    m->gamma = (double)kernel[0];
    m->coef0 = (double)kernel[1];
    m->degree = (double)kernel[2];
  }
  if (!ml_features(c, node, &m->rows, &m->columns)) return false;
  if (m->kind < 0 || (params != 0 && params != 3))
    return node_error(c, node, "kernel_type or kernel_params make no sense");
  if (vectors == 0 || vectors % (size_t)m->count || m->rho_count < 1)
    return node_error(c, node, "%zu numbers cannot be shared by %" PRId64 " vectors", vectors,
                      m->count);
  m->features = (int64_t)vectors / m->count;
  return infer_require_equal(c, node, m->columns, dim_const(c->dims, m->features),
                             "the features and the numbers of a vector");
}

static Buffer *lower_floats(Lower *l, const float *values, int64_t count, const char *name) {
  double *wide = ARENA_ARRAY(l->c->arena, double, count + 1);
  for (int64_t i = 0; i < count; i++) wide[i] = (double)values[i];
  return ml_constant(l, DT_F32, wide, count, name);
}

static void arg_kernel_params(Lower *l, Step *step, const Machine *m) {
  arg_real(l, step, m->gamma);
  arg_real(l, step, m->coef0);
  arg_real(l, step, m->degree);
}

/* --- SVMRegressor --- */

static bool read_regressor(Compilation *c, const Node *node, Machine *m) {
  if (!read_machine(c, node, node_int(node, "n_supports", 0), 1, m)) return false;
  return node_int(node, "n_supports", 0) == 0 || (int64_t)m->coefficient_count == m->count ||
         node_error(c, node, "there must be one coefficient for each support vector");
}

static bool infer_regressor(Compilation *c, Node *node) {
  Machine m;
  if (!read_regressor(c, node, &m)) return false;
  Dim shape[] = {m.rows, dim_const(c->dims, 1)};
  value_set_type(c, node_out(node, 0), DT_F32, 2, shape);
  return true;
}

static bool lower_regressor(Lower *l, const Node *node) {
  static const float one = 1;
  Machine m;
  if (!read_regressor(l->c, node, &m)) return false;
  bool linear = node_int(node, "n_supports", 0) == 0;
  Buffer *x = compute_input(l, node_in(node, 0), DT_F32);
  Step *step = lower_kernel(l, "svm_regressor", DT_NONE);
  arg_buffer(l, step, x);
  arg_buffer(l, step, lower_floats(l, m.vectors, m.count * m.features, "vectors"));
  arg_buffer(l, step, lower_floats(l, linear ? &one : m.coefficients, m.count, "coefficients"));
  arg_out(l, step, node_out(node, 0));
  arg_dim(l, step, m.rows);
  arg_int(l, step, m.features);
  arg_int(l, step, m.count);
  arg_int(l, step, m.kind);
  arg_int(l, step, node_int(node, "one_class", 0) != 0);
  arg_real(l, step, (double)m.rho[0]);
  arg_kernel_params(l, step, &m);
  return true;
}

DEFINE_OP(SVMRegressor) = {.domain = "ai.onnx.ml",
                           .name = "SVMRegressor",
                           .infer = infer_regressor,
                           .lower = lower_regressor};

/* --- SVMClassifier --- */

typedef struct {
  Machine m;
  const int64_t *labels, *per_class;
  const float *prob_a, *prob_b; /* NULL: scores, not probabilities */
  int64_t classes, pairs, width, function;
  bool linear;
} Classifier;

static int64_t sum_of(const int64_t *numbers, size_t count) {
  int64_t sum = 0;
  for (size_t i = 0; i < count; i++) sum += numbers[i];
  return sum;
}

/* Sizes of the lists: one number for each pair of classes, classes - 1 for each vector. */
static bool check_lists(Compilation *c, const Node *node, const Classifier *r, size_t per_class,
                        size_t probabilities) {
  size_t pairs = (size_t)r->pairs;
  if (r->linear) return true;
  if ((int64_t)per_class != r->classes || r->m.rho_count < pairs ||
      (probabilities && probabilities < pairs) ||
      (int64_t)r->m.coefficient_count != (r->classes - 1) * r->m.count)
    return node_error(c, node, "the lists do not fit %" PRId64 " classes and %" PRId64 " vectors",
                      r->classes, r->m.count);
  return true;
}

static bool read_classifier(Compilation *c, const Node *node, Classifier *r) {
  size_t per_class, a_count, b_count;
  *r = (Classifier){.labels = NULL};
  r->labels = ml_labels(c, node, "classlabels_ints", "classlabels_strings", &r->classes);
  r->per_class = node_ints(node, "vectors_per_class", &per_class);
  r->prob_a = node_floats(node, "prob_a", &a_count);
  r->prob_b = node_floats(node, "prob_b", &b_count);
  if (r->classes < 2) return node_error(c, node, "at least two class labels are needed");
  if (a_count != b_count) return node_error(c, node, "prob_a and prob_b differ in length");
  int64_t vectors = sum_of(r->per_class, per_class);
  r->linear = vectors == 0;
  r->pairs = r->classes * (r->classes - 1) / 2;
  if (r->linear || a_count == 0) r->prob_a = r->prob_b = NULL;
  r->width = r->linear || r->prob_a || r->classes == 2 ? r->classes : r->pairs;
  return read_machine(c, node, vectors, r->classes, &r->m) &&
         check_lists(c, node, r, per_class, a_count) && ml_post_transform(c, node, &r->function);
}

static bool infer_classifier(Compilation *c, Node *node) {
  Classifier r;
  if (!read_classifier(c, node, &r)) return false;
  Dim shape[] = {r.m.rows, dim_const(c->dims, r.width)};
  ml_label_type(c, node, "classlabels_strings", r.m.rows);
  if (node_out(node, 1)) value_set_type(c, node_out(node, 1), DT_F32, 2, shape);
  return true;
}

/* starts[i]: the first vector of class i; behind the last one, how many there are. */
static Buffer *lower_starts(Lower *l, const Classifier *r) {
  int64_t *starts = ARENA_ARRAY(l->c->arena, int64_t, r->classes + 1);
  for (int64_t i = 0; i < r->classes; i++) starts[i + 1] = starts[i] + r->per_class[i];
  return lower_constant(l, tensor_i64(l->c->arena, starts, r->classes + 1), "starts");
}

static Buffer *lower_memory(Lower *l, DType dtype, int64_t count, const char *name) {
  return lower_scratch(l, dtype, dim_const(l->c->dims, count), name);
}

static void lower_vectors(Lower *l, const Node *node, const Classifier *r, Buffer *labels) {
  const Machine *m = &r->m;
  int64_t scores = r->pairs > r->classes ? r->pairs : r->classes;
  Buffer *x = compute_input(l, node_in(node, 0), DT_F32);
  Step *step = lower_kernel(l, "svm_classifier", DT_NONE);
  arg_buffer(l, step, x);
  arg_buffer(l, step, lower_floats(l, m->vectors, m->count * m->features, "vectors"));
  arg_buffer(l, step,
             lower_floats(l, m->coefficients, (int64_t)m->coefficient_count, "coefficients"));
  arg_buffer(l, step, lower_floats(l, m->rho, r->pairs, "rho"));
  arg_buffer(l, step, r->prob_a ? lower_floats(l, r->prob_a, r->pairs, "prob_a") : NULL);
  arg_buffer(l, step, r->prob_a ? lower_floats(l, r->prob_b, r->pairs, "prob_b") : NULL);
  arg_buffer(l, step, lower_starts(l, r));
  arg_buffer(l, step, lower_constant(l, tensor_i64(l->c->arena, r->labels, r->classes), "labels"));
  arg_buffer(l, step, labels);
  arg_out(l, step, node_out(node, 1));
  arg_buffer(l, step, lower_memory(l, DT_F32, m->count, "near"));
  arg_buffer(l, step, lower_memory(l, DT_F32, scores, "scores"));
  arg_buffer(l, step, lower_memory(l, DT_I64, r->classes, "votes"));
  arg_buffer(l, step, lower_memory(l, DT_F32, r->classes * r->classes, "matrix"));
  arg_buffer(l, step, lower_memory(l, DT_F32, r->classes, "product"));
  arg_dim(l, step, m->rows);
  arg_int(l, step, m->features);
  arg_int(l, step, r->classes);
  arg_int(l, step, m->kind);
  arg_int(l, step, r->width);
  arg_int(l, step, r->function);
  arg_kernel_params(l, step, m);
}

static void lower_linear(Lower *l, const Node *node, const Classifier *r, Buffer *labels) {
  const Machine *m = &r->m;
  bool positive = true;
  for (size_t i = 0; i < m->coefficient_count; i++) positive = positive && m->coefficients[i] >= 0;
  Buffer *x = compute_input(l, node_in(node, 0), DT_F32);
  Step *step = lower_kernel(l, "svm_linear", DT_NONE);
  arg_buffer(l, step, x);
  arg_buffer(l, step, lower_floats(l, m->vectors, m->count * m->features, "coefficients"));
  arg_buffer(l, step, lower_constant(l, tensor_i64(l->c->arena, r->labels, r->classes), "labels"));
  arg_buffer(l, step, labels);
  arg_out(l, step, node_out(node, 1));
  arg_buffer(l, step, lower_memory(l, DT_F32, r->classes, "scores"));
  arg_dim(l, step, m->rows);
  arg_int(l, step, m->features);
  arg_int(l, step, r->classes);
  arg_int(l, step, positive);
  arg_int(l, step, r->function);
  arg_real(l, step, (double)m->rho[0]);
}

static bool lower_classifier(Lower *l, const Node *node) {
  Classifier r;
  if (!read_classifier(l->c, node, &r)) return false;
  Buffer *labels = ml_label_numbers(l, node);
  (r.linear ? lower_linear : lower_vectors)(l, node, &r, labels);
  ml_label_done(l, node, "classlabels_strings", labels);
  return true;
}

DEFINE_OP(SVMClassifier) = {.domain = "ai.onnx.ml",
                            .name = "SVMClassifier",
                            .infer = infer_classifier,
                            .lower = lower_classifier};
