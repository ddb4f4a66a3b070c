/* block.h: what compiled kernels (device.h) and the machine that runs their blocks (block.cpp) know
 * of each other. */
#pragma once

enum { CTC_WARP_LANES = 32, CTC_DYNAMIC_BYTES = 232448 };

struct ctc_index {
  unsigned x, y, z;
};

/* threadIdx, blockIdx, blockDim, gridDim: written before a thread goes on. */
struct ctc_place {
  ctc_index thread, block, threads, blocks;
};

/* Where a thread waits. Two calls are the same barrier if function and line are. */
struct ctc_site {
  const char *what, *function;
  int line;
};

/* What a lane brings to a warp function and what it gets: the value of lane `source`, of all 32
 * lanes (CTC_FROM_ALL) or nothing (CTC_FROM_NONE). Lanes that take no part read as 0xff bytes. */
enum { CTC_FROM_ALL = -1, CTC_FROM_NONE = -2 };
struct ctc_exchange {
  const void *value;
  unsigned bytes;
  int source;
  void *result;
};

/* Kinds of accesses that kernels compiled to find races tell. */
enum { CTC_READ = 0, CTC_WRITE = 1, CTC_ATOMIC = 2 };

struct ctc_machine {
  int (*barrier)(ctc_site site, int predicate); /* how many threads' predicate was true */
  void (*warp)(ctc_site site, unsigned mask, const ctc_exchange *exchange);
  unsigned (*active)(); /* lanes of the warp that have not ended */
  void (*access)(const void *address, unsigned bytes, int kind, const void *code);
  void (*fence)(); /* __threadfence */
};

/* One per compiled text, under the name ctc_the_unit. */
struct ctc_unit {
  ctc_place *place;
  const ctc_machine **machine;
  char *shared_begin, *shared_end; /* all __shared__ variables */
  char *dynamic;                   /* the extern one: CTC_DYNAMIC_BYTES */
  bool tells_accesses;             /* machine.access is called */
};

/* One per kernel, under the name ctc_kernel_NAME. */
struct ctc_kernel {
  const char *name;
  void (*run)(void **arguments);
  int parameters;
  const unsigned *bytes; /* of each parameter */
  int max_threads;       /* __launch_bounds__; 0: not told */
};
