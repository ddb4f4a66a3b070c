/* movement.c: what the operators share that move elements without computing with them. */
#include "ops/movement.h"

#include "ops/content.h"

#include <string.h>

enum { MOST_CONTENT = 1024 };

bool require_movable(Compilation *c, const Node *node) {
  for (int i = 0; i < node->input_count; i++) {
    if (!node->inputs[i]) continue;
    DType dtype = node->inputs[i]->dtype;
    if (dtype == DT_C64 || dtype == DT_C128)
      return node_error(c, node, "complex tensors are not supported by %s yet", node->op_type);
  }
  return true;
}

int64_t element_bytes(DType dtype) {
  size_t bytes = dtype_info(dtype)->bytes;
  return bytes ? (int64_t)bytes : 1;
}

Dim dims_between(Compilation *c, const Value *value, int first, int last) {
  return dim_product(c->dims, value->shape + first, (size_t)(last - first));
}

/* Whether `dim` is a data symbol that infer_data_dim made for `out` before. */
static const DimSymbol *own_symbol(const Value *out, Dim dim) {
  const DimSymbol *symbol = dim_symbol(dim);
  if (!symbol || symbol->kind != SYMBOL_DATA) return NULL;
  size_t length = strlen(out->name);
  bool named = strncmp(symbol->name, out->name, length) == 0 && symbol->name[length] == '.';
  return named ? symbol : NULL;
}

Dim infer_data_dim(Compilation *c, const Value *out, int axis, Dim bound) {
  int64_t high = bound && dim_is_const(bound) ? dim_value(bound) : INT64_MAX;
  const DimSymbol *known = out->rank > axis ? own_symbol(out, out->shape[axis]) : NULL;
  if (!known) {
    const char *name = arena_printf(c->arena, "%s.%d", out->name, axis);
    return dim_data(c->dims, name, 0, high, bound);
  }
  DimSymbol *symbol = dim_symbol_at(c->dims, (size_t)known->index);
  symbol->high = high;
  symbol->bound = bound;
  return out->shape[axis];
}

/* Whether the symbol is an element of a tensor: no count, no size. */
static bool is_element(const DimSymbol *symbol, void *context) {
  (void)context;
  return symbol->kind == SYMBOL_DATA && !symbol->bound && !symbol->definition;
}

/* Whether `size` never falls while one of the elements in it rises. */
static bool rises_with_elements(Compilation *c, Dim size) {
  for (size_t i = 0; i < dim_symbol_count(c->dims); i++) {
    const DimSymbol *symbol = dim_symbol_at(c->dims, i);
    if (!is_element(symbol, NULL) || !dim_mentions(size, symbol)) continue;
    Dim next = dim_addi(c->dims, dim_of_symbol(c->dims, symbol), 1);
    if (symbol->low < 0 ||
        !dim_known_ge(c->dims, dim_substitute(c->dims, size, symbol, next), size))
      return false;
  }
  return true;
}

/* The symbol that another value of the graph has for the same size, or NULL. */
static Dim shared_dim(Compilation *c, const Node *node, Dim size) {
  for (size_t i = 0; i < dim_symbol_count(c->dims); i++) {
    const DimSymbol *symbol = dim_symbol_at(c->dims, i);
    if (symbol->definition == size && symbol->scope == node->graph)
      return dim_of_symbol(c->dims, symbol);
  }
  return NULL;
}

Dim infer_own_dim(Compilation *c, const Node *node, const Value *out, int axis, Dim size,
                  Dim bound) {
  if (dim_is_const(size) || rises_with_elements(c, size)) return size;
  Dim shared = shared_dim(c, node, size);
  if (shared) return shared;
  Dim own = infer_data_dim(c, out, axis, bound);
  DimSymbol *symbol = dim_symbol_at(c->dims, (size_t)dim_symbol(own)->index);
  symbol->definition = size;
  symbol->scope = node->graph;
  return own;
}

void lower_own_dims(Lower *l, const Value *out) {
  for (int d = 0; d < out->rank; d++) {
    const DimSymbol *symbol = own_symbol(out, out->shape[d]);
    if (symbol && symbol->definition) lower_define(l, symbol, symbol->definition);
  }
}

/* --- assumptions on the caller's dims --- */

enum { ASSUMED_HIGH = 1000000000 };

struct DimAssumption {
  size_t count;
  DimRange *ranges; /* of the symbols before */
};

DimAssumption *dims_assume(Compilation *c) {
  DimAssumption *assumption = ARENA_NEW(c->arena, DimAssumption);
  assumption->count = dim_symbol_count(c->dims);
  assumption->ranges = ARENA_ARRAY(c->arena, DimRange, assumption->count);
  for (size_t i = 0; i < assumption->count; i++) {
    DimSymbol *symbol = dim_symbol_at(c->dims, i);
    assumption->ranges[i] = (DimRange){symbol->low, symbol->high};
    if (symbol->kind != SYMBOL_INPUT) continue;
    if (symbol->low == 0 && symbol->high > 0) symbol->low = 1;
    if (symbol->high > ASSUMED_HIGH) symbol->high = ASSUMED_HIGH;
  }
  return assumption;
}

void dims_restore(Compilation *c, const DimAssumption *assumption) {
  for (size_t i = 0; i < assumption->count; i++) {
    DimSymbol *symbol = dim_symbol_at(c->dims, i);
    symbol->low = assumption->ranges[i].low;
    symbol->high = assumption->ranges[i].high;
  }
}

/* Whether the two differ for a tensor of `count` elements when the symbol is 0 and all others are
 * `other`. */
static bool differ_at_zero(Compilation *c, Dim exact, Dim assumed, Dim count, size_t zero,
                           int64_t other) {
  size_t symbols = dim_symbol_count(c->dims);
  int64_t *values = ARENA_ARRAY(c->arena, int64_t, symbols + 1);
  for (size_t i = 0; i < symbols; i++) {
    const DimSymbol *symbol = dim_symbol_at(c->dims, i);
    values[i] = i == zero              ? 0
                : other < symbol->low  ? symbol->low
                : other > symbol->high ? symbol->high
                                       : other;
  }
  bool known[3];
  int64_t a = dim_eval(exact, values, &known[0]), b = dim_eval(assumed, values, &known[1]);
  int64_t elements = dim_eval(count, values, &known[2]);
  return known[0] && known[1] && known[2] && a != b && elements > 0;
}

bool infer_assumed(Compilation *c, const Node *node, const Value *x, Dim *exact, Dim assumed) {
  if (*exact == assumed) return true;
  for (size_t i = 0; i < dim_symbol_count(c->dims); i++) {
    const DimSymbol *symbol = dim_symbol_at(c->dims, i);
    if (symbol->kind != SYMBOL_INPUT || symbol->low > 0 || !dim_mentions(*exact, symbol)) continue;
    Dim count = value_count(c, x);
    if (differ_at_zero(c, *exact, assumed, count, i, 8) ||
        differ_at_zero(c, *exact, assumed, count, i, 3))
      return true;
  }
  Dim same = dim_equal(c->dims, *exact, assumed);
  *exact = assumed;
  return infer_require(c, node, same, "a dim is 0 or too large for this program");
}

bool infer_require(Compilation *c, const Node *node, Dim condition, const char *what) {
  if (dim_is_const(condition)) return dim_value(condition) != 0 || node_error(c, node, "%s", what);
  NodeCheck check = {condition, what};
  vec_push(c->arena, &((Node *)node)->checks, check);
  return true;
}

Dim index_from_end(Compilation *c, Dim index, Dim size) {
  Dim zero = dim_const(c->dims, 0);
  if (dim_known_ge(c->dims, index, zero)) return index;
  return dim_select(c->dims, dim_less(c->dims, index, zero), dim_add(c->dims, index, size), index);
}

Dim names_axis(Compilation *c, Dim axis, int d, int rank) {
  return dim_add(c->dims, dim_equal(c->dims, axis, dim_const(c->dims, d)),
                 dim_equal(c->dims, axis, dim_const(c->dims, d - rank)));
}

/* --- contents --- */

bool const_shape(const Value *value, int64_t *dims) {
  for (int d = 0; d < value->rank; d++) {
    if (!dim_is_const(value->shape[d])) return false;
    dims[d] = dim_value(value->shape[d]);
  }
  return true;
}

void const_strides(const int64_t *dims, int rank, int64_t *stride) {
  int64_t run = 1;
  for (int d = rank - 1; d >= 0; d--) {
    stride[d] = run;
    run *= dims[d];
  }
}

bool content_fits(Dim count) {
  return dim_is_const(count) && dim_value(count) >= 0 && dim_value(count) <= MOST_CONTENT;
}

/* Moves `index` to the next position of a row-major walk over `dims`. */
static void step_index(const int64_t *dims, int rank, int64_t *index) {
  for (int d = rank - 1; d >= 0; d--) {
    if (++index[d] < dims[d]) return;
    index[d] = 0;
  }
}

void content_move(Compilation *c, Value *out, const Value *in, int64_t offset,
                  const int64_t *stride) {
  int64_t dims[MAX_RANK], index[MAX_RANK] = {0};
  const Dim *content = in->constant ? NULL : content_of(c, in);
  Dim total = value_count(c, out);
  if (!content || !content_fits(total) || !const_shape(out, dims)) return;
  int64_t count = dim_value(total);
  Dim *moved = ARENA_ARRAY(c->arena, Dim, count);
  for (int64_t i = 0; i < count; i++) {
    int64_t position = offset;
    for (int d = 0; d < out->rank; d++) position += index[d] * stride[d];
    moved[i] = content[position];
    step_index(dims, out->rank, index);
  }
  infer_content(c, out, moved, count);
}

void content_reshape(Compilation *c, Value *out, const Value *in) {
  int64_t dims[MAX_RANK], stride[MAX_RANK];
  if (!const_shape(out, dims)) return;
  const_strides(dims, out->rank, stride);
  content_move(c, out, in, 0, stride);
}

/* --- lowering --- */

void lower_fill(Lower *l, const Value *value, double number) {
  LoopNest *nest = lower_nest(l, value->rank, value->shape);
  nest_store(l, nest, value, nest_cast(l, nest, operand_real(DT_F32, number), value->dtype));
}

void lower_content(Lower *l, const Value *value) {
  CTC_ASSERT(value->content && value->dtype == DT_I64);
  Step *step = lower_kernel(l, "set_dims", DT_NONE);
  arg_out(l, step, value);
  arg_dims(l, step, value->content, (int)value->content_count);
  arg_int(l, step, value->content_count);
}

Buffer *lower_indices(Lower *l, const Value *value) {
  return lower_converted(l, value, DT_I64);
}
