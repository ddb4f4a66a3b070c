/* arena.h: memory that lives as long as one compilation.
 *
 * Everything the compiler allocates comes from an arena and is released at once; no pass frees
 * anything. Running out of memory ends the process inside the allocator, so that no call site
 * checks for it. */
#ifndef CTC_BASE_ARENA_H
#define CTC_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct Arena Arena;

Arena *arena_create(void);
void arena_destroy(Arena *arena);

/* `bytes` zeroed bytes, aligned to 64 (so that tensor data may be handed to vector kernels). */
void *arena_alloc_big(Arena *arena, size_t bytes);
/* `count * size` zeroed bytes, aligned to 16. The product is checked for overflow. */
void *arena_alloc(Arena *arena, size_t count, size_t size);
/* A copy of the `bytes` bytes at `data`. */
void *arena_copy(Arena *arena, const void *data, size_t bytes);
char *arena_strdup(Arena *arena, const char *text);
char *arena_strndup(Arena *arena, const char *text, size_t length);
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(Arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Bytes asked of the system so far, for reports. */
size_t arena_bytes(const Arena *arena);

#define ARENA_NEW(arena, T) ((T *)arena_alloc((arena), 1, sizeof(T)))
#define ARENA_ARRAY(arena, T, n) ((T *)arena_alloc((arena), (size_t)(n), sizeof(T)))

#endif
