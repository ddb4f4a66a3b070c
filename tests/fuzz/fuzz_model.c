/* fuzz_model.c: any text as a JSON model; another one, behind a zero byte, as the header of its
 * weight file; behind two more the layer.json and kernel.c of a plugin, if the model has one. It is
 * a graph whose types can be inferred and whose nodes the plugin may replace, or has errors
 * (libFuzzer). */
#include "plugin.h"

#include "frontends/json/json_model.h"
#include "options.h"
#include "passes/passes.h"

#include <string.h>

enum { DATA_BYTES = 1 << 14 };

/* A weight file of that header, all numbers of which are 0. */
static void make_weights(Arena *arena, FuzzPart header) {
  char *file = arena_alloc(arena, 8 + header.size + DATA_BYTES, 1);
  uint64_t length = header.size;
  memcpy(file, &length, 8);
  if (header.size) memcpy(file + 8, header.data, header.size);
  fuzz_file("w.safetensors", file, 8 + header.size + DATA_BYTES);
}

static void use_plugin(Compilation *c, FuzzPart layer, FuzzPart kernel) {
  PluginSet *set = plugins_create(c->arena, c->diag);
  if (layer.size && fuzz_plugin(set, layer, kernel, (FuzzPart){0})) plugins_use(set, c);
}

static void replace_nodes(Compilation *c) {
  if (!c->plugin_ops.count) return;
  EXPECT(pass_replace(c));
  graph_verify(c, c->graph, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Diag diag = {.out = NULL};
  Options options = {0};
  Compilation c = {.arena = arena_create(), .diag = &diag, .options = &options};
  FuzzPart model = fuzz_part(&data, &size);
  c.dims = dim_pool_create(c.arena);
  fuzz_file("fuzz.json", model.data, model.size);
  make_weights(c.arena, fuzz_part(&data, &size));
  FuzzPart layer = fuzz_part(&data, &size), kernel = fuzz_part(&data, &size);
  use_plugin(&c, layer, kernel);
  diag.errors = 0;
  bool ok = json_model_read(&c, "fuzz.json");
  EXPECT(ok == (diag.errors == 0));
  if (ok) graph_verify(&c, c.graph, false);
  if (c.graph) ok = pass_infer(&c) && ok;
  EXPECT(ok == (diag.errors == 0));
  if (ok) graph_verify(&c, c.graph, true);
  if (ok) replace_nodes(&c);
  arena_destroy(c.arena);
  return 0;
}
