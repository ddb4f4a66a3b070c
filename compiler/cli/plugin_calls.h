/* plugin_calls.h: calls of a plugin's functions, made in a program of their own that is compiled
 * with sanitizers (templates/plugin_check.c). */
#ifndef CTC_CLI_PLUGIN_CALLS_H
#define CTC_CLI_PLUGIN_CALLS_H

#include "cli/cli.h"
#include "plugins/cases.h"
#include "plugins/trial.h"

/* A plugin that is being tested. */
typedef struct {
  Cli *cli;
  Arena *arena;
  PluginSet *set;
  const Plugin *plugin;
  PluginCases cases;
  const char *folder;  /* for temporary files */
  const char *program; /* that makes the calls */
  uint64_t random;     /* state of random_unit */
} Checked;

/* What a call did that it must not do, as templates/plugin_check.c tells it. */
typedef enum {
  FAULT_NONE,
  FAULT_RANDOM,
  FAULT_UNWRITTEN,
  FAULT_MEMORY,
  FAULT_INPUT,
  FAULT_STATUS,
  FAULT_SPLIT,
  FAULT_SHARED,
  FAULT_CRASH, /* the program ended */
} CallFault;

typedef struct {
  const char *where, *name; /* "gdn/cases.json:3:5: /cases/0", "case 0" */
  const Plugin *plugin;     /* the layer, or a gradient of it */
  const Attr *attrs;
  int attr_count;
  TrialCall call;
  const Tensor *const *inputs; /* one an input of the plugin; broadcast already, if it is
                                  elementwise. NULL: left out */
  bool vector;                 /* call the vector form */
  bool thorough;               /* more than once, to find faults */
  /* Results. */
  CallFault fault;
  int status;
  int argument;
  int64_t byte, part, other;
  const Tensor **outputs; /* one an argument of the call; NULL if that is no output */
  const char *log;        /* of FAULT_CRASH: what the sanitizers said */
} Call;

typedef Vec(Call) Calls;

/* A number in [0, 1). */
double random_unit(Checked *k);
/* An integer from `low` to `high`. */
int64_t random_int(Checked *k, int64_t low, int64_t high);

/* Compiles kernel.c and gradient.c with warnings as errors, then the program that makes calls.
 * Messages point at the plugin's files. */
MUST_CHECK bool calls_check_warnings(Checked *k, const char **compilers);
MUST_CHECK bool calls_build(Checked *k);
/* Whether it has a vector form that can be called: of a function of float32 only. */
bool call_has_vector(const PluginFunction *f);
/* The call of a node; its name, inputs and results are empty. */
bool call_of(Checked *k, const Trial *trial, Call *call);
/* Makes the calls and fills in the results. False (after a message) if that cannot be done. */
MUST_CHECK bool calls_run(Checked *k, Call *calls, size_t count);
/* Reports the call's fault, if there is one; true if there is none. */
bool call_report(Checked *k, const Call *call);
/* What it was called with, as a note. */
void call_note(Checked *k, const Call *call);
/* The output of that number; of elementwise layers, 0. */
const Tensor *call_output(const Call *call, int output);

/* --- what to call it with --- */

/* What the floats of a tensor are: about normal; from 0.5 to 1.5; with some that are not finite, or
 * very large, as integers are then too. */
typedef enum { DATA_USUAL, DATA_POSITIVE, DATA_WILD } DataKind;

/* The node of a case; errors go to `diag`. */
MUST_CHECK bool case_trial(Checked *k, const PluginCase *given, Diag *diag, Trial *trial);
/* A node that the descriptor allows, of random sizes and attributes, whose kernel is `f`, and its
 * call. False if none was found. */
MUST_CHECK bool random_trial(Checked *k, const PluginFunction *f, Trial *trial, Call *call);
const Tensor *random_tensor(Checked *k, const TrialTensor *type, DataKind kind);
/* One for each input of the node. */
const Tensor **random_inputs(Checked *k, const Trial *trial, DataKind kind);
/* Gives the call its inputs: those of the node, broadcast if the layer is elementwise. */
void call_inputs(Checked *k, const Trial *trial, const Tensor *const *inputs, Call *call);

/* --- the tests; each reports what is wrong and gives a line on what it did --- */

typedef bool PluginTest(Checked *k, const char **summary);
PluginTest check_cases, check_random, check_gradient;

#endif
