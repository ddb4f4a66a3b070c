/* content.c: rules for contents, and their application with numpy broadcasting. */
#include "ops/content.h"

#include "ops/op.h"

#include <math.h>

enum { MOST_ELEMENTS = 1024, MOST_SHIFT = 20 };

extern const OpDef op_Div, op_Mul;

/* --- rules --- */

static Dim number(const ContentCall *call, int64_t value) {
  return dim_const(call->pool, value);
}

static bool at_least(const ContentCall *call, Dim value, int64_t low) {
  return dim_known_ge(call->pool, value, number(call, low));
}

Dim content_abs(const ContentCall *call, const Dim *args, int count) {
  (void)count;
  if (at_least(call, args[0], 0)) return args[0];
  return dim_max(call->pool, args[0], dim_muli(call->pool, args[0], -1));
}

Dim content_add(const ContentCall *call, const Dim *args, int count) {
  Dim sum = args[0];
  for (int i = 1; i < count; i++) sum = dim_add(call->pool, sum, args[i]);
  return sum;
}

Dim content_sub(const ContentCall *call, const Dim *args, int count) {
  (void)count;
  return dim_sub(call->pool, args[0], args[1]);
}

Dim content_mul(const ContentCall *call, const Dim *args, int count) {
  (void)count;
  return dim_mul(call->pool, args[0], args[1]);
}

/* Integers are truncated, which is floored where nothing is negative; a float stays an integer only
 * if there is no rest. */
Dim content_div(const ContentCall *call, const Dim *args, int count) {
  (void)count;
  Dim a = args[0], b = args[1];
  if (!at_least(call, b, 1)) return NULL;
  bool exact = dim_is(dim_mod(call->pool, a, b), 0);
  bool floored = dtype_is_integer(call->to) && at_least(call, a, 0);
  return exact || floored ? dim_floordiv(call->pool, a, b) : NULL;
}

Dim content_mod(const ContentCall *call, const Dim *args, int count) {
  (void)count;
  bool truncated = node_int(call->node, "fmod", 0) != 0;
  if (!at_least(call, args[1], 1) || (truncated && !at_least(call, args[0], 0))) return NULL;
  return dim_mod(call->pool, args[0], args[1]);
}

Dim content_neg(const ContentCall *call, const Dim *args, int count) {
  (void)count;
  return dim_muli(call->pool, args[0], -1);
}

Dim content_max(const ContentCall *call, const Dim *args, int count) {
  Dim most = args[0];
  for (int i = 1; i < count; i++) most = dim_max(call->pool, most, args[i]);
  return most;
}

Dim content_min(const ContentCall *call, const Dim *args, int count) {
  Dim least = args[0];
  for (int i = 1; i < count; i++) least = dim_min(call->pool, least, args[i]);
  return least;
}

Dim content_relu(const ContentCall *call, const Dim *args, int count) {
  (void)count;
  return dim_max(call->pool, args[0], number(call, 0));
}

/* The content is a list of integers, so rounding changes nothing. */
Dim content_round(const ContentCall *call, const Dim *args, int count) {
  (void)call, (void)count;
  return args[0];
}

/* With two arguments: of the quotient args[0] / args[1] (see quotient_of). */
Dim content_floor(const ContentCall *call, const Dim *args, int count) {
  if (count == 1) return args[0];
  return at_least(call, args[1], 1) ? dim_floordiv(call->pool, args[0], args[1]) : NULL;
}

Dim content_ceil(const ContentCall *call, const Dim *args, int count) {
  if (count == 1) return args[0];
  return at_least(call, args[1], 1) ? dim_ceildiv(call->pool, args[0], args[1]) : NULL;
}

/* A quotient is truncated by a cast to an integer. */
Dim content_cast(const ContentCall *call, const Dim *args, int count) {
  if (count == 2 && !(dtype_is_integer(call->to) && at_least(call, args[0], 0))) return NULL;
  if (call->to == DT_BOOL)
    return dim_not(call->pool, dim_equal(call->pool, args[0], number(call, 0)));
  return content_floor(call, args, count);
}

Dim content_equal(const ContentCall *call, const Dim *args, int count) {
  (void)count;
  return dim_equal(call->pool, args[0], args[1]);
}

Dim content_less(const ContentCall *call, const Dim *args, int count) {
  (void)count;
  return dim_less(call->pool, args[0], args[1]);
}

Dim content_greater(const ContentCall *call, const Dim *args, int count) {
  (void)count;
  return dim_less(call->pool, args[1], args[0]);
}

Dim content_lessorequal(const ContentCall *call, const Dim *args, int count) {
  return dim_not(call->pool, content_greater(call, args, count));
}

Dim content_greaterorequal(const ContentCall *call, const Dim *args, int count) {
  return dim_not(call->pool, content_less(call, args, count));
}

Dim content_not(const ContentCall *call, const Dim *args, int count) {
  (void)count;
  return dim_not(call->pool, args[0]);
}

Dim content_and(const ContentCall *call, const Dim *args, int count) {
  (void)count;
  return dim_mul(call->pool, args[0], args[1]);
}

Dim content_or(const ContentCall *call, const Dim *args, int count) {
  (void)count;
  Dim neither = dim_mul(call->pool, dim_not(call->pool, args[0]), dim_not(call->pool, args[1]));
  return dim_not(call->pool, neither);
}

Dim content_xor(const ContentCall *call, const Dim *args, int count) {
  (void)count;
  return dim_not(call->pool, dim_equal(call->pool, args[0], args[1]));
}

Dim content_where(const ContentCall *call, const Dim *args, int count) {
  (void)count;
  if (!args[0]) return NULL;
  if (dim_is_const(args[0])) return args[dim_is(args[0], 0) ? 2 : 1];
  if (!args[1] || !args[2]) return NULL;
  return dim_select(call->pool, args[0], args[1], args[2]);
}

/* --- elements of values --- */

static bool holds_integers(DType dtype) {
  return dtype_is_integer(dtype) || dtype == DT_BOOL || dtype == DT_F32 || dtype == DT_F64;
}

/* The number of elements, or -1 if it is not known or too large. */
static int64_t element_count(const Value *value) {
  int64_t count = 1;
  for (int i = 0; i < value->rank; i++) {
    if (!dim_is_const(value->shape[i])) return -1;
    count *= dim_value(value->shape[i]);
    if (count > MOST_ELEMENTS) return -1;
  }
  return count;
}

const Dim *content_of(Compilation *c, const Value *value) {
  int64_t count = element_count(value);
  if (value->content) return value->content_count == count ? value->content : NULL;
  if (!value->constant || count < 0 || !holds_integers(value->dtype)) return NULL;
  Dim *content = ARENA_ARRAY(c->arena, Dim, count);
  for (int64_t i = 0; i < count; i++) {
    double real = tensor_real(value->constant, i);
    if (dtype_is_float(value->dtype) && !(real == floor(real) && fabs(real) < 9e15)) return NULL;
    content[i] = dim_const(c->dims, tensor_int(value->constant, i));
  }
  return content;
}

/* Position in `value` of the element that is broadcast to element `index` of `out`. */
static int64_t broadcast_index(const Value *out, const Value *value, int64_t index) {
  int64_t position = 0, stride = 1;
  for (int d = out->rank - 1, own = value->rank - 1; own >= 0; d--, own--) {
    int64_t extent = dim_value(value->shape[own]), loop = dim_value(out->shape[d]);
    if (extent != 1) position += index % loop * stride;
    index /= loop;
    stride *= extent;
  }
  return position;
}

/* Whether the result can be kept: told, not overflowed, and, as far as it is known, in the dtype's
 * range. */
static bool is_kept(Dim element, DType to) {
  if (!element || dim_is_overflow(element)) return false;
  if (!dtype_is_integer(to) || to == DT_I64) return true;
  int bits = (int)dtype_info(to)->bytes * 8;
  bool is_signed = dtype_info(to)->kind == KIND_INT;
  if (bits == 64) return !dim_is_const(element) || dim_value(element) >= 0;
  int64_t low = is_signed ? -((int64_t)1 << (bits - 1)) : 0;
  int64_t high = ((int64_t)1 << (is_signed ? bits - 1 : bits)) - 1;
  DimRange range = dim_range(element);
  if (bits == 32 && !dim_is_const(element))
    return true; /* a size: the model's author chose int32 */
  return range.low >= low && range.high <= high;
}

enum { MOST_ARGS = 32 };

/* Applies the rule to every element; inputs[k] has the elements contents[k], NULL if unknown. */
static void apply(const ContentCall *call, Compilation *c, Value *out, ContentRule rule,
                  Value *const *inputs, const Dim *const *contents, int count) {
  int64_t total = element_count(out);
  Dim *result = ARENA_ARRAY(c->arena, Dim, total);
  for (int64_t i = 0; i < total; i++) {
    Dim args[MOST_ARGS];
    for (int k = 0; k < count; k++)
      args[k] = contents[k] ? contents[k][broadcast_index(out, inputs[k], i)] : NULL;
    result[i] = rule(call, args, count);
    if (!is_kept(result[i], call->to)) return;
  }
  infer_content(c, out, result, total);
}

/* --- quotients --- */

/* `value` times a number with few binary digits behind the point, as a quotient: x * 0.375 = 3 x
 * / 8. */
static bool binary_fraction(double value, int64_t *over, int64_t *under) {
  for (int shift = 0; shift <= MOST_SHIFT; shift++) {
    double scaled = ldexp(value, shift);
    if (scaled != floor(scaled)) continue;
    *over = (int64_t)scaled;
    *under = (int64_t)1 << shift;
    return fabs(scaled) < 1e9;
  }
  return false;
}

/* A float value that is known to be content / content or content * constant: both parts, element by
 * element in its own shape. Sizes are so small that rounding the quotient to the nearest float
 * cannot carry it over an integer. */
static bool quotient_of(Compilation *c, const Value *value, const Dim **over, const Dim **under) {
  const Node *node = value->producer;
  int64_t count = element_count(value);
  if (!node || count < 0 || (node->op != &op_Div && node->op != &op_Mul)) return false;
  if (!dtype_is_float(value->dtype) || node->version < 7) return false;
  const Value *left = node_in(node, 0), *right = node_in(node, 1);
  if (node->op == &op_Mul && left->constant) {
    const Value *swapped = left;
    left = right;
    right = swapped;
  }
  const Dim *dividend = content_of(c, left);
  const Dim *divisor = node->op == &op_Div ? content_of(c, right) : NULL;
  if (!dividend || !(node->op == &op_Div ? divisor != NULL : right->constant != NULL)) return false;
  Dim *tops = ARENA_ARRAY(c->arena, Dim, count), *bottoms = ARENA_ARRAY(c->arena, Dim, count);
  for (int64_t i = 0; i < count; i++) {
    tops[i] = dividend[broadcast_index(value, left, i)];
    int64_t at = broadcast_index(value, right, i), a, b;
    if (divisor) {
      bottoms[i] = divisor[at];
      continue;
    }
    if (!binary_fraction(tensor_real(right->constant, at), &a, &b)) return false;
    tops[i] = dim_muli(c->dims, tops[i], a);
    bottoms[i] = dim_const(c->dims, b);
  }
  *over = tops;
  *under = bottoms;
  return true;
}

static bool all_constant(Value *const *inputs, int count) {
  for (int i = 0; i < count; i++)
    if (!inputs[i]->constant) return false;
  return true;
}

void content_apply(Compilation *c, Node *node, ContentRule rule, Value *const *inputs, int count) {
  Value *out = node_out(node, 0);
  if (!out || count > MOST_ARGS || !holds_integers(out->dtype) || element_count(out) < 0 ||
      all_constant(inputs, count))
    return;
  const ContentCall call = {c->dims, node, inputs[0]->dtype, out->dtype};
  const Dim *contents[MOST_ARGS];
  bool known = true;
  for (int i = 0; i < count; i++) {
    contents[i] = element_count(inputs[i]) >= 0 ? content_of(c, inputs[i]) : NULL;
    known = known && contents[i];
  }
  if (known || rule == content_where) {
    apply(&call, c, out, rule, inputs, contents, count);
    return;
  }
  bool rounds = rule == content_floor || rule == content_ceil || rule == content_cast;
  Value *const both[] = {inputs[0], inputs[0]};
  if (rounds && quotient_of(c, inputs[0], &contents[0], &contents[1]))
    apply(&call, c, out, rule, both, contents, 2);
}
