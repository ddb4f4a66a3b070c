/* npz.h: tensors in numpy's files: .npy (one array) and .npz (a zip of them). */
#ifndef CTC_IO_NPZ_H
#define CTC_IO_NPZ_H

#include "base/diag.h"
#include "base/vec.h"
#include "ir/tensor.h"

typedef struct {
  const char *name;     /* key in the archive, without ".npy" */
  const Tensor *tensor; /* NULL if the array's dtype is not one of ours (objects) */
  const char *descr;    /* numpy's name of the dtype */
  const char *bytes;    /* what follows the .npy header (a pickle, for objects) */
  size_t byte_count;
} NamedTensor;

typedef struct {
  NamedTensor *items;
  size_t count, capacity;
} TensorList;

/* Reads all arrays of an .npz into `list`. Reports and returns false if the file is not one;
 * Fortran-ordered arrays are turned round. Data is copied into the arena. */
MUST_CHECK bool npz_read(const char *path, Arena *arena, TensorList *list, Diag *diag);
/* One array from a .npy file. */
MUST_CHECK bool npy_read(const char *path, Arena *arena, NamedTensor *result, Diag *diag);
/* Writes all tensors; the file appears only when complete. */
MUST_CHECK bool npz_write(const char *path, const TensorList *list, Arena *arena, Diag *diag);
/* The tensor called `name`, or NULL. */
const NamedTensor *tensor_list_find(const TensorList *list, const char *name);

#endif
