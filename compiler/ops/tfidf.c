/* tfidf.c: TfIdfVectorizer. The n-grams of its pool become a tree (runtime/text_tfidf.c).
 *
 *   pool "a" "b" | "a b", "a c"   =>   elements a b c; edges 0-a->1, 0-b->2, 1-b->3, 1-c->4 */
#include "ops/movement.h"
#include "ops/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const int64_t *ids;
  int64_t length, number; /* of elements; among all n-grams of the pool */
  int64_t node;           /* of its beginning, as far as the tree has been built */
} Gram;

/* What the attributes say. */
typedef struct {
  int64_t shortest, longest, skips, mode, width;
  int64_t gram_count, pool_count, element_count;
  const char *const *texts; /* the pool, sorted later into elements; one of the two */
  const int64_t *numbers;
  const int64_t *counts; /* where in the pool the n-grams of each length begin */
  size_t length_count;
  const int64_t *indexes; /* of each n-gram in the result */
  const float *weights;   /* of each n-gram; NULL: none */
} Vectorizer;

/* As CTC_TFIDF_… of runtime/text_tfidf.c; -1: unknown. */
static int64_t mode_code(const Node *node) {
  static const char *const names[] = {"TF", "IDF", "TFIDF"};
  for (int i = 0; i < 3; i++)
    if (strcmp(names[i], node_string(node, "mode", "")) == 0) return i;
  return -1;
}

/* Elements of the pool that belong to n-grams of `length`: [*begin, result). */
static int64_t pool_part(const Vectorizer *v, int64_t length, int64_t *begin) {
  *begin = v->counts[length - 1];
  return length < (int64_t)v->length_count ? v->counts[length] : v->pool_count;
}

static bool count_grams(Compilation *c, const Node *node, Vectorizer *v) {
  for (int64_t length = 1; length <= (int64_t)v->length_count; length++) {
    int64_t begin, end = pool_part(v, length, &begin);
    if (begin < 0 || end < begin || end > v->pool_count || (end - begin) % length)
      return node_error(c, node, "ngram_counts do not fit the pool of %" PRId64, v->pool_count);
    v->gram_count += (end - begin) / length;
  }
  return true;
}

static bool check_indexes(Compilation *c, const Node *node, Vectorizer *v, size_t count) {
  if ((int64_t)count != v->gram_count)
    return node_error(c, node, "there are %" PRId64 " n-grams, but %zu ngram_indexes",
                      v->gram_count, count);
  for (size_t i = 0; i < count; i++) {
    if (v->indexes[i] < 0) return node_error(c, node, "an index of an n-gram is negative");
    if (v->indexes[i] >= v->width) v->width = v->indexes[i] + 1;
  }
  return true;
}

static bool read_vectorizer(Compilation *c, const Node *node, Vectorizer *v) {
  const Attr *texts = node_attr(node, "pool_strings");
  size_t number_count, index_count, weight_count;
  *v = (Vectorizer){.shortest = node_int(node, "min_gram_length", 1),
                    .longest = node_int(node, "max_gram_length", 1),
                    .skips = node_int(node, "max_skip_count", 0),
                    .mode = mode_code(node)};
  v->numbers = node_ints(node, "pool_int64s", &number_count);
  v->counts = node_ints(node, "ngram_counts", &v->length_count);
  v->indexes = node_ints(node, "ngram_indexes", &index_count);
  v->weights = node_floats(node, "weights", &weight_count);
  v->texts = texts && texts->count ? texts->strings : NULL;
  v->pool_count = v->texts ? (int64_t)texts->count : (int64_t)number_count;
  if (v->mode < 0) return node_error(c, node, "the mode is unknown");
  if (v->shortest < 1 || v->longest < v->shortest || v->skips < 0)
    return node_error(c, node, "the lengths of n-grams make no sense");
  if (!count_grams(c, node, v) || !check_indexes(c, node, v, index_count)) return false;
  if (weight_count == 0) v->weights = NULL;
  return weight_count == 0 || (int64_t)weight_count == v->gram_count ||
         node_error(c, node, "there must be one weight for each n-gram");
}

static bool infer_tfidf(Compilation *c, Node *node) {
  const Value *x = node_in(node, 0);
  Vectorizer v;
  if (!read_vectorizer(c, node, &v)) return false;
  if (x->rank != 1 && x->rank != 2) return node_error(c, node, "the input must be [C] or [N, C]");
  if ((x->dtype == DT_STRING) != (v.texts != NULL))
    return node_error(c, node, "the pool and the input must both be strings, or both integers");
  Dim shape[] = {x->shape[0], x->shape[0]};
  shape[x->rank - 1] = dim_const(c->dims, v.width);
  value_set_type(c, node_out(node, 0), DT_F32, x->rank, shape);
  return true;
}

/* --- the elements --- */

static int compare_texts(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_numbers(const void *a, const void *b) {
  int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
  return (left > right) - (left < right);
}

/* The distinct elements of the pool, sorted, as a constant; ids[i]: the position of element i. */
static const Tensor *sort_elements(Arena *arena, Vectorizer *v, int64_t *ids) {
  size_t size = 8, count = (size_t)v->pool_count;
  const char *pool = v->texts ? (const char *)v->texts : (const char *)v->numbers;
  int (*compare)(const void *, const void *) = v->texts ? compare_texts : compare_numbers;
  char *sorted = count ? arena_copy(arena, pool, count * size) : NULL;
  size_t kept = 0;
  if (count) qsort(sorted, count, size, compare);
  for (size_t i = 0; i < count; i++)
    if (kept == 0 || compare(sorted + (kept - 1) * size, sorted + i * size) != 0)
      memcpy(sorted + kept++ * size, sorted + i * size, size);
  for (size_t i = 0; i < count; i++) {
    const char *found = bsearch(pool + i * size, sorted, kept, size, compare);
    ids[i] = (found - sorted) / (ptrdiff_t)size;
  }
  v->element_count = (int64_t)kept;
  if (v->texts) return text_tensor(arena, 1, (const char *const *)(void *)sorted, (int64_t)kept);
  return tensor_i64(arena, (const int64_t *)(void *)sorted, (int64_t)kept);
}

/* --- the tree --- */

/* The n-grams that are asked for. Returns how many. */
static size_t take_grams(const Vectorizer *v, const int64_t *ids, Gram *grams) {
  size_t taken = 0;
  int64_t number = 0;
  for (int64_t length = 1; length <= (int64_t)v->length_count; length++) {
    int64_t at, end = pool_part(v, length, &at);
    for (; at < end; at += length, number++)
      if (length >= v->shortest && length <= v->longest)
        grams[taken++] = (Gram){ids + at, length, number, 0};
  }
  return taken;
}

static int compare_grams(const void *a, const void *b) {
  const Gram *left = a, *right = b;
  for (int64_t i = 0; i < left->length && i < right->length; i++)
    if (left->ids[i] != right->ids[i]) return left->ids[i] < right->ids[i] ? -1 : 1;
  return (left->length > right->length) - (left->length < right->length);
}

typedef struct {
  Vec(int64_t) edges, columns; /* column 0 is that of the root */
} GramTree;

/* Level by level: n-grams that begin with the same `level` elements share a node. */
static void build_tree(Arena *arena, const Vectorizer *v, Gram *grams, size_t count,
                       GramTree *tree) {
  const int64_t none = -1;
  qsort(grams, count, sizeof *grams, compare_grams);
  vec_push(arena, &tree->columns, none);
  for (int64_t level = 1; level <= v->longest; level++) {
    for (size_t i = 0; i < count; i++) {
      if (grams[i].length < level) continue;
      int64_t edge = grams[i].node * v->element_count + grams[i].ids[level - 1];
      size_t last = tree->edges.count;
      if (last == 0 || tree->edges.items[last - 1] != edge) {
        vec_push(arena, &tree->edges, edge);
        vec_push(arena, &tree->columns, none);
      }
      grams[i].node = (int64_t)tree->edges.count;
      if (grams[i].length == level)
        tree->columns.items[grams[i].node] = v->indexes[grams[i].number];
    }
  }
}

/* The weight of each column. */
static Buffer *column_weights(Lower *l, const Vectorizer *v) {
  void *data;
  if (!v->weights) return NULL;
  Tensor *tensor = tensor_create(l->c->arena, DT_F32, 1, &v->width, &data);
  float *weights = data;
  for (int64_t i = 0; i < v->gram_count; i++) weights[v->indexes[i]] = v->weights[i];
  return lower_constant(l, tensor, "weights");
}

/* The positions of the input's elements among those of the pool. */
static Buffer *lower_ids(Lower *l, const Value *x, const Vectorizer *v, const Tensor *elements) {
  Dim count = value_count(l->c, x);
  DType dtype = v->texts ? DT_STRING : DT_I64;
  Buffer *data = lower_converted(l, x, dtype), *ids = lower_scratch(l, DT_I64, count, "ids");
  Step *step = lower_kernel(l, "tfidf_ids", dtype);
  arg_buffer(l, step, data);
  arg_buffer(l, step, lower_constant(l, elements, "pool"));
  arg_buffer(l, step, ids);
  arg_dim(l, step, count);
  arg_int(l, step, v->element_count);
  return ids;
}

static bool lower_tfidf(Lower *l, const Node *node) {
  const Value *x = node_in(node, 0);
  Arena *arena = l->c->arena;
  Vectorizer v;
  GramTree tree = {0};
  if (!read_vectorizer(l->c, node, &v)) return false;
  int64_t *ids = ARENA_ARRAY(arena, int64_t, v.pool_count + 1);
  Gram *grams = ARENA_ARRAY(arena, Gram, v.gram_count + 1);
  const Tensor *elements = sort_elements(arena, &v, ids);
  build_tree(arena, &v, grams, take_grams(&v, ids, grams), &tree);
  int64_t edges = (int64_t)tree.edges.count;
  Buffer *found = lower_ids(l, x, &v, elements), *weights = column_weights(l, &v);
  Step *step = lower_kernel(l, "tfidf", DT_NONE);
  arg_buffer(l, step, found);
  arg_buffer(l, step, lower_constant(l, tensor_i64(arena, tree.edges.items, edges), "edges"));
  arg_buffer(l, step,
             lower_constant(l, tensor_i64(arena, tree.columns.items, edges + 1), "columns"));
  arg_buffer(l, step, weights);
  arg_out(l, step, node_out(node, 0));
  arg_dim(l, step, x->rank == 2 ? x->shape[0] : dim_const(l->c->dims, 1));
  arg_dim(l, step, x->shape[x->rank - 1]);
  arg_int(l, step, edges);
  arg_int(l, step, v.element_count);
  arg_int(l, step, v.width);
  arg_int(l, step, v.shortest);
  arg_int(l, step, v.longest);
  arg_int(l, step, v.skips);
  arg_int(l, step, v.mode);
  return true;
}

DEFINE_OP(TfIdfVectorizer) = {
    .name = "TfIdfVectorizer", .infer = infer_tfidf, .lower = lower_tfidf};
