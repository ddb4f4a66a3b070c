/* pickle.h: tables of scores out of a Python pickle, without running anything.
 *
 * numpy saves an array of Python objects as a pickle, a program for a small stack machine. Here
 * only those instructions are understood that describe plain data; what a real reader would call is
 * looked at by name, never called. */
#ifndef CTC_IO_PICKLE_H
#define CTC_IO_PICKLE_H

#include "ir/tensor.h"

#include <stdbool.h>
#include <stddef.h>

/* A table: one row for each dict, one column for each key; all dicts have the same keys. */
typedef struct {
  const Tensor *values; /* float64[rows, columns] */
  const char **labels;  /* of the columns, as text */
  int column_count;
} ScoreTable;

/* Reads the pickle of a numpy object array (or list) of dicts {int or text: number}. False, with
 * the reason in *problem, for anything else. */
MUST_CHECK bool pickle_read_scores(const void *bytes, size_t size, Arena *arena, ScoreTable *table,
                                   const char **problem);

#endif
