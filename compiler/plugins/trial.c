/* trial.c: nodes of plugins with sizes that are all known. Each has a compilation of its own, of
 * which only the expressions and the messages are used. */
#include "plugins/trial.h"

#include <inttypes.h>
#include <string.h>

TrialTensor trial_type(const Tensor *tensor) {
  TrialTensor type = {.dtype = DT_NONE};
  if (!tensor) return type;
  type.dtype = tensor->dtype;
  type.rank = tensor->rank;
  memcpy(type.dims, tensor->dims, sizeof type.dims);
  return type;
}

int64_t trial_count(const TrialTensor *tensor) {
  int64_t count = 1;
  for (int d = 0; d < tensor->rank; d++) count *= tensor->dims[d];
  return tensor->dtype == DT_NONE ? 0 : count;
}

const char *trial_text(Arena *arena, const TrialTensor *tensor) {
  Str out = str_in(arena);
  str_addf(&out, "%s[", dtype_info(tensor->dtype)->name);
  for (int d = 0; d < tensor->rank; d++)
    str_addf(&out, d ? ", %" PRId64 : "%" PRId64, tensor->dims[d]);
  str_add(&out, "]");
  return str_text(&out);
}

/* --- the node --- */

bool trial_begin(Trial *trial, Arena *arena, Diag *diag, const Plugin *plugin, const char *where,
                 const Attr *attrs, int attr_count) {
  *trial = (Trial){.plugin = plugin};
  Compilation *c = &trial->c;
  *c = (Compilation){.arena = arena, .diag = diag, .dims = dim_pool_create(arena), .file = where};
  c->graph = graph_create(c, "trial", NULL);
  trial->node = graph_append(c, c->graph, plugin->domain, plugin->name, plugin->version,
                             (int)plugin->inputs.count, (int)plugin->outputs.count);
  trial->node->op = &plugin->op;
  trial->node->where = where;
  for (int i = 0; i < attr_count; i++) node_set_attr(c, trial->node, attrs[i]);
  return plugin_bind_attrs(&trial->bound, c, plugin, trial->node);
}

static Value *make_value(Compilation *c, const char *name, const TrialTensor *tensor) {
  Value *value = value_create(c, name);
  Dim shape[MAX_RANK];
  for (int d = 0; d < tensor->rank; d++) shape[d] = dim_const(c->dims, tensor->dims[d]);
  value_set_type(c, value, tensor->dtype, tensor->rank, shape);
  return value;
}

static bool make_outputs(Trial *trial) {
  const Plugin *p = trial->plugin;
  const PluginFunction *function = plugin_function(&trial->bound);
  Dim shape[MAX_RANK];
  if (!function)
    return node_error(&trial->c, trial->node, "%s has no kernel for these element types", p->name);
  for (size_t i = 0; i < p->outputs.count; i++) {
    const PluginTensor *tensor = &p->outputs.items[i];
    int rank = plugin_shape(&trial->bound, tensor, shape);
    if (rank < 0) return false;
    Value *value = trial->node->outputs[i] = value_create(&trial->c, tensor->name);
    value_set_type(&trial->c, value, plugin_dtype(function, tensor->type, tensor->dtype), rank,
                   shape);
    for (int d = 0; d < rank; d++)
      if (!dim_is_const(shape[d]))
        return node_error(&trial->c, trial->node, "a size of output '%s' is beyond 64 bits",
                          tensor->name);
  }
  return true;
}

bool trial_inputs(Trial *trial, const TrialTensor *inputs) {
  const Plugin *p = trial->plugin;
  for (size_t i = 0; i < p->inputs.count; i++)
    trial->node->inputs[i] = inputs[i].dtype == DT_NONE
                                 ? NULL
                                 : make_value(&trial->c, p->inputs.items[i].name, &inputs[i]);
  return plugin_bind(&trial->bound, &trial->c, p, trial->node) && plugin_check(&trial->bound) &&
         make_outputs(trial);
}

static TrialTensor value_type(const Value *value) {
  TrialTensor type = {.dtype = DT_NONE};
  if (!value) return type;
  type.dtype = value->dtype;
  type.rank = value->rank;
  for (int d = 0; d < value->rank; d++) type.dims[d] = dim_value(value->shape[d]);
  return type;
}

TrialTensor trial_input(const Trial *trial, int i) {
  return value_type(node_in(trial->node, i));
}

TrialTensor trial_output(const Trial *trial, int i) {
  return value_type(node_out(trial->node, i));
}

/* --- the call --- */

/* The number that an expression is; -1: it is none, or it is negative. */
static int64_t size_of(const Trial *trial, const Expression *expression, const char *what) {
  Dim value = plugin_value(&trial->bound, expression, what);
  return value && dim_is_const(value) && dim_value(value) >= 0 ? dim_value(value) : -1;
}

static bool add_argument(const Trial *trial, const PluginFunction *f, const PluginBind *bind,
                         TrialArgument *argument) {
  const Plugin *p = trial->plugin;
  *argument = (TrialArgument){.kind = bind->kind, .index = bind->index};
  switch (bind->kind) {
  case BIND_INPUT: argument->tensor = trial_input(trial, bind->index); return true;
  case BIND_OUTPUT: argument->tensor = trial_output(trial, bind->index); return true;
  case BIND_SCRATCH: {
    const PluginScratch *scratch = &p->scratch.items[bind->index];
    int64_t count = size_of(trial, scratch->count, scratch->name);
    argument->tensor = (TrialTensor){plugin_dtype(f, scratch->type, scratch->dtype), 1, {count}};
    return count >= 0;
  }
  case BIND_NUMBER: {
    Dim value = trial->bound.values[bind->index].number;
    if (!value || !dim_is_const(value)) return false;
    argument->number = dim_value(value);
    return true;
  }
  case BIND_REAL:
  case BIND_INTS:
  case BIND_FLOATS:
    argument->attr = plugin_attr(&trial->bound, &p->attrs.items[bind->index]);
    return true;
  case BIND_NOTHING: return true;
  }
  return false;
}

bool trial_call(const Trial *trial, TrialCall *call) {
  const Plugin *p = trial->plugin;
  const PluginFunction *f = plugin_function(&trial->bound);
  bool ok = true;
  *call = (TrialCall){.function = f, .count = f->kernel.param_count, .units = 1};
  call->arguments = ARENA_ARRAY(trial->c.arena, TrialArgument, call->count + 1);
  for (int i = 0; i < call->count; i++)
    ok = add_argument(trial, f, &f->binds[i], &call->arguments[i]) && ok;
  if (p->elementwise) {
    TrialTensor output = trial_output(trial, 0);
    call->arguments[call->count++] = (TrialArgument){.kind = BIND_OUTPUT, .tensor = output};
    call->units = trial_count(&output);
  }
  if (p->units) call->units = size_of(trial, p->units, "units");
  return ok && call->units >= 0;
}

/* --- broadcasting --- */

/* Whether dim `d` of an input and dim `k` of the output are the same. */
static bool same_dim(const PluginTensor *input, int input_rank, int d, const PluginTensor *output,
                     int output_rank, int k) {
  const PluginDim *a = plugin_entry(input, input_rank, d);
  const PluginDim *b = plugin_entry(output, output_rank, k);
  return plugin_same_entry(a, b) && (!a->is_rest || d - input->rest == k - output->rest);
}

/* How far an input moves with dim `k` of the output. */
static int64_t stride_along(const Trial *trial, int input, int k) {
  const Plugin *p = trial->plugin;
  const TrialTensor shape = trial_input(trial, input), result = trial_output(trial, 0);
  int64_t stride = 1;
  for (int d = shape.rank - 1; d >= 0; d--) {
    if (same_dim(&p->inputs.items[input], shape.rank, d, &p->outputs.items[0], result.rank, k))
      return stride;
    stride *= shape.dims[d];
  }
  return 0;
}

void trial_broadcast(const Trial *trial, int input, int64_t *at) {
  const TrialTensor output = trial_output(trial, 0);
  int64_t strides[MAX_RANK], count = trial_count(&output);
  for (int d = 0; d < output.rank; d++) strides[d] = stride_along(trial, input, d);
  for (int64_t i = 0; i < count; i++) {
    int64_t left = i;
    at[i] = 0;
    for (int d = output.rank - 1; d >= 0; d--) {
      at[i] += left % output.dims[d] * strides[d];
      left /= output.dims[d];
    }
  }
}
