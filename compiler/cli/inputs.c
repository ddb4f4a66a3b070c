/* inputs.c: the inputs of a run from files: `-i NAME=FILE`, or archives. */
#include "cli/cli.h"

#include "frontends/onnx/onnx.h"

#include <string.h>

/* An input and where it came from, for messages. */
typedef struct {
  const Tensor *tensor;
  const char *from;
} Given;

/* --- -i --- */

/* The '=' behind the name of an input, NULL if the text names none. A name may hold '=' itself. */
static const char *end_of_name(const char *text, const Port *port) {
  size_t length = strlen(port->name);
  return strncmp(text, port->name, length) == 0 && text[length] == '=' ? text + length : NULL;
}

static bool names_an_input(const char *text, const Program *program) {
  for (size_t i = 0; i < program->inputs.count; i++)
    if (end_of_name(text, &program->inputs.items[i])) return true;
  return false;
}

/* "did you mean", or the list of inputs. */
static bool hint_inputs(Cli *cli, const char *name, const Program *program) {
  size_t count = program->inputs.count;
  const char **names = ARENA_ARRAY(cli->arena, const char *, count + 1);
  Str list = str_in(cli->arena);
  for (size_t i = 0; i < count; i++) {
    names[i] = program->inputs.items[i].name;
    str_addf(&list, "%s'%s'", i ? ", " : "", names[i]);
  }
  const char *near = str_nearest(name, names, count);
  if (near) return diag_did_you_mean(&cli->diag, near);
  if (count == 0) return diag_hint(&cli->diag, "it has no inputs");
  return diag_hint(&cli->diag, "it has %s", str_text(&list));
}

static bool check_names(Cli *cli, const Program *program) {
  bool ok = true;
  for (size_t i = 0; i < cli->input_files.count; i++) {
    const char *text = cli->input_files.items[i];
    if (names_an_input(text, program)) continue;
    const char *name = arena_strndup(cli->arena, text, strcspn(text, "="));
    ok = diag_error(&cli->diag, cli->options.model, "-i: the model has no input '%s'", name);
    hint_inputs(cli, name, program);
  }
  return ok;
}

/* An array of another type than the format has. */
static bool refuse_type(Cli *cli, const char *where, const NamedTensor *named) {
  diag_error(&cli->diag, where, "arrays of numpy type '%s' cannot be used", named->descr);
  if (strcmp(named->descr, "|O") != 0) return false;
  return diag_hint(&cli->diag, "an array of strings: save x.astype(str)");
}

static const Tensor *read_file(Cli *cli, const char *path) {
  const char *dot = strrchr(path, '.');
  NamedTensor named;
  if (dot && strcmp(dot, ".pb") == 0) return onnx_read_tensor(path, cli->arena, &cli->diag);
  if (!npy_read(path, cli->arena, &named, &cli->diag)) return NULL;
  if (!named.tensor) (void)refuse_type(cli, path, &named);
  return named.tensor;
}

/* --- one input --- */

static bool missing(Cli *cli, const Port *port, const TensorList *archive) {
  Vec(const char *) names = {0};
  for (size_t i = 0; archive && i < archive->count; i++) {
    const char *name = archive->items[i].name;
    if (strncmp(name, "out:", 4) == 0) continue;
    name += strncmp(name, "in:", 3) == 0 ? 3 : 0;
    vec_push(cli->arena, &names, name);
  }
  diag_error(&cli->diag, cli->options.model, "no data for input '%s'", port->name);
  const char *near = str_nearest(port->name, names.items, names.count);
  if (near) return diag_hint(&cli->diag, "the archive has '%s': did you mean that?", near);
  return diag_hint(&cli->diag, "give it with -i %s=FILE.npy or in an archive with --inputs",
                   port->name);
}

/* False after a message; the tensor of the port from the -i files, then from the archive. */
static bool find_input(Cli *cli, const Port *port, const TensorList *archive, Given *given) {
  for (size_t i = 0; i < cli->input_files.count; i++) {
    const char *equals = end_of_name(cli->input_files.items[i], port);
    if (!equals) continue;
    *given = (Given){read_file(cli, equals + 1), equals + 1};
    return given->tensor != NULL;
  }
  const char *key = arena_printf(cli->arena, "in:%s", port->name);
  const NamedTensor *named = tensor_list_find(archive, key);
  if (!named) named = tensor_list_find(archive, port->name);
  if (!named) return missing(cli, port, archive);
  *given = (Given){named->tensor, cli->inputs_file ? cli->inputs_file : cli->reference};
  if (named->tensor) return true;
  const char *where = arena_printf(cli->arena, "%s: '%s'", given->from, named->name);
  return refuse_type(cli, where, named);
}

static bool fits(const Port *port, const Tensor *tensor) {
  if (tensor->dtype != port->dtype || tensor->rank != port->rank) return false;
  for (int d = 0; d < port->rank; d++)
    if (dim_is_const(port->shape[d]) && dim_value(port->shape[d]) != tensor->dims[d]) return false;
  return true;
}

/* Types and constant sizes; what symbols must be is checked when the model runs. */
static bool check_type(Cli *cli, const Port *port, const Given *given) {
  const Tensor *tensor = given->tensor;
  const char *wanted = dtype_info(port->dtype)->name, *got = dtype_info(tensor->dtype)->name;
  Str want_shape = str_in(cli->arena), shape = str_in(cli->arena);
  if (fits(port, tensor)) return true;
  dims_print(&want_shape, port->shape, port->rank);
  for (int d = 0; d < tensor->rank; d++)
    str_addf(&shape, d ? ", %lld" : "%lld", (long long)tensor->dims[d]);
  diag_error(&cli->diag, cli->options.model, "input '%s' takes %s%s, but %s has %s[%s]", port->name,
             wanted, str_text(&want_shape), given->from, got, str_text(&shape));
  if (tensor->dtype != port->dtype)
    return diag_hint(&cli->diag, "convert the array: x.astype(%s)",
                     port->dtype == DT_STRING ? "str"
                                              : arena_printf(cli->arena, "numpy.%s", wanted));
  if (tensor->rank != port->rank)
    return diag_hint(&cli->diag, "the array must have %d dimensions, it has %d", port->rank,
                     tensor->rank);
  return false;
}

bool cli_inputs(Cli *cli, const Program *program, const TensorList *archive,
                const Tensor ***inputs) {
  bool ok = check_names(cli, program);
  *inputs = ARENA_ARRAY(cli->arena, const Tensor *, program->inputs.count + 1);
  for (size_t i = 0; i < program->inputs.count; i++) {
    const Port *port = &program->inputs.items[i];
    Given given = {0};
    bool good = find_input(cli, port, archive, &given) && check_type(cli, port, &given);
    (*inputs)[i] = given.tensor;
    ok = ok && good;
  }
  return ok;
}
