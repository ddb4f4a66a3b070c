/* fuzz_cases.c: any text as the cases.json of a plugin that has attributes of all kinds, an
 * optional input and several element types (libFuzzer). */
#include "plugin.h"

#include "plugins/cases.h"

#include <string.h>

static const char layer_text[] =
    "{\"ctc\": 1, \"name\": \"Odd\", \"dtypes\": {\"T\": [\"float32\"]}, \"attributes\": ["
    "{\"name\": \"flag\", \"type\": \"bool\", \"default\": false},"
    "{\"name\": \"whole\", \"type\": \"int\"},"
    "{\"name\": \"real\", \"type\": \"float\", \"default\": 1},"
    "{\"name\": \"mode\", \"type\": \"string\", \"enum\": [\"a\", \"b\"], \"default\": \"a\"},"
    "{\"name\": \"list\", \"type\": \"ints\", \"default\": []},"
    "{\"name\": \"reals\", \"type\": \"floats\", \"default\": []}],"
    "\"inputs\": [{\"name\": \"x\", \"dtype\": \"T\", \"shape\": [\"N\"]},"
    "{\"name\": \"index\", \"dtype\": \"int64\", \"shape\": [\"N\"], \"optional\": true}],"
    "\"outputs\": [{\"name\": \"y\", \"dtype\": \"T\", \"shape\": [\"N\"]}]}";
static const char kernel_text[] =
    "/* kernel.c */\n\nstatic void odd_f32(const float *x, float *y, ctc_dim N) { y[0] = x[N]; }\n";

static FuzzPart part(const char *text) {
  return (FuzzPart){(const uint8_t *)text, strlen(text)};
}

static void expect_readable(const Tensor *tensor) {
  volatile uint8_t sum = 0;
  for (int64_t i = 0; tensor && i < tensor_bytes(tensor); i++)
    sum = (uint8_t)(sum + ((const uint8_t *)tensor->data)[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  Diag diag = {.out = NULL};
  PluginSet *set = plugins_create(arena, &diag);
  PluginCases cases;
  Plugin *plugin = fuzz_plugin(set, part(layer_text), part(kernel_text), part(""));
  EXPECT(plugin);
  fuzz_file("p/cases.json", data, size);
  bool ok = plugin_read_cases(set, plugin, &cases);
  EXPECT(ok == (diag.errors == 0));
  for (size_t i = 0; ok && i < cases.count; i++) {
    for (int k = 0; k < 2; k++) expect_readable(cases.items[i].inputs[k]);
    expect_readable(cases.items[i].outputs[0]);
  }
  arena_destroy(arena);
  return 0;
}
