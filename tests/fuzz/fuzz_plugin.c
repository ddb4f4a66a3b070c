/* fuzz_plugin.c: any text as a plugin's layer.json, behind a zero byte its kernel.c, behind another
 * one its gradient.c, and behind that the bytes that choose a node of it: which inputs, of which
 * sizes, which attributes. The node is inferred, and compiled if that goes well (libFuzzer). */
#include "plugin.h"

#include "options.h"
#include "passes/passes.h"

#include <string.h>

/* Where choices come from; zeros at the end. */
typedef struct {
  const uint8_t *data;
  size_t size;
} Choices;

static unsigned choose(Choices *from, unsigned count) {
  if (!from->size || count < 2) return 0;
  from->size--;
  return *from->data++ % count;
}

typedef struct {
  Compilation *c;
  Plugin *plugin;
  Choices choices;
  Dim *dims;    /* one for each name; NULL: not chosen yet */
  DType *types; /* one for each type variable */
  Dim rest[3];
  int rest_rank;
} Maker;

/* --- sizes --- */

static Dim make_size(Maker *m) {
  static const char *const names[] = {"batch", "width", "length"};
  unsigned chosen = choose(&m->choices, 24);
  if (chosen < 3) return dim_input(m->c->dims, names[chosen]);
  if (chosen == 23) return dim_const(m->c->dims, INT64_C(1) << choose(&m->choices, 62));
  return dim_const(m->c->dims, chosen - 3);
}

/* What the descriptor says is mostly what the node has. */
static Dim make_dim(Maker *m, const PluginDim *entry) {
  if (entry->binds < 0 || choose(&m->choices, 16) == 15) return make_size(m);
  if (!m->dims[entry->binds]) m->dims[entry->binds] = make_size(m);
  return m->dims[entry->binds];
}

static Value *make_input(Maker *m, const PluginTensor *tensor) {
  Dim shape[MAX_RANK];
  int rank = 0;
  Value *value = value_create(m->c, tensor->name);
  for (int d = 0; d < tensor->rank && rank + 4 < MAX_RANK; d++) {
    for (int k = 0; tensor->shape[d].is_rest && k < m->rest_rank; k++) shape[rank++] = m->rest[k];
    if (!tensor->shape[d].is_rest) shape[rank++] = make_dim(m, &tensor->shape[d]);
  }
  DType dtype = tensor->type < 0 ? tensor->dtype : m->types[tensor->type];
  value_set_type(m->c, value, dtype, rank, shape);
  value->is_input = true;
  vec_push(m->c->arena, &m->c->graph->inputs, value);
  return value;
}

/* --- attributes --- */

static void make_list(Maker *m, Attr *made) {
  made->count = choose(&m->choices, 5);
  int64_t *ints = ARENA_ARRAY(m->c->arena, int64_t, made->count + 1);
  float *floats = ARENA_ARRAY(m->c->arena, float, made->count + 1);
  for (size_t i = 0; i < made->count; i++) {
    ints[i] = (int64_t)choose(&m->choices, 12) - 2;
    floats[i] = (float)ints[i] / 2;
  }
  made->ints = ints;
  made->floats = floats;
}

static Attr make_attr(Maker *m, const PluginAttr *attr) {
  Attr made = attr->missing;
  if (!attr->required && choose(&m->choices, 3) == 0) return made;
  made = (Attr){.name = attr->name, .kind = attr->kind, .count = 1};
  unsigned chosen = choose(&m->choices, 16);
  made.i = chosen == 15 ? INT64_MAX - choose(&m->choices, 2) : (int64_t)chosen - 2;
  made.f = (float)made.i / 2;
  made.s = "sum";
  if (attr->kind == ATTR_STRING && attr->choices && chosen < attr->choices->count)
    made.s = attr->choices->items[chosen]->string;
  made.s_length = strlen(made.s);
  if (attr->kind == ATTR_INTS || attr->kind == ATTR_FLOATS) make_list(m, &made);
  return made;
}

/* --- the node --- */

static void make_types(Maker *m) {
  Plugin *p = m->plugin;
  m->types = ARENA_ARRAY(m->c->arena, DType, p->types.count + 1);
  for (size_t i = 0; i < p->types.count; i++) {
    unsigned count = (unsigned)p->types.items[i].dtypes.count;
    m->types[i] = p->types.items[i].dtypes.items[choose(&m->choices, count)];
  }
  m->rest_rank = (int)choose(&m->choices, 4);
  for (int i = 0; i < m->rest_rank; i++) m->rest[i] = make_size(m);
}

static Node *make_node(Maker *m) {
  Compilation *c = m->c;
  Plugin *p = m->plugin;
  m->dims = ARENA_ARRAY(c->arena, Dim, p->names.count + 1);
  make_types(m);
  Node *node = graph_append(c, c->graph, p->domain, p->name, p->version, (int)p->inputs.count,
                            (int)p->outputs.count);
  for (size_t i = 0; i < p->inputs.count; i++)
    if (!p->inputs.items[i].optional || choose(&m->choices, 2))
      node->inputs[i] = make_input(m, &p->inputs.items[i]);
  node->attrs = ARENA_ARRAY(c->arena, Attr, p->attrs.count + 1);
  for (size_t i = 0; i < p->attrs.count; i++)
    node->attrs[node->attr_count++] = make_attr(m, &p->attrs.items[i]);
  for (size_t i = 0; i < p->outputs.count; i++) {
    if (i && choose(&m->choices, 4) == 3) continue;
    Value *value = value_create(c, p->outputs.items[i].name);
    value->producer = node;
    value->producer_output = (int)i;
    node->outputs[i] = value;
    vec_push(c->arena, &c->graph->outputs, value);
  }
  node->op = &p->op;
  return node;
}

static void compile_node(PluginSet *set, Plugin *plugin, Choices choices) {
  Options options = {0};
  Compilation c = {.arena = set->arena, .diag = set->diag, .options = &options, .file = "fuzz"};
  Maker m = {.c = &c, .plugin = plugin, .choices = choices};
  Program *program;
  c.dims = dim_pool_create(c.arena);
  c.graph = graph_create(&c, "fuzz", NULL);
  plugins_use(set, &c);
  make_node(&m);
  c.output_names = ARENA_ARRAY(c.arena, const char *, c.graph->outputs.count + 1);
  for (size_t i = 0; i < c.graph->outputs.count; i++)
    c.output_names[i] = c.graph->outputs.items[i]->name;
  int errors = c.diag->errors;
  bool ok = passes_run(&c, &program);
  EXPECT(ok == (c.diag->errors == errors));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  Diag diag = {.out = NULL};
  PluginSet *set = plugins_create(arena, &diag);
  FuzzPart layer = fuzz_part(&data, &size), kernel = fuzz_part(&data, &size);
  Plugin *plugin = fuzz_plugin(set, layer, kernel, fuzz_part(&data, &size));
  if (plugin) compile_node(set, plugin, (Choices){data, size});
  arena_destroy(arena);
  return 0;
}
