/* bake.h: kernel texts compiled while ctc runs, by NVRTC. */
#ifndef CTC_BACKENDS_CUDA_BAKE_H
#define CTC_BACKENDS_CUDA_BAKE_H

#include "backends/cuda/cuda.h"

/* Compiles `text` for each architecture of options->cuda_arch ("sm_80,sm_90"), and for GPUs newer
 * than these as PTX. The code becomes constants of the program, and $images of the template the
 * list of them. False after an error: an architecture that NVRTC does not know, no NVRTC, a text
 * that it refuses. */
MUST_CHECK bool cuda_bake(Emitter *e, Scope *scope, const char *text);

#endif
