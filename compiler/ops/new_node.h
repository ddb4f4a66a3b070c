/* new_node.h: nodes that no file has: of composed operators, of layers of JSON models, of passes.
 *
 *   Node *node = graph_add(c, graph, &(NewNode){.op_type = "Gather",
 *                                               .version = 13,
 *                                               .in = IN(x, rows),
 *                                               .attrs = WITH(attr_int("axis", 0)),
 *                                               .outputs = 1,
 *                                               .output = "row"});
 */
#ifndef CTC_OPS_NEW_NODE_H
#define CTC_OPS_NEW_NODE_H

#include "ops/op.h"

typedef struct {
  Value *const *items;
  int count;
} Values;

typedef struct {
  const Attr *items;
  int count;
} Attrs;

#define IN(...)                                                                                    \
  ((Values){(Value *[]){__VA_ARGS__}, sizeof((Value *[]){__VA_ARGS__}) / sizeof(Value *)})
#define WITH(...) ((Attrs){(Attr[]){__VA_ARGS__}, sizeof((Attr[]){__VA_ARGS__}) / sizeof(Attr)})
#define NO_INPUTS ((Values){NULL, 0})
#define NO_ATTRS ((Attrs){NULL, 0})

/* Those of a node. */
Values node_inputs(const Node *node);
Attrs node_attrs(const Node *node);

/* What a node is made of. All of it is copied, but for names and what attributes point to other
 * than lists of integers. */
typedef struct {
  const OpDef *op;              /* NULL: the one of this name, which ctc may not have */
  const char *domain, *op_type; /* unless op is given; NULL: ai.onnx */
  int version;
  Values in; /* NULL entries are omitted ones */
  Attrs attrs;
  int outputs;
  const char *output; /* what they are called; NULL: the caller sets them, by node_set_output */
  const Node *origin; /* what it is a part of: its name and place are those in messages; or NULL */
} NewNode;

/* The node, in no graph's list yet: whoever rebuilds the list puts it in its place. */
Node *node_new(Compilation *c, Graph *graph, const NewNode *what);
/* The same at the end of the graph. */
Node *graph_add(Compilation *c, Graph *graph, const NewNode *what);

/* Attributes with lists of their own. */
Attr *attrs_copy(Arena *arena, Attrs attrs);

#endif
