/* regex_parse.h: a regular expression as a tree. */
#ifndef CTC_OPS_REGEX_PARSE_H
#define CTC_OPS_REGEX_PARSE_H

#include "base/diag.h"
#include "base/vec.h"

#include <stdint.h>

typedef struct {
  uint32_t first, last;
} CodeRange;

typedef Vec(CodeRange) CodeSet;

enum { MOST_CODE = 0x10FFFF };

typedef enum {
  REGEX_EMPTY,
  REGEX_SET,    /* one code point of `set` */
  REGEX_BYTE,   /* any byte (\C) */
  REGEX_CAT,    /* left, then right */
  REGEX_ALT,    /* left or right */
  REGEX_REPEAT, /* left, `least` to `most` times; most -1: any number */
  REGEX_ASSERT, /* nothing, where `assertion` holds */
} RegexKind;

typedef enum {
  ASSERT_TEXT_BEGIN,
  ASSERT_LINE_BEGIN,
  ASSERT_TEXT_END,
  ASSERT_LINE_END,
  ASSERT_WORD_EDGE,
  ASSERT_NO_WORD_EDGE,
} Assertion;

typedef struct Regex {
  RegexKind kind;
  CodeSet set;
  const struct Regex *left, *right;
  int least, most;
  Assertion assertion;
} Regex;

/* The tree of a pattern, or NULL; then *error says what is wrong, *at where. */
const Regex *regex_parse(Arena *arena, const char *pattern, const char **error, int *at);

#endif
