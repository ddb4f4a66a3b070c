/* schema.h: the operator table: what the standard says of every version of every operator.
 *
 * The rows are generated at build time from the tables in schema/ by tools/operator_table.c. They
 * say how a node may look (arity, attributes, types), not whether ctc can compile it: that is
 * op_find. */
#ifndef CTC_OPS_SCHEMA_H
#define CTC_OPS_SCHEMA_H

#include "ir/graph.h"

typedef enum {
  ARITY_SINGLE,
  ARITY_OPTIONAL,
  ARITY_VARIADIC, /* the rest, all of one type */
  ARITY_MIXED,    /* the rest, of any types */
} ArityKind;

typedef struct {
  const char *name;
  ArityKind kind;
  int least;       /* of a variadic one: how many there must be */
  uint64_t dtypes; /* bit DT_x is set if a tensor of DT_x is allowed */
  bool other;      /* sequences, maps or optionals are allowed too */
  const char
      *type_id; /* parameters with equal ids have equal types: "T", "tensor(int64)" is "int64" */
} SchemaParam;

typedef struct {
  const char *name;
  AttrKind kind;
  bool required;
  const Attr *missing; /* what a node means that leaves it out; NULL: nothing */
} SchemaAttr;

typedef struct {
  const char *domain, *name;
  int since; /* the first opset version that the row describes */
  bool deprecated;
  const SchemaParam *inputs, *outputs;
  const SchemaAttr *attrs;
  int input_count, output_count, attr_count;
} OperatorSchema;

typedef struct {
  const char *domain;
  int newest; /* opset version */
} SchemaDomain;

/* The row that applies to a node of opset `version`; NULL if the operator is unknown or younger
 * than that. In all of these domain "" and "ai.onnx" are the same. */
const OperatorSchema *schema_find(const char *domain, const char *name, int version);
/* The oldest row of an operator, NULL if the table has no such operator. */
const OperatorSchema *schema_oldest(const char *domain, const char *name);
/* The newest opset version of a domain, 0 for domains that the table does not know. */
int schema_newest(const char *domain);
/* The name in `domain` that is nearest to a misspelt one, or NULL. */
const char *schema_suggest(Arena *arena, const char *domain, const char *name);
const SchemaAttr *schema_attr(const OperatorSchema *schema, const char *name);
/* The row of input (output) i: the last one for those that a variadic one takes. NULL beyond the
 * end. */
const SchemaParam *schema_input(const OperatorSchema *schema, int i);
const SchemaParam *schema_output(const OperatorSchema *schema, int i);
/* Name of an attribute kind in messages: "a list of integers". */
const char *attr_kind_text(AttrKind kind);

/* The generated table, sorted by domain, name and since. */
extern const OperatorSchema operator_table[];
extern const int operator_table_count;
extern const SchemaDomain schema_domains[];
extern const int schema_domain_count;
/* The newest version of the file format that the table was drawn for. */
extern const int schema_ir_version;

#endif
