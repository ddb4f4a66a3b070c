/* fuzz_kernel.c: any text given as a plugin's kernel.c must be read or refused: the templates in
 * it, its definitions and their prototypes (libFuzzer). */
#include "fuzz.h"

#include "kernels/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Diag diag = {.out = NULL};
  Arena *arena = arena_create();
  Map outer = map_in(arena);
  map_set(&outer, "ctc_exp_f32", (void *)1);
  Sources sources = {.arena = arena,
                     .diag = &diag,
                     .prefix = "gdn",
                     .outer = &outer,
                     .definitions = map_in(arena)};
  const char *text = size ? arena_strndup(arena, (const char *)data, size) : "";
  bool ok = sources_add(&sources, "kernel.c", text) && sources_order(&sources);
  if (ok != (diag.errors == 0)) diag_internal(__FILE__, __LINE__, "the result tells of errors");
  arena_destroy(arena);
  return 0;
}
