/* kernels.c: turns runtime/ into C that ctc is built with.
 *
 *   kernels -o build/gen runtime/prelude.c runtime/softmax.c …
 *
 * writes kernels_softmax.c … (the kernels of each file, callable from inside ctc) and
 * kernel_table.c (what compiler/ir/kernel.h declares: descriptions and source texts). Files whose
 * content would not change are left alone. */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

const char *chunk_where(Runtime *runtime, const Chunk *chunk, int offset) {
  return arena_printf(runtime->arena, "%s:%d", chunk->file, chunk->lines[offset]);
}

static bool define_names(Runtime *runtime) {
  for (size_t i = 0; i < runtime->chunks.count; i++) {
    Chunk *chunk = runtime->chunks.items[i];
    for (size_t k = 0; k < chunk->names.count; k++) {
      const char *name = chunk->names.items[k];
      const Chunk *other = map_get(&runtime->definitions, name);
      if (other) {
        diag_error(&runtime->diag, chunk_where(runtime, chunk, 0), "'%s' is defined twice", name);
        diag_note(&runtime->diag, "the other one is at %s", chunk_where(runtime, other, 0));
      }
      map_set(&runtime->definitions, name, chunk);
    }
  }
  return runtime->diag.errors == 0;
}

static void add_use(Runtime *runtime, Chunk *chunk, Chunk *used) {
  for (size_t i = 0; i < chunk->uses.count; i++)
    if (chunk->uses.items[i] == used) return;
  if (used != chunk) vec_push(runtime->arena, &chunk->uses, used);
}

/* A function whose name occurs in it again calls itself. */
static bool is_recursive(const Chunk *chunk) {
  int times = 0;
  for (size_t i = 0; i < chunk->tokens.count && chunk->is_function; i++)
    times += chunk->tokens.items[i].kind == TOKEN_NAME &&
             strcmp(chunk->tokens.items[i].text, chunk->names.items[0]) == 0;
  return times > 1;
}

/* Everything needs the #include lines; apart from that, a chunk needs those whose names occur in
 * it. */
static void find_uses(Runtime *runtime, Chunk *chunk) {
  for (size_t i = 0; i < runtime->chunks.count && !chunk->is_includes; i++)
    if (runtime->chunks.items[i]->is_includes) add_use(runtime, chunk, runtime->chunks.items[i]);
  for (size_t i = 0; i < chunk->tokens.count; i++) {
    if (chunk->tokens.items[i].kind != TOKEN_NAME) continue;
    Chunk *used = map_get(&runtime->definitions, chunk->tokens.items[i].text);
    if (used) add_use(runtime, chunk, used);
  }
}

/* Depth first: what a chunk uses comes before it. */
static bool order_chunk(Runtime *runtime, Chunk *chunk) {
  if (chunk->ordered) return true;
  if (chunk->visiting || is_recursive(chunk))
    return diag_error(&runtime->diag, chunk_where(runtime, chunk, 0),
                      "'%s' needs itself: kernels must not be recursive", chunk->names.items[0]);
  chunk->visiting = true;
  for (size_t i = 0; i < chunk->uses.count; i++) {
    if (order_chunk(runtime, chunk->uses.items[i])) continue;
    return diag_note(&runtime->diag, "it is needed by '%s' at %s", chunk->names.items[0],
                     chunk_where(runtime, chunk, 0));
  }
  chunk->ordered = true;
  chunk->index = (int)runtime->ordered.count;
  vec_push(runtime->arena, &runtime->ordered, chunk);
  return true;
}

static bool order_chunks(Runtime *runtime) {
  for (size_t i = 0; i < runtime->chunks.count; i++) find_uses(runtime, runtime->chunks.items[i]);
  for (size_t i = 0; i < runtime->chunks.count; i++)
    if (!order_chunk(runtime, runtime->chunks.items[i])) return false;
  return true;
}

static int compare_functions(const void *a, const void *b) {
  return strcmp((*(Function *const *)a)->name, (*(Function *const *)b)->name);
}

static bool build(Runtime *runtime, const char *folder) {
  bool ok = true;
  for (size_t i = 0; i < runtime->files.count; i++)
    ok = read_runtime_file(runtime, runtime->files.items[i]) && ok;
  if (!ok || !define_names(runtime) || !order_chunks(runtime)) return false;
  if (runtime->functions.count)
    qsort(runtime->functions.items, runtime->functions.count, sizeof(Function *),
          compare_functions);
  return write_kernel_files(runtime, folder);
}

int main(int argc, char **argv) {
  if (argc < 4 || strcmp(argv[1], "-o") != 0) {
    fprintf(stderr, "usage: kernels -o FOLDER FILE.c…\n");
    return 2;
  }
  Arena *arena = arena_create();
  Runtime runtime = {.arena = arena, .diag = {.out = stderr}, .definitions = map_in(arena)};
  for (int i = 3; i < argc; i++) vec_push(arena, &runtime.files, argv[i]);
  bool ok = build(&runtime, argv[2]);
  diag_finish(&runtime.diag);
  arena_destroy(arena);
  return ok ? 0 : 1;
}
