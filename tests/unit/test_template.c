/* test_template.c: the template language, and what it says about mistakes. */
#include "backends/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static Arena *arena;
static char messages[4096];

/* Expands `text`, with the messages in `messages`; NULL if that fails. */
static const char *expand_map(const char *text, const Scope *scope, TemplateLines *lines) {
  messages[0] = '\0';
  FILE *stream = fmemopen(messages, sizeof messages, "w");
  Diag diag = {.out = stream};
  Str out = str_in(arena);
  bool ok = template_expand("t.c", text, scope, &out, lines, &diag);
  fclose(stream);
  assert_int_equal(ok, diag.errors == 0);
  return ok ? str_text(&out) : NULL;
}

static const char *expand(const char *text, const Scope *scope) {
  return expand_map(text, scope, NULL);
}

static void expect_error(const char *text, const Scope *scope, const char *message) {
  assert_null(expand(text, scope));
  assert_string_equal(messages, message);
}

static Scope *new_scope(void) {
  return scope_create(arena, NULL);
}

static void test_text(void **state) {
  (void)state;
  Scope *scope = new_scope();
  scope_text(scope, "name", "f32");
  scope_textf(scope, "n", "%d", 7);
  assert_string_equal(expand("", scope), "");
  assert_string_equal(expand("plain { }\n\nend", scope), "plain { }\n\nend\n");
  assert_string_equal(expand("ctc_$name(x[$n], $name.y);\n", scope), "ctc_f32(x[7], f32.y);\n");
}

/* The longest name that is bound wins; shorter ones end at an underscore. */
static void test_longest_name(void **state) {
  (void)state;
  Scope *scope = new_scope();
  scope_text(scope, "t", "f32");
  scope_text(scope, "u", "i8");
  assert_string_equal(expand("cast_$t_$u $t_x\n", scope), "cast_f32_i8 f32_x\n");
  scope_text(scope, "t_x", "long");
  assert_string_equal(expand("$t_x $t_x_y $t_xy\n", scope), "long long_y f32_xy\n");
  expect_error("$tx\n", scope, "t.c:1: error: unknown parameter 'tx'\n  hint: did you mean 't'?\n");
}

static void test_conditions(void **state) {
  (void)state;
  Scope *scope = new_scope();
  scope_bool(scope, "yes", true);
  scope_bool(scope, "no", false);
  scope_text(scope, "empty", "");
  scope_text(scope, "word", "w");
  scope_list(scope, "none");
  scope_item(scope, "some");
  static const struct {
    const char *name;
    bool holds;
  } cases[] = {{"yes", true},    {"!yes", false},  {"no", false},   {"!no", true}, {"word", true},
               {"empty", false}, {"!empty", true}, {"none", false}, {"some", true}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *text =
        arena_printf(arena, "a\n  //$ if %s\nb\n  //$ else\nc\n  //$ end\nd\n", cases[i].name);
    assert_string_equal(expand(text, scope), cases[i].holds ? "a\nb\nd\n" : "a\nc\nd\n");
  }
  assert_string_equal(expand("//$ if yes\n//$ if no\na\n//$ else\nb\n//$ end\n//$ end\n", scope),
                      "b\n");
  assert_string_equal(expand("//$ if no\n//$ if yes\na\n//$ else\nb\n//$ end\n//$ end\n", scope),
                      "");
}

static void test_lists(void **state) {
  (void)state;
  Scope *scope = new_scope();
  scope_text(scope, "x", "outer");
  for (int i = 0; i < 2; i++) {
    Scope *tap = scope_item(scope, "taps");
    scope_textf(tap, "offset", "%d", 10 * i);
    scope_bool(tap, "first", i == 0);
    for (int k = 0; k <= i; k++) scope_textf(scope_item(tap, "parts"), "name", "p%d%d", i, k);
  }
  scope_list(scope, "empty");
  assert_string_equal(expand("//$ for t in taps\n$x[$t.offset];\n//$ end\n", scope),
                      "outer[0];\nouter[10];\n");
  assert_string_equal(
      expand("//$ for t in taps\n//$ if !t.first\n,\n//$ end\n$t.offset_a\n//$ end\n", scope),
      "0_a\n,\n10_a\n");
  assert_string_equal(
      expand("//$ for t in taps\n//$ for p in t.parts\n$p.name\n//$ end\n//$ end\n", scope),
      "p00\np10\np11\n");
  assert_string_equal(expand("//$ for x in empty\n$x.what $x.a\n//$ end\nz\n", scope), "z\n");
}

static void test_words(void **state) {
  (void)state;
  Scope *scope = new_scope();
  assert_string_equal(
      expand("//$ for t in f32 i8\n//$ for u in a b\n$t$u\n//$ end\n//$ end\n", scope),
      "f32a\nf32b\ni8a\ni8b\n");
  expect_error("//$ for t in f32\n$t\n//$ end\n", scope, "t.c:1: error: unknown parameter 'f32'\n");
}

static bool bind_shout(Scope *item, const char *variable, const char *word) {
  (void)variable;
  scope_text(item, "shout", "LOUD");
  return word[0] == 'f';
}

static void test_word_hook(void **state) {
  (void)state;
  Scope *scope = new_scope();
  scope_on_word(scope, bind_shout);
  assert_string_equal(expand("//$ for t in f32\n$t $shout\n//$ end\n", scope), "f32 LOUD\n");
  assert_string_equal(expand("//$ for t in x y\n$t $shout\n//$ end\n", scope), "x LOUD\ny LOUD\n");
  assert_null(expand("//$ for t in x\n$t $shout\n//$ end\n", scope));
}

/* A reference alone on its line inserts a text of several lines with its indentation. */
static void test_blocks(void **state) {
  (void)state;
  Scope *scope = new_scope();
  scope_text(scope, "body", "if (a) {\n\n  b();\n}\n");
  scope_text(scope, "nothing", "");
  scope_text(scope_item(scope, "steps"), "call", "one();\ntwo();");
  assert_string_equal(expand("{\n  $body\n}\n", scope), "{\n  if (a) {\n\n    b();\n  }\n}\n");
  assert_string_equal(expand("a\n  $nothing\nb\n", scope), "a\nb\n");
  assert_string_equal(expand("//$ for s in steps\n  $s.call\n//$ end\n", scope),
                      "  one();\n  two();\n");
}

static void test_parent_and_lines(void **state) {
  (void)state;
  Scope *outer = new_scope();
  scope_text(outer, "a", "outer a");
  scope_text(outer, "b", "one\ntwo");
  Scope *inner = scope_create(arena, outer);
  scope_text(inner, "a", "inner a");
  TemplateLines lines = {0};
  assert_string_equal(
      expand_map("$a\n//$ # nothing\n//$ for w in x y\n$w\n//$ end\n$b\n", inner, &lines),
      "inner a\nx\ny\none\ntwo\n");
  static const int expected[] = {1, 4, 4, 6, 6};
  assert_int_equal(lines.lines.count, 5);
  for (size_t i = 0; i < 5; i++) assert_int_equal(lines.lines.items[i], expected[i]);
}

static void test_unknown_names(void **state) {
  (void)state;
  Scope *scope = new_scope();
  scope_text(scope, "kernel", "k");
  scope_bool(scope, "no", false);
  scope_text(scope_item(scope, "taps"), "offset", "1");
  expect_error("a\n$kernal\n", scope,
               "t.c:2: error: unknown parameter 'kernal'\n  hint: did you mean 'kernel'?\n");
  /* In dead branches, too. */
  expect_error("//$ if no\n\n  x = $K;\n//$ end\n", scope, "t.c:3: error: unknown parameter 'K'\n");
  expect_error("//$ if no\n//$ else\n//$ if nope\n//$ end\n//$ end\n", scope,
               "t.c:3: error: unknown parameter 'nope'\n  hint: did you mean 'no'?\n");
  expect_error("//$ for t in taps\n$t.ofset\n//$ end\n", scope,
               "t.c:2: error: unknown field 'ofset'\n  hint: did you mean 'offset'?\n");
  /* One message for all turns of a loop, and each mistake has its own. */
  expect_error("//$ for t in q1 q2\n$Q\n//$ end\n$R\n", scope,
               "t.c:2: error: unknown parameter 'Q'\n"
               "t.c:4: error: unknown parameter 'R'\n");
}

static void test_kinds(void **state) {
  (void)state;
  Scope *scope = new_scope();
  scope_bool(scope, "flag", true);
  scope_text(scope, "text", "x");
  scope_item(scope, "list");
  expect_error("$flag;\n", scope, "t.c:1: error: '$flag' is a condition, not a text\n");
  expect_error("$list;\n", scope, "t.c:1: error: '$list' is a list, not a text\n");
  expect_error("//$ for x in list\n$x;\n//$ end\n", scope,
               "t.c:2: error: '$x' is a loop item, not a text\n");
  expect_error("//$ for x in text\n//$ end\n", scope, "t.c:1: error: 'text' is not a list\n");
  expect_error("cost: $ 5\n", scope, "t.c:1: error: '$' without a name\n");
}

static void test_structure(void **state) {
  (void)state;
  Scope *scope = new_scope();
  scope_bool(scope, "yes", true);
  expect_error("a\n//$ if yes\nb\n", scope, "t.c:2: error: this block has no '//$ end'\n");
  expect_error("a\n//$ end\n", scope,
               "t.c:2: error: '//$ end' without a block that it belongs to\n");
  expect_error("//$ else\n", scope,
               "t.c:1: error: '//$ else' without a block that it belongs to\n");
  expect_error("//$ for a in b c\n//$ else\n//$ end\n", scope,
               "t.c:2: error: '//$ else' without an '//$ if' of its own\n");
  expect_error("//$ if yes\n//$ else\n//$ else\n//$ end\n", scope,
               "t.c:3: error: '//$ else' without an '//$ if' of its own\n");
  expect_error("//$ iff yes\n//$ end\n", scope,
               "t.c:1: error: unknown directive 'iff'\n  hint: did you mean '//$ if'?\n");
  expect_error("//$ if\n//$ end\n", scope,
               "t.c:1: error: expected '//$ if NAME' or '//$ if !NAME'\n");
  expect_error("//$ for x of yes\n//$ end\n", scope,
               "t.c:1: error: expected '//$ for NAME in LIST'\n");
}

static int set_up(void **state) {
  (void)state;
  arena = arena_create();
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  arena_destroy(arena);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_text),          cmocka_unit_test(test_longest_name),
      cmocka_unit_test(test_conditions),    cmocka_unit_test(test_lists),
      cmocka_unit_test(test_words),         cmocka_unit_test(test_word_hook),
      cmocka_unit_test(test_blocks),        cmocka_unit_test(test_parent_and_lines),
      cmocka_unit_test(test_unknown_names), cmocka_unit_test(test_kinds),
      cmocka_unit_test(test_structure),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
