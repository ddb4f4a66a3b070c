/* passes.c: the list of passes, in order, and the manager: it runs, verifies, prints and times
 * them. */
#include "passes/passes.h"

#include "ops/op.h"
#include "options.h"

#include <string.h>
#include <time.h>

typedef struct {
  const char *name;
  bool (*graph)(Compilation *c);
  bool (*program)(Program *program);
  bool required; /* cannot be switched off */
} Pass;

static const Pass passes[] = {
    /* Types, symbolic shapes, constant folding, choice of branches. */
    {"infer", .graph = pass_infer, .required = true},
    /* Nodes that change nothing, and zeros put around the input of a convolution. */
    {"simplify", .graph = pass_simplify},
    /* Convolutions take the scale and shift of a batch normalisation behind them into their
       weights. */
    {"fold-batchnorm", .graph = pass_fold_batchnorm},
    /* Linear operators behind each other, in the order that takes fewer products. */
    {"commute", .graph = pass_commute},
    /* Quantised operators compute in integers, on tensors with channels last. */
    {"quantize", .graph = pass_quantize},
    /* What products multiply by, where it is of constants alone. */
    {"fold-weights", .graph = pass_fold_weights},
    /* Rows of a table are gathered first and computed then. */
    {"gather-rows", .graph = pass_gather_rows},
    /* Nodes that nobody needs. */
    {"clean", .graph = pass_clean},
    /* Nodes that a plugin computes in a way of its own. */
    {"replace", .graph = pass_replace},
    /* Normalisations of rows that are written out become one node. */
    {"fuse-normalization", .graph = pass_fuse_normalization},
    /* Where one row of a tensor is used, the other rows are not computed. */
    {"narrow", .graph = pass_narrow},
    /* Two products with a softmax between them become one node. */
    {"fuse-attention", .graph = pass_fuse_attention},
    /* Which values are in blocks of 16 channels, and where that is converted. */
    {"layout", .graph = pass_layout},
    /* The graph becomes a program: kernel calls and loop nests on buffers. */
    {"lower", .required = true},
    /* Steps and sizes that nobody needs. */
    {"prune", .program = pass_prune},
    /* Chains of nests with the same loops become one: later their loops may differ, as only some of
       them tell the channels apart. */
    {"fuse-same", .program = pass_fuse},
    /* As few loops a nest as possible. */
    {"collapse", .program = pass_collapse},
    /* Chains of elementwise nests become one. */
    {"fuse", .program = pass_fuse},
    {"collapse-fused", .program = pass_collapse},
    /* Nests that finish a kernel's results are done where the kernel stores them. */
    {"epilogue", .program = pass_epilogue},
    /* Tensors that are parts of others live in them. */
    {"views", .program = pass_views},
    /* Zeros around the planes of blocked values. */
    {"halo", .program = pass_halo, .required = true},
    /* The order of steps that needs the least memory. */
    {"schedule", .program = pass_schedule},
    /* Places in the workspace. */
    {"plan", .program = pass_plan, .required = true},
};
enum { PASS_COUNT = sizeof passes / sizeof *passes };

bool pass_infer(Compilation *c) {
  return infer_graph(c, c->graph);
}

const char *const *passes_names(int *count) {
  static const char *names[PASS_COUNT];
  for (int i = 0; i < PASS_COUNT; i++) names[i] = passes[i].name;
  *count = PASS_COUNT;
  return names;
}

bool pass_is_required(const char *name) {
  for (int i = 0; i < PASS_COUNT; i++)
    if (strcmp(passes[i].name, name) == 0) return passes[i].required;
  return false;
}

static bool listed(const char *name, const char *const *names, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return true;
  return false;
}

static void dump(Compilation *c, const char *name, const Program *program) {
  Str text = str_in(c->arena);
  if (program)
    program_print(&text, program);
  else
    graph_print(&text, c->graph);
  printf("--- after %s ---\n%s", name, str_text(&text));
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool run_pass(const Pass *pass, Compilation *c, Program **program) {
  if (pass->graph) return pass->graph(c);
  if (pass->program) return pass->program(*program);
  return lower_program(c, program);
}

static void verify(const Compilation *c, const Program *program) {
  if (program)
    program_verify(program);
  else
    graph_verify((Compilation *)c, c->graph, true);
}

bool passes_run(Compilation *c, Program **program) {
  const Options *o = c->options;
  *program = NULL;
  for (int i = 0; i < PASS_COUNT; i++) {
    const Pass *pass = &passes[i];
    if (!pass->required && listed(pass->name, o->disabled_passes, o->disabled_pass_count)) continue;
    double start = seconds();
    if (!run_pass(pass, c, program)) return false;
    if (o->time_passes) fprintf(stderr, "%-16s %8.1f ms\n", pass->name, 1e3 * (seconds() - start));
    verify(c, *program);
    if (listed(pass->name, o->dump_after, o->dump_after_count)) dump(c, pass->name, *program);
    if (o->stop_after && strcmp(o->stop_after, pass->name) == 0) break;
  }
  return true;
}
