/* ml.h: what the operators of ai.onnx.ml share. */
#ifndef CTC_OPS_ML_H
#define CTC_OPS_ML_H

#include "ops/op.h"

/* Codes of post_transform, as CTC_ML_… of runtime/ml.c. A single score is only changed by PROBIT,
 * as in onnxruntime. */
enum { ML_NONE, ML_PROBIT = 4 };

/* The code of attribute post_transform. Reports unknown ones. */
MUST_CHECK bool ml_post_transform(Compilation *c, const Node *node, int64_t *code);
/* A constant buffer of f32 or f64 numbers. */
Buffer *ml_constant(Lower *l, DType dtype, const double *values, int64_t count, const char *name);
/* The features as [rows, columns]: a tensor of rank 1 is one row. */
MUST_CHECK bool ml_features(Compilation *c, const Node *node, Dim *rows, Dim *columns);
/* The labels of a classifier, for `count` classes: attributes `ints` or `strings` (then their
 * positions). Sets the note of the node's outputs to their text. */
const int64_t *ml_labels(Compilation *c, const Node *node, const char *ints, const char *strings,
                         int64_t *count);
/* Output 0 of a classifier has the labels of `rows` rows; attribute `strings` says whether these
 * are strings. */
void ml_label_type(Compilation *c, const Node *node, const char *strings, Dim rows);
/* Where a kernel writes the labels as ml_labels gives them; NULL: nobody wants them. */
Buffer *ml_label_numbers(Lower *l, const Node *node);
/* Makes strings of positions, behind that kernel. */
void ml_label_done(Lower *l, const Node *node, const char *strings, Buffer *numbers);

#endif
