/* inputs.c: the inputs of the main graph. */
#include "reader.h"

#include "frontends/common/inputs.h"

static bool input_error(const Reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool input_error(const Reader *r, const char *format, ...) {
  va_list args;
  va_start(args, format);
  diag_verror(r->c->diag, r->c->file, format, args);
  va_end(args);
  return false;
}

/* Texts that exporters write for "unknown", not as names: two of them are not the same size. */
static bool is_name(const char *param) {
  static const char *const unknown[] = {"", "?", "-1", "None", "none", "unk", "unknown"};
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
    if (strcmp(param, unknown[i]) == 0) return false;
  return true;
}

static Dim read_dim(Reader *r, const Onnx__TensorShapeProto__Dimension *proto, const char *input,
                    int axis) {
  if (proto && proto->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
      proto->dim_value >= 0)
    return dim_const(r->c->dims, proto->dim_value);
  if (proto && proto->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
      is_name(proto->dim_param))
    return dim_input(r->c->dims, proto->dim_param);
  return model_inputs_open_dim(r->c, input, axis);
}

static const char *kind_text(const Onnx__TypeProto *type) {
  switch (type ? type->value_case : ONNX__TYPE_PROTO__VALUE__NOT_SET) {
  case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE: return "a tensor";
  case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE: return "a sequence";
  case ONNX__TYPE_PROTO__VALUE_MAP_TYPE: return "a map";
  case ONNX__TYPE_PROTO__VALUE_OPAQUE_TYPE: return "an opaque value";
  case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE: return "a sparse tensor";
  case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE: return "an optional value";
  default: return "of no type";
  }
}

/* The shape as the model has it; rank -1 if it has none. */
static bool read_type(Reader *r, const Onnx__ValueInfoProto *proto, ModelInput *input) {
  const Onnx__TypeProto *type = proto->type;
  if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !type->tensor_type)
    return input_error(r, "input '%s' is %s; ctc takes tensors only", input->name, kind_text(type));
  input->dtype = dtype_from_onnx(type->tensor_type->elem_type);
  if (input->dtype == DT_NONE)
    return input_error(r, "input '%s' has unknown element type %d", input->name,
                       type->tensor_type->elem_type);
  const Onnx__TensorShapeProto *shape = type->tensor_type->shape;
  input->rank = -1;
  if (!shape) return true;
  if (shape->n_dim > MAX_RANK)
    return input_error(r, "input '%s' has rank %zu; ctc takes at most %d", input->name,
                       shape->n_dim, MAX_RANK);
  input->rank = (int)shape->n_dim;
  for (int i = 0; i < input->rank; i++)
    input->shape[i] = read_dim(r, shape->dim[i], input->name, i);
  return true;
}

/* Of the inputs those that can be read; the others are defined without a type, for their users. */
static bool collect(Reader *r, Scope *scope, const Onnx__GraphProto *proto, ModelInputs *all) {
  bool ok = true;
  for (size_t i = 0; i < proto->n_input; i++) {
    ModelInput input = {.name = text_or_empty(proto->input[i]->name)};
    if (map_get(&scope->values, input.name)) continue; /* an initializer with a default of old */
    if (!read_type(r, proto->input[i], &input)) {
      ok = false;
      map_set(&scope->values, input.name, value_create(r->c, input.name));
    } else if (!model_inputs_add(all, &input)) {
      ok = input_error(r, "input '%s' is there twice", input.name);
    }
  }
  return ok;
}

bool inputs_read(Reader *r, Scope *scope, const Onnx__GraphProto *proto) {
  ModelInputs all = model_inputs_in(r->c);
  bool ok = collect(r, scope, proto, &all);
  return model_inputs_finish(&all, scope->graph, &scope->values) && ok;
}
