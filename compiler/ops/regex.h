/* regex.h: regular expressions of RE2's syntax, compiled to automata for ctc_string_match. */
#ifndef CTC_OPS_REGEX_H
#define CTC_OPS_REGEX_H

#include "ops/op.h"

/* A deterministic automaton over bytes, as ctc_string_match of runtime/text.c takes it. */
typedef struct {
  const Tensor *classes; /* u8 [256] */
  const Tensor *next;    /* u16 [states, width] */
  const Tensor *accepts; /* u8 [states] */
  int64_t width;
} Automaton;

/* The automaton that accepts what the whole pattern matches. Reports, at the node, what is wrong
 * with the pattern or not supported. */
MUST_CHECK bool regex_compile(Compilation *c, const Node *node, const char *pattern,
                              Automaton *automaton);

#endif
