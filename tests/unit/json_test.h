/* json_test.h: what the tests of JSON share: texts in, values or messages out. */
#ifndef CTC_TESTS_JSON_TEST_H
#define CTC_TESTS_JSON_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Arena *arena;
static Diag diag;
static char *told; /* what `diag` has printed, after messages() */
static size_t told_bytes;

static int setup(void **state) {
  (void)state;
  arena = arena_create();
  diag = (Diag){.out = open_memstream(&told, &told_bytes)};
  return diag.out ? 0 : 1;
}

static int teardown(void **state) {
  (void)state;
  fclose(diag.out);
  free(told);
  arena_destroy(arena);
  return 0;
}

/* All that was told since the last call. */
static const char *messages(void) {
  fflush(diag.out);
  const char *text = arena_strndup(arena, told, told_bytes);
  rewind(diag.out);
  diag.errors = 0;
  return text;
}

/* From a copy that ends where the text ends, so that the address sanitizer sees reads beyond. */
static bool parse_bytes(const char *text, size_t size, JsonFile *file) {
  char *copy = malloc(size ? size : 1);
  assert_non_null(copy);
  if (size) memcpy(copy, text, size);
  bool ok = json_parse("t.json", copy, size, arena, &diag, file);
  free(copy);
  return ok;
}

static JsonFile parse(const char *text) {
  JsonFile file;
  if (!parse_bytes(text, strlen(text), &file)) fail_msg("%s: %s", text, messages());
  return file;
}

#endif
