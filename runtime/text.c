/* text.c: strings: comparing, joining, splitting, normalising, matching.
 *
 * New strings stand one behind the other in a pool, a part of the workspace that nothing else uses
 * during the run: pool[0] counts the bytes in use, pool[1] is how many there are, and behind these
 * stand the bytes. */

/* An element of a string tensor: UTF-8 that a 0 byte ends. Never null. */
typedef const char *ctc_text;

/* Makes a pool of so many bytes, without strings. */
static void ctc_text_start(int64_t *pool, ctc_dim bytes) {
  pool[0] = 0;
  pool[1] = bytes;
}

/* Room for a string of n bytes and its end in the pool; null if there is not so much left. */
static inline char *ctc_text_room(int64_t *pool, size_t n) {
  char *room = (char *)(pool + 2) + pool[0];
  if (n >= (size_t)(pool[1] - pool[0])) return NULL;
  pool[0] += (int64_t)n + 1;
  return room;
}

/* A string of these n bytes; null if the pool is full. */
static inline ctc_text ctc_text_copy(int64_t *pool, const char *from, size_t n) {
  char *to = ctc_text_room(pool, n);
  if (!to) return NULL;
  memcpy(to, from, n);
  to[n] = 0;
  return to;
}

/* Whether two strings are the same. */
static inline ctc_bool ctc_equal_string(ctc_text a, ctc_text b) {
  return strcmp(a, b) == 0;
}

/* StringConcat: y = a, then b. */
static int ctc_string_concat(const ctc_text *a, const ctc_text *b, ctc_text *y, int64_t *pool,
                             ctc_dim n) {
  for (ctc_dim i = 0; i < n; i++) {
    size_t first = strlen(a[i]), second = strlen(b[i]);
    char *to = ctc_text_room(pool, first + second);
    if (!to) return CTC_CAPACITY_TOO_SMALL;
    memcpy(to, a[i], first);
    memcpy(to + first, b[i], second + 1);
    y[i] = to;
  }
  return CTC_OK;
}

/* --- StringSplit --- */

/* What separates words. */
static inline int ctc_is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The piece that begins at *at, `length` bytes; null if there is none. Moves *at behind it and its
 * delimiter, to null behind the last one. An empty delimiter stands for blanks, as many as there
 * are. `last`: the rest is one piece. */
static inline ctc_text ctc_split_piece(ctc_text *at, ctc_text delimiter, int last, size_t *length) {
  ctc_text from = *at, to = NULL;
  if (!from) return NULL;
  if (!*delimiter) {
    while (ctc_is_blank(*from)) from++;
    if (!*from) return NULL;
    for (to = from; *to && (last || !ctc_is_blank(*to));) to++;
    *at = to;
  } else {
    if (!last) to = strstr(from, delimiter);
    *at = to ? to + strlen(delimiter) : NULL;
  }
  *length = to ? (size_t)(to - from) : strlen(from);
  return from;
}

/* counts[i] = pieces of x[i], at most `splits` + 1 unless that is negative; most[0] = the largest
 * of them. */
static void ctc_string_split_count(const ctc_text *x, const ctc_text *delimiter, int64_t *counts,
                                   int64_t *most, ctc_dim n, ctc_dim splits) {
  most[0] = 0;
  for (ctc_dim i = 0; i < n; i++) {
    ctc_text at = x[i];
    size_t length;
    counts[i] = 0;
    while (ctc_split_piece(&at, delimiter[0], counts[i] == splits, &length)) counts[i]++;
    if (counts[i] > most[0]) most[0] = counts[i];
  }
}

/* y[i * width + k] = piece k of x[i], "" behind the last one. */
static int ctc_string_split(const ctc_text *x, const ctc_text *delimiter, ctc_text *y,
                            int64_t *pool, ctc_dim n, ctc_dim width, ctc_dim splits) {
  for (ctc_dim i = 0; i < n; i++) {
    ctc_text at = x[i];
    for (ctc_dim k = 0; k < width; k++) {
      size_t length;
      ctc_text piece = ctc_split_piece(&at, delimiter[0], k == splits, &length);
      y[i * width + k] = piece ? ctc_text_copy(pool, piece, length) : "";
      if (!y[i * width + k]) return CTC_CAPACITY_TOO_SMALL;
      if (!piece) at = NULL;
    }
  }
  return CTC_OK;
}

/* --- code points --- */

/* What is added to a byte that is not part of UTF-8, to make a number that no code point has. */
enum { CTC_STRAY_BYTE = 0x110000 };

/* The code point at *at, which moves behind it. Stray bytes give CTC_STRAY_BYTE + byte. */
static inline uint32_t ctc_utf8_read(ctc_text *at) {
  const unsigned char *bytes = (const unsigned char *)*at;
  const uint32_t lead = bytes[0];
  const int more = lead < 0x80 ? 0 : lead < 0xC2 ? -1 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  uint32_t code = more > 0 ? lead & (0x3Fu >> more) : lead;
  int k = 1;
  for (; k <= more && (bytes[k] & 0xC0) == 0x80; k++) code = code << 6 | (bytes[k] & 0x3Fu);
  const int stray = more < 0 || k <= more || lead > 0xF4 || code > 0x10FFFF ||
                    (more == 2 && (code < 0x800 || code >> 11 == 0x1B)) ||
                    (more == 3 && code < 0x10000);
  *at += stray ? 1 : k;
  return stray ? CTC_STRAY_BYTE + lead : code;
}

/* The bytes of a code point, or a stray byte, as ctc_utf8_read gives them; how many they are. */
static inline size_t ctc_utf8_write(char *to, uint32_t code) {
  const int more = code >= CTC_STRAY_BYTE || code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  const uint32_t lead = more ? (0xFF00u >> (more + 1) & 0xFFu) | code >> 6 * more : code;
  to[0] = (char)(unsigned char)(lead & 0xFF);
  for (int k = 1; k <= more; k++)
    to[k] = (char)(unsigned char)(0x80u | (code >> 6 * (more - k) & 0x3Fu));
  return (size_t)more + 1;
}

/* --- StringNormalizer --- */

enum { CTC_CASE_NONE, CTC_CASE_LOWER, CTC_CASE_UPPER };

/* Whether two strings are the same when both are in lower case. */
static inline int ctc_text_same_lower(ctc_text a, ctc_text b) {
  while (*a && *b)
    if (ctc_case_lower_u32(ctc_utf8_read(&a)) != ctc_case_lower_u32(ctc_utf8_read(&b))) return 0;
  return *a == *b;
}

/* The string in lower or upper case; null if the pool is full. */
static inline ctc_text ctc_text_cased(int64_t *pool, ctc_text from, ctc_dim change) {
  size_t bytes = 0;
  for (ctc_text at = from; *at;) {
    char room[4];
    const uint32_t code = ctc_utf8_read(&at);
    bytes += ctc_utf8_write(room, change == CTC_CASE_UPPER ? ctc_case_upper_u32(code)
                                                           : ctc_case_lower_u32(code));
  }
  char *to = ctc_text_room(pool, bytes), *end = to;
  if (!to) return NULL;
  while (*from) {
    const uint32_t code = ctc_utf8_read(&from);
    end += ctc_utf8_write(end, change == CTC_CASE_UPPER ? ctc_case_upper_u32(code)
                                                        : ctc_case_lower_u32(code));
  }
  *end = 0;
  return to;
}

/* StringNormalizer: the strings of x that are no stop word, in another case if `change` says so;
 * one empty string if none is left. count[0] = how many. Stop words are looked for before the case
 * changes; without `sensitive` case does not matter. y: room for n, at least 1. */
static int ctc_string_normalize(const ctc_text *x, const ctc_text *stops, ctc_text *y,
                                int64_t *count, int64_t *pool, ctc_dim n, ctc_dim stop_count,
                                ctc_dim change, ctc_dim sensitive) {
  ctc_dim kept = 0;
  for (ctc_dim i = 0; i < n; i++) {
    ctc_dim s = 0;
    while (s < stop_count &&
           !(sensitive ? strcmp(x[i], stops[s]) == 0 : ctc_text_same_lower(x[i], stops[s])))
      s++;
    if (s < stop_count) continue;
    y[kept] = change == CTC_CASE_NONE ? x[i] : ctc_text_cased(pool, x[i], change);
    if (!y[kept++]) return CTC_CAPACITY_TOO_SMALL;
  }
  if (kept == 0) y[kept++] = "";
  count[0] = kept;
  return CTC_OK;
}

/* --- RegexFullMatch --- */

/* y[i] = whether all of x[i] takes the automaton from state 1 to one that accepts. classes [256]:
 * the class of each byte; next [states][width]: the state behind a byte of each class, 0 where
 * nothing can match any more. */
static void ctc_string_match(const ctc_text *x, const uint8_t *classes, const uint16_t *next,
                             const uint8_t *accepts, ctc_bool *y, ctc_dim n, ctc_dim width) {
  for (ctc_dim i = 0; i < n; i++) {
    const unsigned char *at = (const unsigned char *)x[i];
    ctc_dim state = 1;
    for (; *at && state; at++) state = next[state * width + classes[*at]];
    y[i] = accepts[state];
  }
}
