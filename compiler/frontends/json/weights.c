/* weights.c: the files that a model's "weights" name, .npz or .safetensors, as one set of tensors.
 */
#include "reader.h"

#include "frontends/common/folder.h"
#include "io/npz.h"
#include "io/safetensors.h"

static bool has_extension(const char *path, const char *extension) {
  size_t length = strlen(path), end = strlen(extension);
  return length > end && strcmp(path + length - end, extension) == 0;
}

static bool add_weight(JsonReader *r, const JsonValue *at, const NamedTensor *named,
                       const char *file) {
  const Weight *other = map_get(&r->weights, named->name);
  if (other)
    return json_error(&r->file, at, "tensor '%s' is in both %s and %s", named->name, other->file,
                      file);
  Weight *weight = ARENA_NEW(r->arena, Weight);
  *weight = (Weight){.name = named->name, .file = file, .tensor = named->tensor};
  map_set(&r->weights, weight->name, weight);
  vec_push(r->arena, &r->weight_list, weight);
  return true;
}

static bool read_file(JsonReader *r, const JsonValue *at) {
  Compilation *c = r->c;
  TensorList list = {0};
  FileView view;
  bool numpy = has_extension(at->string, ".npz"), ok = true;
  if (!numpy && !has_extension(at->string, ".safetensors"))
    return json_error(&r->file, at, "weights are .safetensors or .npz files, not '%s'", at->string);
  const char *path = folder_file(r->arena, c->diag, json_where(&r->file, at), "the weights are in",
                                 r->file.path, at->string);
  if (!path || !file_map(path, &view, c->diag)) return false;
  c->model_hash = file_hash(view, c->model_hash);
  if (!(numpy ? npz_read(path, r->arena, &list, c->diag)
              : safetensors_read_bytes(path, view, r->arena, &list, c->diag)))
    return false;
  for (size_t i = 0; i < list.count; i++)
    if (list.items[i].tensor && list.items[i].tensor->dtype != DT_STRING)
      ok = add_weight(r, at, &list.items[i], at->string) && ok;
  return ok;
}

bool weights_read(JsonReader *r) {
  const JsonValue *files = json_member(r->file.root, "weights");
  bool ok = true;
  r->weights = map_in(r->arena);
  if (!files) return true;
  if (files->kind == JSON_STRING) return read_file(r, files);
  for (size_t i = 0; i < files->count; i++) ok = read_file(r, files->items[i]) && ok;
  return ok;
}

Value *weights_find(JsonReader *r, const char *name) {
  Weight *weight = map_get(&r->weights, name);
  if (!weight) return NULL;
  if (!weight->value) {
    weight->value = value_constant(r->c, weight->name, weight->tensor);
    weight->value->is_parameter = true;
  }
  return weight->value;
}

const char *weights_suggest(JsonReader *r, const char *name) {
  const char **names = ARENA_ARRAY(r->arena, const char *, r->weight_list.count + 1);
  for (size_t i = 0; i < r->weight_list.count; i++) names[i] = r->weight_list.items[i]->name;
  return str_nearest(name, names, r->weight_list.count);
}

/* Counted by torch.nn while it trains; no layer needs it. */
static bool is_counter(const char *name) {
  return has_extension(name, ".num_batches_tracked");
}

void weights_warn_unused(JsonReader *r) {
  enum { SHOWN = 5 };
  Str text = str_in(r->arena);
  size_t unused = 0;
  for (size_t i = 0; i < r->weight_list.count; i++) {
    const Weight *weight = r->weight_list.items[i];
    if (weight->value || is_counter(weight->name)) continue;
    if (unused++ < SHOWN) str_addf(&text, "%s'%s'", unused > 1 ? ", " : "", weight->name);
  }
  if (unused > SHOWN) str_addf(&text, " and %zu more", unused - SHOWN);
  if (unused)
    diag_warning(r->c->diag, json_where(&r->file, json_member(r->file.root, "weights")),
                 "no layer uses %s", str_text(&text));
}
