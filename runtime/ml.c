/* ml.c: the operators of ai.onnx.ml: tree ensembles, linear models, and what prepares their
 * features and scores. */

/* What becomes of raw scores. */
enum { CTC_ML_NONE, CTC_ML_SOFTMAX, CTC_ML_LOGISTIC, CTC_ML_SOFTMAX_ZERO, CTC_ML_PROBIT };

/* Functions of libm by dtype. */
#define CTC_LOG_f32 logf
#define CTC_LOG_f64 log
#define CTC_SQRT_f32 sqrtf
#define CTC_SQRT_f64 sqrt

/* 1 / (1 + exp(-x)), from the side on which exp does not overflow. */
//$ for t in f32 f64
static inline $T ctc_ml_logistic_$t($T x) {
  $T positive = 1 / (1 + CTC_EXP_$t(-CTC_FABS_$t(x)));
  return x < 0 ? 1 - positive : positive;
}
//$ end

/* The quantile of the normal distribution, by Winitzki's approximation of the inverse of erf:
 * erf^-1(u) = sign(u) sqrt(sqrt(v^2 - t) - v), v = 2 / (pi a) + log(1 - u^2) / 2, t = log(1 - u^2)
 * / a, a = 0.147. Written so that nothing cancels: log1p for small u, the difference as a quotient
 * where v > 0. */
//$ for t in f32 f64
static inline $T ctc_ml_probit_$t($T p) {
  const $T a = ($T)0.147, pi = ($T)3.14159;
  $T u = 2 * p - 1;
  $T tail = u * u < ($T)0.25 ? ctc_log1p_$t(-u * u) : CTC_LOG_$t((1 - u) * (1 + u));
  $T v = 2 / (pi * a) + tail / 2, whole = CTC_SQRT_$t(v * v - tail / a);
  $T root = CTC_SQRT_$t(v > 0 ? -tail / a / (whole + v) : whole - v);
  return ($T)1.41421356 * (u < 0 ? -root : root);
}
//$ end

/* exp(score) / sum, where with `keep_zero` scores of 0 stay 0 and do not count. */
//$ for t in f32 f64
static inline void ctc_ml_softmax_$t($T *scores, ctc_dim n, ctc_dim keep_zero) {
  const $T nothing = ($T)0.0000001;
  $T most = n > 0 ? scores[0] : 0, sum = 0;
  for (ctc_dim i = 0; i < n; i++) most = scores[i] > most ? scores[i] : most;
  for (ctc_dim i = 0; i < n; i++) {
    if (keep_zero && CTC_FABS_$t(scores[i]) <= nothing) {
      scores[i] = 0;
      continue;
    }
    scores[i] = CTC_EXP_$t(scores[i] - most);
    sum += scores[i];
  }
  for (ctc_dim i = 0; i < n && sum > 0; i++) scores[i] /= sum;
}
//$ end

/* Applies a CTC_ML_… function to the n scores of a row. */
//$ for t in f32 f64
static inline void ctc_ml_transform_$t($T *scores, ctc_dim n, ctc_dim function) {
  if (function == CTC_ML_SOFTMAX || function == CTC_ML_SOFTMAX_ZERO)
    ctc_ml_softmax_$t(scores, n, function == CTC_ML_SOFTMAX_ZERO);
  for (ctc_dim i = 0; i < n && function == CTC_ML_LOGISTIC; i++)
    scores[i] = ctc_ml_logistic_$t(scores[i]);
  for (ctc_dim i = 0; i < n && function == CTC_ML_PROBIT; i++)
    scores[i] = ctc_ml_probit_$t(scores[i]);
}
//$ end

/* Both scores of a binary decision from the only one, scores[0]: the complement of a probability
 * (or of what LOGISTIC makes one), or the negation of a margin. */
//$ for t in f32 f64
static inline void ctc_ml_two_scores_$t($T *scores, ctc_dim function, int is_probability) {
  $T score = scores[0];
  scores[1] = score;
  if (function == CTC_ML_PROBIT) {
    scores[0] = scores[1] = ctc_ml_probit_$t(score);
  } else if (function == CTC_ML_LOGISTIC) {
    scores[0] = ctc_ml_logistic_$t(-score);
    scores[1] = ctc_ml_logistic_$t(score);
  } else {
    scores[0] = is_probability ? 1 - score : -score;
  }
}
//$ end

/* The position of the first of the largest scores. */
//$ for t in f32 f64
static inline ctc_dim ctc_ml_best_$t(const $T *scores, ctc_dim n) {
  ctc_dim best = 0;
  for (ctc_dim i = 1; i < n; i++)
    if (scores[i] > scores[best]) best = i;
  return best;
}
//$ end

/* --- tree ensembles --- */

/* Kinds of nodes; CTC_TREE_MISSING is added where NaN goes to the true side. */
enum {
  CTC_TREE_LEAF,
  CTC_TREE_LE,
  CTC_TREE_LT,
  CTC_TREE_GE,
  CTC_TREE_GT,
  CTC_TREE_EQ,
  CTC_TREE_NE,
  CTC_TREE_MISSING = 8
};

/* How the votes of several trees become one score. */
enum { CTC_TREE_AVERAGE, CTC_TREE_SUM, CTC_TREE_MIN, CTC_TREE_MAX };

/* Whether a node's condition holds. */
//$ for t in f32 f64
static inline int ctc_tree_test_$t($T x, $T limit, int mode) {
  if ((mode & CTC_TREE_MISSING) && x != x) return 1;
  switch (mode & 7) {
  case CTC_TREE_LE: return x <= limit;
  case CTC_TREE_LT: return x < limit;
  case CTC_TREE_GE: return x >= limit;
  case CTC_TREE_GT: return x > limit;
  case CTC_TREE_EQ: return x == limit;
  default: return x != limit;
  }
}
//$ end

/* The leaf that the features x lead to from `node`. */
//$ for t in f32 f64
static inline ctc_dim ctc_tree_leaf_$t(const $T *x, const uint8_t *modes, const int32_t *features,
                                       const $T *limits, const int32_t *yes, const int32_t *no,
                                       ctc_dim node) {
  while (modes[node] != CTC_TREE_LEAF)
    node = ctc_tree_test_$t(x[features[node]], limits[node], modes[node]) ? yes[node] : no[node];
  return node;
}
//$ end

/* Scores of one row from all trees: scores[j], and has[j]: whether any leaf voted for j. A leaf's
 * votes are entries yes[leaf] up to yes[leaf] + no[leaf] of the lists targets and weights. */
//$ for t in f32 f64
static inline void ctc_tree_scores_$t(const $T *x, const int32_t *roots, const uint8_t *modes,
                                      const int32_t *features, const $T *limits, const int32_t *yes,
                                      const int32_t *no, const int32_t *targets, const $T *weights,
                                      $T *scores, uint8_t *has, ctc_dim trees, ctc_dim n,
                                      ctc_dim aggregate) {
  for (ctc_dim j = 0; j < n; j++) {
    scores[j] = 0;
    has[j] = 0;
  }
  for (ctc_dim i = 0; i < trees; i++) {
    ctc_dim leaf = ctc_tree_leaf_$t(x, modes, features, limits, yes, no, roots[i]);
    for (ctc_dim k = yes[leaf]; k < yes[leaf] + no[leaf]; k++) {
      $T *score = scores + targets[k];
      int first = !has[targets[k]];
      if (aggregate == CTC_TREE_MIN)
        *score = first || weights[k] < *score ? weights[k] : *score;
      else if (aggregate == CTC_TREE_MAX)
        *score = first || weights[k] > *score ? weights[k] : *score;
      else
        *score += weights[k];
      has[targets[k]] = 1;
    }
  }
}
//$ end

/* TreeEnsembleRegressor: y[rows x n] from x[rows x columns]. base [n] may be missing. has: memory
 * for n. */
//$ for t in f32 f64
static void ctc_tree_regressor_$t(const $T *x, const int32_t *roots, const uint8_t *modes,
                                  const int32_t *features, const $T *limits, const int32_t *yes,
                                  const int32_t *no, const int32_t *targets, const $T *weights,
                                  const $T *base, $T *y, uint8_t *has, ctc_dim rows,
                                  ctc_dim columns, ctc_dim trees, ctc_dim n, ctc_dim aggregate,
                                  ctc_dim function) {
  for (ctc_dim i = 0; i < rows; i++) {
    $T *scores = y + i * n;
    ctc_tree_scores_$t(x + i * columns, roots, modes, features, limits, yes, no, targets, weights,
                       scores, has, trees, n, aggregate);
    for (ctc_dim j = 0; j < n; j++) {
      if (aggregate == CTC_TREE_AVERAGE) scores[j] /= ($T)trees;
      if (base) scores[j] += base[j];
    }
    ctc_ml_transform_$t(scores, n, function);
  }
}
//$ end

/* The decision between two classes, by onnxruntime's rules. Trees that vote for one class only
 * (`single`) give a probability if no weight is negative (`positive`), otherwise a margin; scores
 * become those of both classes, 0 for one that got no vote. Returns the class. */
//$ for t in f32 f64
static inline ctc_dim ctc_tree_binary_$t($T *scores, uint8_t *has, const $T *base, ctc_dim bases,
                                         ctc_dim single, ctc_dim positive, ctc_dim function) {
  const int lonely = bases < 2 && !has[1]; /* only scores[0] counts */
  if (bases == 2 && has[1]) {
    scores[1] = base[1] + scores[0];
    scores[0] = -scores[1];
  } else if (bases > 0) {
    scores[0] += base[0];
  }
  for (int j = 0; j < 2; j++) scores[j] = has[j] ? scores[j] : 0;
  $T decisive = has[1] ? scores[1] : scores[0];
  ctc_dim winner = single && positive ? decisive > ($T)0.5 : decisive > 0;
  if (lonely)
    ctc_ml_two_scores_$t(scores, function, single && positive);
  else
    ctc_ml_transform_$t(scores, 2, function);
  return winner;
}
//$ end

/* TreeEnsembleClassifier: y[rows x n] and labels[rows] (either may be missing) from x[rows x
 * columns]. base has `bases` numbers: n, or for two classes 1. Memory: scores [n], has [n]. */
//$ for t in f32 f64
static void ctc_tree_classifier_$t(const $T *x, const int32_t *roots, const uint8_t *modes,
                                   const int32_t *features, const $T *limits, const int32_t *yes,
                                   const int32_t *no, const int32_t *targets, const $T *weights,
                                   const $T *base, const int64_t *classes, int64_t *labels, $T *y,
                                   $T *scores, uint8_t *has, ctc_dim rows, ctc_dim columns,
                                   ctc_dim trees, ctc_dim n, ctc_dim bases, ctc_dim single,
                                   ctc_dim positive, ctc_dim function) {
  for (ctc_dim i = 0; i < rows; i++) {
    ctc_dim winner;
    ctc_tree_scores_$t(x + i * columns, roots, modes, features, limits, yes, no, targets, weights,
                       scores, has, trees, n, CTC_TREE_SUM);
    if (n == 2) {
      winner = ctc_tree_binary_$t(scores, has, base, bases, single, positive, function);
    } else {
      for (ctc_dim j = 0; j < bases; j++) {
        scores[j] += base[j];
        has[j] = 1;
      }
      winner = -1;
      for (ctc_dim j = 0; j < n; j++)
        if (has[j] && (winner < 0 || scores[j] > scores[winner])) winner = j;
      if (winner < 0) winner = 0;
      ctc_ml_transform_$t(scores, n, function);
    }
    if (labels) labels[i] = n == 2 && !single ? winner : classes[winner];
    if (y) memcpy(y + i * n, scores, (size_t)n * sizeof($T));
  }
}
//$ end

/* --- linear models and features --- */

/* Makes the scores of linear models final: rows of n numbers in place. With `second` each row has
 * two places of which the first one holds the score, and becomes a pair. */
static void ctc_ml_finish(float *y, ctc_dim rows, ctc_dim n, ctc_dim second, ctc_dim function) {
  for (ctc_dim i = 0; i < rows; i++) {
    if (second)
      ctc_ml_two_scores_f32(y + i * n, function, 1);
    else
      ctc_ml_transform_f32(y + i * n, n, function);
  }
}

/* Labels of rows of n scores: the best one; with a single decisive score (n = 1) whether it is
 * above 0. Rows lie `row` elements apart. */
static void ctc_ml_labels(const float *scores, const int64_t *classes, int64_t *labels,
                          ctc_dim rows, ctc_dim n, ctc_dim row) {
  for (ctc_dim i = 0; i < rows; i++) {
    const float *score = scores + i * row;
    labels[i] = classes[n == 1 ? *score > 0 : ctc_ml_best_f32(score, n)];
  }
}

/* Normalizer: rows divided by their largest number (norm 0), the sum of absolute values (1) or the
 * root of the sum of squares (2); as they are where that is 0. */
static void ctc_ml_normalize(const float *x, float *y, ctc_dim rows, ctc_dim n, ctc_dim norm) {
  for (ctc_dim i = 0; i < rows; i++, x += n, y += n) {
    float size = norm == 0 ? -FLT_MAX : 0;
    for (ctc_dim j = 0; j < n; j++) {
      if (norm == 0) size = x[j] > size ? x[j] : size;
      if (norm == 1) size += fabsf(x[j]);
      if (norm == 2) size += x[j] * x[j];
    }
    if (norm == 2) size = sqrtf(size);
    for (ctc_dim j = 0; j < n; j++) y[j] = size != 0 ? x[j] / size : x[j];
  }
}

/* 1 if x is above the threshold. */
static inline float ctc_ml_binarize_f32(float x, float threshold) {
  return x > threshold ? 1.0f : 0.0f;
}

/* x, or `by` where x is `what` (or both are NaN). */
static inline float ctc_ml_impute_f32(float x, float what, float by) {
  return x == what || (x != x && what != what) ? by : x;
}

/* Likewise for integers. */
static inline int64_t ctc_ml_impute_i64(int64_t x, int64_t what, int64_t by) {
  return x == what ? by : x;
}

/* Whether two labels are the same; NaN is itself. */
static inline ctc_bool ctc_ml_same_i64(int64_t a, int64_t b) {
  return a == b;
}

/* Likewise. */
//$ for t in f32 f64
static inline ctc_bool ctc_ml_same_$t($T a, $T b) {
  return a == b || (a != a && b != b);
}
//$ end

/* Likewise. */
static inline ctc_bool ctc_ml_same_string(ctc_text a, ctc_text b) {
  return strcmp(a, b) == 0;
}

/* LabelEncoder: y[i] is the value at the first key that equals x[i] (NaN equals NaN), or
 * `missing`[0]. */
//$ for t in i64 f32 f64 string
//$ for u in i64 f32 f64 string
static void ctc_label_encode_$t_$u(const $T *x, const $T *keys, const $U *values, const $U *missing,
                                   $U *y, ctc_dim n, ctc_dim count) {
  for (ctc_dim i = 0; i < n; i++) {
    ctc_dim k = 0;
    while (k < count && !ctc_ml_same_$t(keys[k], x[i])) k++;
    y[i] = k < count ? values[k] : *missing;
  }
}
//$ end
//$ end

/* OneHotEncoder: y[i * count + k] is 1 where x[i] is category k. Without `zeros` every element must
 * be in a category. */
//$ for t in i64 string
static int ctc_ml_one_hot_$t(const $T *x, const $T *categories, float *y, ctc_dim n, ctc_dim count,
                             ctc_dim zeros) {
  for (ctc_dim i = 0; i < n; i++) {
    int found = 0;
    for (ctc_dim k = 0; k < count; k++) {
      const int same = ctc_ml_same_$t(x[i], categories[k]);
      y[i * count + k] = same ? 1.0f : 0.0f;
      found |= same;
    }
    if (!found && !zeros) return CTC_BAD_INDEX;
  }
  return CTC_OK;
}
//$ end

/* y[i] = the name at position positions[i]. */
static void ctc_ml_names(const int64_t *positions, const ctc_text *names, ctc_text *y, ctc_dim n) {
  for (ctc_dim i = 0; i < n; i++) y[i] = names[positions[i]];
}

/* ArrayFeatureExtractor: y[i * count + k] = x[i * n + pick[k]], elements of `bytes` bytes. */
static int ctc_ml_extract(const void *x, const int64_t *pick, void *y, ctc_dim rows, ctc_dim n,
                          ctc_dim count, ctc_dim bytes) {
  const unsigned char *from = (const unsigned char *)x;
  unsigned char *to = (unsigned char *)y;
  for (ctc_dim k = 0; k < count; k++)
    if (pick[k] < 0 || pick[k] >= n) return CTC_BAD_INDEX;
  for (ctc_dim i = 0; i < rows; i++)
    for (ctc_dim k = 0; k < count; k++)
      memcpy(to + (i * count + k) * bytes, from + (i * n + pick[k]) * bytes, (size_t)bytes);
  return CTC_OK;
}
