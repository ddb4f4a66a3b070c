/* fuzz_npz.c: any bytes as an array of numpy, and as an archive of them (libFuzzer). */
#define _GNU_SOURCE /* memfd_create */
#include "fuzz.h"

#include "io/npz.h"

#include <sys/mman.h>
#include <unistd.h>

static void expect_readable(const NamedTensor *named) {
  volatile uint8_t sum = 0;
  for (size_t i = 0; i < named->byte_count; i++) sum = (uint8_t)(sum + (uint8_t)named->bytes[i]);
  const uint8_t *bytes = named->tensor ? named->tensor->data : NULL;
  for (int64_t i = 0; bytes && i < tensor_bytes(named->tensor); i++)
    sum = (uint8_t)(sum + bytes[i]);
}

static void read_array(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  Diag diag = {.out = NULL};
  NamedTensor array;
  fuzz_file("fuzz.npy", data, size);
  bool ok = npy_read("fuzz.npy", arena, &array, &diag);
  EXPECT(ok == (diag.errors == 0));
  if (ok) expect_readable(&array);
  arena_destroy(arena);
}

/* libzip opens files by their names. */
static void read_archive(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  Diag diag = {.out = NULL};
  TensorList list = {0};
  int file = memfd_create("fuzz.npz", 0);
  EXPECT(file >= 0 && write(file, data, size) == (ssize_t)size);
  bool ok = npz_read(arena_printf(arena, "/proc/self/fd/%d", file), arena, &list, &diag);
  EXPECT(ok == (diag.errors == 0));
  for (size_t i = 0; i < list.count; i++) expect_readable(&list.items[i]);
  close(file);
  arena_destroy(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  read_array(data, size);
  read_archive(data, size);
  return 0;
}
