/* source_device.c: pairs kernels with their forms for a GPU: functions of the same name in
 * runtime/cuda/ or a plugin's kernel.cu, and NAME_threads, NAME_blocks and NAME_form
 * beside them; NAME_LIBRARY in runtime/cuda/libs/, and NAME_finish. */
#include "kernels/source.h"

#include <string.h>

static const Chunk *definition(const Sources *device, const Function *function,
                               const char *suffix) {
  return map_get(&device->definitions, arena_printf(device->arena, "%s%s", function->name, suffix));
}

/* Parameters that a form for a GPU does not have. */
static bool is_implicit(const Param *param) {
  static const ParamKind kinds[] = {PARAM_EPILOGUE, PARAM_EPILOGUE_ROW, PARAM_OPERANDS,
                                    PARAM_PART,     PARAM_FIRST,        PARAM_LAST};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (param->kind == kinds[i]) return true;
  return false;
}

/* The form's next parameter must be `name`. */
static bool check_parameter(Sources *device, const Function *form, size_t at, const char *name) {
  const char *found = at < form->params.count ? form->params.items[at].name : NULL;
  if (found && strcmp(found, name) == 0) return true;
  return diag_error(device->diag, chunk_where(device, form->chunk, 0),
                    "parameter %zu of '%s' is '%s'; it has to be '%s', as in runtime/", at + 1,
                    form->name, found ? found : "missing", name);
}

/* The form has what it begins with (may be NULL), the kernel's parameters, then what it ends with.
 */
static bool check_parameters(Sources *device, const Function *function, const Function *form,
                             const char *first, bool epilogue, bool status) {
  size_t at = 0;
  if (first && !check_parameter(device, form, at++, first)) return false;
  for (size_t i = 0; i < function->params.count; i++) {
    const Param *param = &function->params.items[i];
    if (!is_implicit(param) && !check_parameter(device, form, at++, param->name)) return false;
  }
  if (epilogue && !check_parameter(device, form, at++, "epilogue")) return false;
  if (status && !check_parameter(device, form, at++, "status")) return false;
  return at == form->params.count ||
         diag_error(device->diag, chunk_where(device, form->chunk, 0),
                    "'%s' has a parameter '%s' that the kernel in runtime/ does not have",
                    form->name, form->params.items[at].name);
}

/* Whether the form finishes its results: the last parameter but the status is `epilogue`. */
static bool ends_with_epilogue(const Function *form, const Function *function) {
  size_t count = form->params.count, status = function->returns == RETURNS_STATUS;
  return count > status && strcmp(form->params.items[count - status - 1].name, "epilogue") == 0;
}

static int parameter_position(const Function *function, const char *name) {
  for (size_t i = 0; i < function->params.count; i++)
    if (strcmp(function->params.items[i].name, name) == 0) return (int)i;
  return -1;
}

static bool is_tensor(const Function *function, int position) {
  ParamKind kind = function->params.items[position].kind;
  return kind == PARAM_IN || kind == PARAM_OUT;
}

/* The positions of the kernel's parameters that a function of its sizes takes, or, with `tensors`,
 * one that finishes its results. */
static bool find_arguments(Sources *device, const Function *function, const Chunk *part,
                           bool tensors, Positions *found) {
  const Function *taker = part ? read_parameters(device, (Chunk *)part) : NULL;
  for (size_t i = 0; taker && i < taker->params.count; i++) {
    const char *name = taker->params.items[i].name;
    if (tensors && strcmp(name, "epilogue") == 0) continue;
    int position = parameter_position(function, name);
    if (position < 0 || (!tensors && is_tensor(function, position)))
      return diag_error(device->diag, chunk_where(device, part, 0),
                        "'%s' is not a %s that '%s' takes", name,
                        tensors ? "tensor or size" : "size", function->name);
    vec_push(device->arena, found, position);
  }
  return true;
}

/* Its forms by libraries, and what finishes what they leave. */
static bool find_libraries(Sources *device, const Function *function, DeviceForm *form) {
  for (size_t i = 0; i < device->libraries.count; i++) {
    const char *suffix = arena_printf(device->arena, "_%s", device->libraries.items[i]);
    const Chunk *chunk = definition(device, function, suffix);
    vec_push(device->arena, &form->libraries, chunk);
    if (!chunk) continue;
    form->by_library = true;
    if (!check_parameters(device, function, read_parameters(device, (Chunk *)chunk), "step", false,
                          false))
      return false;
  }
  if (!form->by_library) return true;
  form->finish = definition(device, function, "_finish");
  form->finish_blocks = definition(device, function, "_finish_blocks");
  if (form->finish ? !form->finish_blocks : form->epilogue)
    return diag_error(device->diag, chunk_where(device, form->chunk, 0),
                      "there is no '%s%s' for '%s'", function->name,
                      form->finish ? "_finish_blocks" : "_finish", function->name);
  return find_arguments(device, function, form->finish, true, &form->finish_arguments) &&
         find_arguments(device, function, form->finish_blocks, false,
                        &form->finish_block_arguments);
}

bool find_device_form(Sources *device, const Function *function, DeviceForm *form) {
  *form = (DeviceForm){.chunk = definition(device, function, "")};
  if (!form->chunk || function->returns == RETURNS_NUMBER) return form->chunk = NULL, true;
  const Function *parameters = read_parameters(device, (Chunk *)form->chunk);
  form->threads = definition(device, function, "_threads");
  form->blocks = definition(device, function, "_blocks");
  form->form = definition(device, function, "_form");
  form->epilogue = ends_with_epilogue(parameters, function);
  if (!form->blocks)
    return diag_error(device->diag, chunk_where(device, form->chunk, 0),
                      "there is no '%s_blocks' for '%s'", function->name, function->name);
  if (form->form && strcmp(form->chunk->tokens.items[0].text, "template") != 0)
    return diag_error(device->diag, chunk_where(device, form->chunk, 0),
                      "'%s' has no template parameter for what '%s_form' gives", function->name,
                      function->name);
  return check_parameters(device, function, parameters, NULL, form->epilogue,
                          function->returns == RETURNS_STATUS) &&
         find_arguments(device, function, form->blocks, false, &form->arguments) &&
         find_arguments(device, function, form->form, false, &form->form_arguments) &&
         find_libraries(device, function, form);
}
