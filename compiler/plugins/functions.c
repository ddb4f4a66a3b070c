/* functions.c: kernel.c of a plugin: its definitions join the library, and each parameter of its
 * kernels is bound by its name to what the descriptor calls so.
 *
 * The kernel for element types (f32, i64) of the type variables is NAME_f32_i64. That of its
 * gradient, in gradient.c, is NAME_gradient_f32_i64; of elementwise layers NAME_grad_x_f32_i64. */
#include "plugins/plugin.h"

#include "kernels/source.h"

#include <string.h>
#include <unistd.h>

typedef struct {
  PluginSet *set;
  Plugin *plugin;
  Arena *arena;
  Diag *diag;
  Sources sources;
  const char *file;         /* where its functions should be: kernel.c or gradient.c */
  const Function *function; /* the kernel at hand */
} Loader;

static bool kernel_error(Loader *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool kernel_error(Loader *l, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const Chunk *chunk = l->function->chunk;
  diag_verror(l->diag, chunk_where(&l->sources, chunk, chunk->tokens.items[0].line), format, args);
  va_end(args);
  return false;
}

/* --- what names mean --- */

static int find_scratch(const Plugin *p, const char *name) {
  for (size_t i = 0; i < p->scratch.count; i++)
    if (strcmp(p->scratch.items[i].name, name) == 0) return (int)i;
  return -1;
}

/* An attribute that is no integer. */
static int find_attr(const Plugin *p, const char *name, AttrKind kind) {
  int i = plugin_find_attr(p, name);
  return i >= 0 && p->attrs.items[i].kind == kind ? i : -1;
}

static int find_number(const Plugin *p, const char *name) {
  for (size_t i = 0; i < p->names.count; i++)
    if (strcmp(p->names.items[i].name, name) == 0 && !p->names.items[i].is_list) return (int)i;
  return -1;
}

static bool bind_to(PluginBind *bind, PluginBindKind kind, int index) {
  *bind = (PluginBind){kind, index};
  return index >= 0;
}

static bool find_bind(const Plugin *p, const char *name, PluginBind *bind) {
  return bind_to(bind, BIND_INPUT, plugin_find_tensor(p->inputs.items, p->inputs.count, name)) ||
         bind_to(bind, BIND_OUTPUT, plugin_find_tensor(p->outputs.items, p->outputs.count, name)) ||
         bind_to(bind, BIND_SCRATCH, find_scratch(p, name)) ||
         bind_to(bind, BIND_REAL, find_attr(p, name, ATTR_FLOAT)) ||
         bind_to(bind, BIND_INTS, find_attr(p, name, ATTR_INTS)) ||
         bind_to(bind, BIND_FLOATS, find_attr(p, name, ATTR_FLOATS)) ||
         bind_to(bind, BIND_NUMBER, find_number(p, name));
}

static bool unknown_parameter(Loader *l, const char *name) {
  const Plugin *p = l->plugin;
  Vec(const char *) names = {0};
  for (size_t i = 0; i < p->inputs.count; i++) vec_push(l->arena, &names, p->inputs.items[i].name);
  for (size_t i = 0; i < p->outputs.count; i++)
    vec_push(l->arena, &names, p->outputs.items[i].name);
  for (size_t i = 0; i < p->scratch.count; i++)
    vec_push(l->arena, &names, p->scratch.items[i].name);
  for (size_t i = 0; i < p->attrs.count; i++) vec_push(l->arena, &names, p->attrs.items[i].name);
  for (size_t i = 0; i < p->names.count; i++) vec_push(l->arena, &names, p->names.items[i].name);
  kernel_error(l, "parameter '%s' of '%s' is nothing that layer.json names", name,
               l->function->name);
  return diag_suggest(l->diag, name, names.items, names.count);
}

/* --- parameters --- */

/* How the parameter of a kernel must be written for what it is bound to. */
static const char *wanted_text(Loader *l, const PluginBind *bind, DType dtype) {
  const char *type = dtype_info(dtype)->c_type;
  switch (bind->kind) {
  case BIND_INPUT: return arena_printf(l->arena, "const %s *", type);
  case BIND_OUTPUT:
  case BIND_SCRATCH: return arena_printf(l->arena, "%s *", type);
  case BIND_NUMBER: return "ctc_dim ";
  case BIND_REAL: return "float ";
  case BIND_INTS: return "const ctc_dim *";
  case BIND_FLOATS: return "const float *";
  case BIND_NOTHING: break;
  }
  return "";
}

/* Types are compared as C sees them: a bool is a uint8_t. */
static bool same_c_type(const Param *param, DType dtype) {
  if (strcmp(param->type, "ctc_bool") == 0) return dtype == DT_BOOL;
  if (strcmp(param->type, "ctc_dim") == 0) return dtype == DT_I64;
  return strcmp(param->type, dtype_info(dtype)->c_type) == 0;
}

static bool fits_kernel(const Param *param, const PluginBind *bind, DType dtype) {
  switch (bind->kind) {
  case BIND_INPUT:
    /* const ctc_dim * may be meant as a tensor of int64 */
    return (param->kind == PARAM_IN || (param->kind == PARAM_DIMS && dtype == DT_I64)) &&
           same_c_type(param, dtype);
  case BIND_FLOATS: return param->kind == PARAM_IN && same_c_type(param, dtype);
  case BIND_OUTPUT:
  case BIND_SCRATCH: return param->kind == PARAM_OUT && same_c_type(param, dtype);
  case BIND_NUMBER: return param->kind == PARAM_DIM;
  case BIND_REAL: return param->kind == PARAM_REAL;
  case BIND_INTS: return param->kind == PARAM_DIMS;
  case BIND_NOTHING: return true;
  }
  return false;
}

/* A function of numbers takes one element of each input, and attributes and sizes. */
static bool fits_scalar(const Param *param, const PluginBind *bind, DType dtype) {
  if (bind->kind == BIND_INPUT) return same_c_type(param, dtype);
  if (bind->kind == BIND_NUMBER) return param->dtype != DT_BOOL;
  return bind->kind == BIND_REAL && dtype_is_float(param->dtype);
}

static bool check_bind(Loader *l, const PluginFunction *made, const Param *param,
                       const PluginBind *bind) {
  DType dtype = plugin_bind_dtype(l->plugin, made, bind);
  bool scalar = l->plugin->elementwise;
  if (scalar ? fits_scalar(param, bind, dtype) : fits_kernel(param, bind, dtype)) return true;
  if (scalar && bind->kind == BIND_INPUT)
    return kernel_error(l, "parameter '%s' of '%s' must be '%s %s'", param->name, l->function->name,
                        dtype_info(dtype)->c_type, param->name);
  if (scalar)
    return kernel_error(l, "parameter '%s' of '%s' cannot be given to a function of numbers",
                        param->name, l->function->name);
  return kernel_error(l, "parameter '%s' of '%s' must be '%s%s'", param->name, l->function->name,
                      wanted_text(l, bind, dtype), param->name);
}

/* Parameters that the C backend fills in; those of epilogues are for ctc's own kernels. */
static bool is_implicit(Loader *l, const Param *param, bool *ok) {
  if (l->plugin->elementwise || param->kind < PARAM_EPILOGUE) return false;
  if (param->kind != PARAM_FIRST && param->kind != PARAM_LAST)
    *ok = kernel_error(l, "parameter '%s' of '%s' is for kernels of ctc only", param->name,
                       l->function->name);
  return true;
}

static bool bind_parameters(Loader *l, PluginFunction *made) {
  const Function *f = l->function;
  KernelParam *params = ARENA_ARRAY(l->arena, KernelParam, f->params.count + 1);
  bool ok = true;
  made->binds = ARENA_ARRAY(l->arena, PluginBind, f->params.count + 1);
  for (size_t i = 0; i < f->params.count; i++) {
    const Param *param = &f->params.items[i];
    PluginBind *bind = &made->binds[i];
    params[i] = (KernelParam){param->kind, param->dtype, param->name};
    *bind = (PluginBind){.kind = BIND_NOTHING};
    if (is_implicit(l, param, &ok)) continue;
    if (!find_bind(l->plugin, param->name, bind)) {
      ok = unknown_parameter(l, param->name);
      continue;
    }
    ok = check_bind(l, made, param, bind) && ok;
    if (bind->kind == BIND_INPUT && !l->plugin->elementwise) params[i].kind = PARAM_IN;
  }
  made->kernel.params = params;
  made->kernel.param_count = (int)f->params.count;
  return ok;
}

/* --- functions --- */

static bool has_param(const Function *f, ParamKind kind) {
  for (size_t i = 0; i < f->params.count; i++)
    if (f->params.items[i].kind == kind) return true;
  return false;
}

/* What the whole prototype must be like. */
static bool check_prototype(Loader *l) {
  const Function *f = l->function;
  const Plugin *p = l->plugin;
  bool first = has_param(f, PARAM_FIRST), last = has_param(f, PARAM_LAST);
  if (p->elementwise && f->returns != RETURNS_NUMBER)
    return kernel_error(l, "'%s' must be a function of numbers: the layer is elementwise", f->name);
  if (p->elementwise && f->params.count > MAX_OPERANDS)
    return kernel_error(l, "'%s' has more than %d parameters", f->name, MAX_OPERANDS);
  if (p->elementwise) return true;
  if (f->returns == RETURNS_NUMBER)
    return kernel_error(l, "'%s' must be `static void` or `static int`", f->name);
  if (first != last || first != (p->units != NULL))
    return kernel_error(l,
                        "'%s' must have the parameters 'first' and 'last' exactly if layer.json "
                        "has 'units'",
                        f->name);
  return !(last && f->returns == RETURNS_STATUS) ||
         kernel_error(l, "'%s' returns a status: its units cannot be shared among threads",
                      f->name);
}

/* The row of a kernel of layers/, which was compiled into ctc. */
static void use_compiled(Kernel *kernel) {
  const Kernel *compiled = kernel_find(kernel->name);
  CTC_ASSERT(compiled != NULL);
  Kernel made = *compiled;
  made.params = kernel->params;
  *kernel = made;
}

/* The type that a function of numbers returns is that of the output. */
static bool check_result(Loader *l, const PluginFunction *made) {
  if (!l->plugin->elementwise) return true;
  const PluginTensor *output = &l->plugin->outputs.items[0];
  DType wanted = plugin_dtype(made, output->type, output->dtype);
  const Param result = {.type = l->function->result_type};
  if (same_c_type(&result, wanted)) return true;
  return kernel_error(l, "'%s' must return '%s', as output '%s' is %s", l->function->name,
                      dtype_info(wanted)->c_type, output->name, dtype_info(wanted)->name);
}

static const Function *find_function(const Sources *sources, const char *name) {
  for (size_t i = 0; i < sources->functions.count; i++)
    if (strcmp(sources->functions.items[i]->name, name) == 0) return sources->functions.items[i];
  return NULL;
}

/* "gdn_f32" */
static const char *function_name(Loader *l, const char *stem, const DType *dtypes) {
  Str name = str_in(l->arena);
  str_add(&name, stem);
  for (size_t t = 0; t < l->plugin->types.count; t++)
    str_addf(&name, "_%s", dtype_info(dtypes[t])->short_name);
  return str_text(&name);
}

static bool add_function(Loader *l, const DType *dtypes) {
  Plugin *p = l->plugin;
  const char *name = function_name(l, p->stem, dtypes);
  PluginFunction made = {0};
  memcpy(made.dtypes, dtypes, sizeof made.dtypes);
  l->function = find_function(&l->sources, name);
  if (!l->function)
    return diag_error(l->diag, l->file, "there is no %s '%s'",
                      p->elementwise ? "function of numbers" : "kernel", name);
  const Chunk *vector = p->elementwise ? vector_form(&l->sources, l->function) : NULL;
  made.kernel = (Kernel){.name = l->function->name,
                         .is_scalar = p->elementwise,
                         .result = l->function->result,
                         .returns_status = l->function->returns == RETURNS_STATUS,
                         .chunk = l->function->chunk->index,
                         .vector = vector ? vector->names.items[0] : NULL,
                         .vector_chunk = vector ? vector->index : -1};
  if (!check_prototype(l) || !bind_parameters(l, &made) || !check_result(l, &made)) return false;
  if (p->kernel_text) use_compiled(&made.kernel);
  vec_push(l->arena, &p->functions, made);
  return true;
}

/* One function for each choice of element types. */
static bool add_functions(Loader *l) {
  enum { MOST = 64 };
  const Plugin *p = l->plugin;
  size_t total = 1;
  bool ok = true;
  for (size_t t = 0; t < p->types.count; t++) total *= p->types.items[t].dtypes.count;
  if (total > MOST)
    return diag_error(l->diag, json_where(&p->file, json_member(p->file.root, "dtypes")),
                      "more than %d choices of element types", MOST);
  for (size_t i = 0; i < total && ok; i++) {
    DType dtypes[PLUGIN_TYPES] = {DT_NONE};
    size_t left = i;
    for (size_t t = 0; t < p->types.count; t++) {
      dtypes[t] = p->types.items[t].dtypes.items[left % p->types.items[t].dtypes.count];
      left /= p->types.items[t].dtypes.count;
    }
    ok = add_function(l, dtypes); /* the next ones would have the same errors */
  }
  return ok;
}

/* --- definitions --- */

/* The names of the runtime's definitions. Those for a GPU come last and may have the same name. */
static const Map *runtime_names(PluginSet *set) {
  if (set->runtime.count) return &set->runtime;
  set->runtime = map_in(set->arena);
  for (int i = 0; i < runtime_chunk_count; i++)
    for (const char *const *name = runtime_chunks[i].names; *name; name++)
      if (!map_get(&set->runtime, *name)) map_set(&set->runtime, *name, (void *)((intptr_t)i + 1));
  return &set->runtime;
}

static const int *chunk_needs(Arena *arena, const Chunk *chunk) {
  size_t count = 0;
  int *needs = ARENA_ARRAY(arena, int, chunk->uses.count + chunk->outer_uses.count + 1);
  for (size_t i = 0; i < chunk->outer_uses.count; i++) needs[count++] = chunk->outer_uses.items[i];
  for (size_t i = 0; i < chunk->uses.count; i++) needs[count++] = chunk->uses.items[i]->index;
  needs[count] = -1;
  return needs;
}

static const char *const *chunk_names(Arena *arena, const Chunk *chunk) {
  const char **names = ARENA_ARRAY(arena, const char *, chunk->names.count + 1);
  for (size_t i = 0; i < chunk->names.count; i++) names[i] = chunk->names.items[i];
  return names;
}

/* Whether the plugin is used instead of a layer of ctc. */
static bool takes_place(const Plugin *p) {
  const OpDef *op = op_find(p->domain, p->name);
  return op && op->flags & OP_LAYER;
}

/* Two plugins of different domains may not define the same name. */
static bool claim_names(Loader *l, const Chunk *chunk) {
  bool ok = true;
  for (size_t i = 0; i < chunk->names.count; i++) {
    const Plugin *other = map_get(&l->set->defined, chunk->names.items[i]);
    if (other)
      ok = diag_error(l->diag, chunk_where(&l->sources, chunk, 0),
                      "'%s' is defined by the plugin in %s too", chunk->names.items[i],
                      other->folder);
    map_set(&l->set->defined, chunk->names.items[i], l->plugin);
    if (!other && map_get(runtime_names(l->set), chunk->names.items[i]) && !takes_place(l->plugin))
      ok = diag_error(l->diag, chunk_where(&l->sources, chunk, 0),
                      "'%s' is defined by a layer of ctc too", chunk->names.items[i]);
  }
  return ok;
}

/* Numbers the definitions: those of the library are counted on from the runtime's. */
static bool add_chunks(Loader *l, const Sources *sources) {
  KernelLibrary *library = &l->set->library;
  int first = kernel_chunk_count(library);
  bool ok = true;
  for (size_t i = 0; i < sources->ordered.count; i++)
    sources->ordered.items[i]->index = first + (int)i;
  for (size_t i = 0; i < sources->ordered.count; i++) {
    const Chunk *chunk = sources->ordered.items[i];
    RuntimeChunk made = {.names = chunk_names(l->arena, chunk),
                         .text = chunk->text,
                         .needs = chunk_needs(l->arena, chunk),
                         .file = chunk->file,
                         .line = chunk->line,
                         .includes = l->plugin->includes};
    ok = (sources->device || claim_names(l, chunk)) && ok;
    vec_push(l->arena, &library->chunks, made);
  }
  return ok;
}

/* --- forms for a GPU --- */

/* What kernel.cu may use: the runtime's definitions, and those of kernel.c. */
static const Map *device_names(Loader *l) {
  const Map *runtime = runtime_names(l->set);
  Map *names = ARENA_NEW(l->arena, Map);
  *names = map_in(l->arena);
  for (size_t i = 0; i < runtime->capacity; i++)
    if (runtime->entries[i].key) map_set(names, runtime->entries[i].key, runtime->entries[i].value);
  sources_add_names(&l->sources, names);
  return names;
}

/* The form of a function of the plugin's, if there is one. */
static bool pair_function(Loader *l, Sources *device, PluginFunction *made) {
  const Function *function = find_function(&l->sources, made->kernel.name);
  DeviceForm form;
  if (!find_device_form(device, function, &form)) return false;
  if (!form.chunk) return true;
  DeviceKernel *kernel = ARENA_NEW(l->arena, DeviceKernel);
  vec_push(l->arena, &form.arguments, -1);
  vec_push(l->arena, &form.form_arguments, -1);
  *kernel = (DeviceKernel){.chunk = form.chunk->index,
                           .threads = form.threads ? form.threads->index : -1,
                           .blocks = form.blocks->index,
                           .arguments = form.arguments.items,
                           .form = form.form ? form.form->index : -1,
                           .form_arguments = form.form_arguments.items,
                           .epilogue = form.epilogue,
                           .finish.chunk = -1,
                           .finish_blocks.chunk = -1};
  made->kernel.device = kernel;
  return true;
}

/* kernel.cu, if the folder has one. */
static bool add_device_forms(Loader *l) {
  const char *path = arena_printf(l->arena, "%s/kernel.cu", l->plugin->folder);
  Sources device = {.arena = l->arena,
                    .diag = l->diag,
                    .prefix = l->plugin->prefix,
                    .definitions = map_in(l->arena),
                    .device = true};
  if (l->plugin->kernel_text || access(path, F_OK) != 0) return true;
  device.outer = device_names(l);
  vec_push(l->arena, &device.files, path);
  if (!sources_read(&device, path) || !sources_order(&device) || !add_chunks(l, &device))
    return false;
  for (size_t i = 0; i < l->plugin->functions.count; i++)
    if (!pair_function(l, &device, &l->plugin->functions.items[i])) return false;
  return true;
}

/* --- gradients --- */

/* Whether gradient.c has the derivative by an input, of the first choice of element types. */
static bool has_derivative(void *context, int input) {
  Loader *l = context;
  const Plugin *p = l->plugin;
  const char *gradient = arena_printf(l->arena, "grad_%s", p->inputs.items[input].name);
  DType dtypes[PLUGIN_TYPES] = {DT_NONE};
  for (size_t t = 0; t < p->types.count; t++) dtypes[t] = p->types.items[t].dtypes.items[0];
  const char *stem =
      arena_printf(l->arena, "%s_%s", p->prefix, p->elementwise ? gradient : "gradient");
  const Function *function = find_function(&l->sources, function_name(l, stem, dtypes));
  if (p->elementwise || !function) return function != NULL;
  for (size_t i = 0; i < function->params.count; i++)
    if (strcmp(function->params.items[i].name, gradient) == 0) return true;
  return false;
}

static bool add_gradients(Loader *l) {
  Plugin *layer = l->plugin;
  bool ok = true;
  plugin_make_gradients(l->arena, layer, has_derivative, l);
  const Plugin *first = layer->gradients.count ? layer->gradients.items[0] : NULL;
  if (!first)
    return diag_error(l->diag, l->file, "it has no derivative, such as '%s_grad_%s_…'",
                      layer->prefix, layer->inputs.items[0].name);
  for (size_t i = 0; i < layer->gradients.count; i++) {
    l->plugin = layer->gradients.items[i];
    ok = add_functions(l) && ok;
    plugin_make_op(l->arena, l->plugin);
  }
  if (ok && !first->outputs.count)
    ok = diag_error(l->diag, l->file, "'%s' has no parameter such as 'grad_%s'",
                    first->functions.items[0].kernel.name, layer->inputs.items[0].name);
  l->plugin = layer;
  return ok;
}

bool plugin_read_functions(PluginSet *set, Plugin *plugin) {
  const char *path = arena_printf(set->arena, "%s/kernel.c", plugin->folder);
  const char *gradient = arena_printf(set->arena, "%s/gradient.c", plugin->folder);
  bool has_gradient = !plugin->kernel_text && access(gradient, F_OK) == 0;
  Loader l = {.set = set, .plugin = plugin, .arena = set->arena, .diag = set->diag, .file = path};
  l.sources = (Sources){.arena = set->arena,
                        .diag = set->diag,
                        .prefix = plugin->prefix,
                        .outer = runtime_names(set),
                        .definitions = map_in(set->arena)};
  vec_push(set->arena, &l.sources.files, path);
  const char *text = plugin->kernel_text;
  if (has_gradient) vec_push(set->arena, &l.sources.files, gradient);
  if (text ? !sources_add(&l.sources, path, text) : !sources_read(&l.sources, path)) return false;
  if (has_gradient && !sources_read(&l.sources, gradient)) return false;
  if (!sources_order(&l.sources) || !(text || add_chunks(&l, &l.sources)) || !add_functions(&l) ||
      !add_device_forms(&l))
    return false;
  l.file = gradient;
  return !has_gradient || add_gradients(&l);
}
