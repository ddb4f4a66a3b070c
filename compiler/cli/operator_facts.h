/* operator_facts.h: what `ctc ops` tells of an operator, as texts. */
#ifndef CTC_CLI_OPERATOR_FACTS_H
#define CTC_CLI_OPERATOR_FACTS_H

#include "io/json.h"
#include "ops/op.h"

typedef struct {
  const char *name;     /* "Conv", "ai.onnx.ml.Scaler" */
  const char *versions; /* the opsets that changed it: "1, 11, 22" */
  const char *types;    /* "f i b", "T: f; Tind: i32 i64": groups of operator_types_legend */
  const char *dims;     /* dims of inputs that may be open: "all but shape[0]" */
  const char *tests;    /* beside the ONNX cases: "differential" */
  int cases;            /* ONNX cases that hold it */
  bool derivative;      /* whether Gradient passes through it */
} OperatorFacts;

/* schema/operator_evidence.json as it was when ctc was built. */
const JsonValue *operator_evidence(Arena *arena, Diag *diag);
/* What the operator table, the operator and that file say. */
OperatorFacts operator_facts(Arena *arena, const JsonValue *evidence, const OpDef *op);
/* What the groups of types stand for: "`f` f16 bf16 f32 f64; …". */
const char *operator_types_legend(Arena *arena);

#endif
