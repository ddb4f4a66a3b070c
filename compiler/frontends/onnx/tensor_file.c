/* tensor_file.c: a file that holds one TensorProto, as the test cases of ONNX come. */
#include "onnx.h"

#include "reader.h"

const Tensor *onnx_read_tensor(const char *path, Arena *arena, Diag *diag) {
  Compilation c = {.arena = arena, .diag = diag, .file = path};
  Reader r = {.c = &c, .arena = arena, .path = path, .external = map_in(arena)};
  if (!file_map(path, &r.file, diag)) return NULL;
  ProtobufCMessage *message = message_unpack(&r, "tensor", &onnx__tensor_proto__descriptor);
  return message ? tensor_read(&r, path, "the tensor", (const Onnx__TensorProto *)message) : NULL;
}
