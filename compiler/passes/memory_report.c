/* memory_report.c: the workspace as a table, for `ctc inspect --memory`. */
#include "passes/liveness.h"
#include "passes/plan_memory.h"

#include <inttypes.h>

/* The name of an open symbol that some buffer's size mentions, with the value assumed. */
static void print_assumptions(FILE *out, const Program *program, const int64_t *values) {
  DimPool *pool = program->compilation->dims;
  const char *separator = "sizes are for ";
  for (size_t s = 0; s < dim_symbol_count(pool); s++) {
    const DimSymbol *symbol = dim_symbol_at(pool, s);
    bool used = false;
    for (size_t i = 0; i < program->buffers.count && !used; i++) {
      const Buffer *buffer = program->buffers.items[i];
      used = buffer->kind == BUFFER_WORKSPACE && dim_mentions(buffer->capacity, symbol);
    }
    if (!used) continue;
    fprintf(out, "%s%s = %" PRId64, separator, symbol->name, values[s]);
    separator = ", ";
  }
  if (separator[0] == ',') fprintf(out, "\n");
}

static int64_t value_of(Dim dim, const int64_t *values) {
  bool ok = true;
  return dim ? dim_eval(dim, values, &ok) : 0;
}

static void print_buffer(FILE *out, const Buffer *buffer, const int64_t *values) {
  fprintf(out, "%12" PRId64 " %12" PRId64 " %6d..%-6d %%b%-5d %s", value_of(buffer->offset, values),
          value_of(buffer->capacity, values), buffer->first, buffer->last, buffer->id,
          buffer->name ? buffer->name : "");
  if (buffer->merged_into) fprintf(out, " (in place of %%b%d)", buffer->merged_into->id);
  fprintf(out, "\n");
}

void memory_report(FILE *out, const Program *program) {
  Arena *arena = arena_create();
  const int64_t *values = plan_nominal_values(program, arena);
  print_assumptions(out, program, values);
  fprintf(out, "%12s %12s %14s %-7s %s\n", "offset", "bytes", "live", "buffer", "name");
  for (size_t i = 0; i < program->buffers.count; i++) {
    const Buffer *buffer = program->buffers.items[i];
    if (buffer->kind == BUFFER_WORKSPACE && buffer->first >= 0) print_buffer(out, buffer, values);
  }
  int position = 0;
  int64_t bound = plan_lower_bound(program, values, &position);
  int64_t workspace = value_of(program->workspace_bytes, values);
  const Step *step = step_at_position(program, position);
  fprintf(out, "peak: step %d", position);
  if (step && step->node)
    fprintf(out, ", %s '%s'", step->node->op_type, step->node->name ? step->node->name : "");
  fprintf(out, "\nplan variables: %zu\n", program->plan.count);
  fprintf(out, "workspace: %" PRId64 " bytes, lower bound: %" PRId64 " bytes, ratio: %.4f\n",
          workspace, bound, bound ? (double)workspace / (double)bound : 1.0);
  arena_destroy(arena);
}
