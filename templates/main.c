/* $source_name: runs the model $title on arrays from files.
 *
 * Made by ctc $version; do not edit. It knows the model through its descriptor only (ctc_model in $header_name), so the
 * same text drives every model: inputs are read from numpy's .npy files, open sizes follow from their shapes, outputs are written as
 * .npy files. */
#include "$header_name"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const ctc_model *const model = &$model_model;
static const char weights_name[] = "$weights_file"; /* "": the weights are in the program */

enum {
  MOST_RANK = 12,
  HEADER_BYTES = 128,
  FIRST_CAPACITY = 1024, /* of sizes that depend on data, when the user gives none */
  CAPACITY_GROWTH = 8,
  KIND_CALLER = 0, /* ctc_dim_info.kind */
  KIND_CAPACITY = 1
};
#define MOST_CAPACITY (INT64_C(1) << 28)

/* --- errors --- */

static const char *program = "model";

static void fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%s: error: ", program);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(1);
}

static void *allocate(int64_t bytes) {
  void *memory = bytes >= 0 && (uint64_t)bytes < SIZE_MAX ? calloc((size_t)bytes + 1, 1) : NULL;
  if (!memory) fail("no memory for %lld bytes", (long long)bytes);
  return memory;
}

/* --- element types --- */

typedef struct {
  int32_t code; /* ONNX TensorProto.DataType */
  int32_t bytes;
  const char *name;
  const char *npy; /* numpy's text for it */
} type_row;

static const type_row types[] = {
//$ for type in types
    {$type.code, $type.bytes, "$type.name", "$type.npy"},
//$ end
};

static const type_row *type_of(const ctc_port *port) {
  size_t i;
  for (i = 0; i < sizeof types / sizeof *types; i++)
    if (types[i].code == port->dtype) return &types[i];
  fail("'%s' has an element type that .npy files cannot hold (ONNX code %d)", port->name, (int)port->dtype);
  return NULL;
}

/* --- arrays --- */

typedef struct {
  const char *path;
  int32_t rank;
  int64_t dims[MOST_RANK];
  void *data; /* NULL: not given yet */
} array;

/* Product of `rank` sizes and `bytes`; ends the program if it does not fit. */
static int64_t size_in_bytes(const int64_t *dims, int32_t rank, int64_t bytes) {
  int32_t i;
  for (i = 0; i < rank; i++) {
    if (dims[i] < 0) fail("a size is negative (%lld)", (long long)dims[i]);
    if (dims[i] > 0 && bytes > INT64_MAX / 2 / dims[i]) fail("an array is too large");
    bytes *= dims[i];
  }
  return bytes;
}

static void print_shape(FILE *out, const type_row *type, const int64_t *dims, int32_t rank) {
  int32_t i;
  fprintf(out, "%s[", type->name);
  for (i = 0; i < rank; i++) fprintf(out, i ? ", %lld" : "%lld", (long long)dims[i]);
  fputs("]", out);
}

/* The text behind 'key': in the header of a .npy file. */
static const char *header_field(const array *a, const char *header, const char *key) {
  const char *at = strstr(header, key);
  if (at) at = strchr(at + strlen(key), ':');
  if (!at) fail("%s: not an array in numpy's .npy format", a->path);
  do at++;
  while (*at == ' ');
  return at;
}

static void parse_shape(array *a, const char *at) {
  if (*at++ != '(') fail("%s: its header has no shape", a->path);
  while (*at != ')') {
    char *end;
    long long size = strtoll(at, &end, 10);
    if (end == at || size < 0 || a->rank == MOST_RANK) fail("%s: its shape cannot be read", a->path);
    a->dims[a->rank++] = size;
    for (at = end; *at == ',' || *at == ' ';) at++;
  }
}

/* Reads the header up to the data; ends the program if the array is not what the input takes. */
static void read_header(array *a, FILE *file, const ctc_port *port) {
  unsigned char head[12];
  const type_row *type = type_of(port);
  size_t length, wide, got = fread(head, 1, 10, file);
  char *text;
  const char *descr;
  if (got != 10 || memcmp(head, "\x93NUMPY", 6) != 0) fail("%s: not an array in numpy's .npy format", a->path);
  wide = head[6] >= 2;
  length = head[8] | (size_t)head[9] << 8;
  if (wide && fread(head + 10, 1, 2, file) != 2) fail("%s: it is truncated", a->path);
  if (wide) length |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
  text = (char *)allocate((int64_t)length);
  if (fread(text, 1, length, file) != length) fail("%s: it is truncated", a->path);
  descr = header_field(a, text, "'descr'") + 1;
  if (strncmp(descr, type->npy, strlen(type->npy)) != 0 || descr[strlen(type->npy)] != '\'')
    fail("%s: input '%s' is %s (numpy '%s'), but the file holds '%.*s'", a->path, port->name, type->name, type->npy,
         (int)strcspn(descr, "'"), descr);
  if (strncmp(header_field(a, text, "'fortran_order'"), "True", 4) == 0)
    fail("%s: the array is column-major; save numpy.ascontiguousarray(x)", a->path);
  parse_shape(a, header_field(a, text, "'shape'"));
  free(text);
  if (a->rank != port->rank)
    fail("%s: input '%s' has %d dimensions, the array has %d", a->path, port->name, (int)port->rank, (int)a->rank);
}

static void read_array(array *a, const char *path, const ctc_port *port) {
  FILE *file = fopen(path, "rb");
  int64_t bytes;
  if (!file) fail("%s: %s", path, strerror(errno));
  a->path = path;
  read_header(a, file, port);
  bytes = size_in_bytes(a->dims, a->rank, type_of(port)->bytes);
  a->data = allocate(bytes);
  if (fread(a->data, 1, (size_t)bytes, file) != (size_t)bytes) fail("%s: it is truncated", path);
  fclose(file);
}

static void write_array(const char *path, const type_row *type, const int64_t *dims, int32_t rank, const void *data) {
  char header[HEADER_BYTES * 4];
  size_t length, bytes = (size_t)size_in_bytes(dims, rank, type->bytes);
  unsigned char head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 0, 0};
  int32_t i;
  FILE *file = fopen(path, "wb");
  if (!file) fail("%s: cannot write it: %s", path, strerror(errno));
  length = (size_t)sprintf(header, "{'descr': '%s', 'fortran_order': False, 'shape': (", type->npy);
  for (i = 0; i < rank; i++) length += (size_t)sprintf(header + length, "%lld, ", (long long)dims[i]);
  length += (size_t)sprintf(header + length, "), }");
  while ((length + 1 + sizeof head) % 64 != 0) header[length++] = ' ';
  header[length++] = '\n';
  head[8] = (unsigned char)(length & 255);
  head[9] = (unsigned char)(length >> 8);
  if (fwrite(head, 1, sizeof head, file) != sizeof head || fwrite(header, 1, length, file) != length ||
      fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0)
    fail("%s: cannot write it: %s", path, strerror(errno));
}

/* --- sizes --- */

static int64_t *dims;   /* of the model */
static int64_t *shapes; /* all dims of all inputs, then of all outputs */
static int *dim_given;  /* by --dim */
static int32_t input_ranks;

static void make_tables(void) {
  int32_t i, ranks = 0;
  for (i = 0; i < model->input_count; i++) input_ranks += model->inputs[i].rank;
  for (i = 0; i < model->output_count; i++) ranks += model->outputs[i].rank;
  dims = (int64_t *)allocate(model->dim_count * (int64_t)sizeof *dims);
  dim_given = (int *)allocate(model->dim_count * (int64_t)sizeof *dim_given);
  shapes = (int64_t *)allocate((input_ranks + ranks) * (int64_t)sizeof *shapes);
}

static int32_t find_dim(const char *text, size_t length) {
  int32_t i;
  for (i = 0; i < model->dim_count; i++)
    if (strlen(model->dims[i].name) == length && strncmp(model->dims[i].name, text, length) == 0) return i;
  fail("the model has no size '%.*s'; --help lists them", (int)length, text);
  return 0;
}

/* NAME=VALUE; a name may hold '=' itself, so the last one counts. */
static void set_dim(const char *text) {
  const char *equals = strrchr(text, '=');
  char *end;
  int32_t i;
  if (!equals || !equals[1]) fail("--dim %s: write --dim NAME=VALUE", text);
  i = find_dim(text, (size_t)(equals - text));
  dims[i] = strtoll(equals + 1, &end, 10);
  if (*end || dims[i] < 0) fail("--dim %s: the value must be a number", text);
  dim_given[i] = 1;
}

/* Fills `sizes` with the shapes that the dims base, base + step, base + 2*step … would give. */
static void probe(int64_t *sizes, int64_t *values, int64_t base, int64_t step) {
  int32_t i;
  for (i = 0; i < model->dim_count; i++) values[i] = base + i * step;
  model->shapes(values, sizes);
}

/* The sizes that the caller gives: each is looked for among the inputs' sizes, with two sets of made-up values. */
static void solve_dims(const int64_t *wanted) {
  int64_t *one = (int64_t *)allocate(model->dim_count * (int64_t)sizeof *one);
  int64_t *two = (int64_t *)allocate(model->dim_count * (int64_t)sizeof *two);
  int64_t *first = (int64_t *)allocate(input_ranks * (int64_t)sizeof *first);
  int32_t i, place;
  probe(shapes, one, 1009, 2);
  memcpy(first, shapes, (size_t)input_ranks * sizeof *first);
  probe(shapes, two, 20011, 6);
  for (i = 0; i < model->dim_count; i++) {
    if (dim_given[i] || model->dims[i].kind != KIND_CALLER) continue;
    dims[i] = model->dims[i].low > 0 ? model->dims[i].low : 0;
    for (place = 0; place < input_ranks; place++)
      if (first[place] == one[i] && shapes[place] == two[i]) break;
    if (place < input_ranks) dims[i] = wanted[place];
  }
  free(one);
  free(two);
  free(first);
}

static void check_shapes(const array *inputs) {
  const int64_t *wanted = shapes;
  int32_t i;
  for (i = 0; i < model->input_count; wanted += model->inputs[i++].rank) {
    const type_row *type = type_of(&model->inputs[i]);
    if (memcmp(wanted, inputs[i].dims, (size_t)inputs[i].rank * sizeof *wanted) == 0) continue;
    fprintf(stderr, "%s: error: input '%s' must be ", program, model->inputs[i].name);
    print_shape(stderr, type, wanted, inputs[i].rank);
    fprintf(stderr, ", but %s is ", inputs[i].path);
    print_shape(stderr, type, inputs[i].dims, inputs[i].rank);
    fputc('\n', stderr);
    exit(1);
  }
}

static void take_sizes(const array *inputs) {
  int64_t *wanted = (int64_t *)allocate(input_ranks * (int64_t)sizeof *wanted);
  int32_t i, at = 0;
  for (i = 0; i < model->input_count; i++) {
    memcpy(wanted + at, inputs[i].dims, (size_t)inputs[i].rank * sizeof *wanted);
    at += inputs[i].rank;
  }
  solve_dims(wanted);
  model->bounds(dims);
  model->shapes(dims, shapes);
  check_shapes(inputs);
  free(wanted);
}

/* --- threads --- */

//$ if threads
static ctc_pool pool; /* with --threads */

//$ end
static void start_threads(const char *text) {
  char *end;
  long count = strtol(text, &end, 10);
  if (*end || end == text || count < 1 || count > 1000) fail("--threads %s: write a number of threads", text);
//$ if threads
#ifdef CTC_POOL
  if ($model_pool_start(&pool, (int32_t)count) < count) fprintf(stderr, "%s: only %d threads\n", program, (int)pool.threads.count);
#else
  if (count > 1) fail("it was compiled without -DCTC_POOL, so it has no threads");
#endif
//$ else
  if (count > 1) fail("the model was compiled with --threads=1");
//$ end
}

static void stop_threads(void) {
//$ if threads
#ifdef CTC_POOL
  if (pool.threads.count) $model_pool_stop(&pool);
#endif
//$ end
}

/* --- running --- */

static int run_model(const void *const *inputs, void *const *outputs, int64_t *values, void *workspace, int64_t bytes,
                     const void *weights) {
//$ if threads
  if (pool.threads.count)
    return model->run_threads(&pool.threads, inputs, outputs, values, workspace, bytes, weights);
//$ end
  return model->run(inputs, outputs, values, workspace, bytes, weights);
}

static void set_capacities(int64_t *values, int64_t capacity) {
  int32_t i;
  for (i = 0; i < model->dim_count; i++) {
    const ctc_dim_info *dim = &model->dims[i];
    values[i] = dims[i];
    if (dim->kind != KIND_CAPACITY || dim_given[i]) continue;
    values[i] = dim->high >= 0 && dim->high < capacity ? dim->high : capacity;
  }
  model->bounds(values);
}

/* Whether a larger capacity could help after CTC_CAPACITY_TOO_SMALL. */
static int can_grow(int64_t capacity) {
  int32_t i;
  for (i = 0; i < model->dim_count; i++)
    if (model->dims[i].kind == KIND_CAPACITY && !dim_given[i]) return capacity < MOST_CAPACITY;
  return 0;
}

static void *aligned(void *memory) {
  uintptr_t misplaced = (uintptr_t)memory % (uintptr_t)model->alignment;
  return (char *)memory + (misplaced ? (uintptr_t)model->alignment - misplaced : 0);
}

/* One run with these sizes; the outputs are in outputs[], their shapes in `shapes`. */
static int run_once(const array *inputs, void **outputs, int64_t *values, const void *weights) {
  const void **data = (const void **)allocate(model->input_count * (int64_t)sizeof *data);
  const int64_t *shape;
  int64_t bytes = model->workspace_bytes(values);
  void *workspace;
  int32_t i;
  int status;
  if (bytes < 0) fail("the workspace would be too large for these sizes");
  workspace = allocate(bytes + model->alignment);
  model->shapes(values, shapes);
  shape = shapes + input_ranks;
  for (i = 0; i < model->input_count; i++) data[i] = inputs[i].data;
  for (i = 0; i < model->output_count; shape += model->outputs[i++].rank)
    outputs[i] = allocate(size_in_bytes(shape, model->outputs[i].rank, type_of(&model->outputs[i])->bytes));
  status = run_model(data, outputs, values, aligned(workspace), bytes, weights);
  model->shapes(values, shapes);
  free(workspace);
  free(data);
  return status;
}

static void run(const array *inputs, void **outputs, const void *weights) {
  enum { CAPACITY_TOO_SMALL = $NAME_CAPACITY_TOO_SMALL };
  int64_t *values = (int64_t *)allocate(model->dim_count * (int64_t)sizeof *values);
  int64_t capacity = FIRST_CAPACITY;
  int32_t i;
  for (;;) {
    int status;
    set_capacities(values, capacity);
    status = run_once(inputs, outputs, values, weights);
    if (status == 0) break;
    if (status != CAPACITY_TOO_SMALL || !can_grow(capacity)) fail("%s", model->status_text(status));
    capacity *= CAPACITY_GROWTH;
    for (i = 0; i < model->output_count; i++) free(outputs[i]);
  }
  free(values);
}

/* --- outputs --- */

/* FOLDER/out_NAME.npy, with only such characters of the name as every file system takes. */
static char *output_path(const char *folder, const char *name) {
  char *path = (char *)allocate((int64_t)(strlen(folder) + strlen(name) + 16)), *at;
  at = path + sprintf(path, "%s/out_", folder);
  for (; *name; name++) {
    int plain = (*name >= '0' && *name <= '9') || (*name >= 'A' && *name <= 'Z') || (*name >= 'a' && *name <= 'z');
    *at++ = (char)(plain || *name == '.' || *name == '-' ? *name : '_');
  }
  strcpy(at, ".npy");
  return path;
}

static void write_outputs(const char *folder, void *const *outputs) {
  const int64_t *shape = shapes + input_ranks;
  int32_t i;
  for (i = 0; i < model->output_count; shape += model->outputs[i++].rank) {
    const ctc_port *port = &model->outputs[i];
    char *path = output_path(folder, port->name);
    write_array(path, type_of(port), shape, port->rank, outputs[i]);
    printf("%s: ", path);
    print_shape(stdout, type_of(port), shape, port->rank);
    putchar('\n');
    free(path);
  }
}

/* --- weights --- */

/* The weights file: as given, or under its name beside the program. */
static const void *load_weights(const char *path) {
  const char *slash = strrchr(program, '/');
  char *beside = (char *)allocate((int64_t)(strlen(program) + sizeof weights_name));
  char *memory;
  FILE *file;
  if (model->weights_bytes == 0) return NULL;
  sprintf(beside, "%.*s%s", slash ? (int)(slash + 1 - program) : 0, program, weights_name);
  if (!path) path = beside;
  file = fopen(path, "rb");
  if (!file) fail("%s: %s (--weights FILE says where the weights are)", path, strerror(errno));
  memory = (char *)aligned(allocate(model->weights_bytes + model->alignment));
  if (fread(memory, 1, (size_t)model->weights_bytes, file) != (size_t)model->weights_bytes)
    fail("%s: it must hold %lld bytes", path, (long long)model->weights_bytes);
  fclose(file);
  free(beside);
  return memory;
}

/* --- command line --- */

/* Prints the shape of a port with names for the open sizes that are one dim; others are shown as '?'. */
static void print_port(const ctc_port *port, const int64_t *one, const int64_t *two, const int64_t *at_one,
                       const int64_t *at_two) {
  int32_t d, i;
  printf("  %-20s %s[", port->name, type_of(port)->name);
  for (d = 0; d < port->rank; d++) {
    fputs(d ? ", " : "", stdout);
    for (i = 0; i < model->dim_count; i++)
      if (at_one[d] == one[i] && at_two[d] == two[i]) break;
    if (at_one[d] == at_two[d])
      printf("%lld", (long long)at_one[d]);
    else
      fputs(i < model->dim_count ? model->dims[i].name : "?", stdout);
  }
  printf("]%s%s\n", port->note ? "  " : "", port->note ? port->note : "");
}

static void print_ports(void) {
  int32_t i, ranks = input_ranks, at = 0;
  int64_t *one = (int64_t *)allocate(model->dim_count * (int64_t)sizeof *one);
  int64_t *two = (int64_t *)allocate(model->dim_count * (int64_t)sizeof *two);
  int64_t *first;
  for (i = 0; i < model->output_count; i++) ranks += model->outputs[i].rank;
  first = (int64_t *)allocate(ranks * (int64_t)sizeof *first);
  probe(shapes, one, 1009, 2);
  memcpy(first, shapes, (size_t)ranks * sizeof *first);
  probe(shapes, two, 20011, 6);
  puts("\ninputs:");
  for (i = 0; i < model->input_count; at += model->inputs[i++].rank)
    print_port(&model->inputs[i], one, two, first + at, shapes + at);
  puts("outputs:");
  for (i = 0; i < model->output_count; at += model->outputs[i++].rank)
    print_port(&model->outputs[i], one, two, first + at, shapes + at);
  free(one);
  free(two);
  free(first);
}

static void print_dims(void) {
  static const char *const kinds[] = {"follows from the inputs", "depends on the data; --dim gives its capacity",
                                      "depends on the data"};
  int32_t i;
  if (model->dim_count) puts("sizes:");
  for (i = 0; i < model->dim_count; i++) {
    const ctc_dim_info *dim = &model->dims[i];
    printf("  %-20s %s", dim->name, kinds[dim->kind]);
    if (dim->high >= 0) printf(", at most %lld", (long long)dim->high);
    putchar('\n');
  }
}

static void print_help(void) {
  printf("usage: %s [OPTION]... INPUT...\n\n"
         "Runs the model '%s'. Each INPUT is a .npy file, in the order of the inputs, or NAME=FILE.npy.\n\n"
         "options:\n"
         "  -o FOLDER         where out_NAME.npy is written for each output (.)\n"
         "  --dim NAME=VALUE  a size that does not follow from the inputs\n"
         "  --threads N       how many threads run it (1)\n",
         program, model->name);
  if (model->weights_bytes) printf("  --weights FILE    the weights (%s beside the program)\n", weights_name);
  puts("  -h, --help        this text");
  print_ports();
  print_dims();
}

/* NAME=FILE if NAME is an input, else the next input's file. */
static void add_input(array *inputs, const char *text) {
  const char *equals;
  int32_t i;
  for (equals = strchr(text, '='); equals; equals = strchr(equals + 1, '='))
    for (i = 0; i < model->input_count; i++) {
      const ctc_port *port = &model->inputs[i];
      if (strlen(port->name) != (size_t)(equals - text) || strncmp(text, port->name, (size_t)(equals - text)) != 0)
        continue;
      if (inputs[i].data) fail("input '%s' is given twice", port->name);
      read_array(&inputs[i], equals + 1, port);
      return;
    }
  for (i = 0; i < model->input_count && inputs[i].data; i++) continue;
  if (i == model->input_count) fail("'%s': the model has %d inputs only", text, (int)model->input_count);
  read_array(&inputs[i], text, &model->inputs[i]);
}

static const char *option_value(int argc, char **argv, int *i) {
  if (*i + 1 >= argc) fail("%s needs a value", argv[*i]);
  return argv[++*i];
}

int main(int argc, char **argv) {
  const char *folder = ".", *weights_path = NULL;
  array *inputs = (array *)allocate(model->input_count * (int64_t)sizeof *inputs);
  void **outputs = (void **)allocate(model->output_count * (int64_t)sizeof *outputs);
  int i;
  if (argc > 0) program = argv[0];
  make_tables();
  for (i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return print_help(), 0;
    if (strcmp(argv[i], "-o") == 0)
      folder = option_value(argc, argv, &i);
    else if (strcmp(argv[i], "--dim") == 0)
      set_dim(option_value(argc, argv, &i));
    else if (strcmp(argv[i], "--threads") == 0)
      start_threads(option_value(argc, argv, &i));
    else if (strcmp(argv[i], "--weights") == 0)
      weights_path = option_value(argc, argv, &i);
    else if (argv[i][0] == '-' && argv[i][1])
      fail("there is no option %s; --help lists them", argv[i]);
    else
      add_input(inputs, argv[i]);
  }
  for (i = 0; i < model->input_count; i++)
    if (!inputs[i].data) fail("no file for input '%s'; --help lists the inputs", model->inputs[i].name);
  take_sizes(inputs);
  run(inputs, outputs, load_weights(weights_path));
  stop_threads();
  write_outputs(folder, outputs);
  return 0;
}
