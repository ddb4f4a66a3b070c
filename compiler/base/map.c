/* map.c: open addressing with FNV-1a. */
#include "base/map.h"

#include <stdint.h>
#include <string.h>

static uint64_t hash_text(const char *text) {
  uint64_t hash = 14695981039346656037u;
  for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 1099511628211u;
  return hash;
}

Map map_in(Arena *arena) {
  return (Map){.arena = arena};
}

/* The entry that holds `key`, or the free one where it belongs. */
static MapEntry *find(const Map *map, const char *key) {
  size_t mask = map->capacity - 1;
  for (size_t i = hash_text(key) & mask;; i = (i + 1) & mask) {
    MapEntry *entry = &map->entries[i];
    if (!entry->key || strcmp(entry->key, key) == 0) return entry;
  }
}

void *map_get(const Map *map, const char *key) {
  return map->capacity ? find(map, key)->value : NULL;
}

static void grow(Map *map) {
  Map larger = {.arena = map->arena, .count = map->count};
  larger.capacity = map->capacity ? map->capacity * 2 : 16;
  larger.entries = ARENA_ARRAY(map->arena, MapEntry, larger.capacity);
  for (size_t i = 0; i < map->capacity; i++)
    if (map->entries[i].key) *find(&larger, map->entries[i].key) = map->entries[i];
  *map = larger;
}

void map_set(Map *map, const char *key, void *value) {
  if (map->count * 4 >= map->capacity * 3) grow(map);
  MapEntry *entry = find(map, key);
  if (!entry->key) {
    entry->key = key;
    map->count++;
  }
  entry->value = value;
}
