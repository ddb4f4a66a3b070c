/* compose.h: operators that are written as a graph of others.
 *
 *   static bool compose_swiglu(Composer *k, const Node *node, Value **out) {
 *     Value *gate = compose_op(k, "Swish", IN(node_in(node, 0)), NO_ATTRS);
 *     out[0] = compose_op(k, "Mul", IN(gate, node_in(node, 1)), NO_ATTRS);
 *     return true;
 *   }
 *   DEFINE_COMPOSED(SwiGLU, NULL, "SwiGLU", compose_swiglu);
 *
 * The function sees a node whose inputs have types, and appends nodes that take its place:
 * inference puts them there, and all passes see them only. out[i] is set for each output that
 * somebody asked for. Errors are reported by node_error; checks by infer_require_equal go to the
 * last node. Values are typed as soon as they are made. After an error they are not, but the
 * function may go on: it looks at ranks and shapes of its node's inputs, not of values that it
 * made. */
#ifndef CTC_OPS_COMPOSE_H
#define CTC_OPS_COMPOSE_H

#include "ops/new_node.h"

/* Appends nodes to a graph: for an operator, or for a layer of a JSON model
 * (frontends/json/layer.h). */
struct Composer {
  Compilation *c;
  const Node *node; /* whose place is taken; NULL: a layer's */
  Graph *body;
  const char *stem; /* new values are called `stem`/Add, `stem`/constant … */
  bool failed;
  /* Makes a node, types its outputs if they can be told, and gives them; sets `failed` if it cannot
   * be. */
  Value **(*make)(Composer *k, const NewNode *what);
};

#define DEFINE_COMPOSED_FLAGS(id, in_domain, in_name, in_flags, function)                          \
  const OpDef op_##id = {.domain = in_domain,                                                      \
                         .name = in_name,                                                          \
                         .flags = in_flags,                                                        \
                         .infer = infer_composed,                                                  \
                         .select = select_composed,                                                \
                         .compose = function}
#define DEFINE_COMPOSED(id, domain, name, function)                                                \
  DEFINE_COMPOSED_FLAGS(id, domain, name, 0, function)

/* Types of the outputs, or all errors, by composing once for that alone. */
bool infer_composed(Compilation *c, Node *node);
/* The nodes that take the node's place; NULL after errors, which infer_composed reports. */
Graph *select_composed(Compilation *c, const Node *node);

/* A node of ai.onnx in its newest version; its output. NULL inputs are omitted ones. */
Value *compose_op(Composer *k, const char *op_type, Values in, Attrs attrs);
/* The same of any domain, with several outputs. */
Value **compose_node(Composer *k, const char *domain, const char *op_type, Values in, Attrs attrs,
                     int outputs);
/* The same in a version that is not the newest. */
Value **compose_version(Composer *k, const char *domain, const char *op_type, int version,
                        Values in, Attrs attrs, int outputs);
/* The nodes of a body of the node with these inputs; the body's output 0, which is of x's type if
 * inference cannot tell. */
Value *compose_body(Composer *k, const Graph *body, Value *x);

/* --- constants --- */

Value *compose_tensor(Composer *k, const Tensor *tensor);
Value *compose_number(Composer *k, DType dtype, double value); /* rank 0 */
Value *compose_ints(Composer *k, const int64_t *values, int count);

/* --- short forms of frequent nodes --- */

Value *compose_reshape(Composer *k, Value *x, const int64_t *shape, int count);
Value *compose_transpose(Composer *k, Value *x, const int64_t *perm, int count);
Value *compose_unsqueeze(Composer *k, Value *x, int64_t axis);
Value *compose_squeeze(Composer *k, Value *x, int64_t axis);
Value *compose_slice(Composer *k, Value *x, int64_t axis, int64_t start, int64_t end);
/* x itself if it is of that dtype. */
Value *compose_cast(Composer *k, Value *x, DType dtype);
/* Add, Sub, Mul, …: both inputs of one dtype. */
Value *compose_binary(Composer *k, const char *op_type, Value *a, Value *b);
/* The size of one axis, as a list of one int64. */
Value *compose_size(Composer *k, Value *x, int64_t axis);

#endif
