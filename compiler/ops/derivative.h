/* derivative.h: how operators hand gradients from their outputs to their inputs. */
#ifndef CTC_OPS_DERIVATIVE_H
#define CTC_OPS_DERIVATIVE_H

#include "ops/compose.h"

/* A node on the way back from the value that is differentiated. */
typedef struct {
  Composer *k;
  const Node *node;
  Value *const *from; /* gradients by the outputs; NULL: none reaches it */
  Value **to;         /* by the inputs, of their shapes: what the rule sets; NULL: none */
  const bool *wanted; /* inputs whose gradient is needed */
} Backward;

typedef struct {
  const char *op_type; /* of ai.onnx */
  /* Sets `to` of the wanted inputs; NULL: it reports that there is no derivative. */
  bool (*rule)(Backward *b, const char *const *formulas);
  const char *formulas[3]; /* one an input, for the rules that take them */
} Derivative;

/* NULL: there is none. */
const Derivative *derivative_find(const char *domain, const char *op_type);

/* Zeros of x's shape and type, or another number. */
Value *compose_filled(Composer *k, Value *x, double number);

#endif
