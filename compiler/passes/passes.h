/* passes.h: the passes between the front end and the backends, and the manager that runs them in
 * order. */
#ifndef CTC_PASSES_PASSES_H
#define CTC_PASSES_PASSES_H

#include "ir/program.h"
#include "ir/target.h"

/* Runs all passes on c->graph. *program is the planned program. Reports and returns false on user
 * errors; with --stop-after before lowering, *program stays NULL. */
MUST_CHECK bool passes_run(Compilation *c, Program **program);
/* The names of the passes, in order, for --help. */
const char *const *passes_names(int *count);

/* Whether the pass of that name must run: the ones behind it need what it makes. */
bool pass_is_required(const char *name);

/* On the graph. */
bool pass_infer(Compilation *c);
bool pass_simplify(Compilation *c);
bool pass_fold_batchnorm(Compilation *c);
bool pass_commute(Compilation *c);
bool pass_quantize(Compilation *c);
bool pass_fold_weights(Compilation *c);
bool pass_gather_rows(Compilation *c);
bool pass_clean(Compilation *c);
bool pass_replace(Compilation *c);
bool pass_fuse_normalization(Compilation *c);
bool pass_narrow(Compilation *c);
bool pass_fuse_attention(Compilation *c);
bool pass_layout(Compilation *c);
/* On the program. */
bool pass_prune(Program *program);
bool pass_collapse(Program *program);
bool pass_fuse(Program *program);
bool pass_epilogue(Program *program);
bool pass_views(Program *program);
bool pass_halo(Program *program);
bool pass_schedule(Program *program);
bool pass_plan(Program *program);

/* One nest, see collapse.c. */
void collapse_nest(DimPool *pool, LoopNest *nest);

#endif
