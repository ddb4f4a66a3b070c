/* kernel.c: finding kernels in the generated table. */
#include "ir/kernel.h"

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
