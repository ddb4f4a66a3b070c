/* regex.c: regular expressions as automata.
 *
 * The tree becomes a non-deterministic automaton over bytes (a set of code points: the byte
 * sequences of its UTF-8), and that a deterministic one by the construction of subsets: a state of
 * it is a set of nodes, and, if the pattern looks at what stands before a place (^, \b), what that
 * was. Matching then takes one look into a table a byte, whatever the pattern is.
 *
 *   a|b+   =>   0: nothing matches any more, 1: begin, 2: behind a (accepts), 3: behind b (accepts)
 */
#include "ops/regex.h"

#include "base/utf8.h"
#include "ops/regex_parse.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_NODES = 200000, MOST_STATES = 20000, MOST_TABLE = 1 << 24, BYTES = 256 };

/* --- the non-deterministic automaton --- */

typedef enum { NFA_BYTES, NFA_SPLIT, NFA_ASSERT, NFA_MATCH } NfaKind;

typedef struct {
  NfaKind kind;
  uint8_t first, last; /* NFA_BYTES: a byte of these leads to `next` */
  Assertion assertion; /* NFA_ASSERT: `next` where it holds */
  int next, other;     /* NFA_SPLIT: to both without a byte; -1: none */
} NfaNode;

typedef struct {
  Arena *arena;
  Vec(NfaNode) nodes;
  bool asserts; /* there is an NFA_ASSERT */
} Nfa;

static int add_node(Nfa *nfa, NfaNode node) {
  if (nfa->nodes.count >= MOST_NODES) return 0;
  vec_push(nfa->arena, &nfa->nodes, node);
  return (int)nfa->nodes.count - 1;
}

static int add_split(Nfa *nfa, int next, int other) {
  return add_node(nfa, (NfaNode){.kind = NFA_SPLIT, .next = next, .other = other});
}

static int add_bytes(Nfa *nfa, int first, int last, int next) {
  return add_node(
      nfa,
      (NfaNode){.kind = NFA_BYTES, .first = (uint8_t)first, .last = (uint8_t)last, .next = next});
}

/* A chain of nodes, each for one byte, for a range whose first and last code points differ in a
 * way that lets their bytes vary independently. */
static int add_sequence(Nfa *nfa, uint32_t first, uint32_t last, int next) {
  char low[UTF8_MOST], high[UTF8_MOST];
  int length = utf8_size(last);
  (void)utf8_write(low, first);
  (void)utf8_write(high, last);
  for (int k = length - 1; k >= 0; k--)
    next = add_bytes(nfa, (uint8_t)low[k], (uint8_t)high[k], next);
  return next;
}

/* Where the range has to be cut so that add_sequence can take what is before the cut: the last code
 * point of the first part. */
static uint32_t cut_range(uint32_t first, uint32_t last) {
  static const uint32_t ends[] = {0x7F, 0x7FF, 0xFFFF};
  for (int i = 0; i < 3; i++)
    if (first <= ends[i] && last > ends[i]) return ends[i];
  for (int k = 1; k < utf8_size(last); k++) {
    uint32_t mask = (1u << 6 * k) - 1;
    if ((first & ~mask) == (last & ~mask)) continue;
    if (first & mask) return first | mask;
    if ((last & mask) != mask) return (last & ~mask) - 1;
  }
  return last;
}

/* Either of `all` (-1: none) and the sequences of a range. */
static int add_code_range(Nfa *nfa, uint32_t first, uint32_t last, int next, int all) {
  while (first <= last) {
    uint32_t cut = last;
    for (uint32_t smaller; (smaller = cut_range(first, cut)) < cut;) cut = smaller;
    int sequence = add_sequence(nfa, first, cut, next);
    all = all < 0 ? sequence : add_split(nfa, sequence, all);
    first = cut + 1;
  }
  return all;
}

/* Surrogates have no UTF-8. */
static int add_set(Nfa *nfa, const CodeSet *set, int next) {
  enum { SURROGATE_FIRST = 0xD800, SURROGATE_LAST = 0xDFFF };
  int all = -1;
  for (size_t i = 0; i < set->count; i++) {
    CodeRange range = set->items[i];
    if (range.first < SURROGATE_FIRST && range.last >= SURROGATE_FIRST)
      all = add_code_range(nfa, range.first, SURROGATE_FIRST - 1, next, all);
    if (range.first < SURROGATE_FIRST && range.last >= SURROGATE_FIRST)
      range.first = SURROGATE_FIRST;
    if (range.first >= SURROGATE_FIRST && range.first <= SURROGATE_LAST)
      range.first = SURROGATE_LAST + 1;
    if (range.first <= range.last) all = add_code_range(nfa, range.first, range.last, next, all);
  }
  return all < 0 ? add_split(nfa, -1, -1) : all;
}

static int build(Nfa *nfa, const Regex *regex, int next);

/* x{2,4}: x x (x (x)?)?; x{2,}: x x x* */
static int build_repeat(Nfa *nfa, const Regex *regex, int next) {
  int optional = regex->most < 0 ? 0 : regex->most - regex->least, end = next;
  if (regex->most < 0) {
    int loop = add_split(nfa, -1, end), body = build(nfa, regex->left, loop);
    nfa->nodes.items[loop].next = body;
    next = loop;
  }
  for (int i = 0; i < optional && nfa->nodes.count < MOST_NODES; i++)
    next = add_split(nfa, build(nfa, regex->left, next), end);
  for (int i = 0; i < regex->least && nfa->nodes.count < MOST_NODES; i++) {
    int behind = next;
    next = build(nfa, regex->left, behind);
    if (next == behind) break; /* nothing, however often */
  }
  return next;
}

/* Any of the alternatives, which lean to the left: as many as the pattern has. */
static int build_alternatives(Nfa *nfa, const Regex *regex, int next) {
  int all = -1;
  for (; regex->kind == REGEX_ALT; regex = regex->left) {
    int one = build(nfa, regex->right, next);
    all = all < 0 ? one : add_split(nfa, one, all);
  }
  return add_split(nfa, build(nfa, regex, next), all);
}

/* The node from which the tree leads to `next`. */
static int build(Nfa *nfa, const Regex *regex, int next) {
  /* Sequences lean to the left, too, and are as long as the pattern. */
  for (; regex->kind == REGEX_CAT; regex = regex->left) next = build(nfa, regex->right, next);
  switch (regex->kind) {
  case REGEX_EMPTY: return next;
  case REGEX_SET: return add_set(nfa, &regex->set, next);
  case REGEX_BYTE: return add_bytes(nfa, 0, BYTES - 1, next);
  case REGEX_CAT: break; /* done above */
  case REGEX_ALT: return build_alternatives(nfa, regex, next);
  case REGEX_REPEAT: return build_repeat(nfa, regex, next);
  case REGEX_ASSERT:
    nfa->asserts = true;
    return add_node(nfa,
                    (NfaNode){.kind = NFA_ASSERT, .assertion = regex->assertion, .next = next});
  }
  return next;
}

/* --- places: what stands before and behind them --- */

enum { BEFORE_BEGIN = 1, BEFORE_NEWLINE = 2, BEFORE_WORD = 4 };
enum { BEHIND_END = -1 };

static bool is_word(int byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= 'a' && byte <= 'z') || byte == '_';
}

static int before_of(int byte) {
  return (byte == '\n' ? BEFORE_NEWLINE : 0) | (is_word(byte) ? BEFORE_WORD : 0);
}

static bool holds(Assertion assertion, int before, int behind) {
  bool edge = ((before & BEFORE_WORD) != 0) != is_word(behind);
  switch (assertion) {
  case ASSERT_TEXT_BEGIN: return before & BEFORE_BEGIN;
  case ASSERT_LINE_BEGIN: return before & (BEFORE_BEGIN | BEFORE_NEWLINE);
  case ASSERT_TEXT_END: return behind == BEHIND_END;
  case ASSERT_LINE_END: return behind == BEHIND_END || behind == '\n';
  case ASSERT_WORD_EDGE: return edge;
  case ASSERT_NO_WORD_EDGE: return !edge;
  }
  return false;
}

/* --- the deterministic automaton --- */

typedef struct {
  const int *nodes; /* sorted */
  int count, before;
} State;

typedef Vec(int) NodeList;

typedef struct {
  Nfa nfa;
  uint8_t class_of[BYTES];
  int sample[BYTES], width; /* a byte of each class */
  Vec(State) states;
  Map numbers; /* of states, by their text */
  Vec(uint16_t) next;
  Vec(uint8_t) accepts;
  int *mark, round; /* mark[node] == round: in the set at hand */
  NodeList pending;
} Dfa;

static void visit(Dfa *dfa, int node, NodeList *found) {
  if (node < 0 || dfa->mark[node] == dfa->round) return;
  dfa->mark[node] = dfa->round;
  vec_push(dfa->nfa.arena, found, node);
}

/* All nodes that those of a state lead to without a byte; assertions as the place has it. */
static void close_over(Dfa *dfa, const State *state, int behind, NodeList *found) {
  dfa->round++;
  found->count = 0;
  for (int i = 0; i < state->count; i++) visit(dfa, state->nodes[i], found);
  for (size_t i = 0; i < found->count; i++) {
    const NfaNode *node = &dfa->nfa.nodes.items[found->items[i]];
    if (node->kind == NFA_SPLIT) {
      visit(dfa, node->next, found);
      visit(dfa, node->other, found);
    }
    if (node->kind == NFA_ASSERT && holds(node->assertion, state->before, behind))
      visit(dfa, node->next, found);
  }
}

static int compare_ints(const void *a, const void *b) {
  return *(const int *)a < *(const int *)b ? -1 : *(const int *)a > *(const int *)b;
}

/* The number of the state, which may be new; sorts the nodes. */
static int state_number(Dfa *dfa, NodeList *nodes, int before) {
  Arena *arena = dfa->nfa.arena;
  if (nodes->count == 0) return 0;
  qsort(nodes->items, nodes->count, sizeof *nodes->items, compare_ints);
  Str key = str_in(arena);
  str_addf(&key, "%d:", before);
  for (size_t i = 0; i < nodes->count; i++) str_addf(&key, "%x,", (unsigned)nodes->items[i]);
  const int *known = map_get(&dfa->numbers, str_text(&key));
  if (known) return *known;
  State state = {arena_copy(arena, nodes->items, nodes->count * sizeof(int)), (int)nodes->count,
                 before};
  vec_push(arena, &dfa->states, state);
  int *number = ARENA_NEW(arena, int);
  *number = (int)dfa->states.count - 1;
  map_set(&dfa->numbers, str_text(&key), number);
  return *number;
}

/* Where the closed set leads to with a byte. */
static int step_state(Dfa *dfa, const NodeList *closed, int byte) {
  NodeList *reached = &dfa->pending;
  dfa->round++;
  reached->count = 0;
  for (size_t i = 0; i < closed->count; i++) {
    const NfaNode *node = &dfa->nfa.nodes.items[closed->items[i]];
    if (node->kind == NFA_BYTES && byte >= node->first && byte <= node->last)
      visit(dfa, node->next, reached);
  }
  return state_number(dfa, reached, dfa->nfa.asserts ? before_of(byte) : 0);
}

static void fill_state(Dfa *dfa, int number) {
  NodeList closed = {0};
  const State state = dfa->states.items[number];
  bool accepts = false;
  close_over(dfa, &state, BEHIND_END, &closed);
  for (size_t i = 0; i < closed.count; i++)
    accepts = accepts || dfa->nfa.nodes.items[closed.items[i]].kind == NFA_MATCH;
  vec_push(dfa->nfa.arena, &dfa->accepts, (uint8_t)accepts);
  for (int k = 0; k < dfa->width; k++) {
    if (dfa->nfa.asserts) close_over(dfa, &state, dfa->sample[k], &closed);
    int next = step_state(dfa, &closed, dfa->sample[k]);
    vec_push(dfa->nfa.arena, &dfa->next, (uint16_t)next);
  }
}

/* Bytes that no node tells apart are of one class. */
static void find_classes(Dfa *dfa) {
  bool cut[BYTES + 1] = {true};
  for (size_t i = 0; i < dfa->nfa.nodes.count; i++) {
    const NfaNode *node = &dfa->nfa.nodes.items[i];
    if (node->kind == NFA_BYTES) cut[node->first] = cut[node->last + 1] = true;
  }
  for (int byte = 1; byte < BYTES && dfa->nfa.asserts; byte++)
    cut[byte] = cut[byte] || before_of(byte) != before_of(byte - 1);
  for (int byte = 0; byte < BYTES; byte++) {
    if (cut[byte]) dfa->sample[dfa->width++] = byte;
    dfa->class_of[byte] = (uint8_t)(dfa->width - 1);
  }
}

/* State 0 is the empty set, state 1 the beginning. */
static bool build_dfa(Dfa *dfa, int start) {
  Arena *arena = dfa->nfa.arena;
  NodeList first = {0};
  State nothing = {0};
  dfa->numbers = map_in(arena);
  dfa->mark = ARENA_ARRAY(arena, int, dfa->nfa.nodes.count);
  find_classes(dfa);
  vec_push(arena, &dfa->states, nothing);
  vec_push(arena, &first, start);
  state_number(dfa, &first, dfa->nfa.asserts ? BEFORE_BEGIN : 0);
  for (size_t i = 0; i < dfa->states.count; i++) {
    if (dfa->states.count > MOST_STATES || i * (size_t)dfa->width > MOST_TABLE) return false;
    fill_state(dfa, (int)i);
  }
  return true;
}

static const Tensor *as_tensor(Arena *arena, DType dtype, const void *items, size_t count,
                               size_t bytes) {
  int64_t dims[] = {(int64_t)count};
  void *data;
  Tensor *tensor = tensor_create(arena, dtype, 1, dims, &data);
  memcpy(data, items, count * bytes);
  return tensor;
}

static bool too_large(Compilation *c, const Node *node, const char *pattern) {
  node_error(c, node, "the pattern '%s' needs more than %d states", pattern, MOST_STATES);
  return diag_hint(c->diag, "repeat less: {n,m} of parts that can match in several ways multiply");
}

bool regex_compile(Compilation *c, const Node *node, const char *pattern, Automaton *automaton) {
  const char *error;
  int at;
  const Regex *regex = regex_parse(c->arena, pattern, &error, &at);
  if (!regex) return node_error(c, node, "pattern '%s', position %d: %s", pattern, at, error);
  Arena *arena = arena_create();
  Dfa *dfa = ARENA_NEW(arena, Dfa);
  dfa->nfa.arena = arena;
  int match = add_node(&dfa->nfa, (NfaNode){.kind = NFA_MATCH});
  int start = build(&dfa->nfa, regex, match);
  bool fits = dfa->nfa.nodes.count < MOST_NODES && build_dfa(dfa, start);
  if (fits)
    *automaton = (Automaton){
        as_tensor(c->arena, DT_U8, dfa->class_of, BYTES, 1),
        as_tensor(c->arena, DT_U16, dfa->next.items, dfa->next.count, sizeof(uint16_t)),
        as_tensor(c->arena, DT_U8, dfa->accepts.items, dfa->accepts.count, 1), dfa->width};
  arena_destroy(arena);
  return fits || too_large(c, node, pattern);
}
