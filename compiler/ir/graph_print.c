/* graph_print.c: a graph as text, for --dump.
 *
 *   graph main(x: float32[N, 3]) {
 *     y: float32[N, 4] = Gemm(x, w, _) {transB = 1}  // 'fc1' #0
 *     return y
 *   } */
#include "ir/graph.h"

#include <inttypes.h>

static void print_graph(Str *out, const Graph *graph, int depth);

static void indent(Str *out, int depth) {
  for (int i = 0; i < depth; i++) str_add(out, "  ");
}

static void print_name(Str *out, const Value *value) {
  if (!value)
    str_add(out, "_");
  else if (value->name && value->name[0])
    str_add(out, value->name);
  else
    str_addf(out, "%%%d", value->id);
}

static void print_typed(Str *out, const Value *value) {
  print_name(out, value);
  if (!value || (value->dtype == DT_NONE && value->rank < 0)) return;
  str_addf(out, ": %s", dtype_info(value->dtype)->name);
  if (value->rank >= 0) dims_print(out, value->shape, value->rank);
}

static void print_tensor_type(Str *out, const Tensor *tensor) {
  str_addf(out, "%s[", dtype_info(tensor->dtype)->name);
  for (int i = 0; i < tensor->rank; i++)
    str_addf(out, "%s%" PRId64, i ? ", " : "", tensor->dims[i]);
  str_add(out, "]");
}

/* Element i of a list, or the only value (i = 0). */
static void print_attr_item(Str *out, const Attr *attr, size_t i) {
  switch (attr->kind) {
  case ATTR_INT: str_addf(out, "%" PRId64, attr->i); break;
  case ATTR_FLOAT: str_addf(out, "%g", (double)attr->f); break;
  case ATTR_STRING: str_addf(out, "\"%s\"", attr->s); break;
  case ATTR_TENSOR: print_tensor_type(out, attr->tensor); break;
  case ATTR_INTS: str_addf(out, "%" PRId64, attr->ints[i]); break;
  case ATTR_FLOATS: str_addf(out, "%g", (double)attr->floats[i]); break;
  case ATTR_STRINGS: str_addf(out, "\"%s\"", attr->strings[i]); break;
  case ATTR_TENSORS: print_tensor_type(out, attr->tensors[i]); break;
  case ATTR_NONE:
  case ATTR_GRAPH:
  case ATTR_OTHER: str_add(out, "..."); break;
  }
}

static bool is_list(AttrKind kind) {
  return kind == ATTR_INTS || kind == ATTR_FLOATS || kind == ATTR_STRINGS || kind == ATTR_TENSORS;
}

static void print_attr(Str *out, const Attr *attr) {
  enum { MOST_ITEMS = 16 };
  str_addf(out, "%s = ", attr->name);
  if (!is_list(attr->kind)) {
    print_attr_item(out, attr, 0);
    return;
  }
  str_add(out, "[");
  for (size_t i = 0; i < attr->count && i < MOST_ITEMS; i++) {
    if (i) str_add(out, ", ");
    print_attr_item(out, attr, i);
  }
  str_add(out, attr->count > MOST_ITEMS ? ", ...]" : "]");
}

/* Those that are not graphs, in braces. */
static void print_attrs(Str *out, const Node *node) {
  bool any = false;
  for (int i = 0; i < node->attr_count; i++) {
    if (node->attrs[i].kind == ATTR_GRAPH) continue;
    str_add(out, any ? ", " : " {");
    print_attr(out, &node->attrs[i]);
    any = true;
  }
  if (any) str_add(out, "}");
}

static void print_node(Str *out, const Node *node, int depth) {
  indent(out, depth);
  for (int i = 0; i < node->output_count; i++) {
    if (i) str_add(out, ", ");
    print_typed(out, node->outputs[i]);
  }
  str_add(out, node->output_count ? " = " : "");
  if (node->domain && node->domain[0]) str_addf(out, "%s.", node->domain);
  str_addf(out, "%s(", node->op_type);
  for (int i = 0; i < node->input_count; i++) {
    if (i) str_add(out, ", ");
    print_name(out, node->inputs[i]);
  }
  str_add(out, ")");
  print_attrs(out, node);
  if (node->name && node->name[0])
    str_addf(out, "  // '%s' #%d\n", node->name, node->index);
  else
    str_addf(out, "  // #%d\n", node->index);
  for (int i = 0; i < node->attr_count; i++) {
    if (node->attrs[i].kind != ATTR_GRAPH) continue;
    indent(out, depth + 1);
    str_addf(out, "%s: ", node->attrs[i].name);
    print_graph(out, node->attrs[i].graph, depth + 1);
  }
}

/* The cursor is where the graph's first line goes on. */
static void print_graph(Str *out, const Graph *graph, int depth) {
  str_addf(out, "graph %s(", graph->name ? graph->name : "");
  for (size_t i = 0; i < graph->inputs.count; i++) {
    if (i) str_add(out, ", ");
    print_typed(out, graph->inputs.items[i]);
  }
  str_add(out, ") {\n");
  for (size_t i = 0; i < graph->nodes.count; i++) print_node(out, graph->nodes.items[i], depth + 1);
  indent(out, depth + 1);
  str_add(out, "return ");
  for (size_t i = 0; i < graph->outputs.count; i++) {
    if (i) str_add(out, ", ");
    print_name(out, graph->outputs.items[i]);
  }
  str_add(out, "\n");
  indent(out, depth);
  str_add(out, "}\n");
}

void graph_print(Str *out, const Graph *graph) {
  print_graph(out, graph, 0);
}
