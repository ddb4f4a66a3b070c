/* bake.c: kernel texts compiled while ctc runs, by NVRTC (docs.nvidia.com/cuda/nvrtc), which is
 * opened when it is needed. */
#include "backends/cuda/bake.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* NVRTC's functions; all return 0 or an error. */
typedef struct {
  int (*create)(void **program, const char *text, const char *name, int count,
                const char *const *headers, const char *const *names);
  int (*compile)(void *program, int count, const char *const *options);
  int (*log_size)(void *program, size_t *bytes);
  int (*log)(void *program, char *text);
  int (*cubin_size)(void *program, size_t *bytes);
  int (*cubin)(void *program, char *image);
  int (*ptx_size)(void *program, size_t *bytes);
  int (*ptx)(void *program, char *text);
  int (*destroy)(void **program);
} Nvrtc;

static const struct {
  const char *name;
  size_t at;
} functions[] = {
    {"nvrtcCreateProgram", offsetof(Nvrtc, create)},
    {"nvrtcCompileProgram", offsetof(Nvrtc, compile)},
    {"nvrtcGetProgramLogSize", offsetof(Nvrtc, log_size)},
    {"nvrtcGetProgramLog", offsetof(Nvrtc, log)},
    {"nvrtcGetCUBINSize", offsetof(Nvrtc, cubin_size)},
    {"nvrtcGetCUBIN", offsetof(Nvrtc, cubin)},
    {"nvrtcGetPTXSize", offsetof(Nvrtc, ptx_size)},
    {"nvrtcGetPTX", offsetof(Nvrtc, ptx)},
    {"nvrtcDestroyProgram", offsetof(Nvrtc, destroy)},
};

static bool open_nvrtc(Emitter *e, Nvrtc *rtc) {
  static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};
  void *library = NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++)
    library = dlopen(names[i], RTLD_NOW);
  if (!library) {
    diag_error(e->c->diag, "ctc", "--cuda-arch needs NVRTC, and libnvrtc.so is not found");
    return diag_hint(e->c->diag,
                     "set LD_LIBRARY_PATH to its folder (of the CUDA toolkit, or of the "
                     "PyPI package nvidia-cuda-nvrtc), or leave --cuda-arch out: then "
                     "the program compiles its kernels when it starts");
  }
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    void *function = dlsym(library, functions[i].name);
    if (!function)
      return diag_error(e->c->diag, "ctc", "NVRTC is too old: it has no %s", functions[i].name);
    memcpy((char *)rtc + functions[i].at, &function, sizeof function);
  }
  return true;
}

static bool compile_failed(Emitter *e, const Nvrtc *rtc, void *program, const char *option) {
  size_t bytes = 0;
  char *log = NULL;
  if (rtc->log_size(program, &bytes) == 0 && bytes > 0)
    log = ARENA_ARRAY(e->arena, char, bytes + 1);
  if (log && rtc->log(program, log) != 0) log = NULL;
  if (log) log[bytes] = '\0';
  return diag_error(e->c->diag, "ctc", "NVRTC does not compile the kernels with %s: %s", option,
                    log ? log : "no reason is given");
}

/* The text for an architecture, as machine code ("sm_90") or PTX ("compute_90"). */
static const Tensor *compile(Emitter *e, const Nvrtc *rtc, const char *text, const char *arch,
                             bool ptx) {
  const char *options[] = {arena_printf(e->arena, "-arch=%s", arch), "-std=c++17", "--fmad=false"};
  void *program = NULL, *data;
  size_t bytes = 0;
  const Tensor *image = NULL;
  if (rtc->create(&program, text, "kernels.cu", 0, NULL, NULL) != 0) {
    (void)compile_failed(e, rtc, program, arch);
    return NULL;
  }
  bool ok = rtc->compile(program, e->options->strict ? 3 : 2, options) == 0 &&
            (ptx ? rtc->ptx_size : rtc->cubin_size)(program, &bytes) == 0 && bytes > 0;
  int64_t count = (int64_t)bytes;
  if (ok) {
    image = tensor_create(e->arena, DT_U8, 1, &count, &data);
    ok = (ptx ? rtc->ptx : rtc->cubin)(program, data) == 0;
  }
  if (!ok) (void)compile_failed(e, rtc, program, options[0]);
  rtc->destroy(&program);
  return ok ? image : NULL;
}

static void add_image(Emitter *e, Scope *scope, int arch, const Tensor *image, bool ptx) {
  const char *label = arena_printf(e->arena, ptx ? "code_compute_%d" : "code_sm_%d", arch);
  Scope *item = scope_item(scope, "images");
  scope_textf(item, "arch", "%d", arch);
  scope_bool(item, "ptx", ptx);
  scope_text(item, "pointer", emit_add_weight(e, image, label));
}

static int compare_numbers(const void *a, const void *b) {
  return *(const int *)a - *(const int *)b;
}

typedef Vec(int) Numbers;

/* "sm_80,sm_90" as numbers, in rising order. */
static bool read_architectures(Emitter *e, Numbers *found) {
  const char *text = e->options->cuda_arch;
  while (*text) {
    size_t length = strcspn(text, ",");
    char *end;
    long number = strncmp(text, "sm_", 3) == 0 ? strtol(text + 3, &end, 10) : 0;
    if (number < 50 || number > 999 || end != text + length) {
      diag_error(e->c->diag, "ctc", "--cuda-arch: '%.*s' is no architecture", (int)length, text);
      return diag_hint(e->c->diag, "write them like sm_80,sm_90");
    }
    vec_push(e->arena, found, (int)number);
    text += length + (text[length] == ',');
  }
  if (found->count) qsort(found->items, found->count, sizeof(int), compare_numbers);
  return true;
}

bool cuda_bake(Emitter *e, Scope *scope, const char *text) {
  Nvrtc rtc;
  Numbers numbers = {0};
  scope_list(scope, "images");
  scope_bool(scope, "baked", e->options->cuda_arch != NULL);
  if (!e->options->cuda_arch) return true;
  if (!read_architectures(e, &numbers) || !open_nvrtc(e, &rtc)) return false;
  for (size_t i = 0; i < numbers.count; i++) {
    const char *arch = arena_printf(e->arena, "sm_%d", numbers.items[i]);
    const Tensor *image = compile(e, &rtc, text, arch, false);
    if (!image) return false;
    add_image(e, scope, numbers.items[i], image, false);
  }
  if (!numbers.count) return true;
  int newest = numbers.items[numbers.count - 1];
  const char *arch = arena_printf(e->arena, "compute_%d", newest);
  const Tensor *image = compile(e, &rtc, text, arch, true);
  if (image) add_image(e, scope, newest, image, true);
  return image != NULL;
}
