/* read.c: from the bytes of a file to the graph: unpacks the messages, reads what concerns the
 * whole model, starts the rest. */
#include "onnx.h"

#include "ops/schema.h"
#include "reader.h"
#include "wire.h"

/* ---- unpacking ---- */

static void *allocate(void *arena, size_t size) {
  return size < 4096 ? arena_alloc(arena, size, 1) : arena_alloc_big(arena, size);
}

static void release(void *arena, void *pointer) {
  (void)arena;
  (void)pointer; /* the arena goes as a whole */
}

static void report_damage(Reader *r, const char *kind, const WireError *error) {
  if (error->recognised)
    diag_error(r->c->diag, r->path, "the file is truncated or damaged at byte %zu: %s",
               error->position, error->text);
  else
    diag_error(r->c->diag, r->path, "not an ONNX %s (at byte %zu: %s)", kind, error->position,
               error->text);
}

ProtobufCMessage *message_unpack(Reader *r, const char *kind,
                                 const ProtobufCMessageDescriptor *descriptor) {
  WireError error;
  FileView reduced;
  ProtobufCMessage *message = NULL;
  Arena *scratch = arena_create();
  ProtobufCAllocator allocator = {allocate, release, r->arena};
  if (r->file.size == 0)
    diag_error(r->c->diag, r->path, "not an ONNX %s: the file is empty", kind);
  else if (!wire_reduce(scratch, r->file, descriptor, &reduced, &error))
    report_damage(r, kind, &error);
  else if (!(message =
                 protobuf_c_message_unpack(descriptor, &allocator, reduced.size, reduced.data)))
    diag_error(r->c->diag, r->path, "the file is damaged");
  arena_destroy(scratch);
  return message;
}

static bool unpack_model(Reader *r) {
  r->model = (const Onnx__ModelProto *)message_unpack(r, "model", &onnx__model_proto__descriptor);
  if (!r->model) return false;
  if (r->model->graph) return true;
  return diag_error(r->c->diag, r->path,
                    "the file holds no graph: it is truncated or not an ONNX model");
}

/* ---- versions ---- */

static void *version_pointer(int version) {
  return (void *)(intptr_t)version;
}

bool opsets_read(Reader *r, const char *whose, Onnx__OperatorSetIdProto **imports, size_t count,
                 Map *out) {
  bool ok = true;
  *out = map_in(r->arena);
  for (size_t i = 0; i < count; i++) {
    const char *domain = normal_domain(imports[i]->domain);
    if (imports[i]->version < 1 || imports[i]->version > INT32_MAX)
      ok = diag_error(r->c->diag, r->c->file, "%s imports opset %lld of '%s', which cannot be",
                      whose, (long long)imports[i]->version, *domain ? domain : "ai.onnx");
    else
      map_set(out, domain, version_pointer((int)imports[i]->version));
  }
  return ok;
}

/* A model that does not say: before format version 3 there was only opset 1. */
static int missing_version(Reader *r, const char *domain) {
  int newest = schema_newest(domain), version = newest ? newest : 1;
  if (!*domain && r->model->ir_version < 3) return 1;
  diag_warning(r->c->diag, r->c->file, "the model imports no opset of %s; version %d is assumed",
               *domain ? domain : "ai.onnx", version);
  return version;
}

int opset_version(Reader *r, const Scope *scope, const char *domain) {
  void *version = map_get(scope->opsets, domain);
  if (!version) version = map_get(&r->opsets, domain);
  if (!version) {
    version = version_pointer(missing_version(r, domain));
    map_set(&r->opsets, domain, version);
  }
  return (int)(intptr_t)version;
}

static void warn_versions(Reader *r) {
  Compilation *c = r->c;
  if (r->model->ir_version > schema_ir_version)
    diag_warning(c->diag, c->file,
                 "the file is of ONNX format version %lld; ctc knows up to version %d",
                 (long long)r->model->ir_version, schema_ir_version);
  for (size_t i = 0; i < r->opsets.capacity; i++) {
    const char *domain = r->opsets.entries[i].key;
    int version = (int)(intptr_t)r->opsets.entries[i].value;
    if (domain && schema_newest(domain) && version > schema_newest(domain))
      diag_warning(c->diag, c->file, "the model is of opset %d of %s; ctc knows up to %d", version,
                   *domain ? domain : "ai.onnx", schema_newest(domain));
  }
}

/* ---- the model ---- */

static const char *producer_text(Reader *r) {
  const char *name = text_or_empty(r->model->producer_name);
  const char *version = text_or_empty(r->model->producer_version);
  return *version ? arena_printf(r->arena, "%s %s", name, version) : name;
}

static bool read_model(Reader *r) {
  Compilation *c = r->c;
  bool ok =
      opsets_read(r, "the model", r->model->opset_import, r->model->n_opset_import, &r->opsets);
  warn_versions(r);
  c->producer = producer_text(r);
  c->model_hash = file_hash(r->file, FILE_HASH_START);
  ok = functions_read(r) && ok;
  ok = graph_read(r, NULL, NULL, r->model->graph) && ok;
  if (c->next_node_index < r->node_number) c->next_node_index = r->node_number;
  return ok;
}

bool onnx_read_bytes(Compilation *c, const char *path, const void *data, size_t size) {
  Value omitted = {.name = ""};
  Reader r = {.c = c,
              .arena = c->arena,
              .path = path,
              .file = {data, size},
              .functions = map_in(c->arena),
              .external = map_in(c->arena),
              .omitted = &omitted};
  if (!c->file) c->file = path;
  return unpack_model(&r) && read_model(&r);
}

bool onnx_read(Compilation *c, const char *path) {
  FileView file;
  return file_map(path, &file, c->diag) && onnx_read_bytes(c, path, file.data, file.size);
}
