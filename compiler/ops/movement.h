/* movement.h: what the operators share that move elements without computing with them: Reshape,
 * Transpose, Slice, Gather, Pad … */
#ifndef CTC_OPS_MOVEMENT_H
#define CTC_OPS_MOVEMENT_H

#include "ops/op.h"

/* Demands that the elements of all inputs can be moved: not complex numbers. */
MUST_CHECK bool require_movable(Compilation *c, const Node *node);
/* Bytes in which one element is stored (1 for packed types, which are unpacked when read). */
int64_t element_bytes(DType dtype);
/* Product of dims [first, last) of the value's shape. */
Dim dims_between(Compilation *c, const Value *value, int first, int last);

/* The size of output axis `axis`, which is only known while the program runs: the data symbol that
 * it was given before, or a new one named after the output. `bound` is an expression that is never
 * smaller, NULL if there is none. */
Dim infer_data_dim(Compilation *c, const Value *out, int axis, Dim bound);
/* `size` itself, or, if it depends on elements that are read at run time in a way that a capacity
 * cannot be told from (it may fall while they rise), a data symbol of its own with this bound,
 * which lower_own_dims sets to the value. Equal sizes in a graph share it. */
Dim infer_own_dim(Compilation *c, const Node *node, const Value *out, int axis, Dim size,
                  Dim bound);
/* Defines the symbols that infer_own_dim made for `out`. */
void lower_own_dims(Lower *l, const Value *out);

/* Expressions in sizes are much shorter if no dim of the caller is 0 or huge. Between dims_assume
 * and dims_restore the input symbols have ranges that say so. */
typedef struct DimAssumption DimAssumption;
DimAssumption *dims_assume(Compilation *c);
void dims_restore(Compilation *c, const DimAssumption *assumption);
/* Replaces *exact by `assumed`, which was made under the assumption, if the two can differ only
 * where `x` is empty; the program checks that they do not. */
MUST_CHECK bool infer_assumed(Compilation *c, const Node *node, const Value *x, Dim *exact,
                              Dim assumed);

/* A run-time check at the node, unless the condition is known to hold; an error if it is known to
 * fail. `what` says what is wrong then. */
MUST_CHECK bool infer_require(Compilation *c, const Node *node, Dim condition, const char *what);

/* A position that may count from the end: `index + size` where index < 0. */
Dim index_from_end(Compilation *c, Dim index, Dim size);

/* 1 where `axis`, in [-rank, rank), means axis d, else 0. */
Dim names_axis(Compilation *c, Dim axis, int d, int rank);

/* If the content of `in` is known: that of `out`, whose type is set, with out[i] = in[offset +
 * sum(i[d] * stride[d])]. Does nothing if shapes are not constant or too large. */
void content_move(Compilation *c, Value *out, const Value *in, int64_t offset,
                  const int64_t *stride);
/* The same elements in another shape. */
void content_reshape(Compilation *c, Value *out, const Value *in);
/* The dims of a value as numbers; false if one is not a constant. */
bool const_shape(const Value *value, int64_t *dims);
/* Row-major strides of a constant shape. */
void const_strides(const int64_t *dims, int rank, int64_t *stride);
/* Whether tensors of so many elements keep their contents as expressions. */
bool content_fits(Dim count);

/* What a node does, for those who read through it (ops/view.h); false if that is not known.
 * Inference has succeeded before. */
MUST_CHECK bool transpose_perm(Compilation *c, const Node *node, int *perm);
/* Output `output` of a Split is the part of `axis` that begins at *first. */
MUST_CHECK bool split_part(Compilation *c, const Node *node, int output, int *axis, Dim *first);
/* Each axis of a Slice takes first, first + step, … */
MUST_CHECK bool slice_axes(Compilation *c, const Node *node, Dim *first, Dim *step);
/* A Gather with one known index takes element *index of `axis`. */
MUST_CHECK bool gather_element(Compilation *c, const Node *node, int *axis, Dim *index);

/* Fills `value` with one number. */
void lower_fill(Lower *l, const Value *value, double number);
/* Writes the content of an integer value to its buffer (Shape, Size). */
void lower_content(Lower *l, const Value *value);
/* An index input as int64. */
Buffer *lower_indices(Lower *l, const Value *value);

#endif
