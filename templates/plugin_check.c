/* Calls functions of a plugin as a file says, and writes what they give: made and run by `ctc plugin check`.
 *
 * All memory that a function gets is allocated for itself, with its exact size, so that the address sanitizer sees every
 * access outside of it. The file of calls, and that of results, are words of 64 bits; texts of bytes are filled up to whole words:
 *
 *   call    flags, function, units, number of arguments; each argument: kind, then
 *             a number, a real: its bits; memory: its bytes, and those that the function reads
 *   result  status, fault, argument, byte, two units; then what each output holds */
#define _POSIX_C_SOURCE 200809L
$runtime_head
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

$runtime

enum {
  CTC_CHECK_THOROUGH = 1, /* more than one run, to compare */
  CTC_CHECK_UNITS = 2,    /* its units may be done in any order */
  CTC_CHECK_ARGUMENTS = 256,
  CTC_CHECK_CUTS = 64, /* as many parts at most */
  CTC_CHECK_SECONDS = 20
};

typedef enum { CTC_CHECK_IN, CTC_CHECK_OUT, CTC_CHECK_SCRATCH, CTC_CHECK_NUMBER, CTC_CHECK_REAL, CTC_CHECK_NULL } ctc_check_kind;

typedef enum {
  CTC_CHECK_FINE,
  CTC_CHECK_RANDOM,    /* the same call again gave another result */
  CTC_CHECK_UNWRITTEN, /* an element of an output is as it was before */
  CTC_CHECK_MEMORY,    /* the result depends on what the memory held before */
  CTC_CHECK_INPUT,     /* an input was written to */
  CTC_CHECK_STATUS,    /* the same call again gave another status */
  CTC_CHECK_SPLIT,     /* units one by one give another result than all at once */
  CTC_CHECK_SHARED     /* two units write the same memory */
} ctc_check_fault;

typedef struct {
  ctc_check_kind kind;
  size_t bytes;
  unsigned char *data, *first; /* first: as the first run left it; of inputs, as it should be */
  short *owner;                /* the part that wrote each byte, from 1; 0: none */
  ctc_dim number;
  double real;
} ctc_check_argument;

typedef struct {
  ctc_dim flags, function, units, count;
  ctc_check_argument arguments[CTC_CHECK_ARGUMENTS];
  ctc_dim status, fault, argument, byte, part, other;
} ctc_check_call;

/* --- the functions --- */

//$ for f in functions
static int ctc_check_call_$f.number(const ctc_check_argument *a, ctc_dim first, ctc_dim last) {
  //$ if f.lanes
  ctc_dim i;
  for (i = first; i < last; i += CTC_LANES) {
    const int n = last - i < CTC_LANES ? (int)(last - i) : CTC_LANES;
    ctc_v_store_lanes((float *)$f.result + i, $f.call, n);
  }
  //$ else
  //$ if f.elements
  ctc_dim i;
  for (i = first; i < last; i++) (($f.type *)$f.result)[i] = $f.call;
  //$ else
  (void)first;
  (void)last;
  //$ if f.status
  return $f.call;
  //$ else
  $f.call;
  //$ end
  //$ end
  //$ end
  //$ if !f.status
  return 0;
  //$ end
}

//$ end
static int ctc_check_run(const ctc_check_call *c, ctc_dim first, ctc_dim last) {
  switch (c->function) {
  //$ for f in functions
  case $f.number: return ctc_check_call_$f.number(c->arguments, first, last);
  //$ end
  default: return -1;
  }
}

/* --- the file --- */

static ctc_dim ctc_check_word(FILE *file) {
  ctc_dim word = 0;
  if (fread(&word, sizeof word, 1, file) != 1) exit(0);
  return word;
}

static unsigned char *ctc_check_memory(size_t bytes) {
  unsigned char *memory = (unsigned char *)malloc(bytes);
  if (!memory && bytes) exit(3);
  return memory;
}

static void ctc_check_read_bytes(FILE *file, unsigned char *data, size_t bytes) {
  unsigned char pad[8];
  if (bytes && fread(data, 1, bytes, file) != bytes) exit(2);
  if (bytes % 8 && fread(pad, 1, 8 - bytes % 8, file) != 8 - bytes % 8) exit(2);
}

static void ctc_check_read_argument(FILE *file, ctc_check_argument *a) {
  const ctc_dim kind = ctc_check_word(file), word = ctc_check_word(file);
  memset(a, 0, sizeof *a);
  a->kind = (ctc_check_kind)kind;
  a->number = word;
  memcpy(&a->real, &word, sizeof word);
  if (a->kind >= CTC_CHECK_NUMBER) return;
  a->bytes = (size_t)word;
  a->data = ctc_check_memory(a->bytes);
  a->first = ctc_check_memory(a->bytes);
  if (a->kind != CTC_CHECK_IN)
    a->owner = (short *)(void *)ctc_check_memory(a->bytes * sizeof *a->owner);
  else
    ctc_check_read_bytes(file, a->first, a->bytes);
  if (a->kind == CTC_CHECK_IN && a->bytes) memcpy(a->data, a->first, a->bytes);
}

static void ctc_check_read(FILE *file, ctc_check_call *c) {
  ctc_dim i;
  memset(c, 0, sizeof *c);
  c->flags = ctc_check_word(file);
  c->function = ctc_check_word(file);
  c->units = ctc_check_word(file);
  c->count = ctc_check_word(file);
  if (c->count > CTC_CHECK_ARGUMENTS) exit(2);
  for (i = 0; i < c->count; i++) ctc_check_read_argument(file, &c->arguments[i]);
}

static void ctc_check_free(ctc_check_call *c) {
  ctc_dim i;
  for (i = 0; i < c->count; i++) {
    free(c->arguments[i].data);
    free(c->arguments[i].first);
    free(c->arguments[i].owner);
  }
}

static void ctc_check_write(FILE *file, const ctc_check_call *c) {
  const ctc_dim head[6] = {c->status, c->fault, c->argument, c->byte, c->part, c->other};
  static const unsigned char pad[8] = {0};
  ctc_dim i;
  fwrite(head, sizeof head, 1, file);
  for (i = 0; i < c->count; i++) {
    const ctc_check_argument *a = &c->arguments[i];
    if (a->kind != CTC_CHECK_OUT || !a->bytes) continue;
    fwrite(a->first, 1, a->bytes, file);
    if (a->bytes % 8) fwrite(pad, 1, 8 - a->bytes % 8, file);
  }
  fflush(file);
}

/* --- what one call must not do --- */

static int ctc_check_fail(ctc_check_call *c, ctc_check_fault fault, ctc_dim argument, size_t byte) {
  if (c->fault != CTC_CHECK_FINE) return 0;
  c->fault = fault;
  c->argument = argument;
  c->byte = (ctc_dim)byte;
  return 0;
}

/* Whether argument `i` is memory that the function writes to. */
static int ctc_check_writes(const ctc_check_call *c, ctc_dim i) {
  return c->arguments[i].kind == CTC_CHECK_OUT || c->arguments[i].kind == CTC_CHECK_SCRATCH;
}

static void ctc_check_fill(ctc_check_call *c, int value) {
  ctc_dim i;
  for (i = 0; i < c->count; i++)
    if (ctc_check_writes(c, i) && c->arguments[i].bytes) memset(c->arguments[i].data, value, c->arguments[i].bytes);
}

static void ctc_check_keep(ctc_check_call *c) {
  ctc_dim i;
  for (i = 0; i < c->count; i++)
    if (ctc_check_writes(c, i) && c->arguments[i].bytes)
      memcpy(c->arguments[i].first, c->arguments[i].data, c->arguments[i].bytes);
}

/* The outputs are those of the first run; `before` and `now`: what the memory held then, and before this run. */
static void ctc_check_compare(ctc_check_call *c, ctc_check_fault fault, int before, int now) {
  ctc_dim i;
  size_t k;
  for (i = 0; i < c->count; i++) {
    const ctc_check_argument *a = &c->arguments[i];
    for (k = 0; a->kind == CTC_CHECK_OUT && k < a->bytes; k++) {
      if (a->data[k] == a->first[k]) continue;
      ctc_check_fail(c, before != now && a->first[k] == before && a->data[k] == now ? CTC_CHECK_UNWRITTEN : fault, i, k);
    }
  }
}

static void ctc_check_inputs(ctc_check_call *c) {
  ctc_dim i;
  size_t k;
  for (i = 0; i < c->count; i++)
    for (k = 0; c->arguments[i].kind == CTC_CHECK_IN && k < c->arguments[i].bytes; k++)
      if (c->arguments[i].data[k] != c->arguments[i].first[k]) ctc_check_fail(c, CTC_CHECK_INPUT, i, k);
}

static void ctc_check_again(ctc_check_call *c, ctc_check_fault fault, int before, int now) {
  ctc_check_fill(c, now);
  if (ctc_check_run(c, 0, c->units) != c->status) ctc_check_fail(c, CTC_CHECK_STATUS, 0, 0);
  if (c->status == 0) ctc_check_compare(c, fault, before, now);
}

/* --- units --- */

/* The units of a part: the numbers from *first to the result. */
static ctc_dim ctc_check_part(const ctc_check_call *c, ctc_dim part, ctc_dim parts, ctc_dim *first) {
  *first = c->units / parts * part + (part < c->units % parts ? part : c->units % parts);
  return *first + c->units / parts + (part < c->units % parts);
}

/* The last part first. */
static void ctc_check_split(ctc_check_call *c, ctc_dim parts, int fill) {
  ctc_dim part, first;
  ctc_check_fill(c, fill);
  for (part = parts - 1; part >= 0; part--) {
    const ctc_dim last = ctc_check_part(c, part, parts, &first);
    ctc_check_run(c, first, last);
  }
  ctc_check_compare(c, CTC_CHECK_SPLIT, fill, fill);
}

/* Marks what a part wrote: the bytes that are not what the memory was filled with. */
static void ctc_check_mark(ctc_check_call *c, ctc_dim part, int fill) {
  ctc_dim i;
  size_t k;
  for (i = 0; i < c->count; i++) {
    ctc_check_argument *a = &c->arguments[i];
    for (k = 0; ctc_check_writes(c, i) && k < a->bytes; k++) {
      if (a->data[k] == fill || a->owner[k] == (short)(part + 1)) continue;
      if (a->owner[k] != 0 && c->fault == CTC_CHECK_FINE) {
        c->part = a->owner[k] - 1;
        c->other = part;
        ctc_check_fail(c, CTC_CHECK_SHARED, i, k);
      }
      a->owner[k] = (short)(part + 1);
    }
  }
}

/* No memory is written by two parts. */
static void ctc_check_owners(ctc_check_call *c, ctc_dim parts) {
  static const int fills[2] = {0xff, 0x5a};
  ctc_dim part, first, i;
  int k;
  for (i = 0; i < c->count; i++)
    if (ctc_check_writes(c, i) && c->arguments[i].bytes)
      memset(c->arguments[i].owner, 0, c->arguments[i].bytes * sizeof *c->arguments[i].owner);
  for (part = 0; part < parts; part++)
    for (k = 0; k < 2; k++) {
      const ctc_dim last = ctc_check_part(c, part, parts, &first);
      ctc_check_fill(c, fills[k]);
      ctc_check_run(c, first, last);
      ctc_check_mark(c, part, fills[k]);
    }
}

/* --- all of it --- */

static void ctc_check_one(ctc_check_call *c) {
  const ctc_dim parts = c->units < CTC_CHECK_CUTS ? c->units : (ctc_dim)CTC_CHECK_CUTS;
  ctc_check_fill(c, 0xff);
  c->status = ctc_check_run(c, 0, c->units);
  ctc_check_keep(c);
  if (!(c->flags & CTC_CHECK_THOROUGH)) return;
  ctc_check_inputs(c);
  ctc_check_again(c, CTC_CHECK_RANDOM, 0xff, 0xff);
  ctc_check_again(c, CTC_CHECK_MEMORY, 0xff, 0x5a);
  if (!(c->flags & CTC_CHECK_UNITS) || parts < 2) return;
  ctc_check_split(c, 2, 0x5a);
  ctc_check_split(c, parts, 0x5a);
  ctc_check_owners(c, parts);
}

/* check CALLS RESULTS FIRST: the calls from number FIRST on */
int main(int argc, char **argv) {
  static ctc_check_call call;
  FILE *calls = argc == 4 ? fopen(argv[1], "rb") : NULL;
  FILE *results = calls ? fopen(argv[2], "ab") : NULL;
  long number, first = results ? atol(argv[3]) : 0;
  if (!results) return 2;
  for (number = 0;; number++) {
    ctc_check_read(calls, &call);
    if (number >= first) {
      alarm(CTC_CHECK_SECONDS);
      ctc_check_one(&call);
      ctc_check_write(results, &call);
    }
    ctc_check_free(&call);
  }
}
