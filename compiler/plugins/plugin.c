/* plugin.c: what a descriptor says by itself: names, entries of shapes, element types. */
#include "plugins/plugin.h"

#include <string.h>

int plugin_find_tensor(const PluginTensor *tensors, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(tensors[i].name, name) == 0) return (int)i;
  return -1;
}

int plugin_find_attr(const Plugin *plugin, const char *name) {
  for (size_t i = 0; i < plugin->attrs.count; i++)
    if (strcmp(plugin->attrs.items[i].name, name) == 0) return (int)i;
  return -1;
}

const PluginDim *plugin_entry(const PluginTensor *tensor, int rank, int d) {
  int rest = tensor->rest < 0 ? 0 : rank - (tensor->rank - 1);
  if (tensor->rest < 0 || d < tensor->rest) return &tensor->shape[d];
  return &tensor->shape[d < tensor->rest + rest ? tensor->rest : d - rest + 1];
}

bool plugin_same_entry(const PluginDim *a, const PluginDim *b) {
  if (a->is_rest || b->is_rest) return a->is_rest && b->is_rest;
  int name = expression_name(a->value);
  return name >= 0 && name == expression_name(b->value);
}

DType plugin_dtype(const PluginFunction *function, int type, DType dtype) {
  return type < 0 ? dtype : function->dtypes[type];
}

static DType tensor_dtype(const PluginFunction *function, const PluginTensor *tensor) {
  return plugin_dtype(function, tensor->type, tensor->dtype);
}

DType plugin_bind_dtype(const Plugin *plugin, const PluginFunction *function,
                        const PluginBind *bind) {
  const PluginScratch *scratch;
  switch (bind->kind) {
  case BIND_INPUT: return tensor_dtype(function, &plugin->inputs.items[bind->index]);
  case BIND_OUTPUT: return tensor_dtype(function, &plugin->outputs.items[bind->index]);
  case BIND_SCRATCH:
    scratch = &plugin->scratch.items[bind->index];
    return plugin_dtype(function, scratch->type, scratch->dtype);
  case BIND_FLOATS: return DT_F32;
  default: return DT_NONE;
  }
}
