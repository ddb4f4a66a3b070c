/* test_json.c: the reader of JSON texts: values, places, errors, hostile texts. */
#include "json_test.h"

#include <time.h>
#include <unistd.h>

/* --- values --- */

static void test_kinds(void **state) {
  (void)state;
  const JsonValue *root = parse(" [null, true, false, -1.5, \"a\", [], {\"k\": 1}]\r\n").root;
  static const JsonKind kinds[] = {JSON_NULL,   JSON_BOOL,  JSON_BOOL,  JSON_NUMBER,
                                   JSON_STRING, JSON_ARRAY, JSON_OBJECT};
  static const char *const names[] = {"null",     "a boolean", "a boolean", "a number",
                                      "a string", "an array",  "an object"};
  assert_int_equal(root->kind, JSON_ARRAY);
  assert_int_equal(root->count, 7);
  for (size_t i = 0; i < 7; i++) {
    assert_int_equal(root->items[i]->kind, kinds[i]);
    assert_string_equal(json_kind_name(root->items[i]), names[i]);
    assert_ptr_equal(root->items[i]->parent, root);
    assert_int_equal(root->items[i]->index, i);
  }
  assert_true(root->items[1]->boolean);
  assert_false(root->items[2]->boolean);
  assert_true(root->items[3]->number == -1.5);
  assert_int_equal(json_member(root->items[6], "k")->integer, 1);
  assert_string_equal(root->items[6]->members[0].value->key, "k");
}

static void test_numbers(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool whole;
    int64_t integer;
  } cases[] = {
      {"0", true, 0},
      {"-0", true, 0},
      {"0.000e5", true, 0},
      {"3.0", true, 3},
      {"3e0", true, 3},
      {"1e3", true, 1000},
      {"12.50e1", true, 125},
      {"1230e-1", true, 123},
      {"-1000E-3", true, -1},
      {"123e-1", false, 0},
      {"0.5", false, 0},
      {"0.99999999999999999999", false, 0},         /* float64 has 1 */
      {"9007199254740993", true, 9007199254740993}, /* float64 has ...992 */
      {"9007199254740993.5", false, 0},
      {"9223372036854775807", true, INT64_MAX},
      {"-9223372036854775808", true, INT64_MIN},
      {"9223372036854775808", false, 0},
      {"-9223372036854775809", false, 0},
      {"1e18", true, 1000000000000000000},
      {"1e19", false, 0},
      {"1e308", false, 0},
      {"0.0000000000000000000000000000001e31", true, 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const JsonValue *value = parse(cases[i].text).root;
    assert_int_equal(value->kind, JSON_NUMBER);
    assert_true(value->number == strtod(cases[i].text, NULL));
    if (value->is_integer != cases[i].whole) fail_msg("%s: whole?", cases[i].text);
    if (value->is_integer) assert_true(value->integer == cases[i].integer);
  }
}

/* A mantissa as long as its exponent is large. */
static void test_long_numbers(void **state) {
  (void)state;
  enum { ZEROS = 100000 };
  char *text = arena_alloc(arena, 2 * ZEROS, 1);
  memset(text, '0', ZEROS);
  text[0] = '1';
  sprintf(text + ZEROS, "e-%d", ZEROS - 1);
  const JsonValue *value = parse(text).root;
  assert_true(value->is_integer && value->integer == 1 && value->number == 1);
  text[0] = '0';
  text[1] = '.';
  sprintf(text + ZEROS, "7e%d", ZEROS - 1);
  value = parse(text).root;
  assert_true(value->is_integer && value->integer == 7 && value->number == 7);
}

static void test_texts(void **state) {
  (void)state;
  static const struct {
    const char *text, *meant;
    size_t length;
  } cases[] = {
      {"\"\"", "", 0},
      {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
      {"\"\\u0041\\u00e9\\u20AC\\uD83D\\uDE00\"", "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 10},
      {"\"a\\u0000b\"", "a\0b", 3},
      {"\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF\x7F\"",
       "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF\x7F", 14},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const JsonValue *value = parse(cases[i].text).root;
    assert_int_equal(value->length, cases[i].length);
    assert_memory_equal(value->string, cases[i].meant, cases[i].length + 1);
  }
}

static void test_members(void **state) {
  (void)state;
  const JsonValue *object =
      parse("{\"b\": 1, \"a\": 2, \"\": 3, \"a\\u0000\": 4, \"ab\": 5, \"\xC3\xA9\": 6}").root;
  static const char *const keys[] = {"b", "a", "", "a\0", "ab", "\xC3\xA9"};
  static const size_t lengths[] = {1, 1, 0, 2, 2, 2};
  for (size_t i = 0; i < 6; i++)
    assert_ptr_equal(json_find(object, keys[i], lengths[i]), &object->members[i]);
  assert_int_equal(json_member(object, "a")->integer, 2);
  assert_null(json_member(object, "c"));
  assert_null(json_member(object->members[0].value, "b"));
  assert_null(json_member(parse("{}").root, ""));
}

static void test_equal(void **state) {
  (void)state;
  static const struct {
    const char *a, *b;
    bool equal;
  } cases[] = {
      {"1", "1.0", true},
      {"-0", "0.0", true},
      {"1", "true", false},
      {"0", "false", false},
      {"\"1\"", "1", false},
      {"null", "false", false},
      {"9007199254740993", "9007199254740992", false},
      {"1e300", "10e299", true},
      {"[1, 2]", "[1, 2.0]", true},
      {"[1, 2]", "[2, 1]", false},
      {"[1]", "[1, 1]", false},
      {"{\"a\": 1, \"b\": [2]}", "{\"b\": [2.0], \"a\": 1}", true},
      {"{\"a\": 1}", "{\"a\": 1, \"b\": 1}", false},
      {"{\"a\": 1}", "{\"b\": 1}", false},
      {"\"a\\u0000\"", "\"a\"", false},
      {"\"\\u00e9\"", "\"\xC3\xA9\"", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const JsonValue *a = parse(cases[i].a).root, *b = parse(cases[i].b).root;
    if (json_equal(a, b) != cases[i].equal) fail_msg("%s and %s", cases[i].a, cases[i].b);
    assert_true((json_compare(a, b) < 0) == (json_compare(b, a) > 0));
  }
}

/* --- places --- */

static void test_places(void **state) {
  (void)state;
  JsonFile file =
      parse("{\n  \"\xC3\xA9\": \"\xE2\x82\xAC\", \"a/b~c\": [1,\r\n\t{\"x\\u001by\": 2}]}");
  const JsonValue *list = json_member(file.root, "a/b~c");
  const JsonValue *inner = list->items[1]->members[0].value;
  assert_string_equal(json_where(&file, file.root), "t.json:1:1");
  assert_string_equal(json_where(&file, file.root->members[0].value), "t.json:2:8: /\xC3\xA9");
  assert_string_equal(json_where(&file, list), "t.json:2:22: /a~1b~0c");
  assert_int_equal(file.root->members[1].line, 2);
  assert_int_equal(file.root->members[1].column, 13);
  assert_string_equal(json_where(&file, inner), "t.json:3:15: /a~1b~0c/1/x\\u001by");
  assert_string_equal(json_pointer(arena, inner), "/a~1b~0c/1/x\\u001by");
  assert_string_equal(json_pointer(arena, file.root), "");
  assert_false(json_error(&file, inner, "is %d", 2));
  assert_string_equal(messages(), "t.json:3:15: /a~1b~0c/1/x\\u001by: error: is 2\n");
}

static void test_byte_order_mark(void **state) {
  (void)state;
  const JsonValue *root = parse("\xEF\xBB\xBF[1]").root;
  assert_int_equal(root->column, 1);
}

static void test_show(void **state) {
  (void)state;
  const JsonValue *list = parse("[12, 0.5, \"a\\u001b\", true, [1], null]").root;
  static const char *const shown[] = {"12", "0.5", "\"a\\u001b\"", "true", "an array", "null"};
  for (size_t i = 0; i < 6; i++) assert_string_equal(json_show(arena, list->items[i]), shown[i]);
  char text[200];
  for (size_t i = 0; i < 100; i++) memcpy(text + 2 * i, "\xC3\xA9", 2);
  const char *cut = json_show_text(arena, text + 1, 199); /* the cut must not part a character */
  assert_true(strlen(cut) < 80 && strstr(cut, "\xC3\xA9…\""));
}

/* --- errors --- */

static void test_refused(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"", "1:1: error: expected a value, not the end of the text"},
      {" \n ", "2:2: error: expected a value, not the end of the text"},
      {"[1, 2,]", "1:6: error: a comma before ']'"},
      {"{\"a\": 1,\n}", "1:8: error: a comma before '}'"},
      {"[1 2]", "1:4: error: expected ',' or ']', not '2'"},
      {"[1", "1:3: error: the text ends inside of the array of line 1"},
      {"\n{\"a\": 1", "2:8: error: the text ends inside of the object of line 2"},
      {"{\"a\" 1}", "1:6: error: expected ':', not '1'"},
      {"{a: 1}", "1:2: error: expected a key between '\"', not 'a'"},
      {"{'a': 1}", "1:2: error: texts stand between '\"' in JSON"},
      {"[1] 2", "1:5: error: expected the end of the text, not '2'"},
      {"[1, // one\n 2]", "1:5: error: JSON has no comments"},
      {"True", "1:1: error: 'True' is no value: did you mean 'true'?"},
      {"nan", "1:1: error: 'nan' is no value (texts stand between '\"')"},
      {"[,]", "1:2: error: expected a value, not ','"},
      {"\x01", "1:1: error: expected a value, not the byte 0x01"},
      {"\xC3\xA9", "1:1: error: expected a value, not the byte 0xc3"},
      {"01", "1:1: error: a number must not start with zeros"},
      {"-", "1:2: error: a number needs a digit here"},
      {"[-a]", "1:3: error: a number needs a digit here"},
      {"+1", "1:1: error: expected a value, not '+'"},
      {".5", "1:1: error: expected a value, not '.'"},
      {"1.", "1:3: error: a digit must follow the '.' of a number"},
      {"1.e3", "1:3: error: a digit must follow the '.' of a number"},
      {"1e", "1:3: error: the exponent of a number needs a digit"},
      {"1e+", "1:4: error: the exponent of a number needs a digit"},
      {"1e309", "1:1: error: the number is too large for float64"},
      {"-1e99999999999999999999", "1:1: error: the number is too large for float64"},
      {"1e-400", "1:1: error: the number is too small for float64"},
      {"0x10", "1:2: error: expected the end of the text, not 'x'"},
      {"\"abc", "1:1: error: the text that starts here has no closing '\"'"},
      {"\"abc\\\"", "1:1: error: the text that starts here has no closing '\"'"},
      {"\"ab\nc\"", "1:4: error: the text has no closing '\"' in its line"},
      {"\"a\tb\"", "1:3: error: control characters in texts must be written as \\uXXXX"},
      {"\"\\a\"", "1:2: error: JSON has no such escape (a backslash is \"\\\\\")"},
      {"\"\\u12g4\"", "1:2: error: '\\u' needs four hexadecimal digits"},
      {"\"\\u12\"", "1:2: error: '\\u' needs four hexadecimal digits"},
      {"\"\\ud800\"", "1:2: error: '\\ud800' is half of a surrogate pair"},
      {"\"\\ud800\\u0041\"", "1:2: error: '\\ud800' is half of a surrogate pair"},
      {"\"\\uDC00\\uD800\"", "1:2: error: '\\uDC00' is half of a surrogate pair"},
      {"\"a\xFF\"", "1:3: error: the byte 0xff is not UTF-8 here"},
      {"\"\xC0\xAF\"", "1:2: error: the byte 0xc0 is not UTF-8 here"}, /* detours */
      {"\"\xE0\x9F\xBF\"", "1:2: error: the byte 0xe0 is not UTF-8 here"},
      {"\"\xF0\x8F\xBF\xBF\"", "1:2: error: the byte 0xf0 is not UTF-8 here"},
      {"\"\xED\xA0\x80\"", "1:2: error: the byte 0xed is not UTF-8 here"},     /* a surrogate */
      {"\"\xF4\x90\x80\x80\"", "1:2: error: the byte 0xf4 is not UTF-8 here"}, /* U+110000 */
      {"\"\xE2\x82\"", "1:2: error: the byte 0xe2 is not UTF-8 here"},         /* cut off */
      {"\"\x80\"", "1:2: error: the byte 0x80 is not UTF-8 here"},
      {"\xFF\xFE[", "1:1: error: expected a value, not the byte 0xff"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    JsonFile file;
    assert_false(parse_bytes(cases[i][0], strlen(cases[i][0]), &file));
    assert_string_equal(messages(), arena_printf(arena, "t.json:%s\n", cases[i][1]));
    assert_null(file.root);
  }
}

/* All of them are told, in order, and each with its place in the tree. */
static void test_duplicates(void **state) {
  (void)state;
  JsonFile file;
  static const char text[] = "{\"b\": 1,\n \"a\": {\"x\": [{\"y\": 1, \"y\": 2}]},\n"
                             " \"b\": 2, \"\\u0062\": 3}";
  assert_false(parse_bytes(text, strlen(text), &file));
  assert_string_equal(messages(),
                      "t.json:2:23: /a/x/0/y: error: the same key stands in line 2, column 15\n"
                      "t.json:3:2: /b: error: the same key stands in line 1, column 2\n"
                      "t.json:3:10: /b: error: the same key stands in line 3, column 2\n");
}

static bool parse_levels(size_t levels) {
  char *text = arena_alloc(arena, 2 * levels + 1, 1);
  memset(text, '[', levels);
  memset(text + levels, ']', levels);
  JsonFile file;
  return parse_bytes(text, 2 * levels, &file);
}

static void test_levels(void **state) {
  (void)state;
  assert_true(parse_levels(JSON_DEPTH));
  assert_false(parse_levels(JSON_DEPTH + 1));
  assert_string_equal(messages(), "t.json:1:201: error: more than 200 levels\n");
  assert_false(parse_levels(1000000));
}

/* Every beginning of a text is refused, and none is read beyond its end. */
static void test_truncated(void **state) {
  (void)state;
  static const char text[] =
      "[{\"k\\u00e9\\ud83d\\ude00\": -1.5e+3, \"\xE2\x82\xAC\": [true, null]}]";
  JsonFile file;
  for (size_t size = 0; size < sizeof text - 1; size++) {
    assert_false(parse_bytes(text, size, &file));
    assert_true(diag.errors == 1);
    messages();
  }
  parse(text);
}

/* Nothing takes time or memory that grows with the square of the text. */
static void test_large(void **state) {
  (void)state;
  enum { COUNT = 200000 };
  clock_t start = clock();
  char *text = arena_alloc(arena, COUNT * 60 + 100, 1), *to = text;
  to += sprintf(to, "{\"list\": [0");
  for (int i = 0; i < COUNT; i++) to += sprintf(to, ",[%d]", i);
  to += sprintf(to, "]");
  for (int i = 0; i < COUNT; i++) to += sprintf(to, ", \"common-start-%d\": \"%d\"", i, i);
  sprintf(to, "}");
  size_t before = arena_bytes(arena);
  const JsonValue *root = parse(text).root;
  assert_int_equal(root->count, COUNT + 1);
  for (int i = 0; i < COUNT; i++)
    assert_non_null(json_member(root, arena_printf(arena, "common-start-%d", i)));
  assert_true(json_equal(root, root));
  assert_true(arena_bytes(arena) - before < COUNT * 2000ul);
  assert_true(clock() - start < 20 * CLOCKS_PER_SEC);
}

static void test_files(void **state) {
  (void)state;
  JsonFile file;
  assert_false(json_read("/nowhere/net.json", arena, &diag, &file));
  assert_string_equal(messages(), "/nowhere/net.json: error: No such file or directory\n");
  const char *path = arena_printf(arena, "/tmp/ctc-test-%ld.json", (long)getpid());
  FILE *stream = fopen(path, "wb");
  assert_non_null(stream);
  assert_int_equal(fclose(stream), 0);
  assert_false(json_read(path, arena, &diag, &file)); /* empty */
  stream = fopen(path, "wb");
  fputs("[7]\n", stream);
  fclose(stream);
  assert_true(json_read(path, arena, &diag, &file));
  assert_int_equal(file.root->items[0]->integer, 7);
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
      cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
      cmocka_unit_test_setup_teardown(test_long_numbers, setup, teardown),
      cmocka_unit_test_setup_teardown(test_texts, setup, teardown),
      cmocka_unit_test_setup_teardown(test_members, setup, teardown),
      cmocka_unit_test_setup_teardown(test_equal, setup, teardown),
      cmocka_unit_test_setup_teardown(test_places, setup, teardown),
      cmocka_unit_test_setup_teardown(test_byte_order_mark, setup, teardown),
      cmocka_unit_test_setup_teardown(test_show, setup, teardown),
      cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(test_duplicates, setup, teardown),
      cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
      cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
      cmocka_unit_test_setup_teardown(test_large, setup, teardown),
      cmocka_unit_test_setup_teardown(test_files, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
