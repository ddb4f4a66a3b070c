/* test_json_schema.c: schemas that are refused, and what is told about values that are wrong.
 *
 * With arguments it runs those files of JSON Schema's official test suite instead
 * (tests/json_schema.py gives them). */
#include "json_test.h"

#include "base/str.h"
#include "io/json_schema.h"

#include <time.h>

/* What is told of `text`, checked against `schema`; "" if it is valid. */
static const char *told_of(const char *schema, const char *text) {
  JsonFile schema_file = parse(schema), file = parse(text);
  const JsonSchema *compiled = json_schema_compile(&schema_file);
  if (!compiled) fail_msg("%s: %s", schema, messages());
  bool ok = json_schema_check(compiled, &file, file.root);
  assert_true(ok == (diag.errors == 0));
  return messages();
}

typedef struct {
  const char *value, *told;
} Case;

static void check_cases(const char *schema, const Case *cases, size_t count) {
  for (size_t i = 0; i < count; i++)
    assert_string_equal(told_of(schema, cases[i].value), cases[i].told);
}

#define CHECK_CASES(schema, ...)                                                                   \
  do {                                                                                             \
    static const Case cases[] = {__VA_ARGS__};                                                     \
    check_cases(schema, cases, sizeof cases / sizeof *cases);                                      \
  } while (0)

/* --- schemas --- */

static void test_refused_schemas(void **state) {
  (void)state;
  static const Case cases[] = {
      {"3", "t.json:1:1: error: expected a schema, not a number\n"},
      {"{\"items\": [{}]}", "t.json:1:11: /items: error: expected a schema, not an array\n"},
      {"{\"type\": \"float\"}", "t.json:1:10: /type: error: \"float\" is no type\n"},
      {"{\"minLength\": -1, \"required\": [1]}",
       "t.json:1:15: /minLength: error: must be a whole number from 0 on\n"
       "t.json:1:32: /required/0: error: expected a string, not a number\n"},
      {"{\"multipleOf\": 0}", "t.json:1:16: /multipleOf: error: must be more than 0\n"},
      {"{\"anyOf\": []}", "t.json:1:11: /anyOf: error: needs at least one schema\n"},
      {"{\"$ref\": \"#/$defs/no\"}",
       "t.json:1:10: /$ref: error: \"#/$defs/no\" leads nowhere in this schema\n"},
      {"{\"$ref\": \"other.json\"}",
       "t.json:1:10: /$ref: error: \"other.json\" leads nowhere in this schema\n"},
      {"{\"$dynamicRef\": \"#a\"}",
       "t.json:1:17: /$dynamicRef: error: the keyword '$dynamicRef' is not supported\n"},
      {"{\"pattern\": \"a(?=b)\"}",
       "t.json:1:13: /pattern: error: the pattern \"a(?=b)\" cannot be used: a group that looks "
       "ahead, looks behind or has a name\n"},
      {"{\"$ref\": \"#\"}",
       "t.json:1:1: error: the schema applies itself to the same value again, or nearly\n"},
      {"{\"$defs\": {\"a\": {\"anyOf\": [{\"not\": {\"$ref\": \"#/$defs/a\"}}]}}}",
       "t.json:1:17: /$defs/a: error: the schema applies itself to the same value again, or "
       "nearly\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    JsonFile file = parse(cases[i].value);
    assert_null(json_schema_compile(&file));
    assert_string_equal(messages(), cases[i].told);
  }
}

static void test_patterns(void **state) {
  (void)state;
  static const struct {
    const char *pattern, *text;
    int matches; /* -1: the pattern is refused */
  } cases[] = {
      {"^[a-z_][a-z0-9_]*$", "conv_1", 1},
      {"^[a-z_][a-z0-9_]*$", "1conv", 0},
      {"^\\\\d{2,3}$", "123", 1},
      {"^\\\\d{2,3}$", "1234", 0},
      {"^\\\\w+\\\\s\\\\S$", "ab_9 +", 1},
      {"^[\\\\w.]+$", "a.b", 1},
      {"^[\\\\w.]+$", "a-b", 0},
      {"^(?:a|b)+$", "abba", 1},
      {"^a\\\\.b$", "a.b", 1},
      {"^a\\\\.b$", "axb", 0},
      {"^[^/]+$", "a/b", 0},
      {"b", "abc", 1},
      {"", "", 1},
      {"a*?", "a", -1},
      {"a{x", "a", -1},
      {"\\\\bword", "a", -1},
      {"(a)\\\\1", "aa", -1},
      {"[[:alpha:]]", "a", -1},
      {"[]", "a", -1},
      {"(", "a", -1},
      {"a\\\\", "a", -1},
      {"[\\u00e9]", "a", -1},
      {"\\u00e9+", "a", -1},
      {"\\u0000", "a", -1},
      {"^(a{1,100}b?){3}$", "aaba", 1},
      {"((a{200}){200}){200}", "a", -1},
      {"(((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+", "a", -1},
      {"((((((((((((((((((((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))))"
       "))))))))))))))))",
       "a", -1},
      {"^a$", "a\\u0000", 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    JsonFile schema = parse(arena_printf(arena, "{\"pattern\": \"%s\"}", cases[i].pattern));
    JsonFile file = parse(arena_printf(arena, "\"%s\"", cases[i].text));
    const JsonSchema *compiled = json_schema_compile(&schema);
    int matches = compiled ? json_schema_check(compiled, &file, file.root) : -1;
    if (matches != cases[i].matches) fail_msg("%s: %d", cases[i].pattern, matches);
    messages();
  }
}

/* --- values --- */

static void test_one_value(void **state) {
  (void)state;
  CHECK_CASES("{\"type\": \"integer\", \"minimum\": 1, \"exclusiveMaximum\": 9, \"multipleOf\": 2}",
              {"4", ""}, {"4.0", ""}, {"4.5", "t.json:1:1: error: expected an integer, not 4.5\n"},
              {"\"4\"", "t.json:1:1: error: expected an integer, not \"4\"\n"},
              {"0", "t.json:1:1: error: must be at least 1, not 0\n"},
              {"9", "t.json:1:1: error: must be less than 9, not 9\n"
                    "t.json:1:1: error: must be a multiple of 2, not 9\n"});
  CHECK_CASES("{\"type\": [\"string\", \"null\"], \"minLength\": 2, \"pattern\": \"^a\"}",
              {"\"ab\"", ""}, {"null", ""},
              {"\"\\u00e9\"", "t.json:1:1: error: needs at least 2 characters, has 1\n"
                              "t.json:1:1: error: \"\xC3\xA9\" does not match ^a\n"},
              {"[]", "t.json:1:1: error: expected null or a string, not an array\n"});
  CHECK_CASES("{\"enum\": [\"zeros\", \"reflect\", \"circular\"]}", {"\"zeros\"", ""},
              {"\"zeroes\"", "t.json:1:1: error: expected \"zeros\", \"reflect\" or \"circular\", "
                             "not \"zeroes\": did you mean \"zeros\"?\n"},
              {"0", "t.json:1:1: error: expected \"zeros\", \"reflect\" or \"circular\", not 0\n"});
  CHECK_CASES("{\"minimum\": 9007199254740993}", {"9007199254740993", ""},
              {"9007199254740992",
               "t.json:1:1: error: must be at least 9007199254740993, not 9007199254740992\n"});
  CHECK_CASES("false", {"1", "t.json:1:1: error: nothing is allowed here\n"});
}

static void test_arrays(void **state) {
  (void)state;
  CHECK_CASES("{\"items\": {\"type\": \"integer\"}, \"minItems\": 1, \"uniqueItems\": true}",
              {"[1, 2]", ""}, {"[]", "t.json:1:1: error: needs at least 1 item, has 0\n"},
              {"[1, \"a\",\n [], 2, 1]",
               "t.json:1:5: /1: error: expected an integer, not \"a\"\n"
               "t.json:2:2: /2: error: expected an integer, not an array\n"
               "t.json:2:9: /4: error: the same as item 0\n"});
  CHECK_CASES("{\"prefixItems\": [true, true], \"items\": false}", {"[1, 2]", ""},
              {"[1, 2, 3]", "t.json:1:8: /2: error: no more than 2 items are allowed\n"});
}

/* All at once, in the order of the text, and what two schemas say only once. */
static void test_objects(void **state) {
  (void)state;
  CHECK_CASES(
      "{\"type\": \"object\", \"required\": [\"kernel_size\", \"name\"], \"additionalProperties\": "
      "false, \"properties\": {\"kernel_size\": {\"minimum\": 1}, \"name\": {\"type\": "
      "\"string\"}, "
      "\"old\": false}, \"allOf\": [{\"required\": [\"name\"]}], \"dependentRequired\": {\"old\": "
      "[\"name\"]}}",
      {"{\"kernel_size\": 3, \"name\": \"a\"}", ""},
      {"{\"kernel_sise\": 3,\n \"kernel_size\": 0, \"old\": 1}",
       "t.json:1:1: error: the key \"name\" is missing\n"
       "t.json:1:1: error: \"old\" needs the key \"name\" beside it\n"
       "t.json:1:2: /kernel_sise: error: unknown key \"kernel_sise\": did you mean "
       "\"kernel_size\"?\n"
       "t.json:2:17: /kernel_size: error: must be at least 1, not 0\n"
       "t.json:2:20: /old: error: the key \"old\" is not allowed here\n"});
  CHECK_CASES("{\"propertyNames\": {\"pattern\": \"^[a-z]+$\"}, \"patternProperties\": {\"^n\": "
              "{\"type\": \"number\"}}}",
              {"{\"n\": 1, \"x\": \"y\"}", ""},
              {"{\"n\": true, \"X\": 1}",
               "t.json:1:7: /n: error: expected a number, not true\n"
               "t.json:1:13: /X: error: \"X\" does not match ^[a-z]+$\n"});
}

/* --- alternatives --- */

static void test_alternatives(void **state) {
  (void)state;
  CHECK_CASES(
      "{\"anyOf\": [{\"type\": \"integer\", \"minimum\": 1}, {\"type\": \"array\", "
      "\"items\": {\"type\": \"integer\"}, \"title\": \"a list of integers\"}]}",
      {"3", ""}, {"[3, 4]", ""},
      {"\"3\"", "t.json:1:1: error: expected an integer or a list of integers, not \"3\"\n"},
      {"0", "t.json:1:1: error: must be at least 1, not 0\n"},
      {"[3, \"x\"]", "t.json:1:5: /1: error: expected an integer, not \"x\"\n"});
  CHECK_CASES("{\"oneOf\": [{\"minimum\": 1}, {\"maximum\": 3}]}", {"4", ""},
              {"2", "t.json:1:1: error: can be understood in 2 ways, must be one of them only\n"});
  CHECK_CASES("{\"not\": {\"const\": \"x\"}}", {"\"y\"", ""},
              {"\"x\"", "t.json:1:1: error: must not be \"x\"\n"});
}

static const Case layers[] = {
    {"[{\"type\": \"Linear\", \"n\": 1}, {\"type\": \"ReLU\"}]", ""},
    {"[{\"type\": \"Linear\", \"n\": \"1\"}]",
     "t.json:1:26: /0/n: error: expected an integer, not \"1\"\n"},
    {"[{\"type\": \"Linear\"}, {\"type\": \"ReLU\", \"n\": 1}]",
     "t.json:1:2: /0: error: the key \"n\" is missing\n"
     "t.json:1:39: /1/n: error: unknown key \"n\"\n"},
};

static const Case wrong_types[] = {
    {"[{\"type\": \"Linaer\", \"n\": 1}]",
     "t.json:1:11: /0/type: error: unknown type \"Linaer\": did you mean \"Linear\"?\n"},
    {"[{\"type\": \"x\"}]", "t.json:1:11: /0/type: error: unknown type \"x\"\n"},
    {"[{\"n\": 1}]", "t.json:1:2: /0: error: the key \"type\" is missing\n"},
    {"[{\"type\": 3}]", "t.json:1:11: /0/type: error: expected a string, not 3\n"},
};

#define LINEAR                                                                                     \
  "\"Linear\": {\"properties\": {\"type\": {\"const\": \"Linear\"}, \"n\": {\"type\": "            \
  "\"integer\"}}, \"required\": [\"type\", \"n\"], \"additionalProperties\": false}"
#define RELU                                                                                       \
  "\"ReLU\": {\"properties\": {\"type\": {\"const\": \"ReLU\"}}, \"required\": [\"type\"], "       \
  "\"additionalProperties\": false}"
#define LAYERS "\"$defs\": {" LINEAR ", " RELU "}"
#define IF(type)                                                                                   \
  "\"if\": {\"properties\": {\"type\": {\"const\": \"" type                                        \
  "\"}}}, \"then\": {\"$ref\": \"#/$defs/" type "\"}"

/* The ways to write that a member chooses the schema: all tell the same. */
static void test_switches(void **state) {
  (void)state;
  static const char *const schemas[] = {
      "{" LAYERS ", \"items\": {\"oneOf\": [{\"$ref\": \"#/$defs/Linear\"}, {\"$ref\": "
      "\"#/$defs/ReLU\"}]}}",
      "{" LAYERS ", \"items\": {\"anyOf\": [{\"$ref\": \"#/$defs/Linear\"}, {\"$ref\": "
      "\"#/$defs/ReLU\"}]}}",
      "{" LAYERS ", \"items\": {\"required\": [\"type\"], " IF("Linear") ", \"else\": {" IF(
          "ReLU") ", \"else\": false}}}",
      "{" LAYERS ", \"items\": {" IF("Linear") ", \"else\": {" IF("ReLU") ", \"else\": false}}}",
  };
  for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
    check_cases(schemas[i], layers, sizeof layers / sizeof *layers);
    check_cases(schemas[i], wrong_types, sizeof wrong_types / sizeof *wrong_types);
  }
}

/* With the known types in an enumeration. */
static void test_switch_by_list(void **state) {
  (void)state;
  static const char schema[] =
      "{" LAYERS ", \"items\": {\"properties\": {\"type\": {\"enum\": [\"Linear\", \"ReLU\"]}}, "
      "\"required\": [\"type\"], \"allOf\": [{" IF("Linear") "}, {" IF("ReLU") "}]}}";
  check_cases(schema, layers, sizeof layers / sizeof *layers);
  CHECK_CASES(schema,
              {"[{\"type\": \"Linaer\"}]",
               "t.json:1:11: /0/type: error: expected \"Linear\" or \"ReLU\", not \"Linaer\": did "
               "you mean \"Linear\"?\n"},
              {"[{\"n\": 1}]", "t.json:1:2: /0: error: the key \"type\" is missing\n"});
}

/* --- hostile values --- */

/* As many errors as there are values take time and memory in proportion to the text. */
static void test_many_errors(void **state) {
  (void)state;
  enum { COUNT = 200000 };
  clock_t start = clock();
  char *text = arena_alloc(arena, COUNT * 20 + 100, 1), *to = text;
  to += sprintf(to, "{");
  for (int i = 0; i < COUNT; i++) to += sprintf(to, "%s\"key%d\": 0", i ? ", " : "", i);
  sprintf(to, "}");
  size_t before = arena_bytes(arena);
  const char *told_first = told_of(
      "{\"properties\": {\"key\": {}, \"keys\": {}}, \"additionalProperties\": false}", text);
  assert_int_equal(strncmp(told_first, "t.json:1:2: /key0: error: unknown key \"key0\"", 44), 0);
  assert_true(arena_bytes(arena) - before < COUNT * 1000ul);
  sprintf(text, "[");
  for (int i = 0, at = 1; i < COUNT; i++) at += sprintf(text + at, "%s[1,2]", i ? "," : "");
  strcat(text, "]");
  told_of("{\"uniqueItems\": true}", text);
  assert_true(clock() - start < 20 * CLOCKS_PER_SEC);
}

/* Alternatives that each look at what is inside, as deep as values can be. */
static void test_deep_alternatives(void **state) {
  (void)state;
  char text[2 * JSON_DEPTH + 2];
  memset(text, '[', JSON_DEPTH);
  memset(text + JSON_DEPTH, ']', JSON_DEPTH);
  text[2 * JSON_DEPTH] = 0;
  const char *told_text =
      told_of("{\"oneOf\": [{\"type\": \"array\", \"items\": {\"$ref\": \"#\"}, \"minItems\": 1}, "
              "{\"type\": \"string\"}]}",
              text);
  assert_non_null(strstr(told_text, "t.json:1:200: /0/0/"));
  assert_non_null(strstr(told_text, "needs at least 1 item, has 0\n"));
}

/* Each schema applies the next one twice: 2^30 checks. */
static void test_doubling(void **state) {
  (void)state;
  Str schema = str_in(arena);
  str_add(&schema, "{\"$ref\": \"#/$defs/0\", \"$defs\": {");
  for (int i = 0; i < 30; i++)
    str_addf(&schema,
             "\"%d\": {\"allOf\": [{\"$ref\": \"#/$defs/%d\"}, {\"$ref\": \"#/$defs/%d\"}]}, ", i,
             i + 1, i + 1);
  str_add(&schema, "\"30\": {}}}");
  assert_string_equal(told_of(str_text(&schema), "1"),
                      "t.json:1:1: error: the schema takes too long to check it\n");
}

/* --- the official suite --- */

/* Tells what differs; returns how often. */
static int run_group(const JsonFile *file, const JsonValue *group) {
  int failed = 0;
  const char *name = json_member(group, "description")->string;
  const JsonValue *tests = json_member(group, "tests");
  JsonFile schema_file = *file;
  schema_file.root = json_member(group, "schema");
  const JsonSchema *schema = json_schema_compile(&schema_file);
  for (size_t i = 0; i < tests->count; i++) {
    const JsonValue *test = tests->items[i];
    bool valid = json_member(test, "valid")->boolean;
    if (schema && json_schema_check(schema, file, json_member(test, "data")) == valid) continue;
    printf("FAIL %s: %s: %s: %s\n", file->path, name, json_member(test, "description")->string,
           !schema ? "the schema is refused"
           : valid ? "must be valid"
                   : "must not be valid");
    failed++;
  }
  return failed;
}

static int run_suite_file(const char *path) {
  int failed = 0;
  JsonFile file;
  Diag printed = {.out = stderr}, counted = {.out = NULL};
  Arena *own = arena_create();
  bool ok = json_read(path, own, &printed, &file);
  file.diag = &counted;
  for (size_t i = 0; ok && i < file.root->count; i++)
    failed += run_group(&file, file.root->items[i]);
  arena_destroy(own);
  return ok ? failed : 1;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_refused_schemas, setup, teardown),
      cmocka_unit_test_setup_teardown(test_patterns, setup, teardown),
      cmocka_unit_test_setup_teardown(test_one_value, setup, teardown),
      cmocka_unit_test_setup_teardown(test_arrays, setup, teardown),
      cmocka_unit_test_setup_teardown(test_objects, setup, teardown),
      cmocka_unit_test_setup_teardown(test_alternatives, setup, teardown),
      cmocka_unit_test_setup_teardown(test_switches, setup, teardown),
      cmocka_unit_test_setup_teardown(test_switch_by_list, setup, teardown),
      cmocka_unit_test_setup_teardown(test_many_errors, setup, teardown),
      cmocka_unit_test_setup_teardown(test_deep_alternatives, setup, teardown),
      cmocka_unit_test_setup_teardown(test_doubling, setup, teardown),
  };
  int failed = 0;
  if (argc < 2) return cmocka_run_group_tests(tests, NULL, NULL);
  for (int i = 1; i < argc; i++) failed += run_suite_file(argv[i]);
  return failed ? 1 : 0;
}
