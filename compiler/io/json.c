/* json.c: the reader of JSON texts (RFC 8259).
 *
 * Goes once over the text, by recursive descent. Values that wait for the end of their array or
 * object stand on a stack that all share, so that each list is copied once, when its length is
 * known. */
#include "io/json.h"

#include "base/file.h"
#include "base/str.h"
#include "base/utf8.h"
#include "base/vec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Two members of an object with the same key. */
typedef struct {
  const JsonMember *first, *second;
} Duplicate;

typedef struct {
  JsonFile *file;
  const char *at, *end;
  const char *mark; /* the place whose line and column are known; only moves on */
  int line, column;
  int depth;
  Vec(const JsonValue *) items;
  Vec(JsonMember) members;
  Vec(Duplicate) duplicates; /* reported at the end, when all places have names */
} Reader;

static JsonValue *read_value(Reader *r, const JsonValue *parent, const JsonMember *member,
                             size_t index);

/* --- places and errors --- */

/* Bytes that continue a character of UTF-8 are no columns of their own. */
static void move_mark(Reader *r, const char *to) {
  for (; r->mark < to; r->mark++)
    if (*r->mark == '\n') {
      r->line++;
      r->column = 1;
    } else {
      r->column += ((unsigned char)*r->mark & 0xC0) != 0x80;
    }
}

static bool fail(Reader *r, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail(Reader *r, const char *at, const char *format, ...) {
  va_list args;
  move_mark(r, at);
  va_start(args, format);
  const char *where = arena_printf(r->file->arena, "%s:%d:%d", r->file->path, r->line, r->column);
  diag_verror(r->file->diag, where, format, args);
  va_end(args);
  return false;
}

/* The character at `r->at`; -1 at the end. */
static int peek(const Reader *r) {
  return r->at < r->end ? (unsigned char)*r->at : -1;
}

static bool is_space(int c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void skip_space(Reader *r) {
  while (is_space(peek(r))) r->at++;
}

/* What stands at `r->at`, for a message. */
static const char *found(const Reader *r) {
  int c = peek(r);
  if (c < 0) return "the end of the text";
  if (c < 0x20 || c >= 0x7F) return arena_printf(r->file->arena, "the byte 0x%02x", (unsigned)c);
  return arena_printf(r->file->arena, "'%c'", c);
}

static bool unexpected(Reader *r, const char *expected) {
  int c = peek(r);
  if (c == '/' || c == '#') return fail(r, r->at, "JSON has no comments");
  if (c == '\'') return fail(r, r->at, "texts stand between '\"' in JSON");
  return fail(r, r->at, "expected %s, not %s", expected, found(r));
}

/* --- texts --- */

/* The four hexadecimal digits at `text`, or -1. */
static int hex4(const char *text, const char *end) {
  int code = 0;
  if (end - text < 4) return -1;
  for (int i = 0; i < 4; i++) {
    static const char digits[] = "0123456789abcdef";
    const char *digit = text[i] ? strchr(digits, text[i] | 0x20) : NULL;
    if (!digit || (text[i] < '0')) return -1;
    code = code * 16 + (int)(digit - digits);
  }
  return code;
}

/* The character that "\uXXXX", or a pair of them, stands for. `r->at` is at the first backslash and
 * goes behind it all. */
static bool read_code(Reader *r, const char *close, unsigned *code) {
  int high = hex4(r->at + 2, close);
  *code = 0;
  if (high < 0) return fail(r, r->at, "'\\u' needs four hexadecimal digits");
  *code = (unsigned)high;
  if (high < 0xD800 || high > 0xDFFF) {
    r->at += 6;
    return true;
  }
  bool pair = close - r->at >= 12 && r->at[6] == '\\' && r->at[7] == 'u';
  int low = pair ? hex4(r->at + 8, close) : -1;
  if (high > 0xDBFF || low < 0xDC00 || low > 0xDFFF)
    return fail(r, r->at, "'%.6s' is half of a surrogate pair", r->at);
  *code = 0x10000 + ((unsigned)(high - 0xD800) << 10) + (unsigned)(low - 0xDC00);
  r->at += 12;
  return true;
}

static bool read_escape(Reader *r, const char *close, char **to) {
  static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
  const char *name = r->at[1] ? strchr(names, r->at[1]) : NULL;
  if (name) {
    *(*to)++ = meant[name - names];
    r->at += 2;
    return true;
  }
  unsigned code = 0;
  if (r->at[1] != 'u') return fail(r, r->at, "JSON has no such escape (a backslash is \"\\\\\")");
  if (!read_code(r, close, &code)) return false;
  *to = utf8_write(*to, code);
  return true;
}

/* The quote that ends the text starting behind `r->at`, or NULL and an error. */
static const char *find_close(Reader *r) {
  const char *p = r->at + 1;
  for (; p < r->end && *p != '"'; p++) {
    if ((unsigned char)*p < 0x20) {
      const char *what = *p == '\n' ? "the text has no closing '\"' in its line"
                                    : "control characters in texts must be written as \\uXXXX";
      fail(r, p, "%s", what);
      return NULL;
    }
    p += *p == '\\' && p + 1 < r->end;
  }
  if (p < r->end) return p;
  fail(r, r->at, "the text that starts here has no closing '\"'");
  return NULL;
}

static bool read_text(Reader *r, const char **text, size_t *length) {
  const char *close = find_close(r);
  if (!close) return false;
  /* No escape is shorter than what it stands for. */
  char *to = arena_alloc(r->file->arena, (size_t)(close - r->at), 1);
  *text = to;
  r->at++;
  while (r->at < close) {
    if (*r->at == '\\') {
      if (!read_escape(r, close, &to)) return false;
      continue;
    }
    size_t bytes = utf8_length((const unsigned char *)r->at, (size_t)(close - r->at));
    if (!bytes) return fail(r, r->at, "%s is not UTF-8 here", found(r));
    memcpy(to, r->at, bytes);
    to += bytes;
    r->at += bytes;
  }
  r->at++;
  *to = '\0';
  *length = (size_t)(to - *text);
  return true;
}

/* --- numbers --- */

/* The parts of "-12.5e3": all within [text, end). */
typedef struct {
  const char *text, *end;
  const char *digits;   /* behind the sign */
  const char *exponent; /* behind the 'e'; `end` if there is none */
  const char *mantissa_end;
} NumberText;

static const char *skip_digits(const char *at, const char *end) {
  while (at < end && *at >= '0' && *at <= '9') at++;
  return at;
}

/* Finds the parts of the number at `r->at` by RFC 8259's grammar. */
static bool scan_number(Reader *r, NumberText *n) {
  const char *p = r->at, *end = r->end;
  n->digits = p += *p == '-';
  const char *point = skip_digits(p, end);
  if (point == p) return fail(r, p, "a number needs a digit here");
  if (*p == '0' && point > p + 1) return fail(r, p, "a number must not start with zeros");
  p = point;
  if (p < end && *p == '.') {
    p = skip_digits(point + 1, end);
    if (p == point + 1) return fail(r, p, "a digit must follow the '.' of a number");
  }
  n->mantissa_end = n->end = n->exponent = p;
  if (p < end && (*p == 'e' || *p == 'E')) {
    n->exponent = ++p;
    if (p < end && (*p == '+' || *p == '-')) p++;
    n->end = skip_digits(p, end);
    if (n->end == p) return fail(r, p, "the exponent of a number needs a digit");
  }
  return true;
}

/* The exponent, kept to what no mantissa can make up for. */
static int64_t exponent_of(const NumberText *n) {
  const int64_t most = 1000000000000;
  int64_t exponent = 0;
  bool negative = n->exponent < n->end && *n->exponent == '-';
  for (const char *p = n->exponent; p < n->end; p++)
    if (*p >= '0' && *p <= '9' && exponent < most) exponent = exponent * 10 + (*p - '0');
  return negative ? -exponent : exponent;
}

/* Whether the digits are not all zeros; then where the last other one stands. */
static bool last_digit(const NumberText *n, const char **last) {
  for (const char *p = n->mantissa_end; p-- > n->digits;)
    if (*p >= '1' && *p <= '9') {
      *last = p;
      return true;
    }
  return false;
}

/* The exact value if it is whole and fits, without going through float64. */
static bool whole_number(const NumberText *n, int64_t *result) {
  const char *last;
  *result = 0;
  if (!last_digit(n, &last)) return true;
  const char *point = memchr(n->digits, '.', (size_t)(n->mantissa_end - n->digits));
  if (!point) point = n->mantissa_end;
  /* Zeros between the last digit and the end of the number; negative: places behind the point. */
  int64_t zeros = exponent_of(n) + (last < point ? point - 1 - last : point - last);
  if (zeros < 0) return false;
  int sign = *n->text == '-' ? -1 : 1;
  int64_t value = 0;
  for (const char *p = n->digits; p <= last; p++)
    if (*p != '.' && (__builtin_mul_overflow(value, 10, &value) ||
                      __builtin_add_overflow(value, sign * (*p - '0'), &value)))
      return false;
  for (; zeros > 0; zeros--)
    if (__builtin_mul_overflow(value, 10, &value)) return false;
  *result = value;
  return true;
}

static bool read_number(Reader *r, JsonValue *value) {
  NumberText n = {.text = r->at};
  const char *last;
  char small[64];
  if (!scan_number(r, &n)) return false;
  size_t length = (size_t)(n.end - n.text);
  char *text = length < sizeof small ? small : arena_alloc(r->file->arena, length + 1, 1);
  memcpy(text, n.text, length);
  text[length] = '\0';
  value->kind = JSON_NUMBER;
  value->number = strtod(text, NULL);
  value->is_integer = whole_number(&n, &value->integer);
  if (isinf(value->number)) return fail(r, n.text, "the number is too large for float64");
  if (value->number == 0 && last_digit(&n, &last))
    return fail(r, n.text, "the number is too small for float64");
  r->at = n.end;
  return true;
}

/* --- words --- */

static bool is_word_character(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool read_word(Reader *r, JsonValue *value) {
  static const char *const words[] = {"null", "false", "true"};
  enum { WORDS = sizeof words / sizeof *words };
  const char *start = r->at, *end = start;
  while (end < r->end && end - start < 32 && is_word_character((unsigned char)*end)) end++;
  if (end == start) return unexpected(r, "a value");
  const char *word = arena_strndup(r->file->arena, start, (size_t)(end - start));
  for (int i = 0; i < WORDS; i++)
    if (strcmp(word, words[i]) == 0) {
      value->kind = i ? JSON_BOOL : JSON_NULL;
      value->boolean = i == 2;
      r->at = end;
      return true;
    }
  const char *near = str_nearest(word, words, WORDS);
  if (near) return fail(r, start, "'%s' is no value: did you mean '%s'?", word, near);
  return fail(r, start, "'%s' is no value (texts stand between '\"')", word);
}

/* --- arrays and objects --- */

typedef enum { BROKEN, MORE, ENDED } Separator;

/* What follows an item or member: a comma and another one, or the end. */
static Separator read_separator(Reader *r, const JsonValue *list, char close) {
  skip_space(r);
  if (peek(r) == close) {
    r->at++;
    return ENDED;
  }
  if (peek(r) == ',') {
    const char *comma = r->at++;
    skip_space(r);
    if (peek(r) != close) return MORE;
    return (Separator)fail(r, comma, "a comma before '%c'", close);
  }
  if (peek(r) < 0)
    return (Separator)fail(r, r->at, "the text ends inside of the %s of line %d",
                           close == ']' ? "array" : "object", list->line);
  return (Separator)unexpected(r, close == ']' ? "',' or ']'" : "',' or '}'");
}

/* Whether there is nothing between the brackets; `r->at` goes behind the first, or both. */
static bool is_empty(Reader *r, char close) {
  r->at++;
  skip_space(r);
  if (peek(r) != close) return false;
  r->at++;
  return true;
}

static bool read_array(Reader *r, JsonValue *array) {
  size_t first = r->items.count;
  array->kind = JSON_ARRAY;
  if (is_empty(r, ']')) return true;
  Separator next = MORE;
  while (next == MORE) {
    const JsonValue *item = read_value(r, array, NULL, r->items.count - first);
    if (!item) return false;
    vec_push(r->file->arena, &r->items, item);
    next = read_separator(r, array, ']');
  }
  array->count = r->items.count - first;
  array->items =
      arena_copy(r->file->arena, r->items.items + first, array->count * sizeof *array->items);
  r->items.count = first;
  return next == ENDED;
}

static int compare_keys(const void *a, const void *b) {
  const JsonMember *one = *(const JsonMember *const *)a, *other = *(const JsonMember *const *)b;
  size_t length = one->key_length < other->key_length ? one->key_length : other->key_length;
  int order = memcmp(one->key, other->key, length);
  if (order) return order;
  if (one->key_length != other->key_length) return one->key_length < other->key_length ? -1 : 1;
  return one < other ? -1 : one > other; /* of two the same, the first one first */
}

/* Sorts the members for json_find, which brings keys that are there twice together. */
static void index_members(Reader *r, JsonValue *object) {
  const JsonMember **sorted = ARENA_ARRAY(r->file->arena, const JsonMember *, object->count);
  for (size_t i = 0; i < object->count; i++) sorted[i] = &object->members[i];
  qsort(sorted, object->count, sizeof *sorted, compare_keys);
  object->by_key = sorted;
  for (size_t i = 1; i < object->count; i++) {
    Duplicate two = {sorted[i - 1], sorted[i]};
    if (two.first->key_length == two.second->key_length &&
        memcmp(two.first->key, two.second->key, two.first->key_length) == 0)
      vec_push(r->file->arena, &r->duplicates, two);
  }
}

static bool read_member(Reader *r, const JsonValue *object, size_t index) {
  JsonMember member = {0};
  if (peek(r) != '"') return unexpected(r, "a key between '\"'");
  move_mark(r, r->at);
  member.line = r->line;
  member.column = r->column;
  if (!read_text(r, &member.key, &member.key_length)) return false;
  skip_space(r);
  if (peek(r) != ':') return unexpected(r, "':'");
  r->at++;
  member.value = read_value(r, object, &member, index);
  if (!member.value) return false;
  vec_push(r->file->arena, &r->members, member);
  return true;
}

static bool read_object(Reader *r, JsonValue *object) {
  size_t first = r->members.count;
  object->kind = JSON_OBJECT;
  if (is_empty(r, '}')) return true;
  Separator next = MORE;
  while (next == MORE) {
    if (!read_member(r, object, r->members.count - first)) return false;
    next = read_separator(r, object, '}');
  }
  if (next != ENDED) return false;
  object->count = r->members.count - first;
  object->members =
      arena_copy(r->file->arena, r->members.items + first, object->count * sizeof *object->members);
  r->members.count = first;
  index_members(r, object);
  return true;
}

static bool read_nested(Reader *r, JsonValue *value) {
  if (++r->depth > JSON_DEPTH) return fail(r, r->at, "more than %d levels", JSON_DEPTH);
  bool ok = *r->at == '[' ? read_array(r, value) : read_object(r, value);
  r->depth--;
  return ok;
}

static bool read_by_kind(Reader *r, JsonValue *value) {
  int c = peek(r);
  if (c == '[' || c == '{') return read_nested(r, value);
  if (c == '-' || (c >= '0' && c <= '9')) return read_number(r, value);
  if (c != '"') return read_word(r, value);
  value->kind = JSON_STRING;
  return read_text(r, &value->string, &value->length);
}

/* `member`: whose value it is, in an object; else NULL. */
static JsonValue *read_value(Reader *r, const JsonValue *parent, const JsonMember *member,
                             size_t index) {
  JsonValue *value = ARENA_NEW(r->file->arena, JsonValue);
  skip_space(r);
  move_mark(r, r->at);
  value->line = r->line;
  value->column = r->column;
  value->parent = parent;
  value->key = member ? member->key : NULL;
  value->index = index;
  return read_by_kind(r, value) ? value : NULL;
}

/* --- files --- */

static int compare_duplicates(const void *a, const void *b) {
  const JsonMember *one = ((const Duplicate *)a)->second, *other = ((const Duplicate *)b)->second;
  return one->line != other->line ? one->line - other->line : one->column - other->column;
}

static bool report_duplicates(Reader *r) {
  if (!r->duplicates.count) return true;
  qsort(r->duplicates.items, r->duplicates.count, sizeof(Duplicate), compare_duplicates);
  for (size_t i = 0; i < r->duplicates.count; i++) {
    const Duplicate *two = &r->duplicates.items[i];
    JsonValue place = *two->second->value;
    place.line = two->second->line;
    place.column = two->second->column;
    json_error(r->file, &place, "the same key stands in line %d, column %d", two->first->line,
               two->first->column);
  }
  return false;
}

bool json_parse(const char *path, const char *text, size_t size, Arena *arena, Diag *diag,
                JsonFile *file) {
  *file = (JsonFile){.path = path, .arena = arena, .diag = diag};
  if (size > JSON_BYTES)
    return diag_error(diag, path, "more than %d MiB of JSON", JSON_BYTES >> 20);
  if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) { /* some editors begin UTF-8 so */
    text += 3;
    size -= 3;
  }
  if (!size) text = "";
  Reader r = {.file = file, .at = text, .end = text + size, .mark = text};
  r.line = r.column = 1;
  const JsonValue *root = read_value(&r, NULL, NULL, 0);
  if (!root) return false;
  skip_space(&r);
  if (r.at < r.end) return unexpected(&r, "the end of the text");
  file->root = root;
  return report_duplicates(&r);
}

bool json_read(const char *path, Arena *arena, Diag *diag, JsonFile *file) {
  FileView view;
  *file = (JsonFile){.path = path, .arena = arena, .diag = diag};
  return file_map(path, &view, diag) &&
         json_parse(path, (const char *)view.data, view.size, arena, diag, file);
}
