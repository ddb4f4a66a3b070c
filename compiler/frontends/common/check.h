/* check.h: a node against the operator table, before any code of an operator sees it. */
#ifndef CTC_FRONTENDS_COMMON_CHECK_H
#define CTC_FRONTENDS_COMMON_CHECK_H

#include "ir/graph.h"

/* A node as the file has it. */
typedef struct {
  Compilation *c;
  const char *domain, *op_type; /* "" for ai.onnx */
  int version;                  /* opset version of the domain */
  char *const *inputs;          /* names, "" for omitted ones */
  char *const *outputs;
  size_t input_count, output_count;
  const char *(*where)(const void *site); /* the place, for messages */
  const void *site;
} NodeFacts;

/* Arity, names, kinds and presence of attributes. Attributes that are missing but have a default
 * are added. True for operators that the table does not know. */
MUST_CHECK bool check_node(const NodeFacts *node, Attr **attrs, int *count);

#endif
