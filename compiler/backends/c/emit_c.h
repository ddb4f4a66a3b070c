/* emit_c.h: the C backend: a planned program as model.c and model.h. */
#ifndef CTC_BACKENDS_C_EMIT_C_H
#define CTC_BACKENDS_C_EMIT_C_H

#include "backends/template.h"
#include "ir/program.h"
#include "options.h"

/* Writes options->output (…/model.c), model.h beside it, and, with --weights=incbin or file,
 * model.weights. All of them or none appear. The program must be planned. */
MUST_CHECK bool emit_c(const Program *program, const Options *options);
/* The prefix of the emitted symbols: options->prefix, or the output's name as a C identifier. */
const char *emit_c_prefix(const Options *options, Arena *arena);
/* Writes `path`, a C file with a main() around the model that emit_c writes with the same options:
 * it reads and writes .npy files. `weights_name` is the file it takes the weights from by default,
 * "" if they are in the program. */
MUST_CHECK bool emit_c_main(const Program *program, const Options *options, const char *path,
                            const char *weights_name);
/* Writes `path`, a C file beside the model, which is the same for all: "trace.c" and "profile.c",
 * linked with models of options->trace and options->profile; "machine.c". */
MUST_CHECK bool emit_c_support(const Program *program, const Options *options, const char *template,
                               const char *path);

/* Writes `path` from a template in which $runtime_head and $runtime stand for definitions: those
 * numbered `chunks` (ir/kernel.h) and what they need; `scope` binds its other names. With
 * options->line_directives, messages about those of plugins point at their files. */
MUST_CHECK bool emit_c_around(Compilation *c, const Options *options, const int *chunks,
                              size_t count, const char *template, Scope *scope, const char *path);

#endif
