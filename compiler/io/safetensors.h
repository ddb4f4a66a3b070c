/* safetensors.h: tensors in files of the safetensors format. */
#ifndef CTC_IO_SAFETENSORS_H
#define CTC_IO_SAFETENSORS_H

#include "base/file.h"
#include "io/npz.h"

/* Appends all tensors of the file to `list`, in the order of its header. Their data are slices of
 * the mapped file. Reports everything that is wrong and returns false if something is. */
MUST_CHECK bool safetensors_read(const char *path, Arena *arena, TensorList *list, Diag *diag);
/* The same for bytes in memory, which must outlive the tensors. */
MUST_CHECK bool safetensors_read_bytes(const char *path, FileView view, Arena *arena,
                                       TensorList *list, Diag *diag);

#endif
