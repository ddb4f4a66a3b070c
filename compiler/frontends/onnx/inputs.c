/* inputs.c: the inputs of the model and what the command line says of them.
 *
 *   --dim N=4          every N is 4                 --shape x=1x3x224x224   the shape of x,
 * whatever the model says
 *   --dim 'N<=512'     N has a bound                --set rate=16000        x is a constant, no
 * input
 *
 * First all shapes are read, so that all names of dimensions are known; then come the options; then
 * values are made. */
#include "reader.h"

#include "options.h"

typedef struct {
  const char *name;
  DType dtype;
  int rank;
  Dim shape[MAX_RANK];
  const ShapeOption *override;
  const SetOption *set;
} Input;

typedef struct {
  Reader *r;
  Vec(Input) inputs;
  Map by_name; /* index + 1 */
} Inputs;

static bool input_error(const Reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool input_error(const Reader *r, const char *format, ...) {
  va_list args;
  va_start(args, format);
  diag_verror(r->c->diag, r->c->file, format, args);
  va_end(args);
  return false;
}

/* ---- types ---- */

/* Texts that exporters write for "unknown", not as names: two of them are not the same size. */
static bool is_name(const char *param) {
  static const char *const unknown[] = {"", "?", "-1", "None", "none", "unk", "unknown"};
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
    if (strcmp(param, unknown[i]) == 0) return false;
  return true;
}

static Dim read_dim(Reader *r, const Onnx__TensorShapeProto__Dimension *proto, const char *input,
                    int axis) {
  if (proto && proto->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
      proto->dim_value >= 0)
    return dim_const(r->c->dims, proto->dim_value);
  if (proto && proto->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
      is_name(proto->dim_param))
    return dim_input(r->c->dims, proto->dim_param);
  return dim_input(r->c->dims, arena_printf(r->arena, "%s.%d", input, axis));
}

static const char *kind_text(const Onnx__TypeProto *type) {
  switch (type ? type->value_case : ONNX__TYPE_PROTO__VALUE__NOT_SET) {
  case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE: return "a tensor";
  case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE: return "a sequence";
  case ONNX__TYPE_PROTO__VALUE_MAP_TYPE: return "a map";
  case ONNX__TYPE_PROTO__VALUE_OPAQUE_TYPE: return "an opaque value";
  case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE: return "a sparse tensor";
  case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE: return "an optional value";
  default: return "of no type";
  }
}

/* The shape as the model has it; rank -1 if it has none. */
static bool read_type(Reader *r, const Onnx__ValueInfoProto *proto, Input *input) {
  const Onnx__TypeProto *type = proto->type;
  if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !type->tensor_type)
    return input_error(r, "input '%s' is %s; ctc takes tensors only", input->name, kind_text(type));
  input->dtype = dtype_from_onnx(type->tensor_type->elem_type);
  if (input->dtype == DT_NONE)
    return input_error(r, "input '%s' has unknown element type %d", input->name,
                       type->tensor_type->elem_type);
  const Onnx__TensorShapeProto *shape = type->tensor_type->shape;
  input->rank = -1;
  if (!shape) return true;
  if (shape->n_dim > MAX_RANK)
    return input_error(r, "input '%s' has rank %zu; ctc takes at most %d", input->name,
                       shape->n_dim, MAX_RANK);
  input->rank = (int)shape->n_dim;
  for (int i = 0; i < input->rank; i++)
    input->shape[i] = read_dim(r, shape->dim[i], input->name, i);
  return true;
}

/* ---- options ---- */

static Input *find_input(const Inputs *all, const char *option, const char *name) {
  uintptr_t index = (uintptr_t)map_get(&all->by_name, name);
  if (index) return &all->inputs.items[index - 1];
  const char **names = ARENA_ARRAY(all->r->arena, const char *, all->inputs.count + 1);
  for (size_t i = 0; i < all->inputs.count; i++) names[i] = all->inputs.items[i].name;
  const char *near = str_nearest(name, names, all->inputs.count);
  input_error(all->r, "%s: the model has no input '%s'", option, name);
  if (near)
    diag_hint(all->r->c->diag, "did you mean '%s'?", near);
  else if (all->inputs.count)
    diag_hint(all->r->c->diag, "its first input is '%s'", names[0]);
  return NULL;
}

/* From now on the symbol is `size`, in all inputs: equal names are equal sizes. */
static bool fix_symbol(const Reader *r, const char *option, const char *name, int64_t size) {
  DimSymbol *symbol = dim_find_symbol(r->c->dims, name);
  if (size < 0)
    return input_error(r, "%s: dimension '%s' cannot be %lld", option, name, (long long)size);
  if (symbol->low == symbol->high && symbol->low != size)
    return input_error(r, "%s: dimension '%s' cannot be %lld, it is %lld already", option, name,
                       (long long)size, (long long)symbol->low);
  dim_fix(r->c->dims, symbol, size);
  return true;
}

static bool override_dim(const Reader *r, Input *input, int axis, int64_t size) {
  const DimSymbol *symbol = dim_symbol(input->shape[axis]);
  input->shape[axis] = dim_const(r->c->dims, size);
  return !symbol || fix_symbol(r, "--shape", symbol->name, size);
}

static bool apply_shape(Inputs *all, const ShapeOption *option) {
  Input *input = find_input(all, "--shape", option->input);
  if (!input) return false;
  if (input->rank >= 0 && input->rank != option->rank)
    return input_error(all->r, "--shape: input '%s' has rank %d, but the option has %d sizes",
                       input->name, input->rank, option->rank);
  bool unranked = input->rank < 0, ok = true;
  input->rank = option->rank;
  for (int i = 0; i < option->rank; i++) {
    if (unranked) input->shape[i] = read_dim(all->r, NULL, input->name, i);
    if (option->dims[i] >= 0) ok = override_dim(all->r, input, i, option->dims[i]) && ok;
  }
  return ok;
}

static bool unknown_dim(const Inputs *all, const char *name) {
  DimPool *pool = all->r->c->dims;
  size_t count = dim_symbol_count(pool);
  const char **names = ARENA_ARRAY(all->r->arena, const char *, count + 1);
  Str list = str_in(all->r->arena);
  for (size_t i = 0; i < count; i++) {
    names[i] = dim_symbol_at(pool, i)->name;
    str_addf(&list, "%s%s", i ? ", " : "", names[i]);
  }
  const char *near = str_nearest(name, names, count);
  input_error(all->r, "--dim: the model has no dimension '%s'", name);
  if (near) return diag_hint(all->r->c->diag, "did you mean '%s'?", near);
  if (count) return diag_hint(all->r->c->diag, "its dimensions are: %s", str_text(&list));
  return diag_hint(all->r->c->diag, "all sizes of its inputs are fixed");
}

static bool apply_dim(const Inputs *all, const DimOption *option) {
  DimPool *pool = all->r->c->dims;
  DimSymbol *symbol = dim_find_symbol(pool, option->name);
  if (!symbol) return unknown_dim(all, option->name);
  if (option->fixed || option->value < 0)
    return fix_symbol(all->r, "--dim", option->name, option->value);
  symbol->high = option->value;
  symbol->bound = dim_const(pool, option->value);
  return true;
}

static bool apply_options(Inputs *all, const Options *options) {
  bool ok = true;
  for (size_t i = 0; i < options->shape_count; i++)
    ok = apply_shape(all, &options->shapes[i]) && ok;
  for (size_t i = 0; i < options->dim_count; i++) ok = apply_dim(all, &options->dims[i]) && ok;
  for (size_t i = 0; i < options->set_count; i++) {
    Input *input = find_input(all, "--set", options->sets[i].input);
    if (input) input->set = &options->sets[i];
    ok = ok && input;
  }
  return ok;
}

/* ---- values ---- */

/* An input that --set makes a constant; its size must be known. */
static Value *set_value(Reader *r, const Input *input) {
  int64_t dims[MAX_RANK];
  for (int i = 0; i < input->rank; i++) {
    if (!dim_is_const(input->shape[i])) {
      input_error(r, "--set: size %d of input '%s' is not known", i, input->name);
      diag_hint(r->c->diag, "give it with --shape or --dim");
      return NULL;
    }
    dims[i] = dim_value(input->shape[i]);
  }
  const char *where = arena_printf(r->arena, "%s: --set '%s'", r->c->file, input->name);
  const Tensor *tensor = literal_read(r, where, input->set->text, input->dtype, input->rank, dims);
  return tensor ? value_constant(r->c, input->name, tensor) : NULL;
}

static Value *input_value(Reader *r, Input *input) {
  if (input->rank < 0) {
    input_error(r, "input '%s' (%s) has no shape in the model", input->name,
                dtype_info(input->dtype)->name);
    diag_hint(r->c->diag, "give it: --shape %s=1x3x224x224 ('?' for a size that may vary)",
              input->name);
    return NULL;
  }
  for (int i = 0; i < input->rank; i++) input->shape[i] = dim_refresh(r->c->dims, input->shape[i]);
  if (input->set) return set_value(r, input);
  Value *value = value_create(r->c, input->name);
  value_set_type(r->c, value, input->dtype, input->rank, input->shape);
  value->is_input = true;
  return value;
}

static bool make_values(Inputs *all, Scope *scope) {
  Reader *r = all->r;
  bool ok = true;
  for (size_t i = 0; i < all->inputs.count; i++) {
    Input *input = &all->inputs.items[i];
    Value *value = input_value(r, input);
    if (!value) {
      ok = false;
      value = value_create(r->c, input->name); /* for its users */
    } else if (!input->set) {
      vec_push(r->arena, &scope->graph->inputs, value);
    }
    map_set(&scope->values, input->name, value);
  }
  return ok;
}

bool inputs_read(Reader *r, Scope *scope, const Onnx__GraphProto *proto) {
  Inputs all = {.r = r, .by_name = map_in(r->arena)};
  bool ok = true;
  for (size_t i = 0; i < proto->n_input; i++) {
    Input input = {.name = text_or_empty(proto->input[i]->name)};
    if (map_get(&scope->values, input.name)) continue; /* an initializer with a default of old */
    if (map_get(&all.by_name, input.name)) {
      ok = input_error(r, "input '%s' is there twice", input.name);
      continue;
    }
    if (!read_type(r, proto->input[i], &input)) {
      ok = false;
      map_set(&scope->values, input.name, value_create(r->c, input.name));
      continue;
    }
    vec_push(r->arena, &all.inputs, input);
    map_set(&all.by_name, input.name, (void *)(uintptr_t)all.inputs.count);
  }
  if (r->c->options) ok = apply_options(&all, r->c->options) && ok;
  return make_values(&all, scope) && ok;
}
