/* layer_plugin.c: layers of plugins: one node of the plugin's operator. Inputs that the plugin
 * calls parameters come from the weight file, the others from the layer's inputs, in order; all
 * other fields of the layer are attributes. */
#include "layer.h"

#include "ops/op.h"
#include "ops/schema.h"

static bool is_common_field(const char *key) {
  static const char *const keys[] = {"type", "name", "inputs", "outputs", "weights"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (strcmp(keys[i], key) == 0) return true;
  return false;
}

static Value *next_input(const Layer *l, int *taken) {
  return *taken < l->input_count ? l->inputs[(*taken)++] : NULL;
}

static Values read_inputs(Layer *l, const OpDef *op) {
  const OperatorSchema *schema = op->schema;
  Value **values = ARENA_ARRAY(l->r->arena, Value *, schema->input_count + 1);
  int taken = 0;
  for (int i = 0; i < schema->input_count; i++) {
    const SchemaParam *input = &schema->inputs[i];
    bool parameter = op->parameters >> i & 1;
    values[i] = parameter ? layer_any_weight(l, input->name, input->kind == ARITY_OPTIONAL)
                          : next_input(l, &taken);
  }
  if (taken < l->input_count)
    layer_error(l, "inputs", "%s takes %d input%s, not %d", l->type->type, taken,
                taken == 1 ? "" : "s", l->input_count);
  return (Values){values, schema->input_count};
}

void build_plugin(Layer *l) {
  const OpDef *op = l->type->plugin;
  Attr *attrs = ARENA_ARRAY(l->r->arena, Attr, l->json->count + 1);
  int count = 0, version = op->schema->since;
  for (size_t i = 0; i < l->json->count; i++) {
    const JsonMember *field = &l->json->members[i];
    if (is_common_field(field->key)) continue;
    if (layer_attr(l, op->domain, op->name, version, field->key, field->value, &attrs[count]))
      count++;
  }
  Values inputs = read_inputs(l, op);
  if (l->k.failed) return;
  layer_give(l, compose_version(&l->k, op->domain, op->name, version, inputs, (Attrs){attrs, count},
                                l->wanted));
}
