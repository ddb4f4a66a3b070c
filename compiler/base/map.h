/* map.h: a hash map from text to pointer, in an arena. Nothing is ever removed. */
#ifndef CTC_BASE_MAP_H
#define CTC_BASE_MAP_H

#include "base/arena.h"

typedef struct {
  const char *key;
  void *value;
} MapEntry;

typedef struct {
  Arena *arena;
  MapEntry *entries; /* open addressing, capacity a power of two */
  size_t count, capacity;
} Map;

Map map_in(Arena *arena);
/* The value of `key`, or NULL. */
void *map_get(const Map *map, const char *key);
/* Sets the value of `key`; the key's text must outlive the map. Replaces an older value. */
void map_set(Map *map, const char *key, void *value);

#endif
