/* random_inputs.c: inputs for `ctc verify` when there is no reference: numbers that are the same in
 * every run. */
#include "cli/cli.h"

/* xorshift64*: a number in [0, 1). */
static double next_random(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return (double)((*state * 2685821657736338717u) >> 11) / 9007199254740992.0;
}

static void fill(void *data, DType dtype, int64_t i, double unit) {
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

/* A small size for each symbol, within its range. */
static int64_t *typical_sizes(Cli *cli, const DimPool *pool) {
  enum { TYPICAL = 4 };
  size_t count = dim_symbol_count(pool);
  int64_t *values = ARENA_ARRAY(cli->arena, int64_t, count + 1);
  for (size_t i = 0; i < count; i++) {
    const DimSymbol *s = dim_symbol_at((DimPool *)(uintptr_t)pool, i);
    values[i] = s->high < TYPICAL ? s->high : s->low > TYPICAL ? s->low : TYPICAL;
  }
  return values;
}

/* The rows of a sequence and its data depend on each other, and on what the model declares. */
static bool are_tensors(Cli *cli, const Compilation *c) {
  for (size_t i = 0; i < c->compounds.count; i++)
    if (!c->compounds.items[i].is_output) {
      diag_error(&cli->diag, cli->options.model, "input '%s' is no tensor: it cannot be drawn",
                 c->compounds.items[i].name);
      return diag_hint(&cli->diag, "give inputs in an archive; docs/generated-code.md tells their "
                                   "form");
    }
  return true;
}

bool cli_random_inputs(Cli *cli, const Program *program, const Tensor ***inputs) {
  uint64_t state = 88172645463325252u;
  if (!are_tensors(cli, program->compilation)) return false;
  const int64_t *values = typical_sizes(cli, program->compilation->dims);
  *inputs = ARENA_ARRAY(cli->arena, const Tensor *, program->inputs.count + 1);
  for (size_t i = 0; i < program->inputs.count; i++) {
    const Port *port = &program->inputs.items[i];
    int64_t dims[MAX_RANK];
    void *data;
    bool ok = true;
    for (int d = 0; d < port->rank && ok; d++) dims[d] = dim_eval(port->shape[d], values, &ok);
    if (!ok)
      return diag_error(&cli->diag, cli->options.model, "no size for input '%s'", port->name);
    (*inputs)[i] = tensor_create(cli->arena, port->dtype, port->rank, dims, &data);
    for (int64_t k = 0; k < (*inputs)[i]->count; k++)
      fill(data, port->dtype, k, next_random(&state));
  }
  return true;
}
