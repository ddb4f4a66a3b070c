/* emit_vector.c: what a loop nest does inside of its outer loops, where that is more than one
 * element at a time: vectors of floats along one loop, copies of whole rows, transposed planes.
 *
 * Vectors: the work on some lanes is a function of its own, called with CTC_LANES lanes and, at the
 * end of a row, with those that are left:
 *
 *   static inline CTC_INLINE void add_lanes_1(const float *x0, ctc_v v1, float *y0, int count);
 *
 * Loads that do not move along the loop are made before it. bool tensors are masks. */
#include "backends/c/emit_nest.h"

#include <string.h>

/* Fewer iterations than this are not worth vectors. */
enum { SHORTEST = 4, MOST_LANES = 16, LONG_ROW = 64 };

/* --- which way --- */

static bool is_vector_type(DType dtype) {
  return dtype == DT_F32 || dtype == DT_BOOL;
}

static bool operand_is_vector(const Operand *operand) {
  if (operand->kind == OPERAND_LOOP || !is_vector_type(operand->dtype)) return false;
  return operand->kind != OPERAND_INT || dim_is_const(operand->dim);
}

/* Whether floats and truth values are all that the nest works with, by functions for vectors. */
static bool nest_is_vectors(const LoopNest *nest) {
  for (size_t i = 0; i < nest->loads.count; i++)
    if (!is_vector_type(nest->loads.items[i].dtype)) return false;
  for (size_t i = 0; i < nest->ops.count; i++) {
    const NestOp *op = &nest->ops.items[i];
    if (!op->function->vector) return false;
    for (int k = 0; k < op->arg_count; k++)
      if (!operand_is_vector(&op->args[k])) return false;
  }
  for (size_t i = 0; i < nest->stores.count; i++)
    if (!is_vector_type(nest->stores.items[i].access.dtype) ||
        !operand_is_vector(&nest->stores.items[i].value))
      return false;
  return true;
}

static bool all_stores_move_by_1(const LoopNest *nest, int d) {
  for (size_t i = 0; i < nest->stores.count; i++)
    if (!dim_is(nest->stores.items[i].access.stride[d], 1)) return false;
  return true;
}

static bool is_long(Dim extent, int64_t least) {
  return !dim_is_const(extent) || dim_value(extent) >= least;
}

/* The loop along which results are neighbours; -1 if there is none. */
static int result_loop(const LoopNest *nest) {
  for (int d = nest->rank - 1; d >= 0; d--)
    if (all_stores_move_by_1(nest, d)) return d;
  return -1;
}

/* A copy with one load and one store for each element. */
static bool is_copy(const LoopNest *nest) {
  return nest->ops.count == 0 && nest->loads.count == 1 && nest->stores.count == 1 &&
         nest->stores.items[0].value.kind == OPERAND_LOAD;
}

/* Whether a load has its neighbours along another loop than the results. */
static bool is_gathered(const Access *load, int along) {
  return !dim_is(load->stride[along], 0) && !dim_is(load->stride[along], 1);
}

/* The loop along which those loads, all of floats, have their neighbours; -1 if there is none. */
static int gathered_loop(const LoopNest *nest, int along) {
  for (int d = nest->rank - 1; d >= 0; d--) {
    bool fits = true;
    for (size_t i = 0; i < nest->loads.count; i++) {
      const Access *load = &nest->loads.items[i];
      if (is_gathered(load, along))
        fits = fits && dim_is(load->stride[d], 1) && load->dtype == DT_F32;
    }
    if (fits && d != along) return d;
  }
  return -1;
}

/* Reads and writes that have neighbours along different loops. */
static NestPlan plan_across(const LoopNest *nest, int along) {
  NestPlan plan = {NEST_SCALAR, along, gathered_loop(nest, along)};
  bool square = plan.across >= 0 && is_long(nest->extent[along], SHORTEST) &&
                is_long(nest->extent[plan.across], SHORTEST);
  if (is_copy(nest)) {
    plan.form = plan.across >= 0 ? NEST_TRANSPOSED : NEST_SCALAR;
  } else if (nest_is_vectors(nest) && is_long(nest->extent[along], SHORTEST)) {
    plan.form = square ? NEST_SQUARES : NEST_VECTORS;
  }
  if (plan.form == NEST_VECTORS) plan.across = -1;
  return plan;
}

NestPlan nest_plan(const LoopNest *nest) {
  NestPlan plan = {NEST_SCALAR, -1, -1};
  plan.along = result_loop(nest);
  if (plan.along < 0 || nest->stores.count == 0) return plan;
  for (size_t i = 0; i < nest->loads.count; i++)
    if (is_gathered(&nest->loads.items[i], plan.along)) return plan_across(nest, plan.along);
  bool row = is_copy(nest) && dim_is(nest->loads.items[0].stride[plan.along], 1);
  if (row && is_long(nest->extent[plan.along], LONG_ROW))
    plan.form = NEST_ROWS;
  else if (nest_is_vectors(nest) && is_long(nest->extent[plan.along], SHORTEST))
    plan.form = NEST_VECTORS;
  return plan;
}

/* --- the function for some lanes --- */

static const char *vector_type(DType dtype) {
  return dtype == DT_BOOL ? "ctc_vi" : "ctc_v";
}

const char *emit_vector_operand(Emitter *e, const Operand *operand) {
  bool mask = operand->dtype == DT_BOOL;
  if (operand->kind == OPERAND_REAL || operand->kind == OPERAND_INT)
    emit_need_name(e, mask ? "ctc_vi_set" : "ctc_v_set");
  switch (operand->kind) {
  case OPERAND_LOAD: return arena_printf(e->arena, "v%d", operand->index);
  case OPERAND_TEMP: return arena_printf(e->arena, "t%d", operand->index);
  case OPERAND_REAL:
    if (mask) return operand->real != 0 ? "ctc_vi_set(-1)" : "ctc_vi_set(0)";
    return arena_printf(e->arena, "ctc_v_set(%s)", emit_real(e, operand->real, DT_F32));
  case OPERAND_INT:
    if (mask) return dim_is(operand->dim, 0) ? "ctc_vi_set(0)" : "ctc_vi_set(-1)";
    return arena_printf(e->arena, "ctc_v_set((float)%s)", emit_dim(e, operand->dim));
  case OPERAND_LOOP: break;
  }
  CTC_ASSERT(false && "an operand that vectors have");
  return "";
}

void emit_vector_ops(Emitter *e, Str *out, const LoopNest *nest) {
  for (size_t i = 0; i < nest->ops.count; i++) {
    const NestOp *op = &nest->ops.items[i];
    str_addf(out, "  const %s t%zu = %s(", vector_type(op->function->result), i,
             op->function->vector);
    for (int k = 0; k < op->arg_count; k++)
      str_addf(out, "%s%s", k ? ", " : "", emit_vector_operand(e, &op->args[k]));
    str_add(out, ");\n");
    emit_need_chunk(e, op->function->vector_chunk);
  }
}

/* How a load gets its lanes. */
typedef enum { LOAD_ONCE, LOAD_NEIGHBOURS, LOAD_GATHERED } LoadForm;

static LoadForm load_form(const LoopNest *nest, size_t load, int along) {
  Dim stride = nest->loads.items[load].stride[along];
  return dim_is(stride, 0) ? LOAD_ONCE : dim_is(stride, 1) ? LOAD_NEIGHBOURS : LOAD_GATHERED;
}

static void add_lane_parameters(Emitter *e, Str *out, const LoopNest *nest, int along) {
  for (size_t i = 0; i < nest->loads.count; i++) {
    DType dtype = nest->loads.items[i].dtype;
    LoadForm form = load_form(nest, i, along);
    if (form == LOAD_ONCE)
      str_addf(out, "%s v%zu, ", vector_type(dtype), i);
    else
      str_addf(out, "const %s *x%zu, ", dtype_info(dtype)->c_type, i);
    if (form == LOAD_GATHERED) str_addf(out, "ctc_dim s%zu, ", i);
  }
  for (size_t i = 0; i < nest->stores.count; i++)
    str_addf(out, "%s *y%zu, ", dtype_info(nest->stores.items[i].access.dtype)->c_type, i);
  str_add(out, "int count");
  (void)e;
}

static void add_lane_loads(Emitter *e, Str *out, const LoopNest *nest, int along) {
  for (size_t i = 0; i < nest->loads.count; i++) {
    bool mask = nest->loads.items[i].dtype == DT_BOOL;
    LoadForm form = load_form(nest, i, along);
    if (form == LOAD_ONCE) continue;
    const char *function = form == LOAD_GATHERED ? mask ? "ctc_vi_gather_bool" : "ctc_v_gather"
                           : mask                ? "ctc_vi_load_bool"
                                                 : "ctc_v_load_n";
    emit_need_name(e, function);
    str_addf(out, "  const %s v%zu = %s(x%zu, ", mask ? "ctc_vi" : "ctc_v", i, function, i);
    if (form == LOAD_GATHERED) str_addf(out, "s%zu, ", i);
    str_add(out, "count);\n");
  }
}

static void add_lane_stores(Emitter *e, Str *out, const LoopNest *nest) {
  for (size_t i = 0; i < nest->stores.count; i++) {
    const NestStore *store = &nest->stores.items[i];
    const char *function = store->access.dtype == DT_BOOL ? "ctc_vi_store_bool" : "ctc_v_store_n";
    emit_need_name(e, function);
    str_addf(out, "  %s(y%zu, %s, count);\n", function, i, emit_vector_operand(e, &store->value));
  }
}

/* The nest as it reads once gathered loads are in tiles: neighbours. */
static const LoopNest *with_tiles(Emitter *e, const LoopNest *nest, int along) {
  LoopNest *made = ARENA_NEW(e->arena, LoopNest);
  *made = *nest;
  memset(&made->loads, 0, sizeof made->loads);
  for (size_t i = 0; i < nest->loads.count; i++) {
    Access load = nest->loads.items[i];
    if (is_gathered(&load, along)) load.stride[along] = dim_const(e->c->dims, 1);
    vec_push(e->arena, &made->loads, load);
  }
  return made;
}

/* The function, made or found again. With tiles, gathered loads are neighbours in them. */
static const char *lanes_function(Emitter *e, const LoopNest *given, int along, bool tiles,
                                  const char *stem) {
  Str text = str_in(e->arena);
  const LoopNest *nest = tiles ? with_tiles(e, given, along) : given;
  str_add(&text, "(");
  add_lane_parameters(e, &text, nest, along);
  str_add(&text, ") {\n");
  add_lane_loads(e, &text, nest, along);
  emit_vector_ops(e, &text, nest);
  add_lane_stores(e, &text, nest);
  const char *name = map_get(&e->task_by_text, str_text(&text));
  if (name) return name;
  char *made = arena_printf(e->arena, "%s_lanes_%d", stem, ++e->task_count);
  map_set(&e->task_by_text, str_text(&text), made);
  str_addf(&e->task_text, "static inline CTC_INLINE void %s%s}\n\n", made, str_text(&text));
  return made;
}

/* --- the loop --- */

/* The start of an access for the indices of the outer loops: `x0 + i1 * 64`; with `at`, an index of
 * the loop along which it moves. */
static const char *access_start(Task *t, const LoopNest *nest, const Access *access, char letter,
                                size_t number, int along, const char *at) {
  Access outer = *access;
  Dim zero = dim_const(t->e->c->dims, 0);
  bool moves = along >= 0 && !dim_is(access->stride[along], 0);
  if (along >= 0) outer.stride[along] = zero;
  const char *index = nest_index(t, nest, &outer);
  const char *base = strcmp(index, "0") == 0
                         ? arena_printf(t->e->arena, "%c%zu", letter, number)
                         : arena_printf(t->e->arena, "%c%zu + %s", letter, number, index);
  if (!moves) return base;
  if (dim_is(access->stride[along], 1)) return arena_printf(t->e->arena, "%s + %s", base, at);
  return arena_printf(t->e->arena, "%s + %s * (%s)", base, at, task_size(t, access->stride[along]));
}

/* A call for the lanes at the index of loop `along`; results go to `result`, or where the nest
 * says. */
static void add_call(Task *t, Str *out, const LoopNest *nest, int along, int across,
                     const char *function, const char *count) {
  const char *at = arena_printf(t->e->arena, "i%d", along);
  str_addf(out, "%s(", function);
  for (size_t i = 0; i < nest->loads.count; i++) {
    const Access *load = &nest->loads.items[i];
    LoadForm form = load_form(nest, i, along);
    if (form == LOAD_ONCE)
      str_addf(out, "v%zu, ", i);
    else if (form == LOAD_GATHERED && across >= 0)
      str_addf(out, "tile%zu + (i%d - c) * CTC_LANES, ", i, across);
    else
      str_addf(out, "%s, ", access_start(t, nest, load, 'x', i, along, at));
    if (form == LOAD_GATHERED && across < 0)
      str_addf(out, "%s, ", task_size(t, load->stride[along]));
  }
  for (size_t i = 0; i < nest->stores.count; i++)
    str_addf(out, "%s, ", access_start(t, nest, &nest->stores.items[i].access, 'y', i, along, at));
  str_addf(out, "%s);\n", count);
}

/* Loads that are the same for all of the loop. */
static void add_loads_once(Task *t, Str *out, const LoopNest *nest, int along, int depth) {
  for (size_t i = 0; i < nest->loads.count; i++) {
    const Access *load = &nest->loads.items[i];
    if (load_form(nest, i, along) != LOAD_ONCE) continue;
    bool mask = load->dtype == DT_BOOL;
    emit_need_name(t->e, mask ? "ctc_vi_set" : "ctc_v_set");
    emit_indent(out, depth);
    str_addf(out,
             mask ? "const ctc_vi v%zu = ctc_vi_set(-(int32_t)x%zu[%s]);\n"
                  : "const ctc_v v%zu = ctc_v_set(x%zu[%s]);\n",
             i, i, nest_index(t, nest, load));
  }
}

/* Whether the iterations are a multiple of any number of lanes. */
static bool is_whole(const LoopNest *nest, int d, const NestRange *range) {
  Dim extent = nest->extent[d];
  return !range->shared && dim_is_const(extent) && dim_value(extent) % MOST_LANES == 0;
}

static void add_vectors(Task *t, Str *out, const LoopNest *nest, const NestPlan *plan,
                        const NestRange *range, const char *stem, int depth) {
  int d = plan->along;
  const char *function = lanes_function(t->e, nest, d, false, stem);
  bool whole = is_whole(nest, d, range);
  add_loads_once(t, out, nest, d, depth);
  emit_indent(out, depth);
  str_addf(out, "int64_t i%d = %s;\n", d, range->first);
  emit_indent(out, depth);
  str_addf(out, "for (; i%d + CTC_LANES <= %s; i%d += CTC_LANES)\n", d, range->last, d);
  emit_indent(out, depth + 1);
  add_call(t, out, nest, d, -1, function, "CTC_LANES");
  if (whole) return;
  emit_indent(out, depth);
  str_addf(out, "if (i%d < %s)\n", d, range->last);
  emit_indent(out, depth + 1);
  add_call(t, out, nest, d, -1, function,
           arena_printf(t->e->arena, "(int)(%s - i%d)", range->last, d));
}

/* --- copies --- */

static void add_rows(Task *t, Str *out, const LoopNest *nest, const NestPlan *plan,
                     const NestRange *range, int depth) {
  const Access *load = &nest->loads.items[0], *store = &nest->stores.items[0].access;
  const char *first = strcmp(range->first, "0") == 0 ? NULL : range->first;
  emit_indent(out, depth);
  int along = plan->along;
  Access from = *load, to = *store;
  if (!first) from.stride[along] = to.stride[along] = dim_const(t->e->c->dims, 0);
  bool apart = emit_home(load->buffer) != emit_home(store->buffer);
  str_addf(out, "%s(%s, %s, (size_t)(%s%s%s) * sizeof *y0);\n", apart ? "memcpy" : "memmove",
           access_start(t, nest, &to, 'y', 0, along, range->first),
           access_start(t, nest, &from, 'x', 0, along, range->first), range->last,
           first ? " - " : "", first ? first : "");
}

static void add_transposed(Task *t, Str *out, const LoopNest *nest, const NestPlan *plan,
                           const NestRange *along, const NestRange *across, int depth) {
  const Access *load = &nest->loads.items[0], *store = &nest->stores.items[0].access;
  Access from = *load, to = *store;
  Dim zero = dim_const(t->e->c->dims, 0);
  const char *x = "x0", *y = "y0";
  from.stride[plan->along] = from.stride[plan->across] = zero;
  to.stride[plan->along] = to.stride[plan->across] = zero;
  const char *from_index = nest_index(t, nest, &from), *to_index = nest_index(t, nest, &to);
  if (strcmp(from_index, "0") != 0) x = arena_printf(t->e->arena, "x0 + %s", from_index);
  if (strcmp(to_index, "0") != 0) y = arena_printf(t->e->arena, "y0 + %s", to_index);
  emit_need_name(t->e, "ctc_transpose_plane");
  emit_indent(out, depth);
  str_addf(out, "ctc_transpose_plane(%s, %s, %s, %s, %s, %s, %s, %s);\n", x,
           task_size(t, load->stride[plan->along]), y, task_size(t, store->stride[plan->across]),
           along->first, along->last, across->first, across->last);
}

/* float tile0[…]; ctc_transpose_tile(…, tile0, …); */
static void add_tiles(Task *t, Str *out, const LoopNest *nest, const NestPlan *plan, int depth) {
  Dim zero = dim_const(t->e->c->dims, 0);
  emit_need_name(t->e, "ctc_transpose_tile");
  for (size_t i = 0; i < nest->loads.count; i++) {
    const Access *load = &nest->loads.items[i];
    Access outer = *load;
    if (!is_gathered(load, plan->along)) continue;
    outer.stride[plan->across] = zero;
    const char *at = arena_printf(t->e->arena, "i%d", plan->along);
    const char *start = access_start(t, nest, &outer, 'x', i, plan->along, at);
    emit_indent(out, depth);
    str_addf(out, "float tile%zu[CTC_LANES * CTC_LANES];\n", i);
    emit_indent(out, depth);
    str_addf(out, "ctc_transpose_tile(%s + c, %s, tile%zu, rows, columns);\n", start,
             task_size(t, load->stride[plan->along]), i);
  }
}

/* Squares of CTC_LANES rows (along) and columns (across): gathered loads are transposed into tiles,
 * then it is vectors as before. */
static void add_squares(Task *t, Str *out, const LoopNest *nest, const NestPlan *plan,
                        const NestRange *along, const NestRange *across, const char *stem,
                        int depth) {
  int r = plan->along, c = plan->across;
  const char *function = lanes_function(t->e, nest, r, true, stem);
  emit_need_name(t->e, "ctc_rest");
  emit_indent(out, depth);
  str_addf(out, "for (int64_t c = %s; c < %s; c += CTC_LANES)\n", across->first, across->last);
  emit_indent(out, depth + 1);
  str_addf(out, "for (int64_t i%d = %s; i%d < %s; i%d += CTC_LANES) {\n", r, along->first, r,
           along->last, r);
  emit_indent(out, depth + 2);
  if (is_whole(nest, r, along))
    str_add(out, "const int rows = CTC_LANES, ");
  else
    str_addf(out, "const int rows = ctc_rest(%s - i%d), ", along->last, r);
  str_addf(out, "columns = ctc_rest(%s - c);\n", across->last);
  add_tiles(t, out, nest, plan, depth + 2);
  emit_indent(out, depth + 2);
  str_addf(out, "for (int64_t i%d = c; i%d < c + columns; i%d++) {\n", c, c, c);
  add_loads_once(t, out, nest, r, depth + 3);
  emit_indent(out, depth + 3);
  add_call(t, out, nest, r, c, function, "rows");
  emit_indent(out, depth + 2);
  str_add(out, "}\n");
  emit_indent(out, depth + 1);
  str_add(out, "}\n");
}

void nest_add_inner(Task *t, Str *out, const LoopNest *nest, const NestPlan *plan,
                    const NestRange *along, const NestRange *across, const char *stem, int depth) {
  if (plan->form == NEST_VECTORS) add_vectors(t, out, nest, plan, along, stem, depth);
  if (plan->form == NEST_ROWS) add_rows(t, out, nest, plan, along, depth);
  if (plan->form == NEST_TRANSPOSED) add_transposed(t, out, nest, plan, along, across, depth);
  if (plan->form == NEST_SQUARES) add_squares(t, out, nest, plan, along, across, stem, depth);
}
