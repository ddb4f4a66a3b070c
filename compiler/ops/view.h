/* view.h: a value as strides over the memory of another one.
 *
 * Transpose, Reshape, Split, Slice and their kin move elements by rule. A kernel that reads with
 * strides can therefore often read what a chain of them began with, and the chain is not needed.
 *
 *   x[1, 197, 3 * 3 * 64] → Reshape[1, 197, 3, 3, 64] → Transpose[3, 1, 3, 197, 64] → Gather(1)
 *   => base x, offset 3 * 64, axes 1: -, 3: 64, 197: 3 * 3 * 64, 64: 1 */
#ifndef CTC_OPS_VIEW_H
#define CTC_OPS_VIEW_H

#include "ops/op.h"

enum { MAX_DIGITS = 8 };

typedef struct {
  Dim extent, stride;
} ViewDigit;

/* An axis that one stride cannot describe has several digits: index = (d0 * extent1 + d1) * … An
 * axis of extent 1 has none. */
typedef struct {
  int count;
  ViewDigit digits[MAX_DIGITS];
} ViewAxis;

typedef struct {
  const Value *base;
  Dim offset; /* in elements */
  int rank;
  ViewAxis axes[MAX_RANK];
} View;

/* The value itself. */
View view_whole(Compilation *c, const Value *value);
/* Nodes that only move elements: how their output 0 (Split: any) lies in what their input 0 lies
 * in. False if that has no such form; then the view is unchanged. */
bool view_through(Compilation *c, View *view, const Node *node, const Value *output);
/* The way back: `view` is of the node's output; becomes the view of its input, in the same memory.
 */
bool view_back(Compilation *c, View *view, const Node *node);
/* Whether view_through may say yes. */
bool view_moves(const Node *node);

bool view_reshape(Compilation *c, View *view, int rank, const Dim *shape);
void view_transpose(View *view, const int *perm);
/* Repeats axes of extent 1 (and missing ones in front) up to `shape`, as numpy does. */
bool view_broadcast(Compilation *c, View *view, int rank, const Dim *shape);

/* Splits the digits of axis `axis` of all views until they have the same extents; false if they
 * cannot. */
bool view_agree(Compilation *c, View *const *views, int view_count, int axis);

#endif
