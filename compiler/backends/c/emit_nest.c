/* emit_nest.c: loop nests as tasks.
 *
 * A unit of work is an iteration of one of the loops: an outer one that has enough of them. */
#include "backends/c/emit_nest.h"

#include <inttypes.h>
#include <string.h>

/* Index expression of an access; offsets are added to the pointer by the caller. */
const char *nest_index(Task *t, const LoopNest *nest, const Access *access) {
  Str out = str_in(t->e->arena);
  for (int d = 0; d < nest->rank; d++) {
    Dim stride = access->stride[d];
    if (dim_is(stride, 0)) continue;
    str_add(&out, out.length ? " + " : "");
    if (dim_is(stride, 1))
      str_addf(&out, "i%d", d);
    else
      str_addf(&out, dim_is_const(stride) && dim_value(stride) < 0 ? "i%d * (%s)" : "i%d * %s", d,
               task_size(t, stride));
  }
  return out.length ? str_text(&out) : "0";
}

/* An integer or boolean literal of `dtype` that stands for a real number. */
static const char *number_literal(Emitter *e, double value, DType dtype) {
  if (dtype_is_float(dtype)) return emit_real(e, value, dtype);
  if (dtype == DT_U64)
    return arena_printf(e->arena, "UINT64_C(%" PRIu64 ")", value < 0 ? 0 : (uint64_t)value);
  return emit_dim(e, dim_const(e->c->dims, (int64_t)value));
}

const char *emit_operand(Task *t, const Operand *operand) {
  Arena *arena = t->e->arena;
  const char *type = dtype_info(operand->dtype)->c_type;
  switch (operand->kind) {
  case OPERAND_LOAD: return arena_printf(arena, "v%d", operand->index);
  case OPERAND_TEMP: return arena_printf(arena, "t%d", operand->index);
  case OPERAND_REAL: return number_literal(t->e, operand->real, operand->dtype);
  case OPERAND_INT: return arena_printf(arena, "(%s)%s", type, task_size(t, operand->dim));
  case OPERAND_LOOP: return arena_printf(arena, "i%d", operand->index);
  }
  return "";
}

void emit_nest_ops(Task *t, Str *out, const LoopNest *nest, int depth) {
  for (size_t i = 0; i < nest->ops.count; i++) {
    const NestOp *op = &nest->ops.items[i];
    emit_indent(out, depth);
    str_addf(out, "const %s t%zu = %s(", dtype_info(op->function->result)->c_type, i,
             op->function->name);
    for (int k = 0; k < op->arg_count; k++)
      str_addf(out, "%s%s", k ? ", " : "", emit_operand(t, &op->args[k]));
    str_add(out, ");\n");
    emit_need_chunk(t->e, op->function->chunk);
  }
}

void emit_nest_element(Task *t, Str *out, const LoopNest *nest, int depth) {
  for (size_t i = 0; i < nest->loads.count; i++) {
    emit_indent(out, depth);
    str_addf(out, "const %s v%zu = x%zu[%s];\n", dtype_info(nest->loads.items[i].dtype)->c_type, i,
             i, nest_index(t, nest, &nest->loads.items[i]));
  }
  emit_nest_ops(t, out, nest, depth);
  for (size_t i = 0; i < nest->stores.count; i++) {
    const NestStore *store = &nest->stores.items[i];
    emit_indent(out, depth);
    str_addf(out, "y%zu[%s] = %s;\n", i, nest_index(t, nest, &store->access),
             emit_operand(t, &store->value));
  }
}

/* Whether some store of the nest writes memory that another access of it touches. */
static bool overlaps(const LoopNest *nest, const Access *access, bool is_store, size_t own) {
  for (size_t i = 0; i < nest->stores.count; i++)
    if (!(is_store && i == own) &&
        emit_home(nest->stores.items[i].access.buffer) == emit_home(access->buffer))
      return true;
  if (!is_store) return false;
  for (size_t i = 0; i < nest->loads.count; i++)
    if (emit_home(nest->loads.items[i].buffer) == emit_home(access->buffer)) return true;
  return false;
}

/* `const float *CTC_RESTRICT x0 = (const float *)p[0];` for every access. */
void emit_nest_pointers(Task *t, Str *out, const LoopNest *nest) {
  for (size_t i = 0; i < nest->loads.count; i++) {
    const Access *access = &nest->loads.items[i];
    const char *pointer = emit_pointer(t->e, access->buffer, access->dtype, access->offset, false);
    str_addf(out, "  const %s *%sx%zu = %s;\n", dtype_info(access->dtype)->c_type,
             overlaps(nest, access, false, i) ? "" : "CTC_RESTRICT ", i,
             task_pointer(t, access->dtype, false, pointer));
  }
  for (size_t i = 0; i < nest->stores.count; i++) {
    const Access *access = &nest->stores.items[i].access;
    const char *pointer = emit_pointer(t->e, access->buffer, access->dtype, access->offset, true);
    str_addf(out, "  %s *%sy%zu = %s;\n", dtype_info(access->dtype)->c_type,
             overlaps(nest, access, true, i) ? "" : "CTC_RESTRICT ", i,
             task_pointer(t, access->dtype, true, pointer));
  }
}

/* Whether different iterations of loop `d` write to different places. */
static bool may_split(const LoopNest *nest, int d) {
  for (size_t i = 0; i < nest->stores.count; i++)
    if (dim_is(nest->stores.items[i].access.stride[d], 0)) return false;
  return true;
}

/* The loop that is shared out among threads: the first one with ENOUGH iterations (or a number that
 * is not known), else the longest; -1 if there is none. */
static int split_loop(const LoopNest *nest) {
  enum { ENOUGH = 16 };
  int64_t longest = 0;
  int found = -1;
  for (int d = 0; d < nest->rank && longest < ENOUGH; d++) {
    int64_t extent = dim_is_const(nest->extent[d]) ? dim_value(nest->extent[d]) : ENOUGH;
    if (extent <= longest || !may_split(nest, d)) continue;
    longest = extent;
    found = d;
  }
  return found;
}

/* A name that says what the nest does: its last operation, or "copy". */
const char *emit_nest_stem(Emitter *e, const LoopNest *nest) {
  if (!nest->ops.count) return nest->loads.count ? "copy" : "fill";
  const Kernel *last = nest->ops.items[nest->ops.count - 1].function;
  return arena_strdup(e->arena, kernel_short_name(last));
}

/* The iterations of loop `d`: all, or [first, last) of the one that is shared out. */
static NestRange loop_range(Task *t, const LoopNest *nest, int d, int split) {
  NestRange range = {"first", "last", true};
  if (d < 0 || d != split)
    range = (NestRange){"0", d < 0 ? "" : task_size(t, nest->extent[d]), false};
  return range;
}

static const char *nest_text(Task *t, const LoopNest *nest, int split) {
  Str out = str_in(t->e->arena);
  NestPlan plan = nest_plan(nest);
  int depth = 1;
  emit_nest_pointers(t, &out, nest);
  for (int d = 0; d < nest->rank; d++) {
    if (plan.form != NEST_SCALAR && (d == plan.along || d == plan.across)) continue;
    NestRange range = loop_range(t, nest, d, split);
    emit_indent(&out, depth++);
    str_addf(&out, "for (int64_t i%d = %s; i%d < %s; i%d++) {\n", d, range.first, d, range.last, d);
  }
  NestRange along = loop_range(t, nest, plan.along, split),
            across = loop_range(t, nest, plan.across, split);
  if (plan.form == NEST_SCALAR)
    emit_nest_element(t, &out, nest, depth);
  else
    nest_add_inner(t, &out, nest, &plan, &along, &across, emit_nest_stem(t->e, nest), depth);
  while (--depth > 0) {
    emit_indent(&out, depth);
    str_add(&out, "}\n");
  }
  return str_text(&out);
}

void emit_nest_call(Emitter *e, Str *out, const Step *step, int depth) {
  Task t = {.e = e};
  const LoopNest *nest = step->nest;
  int loop = split_loop(nest);
  Split split = {loop < 0 ? dim_const(e->c->dims, 1) : nest->extent[loop],
                 emit_most_parts(e, step)};
  task_call(&t, out, emit_nest_stem(e, nest), nest_text(&t, nest, loop), split, depth);
}
