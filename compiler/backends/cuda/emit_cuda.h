/* emit_cuda.h: programs for a GPU: model.cu and its header. */
#ifndef CTC_BACKENDS_CUDA_EMIT_CUDA_H
#define CTC_BACKENDS_CUDA_EMIT_CUDA_H

#include "ir/program.h"
#include "options.h"

/* Where a kernel call or loop nest runs. */
typedef enum {
  PLACE_KERNEL, /* on the device, by the kernel's form for a GPU or the one printed for the nest */
  PLACE_UNITS,  /* on the device, from the C text, a thread for each unit of work */
  PLACE_HOST,   /* on the host: its tensors are copied there and back */
} Place;
enum { PLACE_COUNT = PLACE_HOST + 1 };

Place cuda_place(const Step *step);
/* As people read it: "device", "units", "host". */
extern const char *const cuda_place_names[PLACE_COUNT];

/* Writes options->output (model.cu) and the header beside it, or nothing and an error. Steps that
 * will run on the host are told of as a warning, by kernel. */
MUST_CHECK bool emit_cuda(const Program *program, const Options *options);

#endif
