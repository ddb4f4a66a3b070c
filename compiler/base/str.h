/* str.h: a growable text in an arena, for everything that is printed. */
#ifndef CTC_BASE_STR_H
#define CTC_BASE_STR_H

#include "base/arena.h"

#include <stdbool.h>

typedef struct {
  Arena *arena;
  char *text; /* always ends in NUL once something was added; NULL before that */
  size_t length, capacity;
} Str;

Str str_in(Arena *arena);
void str_add(Str *str, const char *text);
void str_add_n(Str *str, const char *text, size_t length);
void str_addf(Str *str, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The text so far, "" when empty. Valid until the next addition. */
const char *str_text(const Str *str);

/* The member of `names` nearest to `word` by edit distance, or NULL if none is near enough to be
 * worth suggesting. One letter is like any other: nothing is near it. */
const char *str_nearest(const char *word, const char *const *names, size_t count);

#endif
