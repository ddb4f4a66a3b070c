/* attributes.c: AttributeProto to Attr. */
#include "reader.h"

typedef Onnx__AttributeProto Proto;

static const AttrKind kinds[] = {
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT] = ATTR_FLOAT,
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT] = ATTR_INT,
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING] = ATTR_STRING,
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR] = ATTR_TENSOR,
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH] = ATTR_GRAPH,
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS] = ATTR_FLOATS,
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS] = ATTR_INTS,
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS] = ATTR_STRINGS,
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSORS] = ATTR_TENSORS,
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPHS] = ATTR_OTHER,
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR] = ATTR_OTHER,
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSORS] = ATTR_OTHER,
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO] = ATTR_OTHER,
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTOS] = ATTR_OTHER,
};

/* Files of before 2018 may leave the type out: what is there tells it. */
static AttrKind guess_kind(const Proto *proto) {
  if (proto->has_f) return ATTR_FLOAT;
  if (proto->has_i) return ATTR_INT;
  if (proto->has_s) return ATTR_STRING;
  if (proto->t) return ATTR_TENSOR;
  if (proto->g) return ATTR_GRAPH;
  if (proto->n_floats) return ATTR_FLOATS;
  if (proto->n_ints) return ATTR_INTS;
  if (proto->n_strings) return ATTR_STRINGS;
  if (proto->n_tensors) return ATTR_TENSORS;
  if (proto->sparse_tensor || proto->tp || proto->n_graphs) return ATTR_OTHER;
  return ATTR_NONE;
}

static bool kind_of(const Site *site, const Proto *proto, AttrKind *kind) {
  *kind = guess_kind(proto);
  if (!proto->has_type || proto->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED)
    return true;
  if (proto->type < 0 || (size_t)proto->type >= sizeof kinds / sizeof *kinds)
    return site_error(site, "attribute '%s' has unknown type %d", text_or_empty(proto->name),
                      (int)proto->type);
  *kind = kinds[proto->type];
  return true;
}

static bool read_tensor(const Site *site, const Onnx__TensorProto *proto, Attr *attr,
                        const Tensor **out) {
  const char *what = arena_printf(site->reader->arena, "attribute '%s'", attr->name);
  if (!proto) return site_error(site, "%s holds no tensor", what);
  *out = tensor_read(site->reader, site_text(site), what, proto);
  return *out != NULL;
}

static bool read_tensors(const Site *site, const Proto *proto, Attr *attr) {
  const Tensor **out = ARENA_ARRAY(site->reader->arena, const Tensor *, proto->n_tensors + 1);
  bool ok = true;
  for (size_t i = 0; i < proto->n_tensors; i++)
    ok = read_tensor(site, proto->tensors[i], attr, &out[i]) && ok;
  attr->tensors = out;
  attr->count = proto->n_tensors;
  return ok;
}

static bool read_sparse(const Site *site, const Proto *proto, Attr *attr) {
  if (!proto->sparse_tensor) return true;
  attr->tensor = sparse_read(site->reader, site_text(site),
                             arena_printf(site->reader->arena, "attribute '%s'", attr->name),
                             proto->sparse_tensor);
  return attr->tensor != NULL;
}

static void read_strings(Arena *arena, const Proto *proto, Attr *attr) {
  const char **out = ARENA_ARRAY(arena, const char *, proto->n_strings + 1);
  for (size_t i = 0; i < proto->n_strings; i++)
    out[i] = arena_strndup(arena, (const char *)proto->strings[i].data, proto->strings[i].len);
  attr->strings = out;
  attr->count = proto->n_strings;
}

/* `scope` is where subgraphs see their names. */
static bool read_value(const Site *site, Scope *scope, const Proto *proto, Attr *attr) {
  Arena *arena = site->reader->arena;
  switch (attr->kind) {
  case ATTR_NONE: return true;
  case ATTR_INT: attr->i = proto->i; return true;
  case ATTR_FLOAT: attr->f = proto->f; return true;
  case ATTR_STRING:
    attr->s = arena_strndup(arena, (const char *)proto->s.data, proto->s.len);
    attr->s_length = proto->s.len;
    return true;
  case ATTR_INTS:
    attr->ints = proto->ints;
    attr->count = proto->n_ints;
    return true;
  case ATTR_FLOATS:
    attr->floats = proto->floats;
    attr->count = proto->n_floats;
    return true;
  case ATTR_STRINGS: read_strings(arena, proto, attr); return true;
  case ATTR_TENSOR: return read_tensor(site, proto->t, attr, &attr->tensor);
  case ATTR_TENSORS: return read_tensors(site, proto, attr);
  case ATTR_GRAPH:
    if (!proto->g) return site_error(site, "attribute '%s' holds no graph", attr->name);
    attr->graph = graph_read(site->reader, scope, site, proto->g);
    return attr->graph != NULL;
  case ATTR_OTHER: return read_sparse(site, proto, attr);
  }
  return true;
}

/* A reference to a parameter of the function becomes what the call gave; *proto is NULL if it gave
 * nothing. References may lead on to the parameters of the function that holds the call. */
static bool resolve(const Site *site, const Proto **proto, Scope **scope) {
  while (*proto && text_or_empty((*proto)->ref_attr_name)[0]) {
    if (!*scope || !(*scope)->arguments)
      return site_error(site, "attribute '%s' refers to parameter '%s', but this is no function",
                        text_or_empty((*proto)->name), (*proto)->ref_attr_name);
    const Argument *argument = map_get((*scope)->arguments, (*proto)->ref_attr_name);
    if (argument && argument->scope == *scope && text_or_empty(argument->proto->ref_attr_name)[0])
      return site_error(site, "the default of parameter '%s' refers to another parameter",
                        text_or_empty(argument->proto->name));
    *proto = argument ? argument->proto : NULL;
    *scope = argument ? argument->scope : NULL;
  }
  return true;
}

/* Appends nothing if the attribute stands for a parameter that was not given. */
static bool read_one(const Site *site, const Proto *proto, Attr *attrs, int *count) {
  const Proto *source = proto;
  Scope *scope = site->scope;
  Attr *attr = &attrs[*count];
  *attr = (Attr){.name = text_or_empty(proto->name), .count = 1};
  if (!resolve(site, &source, &scope) || (source && !kind_of(site, source, &attr->kind)))
    return false;
  if (!source) return true;
  if (!read_value(site, scope, source, attr)) return false;
  ++*count;
  return true;
}

bool attributes_read(const Site *site, Attr **attrs, int *count) {
  const Onnx__NodeProto *node = site->proto;
  bool ok = true;
  *count = 0;
  *attrs = ARENA_ARRAY(site->reader->arena, Attr, node->n_attribute + 1);
  for (size_t i = 0; i < node->n_attribute; i++)
    ok = read_one(site, node->attribute[i], *attrs, count) && ok;
  return ok;
}
