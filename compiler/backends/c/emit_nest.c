/* emit_nest.c: loop nests as functions.
 *
 * A nest becomes `static void nest_N(const float *x0, …, float *y0, …, int64_t n0, …)`: buffers and
 * all sizes that are not constant are parameters, so that nests of the same structure share one
 * function. Constants stay literal, so that the C compiler specialises. */
#include "backends/c/emit.h"

#include <inttypes.h>
#include <string.h>

/* Sizes passed as parameters n0, n1 … */
typedef struct {
  Emitter *e;
  Vec(Dim) sizes;
} NestText;

/* A size inside the nest: a literal, or the parameter that carries it. */
static const char *nest_size(NestText *t, Dim dim) {
  if (dim_is_const(dim)) return emit_dim(t->e, dim);
  size_t i = 0;
  while (i < t->sizes.count && t->sizes.items[i] != dim) i++;
  if (i == t->sizes.count) vec_push(t->e->arena, &t->sizes, dim);
  return arena_printf(t->e->arena, "n%zu", i);
}

/* Index expression of an access; offsets are added to the pointer by the caller. */
static const char *nest_index(NestText *t, const LoopNest *nest, const Access *access) {
  Str out = str_in(t->e->arena);
  for (int d = 0; d < nest->rank; d++) {
    Dim stride = access->stride[d];
    if (dim_is(stride, 0)) continue;
    str_add(&out, out.length ? " + " : "");
    if (dim_is(stride, 1))
      str_addf(&out, "i%d", d);
    else
      str_addf(&out, dim_is_const(stride) && dim_value(stride) < 0 ? "i%d * (%s)" : "i%d * %s", d,
               nest_size(t, stride));
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

static const char *nest_operand(NestText *t, const Operand *operand) {
  Arena *arena = t->e->arena;
  const char *type = dtype_info(operand->dtype)->c_type;
  switch (operand->kind) {
  case OPERAND_LOAD: return arena_printf(arena, "v%d", operand->index);
  case OPERAND_TEMP: return arena_printf(arena, "t%d", operand->index);
  case OPERAND_REAL: return number_literal(t->e, operand->real, operand->dtype);
  case OPERAND_INT: return arena_printf(arena, "(%s)%s", type, nest_size(t, operand->dim));
  case OPERAND_LOOP: return arena_printf(arena, "i%d", operand->index);
  }
  return "";
}

static void add_body(NestText *t, Str *out, const LoopNest *nest, int depth) {
  for (size_t i = 0; i < nest->loads.count; i++) {
    emit_indent(out, depth);
    str_addf(out, "const %s v%zu = x%zu[%s];\n", dtype_info(nest->loads.items[i].dtype)->c_type, i,
             i, nest_index(t, nest, &nest->loads.items[i]));
  }
  for (size_t i = 0; i < nest->ops.count; i++) {
    const NestOp *op = &nest->ops.items[i];
    emit_indent(out, depth);
    str_addf(out, "const %s t%zu = %s(", dtype_info(op->function->result)->c_type, i,
             op->function->name);
    for (int k = 0; k < op->arg_count; k++)
      str_addf(out, "%s%s", k ? ", " : "", nest_operand(t, &op->args[k]));
    str_add(out, ");\n");
    emit_need_chunk(t->e, op->function->chunk);
  }
  for (size_t i = 0; i < nest->stores.count; i++) {
    const NestStore *store = &nest->stores.items[i];
    emit_indent(out, depth);
    str_addf(out, "y%zu[%s] = %s;\n", i, nest_index(t, nest, &store->access),
             nest_operand(t, &store->value));
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

static void add_parameters(NestText *t, Str *out, const LoopNest *nest) {
  const char *comma = "";
  for (size_t i = 0; i < nest->loads.count; i++, comma = ", ")
    str_addf(out, "%sconst %s *%sx%zu", comma, dtype_info(nest->loads.items[i].dtype)->c_type,
             overlaps(nest, &nest->loads.items[i], false, i) ? "" : "CTC_RESTRICT ", i);
  for (size_t i = 0; i < nest->stores.count; i++, comma = ", ")
    str_addf(out, "%s%s *%sy%zu", comma, dtype_info(nest->stores.items[i].access.dtype)->c_type,
             overlaps(nest, &nest->stores.items[i].access, true, i) ? "" : "CTC_RESTRICT ", i);
  for (size_t i = 0; i < t->sizes.count; i++, comma = ", ")
    str_addf(out, "%sint64_t n%zu", comma, i);
}

/* Everything behind the function's name. */
static const char *nest_text(NestText *t, const LoopNest *nest) {
  Str body = str_in(t->e->arena), out = str_in(t->e->arena);
  for (int d = 0; d < nest->rank; d++) {
    emit_indent(&body, d + 1);
    str_addf(&body, "for (int64_t i%d = 0; i%d < %s; i%d++)%s\n", d, d,
             nest_size(t, nest->extent[d]), d, " {");
  }
  add_body(t, &body, nest, nest->rank + 1);
  for (int d = nest->rank - 1; d >= 0; d--) {
    emit_indent(&body, d + 1);
    str_add(&body, "}\n");
  }
  str_add(&out, "(");
  add_parameters(t, &out, nest);
  str_addf(&out, ") {\n%s}\n", str_text(&body));
  return str_text(&out);
}

/* A name that says what the nest does: its last operation, or "copy". */
static const char *nest_stem(Emitter *e, const LoopNest *nest) {
  if (!nest->ops.count) return nest->loads.count ? "copy" : "fill";
  const char *name = nest->ops.items[nest->ops.count - 1].function->name + strlen("ctc_");
  return arena_strdup(e->arena, name);
}

static const char *nest_function(Emitter *e, NestText *t, const LoopNest *nest) {
  const char *text = nest_text(t, nest);
  const char *name = map_get(&e->nest_by_text, text);
  if (name) return name;
  char *made = arena_printf(e->arena, "nest%d_%s", ++e->nest_count, nest_stem(e, nest));
  map_set(&e->nest_by_text, text, made);
  str_addf(&e->nest_text, "static void %s%s\n", made, text);
  return made;
}

void emit_nest_call(Emitter *e, Str *out, const Step *step, int depth) {
  const LoopNest *nest = step->nest;
  NestText t = {.e = e};
  const char *comma = "";
  emit_indent(out, depth);
  str_addf(out, "%s(", nest_function(e, &t, nest));
  for (size_t i = 0; i < nest->loads.count; i++, comma = ", ") {
    const Access *access = &nest->loads.items[i];
    str_addf(out, "%s%s", comma,
             emit_pointer(e, access->buffer, access->dtype, access->offset, false));
  }
  for (size_t i = 0; i < nest->stores.count; i++, comma = ", ") {
    const Access *access = &nest->stores.items[i].access;
    str_addf(out, "%s%s", comma,
             emit_pointer(e, access->buffer, access->dtype, access->offset, true));
  }
  for (size_t i = 0; i < t.sizes.count; i++, comma = ", ")
    str_addf(out, "%s%s", comma, emit_dim(e, t.sizes.items[i]));
  str_add(out, ");\n");
}
