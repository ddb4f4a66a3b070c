/* plugin.h: a plugin of the folder "p" whose files are parts of a fuzz target's input. */
#ifndef CTC_TESTS_FUZZ_PLUGIN_H
#define CTC_TESTS_FUZZ_PLUGIN_H

#include "fuzz.h"
#include "plugins/plugin.h"

/* The runtime's names are the same each time. */
static const Map *runtime_names(void) {
  static Map names;
  if (names.count) return &names;
  names = map_in(arena_create());
  for (int i = 0; i < runtime_chunk_count; i++)
    for (const char *const *name = runtime_chunks[i].names; *name; name++)
      map_set(&names, *name, (void *)((intptr_t)i + 1));
  return &names;
}

/* The plugin of layer.json, kernel.c and (unless it is empty) gradient.c; NULL after errors. */
static Plugin *fuzz_plugin(PluginSet *set, FuzzPart layer, FuzzPart kernel, FuzzPart gradient) {
  int errors = set->diag->errors;
  Plugin *plugin = ARENA_NEW(set->arena, Plugin);
  fuzz_file("p/layer.json", layer.data, layer.size);
  fuzz_file("p/kernel.c", kernel.data, kernel.size);
  fuzz_file("p/gradient.c", gradient.size ? gradient.data : NULL, gradient.size);
  set->runtime = *runtime_names();
  plugin->folder = "p";
  bool ok = plugin_read_descriptor(set, plugin) && plugin_read_functions(set, plugin);
  EXPECT(ok == (set->diag->errors == errors));
  if (!ok) return NULL;
  plugin_make_op(set->arena, plugin);
  vec_push(set->arena, &set->plugins, plugin);
  return plugin;
}

#endif
