/* dim.c: the pool of symbolic integers: interning, symbols and their C names, questions about an
 * expression. */
#include "ir/dim_internal.h"

#include "base/diag.h"

#include <stdio.h>
#include <string.h>

/* ---- interning ---- */

static uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2);
  return hash * 0xff51afd7ed558ccdu ^ hash >> 29;
}

/* The slot where a thing of this hash that is `same` as `key` is or belongs. */
static size_t intern_slot(const InternSet *set, uint64_t hash, const void *key,
                          bool (*same)(const void *a, const void *b)) {
  size_t mask = set->capacity - 1, i = hash & mask;
  while (set->slots[i] && !(set->hashes[i] == hash && same(set->slots[i], key))) i = (i + 1) & mask;
  return i;
}

static void intern_grow(Arena *arena, InternSet *set) {
  InternSet larger = {.count = set->count, .capacity = set->capacity ? set->capacity * 2 : 64};
  larger.slots = ARENA_ARRAY(arena, void *, larger.capacity);
  larger.hashes = ARENA_ARRAY(arena, uint64_t, larger.capacity);
  for (size_t i = 0; i < set->capacity; i++) {
    if (!set->slots[i]) continue;
    size_t at = set->hashes[i] & (larger.capacity - 1);
    while (larger.slots[at]) at = (at + 1) & (larger.capacity - 1);
    larger.slots[at] = set->slots[i];
    larger.hashes[at] = set->hashes[i];
  }
  *set = larger;
}

/* Room for one more; call before intern_slot. */
static void intern_reserve(Arena *arena, InternSet *set) {
  if (set->count * 4 >= set->capacity * 3) intern_grow(arena, set);
}

static void intern_put(InternSet *set, size_t slot, uint64_t hash, void *thing) {
  set->slots[slot] = thing;
  set->hashes[slot] = hash;
  set->count++;
}

static bool same_term(Term a, Term b) {
  return a.coefficient == b.coefficient && a.degree == b.degree &&
         (a.degree == 0 || memcmp(a.factors, b.factors, (size_t)a.degree * sizeof *a.factors) == 0);
}

static bool same_node(const void *a, const void *b) {
  Dim x = a, y = b;
  if (x->term_count != y->term_count) return false;
  for (int i = 0; i < x->term_count; i++)
    if (!same_term(x->terms[i], y->terms[i])) return false;
  return true;
}

static bool same_atom(const void *a, const void *b) {
  const Atom *x = a, *y = b;
  return x->kind == y->kind && x->arg_count == y->arg_count && x->symbol == y->symbol &&
         (x->arg_count == 0 || memcmp(x->args, y->args, (size_t)x->arg_count * sizeof(Dim)) == 0);
}

static uint64_t hash_terms(const Term *terms, int count) {
  uint64_t hash = (uint64_t)count;
  for (int i = 0; i < count; i++) {
    hash = mix(hash, (uint64_t)terms[i].coefficient);
    for (int j = 0; j < terms[i].degree; j++) hash = mix(hash, (uint64_t)terms[i].factors[j]->id);
  }
  return hash;
}

static bool terms_have_data(const Term *terms, int count) {
  for (int i = 0; i < count; i++)
    for (int j = 0; j < terms[i].degree; j++)
      if (terms[i].factors[j]->has_data) return true;
  return false;
}

static int add_sizes(int a, int b) {
  return a < DIM_SIZE_MOST - b ? a + b : DIM_SIZE_MOST;
}

static int size_of_terms(const Term *terms, int count) {
  int size = 0;
  for (int i = 0; i < count; i++) {
    size = add_sizes(size, 1);
    for (int j = 0; j < terms[i].degree; j++) size = add_sizes(size, terms[i].factors[j]->size);
  }
  return size;
}

Dim intern_sum(DimPool *pool, const Term *terms, int count) {
  struct DimNode key = {.pool = pool, .term_count = count, .terms = terms};
  key.hash = hash_terms(terms, count);
  intern_reserve(pool->arena, &pool->nodes);
  size_t slot = intern_slot(&pool->nodes, key.hash, &key, same_node);
  if (pool->nodes.slots[slot]) return pool->nodes.slots[slot];
  key.id = pool->next_node++;
  key.has_data = terms_have_data(terms, count);
  key.size = size_of_terms(terms, count);
  key.terms = arena_copy(pool->arena, terms, (size_t)count * sizeof *terms);
  struct DimNode *node = arena_copy(pool->arena, &key, sizeof key);
  intern_put(&pool->nodes, slot, key.hash, node);
  return node;
}

Dim intern_atom(DimPool *pool, AtomKind kind, int arg_count, const Dim *args) {
  Atom key = {.kind = kind, .arg_count = arg_count, .args = args};
  key.hash = (uint64_t)kind;
  for (int i = 0; i < arg_count; i++) key.hash = mix(key.hash, (uint64_t)args[i]->id);
  intern_reserve(pool->arena, &pool->atoms);
  size_t slot = intern_slot(&pool->atoms, key.hash, &key, same_atom);
  if (!pool->atoms.slots[slot]) {
    key.id = pool->next_atom++;
    for (int i = 0; i < arg_count; i++) key.has_data |= args[i]->has_data;
    for (int i = 0; i < arg_count; i++) key.size = add_sizes(key.size, args[i]->size);
    key.args = arena_copy(pool->arena, args, (size_t)arg_count * sizeof *args);
    intern_put(&pool->atoms, slot, key.hash, arena_copy(pool->arena, &key, sizeof key));
  }
  return dim_of_atom(pool, pool->atoms.slots[slot]);
}

DimPool *dim_pool_create(Arena *arena) {
  DimPool *pool = ARENA_NEW(arena, DimPool);
  pool->arena = arena;
  pool->by_name = map_in(arena);
  pool->c_names = map_in(arena);
  struct DimNode *overflow = ARENA_NEW(arena, struct DimNode);
  *overflow = (struct DimNode){.pool = pool, .id = -1, .overflow = true};
  pool->overflow = overflow;
  return pool;
}

Dim dim_const(DimPool *pool, int64_t value) {
  return intern_sum(pool, &(Term){.coefficient = value}, value != 0);
}

/* ---- symbols ---- */

/* Words that cannot name a variable in the emitted C (or in C++, which may include model.h). */
static const char *const reserved_words[] = {
    // clang-format off
    "NULL", "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool",
    "break", "case", "catch", "char", "char16_t", "char32_t", "char8_t", "class", "co_await",
    "co_return", "co_yield", "compl", "concept", "const", "const_cast", "consteval", "constexpr",
    "constinit", "continue", "decltype", "default", "delete", "do", "double", "dynamic_cast",
    "else", "enum", "errno", "explicit", "export", "extern", "false", "float", "for", "friend",
    "goto", "if", "inline", "int", "linux", "long", "mutable", "namespace", "new", "noexcept",
    "not", "not_eq", "nullptr", "operator", "or", "or_eq", "private", "protected", "public",
    "register", "reinterpret_cast", "requires", "restrict", "return", "short", "signed", "sizeof",
    "static", "static_assert", "static_cast", "struct", "switch", "template", "this",
    "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "typeof", "union",
    "unix", "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
    /* variables of the run functions */
    "at", "bytes", "constants", "dims", "gpu", "port", "sizes", "status", "tensors", "threads",
    "weights", "workspace", "workspace_bytes", "ws",
    // clang-format on
};

/* Words of the table, and what the arrays of a call are named: a0, a1 … */
static bool is_reserved_word(const char *word) {
  if (word[0] == 'a' && word[1] && strspn(word + 1, "0123456789") == strlen(word + 1)) return true;
  for (size_t i = 0; i < sizeof reserved_words / sizeof *reserved_words; i++)
    if (strcmp(word, reserved_words[i]) == 0) return true;
  return false;
}

static bool is_identifier_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A unique C identifier from `name`: other characters become `_`; a `d_` in front where the start
 * is not allowed (digits, reserved leading underscores, our own prefix ctc_), a `_` behind
 * keywords, a number behind duplicates. */
static const char *make_c_name(DimPool *pool, const char *name) {
  char *base = arena_strdup(pool->arena, name[0] ? name : "dim");
  for (char *c = base; *c; c++)
    if (!is_identifier_char(*c)) *c = '_';
  bool bad_start =
      strncmp(base, "ctc_", 4) == 0 || base[0] == '_' || (base[0] >= '0' && base[0] <= '9');
  if (bad_start) base = arena_printf(pool->arena, "d_%s", base);
  if (is_reserved_word(base)) base = arena_printf(pool->arena, "%s_", base);
  char *unique = base;
  for (int i = 2; map_get(&pool->c_names, unique); i++)
    unique = arena_printf(pool->arena, "%s_%d", base, i);
  map_set(&pool->c_names, unique, pool);
  return unique;
}

static DimSymbol *add_symbol(DimPool *pool, SymbolKind kind, const char *name) {
  DimSymbol *symbol = ARENA_NEW(pool->arena, DimSymbol);
  symbol->name = arena_strdup(pool->arena, name);
  symbol->c_name = make_c_name(pool, name);
  symbol->index = (int)pool->symbols.count;
  symbol->kind = kind;
  symbol->high = INT64_MAX;
  Atom *atom = ARENA_NEW(pool->arena, Atom);
  atom->kind = ATOM_SYMBOL;
  atom->id = pool->next_atom++;
  atom->symbol = symbol;
  atom->has_data = kind == SYMBOL_DATA;
  vec_push(pool->arena, &pool->symbols, symbol);
  vec_push(pool->arena, &pool->symbol_atoms, atom);
  map_set(&pool->by_name, symbol->name, symbol);
  return symbol;
}

Dim dim_input(DimPool *pool, const char *name) {
  DimSymbol *symbol = map_get(&pool->by_name, name);
  if (!symbol || symbol->kind != SYMBOL_INPUT) symbol = add_symbol(pool, SYMBOL_INPUT, name);
  return dim_of_symbol(pool, symbol);
}

Dim dim_data(DimPool *pool, const char *name, int64_t low, int64_t high, Dim bound) {
  const char *unique = name;
  for (int i = 1; map_get(&pool->by_name, unique); i++)
    unique = arena_printf(pool->arena, "%s.%d", name, i);
  DimSymbol *symbol = add_symbol(pool, SYMBOL_DATA, unique);
  symbol->low = low;
  symbol->high = high;
  symbol->bound = bound;
  return dim_of_atom(pool, pool->symbol_atoms.items[symbol->index]);
}

DimSymbol *dim_find_symbol(DimPool *pool, const char *name) {
  return map_get(&pool->by_name, name);
}

size_t dim_symbol_count(const DimPool *pool) {
  return pool->symbols.count;
}

DimSymbol *dim_symbol_at(DimPool *pool, size_t index) {
  CTC_ASSERT(index < pool->symbols.count);
  return pool->symbols.items[index];
}

Dim dim_of_symbol(DimPool *pool, const DimSymbol *symbol) {
  if (symbol->low == symbol->high) return dim_const(pool, symbol->low);
  return dim_of_atom(pool, pool->symbol_atoms.items[symbol->index]);
}

void dim_fix(DimPool *pool, DimSymbol *symbol, int64_t value) {
  (void)pool;
  symbol->low = symbol->high = value;
}

/* ---- questions ---- */

bool dim_is_overflow(Dim dim) {
  return dim->overflow;
}

int dim_terms(Dim dim) {
  return dim->term_count;
}

int dim_size(Dim dim) {
  return dim->size;
}

bool dim_is_const(Dim dim) {
  return !dim->overflow &&
         (dim->term_count == 0 || (dim->term_count == 1 && dim->terms[0].degree == 0));
}

bool dim_is(Dim dim, int64_t value) {
  return dim_is_const(dim) && dim_value(dim) == value;
}

int64_t dim_value(Dim dim) {
  CTC_ASSERT(dim_is_const(dim));
  return dim->term_count ? dim->terms[0].coefficient : 0;
}

Dim dim_known(Dim a, Dim b) {
  return dim_is_const(b) ? b : a;
}

const DimSymbol *dim_symbol(Dim dim) {
  Atom *atom = dim_atom_of_kind(dim, ATOM_SYMBOL);
  return atom ? atom->symbol : NULL;
}

/* ---- walks ---- */

typedef struct {
  unsigned stamp;
  bool (*wanted)(const DimSymbol *symbol, void *context);
  void *context;
} SymbolWalk;

static bool any_symbol(Dim dim, const SymbolWalk *walk);

static bool atom_any_symbol(Atom *atom, const SymbolWalk *walk) {
  if (atom->memo_stamp == walk->stamp) return false; /* seen: it was not below this one */
  atom->memo_stamp = walk->stamp;
  if (atom->kind == ATOM_SYMBOL) return walk->wanted(atom->symbol, walk->context);
  for (int i = 0; i < atom->arg_count; i++)
    if (any_symbol(atom->args[i], walk)) return true;
  return false;
}

static bool any_symbol(Dim dim, const SymbolWalk *walk) {
  for (int i = 0; i < dim->term_count; i++)
    for (int j = 0; j < dim->terms[i].degree; j++)
      if (atom_any_symbol(dim->terms[i].factors[j], walk)) return true;
  return false;
}

bool dim_any_symbol(Dim dim, bool (*wanted)(const DimSymbol *symbol, void *context),
                    void *context) {
  return any_symbol(dim, &(SymbolWalk){++dim->pool->stamp, wanted, context});
}

static bool is_that_symbol(const DimSymbol *symbol, void *context) {
  return symbol == context;
}

bool dim_mentions(Dim dim, const DimSymbol *symbol) {
  return dim_any_symbol(dim, is_that_symbol, (void *)symbol);
}

typedef struct {
  DimPool *pool;
  unsigned stamp;
  const DimSymbol *symbol; /* replaced by `by`, if not NULL */
  Dim by;
} Rebuild;

static Dim rebuild(Dim dim, const Rebuild *walk);

/* The expression that constructors give for this operation and these args now. */
static Dim make_operation(DimPool *pool, AtomKind kind, const Dim *args, int count) {
  Dim result = args[0];
  CTC_ASSERT(kind != ATOM_SYMBOL);
  switch (kind) {
  case ATOM_SYMBOL: return NULL;
  case ATOM_FLOORDIV: return dim_floordiv(pool, args[0], args[1]);
  case ATOM_MOD: return dim_mod(pool, args[0], args[1]);
  case ATOM_EQUAL: return dim_equal(pool, args[0], args[1]);
  case ATOM_LESS: return dim_less(pool, args[0], args[1]);
  case ATOM_SELECT: return dim_select(pool, args[0], args[1], args[2]);
  case ATOM_MIN:
    for (int i = 1; i < count; i++) result = dim_min(pool, result, args[i]);
    return result;
  case ATOM_MAX:
    for (int i = 1; i < count; i++) result = dim_max(pool, result, args[i]);
    return result;
  }
  return result;
}

static Dim rebuild_atom(Atom *atom, const Rebuild *walk) {
  if (atom->memo_stamp == walk->stamp) return atom->memo[0];
  Dim result;
  if (atom->kind == ATOM_SYMBOL) {
    result = atom->symbol == walk->symbol ? walk->by : dim_of_symbol(walk->pool, atom->symbol);
  } else {
    Dim *args = ARENA_ARRAY(walk->pool->arena, Dim, atom->arg_count);
    for (int i = 0; i < atom->arg_count; i++) args[i] = rebuild(atom->args[i], walk);
    result = make_operation(walk->pool, atom->kind, args, atom->arg_count);
  }
  atom->memo_stamp = walk->stamp;
  atom->memo[0] = result;
  return result;
}

static Dim rebuild(Dim dim, const Rebuild *walk) {
  if (dim->overflow || dim_is_const(dim)) return dim;
  Dim sum = dim_const(walk->pool, 0);
  for (int i = 0; i < dim->term_count; i++) {
    Dim product = dim_const(walk->pool, dim->terms[i].coefficient);
    for (int j = 0; j < dim->terms[i].degree; j++)
      product = dim_mul(walk->pool, product, rebuild_atom(dim->terms[i].factors[j], walk));
    sum = dim_add(walk->pool, sum, product);
  }
  return sum;
}

Dim dim_refresh(DimPool *pool, Dim dim) {
  return rebuild(dim, &(Rebuild){.pool = pool, .stamp = ++pool->stamp});
}

Dim dim_substitute(DimPool *pool, Dim dim, const DimSymbol *symbol, Dim by) {
  return rebuild(dim, &(Rebuild){pool, ++pool->stamp, symbol, by});
}
