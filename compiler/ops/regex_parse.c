/* regex_parse.c: the syntax of RE2, by recursive descent:
 *
 *   alternatives = sequence { "|" sequence }
 *   sequence     = { piece }
 *   piece        = atom { ("*" | "+" | "?" | "{n}" | "{n,}" | "{n,m}") [ "?" ] }
 *
 * Whether a repetition is greedy does not matter to whether all of a text matches. Classes of
 * Unicode (\p) are not known. */
#include "ops/regex_parse.h"

#include "base/utf8.h"
#include "ir/kernel.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_REPEAT = 1000, MOST_DEPTH = 200 };

/* Flags that groups set. */
enum { FLAG_CASE = 1, FLAG_LINES = 2, FLAG_DOT_ALL = 4, FLAG_LAZY = 8 };

typedef struct {
  Arena *arena;
  const char *start, *at;
  unsigned flags;
  int depth;
  bool quoted;       /* between \Q and \E: letters stand for themselves */
  bool *wanted;      /* of add_other_case; NULL before */
  const char *error; /* NULL: none yet */
  int error_at;
} Parser;

static Regex *fail(Parser *p, const char *error) {
  if (!p->error) {
    p->error = error;
    p->error_at = (int)(p->at - p->start);
  }
  return NULL;
}

static Regex *new_node(Parser *p, RegexKind kind) {
  Regex *node = ARENA_NEW(p->arena, Regex);
  *node = (Regex){.kind = kind};
  return node;
}

static bool take(Parser *p, const char *text) {
  size_t length = strlen(text);
  if (strncmp(p->at, text, length) != 0) return false;
  p->at += length;
  return true;
}

/* --- sets --- */

static void add_range(Parser *p, CodeSet *set, uint32_t first, uint32_t last) {
  CodeRange range = {first, last};
  vec_push(p->arena, set, range);
}

static int by_first(const void *a, const void *b) {
  const CodeRange *left = a, *right = b;
  return left->first < right->first ? -1 : left->first > right->first;
}

/* Sorts the ranges and joins those that touch. */
static void tidy(CodeSet *set) {
  size_t kept = 0;
  if (set->count > 1) qsort(set->items, set->count, sizeof *set->items, by_first);
  for (size_t i = 0; i < set->count; i++) {
    CodeRange range = set->items[i], *last = kept ? &set->items[kept - 1] : NULL;
    if (!last || range.first > last->last + 1)
      set->items[kept++] = range;
    else if (range.last > last->last)
      last->last = range.last;
  }
  set->count = kept;
}

static CodeSet complement(Parser *p, CodeSet *set) {
  CodeSet rest = {0};
  uint32_t next = 0;
  tidy(set);
  for (size_t i = 0; i < set->count; i++) {
    if (set->items[i].first > next) add_range(p, &rest, next, set->items[i].first - 1);
    next = set->items[i].last + 1;
  }
  if (next <= MOST_CODE) add_range(p, &rest, next, MOST_CODE);
  return rest;
}

static void add_set(Parser *p, CodeSet *set, const CodeSet *more) {
  for (size_t i = 0; i < more->count; i++) vec_push(p->arena, set, more->items[i]);
}

/* --- case --- */

enum { CASED = 0x20000, DOTTED_I = 0x130, DOTLESS_I = 0x131 /* have no other case */ };

/* key[code]: the same for code points that differ in case only. */
static const uint32_t *case_keys(void) {
  static uint32_t keys[CASED];
  if (keys[1]) return keys;
  uint32_t *upper = malloc(CASED * sizeof *upper);
  CTC_ASSERT(upper);
  for (uint32_t code = 0; code < CASED; code++) keys[code] = code;
  const void *in = keys;
  const int64_t step = 1;
  kernel_find("ctc_case_upper_u32")->map(upper, &in, &step, CASED);
  in = upper;
  kernel_find("ctc_case_lower_u32")->map(keys, &in, &step, CASED);
  keys[DOTTED_I] = DOTTED_I;
  keys[DOTLESS_I] = DOTLESS_I;
  free(upper);
  return keys;
}

/* Adds what differs from a member in case only. */
static void add_other_case(Parser *p, CodeSet *set) {
  const uint32_t *keys = case_keys();
  if (!p->wanted) p->wanted = ARENA_ARRAY(p->arena, bool, CASED);
  bool *wanted = memset(p->wanted, 0, CASED * sizeof *wanted);
  for (size_t i = 0; i < set->count; i++)
    for (uint32_t code = set->items[i].first; code <= set->items[i].last && code < CASED; code++)
      if (keys[code] < CASED) wanted[keys[code]] = true;
  for (uint32_t code = 0; code < CASED; code++)
    if (keys[code] < CASED && wanted[keys[code]]) add_range(p, set, code, code);
}

/* One code point of the set, as the flags have it. */
static Regex *set_node(Parser *p, CodeSet set, bool negated) {
  Regex *node = new_node(p, REGEX_SET);
  if (p->flags & FLAG_CASE) add_other_case(p, &set);
  if (negated) set = complement(p, &set);
  tidy(&set);
  node->set = set;
  return node;
}

/* --- named classes --- */

/* Pairs of first and last characters. */
typedef struct {
  const char *name, *ranges;
} NamedSet;

static const NamedSet perl_sets[] = {{"d", "09"}, {"s", "\t\n\f\r  "}, {"w", "09AZaz__"}};
static const NamedSet posix_sets[] = {{"alnum", "09AZaz"},
                                      {"alpha", "AZaz"},
                                      {"ascii", "\x01\x7f"},
                                      {"blank", "\t\t  "},
                                      {"cntrl", "\x01\x1f\x7f\x7f"},
                                      {"digit", "09"},
                                      {"graph", "!~"},
                                      {"lower", "az"},
                                      {"print", " ~"},
                                      {"punct", "!/:@[`{~"},
                                      {"space", "\t\r  "},
                                      {"upper", "AZ"},
                                      {"word", "09AZaz__"},
                                      {"xdigit", "09AFaf"}};

static CodeSet named_set(Parser *p, const NamedSet *named, bool negated) {
  CodeSet set = {0};
  for (const char *pair = named->ranges; *pair; pair += 2)
    add_range(p, &set, (unsigned char)pair[0], (unsigned char)pair[1]);
  return negated ? complement(p, &set) : set;
}

/* \d, \W … at p->at, behind the backslash. */
static bool take_perl(Parser *p, CodeSet *set) {
  for (size_t i = 0; i < sizeof perl_sets / sizeof *perl_sets; i++) {
    char small = perl_sets[i].name[0];
    if (*p->at != small && *p->at != toupper((unsigned char)small)) continue;
    CodeSet found = named_set(p, &perl_sets[i], *p->at != small);
    add_set(p, set, &found);
    p->at++;
    return true;
  }
  return false;
}

/* [:alpha:] or [:^alpha:] inside of a class. */
static bool take_posix(Parser *p, CodeSet *set) {
  if (strncmp(p->at, "[:", 2) != 0) return false;
  bool negated = p->at[2] == '^';
  const char *name = p->at + 2 + negated;
  for (size_t i = 0; i < sizeof posix_sets / sizeof *posix_sets; i++) {
    size_t length = strlen(posix_sets[i].name);
    if (strncmp(name, posix_sets[i].name, length) != 0 || strncmp(name + length, ":]", 2) != 0)
      continue;
    CodeSet found = named_set(p, &posix_sets[i], negated);
    add_set(p, set, &found);
    p->at = name + length + 2;
    return true;
  }
  return false;
}

/* --- characters --- */

/* A code point of the pattern itself, which is UTF-8. */
static uint32_t take_code(Parser *p) {
  const unsigned char *bytes = (const unsigned char *)p->at;
  size_t length = utf8_length(bytes, UTF8_MOST); /* the end is no part of a character */
  if (length == 0) {
    fail(p, "the pattern is not UTF-8");
    return 0;
  }
  p->at += length;
  return utf8_code(bytes, length);
}

/* Up to `most` digits in `base`. */
static uint32_t take_number(Parser *p, int base, int most) {
  char digits[12];
  int length = 0;
  for (; length < most && length < 11; length++) {
    char digit = p->at[length];
    if (base == 8 ? digit < '0' || digit > '7' : !isxdigit((unsigned char)digit)) break;
    digits[length] = digit;
  }
  digits[length] = 0;
  p->at += length;
  if (length == 0) fail(p, "digits are missing");
  return (uint32_t)strtoul(digits, NULL, base);
}

/* The code point that an escape stands for, behind the backslash. */
static uint32_t take_escape(Parser *p) {
  static const char letters[] = "afnrtv", meanings[] = "\a\f\n\r\t\v";
  const char *letter = *p->at ? strchr(letters, *p->at) : NULL;
  if (letter) {
    p->at++;
    return (uint32_t)meanings[letter - letters];
  }
  if (take(p, "x{")) {
    uint32_t code = take_number(p, 16, 8);
    if (!take(p, "}") || code > MOST_CODE) fail(p, "\\x{…} is not a code point");
    return code;
  }
  if (take(p, "x")) return take_number(p, 16, 2);
  bool octal =
      *p->at == '0' || (*p->at >= '1' && *p->at <= '7' && p->at[1] >= '0' && p->at[1] <= '7');
  if (octal) return take_number(p, 8, 3);
  if (!*p->at || isalnum((unsigned char)*p->at) || (*p->at & 0x80)) {
    fail(p, *p->at == 'p' || *p->at == 'P' ? "classes of Unicode (\\p) are not supported"
                                           : "an unknown escape");
    return 0;
  }
  return (uint32_t)*p->at++;
}

static uint32_t take_class_code(Parser *p) {
  return take(p, "\\") ? take_escape(p) : take_code(p);
}

/* One member of a class: a named one, a code point or a range. */
static void take_member(Parser *p, CodeSet *set) {
  if (take_posix(p, set)) return;
  if (*p->at == '\\') {
    p->at++;
    if (take_perl(p, set)) return;
    p->at--;
  }
  uint32_t first = take_class_code(p), last = first;
  if (*p->at == '-' && p->at[1] && p->at[1] != ']') {
    p->at++;
    last = take_class_code(p);
  }
  if (last < first) fail(p, "a range that ends before it begins");
  add_range(p, set, first, last);
}

/* Behind the opening bracket. A bracket that comes first is a member. */
static Regex *parse_class(Parser *p) {
  CodeSet set = {0};
  bool negated = take(p, "^");
  do {
    if (!*p->at) return fail(p, "a class without its end");
    take_member(p, &set);
  } while (!p->error && *p->at != ']');
  if (p->error) return NULL;
  p->at++;
  return set_node(p, set, negated);
}

/* --- atoms --- */

static Regex *parse_alternatives(Parser *p);

static Regex *assertion(Parser *p, Assertion which) {
  Regex *node = new_node(p, REGEX_ASSERT);
  node->assertion = which;
  return node;
}

static Regex *literal(Parser *p, uint32_t code) {
  CodeSet set = {0};
  if (p->error) return NULL;
  add_range(p, &set, code, code);
  return set_node(p, set, false);
}

static Regex *join(Parser *p, RegexKind kind, Regex *left, Regex *right) {
  if (!left || !right) return NULL;
  Regex *node = new_node(p, kind);
  node->left = left;
  node->right = right;
  return node;
}

/* One letter of \Q…\E: a repetition behind the end belongs to the last one. */
static Regex *parse_quoted(Parser *p) {
  p->quoted = !take(p, "\\E");
  if (!p->quoted || !*p->at) return new_node(p, REGEX_EMPTY);
  Regex *letter = literal(p, take_code(p));
  p->quoted = !take(p, "\\E");
  return letter;
}

static Regex *parse_escape(Parser *p) {
  static const struct {
    char letter;
    Assertion assertion;
  } assertions[] = {{'A', ASSERT_TEXT_BEGIN},
                    {'z', ASSERT_TEXT_END},
                    {'b', ASSERT_WORD_EDGE},
                    {'B', ASSERT_NO_WORD_EDGE}};
  CodeSet set = {0};
  for (size_t i = 0; i < sizeof assertions / sizeof *assertions; i++)
    if (*p->at == assertions[i].letter) {
      p->at++;
      return assertion(p, assertions[i].assertion);
    }
  if (take(p, "Q")) return parse_quoted(p);
  if (take(p, "C")) return new_node(p, REGEX_BYTE);
  if (take_perl(p, &set)) return set_node(p, set, false);
  return literal(p, take_escape(p));
}

/* (?i-s: or (?i-s), behind the question mark; *group: a group follows. */
static bool take_flags(Parser *p, bool *group) {
  static const char letters[] = "imsU";
  bool negative = false;
  for (; *p->at && *p->at != ')' && *p->at != ':'; p->at++) {
    const char *letter = strchr(letters, *p->at);
    if (*p->at == '-' && !negative) {
      negative = true;
      continue;
    }
    if (!letter) return fail(p, "an unknown kind of group") != NULL;
    unsigned flag = 1u << (letter - letters);
    p->flags = negative ? p->flags & ~flag : p->flags | flag;
  }
  *group = *p->at == ':';
  if (!*p->at) return fail(p, "a group without its end") != NULL;
  p->at++;
  return true;
}

/* ?P<name> or ?<name> */
static bool take_group_name(Parser *p) {
  if (!take(p, "?P<") && !take(p, "?<")) return true;
  if (!isalnum((unsigned char)*p->at) && *p->at != '_')
    return fail(p, "looking around is not part of the syntax") != NULL;
  while (isalnum((unsigned char)*p->at) || *p->at == '_') p->at++;
  return take(p, ">") || fail(p, "the name of a group without its end") != NULL;
}

/* Behind the opening parenthesis. Flags without a group hold until the group around them ends. */
static Regex *parse_group(Parser *p) {
  unsigned outer = p->flags;
  bool group = true;
  if (!take_group_name(p)) return NULL;
  if (take(p, "?") && !take_flags(p, &group)) return NULL;
  if (!group) return new_node(p, REGEX_EMPTY);
  if (++p->depth > MOST_DEPTH) return fail(p, "too many groups in each other");
  Regex *inside = parse_alternatives(p);
  p->depth--;
  p->flags = outer;
  if (inside && !take(p, ")")) return fail(p, "a group without its end");
  return inside;
}

static Regex *parse_atom(Parser *p) {
  bool lines = p->flags & FLAG_LINES;
  CodeSet newline = {0};
  if (p->quoted) return parse_quoted(p);
  switch (*p->at) {
  case '(': p->at++; return parse_group(p);
  case '[': p->at++; return parse_class(p);
  case '\\': p->at++; return parse_escape(p);
  case '^': p->at++; return assertion(p, lines ? ASSERT_LINE_BEGIN : ASSERT_TEXT_BEGIN);
  case '$': p->at++; return assertion(p, lines ? ASSERT_LINE_END : ASSERT_TEXT_END);
  case '*':
  case '+':
  case '?': return fail(p, "nothing to repeat");
  case '.':
    p->at++;
    if (!(p->flags & FLAG_DOT_ALL)) add_range(p, &newline, '\n', '\n');
    return set_node(p, newline, true);
  default: return literal(p, take_code(p));
  }
}

/* --- repetitions --- */

/* {n}, {n,} or {n,m}; anything else in braces is literal. */
static bool take_braces(Parser *p, int *least, int *most) {
  char *end;
  const char *at = p->at + 1;
  if (*p->at != '{' || !isdigit((unsigned char)*at)) return false;
  long low = strtol(at, &end, 10), high = low;
  if (*end == ',') {
    at = end + 1;
    high = isdigit((unsigned char)*at) ? strtol(at, &end, 10) : -1;
    if (high < 0) end++;
  }
  if (*end != '}') return false;
  p->at = end + 1;
  if (low > MOST_REPEAT || high > MOST_REPEAT || (high >= 0 && high < low))
    fail(p, "a repetition out of order, or of more than 1000 times");
  *least = (int)low;
  *most = (int)high;
  return true;
}

static bool take_repetition(Parser *p, int *least, int *most) {
  *least = *p->at == '+';
  *most = *p->at == '?' ? 1 : -1;
  if (take(p, "*") || take(p, "+") || take(p, "?")) return true;
  return take_braces(p, least, most);
}

static Regex *parse_piece(Parser *p) {
  Regex *piece = parse_atom(p);
  int least, most, times = 0;
  while (piece && !p->error && !p->quoted && take_repetition(p, &least, &most)) {
    if (times++) return fail(p, "a repetition of a repetition: use a group");
    Regex *repeat = new_node(p, REGEX_REPEAT);
    repeat->left = piece;
    repeat->least = least;
    repeat->most = most;
    piece = repeat;
    take(p, "?");
  }
  return p->error ? NULL : piece;
}

static Regex *parse_sequence(Parser *p) {
  Regex *all = new_node(p, REGEX_EMPTY);
  while (all && *p->at && (p->quoted || (*p->at != '|' && *p->at != ')')))
    all = join(p, REGEX_CAT, all, parse_piece(p));
  return all;
}

static Regex *parse_alternatives(Parser *p) {
  Regex *all = parse_sequence(p);
  while (all && take(p, "|")) all = join(p, REGEX_ALT, all, parse_sequence(p));
  return all;
}

const Regex *regex_parse(Arena *arena, const char *pattern, const char **error, int *at) {
  Parser p = {.arena = arena, .start = pattern, .at = pattern};
  const Regex *regex = parse_alternatives(&p);
  if (regex && *p.at) fail(&p, "a closing parenthesis without its group");
  *error = p.error;
  *at = p.error_at;
  return p.error ? NULL : regex;
}
