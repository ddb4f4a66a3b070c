/* wire.h: checks the protobuf bytes of a model before they are unpacked, and takes the weights out
 * of them. */
#ifndef CTC_FRONTENDS_ONNX_WIRE_H
#define CTC_FRONTENDS_ONNX_WIRE_H

#include "base/arena.h"
#include "base/file.h"

#include <protobuf-c/protobuf-c.h>

/* What stands in the bytes of each TensorProto.raw_data after wire_reduce: where they are in the
 * file. */
typedef struct {
  uint64_t offset, size;
} WireSlice;

typedef struct {
  size_t position;  /* byte at which the file stops making sense */
  const char *text; /* why */
  bool recognised;  /* some of the file was right: damaged, rather than something else */
} WireError;

/* A copy of the message in `file` in which unknown fields are left out and every raw_data holds a
 * WireSlice instead of its bytes; so it is small, however large the weights are. Everything that
 * the unpacker relies on was checked. False if the file is not a well-formed message of type
 * `descriptor`; then *error tells where and why. */
MUST_CHECK bool wire_reduce(Arena *arena, FileView file,
                            const ProtobufCMessageDescriptor *descriptor, FileView *reduced,
                            WireError *error);

#endif
