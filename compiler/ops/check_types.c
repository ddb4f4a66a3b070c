/* check_types.c: the element types of a node's inputs against the operator table.
 *
 * An operator's own code may rely on what the standard promises: that its inputs are of types that
 * it names, and that inputs which share a type variable have one type. Types that a newer version
 * of the operator allows are allowed in older ones too. */
#include "ops/op.h"

#include "ops/schema.h"

#include <string.h>

enum { NEWEST = INT32_MAX };

static bool is_standard(const char *domain) {
  return *domain == '\0' || strncmp(domain, "ai.onnx", 7) == 0;
}

static bool allows(const OperatorSchema *schema, int input, DType dtype) {
  const SchemaParam *param = schema_input(schema, input);
  return !param || param->other || (param->dtypes >> dtype & 1);
}

/* "float16, float32 or float64" */
static const char *list_types(Arena *arena, uint64_t dtypes) {
  Str out = str_in(arena);
  int left = 0;
  for (int t = 1; t < DT_COUNT; t++) left += (int)(dtypes >> t & 1);
  for (int t = 1; t < DT_COUNT; t++) {
    if (!(dtypes >> t & 1)) continue;
    str_addf(&out, "%s%s", dtype_info((DType)t)->name, left == 1 ? "" : left == 2 ? " or " : ", ");
    left--;
  }
  return str_text(&out);
}

static bool check_allowed(Compilation *c, const Node *node, const OperatorSchema *schema,
                          int input) {
  DType dtype = node->inputs[input]->dtype;
  const OperatorSchema *newest = op_schema(c, node->domain, node->op_type, NEWEST);
  if (allows(schema, input, dtype) || allows(newest, input, dtype)) return true;
  const SchemaParam *param = schema_input(schema, input);
  node_error(c, node, "input %d ('%s') of %s cannot be %s", input, param->name, node->op_type,
             dtype_info(dtype)->name);
  return diag_hint(c->diag, "it can be %s", list_types(c->arena, param->dtypes));
}

/* Inputs before this one that have the same type variable must have the same type. */
static bool check_equal(Compilation *c, const Node *node, const OperatorSchema *schema, int input) {
  const SchemaParam *own = schema_input(schema, input);
  if (!own || own->kind == ARITY_MIXED) return true;
  for (int i = 0; i < input; i++) {
    const SchemaParam *other = schema_input(schema, i);
    if (!node->inputs[i] || strcmp(other->type_id, own->type_id) != 0) continue;
    DType a = node->inputs[i]->dtype, b = node->inputs[input]->dtype;
    if (a == b) continue;
    node_error(c, node, "inputs %d and %d must be of one type, but they are %s and %s", i, input,
               dtype_info(a)->name, dtype_info(b)->name);
    return diag_hint(c->diag, "the exporter should have put a Cast before one of them");
  }
  return true;
}

/* An element of two numbers fits into no C type of the programs. */
static bool check_not_complex(Compilation *c, const Node *node, int input) {
  DType dtype = node->inputs[input]->dtype;
  if (dtype != DT_C64 && dtype != DT_C128) return true;
  return node_error(c, node, "complex tensors are not supported by %s yet", node->op_type);
}

bool check_input_types(Compilation *c, const Node *node) {
  const OperatorSchema *schema = op_schema(c, node->domain, node->op_type, node->version);
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i] && !check_not_complex(c, node, i)) return false;
  if (!schema || !(is_standard(node->domain) || node->op->schema)) return true;
  if (node->op->flags & OP_COMPOUND) return true; /* other inputs than the table has */
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i] && (!check_allowed(c, node, schema, i) || !check_equal(c, node, schema, i)))
      return false;
  return true;
}
