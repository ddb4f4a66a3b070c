/* emit_steps.c: the steps of a program as statements of the run function. */
#include "backends/c/emit.h"

#include <inttypes.h>
#include <string.h>

void emit_indent(Str *out, int depth) {
  for (int i = 0; i < depth; i++) str_add(out, "  ");
}

/* --- pointers --- */

const Buffer *emit_home(const Buffer *buffer) {
  while (buffer->merged_into) buffer = buffer->merged_into;
  return buffer;
}

static const char *plus_offset(Emitter *e, const char *pointer, Dim offset) {
  if (!offset || dim_is(offset, 0)) return pointer;
  return arena_printf(e->arena, "%s + %s", pointer, emit_dim(e, offset));
}

/* A literal, or a variable of the plan. */
const char *emit_place(Emitter *e, const Buffer *buffer) {
  Dim offset = emit_home(buffer)->offset;
  CTC_ASSERT(offset);
  if (dim_is_const(offset)) return arena_printf(e->arena, "%" PRId64, dim_value(offset));
  const DimSymbol *symbol = dim_symbol(offset);
  for (size_t i = 0; symbol && i < e->program->plan.count; i++)
    if (e->program->plan.items[i].symbol == symbol) return arena_printf(e->arena, "at[%zu]", i);
  return arena_printf(e->arena, "(%s)", emit_dim(e, offset));
}

static const char *workspace_pointer(Emitter *e, const Buffer *buffer, DType dtype, bool writable) {
  return arena_printf(e->arena, "CTC_AT(%s%s, %s)", writable ? "" : "const ",
                      dtype_info(dtype)->c_type, emit_place(e, buffer));
}

const char *emit_pointer(Emitter *e, const Buffer *buffer, DType dtype, Dim offset, bool writable) {
  return e->printer->pointer(e, buffer, dtype, offset, writable);
}

static const char *c_pointer(Emitter *e, const Buffer *buffer, DType dtype, Dim offset,
                             bool writable) {
  const char *base = NULL;
  buffer = buffer->kind == BUFFER_WORKSPACE ? emit_home(buffer) : buffer;
  switch (buffer->kind) {
  case BUFFER_WORKSPACE: base = workspace_pointer(e, buffer, dtype, writable); break;
  case BUFFER_INPUT: base = e->input_names[buffer->index]; break;
  case BUFFER_OUTPUT: base = e->output_names[buffer->index]; break;
  case BUFFER_CONSTANT: base = emit_weight_pointer(e, e->weight_of[buffer->id]); break;
  }
  return plus_offset(e, base, offset);
}

/* --- comments --- */

static void add_safe(Str *out, const char *text) {
  for (; *text; text++) {
    bool bad = (text[0] == '*' && text[1] == '/') || (text[0] == '/' && text[1] == '*');
    if ((unsigned char)*text >= ' ' && *text != 127 && !bad && *text != '\\')
      str_add_n(out, text, 1);
  }
}

/* `[1, N, size_3]`: long expressions by the name of the variable that holds them. */
static void add_shape(Emitter *e, Str *out, const Value *value) {
  enum { LONG = 16 };
  str_add(out, "[");
  for (int d = 0; d < value->rank; d++) {
    Str text = str_in(e->arena);
    dim_print(&text, value->shape[d]);
    const char *name = emit_size_name(e, value->shape[d]);
    if (d) str_add(out, ", ");
    add_safe(out, text.length <= LONG ? str_text(&text) : name ? name : "?");
  }
  str_add(out, "]");
}

static void add_values(Emitter *e, Str *out, Value *const *values, int count) {
  const char *comma = "";
  for (int i = 0; i < count; i++) {
    if (!values[i]) continue;
    str_add(out, comma);
    if (values[i]->rank < 0) continue;
    add_shape(e, out, values[i]);
    comma = ", ";
  }
}

/* `name: Operator [shapes in] -> [shapes out]` */
static void add_node_line(Emitter *e, Str *out, const Node *node, int depth) {
  emit_indent(out, depth);
  str_add(out, "/* ");
  if (node->name[0]) {
    add_safe(out, node->name);
    str_add(out, ": ");
  }
  str_addf(out, "%s ", node->op_type);
  add_values(e, out, node->inputs, node->input_count);
  str_add(out, " -> ");
  add_values(e, out, node->outputs, node->output_count);
  str_add(out, " */\n");
}

/* A line for each node whose first step this is. */
static void add_comment(Emitter *e, Str *out, const Step *step, int depth) {
  if (!step->node || (step->node == e->last_node && !step->fused.count)) return;
  str_add(out, "\n");
  for (size_t i = 0; i < step->fused.count; i++) add_node_line(e, out, step->fused.items[i], depth);
  if (step->node != e->last_node) add_node_line(e, out, step->node, depth);
  e->last_node = step->node;
}

/* --- kernel calls --- */

static bool is_among(const int *positions, int position) {
  while (*positions >= 0 && *positions != position) positions++;
  return *positions >= 0;
}

bool emit_is_literal(const Arg *arg) {
  bool literal = arg->kind != PARAM_DIM || dim_is_const(arg->dim);
  for (int k = 0; arg->kind == PARAM_DIMS && k < arg->dim_count; k++)
    literal = literal && dim_is_const(arg->dims[k]);
  return literal;
}

void emit_arrays(Emitter *e, Str *out, const Step *step, const int *only, int depth) {
  for (size_t i = 0; i < step->args.count; i++) {
    const Arg *arg = &step->args.items[i];
    if (arg->kind != PARAM_DIMS || (only && !is_among(only, (int)i))) continue;
    emit_indent(out, depth);
    str_addf(out, "%sconst ctc_dim a%zu[%d] = {", emit_is_literal(arg) ? "static " : "", i,
             arg->dim_count);
    for (int k = 0; k < arg->dim_count; k++)
      str_addf(out, "%s%s", k ? ", " : "", emit_dim(e, arg->dims[k]));
    str_add(out, "};\n");
  }
}

const char *emit_real(Emitter *e, double value, DType dtype) {
  if (value != value) return "NAN";
  if (value - value != 0) return value > 0 ? "INFINITY" : "-INFINITY";
  const char *text = arena_printf(e->arena, dtype == DT_F64 ? "%.17g" : "%.9g", value);
  return arena_printf(e->arena, "%s%s%s", text, strpbrk(text, ".e") ? "" : ".0",
                      dtype == DT_F64 ? "" : "f");
}

static const char *argument(Emitter *e, const Step *step, size_t i) {
  const Arg *arg = &step->args.items[i];
  const KernelParam *param = &step->kernel->params[i];
  switch (arg->kind) {
  case PARAM_IN:
  case PARAM_OUT:
    if (!arg->buffer) return "NULL";
    return emit_pointer(e, arg->buffer, arg->buffer->dtype, arg->offset, arg->kind == PARAM_OUT);
  case PARAM_DIM: return emit_dim(e, arg->dim);
  case PARAM_DIMS: return arena_printf(e->arena, "a%zu", i);
  case PARAM_REAL:
  case PARAM_SCALAR: return emit_real(e, arg->real, param->dtype);
  case PARAM_EPILOGUE:
  case PARAM_EPILOGUE_ROW:
  case PARAM_OPERANDS: return "NULL";
  case PARAM_PART:
  case PARAM_FIRST:
  case PARAM_LAST: break; /* of tasks only */
  }
  return "";
}

static bool has_arrays(const Step *step) {
  for (size_t i = 0; i < step->args.count; i++)
    if (step->args.items[i].kind == PARAM_DIMS) return true;
  return false;
}

static void emit_kernel(Emitter *e, Str *out, const Step *step, int depth) {
  if (kernel_takes(step->kernel, PARAM_LAST)) {
    emit_kernel_task(e, out, step, depth);
    return;
  }
  bool scoped = has_arrays(step);
  emit_need_chunk(e, step->kernel->chunk);
  if (scoped) {
    emit_indent(out, depth++);
    str_add(out, "{\n");
    emit_arrays(e, out, step, NULL, depth);
  }
  emit_indent(out, depth);
  str_addf(out, "%s%s(", step->kernel->returns_status ? "status = " : "", step->kernel->name);
  for (size_t i = 0; i < step->args.count; i++)
    str_addf(out, "%s%s", i ? ", " : "", argument(e, step, i));
  str_add(out, ");\n");
  if (step->kernel->returns_status) {
    emit_indent(out, depth);
    str_add(out, "if (status != CTC_OK) return status;\n");
  }
  if (scoped) {
    emit_indent(out, --depth);
    str_add(out, "}\n");
  }
}

/* --- symbols --- */

/* Stops the run if a data symbol has left its range or the caller's capacity. Bounds of computed
 * symbols are proven, those of symbols that are `loaded` from a tensor are not. */
static void add_range_check(Emitter *e, Str *out, const DimSymbol *symbol, bool loaded, int depth) {
  const CallerDim *caller = emit_caller_dim(e, symbol);
  const char *name = symbol->c_name;
  if (symbol->low > INT64_MIN) {
    emit_indent(out, depth);
    str_addf(out, "if (%s < %s) return CTC_BAD_SHAPE;\n", name,
             emit_dim(e, dim_const(e->c->dims, symbol->low)));
  }
  const char *most = NULL;
  if (symbol->high != INT64_MAX) most = emit_dim(e, dim_const(e->c->dims, symbol->high));
  if (loaded && symbol->bound)
    most = emit_dim(e, emit_with_capacities(e, dim_upper(e->c->dims, symbol->bound)));
  if (caller && caller->kind == DIM_CAPACITY) most = emit_dim(e, caller->capacity);
  if (!most) return;
  emit_indent(out, depth);
  str_addf(out, "if (%s > %s) return CTC_CAPACITY_TOO_SMALL;\n", name, most);
}

/* An element of a buffer (NULL: the first one) for the host. */
static const char *read_element(Emitter *e, Str *out, const Buffer *buffer, Dim element,
                                int depth) {
  if (e->printer->fetch) return e->printer->fetch(e, out, buffer, element, depth);
  const char *pointer = emit_pointer(e, buffer, buffer->dtype, NULL, false);
  if (!element) return arena_printf(e->arena, "*%s", pointer);
  return arena_printf(e->arena, "(%s)[%s]", pointer, emit_dim(e, element));
}

static void emit_define(Emitter *e, Str *out, const Step *step, int depth) {
  const char *value = step->buffer ? read_element(e, out, step->buffer, step->element, depth)
                                   : emit_dim(e, step->value);
  emit_indent(out, depth);
  str_addf(out, "%s = %s%s;\n", step->symbol->c_name, step->buffer ? "(int64_t)" : "", value);
  add_range_check(e, out, step->symbol, step->buffer != NULL, depth);
}

static void emit_check(Emitter *e, Str *out, const Step *step, int depth) {
  emit_indent(out, depth);
  str_addf(out, "if ((%s) == 0) return CTC_BAD_SHAPE; /* ", emit_dim(e, step->value));
  add_safe(out, step->comment ? step->comment : "");
  str_add(out, " */\n");
}

/* --- control flow --- */

static void emit_if(Emitter *e, Str *out, const Step *step, int depth) {
  const char *condition = read_element(e, out, step->buffer, NULL, depth);
  emit_indent(out, depth);
  str_addf(out, "if (%s) {\n", condition);
  emit_block(e, out, step->then_block, depth + 1);
  emit_indent(out, depth);
  str_add(out, "} else {\n");
  emit_block(e, out, step->else_block, depth + 1);
  emit_indent(out, depth);
  str_add(out, "}\n");
}

bool emit_sets_trips(const Emitter *e, const Step *step) {
  const DimSymbol *trips = step->trips;
  return trips && (!dim_symbol_is_open(trips) || emit_caller_dim(e, trips));
}

static void emit_loop(Emitter *e, Str *out, const Step *step, int depth) {
  const char *i = step->symbol->c_name;
  const char *limit = step->value ? emit_dim(e, step->value) : "INT64_MAX";
  emit_indent(out, depth);
  str_addf(out, "for (%s = 0; %s < %s", i, i, limit);
  bool fetched = step->buffer && e->printer->fetch;
  if (step->buffer && !fetched)
    str_addf(out, " && %s", read_element(e, out, step->buffer, NULL, depth));
  str_addf(out, "; %s++) {\n", i);
  if (fetched) {
    const char *condition = read_element(e, out, step->buffer, NULL, depth + 1);
    emit_indent(out, depth + 1);
    str_addf(out, "if (!%s) break;\n", condition);
  }
  const CallerDim *caller = step->trips ? emit_caller_dim(e, step->trips) : NULL;
  if (caller && caller->kind == DIM_CAPACITY) {
    emit_indent(out, depth + 1);
    str_addf(out, "if (%s >= %s) return CTC_CAPACITY_TOO_SMALL;\n", i,
             emit_dim(e, caller->capacity));
  }
  emit_block(e, out, step->body, depth + 1);
  emit_indent(out, depth);
  str_add(out, "}\n");
  if (emit_sets_trips(e, step)) {
    emit_indent(out, depth);
    str_addf(out, "%s = %s;\n", step->trips->c_name, i);
  }
}

/* --- tracing --- */

typedef struct {
  Emitter *e;
  Str *out;
  const Step *step;
  int depth;
} Trace;

static bool has_no_variable(const DimSymbol *symbol, void *context) {
  const Emitter *e = context;
  return symbol->kind == SYMBOL_DATA && !map_get(&e->defined, symbol->c_name);
}

static void trace_buffer(BufferUse use, void *context) {
  Trace *t = context;
  Emitter *e = t->e;
  const Buffer *buffer = use.buffer;
  if (!use.writes) return;
  Dim count = buffer->count;
  if (dim_any_symbol(count, has_no_variable, e)) count = dim_const(e->c->dims, 0);
  emit_indent(t->out, t->depth);
  str_addf(t->out, "ctc_trace(%d, %d, %s, (int64_t)(%s) * %zu);\n", t->step->number, buffer->id,
           emit_pointer(e, buffer, buffer->dtype, NULL, false), emit_dim(e, count),
           dtype_info(buffer->dtype)->bytes);
}

/* Calls of the hook for all that the step wrote. */
static void emit_trace(Emitter *e, Str *out, const Step *step, int depth) {
  Trace trace = {e, out, step, depth};
  if (e->options->trace) step_visit_buffers(step, trace_buffer, &trace);
}

/* A call of the hook behind a step that takes time. */
static void emit_profile(Emitter *e, Str *out, const Step *step, int depth) {
  if (!e->options->profile || (step->kind != STEP_KERNEL && step->kind != STEP_NEST)) return;
  emit_indent(out, depth);
  str_addf(out, "ctc_profile(%d);\n", step->number);
}

const StepPrinter c_printer = {.pointer = c_pointer, .kernel = emit_kernel, .nest = emit_nest_call};

static void emit_step(Emitter *e, Str *out, const Step *step, int depth) {
  switch (step->kind) {
  case STEP_KERNEL: e->printer->kernel(e, out, step, depth); break;
  case STEP_NEST: e->printer->nest(e, out, step, depth); break;
  case STEP_DEFINE: emit_define(e, out, step, depth); break;
  case STEP_CHECK: emit_check(e, out, step, depth); break;
  case STEP_IF: emit_if(e, out, step, depth); break;
  case STEP_LOOP: emit_loop(e, out, step, depth); break;
  }
}

/* The comment of a step is made after its text, which gives names to its sizes. */
void emit_block(Emitter *e, Str *out, const Block *block, int depth) {
  for (size_t i = 0; i < block->steps.count; i++) {
    const Step *step = block->steps.items[i];
    Str text = str_in(e->arena);
    const Node *before = e->last_node;
    e->last_node = step->node;
    emit_step(e, &text, step, depth);
    e->last_node = before;
    add_comment(e, out, step, depth);
    str_add(out, str_text(&text));
    emit_trace(e, out, step, depth);
    emit_profile(e, out, step, depth);
  }
}
