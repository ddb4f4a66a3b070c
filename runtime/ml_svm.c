/* ml_svm.c: support vector machines. */

/* Kinds of kernel functions. */
enum { CTC_SVM_LINEAR, CTC_SVM_POLY, CTC_SVM_RBF, CTC_SVM_SIGMOID };

/* The kernel function of two rows of n numbers. */
static inline float ctc_svm_kernel(const float *a, const float *b, ctc_dim n, ctc_dim kind,
                                   float gamma, float coef0, float degree) {
  float sum = 0;
  for (ctc_dim i = 0; i < n; i++)
    sum += kind == CTC_SVM_RBF ? (a[i] - b[i]) * (a[i] - b[i]) : a[i] * b[i];
  switch (kind) {
  case CTC_SVM_POLY: return powf(gamma * sum + coef0, degree);
  case CTC_SVM_RBF: return expf(-gamma * sum);
  case CTC_SVM_SIGMOID: return tanhf(gamma * sum + coef0);
  default: return sum;
  }
}

/* SVMRegressor: y[i] = rho + sum of coefficients times the kernel with each vector; of a machine
 * with one class the sign of that. */
static void ctc_svm_regressor(const float *x, const float *vectors, const float *coefficients,
                              float *y, ctc_dim rows, ctc_dim n, ctc_dim count, ctc_dim kind,
                              ctc_dim one_class, float rho, float gamma, float coef0,
                              float degree) {
  for (ctc_dim i = 0; i < rows; i++) {
    float sum = rho;
    for (ctc_dim j = 0; j < count; j++)
      sum += coefficients[j] *
             ctc_svm_kernel(x + i * n, vectors + j * n, n, kind, gamma, coef0, degree);
    y[i] = !one_class ? sum : sum > 0 ? 1.0f : -1.0f;
  }
}

/* Decisions between each pair of classes: scores[pair] > 0 is a vote for the first one. Vectors
 * starts[i] up to starts[i + 1] are of class i; coefficients [classes - 1, vectors]; near: the
 * kernel function of the row and each vector. */
static inline void ctc_svm_decide(const float *near, const float *coefficients, const float *rho,
                                  const int64_t *starts, float *scores, int64_t *votes,
                                  ctc_dim classes) {
  const ctc_dim count = starts[classes];
  ctc_dim pair = 0;
  for (ctc_dim i = 0; i < classes; i++) votes[i] = 0;
  for (ctc_dim i = 0; i < classes; i++)
    for (ctc_dim j = i + 1; j < classes; j++, pair++) {
      float sum = rho[pair];
      for (ctc_dim k = starts[i]; k < starts[i + 1]; k++)
        sum += coefficients[(j - 1) * count + k] * near[k];
      for (ctc_dim k = starts[j]; k < starts[j + 1]; k++)
        sum += coefficients[i * count + k] * near[k];
      scores[pair] = sum;
      votes[sum > 0 ? i : j]++;
    }
}

/* Probabilities of all classes from those of pairs, r[i][j] = P(i | i or j), by the second method
 * of Wu, Lin and Weng (2004): the p that minimises the sum of (r[j][i] p[i] - r[i][j] p[j])^2, found
 * by changing one of them after the other. r is overwritten by the matrix of that problem; product:
 * memory for `classes`. */
static inline void ctc_svm_couple(float *r, float *p, float *product, ctc_dim classes) {
  const float enough = 0.005f / (float)classes;
  for (ctc_dim i = 0; i < classes; i++) {
    float sum = 0;
    for (ctc_dim j = 0; j < classes; j++)
      if (j != i) sum += r[j * classes + i] * r[j * classes + i];
    r[i * classes + i] = sum;
    p[i] = 1.0f / (float)classes;
  }
  for (ctc_dim i = 0; i < classes; i++)
    for (ctc_dim j = i + 1; j < classes; j++)
      r[i * classes + j] = r[j * classes + i] = -r[i * classes + j] * r[j * classes + i];
  for (ctc_dim round = 0; round < (classes > 100 ? classes : 100); round++) {
    float total = 0, worst = 0;
    for (ctc_dim i = 0; i < classes; i++) {
      product[i] = 0;
      for (ctc_dim j = 0; j < classes; j++) product[i] += r[i * classes + j] * p[j];
      total += p[i] * product[i];
    }
    for (ctc_dim i = 0; i < classes; i++)
      worst = fabsf(product[i] - total) > worst ? fabsf(product[i] - total) : worst;
    if (worst < enough) return;
    for (ctc_dim i = 0; i < classes; i++) {
      const float step = (total - product[i]) / r[i * classes + i], scale = 1 + step;
      p[i] += step;
      total = (total + step * (step * r[i * classes + i] + 2 * product[i])) / scale / scale;
      for (ctc_dim j = 0; j < classes; j++) {
        product[j] = (product[j] + step * r[i * classes + j]) / scale;
        p[j] /= scale;
      }
    }
  }
}

/* P(first of a pair) from its score, by Platt's sigmoid; inside of (0, 1). */
static inline float ctc_svm_probability(float score, float a, float b) {
  const float nothing = 1.0e-7f, p = 1 - ctc_ml_logistic_f32(score * a + b);
  return p < nothing ? nothing : p > 1 - nothing ? 1 - nothing : p;
}

/* SVMClassifier without support vectors: labels[rows] and y[rows, classes] (either may be missing):
 * a score for each class. Of two classes, the second one is taken where the larger score is above 0
 * (1/2, if no coefficient is negative), as in onnxruntime. Memory: scores [classes]. */
static void ctc_svm_linear(const float *x, const float *coefficients, const int64_t *names,
                           int64_t *labels, float *y, float *scores, ctc_dim rows, ctc_dim n,
                           ctc_dim classes, ctc_dim positive, ctc_dim function, float rho) {
  for (ctc_dim row = 0; row < rows; row++) {
    for (ctc_dim i = 0; i < classes; i++)
      scores[i] = rho + ctc_svm_kernel(x + row * n, coefficients + i * n, n, CTC_SVM_LINEAR, 0, 0, 0);
    ctc_dim best = ctc_ml_best_f32(scores, classes);
    if (classes == 2 && (positive ? scores[best] >= 0.5f : scores[best] > 0)) best = 1;
    if (labels) labels[row] = names[best];
    ctc_ml_transform_f32(scores, classes, function);
    if (y) memcpy(y + row * classes, scores, (size_t)classes * sizeof(float));
  }
}

/* SVMClassifier with support vectors: the class with most votes, labels[rows] and y[rows, width] (either may be missing): a
 * score for each pair, or, with prob_a and prob_b, a probability for each class. Memory: near
 * for all vectors, scores for all pairs (two at least) and classes, votes [classes], matrix
 * [classes, classes], product [classes]. */
static void ctc_svm_classifier(const float *x, const float *vectors, const float *coefficients,
                               const float *rho, const float *prob_a, const float *prob_b,
                               const int64_t *starts, const int64_t *names, int64_t *labels,
                               float *y, float *near, float *scores, int64_t *votes,
                               float *matrix, float *product, ctc_dim rows, ctc_dim n,
                               ctc_dim classes, ctc_dim kind, ctc_dim width, ctc_dim function,
                               float gamma, float coef0, float degree) {
  for (ctc_dim row = 0; row < rows; row++) {
    ctc_dim best = 0, pair = 0;
    for (ctc_dim k = 0; k < starts[classes]; k++)
      near[k] = ctc_svm_kernel(x + row * n, vectors + k * n, n, kind, gamma, coef0, degree);
    ctc_svm_decide(near, coefficients, rho, starts, scores, votes, classes);
    for (ctc_dim i = 1; i < classes; i++)
      if (votes[i] > votes[best]) best = i;
    if (prob_a) {
      for (ctc_dim i = 0; i < classes; i++)
        for (ctc_dim j = i + 1; j < classes; j++, pair++) {
          const float p = ctc_svm_probability(scores[pair], prob_a[pair], prob_b[pair]);
          matrix[i * classes + j] = p;
          matrix[j * classes + i] = 1 - p;
        }
      ctc_svm_couple(matrix, scores, product, classes);
    }
    if (labels) labels[row] = names[best];
    if (!prob_a && classes == 2)
      ctc_ml_two_scores_f32(scores, function, function != CTC_ML_NONE);
    else
      ctc_ml_transform_f32(scores, width, function);
    if (y) memcpy(y + row * width, scores, (size_t)width * sizeof(float));
  }
}
