/* json_attr.c: JSON values as attributes. */
#include "io/json_attr.h"

bool json_is_element(const JsonValue *value, AttrKind kind) {
  switch (kind) {
  case ATTR_INT:
  case ATTR_INTS: return value->kind == JSON_NUMBER && value->is_integer;
  case ATTR_FLOAT:
  case ATTR_FLOATS: return value->kind == JSON_NUMBER;
  case ATTR_STRING:
  case ATTR_STRINGS: return value->kind == JSON_STRING;
  default: return false;
  }
}

static const int64_t *ints_of(Arena *arena, const JsonValue *list) {
  int64_t *out = ARENA_ARRAY(arena, int64_t, list->count + 1);
  for (size_t i = 0; i < list->count; i++) out[i] = list->items[i]->integer;
  return out;
}

static const float *floats_of(Arena *arena, const JsonValue *list) {
  float *out = ARENA_ARRAY(arena, float, list->count + 1);
  for (size_t i = 0; i < list->count; i++) out[i] = (float)list->items[i]->number;
  return out;
}

static const char *const *texts_of(Arena *arena, const JsonValue *list) {
  const char **out = ARENA_ARRAY(arena, const char *, list->count + 1);
  for (size_t i = 0; i < list->count; i++) out[i] = list->items[i]->string;
  return out;
}

Attr json_attr(Arena *arena, const char *name, AttrKind kind, const JsonValue *value) {
  Attr attr = {.name = name, .kind = kind};
  attr.count = value->kind == JSON_ARRAY ? value->count : 1;
  switch (kind) {
  case ATTR_INT: attr.i = value->kind == JSON_BOOL ? value->boolean : value->integer; break;
  case ATTR_FLOAT: attr.f = (float)value->number; break;
  case ATTR_STRING:
    attr.s = value->string;
    attr.s_length = value->length;
    break;
  case ATTR_INTS: attr.ints = ints_of(arena, value); break;
  case ATTR_FLOATS: attr.floats = floats_of(arena, value); break;
  case ATTR_STRINGS: attr.strings = texts_of(arena, value); break;
  default: break;
  }
  return attr;
}
