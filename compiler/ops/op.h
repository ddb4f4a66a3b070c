/* op.h: what ctc knows of an operator: one const descriptor, found by domain and name.
 *
 * An operator is defined in its family's file by
 *
 *   DEFINE_OP(Conv) = {.name = "Conv", .infer = infer_conv, .lower = lower_conv};
 *
 * The build collects every line that starts with DEFINE_…(Name into the registry: there is no list
 * to keep. */
#ifndef CTC_OPS_OP_H
#define CTC_OPS_OP_H

#include "ir/graph.h"
#include "ops/blocked.h"
#include "ops/lower.h"
#include "ops/schema.h"

enum {
  OP_RANDOM = 1,        /* not folded: each run may give other values */
  OP_BODY = 2,          /* has subgraphs (If, Loop, Scan): inference and lowering look into them */
  OP_EARLY = 4,         /* onnxruntime's optimizer writes it into models of older opsets too */
  OP_KEEPS = 8,         /* where input 0 and output 0 have the same type, they are the same data */
  OP_PRODUCT = 16,      /* multiplies by weights, laid out while compiling if they are constants */
  OP_ELEMENTWISE = 32,  /* of inputs broadcast together, each element by itself */
  OP_FOREIGN = 64,      /* its kernels are not compiled into ctc: only emitted programs run it */
  OP_LAYER = 128,       /* a folder of layers/: a plugin of the same domain and name comes first */
  OP_COMMUTATIVE = 256, /* two inputs may trade places */
  OP_COMPOUND = 512,    /* takes or gives values that are no tensors as tensors: more of them than
                           the operator table says (ops/sequence.h) */
};

typedef struct Composer Composer; /* ops/compose.h */

struct OpDef {
  const char *domain; /* NULL is ai.onnx; "ai.onnx.ml", "com.microsoft" … */
  const char *name;
  unsigned flags;
  /* Checks attributes and inputs; sets dtype, shape and (integers that carry shapes) content of
   * every output. Input types are known when it is called; every output that is not NULL must be
   * set when it returns true. Idempotent. */
  bool (*infer)(Compilation *c, Node *node);
  /* Appends the steps that compute the outputs. Inference succeeded before. Constant inputs may be
   * read as numbers. */
  bool (*lower)(Lower *lower, const Node *node);
  /* May be NULL: the nodes that take the node's place, and their results that of its results,
   * because more is known than the operator says (the branch of an If whose condition is known, an
   * element of a sequence, what a node is composed of); NULL if that cannot be told. Input types
   * are known when it is called. */
  Graph *(*select)(Compilation *c, const Node *node);
  /* Of operators that are written as a graph of others, see ops/compose.h; they have no `lower`,
   * unless only some of their nodes are. */
  bool (*compose)(Composer *k, const Node *node, Value **outputs);
  /* Names of attributes that name values, up to NULL: the front end puts these values behind the
   * inputs; NULL: none. */
  const char *const *naming;
  /* What the node can do with blocked values (ops/blocked.h); NULL: nothing. */
  BlockedUse (*blocked)(Compilation *c, const Node *node);
  /* Appends the steps if one of the node's values is blocked; NULL: `lower` knows both layouts. */
  bool (*lower_blocked)(Lower *lower, const Node *node);
  const void *row; /* data of operators that share their functions */
  /* Of operators that make strings: the most bytes of one, its end included; NULL: all are among
   * the node's string inputs and attributes (ops/text.h). */
  int64_t (*text_bytes)(Compilation *c, const Node *node);
  /* Of plugins: what the operator table says of others; and, NULL: never, whether a node of another
   * operator, with nodes before it, can be computed by this one: then it becomes one of this
   * operator, and the others lose their inputs. `uses` is by value id. */
  const OperatorSchema *schema;
  uint64_t parameters; /* bit i is set: input i is a weight of the layer */
  bool (*replaces)(Compilation *c, const OpDef *op, Node *node, const int *uses);
};

#define DEFINE_OP(id) const OpDef op_##id

/* The domain of operators that only passes make: no model can name them. */
#define INTERNAL_DOMAIN "ctc"
/* Those of onnxruntime that ai.onnx does not have. */
#define MICROSOFT "com.microsoft"

const OpDef *op_find(const char *domain, const char *op_type); /* NULL: not supported */
/* Likewise, asking the compilation's plugins: after what ctc's sources define, before layers/. */
const OpDef *op_find_for(const Compilation *c, const char *domain, const char *op_type);
/* What is known of a node of opset `version`: the row of the operator table, or a plugin's. */
const OperatorSchema *op_schema(const Compilation *c, const char *domain, const char *op_type,
                                int version);
/* An operator of the internal domain; asserts that it is there. */
const OpDef *op_internal(const char *op_type);
/* All operators, sorted by domain and name. */
const OpDef *const *op_list(Arena *arena, int *count);
/* The operator of a folder of layers/, or NULL. (plugins/layers.c) */
const OpDef *layer_find(const char *domain, const char *op_type);
/* That of folder number `number`; NULL behind the last one. */
const OpDef *layer_at(int number);

/* Infers types, shapes and contents of all nodes in order, folds constants, and replaces nodes by
 * the bodies that are known to run. Reports every error there is; false if there was one.
 * (ops/infer_graph.c) */
MUST_CHECK bool infer_graph(Compilation *c, Graph *graph);
/* The types of a node's outputs, if they can be told, without a report and without folding: for
 * front ends that choose the nodes behind it by them. infer_graph will say what is wrong. */
void infer_types(Compilation *c, Node *node);
/* Whether nodes of the operator can be run while compiling. */
bool op_can_fold(const OpDef *op);
/* Runs a node whose inputs are all constants, as its outputs are then; it is not needed any more.
 */
MUST_CHECK bool infer_fold(Compilation *c, Node *node);

/* Whether the inputs' element types are what the operator table says (ops/check_types.c); reports
 * those that are not. Input types are known. */
MUST_CHECK bool check_input_types(Compilation *c, const Node *node);

/* --- help for inference (ops/infer.c) --- */

/* Numpy broadcasting of `count` shapes into *rank/shape (MAX_RANK room). Unequal constant dims are
 * an error at the node. Unequal symbolic ones: with one of them a constant other than 1, that
 * constant; otherwise their maximum. */
MUST_CHECK bool infer_broadcast(Compilation *c, const Node *node, Value *const *values, int count,
                                int *rank, Dim *shape);
/* `axis` in [-rank, rank) made non-negative; otherwise an error that names the range. */
MUST_CHECK bool infer_axis(Compilation *c, const Node *node, int64_t axis, int rank, int *result);
/* Output i has the type of input j (content too, if it is the same data). */
void infer_same(Compilation *c, Node *node, int output, int input);
/* The integers of input i (or, if that is omitted, of attribute `name`) as constants; error if they
 * are only known at run time. *present is false and *count 0 where neither is there. */
MUST_CHECK bool infer_const_ints(Compilation *c, const Node *node, int input, const char *name,
                                 bool *present, const int64_t **values, size_t *count);
/* The elements of a rank-1 (or scalar) integer input as expressions, data symbols where they are
 * only known at run time (range [low, high]). Its count must be a constant. */
MUST_CHECK bool infer_elements(Compilation *c, const Node *node, int input, int64_t low,
                               int64_t high, const Dim **values, int *count);
/* Demands that two dims are equal: constants that differ are an error ("what"), others a run-time
 * check at this node. */
MUST_CHECK bool infer_require_equal(Compilation *c, const Node *node, Dim a, Dim b,
                                    const char *what);
/* The number, list or tensor of an attribute as a tensor; NULL: it is none of these. */
const Tensor *attr_tensor(Arena *arena, const Attr *attr);
/* Sets the content of an output (count = number of elements of its constant shape); if all are
 * constants it becomes a constant. */
void infer_content(Compilation *c, Value *value, const Dim *content, int64_t count);

#endif
