/* emit_dims.c: the sizes that the caller of an emitted program gives, bounds or gets.
 *
 * dims[] has one entry a symbol: first those of the inputs' shapes, then the open data-dependent
 * sizes, for which the caller gives a capacity, then the other data-dependent sizes that the
 * outputs' shapes mention. */
#include "backends/c/emit.h"

#include <string.h>

typedef struct {
  Emitter *e;
  CallerDimKind kind;
} Collector;

const CallerDim *emit_caller_dim(const Emitter *e, const DimSymbol *symbol) {
  for (size_t i = 0; i < e->dims.count; i++)
    if (e->dims.items[i].symbol == symbol) return &e->dims.items[i];
  return NULL;
}

static bool is_plan_variable(const Program *program, const DimSymbol *symbol) {
  for (size_t i = 0; i < program->plan.count; i++)
    if (program->plan.items[i].symbol == symbol) return true;
  return false;
}

static CallerDimKind kind_of(const DimSymbol *symbol) {
  if (symbol->kind == SYMBOL_INPUT) return DIM_GIVEN;
  return dim_symbol_is_open(symbol) ? DIM_CAPACITY : DIM_RESULT;
}

/* Adds the symbol if it is of the wanted kind; never stops the walk. */
static bool collect(const DimSymbol *symbol, void *context) {
  Collector *collector = context;
  Emitter *e = collector->e;
  if (kind_of(symbol) != collector->kind || emit_caller_dim(e, symbol)) return false;
  if (is_plan_variable(e->program, symbol)) return false;
  CallerDim entry = {.symbol = symbol, .kind = collector->kind};
  if (entry.kind == DIM_CAPACITY)
    entry.capacity = dim_input(e->c->dims, arena_printf(e->arena, "%s_capacity", symbol->name));
  vec_push(e->arena, &e->dims, entry);
  return false;
}

static void collect_ports(Collector *collector, const Port *ports, size_t count) {
  for (size_t i = 0; i < count; i++)
    for (int d = 0; d < ports[i].rank; d++) dim_any_symbol(ports[i].shape[d], collect, collector);
}

/* The bounds of data-dependent sizes may mention open ones. */
static void collect_bounds(Collector *collector, const Port *ports, size_t count) {
  for (size_t i = 0; i < count; i++)
    for (int d = 0; d < ports[i].rank; d++)
      dim_any_symbol(dim_upper(collector->e->c->dims, ports[i].shape[d]), collect, collector);
}

void emit_collect_dims(Emitter *e) {
  const Program *p = e->program;
  for (int kind = DIM_GIVEN; kind <= DIM_RESULT; kind++) {
    Collector collector = {e, (CallerDimKind)kind};
    collect_ports(&collector, p->inputs.items, p->inputs.count);
    if (kind == DIM_RESULT) collect_ports(&collector, p->outputs.items, p->outputs.count);
    if (kind == DIM_CAPACITY) {
      collect_ports(&collector, p->outputs.items, p->outputs.count);
      collect_bounds(&collector, p->outputs.items, p->outputs.count);
      for (size_t i = 0; i < p->plan.count; i++)
        dim_any_symbol(p->plan.items[i].value, collect, &collector);
      if (p->workspace_bytes) dim_any_symbol(p->workspace_bytes, collect, &collector);
    }
  }
}

Dim emit_with_capacities(Emitter *e, Dim dim) {
  for (size_t i = 0; i < e->dims.count; i++) {
    const CallerDim *entry = &e->dims.items[i];
    if (entry->kind == DIM_CAPACITY && dim_mentions(dim, entry->symbol))
      dim = dim_substitute(e->c->dims, dim, entry->symbol, entry->capacity);
  }
  return dim;
}

static bool is_identifier_char(char ch) {
  return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
         ch == '_';
}

/* Whether `text` holds `word` as a whole identifier. */
static bool mentions_word(const char *text, const char *word) {
  size_t length = strlen(word);
  for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
    if ((at == text || !is_identifier_char(at[-1])) && !is_identifier_char(at[length])) return true;
  return false;
}

/* `text` with blanks in place of its comments, which name sizes too. */
static const char *without_comments(Emitter *e, const char *text) {
  char *copy = arena_strdup(e->arena, text);
  for (char *at = strstr(copy, "/*"); at; at = strstr(at, "/*")) {
    const char *end = strstr(at, "*/");
    size_t length = end ? (size_t)(end + 2 - at) : strlen(at);
    memset(at, ' ', length);
  }
  return copy;
}

void emit_dim_locals(Emitter *e, Str *out, const char *text, bool capacities_as_values) {
  text = without_comments(e, text);
  for (size_t i = 0; i < e->dims.count; i++) {
    const CallerDim *entry = &e->dims.items[i];
    const char *name = entry->symbol->c_name;
    if (entry->kind == DIM_CAPACITY) {
      const char *capacity = dim_symbol(entry->capacity)->c_name;
      if (mentions_word(text, capacity))
        str_addf(out, "  const int64_t %s = dims[%zu];\n", capacity, i);
    }
    if (entry->kind != DIM_GIVEN && !capacities_as_values) continue;
    if (mentions_word(text, name)) str_addf(out, "  const int64_t %s = dims[%zu];\n", name, i);
  }
}
