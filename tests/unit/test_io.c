/* test_io.c: numpy's files and the tables of scores in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/npz.h"
#include "io/pickle.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static Arena *arena;
static Diag silent;

static int setup(void **state) {
  (void)state;
  arena = arena_create();
  silent = (Diag){.out = NULL};
  return 0;
}

static int teardown(void **state) {
  (void)state;
  arena_destroy(arena);
  return 0;
}

/* --- scores --- */

/* What numpy 2 pickles with protocol 4 for the object array
 *   [{"cat": float32(0.25), "dog": 0.75}, {"cat": float32(1), "dog": 0}]. */
static const unsigned char scores[] = {
    0x80, 0x04, 0x95, 0xfa, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x8c, 0x16, 0x6e, 0x75, 0x6d,
    0x70, 0x79, 0x2e, 0x5f, 0x63, 0x6f, 0x72, 0x65, 0x2e, 0x6d, 0x75, 0x6c, 0x74, 0x69, 0x61, 0x72,
    0x72, 0x61, 0x79, 0x94, 0x8c, 0x0c, 0x5f, 0x72, 0x65, 0x63, 0x6f, 0x6e, 0x73, 0x74, 0x72, 0x75,
    0x63, 0x74, 0x94, 0x93, 0x94, 0x8c, 0x05, 0x6e, 0x75, 0x6d, 0x70, 0x79, 0x94, 0x8c, 0x07, 0x6e,
    0x64, 0x61, 0x72, 0x72, 0x61, 0x79, 0x94, 0x93, 0x94, 0x4b, 0x00, 0x85, 0x94, 0x43, 0x01, 0x62,
    0x94, 0x87, 0x94, 0x52, 0x94, 0x28, 0x4b, 0x01, 0x4b, 0x02, 0x85, 0x94, 0x68, 0x03, 0x8c, 0x05,
    0x64, 0x74, 0x79, 0x70, 0x65, 0x94, 0x93, 0x94, 0x8c, 0x02, 0x4f, 0x38, 0x94, 0x89, 0x88, 0x87,
    0x94, 0x52, 0x94, 0x28, 0x4b, 0x03, 0x8c, 0x01, 0x7c, 0x94, 0x4e, 0x4e, 0x4e, 0x4a, 0xff, 0xff,
    0xff, 0xff, 0x4a, 0xff, 0xff, 0xff, 0xff, 0x4b, 0x3f, 0x74, 0x94, 0x62, 0x89, 0x5d, 0x94, 0x28,
    0x7d, 0x94, 0x28, 0x8c, 0x03, 0x63, 0x61, 0x74, 0x94, 0x68, 0x00, 0x8c, 0x06, 0x73, 0x63, 0x61,
    0x6c, 0x61, 0x72, 0x94, 0x93, 0x94, 0x68, 0x0c, 0x8c, 0x02, 0x66, 0x34, 0x94, 0x89, 0x88, 0x87,
    0x94, 0x52, 0x94, 0x28, 0x4b, 0x03, 0x8c, 0x01, 0x3c, 0x94, 0x4e, 0x4e, 0x4e, 0x4a, 0xff, 0xff,
    0xff, 0xff, 0x4a, 0xff, 0xff, 0xff, 0xff, 0x4b, 0x00, 0x74, 0x94, 0x62, 0x43, 0x04, 0x00, 0x00,
    0x80, 0x3e, 0x94, 0x86, 0x94, 0x52, 0x94, 0x8c, 0x03, 0x64, 0x6f, 0x67, 0x94, 0x47, 0x3f, 0xe8,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x75, 0x7d, 0x94, 0x28, 0x68, 0x14, 0x68, 0x16, 0x68, 0x19,
    0x43, 0x04, 0x00, 0x00, 0x80, 0x3f, 0x94, 0x86, 0x94, 0x52, 0x94, 0x68, 0x1f, 0x4b, 0x00, 0x75,
    0x65, 0x74, 0x94, 0x62, 0x2e,
};

static void test_scores(void **state) {
  (void)state;
  static const double expected[] = {0.25, 0.75, 1, 0};
  ScoreTable table;
  const char *problem;
  assert_true(pickle_read_scores(scores, sizeof scores, arena, &table, &problem));
  assert_int_equal(table.column_count, 2);
  assert_string_equal(table.labels[0], "cat");
  assert_string_equal(table.labels[1], "dog");
  assert_int_equal(table.values->dims[0], 2);
  assert_memory_equal(table.values->data, expected, sizeof expected);
}

/* Every beginning of it is refused, and none is read beyond its end (the address sanitizer looks).
 */
static void test_scores_truncated(void **state) {
  (void)state;
  ScoreTable table;
  const char *problem;
  for (size_t size = 0; size < sizeof scores; size++) {
    Arena *own = arena_create();
    void *bytes = arena_copy(own, scores, size);
    assert_false(pickle_read_scores(bytes, size, own, &table, &problem));
    assert_non_null(problem);
    arena_destroy(own);
  }
}

/* Any other byte at any place: read or refused, with a reason. */
static void test_scores_damaged(void **state) {
  (void)state;
  unsigned char bytes[sizeof scores];
  ScoreTable table;
  const char *problem;
  int refused = 0;
  for (size_t at = 0; at < sizeof scores; at++)
    for (unsigned byte = 0; byte < 256; byte += 5) {
      Arena *own = arena_create();
      memcpy(bytes, scores, sizeof scores);
      bytes[at] = (unsigned char)byte;
      bool ok = pickle_read_scores(bytes, sizeof bytes, own, &table, &problem);
      assert_true(ok == (problem == NULL));
      refused += !ok;
      arena_destroy(own);
    }
  assert_true(refused > 1000);
}

/* A call of anything is only looked at. */
static void test_scores_harmful(void **state) {
  (void)state;
  static const char call[] = "\x80\x02"
                             "cos\nsystem\n"
                             "X\x04\0\0\0exit"
                             "\x85R.";
  ScoreTable table;
  const char *problem;
  assert_false(pickle_read_scores(call, sizeof call - 1, arena, &table, &problem));
  assert_string_equal(problem, "it is no list of dicts");
}

/* --- arrays --- */

/* A .npy file of format 1.0. */
static const char *write_npy(const char *header, const void *data, size_t bytes) {
  char *path = arena_printf(arena, "/tmp/ctc-test-%ld.npy", (long)getpid());
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  fwrite("\x93NUMPY\x01\x00", 1, 8, file);
  fputc((int)strlen(header), file);
  fputc(0, file);
  fputs(header, file);
  fwrite(data, 1, bytes, file);
  fclose(file);
  return path;
}

static void test_npy_column_major(void **state) {
  (void)state;
  static const float data[] = {1, 4, 2, 5, 3, 6}, expected[] = {1, 2, 3, 4, 5, 6};
  NamedTensor result;
  const char *path =
      write_npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n", data, sizeof data);
  assert_true(npy_read(path, arena, &result, &silent));
  unlink(path);
  assert_int_equal(result.tensor->rank, 2);
  assert_memory_equal(result.tensor->data, expected, sizeof expected);
}

static void test_npy_wrong(void **state) {
  (void)state;
  static const float data[6];
  static const char *const headers[] = {
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }\n",  /* too little data */
      "{'descr': '<U2', 'fortran_order': False, 'shape': (4,), }\n",    /* likewise */
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3), }\n", /* a negative size */
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3\n",      /* cut off */
      "{'descr': '<f4', 'fortran_order': False}\n",                     /* no shape */
      "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999, ), }\n",
  };
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    NamedTensor result;
    const char *path = write_npy(headers[i], data, sizeof data);
    assert_false(npy_read(path, arena, &result, &silent));
    unlink(path);
  }
}

static void test_npz_round_trip(void **state) {
  (void)state;
  char *path = arena_printf(arena, "/tmp/ctc-test-%ld.npz", (long)getpid());
  static const int64_t numbers[] = {3, -1, INT64_MAX};
  TensorList written = {0}, read = {0};
  NamedTensor one = {.name = "in:a/b", .tensor = tensor_i64(arena, numbers, 3)};
  NamedTensor two = {.name = "scalar", .tensor = tensor_scalar_f32(arena, 0.5f)};
  vec_push(arena, &written, one);
  vec_push(arena, &written, two);
  assert_true(npz_write(path, &written, arena, &silent));
  assert_true(npz_read(path, arena, &read, &silent));
  unlink(path);
  assert_int_equal(read.count, 2);
  const NamedTensor *found = tensor_list_find(&read, "in:a/b");
  assert_non_null(found);
  assert_int_equal(found->tensor->dtype, DT_I64);
  assert_memory_equal(found->tensor->data, numbers, sizeof numbers);
  assert_int_equal(tensor_list_find(&read, "scalar")->tensor->rank, 0);
  assert_null(tensor_list_find(&read, "nothing"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_scores, setup, teardown),
      cmocka_unit_test_setup_teardown(test_scores_truncated, setup, teardown),
      cmocka_unit_test_setup_teardown(test_scores_damaged, setup, teardown),
      cmocka_unit_test_setup_teardown(test_scores_harmful, setup, teardown),
      cmocka_unit_test_setup_teardown(test_npy_column_major, setup, teardown),
      cmocka_unit_test_setup_teardown(test_npy_wrong, setup, teardown),
      cmocka_unit_test_setup_teardown(test_npz_round_trip, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
