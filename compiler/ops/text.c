/* text.c: the operators on strings: StringConcat, StringSplit, StringNormalizer, RegexFullMatch;
 * where new strings go. */
#include "ops/text.h"

#include "ops/movement.h"
#include "ops/regex.h"
#include "options.h"

#include <string.h>

/* --- lengths --- */

enum { DEFAULT_BYTES = 256, POOL_HEAD = 2 /* int64s before the bytes */ };

static int64_t longer(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static int64_t longest(const char *const *texts, int64_t count) {
  int64_t most = 1;
  for (int64_t i = 0; i < count; i++) most = longer(most, (int64_t)strlen(texts[i]) + 1);
  return most;
}

static int64_t longest_in(const Tensor *tensor) {
  return tensor && tensor->dtype == DT_STRING ? longest(tensor->data, tensor->count) : 1;
}

static int64_t input_bytes(const Compilation *c) {
  return c->options->max_string > 0 ? c->options->max_string : DEFAULT_BYTES;
}

int64_t text_bytes_around(Compilation *c, const Node *node) {
  int64_t most = 1;
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i] && node->inputs[i]->dtype == DT_STRING)
      most = longer(most, text_bytes(c, node->inputs[i]));
  for (int i = 0; i < node->attr_count; i++) {
    const Attr *attr = &node->attrs[i];
    if (attr->kind == ATTR_STRING) most = longer(most, longest(&attr->s, 1));
    if (attr->kind == ATTR_STRINGS)
      most = longer(most, longest(attr->strings, (int64_t)attr->count));
    most = longer(most, longest_in(attr->tensor));
  }
  return most;
}

/* Strings that come round in a loop may be of any length: they count as those of inputs. */
static int64_t find_text_bytes(Compilation *c, const Value *value) {
  const Node *node = value->producer;
  if (value->constant) return longest_in(value->constant);
  if (!node) return input_bytes(c);
  if (node->op->text_bytes) return node->op->text_bytes(c, node);
  int64_t around = text_bytes_around(c, node);
  return node->op->flags & OP_BODY ? longer(around, input_bytes(c)) : around;
}

int64_t text_bytes(Compilation *c, Value *value) {
  if (value->text_bytes == 0) value->text_bytes = find_text_bytes(c, value);
  return value->text_bytes;
}

/* --- the pool --- */

/* The first step of the program makes the pool ready. */
static void begin_texts(Lower *l) {
  DimPool *pool = l->c->dims;
  Block *outer = l->block, *body = l->program->body, first = {0};
  l->texts = lower_scratch(l, DT_I64, dim_const(pool, POOL_HEAD), "strings");
  l->texts->lasting = true;
  l->block = &first;
  l->texts_start = lower_kernel(l, "text_start", DT_NONE);
  arg_buffer(l, l->texts_start, l->texts);
  arg_int(l, l->texts_start, 0);
  l->texts_start->node = NULL;
  l->block = outer;
  vec_push(l->c->arena, &body->steps, l->texts_start);
  for (size_t i = body->steps.count - 1; i > 0; i--)
    body->steps.items[i] = body->steps.items[i - 1];
  body->steps.items[0] = l->texts_start;
}

static bool is_data(const DimSymbol *symbol, void *context) {
  (void)context;
  return symbol->kind == SYMBOL_DATA;
}

Buffer *lower_texts(Lower *l, const Node *node, Dim count, int64_t bytes) {
  enum { MOST_BYTES = 1 << 30 };
  DimPool *pool = l->c->dims;
  if (l->repeats) count = dim_mul(pool, count, l->repeats);
  Dim most = dim_upper(pool, count);
  if (dim_any_symbol(most, is_data, NULL)) {
    node_error(l->c, node, "the number of strings that it makes has no bound");
    diag_hint(l->c->diag, "give the sizes of inputs or the trips of the loop around it a bound");
    return NULL;
  }
  if (!l->texts) begin_texts(l);
  if (bytes > MOST_BYTES) bytes = MOST_BYTES;
  Dim words = dim_ceildiv(pool, dim_muli(pool, most, bytes), dim_const(pool, 8));
  l->texts->count = dim_add(pool, l->texts->count, words);
  l->texts_start->args.items[1].dim =
      dim_muli(pool, dim_addi(pool, l->texts->count, -POOL_HEAD), 8);
  return l->texts;
}

/* --- shared --- */

const Tensor *text_tensor(Arena *arena, int rank, const char *const *texts, int64_t count) {
  void *data;
  Tensor *tensor = tensor_create(arena, DT_STRING, rank, &count, &data);
  if (count) memcpy(data, texts, (size_t)count * sizeof *texts);
  return tensor;
}

Buffer *lower_expanded(Lower *l, const Value *value, int rank, const Dim *shape) {
  bool same = value->rank == rank;
  for (int d = 0; d < rank && same; d++) same = value->shape[d] == shape[d];
  if (same) return lower_buffer(l, value);
  Buffer *expanded =
      lower_scratch(l, value->dtype, dim_product(l->c->dims, shape, (size_t)rank), value->name);
  LoopNest *nest = lower_nest(l, rank, shape);
  Dim stride[MAX_RANK];
  nest_strides(l->c, rank, shape, stride);
  nest_store_at(l, nest, expanded, NULL, stride, nest_load(l, nest, value));
  return expanded;
}

/* A constant of one string. */
static Buffer *lower_text(Lower *l, const char *text, const char *name) {
  return lower_constant(l, text_tensor(l->c->arena, 1, &text, 1), name);
}

Operand nest_load_text(Lower *l, LoopNest *nest, const char *text) {
  return nest_load_first(l, nest, lower_text(l, text, "text"));
}

/* --- StringConcat --- */

static bool infer_concat(Compilation *c, Node *node) {
  Dim shape[MAX_RANK];
  int rank;
  if (!infer_broadcast(c, node, node->inputs, 2, &rank, shape)) return false;
  value_set_type(c, node_out(node, 0), DT_STRING, rank, shape);
  return true;
}

static int64_t concat_bytes(Compilation *c, const Node *node) {
  return text_bytes(c, node_in(node, 0)) + text_bytes(c, node_in(node, 1));
}

static bool lower_concat(Lower *l, const Node *node) {
  Value *y = node_out(node, 0);
  Dim count = value_count(l->c, y);
  Buffer *texts = lower_texts(l, node, count, text_bytes(l->c, y));
  if (!texts) return false;
  Buffer *a = lower_expanded(l, node_in(node, 0), y->rank, y->shape),
         *b = lower_expanded(l, node_in(node, 1), y->rank, y->shape);
  Step *step = lower_kernel(l, "string_concat", DT_NONE);
  arg_buffer(l, step, a);
  arg_buffer(l, step, b);
  arg_out(l, step, y);
  arg_buffer(l, step, texts);
  arg_dim(l, step, count);
  return true;
}

DEFINE_OP(StringConcat) = {.name = "StringConcat",
                           .infer = infer_concat,
                           .lower = lower_concat,
                           .text_bytes = concat_bytes};

/* --- StringSplit --- */

/* Pieces that a string can have. */
static int64_t split_bound(Compilation *c, const Node *node) {
  int64_t splits = node_int(node, "maxsplit", -1), bytes = text_bytes(c, node_in(node, 0));
  int64_t delimiter = (int64_t)strlen(node_string(node, "delimiter", ""));
  int64_t most = delimiter ? (bytes - 1) / delimiter + 1 : bytes / 2;
  return splits >= 0 && splits + 1 < most ? splits + 1 : most;
}

static bool infer_split(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Value *y = node_out(node, 0), *counts = node_out(node, 1);
  Dim shape[MAX_RANK];
  if (x->rank == MAX_RANK) return node_error(c, node, "the input has too many dims");
  for (int d = 0; d < x->rank; d++) shape[d] = x->shape[d];
  if (y) {
    shape[x->rank] = infer_data_dim(c, y, x->rank, dim_const(c->dims, split_bound(c, node)));
    value_set_type(c, y, DT_STRING, x->rank + 1, shape);
  }
  if (counts) value_set_type(c, counts, DT_I64, x->rank, shape);
  return true;
}

static bool lower_split(Lower *l, const Node *node) {
  Value *x = node_in(node, 0), *y = node_out(node, 0), *counts = node_out(node, 1);
  Dim count = value_count(l->c, x);
  Buffer *delimiter = lower_text(l, node_string(node, "delimiter", ""), "delimiter");
  Buffer *most = lower_scratch(l, DT_I64, dim_const(l->c->dims, 1), "most");
  int64_t splits = node_int(node, "maxsplit", -1);
  Buffer *texts = y ? lower_texts(l, node, count, text_bytes(l->c, x)) : NULL;
  if (y && !texts) return false;
  Step *step = lower_kernel(l, "string_split_count", DT_NONE);
  arg_in(l, step, x);
  arg_buffer(l, step, delimiter);
  arg_buffer(l, step, lower_wanted(l, counts, DT_I64, count, "counts"));
  arg_buffer(l, step, most);
  arg_dim(l, step, count);
  arg_int(l, step, splits);
  if (!y) return true;
  lower_define_element(l, dim_symbol(y->shape[x->rank]), most, dim_const(l->c->dims, 0));
  step = lower_kernel(l, "string_split", DT_NONE);
  arg_in(l, step, x);
  arg_buffer(l, step, delimiter);
  arg_out(l, step, y);
  arg_buffer(l, step, texts);
  arg_dim(l, step, count);
  arg_dim(l, step, y->shape[x->rank]);
  arg_int(l, step, splits);
  return true;
}

DEFINE_OP(StringSplit) = {.name = "StringSplit", .infer = infer_split, .lower = lower_split};

/* --- StringNormalizer --- */

/* The code of attribute case_change_action, as CTC_CASE_… of runtime/text.c; -1: unknown. */
static int64_t case_change(const Node *node) {
  static const char *const names[] = {"NONE", "LOWER", "UPPER"};
  const char *name = node_string(node, "case_change_action", "NONE");
  for (int i = 0; i < 3; i++)
    if (strcmp(names[i], name) == 0) return i;
  return -1;
}

static bool infer_normalizer(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Value *y = node_out(node, 0);
  Dim one = dim_const(c->dims, 1);
  if (x->rank != 1 && x->rank != 2) return node_error(c, node, "the input must be [C] or [1, C]");
  if (x->rank == 2 &&
      !infer_require_equal(c, node, x->shape[0], one, "the first of two dims and 1"))
    return false;
  if (case_change(node) < 0)
    return node_error(c, node, "case_change_action '%s' is unknown",
                      node_string(node, "case_change_action", "NONE"));
  Dim shape[] = {one, one};
  shape[x->rank - 1] =
      infer_data_dim(c, y, x->rank - 1, dim_max(c->dims, x->shape[x->rank - 1], one));
  value_set_type(c, y, DT_STRING, x->rank, shape);
  return true;
}

/* The other case of a code point of two bytes may take three. */
static int64_t normalizer_bytes(Compilation *c, const Node *node) {
  int64_t bytes = text_bytes(c, node_in(node, 0));
  return case_change(node) ? bytes + bytes / 2 : bytes;
}

static bool lower_normalizer(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0);
  Value *y = node_out(node, 0);
  const Attr *stops = node_attr(node, "stopwords");
  Dim one = dim_const(l->c->dims, 1), count = value_count(l->c, x);
  int64_t stop_count = stops ? (int64_t)stops->count : 0;
  bool makes = case_change(node) != 0;
  Buffer *texts = makes ? lower_texts(l, node, count, text_bytes(l->c, y)) : NULL;
  if (makes && !texts) return false;
  Buffer *kept = lower_scratch(l, DT_STRING, dim_max(l->c->dims, count, one), "kept");
  Buffer *found = lower_scratch(l, DT_I64, one, "count");
  Step *step = lower_kernel(l, "string_normalize", DT_NONE);
  arg_in(l, step, x);
  arg_buffer(l, step,
             stop_count ? lower_constant(l, text_tensor(l->c->arena, 1, stops->strings, stop_count),
                                         "stopwords")
                        : NULL);
  arg_buffer(l, step, kept);
  arg_buffer(l, step, found);
  arg_buffer(l, step, texts);
  arg_dim(l, step, count);
  arg_int(l, step, stop_count);
  arg_int(l, step, case_change(node));
  arg_int(l, step, node_int(node, "is_case_sensitive", 0));
  lower_define_element(l, dim_symbol(y->shape[y->rank - 1]), found, dim_const(l->c->dims, 0));
  lower_copy_buffer(l, lower_buffer(l, y), kept, value_count(l->c, y));
  return true;
}

DEFINE_OP(StringNormalizer) = {.name = "StringNormalizer",
                               .infer = infer_normalizer,
                               .lower = lower_normalizer,
                               .text_bytes = normalizer_bytes};

/* --- RegexFullMatch --- */

/* The node's plan is the automaton. */
static bool infer_match(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Automaton *automaton = ARENA_NEW(c->arena, Automaton);
  if (!node->plan &&
      !regex_compile(c, node, node_string(node, "pattern", ""), node->plan = automaton))
    return false;
  value_set_type(c, node_out(node, 0), DT_BOOL, x->rank, x->shape);
  return true;
}

static bool lower_match(Lower *l, const Node *node) {
  const Automaton *automaton = node->plan;
  Step *step = lower_kernel(l, "string_match", DT_NONE);
  arg_in(l, step, node_in(node, 0));
  arg_buffer(l, step, lower_constant(l, automaton->classes, "classes"));
  arg_buffer(l, step, lower_constant(l, automaton->next, "next"));
  arg_buffer(l, step, lower_constant(l, automaton->accepts, "accepts"));
  arg_out(l, step, node_out(node, 0));
  arg_dim(l, step, value_count(l->c, node_in(node, 0)));
  arg_int(l, step, automaton->width);
  return true;
}

DEFINE_OP(RegexFullMatch) = {.name = "RegexFullMatch", .infer = infer_match, .lower = lower_match};
