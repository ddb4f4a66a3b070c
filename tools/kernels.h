/* kernels.h: the parts of the tool `kernels`, which reads runtime/ and layers/ by
 * compiler/kernels/source.h.
 *
 *   kernels.c        command line
 *   kernels_write.c  prints the generated C
 *   kernels_device.c pairs kernels with their forms for a GPU */
#ifndef CTC_TOOLS_KERNELS_H
#define CTC_TOOLS_KERNELS_H

#include "kernels/source.h"

/* "cdist" of layers/cdist/kernel.c: what its names begin with. NULL for a file of runtime/. */
const char *layer_of(Arena *arena, const char *file);

/* The form of a kernel for a GPU. */
typedef struct {
  const Chunk *chunk, *threads, *blocks; /* threads may be NULL */
  Vec(int) arguments;                    /* see DeviceKernel in ir/kernel.h */
  bool epilogue;
} DeviceForm;

/* The form of a kernel in runtime/cuda/; its chunk is NULL if there is none. False if it is wrong. */
MUST_CHECK bool find_device_form(Sources *device, const Function *function, DeviceForm *form);

/* `device`: the files of runtime/cuda/. */
MUST_CHECK bool write_kernel_files(Sources *runtime, Sources *device, const char *folder);

#endif
