/* inputs.c: what the command line says of a model's inputs.
 *
 *   --dim N=4          every N is 4                 --shape x=1x3x224x224   the shape of x,
 * whatever the model says
 *   --dim 'N<=512'     N has a bound                --set rate=16000        x is a constant, no
 * input
 *
 * All shapes are read before, so that all names of dimensions are known; then come the options;
 * then values are made. */
#include "frontends/common/inputs.h"

#include "options.h"

static bool input_error(const Compilation *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool input_error(const Compilation *c, const char *format, ...) {
  va_list args;
  va_start(args, format);
  diag_verror(c->diag, c->file, format, args);
  va_end(args);
  return false;
}

ModelInputs model_inputs_in(Compilation *c) {
  return (ModelInputs){.c = c, .by_name = map_in(c->arena)};
}

bool model_inputs_add(ModelInputs *all, const ModelInput *input) {
  if (map_get(&all->by_name, input->name)) return false;
  vec_push(all->c->arena, &all->inputs, *input);
  map_set(&all->by_name, input->name, (void *)(uintptr_t)all->inputs.count);
  return true;
}

Dim model_inputs_open_dim(Compilation *c, const char *input, int axis) {
  return dim_input(c->dims, arena_printf(c->arena, "%s.%d", input, axis));
}

/* ---- options ---- */

static ModelInput *find_input(const ModelInputs *all, const char *option, const char *name) {
  uintptr_t index = (uintptr_t)map_get(&all->by_name, name);
  if (index) return &all->inputs.items[index - 1];
  const char **names = ARENA_ARRAY(all->c->arena, const char *, all->inputs.count + 1);
  for (size_t i = 0; i < all->inputs.count; i++) names[i] = all->inputs.items[i].name;
  const char *near = str_nearest(name, names, all->inputs.count);
  input_error(all->c, "%s: the model has no input '%s'", option, name);
  if (near)
    diag_did_you_mean(all->c->diag, near);
  else if (all->inputs.count)
    diag_hint(all->c->diag, "its first input is '%s'", names[0]);
  return NULL;
}

/* From now on the symbol is `size`, in all inputs: equal names are equal sizes. */
static bool fix_symbol(const Compilation *c, const char *option, const char *name, int64_t size) {
  DimSymbol *symbol = dim_find_symbol(c->dims, name);
  if (size < 0)
    return input_error(c, "%s: dimension '%s' cannot be %lld", option, name, (long long)size);
  if (symbol->low == symbol->high && symbol->low != size)
    return input_error(c, "%s: dimension '%s' cannot be %lld, it is %lld already", option, name,
                       (long long)size, (long long)symbol->low);
  dim_fix(c->dims, symbol, size);
  return true;
}

static bool override_dim(const Compilation *c, ModelInput *input, int axis, int64_t size) {
  const DimSymbol *symbol = dim_symbol(input->shape[axis]);
  input->shape[axis] = dim_const(c->dims, size);
  return !symbol || fix_symbol(c, "--shape", symbol->name, size);
}

static bool apply_shape(ModelInputs *all, const ShapeOption *option) {
  ModelInput *input = find_input(all, "--shape", option->input);
  if (!input) return false;
  if (input->rank >= 0 && input->rank != option->rank)
    return input_error(all->c, "--shape: input '%s' has rank %d, but the option has %d sizes",
                       input->name, input->rank, option->rank);
  bool unranked = input->rank < 0, ok = true;
  input->rank = option->rank;
  for (int i = 0; i < option->rank; i++) {
    if (unranked) input->shape[i] = model_inputs_open_dim(all->c, input->name, i);
    if (option->dims[i] >= 0) ok = override_dim(all->c, input, i, option->dims[i]) && ok;
  }
  return ok;
}

static bool unknown_dim(const ModelInputs *all, const char *name) {
  DimPool *pool = all->c->dims;
  size_t count = dim_symbol_count(pool);
  const char **names = ARENA_ARRAY(all->c->arena, const char *, count + 1);
  Str list = str_in(all->c->arena);
  for (size_t i = 0; i < count; i++) {
    names[i] = dim_symbol_at(pool, i)->name;
    str_addf(&list, "%s%s", i ? ", " : "", names[i]);
  }
  const char *near = str_nearest(name, names, count);
  input_error(all->c, "--dim: the model has no dimension '%s'", name);
  if (near) return diag_did_you_mean(all->c->diag, near);
  if (count) return diag_hint(all->c->diag, "its dimensions are: %s", str_text(&list));
  return diag_hint(all->c->diag, "all sizes of its inputs are fixed");
}

static bool apply_dim(const ModelInputs *all, const DimOption *option) {
  DimPool *pool = all->c->dims;
  DimSymbol *symbol = dim_find_symbol(pool, option->name);
  if (!symbol) return unknown_dim(all, option->name);
  if (option->fixed || option->value < 0)
    return fix_symbol(all->c, "--dim", option->name, option->value);
  symbol->high = option->value;
  symbol->bound = dim_const(pool, option->value);
  return true;
}

static bool apply_options(ModelInputs *all, const Options *options) {
  bool ok = true;
  for (size_t i = 0; i < options->shape_count; i++)
    ok = apply_shape(all, &options->shapes[i]) && ok;
  for (size_t i = 0; i < options->dim_count; i++) ok = apply_dim(all, &options->dims[i]) && ok;
  for (size_t i = 0; i < options->set_count; i++) {
    ModelInput *input = find_input(all, "--set", options->sets[i].input);
    if (input) input->set = options->sets[i].text;
    ok = ok && input;
  }
  return ok;
}

/* ---- values ---- */

/* An input that --set makes a constant; its size must be known. */
static Value *set_value(Compilation *c, const ModelInput *input) {
  int64_t dims[MAX_RANK];
  for (int i = 0; i < input->rank; i++) {
    if (!dim_is_const(input->shape[i])) {
      input_error(c, "--set: size %d of input '%s' is not known", i, input->name);
      diag_hint(c->diag, "give it with --shape or --dim");
      return NULL;
    }
    dims[i] = dim_value(input->shape[i]);
  }
  const char *where = arena_printf(c->arena, "%s: --set '%s'", c->file, input->name);
  const Tensor *tensor = literal_read(c, where, input->set, input->dtype, input->rank, dims);
  return tensor ? value_constant(c, input->name, tensor) : NULL;
}

static Value *input_value(Compilation *c, ModelInput *input) {
  if (input->rank < 0) {
    input_error(c, "input '%s' (%s) has no shape in the model", input->name,
                dtype_info(input->dtype)->name);
    diag_hint(c->diag, "give it: --shape %s=1x3x224x224 ('?' for a size that may vary)",
              input->name);
    return NULL;
  }
  for (int i = 0; i < input->rank; i++) input->shape[i] = dim_refresh(c->dims, input->shape[i]);
  if (input->set) return set_value(c, input);
  Value *value = value_create(c, input->name);
  value_set_type(c, value, input->dtype, input->rank, input->shape);
  value->is_input = true;
  return value;
}

static bool make_values(ModelInputs *all, Graph *graph, Map *values) {
  Compilation *c = all->c;
  bool ok = true;
  for (size_t i = 0; i < all->inputs.count; i++) {
    ModelInput *input = &all->inputs.items[i];
    Value *value = input_value(c, input);
    if (!value) {
      ok = false;
      value = value_create(c, input->name); /* for its users */
    } else if (!input->set) {
      vec_push(c->arena, &graph->inputs, value);
    }
    map_set(values, input->name, value);
  }
  return ok;
}

bool model_inputs_finish(ModelInputs *all, Graph *graph, Map *values) {
  bool ok = !all->c->options || apply_options(all, all->c->options);
  return make_values(all, graph, values) && ok;
}
