/* json_value.c: looking things up in JSON trees, comparing them, and telling where and what they
 * are. */
#include "io/json.h"

#include "base/str.h"

#include <inttypes.h>
#include <string.h>

enum { SHOWN = 60 }; /* bytes of a text that a message shows */

/* --- members --- */

static int compare_bytes(const char *a, size_t a_length, const char *b, size_t b_length) {
  int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
  if (order) return order;
  return a_length < b_length ? -1 : a_length > b_length;
}

const JsonMember *json_find(const JsonValue *object, const char *key, size_t key_length) {
  if (object->kind != JSON_OBJECT) return NULL;
  size_t low = 0, high = object->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const JsonMember *member = object->by_key[middle];
    int order = compare_bytes(key, key_length, member->key, member->key_length);
    if (order == 0) return member;
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

const JsonValue *json_member(const JsonValue *object, const char *key) {
  const JsonMember *member = object ? json_find(object, key, strlen(key)) : NULL;
  return member ? member->value : NULL;
}

const char *json_member_text(const JsonValue *object, const char *key, const char *missing) {
  const JsonValue *value = json_member(object, key);
  return value ? value->string : missing;
}

double json_member_number(const JsonValue *object, const char *key, double missing) {
  const JsonValue *value = json_member(object, key);
  return value ? value->number : missing;
}

bool json_member_flag(const JsonValue *object, const char *key) {
  const JsonValue *value = json_member(object, key);
  return value && value->boolean;
}

/* --- comparing --- */

static int compare_numbers(const JsonValue *a, const JsonValue *b) {
  if (a->is_integer != b->is_integer) return a->is_integer ? -1 : 1;
  if (a->is_integer) return a->integer < b->integer ? -1 : a->integer > b->integer;
  return a->number < b->number ? -1 : a->number > b->number;
}

static int compare_arrays(const JsonValue *a, const JsonValue *b) {
  int order = 0;
  for (size_t i = 0; i < a->count && !order; i++) order = json_compare(a->items[i], b->items[i]);
  return order;
}

static int compare_objects(const JsonValue *a, const JsonValue *b) {
  int order = 0;
  for (size_t i = 0; i < a->count && !order; i++) {
    const JsonMember *one = a->by_key[i], *other = b->by_key[i];
    order = compare_bytes(one->key, one->key_length, other->key, other->key_length);
    if (!order) order = json_compare(one->value, other->value);
  }
  return order;
}

int json_compare(const JsonValue *a, const JsonValue *b) {
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  if (a->count != b->count) return a->count < b->count ? -1 : 1;
  switch (a->kind) {
  case JSON_NULL: return 0;
  case JSON_BOOL: return (int)a->boolean - (int)b->boolean;
  case JSON_NUMBER: return compare_numbers(a, b);
  case JSON_STRING: return compare_bytes(a->string, a->length, b->string, b->length);
  case JSON_ARRAY: return compare_arrays(a, b);
  case JSON_OBJECT: return compare_objects(a, b);
  }
  return 0;
}

bool json_equal(const JsonValue *a, const JsonValue *b) {
  return json_compare(a, b) == 0;
}

/* --- telling --- */

/* Appends bytes, control characters as \u00XX so that nothing happens to the terminal. */
static void add_visible(Str *str, const char *text, size_t length) {
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c < 0x20 || c == 0x7F)
      str_addf(str, "\\u%04x", c);
    else
      str_add_n(str, text + i, 1);
  }
}

/* A key as RFC 6901 writes it: "~" is "~0" and "/" is "~1". */
static void add_key(Str *str, const JsonMember *member) {
  for (size_t i = 0; i < member->key_length; i++) {
    char c = member->key[i];
    if (c == '~' || c == '/')
      str_add(str, c == '~' ? "~0" : "~1");
    else
      add_visible(str, &member->key[i], 1);
  }
}

static void add_pointer(Str *str, const JsonValue *value) {
  const JsonValue *path[JSON_DEPTH + 1];
  int depth = 0;
  for (; value->parent; value = value->parent) {
    CTC_ASSERT(depth <= JSON_DEPTH);
    path[depth++] = value;
  }
  while (depth-- > 0) {
    const JsonValue *step = path[depth];
    str_add(str, "/");
    if (step->parent->kind == JSON_OBJECT)
      add_key(str, &step->parent->members[step->index]);
    else
      str_addf(str, "%zu", step->index);
  }
}

const char *json_pointer(Arena *arena, const JsonValue *value) {
  Str text = str_in(arena);
  add_pointer(&text, value);
  return str_text(&text);
}

const char *json_where(const JsonFile *file, const JsonValue *value) {
  Str text = str_in(file->arena);
  str_addf(&text, "%s:%d:%d", file->path, value->line, value->column);
  if (value->parent) str_add(&text, ": ");
  add_pointer(&text, value);
  return str_text(&text);
}

bool json_error(const JsonFile *file, const JsonValue *at, const char *format, ...) {
  /* Hidden errors are only counted: their places cost as much as they are deep. */
  bool hidden = file->diag->errors >= DIAG_LIMIT;
  va_list args;
  va_start(args, format);
  diag_verror(file->diag, hidden ? file->path : json_where(file, at), format, args);
  va_end(args);
  return false;
}

const char *json_kind_name(const JsonValue *value) {
  static const char *const names[] = {
      [JSON_NULL] = "null",       [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number",
      [JSON_STRING] = "a string", [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
  };
  return names[value->kind];
}

const char *json_show_text(Arena *arena, const char *text, size_t length) {
  Str shown = str_in(arena);
  size_t cut = length;
  if (cut > SHOWN) /* not inside of a character */
    for (cut = SHOWN; cut > 0 && ((unsigned char)text[cut] & 0xC0) == 0x80;) cut--;
  str_add(&shown, "\"");
  add_visible(&shown, text, cut);
  str_add(&shown, cut < length ? "…\"" : "\"");
  return str_text(&shown);
}

const char *json_show(Arena *arena, const JsonValue *value) {
  switch (value->kind) {
  case JSON_BOOL: return value->boolean ? "true" : "false";
  case JSON_NUMBER:
    if (value->is_integer) return arena_printf(arena, "%" PRId64, value->integer);
    return arena_printf(arena, "%.15g", value->number);
  case JSON_STRING: return json_show_text(arena, value->string, value->length);
  default: return json_kind_name(value);
  }
}
