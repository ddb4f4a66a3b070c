/* fuzz_onnx.c: any bytes given to the ONNX front end must be read or refused, never crash it
 * (libFuzzer). */
#include "fuzz.h"

#include "frontends/onnx/onnx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Diag diag = {.out = NULL};
  Compilation c = {.arena = arena_create(), .diag = &diag};
  c.dims = dim_pool_create(c.arena);
  bool ok = onnx_read_bytes(&c, "fuzz.onnx", data, size);
  if (ok != (diag.errors == 0)) diag_internal(__FILE__, __LINE__, "the result tells of errors");
  if (ok) graph_verify(&c, c.graph, false);
  arena_destroy(c.arena);
  return 0;
}
