/* inputs.h: the inputs of a model, whatever file they come from, and what the command line says of
 * them. */
#ifndef CTC_FRONTENDS_COMMON_INPUTS_H
#define CTC_FRONTENDS_COMMON_INPUTS_H

#include "ir/graph.h"

typedef struct {
  const char *name;
  DType dtype;
  int rank; /* -1: the model does not say */
  Dim shape[MAX_RANK];
  const char *set; /* the text of --set, or NULL */
} ModelInput;

typedef struct {
  Compilation *c;
  Vec(ModelInput) inputs;
  Map by_name; /* index + 1 */
} ModelInputs;

ModelInputs model_inputs_in(Compilation *c);
/* False, without a report, if there is one of that name. */
MUST_CHECK bool model_inputs_add(ModelInputs *all, const ModelInput *input);
/* The size of an axis of which nothing is known: a name of its own, `x.0`. */
Dim model_inputs_open_dim(Compilation *c, const char *input, int axis);
/* Call once, when all shapes (and so all names of dimensions) are known: applies --dim, --shape and
 * --set, makes a value of each input in `values` and lists those that are not constant now as
 * inputs of `graph`. */
MUST_CHECK bool model_inputs_finish(ModelInputs *all, Graph *graph, Map *values);

/* (literal.c) The text of --set as a tensor of that type: one number a piece between commas, or one
 * for all elements. */
MUST_CHECK const Tensor *literal_read(Compilation *c, const char *where, const char *text,
                                      DType dtype, int rank, const int64_t *dims);
/* (literal.c) A number as an element of a floating-point type, rounded to nearest. */
void literal_store_real(double value, DType dtype, void *out);

#endif
