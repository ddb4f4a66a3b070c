/* test_kernels.c: the tool `kernels` on small runtimes of its own: what it makes of them, and which
 * it rejects. It is run as the program ../tools/kernels beside the folder of this test. */
#include "base/file.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static Arena *arena;
static char folder[] = "/tmp/ctc_test_XXXXXX";
static const char *tool;

static const char *in_folder(const char *name) {
  return arena_printf(arena, "%s/%s", folder, name);
}

static void write_text(const char *name, const char *text) {
  FILE *stream = fopen(in_folder(name), "w");
  assert_non_null(stream);
  fputs(text, stream);
  assert_int_equal(fclose(stream), 0);
}

static const char *read_text(const char *name) {
  Diag diag = {.out = stderr};
  FileView view;
  assert_true(file_map(in_folder(name), &view, &diag));
  return view.size ? arena_strndup(arena, (const char *)view.data, view.size) : "";
}

/* Runs the tool on a prelude and x.c with `text`; its exit status. Messages are in the file
 * "messages". */
static int run_tool(const char *text) {
  write_text("prelude.c", "/* prelude */\n\n#include <stdint.h>\n\ntypedef int64_t ctc_dim;\n");
  write_text("x.c", text);
  const char *command =
      arena_printf(arena, "cd %s && '%s' -o . prelude.c x.c 2>messages", folder, tool);
  int status = system(command);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static void expect_in(const char *text, const char *part) {
  if (!strstr(text, part)) fail_msg("'%s' is not in:\n%s", part, text);
}

static void expect_rejected(const char *text, const char *message) {
  assert_int_equal(run_tool(text), 1);
  expect_in(read_text("messages"), message);
}

static void test_prototypes(void **state) {
  (void)state;
  assert_int_equal(
      run_tool("static void ctc_a_f32(const float *x, float *y, ctc_dim n, const ctc_dim *pads,\n"
               "                      float alpha, const void *any) {\n}\n\n"
               "static int ctc_b(void) { return 0; }\n\n"
               "static inline uint8_t ctc_cast_u16_bool(uint16_t x) { return x != 0; }\n\n"
               "static inline uint8_t ctc_cast_f16_u8(uint16_t x) { return x != 0; }\n\n"
               "static inline void ctc_helper(int n) {}\n"),
      0);
  const char *table = read_text("kernel_table.c");
  expect_in(table,
            "{PARAM_IN, DT_F32, \"x\"}, {PARAM_OUT, DT_F32, \"y\"}, {PARAM_DIM, DT_I64, \"n\"}, "
            "{PARAM_DIMS, DT_I64, \"pads\"}, {PARAM_REAL, DT_F32, \"alpha\"}, "
            "{PARAM_IN, DT_NONE, \"any\"}");
  expect_in(table, "const int kernel_count = 4;");
  expect_in(table, "{\"ctc_b\", 0, NULL, false, DT_NONE, true,");
  expect_in(table, "params_ctc_cast_u16_bool[] = {{PARAM_SCALAR, DT_U16, \"x\"}}");
  expect_in(table, "{\"ctc_cast_u16_bool\", 1, params_ctc_cast_u16_bool, true, DT_BOOL,");
  expect_in(table, "params_ctc_cast_f16_u8[] = {{PARAM_SCALAR, DT_F16, \"x\"}}");
  expect_in(table, "{\"ctc_cast_f16_u8\", 1, params_ctc_cast_f16_u8, true, DT_U8,");
}

/* A definition stands behind all that it uses, wherever it was written; comments stay with it, also
 * in loops. */
static void test_chunks(void **state) {
  (void)state;
  assert_int_equal(
      run_tool("/* x.c */\n\n"
               "/* Copies. */\n"
               "//$ for t in f64 i8\n"
               "static void ctc_copy_$t(const $T *x, $T *y) { y[0] = ctc_same_$t(x[CTC_AT]); }\n"
               "//$ end\n\n"
               "//$ for t in f64 i8\n"
               "static inline $T ctc_same_$t($T x) { return x; } /* ctc_unused { */\n"
               "//$ end\n\n"
               "#define CTC_AT 0\n"),
      0);
  const char *table = read_text("kernel_table.c");
  expect_in(table, "const int runtime_chunk_count = 7;");
  expect_in(table, "     \"/* Copies. */\\n\"\n"
                   "     \"static void ctc_copy_i8(const int8_t *x, int8_t *y) { y[0] = "
                   "ctc_same_i8(x[CTC_AT]); }\\n\"");
  const char *use = strstr(table, "[] = {\"ctc_copy_f64\", "),
             *definition = strstr(table, "[] = {\"ctc_same_f64\", ");
  const char *macro = strstr(table, "[] = {\"CTC_AT\", ");
  assert_non_null(use);
  assert_non_null(definition);
  assert_non_null(macro);
  assert_true(definition < use);
  assert_true(macro < use);
}

static void test_bad_parameters(void **state) {
  (void)state;
  expect_rejected("\nstatic void ctc_a_f32(const float *x, int n) {\n}\n",
                  "x.c:2: error: parameter 'n' of kernel 'ctc_a_f32' has type 'int'\n");
  expect_rejected("//$ for t in i8\nstatic void ctc_a_$t($T value) {}\n//$ end\n",
                  "x.c:2: error: parameter 'value' of kernel 'ctc_a_i8' has type 'int8_t'\n");
  expect_rejected("static int ctc_a(float **x) { return 0; }\n",
                  "x.c:1: error: parameter 'x' of kernel 'ctc_a' has type 'float * *'\n");
  expect_rejected("static int ctc_a(const char *x) { return 0; }\n",
                  "x.c:1: error: parameter 'x' of kernel 'ctc_a' has type 'const char *'\n");
  expect_rejected("static void ctc_a(const float *) {}\n",
                  "x.c:1: error: a parameter of kernel 'ctc_a' cannot be read\n");
}

static void test_bad_definitions(void **state) {
  (void)state;
  expect_rejected("void ctc_a(float *x) {}\n", "x.c:1: error: 'ctc_a' is not static\n");
  expect_rejected("static void a(float *x) {}\n",
                  "x.c:1: error: 'a' does not begin with ctc_ or CTC_\n");
  expect_rejected("static void ctc_a(float *x);\n",
                  "x.c:1: error: 'ctc_a' is declared without a body\n");
  expect_rejected("static int ctc_count = 0;\n",
                  "x.c:1: error: 'ctc_count' is a variable; only constants are allowed\n");
  expect_rejected("#include <stdio.h>\n", "x.c:1: error: #include is for prelude.c only\n");
  expect_rejected("static void ctc_a(float *x) {}\n\nstatic void ctc_a(float *x) {}\n",
                  "x.c:3: error: 'ctc_a' is defined twice\n");
  expect_rejected("static inline int ctc_a(int n) { return ctc_b(n); }\n\n"
                  "static inline int ctc_b(int n) { return ctc_a(n); }\n",
                  "error: 'ctc_a' needs itself: kernels must not be recursive\n");
  expect_rejected("static inline int ctc_a(int n) { return n ? ctc_a(n - 1) : 0; }\n",
                  "error: 'ctc_a' needs itself: kernels must not be recursive\n");
  expect_rejected("//$ for t in f32 f46\nstatic void ctc_a_$t($T *x) {}\n//$ end\n",
                  "x.c:2: error: unknown parameter 'T'\n");
}

static int set_up(void **state) {
  (void)state;
  arena = arena_create();
  return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  static const char *const names[] = {"prelude.c",         "x.c",         "messages",
                                      "kernels_prelude.c", "kernels_x.c", "kernel_table.c",
                                      "runtime_all.c"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlink(in_folder(names[i]));
  arena_destroy(arena);
  return rmdir(folder);
}

int main(int argc, char **argv) {
  (void)argc;
  char own[4096];
  if (!realpath(argv[0], own)) return 1;
  *strrchr(own, '/') = '\0';
  strcat(own, "/../tools/kernels");
  tool = own;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_prototypes),
      cmocka_unit_test(test_chunks),
      cmocka_unit_test(test_bad_parameters),
      cmocka_unit_test(test_bad_definitions),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
