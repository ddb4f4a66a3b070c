/* ml.c: the operators of ai.onnx.ml apart from trees and support vectors: linear models, and what
 * prepares features and scores. */
#include "ops/ml.h"

#include "ops/matmul.h"
#include "ops/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* --- shared with trees --- */

bool ml_post_transform(Compilation *c, const Node *node, int64_t *code) {
  static const char *const names[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
  const char *name = node_string(node, "post_transform", "NONE");
  for (*code = 0; *code < 5; ++*code)
    if (strcmp(names[*code], name) == 0) return true;
  return node_error(c, node, "post_transform '%s' is unknown", name);
}

Buffer *ml_constant(Lower *l, DType dtype, const double *values, int64_t count, const char *name) {
  void *data;
  Tensor *tensor = tensor_create(l->c->arena, DT_F64, 1, &count, &data);
  if (count) memcpy(data, values, (size_t)count * sizeof(double));
  return lower_constant(l, tensor_as(l->c->arena, tensor, dtype), name);
}

bool ml_features(Compilation *c, const Node *node, Dim *rows, Dim *columns) {
  const Value *x = node_in(node, 0);
  bool known = x->dtype == DT_F32 || x->dtype == DT_F64 || x->dtype == DT_I64 || x->dtype == DT_I32;
  if (!known)
    return node_error(c, node, "features of type %s are not supported", dtype_info(x->dtype)->name);
  if (x->rank != 1 && x->rank != 2)
    return node_error(c, node, "the features must have one or two dims");
  *rows = x->rank == 2 ? x->shape[0] : dim_const(c->dims, 1);
  *columns = x->shape[x->rank - 1];
  return true;
}

const int64_t *ml_labels(Compilation *c, const Node *node, const char *ints, const char *strings,
                         int64_t *count) {
  size_t given;
  const int64_t *labels = node_ints(node, ints, &given);
  const Attr *texts = node_attr(node, strings);
  bool named = texts && texts->count;
  *count = (int64_t)(named ? texts->count : given);
  if (named) {
    int64_t *numbers = ARENA_ARRAY(c->arena, int64_t, texts->count);
    for (size_t i = 0; i < texts->count; i++) numbers[i] = (int64_t)i;
    labels = numbers;
  }
  Str note = str_in(c->arena);
  for (int64_t i = 0; i < *count; i++) {
    if (i) str_add(&note, ",");
    if (named)
      str_add(&note, texts->strings[i]);
    else
      str_addf(&note, "%" PRId64, labels[i]);
  }
  for (int i = 0; i < 2; i++)
    if (node_out(node, i)) node_out(node, i)->note = str_text(&note);
  return labels;
}

void ml_label_type(Compilation *c, const Node *node, const char *strings, Dim rows) {
  const Attr *texts = node_attr(node, strings);
  if (node_out(node, 0))
    value_set_type(c, node_out(node, 0), texts && texts->count ? DT_STRING : DT_I64, 1, &rows);
}

Buffer *ml_label_numbers(Lower *l, const Node *node) {
  const Value *labels = node_out(node, 0);
  if (!labels || labels->dtype == DT_I64) return labels ? lower_buffer(l, labels) : NULL;
  return lower_scratch(l, DT_I64, value_count(l->c, labels), "positions");
}

void ml_label_done(Lower *l, const Node *node, const char *strings, Buffer *numbers) {
  const Value *labels = node_out(node, 0);
  const Attr *texts = node_attr(node, strings);
  if (!labels || labels->dtype == DT_I64) return;
  Step *step = lower_kernel(l, "ml_names", DT_NONE);
  arg_buffer(l, step, numbers);
  arg_buffer(l, step,
             lower_constant(l, text_tensor(l->c->arena, 1, texts->strings, (int64_t)texts->count),
                            strings));
  arg_out(l, step, labels);
  arg_dim(l, step, value_count(l->c, labels));
}

/* --- Scaler, Binarizer, Imputer: each element by a scalar function --- */

/* The numbers of a list attribute, as doubles. */
static double *real_list(Compilation *c, const Node *node, const char *name, int64_t *count) {
  const Attr *attr = node_attr(node, name);
  *count = attr ? (int64_t)attr->count : 0;
  double *values = ARENA_ARRAY(c->arena, double, *count + 1);
  for (int64_t i = 0; i < *count; i++)
    values[i] = attr->floats ? (double)attr->floats[i] : (double)attr->ints[i];
  return values;
}

/* One number for all features, or one for each. */
static bool check_per_feature(Compilation *c, const Node *node, const char *name) {
  const Value *x = node_in(node, 0);
  const Attr *attr = node_attr(node, name);
  if (!attr || attr->count <= 1) return true;
  if (x->rank < 1) return node_error(c, node, "the input must have at least one dim");
  Dim count = dim_const(c->dims, (int64_t)attr->count);
  return infer_require_equal(c, node, x->shape[x->rank - 1], count,
                             "the features and the numbers for them");
}

/* The attribute's number for the feature of the nest's last dim. */
static Operand feature_number(Lower *l, LoopNest *nest, const Node *node, const char *name,
                              DType dtype, double missing) {
  int64_t count;
  double *values = real_list(l->c, node, name, &count);
  if (count <= 1) {
    double value = count ? values[0] : missing;
    return dtype == DT_I64 ? operand_int(dtype, dim_const(l->c->dims, (int64_t)value))
                           : operand_real(dtype, value);
  }
  Dim stride[MAX_RANK];
  for (int d = 0; d < nest->rank; d++) stride[d] = dim_const(l->c->dims, d == nest->rank - 1);
  Buffer *buffer;
  if (dtype == DT_I64)
    buffer = lower_constant(l, tensor_i64(l->c->arena, node_attr(node, name)->ints, count), name);
  else
    buffer = ml_constant(l, dtype, values, count, name);
  return nest_load_at(l, nest, buffer, NULL, stride);
}

static bool infer_scaler(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  if (!check_per_feature(c, node, "offset") || !check_per_feature(c, node, "scale")) return false;
  value_set_type(c, node_out(node, 0), DT_F32, x->rank, x->shape);
  return true;
}

static bool lower_scaler(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  LoopNest *nest = lower_nest(l, x->rank, x->shape);
  Operand shifted[] = {nest_load(l, nest, x), feature_number(l, nest, node, "offset", DT_F32, 0)};
  Operand scaled[] = {nest_apply(l, nest, "sub", DT_F32, shifted, 2),
                      feature_number(l, nest, node, "scale", DT_F32, 1)};
  nest_store(l, nest, y, nest_apply(l, nest, "mul", DT_F32, scaled, 2));
  return true;
}

static bool infer_elementwise(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  bool known = x->dtype == DT_F32 || x->dtype == DT_I64 || x->dtype == DT_F64 || x->dtype == DT_I32;
  if (!known) return node_error(c, node, "%s is not supported", dtype_info(x->dtype)->name);
  if (!check_per_feature(c, node, "imputed_value_floats") ||
      !check_per_feature(c, node, "imputed_value_int64s"))
    return false;
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, x->shape);
  return true;
}

static bool lower_binarizer(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  LoopNest *nest = lower_nest(l, x->rank, x->shape);
  Operand args[] = {nest_load(l, nest, x),
                    operand_real(DT_F32, node_float(node, "threshold", 0.0f))};
  Operand result = nest_apply(l, nest, "ml_binarize", DT_F32, args, 2);
  nest_store(l, nest, y, nest_cast(l, nest, result, y->dtype));
  return true;
}

static bool lower_imputer(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  bool whole = dtype_is_integer(x->dtype);
  DType dtype = whole ? DT_I64 : DT_F32;
  LoopNest *nest = lower_nest(l, x->rank, x->shape);
  Operand what =
      whole ? operand_int(DT_I64, dim_const(l->c->dims, node_int(node, "replaced_value_int64", 0)))
            : operand_real(DT_F32, node_float(node, "replaced_value_float", 0.0f));
  Operand args[] = {nest_load(l, nest, x), what,
                    feature_number(l, nest, node,
                                   whole ? "imputed_value_int64s" : "imputed_value_floats", dtype,
                                   0)};
  nest_store(l, nest, y,
             nest_cast(l, nest, nest_apply(l, nest, "ml_impute", dtype, args, 3), y->dtype));
  return true;
}

#define ML_OPERATOR(operator, infers, lowers)                                                      \
  { .domain = "ai.onnx.ml", .name = operator, .infer = infers, .lower = lowers }

DEFINE_OP(Scaler) = ML_OPERATOR("Scaler", infer_scaler, lower_scaler);
DEFINE_OP(Binarizer) = ML_OPERATOR("Binarizer", infer_elementwise, lower_binarizer);
DEFINE_OP(Imputer) = ML_OPERATOR("Imputer", infer_elementwise, lower_imputer);

/* --- Normalizer --- */

/* The code of attribute norm, or -1. */
static int normalizer_code(const Node *node) {
  static const char *const names[] = {"MAX", "L1", "L2"};
  const char *name = node_string(node, "norm", "MAX");
  for (int i = 0; i < 3; i++)
    if (strcmp(names[i], name) == 0) return i;
  return -1;
}

static bool infer_normalizer(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Dim rows, columns;
  if (!ml_features(c, node, &rows, &columns)) return false;
  if (normalizer_code(node) < 0)
    return node_error(c, node, "norm '%s' is unknown", node_string(node, "norm", "MAX"));
  value_set_type(c, node_out(node, 0), DT_F32, x->rank, x->shape);
  return true;
}

static bool lower_normalizer(Lower *l, const Node *node) {
  Dim rows, columns;
  if (!ml_features(l->c, node, &rows, &columns)) return false;
  Buffer *x = compute_input(l, node_in(node, 0), DT_F32);
  Step *step = lower_kernel(l, "ml_normalize", DT_NONE);
  arg_buffer(l, step, x);
  arg_out(l, step, node_out(node, 0));
  arg_dim(l, step, rows);
  arg_dim(l, step, columns);
  arg_int(l, step, normalizer_code(node));
  return true;
}

DEFINE_OP(Normalizer) = ML_OPERATOR("Normalizer", infer_normalizer, lower_normalizer);

/* --- linear models --- */

/* Scores = X * C transposed + I. */
typedef struct {
  Dim rows, columns;
  int64_t targets; /* rows of C */
  const Attr *coefficients, *intercepts;
} Linear;

static bool read_linear(Compilation *c, const Node *node, int64_t targets, Linear *linear) {
  *linear = (Linear){.targets = targets,
                     .coefficients = node_attr(node, "coefficients"),
                     .intercepts = node_attr(node, "intercepts")};
  if (!ml_features(c, node, &linear->rows, &linear->columns)) return false;
  int64_t count = linear->coefficients ? (int64_t)linear->coefficients->count : 0;
  if (targets < 1 || count == 0 || count % targets)
    return node_error(c, node, "%" PRId64 " coefficients cannot be shared by %" PRId64 " targets",
                      count, targets);
  if (linear->intercepts && linear->intercepts->count &&
      (int64_t)linear->intercepts->count != targets)
    return node_error(c, node, "there must be one intercept for each target");
  return infer_require_equal(c, node, linear->columns, dim_const(c->dims, count / targets),
                             "the features and the coefficients of a target");
}

/* The coefficients as [columns, stride], `targets` of each row in use; 0 beyond. */
static Buffer *linear_matrix(Lower *l, const Linear *linear, int64_t width) {
  int64_t columns = (int64_t)linear->coefficients->count / linear->targets;
  double *values = ARENA_ARRAY(l->c->arena, double, columns *width);
  for (int64_t j = 0; j < linear->targets; j++)
    for (int64_t i = 0; i < columns; i++)
      values[i * width + j] = (double)linear->coefficients->floats[j * columns + i];
  return ml_constant(l, DT_F32, values, columns * width, "coefficients");
}

static Buffer *linear_intercepts(Lower *l, const Linear *linear, int64_t width) {
  if (!linear->intercepts || !linear->intercepts->count) return NULL;
  double *values = ARENA_ARRAY(l->c->arena, double, width);
  for (int64_t j = 0; j < linear->targets; j++) values[j] = (double)linear->intercepts->floats[j];
  return ml_constant(l, DT_F32, values, width, "intercepts");
}

/* y[rows x width] = the scores; columns beyond the targets become 0. */
static void lower_scores(Lower *l, const Node *node, const Linear *linear, Buffer *y,
                         int64_t width) {
  Buffer *x = compute_input(l, node_in(node, 0), DT_F32);
  Step *step = lower_kernel(l, "gemm", DT_F32);
  arg_buffer(l, step, x);
  arg_buffer(l, step, linear_matrix(l, linear, width));
  arg_buffer(l, step, linear_intercepts(l, linear, width));
  arg_buffer(l, step, y);
  arg_dim(l, step, linear->rows);
  arg_int(l, step, width);
  arg_dim(l, step, linear->columns);
  arg_dim(l, step, linear->columns);
  arg_int(l, step, 1);
  arg_int(l, step, 0);
  arg_int(l, step, 1);
  arg_real(l, step, 1);
  arg_real(l, step, 1);
}

static void lower_finish(Lower *l, const Linear *linear, Buffer *y, int64_t width, bool second,
                         int64_t function) {
  if (!second && function == 0) return;
  Step *step = lower_kernel(l, "ml_finish", DT_NONE);
  arg_buffer(l, step, y);
  arg_dim(l, step, linear->rows);
  arg_int(l, step, width);
  arg_int(l, step, second);
  arg_int(l, step, function);
}

static bool infer_linear_regressor(Compilation *c, Node *node) {
  Linear linear;
  int64_t function;
  if (!read_linear(c, node, node_int(node, "targets", 1), &linear)) return false;
  Dim shape[] = {linear.rows, dim_const(c->dims, linear.targets)};
  value_set_type(c, node_out(node, 0), DT_F32, 2, shape);
  return ml_post_transform(c, node, &function);
}

static bool lower_linear_regressor(Lower *l, const Node *node) {
  Linear linear;
  int64_t function;
  if (!read_linear(l->c, node, node_int(node, "targets", 1), &linear) ||
      !ml_post_transform(l->c, node, &function))
    return false;
  Buffer *y = lower_buffer(l, node_out(node, 0));
  if (linear.targets == 1 && function != ML_PROBIT) function = ML_NONE;
  lower_scores(l, node, &linear, y, linear.targets);
  lower_finish(l, &linear, y, linear.targets, false, function);
  return true;
}

/* Labels, and the number of scores that are computed and that are given. */
typedef struct {
  Linear linear;
  const int64_t *labels;
  int64_t classes, width, function;
} Classifier;

static bool read_classifier(Compilation *c, const Node *node, Classifier *r) {
  const Attr *intercepts = node_attr(node, "intercepts");
  r->labels = ml_labels(c, node, "classlabels_ints", "classlabels_strings", &r->classes);
  if (r->classes < 2) return node_error(c, node, "at least two class labels are needed");
  int64_t targets = intercepts && intercepts->count ? (int64_t)intercepts->count : r->classes;
  r->width = r->classes == 2 && targets == 1 ? 2 : targets;
  if (targets != r->classes && targets != 1)
    return node_error(c, node, "there must be a score for each class");
  return read_linear(c, node, targets, &r->linear) && ml_post_transform(c, node, &r->function);
}

static bool infer_linear_classifier(Compilation *c, Node *node) {
  Classifier r;
  if (!read_classifier(c, node, &r)) return false;
  Dim shape[] = {r.linear.rows, dim_const(c->dims, r.width)};
  ml_label_type(c, node, "classlabels_strings", r.linear.rows);
  if (node_out(node, 1)) value_set_type(c, node_out(node, 1), DT_F32, 2, shape);
  return true;
}

static bool lower_linear_classifier(Lower *l, const Node *node) {
  Classifier r;
  if (!read_classifier(l->c, node, &r)) return false;
  const Value *scores = node_out(node, 1);
  Buffer *label = ml_label_numbers(l, node);
  Dim count = dim_muli(l->c->dims, r.linear.rows, r.width);
  Buffer *y = lower_wanted(l, scores, DT_F32, count, "scores");
  lower_scores(l, node, &r.linear, y, r.width);
  if (label) {
    Step *step = lower_kernel(l, "ml_labels", DT_NONE);
    arg_buffer(l, step, y);
    arg_buffer(l, step, lower_constant(l, tensor_i64(l->c->arena, r.labels, r.classes), "labels"));
    arg_buffer(l, step, label);
    arg_dim(l, step, r.linear.rows);
    arg_int(l, step, r.linear.targets);
    arg_int(l, step, r.width);
    ml_label_done(l, node, "classlabels_strings", label);
  }
  if (scores) lower_finish(l, &r.linear, y, r.width, r.width != r.linear.targets, r.function);
  return true;
}

DEFINE_OP(LinearRegressor) = ML_OPERATOR("LinearRegressor", infer_linear_regressor,
                                         lower_linear_regressor);
DEFINE_OP(LinearClassifier) = ML_OPERATOR("LinearClassifier", infer_linear_classifier,
                                          lower_linear_classifier);

/* --- ArrayFeatureExtractor, FeatureVectorizer, ZipMap --- */

static bool infer_extract(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0), *pick = node_in(node, 1);
  if (x->rank < 1) return node_error(c, node, "the input must have at least one dim");
  Dim shape[MAX_RANK];
  int rank = x->rank > 1 ? x->rank : 2;
  shape[0] = dim_const(c->dims, 1);
  for (int d = 0; d + 1 < x->rank; d++) shape[d] = x->shape[d];
  shape[rank - 1] = value_count(c, pick);
  value_set_type(c, node_out(node, 0), x->dtype, rank, shape);
  return true;
}

static bool lower_extract(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *pick = node_in(node, 1);
  Buffer *indices = lower_converted(l, pick, DT_I64);
  Step *step = lower_kernel(l, "ml_extract", DT_NONE);
  arg_in(l, step, x);
  arg_buffer(l, step, indices);
  arg_out(l, step, node_out(node, 0));
  arg_dim(l, step, dim_product(l->c->dims, x->shape, (size_t)x->rank - 1));
  arg_dim(l, step, x->shape[x->rank - 1]);
  arg_dim(l, step, value_count(l->c, pick));
  arg_int(l, step, (int64_t)dtype_info(x->dtype)->bytes);
  return true;
}

DEFINE_OP(ArrayFeatureExtractor) = ML_OPERATOR("ArrayFeatureExtractor", infer_extract,
                                               lower_extract);

static bool infer_vectorizer(Compilation *c, Node *node) {
  Dim columns = dim_const(c->dims, 0), rows = NULL;
  for (int i = 0; i < node->input_count; i++) {
    const Value *x = node_in(node, i);
    if (x->rank != 1 && x->rank != 2)
      return node_error(c, node, "input %d must have one or two dims", i);
    Dim own = x->rank == 2 ? x->shape[0] : dim_const(c->dims, 1);
    if (rows && !infer_require_equal(c, node, rows, own, "the rows of all inputs")) return false;
    rows = own;
    columns = dim_add(c->dims, columns, x->shape[x->rank - 1]);
  }
  Dim shape[] = {rows, columns};
  value_set_type(c, node_out(node, 0), DT_F32, 2, shape);
  return true;
}

static bool lower_vectorizer(Lower *l, const Node *node) {
  const Value *y = node_out(node, 0);
  DimPool *p = l->c->dims;
  Dim offset = dim_const(p, 0), one = dim_const(p, 1);
  for (int i = 0; i < node->input_count; i++) {
    const Value *x = node_in(node, i);
    Dim extent[] = {y->shape[0], x->shape[x->rank - 1]};
    Dim read[] = {extent[1], one}, write[] = {y->shape[1], one};
    LoopNest *nest = lower_nest(l, 2, extent);
    Operand element = nest_load_at(l, nest, lower_buffer(l, x), NULL, read);
    nest_store_at(l, nest, lower_buffer(l, y), offset, write, nest_cast(l, nest, element, DT_F32));
    offset = dim_add(p, offset, extent[1]);
  }
  return true;
}

DEFINE_OP(FeatureVectorizer) = ML_OPERATOR("FeatureVectorizer", infer_vectorizer, lower_vectorizer);

/* A map for each row, from label to score, is the row of scores; the labels are told in model.h. */
static bool infer_zip_map(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  int64_t count;
  if (x->rank < 1) return node_error(c, node, "the input must have at least one dim");
  ml_labels(c, node, "classlabels_int64s", "classlabels_strings", &count);
  value_set_type(c, node_out(node, 0), x->dtype, x->rank, x->shape);
  return infer_require_equal(c, node, x->shape[x->rank - 1], dim_const(c->dims, count),
                             "the scores and the class labels");
}

static bool lower_zip_map(Lower *l, const Node *node) {
  lower_alias(l, node_out(node, 0), node_in(node, 0));
  return true;
}

DEFINE_OP(ZipMap) = ML_OPERATOR("ZipMap", infer_zip_map, lower_zip_map);

/* --- LabelEncoder, CategoryMapper, OneHotEncoder --- */

/* What becomes of labels: keys[i] becomes values[i], others missing[0]. */
typedef struct {
  const Tensor *keys, *values, *missing;
} LabelMap;

/* The list keys_… or values_… that is there, or NULL. */
static const Tensor *find_labels(Compilation *c, const Node *node, const char *stem) {
  static const char *const suffixes[] = {"int64s", "floats", "strings", "tensor"};
  for (int i = 0; i < 4; i++) {
    const Attr *attr = node_attr(node, arena_printf(c->arena, "%s_%s", stem, suffixes[i]));
    if (attr && (attr->count || attr->tensor)) return attr_tensor(c->arena, attr);
  }
  return NULL;
}

/* The value for labels that are no key: of the attribute for that dtype, or default_tensor. */
static const Tensor *find_missing(Compilation *c, const Node *node, DType dtype) {
  const Attr *given = node_attr(node, "default_tensor");
  const char *text = node_string(node, "default_string", "_Unused");
  const int64_t whole = node_int(node, "default_int64", -1);
  double real = (double)node_float(node, "default_float", -0.0f);
  if (given && given->tensor->dtype == dtype) return given->tensor;
  if (dtype == DT_STRING) return text_tensor(c->arena, 1, &text, 1);
  if (dtype == DT_I64) return tensor_i64(c->arena, &whole, 1);
  const int64_t one = 1;
  return tensor_from_reals(c->arena, dtype, 1, &one, &real);
}

/* Strings, and the integers that stand for them: by default their positions. */
static void pair_strings(Compilation *c, const Node *node, const char *strings, const char *ints,
                         LabelMap *map) {
  const Attr *texts = node_attr(node, strings), *given = node_attr(node, ints);
  const int64_t count = texts ? (int64_t)texts->count : 0;
  int64_t *positions = ARENA_ARRAY(c->arena, int64_t, count + 1);
  for (int64_t i = 0; i < count; i++) positions[i] = i;
  bool from_strings = node_in(node, 0)->dtype == DT_STRING;
  const Tensor *names = texts ? attr_tensor(c->arena, texts) : NULL;
  const Tensor *numbers =
      given ? attr_tensor(c->arena, given) : tensor_i64(c->arena, positions, count);
  map->keys = from_strings ? names : numbers;
  map->values = from_strings ? numbers : names;
}

static bool read_label_map(Compilation *c, const Node *node, LabelMap *map) {
  const Value *x = node_in(node, 0);
  if (strcmp(node->op_type, "CategoryMapper") == 0 || node->version == 1)
    pair_strings(c, node, node->op->row, "cats_int64s", map);
  else
    *map = (LabelMap){find_labels(c, node, "keys"), find_labels(c, node, "values"), NULL};
  if (!map->keys || !map->values) return node_error(c, node, "keys and values are missing");
  if (map->keys->count != map->values->count)
    return node_error(c, node, "there are more keys than values, or fewer");
  if (x->dtype != map->keys->dtype)
    return node_error(c, node, "the keys are %s, the input is %s",
                      dtype_info(map->keys->dtype)->name, dtype_info(x->dtype)->name);
  map->missing = find_missing(c, node, map->values->dtype);
  return true;
}

/* The dtype in which kernels compare labels, or move them. */
static DType label_dtype(DType dtype) {
  return dtype_is_integer(dtype) ? DT_I64 : dtype;
}

/* Labels as a constant of that dtype. */
static Buffer *label_constant(Lower *l, const Tensor *labels, const char *name) {
  if (labels->dtype == label_dtype(labels->dtype)) return lower_constant(l, labels, name);
  int64_t *wide = ARENA_ARRAY(l->c->arena, int64_t, labels->count + 1);
  for (int64_t i = 0; i < labels->count; i++) wide[i] = tensor_int(labels, i);
  return lower_constant(l, tensor_i64(l->c->arena, wide, labels->count), name);
}

static const char *label_stem(Lower *l, const LabelMap *map) {
  return arena_printf(l->c->arena, "label_encode_%s",
                      dtype_info(label_dtype(map->keys->dtype))->short_name);
}

static bool infer_label_encoder(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  LabelMap map = {0};
  if (!read_label_map(c, node, &map)) return false;
  value_set_type(c, node_out(node, 0), map.values->dtype, x->rank, x->shape);
  return true;
}

static bool lower_label_encoder(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *out = node_out(node, 0);
  LabelMap map = {0};
  if (!read_label_map(l->c, node, &map)) return false;
  DType dtype = label_dtype(map.values->dtype);
  Buffer *labels = compute_input(l, x, label_dtype(x->dtype)), *y = compute_output(l, out, dtype);
  Step *step = lower_kernel(l, label_stem(l, &map), dtype);
  arg_buffer(l, step, labels);
  arg_buffer(l, step, label_constant(l, map.keys, "keys"));
  arg_buffer(l, step, label_constant(l, map.values, "values"));
  arg_buffer(l, step, label_constant(l, map.missing, "default"));
  arg_buffer(l, step, y);
  arg_dim(l, step, value_count(l->c, x));
  arg_int(l, step, map.keys->count);
  compute_done(l, out, y);
  return true;
}

/* `row`: the attribute with the strings. */
DEFINE_OP(LabelEncoder) = {.domain = "ai.onnx.ml",
                           .name = "LabelEncoder",
                           .infer = infer_label_encoder,
                           .lower = lower_label_encoder,
                           .row = "classes_strings"};
DEFINE_OP(CategoryMapper) = {.domain = "ai.onnx.ml",
                             .name = "CategoryMapper",
                             .infer = infer_label_encoder,
                             .lower = lower_label_encoder,
                             .row = "cats_strings"};

/* The categories: strings where the input has strings. */
static const Tensor *find_categories(Compilation *c, const Node *node) {
  bool texts = node_in(node, 0)->dtype == DT_STRING;
  const Attr *attr = node_attr(node, texts ? "cats_strings" : "cats_int64s");
  return attr && attr->count ? attr_tensor(c->arena, attr) : NULL;
}

static bool infer_one_hot(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  const Tensor *categories = find_categories(c, node);
  if (!categories) return node_error(c, node, "it has no categories of the input's type");
  if (x->rank == MAX_RANK) return node_error(c, node, "the input has too many dims");
  Dim shape[MAX_RANK];
  if (x->rank) memcpy(shape, x->shape, (size_t)x->rank * sizeof(Dim));
  shape[x->rank] = dim_const(c->dims, categories->count);
  value_set_type(c, node_out(node, 0), DT_F32, x->rank + 1, shape);
  return true;
}

static bool lower_one_hot(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0);
  const Tensor *categories = find_categories(l->c, node);
  Buffer *in = lower_converted(l, x, categories->dtype);
  Step *step = lower_kernel(l, "ml_one_hot", categories->dtype);
  arg_buffer(l, step, in);
  arg_buffer(l, step, lower_constant(l, categories, "categories"));
  arg_out(l, step, node_out(node, 0));
  arg_dim(l, step, value_count(l->c, x));
  arg_int(l, step, categories->count);
  arg_int(l, step, node_int(node, "zeros", 1) != 0);
  return true;
}

DEFINE_OP(OneHotEncoder) = ML_OPERATOR("OneHotEncoder", infer_one_hot, lower_one_hot);
