/* plugin_calls.c: builds the program that calls a plugin's functions, hands it calls, and reads
 * what came of them. */
#include "cli/plugin_calls.h"

#include "backends/c/emit_c.h"
#include "base/file.h"
#include "cli/toolchain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As templates/plugin_check.c has them. */
enum { KIND_IN, KIND_OUT, KIND_SCRATCH, KIND_NUMBER, KIND_REAL, KIND_NULL };
enum { FLAG_THOROUGH = 1, FLAG_UNITS = 2, RESULT_WORDS = 6 };

#define WARNING_FLAGS "-Wall -Wextra -Wconversion -pedantic -Werror -Wno-unused-function"
#define SANITIZER_FLAGS                                                                            \
  "-std=c99 -w -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined "                       \
  "-fno-sanitize-recover=undefined"

/* --- random numbers --- */

/* xorshift64* */
double random_unit(Checked *k) {
  k->random ^= k->random >> 12;
  k->random ^= k->random << 25;
  k->random ^= k->random >> 27;
  return (double)((k->random * 2685821657736338717u) >> 11) / 9007199254740992.0;
}

int64_t random_int(Checked *k, int64_t low, int64_t high) {
  return low + (int64_t)(random_unit(k) * (double)(high - low + 1));
}

/* --- the program --- */

/* "(const float *)a[0].data" */
static void add_kernel_argument(Str *out, const Plugin *p, const PluginFunction *f, int i) {
  const PluginBind *bind = &f->binds[i];
  switch (bind->kind) {
  case BIND_INPUT:
    str_addf(out, "(const %s *)a[%d].data", dtype_info(plugin_bind_dtype(p, f, bind))->c_type, i);
    break;
  case BIND_OUTPUT:
  case BIND_SCRATCH:
    str_addf(out, "(%s *)a[%d].data", dtype_info(plugin_bind_dtype(p, f, bind))->c_type, i);
    break;
  case BIND_NUMBER: str_addf(out, "a[%d].number", i); break;
  case BIND_REAL: str_addf(out, "(float)a[%d].real", i); break;
  case BIND_INTS: str_addf(out, "(const ctc_dim *)a[%d].data", i); break;
  case BIND_FLOATS: str_addf(out, "(const float *)a[%d].data", i); break;
  case BIND_NOTHING:
    str_add(out, f->kernel.params[i].kind == PARAM_FIRST ? "first" : "last");
    break;
  }
}

/* "((const float *)a[0].data)[i]", "(float)a[1].real"; for vectors, those from element i on. */
static void add_number_argument(Str *out, const PluginFunction *f, int i, bool vector) {
  const char *type = dtype_info(f->kernel.params[i].dtype)->c_type;
  const char *field = f->binds[i].kind == BIND_REAL ? "real" : "number";
  if (f->binds[i].kind == BIND_INPUT)
    str_addf(out,
             vector ? "ctc_v_load_lanes((const %s *)a[%d].data + i, n)"
                    : "((const %s *)a[%d].data)[i]",
             type, i);
  else
    str_addf(out, vector ? "ctc_v_set((%s)a[%d].%s)" : "(%s)a[%d].%s", type, i, field);
}

static void bind_function(Checked *k, Scope *item, int number, const Plugin *p,
                          const PluginFunction *f, bool vector) {
  Str call = str_in(k->arena);
  str_addf(&call, "%s(", vector ? f->kernel.vector : f->kernel.name);
  for (int i = 0; i < f->kernel.param_count; i++) {
    if (i) str_add(&call, ", ");
    if (p->elementwise)
      add_number_argument(&call, f, i, vector);
    else
      add_kernel_argument(&call, p, f, i);
  }
  str_add(&call, ")");
  scope_textf(item, "number", "%d", number);
  scope_text(item, "call", str_text(&call));
  scope_bool(item, "lanes", vector);
  scope_bool(item, "elements", p->elementwise);
  scope_bool(item, "status", f->kernel.returns_status);
  scope_text(item, "type", dtype_info(f->kernel.result)->c_type);
  scope_textf(item, "result", "a[%d].data", f->kernel.param_count);
}

bool call_has_vector(const PluginFunction *f) {
  bool plain = f->kernel.vector != NULL && f->kernel.result == DT_F32;
  for (int i = 0; i < f->kernel.param_count; i++)
    plain = plain && f->kernel.params[i].dtype == DT_F32;
  return plain;
}

/* Calls `visit` for each function of the plugin and of its gradients, with its number. */
static void each_function(Checked *k, void *context,
                          void (*visit)(Checked *k, void *context, int number, const Plugin *p,
                                        const PluginFunction *f, bool vector)) {
  int number = 0;
  for (size_t g = 0; g <= k->plugin->gradients.count; g++) {
    const Plugin *p = g ? k->plugin->gradients.items[g - 1] : k->plugin;
    for (size_t i = 0; i < p->functions.count; i++) {
      const PluginFunction *f = &p->functions.items[i];
      visit(k, context, number++, p, f, false);
      if (call_has_vector(f)) visit(k, context, number++, p, f, true);
    }
  }
}

typedef struct {
  Scope *scope;
  Vec(int) chunks;
} Text;

static void add_function(Checked *k, void *context, int number, const Plugin *p,
                         const PluginFunction *f, bool vector) {
  Text *text = context;
  bind_function(k, scope_item(text->scope, "functions"), number, p, f, vector);
  vec_push(k->arena, &text->chunks, vector ? f->kernel.vector_chunk : f->kernel.chunk);
  for (int i = 0; vector && i < 3; i++) {
    static const char *const names[] = {"ctc_v_load_lanes", "ctc_v_store_lanes", "ctc_v_set"};
    vec_push(k->arena, &text->chunks, kernel_chunk_named(names[i]));
  }
}

static bool write_program(Checked *k, const char *path) {
  Compilation c = {.arena = k->arena,
                   .diag = &k->cli->diag,
                   .dims = dim_pool_create(k->arena),
                   .library = &k->set->library};
  Options options = {.line_directives = true};
  Text text = {.scope = scope_create(k->arena, NULL)};
  vec_push(k->arena, &text.chunks, kernel_chunk_named("ctc_dim"));
  each_function(k, &text, add_function);
  return emit_c_around(&c, &options, text.chunks.items, text.chunks.count, "plugin_check.c",
                       text.scope, path);
}

/* The C compiler with our flags, and the user's behind them. */
static bool compile(Checked *k, const char *source, const char *output, const char *flags) {
  Cli *cli = k->cli;
  const char *given = cli->cflags;
  int threads = cli->options.threads;
  cli->cflags = given ? arena_printf(k->arena, "%s %s", flags, given) : flags;
  cli->options.threads = 1;
  bool ok = toolchain_compile(cli, source, NULL, output, false);
  cli->cflags = given;
  cli->options.threads = threads;
  return ok;
}

/* Whether the compiler knows C++; says nothing. */
static bool compiles_cxx(Checked *k) {
  Diag silent = {0}, told = k->cli->diag;
  const char *source = arena_printf(k->arena, "%s/empty.c", k->folder);
  FILE *file = fopen(source, "w");
  if (!file) return false;
  fputs("int main() { return 0; }\n", file);
  fclose(file);
  k->cli->diag = silent;
  bool ok = compile(k, source, arena_printf(k->arena, "%s/empty", k->folder), "-x c++");
  k->cli->diag = told;
  return ok;
}

static const char *source_path(Checked *k) {
  return arena_printf(k->arena, "%s/check.c", k->folder);
}

bool calls_check_warnings(Checked *k, const char **compilers) {
  const char *source = source_path(k), *output = arena_printf(k->arena, "%s/warnings", k->folder);
  if (!write_program(k, source)) return false;
  *compilers = "C99";
  if (!compile(k, source, output, "-O2 -std=c99 " WARNING_FLAGS)) return false;
  if (!compiles_cxx(k)) return true;
  *compilers = "C99 and C++";
  return compile(k, source, output, "-O1 -x c++ " WARNING_FLAGS);
}

bool calls_build(Checked *k) {
  k->program = arena_printf(k->arena, "%s/check", k->folder);
  return compile(k, source_path(k), k->program, SANITIZER_FLAGS);
}

/* --- writing calls --- */

typedef struct {
  const Call *call;
  int number;
} Search;

static void find_number(Checked *k, void *context, int number, const Plugin *p,
                        const PluginFunction *f, bool vector) {
  Search *search = context;
  (void)k;
  (void)p;
  if (f == search->call->call.function && vector == search->call->vector) search->number = number;
}

static void write_word(FILE *file, int64_t word) {
  fwrite(&word, sizeof word, 1, file);
}

static void write_data(FILE *file, const void *data, int64_t bytes) {
  write_word(file, bytes);
  if (bytes) fwrite(data, 1, (size_t)bytes, file);
  for (int64_t i = bytes; i % 8; i++) fputc(0, file);
}

static int64_t tensor_size(const TrialTensor *tensor) {
  return trial_count(tensor) * (int64_t)dtype_info(tensor->dtype)->bytes;
}

static void write_argument(FILE *file, const Call *call, const TrialArgument *a) {
  const Tensor *input = a->kind == BIND_INPUT ? call->inputs[a->index] : NULL;
  int64_t bits;
  switch (a->kind) {
  case BIND_INPUT:
    write_word(file, input ? KIND_IN : KIND_NULL);
    if (input)
      write_data(file, input->data, tensor_bytes(input));
    else
      write_word(file, 0);
    break;
  case BIND_OUTPUT:
    write_word(file, KIND_OUT);
    write_word(file, tensor_size(&a->tensor));
    break;
  case BIND_SCRATCH:
    write_word(file, KIND_SCRATCH);
    write_word(file, tensor_size(&a->tensor));
    break;
  case BIND_REAL: {
    double real = (double)a->attr->f;
    memcpy(&bits, &real, sizeof bits);
    write_word(file, KIND_REAL);
    write_word(file, bits);
    break;
  }
  case BIND_INTS:
    write_word(file, KIND_IN);
    write_data(file, a->attr->ints, (int64_t)(a->attr->count * sizeof *a->attr->ints));
    break;
  case BIND_FLOATS:
    write_word(file, KIND_IN);
    write_data(file, a->attr->floats, (int64_t)(a->attr->count * sizeof *a->attr->floats));
    break;
  case BIND_NUMBER:
  case BIND_NOTHING:
    write_word(file, KIND_NUMBER);
    write_word(file, a->number);
    break;
  }
}

static void write_call(Checked *k, FILE *file, const Call *call) {
  Search search = {.call = call};
  each_function(k, &search, find_number);
  bool units = call->plugin->units != NULL;
  write_word(file, (call->thorough ? FLAG_THOROUGH : 0) | (units ? FLAG_UNITS : 0));
  write_word(file, search.number);
  write_word(file, call->call.units);
  write_word(file, call->call.count);
  for (int i = 0; i < call->call.count; i++) write_argument(file, call, &call->call.arguments[i]);
}

static bool write_calls(Checked *k, const char *path, const Call *calls, size_t count) {
  FileWriter writer;
  if (!file_write_begin(&writer, path, k->arena, &k->cli->diag)) return false;
  for (size_t i = 0; i < count; i++) write_call(k, writer.stream, &calls[i]);
  return file_write_commit(&writer, &k->cli->diag);
}

/* --- reading results --- */

static bool read_result(Checked *k, FILE *file, Call *call) {
  int64_t words[RESULT_WORDS];
  uint8_t pad[8];
  if (fread(words, sizeof words, 1, file) != 1) return false;
  call->status = (int)words[0];
  call->fault = (CallFault)words[1];
  call->argument = (int)words[2];
  call->byte = words[3];
  call->part = words[4];
  call->other = words[5];
  call->outputs = ARENA_ARRAY(k->arena, const Tensor *, call->call.count + 1);
  for (int i = 0; i < call->call.count; i++) {
    const TrialArgument *a = &call->call.arguments[i];
    void *data;
    if (a->kind != BIND_OUTPUT) continue;
    const Tensor *tensor =
        tensor_create(k->arena, a->tensor.dtype, a->tensor.rank, a->tensor.dims, &data);
    size_t bytes = (size_t)tensor_bytes(tensor), rest = (8 - bytes % 8) % 8;
    if (bytes && fread(data, 1, bytes, file) != bytes) return false;
    if (rest && fread(pad, 1, rest, file) != rest) return false;
    call->outputs[i] = tensor;
  }
  return true;
}

/* What a line of the sanitizers' report says, without addresses: the sort of error, where the
 * memory was allocated, the functions of the plugin. NULL: nothing of interest. */
static const char *essential(Checked *k, char *line) {
  static const char *const starts[] = {"AddressSanitizer: ", "located ", " in "};
  line[strcspn(line, "\n")] = '\0';
  if (strstr(line, "runtime error:")) return line;
  for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
    char *start = strstr(line, starts[i]);
    if (!start || strstr(line, "SUMMARY") || strstr(line, "by thread") ||
        strstr(line, "DEADLYSIGNAL"))
      continue;
    if (i < 2) start[strcspn(start, "[")] = '\0';
    if (i == 0) {
      start += strlen(starts[i]);
      start[strcspn(start, " ")] = '\0';
    }
    const char *file = arena_printf(k->arena, " %s/", k->plugin->folder);
    return i < 2 || strstr(start, file) ? start : NULL;
  }
  return NULL;
}

static const char *essence(Checked *k, const char *path) {
  enum { MOST = 6 };
  FILE *file = fopen(path, "r");
  Str out = str_in(k->arena);
  char line[1024];
  for (int found = 0; file && found < MOST && fgets(line, sizeof line, file);) {
    const char *text = essential(k, line);
    if (!text) continue;
    str_addf(&out, "%s\n", text + strspn(text, " "));
    found++;
  }
  if (file) fclose(file);
  return str_text(&out);
}

/* Makes the calls from number `first` on; how many have a result then. */
static size_t run_from(Checked *k, Call *calls, size_t count, size_t first) {
  const char *results = arena_printf(k->arena, "%s/results", k->folder);
  const char *log = arena_printf(k->arena, "%s/log", k->folder);
  const char *argv[] = {k->program, arena_printf(k->arena, "%s/calls", k->folder), results,
                        arena_printf(k->arena, "%zu", first), NULL};
  unlink(results);
  toolchain_run(argv, log);
  FILE *file = fopen(results, "rb");
  size_t done = first;
  while (file && done < count && read_result(k, file, &calls[done])) done++;
  if (file) fclose(file);
  if (done < count) {
    calls[done].fault = FAULT_CRASH;
    calls[done].log = essence(k, log);
  }
  return done;
}

bool calls_run(Checked *k, Call *calls, size_t count) {
  enum { MOST_CRASHES = 3 };
  size_t done = 0;
  setenv("ASAN_OPTIONS", "detect_leaks=0", true);
  if (!write_calls(k, arena_printf(k->arena, "%s/calls", k->folder), calls, count)) return false;
  for (int crashes = 0; done < count && crashes < MOST_CRASHES; crashes++) {
    done = run_from(k, calls, count, done);
    done += done < count; /* the one that crashed */
  }
  for (; done < count; done++) calls[done].fault = FAULT_NONE; /* enough is known */
  return true;
}

const Tensor *call_output(const Call *call, int output) {
  for (int i = 0; call->outputs && i < call->call.count; i++)
    if (call->outputs[i] && call->call.arguments[i].index == output) return call->outputs[i];
  return NULL;
}

bool call_of(Checked *k, const Trial *trial, Call *call) {
  *call = (Call){.plugin = trial->plugin,
                 .where = arena_printf(k->arena, "%s/%s", trial->plugin->folder,
                                       trial->plugin == k->plugin ? "kernel.c" : "gradient.c"),
                 .attrs = trial->node->attrs,
                 .attr_count = trial->node->attr_count,
                 .thorough = true};
  return trial_call(trial, &call->call);
}

/* --- reports --- */

static void add_attr(Str *out, const Attr *attr) {
  str_addf(out, ", %s = ", attr->name);
  if (attr->kind == ATTR_INT) str_addf(out, "%" PRId64, attr->i);
  if (attr->kind == ATTR_FLOAT) str_addf(out, "%g", (double)attr->f);
  if (attr->kind == ATTR_STRING) str_addf(out, "'%s'", attr->s);
  if (attr->kind != ATTR_INTS && attr->kind != ATTR_FLOATS) return;
  for (size_t i = 0; i < attr->count; i++) {
    double value = attr->kind == ATTR_INTS ? (double)attr->ints[i] : (double)attr->floats[i];
    str_addf(out, "%s%g", i ? ", " : "[", value);
  }
  str_add(out, attr->count ? "]" : "[]");
}

void call_note(Checked *k, const Call *call) {
  Str out = str_in(k->arena);
  const char *name =
      call->vector ? call->call.function->kernel.vector : call->call.function->kernel.name;
  str_addf(&out, "%s with ", name);
  for (int i = 0, inputs = 0; i < call->call.count; i++) {
    const TrialArgument *a = &call->call.arguments[i];
    if (a->kind != BIND_INPUT) continue;
    const char *text = a->tensor.dtype == DT_NONE ? "nothing" : trial_text(k->arena, &a->tensor);
    str_addf(&out, "%s%s %s", inputs++ ? ", " : "", call->plugin->inputs.items[a->index].name,
             text);
  }
  for (int i = 0; i < call->attr_count; i++) add_attr(&out, &call->attrs[i]);
  diag_note(&k->cli->diag, "%s", str_text(&out));
}

static const char *argument_name(const Call *call) {
  const TrialArgument *a = &call->call.arguments[call->argument];
  const Plugin *p = call->plugin;
  if (a->kind == BIND_INPUT) return p->inputs.items[a->index].name;
  if (a->kind == BIND_OUTPUT) return p->outputs.items[a->index].name;
  if (a->kind == BIND_SCRATCH) return p->scratch.items[a->index].name;
  return a->attr ? a->attr->name : "?";
}

static void note_log(Checked *k, const char *log) {
  for (const char *line = log; *line;) {
    size_t length = strcspn(line, "\n");
    diag_note(&k->cli->diag, "%.*s", (int)length, line);
    line += length + (line[length] == '\n');
  }
}

/* What is wrong with the element. */
static const char *fault_text(Checked *k, const Call *call) {
  switch (call->fault) {
  case FAULT_RANDOM: return "is another one when the same call is made again";
  case FAULT_UNWRITTEN: return "is not written";
  case FAULT_MEMORY: return "depends on what the memory held before";
  case FAULT_INPUT: return "was written to, but it is an input";
  case FAULT_SPLIT: return "is another one when the units are done one by one";
  default: break;
  }
  return arena_printf(k->arena, "is written by the parts %" PRId64 " and %" PRId64 " of the units",
                      call->part, call->other);
}

static void report_element(Checked *k, const Call *call) {
  const TrialArgument *a = &call->call.arguments[call->argument];
  DType dtype = a->kind == BIND_INTS ? DT_I64 : a->kind == BIND_FLOATS ? DT_F32 : a->tensor.dtype;
  diag_error(&k->cli->diag, call->where, "%s: element %" PRId64 " of '%s' %s", call->name,
             call->byte / (int64_t)dtype_info(dtype)->bytes, argument_name(call),
             fault_text(k, call));
}

bool call_report(Checked *k, const Call *call) {
  Diag *diag = &k->cli->diag;
  if (call->fault == FAULT_NONE) return true;
  if (call->fault == FAULT_STATUS)
    diag_error(diag, call->where, "%s: the same call made again gives another status", call->name);
  else if (call->fault != FAULT_CRASH)
    report_element(k, call);
  else
    diag_error(diag, call->where, "%s: the function crashed, or did not end", call->name);
  if (call->fault == FAULT_CRASH) note_log(k, call->log);
  call_note(k, call);
  return false;
}
