/* emit_weights.c: the constants of a program.
 *
 * Small tensors are arrays of numbers that people can read. Larger ones are a union of bytes,
 * written as one string literal, and the array: gcc reads such a literal some eight times faster
 * than numbers. With --weights=incbin or file the bytes stand in a file of their own. */
#include "backends/c/emit.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { READABLE_COUNT = 64, ALIGNMENT = 64, LITERAL_LINE = 2000 };

static bool in_file(const Emitter *e) {
  return e->options->weights == WEIGHTS_INCBIN || e->options->weights == WEIGHTS_FILE;
}

static bool same_data(const Tensor *a, const Tensor *b) {
  return a->dtype == b->dtype && a->count == b->count &&
         (a->data == b->data || memcmp(a->data, b->data, (size_t)tensor_bytes(a)) == 0);
}

/* A key under which equal constants meet. */
static const char *content_key(Emitter *e, const Tensor *tensor) {
  uint64_t hash = 14695981039346656037u;
  const unsigned char *bytes = tensor->data;
  int64_t count = tensor_bytes(tensor);
  for (int64_t i = 0; i < count; i++) hash = (hash ^ bytes[i]) * 1099511628211u;
  return arena_printf(e->arena, "%d:%" PRId64 ":%016" PRIx64, (int)tensor->dtype, tensor->count,
                      hash);
}

static Weight *add_weight(Emitter *e, const Tensor *tensor, const char *label) {
  Weight *weight = ARENA_NEW(e->arena, Weight);
  weight->tensor = tensor;
  weight->label = label ? label : "";
  weight->name = emit_name(e, arena_printf(e->arena, "w_%s", weight->label));
  weight->offset = weight->device_at = -1;
  if (in_file(e) && tensor_bytes(tensor) > 0 && tensor->dtype != DT_STRING) {
    weight->offset = e->weights_bytes;
    e->weights_bytes += (tensor_bytes(tensor) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }
  return weight;
}

static void note_buffer(BufferUse use, void *context) {
  bool *used = context;
  used[use.buffer->id] = true;
}

void emit_collect_weights(Emitter *e) {
  size_t count = e->program->buffers.count;
  bool *used = ARENA_ARRAY(e->arena, bool, count + 1);
  Map by_content = map_in(e->arena);
  block_visit_buffers(e->program->body, note_buffer, used);
  e->weight_of = ARENA_ARRAY(e->arena, Weight *, count + 1);
  for (size_t i = 0; i < count; i++) {
    const Buffer *buffer = e->program->buffers.items[i];
    if (buffer->kind != BUFFER_CONSTANT || !used[i]) continue;
    const char *key = content_key(e, buffer->constant);
    Weight *weight = map_get(&by_content, key);
    if (!weight || !same_data(weight->tensor, buffer->constant)) {
      weight = add_weight(e, buffer->constant, buffer->name);
      map_set(&by_content, key, weight);
      vec_push(e->arena, &e->weights, *weight);
    }
    e->weight_of[i] = weight;
  }
}

const char *emit_weight_pointer(Emitter *e, const Weight *weight) {
  const char *type = dtype_info(weight->tensor->dtype)->c_type;
  if (weight->tensor->count == 0) return arena_printf(e->arena, "(const %s *)0", type);
  if (weight->offset >= 0)
    return arena_printf(e->arena, "CTC_WEIGHT(%s, %" PRId64 ")", type, weight->offset);
  return emit_weight_is_union(e, weight) ? arena_printf(e->arena, "%s.v", weight->name)
                                         : weight->name;
}

const char *emit_add_weight(Emitter *e, const Tensor *tensor, const char *label) {
  Weight *weight = add_weight(e, tensor, label);
  vec_push(e->arena, &e->weights, *weight);
  return emit_weight_pointer(e, weight);
}

/* --- numbers --- */

static void print_real(FILE *out, double value, bool single) {
  char text[40];
  snprintf(text, sizeof text, single ? "%.9g" : "%.17g", value);
  fputs(text, out);
  if (!strpbrk(text, ".e")) fputs(".0", out);
  if (single) fputc('f', out);
}

static void print_int(FILE *out, const Tensor *tensor, int64_t i) {
  if (tensor->dtype == DT_U64) {
    fprintf(out, "UINT64_C(%" PRIu64 ")", ((const uint64_t *)tensor->data)[i]);
    return;
  }
  int64_t value = tensor_int(tensor, i);
  if (value == INT64_MIN)
    fputs("-INT64_C(9223372036854775807) - 1", out);
  else if (value == INT32_MIN)
    fputs("-2147483647 - 1", out);
  else if (value > INT32_MAX || value < INT32_MIN)
    fprintf(out, tensor->dtype == DT_U32 ? "UINT32_C(%" PRId64 ")" : "INT64_C(%" PRId64 ")", value);
  else
    fprintf(out, "%" PRId64, value);
}

static bool all_finite(const Tensor *tensor) {
  for (int64_t i = 0; i < tensor->count; i++)
    if (!isfinite(tensor_real(tensor, i))) return false;
  return true;
}

/* Whether the tensor is written as numbers, or strings, one by one. */
static bool is_readable(const Emitter *e, const Tensor *tensor) {
  if (tensor->dtype == DT_STRING) return true;
  bool number = tensor->dtype == DT_F32 || tensor->dtype == DT_F64 ||
                dtype_is_integer(tensor->dtype) || tensor->dtype == DT_BOOL;
  if (!number || e->options->weights == WEIGHTS_STRING) return false;
  if (e->options->weights != WEIGHTS_ARRAY && tensor->count > READABLE_COUNT) return false;
  return !dtype_is_float(tensor->dtype) || all_finite(tensor);
}

static void print_element(Emitter *e, FILE *out, const Tensor *tensor, int64_t i) {
  if (tensor->dtype == DT_STRING)
    fputs(emit_quoted(e, ((const char *const *)tensor->data)[i]), out);
  else if (dtype_is_float(tensor->dtype))
    print_real(out, tensor_real(tensor, i), tensor->dtype == DT_F32);
  else
    print_int(out, tensor, i);
}

static void write_elements(Emitter *e, FILE *out, const Weight *weight) {
  const Tensor *tensor = weight->tensor;
  fprintf(out, "static const CTC_ALIGNED %s %s[%" PRId64 "] = {", dtype_info(tensor->dtype)->c_type,
          weight->name, tensor->count);
  for (int64_t i = 0; i < tensor->count; i++) {
    fputs(i == 0 ? "" : ",", out);
    fputs(i % 8 == 0 ? "\n    " : " ", out);
    print_element(e, out, tensor, i);
  }
  fputs("};\n\n", out);
}

/* --- literals --- */

/* How each byte is written inside a literal. An octal escape takes all three digits if a digit
 * follows; '?' is escaped because of trigraphs. */
typedef struct {
  char text[2][256][4]; /* [a digit follows][byte] */
  uint8_t length[2][256];
} Escapes;

static void make_escapes(Escapes *escapes) {
  for (int next = 0; next < 2; next++)
    for (int byte = 0; byte < 256; byte++) {
      bool plain = byte >= ' ' && byte < 127 && byte != '"' && byte != '\\' && byte != '?';
      char text[8];
      int length = snprintf(text, sizeof text, plain ? "%c" : next ? "\\%03o" : "\\%o", byte);
      memcpy(escapes->text[next][byte], text, 4);
      escapes->length[next][byte] = (uint8_t)length;
    }
}

/* The bytes as string literals of LITERAL_LINE characters or a little more. */
static void write_literal(FILE *out, const unsigned char *bytes, int64_t count) {
  static Escapes escapes;
  char line[LITERAL_LINE + 16];
  size_t column = 0;
  if (!escapes.length[0][0]) make_escapes(&escapes);
  for (int64_t i = 0; i < count; i++) {
    unsigned char byte = bytes[i];
    bool digit = i + 1 < count && bytes[i + 1] >= '0' && bytes[i + 1] <= '9';
    memcpy(line + column, escapes.text[digit][byte], 4);
    column += escapes.length[digit][byte];
    if (column < LITERAL_LINE && i + 1 < count) continue;
    fputs("\n    \"", out);
    fwrite(line, 1, column, out);
    fputc('"', out);
    column = 0;
  }
}

static void write_union(FILE *out, const Weight *weight) {
  const Tensor *tensor = weight->tensor;
  int64_t bytes = tensor_bytes(tensor);
  fprintf(out,
          "static const CTC_ALIGNED union {\n  char bytes[%" PRId64 " + 1];\n  %s v[%" PRId64
          "];\n} %s = {",
          bytes, dtype_info(tensor->dtype)->c_type, tensor->count, weight->name);
  write_literal(out, tensor->data, bytes);
  fputs("};\n\n", out);
}

static void write_comment(FILE *out, const Weight *weight) {
  const Tensor *tensor = weight->tensor;
  fputs("/* ", out);
  for (const char *ch = weight->label; *ch; ch++)
    if (!(ch[0] == '*' && ch[1] == '/') && !(ch[0] == '/' && ch[1] == '*')) fputc(*ch, out);
  fprintf(out, ": %s[", dtype_info(tensor->dtype)->name);
  for (int d = 0; d < tensor->rank; d++)
    fprintf(out, d ? ", %" PRId64 : "%" PRId64, tensor->dims[d]);
  fputs("] */\n", out);
}

void emit_weights(Emitter *e, FILE *out) {
  for (size_t i = 0; i < e->weights.count; i++) {
    const Weight *weight = &e->weights.items[i];
    if (weight->offset >= 0 || weight->tensor->count == 0) continue;
    write_comment(out, weight);
    if (is_readable(e, weight->tensor))
      write_elements(e, out, weight);
    else
      write_union(out, weight);
  }
}

bool emit_weight_is_union(const Emitter *e, const Weight *weight) {
  return weight->offset < 0 && weight->tensor->count > 0 && !is_readable(e, weight->tensor);
}

void emit_weights_file(Emitter *e, FILE *out) {
  static const char zeros[ALIGNMENT];
  for (size_t i = 0; i < e->weights.count; i++) {
    const Weight *weight = &e->weights.items[i];
    if (weight->offset < 0) continue;
    size_t bytes = (size_t)tensor_bytes(weight->tensor);
    fwrite(weight->tensor->data, 1, bytes, out);
    fwrite(zeros, 1, (ALIGNMENT - bytes % ALIGNMENT) % ALIGNMENT, out);
  }
}
