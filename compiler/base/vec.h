/* vec.h: typed growable arrays that live in an arena.
 *
 *   Vec(int) numbers = {0};
 *   vec_push(arena, &numbers, 3);
 *   for (size_t i = 0; i < numbers.count; i++) use(numbers.items[i]);
 */
#ifndef CTC_BASE_VEC_H
#define CTC_BASE_VEC_H

#include "base/arena.h"

#include <string.h>

#define Vec(T)                                                                                     \
  struct {                                                                                         \
    T *items;                                                                                      \
    size_t count, capacity;                                                                        \
  }

/* The items in a place with room for one more; growth doubles, old places stay in the arena. */
static inline void *vec_grow(Arena *arena, void *items, size_t count, size_t *capacity,
                             size_t size) {
  if (count < *capacity) return items;
  *capacity = *capacity ? *capacity * 2 : 8;
  void *moved = arena_alloc(arena, *capacity, size);
  if (count) memcpy(moved, items, count * size);
  return moved;
}

#define vec_push(arena, vec, item)                                                                 \
  ((vec)->items =                                                                                  \
       vec_grow((arena), (vec)->items, (vec)->count, &(vec)->capacity, sizeof *(vec)->items),      \
   (vec)->items[(vec)->count++] = (item))

#endif
