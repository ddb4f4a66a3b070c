/* replay.c: runs a fuzz target on files and on all files of folders, once each, where there is no
 * libFuzzer. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* A copy of just the size, so that the sanitizer sees who reads beyond it. */
static int replay_file(const char *path) {
  FILE *file = fopen(path, "rb");
  uint8_t *data = NULL;
  size_t size = 0, capacity = 0;
  while (file && !feof(file) && !ferror(file)) {
    if (size == capacity) data = realloc(data, capacity = 2 * capacity + 4096);
    EXPECT(data);
    size += fread(data + size, 1, capacity - size, file);
  }
  if (!file || ferror(file)) {
    fprintf(stderr, "%s: cannot read it\n", path);
    exit(1);
  }
  fclose(file);
  data = realloc(data, size + !size);
  fprintf(stderr, "%s\n", path); /* the last line before a finding */
  LLVMFuzzerTestOneInput(data, size);
  free(data);
  return 1;
}

static int replay_folder(const char *path, DIR *folder) {
  int count = 0;
  char name[4096];
  for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
    if (entry->d_name[0] == '.') continue;
    snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    count += replay_file(name);
  }
  return count;
}

int main(int argc, char **argv) {
  int count = 0;
  for (int i = 1; i < argc; i++) {
    DIR *folder = opendir(argv[i]);
    count += folder ? replay_folder(argv[i], folder) : replay_file(argv[i]);
    if (folder) closedir(folder);
  }
  printf("%d inputs\n", count);
  return count ? 0 : 1;
}
