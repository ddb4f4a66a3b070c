/* onnx.h: reading an ONNX file into a graph. */
#ifndef CTC_FRONTENDS_ONNX_ONNX_H
#define CTC_FRONTENDS_ONNX_ONNX_H

#include "ir/graph.h"

/* Reads the model at `path` into c->graph and sets c->model_hash and c->producer; c->options (may
 * be NULL) fixes dimensions, shapes and inputs. Afterwards
 *  - all nodes are checked against the operator table, functions of the model are inlined, Constant
 * nodes are values;
 *  - graph inputs have dtype and shape, everything else is still untyped;
 *  - nodes are in topological order.
 * Big initializers are slices of the mapped file. Reports every error it finds and returns false if
 * there was one. */
MUST_CHECK bool onnx_read(Compilation *c, const char *path);
/* The same for bytes in memory, which must outlive the compilation; `path` is the file that they
 * stand for (messages, folder of external data). */
MUST_CHECK bool onnx_read_bytes(Compilation *c, const char *path, const void *data, size_t size);

/* The tensor of a file that holds one TensorProto (test cases of ONNX: input_0.pb); NULL after an
 * error. */
const Tensor *onnx_read_tensor(const char *path, Arena *arena, Diag *diag);

#endif
