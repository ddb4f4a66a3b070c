/* utf8.c: characters as UTF-8 (RFC 3629). */
#include "base/utf8.h"

#include <stdbool.h>

size_t utf8_length(const unsigned char *s, size_t left) {
  unsigned c = s[0];
  size_t length = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
  if (length > left) return 0;
  for (size_t i = 1; i < length; i++)
    if ((s[i] & 0xC0) != 0x80) return 0;
  bool detour = (c == 0xE0 && s[1] < 0xA0) || (c == 0xF0 && s[1] < 0x90);
  bool beyond = (c == 0xED && s[1] > 0x9F) || (c == 0xF4 && s[1] > 0x8F);
  return detour || beyond ? 0 : length;
}

int utf8_size(unsigned code) {
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

char *utf8_write(char *to, unsigned code) {
  static const unsigned char first[] = {0, 0, 0xC0, 0xE0, 0xF0};
  int size = utf8_size(code), more = size - 1;
  *to++ = (char)(first[size] | code >> 6 * more);
  while (more-- > 0) *to++ = (char)(0x80 | (code >> 6 * more & 0x3F));
  return to;
}

unsigned utf8_code(const unsigned char *s, size_t length) {
  static const unsigned char mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  unsigned code = s[0] & mask[length];
  for (size_t i = 1; i < length; i++) code = code << 6 | (s[i] & 0x3F);
  return code;
}
