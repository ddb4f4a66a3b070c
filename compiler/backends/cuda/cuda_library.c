/* cuda_library.c: steps that a library of --cuda-libs does where the program finds it: its form of
 * the kernel (runtime/cuda/libs) is called, and says whether it did the step.
 *
 *   for (int left = ctc_library_begins(gpu, 0, KERNEL_product_f32_1); left > 0;)
 *     left = ctc_library_ends(gpu, 0, KERNEL_product_f32_1, left,
 *                             ctc_product_f32_cublaslt(&gpu->library_steps[0], …));
 *   if (!gpu->library_steps[0].done)
 *     …
 */
#include "backends/cuda/cuda.h"

#include <string.h>

/* --- the option --- */

/* The next word of "cublaslt,cudnn" and its length; NULL: there is none. */
static const char *next_word(const char **list, size_t *length) {
  const char *word = *list;
  if (!word || !*word) return NULL;
  *length = strcspn(word, ",");
  *list = word + *length + (word[*length] == ',');
  return word;
}

/* The number of a library, or -1. */
static int find_library(const char *name, size_t length) {
  for (int i = 0; device_libraries[i].name; i++)
    if (strlen(device_libraries[i].name) == length &&
        strncmp(device_libraries[i].name, name, length) == 0)
      return i;
  return -1;
}

bool cuda_check_libraries(Compilation *c, const char *list) {
  size_t length;
  for (const char *word; (word = next_word(&list, &length));) {
    if (find_library(word, length) >= 0) continue;
    diag_error(c->diag, "ctc", "--cuda-libs: '%.*s' is no library that ctc can use", (int)length,
               word);
    return diag_hint(c->diag, "there are %s", kernel_library_names(c->arena, ", "));
  }
  return true;
}

static bool is_chosen(const CudaEmitter *cuda, int number) {
  for (size_t i = 0; i < cuda->libraries.count; i++)
    if (cuda->libraries.items[i].number == number) return true;
  return false;
}

void cuda_choose_libraries(Emitter *e, const char *list) {
  size_t length;
  for (const char *word; (word = next_word(&list, &length));) {
    CudaLibrary library = {find_library(word, length), 0};
    if (is_chosen(e->cuda, library.number)) continue;
    vec_push(e->arena, &e->cuda->libraries, library);
    emit_need_chunk(e, device_libraries[library.number].chunk);
  }
  if (!e->cuda->libraries.count) return;
  emit_need_name(e, "CTC_LIBRARY_WORKSPACE");
  (void)emit_name(e, "left");
}

/* --- steps --- */

int cuda_library_of(const Emitter *e, const Step *step) {
  const int *forms = step->kernel->device->libraries;
  for (size_t i = 0; forms && i < e->cuda->libraries.count; i++)
    if (forms[e->cuda->libraries.items[i].number] >= 0) return (int)i;
  return -1;
}

/* "&gpu->library_steps[3], ws + 128, 64, a5": what its form of the kernel takes. */
static const char *arguments(Emitter *e, const Step *step, int number) {
  Str out = str_in(e->arena);
  str_addf(&out, "&gpu->library_steps[%d]", number);
  for (size_t i = 0; i < step->args.count; i++)
    if (step->args.items[i].kind < PARAM_EPILOGUE)
      str_addf(&out, ", %s", cuda_host_argument(e, step, i));
  return str_text(&out);
}

const char *cuda_print_library_call(Emitter *e, Str *out, const Step *step, const char *function,
                                    int depth) {
  CudaEmitter *cuda = e->cuda;
  int which = cuda_library_of(e, step), number = (int)cuda->library_steps.count;
  CudaLibrary *library = &cuda->libraries.items[which];
  vec_push(e->arena, &cuda->library_steps, which);
  library->steps++;
  emit_need_chunk(e, step->kernel->device->libraries[library->number]);
  emit_indent(out, depth);
  str_addf(out, "for (int left = ctc_library_begins(gpu, %d, KERNEL_%s); left > 0;)\n", number,
           function);
  emit_indent(out, depth + 1);
  str_addf(out, "left = ctc_library_ends(gpu, %d, KERNEL_%s, left, %s_%s(%s));\n", number, function,
           step->kernel->name, device_libraries[library->number].name, arguments(e, step, number));
  return arena_printf(e->arena, "gpu->library_steps[%d].done", number);
}

/* --- the program --- */

void cuda_bind_libraries(Emitter *e, Scope *scope) {
  const CudaEmitter *cuda = e->cuda;
  Str steps = str_in(e->arena);
  scope_list(scope, "libraries");
  for (size_t i = 0; i < cuda->libraries.count; i++) {
    const CudaLibrary *library = &cuda->libraries.items[i];
    Scope *item = scope_item(scope, "libraries");
    scope_text(item, "name", device_libraries[library->number].name);
    scope_textf(item, "steps", "%d", library->steps);
  }
  for (size_t i = 0; i < cuda->library_steps.count; i++)
    str_addf(&steps, "%d, ", cuda->library_steps.items[i]);
  str_add(&steps, "0");
  scope_text(scope, "library_of_steps", str_text(&steps));
  scope_textf(scope, "library_count", "%zu", cuda->libraries.count);
  scope_textf(scope, "library_step_count", "%zu", cuda->library_steps.count);
  scope_bool(scope, "library_steps", cuda->library_steps.count > 0);
  scope_textf(scope, "library_precision", "%d", (int)e->options->precision);
}
