/* json_pattern.h: a JSON Schema's regular expressions as POSIX ones.
 *
 * JSON Schema takes ECMAScript's expressions. What means the same in POSIX's extended syntax is
 * taken, or written in its way (\d as [0-9]); what has no counterpart there is refused. Texts are
 * matched as bytes: '.' is a part of a character beyond ASCII, and sets cannot hold any. */
#ifndef CTC_IO_JSON_PATTERN_H
#define CTC_IO_JSON_PATTERN_H

#include "base/arena.h"

#include <stddef.h>

/* The POSIX extended expression, or NULL and the reason in `problem`. */
const char *json_pattern_translate(Arena *arena, const char *text, size_t length,
                                   const char **problem);

#endif
