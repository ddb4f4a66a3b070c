/* reference.c: archives of inputs and expected outputs. */
#include "cli/reference.h"

#include "io/pickle.h"

#include <string.h>

static bool has_shape_option(const Cli *cli, const char *input) {
  for (size_t i = 0; i < cli->shapes.count; i++)
    if (strcmp(cli->shapes.items[i].input, input) == 0) return true;
  return false;
}

static bool is_set(const Cli *cli, const char *input) {
  for (size_t i = 0; i < cli->sets.count; i++)
    if (strcmp(cli->sets.items[i].input, input) == 0) return true;
  return false;
}

void reference_shapes(Cli *cli, const TensorList *reference) {
  for (size_t i = 0; i < reference->count; i++) {
    const NamedTensor *named = &reference->items[i];
    if (strncmp(named->name, "in:", 3) != 0 || !named->tensor) continue;
    const char *input = named->name + 3;
    if (has_shape_option(cli, input) || is_set(cli, input)) continue;
    ShapeOption shape = {.input = input, .rank = named->tensor->rank};
    memcpy(shape.dims, named->tensor->dims, sizeof(int64_t) * (size_t)shape.rank);
    vec_push(cli->arena, &cli->shapes, shape);
  }
  cli->options.shapes = cli->shapes.items;
  cli->options.shape_count = cli->shapes.count;
}

/* --- tables of scores --- */

/* Position of `label` in a port's note, a list of labels separated by ", " (behind a ": " if there
 * is one); -1 if it is not there. */
static int position_in_note(const char *note, const char *label) {
  const char *colon = note ? strstr(note, ": ") : NULL;
  const char *at = colon ? colon + 2 : note;
  size_t length = strlen(label);
  for (int i = 0; at && *at; i++) {
    size_t word = strcspn(at, ",");
    if (word == length && strncmp(at, label, length) == 0) return i;
    at += word;
    while (*at == ',' || *at == ' ') at++;
  }
  return -1;
}

/* The model's column for each column of the table: by label if the port names all of them, else in
 * order. */
static int *columns_of(Cli *cli, const ScoreTable *table, const Port *port) {
  int *columns = ARENA_ARRAY(cli->arena, int, table->column_count);
  bool named = true;
  for (int c = 0; c < table->column_count; c++) {
    columns[c] = position_in_note(port->note, table->labels[c]);
    named = named && columns[c] >= 0 && columns[c] < table->column_count;
  }
  for (int c = 0; c < table->column_count && !named; c++) columns[c] = c;
  return columns;
}

static const Tensor *scores_as_tensor(Cli *cli, const ScoreTable *table, const Port *port) {
  const int *columns = columns_of(cli, table, port);
  const double *from = table->values->data;
  void *data;
  if (port->dtype != DT_F32 && port->dtype != DT_F64) return table->values;
  const Tensor *result = tensor_create(cli->arena, port->dtype, 2, table->values->dims, &data);
  for (int64_t i = 0; i < table->values->count; i++) {
    int64_t to = i / table->column_count * table->column_count + columns[i % table->column_count];
    if (port->dtype == DT_F32)
      ((float *)data)[to] = (float)from[i];
    else
      ((double *)data)[to] = from[i];
  }
  return result;
}

const Tensor *reference_output(Cli *cli, const TensorList *reference, const Port *port) {
  const NamedTensor *named =
      tensor_list_find(reference, arena_printf(cli->arena, "out:%s", port->name));
  ScoreTable table;
  const char *problem = "this type of array cannot be compared";
  if (!named) return NULL;
  if (named->tensor) return named->tensor;
  if (strcmp(named->descr, "|O") == 0 &&
      pickle_read_scores(named->bytes, named->byte_count, cli->arena, &table, &problem))
    return scores_as_tensor(cli, &table, port);
  if (!cli->json)
    printf("%s: the reference cannot be used (numpy type %s): %s\n", port->name, named->descr,
           problem);
  return NULL;
}
