/* str.c: growable text and near-name search. */
#include "base/str.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

Str str_in(Arena *arena) {
  return (Str){.arena = arena};
}

static void reserve(Str *str, size_t more) {
  size_t needed = str->length + more + 1;
  if (needed <= str->capacity) return;
  size_t capacity = str->capacity ? str->capacity : 64;
  while (capacity < needed) capacity *= 2;
  char *text = arena_alloc(str->arena, capacity, 1);
  if (str->length) memcpy(text, str->text, str->length);
  str->text = text;
  str->capacity = capacity;
}

void str_add_n(Str *str, const char *text, size_t length) {
  reserve(str, length);
  memcpy(str->text + str->length, text, length);
  str->length += length;
  str->text[str->length] = '\0';
}

void str_add(Str *str, const char *text) {
  str_add_n(str, text, strlen(text));
}

void str_addf(Str *str, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int length = vsnprintf(NULL, 0, format, args);
  reserve(str, (size_t)length);
  vsnprintf(str->text + str->length, (size_t)length + 1, format, again);
  str->length += (size_t)length;
  va_end(again);
  va_end(args);
}

const char *str_text(const Str *str) {
  return str->text ? str->text : "";
}

/* Levenshtein distance, one row at a time; words longer than the row are never near. */
static size_t edit_distance(const char *a, const char *b) {
  enum { LONGEST = 63 };
  size_t row[LONGEST + 1], n = strlen(b);
  if (n > LONGEST || strlen(a) > LONGEST) return SIZE_MAX;
  for (size_t j = 0; j <= n; j++) row[j] = j;
  for (size_t i = 0; a[i]; i++) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < n; j++) {
      size_t above = row[j + 1];
      size_t best = diagonal + (a[i] != b[j]);
      if (above + 1 < best) best = above + 1;
      if (row[j] + 1 < best) best = row[j] + 1;
      diagonal = above;
      row[j + 1] = best;
    }
  }
  return row[n];
}

const char *str_nearest(const char *word, const char *const *names, size_t count) {
  const char *best = NULL;
  size_t length = strlen(word), limit = length / 3 + 1;
  for (size_t i = 0; i < count && length > 1; i++) {
    size_t distance = edit_distance(word, names[i]);
    if (distance <= limit && distance < length) { /* something of it is left */
      best = names[i];
      limit = distance - (distance > 0);
      if (distance == 0) break;
    }
  }
  return best;
}
