/* utf8.h: characters as UTF-8 (RFC 3629). */
#ifndef CTC_BASE_UTF8_H
#define CTC_BASE_UTF8_H

#include <stddef.h>

enum { UTF8_MOST = 4 }; /* bytes of a character */

/* Bytes of the character that starts at `s`, or 0: not UTF-8 (no detours, no surrogates, nothing
 * beyond U+10FFFF). */
size_t utf8_length(const unsigned char *s, size_t left);
/* The character that starts at `s`, of that many bytes. */
unsigned utf8_code(const unsigned char *s, size_t length);
/* Bytes that a character takes. */
int utf8_size(unsigned code);
/* Writes a character; the place behind it. */
char *utf8_write(char *to, unsigned code);

#endif
