/* emit_c.h: the C backend: a planned program as model.c and model.h. */
#ifndef CTC_BACKENDS_C_EMIT_C_H
#define CTC_BACKENDS_C_EMIT_C_H

#include "ir/program.h"
#include "options.h"

/* Writes options->output (…/model.c), model.h beside it, and, with --weights=incbin or file, model.weights. All of them or none appear. The
 * program must be planned. */
MUST_CHECK bool emit_c(const Program *program, const Options *options);

#endif
