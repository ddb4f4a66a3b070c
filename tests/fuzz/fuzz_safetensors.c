/* fuzz_safetensors.c: any bytes as a safetensors file: tensors that lie in it, or an error
 * (libFuzzer). */
#include "fuzz.h"

#include "io/safetensors.h"

/* Reads each byte, so that the sanitizer sees where they lie. */
static void expect_readable(const Tensor *tensor) {
  const uint8_t *bytes = tensor->data;
  volatile uint8_t sum = 0;
  EXPECT((uintptr_t)tensor->data % dtype_info(tensor->dtype)->bytes == 0);
  for (int64_t i = 0; i < tensor_bytes(tensor); i++) sum = (uint8_t)(sum + bytes[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  Diag diag = {.out = NULL};
  TensorList list = {0};
  bool ok = safetensors_read_bytes("fuzz.safetensors", (FileView){data, size}, arena, &list, &diag);
  EXPECT(ok == (diag.errors == 0));
  for (size_t i = 0; i < list.count; i++) expect_readable(list.items[i].tensor);
  arena_destroy(arena);
  return 0;
}
