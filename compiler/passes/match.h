/* match.h: what passes ask of nodes and values when they look for a subgraph. */
#ifndef CTC_PASSES_MATCH_H
#define CTC_PASSES_MATCH_H

#include "ir/graph.h"

/* Whether it is that operator of ai.onnx. */
bool is_op(const Node *node, const char *op_type);

bool same_shape(const Value *a, const Value *b);

/* A constant with one element. */
bool is_number(const Value *value, double *number);

/* --- nodes whose work another one will do --- */

/* Whether the node is one of these. */
bool is_among(Node *const *nodes, int count, const Node *node);
/* How often these nodes take the value. */
int uses_among(Node *const *nodes, int count, const Value *value);
/* `node` makes the checks of all of them, too. */
void inherit_checks(Compilation *c, Node *const *nodes, int count, Node *node);

/* While they are looked for. */
enum { MOST_TAKEN = 64 };

typedef struct {
  Node *nodes[MOST_TAKEN];
  int count;
} Taken;

/* False if there are too many. */
bool take(Taken *taken, Node *node);

/* Whether nobody else uses what the nodes compute, but for the results of `last`. `uses` is by
 * value id (count_value_uses). */
bool is_closed(const Taken *taken, const Node *last, const int *uses);

#endif
