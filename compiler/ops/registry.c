/* registry.c: all operators: those of the DEFINE_… lines of compiler/ops/, which the build collects
 * in ops.def, and those of layers/. */
#include "ops/op.h"

#include <stdlib.h>
#include <string.h>

#define OP(id) extern const OpDef op_##id;
#include "ops.def"
#undef OP

static const OpDef *table[] = {
#define OP(id) &op_##id,
#include "ops.def"
#undef OP
    NULL};

enum { OP_COUNT = sizeof table / sizeof *table - 1 };

/* "" in sorting for the default domain, which is written in three ways. */
static const char *canonical_domain(const char *domain) {
  return !domain || strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

static int compare(const void *a, const void *b) {
  const OpDef *left = *(const OpDef *const *)a, *right = *(const OpDef *const *)b;
  int order = strcmp(canonical_domain(left->domain), canonical_domain(right->domain));
  return order ? order : strcmp(left->name, right->name);
}

const OpDef *const *op_list(Arena *arena, int *count) {
  Vec(const OpDef *) all = {0};
  for (int i = 0; i < (int)OP_COUNT; i++) vec_push(arena, &all, table[i]);
  for (int i = 0; layer_at(i); i++) vec_push(arena, &all, layer_at(i));
  qsort(all.items, all.count, sizeof *all.items, compare);
  *count = (int)all.count;
  return all.items;
}

static const OpDef *find(const char *domain, const char *op_type) {
  static bool sorted;
  if (!sorted) qsort(table, OP_COUNT, sizeof *table, compare);
  sorted = true;
  const OpDef wanted = {.domain = domain, .name = op_type}, *key = &wanted;
  const OpDef *const *found = bsearch(&key, table, OP_COUNT, sizeof *table, compare);
  return found ? *found : NULL;
}

const OpDef *op_find(const char *domain, const char *op_type) {
  if (domain && strcmp(domain, INTERNAL_DOMAIN) == 0) return NULL;
  const OpDef *op = find(domain, op_type);
  return op ? op : layer_find(domain, op_type);
}

const OpDef *op_internal(const char *op_type) {
  const OpDef *op = find(INTERNAL_DOMAIN, op_type);
  CTC_ASSERT(op != NULL);
  return op;
}

const OpDef *op_find_for(const Compilation *c, const char *domain, const char *op_type) {
  const OpDef *op = op_find(domain, op_type);
  if (op && !(op->flags & OP_LAYER)) return op;
  for (size_t i = 0; i < c->plugin_ops.count; i++) {
    const OpDef *own = c->plugin_ops.items[i];
    if (strcmp(own->domain, domain) == 0 && strcmp(own->name, op_type) == 0) return own;
  }
  return op;
}

const OperatorSchema *op_schema(const Compilation *c, const char *domain, const char *op_type,
                                int version) {
  const OperatorSchema *schema = schema_find(domain, op_type, version);
  const OpDef *op = schema ? NULL : op_find_for(c, domain, op_type);
  return op && op->schema && op->schema->since <= version ? op->schema : schema;
}
