/* einsum.c: Einsum.
 *
 *   "bij,bjk->bik"    operands are taken in pairs from the left; an axis is summed as soon as no
 * later operand and not the result has it
 *
 * The axes of a pair are of four kinds: those of both operands that stay (batch), those of one that
 * stay (m, n), and those of both that are summed (k). With no others, the pair is a batch of matrix
 * products [batch, m, k] x [batch, k, n], for which the operands are transposed if they must be.
 * Everything else goes to a general kernel with strides over all axes. */
#include "ops/elementwise.h"
#include "ops/gemm_packed.h"
#include "ops/matmul.h"

#include <ctype.h>
#include <string.h>

enum { MAX_AXES = 32, MAX_OPERANDS_EINSUM = 16, ELLIPSIS = 128 };

/* An operand or the result: its axes by label (a letter, or ELLIPSIS + i for axis i of the
 * ellipsis, counted from the right). */
typedef struct {
  int rank;
  int labels[MAX_AXES];
  Dim strides[MAX_AXES];
  Buffer *buffer;
  const Tensor *constant; /* its data if known and dense */
} Term;

typedef struct {
  Compilation *c;
  const Node *node;
  int count;
  Term terms[MAX_OPERANDS_EINSUM], result;
  int label_count;
  int labels[MAX_AXES];
  Dim extents[MAX_AXES];
  Buffer
      *target; /* lowering: where the result may be computed directly; NULL before the last pair */
} Equation;

/* --- labels --- */

static int label_position(const Equation *e, int label) {
  for (int i = 0; i < e->label_count; i++)
    if (e->labels[i] == label) return i;
  return -1;
}

static Dim label_extent(const Equation *e, int label) {
  return e->extents[label_position(e, label)];
}

static bool has_label(const Term *term, int label) {
  for (int i = 0; i < term->rank; i++)
    if (term->labels[i] == label) return true;
  return false;
}

/* Notes that an axis called `label` has extent `dim`; those of an ellipsis may be broadcast. */
static bool add_label(Equation *e, int label, Dim dim) {
  int at = label_position(e, label);
  if (at < 0) {
    if (e->label_count == MAX_AXES) return node_error(e->c, e->node, "there are too many axes");
    e->labels[e->label_count] = label;
    e->extents[e->label_count++] = dim;
    return true;
  }
  Dim known = e->extents[at];
  if (dim_is(dim, 1) || known == dim) return true;
  if (dim_is(known, 1)) {
    e->extents[at] = dim;
    return true;
  }
  return infer_require_equal(e->c, e->node, known, dim, "the extents of an axis in all operands");
}

/* --- parsing --- */

/* Reads the labels of one operand; an ellipsis takes `dots` axes. Stops at `,`, `-` or the end. */
static bool read_labels(Equation *e, const char **at, int dots, Term *term) {
  bool ellipsis = false;
  term->rank = 0;
  for (; **at && **at != ',' && **at != '-'; ++*at) {
    if (**at == ' ') continue;
    bool is_dots = strncmp(*at, "...", 3) == 0;
    if ((!is_dots && !isalpha((unsigned char)**at)) || (is_dots && ellipsis))
      return node_error(e->c, e->node, "the equation '%s' cannot be read at '%s'",
                        node_string(e->node, "equation", ""), *at);
    int count = is_dots ? dots : 1;
    if (term->rank + count > MAX_AXES) return node_error(e->c, e->node, "there are too many axes");
    for (int i = 0; i < count; i++)
      term->labels[term->rank++] = is_dots ? ELLIPSIS + dots - 1 - i : **at;
    if (is_dots) *at += 2;
    ellipsis = ellipsis || is_dots;
  }
  return true;
}

/* How many axes the ellipsis of the operand at `text` stands for; 0 without one. */
static int count_dots(const char *text, int rank) {
  int letters = 0;
  bool dots = false;
  for (; *text && *text != ',' && *text != '-'; text++) {
    letters += isalpha((unsigned char)*text) != 0;
    dots = dots || *text == '.';
  }
  return dots && rank > letters ? rank - letters : 0;
}

static bool read_operand(Equation *e, const char **at, int index) {
  const Value *value = node_in(e->node, index);
  Term *term = &e->terms[index];
  if (!read_labels(e, at, count_dots(*at, value->rank), term)) return false;
  if (term->rank != value->rank)
    return node_error(e->c, e->node, "operand %d has %d dims, but the equation names %d", index,
                      value->rank, term->rank);
  nest_strides(e->c, value->rank, value->shape, term->strides);
  for (int d = 0; d < term->rank; d++)
    if (!add_label(e, term->labels[d], value->shape[d])) return false;
  return true;
}

static int count_uses(const Equation *e, int label) {
  int uses = 0;
  for (int i = 0; i < e->count; i++)
    for (int d = 0; d < e->terms[i].rank; d++) uses += e->terms[i].labels[d] == label;
  return uses;
}

/* The number of axes that the longest ellipsis stands for. */
static int most_dots(const Equation *e) {
  int most = 0;
  for (int i = 0; i < e->label_count; i++)
    if (e->labels[i] >= ELLIPSIS && e->labels[i] - ELLIPSIS + 1 > most)
      most = e->labels[i] - ELLIPSIS + 1;
  return most;
}

/* Without `->`: the ellipsis, then the letters that occur once, in alphabetical order. */
static void implicit_result(Equation *e) {
  for (int i = most_dots(e) - 1; i >= 0; i--) e->result.labels[e->result.rank++] = ELLIPSIS + i;
  for (int letter = 'A'; letter <= 'z'; letter++)
    if (count_uses(e, letter) == 1) e->result.labels[e->result.rank++] = letter;
}

static bool check_result(Equation *e) {
  for (int d = 0; d < e->result.rank; d++) {
    int label = e->result.labels[d];
    if (label_position(e, label) < 0)
      return node_error(e->c, e->node, "axis '%c' of the result is in no operand", label);
    for (int k = 0; k < d; k++)
      if (e->result.labels[k] == label)
        return node_error(e->c, e->node, "axis '%c' stands twice in the result", label);
  }
  if (e->result.rank > MAX_RANK) return node_error(e->c, e->node, "the result has too many axes");
  return true;
}

static bool read_equation(Compilation *c, const Node *node, Equation *e) {
  memset(e, 0, sizeof *e);
  e->c = c;
  e->node = node;
  e->count = node->input_count;
  const char *at = node_string(node, "equation", "");
  if (e->count > MAX_OPERANDS_EINSUM) return node_error(c, node, "there are too many operands");
  for (int i = 0; i < e->count; i++) {
    if (!read_operand(e, &at, i)) return false;
    bool more = i + 1 < e->count;
    if ((*at == ',') != more)
      return node_error(c, node, "the equation is not for %d operands", e->count);
    at += *at == ',';
  }
  if (strncmp(at, "->", 2) == 0) {
    at += 2;
    if (!read_labels(e, &at, most_dots(e), &e->result)) return false;
  } else {
    implicit_result(e);
  }
  return check_result(e);
}

/* --- inference --- */

static bool infer_einsum(Compilation *c, Node *node) {
  Equation e;
  DType dtype = node_in(node, 0)->dtype;
  if (elementwise_dtype("einsum", dtype) == DT_NONE)
    return node_error(c, node, "%s is not supported", dtype_info(dtype)->name);
  if (!read_equation(c, node, &e)) return false;
  Dim shape[MAX_RANK];
  for (int d = 0; d < e.result.rank; d++) shape[d] = label_extent(&e, e.result.labels[d]);
  value_set_type(c, node_out(node, 0), dtype, e.result.rank, shape);
  return true;
}

/* --- lowering --- */

/* Axes of extent 1 that others are broadcast along are no axes of the operand. */
static void drop_broadcast(const Equation *e, const Value *value, Term *term) {
  int kept = 0;
  for (int d = 0; d < term->rank; d++) {
    bool spread = dim_is(value->shape[d], 1) && !dim_is(label_extent(e, term->labels[d]), 1);
    if (spread) continue;
    term->labels[kept] = term->labels[d];
    term->strides[kept++] = term->strides[d];
  }
  term->rank = kept;
}

/* The stride of a term along a label: the sum over all its axes of that name. */
static Dim label_stride(Lower *l, const Term *term, int label) {
  Dim stride = dim_const(l->c->dims, 0);
  for (int d = 0; d < term->rank; d++)
    if (term->labels[d] == label) stride = dim_add(l->c->dims, stride, term->strides[d]);
  return stride;
}

/* Makes the labels of a term those listed, its strides those of a dense tensor. */
static void set_dense(const Equation *e, Term *term, const int *labels, int rank) {
  Dim run = dim_const(e->c->dims, 1);
  memcpy(term->labels, labels, (size_t)rank * sizeof *labels);
  term->rank = rank;
  for (int d = rank - 1; d >= 0; d--) {
    term->strides[d] = run;
    run = dim_mul(e->c->dims, run, label_extent(e, labels[d]));
  }
}

/* Whether the term's data lie in the order of `labels`. */
static bool is_dense(const Equation *e, const Term *term, const int *labels, int rank) {
  Term wanted;
  set_dense(e, &wanted, labels, rank);
  if (term->rank != rank) return false;
  for (int d = 0; d < rank; d++) {
    int at = 0;
    while (at < rank && term->labels[at] != labels[d]) at++;
    bool single = dim_is(label_extent(e, labels[d]), 1);
    if (at == rank || (!single && term->strides[at] != wanted.strides[d])) return false;
  }
  return true;
}

/* Copies a term (no axis of which is summed) into `to` in the order of `labels`. */
static void copy_term(Lower *l, const Equation *e, const Term *term, const int *labels, int rank,
                      Buffer *to) {
  Term dense;
  Dim extent[MAX_RANK], read[MAX_RANK];
  set_dense(e, &dense, labels, rank);
  for (int d = 0; d < rank; d++) {
    extent[d] = label_extent(e, labels[d]);
    read[d] = label_stride(l, term, labels[d]);
  }
  LoopNest *nest = lower_nest(l, rank, extent);
  Operand element = nest_load_at(l, nest, term->buffer, NULL, read);
  nest_store_at(l, nest, to, NULL, dense.strides, element);
}

static Dim label_product(const Equation *e, const int *labels, int count) {
  Dim product = dim_const(e->c->dims, 1);
  for (int i = 0; i < count; i++)
    product = dim_mul(e->c->dims, product, label_extent(e, labels[i]));
  return product;
}

/* The term's data in the order of `labels`: where they are, or in a copy. */
static Buffer *ordered_term(Lower *l, const Equation *e, const Term *term, const int *labels,
                            int rank) {
  if (is_dense(e, term, labels, rank)) return term->buffer;
  if (term->constant && term->constant->rank == rank) {
    int perm[MAX_AXES];
    for (int d = 0; d < rank; d++)
      for (int k = 0; k < rank; k++)
        if (term->labels[k] == labels[d]) perm[d] = k;
    return lower_constant(l, tensor_transposed(l->c->arena, term->constant, perm), "transposed");
  }
  Buffer *copy =
      lower_scratch(l, term->buffer->dtype, label_product(e, labels, rank), "transposed");
  copy_term(l, e, term, labels, rank, copy);
  return copy;
}

/* Memory for a result with these axes: the node's output if they are its own, else scratch. */
static Buffer *pair_buffer(Lower *l, const Equation *e, DType dtype, const int *labels, int rank,
                           const char *name) {
  bool final = e->target && rank == e->result.rank &&
               memcmp(labels, e->result.labels, (size_t)rank * sizeof *labels) == 0;
  return final ? e->target : lower_scratch(l, dtype, label_product(e, labels, rank), name);
}

/* Lists of labels by kind; a product of matrices has none in `other`. */
typedef struct {
  int batch[MAX_AXES], m[MAX_AXES], n[MAX_AXES], k[MAX_AXES];
  int batch_count, m_count, n_count, k_count;
  bool other;
} Kinds;

/* Whether an axis is named twice in a term. */
static bool has_diagonal(const Term *term) {
  for (int d = 0; d < term->rank; d++)
    for (int k = 0; k < d; k++)
      if (term->labels[k] == term->labels[d]) return true;
  return false;
}

/* `kept` tells for each label of the equation whether the result of the pair has it. */
static void sort_labels(const Equation *e, const Term *a, const Term *b, const bool *kept,
                        Kinds *kinds) {
  memset(kinds, 0, sizeof *kinds);
  kinds->other = has_diagonal(a) || has_diagonal(b) || a->rank > MAX_RANK || b->rank > MAX_RANK;
  for (int i = 0; i < e->label_count; i++) {
    int label = e->labels[i];
    bool in_a = has_label(a, label), in_b = has_label(b, label);
    if (in_a && in_b && kept[i])
      kinds->batch[kinds->batch_count++] = label;
    else if (in_a && in_b)
      kinds->k[kinds->k_count++] = label;
    else if (in_a && kept[i])
      kinds->m[kinds->m_count++] = label;
    else if (in_b && kept[i])
      kinds->n[kinds->n_count++] = label;
    else if (in_a || in_b)
      kinds->other = true;
  }
}

/* Appends the lists a, b, c to each other. */
static int join_labels(int *out, const int *a, int na, const int *b, int nb, const int *c, int nc) {
  memcpy(out, a, (size_t)na * sizeof *out);
  memcpy(out + na, b, (size_t)nb * sizeof *out);
  memcpy(out + na + nb, c, (size_t)nc * sizeof *out);
  return na + nb + nc;
}

/* The pair as a batch of matrix products; sets *y to the result, with axes in the order batch, m,
 * n. */
static void lower_products(Lower *l, const Equation *e, const Term *a, const Term *b,
                           const Kinds *k, Term *y) {
  int a_labels[MAX_AXES * 3], b_labels[MAX_AXES * 3], turned[MAX_AXES * 3], y_labels[MAX_AXES * 3];
  int a_rank = join_labels(a_labels, k->batch, k->batch_count, k->m, k->m_count, k->k, k->k_count);
  int b_rank = join_labels(b_labels, k->batch, k->batch_count, k->k, k->k_count, k->n, k->n_count);
  int y_rank = join_labels(y_labels, k->batch, k->batch_count, k->m, k->m_count, k->n, k->n_count);
  join_labels(turned, k->batch, k->batch_count, k->k, k->k_count, k->m, k->m_count);
  bool turn = !is_dense(e, a, a_labels, a_rank) && is_dense(e, a, turned, a_rank);
  DimPool *p = e->c->dims;
  Dim batch = label_product(e, k->batch, k->batch_count), m = label_product(e, k->m, k->m_count);
  Dim n = label_product(e, k->n, k->n_count), depth = label_product(e, k->k, k->k_count);
  Dim one = dim_const(p, 1), a_step = dim_mul(p, m, depth), b_step = dim_mul(p, depth, n);
  Buffer *left = turn ? a->buffer : ordered_term(l, e, a, a_labels, a_rank);
  Buffer *right = ordered_term(l, e, b, b_labels, b_rank);
  *y = (Term){.buffer = pair_buffer(l, e, left->dtype, y_labels, y_rank, "product")};
  set_dense(e, y, y_labels, y_rank);
  Dim zero = dim_const(p, 0);
  ProductSizes sizes = {m, n, depth, one, batch};
  Matrices by_a = {left, NULL, turn ? one : depth, turn ? m : one, zero, a_step};
  Matrices by_b = {right, NULL, n, one, zero, b_step};
  Matrices to = {y->buffer, NULL, n, one, zero, dim_mul(p, m, n)};
  if (left->dtype == DT_F32 && product_is_fast(l, &sizes, &by_b)) {
    lower_product(l, &sizes, &by_a, &by_b, &to);
    return;
  }
  Step *step = lower_kernel(l, "matmul_batch", left->dtype);
  arg_buffer(l, step, left);
  arg_buffer(l, step, right);
  arg_buffer(l, step, y->buffer);
  arg_dim(l, step, m);
  arg_dim(l, step, n);
  arg_dim(l, step, depth);
  arg_dim(l, step, turn ? one : depth);
  arg_dim(l, step, turn ? m : one);
  arg_real(l, step, 1.0);
  arg_int(l, step, 1);
  arg_dims(l, step, &batch, 1);
  arg_dims(l, step, &a_step, 1);
  arg_dims(l, step, &b_step, 1);
}

/* Strides of a term over a list of labels as an argument. */
static void arg_strides(Lower *l, Step *step, const Term *term, const int *labels, int count) {
  Dim strides[MAX_AXES];
  for (int i = 0; i < count; i++)
    strides[i] = term ? label_stride(l, term, labels[i]) : dim_const(l->c->dims, 0);
  arg_dims(l, step, strides, count);
}

static void arg_extents(Lower *l, Step *step, const Equation *e, const int *labels, int count) {
  Dim extents[MAX_AXES];
  for (int i = 0; i < count; i++) extents[i] = label_extent(e, labels[i]);
  arg_int(l, step, count);
  arg_dims(l, step, extents, count);
}

/* One or two terms by the general kernel; `b` may be NULL. */
static void lower_general(Lower *l, const Equation *e, const Term *a, const Term *b,
                          const bool *kept, Term *y) {
  int stay[MAX_AXES], gone[MAX_AXES], stay_count = 0, gone_count = 0;
  for (int i = 0; i < e->label_count; i++) {
    int label = e->labels[i];
    if (!has_label(a, label) && !(b && has_label(b, label))) continue;
    if (kept[i])
      stay[stay_count++] = label;
    else
      gone[gone_count++] = label;
  }
  *y = (Term){.buffer = pair_buffer(l, e, a->buffer->dtype, stay, stay_count, "sums")};
  set_dense(e, y, stay, stay_count);
  Step *step = lower_kernel(l, "einsum", a->buffer->dtype);
  arg_buffer(l, step, a->buffer);
  arg_buffer(l, step, b ? b->buffer : NULL);
  arg_buffer(l, step, y->buffer);
  arg_extents(l, step, e, stay, stay_count);
  arg_strides(l, step, a, stay, stay_count);
  arg_strides(l, step, b, stay, stay_count);
  arg_extents(l, step, e, gone, gone_count);
  arg_strides(l, step, a, gone, gone_count);
  arg_strides(l, step, b, gone, gone_count);
}

/* Which labels the result or an operand behind number `done` has. */
static void labels_needed(const Equation *e, int done, bool *kept) {
  for (int i = 0; i < e->label_count; i++) {
    kept[i] = has_label(&e->result, e->labels[i]);
    for (int t = done + 1; t < e->count; t++)
      kept[i] = kept[i] || has_label(&e->terms[t], e->labels[i]);
  }
}

/* Whether a term has an axis that the result lacks. */
static bool sums_left(const Equation *e, const Term *term) {
  for (int d = 0; d < term->rank; d++)
    if (!has_label(&e->result, term->labels[d])) return true;
  return false;
}

static bool lower_einsum(Lower *l, const Node *node) {
  Equation e;
  bool kept[MAX_AXES];
  if (!read_equation(l->c, node, &e)) return false;
  const Value *out = node_out(node, 0);
  DType dtype = elementwise_dtype("einsum", out->dtype);
  for (int i = 0; i < e.count; i++) {
    const Value *value = node_in(node, i);
    e.terms[i].buffer = compute_input(l, value, dtype);
    e.terms[i].constant = e.terms[i].buffer->constant;
    drop_broadcast(&e, value, &e.terms[i]);
    if (e.terms[i].rank != value->rank) e.terms[i].constant = NULL;
  }
  Term done = e.terms[0];
  Buffer *target = out->dtype == dtype ? lower_buffer(l, out) : NULL;
  for (int i = 1; i < e.count; i++) {
    Kinds kinds;
    Term a = done;
    labels_needed(&e, i, kept);
    e.target = i + 1 == e.count ? target : NULL;
    sort_labels(&e, &a, &e.terms[i], kept, &kinds);
    if (kinds.other)
      lower_general(l, &e, &a, &e.terms[i], kept, &done);
    else
      lower_products(l, &e, &a, &e.terms[i], &kinds, &done);
  }
  labels_needed(&e, e.count, kept);
  Term last = done;
  e.target = last.buffer == target ? NULL : target;
  if (sums_left(&e, &last)) lower_general(l, &e, &last, NULL, kept, &done);
  if (!target || done.buffer != target)
    copy_term(l, &e, &done, e.result.labels, e.result.rank, lower_buffer(l, out));
  return true;
}

DEFINE_OP(Einsum) = {
    .name = "Einsum", .flags = OP_PRODUCT, .infer = infer_einsum, .lower = lower_einsum};
