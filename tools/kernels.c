/* kernels.c: turns runtime/ and the kernels of layers/ into C that ctc is built with.
 *
 *   kernels -o build/gen runtime/prelude.c runtime/softmax.c … layers/cdist/kernel.c …
 *           runtime/cuda/softmax.cu … runtime/cuda/libs/cublaslt.c …
 *
 * writes kernels_softmax.c, kernels_layer_cdist.c … (the kernels of each file, callable from inside
 * ctc) and kernel_table.c (what compiler/ir/kernel.h declares: descriptions and source texts).
 * Files whose content would not change are left alone. */
#include "kernels.h"

#include "base/file.h"

#include <string.h>

const char *layer_of(Arena *arena, const char *file) {
  bool kernel = strcmp(path_stem(arena, file), "kernel") == 0;
  return kernel ? path_stem(arena, path_folder(arena, file)) : NULL;
}

const char *library_definition(Arena *arena, const char *name) {
  return arena_printf(arena, "ctc_%s_library", name);
}

static bool is_device_file(const char *path) {
  return strstr(path, "/cuda/") != NULL;
}

/* A file that defines ctc_STEM_library is a library's. */
static void find_libraries(Sources *device) {
  for (size_t i = 0; i < device->files.count; i++) {
    const char *stem = path_stem(device->arena, device->files.items[i]);
    if (map_get(&device->definitions, library_definition(device->arena, stem)))
      vec_push(device->arena, &device->libraries, stem);
  }
}

static bool read_device(const Sources *runtime, Sources *device) {
  bool ok = true;
  Map *names = ARENA_NEW(runtime->arena, Map);
  *names = map_in(runtime->arena);
  sources_add_names(runtime, names);
  device->outer = names;
  for (size_t i = 0; i < device->files.count; i++)
    ok = sources_read(device, device->files.items[i]) && ok;
  if (!ok || !sources_order(device)) return false;
  find_libraries(device);
  return true;
}

static bool build(Sources *runtime, Sources *device, const char *folder) {
  bool ok = true;
  for (size_t i = 0; i < runtime->files.count; i++) {
    const char *layer = layer_of(runtime->arena, runtime->files.items[i]);
    runtime->prefix = layer ? layer : "ctc";
    ok = sources_read(runtime, runtime->files.items[i]) && ok;
  }
  return ok && sources_order(runtime) && read_device(runtime, device) &&
         write_kernel_files(runtime, device, folder);
}

int main(int argc, char **argv) {
  if (argc < 4 || strcmp(argv[1], "-o") != 0) {
    fprintf(stderr, "usage: kernels -o FOLDER FILE.c…\n");
    return 2;
  }
  Arena *arena = arena_create();
  Diag diag = {.out = stderr};
  Sources runtime = {.arena = arena, .diag = &diag, .definitions = map_in(arena)};
  Sources device = {
      .arena = arena, .diag = &diag, .prefix = "ctc", .definitions = map_in(arena), .device = true};
  for (int i = 3; i < argc; i++)
    vec_push(arena, is_device_file(argv[i]) ? &device.files : &runtime.files, argv[i]);
  bool ok = build(&runtime, &device, argv[2]);
  diag_finish(&diag);
  arena_destroy(arena);
  return ok ? 0 : 1;
}
