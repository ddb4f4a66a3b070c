/* layers.c: the layers of layers/, which are part of ctc. The build embeds their texts and compiles
 * their kernels; a descriptor is read when its operator is first asked for, and kept. */
#include "plugins/plugin.h"

#include "base/embedded.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* What is kept until ctc ends. */
static struct {
  PluginSet *set;
  Plugin **plugins; /* by row of embedded_layers; NULL: not read yet */
  Diag diag;
} kept;

static int compare_name(const void *name, const void *row) {
  return strcmp(name, ((const EmbeddedText *)row)->name);
}

/* The row of layers/FOLDER/FILE, or NULL. */
static const EmbeddedText *find_text(const char *folder, const char *file) {
  char name[160];
  int length = snprintf(name, sizeof name, "%s/%s", folder, file);
  if (length >= (int)sizeof name) return NULL;
  return bsearch(name, embedded_layers, (size_t)embedded_layers_count, sizeof *embedded_layers,
                 compare_name);
}

static PluginSet *kept_set(void) {
  if (kept.set) return kept.set;
  Arena *arena = arena_create();
  kept.diag = (Diag){.out = stderr};
  kept.set = plugins_create(arena, &kept.diag);
  kept.plugins = ARENA_ARRAY(arena, Plugin *, embedded_layers_count + 1);
  return kept.set;
}

static Plugin *read_layer(PluginSet *set, const char *folder, const EmbeddedText *descriptor) {
  const EmbeddedText *kernel = find_text(folder, "kernel.c");
  Plugin *plugin = ARENA_NEW(set->arena, Plugin);
  CTC_ASSERT(kernel != NULL);
  plugin->folder = arena_printf(set->arena, "layers/%s", folder);
  plugin->descriptor_text = descriptor->text;
  plugin->kernel_text = kernel->text;
  bool ok = plugin_read_descriptor(set, plugin) && plugin_read_functions(set, plugin);
  CTC_ASSERT(ok); /* an error in it is ctc's own */
  plugin_make_op(set->arena, plugin);
  return plugin;
}

static const OpDef *layer_in(const char *folder) {
  const EmbeddedText *descriptor = find_text(folder, "layer.json");
  if (!descriptor) return NULL;
  PluginSet *set = kept_set();
  Plugin **plugin = &kept.plugins[descriptor - embedded_layers];
  if (!*plugin) *plugin = read_layer(set, arena_strdup(set->arena, folder), descriptor);
  return &(*plugin)->op;
}

/* A folder has the name of its operator in lower case. */
const OpDef *layer_find(const char *domain, const char *op_type) {
  char folder[128];
  size_t length = strlen(op_type);
  if (!domain || length >= sizeof folder) return NULL;
  for (size_t i = 0; i <= length; i++) folder[i] = (char)tolower((unsigned char)op_type[i]);
  const OpDef *op = layer_in(folder);
  return op && strcmp(op->domain, domain) == 0 && strcmp(op->name, op_type) == 0 ? op : NULL;
}

const OpDef *layer_at(int number) {
  static const char file[] = "/layer.json";
  for (int i = 0; i < embedded_layers_count; i++) {
    const char *name = embedded_layers[i].name, *slash = strchr(name, '/');
    if (strcmp(slash, file) != 0 || number-- > 0) continue;
    return layer_in(arena_strndup(kept_set()->arena, name, (size_t)(slash - name)));
  }
  return NULL;
}
