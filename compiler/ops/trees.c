/* trees.c: TreeEnsembleClassifier, TreeEnsembleRegressor and TreeEnsemble of ai.onnx.ml.
 *
 * The attributes' lists become tables of nodes, numbered over all trees: a kind, a feature, a limit
 * and two successors; a leaf has, in their place, the range of its votes. The kernels walk through
 * these tables. */
#include "ops/ml.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Kinds of nodes, as in runtime/ml.c. */
enum { TREE_LEAF, TREE_LE, TREE_LT, TREE_GE, TREE_GT, TREE_EQ, TREE_NE, TREE_MISSING = 8 };

typedef struct {
  uint8_t mode;
  int32_t feature, yes, no;
  double limit;
} TreeNode;

typedef struct {
  int32_t target;
  double weight;
} Vote;

typedef struct {
  Vec(TreeNode) nodes;
  Vec(Vote) votes;
  Vec(int32_t) roots;
  DType dtype;         /* in which it is computed */
  int32_t most_target; /* the largest */
  int64_t features;    /* 1 + the largest one used */
} Forest;

/* --- lists in attributes --- */

/* A list of numbers: of attribute `name`, or as a tensor of `name`_as_tensor or `name` itself. */
typedef struct {
  size_t count;
  const int64_t *ints;
  const float *floats;
  const Tensor *tensor;
} List;

static List read_list(Compilation *c, const Node *node, const char *name) {
  const Attr *attr = node_attr(node, arena_printf(c->arena, "%s_as_tensor", name));
  if (!attr) attr = node_attr(node, name);
  List list = {0};
  if (!attr) return list;
  list.ints = attr->kind == ATTR_INTS ? attr->ints : NULL;
  list.floats = attr->kind == ATTR_FLOATS ? attr->floats : NULL;
  list.tensor = attr->kind == ATTR_TENSOR ? attr->tensor : NULL;
  list.count = list.tensor ? (size_t)list.tensor->count : attr->count;
  return list;
}

static double list_real(const List *list, size_t i) {
  if (list->tensor) return tensor_real(list->tensor, (int64_t)i);
  return list->floats ? (double)list->floats[i] : (double)list->ints[i];
}

static int64_t list_int(const List *list, size_t i) {
  if (list->tensor) return tensor_int(list->tensor, (int64_t)i);
  return list->ints ? list->ints[i] : (int64_t)list->floats[i];
}

static bool is_f64(const List *list) {
  return list->tensor && list->tensor->dtype == DT_F64;
}

/* --- opset 1 and 3: nodes named by tree and number --- */

/* A node's or vote's place: sorted to find nodes by name. */
typedef struct {
  int64_t tree, number;
  size_t index;
} Place;

static int compare_places(const void *left, const void *right) {
  const Place *a = left, *b = right;
  if (a->tree != b->tree) return a->tree < b->tree ? -1 : 1;
  if (a->number != b->number) return a->number < b->number ? -1 : 1;
  return a->index < b->index ? -1 : a->index > b->index;
}

static Place *sorted_places(Compilation *c, const List *trees, const List *numbers, size_t count) {
  Place *places = ARENA_ARRAY(c->arena, Place, count);
  for (size_t i = 0; i < count; i++)
    places[i] = (Place){list_int(trees, i), list_int(numbers, i), i};
  if (count) qsort(places, count, sizeof *places, compare_places);
  return places;
}

/* The index of a node, or -1. */
static int32_t find_place(const Place *places, size_t count, int64_t tree, int64_t number) {
  size_t low = 0, high = count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    const Place *place = &places[middle];
    bool before = place->tree < tree || (place->tree == tree && place->number < number);
    if (before)
      low = middle + 1;
    else
      high = middle;
  }
  bool found = low < count && places[low].tree == tree && places[low].number == number;
  return found ? (int32_t)places[low].index : -1;
}

static const struct {
  const char *name;
  uint8_t mode;
} mode_names[] = {
    {"LEAF", TREE_LEAF},     {"BRANCH_LEQ", TREE_LE}, {"BRANCH_LT", TREE_LT},
    {"BRANCH_GTE", TREE_GE}, {"BRANCH_GT", TREE_GT},  {"BRANCH_EQ", TREE_EQ},
    {"BRANCH_NEQ", TREE_NE},
};

static int find_mode(const char *name) {
  for (size_t i = 0; i < sizeof mode_names / sizeof *mode_names; i++)
    if (strcmp(mode_names[i].name, name) == 0) return mode_names[i].mode;
  return -1;
}

/* The lists that describe nodes. */
typedef struct {
  List trees, numbers, features, limits, yes, no, missing;
  const Attr *modes;
} NodeLists;

static bool read_node_lists(Compilation *c, const Node *node, NodeLists *lists) {
  *lists = (NodeLists){.trees = read_list(c, node, "nodes_treeids"),
                       .numbers = read_list(c, node, "nodes_nodeids"),
                       .features = read_list(c, node, "nodes_featureids"),
                       .limits = read_list(c, node, "nodes_values"),
                       .yes = read_list(c, node, "nodes_truenodeids"),
                       .no = read_list(c, node, "nodes_falsenodeids"),
                       .missing = read_list(c, node, "nodes_missing_value_tracks_true"),
                       .modes = node_attr(node, "nodes_modes")};
  size_t count = lists->trees.count;
  const List *same[] = {&lists->numbers, &lists->features, &lists->limits, &lists->yes, &lists->no};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    if (same[i]->count != count)
      return node_error(c, node, "the lists nodes_… have different lengths");
  if (!lists->modes || lists->modes->kind != ATTR_STRINGS || lists->modes->count != count)
    return node_error(c, node, "nodes_modes must have as many texts as there are nodes");
  if (lists->missing.count && lists->missing.count != count)
    return node_error(c, node, "nodes_missing_value_tracks_true has a wrong length");
  return true;
}

/* Appends the node at index i. `is_child` marks those that another one points to. */
static bool read_node(Compilation *c, const Node *node, const NodeLists *lists, const Place *places,
                      size_t i, Forest *forest, bool *is_child) {
  int mode = find_mode(lists->modes->strings[i]);
  if (mode < 0)
    return node_error(c, node, "the node mode '%s' is unknown", lists->modes->strings[i]);
  TreeNode result = {.mode = (uint8_t)mode, .limit = list_real(&lists->limits, i)};
  if (mode != TREE_LEAF) {
    int64_t tree = list_int(&lists->trees, i), feature = list_int(&lists->features, i);
    size_t count = lists->trees.count;
    result.yes = find_place(places, count, tree, list_int(&lists->yes, i));
    result.no = find_place(places, count, tree, list_int(&lists->no, i));
    result.feature = (int32_t)feature;
    if (result.yes < 0 || result.no < 0 || feature < 0 || feature > INT32_MAX)
      return node_error(c, node, "node %zu points to a node or feature that does not exist", i);
    is_child[result.yes] = is_child[result.no] = true;
    if (feature >= forest->features) forest->features = feature + 1;
    if (lists->missing.count && list_int(&lists->missing, i)) result.mode |= TREE_MISSING;
  }
  vec_push(c->arena, &forest->nodes, result);
  return true;
}

/* Votes of the leaves, from the lists `stem`_treeids … (stem: class or target). */
static bool read_votes(Compilation *c, const Node *node, const char *stem, const Place *nodes,
                       Forest *forest) {
  List trees = read_list(c, node, arena_printf(c->arena, "%s_treeids", stem));
  List numbers = read_list(c, node, arena_printf(c->arena, "%s_nodeids", stem));
  List targets = read_list(c, node, arena_printf(c->arena, "%s_ids", stem));
  List weights = read_list(c, node, arena_printf(c->arena, "%s_weights", stem));
  size_t count = trees.count;
  if (numbers.count != count || targets.count != count || weights.count != count)
    return node_error(c, node, "the lists %s_… have different lengths", stem);
  if (is_f64(&weights)) forest->dtype = DT_F64;
  Place *votes = sorted_places(c, &trees, &numbers, count);
  for (size_t i = 0; i < count; i++) {
    int32_t leaf = find_place(nodes, forest->nodes.count, votes[i].tree, votes[i].number);
    int64_t target = list_int(&targets, votes[i].index);
    if (leaf < 0 || target < 0 || target > INT32_MAX)
      return node_error(c, node, "%s_ids or %s_nodeids holds a number that does not exist", stem,
                        stem);
    TreeNode *at = &forest->nodes.items[leaf];
    Vote vote = {(int32_t)target, list_real(&weights, votes[i].index)};
    if (vote.target > forest->most_target) forest->most_target = vote.target;
    if (at->mode != TREE_LEAF) continue; /* weights of inner nodes are never reached */
    if (at->no == 0) at->yes = (int32_t)forest->votes.count;
    at->no++;
    vec_push(c->arena, &forest->votes, vote);
  }
  return true;
}

static bool read_named_forest(Compilation *c, const Node *node, const char *stem, Forest *forest) {
  NodeLists lists;
  if (!read_node_lists(c, node, &lists)) return false;
  size_t count = lists.trees.count;
  Place *places = sorted_places(c, &lists.trees, &lists.numbers, count);
  bool *is_child = ARENA_ARRAY(c->arena, bool, count);
  forest->dtype = is_f64(&lists.limits) ? DT_F64 : DT_F32;
  for (size_t i = 0; i < count; i++)
    if (!read_node(c, node, &lists, places, i, forest, is_child)) return false;
  for (size_t i = 0; i < count; i++)
    if (!is_child[i]) vec_push(c->arena, &forest->roots, (int32_t)i);
  return read_votes(c, node, stem, places, forest);
}

/* --- opset 5: leaves in a list of their own, sets of values --- */

typedef struct {
  List features, modes, limits, yes, no, yes_leafs, no_leafs, missing, members, targets, weights;
  int32_t *first;     /* index of each inner node in the forest */
  size_t next_member; /* start of the next set in `members` */
} SplitLists;

/* How many nodes of the forest node i becomes: a set of k values takes k comparisons. */
static size_t count_members(const SplitLists *lists, size_t i, size_t *start) {
  if (list_int(&lists->modes, i) != 6) return 1;
  size_t count = 0;
  for (size_t k = *start; k < lists->members.count; k++, count++) {
    double member = list_real(&lists->members, k);
    if (member != member) break; /* NaN ends a set */
  }
  *start += count + 1;
  return count ? count : 1;
}

/* The node behind a successor: inner nodes first, leaves behind all of them. */
static int32_t successor(const SplitLists *lists, const List *ids, const List *leafs, size_t i,
                         int32_t leaves) {
  int64_t id = list_int(ids, i);
  size_t limit = list_int(leafs, i) ? lists->targets.count : lists->features.count;
  if (id < 0 || (size_t)id >= limit) return -1;
  return list_int(leafs, i) ? leaves + (int32_t)id : lists->first[id];
}

static bool push_split(Compilation *c, const Node *node, SplitLists *lists, size_t i,
                       int32_t leaves, Forest *forest) {
  static const uint8_t modes[] = {TREE_LE, TREE_LT, TREE_GE, TREE_GT, TREE_EQ, TREE_NE, TREE_EQ};
  int64_t mode = list_int(&lists->modes, i), feature = list_int(&lists->features, i);
  if (mode < 0 || mode > 6 || feature < 0 || feature > INT32_MAX)
    return node_error(c, node, "node %zu has an unknown mode or feature", i);
  size_t start = lists->next_member, count = count_members(lists, i, &lists->next_member);
  TreeNode split = {.mode = modes[mode], .feature = (int32_t)feature};
  split.yes = successor(lists, &lists->yes, &lists->yes_leafs, i, leaves);
  int32_t no = successor(lists, &lists->no, &lists->no_leafs, i, leaves);
  if (split.yes < 0 || no < 0)
    return node_error(c, node, "node %zu points to a node or leaf that does not exist", i);
  if (lists->missing.count > i && list_int(&lists->missing, i)) split.mode |= TREE_MISSING;
  if (feature >= forest->features) forest->features = feature + 1;
  for (size_t k = 0; k < count; k++) {
    split.no = k + 1 < count ? (int32_t)forest->nodes.count + 1 : no;
    split.limit = list_real(&lists->limits, i);
    if (mode == 6 && start + k < lists->members.count)
      split.limit = list_real(&lists->members, start + k);
    vec_push(c->arena, &forest->nodes, split);
  }
  return true;
}

static bool read_split_lists(Compilation *c, const Node *node, SplitLists *lists) {
  *lists = (SplitLists){.features = read_list(c, node, "nodes_featureids"),
                        .modes = read_list(c, node, "nodes_modes"),
                        .limits = read_list(c, node, "nodes_splits"),
                        .yes = read_list(c, node, "nodes_truenodeids"),
                        .no = read_list(c, node, "nodes_falsenodeids"),
                        .yes_leafs = read_list(c, node, "nodes_trueleafs"),
                        .no_leafs = read_list(c, node, "nodes_falseleafs"),
                        .missing = read_list(c, node, "nodes_missing_value_tracks_true"),
                        .members = read_list(c, node, "membership_values"),
                        .targets = read_list(c, node, "leaf_targetids"),
                        .weights = read_list(c, node, "leaf_weights")};
  const List *same[] = {&lists->modes, &lists->limits,    &lists->yes,
                        &lists->no,    &lists->yes_leafs, &lists->no_leafs};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    if (same[i]->count != lists->features.count)
      return node_error(c, node, "the lists nodes_… have different lengths");
  if (lists->targets.count != lists->weights.count)
    return node_error(c, node, "leaf_targetids and leaf_weights have different lengths");
  return true;
}

/* The first number of each inner node in the forest; returns the number of them all. */
static int32_t number_splits(Compilation *c, SplitLists *lists) {
  size_t start = 0, total = 0;
  lists->first = ARENA_ARRAY(c->arena, int32_t, lists->features.count + 1);
  for (size_t i = 0; i < lists->features.count; i++) {
    lists->first[i] = (int32_t)total;
    total += count_members(lists, i, &start);
  }
  return (int32_t)total;
}

static bool push_leaf(Compilation *c, const Node *node, const SplitLists *lists, size_t i,
                      Forest *forest) {
  int64_t target = list_int(&lists->targets, i);
  if (target < 0 || target > INT32_MAX) return node_error(c, node, "leaf %zu has no target", i);
  TreeNode leaf = {.mode = TREE_LEAF, .yes = (int32_t)i, .no = 1};
  Vote vote = {(int32_t)target, list_real(&lists->weights, i)};
  if (vote.target > forest->most_target) forest->most_target = vote.target;
  vec_push(c->arena, &forest->nodes, leaf);
  vec_push(c->arena, &forest->votes, vote);
  return true;
}

/* A root whose both successors are the same leaf stands for a tree that is only a leaf; it needs no
 * special care. */
static bool read_split_forest(Compilation *c, const Node *node, Forest *forest) {
  SplitLists lists;
  List roots = read_list(c, node, "tree_roots");
  if (!read_split_lists(c, node, &lists)) return false;
  int32_t leaves = number_splits(c, &lists);
  forest->dtype = is_f64(&lists.limits) || is_f64(&lists.weights) ? DT_F64 : DT_F32;
  for (size_t i = 0; i < lists.features.count; i++)
    if (!push_split(c, node, &lists, i, leaves, forest)) return false;
  for (size_t i = 0; i < lists.targets.count; i++)
    if (!push_leaf(c, node, &lists, i, forest)) return false;
  for (size_t i = 0; i < roots.count; i++) {
    int64_t root = list_int(&roots, i);
    if (root < 0 || (size_t)root >= lists.features.count)
      return node_error(c, node, "tree_roots holds a node that does not exist");
    vec_push(c->arena, &forest->roots, lists.first[root]);
  }
  return true;
}

/* --- checks --- */

/* Nodes from which no leaf may be reached would make a kernel walk forever: each walk must be
 * shorter than there are nodes. */
static bool check_ends(Compilation *c, const Node *node, const Forest *forest) {
  size_t count = forest->nodes.count;
  uint8_t *state = ARENA_ARRAY(c->arena, uint8_t, count); /* 1: on the way, 2: done */
  int32_t *stack = ARENA_ARRAY(c->arena, int32_t, count * 2 + forest->roots.count + 1);
  for (size_t r = 0; r < forest->roots.count; r++) {
    size_t depth = 0;
    stack[depth++] = forest->roots.items[r];
    while (depth) {
      int32_t at = stack[depth - 1];
      const TreeNode *tree = &forest->nodes.items[at];
      if (state[at] != 0 || tree->mode == TREE_LEAF) {
        state[at] = 2;
        depth--;
        continue;
      }
      state[at] = 1;
      int32_t next[] = {tree->yes, tree->no};
      for (int k = 0; k < 2; k++) {
        if (state[next[k]] == 1) return node_error(c, node, "the nodes of a tree form a circle");
        if (state[next[k]] == 0) stack[depth++] = next[k];
      }
    }
  }
  return true;
}

/* Whether the features that the trees ask for are there. */
static bool check_forest(Compilation *c, const Node *node, const Forest *forest, Dim columns,
                         int64_t targets) {
  if (forest->most_target >= targets)
    return node_error(c, node, "a leaf votes for number %d, but there are only %" PRId64,
                      forest->most_target, targets);
  if (dim_is_const(columns) && dim_value(columns) < forest->features)
    return node_error(c, node, "feature %" PRId64 " is used, but there are only %" PRId64,
                      forest->features - 1, dim_value(columns));
  NodeCheck check = {dim_less(c->dims, dim_const(c->dims, forest->features - 1), columns),
                     "the input must have all features that the trees use"};
  if (!dim_is(check.condition, 1)) vec_push(c->arena, &((Node *)node)->checks, check);
  return check_ends(c, node, forest);
}

/* --- tables --- */

/* The tables in the order of the kernels' parameters. */
static void arg_forest(Lower *l, Step *step, const Forest *forest) {
  Arena *arena = l->c->arena;
  int64_t count = (int64_t)forest->nodes.count, votes = (int64_t)forest->votes.count;
  int64_t roots = (int64_t)forest->roots.count;
  void *root, *mode, *feature, *yes, *no, *target;
  Tensor *root_table = tensor_create(arena, DT_I32, 1, &roots, &root);
  Tensor *mode_table = tensor_create(arena, DT_U8, 1, &count, &mode);
  Tensor *feature_table = tensor_create(arena, DT_I32, 1, &count, &feature);
  Tensor *yes_table = tensor_create(arena, DT_I32, 1, &count, &yes);
  Tensor *no_table = tensor_create(arena, DT_I32, 1, &count, &no);
  Tensor *target_table = tensor_create(arena, DT_I32, 1, &votes, &target);
  double *limits = ARENA_ARRAY(arena, double, count + 1);
  double *weights = ARENA_ARRAY(arena, double, votes + 1);
  for (int64_t i = 0; i < roots; i++) ((int32_t *)root)[i] = forest->roots.items[i];
  for (int64_t i = 0; i < count; i++) {
    const TreeNode *node = &forest->nodes.items[i];
    ((uint8_t *)mode)[i] = node->mode;
    ((int32_t *)feature)[i] = node->feature;
    ((int32_t *)yes)[i] = node->yes;
    ((int32_t *)no)[i] = node->no;
    limits[i] = node->limit;
  }
  for (int64_t i = 0; i < votes; i++) {
    ((int32_t *)target)[i] = forest->votes.items[i].target;
    weights[i] = forest->votes.items[i].weight;
  }
  arg_buffer(l, step, lower_constant(l, root_table, "roots"));
  arg_buffer(l, step, lower_constant(l, mode_table, "kinds of nodes"));
  arg_buffer(l, step, lower_constant(l, feature_table, "features"));
  arg_buffer(l, step, ml_constant(l, forest->dtype, limits, count, "limits"));
  arg_buffer(l, step, lower_constant(l, yes_table, "successors if true"));
  arg_buffer(l, step, lower_constant(l, no_table, "successors if false"));
  arg_buffer(l, step, lower_constant(l, target_table, "targets of votes"));
  arg_buffer(l, step, ml_constant(l, forest->dtype, weights, votes, "weights of votes"));
}

/* The numbers of attribute base_values, NULL if there are none. */
static double *base_values(Compilation *c, const Node *node, int64_t *count) {
  List list = read_list(c, node, "base_values");
  double *values = ARENA_ARRAY(c->arena, double, list.count + 1);
  for (size_t i = 0; i < list.count; i++) values[i] = list_real(&list, i);
  *count = (int64_t)list.count;
  return list.count ? values : NULL;
}

/* --- classifier --- */

static bool infer_classifier(Compilation *c, Node *node) {
  Forest forest = {.dtype = DT_F32};
  Dim rows, columns;
  int64_t classes, code, bases;
  if (!ml_features(c, node, &rows, &columns) || !ml_post_transform(c, node, &code)) return false;
  const int64_t *labels = ml_labels(c, node, "classlabels_int64s", "classlabels_strings", &classes);
  if (classes < 2 || !labels) return node_error(c, node, "at least two class labels are needed");
  if (!read_named_forest(c, node, "class", &forest)) return false;
  base_values(c, node, &bases);
  if (bases != 0 && bases != classes && !(bases == 1 && classes == 2))
    return node_error(c, node, "base_values must have a number for each class");
  Dim shape[] = {rows, dim_const(c->dims, classes)};
  ml_label_type(c, node, "classlabels_strings", rows);
  if (node_out(node, 1)) value_set_type(c, node_out(node, 1), DT_F32, 2, shape);
  return check_forest(c, node, &forest, columns, classes);
}

/* Whether all votes are for one target, and whether no weight is negative. */
static void look_at_votes(const Forest *forest, bool *single, bool *positive) {
  *single = *positive = true;
  for (size_t i = 0; i < forest->votes.count; i++) {
    const Vote *vote = &forest->votes.items[i];
    if (vote->target != forest->votes.items[0].target) *single = false;
    if (vote->weight < 0) *positive = false;
  }
}

static bool lower_classifier(Lower *l, const Node *node) {
  Forest forest = {.dtype = DT_F32};
  Dim rows, columns;
  int64_t classes, code, bases;
  bool single, positive;
  if (!ml_features(l->c, node, &rows, &columns) || !ml_post_transform(l->c, node, &code) ||
      !read_named_forest(l->c, node, "class", &forest))
    return false;
  const int64_t *labels =
      ml_labels(l->c, node, "classlabels_int64s", "classlabels_strings", &classes);
  double *base = base_values(l->c, node, &bases);
  look_at_votes(&forest, &single, &positive);
  const Value *scores = node_out(node, 1);
  Buffer *label = ml_label_numbers(l, node);
  Buffer *x = compute_input(l, node_in(node, 0), forest.dtype);
  Buffer *y = scores ? compute_output(l, scores, forest.dtype) : NULL;
  Dim width = dim_const(l->c->dims, classes);
  Step *step = lower_kernel(l, "tree_classifier", forest.dtype);
  arg_buffer(l, step, x);
  arg_forest(l, step, &forest);
  arg_buffer(l, step, base ? ml_constant(l, forest.dtype, base, bases, "base values") : NULL);
  arg_buffer(l, step, lower_constant(l, tensor_i64(l->c->arena, labels, classes), "labels"));
  arg_buffer(l, step, label);
  arg_buffer(l, step, y);
  arg_buffer(l, step, lower_scratch(l, forest.dtype, width, "scores"));
  arg_buffer(l, step, lower_scratch(l, DT_U8, width, "voted"));
  arg_dim(l, step, rows);
  arg_dim(l, step, columns);
  arg_int(l, step, (int64_t)forest.roots.count);
  arg_int(l, step, classes);
  arg_int(l, step, bases);
  arg_int(l, step, single);
  arg_int(l, step, positive);
  arg_int(l, step, code);
  if (scores) compute_done(l, scores, y);
  ml_label_done(l, node, "classlabels_strings", label);
  return true;
}

DEFINE_OP(TreeEnsembleClassifier) = {.domain = "ai.onnx.ml",
                                     .name = "TreeEnsembleClassifier",
                                     .infer = infer_classifier,
                                     .lower = lower_classifier};

/* --- regressor and TreeEnsemble --- */

static const char *const aggregates[] = {"AVERAGE", "SUM", "MIN", "MAX"};

/* What TreeEnsembleRegressor (attributes as texts) and TreeEnsemble (as numbers) say. */
typedef struct {
  Forest forest;
  int64_t targets, aggregate, function;
} Regression;

static bool read_regression(Compilation *c, const Node *node, Regression *r) {
  *r = (Regression){.forest = {.dtype = DT_F32}, .targets = node_int(node, "n_targets", 1)};
  if (strcmp(node->op_type, "TreeEnsemble") == 0) {
    r->aggregate = node_int(node, "aggregate_function", 1);
    r->function = node_int(node, "post_transform", 0);
    if (r->aggregate < 0 || r->aggregate > 3 || r->function < 0 || r->function > 4)
      return node_error(c, node, "aggregate_function or post_transform is unknown");
    return read_split_forest(c, node, &r->forest);
  }
  const char *name = node_string(node, "aggregate_function", "SUM");
  r->aggregate = -1;
  for (int i = 0; i < 4; i++)
    if (strcmp(aggregates[i], name) == 0) r->aggregate = i;
  if (r->aggregate < 0) return node_error(c, node, "aggregate_function '%s' is unknown", name);
  return ml_post_transform(c, node, &r->function) &&
         read_named_forest(c, node, "target", &r->forest);
}

static bool infer_regressor(Compilation *c, Node *node) {
  Regression r;
  Dim rows, columns;
  int64_t bases;
  if (!ml_features(c, node, &rows, &columns) || !read_regression(c, node, &r)) return false;
  base_values(c, node, &bases);
  if (bases != 0 && bases != r.targets)
    return node_error(c, node, "base_values must have a number for each target");
  bool same = strcmp(node->op_type, "TreeEnsemble") == 0;
  Dim shape[] = {rows, dim_const(c->dims, r.targets)};
  value_set_type(c, node_out(node, 0), same ? node_in(node, 0)->dtype : DT_F32, 2, shape);
  return check_forest(c, node, &r.forest, columns, r.targets);
}

static bool lower_regressor(Lower *l, const Node *node) {
  Regression r;
  Dim rows, columns;
  int64_t bases;
  if (!ml_features(l->c, node, &rows, &columns) || !read_regression(l->c, node, &r)) return false;
  double *base = base_values(l->c, node, &bases);
  const Value *out = node_out(node, 0);
  DType dtype = r.forest.dtype;
  if (r.targets == 1 && r.function != ML_PROBIT) r.function = ML_NONE;
  Buffer *x = compute_input(l, node_in(node, 0), dtype), *y = compute_output(l, out, dtype);
  Step *step = lower_kernel(l, "tree_regressor", dtype);
  arg_buffer(l, step, x);
  arg_forest(l, step, &r.forest);
  arg_buffer(l, step, base ? ml_constant(l, dtype, base, bases, "base values") : NULL);
  arg_buffer(l, step, y);
  arg_buffer(l, step, lower_scratch(l, DT_U8, dim_const(l->c->dims, r.targets), "voted"));
  arg_dim(l, step, rows);
  arg_dim(l, step, columns);
  arg_int(l, step, (int64_t)r.forest.roots.count);
  arg_int(l, step, r.targets);
  arg_int(l, step, r.aggregate);
  arg_int(l, step, r.function);
  compute_done(l, out, y);
  return true;
}

DEFINE_OP(TreeEnsembleRegressor) = {.domain = "ai.onnx.ml",
                                    .name = "TreeEnsembleRegressor",
                                    .infer = infer_regressor,
                                    .lower = lower_regressor};
DEFINE_OP(TreeEnsemble) = {.domain = "ai.onnx.ml",
                           .name = "TreeEnsemble",
                           .infer = infer_regressor,
                           .lower = lower_regressor};
