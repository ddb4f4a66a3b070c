/* declared.c: the types that a file declares for the values that its nodes compute. */
#include "reader.h"

static const DeclaredType *read_declared(Reader *r, const Onnx__TypeProto *type) {
  if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !type->tensor_type ||
      !type->tensor_type->shape)
    return NULL;
  const Onnx__TensorShapeProto *shape = type->tensor_type->shape;
  DeclaredType *declared = ARENA_NEW(r->arena, DeclaredType);
  declared->dtype = dtype_from_onnx(type->tensor_type->elem_type);
  if (declared->dtype == DT_NONE || shape->n_dim > MAX_RANK) return NULL;
  declared->rank = (int)shape->n_dim;
  int64_t *dims = ARENA_ARRAY(r->arena, int64_t, shape->n_dim + 1);
  const char **names = ARENA_ARRAY(r->arena, const char *, shape->n_dim + 1);
  for (size_t i = 0; i < shape->n_dim; i++) {
    const Onnx__TensorShapeProto__Dimension *dim = shape->dim[i];
    bool number = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    bool named = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    dims[i] = number && dim->dim_value >= 0 ? dim->dim_value : -1;
    names[i] = named && text_or_empty(dim->dim_param)[0] ? dim->dim_param : NULL;
  }
  declared->dims = dims;
  declared->names = names;
  return declared;
}

static void note_all(Reader *r, Scope *scope, Onnx__ValueInfoProto *const *infos, size_t count) {
  for (size_t i = 0; i < count; i++) {
    Value *value = map_get(&scope->values, text_or_empty(infos[i]->name));
    if (value && value->dtype == DT_NONE && value != r->omitted)
      value->declared = read_declared(r, infos[i]->type);
  }
}

void declared_types_read(Reader *r, Scope *scope, const Onnx__GraphProto *proto) {
  note_all(r, scope, proto->value_info, proto->n_value_info);
  note_all(r, scope, proto->output, proto->n_output);
}
