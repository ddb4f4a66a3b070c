/* gradient.c: the derivatives of a plugin's layer as operators of their own, so that they are
 * lowered, called and tested like the layer.
 *
 *   GDN(x, beta) → y                        the layer
 *   GDNGradient(x, beta, y, grad_y) → grad_x, grad_beta
 *   ScaledSwishGradient_x(x, alpha) → y          ∂y/∂x, of an elementwise layer */
#include "plugins/plugin.h"

static bool is_real(const Plugin *p, const PluginTensor *tensor) {
  if (tensor->type < 0) return dtype_is_float(tensor->dtype);
  const PluginType *type = &p->types.items[tensor->type];
  bool real = true;
  for (size_t i = 0; i < type->dtypes.count; i++)
    real = real && dtype_is_float(type->dtypes.items[i]);
  return real;
}

/* An operator that begins as the layer does. */
static Plugin *derived(Arena *arena, const Plugin *plugin, const char *name, const char *stem) {
  Plugin *made = arena_copy(arena, plugin, sizeof *plugin);
  made->name = name;
  made->stem = stem;
  made->units = made->flops = NULL;
  made->patterns.count = 0;
  made->functions.items = NULL;
  made->functions.count = made->functions.capacity = 0;
  return made;
}

static PluginTensor gradient_of(Arena *arena, const PluginTensor *tensor) {
  PluginTensor made = *tensor;
  made.name = arena_printf(arena, "grad_%s", tensor->name);
  made.optional = made.parameter = false;
  return made;
}

static Plugin *kernel_gradient(Arena *arena, const Plugin *p, bool (*has)(void *context, int input),
                               void *context) {
  Plugin *made = derived(arena, p, arena_printf(arena, "%sGradient", p->name),
                         arena_printf(arena, "%s_gradient", p->prefix));
  made->inputs.items = NULL;
  made->inputs.count = made->inputs.capacity = 0;
  made->outputs.items = NULL;
  made->outputs.count = made->outputs.capacity = 0;
  for (size_t i = 0; i < p->inputs.count; i++) {
    vec_push(arena, &made->inputs, p->inputs.items[i]);
    if (has(context, (int)i))
      vec_push(arena, &made->outputs, gradient_of(arena, &p->inputs.items[i]));
  }
  for (size_t i = 0; i < p->outputs.count; i++) vec_push(arena, &made->inputs, p->outputs.items[i]);
  for (size_t i = 0; i < p->outputs.count; i++)
    if (is_real(p, &p->outputs.items[i]))
      vec_push(arena, &made->inputs, gradient_of(arena, &p->outputs.items[i]));
  return made;
}

void plugin_make_gradients(Arena *arena, Plugin *plugin, bool (*has)(void *context, int input),
                           void *context) {
  if (!plugin->elementwise) {
    vec_push(arena, &plugin->gradients, kernel_gradient(arena, plugin, has, context));
    return;
  }
  for (size_t i = 0; i < plugin->inputs.count; i++) {
    const char *input = plugin->inputs.items[i].name;
    if (!has(context, (int)i)) continue;
    vec_push(arena, &plugin->gradients,
             derived(arena, plugin, arena_printf(arena, "%sGradient_%s", plugin->name, input),
                     arena_printf(arena, "%s_grad_%s", plugin->prefix, input)));
  }
}
