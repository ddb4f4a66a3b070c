/* tensor_file.c: a file that holds one TensorProto, as the test cases of ONNX come. */
#include "frontends/onnx/onnx.h"
#include "frontends/onnx/reader.h"

const Tensor *onnx_read_tensor(const char *path, Arena *arena, Diag *diag) {
  Compilation c = {.arena = arena, .diag = diag, .file = path};
  Reader r = {.c = &c, .arena = arena, .path = path, .external = map_in(arena)};
  if (!file_map(path, &r.file, diag)) return NULL;
  Onnx__TensorProto *proto = onnx__tensor_proto__unpack(NULL, r.file.size, r.file.data);
  if (!proto) {
    diag_error(diag, path, "not a TensorProto, or damaged");
    return NULL;
  }
  return tensor_read(&r, path, "the tensor", proto); /* may point into proto, so that stays */
}
