/* json_pattern.c: ECMAScript's regular expressions in POSIX's extended syntax. */
#include "io/json_pattern.h"

#include "base/str.h"
#include "base/vec.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  Arena *arena;
  const char *at;
  Str out;
  size_t size, last;  /* of the group at hand and of its last item, with copies for repetitions */
  Vec(size_t) groups; /* the sizes of those around it */
  const char *problem;
} Translator;

/* POSIX's expressions are compiled with a copy of what is repeated for each time, and by
 * recursion. */
enum { MOST_SIZE = 20000, MOST_GROUPS = 50 };

/* Escapes that stand for characters or sets of them, outside and inside of brackets. */
static const struct {
  char name;
  const char *outside, *inside;
} escapes[] = {
    {'d', "[0-9]", "0-9"},
    {'D', "[^0-9]", NULL},
    {'w', "[A-Za-z0-9_]", "A-Za-z0-9_"},
    {'W', "[^A-Za-z0-9_]", NULL},
    {'s', "[ \t\n\v\f\r]", " \t\n\v\f\r"},
    {'S', "[^ \t\n\v\f\r]", NULL},
    {'t', "\t", "\t"},
    {'n', "\n", "\n"},
    {'r', "\r", "\r"},
};

static bool refuse(Translator *t, const char *problem) {
  t->problem = problem;
  return false;
}

static bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* The escape after a backslash at `t->at`. Inside of brackets POSIX has no escapes at all, so that
 * only characters that are nothing special there can be meant. */
static bool translate_escape(Translator *t, bool inside) {
  char c = *++t->at;
  if (!c) return refuse(t, "it ends in a backslash");
  t->at++;
  for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++)
    if (escapes[i].name == c) {
      const char *text = inside ? escapes[i].inside : escapes[i].outside;
      if (!text) return refuse(t, "a set's complement inside of brackets");
      str_add(&t->out, text);
      return true;
    }
  if (is_alphanumeric(c)) return refuse(t, "an escape that POSIX does not have");
  if (inside && strchr("]^-[", c)) return refuse(t, "an escape of this kind inside of brackets");
  if (!inside) str_add(&t->out, "\\");
  str_add_n(&t->out, &c, 1);
  return true;
}

static bool translate_brackets(Translator *t) {
  str_add_n(&t->out, t->at++, 1);
  if (*t->at == '^') str_add_n(&t->out, t->at++, 1);
  /* An empty set in ECMAScript, the character itself in POSIX. */
  if (*t->at == ']') return refuse(t, "an empty set");
  while (*t->at != ']') {
    if (!*t->at) return refuse(t, "a bracket without an end");
    if (*t->at == '[' && strchr(".:=", t->at[1])) return refuse(t, "a '[' inside of brackets");
    if ((unsigned char)*t->at >= 0x80) return refuse(t, "a character beyond ASCII in brackets");
    if (*t->at == '\\') {
      if (!translate_escape(t, true)) return false;
    } else {
      str_add_n(&t->out, t->at++, 1);
    }
  }
  str_add_n(&t->out, t->at++, 1);
  return true;
}

static bool begin_item(Translator *t) {
  t->size += t->last = 1;
  return true;
}

/* The last item is there `times`. */
static bool repeat_item(Translator *t, size_t times) {
  size_t copies = times > 1 ? times - 1 : 0;
  t->size = copies < MOST_SIZE ? t->size + copies * t->last : MOST_SIZE + 1;
  return t->size <= MOST_SIZE || refuse(t, "it repeats too much");
}

static void end_group(Translator *t) {
  str_add_n(&t->out, t->at++, 1);
  if (!t->groups.count) return; /* regcomp tells */
  t->last = t->size;
  t->size += t->groups.items[--t->groups.count];
}

static bool translate_group(Translator *t) {
  str_add_n(&t->out, t->at++, 1);
  if (t->groups.count == MOST_GROUPS) return refuse(t, "groups are nested too deep");
  vec_push(t->arena, &t->groups, t->size);
  t->size = 0;
  if (*t->at != '?') return true;
  if (t->at[1] != ':') return refuse(t, "a group that looks ahead, looks behind or has a name");
  t->at += 2;
  return true;
}

/* The copies that "{2,5}" needs, one more where it is open. */
static size_t highest_count(const char *at) {
  size_t most = 0;
  while (*at != '}') {
    char *end;
    size_t number = strtoul(at + 1, &end, 10);
    if (number > most) most = number < MOST_SIZE ? number : MOST_SIZE;
    at = end > at + 1 ? end : at + 1;
  }
  return most + 1;
}

/* POSIX leaves open what a second quantifier means; in ECMAScript it makes the first one lazy. */
static bool translate_quantifier(Translator *t) {
  if (t->out.length && (unsigned char)t->out.text[t->out.length - 1] >= 0x80)
    return refuse(t, "a quantifier after a character beyond ASCII");
  size_t times = *t->at == '+' ? 2 : 1;
  if (*t->at == '{') {
    size_t length = strspn(t->at + 1, "0123456789,");
    if (t->at[length + 1] != '}') return refuse(t, "a '{' that counts nothing");
    times = highest_count(t->at);
    str_add_n(&t->out, t->at, length + 1);
    t->at += length + 1;
  }
  str_add_n(&t->out, t->at++, 1);
  if (*t->at && strchr("*+?{", *t->at)) return refuse(t, "a quantifier after a quantifier");
  return repeat_item(t, times);
}

static bool translate_next(Translator *t) {
  switch (*t->at) {
  case '\\': return begin_item(t) && translate_escape(t, false);
  case '[': return begin_item(t) && translate_brackets(t);
  case '(': return translate_group(t);
  case ')': end_group(t); return true;
  case '*':
  case '+':
  case '?':
  case '{': return translate_quantifier(t);
  default: str_add_n(&t->out, t->at++, 1); return begin_item(t);
  }
}

const char *json_pattern_translate(Arena *arena, const char *text, size_t length,
                                   const char **problem) {
  Translator t = {.arena = arena, .at = text, .out = str_in(arena)};
  bool ok = !memchr(text, 0, length) || refuse(&t, "a character 0");
  while (ok && *t.at) ok = translate_next(&t);
  if (ok) {
    regex_t compiled;
    int code = regcomp(&compiled, str_text(&t.out), REG_EXTENDED | REG_NOSUB);
    if (code) {
      char reason[128];
      regerror(code, &compiled, reason, sizeof reason);
      ok = refuse(&t, arena_strdup(arena, reason));
    } else {
      regfree(&compiled);
    }
  }
  *problem = t.problem;
  return ok ? str_text(&t.out) : NULL;
}
