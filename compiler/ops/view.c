/* view.c: views through the operators that only move elements. */
#include "ops/view.h"

#include "ops/movement.h"

#include <string.h>

/* --- digits --- */

/* a / b, or NULL if that is not known to be whole. */
static Dim whole_quotient(Compilation *c, Dim a, Dim b) {
  if (dim_is(b, 0)) return NULL;
  Dim quotient = dim_floordiv(c->dims, a, b);
  return dim_mul(c->dims, quotient, b) == a ? quotient : NULL;
}

/* Puts a digit in front of the others. */
static bool push_outer(ViewAxis *axis, Dim extent, Dim stride) {
  if (dim_is(extent, 1)) return true;
  if (axis->count == MAX_DIGITS) return false;
  memmove(axis->digits + 1, axis->digits, (size_t)axis->count * sizeof(ViewDigit));
  axis->digits[0] = (ViewDigit){extent, stride};
  axis->count++;
  return true;
}

/* Neighbouring digits that one stride describes become one. */
static void merge_digits(Compilation *c, ViewAxis *axis) {
  int kept = 0;
  for (int i = 1; i < axis->count; i++) {
    ViewDigit *outer = &axis->digits[kept], inner = axis->digits[i];
    if (outer->stride == dim_mul(c->dims, inner.stride, inner.extent))
      *outer = (ViewDigit){dim_mul(c->dims, outer->extent, inner.extent), inner.stride};
    else
      axis->digits[++kept] = inner;
  }
  if (axis->count) axis->count = kept + 1;
}

View view_whole(Compilation *c, const Value *value) {
  View view = {.base = value, .offset = dim_const(c->dims, 0), .rank = value->rank};
  Dim stride[MAX_RANK];
  nest_strides(c, value->rank, value->shape, stride);
  for (int d = 0; d < value->rank; d++) push_outer(&view.axes[d], value->shape[d], stride[d]);
  return view;
}

/* --- changes of shape and order --- */

/* Digits from the end of `from` that make up an axis of that extent. */
static bool take_axis(Compilation *c, ViewDigit *from, int *left, Dim extent, ViewAxis *axis) {
  axis->count = 0;
  while (!dim_is(extent, 1)) {
    if (*left == 0) return false;
    ViewDigit *last = &from[*left - 1];
    Dim above = whole_quotient(c, extent, last->extent), rest;
    if (above) {
      if (!push_outer(axis, last->extent, last->stride)) return false;
      extent = above;
      --*left;
    } else if ((rest = whole_quotient(c, last->extent, extent))) {
      if (!push_outer(axis, extent, last->stride)) return false;
      *last = (ViewDigit){rest, dim_mul(c->dims, last->stride, extent)};
      return true;
    } else {
      return false;
    }
  }
  return true;
}

bool view_reshape(Compilation *c, View *view, int rank, const Dim *shape) {
  ViewDigit all[MAX_RANK * MAX_DIGITS];
  View result = *view;
  int left = 0;
  for (int d = 0; d < view->rank; d++)
    for (int i = 0; i < view->axes[d].count; i++) all[left++] = view->axes[d].digits[i];
  result.rank = rank;
  for (int d = rank - 1; d >= 0; d--) {
    if (!take_axis(c, all, &left, shape[d], &result.axes[d])) return false;
    merge_digits(c, &result.axes[d]);
  }
  if (left) return false;
  *view = result;
  return true;
}

void view_transpose(View *view, const int *perm) {
  View old = *view;
  for (int d = 0; d < view->rank; d++) view->axes[d] = old.axes[perm[d]];
}

bool view_broadcast(Compilation *c, View *view, int rank, const Dim *shape) {
  View result = *view;
  int lead = rank - view->rank;
  if (lead < 0) return false;
  result.rank = rank;
  for (int d = 0; d < rank; d++) {
    ViewAxis *axis = &result.axes[d];
    *axis = (ViewAxis){0};
    if (d >= lead) *axis = view->axes[d - lead];
    Dim own = dim_const(c->dims, 1);
    for (int i = 0; i < axis->count; i++) own = dim_mul(c->dims, own, axis->digits[i].extent);
    if (own == shape[d]) continue;
    if (!dim_is(own, 1)) return false;
    push_outer(axis, shape[d], dim_const(c->dims, 0));
  }
  *view = result;
  return true;
}

/* --- operators --- */

static bool through_transpose(Compilation *c, View *view, const Node *node) {
  int perm[MAX_RANK];
  if (!transpose_perm(c, node, perm)) return false;
  view_transpose(view, perm);
  return true;
}

static bool back_transpose(Compilation *c, View *view, const Node *node) {
  int perm[MAX_RANK], back[MAX_RANK];
  if (!transpose_perm(c, node, perm)) return false;
  for (int d = 0; d < view->rank; d++) back[perm[d]] = d;
  view_transpose(view, back);
  return true;
}

/* Elements first, first + step, … of an axis, `extent` of them. */
static bool cut_axis(Compilation *c, View *view, int axis, Dim first, Dim step, Dim extent) {
  ViewAxis *own = &view->axes[axis];
  Dim whole = dim_const(c->dims, 1);
  for (int i = 0; i < own->count; i++) whole = dim_mul(c->dims, whole, own->digits[i].extent);
  if (own->count == 0 || (whole == extent && dim_is(first, 0) && dim_is(step, 1))) return true;
  if (own->count > 1) return false;
  Dim stride = own->digits[0].stride;
  view->offset = dim_add(c->dims, view->offset, dim_mul(c->dims, first, stride));
  own->count = 0;
  return push_outer(own, extent, dim_mul(c->dims, step, stride));
}

static bool through_slice(Compilation *c, View *view, const Node *node) {
  Dim first[MAX_RANK], step[MAX_RANK];
  if (!slice_axes(c, node, first, step)) return false;
  for (int d = 0; d < view->rank; d++)
    if (!cut_axis(c, view, d, first[d], step[d], node_out(node, 0)->shape[d])) return false;
  return true;
}

static bool through_split(Compilation *c, View *view, const Node *node, const Value *output) {
  int axis;
  Dim first, one = dim_const(c->dims, 1);
  return split_part(c, node, output->producer_output, &axis, &first) &&
         cut_axis(c, view, axis, first, one, output->shape[axis]);
}

static bool through_gather(Compilation *c, View *view, const Node *node, const Value *output) {
  int axis;
  Dim index, one = dim_const(c->dims, 1);
  return gather_element(c, node, &axis, &index) && cut_axis(c, view, axis, index, one, one) &&
         view_reshape(c, view, output->rank, output->shape);
}

typedef enum { NOT_MOVING, RESHAPES, TRANSPOSES, SLICES, SPLITS, GATHERS, EXPANDS } Movement;

static Movement movement_of(const Node *node) {
  static const struct {
    const char *op_type;
    Movement movement;
  } rows[] = {
      {"Reshape", RESHAPES},   {"Flatten", RESHAPES},  {"Squeeze", RESHAPES},
      {"Unsqueeze", RESHAPES}, {"Identity", RESHAPES}, {"Dropout", RESHAPES},
      {"Cast", RESHAPES},      {"Slice", SLICES},      {"Transpose", TRANSPOSES},
      {"Split", SPLITS},       {"Gather", GATHERS},    {"Expand", EXPANDS},
  };
  if (!node || node->domain[0] != '\0') return NOT_MOVING;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (strcmp(rows[i].op_type, node->op_type) == 0) return rows[i].movement;
  return NOT_MOVING;
}

/* Whether the node is of use for nothing but its moved elements: no data symbol gets its value
 * there, nothing is checked by its steps. */
static bool only_moves(const Node *node) {
  const Value *x = node_in(node, 0), *y = NULL;
  for (int i = 0; i < node->output_count; i++) {
    if (!node->outputs[i]) continue;
    y = node->outputs[i];
    if (y->dtype != x->dtype) return false; /* Cast, the mask of Dropout */
    if (y->loads.count) return false;
    for (int d = 0; d < y->rank; d++)
      if (dim_has_data(y->shape[d])) return false;
  }
  return y && x;
}

bool view_moves(const Node *node) {
  return movement_of(node) != NOT_MOVING && node_in(node, 0) && only_moves(node);
}

bool view_through(Compilation *c, View *view, const Node *node, const Value *output) {
  View result = *view;
  bool ok = false;
  if (!view_moves(node)) return false;
  switch (movement_of(node)) {
  case RESHAPES: ok = view_reshape(c, &result, output->rank, output->shape); break;
  case TRANSPOSES: ok = through_transpose(c, &result, node); break;
  case SLICES: ok = through_slice(c, &result, node); break;
  case SPLITS: ok = through_split(c, &result, node, output); break;
  case GATHERS: ok = through_gather(c, &result, node, output); break;
  case EXPANDS: ok = view_broadcast(c, &result, output->rank, output->shape); break;
  case NOT_MOVING: break;
  }
  if (ok) *view = result;
  return ok;
}

bool view_back(Compilation *c, View *view, const Node *node) {
  const Value *x = node_in(node, 0);
  if (!view_moves(node)) return false;
  Movement movement = movement_of(node);
  if (movement == TRANSPOSES) return back_transpose(c, view, node);
  return movement == RESHAPES && view_reshape(c, view, x->rank, x->shape);
}

/* --- several views --- */

/* The innermost digit of the axis that `taken` has not been taken from yet. */
static ViewDigit *innermost(View *view, int axis, const int *left, int which) {
  return left[which] ? &view->axes[axis].digits[left[which] - 1] : NULL;
}

/* An extent that divides all views' innermost digits; NULL if there is none, or one view has no
 * digits left. */
static Dim common_extent(Compilation *c, View *const *views, const int *left, int count, int axis) {
  for (int i = 0; i < count; i++) {
    ViewDigit *own = innermost(views[i], axis, left, i);
    if (!own) return NULL;
    bool fits = true;
    for (int k = 0; k < count && fits; k++) {
      ViewDigit *other = innermost(views[k], axis, left, k);
      fits = other && whole_quotient(c, other->extent, own->extent) != NULL;
    }
    if (fits) return own->extent;
  }
  return NULL;
}

bool view_agree(Compilation *c, View *const *views, int view_count, int axis) {
  enum { MOST_VIEWS = 8 };
  ViewAxis made[MOST_VIEWS] = {{0}};
  int left[MOST_VIEWS], open = 0;
  CTC_ASSERT(view_count <= MOST_VIEWS);
  for (int i = 0; i < view_count; i++) open += left[i] = views[i]->axes[axis].count;
  while (open) {
    Dim extent = common_extent(c, views, left, view_count, axis);
    if (!extent) return false;
    open = 0;
    for (int i = 0; i < view_count; i++) {
      ViewDigit *digit = innermost(views[i], axis, left, i);
      if (!push_outer(&made[i], extent, digit->stride)) return false;
      *digit = (ViewDigit){whole_quotient(c, digit->extent, extent),
                           dim_mul(c->dims, digit->stride, extent)};
      if (dim_is(digit->extent, 1)) left[i]--;
      open += left[i];
    }
  }
  for (int i = 0; i < view_count; i++) views[i]->axes[axis] = made[i];
  return true;
}
