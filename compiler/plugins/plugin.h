/* plugin.h: layers that are no part of ctc: folders with a descriptor and a kernel.
 *
 *   gdn/layer.json   inputs, outputs, attributes, shapes as expressions (schema/layer.schema.json)
 *   gdn/kernel.c     functions gdn_f32, gdn_f64 … written like a file of runtime/
 *   gdn/gradient.c   its derivatives, if there are any
 *   gdn/cases.json   inputs and expected outputs, for `ctc plugin check`
 *
 * A plugin becomes what built-in operators are: an OpDef, whose inference and lowering follow the
 * descriptor, a row of the operator table, and kernels whose text is pasted into the emitted
 * program. ctc itself cannot run them, but for those of layers/: folders of the same kind that the
 * build makes part of ctc.
 *
 *   descriptor.c  layer.json as a Plugin     functions.c  kernel.c: functions and their arguments
 *   expression.c  sizes and conditions       node.c       a node against the descriptor
 *   load.c        where plugins are found    op.c         inference and lowering
 *   layers.c      those of layers/           pattern_….c  nodes that it replaces
 *   gradient.c    operators of derivatives   cases.c      cases.json
 *   plugin.c      names, element types       trial.c      a kernel's arguments where all sizes are
 *                                                         known */
#ifndef CTC_PLUGINS_PLUGIN_H
#define CTC_PLUGINS_PLUGIN_H

#include "io/json.h"
#include "ops/op.h"
#include "plugins/expression.h"

enum { PLUGIN_TYPES = 4 }; /* type variables at most */

typedef struct {
  const char *name; /* "T" */
  Vec(DType) dtypes;
} PluginType;

typedef struct {
  const char *name;
  const JsonValue *json; /* where it stands */
  const char *type;      /* as it is written: "bool" */
  AttrKind kind;
  bool is_bool, required;
  double minimum, maximum;
  const JsonValue *choices; /* `enum`, or NULL */
  Attr missing;             /* the default */
  int value;                /* its place among the names; -1: a float, not for expressions */
  int count;                /* likewise of a list's length; -1 */
} PluginAttr;

/* One entry of a shape. */
typedef struct {
  bool is_rest; /* "..." */
  const Expression *value;
  int binds; /* of an input: the name that it gives its value to; -1: none */
} PluginDim;

typedef struct {
  const char *name;
  const JsonValue *json;
  int type; /* a type variable; -1: always `dtype` */
  DType dtype;
  PluginDim *shape;
  int rank; /* entries */
  int rest; /* which of them is "..."; -1: none */
  bool parameter, optional;
  bool any_shape; /* with as many elements */
} PluginTensor;

typedef struct {
  const char *name;
  const JsonValue *json;
  int type;
  DType dtype;
  const Expression *count;
} PluginScratch;

typedef struct {
  int name;
  const Expression *value;
} PluginSize;

typedef struct {
  const Expression *condition;
  const char *message;
} PluginCheck;

typedef enum {
  BIND_INPUT,
  BIND_OUTPUT,
  BIND_SCRATCH,
  BIND_NUMBER,  /* the value of a name */
  BIND_REAL,    /* an attribute */
  BIND_INTS,    /* likewise */
  BIND_FLOATS,  /* likewise */
  BIND_NOTHING, /* whoever calls the kernel fills it in */
} PluginBindKind;

typedef enum {
  SLOT_INPUT,  /* of the layer */
  SLOT_VALUE,  /* a result of another node of the pattern */
  SLOT_ATTR,   /* a constant: the value of an attribute of the layer */
  SLOT_NUMBER, /* a constant: a number */
  SLOT_NONE,   /* left out */
} PatternSlotKind;

/* An input of a node of a pattern. */
typedef struct {
  PatternSlotKind kind;
  int index;
  double number;
} PatternSlot;

/* What an attribute of a node of a pattern must be. */
typedef struct {
  const char *name;
  const JsonValue *value; /* NULL: that of an attribute of the layer … */
  int attr;               /* … this one */
} PatternAttr;

typedef struct {
  const char *domain, *op;
  const JsonValue *json;
  Vec(PatternSlot) inputs;
  Vec(int) outputs; /* values of the pattern; -1: nobody uses it */
  Vec(PatternAttr) attrs;
  bool same_attrs;  /* attributes that the layer has too are the layer's */
  bool commutative; /* its two inputs may trade places */
} PatternNode;

/* A result of a node. */
typedef struct {
  const char *name;
  int node, position; /* which one makes it, as which output */
  int output;         /* of the layer; -1: none */
} PatternValue;

/* Nodes whose work the layer does. The last one makes the layer's output 0. */
typedef struct {
  Vec(PatternNode) nodes;
  Vec(PatternValue) values;
  const Attr **attrs;          /* that the layer gets; NULL: not said */
  const PluginTensor **shapes; /* of inputs, where they are others in the nodes; NULL: the same */
  const Expression *condition; /* NULL: none */
} PluginPattern;

/* What a parameter of a kernel is given. */
typedef struct {
  PluginBindKind kind;
  int index;
} PluginBind;

/* The kernel for one choice of element types. */
typedef struct {
  DType dtypes[PLUGIN_TYPES];
  Kernel kernel;
  PluginBind *binds;
} PluginFunction;

typedef struct Plugin {
  const char *folder, *name, *domain, *summary;
  const char *descriptor_text, *kernel_text; /* of layers/; NULL: files of the folder */
  const char *prefix;                        /* of what kernel.c defines: the name in lower case */
  const char *stem; /* of its functions' names: "gdn" of gdn_f32, "gdn_gradient" */
  int version;
  JsonFile file; /* layer.json */
  Vec(PluginType) types;
  Vec(PluginAttr) attrs;
  Vec(PluginTensor) inputs, outputs;
  const char *const *includes; /* as RuntimeChunk has them */
  Vec(PluginScratch) scratch;
  Vec(PluginSize) sizes;
  Vec(PluginCheck) checks;
  Vec(ExpressionName) names; /* that expressions may use */
  int rest;                  /* the name of the product of "..."; -1: no shape has it */
  int rest_short;            /* likewise "S", unless that is a dimension */
  bool elementwise;
  const Expression *units, *flops; /* NULL: not given */
  Vec(PluginPattern) patterns;     /* `replaces` */
  Vec(PluginFunction) functions;
  Vec(struct Plugin *) gradients; /* see plugin_make_gradients */
  OpDef op;
  OperatorSchema schema;
} Plugin;

/* The plugins of one compilation. */
typedef struct {
  Arena *arena;
  Diag *diag;
  Vec(Plugin *) plugins;
  KernelLibrary library;
  Map defined;                     /* name of a definition → Plugin */
  Map runtime;                     /* name of a definition of the runtime → its number + 1 */
  const struct JsonSchema *schema; /* of layer.json, once one was read */
} PluginSet;

PluginSet *plugins_create(Arena *arena, Diag *diag);
/* Reads the plugin in `folder` and adds it; reports everything that is wrong with it and gives NULL
 * then. */
Plugin *plugin_load(PluginSet *set, const char *folder);
/* Adds the plugins of `folders`, then those in the folder `ctc.plugins` beside the model (a path;
 * NULL: none), then those in the folders of CTC_PLUGIN_PATH. Where several have the same operator,
 * the first one counts. */
MUST_CHECK bool plugins_find(PluginSet *set, const char *const *folders, size_t count,
                             const char *model);
/* The compilation's models may use them. */
void plugins_use(PluginSet *set, Compilation *c);

/* --- the parts of a plugin, for plugin_load --- */

/* layer.json of plugin->folder. (descriptor.c) */
MUST_CHECK bool plugin_read_descriptor(PluginSet *set, Plugin *plugin);
/* `replaces`: plugin->patterns. (pattern_read.c) */
struct Reader;
MUST_CHECK bool plugin_read_patterns(struct Reader *reader, const JsonValue *replaces);
/* OpDef.replaces of a plugin. (pattern_match.c) */
bool plugin_replaces(Compilation *c, const OpDef *op, Node *node, const int *uses);
/* kernel.c and, if there is one, gradient.c: the functions of the plugin and of its gradients;
 * their definitions go to the library. (functions.c) */
MUST_CHECK bool plugin_read_functions(PluginSet *set, Plugin *plugin);
/* plugin->op and plugin->schema. (op.c) */
void plugin_make_op(Arena *arena, Plugin *plugin);
/* plugin->gradients: operators without functions that compute derivatives. Of a kernel it is one:
 * its inputs are those of the layer, its outputs `y` and their gradients `grad_y`; its outputs are
 * gradients `grad_x` of those inputs of which `has` is true. Of an elementwise layer it is one for
 * each such input, which has the layer's inputs and gives the partial derivative of each element.
 * (gradient.c) */
void plugin_make_gradients(Arena *arena, Plugin *plugin, bool (*has)(void *context, int input),
                           void *context);

/* --- names, entries of shapes, element types (plugin.c) --- */

/* The position of what has that name; -1: nothing has. */
int plugin_find_tensor(const PluginTensor *tensors, size_t count, const char *name);
int plugin_find_attr(const Plugin *plugin, const char *name);
/* The entry of the tensor's shape that says what dim `d` of a value of that rank is. */
const PluginDim *plugin_entry(const PluginTensor *tensor, int rank, int d);
/* The same in both shapes: the same name, or "...". */
bool plugin_same_entry(const PluginDim *a, const PluginDim *b);
/* For the type of a tensor: "float32", of a variable that of the function. */
DType plugin_dtype(const PluginFunction *function, int type, DType dtype);
/* The type of the elements that a pointer among the function's parameters points to; DT_NONE: it is
 * no pointer, or one to sizes. */
DType plugin_bind_dtype(const Plugin *plugin, const PluginFunction *function,
                        const PluginBind *bind);

/* --- a node of a plugin's operator, or one that it replaces (node.c) --- */

typedef struct {
  Compilation *c;
  const Plugin *plugin;
  const Node *node;
  ExpressionValue *values; /* of plugin->names */
  Dim rest[MAX_RANK];      /* the dims that "..." stands for */
  int rest_rank;           /* -1: no shape has it */
} PluginNode;

/* Attributes within their ranges, names bound, sizes computed. Reports and returns false if
 * something does not fit. */
MUST_CHECK bool plugin_bind(PluginNode *n, Compilation *c, const Plugin *plugin, const Node *node);
/* Two parts of it, for those who choose the dimensions: the attributes, and, once the dimensions
 * and n->rest have values, the sizes. */
MUST_CHECK bool plugin_bind_attrs(PluginNode *n, Compilation *c, const Plugin *plugin,
                                  const Node *node);
MUST_CHECK bool plugin_bind_sizes(PluginNode *n);
/* Shapes of inputs and checks against the values; what depends on open sizes becomes a check at run
 * time. */
MUST_CHECK bool plugin_check(PluginNode *n);
/* The function for the element types of the inputs. */
const PluginFunction *plugin_function(const PluginNode *n);
/* Whether a condition is certain to be true; NULL: there is none. */
bool plugin_holds(const PluginNode *n, const Expression *condition);
/* An expression's value, reported at the node where there is none. `what` says what it is. */
Dim plugin_value(const PluginNode *n, const Expression *expression, const char *what);
/* The shape of a tensor, into `shape`; its rank, or -1 after an error. */
int plugin_shape(const PluginNode *n, const PluginTensor *tensor, Dim *shape);
/* The attribute of the node, or the default. */
const Attr *plugin_attr(const PluginNode *n, const PluginAttr *attr);
/* The position of a string among the choices; -1: it is none of them. */
int plugin_choice(const PluginAttr *attr, const char *text);

#endif
