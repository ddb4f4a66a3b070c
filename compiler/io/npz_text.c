/* npz_text.c: numpy's arrays of text. */
#include "io/npz_text.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { POINT = 4 }; /* bytes of a code point */

int64_t npz_text_width(const char *descr) {
  char *end;
  if (strncmp(descr, "<U", 2) != 0) return 0;
  long long width = strtoll(descr + 2, &end, 10);
  return *end || end == descr + 2 || width < 0 || width > INT32_MAX ? 0 : width;
}

static unsigned point_at(const char *bytes, int64_t i) {
  const uint8_t *b = (const uint8_t *)bytes + i * POINT;
  return b[0] | (unsigned)b[1] << 8 | (unsigned)b[2] << 16 | (unsigned)b[3] << 24;
}

static bool is_character(unsigned code) {
  return code != 0 && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
}

/* One element; NULL if it is no text. */
static const char *read_one(const char *bytes, int64_t width, Arena *arena) {
  while (width > 0 && point_at(bytes, width - 1) == 0) width--;
  char *text = arena_alloc(arena, (size_t)width * UTF8_MOST + 1, 1), *to = text;
  for (int64_t i = 0; i < width; i++) {
    unsigned code = point_at(bytes, i);
    if (!is_character(code)) return NULL;
    to = utf8_write(to, code);
  }
  *to = 0;
  return text;
}

bool npz_text_read(const char *bytes, int64_t width, int64_t count, Arena *arena,
                   const char **texts) {
  for (int64_t i = 0; i < count; i++)
    if (!(texts[i] = read_one(bytes + i * width * POINT, width, arena))) return false;
  return true;
}

/* How many code points; -1: not UTF-8. */
static int64_t count_points(const char *text) {
  int64_t count = 0;
  size_t left = strlen(text);
  for (size_t length; left > 0; count++, text += length, left -= length)
    if (!(length = utf8_length((const unsigned char *)text, left))) return -1;
  return count;
}

int64_t npz_text_most(const Tensor *texts) {
  const char *const *items = texts->data;
  int64_t most = 1;
  for (int64_t i = 0; i < texts->count; i++) {
    int64_t points = count_points(items[i]);
    if (points < 0) return 0;
    if (points > most) most = points;
  }
  return most;
}

/* `text` is UTF-8, as npz_text_most found. */
static void write_one(const char *text, char *to) {
  const unsigned char *s = (const unsigned char *)text;
  size_t left = strlen(text);
  for (size_t length; left > 0; s += length, left -= length) {
    length = utf8_length(s, left);
    unsigned code = utf8_code(s, length);
    for (int k = 0; k < POINT; k++) *to++ = (char)(code >> 8 * k & 255);
  }
}

void npz_text_write(const Tensor *texts, int64_t width, char *bytes) {
  const char *const *items = texts->data;
  memset(bytes, 0, (size_t)(texts->count * width * POINT));
  for (int64_t i = 0; i < texts->count; i++) write_one(items[i], bytes + i * width * POINT);
}
