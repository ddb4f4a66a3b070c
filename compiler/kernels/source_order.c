/* source_order.c: which definitions need which, and an order in which they can be pasted. */
#include "kernels/source.h"

#include <stdlib.h>
#include <string.h>

const char *chunk_where(Sources *sources, const Chunk *chunk, int offset) {
  return arena_printf(sources->arena, "%s:%d", chunk->file, chunk->lines[offset]);
}

static bool define_names(Sources *sources) {
  bool ok = true;
  for (size_t i = 0; i < sources->chunks.count; i++) {
    Chunk *chunk = sources->chunks.items[i];
    for (size_t k = 0; k < chunk->names.count; k++) {
      const char *name = chunk->names.items[k];
      const Chunk *other = map_get(&sources->definitions, name);
      if (other) {
        ok = diag_error(sources->diag, chunk_where(sources, chunk, 0), "'%s' is defined twice",
                        name);
        diag_note(sources->diag, "the other one is at %s", chunk_where(sources, other, 0));
      }
      map_set(&sources->definitions, name, chunk);
    }
  }
  return ok;
}

static void add_use(Sources *sources, Chunk *chunk, Chunk *used) {
  for (size_t i = 0; i < chunk->uses.count; i++)
    if (chunk->uses.items[i] == used) return;
  if (used != chunk) vec_push(sources->arena, &chunk->uses, used);
}

/* A function whose name occurs in it again calls itself. */
static bool is_recursive(const Chunk *chunk) {
  int times = 0;
  for (size_t i = 0; i < chunk->tokens.count && chunk->is_function; i++)
    times += chunk->tokens.items[i].kind == TOKEN_NAME &&
             strcmp(chunk->tokens.items[i].text, chunk->names.items[0]) == 0;
  return times > 1;
}

static bool unknown_outer(Sources *sources, const Chunk *chunk, const Token *token) {
  Vec(const char *) names = {0};
  for (size_t i = 0; i < sources->outer->capacity; i++)
    if (sources->outer->entries[i].key)
      vec_push(sources->arena, &names, sources->outer->entries[i].key);
  diag_error(sources->diag, chunk_where(sources, chunk, token->line),
             "the runtime has no definition '%s'", token->text);
  return diag_suggest(sources->diag, token->text, names.items, names.count);
}

/* Notes the use of a definition elsewhere. False if the name is of the runtime's kind, but unknown.
 */
static bool find_outer_use(Sources *sources, Chunk *chunk, const Token *token) {
  intptr_t position = (intptr_t)map_get(sources->outer, token->text);
  if (position) vec_push(sources->arena, &chunk->outer_uses, (int)position - 1);
  bool macro = strncmp(token->text, "CTC_", 4) == 0; /* of a GPU: maybe given from outside */
  bool of_runtime = strncmp(token->text, "ctc_", 4) == 0 || (macro && !sources->device);
  return position || !of_runtime || unknown_outer(sources, chunk, token);
}

/* Everything needs the #include lines; apart from that, a chunk needs those whose names occur in
 * it. */
static bool find_uses(Sources *sources, Chunk *chunk) {
  bool ok = true;
  for (size_t i = 0; i < sources->chunks.count && !chunk->is_includes; i++)
    if (sources->chunks.items[i]->is_includes) add_use(sources, chunk, sources->chunks.items[i]);
  for (size_t i = 0; i < chunk->tokens.count; i++) {
    if (chunk->tokens.items[i].kind != TOKEN_NAME) continue;
    Chunk *used = map_get(&sources->definitions, chunk->tokens.items[i].text);
    if (used)
      add_use(sources, chunk, used);
    else if (sources->outer && !find_outer_use(sources, chunk, &chunk->tokens.items[i]))
      ok = false;
  }
  return ok;
}

/* Depth first: what a chunk uses comes before it. */
static bool order_chunk(Sources *sources, Chunk *chunk, int depth) {
  enum { DEEPEST = 1000 };
  if (chunk->ordered) return true;
  if (depth > DEEPEST)
    return diag_error(sources->diag, chunk_where(sources, chunk, 0),
                      "'%s' is needed through more than %d other definitions",
                      chunk->names.items[0], DEEPEST);
  if (chunk->visiting || is_recursive(chunk))
    return diag_error(sources->diag, chunk_where(sources, chunk, 0),
                      "'%s' needs itself: kernels must not be recursive", chunk->names.items[0]);
  chunk->visiting = true;
  for (size_t i = 0; i < chunk->uses.count; i++) {
    if (order_chunk(sources, chunk->uses.items[i], depth + 1)) continue;
    return diag_note(sources->diag, "it is needed by '%s' at %s", chunk->names.items[0],
                     chunk_where(sources, chunk, 0));
  }
  chunk->ordered = true;
  chunk->index = (int)sources->ordered.count;
  vec_push(sources->arena, &sources->ordered, chunk);
  return true;
}

static int compare_functions(const void *a, const void *b) {
  return strcmp((*(Function *const *)a)->name, (*(Function *const *)b)->name);
}

bool sources_order(Sources *sources) {
  bool ok = define_names(sources);
  for (size_t i = 0; i < sources->chunks.count; i++)
    ok = find_uses(sources, sources->chunks.items[i]) && ok;
  for (size_t i = 0; i < sources->chunks.count && ok; i++)
    ok = order_chunk(sources, sources->chunks.items[i], 0);
  if (sources->functions.count)
    qsort(sources->functions.items, sources->functions.count, sizeof(Function *),
          compare_functions);
  return ok;
}

void sources_add_names(const Sources *sources, Map *names) {
  for (size_t i = 0; i < sources->ordered.count; i++) {
    const Chunk *chunk = sources->ordered.items[i];
    for (size_t k = 0; k < chunk->names.count; k++)
      map_set(names, chunk->names.items[k], (void *)(intptr_t)(chunk->index + 1));
  }
}
