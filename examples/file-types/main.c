/* main.c: says of what type files are, by their contents alone.
 *
 *   file-types FILE…
 *
 * The model (Magika, compiled to magika.c) sees the first and the last 1024 bytes of a file, white
 * space at its ends taken away, and gives a score to each of some two hundred types. types.h, their
 * table, is made from the model's configuration. */
#include "magika.h"
#include "types.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { TYPES = MAGIKA_OUT_TARGET_LABEL_ELEMENTS, INPUTS = MAGIKA_IN_BYTES_ELEMENTS };

/* The tables and the model must be from the same release: otherwise one of these arrays has a
 * negative size. */
typedef char types_match[sizeof file_types / sizeof file_types[0] == TYPES ? 1 : -1];
typedef char inputs_match[INPUTS == BEGIN_BYTES + END_BYTES ? 1 : -1];

typedef struct {
  unsigned char bytes[BLOCK_BYTES];
  size_t count;
} Block;

static int is_white(unsigned char byte) {
  return byte == ' ' || (byte >= 9 && byte <= 13);
}

/* The first and the last block of a file (the same one if it is short). */
static int read_blocks(const char *path, Block *first, Block *last) {
  FILE *file = fopen(path, "rb");
  if (!file) return 0;
  first->count = fread(first->bytes, 1, BLOCK_BYTES, file);
  *last = *first;
  int good = !ferror(file);
  if (good && first->count == BLOCK_BYTES && !fseek(file, -(long)BLOCK_BYTES, SEEK_END))
    last->count = fread(last->bytes, 1, BLOCK_BYTES, file);
  good = good && !ferror(file);
  fclose(file);
  return good;
}

/* input: the begin, padded behind, then the end, padded in front. Returns how many bytes of the
 * begin there are. */
static size_t fill_input(const Block *first, const Block *last, int32_t *input) {
  size_t from = 0, to = last->count;
  while (from < first->count && is_white(first->bytes[from])) from++;
  while (to > 0 && is_white(last->bytes[to - 1])) to--;
  for (size_t i = 0; i < INPUTS; i++) input[i] = PADDING;
  size_t count = first->count - from;
  if (count > BEGIN_BYTES) count = BEGIN_BYTES;
  for (size_t i = 0; i < count; i++) input[i] = first->bytes[from + i];
  size_t tail = to < END_BYTES ? to : END_BYTES;
  for (size_t i = 0; i < tail; i++) input[INPUTS - tail + i] = last->bytes[to - tail + i];
  return count;
}

/* Runs the model; the type with the highest score, or -1. */
static int classify(const int32_t *input, float *score) {
  static union {
    char bytes[MAGIKA_WORKSPACE_BYTES + MAGIKA_ALIGNMENT];
    double align;
  } memory;
  static float scores[TYPES];
  char *workspace = memory.bytes;
  while ((size_t)workspace % MAGIKA_ALIGNMENT) workspace++;
  int status = magika_run(input, scores, workspace, MAGIKA_WORKSPACE_BYTES);
  if (status != MAGIKA_OK) {
    fprintf(stderr, "file-types: %s\n", magika_status_text(status));
    return -1;
  }
  int best = 0;
  for (int i = 1; i < TYPES; i++)
    if (scores[i] > scores[best]) best = i;
  *score = scores[best];
  return best;
}

static void print_type(const char *path, int width, const char *description, const char *name,
                       float score) {
  printf("%-*s  %-34s %-12s %5.1f %%\n", width, path, description, name, 100 * (double)score);
}

/* Prints one line; paths are `width` characters wide. 1 if it failed. */
static int do_file(const char *path, int width) {
  static Block first, last;
  static int32_t input[INPUTS];
  if (!read_blocks(path, &first, &last)) return perror(path), 1;
  size_t meaningful = fill_input(&first, &last, input);
  if (first.count == 0) return print_type(path, width, "Empty file", "empty", 1), 0;
  /* Too little to tell by: the model never saw so short files. */
  if (meaningful < LEAST_BYTES) return print_type(path, width, "Too short to tell", "-", 1), 0;
  float score;
  int best = classify(input, &score);
  if (best < 0) return 1;
  const FileType *type = &file_types[best];
  const char *description = type->description;
  if (score < type->threshold)
    description = type->is_text ? "Some text, perhaps" : "Unknown, perhaps";
  print_type(path, width, description, type->name, score);
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 2) return fputs("usage: file-types FILE...\n", stderr), 2;
  int failed = 0, width = 0;
  for (int i = 1; i < argc; i++)
    if ((int)strlen(argv[i]) > width) width = (int)strlen(argv[i]);
  for (int i = 1; i < argc; i++) failed |= do_file(argv[i], width);
  return failed;
}
