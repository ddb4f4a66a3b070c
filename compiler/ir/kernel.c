/* kernel.c: finding kernels and their definitions. */
#include "ir/kernel.h"

#include "base/diag.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_name(const void *name, const void *kernel) {
  return strcmp(name, ((const Kernel *)kernel)->name);
}

const Kernel *kernel_find(const char *name) {
  return bsearch(name, kernels, (size_t)kernel_count, sizeof(Kernel), compare_name);
}

const Kernel *kernel_find_typed(const char *stem, DType dtype) {
  char name[128];
  int length = snprintf(name, sizeof name, "ctc_%s_%s", stem, dtype_info(dtype)->short_name);
  return length < (int)sizeof name ? kernel_find(name) : NULL;
}

int kernel_chunk_count(const KernelLibrary *library) {
  return runtime_chunk_count + (library ? (int)library->chunks.count : 0);
}

const RuntimeChunk *kernel_chunk(const KernelLibrary *library, int number) {
  return number < runtime_chunk_count ? &runtime_chunks[number]
                                      : &library->chunks.items[number - runtime_chunk_count];
}

int kernel_chunk_named(const char *name) {
  int i = 0;
  while (i < runtime_chunk_count && strcmp(runtime_chunks[i].names[0], name) != 0) i++;
  CTC_ASSERT(i < runtime_chunk_count);
  return i;
}

const char *kernel_library_names(Arena *arena, const char *between) {
  Str out = str_in(arena);
  for (const DeviceLibrary *library = device_libraries; library->name; library++)
    str_addf(&out, "%s%s", out.length ? between : "", library->name);
  return str_text(&out);
}

const char *kernel_short_name(const Kernel *kernel) {
  bool own = strncmp(kernel->name, "ctc_", strlen("ctc_")) == 0;
  return own ? kernel->name + strlen("ctc_") : kernel->name;
}

bool kernel_takes(const Kernel *kernel, ParamKind kind) {
  for (int i = 0; i < kernel->param_count; i++)
    if (kernel->params[i].kind == kind) return true;
  return false;
}

bool kernel_is_callable(const Kernel *kernel) {
  return kernel->is_scalar ? kernel->map != NULL : kernel->call != NULL;
}
