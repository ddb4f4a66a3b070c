/* arena.c: a chain of blocks, bump-allocated. With the address sanitizer each allocation has bytes
 * behind it that nobody may touch. */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined __has_feature
#if __has_feature(address_sanitizer) && !defined __SANITIZE_ADDRESS__
#define __SANITIZE_ADDRESS__
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
enum { GUARD_BYTES = 16 };
#define FORBID(data, bytes) ASAN_POISON_MEMORY_REGION(data, bytes)
#define ALLOW(data, bytes) ASAN_UNPOISON_MEMORY_REGION(data, bytes)
#else
enum { GUARD_BYTES = 0 };
#define FORBID(data, bytes) ((void)0)
#define ALLOW(data, bytes) ((void)0)
#endif

enum { BLOCK_BYTES = 1 << 18, SMALL_ALIGN = 16, BIG_ALIGN = 64 };

typedef struct Block {
  struct Block *next;
  size_t used, capacity;
  void *padding; /* keeps the payload 16-aligned */
} Block;

struct Arena {
  Block *blocks;
  size_t total;
};

static void out_of_memory(size_t bytes) {
  fprintf(stderr, "ctc: out of memory (asked for %zu bytes)\n", bytes);
  exit(70);
}

static Block *add_block(Arena *arena, size_t payload) {
  if (payload > SIZE_MAX - sizeof(Block) - BIG_ALIGN) out_of_memory(payload);
  Block *block = calloc(1, sizeof(Block) + payload);
  if (!block) out_of_memory(payload);
  block->capacity = payload;
  FORBID(block + 1, payload);
  arena->total += payload;
  return block;
}

Arena *arena_create(void) {
  Arena *arena = calloc(1, sizeof(Arena));
  if (!arena) out_of_memory(sizeof(Arena));
  return arena;
}

void arena_destroy(Arena *arena) {
  if (!arena) return;
  for (Block *block = arena->blocks; block;) {
    Block *next = block->next;
    ALLOW(block + 1, block->capacity);
    free(block);
    block = next;
  }
  free(arena);
}

/* A large request gets a block of its own, put behind the current one so that the latter goes on
 * being filled. */
static void *alloc_own_block(Arena *arena, size_t bytes, size_t align) {
  Block *block = add_block(arena, bytes + align);
  block->used = block->capacity;
  if (arena->blocks) {
    block->next = arena->blocks->next;
    arena->blocks->next = block;
  } else {
    arena->blocks = block;
  }
  uintptr_t start = ((uintptr_t)(block + 1) + align - 1) / align * align;
  ALLOW((void *)start, bytes);
  return (void *)start;
}

void *arena_alloc_big(Arena *arena, size_t bytes) {
  return alloc_own_block(arena, bytes ? bytes : 1, BIG_ALIGN);
}

void *arena_alloc(Arena *arena, size_t count, size_t size) {
  if (size && count > (SIZE_MAX - BIG_ALIGN) / size) out_of_memory(SIZE_MAX);
  size_t asked = count * size, bytes = (asked + SMALL_ALIGN - 1) / SMALL_ALIGN * SMALL_ALIGN;
  if (bytes == 0) bytes = SMALL_ALIGN;
  if (bytes > BLOCK_BYTES / 4) return alloc_own_block(arena, asked, BIG_ALIGN);
  bytes += GUARD_BYTES;
  Block *block = arena->blocks;
  if (!block || block->capacity - block->used < bytes) {
    block = add_block(arena, BLOCK_BYTES);
    block->next = arena->blocks;
    arena->blocks = block;
  }
  void *result = (char *)(block + 1) + block->used;
  ALLOW(result, asked);
  block->used += bytes;
  return result;
}

void *arena_copy(Arena *arena, const void *data, size_t bytes) {
  void *copy = arena_alloc(arena, bytes, 1);
  if (bytes) memcpy(copy, data, bytes);
  return copy;
}

char *arena_strndup(Arena *arena, const char *text, size_t length) {
  char *copy = arena_alloc(arena, length + 1, 1);
  if (length) memcpy(copy, text, length);
  return copy;
}

char *arena_strdup(Arena *arena, const char *text) {
  return arena_strndup(arena, text, strlen(text));
}

char *arena_vprintf(Arena *arena, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int length = vsnprintf(NULL, 0, format, args);
  char *text = arena_alloc(arena, (size_t)length + 1, 1);
  vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

char *arena_printf(Arena *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = arena_vprintf(arena, format, args);
  va_end(args);
  return text;
}

size_t arena_bytes(const Arena *arena) {
  return arena->total;
}
