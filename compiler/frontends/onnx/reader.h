/* reader.h: what the files of the ONNX front end share. */
#ifndef CTC_FRONTENDS_ONNX_READER_H
#define CTC_FRONTENDS_ONNX_READER_H

#include "base/file.h"
#include "ir/graph.h"
#include "onnx.pb-c.h"

enum { MOST_PARTS = 3 };

/* A name that stands for several tensors (compound.c). */
typedef struct {
  Value *placeholder;
  CompoundKind kind;
  Value *parts[MOST_PARTS];
} Compound;

typedef Vec(Value *) ValueList;

typedef struct Reader {
  Compilation *c;
  Arena *arena;
  const char *path; /* of the model; external data is in its folder */
  FileView file;
  const Onnx__ModelProto *model;
  Map opsets;     /* of the model: domain → its version as a pointer-sized number */
  Map functions;  /* function_key → FunctionProto */
  Map external;   /* location → FileView, mapped once */
  Value *omitted; /* stands for an argument that a call of a function left out */
  Vec(Compound) compounds;
  int node_number;  /* position of the next node in the file */
  size_t inlined;   /* what functions expanded to so far: nodes and parameters */
  int64_t expanded; /* bytes of tensors made dense so far */
} Reader;

/* A function that is being inlined, and the ones whose bodies it was called from. */
typedef struct Call {
  const Onnx__FunctionProto *function;
  const struct Call *caller;
  int depth;
} Call;

/* Names that are visible at one place: a graph's, or a function body's. */
typedef struct Scope {
  struct Scope *outer; /* of the graph around a subgraph; NULL for the main graph and functions */
  Graph *graph;        /* where nodes go */
  Map values;          /* name in the file → Value */
  const char *prefix;  /* of names in messages: "" or "call/" */
  const Map *opsets;
  const Map *arguments; /* in a function: attribute parameter → Argument; else NULL */
  const Call *call;     /* in a function */
  int depth;            /* graphs within graphs */
} Scope;

/* The attribute that a call gave for a parameter, and where its subgraphs see their names. */
typedef struct {
  const Onnx__AttributeProto *proto;
  Scope *scope;
} Argument;

/* One node of the file. */
typedef struct {
  Reader *reader;
  Scope *scope;
  const Onnx__NodeProto *proto;
  int index; /* in the file */
} Site;

static inline const char *text_or_empty(const char *text) {
  return text ? text : "";
}

/* Whether the next error is printed at all, so that looking for a suggestion is worth it. */
static inline bool errors_shown(const Reader *r) {
  return r->c->diag->errors <= DIAG_LIMIT;
}

/* The domain as the rest of ctc writes it: "" for ai.onnx. */
const char *normal_domain(const char *domain);
bool site_error(const Site *site, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *site_text(const Site *site);

/* ---- read.c ---- */
/* The whole file as a message, checked, with a WireSlice in each raw_data; NULL after an error.
 * `kind` is what the file should be: "model". */
ProtobufCMessage *message_unpack(Reader *r, const char *kind,
                                 const ProtobufCMessageDescriptor *descriptor);
/* domain → version. Bad versions are errors. */
bool opsets_read(Reader *r, const char *whose, Onnx__OperatorSetIdProto **imports, size_t count,
                 Map *out);
/* The version that nodes of `domain` mean; 1 or the newest with a warning if the model does not
 * say. */
int opset_version(Reader *r, const Scope *scope, const char *domain);

/* ---- tensor_read.c: `what` names the tensor in errors at `where`: "initializer 'w'" ---- */
MUST_CHECK const Tensor *tensor_read(Reader *r, const char *where, const char *what,
                                     const Onnx__TensorProto *proto);
/* Dense. */
MUST_CHECK const Tensor *sparse_read(Reader *r, const char *where, const char *what,
                                     const Onnx__SparseTensorProto *proto);
/* ---- external.c: the bytes of a tensor in another file. Without a given length they are all that
 * follow in the file, and *exact is false. ---- */
MUST_CHECK bool external_data(Reader *r, const char *where, const char *what,
                              const Onnx__TensorProto *proto, const uint8_t **data, size_t *size,
                              bool *exact);

/* ---- attributes.c ---- */
/* All attributes of a node, references to a function's parameters resolved, absent ones dropped.
 * Sparse tensors are ATTR_OTHER with a dense `tensor`. */
MUST_CHECK bool attributes_read(const Site *site, Attr **attrs, int *count);

/* ---- compound.c: values that are no tensors ---- */
int compound_parts(CompoundKind kind);
/* The name of part `part` of a value. */
const char *compound_part_name(Reader *r, const char *name, CompoundKind kind, int part);
/* What the value stands for; NULL: itself, a tensor. */
const Compound *compound_of(const Reader *r, const Value *value);
CompoundKind compound_kind(const Reader *r, const Value *value);
Value *compound_create(Reader *r, const char *name, CompoundKind kind, Value *const *parts);
/* Appends the tensors of a value. */
void compound_push(const Reader *r, Value *value, ValueList *list);

/* A result of a node: the tensors that the node has for it, and what its name stands for: those, or
 * the first of them. */
typedef struct {
  CompoundKind slots, kind;
} ResultKind;

/* Whether input i of the node may be of the value's kind; reports it. */
MUST_CHECK bool compound_fits(const Site *site, const OpDef *op, int version, size_t i,
                              const Value *value);
/* Does what operators mean that are no nodes for compound values; *made: the results are defined.
 */
MUST_CHECK bool compound_make(const Site *site, Attr *attrs, int attr_count, bool *made);
/* The kinds of a node's results; the outputs of its bodies become tensors. */
MUST_CHECK bool compound_results(const Site *site, const Node *node, Attr *attrs, int attr_count,
                                 ResultKind *results);
/* The kind of input i of the body of the node at `site`. */
CompoundKind compound_body_input(const Site *site, size_t i);

/* ---- inputs.c ---- */
/* What a type in the file says. */
typedef struct {
  CompoundKind kind;
  DType dtype, values; /* of the tensor, or of the elements; of a map its keys, and its values */
  const Onnx__TensorShapeProto *shape; /* NULL: unknown */
} DeclaredCompound;

/* False for kinds that ctc does not take. */
bool compound_declared(const Onnx__TypeProto *type, DeclaredCompound *declared);

/* The main graph's inputs as values in `scope`, with the options --dim, --shape and --set applied.
 */
bool inputs_read(Reader *r, Scope *scope, const Onnx__GraphProto *proto);

/* ---- declared.c ---- */
/* Notes what the file says of the types of the values that nodes compute (see DeclaredType). */
void declared_types_read(Reader *r, Scope *scope, const Onnx__GraphProto *proto);

/* ---- order.c ---- */
/* Positions of `nodes` such that producers come before users, as near to the file's order as can
 * be. False if there is a cycle. `scope` holds what is defined before them. */
MUST_CHECK bool nodes_order(Reader *r, const Scope *scope, Onnx__NodeProto *const *nodes,
                            size_t count, int **order);

/* ---- functions.c ---- */
bool functions_read(Reader *r);
const Onnx__FunctionProto *function_find(Reader *r, const Onnx__NodeProto *node);
MUST_CHECK bool function_inline(const Site *site, const Onnx__FunctionProto *function);

/* ---- build.c ---- */
/* `around`: the node that it is a body of, with its names in `outer`; NULL for the model's graph.
 */
Graph *graph_read(Reader *r, Scope *outer, const Site *around, const Onnx__GraphProto *proto);
bool nodes_read(Reader *r, Scope *scope, Onnx__NodeProto **nodes, size_t count);
/* The value called `name` as seen from `scope`, NULL if there is none. */
Value *scope_find(const Scope *scope, const char *name);
/* Makes `name` mean `value`. False, without a report, if it means another one already. */
MUST_CHECK bool scope_define(Scope *scope, const char *name, Value *value);
/* The visible name nearest to `name`, or NULL. */
const char *scope_suggest(Reader *r, const Scope *scope, const char *name);

#endif
