/* dtype.c: the table of element types and look-ups in it. */
#include "ir/dtype.h"

#include <string.h>

static const DTypeInfo infos[DT_COUNT] = {
    [DT_NONE] = {"none", "unknown type", "void", 0, 0, "", KIND_OTHER},
#define X(id, short_name, name, c_type, bytes, onnx, npy, kind)                                    \
  [id] = {#short_name, name, c_type, bytes, onnx, npy, kind},
#include "ir/dtype.def"
#undef X
};

const DTypeInfo *dtype_info(DType dtype) {
  return &infos[dtype < DT_COUNT ? dtype : DT_NONE];
}

DType dtype_from_onnx(int code) {
  for (int i = 1; i < DT_COUNT; i++)
    if (infos[i].onnx_code == code) return (DType)i;
  return DT_NONE;
}

DType dtype_from_npy(const char *descr) {
  for (int i = 1; i < DT_COUNT; i++)
    if (strcmp(infos[i].npy, descr) == 0) return (DType)i;
  return DT_NONE;
}

DType dtype_from_name(const char *name) {
  for (int i = 1; i < DT_COUNT; i++)
    if (strcmp(infos[i].name, name) == 0) return (DType)i;
  return DT_NONE;
}

bool dtype_is_float(DType dtype) {
  return dtype_info(dtype)->kind == KIND_FLOAT;
}

bool dtype_is_integer(DType dtype) {
  DTypeKind kind = dtype_info(dtype)->kind;
  return kind == KIND_INT || kind == KIND_UINT;
}

bool dtype_is_narrow(DType dtype) {
  const DTypeInfo *info = dtype_info(dtype);
  return info->kind == KIND_OTHER && info->bytes == 1;
}
