/* graph.h: the ONNX-level graph: nodes in topological order on typed values.
 *
 * Names are kept for messages only; everything is linked by pointers once the front end is done. A
 * subgraph (body of If, Loop, Scan) refers to values of the graphs around it directly. */
#ifndef CTC_IR_GRAPH_H
#define CTC_IR_GRAPH_H

#include "base/diag.h"
#include "base/map.h"
#include "base/vec.h"
#include "ir/dim.h"
#include "ir/tensor.h"

typedef struct Graph Graph;
typedef struct Node Node;
typedef struct OpDef OpDef; /* ops/op.h */
struct Sequence;            /* ops/sequence.h */

/* Element `index` of an integer tensor, read while the program runs, gives a data symbol its value.
 */
typedef struct {
  Dim symbol;
  int64_t index;
} ElementLoad;

/* What the model's file says of the type of a value. Not trusted: inference finds out by itself.
 * Behind an error it stands in for a type that could not be inferred, so that the rest of the model
 * is checked in the same run; in loops for sizes that only the run shows, which it then checks. */
typedef struct {
  DType dtype;
  int rank;
  const int64_t *dims;      /* -1: a name, or unknown */
  const char *const *names; /* NULL: unknown */
} DeclaredType;

/* The blocked layout of a float32 value [N, C, H, W] ([N, C, W] has H = 1): memory
 * [N][ceil(C / 16)][H + 2 * halo[0]][W + 2 * halo[1]][16]. The halo is zero; lanes that pad the
 * last block hold anything. Values without it are dense and row-major. */
typedef struct {
  int64_t halo[2];
} BlockedLayout;

enum { BLOCK_CHANNELS = 16 };

typedef struct Value {
  const char *name;
  DType dtype; /* DT_NONE until inferred */
  int rank;    /* -1 until inferred */
  Dim *shape;  /* rank expressions */
  /* Known data: from an initializer or folded. NULL if only known at run time. */
  const Tensor *constant;
  /* Integer (or bool) tensors with a constant count that carry shapes: each element as an
   * expression, row-major. NULL if unknown. */
  Dim *content;
  int64_t content_count;
  Vec(ElementLoad) loads; /* elements of this value that became data symbols (see value_element) */
  Node *producer;         /* NULL for inputs, initializers and body inputs */
  int producer_output;
  const Node *folded; /* that a constant was computed by; NULL: it was in the file */
  int id;             /* unique in the compilation, in order of creation */
  bool is_input;      /* an input of the outermost graph */
  bool is_parameter;  /* an initializer of the model (may be trained later), not a folded value */
  const DeclaredType *declared;    /* NULL: the file does not say */
  const BlockedLayout *blocked;    /* NULL: row-major. Set by pass layout */
  const char *note;                /* e.g. class labels of a ZipMap, for model.h; may be NULL */
  const struct Sequence *sequence; /* of the data of a sequence: what is known of its elements */
  int64_t text_bytes;              /* of a string tensor: see ops/text.h; 0: not yet known */
} Value;

typedef enum {
  ATTR_NONE,
  ATTR_INT,
  ATTR_FLOAT,
  ATTR_STRING,
  ATTR_TENSOR,
  ATTR_GRAPH,
  ATTR_INTS,
  ATTR_FLOATS,
  ATTR_STRINGS,
  ATTR_TENSORS,
  ATTR_OTHER, /* sparse tensors, types, lists of graphs: kept so that an operator can complain */
} AttrKind;

typedef struct {
  const char *name;
  AttrKind kind;
  size_t count; /* of the lists; 1 for single ones */
  int64_t i;
  float f;
  const char *s;
  size_t s_length;
  const int64_t *ints;
  const float *floats;
  const char *const *strings;
  const Tensor *tensor;
  const Tensor *const *tensors;
  Graph *graph;
} Attr;

/* Something that inference could not decide and the emitted program checks before the node's steps.
 */
typedef struct {
  Dim condition; /* must be non-zero */
  const char *what;
} NodeCheck;

struct Node {
  const OpDef *op;     /* NULL if ctc has no such operator (reported by check_supported) */
  const char *domain;  /* "" for ai.onnx */
  const char *op_type; /* "Conv" */
  const char *name;    /* may be "" */
  int version;         /* opset version of its domain in the model */
  int index;           /* its position in the file, for messages: Conv #13 */
  const char *where;   /* line and place in a file that has them; NULL: only the file is known */
  Value **inputs;      /* NULL entries are omitted optional inputs */
  int input_count;
  Value **outputs; /* NULL entries are outputs that nobody asked for */
  int output_count;
  Attr *attrs;
  int attr_count;
  Graph *graph;          /* the graph that it is in */
  Vec(NodeCheck) checks; /* set by inference, anew each time, but for the first `given_checks` */
  int given_checks;      /* what the node was made with */
  void *plan; /* what inference found out and lowering needs (loops); owned by the operator */
};

struct Graph {
  const char *name;
  Vec(Value *) inputs; /* without those that have an initializer */
  Vec(Value *) outputs;
  Vec(Node *) nodes; /* topological order */
  Graph *parent;     /* of a subgraph */
};

/* An input or output of the model that is no tensor, but several ports behind each other. */
typedef enum {
  COMPOUND_NONE,
  COMPOUND_SEQUENCE,          /* data, shapes (ops/sequence.h) */
  COMPOUND_OPTIONAL,          /* a tensor: a sequence of one element, or none */
  COMPOUND_OPTIONAL_SEQUENCE, /* data, shapes, present (bool) */
  COMPOUND_MAP,               /* keys, values */
} CompoundKind;

typedef struct {
  const char *name; /* as the file has it */
  CompoundKind kind;
  bool is_output;
  int first; /* port */
} CompoundPort;

/* What a compilation carries along: everything a pass needs. */
typedef struct Compilation {
  Arena *arena;
  Diag *diag;
  DimPool *dims;
  const char *file; /* the model as the user named it, for messages */
  Graph *graph;
  int next_value_id, next_node_index;
  const struct Options *options; /* options.h */
  const char *producer;          /* metadata of the model, may be "" */
  const char **output_names; /* of the graph's outputs as the file has them; values may be replaced
                                by others */
  Vec(CompoundPort) compounds;
  uint64_t model_hash; /* FNV-1a of the model file's bytes */
  Vec(NodeCheck)
      assumptions; /* about sizes of inputs, made by inference; the program checks them first */
  Vec(const OpDef *) plugin_ops;       /* operators that are no part of ctc (plugins/plugin.h) */
  const struct KernelLibrary *library; /* their definitions (ir/kernel.h); NULL: none */
} Compilation;

Value *value_create(Compilation *c, const char *name);
/* A value with known data: dtype, shape, constant and (small integers) content are set. */
Value *value_constant(Compilation *c, const char *name, const Tensor *tensor);
/* Copies `shape` into the value; sets dtype and rank. */
void value_set_type(Compilation *c, Value *value, DType dtype, int rank, const Dim *shape);
void value_set_constant(Compilation *c, Value *value, const Tensor *tensor);
/* Number of elements as an expression; asserts that the rank is known. */
Dim value_count(Compilation *c, const Value *value);
/* Whether every element is known as a constant; then *out (room for content_count) is filled. */
bool value_const_ints(const Value *value, int64_t *out);
/* Element `index` of an integer tensor as an expression: from the content if that is known,
 * otherwise a data symbol that is loaded when the program runs (its range is [low, high], its bound
 * open). */
Dim value_element(Compilation *c, Value *value, int64_t index, int64_t low, int64_t high);
/* Whether the data symbol is an element of this value. */
bool value_loads(const Value *value, const DimSymbol *symbol);
/* "float32[1, 3, N]" */
const char *value_type_text(Compilation *c, const Value *value);

Graph *graph_create(Compilation *c, const char *name, Graph *parent);
Node *graph_append(Compilation *c, Graph *graph, const char *domain, const char *op_type,
                   int version, int input_count, int output_count);
/* The same, but for the graph's list of nodes: whoever rebuilds the list puts it in its place. */
Node *node_create(Compilation *c, Graph *graph, const char *domain, const char *op_type,
                  int version, int input_count, int output_count);
/* A deep copy of a body with fresh values; values of outer graphs stay shared. Body inputs are
 * replaced by `inputs` if that is not NULL. */
Graph *graph_clone(Compilation *c, const Graph *graph, Value *const *inputs);
/* Every use of `from` in `graph` and its subgraphs (inputs of nodes, graph outputs) becomes `to`.
 */
void graph_replace_uses(Graph *graph, Value *from, Value *to);
/* Whether `graph` or one of its subgraphs uses the value (inputs of nodes, graph outputs). */
bool graph_uses(const Graph *graph, const Value *value);
/* Drops nodes whose outputs nobody uses (subgraphs too). Returns how many. */
int graph_remove_dead(Compilation *c, Graph *graph);
/* Checks the invariants: order, single definition, arity, types known (if `typed`). Asserts on
 * violations. */
void graph_verify(Compilation *c, const Graph *graph, bool typed);
void graph_print(Str *out, const Graph *graph);

/* Attributes. Missing ones give the default; wrong kinds were refused by the front end against the
 * operator table. */
const Attr *node_attr(const Node *node, const char *name);
int64_t node_int(const Node *node, const char *name, int64_t missing);
float node_float(const Node *node, const char *name, float missing);
const char *node_string(const Node *node, const char *name, const char *missing);
/* The list, or NULL; *count is its length (0 if missing). */
const int64_t *node_ints(const Node *node, const char *name, size_t *count);
const float *node_floats(const Node *node, const char *name, size_t *count);
Graph *node_body(const Node *node, const char *name);

/* What these point to is not copied. */
Attr attr_int(const char *name, int64_t value);
Attr attr_float(const char *name, double value);
Attr attr_text(const char *name, const char *value);
Attr attr_ints(const char *name, const int64_t *values, int count);
Attr attr_graph(const char *name, Graph *graph);
/* Gives the node an attribute, in place of the one of that name. The old list stays as it is: other
 * nodes may share it. */
void node_set_attr(Compilation *c, Node *node, Attr attr);

/* Input or output i, or NULL if omitted or beyond the end. */
Value *node_in(const Node *node, int i);
Value *node_out(const Node *node, int i);
/* The value is what the node gives as output i; returns it. */
Value *node_set_output(Node *node, int i, Value *value);

/* "model.onnx: node 'conv1' (Conv #13)", the location of diagnostics; "net.json:12:5: /layers/3:
 * node 'conv1' (Conv)" where the file has lines. */
const char *node_where(Compilation *c, const Node *node);
/* An error at a node, followed by a note with the types of its inputs. Returns false. */
bool node_error(Compilation *c, const Node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
