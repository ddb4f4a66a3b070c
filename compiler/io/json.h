/* json.h: JSON texts as trees that know where everything stands.
 *
 * Each value has its line, column and place in the tree, so that whatever reads it can say exactly
 * what is wrong where. Texts are RFC 8259: UTF-8, no comments. Refused as well are duplicate keys,
 * lone surrogates, numbers beyond float64, and more than JSON_DEPTH levels or JSON_BYTES bytes, so
 * that a hostile file costs no more than its size.
 *
 * Not for files that include jansson.h, which writes our reports: names of the two collide. */
#ifndef CTC_IO_JSON_H
#define CTC_IO_JSON_H

#include "base/arena.h"
#include "base/diag.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_DEPTH = 200, JSON_BYTES = 128 << 20 };

typedef enum { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } JsonKind;

typedef struct JsonValue JsonValue;

typedef struct {
  const char *key; /* UTF-8, ended by 0, may hold 0 */
  size_t key_length;
  int line, column; /* of the key */
  const JsonValue *value;
} JsonMember;

struct JsonValue {
  JsonKind kind;
  int line, column;        /* from 1; columns count characters */
  const JsonValue *parent; /* NULL: the root */
  const char *key;         /* in an object; else NULL */
  size_t index;            /* in the parent */

  bool boolean;
  double number;
  bool is_integer; /* `number` is whole and fits `integer`, as 3, 3.0 and 3e0 do */
  int64_t integer;
  const char *string;              /* UTF-8, ended by 0, may hold 0 */
  size_t length;                   /* bytes of `string` */
  const JsonValue *const *items;   /* of an array */
  const JsonMember *members;       /* of an object, in order */
  const JsonMember *const *by_key; /* the same, sorted */
  size_t count;                    /* of items or members */
};

typedef struct {
  const char *path;
  const JsonValue *root;
  Arena *arena;
  Diag *diag;
} JsonFile;

/* Report every error with line and column; one syntax error ends reading. */
MUST_CHECK bool json_read(const char *path, Arena *arena, Diag *diag, JsonFile *file);
MUST_CHECK bool json_parse(const char *path, const char *text, size_t size, Arena *arena,
                           Diag *diag, JsonFile *file);

/* In time that grows with the logarithm of the members. NULL: not there, or not an object. */
const JsonMember *json_find(const JsonValue *object, const char *key, size_t key_length);
const JsonValue *json_member(const JsonValue *object, const char *key);
/* Members of known kinds, as a schema has checked; `missing` or false if they are not there. */
const char *json_member_text(const JsonValue *object, const char *key, const char *missing);
double json_member_number(const JsonValue *object, const char *key, double missing);
bool json_member_flag(const JsonValue *object, const char *key);
/* RFC 6901: "/layers/3/kernel_size"; "" is the root. Control characters as in JSON texts. */
const char *json_pointer(Arena *arena, const JsonValue *value);
/* "net.json:12:7: /layers/3/kernel_size"; "net.json:1:1" is the root. */
const char *json_where(const JsonFile *file, const JsonValue *value);
/* An error at `at`; false. */
bool json_error(const JsonFile *file, const JsonValue *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As JSON Schema compares: 1 and 1.0 are the same, the order of members does not matter. */
bool json_equal(const JsonValue *a, const JsonValue *b);
/* An order of all values, for sorting; 0 where they are equal. */
int json_compare(const JsonValue *a, const JsonValue *b);
/* "a number", "an object", … */
const char *json_kind_name(const JsonValue *value);
/* A value as messages show it: 3, "zeros" (cut if long), an array. */
const char *json_show(Arena *arena, const JsonValue *value);
const char *json_show_text(Arena *arena, const char *text, size_t length);

#endif
