/* op.c: a plugin as an operator: its row of the operator table, inference, lowering. */
#include "plugins/plugin.h"

#include <string.h>

/* --- the row of the operator table --- */

static uint64_t allowed_dtypes(const Plugin *p, const PluginTensor *tensor) {
  uint64_t allowed = 0;
  if (tensor->type < 0) return UINT64_C(1) << tensor->dtype;
  const PluginType *type = &p->types.items[tensor->type];
  for (size_t i = 0; i < type->dtypes.count; i++) allowed |= UINT64_C(1) << type->dtypes.items[i];
  return allowed;
}

static const SchemaParam *make_params(Arena *arena, const Plugin *p, const PluginTensor *tensors,
                                      size_t count) {
  SchemaParam *params = ARENA_ARRAY(arena, SchemaParam, count + 1);
  for (size_t i = 0; i < count; i++) {
    const PluginTensor *tensor = &tensors[i];
    const char *type =
        tensor->type < 0 ? dtype_info(tensor->dtype)->name : p->types.items[tensor->type].name;
    params[i] = (SchemaParam){.name = tensor->name,
                              .kind = tensor->optional ? ARITY_OPTIONAL : ARITY_SINGLE,
                              .dtypes = allowed_dtypes(p, tensor),
                              .type_id = type};
  }
  return params;
}

static const SchemaAttr *make_attrs(Arena *arena, const Plugin *p) {
  SchemaAttr *attrs = ARENA_ARRAY(arena, SchemaAttr, p->attrs.count + 1);
  for (size_t i = 0; i < p->attrs.count; i++) {
    const PluginAttr *attr = &p->attrs.items[i];
    attrs[i] = (SchemaAttr){.name = attr->name,
                            .kind = attr->kind,
                            .required = attr->required,
                            .missing = attr->required ? NULL : &attr->missing};
  }
  return attrs;
}

static void make_schema(Arena *arena, Plugin *p) {
  p->schema = (OperatorSchema){.domain = p->domain,
                               .name = p->name,
                               .since = p->version,
                               .inputs = make_params(arena, p, p->inputs.items, p->inputs.count),
                               .outputs = make_params(arena, p, p->outputs.items, p->outputs.count),
                               .attrs = make_attrs(arena, p),
                               .input_count = (int)p->inputs.count,
                               .output_count = (int)p->outputs.count,
                               .attr_count = (int)p->attrs.count};
}

/* --- inference --- */

static const Plugin *plugin_of(const Node *node) {
  return node->op->row;
}

/* Sizes that may turn out negative are checked when the program runs. */
static void require_sizes(Compilation *c, const Node *node, int rank, const Dim *shape) {
  for (int d = 0; d < rank; d++) {
    if (dim_range(shape[d]).low >= 0) continue;
    Dim fits = dim_not(c->dims, dim_less(c->dims, shape[d], dim_const(c->dims, 0)));
    NodeCheck check = {fits, "a size of the output would be negative"};
    if (!dim_is(fits, 1)) vec_push(c->arena, &((Node *)(uintptr_t)node)->checks, check);
  }
}

static bool infer_outputs(const PluginNode *n, const Node *node) {
  const PluginFunction *function = plugin_function(n);
  Dim shape[MAX_RANK];
  if (!function)
    return node_error(n->c, n->node, "%s has no kernel for these element types", n->plugin->name);
  for (int i = 0; i < node->output_count; i++) {
    const PluginTensor *tensor = &n->plugin->outputs.items[i];
    int rank = plugin_shape(n, tensor, shape);
    if (rank < 0) return false;
    require_sizes(n->c, node, rank, shape);
    if (node->outputs[i])
      value_set_type(n->c, node->outputs[i], plugin_dtype(function, tensor->type, tensor->dtype),
                     rank, shape);
  }
  return true;
}

static bool infer_plugin(Compilation *c, Node *node) {
  PluginNode n;
  return plugin_bind(&n, c, plugin_of(node), node) && plugin_check(&n) && infer_outputs(&n, node);
}

/* --- lowering to a kernel --- */

static const Attr *bound_attr(const PluginNode *n, const PluginBind *bind) {
  return plugin_attr(n, &n->plugin->attrs.items[bind->index]);
}

static Buffer *float_table(Lower *l, const Attr *attr) {
  int64_t count = (int64_t)attr->count;
  void *data;
  Tensor *tensor = tensor_create(l->c->arena, DT_F32, 1, &count, &data);
  if (count) memcpy(data, attr->floats, attr->count * sizeof *attr->floats);
  return lower_constant(l, tensor, attr->name);
}

/* Memory of its own for an output that nobody asked for. */
static Buffer *output_buffer(Lower *l, const PluginNode *n, const PluginFunction *f, int index) {
  const PluginTensor *tensor = &n->plugin->outputs.items[index];
  const Value *value = node_out(n->node, index);
  Dim shape[MAX_RANK];
  if (value) return lower_buffer(l, value);
  int rank = plugin_shape(n, tensor, shape);
  if (rank < 0) return NULL;
  return lower_scratch(l, plugin_dtype(f, tensor->type, tensor->dtype),
                       dim_product(l->c->dims, shape, (size_t)rank), tensor->name);
}

static Buffer *scratch_buffer(Lower *l, const PluginNode *n, const PluginFunction *f, int index) {
  const PluginScratch *scratch = &n->plugin->scratch.items[index];
  Dim count = plugin_value(n, scratch->count, arena_printf(l->c->arena, "'%s'", scratch->name));
  if (!count) return NULL;
  if (dim_range(count).low < 0) count = dim_max(l->c->dims, count, dim_const(l->c->dims, 0));
  return lower_scratch(l, plugin_dtype(f, scratch->type, scratch->dtype), count, scratch->name);
}

static bool add_buffer(Lower *l, Step *step, Buffer *buffer) {
  if (buffer) arg_buffer(l, step, buffer);
  return buffer != NULL;
}

static bool add_argument(Lower *l, const PluginNode *n, const PluginFunction *f, Step *step,
                         const PluginBind *bind) {
  const Attr *attr;
  switch (bind->kind) {
  case BIND_INPUT: arg_in(l, step, node_in(n->node, bind->index)); break;
  case BIND_OUTPUT: return add_buffer(l, step, output_buffer(l, n, f, bind->index));
  case BIND_SCRATCH: return add_buffer(l, step, scratch_buffer(l, n, f, bind->index));
  case BIND_NUMBER: arg_dim(l, step, n->values[bind->index].number); break;
  case BIND_REAL: arg_real(l, step, (double)bound_attr(n, bind)->f); break;
  case BIND_INTS:
    attr = bound_attr(n, bind);
    arg_ints(l, step, attr->ints, (int)attr->count);
    break;
  case BIND_FLOATS: arg_buffer(l, step, float_table(l, bound_attr(n, bind))); break;
  case BIND_NOTHING: break; /* lower_call and arg_… have added it */
  }
  return true;
}

static bool lower_to_kernel(Lower *l, const PluginNode *n, const PluginFunction *f) {
  const Plugin *p = n->plugin;
  Step *step = lower_call(l, &f->kernel);
  Dim units = p->units ? plugin_value(n, p->units, "units") : dim_const(l->c->dims, 1);
  if (!units) return false;
  step_units(step, dim_max(l->c->dims, units, dim_const(l->c->dims, 0)));
  if (p->flops && !(step->flops = plugin_value(n, p->flops, "the cost"))) return false;
  for (int i = 0; i < f->kernel.param_count; i++)
    if (!add_argument(l, n, f, step, &f->binds[i])) return false;
  return true;
}

/* --- lowering of an elementwise layer to a loop nest --- */

/* `value` with ones around its dims so that each stands where the output has it: broadcasting does
 * the rest. The copy has the same id, hence the same buffer. */
static const Value *aligned(const PluginNode *n, const PluginTensor *input, const Value *value) {
  const PluginTensor *output = &n->plugin->outputs.items[0];
  const Value *out = node_out(n->node, 0);
  if (value->rank == out->rank) return value;
  Value *copy = arena_copy(n->c->arena, value, sizeof *value);
  copy->rank = 0;
  copy->shape = ARENA_ARRAY(n->c->arena, Dim, out->rank + 1);
  for (int d = 0, next = 0; d < output->rank; d++) {
    int width = output->shape[d].is_rest ? n->rest_rank : 1;
    bool own = next < input->rank && plugin_same_entry(&input->shape[next], &output->shape[d]);
    for (int k = 0; k < width; k++, copy->rank++)
      copy->shape[copy->rank] = own ? out->shape[copy->rank] : dim_const(n->c->dims, 1);
    next += own;
  }
  return copy;
}

static Operand load_number(const PluginNode *n, int name, DType dtype) {
  Dim value = n->values[name].number;
  return dtype_is_float(dtype) && dim_is_const(value)
             ? operand_real(dtype, (double)dim_value(value))
             : operand_int(dtype == DT_BOOL ? DT_I64 : dtype, value);
}

static bool lower_to_nest(Lower *l, const PluginNode *n, const PluginFunction *f) {
  const Value *out = node_out(n->node, 0);
  Operand args[MAX_OPERANDS];
  LoopNest *nest = lower_pointwise(l, out);
  for (int i = 0; i < f->kernel.param_count; i++) {
    const PluginBind *bind = &f->binds[i];
    DType dtype = f->kernel.params[i].dtype;
    if (bind->kind == BIND_INPUT)
      args[i] = nest_load(
          l, nest,
          aligned(n, &n->plugin->inputs.items[bind->index], node_in(n->node, bind->index)));
    else if (bind->kind == BIND_REAL)
      args[i] = operand_real(dtype, (double)bound_attr(n, bind)->f);
    else
      args[i] = load_number(n, bind->index, dtype);
  }
  nest_store(l, nest, out, nest_call(l, nest, &f->kernel, args, f->kernel.param_count));
  return true;
}

/* An elementwise layer whose inputs are all like the output works in any layout. */
static BlockedUse blocked_use(Compilation *c, const Node *node) {
  const Value *out = node_out(node, 0);
  BlockedUse use = {.answer = BLOCKED_CAN, .all_inputs = true, .same_halo = true};
  bool fits = blocked_possible(out);
  (void)c;
  for (int i = 0; i < node->input_count && fits; i++) {
    const Value *in = node->inputs[i];
    fits = blocked_possible(in) && in->rank == out->rank;
    for (int d = 0; d < out->rank && fits; d++) fits = in->shape[d] == out->shape[d];
  }
  if (!fits) use.answer = BLOCKED_NO;
  return use;
}

static bool lower_plugin(Lower *l, const Node *node) {
  PluginNode n;
  const Plugin *p = plugin_of(node);
  if (!plugin_bind(&n, l->c, p, node)) return false;
  const PluginFunction *f = plugin_function(&n);
  CTC_ASSERT(f != NULL);
  return p->elementwise ? lower_to_nest(l, &n, f) : lower_to_kernel(l, &n, f);
}

/* --- the operator --- */

static uint64_t parameter_bits(const Plugin *p) {
  uint64_t bits = 0;
  for (size_t i = 0; i < p->inputs.count; i++) bits |= (uint64_t)p->inputs.items[i].parameter << i;
  return bits;
}

void plugin_make_op(Arena *arena, Plugin *p) {
  make_schema(arena, p);
  p->op = (OpDef){.domain = p->domain,
                  .name = p->name,
                  .flags = p->kernel_text ? OP_LAYER : OP_FOREIGN,
                  .infer = infer_plugin,
                  .lower = lower_plugin,
                  .blocked = p->elementwise ? blocked_use : NULL,
                  .row = p,
                  .schema = &p->schema,
                  .parameters = parameter_bits(p),
                  .replaces = p->patterns.count ? plugin_replaces : NULL};
}
