/* target.c: the table of targets. */
#include "ir/target.h"

#include "options.h"

#include <string.h>

const TargetInfo output_targets[] = {
    {.name = "c", .extension = ".c", .blocked = true, .panels = true, .columns = true},
    {.name = "cuda", .extension = ".cu", .device = true},
};
const int output_target_count = (int)(sizeof output_targets / sizeof *output_targets);

const TargetInfo *target_of(const Compilation *c) {
  return c->options && c->options->target ? c->options->target : &output_targets[0];
}

const TargetInfo *target_find(const char *name) {
  for (int i = 0; i < output_target_count; i++)
    if (strcmp(output_targets[i].name, name) == 0) return &output_targets[i];
  return NULL;
}

const TargetInfo *target_of_file(const char *path) {
  const char *dot = strrchr(path, '.');
  for (int i = 0; dot && i < output_target_count; i++)
    if (strcmp(output_targets[i].extension, dot) == 0) return &output_targets[i];
  return &output_targets[0];
}
