/* verify.c: `ctc verify`: the emitted C, compiled and run, against the interpreter and, if there is one, a reference. */
#include "backends/c/emit_c.h"
#include "base/file.h"
#include "cli/loaded.h"
#include "cli/toolchain.h"
#include "ir/interpret.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* --- comparing --- */

typedef struct {
  bool same_type;    /* dtype and shape */
  int64_t wrong;     /* elements out of tolerance */
  int64_t worst;     /* index of the worst one, by difference over tolerance */
  double difference; /* largest absolute difference */
  double got, wanted; /* at the worst index */
} Comparison;

static bool same_shape(const Tensor *a, const Tensor *b) {
  if (a->rank != b->rank || a->dtype != b->dtype) return false;
  for (int d = 0; d < a->rank; d++)
    if (a->dims[d] != b->dims[d]) return false;
  return true;
}

/* Difference over tolerance: at most 1 is right. Equal infinities and two NaNs are equal. */
static double excess(double got, double wanted, double rtol, double atol) {
  if (got == wanted || (isnan(got) && isnan(wanted))) return 0;
  double difference = fabs(got - wanted), allowed = atol + rtol * fabs(wanted);
  if (isnan(difference) || isinf(difference)) return INFINITY;
  return allowed > 0 ? difference / allowed : INFINITY;
}

static Comparison compare(const Cli *cli, const Tensor *got, const Tensor *wanted) {
  Comparison result = {.same_type = same_shape(got, wanted)};
  bool exact = !dtype_is_float(wanted->dtype);
  double worst = 0;
  for (int64_t i = 0; result.same_type && i < wanted->count; i++) {
    double a = tensor_real(got, i), b = tensor_real(wanted, i);
    double e = exact ? (tensor_int(got, i) == tensor_int(wanted, i) ? 0 : INFINITY)
                     : excess(a, b, cli->rtol, cli->atol);
    if (fabs(a - b) > result.difference) result.difference = fabs(a - b);
    result.wrong += e > 1;
    if (e <= worst) continue;
    worst = e;
    result.worst = i;
    result.got = a;
    result.wanted = b;
  }
  return result;
}

static const char *shape_text(Cli *cli, const Tensor *tensor) {
  Str out = str_in(cli->arena);
  str_addf(&out, "%s[", dtype_info(tensor->dtype)->name);
  for (int d = 0; d < tensor->rank; d++) str_addf(&out, d ? ", %" PRId64 : "%" PRId64, tensor->dims[d]);
  str_add(&out, "]");
  return str_text(&out);
}

/* One line about one output; true if it is right. */
static bool report(Cli *cli, const char *name, const char *against, const Tensor *got, const Tensor *wanted) {
  Comparison result = compare(cli, got, wanted);
  if (!result.same_type) {
    printf("%s: WRONG TYPE: %s, %s has %s\n", name, shape_text(cli, got), against, shape_text(cli, wanted));
    return false;
  }
  printf("%s: %s, against %s: %s, largest difference %.3g", name, shape_text(cli, got), against,
         result.wrong ? "DIFFERS" : "ok", result.difference);
  if (result.wrong)
    printf("; %" PRId64 " of %" PRId64 " elements are out of tolerance, worst at %" PRId64 ": %.9g instead of %.9g",
           result.wrong, wanted->count, result.worst, result.got, result.wanted);
  putchar('\n');
  return result.wrong == 0;
}

/* --- the reference --- */

static bool has_shape_option(const Cli *cli, const char *input) {
  for (size_t i = 0; i < cli->shapes.count; i++)
    if (strcmp(cli->shapes.items[i].input, input) == 0) return true;
  return false;
}

/* Inputs of the reference give the model's inputs their shapes. */
static void shapes_from_reference(Cli *cli, const TensorList *reference) {
  for (size_t i = 0; i < reference->count; i++) {
    const NamedTensor *named = &reference->items[i];
    if (strncmp(named->name, "in:", 3) != 0 || !named->tensor) continue;
    if (has_shape_option(cli, named->name + 3)) continue;
    ShapeOption shape = {.input = named->name + 3, .rank = named->tensor->rank};
    memcpy(shape.dims, named->tensor->dims, sizeof(int64_t) * (size_t)shape.rank);
    vec_push(cli->arena, &cli->shapes, shape);
  }
  cli->options.shapes = cli->shapes.items;
  cli->options.shape_count = cli->shapes.count;
}

/* --- inputs without a reference --- */

/* Reproducible numbers: xorshift64*. */
static double next_random(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return (double)((*state * 2685821657736338717u) >> 11) / 9007199254740992.0;
}

static void fill_random(void *data, DType dtype, int64_t i, double unit) {
  switch (dtype) {
  case DT_F32: ((float *)data)[i] = (float)(2 * unit - 1); break;
  case DT_F64: ((double *)data)[i] = 2 * unit - 1; break;
  case DT_I64: ((int64_t *)data)[i] = (int64_t)(unit * 4); break;
  case DT_I32: ((int32_t *)data)[i] = (int32_t)(unit * 4); break;
  case DT_BOOL: ((uint8_t *)data)[i] = unit > 0.5; break;
  case DT_U8:
  case DT_I8: ((uint8_t *)data)[i] = (uint8_t)(unit * 100); break;
  default: break; /* zeros */
  }
}

/* Inputs in [-1, 1) (floats) or [0, 4) (integers); symbolic dims take a small size. */
static bool random_inputs(Cli *cli, const Program *program, const Tensor ***inputs) {
  enum { TYPICAL = 4 };
  uint64_t state = 88172645463325252u;
  size_t symbols = dim_symbol_count(program->compilation->dims);
  int64_t *values = ARENA_ARRAY(cli->arena, int64_t, symbols + 1);
  for (size_t i = 0; i < symbols; i++) {
    const DimSymbol *s = dim_symbol_at(program->compilation->dims, i);
    values[i] = s->high < TYPICAL ? s->high : s->low > TYPICAL ? s->low : TYPICAL;
  }
  *inputs = ARENA_ARRAY(cli->arena, const Tensor *, program->inputs.count + 1);
  for (size_t i = 0; i < program->inputs.count; i++) {
    const Port *port = &program->inputs.items[i];
    int64_t dims[MAX_RANK];
    void *data;
    bool ok = true;
    for (int d = 0; d < port->rank && ok; d++) dims[d] = dim_eval(port->shape[d], values, &ok);
    if (!ok) return diag_error(&cli->diag, cli->options.model, "no size for input '%s'", port->name);
    (*inputs)[i] = tensor_create(cli->arena, port->dtype, port->rank, dims, &data);
    for (int64_t k = 0; k < (*inputs)[i]->count; k++) fill_random(data, port->dtype, k, next_random(&state));
  }
  return true;
}

/* --- the run --- */

static bool run_emitted(Cli *cli, const Program *program, const Tensor *const *inputs,
                        const int64_t *symbols, const Tensor **outputs) {
  char *folder = toolchain_folder(cli);
  if (!folder) return false;
  const char *source = arena_printf(cli->arena, "%s/model.c", folder);
  const char *library = arena_printf(cli->arena, "%s/model.so", folder);
  const char *weights = cli->options.weights == WEIGHTS_FILE ? arena_printf(cli->arena, "%s/model.weights", folder) : NULL;
  cli->options.output = source;
  cli->options.prefix = "model";
  bool ok = emit_c(program, &cli->options) && toolchain_compile(cli, source, NULL, library, true);
  cli_progress(cli, "running the emitted program");
  ok = ok && loaded_run(cli, library, "model", program, inputs, symbols, weights, outputs);
  cli_progress(cli, "%s", "");
  toolchain_done(cli, folder);
  return ok;
}

static bool run_interpreter(Cli *cli, const Program *program, const Tensor *const *inputs,
                            const Tensor **outputs, RunResult *result) {
  cli_progress(cli, "running the interpreter");
  bool ok = interpret(program, inputs, outputs, cli->arena, result, NULL, NULL);
  cli_progress(cli, "%s", "");
  if (ok) return true;
  const Step *failed = result->failed;
  const char *where =
      failed && failed->node ? node_where(program->compilation, failed->node) : cli->options.model;
  return diag_error(&cli->diag, where, "%s", result->message ? result->message : "the interpreter failed");
}

static bool compare_all(Cli *cli, const Program *program, const TensorList *reference,
                        const Tensor *const *emitted, const Tensor *const *interpreted) {
  bool ok = true;
  for (size_t i = 0; i < program->outputs.count; i++) {
    const char *name = program->outputs.items[i].name;
    const NamedTensor *wanted = tensor_list_find(reference, arena_printf(cli->arena, "out:%s", name));
    if (wanted && wanted->tensor)
      ok = report(cli, name, "the reference", emitted[i], wanted->tensor) && ok;
    else {
      if (wanted) printf("%s: the reference holds no tensor (numpy type %s)\n", name, wanted->descr);
      ok = report(cli, name, "the interpreter", emitted[i], interpreted[i]) && ok;
    }
  }
  return ok;
}

int cli_verify_command(Cli *cli) {
  Compilation *c;
  Program *program;
  TensorList reference = {0}, archive = {0};
  const Tensor **inputs;
  RunResult result;
  if (cli->reference) {
    if (!npz_read(cli->reference, cli->arena, &reference, &cli->diag)) return cli_finish(cli);
    if (!cli->dynamic) shapes_from_reference(cli, &reference);
  }
  if (cli->inputs_file && !npz_read(cli->inputs_file, cli->arena, &archive, &cli->diag))
    return cli_finish(cli);
  if (!cli_compile(cli, &c, &program)) return cli_finish(cli);
  bool given = cli->reference || cli->inputs_file || cli->input_files.count;
  bool ok = given ? cli_inputs(cli, program, cli->inputs_file ? &archive : &reference, &inputs)
                  : random_inputs(cli, program, &inputs);
  if (!ok) return cli_finish(cli);
  const Tensor **interpreted = ARENA_ARRAY(cli->arena, const Tensor *, program->outputs.count + 1);
  const Tensor **emitted = ARENA_ARRAY(cli->arena, const Tensor *, program->outputs.count + 1);
  if (!run_interpreter(cli, program, inputs, interpreted, &result)) return cli_finish(cli);
  if (!run_emitted(cli, program, inputs, result.symbols, emitted)) return cli_finish(cli);
  ok = compare_all(cli, program, &reference, emitted, interpreted);
  return cli_finish(cli) != EXIT_OK ? EXIT_MODEL : ok ? EXIT_OK : EXIT_MODEL;
}
