/* source_device.c: pairs kernels with their forms for a GPU: functions of the same name in
 * runtime/cuda/ or a plugin's kernel.cu, and NAME_threads, NAME_blocks and NAME_form
 * beside them. */
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

/* The form has the kernel's parameters, then what it ends with. */
static bool check_parameters(Sources *device, const Function *function, const Function *form,
                             bool epilogue) {
  size_t at = 0;
  for (size_t i = 0; i < function->params.count; i++) {
    const Param *param = &function->params.items[i];
    if (!is_implicit(param) && !check_parameter(device, form, at++, param->name)) return false;
  }
  if (epilogue && !check_parameter(device, form, at++, "epilogue")) return false;
  if (function->returns == RETURNS_STATUS && !check_parameter(device, form, at++, "status"))
    return false;
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

/* The positions of the kernel's parameters that a function of its sizes takes. */
static bool find_arguments(Sources *device, const Function *function, const Chunk *of_sizes,
                           Positions *found) {
  const Function *sizes = of_sizes ? read_parameters(device, (Chunk *)of_sizes) : NULL;
  for (size_t i = 0; sizes && i < sizes->params.count; i++) {
    const char *name = sizes->params.items[i].name;
    int position = parameter_position(function, name);
    if (position < 0 || function->params.items[position].kind == PARAM_OUT ||
        function->params.items[position].kind == PARAM_IN)
      return diag_error(device->diag, chunk_where(device, of_sizes, 0),
                        "'%s' is not a size that '%s' takes", name, function->name);
    vec_push(device->arena, found, position);
  }
  return true;
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
  return check_parameters(device, function, parameters, form->epilogue) &&
         find_arguments(device, function, form->blocks, &form->arguments) &&
         find_arguments(device, function, form->form, &form->form_arguments);
}
