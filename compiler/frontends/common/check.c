/* check.c: a node against the operator table, before any code of an operator sees it. */
#include "frontends/common/check.h"

#include "ops/op.h"
#include "ops/schema.h"

typedef struct {
  const NodeFacts *node;
  const OperatorSchema *schema;
  bool strict; /* of ai.onnx or a plugin: an unknown attribute is an error */
} Check;

static bool check_error(const NodeFacts *node, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool check_error(const NodeFacts *node, const char *format, ...) {
  va_list args;
  va_start(args, format);
  diag_verror(node->c->diag, node->where(node->site), format, args);
  va_end(args);
  return false;
}

/* Whether the next error is printed at all, so that looking for a suggestion is worth it. */
static bool errors_shown(const NodeFacts *node) {
  return node->c->diag->errors <= DIAG_LIMIT;
}

static const char *shown_domain(const char *domain) {
  return *domain ? domain : "ai.onnx";
}

static bool is_standard(const char *domain) {
  return *domain == '\0' || strncmp(domain, "ai.onnx.", 8) == 0;
}

/* ---- the operator itself ---- */

static bool unknown_operator(const NodeFacts *node) {
  const char *name = node->op_type, *domain = node->domain;
  const OperatorSchema *oldest = schema_oldest(domain, name);
  const OpDef *op = op_find_for(node->c, domain, name);
  if (op && op->schema) oldest = op->schema;
  if (!is_standard(domain) && !(op && op->schema)) return true; /* not ours to judge */
  if (oldest)
    return check_error(node, "%s came with opset %d of %s, but the model is of opset %d", name,
                       oldest->since, shown_domain(domain), node->version);
  if (op) return true; /* ours, not the standard's */
  check_error(node, "%s has no operator '%s'", shown_domain(domain), name);
  if (!errors_shown(node)) return false;
  return diag_did_you_mean(node->c->diag, schema_suggest(node->c->arena, domain, name));
}

static void warn_deprecated(const Check *check) {
  if (check->schema->deprecated)
    diag_warning(check->node->c->diag, check->node->where(check->node->site),
                 "%s was taken out of the standard in opset %d", check->schema->name,
                 check->schema->since);
}

/* ---- arity ---- */

/* `count` names against `params`; `sort` is "input" or "output". */
static bool check_params(const Check *check, const char *sort, char *const *names, size_t count,
                         const SchemaParam *params, int param_count) {
  const char *op = check->schema->name;
  bool open = param_count && params[param_count - 1].kind >= ARITY_VARIADIC, ok = true;
  if (!open && count > (size_t)param_count)
    ok = check_error(check->node, "%zu %ss, but %s has at most %d", count, sort, op, param_count);
  for (int i = 0; i < param_count; i++) {
    bool given = (size_t)i < count && *names[i];
    if (params[i].kind == ARITY_SINGLE && !given)
      ok = check_error(check->node, "%s %d ('%s') of %s is missing", sort, i, params[i].name, op);
  }
  if (open && count + 1 < (size_t)params[param_count - 1].least + (size_t)param_count)
    ok = check_error(check->node, "%zu %ss, but %s has at least %d", count, sort, op,
                     params[param_count - 1].least + param_count - 1);
  return ok;
}

static bool check_arity(const Check *check) {
  const NodeFacts *node = check->node;
  const OperatorSchema *schema = check->schema;
  bool inputs = check_params(check, "input", node->inputs, node->input_count, schema->inputs,
                             schema->input_count);
  return check_params(check, "output", node->outputs, node->output_count, schema->outputs,
                      schema->output_count) &&
         inputs;
}

/* ---- attributes ---- */

static bool unknown_attribute(const Check *check, const char *name) {
  const OperatorSchema *schema = check->schema;
  if (!check->strict) {
    diag_warning(check->node->c->diag, check->node->where(check->node->site),
                 "unknown attribute '%s' is ignored", name);
    return true;
  }
  if (!errors_shown(check->node)) return check_error(check->node, "unknown attribute '%s'", name);
  const char **names = ARENA_ARRAY(check->node->c->arena, const char *, schema->attr_count + 1);
  for (int i = 0; i < schema->attr_count; i++) names[i] = schema->attrs[i].name;
  const char *near = str_nearest(name, names, (size_t)schema->attr_count);
  const OperatorSchema *newest = schema_find(check->node->domain, schema->name, INT32_MAX);
  if (near)
    return check_error(check->node, "unknown attribute '%s', did you mean '%s'?", name, near);
  check_error(check->node, "unknown attribute '%s'", name);
  if (newest && schema_attr(newest, name))
    diag_hint(check->node->c->diag, "newer versions of %s have it, but the model is of opset %d",
              schema->name, check->node->version);
  return false;
}

/* An empty list carries no type in old files. */
static bool same_kind(Attr *attr, AttrKind wanted) {
  if (attr->kind == ATTR_NONE) {
    attr->kind = wanted;
    attr->count = 0;
    return wanted == ATTR_INTS || wanted == ATTR_FLOATS || wanted == ATTR_STRINGS;
  }
  return attr->kind == wanted;
}

static bool check_attribute(const Check *check, Attr *attr, uint64_t *seen) {
  const SchemaAttr *known = schema_attr(check->schema, attr->name);
  if (!known) return unknown_attribute(check, attr->name);
  uint64_t bit = UINT64_C(1) << (known - check->schema->attrs);
  if (*seen & bit) return check_error(check->node, "attribute '%s' is given twice", attr->name);
  *seen |= bit;
  AttrKind is = attr->kind;
  if (same_kind(attr, known->kind)) return true;
  return check_error(check->node, "attribute '%s' must be %s, but is %s", attr->name,
                     attr_kind_text(known->kind), attr_kind_text(is));
}

static int count_defaults(const OperatorSchema *schema, uint64_t seen) {
  int count = 0;
  for (int i = 0; i < schema->attr_count; i++)
    count += !(seen >> i & 1) && schema->attrs[i].missing;
  return count;
}

/* Attributes that are not there: their defaults, at the end of the list. */
static bool add_defaults(const Check *check, uint64_t seen, Attr **attrs, int *count) {
  const OperatorSchema *schema = check->schema;
  Arena *arena = check->node->c->arena;
  Attr *all = ARENA_ARRAY(arena, Attr, *count + count_defaults(schema, seen));
  bool ok = true;
  if (*count) memcpy(all, *attrs, (size_t)*count * sizeof *all);
  for (int i = 0; i < schema->attr_count; i++) {
    const SchemaAttr *known = &schema->attrs[i];
    if (seen >> i & 1) continue;
    if (known->required)
      ok = check_error(check->node, "attribute '%s' (%s) is missing", known->name,
                       attr_kind_text(known->kind));
    else if (known->missing)
      all[(*count)++] = *known->missing;
  }
  *attrs = all;
  return ok;
}

static bool check_attributes(const Check *check, Attr **attrs, int *count) {
  uint64_t seen = 0;
  bool ok = true;
  CTC_ASSERT(check->schema->attr_count <= 64);
  for (int i = 0; i < *count; i++) ok = check_attribute(check, &(*attrs)[i], &seen) && ok;
  return add_defaults(check, seen, attrs, count) && ok;
}

/* The schema of an operator that models use before their opset has it. */
static const OperatorSchema *early_schema(const char *domain, const char *name) {
  const OpDef *op = op_find(domain, name);
  return op && (op->flags & OP_EARLY) ? schema_oldest(domain, name) : NULL;
}

bool check_node(const NodeFacts *node, Attr **attrs, int *count) {
  Check check = {.node = node,
                 .schema = op_schema(node->c, node->domain, node->op_type, node->version),
                 .strict = is_standard(node->domain)};
  if (!check.schema) check.schema = early_schema(node->domain, node->op_type);
  if (!check.schema) return unknown_operator(node);
  if (!schema_oldest(node->domain, node->op_type)) check.strict = true; /* a plugin's */
  warn_deprecated(&check);
  bool arity = check_arity(&check);
  return check_attributes(&check, attrs, count) && arity;
}
