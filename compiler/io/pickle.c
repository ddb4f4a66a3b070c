/* pickle.c: the instructions of pickle protocols 2 to 5 that describe data (Python's pickletools.py
 * documents them).
 *
 * An object of a class stays what the pickle says of it: the name of a callable, its arguments, its
 * state. For an object array that is numpy…_reconstruct(ndarray, (0,), b'b') with the state (1,
 * shape, dtype, fortran order, [items]), and for a numpy number numpy…scalar(dtype('f4'), b'…'). */
#include "io/pickle.h"

#include "base/str.h"
#include "base/vec.h"

#include <inttypes.h>
#include <string.h>

typedef enum {
  ITEM_MARK,
  ITEM_NONE,
  ITEM_INT,
  ITEM_REAL,
  ITEM_TEXT,
  ITEM_BYTES,
  ITEM_LIST,
  ITEM_DICT,
  ITEM_GLOBAL,
  ITEM_OBJECT
} ItemKind;

typedef struct Item Item;
typedef Vec(Item *) Items;

struct Item {
  ItemKind kind;
  int64_t i; /* also booleans */
  double real;
  const char *text; /* texts, bytes, and of a global "module.name" */
  size_t length;
  Items items;                              /* lists and tuples; dicts: key, value, key, value */
  const Item *callable, *arguments, *state; /* objects */
};

typedef struct {
  const uint8_t *at, *end;
  Arena *arena;
  Items stack, memo;
  const char *problem;
} Reader;

enum { MOST_ITEMS = 1 << 24 };

/* --- the stack --- */

static bool refuse(Reader *r, const char *problem) {
  if (!r->problem) r->problem = problem;
  return false;
}

static Item *push(Reader *r, ItemKind kind) {
  Item *item = ARENA_NEW(r->arena, Item);
  item->kind = kind;
  vec_push(r->arena, &r->stack, item);
  if (r->stack.count > MOST_ITEMS) refuse(r, "it is too large");
  return item;
}

/* The topmost item, removed; a place holder (and a problem) if there is none. */
static Item *pop(Reader *r) {
  if (r->stack.count) return r->stack.items[--r->stack.count];
  refuse(r, "it is damaged");
  return ARENA_NEW(r->arena, Item);
}

static Item *top(Reader *r) {
  if (r->stack.count) return r->stack.items[r->stack.count - 1];
  refuse(r, "it is damaged");
  return ARENA_NEW(r->arena, Item);
}

/* Index of the first item above the last mark. */
static size_t find_mark(Reader *r) {
  for (size_t i = r->stack.count; i > 0; i--)
    if (r->stack.items[i - 1]->kind == ITEM_MARK) return i;
  refuse(r, "it is damaged");
  return r->stack.count;
}

static void drop_mark(Reader *r, size_t first) {
  r->stack.count = first ? first - 1 : 0;
}

/* --- the input --- */

/* `count` bytes of input, NULL (and a problem) if there are not so many. */
static const uint8_t *take(Reader *r, uint64_t count) {
  if (count > (uint64_t)(r->end - r->at)) {
    refuse(r, "it is truncated");
    return NULL;
  }
  r->at += count;
  return r->at - count;
}

static uint64_t take_unsigned(Reader *r, int bytes) {
  const uint8_t *from = take(r, (uint64_t)bytes);
  uint64_t value = 0;
  for (int i = 0; from && i < bytes; i++) value |= (uint64_t)from[i] << (8 * i);
  return value;
}

/* Two's complement of up to eight bytes. */
static int64_t take_signed(Reader *r, int bytes) {
  uint64_t value = take_unsigned(r, bytes);
  if (bytes > 0 && bytes < 8 && value >> (8 * bytes - 1)) value |= UINT64_MAX << (8 * bytes);
  return (int64_t)value;
}

static double take_big_endian_real(Reader *r) {
  const uint8_t *from = take(r, 8);
  uint64_t bits = 0;
  double value;
  for (int i = 0; from && i < 8; i++) bits = bits << 8 | from[i];
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void push_int(Reader *r, int64_t value) {
  push(r, ITEM_INT)->i = value;
}

static void push_text(Reader *r, ItemKind kind, uint64_t length) {
  const uint8_t *from = take(r, length);
  Item *item = push(r, kind);
  item->length = from ? (size_t)length : 0;
  item->text = from ? arena_strndup(r->arena, (const char *)from, (size_t)length) : "";
}

/* --- instructions --- */

static void make_tuple(Reader *r, size_t first, bool marked) {
  Item *tuple = ARENA_NEW(r->arena, Item);
  tuple->kind = ITEM_LIST;
  for (size_t i = first; i < r->stack.count; i++)
    vec_push(r->arena, &tuple->items, r->stack.items[i]);
  if (marked)
    drop_mark(r, first);
  else
    r->stack.count = first;
  vec_push(r->arena, &r->stack, tuple);
}

static void make_short_tuple(Reader *r, size_t count) {
  if (r->stack.count < count)
    refuse(r, "it is damaged");
  else
    make_tuple(r, r->stack.count - count, false);
}

/* What lies above the mark goes into the list or dict below it. */
static void add_items(Reader *r, ItemKind kind) {
  size_t first = find_mark(r);
  Items items = r->stack;
  drop_mark(r, first);
  Item *target = top(r);
  if (target->kind != kind) {
    refuse(r, "it is damaged");
    return;
  }
  for (size_t i = first; i < items.count; i++) vec_push(r->arena, &target->items, items.items[i]);
}

static void add_one(Reader *r, ItemKind kind) {
  Item *value = pop(r), *key = kind == ITEM_DICT ? pop(r) : NULL, *target = top(r);
  if (target->kind != kind) {
    refuse(r, "it is damaged");
    return;
  }
  if (key) vec_push(r->arena, &target->items, key);
  vec_push(r->arena, &target->items, value);
}

static void push_global(Reader *r, const char *module, const char *name) {
  Item *item = push(r, ITEM_GLOBAL);
  item->text = arena_printf(r->arena, "%s.%s", module, name);
}

/* A line of text up to '\n'. */
static const char *take_line(Reader *r) {
  const uint8_t *end = memchr(r->at, '\n', (size_t)(r->end - r->at));
  if (!end) {
    refuse(r, "it is truncated");
    return "";
  }
  const char *line = arena_strndup(r->arena, (const char *)r->at, (size_t)(end - r->at));
  r->at = end + 1;
  return line;
}

static void make_object(Reader *r) {
  const Item *arguments = pop(r), *callable = pop(r);
  Item *object = push(r, ITEM_OBJECT);
  object->callable = callable;
  object->arguments = arguments;
}

static void set_state(Reader *r) {
  const Item *state = pop(r);
  top(r)->state = state;
}

static void memo_put(Reader *r, uint64_t index) {
  Item *item = top(r);
  if (index > MOST_ITEMS) refuse(r, "it is damaged");
  if (r->problem) return;
  while (r->memo.count <= index) vec_push(r->arena, &r->memo, (Item *)NULL);
  r->memo.items[index] = item;
}

static void memo_get(Reader *r, uint64_t index) {
  if (index >= r->memo.count || !r->memo.items[index])
    refuse(r, "it is damaged");
  else
    vec_push(r->arena, &r->stack, r->memo.items[index]);
}

/* A flat switch: one line an instruction, named as in pickletools. False at the end. */
static bool step(Reader *r) {
  const uint8_t *code = take(r, 1);
  const char *text;
  if (!code) return false;
  switch (*code) {
  case 0x80: take(r, 1); break;                               /* PROTO */
  case 0x95: take(r, 8); break;                               /* FRAME */
  case '.': return false;                                     /* STOP */
  case '(': push(r, ITEM_MARK); break;                        /* MARK */
  case '0': pop(r); break;                                    /* POP */
  case 'N': push(r, ITEM_NONE); break;                        /* NONE */
  case 0x88: push_int(r, 1); break;                           /* NEWTRUE */
  case 0x89: push_int(r, 0); break;                           /* NEWFALSE */
  case 'K': push_int(r, take_signed(r, 1) & 255); break;      /* BININT1 */
  case 'M': push_int(r, (int64_t)take_unsigned(r, 2)); break; /* BININT2 */
  case 'J': push_int(r, take_signed(r, 4)); break;            /* BININT */
  case 0x8a: {                                                /* LONG1 */
    uint64_t bytes = take_unsigned(r, 1);
    if (bytes > 8) return refuse(r, "it holds a number of more than 64 bits");
    push_int(r, take_signed(r, (int)bytes));
    break;
  }
  case 'G': push(r, ITEM_REAL)->real = take_big_endian_real(r); break; /* BINFLOAT */
  case 0x8c: push_text(r, ITEM_TEXT, take_unsigned(r, 1)); break;      /* SHORT_BINUNICODE */
  case 'X': push_text(r, ITEM_TEXT, take_unsigned(r, 4)); break;       /* BINUNICODE */
  case 0x8d: push_text(r, ITEM_TEXT, take_unsigned(r, 8)); break;      /* BINUNICODE8 */
  case 'C': push_text(r, ITEM_BYTES, take_unsigned(r, 1)); break;      /* SHORT_BINBYTES */
  case 'B': push_text(r, ITEM_BYTES, take_unsigned(r, 4)); break;      /* BINBYTES */
  case 0x8e: push_text(r, ITEM_BYTES, take_unsigned(r, 8)); break;     /* BINBYTES8 */
  case ')':
  case ']': push(r, ITEM_LIST); break;      /* EMPTY_TUPLE, EMPTY_LIST */
  case '}': push(r, ITEM_DICT); break;      /* EMPTY_DICT */
  case 0x85: make_short_tuple(r, 1); break; /* TUPLE1 */
  case 0x86: make_short_tuple(r, 2); break; /* TUPLE2 */
  case 0x87: make_short_tuple(r, 3); break; /* TUPLE3 */
  case 't':
  case 'l': make_tuple(r, find_mark(r), true); break; /* TUPLE, LIST */
  case 'a': add_one(r, ITEM_LIST); break;             /* APPEND */
  case 'e': add_items(r, ITEM_LIST); break;           /* APPENDS */
  case 's': add_one(r, ITEM_DICT); break;             /* SETITEM */
  case 'u': add_items(r, ITEM_DICT); break;           /* SETITEMS */
  case 'c':                                           /* GLOBAL */
    text = take_line(r);
    push_global(r, text, take_line(r));
    break;
  case 0x93: { /* STACK_GLOBAL */
    const Item *name = pop(r), *module = pop(r);
    if (name->kind != ITEM_TEXT || module->kind != ITEM_TEXT) return refuse(r, "it is damaged");
    push_global(r, module->text, name->text);
    break;
  }
  case 'R': make_object(r); break;                   /* REDUCE */
  case 'b': set_state(r); break;                     /* BUILD */
  case 0x94: memo_put(r, r->memo.count); break;      /* MEMOIZE */
  case 'q': memo_put(r, take_unsigned(r, 1)); break; /* BINPUT */
  case 'r': memo_put(r, take_unsigned(r, 4)); break; /* LONG_BINPUT */
  case 'h': memo_get(r, take_unsigned(r, 1)); break; /* BINGET */
  case 'j': memo_get(r, take_unsigned(r, 4)); break; /* LONG_BINGET */
  default: return refuse(r, "it holds more than plain data");
  }
  return !r->problem;
}

/* --- what it means --- */

/* Whether `item` is a call of numpy's function `name`, in whichever module this version of numpy
 * has it. */
static bool is_numpy(const Item *item, const char *name) {
  if (!item || item->kind != ITEM_OBJECT || item->callable->kind != ITEM_GLOBAL) return false;
  const char *full = item->callable->text, *dot = strrchr(full, '.');
  return strncmp(full, "numpy", 5) == 0 && strcmp(dot + 1, name) == 0;
}

/* The text of a dtype object, "" if it is none. */
static const char *dtype_text(const Item *item) {
  if (!is_numpy(item, "dtype") || !item->arguments->items.count) return "";
  const Item *name = item->arguments->items.items[0];
  return name->kind == ITEM_TEXT || name->kind == ITEM_BYTES ? name->text : "";
}

/* numpy.float32(…) and its like: number(dtype, bytes). */
static bool numpy_number(const Item *item, double *value) {
  if (!is_numpy(item, "scalar") || item->arguments->items.count != 2) return false;
  const char *type = dtype_text(item->arguments->items.items[0]);
  const Item *bytes = item->arguments->items.items[1];
  float single;
  int64_t whole;
  if (strcmp(type, "f4") == 0 && bytes->length == sizeof single) {
    memcpy(&single, bytes->text, sizeof single);
    *value = (double)single;
  } else if (strcmp(type, "f8") == 0 && bytes->length == sizeof *value) {
    memcpy(value, bytes->text, sizeof *value);
  } else if (strcmp(type, "i8") == 0 && bytes->length == sizeof whole) {
    memcpy(&whole, bytes->text, sizeof whole);
    *value = (double)whole;
  } else {
    return false;
  }
  return true;
}

static bool number(const Item *item, double *value) {
  if (item->kind == ITEM_REAL) return *value = item->real, true;
  if (item->kind == ITEM_INT) return *value = (double)item->i, true;
  return numpy_number(item, value);
}

/* A key as text, NULL if it is neither text nor an integer. */
static const char *label(Arena *arena, const Item *item) {
  double value;
  if (item->kind == ITEM_TEXT) return item->text;
  if (item->kind == ITEM_INT) return arena_printf(arena, "%" PRId64, item->i);
  return numpy_number(item, &value) ? arena_printf(arena, "%.0f", value) : NULL;
}

/* The objects of an object array, or a list as it is; NULL for anything else. */
static const Items *rows_of(const Item *item) {
  if (item->kind == ITEM_LIST) return &item->items;
  if (!is_numpy(item, "_reconstruct") || !item->state || item->state->kind != ITEM_LIST)
    return NULL;
  const Items *state = &item->state->items;
  if (state->count != 5 || dtype_text(state->items[2])[0] != 'O') return NULL;
  return state->items[4]->kind == ITEM_LIST ? &state->items[4]->items : NULL;
}

static bool read_labels(Reader *r, const Item *dict, ScoreTable *table) {
  if (dict->kind != ITEM_DICT || !dict->items.count) return refuse(r, "it is no list of dicts");
  table->column_count = (int)(dict->items.count / 2);
  table->labels = ARENA_ARRAY(r->arena, const char *, table->column_count);
  for (int c = 0; c < table->column_count; c++)
    if (!(table->labels[c] = label(r->arena, dict->items.items[2 * c])))
      return refuse(r, "a key is neither text nor an integer");
  return true;
}

static bool read_row(Reader *r, const Item *dict, const ScoreTable *table, double *row) {
  if (dict->kind != ITEM_DICT || dict->items.count != (size_t)table->column_count * 2)
    return refuse(r, "its dicts do not have the same keys");
  for (int c = 0; c < table->column_count; c++) {
    const char *key = label(r->arena, dict->items.items[2 * c]);
    if (!key || strcmp(key, table->labels[c]) != 0)
      return refuse(r, "its dicts do not have the same keys");
    if (!number(dict->items.items[2 * c + 1], &row[c])) return refuse(r, "a value is no number");
  }
  return true;
}

static bool read_table(Reader *r, const Items *rows, ScoreTable *table) {
  if (!rows || !rows->count) return refuse(r, "it is no list of dicts");
  if (!read_labels(r, rows->items[0], table)) return false;
  const int64_t dims[2] = {(int64_t)rows->count, table->column_count};
  void *data;
  table->values = tensor_create(r->arena, DT_F64, 2, dims, &data);
  for (size_t i = 0; i < rows->count; i++)
    if (!read_row(r, rows->items[i], table, (double *)data + i * (size_t)table->column_count))
      return false;
  return true;
}

bool pickle_read_scores(const void *bytes, size_t size, Arena *arena, ScoreTable *table,
                        const char **problem) {
  const uint8_t *start = bytes;
  Reader r = {.at = start, .end = start + size, .arena = arena};
  while (step(&r)) continue;
  const Item *result = r.problem ? NULL : pop(&r);
  bool ok = !r.problem && read_table(&r, rows_of(result), table);
  *problem = r.problem;
  return ok;
}
