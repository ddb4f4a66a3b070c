/* value.c: values of the graph: type, known data, elements as expressions. */
#include "ir/graph.h"

#include <string.h>

/* Constants up to this many elements keep their elements as expressions. */
enum { MOST_CONTENT = 1024 };
/* Tensors up to this many elements that are only known at run time get a data symbol for every
 * element at once. */
enum { MOST_LOADED_TOGETHER = 64 };

Value *value_create(Compilation *c, const char *name) {
  Value *value = ARENA_NEW(c->arena, Value);
  value->name = name;
  value->rank = -1;
  value->id = c->next_value_id++;
  return value;
}

Value *value_constant(Compilation *c, const char *name, const Tensor *tensor) {
  Value *value = value_create(c, name);
  value_set_constant(c, value, tensor);
  return value;
}

void value_set_type(Compilation *c, Value *value, DType dtype, int rank, const Dim *shape) {
  CTC_ASSERT(rank >= 0 && rank <= MAX_RANK);
  value->dtype = dtype;
  value->rank = rank;
  value->shape = arena_copy(c->arena, shape, (size_t)rank * sizeof *shape);
}

/* The elements of a small tensor of integers or truth values; NULL if one does not fit int64. */
static Dim *constant_content(Compilation *c, const Tensor *tensor) {
  if (tensor->count > MOST_CONTENT) return NULL;
  if (!dtype_is_integer(tensor->dtype) && tensor->dtype != DT_BOOL) return NULL;
  Dim *content = ARENA_ARRAY(c->arena, Dim, tensor->count);
  for (int64_t i = 0; i < tensor->count; i++) {
    int64_t element = tensor_int(tensor, i);
    if (tensor->dtype == DT_U64 && element < 0) return NULL;
    content[i] = dim_const(c->dims, element);
  }
  return content;
}

void value_set_constant(Compilation *c, Value *value, const Tensor *tensor) {
  Dim shape[MAX_RANK];
  for (int i = 0; i < tensor->rank; i++) shape[i] = dim_const(c->dims, tensor->dims[i]);
  value_set_type(c, value, tensor->dtype, tensor->rank, shape);
  value->constant = tensor;
  value->content = constant_content(c, tensor);
  value->content_count = value->content ? tensor->count : 0;
}

Dim value_count(Compilation *c, const Value *value) {
  CTC_ASSERT(value->rank >= 0);
  return dim_product(c->dims, value->shape, (size_t)value->rank);
}

bool value_const_ints(const Value *value, int64_t *out) {
  if (!value->content) return false;
  for (int64_t i = 0; i < value->content_count; i++)
    if (!dim_is_const(value->content[i])) return false;
  for (int64_t i = 0; i < value->content_count; i++) out[i] = dim_value(value->content[i]);
  return true;
}

/* ---- elements read at run time ---- */

static Dim find_load(const Value *value, int64_t index) {
  for (size_t i = 0; i < value->loads.count; i++)
    if (value->loads.items[i].index == index) return value->loads.items[i].symbol;
  return NULL;
}

/* Cuts the range of the element's symbol to [low, high], unless nothing would be left. */
static void narrow_load(Compilation *c, Dim element, int64_t low, int64_t high) {
  const DimSymbol *known = dim_symbol(element);
  if (!known) return;
  DimSymbol *symbol = dim_symbol_at(c->dims, (size_t)known->index);
  if (low < symbol->low) low = symbol->low;
  if (high > symbol->high) high = symbol->high;
  if (low > high) return;
  symbol->low = low;
  symbol->high = high;
}

static Dim add_load(Compilation *c, Value *value, int64_t index) {
  const char *name =
      value->name && value->name[0] ? value->name : arena_printf(c->arena, "value_%d", value->id);
  if (value->rank != 0) name = arena_printf(c->arena, "%s[%lld]", name, (long long)index);
  bool is_unsigned = dtype_info(value->dtype)->kind == KIND_UINT;
  int64_t low = is_unsigned || value->dtype == DT_BOOL ? 0 : INT64_MIN;
  int64_t high = value->dtype == DT_BOOL ? 1 : INT64_MAX;
  ElementLoad load = {dim_data(c->dims, name, low, high, NULL), index};
  vec_push(c->arena, &value->loads, load);
  return load.symbol;
}

static Dim load_element(Compilation *c, Value *value, int64_t index) {
  Dim known = find_load(value, index);
  return known ? known : add_load(c, value, index);
}

/* Symbols for all elements of a small tensor, so that its content is complete and goes on through
 * Slice, Concat, … */
static void load_content(Compilation *c, Value *value) {
  Dim count = value_count(c, value);
  if (!dim_is_const(count) || dim_value(count) > MOST_LOADED_TOGETHER) return;
  value->content_count = dim_value(count);
  value->content = ARENA_ARRAY(c->arena, Dim, value->content_count);
  for (int64_t i = 0; i < value->content_count; i++) value->content[i] = load_element(c, value, i);
}

bool value_loads(const Value *value, const DimSymbol *symbol) {
  for (size_t i = 0; i < value->loads.count; i++)
    if (dim_symbol(value->loads.items[i].symbol) == symbol) return true;
  return false;
}

Dim value_element(Compilation *c, Value *value, int64_t index, int64_t low, int64_t high) {
  CTC_ASSERT(index >= 0);
  if (!value->content && !value->constant) load_content(c, value);
  Dim element;
  if (value->content) {
    CTC_ASSERT(index < value->content_count);
    element = value->content[index];
  } else if (value->constant) { /* large: its content is not kept */
    return dim_const(c->dims, tensor_int(value->constant, index));
  } else {
    element = load_element(c, value, index);
  }
  if (find_load(value, index) == element) narrow_load(c, element, low, high);
  return element;
}

const char *value_type_text(Compilation *c, const Value *value) {
  Str text = str_in(c->arena);
  str_add(&text, dtype_info(value->dtype)->name);
  if (value->rank >= 0)
    dims_print(&text, value->shape, value->rank);
  else if (value->dtype != DT_NONE)
    str_add(&text, " of unknown rank");
  return str_text(&text);
}
