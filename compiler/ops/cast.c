/* cast.c: Cast and CastLike: y = x in another dtype.
 *
 * A loop nest of ctc_cast_A_B; the integers of shapes keep their content. */
#include "ops/content.h"
#include "ops/op.h"

#include <string.h>

/* The dtype asked for by attribute `to`: a code, or, in opset 1, a name such as "FLOAT". */
static DType named_target(const char *name) {
  static const struct {
    const char *name;
    DType dtype;
  } names[] = {{"FLOAT", DT_F32},  {"DOUBLE", DT_F64}, {"FLOAT16", DT_F16}, {"INT8", DT_I8},
               {"INT16", DT_I16},  {"INT32", DT_I32},  {"INT64", DT_I64},   {"UINT8", DT_U8},
               {"UINT16", DT_U16}, {"UINT32", DT_U32}, {"UINT64", DT_U64},  {"BOOL", DT_BOOL}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i].name, name) == 0) return names[i].dtype;
  return DT_NONE;
}

static DType target_of(const Node *node) {
  const Attr *to = node_attr(node, "to");
  if (!to) return node_in(node, 1) ? node_in(node, 1)->dtype : DT_NONE;
  return to->kind == ATTR_STRING ? named_target(to->s) : dtype_from_onnx((int)to->i);
}

static bool is_castable(DType from, DType to) {
  char name[64];
  snprintf(name, sizeof name, "ctc_cast_%s_%s", dtype_info(from)->short_name,
           dtype_info(to)->short_name);
  return from == to || kernel_find(name) != NULL;
}

static bool infer_cast(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  DType to = target_of(node);
  if (to == DT_NONE) return node_error(c, node, "the type to cast to is unknown");
  if (!is_castable(x->dtype, to))
    return node_error(c, node, "casting %s to %s is not supported", dtype_info(x->dtype)->name,
                      dtype_info(to)->name);
  value_set_type(c, node_out(node, 0), to, x->rank, x->shape);
  content_apply(c, node, content_cast, node->inputs, 1);
  return true;
}

static bool lower_cast(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0), *y = node_out(node, 0);
  if (x->dtype == y->dtype) {
    lower_alias(l, y, x);
    return true;
  }
  LoopNest *nest = lower_nest(l, y->rank, y->shape);
  nest_store(l, nest, y, nest_load(l, nest, x));
  return true;
}

DEFINE_OP(Cast) = {.name = "Cast", .infer = infer_cast, .lower = lower_cast};
DEFINE_OP(CastLike) = {.name = "CastLike", .infer = infer_cast, .lower = lower_cast};
