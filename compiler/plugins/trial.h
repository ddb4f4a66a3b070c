/* trial.h: a node of a plugin whose sizes are all known, and what its kernel is called with: for
 * those who try kernels alone. */
#ifndef CTC_PLUGINS_TRIAL_H
#define CTC_PLUGINS_TRIAL_H

#include "plugins/plugin.h"

typedef struct {
  DType dtype; /* DT_NONE: left out */
  int rank;
  int64_t dims[MAX_RANK];
} TrialTensor;

typedef struct {
  Compilation c;
  const Plugin *plugin;
  Node *node;
  PluginNode bound;
} Trial;

/* A node with these attributes and no inputs yet; errors are reported at `where`. */
MUST_CHECK bool trial_begin(Trial *trial, Arena *arena, Diag *diag, const Plugin *plugin,
                            const char *where, const Attr *attrs, int attr_count);
/* Gives it inputs, one for each of the plugin's; all that the descriptor says of them is checked.
 */
MUST_CHECK bool trial_inputs(Trial *trial, const TrialTensor *inputs);
/* The type and shape of input or output `i`, once it has inputs. */
TrialTensor trial_input(const Trial *trial, int i);
TrialTensor trial_output(const Trial *trial, int i);

/* What a kernel's parameter is given; of functions of numbers, the elements behind each other, all
 * with the shape of the output. */
typedef struct {
  PluginBindKind kind; /* BIND_NOTHING: `first` and `last` */
  int index;           /* of the plugin's inputs, outputs … */
  TrialTensor tensor;  /* of inputs and outputs; scratch memory has rank 1 */
  int64_t number;      /* BIND_NUMBER */
  const Attr *attr;    /* of the other kinds of attributes */
} TrialArgument;

typedef struct {
  const PluginFunction *function;
  TrialArgument *arguments; /* of its parameters; of functions of numbers, then the output */
  int count;
  int64_t units;
} TrialCall;

/* False where a size cannot be computed or is negative: that is no call. */
MUST_CHECK bool trial_call(const Trial *trial, TrialCall *call);
/* Where an input of a function of numbers has each element of the output: `at` has room for one
 * position an element. */
void trial_broadcast(const Trial *trial, int input, int64_t *at);

/* What a tensor is; NULL: left out. */
TrialTensor trial_type(const Tensor *tensor);
/* Elements of a tensor. */
int64_t trial_count(const TrialTensor *tensor);
/* "float32[2, 3]" */
const char *trial_text(Arena *arena, const TrialTensor *tensor);

#endif
