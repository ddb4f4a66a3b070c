/* emit_cuda.h: programs for a GPU: model.cu and its header. */
#ifndef CTC_BACKENDS_CUDA_EMIT_CUDA_H
#define CTC_BACKENDS_CUDA_EMIT_CUDA_H

#include "ir/program.h"
#include "options.h"

/* Writes options->output (model.cu) and the header beside it, or nothing and an error. Steps that
 * will run on the host are told of as a warning, by kernel. */
MUST_CHECK bool emit_cuda(const Program *program, const Options *options);

#endif
