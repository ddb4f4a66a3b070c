/* kernels.h: the parts of the tool `kernels`, which reads runtime/ and layers/ by
 * compiler/kernels/source.h.
 *
 *   kernels.c        command line
 *   kernels_write.c  prints the generated C */
#ifndef CTC_TOOLS_KERNELS_H
#define CTC_TOOLS_KERNELS_H

#include "kernels/source.h"

/* "cdist" of layers/cdist/kernel.c: what its names begin with. NULL for a file of runtime/. */
const char *layer_of(Arena *arena, const char *file);

/* "ctc_cudnn_library": what the file of a library of runtime/cuda/libs defines. */
const char *library_definition(Arena *arena, const char *name);

/* `device`: the files of runtime/cuda/. */
MUST_CHECK bool write_kernel_files(Sources *runtime, Sources *device, const char *folder);

#endif
