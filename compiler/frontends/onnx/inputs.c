/* inputs.c: the inputs of the main graph. */
#include "reader.h"

#include "frontends/common/inputs.h"
#include "ops/new_node.h"
#include "ops/sequence.h"

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

bool compound_declared(const Onnx__TypeProto *type, DeclaredCompound *declared) {
  *declared = (DeclaredCompound){.kind = COMPOUND_NONE};
  if (type && type->value_case == ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE && type->optional_type) {
    type = type->optional_type->elem_type;
    declared->kind = COMPOUND_OPTIONAL;
  }
  if (type && type->value_case == ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE && type->sequence_type) {
    type = type->sequence_type->elem_type;
    declared->kind = declared->kind ? COMPOUND_OPTIONAL_SEQUENCE : COMPOUND_SEQUENCE;
  }
  if (type && type->value_case == ONNX__TYPE_PROTO__VALUE_MAP_TYPE && type->map_type &&
      declared->kind == COMPOUND_NONE) {
    declared->kind = COMPOUND_MAP;
    declared->dtype = dtype_from_onnx(type->map_type->key_type);
    type = type->map_type->value_type;
  }
  if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !type->tensor_type)
    return false;
  declared->values = dtype_from_onnx(type->tensor_type->elem_type);
  if (declared->kind != COMPOUND_MAP) declared->dtype = declared->values;
  declared->shape = type->tensor_type->shape;
  return true;
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
    return input_error(
        r, "input '%s' is %s; ctc takes tensors, and sequences, optionals and maps of them",
        input->name, kind_text(type));
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

/* ---- inputs that are no tensors ---- */

typedef struct {
  const char *name;
  DeclaredCompound type;
} CompoundInput;

typedef Vec(CompoundInput) CompoundInputs;

static bool check_compound(const Reader *r, const CompoundInput *input) {
  const Onnx__TensorShapeProto *shape = input->type.shape;
  if (input->type.dtype == DT_NONE || input->type.values == DT_NONE)
    return input_error(r, "input '%s' has an unknown element type", input->name);
  if (input->type.kind != COMPOUND_MAP && shape && shape->n_dim > SEQUENCE_RANK)
    return input_error(r, "the elements of input '%s' have rank %zu; ctc takes at most %d",
                       input->name, shape->n_dim, SEQUENCE_RANK);
  return true;
}

/* The type of part `part` (see CompoundKind). */
static ModelInput part_input(Reader *r, const CompoundInput *input, int part) {
  CompoundKind kind = input->type.kind;
  ModelInput tensor = {.name = compound_part_name(r, input->name, kind, part), .rank = 1};
  Dim length = dim_input(r->c->dims, arena_printf(r->arena, "%s.length", input->name));
  tensor.dtype = part ? input->type.values : input->type.dtype;
  tensor.shape[0] = length;
  if (kind == COMPOUND_MAP) return tensor;
  if (kind == COMPOUND_OPTIONAL)
    dim_symbol_at(r->c->dims, (size_t)dim_symbol(length)->index)->high = 1;
  if (part == 0)
    tensor.shape[0] = dim_input(r->c->dims, arena_printf(r->arena, "%s.elements", input->name));
  if (part == 1) {
    tensor.dtype = DT_I64;
    tensor.rank = 2;
    tensor.shape[1] = dim_const(r->c->dims, SEQUENCE_ROW);
  }
  if (part == 2) {
    tensor.dtype = DT_BOOL;
    tensor.rank = 0;
  }
  return tensor;
}

static bool add_compound(Reader *r, ModelInputs *all, const CompoundInput *input) {
  if (!check_compound(r, input)) return false;
  for (int k = 0; k < compound_parts(input->type.kind); k++) {
    ModelInput part = part_input(r, input, k);
    if (!model_inputs_add(all, &part))
      return input_error(r, "input '%s' is there twice", part.name);
  }
  return true;
}

/* The node that checks what the caller gives for a sequence, and says what is declared. */
static void check_given(Reader *r, Graph *graph, const CompoundInput *input, Value **parts) {
  Node *node = graph_add(
      r->c, graph,
      &(NewNode){.op = op_internal("SequenceGiven"), .version = 1, .in = {parts, 2}, .outputs = 2});
  const Onnx__TensorShapeProto *shape = input->type.shape;
  int64_t sizes[SEQUENCE_RANK];
  node->name = input->name;
  for (int k = 0; k < 2; k++)
    parts[k] = node_set_output(node, k, value_create(r->c, parts[k]->name));
  if (!shape) return;
  for (size_t d = 0; d < shape->n_dim; d++) {
    Dim size = read_dim(r, shape->dim[d], input->name, (int)d);
    sizes[d] = dim_is_const(size) ? dim_value(size) : -1;
  }
  node_set_attr(r->c, node,
                attr_ints("sizes", arena_copy(r->arena, sizes, shape->n_dim * sizeof *sizes),
                          (int)shape->n_dim));
}

static void define_compound(Reader *r, Scope *scope, const CompoundInput *input) {
  CompoundKind kind = input->type.kind;
  Value *parts[MOST_PARTS];
  CompoundPort port = {input->name, kind, false, -1};
  for (int k = 0; k < compound_parts(kind); k++)
    parts[k] = map_get(&scope->values, compound_part_name(r, input->name, kind, k));
  for (size_t i = 0; i < scope->graph->inputs.count; i++)
    if (scope->graph->inputs.items[i] == parts[0]) port.first = (int)i;
  if (port.first >= 0) vec_push(r->arena, &r->c->compounds, port);
  if (kind != COMPOUND_MAP) check_given(r, scope->graph, input, parts);
  map_set(&scope->values, input->name, compound_create(r, input->name, kind, parts));
}

/* ---- all inputs ---- */

/* Of the inputs those that can be read; the others are defined without a type, for their users. */
static bool collect(Reader *r, Scope *scope, const Onnx__GraphProto *proto, ModelInputs *all,
                    CompoundInputs *compounds) {
  bool ok = true;
  for (size_t i = 0; i < proto->n_input; i++) {
    ModelInput input = {.name = text_or_empty(proto->input[i]->name)};
    CompoundInput compound = {.name = input.name};
    if (map_get(&scope->values, input.name)) continue; /* an initializer with a default of old */
    if (compound_declared(proto->input[i]->type, &compound.type) && compound.type.kind) {
      ok = add_compound(r, all, &compound) && ok;
      vec_push(r->arena, compounds, compound);
    } else if (!read_type(r, proto->input[i], &input)) {
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
  CompoundInputs compounds = {0};
  bool ok = collect(r, scope, proto, &all, &compounds);
  ok = model_inputs_finish(&all, scope->graph, &scope->values) && ok;
  for (size_t i = 0; ok && i < compounds.count; i++) define_compound(r, scope, &compounds.items[i]);
  return ok;
}
