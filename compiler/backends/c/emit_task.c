/* emit_task.c: steps that may be split among threads, as functions of one type.
 *
 *   static void conv16_3(void *const *p, const int64_t *n, ctc_dim part, ctc_dim first, ctc_dim
 * last)
 *
 * does the units of work [first, last) of a kernel or loop nest. p are the tensors, n the sizes
 * that are only known when the program runs; all others are literals, so that the C compiler
 * specialises the kernel. Steps with the same text share one function. */
#include "backends/c/emit.h"

#include <string.h>

const char *task_pointer(Task *task, DType dtype, bool writable, const char *expression) {
  Arena *arena = task->e->arena;
  const char *type = dtype_info(dtype)->c_type;
  vec_push(arena, &task->pointers, expression);
  if (dtype == DT_STRING) emit_need_name(task->e, type);
  if (task->device) {
    vec_push(arena, &task->types, arena_printf(arena, writable ? "%s *" : "const %s *", type));
    return arena_printf(arena, "p%zu", task->pointers.count - 1);
  }
  return arena_printf(arena, "(%s%s *)p[%zu]", writable ? "" : "const ", type,
                      task->pointers.count - 1);
}

const char *task_size(Task *task, Dim dim) {
  if (dim_is_const(dim)) return emit_dim(task->e, dim);
  size_t i = 0;
  while (i < task->sizes.count && task->sizes.items[i] != dim) i++;
  if (i == task->sizes.count) vec_push(task->e->arena, &task->sizes, dim);
  return arena_printf(task->e->arena, task->device ? "n%zu" : "n[%zu]", i);
}

/* `(void)name;` for parameters that the text does not mention. */
static void add_unused(Str *out, const char *text) {
  static const struct {
    const char *name, *use;
  } params[] = {{"p", "p["}, {"n", "n["}, {"part", "part"}, {"first", "first"}, {"last", "last"}};
  for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
    const char *at = strstr(text, params[i].use);
    while (at && at > text && (at[-1] == '_' || (at[-1] >= 'a' && at[-1] <= 'z')))
      at = strstr(at + 1, params[i].use);
    if (!at) str_addf(out, "  (void)%s;\n", params[i].name);
  }
}

/* The function with that body, made or found again. */
static const char *task_function(Emitter *e, const char *stem, const char *body) {
  const char *name = map_get(&e->task_by_text, body);
  if (name) return name;
  Str text = str_in(e->arena);
  char *made = arena_printf(e->arena, "%s_%d", stem, ++e->task_count);
  map_set(&e->task_by_text, body, made);
  str_addf(&text, "static void %s(void *const *p, const int64_t *n, ctc_dim part, ctc_dim first, ",
           made);
  str_add(&text, "ctc_dim last) {\n");
  add_unused(&text, body);
  str_addf(&e->task_text, "%s%s}\n\n", str_text(&text), body);
  return made;
}

/* task(tensors, sizes, 0, 0, units);  or  ctc_parallel(threads, task, …, units, most_parts); */
static void add_call(Task *task, Str *out, const char *function, Split split) {
  Emitter *e = task->e;
  const char *p = task->pointers.count ? "tensors" : "NULL";
  const char *n = task->sizes.count ? "sizes" : "NULL";
  bool serial = dim_range(split.most_parts).high < 2 || dim_is(split.units, 1);
  const char *units = emit_dim(e, split.units);
  if (serial)
    str_addf(out, "%s(%s, %s, 0, 0, %s);\n", function, p, n, units);
  else
    str_addf(out, "ctc_parallel(threads, %s, %s, %s, %s, %s);\n", function, p, n, units,
             emit_dim(e, split.most_parts));
}

void task_call(Task *task, Str *out, const char *stem, const char *body, Split split, int depth) {
  Emitter *e = task->e;
  const char *function = task_function(e, stem, body);
  emit_indent(out, depth);
  str_add(out, "{\n");
  if (task->pointers.count) {
    emit_indent(out, depth + 1);
    str_add(out, "void *const tensors[] = {");
    for (size_t i = 0; i < task->pointers.count; i++)
      str_addf(out, "%s(void *)(%s)", i ? ", " : "", task->pointers.items[i]);
    str_add(out, "};\n");
  }
  if (task->sizes.count) {
    emit_indent(out, depth + 1);
    str_add(out, "const int64_t sizes[] = {");
    for (size_t i = 0; i < task->sizes.count; i++)
      str_addf(out, "%s%s", i ? ", " : "", emit_dim(e, task->sizes.items[i]));
    str_add(out, "};\n");
  }
  emit_indent(out, depth + 1);
  add_call(task, out, function, split);
  emit_indent(out, depth);
  str_add(out, "}\n");
}

/* --- epilogues --- */

/* The number `k` among the tensors that an epilogue reads besides the result. */
static void add_epilogue_load(Emitter *e, Str *out, EpilogueRead read, bool planes, size_t load,
                              size_t k) {
  static const struct {
    const char *function, *form;
  } vectors[] = {[READS_RESULT] = {"ctc_v_load_n", "(operands[%zu] + at, count)"},
                 [READS_CHANNEL] = {"ctc_v_load_n", "(operands[%zu] + channel, count)"},
                 [READS_NUMBER] = {"ctc_v_set", "(operands[%zu][0])"}},
    of_one_channel = {"ctc_v_set", "(operands[%zu][channel])"};
  bool one = planes && read == READS_CHANNEL;
  const char *function = one ? of_one_channel.function : vectors[read].function;
  emit_need_name(e, function);
  str_addf(out, "  const ctc_v v%zu = %s", load, function);
  str_addf(out, one ? of_one_channel.form : vectors[read].form, k);
  str_add(out, ";\n");
}

/* Whether a vector function or one that it calls is long (exp, erf, tanh, …). */
static bool is_long(const Emitter *e, int chunk) {
  enum { LONG = 300 };
  const RuntimeChunk *c = kernel_chunk(e->c->library, chunk);
  const char *name = c->names[0];
  size_t length = strlen(name);
  if (length < 2 || strcmp(name + length - 2, "_v") != 0) return false;
  if (strlen(c->text) > LONG) return true;
  for (const int *need = c->needs; *need >= 0; need++)
    if (is_long(e, *need)) return true;
  return false;
}

static bool is_long_epilogue(const Emitter *e, const LoopNest *nest) {
  for (size_t i = 0; i < nest->ops.count; i++)
    if (is_long(e, nest->ops.items[i].function->vector_chunk)) return true;
  return false;
}

/* How a kernel gets its epilogue: two arguments. Short ones are inlined at each store. Long ones
 * are functions of their own, once a row of results where the kernel can do that: inlined
 * everywhere they make programs big, and gcc keeps their constants in registers that the kernel's
 * loops need. */
typedef struct {
  const char *vector, *row;
} Epilogue;

/* The function with that head, parameters and body, made or found again. */
static const char *shared_function(Emitter *e, const char *head, const char *params,
                                   const char *body) {
  const char *key = arena_printf(e->arena, "%s%s", head, body);
  const char *name = map_get(&e->task_by_text, key);
  if (name) return name;
  char *made = arena_printf(e->arena, "epilogue_%d", ++e->task_count);
  map_set(&e->task_by_text, key, made);
  str_addf(&e->task_text, "%s %s%s {\n%s}\n\n", head, made, params, body);
  return made;
}

/* static CTC_KERNEL ctc_v epilogue_3(ctc_v value, …): the ops of the nest on a vector. */
static const char *epilogue_function(Emitter *e, const Step *step, bool apart) {
  const LoopNest *nest = step->epilogue;
  Str text = str_in(e->arena), head = str_in(e->arena);
  bool channel = false, at = false, counted = false, planes = results_are_planes(&step->results);
  size_t k = 0;
  for (size_t i = 0; i < nest->loads.count; i++) {
    const Access *access = &nest->loads.items[i];
    if (epilogue_loads_result(nest, access)) {
      str_addf(&text, "  const ctc_v v%zu = value;\n", i);
      continue;
    }
    EpilogueRead read = epilogue_read(&step->results, nest, access);
    channel = channel || read == READS_CHANNEL;
    at = at || read == READS_RESULT;
    counted = counted || at || (channel && !planes);
    add_epilogue_load(e, &text, read, planes, i, k++);
  }
  if (k == 0) str_add(&text, "  (void)operands;\n");
  if (!at) str_add(&text, "  (void)at;\n");
  if (!channel) str_add(&text, "  (void)channel;\n");
  if (!counted) str_add(&text, "  (void)count;\n");
  emit_vector_ops(e, &text, nest);
  str_addf(&text, "  return %s;\n", emit_vector_operand(e, &nest->stores.items[0].value));
  const char *attribute = apart ? "CTC_APART" : "CTC_KERNEL";
  emit_need_name(e, attribute);
  str_addf(&head, "static %s ctc_v", attribute);
  const char *params = "(ctc_v value, const float *const *operands, ctc_dim at,\n"
                       "    ctc_dim channel, int count)";
  return shared_function(e, str_text(&head), params, str_text(&text));
}

/* static CTC_APART void epilogue_4(float *y, …): epilogue_3 on the vectors of a row. */
static const char *row_function(Emitter *e, const char *vector) {
  Str text = str_in(e->arena);
  emit_need_name(e, "CTC_APART");
  emit_need_name(e, "ctc_v_load");
  emit_need_name(e, "ctc_v_store");
  str_add(&text, "  for (ctc_dim i = 0; i < n; i++, at += step)\n");
  str_addf(&text,
           "    ctc_v_store(y + at, %s(ctc_v_load(y + at), operands, at, channel, count));\n",
           vector);
  const char *params = "(float *y, const float *const *operands, ctc_dim at,\n"
                       "    ctc_dim channel, int count, ctc_dim step, ctc_dim n)";
  return shared_function(e, "static CTC_APART void", params, str_text(&text));
}

static Epilogue make_epilogue(Emitter *e, const Step *step) {
  if (!step->epilogue) return (Epilogue){"NULL", "NULL"};
  bool apart = is_long_epilogue(e, step->epilogue),
       rows = apart && kernel_takes(step->kernel, PARAM_EPILOGUE_ROW);
  const char *vector = epilogue_function(e, step, apart && !rows);
  if (!rows) return (Epilogue){vector, "NULL"};
  return (Epilogue){"NULL", row_function(e, vector)};
}

/* const float *const operands[] = {…}; */
static void add_operands(Task *task, Str *body, const LoopNest *nest) {
  const char *comma = "";
  str_add(body, "  const float *const operands[] = {");
  for (size_t i = 0; i < nest->loads.count; i++) {
    const Access *access = &nest->loads.items[i];
    if (epilogue_loads_result(nest, access)) continue;
    const char *pointer = emit_pointer(task->e, access->buffer, DT_F32, access->offset, false);
    str_addf(body, "%s%s", comma, task_pointer(task, DT_F32, false, pointer));
    comma = ", ";
  }
  str_add(body, comma[0] ? "};\n" : "NULL};\n");
}

/* --- kernels --- */

void task_array(Task *task, Str *body, const Arg *arg, size_t i) {
  const char *constant = task->device ? "constexpr" : "static const";
  str_addf(body, "  %s ctc_dim a%zu[%d] = {", emit_is_literal(arg) ? constant : "const", i,
           arg->dim_count);
  for (int k = 0; k < arg->dim_count; k++)
    str_addf(body, "%s%s", k ? ", " : "", task_size(task, arg->dims[k]));
  str_add(body, "};\n");
}

const char *task_argument(Task *task, const Step *step, size_t i) {
  Emitter *e = task->e;
  const Arg *arg = &step->args.items[i];
  bool out = arg->kind == PARAM_OUT;
  switch (arg->kind) {
  case PARAM_IN:
  case PARAM_OUT:
    if (!arg->buffer) return "NULL";
    return task_pointer(task, arg->buffer->dtype, out,
                        emit_pointer(e, arg->buffer, arg->buffer->dtype, arg->offset, out));
  case PARAM_DIM: return task_size(task, arg->dim);
  case PARAM_DIMS: return arena_printf(e->arena, "a%zu", i);
  case PARAM_REAL:
  case PARAM_SCALAR: return emit_real(e, arg->real, step->kernel->params[i].dtype);
  default: return NULL;
  }
}

static const char *kernel_argument(Task *task, const Step *step, size_t i, Epilogue epilogue) {
  switch (step->args.items[i].kind) {
  case PARAM_EPILOGUE: return epilogue.vector;
  case PARAM_EPILOGUE_ROW: return epilogue.row;
  case PARAM_OPERANDS: return step->epilogue ? "operands" : "NULL";
  case PARAM_PART: return "part";
  case PARAM_FIRST: return "first";
  case PARAM_LAST: return "last";
  default: return task_argument(task, step, i);
  }
}

void emit_kernel_task(Emitter *e, Str *out, const Step *step, int depth) {
  Task task = {.e = e};
  Str body = str_in(e->arena), call = str_in(e->arena);
  Epilogue epilogue = make_epilogue(e, step);
  emit_need_chunk(e, step->kernel->chunk);
  for (size_t i = 0; i < step->args.count; i++) {
    if (step->args.items[i].kind == PARAM_DIMS) task_array(&task, &body, &step->args.items[i], i);
    str_addf(&call, "%s%s", i ? ", " : "", kernel_argument(&task, step, i, epilogue));
  }
  if (step->epilogue) add_operands(&task, &body, step->epilogue);
  str_addf(&body, "  %s(%s);\n", step->kernel->name, str_text(&call));
  Split split = {step->units, emit_most_parts(e, step)};
  task_call(&task, out, kernel_short_name(step->kernel), str_text(&body), split, depth);
}
