/* compound.c: values that are no tensors (sequences, optionals, maps), as the tensors that they are
 * made of (CompoundKind in ir/graph.h).
 *
 *   seq = SequenceInsert(seq0, x)   →   seq, seq.shapes = SequenceInsert(seq0, seq0.shapes, x)
 *   opt = Optional(seq)             →   seq, seq.shapes, true
 *   y = SequenceMap(seq)            →   a Loop over the elements, which puts results into y
 *
 * The name stands for a placeholder, which is in no node. Bodies of If and Loop have the tensors as
 * inputs and outputs; nothing behind the front end knows of anything else. */
#include "reader.h"

#include "ops/new_node.h"

/* ---- placeholders ---- */

static const struct {
  const char *text, *suffixes[MOST_PARTS];
  int parts;
} kinds[] = {
    [COMPOUND_NONE] = {"a tensor", {""}, 1},
    [COMPOUND_SEQUENCE] = {"a sequence", {"", ".shapes"}, 2},
    [COMPOUND_OPTIONAL] = {"an optional tensor", {"", ".shapes"}, 2},
    [COMPOUND_OPTIONAL_SEQUENCE] = {"an optional sequence", {"", ".shapes", ".present"}, 3},
    [COMPOUND_MAP] = {"a map", {"", ".values"}, 2},
};

int compound_parts(CompoundKind kind) {
  return kinds[kind].parts;
}

const char *compound_part_name(Reader *r, const char *name, CompoundKind kind, int part) {
  return arena_printf(r->arena, "%s%s", name, kinds[kind].suffixes[part]);
}

CompoundKind compound_kind(const Reader *r, const Value *value) {
  const Compound *compound = compound_of(r, value);
  return compound ? compound->kind : COMPOUND_NONE;
}

/* They are listed in the order of their placeholders' ids. */
const Compound *compound_of(const Reader *r, const Value *value) {
  size_t low = 0, high = value ? r->compounds.count : 0;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const Compound *compound = &r->compounds.items[middle];
    if (compound->placeholder == value) return compound;
    if (compound->placeholder->id < value->id)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

Value *compound_create(Reader *r, const char *name, CompoundKind kind, Value *const *parts) {
  if (kind == COMPOUND_NONE) return parts[0];
  Compound compound = {.placeholder = value_create(r->c, name), .kind = kind};
  for (int i = 0; i < kinds[kind].parts; i++) compound.parts[i] = parts[i];
  vec_push(r->arena, &r->compounds, compound);
  return compound.placeholder;
}

void compound_push(const Reader *r, Value *value, ValueList *list) {
  const Compound *compound = compound_of(r, value);
  for (int i = 0; compound && i < kinds[compound->kind].parts; i++)
    vec_push(r->arena, list, compound->parts[i]);
  if (!compound) vec_push(r->arena, list, value);
}

/* ---- nodes that the file does not have ---- */

/* A node for the one at hand, whose outputs are still to be set. */
static Node *add_extra(const Site *site, Graph *graph, const char *op_type, Values in,
                       int outputs) {
  const Node origin = {.name = text_or_empty(site->proto->name), .index = site->index};
  return graph_add(site->reader->c, graph,
                   &(NewNode){.op_type = op_type,
                              .version = opset_version(site->reader, site->scope, ""),
                              .in = in,
                              .outputs = outputs,
                              .origin = &origin});
}

/* Its outputs are called `name`, `name`.shapes … */
static Node *extra_node(const Site *site, Graph *graph, const char *op_type, Values in,
                        const char *name, CompoundKind result) {
  Node *node = add_extra(site, graph, op_type, in, kinds[result].parts);
  for (int i = 0; i < node->output_count; i++)
    node_set_output(
        node, i, value_create(site->reader->c, compound_part_name(site->reader, name, result, i)));
  return node;
}

static Value *constant(const Site *site, const char *name, DType dtype, int64_t number) {
  return value_constant(site->reader->c, name,
                        tensor_scalar_int(site->reader->arena, dtype, number));
}

static Node *empty_sequence(const Site *site, const char *name, DType dtype) {
  Node *node =
      extra_node(site, site->scope->graph, "SequenceEmpty", NO_INPUTS, name, COMPOUND_SEQUENCE);
  node_set_attr(site->reader->c, node, attr_int("dtype", dtype_info(dtype)->onnx_code));
  return node;
}

/* ---- results of a body ---- */

/* The parts of `value` as a value of kind `wanted`, which it can become: what that takes is put
 * into `graph`. */
static bool push_as(const Site *site, Graph *graph, Value *value, CompoundKind wanted,
                    ValueList *list) {
  Reader *r = site->reader;
  CompoundKind kind = compound_kind(r, value);
  if (kind == COMPOUND_NONE && wanted == COMPOUND_OPTIONAL) {
    Node *node = extra_node(site, graph, "SequenceConstruct", IN(value), value->name, wanted);
    vec_push(r->arena, list, node->outputs[0]);
    vec_push(r->arena, list, node->outputs[1]);
    return true;
  }
  compound_push(r, value, list);
  if (kind == COMPOUND_SEQUENCE && wanted == COMPOUND_OPTIONAL_SEQUENCE)
    vec_push(r->arena, list, constant(site, "present", DT_BOOL, 1));
  else if (kind != wanted)
    return site_error(site, "'%s' is %s where the other one is %s", value->name, kinds[kind].text,
                      kinds[wanted].text);
  return true;
}

static void set_outputs(Reader *r, Graph *graph, const ValueList *values) {
  graph->outputs.count = 0;
  for (size_t i = 0; i < values->count; i++) vec_push(r->arena, &graph->outputs, values->items[i]);
}

/* Of two kinds the later one in the list can hold values of both, if any can. */
static void widen_results(const Site *site, const Graph *branch, ResultKind *results) {
  for (size_t i = 0; i < branch->outputs.count && i < site->proto->n_output; i++) {
    CompoundKind kind = compound_kind(site->reader, branch->outputs.items[i]);
    if (kind > results[i].kind) results[i] = (ResultKind){kind, kind};
  }
}

static bool branch_results(const Site *site, Attr *attrs, int attr_count, ResultKind *results) {
  bool ok = true;
  for (int a = 0; a < attr_count; a++)
    if (attrs[a].kind == ATTR_GRAPH) widen_results(site, attrs[a].graph, results);
  for (int a = 0; a < attr_count; a++) {
    Graph *branch = attrs[a].kind == ATTR_GRAPH ? attrs[a].graph : NULL;
    ValueList flat = {0};
    for (size_t i = 0; branch && i < branch->outputs.count && i < site->proto->n_output; i++)
      ok = push_as(site, branch, branch->outputs.items[i], results[i].kind, &flat) && ok;
    if (branch) set_outputs(site->reader, branch, &flat);
  }
  return ok;
}

/* Input i of the node, NULL if it is left out. */
static Value *named_input(const Site *site, size_t i) {
  Value *value = i < site->proto->n_input && *site->proto->input[i]
                     ? scope_find(site->scope, site->proto->input[i])
                     : NULL;
  return value == site->reader->omitted ? NULL : value;
}

/* What is carried stays of the kind that it has at the start. */
static bool loop_results(const Site *site, Attr *attrs, int attr_count, ResultKind *results) {
  Graph *body = NULL;
  ValueList flat = {0};
  bool ok = true;
  for (int i = 0; i < attr_count; i++)
    if (attrs[i].kind == ATTR_GRAPH) body = attrs[i].graph;
  for (size_t i = 0; body && i < body->outputs.count; i++) {
    Value *out = body->outputs.items[i];
    CompoundKind before = i ? compound_kind(site->reader, named_input(site, i + 1)) : COMPOUND_NONE;
    ok = push_as(site, body, out, before, &flat) && ok;
    if (i == 0 || i > site->proto->n_output) continue;
    CompoundKind after = compound_kind(site->reader, out);
    results[i - 1] = (ResultKind){before, after == COMPOUND_NONE ? before : after};
  }
  if (body) set_outputs(site->reader, body, &flat);
  return ok;
}

/* ---- operators ---- */

static bool define(const Site *site, Value *value) {
  return scope_define(site->scope, site->proto->output[0], value) ||
         site_error(site, "value '%s' is defined twice", site->proto->output[0]);
}

static bool make_identity(const Site *site, Attr *attrs, int attr_count, bool *made) {
  Value *value = named_input(site, 0);
  (void)attrs, (void)attr_count;
  *made = compound_of(site->reader, value) != NULL;
  return !*made || define(site, value);
}

static const Onnx__AttributeProto *find_attribute(const Site *site, const char *name) {
  for (size_t i = 0; i < site->proto->n_attribute; i++)
    if (strcmp(text_or_empty(site->proto->attribute[i]->name), name) == 0)
      return site->proto->attribute[i];
  return NULL;
}

static bool make_absent(const Site *site, const char *name) {
  const Onnx__AttributeProto *type = find_attribute(site, "type");
  DeclaredCompound declared;
  if (!type || !compound_declared(type->tp, &declared) || declared.kind > COMPOUND_SEQUENCE)
    return site_error(site, "an empty optional needs the attribute 'type', a tensor or a sequence");
  Node *node = empty_sequence(site, name, declared.dtype);
  Value *parts[] = {node->outputs[0], node->outputs[1], constant(site, "present", DT_BOOL, 0)};
  CompoundKind kind =
      declared.kind == COMPOUND_SEQUENCE ? COMPOUND_OPTIONAL_SEQUENCE : COMPOUND_OPTIONAL;
  return define(site, compound_create(site->reader, name, kind, parts));
}

static bool make_optional(const Site *site, Attr *attrs, int attr_count, bool *made) {
  const char *name = site->proto->output[0];
  Value *value = named_input(site, 0);
  ValueList parts = {0};
  (void)attrs, (void)attr_count;
  *made = true;
  if (!value) return make_absent(site, name);
  CompoundKind kind = compound_kind(site->reader, value) == COMPOUND_SEQUENCE
                          ? COMPOUND_OPTIONAL_SEQUENCE
                          : COMPOUND_OPTIONAL;
  return push_as(site, site->scope->graph, value, kind, &parts) &&
         define(site, compound_create(site->reader, name, kind, parts.items));
}

static bool make_has_element(const Site *site, Attr *attrs, int attr_count, bool *made) {
  const char *name = site->proto->output[0];
  Value *value = named_input(site, 0);
  const Compound *compound = compound_of(site->reader, value);
  (void)attrs, (void)attr_count;
  *made = true;
  if (!compound || compound->kind == COMPOUND_SEQUENCE || compound->kind == COMPOUND_MAP)
    return define(site, constant(site, name, DT_BOOL, value != NULL));
  if (compound->kind == COMPOUND_OPTIONAL_SEQUENCE) return define(site, compound->parts[2]);
  Node *node = extra_node(site, site->scope->graph, "OptionalHasElement",
                          IN(compound->parts[0], compound->parts[1]), name, COMPOUND_NONE);
  return define(site, node->outputs[0]);
}

static bool make_get_element(const Site *site, Attr *attrs, int attr_count, bool *made) {
  const char *name = site->proto->output[0];
  Value *value = named_input(site, 0);
  const Compound *compound = compound_of(site->reader, value);
  (void)attrs, (void)attr_count;
  *made = true;
  if (!value) return site_error(site, "there is no input");
  if (!compound || compound->kind == COMPOUND_SEQUENCE || compound->kind == COMPOUND_MAP)
    return define(site, value);
  bool tensor = compound->kind == COMPOUND_OPTIONAL;
  CompoundKind kind = tensor ? COMPOUND_NONE : COMPOUND_SEQUENCE;
  Value *third = tensor ? constant(site, "0", DT_I64, 0) : compound->parts[2];
  Node *node = extra_node(site, site->scope->graph, tensor ? "SequenceAt" : "OptionalGetElement",
                          IN(compound->parts[0], compound->parts[1], third), name, kind);
  return define(site, compound_create(site->reader, name, kind, node->outputs));
}

/* ---- SequenceMap ---- */

/* The body's inputs are elements of the sequences, and the other inputs as they are. */
static bool bind_elements(const Site *site, Graph *loop, Graph *body) {
  for (size_t i = 0; i < body->inputs.count; i++) {
    Value *in = body->inputs.items[i], *given = named_input(site, i);
    const Compound *compound = compound_of(site->reader, given);
    if (!given || (compound && compound->kind != COMPOUND_SEQUENCE))
      return site_error(site, "input %zu must be a sequence or a tensor", i);
    if (compound)
      given = extra_node(site, loop, "SequenceAt",
                         IN(compound->parts[0], compound->parts[1], loop->inputs.items[0]),
                         in->name, COMPOUND_NONE)
                  ->outputs[0];
    graph_replace_uses(body, in, given);
  }
  return true;
}

static void move_nodes(Compilation *c, Graph *from, Graph *to) {
  for (size_t i = 0; i < from->nodes.count; i++) {
    Node *node = from->nodes.items[i];
    node->graph = to;
    for (int k = 0; k < node->attr_count; k++)
      if (node->attrs[k].kind == ATTR_GRAPH) node->attrs[k].graph->parent = to;
    vec_push(c->arena, &to->nodes, node);
  }
}

/* The type that the body declares for its result i. */
static DType result_dtype(const Site *site, size_t i) {
  const Onnx__AttributeProto *body = find_attribute(site, "body");
  DeclaredCompound declared = {.dtype = DT_NONE};
  if (body && body->g && i < body->g->n_output)
    compound_declared(body->g->output[i]->type, &declared);
  return declared.dtype;
}

/* Result i: its sequence is carried from element to element. */
static bool carry_result(const Site *site, Graph *loop, Value *result, size_t i,
                         ValueList *initial) {
  Reader *r = site->reader;
  const char *name = site->proto->output[i];
  DType dtype = result_dtype(site, i);
  if (dtype == DT_NONE)
    return site_error(site, "the body does not say of what type its result '%s' is", result->name);
  Node *empty = empty_sequence(site, name, dtype);
  Value *inputs[] = {NULL, NULL, result};
  for (int k = 0; k < 2; k++) {
    inputs[k] = value_create(r->c, compound_part_name(r, name, COMPOUND_SEQUENCE, k));
    vec_push(r->arena, &loop->inputs, inputs[k]);
    vec_push(r->arena, initial, empty->outputs[k]);
  }
  Node *insert =
      extra_node(site, loop, "SequenceInsert", (Values){inputs, 3}, name, COMPOUND_SEQUENCE);
  for (int k = 0; k < 2; k++) vec_push(r->arena, &loop->outputs, insert->outputs[k]);
  return true;
}

static Graph *map_loop(const Site *site) {
  Compilation *c = site->reader->c;
  Graph *loop = graph_create(c, "elements", site->scope->graph);
  Value *number = value_create(c, "element"), *condition = value_create(c, "more");
  vec_push(c->arena, &loop->inputs, number);
  vec_push(c->arena, &loop->inputs, condition);
  vec_push(c->arena, &loop->outputs, condition);
  return loop;
}

/* The results are those of the loop. */
static bool define_sequences(const Site *site, const Node *node) {
  Reader *r = site->reader;
  for (size_t i = 0; i < site->proto->n_output; i++) {
    const char *name = site->proto->output[i];
    Value **parts = node->outputs + 2 * i;
    if (*name &&
        !scope_define(site->scope, name, compound_create(r, name, COMPOUND_SEQUENCE, parts)))
      return site_error(site, "value '%s' is defined twice", name);
  }
  return true;
}

/* A Loop with these inputs, which hands out all that it carries. */
static Node *loop_node(const Site *site, Graph *loop, const ValueList *inputs) {
  Compilation *c = site->reader->c;
  int count = (int)inputs->count, carried = count - 2;
  Node *node = add_extra(site, site->scope->graph, "Loop", (Values){inputs->items, count}, carried);
  for (int i = 0; i < carried; i++)
    node_set_output(node, i, value_create(c, inputs->items[i + 2]->name));
  node_set_attr(c, node, attr_graph("body", loop));
  return node;
}

static bool make_map(const Site *site, Attr *attrs, int attr_count, bool *made) {
  Reader *r = site->reader;
  Graph *loop = map_loop(site), *body = NULL;
  const Compound *first = compound_of(r, named_input(site, 0));
  ValueList inputs = {0};
  *made = true;
  for (int i = 0; i < attr_count; i++)
    if (attrs[i].kind == ATTR_GRAPH) body = attrs[i].graph;
  if (!first || first->kind != COMPOUND_SEQUENCE)
    return site_error(site, "input 0 must be a sequence");
  if (!body || body->inputs.count != site->proto->n_input ||
      body->outputs.count != site->proto->n_output)
    return site_error(site, "the body has other numbers of inputs and outputs than the node");
  Node *length = extra_node(site, site->scope->graph, "SequenceLength",
                            IN(first->parts[0], first->parts[1]), "length", COMPOUND_NONE);
  vec_push(r->arena, &inputs, length->outputs[0]);
  vec_push(r->arena, &inputs, (Value *)NULL);
  if (!bind_elements(site, loop, body)) return false;
  move_nodes(r->c, body, loop);
  for (size_t i = 0; i < body->outputs.count; i++)
    if (!carry_result(site, loop, body->outputs.items[i], i, &inputs)) return false;
  return define_sequences(site, loop_node(site, loop, &inputs));
}

/* ---- the table ---- */

/* What operators do with compound values that are more than operands. */
typedef struct {
  const char *op_type;
  bool carries; /* input i of its body is of the kind of its input i */
  /* Does what a node would; *made: there is nothing left to do. */
  bool (*make)(const Site *site, Attr *attrs, int attr_count, bool *made);
  /* The kinds of its results from those of its bodies, whose outputs become tensors. */
  bool (*results)(const Site *site, Attr *attrs, int attr_count, ResultKind *results);
} Rule;

static const Rule rules[] = {
    {"Identity", .make = make_identity},
    {"If", .results = branch_results},
    {"Loop", .carries = true, .results = loop_results},
    {"Optional", .make = make_optional},
    {"OptionalGetElement", .make = make_get_element},
    {"OptionalHasElement", .make = make_has_element},
    {"SequenceMap", .make = make_map},
};

static const Rule *rule_of(const Site *site) {
  if (*normal_domain(site->proto->domain)) return NULL;
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    if (strcmp(rules[i].op_type, text_or_empty(site->proto->op_type)) == 0) return &rules[i];
  return NULL;
}

bool compound_make(const Site *site, Attr *attrs, int attr_count, bool *made) {
  const Rule *rule = rule_of(site);
  *made = false;
  return !rule || !rule->make || rule->make(site, attrs, attr_count, made);
}

CompoundKind compound_body_input(const Site *site, size_t i) {
  const Rule *rule = rule_of(site);
  return rule && rule->carries ? compound_kind(site->reader, named_input(site, i)) : COMPOUND_NONE;
}

static bool bodies_give_tensors(const Site *site, const Attr *attrs, int attr_count) {
  for (int i = 0; i < attr_count; i++)
    for (size_t k = 0; attrs[i].kind == ATTR_GRAPH && k < attrs[i].graph->outputs.count; k++) {
      const Compound *compound = compound_of(site->reader, attrs[i].graph->outputs.items[k]);
      if (compound)
        return site_error(site, "result %zu of the body is %s; it must be a tensor", k,
                          kinds[compound->kind].text);
    }
  return true;
}

bool compound_results(const Site *site, const Node *node, Attr *attrs, int attr_count,
                      ResultKind *results) {
  const Rule *rule = rule_of(site);
  bool takes = node->op && node->op->flags & OP_COMPOUND;
  const OperatorSchema *schema =
      takes ? op_schema(site->reader->c, node->domain, node->op_type, node->version) : NULL;
  memset(results, 0, site->proto->n_output * sizeof *results);
  if (rule && rule->results) return rule->results(site, attrs, attr_count, results);
  for (size_t i = 0; schema && i < site->proto->n_output; i++) {
    const SchemaParam *param = schema_output(schema, (int)i);
    if (param && param->other && !param->dtypes)
      results[i] = (ResultKind){COMPOUND_SEQUENCE, COMPOUND_SEQUENCE};
  }
  return bodies_give_tensors(site, attrs, attr_count);
}

bool compound_fits(const Site *site, const OpDef *op, int version, size_t i, const Value *value) {
  const char *op_type = site->proto->op_type, *domain = normal_domain(site->proto->domain);
  CompoundKind kind = compound_kind(site->reader, value), wanted = COMPOUND_NONE;
  const Rule *rule = rule_of(site);
  if (rule && (rule->results || rule->make)) return true; /* of any kind */
  const OperatorSchema *schema =
      op && op->flags & OP_COMPOUND ? op_schema(site->reader->c, domain, op_type, version) : NULL;
  const SchemaParam *param = schema ? schema_input(schema, (int)i) : NULL;
  if (param && param->other && !param->dtypes) wanted = *domain ? COMPOUND_MAP : COMPOUND_SEQUENCE;
  if (!value || kind == wanted || (!schema && kind == COMPOUND_NONE)) return true;
  return site_error(site, "input '%s' is %s; %s takes %s", site->proto->input[i], kinds[kind].text,
                    op_type, kinds[wanted].text);
}
