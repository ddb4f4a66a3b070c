/* dtype.h: element types of tensors; the rows are in dtype.def. */
#ifndef CTC_IR_DTYPE_H
#define CTC_IR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum {
  DT_NONE,
#define X(id, short_name, name, c_type, bytes, onnx, npy, kind) id,
#include "ir/dtype.def"
#undef X
  DT_COUNT
} DType;

typedef enum { KIND_FLOAT, KIND_INT, KIND_UINT, KIND_BOOL, KIND_OTHER } DTypeKind;

typedef struct {
  const char *short_name; /* "f32": suffix of kernel names */
  const char *name;       /* "float32": in messages */
  const char *c_type;     /* "float": in emitted code */
  size_t bytes;
  int onnx_code;
  const char *npy; /* descr of numpy's .npy format */
  DTypeKind kind;
} DTypeInfo;

/* The row of `dtype`; for DT_NONE a row whose name is "unknown type". */
const DTypeInfo *dtype_info(DType dtype);
DType dtype_from_onnx(int code);         /* DT_NONE if there is no such code */
DType dtype_from_npy(const char *descr); /* likewise */
DType dtype_from_name(const char *name); /* "float32"; likewise */
bool dtype_is_float(DType dtype);        /* f16, bf16, f32, f64 */
bool dtype_is_integer(DType dtype);      /* signed or unsigned, not bool */
bool dtype_is_narrow(DType dtype);       /* numbers stored in a byte that C does not compute with */

#endif
