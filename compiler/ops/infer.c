/* infer.c: what the inference functions of operators share. */
#include "ops/text.h"

#include <inttypes.h>
#include <string.h>

/* One dim of a broadcast result. False if two constants contradict. */
static bool broadcast_dim(DimPool *pool, Dim a, Dim b, Dim *result) {
  if (a == b || dim_is(b, 1)) return *result = a, true;
  if (dim_is(a, 1)) return *result = b, true;
  if (dim_is_const(a) && dim_is_const(b)) return false;
  if (dim_is_const(a) || dim_range(a).low > 1) return *result = a, true;
  if (dim_is_const(b) || dim_range(b).low > 1) return *result = b, true;
  return *result = dim_max(pool, a, b), true;
}

/* Demands while the program runs what broadcast_dim could only assume: a == b, or one of them is 1
 * and the other not 0. */
static void check_broadcast(Compilation *c, const Node *node, Dim a, Dim b) {
  DimPool *pool = c->dims;
  if (a == b || dim_is(a, 1) || dim_is(b, 1)) return;
  Dim zero = dim_const(pool, 0), one = dim_const(pool, 1);
  Dim spread_a = dim_mul(pool, dim_equal(pool, a, one), dim_less(pool, zero, b));
  Dim spread_b = dim_mul(pool, dim_equal(pool, b, one), dim_less(pool, zero, a));
  Dim fits = dim_max(pool, dim_equal(pool, a, b), dim_max(pool, spread_a, spread_b));
  if (dim_is(fits, 1)) return;
  NodeCheck check = {fits, "the shapes cannot be broadcast together"};
  vec_push(c->arena, &((Node *)(uintptr_t)node)->checks, check);
}

bool infer_broadcast(Compilation *c, const Node *node, Value *const *values, int count, int *rank,
                     Dim *shape) {
  *rank = 0;
  for (int i = 0; i < count; i++)
    if (values[i] && values[i]->rank > *rank) *rank = values[i]->rank;
  for (int d = 0; d < *rank; d++) {
    shape[d] = dim_const(c->dims, 1);
    for (int i = 0; i < count; i++) {
      if (!values[i]) continue;
      int own = d - (*rank - values[i]->rank);
      if (own < 0) continue;
      check_broadcast(c, node, shape[d], values[i]->shape[own]);
      if (!broadcast_dim(c->dims, shape[d], values[i]->shape[own], &shape[d]))
        return node_error(
            c, node, "the shapes cannot be broadcast together: axis %d is %" PRId64 " and %" PRId64,
            d - *rank, dim_value(shape[d]), dim_value(values[i]->shape[own]));
    }
  }
  return true;
}

bool infer_axis(Compilation *c, const Node *node, int64_t axis, int rank, int *result) {
  if (axis < -(int64_t)rank || axis >= rank)
    return node_error(c, node, "axis %" PRId64 " is outside of [%d, %d]", axis, -rank, rank - 1);
  *result = (int)(axis < 0 ? axis + rank : axis);
  return true;
}

void infer_same(Compilation *c, Node *node, int output, int input) {
  Value *to = node_out(node, output);
  const Value *from = node_in(node, input);
  if (!to) return;
  value_set_type(c, to, from->dtype, from->rank, from->shape);
  if (from->constant)
    value_set_constant(c, to, from->constant);
  else if (from->content)
    infer_content(c, to, from->content, from->content_count);
}

/* The elements of a constant integer tensor. */
static const int64_t *constant_ints(Compilation *c, const Value *value, size_t *count) {
  *count = (size_t)value->constant->count;
  int64_t *values = ARENA_ARRAY(c->arena, int64_t, *count);
  for (size_t i = 0; i < *count; i++) values[i] = tensor_int(value->constant, (int64_t)i);
  return values;
}

bool infer_const_ints(Compilation *c, const Node *node, int input, const char *name, bool *present,
                      const int64_t **values, size_t *count) {
  Value *value = node_in(node, input);
  *present = true;
  *count = 0;
  *values = NULL;
  if (value && value->constant) return *values = constant_ints(c, value, count), true;
  if (value && value->content) {
    int64_t *known = ARENA_ARRAY(c->arena, int64_t, value->content_count);
    if (value_const_ints(value, known)) {
      *count = (size_t)value->content_count;
      *values = known;
      return true;
    }
  }
  if (value) {
    node_error(c, node, "input %d '%s' must be known when compiling", input, value->name);
    return diag_hint(c->diag,
                     "fix it with --set %s=…, or fix the dims that it is computed from with --dim",
                     value->name);
  }
  const Attr *attr = name ? node_attr(node, name) : NULL;
  *present = attr != NULL;
  if (attr) {
    *count = attr->kind == ATTR_INT ? 1 : attr->count;
    *values = attr->kind == ATTR_INT ? &attr->i : attr->ints;
  }
  return true;
}

bool infer_elements(Compilation *c, const Node *node, int input, int64_t low, int64_t high,
                    const Dim **values, int *count) {
  Value *value = node_in(node, input);
  Dim total = value_count(c, value);
  if (!dim_is_const(total)) {
    node_error(c, node, "the number of elements of input %d '%s' is not known when compiling",
               input, value->name);
    return diag_hint(c->diag, "fix its shape with --dim or --shape");
  }
  *count = (int)dim_value(total);
  Dim *elements = ARENA_ARRAY(c->arena, Dim, *count);
  for (int i = 0; i < *count; i++) elements[i] = value_element(c, value, i, low, high);
  *values = elements;
  return true;
}

bool infer_require_equal(Compilation *c, const Node *node, Dim a, Dim b, const char *what) {
  if (a == b) return true;
  Dim equal = dim_equal(c->dims, a, b);
  if (dim_is(equal, 1)) return true;
  if (dim_is(equal, 0)) {
    Str text = str_in(c->arena);
    dim_print(&text, a);
    str_add(&text, " and ");
    dim_print(&text, b);
    return node_error(c, node, "%s must be equal, but they are %s", what, str_text(&text));
  }
  NodeCheck check = {equal, what};
  vec_push(c->arena, &((Node *)node)->checks, check);
  return true;
}

/* The content as a constant tensor of the value's dtype, or NULL if an element is only symbolic. */
static const Tensor *content_tensor(Compilation *c, const Value *value, const Dim *content,
                                    int64_t count) {
  int64_t dims[MAX_RANK];
  for (int i = 0; i < value->rank; i++) dims[i] = dim_value(value->shape[i]);
  for (int64_t i = 0; i < count; i++)
    if (!dim_is_const(content[i])) return NULL;
  void *data;
  Tensor *tensor = tensor_create(c->arena, value->dtype, value->rank, dims, &data);
  for (int64_t i = 0; i < count; i++) {
    int64_t number = dim_value(content[i]);
    switch (value->dtype) {
    case DT_I64: ((int64_t *)data)[i] = number; break;
    case DT_I32: ((int32_t *)data)[i] = (int32_t)number; break;
    case DT_F32: ((float *)data)[i] = (float)number; break;
    case DT_F64: ((double *)data)[i] = (double)number; break;
    case DT_BOOL: ((uint8_t *)data)[i] = number != 0; break;
    default: return NULL; /* folding by running the node does the rest */
    }
  }
  return tensor;
}

void infer_content(Compilation *c, Value *value, const Dim *content, int64_t count) {
  value->content = arena_copy(c->arena, content, (size_t)count * sizeof(Dim));
  value->content_count = count;
  const Tensor *tensor = content_tensor(c, value, content, count);
  if (tensor) value_set_constant(c, value, tensor);
}

const Tensor *attr_tensor(Arena *arena, const Attr *attr) {
  int64_t count = (int64_t)attr->count;
  Tensor *tensor;
  void *data;
  switch (attr->kind) {
  case ATTR_INT: return tensor_scalar_int(arena, DT_I64, attr->i);
  case ATTR_FLOAT: return tensor_scalar_f32(arena, attr->f);
  case ATTR_INTS: return tensor_i64(arena, attr->ints, count);
  case ATTR_FLOATS:
    tensor = tensor_create(arena, DT_F32, 1, &count, &data);
    if (count) memcpy(data, attr->floats, attr->count * sizeof *attr->floats);
    return tensor;
  case ATTR_STRING: return text_tensor(arena, 0, &attr->s, 1);
  case ATTR_STRINGS: return text_tensor(arena, 1, attr->strings, count);
  default: return attr->tensor; /* ATTR_TENSOR, or a sparse one made dense */
  }
}
