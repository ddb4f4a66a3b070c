/* test_base.c: arena, vectors, text, maps, diagnostics, files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "ir/dtype.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static Arena *arena;

static int setup(void **state) {
  (void)state;
  arena = arena_create();
  return 0;
}

static int teardown(void **state) {
  (void)state;
  arena_destroy(arena);
  return 0;
}

/* The exit status of `action` in a process of its own. */
static int exit_status(void (*action)(void)) {
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    if (!freopen("/dev/null", "w", stderr)) _exit(1);
    action();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- arena ---- */

static void test_arena_alignment_and_zeros(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 15, 16, 17, 1000, 70000, 300000, 5, 262144};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    unsigned char *small = arena_alloc(arena, sizes[i], 1);
    unsigned char *big = arena_alloc_big(arena, sizes[i]);
    assert_int_equal((uintptr_t)small % 16, 0);
    assert_int_equal((uintptr_t)big % 64, 0);
    for (size_t j = 0; j < sizes[i]; j++) assert_int_equal(small[j] | big[j], 0);
    if (sizes[i]) memset(small, 0xff, sizes[i]);
    if (sizes[i]) memset(big, 0xff, sizes[i]);
  }
  assert_true(arena_bytes(arena) >= 2 * 300000);
}

static void test_arena_blocks_are_apart(void **state) {
  (void)state;
  enum { COUNT = 3000 };
  uint32_t *blocks[COUNT];
  for (uint32_t i = 0; i < COUNT; i++) {
    blocks[i] = ARENA_ARRAY(arena, uint32_t, 1 + i % 97);
    for (uint32_t j = 0; j < 1 + i % 97; j++) blocks[i][j] = i;
  }
  for (uint32_t i = 0; i < COUNT; i++)
    for (uint32_t j = 0; j < 1 + i % 97; j++) assert_int_equal(blocks[i][j], i);
}

static void test_arena_text(void **state) {
  (void)state;
  assert_string_equal(arena_strdup(arena, "word"), "word");
  assert_string_equal(arena_strndup(arena, "word", 2), "wo");
  assert_string_equal(arena_printf(arena, "%s=%d", "x", 42), "x=42");
  static const int numbers[3] = {1, 2, 3};
  const int *copy = arena_copy(arena, numbers, sizeof numbers);
  assert_memory_equal(copy, numbers, sizeof numbers);
  assert_ptr_not_equal(copy, numbers);
}

static void allocate_too_much(void) {
  arena_alloc(arena, SIZE_MAX / 4, 8);
}

static void test_arena_overflow_ends(void **state) {
  (void)state;
  assert_int_equal(exit_status(allocate_too_much), 70);
}

/* ---- vectors, text, maps ---- */

static void test_vec(void **state) {
  (void)state;
  Vec(int) numbers = {0};
  for (int i = 0; i < 1000; i++) vec_push(arena, &numbers, i * i);
  assert_int_equal(numbers.count, 1000);
  assert_true(numbers.capacity >= 1000);
  for (int i = 0; i < 1000; i++) assert_int_equal(numbers.items[i], i * i);
}

static void test_str(void **state) {
  (void)state;
  Str str = str_in(arena);
  assert_string_equal(str_text(&str), "");
  str_add(&str, "a");
  str_add_n(&str, "bcdef", 2);
  str_addf(&str, "%05d", 7);
  assert_string_equal(str_text(&str), "abc00007");
  for (int i = 0; i < 500; i++) str_addf(&str, "%s", "0123456789");
  assert_int_equal(str.length, 5008);
  assert_int_equal(strlen(str_text(&str)), 5008);
}

static void test_str_nearest(void **state) {
  (void)state;
  static const char *const names[] = {"Conv", "ConvTranspose", "Relu", "Softmax"};
  assert_string_equal(str_nearest("Cnov", names, 4), "Conv");
  assert_string_equal(str_nearest("Sofmax", names, 4), "Softmax");
  assert_string_equal(str_nearest("Relu", names, 4), "Relu");
  assert_null(str_nearest("Xyzzyx", names, 4));
  assert_null(str_nearest("Conv", names, 0));
}

static void test_map(void **state) {
  (void)state;
  enum { COUNT = 5000 };
  static int values[COUNT];
  Map map = map_in(arena);
  assert_null(map_get(&map, "key 1"));
  for (int i = 0; i < COUNT; i++) map_set(&map, arena_printf(arena, "key %d", i), &values[i]);
  assert_int_equal(map.count, COUNT);
  char key[32];
  for (int i = 0; i < COUNT; i++) {
    snprintf(key, sizeof key, "key %d", i);
    assert_ptr_equal(map_get(&map, key), &values[i]);
  }
  assert_null(map_get(&map, "key 5000"));
  map_set(&map, "key 7", &values[0]);
  assert_ptr_equal(map_get(&map, "key 7"), &values[0]);
  assert_int_equal(map.count, COUNT);
}

/* ---- diagnostics ---- */

typedef struct {
  Diag diag;
  char *text;
  size_t size;
} Caught;

static void catch_begin(Caught *caught) {
  *caught = (Caught){0};
  caught->diag.out = open_memstream(&caught->text, &caught->size);
  assert_non_null(caught->diag.out);
}

static void test_diag_format(void **state) {
  (void)state;
  Caught caught;
  catch_begin(&caught);
  assert_false(diag_error(&caught.diag, "m.onnx", "bad %d", 3));
  assert_false(diag_note(&caught.diag, "it is so"));
  assert_false(diag_hint(&caught.diag, "do %s", "this"));
  assert_false(diag_warning(&caught.diag, NULL, "odd"));
  fclose(caught.diag.out);
  assert_string_equal(caught.text, "m.onnx: error: bad 3\n  note: it is so\n  hint: do this\n"
                                   "warning: odd\n");
  assert_int_equal(caught.diag.errors, 1);
  assert_int_equal(caught.diag.warnings, 1);
  free(caught.text);
}

static int count_lines(const char *text, const char *part) {
  int count = 0;
  for (; (text = strstr(text, part)); text++) count++;
  return count;
}

static void test_diag_limit(void **state) {
  (void)state;
  Caught caught;
  catch_begin(&caught);
  for (int i = 0; i < DIAG_LIMIT + 5; i++) {
    diag_error(&caught.diag, NULL, "e");
    diag_note(&caught.diag, "n");
  }
  diag_finish(&caught.diag);
  fclose(caught.diag.out);
  assert_int_equal(caught.diag.errors, DIAG_LIMIT + 5);
  assert_int_equal(count_lines(caught.text, "error: e"), DIAG_LIMIT);
  assert_int_equal(count_lines(caught.text, "note: n"), DIAG_LIMIT);
  assert_non_null(strstr(caught.text, "5 more errors"));
  free(caught.text);
}

static void test_diag_silent(void **state) {
  (void)state;
  Diag diag = {0};
  diag_error(&diag, "x", "hidden");
  diag_note(&diag, "hidden");
  diag_finish(&diag);
  assert_int_equal(diag.errors, 1);
}

static void break_assertion(void) {
  CTC_ASSERT(arena == NULL);
}

static void keep_assertion(void) {
  CTC_ASSERT(arena != NULL);
}

static void test_assert(void **state) {
  (void)state;
  assert_int_equal(exit_status(break_assertion), 70);
  assert_int_equal(exit_status(keep_assertion), 0);
}

/* ---- files ---- */

/* A folder for one test; its files are removed by the test. */
static char folder[64];

static int setup_folder(void **state) {
  snprintf(folder, sizeof folder, "test_base_XXXXXX");
  return mkdtemp(folder) ? setup(state) : -1;
}

static int teardown_folder(void **state) {
  return rmdir(folder) == 0 ? teardown(state) : -1; /* fails if a test left a file */
}

static void test_file_round_trip(void **state) {
  (void)state;
  Diag diag = {0};
  FileWriter writer;
  FileView view;
  const char *path = arena_printf(arena, "%s/out.bin", folder);
  assert_true(file_write_begin(&writer, path, arena, &diag));
  fputs("content", writer.stream);
  assert_int_equal(access(path, F_OK), -1); /* appears only when complete */
  assert_true(file_write_commit(&writer, &diag));
  assert_true(file_map(path, &view, &diag));
  assert_int_equal(view.size, 7);
  assert_memory_equal(view.data, "content", 7);
  assert_true(file_write_begin(&writer, path, arena, &diag));
  assert_true(file_write_commit(&writer, &diag));
  assert_true(file_map(path, &view, &diag));
  assert_int_equal(view.size, 0);
  assert_int_equal(diag.errors, 0);
  unlink(path);
}

static void test_file_abort(void **state) {
  (void)state;
  Diag diag = {0};
  FileWriter writer;
  const char *path = arena_printf(arena, "%s/out.bin", folder);
  assert_true(file_write_begin(&writer, path, arena, &diag));
  fputs("half", writer.stream);
  file_write_abort(&writer);
  assert_int_equal(access(path, F_OK), -1);
  assert_int_equal(diag.errors, 0);
}

static void test_file_errors(void **state) {
  (void)state;
  Diag diag = {0};
  FileView view;
  FileWriter writer;
  assert_false(file_map(arena_printf(arena, "%s/none", folder), &view, &diag));
  assert_false(file_map(folder, &view, &diag));
  assert_false(file_write_begin(&writer, arena_printf(arena, "%s/none/x", folder), arena, &diag));
  file_write_abort(&writer);
  assert_int_equal(diag.errors, 3);
}

static void test_full_disk(void **state) {
  (void)state;
  Diag diag = {0};
  FileWriter writer;
  const char *path = arena_printf(arena, "%s/out.bin", folder);
  assert_true(file_write_begin(&writer, path, arena, &diag));
  writer.stream = freopen("/dev/full", "wb", writer.stream);
  assert_non_null(writer.stream);
  fputs("lost", writer.stream);
  assert_false(file_write_commit(&writer, &diag));
  assert_int_equal(diag.errors, 1);
  assert_int_equal(access(path, F_OK), -1);
}

static void test_paths(void **state) {
  (void)state;
  assert_string_equal(path_folder(arena, "a/b/c.onnx"), "a/b");
  assert_string_equal(path_folder(arena, "c.onnx"), ".");
  assert_string_equal(path_folder(arena, "/c"), "/");
  assert_string_equal(path_stem(arena, "a/b.x/c.d.onnx"), "c.d");
  assert_string_equal(path_stem(arena, "a.b/c"), "c");
  assert_string_equal(path_stem(arena, ".hidden"), ".hidden");
}

/* ---- element types ---- */

static void test_dtypes(void **state) {
  (void)state;
  assert_int_equal(dtype_from_onnx(1), DT_F32);
  assert_int_equal(dtype_from_onnx(7), DT_I64);
  assert_int_equal(dtype_from_onnx(0), DT_NONE);
  assert_int_equal(dtype_from_onnx(999), DT_NONE);
  assert_int_equal(dtype_from_npy("<f8"), DT_F64);
  assert_int_equal(dtype_from_npy(">f8"), DT_NONE);
  assert_string_equal(dtype_info(DT_NONE)->name, "unknown type");
  assert_string_equal(dtype_info(DT_U8)->short_name, "u8");
  assert_int_equal(dtype_info(DT_BF16)->bytes, 2);
  assert_true(dtype_is_float(DT_F16) && !dtype_is_float(DT_I32));
  assert_true(dtype_is_integer(DT_U64) && !dtype_is_integer(DT_BOOL));
  for (int i = 1; i < DT_COUNT; i++)
    assert_int_equal(dtype_from_onnx(dtype_info((DType)i)->onnx_code), i);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup_folder, teardown_folder)
  const struct CMUnitTest tests[] = {
      TEST(test_arena_alignment_and_zeros),
      TEST(test_arena_blocks_are_apart),
      TEST(test_arena_text),
      TEST(test_arena_overflow_ends),
      TEST(test_vec),
      TEST(test_str),
      TEST(test_str_nearest),
      TEST(test_map),
      TEST(test_diag_format),
      TEST(test_diag_limit),
      TEST(test_diag_silent),
      TEST(test_assert),
      FILE_TEST(test_file_round_trip),
      FILE_TEST(test_file_abort),
      FILE_TEST(test_file_errors),
      FILE_TEST(test_full_disk),
      TEST(test_paths),
      TEST(test_dtypes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
